"""Chapter 3's experiments: the page draws what they return, the tests assert it.

Everything runs on the reference functions, so a mended reference mends the page. Where many walks
are needed they go side by side, on batches that the reference drew; a test holds each of them to
`sgd`. torch is imported only where it is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.linalg import solve_continuous_lyapunov
from scipy.stats import linregress
from threadpoolctl import threadpool_limits

from autograder.datasets import gabor_data, line_data, with_ones
from autograder.figures import BLACK, COLOURS, contours, new_figure
from book.gradient_experiments import GABOR_LR, GABOR_RANGE, gabor_minimum, gabor_stationary_points
from book.page import live_figure, picture
from solutions.gradient import gabor_gradient, linear_gradient
from solutions.sgd import (
    cosine_decay,
    exponential_decay,
    gradient_standard_error,
    minibatch_gradient,
    minibatches,
    sgd,
    step_decay,
)

Array = np.ndarray
Rate = float | Callable[[int], float]


# Four hundred points about a line.

N = 400
FAR = np.array([-1.0, 2.2])  # a line that is too low and too steep
LR = 0.3


def scattered_points(n: int = N, seed: int = 3) -> tuple[Array, Array]:
    """Points about the line 0.5 + 0.8 x, rounded so that the page's figure has the same ones.

    Returns
    -------
    X : array of shape (n, 2), rows (1, x)
    y : array of shape (n,)
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-0.7, 1.7, n).round(3)
    y = (0.5 + 0.8 * x + rng.normal(0, 0.6, n)).round(3)
    return with_ones(x), y


X, Y = scattered_points()
H = X.T @ X / N
BEST = np.linalg.lstsq(X, Y, rcond=None)[0]


def half_mse(theta: Array) -> float:
    """Half the mean squared error of a line on the four hundred points."""
    return float(np.mean((X @ theta - Y) ** 2) / 2)


def excess(thetas: Array) -> Array:
    """How far the loss is above its least value, for points of shape (..., 2)."""
    gap = thetas - BEST
    return 0.5 * np.einsum("...i,ij,...j->...", gap, H, gap)


def per_example_gradients(theta: Array) -> Array:
    """The gradient of each point alone, shape (N, 2)."""
    return (X @ theta - Y)[:, None] * X


def batch_gradient(theta: Array, index: Array) -> Array:
    """The mini-batch gradient on the four hundred points."""
    return minibatch_gradient(linear_gradient, theta, X, Y, index)


# Unbiased.


@dataclass(frozen=True)
class EveryBatch:
    """The gradients of all batches of a size."""

    how_many: int
    off: float  # distance of their mean from the full gradient
    worst: float  # largest distance of a single one
    length: float  # of the full gradient
    uphill: int  # how many lead uphill when a small step is taken against them


def every_batch_of_four() -> EveryBatch:
    """All batches of 4 of chapter 2's twelve points."""
    x, y = line_data()
    rows, theta = with_ones(x), np.array([0.1, 1.25])
    full = linear_gradient(theta, rows, y)
    estimates = np.array(
        [
            minibatch_gradient(linear_gradient, theta, rows, y, np.array(index))
            for index in combinations(range(len(y)), 4)
        ]
    )
    away = np.linalg.norm(estimates - full, axis=1)
    return EveryBatch(
        how_many=len(estimates),
        off=float(np.linalg.norm(estimates.mean(axis=0) - full)),
        worst=float(away.max()),
        length=float(np.linalg.norm(full)),
        uphill=int(np.sum(estimates @ full < 0)),
    )


# The standard error over the batch size.


def estimates(
    theta: Array, m: int, repeats: int, rng: np.random.Generator, replace: bool = False
) -> Array:
    """Gradient estimates of independent batches of m, shape (repeats, 2).

    Without replacement each is the first batch of a new epoch of the reference.
    """
    if replace:
        batches: Iterable[Array] = rng.integers(0, N, (repeats, m))
    else:
        batches = (next(iter(minibatches(N, m, rng))) for _ in range(repeats))
    return np.array([batch_gradient(theta, index) for index in batches])


def measured_error(cloud: Array, theta: Array) -> float:
    """Root mean square distance of estimates from the full gradient."""
    full = linear_gradient(theta, X, Y)
    return float(np.sqrt(np.mean(np.sum((cloud - full) ** 2, axis=1))))


