"""nbgrader's own loop, as Formgrader's button runs it: what it does not look at before it begins,
and what it would remove before there is anything in its place."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters.base import NbGraderException

from autograder.engine.interface import NoSandbox
from autograder.engine.warm.handle import default_runner, require_sandbox
from autograder.exercise import AuthorError
from autograder.gradebook.cells import must_be_in_step
from autograder.gradebook.source_facts import read_facts
from autograder.judging.sets import ExerciseSet
from autograder.release.configuration import see_to_sharing

ASIDE = ".before"


def see_to(converter: Any, exercise_set: ExerciseSet | None, *, walled_in: bool) -> None:
    """Before nbgrader's `Autograde` touches anything: whether it can grade at all; and see to it
    that a graded folder stays until there is another.

    Raises
    ------
    NbGraderException, which is how nbgrader ends with a sentence.
    """
    try:
        if exercise_set is not None:
            course = converter.coursedir
            with Gradebook(course.db_url, course.course_id) as gradebook:
                must_be_in_step(exercise_set, read_facts(gradebook, exercise_set.name))
        if walled_in:
            require_sandbox(default_runner())
    except MissingEntry:
        pass  # nbgrader says so itself
    except (AuthorError, NoSandbox) as error:
        converter.log.error("%s", error)
        raise NbGraderException(str(error)) from error
    see_to_sharing(converter.config)
    convert = converter.convert_notebooks

    def convert_notebooks() -> None:
        graded = [folder for folder in _graded(converter) if folder.is_dir()]
        beside = Path(converter._format_dest(".", ".")).resolve().parent
        put_back(beside)
        for folder in graded:
            _set_aside(folder, beside)
        try:
            convert()
        finally:
            put_back(beside)

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


def _set_aside(folder: Path, beside: Path) -> None:
    where = os.path.relpath(folder, beside)
    aside = beside / ASIDE / hashlib.sha256(where.encode()).hexdigest()[:32]
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(folder, aside / "folder", copy_function=_linked)
    (aside / "where").write_text(where, "utf-8")


def _linked(source: str, target: str) -> None:
    """nbgrader removes a file before it writes another: no need to copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def put_back(beside: Path) -> None:
    """Let graded folders that are gone, and were not made anew, be there again; also after a run
    that was killed. beside: the folder around those of all graded submissions."""
    for place in (beside / ASIDE).glob("*/where"):
        graded = beside / place.read_text("utf-8")
        if not graded.exists():
            graded.parent.mkdir(parents=True, exist_ok=True)
            (place.parent / "folder").rename(graded)
    shutil.rmtree(beside / ASIDE, ignore_errors=True)
