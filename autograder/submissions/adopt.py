"""The one intake: whatever lies in a submission's folder, a notebook of the right name comes of it.

nbgrader would pass over a folder without a notebook in silence. What can be graded is adopted under
the right name, the original stays, and a folder with nothing of use gets an empty notebook, so that
the learner has a mark and is told.
"""

from __future__ import annotations

import difflib
import filecmp
import os
import shutil
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_notebook
from nbgrader.utils import parse_utc

from autograder.engine.trusted.helper import Lost, Packed, helper
from autograder.i18n import _
from autograder.judging.show import printable
from autograder.submissions.read import MAX_FILE, read_file, read_text, text_of

IGNORED = {"timestamp.txt"}
MAX_TIMESTAMP = 200
SECONDS = 5.0
# What a folder gets that holds nothing of use.
EMPTY = nbformat.writes(new_notebook(metadata={"adopted": "nothing"})).encode()


@dataclass(frozen=True)
class Adopted:
    """A submission's notebook, under its assignment's name, and what learner and instructor are to
    be told of how it came there."""

    path: Path
    notes: list[str]


def adopt(folder: Path, assignment: str, *, graded_before: bool = False) -> Adopted:
    """See to it that a submission's folder holds its notebook, and no links.

    Links are gone after the first time, and only then is it told. What the notebook was made from
    is told each time.

    Raises
    ------
    FileNotFoundError where nothing is there any more of what was graded before. TimeoutError where
    it cannot be told what there is.
    """
    notes = drop_links(folder)
    wanted = folder / f"{assignment}.ipynb"
    has_others = _has_others(folder, wanted)
    found: dict[str, Any] = {"held": [], "origin": None}
    try:
        if not wanted.exists():
            _make(folder, wanted, has_others=has_others, graded_before=graded_before)
        if has_others:
            found = _searched(folder, wanted).value
    except Lost as error:
        told = _("what lies in the folder takes too much time or memory to be looked through")
        if not wanted.exists():
            raise TimeoutError(told) from error
        notes.append(told[0].upper() + told[1:] + ".")
    if found["origin"] is not None:
        file = printable(found["origin"])
        notes.append(_("{file} was graded as {wanted}.").format(file=file, wanted=wanted.name))
    elif _holds(wanted, EMPTY):
        names = ", ".join(map(printable, found["held"])) or _("nothing")
        notes.append(_("No notebook was handed in; the folder held: {held}.").format(held=names))
    return Adopted(wanted, notes)


def _make(folder: Path, wanted: Path, *, has_others: bool, graded_before: bool) -> None:
    found, blobs = _searched(folder, wanted) if has_others else ({"origin": None}, [])
    if graded_before and found["origin"] is None:
        raise FileNotFoundError(f"no notebook {wanted.name} in {folder}")
    if found["origin"] is not None and not blobs:
        shutil.copyfile(folder / found["origin"], wanted)
    else:
        wanted.write_bytes(blobs[0] if blobs else EMPTY)


def _searched(folder: Path, wanted: Path) -> Packed:
    return helper().ask(search, str(folder), wanted.name, seconds=SECONDS)


def _has_others(folder: Path, wanted: Path) -> bool:
    """Whether there is something else that a notebook could have been made from."""
    return any(_counts(path, folder) for path in folder.rglob("*") if path != wanted)


def search(name: str, notebook: str) -> Packed:
    """In the helper: what lies in a folder, and which of it the notebook there was made from, if
    any. Where there is none, what it is to be made from, and its bytes unless they are the file's.
    """
    folder, wanted = Path(name), Path(name, notebook)
    files = _candidates(folder, wanted)
    held = [str(file.relative_to(folder)) for file in files]
    room = Room()
    if wanted.exists():
        made = (_was_made_from(wanted, file, room) for file in files)
        origins = (name for name, was in zip(held, made, strict=True) if was)
        return Packed({"held": held, "origin": next(origins, None)}, [])
    for origin, file in zip(held, files, strict=True):
        # Whatever is in a notebook of another name, that is what was handed in.
        if _is_named_one(file, wanted):
            return Packed({"held": held, "origin": origin}, [])
        data = _notebook_in(file, room)
        if data is not None:
            return Packed({"held": held, "origin": origin}, [data])
    return Packed({"held": held, "origin": None}, [])


