"""A gradebook for somebody who may read it and not write it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nbgrader.api import Base, Gradebook, Student
from nbgrader.coursedir import CourseDirectory

from autograder.release.configuration import file_of
from autograder.release.trouble import BROKEN, trouble


@contextlib.contextmanager
def read_gradebook(course: CourseDirectory) -> Iterator[Gradebook]:
    """A course's gradebook, to read from."""
    with (
        readable(course.db_url) as url,
        Gradebook(url, course.course_id) as gradebook,
    ):
        yield gradebook


@contextlib.contextmanager
def readable(db_url: str) -> Iterator[str]:
    """The address of a gradebook that may be opened. To read it, too, late penalties are worked
    out again, and SQLite puts a file beside it: who may do neither gets a copy of their own, which
    is gone afterwards."""
    file = file_of(db_url)
    if file is None or may_write(file):
        yield db_url
        return
    with tempfile.TemporaryDirectory(prefix="autograder-marks-") as folder:
        copy = Path(folder, "gradebook.db")
        source = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        with contextlib.closing(source), contextlib.closing(sqlite3.connect(copy)) as into:
            source.backup(into)
        yield f"sqlite:///{copy}"


def learners(gradebook: Gradebook) -> list[Student]:
    """Who is in a gradebook: by last name and first name, and by id where these are the same or
    not known, which nbgrader leaves to the database."""
    return sorted(
        gradebook.students,
        key=lambda student: (student.last_name or "", student.first_name or "", student.id),
    )


def look_at(course: CourseDirectory) -> None:
    """Read a row of every table. Raises what `trouble` tells of, where that cannot be done."""
    with read_gradebook(course) as gradebook:
        for table in Base.registry.mappers:
            gradebook.db.query(table).first()


def unusable(course: CourseDirectory) -> str:
    """Why a course's gradebook cannot be used, in a sentence; nothing where it can."""
    try:
        look_at(course)
    except BROKEN as error:
        return trouble(error)
    return ""


def may_write(file: Path) -> bool:
    """Whether this account may change a gradebook that is there; of one that is not, nobody says
    no here."""
    if not file.exists():
        return True
    return os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)
