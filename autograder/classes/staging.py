"""Where graded folders are made before they appear, whole, where nbgrader keeps them.

A run that was killed leaves half-made folders in its staging area and nowhere else; the next run
clears every area whose owner is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

AREAS = ".autograding"


class Staging:
    """A run's own area, in a folder of the file system where the graded folders are."""

    def __init__(self, beside: Path) -> None:
        self._areas = beside / AREAS
        self._areas.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(self._areas)
        self._folder = Path(tempfile.mkdtemp(dir=self._areas))
        # Held until this process ends, however it ends.
        self._lock = os.open(self._folder / "lock", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._count = 0

    def make(self, files: Mapping[str, Path | str], permissions: int) -> Path:
        """A folder with copies of files, or with texts, by their names in it."""
        half = self._next()
        half.mkdir()
        for name, content in files.items():
            place = half / name
            if "/" in name:
                place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                place.write_text(content, "utf-8")
            else:
                shutil.copy(content, place)
            place.chmod(permissions)
        return half

    def place(self, half: Path, wanted: Path) -> None:
        """Let a folder appear, in the place of the one that is there."""
        wanted.parent.mkdir(parents=True, exist_ok=True)
        if wanted.exists():
            before = self._next()
            wanted.rename(before)
            half.rename(wanted)
            shutil.rmtree(before)
        else:
            half.rename(wanted)

    def close(self) -> None:
        """Remove the area."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)
        with contextlib.suppress(OSError):
            self._areas.rmdir()

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _next(self) -> Path:
        self._count += 1
        return self._folder / str(self._count)


def _clear_abandoned(areas: Path) -> None:
    for folder in areas.iterdir():
        try:
            lock = os.open(folder / "lock", os.O_WRONLY)
        except FileNotFoundError:
            # Made this very moment by another run, or half removed: the latter has no files.
            with contextlib.suppress(OSError):
                folder.rmdir()
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
