"""Reading what a learner handed in, whatever it is. Nothing here raises; what is wrong is told."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_notebook
from nbformat.v4.nbbase import random_cell_id

from autograder.code.source import definitions
from autograder.engine.trusted.helper import Lost, ask
from autograder.i18n import _
from autograder.release.notebook import METADATA
from autograder.submissions import reasons
from autograder.submissions.script import cells_of

# What a notebook may have without its outputs, which are thrown away, and with them.
MAX_FILE = 50 * 2**20
MAX_WITH_OUTPUTS = 250 * 2**20
MAX_CELLS = 2000
MAX_SOURCE = 500_000
# All code cells together: each is parsed several times.
MAX_CODE = 2_000_000
MAX_DIGITS = 1000
SECONDS = 15.0


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
        return _unreadable(reasons.TOO_SLOW)
    return Submission(_notebook(nbformat.from_dict(cells)), problems)


def read_cells(name: str) -> tuple[list[NotebookNode], list[str]]:
    """In the helper: the cells of a file, and what there is to say of them."""
    submission = read_file(Path(name))
    return submission.notebook.cells, submission.problems


def read_file(path: Path) -> Submission:
    """What `read_submission` reads, in this process: some files take any time and memory."""
    try:
        if path.stat().st_size > MAX_WITH_OUTPUTS:
            return _too_large(reasons.TOO_LARGE, path.stat().st_size, MAX_WITH_OUTPUTS)
        data = path.read_bytes()
    except OSError as error:
        return _unreadable(reasons.CANNOT_BE_OPENED.format(error=error.strerror))
    return read_bytes(data, python=path.suffix.lower() == ".py")


def read_bytes(data: bytes, *, python: bool = False) -> Submission:
    """A notebook from the bytes of its file. python: whether its name says that it is code."""
    size = len(data)
    if size > MAX_FILE:
        data = without_outputs(data)
        if len(data) > MAX_FILE:
            return _too_large(reasons.TOO_MUCH_TEXT, size, MAX_FILE)
    text = text_of(data)
    conflict = has_conflict(text)
    if text.lstrip()[:1] == "{" or (conflict and '"cells"' in text):
        return read_text(text)
    told = [reasons.CONFLICT] if conflict else []
    code = one_side(text, above=True) if conflict else text
    if python or _is_code(code):
        return _from_cells([{"cell_type": k, "source": s} for k, s in cells_of(code)], told)
    kind = _kind(data, text)
    if kind:
        return _unreadable(reasons.OF_ANOTHER_KIND.format(kind=kind))
    return read_text(text)


def _too_large(reason: str, size: int, most: int) -> Submission:
    return _unreadable(reason.format(size=size // 2**20, limit=most // 2**20))


def _is_code(text: str) -> bool:
    """Whether a file whose name says nothing of it is Python: it defines something."""
    return bool(definitions(text))


def _kind(data: bytes, text: str) -> str:
    """What is handed in under a notebook's name, or nothing."""
    start = text[:2000].lstrip().lower()
    if start.startswith(("<!doctype html", "<html", "<?xml", "<head", "<!--")):
        return _("a web page")
    magic = {
        b"%PDF": _("a PDF"),
        b"PK\x03\x04": _("an archive or an office document"),
        b"Rar!": _("an archive"),
        b"7z\xbc\xaf": _("an archive"),
        b"\x1f\x8b": _("an archive"),
        b"\x89PNG": _("a picture"),
        b"\xff\xd8\xff": _("a picture"),
        b"\xd0\xcf\x11\xe0": _("an office document"),
        b"{\\rtf": _("an office document"),
    }
    return next((kind for begin, kind in magic.items() if data.startswith(begin)), "")


# Strings as wholes, since they may hold brackets; what a damaged file leaves open ends with it.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)
_OUTPUTS = re.compile(rb'"outputs"\s*:\s*\[')


def without_outputs(data: bytes) -> bytes:
    """The bytes of a notebook with the outputs of its cells taken away."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return data
    kept: list[bytes] = []
    since = at = 0
    while True:
        # Within a string the quotes of a key would stand behind backslashes.
        found = _OUTPUTS.search(data, at)
        if found is None:
            return b"".join([*kept, data[since:]])
        end = _end_of_list(data, found.end())
        if end is None:
            at = found.end()
            continue
        kept.append(data[since : found.end()])
        since = at = end


def _end_of_list(data: bytes, start: int) -> int | None:
    """Where the bracket stands that ends a list which began before `start`."""
    depth = 1
    for token in _TOKEN.finditer(data, start):
        if token[0] in b"[{":
            depth += 1
        elif token[0] in b"]}":
            depth -= 1
            if depth == 0:
                return token.start()
    return None


def text_of(data: bytes) -> str:
    """The text of a file. Some editors, and `>` in PowerShell, write UTF-16: its start tells."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf16 else "utf-8", errors="replace").lstrip("\ufeff")


