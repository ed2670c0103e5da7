"""What chapter 4's page states is true: its experiments, with seeds fixed and tolerances stated."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.linalg
import torch

from book import momentum_experiments as lab
from solutions.gradient import gradient_descent, numerical_gradient
from solutions.momentum import (
    bias_correct,
    ema_weights,
    heavy_ball_optimum,
    nesterov_step,
)

EXACT = 1e-12  # two ways of the same arithmetic in float64


# The exponential average.


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.99])
def test_the_velocity_is_the_weighted_sum_of_the_gradients(beta):
    assert lab.unrolled_gap(beta) < EXACT


@pytest.mark.parametrize("beta", [0.9, 0.99])
def test_most_weight_lies_on_the_memory(beta):
    """1 - beta ** (1 / (1 - beta)), which tends to 1 - 1/e."""
    recent = ema_weights(beta, 4000)[-round(1 / (1 - beta)) :].sum()
    assert 1 - np.exp(-1) < recent < 0.66


def test_the_corrected_average_of_a_constant_is_the_constant():
    raw = lab.average_of(np.full(60, 7.0), 0.99)
    assert raw[0] == pytest.approx(0.07)
    np.testing.assert_allclose(lab.corrected(raw, 0.99), 7.0, rtol=EXACT)


def test_a_swing_is_damped_and_a_steady_push_is_not():
    swing = lab.average_of((-1.0) ** np.arange(400), 0.9)
    assert abs(swing[-1]) == pytest.approx(0.1 / 1.9, abs=EXACT)
    assert lab.average_of(np.ones(400), 0.9)[-1] == pytest.approx(1, abs=EXACT)


def test_along_the_zigzag_the_average_keeps_the_floor_and_cancels_the_walls():
    gradients, averages = lab.zigzag()
    assert np.all(np.diff(np.sign(gradients[:, 1])) != 0)
    assert np.abs(averages[20:, 1]).max() < 0.11 * np.abs(gradients[20:, 1]).max()
    assert averages[-1, 0] / gradients[-1, 0] > 1


@pytest.mark.parametrize("beta", [0.5, 0.9])
def test_noise_keeps_the_stated_share_of_its_variance(beta):
    """Within five standard errors of the closed form."""
    measured, error = lab.gain_of_noise(beta)
    assert abs(measured - (1 - beta) / (1 + beta)) < 5 * error
    assert error < 0.02 * measured


def test_momentum_damps_noise_in_the_velocity_and_not_in_the_place():
    """The covariance of (theta, velocity) solves a discrete Lyapunov equation; lr / 4 is near."""
    lr = 0.1
    for beta in (0.0, 0.9):
        step = np.array([[1 - lr * (1 - beta), -lr * beta], [1 - beta, beta]])
        kick = np.array([[-lr * (1 - beta)], [1 - beta]])
        covariance = scipy.linalg.solve_discrete_lyapunov(step, kick @ kick.T)
        measured = lab.noise_floor(beta, lr)
        assert lab.predicted_floor(beta, lr) == pytest.approx(covariance[0, 0] / 2, rel=1e-9)
        assert abs(measured.height - covariance[0, 0] / 2) < 5 * measured.error
        assert measured.velocity == pytest.approx(covariance[1, 1], rel=0.05)
        assert covariance[0, 0] / 2 == pytest.approx(lr / 4, rel=0.06)
    # The page's numbers of plain descent and of momentum.
    assert lab.predicted_floor(0.0, lr) == pytest.approx(0.0263, abs=1e-4)
    assert lab.predicted_floor(0.9, lr) == pytest.approx(0.0251, abs=1e-4)


def test_at_the_moment_of_overshooting_the_two_gradients_have_opposite_signs():
    moment = lab.overshoot()
    assert moment.here == moment.theta > 0.2
    assert moment.there == pytest.approx(moment.look_ahead)
    assert moment.there < -0.2
    assert moment.look_ahead == pytest.approx(moment.theta + moment.kept)
    assert moment.pull(moment.here) < 0 < moment.pull(moment.there)


# Rates.


def recursion_matrix(method, curvature, lr, beta):
    """What one step of the reference does to (theta, velocity), as a matrix."""
    columns = []
    for theta, velocity in ((1.0, 0.0), (0.0, 1.0)):
        columns.append(
            lab.one_step(
                method,
                np.array([theta]),
                np.array([velocity]),
                lambda p: curvature * p,
                lr,
                beta,
            )
        )
    return np.array(columns)[:, :, 0].T


@pytest.mark.parametrize("method", lab.METHODS)
@pytest.mark.parametrize("seed", range(4))
def test_the_theoretical_rate_is_the_spectral_radius_of_the_references(method, seed):
    """Eigenvalues by LAPACK, to 1e-7: near a double root they are good to no more."""
    rng = np.random.default_rng(seed)
    for _ in range(25):
        lambdas, lr = rng.uniform(0.01, 2, 3), rng.uniform(0.05, 5)
        beta = 0.0 if method == "plain" else rng.uniform(0.05, 0.95)
        radius = max(
            np.abs(np.linalg.eigvals(recursion_matrix(method, x, lr, beta))).max() for x in lambdas
        )
        theory = lab.theoretical_rate(method, lr, beta, lambdas)
        assert theory == pytest.approx(radius, abs=1e-7)


def test_the_two_roots_are_numpys_and_lie_on_a_circle_while_complex():
    for pull in (0.001, 0.1, 1.9, 3.7, 3.9):
        pair = lab.roots(2.0, pull / (2 * 0.1), 0.9)
        wanted = np.roots([1, -(1.9 - pull), 0.9])
        np.testing.assert_allclose(np.sort_complex(pair), np.sort_complex(wanted), atol=1e-12)
        assert abs(pair[0]) >= abs(pair[1])
        if pair[0].imag:
            np.testing.assert_allclose(np.abs(pair), np.sqrt(0.9))


@pytest.fixture(scope="module")
def measured():
    return lab.rates(KS)


KS = np.array([5.0, 30.0, 100.0, 300.0, 1000.0])


@pytest.mark.parametrize(
    ("method", "tolerance"), [("plain", 1e-6), ("momentum", 0.01), ("nesterov", 0.01)]
)
def test_measured_rates_are_the_theoretical_ones(measured, method, tolerance):
    """The tolerance is a share of 1 - rate, which is what a step takes off."""
    bounds = np.array([lab.BOUNDS[method](k) for k in KS])
    np.testing.assert_allclose(1 - measured[method], 1 - bounds, rtol=tolerance)


def test_momentum_replaces_the_condition_number_by_its_root(measured):
    large = KS >= 100
    slopes = {m: lab.slope_of_gain(KS[large], row[large]) for m, row in measured.items()}
    assert slopes["plain"] == pytest.approx(-1, abs=0.02)
    assert slopes["momentum"] == pytest.approx(-0.5, abs=0.05)
    assert slopes["nesterov"] == pytest.approx(-0.5, abs=0.02)


@pytest.mark.parametrize("k", [2.0, 25.0, 400.0])
def test_the_closed_forms_are_the_rates_of_the_best_settings(k):
    for method in lab.METHODS:
        rate = lab.theoretical_rate(method, *lab.best(method, k), lab.curvatures(k))
        assert rate == pytest.approx(lab.BOUNDS[method](k), abs=1e-7)


def test_the_best_settings_stand_at_the_edge():
    lr, beta = lab.best("momentum", 1000)
    assert lr < lab.cliff_formula("momentum", beta) < 1.05 * lr


def test_near_the_best_settings_a_larger_beta_costs_little_and_a_larger_lr_everything():
    lr, beta = lab.best("momentum", 100)
    assert lab.steps_a_digit(100) == pytest.approx(np.log(10) / np.log(11 / 9))
    assert lab.steps_a_digit(100, more_beta=0.05) < 1.3 * lab.steps_a_digit(100)
    assert lab.theoretical_rate("momentum", 1.05 * lr, beta, lab.curvatures(100)) > 1


def test_with_less_memory_nesterov_diverges_before_momentum():
    """What the reader finds with the sliders; in PyTorch's form 1.8 is beyond one cliff of two."""
    assert lab.beta_at_the_cliff("momentum", 10.0) == pytest.approx(2 / 3)
    assert lab.beta_at_the_cliff("nesterov", 10.0) == pytest.approx((1 + np.sqrt(11)) / 5)
    for method, beta in (("momentum", 2 / 3), ("nesterov", (1 + np.sqrt(11)) / 5)):
        below, above = (
            lab.theoretical_rate(method, 10.0, beta + d, lab.curvatures(100)) for d in (-0.01, 0.01)
        )
        assert above < 1 < below
    diverges = {
        method: lab.theoretical_rate(method, rate, 0.9, lab.curvatures(100)) > 1
        for method, rate in (("plain", 1.8), ("momentum", 18.0), ("nesterov", 18.0))
    }
    assert diverges == {"plain": False, "momentum": False, "nesterov": True}


