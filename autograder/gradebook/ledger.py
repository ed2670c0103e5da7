"""The one writer of the gradebook while a class is graded.

What a batch of submissions earned goes in as one transaction: the same rows that nbgrader's own
preprocessors write, without its commit a cell and its nine openings a submission.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from nbgrader.api import (
    Comment as CommentRow,
)
from nbgrader.api import (
    Grade,
    Gradebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    new_uuid,
)
from nbgrader.utils import parse_utc
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from autograder.gradebook.marks import Mark, Sheet
from autograder.gradebook.source_facts import NotebookFacts, SourceFacts
from autograder.grading import Stopped
from autograder.release.trouble import trouble

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.2
# nbgrader's preprocessors open the gradebook without the course's name, which leaves this row.
UNNAMED_COURSE = "default_course"


class LockedGradebook(Stopped):
    """Somebody else keeps the gradebook locked, or it cannot be written to."""


@dataclass(frozen=True)
class Entry:
    """What one submission earned, by notebook. timestamp: when it was handed in, or None."""

    student: str
    timestamp: datetime.datetime | None
    sheets: dict[str, Sheet] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """What the gradebook has of a submitted notebook.

    scores: the automatic ones, by grade_id. settled: whether every flag is as grading the same
    again would leave it; a mark by hand in a check's place is to be looked at after each grading.
    late: whether a penalty is to be worked out, or is there and may be to be taken away.
    """

    scores: dict[str, float | None]
    settled: bool
    late: bool


@dataclass(frozen=True)
class _Submission:
    """Rows that are there. notebooks: ids of the submitted ones, by those of their sources.
    penalised: whether one of them has a penalty for being late."""

    id: str
    timestamp: datetime.datetime | None
    extension: datetime.timedelta | None
    notebooks: dict[str, str]
    penalised: bool = False


class Ledger:
    """Writes entries of one assignment into an open gradebook."""

    def __init__(self, gradebook: Gradebook, facts: SourceFacts) -> None:
        self.gradebook = gradebook
        self.facts = facts
        gradebook.check_course(UNNAMED_COURSE)

    def knows_student(self, student: str) -> bool:
        """Whether the roster has somebody."""
        with self._session() as db:
            return db.get(Student, student) is not None

    def has(self, student: str) -> bool:
        """Whether there are marks of somebody's, whatever folders there are."""
        with self._session() as db:
            found = self._submission(db, student)
            return found is not None and bool(found.notebooks)

    def state(self, student: str, notebook: str) -> State | None:
        """What the gradebook has of a submitted notebook; None where it has none."""
        with self._session() as db:
            found = self._submission(db, student)
            facts = self.facts.notebooks[notebook]
            if found is None or facts.id not in found.notebooks:
                return None
            rows = db.execute(
                select(
                    Grade.cell_id, Grade.auto_score, Grade.manual_score, Grade.needs_manual_grade
                ).where(
                    Grade.cell_id.in_(facts.graded.values()),
                    Grade.notebook_id == found.notebooks[facts.id],
                )
            ).all()
            names = {cell_id: name for name, cell_id in facts.graded.items()}
            by_hand = {i for n, i in facts.graded.items() if n in facts.commented}
            return State(
                {names[cell_id]: score for cell_id, score, _manual, _look in rows},
                all(
                    look == Mark("", score, same=cell in by_hand).needs_manual_grade(manual, look)
                    for cell, score, manual, look in rows
                ),
                found.penalised or self._is_late(found.timestamp, found.extension),
            )

    def write(
        self, entries: list[Entry], *, waiting: Callable[[str], None] = lambda text: None
    ) -> list[str]:
        """Write a batch, all or nothing. Returns the students who were late.

        waiting: is told once where the gradebook is locked.

        Raises
        ------
        LockedGradebook where it stays locked for a minute, or cannot be written to.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        told = False
        while True:
            try:
                with self._session() as db, db.begin():
                    return [entry.student for entry in entries if self._put(db, entry)]
            except IntegrityError:
                # Somebody added the same student or submission meanwhile: it is there next time.
                if time.monotonic() > deadline:
                    raise
            except OperationalError as error:
                reason = str(error.orig)
                if "locked" not in reason or time.monotonic() > deadline:
                    raise LockedGradebook(trouble(error)) from error
                if not told:
                    waiting(f"the gradebook is locked by somebody else; waiting ({reason})")
                    told = True
                time.sleep(PAUSE_SECONDS)

    def _session(self) -> Session:
        return Session(self.gradebook.engine, expire_on_commit=False)

    def _submission(self, db: Session, student: str) -> _Submission | None:
        rows = db.execute(
            select(
                SubmittedAssignment.id,
                SubmittedAssignment.timestamp,
                SubmittedAssignment.extension,
                SubmittedNotebook.notebook_id,
                SubmittedNotebook.id,
                SubmittedNotebook.late_submission_penalty,
            )
            .outerjoin(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .where(
                SubmittedAssignment.assignment_id == self.facts.assignment_id,
                SubmittedAssignment.student_id == student,
            )
        ).all()
        if not rows:
            return None
        submission, timestamp, extension = rows[0][:3]
        notebooks = {source: row for *_of_all, source, row, _penalty in rows if source is not None}
        penalised = any(penalty is not None for *_of_all, penalty in rows)
        return _Submission(submission, timestamp, extension, notebooks, penalised)

    def _put(self, db: Session, entry: Entry) -> bool:
        """Whether it was late."""
        timestamp = parse_utc(entry.timestamp) if entry.timestamp else None
        found = self._submission(db, entry.student)
        if found is None:
            found = self._add_submission(db, entry.student, timestamp)
        elif timestamp is None:
            timestamp = found.timestamp
        elif timestamp != found.timestamp:
            db.execute(
                update(SubmittedAssignment)
                .where(SubmittedAssignment.id == found.id)
                .values(timestamp=timestamp)
            )
        for name, facts in self.facts.notebooks.items():
            sheet, there = entry.sheets.get(name), found.notebooks.get(facts.id)
            if there is None:
                self._add(db, found.id, facts, sheet or Sheet())
            elif sheet is not None:
                self._change(db, there, facts, sheet)
        return self._is_late(timestamp, found.extension)

    def _is_late(
        self, timestamp: datetime.datetime | None, extension: datetime.timedelta | None
    ) -> bool:
        due = self.facts.duedate
        if due is not None and extension is not None:
            due = due + extension
        return timestamp is not None and due is not None and timestamp > due

    def _add_submission(
        self, db: Session, student: str, timestamp: datetime.datetime | None
    ) -> _Submission:
        if db.get(Student, student) is None:
            db.execute(insert(Student).values(id=student))
        made = _Submission(new_uuid(), timestamp, None, {})
        db.execute(
            insert(SubmittedAssignment).values(
                id=made.id,
                assignment_id=self.facts.assignment_id,
                student_id=student,
                timestamp=timestamp,
            )
        )
        return made

    def _add(self, db: Session, submission: str, facts: NotebookFacts, sheet: Sheet) -> None:
        notebook = new_uuid()
        db.execute(
            insert(SubmittedNotebook).values(
                id=notebook,
                assignment_id=submission,
                notebook_id=facts.id,
                flagged=False,
            )
        )
        marks = {mark.grade_id: mark for mark in sheet.marks}
        comments = {comment.grade_id: comment for comment in sheet.comments}
        grades = []
        for name, cell_id in facts.graded.items():
            mark = marks.get(name, Mark(name, None))
            grades.append(
                {
                    "id": new_uuid(),
                    "notebook_id": notebook,
                    "cell_id": cell_id,
                    "auto_score": mark.auto_score,
                    "needs_manual_grade": mark.needs_manual_grade(None),
                }
            )
        told = [
            {
                "id": new_uuid(),
                "notebook_id": notebook,
                "cell_id": cell_id,
                "auto_comment": comments[name].auto_comment if name in comments else None,
            }
            for name, cell_id in facts.commented.items()
        ]
        if grades:
            db.execute(insert(Grade), grades)
        if told:
            db.execute(insert(CommentRow), told)

    def _change(self, db: Session, notebook: str, facts: NotebookFacts, sheet: Sheet) -> None:
        # A penalty is worked out anew; who is late still gets it from nbgrader's own step.
        db.execute(
            update(SubmittedNotebook)
            .where(
                SubmittedNotebook.id == notebook,
                SubmittedNotebook.late_submission_penalty.is_not(None),
            )
            .values(late_submission_penalty=None)
        )
        marks = {facts.graded[m.grade_id]: m for m in sheet.marks}
        rows = db.execute(
            select(
                Grade.id,
                Grade.cell_id,
                Grade.auto_score,
                Grade.manual_score,
                Grade.needs_manual_grade,
            ).where(Grade.cell_id.in_(marks), Grade.notebook_id == notebook)
        ).all()
        for row, cell_id, score, manual, look in rows:
            mark = marks[cell_id]
            now = mark.needs_manual_grade(manual, look)
            if (score, look) != (mark.auto_score, now):
                db.execute(
                    update(Grade)
                    .where(Grade.id == row)
                    .values(
                        auto_score=mark.auto_score,
                        needs_manual_grade=now,
                    )
                )
        texts = {facts.commented[c.grade_id]: c.auto_comment for c in sheet.comments}
        told = db.execute(
            select(CommentRow.id, CommentRow.cell_id, CommentRow.auto_comment).where(
                CommentRow.cell_id.in_(texts), CommentRow.notebook_id == notebook
            )
        ).all()
        for row, cell_id, text in told:
            if text != texts[cell_id]:
                db.execute(
                    update(CommentRow)
                    .where(CommentRow.id == row)
                    .values(auto_comment=texts[cell_id])
                )
