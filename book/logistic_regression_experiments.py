"""Chapter 7's experiments: the page draws what they return, the tests assert it.

A malignant tumour has y = 1, as in chapter 1; scikit-learn's file has it the other way round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import linprog, minimize_scalar
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from autograder.datasets import digits
from book.page import live_figure
from solutions.backprop import mlp_backward, mlp_forward, neuron_gradient
from solutions.empirical_risk import train_test_split
from solutions.logistic_regression import (
    accuracy,
    bce_with_logits,
    cross_entropy,
    cross_entropy_gradient,
    cross_entropy_naive,
    fit_logistic,
    logistic_gradient,
    sigmoid,
    softmax,
    standardise,
)
from solutions.sgd import minibatches

Array = np.ndarray
Weights = tuple[Array, float]

SEED = 1  # the split that the page follows; where it matters, many splits stand beside it
LR = 0.5
RADIUS, TEXTURE = 0, 1  # columns of the data


# The data.


@dataclass(frozen=True)
class Split:
    """Training and test tumours, standardised with the training set's statistics, and raw."""

    X: Array
    y: Array
    X_test: Array
    y_test: Array
    raw: Array
    raw_test: Array


@cache
def tumour_table() -> tuple[Array, Array]:
    """The 569 tumours, (569, 30) measurements, and 1 where the tumour is malignant."""
    data = load_breast_cancer()
    return data.data, 1.0 - data.target


def split(seed: int = SEED, columns: Sequence[int] | None = None, share: float = 0.25) -> Split:
    """A random split; with `columns`, of these measurements only."""
    X, y = tumour_table()
    if columns is not None:
        X = X[:, list(columns)]
    raw, raw_test, y_train, y_test = train_test_split(X, y, share, np.random.default_rng(seed))
    X_train, X_test = standardise(raw, raw_test)
    return Split(X_train, y_train, X_test, y_test, raw, raw_test)


def feature_names() -> list[str]:
    """What the 30 measurements are called."""
    return [str(name) for name in load_breast_cancer().feature_names]


def labels(logits: Array) -> Array:
    """The answers at the threshold 1/2: logit at least 0."""
    return np.where(logits >= 0, 1.0, 0.0)


def test_numbers(weights: Weights, X: Array, y: Array) -> tuple[float, float]:
    """Mean cross entropy, and accuracy."""
    logits = X @ weights[0] + weights[1]
    return bce_with_logits(logits, y), accuracy(y, labels(logits))


# Not a test, though pytest would think so where the name is imported.
test_numbers.__test__ = False  # type: ignore[attr-defined]


# One neuron.


def slope_two_ways(z: float) -> tuple[float, float]:
    """The sigmoid's slope by its formula s (1 - s), and by a central difference."""
    s = float(sigmoid(np.array([z]))[0])
    ends = sigmoid(np.array([z - 1e-5, z + 1e-5]))
    return s * (1 - s), float((ends[1] - ends[0]) / 2e-5)


@cache
def two_measurements() -> tuple[Split, Weights]:
    """Radius and texture alone, and the neuron fitted to them."""
    data = split(columns=(RADIUS, TEXTURE))
    weights = fit_logistic(data.X, data.y, LR, len(data.y), 400, np.random.default_rng(0))
    return data, weights


def boundary(weights: Weights, probability: float, across: Array) -> Array:
    """Where on the second axis the neuron gives that probability, for places on the first."""
    w, b = weights
    logit = np.log(probability) - np.log1p(-probability)
    return (logit - b - w[0] * across) / w[1]


# Squared error against cross entropy.


def squared_loss(z: Array, y: float) -> Array:
    """Half the squared error of the neuron's answer, over the logit."""
    return 0.5 * (sigmoid(z) - y) ** 2


def squared_slope(z: Array, y: float) -> Array:
    """Its slope over the logit, from chapter 6's neuron with w = 1, b = 0."""
    return np.array([neuron_gradient(np.ones(1), np.array([v]), 0.0, y)[1] for v in z])


def entropy_loss(z: Array, y: float) -> Array:
    """The cross entropy of one example, over the logit."""
    return np.array([bce_with_logits(np.array([v]), np.array([y])) for v in z])


def entropy_slope(z: Array, y: float) -> Array:
    """Its slope over the logit."""
    one, target = np.ones((1, 1)), np.array([y])
    return np.array([logistic_gradient(np.zeros(1), v, one, target)[1] for v in z])


# Two examples and one weight: x = 1 is of class 1, x = 6 of class 0.
PAIR_X, PAIR_Y = np.array([1.0, 6.0]), np.array([1.0, 0.0])


def pair_losses(w: Array) -> tuple[Array, Array]:
    """Mean squared error (halved) and mean cross entropy of the two examples, over the weight."""
    logits = np.outer(w, PAIR_X)
    squared = 0.5 * np.mean((sigmoid(logits) - PAIR_Y) ** 2, axis=1)
    return squared, np.array([bce_with_logits(z, PAIR_Y) for z in logits])


