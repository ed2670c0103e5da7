"""How the site's extensions make a page light: formulas, drawings, styles, what is found."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont
from matplotlib import colormaps
from PIL import Image

from autograder.figures import COLOURS, ON_DEEP, ON_PALE
from autograder.judging.sets import find_set
from autograder.project import find_project

from . import tiny_site

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import finding  # noqa: E402
import light  # noqa: E402
import pictures  # noqa: E402
import way  # noqa: E402

PAGE = r"""# A page

A line ($x$, then $\hat m_t$). Equation {eq}`eq-one`:

$$
\R = \frac{a}{b} \\ c
$$ (eq-one)

```{your-turn} momentum_step, ema_weights
```
"""
SETTINGS = f"""
extensions += ["way"]
mathematics_macros = {{r"\\R": r"\\mathbb{{R}}"}}
way_exercises = {str(ROOT / "exercises")!r}
"""


def test_formulas_and_exercises_of_a_page(tmp_path: Path) -> None:
    """On one page, since a build takes its time: numbers, macros, what stays together, places."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "momentum.md").write_text(PAGE, "utf8")
    index = "# Home\n\n```{toctree}\nmomentum\n```\n"
    made, warnings = tiny_site.build(tmp_path, index, settings=SETTINGS)
    assert not warnings
    page = BeautifulSoup((made / "momentum.html").read_text("utf8"), "html.parser")
    kept = [part.get_text() for part in page.select("span.keep")]
    assert kept == ["(x,", "mˆt)."]
    assert page.select_one("div.math .eqno a")
    assert page.select_one("a.reference.internal[href='#equation-eq-one']")
    displayed = page.select_one("div.math math[display=block]")
    assert displayed is not None
    parts = [part.name for part in displayed.select("mfrac, mtable, mtr")]
    assert parts == ["mtable", "mtr", "mfrac", "mtr"]
    assert "ℝ" in displayed.get_text()
    assert not page.select("script[src*=athJax]")
    turn = page.select_one("p.your-turn")
    assert turn is not None
    assert turn["id"] == "turn-momentum_step"
    assert page.find(id="turn-ema_weights")
    words = " ".join(turn.get_text().split())
    declared = find_set("momentum", find_project(ROOT))
    points = sum(declared.part(name).points for name in ("momentum_step", "ema_weights"))
    assert words.startswith(
        "Your turn: momentum_step and ema_weights, in sections 1 and 2 of the notebook "
        f"({points:g} points)."
    )


def test_what_is_no_formula_and_no_exercise_is_told(tmp_path: Path) -> None:
    page = "# A page\n\n$\\frac{$\n\n```{your-turn} momentum_stop\n```\n"
    _made, warnings = tiny_site.build(tmp_path, page, settings=SETTINGS)
    assert "This is no formula: " in warnings
    assert "No exercise of index is called 'momentum_stop'" in warnings


DRAWING = """<?xml version="1.0"?>
<svg width="72pt" height="36pt" viewBox="0 0 72 36">
 <metadata>who</metadata>
 <path d="M 1.23456 2.0001
L -0.0004 5" style="fill: #ffffff"/>
 <use x="3.14159" transform="scale(0.015625)"/>
</svg>
"""


def test_a_drawing_gets_smaller_and_loses_nothing_that_is_seen() -> None:
    made = pictures.slim(DRAWING)
    assert 'd="M 1.23 2 L -0 5"' in made
    assert 'x="3.14"' in made
    assert "scale(0.015625)" in made
    assert "who" not in made
    assert len(made) < len(DRAWING)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of two colours."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_every_colour_of_the_figures_can_be_told_by_night() -> None:
    """Lines and letters stand out on dark paper, and a map keeps its order: pale is low."""
    for colour in [*COLOURS, "#56606b", "#3d4854", "#000000"]:
        assert contrast(pictures.by_night(colour), pictures.PAPER) > 4.5, colour
    assert len({pictures.by_night(colour) for colour in COLOURS}) == len(COLOURS)
    assert contrast(pictures.by_night("#d3dae1"), pictures.PAPER) < 3  # a grid stays in the ground
    assert pictures.by_night(ON_PALE) == ON_DEEP.lower()  # what it stands on becomes dark
    assert pictures.by_night(ON_DEEP) == ON_PALE
    tints = [pictures.by_night(c) for c in ("#fbfdff", "#e0ebf3", "#c9dbe8", "#9fb7c9", "#6f8ea6")]
    heights = [luminance(tint) for tint in tints]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] < 0.2
    assert all(contrast(pictures.by_night(c), tints[0]) > 2 for c in COLOURS)
    dark = pictures.darken(DRAWING)
    assert pictures.PAPER in dark
    assert "#ffffff" not in dark


