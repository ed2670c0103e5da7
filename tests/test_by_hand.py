"""An answer that a person marks: from what was handed in to one score, and through a regrade."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from nbgrader.apps import ExportApp
from nbgrader.coursedir import CourseDirectory

from autograder.classes.regrade import regrade
from autograder.classes.report import write_report
from autograder.classes.run import Summary, feedback_class, grade_class, quietly
from autograder.grading.grade import grade
from autograder.judging.sets import find_set
from autograder.release.configuration import course_config
from autograder.release.lint import lint
from autograder.submissions.read import Submission
from tests.by_hand import COURSE, labels, make_course, mark, with_answer
from tests.conftest import Course
from tests.test_report import visible

CHECKS = 2.0
TEXT = "With five seeds the loss fell to 0.31 ± 0.02."
SET, ANSWER, POINTS = COURSE.name, COURSE.answer, COURSE.points
MARKED = (None, False)
TO_MARK = (None, True)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The course, with nothing handed in."""
    return make_course(tmp_path_factory.mktemp("by-hand") / "all")


@pytest.fixture
def course(released: Course, tmp_path) -> Course:
    """A copy for one test."""
    return released.copy(tmp_path / "all")


def whole_class(course: Course, student: str = "amara", force: bool = True) -> Summary:
    """`autograder autograde`."""
    return grade_class(
        course.project, SET, [student], force=force, progress=quietly, say=lambda text: None
    )


def one_by_one(course: Course, student: str = "amara") -> None:
    """nbgrader's own loop, as Formgrader's button runs it."""
    course.run(f"nbgrader autograde {SET} --student={student} --force")


WAYS = pytest.mark.parametrize("graded_by", [whole_class, one_by_one])
Way = Callable[[Course], object]


def answered(course: Course, text: str = TEXT, **mistakes: str) -> NotebookNode:
    """A solved notebook, with mistakes, and an answer."""
    notebook = course.mistaken(**mistakes) if mistakes else course.solved()
    return with_answer(notebook, text)


def test_the_set_of_these_tests_is_a_good_one(course):
    assert lint(find_set(SET, course.project), [str(seed) for seed in range(20)]) == []


# One score.


@WAYS
def test_the_score_is_the_sum(course, graded_by):
    course.hand_in("amara", answered(course))
    graded_by(course)
    assert course.rows("amara") == {"accuracy": (CHECKS, False), ANSWER: TO_MARK}
    assert labels(course.graded("amara"))[ANSWER].source == TEXT
    assert course.score("amara") == CHECKS
    mark(course, "amara", 3)
    assert course.score("amara") == CHECKS + 3


@WAYS
def test_what_was_left_as_it_was_handed_out_is_zero_and_waits_for_nobody(course, graded_by):
    course.hand_in("amara", course.solved())
    graded_by(course)
    assert course.rows("amara")[ANSWER] == (0, False)
    assert comment(course, "amara") == "No response."


@WAYS
def test_an_answer_beside_its_cell_is_not_zero_without_a_word(course, graded_by):
    notebook = course.solved()
    notebook.cells.append(new_markdown_cell(TEXT))
    course.hand_in("amara", notebook)
    graded_by(course)
    assert course.rows("amara")[ANSWER] == TO_MARK
    assert comment(course, "amara") is None
    assert "somebody has to look" in course.graded("amara").cells[0].source
    # What is in the notebook before anybody writes is no answer.
    course.hand_in("ben", course.solved())
    graded_by(course, "ben")
    assert course.rows("ben")[ANSWER] == (0, False)


def comment(course: Course, student: str) -> str | None:
    """What nbgrader says of the answer."""
    with course.gradebook() as book:
        return book.find_comment(ANSWER, SET, SET, student).comment


# What becomes of a cell.


def stripped(notebook: NotebookNode) -> None:
    """As by a platform that keeps no metadata."""
    for cell in notebook.cells:
        cell.metadata = NotebookNode()


def stripped_of_ids(notebook: NotebookNode) -> None:
    """As by a platform that writes notebooks of an old format."""
    stripped(notebook)
    for i, cell in enumerate(notebook.cells):
        cell.id = f"cell-{i}"


def copied(notebook: NotebookNode) -> None:
    """As by somebody who starts again in a copy, and empties the first."""
    cell = labels(notebook)[ANSWER]
    twin = new_markdown_cell(cell.source, metadata=dict(cell.metadata))
    cell.source = "*Write here.*"
    notebook.cells.append(twin)


