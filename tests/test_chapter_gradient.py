"""What chapter 2's page states is true: its experiments, with seeds fixed and tolerances stated."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize

from autograder import figures
from autograder.datasets import GABOR_TRUTH, gabor_data, line_data, with_ones
from book import gradient_experiments as lab
from solutions.gradient import (
    gabor,
    gabor_gradient,
    gradient_descent,
    is_convex_hessian,
    linear_gradient,
    newton_step,
    numerical_gradient,
)

ROOT = Path(__file__).resolve().parent.parent
LINE_START = np.array([0.1, 1.25])


# The learning rate.


@pytest.mark.parametrize("factor", [0.1, 0.9, 0.999])
def test_descent_converges_below_two_over_L(factor):
    walk = gradient_descent(
        lab.ravine_gradient, lab.RAVINE_START, factor * 2 / lab.RAVINE_L, 20_000
    )
    assert np.linalg.norm(walk[-1]) < 1e-9


@pytest.mark.parametrize("factor", [1.001, 1.1, 2.0])
def test_descent_diverges_above_two_over_L(factor):
    walk = gradient_descent(lab.ravine_gradient, lab.RAVINE_START, factor * 2 / lab.RAVINE_L, 400)
    assert abs(walk[-1, 1]) > 2 * abs(walk[0, 1])
    growth = np.abs(walk[1:, 1]) / np.abs(walk[:-1, 1])
    assert np.all(growth > 1)


@pytest.mark.parametrize("curvature", [5, lab.RAVINE_L, 20, 40])
def test_the_measured_threshold_is_two_over_L(curvature):
    assert lab.measured_threshold(curvature) == pytest.approx(2 / curvature, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_holds_for_any_quadratic(seed):
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    A = q @ np.diag(rng.uniform(0.5, 5, 4)) @ q.T
    limit = 2 / np.linalg.eigvalsh(A)[-1]
    below = gradient_descent(lambda theta: A @ theta, np.ones(4), 0.98 * limit, 2000)
    above = gradient_descent(lambda theta: A @ theta, np.ones(4), 1.02 * limit, 2000)
    assert np.linalg.norm(below[-1]) < 1e-6
    assert np.linalg.norm(above[-1]) > 1e6


def test_half_the_learning_rate_takes_twice_the_steps():
    assert lab.steps_until(0.005) / lab.steps_until(0.01) == pytest.approx(2, abs=0.02)


def test_steps_fall_until_close_to_the_threshold_and_then_rise():
    slow, better, best, late = (lab.steps_until(lr) for lr in (0.01, 0.1, 0.18, 0.199))
    assert slow > better > best < late
    assert lab.steps_until(0.2) is None
    assert lab.steps_until(0.21) is None


def test_the_best_fixed_learning_rate_is_two_over_mu_plus_L():
    lrs = np.linspace(0.15, 0.1995, 100)
    steps = [lab.steps_until(lr) for lr in lrs]
    assert lrs[int(np.argmin(steps))] == pytest.approx(2 / 11, abs=0.005)


def test_no_single_step_reaches_the_minimum_of_the_ravine():
    """Slip 5: lr = 1 would be needed along, lr = 0.1 across."""
    distances = lab.one_step_distances(np.linspace(0, 2, 2001))
    a, b = lab.RAVINE_START
    # The best lr minimises (1 - lr)^2 a^2 + (1 - 10 lr)^2 b^2, in closed form.
    best = (a**2 + 10 * b**2) / (a**2 + 100 * b**2)
    least = np.hypot((1 - best) * a, (1 - 10 * best) * b)
    assert distances.min() == pytest.approx(least, rel=1e-4)
    assert least > 3


def test_in_one_dimension_a_single_step_is_enough():
    walk = gradient_descent(lambda theta: 10 * theta, np.array([3.0]), 0.1, 1)
    assert walk[-1, 0] == pytest.approx(0, abs=1e-12)


# Taylor and differences.


def test_the_promised_fall_is_right_to_first_order_and_wrong_far_out():
    start = np.array([-1.0, 1.0])
    promised, real = lab.promised_and_real_fall([1e-3, 4.0], start)
    assert real[0] / promised[0] == pytest.approx(1, abs=2e-3)
    assert promised[1] < 0 < real[1]


def test_the_error_of_the_first_order_promise_falls_as_lr_squared():
    lrs = np.array([1e-3, 1e-2])
    promised, real = lab.promised_and_real_fall(lrs, np.array([-1.0, 1.0]))
    error = np.abs(real - promised)
    assert np.log10(error[1] / error[0]) == pytest.approx(2, abs=0.05)


def test_orders_of_the_two_differences():
    forward, central = lab.difference_errors([1e-3, 1e-2])
    assert np.log10(forward[1] / forward[0]) == pytest.approx(1, abs=0.02)
    assert np.log10(central[1] / central[0]) == pytest.approx(2, abs=0.02)


def test_tiny_h_is_worse_than_the_default():
    _, (tiny, default) = lab.difference_errors([1e-11, 1e-5])
    assert tiny > 100 * default


def test_what_the_line_leaves_out_is_quartered_where_the_step_is_halved():
    left = lab.remainder([0.02, 0.01, 0.005], np.array([-1.0, 1.0]))
    np.testing.assert_allclose(left[:-1] / left[1:], 4, atol=0.15)


def test_the_descent_lemma_holds_and_its_L_is_the_largest_curvature():
    """Item 7: a step that is certain needs bounded curvature."""
    ratios = lab.kept_promises(300, seed=1)
    assert ratios.min() >= 1 - 1e-9
    places = np.random.default_rng(0).uniform(-4, 4, (500, 2))
    slope = lambda p: numerical_gradient(lab.wave, p)  # noqa: E731
    bends = [np.linalg.eigvalsh(lab.numerical_hessian(slope, p, 1e-3))[-1] for p in places]
    assert max(bends) == pytest.approx(lab.WAVE_L, abs=0.01)


@pytest.mark.parametrize("lr", [0.1, 0.01])
def test_without_bounded_curvature_some_start_flies_off(lr):
    edge = lab.quartic_edge(lr)
    assert edge == pytest.approx(np.sqrt(2 / lr), rel=1e-9)
    for start, stays in ((0.99 * edge, True), (1.01 * edge, False)):
        walk = gradient_descent(lambda t: t**3, np.array([start]), lr, 60 if stays else 8)
        assert bool(abs(walk[-1, 0]) < start) is stays


# The line.


def test_descent_on_the_line_finds_least_squares():
    x, y = line_data()
    best = np.linalg.lstsq(with_ones(x), y, rcond=None)[0]
    walk = gradient_descent(lab.line_gradient, LINE_START, 0.4, 150)
    assert np.linalg.norm(walk[-1] - best) < 1e-4
    assert np.all(np.diff(lab.losses(lab.half_mse, walk)) <= 1e-15)


def test_with_the_printed_sign_the_loss_climbs():
    """Slip 1."""
    wrong = gradient_descent(lab.printed_line_gradient, LINE_START, 0.4, 10)
    right = gradient_descent(lab.line_gradient, LINE_START, 0.4, 10)
    assert np.all(np.diff(lab.losses(lab.half_mse, wrong)) > 0)
    assert np.all(np.diff(lab.losses(lab.half_mse, right)) < 0)


def test_the_printed_gradient_is_minus_the_right_one():
    theta = np.array([0.3, -0.7])
    x, y = line_data()
    right = linear_gradient(theta, with_ones(x), y)
    np.testing.assert_allclose(numerical_gradient(lab.half_mse, theta), right, rtol=1e-8)
    np.testing.assert_allclose(lab.printed_line_gradient(theta), -right, rtol=1e-12)


# Line search and stopping.


def test_the_bracket_costs_two_evaluations_a_turn_and_shrinks_by_the_golden_section():
    rows = lab.golden_brackets(lambda t: (t - 0.7) ** 2, 0.0, 1.6, (1e-2, 1e-4, 1e-6))
    for tol, calls, answer in rows:
        assert abs(answer - 0.7) <= tol
        assert calls == 2 * np.ceil(np.log(1.6 / tol) / np.log((1 + np.sqrt(5)) / 2))


def test_line_search_steps_meet_at_right_angles():
    walk = lab.descent_with_line_search(
        lab.ravine, lab.ravine_gradient, np.array([4.0, 0.4]), 5, reach=1.0, tol=1e-9
    )
    moves = np.diff(walk, axis=0)
    moves /= np.linalg.norm(moves, axis=1, keepdims=True)
    assert np.all(np.abs(np.sum(moves[1:] * moves[:-1], axis=1)) < 1e-4)


def test_from_its_worst_start_the_line_search_walks_as_the_fixed_step_does():
    worst = np.array([4.0, 0.4])
    searched = lab.descent_with_line_search(lab.ravine, lab.ravine_gradient, worst, 12, reach=1.0)
    fixed = gradient_descent(lab.ravine_gradient, worst, 2 / 11, 12)
    np.testing.assert_allclose(searched, fixed, atol=1e-4)
    easy = lab.descent_with_line_search(
        lab.ravine, lab.ravine_gradient, lab.RAVINE_START, 12, reach=1.0
    )
    fixed = gradient_descent(lab.ravine_gradient, lab.RAVINE_START, 2 / 11, 12)
    assert lab.ravine(easy[-1]) < lab.ravine(fixed[-1]) / 10


def test_armijos_step_is_the_first_that_keeps_its_share():
    theta = lab.RAVINE_START
    g = lab.ravine_gradient(theta)
    there, asked = lab.armijo_step(lab.ravine, theta, g, 1.0)
    lr = 0.5 ** (asked - 2)
    np.testing.assert_allclose(there, theta - lr * g)
    promised = lambda t: lab.ravine(theta) - 1e-4 * t * g @ g  # noqa: E731
    assert lab.ravine(theta - lr * g) <= promised(lr)
    assert lab.ravine(theta - 2 * lr * g) > promised(2 * lr)


def test_a_rough_search_is_far_cheaper_than_an_exact_one():
    bills = lab.bills()
    fixed, exact, rough = (bills[name] for name in ("fixed", "golden section", "Armijo"))
    assert exact.steps < rough.steps < fixed.steps
    assert fixed.evaluations == 0 and rough.evaluations < exact.evaluations / 8
    assert 4 < rough.evaluations / rough.steps < 5, "some four a step"
    assert exact.evaluations == exact.steps * lab.golden_brackets(lambda t: t, 0, 1, [1e-6])[0][1]


def test_an_early_stop_is_better_than_the_end():
    early = lab.early_stopping(last=20_000)
    assert np.all(np.diff(early.training) < 1e-12)
    assert 300 < early.best < 5_000
    best = int(early.held_back.argmin())
    for errors in (early.held_back, early.risk):
        assert errors[best] < errors[0] / 2 and errors[-1] > 1.3 * errors[best]


def test_stopping_by_movement_rewards_a_small_learning_rate():
    quick_steps, quick_distance = lab.stop_by_movement(0.1, 0.01)
    lazy_steps, lazy_distance = lab.stop_by_movement(0.0005, 0.01)
    assert lazy_steps < quick_steps
    assert lazy_distance > 20 * quick_distance


def test_a_small_gradient_far_from_the_minimum():
    norm, loss, best = lab.plateau_example()
    assert norm < 0.01
    assert loss > 10 * best


# Convexity.


def test_the_determinant_does_not_see_that_minus_I_is_a_dome():
    """Slip 2."""
    H = -np.eye(2)
    assert np.linalg.det(H) > 0
    assert not is_convex_hessian(H)
    assert is_convex_hessian(np.eye(2))


def test_descent_ends_on_a_saddle():
    """Slip 4: a stationary point is all that is sure."""
    end = gradient_descent(lab.saddle_gradient, np.array([-1.6, 0.0]), 0.2, 120)[-1]
    assert np.linalg.norm(lab.saddle_gradient(end)) < 1e-9
    assert not is_convex_hessian(lab.saddle_hessian(end))
    beside = gradient_descent(lab.saddle_gradient, np.array([1.6, 1e-3]), 0.2, 120)[-1]
    assert lab.saddle(beside) == pytest.approx(-0.25, abs=1e-6)


def test_the_saddles_derivatives_are_its_own():
    theta = np.array([0.4, -1.3])
    slope = numerical_gradient(lab.saddle, theta)
    np.testing.assert_allclose(slope, lab.saddle_gradient(theta), rtol=1e-7)
    H = lab.numerical_hessian(lab.saddle_gradient, theta)
    np.testing.assert_allclose(H, lab.saddle_hessian(theta), rtol=1e-7, atol=1e-9)


# The Gabor surface.


def test_the_gabor_data_follow_the_model_up_to_noise():
    x, y = gabor_data()
    assert x.shape == y.shape == (28,)
    assert np.all(np.diff(x) > 0)
    noise = y - gabor(np.array(GABOR_TRUTH), x)
    assert np.std(noise) == pytest.approx(0.12, abs=0.04)


def test_the_gabor_loss_is_a_sum_and_its_gradient_matches():
    x, y = gabor_data()
    theta = np.array([-1.0, 11.0])
    slope = numerical_gradient(lab.gabor_loss, theta)
    np.testing.assert_allclose(slope, gabor_gradient(theta, x, y), rtol=1e-7)


def test_stationary_points_are_level_and_rightly_named():
    points = lab.gabor_stationary_points()
    kinds = [point.kind for point in points]
    assert kinds.count("minimum") >= 4
    assert kinds.count("saddle") >= 4
    for point in points:
        assert np.linalg.norm(lab.gabor_slope(point.theta)) < 1e-8
        around = [
            lab.gabor_loss(point.theta + 1e-3 * np.array([np.cos(a), np.sin(a)])) - point.loss
            for a in np.linspace(0, 2 * np.pi, 24)
        ]
        if point.kind == "minimum":
            assert min(around) > 0
        elif point.kind == "maximum":
            assert max(around) < 0
        else:
            assert min(around) < 0 < max(around)


def test_the_lowest_minimum_is_the_global_one_of_the_map():
    lowest = lab.gabor_stationary_points()[0]
    np.testing.assert_allclose(lowest.theta, lab.gabor_minimum(), atol=1e-8)
    (a, b), (c, d) = lab.GABOR_RANGE
    grid = figures.heights(lab.gabor_loss, np.linspace(a, b, 81), np.linspace(c, d, 81))
    assert lowest.loss <= grid.min()


def test_share_of_starts_that_reach_the_global_minimum():
    run = lab.gabor_descents(n=60, seed=1)
    assert run.standard_error == pytest.approx(np.sqrt(run.share * (1 - run.share) / 60))
    # The page's 400 starts give 0.32; 4 standard errors of this sample are 0.24.
    assert run.share == pytest.approx(0.32, abs=0.24)
    ends = np.array([lab.gabor_loss(end) for end in run.ends])
    starts = np.array([lab.gabor_loss(start) for start in run.starts])
    assert np.all(ends < starts)
    assert ends[~run.reached].min() > ends[run.reached].max()


# Local search.


def test_local_search_pays_for_every_dimension_and_descent_does_not():
    table = lab.local_search_against_descent([4, 16, 64])
    power, error = lab.cost_of_a_dimension(table)
    assert power == pytest.approx(1, abs=0.25)
    assert error < 0.1
    assert {table[d][1] for d in table} == {22}


def test_the_power_and_its_error_are_measured_right():
    """On costs whose law is known, d ** 1.5, and against NumPy's covariance of the fit."""
    dims = np.array([2, 4, 8, 16, 32])
    power, error = lab.cost_of_a_dimension({d: (d**1.5, 22) for d in dims})
    assert power == pytest.approx(1.5) and error == pytest.approx(0, abs=1e-9)
    noisy = dims**1.5 * [1.1, 0.9, 1.2, 0.8, 1.0]
    power, error = lab.cost_of_a_dimension(dict(zip(dims, ((v, 22) for v in noisy), strict=True)))
    (slope, _), covariance = np.polyfit(np.log(dims), np.log(noisy), 1, cov=True)
    assert (power, error) == pytest.approx((slope, np.sqrt(covariance[0, 0])))


