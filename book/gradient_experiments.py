"""Chapter 2's experiments: the page draws what they return, the tests assert it.

Everything runs on the reference functions, so a mended reference mends the page.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import contourpy
import mpmath
import numpy as np
from scipy.optimize import minimize
from scipy.stats import linregress
from threadpoolctl import threadpool_limits

from autograder.datasets import gabor_data, line_data, with_ones
from autograder.figures import contours, curves, heights, new_figure, paths
from book import empirical_risk_experiments as sample
from book.page import live_figure, live_look, picture, share_error
from solutions.gradient import (
    bfgs_update,
    bracketing_line_search,
    gabor,
    gabor_gradient,
    gradient_descent,
    is_convex_hessian,
    linear_gradient,
    newton_step,
    numerical_gradient,
)

Array = np.ndarray
Function = Callable[[Array], float]
Gradient = Callable[[Array], Array]


# The ravine: a quadratic that is ten times as steep in one direction as in the other.

RAVINE = np.diag([1.0, 10.0])
RAVINE_START = np.array([4.0, 1.0])
RAVINE_L = 10.0


def ravine(theta: Array) -> float:
    """The loss 1/2 (theta_0 ** 2 + 10 theta_1 ** 2)."""
    return float(0.5 * theta @ RAVINE @ theta)


def ravine_gradient(theta: Array) -> Array:
    """Its gradient."""
    return RAVINE @ theta


def losses(f: Function, trajectory: Array) -> Array:
    """f at each point of a walk, shape (steps + 1,)."""
    return np.array([f(theta) for theta in trajectory])


def walk_in_ravine(lr: float, steps: int, curvature: float = RAVINE_L) -> Array:
    """Gradient descent on 1/2 (theta_0 ** 2 + curvature theta_1 ** 2), shape (steps + 1, 2)."""
    curvatures = np.array([1.0, curvature])
    with np.errstate(over="ignore", invalid="ignore"):  # a walk that diverges may overflow
        return gradient_descent(lambda theta: curvatures * theta, RAVINE_START, lr, steps)


def steps_until(
    lr: float, goal: float = 1e-6, limit: int = 2000, curvature: float = RAVINE_L
) -> int | None:
    """Steps that gradient descent needs to bring the ravine's loss down to `goal` of its start.

    None where it needs more than `limit`, or never gets there.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        # A fixed Hessian, so the loss of all points at once.
        heights = 0.5 * walk_in_ravine(lr, limit, curvature) ** 2 @ [1.0, curvature]
        below = np.flatnonzero(heights <= goal * heights[0])
    return int(below[0]) if below.size else None


def measured_threshold(
    curvature: float = RAVINE_L, low: float = 0.01, high: float = 1.0, halvings: int = 30
) -> float:
    """The learning rate at which the ravine's walk turns from shrinking to growing, bisected."""
    for _ in range(halvings):
        middle = (low + high) / 2
        walk = walk_in_ravine(middle, 400, curvature)
        if np.abs(walk[-1, 1]) < np.abs(walk[0, 1]):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def one_step_distances(lrs: Array) -> Array:
    """Distance to the ravine's minimum after a single step, for each learning rate."""
    return np.array(
        [np.linalg.norm(gradient_descent(ravine_gradient, RAVINE_START, lr, 1)[-1]) for lr in lrs]
    )


SLIDER_LRS = np.round(np.arange(0.005, 0.4201, 0.005), 3)
SLIDER_CURVATURES = (5, 10, 20, 40)
SLIDER_STEPS = 24


def live_data() -> dict[str, Any]:
    """What the interactive figure is given: the places of its controls, and its words."""
    return {
        "lr": SLIDER_LRS.tolist(),
        "curvatures": list(SLIDER_CURVATURES),
        "chosen": int(RAVINE_L),
        "start": int(np.flatnonzero(SLIDER_LRS == 0.18)[0]),
        "theta": RAVINE_START.tolist(),
        "look": live_look("GD"),
        "steps": SLIDER_STEPS,
        "labels": {
            "lr": "Learning rate",
            "curvature": "Curvature across, L",
            "map": "The walk: θ\u2080 across, θ\u2081 up",
            "loss": "Loss after each step (logarithmic)",
            "step": "step",
            "one": "One step",
            "play": "Play",
            "pause": "Pause",
            "back": "To the start",
            "handle": "The start: drag it, or use the arrow keys",
            "at": "{a}, {b}",
            "state": "Learning rate {lr}: {tale}; {end} The cliff 2/L is at {cliff}.",
            "arrives": "{steps} steps to a millionth of the loss.",
            "never": "it never arrives.",
        },
        "tales": {
            "edge": "at 2/L it swings from wall to wall, for ever equally far",
            "diverges": "it diverges: each swing across is {factor} times as wide as the last",
            "floor": "at 1/L one step takes it to the floor of the ravine, then it walks along it",
            "zigzags": "it zigzags, each swing across {factor} times as wide as the last",
            "creeps": "it creeps, and keeps {factor} of its distance to the floor at each step",
            "along": "it begins on the floor and stays there, and keeps {factor} of its distance "
            "to the minimum at each step",
        },
    }