def test_the_usual_beta_is_polyaks_for_its_condition_number():
    k = lab.condition_number_for(0.9)
    assert heavy_ball_optimum(1.0, k)[1] == pytest.approx(0.9, abs=EXACT)


@pytest.mark.parametrize(
    ("method", "beta"),
    [("plain", 0.0), ("momentum", 0.5), ("momentum", 0.9), ("nesterov", 0.5), ("nesterov", 0.9)],
)
def test_the_measured_cliff_is_that_of_the_formula(method, beta):
    assert lab.cliff(method, beta) == pytest.approx(lab.cliff_formula(method, beta), rel=1e-4)


def test_over_the_level_floor_the_rate_is_the_root_of_beta():
    for lr in (4.0, 12.0, 30.0):
        rate = lab.measured_rate("momentum", lab.curvatures(100), lr, 0.9, 2000, 2000)
        assert rate == pytest.approx(np.sqrt(0.9), abs=1e-3)


def test_memory_alone_gains_little_and_with_a_larger_rate_much():
    plain = lab.steps_to("plain", 100, 1.9, 0.0)
    same = lab.steps_to("momentum", 100, 1.9, 0.9)
    larger = lab.steps_to("momentum", 100, 10.0, 0.9)
    assert 0.75 * plain < same < plain
    assert larger < 0.5 * same