# First and second order.


@pytest.fixture(scope="module")
def distances():
    return lab.convergence_errors()


def test_newton_doubles_its_digits_descent_does_not(distances):
    """Slip 3: quadratic for Newton, linear for gradient descent."""
    assert lab.order(distances["Newton"]) == pytest.approx(2, abs=0.01)
    descent = distances["gradient descent"]
    assert lab.order(descent) == pytest.approx(1, abs=0.01)
    # Linear convergence at the rate that the Hessian at the minimum promises.
    factors = 10 ** np.diff(descent)[[-1, -11]]
    np.testing.assert_allclose(factors, lab.promised_factor(), atol=0.005)


def test_bfgs_is_superlinear_and_not_quadratic(distances):
    """Item 7 of issue 18: its mean factor tends to 0, shown far beyond sixteen digits."""
    digits = distances["BFGS"]
    factors = lab.mean_factors(digits)
    assert len(factors) >= 4 and digits[-1] < -190
    assert np.all(factors[1:] < factors[:-1] / 10)
    assert len(distances["Newton"]) < len(digits) / 4
    # All three come down to the same point, that which SciPy finds in float64.
    assert {round(line[0], 9) for line in distances.values()} == {round(digits[0], 9)}
    problem = lab.SmoothRegression(5, 3)
    found = optimize.minimize(problem.value, problem.start, jac=problem.gradient, tol=1e-10).x
    start = np.linalg.norm(lab.bfgs(problem, 1e-2)[-1] - found)
    assert np.log10(start) == pytest.approx(digits[0], abs=1e-4)


