"""Chapter 2's experiments: the page draws what they return, the tests assert it.

Everything runs on the reference functions, so a mended reference mends the page.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import linregress
from threadpoolctl import threadpool_limits

from autograder.datasets import gabor_data, line_data, with_ones
from autograder.figures import contours, curves, new_figure, paths
from book.page import live_figure, picture, share_error
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
        "start": int(np.flatnonzero(SLIDER_LRS == 0.05)[0]),
        "theta": RAVINE_START.tolist(),
        "steps": SLIDER_STEPS,
        "labels": {
            "lr": "Learning rate",
            "curvature": "Curvature across, L",
            "map": "The walk: θ\u2080 across, θ\u2081 up",
            "loss": "Loss after each step (logarithmic)",
            "step": "step",
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


def convergence_errors(d: int = 5, seed: int = 3) -> dict[str, Array]:
    """Distance to the minimum after each step of gradient descent, BFGS and Newton."""
    problem = SmoothRegression(d, seed)
    best = newton(problem, 1e-15)[-1]
    walks = {
        "gradient descent": gradient_descent(problem.gradient, problem.start, 1 / problem.L, 60),
        "BFGS": bfgs(problem, 1e-13),
        "Newton": newton(problem, 1e-14),
    }
    return {name: np.linalg.norm(walk - best, axis=1) for name, walk in walks.items()}


def promised_factor(d: int = 5, seed: int = 3) -> float:
    """What gradient descent at 1/L multiplies its error by near the minimum, from the Hessian."""
    problem = SmoothRegression(d, seed)
    eigenvalues = np.linalg.eigvalsh(problem.hessian(newton(problem, 1e-15)[-1]))
    return float(np.max(np.abs(1 - eigenvalues / problem.L)))


def measured_orders(errors: dict[str, Array]) -> dict[str, float]:
    """The power p in e_new ~ e_old ** p, from the last three errors above rounding."""
    orders = {}
    for name, error in errors.items():
        a, b, c = np.log(error[error > 1e-13][-3:])
        orders[name] = float((c - b) / (b - a))
    return orders


def late_factors(error: Array, count: int = 5) -> Array:
    """By how much each of the last steps above rounding shrank the error."""
    kept = error[error > 1e-12]
    return (kept[1:] / kept[:-1])[-count:]


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
        return "nowhere to the right of the figure"
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
