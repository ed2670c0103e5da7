"""Grading a class: who is graded, what is shown meanwhile, and the summary at the end.

What is said over a submission goes to a file of its own. A submission that fails keeps what it
had, and takes no other one down.
"""

from __future__ import annotations

import contextlib
import difflib
import fnmatch
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.api import Base, Gradebook, MissingEntry
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import SAWarning, SQLAlchemyError
from traitlets.config import Config

from autograder.classes.converter import ClassAutograde
from autograder.classes.job import Outcome
from autograder.classes.pipeline import Pipeline
from autograder.classes.plan import make_plan
from autograder.engine.interface import NoCluster
from autograder.engine.warm.handle import default_runner, require_sandbox
from autograder.exercise import AuthorError
from autograder.gradebook.loop import put_back
from autograder.gradebook.preprocessors import GradeSubmission, is_ours
from autograder.gradebook.record import records_of
from autograder.gradebook.waiting import Waiting, points_by_hand, unmarked, waiting
from autograder.gradebook.waiting import told as told_of
from autograder.grading.rounds import Round
from autograder.i18n import _
from autograder.judging.verdict import Verdict
from autograder.project import Project
from autograder.release.configuration import course_config, place_of
from autograder.submissions.reasons import to_look_at

NOT_OURS = _(
    "%s is no set of this course: it is graded on this machine. Leave --scheduler out, or say "
    "--scheduler= where the configuration names one."
)
# How often a log is told how far a run is.
LINE_SECONDS = 30.0

Advance = Callable[[str], None]
Progress = Callable[[int, str], AbstractContextManager[Advance]]


@contextlib.contextmanager
def bar(total: int, title: str) -> Iterator[Advance]:
    """A bar with the time that is left; where nobody watches a terminal, a line now and then. What
    it yields is told of each student who is through."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(total, title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[student]}"),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(title, total=total, student="")
        yield lambda student: bars.update(task, advance=1, student=student)


def _lines(total: int, title: str) -> Advance:
    done, told = 0, time.monotonic()

    def advance(_student: str) -> None:
        nonlocal done, told
        done += 1
        if time.monotonic() - told >= LINE_SECONDS:
            told = time.monotonic()
            print(f"{title}: {done} of {total}", file=sys.stderr, flush=True)

    return advance


@contextlib.contextmanager
def quietly(total: int, title: str) -> Iterator[Advance]:
    """Shows nothing."""
    yield lambda student: None


@dataclass
class Summary:
    """What a grading run did.

    graded: the verdicts of the graded, by part. unchanged: graded again, and nothing was to be
    written. skipped: graded before. empty: who handed no notebook in. failed: why, by student.
    flagged: what an instructor should look at, by student. adopted: what intake did. points: what
    the graded got, and could get. remarks: what is to be known of all these marks.
    by_hand: what a person marks, and its points. waiting: what of that is still to be marked, of
    whoever was graded now or before.
    """

    assignment: str
    logs: Path
    graded: dict[str, dict[str, Verdict]] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    flagged: dict[str, list[str]] = field(default_factory=dict)
    adopted: dict[str, str] = field(default_factory=dict)
    points: dict[str, tuple[float, float]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    by_hand: dict[str, float] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 where everything could be graded, else 1."""
        return 1 if self.failed else 0

    @property
    def told_of(self) -> int:
        """How many students it says something about."""
        return sum(map(len, (self.graded, self.unchanged, self.skipped, self.empty, self.failed)))

    @property
    def mean_points(self) -> float:
        """The mean of the points that this run gave."""
        points = [got for got, _most in self.points.values()]
        return round(sum(points) / len(points), 2) if points else 0.0

    def lines(self) -> list[str]:
        """The summary in words."""
        out = [f"{len(self.graded)} graded, {len(self.skipped)} skipped as graded already."]
        if self.unchanged:
            out.append(f"{len(self.unchanged)} unchanged: nothing of theirs was to be done again.")
        if self.graded:
            most = max(most for _got, most in self.points.values())
            of = " of those" if self.unchanged or self.skipped else ""
            checks = " from checks" if self.by_hand else ""
            out.append(f"Mean{of} {self.mean_points:g} of {most:g} points{checks}.")
        if self.empty:
            out.append(f"No notebook to grade: {', '.join(self.empty)}.")
        out += self.remarks
        out += _listed("Taken in", self.adopted)
        out += self.to_look_at()
        out += _listed("Failed", self.failed)
        out += self.to_mark()
        out.append(f"What nbgrader said: {self.logs}")
        return out

    def to_look_at(self) -> list[str]:
        """Whose work somebody has to look at, and why."""
        return _listed("Please look at", {k: "; ".join(v) for k, v in self.flagged.items()})

    def to_mark(self) -> list[str]:
        """Who waits for a mark by hand."""
        if not self.waiting:
            return []
        title = _("To be marked by hand, in Formgrader under Manual Grading:")
        return [title, *(f"  {line}" for line in told_of(self.waiting))]