def test_the_secant_has_the_golden_ratio_for_its_order():
    secant = lab.secant_errors()
    assert lab.order(secant) == pytest.approx((1 + np.sqrt(5)) / 2, abs=1e-3)
    assert secant[-1] < -150


def test_the_wide_regression_has_the_derivatives_of_the_narrow_one():
    problem = lab.SmoothRegression(4)
    theta = np.array([0.3, -0.2, 0.5, 1.0])
    wide = lab.WideRegression(problem)
    slope, H = wide.gradient(theta).astype(float), wide.hessian(theta).astype(float)
    np.testing.assert_allclose(slope, problem.gradient(theta), rtol=1e-12)
    np.testing.assert_allclose(H, problem.hessian(theta), rtol=1e-12)


@pytest.mark.parametrize("d", [2, 30])
def test_the_three_methods_find_the_same_minimum(d):
    problem = lab.SmoothRegression(d)
    best = lab.newton(problem, 1e-12)[-1]
    for racer in lab.RACERS.values():
        steps, theta = racer(problem, 1e-6)
        assert steps > 0
        assert np.linalg.norm(problem.gradient(theta)) <= 1e-6
        np.testing.assert_allclose(theta, best, atol=1e-4)
    np.testing.assert_allclose(lab.bfgs(problem, 1e-9)[-1], best, atol=1e-7)


