"""The logistic regression set against independent truth: scikit-learn, SciPy, torch, mpmath."""

import inspect
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.optimize
import scipy.special
import sklearn.linear_model
import sklearn.metrics
import sklearn.preprocessing
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autograder.judging.judge import judge, local_caller
from autograder.judging.sets import find_set
from autograder.judging.verdict import Verdict
from solutions.logistic_regression import (
    accuracy,
    bce_with_logits,
    best_threshold,
    cross_entropy,
    cross_entropy_gradient,
    cross_entropy_naive,
    fit_logistic,
    log_sum_exp,
    logistic_gradient,
    sigmoid,
    softmax,
    softmax_backward,
    standardise,
)

Array = np.ndarray
SET = find_set("logistic_regression")
PARTS = {part.name: part for part in SET.parts}

seeds = st.integers(0, 2**32 - 1)
any_finite = st.floats(allow_nan=False, allow_infinity=False)


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def close(got: Any, wanted: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def by_position(name: str, answer: Callable[..., Any]) -> Callable[..., Any]:
    """An answer that takes its arguments by position, called by name or by position."""
    order = list(inspect.signature(PARTS[name].reference).parameters)

    def called(*arguments: Any, **named: Any) -> Any:
        return answer(*arguments, *(named[key] for key in order if key in named))

    return called


def verdict_on(name: str, answer: Callable[..., Any], seed: Any) -> Verdict:
    return judge(PARTS[name], f"other-{seed}", local_caller(by_position(name, answer)))


# One neuron


@given(arrays(np.float64, st.integers(1, 6), elements=any_finite))
@settings(max_examples=150, deadline=None)
def test_the_sigmoid_is_scipys_for_any_finite_number_without_a_warning(z: Array) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        s = sigmoid(z)
    np.testing.assert_allclose(s, scipy.special.expit(z), rtol=1e-14, atol=1e-300)


@given(st.floats(-800, 800))
@settings(max_examples=100, deadline=None)
def test_the_sigmoid_is_symmetric_and_its_slope_is_s_times_one_minus_s(z: float) -> None:
    at, h = np.array([z]), 1e-5
    close(sigmoid(at) + sigmoid(-at), [1.0], 1e-15)
    close((sigmoid(at + h) - sigmoid(at - h)) / (2 * h), sigmoid(at) * (1 - sigmoid(at)), 1e-9)


@given(arrays(np.float64, 7, elements=st.floats(-1e300, 1e300)), seeds)
@settings(max_examples=100, deadline=None)
def test_the_binary_loss_is_minus_scipys_log_expit(z: Array, seed: int) -> None:
    y = rng_of(seed).integers(0, 2, 7)
    wanted = -np.mean(scipy.special.log_expit((2 * y - 1) * z))
    assert bce_with_logits(z, y) == pytest.approx(wanted, rel=1e-12)


def test_the_binary_loss_is_torchs_and_scikit_learns() -> None:
    rng = rng_of(1)
    z, y = 5 * rng.normal(size=200), rng.integers(0, 2, 200)
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(z), torch.tensor(y, dtype=torch.float64)
    )
    assert bce_with_logits(z, y) == pytest.approx(theirs.item(), rel=1e-12)
    assert bce_with_logits(z, y) == pytest.approx(sklearn.metrics.log_loss(y, sigmoid(z)), rel=1e-9)


@pytest.mark.parametrize("z", [-1e4, -745.2, -40.0, 1e-9, 36.9, 709.9, 1e4])
@pytest.mark.parametrize("y", [0, 1])
def test_the_binary_loss_of_one_example_to_fifty_digits(z: float, y: int) -> None:
    with mpmath.workdps(5_000):
        share = 1 / (1 + mpmath.exp(-mpmath.mpf(z)))
        wanted = float(-mpmath.log(share if y else 1 - share))
    got = bce_with_logits(np.array([z]), np.array([y]))
    assert got == pytest.approx(wanted, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("size", [1.0, 300.0])
def test_the_gradient_of_the_neuron_is_torchs(size: float) -> None:
    rng = rng_of(2)
    X, y = size * rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    w, b = rng.normal(size=3), 0.7
    leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (w, b)]
    logits = torch.tensor(X) @ leaves[0] + leaves[1]
    torch.nn.functional.binary_cross_entropy_with_logits(
        logits, torch.tensor(y, dtype=torch.float64)
    ).backward()
    for ours, leaf in zip(logistic_gradient(w, b, X, y), leaves, strict=True):
        assert leaf.grad is not None
        close(ours, leaf.grad.numpy())


def test_standardising_is_scikit_learns() -> None:
    rng = rng_of(3)
    X = rng.normal(size=(60, 4)) * [1, 50, 0.01, 1] + [0, 7, 3, 0]
    X[:, 3] = 0.1
    before = X.copy()
    scaler = sklearn.preprocessing.StandardScaler().fit(X[:40])
    for ours, rows in zip(standardise(X[:40], X[40:]), (X[:40], X[40:]), strict=True):
        close(ours, scaler.transform(rows))
        assert not np.shares_memory(ours, X) and np.max(np.abs(ours[:, 3])) < 1e-15
    np.testing.assert_array_equal(X, before)


