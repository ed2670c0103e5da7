"""Chapter 4's experiments: the page draws what they return, the tests assert it.

The walks are made by the references (averaged form); the two other conventions, which the
references do not have, are two lines each and are held against torch.optim.SGD by the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from book.page import live_figure, live_look
from solutions.momentum import (
    bias_correct,
    ema_weights,
    heavy_ball_optimum,
    momentum_step,
    nesterov_step,
)

Array = np.ndarray
Gradient = Callable[[Array], Array]

METHODS = ("plain", "momentum", "nesterov")


# The ravine: walls of curvature 1, a floor of curvature 1/k.

RAVINE_START = np.array([9.0, 1.0])


def curvatures(k: float) -> Array:
    """The curvatures of the ravine with condition number k, along its floor and across."""
    return np.array([1 / k, 1.0])


def ravine_losses(walk: Array, k: float) -> Array:
    """The loss 1/2 (theta_0 ** 2 / k + theta_1 ** 2) at each point of a walk, (steps + 1,)."""
    return 0.5 * walk**2 @ curvatures(k)


def ravine(k: float) -> Callable[[Array], float]:
    """The loss, as a function of theta."""
    return lambda theta: float(0.5 * theta**2 @ curvatures(k))


def ravine_gradient(k: float) -> Gradient:
    """Its gradient, as a function of theta."""
    return lambda theta: curvatures(k) * theta


def one_step(
    method: str, theta: Array, velocity: Array, grad: Gradient, lr: float, beta: float
) -> tuple[Array, Array]:
    """A step of the method of that name, `lr` in the averaged form. Plain descent has beta = 0."""
    if method == "nesterov":
        return nesterov_step(theta, velocity, grad, lr, beta)
    return momentum_step(theta, velocity, grad(theta), lr, beta if method == "momentum" else 0.0)


def walk(
    method: str, grad: Gradient, theta0: Array, lr: float, beta: float, steps: int
) -> tuple[Array, Array]:
    """Points and velocities of a walk, each (steps + 1, d), start included."""
    points, velocities = [np.array(theta0, dtype=float)], [np.zeros(len(theta0))]
    for _ in range(steps):
        theta, velocity = one_step(method, points[-1], velocities[-1], grad, lr, beta)
        points.append(theta)
        velocities.append(velocity)
    return np.array(points), np.array(velocities)


def averaged_lr(lr: float, beta: float) -> float:
    """The averaged form's learning rate for a PyTorch-form one."""
    return lr / (1 - beta)


def best(method: str, k: float, L: float = 1.0) -> tuple[float, float]:
    """The learning rate (averaged form) and beta of each method on a quadratic.

    Plain descent: 2 / (mu + L). Momentum: Polyak's. Nesterov: lr = 1 / L in PyTorch's form and
    beta = (sqrt k - 1) / (sqrt k + 1), the usual choice (Nesterov 2004, section 2.2).
    """
    mu = L / k
    if method == "plain":
        return 2 / (mu + L), 0.0
    if method == "momentum":
        lr, beta = heavy_ball_optimum(mu, L)
    else:
        lr, beta = 1 / L, float(np.sqrt(heavy_ball_optimum(mu, L)[1]))
    return averaged_lr(lr, beta), beta


def steps_to(
    method: str, k: float, lr: float, beta: float, goal: float = 1e-6, limit: int = 20_000
) -> int | None:
    """Steps until the ravine's loss stays below `goal` of its start; None if beyond `limit`.

    "Stays" is read off the walk up to twice the step at which it first fell below.
    """
    grad, theta, velocity = ravine_gradient(k), RAVINE_START, np.zeros(2)
    f, start = ravine(k), ravine(k)(RAVINE_START)
    last_above = t = 0
    while t <= 2 * last_above + 10:
        if t > limit or not np.all(np.abs(theta) < 1e12):
            return None
        if f(theta) > goal * start:
            last_above = t
        theta, velocity = one_step(method, theta, velocity, grad, lr, beta)
        t += 1
    return last_above + 1


# Overshoot: where the velocity carries a ball over the minimum.


@dataclass(frozen=True)
class Overshoot:
    """One moment of a walk on theta ** 2 / 2, and the two next steps that it may have."""

    theta: float
    kept: float  # -lr * beta * velocity: the part of the step that is known already
    look_ahead: float
    here: float  # the gradient at theta
    there: float  # at the look-ahead point
    lr: float
    beta: float

    def pull(self, gradient: float) -> float:
        """The new part of the step, -lr * (1 - beta) * gradient."""
        return -self.lr * (1 - self.beta) * gradient


