"""The one intake: whatever lies in a submission's folder, a notebook of the right name comes of it.

nbgrader would pass over a folder without a notebook in silence. What can be graded is adopted under
the right name, the original stays, and a folder with nothing of use gets an empty notebook, so that
the learner has a mark and is told. What grading itself has put there is written down beside it, and
is never taken for the learner's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import nbformat
from nbformat.v4 import new_notebook

from autograder.engine.trusted.helper import Lost, Packed, helper
from autograder.i18n import _
from autograder.judging.show import printable
from autograder.submissions import reasons
from autograder.submissions.choose import KEPT, MOST_TOLD, counts, search

SECONDS = 20.0
# What a folder gets that holds nothing of use.
EMPTY = nbformat.writes(new_notebook(metadata={"adopted": "nothing"})).encode()
# Which files of a submission's folder grading made, and what was in them.
MARKER = "made.json"
MAX_MARKER = 100_000


@dataclass(frozen=True)
class Adopted:
    """A submission's notebook, under its assignment's name, and what learner and instructor are to
    be told of how it came there."""

    path: Path
    notes: list[str]


def adopt(
    folder: Path, assignment: str, exercises: Path | None = None, *, graded_before: bool = False
) -> Adopted:
    """See to it that a submission's folder holds its notebook, and no links.

    exercises: the folder of what was handed out, by which an untouched notebook is known.
    Links are gone after the first time, and only then is it told. What the notebook was made from
    is told each time.

    Raises
    ------
    FileNotFoundError where nothing is there any more of what was graded before. TimeoutError where
    it cannot be told what there is.
    """
    notes = drop_links(folder)
    wanted, kept = folder / f"{assignment}.ipynb", folder / KEPT
    alone = wanted.is_file() and not kept.is_dir() and not _has_others(folder, wanted)
    if alone and not _holds(wanted, _digest(EMPTY), len(EMPTY)):
        return Adopted(wanted, notes)
    ours, before = _made_by_us(folder, wanted), kept / wanted.name
    if wanted.is_file() and wanted.name not in ours:
        before.unlink(missing_ok=True)  # handed in anew
    try:
        found, blobs = _searched(folder, wanted, ours, exercises)
    except Lost as error:
        if not wanted.exists():
            raise TimeoutError(reasons.NOT_SEARCHED.rstrip(".")) from error
        return Adopted(wanted, [*notes, reasons.NOT_SEARCHED])
    origin = found["origin"]
    if graded_before and origin is None and wanted.name not in ours:
        raise FileNotFoundError(f"no notebook {wanted.name} in {folder}")
    files: dict[str, bytes] = {}
    if origin is None:
        files[wanted.name] = EMPTY
    elif origin != wanted.name:
        there = {path.name for path in folder.iterdir()} - ours
        beside = {n: b for n, b in zip(found["beside"], blobs[1:], strict=True) if n not in there}
        files = {**beside, wanted.name: blobs[0]}
        if wanted.is_file() and wanted.name not in ours:
            kept.mkdir(exist_ok=True)
            wanted.rename(before)
    _put(folder, files, ours)
    if origin == wanted.name and before.is_file():
        before.rename(wanted)
    if not files and kept.is_dir():
        shutil.rmtree(kept)
    return Adopted(wanted, [*notes, *_told(found, wanted)])


def _told(found: dict[str, Any], wanted: Path) -> list[str]:
    origin, notes = found["origin"], []
    if origin is None:
        names = _listed(found["held"]) or _("nothing")
        notes.append(reasons.NOTHING.format(held=names))
        for key, reason in (("closed", reasons.NOT_OPENED), ("broken", reasons.BAD_ARCHIVE)):
            if found[key]:
                notes.append(reason.format(files=_listed(found[key])))
        return notes
    if origin != wanted.name:
        file = printable(origin)
        notes.append(_("{file} was graded as {wanted}.").format(file=file, wanted=wanted.name))
    passed = [f"{printable(name)} ({printable(why)})" for name, why in found["passed"]]
    passed += [f"{printable(name)} ({_('cannot be opened')})" for name in found["closed"]]
    passed += [f"{printable(name)} ({_('damaged')})" for name in found["broken"]]
    if passed:
        notes.append(_("Not graded: {files}.").format(files=_shortened(passed)))
    return [*notes, *found["told"]]


def _listed(names: list[str]) -> str:
    return _shortened([printable(name) for name in names])


def _shortened(told: list[str]) -> str:
    more = len(told) - MOST_TOLD
    if more > 0:
        told = [*told[:MOST_TOLD], _("and {count} more").format(count=more)]
    return ", ".join(told)


def _searched(folder: Path, wanted: Path, ours: set[str], exercises: Path | None) -> Packed:
    given = "" if exercises is None else str(exercises)
    return helper().ask(search, str(folder), wanted.name, sorted(ours), given, seconds=SECONDS)


def _has_others(folder: Path, wanted: Path) -> bool:
    """Whether there is something else that a notebook could have been made from."""
    for path in folder.rglob("*"):
        place = PurePosixPath(path.relative_to(folder).as_posix())
        if path != wanted and path.is_file() and counts(place):
            return True
    return False


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _holds(file: Path, digest: str, size: int | None = None) -> bool:
    if not file.is_file() or (size is not None and file.stat().st_size != size):
        return False
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == digest


def _made_by_us(folder: Path, wanted: Path) -> set[str]:
    """The files that are still as grading put them there."""
    kept, found = folder / KEPT, {}
    if kept.is_file():
        kept.unlink()
    # Whoever hands in a marker of their own says that their files count for nothing.
    wrong = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
    with contextlib.suppress(*wrong), (kept / MARKER).open("rb") as file:
        found = dict(json.loads(file.read(MAX_MARKER))["made"])
    ours = {
        str(name)
        for name, digest in found.items()
        if (folder / str(name)).parent == folder and _holds(folder / str(name), str(digest))
    }
    # Earlier versions wrote nothing down.
    return ours | ({wanted.name} if _holds(wanted, _digest(EMPTY), len(EMPTY)) else set())


def _put(folder: Path, files: dict[str, bytes], ours: set[str]) -> None:
    """Have these files in a folder, in the place of those that grading made before, and write down
    which they are."""
    for name in ours - files.keys():
        (folder / name).unlink()
    for name, data in files.items():
        file = folder / name
        if not _holds(file, _digest(data)):
            # Not into a file that may have another name elsewhere.
            file.unlink(missing_ok=True)
            file.write_bytes(data)
    made = {name: _digest(data) for name, data in files.items() if data != EMPTY}
    text, marker = json.dumps({"made": made}), folder / KEPT / MARKER
    if made and not _holds(marker, _digest(text.encode())):
        marker.parent.mkdir(exist_ok=True)
        marker.write_text(text, "utf-8")


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