def test_the_race_problem_has_the_derivatives_it_claims():
    problem = lab.SmoothRegression(4)
    theta = np.array([0.3, -0.2, 0.5, 1.0])
    slope = problem.gradient(theta)
    np.testing.assert_allclose(numerical_gradient(problem.value, theta), slope, rtol=1e-7)
    H = problem.hessian(theta)
    np.testing.assert_allclose(lab.numerical_hessian(problem.gradient, theta), H, rtol=1e-7)
    assert is_convex_hessian(H)
    assert np.linalg.eigvalsh(H)[-1] <= problem.L


def test_newton_needs_few_steps_in_every_dimension():
    steps = {d: lab.race_newton(lab.SmoothRegression(d), 1e-6)[0] for d in (2, 20, 200)}
    assert max(steps.values()) <= 12
    assert lab.race_descent(lab.SmoothRegression(200), 1e-6)[0] > 20 * steps[200]


def test_the_race_is_timed_by_the_clock_it_is_given():
    ticks = iter(range(10_000))
    times = lab.race([2, 3], clock=lambda: float(next(ticks)))
    assert set(times) == set(lab.RACERS)
    for row in times.values():
        assert [finish.seconds for finish in row.values()] == [1.0, 1.0]
        assert all(finish.gradient_norm <= 1e-6 for finish in row.values())


