"""A class graded side by side, beside nbgrader's own loop: the same rows, the same files."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from nbgrader.coursedir import CourseDirectory

from autograder.catalog import load_set
from autograder.engine.interface import Limits
from autograder.engine.sandbox import SandboxedRunner
from autograder.grading.class_run import autograde, grade_class, quietly
from autograder.grading.converter import CannotWrite, ClassAutograde, _stop_where_full
from autograder.grading.crew import Crew, Job, Lost, Work, settle
from autograder.grading.fingerprints import fingerprints
from autograder.grading.ledger import Entry, Ledger, LockedGradebook
from autograder.grading.rounds import current_round
from autograder.grading.shelf import SHELVES, Shelf
from autograder.nbgrader_settings import course_config
from autograder.project import find_project

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
    (course.folder / "late.py").write_text(LATE)
    course.configure(
        "import sys",
        "sys.path.insert(0, str(ROOT))",
        'c.AssignLatePenalties.plugin_class = "late.Tenth"',
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
    students = ["amara", "ben", "chen", "dora", "emil"]

    def grade_both(*, force: bool) -> None:
        summary = grade_class(ours.project, "gradient", force=force, progress=quietly, say=silent)
        assert summary.failed == {}
        for student in students:
            config = course_config(stock.project.root)
            autograde(stock.project, "gradient", student, config, force=force)

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


def test_a_mended_case_changes_the_fingerprint_of_what_it_touches(tmp_path: Path) -> None:
    """A case, a mistake, a reference that another one uses, a helper, an import."""
    source = (find_project().solutions / "gradient.py").read_text("utf-8")
    path = tmp_path / "gradient.py"

    def changed(old: str, new: str) -> set[str]:
        path.write_text(source)
        before = fingerprints(load_set(path))
        assert source.count(old) >= 1
        path.write_text(source.replace(old, new, 1))
        after = fingerprints(load_set(path))
        return {name for name in before if before[name] != after[name]}

    assert changed("theta = rng.integers(1, 5, 3)\n", "theta = rng.integers(1, 6, 3)\n") == {
        "numerical_gradient"
    }
    assert changed("no_scale=slip(", "scale_forgotten=slip(") == {"gabor"}
    assert "gabor" in changed("def gabor(", "def gabor( ")
    assert len(changed("import numpy as np\n", "import numpy as np  # the array library\n")) == 9


# ----------------------------------------------------------- the writer, the judges, the shelf


def test_a_locked_gradebook_is_waited_for_and_then_told(
    graded: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is half written."""
    course = graded.copy(tmp_path / "all")
    config = course_config(course.project.root)
    facts = ClassAutograde(coursedir=CourseDirectory(config=config), config=config).facts_of(
        "gradient"
    )
    assert facts is not None
    monkeypatch.setattr("autograder.grading.ledger.PATIENCE_SECONDS", 7.0)
    before = rows(course)
    told: list[str] = []
    other = sqlite3.connect(course.grading / "gradebook.db", isolation_level=None)
    with course.gradebook() as book:
        ledger = Ledger(book, facts)
        other.execute("begin exclusive")
        with pytest.raises(LockedGradebook, match="what is graded already stays"):
            ledger.write([Entry("fay", None)], waiting=told.append)
        other.execute("rollback")
        assert rows(course) == before and "locked by somebody else" in told[0]
        ledger.write([Entry("fay", None)])
    other.close()
    assert len(rows(course)["grade"]) == len(before["grade"]) + 9


def test_a_full_disk_stops_the_run_and_says_what_to_do() -> None:
    with pytest.raises(CannotWrite, match="Make room"):
        _stop_where_full(OSError(28, "No space left on device", "/somewhere"))
    _stop_where_full(PermissionError(13, "Permission denied"))


def test_a_shelf_of_a_run_that_was_killed_is_cleared(tmp_path: Path) -> None:
    """And one that is in use is not."""
    abandoned = tmp_path / SHELVES / "killed"
    (abandoned / "3").mkdir(parents=True)
    (abandoned / "3" / "gradient.ipynb").write_text("half")
    (abandoned / "lock").touch()
    with Shelf(tmp_path) as shelf:
        assert not abandoned.exists()
        (tmp_path / "b").write_text("two")
        half = shelf.make({"a.txt": "one", "data/b.txt": tmp_path / "b"}, 0o444)
        with Shelf(tmp_path):
            assert half.exists()
        (tmp_path / "wanted").mkdir()
        shelf.place(half, tmp_path / "wanted")
        assert (tmp_path / "wanted" / "data" / "b.txt").read_text() == "two"
        assert (tmp_path / "wanted" / "a.txt").stat().st_mode & 0o777 == 0o444
    assert not (tmp_path / SHELVES).exists()


def crew_at_work(work: Work, jobs: list[Job], patience: float = 60.0) -> dict[int, Any]:
    with Crew(2, lambda place: lambda: work, patience) as crew:
        came: Iterator[Any] = (found for found in crew.run(jobs) if found is not None)
        return {job["n"]: outcome for job, outcome in came}


def test_judges_do_every_job_and_a_lost_one_is_tried_again_once(tmp_path: Path) -> None:
    """One dies the first time, one every time, one never comes back."""

    def work(job: Job) -> Job:
        first = tmp_path / f"tried-{job['n']}"
        if job["n"] == 7 or (job["n"] == 3 and not first.exists()):
            first.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if job["n"] == 5:
            time.sleep(60)
        return {"square": job["n"] ** 2}

    came = crew_at_work(work, [{"n": n} for n in range(12)], patience=1.0)
    assert isinstance(came.pop(7), Lost) and isinstance(came.pop(5), Lost)
    assert came == {n: {"square": n**2} for n in range(12) if n not in (5, 7)}


def test_judges_settle_on_processors_of_their_own_and_sessions_go_along() -> None:
    """Side by side: as many processors are in use as there are, or as there are judges."""
    runner = SandboxedRunner()
    there = os.sched_getaffinity(0)

    def prepare(place: int) -> Callable[[], Work]:
        lent = runner.lend()

        def make_work() -> Work:
            runner.borrow(lent)
            settle(place)
            return work

        return make_work

    def work(job: Job) -> Job:
        with runner.open(None, Limits()) as session:
            shown = session.execute("import os; print(sorted(os.sched_getaffinity(0)))").outputs
        return {"judge": sorted(os.sched_getaffinity(0)), "session": json.loads(shown[0]["text"])}

    with Crew(2, prepare, 60.0) as crew:
        came = [found[1] for found in crew.run([{"n": n} for n in range(6)]) if found is not None]
    assert all(isinstance(c, dict) and c["judge"] == c["session"] for c in came)
    used = {tuple(c["judge"]) for c in came if isinstance(c, dict)}
    assert all(len(processors) == 1 for processors in used)
    assert len(used) == min(2, len(there))
    assert os.sched_getaffinity(0) == there