def noisy_classes(rng: np.random.Generator, n: int = 120) -> tuple[Array, Array]:
    X = rng.normal(size=(n, 2))
    return X, (sigmoid(X @ [1.5, -1.0] + 0.4) > rng.random(n)).astype(int)


def test_a_long_fit_ends_where_scikit_learns_without_a_penalty_does() -> None:
    X, y = noisy_classes(rng_of(4))
    w, b = fit_logistic(X, y, 1.0, len(y), 600, rng_of(0))
    theirs = sklearn.linear_model.LogisticRegression(C=np.inf, tol=1e-10).fit(X, y)
    close(w, theirs.coef_[0], 1e-5)
    close(b, theirs.intercept_[0], 1e-5)


def test_a_fit_is_torchs_sgd_on_the_same_batches() -> None:
    X, y = noisy_classes(rng_of(5), 23)
    rng, twin = rng_of(6), rng_of(6)
    w, b = fit_logistic(X, y, 0.3, 5, 4, rng)
    model = torch.nn.Linear(2, 1, dtype=torch.float64)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.3)
    for _ in range(4):
        for rows in np.array_split(twin.permutation(23), [5, 10, 15, 20]):
            optimiser.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(
                model(torch.tensor(X[rows]))[:, 0], torch.tensor(y[rows], dtype=torch.float64)
            ).backward()
            optimiser.step()
    close(w, model.weight.detach().numpy()[0])
    close(b, model.bias.item())
    assert rng.bit_generator.state == twin.bit_generator.state


@given(seeds, st.integers(2, 5))
@settings(max_examples=50, deadline=None)
def test_accuracy_is_scikit_learns(seed: int, classes: int) -> None:
    y, y_hat = rng_of(seed).integers(0, classes, (2, 17))
    assert accuracy(y, y_hat) == pytest.approx(sklearn.metrics.accuracy_score(y, y_hat))


# Many classes

rows = arrays(np.float64, (3, 4), elements=st.floats(-1e6, 1e6))


@given(rows)
@settings(max_examples=150, deadline=None)
def test_log_sum_exp_and_softmax_are_scipys(z: Array) -> None:
    # Near zero SciPy has a digit or two more, by log1p.
    close(log_sum_exp(z), scipy.special.logsumexp(z, axis=-1), 1e-13)
    np.testing.assert_allclose(softmax(z), scipy.special.softmax(z, axis=-1), 1e-12, 1e-300)


@given(rows, st.floats(-1e3, 1e3))
@settings(max_examples=100, deadline=None)
def test_a_shift_moves_the_sum_and_no_share(z: Array, shift: float) -> None:
    # Where the shift rounds the logits, they are other logits.
    z = np.round(z)
    shift = round(shift)
    close(log_sum_exp(z + shift), log_sum_exp(z) + shift, 1e-9)
    close(softmax(z + shift), softmax(z), 1e-12)
    close(softmax(z).sum(axis=-1), np.ones(3), 1e-14)


def test_two_classes_are_a_sigmoid_of_their_difference() -> None:
    z = 300 * rng_of(7).normal(size=(50, 2))
    close(softmax(z)[:, 1], sigmoid(z[:, 1] - z[:, 0]), 1e-12)
    y = rng_of(8).integers(0, 2, 50)
    close(cross_entropy(z, y), bce_with_logits(z[:, 1] - z[:, 0], y), 1e-12)