def walks_picture(lrs: tuple[float, ...] = (0.05, 0.18, 0.205)) -> str:
    """The still picture: three walks on the ravine's map, and the loss of each."""
    fig, (top, bottom) = new_figure(2, 1, size=(5.6, 5.6))
    contours(
        ravine,
        (-4.7, 4.7),
        (-2.2, 2.2),
        ax=top,
        levels=np.geomspace(0.2, 30, 9).tolist(),
        points=27,
    )
    walks = {f"lr = {lr}": walk_in_ravine(lr, SLIDER_STEPS) for lr in lrs}
    # As far as the map goes: the walk that diverges leaves it.
    on_map = {name: walk[np.abs(walk[:, 1]) < 2.2] for name, walk in walks.items()}
    paths(on_map, ax=top)
    curves({name: losses(ravine, walk) for name, walk in walks.items()}, ax=bottom, log="y")
    bottom.set_ylabel("loss")
    return picture(
        fig,
        "Above, three walks on the map of a ravine: with learning rate 0.05 it creeps to the floor "
        "and along it, with 0.18 it zigzags to the minimum, with 0.205 its swings grow. Below, "
        "their losses: two fall, the third rises.",
    )


def live_html() -> str:
    """The interactive figure: learning rate and curvature of a ravine."""
    return live_figure(
        "learning-rate",
        script="gradient",
        label="the learning rate on a ravine",
        still=f"<p>{SLIDER_STEPS} steps with three learning rates, below and above the cliff at "
        "0.2. Where JavaScript runs, the learning rate moves with a slider, and the ravine can be "
        "made steeper.</p>" + walks_picture(),
        data=live_data(),
    )


# Taylor: how far the straight line can be trusted.


def wave(theta: Array) -> float:
    """A smooth function of two parameters that is no quadratic."""
    return float(np.log(np.cosh(theta[0] - 1)) + np.sin(theta[1]) + 0.3 * theta[1] ** 2)


def promised_and_real_fall(lrs: Iterable[float], theta: Array) -> tuple[Array, Array]:
    """The fall -lr |grad|^2 that the first-order expansion promises, and the one that happens."""
    gradient = numerical_gradient(wave, theta)
    promised = np.array([-lr * gradient @ gradient for lr in lrs])
    real = np.array([wave(theta - lr * gradient) - wave(theta) for lr in lrs])
    return promised, real


def remainder(shares: Iterable[float], theta: Array) -> Array:
    """What the straight line leaves out after these shares of one fixed step."""
    step, gradient = np.array([0.4, -0.3]), numerical_gradient(wave, theta)
    return np.array([wave(theta + t * step) - wave(theta) - t * gradient @ step for t in shares])


WAVE_L = 1.6  # sech^2 is at most 1, and 0.6 - sin at most 1.6


def kept_promises(count: int = 1000, seed: int = 0) -> Array:
    """The real fall of a step with lr = 1/L, over the one that the descent lemma promises.

    One ratio for each of `count` random places; the lemma says that none is below 1.
    """
    ratios = []
    for theta in np.random.default_rng(seed).uniform(-4, 4, (count, 2)):
        g = numerical_gradient(wave, theta)
        ratios.append((wave(theta) - wave(theta - g / WAVE_L)) / (g @ g / (2 * WAVE_L)))
    return np.array(ratios)


def quartic_edge(lr: float, halvings: int = 40) -> float:
    """The start beyond which descent on theta^4 / 4 flies off at this learning rate, bisected."""
    low, high = 0.0, 1e3
    for _ in range(halvings):
        middle = (low + high) / 2
        after = gradient_descent(lambda t: t**3, np.array([middle]), lr, 1)[-1, 0]
        low, high = (middle, high) if abs(after) < middle else (low, middle)
    return (low + high) / 2


def difference_errors(hs: Iterable[float]) -> tuple[Array, Array]:
    """Error of the forward and of the central difference of exp at 1, for each h."""
    hs = list(hs)
    slope = math.e

    def f(theta: Array) -> float:
        return float(np.exp(theta[0]))

    one = np.array([1.0])
    forward = np.array([abs((f(one + h) - f(one)) / h - slope) for h in hs])
    central = np.array([abs(numerical_gradient(f, one, h)[0] - slope) for h in hs])
    return forward, central


