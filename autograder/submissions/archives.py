"""`nbgrader zip_collect` for the archives of learning platforms: unpack them, and tell by the names
inside whose notebook is whose.

What a learner uploaded may itself be an archive with any names in it. It is unpacked inside that
learner's own folder, one archive that is damaged costs nobody else anything, and whose a file is
follows from the name that the platform gave, never from one that a learner chose.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.plugins.zipcollect import ExtractorPlugin, FileNameCollectorPlugin
from traitlets import Integer, List, TraitError, Unicode, validate

from autograder.submissions.choose import EARLIER, SAME_TIME, counts
from autograder.submissions.names import (
    ascii_letters,
    bare_letters,
    decoded,
    letters,
    normal,
    unfit,
)
from autograder.submissions.platforms import PLATFORMS, TIME_BEFORE, WHOSE
from autograder.submissions.times import read_time

MAX_NAME = 200
UTF8 = 0x800
LOOSE = {platform.pattern for platform in PLATFORMS if platform.loose}


@dataclass
class _Room:
    """What the archives in one upload have taken so far."""

    bytes: int = 0
    files: int = 0


class ArchiveExtractor(ExtractorPlugin):
    """Unpacks what the platform sent, and the archives in it that learners uploaded."""

    max_bytes = Integer(
        200 * 2**20,
        help="The most that an archive which a learner uploaded, with those in it, may unpack to.",
    ).tag(config=True)
    max_files = Integer(2000, help="The most files that it may hold.").tag(config=True)
    max_depth = Integer(3, help="How deep archives may lie in one another.").tag(config=True)

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """Unpack every archive of a folder into another, and copy its other files there."""
        source = Path(archive_path)
        for path in sorted(p for p in source.rglob("*") if p.is_file()):
            target = Path(extracted_path) / path.relative_to(source).parent
            target.mkdir(parents=True, exist_ok=True)
            if path.suffix.lower() == ".zip":
                inside = _beside(target / path.name)
                self._unzip(path, inside, _Room(), depth=0)
                if inside.is_dir():
                    # By it the newer of two archives is known.
                    shutil.copystat(path, inside)
            else:
                shutil.copy2(path, target / _usual_name(path.name))

    def _unzip(self, archive: Path, folder: Path, room: _Room, depth: int) -> bool:
        """Unpack an archive; whether all of it could be."""
        nested: list[Path] = []
        whole = True
        try:
            with zipfile.ZipFile(archive) as opened:
                members = [m for m in opened.infolist() if not m.is_dir()]
                # The outermost is the platform's own. zipfile reads no more than a member says.
                if depth:
                    room.bytes += sum(m.file_size for m in members)
                    room.files += len(members)
                if room.bytes > self.max_bytes or room.files > self.max_files:
                    self.log.error("Too large, not unpacked: %s", archive)
                    return False
                for member in members:
                    nested += self._member(opened, member, folder)
        except Exception as error:  # zipfile and what it calls fail in many ways
            self.log.error("Damaged, not unpacked: %s (%s)", archive, error)
            whole = False
        for path in nested:
            inner = room if depth else _Room()
            # One that cannot be unpacked stays: its learner handed something in.
            if depth < self.max_depth and self._unzip(path, _beside(path), inner, depth + 1):
                path.unlink()
        return whole

    def _member(self, opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> list[Path]:
        """Unpack one file; returns it if it is an archive."""
        try:
            # zipfile drops drives, leading slashes and every `..`, and makes no links.
            member.filename = self._name_of(member)
            made = Path(opened.extract(member, folder))
            with contextlib.suppress(ValueError, OverflowError, OSError):
                saved = time.mktime((*member.date_time, 0, 0, -1))
                os.utime(made, (saved, saved))
        except Exception as error:
            self.log.error("Not unpacked: %s in %s (%s)", member.filename, opened.filename, error)
            return []
        usual = made.with_name(_usual_name(made.name))
        if usual != made and not usual.exists():
            made = made.rename(usual)
        return [made] if made.suffix.lower() == ".zip" else []

    def _name_of(self, member: zipfile.ZipInfo) -> str:
        name = member.filename
        if not member.flag_bits & UTF8:
            with contextlib.suppress(UnicodeEncodeError):
                name = decoded(name.encode("cp437"), self._is_known)
        return "/".join(_short(part) for part in normal(name).split("/"))

    def _is_known(self, name: str) -> bool:
        """Whether somebody of the roster is found by the name of a file."""
        collector = getattr(self.parent, "collector_plugin_inst", None)
        return isinstance(collector, PlatformCollector) and collector.knows(name)


def _short(part: str) -> str:
    """The name of a file as every file system takes it, with its ending."""
    if len(part.encode(errors="replace")) <= MAX_NAME:
        return part
    stem, ending = os.path.splitext(part)
    return stem.encode(errors="replace")[: MAX_NAME - 20].decode(errors="ignore") + ending[:20]


def _beside(archive: Path) -> Path:
    """The folder in which an archive is unpacked. One called `...zip` without its ending would be
    the folder above, where the others' are."""
    named = archive.stem.strip(". ")
    return archive.with_name(archive.stem if named else f"{archive.name}.d")


