"""What happens to each submission of a class: judges side by side, one writer, nothing done twice.

What ends in the gradebook and in the graded folders is what nbgrader's own loop leaves there, with
the same preprocessors from the same lists.
"""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import nbformat
from nbgrader.api import Gradebook

from autograder.classes.conversion import Conversion
from autograder.classes.job import Job, Outcome
from autograder.classes.kinds import kind_of
from autograder.classes.plan import Plan
from autograder.classes.pool import Lost, Pool, Work, settle
from autograder.classes.staging import CannotWrite, Staging, stop_where_full
from autograder.engine.warm.handle import SandboxedRunner
from autograder.gradebook.ledger import Entry, Ledger
from autograder.gradebook.preprocessors import adopt_notebook
from autograder.gradebook.record import read_record
from autograder.submissions.handed_in import HandedIn, content_of
from autograder.submissions.times import timestamp_of

BATCH = 25
BATCH_SECONDS = 0.5


class Watch(Protocol):
    """Who is told how a class run goes. Each student is told about exactly once."""

    def graded(self, student: str, outcome: Outcome, notes: Sequence[str]) -> None:
        """Graded, and everything is written. notes: see `Job`."""
        ...

    def unchanged(self, student: str, told: Sequence[str], points: float) -> None:
        """Grading again would change nothing: nothing was written. told: of what was handed in;
        points: what it got."""
        ...

    def skipped(self, student: str) -> None:
        """Graded before."""
        ...

    def empty(self, student: str) -> None:
        """Nothing to grade."""
        ...

    def failed(self, student: str, why: str) -> None:
        """Not graded; what there was before is still there."""
        ...

    def log(self, student: str, lines: Sequence[tuple[str, str]]) -> None:
        """What was said over a submission: level and text."""
        ...

    def say(self, text: str) -> None:
        """Something about the whole run."""
        ...


@dataclass(frozen=True)
class Done:
    """A submission that is graded, and made in the staging area, but not yet written down."""

    job: Job
    outcome: Outcome


