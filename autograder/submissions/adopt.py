"""Submissions without a notebook: nbgrader would pass over them in silence.

What can be graded is adopted under the right name, the original stays, and a folder with nothing
of use gets a notebook that says so, so that the learner has a mark and is told.
"""

from __future__ import annotations

import html
import os
import stat
import zipfile
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

from autograder.i18n import _
from autograder.judging.show import printable
from autograder.submissions.read import MAX_FILE, read_submission, read_text, text_of

IGNORED = {"timestamp.txt"}
MAX_TIMESTAMP = 200


def take_in(folder: Path, assignment: str) -> str:
    """Make sure that a submission's folder has a notebook; says what was done, or nothing."""
    dropped = drop_links(folder)
    if any(folder.glob("*.ipynb")):
        return dropped
    wanted = folder / f"{assignment}.ipynb"
    files = [p for p in sorted(folder.rglob("*")) if _counts(p, folder)]
    files.sort(key=lambda p: (assignment not in p.name, p.name))
    for file in files:
        data = _notebook_in(file)
        if data is not None:
            wanted.write_bytes(data)
            return _("{file} was graded as {wanted}.").format(
                file=printable(str(file.relative_to(folder))), wanted=wanted.name
            )
    held = ", ".join(printable(str(p.relative_to(folder))) for p in files) or _("nothing")
    told = _("No notebook was handed in; the folder held: {held}.").format(held=held)
    empty = new_notebook(cells=[new_markdown_cell(html.escape(told), id="intake")])
    wanted.write_text(nbformat.writes(empty) + "\n", "utf-8")
    return told


def drop_links(folder: Path) -> str:
    """Remove what is neither a file nor a folder; says what it was, or nothing.

    A link is followed with the rights of whoever grades: it could hand in somebody else's work, or
    have the instructor's files copied into the learner's feedback.
    """
    if folder.is_symlink():
        folder.unlink()
        folder.mkdir()
        return _("The folder was a link to another; it was removed.")
    dropped = []
    for place, folders, names in os.walk(folder):
        for name in sorted([*folders, *names]):
            path = Path(place, name)
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                path.unlink()
                dropped.append(printable(str(path.relative_to(folder))))
    if not dropped:
        return ""
    return _("Links and other things that are no files were removed: {names}.").format(
        names=", ".join(dropped)
    )


def see_to_timestamp(folder: Path) -> None:
    """See to it that a submission's time is one: a long row of digits is read for hours.

    Raises
    ------
    ValueError where it is longer than any time.
    """
    file = folder / "timestamp.txt"
    if file.is_file() and file.stat().st_size > MAX_TIMESTAMP:
        raise ValueError(
            _("timestamp.txt has {size} bytes, more than any time").format(size=file.stat().st_size)
        )


def _counts(path: Path, folder: Path) -> bool:
    if path.is_symlink() or not path.is_file() or path.name in IGNORED:
        return False
    return not any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)


def _notebook_in(file: Path) -> bytes | None:
    """The notebook that a file is, holds or can be made into."""
    if file.stat().st_size > MAX_FILE:
        return None
    if file.suffix == ".py":
        submission = read_submission(file)
        for number, cell in enumerate(submission.notebook.cells):
            cell.id = f"file-{number}"
        return nbformat.writes(submission.notebook).encode()
    if zipfile.is_zipfile(file):
        return _in_zip(file)
    data = file.read_bytes()
    return data if _is_notebook(data) else None


def _in_zip(file: Path) -> bytes | None:
    """The first notebook of an archive that is not of an unreasonable size."""
    try:
        with zipfile.ZipFile(file) as archive:
            for entry in sorted(archive.infolist(), key=lambda e: e.filename):
                hidden = any(p.startswith((".", "__")) for p in Path(entry.filename).parts)
                # Of what says that it is larger, nothing is unpacked to find out.
                if hidden or not entry.filename.endswith(".ipynb") or entry.file_size > MAX_FILE:
                    continue
                with archive.open(entry) as member:
                    data = member.read(MAX_FILE + 1)
                if len(data) <= MAX_FILE:
                    return data
    except Exception:  # zipfile and what it calls fail in many ways
        return None
    return None


def _is_notebook(data: bytes) -> bool:
    text = text_of(data)
    return text.lstrip().startswith("{") and bool(read_text(text).notebook.cells)
