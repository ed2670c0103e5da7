"""Chapter 5's experiments: the page draws what they return, the tests assert it.

Everything runs on the reference functions, so a mended reference mends the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from book.page import live_figure, picture
from solutions.adam import (
    adagrad_step,
    adam_step,
    adamw_step,
    effective_learning_rate,
    normalized_step,
    rmsprop_step,
)
from solutions.momentum import bias_correct, momentum_step

Array = np.ndarray
State = tuple[Array, Array]

NAMES = ("GD", "momentum", "normalised", "AdaGrad", "RMSprop", "Adam")
# AdamW runs in the interactive figure alone: the race's ravine has its minimum where decay pulls.
LIVE_NAMES = (*NAMES, "AdamW")


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


def walk(name: str, H: Array, start: Array, steps: int, use: Settings) -> Array:
    """The walk on a quadratic, start included: (steps + 1, d); n starts give (steps + 1, n, d)."""
    theta = np.array(start, dtype=np.float64)
    state = (np.zeros_like(theta), np.zeros_like(theta))
    rows = [theta]
    with np.errstate(over="ignore", invalid="ignore"):  # some walks of a race fly off
        for t in range(1, steps + 1):
            theta, state = one_step(name, theta, theta @ H, state, t, use)
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


def race(turned: bool = False, show: int = 120) -> dict[str, Racer]:
    """Every optimiser from the ravine's start, with the learning rate that needs fewest steps."""
    H, start = surface(turned)
    racers = {}
    for name in NAMES:
        steps = steps_to_goal(name, H, start[None], RACE_LRS)[:, 0]
        lr = float(RACE_LRS[np.argmin(steps)])
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


# AdaGrad remembers for ever.


def burst(large: float = 100.0, first: int = 10, steps: int = 300) -> Array:
    """Gradients that are `large` for the first steps and 1 ever after; shape (steps, 1)."""
    return np.where(np.arange(steps) < first, large, 1.0)[:, None]


def adagrad_slope(steps: int = 1000) -> float:
    """Slope of log(step) over log(t) for AdaGrad under a constant gradient."""
    moves = steps_on_a_slope("AdaGrad", np.ones((steps, 1)), Settings(1.0))[:, 0]
    return float(np.polyfit(np.log(np.arange(1, steps + 1)), np.log(moves), 1)[0])


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


# The interactive figure: its arithmetic is in JavaScript, and a browser test holds it to `walk`.

LIVE_STEPS = 200
LIVE_WORDS = {
    "racers": "Optimisers",
    "ravine": "The ravine",
    "axes": "along the axes",
    "turned": "turned by 45°",
    "lr": "lr of GD and momentum",
    "adaptiveLr": "lr of the others",
    "beta1": "beta1 (momentum, Adam)",
    "beta2": "beta2 (RMSprop, Adam)",
    "eps": "eps of the others",
    "weightDecay": "weight_decay (AdamW)",
    "shown": "Step shown",
    "map": "The walks: θ\u2080 across, θ\u2081 up. Square: the step shown",
    "loss": "Loss after each step (logarithmic)",
    "step": "step",
    "flown": "flown off",
    "tiny": "below 10\u207b\u00b9\u00b2",
    "state": "Loss after step {step}, lowest first: {list}.",
    "nobody": "No optimiser is chosen.",
}


def live_data() -> dict[str, Any]:
    """What the interactive figure begins with: surfaces, ranges of the controls, words."""

    def grid(low: float, high: float) -> list[float]:
        decades = round(10 * np.log10(high / low))
        return [float(f"{lr:.2g}") for lr in np.geomspace(low, high, decades + 1)]

    return {
        "steps": LIVE_STEPS,
        "show": 60,
        "surfaces": {
            "axes": {"H": RAVINE.tolist(), "start": START.tolist()},
            "turned": {"H": TURNED_RAVINE.tolist(), "start": (TURN @ START).tolist()},
        },
        "curvature": [1.0, 100.0],
        "names": list(LIVE_NAMES),
        "chosen": list(NAMES),
        "colours": [5, 1, 4, 6, 3, 2, 7],
        "dashes": ["", "7 3", "2 3", "9 3 2 3", "5 2", "", "14 3 2 3 2 3"],
        "lr": {"values": grid(1e-3, 1.0), "start": 0.016},
        "adaptiveLr": {"values": grid(1e-2, 10.0), "start": 0.1},
        "beta1": {"values": [0, 0.5, 0.8, 0.9, 0.95, 0.99], "start": 0.9},
        "beta2": {"values": [0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999], "start": 0.99},
        "eps": {"values": [1e-8, 0.01, 1, 100, 10_000], "start": 1e-8},
        "weightDecay": {"values": [0, 0.01, 0.03, 0.1, 0.3, 1], "start": 0.1},
        "words": LIVE_WORDS,
    }


def live_settings(name: str) -> Settings:
    """The hyperparameters with which the interactive figure begins."""
    data = live_data()
    lr = "lr" if name in ("GD", "momentum") else "adaptiveLr"
    controls = (lr, "beta1", "beta2", "eps", "weightDecay")
    return Settings(*(data[control]["start"] for control in controls))


def gap_under_a_large_eps(name: str, eps: float = 1e4, lr: float = 10.0, steps: int = 60) -> float:
    """Largest distance, in lengths of the start, from what an eps far above every gradient leaves.

    That is gradient descent at `lr / eps`; of Adam, momentum with its average corrected.
    """
    theta, velocity, left = START, np.zeros(2), [START]
    beta = 0.9 if name == "Adam" else 0.0
    for t in range(1, steps + 1):
        _, velocity = momentum_step(theta, velocity, RAVINE @ theta, lr / eps, beta)
        theta = theta - lr / eps * bias_correct(velocity, beta, t)
        left.append(theta)
    gaps = walk(name, RAVINE, START, steps, Settings(lr, beta1=beta, eps=eps)) - np.array(left)
    return float(np.max(np.linalg.norm(gaps, axis=1)) / np.linalg.norm(START))


def turned_end(name: str, weight_decay: float, steps: int = 60) -> float:
    """The loss in the turned ravine as the interactive figure shows it, with this decay."""
    H, start = surface(turned=True)
    use = replace(live_settings(name), weight_decay=weight_decay)
    return float(quadratic(H, walk(name, H, start, steps, use)[-1]))


def live_html(still: Any) -> str:
    """The interactive figure; `still` is a matplotlib figure for where no script runs."""
    return live_figure(
        "optimiser-race",
        script="adam",
        label="a race of optimisers",
        still="<p>Here is a figure that needs JavaScript and a screen. This is how it begins.</p>"
        + picture(
            still,
            "Left, a map of the ravine with the walks of six optimisers from the same start; "
            "right, their losses over the steps on a logarithmic axis.",
        ),
        data=live_data(),
    )
