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
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
from scipy.linalg import solve_continuous_lyapunov
from scipy.stats import linregress
from threadpoolctl import threadpool_limits

from autograder.datasets import gabor_data, line_data, with_ones
from autograder.figures import BLACK, contours, look, new_figure
from book.gradient_experiments import GABOR_LR, GABOR_RANGE, gabor_minimum, gabor_stationary_points
from book.page import live_figure, live_look, picture
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


@dataclass(frozen=True)
class EveryDraw:
    """The spread of all batches of a size that few examples allow, and two formulas for it."""

    how_many: int
    spread: float  # standard deviation of the batches' gradients, both components together
    by_n: float  # s / sqrt(m) with n in the denominator of s ** 2
    by_n_minus_one: float  # with n - 1
    how_many_apart: int  # the same where no batch has an example twice
    spread_apart: float
    corrected: float  # s / sqrt(m) * sqrt(1 - m / n), with n - 1


def every_draw(n: int = 6, m: int = 3) -> EveryDraw:
    """All batches of m of the first n points, with and without replacement, at `FAR`."""
    each = per_example_gradients(FAR)[:n]

    def spread(batches: Iterable[tuple[int, ...]]) -> tuple[int, float]:
        means = np.array([each[list(index)].mean(axis=0) for index in batches])
        return len(means), float(np.linalg.norm(np.std(means, axis=0)))

    drawn, drawn_spread = spread(product(range(n), repeat=m))
    apart, apart_spread = spread(combinations(range(n), m))
    sample = float(np.linalg.norm(gradient_standard_error(each, m)))
    return EveryDraw(
        how_many=drawn,
        spread=drawn_spread,
        by_n=float(np.linalg.norm(np.std(each, axis=0)) / np.sqrt(m)),
        by_n_minus_one=sample,
        how_many_apart=apart,
        spread_apart=apart_spread,
        corrected=sample * float(finite_population(m, n)),
    )


def errors_by_kind(m: int = 10) -> dict[str, float]:
    """Error of batches of m whose rows are alike, drawn by chance, or unlike, at `FAR`: over all
    such batches, so that none is left to chance.

    Alike: neighbours in the order of the target. By chance: m different rows. Unlike: the same
    order is cut into m parts, and each batch has one row of each.
    """
    each = per_example_gradients(FAR)[np.argsort(Y, kind="stable")]
    neighbours = each.reshape(-1, m, 2).mean(axis=1)
    # Of each part one row, and of each row its share of the mean.
    parts = each.reshape(m, -1, 2) / m
    return {
        "alike": float(np.linalg.norm(np.std(neighbours, axis=0))),
        "by chance": predicted_error(FAR, m) * float(finite_population(m)),
        "unlike": float(np.sqrt(np.sum(np.var(parts, axis=1)))),
    }


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


@dataclass(frozen=True)
class Reach:
    """When walks reach a goal: the medians of some runs, in updates; infinite where they do not."""

    m: int
    lr: float
    first: float  # the first update at or below the goal
    for_good: float  # the update from which on the walk stays there, for at least half of itself


def reach(m: int, lr: float, goal: float = 0.05, epochs: int = 10, runs: int = 20) -> Reach:
    """When the excess loss is at most `goal`: for the first time, and from then on."""
    first, for_good = [], []
    for seed in range(runs if m < N else 1):
        above = excess(walk(m, lr, epochs, seed)) > goal
        first.append(float(np.argmin(above)) if not above.all() else np.inf)
        stays = int(np.flatnonzero(above)[-1]) + 1
        for_good.append(float(stays) if stays <= len(above) / 2 else np.inf)
    # The upper of the two in the middle: an infinite one has no mean with its neighbour.
    middle = len(first) // 2
    return Reach(m, lr, sorted(first)[middle], sorted(for_good)[middle])


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


