"""The pages that show a graded notebook, Formgrader's and the feedback: harmless, and made in time.

`nbgrader_config.py` puts these into nbconvert's own lists for its HTML exporter, which both use.
What is in there may come from before the judge cleaned it, or from another notebook altogether.
"""

from __future__ import annotations

import contextlib
import html
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.filters import Highlight2HTML
from nbconvert.filters import ansi2html as coloured
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

from autograder.engine.trusted.helper import Lost, helper
from autograder.grading import clean

TEXT_SECONDS = 1.0
PAGE_SECONDS = 10.0
NAMES = ("student", "last_name", "first_name", "notebook_path")
# Pages are made one after the other, each by one thread.
_seconds_left: ContextVar[float] = ContextVar("seconds_left", default=PAGE_SECONDS)


class HarmlessPage(Preprocessor):
    """Takes out of a notebook what a browser would run, before a page is made of it."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """The same notebook; names in `resources`, which nbgrader writes as they are, escaped."""
        outputs = [output for c in nb.cells if c.cell_type == "code" for output in c.outputs]
        harmless = iter(clean.harmless(outputs))
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs = [next(harmless) for _output in cell.outputs]
            cell.metadata.pop("tags", None)
        nb.metadata.pop("widgets", None)
        for name in NAMES:
            if isinstance(resources.get(name), str):
                resources[name] = html.escape(resources[name])
        # What the helper imports for it is no part of any page.
        helper().start(__name__)
        _seconds_left.set(PAGE_SECONDS)
        return nb, resources


@pass_context
def markdown2html(context: Context, source: str) -> str:
    """Markdown as harmless HTML, in place of nbconvert's filter of this name. A text that takes too
    long to read is shown as it was written."""
    cell = context.get("cell") or {}
    return _made(read, source, cell.get("attachments", {}))


class Highlighted(Highlight2HTML):
    """Code in colours, or without any where that would take too long."""

    def __call__(self, source: str, language: Any = None, metadata: Any = None) -> str:
        """See nbconvert."""
        return _made(highlighted, source, language or self.pygments_lexer)


def ansi2html(text: str) -> str:
    """What a cell printed in colours, or without any where that would take too long."""
    return (
        _made(in_colours, text, frame="{}")
        if "\x1b" in text
        else clean.fewer_marks(html.escape(text))
    )


def clean_html(text: str) -> str:
    """Harmless HTML, in place of nbconvert's filter of this name."""
    return _made(clean.clean_html, text)


def strip_files_prefix(text: str) -> str:
    """The text as it is. nbconvert's filter of this name, for links of notebooks of 2013, takes
    the square of its length in time."""
    return text


def _made(make: Callable[..., str], source: str, *args: Any, frame: str = "<pre>{}</pre>") -> str:
    """What the helper makes of a text, or the text as it was written where that is lost, or the
    page has used up its time.

    frame: what stands around the text as it was written.
    """
    mine = helper()
    left, before = _seconds_left.get(), mine.spent
    made = None
    if left > 0:
        with contextlib.suppress(Lost):
            made = str(mine.ask(make, source, *args, seconds=min(TEXT_SECONDS, left)).value)
        _seconds_left.set(left - (mine.spent - before))
    return clean.fewer_marks(frame.format(html.escape(source)) if made is None else made)


# ── In the helper ──────────────────────────────────────────────────────────────────────────────


def read(source: str, attachments: dict[str, Any]) -> str:
    """Markdown as harmless HTML."""
    renderer = IPythonRenderer(escape=False, attachments=attachments)
    return clean.clean_html(MarkdownWithMath(renderer=renderer).render(source))


def highlighted(source: str, language: str) -> str:
    """Code in colours."""
    return str(Highlight2HTML()(source, language))


def in_colours(text: str) -> str:
    """What was printed in colours."""
    return str(coloured(text))
