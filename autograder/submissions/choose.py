"""Which of the files that somebody handed in counts: one chooser for folders and archives, and
archives in archives.

What could be an answer goes before what could not; then the newest attempt or version counts, then
the topmost, then the right name. It runs in the helper: whatever lies there is looked through.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import hashlib
import io
import re
import tarfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import nbformat

from autograder.engine.trusted.helper import Packed
from autograder.i18n import _
from autograder.submissions.content import Released, binds, other_set, released
from autograder.submissions.names import same_letters
from autograder.submissions.read import MAX_WITH_OUTPUTS, Submission, read_bytes

IGNORED = {"timestamp.txt"}
# In a submission's folder: what the intake writes down, and the notebook that another displaced.
KEPT = ".taken-in"
# An earlier attempt of the same learner's, as the collector calls its folder.
EARLIER = "earlier attempt"
# Files that were saved one after the other are as new as each other.
SAME_TIME = 60.0
MAX_ENTRIES = 2000
MAX_UNPACKED = 100 * 2**20
MAX_DEPTH = 3
NEIGHBOURS, NEIGHBOUR_BYTES = 100, 5 * 2**20
CLOSED = (".rar", ".7z", ".ace", ".lzh", ".cab", ".zst", ".lz4")
OPEN = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz")
# What may be told of a folder full of files.
MOST_TOLD = 20

ANSWER, CODE, UNKNOWN, UNTOUCHED, OTHER = 4, 3, 2, 1, 0


@dataclass
class File:
    """A file in the folder, or in an archive in it.

    name: as it is told. inner: within the outermost archive. saved: when, in seconds. data: what is
    in it, None for a file on the disk.
    """

    name: str
    path: Path
    saved: float
    data: bytes | None = None

    def read(self) -> bytes:
        """Its bytes."""
        return self.path.read_bytes() if self.data is None else self.data

    @property
    def place(self) -> PurePosixPath:
        """Its name as a path."""
        return PurePosixPath(self.name)


@dataclass
class Candidate:
    """A file that might be the answer. kind: one of the constants above. why: it is no answer."""

    file: File
    kind: int
    submission: Submission | None = None
    why: str = ""
    digest: str = ""


@dataclass
class Room:
    """How much may still be unpacked, of all archives in a folder."""

    left: int = MAX_UNPACKED
    entries: int = MAX_ENTRIES


@dataclass
class Found:
    """What lies in a folder."""

    files: list[File] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def search(name: str, notebook: str, ours: list[str], exercises: str) -> Packed:
    """In the helper: which file counts as a folder's notebook, if any, and what else lies there.

    ours: files that grading itself has made, by their names. exercises: the folder of what was
    handed out, or nothing.

    Returns
    -------
    origin: the name of what counts, or None; passed: what does not, each with why. held: all that
    is there. closed, broken: archives that cannot be opened. told: what there was to say when it
    was read. beside: the names of its neighbours, where it lies deeper, whose bytes follow those of
    the notebook; of a notebook that lies on the disk as it is there are none.
    """
    folder, wanted = Path(name), PurePosixPath(notebook)
    found = look_through(folder, {*ours})
    before = folder / KEPT / notebook
    if before.is_file():
        found.files.append(File(notebook, before, before.stat().st_mtime))
    given = Path(exercises) if exercises else None
    out = released(given, wanted.stem)
    candidates = [c for file in found.files if (c := _candidate(file, wanted, out, given))]
    rank = _Rank(candidates, wanted)
    candidates.sort(key=rank, reverse=True)
    held = [str(f.place) for f in found.files] + found.closed + found.broken
    value: dict[str, Any] = {
        "origin": None,
        "passed": [],
        "held": sorted({PurePosixPath(n).parts[0] if "/" in n else n for n in held}),
        "closed": found.closed,
        "broken": found.broken,
        "told": [],
        "beside": [],
    }
    if not candidates:
        return Packed(value, [])
    chosen, *others = candidates
    value["origin"] = chosen.file.name
    value["passed"] = [
        [c.file.name, c.why or rank.why(chosen, c)] for c in others if c.digest != chosen.digest
    ]
    blobs = [_as_notebook(chosen, value["told"])]
    for file in _neighbours(chosen.file, found.files, wanted):
        value["beside"].append(file.place.name)
        blobs.append(file.read())
    return Packed(value, blobs)


def _as_notebook(chosen: Candidate, told: list[str]) -> bytes:
    data, submission = chosen.file.read(), chosen.submission
    if submission is None or data.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"{", b"<"):
        return data
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") and chosen.kind != CODE:
        return data
    if not submission.notebook.cells:
        return data
    for number, cell in enumerate(submission.notebook.cells):
        cell.id = f"file-{number}"
    told += submission.problems
    return nbformat.writes(submission.notebook).encode()


def _neighbours(chosen: File, files: list[File], wanted: PurePosixPath) -> list[File]:
    """What lies beside the chosen one where that is not the folder itself: it may be imported."""
    if len(chosen.place.parts) == 1:
        return []
    found: list[File] = []
    left = NEIGHBOUR_BYTES
    for file in files:
        beside = file.place.parent == chosen.place.parent and file is not chosen
        if not beside or file.place.suffix.lower() == ".ipynb" or len(found) == NEIGHBOURS:
            continue
        size = file.path.stat().st_size if file.data is None else len(file.data)
        if size <= left and file.place.name != wanted.name:
            left -= size
            found.append(file)
    return found


# ── What lies there ────────────────────────────────────────────────────────────────────────────


def counts(place: PurePosixPath) -> bool:
    """Whether a file is more than litter, by its path below the folder."""
    litter = any(part.startswith((".", "__", "~$")) for part in place.parts)
    return not litter and str(place) not in IGNORED and place.name.lower() != "thumbs.db"


def look_through(folder: Path, ours: set[str]) -> Found:
    """All files of a folder and of the archives in it, without litter."""
    found, room = Found(), Room()
    for path in sorted(folder.rglob("*")):
        place = PurePosixPath(path.relative_to(folder).as_posix())
        if path.is_symlink() or not path.is_file() or not counts(place) or str(place) in ours:
            continue
        _take(File(str(place), path, path.stat().st_mtime), found, room, 0)
    return found


def _take(file: File, found: Found, room: Room, depth: int) -> None:
    """A file, or all that is in it."""
    suffix = file.place.suffix.lower()
    start = _start(file)
    if suffix in CLOSED or start.startswith((b"Rar!", b"7z\xbc\xaf")):
        found.closed.append(file.name)
        return
    packed = start.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ"))
    office = suffix in (".docx", ".xlsx", ".pptx", ".odt", ".ods", ".whl", ".npz", ".jar", ".npy")
    if (suffix not in OPEN and not packed) or office:
        found.files.append(file)
        return
    if depth == MAX_DEPTH:
        found.closed.append(file.name)
        return
    inside = 0
    try:
        for entry in _entries(file, room):
            inside += 1
            if counts(entry.place):
                _take(entry, found, room, depth + 1)
    except Exception:  # zipfile, tarfile and what they call fail in many ways
        inside = 0
    if not inside:
        found.broken.append(file.name)


def _start(file: File) -> bytes:
    if file.data is not None:
        return file.data[:64]
    with contextlib.suppress(OSError), file.path.open("rb") as opened:
        return opened.read(64)
    return b""


def _entries(archive: File, room: Room) -> Iterator[File]:
    """The files in an archive for which there is room; of what says that it is larger, nothing is
    unpacked to find out."""
    source: Any = archive.path if archive.data is None else io.BytesIO(archive.data)
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as opened:
            for entry in opened.infolist():
                if entry.is_dir() or not _fits(entry.file_size, room):
                    continue
                saved = _saved(entry.date_time) or archive.saved
                with opened.open(entry) as member:
                    data = member.read(entry.file_size)
                yield File(_below(archive, entry.filename), archive.path, saved, data)
        return
    source = archive.path.open("rb") if archive.data is None else io.BytesIO(archive.data)
    with source, tarfile.open(fileobj=source) as opened:
        for tar in opened:
            if tar.isfile() and _fits(tar.size, room):
                inner = opened.extractfile(tar)
                data = b"" if inner is None else inner.read(tar.size)
                yield File(_below(archive, tar.name), archive.path, float(tar.mtime), data)


def _fits(size: int, room: Room) -> bool:
    if size > room.left or room.entries <= 0:
        return False
    room.left -= size
    room.entries -= 1
    return True


def _below(archive: File, name: str) -> str:
    parts = [p for p in PurePosixPath(name.replace("\\", "/")).parts if p not in ("/", "..", ".")]
    return str(PurePosixPath(archive.name, *parts))


def _saved(when: tuple[int, int, int, int, int, int]) -> float:
    """The time of a file in an archive, 0 where it has none: that begins in 1980."""
    if when[0] <= 1980:
        return 0.0
    with contextlib.suppress(ValueError, OverflowError):
        return time.mktime((*when, 0, 0, -1))
    return 0.0


# ── Which of it counts ─────────────────────────────────────────────────────────────────────────


def _candidate(
    file: File, wanted: PurePosixPath, out: Released, exercises: Path | None
) -> Candidate | None:
    """What a file is; None where it is no answer whatever is in it."""
    suffix = file.place.suffix.lower()
    named = suffix == ".ipynb"
    size = file.path.stat().st_size if file.data is None else len(file.data)
    if size > MAX_WITH_OUTPUTS:
        return Candidate(file, UNKNOWN, why=_("too large")) if named else None
    if not named and suffix != ".py" and not _may_be_notebook(_start(file)):
        return None
    data = file.read()
    submission = read_bytes(data, python=suffix == ".py")
    digest = hashlib.sha256(data).hexdigest()
    cells = submission.notebook.cells
    if suffix == ".py" and not data.lstrip().startswith(b"{"):
        if out.names and not _defines(data, out):
            return None
        if file.place.name in out.files:
            return None
        kind = UNTOUCHED if out.names and _is_given(data, out) else CODE
        why = _("as it was handed out") if kind == UNTOUCHED else ""
        return Candidate(file, kind, submission, why, digest)
    if not cells:
        if not named:
            return None
        why = submission.problems[-1].rstrip(".") if submission.problems else _("it is empty")
        return Candidate(file, UNKNOWN, submission, why, digest)
    if out.holds_all(cells):
        return Candidate(file, UNTOUCHED, submission, _("as it was handed out"), digest)
    if not out.names or out.share(cells):
        return Candidate(file, ANSWER, submission, "", digest)
    other = other_set(exercises, wanted.stem, cells)
    if other:
        why = _("the notebook of another set: {name}").format(name=other)
        return Candidate(file, OTHER, submission, why, digest)
    return Candidate(file, UNKNOWN, submission, _("nothing of this set is in it"), digest)


def _may_be_notebook(start: bytes) -> bool:
    plain = start.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \r\n\t")
    return plain.startswith((b"{", b"<<<<<<<"))


def _statements(code: str) -> list[ast.stmt]:
    try:
        return ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _defines(data: bytes, out: Released) -> bool:
    code = data.decode("utf-8", errors="replace")
    return any(binds(code, name) for name in out.names)


def _is_given(data: bytes, out: Released) -> bool:
    """Whether every definition in a Python file was handed out."""
    given = {ast.dump(node) for source in out.sources for node in _statements(source)}
    kinds = (ast.FunctionDef, ast.ClassDef)
    mine = [n for n in _statements(data.decode("utf-8", errors="replace")) if isinstance(n, kinds)]
    return bool(mine) and all(ast.dump(node) in given for node in mine)


class _Rank:
    """What goes before what, and why."""

    def __init__(self, candidates: list[Candidate], wanted: PurePosixPath) -> None:
        self._wanted = wanted
        best = max((c.kind for c in candidates), default=0)
        among = [c for c in candidates if c.kind == best]
        last = min((_attempt(c.file) for c in among), default=0)
        self._newest = max((c.file.saved for c in among if _attempt(c.file) == last), default=0.0)

    def __call__(self, candidate: Candidate) -> tuple[Any, ...]:
        file, wanted = candidate.file, self._wanted
        stem = PurePosixPath(file.name).name.partition(".")[0]
        return (
            candidate.kind,
            -_attempt(file),
            file.saved >= self._newest - SAME_TIME,
            _version(file, wanted.stem),
            -len(file.place.parts),
            same_letters(file.place.name, wanted.name),
            file.place.suffix.lower() == ".ipynb",
            difflib.SequenceMatcher(None, stem, wanted.stem).ratio(),
            file.saved,
            file.name,
        )

    def why(self, chosen: Candidate, other: Candidate) -> str:
        """In what an answer that does not count is behind the one that does."""
        words = {
            0: _("the notebook counts"),
            1: _("an earlier attempt"),
            2: _("older"),
            3: _("an earlier version"),
            4: _("further down"),
        }
        pairs = zip(self(chosen), self(other), strict=True)
        place = next((i for i, (one, two) in enumerate(pairs) if one != two), len(words))
        return words.get(place, _("of another name"))


def _attempt(file: File) -> int:
    """0 for the last attempt, more for the earlier."""
    top = file.place.parts[0]
    number = top.removeprefix(EARLIER).strip()
    return int(number) if top.startswith(EARLIER) and number.isdecimal() else 0


def _version(file: File, wanted: str) -> int:
    """The number that browsers and platforms put behind the name of what was there before: of the
    file, or of the archive around it."""
    for part in reversed(file.place.parts):
        stem = part.partition(".")[0].strip()
        found = re.fullmatch(r"(?P<name>.+?)(?: ?\((?P<a>\d{1,4})\)|[-_ ]v?(?P<b>\d{1,3}))", stem)
        if found and (wanted.casefold() in found["name"].casefold() or part.lower().endswith(OPEN)):
            return int(found["a"] or found["b"])
    return 0
