"""The momentum set against independent truth: torch's SGD, SciPy, closed forms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.judging.judge import judge, local_caller
from autograder.judging.sets import find_set
from autograder.problems import spd_matrix
from solutions.momentum import (
    bias_correct,
    ema_weights,
    heavy_ball_optimum,
    momentum_rate,
    momentum_step,
    nesterov_step,
    read_walk,
)

Array = np.ndarray
PARTS = {part.name: part for part in find_set("momentum").parts}
STEPS = 1000

seeds = st.integers(0, 2**32 - 1)
betas = st.floats(0, 0.999)
updates = st.integers(1, 400)


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


class TorchSGD:
    """torch's SGD on one float64 parameter, fed with our gradients."""

    def __init__(self, theta: Array, **options: Any) -> None:
        self.parameter = torch.tensor(theta, requires_grad=True)
        self.optimiser = torch.optim.SGD([self.parameter], **options)

    @property
    def theta(self) -> Array:
        return self.parameter.detach().numpy().copy()

    @property
    def buffer(self) -> Array:
        return self.optimiser.state[self.parameter]["momentum_buffer"].numpy().copy()

    def step(self, grad: Array, lr: float) -> None:
        self.optimiser.param_groups[0]["lr"] = lr
        self.parameter.grad = torch.tensor(grad)
        self.optimiser.step()


def close(got: Any, wanted: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def random_rates(rng: np.random.Generator, changing: bool) -> Array:
    return rng.uniform(0.01, 0.5, STEPS) if changing else np.full(STEPS, rng.uniform(0.01, 0.5))


# momentum_step


@pytest.mark.parametrize("changing", [False, True], ids=["constant lr", "changing lr"])
@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.99])
def test_momentum_is_torchs_at_lr_times_one_minus_beta(beta: float, changing: bool) -> None:
    rng = rng_of(1)
    theta, velocity = rng.normal(size=5), np.zeros(5)
    torchs = TorchSGD(theta, lr=1.0, momentum=beta)
    for lr in random_rates(rng, changing):
        grad = rng.normal(size=5)
        theta, velocity = momentum_step(theta, velocity, grad, lr, beta)
        torchs.step(grad, lr * (1 - beta))
        close(theta, torchs.theta)
        if beta:
            close(velocity, (1 - beta) * torchs.buffer)


def test_momentum_from_rest_is_torchs_with_dampening_once_its_first_gradient_is_damped() -> None:
    rng = rng_of(3)
    beta, theta, velocity = 0.9, rng.normal(size=5), np.zeros(5)
    torchs = TorchSGD(theta, lr=1.0, momentum=beta, dampening=beta)
    for t, lr in enumerate(random_rates(rng, True), start=1):
        grad = rng.normal(size=5)
        theta, velocity = momentum_step(theta, velocity, grad, lr, beta)
        torchs.step(grad * (1 - beta) if t == 1 else grad, lr)
        close(theta, torchs.theta)


def test_momentum_without_memory_is_gradient_descent() -> None:
    rng = rng_of(4)
    theta, velocity, grad = rng.normal(size=(3, 4))
    new, memory = momentum_step(theta, velocity, grad, 0.3, 0.0)
    close(new, theta - 0.3 * grad)
    close(memory, grad)


# nesterov_step


def shifting_bowls(rng: np.random.Generator) -> Callable[[int, Array], Array]:
    """The slope of another quadratic at every step: it depends on the place and on the step."""
    A = np.array([spd_matrix(rng, 3) for _ in range(STEPS)])
    b = rng.normal(size=(STEPS, 3))
    return lambda t, theta: A[t] @ theta - b[t]