# A line through points.


def half_mse(theta: Array) -> float:
    """Half the mean squared error of a line on the chapter's twelve points."""
    x, y = line_data()
    return float(np.mean((with_ones(x) @ theta - y) ** 2) / 2)


def line_gradient(theta: Array) -> Array:
    """Its gradient."""
    x, y = line_data()
    return linear_gradient(theta, with_ones(x), y)


def line_hessian(theta: Array) -> Array:
    """Its Hessian, the same everywhere."""
    X = with_ones(line_data()[0])
    return X.T @ X / len(X)


def printed_line_gradient(theta: Array) -> Array:
    """The gradient with the sign that lecture C prints."""
    x, y = line_data()
    X = with_ones(x)
    return X.T @ (y - X @ theta) / len(y)


def descent_with_line_search(
    f: Function, grad: Gradient, theta0: Array, steps: int, reach: float, tol: float = 1e-6
) -> Array:
    """Gradient descent that searches along each gradient for the best step up to `reach`."""
    trajectory = np.zeros((steps + 1, len(theta0)))
    trajectory[0] = theta0
    for t in range(steps):
        theta, slope = trajectory[t], grad(trajectory[t])
        lr = bracketing_line_search(lambda a, p=theta, g=slope: f(p - a * g), 0.0, reach, tol)
        trajectory[t + 1] = theta - lr * slope
    return trajectory


@dataclass(frozen=True)
class Bill:
    """What a walk to a goal cost."""

    steps: int  # with one gradient each
    evaluations: int  # of the loss, the one that watches the goal not counted


def armijo_step(
    f: Function, theta: Array, gradient: Array, first: float, share: float = 1e-4
) -> tuple[Array, int]:
    """The new theta by Armijo's rule, and how often f was asked.

    first : the learning rate that is tried first; it is halved until the fall is at least `share`
        of the promised one.
    """
    here, lr, asked = f(theta), first, 1
    while True:
        there = f(theta - lr * gradient)
        asked += 1
        if there <= here - share * lr * gradient @ gradient:
            return theta - lr * gradient, asked
        lr /= 2


def bills(start: Array = RAVINE_START, goal: float = 1e-6, share: float = 1e-4) -> dict[str, Bill]:
    """Three ways to choose the step in the ravine, until the loss is `goal` of its start."""
    found: dict[str, Bill] = {}
    calls: list[float] = []

    def counted(theta: Array) -> float:
        calls.append(0.0)
        return ravine(theta)

    def golden(theta: Array, g: Array) -> Array:
        lr = bracketing_line_search(lambda t: counted(theta - t * g), 0.0, 1.0, 1e-6)
        return theta - lr * g

    ways: dict[str, Callable[[Array, Array], Array]] = {
        "fixed": lambda theta, g: theta - 2 / 11 * g,
        "golden section": golden,
        "Armijo": lambda theta, g: armijo_step(counted, theta, g, 1.0, share)[0],
    }
    for name, step in ways.items():
        calls.clear()
        theta, steps = start, 0
        while ravine(theta) > goal * ravine(start):
            theta, steps = step(theta, ravine_gradient(theta)), steps + 1
        found[name] = Bill(steps, len(calls))
    return found


def golden_brackets(phi: Callable[[float], float], a: float, b: float, tols: Iterable[float]):
    """Evaluations and answer of the reference line search, for each tolerance."""
    rows = []
    for tol in tols:
        calls: list[float] = []

        def counted(t: float, calls: list[float] = calls) -> float:
            calls.append(t)
            return phi(t)

        answer = bracketing_line_search(counted, a, b, tol)
        rows.append((tol, len(calls), answer))
    return rows


# When to stop.


def stop_by_movement(lr: float, tol: float, limit: int = 2000) -> tuple[int, float]:
    """Steps after which the ravine's walk moves by less than `tol`, and its distance then."""
    walk = gradient_descent(ravine_gradient, RAVINE_START, lr, limit)
    moves = np.linalg.norm(np.diff(walk, axis=0), axis=1)
    last = int(np.flatnonzero(moves < tol)[0]) + 1
    return last, float(np.linalg.norm(walk[last]))


def plateau_example() -> tuple[float, float, float]:
    """A far-off place on the Gabor surface: its gradient's length, its loss, and the best loss."""
    theta = np.array([24.0, 14.0])
    slope = float(np.linalg.norm(gabor_slope(theta)))
    return slope, gabor_loss(theta), gabor_loss(gabor_minimum())