def _listed(title: str, told: Mapping[str, str]) -> list[str]:
    lines = [f"  {student}: {text}" for student, text in sorted(told.items())]
    return [f"{title}:", *lines] if lines else []


def grade_class(
    project: Project | None,
    assignment: str,
    students: Sequence[str] | None = None,
    *,
    force: bool = False,
    walled_in: bool | None = None,
    config: Config | None = None,
    progress: Progress = bar,
    say: Callable[[str], None] = print,
) -> Summary:
    """Grade what was submitted into autograded folders and the gradebook.

    project: the course; None where there is none around somebody else's assignment.
    students: these alone, names or patterns such as "a*"; all who handed something in where None.
    force: grade again what is graded already.
    walled_in: whether to refuse where there is no full sandbox; None: as the course's
    configuration says.
    config: nbgrader's configuration; that of the course's folder where None.

    Raises
    ------
    AuthorError where the gradebook does not know the assignment; FileNotFoundError where nobody,
    or one of the named students, handed anything in; NoSandbox; NoCluster where somebody else's
    assignment is to be graded on one.
    """
    if config is None:
        config = course_config(Path.cwd() if project is None else project.root)
    see_to_walls(config, walled_in)
    must_be_known(config, assignment)
    graded = place_of("autograded", config)
    grading = graded.parent if project is None else project.grading
    summary = Summary(assignment, grading / "logs" / assignment)
    course = CourseDirectory(config=config)
    found = _submitted(course, assignment, students)
    chosen = [name for name in found if name not in course.student_id_exclude.split(",")]
    converter = ClassAutograde(coursedir=course, config=config)
    converter.force = force
    # Not an application's, whose lines would run into the bar.
    converter.log = logging.getLogger("traitlets")
    ended = False
    try:
        run(project, converter, chosen, summary, progress=progress, say=say)
        ended = True
    finally:
        # After Ctrl-C and on a full disk, too: what is done is done.
        see_who_waits(config, summary)
        for line in summary.lines() if ended or summary.told_of else ():
            say(line)
    return summary


def see_who_waits(config: Config, summary: Summary) -> None:
    course = CourseDirectory(config=config)
    # Where the gradebook cannot be used any more, the error that is under way says so.
    with (
        contextlib.suppress(SQLAlchemyError),
        no_advice(),
        Gradebook(course.db_url, course.course_id) as gradebook,
    ):
        summary.by_hand = points_by_hand(gradebook, summary.assignment)
        summary.waiting = waiting(gradebook, summary.assignment)
        summary.remarks += unmarked(gradebook, summary.assignment)


def run(
    project: Project | None,
    converter: ClassAutograde,
    students: Sequence[str],
    summary: Summary,
    again: dict[str, Round] | None = None,
    *,
    progress: Progress,
    say: Callable[[str], None],
) -> None:
    """Grade these submissions. again: as in `plan.Plan`.

    Raises
    ------
    NoCluster where somebody else's assignment is to be graded on one.
    """
    assignment = summary.assignment
    ours = project if project is not None and is_ours(project, assignment) else None
    title = f"Grading {assignment}" if again is None else f"Regrading {assignment}"
    if ours is None and converter.scheduler:
        raise NoCluster(NOT_OURS % assignment)
    # nbgrader's own loop stands there, too: hooks and preprocessors look around themselves.
    with (
        no_advice(),
        converter.elsewhere() as elsewhere,
        contextlib.chdir(converter.coursedir.root),
    ):
        plan = make_plan(converter, assignment, ours, again, elsewhere)
        put_back(plan.beside_graded)
        # Before the bar, into which it would run.
        say(plan.runner.protects)
        with progress(len(students), title) as advance:
            Pipeline(plan, Reporter(summary, advance, say)).grade(students)