def overshoot(lr: float = 2.5, beta: float = 0.7, start: float = 1.5) -> Overshoot:
    """The first moment at which theta is before the minimum and its look-ahead point beyond it."""
    theta, velocity = np.array([start]), np.zeros(1)
    while True:
        ahead = theta - lr * beta * velocity
        if ahead[0] < -0.2 * start:
            break
        theta, velocity = momentum_step(theta, velocity, theta, lr, beta)
    # The reference's own velocity says which gradient it asked for.
    _, new = nesterov_step(theta, velocity, lambda p: p, lr, beta)
    there = float((new - beta * velocity)[0] / (1 - beta))
    kept = float(-lr * beta * velocity[0])
    return Overshoot(float(theta[0]), kept, float(ahead[0]), float(theta[0]), there, lr, beta)


# Rates: by how much a step shrinks the distance in the long run.


def theoretical_rate(method: str, lr: float, beta: float, lambdas: Iterable[float]) -> float:
    """The largest modulus among the roots of each direction's two-term recursion.

    Along an eigenvector of curvature lambda, with a = lr (1 - beta):
    momentum  theta_{t+1} = (1 + beta - a lambda) theta_t - beta theta_{t-1};
    Nesterov  the same with the look-ahead, (1 + beta)(1 - a lambda) and beta (1 - a lambda).
    """
    if method == "plain":
        return max(abs(1 - lr * x) for x in lambdas)
    a, largest = lr * (1 - beta), 0.0
    for x in lambdas:
        if method == "momentum":
            total, product = 1 + beta - a * x, beta
        else:
            total, product = (1 + beta) * (1 - a * x), beta * (1 - a * x)
        square = total**2 - 4 * product
        # A tiny negative is a double root, seen through rounding.
        root = np.sqrt(product) if square < 0 else (abs(total) + np.sqrt(square)) / 2
        largest = max(largest, float(root))
    return largest


def roots(curvature: float, lr: float, beta: float) -> Array:
    """The two roots of momentum's recursion along one direction, complex, the larger one first.

    r ** 2 - (1 + beta - lr (1 - beta) curvature) r + beta = 0.
    """
    half = (1 + beta - lr * (1 - beta) * curvature) / 2
    root = np.sqrt(complex(half**2 - beta))
    pair = np.array([half + root, half - root])
    return pair[np.argsort(-np.abs(pair), kind="stable")]


def measured_rate(method: str, H: Array, lr: float, beta: float, settle: int, count: int) -> float:
    """The mean factor a step, from step `settle` over `count` steps of a walk on a quadratic.

    H is the Hessian, (d, d), or its diagonal, (d,). The size that shrinks is that of distance
    and last step together: while the ball swings, the one is large where the other is small. The
    walk is rescaled on its way, which changes no factor on a quadratic and keeps it from
    underflow.
    """
    grad: Gradient = (lambda p: H * p) if H.ndim == 1 else (lambda p: H @ p)
    theta, velocity = np.ones(len(H)), np.zeros(len(H))
    scale = before = now = 0.0
    for t in range(settle + count):
        theta, velocity = one_step(method, theta, velocity, grad, lr, beta)
        size = float(np.sqrt(theta @ theta + lr * lr * (velocity @ velocity)))
        if size == 0:
            return 0.0
        if not 1e-50 < size < 1e50:
            theta, velocity, scale, size = theta / size, velocity / size, scale + np.log(size), 1.0
        now = scale + np.log(size)
        if t == settle - 1:
            before = now
    return float(np.exp((now - before) / count))


def gd_bound(k: float) -> float:
    """(k - 1) / (k + 1)."""
    return (k - 1) / (k + 1)


def heavy_ball_bound(k: float) -> float:
    """(sqrt k - 1) / (sqrt k + 1)."""
    return (np.sqrt(k) - 1) / (np.sqrt(k) + 1)


def nesterov_bound(k: float) -> float:
    """1 - 1 / sqrt k, for lr = 1 / L and beta = (sqrt k - 1) / (sqrt k + 1)."""
    return 1 - 1 / np.sqrt(k)


BOUNDS: dict[str, Callable[[float], float]] = {
    "plain": gd_bound,
    "momentum": heavy_ball_bound,
    "nesterov": nesterov_bound,
}


