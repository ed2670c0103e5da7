"""`nbgrader collect`, which does not read through a link that a learner put into the exchange.

Learners own their folders in there. nbgrader copies what a link points to, with the instructor's
rights: a link to the gradebook would come back to its maker in the feedback.
"""

from __future__ import annotations

import datetime
import os
import stat
import tempfile
from logging import Logger
from pathlib import Path
from typing import Any

from nbgrader.exchange.default import ExchangeCollect

MAX_DEPTH = 50
NEVER = datetime.datetime.max


class PlainCollect(ExchangeCollect):
    """Collects plain files and folders, as `nbgrader submit` makes them, and leaves out links."""

    src_records: list[dict[str, Any]]

    def init_src(self) -> None:
        """Choose what to collect: of each learner the newest that can be. nbgrader removes what it
        collected before, and only then looks at what is to take its place."""
        super().init_src()
        self.src_records = [record for record in self.src_records if record["fit"]]

    def _path_to_record(self, path: str) -> dict[str, Any]:
        try:
            record: dict[str, Any] = super()._path_to_record(path)
            os.close(_opened(path))
        except (Exception, SystemExit) as error:  # dateutil fails in many ways
            # Whatever somebody put there, the others are collected.
            why = getattr(error, "strerror", None) or "its name has no time"
            self.log.error("Not collected: %r (%s)", path, why)
            # Chosen where there is no other, before or after the date on which it is due.
            name = os.path.basename(path)
            username = name.partition("+")[0]
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
            for name in left_out:
                self.log.warning("No plain file, or too large, and left out: %r in %r", name, src)
            super().do_copy(str(plain), dest, log)


def copy_plain(src: Path, dest: Path, most: int) -> list[str]:
    """Copy a folder without its links, devices and pipes; what they lead to is not looked at, also
    where somebody puts one in a file's place meanwhile.

    most: so many bytes and no more; nbgrader would stop at a folder with more, and collect nobody
    else's.

    Returns
    -------
    the names of what was left out, as they stand below `src`.

    Raises
    ------
    OSError where `src` is no folder, but a link to one for example.
    """
    left_out: list[str] = []
    folder = _opened(src)
    dest.mkdir()
    _copy(folder, dest, "", most, left_out)
    return left_out


def _opened(folder: str | Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _copy(folder: int, dest: Path, above: str, left: int, left_out: list[str]) -> int:
    """One folder, by its descriptor. Returns how many bytes are left of what may be copied."""
    try:
        for name in sorted(os.listdir(folder)):
            try:
                fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            except OSError:
                left_out.append(above + name)
                continue
            found = os.fstat(fd)
            if stat.S_ISDIR(found.st_mode) and above.count("/") < MAX_DEPTH:
                (dest / name).mkdir()
                left = _copy(fd, dest / name, f"{above}{name}/", left, left_out)
            elif stat.S_ISREG(found.st_mode) and found.st_size <= left:
                left -= found.st_size
                with os.fdopen(fd, "rb") as file, (dest / name).open("wb") as copy:
                    # No more than was promised: its owner may go on writing.
                    copy.write(file.read(found.st_size))
            else:
                os.close(fd)
                left_out.append(above + name)
    finally:
        os.close(folder)
    return left