def predicted_error(theta: Array, m: int) -> float:
    """The same from the examples' own spread, s / sqrt(m)."""
    return float(np.linalg.norm(gradient_standard_error(per_example_gradients(theta), m)))


def finite_population(m: int | Array, n: int = N) -> Any:
    """The factor sqrt(1 - m / n) by which drawing without replacement shrinks the error."""
    return np.sqrt(1 - np.asarray(m) / n)


@dataclass(frozen=True)
class ErrorCurve:
    """Standard errors over batch sizes, and the slope of their logarithms."""

    m: Array
    measured: Array
    predicted: Array
    slope: float
    slope_error: float  # standard error of the slope


def error_curve(
    ms: Sequence[int], repeats: int = 1000, seed: int = 0, replace: bool = True
) -> ErrorCurve:
    """Measure the standard error at `FAR` for each batch size; slope where it is above zero."""
    rng = np.random.default_rng(seed)
    measured = np.array([measured_error(estimates(FAR, m, repeats, rng, replace), FAR) for m in ms])
    predicted = np.array([predicted_error(FAR, m) for m in ms])
    some = measured > 1e-12
    fit = linregress(np.log(np.array(ms)[some]), np.log(measured[some]))
    return ErrorCurve(np.array(ms), measured, predicted, float(fit.slope), float(fit.stderr))


# Walks.