def random_quadratic(k: float, rng: np.random.Generator, d: int = 8) -> Array:
    """A Hessian with curvatures from 1/k to 1, spread evenly in the logarithm, in a random turn."""
    q, _ = np.linalg.qr(rng.normal(size=(d, d)))
    H = (q * np.geomspace(1 / k, 1, d)) @ q.T
    return (H + H.T) / 2


def rates(ks: Iterable[float], seed: int = 4) -> dict[str, Array]:
    """Measured rates with the best settings, on a random quadratic for each condition number."""
    rng = np.random.default_rng(seed)
    table: dict[str, list[float]] = {method: [] for method in METHODS}
    for k in ks:
        H = random_quadratic(k, rng)
        for method in METHODS:
            # Descent's middle directions die out within some k steps. The double root of the
            # others brings a factor t, which fades as 1 / count.
            many = int(3 * k) if method == "plain" else int(100 * np.sqrt(k))
            count = 1000 if method == "plain" else 400 + many
            table[method].append(measured_rate(method, H, *best(method, k), 400 + many, count))
    return {method: np.array(row) for method, row in table.items()}


def condition_number_for(beta: float) -> float:
    """The condition number for which a beta is Polyak's."""
    root = np.sqrt(beta)
    return float(((1 + root) / (1 - root)) ** 2)


def slope_of_gain(ks: Array, measured: Array) -> float:
    """Slope of log(1 - rate) over log k."""
    return float(np.polyfit(np.log(ks), np.log(1 - measured), 1)[0])


def cliff(method: str, beta: float, k: float = 100.0, halvings: int = 24) -> float:
    """The learning rate (averaged form, L = 1) where the walk turns from shrinking to growing."""
    low, high = 0.5, 1000.0
    for _ in range(halvings):
        middle = (low + high) / 2
        if measured_rate(method, curvatures(k), middle, beta, 300, 300) < 1:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def cliff_formula(method: str, beta: float) -> float:
    """Where it must be: a root of the steepest direction's recursion reaches -1."""
    if method == "plain":
        return 2.0
    limit = 2 * (1 + beta) if method == "momentum" else 2 * (1 + beta) / (1 + 2 * beta)
    return averaged_lr(limit, beta)


def beta_at_the_cliff(method: str, lr: float) -> float:
    """The beta below which a method diverges at this `lr` (averaged form, L = 1)."""
    return float(brentq(lambda beta: cliff_formula(method, beta) - lr, 0.0, 0.999))


def steps_a_digit(k: float, more_beta: float = 0.0) -> float:
    """Steps of momentum for one more decimal digit, at the best `lr`, beta larger by that much."""
    lr, beta = best("momentum", k)
    rate = theoretical_rate("momentum", lr, beta + more_beta, curvatures(k))
    return float(-np.log(10) / np.log(rate))


# The exponential average.


def unrolled_gap(beta: float = 0.9, t: int = 40, seed: int = 4) -> float:
    """Largest difference between the velocity after t steps and the weighted sum of gradients."""
    gradients = np.random.default_rng(seed).normal(size=(t, 3))
    theta, velocity = np.zeros(3), np.zeros(3)
    for g in gradients:
        theta, velocity = momentum_step(theta, velocity, g, 0.1, beta)
    return float(np.max(np.abs(ema_weights(beta, t) @ gradients - velocity)))


def average_of(numbers: Sequence[float] | Array, beta: float) -> Array:
    """The exponential average of a list of numbers, after each of them."""
    theta = velocity = np.zeros(1)
    rows = []
    for g in numbers:
        theta, velocity = momentum_step(theta, velocity, np.array([g]), 0.0, beta)
        rows.append(velocity[0])
    return np.array(rows)


def corrected(averages: Array, beta: float) -> Array:
    """The same averages, each freed from the pull of its zero start."""
    return np.array(
        [bias_correct(np.array([v]), beta, t)[0] for t, v in enumerate(averages, start=1)]
    )


def gain_of_noise(beta: float, n: int = 20_000, t: int = 200, seed: int = 4) -> tuple[float, float]:
    """Variance of n averages of independent normal noise of variance 1, and its standard error."""
    rng = np.random.default_rng(seed)
    theta = velocity = np.zeros(n)
    for _ in range(t):
        theta, velocity = momentum_step(theta, velocity, rng.normal(size=n), 0.0, beta)
    variance = float(np.var(velocity, ddof=1))
    return variance, variance * float(np.sqrt(2 / (n - 1)))