def test_ten_times_as_narrow_takes_ten_times_the_steps_of_plain_descent():
    steps = [lab.steps_to("plain", k, *lab.best("plain", k)) for k in (10, 100, 1000)]
    assert steps[1] / steps[0] == pytest.approx(10, rel=0.05)
    assert steps[2] / steps[1] == pytest.approx(10, rel=0.05)


def test_plain_is_chapter_twos_gradient_descent():
    grad = lab.ravine_gradient(100)
    points, _ = lab.walk("plain", grad, lab.RAVINE_START, 1.9, 0.0, 50)
    np.testing.assert_allclose(
        points, gradient_descent(grad, lab.RAVINE_START, 1.9, 50), atol=EXACT
    )


def test_on_the_ravine_momentum_pays_first_and_wins_later():
    grad = lab.ravine_gradient(100)
    fall = {
        m: lab.ravine_losses(lab.walk(m, grad, lab.RAVINE_START, *lab.best(m, 100), 160)[0], 100)
        for m in lab.METHODS
    }
    assert fall["momentum"].max() > 5 * fall["momentum"][0]
    assert np.all(np.diff(fall["plain"]) < 0)
    assert np.all(fall["momentum"][40:] < fall["nesterov"][40:])
    assert np.all(fall["nesterov"][40:] < fall["plain"][40:])


# Nesterov by Taylor.


def test_the_smooth_loss_has_the_stated_derivatives():
    theta = torch.tensor([0.4, -0.3], dtype=torch.float64)

    def loss(p):
        return torch.log(torch.cosh(p[0] + 2 * p[1])) + p[0] ** 2 / 4

    slope = torch.autograd.functional.jacobian(loss, theta)
    np.testing.assert_allclose(lab.bumpy_gradient(theta.numpy()), slope, atol=EXACT)
    H = torch.autograd.functional.hessian(loss, theta)
    np.testing.assert_allclose(lab.bumpy_hessian(theta.numpy()), H, atol=EXACT)


def test_what_the_hessian_leaves_unexplained_is_of_second_order():
    lrs = np.geomspace(1e-4, 1e-2, 9)
    change, rest = lab.look_ahead_taylor(lrs)
    assert np.polyfit(np.log(lrs), np.log(change), 1)[0] == pytest.approx(1, abs=0.01)
    assert np.polyfit(np.log(lrs), np.log(rest), 1)[0] == pytest.approx(2, abs=0.02)


def test_on_a_quadratic_the_expansion_is_exact():
    assert lab.look_ahead_on_a_quadratic() < EXACT


# The three conventions.


def test_with_everything_fixed_the_three_are_one():
    gaps = lab.convention_gaps("fixed")
    assert gaps["PyTorch"] < EXACT
    assert gaps["Sutskever"] < EXACT


def test_when_lr_changes_sutskevers_form_breaks_and_pytorchs_does_not():
    gaps = lab.convention_gaps("lr")
    assert gaps["PyTorch"] < EXACT
    assert gaps["Sutskever"] > 0.5
    assert gaps["Sutskever, rescaled"] < EXACT


def test_when_beta_changes_pytorchs_form_breaks_and_sutskevers_does_not():
    gaps = lab.convention_gaps("beta")
    assert gaps["PyTorch"] > 0.3
    assert gaps["Sutskever"] < EXACT


def test_after_a_cut_sutskevers_steps_fade_at_the_pace_of_beta():
    cut = 25
    lengths = lab.steps_after_a_cut(60, cut)
    np.testing.assert_allclose(lengths["PyTorch"], lengths["averaged"], atol=EXACT)
    np.testing.assert_allclose(lengths["Sutskever"][:cut], lengths["averaged"][:cut], atol=EXACT)
    t = np.arange(1, 60 - cut + 1)
    before = 1 - 0.9**cut
    # Closed form: the old step, faded, and the new ones, each a tenth.
    np.testing.assert_allclose(
        lengths["Sutskever"][cut:], before * 0.9**t + 0.1 * (1 - 0.9**t), atol=EXACT
    )
    np.testing.assert_allclose(lengths["averaged"][cut:], 0.1 * (1 - 0.9 ** (cut + t)), atol=EXACT)


