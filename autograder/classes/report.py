"""The class report: one HTML page that asks no other host for anything."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from nbgrader.api import MissingEntry
from nbgrader.coursedir import CourseDirectory

from autograder import __version__
from autograder.classes.clusters import Cluster, find_clusters
from autograder.engine.interface import NoSandbox
from autograder.exercise import AuthorError, Part
from autograder.gradebook.foreign import REMARK
from autograder.gradebook.reader import look_at, read_gradebook
from autograder.gradebook.record import Record, part_of, records_of
from autograder.gradebook.waiting import Waiting, points_by_hand, waiting, without_a_row
from autograder.judging.sets import find_set
from autograder.project import Project, open_private
from autograder.release.configuration import course_config, place_of
from autograder.submissions.reasons import to_look_at

TEMPLATE = "report.html.j2"
MOST_BINS = 10


@dataclass(frozen=True)
class Kind:
    """A status as the page shows it: in words, as a sign, and with a class for its colour."""

    status: str
    words: str
    sign: str


KINDS = [
    Kind("passed", "passed", "✓"),
    Kind("partial", "partial", "◐"),
    Kind("wrong", "wrong", "✗"),
    Kind("error", "error", "!"),
    Kind("timeout", "timed out", "∞"),
    Kind("not_attempted", "not attempted", "○"),
    Kind("missing", "missing", "–"),
]


@dataclass(frozen=True)
class Bin:
    """A column of the histogram: from `low` to below `high`, the last one inclusive."""

    low: float
    high: float
    count: int


@dataclass
class FunctionRow:
    """How the class did on one part. shares: status, count, and where its bar begins and ends."""

    name: str
    points: float
    mean: float
    passed: int
    total: int
    counts: dict[str, int]

    @property
    def rate(self) -> int:
        """Of a hundred learners, so many passed."""
        return round(100 * self.passed / self.total) if self.total else 0

    @property
    def shares(self) -> list[tuple[str, float, float]]:
        """Each status's stretch of a bar of length 100: status, start, length."""
        out, start = [], 0.0
        for status, count in self.counts.items():
            length = 100 * count / max(1, self.total)
            out.append((status, start, length))
            start += length
        return [share for share in out if share[2]]


@dataclass
class MistakeRow:
    """A mistake that the class made, or a failure without a name."""

    function: str
    name: str | None
    text: str
    students: list[str] = field(default_factory=list)


@dataclass
class Entry:
    """What the gradebook knows of a student. score: what counts, by hand or not. waiting: what a
    person has still to mark, by cell."""

    score: float | None = None
    late: bool = False
    by_hand: dict[str, float] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)


def write_report(
    project: Project, assignment: str, *, expected: Path | None = None, to: Path | None = None
) -> Path:
    """Write the page to a file, grading/reports/<assignment>.html where none is named, and return
    its path.

    expected: the marks that a sample class must get, as `autograder sample-class` writes them;
    the page then says which are different.

    Raises
    ------
    AuthorError where nothing was graded yet, the gradebook knows of no marks, or its place is not
    yours to write.
    """
    records, lost = _in_the_gradebook(project, assignment)
    if not records and lost:
        raise AuthorError("; ".join(lost) + ".")
    if not records:
        raise AuthorError(
            f"nothing of {assignment} was graded yet: run `autograder autograde {assignment}`."
        )
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(TEMPLATE).render(
        **_context(project, assignment, records, lost),
        predicted=None if expected is None else _predicted(records, expected),
    )
    if to is None:
        to = project.grading / "reports" / f"{assignment}.html"
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_text(page, "utf-8")
        except PermissionError as error:
            raise AuthorError(
                f"you may not write {to}: name a file of your own with `-o FILE`."
            ) from error
    else:
        with open_private(to) as file:
            file.write(page)
    return to