# Early stopping.


@dataclass(frozen=True)
class EarlyStop:
    """Errors after some of the steps of one walk."""

    steps: Array
    training: Array
    held_back: Array
    risk: Array

    @property
    def best(self) -> int:
        """After how many steps the error on the readings held back is lowest."""
        return int(self.steps[self.held_back.argmin()])


def early_stopping(degree: int = 12, last: int = 100_000, seed: int = 4) -> EarlyStop:
    """Descent on the coefficients of a polynomial that would learn the noise of its 24 readings.

    The readings are chapter 1's thermometer; 12 more are held back. Errors are mean squares.
    """
    rng = np.random.default_rng(seed)
    x, y = sample.draw(24, rng)
    aside = sample.draw(12, rng)
    X = sample.powers(x, np.zeros(degree + 1))
    lr = 1 / np.linalg.eigvalsh(X.T @ X / len(y))[-1]
    walk = gradient_descent(lambda t: linear_gradient(t, X, y), np.zeros(degree + 1), lr, last)
    steps = np.unique(np.geomspace(1, last, 120).astype(int))
    rows = [
        (sample.measured_risk(t, x, y), sample.measured_risk(t, *aside), sample.risk(t))
        for t in walk[steps]
    ]
    return EarlyStop(steps, *np.array(rows).T)


# Flat is not low.


def saddle(theta: Array) -> float:
    """Two valleys, at (0, 1) and (0, -1), and the pass between them at the origin."""
    return float(theta[0] ** 2 / 2 + theta[1] ** 4 / 4 - theta[1] ** 2 / 2)


def saddle_gradient(theta: Array) -> Array:
    """Its gradient."""
    return np.array([theta[0], theta[1] ** 3 - theta[1]])


def saddle_hessian(theta: Array) -> Array:
    """Its Hessian."""
    return np.diag([1.0, 3 * theta[1] ** 2 - 1])


# The Gabor model.

GABOR_RANGE = ((-8.0, 8.0), (4.0, 22.0))
GABOR_LR = 0.05
GABOR_STEPS = 400


def gabor_loss(theta: Array) -> float:
    """Sum of squared errors on the chapter's points (a sum, as in the lecture)."""
    x, y = gabor_data()
    return float(np.sum((gabor(theta, x) - y) ** 2))


def gabor_slope(theta: Array) -> Array:
    """Its gradient."""
    return gabor_gradient(theta, *gabor_data())


def numerical_hessian(grad: Gradient, theta: Array, h: float = 1e-5) -> Array:
    """The Hessian by central differences of the gradient, made symmetric."""
    rows = [numerical_gradient(lambda p, i=i: grad(p)[i], theta, h) for i in range(len(theta))]
    H = np.array(rows)
    return (H + H.T) / 2


def gabor_hessian(theta: Array) -> Array:
    """The Hessian of the Gabor loss."""
    return numerical_hessian(gabor_slope, theta)


@dataclass(frozen=True)
class Stationary:
    """A point where the gradient is zero."""

    theta: Array
    loss: float
    kind: str  # "minimum", "saddle" or "maximum"


@functools.cache
def gabor_stationary_points(grid: int = 14, newton_steps: int = 25) -> list[Stationary]:
    """Stationary points in the drawn range, found by Newton from a grid; lowest loss first.

    Newton looks for a zero of the gradient, not for a minimum: here that is an advantage.
    """
    (low0, high0), (low1, high1) = GABOR_RANGE
    found: list[Stationary] = []
    grid_0, grid_1 = np.meshgrid(np.linspace(low0, high0, grid), np.linspace(low1, high1, grid))
    for start in np.column_stack([grid_0.ravel(), grid_1.ravel()]):
        theta = start
        for _ in range(newton_steps):
            theta = newton_step(gabor_slope, gabor_hessian, theta)
            if not np.all(np.abs(theta - start) < 6):
                break
            if np.linalg.norm(gabor_slope(theta)) < 1e-9:
                break
        inside = low0 <= theta[0] <= high0 and low1 <= theta[1] <= high1
        if not inside or np.linalg.norm(gabor_slope(theta)) > 1e-8:
            continue
        if any(np.linalg.norm(theta - point.theta) < 1e-3 for point in found):
            continue
        H = gabor_hessian(theta)
        if is_convex_hessian(H):
            kind = "minimum"
        elif is_convex_hessian(-H):
            kind = "maximum"
        else:
            kind = "saddle"
        found.append(Stationary(theta, gabor_loss(theta), kind))
    return sorted(found, key=lambda point: point.loss)