def finishes(seconds):
    return {d: lab.Finish(1, s, 0.0) for d, s in seconds.items()}


def test_the_crossing_is_where_the_slower_stays_slower():
    fast = finishes({1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0})
    assert lab.first_dimension_where(finishes({1: 2.0, 2: 0.5, 3: 2.0, 4: 2.0}), fast) == 3
    assert lab.first_dimension_where(finishes({1: 2.0, 2: 2.0, 3: 2.0, 4: 0.5}), fast) is None
    assert "3" in lab.crossing_in_words(finishes({1: 0.5, 2: 0.5, 3: 2.0, 4: 2.0}), fast)


def test_the_verdict_on_small_problems_follows_the_numbers():
    def run(newton, lbfgs, descent):
        runs = {"Newton": newton, "L-BFGS": lbfgs, "gradient descent": descent}
        return lab.small_problem_verdict({k: {2: lab.Finish(*v)} for k, v in runs.items()}, 2)

    quick, slow = (5, 0.1, 1e-7), (900, 0.9, 1e-7)
    assert "both ways" in run(quick, quick, slow)
    assert "not in this run" in run(quick, (6, 1.0, 1e-7), slow)
    assert "did not win" in run(quick, (901, 0.1, 1e-7), slow)


def test_newtons_step_in_the_figure_goes_to_the_parabolas_lowest_point():
    t = newton_step(lambda t: np.exp(t) - 2, lambda t: np.array([[np.exp(t[0])]]), np.array([1.7]))
    assert t[0] == pytest.approx(1.7 - (np.exp(1.7) - 2) / np.exp(1.7))