@pytest.mark.parametrize("size", [1.0, 1e3])
def test_the_cross_entropy_and_its_gradient_are_torchs(size: float) -> None:
    rng = rng_of(9)
    logits, labels = size * rng.normal(size=(12, 5)), rng.integers(0, 5, 12)
    leaf = torch.tensor(logits, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(leaf, torch.tensor(labels))
    loss.backward()
    assert cross_entropy(logits, labels) == pytest.approx(loss.item(), rel=1e-12)
    assert leaf.grad is not None
    close(cross_entropy_gradient(logits, labels), leaf.grad.numpy(), 1e-12)


def test_the_cross_entropy_is_scikit_learns() -> None:
    rng = rng_of(10)
    logits, labels = rng.normal(size=(40, 3)), np.arange(40) % 3
    theirs = sklearn.metrics.log_loss(labels, scipy.special.softmax(logits, axis=1))
    assert cross_entropy(logits, labels) == pytest.approx(theirs, rel=1e-12)
    assert cross_entropy_naive(logits, labels) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("largest", [700.0, 709.7, 709.9, 1000.0, 1e5])
def test_the_naive_loss_breaks_where_exp_does_and_the_other_keeps_its_digits(
    largest: float,
) -> None:
    logits, labels = np.array([[largest, 1.25, -3.0]]), np.array([1])
    with mpmath.workdps(60):
        total = mpmath.fsum(mpmath.exp(mpmath.mpf(z)) for z in logits[0])
        wanted = float(mpmath.log(total) - logits[0, 1])
    assert cross_entropy(logits, labels) == pytest.approx(wanted, rel=1e-15)
    with np.errstate(all="ignore"):
        naive = cross_entropy_naive(logits, labels)
    assert np.isfinite(naive) == (largest < np.log(np.finfo(float).max))


@given(seeds, st.integers(1, 6), st.integers(2, 6))
@settings(max_examples=60, deadline=None)
def test_softmax_backward_is_torchs_jacobian_product(seed: int, n: int, k: int) -> None:
    rng = rng_of(seed)
    z, grad = 3 * rng.normal(size=(n, k)), rng.normal(size=(n, k))
    leaf = torch.tensor(z, requires_grad=True)
    y_hat = torch.softmax(leaf, dim=1)
    y_hat.backward(torch.tensor(grad))
    assert leaf.grad is not None
    back = softmax_backward(y_hat.detach().numpy(), grad)
    close(back, leaf.grad.numpy(), 1e-12)
    close(back.sum(axis=1), np.zeros(n), 1e-12)


@given(seeds, st.integers(2, 12), st.floats(0.1, 10), st.floats(0.1, 10), st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_other_set_of_alarms_that_a_threshold_can_raise_is_cheaper(
    seed: int, n: int, miss: float, alarm: float, tied: bool
) -> None:
    rng = rng_of(seed)
    y, y_hat = rng.integers(0, 2, n), rng.random(n)
    if tied:
        y_hat = np.round(y_hat, 1)

    def cost(raised: Array) -> float:
        hit = sklearn.metrics.confusion_matrix(y, raised.astype(int), labels=[0, 1])
        return float(miss * hit[1, 0] + alarm * hit[0, 1])

    found = cost(y_hat >= best_threshold(y, y_hat, miss, alarm))
    # Every set of examples above which none is left out: what thresholds can do, and no more.
    for raised in itertools.product([False, True], repeat=n):
        some = np.array(raised)
        if not some.all() and some.any() and y_hat[some].min() <= y_hat[~some].max():
            continue
        assert found <= cost(some) + 1e-9


def test_with_true_probabilities_the_threshold_is_the_ratio_of_the_costs() -> None:
    rng = rng_of(11)
    y_hat = rng.random(50_000)
    y = (rng.random(len(y_hat)) < y_hat).astype(int)
    # The reference tries every score: forty of them will do.
    coarse = np.floor(y_hat * 40) / 40
    assert best_threshold(y, coarse, 4.0, 1.0) == pytest.approx(1 / 5, abs=0.026)


# What else is right. Each is tried on three seeds, on a hundred in the full run.


def own_forms(z):
    z = np.asarray(z, dtype=float)
    out = np.empty(z.shape)
    up = z >= 0
    out[up] = 1 / (1 + np.exp(-z[up]))
    out[~up] = np.exp(z[~up]) / (1 + np.exp(z[~up]))
    return out


def by_logaddexp(z):
    return np.exp(-np.logaddexp(0, -z))


def tangent_form(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


def exponent_clipped(z):
    return 1 / (1 + np.exp(-np.clip(z, -700, 700)))


def one_by_one(z):
    flat = [1 / (1 + np.exp(-v)) if v >= 0 else 1 - 1 / (1 + np.exp(v)) for v in np.ravel(z)]
    return np.array(flat).reshape(np.shape(z))


def minimum_in_both(z):
    return np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z)))


def softplus_by_maximum(z, y):
    return np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z))))


def sign_of_the_label(z, y):
    return np.logaddexp(0, (1 - 2 * y) * z).mean()


def minus_log_expit(z, y):
    return -np.average(np.where(y == 1, scipy.special.log_expit(z), scipy.special.log_expit(-z)))


def by_masks(z, y):
    margin = np.where(y, z, -z).astype(float)
    loss = np.empty(len(z))
    good = margin > 0
    loss[good] = np.log1p(np.exp(-margin[good]))
    loss[~good] = -margin[~good] + np.log1p(np.exp(margin[~good]))
    return sum(loss) / len(loss)


def both_branches_of_where(z, y):
    softplus = np.where(z > 0, z + np.log1p(np.exp(-z)), np.log1p(np.exp(z)))
    return np.mean(softplus - y * z)


def two_logits(z, y):
    pairs = np.column_stack([np.zeros(len(z)), z])
    return (scipy.special.logsumexp(pairs, axis=1) - pairs[range(len(y)), y]).mean()


def torchs_bce(z, y):
    return torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(z, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)
    ).item()


def row_by_row(w, b, X, y):
    dw, db = np.zeros(len(w)), 0.0
    for row, label in zip(X, y, strict=True):
        error = sigmoid(np.array(row @ w + b)) - label
        dw += error * row / len(y)
        db += error / len(y)
    return dw, db


def einsum_gradient(w, b, X, y):
    error = scipy.special.expit(np.einsum("nd,d->n", X, w) + b) - y
    return np.einsum("n,nd->d", error, X) / len(y), error.sum() / len(y)


def with_a_column_of_ones(w, b, X, y):
    A = np.hstack([X, np.ones((len(X), 1))])
    full = A.T @ (scipy.special.expit(A @ np.append(w, b)) - y) / len(A)
    return full[:-1], full[-1]


def weighted_mean(w, b, X, y):
    error = 0.5 * (1 + np.tanh((X @ w + b) / 2)) - y
    return [np.mean(error[:, None] * X, axis=0), np.mean(error)]


def overflowing_but_right(w, b, X, y):
    error = 1 / (1 + np.exp(-(X @ w + b))) - y
    return error @ X / len(X), np.mean(error)


