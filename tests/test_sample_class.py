"""The made-up class: the same seed the same bytes, and exactly the predicted marks."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from autograder.classes.run import grade_class, quietly
from autograder.engine.warm.handle import default_runner
from autograder.exercise import AuthorError
from autograder.gradebook.record import read_records
from autograder.judging.judge import judge, local_caller
from autograder.judging.sets import find_set, load_set
from autograder.project import Project
from autograder.release.notebook import instructor_notebook
from autograder.sample.answers import BODIES, DEADLY, Fillings, Mark
from autograder.sample.damage import PLAIN, SHAPES
from autograder.sample.people import make_class

ROOT = Path(__file__).resolve().parent.parent
PROJECT = Project(ROOT, ("gradient",))
CLASS = 30

LUCK = '''
import numpy as np
from autograder.exercise import exercise


def half(x):
    return x / 2


@exercise(points=1, draws=1)
def twice(x):
    """Two times x."""
    return 2 * x


@twice.cases
def any_number(rng):
    return dict(x=float(rng.normal()))


@twice.mistake("Negative numbers are lost.")
def only_positive(x):
    return 2 * max(x, 0.0)


@twice.mistake("Halved, not doubled.")
def halved(x):
    return half(twice.reference(x)) / 2
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of a class of thirty."""
    place = tmp_path_factory.mktemp("sample")
    make_class(PROJECT, ["gradient"], CLASS, 1, into=place)
    return place


def expected(folder: Path) -> dict:
    return json.loads((folder / "expected" / "gradient.json").read_text("utf-8"))


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# What is made


def test_the_same_seed_makes_the_same_bytes_and_another_seed_another_class(folder, tmp_path):
    make_class(PROJECT, ["gradient"], CLASS, 1, into=tmp_path / "again")
    make_class(PROJECT, ["gradient"], CLASS, 2, into=tmp_path / "other")
    assert files(tmp_path / "again") == files(folder)
    assert files(tmp_path / "other").keys().isdisjoint(files(folder)) or (
        expected(tmp_path / "other") != expected(folder)
    )


def test_every_submission_is_a_notebook_with_nbgraders_timestamp(folder):
    assert len(expected(folder)) == CLASS
    for student in expected(folder):
        place = folder / "submitted" / student / "gradient"
        assert len(list(place.glob("*.ipynb"))) == 1
        assert (place / "timestamp.txt").read_text().endswith(" UTC")


def test_a_class_of_thirty_hands_in_in_every_odd_way(folder):
    assert {mark["handed_in"] for mark in expected(folder).values()} >= {s.name for s in SHAPES}


def test_a_class_of_thirty_makes_every_mistake_whose_marks_are_sure(folder):
    sure = {(f.name, kind) for f in fillings("gradient") for kind in mistakes_of(f)}
    made = {
        (name, mark["mistake"])
        for learner in expected(folder).values()
        for name, mark in learner["functions"].items()
        if mark["mistake"]
    }
    assert len(sure) > 35
    assert made == sure


def test_a_class_of_thirty_holds_every_kind_of_broken_cell(folder):
    text = "".join(p.read_text("utf-8", errors="replace") for p in sorted(folder.rglob("*.ipynb")))
    for body in [*BODIES.values(), *(body for body, _status in DEADLY.values())]:
        for line in body.splitlines():
            assert json.dumps(line)[1:-1] in text, line
    assert "return (" in text and "def my_" in text
    assert text.count("while True:") == 1, "an endless loop costs half a minute: one is enough"