# The interactive figure.


def test_the_slider_is_given_places_on_both_sides_of_every_cliff():
    data = lab.live_data()
    assert data["theta"] == lab.RAVINE_START.tolist()
    assert data["lr"][data["start"]] == 0.18, "it zigzags when the page opens"
    assert data["chosen"] == lab.RAVINE_L and data["chosen"] in data["curvatures"]
    for curvature in data["curvatures"]:
        assert min(data["lr"]) < 2 / curvature < max(data["lr"])
        assert 2 / curvature in data["lr"] and 1 / curvature in data["lr"]


@pytest.mark.parametrize(
    ("make", "data"),
    [(lab.live_html, lab.live_data), (lab.live_descent_html, lab.live_descent_data)],
)
def test_the_figures_markup_carries_the_data_and_asks_no_other_host(make, data):
    markup = make()
    embedded = re.search(r'<script type="application/json">(.*?)</script>', markup)
    assert embedded and json.loads(embedded[1]) == data()
    without_picture = re.sub(r'src="data:image[^"]*"', "", markup)
    assert "//" not in without_picture
    assert re.search(r'<img [^>]*alt="[^"]{60,}"', markup)
    for name in re.findall(r'"\.\./_static/([^"]+)"', markup):
        assert (ROOT / "book" / "_static" / name).is_file()


def test_the_height_lines_are_level_and_the_walk_at_the_top_misses_the_lowest_pit():
    data = lab.live_descent_data()
    levels = []
    for line in data["lines"]:
        points = np.reshape(line, (-1, 2))
        heights = [lab.gabor_loss(p) for p in points]
        levels.append(round(float(np.median(heights))))
        np.testing.assert_allclose(heights, levels[-1], atol=0.4)
    assert {1, 5, 10} <= set(levels)
    losses = [m[2] for m in data["minima"]]
    assert losses == sorted(losses) and len(losses) >= 4
    rate = data["lr"]["values"][data["lr"]["start"]]
    end = gradient_descent(lab.gabor_slope, np.array(data["start"]), rate, data["steps"])[-1]
    away = [np.hypot(*(end - m[:2])) for m in data["minima"]]
    assert np.argmin(away) > 0 and min(away) < 0.2, "something is to be seen when the page opens"
    assert data["start"][0] in data["across"] and data["start"][1] in data["up"]


# Figures and data that learners get as well.


def test_figures_import_without_pyplot():
    code = (
        "import sys, autograder.figures, autograder.datasets\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "False"


def test_heights_has_rows_for_the_second_parameter():
    z = figures.heights(lambda p: 10 * p[0] + p[1], np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0]))
    np.testing.assert_array_equal(z, [[14, 24, 34], [15, 25, 35]])


