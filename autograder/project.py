"""Where the project's folders are, how a file gets there, and the one setting that decides what is
handed out."""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

# What one set needs and no other does, and how it is installed in the course's folder.
FOREIGN = {"torch": "python -m pip install -c constraints.txt torch"}


# A course's own, beside pyproject.toml: `released_sets = [...]`.
LOCAL = "local_config.toml"


class NoProject(Exception):
    """No project folder was found. Says where it was looked for."""


@dataclass(frozen=True)
class Project:
    """The folders of a course."""

    root: Path
    released_sets: tuple[str, ...] = ()
    # Where the pages are published, without a slash at the end; "" where nobody has said.
    site: str = ""

    @property
    def solutions(self) -> Path:
        """References, cases, mistakes and notebook texts: never leaves this machine."""
        return self.root / "solutions"

    @property
    def exercises(self) -> Path:
        """What learners open; generated."""
        return self.root / "exercises"

    @property
    def grading(self) -> Path:
        """nbgrader's source, submitted, autograded, feedback and gradebook; not committed."""
        return self.root / "grading"

    @property
    def sets(self) -> list[str]:
        """The names of all sets that have a solution."""
        return sorted(p.stem for p in self.solutions.glob("*.py") if not p.stem.startswith("_"))


def find_project(start: Path | None = None) -> Project:
    """The project that a folder lies in: the nearest parent whose pyproject.toml has
    `[tool.autograder]`, or what the environment's AUTOGRADER_ROOT names.

    Raises
    ------
    NoProject with the folders that were looked at.
    """
    named = os.environ.get("AUTOGRADER_ROOT")
    start = Path(named) if named else (start or Path.cwd())
    for folder in [start.resolve(), *start.resolve().parents]:
        file = folder / "pyproject.toml"
        if file.is_file():
            status = file.stat()
            table = _settings(file, status.st_mtime_ns, status.st_size)
            if table is not None:
                table = {**table, **_local(folder / LOCAL)}
                site = str(table.get("site", "")).rstrip("/")
                return Project(folder, tuple(table.get("released_sets", ())), site)
    raise NoProject(
        f"No course project in {start} or above it: looked for a pyproject.toml with a "
        "[tool.autograder] table. Change to the course's folder, or set AUTOGRADER_ROOT to it."
    )


def _local(file: Path) -> dict[str, Any]:
    """What a course has decided for itself, in a file that git does not know.

    Raises
    ------
    NoProject where it cannot be read.
    """
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NoProject(f"{file}: {error}") from error


@functools.lru_cache(maxsize=16)
def _settings(file: Path, _changed: int, _size: int) -> dict[str, Any] | None:
    """Our table of a pyproject.toml, None where it has none; read again when it changed."""
    table: dict[str, Any] | None
    table = tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("autograder")
    return table


def is_shared(folder: Path) -> bool:
    """Whether a group works in a folder: what is made there is the group's, and it may write."""
    return folder.stat().st_mode & SHARED == SHARED


def is_given(folder: Path) -> bool:
    """Whether somebody gave a folder to its group, and to nobody else: it passes the group on."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_ISGID and mode & stat.S_IRGRP and not mode & stat.S_IRWXO)


SHARED = stat.S_ISGID | stat.S_IWGRP


def open_private(file: Path) -> IO[str]:
    """Open a table of marks to be written: nobody else may read it, unless a group shares its
    folder. Something that is no file, such as /dev/stdout, stays as it is."""
    shared = is_shared(file.parent)
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o660 if shared else 0o600)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        with contextlib.suppress(PermissionError):
            os.fchmod(fd, 0o660 if shared else 0o600)
    return os.fdopen(fd, "w", encoding="utf-8", newline="")


def write_whole(file: Path, text: str) -> None:
    """Write a file, all or nothing; nobody else may read it but whoever shares its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, half = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            if is_shared(file.parent):
                os.fchmod(out.fileno(), 0o660)
        os.replace(half, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(half)
        raise