def _in_the_gradebook(project: Project, assignment: str) -> tuple[list[Record], list[str]]:
    """The records of those who have marks; and who has none any more."""
    config = course_config(project.root)
    course = CourseDirectory(config=config)
    # An older gradebook may answer no question of ours, and hold marks all the same.
    look_at(course)
    with read_gradebook(course) as gradebook:
        lost = without_a_row(gradebook, assignment, place_of("autograded", config))
        try:
            known = {s.student_id for s in gradebook.assignment_submissions(assignment)}
        except MissingEntry:
            known = set()
    return [r for r in records_of(project, assignment) if r.student in known], lost


def _context(
    project: Project, assignment: str, records: list[Record], lost: list[str]
) -> dict[str, Any]:
    ours = assignment in project.sets
    parts = find_set(assignment, project).parts if ours else _tests(records)
    clusters, alone = _clusters(project, assignment) if ours else ([], "")
    entries, by_hand = _entries(project, assignment)
    waiting = [w for entry in entries.values() for w in entry.waiting.values()]
    scores = {r.student: _score(r, entries.get(r.student)) for r in records}
    most = max(record.max_points for record in records) + sum(by_hand.values())
    return {
        "assignment": assignment,
        "ours": ours,
        "unprotected": "" if ours else REMARK,
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "kinds": KINDS,
        "kind": {kind.status: kind for kind in KINDS},
        "most": most,
        "count": len(records),
        "absent": sorted(set(entries) - set(scores)),
        "mean": statistics.fmean(scores.values()),
        "median": statistics.median(scores.values()),
        "full": sum(score >= most for score in scores.values()),
        "bins": bins(list(scores.values()), most),
        "functions": [_function_row(part, records) for part in parts],
        "mistakes": _mistakes(parts, records),
        "unnamed": _unnamed(records),
        "clusters": clusters,
        "alone": alone,
        "parts": [part.name for part in parts],
        "answers": by_hand,
        "waiting": waiting,
        "unmarked": len({w.student for w in waiting if not w.again}),
        "rows": sorted(records, key=lambda r: (scores[r.student], r.student)),
        "scores": scores,
        "entries": defaultdict(Entry, entries),
        "flagged": [
            *(("", assignment, line) for line in lost),
            *((r.student, name, why) for r in records for name, why in _to_look_at(r, assignment)),
        ],
        "problems": [(r.student, r.problems) for r in records if r.problems],
        "rounds": _rounds(records),
        "versions": _versions(records),
        "version": __version__,
    }


def _to_look_at(record: Record, assignment: str) -> Iterator[tuple[str, str]]:
    """Why a person should look at a submission: of what, and the reason."""
    for text in to_look_at(record.problems, record.points):
        yield assignment, text
    for name, verdict in record.verdicts.items():
        if verdict.flagged:
            yield name, verdict.flagged


def bins(scores: Sequence[float], most: float) -> list[Bin]:
    """The distribution of scores between nothing and full marks, in at most ten columns."""
    number = int(min(MOST_BINS, max(1, round(most))))
    counts, edges = np.histogram(np.clip(scores, 0, most), bins=number, range=(0, most))
    return [
        Bin(round(float(low), 2), round(float(high), 2), int(count))
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]


def _score(record: Record, entry: Entry | None) -> float:
    return record.points if entry is None or entry.score is None else entry.score


def _entries(project: Project, assignment: str) -> tuple[dict[str, Entry], dict[str, float]]:
    """The roster, with what the gradebook knows of each one's submission; and the cells that a
    person marks, with their points."""
    course = CourseDirectory(config=course_config(project.root))
    with read_gradebook(course) as gradebook:
        entries = {name: Entry() for name in sorted(s.id for s in gradebook.students)}
        try:
            submissions = list(gradebook.assignment_submissions(assignment))
            answers = points_by_hand(gradebook, assignment)
        except MissingEntry:
            return entries, {}
        for submission in submissions:
            by_hand = {
                part_of(grade.name): grade.manual_score
                for notebook in submission.notebooks
                for grade in notebook.grades
                if grade.manual_score is not None
            }
            entries[submission.student.id] = Entry(
                round(submission.score, 2), submission.total_seconds_late > 0, by_hand
            )
        for one in waiting(gradebook, assignment):
            entries[one.student].waiting[one.cell] = one
    return entries, answers