class Reporter:
    """Tells a summary, a bar and the logs how a class run goes."""

    def __init__(self, summary: Summary, advance: Advance, say: Callable[[str], None]) -> None:
        self.summary = summary
        self._advance = advance
        self.say = say
        summary.logs.mkdir(parents=True, exist_ok=True)

    def graded(self, student: str, outcome: Outcome, notes: Sequence[str]) -> None:
        """See `Watch`."""
        self.summary.graded[student] = outcome.verdicts
        self.summary.points[student] = outcome.points, outcome.max_points
        if outcome.remark and outcome.remark not in self.summary.remarks:
            self.summary.remarks.append(outcome.remark)
        flags: dict[str, list[str]] = {}
        for name, verdict in outcome.verdicts.items():
            if verdict.flagged:
                flags.setdefault(verdict.flagged, []).append(name)
        look = to_look_at(dict.fromkeys([*notes, *outcome.told]), outcome.points)
        look += [f"{', '.join(names)}: {why}" for why, names in flags.items()]
        if look:
            self.summary.flagged[student] = look
        others = [note for note in notes if note not in look]
        if others:
            self.summary.adopted[student] = " ".join(others)
        self._advance(student)

    def unchanged(self, student: str, told: Sequence[str], points: float) -> None:
        """See `Watch`. Whoever had to be looked at still has."""
        self.summary.unchanged.append(student)
        look = to_look_at(dict.fromkeys(told), points)
        if look:
            self.summary.flagged[student] = look
        self._advance(student)

    def skipped(self, student: str) -> None:
        """See `Watch`."""
        self.summary.skipped.append(student)
        self._advance(student)

    def empty(self, student: str) -> None:
        """See `Watch`."""
        self.summary.empty.append(student)
        self._advance(student)

    def failed(self, student: str, why: str) -> None:
        """See `Watch`."""
        log = self._log_of(student)
        self.summary.failed[student] = f"{why} ({log})" if log.is_file() else why
        self._advance(student)

    def log(self, student: str, lines: Sequence[tuple[str, str]]) -> None:
        """See `Watch`."""
        text = "".join(f"{level:<7} {line}\n" for level, line in lines)
        half = self.summary.logs / f".{student}.{os.getpid()}"
        try:
            half.write_text(text, "utf-8", errors="replace")
            half.replace(self._log_of(student))
        except OSError as error:
            # Marks do not hang on it.
            self.say(f"No log of {student} could be written: {error.strerror}.")

    def _log_of(self, student: str) -> Path:
        return self.summary.logs / f"{student}.log"