@dataclass(frozen=True)
class NoiseFloor:
    """Walks at the bottom of theta ** 2 / 2 whose gradients have noise of variance 1."""

    velocity: float  # variance of the velocity
    height: float  # mean loss
    error: float  # standard error of the height


def noise_floor(
    beta: float, lr: float = 0.1, walks: int = 20_000, steps: int = 300, seed: int = 4
) -> NoiseFloor:
    """Momentum with noisy gradients, `walks` side by side, after `steps` steps from the minimum."""
    rng = np.random.default_rng(seed)
    theta = velocity = np.zeros(walks)
    for _ in range(steps):
        theta, velocity = momentum_step(theta, velocity, theta + rng.normal(size=walks), lr, beta)
    heights = theta**2 / 2
    return NoiseFloor(
        velocity=float(np.var(velocity)),
        height=float(np.mean(heights)),
        error=float(np.std(heights, ddof=1) / np.sqrt(walks)),
    )


def predicted_floor(beta: float, lr: float) -> float:
    """The height in closed form: theta is an autoregression of order two, with known variance.

    lr / 4 for small lr, whatever beta is.
    """
    return lr * (1 + beta) / (2 * (2 * (1 + beta) - lr * (1 - beta)))


def zigzag(k: float = 100.0, lr: float = 1.9, steps: int = 40) -> tuple[Array, Array]:
    """Gradients along plain descent in the ravine, and their averages with beta = 0.9."""
    points, _ = walk("plain", ravine_gradient(k), RAVINE_START, lr, 0.0, steps)
    gradients = points * curvatures(k)
    averages = np.column_stack([average_of(column, 0.9) for column in gradients.T])
    return gradients, averages


# The three conventions.


def averaged_walk(
    grad: Gradient, theta0: Array, lrs: Iterable[float], betas: Iterable[float]
) -> Array:
    """v <- beta v + (1 - beta) g; theta <- theta - lr v. The reference."""
    points, velocity = [np.array(theta0, dtype=float)], np.zeros(len(theta0))
    for lr, beta in zip(lrs, betas, strict=True):
        theta, velocity = momentum_step(points[-1], velocity, grad(points[-1]), lr, beta)
        points.append(theta)
    return np.array(points)


def summed_walk(
    grad: Gradient, theta0: Array, lrs: Iterable[float], betas: Iterable[float]
) -> Array:
    """v <- beta v + g; theta <- theta - lr v. PyTorch's, and Polyak's heavy ball."""
    points, velocity = [np.array(theta0, dtype=float)], np.zeros(len(theta0))
    for lr, beta in zip(lrs, betas, strict=True):
        velocity = beta * velocity + grad(points[-1])
        points.append(points[-1] - lr * velocity)
    return np.array(points)


def stepped_walk(
    grad: Gradient,
    theta0: Array,
    lrs: Iterable[float],
    betas: Iterable[float],
    rescaled: bool = False,
) -> Array:
    """v <- beta v - lr g; theta <- theta + v. Sutskever's: the velocity is the step itself.

    With `rescaled`, the old step is first brought to the present learning rate; beta is constant.
    """
    points, velocity, before = [np.array(theta0, dtype=float)], np.zeros(len(theta0)), None
    for lr, beta in zip(lrs, betas, strict=True):
        if rescaled and before is not None:
            velocity = velocity * lr / before
        velocity = beta * velocity - lr * grad(points[-1])
        points.append(points[-1] + velocity)
        before = lr
    return np.array(points)


def bumpy_gradient(theta: Array) -> Array:
    """The gradient of log cosh(theta_0 + 2 theta_1) + theta_0 ** 2 / 4: smooth, no quadratic."""
    t = np.tanh(theta[0] + 2 * theta[1])
    return np.array([t + theta[0] / 2, 2 * t])


def bumpy_hessian(theta: Array) -> Array:
    """Its Hessian."""
    s = 1 - np.tanh(theta[0] + 2 * theta[1]) ** 2
    return np.array([[s + 0.5, 2 * s], [2 * s, 4 * s]])


BUMPY_START = np.array([3.0, -0.6])
STEPS = 60
CHANGE = 10  # after this many steps


@dataclass(frozen=True)
class Settings:
    """Learning rates (averaged form) and betas of a run, one a step."""

    lrs: Array
    betas: Array


