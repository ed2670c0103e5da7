"""Marks without right answers, and submissions that would take the judge down: both in vain.

What stands here was found by attacking the judge; the honest cases are in `test_grading`.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import nbformat
import numpy as np
import pytest
from nbconvert import HTMLExporter
from nbformat import v4

from autograder.engine.interface import Limits
from autograder.engine.trusted.asking import consult
from autograder.engine.trusted.outputs import Collector
from autograder.engine.warm.handle import default_runner
from autograder.grading.grade import Graded, grade
from autograder.judging.cases import known_cases
from autograder.judging.judge import MAX_WEIGHT, Oracle, Put, local_caller, run_trials
from autograder.judging.sets import find_set
from autograder.judging.verdict import decide
from autograder.release.notebook import instructor_notebook
from autograder.submissions.read import Submission, read_text
from autograder.submissions.repair import repair
from autograder.values.calling import call
from autograder.values.codec import Opaque, Raised, decode, encode
from autograder.values.compare import difference

pytestmark = pytest.mark.timeout(120)

GRADIENT = find_set("gradient")
SEEDS = ["trust", "distrust", "mistrust"]


def handed_in(**cells: str) -> Submission:
    """The solved notebook with other contents in some solution cells."""
    notebook = instructor_notebook(GRADIENT)
    for cell in notebook.cells:
        name = cell.id.removeprefix("solution-")
        cell.source = cells.get(name, cell.source)
    return Submission(notebook)


def graded(**cells: str) -> Graded:
    return grade(handed_in(**cells), GRADIENT, "trust", default_runner())


# Values.


def test_keys_of_one_hash_do_not_hang_the_judge() -> None:
    """All multiples of 2**61 - 1 have the hash 0: a dict of them takes its size squared."""
    items = [[k * (2**61 - 1), k] for k in range(1, 150_000)]
    assert len(decode({"$": "dict", "items": items})) < 20
    assert decode({"$": "dict", "items": [[[1], 2], [{"$": "x"}, 3]]}) == {"?": 3}


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, -(2**64) + 1, 10**4000])
def test_an_integer_that_no_array_holds_is_wrong_and_no_failure_of_ours(number: int) -> None:
    for tree in (number, encode(number), [number]):
        got = decode(json.loads(json.dumps(tree)))
        assert isinstance(got[0] if isinstance(got, list) else got, Opaque)
        told = difference(got, 1.0, rtol=1e-7, atol=1e-9)
        assert told and told.kind == "type"


def test_a_tensor_of_another_dtype_is_malformed_and_imports_nothing() -> None:
    """torch has 800 modules that it imports when they are asked for."""
    program = (
        "import sys\nfrom autograder.values.codec import MalformedValue, decode\n"
        "tree = {'$': 'tensor', 'dtype': '<f8', 'shape': [1], 'data': [1.0]}\n"
        "for dtype in ('quint8', 'qint32', 'Tensor', 'float128', '', '_inductor', 5, None, []):\n"
        "    try: decode(tree | {'torch_dtype': dtype})\n"
        "    except MalformedValue: print('malformed')\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["malformed"] * 9, done.stderr
    assert done.returncode == 0, done.stderr


# The judge's own functions, at arguments that a learner chose.


def test_an_oracles_memory_is_bounded() -> None:
    oracle = Oracle(lambda x: 0.0)
    big = np.zeros(MAX_WEIGHT // 80)
    answers = [call(lambda: oracle(big), {}).value for _again in range(12)]
    assert answers[0] == 0.0
    assert isinstance(answers[-1], Raised)
    assert answers[-1].name == "TooManyCalls"
    assert len(oracle.calls) < 11


def test_calls_that_fail_or_pass_functions_count_too() -> None:
    oracle = Oracle(lambda *args: 1 / 0, limit=3)
    asked = {"oracle": "f", "args": [None], "functions": {"0": "f"}}
    names = []
    for _again in range(4):
        tree, blobs = consult({"f": oracle}, asked, [])
        names.append(decode(tree, blobs).name)
    assert names == ["ZeroDivisionError"] * 3 + ["TooManyCalls"]


def test_what_an_authors_function_raises_is_told_without_its_line() -> None:
    """It would be a line of the solutions."""
    part = GRADIENT.part("bracketing_line_search")
    phi = Put(known_cases(part, "7")[0], known_cases(part, "7")[0].case()).oracles["phi"]
    for args, functions in ([["x"], {}], [["x", None], {"1": "phi"}]):
        asked = {"oracle": "phi", "args": args, "functions": functions}
        told = decode(*consult({"phi": phi}, asked, []))
        assert isinstance(told, Raised) and (told.name, told.line, told.lineno) == (
            "TypeError",
            "",
            0,
        )


# The notebook.


def test_a_million_empty_lines_do_not_hang_the_repair() -> None:
    told = repair(handed_in(gabor="\n" * 1_000_000), GRADIENT)
    assert told.problems == []


def test_a_hundred_thousand_names_do_not_hang_the_repair() -> None:
    names = "".join(f"def gabo{i}():\n    pass\n" for i in range(100_000))
    told = repair(handed_in(gabor="def gabor_():\n    pass\n" + names), GRADIENT)
    assert "gabor is defined nowhere, but gabor_ is: was it renamed?" in told.problems


def as_text(cell: dict[str, Any]) -> str:
    return json.dumps({"cells": [{"source": "", "cell_type": "code", **cell}], "nbformat": 4})


def test_pictures_without_end_do_not_hang_the_reading() -> None:
    many = " ".join(f"attachment:a{i}.png" for i in range(20_000))
    pictures = {"a1.png": {"image/png": "aaaa"}}
    read = read_text(as_text({"cell_type": "markdown", "source": many, "attachments": pictures}))
    (cell,) = read.notebook.cells
    assert cell.source.count("attachment:") == 1
    assert cell.source.startswith("a0.png attachment:a1.png a2.png")


@pytest.mark.parametrize("depth", [300, 600, 900])
def test_deep_metadata_is_no_failure(depth: int) -> None:
    label = '{"grade_id": "gabor", "x": ' + '{"a":' * depth + "0" + "}" * depth + "}"
    text = as_text({"metadata": {"nbgrader": "LABEL"}}).replace('"LABEL"', label)
    assert [cell.source for cell in read_text(text).notebook.cells] == [""]


def test_ids_stay_unique_whatever_was_copied() -> None:
    notebook = handed_in().notebook
    at = {cell.id: i for i, cell in enumerate(notebook.cells)}
    twin = copy.deepcopy(notebook.cells[at["check-gabor"]])
    notebook.cells[at["check-bfgs_update"]].id = "mine"
    extra = [v4.new_code_cell("1", id=i) for i in ("check-gabor-copy", "check-bfgs_update")]
    notebook.cells = [*extra, *notebook.cells, twin]
    mended = repair(read_text(json.dumps(notebook)), GRADIENT).notebook
    ids = [cell.id for cell in mended.cells]
    assert len(ids) == len(set(ids))
    assert {part.grade_id for part in GRADIENT.parts} <= set(ids)


@pytest.mark.parametrize(
    ("data", "metadata"),
    [
        ({"image/png": "aaaa"}, {"image/png": 5}),
        ({"image/png": "aaaa"}, {"image/png": [1]}),
        ({"image/json": {"a": 1}}, {}),
        ({"image/png": "aaaa"}, {"image/png": {"width": 7}, "isolated": True}),
    ],
)
def test_a_display_cannot_keep_the_feedback_from_being_made(
    data: dict[str, Any], metadata: dict[str, Any]
) -> None:
    collector = Collector(Limits(), 1)
    collector.take({"out": "display", "data": data, "metadata": metadata}, 100)
    outputs = [nbformat.from_dict(output) for output in collector.outputs]
    notebook = v4.new_notebook(cells=[v4.new_code_cell("x", outputs=outputs)])
    nbformat.validate(notebook)
    HTMLExporter().from_notebook_node(notebook)
    if "isolated" in metadata:
        assert outputs[0].metadata == metadata


# Marks without understanding.


def points(name: str, function: Callable[..., Any]) -> float:
    """The most that a function gets in any of a few rounds, as a share of the full marks."""
    part = GRADIENT.part(name)
    found = [
        decide(part, run_trials(part, seed, local_caller(function), mistaken=False), reveal=False)
        for seed in SEEDS
    ]
    return max(verdict.points / verdict.max_points for verdict in found)


CONSTANTS: list[Any] = [
    None,
    0.0,
    1.0,
    True,
    False,
    float("nan"),
    np.zeros(2),
    np.zeros(3),
    {},
    "x",
    [],
    (),
]


@pytest.mark.parametrize("name", [part.name for part in GRADIENT.parts])
def test_neither_a_constant_nor_an_argument_nor_an_exception_earns_a_point(name: str) -> None:
    tried: list[Callable[..., Any]] = [lambda *a, _c=c, **k: _c for c in CONSTANTS]
    for i in range(len(GRADIENT.part(name).parameters)):
        tried.append(lambda *a, _i=i, **k: [*a, *k.values()][_i])
    for error in (ValueError, np.linalg.LinAlgError, NotImplementedError, ZeroDivisionError):
        tried.append(lambda *a, _e=error, **k: (_ for _ in ()).throw(_e))
    assert [points(name, function) for function in tried] == [0.0] * len(tried)


def numerical(h: float) -> Callable[..., Any]:
    def gradient(f: Any, theta: Any, h: float = h) -> Any:
        units = np.eye(len(theta))
        return np.array([(f(theta + 1e-5 * e) - f(theta - 1e-5 * e)) / 2e-5 for e in units])

    return gradient


def grid(phi: Any, a: float, b: float, tol: float) -> float:
    t = np.linspace(a, b, 501)
    return t[np.argmin([phi(x) for x in t])]


def one_step(grad: Any, theta0: Any, lr: float, steps: int) -> Any:
    return np.array([theta0, theta0 - lr * grad(theta0)][: steps + 1])


def descent_for_newton(grad: Any, hessian: Any, theta: Any) -> Any:
    for _step in range(300):
        theta = theta - 0.2 * grad(theta)
    return theta


def both_tests(H: Any, tol: float = 1e-10) -> bool:
    return bool((np.diag(H) >= -tol).all() and np.linalg.det(H) >= -tol)


def trace_and_determinant(H: Any, tol: float = 1e-10) -> bool:
    return bool(np.trace(H) >= -tol and np.linalg.det(H) >= -tol)


def corner(H: Any, tol: float = 1e-10) -> bool:
    return bool(H[0, 0] >= -tol)


def from_the_identity(H: Any, s: Any, y: Any) -> Any:
    return GRADIENT.part("bfgs_update").reference(np.eye(len(s)), s, y)


CHEAP: list[tuple[str, Callable[..., Any], float]] = [
    ("numerical_gradient", numerical(1e-5), 1 / 3),
    ("numerical_gradient", lambda f, theta, h=0: np.zeros(len(theta)), 0),
    ("linear_gradient", lambda theta, X, y: np.zeros(len(theta)), 0),
    ("gradient_descent", lambda grad, t, lr, steps: np.array([t]), 0),
    # Who begins at the minimum stays there.
    ("gradient_descent", lambda grad, t, lr, steps: np.tile(t, (steps + 1, 1)), 1 / 8),
    ("gradient_descent", one_step, 1 / 3),
    ("bracketing_line_search", lambda phi, a, b, tol: (a + b) / 2, 0),
    ("bracketing_line_search", grid, 1 / 4),
    ("gabor", lambda theta, x: np.zeros(len(x)), 0),
    ("gabor_gradient", lambda theta, x, y: np.zeros(2), 0),
    ("newton_step", lambda grad, hessian, theta: theta - grad(theta), 0),
    ("newton_step", descent_for_newton, 1 / 3),
    ("bfgs_update", lambda H, s, y: np.eye(len(s)), 0),
    ("bfgs_update", from_the_identity, 1 / 2),
    ("is_convex_hessian", corner, 1 / 5),
    ("is_convex_hessian", trace_and_determinant, 3 / 5),
    ("is_convex_hessian", both_tests, 4 / 5),
]


@pytest.mark.parametrize(("name", "function", "most"), CHEAP)
def test_a_cheap_answer_earns_no_more_than_its_easy_cases(
    name: str, function: Callable[..., Any], most: float
) -> None:
    assert points(name, function) <= most + 0.006


@pytest.mark.parametrize("byte", range(0, 256, 51))
def test_no_byte_is_both_true_and_false(byte: int) -> None:
    for shape in ((), (3,), (64,)):
        got = np.frombuffer(bytes([byte]) * int(np.prod(shape)), dtype=bool).reshape(shape)
        agrees = [
            difference(got, np.full(shape, b) if shape else b, rtol=0, atol=0) is None
            for b in (True, False)
        ]
        assert sum(agrees) == 1
