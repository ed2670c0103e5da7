"""Marks say what docstrings promise: wrong answers lose points, right ones none, names are true.

Each row was handed in by somebody, or thought of by somebody who looked for cheap points.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg

from autograder.engine.warm.handle import default_runner
from autograder.exercise import WHOLE_NUMBERS, Part
from autograder.grading.grade import grade
from autograder.judging.cases import known_cases
from autograder.judging.judge import judge, local_caller
from autograder.judging.sets import find_set
from autograder.judging.verdict import Verdict
from autograder.release.notebook import instructor_notebook
from autograder.submissions.read import Submission

Array = np.ndarray
SETS = ("empirical_risk", "gradient", "sgd", "momentum", "adam")
PARTS: dict[str, Part] = {part.name: part for name in SETS for part in find_set(name).parts}


def verdict_on(part: str, answer: Callable[..., Any], seed: str = "marks") -> Verdict:
    return judge(PARTS[part], seed, local_caller(answer))


def told(verdict: Verdict) -> str:
    return f"{verdict.points} of {verdict.max_points}, {verdict.mistake}: {verdict.message}"


# Splits and epochs


def cut(X: Array, y: Array, order: Any, k: int) -> Any:
    return X[order[k:]], X[order[:k]], y[order[k:]], y[order[:k]]


def rolled_split(X, y, test_fraction, rng):
    order = np.roll(np.arange(len(y)), rng.integers(len(y)))
    return cut(X, y, order, round(len(y) * test_fraction))


def split_with_half_up(X, y, test_fraction, rng):
    return cut(X, y, rng.permutation(len(y)), int(len(y) * test_fraction + 0.5))


def split_that_loses_a_row(X, y, test_fraction, rng):
    order, k = rng.permutation(len(y)), round(len(y) * test_fraction)
    X_train, X_test, y_train, y_test = cut(X, y, order, k)
    return X_train[:-1], X_test, y_train[:-1], y_test


def split_by_pythons_shuffle(X, y, test_fraction, rng):
    order = list(range(len(y)))
    random.shuffle(order)
    return cut(X, y, np.array(order, dtype=int), round(len(y) * test_fraction))


def split_of_a_table_by_pythons_shuffle(X, y, test_fraction, rng):
    X, y, k = X.copy(), y.copy(), round(len(y) * test_fraction)
    for spoilt in (X, y):
        random.seed(0)
        random.shuffle(spoilt)
    return X[k:], X[:k], y[k:], y[:k]


def split_with_a_flat_empty_side(X, y, test_fraction, rng):
    order, k = rng.permutation(len(y)), round(len(y) * test_fraction)
    rows = [[X[i] for i in order[k:]], [X[i] for i in order[:k]]]
    targets = [[y[i] for i in order[k:]], [y[i] for i in order[:k]]]
    return (*map(np.array, rows), *map(np.array, targets))


def slices(order: Array, size: int) -> list[Array]:
    return [order[i : i + size] for i in range(0, len(order), size)]


def rolled_batches(n, batch_size, rng):
    # Not begun where a batch begins: these would be the batches of rows in order.
    first = next(k for k in range(n // 2, n) if k % batch_size or batch_size == 1)
    return slices(np.roll(np.arange(n), first), batch_size)


class RolledOn:
    """One shuffled order for good, begun at another row each time."""

    def __init__(self) -> None:
        self.orders: dict[int, Array] = {}

    def __call__(self, n, batch_size, rng):
        order = self.orders.setdefault(n, np.random.default_rng(1).permutation(n))
        return slices(np.roll(order, rng.integers(1, n)), batch_size)


def batches_evened_out_below(n, batch_size, rng):
    return np.array_split(rng.permutation(n), max(1, n // batch_size))


def rolled_sgd(grad, theta0, X, y, lr, batch_size, epochs, rng):
    return walk(grad, theta0, X, y, lr, batch_size, epochs, rng, rolled_batches)


def walk(grad, theta0, X, y, lr, batch_size, epochs, rng, batches) -> Array:
    path = [np.array(theta0, dtype=float)]
    for _ in range(epochs):
        for rows in batches(len(X), batch_size, rng):
            rate = lr(len(path) - 1) if callable(lr) else lr
            path.append(path[-1] - rate * grad(path[-1], X[rows], y[rows]))
    return np.array(path)


def sgd_by_pythons_shuffle(grad, theta0, X, y, lr, batch_size, epochs, rng):
    def batches(n, size, rng):
        order = list(range(n))
        random.shuffle(order)
        return slices(np.array(order, dtype=int), size)

    return walk(grad, theta0, X, y, lr, batch_size, epochs, rng, batches)


def sgd_with_aliased_rows(grad, theta0, X, y, lr, batch_size, epochs, rng):
    theta = theta0.copy()
    path, update = [theta0], 0
    for _ in range(epochs):
        for rows in slices(rng.permutation(len(X)), batch_size):
            rate = lr(update) if callable(lr) else lr
            theta -= rate * grad(theta, X[rows], y[rows])
            path.append(theta)
            update += 1
    return np.array(path)


def own_sgd(grad, theta0, X, y, lr, batch_size, epochs, rng):
    def linear(theta, X, y):
        return X.T @ (X @ theta - y) / len(y)

    return walk(
        linear,
        theta0,
        X,
        y,
        lr,
        batch_size,
        epochs,
        rng,
        lambda n, m, g: slices(g.permutation(n), m),
    )


def masked_gradient(grad, theta, X, y, index):
    picked = np.isin(np.arange(len(X)), index)
    return grad(theta, X[picked], y[picked])


# The gradient


def grid_twice(phi, a, b, tol):
    for _ in range(2):
        points = np.linspace(a, b, 500)
        best = points[np.argmin([phi(t) for t in points])]
        a, b = best - (points[1] - points[0]), best + (points[1] - points[0])
    return float(best)


def golden(stop: Callable[..., bool]) -> Callable[..., float]:
    def search(phi, a, b, tol):
        shrink = (np.sqrt(5) - 1) / 2
        while True:
            c, d = b - shrink * (b - a), a + shrink * (b - a)
            if stop(a, b, c, d, tol):
                return (a + b) / 2
            if phi(c) < phi(d):
                b = d
            else:
                a = c

    return search


def leading_minors(H, tol=1e-10):
    return all(np.linalg.det(H[:k, :k]) >= -tol for k in range(1, len(H) + 1))


def random_directions(H, tol=1e-10):
    x = np.random.default_rng().normal(size=(2000, len(H)))
    return bool(np.all(np.einsum("ki,ij,kj->k", x, H, x) >= -tol))


def descent_that_stops(grad, theta0, lr, steps):
    path = [np.array(theta0, dtype=float)]
    for _ in range(steps):
        slope = grad(path[-1])
        if np.linalg.norm(slope) < 1e-6:
            break
        path.append(path[-1] - lr * slope)
    return np.array(path)


def descent_with_aliased_rows(grad, theta0, lr, steps):
    theta = np.array(theta0, dtype=float)
    path = [theta0]
    for _ in range(steps):
        theta -= lr * grad(theta)
        path.append(theta)
    return np.array(path)


def descent_one_row_short(grad, theta0, lr, steps):
    path = np.zeros((steps + 1, len(theta0)))
    path[0] = theta0
    for t in range(1, steps):
        path[t] = path[t - 1] - lr * grad(path[t - 1])
    return path


def ridge(size: float) -> Callable[..., Array]:
    return lambda X, y: np.linalg.solve(X.T @ X + size * np.eye(X.shape[1]), X.T @ y)


# Wrong, and right until somebody looked

WRONG: list[tuple[str, Callable[..., Any]]] = [
    ("train_test_split", rolled_split),
    ("train_test_split", split_with_half_up),
    ("minibatches", rolled_batches),
    ("minibatches", RolledOn()),
    ("sgd", rolled_sgd),
    ("sgd", sgd_by_pythons_shuffle),
    ("bracketing_line_search", grid_twice),
    ("bracketing_line_search", golden(lambda a, b, c, d, tol: abs(d - c) <= tol)),
    ("bracketing_line_search", golden(lambda a, b, c, d, tol: b - a <= tol * abs(b))),
    ("bracketing_line_search", lambda phi, a, b, tol: 0.0),
    ("is_convex_hessian", leading_minors),
    ("is_convex_hessian", random_directions),
    ("gradient_descent", descent_that_stops),
    ("fit_least_squares", ridge(1e-9)),
    ("fit_least_squares", ridge(1e-11)),
    ("minibatch_gradient", masked_gradient),
]


@pytest.mark.parametrize(("part", "answer"), WRONG)
def test_a_wrong_answer_loses_half_of_its_points_on_every_seed(
    part: str, answer: Callable[..., Any]
) -> None:
    for seed in range(5):
        verdict = verdict_on(part, answer, f"wrong-{seed}")
        assert verdict.points <= verdict.max_points / 2, told(verdict)


# Names


def one_of_three_quarters(lr0, t, t_max, lr_min=0.0):
    return lr_min + (lr0 - lr_min) * (1 + np.cos(np.pi * t / (t_max - 1))) / 2


NAMES: list[tuple[str, Callable[..., Any], str | None, str]] = [
    ("train_test_split", rolled_split, "never_shuffled", "not shuffled"),
    ("train_test_split", split_with_half_up, "half_rounded_up", "A half"),
    ("train_test_split", split_that_loses_a_row, None, "on neither side"),
    ("train_test_split", split_by_pythons_shuffle, None, "The same state of rng gives another"),
    ("train_test_split", split_of_a_table_by_pythons_shuffle, None, "with the y of others"),
    ("minibatches", rolled_batches, "rolled", "not shuffled"),
    ("minibatches", batches_evened_out_below, "evened_out", "spread over the batches"),
    ("minibatches", RolledOn(), None, "the order of the first one, begun at another row"),
    ("sgd", rolled_sgd, "rows_begun_anywhere", "not shuffled"),
    ("sgd", sgd_by_pythons_shuffle, "not_from_the_rng", "does not come from the rng"),
    ("sgd", sgd_with_aliased_rows, "every_row_the_last", "the same array was changed in place"),
    ("sgd", own_sgd, "own_formula", "grad is not asked"),
    ("gradient_descent", descent_with_aliased_rows, "every_later_row_the_last", "in place"),
    ("gradient_descent", descent_one_row_short, "last_row_left_empty", "still zeros"),
    ("gradient_descent", descent_that_stops, "stopped_early", "stops"),
    ("minibatch_gradient", masked_gradient, "each_row_once", "only once"),
    (
        "minibatch_gradient",
        lambda grad, theta, X, y, index: X[index].T @ (X[index] @ theta - y[index]) / len(index),
        "own_formula",
        "grad is not asked",
    ),
    ("bracketing_line_search", lambda phi, a, b, tol: 0.0, None, "further than tol"),
    ("fit_least_squares", ridge(1.0), "ridge_added", "shrunk"),
    ("fit_least_squares", ridge(1e-6), "ridge_added", "shrunk"),
    ("fit_least_squares", ridge(1e-9), "ridge_added", "shrunk"),
    (
        "linear_gradient",
        lambda theta, X, y: 2 * X.T @ (X @ theta - y),
        "twice_the_sum",
        "sum of squares",
    ),
    (
        "numerical_gradient",
        lambda f, theta, h=1e-5: PARTS["numerical_gradient"].reference(f, theta, 1e-6),
        "h_of_its_own",
        "h is not used",
    ),
    (
        "numerical_gradient",
        lambda f, theta, h=1e-5: (f(theta + h) - f(theta - h)) / (2 * h),
        "one_number_for_all",
        "one number",
    ),
    (
        "newton_step",
        lambda grad, hessian, theta: -np.linalg.solve(hessian(theta), grad(theta)),
        "step_alone_with_its_sign",
        "step alone",
    ),
    (
        "bfgs_update",
        lambda H, s, y: (
            (np.eye(len(s)) - np.outer(s, y) / (y @ s))
            @ H
            @ (np.eye(len(s)) - np.outer(s, y) / (y @ s))
            + np.outer(s, s) / (y @ s)
        ),
        "same_factor_twice",
        "same factor",
    ),
    (
        "bfgs_update",
        lambda H, s, y: H + np.outer(s, s) / (s @ y) - np.outer(H @ y, y @ H) / (y @ H @ y),
        "dfp",
        "DFP",
    ),
    (
        "bfgs_update",
        lambda H, s, y: (
            (np.eye(len(s)) - np.outer(s, y) / (y @ s))
            * H
            * (np.eye(len(s)) - np.outer(y, s) / (y @ s))
            + np.outer(s, s) / (y @ s)
        ),
        "entry_by_entry",
        "entry by entry",
    ),
    (
        "momentum_step",
        lambda theta, velocity, grad, lr, beta: (
            theta - (beta * velocity + lr * grad),
            beta * velocity + lr * grad,
        ),
        "rate_inside_with_a_plus",
        "inside the velocity",
    ),
    (
        "adagrad_step",
        lambda theta, grad, accumulator, lr, eps=1e-8: (
            theta - lr * grad / np.sqrt(accumulator + grad**2) + eps,
            accumulator + grad**2,
        ),
        "adagrad_eps_outside",
        "outside of the fraction",
    ),
    (
        "step_decay",
        lambda lr0, t, drop, every: lr0 * drop ** (t // every) if t % every == 0 else lr0,
        "falls_at_multiples_alone",
        "at multiples of every",
    ),
    ("cosine_decay", one_of_three_quarters, "one_update_short", "one update too short"),
    (
        "gaussian_nll",
        lambda y, y_hat, sigma: np.mean(np.log(2 * np.pi * sigma**2) + ((y - y_hat) / sigma) ** 2),
        "twice_the_likelihood",
        "twice as large",
    ),
    (
        "gradient_standard_error",
        lambda per_example_gradients, m: (
            np.std(per_example_gradients, axis=0, ddof=1)
            / np.sqrt(m)
            * np.sqrt((len(per_example_gradients) - m) / (len(per_example_gradients) - 1))
        ),
        "finite_population_n_minus_one",
        "finite population",
    ),
    (
        "polynomial_features",
        lambda x, degree: np.column_stack([*(x**k for k in range(degree)), np.zeros(len(x))]),
        "last_column_left_empty",
        "still zeros",
    ),
]


@pytest.mark.parametrize(("part", "answer", "name", "words"), NAMES)
def test_a_mistake_of_many_is_told_by_its_name(
    part: str, answer: Callable[..., Any], name: str | None, words: str
) -> None:
    with np.errstate(all="ignore"):
        verdict = verdict_on(part, answer)
    assert verdict.mistake == name, told(verdict)
    assert words in verdict.message
    assert verdict.hint


# Whole numbers


def gabor_into_empty_like(theta, x):
    out = np.empty_like(x)
    for i, value in enumerate(x):
        u = theta[0] + 0.06 * theta[1] * value
        out[i] = np.sin(u) * np.exp(-(u**2) / 32)
    return out


def descent_by_copies(grad, theta0, lr, steps):
    path = np.empty((steps + 1, len(theta0)), dtype=theta0.dtype)
    path[0] = theta0
    for t in range(steps):
        path[t + 1] = path[t] - lr * grad(path[t])
    return path


def slopes_by_copies(f, theta, h=1e-5):
    gradient = np.zeros_like(theta)
    for i in range(len(theta)):
        up, down = theta.copy(), theta.copy()
        up[i] += h
        down[i] -= h
        gradient[i] = (f(up) - f(down)) / (2 * h)
    return gradient


def step_in_a_copy(theta, velocity, grad, lr, beta):
    velocity = velocity.copy()
    velocity[:] = beta * velocity + (1 - beta) * grad
    return theta - lr * velocity, velocity


@pytest.mark.parametrize(
    ("part", "answer"),
    [
        ("gabor", gabor_into_empty_like),
        ("gradient_descent", descent_by_copies),
        ("numerical_gradient", slopes_by_copies),
        ("momentum_step", step_in_a_copy),
    ],
)
def test_what_cuts_to_whole_numbers_loses_a_share_and_is_told(
    part: str, answer: Callable[..., Any]
) -> None:
    verdict = verdict_on(part, answer)
    assert verdict.mistake == "cuts_to_whole_numbers", told(verdict)
    share = 1 - 1 / len(verdict.families)
    assert verdict.points == pytest.approx(verdict.max_points * share, abs=0.01)


# Cheap


def sign_steps(theta, grad, lr, eps=1e-8):
    return theta - lr * np.sign(grad)


def rate_without_eps(v, t, lr, beta2, eps=1e-8):
    return lr / np.sqrt(v / (1 - beta2**t))


def adagrad_without_eps(theta, grad, accumulator, lr, eps=1e-8):
    total = accumulator + grad**2
    return theta - lr * grad / np.sqrt(total), total


def rmsprop_without_eps(theta, grad, v, lr, beta, eps=1e-8):
    v = beta * v + (1 - beta) * grad**2
    return theta - lr * grad / np.sqrt(v), v


CHEAP: list[tuple[str, Callable[..., Any]]] = [
    ("project_nonnegative", lambda theta: theta.copy() if theta.min() >= 0 else 0 * theta),
    (
        "gaussian_nll",
        lambda y, y_hat, sigma: (
            -np.mean(np.log(np.exp(-(((y - y_hat) / sigma) ** 2) / 2) / sigma / np.sqrt(2 * np.pi)))
        ),
    ),
    ("normalized_step", sign_steps),
    ("effective_learning_rate", rate_without_eps),
    ("adagrad_step", adagrad_without_eps),
    ("rmsprop_step", rmsprop_without_eps),
    ("exponential_decay", lambda lr0, t, gamma: lr0 * (1 + (gamma - 1) * t)),
]


@pytest.mark.parametrize(("part", "answer"), CHEAP)
def test_no_answer_that_ignores_the_idea_keeps_more_than_a_third(
    part: str, answer: Callable[..., Any]
) -> None:
    with np.errstate(all="ignore"):
        verdict = verdict_on(part, answer)
    assert verdict.points <= verdict.max_points / 3 + 0.01, told(verdict)


@pytest.mark.parametrize(
    ("part", "mistake"), [(name, m.name) for name, part in PARTS.items() for m in part.mistakes]
)
def test_no_known_mistake_keeps_more_than_half(part: str, mistake: str) -> None:
    wrong = next(m.wrong for m in PARTS[part].mistakes if m.name == mistake)
    verdict = verdict_on(part, wrong)
    assert verdict.points <= verdict.max_points / 2, told(verdict)


# Right


def single(function: Callable[..., Any]) -> Callable[..., Any]:
    """A right answer that works in single precision."""

    def answer(*arguments: Any) -> Any:
        made = function(
            *(a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in arguments)
        )
        return made

    return answer


def scipy_newton(**options: Any) -> Callable[..., Array]:
    return lambda grad, hessian, theta: (
        theta - scipy.linalg.solve(hessian(theta), grad(theta), **options)
    )


def right_answers() -> Iterator[tuple[str, Callable[..., Any]]]:
    yield "train_test_split", split_with_a_flat_empty_side
    for options in ({}, {"assume_a": "sym"}, {"assume_a": "gen"}, {"assume_a": "pos"}):
        yield "newton_step", scipy_newton(**options)
    yield "fit_least_squares", lambda X, y: scipy.linalg.lstsq(X, y, cond=1e-12)[0]
    yield "fit_least_squares", lambda X, y: scipy.linalg.pinv(X) @ y
    yield "mse", lambda y, y_hat: np.mean((y - y_hat).astype(np.float32) ** 2)
    yield "mse", lambda y, y_hat: float(np.mean((y - y_hat).astype(np.float32) ** 2))
    for name in ("linear_gradient", "gabor", "gabor_gradient", "momentum_step", "bias_correct"):
        yield name, single(PARTS[name].reference)
    yield "polynomial_features", lambda x, degree: np.vander(x, degree + 1, increasing=True)
    yield "polynomial_features", lambda x, degree: np.polynomial.polynomial.polyvander(x, degree)
    yield "polynomial_features", column_by_column
    yield "adagrad_step", lambda theta, grad, *rest: ADAGRAD(theta, np.asarray(grad, float), *rest)
    yield "bfgs_update", expanded
    yield "project_nonnegative", lambda theta: np.maximum(theta, 0)


ADAGRAD = PARTS["adagrad_step"].reference


def column_by_column(x: Array, degree: int) -> Array:
    out = np.ones((len(x), degree + 1))
    for k in range(1, degree + 1):
        out[:, k] = x**k
    return out


def expanded(H: Array, s: Array, y: Array) -> Array:
    sy, Hy = s @ y, H @ y
    return H + (sy + y @ Hy) * np.outer(s, s) / sy**2 - (np.outer(Hy, s) + np.outer(s, Hy)) / sy


@pytest.mark.parametrize(("part", "answer"), list(right_answers()))
def test_a_right_answer_keeps_all_its_points(part: str, answer: Callable[..., Any]) -> None:
    for seed in range(20):
        verdict = verdict_on(part, answer, f"right-{seed}")
        assert verdict.status == "passed", (seed, told(verdict), verdict.families)


@pytest.mark.parametrize("part", [name for name, part in PARTS.items() if part.whole])
def test_of_whole_numbers_the_right_answer_is_none_of_them(part: str) -> None:
    """Or who answers with floats, as is right, would be told that the numbers are cut."""
    for case in known_cases(PARTS[part], "whole"):
        if case.family.name == WHOLE_NUMBERS:
            answer = case.answer(PARTS[part].reference)
            for value in answer if isinstance(answer, tuple) else (answer,):
                assert np.asarray(value).dtype.kind not in "iu"


def test_a_mistake_of_the_rngs_is_named_when_a_learner_makes_it() -> None:
    """Lint compares a mistake with its own answers, which another's draws never are."""
    wrong = next(m for m in PARTS["train_test_split"].mistakes if m.name == "the_other_share").wrong
    for seed in range(5):
        assert verdict_on("train_test_split", wrong, f"{seed}").mistake == "the_other_share"


def test_single_precision_is_refused_where_the_docstring_asks_for_more() -> None:
    assert PARTS["numerical_gradient"].precise
    verdict = verdict_on(
        "numerical_gradient",
        lambda f, theta, h=1e-5: PARTS["numerical_gradient"].reference(f, theta, h).astype("f4"),
    )
    assert verdict.points == 0 and "dtype" in verdict.message


# What a learner's process says


LIAR = """
np.array_equal = lambda *arrays, **options: True


def train_test_split(X, y, test_fraction, rng):
    order = np.random.permutation(len(y))
    k = round(len(y) * test_fraction)
    return X[order[k:]], X[order[:k]], y[order[k:]], y[order[:k]]
"""


def test_whether_two_splits_are_alike_is_not_asked_of_the_learners_numpy() -> None:
    """The judge is given both, and compares them itself."""
    exercises = find_set("empirical_risk")
    notebook = instructor_notebook(exercises)
    cell = next(c for c in notebook.cells if c.id == "solution-train_test_split")
    cell.source = LIAR
    verdict = grade(Submission(notebook), exercises, "liar", default_runner()).verdicts[
        "train_test_split"
    ]
    assert "The same state of rng gives another split" in verdict.message, told(verdict)
    assert verdict.points == 0
