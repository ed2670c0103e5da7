"""The empirical-risk set against independent truth: scikit-learn, SciPy, torch, closed forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.stats
import sklearn.linear_model
import sklearn.metrics
import sklearn.model_selection
import sklearn.preprocessing
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.exercise import Part
from autograder.judging.judge import judge, local_caller
from autograder.judging.verdict import Verdict
from solutions.empirical_risk import (
    cross_validation,
    empirical_risk,
    fit_least_squares,
    gaussian_nll,
    linear_model,
    lopsided_loss,
    mae,
    mse,
    polynomial_features,
    project_nonnegative,
    risk_difference,
    squared_loss,
    train_test_split,
)

Array = np.ndarray
seeds = st.integers(0, 2**32 - 1)


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


# Independent truth.


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_the_two_errors_are_scikit_learns_and_torchs(seed: int) -> None:
    rng = rng_of(seed)
    y, y_hat = rng.normal(size=(2, rng.integers(1, 30)))
    assert mse(y, y_hat) == pytest.approx(sklearn.metrics.mean_squared_error(y, y_hat))
    assert mae(y, y_hat) == pytest.approx(sklearn.metrics.mean_absolute_error(y, y_hat))
    tensors = torch.tensor(y), torch.tensor(y_hat)
    assert mse(y, y_hat) == pytest.approx(torch.nn.functional.mse_loss(*tensors).item())
    assert mae(y, y_hat) == pytest.approx(torch.nn.functional.l1_loss(*tensors).item())


def test_scalar_answers_are_floats() -> None:
    y = np.array([1, 2, 4])
    risk = empirical_risk(squared_loss, linear_model, np.ones(1), np.ones((3, 1)), y)
    for answer in (mse(y, y + 1), mae(y, y + 1), gaussian_nll(y, y + 1, 1.0), risk):
        assert type(answer) is float


@given(seeds, st.floats(0.05, 0.95))
@settings(max_examples=40, deadline=None)
def test_empirical_risk_is_scikit_learns_pinball_loss(seed: int, share: float) -> None:
    rng = rng_of(seed)
    X, theta = rng.normal(size=(9, 3)), rng.normal(size=3)
    y = rng.normal(size=9)
    theirs = sklearn.metrics.mean_pinball_loss(y, X @ theta, alpha=share)
    ours = empirical_risk(lopsided_loss(share), linear_model, theta, X, y)
    assert ours == pytest.approx(theirs)


@given(seeds, st.integers(1, 40), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_a_split_is_a_partition_of_the_pairs(seed: int, n: int, test_fraction: float) -> None:
    rng = rng_of(seed)
    X, y = rng.normal(size=(n, 2)), rng.normal(size=n)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_fraction, rng)
    assert X_test.shape == (round(n * test_fraction), 2)
    assert X_train.shape == (n - len(X_test), 2)
    pairs = np.vstack([np.column_stack(side) for side in ((X_train, y_train), (X_test, y_test))])
    np.testing.assert_array_equal(
        pairs[np.argsort(pairs[:, 2])], np.column_stack([X, y])[np.argsort(y)]
    )


def test_every_row_is_tested_equally_often() -> None:
    rng, times = rng_of(0), 4000
    rows = np.arange(10.0)
    counts = np.zeros(10)
    for _ in range(times):
        tested = train_test_split(rows[:, np.newaxis], rows, 0.3, rng)[3]
        counts[tested.astype(int)] += 1
    # The counts always sum to 3 * times: nine are free, which the factor (10 - 1) / 10 allows for.
    statistic = np.sum((counts - 0.3 * times) ** 2) / (0.3 * times * 0.7) * 0.9
    assert scipy.stats.chi2.sf(statistic, df=9) > 1e-3


@given(seeds, st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_polynomial_features_are_scikit_learns(seed: int, degree: int) -> None:
    x = rng_of(seed).uniform(-2, 2, 7)
    x[0] = 0
    theirs = sklearn.preprocessing.PolynomialFeatures(degree).fit_transform(x[:, np.newaxis])
    ours = polynomial_features(x, degree)
    assert ours.dtype == np.float64 and ours.shape == (7, degree + 1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_least_squares_is_scipys_shortest_solution(seed: int) -> None:
    rng = rng_of(seed)
    n, d, rank = rng.integers(1, 9, 3)
    X = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d))
    y = rng.normal(size=n)
    theirs = scipy.linalg.lstsq(X, y, cond=1e-10, lapack_driver="gelsy")[0]
    ours = fit_least_squares(X, y)
    np.testing.assert_allclose(X @ ours, X @ theirs, rtol=1e-6, atol=1e-8)
    assert np.linalg.norm(ours) <= np.linalg.norm(theirs) * (1 + 1e-6)
    np.testing.assert_allclose(X.T @ (X @ ours - y), 0, atol=1e-8)


def test_least_squares_finds_a_polynomial_again() -> None:
    theta = np.array([1.0, -2.0, 0.5, 3.0])
    X = polynomial_features(np.linspace(-1, 1, 9), 3)
    np.testing.assert_allclose(fit_least_squares(X, X @ theta), theta, rtol=1e-10)


@given(seeds, st.floats(0.05, 20))
@settings(max_examples=40, deadline=None)
def test_gaussian_nll_is_scipys_and_torchs(seed: int, sigma: float) -> None:
    rng = rng_of(seed)
    y, y_hat = rng.normal(size=(2, rng.integers(1, 20)))
    ours = gaussian_nll(y, y_hat, sigma)
    theirs = -scipy.stats.norm.logpdf(y, y_hat, sigma).mean()
    torchs = torch.nn.functional.gaussian_nll_loss(
        torch.tensor(y_hat), torch.tensor(y), sigma**2, full=True, eps=0.0
    )
    assert ours == pytest.approx(theirs, rel=1e-10, abs=1e-12)
    assert ours == pytest.approx(torchs.item(), rel=1e-10, abs=1e-12)


def test_a_likelihood_may_exceed_one_and_a_tail_does_not_break_it() -> None:
    assert gaussian_nll(np.zeros(2), np.zeros(2), 0.01) < 0
    assert gaussian_nll(np.zeros(1), np.array([100.0]), 1.0) == pytest.approx(5000.9189385332046)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_the_projection_is_the_nearest_allowed_point(seed: int) -> None:
    theta = rng_of(seed).normal(size=4)
    was = theta.copy()
    ours = project_nonnegative(theta)
    theirs = scipy.optimize.nnls(np.eye(4), theta)[0]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    np.testing.assert_array_equal(theta, was)
    assert not np.shares_memory(ours, theta)


# Right answers in another form, and wrong ones that are no single known mistake.


def verdict_on(part: Part, answer: Callable[..., Any]) -> Verdict:
    return judge(part, "other-forms", local_caller(answer))


def one_by_one(loss: Any, model: Any, theta: Array, X: Array, y: Array) -> Any:
    return sum(loss(y[i], model(theta, X[i])) for i in range(len(y))) / len(y)


def by_mask(X: Array, y: Array, test_fraction: float, rng: np.random.Generator) -> Any:
    test = np.zeros(len(y), dtype=bool)
    test[rng.choice(len(y), round(len(y) * test_fraction), replace=False)] = True
    return [X[~test], X[test], y[~test], y[test]]


def by_shuffled_copy(X: Array, y: Array, test_fraction: float, rng: np.random.Generator) -> Any:
    order = np.arange(len(y))
    rng.shuffle(order)
    X, y, cut = X[order], y[order], len(y) - round(len(y) * test_fraction)
    return X[:cut], X[cut:], y[:cut], y[cut:]


def glued(X: Array, y: Array, test_fraction: float, rng: np.random.Generator) -> Any:
    table = rng.permutation(np.column_stack([X, y]))
    k = round(len(y) * test_fraction)
    return table[k:, :-1], table[:k, :-1], table[k:, -1], table[:k, -1]


@given(seeds, st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_cross_validation_is_scikit_learns(seed: int, degree: int) -> None:
    rng = rng_of(seed)
    n = int(rng.integers(15, 30))
    x, y, fold = rng.normal(size=n), rng.normal(size=n), rng.permutation(np.arange(n) % 4) * 3 - 5
    theirs = sklearn.model_selection.cross_val_predict(
        sklearn.linear_model.LinearRegression(fit_intercept=False),
        polynomial_features(x, degree),
        y,
        groups=fold,
        cv=sklearn.model_selection.LeaveOneGroupOut(),
    )
    right = sklearn.metrics.mean_squared_error(y, theirs)
    assert cross_validation(x, y, degree, fold) == pytest.approx(right, rel=1e-8)


def test_both_returned_numbers_have_the_names_of_the_docstring() -> None:
    assert risk_difference.returned == ["difference", "standard_error"]


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_the_risk_difference_is_that_of_scipys_paired_test(seed: int) -> None:
    a, b = rng_of(seed).normal(size=(2, 12)) + rng_of(seed + 1).normal(size=12)
    difference, error = risk_difference(a, b)
    assert difference / error == pytest.approx(scipy.stats.ttest_rel(a, b).statistic, rel=1e-9)
    assert difference == pytest.approx(a.mean() - b.mean(), rel=1e-9)


def all_by_normal_equations(x: Array, y: Array, degree: int, fold: Array) -> float:
    """One loop over rows: each is predicted by a fit of its own."""
    squares = []
    for i in range(len(x)):
        kept = fold != fold[i]
        X = np.vander(x[kept], degree + 1)
        theta = np.linalg.solve(X.T @ X, X.T @ y[kept])
        squares.append((y[i] - np.polyval(theta, x[i])) ** 2)
    return sum(squares) / len(squares)


RIGHT: list[tuple[Part, Callable[..., Any]]] = [
    (mse, lambda y, y_hat: sum((a - b) ** 2 for a, b in zip(y, y_hat, strict=True)) / len(y)),
    (mse, lambda y, y_hat: np.linalg.norm(y - y_hat) ** 2 / y.size),
    (mae, lambda y, y_hat: np.linalg.norm(y - y_hat, 1) / y.size),
    (empirical_risk, one_by_one),
    (train_test_split, by_mask),
    (train_test_split, by_shuffled_copy),
    (train_test_split, glued),
    (polynomial_features, lambda x, degree: np.vander(x, degree + 1, increasing=True)),
    (
        polynomial_features,
        lambda x, degree: np.array([[a**k for k in range(degree + 1)] for a in x]),
    ),
    (fit_least_squares, lambda X, y: np.linalg.pinv(X) @ y),
    (fit_least_squares, lambda X, y: np.linalg.lstsq(X.T @ X, X.T @ y, rcond=None)[0]),
    (gaussian_nll, lambda y, y_hat, sigma: -scipy.stats.norm.logpdf(y, y_hat, sigma).mean()),
    (cross_validation, all_by_normal_equations),
    (
        risk_difference,
        lambda losses_a, losses_b: (
            np.mean(losses_a) - np.mean(losses_b),
            scipy.stats.sem(losses_a - losses_b),
        ),
    ),
    (project_nonnegative, lambda theta: theta * (theta > 0)),
    (project_nonnegative, lambda theta: (theta + np.abs(theta)) / 2),
]


@pytest.mark.parametrize(("part", "answer"), RIGHT)
def test_right_answers_in_another_form_pass(part: Part, answer: Callable[..., Any]) -> None:
    verdict = verdict_on(part, answer)
    assert verdict.status == "passed", verdict.message


def every_fourth(X: Array, y: Array, test_fraction: float, rng: np.random.Generator) -> Any:
    k = round(len(y) * test_fraction)
    test = np.arange(len(y)) % 2 == 1
    test[np.flatnonzero(test)[k:]] = False
    return X[~test], X[test], y[~test], y[test]


def both_in_place(X: Array, y: Array, test_fraction: float, rng: np.random.Generator) -> Any:
    rng.shuffle(X)
    rng.shuffle(y)
    k = round(len(y) * test_fraction)
    return X[k:], X[:k], y[k:], y[:k]


def seen_all(X: Array, y: Array, test_fraction: float, rng: np.random.Generator) -> Any:
    _, X_test, _, y_test = by_mask(X, y, test_fraction, rng)
    return X, X_test, y, y_test


def lists(X: Array, y: Array, test_fraction: float, rng: np.random.Generator) -> Any:
    return [part.tolist() for part in by_mask(X, y, test_fraction, rng)]


def begun_anywhere(X: Array, y: Array, test_fraction: float, rng: np.random.Generator) -> Any:
    order = np.roll(np.arange(len(y)), rng.integers(len(y)))
    k = round(len(y) * test_fraction)
    return X[order[k:]], X[order[:k]], y[order[k:]], y[order[:k]]


def abs_in_place(theta: Array) -> Array:
    return np.abs(theta, out=theta)


@pytest.mark.parametrize(
    ("part", "answer", "told"),
    [
        (train_test_split, every_fourth, "never_shuffled"),
        (train_test_split, both_in_place, "shuffled_apart"),
        (train_test_split, seen_all, "both_sides_overlap"),
        (train_test_split, lists, "two_pairs"),
        (project_nonnegative, abs_in_place, "absolute_value"),
        (train_test_split, begun_anywhere, "never_shuffled"),
        (fit_least_squares, lambda X, y: np.linalg.inv(X.T @ X) @ X.T @ y, "normal_equations"),
    ],
)
def test_relatives_of_a_mistake_are_told_by_its_name(
    part: Part, answer: Callable[..., Any], told: str
) -> None:
    verdict = verdict_on(part, answer)
    assert verdict.points < verdict.max_points
    assert verdict.mistake == told


def from_elsewhere(X: Array, y: Array, test_fraction: float, rng: np.random.Generator) -> Any:
    """No declared mistake: its answer would be another one whenever the exercise is built."""
    return by_mask(X, y, test_fraction, np.random.default_rng())


def shuffled_in_place(X: Array, y: Array, test_fraction: float, rng: np.random.Generator) -> Any:
    order = rng.permutation(len(y))
    X[:], y[:] = X[order], y[order]
    k = round(len(y) * test_fraction)
    return X[k:].copy(), X[:k].copy(), y[k:].copy(), y[:k].copy()


def test_a_split_in_place_costs_the_share_of_a_kind() -> None:
    verdict = verdict_on(train_test_split, shuffled_in_place)
    assert verdict.mistake == "changes_its_arguments"
    assert verdict.points == round(4 * (1 - 1 / len(verdict.families)), 2)
    assert verdict.message == "It changes its arguments X and y: work on copies."


def test_randomness_from_elsewhere_is_told() -> None:
    verdict = verdict_on(train_test_split, from_elsewhere)
    assert verdict.points < verdict.max_points
    assert "The same state of rng gives another split" in verdict.message


def test_repeated_columns_make_the_normal_equations_singular_to_the_last_bit() -> None:
    """Else the visible check, frozen on one machine, would hold another machine's noise."""
    names = ("a_column_twice", "more_columns_than_rows")
    singular = [f for f in fit_least_squares.families if f.name in names]
    assert len(singular) == 2
    for family in singular:
        for seed in range(200):
            X = family.draw(rng_of(seed))[0].args["X"]
            with pytest.raises(np.linalg.LinAlgError):
                np.linalg.solve(X.T @ X, np.ones(X.shape[1]))


def test_a_right_split_is_called_not_shuffled_less_than_once_in_1e9_cases() -> None:
    from math import comb

    judged = 0
    for family in train_test_split.families:
        for seed in range(50):
            for case in family.draw(rng_of(seed)):
                n = len(case.args["X"])
                k = round(n * case.args["test_fraction"])
                distance = abs(n * case.args["test_fraction"] % 1 - 0.5)
                assert distance == 0 or distance > 0.05, "a half is one to the bit"
                if case.facts["by_chance"]:
                    # A start and a stride say which: and both splits that are looked at must be.
                    assert (n**2 / comb(n, k)) ** 2 < 1e-9
                    judged += 1
    assert judged > 100
