"""Figures for a phone and for the night: small, in time, and in the colours of the page.

matplotlib draws each figure once, for paper. From that drawing come a lighter one and a second for
dark pages; the page shows one of the two, as late as it can, in a place of the right size.
"""

from __future__ import annotations

import base64
import colorsys
import hashlib
import html
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageColor

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER = "_images"
DARK = ".dark.svg"
PIXELS_PER_POINT = 4 / 3

IMAGE = re.compile(r"<img\b[^>]*>")
SOURCE = re.compile(r'\bsrc="([^"]*)"')
SIZE = re.compile(r'<svg\b[^>]*?\bwidth="([\d.]+)pt" height="([\d.]+)pt"')
EMBEDDED = "data:image/svg+xml;base64,"

METADATA = re.compile(r"<!DOCTYPE.*?>|<metadata>.*?</metadata>|<!--.*?-->", re.S)
BLANKS = re.compile(r"\s*\n\s*")
COORDINATES = re.compile(r'\b(d|x|y|points)="([^"]*)"')
LONG = re.compile(r"-?\d+\.\d{3,}")

# How much red, green and blue have of a colour's lightness.
LUMA = np.array([0.299, 0.587, 0.114])
PIXELS = re.compile(r'"data:image/png;base64,([^"]*)"')

COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
# The page's own, of the theme's dark side.
PAPER, INK = "#121212", "#e8ecf0"
# Of a map's tints, whose palest have none that the eye could tell.
MAP_HUE = 0.57
# Okabe and Ito's colours as the live figures have them by night (interactive.css), in the order of
# `autograder.figures`: blue, orange, green, red, purple, sky.
BY_NIGHT = {
    "#0072b2": "#56b4e9",
    "#e69f00": "#e6b84a",
    "#009e73": "#4fd0a8",
    "#d55e00": "#ff9d5c",
    "#cc79a7": "#e79fc6",
    "#56b4e9": "#9bd0ee",
    "#ffffff": PAPER,
    "#000000": INK,
    # `ON_PALE` and `ON_DEEP`: words on the cells of a table of colours, which change sides as well.
    "#010101": "#fefefe",
    "#fefefe": "#010101",
}


def slim(drawing: str) -> str:
    """The same drawing without what nobody sees: who made it, blanks, thousandths of a point."""
    drawing = METADATA.sub("", drawing)
    drawing = COORDINATES.sub(
        lambda match: f'{match[1]}="{LONG.sub(_hundredths, match[2]).strip()}"', drawing
    )
    return BLANKS.sub(lambda match: "\n" if ">" in match[0] else " ", drawing).replace("> <", "><")


def _hundredths(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def by_night(colour: str) -> str:
    """A figure's colour on a dark page.

    Greys change sides. A map's tints stay in their order, "pale is low", and all become darker. The
    colours of the lines are those of the live figures; any other one is made lighter.
    """
    colour = colour.lower()
    if colour in BY_NIGHT:
        return BY_NIGHT[colour]
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    spread = max(red, green, blue) - min(red, green, blue)
    tint = blue > red and lightness > 0.5 and spread < 0.25
    if tint:
        lightness = 0.12 + 0.6 * max(lightness - 0.5, 0)
        hue, saturation = MAP_HUE, min(saturation, 0.35)
    elif spread < 0.12:
        lightness = 0.94 - 0.84 * lightness
    else:
        lightness = 0.55 + 0.4 * lightness
    made = colorsys.hls_to_rgb(hue, lightness, saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in made)


def pixels_by_night(data: bytes) -> bytes:
    """A picture in pixels (PNG) on a dark page: a digit, or a table of colours.

    White becomes the page and the deepest becomes the lightest, each in its own hue, so that their
    order stays. A drawn surface, which has holes for the paper to show, is left alone.
    """
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    if np.asarray(image)[..., 3].min() < 255:
        return data
    day = np.asarray(image)[..., :3] / 255
    lightness = day @ LUMA
    night = np.clip(day + 1 - 2 * lightness[..., None], 0, 1) ** 1.15
    paper, ink = (np.array(ImageColor.getrgb(colour)) for colour in (PAPER, INK))
    written = io.BytesIO()
    Image.fromarray((paper + night * (ink - paper)).round().astype(np.uint8)).save(written, "PNG")
    return written.getvalue()


def _embedded_by_night(match: re.Match[str]) -> str:
    made = pixels_by_night(base64.b64decode(match[1]))
    return f'"data:image/png;base64,{base64.b64encode(made).decode("ascii")}"'


def darken(drawing: str) -> str:
    """The drawing for a dark page. What matplotlib leaves to SVG's default, black, is said."""
    drawing = PIXELS.sub(_embedded_by_night, drawing)
    drawing = COLOUR.sub(lambda match: by_night(match[0]), drawing)
    return re.sub(r"<svg\b", f'<svg fill="{INK}"', drawing, count=1)


def place(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Give each figure its size, its pair for the night, and a file of its own."""
    if "body" not in context or app.builder.format != "html":
        return
    to_root = "../" * pagename.count("/")
    drawings = {name: path for path, name in app.builder.images.items() if name.endswith(".svg")}

    def replace(match: re.Match[str]) -> str:
        tag = match[0]
        found = SOURCE.search(tag)
        if found is None:
            return tag
        source = html.unescape(found[1])
        if source.startswith(EMBEDDED):
            drawing = slim(base64.b64decode(source.removeprefix(EMBEDDED)).decode("utf8"))
            name = f"{hashlib.sha256(drawing.encode()).hexdigest()[:32]}.svg"
            folder = Path(app.outdir) / FOLDER
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(drawing, "utf8")
            return _sized(tag.replace(found[1], f"{to_root}{FOLDER}/{name}"), drawing)
        name = source.rpartition("/")[2]
        if f"{FOLDER}/" not in source or name not in drawings:
            return tag
        drawing = Path(app.srcdir, drawings[name]).read_text("utf8")
        light = _sized(tag, drawing)
        dark = light.replace(found[1], source.removesuffix(".svg") + DARK)
        # `dark-light`: the theme leaves it alone. Its own pair of classes would hide the caption.
        return _of_class(light, "by-day") + _of_class(dark, "by-night dark-light")

    context["body"] = IMAGE.sub(replace, context["body"])


def _sized(tag: str, drawing: str) -> str:
    size = SIZE.search(drawing)
    words = 'loading="lazy" decoding="async"'
    if size:
        width, height = (round(PIXELS_PER_POINT * float(part)) for part in size.groups())
        words += f' width="{width}" height="{height}"'
    return re.sub(r"^<img\b", f"<img {words}", tag)


def _of_class(tag: str, name: str) -> str:
    if 'class="' in tag:
        return tag.replace('class="', f'class="{name} ', 1)
    return re.sub(r"^<img\b", f'<img class="{name}"', tag)


def write_pairs(app: Sphinx, error: Exception | None) -> None:
    """Write each figure again, small, and once more for the night."""
    if error is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / FOLDER
    for source, name in app.builder.images.items():
        if not name.endswith(".svg"):
            continue
        drawing = slim(Path(app.srcdir, source).read_text("utf8"))
        (folder / name).write_text(drawing, "utf8")
        (folder / name).with_suffix(DARK).write_text(darken(drawing), "utf8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("html-page-context", place)
    app.connect("build-finished", write_pairs)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
