"""What chapter 3's page states is true: its experiments, with seeds fixed and tolerances stated."""

from __future__ import annotations

import json
import re
from itertools import product
from math import comb
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import sem

from book import sgd_experiments as lab
from book.page import share_error
from solutions.gradient import gradient_descent, linear_gradient
from solutions.sgd import (
    exponential_decay,
    gradient_standard_error,
    minibatches,
    sgd,
    step_decay,
)

ROOT = Path(__file__).resolve().parent.parent
SOME_SIZES = (1, 3, 10, 30, 100)


# The estimate.


def test_the_mean_of_every_batch_is_the_full_gradient():
    every = lab.every_batch_of_four()
    assert every.how_many == comb(12, 4)
    assert every.off < 1e-14
    assert every.worst > 0.5
    # "Now and then."
    assert 0 < every.uphill < every.how_many / 20


def test_with_replacement_the_standard_error_falls_with_slope_minus_a_half():
    curve = lab.error_curve((*SOME_SIZES, lab.N), repeats=400, seed=1)
    assert curve.slope == pytest.approx(-0.5, abs=0.05)
    assert curve.slope_error < 0.02
    # 400 batches: the measured error is itself off by about 3 %; 5 times that.
    np.testing.assert_allclose(curve.measured, curve.predicted, rtol=0.15)


def test_without_replacement_the_slope_holds_far_below_n_alone():
    far_below = lab.error_curve((1, 2, 5, 10, 20), repeats=400, seed=1, replace=False)
    assert far_below.slope == pytest.approx(-0.5, abs=0.05)
    all_the_way = lab.error_curve((1, 10, 100, 380), repeats=400, seed=1, replace=False)
    assert all_the_way.slope < -0.6


def test_the_finite_population_correction_predicts_the_bend_and_the_zero():
    ms = np.array([10, 100, 200, 380, lab.N])
    curve = lab.error_curve(tuple(ms), repeats=400, seed=2, replace=False)
    corrected = curve.predicted * lab.finite_population(ms)
    np.testing.assert_allclose(curve.measured[:-1], corrected[:-1], rtol=0.15)
    assert corrected[-1] == 0
    assert curve.measured[-1] < 1e-14


def test_the_correction_is_exact_for_a_small_population():
    """All batches of 4 of 12 numbers: the variance of their means is (s^2 / m) (1 - m / n)."""
    from itertools import combinations

    numbers = np.random.default_rng(0).normal(size=12)
    means = [np.mean(batch) for batch in combinations(numbers, 4)]
    said = sem(numbers) * np.sqrt(12 / 4) * lab.finite_population(4, 12)
    assert np.std(means) == pytest.approx(said, rel=1e-12)


def test_draws_from_these_rows_want_n_and_samples_n_minus_one():
    """Every batch of three of six, by a loop of its own, and numbers that were counted before."""
    each = lab.per_example_gradients(lab.FAR)[:6]
    means = [(each[a] + each[b] + each[c]) / 3 for a, b, c in product(range(6), repeat=3)]
    squares = np.sum((np.array(means) - each.mean(axis=0)) ** 2, axis=1)
    draws = lab.every_draw()
    assert draws.how_many == len(means) == 216
    assert draws.spread == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-12)
    assert draws.by_n == pytest.approx(draws.spread, rel=1e-12)
    assert draws.by_n_minus_one == pytest.approx(draws.spread * np.sqrt(6 / 5), rel=1e-12)
    assert draws.corrected == pytest.approx(draws.spread_apart, rel=1e-12)


