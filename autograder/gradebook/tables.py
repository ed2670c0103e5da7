"""`autograder export`: marks in the form that whoever wants them reads.

A learning platform takes a row a learner and a column a set; people ask for every question, or for
every mistake that has a name.
"""

from __future__ import annotations

import csv
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Configurable

from autograder.exercise import AuthorError
from autograder.gradebook.export import as_text
from autograder.gradebook.reader import learners, read_gradebook
from autograder.gradebook.record import part_of, records_of
from autograder.gradebook.sums import is_marked, renew_penalties
from autograder.gradebook.waiting import waiting, without_a_row
from autograder.i18n import _
from autograder.project import Project, open_private
from autograder.release.configuration import course_config, place_of

Row = dict[str, Any]


@dataclass(frozen=True)
class Marks:
    """What the gradebook has of some assignments.

    students: of the roster, by id. assignments: with submissions, in the gradebook's order. scores:
    less what being late cost, by assignment and student; whoever handed nothing in has none.
    parts: points of each cell, by assignment, student and part.
    """

    students: dict[str, Any]
    assignments: dict[str, float]
    scores: Mapping[tuple[str, str], float]
    parts: Mapping[tuple[str, str], Mapping[str, float]]


@dataclass(frozen=True)
class Table:
    """A kind of table. about: for whom it is, in a sentence."""

    about: str
    rows: Callable[[Project, Marks], Iterator[Row]]
    # Of a platform, which finds a learner by them.
    needs_names: bool = False


def write_table(
    project: Project,
    kind: str,
    names: Sequence[str],
    to: Path,
    *,
    anonymous: bool = False,
) -> list[str]:
    """Write a table of `TABLES`. Returns what is to be known of its marks.

    names: of assignments; all that were handed in where there are none. anonymous: numbers in
    place of learners, another one in each table.

    Raises
    ------
    AuthorError where the gradebook does not know an assignment, or names are needed.
    """
    table = TABLES[kind]
    if anonymous and table.needs_names:
        raise AuthorError(f"{kind} finds learners by their names: it cannot be --anonymous.")
    config = course_config(project.root)
    course = CourseDirectory(config=config)
    with read_gradebook(course) as gradebook:
        marks, remarks = _marks(gradebook, names, Configurable(config=config))
        remarks += [
            f"{assignment.name}: {line}"
            for assignment in gradebook.assignments
            if not names or assignment.name in names
            for line in without_a_row(gradebook, assignment.name, place_of("autograded", config))
        ]
    rows = list(table.rows(project, marks))
    if anonymous:
        rows = _without_names(rows, marks.students)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with open_private(to) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([as_text(row.get(name)) for name in columns] for row in rows)
    return remarks


def _marks(gradebook: Gradebook, names: Sequence[str], parent: Any) -> tuple[Marks, list[str]]:
    known = {a.name: a for a in gradebook.assignments}
    absent = [name for name in names if name not in known]
    if absent:
        raise AuthorError(
            f"the gradebook knows no assignment {', '.join(absent)}; it has "
            f"{', '.join(sorted(known)) or 'none'}."
        )
    remarks, scores, parts = [], {}, {}
    chosen = [a for a in known.values() if a.name in names or (not names and a.submissions)]
    for assignment in chosen:
        renew_penalties(gradebook, assignment.submissions, parent)
        to_come: dict[str, float] = {}
        for one in waiting(gradebook, assignment.name):
            if not one.again:
                to_come[one.student] = to_come.get(one.student, 0.0) + one.points
        remarks += [
            _("{assignment}: {points:g} points of {student} are still to be given by hand").format(
                assignment=assignment.name, points=points, student=student
            )
            for student, points in sorted(to_come.items())
        ]
        for submission in assignment.submissions:
            if not is_marked(submission):
                continue
            key = assignment.name, submission.student_id
            scores[key] = max(0.0, submission.score - (submission.late_submission_penalty or 0.0))
            parts[key] = {
                part_of(grade.name): grade.score
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
    students = {student.id: student for student in learners(gradebook)}
    return Marks(students, {a.name: a.max_score for a in chosen}, scores, parts), remarks


# ── The kinds ──────────────────────────────────────────────────────────────────────────────────


def _moodle(project: Project, marks: Marks) -> Iterator[Row]:
    """Grades, Import, CSV file; map by `Username`, `ID number` or `Email address`."""
    for student in marks.students.values():
        yield {
            "Username": student.id,
            "ID number": student.lms_user_id,
            "First name": student.first_name,
            "Last name": student.last_name,
            "Email address": student.email,
            **{name: marks.scores.get((name, student.id)) for name in marks.assignments},
        }


def _canvas(project: Project, marks: Marks) -> Iterator[Row]:
    """Grades, Import. Its first row holds the maxima."""
    yield {
        "Student": "    Points Possible",
        "ID": None,
        "SIS User ID": None,
        "SIS Login ID": None,
        "Section": None,
        **marks.assignments,
    }
    for student in marks.students.values():
        names = [student.last_name, student.first_name]
        yield {
            "Student": ", ".join(filter(None, names)) or student.id,
            "ID": student.lms_user_id,
            "SIS Login ID": student.id,
            **{name: marks.scores.get((name, student.id)) for name in marks.assignments},
        }


def _questions(project: Project, marks: Marks) -> Iterator[Row]:
    for student in marks.students:
        row: Row = {"student_id": student}
        for name in marks.assignments:
            for part, points in marks.parts.get((name, student), {}).items():
                row[f"{name}: {part}"] = points
            row[f"{name}: score"] = marks.scores.get((name, student))
        yield row


def _mistakes(project: Project, marks: Marks) -> Iterator[Row]:
    for name in marks.assignments:
        for record in records_of(project, name):
            for part, verdict in record.verdicts.items():
                yield {
                    "student_id": record.student,
                    "assignment": name,
                    "part": part,
                    "status": verdict.status,
                    "mistake": verdict.mistake,
                    "points": verdict.points,
                    "max_points": verdict.max_points,
                }


TABLES = {
    "moodle": Table(
        _("Moodle's import: a row a learner, a column a set; nobody without a mark gets a 0"),
        _moodle,
        needs_names=True,
    ),
    "canvas": Table(
        _("Canvas's import, which knows learners by `lms_user_id` or by the login"),
        _canvas,
        needs_names=True,
    ),
    "questions": Table(_("the points of each question, a row a learner"), _questions),
    "mistakes": Table(
        _("each answer's verdict and named mistake, a row an answer, as the judge gave it"),
        _mistakes,
    ),
}


def _without_names(rows: Iterable[Row], students: Iterable[str]) -> list[Row]:
    """Numbers in place of ids, in an order that says nothing."""
    ids = sorted({*students, *(row["student_id"] for row in rows)})
    secrets.SystemRandom().shuffle(ids)
    number = {student: f"learner-{i:0{len(str(len(ids)))}d}" for i, student in enumerate(ids, 1)}
    found = [{**row, "student_id": number[row["student_id"]]} for row in rows]
    return sorted(found, key=lambda row: row["student_id"])
