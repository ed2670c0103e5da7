"""The course's nbgrader configuration, for our own commands to run nbgrader with."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
from pathlib import Path

from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from autograder.exercise import AuthorError
from autograder.project import is_given, is_shared

# Whose folders hold what learners did, and what it should have been.
STEPS = ("submitted", "autograded", "feedback", "source", "solution")


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
    no_question(root)
    try:
        config: Config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    except SystemExit as error:
        raise AuthorError(str(error)) from error
    except Exception as error:  # it is a program, and may do anything
        raise AuthorError(
            f"{root / 'nbgrader_config.py'}: {type(error).__name__}: {error}"
        ) from error
    config.CourseDirectory.root = str(root)
    see_to_rights(config)
    return config


def no_question(root: Path) -> None:
    """See to it that a course's folder can stand in the address of its gradebook.

    Raises
    ------
    AuthorError where it cannot.
    """
    if "?" in str(root):
        raise AuthorError(
            f"the ? in {root} would end the address of the gradebook: rename that folder, or move "
            "the course."
        )


def see_to_rights(config: Config) -> None:
    """Whose a course's grading and solutions are: nobody's but the one account's that owns them.
    Where nbgrader's `CourseDirectory.groupshared` says so, a group works on them, on what is made
    from here on too.

    A folder that is closed to others and passes its group on (g+s) was given to that group, to
    read: that stays. That one is open to everybody was nobody's decision: it is closed, and told.
    git makes solutions/ so, and its own folder, where they stand once more: that is told where
    somebody else could come as far as that.
    """
    from nbgrader.coursedir import CourseDirectory

    course = CourseDirectory(config=config)
    if course.groupshared:
        os.umask(0o002)
    root = Path(course.root)
    grading = root / "grading"
    tops = {grading, *(place_of(step, config) for step in STEPS)}
    opened = []
    for door in (root / "solutions", root / ".git"):
        # That of a rehearsal is a link to the course's.
        if door.is_symlink() or not door.is_dir():
            continue
        shared = course.groupshared and door.name == "solutions"
        if _close(door, shared, course.groupshared or is_given(door)) and _in_reach(door):
            opened.append(door)
    for top in tops:
        # Who may read neither has nothing to close.
        with contextlib.suppress(PermissionError, FileNotFoundError, NotADirectoryError):
            if top != grading and top.is_relative_to(grading):
                continue
            given = is_given(top)
            opened += [top] if _close(top, course.groupshared, given) else []
            for path in top.iterdir():
                if path.is_dir():
                    _close(path, course.groupshared, given)
    book = file_of(course.db_url)
    with contextlib.suppress(PermissionError, FileNotFoundError):
        if book is not None and _close(book, course.groupshared, is_given(book.parent)):
            # Behind a door that was closed nobody could read it.
            opened += [] if book.is_relative_to(grading) else [book]
    if opened:
        told = ", ".join(str(path) for path in sorted(opened))
        whose = "its group's" if course.groupshared else "yours alone"
        print(
            f"autograder: {told}: other accounts of this machine could read that. It is {whose} "
            'now; the instructors\' page has more under "Who may read the marks".',
            file=sys.stderr,
        )


def _in_reach(path: Path) -> bool:
    """Whether another account gets as far as a folder's door."""
    return all(above.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH) for above in path.parents)


def make_private(folder: Path) -> None:
    """Make a course's grading/, if it is not there: a group's, where exercises/ beside it is."""
    if folder.exists():
        return
    folder.mkdir(parents=True, mode=0o700)
    beside = folder.parent / "exercises"
    if beside.is_dir() and is_shared(beside):
        with contextlib.suppress(PermissionError):
            shutil.chown(folder, group=beside.stat().st_gid)
            folder.chmod(0o2770)


def _close(path: Path, shared: bool, given: bool) -> bool:
    """Give a folder or a file the rights that it is to have. Returns whether more accounts had some
    than should."""
    folder = path.is_dir()
    mode = stat.S_IMODE(path.stat().st_mode)
    if shared:
        wanted = (mode | (0o2770 if folder else 0o660)) & ~0o007
    elif given:
        wanted = mode & ~0o007
    else:
        wanted = mode & ~0o077
    if wanted == mode:
        return False
    # Somebody else's: they have shared it, or must.
    with contextlib.suppress(PermissionError):
        path.chmod(wanted)
        return bool(mode & ~wanted)
    return False


def file_of(db_url: str) -> Path | None:
    """The file that a gradebook is, where it is one."""
    kind, _colon, path = db_url.partition(":///")
    return Path(path) if kind == "sqlite" else None


def place_of(step: str, config: Config) -> Path:
    """Where nbgrader keeps a folder for each learner of what is "submitted", or "autograded"."""
    from nbgrader.coursedir import CourseDirectory

    course = CourseDirectory(config=config)
    directory = getattr(course, f"{step}_directory")
    return Path(course.format_path(directory, ".", ".")).resolve()