@pytest.fixture
def pyplot():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def test_a_figure_is_drawn_once_and_looks_as_if_it_were_drawn_twice(pyplot, monkeypatch):
    from matplotlib.axes import Axes

    drawn, draw, pictures = [], Axes.draw, []
    monkeypatch.setattr(Axes, "draw", lambda *args: (drawn.append(args), draw(*args)))
    for kind, times in ((figures._drawn_once(), 1), (pyplot.Figure, 2)):
        monkeypatch.setattr(figures, "_drawn_once", lambda kind=kind: kind)
        ax = figures.contours(lab.ravine, (-5, 5), (-2, 2), points=11)
        figures.curves({"a": [1, 1e-7], "b": [1, 0.1]}, ax=ax, ylabel="loss")
        drawn.clear()
        picture = io.BytesIO()
        ax.figure.savefig(picture, format="png", bbox_inches="tight")
        assert len(drawn) == times
        pictures.append(picture.getvalue())
    assert pictures[0] == pictures[1]


def test_a_map_of_a_quadratic_needs_few_places(pyplot):
    few, many = (
        figures.contours(lab.ravine, (-5, 5), (-2, 2), points=points, levels=5).collections[0]
        for points in (11, 41)
    )
    for ours, theirs in zip(few.get_paths(), many.get_paths(), strict=True):
        np.testing.assert_allclose(ours.vertices, theirs.vertices, atol=1e-9)


def test_contours_and_paths_draw_on_the_same_axes(pyplot):
    walk = gradient_descent(lab.ravine_gradient, lab.RAVINE_START, 0.1, 5)
    ax = figures.contours(lab.ravine, (-5, 5), (-2, 2), points=21)
    assert figures.paths({"walk": walk}, ax=ax) is ax
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), walk)
    assert ax.get_xlabel() and ax.get_ylabel()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["walk"]


def test_paths_takes_one_walk_or_several(pyplot):
    walk = np.zeros((3, 2))
    assert len(figures.paths(walk).lines) == 3
    assert len(figures.paths([walk, walk]).lines) == 6


def test_curves_differ_in_more_than_colour(pyplot):
    ax = figures.curves({"a": [1, 2], "b": ([5, 6], [3, 4])}, log="y")
    first, second = ax.lines
    assert first.get_linestyle() != second.get_linestyle()
    np.testing.assert_array_equal(second.get_xdata(), [5, 6])
    assert ax.get_yscale() == "log"
    ax = figures.curves({"a": [1e-7, 1]}, log="y")
    assert {"10⁻⁶", "10⁰"} <= {text.get_text() for text in ax.get_yticklabels()}


def test_a_legend_has_the_courses_letters(pyplot):
    """It is drawn after the figure was made, and would take the reader's own size."""
    ax = figures.curves({"a": [1, 2], "b": [2, 1]})
    sizes = {text.get_fontsize() for text in ax.get_legend().get_texts()}
    assert sizes == {figures.STYLE["legend.fontsize"]}
    pyplot.gcf().canvas.draw()
    ticks = {text.get_fontsize() for text in ax.get_xticklabels()}
    assert ticks == {figures.STYLE["xtick.labelsize"]}


def test_drawing_leaves_the_learners_own_settings_alone(pyplot):
    before = dict(pyplot.rcParams)
    figures.curves({"a": [1, 2]})
    assert dict(pyplot.rcParams) == before


# The page itself.


def test_the_answers_that_stand_in_the_text_are_right():
    """Few numbers are written by hand: those of the folded answers."""
    curvatures = np.array([3.0, 1.0])
    one_step = gradient_descent(lambda theta: curvatures * theta, np.ones(2), 0.5, 1)[-1]
    np.testing.assert_allclose(one_step, [-0.5, 0.5])
    for lr, settles in ((0.66, True), (0.67, False)):
        end = gradient_descent(lambda theta: curvatures * theta, np.ones(2), lr, 2000)[-1]
        assert bool(np.linalg.norm(end) < 1e-3) is settles
    newton_costs, descent_costs = (lambda d: 6 * d**3 / 3), (lambda d: 600 * 4 * d**2)
    assert newton_costs(1199) < descent_costs(1199)
    assert newton_costs(1201) > descent_costs(1201)
    n = 13_002
    assert n**2 * 8 == pytest.approx(1.35e9, rel=5e-3)
    assert n**3 / 3 == pytest.approx(7e11, rel=0.05)
    assert 0.7**13 <= 0.01 < 0.7**12
    assert pytest.approx(17.6, abs=0.05) == 13_002**3 * 8 / 1e12