@pytest.mark.parametrize("beta", [0.5, 0.9, 0.99])
def test_torchs_nesterov_iterates_are_our_look_ahead_points(beta: float) -> None:
    rng, lr = rng_of(5), 0.2
    slope = shifting_bowls(rng)
    theta, velocity = rng.normal(size=3), np.zeros(3)
    torchs = TorchSGD(theta, lr=1.0, momentum=beta, nesterov=True)
    apart = np.zeros(STEPS)
    for t in range(STEPS):
        torchs.step(slope(t, torchs.theta), lr * (1 - beta))
        theta, velocity = nesterov_step(theta, velocity, lambda at, t=t: slope(t, at), lr, beta)
        close(theta - lr * beta * velocity, torchs.theta)
        apart[t] = np.max(np.abs(theta - torchs.theta))
    assert np.median(apart) > 1e-3


@given(seeds, st.floats(0.01, 0.99))
@settings(max_examples=40, deadline=None)
def test_nesterov_is_sutskevers_form(seed: int, beta: float) -> None:
    rng = rng_of(seed)
    A, b, lr = spd_matrix(rng, 3), rng.normal(size=3), float(rng.uniform(0.05, 0.2))
    theta, velocity = rng.normal(size=3), np.zeros(3)
    place, speed = theta, np.zeros(3)
    for _ in range(20):
        theta, velocity = nesterov_step(theta, velocity, lambda at: A @ at - b, lr, beta)
        speed = beta * speed - lr * (1 - beta) * (A @ (place + beta * speed) - b)
        place = place + speed
        close(theta, place)
        close(-lr * velocity, speed)


# ema_weights and bias_correct


@given(betas, updates)
@settings(max_examples=100, deadline=None)
def test_weights_are_what_is_left_of_an_impulse(beta: float, t: int) -> None:
    impulse = np.zeros(t)
    impulse[0] = 1.0
    response = scipy.signal.lfilter([1 - beta], [1, -beta], impulse)
    weights = ema_weights(beta, t)
    assert weights.shape == (t,) and weights.dtype == np.float64
    close(weights, response[::-1], 1e-12)


@given(betas, updates)
@settings(max_examples=100, deadline=None)
def test_weights_sum_to_one_minus_the_share_of_the_start(beta: float, t: int) -> None:
    assert np.sum(ema_weights(beta, t)) == pytest.approx(1 - beta**t, rel=1e-10)


def test_weights_of_a_few_updates_by_hand() -> None:
    close(ema_weights(0.5, 3), [0.125, 0.25, 0.5])
    close(ema_weights(0.9, 1), [0.1])
    close(ema_weights(0.0, 3), [0.0, 0.0, 1.0])


@given(seeds, st.floats(0.1, 0.999), updates)
@settings(max_examples=60, deadline=None)
def test_the_corrected_average_is_numpys_weighted_mean(seed: int, beta: float, t: int) -> None:
    values = rng_of(seed).normal(size=(t, 3))
    average = scipy.signal.lfilter([1 - beta], [1, -beta], values, axis=0)[-1]
    fading = np.exp(np.log(beta) * np.arange(t)[::-1])
    close(bias_correct(average, beta, t), np.average(values, axis=0, weights=fading), 1e-8)


# heavy_ball_optimum


def slowest_factor(lr: float, beta: float, curvatures: Array) -> float:
    """The spectral radius of (theta_t, theta_(t-1)) -> (theta_(t+1), theta_t), all curvatures."""
    zero = np.zeros_like(curvatures)
    step = np.array(
        [[1 + beta - lr * curvatures, zero - beta], [zero + 1, zero]],
    ).transpose(2, 0, 1)
    return float(np.max(np.abs(np.linalg.eigvals(step))))


@given(st.floats(1e-3, 1e3), st.floats(1, 1e5))
@settings(max_examples=60, deadline=None)
def test_the_optimum_is_polyaks(mu: float, k: float) -> None:
    lr, beta = heavy_ball_optimum(mu, mu * k)
    rate = (np.sqrt(k) - 1) / (np.sqrt(k) + 1)
    assert isinstance(lr, float) and isinstance(beta, float)
    assert np.sqrt(beta) == pytest.approx(rate, rel=1e-7, abs=1e-12)
    assert lr == pytest.approx((1 - rate) ** 2 / mu, rel=1e-7)
    assert lr == pytest.approx((1 + rate) ** 2 / (mu * k), rel=1e-7)