def settings(kind: str, steps: int = STEPS) -> Settings:
    """Everything held fixed, or from step 11 on `lr` a tenth of what it was, or beta 0.5."""
    lrs, betas = np.full(steps, 0.5), np.full(steps, 0.9)
    if kind == "lr":
        lrs[CHANGE:] = 0.05
    elif kind == "beta":
        betas[CHANGE:] = 0.5
    return Settings(lrs, betas)


def convention_gaps(kind: str, steps: int = STEPS) -> dict[str, float]:
    """Largest distance of each convention's walk from the averaged one, `lr` translated.

    The translation is lr (1 - beta), step by step.
    """
    run = settings(kind, steps)
    there = run.lrs * (1 - run.betas)
    base = averaged_walk(bumpy_gradient, BUMPY_START, run.lrs, run.betas)
    others = {
        "PyTorch": summed_walk(bumpy_gradient, BUMPY_START, there, run.betas),
        "Sutskever": stepped_walk(bumpy_gradient, BUMPY_START, there, run.betas),
        "Sutskever, rescaled": stepped_walk(bumpy_gradient, BUMPY_START, there, run.betas, True),
    }
    return {name: largest_gap(points, base) for name, points in others.items()}


def steps_after_a_cut(steps: int = 60, cut: int = 25) -> dict[str, Array]:
    """Length of each step on a steady slope when `lr` falls to a tenth at step `cut`."""
    lrs = np.where(np.arange(steps) < cut, 1.0, 0.1)
    betas = np.full(steps, 0.9)

    def slope(theta: Array) -> Array:
        return np.ones(1)

    walks = {
        "averaged": averaged_walk(slope, np.zeros(1), lrs, betas),
        "PyTorch": summed_walk(slope, np.zeros(1), lrs * (1 - betas), betas),
        "Sutskever": stepped_walk(slope, np.zeros(1), lrs * (1 - betas), betas),
    }
    return {name: np.abs(np.diff(points[:, 0])) for name, points in walks.items()}


# torch.optim.SGD. torch is imported late: most of the page does without it.


def torch_walk(
    grad: Gradient,
    theta0: Array,
    lrs: Iterable[float],
    momentum: float,
    dampening: float = 0.0,
    nesterov: bool = False,
) -> Array:
    """Parameters of torch.optim.SGD in float64, (steps + 1, d), start included."""
    import torch

    theta = torch.tensor(np.array(theta0, dtype=float), requires_grad=True)
    optimiser = torch.optim.SGD(
        [theta], lr=1.0, momentum=momentum, dampening=dampening, nesterov=nesterov
    )
    points = [theta.detach().numpy().copy()]
    for lr in lrs:
        for group in optimiser.param_groups:
            group["lr"] = float(lr)
        theta.grad = torch.from_numpy(np.array(grad(points[-1]), dtype=float))
        optimiser.step()
        points.append(theta.detach().numpy().copy())
    return np.array(points)


def torch_refusal() -> str:
    """What torch says to dampening together with Nesterov."""
    import torch

    try:
        torch.optim.SGD([torch.zeros(1)], lr=0.1, momentum=0.9, dampening=0.1, nesterov=True)
    except ValueError as refusal:
        return str(refusal)
    return ""


def torch_version() -> str:
    """The version, without what it was built for."""
    import torch

    return str(torch.__version__).split("+")[0]


def largest_gap(a: Array, b: Array) -> float:
    """The largest distance between two walks, step by step."""
    return float(np.max(np.linalg.norm(a - b, axis=1)))


def torch_gaps(steps: int = 200) -> dict[str, float]:
    """Where torch and the references meet, and where they do not: the largest distances."""
    lr, beta = 0.5, 0.9
    constant = np.full(steps, lr)
    changing = np.where(np.arange(steps) < CHANGE, lr, lr / 10)
    betas = np.full(steps, beta)
    gaps = {}
    for name, lrs in (("constant", constant), ("changing", changing)):
        ours = averaged_walk(bumpy_gradient, BUMPY_START, lrs, betas)
        theirs = torch_walk(bumpy_gradient, BUMPY_START, lrs * (1 - beta), beta)
        gaps[f"momentum, {name} lr"] = largest_gap(ours, theirs)
        damped = torch_walk(bumpy_gradient, BUMPY_START, lrs, beta, dampening=beta)
        gaps[f"dampening, {name} lr"] = largest_gap(ours, damped)
        gaps[f"nesterov, {name} lr"] = nesterov_gap(lrs, beta)
    return gaps


