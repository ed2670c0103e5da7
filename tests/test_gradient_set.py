"""The gradient set against independent truth: torch, SciPy, closed forms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.judging.judge import judge, local_caller
from autograder.problems import spd_matrix
from solutions.gradient import (
    bfgs_update,
    bracketing_line_search,
    equally_steep,
    gabor,
    gabor_gradient,
    gradient_descent,
    is_convex_hessian,
    largest_learning_rate,
    linear_gradient,
    newton_step,
    numerical_gradient,
)

seeds = st.integers(0, 2**32 - 1)


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def gradient_of(leaf: torch.Tensor) -> np.ndarray:
    assert leaf.grad is not None
    return leaf.grad.numpy()


# Independent truth: torch's autograd, SciPy, closed forms.


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_linear_gradient_is_what_autograd_says(seed: int) -> None:
    rng = rng_of(seed)
    n, d = rng.integers(1, 20), rng.integers(1, 6)
    theta, X, y = rng.normal(size=d), rng.normal(size=(n, d)), rng.normal(size=n)
    leaf = torch.tensor(theta, requires_grad=True)
    (((torch.tensor(X) @ leaf - torch.tensor(y)) ** 2).mean() / 2).backward()
    np.testing.assert_allclose(linear_gradient(theta, X, y), gradient_of(leaf), rtol=1e-10)


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_gabor_and_its_gradient_are_what_autograd_says(seed: int) -> None:
    rng = rng_of(seed)
    n = rng.integers(1, 30)
    theta = rng.uniform([-6, 2], [6, 24])
    x, y = rng.uniform(-15, 15, n), rng.normal(size=n)
    leaf = torch.tensor(theta, requires_grad=True)
    u = leaf[0] + 0.06 * leaf[1] * torch.tensor(x)
    model = torch.sin(u) * torch.exp(-(u**2) / 32)
    ((model - torch.tensor(y)) ** 2).sum().backward()
    np.testing.assert_allclose(gabor(theta, x), model.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        gabor_gradient(theta, x, y), gradient_of(leaf), rtol=1e-9, atol=1e-10
    )


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_gabor_gradient_is_what_differences_measure(seed: int) -> None:
    rng = rng_of(seed)
    theta = rng.uniform([-4, 8], [4, 20])
    x, y = rng.uniform(-14, 14, 12), rng.normal(size=12)
    measured = numerical_gradient(lambda t: np.sum((gabor(t, x) - y) ** 2), theta)
    np.testing.assert_allclose(gabor_gradient(theta, x, y), measured, rtol=1e-5, atol=1e-6)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_numerical_gradient_is_scipys(seed: int) -> None:
    rng = rng_of(seed)
    theta = rng.normal(size=4)
    theirs = scipy.optimize.approx_fprime(theta, scipy.optimize.rosen, 1e-7)
    ours = numerical_gradient(scipy.optimize.rosen, theta)
    np.testing.assert_allclose(ours, scipy.optimize.rosen_der(theta), rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-2)


def test_the_error_of_central_differences_falls_as_h_squared() -> None:
    theta, exact = np.array([0.7]), np.exp(0.7)
    errors = [abs(numerical_gradient(lambda t: np.exp(t[0]), theta, h)[0] - exact) for h in H]
    slope = np.polyfit(np.log(H), np.log(errors), 1)[0]
    assert slope == pytest.approx(2, abs=0.01)


H = np.array([0.2, 0.1, 0.05, 0.02, 0.01])


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_gradient_descent_on_a_quadratic_has_a_closed_form(seed: int) -> None:
    rng = rng_of(seed)
    d, lr, steps = int(rng.integers(1, 5)), 0.1, int(rng.integers(0, 12))
    A, theta0 = spd_matrix(rng, d), rng.normal(size=d)
    walk = gradient_descent(lambda t: A @ t, theta0, lr, steps)
    assert walk.shape == (steps + 1, d)
    power = np.linalg.matrix_power(np.eye(d) - lr * A, steps)
    np.testing.assert_allclose(walk[-1], power @ theta0, rtol=1e-9, atol=1e-12)


def test_gradient_descent_is_torchs_sgd() -> None:
    rng = rng_of(3)
    A, b, theta0 = spd_matrix(rng, 3), rng.normal(size=3), rng.normal(size=3)
    walk = gradient_descent(lambda t: A @ t - b, theta0, 0.15, 40)
    leaf = torch.tensor(theta0, requires_grad=True)
    optimiser = torch.optim.SGD([leaf], lr=0.15)
    for _ in range(40):
        optimiser.zero_grad()
        (leaf @ torch.tensor(A) @ leaf / 2 - torch.tensor(b) @ leaf).backward()
        optimiser.step()
    np.testing.assert_allclose(walk[-1], leaf.detach().numpy(), rtol=1e-10)


@given(st.floats(-3, 3), st.floats(0.5, 4), st.floats(0.5, 4))
@settings(max_examples=60, deadline=None)
def test_line_search_finds_what_scipy_finds(minimum: float, left: float, right: float) -> None:
    a, b, tol = minimum - left, minimum + right, 1e-5

    def phi(t: float) -> float:
        return float(np.cosh(t - minimum) + 0.1 * (t - minimum) ** 4)

    theirs = scipy.optimize.minimize_scalar(phi, bounds=(a, b), method="bounded").x
    ours = bracketing_line_search(phi, a, b, tol)
    assert abs(ours - minimum) <= tol
    assert abs(ours - theirs) <= 1e-4


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_convexity_is_what_cholesky_says(seed: int) -> None:
    rng = rng_of(seed)
    B = rng.normal(size=(3, 3))
    H = B + B.T + rng.uniform(0, 4) * np.eye(3)
    try:
        scipy.linalg.cholesky(H)
        positive = True
    except scipy.linalg.LinAlgError:
        positive = False
    assert is_convex_hessian(H) == positive


def test_minus_identity_is_not_convex_though_its_determinant_is_positive() -> None:
    assert np.linalg.det(-np.eye(2)) == pytest.approx(1)
    assert not is_convex_hessian(-np.eye(2))


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_newton_steps_meet_scipys_solution(seed: int) -> None:
    rng = rng_of(seed)
    A, b, w = spd_matrix(rng, 3), rng.normal(size=3), rng.uniform(0.5, 1.5, 3)

    def value(theta: np.ndarray) -> float:
        return float(theta @ A @ theta / 2 - b @ theta + np.sum(np.cosh(w * theta)))

    def slope(theta: np.ndarray) -> np.ndarray:
        return A @ theta - b + w * np.sinh(w * theta)

    def curvature(theta: np.ndarray) -> np.ndarray:
        return A + np.diag(w**2 * np.cosh(w * theta))

    theta = np.zeros(3)
    for _ in range(30):
        theta = newton_step(slope, curvature, theta)
    theirs = scipy.optimize.minimize(
        value, np.zeros(3), method="trust-exact", jac=slope, hess=curvature, tol=1e-12
    )
    np.testing.assert_allclose(slope(theta), np.zeros(3), atol=1e-12)
    np.testing.assert_allclose(theta, theirs.x, atol=1e-6)


def test_newton_says_where_the_hessian_is_singular() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        newton_step(lambda t: t, lambda t: np.zeros((2, 2)), np.ones(2))


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_bfgs_update_is_scipys(seed: int) -> None:
    rng = rng_of(seed)
    d = int(rng.integers(2, 6))
    H, s = spd_matrix(rng, d), rng.normal(size=d)
    y = spd_matrix(rng, d) @ s
    theirs = scipy.optimize.BFGS(exception_strategy="skip_update", init_scale=H)
    theirs.initialize(d, "inv_hess")
    theirs.update(s, y)
    ours = bfgs_update(H, s, y)
    np.testing.assert_allclose(ours, theirs.get_matrix(), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(ours @ y, s, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(ours, ours.T, rtol=1e-12, atol=1e-12)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_descent_turns_at_the_largest_learning_rate(seed: int) -> None:
    rng = rng_of(seed)
    d = int(rng.integers(2, 6))
    A, b = spd_matrix(rng, d), 10 * rng.normal(size=d)
    cliff = largest_learning_rate(lambda t: A @ t - b, d)
    assert cliff == pytest.approx(2 / scipy.linalg.eigvals(A).real.max(), rel=1e-9)
    start = rng.normal(size=d)
    for share, shrinks in ((0.97, True), (1.03, False)):
        walk = gradient_descent(lambda t: A @ t - b, start, share * cliff, 400)
        away = np.linalg.norm(A @ walk.T - b[:, np.newaxis], axis=0)
        assert bool(away[-1] < away[0]) is shrinks


def by_power_iteration(grad: Callable, d: int) -> float:
    v = np.random.default_rng(0).normal(size=d)
    for _ in range(300):
        u = grad(v) - grad(np.zeros(d))
        length = np.linalg.norm(u) / np.linalg.norm(v)
        v = u / np.linalg.norm(u)
    return float(2 / length)


def by_trial(grad: Callable, d: int) -> float:
    """Walks are tried, and the learning rate is bisected."""
    low, high = 0.0, 10.0
    for _ in range(12):
        lr = (low + high) / 2
        theta = np.random.default_rng(0).normal(size=d)
        lengths = []
        for _ in range(60):
            step = grad(theta)
            lengths.append(np.linalg.norm(step))
            theta = theta - lr * step
        low, high = (lr, high) if lengths[-1] <= lengths[-2] else (low, lr)
    return low


def by_small_steps(grad: Callable, d: int) -> float:
    """Columns of the Hessian by central differences, as for any other function."""
    steps = 1e-4 * np.eye(d)
    H = np.array([(grad(s) - grad(-s)) / 2e-4 for s in steps])
    return float(2 / np.max(np.linalg.eigvals(H).real))


@pytest.mark.parametrize("answer", [by_power_iteration, by_trial, by_small_steps])
def test_every_way_to_the_cliff_is_right(answer: Callable[..., float]) -> None:
    for seed in ("a", "b", "c"):
        verdict = judge(largest_learning_rate, seed, local_caller(answer))
        assert verdict.status == "passed", verdict.message


def test_an_iteration_that_ends_early_is_told_so() -> None:
    def two_steps(grad: Callable, d: int) -> Any:
        level, v = grad(np.zeros(d)), np.random.default_rng().normal(size=d)
        for _ in range(2):
            length, v = np.linalg.norm(v), grad(v) - level
        return 2 * length / np.linalg.norm(v)

    for seed in ("a", "b", "c"):
        verdict = judge(largest_learning_rate, seed, local_caller(two_steps))
        assert "as if the steepest direction had not been found" in verdict.message


def test_an_eigenvalue_by_its_place_is_told_and_keeps_little() -> None:
    """np.linalg.eig nearly always begins with the largest: only where it does not is it seen."""

    def by_place(grad: Callable, d: int) -> float:
        H = np.stack([grad(axis) - grad(np.zeros(d)) for axis in np.eye(d)], axis=1)
        return float(2 / np.linalg.eig(H)[0].real[0])

    for seed in ("a", "b", "c"):
        verdict = judge(largest_learning_rate, seed, local_caller(by_place))
        assert (verdict.mistake, verdict.points) == ("first_eigenvalue", 1.0)


def test_two_directions_that_are_equally_steep_make_no_complex_pair() -> None:
    """Where both eigenvalues are equal to the last digit, a matrix that is off in that has one."""
    for case in (case for seed in range(15) for case in equally_steep(np.random.default_rng(seed))):
        level = case["grad"](np.zeros(case["d"]))
        values = np.linalg.eigvals([case["grad"](axis) - level for axis in np.eye(case["d"])])
        assert values.dtype == np.float64