def _usual_name(name: str) -> str:
    """Browsers like to save a notebook as `gradient.ipynb.txt` or `gradient.ipynb.json`, and some
    systems call it `GRADIENT.IPYNB`."""
    return re.sub(r"\.ipynb(\.(txt|json))?$", ".ipynb", name, flags=re.IGNORECASE)


@dataclass(frozen=True)
class _Person:
    """A learner of the roster: the ways to write the name, and their number on the platform."""

    id: str
    names: tuple[str, ...]
    user: str


@dataclass(frozen=True)
class _Theirs:
    """A file of somebody's.

    place: its name among theirs. archive: in which of several. attempt, time: when the whole was
    handed in, and this very file, as text that sorts; nothing where the platform does not say.
    above: what the platform put before the names of a learner's files.
    """

    path: Path
    student: str
    place: PurePosixPath
    archive: str
    above: str
    attempt: str = ""
    time: str = ""

    @property
    def saved(self) -> float:
        """When it was saved, in seconds."""
        return self.path.stat().st_mtime


class PlatformCollector(FileNameCollectorPlugin):
    """Tells whose a file is by the name that the platform gave it.

    A learner of the roster is found by the id, by the platform's user id (`lms_user_id`), where
    that is in the name, or else by the name; an unknown one is called by name and number. All files
    come along, where they stand among the learner's own. Of several attempts, and of several
    archives, the newest lies on top, the others below in folders of their own.
    """

    patterns = List(
        Unicode(),
        [platform.pattern for platform in PLATFORMS],
        help=(
            "Patterns of the names that platforms give, of a folder or a file as a whole, with the "
            "groups `id` (the learner's in the roster), `user` (the user's id on the platform), "
            "`name` (or `last` and `first`) or `number` (any other), one of them at least; `time` "
            "for that of an attempt; and `file` for what follows. The first folder or file of a "
            "path that matches one says whose it is."
        ),
    ).tag(config=True)

    @validate("patterns")
    def _can_tell(self, proposal: Any) -> list[str]:
        for pattern in proposal["value"]:
            try:
                groups = re.compile(pattern).groupindex
            except re.error as error:
                raise TraitError(f"PlatformCollector.patterns: {pattern!r}: {error}") from error
            if not {*WHOSE, "last"} & set(groups):
                raise TraitError(
                    f"PlatformCollector.patterns: {pattern!r} says of nobody whose a file is: it "
                    f"needs one of the groups {', '.join(f'(?P<{name}>...)' for name in WHOSE)}"
                )
        return list(proposal["value"])

    def collect(self, submitted_file: str) -> dict[str, str] | None:
        """The learner and the name of a file, or None for a file that is nobody's."""
        found = self._assigned.get(Path(submitted_file))
        return None if found is None else {"student_id": found[0], "file_id": found[1]}

    def knows(self, name: str) -> bool:
        """Whether the name of a file or folder says of somebody in the roster that it is theirs."""
        return any(
            self._found(match.groupdict()) is not None
            for part in PurePosixPath(name).parts
            for pattern in self.patterns
            if (match := re.fullmatch(pattern, part))
        )

    # ── Whose it is ────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _assigned(self) -> dict[Path, tuple[str, str]]:
        """All files that were unpacked and are somebody's: whose, and where they go."""
        return {
            file.path: (student, name)
            for student, files in self._theirs.items()
            for file, name in self._placed(student, self._root, files)
        }

    @property
    def _root(self) -> Path:
        return Path(self.parent._format_collect_path(self.parent.extracted_directory))

    def replies(self) -> dict[str, str]:
        """What the platform wants before the name of a file that goes back, by student: where
        several attempts were handed in, as at the newest."""
        return {
            student: next(self._placed(student, self._root, files))[0].above
            for student, files in self._theirs.items()
        }

    @cached_property
    def _theirs(self) -> dict[str, list[_Theirs]]:
        """All files that were unpacked and are somebody's, by student."""
        root = self._root
        theirs: dict[str, list[_Theirs]] = {}
        for path in sorted(p for p in root.rglob("*") if p.is_file()):
            inside = PurePosixPath(path.relative_to(root).as_posix())
            # A dot at its start makes litter of a learner's own file, and not of a name.
            if any(part.startswith(("._", "__MACOSX")) for part in inside.parts):
                continue
            found = self._whose(path, inside)
            if not counts(inside if found is None else found.place):
                continue
            if found is None:
                self.log.error("Whose is this? Not collected: %s", inside)
            elif unfit(found.student):
                why = unfit(found.student)
                self.log.error("Not collected: %r is no id, %s: %s", found.student, why, inside)
            else:
                theirs.setdefault(found.student, []).append(found)
        return theirs

    def _whose(self, path: Path, inside: PurePosixPath) -> _Theirs | None:
        archive = inside.parts[0]
        for depth, part in enumerate(inside.parts):
            below = inside.parts[depth + 1 :]
            if part in self._roster:
                return _Theirs(path, part, PurePosixPath(*below or [part]), archive, f"{part}/")
            for pattern in self.patterns:
                match = re.fullmatch(pattern, part)
                if match is None:
                    continue
                told = match.groupdict()
                student = self._found(told)
                timed = TIME_BEFORE.fullmatch(below[0]) if below else None
                if student is None and pattern in LOOSE and timed is None:
                    continue
                if timed:
                    below = (timed["file"], *below[1:])
                return _Theirs(
                    path,
                    student or self._made(told),
                    PurePosixPath(*below or [told.get("file") or part]),
                    # What lies in no archive of the platform's is in none of several.
                    archive if depth else "",
                    part[: match.start("file")] if told.get("file") else f"{part}/",
                    _sortable(told.get("time")),
                    _sortable(timed["time"] if timed else None),
                )
        return None

    def _found(self, told: dict[str, str | None]) -> str | None:
        """The one learner of the roster that a name means, if there is one."""
        for key, known in (
            (told.get("id"), {p.id: p.id for p in self._people}),
            (told.get("user"), {p.id: p.user for p in self._people if p.user}),
        ):
            for alike in (normal, _as_number):
                there = [id for id, value in known.items() if key and alike(value) == alike(key)]
                if len(there) == 1:
                    return there[0]
        name = _name_in(told)
        for spelt in (letters, bare_letters, ascii_letters) if name else ():
            wanted = spelt(name)
            there = [p.id for p in self._people if wanted in map(spelt, p.names)]
            if wanted and there:
                return there[0] if len(there) == 1 else None
        return None

    def _made(self, told: dict[str, str | None]) -> str:
        """What somebody is called whom the roster does not know, or knows more than once."""
        name, number = _name_in(told), told.get("user") or told.get("number")
        short = letters(name)[:60] or "unknown"
        made = told.get("id") or "_".join(filter(None, [short, number]))
        if made not in self._told:
            self._told.add(made)
            same = [p for p in self._people if name and letters(name) in map(letters, p.names)]
            why = "several learners of this name" if len(same) > 1 else "not in the roster"
            self.log.warning("%s: %s; collected as %s", name or made, why, made)
        return made

    @cached_property
    def _told(self) -> set[str]:
        """Of whom it was said."""
        return set()

    @cached_property
    def _roster(self) -> set[str]:
        """The learners' ids."""
        return {person.id for person in self._people}

    @cached_property
    def _people(self) -> list[_Person]:
        coursedir = self.parent.coursedir
        people = []
        with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
            for student in gradebook.students:
                first, last = student.first_name or "", student.last_name or ""
                names = {f"{first}{last}", f"{last}{first}"} - {""}
                user = (student.lms_user_id or "").strip()
                people.append(_Person(student.id, tuple(sorted(names)), user))
        return people

    # ── Where it goes ──────────────────────────────────────────────────────────────────────────

    def _placed(
        self, student: str, root: Path, files: Iterable[_Theirs]
    ) -> Iterator[tuple[_Theirs, str]]:
        """Where each file of a learner goes: the newest attempt on top."""
        attempts: dict[tuple[str, str], list[_Theirs]] = {}
        for file in files:
            attempts.setdefault((file.attempt, file.archive), []).append(file)
        taken: set[str] = set()
        for number, key in enumerate(_newest_first(root, attempts)):
            for file, place in _below_top(attempts[key]):
                # The platform says when; a file of the learner's own does not.
                name = "timestamp (theirs).txt" if str(place) == "timestamp.txt" else str(place)
                above = number
                while (made := f"{EARLIER} {above}/{name}" if above else name) in taken:
                    above += 1
                if above:
                    self.log.warning("%s, an earlier attempt: %s", student, file.path)
                taken.add(made)
                yield file, made


