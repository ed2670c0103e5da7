"""What every chapter's page needs: numbers for its text, still drawings, live figures."""

from __future__ import annotations

import base64
import html
import io
import json
import os
import platform
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def begin(name: str) -> None:
    """Make a page's figures drawings in the course's style: sharp on every screen, and light.

    Built twice they are the same: no date in them, and ids that depend on the page's name alone.
    """
    import matplotlib.pyplot as plt
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    from autograder.figures import STYLE

    set_matplotlib_formats("svg", dpi=150, metadata={"Date": None})
    plt.rcParams.update(STYLE | {"svg.hashsalt": name})


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


def picture(figure: Figure, alt: str) -> str:
    """A figure as an <img> that stands in the page itself; the figure is closed."""
    import matplotlib.pyplot as plt

    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
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
