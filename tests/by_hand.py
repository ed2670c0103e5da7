"""A course whose notebook ends in an answer that a person marks, and what people do with it.

`COURSE` names the set. With a set of solutions/ in its place, which has such a cell of its own, the
same tests run on that: `HandGraded("experiments", "report-experiments", 8)`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from autograder.release.build import build
from tests.conftest import ROOT, Course

SETS = Path(__file__).parent / "sets"


@dataclass(frozen=True)
class HandGraded:
    """A set, the grade_id of the answer that a person marks, and what that is worth."""

    name: str
    answer: str
    points: float


COURSE = HandGraded("trial", "report-trial", 4.0)


def make_course(folder: Path, what: HandGraded = COURSE) -> Course:
    """A course of that one set, released, with nobody in it."""
    course = Course(folder / "instructor", folder / "course", what.name)
    course.home.mkdir(parents=True)
    (course.folder / "solutions").mkdir(parents=True)
    for ending in (".py", ".md"):
        found = [place / f"{what.name}{ending}" for place in (ROOT / "solutions", SETS)]
        shutil.copy(next(p for p in found if p.is_file()), course.folder / "solutions")
    shutil.copy(ROOT / "nbgrader_config.py", course.folder)
    (course.folder / "pyproject.toml").write_text("[tool.autograder]\nreleased_sets = []\n")
    build(course.project, [])
    return course


def labels(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """The cells that nbgrader knows, by grade_id."""
    return {
        cell.metadata.nbgrader.grade_id: cell
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    }


def with_answer(notebook: NotebookNode, text: str, what: HandGraded = COURSE) -> NotebookNode:
    """A notebook with an answer in the cell that a person marks."""
    labels(notebook)[what.answer].source = text
    return notebook


def mark(course: Course, student: str, points: float, what: HandGraded = COURSE) -> None:
    """Give a mark, as Formgrader's server does."""
    with course.gradebook() as book:
        grade = book.find_grade(what.answer, what.name, what.name, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        book.db.commit()
