"""One notebook through repair, runner and judge: judged where, and what cannot be forged."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.engine.interface import Limits, Session
from autograder.engine.warm.handle import default_runner
from autograder.exercise import WHOLE_NUMBERS, Part
from autograder.grading.grade import Graded, grade
from autograder.grading.outputs import write_outputs
from autograder.judging.judge import case_rng
from autograder.judging.sets import find_set
from autograder.judging.verdict import Verdict
from autograder.release.notebook import instructor_notebook
from autograder.submissions.read import Submission, read_text

GRADIENT = find_set("gradient")
SEED = "grading"
RUNNER = default_runner()

GABOR = (
    "def gabor(theta, x):\n    u = theta[0] + 0.06 * theta[1] * x\n"
    "    return np.sin(u) * np.exp(-(u**2) / 32)\n"
)
SETUP = "import numpy as np"


def only(*cells: str, **limits: Any) -> Graded:
    """Grade a notebook of these code cells; `%check NAME` stands for that check cell."""
    return grade(handed_in(*cells), GRADIENT, SEED, RUNNER, limits=Limits(**limits))


def handed_in(*cells: str) -> Submission:
    notebook = instructor_notebook(GRADIENT)
    by_source = {c.source: c for c in notebook.cells}
    notebook.cells = [
        by_source.get(c.replace("%check ", "check(") + ")") or new_code_cell(c)
        for c in (SETUP, *cells)
    ]
    return Submission(notebook)


def texts(graded: Graded) -> str:
    """Everything of a graded notebook that a learner could read."""
    write_outputs(graded, GRADIENT)
    return json.dumps(graded.notebook)


def verdict(graded: Graded, name: str = "gabor") -> Verdict:
    return graded.verdicts[name]


def test_a_function_is_judged_where_its_check_stands() -> None:
    """Later cells must not change the mark of an earlier function."""
    graded = only(GABOR, "%check gabor", "def gabor(theta, x):\n    return x")
    assert verdict(graded).status == "passed"
    graded = only("scale = 0.06", GABOR.replace("0.06", "scale"), "%check gabor", "scale = 1.0")
    assert verdict(graded).status == "passed"


def test_a_function_below_its_check_counts() -> None:
    assert verdict(only("%check gabor", GABOR)).status == "passed"


def test_the_time_that_cells_use_up_costs_no_function_before_them() -> None:
    """Two cells use all there is for cells; the third is not run."""
    long = "import time; time.sleep(60)"
    graded = only(GABOR, "%check gabor", long, long, "print(1)", notebook_seconds=2, cell_seconds=1)
    assert verdict(graded).status == "passed"
    said = [str(c.outputs) for c in graded.notebook.cells if c.source in (long, "print(1)")]
    assert "Stopped" in said[0] and "Stopped" in said[1] and "used up its 2 seconds" in said[2]


def test_a_function_that_uses_up_the_time_of_all_calls_is_told_so() -> None:
    slow = "import time\n" + GABOR.replace("    u", "    time.sleep(0.4)\n    u", 1)
    graded = only(slow, "%check gabor", USES, "%check gabor_gradient", notebook_seconds=1.0)
    assert verdict(graded).points < verdict(graded).max_points
    # Judged after it, when nothing is left.
    late = verdict(graded, "gabor_gradient")
    assert "It was not called any more" in late.message and "1 seconds in all" in late.message
    assert late.points == 0 and late.by_chance


def test_a_renamed_function_is_missing_and_told() -> None:
    graded = only(GABOR.replace("gabor", "gabor_"), "%check gabor")
    assert verdict(graded).status == "missing"
    assert "gabor is defined nowhere, but gabor_ is: was it renamed?" in graded.problems


WRONG = GABOR.replace("0.06 * ", "")
USES = (
    "def gabor_gradient(theta, x, y):\n"
    "    u = theta[0] + 0.06 * theta[1] * x\n"
    "    slope = (np.cos(u) - np.sin(u) * u / 16) * np.exp(-(u**2) / 32)\n"
    "    pull = 2 * (gabor(theta, x) - y) * slope\n"
    "    return np.array([np.sum(pull), np.sum(pull * 0.06 * x)])\n"
)


def test_what_to_mend_first_is_told() -> None:
    graded = only(WRONG, "%check gabor", USES, "%check gabor_gradient")
    assert verdict(graded).mistake == "no_scale"
    told = verdict(graded, "gabor_gradient")
    assert (told.points, told.mend_first) == (0, "gabor")
    assert "It uses gabor, whose own check fails: mend that first." in texts(graded)
    alone = only(GABOR, "%check gabor", USES.replace("2 * (", "("), "%check gabor_gradient")
    assert verdict(alone, "gabor_gradient").mistake == "no_factor_two"
    assert verdict(alone, "gabor_gradient").mend_first is None


STUB = "def gabor(theta, x):\n    raise NotImplementedError"


def mend_first(**functions: str) -> dict[str, str | None]:
    """What is to be mended first where these are the only functions, each with its check."""
    cells = [cell for name, code in functions.items() for cell in (code, f"%check {name}")]
    graded = only(*cells)
    return {name: verdict(graded, name).mend_first for name in functions}


def test_the_notebook_runs_once_whatever_failed() -> None:
    class Counting:
        name, protects, opened = RUNNER.name, RUNNER.protects, 0

        def open(self, files: Path | None, limits: Limits, modules: Sequence[str] = ()) -> Session:
            self.opened += 1
            return RUNNER.open(files, limits, modules)

    runner = Counting()
    notebook = handed_in(WRONG, "%check gabor", USES, "%check gabor_gradient")
    graded = grade(notebook, GRADIENT, SEED, runner)
    assert verdict(graded, "gabor_gradient").mend_first == "gabor"
    assert runner.opened == 1


def test_who_builds_on_a_stub_has_attempted_it() -> None:
    graded = only(STUB, "%check gabor", USES, "%check gabor_gradient")
    assert verdict(graded).status == "not_attempted"
    assert verdict(graded).mend_first is None
    told = verdict(graded, "gabor_gradient")
    assert (told.status, told.points, told.mend_first) == ("error", 0, "gabor")
    assert told.message == "It calls a function whose body still raises NotImplementedError."


def test_whose_own_body_is_a_stub_has_not() -> None:
    begun = "def gabor_gradient(theta, x, y):\n    gabor(theta, x)\n    raise NotImplementedError"
    told = verdict(only(STUB, "%check gabor", begun, "%check gabor_gradient"), "gabor_gradient")
    assert (told.status, told.mend_first) == ("not_attempted", None)
    assert "the body still raises NotImplementedError" in told.message


def test_the_name_of_a_mistake_stays_beside_what_to_mend_first() -> None:
    """The mistake may be the other function's, seen through this one."""
    own = "def gabor_gradient(theta, x, y):\n    gabor(theta, x)\n" + USES.partition("\n")[2]
    own = own.replace("2 * (gabor(theta, x)", "(np.sin(u) * np.exp(-(u**2) / 32)")
    told = verdict(only(WRONG, "%check gabor", own, "%check gabor_gradient"), "gabor_gradient")
    assert (told.mistake, told.mend_first) == ("no_factor_two", "gabor")
    assert told.hint