@contextlib.contextmanager
def no_advice() -> Iterator[None]:
    """nbgrader 0.9.6 with SQLAlchemy 2: several lines for every mark, of no import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)
        yield


def _submitted(
    course: CourseDirectory, assignment: str, students: Sequence[str] | None
) -> list[str]:
    # What no path has.
    anybody = "\0"
    place = course.format_path(course.submitted_directory, anybody, assignment)
    before, _anybody, after = place.partition(anybody)
    submitted, first = os.path.split(before)
    last, _slash, rest = after.partition(os.sep)
    names = os.listdir(submitted) if os.path.isdir(submitted) else []
    found = sorted(
        name[len(first) : len(name) - len(last)]
        for name in names
        if name.startswith(first) and name.endswith(last)
        if _may_hold(Path(submitted, name, rest))
    )
    meant = {s: [s] if s in found else fnmatch.filter(found, s) for s in students or ("*",)}
    absent = sorted(student for student in meant if not meant[student])
    if absent:
        who = "anybody" if absent == ["*"] else ", ".join(absent)
        raise FileNotFoundError(f"no submission of {who} for {assignment} in {submitted}.")
    return sorted({student for names in meant.values() for student in names})


def _may_hold(place: Path) -> bool:
    """Whether a submission is there, or something that nobody can look into: its learner must not
    go missing without a word."""
    try:
        place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def see_to_walls(config: Config, walled_in: bool | None) -> None:
    """Decide whether a sandbox is required, and refuse here where it is and there is none.

    Raises
    ------
    NoSandbox.
    """
    if walled_in is not None:
        config.GradeSubmission.require_sandbox = walled_in
    # Of a cluster's workers it is asked when they are there.
    here = not config.get("ClassAutograde", {}).get("scheduler")
    if here and GradeSubmission(config=config).require_sandbox:
        require_sandbox(default_runner())


def must_be_known(config: Config, assignment: str) -> None:
    """See to it that the gradebook has an assignment.

    Raises
    ------
    AuthorError that says how to put it there; what `trouble` tells of, where the gradebook cannot
    be used.
    """
    course = CourseDirectory(config=config)
    with Gradebook(course.db_url, course.course_id) as gradebook:
        # Of an older nbgrader's some columns are not there, which shows when they are read.
        for table in Base.registry.mappers:
            gradebook.db.query(table).first()
        try:
            gradebook.find_assignment(assignment)
        except MissingEntry:
            known = [known.name for known in gradebook.assignments]
            near = difflib.get_close_matches(assignment, known, 1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise AuthorError(
                f"the gradebook knows no assignment {assignment}: "
                f"run `autograder build {assignment}` first, or `nbgrader generate_assignment "
                f"{assignment}` for one of your own.{meant}"
            ) from None


def feedback_class(
    project: Project,
    assignment: str,
    students: Sequence[str] | None = None,
    *,
    progress: Progress = bar,
) -> tuple[int, dict[str, str]]:
    """Have nbgrader write the feedback pages: how many it wrote, and whose failed, with the reason.

    Raises
    ------
    AuthorError where the gradebook does not know the assignment; FileNotFoundError where nobody,
    or one of the named students, was graded.
    """
    config = course_config(project.root)
    must_be_known(config, assignment)
    graded = [record.student for record in records_of(project, assignment)]
    absent = sorted(set(students or ()) - set(graded))
    if absent or not graded:
        raise FileNotFoundError(
            f"no graded submission of {', '.join(absent) or 'anybody'} for {assignment}: "
            f"run `autograder autograde {assignment}` first."
        )
    chosen = graded if students is None else sorted(set(students))
    config.CourseDirectory.assignment_id = assignment
    failed: dict[str, str] = {}
    with progress(len(chosen), "Writing feedback") as advance:
        for student in chosen:
            config.CourseDirectory.student_id = student
            app = GenerateFeedback(coursedir=CourseDirectory(config=config), config=config)
            app.force = True
            with _logged(project.grading / "logs" / assignment / f"{student}.feedback.log") as log:
                app.log = log
                try:
                    app.start()
                except (Exception, SystemExit) as error:
                    why = _reason(log) or str(error)
                    if "MissingEntry" in why:
                        why += f"; grade again: `autograder autograde {assignment} --force`"
                    failed[student] = why
            advance(student)
    return len(chosen) - len(failed), failed


class _Keep(logging.Handler):
    """Keeps the errors, for the summary."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def _reason(log: logging.Logger) -> str:
    """The line of nbgrader's error messages that says most: the last line of a traceback."""
    texts = [text for h in log.handlers if isinstance(h, _Keep) for text in h.texts]
    traces = [text for text in texts if text.startswith("Traceback")]
    return (traces or texts or [""])[0].strip().splitlines()[-1] if texts else ""


@contextlib.contextmanager
def _logged(file: Path) -> Iterator[logging.Logger]:
    """A logger that writes a file instead of the terminal; nbgrader's hooks use traitlets'."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    log = logging.getLogger("autograder.grading.nbgrader")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [handler, _Keep()]
    hooks = logging.getLogger("traitlets")
    propagated, hooks.propagate = hooks.propagate, False
    hooks.addHandler(handler)
    try:
        yield log
    finally:
        hooks.propagate = propagated
        hooks.removeHandler(handler)
        log.handlers = [handler_ for handler_ in log.handlers if isinstance(handler_, _Keep)]
        handler.close()