def pair_gradients(w: float) -> tuple[float, float]:
    """Their slopes over the weight."""
    each = [
        neuron_gradient(np.array([x]), np.array([w]), 0.0, y)[0][0]
        for x, y in zip(PAIR_X, PAIR_Y, strict=True)
    ]
    entropy, _ = logistic_gradient(np.array([w]), 0.0, PAIR_X[:, None], PAIR_Y)
    return float(np.mean(each)), float(entropy[0])


def pair_walk(which: int, start: float = 1.5, lr: float = 0.5, steps: int = 200) -> Array:
    """Descent on one of the two (0: squared error, 1: cross entropy), start included."""
    walk = [start]
    for _ in range(steps):
        walk.append(walk[-1] - lr * pair_gradients(walk[-1])[which])
    return np.array(walk)


@dataclass(frozen=True)
class Link:
    """A factor of the chain rule, and the same by a central difference."""

    value: float
    difference: float


@dataclass(frozen=True)
class Chain:
    """One tumour's loss, link by link: y, logit, answer, loss, factors, their product."""

    x: Array
    w: Array
    b: float
    y: float
    z: float
    y_hat: float
    loss: float
    d_answer: Link
    d_logit: Link
    product: Link
    d_weight: Link


def chain(h: float = 1e-5) -> Chain:
    """The malignant test tumour that two measurements get most wrong, at rounded numbers."""
    data, (w, b) = two_measurements()
    logits = data.X_test @ w + b
    worst = int(np.argmin(np.where(data.y_test == 1, logits, np.inf)))
    x, w, b, y = data.X_test[worst].round(1), w.round(1), round(float(b), 1), 1.0
    z = float(w @ x + b)
    y_hat = float(sigmoid(np.array([z]))[0])

    def difference(f: Callable[[float], float], at: float) -> float:
        return (f(at + h) - f(at - h)) / (2 * h)

    def at_logit(v: float) -> float:
        return bce_with_logits(np.array([v]), np.array([y]))

    def answer(v: float) -> float:
        return float(sigmoid(np.array([v]))[0])

    def at_answer(v: float) -> float:
        return float(-(y * np.log(v) + (1 - y) * np.log(1 - v)))

    d_answer = -y / y_hat + (1 - y) / (1 - y_hat)
    d_logit = y_hat * (1 - y_hat)
    dw, _ = logistic_gradient(w, b, x[None], np.array([y]))
    return Chain(
        x,
        w,
        b,
        y,
        z,
        y_hat,
        at_logit(z),
        Link(d_answer, difference(at_answer, y_hat)),
        Link(d_logit, difference(answer, z)),
        Link(d_answer * d_logit, difference(at_logit, z)),
        Link(float(dw[0]), difference(lambda v: at_logit(v * x[0] + w[1] * x[1] + b), w[0])),
    )


def clipped_loss(z: Array, edge: float = 1e-7) -> Array:
    """The cross entropy of a target 1 from an answer that was clipped to [edge, 1 - edge]."""
    return -np.log(np.clip(sigmoid(z), edge, 1 - edge))


def decimal_softplus(z: float, digits_: int = 60) -> Decimal:
    """log(1 + exp(z)) to that many digits."""
    with localcontext() as context:
        context.prec = digits_
        return (1 + Decimal(z).exp()).ln()


def relative_error(got: float, exact: Decimal) -> float:
    """How far off, as a share of the exact number; infinite where what we got is no number."""
    if not np.isfinite(got):
        return float("inf")
    return float(abs((Decimal(got) - exact) / exact))


# A batch.


def batch_check(seed: int = 7) -> float:
    """Largest difference between the gradient of a batch and central differences of its loss."""
    rng = np.random.default_rng(seed)
    X, y, w, b, h = (
        rng.normal(size=(12, 3)),
        rng.integers(0, 2, 12) * 1.0,
        rng.normal(size=3),
        0.3,
        1e-5,
    )
    dw, db = logistic_gradient(w, b, X, y)

    def loss(v: Array) -> float:
        return bce_with_logits(X @ v[:3] + v[3], y)

    at, steps = np.append(w, b), h * np.eye(4)
    by_difference = [(loss(at + step) - loss(at - step)) / (2 * h) for step in steps]
    return float(np.max(np.abs(np.append(dw, db) - by_difference)))


def column_against_row() -> tuple[int, tuple[int, ...], float, float]:
    """What (n, 1) == (n,) makes of an accuracy: entries, shape, its share and the right one."""
    data = split()
    weights = hundred_epochs()
    answers = labels(data.X_test @ weights[0] + weights[1])
    table = data.y_test[:, None] == answers
    return table.size, table.shape, float(table.mean()), accuracy(data.y_test, answers)


# Training.


