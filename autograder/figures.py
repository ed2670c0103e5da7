"""Figures that the book and the exercise notebooks share: contour maps, paths on them, curves.

A method has one colour in all of them, and no legend covers a mark. Colours are Okabe and Ito's,
which stay apart for colour-blind readers; lines differ in dash and marker as well.
matplotlib.pyplot is imported when the first figure is drawn, not before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from autograder import legends

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray
P = ParamSpec("P")
T = TypeVar("T")

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK = "#CC79A7", "#56B4E9", "#1B1F24"
# Words on the cells of a table of colours. By night pale becomes dark, and these change places.
ON_PALE, ON_DEEP = "#010101", "#FEFEFE"
COLOURS = (BLUE, RED, GREEN, PURPLE, BLACK, ORANGE, SKY)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


class Look(NamedTuple):
    """How a line is drawn."""

    colour: str
    linestyle: Any = "-"
    marker: str = "o"


# Every method has one colour, in all chapters and live figures. Those that share one never meet in
# one figure. What all others are compared with, and what most use, are solid.
METHODS = {
    "GD": Look(BLUE),
    "SGD": Look(ORANGE, "--", "s"),
    "momentum": Look(RED, "--", "s"),
    "Nesterov": Look(GREEN, "-.", "^"),
    "normalised": Look(PURPLE, ":", "D"),
    "AdaGrad": Look(ORANGE, "-.", "v"),
    "RMSprop": Look(GREEN, (0, (5, 2)), "^"),
    "Adam": Look(BLACK, "-", "P"),
    "AdamW": Look(SKY, (0, (7, 1.5, 1, 1.5, 1, 1.5)), "X"),
    "AMSGrad": Look(PURPLE, (0, (3, 1)), "v"),
    "Newton": Look(PURPLE, "--", "D"),
    "BFGS": Look(GREEN, ":", "v"),
    "L-BFGS": Look(GREEN, ":", "v"),
}
# Other names for one of them, as pages and notebooks have them.
_SAME = {
    "gradient descent": "GD",
    "plain descent": "GD",
    "plain": "GD",
    "nesterov": "Nesterov",
    "adam": "Adam",
}

STYLE: dict[Any, Any] = {
    # Large letters on a small sheet: a phone shows the page at half of its size.
    "figure.figsize": (5.6, 3.9),
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "figure.facecolor": "white",
    "font.size": 13,
    "axes.titlesize": 13,
    "axes.labelsize": 13,
    "axes.edgecolor": "#56606b",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": "#d3dae1",
    "grid.linewidth": 0.8,
    "legend.frameon": True,
    "legend.framealpha": 0.92,
    "legend.edgecolor": "none",
    "legend.fontsize": 11.5,
    "lines.linewidth": 2.0,
    "xtick.color": "#3d4854",
    "xtick.labelsize": 12,
    "ytick.color": "#3d4854",
    "ytick.labelsize": 12,
}

ABOVE = legends.ABOVE
# So many points along each side make a smooth map.
FINE = 50
# From the lowest to the highest of an axis on which only powers of ten are marked.
DECADES = 1e4
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
THETA_LABELS = (r"$\theta_0$", r"$\theta_1$")


def in_style(draw: Callable[P, T]) -> Callable[P, T]:
    """Let a function draw in the course's style, and leave the reader's own settings alone."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> T:
        # Late, so that importing this module costs next to nothing.
        from matplotlib import rc_context

        with rc_context(STYLE):
            return draw(*args, **kwargs)

    return styled


@cache
def _drawn_once() -> type[Figure]:
    """Figures that a notebook draws once. To cut the margins off it draws all of it with a pen that
    leaves no mark, measures, and draws again; only a layout needs the first of these."""
    from matplotlib import figure

    class Figure(figure.Figure):
        settled = False

        def draw(self, renderer: Any) -> None:
            if not self.settled:
                self.settled = True
                legends.settle(self, renderer)
            if self.get_layout_engine() is not None or "draw_path" not in vars(renderer):
                super().draw(renderer)

    return Figure


def method(name: str) -> str | None:
    """Which of METHODS a line's name speaks of: "Adam", "gradient descent", "GD, clipped"."""
    first = re.split("[,:]", name, maxsplit=1)[0]
    first = _SAME.get(first, first)
    return first if first in METHODS else None


def look(name: str) -> Look:
    """How a method is drawn everywhere. KeyError where the name is none of METHODS."""
    return METHODS[_SAME.get(name, name)]


