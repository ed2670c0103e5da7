"""What an instructor grants: more time to one learner, the points of a question to everybody."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Configurable

from autograder.exercise import AuthorError
from autograder.gradebook.record import part_of
from autograder.gradebook.sums import is_marked, renew_penalties
from autograder.i18n import _
from autograder.project import Project
from autograder.release.configuration import course_config


def extend(project: Project, assignment: str, student: str, more: datetime.timedelta) -> str:
    """Let a learner hand in later than others. Returns what holds now.

    more: on top of the due date, in place of what was granted before; nothing takes it back.

    Raises
    ------
    AuthorError where nobody knows the learner or the assignment, or nothing is due.
    """
    with _gradebook(project) as (gradebook, parent):
        due = _assignment(gradebook, assignment).duedate
        if due is None:
            raise AuthorError(
                f"{assignment} is due at no time: `nbgrader db assignment add {assignment} "
                "--duedate=...` says when."
            )
        try:
            gradebook.find_student(student)
        except MissingEntry:
            raise AuthorError(
                f"no learner {student!r}: `nbgrader db student list` has those of the roster."
            ) from None
        # There may be none yet: it is granted beforehand, too.
        submission = gradebook.update_or_create_submission(assignment, student)
        gradebook.grant_extension(assignment, student, minutes=more.total_seconds() / 60)
        renew_penalties(gradebook, [submission], parent)
        late = submission.total_seconds_late > 0
        told = _("{assignment} of {student} is due at {due:%Y-%m-%d %H:%M} UTC").format(
            assignment=assignment, student=student, due=due + more
        )
        return told + (_(", and what was handed in is later still") if late else "")


def award(
    project: Project,
    assignment: str,
    part: str,
    students: Sequence[str] = (),
    *,
    points: float | None = None,
    undo: bool = False,
) -> dict[str, float]:
    """Give the points of a question, as a mark by hand. Returns the points by student.

    students: of those who handed in; all of them where none is named. points: the question's where
    None. undo: take marks by hand back, so that the automatic ones count again.

    Raises
    ------
    AuthorError where nobody knows the assignment, the question or a student, or it is too much.
    """
    with _gradebook(project) as (gradebook, parent):
        found = _assignment(gradebook, assignment)
        there = {
            submission.student_id: submission
            for submission in found.submissions
            if is_marked(submission)
        }
        absent = sorted(set(students) - set(there))
        if absent:
            raise AuthorError(f"{', '.join(absent)}: nothing was handed in for {assignment}.")
        given, parts = {}, set[str]()
        for student in students or sorted(there):
            for notebook in there[student].notebooks:
                for grade in notebook.grades:
                    parts.add(part_of(grade.name))
                    if part_of(grade.name) != part:
                        continue
                    if points is not None and not 0 <= points <= grade.max_score:
                        raise AuthorError(f"{part} has {grade.max_score:g} points, not {points:g}.")
                    worth = grade.max_score if points is None else points
                    grade.manual_score = None if undo else worth
                    given[student] = grade.auto_score or 0.0 if undo else worth
        if not given:
            raise AuthorError(
                f"{assignment} has no question {part!r}: "
                + (", ".join(sorted(parts)) or "nothing was handed in yet")
            )
        gradebook.db.commit()
        renew_penalties(gradebook, [there[student] for student in given], parent)
        return given


@contextmanager
def _gradebook(project: Project) -> Iterator[tuple[Gradebook, Any]]:
    """The gradebook, and whoever has the configuration."""
    config = course_config(project.root)
    course = CourseDirectory(config=config)
    with Gradebook(course.db_url, course.course_id) as gradebook:
        yield gradebook, Configurable(config=config)


def _assignment(gradebook: Gradebook, name: str) -> Any:
    try:
        return gradebook.find_assignment(name)
    except MissingEntry:
        raise AuthorError(
            f"the gradebook knows no assignment {name}: run `autograder build {name}` first."
        ) from None
