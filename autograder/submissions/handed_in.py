"""What was graded last of each submission: folders and times alone do not say what is new.

A fingerprint for each learner, beside the graded folders: these hold what nbgrader leaves there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from autograder.submissions.choose import KEPT

FOLDER = "handed_in"


def content_of(folder: Path) -> str:
    """A fingerprint of all files of a submission, without those that say when or that are ours."""
    made = hashlib.sha256()
    for place, folders, names in sorted(os.walk(folder)):
        if Path(place) == folder and KEPT in folders:
            folders.remove(KEPT)
        for name in sorted(names):
            path = Path(place, name)
            if KEPT in path.relative_to(folder).parts or path == folder / "timestamp.txt":
                continue
            made.update(f"{path.relative_to(folder)}\0".encode(errors="surrogateescape"))
            with path.open("rb") as file:
                made.update(hashlib.file_digest(file, "sha256").digest())
    return made.hexdigest()


class HandedIn:
    """The fingerprints of what was graded of one assignment. grading: the folder around those of
    the graded."""

    def __init__(self, grading: Path, assignment: str) -> None:
        self._folder = grading / FOLDER / assignment

    def read(self, student: str) -> str:
        """What was graded of a learner's, or nothing where that is not known."""
        with contextlib.suppress(OSError):
            return (self._folder / student).read_text("ascii", errors="replace")
        return ""

    def write(self, student: str, content: str) -> None:
        """After the marks: where this is not reached, it is graded again."""
        if not content or self.read(student) == content:
            return
        with contextlib.suppress(OSError):  # a full disk costs time, and no mark
            self._folder.mkdir(parents=True, exist_ok=True)
            half = self._folder / f".{student}.{os.getpid()}"
            half.write_text(content, "ascii")
            half.replace(self._folder / student)
