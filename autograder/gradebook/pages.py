"""The pages that show a graded notebook, Formgrader's and the feedback: harmless, and made in time.

`nbgrader_config.py` puts these into nbconvert's own lists for its HTML exporter, which both use.
What is in there may come from before the judge cleaned it, or from another notebook altogether.
"""

from __future__ import annotations

import html
import time
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

from autograder.engine.trusted.bounds import bounded
from autograder.engine.wire import TooSlow
from autograder.grading.clean import clean_html, harmless, is_manageable

TEXT_SECONDS = 1.0
PAGE_SECONDS = 10.0
PAGE_BYTES = 2**30
NAMES = ("student", "last_name", "first_name", "notebook_path")
# Pages are made one after the other, each by one thread.
_seconds_left: ContextVar[float] = ContextVar("seconds_left", default=PAGE_SECONDS)


class HarmlessPage(Preprocessor):
    """Takes out of a notebook what a browser would run, before a page is made of it."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """The same notebook; names in `resources`, which nbgrader writes as they are, escaped."""
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs = [harmless(output) for output in cell.outputs]
            cell.metadata.pop("tags", None)
        nb.metadata.pop("widgets", None)
        for name in NAMES:
            if isinstance(resources.get(name), str):
                resources[name] = html.escape(resources[name])
        _seconds_left.set(PAGE_SECONDS)
        return nb, resources


@pass_context
def markdown2html(context: Context, source: str) -> str:
    """Markdown as harmless HTML, in place of nbconvert's filter of this name. A text that takes too
    long to read is shown as it was written."""
    cell = context.get("cell") or {}

    def render() -> str:
        renderer = IPythonRenderer(escape=False, attachments=cell.get("attachments", {}))
        made = MarkdownWithMath(renderer=renderer).render(source)
        if not is_manageable(made):
            raise TooSlow
        return clean_html(made)

    return in_time(render, source)


class Highlighted(Highlight2HTML):
    """Code in colours, or without any where that would take too long."""

    def __call__(self, source: str, language: Any = None, metadata: Any = None) -> str:
        """See nbconvert."""
        return in_time(lambda: str(super(Highlighted, self).__call__(source, language)), source)


def ansi2html(text: str) -> str:
    """What a cell printed in colours, or without any where that would take too long."""
    return in_time(lambda: str(coloured(text)), text, frame="{}")


def strip_files_prefix(text: str) -> str:
    """The text as it is. nbconvert's filter of this name, for links of notebooks of 2013, takes
    the square of its length in time."""
    return text


def in_time(make: Callable[[], str], source: str, frame: str = "<pre>{}</pre>") -> str:
    """What `make` makes of a text, or the text as it was written where that takes too long, or the
    page has used up its time.

    frame: what stands around the text as it was written.
    """
    left = _seconds_left.get()
    started = time.process_time()
    try:
        with bounded(min(TEXT_SECONDS, left), PAGE_BYTES):
            return make()
    except (TooSlow, MemoryError, RecursionError):
        return frame.format(html.escape(source))
    finally:
        _seconds_left.set(left - (time.process_time() - started))