def _name_in(told: dict[str, str | None]) -> str:
    return told.get("name") or f"{told.get('first') or ''} {told.get('last') or ''}".strip()


def _as_number(text: str) -> str:
    """An id as it is compared where a spreadsheet has had it: without zeros at its start."""
    return letters(text).lstrip("0")


def _sortable(text: str | None) -> str:
    """A time of a platform's as text that sorts; nothing where it cannot be told."""
    clock = re.sub(r"\b(\d{1,2})(\d\d) ([AP]M)$", r"\1:\2 \3", text or "")
    with contextlib.suppress(ValueError):
        return read_time(clock).isoformat() if clock else ""
    return ""


def _newest_first(
    root: Path, attempts: dict[tuple[str, str], list[_Theirs]]
) -> list[tuple[str, str]]:
    """Attempts in order: by the platform's time, by when their files were saved, by the age of
    their archives."""
    left, ordered = dict(attempts), []
    while left:
        last = max(attempt for attempt, _archive in left)
        saved = {k: max(f.saved for f in fs) for k, fs in left.items() if k[0] == last}
        newest = max(saved.values())
        among = [key for key, when in saved.items() if when >= newest - SAME_TIME]
        ordered.append(max(among, key=lambda key: _age_of(root / key[1])))
        del left[ordered[-1]]
    return ordered


def _age_of(archive: Path) -> tuple[float, int, str]:
    number = re.search(r"\((\d{1,4})\)$|[-_ ](\d{1,4})$", archive.name)
    version = int(number[1] or number[2]) if number else 0
    return archive.stat().st_mtime if archive.exists() else 0.0, version, archive.name


def _below_top(files: list[_Theirs]) -> Iterator[tuple[_Theirs, PurePosixPath]]:
    """Each file, newest first, with its name below the folder that all of them lie in."""
    depth = 0
    while all(len(f.place.parts) > depth + 1 for f in files) and (
        len({f.place.parts[depth] for f in files}) == 1
    ):
        depth += 1
    for file in sorted(files, key=lambda f: (f.time, f.saved), reverse=True):
        yield file, PurePosixPath(*file.place.parts[depth:])
