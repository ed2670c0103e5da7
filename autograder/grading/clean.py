"""What a learner's cells show, without what would run or call home in a reader's browser.

Formgrader opens a submission inside the instructor's own Jupyter server, where a script could do
whatever the instructor can. HTML goes through nh3, the Python face of the Rust library ammonia: a
real HTML5 parser, maintained, and a hundred times as fast as bleach, which has been given up by its
authors. Drawings are read by defusedxml and rebuilt from the elements that draw.
"""

from __future__ import annotations

import base64
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import nh3
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from nbformat import NotebookNode
from pygments.token import STANDARD_TYPES

from autograder.engine.trusted.helper import each
from autograder.grading.pictures import MAX_PIXELS, MAX_PIXELS_IN_ALL, pixels, pixels_in
from autograder.i18n import _

TAGS = (nh3.ALLOWED_TAGS - {"map", "area"}) | {"tfoot"}
DROPPED_WHOLE = {
    *("script", "style", "iframe", "object", "noscript", "template", "title", "textarea"),
    *("select", "svg", "math", "noembed", "noframes", "xmp", "plaintext", "frameset"),
}
ATTRIBUTES = {
    **{tag: {*names, "align"} for tag, names in nh3.ALLOWED_ATTRIBUTES.items()},
    "*": {"class", "dir", "lang", "style", "title"},
    "a": {"href"},
    "table": {"align", "border"},
    "td": {"align", "colspan", "rowspan", "valign"},
    "th": {"align", "colspan", "rowspan", "scope", "valign"},
    "details": {"open"},
}
# Nothing that takes a text out of its place, over a neighbour's or a button's.
STYLES = {
    *("color", "background-color", "text-align", "vertical-align", "text-decoration"),
    *("font-family", "font-size", "font-style", "font-weight", "white-space", "line-height"),
    *("width", "max-width", "height", "max-height", "display", "list-style-type"),
    *(f"padding{side}" for side in ("", "-top", "-right", "-bottom", "-left")),
    *(f"border{side}" for side in ("", "-top", "-right", "-bottom", "-left")),
    *("border-collapse", "border-spacing", "border-radius", "border-color", "border-style"),
    "border-width",
}
# Formgrader finds its own fields by their classes and ids.
CLASSES = {*STANDARD_TYPES.values(), "highlight", "dataframe", "anchor-link"} - {""}
PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]*\Z")
DRAWING = "data:image/svg+xml;base64,"
# A link within the page, or to the open web. One to the server that shows the page could act there.
LINK = re.compile(r"(#|https?://|mailto:)", re.IGNORECASE)

MAX_SPAN = 100
MAX_MARKS = 16
# All of these are among what is no letter; few texts have so many of that in a row.
CANDIDATES = re.compile(rf"[^\x00-\x7f\w\s]{{{MAX_MARKS + 1},}}")
# HTML that is well formed grows by entities and by tags that may be left out; what grows more was
# made to.
TIMES, ROOM = 4, 10_000
CLEANING_SECONDS = 3.0
# Deeper than any page needs, and so much when written as JSON, which indents.
MAX_DEPTH = 100
MAX_JSON = 2_000_000
# Bytes of a drawing with all that is referred to in the place of what refers to it.
MAX_DRAWN = 20_000_000

