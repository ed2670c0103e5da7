"""Who waits for a mark by hand.

nbgrader wants every cell with a mark by hand looked at again after each grading. Here it wants so
only where the text is another than it was when it was marked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import (
    Assignment,
    BaseCell,
    Grade,
    Gradebook,
    MissingEntry,
    SubmittedAssignment,
    SubmittedNotebook,
)
from sqlalchemy import or_, select

from autograder.gradebook.record import part_of
from autograder.i18n import _
from autograder.project import Project, write_whole


@dataclass(frozen=True)
class Waiting:
    """A cell that waits for a person. again: it has a mark by hand, and another text since."""

    student: str
    cell: str
    points: float
    again: bool

    def __str__(self) -> str:
        """As a table shows it."""
        told = _("{cell}: changed since it was marked") if self.again else _("{cell}: no mark yet")
        return told.format(cell=self.cell)


def waiting(gradebook: Gradebook, assignment: str) -> list[Waiting]:
    """What of an assignment is still to be marked by hand, by student."""
    points = points_by_hand(gradebook, assignment)
    rows = (
        gradebook.db.query(SubmittedAssignment.student_id, Grade)
        .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        .filter(Assignment.name == assignment, Grade.needs_manual_grade)
    )
    found = [
        Waiting(student, grade.name, points[grade.name], grade.manual_score is not None)
        for student, grade in rows
        if grade.name in points
    ]
    return sorted(found, key=lambda one: (one.student, one.cell))


def unmarked(gradebook: Gradebook, assignment: str) -> list[str]:
    """Who has no mark for an exercise that came in after they were graded: a line for each."""
    by_hand = points_by_hand(gradebook, assignment)
    # Who was granted more time beforehand has rows, and no work.
    marked = (
        select(SubmittedNotebook.assignment_id)
        .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .where(or_(Grade.auto_score.is_not(None), Grade.manual_score.is_not(None)))
    )
    rows = (
        gradebook.db.query(SubmittedAssignment.student_id, BaseCell.name)
        .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .join(BaseCell, BaseCell.id == Grade.cell_id)
        .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        .filter(Assignment.name == assignment, Grade.needs_manual_grade)
        .filter(Grade.auto_score.is_(None), Grade.manual_score.is_(None))
        .filter(SubmittedAssignment.id.in_(marked))
        .order_by(BaseCell.name, SubmittedAssignment.student_id)
    )
    found: dict[str, list[str]] = {}
    for student, cell in rows:
        if cell not in by_hand:
            found.setdefault(cell, []).append(student)
    text = _("{count} without a mark for {part}, graded before it came in: {who}")
    return [
        text.format(count=len(who), part=part_of(cell), who=", ".join(who))
        for cell, who in found.items()
    ]


def without_a_row(gradebook: Gradebook, assignment: str, graded: Path) -> list[str]:
    """Who has a graded folder and is not in the gradebook, which is then a newer one: a line for
    all of them. graded: the folder of all graded submissions."""
    try:
        known = {s.student_id for s in gradebook.assignment_submissions(assignment)}
    except MissingEntry:
        known = set()
    folders = graded.iterdir() if graded.is_dir() else ()
    who = sorted({f.name for f in folders if (f / assignment).is_dir()} - known)
    text = _(
        "{count} graded before have no marks in this gradebook: {who}. "
        "Run `autograder autograde {assignment}`"
    )
    return [text.format(count=len(who), who=", ".join(who), assignment=assignment)] if who else []


def points_by_hand(gradebook: Gradebook, assignment: str) -> dict[str, float]:
    """The cells of an assignment that a person marks, and what each is worth."""
    found: dict[str, float] = {}
    for notebook in gradebook.find_assignment(assignment).notebooks:
        answers = {cell.name for cell in notebook.solution_cells}
        found |= {c.name: c.max_score for c in notebook.grade_cells if c.name in answers}
        found |= {c.name: c.max_score for c in notebook.task_cells}
    return found


def told(found: Iterable[Waiting]) -> list[str]:
    """Who waits, in a line for those without a mark and one for those that changed."""
    out = []
    for again, text in (
        (False, _("{count} not marked yet, the score is without it: {who}")),
        (True, _("{count} changed since it was marked, the mark stands: {who}")),
    ):
        students = list(dict.fromkeys(one.student for one in found if one.again is again))
        if students:
            out.append(text.format(count=len(students), who=", ".join(students)))
    return out


class Texts:
    """The fingerprints of the texts that were graded last, of each submission of an assignment."""

    def __init__(self, project: Project, assignment: str) -> None:
        self._folder = project.grading / "texts" / assignment

    def read(self, student: str) -> dict[str, str]:
        """By grade_id; nothing where nothing is known."""
        try:
            found = json.loads((self._folder / f"{student}.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, student: str, texts: dict[str, str]) -> None:
        """After the marks: where this is not reached, the text counts as changed."""
        if not texts or self.read(student) == texts:
            return
        write_whole(self._folder / f"{student}.json", json.dumps(texts))
