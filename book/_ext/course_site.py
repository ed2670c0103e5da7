"""What the site needs beyond Jupyter Book: downloads, tables of chapters, no foreign host."""

from __future__ import annotations

import os
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective, SphinxRole

from autograder.project import NoProject, find_project

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

    from autograder.release.recipe import Way

DOWNLOADS = "downloads"
WHOLE = "learning_by_descent"
NOT_OUT_YET = "This set is not out yet."
# In place of a set's name: the archive of all sets.
ALL = "all"


def read_released_sets(app: Sphinx, config: Config) -> None:
    """Take `released_sets` from the course's settings, which decide what is offered."""
    try:
        config["released_sets"] = list(find_project(Path(app.srcdir)).released_sets)
    except NoProject:
        config["released_sets"] = []


def let_pages_import_the_course(app: Sphinx, config: Config) -> None:
    """Put the repository's root on the kernels' path: folded cells import from `solutions`."""
    root = str(app.srcdir)
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if root not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([root, *paths])


def drop_thebe(app: Sphinx, config: Config) -> None:
    """Silence sphinx_thebe: it names another host and throws on every page without a kernel."""
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            if listener.handler.__module__ == "sphinx_thebe":
                app.disconnect(listener.id)
    app.registry.css_files[:] = [
        (name, attributes)
        for name, attributes in app.registry.css_files
        if name != "sphinx-thebe.css"
    ]


# What docutils and myst-nb write into our pages, and what a screen reader needs in its place.
MENDED_MARKUP = {
    # The entries of a bibliography stand in a list, so they must be its items.
    'role="doc-biblioentry"': 'role="listitem"',
    # A folded cell is named by the words that are seen on it, not by others.
    '<summary aria-label="Toggle hidden content">': "<summary>",
}


