"""A term goes on: a set is edited, a date is moved, somebody else grades; nothing is lost."""

from __future__ import annotations

import csv
import fcntl
import functools
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.classes.run import no_advice
from autograder.engine.warm.handle import SandboxedRunner
from autograder.gradebook.loop import ASIDE, put_back
from autograder.release.notebook import METADATA, nbgrader_metadata
from tests.browser.lab import jupyter_lab
from tests.by_hand import HandGraded, make_course
from tests.conftest import ROOT, Course, write

SET = "term"
DOUBLED = '''

@exercise(points=5)
def doubled(x):
    """Twice x.

    Parameters
    ----------
    x : array of shape (n,)

    Returns
    -------
    array of shape (n,)
    """
    return x + x


@doubled.cases
def halves(rng):
    """Any numbers."""
    return dict(x=rng.normal(size=4))


doubled.slips(
    squared=slip({"x + x": "x * x"}, "It is squared.", hint="Add."),
)
'''


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course of one set, released, with nobody in it."""
    term = HandGraded(SET, "report-findings", 4.0)
    return make_course(tmp_path_factory.mktemp("term") / "all", term)


@pytest.fixture(scope="module")
def graded(released: Course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Two learners, graded, one with a mistake; marks and comments by hand."""
    course = released.copy(tmp_path_factory.mktemp("graded") / "all")
    course.hand_in("amara", course.solved())
    course.hand_in("ben", course.mistaken(shifted="down", total="mean"))
    course.run(f"autograder autograde {SET}")
    by_hand(course, "amara", "report-findings", 3.0)
    by_hand(course, "ben", "check-shifted", 3.0, "shifted", "Nearly.")
    by_hand(course, "ben", "check-total", 1.5, "total", "A mean,\nbut a good one.")
    return course


@pytest.fixture
def course(graded: Course, tmp_path: Path) -> Course:
    """The same class, for a test that changes it."""
    return graded.copy(tmp_path / "all")