def test_half_right_is_to_be_mended_too() -> None:
    half = GABOR.replace("return", "return (np.max(np.abs(x)) < 10) *")
    off = USES.replace("return np", "return 1 + np")
    graded = only(half, "%check gabor", off, "%check gabor_gradient")
    assert verdict(graded).status == "partial"
    assert verdict(graded, "gabor_gradient").mend_first == "gabor"


def test_of_a_chain_the_deepest_is_mended_first() -> None:
    """Through a helper that is nobody's exercise, too."""
    chain = mend_first(
        gabor=STUB,
        gabor_gradient=USES,
        newton_step=(
            "def newton_step(grad, hessian, theta):\n    return helper(theta)\n\n"
            "def helper(theta):\n    return gabor_gradient(theta, theta, theta)"
        ),
    )
    assert chain == {"gabor": None, "gabor_gradient": "gabor", "newton_step": "gabor"}


def test_of_a_circle_the_first_is_mended_first() -> None:
    circle = mend_first(
        gabor="def gabor(theta, x):\n    return gabor_gradient(theta, x, gabor)",
        gabor_gradient="def gabor_gradient(theta, x, y):\n    return gabor(theta, x)",
    )
    assert circle == {"gabor": None, "gabor_gradient": "gabor"}


@pytest.mark.parametrize(
    "body",
    [
        "gabor = np.sin\n    return gabor(theta)",
        "return np.emath.gabor(theta) if y is None else theta",
        "return (lambda gabor: gabor)(theta)",
        "return 'gabor'  # gabor",
    ],
)
def test_a_name_of_ones_own_is_no_use_of_the_other_function(body: str) -> None:
    own = f"def gabor_gradient(theta, x, y):\n    {body}"
    assert mend_first(gabor=WRONG, gabor_gradient=own)["gabor_gradient"] is None


