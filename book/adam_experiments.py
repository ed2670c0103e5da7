"""Chapter 5's experiments: the page draws what they return, the tests assert it.

Everything runs on the reference functions, so a mended reference mends the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from solutions.adam import (
    adagrad_step,
    adam_step,
    adamw_step,
    effective_learning_rate,
    normalized_step,
    rmsprop_step,
)
from solutions.momentum import momentum_step

Array = np.ndarray
State = tuple[Array, Array]

NAMES = ("GD", "momentum", "normalised", "AdaGrad", "RMSprop", "Adam")

# The ravine: a hundred times as curved across as along; and the same ravine turned by 45 degrees.

RAVINE = np.diag([1.0, 100.0])
START = np.array([-4.0, 2.0])
TURN = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
TURNED_RAVINE = TURN @ RAVINE @ TURN.T


def surface(turned: bool = False) -> tuple[Array, Array]:
    """The Hessian of the ravine and the start of a walk; both turned by 45 degrees if asked for."""
    return (TURNED_RAVINE, TURN @ START) if turned else (RAVINE, START)


def quadratic(H: Array, theta: Array) -> Array:
    """The loss 1/2 theta.H.theta of each row of theta; its minimum is 0, at the origin."""
    return 0.5 * np.sum(theta @ H * theta, axis=-1)


def ravine(theta: Array) -> float:
    """The loss of the ravine that lies along the axes."""
    return float(quadratic(RAVINE, theta))


def turned_ravine(theta: Array) -> float:
    """The loss of the turned one."""
    return float(quadratic(TURNED_RAVINE, theta))


@dataclass(frozen=True)
class Settings:
    """Hyperparameters; `lr` may be an array, one learning rate for each of many walks."""

    lr: Any
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 1e-2


def one_step(
    name: str, theta: Array, grad: Array, state: State, t: int, use: Settings
) -> tuple[Array, State]:
    """One step of the optimiser of that name; the state is (m, v), of which each uses its part."""
    m, v = state
    match name:
        case "GD":
            theta = theta - use.lr * grad
        case "momentum":
            theta, m = momentum_step(theta, m, grad, use.lr, use.beta1)
        case "normalised":
            theta = normalized_step(theta, grad, use.lr, use.eps)
        case "AdaGrad":
            theta, v = adagrad_step(theta, grad, v, use.lr, use.eps)
        case "RMSprop":
            theta, v = rmsprop_step(theta, grad, v, use.lr, use.beta2, use.eps)
        case "Adam":
            theta, m, v = adam_step(theta, grad, m, v, t, use.lr, use.beta1, use.beta2, use.eps)
        case "AdamW":
            theta, m, v = adamw_step(
                theta, grad, m, v, t, use.lr, use.beta1, use.beta2, use.eps, use.weight_decay
            )
        case _:
            raise ValueError(f"no optimiser is called {name!r}")
    return theta, (m, v)


def walk(
    name: str, H: Array, start: Array, steps: int, use: Settings, noise: Array | None = None
) -> Array:
    """The walk on a quadratic, start included: (steps + 1, d); n starts give (steps + 1, n, d).

    noise : array of shape (steps, d), what is added to the gradient of each step
    """
    theta = np.array(start, dtype=np.float64)
    state = (np.zeros_like(theta), np.zeros_like(theta))
    rows = [theta]
    with np.errstate(over="ignore", invalid="ignore"):  # some walks of a race fly off
        for t in range(1, steps + 1):
            grad = theta @ H if noise is None else theta @ H + noise[t - 1]
            theta, state = one_step(name, theta, grad, state, t, use)
            rows.append(theta)
    return np.array(rows)


def steps_on_a_slope(name: str, grads: Array, use: Settings) -> Array:
    """How far each step goes down, for gradients that are given: shape of `grads`, (steps, ...)."""
    theta = np.zeros(np.shape(grads)[1:])
    state = (np.zeros_like(theta), np.zeros_like(theta))
    moves = np.zeros(np.shape(grads))
    for t, grad in enumerate(grads, start=1):
        new, state = one_step(name, theta, np.asarray(grad), state, t, use)
        moves[t - 1], theta = theta - new, new
    return moves


# The race: every optimiser with its own best learning rate.

RACE_LRS = np.geomspace(1e-3, 10, 81)  # twenty a decade
FINE_LRS = np.geomspace(1e-3, 10, 1601)  # twenty for each of those
RACE_GOAL = 1e-3
RACE_LIMIT = 400
RACE_BETA2 = {"RMSprop": 0.9}  # Adam's is 0.999, the others have none


def race_settings(name: str, lr: Any) -> Settings:
    """The race's hyperparameters: the usual ones, and this learning rate."""
    return Settings(lr, beta2=RACE_BETA2.get(name, 0.999))


