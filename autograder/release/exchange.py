"""`nbgrader release_assignment`, which puts the course's package beside the notebook.

Who fetches a set through the exchange has the wheel that the notebook's first cell installs.
"""

from __future__ import annotations

import shutil
import tempfile
from logging import Logger
from pathlib import Path

from nbgrader.exchange.default import ExchangeReleaseAssignment

from autograder.project import NoProject, find_project
from autograder.release.bundle import build_wheel


class ReleaseWithPackage(ExchangeReleaseAssignment):
    """Releases an assignment; a set of this course with its wheel."""

    def copy_files(self) -> None:
        """Copy the released folder. Nothing is released where the wheel cannot be made."""
        with tempfile.TemporaryDirectory(prefix="autograder-release-") as folder:
            self._wheel = self._made_in(Path(folder))
            super().copy_files()

    def do_copy(self, src: str, dest: str, log: Logger | None = None) -> None:
        """Copy, and put the wheel beside: with the rights that all files are then given."""
        super().do_copy(src, dest, log)
        if self._wheel is not None:
            shutil.copy(self._wheel, dest)

    def _made_in(self, folder: Path) -> Path | None:
        try:
            project = find_project(Path(self.coursedir.root))
        except NoProject:
            return None
        if self.coursedir.assignment_id not in project.sets:
            return None
        try:
            return build_wheel(folder)
        except RuntimeError as error:
            self.fail(str(error))
            raise