SHOWN = {"text/plain", "text/latex", "text/markdown", "application/json"} | {
    f"image/{kind}" for kind in ("png", "jpeg", "gif", "webp")
}
SIZES = ("width", "height")
MAX_SIZE = 10_000

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = {
    *("svg", "g", "defs", "symbol", "use", "title", "desc", "clipPath"),
    *("path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan"),
    *("linearGradient", "radialGradient", "stop", "pattern", "image", "style"),
}
# What a drawing may say of how it looks. Filters, masks, markers, blending and animations keep a
# browser busy for minutes with a few bytes, and no figure of a course needs them.
LOOKS = {
    *("fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "color"),
    *("stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-dashoffset", "clip-rule"),
    *("stop-color", "stop-opacity", "font", "font-family", "font-size", "font-style"),
    "font-weight",
    *("font-stretch", "font-variant", "text-anchor", "text-decoration", "dominant-baseline"),
    *("alignment-baseline", "baseline-shift", "letter-spacing", "word-spacing", "white-space"),
    *("display", "visibility", "overflow", "paint-order", "shape-rendering", "text-rendering"),
    *("image-rendering", "background", "background-color"),
}
# The same of a single element, whose costs are counted.
LOOKS_HERE = LOOKS | {"opacity", "stroke-dasharray", "clip-path"}
NO_ATTRIBUTE = re.compile(r"(on.*|filter|mask|marker.*|pathlength|vector-effect)\Z")
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
# Commands of a path that count from where it is, or take other numbers than points.
FROM_HERE = re.compile(r"[a-df-yHVA]")
DASH = re.compile(r"(none|px|e[-+]?\d|[-+\d\s.,])*\Z", re.IGNORECASE)
MEASURES = ("x1", "x2", "y1", "y2", "width", "height", "r", "rx", "ry", "textLength")
LAYERS = {"g", "svg", "use", "symbol", "image", "text"}
# In bytes: each layer that is put upon others, a shape that one sees through, a pixel of a picture.
A_LAYER, A_SHAPE, A_PIXEL = 100_000, 5_000, 0.1
# More dashes no browser draws of one line; so long is the line around a letter, or less.
MOST_DASHES, A_LETTER = 1_000_000, 1000
REFERENCE = re.compile(r"url\s*\(\s*['\"]?\s*#([^'\")\s]*)", re.IGNORECASE)
OUTSIDE = re.compile(r"url\s*\(\s*['\"]?\s*(?!#)|@import|expression|javascript:|\\", re.IGNORECASE)


def clean_html(html: str) -> str:
    """HTML that only shows something: tables, text, pictures that it carries with it.

    It may take any time and memory: for a learner's ask the helper.

    Raises
    ------
    ValueError for what was made to grow by being cleaned.
    """
    made = str(_CLEANER.clean(html))
    if len(made) > TIMES * len(html) + ROOM:
        raise ValueError("HTML that grows without measure")
    return made


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "class":
        kept = [word for word in value.split() if word in CLASSES]
        return " ".join(kept) or None
    if tag == "img" and name == "src":
        return _picture(value)
    if name in ("colspan", "rowspan"):
        return value if value.isdecimal() and int(value[:9]) <= MAX_SPAN else None
    if tag == "a" and name == "href":
        return value if LINK.match(value.strip()) else None
    return value


def _picture(address: str) -> str | None:
    """The address of a picture that stands in it; of a drawing in there what may be drawn."""
    if not PICTURE.match(address):
        return None
    if not address.startswith(DRAWING):
        return address if pixels_in(address) <= MAX_PIXELS else None
    try:
        drawing = clean_svg(base64.b64decode(address.removeprefix(DRAWING)).decode())
    except ValueError:
        return None
    return DRAWING + base64.b64encode(drawing.encode()).decode() if drawing else None


_CLEANER = nh3.Cleaner(
    tags=TAGS,
    clean_content_tags=DROPPED_WHOLE,
    attributes=ATTRIBUTES,
    attribute_filter=_attribute,
    url_schemes={"http", "https", "mailto", "data"},
    url_relative=lambda url: url if url.startswith("#") else None,
    filter_style_properties=STYLES,
)


def clean_svg(text: str) -> str:
    """A drawing without scripts, foreign content and links out of it; nothing, if it is none, or if
    it would draw without end."""
    try:
        root = fromstring(text)
        if root.tag != f"{SVG}svg":
            return ""
        _only_drawn(root)
        if not _is_finite(root):
            return ""
        return fewer_marks(str(ElementTree.tostring(root, encoding="unicode")))
    except (ElementTree.ParseError, DefusedXmlException, ValueError, RecursionError):
        return ""


def _only_drawn(root: Any) -> None:
    pending = [root]
    while pending:
        element = pending.pop()
        # At once: to take them out one by one goes as the square of their number.
        element[:] = [child for child in element if _draws(child)]
        pending += element
        for name, value in list(element.attrib.items()):
            if not _stays(name, value):
                del element.attrib[name]
            elif name == "style":
                element.set(name, ";".join(f"{k}:{v}" for k, v in _looks(value).items()))


def _looks(style: str) -> dict[str, str]:
    """What the style of an element says, as far as it may."""
    said = (part.partition(":") for part in style.split(";"))
    named = {name.strip().lower(): value.strip() for name, _colon, value in said}
    return {k: v for k, v in named.items() if k in LOOKS_HERE and _is_plain(k, v)}


def _is_plain(name: str, value: str) -> bool:
    """Whether what a drawing says of its looks can be read here. A dash that is worked out, or in
    parts of a letter, may be any length."""
    return not re.search("[{}]", value) and (name != "stroke-dasharray" or bool(DASH.match(value)))


def _draws(element: Any) -> bool:
    if not isinstance(element.tag, str) or element.tag.removeprefix(SVG) not in DRAWN:
        return False
    text = element.text or ""
    # What a style sheet refers to, nobody counts.
    if element.tag == f"{SVG}style":
        named = {name.lower() for name in re.findall(r"([-\w]+)\s*:", text)}
        if not named <= LOOKS or "@" in text or REFERENCE.search(text):
            return False
    return element.tag.startswith(SVG) and not OUTSIDE.search(text)


def _stays(name: str, value: str) -> bool:
    local = name.rpartition("}")[2].lower()
    if local == "href":
        return value.startswith("#") or (
            bool(PICTURE.match(value))
            and not value.startswith(DRAWING)
            and pixels_in(value) <= MAX_PIXELS
        )
    return not (NO_ATTRIBUTE.match(local) or OUTSIDE.search(value)) and _is_plain(local, value)


def _is_finite(root: Any) -> bool:
    """Whether a drawing stays within bounds where all that an element refers to (`use`, patterns,
    clips) is drawn in its place: a few, each of which refers to the next one twice, would keep a
    browser busy for ever. So would short dashes on long lines, and layers upon layers.

    Pages show each drawing as a picture of its own, so that it refers to none of another one's.
    """
    named: dict[str, Any] = {}
    for element in root.iter():
        named.setdefault(element.get("id", ""), element)
    sizes: dict[Any, float] = {}
    under_way: set[Any] = set()
    dash = _shortest_dash(root)

    def needs(element: Any) -> list[Any]:
        found = [v[1:] for n, v in element.attrib.items() if n.endswith("href")]
        found += [name for v in element.attrib.values() for name in REFERENCE.findall(v)]
        return [*element, *(named[name] for name in map(unquote, found) if name in named)]

    pending = [root]
    while pending:
        element = pending[-1]
        if element in sizes:
            pending.pop()
            continue
        inner = needs(element)
        unknown = [one for one in inner if one not in sizes]
        if not unknown:
            own = _cost(element, dash)
            sizes[element] = min(own + sum(sizes[one] for one in inner), MAX_DRAWN + 1)
            under_way.discard(element)
            pending.pop()
        elif element in under_way:
            return False  # a circle
        else:
            under_way.add(element)
            pending += unknown
    return sizes[root] <= MAX_DRAWN


def _said(element: Any, name: str) -> str:
    return str(_looks(element.get("style", "")).get(name) or element.get(name, ""))


def _shortest_dash(root: Any) -> float:
    """The shortest dash and gap of a drawing; infinity where lines are whole. Lines have it from
    what they stand in, or from what draws them again: so all may have the shortest."""
    found = (map(float, NUMBER.findall(_said(one, "stroke-dasharray"))) for one in root.iter())
    return min((length for length in map(sum, found) if length > 0), default=math.inf)


def _length(element: Any) -> float:
    """How long the line of an element is at most, about."""
    drawn = element.get("d") or element.get("points")
    if drawn and not FROM_HERE.search(drawn):
        # As long as the way from point to point, whether these lie on a curve or beside it.
        numbers = list(map(float, NUMBER.findall(drawn)))
        steps = zip(numbers, numbers[2:], strict=False)
        return sum(abs(one - other) for one, other in steps)
    shape = [drawn or "", *(element.get(name, "") for name in MEASURES)]
    numbers = [abs(float(number)) for text in shape for number in NUMBER.findall(text)]
    return 2 * len(numbers) * max(numbers, default=0.0)


def _cost(element: Any, dash: float) -> float:
    """About what an element costs to draw, in bytes of a drawing."""
    values = list(element.attrib.values())
    cost: float = 50 + len(element.text or "") + sum(map(len, values))
    if dash < math.inf:
        cost += (
            min(MOST_DASHES, _length(element) / dash) + len(element.text or "") * A_LETTER / dash
        )
    if _said(element, "opacity") not in ("", "1", "1.0"):
        cost += A_LAYER if element.tag.removeprefix(SVG) in LAYERS else A_SHAPE
    return cost + A_PIXEL * sum(map(pixels_in, values))


def fewer_marks(text: str) -> str:
    """A text in which no letter has more marks above and below it than any script puts there.
    Browsers sort them, which goes as the square of their number: 50 KB take ten seconds."""
    return CANDIDATES.sub(_with_fewer_marks, text)


def _with_fewer_marks(found: re.Match[str]) -> str:
    kept, marks = [], 0
    for letter in found[0]:
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks <= MAX_MARKS:
            kept.append(letter)
    return "".join(kept)


def _with_fewer_marks_in_all(value: Any) -> Any:
    """The same of all texts of an output."""
    if isinstance(value, str):
        return fewer_marks(value)
    if isinstance(value, list):
        return [_with_fewer_marks_in_all(item) for item in value]
    if isinstance(value, dict):
        return NotebookNode({k: _with_fewer_marks_in_all(item) for k, item in value.items()})
    return value


def cleaned(texts: list[list[str]]) -> list[str | None]:
    """In the helper: texts, each after its MIME type, as they may be shown; None for what grows."""
    return [
        clean_svg(text) if mime != "text/html" else _clean_or_none(text) for mime, text in texts
    ]


def _clean_or_none(html: str) -> str | None:
    try:
        return clean_html(html)
    except ValueError:
        return None


def harmless(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Outputs as they may be shown to anybody: what a browser would run is taken out.

    Streams and errors are text, which whoever shows them escapes. Where nothing is left of an
    output, or it cost too much to look at, a sentence says so.
    """
    texts = [
        [mime, "".join(text) if isinstance(text, list) else str(text)]
        for output in outputs
        for mime, text in _to_clean(output)
    ]
    made = iter(each(cleaned, texts, seconds=CLEANING_SECONDS, otherwise=None))
    shown, left = [], MAX_PIXELS_IN_ALL
    for output in outputs:
        clean = {mime: next(made) for mime, _text in _to_clean(output)}
        one, drawn = _harmless(output, clean, left)
        shown.append(_with_fewer_marks_in_all(one))
        left -= drawn
    return shown


def _to_clean(output: NotebookNode) -> list[tuple[str, Any]]:
    if output.get("output_type") not in ("display_data", "execute_result"):
        return []
    given = output.get("data", {})
    return [(mime, given[mime]) for mime in ("text/html", "image/svg+xml") if given.get(mime)]


def _harmless(
    output: NotebookNode, clean: Mapping[str, str | None], pixels_left: int
) -> tuple[NotebookNode, int]:
    """An output as it may be shown, and how many pixels it has."""
    if output.get("output_type") not in ("display_data", "execute_result"):
        return output, 0
    made = NotebookNode(output)
    given = output.get("data", {})
    kept = {mime: given[mime] for mime in given if mime in SHOWN and _is_writable(given[mime])}
    kept |= {mime: text for mime, text in clean.items() if text and text.strip()}
    drawn = {mime: _pixels(mime, value) for mime, value in kept.items()}
    kept = {
        mime: value
        for mime, value in kept.items()
        if drawn[mime] <= (MAX_PIXELS if mime.startswith("image/") else MAX_PIXELS_IN_ALL)
        and drawn[mime] <= pixels_left
    }
    if None in clean.values():
        told = _("[Part of what this cell showed takes too much time or memory to be shown.]")
        kept = {"text/plain": told}
    elif not kept:
        told = _("[What this cell showed cannot be shown here: {kinds}.]")
        kept = {"text/plain": told.format(kinds=", ".join(sorted(given)) or _("nothing"))}
    made.data = NotebookNode({mime: kept[mime] for mime in [*given, *kept] if mime in kept})
    made.metadata = _sizes(output.get("metadata", {}))
    return made, max((drawn[mime] for mime in kept if mime in drawn), default=0)


def _pixels(mime: str, value: Any) -> int:
    text = "".join(value) if isinstance(value, list) else str(value)
    if mime in ("text/html", "image/svg+xml"):
        return pixels_in(text)
    return pixels(text) if mime.startswith("image/") else 0


def _is_writable(value: Any) -> bool:
    """Whether whoever writes it as JSON gets to its end, and to no end far away: each line is
    indented as deep as it stands."""
    level, size = [value] if isinstance(value, dict | list) else [], 0
    for depth in range(MAX_DEPTH):
        inner = [v.values() if isinstance(v, dict) else v for v in level]
        level = [item for v in inner for item in v]
        size += len(level) * (depth + 2)
        level = [v for v in level if isinstance(v, dict | list)]
        if not level or size > MAX_JSON:
            return size <= MAX_JSON
    return False


def _sizes(metadata: Any) -> NotebookNode:
    """Width, height and words for a picture. nbconvert writes them into tags without quotes."""
    kept = NotebookNode()
    for mime in ("image/png", "image/jpeg"):
        told = metadata.get(mime) if isinstance(metadata, dict) else None
        if isinstance(told, dict):
            sizes = {n: told[n] for n in SIZES if type(told.get(n)) in (int, float)}
            made = {n: size for n, size in sizes.items() if 0 < size < MAX_SIZE}
            if isinstance(told.get("alt"), str):
                made["alt"] = told["alt"]
            if made:
                kept[mime] = NotebookNode(made)
    return kept