# torch.optim.SGD.


def test_torch_follows_through_a_change_of_lr_and_its_nesterov_does_not():
    gaps = lab.torch_gaps()
    assert gaps["momentum, constant lr"] < EXACT
    assert gaps["momentum, changing lr"] < EXACT
    assert gaps["nesterov, constant lr"] < EXACT
    assert gaps["nesterov, changing lr"] > 0.1


def test_torchs_first_step_is_not_dampened():
    """The gap in closed form: beta ** t in the velocity, its running sum in the position."""
    beta, t = 0.9, np.arange(1, 61)
    gap = lab.first_step_gap(beta)
    np.testing.assert_allclose(gap.velocity_gap, beta**t, atol=1e-10)
    np.testing.assert_allclose(gap.position_gap, beta * (1 - beta**t) / (1 - beta), atol=1e-10)


def test_with_dampening_the_walks_differ_and_end_at_the_same_minimum():
    assert lab.torch_gaps()["dampening, constant lr"] > 1
    assert lab.damped_end() < 1e-6


def test_torch_refuses_dampening_with_nesterov():
    assert "zero dampening" in lab.torch_refusal()


# Not a quadratic.


def test_the_kinked_loss_is_convex_with_curvatures_between_1_and_25():
    x = np.linspace(-3, 5, 4001)
    slopes = np.diff([lab.kinked_gradient(np.array([v]))[0] for v in x]) / np.diff(x)
    assert slopes.min() == pytest.approx(1, rel=1e-6)
    assert slopes.max() == pytest.approx(25, rel=1e-6)
    assert lab.kinked_gradient(np.zeros(1))[0] == 0


def test_on_it_momentum_cycles_and_the_others_arrive():
    rows = lab.kinked_walks(steps=400)
    cycle = rows["momentum"][-12:]
    np.testing.assert_allclose(cycle[3:], cycle[:-3], atol=1e-9)
    assert np.abs(cycle).min() > 0.5
    assert abs(rows["plain"][-1]) < 1e-9
    assert abs(rows["nesterov"][-1]) < 1e-9


# The numbers that stand in the exam's answers.


def test_the_exam():
    lr, beta = heavy_ball_optimum(1.0, 100.0)
    assert (lr, beta) == (pytest.approx(4 / 121), pytest.approx(81 / 121))
    assert lr / (1 - beta) == pytest.approx(0.1)
    swing = lab.average_of([1, -1, 1, -1, 1, -1], 0.5)
    assert swing[-1] == pytest.approx(-21 / 64)
    assert np.log(100) / np.log(1 / 0.99) == pytest.approx(458, abs=0.5)
    assert bias_correct(swing[:1], 0.5, 1)[0] == pytest.approx(1)


# The interactive figure.


def test_the_live_figures_are_light_and_start_on_their_sliders():
    for data, names in (
        (lab.ravine_data(), ("k", "lr", "beta")),
        (lab.roots_data(), ("pull", "beta")),
    ):
        assert len(json.dumps(data)) < 8000
        for name in names:
            values = data[name]["values"]
            assert values == sorted(set(values))
            assert 0 <= data[name]["start"] < len(values)
        assert max(data["beta"]["values"]) < 1


def test_the_first_figure_opens_where_there_is_something_to_be_seen():
    """Momentum, with five times the rate, is far beyond plain descent at its best."""
    data = lab.ravine_data()
    k, lr, beta = (data[name]["values"][data[name]["start"]] for name in ("k", "lr", "beta"))
    assert (k, lr, beta) == (100, 10, 0.9)
    grad, start = lab.ravine_gradient(k), np.array(data["start"])
    ends = {
        name: lab.ravine_losses(lab.walk(name, grad, start, *setting, data["steps"])[0], k)[-1]
        for name, setting in (("plain", lab.best("plain", k)), ("momentum", (lr, beta)))
    }
    assert ends["momentum"] < ends["plain"] / 10
    assert lab.best("plain", k)[0] == pytest.approx(lr / 5, rel=0.02)


def test_its_loss_has_the_gradient_that_the_walks_follow():
    theta = np.array([3.0, -0.7])
    np.testing.assert_allclose(
        numerical_gradient(lab.ravine(50), theta), lab.ravine_gradient(50)(theta), rtol=1e-7
    )
    _, velocity = nesterov_step(theta, np.zeros(2), lab.ravine_gradient(50), 0.1, 0.0)
    np.testing.assert_allclose(velocity, lab.ravine_gradient(50)(theta), atol=EXACT)