def descend(
    X: Array,
    y: Array,
    lr: float,
    batch_size: int,
    epochs: int,
    rng: np.random.Generator,
    weight_decay: float = 0.0,
) -> Iterator[Weights]:
    """The weights at the start and after each epoch.

    As `fit_logistic`, and with `weight_decay` each update scales w by 1 - lr * weight_decay
    first (not b).
    """
    w, b = np.zeros(X.shape[1]), 0.0
    yield w, b
    for _ in range(epochs):
        for index in minibatches(len(y), batch_size, rng):
            dw, db = logistic_gradient(w, b, X[index], y[index])
            w, b = w - lr * weight_decay * w - lr * dw, b - lr * db
        yield w, b


@cache
def hundred_epochs(seed: int = SEED) -> Weights:
    """The neuron of the page: 100 epochs of the full batch."""
    data = split(seed)
    return fit_logistic(data.X, data.y, LR, len(data.y), 100, np.random.default_rng(0))


LONG = 100_000
DECAY = 0.01
STOPS = tuple(sorted({round(10 ** (k / 12)) for k in range(61)}))


@dataclass(frozen=True)
class History:
    """What a long run was like at some of its epochs."""

    epochs: Array
    norms: Array
    train_loss: Array
    test_loss: Array
    train_accuracy: Array
    test_accuracy: Array
    weights: list[Weights]

    def at(self, epoch: int) -> int:
        """The place of an epoch in the arrays."""
        return int(np.flatnonzero(self.epochs == epoch)[0])


@cache
def long_run(weight_decay: float = 0.0, epochs: int = LONG, seed: int = SEED) -> History:
    """Full-batch descent for very long, looked at on a logarithmic grid of epochs."""
    data = split(seed)
    stops, kept = [t for t in STOPS if t <= epochs], []
    w, b = np.zeros(data.X.shape[1]), 0.0
    shrink, now = 1 - LR * weight_decay, 0
    for stop in stops:
        # At full batch the order of the rows changes nothing: no shuffle, and half of the time.
        for _ in range(stop - now):
            before = w
            dw, db = logistic_gradient(w, b, data.X, data.y)
            w, b = shrink * w - LR * dw, b - LR * db
            if np.abs(w - before).max() < 1e-13:  # with decay it comes to rest
                break
        now = stop
        kept.append((w, b))
    train = np.array([test_numbers(weights, data.X, data.y) for weights in kept])
    test = np.array([test_numbers(weights, data.X_test, data.y_test) for weights in kept])
    norms = np.array([np.linalg.norm(w) for w, _ in kept])
    return History(np.array(stops), norms, train[:, 0], test[:, 0], train[:, 1], test[:, 1], kept)


def separable(X: Array, y: Array) -> bool:
    """Whether some line (plane) has all of class 1 on one side, by linear programming."""
    sign = 2 * y - 1
    rows = -sign[:, None] * np.column_stack([X, np.ones(len(y))])
    zeros, below = np.zeros(rows.shape[1]), -np.ones(len(y))
    found = linprog(zeros, A_ub=rows, b_ub=below, bounds=(None, None), method="highs")
    return bool(found.status == 0)


def where_separable() -> dict[str, bool]:
    """The training set, all 569 tumours, and the two measurements of the first picture."""
    X, y = tumour_table()
    data = split()
    return {
        "training": separable(data.X, data.y),
        "all": separable(standardise(X, X)[0], y),
        "two": separable(data.X[:, [RADIUS, TEXTURE]], data.y),
    }


@dataclass(frozen=True)
class Worst:
    """The test tumour that costs most at the end of the long run."""

    row: int
    y: float
    then: float  # probability that it was malignant, after 100 epochs
    now: float  # after the long run
    share: float  # of the whole test loss, at the end
    rest: tuple[float, float]  # mean test loss of all the others, then and now


def confident_error() -> Worst:
    """How one wrong answer, ever more certain, carries the test loss."""
    data, run = split(), long_run()
    (w0, b0), (w1, b1) = run.weights[run.at(100)], run.weights[-1]
    then, now = data.X_test @ w0 + b0, data.X_test @ w1 + b1

    def each(logits: Array) -> Array:
        pairs = zip(logits, data.y_test, strict=True)
        return np.array([bce_with_logits(np.array([z]), np.array([t])) for z, t in pairs])

    before, after = each(then), each(now)
    row = int(after.argmax())
    others = np.arange(len(after)) != row
    return Worst(
        row,
        float(data.y_test[row]),
        float(sigmoid(then[row : row + 1])[0]),
        float(sigmoid(now[row : row + 1])[0]),
        float(after[row] / after.sum()),
        (float(before[others].mean()), float(after[others].mean())),
    )


@dataclass(frozen=True)
class Beside:
    """Our accuracy and scikit-learn's on the same splits, and how far apart two fits are."""

    ours: Array
    theirs: Array
    same_loss: float  # largest difference of a weight when both minimise the same thing