def test_a_cell_that_does_not_parse_hides_no_use_in_another() -> None:
    graded = only("%matplotlib inline", "1 +", WRONG, "%check gabor", USES)
    assert verdict(graded, "gabor_gradient").mend_first == "gabor"


# A hidden input must not reach anything that a learner reads.


def hidden_numbers(part: Part) -> set[str]:
    """The hidden cases' numbers, as a learner's code might write them, but for whole ones: these
    stand on any page."""
    numbers = set()
    # Whole numbers stand in texts of all sorts.
    for family in (f for f in part.families if f.name != WHOLE_NUMBERS):
        for draw in range(part.draws):
            for case in family.draw(case_rng(SEED, part.name, family.name, draw)):
                for value in (*case.args["theta"], *case.args["x"]):
                    if value % 1:
                        numbers |= {repr(float(value)), f"{value:.4f}"}
    return numbers


@pytest.mark.parametrize(
    "body",
    [
        "print(theta, x.tolist()); raise ValueError(str(x.tolist()))",
        "raise type('E' + repr(x.tolist()), (Exception,), {})()",
        "return type(repr(x.tolist()), (), {})()",
        "open('LEAK', 'a').write(repr(x.tolist())); return x",
        "open('seen.txt', 'a').write(repr(x.tolist())); return x",
        "import warnings; warnings.warn(repr(x.tolist()), RuntimeWarning); return x",
        "seen.append(x.tolist()); return x",
        "exec('def f():\\n    raise KeyError # ' + repr(x.tolist())); f()",
    ],
)
def test_a_hidden_input_reaches_no_page(body: str, tmp_path: Path) -> None:
    leak = tmp_path / "leak"
    read = (
        f"import glob\nfor name in [*glob.glob('*.txt'), *glob.glob({str(leak)!r})]:\n"
        "    print(open(name).read())\nprint(seen)"
    )
    code = f"seen = []\ndef gabor(theta, x):\n    {body}".replace("LEAK", str(leak))
    graded = only(code, "%check gabor", read)
    said = texts(graded)
    assert verdict(graded).points == 0
    assert not [number for number in hidden_numbers(GRADIENT.part("gabor")) if number in said]


def test_the_leak_test_would_notice() -> None:
    assert len(hidden_numbers(GRADIENT.part("gabor"))) > 40


# Nothing inside the learner's process decides a mark.