@dataclass(frozen=True)
class Test:
    """A test cell of an assignment of anybody's, in a part's place."""

    name: str
    points: float
    mistakes: Sequence[Any] = ()


def _tests(records: list[Record]) -> list[Test]:
    found = {name: v.max_points for record in records for name, v in record.verdicts.items()}
    return [Test(name, points) for name, points in found.items()]


def _function_row(part: Part | Test, records: list[Record]) -> FunctionRow:
    verdicts = [r.verdicts[part.name] for r in records if part.name in r.verdicts]
    found = Counter[str](v.status for v in verdicts)
    mean = statistics.fmean(v.points for v in verdicts) if verdicts else 0.0
    counts = {kind.status: found[kind.status] for kind in KINDS}
    return FunctionRow(part.name, part.points, mean, found["passed"], len(verdicts), counts)


def _mistakes(parts: Iterable[Part | Test], records: list[Record]) -> list[MistakeRow]:
    """Known mistakes, the commonest first."""
    texts = {(p.name, m.name): m.text for p in parts for m in p.mistakes}
    rows: dict[tuple[str, str], MistakeRow] = {}
    for record in records:
        for name, verdict in record.verdicts.items():
            if verdict.mistake is not None:
                key = (name, verdict.mistake)
                text = texts.get(key, verdict.message)
                rows.setdefault(key, MistakeRow(*key, text)).students.append(record.student)
    return _commonest_first(rows.values())


def _unnamed(records: list[Record]) -> list[MistakeRow]:
    """Failures to which no known mistake fits: where an author may want to declare one."""
    rows: dict[tuple[str, str], MistakeRow] = {}
    for record in records:
        for name, verdict in record.verdicts.items():
            wrong = verdict.status in ("wrong", "partial", "error", "timeout")
            if wrong and verdict.mistake is None:
                key = (name, verdict.message)
                row = rows.setdefault(key, MistakeRow(name, None, verdict.message))
                row.students.append(record.student)
    return _commonest_first(rows.values())


def _clusters(project: Project, assignment: str) -> tuple[list[Cluster], str]:
    """Who makes the same mistake without a name, or why that cannot be told."""
    try:
        return find_clusters(project, assignment), ""
    except NoSandbox as error:
        return [], str(error)


def _commonest_first(rows: Iterable[MistakeRow]) -> list[MistakeRow]:
    return sorted(rows, key=lambda row: (-len(row.students), row.function, row.name or row.text))


def _rounds(records: list[Record]) -> list[tuple[int, str, int]]:
    """Grading rounds: number, the seed's fingerprint (never the seed), how many marks."""
    found = Counter(
        (r.round, hashlib.sha256(r.seed.encode()).hexdigest()[:8]) for r in records if r.seed
    )
    return [(number, print_, count) for (number, print_), count in sorted(found.items())]


def _versions(records: list[Record]) -> list[str]:
    """With which versions the marks were made."""
    return sorted({", ".join(f"{k} {v}" for k, v in r.versions.items()) for r in records})


def _predicted(records: list[Record], expected: Path) -> dict[str, Any]:
    """Where the marks are not those that a sample class must get."""
    wanted = json.loads(expected.read_text("utf-8"))
    got = {record.student: record for record in records}
    different = []
    for student, marks in wanted.items():
        if student not in got:
            different.append(f"{student} was not graded")
            continue
        for name, mark in marks["functions"].items():
            verdict = got[student].verdicts.get(name)
            found = {key: getattr(verdict, key, None) for key in mark}
            if found != mark:
                different.append(f"{student}, {name}: predicted {mark}, got {found}")
    return {"count": len(wanted), "different": different}