def walk(
    m: int,
    lr: Rate = LR,
    epochs: int = 1,
    seed: int = 0,
    start: Array = FAR,
    updates: int | None = None,
) -> Array:
    """SGD on the four hundred points, for some epochs, or for a number of updates if that is given.

    Returns
    -------
    array of shape (updates + 1, 2)
    """
    if updates is not None:
        epochs = -(-updates * m // N)
    trajectory = sgd(linear_gradient, start, X, Y, lr, m, epochs, np.random.default_rng(seed))
    return trajectory if updates is None else trajectory[: updates + 1]


def work_to_reach(goal: float = 0.05, ms: Sequence[int] = (1, 10, N), runs: int = 20) -> dict:
    """Median number of examples looked at until the excess loss is first at most `goal`."""
    table = {}
    for m in ms:
        needed = []
        for seed in range(runs if m < N else 1):
            heights = excess(walk(m, epochs=200 if m == N else 4, seed=seed))
            needed.append(m * int(np.flatnonzero(heights <= goal)[0]))
        table[m] = int(np.median(needed))
    return table


def distance_after(updates: int, ms: Sequence[int], runs: int = 20) -> list[float]:
    """Median distance from the minimum after some updates, for each batch size."""
    return [
        float(
            np.median(
                [
                    np.linalg.norm(walk(m, seed=seed, updates=updates)[-1] - BEST)
                    for seed in range(runs if m < N else 1)
                ]
            )
        )
        for m in ms
    ]


def floor(lr: float, m: int, updates: int, seed: int = 0, shuffled: bool = True) -> float:
    """Mean excess loss of a walk that begins at the minimum; its first quarter is not counted.

    Shuffled: in epochs, as `sgd` walks. Else every example is drawn afresh from all N: that is one
    long epoch over rows which were drawn with replacement.
    """
    rng = np.random.default_rng(seed)
    if shuffled:
        trajectory = sgd(linear_gradient, BEST, X, Y, lr, m, -(-updates * m // N), rng)
    else:
        rows = rng.integers(0, N, updates * m)
        trajectory = sgd(linear_gradient, BEST, X[rows], Y[rows], lr, m, 1, rng)
    heights = excess(trajectory)
    return float(np.mean(heights[len(heights) // 4 :]))


def predicted_floor(lr: float, m: int) -> float:
    """The same for independent batches, to first order in lr: lr * trace(C) / (4 m).

    C is the covariance of the examples' gradients at the minimum. The spread S of the walk obeys
    H S + S H = (lr / m) C, and the excess loss is half the trace of H S.
    """
    cov = np.cov(per_example_gradients(BEST).T, ddof=0)
    return float(0.5 * np.trace(H @ solve_continuous_lyapunov(H, lr / m * cov)))


def order_of_the_rows(m: int = 10, lr: float = LR, epochs: int = 200) -> tuple[float, float]:
    """Root mean square distance to the minimum at the ends of epochs: shuffled, and sorted by y.

    Sorted: the same batches, from the smallest target to the largest, in every epoch.
    """
    in_order = np.argsort(Y, kind="stable")
    theta, ends = BEST, []
    for _ in range(20):
        for begin in range(0, N, m):
            theta = theta - lr * batch_gradient(theta, in_order[begin : begin + m])
        ends.append(theta)

    def distance(points: Array) -> float:
        return float(np.sqrt(np.mean(np.sum((points - BEST) ** 2, axis=1))))

    shuffled = walk(m, lr, epochs, start=BEST)[:: N // m]
    return distance(shuffled[1:]), distance(np.array(ends))


# Schedules.


def schedules(updates: int = 1200, lr0: float = LR) -> dict[str, Callable[[int], float]]:
    """The chapter's schedules over a number of updates, each a function of the update number."""
    last = updates - 1
    return {
        "constant": lambda t: lr0,
        "step": lambda t: step_decay(lr0, t, 0.3, updates // 4),
        "exponential": lambda t: exponential_decay(lr0, t, 0.01 ** (1 / last)),
        "cosine": lambda t: cosine_decay(lr0, t, last),
    }


def scheduled_excess(updates_per_epoch: int = N, epochs: int = 3, runs: int = 12) -> dict:
    """Median excess loss at the end of walks with m = 1, for each schedule; and one walk each."""
    table = {}
    for name, lr in schedules(updates_per_epoch * epochs).items():
        walks = [walk(1, lr, epochs, seed) for seed in range(runs)]
        table[name] = (float(np.median([excess(w[-1]) for w in walks])), excess(walks[0]))
    return table


def difference_from_torch(updates: int = 200, lr0: float = LR) -> dict[str, float]:
    """The largest difference between our schedules and torch's, over `updates` updates."""
    import torch
    from torch.optim import SGD, Optimizer
    from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LRScheduler, StepLR

    pairs: dict[str, tuple[Callable[[int], float], Callable[[Optimizer], LRScheduler]]] = {
        "StepLR": (
            lambda t: step_decay(lr0, t, 0.3, 7),
            lambda optimiser: StepLR(optimiser, step_size=7, gamma=0.3),
        ),
        "ExponentialLR": (
            lambda t: exponential_decay(lr0, t, 0.97),
            lambda optimiser: ExponentialLR(optimiser, gamma=0.97),
        ),
        "CosineAnnealingLR": (
            lambda t: cosine_decay(lr0, t, updates, 0.001),
            lambda optimiser: CosineAnnealingLR(optimiser, T_max=updates, eta_min=0.001),
        ),
    }
    worst = {}
    for name, (ours, make) in pairs.items():
        optimiser = SGD([torch.zeros(1, requires_grad=True)], lr=lr0)
        scheduler = make(optimiser)
        gaps: list[float] = []
        for t in range(updates + 1):
            gaps.append(abs(ours(t) - float(scheduler.get_last_lr()[0])))
            optimiser.step()
            scheduler.step()
        worst[name] = max(gaps)
    return worst


# The Gabor surface, with many walks side by side.

GABOR_X, GABOR_Y = gabor_data()
GABOR_N = len(GABOR_X)
# Chapter 2's learning rate was for the sum of squared errors; here the gradient is a mean.
GABOR_MEAN_LR = GABOR_LR * GABOR_N


def gabor_mean_gradient(theta: Array, x: Array, y: Array) -> Array:
    """The Gabor gradient divided by the rows, as `sgd` wants it."""
    return gabor_gradient(theta, x, y) / len(y)


def gabor_mean_gradients(thetas: Array, x: Array, y: Array) -> Array:
    """The same for many walks at once.

    Parameters
    ----------
    thetas : array of shape (walks, 2)
    x, y : arrays of shape (walks, m), each walk's own batch

    Returns
    -------
    array of shape (walks, 2)
    """
    u = thetas[:, :1] + 0.06 * thetas[:, 1:] * x
    wave, bell = np.sin(u), np.exp(-(u**2) / 32)
    pull = 2 * (wave * bell - y) * (np.cos(u) - wave * u / 16) * bell
    return np.column_stack([np.mean(pull, axis=1), np.mean(pull * 0.06 * x, axis=1)])


def gabor_sgd(
    starts: Array, lr: Rate, m: int, epochs: int, rngs: Sequence[np.random.Generator]
) -> Array:
    """Where `sgd` ends on the Gabor data, for each start with its own generator: (walks, 2)."""
    thetas, t = starts, 0
    for _ in range(epochs):
        # zip: the first batch of every walk, then the second, ...
        for index in zip(*(minibatches(GABOR_N, m, rng) for rng in rngs), strict=True):
            rows = np.array(index)
            step = lr(t) if callable(lr) else lr
            thetas = thetas - step * gabor_mean_gradients(thetas, GABOR_X[rows], GABOR_Y[rows])
            t += 1
    return thetas


def settle(thetas: Array, steps: int = 600) -> Array:
    """Plain descent from each point, so that a walk is counted by the valley it is in."""
    x, y = (np.broadcast_to(v, (len(thetas), GABOR_N)) for v in (GABOR_X, GABOR_Y))
    for _ in range(steps):
        thetas = thetas - GABOR_MEAN_LR * gabor_mean_gradients(thetas, x, y)
    return thetas


def generators(n: int, seed: int) -> list[np.random.Generator]:
    """Independent generators."""
    return np.random.default_rng(seed).spawn(n)


# Slip 6: what does it take to leave a minimum?


@dataclass(frozen=True)
class Escape:
    """Walks that began in a minimum: the shares that left it, and that found the global one."""

    m: int
    walks: int
    left: float
    found: float


def local_minimum() -> Array:
    """The second-lowest minimum of chapter 2's map."""
    return [p.theta for p in gabor_stationary_points() if p.kind == "minimum"][1]


def escapes(
    ms: Iterable[int],
    home: Array,
    lr: float = GABOR_MEAN_LR,
    updates: int = 560,
    walks: int = 100,
    seed: int = 0,
) -> list[Escape]:
    """Walks that all begin in the same minimum and take the same number of updates.

    Where m does not divide the 28 points, whole epochs of at most so many updates.
    """
    table = []
    for m in ms:
        per_epoch = -(-GABOR_N // m)
        starts = np.tile(home, (walks, 1))
        ends = settle(gabor_sgd(starts, lr, m, updates // per_epoch, generators(walks, seed)))
        left = np.linalg.norm(ends - home, axis=1) > 0.1
        found = np.linalg.norm(ends - gabor_minimum(), axis=1) < 0.1
        table.append(Escape(m, walks, float(left.mean()), float(found.mean())))
    return table


# "SGD seems to find better solutions": share of starts that reach the global minimum.

GABOR_EPOCHS = 60


@dataclass(frozen=True)
class Trial:
    """SGD and GD from the same starts."""

    m: int
    lr: float
    reached_gd: Array
    reached: Array
    ends: Array

    @property
    def share(self) -> float:
        """Share of SGD's walks in the global minimum's valley."""
        return float(self.reached.mean())

    @property
    def gain(self) -> float:
        """That share less gradient descent's."""
        return float(self.reached.mean() - self.reached_gd.mean())

    @property
    def gain_error(self) -> float:
        """Standard error of the gain; the starts are the same, so the differences are averaged."""
        change = self.reached.astype(float) - self.reached_gd
        return float(np.std(change, ddof=1) / np.sqrt(len(change)))

    @property
    def plateau(self) -> float:
        """Of all examples' gradients at the ends, the median length."""
        walks = len(self.ends)
        x, y = (np.tile(v, walks)[:, None] for v in (GABOR_X, GABOR_Y))
        each = gabor_mean_gradients(np.repeat(self.ends, GABOR_N, axis=0), x, y)
        return float(np.median(np.linalg.norm(each, axis=1)))

    @property
    def off_the_map(self) -> float:
        """Share of SGD's walks that end outside the drawn range."""
        low, high = np.array(GABOR_RANGE).T
        return float(np.mean(np.any((self.ends < low) | (self.ends > high), axis=1)))


def gabor_starts(n: int, seed: int) -> Array:
    """Starts as in chapter 2, uniform over the drawn range, shape (n, 2)."""
    low, high = np.array(GABOR_RANGE).T
    return np.random.default_rng(seed).uniform(low, high, (n, 2))


def in_the_best_valley(thetas: Array) -> Array:
    """Whether plain descent from each point leads to the global minimum."""
    return np.linalg.norm(settle(thetas) - gabor_minimum(), axis=1) < 0.1


def gabor_trials(
    ms: Iterable[int],
    lrs: Iterable[float],
    n: int = 200,
    seed: int = 0,
    epochs: int = GABOR_EPOCHS,
) -> list[Trial]:
    """SGD with a cosine schedule from lr to 0, against GD, from n starts."""
    starts = gabor_starts(n, seed)
    reached_gd = in_the_best_valley(starts)
    table = []
    for m in ms:
        last = epochs * -(-GABOR_N // m) - 1
        for lr in lrs:
            rate = lambda t, lr=lr, last=last: cosine_decay(lr, t, last)  # noqa: E731
            ends = gabor_sgd(starts, rate, m, epochs, generators(n, seed + 1))
            table.append(Trial(m, lr, reached_gd, in_the_best_valley(ends), ends))
    return table


# Hardware: what a gradient costs, and what fewer bits do.


def gradient_times(
    ms: Iterable[int],
    d: int = 64,
    n: int = 2**16,
    seconds_each: float = 0.15,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[int, float]:
    """Seconds of one mini-batch gradient of a linear model, for each batch size, on one thread.

    Sizes take turns, and the fastest call counts: what else the machine does can only add to it.
    """
    rng = np.random.default_rng(0)
    rows, targets, theta = rng.normal(size=(n, d)), rng.normal(size=n), rng.normal(size=d)
    batches = {m: rng.permutation(n)[:m] for m in ms}
    best = dict.fromkeys(batches, np.inf)
    with threadpool_limits(1):
        for index in batches.values():
            minibatch_gradient(linear_gradient, theta, rows, targets, index)
        for _ in range(5):
            for m, index in batches.items():
                spent = 0.0
                for _ in range(40):
                    begin = clock()
                    minibatch_gradient(linear_gradient, theta, rows, targets, index)
                    took = clock() - begin
                    best[m] = min(best[m], took)
                    spent += took
                    if spent > seconds_each / 5:
                        break
    return best


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Tiny tensors: starting a second thread costs more than it brings."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def bits() -> dict[str, tuple[int, float, float]]:
    """Of each number format: bytes, the step from 1 to the next number, the largest number."""
    import torch

    kinds = {"FP64": torch.float64, "FP32": torch.float32, "BF16": torch.bfloat16}
    return {
        name: (torch.finfo(kind).bits // 8, torch.finfo(kind).eps, torch.finfo(kind).max)
        for name, kind in kinds.items()
    }


def in_bf16(value: float) -> float:
    """A number after a visit to BF16."""
    import torch

    return float(torch.tensor(value, dtype=torch.float64).to(torch.bfloat16))


def _torch_gradient(theta: Array, index: Array, kind: Any) -> Array:
    """The batch gradient with every number in a torch format."""
    import torch

    rows, targets, point = (
        torch.tensor(v, dtype=torch.float64).to(kind) for v in (X[index], Y[index], theta)
    )
    gradient = rows.T @ (rows @ point - targets) / len(index)
    return gradient.to(torch.float64).numpy()


@one_torch_thread()
def rounding_against_noise(ms: Sequence[int], repeats: int = 60, seed: int = 0) -> dict[str, Array]:
    """Errors of the gradient at `FAR`, relative to its length, for each batch size.

    "drawing": of the batch against all examples, in float64. "BF16", "FP32": of the format
    against float64, on the same batch. Root mean squares.
    """
    import torch

    rng = np.random.default_rng(seed)
    full = linear_gradient(FAR, X, Y)
    errors: dict[str, list[float]] = {"drawing": [], "BF16": [], "FP32": []}
    for m in ms:
        squares = dict.fromkeys(errors, 0.0)
        for _ in range(repeats):
            index = rng.integers(0, N, m)
            exact = batch_gradient(FAR, index)
            squares["drawing"] += np.sum((exact - full) ** 2)
            for name, kind in (("BF16", torch.bfloat16), ("FP32", torch.float32)):
                squares[name] += np.sum((_torch_gradient(FAR, index, kind) - exact) ** 2)
        for name, total in squares.items():
            errors[name].append(float(np.sqrt(total / repeats) / np.linalg.norm(full)))
    return {name: np.array(values) for name, values in errors.items()}


@one_torch_thread()
def stored_in(kind_name: str, lr: float = 0.01, steps: int = 1000) -> tuple[Array, int]:
    """Gradient descent whose gradients are in BF16 and whose parameters are kept in a format.

    Parameters
    ----------
    kind_name : "BF16" or "FP32"

    Returns
    -------
    excess loss after each step, shape (steps + 1,), and the last step that changed theta.
    """
    import torch

    kind = {"BF16": torch.bfloat16, "FP32": torch.float32}[kind_name]
    rows, targets = (torch.tensor(v).to(torch.bfloat16) for v in (X, Y))
    theta = torch.tensor(FAR).to(kind)
    visited, last = [FAR], 0
    for step in range(1, steps + 1):
        point = theta.to(torch.bfloat16)
        gradient = (rows.T @ (rows @ point - targets)).to(kind) / N
        moved = theta - lr * gradient
        last = last if torch.equal(moved, theta) else step
        theta = moved
        visited.append(theta.to(torch.float64).numpy())
    return excess(np.array(visited)), last


# The interactive figure.

LIVE_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 400)
LIVE_REPEATS, LIVE_UPDATES = 200, 80
LIVE_WORDS = {
    "size": "Batch size m",
    "cloud": f"{LIVE_REPEATS} estimates: where one step would lead",
    "walk": f"A walk of {LIVE_UPDATES} updates with this m",
    "law": "Standard error over m, both logarithmic",
    "size_axis": "batch size m",
    "place": "Where you stand",
    "far": "far from the minimum",
    "minimum": "at the minimum",
    "drawing": "How a batch is drawn",
    "without": "without replacement",
    "with": "with replacement",
    "again": "Draw new batches",
    "state": "m = {m}, {how}. Standard error of the gradient: measured {measured}, predicted "
    "{predicted}. The full gradient {full}. The walk has looked at {examples} examples and ends "
    "{away} from the minimum.",
    "corrected": ", with the correction for {n} points {error}",
    "zero": "is zero here",
    "length": "has length {length}",
}
LIVE_LEVELS = (0.02, 0.1, 0.3, 0.7, 1.3, 2.1, 3.2, 4.5)


def ring(level: float, points: int = 48) -> Array:
    """The height line on which the loss is `level` above its least value, shape (points + 1, 2)."""
    angle = np.linspace(0, 2 * np.pi, points + 1)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    return BEST + np.sqrt(2 * level) * circle @ np.linalg.inv(np.linalg.cholesky(H))


def live_data() -> dict[str, Any]:
    """What the interactive figure is given: the points, the map, and its words."""
    return {
        "x": X[:, 1].tolist(),
        "y": Y.tolist(),
        "lr": LR,
        "sizes": list(LIVE_SIZES),
        "start": LIVE_SIZES.index(10),
        "repeats": LIVE_REPEATS,
        "updates": LIVE_UPDATES,
        "best": BEST.tolist(),
        "far": FAR.tolist(),
        "rings": [ring(level).round(3).tolist() for level in LIVE_LEVELS],
        "words": LIVE_WORDS,
    }


def cloud_picture(ms: Sequence[int] = (1, 10, 100, 400), repeats: int = 150) -> str:
    """The still picture: clouds of one-step estimates for four batch sizes."""
    fig, axes = new_figure(2, 2, size=(5.6, 5.2), sharex=True, sharey=True)
    rng = np.random.default_rng(0)
    for ax, m, colour in zip(axes.flat, ms, COLOURS, strict=False):
        contours(half_mse, (-1.8, 0.9), (0.5, 2.9), ax=ax, levels=12, points=21)
        landed = FAR - LR * estimates(FAR, m, repeats, rng)
        ax.plot(*landed.T, ".", color=colour, markersize=4, alpha=0.6)
        ax.plot(*FAR, "o", color=BLACK, markerfacecolor="white", markersize=7)
        ax.plot(*(FAR - LR * linear_gradient(FAR, X, Y)), "+", color=BLACK, markersize=11)
        ax.plot(*BEST, "*", color=BLACK, markersize=12)
        ax.set(title=f"m = {m}")
        ax.label_outer()
    return picture(
        fig,
        "Four maps of a bowl with the same starting point. A cloud of dots shows where one step "
        "leads: wide for a batch of 1, narrower for 10, small for 100, a single point for 400.",
    )


def live_html() -> str:
    """The interactive figure: batch size, the cloud of estimates, and a walk."""
    return live_figure(
        "batch-size",
        script="sgd",
        label="the batch size and the cloud of gradient estimates",
        still="<p>Where one step leads from the ring, for 150 batches of each size. Plus: where "
        "the full gradient leads; star: the minimum. The sizes move with a slider where "
        "JavaScript runs.</p>" + cloud_picture(),
        data=live_data(),
    )