def mend_markup(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Replace in the finished page what a screen reader would stumble over."""
    for wrong, right in MENDED_MARKUP.items():
        if "body" in context:
            context["body"] = context["body"].replace(wrong, right)


def write_downloads(app: Sphinx, error: Exception | None) -> None:
    """Write the archive of each released set, and none of any other."""
    if error is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / DOWNLOADS
    shutil.rmtree(folder, ignore_errors=True)
    released = app.config["released_sets"]
    if not released:
        return
    # Imported here: the package is needed to publish, not to read or to translate the pages.
    from autograder.release.bundle import write_bundles

    folder.mkdir(parents=True)
    written = {path.stem for path in write_bundles(folder)}
    if written != set(released):
        message = f"released_sets says {sorted(released)}, the archives are of {sorted(written)}"
        raise ExtensionError(message)


class released_set(nodes.General, nodes.Inline, nodes.TextElement):  # noqa: N801
    """A place on a page for the download of one set; resolved when the page is written."""


def resolve_released_sets(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Turn each place into a link, or into a sentence while the set is not released."""
    for place in list(doctree.findall(released_set)):
        name = place["set"]
        if name == ALL and app.config["released_sets"]:
            name = WHOLE
        elif name not in app.config["released_sets"]:
            place.replace_self(nodes.emphasis("", NOT_OUT_YET, classes=["not-out-yet"]))
            continue
        to_root = app.builder.get_relative_uri(docname, "index").removesuffix("index.html")
        uri = f"{to_root}{DOWNLOADS}/{name}.zip"
        text = place.astext() or f"{name}.zip"
        link = nodes.reference("", text, refuri=uri, internal=True, classes=["download-set"])
        place.replace_self(link)


class ReleasedSetRole(SphinxRole):
    """``{released-set}`gradient``` or ``{released-set}`the text <gradient>```: a link in a line.
    `all` is the archive of all sets."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        text, _, target = self.text.partition("<")
        name = target.rstrip(">").strip() if target else text.strip()
        place = released_set("", text.strip() if target else "")
        place["set"] = name
        return [place], []


class DownloadSet(SphinxDirective):
    """``{download-set} gradient``: the link as a button of its own."""

    required_arguments = 1
    option_spec: ClassVar = {"text": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        place = released_set("", self.options.get("text", f"Download the exercise ({name}.zip)"))
        place["set"] = name
        return [nodes.paragraph("", "", place, classes=["download-set-box"])]


class SetUp(SphinxDirective):
    """``{set-up}``: how a learner sets up for the whole course, as the archive of it says;
    with the option `short` the first way alone."""

    option_spec: ClassVar = {"short": directives.flag}

    def run(self) -> list[nodes.Node]:
        # Imported here: the package is needed to publish, not to read or to translate the pages.
        from autograder.release.notebook import WHEEL
        from autograder.release.recipe import in_words, ways

        first, *others = ways(WHEEL)
        if "short" in self.options:
            return [self._block(first.lines)]
        has_uv, needs, again = in_words()
        shown: list[nodes.Node] = [*self._way(first), self._said(f"{has_uv} {needs}")]
        for way in others:
            shown += self._way(way)
        return [*shown, self._said(again)]

    def _way(self, way: Way) -> list[nodes.Node]:
        return [nodes.paragraph("", "", nodes.strong("", way.title)), self._block(way.lines)]

    def _block(self, lines: tuple[str, ...]) -> nodes.Node:
        text = "\n".join(lines)
        return nodes.literal_block(text, text, language="text")

    def _said(self, text: str) -> nodes.Node:
        parsed, messages = self.state.inline_text(text, self.lineno)
        return nodes.paragraph("", "", *parsed, *messages)


class ChapterTable(SphinxDirective):
    """A table made from the list of the chapters; the base of the two directives below."""

    required_arguments = 1

    def chapters(self) -> list[tuple[dict[str, Any], str]]:
        """Give each chapter with the name of its page, whether that page is there or not."""
        relative, absolute = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        # Which chapters are there depends on the toc, which is no dependency that Sphinx can see.
        self.env.note_reread()
        chapters = tomllib.loads(Path(absolute).read_text("utf8"))["chapter"]
        folder = self.env.docname.rpartition("/")[0]
        return [(chapter, f"{folder}/{chapter['set']}") for chapter in chapters]

    def title(self, chapter: dict[str, Any], docname: str) -> nodes.Node:
        """Give the chapter's title, as a link where there is a page to link to."""
        if docname not in self.env.found_docs:
            return nodes.Text(chapter["title"])
        return addnodes.pending_xref(
            "",
            nodes.inline("", chapter["title"]),
            reftype="doc",
            refdomain="std",
            reftarget=f"/{docname}",
            refexplicit=True,
            refwarn=True,
            refdoc=self.env.docname,
        )


class ChapterMap(ChapterTable):
    """``{chapter-map} chapters.toml``: all chapters, those on the site as links."""

    def run(self) -> list[nodes.Node]:
        rows = [self._row(chapter, docname) for chapter, docname in self.chapters()]
        head = ("No.", "Chapter", "Afterwards you can")
        return [_table(head, (6, 34, 60), rows, "chapter-map")]

    def _row(self, chapter: dict[str, Any], docname: str) -> list[nodes.Node]:
        return [
            nodes.paragraph("", str(chapter["number"])),
            nodes.paragraph("", "", self.title(chapter, docname)),
            nodes.paragraph("", chapter["outcome"]),
        ]


class ChapterDownloads(ChapterTable):
    """``{chapter-downloads} chapters.toml``: the exercise of each chapter that is on the site."""

    def run(self) -> list[nodes.Node]:
        rows = []
        for chapter, docname in self.chapters():
            if docname in self.env.found_docs:
                place = released_set("", f"{chapter['set']}.zip")
                place["set"] = chapter["set"]
                title = nodes.inline("", f"{chapter['number']} · ")
                title += self.title(chapter, docname)
                rows.append([nodes.paragraph("", "", title), nodes.paragraph("", "", place)])
        return [_table(("Chapter", "Exercise"), (60, 40), rows, "chapter-downloads")]


def _table(
    head: tuple[str, ...], widths: tuple[int, ...], rows: list[list[nodes.Node]], name: str
) -> nodes.table:
    """Build a docutils table of `rows` under one head row."""

    def row(cells: list[nodes.Node]) -> nodes.row:
        return nodes.row("", *(nodes.entry("", cell) for cell in cells))

    group = nodes.tgroup("", *(nodes.colspec(colwidth=w) for w in widths), cols=len(widths))
    group += nodes.thead("", row([nodes.paragraph("", text) for text in head]))
    group += nodes.tbody("", *(row(cells) for cells in rows))
    return nodes.table("", group, classes=[name])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_config_value("released_sets", [], "env")
    app.add_node(released_set)
    app.add_role("released-set", ReleasedSetRole())
    app.add_directive("download-set", DownloadSet)
    app.add_directive("set-up", SetUp)
    app.add_directive("chapter-map", ChapterMap)
    app.add_directive("chapter-downloads", ChapterDownloads)
    app.connect("config-inited", read_released_sets)
    app.connect("config-inited", let_pages_import_the_course)
    app.connect("config-inited", drop_thebe)
    app.connect("doctree-resolved", resolve_released_sets)
    app.connect("html-page-context", mend_markup)
    app.connect("build-finished", write_downloads)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