@dataclass(frozen=True)
class GaborRun:
    """Descents from random starts."""

    starts: Array
    ends: Array
    reached: Array
    gradient_norms: Array

    @property
    def share(self) -> float:
        """Share of the starts that ended at the global minimum."""
        return float(np.mean(self.reached))

    @property
    def standard_error(self) -> float:
        """Of the share, as of a proportion."""
        return share_error(self.share, len(self.reached))


def gabor_minimum() -> Array:
    """The global minimum: descent from the parameters that made the data, polished by Newton."""
    theta = gradient_descent(gabor_slope, np.array([1.5, 14.0]), GABOR_LR, 100)[-1]
    for _ in range(5):
        theta = newton_step(gabor_slope, gabor_hessian, theta)
    return theta


def gabor_descents(n: int = 400, steps: int = GABOR_STEPS, seed: int = 0) -> GaborRun:
    """Gradient descent from `n` starts, uniform over the drawn range."""
    low, high = np.array(GABOR_RANGE).T
    starts = np.random.default_rng(seed).uniform(low, high, (n, 2))
    ends = np.array([gradient_descent(gabor_slope, s, GABOR_LR, steps)[-1] for s in starts])
    reached = np.linalg.norm(ends - gabor_minimum(), axis=1) < 0.1
    norms = np.array([np.linalg.norm(gabor_slope(end)) for end in ends])
    return GaborRun(starts, ends, reached, norms)


GABOR_LIVE_LRS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
GABOR_LIVE_STEPS = 120
GABOR_LIVE_START = (4.0, 10.0)


def height_lines(levels: Iterable[float], points: int = 49) -> list[list[float]]:
    """Lines of equal Gabor loss on the map: each a list of [theta_0, theta_1, theta_0, ...]."""
    (low0, high0), (low1, high1) = GABOR_RANGE
    across, up = np.linspace(low0, high0, points), np.linspace(low1, high1, points)
    maker = contourpy.contour_generator(across, up, heights(gabor_loss, across, up))
    # One of several forms that contourpy can give: a list of arrays of shape (n, 2).
    lines = (np.asarray(line) for level in levels for line in maker.lines(level))
    return [np.round(line, 2).ravel().tolist() for line in lines]


def live_descent_data() -> dict[str, Any]:
    """What the figure at the top is given: the data of the loss, its map, and the words."""
    x, y = gabor_data()
    points = gabor_stationary_points()
    (low0, high0), (low1, high1) = GABOR_RANGE
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "range": [list(GABOR_RANGE[0]), list(GABOR_RANGE[1])],
        "lines": height_lines((1, 2, 3, 4, 5, 6, 8, 10, 12)),
        "minima": [[*p.theta.tolist(), p.loss] for p in points if p.kind == "minimum"],
        "lr": {"values": list(GABOR_LIVE_LRS), "start": GABOR_LIVE_LRS.index(GABOR_LR)},
        "across": np.round(np.arange(low0, high0 + 0.01, 0.25), 2).tolist(),
        "up": np.round(np.arange(low1, high1 + 0.01, 0.25), 2).tolist(),
        "start": list(GABOR_LIVE_START),
        "look": live_look("GD"),
        "steps": GABOR_LIVE_STEPS,
        "labels": {
            "lr": "lr",
            "across": "θ\u2080",
            "up": "θ\u2081",
            "map": "The ground: θ\u2080 across, θ\u2081 up; drag the ring",
            "loss": "The loss after each step",
            "step": "step",
            "one": "One step",
            "play": "Play",
            "pause": "Pause",
            "back": "To the start",
            "state": "Learning rate {lr}, step {t} of {steps}: loss {loss}, slope {slope}. {where}",
            "lowest": "It is in the lowest pit of all, at {best}.",
            "pit": "It is in a pit, but not the lowest: that one has {best}.",
            "lost": "It has left the map.",
            "on": "It is still on its way.",
        },
    }


def live_descent_html() -> str:
    """The figure at the top: a walk on the Gabor surface from a start that is dragged."""
    lr = GABOR_LR
    starts = {"one start": GABOR_LIVE_START, "another": (-1.0, 12.0)}
    walks = {
        name: gradient_descent(gabor_slope, np.array(s), lr, GABOR_LIVE_STEPS)
        for name, s in starts.items()
    }
    fig, (top, bottom) = new_figure(2, 1, size=(5.6, 7.4), height_ratios=(2, 1))
    contours(gabor_loss, *GABOR_RANGE, ax=top, levels=12, points=37)
    paths(walks, ax=top, markers=False)
    curves({name: losses(gabor_loss, walk) for name, walk in walks.items()}, ax=bottom)
    bottom.set(xlabel="step", ylabel="loss")
    still = picture(
        fig,
        "Above, two walks on a map with several pits: from two starts they go down into different "
        "pits. Below, their losses: both fall, and one of them stops far above the other.",
    )
    return live_figure(
        "descend",
        script="gradient",
        label="a walk downhill from a start that you choose",
        still="<p>A figure to play with, that needs JavaScript and a screen. This is what two "
        f"starts do at a learning rate of {lr}:</p>" + still,
        data=live_descent_data(),
    )


