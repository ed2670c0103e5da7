"""Where graded folders are made before they appear, whole, where nbgrader keeps them.

A run that was killed leaves half-made folders in its staging area and nowhere else; the next run
clears every area whose owner is gone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from autograder.grading import Stopped

AREAS = ".autograding"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class CannotWrite(Stopped):
    """There is no room, or no right, to write what was graded."""


class Staging:
    """A run's own area, in a folder of the file system where the graded folders are. Its judges,
    forked later, make folders there, too."""

    def __init__(self, beside: Path) -> None:
        self._areas = beside / AREAS
        self._areas.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(self._areas)
        self._folder = Path(tempfile.mkdtemp(dir=self._areas))
        # Held until this process ends, however it ends.
        self._lock = os.open(self._folder / "lock", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._count = 0

    def make(self, files: Mapping[str, Path]) -> Path:
        """A folder with copies of files, by their names in it.

        Raises
        ------
        CannotWrite where there is no room.
        """
        half = self._next()
        with _full_is_told():
            half.mkdir()
            for name, file in files.items():
                place = half / name
                if "/" in name:
                    place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, place)
        return half

    def write(self, half: Path, name: str, text: str) -> None:
        """Put a file into a folder, in the place of the one that is there.

        Raises
        ------
        CannotWrite where there is no room.
        """
        with _full_is_told():
            file = half / name
            mode = file.stat().st_mode if file.exists() else None
            file.unlink(missing_ok=True)
            file.write_text(text, "utf-8")
            if mode is not None:
                file.chmod(mode)

    def seal(self, half: Path, permissions: int) -> None:
        """Give every file of a folder its permissions."""
        for place, _folders, names in os.walk(half):
            for name in names:
                os.chmod(os.path.join(place, name), permissions)

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
        return self._folder / f"{os.getpid()}-{self._count}"


def stop_where_full(error: BaseException) -> None:
    """A full disk fails everybody: say it once.

    Raises
    ------
    CannotWrite.
    """
    if isinstance(error, OSError) and error.errno in FULL:
        raise CannotWrite(
            f"what was graded cannot be written ({error.strerror}: {error.filename}). Make room, "
            "then start again: what is graded already stays."
        ) from error


@contextlib.contextmanager
def _full_is_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        stop_where_full(error)
        raise


def _clear_abandoned(areas: Path) -> None:
    for folder in areas.iterdir():
        try:
            lock = os.open(folder / "lock", os.O_WRONLY)
        except FileNotFoundError:
            # Made this very moment by another run, or half removed: the latter has no files.
            with contextlib.suppress(OSError):
                folder.rmdir()
            continue
        except PermissionError:
            continue  # somebody else's, in a folder that a group shares
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