def read_text(text: str) -> Submission:
    """A notebook from the text of its file."""
    for version, told in _versions(text):
        try:
            tree = json.loads(version, parse_int=_integer, strict=False)
        except (ValueError, RecursionError):
            continue
        submission = _from_json(tree)
        submission.problems[:0] = told
        return submission
    return _salvage(*next(_versions(text)))


_MARK = re.compile(r"^(<{7}|\|{7}|={7}|>{7})( .*)?\r?$", re.MULTILINE)


def _versions(text: str) -> Iterator[tuple[str, list[str]]]:
    """A text that git could not merge, with what stands above each ======= in it, and with what
    stands below; any other text as it is."""
    if not has_conflict(text):
        yield text, []
        return
    told = [reasons.CONFLICT]
    yield one_side(text, above=True), told
    yield one_side(text, above=False), [reasons.CONFLICT_BELOW]


def has_conflict(text: str) -> bool:
    """Whether a text holds all the marks of a merge conflict, each in a line of its own."""
    return "<<<<<<<" in text and {mark[0][0] for mark in _MARK.finditer(text)} >= {*"<=>"}


def one_side(text: str, *, above: bool) -> str:
    """What stands in a merge conflict above its =======, or below, and all that is in none."""
    kept, state = [], "both"
    for line in text.splitlines(keepends=True):
        mark = _MARK.match(line.rstrip("\r\n"))
        if mark is None:
            if state in ("both", "above" if above else "below"):
                kept.append(line)
        elif mark[0][0] == "<":
            state = "above"
        elif state != "both":
            state = {"|": "base", "=": "below", ">": "both"}[mark[0][0]]
        else:
            kept.append(line)
    return "".join(kept)


def _integer(digits: str) -> int:
    """A number that Python refuses to read is no reason to lose the cells around it."""
    return int(digits) if len(digits) < MAX_DIGITS else 0


def _from_json(tree: Any) -> Submission:
    problems = []
    if not isinstance(tree, dict) or not ({"cells", "worksheets"} & tree.keys()):
        return _unreadable(reasons.NOT_A_NOTEBOOK)
    if tree.get("nbformat") != 4 or "worksheets" in tree:
        try:
            tree = nbformat.convert(nbformat.from_dict(tree), 4)
        except Exception as error:
            return _unreadable(reasons.BAD_FORMAT.format(error=type(error).__name__))
        problems.append(_("The notebook is of an old format and was converted."))
    return _from_cells(tree.get("cells"), problems)


def _from_cells(raw: Any, problems: list[str]) -> Submission:
    cells, dropped = _cells(raw)
    if dropped:
        problems.append(reasons.LEFT_OUT.format(count=dropped))
    if any(has_conflict(cell.source) for cell in cells):
        problems.append(reasons.CONFLICT)
        for cell in cells:
            if has_conflict(cell.source):
                cell.source = one_side(cell.source, above=True)
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


# How a cell begins, with any of its keys.
_CELL = re.compile(
    r'\{\s*"(?:attachments|cell_type|execution_count|id|metadata|outputs|source)"\s*:'
)
MAX_FAILURES = 300


def _salvage(text: str, told: list[str]) -> Submission:
    """The whole cells of a file that breaks off or is damaged, wherever the damage is."""
    decoder = json.JSONDecoder(parse_int=_integer, strict=False)
    raw: list[Any] = []
    position = failures = 0
    while len(raw) < MAX_CELLS and failures < MAX_FAILURES:
        start = _CELL.search(text, position)
        if start is None:
            break
        try:
            cell, position = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            failures += 1
            position = start.end()
            continue
        if "cell_type" in cell and "source" in cell:
            raw.append(cell)
    if not raw and not re.search(r'"cells"\s*:\s*\[', text):
        return _unreadable(reasons.NOT_A_NOTEBOOK)
    cells, _dropped = _cells(raw)
    return Submission(_notebook(cells), [*told, reasons.DAMAGED.format(count=len(cells))])


def _unreadable(why: str) -> Submission:
    return Submission(_notebook([]), [why])
