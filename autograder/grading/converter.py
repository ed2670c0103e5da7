"""nbgrader's Autograde for a whole class: judges side by side, one writer, nothing done twice.

What ends in the gradebook and in the autograded folders is what nbgrader's own loop leaves there,
with the same preprocessors from the same lists.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import nbformat
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades
from nbgrader.utils import find_all_files
from traitlets import Integer, Unicode

from autograder.catalog import ExerciseSet, find_set
from autograder.engine.cluster import scheduler_runner
from autograder.engine.interface import Limits
from autograder.engine.remote import RemoteRunner
from autograder.engine.sandbox import SandboxedRunner, default_runner, require_sandbox
from autograder.grading import Stopped
from autograder.grading.cache import Cache, digest, listing
from autograder.grading.conversion import Conversion, split
from autograder.grading.crew import Crew, Job, Lost, Work, settle
from autograder.grading.fingerprints import environment, fingerprints
from autograder.grading.intake import drop_links, see_to_timestamp, take_in
from autograder.grading.ledger import Entry, Ledger
from autograder.grading.marks import Comment, Mark
from autograder.grading.nbgrader_parts import GradeSubmission, SaveGrades, SubmissionExporter
from autograder.grading.rounds import Round, current_round
from autograder.grading.shelf import Shelf
from autograder.grading.source_facts import SourceFacts, read_facts
from autograder.grading.submission import MAX_FILE
from autograder.grading.waiting import Texts
from autograder.notebooks import cell_limits
from autograder.project import Project
from autograder.verdict import Verdict

BATCH = 25
BATCH_SECONDS = 0.5
# No submission is waited for longer than its judge may need, and its limits allow: for cells and
# for calls, and for both once more where it is asked what to mend first.
PATIENCE_SECONDS = 300.0
TIMES = 4
# Settings that decide how a class is graded, and not what comes out.
HOW = (
    "force",
    "workers",
    "scheduler",
    "seed",
    "round_number",
    "require_sandbox",
    "create_student",
)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class CannotWrite(Stopped):
    """There is no room, or no right, to write what was graded."""


class Watch(Protocol):
    """Who is told how a class run goes. Each student is told about exactly once."""

    def graded(self, student: str, verdicts: dict[str, dict[str, Any]], adopted: str) -> None:
        """Graded, and everything is written. adopted: what was done to find a notebook."""
        ...

    def unchanged(self, student: str) -> None:
        """Grading again would change nothing: nothing was written."""
        ...

    def skipped(self, student: str) -> None:
        """Graded before."""
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


@dataclass
class Done:
    """A submission that is graded, and made on the shelf, but not yet written down."""

    job: Job
    outcome: Job
    half: Path


class ClassAutograde(Autograde):
    """nbgrader's converter, and the one for a class of ours."""

    workers = Integer(
        os.cpu_count() or 1, min=1, help="How many submissions are graded at a time."
    ).tag(config=True)
    scheduler = Unicode(
        "",
        help="The address of a dask.distributed scheduler whose workers run the submissions, or "
        "'local' to start one; without it they run here.",
    ).tag(config=True)

    processed = False

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """See nbgrader. `processed` tells whether the loop did anything."""
        self.processed = bool(super().init_destination(assignment_id, student_id))
        return self.processed

    def facts_of(self, assignment: str) -> SourceFacts | None:
        """What the gradebook knows of an assignment that can be graded as a class; None for one
        that nbgrader's own loop must grade.

        Raises
        ------
        MissingEntry where the gradebook does not know the assignment.
        """
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            facts = read_facts(gradebook, assignment)
        alike = self.exporter_class is SubmissionExporter and not self.preprocessors
        whole = self.coursedir.notebook_id == "*" and not self.exclude_overwriting
        return facts if alike and whole else None

    def grade_class(
        self,
        project: Project,
        facts: SourceFacts,
        students: Sequence[str],
        watch: Watch,
        again: Mapping[str, Round] | None = None,
        elsewhere: RemoteRunner | None = None,
    ) -> None:
        """Grade the submissions of a class.

        again: the rounds whose seeds are used again, by student; the open round where None.
        elsewhere: where the submissions run, if not here.

        Raises
        ------
        LockedGradebook, CannotWrite where nothing more can be written. What was graded stays.
        """
        # nbgrader's own loop stands there, too: hooks and preprocessors look around themselves.
        with contextlib.chdir(self.coursedir.root):
            run = _ClassRun(self, project, facts, watch, again, elsewhere)
            try:
                run.grade(students)
            finally:
                run.close()

    @contextlib.contextmanager
    def elsewhere(self) -> Iterator[RemoteRunner | None]:
        """Where the submissions run, if not here.

        Raises
        ------
        NoCluster.
        """
        if not self.scheduler:
            yield None
            return
        told = self.scheduler == "local" or "workers" in self.config.get("ClassAutograde", {})
        with scheduler_runner(self.scheduler, self.workers if told else None) as runner:
            yield runner