def damped_end(steps: int = 400) -> float:
    """How far apart torch with dampening = beta and the averaged form end on the smooth loss."""
    lrs, betas = np.full(steps, 0.5), np.full(steps, 0.9)
    ours = averaged_walk(bumpy_gradient, BUMPY_START, lrs, betas)
    theirs = torch_walk(bumpy_gradient, BUMPY_START, lrs, 0.9, dampening=0.9)
    return float(np.linalg.norm(ours[-1] - theirs[-1]))


def look_ahead_points(grad: Gradient, theta0: Array, lrs: Array, beta: float) -> Array:
    """Where the reference asks for the gradient, before each step and after the last."""
    theta, velocity = np.array(theta0, dtype=float), np.zeros(len(theta0))
    points = []
    for lr in lrs:
        points.append(theta - lr * beta * velocity)
        theta, velocity = nesterov_step(theta, velocity, grad, float(lr), beta)
    points.append(theta - lrs[-1] * beta * velocity)
    return np.array(points)


def nesterov_gap(lrs: Array, beta: float) -> float:
    """Largest distance between torch's Nesterov iterates and our look-ahead points."""
    ours = look_ahead_points(bumpy_gradient, BUMPY_START, lrs, beta)
    theirs = torch_walk(bumpy_gradient, BUMPY_START, lrs * (1 - beta), beta, nesterov=True)
    return largest_gap(ours, theirs)


@dataclass(frozen=True)
class FirstStep:
    """torch with dampening = beta beside the averaged form, on the same list of gradients."""

    velocity_gap: Array  # (steps,), in units of the first gradient
    position_gap: Array  # (steps,), in units of lr times the first gradient


def first_step_gap(beta: float = 0.9, steps: int = 60, seed: int = 4) -> FirstStep:
    """What remains of a first step that torch does not dampen, when the gradients are given.

    In closed form beta ** t of the first gradient in the velocity, and the sum of that,
    beta (1 - beta ** t) / (1 - beta), in the position.
    """
    gradients = np.random.default_rng(seed).normal(size=(steps, 1)) + 2
    lr = 0.1
    feed = iter(gradients)
    theirs = torch_walk(lambda theta: next(feed), np.zeros(1), np.full(steps, lr), beta, beta)
    feed_again = iter(gradients)
    ours = averaged_walk(
        lambda theta: next(feed_again), np.zeros(1), np.full(steps, lr), np.full(steps, beta)
    )
    gap = (ours - theirs)[:, 0] / (lr * gradients[0, 0])
    return FirstStep(velocity_gap=np.diff(gap), position_gap=gap[1:])


# Nesterov: the look-ahead by Taylor's expansion.


def look_ahead_taylor(lrs: Iterable[float], beta: float = 0.9) -> tuple[Array, Array]:
    """Change of the gradient by looking ahead, and what of it the Hessian leaves unexplained.

    For each lr, the length of grad(theta - lr beta v) - grad(theta), and the length of what
    remains when -lr beta H v is taken off.
    """
    theta, velocity = np.array([0.4, -0.3]), np.array([0.8, 0.5])
    here, changes, remainders = bumpy_gradient(theta), [], []
    for lr in lrs:
        _, ahead = nesterov_step(theta, velocity, bumpy_gradient, lr, beta)
        # From the velocity that the reference returns, the gradient that it must have seen.
        change = (ahead - beta * velocity) / (1 - beta) - here
        promised = -lr * beta * bumpy_hessian(theta) @ velocity
        changes.append(np.linalg.norm(change))
        remainders.append(np.linalg.norm(change - promised))
    return np.array(changes), np.array(remainders)


def look_ahead_on_a_quadratic(seed: int = 4) -> float:
    """Largest difference between Nesterov's velocity and its expansion, on a random quadratic."""
    rng = np.random.default_rng(seed)
    H = random_quadratic(50.0, rng)
    theta, velocity, lr, beta = rng.normal(size=8), rng.normal(size=8), 0.7, 0.9
    _, ahead = nesterov_step(theta, velocity, lambda p: H @ p, lr, beta)
    damped = velocity - lr * (1 - beta) * (H @ velocity)
    return float(np.max(np.abs(ahead - (beta * damped + (1 - beta) * H @ theta))))


# Where the best settings of a quadratic fail: a convex loss that is none.