FORGERIES = {
    "equal to everything": (
        "class Yes(np.ndarray):\n    def __eq__(self, other): return np.True_\n"
        "    __ne__ = lambda self, other: np.False_\n"
        "def gabor(theta, x):\n    return np.zeros(len(x)).view(Yes)"
    ),
    "numpy patched": (
        "np.isclose = lambda *a, **k: np.True_\nnp.allclose = lambda *a, **k: True\n"
        "np.testing.assert_allclose = lambda *a, **k: None\n"
        "def gabor(theta, x):\n    return np.zeros(len(x))"
    ),
    "builtins patched": (
        "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.all = lambda x: True\n"
        "builtins.isinstance = lambda a, b: True\n"
        "def gabor(theta, x):\n    return np.zeros(len(x))"
    ),
    "check redefined": "def check(f): return None\ndef gabor(theta, x):\n    return x",
    "the grader's modules patched": (
        "import autograder.values.compare, autograder.judging.verdict\n"
        "autograder.values.compare.difference = lambda *a, **k: None\n"
        "autograder.judging.verdict.decide = lambda *a, **k: None\n"
        "def gabor(theta, x):\n    return x"
    ),
    "asked for the answer by frames": (
        "import sys\ndef gabor(theta, x):\n    frame = sys._getframe()\n    while frame:\n"
        "        if 'wanted' in frame.f_locals: return frame.f_locals['wanted']\n"
        "        frame = frame.f_back\n    return x"
    ),
    "the visible answers by heart": (
        "import json\nanswers = json.load(open('checks.json'))['parts']['gabor']['cases']\n"
        "def gabor(theta, x):\n    for case in answers:\n"
        "        if case['args']['x']['data'] == x.tolist():\n"
        "            return np.array(case['wanted']['data'])\n    return np.zeros(len(x))"
    ),
    "an object that is called": (
        "class F:\n    def __call__(self, *a): return self\n    def __array__(self, *a): return 1\n"
        "gabor = F()"
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forgery_earns_nothing(forgery: str) -> None:
    notebook = instructor_notebook(GRADIENT)
    for cell in notebook.cells:
        if cell.id == "solution-gabor":
            cell.source = FORGERIES[forgery]
    folder = Path(__file__).parent.parent / "exercises" / "gradient"
    graded = grade(Submission(notebook), GRADIENT, SEED, RUNNER, files=folder)
    assert verdict(graded).points == 0
    assert graded.points == 19


def tampered(change: Callable[[NotebookNode], None]) -> Graded:
    notebook = instructor_notebook(GRADIENT)
    for cell in notebook.cells:
        if cell.id == "solution-gabor":
            cell.source = "def gabor(theta, x):\n    return x"
        change(cell)
    return grade(read_text(json.dumps(notebook)), GRADIENT, SEED, RUNNER)


def points_raised(cell: NotebookNode) -> None:
    if cell.id == "check-gabor":
        cell.metadata["nbgrader"]["points"] = 100


def check_unlocked(cell: NotebookNode) -> None:
    if cell.id == "check-gabor":
        cell.metadata["nbgrader"].update(locked=False, grade=False, solution=True)
        cell.source = "1.0"


def output_forged(cell: NotebookNode) -> None:
    if cell.id == "check-gabor":
        cell.outputs = [
            {
                "output_type": "execute_result",
                "data": {"text/plain": "1.0"},
                "metadata": {},
                "execution_count": 1,
            }
        ]


def record_forged(cell: NotebookNode) -> None:
    cell.metadata["autograder"] = {"verdicts": {"gabor": {"points": 1}}}


@pytest.mark.parametrize("change", [points_raised, check_unlocked, output_forged, record_forged])
def test_metadata_does_not_decide_a_mark(change: Callable[[NotebookNode], None]) -> None:
    graded = tampered(change)
    assert verdict(graded).points == 0
    assert (graded.points, graded.max_points) == (19, 20)
    check = next(c for c in graded.notebook.cells if c.id == "check-gabor")
    assert (check.source, check.metadata["nbgrader"]["points"]) == ("check(gabor)", 1.0)
