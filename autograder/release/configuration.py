"""The course's nbgrader configuration, for our own commands to run nbgrader with."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from autograder.exercise import AuthorError


def find_alembic() -> None:
    """nbgrader calls `alembic` by name: let it be found where the virtual environment is not
    activated, too."""
    here = str(Path(sys.executable).parent)
    if here not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([here, os.environ.get("PATH", "")])


def course_config(root: Path) -> Config:
    """What `nbgrader_config.py` in a course's folder says, with that folder as the root.

    Raises
    ------
    AuthorError where it cannot be read: without it a course is another one.
    """
    find_alembic()
    no_pattern(root)
    try:
        config: Config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    except Exception as error:  # it is a program, and may do anything
        raise AuthorError(
            f"{root / 'nbgrader_config.py'}: {type(error).__name__}: {error}"
        ) from error
    config.CourseDirectory.root = str(root)
    see_to_sharing(config)
    return config


def no_pattern(root: Path) -> None:
    """See to it that a course's folder is what nbgrader takes it for.

    Raises
    ------
    AuthorError where nbgrader would take it for a pattern, and find nothing.
    """
    found = sorted({*str(root)} & {*"[*?"})
    if found:
        raise AuthorError(
            f"nbgrader takes the {' '.join(found)} in {root} for a pattern, and finds no file "
            "there: rename that folder, or move the course."
        )


def see_to_sharing(config: Config) -> None:
    """Where nbgrader's `CourseDirectory.groupshared` says so, a group may work on what is made from
    here on: grading/ is its folder, and the gradebook too."""
    from nbgrader.coursedir import CourseDirectory

    course = CourseDirectory(config=config)
    if not course.groupshared:
        return
    os.umask(0o002)
    grading = place_of("autograded", config).parent
    grading.mkdir(parents=True, exist_ok=True)
    for path, rights in ((grading, 0o2770), (_file_of(course.db_url), 0o660)):
        if path is not None and path.exists():
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode | rights != mode:
                # Somebody else's: they have shared it, or must.
                with contextlib.suppress(PermissionError):
                    path.chmod(mode | rights)


def _file_of(db_url: str) -> Path | None:
    kind, _colon, path = db_url.partition(":///")
    return Path(path) if kind == "sqlite" else None


def place_of(step: str, config: Config) -> Path:
    """Where nbgrader keeps a folder for each learner of what is "submitted", or "autograded"."""
    from nbgrader.coursedir import CourseDirectory

    course = CourseDirectory(config=config)
    directory = getattr(course, f"{step}_directory")
    return Path(course.format_path(directory, ".", ".")).resolve()