@cache
def beside_scikit(splits: int = 20) -> Beside:
    """100 epochs of ours against `LogisticRegression()`, as it comes."""
    ours, theirs = [], []
    for seed in range(splits):
        data = split(seed)
        ours.append(test_numbers(hundred_epochs(seed), data.X_test, data.y_test)[1])
        model = LogisticRegression(max_iter=1000).fit(data.X, data.y)
        theirs.append(model.score(data.X_test, data.y_test))
    # scikit-learn adds |w|^2 / 2 to C times the *sum*: weight decay 1 / (C n) for our mean.
    data = split()
    decay = 1 / len(data.y)
    *_, (w, b) = descend(data.X, data.y, LR, len(data.y), 6000, np.random.default_rng(0), decay)
    exact = LogisticRegression(tol=1e-10, max_iter=10_000).fit(data.X, data.y)
    gap = max(np.abs(w - exact.coef_[0]).max(), abs(b - float(exact.intercept_[0])))
    return Beside(np.array(ours), np.array(theirs), float(gap))


def raw_run(epochs: int = 100) -> dict[str, float]:
    """The same training without standardising: accuracy, curvature, and the steps it takes."""
    data = split()
    out = {}
    for name, X in (("raw", data.raw), ("standardised", data.X)):
        # At w = 0 each s (1 - s) is 1/4: there the loss bends most.
        curvatures = np.linalg.eigvalsh(X.T @ X / len(X) / 4)
        out[f"{name} largest"] = float(curvatures[-1])
        out[f"{name} condition"] = float(curvatures[-1] / curvatures[0])
    X, limit = data.raw, 2 / out["raw largest"]
    for name, lr in (("same", LR), ("allowed", limit)):
        w, b = fit_logistic(X, data.y, lr, len(X), epochs, np.random.default_rng(0))
        logits = data.raw_test @ w + b
        out[f"{name} accuracy"] = accuracy(data.y_test, labels(logits))
        out[f"{name} loss"] = bce_with_logits(logits, data.y_test)
    return out


# The leak.


@dataclass(frozen=True)
class Leak:
    """Mean test loss with clean statistics; how far the others are off, with standard errors."""

    clean: float
    pooled: float
    pooled_error: float
    own: float
    own_error: float
    accuracy_own: float


@cache
def leak(train: int = 427, splits: int = 100, epochs: int = 100) -> Leak:
    """Standardise with the training set, with everything, each set with its own; `splits` times."""
    X, y = tumour_table()
    rows = []
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(len(y))
        here, there = order[:train], order[train : train + 142]
        both = np.concatenate([here, there])
        ways = (
            standardise(X[here], X[there]),
            tuple(standardise(X[both], X[part])[1] for part in (here, there)),
            (standardise(X[here], X[here])[0], standardise(X[there], X[there])[0]),
        )
        row: list[float] = []
        for X_train, X_test in ways:
            weights = fit_logistic(X_train, y[here], LR, train, epochs, np.random.default_rng(0))
            row += test_numbers(weights, X_test, y[there])
        rows.append(row)
    table = np.array(rows)
    pooled, own = table[:, 2] - table[:, 0], table[:, 4] - table[:, 0]
    errors = [float(np.std(column, ddof=1) / np.sqrt(splits)) for column in (pooled, own)]
    return Leak(
        clean=float(table[:, 0].mean()),
        pooled=float(pooled.mean()),
        pooled_error=errors[0],
        own=float(own.mean()),
        own_error=errors[1],
        accuracy_own=float((table[:, 5] - table[:, 1]).mean()),
    )


def only_the_ill() -> dict[str, float]:
    """A clinic that sends malignant tumours alone: share found, by whose statistics."""
    data, weights = split(), hundred_epochs()
    ill = data.y_test == 1
    ways = {
        "training": data.X_test[ill],
        "own": standardise(data.raw_test[ill], data.raw_test[ill])[0],
        "alone": np.vstack([standardise(row[None], row[None])[0] for row in data.raw_test[ill]]),
    }
    return {name: float(np.mean(X @ weights[0] + weights[1] >= 0)) for name, X in ways.items()} | {
        "how many": float(ill.sum())
    }


# Batch sizes.

SIZES = (1, 10, 100)
SIZE_LR = 0.1
SIZE_EPOCHS = 30
RUNS = 10
SIZE_ROWS = 400  # so that 1, 10 and 100 leave no short batch


def batch_split(rows: int = SIZE_ROWS) -> Split:
    """That many tumours to learn from, the others to test."""
    return split(share=(569 - rows) / 569)


@cache
def batch_runs(rows: int = SIZE_ROWS, sizes: tuple[int, ...] = SIZES) -> dict[int, Array]:
    """Test loss at the start and after each epoch, (runs, epochs + 1), for each batch size."""
    data, table = batch_split(rows), {}
    for m in sizes:
        losses = []
        for run in range(RUNS):
            rng = np.random.default_rng(100 + run)
            path = descend(data.X, data.y, SIZE_LR, m, SIZE_EPOCHS, rng)
            losses.append([test_numbers(weights, data.X_test, data.y_test)[0] for weights in path])
        table[m] = np.array(losses)
    return table


