"""What every chapter's page needs: numbers for its text, still drawings, live figures."""

from __future__ import annotations

import base64
import html
import io
import json
import os
import platform
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from autograder.figures import COLOURS, METHODS, look, method

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def begin(name: str) -> None:
    """Make a page's figures drawings in the course's style: sharp on every screen, and light.

    Built twice they are the same: no date in them, and ids that depend on the page's name alone.
    """
    import matplotlib.pyplot as plt
    from IPython.core.getipython import get_ipython
    from matplotlib.figure import Figure
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    from autograder.figures import STYLE

    set_matplotlib_formats("svg", dpi=150, metadata={"Date": None})
    plt.rcParams.update(STYLE | {"svg.hashsalt": name})
    shell: Any = get_ipython()
    drawings = shell.display_formatter.formatters["image/svg+xml"]
    draw = drawings.for_type(Figure)

    def checked(figure: Figure) -> Any:
        # An error would be swallowed here; what is written to stderr ends the build.
        for sentence in wrong_colours(figure):
            print(sentence, file=sys.stderr)
        return draw(figure)

    drawings.for_type(Figure, checked)


def say(**numbers: Any) -> None:
    """Make numbers available to the text, as {glue:text}`name`."""
    from myst_nb import glue

    for name, value in numbers.items():
        glue(name, str(value).replace("-", "\u2212"), display=False)


def power(value: float, digits: int = 0) -> str:
    """A number as people write it: 6 × 10⁻¹¹."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa}\u00a0×\u00a010{str(int(exponent)).translate(SUPERSCRIPTS)}"


def share_error(share: float, n: int) -> float:
    """Standard error of a share of n independent tries."""
    return float(np.sqrt(share * (1 - share) / n))


def this_machine() -> str:
    """The device and the versions that a timing was made with."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf8") as lines:
            name = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return (
        f"{name}, {os.cpu_count()} logical cores of which one thread was used, "
        f"average load {os.getloadavg()[0]:.1f}, {platform.system()}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}"
    )


def wrong_colours(figure: Figure) -> list[str]:
    """A sentence for each method that a figure draws in another colour than METHODS says: by the
    name of a line, or by the title of axes that show one method alone."""
    from matplotlib.artist import get
    from matplotlib.colors import to_hex

    def colours(handle: Any) -> set[str]:
        parts = handle if isinstance(handle, tuple) else (handle,)
        return {to_hex(get(part, "color")).upper() for part in parts if hasattr(part, "get_color")}

    found = []
    for ax in figure.axes:
        handles, names = ax.get_legend_handles_labels()
        told = [(name, colours(handle)) for handle, name in zip(handles, names, strict=True)]
        if ax.lines and not told:
            told.append((ax.get_title(), set().union(*map(colours, ax.lines))))
        for name, used in told:
            known = method(name)
            if known and used and METHODS[known].colour not in used:
                found.append(
                    f"{name} is drawn in {', '.join(sorted(used))}; in all chapters it is "
                    f"{METHODS[known].colour}: see METHODS in autograder/figures.py."
                )
    return found


def live_look(name: str) -> dict[str, Any]:
    """How a live figure draws a method: the number of its colour, and the dash of its line."""
    dashes = {"-": "none", "--": "7 3", "-.": "9 3 2 3", ":": "2 3"}
    style = look(name).linestyle
    dash = dashes[style] if isinstance(style, str) else " ".join(f"{2 * n:g}" for n in style[1])
    return {"colour": COLOURS.index(look(name).colour) + 1, "dash": dash}


def picture(figure: Figure, alt: str) -> str:
    """A figure as an <img> that stands in the page itself; the figure is closed.

    Errors
    ------
    ValueError : a method is drawn in another colour than everywhere else.
    """
    import matplotlib.pyplot as plt

    for sentence in wrong_colours(figure):
        raise ValueError(sentence)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)
    data = base64.b64encode(drawn.getvalue()).decode("ascii")
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{html.escape(alt)}">'


def live_figure(name: str, *, script: str, label: str, still: str, data: Any) -> str:
    """The markup of an interactive figure.

    Parameters
    ----------
    name : which figure of the script it is (`course.figure(name, build)`)
    script : `book/_static/figures-<script>.js`, loaded on this page alone
    label : what it is called to a screen reader, after "Interactive figure: "
    still : HTML for where no script runs, and for paper: a picture, or a sentence that says
        which figures of the page show the same
    data : what the script draws, as JSON

    Returns
    -------
    HTML, for `IPython.display.HTML`.
    """
    # A "</script>" inside a string would end the data early.
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    return (
        '<link rel="stylesheet" href="../_static/interactive.css">'
        f'<div class="live-figure" data-figure="{name}" role="group" '
        f'aria-label="Interactive figure: {html.escape(label)}">'
        f'<div class="live-still">{still}</div>'
        f'<script type="application/json">{text}</script></div>'
        '<script src="../_static/interactive.js" defer></script>'
        f'<script src="../_static/figures-{script}.js" defer></script>'
    )


def sketch_curve(
    name: str,
    x: ArrayLike,
    y: ArrayLike,
    *,
    xlabel: str,
    ylabel: str,
    xticks: ArrayLike | None = None,
    yticks: ArrayLike | None = None,
    ylog: bool = False,
) -> str:
    """The curve that a reader is asked to sketch, for the `sketch` of a prediction to find.

    Parameters
    ----------
    name : what the sketch calls it, with `:name:`
    x, y : of the same length, shape (n,), n >= 2; x rises
    xlabel, ylabel : what they are, as words in a sentence: "epoch", "loss"
    xticks, yticks : where the axes have numbers; left out, round numbers
    ylog : whether the height is a logarithm

    Returns
    -------
    HTML, for `IPython.display.HTML`; nothing of it is seen.

    Errors
    ------
    ValueError : x and y make no curve, or not one that has logarithms.
    """
    from matplotlib.ticker import MaxNLocator

    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.shape != y.shape or x.ndim != 1 or len(x) < 2 or not (np.diff(x) > 0).all():
        raise ValueError(f"{name}: x and y must be of one length, 2 or more, and x must rise")
    if not np.isfinite([x, y]).all() or (ylog and (y <= 0).any()):
        raise ValueError(f"{name}: the curve must be finite{' and above 0' if ylog else ''}")
    rounded = MaxNLocator(nbins=5, steps=[1, 2, 5, 10])
    if xticks is None:
        xticks = rounded.tick_values(x[0], x[-1])
    if yticks is None and ylog:
        low, high = int(np.floor(np.log10(y.min()))), int(np.ceil(np.log10(y.max())))
        yticks = 10.0 ** np.arange(low, max(high, low + 1) + 1, max(1, (high - low) // 4))
    elif yticks is None:
        yticks = rounded.tick_values(y.min(), y.max())
    xticks, yticks = np.asarray(xticks, dtype=float), np.asarray(yticks, dtype=float)
    curve = {
        "x": x.tolist(),
        "y": y.tolist(),
        "xlabel": xlabel,
        "ylabel": ylabel,
        "xticks": xticks[(xticks >= x[0]) & (xticks <= x[-1])].tolist(),
        "yticks": yticks.tolist(),
        "yrange": [float(min(y.min(), yticks.min())), float(max(y.max(), yticks.max()))],
        "ylog": ylog,
    }
    text = json.dumps(curve, separators=(",", ":")).replace("</", "<\\/")
    return (
        f'<script type="application/json" class="sketch-curve" data-name="{html.escape(name)}">'
        f"{text}</script>"
    )