def test_a_large_class_looks_like_a_class(tmp_path):
    """Skill shows in all functions, late ones are harder, some mistakes are popular."""
    make_class(PROJECT, ["gradient"], 150, 1, into=tmp_path)
    ordinary = [m for m in expected(tmp_path).values() if m["handed_in"] == PLAIN.name]
    right = np.array(
        [[f["status"] == "passed" for f in m["functions"].values()] for m in ordinary], float
    )
    assert len(right) > 100 and 0.5 < right.mean() < 0.8 and 0.15 < right.mean(1).std() < 0.35
    assert right[:, :3].mean() > 0.15 + right[:, -3:].mean()
    assert np.corrcoef(right[:, ::2].mean(1), right[:, 1::2].mean(1))[0, 1] > 0.4
    told = Counter(
        (name, f["mistake"]) for m in ordinary for name, f in m["functions"].items() if f["mistake"]
    )
    counts = sorted(told.values(), reverse=True)
    assert counts[0] > 15 and sum(counts[:12]) > 0.4 * sum(counts), "a fifth of them, nearly half"
    assert len(counts) > 50 and counts[len(counts) // 2] < 6
    # In the class that everybody sees first there is room for both: each one once, some often.
    often = []
    for seed in range(1, 6):
        make_class(PROJECT, ["gradient"], CLASS, seed, into=tmp_path)
        few = Counter(
            (name, f["mistake"])
            for m in expected(tmp_path).values()
            for name, f in m["functions"].items()
            if f["mistake"]
        )
        often.append(sum(count >= 3 for count in few.values()))
    assert np.mean(often) >= 2


@pytest.mark.parametrize("students", [0, 1, 7])
def test_a_small_class_has_its_size(students, tmp_path):
    assert len(make_class(PROJECT, ["gradient"], students, 5, into=tmp_path)) == students
    assert len(expected(tmp_path)) == students


# What is put into the cells


def fillings(name: str) -> list[Fillings]:
    if name == "gradient":
        exercise_set = find_set(name, PROJECT)
    else:
        exercise_set = load_set(ROOT / "tests" / "sets" / f"{name}.py")
    cells = {c.id: c.source for c in instructor_notebook(exercise_set).cells}
    return [
        Fillings(exercise_set, e, cells[f"solution-{e.parts[0].exercise}"])
        for e in exercise_set.exercises
    ]


def mistakes_of(made: Fillings) -> list[str]:
    return [filling.kind.rpartition(":")[2] for filling in made.mistakes]


@pytest.mark.parametrize("name", ["gradient", "shapes"])
def test_every_text_stands_alone_and_gets_its_marks_on_a_new_seed(name):
    """Also where a mistake calls a reference, or a class builds on a helper of its module."""
    tried = 0
    for made in fillings(name):
        for filling in [made.reference(), *made.mistakes]:
            namespace = {"np": np}
            exec(filling.source, namespace)
            for part in made.exercise.parts:
                verdict = judge(part, "a new seed", local_caller(namespace[made.name]))
                mark = Mark(verdict.points, verdict.status, verdict.mistake)
                assert mark == filling.marks[part.name], (filling.kind, part.name)
                tried += 1
    assert tried > 15


def test_a_mistake_whose_marks_depend_on_the_seed_is_left_out(tmp_path):
    path = tmp_path / "luck.py"
    path.write_text(LUCK, "utf-8")
    luck = load_set(path)
    made = Fillings(luck, luck.exercises[0], "def twice(x):\n    raise NotImplementedError")
    assert mistakes_of(made) == ["halved"]
    (halved,) = made.mistakes
    namespace: dict = {}
    exec(halved.source, namespace)
    assert namespace["twice"](3.0) == 1.5
    assert "reference" not in halved.source


# Other people's work


def test_an_earlier_sample_class_is_replaced(tmp_path):
    make_class(PROJECT, ["gradient"], 3, 1, into=tmp_path)
    make_class(PROJECT, ["gradient"], 3, 2, into=tmp_path)
    people = {p.parent.name for p in (tmp_path / "submitted").glob("*/gradient")}
    assert people == {*expected(tmp_path)}


def test_no_sample_class_is_put_among_submissions_that_none_made(tmp_path):
    make_class(PROJECT, ["gradient"], 3, 1, into=tmp_path)
    theirs = tmp_path / "submitted" / "somebody-real" / "gradient" / "gradient.ipynb"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    before = files(tmp_path)
    with pytest.raises(AuthorError, match="no sample class made, of somebody-real: none is put"):
        make_class(PROJECT, ["gradient"], 3, 2, into=tmp_path)
    assert files(tmp_path) == before


# The marks


@pytest.fixture(scope="module")
def graded(module_course):
    """The class of thirty, graded by nbgrader's own command."""
    module_course.configure("c.GradeSubmission.limits = {'call_seconds': 5.0}")
    make_class(module_course.project, ["gradient"], CLASS, 1)
    module_course.run("nbgrader autograde gradient")
    return module_course


def test_every_mark_is_the_predicted_one(graded):
    got = {
        record.student: {
            name: {key: getattr(verdict, key) for key in ("points", "status", "mistake")}
            for name, verdict in record.verdicts.items()
        }
        for record in read_records(graded.project, "gradient")
    }
    assert got == {s: mark["functions"] for s, mark in expected(graded.grading).items()}


def test_the_gradebook_has_the_predicted_marks(graded):
    for student, mark in expected(graded.grading).items():
        assert graded.marks(student) == {n: f["points"] for n, f in mark["functions"].items()}
        assert graded.score(student) == pytest.approx(mark["points"])


def test_what_was_graded_is_skipped_the_second_time(graded):
    before = files(graded.grading / "autograded")
    summary = grade_class(graded.project, "gradient", progress=quietly, say=lambda text: None)
    assert len(summary.skipped) == CLASS and not summary.graded
    assert files(graded.grading / "autograded") == before


def test_our_own_command_gives_the_same_marks_and_a_summary(graded):
    marks = expected(graded.grading)
    few = sorted(marks)[:3]
    said: list[str] = []
    summary = grade_class(
        graded.project, "gradient", few, force=True, progress=quietly, say=said.append
    )
    assert (summary.exit_code, summary.failed, summary.skipped) == (0, {}, [])
    points = {s: sum(v.points for v in verdicts.values()) for s, verdicts in summary.graded.items()}
    assert points == pytest.approx({student: marks[student]["points"] for student in few})
    assert summary.mean_points == pytest.approx(sum(marks[s]["points"] for s in few) / 3, abs=0.01)
    protects = default_runner().protects
    assert said.count(protects) == 1 and said[0] == protects
    logs = graded.grading / "logs" / "gradient"
    assert set(few) <= {p.stem for p in logs.glob("*.log")}