# Local search: try a neighbour, keep it if it is lower.


def local_search_evaluations(
    d: int, sigma: float, rng: np.random.Generator, goal: float = 0.01, limit: int = 50_000
) -> int:
    """Evaluations of |theta|^2 / 2 in d dimensions until it has fallen to `goal` of its start."""
    theta = np.ones(d) / np.sqrt(d)
    value = wanted = 0.5
    wanted *= goal
    for count in range(1, limit + 1):
        neighbour = theta + rng.normal(0, sigma, d)
        height = 0.5 * neighbour @ neighbour
        if height < value:
            theta, value = neighbour, height
        if value <= wanted:
            return count
    return limit


def local_search_against_descent(
    dimensions: Iterable[int], repeats: int = 5, seed: int = 0
) -> dict[int, tuple[float, int]]:
    """For each dimension: local search's mean evaluations, and gradient descent's steps.

    Local search gets the best of four neighbourhood sizes; descent a cautious lr of 0.1.
    """
    walk = gradient_descent(lambda theta: theta, np.ones(1), 0.1, 100)
    descent = int(np.flatnonzero(walk[:, 0] ** 2 <= 0.01)[0])
    table = {}
    for d in dimensions:
        means = []
        for scale in (0.1, 0.2, 0.4, 0.8):
            rng = np.random.default_rng(seed)
            runs = [local_search_evaluations(d, scale / d, rng) for _ in range(repeats)]
            means.append(float(np.mean(runs)))
        table[d] = (min(means), descent)
    return table


def cost_of_a_dimension(table: dict[int, tuple[float, int]]) -> tuple[float, float]:
    """The power of the dimension that local search's evaluations grow with, and its standard error.

    The slope on logarithmic axes, by least squares, over the dimensions of
    `local_search_against_descent`'s table.
    """
    evaluations = [row[0] for row in table.values()]
    line = linregress(np.log(list(table)), np.log(evaluations))
    return float(line.slope), float(line.stderr)


# First order against second order.


class SmoothRegression:
    """mean(log cosh(X theta - y)) + mu / 2 |theta|^2: convex, no quadratic, a full Hessian.

    X holds 2 d random rows, its columns scaled so that directions differ in steepness.
    """

    def __init__(self, d: int, seed: int = 0, mu: float = 0.02) -> None:
        rng = np.random.default_rng(seed)
        self.X = rng.normal(size=(2 * d, d)) * np.geomspace(1, 0.3, d)
        self.y = rng.normal(size=2 * d) + self.X @ rng.normal(size=d) * 0.3
        self.mu = mu
        self.start = np.zeros(d)
        # tanh's slope is at most 1, so this bounds every eigenvalue of every Hessian.
        self.L = float(np.linalg.norm(self.X, 2) ** 2 / len(self.y) + mu)

    def value(self, theta: Array) -> float:
        """The loss."""
        z = np.abs(self.X @ theta - self.y)
        # log cosh without overflow.
        log_cosh = z + np.log1p(np.exp(-2 * z)) - np.log(2)
        return float(np.mean(log_cosh) + self.mu / 2 * theta @ theta)

    def gradient(self, theta: Array) -> Array:
        """Its gradient, two products with X."""
        return self.X.T @ np.tanh(self.X @ theta - self.y) / len(self.y) + self.mu * theta

    def hessian(self, theta: Array) -> Array:
        """Its Hessian, a d x d matrix from 2 d rows."""
        weight = 1 - np.tanh(self.X @ theta - self.y) ** 2
        H = (self.X.T * weight) @ self.X / len(self.y)
        H.flat[:: len(theta) + 1] += self.mu
        return H


def newton(problem: SmoothRegression, tol: float, limit: int = 50) -> Array:
    """Newton's method, the step halved until the loss falls; every point, shape (steps + 1, d)."""
    trajectory = [problem.start]
    while np.linalg.norm(problem.gradient(trajectory[-1])) > tol and len(trajectory) <= limit:
        theta = trajectory[-1]
        step = newton_step(problem.gradient, problem.hessian, theta) - theta
        trajectory.append(theta + shortened(problem, theta, step) * step)
    return np.array(trajectory)