class _ClassRun:
    def __init__(
        self,
        converter: ClassAutograde,
        project: Project,
        facts: SourceFacts,
        watch: Watch,
        again: Mapping[str, Round] | None,
        elsewhere: RemoteRunner | None,
    ) -> None:
        self.converter = converter
        self.elsewhere = elsewhere
        self.at_a_time = converter.workers if elsewhere is None else elsewhere.sessions
        self.course = converter.coursedir
        self.facts = facts
        self.name = facts.assignment
        self.project = project
        self.watch = watch
        self.again = again
        self.set: ExerciseSet = find_set(self.name, project)
        self.round = current_round(project, self.name) if again is None else None
        exporter = converter.exporter_class(parent=converter, config=converter.config)
        self.sanitize = _made(exporter, converter.sanitize_preprocessors)
        self.autograde, self.rest = split(_made(exporter, converter.autograde_preprocessors))
        for part in self.autograde:
            if isinstance(part, GradeSubmission) and elsewhere is not None:
                part.runner = elsewhere
                if part.require_sandbox:
                    require_sandbox(elsewhere)
        grading = [part for part in self.autograde if isinstance(part, GradeSubmission)]
        self.limits = grading[0].limits_of(self.name) if grading else Limits()
        self.late_steps = [p for p in self.rest if type(p) not in (SaveGrades, SaveAutoGrades)]
        self.other_steps = [p for p in self.late_steps if type(p) is not AssignLatePenalties]
        self.source_files = self._source_files()
        self.cache = Cache(
            project.grading / "cache", self.name, self._common(), fingerprints(self.set)
        )
        autograded = Path(converter._format_dest(".", ".")).resolve()
        self.shelf = Shelf(autograded.parent)
        self.gradebook: Gradebook | None = None
        self.texts = Texts(project, self.name)
        self.done: list[Done] = []
        self.since = time.monotonic()

    def close(self) -> None:
        self.shelf.close()
        if self.gradebook is not None:
            self.gradebook.close()

    def grade(self, students: Sequence[str]) -> None:
        # Judges first: none of them has the gradebook open.
        patience = PATIENCE_SECONDS + TIMES * self.limits.notebook_seconds
        with Crew(self._count(students), self._prepare, patience) as crew:
            self.gradebook = Gradebook(self.course.db_url, self.course.course_id)
            self.ledger = Ledger(self.gradebook, self.facts)
            try:
                for come in crew.run(self._jobs(students)):
                    if come is not None:
                        self._take(*come)
                    if len(self.done) >= BATCH or time.monotonic() - self.since > BATCH_SECONDS:
                        self._write_down()
            finally:
                # Ctrl-C, too: what is graded is kept.
                self._write_down()

    def _count(self, students: Sequence[str]) -> int:
        return max(1, min(self.at_a_time, len(students)))

    def _prepare(self, place: int) -> Callable[[], Work]:
        """Before a judge's process is forked: a line of its own to the warm process."""
        runner = default_runner() if self.elsewhere is None else self.elsewhere
        lent = runner.lend() if isinstance(runner, SandboxedRunner) else None

        def make_work() -> Work:
            if isinstance(runner, SandboxedRunner) and lent is not None:
                runner.borrow(lent)
                settle(place)
            return Conversion(
                self.facts,
                self.set,
                self.sanitize,
                self.autograde,
                self.course.db_url,
                self.converter.log,
            )

        return make_work

    # ── Before the judge ───────────────────────────────────────────────────────────────────────

    def _jobs(self, students: Sequence[str]) -> Iterator[Job]:
        for student in students:
            try:
                job = self._job(student)
            except (Exception, SystemExit) as error:
                _stop_where_full(error)
                self.watch.failed(student, f"{type(error).__name__}: {error}")
                continue
            if job is not None:
                yield job

    def _job(self, student: str) -> Job | None:
        """What a judge needs to know; None where there is nothing to do."""
        folder = Path(self.converter._format_source(self.name, student))
        graded = Path(self.converter._format_dest(self.name, student))
        drop_links(folder)  # before anything in there is opened
        see_to_timestamp(folder)
        timestamp = self.course.get_existing_timestamp(str(folder))
        if graded.is_dir() and not self.converter.force:
            before = self.course.get_existing_timestamp(str(graded))
            if timestamp is None or before is None or timestamp <= before:
                self.watch.skipped(student)
                return None
        # What was graded once and is gone since is no empty submission.
        adopted = take_in(folder, self.name) if self.again is None else ""
        path = self._notebook(folder, student)
        if not self.converter.create_student and not self.ledger.knows_student(student):
            raise LookupError(f"no student with ID {student!r} exists in the database")
        grading_round = self.round if self.again is None else self.again[student]
        assert grading_round is not None
        others = {n: s for n, s in listing(folder).items() if n != path.name}
        with path.open("rb") as file:
            # Of a larger one nothing is read, and it gets nothing.
            content = file.read(MAX_FILE + 1)
        key = self.cache.key([content, json.dumps(others, sort_keys=True)], grading_round.seed)
        kept = self.cache.find(student, key)
        if kept is not None and kept.whole and graded.is_dir() and not self.other_steps:
            known = self.ledger.state(student)
            if known is not None and known.settled and not known.late:
                scores = {p.name: known.scores.get(p.grade_id) for p in self.set.parts}
                if kept.matches(graded, scores):
                    self.watch.unchanged(student)
                    return None
        return {
            "student": student,
            "path": str(path),
            "adopted": adopted,
            "timestamp": None if timestamp is None else timestamp.isoformat(),
            "key": key,
            "seed": grading_round.seed,
            "round": grading_round.number,
            "standing": {n: _as_dict(v) for n, v in (kept.verdicts if kept else {}).items()},
        }

    def _notebook(self, folder: Path, student: str) -> Path:
        """The notebook under its right name, after the course's hook has had its say."""
        converter = self.converter
        converter.notebooks = sorted(map(str, folder.glob("*.ipynb")))
        meant = self.course.assignment_id, self.course.student_id
        self.course.assignment_id, self.course.student_id = self.name, student
        try:
            converter.run_pre_convert_hook()
        finally:
            self.course.assignment_id, self.course.student_id = meant
        wanted = folder / f"{self.name}.ipynb"
        if not wanted.is_file():
            raise FileNotFoundError(f"no notebook {wanted.name} in {folder}")
        return wanted

    def _source_files(self) -> dict[str, Path]:
        """The files beside the source notebook, which every graded folder gets."""
        folder = self.course.format_path(self.course.source_directory, ".", self.name)
        found = find_all_files(folder, [*self.course.ignore, "*.ipynb"])
        return {os.path.relpath(file, folder): Path(file) for file in found}

    def _common(self) -> str:
        """A hash of what is the same for the whole class, beside the parts and the seed."""
        config = {
            section: kept
            for section, settings in self.converter.config.items()
            if section != "CourseDirectory" and isinstance(settings, dict)
            if (kept := {k: v for k, v in settings.items() if k not in HOW})
        }
        support = self.project.exercises / self.name
        files = {**{f"s/{n}": p for n, p in self.source_files.items()}}
        files |= {f"e/{p.relative_to(support)}": p for p in support.rglob("*") if p.is_file()}
        return digest(
            [
                environment(),
                json.dumps(cell_limits(self.set), sort_keys=True),
                repr(self.facts),
                json.dumps([asdict(self.limits), config], sort_keys=True, default=str),
                *(part for name in sorted(files) for part in (name, files[name].read_bytes())),
            ]
        )

    # ── After the judge ────────────────────────────────────────────────────────────────────────

    def _take(self, job: Job, outcome: Job | Lost) -> None:
        """Make the graded folder on the shelf."""
        student = job["student"]
        if isinstance(outcome, Lost):
            self.watch.log(student, [("ERROR", str(outcome))])
            self.watch.failed(student, str(outcome))
            return
        if "failed" in outcome:
            self.watch.log(student, outcome["log"])
            self.watch.failed(student, outcome["failed"])
            return
        folder = Path(job["path"]).parent
        ours: dict[str, Path | str] = {**self.source_files}
        ours[f"{self.name}.ipynb"] = outcome["notebook"]
        try:
            handed_in = find_all_files(str(folder), [*self.course.ignore, "*.ipynb"])
            theirs = {os.path.relpath(f, folder): Path(f) for f in handed_in}
            files = {**_beside(theirs, set(ours)), **ours}
            half = self.shelf.make(files, int(str(self.converter.permissions), 8))
        except Exception as error:
            _stop_where_full(error)
            self.watch.failed(student, f"{type(error).__name__}: {error}")
            return
        if not self.done:
            self.since = time.monotonic()
        self.done.append(Done(job, outcome, half))

    def _write_down(self) -> None:
        """Marks first, then the folders: who has a folder has marks."""
        batch, self.done = self.done, []
        self.since = time.monotonic()
        if not batch:
            return
        entries = [_entry(done, self.texts.read(done.job["student"])) for done in batch]
        late = set(self.ledger.write(entries, waiting=self.watch.say))
        for done, entry in zip(batch, entries, strict=True):
            student = done.job["student"]
            try:
                self.texts.write(student, {m.grade_id: m.text for m in entry.marks if m.text})
                self._finish(done, late=student in late)
            except (Exception, SystemExit) as error:
                _stop_where_full(error)
                self.watch.failed(student, f"{type(error).__name__}: {error}")

    def _finish(self, done: Done, *, late: bool) -> None:
        job, student = done.job, done.job["student"]
        graded = Path(self.converter._format_dest(self.name, student))
        steps = self.late_steps if late else self.other_steps
        if steps:
            self._other_steps(steps, done)
        self.shelf.place(done.half, graded)
        if self.course.groupshared:
            self.converter.set_permissions(self.name, student)
        if not done.outcome["by_chance"]:
            self.cache.keep(student, job["key"], done.outcome["verdicts"], graded)
        self.converter.notebooks = [str(graded / f"{self.name}.ipynb")]
        self.converter.run_post_convert_hook()
        self.watch.log(student, [*done.outcome["log"], *_told(done)])
        self.watch.graded(student, done.outcome["verdicts"], job["adopted"])

    def _other_steps(self, steps: Sequence[Any], done: Done) -> None:
        """Late penalties and what else stands in the list behind the marks, as nbgrader does."""
        file = done.half / f"{self.name}.ipynb"
        notebook = nbformat.read(file, 4)
        resources: Any = {
            "nbgrader": {
                "student": done.job["student"],
                "assignment": self.name,
                "notebook": self.name,
                "db_url": self.course.db_url,
            }
        }
        for step in steps:
            notebook, resources = step(notebook, resources)
        text = nbformat.writes(notebook, version=4) + "\n"
        if text != done.outcome["notebook"]:
            mode = file.stat().st_mode
            file.unlink()
            file.write_text(text, "utf-8")
            file.chmod(mode)