class Pipeline:
    """From a submission's folder to its marks and its graded folder.

    In the folder that nbgrader's own loop stands in, too: hooks and preprocessors look around
    themselves.
    """

    def __init__(self, plan: Plan, watch: Watch) -> None:
        self._plan, self._watch = plan, watch
        self._converter, self._course = plan.converter, plan.converter.coursedir
        self._kind = kind_of(plan)
        self._handed_in = HandedIn(plan.beside_graded, plan.name)
        self._done: list[Done] = []
        self._since = time.monotonic()

    def grade(self, students: Sequence[str]) -> None:
        """Grade them, and tell the watch of each.

        Raises
        ------
        LockedGradebook, CannotWrite where nothing more can be written; Stopped where a solved
        notebook does not get full marks. What was graded stays.
        """
        count = max(1, min(self._plan.at_a_time, len(students)))
        with (
            Staging(self._plan.beside_graded) as self._staging,
            # Judges first: none of them has the gradebook open.
            Pool(Job, Outcome, count, self._prepare, self._kind.patience) as pool,
            Gradebook(self._course.db_url, self._course.course_id) as gradebook,
        ):
            self._ledger = Ledger(gradebook, self._plan.facts)
            try:
                for come in pool.run(self._jobs(students)):
                    if come is not None:
                        self._take(*come)
                    waited = time.monotonic() - self._since
                    if len(self._done) >= BATCH or waited > BATCH_SECONDS:
                        self._write_down()
            finally:
                # Ctrl-C, too: what is graded is kept.
                self._write_down()

    def _prepare(self, place: int) -> Callable[[], Work[Job, Outcome]]:
        """Before a judge's process is forked: a line of its own to the warm process."""
        runner = self._plan.runner
        lent = runner.lend(self._kind.modules) if isinstance(runner, SandboxedRunner) else None

        def make_work() -> Work[Job, Outcome]:
            if isinstance(runner, SandboxedRunner) and lent is not None:
                runner.borrow(lent)
                settle(place)
            return Conversion(self._plan, self._staging)

        return make_work

    # ── Before the judge ───────────────────────────────────────────────────────────────────────

    def _jobs(self, students: Sequence[str]) -> Iterator[Job]:
        rehearsed = False
        for student in students:
            try:
                job = self._job(student)
            except (Exception, SystemExit) as error:
                self._fail(student, error)
                continue
            if job is not None:
                if not rehearsed:
                    self._kind.rehearse()
                    rehearsed = True
                yield job

    def _job(self, student: str) -> Job | None:
        """What a judge needs to know; None where there is nothing to do."""
        folder, graded = self._plan.handed_in(student), self._plan.graded(student)
        notes = self._kind.adopt(folder)
        timestamp, of_time = timestamp_of(folder)
        notes = [*notes, *of_time]
        meant = f"{self._course.notebook_id}.ipynb"
        there = graded.is_dir() and all(
            (graded / path.name).exists()
            for path in (() if self._plan.whole else folder.glob(meant))
        )
        content = content_of(folder)
        if there and not self._converter.force:
            before, _unread = timestamp_of(graded)
            newer = timestamp is not None and before is not None and timestamp > before
            same = self._handed_in.read(student) in ("", content)
            if same and not newer and self._ledger.has(student):
                self._watch.skipped(student)
                return None
        found = sorted(folder.glob(meant))
        if not found and not self._plan.again:
            self._watch.empty(student)
            return None
        with self._at(student, found):
            if self._converter.pre_convert_hook is not adopt_notebook:  # which is done already
                self._converter.run_pre_convert_hook()
        notebooks = self._kind.to_grade(folder, [Path(name) for name in self._converter.notebooks])
        if not self._converter.create_student and not self._ledger.knows_student(student):
            raise LookupError(f"no student with ID {student!r} exists in the database")
        job = Job(student, folder, graded, tuple(notebooks), timestamp, tuple(notes), content)
        prepared = self._kind.prepared(job, self._ledger)
        if prepared is None:
            self._handed_in.write(student, content)
            record = read_record(graded, self._plan.name)
            before_now = record.problems if record else []
            points = record.points if record else 0.0
            self._watch.unchanged(student, [*notes, *before_now], points)
        return prepared

    @contextlib.contextmanager
    def _at(self, student: str, notebooks: Iterable[Path]) -> Iterator[None]:
        """nbgrader's hooks are told of one submission."""
        self._converter.notebooks = [str(path) for path in notebooks]
        meant = self._course.assignment_id, self._course.student_id
        self._course.assignment_id, self._course.student_id = self._plan.name, student
        try:
            yield
        finally:
            self._course.assignment_id, self._course.student_id = meant

    # ── After the judge ────────────────────────────────────────────────────────────────────────

    def _take(self, job: Job, outcome: Outcome | Lost) -> None:
        """Hold on to what came of a submission until it is written down."""
        if isinstance(outcome, Lost):
            self._watch.log(job.student, [("ERROR", str(outcome))])
            self._watch.failed(job.student, str(outcome))
        elif outcome.full:
            raise CannotWrite(outcome.full)
        elif outcome.failed:
            self._watch.log(job.student, outcome.log)
            self._watch.failed(job.student, outcome.failed)
        else:
            if not self._done:
                self._since = time.monotonic()
            self._done.append(Done(job, outcome))

    def _write_down(self) -> None:
        """Marks first, then the folders: who has a folder has marks."""
        batch, self._done = self._done, []
        self._since = time.monotonic()
        if not batch:
            return
        entries = [
            Entry(d.job.student, d.job.timestamp, self._kind.sheets(d.job, d.outcome))
            for d in batch
        ]
        late = set(self._ledger.write(entries, waiting=self._watch.say))
        for done in batch:
            try:
                self._finish(done, late=done.job.student in late)
            except (Exception, SystemExit) as error:
                self._fail(done.job.student, error)

    def _finish(self, done: Done, *, late: bool) -> None:
        job, outcome, student = done.job, done.outcome, done.job.student
        names = [p.name for p in job.notebooks if (outcome.half / p.name).is_file()]
        steps = self._plan.late_steps if late else self._plan.other_steps
        if steps:
            for name in names:
                self._other_steps(steps, done, name)
        self._staging.place(outcome.half, job.graded)
        if self._course.groupshared:
            self._converter.set_permissions(self._plan.name, student)
        self._kind.keep(job, outcome)
        self._handed_in.write(student, job.content)
        with self._at(student, [job.graded / name for name in names]):
            self._converter.run_post_convert_hook()
        told = [("INFO", line) for line in self._kind.told(outcome)]
        self._watch.log(student, [*outcome.log, *told, ("INFO", _summed_up(job, outcome))])
        self._watch.graded(student, outcome, job.notes)

    def _other_steps(self, steps: Sequence[Any], done: Done, name: str) -> None:
        """Late penalties and what else stands in the list behind the marks, as nbgrader does."""
        file = done.outcome.half / name
        before = file.read_text("utf-8")
        notebook = nbformat.reads(before, 4)
        resources: Any = {"nbgrader": self._plan.told_of(done.job.student, file.stem)}
        for step in steps:
            notebook, resources = step(notebook, resources)
        text = nbformat.writes(notebook, version=4) + "\n"
        if text != before:
            self._staging.write(done.outcome.half, name, text)

    def _fail(self, student: str, error: BaseException) -> None:
        """A failure stays with its own, but for one that all others will have, too."""
        stop_where_full(error)
        self._watch.failed(student, f"{type(error).__name__}: {error}")


def _summed_up(job: Job, outcome: Outcome) -> str:
    now = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
    round_ = f", round {job.round}" if job.round else ""
    points = f"{outcome.points:g} of {outcome.max_points:g} points"
    return f"{points} in {outcome.seconds:.2f} s{round_}, at {now}"
