"""The search: what is looked through is every section, as a reader sees it, formulas too.

Sphinx finds pages, and words inside words. Here a result is a section; the chapters come before the
pages for instructors; and a formula reads as one.
"""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from docutils import nodes
from mathematics import mathml
from sphinx.locale import get_translation
from wording import translate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

CATALOGUE = "finding"
SECTIONS = "_static/sections.json"
SCRIPT = "finding.js"
CHAPTERS = "book/chapters.toml"
# How much a hit counts on a chapter's page, and on any other.
CHAPTER, OTHER = 1.0, 0.3

ACCENTS = {"^": "\u0302", "ˆ": "\u0302", "‾": "\u0304", "¯": "\u0304", "~": "\u0303", "˜": "\u0303"}

_ = get_translation(CATALOGUE)


def words() -> dict[str, str]:
    """What the page says, in the language of the build; what is in {} is filled in."""
    said = {
        "one": _("One section has all of these words."),
        "many": _("{count} sections have all of these words; the first {shown} are below."),
        "all": _("{count} sections have all of these words."),
        "none": _("No section has all of these words. Fewer words, or shorter ones, find more."),
        "failed": _("The list of the sections could not be loaded."),
    }
    return {key: str(text) for key, text in said.items()}


# Text as a reader sees it.


def in_a_line(element: ElementTree.Element) -> str:
    """MathML as a line of text: a fraction with a slash, an index after an underscore."""
    parts = [in_a_line(child) for child in element]
    match element.tag:
        case "mfrac":
            return "/".join(whole(part) for part in parts)
        case "msup":
            return "".join(parts) if parts[1] in "′″" else f"{parts[0]}^{whole(parts[1])}"
        case "msub" | "munder":
            return f"{parts[0]}_{whole(parts[1])}"
        case "msubsup" | "munderover":
            return f"{parts[0]}_{whole(parts[1])}^{whole(parts[2])}"
        case "msqrt":
            return f"√({''.join(parts)})"
        case "mover":
            return parts[0] + ACCENTS.get(parts[1], "")
        case "mspace":
            return " "
        case "mtr":
            return "".join(parts) + "; "
        case "mo" if (element.text or "") in "=<>≈≤≥←→∈+−≠":
            return f" {element.text} "
    return (element.text or "").strip("\n") + "".join(parts)


def whole(part: str) -> str:
    """What would fall apart in a line, in brackets."""
    return part if re.fullmatch(r"\w*", part) else f"({part.strip()})"


def readable(tex: str, macros: dict[str, str]) -> str:
    """A formula as a line of text; its source where Temml does not know it."""
    try:
        markup = mathml(tex, display=False, macros=macros)
    except ValueError:
        return tex
    # What is set in another alphabet, such as the names of code, is plain letters to a reader.
    said = unicodedata.normalize("NFKC", in_a_line(ElementTree.fromstring(markup)))
    return re.sub(r"\s+", " ", said).strip()


def text_of(node: nodes.Node, macros: dict[str, str]) -> Iterator[str]:
    """The text below a node, without code cells, pictures and the sections in it."""
    if isinstance(node, nodes.Text):
        yield str(node)
    elif isinstance(node, nodes.math):
        yield readable(node.astext(), macros)
    elif isinstance(node, nodes.math_block):
        yield f" {readable(node.astext(), macros)} "
    elif isinstance(node, nodes.Element) and not isinstance(
        node, (nodes.section, nodes.title, nodes.raw, nodes.comment, nodes.literal_block)
    ):
        for child in node.children:
            yield from text_of(child, macros)
        if isinstance(node, nodes.TextElement) and not isinstance(node, nodes.Inline):
            yield " "


def sections_of(doctree: nodes.document, macros: dict[str, str]) -> Iterator[list[str]]:
    """Each section's place on the page (none for the page itself), title and text."""
    for number, section in enumerate(doctree.findall(nodes.section)):
        title = section.next_node(nodes.title)
        heading = (
            "".join(piece for child in title.children for piece in text_of(child, macros))
            if title
            else ""
        )
        said = "".join(piece for child in section.children for piece in text_of(child, macros))
        place = section["ids"][0] if number else ""
        yield [place, heading, re.sub(r"\s+", " ", said).strip()]


# The page, and the file that it reads.


def note_sections(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Remember a page that is being written; what is not written again is as it was."""
    if app.builder.format != "html":
        return
    pages = vars(app).setdefault("found_sections", {})
    pages[docname] = list(sections_of(doctree, app.config.mathematics_macros))


def write_sections(app: Sphinx, error: Exception | None) -> None:
    """Write what there is to be found."""
    if error is not None or app.builder.format != "html":
        return
    file, chapters = Path(app.outdir, SECTIONS), Path(app.srcdir, CHAPTERS)
    known = json.loads(file.read_text("utf8")) if file.is_file() else []
    pages = {page["name"]: page["sections"] for page in known}
    pages |= vars(app).get("found_sections", {})
    names = {
        f"book/{entry['set']}" for entry in tomllib.loads(chapters.read_text("utf8"))["chapter"]
    }
    found = [
        {
            "name": name,
            "title": app.env.titles[name].astext(),
            "weight": CHAPTER if name in names else OTHER,
            "sections": pages[name],
        }
        for name in sorted(pages)
        if name in app.env.titles
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, ensure_ascii=False, separators=(",", ":")), "utf8")


def prepare_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Give the search page its script and its words."""
    if pagename == "search":
        app.add_js_file(SCRIPT, loading_method="defer")
        context["finding_words"] = json.dumps(words())


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    translate(app, CATALOGUE, words, __file__)
    app.connect("doctree-resolved", note_sections, priority=900)
    app.connect("html-page-context", prepare_page)
    app.connect("build-finished", write_sections)
    # Pages are written by one process, which remembers them.
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