def copied_above(notebook: NotebookNode) -> None:
    """As by somebody who keeps the question in a copy below."""
    cell = labels(notebook)[ANSWER]
    twin = new_markdown_cell("*Write here.*", metadata=dict(cell.metadata))
    notebook.cells.append(twin)


def made_code(notebook: NotebookNode) -> None:
    """As by the key Y."""
    cell = labels(notebook)[ANSWER]
    cell.cell_type, cell.outputs, cell.execution_count = "code", [], None


def relabelled(notebook: NotebookNode) -> None:
    """As by somebody who would like more points."""
    labels(notebook)[ANSWER].metadata.nbgrader.update(points=100, locked=True)


@WAYS
@pytest.mark.parametrize(
    "damage", [stripped, stripped_of_ids, copied, copied_above, made_code, relabelled]
)
def test_an_answer_keeps_its_label_whatever_becomes_of_the_cell(course, graded_by, damage):
    notebook = answered(course)
    damage(notebook)
    course.hand_in("amara", notebook)
    graded_by(course)
    assert course.rows("amara") == {"accuracy": (CHECKS, False), ANSWER: TO_MARK}
    found = [c for c in course.graded("amara").cells if c.source == TEXT]
    (cell,) = [c for c in found if "nbgrader" in c.metadata]
    assert (cell.cell_type, cell.metadata.nbgrader.grade_id) == ("markdown", ANSWER)
    assert cell.metadata.nbgrader.points == POINTS and not cell.metadata.nbgrader.locked


@WAYS
def test_a_cell_that_is_gone_is_put_back_and_told(course, graded_by):
    notebook = answered(course)
    notebook.cells.remove(labels(notebook)[ANSWER])
    course.hand_in("amara", notebook)
    graded_by(course)
    assert course.rows("amara")[ANSWER] == (0, False)
    cells = course.graded("amara").cells
    assert cells[-1].source.strip() == "*Write here.*" and "## Report" in cells[-2].source
    assert f"The cell of {ANSWER} was missing" in cells[0].source


def test_one_notebook_alone_keeps_its_answer_too(course, monkeypatch):
    """`autograder grade-notebook`, which asks no gradebook."""
    from autograder.engine.warm.handle import default_runner

    project = course.project
    notebook = answered(course)
    graded = grade(
        Submission(notebook),
        find_set(SET, project),
        "1",
        default_runner(),
        files=project.exercises / SET,
    )
    assert labels(graded.notebook)[ANSWER].source == TEXT
    assert graded.problems == []


# Graded again.


@WAYS
def test_a_mark_by_hand_stays_and_an_unchanged_answer_asks_for_no_second_look(course, graded_by):
    course.hand_in("amara", answered(course))
    graded_by(course)
    mark(course, "amara", 3)
    # Another function, the same answer: everything is graded again.
    course.hand_in("amara", answered(course, f"{TEXT}\n\n", accuracy="counted"))
    for _again in range(2):
        graded_by(course)
        assert course.rows("amara") == {"accuracy": (0.0, False), ANSWER: MARKED}
        assert course.score("amara") == 3


@WAYS
def test_an_answer_that_changed_keeps_its_mark_and_is_to_be_looked_at(course, graded_by):
    course.hand_in("amara", answered(course))
    graded_by(course)
    mark(course, "amara", 3)
    course.hand_in("amara", answered(course, "Now with ten seeds."))
    for _again in range(2):
        # Until somebody looks.
        graded_by(course)
        assert course.rows("amara")[ANSWER] == TO_MARK
        assert course.score("amara") == CHECKS + 3
    mark(course, "amara", 4)
    graded_by(course)
    assert course.rows("amara")[ANSWER] == MARKED
    assert course.score("amara") == CHECKS + 4


@WAYS
def test_an_answer_that_was_taken_away_is_to_be_looked_at(course, graded_by):
    course.hand_in("amara", answered(course))
    graded_by(course)
    mark(course, "amara", 3)
    course.hand_in("amara", course.solved())
    graded_by(course)
    assert course.rows("amara")[ANSWER] == (0, True)
    assert course.score("amara") == CHECKS + 3