def _made(exporter: Any, listed: Sequence[Any]) -> list[Any]:
    """nbgrader's list of preprocessors, as its exporter makes them."""
    exporter._preprocessors = []
    for part in listed:
        exporter.register_preprocessor(part)
    return [part for part in exporter._preprocessors if part.enabled]


def _beside(theirs: dict[str, Path], ours: set[str]) -> dict[str, Path]:
    """Those files that leave ours room: none is a folder of ours, or lies below a file of ours."""
    above = {str(parent) for name in ours for parent in Path(name).parents}
    return {
        name: path
        for name, path in theirs.items()
        if name not in above and not {str(parent) for parent in Path(name).parents} & ours
    }


def _told(done: Done) -> Iterator[tuple[str, str]]:
    """What came of a submission, for its log."""
    verdicts = done.outcome["verdicts"]
    for name, verdict in verdicts.items():
        points = f"{verdict['points']:g} of {verdict['max_points']:g}"
        named = f", {verdict['mistake']}" if verdict["mistake"] else ""
        yield "INFO", f"{name}: {points}, {verdict['status']}{named}"
    got, most = (sum(v[key] for v in verdicts.values()) for key in ("points", "max_points"))
    now = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
    seconds = done.outcome["seconds"]
    number = done.job["round"]
    yield "INFO", f"{got:g} of {most:g} points in {seconds:.2f} s, round {number}, at {now}"


def _entry(done: Done, texts: Mapping[str, str]) -> Entry:
    stamp = done.job["timestamp"]
    return Entry(
        done.job["student"],
        None if stamp is None else datetime.datetime.fromisoformat(stamp),
        [Mark(*mark).after(texts) for mark in done.outcome["marks"]],
        [Comment(*comment) for comment in done.outcome["comments"]],
    )


def _as_dict(verdict: Verdict) -> dict[str, Any]:
    return {field.name: getattr(verdict, field.name) for field in fields(Verdict)}


def _stop_where_full(error: BaseException) -> None:
    """A full disk fails everybody: say it once.

    Raises
    ------
    CannotWrite.
    """
    if isinstance(error, OSError) and error.errno in FULL:
        raise CannotWrite(
            f"what was graded cannot be written ({error.strerror}: {error.filename}). Make room, "
            "then start again: what is graded already stays."
        ) from error