def looks(names: Iterable[str]) -> list[Look]:
    """How lines of these names are drawn in one figure: a method as everywhere, a variant ("GD,
    clipped") in the method's colour, and the rest in colours that are left."""
    names = list(names)
    known = [method(name) for name in names]
    taken = {METHODS[one].colour for one in known if one is not None}
    free = [c for c in COLOURS if c not in taken] or list(COLOURS)
    made = []
    for i, (name, one) in enumerate(zip(names, known, strict=True)):
        if one is None:
            colour = free[sum(other is None for other in known[:i]) % len(free)]
            made.append(Look(colour, DASHES[i % len(DASHES)], MARKERS[i % len(MARKERS)]))
        elif name == one or name in _SAME:
            made.append(METHODS[one])
        else:
            made.append(Look(METHODS[one].colour, DASHES[i % len(DASHES)], METHODS[one].marker))
    return made


@in_style
def new_figure(
    rows: int = 1, columns: int = 1, size: tuple[float, float] | None = None, **options: Any
) -> tuple[Figure, Any]:
    """A figure in the course's style, and its axes as `matplotlib.pyplot.subplots` gives them."""
    import matplotlib.pyplot as plt

    size = size or STYLE["figure.figsize"]
    alone = rows == columns == 1
    # A notebook cuts the margins off anyway: a layout only keeps several axes apart.
    layout = None if alone else "constrained"
    options = {"FigureClass": _drawn_once(), "layout": layout, **options}
    figure, axes = plt.subplots(rows, columns, figsize=size, **options)
    if alone:
        # On a phone more numbers than that run together.
        axes.locator_params(nbins=6, steps=(1, 2, 5, 10))
    return figure, axes


def heights(f: Callable[[Array], Any], x: Array, y: Array) -> Array:
    """Values of f on a grid.

    Parameters
    ----------
    f : function of an array of shape (2,), returns a number
    x, y : arrays of shape (nx,) and (ny,)

    Returns
    -------
    array of shape (ny, nx): row i, column j is f([x[j], y[i]]).
    """
    return np.array([[float(f(np.array([a, b]))) for a in x] for b in y])


def between(n: int) -> Array:
    """The matrix that puts a value between each two of n equally spaced ones: that of the cubic
    through the four nearest (Lagrange), which is exact for polynomials up to degree 3.

    Returns
    -------
    array of shape (2n - 1, n)
    """
    made = np.zeros((2 * n - 1, n))
    made[::2] = np.eye(n)
    nodes = np.arange(4)
    for i in range(n - 1):
        first = min(max(i - 1, 0), n - 4)
        place = i + 0.5 - first
        for j in nodes:
            others = nodes[nodes != j]
            made[2 * i + 1, first + j] = np.prod((place - others) / (j - others))
    return made


@in_style
def contours(
    f: Callable[[Array], Any],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    *,
    ax: Axes | None = None,
    levels: int | Sequence[float] = 14,
    points: int = 41,
    labels: tuple[str, str] = THETA_LABELS,
    colour_label: str | None = None,
) -> Axes:
    """Draw f as a map with height lines: pale is low, dark is high.

    Parameters
    ----------
    f : function of an array of shape (2,), returns a number
    x_range, y_range : the part of the plane to draw
    ax : where to draw; a new figure if left out
    levels : how many height lines, or their heights
    points : at how many places along each side f is asked, 4 or more; cubics go between them, which
        is the same map for polynomials up to degree 3
    labels : names of the two axes
    colour_label : draw a colour bar with this name beside the map

    Returns
    -------
    the axes, for `paths` or more drawing
    """
    from matplotlib.colors import LinearSegmentedColormap

    if ax is None:
        ax = new_figure()[1]
    x, y = np.linspace(*x_range, points), np.linspace(*y_range, points)
    z = heights(f, x, y)
    while len(x) < FINE and np.all(np.isfinite(z)):
        finer = between(len(x))
        x, y, z = finer @ x, finer @ y, finer @ z @ finer.T
    pale_to_dark = LinearSegmentedColormap.from_list("sheet", ["#fbfdff", "#c9dbe8", "#6f8ea6"])
    filled = ax.contourf(x, y, z, levels=levels, cmap=pale_to_dark, extend="both")
    # The edges of the filled bands are the height lines; each is drawn by both of its bands.
    filled.set(edgecolor=(0.24, 0.28, 0.33, 0.35), linewidth=0.5)
    ax.set(xlabel=labels[0], ylabel=labels[1], xlim=x_range, ylim=y_range)
    if colour_label is not None:
        bar = ax.figure.colorbar(filled, ax=ax, pad=0.02, shrink=0.92)
        bar.set_label(colour_label)
    return ax


