"""`nbgrader zip_collect` for the archives of learning platforms: unpack them, and tell by the names
inside whose notebook is whose.

What a learner uploaded may itself be an archive with any names in it. It is unpacked inside that
learner's own folder, one archive that is damaged costs nobody else anything, and whose a file is
follows from the name that the platform gave, never from one that a learner chose.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.plugins.zipcollect import ExtractorPlugin, FileNameCollectorPlugin
from traitlets import Integer, List, Unicode

from autograder.release.trouble import told_and_ended

NOT_HANDED_IN = {"__MACOSX", ".ipynb_checkpoints"}


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
                self._unzip(path, _beside(target / path.name), _Room(), depth=0)
            else:
                shutil.copy(path, target / _usual_name(path.name))

    def _unzip(self, archive: Path, folder: Path, room: _Room, depth: int) -> None:
        nested: list[Path] = []
        try:
            with zipfile.ZipFile(archive) as opened:
                members = [m for m in opened.infolist() if not m.is_dir()]
                # The outermost is the platform's own. zipfile reads no more than a member says.
                if depth:
                    room.bytes += sum(m.file_size for m in members)
                    room.files += len(members)
                if room.bytes > self.max_bytes or room.files > self.max_files:
                    self.log.error("Too large, not unpacked: %s", archive)
                    return
                for member in members:
                    nested += self._member(opened, member, folder)
        except Exception as error:  # zipfile and what it calls fail in many ways
            self.log.error("Damaged, not unpacked: %s (%s)", archive, error)
        for path in nested:
            if depth < self.max_depth:
                inner = room if depth else _Room()
                self._unzip(path, _beside(path), inner, depth + 1)
            path.unlink()

    def _member(self, opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> list[Path]:
        """Unpack one file; returns it if it is an archive."""
        try:
            # zipfile drops drives, leading slashes and every `..`, and makes no links.
            made = Path(opened.extract(member, folder))
        except Exception as error:
            self.log.error("Not unpacked: %s in %s (%s)", member.filename, opened.filename, error)
            return []
        usual = made.with_name(_usual_name(made.name))
        if usual != made and not usual.exists():
            made = made.rename(usual)
        return [made] if made.suffix.lower() == ".zip" else []


def _beside(archive: Path) -> Path:
    """The folder in which an archive is unpacked. One called `...zip` without its ending would be
    the folder above, where the others' are."""
    named = archive.stem.strip(". ")
    return archive.with_name(archive.stem if named else f"{archive.name}.d")


def _usual_name(name: str) -> str:
    """Browsers like to save a notebook as `gradient.ipynb.txt` or `gradient.ipynb.json`."""
    return re.sub(r"\.ipynb\.(txt|json)$", ".ipynb", name, flags=re.IGNORECASE)


class PlatformCollector(FileNameCollectorPlugin):
    """Tells whose notebook a file is by the name that the platform gave it.

    That name holds the learner's own and a number. A learner of the roster is found by the
    platform's user id (`lms_user_id`), where that is the number, or else by the name; an unknown
    one is called by both.
    """

    patterns = List(
        Unicode(),
        [
            # Moodle: Amara Okafor_12345_assignsubmission_file_gradient.ipynb, or a folder.
            r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_file(_(?P<file>.*))?",
            # Canvas: okaforamara_LATE_4711_98765_gradient.ipynb
            r"(?P<name>[^_]+)_(LATE_)?(?P<user>\d+)_\d+_(?P<file>.+)",
        ],
        help=(
            "Patterns of the names that platforms give, with the groups `name`, `user` (the user's "
            "id there) or `number` (any other), and `file` for what follows. The first folder or "
            "file of a path that matches one says whose it is."
        ),
    ).tag(config=True)

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self._taken: Counter[tuple[str, str]] = Counter()

    def collect(self, submitted_file: str) -> dict[str, str] | None:
        """The learner and the name of a file, or None for a file that is no notebook of theirs."""
        path = Path(submitted_file)
        if path.suffix not in self.valid_ext or path.name.startswith("._"):
            return None
        app = self.parent
        inside = path.relative_to(app._format_collect_path(app.extracted_directory))
        if NOT_HANDED_IN & set(inside.parts):
            return None
        found = self._owner(inside)
        if found is None:
            self.log.error("Whose is this? Not collected: %s", inside)
            return None
        student, name = found
        taken = self._taken[student, name]
        self._taken[student, name] += 1
        if taken:
            self.log.warning("%s handed in %s more than once: %s", student, name, inside)
            name = f"{Path(name).stem}-{taken + 1}{path.suffix}"
        return {"student_id": student, "file_id": name}

    def _owner(self, inside: Path) -> tuple[str, str] | None:
        for part in inside.parts:
            if part in self._roster:
                return part, inside.name
            for pattern in self.patterns:
                match = re.fullmatch(pattern, part)
                if match is not None:
                    told = match.groupdict()
                    file = told.get("file") if part == inside.name else None
                    return self._student(told), file or inside.name
        return None

    def _student(self, told: dict[str, str]) -> str:
        name, user = _letters(told["name"]), told.get("user")
        by_user = [id for id, (_names, known) in self._roster.items() if user and known == user]
        by_name = [id for id, (names, _user) in self._roster.items() if name in names]
        for found in (by_user, by_name):
            if len(found) == 1:
                return found[0]
        made = f"{name or 'unknown'}_{user or told['number']}"
        why = "several learners of this name" if by_name else "not in the roster"
        self.log.warning("%s: %s; collected as %s", told["name"], why, made)
        return made

    @cached_property
    def _roster(self) -> dict[str, tuple[set[str], str | None]]:
        """Learners by id: the ways to write their names, and their number on the platform."""
        coursedir = self.parent.coursedir
        with (
            told_and_ended(self.log),
            Gradebook(coursedir.db_url, coursedir.course_id) as gradebook,
        ):
            return {
                student.id: (
                    {
                        _letters(f"{student.first_name or ''}{student.last_name or ''}"),
                        _letters(f"{student.last_name or ''}{student.first_name or ''}"),
                    }
                    - {""},
                    student.lms_user_id,
                )
                for student in gradebook.students
            }


def _letters(name: str) -> str:
    """A name as it is compared: its letters and digits, in lower case."""
    return "".join(c for c in name.casefold() if c.isalnum())
