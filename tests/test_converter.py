"""A class graded side by side, beside nbgrader's own loop: the same rows, the same files."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.coursedir import CourseDirectory

from autograder.classes.cache import Cache
from autograder.classes.converter import ClassAutograde
from autograder.classes.fingerprints import environment, fingerprints
from autograder.classes.kinds import OfOurs, kind_of
from autograder.classes.plan import Plan, make_plan
from autograder.classes.pool import Lost, Pool, Work, settle
from autograder.classes.run import grade_class, quietly
from autograder.classes.staging import AREAS, CannotWrite, Staging, stop_where_full
from autograder.engine.interface import Limits
from autograder.engine.warm.handle import SandboxedRunner
from autograder.gradebook.ledger import Entry, Ledger, LockedGradebook
from autograder.gradebook.source_facts import read_facts
from autograder.grading import Stopped
from autograder.grading.rounds import current_round
from autograder.judging.sets import find_set, load_set
from autograder.judging.verdict import Chance, Verdict
from autograder.project import find_project
from autograder.release.configuration import course_config

if TYPE_CHECKING:
    from tests.conftest import Course

LATE = """
from nbgrader.plugins import BasePlugin

class Tenth(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return score / 10
"""
TABLES = {
    "course": "select id from course",
    "student": "select id, first_name, last_name, email, lms_user_id from student",
    "submitted_assignment": """
        select student_id, name, timestamp, extension
        from submitted_assignment s join assignment a on a.id = s.assignment_id""",
    "submitted_notebook": """
        select student_id, n.name, flagged, late_submission_penalty
        from submitted_notebook b join submitted_assignment s on s.id = b.assignment_id
        join notebook n on n.id = b.notebook_id""",
    "grade": """
        select student_id, c.name, auto_score, manual_score, extra_credit, needs_manual_grade
        from grade g join base_cell c on c.id = g.cell_id
        join submitted_notebook b on b.id = g.notebook_id
        join submitted_assignment s on s.id = b.assignment_id""",
    "comment": """
        select student_id, c.name, auto_comment, manual_comment
        from comment g join base_cell c on c.id = g.cell_id
        join submitted_notebook b on b.id = g.notebook_id
        join submitted_assignment s on s.id = b.assignment_id""",
}


def silent(text: str) -> None:
    """Say nothing."""


def rows(course: Course) -> dict[str, list[Any]]:
    """Every table that grading writes to, without the ids that chance gives."""
    with sqlite3.connect(course.grading / "gradebook.db") as db:
        return {name: sorted(map(repr, db.execute(query))) for name, query in TABLES.items()}


def files(folder: Path) -> dict[str, Any]:
    """Every graded file and its rights; a notebook without what a clock or an address gives."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content: Any = path.read_bytes()
        if path.suffix == ".ipynb":
            content = json.loads(content)
        found[str(path.relative_to(folder))] = (oct(path.stat().st_mode), content)
    return found


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file: whoever wrote anything is found out."""
    paths = [p for p in folder.rglob("*") if p.is_file() and p.parent.name != "logs"]
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in paths}


def hand_in(course: Course, student: str, notebook: Any, when: str = "") -> None:
    path = course.hand_in(student, notebook)
    if when:
        (path.parent / "timestamp.txt").write_text(f"{when} UTC")


@pytest.fixture(scope="module")
def handed_in(module_course: Course) -> Course:
    """Right, wrong, unsolved, late, without checks, with files beside it; a due date."""
    course = module_course
    (course.folder / "late_tenth.py").write_text(LATE)
    course.configure(
        "import sys",
        "sys.path.insert(0, str(ROOT))",
        'c.AssignLatePenalties.plugin_class = "late_tenth.Tenth"',
    )
    course.run('nbgrader db assignment add gradient --duedate="2026-03-01 12:00:00 UTC"')
    hand_in(course, "amara", course.solved(), "2026-03-01 11:00:00.000000")
    hand_in(course, "ben", course.mistaken(gabor="no_scale"))
    hand_in(course, "chen", course.stub(), "2026-03-02 11:00:00.000000")
    hand_in(course, "dora", course.solved(), "2026-03-02 11:00:00.000000")
    bare = course.solved()
    bare.cells = [cell for cell in bare.cells if not cell.source.startswith("check(")]
    hand_in(course, "emil", bare)
    (course.grading / "submitted" / "emil" / "gradient" / "data").mkdir()
    (course.grading / "submitted" / "emil" / "gradient" / "data" / "notes.csv").write_text("1,2")
    (course.grading / "source" / "gradient" / "extra.txt").write_text("from the source")
    current_round(course.project, "gradient")
    return course


def by_hand(course: Course) -> None:
    with course.gradebook() as book:
        notebook = book.find_submission_notebook("gradient", "gradient", "ben")
        {g.name: g for g in notebook.grades}["check-gabor"].manual_score = 0.5
        {c.name: c for c in notebook.comments}["gabor"].manual_comment = "Nearly."
        book.db.commit()


def test_the_same_rows_and_files_as_nbgraders_own_loop(handed_in: Course, tmp_path: Path) -> None:
    """First, and again with --force after marks by hand: table by table, file by file."""
    ours, stock = handed_in.copy(tmp_path / "ours"), handed_in.copy(tmp_path / "stock")

    def grade_both(*, force: bool) -> None:
        summary = grade_class(ours.project, "gradient", force=force, progress=quietly, say=silent)
        assert summary.failed == {}
        stock.run(f"nbgrader autograde gradient {'--force' if force else ''}")

    grade_both(force=False)
    assert rows(ours) == rows(stock)
    assert "'dora', 'gradient', 0, 2.0" in str(rows(ours)["submitted_notebook"])
    assert files(ours.grading / "autograded") == files(stock.grading / "autograded")
    for course in (ours, stock):
        by_hand(course)
        hand_in(course, "chen", course.solved(), "2026-03-03 11:00:00.000000")
    grade_both(force=True)
    assert rows(ours) == rows(stock)
    assert files(ours.grading / "autograded") == files(stock.grading / "autograded")


def ordinary(answer: str, essay: str = "Write here.") -> NotebookNode:
    """A notebook of somebody else's: an assert cell, a question and a task for a person."""
    flags = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    test = {"grade": True, "locked": True, "points": 2}
    hand = {"grade": True, "solution": True, "points": 3}
    task = {"task": True, "locked": True, "points": 4}
    made: list[tuple[NotebookNode, dict[str, Any] | None]] = [
        (new_code_cell(answer, id="answer"), {"solution": True}),
        (new_code_cell("assert square(3) == 9", id="test"), test),
        (new_markdown_cell(essay, id="essay"), hand),
        (new_markdown_cell("Draw a square.", id="drawing"), task),
        (new_code_cell("open('seen.txt', 'w').write(open('data.txt').read())", id="file"), None),
    ]
    for cell, told in made:
        if told is not None:
            cell.metadata["nbgrader"] = {**flags, **told, "grade_id": cell.id}
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    return new_notebook(cells=[cell for cell, _told in made], metadata={"kernelspec": kernel})


RIGHT = "def square(n):\n    return n * n"


@pytest.fixture(scope="module")
def theirs(handed_in: Course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Two notebooks of an instructor's own, handed in whole, in part, wrong, late and not at all;
    with a file that is the source's, one that is the learner's, and a notebook of no assignment."""
    course = handed_in.copy(tmp_path_factory.mktemp("theirs") / "all").on("ps1")
    source = course.grading / "source" / "ps1"
    source.mkdir(parents=True)
    (source / "data.txt").write_text("the source's")
    for name in ("p1", "p2"):
        nbformat.write(ordinary(RIGHT), source / f"{name}.ipynb")
    course.run('nbgrader db assignment add ps1 --duedate="2026-03-01 12:00:00 UTC"')
    course.run("nbgrader generate_assignment ps1")
    wrong = "def square(n):\n    return n"
    answers = {"amara": RIGHT, "ben": wrong, "chen": RIGHT, "dora": "1 / 0"}
    for student, answer in answers.items():
        for name in ("p1", "p2") if student != "chen" else ("p1",):
            course.hand_in(student, ordinary(answer, f"{student} writes."), f"{name}.ipynb")
    late = course.grading / "submitted" / "dora" / "ps1"
    (late / "timestamp.txt").write_text("2026-03-02 11:00:00.000000 UTC")
    course.hand_in("amara", "the learner's", "data.txt")
    course.hand_in("amara", "mine", "mine/notes.txt")
    course.hand_in("ben", ordinary(RIGHT), "p1 copy.ipynb")
    (course.grading / "submitted" / "emil" / "ps1").mkdir(parents=True)
    return course


def test_other_peoples_assignments_get_the_rows_and_files_of_nbgraders_own_loop(
    theirs: Course, tmp_path: Path
) -> None:
    """Side by side, in one run with one summary; and again with --force after marks by hand."""
    ours, stock = (theirs.copy(tmp_path / name).on("ps1") for name in ("ours", "stock"))
    for force in (False, True):
        summary = grade_class(ours.project, "ps1", force=force, progress=quietly, say=silent)
        stock.run(f"nbgrader autograde ps1 {'--force' if force else ''}")
        assert sorted(summary.graded) == ["amara", "ben", "chen", "dora"]
        assert summary.empty == ["emil"] and summary.exit_code == 0
        assert summary.points["amara"] == (4, 18) and summary.mean_points == 1.5
        assert rows(ours) == rows(stock)
        assert files(ours.grading / "autograded") == files(stock.grading / "autograded")
        for course in (ours, stock):
            with course.gradebook() as book:
                notebook = book.find_submission_notebook("p1", "ps1", "ben")
                {g.name: g for g in notebook.grades}["essay"].manual_score = 1.5
                {c.name: c for c in notebook.comments}["essay"].manual_comment = "Nearly."
                book.db.commit()
            course.hand_in("chen", ordinary(RIGHT, "chen adds."), "p1.ipynb")
    seen = ours.grading / "autograded" / "amara" / "ps1" / "seen.txt"
    assert seen.read_text() == "the source's"


def test_one_notebook_of_several_is_graded_by_its_name(theirs: Course, tmp_path: Path) -> None:
    """What is there of the others stays."""
    ours, stock = (theirs.copy(tmp_path / name).on("ps1") for name in ("ours", "stock"))
    for pattern in ("p1", "p*", "p2"):
        config = course_config(ours.project.root)
        config.CourseDirectory.notebook_id = pattern
        force = pattern == "p2"
        grade_class(ours.project, "ps1", config=config, force=force, progress=quietly, say=silent)
        forced = "--force" if force else ""
        stock.run(f"nbgrader autograde ps1 --notebook '{pattern}' {forced}")
        assert rows(ours) == rows(stock)
        assert files(ours.grading / "autograded") == files(stock.grading / "autograded")
        ours.hand_in("amara", ordinary("1 / 0"), "p2.ipynb")
        stock.hand_in("amara", ordinary("1 / 0"), "p2.ipynb")


@pytest.fixture(scope="module")
def graded(handed_in: Course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    course = handed_in.copy(tmp_path_factory.mktemp("graded") / "all")
    grade_class(course.project, "gradient", progress=quietly, say=silent)
    return course


def test_grading_an_unchanged_class_again_writes_nothing(graded: Course, tmp_path: Path) -> None:
    """But who was late, whose penalty a plug-in may have changed, is penalised anew."""
    course = graded.copy(tmp_path / "all")
    before = everything(course.grading / "autograded")
    db = (course.grading / "gradebook.db").read_bytes()
    students = ["amara", "ben", "emil"]
    summary = grade_class(
        course.project, "gradient", students, force=True, progress=quietly, say=silent
    )
    assert sorted(summary.unchanged) == students and not summary.graded
    assert everything(course.grading / "autograded") == before
    assert (course.grading / "gradebook.db").read_bytes() == db


def test_what_changed_is_graded_again_and_nothing_else(graded: Course, tmp_path: Path) -> None:
    """A submission, a row, a graded file."""
    course = graded.copy(tmp_path / "all")
    hand_in(course, "ben", course.solved())
    with course.gradebook() as book:
        notebook = book.find_submission_notebook("gradient", "gradient", "emil")
        notebook.grades[0].auto_score = 0.25
        book.db.commit()
    students = ["amara", "ben", "emil"]
    summary = grade_class(
        course.project, "gradient", students, force=True, progress=quietly, say=silent
    )
    assert sorted(summary.graded) == ["ben", "emil"] and summary.unchanged == ["amara"]
    assert course.score("ben") == course.score("emil") == 20
    (course.grading / "autograded" / "amara" / "gradient" / "gradient.ipynb").unlink()
    summary = grade_class(
        course.project, "gradient", students, force=True, progress=quietly, say=silent
    )
    assert sorted(summary.graded) == ["amara"]


def test_an_entry_of_another_hand_is_none(graded: Course, tmp_path: Path) -> None:
    """Full marks that somebody wrote into the cache count for nothing."""
    course = graded.copy(tmp_path / "all")
    file = course.grading / "cache" / "gradient" / "ben.json"
    text = file.read_text().replace('"points": 0.0', '"points": 1.0')
    assert text != file.read_text()
    file.write_text(text)
    summary = grade_class(
        course.project, "gradient", ["ben"], force=True, progress=quietly, say=silent
    )
    assert list(summary.graded) == ["ben"] and course.score("ben") < 20


def test_what_is_remembered_stands_under_all_that_it_came_of(
    graded: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not under what decides only how a class is graded."""
    course = graded.copy(tmp_path / "all")

    def plan(section: str = "GradeSubmission", **settings: Any) -> Plan:
        config = course_config(course.project.root)
        config[section].update(settings)
        converter = ClassAutograde(coursedir=CourseDirectory(config=config), config=config)
        return make_plan(converter, "gradient", course.project)

    kind = kind_of(plan())
    assert isinstance(kind, OfOurs)

    def common(chosen: Plan) -> str:
        kind._plan = chosen
        assert chosen.grading is not None
        return kind._common(course.project, chosen.grading.limits_of("gradient"))

    found = [common(plan())]
    assert common(plan("ClassAutograde", workers=7)) == found[0]
    found.append(common(plan(limits={"call_seconds": 7.0})))
    found.append(common(plan("OverwriteCells", enabled=False)))
    (course.grading / "source" / "gradient" / "extra.txt").write_text("changed")
    found.append(common(plan()))
    (course.project.exercises / "gradient" / "data.csv").write_text("1,2")
    found.append(common(plan()))
    with course.gradebook() as book:
        book.find_notebook("gradient", "gradient").source_cells[0].source += "# changed"
        book.db.commit()
    found.append(common(plan()))
    before = environment.__wrapped__()
    monkeypatch.setattr("autograder.classes.fingerprints.PACKAGES", ())
    assert environment.__wrapped__() != before
    monkeypatch.setattr("autograder.classes.kinds.environment", lambda: "another")
    found.append(common(plan()))
    assert len(set(found)) == len(found) == 7
    keys = {kind._cache.key([what], seed) for what in (b"a", b"b") for seed in "12"}
    assert len(keys) == 4


def test_an_endless_loop_costs_its_time_once(
    graded: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On this machine and under these limits. In a function and in a cell."""
    course = graded.copy(tmp_path / "all")
    answers = {part.exercise: part.reference for part in course.exercises.parts}
    loop = "def gabor(theta, x):\n    while True: pass"
    endless = course.answered({**answers, "gabor": loop})
    endless.cells.append(new_code_cell("while True: pass"))
    hand_in(course, "ben", endless)
    config = course_config(course.project.root)

    def seen(**limits: float) -> tuple[int, float]:
        """How many were graded, and ben's score."""
        config.GradeSubmission.limits = {"call_seconds": 0.3, "cell_seconds": 2.0, **limits}
        summary = grade_class(
            course.project,
            "gradient",
            ["ben"],
            force=True,
            config=config,
            progress=quietly,
            say=silent,
        )
        return len(summary.graded), course.score("ben")

    assert seen() == (1, 19)
    folder = everything(course.grading / "autograded" / "ben")
    assert seen() == (0, 19)
    assert everything(course.grading / "autograded" / "ben") == folder
    assert seen(cell_seconds=2.1) == (1, 19)
    monkeypatch.setattr("autograder.classes.kinds.machine", lambda: "another")
    assert seen(cell_seconds=2.1) == (1, 19)
    hand_in(course, "ben", course.solved())
    assert seen(cell_seconds=2.1) == (1, 20)


def test_what_did_not_end_is_kept_for_one_machine_and_no_accident_at_all(tmp_path: Path) -> None:
    parts = {"f": "1", "g": "1", "h": "1"}
    found = {
        "f": Verdict("f", "passed", 1, 1),
        "g": Verdict("g", "timeout", 0, 1, by_chance="clock"),
        "h": Verdict("h", "error", 0, 1, by_chance="accident"),
    }
    (tmp_path / "graded").mkdir()

    def stands(machine: str, parts: dict[str, str] = parts) -> set[str] | None:
        kept = Cache(tmp_path, "set", "common", parts, machine).find("ben", "key")
        return None if kept is None else set(kept.verdicts)

    ended: list[tuple[Chance, set[str] | None]] = [("", {"f"}), ("clock", None)]
    for by_chance, elsewhere in ended:
        Cache(tmp_path, "set", "common", parts, "here").keep(
            "ben", "key", found, tmp_path / "graded", by_chance=by_chance
        )
        assert stands("here") == {"f", "g"}
        assert stands("there") == stands("") == elsewhere
    assert stands("here", {**parts, "g": "2"}) == {"f"}
    (tmp_path / "set" / "ben.json").unlink()
    lost: list[tuple[str, Chance]] = [("here", "accident"), ("", "clock")]
    for machine, by_chance in lost:
        Cache(tmp_path, "set", "common", parts, machine).keep(
            "ben", "key", found, tmp_path / "graded", by_chance=by_chance
        )
        assert stands(machine) is None
    Cache(tmp_path, "set", "common", parts, "").keep("ben", "key", found, tmp_path / "graded")
    assert stands("") == {"f"}


def test_a_mended_case_changes_the_fingerprint_of_what_it_touches(tmp_path: Path) -> None:
    """A case, a mistake, a reference that another one uses, a helper, an import."""
    source = (find_project().solutions / "gradient.py").read_text("utf-8")
    path = tmp_path / "gradient.py"

    path.write_text(source)
    before = fingerprints(load_set(path))

    def changed(old: str, new: str) -> set[str]:
        assert source.count(old) >= 1
        path.write_text(source.replace(old, new, 1))
        after = fingerprints(load_set(path))
        return {name for name in before if before[name] != after[name]}

    assert changed("theta = rng.uniform(0.5, 1.5, d)\n", "theta = rng.uniform(0.5, 1.6, d)\n") == {
        "numerical_gradient"
    }
    assert changed("no_scale=slip(", "scale_forgotten=slip(") == {"gabor"}
    assert "gabor" in changed("def gabor(", "def gabor( ")
    assert changed("import numpy as np\n", "import numpy as np  # arrays\n") == {*before}


# ---------------------------------------------------- the writer, the judges, the staging area


def test_a_locked_gradebook_is_waited_for_and_then_told(
    graded: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is half written."""
    course = graded.copy(tmp_path / "all")
    monkeypatch.setattr("autograder.gradebook.ledger.PATIENCE_SECONDS", 7.0)
    before = rows(course)
    told: list[str] = []
    other = sqlite3.connect(course.grading / "gradebook.db", isolation_level=None)
    with course.gradebook() as book:
        ledger = Ledger(book, read_facts(book, "gradient"))
        other.execute("begin exclusive")
        # As whatever stops a run: exit code 2.
        assert issubclass(LockedGradebook, Stopped)
        with pytest.raises(LockedGradebook, match="what is graded already stays"):
            ledger.write([Entry("fay", None)], waiting=told.append)
        other.execute("rollback")
        assert rows(course) == before and "locked by somebody else" in told[0]
        ledger.write([Entry("fay", None)])
    other.close()
    assert len(rows(course)["grade"]) == len(before["grade"]) + len(find_set("gradient").parts)


def test_a_full_disk_stops_the_run_and_says_what_to_do() -> None:
    with pytest.raises(CannotWrite, match="Make room"):
        stop_where_full(OSError(28, "No space left on device", "/somewhere"))
    stop_where_full(PermissionError(13, "Permission denied"))


def test_the_staging_area_of_a_run_that_was_killed_is_cleared(tmp_path: Path) -> None:
    """And one that is in use is not."""
    abandoned = tmp_path / AREAS / "killed"
    (abandoned / "3").mkdir(parents=True)
    (abandoned / "3" / "gradient.ipynb").write_text("half")
    (abandoned / "lock").touch()
    with Staging(tmp_path) as staging:
        assert not abandoned.exists()
        (tmp_path / "b").write_text("two")
        half = staging.make({"data/b.txt": tmp_path / "b"})
        staging.write(half, "a.txt", "one")
        staging.seal(half, 0o444)
        with Staging(tmp_path):
            assert half.exists()
        (tmp_path / "wanted").mkdir()
        staging.place(half, tmp_path / "wanted")
        assert (tmp_path / "wanted" / "data" / "b.txt").read_text() == "two"
        assert (tmp_path / "wanted" / "a.txt").stat().st_mode & 0o777 == 0o444
    assert not (tmp_path / AREAS).exists()


@dataclass(frozen=True)
class Note:
    """A job, and what comes of it."""

    n: int
    answer: Any = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Note:
        return cls(**data)


def pool_at_work(
    work: Work[Note, Note], notes: int, patience: float = 60.0
) -> dict[int, Note | Lost]:
    with Pool(Note, Note, 2, lambda place: lambda: work, patience) as pool:
        came = (found for found in pool.run(map(Note, range(notes))) if found is not None)
        return {job.n: outcome for job, outcome in came}


def test_judges_do_every_job_and_a_lost_one_is_tried_again_once(tmp_path: Path) -> None:
    """One dies the first time, one every time, one never comes back."""

    def work(job: Note) -> Note:
        first = tmp_path / f"tried-{job.n}"
        if job.n == 7 or (job.n == 3 and not first.exists()):
            first.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if job.n == 5:
            time.sleep(60)
        return Note(job.n, job.n**2)

    came = pool_at_work(work, 12, patience=1.0)
    assert isinstance(came.pop(7), Lost) and isinstance(came.pop(5), Lost)
    assert came == {n: Note(n, n**2) for n in range(12) if n not in (5, 7)}


def test_judges_settle_on_processors_of_their_own_and_sessions_go_along() -> None:
    """Side by side: as many processors are in use as there are, or as there are judges."""
    runner = SandboxedRunner()
    there = os.sched_getaffinity(0)

    def prepare(place: int) -> Callable[[], Work[Note, Note]]:
        lent = runner.lend()

        def make_work() -> Work[Note, Note]:
            runner.borrow(lent)
            settle(place)
            return work

        return make_work

    def work(job: Note) -> Note:
        with runner.open(None, Limits()) as session:
            shown = session.execute("import os; print(sorted(os.sched_getaffinity(0)))").outputs
        own = sorted(os.sched_getaffinity(0))
        return Note(job.n, {"judge": own, "session": json.loads(shown[0]["text"])})

    with Pool(Note, Note, 2, prepare, 60.0) as pool:
        found = [come[1] for come in pool.run(map(Note, range(6))) if come is not None]
    came = [note.answer for note in found if isinstance(note, Note)]
    assert len(came) == 6 and all(c["judge"] == c["session"] for c in came)
    used = {tuple(c["judge"]) for c in came}
    assert all(len(processors) == 1 for processors in used)
    assert len(used) == min(2, len(there))
    assert os.sched_getaffinity(0) == there