def bfgs(problem: SmoothRegression, tol: float, limit: int = 300) -> Array:
    """BFGS with `bfgs_update`, the step halved until the loss falls."""
    theta, H = problem.start, np.eye(len(problem.start))
    gradient = problem.gradient(theta)
    trajectory = [theta]
    while np.linalg.norm(gradient) > tol and len(trajectory) <= limit:
        step = -H @ gradient
        s = shortened(problem, theta, step) * step
        theta, old = theta + s, gradient
        gradient = problem.gradient(theta)
        H = bfgs_update(H, s, gradient - old)
        trajectory.append(theta)
    return np.array(trajectory)


def shortened(problem: SmoothRegression, theta: Array, step: Array) -> float:
    """1, 1/2, 1/4, ...: the first share of the step that lowers the loss enough (Armijo)."""
    here, slope, share = problem.value(theta), problem.gradient(theta) @ step, 1.0
    # Near the minimum the loss cannot tell points apart any more, but the gradient can.
    rounding = 1e-14 * max(1.0, abs(here))
    while problem.value(theta + share * step) > here + 1e-4 * share * slope + rounding:
        share /= 2
    return share


# Orders of convergence, in 250 digits: sixteen are used up before an order shows.

DIGITS, GOAL = 250, 200

Wide = Any  # an array, or a number, of mpmath's

_tanh = np.frompyfunc(mpmath.tanh, 1, 1)


class WideRegression:
    """The gradient and the Hessian of a `SmoothRegression` with numbers of mpmath's."""

    def __init__(self, problem: SmoothRegression) -> None:
        one = mpmath.mpf(1)
        self.X, self.y = problem.X.astype(object) * one, problem.y.astype(object) * one
        self.mu = mpmath.mpf(problem.mu)

    def gradient(self, theta: Wide) -> Wide:
        """Shape (d,)."""
        return self.X.T @ _tanh(self.X @ theta - self.y) / len(self.y) + self.mu * theta

    def hessian(self, theta: Wide) -> Wide:
        """Shape (d, d)."""
        weight = 1 - _tanh(self.X @ theta - self.y) ** 2
        return (self.X.T * weight) @ self.X / len(self.y) + self.mu * np.eye(len(theta))


def _length(v: Wide) -> Wide:
    return mpmath.sqrt(v @ v)


def _log10_distances(walk: list[Wide], goal: Wide) -> Array:
    return np.array([float(mpmath.log10(_length(theta - goal))) for theta in walk])


def convergence_errors(d: int = 5, seed: int = 3) -> dict[str, Array]:
    """log10 of the distance to the minimum, after each step of descent, BFGS and Newton.

    All set off where descent in float64 has come to within about a hundredth, so that whole steps
    are safe. BFGS begins with the inverse Hessian at 0.
    """
    problem = SmoothRegression(d, seed)
    near = bfgs(problem, 1e-2)[-1]
    with mpmath.workdps(DIGITS):
        wide = WideRegression(problem)
        start = near.astype(object) * mpmath.mpf(1)
        small = mpmath.mpf(10) ** -GOAL

        newton_walk = [start]
        while _length(g := wide.gradient(newton_walk[-1])) > small:
            H = mpmath.matrix(wide.hessian(newton_walk[-1]).tolist())
            step = np.array(list(mpmath.lu_solve(H, mpmath.matrix(g.tolist()))), dtype=object)
            newton_walk.append(newton_walk[-1] - step)
        best = newton_walk.pop()

        walk, estimate = [start], np.linalg.inv(problem.hessian(problem.start)).astype(object)
        g = wide.gradient(start)
        while _length(g) > small:
            s = -estimate @ g
            walk.append(walk[-1] + s)
            before, g = g, wide.gradient(walk[-1])
            estimate = bfgs_update(estimate, s, g - before)

        descent = gradient_descent(problem.gradient, near, 1 / problem.L, 60)
        return {
            "gradient descent": _log10_distances(list(descent.astype(object)), best),
            "BFGS": _log10_distances(walk[:-1], best),
            "Newton": _log10_distances(newton_walk, best),
        }


def secant_errors(before: float = 1.7, start: float = 1.4) -> Array:
    """log10 of the distance to log 2 of the secant steps for the minimum of e^t - 2 t."""
    with mpmath.workdps(DIGITS):
        t, told = [mpmath.mpf(before), mpmath.mpf(start)], []
        slopes = [mpmath.exp(v) - 2 for v in t]
        while abs(slopes[1]) > mpmath.mpf(10) ** -GOAL:
            told.append(float(mpmath.log10(abs(t[1] - mpmath.log(2)))))
            s, y = t[1] - t[0], slopes[1] - slopes[0]
            t = [t[1], t[1] - slopes[1] * s / y]
            slopes = [slopes[1], mpmath.exp(t[1]) - 2]
        return np.array(told)