def test_both_ways_of_grading_know_what_the_other_saw(course):
    course.hand_in("amara", answered(course))
    whole_class(course)
    mark(course, "amara", 3)
    one_by_one(course)
    assert course.rows("amara")[ANSWER] == MARKED
    course.hand_in("amara", answered(course, "Now with ten seeds."))
    one_by_one(course)
    whole_class(course)
    assert course.rows("amara")[ANSWER] == TO_MARK


def test_marks_from_before_this_was_written_down_are_to_be_looked_at(course):
    """nbgrader's own rule, where nobody knows what text was marked."""
    course.hand_in("amara", answered(course))
    whole_class(course)
    mark(course, "amara", 3)
    (course.grading / "texts" / SET / "amara.json").unlink()
    course.hand_in("amara", answered(course, accuracy="counted"))
    whole_class(course)
    assert course.rows("amara")[ANSWER] == TO_MARK


def test_a_mark_in_the_place_of_a_checks_is_to_be_looked_at_as_ever(course):
    course.hand_in("amara", answered(course))
    whole_class(course)
    with course.gradebook() as book:
        grade = book.find_grade("check-accuracy", SET, SET, "amara")
        grade.manual_score, grade.needs_manual_grade = 1.0, False
        book.db.commit()
    whole_class(course)
    assert course.rows("amara")["accuracy"] == (CHECKS, True)


def test_a_regrade_keeps_marks_by_hand(course):
    course.hand_in("amara", answered(course, accuracy="counted"))
    course.hand_in("ben", answered(course))
    whole_class(course, "*")
    mark(course, "amara", 3)
    file = course.folder / "solutions" / f"{SET}.py"
    file.write_text(file.read_text().replace("def counted(", "def no_share("))
    said: list[str] = []
    (change,) = regrade(course.project, SET, progress=quietly, say=said.append)
    assert said == [
        "To be marked by hand, in Formgrader under Manual Grading:",
        "  1 not marked yet, the score is without it: ben",
        "",
    ]
    assert (change.function, change.new_mistake, change.manual) == ("accuracy", "no_share", None)
    assert course.rows("amara")[ANSWER] == MARKED
    assert course.score("amara") == 3


def test_force_on_an_unchanged_class_writes_nothing(course):
    course.hand_in("amara", answered(course))
    whole_class(course)
    mark(course, "amara", 3)
    assert whole_class(course).unchanged == ["amara"]
    assert course.rows("amara")[ANSWER] == MARKED


# What is said.