def kinked_gradient(theta: Array) -> Array:
    """Slopes 25, 1, 25 in turn: strongly convex, curvature between 1 and 25, minimum at 0.

    Lessard, Recht and Packard (2016), up to notation.
    """
    x = theta[0]
    if x < 1:
        return np.array([25 * x])
    if x < 2:
        return np.array([x + 24])
    return np.array([25 * x - 24])


def kinked_walks(start: float = 3.3, steps: int = 60) -> dict[str, Array]:
    """|theta| along walks on the kinked loss: each method with its settings for mu = 1, L = 25."""
    rows = {}
    for method in METHODS:
        lr, beta = best(method, 25.0, L=25.0)
        points, _ = walk(method, kinked_gradient, np.array([start]), lr, beta, steps)
        rows[method] = points[:, 0]
    return rows


# The interactive figures. Their script does the same arithmetic; a browser test compares them.

LIVE_START = (4.0, 1.0)
LIVE_KS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)
LIVE_LRS = tuple(float(f"{10 * 1.05**i:.3g}") for i in range(-108, 48))
LIVE_BETAS = tuple(round(i / 100, 2) for i in range(100))
LIVE_SETTLE = 2000
LIVE_STEPS = 60


def ravine_data() -> dict[str, Any]:
    """What the figure of the ravine needs: the places of its sliders and its words."""
    return {
        "k": {"values": list(LIVE_KS), "start": LIVE_KS.index(100)},
        "lr": {
            "values": list(LIVE_LRS),
            "start": LIVE_LRS.index(10),
        },
        "beta": {"values": list(LIVE_BETAS), "start": LIVE_BETAS.index(0.9)},
        "start": list(LIVE_START),
        "looks": {method: live_look(method) for method in METHODS},
        "settle": LIVE_SETTLE,
        "steps": LIVE_STEPS,
        "labels": {
            "k": "k",
            "lr": "lr",
            "beta": "beta",
            "method": "Method",
            "plain": "plain descent, at its best lr",
            "momentum": "momentum",
            "nesterov": "Nesterov",
            "best": "Best setting",
            "step": "Step",
            "play": "Play",
            "pause": "Pause",
            "restart": "Restart",
            "map": f"{LIVE_STEPS} steps: θ\u2080 across, θ\u2081 up",
            "plane": "lr across, beta up: strong colour is fast",
            "lr_axis": "lr (logarithmic)",
            "beyond": "runs away",
            "start": "The start: drag it, or use the arrow keys",
            "setting": "The setting: drag it, or use the arrow keys",
            "at": "{a}, {b}",
            "pair": "lr {lr}, beta {beta}",
            "state": "{name}, k = {k}, lr = {lr}, beta = {beta}: rate {measured} measured, "
            "{theory} by theory, {tale}. After {t} steps the loss is {loss}; plain descent at its "
            "best has {plain}.",
            "digit": "{steps} steps a digit",
            "diverges": "it diverges",
            "stays": "it neither arrives nor diverges",
        },
    }


def roots_data() -> dict[str, Any]:
    """What the figure of the two roots needs."""
    return {
        "pull": {"values": [round(i / 100, 2) for i in range(401)], "start": 30},
        "beta": {"values": list(LIVE_BETAS), "start": LIVE_BETAS.index(0.9)},
        "steps": 60,
        "labels": {
            "pull": "a · λ",
            "beta": "beta",
            "plane": "The two roots r, in the complex plane",
            "walk": "θ along this direction, over 60 steps",
            "step": "step",
            "play": "Play",
            "pause": "Pause",
            "state": "Roots {roots}. The larger size is {size}. {tale}",
            "pair": "{real} ± {imaginary}i",
            "two": "{one} and {other}",
            "swing": "Complex: the walk swings, once in {period} steps.",
            "creep": "Both positive: the walk creeps in from one side.",
            "flip": "Both negative: the walk changes sides at each step.",
            "mixed": "One of each sign.",
            "gone": "One lies outside the unit circle: the walk runs away.",
        },
    }


def live_ravine(still: str) -> str:
    """The interactive figure at the top: a walk, and where it stands on the map of lr and beta."""
    return live_figure(
        "ravine-momentum",
        script="momentum",
        label="beta and lr on a ravine",
        still=still,
        data=ravine_data(),
    )


def live_roots(still: str) -> str:
    """The interactive figure of the two roots."""
    return live_figure(
        "two-roots", script="momentum", label="the two roots", still=still, data=roots_data()
    )