def torchs_gradient(w, b, X, y):
    leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (w, b)]
    z = torch.tensor(X, dtype=torch.float64) @ leaves[0] + leaves[1]
    torch.nn.functional.binary_cross_entropy_with_logits(
        z, torch.tensor(y, dtype=torch.float64)
    ).backward()
    return leaves[0].grad.numpy(), leaves[1].grad.numpy()


def standard_scaler(X_train, X_test):
    scaler = sklearn.preprocessing.StandardScaler().fit(X_train)
    return scaler.transform(X_train), scaler.transform(X_test)


def a_small_number_added(X_train, X_test):
    mean, spread = np.mean(X_train, 0), np.std(X_train, 0) + 1e-9
    return (X_train - mean) / spread, (X_test - mean) / spread


def column_by_column(X_train, X_test):
    new = np.zeros(X_train.shape), np.zeros(X_test.shape)
    for j in range(X_train.shape[1]):
        column = X_train[:, j]
        spread = (sum((column - sum(column) / len(column)) ** 2) / len(column)) ** 0.5
        for out, X in zip(new, (X_train, X_test), strict=True):
            out[:, j] = (X[:, j] - column.mean()) / (spread if spread > 0 else 1)
    return list(new)


def nan_to_zero(X_train, X_test):
    mean, spread = X_train.mean(axis=0), X_train.std(axis=0)
    return tuple(np.nan_to_num((X - mean) / spread) for X in (X_train, X_test))


def on_copies(X_train, X_test):
    a, b = X_train.astype(float), np.array(X_test, dtype=float)
    mean, spread = a.mean(axis=0), a.std(axis=0)
    spread[spread == 0] = 1
    for X in (a, b):
        X -= mean
        X /= spread
    return a, b


def by_moments(X_train, X_test):
    mean = X_train.sum(axis=0) / len(X_train)
    variance = ((X_train - mean) ** 2).mean(axis=0)
    factor = np.divide(1, np.sqrt(variance), out=np.zeros(len(mean)), where=variance > 0)
    return (X_train - mean) * factor, (X_test - mean) * factor


def batches(n, batch_size, rng):
    order = np.arange(n)
    rng.shuffle(order)
    return np.array_split(order, range(batch_size, n, batch_size))


def by_minibatches(X, y, lr, batch_size, epochs, rng):
    w, b = np.zeros(X.shape[1]), 0
    for _ in range(epochs):
        for rows in batches(len(X), batch_size, rng):
            dw, db = logistic_gradient(w, b, X[rows], y[rows])
            w -= lr * dw
            b -= lr * db
    return w, b


def shuffled_copies(X, y, lr, batch_size, epochs, rng):
    w, b = np.zeros(X.shape[1]), np.zeros(1)
    for _ in range(epochs):
        order = rng.random(len(y)).argsort()
        X, y = X[order], y[order]
        for k in range(int(np.ceil(len(y) / batch_size))):
            part = slice(k * batch_size, (k + 1) * batch_size)
            dw, db = logistic_gradient(w, b[0], X[part], y[part])
            w, b = w - lr * dw, b - lr * db
    return [w, b[0]]


def one_vector(X, y, lr, batch_size, epochs, rng):
    A, theta = np.column_stack([X, np.ones(len(X))]), np.zeros(X.shape[1] + 1)
    for _ in range(epochs):
        order = rng.choice(len(y), len(y), replace=False)
        while len(order):
            rows, order = order[:batch_size], order[batch_size:]
            error = scipy.special.expit(A[rows] @ theta) - y[rows]
            theta = theta - lr * A[rows].T @ error / len(rows)
    return theta[:-1], theta[-1]