def steps_to_goal(name: str, H: Array, starts: Array, lrs: Array, limit: int = RACE_LIMIT) -> Array:
    """Steps until the loss is below `RACE_GOAL` of its start, and stays there.

    Parameters
    ----------
    H : array of shape (d, d)
    starts : array of shape (n, d)
    lrs : array of shape (k,), the learning rates to try
    limit : length of each walk

    Returns
    -------
    array of shape (k, n), infinite where the goal is missed.
    """
    many = np.broadcast_to(starts, (len(lrs), *starts.shape))
    steps = walk(name, H, many, limit, race_settings(name, lrs[:, None, None]))
    with np.errstate(over="ignore", invalid="ignore"):
        loss = quadratic(H, steps)
        above = ~(loss <= RACE_GOAL * loss[0])
    last = limit - np.argmax(above[::-1], axis=0)  # the start is above, so there is one
    return np.where(last < limit, last + 1.0, np.inf)


@dataclass(frozen=True)
class Racer:
    """An optimiser at its best learning rate: how many steps it needs, and where it walks."""

    lr: float
    steps: int
    walk: Array


def race(turned: bool = False, show: int = 120, lrs: Array = FINE_LRS) -> dict[str, Racer]:
    """Every optimiser from the ravine's start, with the learning rate that needs fewest steps."""
    H, start = surface(turned)
    racers = {}
    for name in NAMES:
        steps = steps_to_goal(name, H, start[None], lrs)[:, 0]
        lr = float(lrs[np.argmin(steps)])
        path = walk(name, H, start, show, race_settings(name, lr))
        racers[name] = Racer(lr, int(np.min(steps)), path)
    return racers


def turning_costs(n: int = 20, seed: int = 5) -> dict[str, tuple[float, float]]:
    """Median steps from `n` starts, at the best learning rate, before and after the turn."""
    starts = np.random.default_rng(seed).uniform(-5, 5, (n, 2))
    costs = {}
    for name in NAMES:
        medians = [
            np.median(steps_to_goal(name, H, places, RACE_LRS), axis=1).min()
            for H, places in ((RAVINE, starts), (TURNED_RAVINE, starts @ TURN.T))
        ]
        costs[name] = (float(medians[0]), float(medians[1]))
    return costs


def steps_by_learning_rate(names: Iterable[str], lrs: Array) -> dict[str, Array]:
    """Steps to the goal on the ravine along the axes, nan where it is missed."""
    return {
        name: np.where(
            np.isfinite(s := steps_to_goal(name, RAVINE, START[None], lrs)[:, 0]), s, np.nan
        )
        for name in names
    }


def change_by_scaling_the_loss(name: str, factor: float, use: Settings, steps: int = 100) -> float:
    """Largest change of the ravine's walk when the loss is multiplied by `factor`."""
    with np.errstate(over="ignore", invalid="ignore"):
        change = walk(name, factor * RAVINE, START, steps, use) - walk(
            name, RAVINE, START, steps, use
        )
    return float(np.max(np.abs(change)))


