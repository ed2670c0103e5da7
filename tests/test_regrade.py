"""A mended case or mistake: the class is graded again, and every changed mark is listed."""

from __future__ import annotations

import pytest

from autograder.classes.regrade import Change, NotRegraded, regrade
from autograder.classes.run import grade_class, quietly
from autograder.gradebook.record import read_records
from autograder.grading.rounds import close_round, current_round


def silent(text: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def graded(module_course):
    """Four learners: all right, one whose h is its own, one mistake in the model, untouched."""
    module_course.hand_in("amara", module_course.solved())
    module_course.hand_in("ben", module_course.mistaken(numerical_gradient="h_of_its_own"))
    module_course.hand_in("chen", module_course.mistaken(gabor="no_scale"))
    module_course.hand_in("dora", module_course.stub())
    summary = grade_class(module_course.project, "gradient", progress=quietly, say=silent)
    assert summary.exit_code == 0
    return module_course


@pytest.fixture
def course(graded, tmp_path):
    """The same class, for a test that changes it."""
    return graded.copy(tmp_path / "all")


def mend(course, old: str, new: str) -> None:
    file = course.folder / "solutions" / "gradient.py"
    text = file.read_text("utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), "utf-8")


def test_nothing_changed_nothing_listed(course):
    before = {s: course.rows(s) for s in ("amara", "ben", "chen")}
    said: list[str] = []
    assert regrade(course.project, "gradient", progress=quietly, say=said.append) == []
    # Whoever had to be looked at still has.
    look = ["Please look at:", "  dora: The notebook is as it was handed out."]
    assert said == [*look, ""]
    said.clear()
    grade_class(course.project, "gradient", force=True, progress=quietly, say=said.append)
    assert said[2:5] == ["4 unchanged: nothing of theirs was to be done again.", *look]
    assert {s: course.rows(s) for s in before} == before


def test_a_mended_case_and_a_renamed_mistake_change_exactly_their_marks(course):
    """Also where feedback is out: the old marks' seed counts, and no new round begins."""
    seeds = {r.student: (r.seed, r.round) for r in read_records(course.project, "gradient")}
    close_round(course.project, "gradient")
    mend(course, "h=rng.uniform(0.05, 0.2)", "h=1e-5")
    mend(course, "no_scale=slip(", "scale_forgotten=slip(")
    changes = regrade(course.project, "gradient", progress=quietly)
    assert changes == [
        Change(
            student="ben",
            function="numerical_gradient",
            old_points=0.5,
            new_points=2.0,
            old_status="partial",
            new_status="passed",
            old_mistake="h_of_its_own",
            new_mistake=None,
        ),
        Change(
            student="chen",
            function="gabor",
            old_points=0.0,
            new_points=0.0,
            old_status="wrong",
            new_status="wrong",
            old_mistake="no_scale",
            new_mistake="scale_forgotten",
        ),
    ]
    assert str(changes[0]) == "ben numerical_gradient: 0.5 h_of_its_own -> 2 passed"
    records = {r.student: r for r in read_records(course.project, "gradient")}
    assert {s: (r.seed, r.round) for s, r in records.items()} == seeds
    for student, record in records.items():
        assert course.marks(student) == {n: v.points for n, v in record.verdicts.items()}
    closed = course.grading / "rounds" / "gradient.json"
    assert '"number": 1' in closed.read_text()
    assert current_round(course.project, "gradient").number == 2


def test_marks_and_comments_by_hand_stay(course):
    with course.gradebook() as book:
        notebook = book.find_submission_notebook("gradient", "gradient", "ben")
        by_name = {grade.name: grade for grade in notebook.grades}
        by_name["check-numerical_gradient"].manual_score = 1.9
        {c.name: c for c in notebook.comments}["gabor"].manual_comment = "Neat."
        book.db.commit()
    mend(course, "h=rng.uniform(0.05, 0.2)", "h=1e-5")
    (change,) = regrade(course.project, "gradient", ["ben"], progress=quietly)
    assert (change.new_points, change.manual) == (2.0, 1.9)
    assert str(change).endswith("(marked by hand: 1.9 stays)")
    assert course.score("ben") == pytest.approx(19.9)
    with course.gradebook() as book:
        notebook = book.find_submission_notebook("gradient", "gradient", "ben")
        assert {c.name: c.comment for c in notebook.comments}["gabor"] == "Neat."


def test_what_cannot_be_graded_again_keeps_its_mark_and_is_told(course):
    (course.grading / "submitted" / "ben" / "gradient" / "gradient.ipynb").unlink()
    before = course.graded("ben")
    mend(course, "no_scale=slip(", "scale_forgotten=slip(")
    with pytest.raises(NotRegraded, match="ben: FileNotFoundError: no notebook") as told:
        regrade(course.project, "gradient", progress=quietly)
    assert told.value.failed.keys() == {"ben"}
    assert [change.student for change in told.value.changes] == ["chen"]
    assert course.graded("ben") == before
    assert course.score("ben") == pytest.approx(18.5)


def test_who_was_never_graded_cannot_be_regraded(course):
    with pytest.raises(FileNotFoundError, match="nobody-here"):
        regrade(course.project, "gradient", ["nobody-here"], progress=quietly)
