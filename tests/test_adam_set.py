"""The adam set against torch.optim and closed forms, and other right answers before the judge."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.judging.judge import judge, local_caller
from autograder.judging.sets import find_set
from autograder.judging.verdict import Verdict
from solutions.adam import (
    adagrad_step,
    adam_step,
    adamw_step,
    effective_learning_rate,
    normalized_step,
    rmsprop_step,
    stable_learning_rate,
)

PARTS = {part.name: part for part in find_set("adam").parts}
STEPS, D = 1_000, 5
seeds = st.integers(0, 2**32 - 1)


# torch.optim over 1,000 random steps in float64, the learning rate another one every step.


def slopes(rng: np.random.Generator) -> np.ndarray:
    """Gradients of many sizes, (STEPS, D): one component tiny, one now and then exactly zero."""
    sizes = np.array([1e-9, 1e-4, 1.0, 30.0, 1.0])
    made = rng.normal(size=(STEPS, D)) * sizes
    made[rng.random(STEPS) < 0.3, 4] = 0.0
    return made


def torchs(optimiser: torch.optim.Optimizer, grads: np.ndarray, rates: np.ndarray) -> Iterator:
    """theta after every step of torch's optimiser."""
    (leaf,) = optimiser.param_groups[0]["params"]
    for grad, lr in zip(grads, rates, strict=True):
        optimiser.param_groups[0]["lr"] = float(lr)
        leaf.grad = torch.tensor(grad)
        optimiser.step()
        yield leaf.detach().numpy().copy()


def assert_same_walk(
    step: Callable[..., tuple], memories: int, make: Callable[..., Any], seed: int
) -> None:
    """step(theta, grad, *memory, t, lr) walks as torch's optimiser does, to 1e-10 at every step."""
    rng = np.random.default_rng(seed)
    grads, rates = slopes(rng), 10 ** rng.uniform(-3, -1, STEPS)
    theta = rng.normal(size=D)
    memory = [np.zeros(D) for _ in range(memories)]
    theirs = torchs(make([torch.tensor(theta, requires_grad=True)]), grads, rates)
    ours = []
    for t, (grad, lr) in enumerate(zip(grads, rates, strict=True), start=1):
        theta, *memory = step(theta, grad, *memory, t, lr)
        ours.append(theta)
    np.testing.assert_allclose(ours, list(theirs), rtol=1e-10, atol=1e-10)


# A tiny eps is as small as the tiny slopes, a large one as large as the large ones.
EPS = [1e-8, 1e-9, 0.3]


@pytest.mark.parametrize("eps", EPS)
def test_adagrad_is_torchs(eps: float) -> None:
    assert_same_walk(
        lambda theta, g, total, t, lr: adagrad_step(theta, g, total, lr, eps),
        1,
        lambda leaves: torch.optim.Adagrad(leaves, eps=eps),
        1,
    )


@pytest.mark.parametrize("eps", EPS)
def test_rmsprop_is_torchs(eps: float) -> None:
    assert_same_walk(
        lambda theta, g, v, t, lr: rmsprop_step(theta, g, v, lr, 0.93, eps),
        1,
        lambda leaves: torch.optim.RMSprop(leaves, alpha=0.93, eps=eps),
        2,
    )


@pytest.mark.parametrize(
    ("betas", "eps"), [((0.9, 0.999), 1e-8), ((0.7, 0.95), 1e-9), ((0.0, 0.5), 0.3)]
)
def test_adam_is_torchs(betas: tuple[float, float], eps: float) -> None:
    assert_same_walk(
        lambda theta, g, m, v, t, lr: adam_step(theta, g, m, v, t, lr, *betas, eps),
        2,
        lambda leaves: torch.optim.Adam(leaves, betas=betas, eps=eps),
        3,
    )


@pytest.mark.parametrize(("decay", "eps"), [(0.0, 1e-8), (1e-2, 1e-9), (0.8, 0.3)])
def test_adamw_is_torchs(decay: float, eps: float) -> None:
    betas = (0.8, 0.97)
    assert_same_walk(
        lambda theta, g, m, v, t, lr: adamw_step(theta, g, m, v, t, lr, *betas, eps, decay),
        2,
        lambda leaves: torch.optim.AdamW(leaves, betas=betas, eps=eps, weight_decay=decay),
        4,
    )


