"""Check and grader say the same of whatever a notebook has under an exercise's name."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.code import source
from autograder.engine.warm.handle import default_runner
from autograder.grading.grade import grade
from autograder.judging.sets import find_set
from autograder.judging.show import report_lines
from autograder.submissions.read import Submission
from tests.test_checking import EXERCISE, written

GRADIENT = find_set("gradient")
REFERENCES = {part.name: source.written(part.reference) for part in GRADIENT.parts}
SETUP = """
import functools
import numpy as np
from autograder import check

ask = input

def plain(function):
    def wrapper(*args, **named):
        return function(*args, **named)
    return wrapper

class Kept:
    def __init__(self, function):
        self.function = function
    def __call__(self, *args, **named):
        return self.function(*args, **named)
"""


def both(cells: dict[str, str], folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What the check says of each function of a notebook, after it was seen that the grader passes
    the same of them; and what that says, below it."""
    checks = [f"check({name})" for name in cells]
    notebook = new_notebook(cells=[new_code_cell(text) for text in (SETUP, *cells.values())])
    graded = grade(Submission(notebook), GRADIENT, "agreement", default_runner(), files=EXERCISE)
    written(folder, "\n".join([SETUP, *cells.values(), *checks]))
    checked = re.split(r"(?m)^(?=\S )", capsys.readouterr().out)[1:]
    said = {}
    for (name, verdict), text in zip(
        ((name, graded.verdicts[name]) for name in cells), checked, strict=True
    ):
        signs = {"passed": "\N{CHECK MARK}", "not_attempted": "\N{WHITE CIRCLE}"}
        assert text.startswith(signs.get(verdict.status, "\N{BALLOT X}"))
        assert text.split()[1] == f"{name}:"
        said[name] = " ".join([text, *report_lines([verdict])])
    return said


def test_a_function_is_found_in_whatever_form_the_notebook_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(EXERCISE)
    forms = {
        "numerical_gradient": "numerical_gradient = functools.partial(numerical_gradient)",
        "linear_gradient": "linear_gradient = Kept(linear_gradient)",
        "gradient_descent": "gradient_descent = plain(gradient_descent)",
        "gabor": "gabor = (lambda f: lambda theta, x: f(theta, x))(gabor)",
        "is_convex_hessian": "is_convex_hessian = functools.cache(Kept(is_convex_hessian))",
        "newton_step": "class Steps:\n    go = staticmethod(newton_step)\nnewton_step = Steps().go",
        "gabor_gradient": "def mine(theta, x, y):\n    return theta\ngabor_gradient = mine",
        # Of two names for one function the one that is asked for.
        "bfgs_update": "bfgs_update = linear_gradient",
    }
    said = both({n: f"{REFERENCES[n]}\n{f}" for n, f in forms.items()}, tmp_path, capsys)
    wrong = {name for name, text in said.items() if text[0] != "\N{CHECK MARK}"}
    assert wrong == {"is_convex_hessian", "gabor_gradient", "bfgs_update"}
    assert "Checked as gabor_gradient: your notebook has mine under that name." in said[
        "gabor_gradient"
    ].replace("\n ", "")


def test_a_lambda_that_calls_a_stub_is_no_stub_for_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(EXERCISE)
    cells = {
        "gabor": "def gabor(theta, x):\n    raise NotImplementedError",
        "gabor_gradient": "gabor_gradient = lambda theta, x, y: gabor(theta, x)",
    }
    said = {n: " ".join(t.split()) for n, t in both(cells, tmp_path, capsys).items()}
    assert said["gabor"].count("Not attempted yet") == 2
    told = "It calls a function whose body still raises NotImplementedError."
    assert said["gabor_gradient"].count(told) == 2, said
    assert said["gabor_gradient"].count("It uses gabor, whose own check fails") == 2


def test_what_comes_back_is_named_by_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what asks somebody who is not there, or stops for a debugger."""
    monkeypatch.chdir(EXERCISE)
    changes = {
        "numerical_gradient": ("return", "return 1j +", "The dtype is complex128; wanted: float64"),
        "linear_gradient": (r"return (.*)", r"return (\1).astype(object)", "dtype is object"),
        "gabor": ("def ", "async def ", "async def makes a coroutine: write def."),
        "newton_step": (r"return.*", "return ...", "... (Ellipsis)"),
        "bfgs_update": (r"return.*", "return {1}", "A set has no order"),
        "gradient_descent": ("return", "ask(); return", "It asks for input, and nobody answers"),
        "gabor_gradient": ("return", "import getpass; getpass.getpass(); return", "asks for input"),
        "bracketing_line_search": ("return", "breakpoint(); return", "It calls a debugger"),
        "is_convex_hessian": (r"return (.*)", r"return (x for x in [\1])", "generator"),
    }
    cells = {n: re.sub(old, new, REFERENCES[n]) for n, (old, new, _) in changes.items()}
    said = both(cells, tmp_path, capsys)
    for name, (_old, _new, told) in changes.items():
        assert " ".join(said[name].split()).count(told) == 2, said[name]
    right = {name for name, text in said.items() if text[0] == "\N{CHECK MARK}"}
    assert right == {"bracketing_line_search"}


def test_a_name_will_do_and_who_has_none_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(EXERCISE)
    written(tmp_path, f'{SETUP}{REFERENCES["gabor"]}\ncheck("gabor")')
    assert "gabor: Correct." in capsys.readouterr().out
    with pytest.raises(TypeError, match="No gabor is defined in this notebook"):
        written(tmp_path, f'{SETUP}check("gabor")')
    with pytest.raises(TypeError, match=r'as in check\("numerical_gradient"\); it was given Kept'):
        written(tmp_path, f"{SETUP}check(Kept(plain))")
    with pytest.raises(TypeError, match="it was given a lambda that has no name here"):
        written(tmp_path, f"{SETUP}check(lambda theta, x: x)")
    other = f"{SETUP}{REFERENCES['gabor']}\nold = gabor\ngabor = None\ncheck(old)"
    written(tmp_path, other)
    assert "This is not what your notebook has as gabor" in capsys.readouterr().out


def test_another_numpy_is_told_and_what_it_warns_of_is_no_plain_correct(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(EXERCISE, tmp_path / "gradient")
    file = tmp_path / "gradient" / "checks.json"
    data = json.loads(file.read_text("utf-8"))
    assert data["numpy"] == np.__version__, "what grades says so"
    data["numpy"] = "99.1.0"
    file.write_text(json.dumps(data), "utf-8")
    monkeypatch.chdir(tmp_path / "gradient")
    warns = "import warnings; warnings.warn('trapz is deprecated', DeprecationWarning); return"
    cells = [REFERENCES["gabor"], REFERENCES["newton_step"].replace("return", warns)]
    written(tmp_path, "\n".join([SETUP, *cells, "check(gabor)", "check(newton_step)"]))
    gabor, newton = re.split(r"(?m)^(?=\S )", capsys.readouterr().out)[1:]
    assert f"gabor: Correct.\n  You have NumPy {np.__version__}; it is graded with 99.1.0." in gabor
    assert "Correct." not in newton and "perhaps not with NumPy 99.1.0" in newton
    assert "This will stop working: trapz is deprecated" in newton