def updates_counted(X, y, lr, batch_size, epochs, rng):
    w, b, left = np.zeros(X.shape[1]), 0.0, []
    for _ in range(epochs * -(-len(y) // batch_size)):
        left = left or rng.permutation(len(y)).tolist()
        rows, left = left[:batch_size], left[batch_size:]
        dw, db = logistic_gradient(w, b, X[rows], y[rows])
        w, b = w - lr * dw, b - lr * db
    return w, b


def permuted_together(X, y, lr, batch_size, epochs, rng):
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(epochs):
        both = rng.permutation(np.column_stack([X, y]))
        for start in range(0, len(both), batch_size):
            part = both[start : start + batch_size]
            dw, db = logistic_gradient(w, b, part[:, :-1], part[:, -1])
            w, b = w - lr * dw, b - lr * db
    return w, b


def counted_by_a_loop(y, y_hat):
    return sum(1 for a, b in zip(y, y_hat, strict=True) if a == b) / len(y)


def errors_taken_away(y, y_hat):
    return 1 - np.count_nonzero(y - y_hat) / y.size


def equal_averaged(y, y_hat):
    return np.average(np.equal(y, y_hat).astype(float))


def on_the_diagonal(y, y_hat):
    table = sklearn.metrics.confusion_matrix(y, y_hat)
    return np.trace(table) / np.sum(table)


def by_reduce(z):
    return np.logaddexp.reduce(z, axis=-1)


def shifted_by_the_first(z):
    m = np.amax(z, -1)
    return m + np.log1p(np.sum(np.exp(z - m[..., None]), -1) - 1)


def along_an_axis(z):
    return np.apply_along_axis(lambda row: max(row) + np.log(sum(np.exp(row - max(row)))), -1, z)


def torchs_log_sum_exp(z):
    return torch.logsumexp(torch.tensor(z, dtype=torch.float64), dim=-1).numpy()


def scipys_log_sum_exp(z):
    return scipy.special.logsumexp(z, axis=-1)


def with_einsum(z):
    m = z.max(axis=-1, keepdims=True)
    return np.squeeze(m, -1) + np.log(np.einsum("...k->...", np.exp(z - m)))


def exp_of_the_logarithm(z):
    return np.exp(z - np.logaddexp.reduce(z, axis=-1, keepdims=True))


def row_after_row(z):
    def share(row):
        e = np.exp(row - max(row))
        return e / sum(e)

    return np.array([share(r) for r in z.reshape(-1, z.shape[-1])]).reshape(z.shape)


def sum_of_differences(z):
    with np.errstate(over="ignore"):
        return 1 / np.exp(z[..., None, :] - z[..., :, None]).sum(axis=-1)


def torchs_softmax(z):
    return torch.softmax(torch.tensor(z, dtype=torch.float64), -1).numpy()


def on_a_copy(z):
    z = np.array(z, dtype=float)
    z -= z.max(-1, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(-1, keepdims=True)
    return z


def tiny_in_the_divisor(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / (e.sum(-1, keepdims=True) + 1e-12)


def one_hot_naive(logits, labels):
    p = np.exp(logits) / np.exp(logits).sum(1)[:, None]
    return -(np.eye(logits.shape[1])[labels] * np.log(p)).sum() / len(logits)


def naive_by_a_loop(logits, labels):
    total = 0.0
    for row, label in zip(np.exp(logits), labels, strict=True):
        total -= np.log(row[label] / np.sum(row))
    return total / len(labels)


def naive_in_two_logarithms(logits, labels):
    return np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(labels)), labels])


def naive_taken_along(logits, labels):
    p = np.exp(logits) / np.sum(np.exp(logits), axis=-1, keepdims=True)
    return np.mean(-np.log(np.take_along_axis(p, labels[:, None], 1)))


def naive_by_einsum(logits, labels):
    e = np.exp(logits)
    chosen = np.einsum("nk,nk->n", e, np.eye(e.shape[1])[labels])
    return np.log(np.einsum("nk->n", e) / chosen).sum() / len(e)


def one_hot_entropy(logits, labels):
    Y = labels[:, None] == np.arange(logits.shape[1])
    return np.mean(scipy.special.logsumexp(logits, axis=1) - np.sum(logits * Y, axis=1))


def scipys_log_softmax(logits, labels):
    log_p = scipy.special.log_softmax(logits, axis=1)
    return -sum(log_p[i, label] for i, label in enumerate(labels)) / len(labels)


def torchs_entropy(logits, labels):
    return torch.nn.functional.cross_entropy(
        torch.tensor(logits, dtype=torch.float64), torch.tensor(labels)
    ).item()


def rows_less_the_label(logits, labels):
    behind = logits - np.take_along_axis(logits, labels[:, None], axis=1)
    return np.logaddexp.reduce(behind, axis=1).mean()


def shifted_in_place_on_a_copy(logits, labels):
    z = logits - logits.max(1, keepdims=True)
    z = z - np.log(np.exp(z).sum(1, keepdims=True))
    return float(-z[range(len(z)), labels].mean())


def one_hot_gradient(logits, labels):
    return (scipy.special.softmax(logits, axis=1) - np.eye(logits.shape[1])[labels]) / len(labels)


def gradient_by_a_loop(logits, labels):
    out = np.zeros(logits.shape)
    for i, row in enumerate(logits):
        e = np.exp(row - row.max())
        out[i] = e / e.sum()
        out[i, labels[i]] -= 1.0
        out[i] /= len(labels)
    return out


def torchs_entropy_gradient(logits, labels):
    leaf = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    torch.nn.functional.cross_entropy(leaf, torch.tensor(labels)).backward()
    return leaf.grad.numpy()


def subtract_at(logits, labels):
    gradient = softmax(logits) / len(labels)
    np.subtract.at(gradient, (np.arange(len(labels)), labels), 1 / len(labels))
    return gradient


def less_one_where_it_hits(logits, labels):
    p = softmax(logits)
    hit = labels[:, None] == np.arange(p.shape[1])
    return np.where(hit, p - 1, p) / p.shape[0]


def whole_jacobians(y_hat, grad):
    J = np.einsum("ni,ij->nij", y_hat, np.eye(y_hat.shape[1])) - np.einsum(
        "ni,nj->nij", y_hat, y_hat
    )
    return np.einsum("nij,ni->nj", J, grad)


def outer_products(y_hat, grad):
    return np.array([(np.diag(p) - np.outer(p, p)) @ g for p, g in zip(y_hat, grad, strict=True)])


def three_loops(y_hat, grad):
    out = np.zeros(y_hat.shape)
    n, k = y_hat.shape
    for r, i, j in itertools.product(range(n), range(k), range(k)):
        out[r, j] += grad[r, i] * y_hat[r, i] * ((i == j) - y_hat[r, j])
    return out


def through_torch(y_hat, grad):
    # Logits of zero probabilities are minus infinity: torch keeps them at zero as well.
    leaf = torch.tensor(np.log(np.maximum(y_hat, 1e-300)), requires_grad=True)
    torch.softmax(leaf, dim=1).backward(torch.tensor(grad, dtype=torch.float64))
    return leaf.grad.numpy()


def less_the_weighted_mean(y_hat, grad):
    flow = y_hat * grad
    return flow - y_hat * flow.sum(axis=-1)[:, None]


def pairwise_differences(y_hat, grad):
    return y_hat * np.sum((grad[:, :, None] - grad[:, None, :]) * y_hat[:, None, :], axis=2)


def in_the_middle(y, y_hat, cost_miss, cost_alarm):
    scores = np.sort(np.unique(y_hat))
    tried = [-1.0, *((scores[1:] + scores[:-1]) / 2), 2.0]
    return min(
        tried,
        key=lambda t: cost_miss * sum((y_hat < t) & (y == 1)) + cost_alarm * sum((y_hat >= t) > y),
    )


def by_cumulative_sums(y, y_hat, cost_miss, cost_alarm):
    order = np.argsort(-y_hat)
    y, scores = y[order], y_hat[order]
    cost = np.cumsum(np.where(y == 1, -cost_miss, cost_alarm))
    last_of_equals = np.append(scores[1:] != scores[:-1], True)
    cost[~last_of_equals] = np.inf
    best = np.argmin(cost)
    return scores[best] if cost[best] < 0 else 1.5


def by_roc_curve(y, y_hat, cost_miss, cost_alarm):
    false, true, thresholds = sklearn.metrics.roc_curve(y, y_hat, drop_intermediate=False)
    cost = cost_alarm * false * np.sum(y == 0) + cost_miss * (1 - true) * np.sum(y == 1)
    return float(thresholds[np.argmin(cost)])


def by_a_loop(y, y_hat, cost_miss, cost_alarm):
    best, lowest = np.inf, cost_miss * y.sum()
    for t in y_hat:
        alarm = y_hat >= t
        cost = cost_miss * np.sum(y[~alarm]) + cost_alarm * np.sum(1 - y[alarm])
        if cost < lowest:
            best, lowest = t, cost
    return best


def just_below_a_score(y, y_hat, cost_miss, cost_alarm):
    tried = np.append(np.nextafter(np.unique(y_hat), -1), 1.1)
    cost = [
        np.dot([cost_miss, cost_alarm], [np.sum(y[y_hat < t]), np.sum(1 - y[y_hat > t])])
        for t in tried
    ]
    return np.float64(tried[int(np.argmin(cost))])


RIGHT: dict[str, list[Callable[..., Any]]] = {
    "sigmoid": [
        own_forms,
        by_logaddexp,
        tangent_form,
        exponent_clipped,
        one_by_one,
        minimum_in_both,
        scipy.special.expit,
    ],
    "bce_with_logits": [
        softplus_by_maximum,
        sign_of_the_label,
        minus_log_expit,
        by_masks,
        both_branches_of_where,
        two_logits,
        torchs_bce,
    ],
    "logistic_gradient": [
        row_by_row,
        einsum_gradient,
        with_a_column_of_ones,
        weighted_mean,
        overflowing_but_right,
        torchs_gradient,
    ],
    "standardise": [
        standard_scaler,
        a_small_number_added,
        column_by_column,
        nan_to_zero,
        on_copies,
        by_moments,
    ],
    "fit_logistic": [
        by_minibatches,
        shuffled_copies,
        one_vector,
        updates_counted,
        permuted_together,
    ],
    "accuracy": [
        counted_by_a_loop,
        errors_taken_away,
        equal_averaged,
        on_the_diagonal,
        sklearn.metrics.accuracy_score,
    ],
    "log_sum_exp": [
        by_reduce,
        shifted_by_the_first,
        along_an_axis,
        torchs_log_sum_exp,
        scipys_log_sum_exp,
        with_einsum,
    ],
    "softmax": [
        exp_of_the_logarithm,
        row_after_row,
        sum_of_differences,
        torchs_softmax,
        on_a_copy,
        tiny_in_the_divisor,
    ],
    "cross_entropy_naive": [
        one_hot_naive,
        naive_by_a_loop,
        naive_in_two_logarithms,
        naive_taken_along,
        naive_by_einsum,
    ],
    "cross_entropy": [
        one_hot_entropy,
        scipys_log_softmax,
        torchs_entropy,
        rows_less_the_label,
        shifted_in_place_on_a_copy,
    ],
    "cross_entropy_gradient": [
        one_hot_gradient,
        gradient_by_a_loop,
        torchs_entropy_gradient,
        subtract_at,
        less_one_where_it_hits,
    ],
    "softmax_backward": [
        whole_jacobians,
        outer_products,
        three_loops,
        through_torch,
        less_the_weighted_mean,
        pairwise_differences,
    ],
    "best_threshold": [
        in_the_middle,
        by_cumulative_sums,
        by_roc_curve,
        by_a_loop,
        just_below_a_score,
    ],
}
STYLES = [
    pytest.param(name, other, id=f"{name}-{getattr(other, '__name__', other)}")
    for name, others in RIGHT.items()
    for other in others
]


def assert_right(name: str, other: Callable[..., Any], seed: int) -> None:
    verdict = verdict_on(name, other, seed)
    assert (verdict.status, verdict.points) == ("passed", verdict.max_points), (
        seed,
        verdict.message,
        verdict.where,
    )


@pytest.mark.parametrize(("name", "other"), STYLES)
def test_a_right_answer_in_another_form_has_full_marks(name: str, other: Callable) -> None:
    for seed in range(3):
        assert_right(name, other, seed)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "other"), STYLES)