def spread(runs: Array, last: int = 10) -> float:
    """Standard deviation over the runs, root mean square over the last epochs."""
    return float(np.sqrt(np.mean(np.var(runs[:, -last:], axis=0, ddof=1))))


@dataclass(frozen=True)
class Timing:
    """Median seconds, and the quartiles."""

    median: float
    low: float
    high: float


def timing(seconds: Sequence[float] | Array) -> Timing:
    """Median and quartiles of some measurements."""
    low, median, high = np.quantile(seconds, (0.25, 0.5, 0.75))
    return Timing(float(median), float(low), float(high))


def epoch_times(
    sizes: Iterable[int] = (1, 2, 5, 10, 20, 50, 100, 200, 400),
    repeats: int = 9,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[int, Timing]:
    """Seconds an epoch takes, for each batch size; the sizes take turns."""
    data = batch_split()
    seconds: dict[int, list[float]] = {m: [] for m in sizes}
    with threadpool_limits(1):
        for _ in range(repeats):
            for m, row in seconds.items():
                path = descend(data.X, data.y, SIZE_LR, m, 1, np.random.default_rng(0))
                next(path)
                begin = clock()
                next(path)
                row.append(clock() - begin)
    return {m: timing(row) for m, row in seconds.items()}


def overhead(times: dict[int, Timing], n: int = SIZE_ROWS) -> tuple[float, float]:
    """Least squares for seconds = per_update * ceil(n / m) + constant, in relative error."""
    m = np.array(list(times))
    seconds = np.array([t.median for t in times.values()])
    design = np.column_stack([np.ceil(n / m), np.ones(len(m))]) / seconds[:, None]
    per_update, constant = np.linalg.lstsq(design, np.ones(len(m)), rcond=None)[0]
    return float(per_update), float(constant)


# Softmax.


def softmax_jacobian(z: Array) -> Array:
    """Row i, column j: the derivative of softmax component i by logit j."""
    y_hat = softmax(z)
    return np.diag(y_hat) - np.outer(y_hat, y_hat)


def jacobian_by_differences(z: Array, h: float = 1e-5) -> Array:
    """The same by central differences."""
    steps = h * np.eye(len(z))
    return np.array([(softmax(z + step) - softmax(z - step)) / (2 * h) for step in steps]).T


@dataclass(frozen=True)
class Digits:
    """The digits, split and scaled: pixels from 0 to 1."""

    X: Array
    labels: Array
    X_test: Array
    labels_test: Array


@cache
def digit_split() -> Digits:
    """Three quarters to learn from."""
    X, chosen = digits()
    X, X_test, y, y_test = train_test_split(X, chosen, 0.25, np.random.default_rng(SEED))
    return Digits(X, y, X_test, y_test)


DIGIT_STEPS = 300


@cache
def digit_runs(steps: int = DIGIT_STEPS, lr: float = 1.0) -> dict[str, Array]:
    """Test loss and accuracy of softmax regression, (steps + 1, 2): the right gradient, and the one
    that takes the Jacobian of softmax as diagonal."""
    data, table = digit_split(), {}
    n, Y = len(data.labels), np.eye(10)[data.labels]
    for name in ("full", "diagonal"):
        W, b, rows = np.zeros((64, 10)), np.zeros(10), []
        for _ in range(steps + 1):
            test = data.X_test @ W + b
            rows.append(
                (cross_entropy(test, data.labels_test), accuracy(data.labels_test, test.argmax(1)))
            )
            logits = data.X @ W + b
            if name == "full":
                delta = cross_entropy_gradient(logits, data.labels)
            else:
                # -Y / y_hat times y_hat (1 - y_hat): nothing for the classes that are wrong.
                delta = -Y * (1 - softmax(logits)) / n
            W, b = W - lr * data.X.T @ delta, b - lr * delta.sum(axis=0)
        table[name] = np.array(rows)
    table["logits"] = data.X_test @ W + b
    return table


def wide_digit() -> tuple[Array, int]:
    """Rounded logits of a test digit over which softmax regression hesitates, and its label."""
    data = digit_split()
    W, b = np.zeros((64, 10)), np.zeros(10)
    for _ in range(100):
        delta = cross_entropy_gradient(data.X @ W + b, data.labels)
        W, b = W - data.X.T @ delta, b - delta.sum(axis=0)
    logits = data.X_test @ W + b
    chance = softmax(logits)[np.arange(len(logits)), data.labels_test]
    row = int(np.argmin(np.abs(chance - 0.4)))
    return logits[row].round(1), int(data.labels_test[row])


# The two cross entropies.


def edge(works: Callable[[Any], bool], low: float, high: float, dtype: Any) -> Any:
    """The last number of a format, between low and high, at which something works: by bisection.

    It works at low, not at high. The search ends where no number of the format lies between.
    """
    low, high = dtype(low), dtype(high)
    while True:
        middle = dtype(low + (high - low) / 2)
        if middle in (low, high):
            return low
        if works(middle):
            low = middle
        else:
            high = middle


def naive_works(sign: float, dtype: Any) -> Callable[[Any], bool]:
    """Whether the naive form is finite for logits (sign * z, 0) where the first class is right."""

    def works(z: Any) -> bool:
        with np.errstate(all="ignore"):
            row = np.array([[dtype(sign) * z, 0]], dtype=dtype)
            return bool(np.isfinite(cross_entropy_naive(row, np.array([0]))))

    return works


@cache
def edges() -> dict[str, float]:
    """Where the naive form breaks, above (overflow) and below (a probability rounded to zero)."""
    found = {}
    for name, dtype in (("float32", np.float32), ("float64", np.float64)):
        for side, sign in (("above", 1.0), ("below", -1.0)):
            found[f"{name} {side}"] = float(edge(naive_works(sign, dtype), 1.0, 2000.0, dtype))
    return found


def whole_array_maximum() -> tuple[float, float]:
    """Two rows, one far below the other: the loss with the row's maximum, and with the array's."""
    logits, chosen = np.array([[0.0, 1.0], [1000.0, 1001.0]]), np.array([0, 0])
    with np.errstate(all="ignore"):
        shifted = logits - logits.max()
        wrong = np.log(np.exp(shifted).sum(axis=1)) - shifted[[0, 1], chosen]
    return cross_entropy(logits, chosen), float(wrong.mean())


@dataclass(frozen=True)
class EdgeErrors:
    """Relative errors of three forms over the lead of one class, against 60 decimal digits."""

    lead: Array
    naive: Array
    stable: Array
    binary: Array


def by_log1p(z: float, y: float) -> float:
    """The loss of one example as the page prints it: max(z, 0) - y z + log(1 + exp(-|z|))."""
    return float(max(z, 0.0) - y * z + np.log1p(np.exp(-abs(z))))


def edge_errors(right: bool, leads: Iterable[float] | None = None) -> EdgeErrors:
    """Two classes, one leading by some logits; `right`: the leading class is the right one."""
    lead = np.geomspace(0.1, 1000, 121) if leads is None else np.array(list(leads), dtype=float)
    rows = []
    for z in lead:
        logits, label = np.array([[z, 0.0]]), np.array([0 if right else 1])
        # With the digits that a number as small as exp(-z) needs beside a 1.
        exact = decimal_softplus(-z if right else z, 60 + int(z / 2))
        with np.errstate(all="ignore"):
            naive = cross_entropy_naive(logits, label)
        binary = by_log1p(float(z), 1.0 if right else 0.0)
        rows.append(
            [relative_error(v, exact) for v in (naive, cross_entropy(logits, label), binary)]
        )
    return EdgeErrors(lead, *np.array(rows).T)


@dataclass(frozen=True)
class Ratio:
    """The stable form's time over the naive one's, both times, and that of a training step."""

    ratio: Timing
    naive: Timing
    stable: Timing
    step: Timing  # forward and backward of chapter 6's network on as many digits


def time_ratios(
    sizes: Iterable[int] = (1, 10, 100, 1000, 10_000),
    repeats: int = 61,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[int, Ratio]:
    """Both cross entropies on the same logits, ten classes, in turns, on one thread."""
    rng, table = np.random.default_rng(0), {}
    widths = (784, 16, 16, 10)
    params: list[Array] = []
    for fan_in, fan_out in pairwise(widths):
        params += [rng.normal(size=(fan_in, fan_out)) / np.sqrt(fan_in), np.zeros(fan_out)]
    for n in sizes:
        logits, chosen = rng.normal(0, 3, (n, 10)), rng.integers(0, 10, n)
        X, Y = rng.uniform(size=(n, 784)), np.eye(10)[chosen]
        calls = max(1, 30 // n)

        def step(X: Array = X, Y: Array = Y) -> None:
            mlp_backward(params, mlp_forward(params, X)[1], Y)

        jobs: list[Callable[[], Any]] = [
            partial(cross_entropy_naive, logits, chosen),
            partial(cross_entropy, logits, chosen),
            step,
        ]
        seconds = np.empty((repeats, 3))
        with threadpool_limits(1):
            for job in jobs:
                job()
            for r in range(repeats):
                for j, job in enumerate(jobs):
                    # The step is there for scale: a few measurements of it are enough.
                    if j == 2 and r >= 5:
                        seconds[r, j] = np.nan
                        continue
                    begin = clock()
                    for _ in range(calls):
                        job()
                    seconds[r, j] = (clock() - begin) / calls
        table[n] = Ratio(
            timing(seconds[:, 1] / seconds[:, 0]),
            timing(seconds[:, 0]),
            timing(seconds[:, 1]),
            timing(seconds[:5, 2]),
        )
    return table


# Reading a classifier.


def confusion(y: Array, y_hat: Array, threshold: float) -> Array:
    """Counts, (2, 2): row the truth (0, 1), column the answer (0, 1) from that threshold on."""
    answer = y_hat >= threshold
    return np.array([[np.sum((y == t) & (answer == a)) for a in (False, True)] for t in (0, 1)])


def cost(y: Array, y_hat: Array, threshold: float, price: float) -> float:
    """What the answers cost: a false alarm 1, a missed tumour `price`."""
    table = confusion(y, y_hat, threshold)
    return float(table[0, 1] + price * table[1, 0])


def fair_threshold(price: float) -> float:
    """The threshold that should cost least, if the probabilities are right: 1 / (1 + price)."""
    return 1 / (1 + price)


def answers(columns: Sequence[int] | None = None) -> tuple[Array, Array]:
    """Truth and probability for the test tumours, from two measurements or from all thirty."""
    if columns is None:
        data, (w, b) = split(), hundred_epochs()
    else:
        data, (w, b) = two_measurements()
    return data.y_test, sigmoid(data.X_test @ w + b)


@dataclass(frozen=True)
class Calibration:
    """Mean probability and share of malignant ones in each bin, how many, the mean gap."""

    said: Array
    happened: Array
    counts: Array
    error: float  # the mean distance, weighted by counts: Guo et al. (2017)
    loss: float
    accuracy: float
    divisor: float  # of all logits, with which the loss on these same answers is least


def calibrate(y: Array, y_hat: Array, bins: int = 10) -> Calibration:
    """Bins of equal width over the probability; empty ones are left out."""
    place = np.minimum((y_hat * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    full = counts > 0
    said = np.bincount(place, y_hat, bins)[full] / counts[full]
    happened = np.bincount(place, y, bins)[full] / counts[full]
    counts = counts[full]
    error = float(np.sum(counts * np.abs(said - happened)) / counts.sum())
    with np.errstate(divide="ignore"):
        logits = np.log(y_hat) - np.log1p(-y_hat)
    logits = np.clip(logits, -800, 800)

    def divided(by: float) -> float:
        return bce_with_logits(logits / by, y)

    best = minimize_scalar(divided, bounds=(0.1, 50), method="bounded")
    return Calibration(
        said, happened, counts, error, divided(1.0), accuracy(y, labels(logits)), float(best.x)
    )


@cache
def calibrations(splits: int = 12, long: int = 10_000) -> dict[str, Calibration]:
    """Half of the tumours to learn from, the other half to judge, `splits` times: 100 epochs,
    very many, and many with weight decay."""
    ways = {"short": (100, 0.0), "long": (long, 0.0), "decay": (2000, DECAY)}
    truth: dict[str, list[Array]] = {name: [] for name in ways}
    said: dict[str, list[Array]] = {name: [] for name in ways}
    for seed in range(splits):
        data = split(seed, share=0.5)
        for name, (epochs, decay) in ways.items():
            w, b = np.zeros(30), 0.0
            for _ in range(epochs):
                dw, db = logistic_gradient(w, b, data.X, data.y)
                w, b = (1 - LR * decay) * w - LR * dw, b - LR * db
            truth[name].append(data.y_test)
            said[name].append(sigmoid(data.X_test @ w + b))
    return {
        name: calibrate(np.concatenate(truth[name]), np.concatenate(said[name])) for name in ways
    }


# The interactive figures. Their scripts do the same arithmetic; browser tests compare them.

LIVE_POINTS = 40
LIVE_BATCHES = (1, 2, 5, 10, 20, 40)
LIVE_LRS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
LIVE_LR = 0.5
LIVE_UPDATES = 40
LIVE_MOST = 200
LIVE_CHOSEN = 29  # of class 1, in the middle of its own cloud
LIVE_STARTS = {"zero": (0.0, 0.0, 0.0), "wrong": (-5.0, -5.0, 0.0)}
LIVE_SIDE = 3.0  # the plane reaches from minus to plus that much


def live_points() -> tuple[Array, Array]:
    """Two clouds in the plane, twenty points each, and one of class 1 that is on the wrong side."""
    rng = np.random.default_rng(3)
    y = np.repeat([0.0, 1.0], LIVE_POINTS // 2)
    X = rng.normal(0, 0.85, size=(LIVE_POINTS, 2)) + np.where(y[:, None] == 1, 0.95, -0.95)
    X[-1] = (-1.6, -0.6)
    return np.clip(X, -2.8, 2.8).round(1), y


def mean_gradient(loss: str, w: Array, b: float, X: Array, y: Array) -> tuple[Array, float]:
    """The gradient of a batch's mean loss: "cross entropy", or "squared error" (halved)."""
    if loss == "cross entropy":
        return logistic_gradient(w, b, X, y)
    each = [neuron_gradient(x, w, b, float(t)) for x, t in zip(X, y, strict=True)]
    return np.mean([dw for dw, _ in each], axis=0), float(np.mean([db for _, db in each]))


def mean_loss(loss: str, w: Array, b: float, X: Array, y: Array) -> float:
    """The loss that belongs to it."""
    logits = X @ w + b
    if loss == "cross entropy":
        return bce_with_logits(logits, y)
    return float(np.mean(0.5 * (sigmoid(logits) - y) ** 2))


def follow(
    loss: str,
    start: Sequence[float] | Array,
    X: Array,
    y: Array,
    lr: float,
    batches: Iterable[Array],
) -> list[Weights]:
    """The weights after each of the batches, start included."""
    path = [(np.array(start[:2], dtype=float), float(start[2]))]
    for index in batches:
        w, b = path[-1]
        dw, db = mean_gradient(loss, w, b, X[index], y[index])
        path.append((w - lr * dw, b - lr * db))
    return path


TRAINING_WORDS = {
    "batch": "Batch size m",
    "lr": "Rate lr",
    "loss": "Loss",
    "cross entropy": "cross entropy",
    "squared error": "squared error",
    "start": "Start",
    "zero": "at zero",
    "wrong": "badly wrong",
    "step": "Step",
    "play": "Play",
    "pause": "Pause",
    "restart": "Restart",
    "map": "Blue circles: class 0; orange squares: class 1. Lines: probability 0.1, 0.5, 0.9",
    "curve": "Mean loss (logarithmic)",
    "accuracy": "Accuracy",
    "own": "The chosen point's loss over its logit; the bar is its slope",
    "point": "Point",
    "across": "Across",
    "up": "Up",
    "update": "update",
    "logit": "logit z",
    "which": "{number} (class {y})",
    "state": "After {t} updates on the {loss}, batches of {m}, lr {lr}: mean loss {mean}, accuracy "
    "{accuracy}. The chosen point is of class {y}; its logit is {z}, so class 1 has probability "
    "{p}: {verdict}. Its own loss is {own}, and the gradient at its logit {pull}.",
    "right": "it is on the right side",
    "wrong_side": "it is on the wrong side",
}


def training_data() -> dict[str, Any]:
    """What the first figure needs."""
    X, y = live_points()
    return {
        "X": X.tolist(),
        "y": y.tolist(),
        "batch": {"values": list(LIVE_BATCHES), "start": LIVE_BATCHES.index(10)},
        "lr": {"values": list(LIVE_LRS), "start": LIVE_LRS.index(LIVE_LR)},
        "starts": {name: list(place) for name, place in LIVE_STARTS.items()},
        "updates": LIVE_UPDATES,
        "most": LIVE_MOST,
        "side": LIVE_SIDE,
        "point": LIVE_CHOSEN,
        "labels": TRAINING_WORDS,
    }


THRESHOLDS = tuple(round(k / 100, 2) for k in range(1, 100))
PRICES = (1, 2, 5, 10, 20, 50, 100)

THRESHOLD_WORDS = {
    "threshold": "Threshold",
    "price": "A miss costs, in false alarms",
    "model": "The neuron sees",
    "two": "2 measurements",
    "thirty": "30 measurements",
    "dots": "Test tumours over the probability said. Above, orange: malignant; below, blue: benign",
    "cost": "Cost over the threshold (logarithmic); dashed: 1 / (1 + price)",
    "probability": "probability said",
    "cost_axis": "threshold",
    "table": "How many tumours",
    "truth": "truth",
    "called": ["called benign", "called malignant"],
    "classes": ["benign", "malignant"],
    "state": "Threshold {threshold}: {missed} of {ill} malignant tumours are missed, and {alarms} "
    "of {well} benign ones raise a false alarm. Accuracy {accuracy}; cost {cost}, a miss at "
    "{price}. The cheapest place of the slider costs {least}, at {where}; 1 / (1 + price) is "
    "{fair}.",
}


def threshold_data() -> dict[str, Any]:
    """What the second figure needs: truth and probability of each test tumour, both neurons."""
    models = {}
    for name, columns in (("two", (RADIUS, TEXTURE)), ("thirty", None)):
        y, y_hat = answers(columns)
        models[name] = {"y": y.tolist(), "y_hat": [float(f"{p:.12g}") for p in y_hat]}
    return {
        "models": models,
        "threshold": {"values": list(THRESHOLDS), "start": THRESHOLDS.index(0.5)},
        "price": {"values": list(PRICES), "start": PRICES.index(20)},
        "labels": THRESHOLD_WORDS,
    }


def live_training(still: str) -> str:
    """The first figure; `still` is a picture of one of its settings."""
    # Shuffles and random numbers are chapter 3's.
    return '<script src="../_static/figures-sgd.js" defer></script>'.join(
        # Its script must stand between the common one and this page's own.
        _parts(
            live_figure(
                "train-a-classifier",
                script="logistic_regression",
                label="train a classifier",
                still=still,
                data=training_data(),
            )
        )
    )


def _parts(markup: str) -> tuple[str, str]:
    """The markup up to the page's own script, and that script."""
    place = markup.rindex("<script")
    return markup[:place], markup[place:]


def live_threshold(still: str) -> str:
    """The second figure."""
    return live_figure(
        "choose-a-threshold",
        script="logistic_regression",
        label="choose a threshold",
        still=still,
        data=threshold_data(),
    )