@pytest.fixture(scope="module")
def four(released: Course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """One is not marked yet, one marked, one has changed the answer since, one gave none."""
    course = released.copy(tmp_path_factory.mktemp("four") / "all")
    with course.gradebook() as book:
        # Two workers enter learners in any order: no table may show it.
        for student in ("dara", "chen", "ben", "amara"):
            book.add_student(student)
    for student in ("amara", "ben", "chen"):
        course.hand_in(student, answered(course, f"{TEXT} {student}"))
    course.hand_in("dara", course.mistaken(accuracy="counted"))
    grade_class(course.project, SET, progress=quietly, say=lambda text: None)
    for student, points in (("ben", 3.5), ("chen", 2)):
        mark(course, student, points)
    course.hand_in("chen", answered(course, "Now with ten seeds."))
    whole_class(course, "chen")
    return course


def test_the_summary_says_who_waits(four):
    lines = "\n".join(whole_class(four, "amara", force=False).lines())
    assert "0 graded, 1 skipped" in lines
    assert "To be marked by hand, in Formgrader under Manual Grading:" in lines
    assert "1 not marked yet, the score is without it: amara" in lines
    assert "1 changed since it was marked, the mark stands: chen" in lines


def test_the_summary_of_a_class_says_what_its_mean_is_of(four, tmp_path):
    course = four.copy(tmp_path / "all")
    course.hand_in("ben", answered(course, accuracy="counted"))
    summary = whole_class(course, "ben")
    assert "Mean 0 of 2 points from checks." in summary.lines()


def test_the_report_says_what_is_not_marked(four):
    told = visible(write_report(four.project, SET).read_text("utf-8"))
    # Scores 2, 5.5, 4 and 0.
    assert "Mean 2.9 of 6" in told and "Not marked by hand yet 1" in told
    assert "1 of the scores below is without points that a person has still to give." in told
    assert "Student Points accuracy report-trial , by hand, of 4" in told
    rows = told[told.index("Every student's outcome") :]
    assert "amara 2 so far ✓ passed not marked yet" in rows
    assert "ben 5.5 ✓ passed 3.5 To look at" in rows
    assert "chen 4 ✓ passed 2 changed since" in rows
    assert re.search(r"dara 0 ✗ wrong counted 0 no answer", rows)
    waits = told[told.index("Formgrader lists them") :]
    assert (
        "amara report-trial: no mark yet 4 chen report-trial: changed since it was marked 4"
        in waits
    )


def exported(course: Course) -> dict[str, dict[str, str]]:
    """`nbgrader export`, by student."""
    config = course_config(course.folder)
    file = course.folder / "grades.csv"
    config.CsvExport.to = str(file)
    app = ExportApp(config=config)
    app.coursedir = CourseDirectory(config=config)
    app.start()
    with file.open(encoding="utf-8", newline="") as rows:
        return {row["student_id"]: row for row in csv.DictReader(rows)}


def test_the_export_says_what_is_not_marked(four):
    rows = exported(four)
    got = {s: (row["score"], row["max_score"], row["to_be_marked"]) for s, row in rows.items()}
    assert list(got) == ["amara", "ben", "chen", "dara"]
    assert got == {
        "amara": ("2", "6", "4"),
        "ben": ("5.5", "6", ""),
        "chen": ("4", "6", ""),
        "dara": ("0", "6", ""),
    }


def test_the_feedback_says_what_is_not_marked(four, tmp_path):
    course = four.copy(tmp_path / "all")
    with course.gradebook() as book:
        book.find_comment(ANSWER, SET, SET, "ben").manual_comment = "Show the spread, too."
        book.db.commit()
    written, failed = feedback_class(course.project, SET, progress=quietly)
    assert (written, failed) == (4, {})
    pages = {student: visible(course.page(student)) for student in ("amara", "ben", "dara")}
    assert "Score: 2.0 / 6.0" in pages["amara"]
    assert "Not marked yet: a person will." in pages["amara"]
    assert "Score: 5.5 / 6.0" in pages["ben"] and "Score: 3.5 / 4.0" in pages["ben"]
    assert "Comments: Show the spread, too." in pages["ben"]
    assert "2 of 2 points ✓ accuracy : Correct." in pages["ben"]
    assert "Not marked yet" not in pages["ben"]
    assert "No response." in pages["dara"] and "Not marked yet" not in pages["dara"]


# Late.

PLUGIN = """\
from nbgrader.plugins import BasePlugin


class Tenth(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return score / 10
"""


@pytest.fixture
def late(course: Course, monkeypatch) -> Course:
    """Amara handed in an hour late; ben did not."""
    (course.folder / "tenth.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(course.folder))
    course.configure('c.AssignLatePenalties.plugin_class = "tenth.Tenth"')
    with course.gradebook() as book:
        book.update_or_create_assignment(SET, duedate="2030-01-31 12:00:00 UTC")
    for student, hour in (("amara", 13), ("ben", 11)):
        path = course.hand_in(student, answered(course))
        (path.parent / "timestamp.txt").write_text(f"2030-01-31 {hour}:00:00 UTC")
    return course


def penalty(course: Course, student: str = "amara") -> float:
    """What the gradebook takes off."""
    with course.gradebook() as book:
        return float(book.find_submission(SET, student).late_submission_penalty)


@WAYS
def test_a_penalty_is_taken_once_and_from_the_sum(late, graded_by):
    for student in ("amara", "ben"):
        graded_by(late, student)
        mark(late, student, 3)
    wanted = {"amara": ("5", "0.5", "4.5"), "ben": ("5", "0", "5")}
    columns = ("raw_score", "late_submission_penalty", "score")
    for _again in range(2):
        got = {s: tuple(row[c] for c in columns) for s, row in exported(late).items()}
        assert got == wanted
    graded_by(late)
    assert penalty(late) == pytest.approx(0.5)
    mark(late, "amara", 4)
    feedback_class(late.project, SET, progress=quietly)
    page = visible(late.page("amara"))
    assert "Score: 5.4 / 6.0" in page and "Late submission penalty (Score: -0.6)" in page
    assert penalty(late) == pytest.approx(0.6)
    assert "Late" not in visible(late.page("ben"))
    assert late.score("amara") == 6


def test_an_extension_that_was_granted_since_counts(late):
    whole_class(late)
    assert penalty(late) == pytest.approx(0.2)
    with late.gradebook() as book:
        book.grant_extension(SET, "amara", hours=2)
    assert exported(late)["amara"]["score"] == "2"