def test_a_right_answer_has_full_marks_on_a_hundred_seeds(name: str, other: Callable) -> None:
    for seed in range(100):
        assert_right(name, other, seed)


def test_every_function_has_five_other_right_forms() -> None:
    assert RIGHT.keys() == PARTS.keys()
    assert all(len(others) >= 5 for others in RIGHT.values())


# Answers that ignore what a function is about


def first(*arguments: Any) -> Any:
    """The first argument as it came, or the first two where there are two to return."""
    return arguments[0]


def lazy_answers(name: str) -> dict[str, Callable[..., Any]]:
    def shaped(value: float) -> Callable[..., Any]:
        def fill(*arguments: Any) -> Any:
            a = np.asarray(arguments[0])
            if name == "logistic_gradient":
                return np.full(len(a), value), value
            if name == "fit_logistic":
                return np.full(a.shape[1], value), value
            if name == "standardise":
                return np.full(a.shape, value), np.full(np.shape(arguments[1]), value)
            if name == "log_sum_exp":
                return np.full(a.shape[:-1], value)
            if name in ("sigmoid", "softmax", "cross_entropy_gradient", "softmax_backward"):
                return np.full(a.shape, value)
            return value

        return fill

    lazy = {f"always {value}": shaped(value) for value in (0.0, 0.5, 1.0, np.nan, np.inf)}
    lazy["mean of the first"] = lambda *arguments: float(np.mean(arguments[0]))
    lazy["mean of the second"] = lambda *arguments: float(np.mean(arguments[-1]))
    lazy["first argument"] = first
    lazy["second argument"] = lambda *arguments: arguments[min(1, len(arguments) - 1)]
    lazy["first two"] = lambda *arguments: arguments[:2]
    lazy["exps"] = lambda *arguments: np.exp(arguments[0])
    lazy["largest"] = lambda *arguments: np.max(arguments[0], axis=-1)
    lazy["log loss of a coin"] = lambda *arguments: float(np.log(2))
    return lazy


