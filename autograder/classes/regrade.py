"""Grading again with the seed that was recorded with each mark: for a mended case or mistake.

Gradebook, autograded notebook and record are made anew through nbgrader; marks and comments that
a person gave stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nbgrader.api import Assignment, Gradebook, SubmittedAssignment, SubmittedNotebook
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from autograder.classes.converter import ClassAutograde
from autograder.classes.run import (
    Progress,
    Summary,
    bar,
    must_be_known,
    run,
    see_to_walls,
    see_who_waits,
)
from autograder.exercise import AuthorError
from autograder.gradebook.record import Record, part_of, read_records
from autograder.grading.rounds import Round
from autograder.i18n import _
from autograder.project import Project
from autograder.release.configuration import course_config
from autograder.submissions.former import read_former


@dataclass(frozen=True)
class Change:
    """A mark that is not what it was; None where a function was or is not there.

    manual: the mark that a person gave, which still counts, or None. Of a late penalty, `function`
    says so, and the points are what it costs.
    """

    student: str
    function: str
    old_points: float | None
    new_points: float | None
    old_status: str | None
    new_status: str | None
    old_mistake: str | None
    new_mistake: str | None
    manual: float | None = None

    def __str__(self) -> str:
        """One line for a terminal."""
        old = _side(self.old_points, self.old_status, self.old_mistake)
        new = _side(self.new_points, self.new_status, self.new_mistake)
        kept = "" if self.manual is None else f" (marked by hand: {self.manual:g} stays)"
        return f"{self.student} {self.function}: {old} -> {new}{kept}"


def _side(points: float | None, status: str | None, mistake: str | None) -> str:
    if points is None:
        return "nothing"
    return f"{points:g} {mistake or status}"


class NotRegraded(AuthorError):
    """Some submissions could not be graded again; they keep their marks.

    changes: the marks of the others that changed. failed: why, by student.
    """

    def __init__(self, changes: list[Change], failed: dict[str, str]) -> None:
        self.changes, self.failed = changes, failed
        told = [f"  {student}: {why}" for student, why in failed.items()]
        listed = [f"  {change}" for change in changes]
        super().__init__(
            "\n".join(["these could not be graded again and keep their marks:", *told])
            + ("\n".join(["\nchanged:", *listed]) if listed else "")
        )


def regrade(
    project: Project,
    assignment: str,
    students: Sequence[str] | None = None,
    *,
    walled_in: bool | None = None,
    progress: Progress = bar,
    say: Callable[[str], None] | None = None,
) -> list[Change]:
    """Grade what was graded again, each with its recorded seed; every mark that changed.

    walled_in: as for `grade_class`. say: is told whose work somebody has to look at, or to mark.

    Raises
    ------
    AuthorError where it is no set of ours; FileNotFoundError where nobody, or one of the named
    students, was graded yet.
    NotRegraded, at the end, where a submission could not be graded.
    """
    config = course_config(project.root)
    see_to_walls(config, walled_in)
    must_be_known(config, assignment)
    if assignment not in project.sets:
        raise AuthorError(
            f"{assignment} is no set of this course, and has no hidden cases: "
            f"`autograder autograde {assignment} --force` grades it again."
        )
    before = _records(project, assignment)
    absent = sorted(set(students or ()) - set(before))
    if absent or not before:
        raise FileNotFoundError(
            f"no mark of {', '.join(absent) or 'anybody'} for {assignment} to begin with: "
            f"run `autograder autograde {assignment}`."
        )
    chosen = sorted(before if students is None else set(students))
    summary = Summary(assignment, project.grading / "logs" / assignment)
    converter = ClassAutograde(coursedir=CourseDirectory(config=config), config=config)
    converter.force = True
    again = {s: Round(assignment, before[s].round, before[s].seed, opened="") for s in chosen}
    penalties = _penalties(config, assignment)
    run(project, converter, chosen, summary, again, progress=progress, say=_nobody)
    if say is not None:
        see_who_waits(config, summary)
        lines = [*summary.to_look_at(), *summary.to_mark()]
        for line in [*lines, ""] if lines else []:
            say(line)
    now = _penalties(config, assignment)
    failed = summary.failed
    after = _records(project, assignment)
    former = read_former(project, assignment)
    changes = []
    for student in chosen:
        manual = _marked_by_hand(config, assignment, student)
        old = before[student]
        named = {former.part(name): verdict for name, verdict in old.verdicts.items()}
        changes += _changes(replace(old, verdicts=named), after[student], manual)
        changes += _late(student, penalties.get(student), now.get(student))
    if failed:
        raise NotRegraded(changes, failed)
    return changes


def _records(project: Project, assignment: str) -> dict[str, Record]:
    return {record.student: record for record in read_records(project, assignment)}


def _nobody(text: str) -> None:
    """Who asks for changes reads changes."""


def _changes(old: Record, new: Record, manual: dict[str, float]) -> list[Change]:
    found = []
    for function in {**old.verdicts, **new.verdicts}:
        was, now = _mark(old, function), _mark(new, function)
        if was != now:
            found.append(
                Change(
                    old.student,
                    function,
                    old_points=was[0],
                    new_points=now[0],
                    old_status=was[1],
                    new_status=now[1],
                    old_mistake=was[2],
                    new_mistake=now[2],
                    manual=manual.get(function),
                )
            )
    return found


def _late(student: str, was: float | None, now: float | None) -> list[Change]:
    """A date may have been moved, or an extension given."""
    if was == now:
        return []
    text = _("points off")
    return [Change(student, _("late penalty"), was, now, text, text, None, None)]


def _penalties(config: Config, assignment: str) -> dict[str, float]:
    """What being late costs, by student; nobody who is not late."""
    course = CourseDirectory(config=config)
    with Gradebook(course.db_url, course.course_id) as gradebook:
        rows = (
            gradebook.db.query(
                SubmittedAssignment.student_id, SubmittedNotebook.late_submission_penalty
            )
            .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
            .filter(Assignment.name == assignment)
        )
        return {student: penalty for student, penalty in rows if penalty}


def _mark(record: Record, function: str) -> tuple[Any, Any, Any]:
    verdict = record.verdicts.get(function)
    if verdict is None:
        return None, None, None
    return verdict.points, verdict.status, verdict.mistake


def _marked_by_hand(config: Config, assignment: str, student: str) -> dict[str, float]:
    """The marks that a person gave in place of the automatic ones, by function."""
    course = CourseDirectory(config=config)
    with Gradebook(course.db_url, course.course_id) as gradebook:
        notebook = gradebook.find_submission_notebook(assignment, assignment, student)
        return {
            part_of(grade.name): grade.manual_score
            for grade in notebook.grades
            if grade.manual_score is not None
        }