@pytest.mark.parametrize(("mu", "L"), [(1.0, 4.0), (0.2, 30.0), (3.0, 2000.0)])
def test_the_optimum_is_what_a_search_over_the_spectral_radius_finds(mu: float, L: float) -> None:
    curvatures = np.array([mu, L])

    def search(f: Callable[[float], float], low: float, high: float) -> Any:
        return scipy.optimize.minimize_scalar(
            f, bounds=(low, high), method="bounded", options={"xatol": 1e-11}
        )

    def best_beta(lr: float) -> Any:
        return search(lambda beta: slowest_factor(lr, beta, curvatures), 0.0, 1.0)

    found = search(lambda lr: best_beta(lr).fun, 0.0, 4 / L)
    lr, beta = heavy_ball_optimum(mu, L)
    assert lr == pytest.approx(found.x, rel=1e-5)
    assert beta == pytest.approx(best_beta(found.x).x, rel=1e-5)
    assert np.sqrt(beta) == pytest.approx(found.fun, rel=1e-5)


@given(st.floats(1.5, 1000), st.floats(0, 4), st.floats(0, 0.999))
@settings(max_examples=100, deadline=None)
def test_no_other_choice_is_faster(L: float, share: float, beta: float) -> None:
    best = np.sqrt(heavy_ball_optimum(1.0, L)[1])
    curvatures = np.linspace(1.0, L, 5)
    assert slowest_factor(share / L, beta, curvatures) >= best - 1e-7


def test_a_round_bowl_needs_no_momentum() -> None:
    assert heavy_ball_optimum(4.0, 4.0) == (0.25, 0.0)


# momentum_rate and read_walk


@given(seeds, st.floats(0.05, 0.95), st.floats(0.01, 30))
@settings(max_examples=80, deadline=None)
def test_the_rate_is_the_spectral_radius_of_the_step(seed: int, beta: float, lr: float) -> None:
    curvatures = rng_of(seed).uniform(0.05, 3, 4)
    # Near a double root eigenvalues are good to the root of a rounding error.
    assert momentum_rate(lr, beta, curvatures) == pytest.approx(
        slowest_factor(lr * (1 - beta), beta, curvatures), abs=3e-7, rel=1e-7
    )


@given(seeds, st.floats(0.3, 0.9), st.floats(0.1, 1.1))
@settings(max_examples=30, deadline=None)
def test_a_walk_of_torchs_is_read_back(seed: int, beta: float, share: float) -> None:
    """From its third point on; `share` of the way from creeping to flipping, and beyond."""
    curvature = float(rng_of(seed).uniform(0.2, 4))
    low, high = (1 - beta**0.5) ** 2, (1 + beta**0.5) ** 2
    summed = (low + share * (high - low)) / curvature
    torchs = TorchSGD(np.array([1.5]), lr=1.0, momentum=beta)
    points = []
    for _ in range(10):
        points.append(torchs.theta[0])
        torchs.step(curvature * torchs.theta, summed)
    lr, read = read_walk(np.array(points[2:]), curvature)
    assert (lr * (1 - read), read) == (
        pytest.approx(summed, rel=1e-5),
        pytest.approx(beta, rel=1e-5),
    )


# What the docstrings promise, and what else is right


def test_no_argument_is_changed() -> None:
    arrays = rng_of(6).normal(size=(3, 4))
    before = arrays.copy()
    theta, velocity, grad = arrays
    for new in (
        *momentum_step(theta, velocity, grad, 0.1, 0.9),
        *nesterov_step(theta, velocity, lambda at: at, 0.1, 0.9),
        bias_correct(velocity, 0.9, 3),
    ):
        assert not np.shares_memory(new, arrays)
    np.testing.assert_array_equal(arrays, before)


def as_pull(theta, velocity, grad, lr, beta):
    velocity = velocity + (1 - beta) * (grad - velocity)
    return [theta - lr * velocity, velocity]