def promised_factor(d: int = 5, seed: int = 3) -> float:
    """What gradient descent at 1/L multiplies its error by near the minimum, from the Hessian."""
    problem = SmoothRegression(d, seed)
    eigenvalues = np.linalg.eigvalsh(problem.hessian(newton(problem, 1e-15)[-1]))
    return float(np.max(np.abs(1 - eigenvalues / problem.L)))


def order(digits: Array) -> float:
    """The power p in e_new ~ e_old ** p, from the last three errors, which are given as log10."""
    a, b, c = digits[-3:]
    return float((c - b) / (b - a))


def mean_factors(digits: Array, window: int = 10) -> Array:
    """By how much a step shrank the error, as a geometric mean over `window` steps at a time."""
    return 10 ** (np.diff(digits[::window]) / window)


@dataclass(frozen=True)
class Finish:
    """How one method did on one problem."""

    steps: int
    seconds: float
    gradient_norm: float


def race_descent(problem: SmoothRegression, tol: float, limit: int = 20_000) -> tuple[int, Array]:
    """Gradient descent at 1/L until the gradient is shorter than `tol`."""
    theta = problem.start
    for t in range(limit):
        gradient = problem.gradient(theta)
        if np.linalg.norm(gradient) <= tol:
            return t, theta
        theta = theta - gradient / problem.L
    return limit, theta


def race_newton(problem: SmoothRegression, tol: float) -> tuple[int, Array]:
    """Newton's method until the gradient is shorter than `tol`."""
    walk = newton(problem, tol)
    return len(walk) - 1, walk[-1]


def race_lbfgs(problem: SmoothRegression, tol: float) -> tuple[int, Array]:
    """SciPy's L-BFGS until the gradient is shorter than `tol`."""
    # SciPy stops on the largest component; this makes the whole vector short enough.
    result = minimize(
        problem.value,
        problem.start,
        jac=problem.gradient,
        method="L-BFGS-B",
        options={"gtol": tol / np.sqrt(len(problem.start)), "ftol": 0.0, "maxiter": 5000},
    )
    return int(result.nit), result.x


RACERS = {"gradient descent": race_descent, "Newton": race_newton, "L-BFGS": race_lbfgs}


def race(
    dimensions: Iterable[int],
    tol: float = 1e-6,
    seconds_each: float = 0.1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, dict[int, Finish]]:
    """Wall-clock time of three methods to the same gradient norm, on one thread.

    Small problems are repeated, up to 20 times or for `seconds_each`, and the fastest run is kept:
    what else the machine does can only add to it.
    """
    table: dict[str, dict[int, Finish]] = {name: {} for name in RACERS}
    with threadpool_limits(1):
        for d in dimensions:
            problem = SmoothRegression(d)
            for name, racer in RACERS.items():
                times: list[float] = []
                while not times or (len(times) < 20 and sum(times) < seconds_each):
                    begin = clock()
                    steps, theta = racer(problem, tol)
                    times.append(clock() - begin)
                norm = float(np.linalg.norm(problem.gradient(theta)))
                table[name][d] = Finish(steps, min(times), norm)
    return table


def first_dimension_where(slow: dict[int, Finish], fast: dict[int, Finish]) -> int | None:
    """The smallest dimension from which on `slow` takes longer than `fast`; None if none."""
    crossing = None
    for d in sorted(slow):
        if slow[d].seconds > fast[d].seconds:
            crossing = d if crossing is None else crossing
        else:
            crossing = None
    return crossing


def crossing_in_words(slow: dict[int, Finish], fast: dict[int, Finish]) -> str:
    """Where `slow` becomes the slower one, as the end of a sentence."""
    crossing = first_dimension_where(slow, fast)
    if crossing is None:
        return "not even at the right end of the figure"
    return f"from {crossing:,} parameters on"


def small_problem_verdict(times: dict[str, dict[int, Finish]], d: int) -> str:
    """What the clock and the count of steps say of second order at dimension d, as a sentence.

    Gradient descent stands for first order; Newton and L-BFGS for second order.
    """
    second, first = [times["Newton"][d], times["L-BFGS"][d]], times["gradient descent"][d]
    steps = all(run.steps < first.steps for run in second)
    clock = all(run.seconds < first.seconds for run in second)
    if steps and clock:
        return "So on small problems second order wins both ways, by steps and by the clock"
    if steps:
        return "So on small problems second order wins by steps; by the clock not in this run"
    return "In this run second order did not win on the smallest problem"