def test_rows_that_are_alike_make_a_worse_batch_and_unlike_ones_a_better():
    """Over all batches of a kind as over drawn ones."""
    rng = np.random.default_rng(0)
    order = np.argsort(lab.Y, kind="stable")
    rows = np.arange(10)
    batches = {
        "alike": [order[rows + 10 * begin] for begin in rng.integers(0, lab.N // 10, 4000)],
        "by chance": [rng.choice(lab.N, 10, replace=False) for _ in range(4000)],
        "unlike": [
            order.reshape(10, -1)[rows, rng.integers(0, lab.N // 10, 10)] for _ in range(4000)
        ],
    }
    kinds = lab.errors_by_kind()
    assert kinds["alike"] > 1.15 * kinds["by chance"]
    assert kinds["unlike"] < 0.98 * kinds["by chance"]
    for kind, drawn in batches.items():
        seen = np.array([lab.batch_gradient(lab.FAR, index) for index in drawn])
        assert kinds[kind] == pytest.approx(lab.measured_error(seen, lab.FAR), rel=0.04)


def test_the_predicted_error_is_scipys_standard_error_of_the_mean():
    each = lab.per_example_gradients(lab.FAR)
    all_of_them = gradient_standard_error(each, lab.N)
    np.testing.assert_allclose(all_of_them, sem(each, axis=0), rtol=1e-12)
    assert lab.predicted_error(lab.FAR, 100) == pytest.approx(lab.predicted_error(lab.FAR, 1) / 10)
    np.testing.assert_allclose(each.mean(axis=0), linear_gradient(lab.FAR, lab.X, lab.Y))


def test_at_the_minimum_the_estimates_do_not_vanish():
    assert np.linalg.norm(linear_gradient(lab.BEST, lab.X, lab.Y)) < 1e-12
    assert lab.predicted_error(lab.BEST, 1) > lab.predicted_error(lab.FAR, 1) / 2
    cloud = lab.estimates(lab.BEST, 10, 200, np.random.default_rng(0))
    assert np.min(np.linalg.norm(cloud, axis=1)) > 0


# Walks.


def test_the_excess_loss_is_the_loss_less_its_least_value():
    for theta in (lab.FAR, np.array([0.3, 1.1])):
        gap = lab.half_mse(theta) - lab.half_mse(lab.BEST)
        assert lab.excess(theta) == pytest.approx(gap, rel=1e-9)


def test_a_walk_with_full_batches_is_gradient_descent():
    trajectory = lab.walk(lab.N, updates=40)
    right = gradient_descent(lambda t: linear_gradient(t, lab.X, lab.Y), lab.FAR, lab.LR, 40)
    np.testing.assert_allclose(trajectory, right, atol=1e-12)


def test_larger_batches_end_closer_but_small_ones_are_the_better_bargain():
    one, ten, full = lab.distance_after(60, (1, 10, lab.N), runs=10)
    assert one > 2 * ten > 4 * full


def test_a_goal_is_reached_for_good_only_where_the_floor_lies_below_it():
    assert lab.floor(0.3, 1, 4000) > 0.05 > lab.predicted_floor(0.03, 1)
    often = lab.reach(1, 0.3, runs=10)
    assert (often.first < 30, often.for_good) == (True, np.inf)
    slow, ten, full = (
        lab.reach(1, 0.03, runs=10),
        lab.reach(10, 0.3),
        lab.reach(400, 1.3, epochs=60),
    )
    # In examples: a batch of ten pays about as much as single ones, the full gradient ten times.
    assert slow.for_good < 250
    assert 10 * ten.for_good < 250
    assert 7 < 400 * full.for_good / (10 * ten.for_good) < 15
    # At the same rate, by gradient descent's own numbers.
    plain = gradient_descent(lambda t: linear_gradient(t, lab.X, lab.Y), lab.FAR, 0.3, 60)
    below = np.flatnonzero(lab.excess(plain) <= 0.05)[0]
    assert lab.reach(400, 0.3, epochs=60).for_good == below


def test_the_mean_of_the_walk_lies_far_below_it():
    last, mean = lab.averaged_iterates(runs=8)
    assert np.mean(last[-400:]) == pytest.approx(lab.predicted_floor(0.1, 1), rel=0.4)
    assert mean[-1] < np.mean(last[-400:]) / 100


def test_the_rate_may_grow_with_the_batch_up_to_the_cliff():
    ms = (1, 20, 100, 200)
    linear, fixed = (lab.with_the_batch(ms, power=power, runs=4) for power in (1.0, 0.0))
    # Shuffled epochs lie below the floor of independent draws.
    assert 0.4 < linear[0] / lab.predicted_floor(0.01, 1) < 1.1
    assert linear[1] < 1.5 * linear[0] < fixed[1] / 50
    assert 2 * linear[0] < linear[2] < np.inf
    assert linear[3] == np.inf
    # 2 / L by bisection on the full gradient itself.
    low, high = 0.5, 3.0
    for _ in range(30):
        middle = (low + high) / 2
        walk = gradient_descent(lambda t: linear_gradient(t, lab.X, lab.Y), lab.FAR, middle, 300)
        low, high = (middle, high) if lab.excess(walk[-1]) < 1 else (low, middle)
    assert lab.full_batch_cliff() == pytest.approx(low, rel=0.02)
    assert 0.01 * 100 < lab.full_batch_cliff() < 0.01 * 200
    # Below the cliff single points may run away as well.
    assert 1.3 in lab.WALK_LRS and lab.full_batch_cliff() > 1.3
    assert lab.excess(lab.walk(1, 1.3, epochs=2))[-1] > 1e6


def test_the_search_finds_a_rate_below_the_cliff():
    found = lab.find_learning_rate()
    assert 0.1 < found.lowest < found.blows_up < 1.2 * lab.full_batch_cliff()
    assert found.smooth[0] == found.losses[0]
    assert found.smooth[:40].mean() > 2 * found.smooth.min()


def test_warm_up_survives_a_steep_start():
    walks = lab.warm_up_walks()
    assert walks["lr = 0.3"][3] > 1e3
    assert walks["lr = 0.03"][-1] > 0.05
    assert walks["warm-up to 0.3"][-1] < 1e-6
    # The curvatures that the page names: 1 + 3 theta ** 2.
    assert (1 + 3 * 3**2, 1 + 3 * 0**2) == (28, 1)


def test_small_batches_end_at_weights_that_do_better_on_new_inputs():
    single, whole = lab.small_batch_as_regulariser(problems=12)
    assert max(single.train, whole.train) < 1e-3
    assert np.mean(whole.errors > single.errors) > 0.9
    assert single.mean < 0.9 * whole.mean


def test_what_grows_with_the_batch_is_the_layers_outputs():
    sizes = (784, 16, 16, 10)
    outputs, parameters = lab.numbers_kept(sizes, 4096)
    assert (outputs, parameters) == (4096 * (784 + 16 + 16 + 10), 13_002)
    assert lab.numbers_kept(sizes, 1) == (826, 13_002)


def test_the_predicted_floor_is_a_quarter_of_the_variances():
    """The Lyapunov equation against its closed form."""
    variances = np.var(lab.per_example_gradients(lab.BEST), axis=0)
    assert lab.predicted_floor(0.1, 5) == pytest.approx(0.1 / 5 * np.sum(variances) / 4)


@pytest.mark.parametrize("m", [1, 10])
def test_the_floor_of_independent_batches_is_the_predicted_one(m):
    for lr in (0.05, 0.1):
        measured = lab.floor(lr, m, int(500 / lr), shuffled=False)
        assert measured == pytest.approx(lab.predicted_floor(lr, m), rel=0.25)


def test_shuffled_epochs_lie_below_the_floor_of_independent_batches():
    assert lab.floor(0.025, 10, 16_000) < 0.5 * lab.predicted_floor(0.025, 10)
    assert lab.floor(0.1, 1, 4000) == pytest.approx(lab.predicted_floor(0.1, 1), rel=0.3)


def test_sorted_rows_end_each_epoch_far_off():
    shuffled, in_order = lab.order_of_the_rows(epochs=60)
    assert in_order > 5 * shuffled


# Schedules.


def test_the_schedules_are_torchs():
    differences = lab.difference_from_torch()
    assert set(differences) == {"StepLR", "ExponentialLR", "CosineAnnealingLR"}
    assert max(differences.values()) < 1e-12


def test_every_schedule_begins_alike_and_falls():
    for name, rate in lab.schedules(400).items():
        rates = np.array([rate(t) for t in range(400)])
        assert rates[0] == lab.LR
        assert np.all(np.diff(rates) <= 0)
        assert (rates[-1] < lab.LR / 10) == (name != "constant")


def test_a_schedule_ends_below_the_floor_of_a_constant_rate():
    ends = {name: end for name, (end, _) in lab.scheduled_excess(runs=6).items()}
    constant = ends.pop("constant")
    assert constant > 20 * max(ends.values())
    assert min(ends, key=ends.__getitem__) == "exponential"


# The Gabor surface.


def test_many_gradients_at_once_are_the_references():
    rng = np.random.default_rng(0)
    thetas = rng.uniform([-4, 8], [4, 20], (6, 2))
    rows = rng.integers(0, lab.GABOR_N, (6, 5))
    together = lab.gabor_mean_gradients(thetas, lab.GABOR_X[rows], lab.GABOR_Y[rows])
    for theta, index, row in zip(thetas, rows, together, strict=True):
        alone = lab.gabor_mean_gradient(theta, lab.GABOR_X[index], lab.GABOR_Y[index])
        np.testing.assert_allclose(row, alone, rtol=1e-12)


@pytest.mark.parametrize("m", [1, 3, 28])
def test_many_walks_at_once_are_the_references(m):
    starts = lab.gabor_starts(5, seed=4)
    rates = lambda t: 1.4 / (1 + t)  # noqa: E731
    together = lab.gabor_sgd(starts, rates, m, 3, lab.generators(5, 7))
    for start, rng, end in zip(starts, lab.generators(5, 7), together, strict=True):
        alone = sgd(lab.gabor_mean_gradient, start, lab.GABOR_X, lab.GABOR_Y, rates, m, 3, rng)
        np.testing.assert_allclose(end, alone[-1], rtol=1e-9)


def test_higher_variability_leaves_a_minimum_and_lower_stays():
    """Slip 6."""
    home = lab.local_minimum()
    assert np.linalg.norm(lab.gabor_mean_gradient(home, lab.GABOR_X, lab.GABOR_Y)) < 1e-9
    slow = lab.escapes((1, 2, 4, 28), home, walks=60)
    left = [row.left for row in slow]
    assert left == sorted(left, reverse=True)
    assert left[0] > 0.95
    assert 0 < left[1] < 0.3
    assert left[2] == left[3] == 0
    fast = lab.escapes((2, 4), home, lr=2 * lab.GABOR_MEAN_LR, walks=60)
    assert fast[0].left > 0.95
    assert 0.15 < fast[1].left < 0.7
    assert lab.escapes([7], home, lr=2 * lab.GABOR_MEAN_LR, walks=60)[0].left == 0
    # Leaving is not arriving.
    assert slow[0].found < 0.4 * slow[0].left


def test_leaving_does_not_follow_the_law_of_the_floor():
    """The same lr / m three times; the bounds are some three binomial errors of 80 walks away."""
    rows = lab.same_ratio(lab.local_minimum(), walks=80)
    assert {lr / m for lr, m, _, _ in rows} == {0.7}
    same = [row.left for _, _, row, _ in rows]
    assert same[0] < 0.02 < same[1] < 0.22 < 0.27 < same[2] < 0.6
    longer = [row.left for _, _, _, row in rows]
    assert longer == sorted(longer)
    assert longer[0] < longer[2] / 4


def test_a_short_last_batch_kicks():
    """28 = 9 * 3 + 1: m = 3 leaves more often than m = 2, whose batches are all of a size."""
    home = lab.local_minimum()
    assert [len(batch) for batch in minibatches(28, 3, np.random.default_rng(0))][-1] == 1
    three, two = lab.escapes((3, 2), home, walks=100)
    assert three.left > two.left


def test_a_little_noise_hardly_helps_and_too_much_ruins():
    """The lecture's "seems to find better solutions", on this surface."""
    little = lab.gabor_trials([4], [0.7], n=1000, seed=100)[0]
    much = lab.gabor_trials([1], [2.8], n=60, seed=100)[0]
    share = little.reached_gd.mean()
    # Chapter 2's share; 4 standard errors of 1,000 starts are 0.06.
    assert share == pytest.approx(0.335, abs=0.06)
    # "One or two starts in a hundred", and more than chance.
    assert 0.005 < little.gain < 0.025
    assert little.gain > 2 * little.gain_error
    assert much.share < 0.05
    assert much.off_the_map > 0.9
    # In the local minimum, single examples pull more than ten times as hard as out there.
    home = lab.local_minimum()
    pulls = [
        np.linalg.norm(lab.gabor_mean_gradient(home, lab.GABOR_X[[i]], lab.GABOR_Y[[i]]))
        for i in range(lab.GABOR_N)
    ]
    assert much.plateau < np.median(pulls) / 10


def test_the_error_of_the_gain_is_that_of_paired_starts():
    gd = np.array([True] * 30 + [False] * 70)
    reached = np.array([True] * 26 + [False] * 4 + [True] * 9 + [False] * 61)
    trial = lab.Trial(1, 1.0, gd, reached, np.zeros((100, 2)))
    assert trial.gain == pytest.approx(0.05)
    # 9 won, 4 lost: the sample variance of the differences, by hand.
    by_hand = np.sqrt((13 - 100 * 0.05**2) / 99 / 100)
    assert trial.gain_error == pytest.approx(by_hand)
    assert share_error(0.3, 100) == pytest.approx(np.sqrt(0.21 / 100))


# Hardware.


def test_the_cost_is_timed_by_the_clock_it_is_given():
    ticks = iter(range(10**6))
    times = lab.gradient_times([1, 8], d=3, n=16, seconds_each=10, clock=lambda: float(next(ticks)))
    assert times == {1: 1.0, 8: 1.0}


def test_the_number_formats_are_what_numpy_and_the_standard_say():
    table = lab.bits()
    for name, kind in (("FP64", np.float64), ("FP32", np.float32)):
        assert table[name] == (kind().itemsize, np.finfo(kind).eps, np.finfo(kind).max)
    # Eight bits of fraction with the hidden one, and FP32's exponent.
    assert table["BF16"] == (2, 2.0**-7, (2 - 2.0**-7) * 2.0**127)
    assert lab.in_bf16(1.003) == 1.0
    assert lab.in_bf16(1.005) == 1 + 2.0**-7
    # A step of 0.002 from 1: up it is rounded away, down it is not.
    assert lab.in_bf16(1.002) == 1 > lab.in_bf16(0.998)


def test_drawing_costs_more_exactness_than_bf16():
    errors = lab.rounding_against_noise((1, 16, 400), repeats=20)
    assert np.all(errors["drawing"] > 5 * errors["BF16"])
    assert np.all(errors["BF16"] < 4 * 2.0**-7)
    assert np.all(errors["FP32"] < 1e-5)


def test_parameters_kept_in_bf16_get_stuck():
    in_16, stuck = lab.stored_in("BF16")
    in_32, moving = lab.stored_in("FP32")
    assert stuck < 400 < moving
    assert np.ptp(in_16[stuck:]) == 0
    assert in_16[-1] > 0.3
    assert in_32[-1] < 0.005


def test_torch_keeps_its_threads():
    import torch

    before = torch.get_num_threads()
    with lab.one_torch_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


# The interactive figure.


def test_the_live_figure_has_the_pages_points():
    data = json.loads(json.dumps(lab.live_data()))
    np.testing.assert_array_equal(data["x"], lab.X[:, 1])
    np.testing.assert_array_equal(data["y"], lab.Y)
    np.testing.assert_allclose(data["best"], lab.BEST)
    assert data["sizes"][0] == 1 and data["sizes"][-1] == len(data["x"])
    for level, ring in zip(lab.LIVE_LEVELS, data["rings"], strict=True):
        # Places are rounded to a thousandth, for the size of the page.
        np.testing.assert_allclose(lab.excess(np.array(ring)), level, rtol=0.01)


@pytest.mark.parametrize(
    ("html", "data"), [(lab.live_cloud, lab.live_data), (lab.live_walk, lab.walk_data)]
)
def test_the_live_figures_markup_carries_the_data_and_asks_no_other_host(html, data):
    markup = html()
    embedded = re.search(r'<script type="application/json">(.*?)</script>', markup)
    assert embedded and json.loads(embedded[1]) == json.loads(json.dumps(data()))
    without_picture = re.sub(r'src="data:image[^"]*"', "", markup)
    assert "//" not in without_picture
    assert re.search(r'<img [^>]*alt="[^"]{60,}"', markup)
    assert len(markup) < 400_000
    for name in re.findall(r'"\.\./_static/([^"]+)"', markup):
        assert (ROOT / "book" / "_static" / name).is_file()


# The page itself.


def test_the_answers_that_stand_in_the_text_are_right():
    """Few numbers are written by hand: the poll's, and those of the folded answers."""
    assert 100 * share_error(0.5, 1000) == pytest.approx(1.5, abs=0.1)
    assert share_error(0.5, 4000) == pytest.approx(share_error(0.5, 1000) / 2)
    lengths = [len(batch) for batch in minibatches(1000, 64, np.random.default_rng(0))]
    assert (len(lengths), lengths[-1]) == (16, 40)
    assert 0.4 / np.sqrt(400 / 25) == pytest.approx(0.1)
    assert lab.finite_population(400, 10_000) == pytest.approx(0.98, abs=1e-3)
    assert [step_decay(0.8, t, 0.5, 100) for t in (0, 99, 100, 250)] == [0.8, 0.8, 0.4, 0.2]
    assert exponential_decay(0.8, 200, 0.9931) == pytest.approx(0.2, rel=5e-3)