def averaged_iterates(
    m: int = 1, lr: float = 0.1, epochs: int = 10, runs: int = 20
) -> tuple[Array, Array]:
    """Mean excess loss of walks, and of the mean of their points from the second epoch on.

    Returns
    -------
    two arrays, one number an update from the second epoch on.
    """
    last, mean = [], []
    for seed in range(runs):
        late = walk(m, lr, epochs, seed)[-(-N // m) + 1 :]
        counts = np.arange(1, len(late) + 1)[:, None]
        last.append(excess(late))
        mean.append(excess(np.cumsum(late, axis=0) / counts))
    return np.mean(last, axis=0), np.mean(mean, axis=0)


def with_the_batch(
    ms: Sequence[int], lr_each: float = 0.01, power: float = 1.0, epochs: int = 5, runs: int = 10
) -> Array:
    """Mean excess loss over the last epoch of walks with lr = lr_each * m ** power, for each m.

    Every walk looks at the same number of examples. Infinite where it runs away.
    """
    ends = []
    for m in ms:
        per_epoch = -(-N // m)
        with np.errstate(over="ignore", invalid="ignore"):
            heights = [
                np.mean(excess(walk(m, lr_each * m**power, epochs, seed)[-per_epoch:]))
                for seed in range(runs if m < N else 1)
            ]
        ends.append(np.mean(heights) if np.max(heights) < 1e3 else np.inf)
    return np.array(ends)


def full_batch_cliff() -> float:
    """The learning rate 2 / L above which the full gradient diverges on the four hundred points."""
    return float(2 / np.linalg.eigvalsh(H)[-1])


@dataclass(frozen=True)
class Finder:
    """A learning rate that grows from update to update, and the loss of each batch before it."""

    lrs: Array
    losses: Array
    smooth: Array  # their bias-corrected exponential average

    @property
    def lowest(self) -> float:
        """The learning rate at which the smoothed loss is lowest."""
        return float(self.lrs[np.argmin(self.smooth)])

    @property
    def blows_up(self) -> float:
        """The first one after that at which it is twice its lowest."""
        late = np.arange(len(self.lrs)) > np.argmin(self.smooth)
        return float(self.lrs[np.argmax(late & (self.smooth > 2 * self.smooth.min()))])


def find_learning_rate(
    m: int = 10, low: float = 0.003, high: float = 3.0, updates: int = 200, seed: int = 0
) -> Finder:
    """One short walk whose learning rate is multiplied by the same factor at each update."""
    seen: list[float] = []

    def grad(theta: Array, rows: Array, targets: Array) -> Array:
        seen.append(float(np.mean((rows @ theta - targets) ** 2) / 2))
        return linear_gradient(theta, rows, targets)

    factor = (high / low) ** (1 / (updates - 1))
    epochs = -(-updates * m // N)
    rng = np.random.default_rng(seed)
    sgd(grad, FAR, X, Y, lambda t: low * factor**t, m, epochs, rng)
    losses, keep = np.array(seen[:updates]), 0.9
    smooth, average = [], 0.0
    for t, loss in enumerate(losses, start=1):
        average = keep * average + (1 - keep) * loss
        smooth.append(average / (1 - keep**t))
    return Finder(low * factor ** np.arange(updates), losses, np.array(smooth))


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


def warm_up_walks(steps: int = 60, lr: float = 0.3, warm: int = 20) -> dict[str, Array]:
    """Distances from the minimum of descent on theta ** 2 / 2 + theta ** 4 / 4, from 3.

    The curvature there is 28, at the minimum 1: `lr` is right for the one place and far beyond the
    other's cliff. With warm-up it rises in a straight line to `lr` over `warm` steps.
    """
    rates: dict[str, Callable[[int], float]] = {
        "lr = 0.3": lambda t: lr,
        "lr = 0.03": lambda t: lr / 10,
        "warm-up to 0.3": lambda t: lr * min(1.0, (t + 1) / warm),
    }

    def grad(theta: Array, rows: Array, targets: Array) -> Array:
        return theta + theta**3

    # One row, so that an epoch is one step; the loss asks nothing of it.
    row, target = np.zeros((1, 1)), np.zeros(1)
    walks = {}
    for name, rate in rates.items():
        with np.errstate(over="ignore", invalid="ignore"):
            points = sgd(
                grad, np.array([3.0]), row, target, rate, 1, steps, np.random.default_rng(0)
            )
        walks[name] = np.abs(points[:, 0])
    return walks


# A small batch as a regulariser: a model with more parameters than examples.


@dataclass(frozen=True)
class Regularised:
    """Walks that all end with a training error of next to nothing, on many random problems."""

    m: int
    train: float  # the largest mean squared training error
    errors: Array  # mean squared error on new inputs, one for each problem

    @property
    def mean(self) -> float:
        """The mean over the problems."""
        return float(np.mean(self.errors))


def small_batch_as_regulariser(
    ms: Sequence[int] = (1, 20),
    lr: float = 0.03,
    problems: int = 40,
    n: int = 20,
    d: int = 40,
    updates: int = 4000,
    seed: int = 5,
) -> list[Regularised]:
    """A linear model whose weights are u ** 2 - v ** 2, on targets that three of its inputs make.

    Inputs are standard normal, so the error on new ones is the squared distance of the weights.
    Many problems side by side, each with its own batches; all start at u = v = 0.1.
    """
    table = []
    for m in ms:
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(problems, n, d))
        truth = np.zeros(d)
        truth[:3] = 1
        targets = rows @ truth
        u = v = np.full((problems, d), 0.1)
        which = np.arange(problems)[:, None]
        for _ in range(updates):
            index = np.argpartition(rng.random((problems, n)), m - 1, axis=1)[:, :m]
            some = rows[which, index]
            off = np.einsum("pmd,pd->pm", some, u * u - v * v) - targets[which, index]
            slope = np.einsum("pm,pmd->pd", off, some) / m
            u, v = u - 2 * lr * u * slope, v + 2 * lr * v * slope
        weights = u * u - v * v
        train = np.mean((np.einsum("pnd,pd->pn", rows, weights) - targets) ** 2, axis=1)
        errors = np.sum((weights - truth) ** 2, axis=1)
        table.append(Regularised(m, float(train.max()), errors))
    return table


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


def same_ratio(
    home: Array,
    settings: Sequence[tuple[float, int]] = ((0.7, 1), (1.4, 2), (2.8, 4)),
    walks: int = 300,
) -> list[tuple[float, int, Escape, Escape]]:
    """Walks with one and the same lr / m: after 560 updates, and after as many as make lr times
    their number equal, so that each has had the same way to go. The last pair's two are one and
    the same, so they share their batches.
    """
    return [
        (
            lr,
            m,
            escapes([m], home, lr, walks=walks)[0],
            escapes([m], home, lr, updates=round(1568 / lr), walks=walks)[0],
        )
        for lr, m in settings
    ]


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


# What is kept in memory.


def numbers_kept(sizes: Sequence[int], m: int) -> tuple[int, int]:
    """How many numbers training a network has to keep for a batch of m.

    Parameters
    ----------
    sizes : units of each layer, the inputs first

    Returns
    -------
    outputs of all layers, inputs among them, which the backward pass needs: they grow with m.
    parameters, and as many gradients of them: they do not.
    """
    parameters = sum(a * b + b for a, b in pairwise(sizes))
    return m * sum(sizes), parameters


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


# The interactive figures. Their scripts do the same arithmetic; browser tests compare them.

LIVE_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 400)
LIVE_REPEATS = 200
LIVE_WORDS = {
    "size": "Batch size m",
    "cloud": f"{LIVE_REPEATS} estimates: where one step would lead",
    "law": "Standard error over m, both logarithmic",
    "size_axis": "batch size m",
    "place": "Where you stand",
    "far": "far away",
    "minimum": "at the minimum",
    "drawing": "How a batch is drawn",
    "without": "without replacement",
    "with": "with replacement",
    "again": "Draw new batches",
    "state": "m = {m}, {how}. Standard error of the gradient: measured {measured}, predicted "
    "{predicted}. The full gradient {full}.",
    "corrected": ", with the correction for {n} points {error}",
    "zero": "is zero here",
    "length": "has length {length}",
}
LIVE_LEVELS = (0.02, 0.1, 0.3, 0.7, 1.3, 2.1, 3.2, 4.5)

WALK_EPOCHS = 10
WALK_LRS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.3, 1.6)
WALK_WORDS = {
    "size": "Batch size",
    "lr": "lr",
    "schedule": "Schedule",
    "constant": "constant",
    "cosine": "cosine, down to 0",
    "map": "The walk: offset across, slope up",
    "loss": "Loss above its minimum, over epochs paid",
    "epochs": "epochs",
    "start": "The start: drag it, or use the arrow keys",
    "at": "offset {a}, slope {b}",
    "step": "Step",
    "play": "Play",
    "pause": "Pause",
    "restart": "Restart",
    "again": "New batches",
    "state": "{updates} updates, {examples} examples: the loss is {height} above its minimum. "
    "{floor}",
    "floor": "The floor predicted for this m and lr is {floor}.",
    "sinks": "The floor predicted for the lr it has now is {floor}.",
    "none": "The full gradient has no floor.",
    "cliff": "This lr is beyond the cliff, 2/L = {cliff}: the walk runs away.",
    "thrown": "Below the cliff, 2/L = {cliff}; but with so small a batch the noise throws the walk "
    "out.",
    "walk": "walk",
    "full": "all {n} a step",
    "line": "its floor",
}


def ring(level: float, points: int = 48) -> Array:
    """The height line on which the loss is `level` above its least value, shape (points + 1, 2)."""
    angle = np.linspace(0, 2 * np.pi, points + 1)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    return BEST + np.sqrt(2 * level) * circle @ np.linalg.inv(np.linalg.cholesky(H))


def live_points() -> dict[str, Any]:
    """What both figures are given: the points and the map."""
    return {
        "x": X[:, 1].tolist(),
        "y": Y.tolist(),
        "sizes": list(LIVE_SIZES),
        "best": BEST.tolist(),
        "far": FAR.tolist(),
        "looks": {name: live_look(name) for name in ("SGD", "GD")},
        "rings": [ring(level).round(3).tolist() for level in LIVE_LEVELS],
    }


def live_data() -> dict[str, Any]:
    """What the figure of the cloud is given, and its words."""
    return live_points() | {
        "lr": LR,
        "start": LIVE_SIZES.index(10),
        "repeats": LIVE_REPEATS,
        "words": LIVE_WORDS,
    }


def walk_data() -> dict[str, Any]:
    """What the figure of the walk is given, and its words."""
    return live_points() | {
        "lrs": list(WALK_LRS),
        "start": {"size": LIVE_SIZES.index(1), "lr": WALK_LRS.index(LR), "examples": 2 * N},
        "epochs": WALK_EPOCHS,
        "hessian": H.tolist(),
        "cliff": full_batch_cliff(),
        "words": WALK_WORDS,
    }


def cloud_picture(ms: Sequence[int] = (1, 10, 100, 400), repeats: int = 100) -> str:
    """The still picture: clouds of one-step estimates for four batch sizes."""
    fig, axes = new_figure(2, 2, size=(5.6, 5.2), sharex=True, sharey=True)
    rng = np.random.default_rng(0)
    colour = look("SGD").colour
    for ax, m in zip(axes.flat, ms, strict=True):
        contours(half_mse, (-1.8, 0.9), (0.5, 2.9), ax=ax, levels=8, points=17)
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


def walk_picture() -> str:
    """The still picture: two epochs of single examples, and what is paid and gained."""
    fig, (top, bottom) = new_figure(2, 1, size=(5.6, 6.4), height_ratios=(3, 2))
    for level in LIVE_LEVELS:
        top.plot(*ring(level, 24).T, color="0.75", linewidth=0.8)
    top.set(xlim=(-2.1, 1.75), ylim=(0.15, 3.05))
    for m, name in ((1, "SGD"), (N, "GD")):
        colour = look(name).colour
        points = walk(m, epochs=2).round(2)
        every = 3 if m == 1 else 1
        paid = m * np.arange(1, len(points))
        top.plot(*points.T, color=colour, linewidth=1, marker="." if m == N else None)
        bottom.plot(paid[::every], excess(points[1::every]), color=colour, label=f"m = {m}")
    top.plot(*FAR, "o", color=BLACK, markerfacecolor="white", markersize=7)
    top.plot(*BEST, "*", color=BLACK, markersize=12)
    bottom.axhline(predicted_floor(LR, 1), color=BLACK, linestyle="--", label="predicted floor")
    bottom.set(yscale="log", xlabel="examples looked at", ylabel="loss above minimum")
    bottom.legend()
    return picture(
        fig,
        "Above, a map of a bowl: the walk with batches of one goes to the bottom and wanders about "
        "there; the walk with all points has taken two steps. Below, their losses over the "
        "examples looked at: the first falls at once and then stays level with large swings.",
    )


def live_cloud() -> str:
    """The interactive figure of the batch size and the cloud of estimates."""
    return live_figure(
        "batch-size",
        script="sgd",
        label="the batch size and the cloud of gradient estimates",
        still="<p>Where one step leads from the ring, for 100 batches of each size. Plus: where "
        "the full gradient leads; star: the minimum. The sizes move with a slider where "
        "JavaScript runs.</p>" + cloud_picture(),
        data=live_data(),
    )


def live_walk() -> str:
    """The interactive figure at the top: a walk, its price and its floor."""
    return live_figure(
        "noisy-walk",
        script="sgd",
        label="a walk, its price and its floor",
        still="<p>A figure to play with, where JavaScript runs. It opens like this: two epochs "
        "with lr = 0.3.</p>" + walk_picture(),
        data=walk_data(),
    )
