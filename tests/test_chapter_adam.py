"""What chapter 5's page states is true: its experiments, with seeds fixed and tolerances stated."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from book import adam_experiments as lab
from book import adam_live as live
from book import adam_training as training
from book.adam_experiments import Settings
from solutions.adam import adam_step, adamw_step, effective_learning_rate, rmsprop_step
from solutions.gradient import gradient_descent

ROOT = Path(__file__).resolve().parent.parent
COMPONENTWISE = ("normalised", "AdaGrad", "RMSprop", "Adam")


@pytest.fixture(scope="module")
def straight():
    return lab.race()


@pytest.fixture(scope="module")
def turned():
    return lab.race(turned=True)


def in_torch(name, lr, H, start, steps):
    """The same walk by `torch.optim`, the gradient by autograd; (steps + 1, d)."""
    theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimiser = {
        "GD": lambda: torch.optim.SGD([theta], lr=lr),
        "AdaGrad": lambda: torch.optim.Adagrad([theta], lr=lr, eps=1e-8),
        "RMSprop": lambda: torch.optim.RMSprop([theta], lr=lr, alpha=0.9),
        "Adam": lambda: torch.optim.Adam([theta], lr=lr),
    }[name]()
    H, rows = torch.tensor(H), [start]
    for _ in range(steps):
        optimiser.zero_grad()
        (0.5 * theta @ H @ theta).backward()
        optimiser.step()
        rows.append(theta.detach().numpy().copy())
    return np.array(rows)


# The surfaces and the walks.


def test_the_turned_ravine_is_the_same_ravine():
    eigenvalues = np.linalg.eigvalsh(lab.TURNED_RAVINE)
    np.testing.assert_allclose(eigenvalues, [1, 100], rtol=1e-12)
    (H, start), (_, turned_start) = lab.surface(), lab.surface(turned=True)
    assert lab.turned_ravine(turned_start) == pytest.approx(lab.ravine(start), rel=1e-12)
    assert lab.ravine(start) == pytest.approx(0.5 * start @ H @ start, rel=1e-15)
    angle = np.arctan2(*turned_start[::-1]) - np.arctan2(*start[::-1])
    assert angle % (2 * np.pi) == pytest.approx(np.pi / 4)


def test_the_walk_called_GD_is_chapter_2s():
    ours = lab.walk("GD", lab.RAVINE, lab.START, 50, Settings(0.015))
    theirs = gradient_descent(lambda theta: lab.RAVINE @ theta, lab.START, 0.015, 50)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_many_walks_at_once_are_the_walks_one_by_one():
    starts = np.array([[-4.0, 2.0], [1.0, 3.0]])
    for name in lab.NAMES:
        together = lab.walk(name, lab.TURNED_RAVINE, starts, 30, Settings(0.01))
        for i, start in enumerate(starts):
            alone = lab.walk(name, lab.TURNED_RAVINE, start, 30, Settings(0.01))
            np.testing.assert_allclose(together[:, i], alone, rtol=1e-9, atol=1e-12)


def test_one_learning_rate_each_needs_one_step():
    np.testing.assert_array_equal(lab.step_with_one_rate_each(), [0, 0])
    best = 2 / 101
    descent = lab.walk("GD", lab.RAVINE, lab.START, 40, Settings(best))
    assert abs(descent[-1, 0]) == pytest.approx(4 * (1 - best) ** 40, rel=1e-12)


def test_a_gradients_size_is_the_worth_of_a_nudge_and_not_the_length_of_the_way():
    flat, steep = lab.nudges()
    assert abs(steep.slope) == 50 * abs(flat.slope)
    assert abs(lab.START[0]) == 2 * abs(lab.START[1])
    for i, nudge in enumerate((flat, steep)):
        curvature = lab.RAVINE[i, i]
        assert nudge.slope == curvature * lab.START[i]
        assert nudge.promised == pytest.approx(-0.01 * abs(nudge.slope))
        assert nudge.measured - nudge.promised == pytest.approx(curvature * 0.01**2 / 2)


# Normalised gradients.


@pytest.mark.parametrize("lr", [0.3, 0.15, 0.07])
def test_normalised_steps_end_in_bouncing_by_lr(lr):
    walk = lab.walk("normalised", lab.RAVINE, lab.START, 200, Settings(lr))
    moves = np.diff(walk, axis=0)
    np.testing.assert_allclose(np.abs(moves), lr, rtol=1e-5)
    assert np.all(np.abs(walk[-100:]) <= lr)
    assert np.all(moves[-100:] * moves[-101:-1] < 0)


# AdaGrad.


def test_adagrads_steps_fall_as_the_root_of_t():
    moves = lab.steps_on_a_slope("AdaGrad", np.full((1000, 1), 7.0), Settings(1.0))[:, 0]
    np.testing.assert_allclose(moves, 1 / np.sqrt(np.arange(1, 1001)), rtol=1e-8)
    assert lab.adagrad_slope() == pytest.approx(-0.5, abs=1e-6)


def test_where_gradients_fade_adagrads_rates_stop_falling(straight):
    """1 / sqrt(t) would take nine tenths of them between steps 1 and 100."""
    rates = lab.adagrad_rates(straight["AdaGrad"])
    assert len(rates) > 100
    np.testing.assert_allclose(rates[9], rates[99], rtol=0.02)
    np.testing.assert_allclose(rates[0], straight["AdaGrad"].lr / np.array([4, 200]), rtol=1e-12)


def test_in_noise_adagrad_alone_comes_closer():
    """60 walks each; the fifty steps before 500 against those before 4,000."""
    early, late = lab.losses_in_noise("AdaGrad", 2.0, (500, 4000), n=60)
    assert late < early / 2
    assert late == pytest.approx(early * (500 / 4000) ** 0.5, rel=0.4), "the floor follows lr"
    for name, lr in (("GD", 0.016), ("Adam", 0.1)):
        early, late = lab.losses_in_noise(name, lr, (500, 4000), n=60)
        assert early / 1.5 < late < 1.5 * early, name


def test_rmsprop_forgets_a_burst_and_adagrad_does_not():
    grads = lab.burst()
    ada = lab.steps_on_a_slope("AdaGrad", grads, Settings(1.0))[:, 0]
    rms = lab.steps_on_a_slope("RMSprop", grads, Settings(1.0, beta2=0.9))[:, 0]
    t = np.arange(11, 301)
    np.testing.assert_allclose(ada[10:], 1 / np.sqrt(10 * 100**2 + t - 10), rtol=1e-6)
    assert rms[10] < 0.02
    assert rms[109] > 0.9
    assert rms[-1] == pytest.approx(1, abs=1e-6)


# RMSprop: slip 8.


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("beta", [0.9, 0.99])
def test_rmsprops_steps_tend_to_lr_at_any_constant_scale(scale, beta):
    """Slip 8: consistently large gradients do not make them small."""
    lr, steps = 0.05, 1500
    moves = lab.steps_on_a_slope("RMSprop", np.full((steps, 1), scale), Settings(lr, beta2=beta))
    t = np.arange(1, steps + 1)
    np.testing.assert_allclose(moves[:, 0], lr / np.sqrt(1 - beta**t), rtol=1e-4)
    assert moves[-1, 0] == pytest.approx(lr, rel=1e-4)


def test_variance_makes_rmsprops_steps_small():
    """Slip 8, the other half: mean step lr / sqrt(1 + s^2), within 3 % and 4 standard errors."""
    mean, error = lab.mean_step_under_noise(0.0)
    assert mean == pytest.approx(1, abs=1e-3)
    assert error < 1e-12
    for spread in (1.0, 2.0, 4.0, 8.0):
        mean, error = lab.mean_step_under_noise(spread)
        law = 1 / np.sqrt(1 + spread**2)
        assert mean == pytest.approx(law, abs=0.03 * law + 4 * error)
        assert error < 0.003


@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0])
def test_a_single_step_of_rmsprop_stays_as_long_as_lr(spread):
    """Within 2 %: it is the mean step alone that variance shortens."""
    assert lab.typical_step_under_noise(spread) == pytest.approx(1, abs=0.02)


# Adam near the start: slip 7.


def test_the_first_twenty_steps_are_as_in_closed_form():
    """Slip 7: without the hat on m the first step is 0.1 lr."""
    t = np.arange(1, 21)
    m, v = 1 - 0.9**t, np.sqrt(1 - 0.999**t)
    laws = {
        "both hats": np.ones(20),
        "no hats": m / v,
        "only v has a hat": m,
        "only m has a hat": 1 / v,
    }
    forms = lab.first_steps()
    assert set(forms) == set(laws)
    for name, law in laws.items():
        np.testing.assert_allclose(forms[name], law, rtol=1e-6)
    assert forms["only v has a hat"][0] == pytest.approx(0.1)
    assert forms["no hats"].max() == pytest.approx(6.57, abs=0.01)
    assert lab.first_steps(1000)["no hats"].min() > 1.2


def test_both_hats_are_the_references_adam():
    use = Settings(0.1)
    ours = lab.walk_without_hats("both hats", lab.RAVINE, lab.START, 40, use)
    np.testing.assert_allclose(
        ours, lab.walk("Adam", lab.RAVINE, lab.START, 40, use), rtol=1e-12, atol=1e-14
    )


def test_without_hats_the_walk_is_carried_across_the_floor():
    walks = {
        form: lab.walk_without_hats(form, lab.RAVINE, lab.START, 20, Settings(0.1))
        for form in lab.FORMS
    }
    length = {
        form: np.linalg.norm(np.diff(walk, axis=0), axis=1).sum() for form, walk in walks.items()
    }
    assert length["no hats"] > 3 * length["both hats"] > 3 * length["only v has a hat"]
    assert walks["no hats"][:, 1].min() < -1
    assert walks["both hats"][:, 1].min() > 0


def test_the_longest_step_is_that_of_cauchy_and_schwarz():
    bound = 0.1 / np.sqrt(0.001) / np.sqrt(1 - 0.9**2 / 0.999)
    assert bound == pytest.approx(7.27, abs=0.001)
    assert lab.longest_possible_step() == pytest.approx(bound, rel=1e-12)
    assert lab.longest_step() == pytest.approx(bound, rel=1e-3)
    rng = np.random.default_rng(3)
    wild = np.exp(rng.normal(0, 3, (500, 50)).cumsum(axis=0) * 0.1) * rng.choice([-1, 1], (500, 50))
    moves = lab.steps_on_a_slope("Adam", wild, Settings(1.0, eps=0.0))
    assert np.abs(moves).max() <= bound


def test_the_first_exam_question():
    use = dict(lr=1.0, eps=0.0)
    theta, m, v = adam_step(np.zeros(1), np.array([2.0]), np.zeros(1), np.zeros(1), 1, **use)
    assert theta[0] == pytest.approx(-1)
    theta, m, v = adam_step(theta, np.array([-2.0]), m, v, 2, **use)
    assert theta[0] + 1 == pytest.approx(0.02 / 0.19 / 2)


# The effective learning rate.


def test_effective_rates_are_lr_over_the_gradient_at_the_start():
    rates = lab.effective_rates(1, Settings(0.1))
    np.testing.assert_allclose(rates[0], 0.1 / np.array([4, 200]), rtol=1e-6)


def test_effective_rates_leave_little_of_the_condition_number():
    rates = lab.effective_rates(150, Settings(0.1))
    assert np.all(100 * rates[[0, -1], 1] / rates[[0, -1], 0] < 3)


def test_momentums_limit_is_38():
    assert abs(lab.STABLE_RATE - 38) < 1e-12
    assert lab.measured_momentum_limit(0.9) == pytest.approx(38, abs=0.02)
    assert lab.measured_momentum_limit(0.5) == pytest.approx(6, abs=0.02)


def test_adam_shakes_once_its_effective_rate_passes_the_limit():
    run = lab.long_run(1e-8)
    assert run.crossing is not None
    before = run.distance[run.crossing - 25 : run.crossing].max()
    assert before < 1e-16
    assert run.worst_after(run.crossing) > 1e-3
    assert run.arrival < run.crossing
    assert np.all(run.distance[run.arrival : run.arrival + 25] < 1e-16)
    assert np.any(run.distance[run.arrival - 25 : run.arrival] >= 1e-16)


def test_a_larger_eps_caps_the_rate_and_calms_it():
    run = lab.long_run(lab.LONG.lr / 30)
    assert run.crossing is None
    assert run.rate.max() <= 30
    assert run.worst_after(1900) < 1e-30
    too_small = lab.long_run(1e-3)  # lr / eps is 100, above 38
    assert too_small.crossing is not None
    assert too_small.worst_after(too_small.crossing) > 1e-4


# Where eps stands.


def test_eps_acts_at_its_own_size_outside_and_at_its_root_inside():
    eps = 1e-8
    half = lab.settled_steps(np.array([eps]), eps, inside=False)[0]
    assert half == pytest.approx(0.5)
    assert lab.settled_steps(np.array([1e-4]), eps, inside=True)[0] == pytest.approx(0.5**0.5)
    small = np.array([1e-6])
    assert lab.settled_steps(small, eps, inside=False)[0] == pytest.approx(0.99, abs=1e-3)
    assert lab.settled_steps(small, eps, inside=True)[0] == pytest.approx(0.01, abs=1e-3)
    exam = np.array([1e-5])
    assert lab.settled_steps(exam, eps, inside=True)[0] == pytest.approx(0.1, abs=1e-3)
    assert lab.settled_steps(exam, 1e-4, inside=False)[0] == pytest.approx(0.1, abs=0.01)


def test_eps_does_not_show_where_gradients_are_large():
    for size in (0.01, 1.0, 100.0):
        at = np.array([size])
        gap = lab.settled_steps(at, 1e-8, False) - lab.settled_steps(at, 1e-8, True)
        assert abs(gap[0]) < 1e-4


@pytest.mark.parametrize("t", [1, 10, 1000])
def test_eps_hat_is_eps_over_the_root_of_the_correction(t):
    rng = np.random.default_rng(t)
    theta, grad, m = rng.normal(size=(3, 5))
    v = rng.uniform(0.1, 1, 5)
    eps_hat = 1e-2
    ours = lab.adam_step_eps_hat(theta, grad, m, v, t, 0.1, eps_hat)[0]
    scaled = eps_hat / np.sqrt(1 - 0.999**t)
    theirs = adam_step(theta, grad, m, v, t, lr=0.1, eps=scaled)[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_eps_inside_leaves_the_average_as_it_is():
    grad, v = np.array([0.3]), np.array([0.2])
    inside = lab.rmsprop_step_eps_inside(np.zeros(1), grad, v, 0.1, 0.9, 0.04)
    outside = rmsprop_step(np.zeros(1), grad, v, 0.1, 0.9, 0.04)
    np.testing.assert_array_equal(inside[1], outside[1])
    assert inside[0][0] == pytest.approx(-0.1 * 0.3 / np.sqrt(0.189 + 0.04))


def test_eps_vanishes_in_half_precision():
    assert np.float16(1e-8) == 0
    assert np.float16(1e-4) > 0


# The race.


def test_steps_to_goal_are_those_of_the_walk(straight):
    for name, racer in straight.items():
        walk = lab.walk(name, lab.RAVINE, lab.START, 400, lab.race_settings(name, racer.lr))
        loss = lab.quadratic(lab.RAVINE, walk)
        goal = lab.RACE_GOAL * loss[0]
        assert loss[racer.steps - 1] > goal
        assert np.all(loss[racer.steps :] <= goal)


def test_the_turn_costs_nothing_where_no_component_is_special(straight, turned):
    for name in ("GD", "momentum"):
        assert turned[name].steps == straight[name].steps
        np.testing.assert_allclose(turned[name].walk, straight[name].walk @ lab.TURN.T, atol=1e-9)


def test_the_turn_costs_steps_where_components_are_scaled(straight, turned):
    for name in COMPONENTWISE:
        assert turned[name].steps > straight[name].steps


def test_the_turn_costs_steps_from_other_starts_too():
    for name, (before, after) in lab.turning_costs().items():
        if name in COMPONENTWISE:
            assert after > before, name
        else:
            assert after == before, name


def test_who_wins_and_who_comes_last_depends_on_the_grid(straight):
    """AdaGrad leads by far; RMSprop and GD are level, and a coarser search turns them round."""
    steps = {name: racer.steps for name, racer in straight.items()}
    assert min(steps, key=lambda name: steps[name]) == "AdaGrad"
    assert 10 * steps["AdaGrad"] < steps["normalised"] < steps["Adam"] < steps["momentum"]
    assert steps["momentum"] < steps["RMSprop"] < steps["GD"] < 1.05 * steps["RMSprop"]
    coarse = lab.race(lrs=lab.RACE_LRS)
    assert coarse["RMSprop"].steps > coarse["GD"].steps


@pytest.mark.parametrize("name", ["GD", "AdaGrad", "RMSprop", "Adam"])
def test_the_race_is_torchs(name, straight, turned):
    """Each one's steps to the goal at its best learning rate, along the axes and turned.

    Where RMSprop bounces between two axes, rounding decides the last steps.
    """
    for racers, (H, start) in ((straight, lab.surface()), (turned, lab.surface(turned=True))):
        racer, leeway = racers[name], 0.15 if name == "RMSprop" else 0
        walk = in_torch(name, racer.lr, H, start, lab.RACE_LIMIT)
        loss = np.einsum("ti,ij,tj->t", walk, H, walk) / 2
        steps = np.flatnonzero(loss > lab.RACE_GOAL * loss[0])[-1] + 1
        assert steps == pytest.approx(racer.steps, rel=leeway, abs=0)


def test_the_whole_matrix_does_not_mind_the_turn():
    """AdaGrad with the root of the whole matrix, by the SVD of all gradients so far."""

    def steps(H, start, lr):
        theta, grads, last = start, [], 0
        for t in range(1, 51):
            grads.append(H @ theta)
            _, size, basis = np.linalg.svd(np.array(grads), full_matrices=False)
            inverse = np.divide(1, size, out=np.zeros_like(size), where=size > 1e-9 * size[0])
            theta = theta - lr * basis.T @ (inverse * (basis @ grads[-1]))
            if theta @ H @ theta > lab.RACE_GOAL * (start @ H @ start):
                last = t
        return last + 1

    lrs = lab.RACE_LRS[lab.RACE_LRS > 1]
    for turned in (False, True):
        fewest = min(steps(*lab.surface(turned), lr) for lr in lrs)
        assert lab.full_adagrad_steps(turned) == fewest, turned


def test_rmsprop_ends_in_bouncing_as_the_normalised_step_does():
    walk = lab.walk("RMSprop", lab.RAVINE, lab.START, 400, lab.race_settings("RMSprop", 0.1))
    moves = np.diff(walk[-100:], axis=0)
    assert np.all(moves[1:] * moves[:-1] < 0)
    assert np.all(np.abs(moves) > 0.05)


def test_turned_adam_is_momentum_in_disguise(turned):
    H, start = lab.surface(turned=True)
    adam, momentum = turned["Adam"], turned["momentum"]
    rates = lab.effective_rates(adam.steps, Settings(adam.lr), H, start)
    np.testing.assert_allclose(rates[:, 0] / rates[:, 1], 1, atol=0.05)
    assert rates.min() < momentum.lr < rates.max()
    assert adam.steps == pytest.approx(momentum.steps, rel=0.1)


@pytest.mark.parametrize("name", ["normalised", "AdaGrad", "RMSprop", "Adam"])
def test_scaling_the_loss_leaves_adaptive_walks_alone(name):
    assert lab.change_by_scaling_the_loss(name, 1000, Settings(0.1), steps=40) < 1e-5


def test_scaling_the_loss_moves_the_range_of_gradient_descent():
    walk = lab.walk("GD", lab.RAVINE, lab.START, 50, Settings(0.015))
    scaled = lab.walk("GD", 1000 * lab.RAVINE, lab.START, 50, Settings(0.015 / 1000))
    np.testing.assert_allclose(scaled, walk, rtol=1e-9)
    assert lab.change_by_scaling_the_loss("GD", 1000, Settings(0.015), steps=10) > 1e6


def test_adams_range_of_learning_rates_is_the_widest():
    lrs = np.geomspace(1e-3, 10, 61)
    table = lab.steps_by_learning_rate(("GD", "momentum", "RMSprop", "Adam"), lrs)
    width = {name: np.isfinite(steps).sum() for name, steps in table.items()}
    assert width["Adam"] == max(width.values())
    assert lrs[np.isfinite(table["GD"])].max() < 0.02
    assert lrs[np.isfinite(table["momentum"])].max() < 0.38
    assert np.isfinite(table["Adam"][-1]), "it reaches to the end of the scale"
    assert width["GD"] < width["RMSprop"] < width["momentum"] < width["Adam"]
    for steps in table.values():
        assert np.all(np.diff(np.flatnonzero(np.isfinite(steps))) == 1), "a range has no gaps"


def test_beta1_zero_and_beta2_zero():
    plain = lab.walk("normalised", lab.RAVINE, lab.START, 40, Settings(0.1))
    adam = lab.walk("Adam", lab.RAVINE, lab.START, 40, Settings(0.1, beta1=0.0, beta2=0.0))
    np.testing.assert_allclose(adam, plain, rtol=1e-12, atol=1e-14)
    raw = lab.steps_on_a_slope("RMSprop", np.ones((30, 1)), Settings(1.0, beta2=0.99))
    corrected = lab.steps_on_a_slope("Adam", np.ones((30, 1)), Settings(1.0, 0.0, 0.99))
    t = np.arange(1, 31)[:, None]
    np.testing.assert_allclose(corrected, raw * np.sqrt(1 - 0.99**t), rtol=1e-6)


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(ValueError, match="Adamax"):
        lab.walk("Adamax", lab.RAVINE, lab.START, 1, Settings(0.1))


# The race in noise.


def test_the_networks_gradient_is_torchs():
    rng = np.random.default_rng(0)
    theta = np.array([training.start_of(rng) for _ in range(2)])
    X, Y = training.digits("raw")
    rows = rng.permutation(len(X))[:32]
    losses, gradients = training.loss_and_gradient(theta, X[rows][None], Y[rows][None])
    for one, loss, gradient in zip(theta, losses, gradients, strict=True):
        leaf = torch.tensor(one, requires_grad=True)
        out, at = torch.tensor(X[rows]), 0
        for i, (fan_in, fan_out) in enumerate(
            zip(training.SIZES, training.SIZES[1:], strict=False)
        ):
            W = leaf[at : at + fan_in * fan_out].reshape(fan_in, fan_out)
            at += fan_in * fan_out
            out = out @ W + leaf[at : at + fan_out]
            at += fan_out
            out = torch.relu(out) if i < 2 else out
        truth = torch.nn.functional.cross_entropy(out, torch.tensor(Y[rows]))
        truth.backward()
        assert loss == pytest.approx(truth.item(), rel=1e-12)
        np.testing.assert_allclose(gradient, leaf.grad.numpy(), atol=1e-12)


def test_many_runs_at_once_are_the_runs_one_by_one(monkeypatch):
    monkeypatch.setattr(training, "EPOCHS", 1)
    lrs = np.array([0.003, 0.03])
    together = training.train("Adam", "raw", lrs, (3, 4), every=True)
    for i, seed in enumerate((3, 4)):
        for j, lr in enumerate(lrs):
            alone = training.train("Adam", "raw", np.array([lr]), (seed,), every=True)
            np.testing.assert_allclose(together[:, i, j], alone[:, 0, 0], rtol=1e-6)


def test_adam_leads_on_badly_scaled_inputs_and_hardly_on_standardised_ones():
    """What the page says of its table: medians of ten runs that chose no learning rate."""
    raw, fair = (training.noisy_race(inputs) for inputs in training.INPUTS)
    assert set(training.TUNED_ON).isdisjoint(training.REPORTED_ON)
    for racers in (raw, fair):
        for racer in racers.values():
            assert racer.lr == training.LRS[racer.by_lr.argmin()]
            assert training.LRS[0] < racer.lr < training.LRS[-1], "the best is inside of the grid"
            assert racer.losses.shape == (training.EPOCHS + 1, len(training.REPORTED_ON))
    for slow in ("GD", "momentum", "normalised"):
        for quick in ("AdaGrad", "RMSprop", "Adam", "AdamW"):
            assert raw[slow].median > 1.3 * raw[quick].median, (slow, quick)
    assert raw["GD"].median > 2.5 * raw["Adam"].median
    assert fair["GD"].median < 2.3 * fair["Adam"].median
    assert fair["normalised"].median == max(racer.median for racer in fair.values())
    assert fair["GD"].lr / raw["GD"].lr > 10 > 3 > fair["Adam"].lr / raw["Adam"].lr
    assert fair["GD"].worst > 10 * fair["GD"].median, "a run that failed"
    assert 0.7 < raw["RMSprop"].median / raw["Adam"].median < 1.3
    assert raw["RMSprop"].worst > 1.3 * raw["Adam"].worst
    for racers in (raw, fair):
        assert racers["AdamW"].median == pytest.approx(racers["Adam"].median, rel=0.6)


# A cliff.


@pytest.mark.parametrize("name", ["GD", "Adam"])
@pytest.mark.parametrize("max_norm", [None, lab.MAX_NORM])
def test_the_walks_from_the_cliff_are_torchs(name, max_norm):
    ours = lab.cliff_walk(name, max_norm)
    theta = torch.tensor([lab.CLIFF_START], dtype=torch.float64, requires_grad=True)
    kinds = {"GD": torch.optim.SGD, "Adam": torch.optim.Adam}
    optimiser = kinds[name]([theta], lr=lab.CLIFF_LR)
    for place in ours[1:3] if (name, max_norm) == ("GD", None) else ours[1:]:
        optimiser.zero_grad()
        (0.5 * (theta**10 - 1) ** 2).sum().backward()
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_([theta], max_norm)
        optimiser.step()
        assert theta.item() == pytest.approx(place, rel=1e-5)


def test_what_the_page_says_of_the_cliff():
    walks = {
        (name, clip): lab.cliff_walk(name, clip)
        for name in ("GD", "Adam")
        for clip in (None, lab.MAX_NORM)
    }
    assert walks["GD", None][1] < -200 and not np.isfinite(walks["GD", None][3])
    assert lab.steps_down(walks["GD", lab.MAX_NORM]) < 60
    assert lab.steps_down(walks["Adam", None]) is None and walks["Adam", None][-1] > 1.05
    assert lab.steps_down(walks["Adam", lab.MAX_NORM]) < 100
    long = np.array([3.0, -4.0])
    np.testing.assert_allclose(lab.clipped(long, 1.0), long / 5)
    np.testing.assert_array_equal(lab.clipped(long, 6.0), long)
    np.testing.assert_array_equal(lab.clipped(np.zeros(2), 1.0), np.zeros(2))


# Reddi's cycle.


@pytest.mark.parametrize("amsgrad", [False, True])
def test_on_the_cycle_torchs_adam_ends_at_the_worst_place_and_amsgrad_at_the_best(amsgrad):
    ours = lab.on_the_cycle(amsgrad, steps=900)
    theta = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([theta], lr=1.0, betas=(0.0, 0.1), amsgrad=amsgrad)
    for t, place in enumerate(ours[1:], start=1):
        optimiser.param_groups[0]["lr"] = 0.5 / t**0.5
        theta.grad = torch.tensor([(-1.0, 3.0, -1.0)[t % 3]], dtype=torch.float64)
        optimiser.step()
        with torch.no_grad():
            theta.clamp_(-1, 1)
        assert theta.item() == pytest.approx(place, abs=1e-9)
    end = ours[-300:].mean()
    assert end == pytest.approx(-1 if amsgrad else 1, abs=0.02)
    assert sum(lab.CYCLE) > 0, "so -1 is best"
    assert lab.on_the_cycle(False, beta2=0.999)[-1] < -0.98


def test_one_turn_of_the_cycle_goes_the_wrong_way():
    down, *up = lab.one_turn_of_the_cycle()
    v = [0.9 * (9 + 0.1 * 1 + 0.01 * 1) / (1 - 0.001)]
    v += [0.1 * v[0] + 0.9, 0.1 * (0.1 * v[0] + 0.9) + 0.9]
    np.testing.assert_allclose([down, *up], np.array(lab.CYCLE) / np.sqrt(v), rtol=1e-6)
    assert down + sum(up) < -0.6


# AdamW.


def test_adamw_shrinks_all_weights_alike_and_l2_does_not():
    """Within 4 standard errors of (1 - lr weight_decay)^t."""
    law = (1 - lab.DECAY.lr * lab.WEIGHT_DECAY) ** 1000
    decoupled, l2 = lab.shrinking_weights(True), lab.shrinking_weights(False)
    assert np.all(np.abs(decoupled.means[-1] - law) < 4 * decoupled.errors)
    quiet, middle, noisy = l2.means[-1]
    assert quiet < 0.02
    assert middle == pytest.approx(law, abs=4 * l2.errors[1])
    assert noisy > 0.85


def test_decay_and_l2_are_the_same_for_gradient_descent():
    theta, grad = np.array([1.0, -2.0]), np.array([0.3, 0.5])
    l2 = theta - 0.1 * (grad + 0.2 * theta)
    np.testing.assert_allclose(l2, (1 - 0.1 * 0.2) * theta - 0.1 * grad, rtol=1e-15)
    state = np.array([0.1, 0.2]), np.array([0.3, 0.4])
    one = adam_step(theta, grad + 0.2 * theta, *state, 3, lr=0.1)[0]
    other = adamw_step(theta, grad, *state, 3, lr=0.1, weight_decay=0.2)[0]
    assert np.max(np.abs(one - other)) > 1e-3


# Beside PyTorch.


def test_equal_to_torch_over_a_thousand_random_steps():
    """To 1e-10, with a learning rate that changes at each step."""
    gaps = lab.torch_gaps(steps=1000)
    assert set(gaps) == {"Adagrad", "RMSprop", "Adam", "Adam with L2", "AdamW"}
    assert max(gaps.values()) < 1e-10, gaps


# The interactive figures.


def test_the_live_figures_settings_are_among_its_values():
    data = live.live_data()
    desk = live.desk_data()
    controls = ("lr", "adaptiveLr", "beta1", "beta2", "eps", "weightDecay", "noise")
    for control in [
        *(data[name] for name in controls),
        desk["along"],
        desk["across"],
        desk["length"],
    ]:
        assert control["start"] in control["values"]
        assert control["values"] == sorted(control["values"])
    assert {1.0, 0.01} <= set(desk["along"]["values"]), "what the page asks for can be set"
    assert 2.0 in data["adaptiveLr"]["values"] and 30 in data["noise"]["values"]
    assert len(data["names"]) == len(data["looks"])


def test_what_the_page_says_of_the_live_figures_start():
    first = lab.walk("RMSprop", lab.RAVINE, lab.START, 1, live.live_settings("RMSprop"))
    np.testing.assert_allclose(np.abs(first[1] - first[0]), 10 * 0.1, rtol=1e-6)
    ends = {
        name: [
            lab.quadratic(H, lab.walk(name, H, start, 60, live.live_settings(name))[-1])
            for H, start in (lab.surface(), lab.surface(turned=True))
        ]
        for name in lab.NAMES
    }
    change = {name: abs(np.log10(after / before)) for name, (before, after) in ends.items()}
    assert max(change, key=lambda name: change[name]) == "RMSprop"
    assert change["GD"] < 1e-9
    corrected = Settings(live.live_settings("RMSprop").lr, beta1=0.0, beta2=0.99)
    with_hat = lab.walk("Adam", lab.RAVINE, lab.START, 60, corrected)
    assert lab.quadratic(lab.RAVINE, with_hat[-1]) > 1e6 * ends["RMSprop"][0]


@pytest.mark.parametrize("name", ["normalised", "AdaGrad", "RMSprop", "Adam"])
def test_an_eps_above_every_gradient_leaves_gradient_descent_or_momentum(name):
    """Within 1 % of the start's distance from the minimum, at every step."""
    assert live.gap_under_a_large_eps(name) < 0.01
    assert live.gap_under_a_large_eps(name, eps=1.0, lr=0.001) > 0.1