@pytest.mark.parametrize("name", PARTS)
def test_no_answer_that_ignores_the_idea_keeps_more_than_a_third(name: str) -> None:
    for what, answer in lazy_answers(name).items():
        with np.errstate(all="ignore"):
            verdict = verdict_on(name, answer, 0)
        assert verdict.points <= verdict.max_points / 3, (what, verdict.families)


# Warnings


def test_a_warning_costs_a_sigmoid_its_points_even_where_the_notebook_silences_it() -> None:
    def naive(z):
        return 1 / (1 + np.exp(-z))

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        verdict = verdict_on("sigmoid", naive, 0)
    assert verdict.mistake == "overflows_below"
    assert verdict.families == {
        "slopes_near_the_middle": True,
        "arrays_of_whole_numbers": True,
        "past_the_edge": False,
        "far_out": False,
        "arguments_as_they_were": True,
    }


def test_a_sigmoid_that_is_unknown_but_warns_is_told_what_numpy_says() -> None:
    def doubtful(z):
        return np.where(z < 0, np.exp(z) * sigmoid(-z), 1 - 1 / (1 + np.exp(z)))

    verdict = verdict_on("sigmoid", doubtful, 0)
    assert (verdict.status, verdict.mistake) == ("partial", "overflows_above")


def loud(name: str) -> Callable[..., Any]:
    """The reference, with a NumPy warning on the way."""

    def answer(*arguments):
        with np.errstate(all="warn"):
            np.exp(np.array([1000.0]))
        return PARTS[name].reference(*arguments)

    return answer


@pytest.mark.parametrize("name", [name for name in PARTS if name != "sigmoid"])
def test_a_warning_costs_no_other_function_anything(name: str) -> None:
    verdict = verdict_on(name, loud(name), 0)
    assert verdict.status == "passed"
    assert any("overflow" in remark for remark in verdict.remarks) or name == "fit_logistic"


# Arguments


CHANGEABLE = ["standardise", "log_sum_exp", "softmax", "cross_entropy", "cross_entropy_gradient"]


@pytest.mark.parametrize("name", CHANGEABLE)
def test_a_changed_argument_costs_the_share_of_one_kind_of_case(name: str) -> None:
    def spoils(first, *others):
        answer = PARTS[name].reference(first, *others)
        first += 1
        return answer

    verdict = verdict_on(name, spoils, 0)
    failed = [kind for kind, passed in verdict.families.items() if not passed]
    assert failed == ["arguments_as_they_were"]
    assert verdict.message.startswith("It changes its argument")


# The order of the rows


def test_what_many_generators_show_is_told_from_what_one_shows() -> None:
    """A shuffle that is unknown to the set: rows in order on even epochs."""

    def now_and_then(X, y, lr, batch_size, epochs, rng):
        w, b = np.zeros(X.shape[1]), 0.0
        for epoch in range(epochs):
            order = np.arange(len(y)) if epoch < epochs - 1 else rng.permutation(len(y))
            for start in range(0, len(y), batch_size):
                rows = order[start : start + batch_size]
                dw, db = logistic_gradient(w, b, X[rows], y[rows])
                w, b = w - lr * dw, b - lr * db
        return w, b

    verdict = verdict_on("fit_logistic", now_and_then, 0)
    assert verdict.mistake == "one_order_for_all_epochs"


