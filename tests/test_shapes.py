"""Every shape of exercise that the course needs, through build, check, judge and feedback."""

import json
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from autograder import check
from autograder.code.source import bare
from autograder.engine.interface import Limits
from autograder.engine.warm.handle import default_runner
from autograder.grading.grade import Graded, grade
from autograder.judging.judge import judge, judge_all_known, local_caller
from autograder.judging.sets import ExerciseSet, find_set, load_set
from autograder.release.build import write_source
from autograder.release.lint import lint
from autograder.release.notebook import instructor_notebook
from autograder.submissions.read import Submission

HERE = Path(__file__).parent
SEED = "shapes"


@pytest.fixture(scope="module")
def shapes() -> ExerciseSet:
    return load_set(HERE / "sets" / "shapes.py")


@pytest.fixture(scope="module")
def folder(shapes: ExerciseSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("shapes")
    write_source(shapes, place)
    return place


def run(shapes: ExerciseSet, **cells: str) -> Graded:
    """Grade the solved notebook with some solution cells replaced."""
    notebook = instructor_notebook(shapes)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        cell.source = cells.get(name, cell.source)
    return grade(Submission(notebook), shapes, SEED, default_runner())


def test_lint_has_nothing_to_say(shapes: ExerciseSet) -> None:
    assert [str(c) for c in lint(shapes, ["a", "b"])] == []


def test_every_reference_passes_through_the_runner(shapes: ExerciseSet) -> None:
    graded = run(shapes)
    told = {name: (v.status, v.message) for name, v in graded.verdicts.items()}
    assert {status for status, _ in told.values()} == {"passed"}, told
    assert graded.points == graded.max_points == 8


@pytest.mark.parametrize(
    ("part", "mistake"),
    [
        ("minibatches", "with_replacement"),
        ("minibatches", "not_shuffled"),
        ("secant_slope", "called_too_often"),
        ("project_nonnegative", "as_it_came"),
        ("torch_mean_square", "a_sum"),
    ],
)
def test_a_mistake_is_named_through_the_runner(
    shapes: ExerciseSet, part: str, mistake: str
) -> None:
    wrong = next(m for m in shapes.part(part).mistakes if m.name == mistake)
    graded = run(shapes, **{part: bare(wrong.wrong).replace(f"def {mistake}(", f"def {part}(")})
    verdict = graded.verdicts[part]
    assert verdict.mistake == mistake
    assert verdict.points < verdict.max_points
    others = [v for name, v in graded.verdicts.items() if name != part]
    assert all(v.status == "passed" for v in others)


def test_a_class_is_graded_step_by_step(shapes: ExerciseSet) -> None:
    source = bare(shapes.exercises[1].reference)
    spoiled = source.replace("self.slope * other.value + self.value * other.slope", "other.slope")
    graded = run(shapes, Dual=spoiled)
    assert graded.verdicts["Dual.add"].status == "passed"
    assert graded.verdicts["Dual.multiply"].status == "wrong"


def test_an_endless_iterator_is_cut_off(shapes: ExerciseSet) -> None:
    endless = "def minibatches(n, batch_size, rng):\n    while True:\n        yield np.arange(n)"
    assert run(shapes, minibatches=endless).verdicts["minibatches"].mistake == "with_replacement"


def test_every_mistake_is_named_in_process(shapes: ExerciseSet) -> None:
    for part in shapes.parts:
        for name, verdict in judge_all_known(part, SEED).items():
            wanted = None if name == part.name else name
            assert (verdict.mistake, verdict.status == "passed") == (wanted, wanted is None)


def test_the_visible_check_agrees(
    shapes: ExerciseSet,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(folder)
    for part in shapes.parts:
        step = part.name.partition(".")[2] or None
        check(part.reference, step)
        assert "Correct." in capsys.readouterr().out
        for mistake in part.mistakes:
            mistake.wrong.__name__, kept = part.exercise, mistake.wrong.__name__
            try:
                check(mistake.wrong, step)
            finally:
                mistake.wrong.__name__ = kept
            assert mistake.text in capsys.readouterr().out


def test_stubs_hold_no_solution(shapes: ExerciseSet, folder: Path) -> None:
    notebook = nbformat.read(folder / "shapes.ipynb", 4)
    dual = next(c for c in notebook.cells if c.id == "solution-Dual")
    assert dual.source.count("### BEGIN SOLUTION") == 3
    checks = [c.source for c in notebook.cells if c.id.startswith("check-Dual")]
    assert checks == ['check(Dual, "add")', 'check(Dual, "multiply")']
    assert "permutation" not in json.dumps(
        json.loads((folder / "checks.json").read_text())["public"]
    )


def test_a_case_does_not_depend_on_how_the_answer_is_made(shapes: ExerciseSet) -> None:
    """A case that was changed is drawn anew before it is judged."""

    def cleared(theta: Any) -> Any:
        answer = np.maximum(theta, 0.0)
        theta[...] = 0
        return answer

    verdict = judge(shapes.part("project_nonnegative"), SEED, local_caller(cleared))
    assert verdict.mistake == "changes_its_arguments"
    assert verdict.families == {"mixed_signs": True, "arguments_as_they_were": False}


def test_a_changed_argument_costs_a_share_through_the_runner(shapes: ExerciseSet) -> None:
    graded = run(
        shapes,
        project_nonnegative="def project_nonnegative(theta):\n    theta[theta < 0] = 0\n"
        "    return theta",
    )
    verdict = graded.verdicts["project_nonnegative"]
    assert (verdict.mistake, verdict.points) == ("changes_its_arguments", 0.5)
    assert verdict.message == "It changes its argument theta: work on a copy."


def test_one_step_that_hangs_costs_no_other_step(shapes: ExerciseSet) -> None:
    source = bare(shapes.exercises[1].reference)
    hangs = source.replace("    def __mul__(self, other):", HANGING)
    notebook = instructor_notebook(shapes)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "Dual":
            cell.source = hangs
    # The step that hangs is judged first: both share a snapshot.
    first, second = (c for c in notebook.cells if c.id.startswith("check-Dual"))
    at = notebook.cells.index(first)
    notebook.cells[at : at + 2] = [second, first]
    limits = Limits(call_seconds=0.3)
    graded = grade(Submission(notebook), shapes, SEED, default_runner(), limits=limits)
    assert graded.verdicts["Dual.multiply"].status == "timeout"
    assert graded.verdicts["Dual.add"].status == "passed"


HANGING = """\
    def __mul__(self, other):
        while True:
            pass

    def unused(self, other):"""


def test_a_step_names_the_one_that_it_needs() -> None:
    """Both fail: the second says so. Nothing is said where nobody began, or where it is right."""
    backprop = find_set("backprop")
    part = backprop.part("Tensor.diamond")
    assert "Tensor.used_twice" in part.after
    notebook = instructor_notebook(backprop)
    wrong = "arrived[parent] = share"
    right = "arrived[parent] = arrived[parent] + share if parent in arrived else share"
    cell = next(c for c in notebook.cells if c.id == "solution-Tensor")
    assert right in cell.source
    cell.source = cell.source.replace(right, wrong)
    verdicts = grade(Submission(notebook), backprop, SEED, default_runner()).verdicts
    assert verdicts["Tensor.used_twice"].mistake == "not_accumulated"
    assert verdicts["Tensor.used_twice"].mend_first is None
    assert verdicts["Tensor.diamond"].mend_first == "Tensor.used_twice"
    assert verdicts["Tensor.matmul"].status == "passed"
    assert verdicts["Tensor.matmul"].mend_first is None