def step_with_one_rate_each() -> Array:
    """Where one step of gradient descent ends on the ravine with lr = 1 / curvature for each."""
    return one_step("GD", START, RAVINE @ START, (START, START), 1, Settings(1 / np.diag(RAVINE)))[
        0
    ]


NOISE = 30.0  # the standard deviation of what is added to each component of each gradient


def losses_in_noise(
    name: str, lr: float, looks: tuple[int, ...], n: int = 200, seed: int = 12
) -> Array:
    """The mean loss of `n` walks in lasting noise, over the fifty steps before each look."""
    noise = NOISE * np.random.default_rng(seed).normal(size=(max(looks), n, 2))
    steps = walk(name, RAVINE, np.tile(START, (n, 1)), max(looks), race_settings(name, lr), noise)
    loss = quadratic(RAVINE, steps).mean(axis=1)
    return np.array([loss[look - 49 : look + 1].mean() for look in looks])


@dataclass(frozen=True)
class Nudge:
    """What the gradient promises of a small step down along one weight, and what it brings."""

    slope: float
    promised: float
    measured: float


def nudges(length: float = 0.01) -> list[Nudge]:
    """Each weight by itself is moved by `length` against the sign of its slope, from the start."""
    told = []
    for i, slope in enumerate(RAVINE @ START):
        moved = START.copy()
        moved[i] -= length * np.sign(slope)
        told.append(Nudge(slope, -length * abs(slope), ravine(moved) - ravine(START)))
    return told


# AdaGrad remembers for ever.


def burst(large: float = 100.0, first: int = 10, steps: int = 300) -> Array:
    """Gradients that are `large` for the first steps and 1 ever after; shape (steps, 1)."""
    return np.where(np.arange(steps) < first, large, 1.0)[:, None]


def adagrad_slope(steps: int = 1000) -> float:
    """Slope of log(step) over log(t) for AdaGrad under a constant gradient."""
    moves = steps_on_a_slope("AdaGrad", np.ones((steps, 1)), Settings(1.0))[:, 0]
    return float(np.polyfit(np.log(np.arange(1, steps + 1)), np.log(moves), 1)[0])


def adagrad_rates(racer: Racer, H: Array = RAVINE) -> Array:
    """AdaGrad's learning rate of each component over its walk in the race, (steps, d)."""
    return racer.lr / np.sqrt(np.cumsum((racer.walk[:-1] @ H) ** 2, axis=0))


def full_adagrad_steps(turned: bool, lrs: Array = RACE_LRS) -> int:
    """Fewest steps to the goal of AdaGrad with the root of the whole matrix of products.

    The accumulator is the sum of g g^T, and the gradient is multiplied by the inverse of its root:
    this is the form that Duchi, Hazan and Singer (2011) begin with. All rates walk at once.
    """
    H, start = surface(turned)
    theta, total = np.tile(start, (len(lrs), 1)), np.zeros((len(lrs), 2, 2))
    goal, last = RACE_GOAL * quadratic(H, start), np.zeros(len(lrs))
    for t in range(1, RACE_LIMIT + 1):
        grad = theta @ H
        total = total + grad[:, :, None] * grad[:, None, :]
        size, basis = np.linalg.eigh(total)
        inside = np.einsum("kij,ki->kj", basis, grad) / (np.sqrt(np.maximum(size, 0)) + 1e-8)
        theta = theta - lrs[:, None] * np.einsum("kij,kj->ki", basis, inside)
        last = np.where(quadratic(H, theta) <= goal, last, t)
    return int(last.min()) + 1


# RMSprop: constant gradients of any scale, and gradients that vary.


