"""The learner's check: what it says beyond the verdict itself."""

import importlib.util
import re
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import numpy as np
import pytest

from autograder import check, hint
from autograder.code.source import bare
from autograder.judging.sets import find_set
from autograder.learning.check import NoExercise, NoFunction

EXERCISE = Path(__file__).parent.parent / "exercises" / "gradient"
ANSWERS = """
import numpy as np


def gabor(theta, x):
    u = theta[0] + theta[1] * x
    return np.sin(u) * np.exp(-(u**2) / 32)


def gabor_gradient(theta, x, y):
    u = theta[0] + 0.06 * theta[1] * x
    slope = (np.cos(u) - np.sin(u) * u / 16) * np.exp(-(u**2) / 32)
    pull = 2 * (gabor(theta, x) - y) * slope
    return np.array([np.sum(pull), np.sum(pull * 0.06 * x)])


def newton_step(grad, hessian, theta):
    return theta - np.linalg.inv(hessian(theta=theta)) @ grad(theta=theta)


def linear_gradient(theta, X, y):
    theta *= 1.0000001
    return X.T @ (X @ theta - y)


def gradient_descent(grad, theta0, lr, steps):
    return theta0 - lr * grad


def bfgs_update(H, s, y):
    return H @ t
"""


def written(folder: Path, text: str) -> ModuleType:
    """A module of a learner's, in a file."""
    (folder / "answers.py").write_text(text)
    spec = importlib.util.spec_from_file_location("answers", folder / "answers.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.chdir(EXERCISE)
    return written(tmp_path, ANSWERS)


def test_what_to_mend_first_is_told(
    answers: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    check(answers.gabor_gradient)
    assert "It uses gabor, whose own check fails: mend that first." in capsys.readouterr().out
    check(answers.gabor)
    assert "mend that first" not in capsys.readouterr().out


STUB = "def gabor(theta, x):\n    raise NotImplementedError\n"
USES = "def gabor_gradient(theta, x, y):\n    return helper(theta, x)\n"
HELPER = "def helper(theta, x):\n    return gabor(theta, x)\n"


def test_who_builds_on_a_stub_is_not_told_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words that `grade` has too: the other function's body is what is missing."""
    monkeypatch.chdir(EXERCISE)
    check(written(tmp_path, STUB + USES + HELPER).gabor_gradient)
    said = capsys.readouterr().out
    assert "It calls a function whose body still raises NotImplementedError." in said
    assert "It uses gabor, whose own check fails: mend that first." in said
    check(written(tmp_path, STUB + USES + HELPER).gabor)
    assert "gabor: Not attempted yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "first"),
    [
        (STUB + USES + HELPER.replace("gabor", "np.gabor"), ""),
        (STUB + USES + HELPER.replace("x):", "x, gabor=1):"), ""),
        (
            STUB
            + USES
            + HELPER.replace("gabor", "newton_step")
            + "def newton_step(grad, hessian, theta=0):\n    return gabor(grad, hessian)\n",
            "gabor",
        ),
        (
            USES + HELPER + "def gabor(theta, x):\n    return gabor_gradient(theta, x, 0)\n",
            "gabor",
        ),
    ],
    ids=["an attribute", "an argument", "a chain", "a circle"],
)
def test_of_those_below_the_deepest_is_mended_first(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: str,
    first: str,
) -> None:
    monkeypatch.chdir(EXERCISE)
    check(written(tmp_path, code).gabor_gradient)
    told = [line for line in capsys.readouterr().out.splitlines() if "It uses" in line]
    wanted = f"  It uses {first}, whose own check fails: mend that first."
    assert told == ([wanted] if first else [])


def test_a_step_of_a_class_names_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step below, or a function that the class uses."""
    monkeypatch.chdir(EXERCISE.parent / "backprop")
    backprop = find_set("backprop")
    tensor = bare(backprop.part("Tensor.diamond").reference)
    helpers = [bare(backprop.part(n).reference) for n in ("relu", "relu_grad", "unbroadcast")]
    start = ["from __future__ import annotations", "import numpy as np"]
    right = "\n".join([*start, *helpers, tensor])
    twice = right.replace("class Tensor", "unbroadcast = lambda g, s: 2 * g\nclass Tensor")
    check(written(tmp_path, twice).Tensor, "broadcasting")
    assert "It uses unbroadcast, whose own check fails" in capsys.readouterr().out
    stub = right.replace("def __add__(self, other):", "def __add__(self, other):\n        return 0")
    check(written(tmp_path, stub).Tensor, "diamond")
    assert "It uses Tensor.add_and_multiply, whose own check fails" in capsys.readouterr().out


def test_a_remark_costs_nothing(answers: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    check(answers.newton_step)
    said = capsys.readouterr().out
    assert "Correct." in said and "np.linalg.solve gets there with a third" in said


def test_a_changed_argument_is_told_once(
    answers: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    check(answers.linear_gradient)
    assert capsys.readouterr().out.count("It changes its argument theta") == 1


def test_ones_own_line_is_shown(answers: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    check(answers.bfgs_update)
    said = capsys.readouterr().out
    assert "NameError: name 't' is not defined" in said and "your line: return H @ t" in said


def test_hints_go_up_a_ladder_and_begin_again(
    answers: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(4):
        hint(answers.bfgs_update)
    numbers = [line.split(" for ")[0] for line in capsys.readouterr().out.splitlines()]
    assert numbers == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3", "Hint 1 of 3"]


def gabor2(theta, x):
    return x


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (3, "check wants the function itself, as in check(numerical_gradient), or the name that "),
        (lambda x: x, "check wants the function itself, as in check(numerical_gradient)"),
        (print, "There is no exercise called print here; there are numerical_gradient"),
        (gabor2, "There is no exercise called gabor2 here; did you mean gabor?"),
    ],
)
def test_what_is_no_exercise_is_told_in_a_sentence_alone(
    wrong: object, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a notebook there is nothing before it: no frame of ours, no line of a library."""
    monkeypatch.chdir(EXERCISE)
    with pytest.raises((NoFunction, NoExercise)) as caught:
        check(wrong)
    (sentence,) = caught.value._render_traceback_()
    assert sentence.startswith(told)


def test_a_lambda_or_another_name_is_found_where_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the grader finds it: by the name that the notebook has for it."""
    monkeypatch.chdir(EXERCISE)
    code = "gabor = lambda theta, x: x\ndef mine(theta, X, y):\n    return theta\n"
    module = written(tmp_path, code + "linear_gradient = mine\n")
    check(module.gabor)
    check(module.linear_gradient)
    said = capsys.readouterr().out
    assert "gabor: " in said and "linear_gradient: " in said


WRONG = """
import numpy as np


def numerical_gradient(f, theta, h=1e-5):
    f(theta)
    return 0 * theta


def gradient_descent(grad, theta0, lr, steps):
    return np.array([theta0 + grad(theta0)] * (steps + 1))


def bracketing_line_search(phi, a, b, tol):
    phi(a)
    return a


def newton_step(grad, hessian, theta):
    return grad(theta) + hessian(theta) @ theta


def bfgs_update(H, s, y):
    return H + s
"""


def call_in(said: str) -> str:
    """The call that a check has printed. It goes on until what was got is told."""
    pasted = re.search(
        r"^  ((?:from autograder|\w+\()[\s\S]*?)\n  (?:got|Stuck)", said, re.MULTILINE
    )
    assert pasted is not None, said
    return dedent("  " + pasted[1])


@pytest.mark.parametrize(
    "name",
    [
        *("numerical_gradient", "gradient_descent", "bracketing_line_search", "newton_step"),
        "bfgs_update",
    ],
)
def test_the_call_that_a_check_prints_can_be_pasted_and_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.chdir(EXERCISE)
    module = written(tmp_path, WRONG)
    check(getattr(module, name))
    code = call_in(capsys.readouterr().out)
    if name != "bfgs_update":
        assert code.startswith("from autograder.learning.makers import ")
    namespace: dict[str, object] = {**vars(module)}
    exec(code.replace(f"{name}(", f"answer = {name}(", 1), namespace)
    assert namespace["answer"] is not None


@pytest.mark.parametrize(
    ("name", "part", "mistake"),
    [
        ("experiments", "Linear.output", "bias_forgotten"),
        ("experiments", "train_epoch", "short_batch_as_full"),
        ("logistic_regression", "fit_logistic", "rows_not_shuffled"),
    ],
)
def test_so_can_one_that_only_a_probe_can_make(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    part: str,
    mistake: str,
) -> None:
    """A step of a class, and a function that is given what no case holds."""
    monkeypatch.chdir(EXERCISE.parent / name)
    declared = find_set(name).part(part)
    wrong = next(m.wrong for m in declared.mistakes if m.name == mistake)
    if wrong.__name__ != declared.exercise:
        monkeypatch.setattr(wrong, "__name__", declared.exercise)
    check(wrong, part.partition(".")[2] or None)
    namespace = {declared.exercise: wrong, "np": np}
    exec(re.sub(r"(?m)^(\w+\()", r"answer = \1", call_in(capsys.readouterr().out)), namespace)
    assert namespace["answer"] is not None


def test_what_is_off_has_the_name_that_the_docstring_gives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(EXERCISE.parent / "momentum")
    code = "def momentum_step(theta, velocity, grad, lr, beta):\n    return theta + 7, velocity\n"
    check(written(tmp_path, code).momentum_step)
    said = capsys.readouterr().out
    assert "The value is wrong in the new theta, at index [0]." in said
    assert "of what it returns" not in said


def test_makers_say_which_they_have_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from autograder.learning import makers

    monkeypatch.chdir(EXERCISE)
    assert makers.valley(1.0, 2, 1.0, 3.0)(2.0) == 4.0
    with pytest.raises(AttributeError, match="no nonsense among the functions"):
        _ = makers.nonsense


def test_a_notebook_in_another_folder_is_told(
    answers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="Open the notebook in the folder"):
        check(answers.gabor)


def test_a_function_that_is_taken_for_an_array_is_called_a_function(
    answers: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    check(answers.gradient_descent)
    assert "'float' and 'function'" in capsys.readouterr().out