@pytest.mark.parametrize(
    ("step", "theirs"), [(adam_step, torch.optim.Adam), (adamw_step, torch.optim.AdamW)]
)
def test_defaults_are_torchs(step: Callable[..., tuple], theirs: Callable[..., Any]) -> None:
    """All hyperparameters left out, lr too."""
    rng = np.random.default_rng(5)
    theta, m, v = rng.normal(size=D), np.zeros(D), np.zeros(D)
    leaf = torch.tensor(theta, requires_grad=True)
    optimiser = theirs([leaf])
    for t, grad in enumerate(slopes(rng), start=1):
        theta, m, v = step(theta, grad, m, v, t)
        leaf.grad = torch.tensor(grad)
        optimiser.step()
    np.testing.assert_allclose(theta, leaf.detach().numpy(), rtol=1e-10, atol=1e-10)


def test_the_states_are_torchs() -> None:
    """m and v come back raw, the accumulator with this step's square in it."""
    rng = np.random.default_rng(6)
    total, v, m2, v2 = (np.zeros(D) for _ in range(4))
    theta = np.zeros(D)
    leaves = [torch.zeros(D, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    theirs = [
        torch.optim.Adagrad([leaves[0]], lr=0.1),
        torch.optim.RMSprop([leaves[1]], lr=0.1, alpha=0.9),
        torch.optim.Adam([leaves[2]], lr=0.1),
    ]
    for t, grad in enumerate(slopes(rng)[:50], start=1):
        for leaf, optimiser in zip(leaves, theirs, strict=True):
            leaf.grad = torch.tensor(grad)
            optimiser.step()
        total = adagrad_step(theta, grad, total, 0.1)[1]
        v = rmsprop_step(theta, grad, v, 0.1, 0.9)[1]
        _, m2, v2 = adam_step(theta, grad, m2, v2, t, 0.1)
        states = [optimiser.state[leaf] for leaf, optimiser in zip(leaves, theirs, strict=True)]
        for ours, state, name in (
            (total, states[0], "sum"),
            (v, states[1], "square_avg"),
            (m2, states[2], "exp_avg"),
            (v2, states[2], "exp_avg_sq"),
        ):
            np.testing.assert_allclose(ours, state[name].numpy(), rtol=1e-10, err_msg=name)


# Closed forms and laws.


@given(seeds, st.floats(1e-9, 10.0))
@settings(max_examples=50, deadline=None)
def test_a_normalised_step_is_lr_times_the_share_of_size_in_size_plus_eps(
    seed: int, eps: float
) -> None:
    rng = np.random.default_rng(seed)
    theta, size, lr = rng.normal(size=4), 10 ** rng.uniform(-6, 6, 4), float(rng.uniform(0.01, 1))
    sign = rng.choice([-1.0, 1.0], 4)
    wanted = theta - sign * lr * (1 - eps / (size + eps))
    np.testing.assert_allclose(
        normalized_step(theta, sign * size, lr, eps), wanted, rtol=1e-9, atol=1e-12
    )


def test_a_normalised_step_stays_where_it_is_flat() -> None:
    theta = normalized_step(np.array([2.0, 3.0]), np.array([0.0, 5.0]), lr=1.0)
    assert theta[0] == 2.0 and theta[1] == pytest.approx(2.0, abs=1e-8)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_on_an_even_slope_adagrads_steps_fall_as_one_over_the_root_of_t(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grad, theta, total = 10 ** rng.uniform(-3, 3, 3), np.zeros(3), np.zeros(3)
    for t in range(1, 30):
        before = theta
        theta, total = adagrad_step(theta, grad, total, 0.5, eps=0.0)
        np.testing.assert_allclose(before - theta, 0.5 / np.sqrt(t), rtol=1e-9)


@given(seeds, st.floats(0.3, 0.99))
@settings(max_examples=30, deadline=None)
def test_on_an_even_slope_rmsprops_steps_settle_at_lr(seed: int, beta: float) -> None:
    rng = np.random.default_rng(seed)
    grad, theta, v = 10 ** rng.uniform(-3, 3, 3), np.zeros(3), np.zeros(3)
    for t in range(1, 30):
        before = theta
        theta, v = rmsprop_step(theta, grad, v, 0.5, beta, eps=0.0)
        np.testing.assert_allclose(before - theta, 0.5 / np.sqrt(1 - beta**t), rtol=1e-9)


@given(seeds, st.floats(0.0, 0.99), st.floats(0.0, 0.999))
@settings(max_examples=30, deadline=None)
def test_on_an_even_slope_every_step_of_adam_is_lr(seed: int, beta1: float, beta2: float) -> None:
    rng = np.random.default_rng(seed)
    grad, theta, m, v = 10 ** rng.uniform(-3, 3, 3), np.zeros(3), np.zeros(3), np.zeros(3)
    for t in range(1, 30):
        before = theta
        theta, m, v = adam_step(theta, grad, m, v, t, 0.5, beta1, beta2, eps=0.0)
        np.testing.assert_allclose(before - theta, 0.5, rtol=1e-6)


@given(seeds, st.integers(1, 500), st.sampled_from([0.0, 1e-8, 0.2]))
@settings(max_examples=60, deadline=None)
def test_adams_step_is_its_effective_learning_rate_times_m_hat(
    seed: int, t: int, eps: float
) -> None:
    rng = np.random.default_rng(seed)
    theta, grad, m = rng.normal(size=(3, 4))
    v, beta1, beta2 = rng.uniform(0.1, 2, 4), rng.uniform(0.5, 0.95), rng.uniform(0.9, 0.999)
    lr = float(rng.uniform(1e-3, 1))
    moved, new_m, new_v = adam_step(theta, grad, m, v, t, lr, beta1, beta2, eps)
    rate = effective_learning_rate(new_v, t, lr, beta2, eps)
    assert rate.shape == v.shape
    np.testing.assert_allclose(theta - moved, rate * new_m / (1 - beta1**t), rtol=1e-9, atol=1e-12)


def test_the_effective_learning_rate_has_the_shape_of_v_and_ends_at_lr_over_eps() -> None:
    v = np.zeros((2, 3))
    v[0, 0] = 0.19  # with beta2 = 0.9 and t = 2, v_hat is exactly 1
    rate = effective_learning_rate(v, 2, 0.3, 0.9, eps=0.5)
    assert rate.shape == (2, 3)
    assert rate[0, 0] == pytest.approx(0.2) and rate[1, 2] == pytest.approx(0.6)


def test_adamw_without_a_slope_shrinks_by_one_factor_a_step() -> None:
    theta, m, v = np.array([100.0, 1.0]), np.zeros(2), np.zeros(2)
    for t in range(1, 11):
        theta, m, v = adamw_step(theta, np.zeros(2), m, v, t, lr=0.1, weight_decay=0.1)
    np.testing.assert_allclose(theta, 0.99**10 * np.array([100.0, 1.0]), rtol=1e-12)


def growth(lr, H, v, t, beta1, beta2, eps=1e-8) -> float:
    """By what factor frozen Adam grows in a step, in the long run: the largest root of its step."""
    size, d = np.sqrt(v / (1 - beta2**t)) + eps, len(v)
    step = np.diag(lr / size)
    blocks = [
        [np.eye(d) - (1 - beta1) * step @ H, -beta1 * step],
        [(1 - beta1) * H, beta1 * np.eye(d)],
    ]
    return float(np.abs(np.linalg.eigvals(np.block(blocks))).max())


@pytest.mark.parametrize("family", PARTS["stable_learning_rate"].families, ids=lambda f: f.name)
def test_below_the_cliff_frozen_adam_shrinks_and_above_it_grows(family) -> None:
    for seed in range(20):
        for case in family.draw(np.random.default_rng(seed)):
            args = {name: np.asarray(value, dtype=float) for name, value in case.args.items()}
            lr = stable_learning_rate(**case.args)
            assert growth(0.999 * lr, **args) < 1 < growth(1.001 * lr, **args), (family.name, seed)


def test_torchs_adam_flies_off_above_the_cliff_and_not_below() -> None:
    """With a beta2 so near 1 that v hardly moves, on a ravine that runs along no axis."""
    H = torch.tensor([[50.5, -49.5], [-49.5, 50.5]], dtype=torch.float64)
    v, beta2, t = np.array([400.0, 9.0]), 1 - 1e-14, 10**6
    cliff = stable_learning_rate(H.numpy(), (1 - beta2**t) * v, t, 0.9, beta2)
    for share, grows in ((0.97, False), (1.03, True)):
        theta = torch.tensor([-1e-3, 2e-3], dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.Adam([theta], lr=share * cliff, betas=(0.9, beta2))
        optimiser.zero_grad()
        theta.grad = torch.zeros(2, dtype=torch.float64)
        optimiser.step()
        optimiser.state[theta]["exp_avg_sq"] = torch.tensor((1 - beta2**t) * v)
        optimiser.state[theta]["step"] = torch.tensor(float(t))
        distances = []
        for _ in range(1000):
            theta.grad = (H @ theta).detach()
            optimiser.step()
            distances.append(float(theta.detach().norm()))
        # What flies far is caught in the end: its own gradients enter v.
        assert (max(distances) > 1) == grows, (share, max(distances))


@pytest.mark.parametrize("name", PARTS)
def test_arguments_are_left_as_they_were(name: str) -> None:
    part = PARTS[name]
    for family in part.families:
        for case in family.draw(np.random.default_rng(7)):
            kept = {k: np.array(v) for k, v in case.args.items()}
            part.reference(**case.args)
            for argument, was in kept.items():
                np.testing.assert_array_equal(case.args[argument], was)


# Other right answers, and what a learner who changes arguments in place is told.


def verdict_on(name: str, function: Callable[..., Any]) -> Verdict:
    return judge(PARTS[name], "alternatives", local_caller(function))


def adam_by_kingmas_shorter_form(
    theta, grad, m, v, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8
) -> list:
    """Section 2 of the paper: both corrections in one rate, eps corrected with them."""
    m, v = m + (1 - beta1) * (grad - m), v + (1 - beta2) * (grad * grad - v)
    root = (1 - beta2**t) ** 0.5
    return [theta - lr * root / (1 - beta1**t) * m / (np.sqrt(v) + eps * root), m, v]


def adam_by_loop(theta, grad, m, v, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8) -> tuple:
    """Component by component, in Python floats."""
    out = np.zeros((3, len(theta)))
    for i in range(len(theta)):
        mean = beta1 * float(m[i]) + (1 - beta1) * float(grad[i])
        square = beta2 * float(v[i]) + (1 - beta2) * float(grad[i]) ** 2
        size = (square / (1 - beta2**t)) ** 0.5
        out[:, i] = float(theta[i]) - lr * mean / (1 - beta1**t) / (size + eps), mean, square
    return tuple(out)


def adamw_by_itself(
    theta, grad, m, v, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
) -> tuple:
    """The decay subtracted beside Adam's step."""
    moved, m, v = adam_by_loop(theta, grad, m, v, t, lr, beta1, beta2, eps)
    return moved - lr * weight_decay * theta, m, v


def sizes_of(v, t, beta2, eps):
    return (v / (1 - beta2**t)) ** 0.5 + eps


def cliff_by_any_eigenvalues(H, v, t, beta1, beta2, eps=1e-8):
    """Those of P^-1 H, which is not symmetric."""
    values = np.linalg.eigvals(H / sizes_of(v, t, beta2, eps)[:, None])
    return 2 * (1 + beta1) / (1 - beta1) / max(values.real)


def cliff_by_scipy(H, v, t, beta1, beta2, eps=1e-8):
    """The generalised problem H x = c P x."""
    from scipy.linalg import eigh

    strongest = eigh(H, np.diag(sizes_of(v, t, beta2, eps)), eigvals_only=True).max()
    return 2 * (1 + beta1) / (1 - beta1) / strongest


def cliff_by_power_iteration(H, v, t, beta1, beta2, eps=1e-8, steps=60):
    M = H / sizes_of(v, t, beta2, eps)[:, None]
    x = np.random.default_rng(0).normal(size=len(v))
    for _ in range(steps):
        x = M @ x
        x /= np.linalg.norm(x)
    return 2 * (1 + beta1) / (1 - beta1) / ((x @ (M @ x)) / (x @ x))


def cliff_by_bisection(H, v, t, beta1, beta2, eps=1e-8):
    """From the two steps of momentum themselves, with no formula."""
    low, high = 0.0, 1e9
    for _ in range(100):
        middle = (low + high) / 2
        if growth(middle, H, v, t, beta1, beta2, eps) < 1 - 1e-12:
            low = middle
        else:
            high = middle
    return high


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("stable_learning_rate", cliff_by_any_eigenvalues),
        ("stable_learning_rate", cliff_by_scipy),
        ("stable_learning_rate", cliff_by_power_iteration),
        ("stable_learning_rate", cliff_by_bisection),
        ("adam_step", adam_by_kingmas_shorter_form),
        ("adam_step", adam_by_loop),
        ("adamw_step", adamw_by_itself),
        (
            "normalized_step",
            lambda theta, grad, lr, eps=1e-8: theta - lr * np.sign(grad) / (1 + eps / abs(grad)),
        ),
        (
            "rmsprop_step",
            lambda theta, grad, v, lr, beta, eps=1e-8: (
                theta - lr * grad / (np.sqrt(v + (1 - beta) * (grad**2 - v)) + eps),
                v + (1 - beta) * (grad**2 - v),
            ),
        ),
        (
            "effective_learning_rate",
            lambda v, t, lr, beta2, eps=1e-8: lr / ((v / (1 - np.power(beta2, t))) ** 0.5 + eps),
        ),
    ],
)
def test_other_right_answers_get_full_marks(name: str, function: Callable[..., Any]) -> None:
    verdict = verdict_on(name, function)
    assert (verdict.status, verdict.points) == ("passed", PARTS[name].points)


def test_an_iteration_that_ends_early_is_told_so() -> None:
    def one_step(H, v, t, beta1, beta2, eps=1e-8):
        root = np.sqrt(sizes_of(v, t, beta2, eps))
        x = np.random.default_rng(0).normal(size=len(v))
        y = H / np.outer(root, root) @ x
        return 2 * (1 + beta1) / (1 - beta1) * np.linalg.norm(x) / np.linalg.norm(y)

    assert verdict_on("stable_learning_rate", one_step).mistake == "strongest_not_found"


def test_a_state_that_is_changed_in_place_costs_the_share_of_a_kind() -> None:
    def in_place(theta, grad, m, v, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
        m *= beta1
        m += (1 - beta1) * grad
        v *= beta2
        v += (1 - beta2) * grad**2
        return theta - lr * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v

    verdict = verdict_on("adam_step", in_place)
    assert (verdict.status, verdict.mistake) == ("partial", "changes_its_arguments")
    assert verdict.points == round(verdict.max_points * (1 - 1 / len(verdict.families)), 2)
    assert verdict.message == "It changes its arguments m and v: work on copies."


def test_a_mistake_in_adam_step_follows_into_adamw_by_name() -> None:
    """adamw_step that calls a learner's adam_step without correction is told just that."""

    def uncorrected(
        theta, grad, m, v, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
    ):
        m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad**2
        return (1 - lr * weight_decay) * theta - lr * m / (np.sqrt(v) + eps), m, v

    assert verdict_on("adamw_step", uncorrected).mistake == "adamw_no_bias_correction"


def test_points_follow_difficulty() -> None:
    """What is to be derived is worth most, what is one line of the docstring least."""
    points = {name: part.points for name, part in PARTS.items()}
    assert max(points, key=lambda name: points[name]) == "stable_learning_rate"
    assert points["normalized_step"] == points["effective_learning_rate"] == min(points.values())
    assert points["adam_step"] > points["rmsprop_step"] == points["adagrad_step"]