def _noisy_steps(spread: float, n: int, steps: int, seed: int, beta: float) -> Array:
    """RMSprop's steps in the last third of `n` runs, (steps / 3, n)."""
    grads = 1 + spread * np.random.default_rng(seed).normal(size=(steps, n))
    moves = steps_on_a_slope("RMSprop", grads, Settings(1.0, beta2=beta))
    return moves[-steps // 3 :]


def mean_step_under_noise(
    spread: float, n: int = 300, steps: int = 1500, seed: int = 8, beta: float = 0.99
) -> tuple[float, float]:
    """Mean step of RMSprop, in units of lr, for gradients 1 + spread * noise.

    Of each of the `n` runs only the last third counts: by then v has settled.

    Returns
    -------
    the mean over the runs, and its standard error.
    """
    runs = _noisy_steps(spread, n, steps, seed, beta).mean(axis=0)
    return float(runs.mean()), float(runs.std(ddof=1) / np.sqrt(n))


def typical_step_under_noise(
    spread: float, n: int = 300, steps: int = 1500, seed: int = 8, beta: float = 0.99
) -> float:
    """Root mean square of the same steps, in units of lr: how long one is, up or down."""
    return float(np.sqrt(np.mean(_noisy_steps(spread, n, steps, seed, beta) ** 2)))


# Adam near the start.

FORMS = ("both hats", "no hats", "only v has a hat", "only m has a hat")


def adam_without_hats(form: str, grads: Array, use: Settings) -> Array:
    """Lengths of Adam's steps where some of its averages are not bias-corrected, (steps, ...).

    "only v has a hat" is the form that lecture B prints first. The averages are the reference's.
    """
    m = v = np.zeros(np.shape(grads)[1:])
    moves = np.zeros(np.shape(grads))
    for t, grad in enumerate(grads, start=1):
        _, m, v = adam_step(m, np.asarray(grad), m, v, t, use.lr, use.beta1, use.beta2, use.eps)
        above = m / (1 - use.beta1**t) if form in ("both hats", "only m has a hat") else m
        below = v / (1 - use.beta2**t) if form in ("both hats", "only v has a hat") else v
        moves[t - 1] = use.lr * above / (np.sqrt(below) + use.eps)
    return moves


def first_steps(steps: int = 20) -> dict[str, Array]:
    """Lengths of the first steps under a constant gradient, in units of lr, for each form."""
    return {
        form: adam_without_hats(form, np.full((steps, 1), 3.0), Settings(1.0))[:, 0]
        for form in FORMS
    }


def walk_without_hats(form: str, H: Array, start: Array, steps: int, use: Settings) -> Array:
    """A walk of such an Adam on a quadratic, (steps + 1, d)."""
    theta, m, v = np.array(start), np.zeros_like(start), np.zeros_like(start)
    rows = [theta]
    for t in range(1, steps + 1):
        _, m, v = adam_step(theta, H @ theta, m, v, t, use.lr, use.beta1, use.beta2, use.eps)
        above = m / (1 - use.beta1**t) if form in ("both hats", "only m has a hat") else m
        below = v / (1 - use.beta2**t) if form in ("both hats", "only v has a hat") else v
        theta = theta - use.lr * above / (np.sqrt(below) + use.eps)
        rows.append(theta)
    return np.array(rows)


def longest_step(beta1: float = 0.9, beta2: float = 0.999) -> float:
    """The longest step of Adam that any gradients can bring, in units of lr, found by a run.

    By Cauchy and Schwarz the worst gradients grow by beta2 / beta1 a step. A long silence goes
    before them, so that the bias correction is over.
    """
    silence, growth = np.zeros(7000), (beta2 / beta1) ** np.arange(-1000.0, 0.0)
    grads = np.concatenate([silence, growth])[:, None]
    return float(steps_on_a_slope("Adam", grads, Settings(1.0, beta1, beta2, 1e-60))[-1, 0])


def longest_possible_step(beta1: float = 0.9, beta2: float = 0.999) -> float:
    """The bound on it, by Cauchy and Schwarz, in units of lr."""
    return float((1 - beta1) / np.sqrt(1 - beta2) / np.sqrt(1 - beta1**2 / beta2))


# The effective learning rate, and what happens when it grows.


def effective_rates(steps: int, use: Settings, H: Array = RAVINE, start: Array = START) -> Array:
    """Adam's effective learning rate of each component at each step of its walk, (steps, d)."""
    theta, m, v = np.array(start), np.zeros_like(start), np.zeros_like(start)
    rates = np.zeros((steps, len(start)))
    for t in range(1, steps + 1):
        theta, m, v = adam_step(theta, H @ theta, m, v, t, use.lr, use.beta1, use.beta2, use.eps)
        rates[t - 1] = effective_learning_rate(v, t, use.lr, use.beta2, use.eps)
    return rates


LONG = Settings(lr=0.1, beta2=0.99)
STABLE_RATE = 2 * (1 + LONG.beta1) / (1 - LONG.beta1)  # momentum's limit at curvature 1


def measured_momentum_limit(beta: float, low: float = 1.0, high: float = 100.0) -> float:
    """The learning rate at which momentum in a parabola of curvature 1 begins to grow, bisected."""
    for _ in range(30):
        middle = (low + high) / 2
        distance = np.abs(walk("momentum", np.eye(1), np.ones(1), 600, Settings(middle, beta)))
        if distance[-50:].max() < 1:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@dataclass(frozen=True)
class LongRun:
    """Adam in the parabola 1/2 theta^2: distance (steps + 1,) and effective rate (steps,)."""

    distance: Array
    rate: Array

    @property
    def crossing(self) -> int | None:
        """The first step whose effective rate is above momentum's limit; None if none is."""
        above = np.flatnonzero(self.rate > STABLE_RATE)
        return int(above[0]) + 1 if above.size else None

    @property
    def arrival(self) -> int:
        """The first step from which 25 in a row are within 1e-16 of the minimum."""
        near = np.convolve(self.distance < 1e-16, np.ones(25), "valid")
        return int(np.flatnonzero(near == 25)[0])

    def worst_after(self, step: int) -> float:
        """The largest distance from the minimum from a step on."""
        return float(self.distance[step:].max())


def long_run(eps: float, steps: int = 2000) -> LongRun:
    """Adam in a parabola of curvature 1, from 1, long after it has arrived."""
    use = Settings(LONG.lr, LONG.beta1, LONG.beta2, eps)
    H, start = np.eye(1), np.ones(1)
    distance = np.abs(walk("Adam", H, start, steps, use)[:, 0])
    return LongRun(distance, effective_rates(steps, use, H, start)[:, 0])


# Where eps stands.


def rmsprop_step_eps_inside(
    theta: Array, grad: Array, v: Array, lr: float, beta: float, eps: float
) -> tuple[Array, Array]:
    """RMSprop with sqrt(v + eps): Keras, Optax, and Goodfellow et al., algorithm 8.5."""
    _, v = rmsprop_step(theta, grad, v, lr, beta, eps)
    return theta - lr * grad / np.sqrt(v + eps), v


def settled_steps(sizes: Array, eps: float, inside: bool) -> Array:
    """RMSprop's step, in units of lr, under a constant gradient of each size once v has settled."""
    step = rmsprop_step_eps_inside if inside else rmsprop_step
    theta, _ = step(np.zeros_like(sizes), sizes, sizes**2, 1.0, 0.9, eps)
    return -theta


def adam_step_eps_hat(
    theta: Array, grad: Array, m: Array, v: Array, t: int, lr: float, eps: float
) -> tuple[Array, Array, Array]:
    """Adam as TensorFlow and Keras write it: eps beside the root of the *raw* v.

    Source: Kingma and Ba (2015), the remark at the end of section 2, where it is called
    epsilon-hat. The betas are 0.9 and 0.999.
    """
    _, m, v = adam_step(theta, grad, m, v, t, lr)
    rate = lr * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return theta - rate * m / (np.sqrt(v) + eps), m, v


# A cliff: one weight, used ten times over.

CLIFF_POWER = 10
CLIFF_START = 1.5
CLIFF_LR = 0.01
MAX_NORM = 1.0


def cliff(theta: Array) -> Array:
    """The loss 1/2 (theta^10 - 1)^2 of a chain of ten equal factors that should give 1."""
    return 0.5 * (np.asarray(theta) ** CLIFF_POWER - 1) ** 2


def cliff_gradient(theta: Array) -> Array:
    """Its derivative."""
    return (theta**CLIFF_POWER - 1) * CLIFF_POWER * theta ** (CLIFF_POWER - 1)


def clipped(grad: Array, max_norm: float) -> Array:
    """The gradient, at most `max_norm` long, in its own direction.

    Source: Pascanu, Mikolov and Bengio (2013), algorithm 1.
    """
    norm = np.linalg.norm(grad)
    return grad * min(1.0, max_norm / norm) if norm else grad


def cliff_walk(name: str, max_norm: float | None, steps: int = 400) -> Array:
    """The weight after each step from the top of the cliff, start included, (steps + 1,)."""
    theta, state = np.array([CLIFF_START]), (np.zeros(1), np.zeros(1))
    rows = [CLIFF_START]
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(1, steps + 1):
            grad = cliff_gradient(theta)
            if max_norm is not None:
                grad = clipped(grad, max_norm)
            theta, state = one_step(name, theta, grad, state, t, Settings(CLIFF_LR))
            rows.append(float(theta[0]))
    return np.array(rows)


def steps_down(walk: Array, goal: float = 0.01) -> int | None:
    """After how many steps a walk is within `goal` of the weight 1, for good; None if never."""
    away = ~(np.abs(walk - 1) <= goal)
    return None if away[-1] else int(np.flatnonzero(away)[-1]) + 1


# Reddi's cycle: Adam forgets the one gradient that counts.

CYCLE = (3.0, -1.0, -1.0)
CYCLE_LR = 0.5
CYCLE_BETA2 = 0.1


def on_the_cycle(amsgrad: bool, steps: int = 3000, beta2: float = CYCLE_BETA2) -> Array:
    """Adam, or AMSGrad, on the slopes 3, -1, -1, 3, ... in [-1, 1], start included, (steps + 1,).

    beta1 is 0 and the learning rate falls like 1 / sqrt(t), as in the proof. AMSGrad divides by the
    largest average so far.

    Source: Reddi, Kale and Kumar (2018), section 3.
    """
    theta, m, v, largest = np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1)
    rows = [0.0]
    for t in range(1, steps + 1):
        grad, lr = np.array([CYCLE[(t - 1) % len(CYCLE)]]), CYCLE_LR / np.sqrt(t)
        moved, m, v = adam_step(theta, grad, m, v, t, lr, 0.0, beta2)
        if amsgrad:
            largest = np.maximum(largest, v)
            moved = theta - grad * effective_learning_rate(largest, t, lr, beta2)
        theta = np.clip(moved, -1.0, 1.0)
        rows.append(float(theta[0]))
    return np.array(rows)


