"""What all figures promise: no legend covers a mark, and a method has one colour."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from autograder import legends
from autograder.figures import METHODS, curves, look, looks, method, new_figure, paths
from book.page import live_look, picture, wrong_colours

STATIC = Path(__file__).resolve().parent.parent / "book" / "_static"
# Methods that meet in one figure.
TOGETHER = (
    ("GD", "SGD"),
    ("GD", "BFGS", "Newton"),
    ("GD", "L-BFGS", "Newton"),
    ("GD", "momentum", "Nesterov"),
    ("SGD", "momentum", "Adam"),
    ("Adam", "AMSGrad"),
    ("GD", "momentum", "normalised", "AdaGrad", "RMSprop", "Adam", "AdamW"),
)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def drawn(figure: Any) -> Any:
    """Draw a figure as a notebook does; gives the renderer."""
    figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")
    return figure.canvas.get_renderer()


# Each leaves only the lower left free, and reaches into the other corners in its own way.
MARKS: dict[str, Callable[[Any], Any]] = {
    # No point of the line lies in the drawing: it only passes.
    "a line": lambda ax: ax.plot([-1, 3, 7, 11, 11, 7], [7, 11, 11, 7, 3, -1], label="a"),
    "markers": lambda ax: ax.plot([0.2, 9.8, 9.8], [9.8, 9.8, 0.2], "o", markersize=9, label="a"),
    "a scatter": lambda ax: ax.scatter([0.2, 9.8, 9.8], [9.8, 9.8, 0.2], label="a"),
    "bars of errors": lambda ax: ax.errorbar([1, 5, 9], [9, 9, 5], [1, 1, 4.8], label="a"),
    "bars": lambda ax: ax.bar([0, 5, 9], [5, 9.9, 9.9], bottom=[5, 0.1, 0.1], width=2, label="a"),
    "a band": lambda ax: ax.fill_between([0, 5, 5, 10], [6, 6, 0, 0], 10, label="a"),
    "words": lambda ax: [
        ax.text(x, y, "word" * 5, ha=side) for x, y, side in ((0, 9.5, "left"), (10, 9.5, "right"))
    ] + [ax.text(10, 0.5, "word", ha="right"), *ax.plot([5], [5], label="a")],
}  # fmt: skip


@pytest.mark.parametrize("kind", MARKS)
def test_a_legend_leaves_a_place_where_it_covers_a_mark(kind: str) -> None:
    figure, ax = new_figure()
    MARKS[kind](ax)
    ax.set(xlim=(0, 10), ylim=(0, 10))
    legend = ax.legend(loc="upper right")
    assert legends.covered(legend, ax, figure.canvas.get_renderer())  # type: ignore[attr-defined]
    renderer = drawn(figure)
    assert not legends.covered(ax.get_legend(), ax, renderer)
    box, room = ax.get_legend().get_window_extent(renderer), ax.bbox
    assert room.x0 < box.x0 < box.x1 < room.x1 and room.y0 < box.y0 < box.y1 < room.y1
    assert box.x1 < room.x0 + room.width / 2 and box.y1 < room.y0 + room.height / 2, "lower left"


def test_a_legend_that_covers_nothing_stays_and_tints_do_not_count() -> None:
    figure, ax = new_figure()
    ax.contourf(np.arange(9.0).reshape(3, 3))
    ax.axvspan(1.5, 2, color="0.8")
    paths({"Adam": np.array([[0.2, 0.2], [0.4, 0.4]])}, ax=ax, legend={"loc": "center right"})
    before = ax.get_legend().get_window_extent().bounds
    assert ax.get_legend().get_window_extent(drawn(figure)).bounds == pytest.approx(before)


@pytest.mark.parametrize("columns", [1, 2])
def test_where_nothing_is_free_the_legend_stands_above(columns: int) -> None:
    """Above its own axes, below their title; or above all that stand side by side."""
    figure, axes = new_figure(1, columns)
    everywhere = np.random.default_rng(0).uniform(0, 1, (2, 500))
    for ax in np.atleast_1d(axes):
        for name in ("one long name", "another one", "a third name that is long", "a fourth"):
            ax.plot(*everywhere, "o", label=name)
        ax.set_title("title")
    first = np.atleast_1d(axes)[0]
    first.legend(loc="best", title="what")
    renderer = drawn(figure)
    shown = [ax.get_legend() for ax in np.atleast_1d(axes) if ax.get_legend()]
    assert len(figure.legends) + len(shown) == 1
    legend = [*figure.legends, *shown].pop()
    box, title = legend.get_window_extent(renderer), first.title.get_window_extent(renderer)
    assert legend.get_title().get_text() == "what"
    assert legend.get_texts()[0].get_text() == "one long name"
    assert box.y0 >= first.bbox.y1
    assert box.width <= figure.bbox.width
    assert title.y0 >= box.y1 - 1 if columns == 1 else box.y0 >= title.y1 - 1


def test_methods_that_meet_have_colours_of_their_own_and_no_two_look_the_same() -> None:
    assert {name for names in TOGETHER for name in names} == set(METHODS)
    for names in TOGETHER:
        assert len({look(name).colour for name in names}) == len(names), names
    styles = [look(name)[:2] for name in METHODS if name != "L-BFGS"]
    assert len(set(map(str, styles))) == len(styles)


def test_a_name_of_a_method_brings_its_look_and_others_take_what_is_left() -> None:
    assert method("gradient descent") == method("GD, clipped") == method("GD: steps") == "GD"
    assert method("both hats") is None and method("momentum 0.9") is None
    ax = curves(
        {"gradient descent": [1, 2], "theory": [2, 3], "Adam": [1, 3], "Adam, clipped": [2, 4]}
    )
    colours = [line.get_color() for line in ax.lines]
    assert colours[0] == METHODS["GD"].colour
    assert colours[2] == colours[3] == METHODS["Adam"].colour
    assert colours[1] not in (colours[0], colours[2])
    assert ax.lines[2].get_linestyle() != ax.lines[3].get_linestyle()
    ax = paths({"Newton": np.eye(2), "": np.eye(2)})
    assert ax.lines[0].get_color() == METHODS["Newton"].colour != ax.lines[3].get_color()
    assert [one.colour for one in looks(["a", "b"])] == [look("GD").colour, look("momentum").colour]


def test_a_method_in_another_colour_is_told_and_its_picture_not_made() -> None:
    figure, (left, right) = new_figure(1, 2)
    left.plot([0, 1], color=look("Adam").colour, label="Adam")
    left.errorbar([0, 1], [1, 2], [0.1, 0.1], color=look("GD").colour, label="gradient descent")
    right.plot([0, 1], color=look("Nesterov").colour)
    right.set_title("Nesterov")
    assert wrong_colours(figure) == []
    left.lines[0].set_color("red")
    right.lines[0].set_color(look("GD").colour)
    told = wrong_colours(figure)
    assert [sentence.partition(" is drawn")[0] for sentence in told] == ["Adam", "Nesterov"]
    assert "#FF0000" in told[0] and "METHODS" in told[0]
    with pytest.raises(ValueError, match="Adam is drawn"):
        picture(figure, "")


def test_live_figures_draw_methods_as_the_still_ones_do() -> None:
    """The number of a colour is that of the style sheet; and no script has a table of its own."""
    css = (STATIC / "interactive.css").read_text("utf8")
    for name, one in METHODS.items():
        number = live_look(name)["colour"]
        found = re.search(rf"--live-{number}: (#\w+);", css)
        assert found
        by_day = [int(found[1][i : i + 2], 16) for i in (1, 3, 5)]
        still = [int(one.colour[i : i + 2], 16) for i in (1, 3, 5)]
        # Darkened for letters, but of the same order of red, green and blue.
        assert (
            np.argsort(by_day, kind="stable").tolist() == np.argsort(still, kind="stable").tolist()
        )
    assert live_look("GD")["dash"] == "none" != live_look("momentum")["dash"]
    for script in STATIC.glob("figures-*.js"):
        table = re.search(
            r"\b(plain|descent|momentum|nesterov|adam|sgd|GD): \d", script.read_text("utf8")
        )
        assert table is None, (script.name, table)