def by_hand(
    course: Course, student: str, cell: str, points: float, answer: str = "", comment: str = ""
) -> None:
    """A mark and a comment, as Formgrader gives them."""
    with course.gradebook() as book:
        grade = book.find_grade(cell, SET, SET, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        if answer:
            book.find_comment(answer, SET, SET, student).manual_comment = comment
        book.db.commit()


def rows(course: Course, student: str) -> dict[str, tuple[float | None, float | None]]:
    """What the gradebook has of every cell with points: automatic and manual mark."""
    with course.gradebook() as book:
        notebook = book.find_submission_notebook(SET, SET, student)
        return {g.name: (g.auto_score, g.manual_score) for g in notebook.grades}


def comments(course: Course, student: str) -> dict[str, str | None]:
    """The comments by hand, by cell."""
    with course.gradebook() as book:
        notebook = book.find_submission_notebook(SET, SET, student)
        return {c.name: c.manual_comment for c in notebook.comments}


def edit(course: Course, ending: str, *changes: tuple[str, str]) -> None:
    """Change the set's code or text; what is changed must stand there."""
    file = course.folder / "solutions" / f"{course.assignment}.{ending}"
    text = file.read_text("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    file.write_text(text, "utf-8")


def without(course: Course, name: str) -> None:
    """Take an exercise out of the set."""
    file = course.folder / "solutions" / f"{course.assignment}.py"
    text = file.read_text("utf-8")
    before, _decorator, after = text.partition(f"def {name}(")
    before = before[: before.rindex("@exercise")]
    rest = after.partition("@exercise")
    file.write_text(before + "".join(rest[1:]), "utf-8")
    edit(course, "md", (f"```{{code-cell}}\n%exercise {name}\n```\n", ""))


def add_doubled(course: Course) -> None:
    file = course.folder / "solutions" / f"{SET}.py"
    file.write_text(file.read_text("utf-8") + DOUBLED, "utf-8")
    more = "```{code-cell}\n%exercise doubled\n```\n\n```{code-cell}\n%report findings"
    edit(course, "md", ("```{code-cell}\n%report findings", more))


def rename_scaled(course: Course) -> None:
    edit(course, "py", ("def scaled(", "def times("), ("scaled.", "times."))
    edit(course, "md", ("%exercise scaled", "%exercise times"))


def table(course: Course) -> dict[str, tuple[float, float]]:
    """Score and maximum of everybody, as exported."""
    course.run("nbgrader export")
    with (course.folder / "grades.csv").open(encoding="utf-8") as file:
        return {
            r["student_id"]: (float(r["score"]), float(r["max_score"]))
            for r in csv.DictReader(file)
        }


def test_a_set_that_is_edited_brings_the_gradebook_along(course: Course) -> None:
    """An exercise taken out, one added, one renamed, one worth less."""
    old = course.solved()
    without(course, "total")
    add_doubled(course)
    rename_scaled(course)
    edit(course, "py", ("points=4", "points=2"))

    for command in (
        "autograder autograde --force",
        "autograder regrade",
        "nbgrader autograde --force",
    ):
        refused = course.run(f"{command} {SET}", wrong=True)
        assert "nobody is graded" in refused and f"autograder build {SET}" in refused
        assert "shifted is worth 2 points in place of 4" in refused
    assert course.graded("amara")

    told = course.run(f"autograder build {SET} --renamed scaled=times").split("\n")
    assert told[1:11] == [
        "  shifted is worth 2 points in place of 4",
        "  doubled is new, 5 points",
        "  total is taken out, 3 points",
        "  scaled is called times",
        "  amara: 12 of 13 -> 7 of 13",
        "  ben: 6.5 of 13 -> 5 of 13",
        "By hand, and gone with what was taken out:",
        '  ben total: 1.5 points, "A mean, but a good one."',
        "More by hand than it is worth now, and to be looked at:",
        "  ben shifted: 3 of 2",
    ]
    assert f"autograder regrade {SET}" in told[11]
    copy = Path(told[12].removeprefix("The gradebook as it was: "))
    assert "--renamed total=doubled" in told[13]
    assert copy.parent == course.grading
    with sqlite3.connect(copy) as before:
        assert before.execute("select count(*) from base_cell where name = 'scaled'").fetchone()[0]
    assert rows(course, "amara") == {
        "check-shifted": (2.0, None),
        "check-times": (2.0, None),
        "check-doubled": (None, None),
        "report-findings": (0.0, 3.0),
    }
    assert rows(course, "ben")["check-shifted"] == (0.0, 3.0)
    assert comments(course, "ben") == {
        "shifted": "Nearly.",
        "times": None,
        "doubled": None,
        "report-findings": None,
    }
    assert course.run(f"autograder build {SET}").split() == ["built", "exercises/term"]
    unmarked = "2 without a mark for doubled, graded before it came in: amara, ben"
    assert unmarked in course.run("nbgrader export")

    course.hand_in("newcomer", old)
    course.hand_in("other", course.solved())
    assert unmarked in course.run(f"autograder autograde {SET}")
    assert rows(course, "newcomer") == {
        "check-shifted": (2.0, None),
        "check-times": (2.0, None),
        "check-doubled": (0.0, None),
        "report-findings": (0.0, None),
    }
    changed = course.run(f"autograder regrade {SET}")
    assert changed.split("\n\n")[-1].splitlines() == [
        "amara shifted: 4 passed -> 2 passed",
        "amara total: 3 passed -> nothing",
        "amara doubled: nothing -> 0 missing",
        "ben total: 0 mean -> nothing",
        "ben doubled: nothing -> 0 missing",
        "5 marks changed.",
    ]
    assert table(course) == {
        "amara": (7, 13),
        "ben": (5, 13),
        "newcomer": (4, 13),
        "other": (9, 13),
    }


def test_an_assignment_of_ones_own_may_change_too(released: Course, tmp_path: Path) -> None:
    """By nbgrader's own command: a task, an answer, and a test cell that gets another name."""
    course = released.copy(tmp_path / "all")

    source = course.grading / "source" / "ps1"

    def generate(*cells: NotebookNode, options: str = "", name: str = "ps1") -> str:
        write(source / f"{name}.ipynb", new_notebook(cells=[*cells], metadata=METADATA))
        return course.run(f"nbgrader generate_assignment ps1 --force {options}")

    def cell(name: str, points: float = 0, **flags: bool) -> NotebookNode:
        label = {**nbgrader_metadata(name, **flags), **({"points": points} if points else {})}
        make = new_code_cell if flags.get("locked") and flags.get("grade") else new_markdown_cell
        return make(f"{name}", metadata={"nbgrader": label})

    essay = cell("essay", 3, grade=True, solution=True)
    task = cell("drawing", 2, task=True, locked=True)
    generate(essay, task, cell("first", 1, grade=True, locked=True))
    with no_advice(), course.gradebook() as book:
        book.add_student("amara")
        book.add_submission("ps1", "amara")
        for name, points in (("essay", 2.0), ("drawing", 1.0), ("first", 1.0)):
            book.find_grade(name, "ps1", "ps1", "amara").manual_score = points
        book.find_comment("drawing", "ps1", "ps1", "amara").manual_comment = "Too dark."
        book.db.commit()
    said = generate(
        *(cell("warm_up", 1, grade=True, locked=True), essay),
        *(task, cell("second", 1, grade=True, locked=True)),
        options="--ReviseCells.renamed=\"{'first': 'second'}\"",
    )
    assert "warm_up is new, 1 points" in said and "amara: 4 of 6 -> 4 of 7" in said
    assert "autograder autograde ps1 --force" in said
    with course.gradebook() as book:
        notebook = book.find_submission_notebook("ps1", "ps1", "amara")
        assert {g.name: g.manual_score for g in notebook.grades} == {
            **{"essay": 2.0, "drawing": 1.0},
            **{"second": 1.0, "warm_up": None},
        }
        assert {c.name: c.manual_comment for c in notebook.comments} == {
            **{"essay": None, "drawing": "Too dark."},
        }
        order = [cell.name for cell in book.find_notebook("ps1", "ps1").source_cells]
        assert order == ["warm_up", "essay", "drawing", "second"]
    warm_up = cell("warm_up", 1, grade=True, locked=True)
    assert "amara: 4 of 7 -> 2 of 4" in generate(essay, warm_up)

    # A whole notebook comes in, with a cell of a name that is there, is marked, and goes.
    said = generate(cell("essay", 5, grade=True, solution=True), name="more")
    assert "the notebook more is new, 5 points" in said and "amara: 2 of 4 -> 2 of 9" in said
    with course.gradebook() as book:
        book.find_grade("essay", "more", "ps1", "amara").manual_score = 4.0
        book.db.commit()
        assert book.find_submission("ps1", "amara").score == 6
    (source / "more.ipynb").unlink()
    said = generate(essay, warm_up)
    assert "the notebook more is taken out, 5 points" in said and "amara: 6 of 9 -> 2 of 4" in said
    assert "  amara essay: 4 points" in said and "The gradebook as it was: " in said
    with course.gradebook() as book:
        [notebook] = book.find_submission("ps1", "amara").notebooks
        assert {g.name: g.manual_score for g in notebook.grades} == {"essay": 2.0, "warm_up": None}
        assert [n.name for n in book.find_assignment("ps1").notebooks] == ["ps1"]


# ── Dates ────────────────────────────────────────────────────────────────────────────────────────

LATE = """
from nbgrader.plugins import BasePlugin


class Tenth(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return score / 10
"""


def due(course: Course, day: int) -> None:
    course.run(f'nbgrader db assignment add {SET} --duedate="2026-03-{day:02} 12:00:00 UTC"')


def penalty(course: Course, student: str) -> float | None:
    with course.gradebook() as book:
        return book.find_submission_notebook(SET, SET, student).late_submission_penalty


def test_an_extension_and_a_moved_date_change_what_being_late_costs(
    released: Course, tmp_path: Path
) -> None:
    course = released.copy(tmp_path / "all")
    (course.folder / "late_tenth.py").write_text(LATE)
    course.configure(
        "import sys",
        "sys.path.insert(0, str(ROOT))",
        'c.AssignLatePenalties.plugin_class = "late_tenth.Tenth"',
    )
    due(course, 1)
    handed_in = course.hand_in("dora", course.solved())
    (handed_in.parent / "timestamp.txt").write_text("2026-03-02 11:00:00.000000 UTC")
    course.run(f"autograder autograde {SET}")
    assert penalty(course, "dora") == 0.9

    with course.gradebook() as book:
        book.find_submission(SET, "dora").extension = timedelta(days=2)
        book.db.commit()
    force = f"autograder autograde {SET} --force --student dora"
    assert "1 graded" in course.run(force)
    assert penalty(course, "dora") is None
    assert "1 unchanged" in course.run(force)

    with course.gradebook() as book:
        book.find_submission(SET, "dora").extension = None
        book.db.commit()
    told = course.run(f"autograder regrade {SET}").splitlines()
    assert told[-2:] == ["dora late penalty: nothing -> 0.9 points off", "1 marks changed."]
    due(course, 3)
    told = course.run(f"autograder regrade {SET}").splitlines()
    assert told[-2:] == ["dora late penalty: 0.9 points off -> nothing", "1 marks changed."]
    assert penalty(course, "dora") is None


# ── A rehearsal ──────────────────────────────────────────────────────────────────────────────────


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_rehearsal_is_made_and_removed_beside_a_class(course: Course) -> None:
    for file in ("Makefile", "constraints.txt"):
        shutil.copy(ROOT / file, course.folder)
    course.run("make .venv/.dependencies && touch .venv/.installed")
    # Wherever the course's own gradebook lies.
    course.configure(f"c.CourseDirectory.db_url = 'sqlite:///{course.grading}/gradebook.db'")
    before = everything(course.grading)
    course.run(f"make rehearse SET={SET} STUDENTS=3")
    place = course.folder / "rehearsal"
    assert (place / "grading" / "reports" / f"{SET}.html").is_file()
    assert len(list(place.glob(f"grading/feedback/*/{SET}/{SET}.html"))) == 3
    refused = course.run(f"autograder sample-class --set {SET} --students 3", wrong=True)
    assert "no sample class made, of amara, ben" in refused
    # Nobody else's mark, round or cache was touched; again and away.
    assert everything(course.grading) == before
    assert "sample class" not in course.run(f"make rehearse SET={SET} STUDENTS=3")
    course.run("make clear-rehearsal")
    assert not place.exists()
    assert everything(course.grading) == before


# ── Somebody else grades ─────────────────────────────────────────────────────────────────────────


FAILING = """\
from nbgrader.preprocessors import NbGraderPreprocessor


class FailsForBen(NbGraderPreprocessor):
    def preprocess(self, nb, resources):
        if resources["nbgrader"]["student"] == "ben":
            raise RuntimeError("not today")
        return nb, resources
"""


def test_nbgraders_own_loop_removes_nothing_that_it_cannot_replace(course: Course) -> None:
    before = course.graded("ben"), course.graded("amara")
    (course.folder / "failing.py").write_text(FAILING)
    course.configure(
        "import sys",
        f"sys.path.insert(0, {str(course.folder)!r})",
        "c.Autograde.autograde_preprocessors.append('failing.FailsForBen')",
    )
    course.run(f"nbgrader autograde {SET} --force", wrong=True)
    assert course.graded("ben") == before[0]
    # As a run leaves it that was killed.
    folder = course.grading / "autograded" / "amara" / SET
    aside = course.grading / ASIDE / "run"
    aside.mkdir(parents=True)
    (aside / "0.where").write_text(f"autograded/amara/{SET}")
    folder.rename(aside / "0")
    # While that run goes on, nobody else gives it back.
    with (aside / "lock").open("w") as running:
        fcntl.flock(running, fcntl.LOCK_EX)
        put_back(course.grading)
        assert not folder.exists()
    course.run(f"autograder autograde {SET} --student amara")
    assert course.graded("amara") == before[1]
    assert not (course.grading / ASIDE).exists()


GROUP = 5000
READERS = 5001
# Several commands at a time: to start Python costs more than most of them.
TYPED = """\
import os, sys
os.chdir(sys.argv.pop(1))
if sys.argv[1] == "lab":
    sys.argv.pop(1)
    from jupyterlab.labapp import main
    sys.exit(main())
for command in " ".join(sys.argv[1:]).split(" ; "):
    sys.argv[1:] = command.split()
    if sys.argv[1] == "nbgrader":
        sys.argv.pop(1)
        from nbgrader.apps.nbgraderapp import NbGraderApp
        NbGraderApp.clear_instance()
        from nbgrader.apps.nbgraderapp import main
    else:
        from autograder.cli import main
    if code := main():
        sys.exit(code)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Where others get in: pytest's own folders are for whoever started it."""
    folder = Path(tempfile.mkdtemp(prefix="autograder-two-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
@pytest.mark.skipif(bool(SandboxedRunner().refused), reason="this kernel refuses some wall")
def test_two_accounts_grade_one_course(graded: Course, open_folder: Path) -> None:
    course = graded.copy(open_folder / "all")
    course.hand_in("chen", course.solved())

    def somebody(account: int, group: int) -> list[str]:
        program = [sys.executable, str(ROOT / "tests" / "as_user.py"), f"{account}:{group}"]
        return [*program, "-c", TYPED, str(course.folder)]

    def typed(account: int, command: str, group: int = GROUP, code: int = 0) -> str:
        home = open_folder / str(account)
        home.mkdir(exist_ok=True)
        os.chown(home, account, group)
        place = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(home))
        words = command.replace("~", str(home)).split()
        done = subprocess.run(
            [*somebody(account, group), *words],
            env={**os.environ, **place},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    # As git leaves it.
    solutions = course.folder / "solutions"
    solutions.chmod(0o755)
    assert f"{solutions}: other accounts" in course.run("nbgrader db student list")
    assert solutions.stat().st_mode & 0o7777 == 0o700
    # Somebody who may read, and nobody else may.
    course.follow("Who may read the marks", ASSISTANTS=str(READERS))
    before = everything(course.folder)
    read = functools.partial(typed, 12347, group=READERS)
    assert f"you may not write {course.grading}" in read(f"report {SET}", code=2)
    read(f"report {SET} -o ~/class.html")
    read("export moodle --to ~/moodle.csv")
    read("nbgrader export --to ~/grades.csv")
    assert "ben" in (open_folder / "12347" / "moodle.csv").read_text()
    assert "ben" in (open_folder / "12347" / "grades.csv").read_text()
    for command in (f"autograde {SET}", f"regrade {SET}", f"feedback {SET}"):
        assert "Traceback" not in read(command, code=2)
    refused = typed(12348, f"report {SET} -o ~/class.html", code=2)
    assert "Permission denied" in refused and "Traceback" not in refused
    assert everything(course.folder) == before
    assert solutions.stat().st_mode & 0o7777 == 0o2750

    course.follow("Two instructors", GROUP=str(GROUP))
    assert "1 graded, 2 skipped" in typed(12345, f"autograde {SET}")
    edit(course, "py", ("down=slip", "lower=slip"))
    assert "ben shifted: 0 down -> 0 lower" in typed(12346, f"regrade {SET}")
    edit(course, "py", ("lower=slip", "below=slip"))
    assert "3 graded" in typed(12345, f"autograde {SET} --force")
    tables = f"feedback {SET} ; report {SET} ; export moodle ; nbgrader export"
    typed(12345, tables)
    typed(12346, f"{tables} ; nbgrader generate_feedback {SET} --force ; build {SET}")
    # The buttons of Formgrader, of a server of the other one's.
    home = open_folder / "12345"
    (home / "config").mkdir()
    os.chown(home / "config", 12345, GROUP)
    buttons = (f"submission/{SET}/chen/autograde", f"assignment/{SET}/chen/generate_feedback")
    with jupyter_lab(course.folder, home, [*somebody(12345, GROUP), "lab"]) as lab:
        for button in buttons:
            told = requests.post(lab.address(f"formgrader/api/{button}"), timeout=300)
            assert told.ok and told.json()["success"], told.text
    assert course.grading.stat().st_mode & 0o7777 == 0o2770
    exported = [course.folder / name for name in ("moodle.csv", "grades.csv")]
    for path in [*exported, *course.grading.rglob("*")]:
        status = path.lstat()
        wanted = 0o2070 if path.is_dir() else 0o060
        assert status.st_gid == GROUP and status.st_mode & wanted == wanted, path
