"""`nbgrader export` for spreadsheets: nbgrader's table, quoted, and without formulas.

A spreadsheet computes a text that begins with "=", "+", "-" or "@", whoever wrote it: a learner's
name could then fetch other people's marks from the table, or start a program.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.plugins import CsvExportPlugin

from autograder.gradebook.reader import learners
from autograder.gradebook.sums import renew_penalties
from autograder.gradebook.waiting import Waiting, told, unmarked, waiting, without_a_row
from autograder.project import open_private
from autograder.release.configuration import place_of

COLUMNS = (
    *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"),
    *("raw_score", "late_submission_penalty", "score", "max_score", "to_be_marked"),
)
# With the full-width forms, which spreadsheets of some languages take for the same.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class CsvExport(CsvExportPlugin):
    """nbgrader's export, with the same options and columns, and one more: `to_be_marked`, the
    points that a person has still to give, which the score lacks."""

    def export(self, gradebook: Gradebook) -> None:
        """Write the marks of a gradebook to a file."""
        chosen = {str(name) for name in self.assignment}
        students = {str(name) for name in self.student}
        to = Path(self.to or "grades.csv")
        self.log.info("Exporting grades to %s", to)
        with open_private(to) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for assignment in gradebook.assignments:
                if chosen and assignment.name not in chosen:
                    continue
                renew_penalties(gradebook, assignment.submissions, self)
                found = waiting(gradebook, assignment.name)
                lost = without_a_row(
                    gradebook, assignment.name, place_of("autograded", self.config)
                )
                for line in (*told(found), *unmarked(gradebook, assignment.name), *lost):
                    self.log.warning("%s: %s", assignment.name, line)
                for student in learners(gradebook):
                    if not students or student.id in students:
                        row = dict(_row(gradebook, assignment, student))
                        row["to_be_marked"] = _to_be_marked(found, student.id)
                        writer.writerow([as_text(row.get(name)) for name in COLUMNS])


def _row(gradebook: Gradebook, assignment: Any, student: Any) -> Iterator[tuple[str, Any]]:
    """Column and value; nobody who handed nothing in has a timestamp."""
    yield from (("assignment", assignment.name), ("duedate", assignment.duedate))
    yield from ((n, getattr(student, n)) for n in ("last_name", "first_name", "email"))
    yield from (("student_id", student.id), ("max_score", assignment.max_score))
    try:
        submission = gradebook.find_submission(assignment.name, student.id)
    except MissingEntry:
        scores = (0.0, 0.0)
    else:
        yield "timestamp", submission.timestamp
        scores = (submission.score, submission.late_submission_penalty)
    raw, penalty = scores
    yield from (("raw_score", raw), ("late_submission_penalty", penalty))
    yield "score", max(0.0, raw - penalty)


def _to_be_marked(found: list[Waiting], student: str) -> float | None:
    """The points that a person has still to give; None where there are none."""
    return sum(w.points for w in found if w.student == student and not w.again) or None


def as_text(value: Any) -> str:
    """A value as a cell of a spreadsheet shows it: numbers as people write them, an apostrophe
    before what would be computed."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA):
        return f"'{value}"
    return str(value)