@in_style
def paths(
    trajectories: Array | Sequence[Array] | Mapping[str, Array],
    *,
    ax: Axes | None = None,
    colours: Sequence[str] | None = None,
    markers: bool = True,
    legend: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw walks in the plane: a ring at the start, a dot a step, a star at the end.

    Parameters
    ----------
    trajectories : one array of shape (steps + 1, 2), several of them, or names and arrays
    ax : where to draw, as `contours` returns it; a new figure if left out
    colours : taken in turn; left out, a method has its own (METHODS)
    markers : whether each step gets a dot
    legend : options of the legend, which moves where it would cover a walk

    Returns
    -------
    the axes
    """
    if ax is None:
        ax = new_figure()[1]
        ax.set(xlabel=THETA_LABELS[0], ylabel=THETA_LABELS[1])
    if isinstance(trajectories, Mapping):
        named = list(trajectories.items())
    elif isinstance(trajectories, np.ndarray) and trajectories.ndim == 2:
        named = [("", trajectories)]
    else:
        named = [("", np.asarray(walk)) for walk in trajectories]
    colours = colours or [one.colour for one in looks(name for name, _ in named)]
    for i, (name, walk) in enumerate(named):
        colour = colours[i % len(colours)]
        ax.plot(
            *walk.T,
            color=colour,
            linewidth=1.6,
            marker="." if markers else "",
            markersize=5,
            label=name or None,
            zorder=3,
        )
        ax.plot(*walk[0], "o", color=colour, markerfacecolor="white", markersize=7, zorder=4)
        ax.plot(*walk[-1], "*", color=colour, markeredgecolor="white", markersize=13, zorder=5)
    if any(name for name, _ in named):
        ax.legend(**(legend or {}))
    return ax


def _power_of_ten(value: float, _place: int | None = None) -> str:
    """A number on an axis of powers of ten, as text: 10⁻³."""
    exponent = float(np.log10(value)) if value > 0 else np.nan
    if not exponent.is_integer():
        return f"{value:g}"
    return "10" + str(int(exponent)).translate(SUPERSCRIPT)


@in_style
def curves(
    lines: Mapping[str, Any],
    x: Any = None,
    *,
    ax: Axes | None = None,
    xlabel: str = "step",
    ylabel: str = "loss",
    log: str = "",
    markers: bool = False,
    colours: Sequence[str] | None = None,
    legend: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw named curves over a common axis. A method's curve looks as everywhere (METHODS).

    Parameters
    ----------
    lines : name to heights, shape (n,), or name to a pair (x, heights)
    x : common positions, shape (n,); 0, 1, 2, ... if left out
    ax : where to draw; a new figure if left out
    xlabel, ylabel : names of the axes, with units where there are any
    log : "x", "y" or "xy" for logarithmic axes
    markers : whether each point gets a marker
    colours : one for each curve; left out, a method has its own, and others what is left
    legend : options of the legend, as in `paths`

    Returns
    -------
    the axes
    """
    from matplotlib.ticker import FuncFormatter, NullLocator

    if ax is None:
        ax = new_figure()[1]
    dressed = looks(lines)
    colours = colours or [one.colour for one in dressed]
    for (name, values), drawn, colour in zip(lines.items(), dressed, colours, strict=True):
        own = isinstance(values, tuple)
        heights_ = np.asarray(values[1] if own else values)
        places = values[0] if own else (np.arange(len(heights_)) if x is None else x)
        ax.plot(
            places,
            heights_,
            color=colour,
            linestyle=drawn.linestyle,
            marker=drawn.marker if markers else "",
            markersize=6,
            label=name,
        )
    if "x" in log:
        ax.set_xscale("log")
    if "y" in log:
        ax.set_yscale("log")
    for name, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
        low, high = axis.get_view_interval()
        if name in log and high > DECADES * low:
            # So many lines between the numbers run together, and take longer than all curves; and
            # so do numbers that are set as formulas.
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(_power_of_ten))
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(True, color=STYLE["grid.color"], linewidth=STYLE["grid.linewidth"])
    if len(lines) > 1:
        ax.legend(**(legend or {}))
    return ax