def one_turn_of_the_cycle(turns: int = 20) -> Array:
    """Adam's three steps down, in units of lr, once its average has settled, (3,)."""
    grads = np.tile(CYCLE, turns)[:, None]
    return steps_on_a_slope("Adam", grads, Settings(1.0, 0.0, CYCLE_BETA2))[-3:, 0]


# AdamW, and Adam with L2.

DECAY = Settings(lr=0.01)
WEIGHT_DECAY = 0.1
NOISE_SCALES = (0.1, 1.0, 10.0)


@dataclass(frozen=True)
class Shrinking:
    """Mean weight over the steps for each scale of the noise, and the standard error at the end."""

    means: Array  # (steps + 1, scales)
    errors: Array  # (scales,)


def shrinking_weights(decoupled: bool, n: int = 600, steps: int = 1000, seed: int = 4) -> Shrinking:
    """Weights that begin at 1 under gradients of pure noise, and a decay that pulls them to 0.

    There is nothing to learn, so what moves the mean of `n` weights is the decay alone.

    Parameters
    ----------
    decoupled : AdamW; else Adam with the gradient of 1/2 WEIGHT_DECAY theta^2 added to the loss's
    """
    rng = np.random.default_rng(seed)
    scales = np.array(NOISE_SCALES)
    theta = np.ones((n, len(scales)))
    m = v = np.zeros_like(theta)
    means = [theta.mean(axis=0)]
    for t in range(1, steps + 1):
        grad = scales * rng.normal(size=theta.shape)
        if decoupled:
            theta, m, v = adamw_step(theta, grad, m, v, t, lr=DECAY.lr, weight_decay=WEIGHT_DECAY)
        else:
            theta, m, v = adam_step(theta, grad + WEIGHT_DECAY * theta, m, v, t, lr=DECAY.lr)
        means.append(theta.mean(axis=0))
    return Shrinking(np.array(means), theta.std(axis=0, ddof=1) / np.sqrt(n))


