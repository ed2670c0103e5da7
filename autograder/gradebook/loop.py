"""nbgrader's own loop, as Formgrader's button runs it: what it does not look at before it begins,
and what it would remove before there is anything in its place."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters.base import NbGraderException

from autograder.engine.interface import Limits, NoSandbox
from autograder.engine.warm.handle import default_runner, require_sandbox
from autograder.exercise import AuthorError
from autograder.gradebook.cells import must_be_in_step
from autograder.gradebook.source_facts import read_facts
from autograder.grading import Stopped
from autograder.grading.rehearsal import rehearse
from autograder.judging.sets import find_set
from autograder.project import Project, is_shared
from autograder.release.configuration import see_to_rights

ASIDE = ".before"


def see_to(
    converter: Any, project: Project | None, *, walled_in: bool, limits: Limits | None
) -> None:
    """Before nbgrader's `Autograde` touches anything: whether it can grade at all; and see to it
    that a graded folder stays until there is another. project: where the assignment is a set of.
    limits: those of the runner and the judge, where they grade.

    Raises
    ------
    NbGraderException, which is how nbgrader ends with a sentence.
    """
    try:
        if project is not None:
            course = converter.coursedir
            exercise_set = find_set(course.assignment_id, project)
            with Gradebook(course.db_url, course.course_id) as gradebook:
                must_be_in_step(exercise_set, read_facts(gradebook, exercise_set.name))
        if walled_in:
            require_sandbox(default_runner())
        if project is not None and limits is not None:
            files = project.exercises / exercise_set.name
            rehearse(exercise_set, default_runner(), limits, files)
    except MissingEntry:
        pass  # nbgrader says so itself
    except (AuthorError, NoSandbox, Stopped) as error:
        converter.log.error("%s", error)
        raise NbGraderException(str(error)) from error
    see_to_rights(converter.config)
    convert = converter.convert_notebooks

    def convert_notebooks() -> None:
        beside = Path(converter._format_dest(".", ".")).resolve().parent
        put_back(beside)
        with _set_aside(_graded(converter), beside):
            convert()

    converter.convert_notebooks = convert_notebooks


def _graded(converter: Any) -> list[Path]:
    """Where the submissions that nbgrader has found go."""
    pattern = converter._format_source("(?P<assignment>.*)", "(?P<student>.*)", escape=True)
    found = (re.match(pattern, folder) for folder in converter.assignments)
    return [
        Path(os.path.abspath(converter._format_dest(m["assignment"], m["student"])))
        for m in found
        if m
    ]


@contextlib.contextmanager
def _set_aside(folders: list[Path], beside: Path) -> Iterator[None]:
    """Copies of folders, in an area that is this run's as long as it lasts; those that are gone at
    its end are there again."""
    (beside / ASIDE).mkdir(parents=True, exist_ok=True)
    area = Path(tempfile.mkdtemp(dir=beside / ASIDE))
    if is_shared(beside):
        area.chmod(0o2770)
    lock = os.open(area / "lock", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for number, folder in enumerate(folder for folder in folders if folder.is_dir()):
            shutil.copytree(folder, area / f"{number}", copy_function=_linked)
            (area / f"{number}.where").write_text(os.path.relpath(folder, beside), "utf-8")
        yield
    finally:
        _restore(area, beside)
        os.close(lock)


def _linked(source: str, target: str) -> None:
    """nbgrader removes a file before it writes another: no need to copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def put_back(beside: Path) -> None:
    """Let graded folders be there again that a run, which was killed, has removed. beside: the
    folder around those of all graded submissions."""
    for area in (beside / ASIDE).glob("*"):
        # Another account's that is not shared; or one that is being made or removed.
        with contextlib.suppress(PermissionError, FileNotFoundError):
            lock = os.open(area / "lock", os.O_WRONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _restore(area, beside)
            except BlockingIOError:
                pass  # its run goes on
            finally:
                os.close(lock)


def _restore(area: Path, beside: Path) -> None:
    for place in area.glob("*.where"):
        graded = beside / place.read_text("utf-8")
        if not graded.exists():
            graded.parent.mkdir(parents=True, exist_ok=True)
            place.with_suffix("").rename(graded)
    shutil.rmtree(area, ignore_errors=True)
    with contextlib.suppress(OSError):
        (beside / ASIDE).rmdir()