def test_decay_helps_where_the_minimum_lies_at_zero_and_costs_elsewhere():
    """In the turned ravine of the figure, and in the same ravine moved away from the origin."""
    assert live.turned_end("AdamW", 1) < 1e-3 < 1 < live.turned_end("Adam", 0)
    assert live.turned_end("AdamW", 0) == pytest.approx(live.turned_end("Adam", 0), rel=1e-12)
    minimum, state = np.array([3.0, 0.0]), (np.zeros(2), np.zeros(2))
    theta, use = lab.START + minimum, replace(live.live_settings("AdamW"), weight_decay=1)
    for t in range(1, 2001):
        theta, state = lab.one_step("AdamW", theta, lab.RAVINE @ (theta - minimum), state, t, use)
    assert theta[0] < 2


@pytest.mark.parametrize(
    ("make", "data"), [(live.race_html, live.live_data), (live.desk_html, live.desk_data)]
)
def test_the_live_figures_markup_carries_the_data_and_asks_no_other_host(make, data):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    markup = make(plt.figure())
    embedded = re.search(r'<script type="application/json">(.*?)</script>', markup)
    assert embedded and json.loads(embedded[1]) == data()
    assert "//" not in re.sub(r"base64,[^\"]*", "", markup)
    assert "<img" in markup
    for name in re.findall(r'"\.\./_static/([^"]+)"', markup):
        assert (ROOT / "book" / "_static" / name).is_file()


def test_the_desk_shows_the_argument():
    """One slider crawls, two arrive in one step, and Adam's two are no longer the same."""
    ends = {mode: live.desk_walk(mode, 0.018, 0.018, 0.1) for mode in live.DESK_MODES}
    assert lab.ravine(ends["one"][0][-1]) > 0.5 and lab.ravine(ends["itself"][0][-1]) < 0.2
    walk, rates = live.desk_walk("each", 1.0, 0.01, 0.1)
    np.testing.assert_allclose(walk[1:], 0, atol=1e-15)
    assert np.all(rates == [1.0, 0.01])
    assert np.all(ends["itself"][1][:, 0] > 20 * ends["itself"][1][:, 1])


def test_effective_rate_never_exceeds_lr_over_eps():
    v = np.array([0.0, 1e-30, 1e-4])
    assert np.all(effective_learning_rate(v, 5, 0.1, 0.99, 1e-3) <= 100)