def _candidates(folder: Path, wanted: Path) -> list[Path]:
    """What a notebook could be made from: notebooks of other names first, the nearest name of them,
    then the newest."""
    files = [p for p in sorted(folder.rglob("*")) if p != wanted and _counts(p, folder)]
    files.sort(key=lambda p: (wanted.stem not in p.name, p.name))
    notebooks = [p for p in files if _is_named_one(p, wanted)]
    notebooks.sort(key=lambda p: (_likeness(p, wanted), p.stat().st_mtime), reverse=True)
    others = [p for p in files if not _is_named_one(p, wanted)]
    return notebooks + others


def _likeness(file: Path, wanted: Path) -> float:
    return difflib.SequenceMatcher(None, file.stem, wanted.stem).ratio()


def _is_named_one(file: Path, wanted: Path) -> bool:
    return file.suffix == ".ipynb" and file.parent == wanted.parent


def _was_made_from(wanted: Path, file: Path, room: Room) -> bool:
    # Not for every file that lies beside a notebook: to look into a large one takes long.
    if file.suffix != ".py" and not zipfile.is_zipfile(file):
        return filecmp.cmp(file, wanted, shallow=False)
    data = _notebook_in(file, room)
    return data is not None and _holds(wanted, data)


def _holds(file: Path, data: bytes) -> bool:
    return file.is_file() and file.stat().st_size == len(data) and file.read_bytes() == data


def drop_links(folder: Path) -> list[str]:
    """Remove what is neither a file nor a folder; says what it was.

    A link is followed with the rights of whoever grades: it could hand in somebody else's work, or
    have the instructor's files copied into the learner's feedback.
    """
    if folder.is_symlink():
        folder.unlink()
        folder.mkdir()
        return [_("The folder was a link to another; it was removed.")]
    dropped = []
    for place, folders, names in os.walk(folder):
        for name in sorted([*folders, *names]):
            path = Path(place, name)
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                path.unlink()
                dropped.append(printable(str(path.relative_to(folder))))
    if not dropped:
        return []
    told = _("Links and other things that are no files were removed: {names}.")
    return [told.format(names=", ".join(dropped))]


def see_to_timestamp(folder: Path) -> None:
    """See to it that a submission's time is one: a long row of digits is read for hours.

    Raises
    ------
    ValueError where it is longer than any time, or none.
    """
    file = folder / "timestamp.txt"
    if not file.is_file():
        return
    if file.stat().st_size > MAX_TIMESTAMP:
        raise ValueError(
            _("timestamp.txt has {size} bytes, more than any time").format(size=file.stat().st_size)
        )
    text = file.read_text("utf-8", errors="replace").strip()
    try:
        parse_utc(text or None)
    except Exception as error:  # dateutil fails in many ways
        raise ValueError(
            _("timestamp.txt holds no time: {text}").format(text=printable(text))
        ) from error


def _counts(path: Path, folder: Path) -> bool:
    if path.is_symlink() or not path.is_file() or path.name in IGNORED:
        return False
    return not any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)


@dataclass
class Room:
    """How many bytes may still be unpacked, of all archives in a folder."""

    left: int = MAX_FILE


def _notebook_in(file: Path, room: Room) -> bytes | None:
    """The notebook that a file is, holds or can be made into."""
    if file.stat().st_size > MAX_FILE:
        return None
    if file.suffix == ".py":
        submission = read_file(file)
        for number, cell in enumerate(submission.notebook.cells):
            cell.id = f"file-{number}"
        return nbformat.writes(submission.notebook).encode()
    if zipfile.is_zipfile(file):
        return _in_zip(file, room)
    data = file.read_bytes()
    return data if _is_notebook(data) else None


def _in_zip(file: Path, room: Room) -> bytes | None:
    """The first notebook of an archive for which there is room."""
    try:
        with zipfile.ZipFile(file) as archive:
            for entry in sorted(archive.infolist(), key=lambda e: e.filename):
                hidden = any(p.startswith((".", "__")) for p in Path(entry.filename).parts)
                # Of what says that it is larger, nothing is unpacked to find out.
                too_large = entry.file_size > room.left
                if hidden or not entry.filename.endswith(".ipynb") or too_large:
                    continue
                room.left -= entry.file_size
                with archive.open(entry) as member:
                    return member.read(entry.file_size)
    except Exception:  # zipfile and what it calls fail in many ways
        return None
    return None


def _is_notebook(data: bytes) -> bool:
    text = text_of(data)
    return text.lstrip().startswith("{") and bool(read_text(text).notebook.cells)
