"""`nbgrader collect`, which does not read through a link that a learner put into the exchange, and
`release_feedback`, which does not end where a submission came in another way.

Learners own their folders in there. nbgrader copies what a link points to, with the instructor's
rights: a link to the gradebook would come back to its maker in the feedback. So would a second name
of somebody else's file, which some systems let anybody make.
"""

from __future__ import annotations

import datetime
import glob
import os
import re
import stat
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path
from typing import Any

from nbgrader.exchange.default import ExchangeCollect, ExchangeReleaseFeedback

MAX_DEPTH = 50
# Files and folders, as many as a learner's archive may hold: every later step looks at each.
MAX_ENTRIES = 2000
# So many lines are written about what is left out, or not collected.
MAX_LINES = 20
NEVER = datetime.datetime.max
# What `nbgrader submit` puts beside a notebook: without them nobody could find the page.
SUBMITTED_WITH = ("timestamp.txt", "submission_secret.txt")


class PlainCollect(ExchangeCollect):
    """Collects plain files and folders, as `nbgrader submit` makes them, and leaves out links."""

    src_records: list[dict[str, Any]]

    def init_src(self) -> None:
        """Choose what to collect: of each learner the newest that can be. nbgrader removes what it
        collected before, and only then looks at what is to take its place."""
        self._told: Counter[str] = Counter()
        super().init_src()
        for username, lines in self._told.items():
            if lines > MAX_LINES:
                self.log.error("Not collected: %d more of %r", lines - MAX_LINES, username)
        self.src_records = [record for record in self.src_records if record["fit"]]

    def _path_to_record(self, path: str) -> dict[str, Any]:
        try:
            record: dict[str, Any] = super()._path_to_record(path)
            os.close(_opened(path))
        except (Exception, SystemExit) as error:  # dateutil fails in many ways
            # Whatever somebody put there, the others are collected.
            why = getattr(error, "strerror", None) or "its name has no time"
            # Chosen where there is no other, before or after the date on which it is due.
            name = os.path.basename(path)
            username = name.partition("+")[0]
            self._told[username] += 1
            if self._told[username] <= MAX_LINES:
                self.log.error("Not collected: %r (%s)", path, why)
            return {"username": username, "filename": name, "timestamp": NEVER, "fit": False}
        return {**record, "fit": True}

    def _sort_by_timestamp(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        newest_first: list[dict[str, Any]] = super()._sort_by_timestamp(records)
        return sorted(newest_first, key=lambda record: not record["fit"])

    def do_copy(self, src: str, dest: str, log: Logger | None = None) -> None:
        """Copy a submission; what it says is told in the log."""
        with tempfile.TemporaryDirectory(prefix="autograder-inbound-") as folder:
            plain = Path(folder, "submission")
            try:
                left_out = copy_plain(Path(src), plain, 1000 * self.coursedir.max_dir_size)
            except OSError as error:
                # Whatever somebody made of their folder, the others are collected.
                self.log.error("Not collected: %r (%s)", src, error.strerror)
                return
            for name in left_out[:MAX_LINES]:
                self.log.warning("No plain file, or too large, and left out: %r in %r", name, src)
            if len(left_out) > MAX_LINES:
                more = len(left_out) - MAX_LINES
                self.log.warning("And %d more files or folders in %r", more, src)
            super().do_copy(str(plain), dest, log)


class ReleaseFeedbackBack(ExchangeReleaseFeedback):
    """Releases the pages of those who submitted through the exchange, and names the others.

    nbgrader's own ends in a traceback at the first of the others; who comes after gets nothing.
    """

    def copy_files(self) -> None:
        """Release, all but what no `nbgrader fetch_feedback` would find."""
        excluded = self.coursedir.student_id_exclude
        others = sorted({*self._others()}.difference(excluded.split(",")))
        if others:
            page = self.coursedir.format_path(
                self.coursedir.feedback_directory, "ID", self.coursedir.assignment_id
            )
            self.log.warning(
                "Not released, since their work came in another way: %s. The pages are in %s.",
                ", ".join(others),
                page,
            )
        self.coursedir.student_id_exclude = ",".join(filter(None, [excluded, *others]))
        try:
            super().copy_files()
        finally:
            self.coursedir.student_id_exclude = excluded

    def _others(self) -> Iterator[str]:
        pattern = self.coursedir.format_path(
            self.coursedir.feedback_directory,
            "(?P<student>.*)",
            self.coursedir.assignment_id,
            escape=True,
        )
        for folder in glob.glob(self.src_path):
            found = re.fullmatch(pattern, folder)
            if found and not all(Path(folder, name).is_file() for name in SUBMITTED_WITH):
                yield found["student"]


def copy_plain(src: Path, dest: Path, most: int) -> list[str]:
    """Copy a folder without its links, devices and pipes; what they lead to is not looked at, also
    where somebody puts one in a file's place meanwhile. Nor is a second name of a file copied that
    does not belong to whose folder it is.

    most: so many bytes and no more; nbgrader would stop at a folder with more, and collect nobody
    else's. Of files and folders there may be MAX_ENTRIES.

    Returns
    -------
    the names of what was left out, as they stand below `src`.

    Raises
    ------
    OSError where `src` is no folder, but a link to one for example.
    """
    folder = _opened(src)
    dest.mkdir()
    copying = _Copying(os.fstat(folder).st_uid, most)
    copying.copy(folder, dest, "")
    return copying.left_out


def _opened(folder: str | Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


@dataclass
class _Copying:
    """A folder that is being copied. owner: whose it is. bytes, entries: what may still come."""

    owner: int
    bytes: int
    entries: int = MAX_ENTRIES
    left_out: list[str] = field(default_factory=list)

    def copy(self, folder: int, dest: Path, above: str) -> None:
        """One folder, by its descriptor."""
        try:
            for name in sorted(os.listdir(folder)):
                self.entries -= 1
                if self.entries < 0 or not self._entry(folder, name, dest / name, above):
                    self.left_out.append(above + name)
        finally:
            os.close(folder)

    def _entry(self, folder: int, name: str, dest: Path, above: str) -> bool:
        """One file or folder; says whether it was copied."""
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except OSError:
            return False
        found = os.fstat(fd)
        if stat.S_ISDIR(found.st_mode) and above.count("/") < MAX_DEPTH:
            dest.mkdir()
            self.copy(fd, dest, f"{above}{name}/")
            return True
        theirs = found.st_uid == self.owner or found.st_nlink == 1
        if not stat.S_ISREG(found.st_mode) or not theirs or found.st_size > self.bytes:
            os.close(fd)
            return False
        self.bytes -= found.st_size
        with os.fdopen(fd, "rb") as file, dest.open("wb") as copy:
            # No more than was promised: its owner may go on writing.
            copy.write(file.read(found.st_size))
        # Of two notebooks of somebody's the newer counts.
        os.utime(dest, ns=(found.st_atime_ns, found.st_mtime_ns))
        return True