# Beside torch.optim.


def torch_gaps(steps: int = 1000, seed: int = 20) -> dict[str, float]:
    """Largest distance from `torch.optim` over random steps in float64, for each optimiser.

    Twelve parameters, whose gradients have sizes from 1e-4 to 1e2, and a learning rate that
    changes at every step. Every step of both is compared.
    """
    import torch

    rng = np.random.default_rng(seed)
    d, eps, decay = 12, 1e-6, 0.05
    scales = 10 ** np.linspace(-4, 2, d)
    grads = scales * rng.normal(size=(steps, d)) + 0.3 * scales
    lrs = 0.02 * rng.uniform(0.2, 1.0, steps)
    start = rng.normal(size=d)

    def ours(name: str) -> Iterator[Array]:
        theta, m, v = start, np.zeros(d), np.zeros(d)
        for t, (grad, lr) in enumerate(zip(grads, lrs, strict=True), start=1):
            use: dict[str, Any] = dict(lr=lr, beta1=0.85, beta2=0.98, eps=eps)
            match name:
                case "Adagrad":
                    theta, v = adagrad_step(theta, grad, v, lr, eps)
                case "RMSprop":
                    theta, v = rmsprop_step(theta, grad, v, lr, 0.95, eps)
                case "Adam":
                    theta, m, v = adam_step(theta, grad, m, v, t, **use)
                case "Adam with L2":
                    theta, m, v = adam_step(theta, grad + decay * theta, m, v, t, **use)
                case "AdamW":
                    theta, m, v = adamw_step(theta, grad, m, v, t, **use, weight_decay=decay)
            yield theta

    betas: dict[str, Any] = dict(betas=(0.85, 0.98), eps=eps)
    makers: dict[str, Callable[[list[Any]], torch.optim.Optimizer]] = {
        "Adagrad": lambda p: torch.optim.Adagrad(p, eps=eps),
        "RMSprop": lambda p: torch.optim.RMSprop(p, alpha=0.95, eps=eps),
        "Adam": lambda p: torch.optim.Adam(p, **betas),
        "Adam with L2": lambda p: torch.optim.Adam(p, **betas, weight_decay=decay),
        "AdamW": lambda p: torch.optim.AdamW(p, **betas, weight_decay=decay),
    }
    gaps = {}
    for name, make in makers.items():
        theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        optimiser = make([theta])
        gaps[name] = 0.0
        for grad, lr, mine in zip(grads, lrs, ours(name), strict=True):
            optimiser.param_groups[0]["lr"] = lr
            theta.grad = torch.tensor(grad)
            optimiser.step()
            gaps[name] = max(gaps[name], float(np.max(np.abs(theta.detach().numpy() - mine))))
    return gaps