def with_summed_velocity(theta, velocity, grad, lr, beta):
    summed = beta * velocity / (1 - beta) + grad
    return theta - lr * (1 - beta) * summed, (1 - beta) * summed


def by_recursion(beta, t):
    weights = np.zeros(t)
    for i in range(t):
        weights *= beta
        weights[i] = 1 - beta
    return weights


def by_running_product(beta, t):
    return (1 - beta) * np.cumprod(np.append(1.0, np.full(t - 1, beta)))[::-1]


def sum_of_weights(v, beta, t):
    return np.divide(v, sum((1 - beta) * beta**i for i in range(t)))


def asked_twice(theta, velocity, grad, lr, beta):
    grad(theta)
    return nesterov_step(theta, velocity, grad, lr, beta)


def step_from_the_look_ahead(theta, velocity, grad, lr, beta):
    look = theta - lr * beta * velocity
    slope = (1 - beta) * grad(look)
    return look - lr * slope, beta * velocity + slope


def from_the_condition_number(mu, L):
    rate = (np.sqrt(L / mu) - 1) / (np.sqrt(L / mu) + 1)
    return (1 + rate) ** 2 / np.float64(L), rate**2


def without_division(mu, L):
    lr = (2 / (mu**0.5 + L**0.5)) ** 2
    return [lr, (1 - (lr * mu) ** 0.5) ** 2]


def by_eigenvalues(lr, beta, curvatures):
    a = lr * (1 - beta)
    return max(
        np.abs(np.linalg.eigvals([[1 + beta - a * c, -beta], [1, 0]])).max() for c in curvatures
    )


def from_two_triples(thetas, curvature):
    (a, b, c), (d, e, f) = thetas[:3], thetas[2:5]
    matrix = [[b - a, -curvature * b], [e - d, -curvature * e]]
    beta, pull = np.linalg.solve(matrix, [c - b, f - e])
    return pull / (1 - beta), beta


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("momentum_rate", by_eigenvalues),
        ("read_walk", from_two_triples),
        ("momentum_step", as_pull),
        ("momentum_step", with_summed_velocity),
        ("ema_weights", by_recursion),
        ("ema_weights", by_running_product),
        ("bias_correct", sum_of_weights),
        ("nesterov_step", asked_twice),
        ("nesterov_step", step_from_the_look_ahead),
        ("heavy_ball_optimum", from_the_condition_number),
        ("heavy_ball_optimum", without_division),
    ],
)
def test_a_right_answer_in_another_form_passes(name: str, other: Callable[..., Any]) -> None:
    for seed in range(5):
        verdict = judge(PARTS[name], f"other-{seed}", local_caller(other))
        assert (verdict.status, verdict.points) == ("passed", verdict.max_points), verdict.message


def followed(lr, beta, curvatures):
    """A walk of 400 steps, and by how much it shrank."""
    theta, velocity = np.ones(len(curvatures)), np.zeros(len(curvatures))
    for _ in range(400):
        velocity = beta * velocity + (1 - beta) * curvatures * theta
        theta = theta - lr * velocity
    return np.linalg.norm(theta) ** (1 / 400)


def test_numbers_that_are_only_near_are_told_so() -> None:
    def nearly(thetas, curvature):
        lr, beta = from_two_triples(thetas, curvature)
        return 1.003 * lr, 0.998 * beta

    for name, answer in (("momentum_rate", followed), ("read_walk", nearly)):
        verdict = judge(PARTS[name], "near", local_caller(answer))
        assert " near, as " in verdict.message


def test_a_velocity_changed_in_place_costs_the_share_of_a_kind() -> None:
    def in_place(theta, velocity, grad, lr, beta):
        velocity *= beta
        velocity += (1 - beta) * grad
        return theta - lr * velocity, velocity

    verdict = judge(PARTS["momentum_step"], "in-place", local_caller(in_place))
    assert (verdict.points, verdict.mistake) == (1.6, "changes_its_arguments")
    assert verdict.message == "It changes its argument velocity: work on a copy."
