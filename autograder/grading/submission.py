"""Reading what a learner handed in, whatever it is. Nothing here raises; what is wrong is told."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.i18n import _

MAX_FILE = 50 * 2**20
MAX_CELLS = 2000


@dataclass
class Submission:
    """A notebook of nbformat 4 and what had to be done to get it."""

    notebook: NotebookNode
    problems: list[str] = field(default_factory=list)


def read_submission(path: Path) -> Submission:
    """Read a notebook of any version, a broken one as far as it goes, or a plain Python file."""
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_FILE:
            return _unreadable(
                _("The file has {size} MB; a notebook has at most {limit}.").format(
                    size=size // 2**20, limit=MAX_FILE // 2**20
                )
            )
        data = path.read_bytes()
    except OSError as error:
        return _unreadable(_("The file cannot be opened: {error}.").format(error=error.strerror))
    text = data.decode("utf-8", errors="replace").lstrip("\ufeff")
    if path.suffix == ".py":
        return Submission(new_notebook(cells=[new_code_cell(text)]))
    return read_text(text)


def read_text(text: str) -> Submission:
    """A notebook from the text of its file."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return _salvage(text)
    return _from_json(tree)


def _from_json(tree: Any) -> Submission:
    problems = []
    if not isinstance(tree, dict) or not ({"cells", "worksheets"} & tree.keys()):
        return _unreadable(_("This is not a notebook."))
    if tree.get("nbformat") != 4 or "worksheets" in tree:
        try:
            tree = nbformat.convert(nbformat.from_dict(tree), 4)
        except Exception as error:  # noqa: BLE001 - old formats fail in many ways
            return _unreadable(
                _("This notebook's format cannot be read ({error}).").format(
                    error=type(error).__name__
                )
            )
        problems.append(_("The notebook is of an old format and was converted."))
    cells, dropped = _cells(tree.get("cells"))
    if dropped:
        problems.append(_("{count} cells were malformed and left out.").format(count=dropped))
    notebook = new_notebook(cells=cells)
    metadata = tree.get("metadata")
    if isinstance(metadata, dict):
        kept = {k: metadata[k] for k in ("kernelspec", "language_info") if k in metadata}
        notebook.metadata = nbformat.from_dict(kept)
    return Submission(notebook, problems)


def _cells(raw: Any) -> tuple[list[NotebookNode], int]:
    """The cells that can be understood, each built anew, and how many cannot."""
    if not isinstance(raw, list):
        return [], 0
    cells, dropped, seen = [], max(0, len(raw) - MAX_CELLS), set()
    for cell in raw[:MAX_CELLS]:
        made = _cell(cell)
        if made is None:
            dropped += 1
            continue
        if made.id in seen:
            made.id = new_code_cell().id
        seen.add(made.id)
        cells.append(made)
    return cells, dropped


def _cell(cell: Any) -> NotebookNode | None:
    if not isinstance(cell, dict):
        return None
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(str(line) for line in source)
    if not isinstance(source, str):
        return None
    make: Any = new_code_cell if cell.get("cell_type") == "code" else new_markdown_cell
    made = make(source)
    if isinstance(cell.get("id"), str) and re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell["id"]):
        made.id = cell["id"]
    metadata = cell.get("metadata")
    if isinstance(metadata, dict):
        made.metadata = nbformat.from_dict({k: v for k, v in metadata.items() if k != "autograder"})
    if not isinstance(made.metadata.get("nbgrader", {}), dict):
        del made.metadata["nbgrader"]
    return made


def _salvage(text: str) -> Submission:
    """The complete cells at the start of a file that breaks off or is damaged."""
    start = re.search(r'"cells"\s*:\s*\[', text)
    if start is None:
        return _unreadable(_("This is not a notebook."))
    decoder, position = json.JSONDecoder(), start.end()
    raw: list[Any] = []
    while len(raw) < MAX_CELLS:
        position = _skip(text, position)
        try:
            cell, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            break
        raw.append(cell)
    cells, _dropped = _cells(raw)
    told = _("The file is damaged; {count} whole cells could be read.").format(count=len(cells))
    return Submission(new_notebook(cells=cells), [told])


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n,":
        position += 1
    return position


def _unreadable(why: str) -> Submission:
    return Submission(new_notebook(), [why])