def test_a_seed_of_ones_own_is_no_shuffling_by_rng() -> None:
    def fixed(X, y, lr, batch_size, epochs, rng):
        return fit_logistic.reference(X, y, lr, batch_size, epochs, np.random.default_rng(3))

    assert verdict_on("fit_logistic", fixed, 0).mistake == "rows_not_shuffled"


def test_the_set_is_worth_about_thirty_points_and_its_second_tier_most() -> None:
    assert 28 <= SET.max_points <= 33
    most = max(part.points for part in SET.parts)
    assert PARTS["softmax_backward"].points == PARTS["best_threshold"].points == most


# What a fresh learner wrote, and what it must be called


def shifted(by: Callable[..., Any], z: Array) -> Array:
    e = np.exp(z - by(z, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def extra_epoch(X, y, lr, batch_size, epochs, rng):
    return fit_logistic(X, y, lr, batch_size, epochs + 1, rng)


def one_hot(labels: Array) -> Array:
    return np.eye(labels.max() + 1)[labels]


def shares(logits: Array, axis: int | None = None) -> Array:
    e = np.exp(logits)
    return e / e.sum(axis=axis, keepdims=True)


def loss_of(p: Array, labels: Array) -> float:
    return -np.mean(np.log(p[np.arange(len(labels)), labels]))


CALLED: dict[str, tuple[str, Callable[..., Any]]] = {
    "kept_off_the_ends": ("sigmoid", lambda z: sigmoid(np.clip(z, -20, 20))),
    "shares_down_the_columns": ("softmax", lambda z: shares(z - z.max(), 0)),
    "capped": (
        "bce_with_logits",
        lambda z, y: loss_of(np.c_[1 - sigmoid(z), sigmoid(z)] + 1e-15, y),
    ),
    "loss_capped": (
        "cross_entropy",
        lambda z, labels: loss_of(np.clip(softmax(z), 1e-9, 1), labels),
    ),
    "shares_of_the_batch_unshifted": (
        "cross_entropy",
        lambda z, labels: loss_of(shares(z), labels),
    ),
    "shares_of_a_column": (
        "cross_entropy",
        lambda z, labels: loss_of(shares(z - z.max(axis=0), 0), labels),
    ),
    "one_softmax_for_the_batch": (
        "cross_entropy_gradient",
        lambda z, labels: (shares(z) - np.eye(z.shape[1])[labels]) / len(labels),
    ),
    "label_column_alone": (
        "cross_entropy_gradient",
        lambda z, labels: (
            -np.eye(z.shape[1])[labels] / softmax(z) * softmax(z) * (1 - softmax(z)) / len(labels)
        ),
    ),
    "sum_shifted_by_the_mean": (
        "log_sum_exp",
        lambda z: z.mean(-1) + np.log(np.exp(z - z.mean(-1, keepdims=True)).sum(-1)),
    ),
    "exponents_clipped_early": (
        "log_sum_exp",
        lambda z: log_sum_exp(np.clip(z, -30, 30)),
    ),
    "shares_shifted_by_the_mean": ("softmax", lambda z: shifted(np.mean, z)),
    "shares_shifted_by_the_smallest": ("softmax", lambda z: shifted(np.min, z)),
    "shares_kept_off_the_ends": ("softmax", lambda z: np.clip(softmax(z), 1e-7, 1 - 1e-7)),
    "one_hot_too_short": (
        "cross_entropy_gradient",
        lambda z, labels: (softmax(z) - one_hot(labels)) / len(labels),
    ),
    "divided_twice": (
        "logistic_gradient",
        lambda w, b, X, y: tuple(np.divide(g, len(y)) for g in logistic_gradient(w, b, X, y)),
    ),
    "floor_in_the_log": (
        "bce_with_logits",
        lambda z, y: (
            -np.mean(
                y * np.log(np.maximum(sigmoid(z), 1e-300))
                + (1 - y) * np.log(np.maximum(1 - sigmoid(z), 1e-300))
            )
        ),
    ),
    "shares_kept_above_almost_nothing": (
        "cross_entropy",
        lambda z, labels: (
            -np.mean(np.log(np.maximum(softmax(z), 1e-300)[np.arange(len(labels)), labels]))
        ),
    ),
}


@pytest.mark.parametrize("mistake", CALLED)
def test_what_a_fresh_learner_wrote_is_called_by_its_name(mistake: str) -> None:
    name, answer = CALLED[mistake]
    for seed in range(5):
        with np.errstate(all="ignore"):
            assert verdict_on(name, answer, seed).mistake == mistake


def test_a_softmax_clipped_anywhere_is_not_said_to_be_clipped_at_700() -> None:
    verdict = verdict_on("softmax", lambda z: softmax(np.clip(z, -30, 30)), 0)
    assert verdict.mistake == "logits_cut_off"
    assert "700" not in verdict.message


def test_an_epoch_too_many_is_not_called_random_weights() -> None:
    verdict = verdict_on("fit_logistic", extra_epoch, 0)
    assert verdict.mistake is None and "not where these steps lead" in verdict.message
