"""What a learner's cells show, without what would run or call home in a reader's browser.

Formgrader opens a submission inside the instructor's own Jupyter server, where a script could do
whatever the instructor can. HTML goes through nh3, the Python face of the Rust library ammonia: a
real HTML5 parser, maintained, and a hundred times as fast as bleach, which has been given up by its
authors. Drawings are read by defusedxml and rebuilt from the elements that draw.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import nh3
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from nbformat import NotebookNode
from pygments.token import STANDARD_TYPES

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
# A link within the page, or to the open web. One to the server that shows the page could act there.
LINK = re.compile(r"(#|https?://|mailto:)", re.IGNORECASE)

# What the parser behind nh3 takes the square of its time for: tags in tags, attributes in a tag.
CARRIED = re.compile(r'\ssrc="data:image/[a-z+]+;base64,[A-Za-z0-9+/=]*"')
STYLE = re.compile(r"<style[^<>]*>[^<]*</style\s*>", re.IGNORECASE)
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^<>]*>")
LONG_TAG = re.compile(r"<[^>]{5000}")
VOID = {"br", "hr", "img", "col", "wbr", "input"}
MAX_DEPTH = 100
FEW_TAGS = 1000

SHOWN = {"text/plain", "text/latex", "text/markdown", "application/json"} | {
    f"image/{kind}" for kind in ("png", "jpeg", "gif", "webp")
}
SIZES = ("width", "height")
MAX_SIZE = 10_000

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = {
    *("svg", "g", "defs", "symbol", "use", "title", "desc", "clipPath", "mask", "marker"),
    *("path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan"),
    *("linearGradient", "radialGradient", "stop", "pattern", "image", "style"),
}
OUTSIDE = re.compile(r"url\s*\(\s*['\"]?\s*(?!#)|@import|expression|javascript:|\\", re.IGNORECASE)


def clean_html(html: str) -> str:
    """HTML that only shows something: tables, text, pictures that it carries with it.

    Nothing is left of what would keep the parser busy for long.
    """
    return str(_CLEANER.clean(html)) if is_manageable(html) else ""


def is_manageable(html: str) -> bool:
    """Whether HTML is parsed in a time that grows as its length does.

    Where there are many tags they must be closed in order, and no deeper than any page needs.
    """
    text = STYLE.sub("", CARRIED.sub("", html))
    if LONG_TAG.search(text):
        return False
    if text.count("<") <= FEW_TAGS:
        return True
    tags, opened = 0, list[str]()
    for tag in TAG.finditer(text):
        tags += 1
        name = tag[2].lower()
        if tag[1]:
            if not opened or opened.pop() != name:
                return False
        elif name in DROPPED_WHOLE:
            return False
        elif name not in VOID:
            opened.append(name)
            if len(opened) > MAX_DEPTH:
                return False
    return tags == text.count("<")


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "class":
        kept = [word for word in value.split() if word in CLASSES]
        return " ".join(kept) or None
    if tag == "img" and name == "src":
        return value if PICTURE.match(value) else None
    if tag == "a" and name == "href":
        return value if LINK.match(value.strip()) else None
    return value


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
    """A drawing without scripts, foreign content and links out of it; nothing, if it is none."""
    try:
        root = fromstring(text)
        return _only_drawn(root) if root.tag == f"{SVG}svg" else ""
    except (ElementTree.ParseError, DefusedXmlException, ValueError, RecursionError):
        return ""


def _only_drawn(root: Any) -> str:
    pending = [root]
    while pending:
        element = pending.pop()
        # At once: to take them out one by one goes as the square of their number.
        element[:] = [child for child in element if _draws(child)]
        pending += element
        for name, value in list(element.attrib.items()):
            if not _stays(name, value):
                del element.attrib[name]
    return str(ElementTree.tostring(root, encoding="unicode"))


def _draws(element: Any) -> bool:
    if not isinstance(element.tag, str) or element.tag.removeprefix(SVG) not in DRAWN:
        return False
    return element.tag.startswith(SVG) and not OUTSIDE.search(element.text or "")


def _stays(name: str, value: str) -> bool:
    local = name.rpartition("}")[2].lower()
    if local == "href":
        return value.startswith("#") or bool(PICTURE.match(value))
    return not local.startswith("on") and not OUTSIDE.search(value)


def harmless(output: NotebookNode) -> NotebookNode:
    """An output as it may be shown to anybody: what a browser would run is taken out.

    Streams and errors are text, which whoever shows them escapes. Where nothing is left, a
    sentence says so.
    """
    if output.get("output_type") not in ("display_data", "execute_result"):
        return output
    made = NotebookNode(output)
    given = output.get("data", {})
    kept = {mime: given[mime] for mime in given if mime in SHOWN and _is_shallow(given[mime])}
    for mime, clean in (("text/html", clean_html), ("image/svg+xml", clean_svg)):
        text = given.get(mime)
        cleaned = clean("".join(text) if isinstance(text, list) else str(text)) if text else ""
        if cleaned.strip():
            kept[mime] = cleaned
    if not kept:
        told = _("[What this cell showed cannot be shown here: {kinds}.]")
        kept = {"text/plain": told.format(kinds=", ".join(sorted(given)) or _("nothing"))}
    made.data = NotebookNode({mime: kept[mime] for mime in [*given, *kept] if mime in kept})
    made.metadata = _sizes(output.get("metadata", {}))
    return made


def _is_shallow(value: Any) -> bool:
    """Whether whoever writes it as JSON gets to its end."""
    level = [value]
    for _depth in range(MAX_DEPTH):
        inner = [v.values() if isinstance(v, dict) else v for v in level]
        level = [item for v in inner if not isinstance(v, str) for item in v]
        level = [v for v in level if isinstance(v, dict | list)]
        if not level:
            return True
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
