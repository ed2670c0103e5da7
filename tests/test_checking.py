"""The learner's check: what it says beyond the verdict itself."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from autograder import check, hint

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


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "answers.py").write_text(ANSWERS)
    spec = importlib.util.spec_from_file_location("answers", tmp_path / "answers.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(EXERCISE)
    return module


def test_what_to_mend_first_is_told(
    answers: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    check(answers.gabor_gradient)
    assert "It uses gabor, whose own check fails: mend that first." in capsys.readouterr().out
    check(answers.gabor)
    assert "mend that first" not in capsys.readouterr().out


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


@pytest.mark.parametrize(
    ("wrong", "told"),
    [(3, "wants the function itself"), (print, "no exercise called print here; there are")],
)
def test_what_is_no_exercise_is_told(
    wrong: object, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(EXERCISE)
    with pytest.raises((TypeError, ValueError), match=told):
        check(wrong)


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
