"""A term goes on: a set is edited, a date is moved, somebody else grades; nothing is lost."""

from __future__ import annotations

import csv
import sqlite3
from pathlib import Path

import pytest

from tests.by_hand import HandGraded, make_course
from tests.conftest import Course

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
    file = course.folder / "solutions" / f"{SET}.{ending}"
    text = file.read_text("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    file.write_text(text, "utf-8")


def without(course: Course, name: str) -> None:
    """Take an exercise out of the set."""
    file = course.folder / "solutions" / f"{SET}.py"
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

    for command in ("autograder autograde --force", "autograder regrade", "nbgrader autograde"):
        refused = course.run(f"{command} {SET}", wrong=True)
        assert "nobody is graded" in refused and f"autograder build {SET}" in refused
        assert "shifted is worth 2 points in place of 4" in refused
    assert course.graded("amara")

    told = course.run(f"autograder build {SET} --renamed scaled=times").split("\n")
    assert told[1:9] == [
        "  shifted is worth 2 points in place of 4",
        "  doubled is new, 5 points",
        "  total is taken out, 3 points",
        "  scaled is called times",
        "  amara: 12 of 13 -> 7 of 13",
        "  ben: 6.5 of 13 -> 5 of 13",
        "By hand, and gone with what was taken out:",
        '  ben total: 1.5 points, "A mean, but a good one."',
    ]
    assert f"autograder regrade {SET}" in told[9]
    copy = Path(told[10].removeprefix("As it was: "))
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