def test_a_table_of_colours_keeps_its_order_and_its_words_by_night() -> None:
    """White is the page, deep is light, orange stays orange; words can be read on every cell."""
    strengths = np.linspace(-1, 1, 201)
    colours = colormaps["PuOr_r"]((1 + strengths) / 2)
    table = io.BytesIO()
    plt.imsave(table, colours[None], format="png")
    made = np.asarray(Image.open(io.BytesIO(pictures.pixels_by_night(table.getvalue()))))[0]
    cells = ["#" + "".join(f"{part:02x}" for part in cell[:3]) for cell in made]
    heights = [luminance(cell) for cell in cells]
    assert min(np.diff(heights[100::-1]).min(), np.diff(heights[100:]).min()) > -0.001
    assert contrast(cells[100], pictures.PAPER) < 1.15
    red, green, blue = made[180][:3]
    assert red > green > blue and made[20][2] > made[20][1]
    # The border of `wishes_table` in chapter 6.
    for strength, cell in zip(strengths, cells, strict=True):
        words = ON_DEEP if abs(strength) > 0.7 / 1.2 else ON_PALE
        assert contrast(pictures.by_night(words), cell) > 3.7, (strength, cell)
    hole = io.BytesIO()
    Image.new("RGBA", (2, 2), (0, 0, 0, 9)).save(hole, "PNG")
    assert pictures.pixels_by_night(hole.getvalue()) == hole.getvalue()


def test_only_rules_that_a_page_can_ask_for_are_kept() -> None:
    styles = (
        '@import "x";.used,.gone{a:b}.gone{c:d}@media print{.gone{e:f}}p:not(.gone){g:h}'
        "@media screen{.used>.gone{i:j}.used{k:l}}@keyframes turn{0%{m:n}}"
        "@font-face{font-family:Font Awesome\\ 6 Free;src:url(x)}"
    )
    assert light.only_used(styles, {"used"}) == (
        '@import "x";.used{a:b}p:not(.gone){g:h}@media screen{.used{k:l}}@keyframes turn{0%{m:n}}'
    )


def test_the_icons_are_those_that_are_shown() -> None:
    import pydata_sphinx_theme

    theme = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
    whole = (theme / light.ICON_FONT).read_bytes()
    made = light.icon_font(whole, {"f0c9", "f002"})
    assert set(TTFont(io.BytesIO(made)).getBestCmap()) == {0xF0C9, 0xF002}
    assert len(made) < len(whole) / 50
    assert light.glyphs('a{content:"\\f0c9"}b{content:"\uf0eb"}') == {"f0c9", "f0eb"}
    styles = (theme / "styles" / "pydata-sphinx-theme.css").read_text("utf8")
    shown = set(TTFont(io.BytesIO(light.icon_font(whole, light.glyphs(styles)))).getBestCmap())
    # Of a box that says tip, note, warning.
    assert {0xF0EB, 0xF05A, 0xF071} <= shown
    assert light.MEASURES_ALL in (theme / light.THEME_SCRIPT).read_text("utf8")


@pytest.mark.parametrize(
    ("tex", "said"),
    [
        (r"\frac12", "1/2"),
        (r"\frac{a + b}{c}", "(a + b)/c"),
        (r"\theta_0 \leftarrow \theta_0 - \mathtt{lr}\,g", "θ_0 ← θ_0 − lr g"),
        (r"\sum_{i=1}^{n} x_i^2", "∑_(i = 1)^nx_i^2"),
        (r"\sqrt{\hat v}", "√(v\u0302)"),
        (r"f'(x)", "f′(x)"),
    ],
)
def test_a_formula_reads_as_a_line(tex: str, said: str) -> None:
    assert finding.readable(tex, {}) == said


def test_times_are_said_as_people_say_them() -> None:
    assert way.time_said(42, 15) == (
        "About 40 minutes to read. The exercise: 15 points, about 1½ hours."
    )
    assert way.time_said(1, 10).endswith(", about an hour.")
    assert way.time_said(1, 4).endswith("4 points, about half an hour.")
    assert way.time_said(1, 1).startswith("About 5 minutes to read. The exercise: 1 point,")
