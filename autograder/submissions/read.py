"""Reading what a learner handed in, whatever it is. Nothing here raises; what is wrong is told."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_notebook
from nbformat.v4.nbbase import random_cell_id

from autograder.engine.trusted.helper import Lost, ask
from autograder.i18n import _
from autograder.release.notebook import METADATA
from autograder.submissions.script import cells_of

MAX_FILE = 50 * 2**20
MAX_CELLS = 2000
MAX_SOURCE = 500_000
# All code cells together: each is parsed several times.
MAX_CODE = 2_000_000
MAX_DIGITS = 1000
SECONDS = 10.0


@dataclass
class Submission:
    """A notebook of nbformat 4 and what had to be done to get it.

    repaired: whether its graded cells are where they belong: see `repair`.
    """

    notebook: NotebookNode
    problems: list[str] = field(default_factory=list)
    repaired: bool = False


def read_submission(path: Path) -> Submission:
    """Read a notebook of any version, a broken one as far as it goes, or a plain Python file."""
    try:
        cells, problems = ask(read_cells, str(path), seconds=SECONDS)
    except Lost:
        return _unreadable(_("The file takes too much time or memory to be read."))
    return Submission(_notebook(nbformat.from_dict(cells)), problems)


def read_cells(name: str) -> tuple[list[NotebookNode], list[str]]:
    """In the helper: the cells of a file, and what there is to say of them."""
    submission = read_file(Path(name))
    return submission.notebook.cells, submission.problems


def read_file(path: Path) -> Submission:
    """What `read_submission` reads, in this process: some files take any time and memory."""
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
    text = text_of(data)
    if path.suffix == ".py":
        return _from_cells([{"cell_type": k, "source": s} for k, s in cells_of(text)], [])
    return read_text(text)


def text_of(data: bytes) -> str:
    """The text of a file. Some editors, and `>` in PowerShell, write UTF-16: its start tells."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf16 else "utf-8", errors="replace").lstrip("\ufeff")


def read_text(text: str) -> Submission:
    """A notebook from the text of its file."""
    try:
        tree = json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError):
        return _salvage(text)
    return _from_json(tree)


def _integer(digits: str) -> int:
    """A number that Python refuses to read is no reason to lose the cells around it."""
    return int(digits) if len(digits) < MAX_DIGITS else 0


def _from_json(tree: Any) -> Submission:
    problems = []
    if not isinstance(tree, dict) or not ({"cells", "worksheets"} & tree.keys()):
        return _unreadable(_("This is not a notebook."))
    if tree.get("nbformat") != 4 or "worksheets" in tree:
        try:
            tree = nbformat.convert(nbformat.from_dict(tree), 4)
        except Exception as error:
            return _unreadable(
                _("This notebook's format cannot be read ({error}).").format(
                    error=type(error).__name__
                )
            )
        problems.append(_("The notebook is of an old format and was converted."))
    return _from_cells(tree.get("cells"), problems)


def _from_cells(raw: Any, problems: list[str]) -> Submission:
    cells, dropped = _cells(raw)
    if dropped:
        problems.append(
            _("{count} cells were malformed or too long and were left out.").format(count=dropped)
        )
    return Submission(_notebook(cells), problems)


def _notebook(cells: list[NotebookNode]) -> NotebookNode:
    """A notebook whose own metadata nobody has touched."""
    return new_notebook(cells=cells, metadata=nbformat.from_dict(METADATA))


def _cells(raw: Any) -> tuple[list[NotebookNode], int]:
    """The cells that can be understood, each built anew, and how many cannot."""
    if not isinstance(raw, list):
        return [], 0
    cells, dropped, seen = [], max(0, len(raw) - MAX_CELLS), set()
    code = 0
    for cell in raw[:MAX_CELLS]:
        made = _cell(cell)
        size = len(made.source) if made is not None and made.cell_type == "code" else 0
        if made is None or code + size > MAX_CODE:
            dropped += 1
            continue
        code += size
        if made.id in seen:
            made.id = random_cell_id()
        seen.add(made.id)
        cells.append(made)
    return cells, dropped


def _cell(cell: Any) -> NotebookNode | None:
    if not isinstance(cell, dict):
        return None
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(str(line) for line in source)
    if not isinstance(source, str) or len(source) > MAX_SOURCE:
        return None
    # A half of a surrogate pair is text that no file can hold.
    source = source.encode("utf-8", errors="replace").decode("utf-8")
    if cell.get("cell_type") == "code":
        made = _new_cell("code", source)
    else:
        made = _text_cell(source, cell.get("attachments"))
    if isinstance(cell.get("id"), str) and re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell["id"]):
        made.id = cell["id"]
    # The rest of a cell's metadata is for editors, and may be anything.
    metadata = cell.get("metadata")
    label = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    if isinstance(label, dict) and isinstance(label.get("grade_id"), str):
        made.metadata["nbgrader"] = NotebookNode(grade_id=label["grade_id"])
    return made


def _new_cell(kind: str, source: str) -> NotebookNode:
    """As nbformat makes one, which also checks each against its schema: that takes longer than all
    the rest of reading, and a notebook is checked as a whole when it is written."""
    cell = NotebookNode(id=random_cell_id(), cell_type=kind, metadata=NotebookNode(), source=source)
    if kind == "code":
        cell.update(execution_count=None, outputs=[])
    return cell


def _text_cell(source: str, attachments: Any) -> NotebookNode:
    """A text cell with its pictures. One that is not there would stop the feedback page."""
    kept = {}
    if isinstance(attachments, dict):
        kept = {name: data for name, data in attachments.items() if _is_picture(data)}
    lost = re.compile(r"attachment:([^\s)\"'>]+)")
    made = _new_cell("markdown", lost.sub(lambda m: m[m[1] not in kept], source))
    if kept:
        made.attachments = nbformat.from_dict(kept)
    return made


def _is_picture(data: Any) -> bool:
    return isinstance(data, dict) and bool(data) and all(isinstance(v, str) for v in data.values())


def _salvage(text: str) -> Submission:
    """The complete cells at the start of a file that breaks off or is damaged."""
    start = re.search(r'"cells"\s*:\s*\[', text)
    if start is None:
        return _unreadable(_("This is not a notebook."))
    decoder, position = json.JSONDecoder(parse_int=_integer), start.end()
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
    return Submission(_notebook(cells), [told])


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n,":
        position += 1
    return position


def _unreadable(why: str) -> Submission:
    return Submission(_notebook([]), [why])
