"""What chapter 7's page states is true: its experiments, with seeds fixed and tolerances stated."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp
from scipy.special import softmax as scipy_softmax
from sklearn.metrics import confusion_matrix, log_loss
from sklearn.preprocessing import StandardScaler

from book import logistic_regression_experiments as lab
from solutions.logistic_regression import (
    accuracy,
    bce_with_logits,
    best_threshold,
    cross_entropy,
    cross_entropy_gradient,
    fit_logistic,
    softmax,
)
from tests.conftest import run_shown_cells

EXACT = 1e-12  # two ways of the same arithmetic in float64
PAGE = Path(__file__).resolve().parent.parent / "book" / "logistic_regression.md"


# One neuron.


@pytest.mark.parametrize("z", [-3.0, 0.0, 2.0, 10.0])
def test_the_slope_is_s_times_one_less_s(z):
    formula, difference = lab.slope_two_ways(z)
    assert formula == pytest.approx(difference, rel=1e-5)
    assert formula == pytest.approx(expit(z) * expit(-z), rel=1e-9)


def test_at_ten_the_slope_is_some_five_thousand_times_smaller():
    assert 0.25 / lab.slope_two_ways(10.0)[0] == pytest.approx(5507, abs=1)


def test_a_probabilitys_place_is_a_line_and_the_lines_are_parallel():
    _, (w, b) = lab.two_measurements()
    across = np.linspace(-2, 3, 7)
    lines = {p: lab.boundary((w, b), p, across) for p in (0.1, 0.5, 0.9)}
    for p, up in lines.items():
        np.testing.assert_allclose(expit(w[0] * across + w[1] * up + b), p, atol=EXACT)
    np.testing.assert_allclose(np.diff(lines[0.1] - lines[0.9]), 0, atol=1e-9)


def test_the_table_has_569_tumours_and_y_is_1_where_malignant():
    X, y = lab.tumour_table()
    assert X.shape == (569, 30)
    assert y.sum() == 212  # of the file's description: 212 malignant, 357 benign
    data = lab.split()
    assert (len(data.y), len(data.y_test)) == (427, 142)
    for column, scale in (("radius", 14), ("area", 650), ("smoothness", 0.1)):
        place = lab.feature_names().index(f"mean {column}")
        assert X[:, place].mean() == pytest.approx(scale, rel=0.05)


# Squared error against cross entropy.


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_losses_and_slopes_over_the_logit_are_torchs(y):
    z = np.linspace(-12, 12, 49)
    logit = torch.tensor(z, requires_grad=True)
    target = torch.full_like(logit, y)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    squared = 0.5 * (torch.sigmoid(logit) - target) ** 2
    for theirs, loss, slope in (
        (entropy, lab.entropy_loss, lab.entropy_slope),
        (squared, lab.squared_loss, lab.squared_slope),
    ):
        np.testing.assert_allclose(loss(z, y), theirs.detach(), atol=EXACT)
        (grad,) = torch.autograd.grad(theirs.sum(), logit)
        np.testing.assert_allclose(slope(z, y), grad, atol=EXACT)


def test_at_minus_ten_the_cross_entropy_pulls_over_ten_thousand_times_as_hard():
    far = np.array([-10.0])
    assert lab.entropy_slope(far, 1.0)[0] / lab.squared_slope(far, 1.0)[0] > 10_000


def test_the_two_losses_of_the_pair_have_these_slopes():
    for w in (-1.0, 0.3, 1.5):
        up, down = (lab.pair_losses(np.array([w + h])) for h in (1e-6, -1e-6))
        for which in (0, 1):
            difference = float((up[which] - down[which])[0]) / 2e-6
            assert lab.pair_gradients(w)[which] == pytest.approx(difference, abs=1e-8)


def test_the_squared_error_has_a_hump_and_the_cross_entropy_is_convex():
    w = np.linspace(-2, 5, 7001)
    squared, entropy = lab.pair_losses(w)
    turns = np.flatnonzero(np.diff(np.sign(np.diff(squared))))
    assert len(turns) == 2  # a valley and a hump
    assert w[turns[0]] < 0 < w[turns[1]] < 1.5
    bend = np.diff(squared, 2) / 1e-6
    assert bend.min() < -1
    assert w[1 + bend.argmin()] == pytest.approx(0.308, abs=2e-3)
    assert np.diff(entropy, 2).min() / 1e-6 > 0


def test_from_the_far_side_one_walk_leaves_and_the_other_arrives():
    away, home = lab.pair_walk(0), lab.pair_walk(1)
    assert np.all(np.diff(away) > 0)
    assert home[-1] == pytest.approx(-0.369, abs=1e-3)
    assert abs(lab.pair_gradients(home[-1])[1]) < 1e-9


def test_the_live_neuron_stays_wrong_with_one_loss_and_not_with_the_other():
    """Full batch, 40 updates from the wrong start; 120 for the still picture."""
    X, y = lab.live_points()
    shares = {}
    for loss in ("squared error", "cross entropy"):
        path = lab.follow(loss, lab.LIVE_STARTS["wrong"], X, y, lab.LIVE_LR, [np.arange(40)] * 120)
        shares[loss] = [accuracy(y, lab.labels(X @ w + b)) for w, b in path]
    assert shares["squared error"][40] == shares["squared error"][120] == 0.125
    assert shares["cross entropy"][40] == 0.9


@pytest.mark.parametrize("loss", ["squared error", "cross entropy"])
def test_from_zero_both_learn(loss):
    X, y = lab.live_points()
    path = lab.follow(loss, (0, 0, 0), X, y, lab.LIVE_LR, [np.arange(40)] * 40)
    assert accuracy(y, lab.labels(X @ path[-1][0] + path[-1][1])) == 0.9


@pytest.mark.parametrize("loss", ["squared error", "cross entropy"])
def test_neither_a_tenfold_rate_nor_the_full_batch_brings_the_wrong_neuron_round(loss):
    """What the choices say of the squared error; the cross entropy needs neither."""
    X, y = lab.live_points()
    rng = np.random.default_rng(0)
    tens = [rng.permutation(40)[:10] for _ in range(40)]
    for lr, batches in ((5.0, tens), (0.5, [np.arange(40)] * 40)):
        path = lab.follow(loss, lab.LIVE_STARTS["wrong"], X, y, lr, batches)
        share = accuracy(y, lab.labels(X @ path[-1][0] + path[-1][1]))
        assert (share < 0.5) == (loss == "squared error"), (lr, share)


def test_two_hundred_updates_at_ten_times_the_rate_bring_it_round():
    """What the first choice says: not in forty, but in two hundred."""
    X, y = lab.live_points()
    rng = np.random.default_rng(0)
    for m in (10, 40):
        batches = [rng.permutation(40)[:m] for _ in range(200)]
        path = lab.follow("squared error", lab.LIVE_STARTS["wrong"], X, y, 5.0, batches)
        shares = [accuracy(y, lab.labels(X @ w + b)) for w, b in path]
        assert shares[40] < 0.5 and shares[200] > 0.85


# The loss that fits.


def test_each_link_is_its_central_difference_and_the_product_is_the_error():
    c = lab.chain()
    for link in (c.d_answer, c.d_logit, c.product, c.d_weight):
        assert link.value == pytest.approx(link.difference, rel=1e-6)
    assert c.product.value == pytest.approx(c.y_hat - c.y, abs=EXACT)
    assert c.d_weight.value == pytest.approx((c.y_hat - c.y) * c.x[0], abs=EXACT)
    assert c.loss == pytest.approx(-np.log(expit(c.z)), abs=EXACT)
    assert c.d_answer.value < -40
    assert c.d_logit.value < 0.03


def test_the_least_cross_entropy_is_the_largest_likelihood():
    """Two logits for ten examples: the one with the higher product has the lower mean."""
    y = np.array([1.0] * 7 + [0.0] * 3)
    grid = np.linspace(-3, 3, 601)
    likelihood = np.array([np.prod(np.where(y == 1, expit(z), expit(-z))) for z in grid])
    loss = np.array([bce_with_logits(np.full(10, z), y) for z in grid])
    np.testing.assert_allclose(loss, -np.log(likelihood) / 10, atol=EXACT)
    assert likelihood.argmax() == loss.argmin()


def test_a_clipped_probability_says_16_and_has_no_slope():
    z = np.array([-40.0, -30.0, -20.0])
    np.testing.assert_allclose(lab.clipped_loss(z), -np.log(1e-7), atol=1e-6)
    np.testing.assert_allclose(lab.entropy_loss(z, 1.0), -z, atol=1e-8)


def test_a_sigmoid_before_the_loss_leaves_a_floor():
    """The fold's numbers: logits between 0.5 and 0.73, losses not below 0.31 and 0.69."""
    ends = expit(expit(np.array([-800.0, 800.0])))
    np.testing.assert_allclose(ends, (0.5, 0.7311), atol=1e-4)
    assert -np.log(ends[1]) == pytest.approx(0.313, abs=1e-3)
    assert -np.log(1 - ends[0]) == pytest.approx(0.693, abs=1e-3)


def test_the_gradient_of_a_batch_is_that_of_its_loss():
    assert lab.batch_check() < 1e-9


def test_a_column_against_a_row_compares_all_pairs():
    size, shape, pairs, own = lab.column_against_row()
    assert (size, shape) == (142 * 142, (142, 142))
    assert own > 0.95
    assert pairs < 0.6


# Training.


def test_standardised_with_the_training_sets_statistics():
    data = lab.split()
    scaler = StandardScaler().fit(data.raw)
    np.testing.assert_allclose(data.X, scaler.transform(data.raw), atol=1e-9)
    np.testing.assert_allclose(data.X_test, scaler.transform(data.raw_test), atol=1e-9)


def test_raw_numbers_make_a_ravine_that_plain_descent_cannot_cross():
    raw = lab.raw_run()
    assert raw["raw condition"] > 1e7 * raw["standardised condition"]
    assert raw["raw largest"] > 1e5 * raw["standardised largest"]
    assert raw["same accuracy"] < 0.8
    assert raw["same loss"] > 1000
    majority = 1 - lab.split().y_test.mean()
    assert majority < raw["allowed accuracy"] < 0.95


def test_a_leak_of_the_mean_is_not_seen_with_427_tumours_and_flatters_with_20():
    """Two standard errors and less, against three and more; 100 splits."""
    many, few = lab.leak(), lab.leak(train=20)
    assert abs(many.pooled) < 2 * many.pooled_error
    assert few.pooled < -3 * few.pooled_error
    assert 0.05 < -few.pooled / few.clean < 0.2
    assert many.own > 3 * many.own_error
    assert 0.002 < -many.accuracy_own < 0.02
    assert abs(few.own) < few.own_error


def test_tumours_standardised_by_their_own_mean_are_missed():
    found = lab.only_the_ill()
    assert found["how many"] == 56
    assert found["training"] > 0.9
    assert found["own"] < 0.5
    assert found["alone"] == 0


def test_the_pages_own_loop_is_the_reference():
    data = lab.split()
    *_, (w, b) = lab.descend(data.X, data.y, 0.5, 427, 25, np.random.default_rng(0))
    want = fit_logistic(data.X, data.y, 0.5, 427, 25, np.random.default_rng(1))
    np.testing.assert_allclose(w, want[0], atol=EXACT)
    assert b == pytest.approx(want[1], abs=EXACT)
    run = lab.long_run()
    np.testing.assert_allclose(run.weights[run.at(100)][0], lab.hundred_epochs()[0], atol=1e-10)


def test_the_first_loss_is_log_two():
    data = lab.split()
    start = next(lab.descend(data.X, data.y, 0.5, 427, 1, np.random.default_rng(0)))
    assert lab.test_numbers(start, data.X_test, data.y_test)[0] == pytest.approx(np.log(2))


def test_its_numbers_are_scikit_learns():
    data, (w, b) = lab.split(), lab.hundred_epochs()
    y_hat = expit(data.X_test @ w + b)
    loss, share = lab.test_numbers((w, b), data.X_test, data.y_test)
    assert loss == pytest.approx(log_loss(data.y_test, y_hat), abs=1e-9)
    assert share == np.mean((y_hat >= 0.5) == data.y_test)


def test_lower_loss_goes_with_higher_accuracy_up_to_the_best_epoch_and_no_further():
    run = lab.long_run()
    best = int(run.test_loss.argmin())
    assert 100 < run.epochs[best] < 200
    assert np.all(np.diff(run.train_loss) < 0)
    assert np.all(np.diff(run.test_accuracy[: best + 1]) >= 0)
    assert run.test_accuracy[best] - run.test_accuracy[0] > 0.1
    assert run.test_loss[-1] > 3 * run.test_loss[best]
    wrong = np.round((1 - run.test_accuracy) * 142)
    assert (wrong[best], wrong[-1]) == (5, 4)
    # Chapter 1's bound: an error costs at least log 2.
    assert np.all(1 - run.test_accuracy <= run.test_loss / np.log(2))


def test_one_confident_error_carries_nearly_half_of_the_test_loss():
    worst = lab.confident_error()
    assert worst.y == 1
    assert worst.then < 0.01
    assert worst.now < 1e-11
    assert 0.4 < worst.share < 0.5
    assert worst.rest[1] > 2 * worst.rest[0]


def test_accuracy_beside_scikit_learn():
    """Within 0.01 on the page's split and in the mean over 20; two tumours on the worst of them."""
    beside = lab.beside_scikit()
    assert abs(beside.ours[lab.SEED] - beside.theirs[lab.SEED]) <= 0.01
    assert abs(beside.ours.mean() - beside.theirs.mean()) < 0.001
    assert np.abs(beside.ours - beside.theirs).max() == pytest.approx(2 / 142)
    assert beside.same_loss < 1e-3


def test_the_training_tumours_are_separable_and_two_measurements_are_not():
    assert lab.where_separable() == {"training": True, "all": True, "two": False}


def test_linear_programming_finds_what_is_separable():
    X = np.array([[0.0], [1.0], [2.0], [3.0]])
    assert lab.separable(X, np.array([0.0, 0.0, 1.0, 1.0]))
    assert not lab.separable(X, np.array([0.0, 1.0, 0.0, 1.0]))


def test_weights_grow_without_decay_and_stop_with_it():
    run, held = lab.long_run(), lab.long_run(lab.DECAY)
    stops = [run.at(10**k) for k in range(1, 6)]
    # Each tenfold time about doubles the length: no sign of a limit.
    assert np.all(run.norms[stops[1:]] / run.norms[stops[:-1]] > 1.9)
    assert run.train_accuracy[-1] == 1 > run.train_accuracy[stops[3]]
    assert held.norms[-1] == pytest.approx(held.norms[stops[3]], abs=1e-9)
    assert held.norms[-1] < 2.5
    assert held.test_loss[-1] < 1.01 * run.test_loss.min()


def test_at_rest_the_decay_balances_the_gradient():
    """The minimum of the loss plus lambda / 2 |w|^2, by its own condition."""
    data, held = lab.split(), lab.long_run(lab.DECAY)
    w, b = held.weights[-1]
    error = expit(data.X @ w + b) - data.y
    np.testing.assert_allclose(data.X.T @ error / 427 + lab.DECAY * w, 0, atol=1e-10)
    assert error.mean() == pytest.approx(0, abs=1e-10)


# Batch sizes.


def test_the_spread_falls_in_the_order_1_10_100():
    runs = lab.batch_runs()
    spreads = [lab.spread(runs[m]) for m in lab.SIZES]
    assert spreads[0] > 5 * spreads[1] > 10 * spreads[2]
    ends = {m: losses[:, -1].mean() for m, losses in runs.items()}
    assert min(ends, key=lambda m: ends[m]) == 10
    assert runs[1][:, 2].mean() < runs[10][:, 2].mean() < runs[100][:, 2].mean()
    assert all(losses.shape == (10, 31) for losses in runs.values())
    # At 100 it is still falling; at 1 the loss rises again, with the longest weights.
    assert runs[100][:, -1].mean() < runs[100][:, -2].mean()
    assert runs[1][:, -1].mean() > 1.2 * runs[1][:, 2].mean()
    data, lengths = lab.batch_split(), []
    for m in lab.SIZES:
        *_, (w, _) = lab.descend(data.X, data.y, 0.1, m, 30, np.random.default_rng(100))
        lengths.append(np.linalg.norm(w))
    assert lengths[0] > 2 * lengths[1] > 4 * lengths[2]
    # Three epochs at 10 are the 120 updates of thirty at 100.
    assert runs[10][:, 3].mean() == pytest.approx(ends[100], abs=0.005)


def test_a_short_last_batch_brings_its_own_noise():
    short = lab.spread(lab.batch_runs(427, (100,))[100])
    assert short > 5 * lab.spread(lab.batch_runs()[100])
    assert short > lab.spread(lab.batch_runs()[10])


def stand_in_clock(seconds):
    """A clock that goes on by the next of these numbers between two readings."""
    now, feed, readings = [0.0], iter(seconds), [0]

    def clock():
        readings[0] += 1
        if readings[0] % 2 == 0:
            now[0] += next(feed)
        return now[0]

    return clock


def test_epoch_times_are_medians_of_what_the_clock_says():
    clock = stand_in_clock([1.0, 5.0, 3.0, 5.0, 2.0, 5.0])
    times = lab.epoch_times((100, 400), repeats=3, clock=clock)
    assert times[100] == lab.Timing(2.0, 1.5, 2.5)
    assert times[400].median == 5.0


def test_the_price_of_an_update_is_found_in_times_that_have_one():
    times = {m: lab.timing([3e-6 * np.ceil(400 / m) + 2e-5]) for m in (1, 10, 100, 400)}
    assert lab.overhead(times) == (pytest.approx(3e-6), pytest.approx(2e-5))


def test_the_ratio_of_times_is_taken_turn_by_turn():
    """Naive 2 s and stable 3 s a turn, the step 10 s; ratios within a turn, not of medians."""
    clock = stand_in_clock([2.0, 3.0, 10.0, 4.0, 6.0, 10.0, 20.0, 30.0, 10.0])
    ratio = lab.time_ratios((1000,), repeats=3, clock=clock)[1000]
    assert ratio.ratio == lab.Timing(1.5, 1.5, 1.5)
    assert ratio.naive.median == 4.0
    assert ratio.step.median == 10.0


# Softmax.


def test_the_jacobian_is_torchs_and_its_rows_sum_to_zero():
    rng = np.random.default_rng(7)
    for z in (rng.normal(size=5), lab.wide_digit()[0]):
        J = lab.softmax_jacobian(z)
        theirs = torch.autograd.functional.jacobian(lambda v: torch.softmax(v, 0), torch.tensor(z))
        np.testing.assert_allclose(J, theirs, atol=EXACT)
        np.testing.assert_allclose(J.sum(axis=1), 0, atol=EXACT)
        np.testing.assert_allclose(J, lab.jacobian_by_differences(z), atol=1e-9)


def test_link_times_jacobian_is_softmax_less_one_hot():
    z, label = lab.wide_digit()
    y_hat = softmax(z)
    np.testing.assert_allclose(y_hat, scipy_softmax(z), atol=EXACT)
    first = np.zeros(10)
    first[label] = -1 / y_hat[label]
    got = first @ lab.softmax_jacobian(z)
    np.testing.assert_allclose(got, y_hat - np.eye(10)[label], atol=EXACT)
    reference = cross_entropy_gradient(z[None], np.array([label]))[0]
    np.testing.assert_allclose(got, reference, atol=EXACT)


def test_the_digit_on_the_page_is_nearly_a_tie_between_its_class_and_another():
    z, label = lab.wide_digit()
    y_hat = softmax(z)
    assert np.argsort(y_hat)[::-1][:2].tolist() == [1, 8]
    assert label == 1
    assert 0 < y_hat[1] - y_hat[8] < 0.05


def test_a_diagonal_jacobian_learns_and_learns_worse():
    steps = lab.digit_runs()
    assert steps["full"][0, 0] == pytest.approx(np.log(10))
    assert steps["full"][-1, 1] - steps["diagonal"][-1, 1] > 0.02
    assert steps["diagonal"][-1, 0] > 1.5 * steps["full"][-1, 0]
    assert steps["diagonal"][-1, 1] > 0.85
    # Nor does it catch up in five times as many steps.
    later = lab.digit_runs(1500)
    assert later["diagonal"][-1, 0] > 2 * later["full"][-1, 0]
    assert later["diagonal"][-1, 1] < later["full"][-1, 1]


def test_two_classes_are_a_sigmoid_of_the_difference():
    z = np.array([1.3, -0.4])
    assert softmax(z)[0] == pytest.approx(expit(1.7), abs=EXACT)


# The two cross entropies.


def test_the_edges_are_those_of_the_formats():
    """Found by search; the closed forms are the logarithms of the largest and smallest numbers."""
    found = lab.edges()
    for name, dtype in (("float32", np.float32), ("float64", np.float64)):
        info = np.finfo(dtype)
        assert found[f"{name} above"] == pytest.approx(float(np.log(float(info.max))), rel=1e-6)
        smallest = float(info.smallest_subnormal)
        # From half of the smallest number on it is rounded up to it.
        assert np.log(smallest) - np.log(2) == pytest.approx(-found[f"{name} below"], rel=1e-7)
    assert found["float32 above"] == pytest.approx(88.72, abs=0.01)
    assert found["float64 above"] == pytest.approx(709.78, abs=0.01)


def test_the_edge_is_the_last_number_that_works():
    for dtype, sign, name in (
        (np.float64, 1.0, "float64 above"),
        (np.float32, -1.0, "float32 below"),
    ):
        last = dtype(lab.edges()[name])
        works = lab.naive_works(sign, dtype)
        assert works(last)
        assert not works(np.nextafter(last, dtype(np.inf)))


def test_the_arrays_maximum_in_place_of_the_rows_loses_the_low_row():
    by_row, by_array = lab.whole_array_maximum()
    rows = np.array([[0.0, 1.0], [1000.0, 1001.0]])
    assert by_row == pytest.approx(np.mean(logsumexp(rows, axis=1) - rows[:, 0]), abs=EXACT)
    assert not np.isfinite(by_array)


def test_the_yardstick_is_exact():
    """Against the series exp(-z) - exp(-2 z) / 2 + ..., whose rest is below the last digit."""
    e = Decimal(-50).exp()
    series = e - e**2 / 2 + e**3 / 3
    assert abs(lab.decimal_softplus(-50.0, 85) / series - 1) < Decimal("1e-25")
    assert float(lab.decimal_softplus(2.0)) == pytest.approx(np.logaddexp(0, 2.0), rel=1e-15)


def test_where_a_wrong_class_leads_log_sum_exp_is_exact_and_naive_ends_at_709():
    errors = lab.edge_errors(False)
    assert errors.stable.max() < 1e-15
    inside = errors.lead < lab.edges()["float64 above"]
    assert errors.naive[inside].max() < 1e-14
    assert np.all(np.isinf(errors.naive[~inside]))


def test_where_the_right_class_leads_only_log1p_keeps_the_small_loss():
    ahead = lab.edge_errors(True, [10.0, 50.0])
    assert ahead.stable[1] == ahead.naive[1] == 1
    assert ahead.binary.max() < 1e-15
    assert ahead.naive[0] < ahead.stable[0] < 1e-10
    assert ahead.stable[0] * np.exp(-10) < 1e-14
    z, y = 50.0, 1.0
    assert lab.by_log1p(z, y) == pytest.approx(np.exp(-50), rel=1e-12)
    # In absolute terms nothing is lost.
    assert cross_entropy(np.array([[z, 0.0]]), np.array([0])) < 1e-15


# Reading a classifier.


@pytest.mark.parametrize("columns", [None, (lab.RADIUS, lab.TEXTURE)])
def test_the_confusion_matrix_is_scikit_learns(columns):
    y, y_hat = lab.answers(columns)
    for threshold in (0.05, 0.5, 0.9):
        want = confusion_matrix(y, y_hat >= threshold)
        np.testing.assert_array_equal(lab.confusion(y, y_hat, threshold), want)
    table = lab.confusion(y, y_hat, 0.5)
    assert lab.cost(y, y_hat, 0.5, 20) == table[0, 1] + 20 * table[1, 0]


def test_the_fair_threshold_makes_both_answers_cost_the_same():
    for price in (1, 20, 100):
        tau = lab.fair_threshold(price)
        assert price * tau == pytest.approx(1 - tau)


@pytest.mark.parametrize("columns", [None, (lab.RADIUS, lab.TEXTURE)])
def test_the_fair_threshold_costs_far_less_than_one_half(columns):
    y, y_hat = lab.answers(columns)
    half, fair = (lab.cost(y, y_hat, t, 20) for t in (0.5, lab.fair_threshold(20)))
    least = lab.cost(y, y_hat, best_threshold(y, y_hat, 20.0, 1.0), 20)
    assert least <= fair < half / 2


def test_calibration_of_answers_that_are_right_on_average():
    """Drawn by their own probabilities: 40,000 of them, each bin within four standard errors."""
    rng = np.random.default_rng(7)
    y_hat = rng.uniform(size=40_000)
    y = (rng.uniform(size=40_000) < y_hat) * 1.0
    result = lab.calibrate(y, y_hat)
    assert result.counts.sum() == 40_000
    assert np.all(np.abs(result.said - result.happened) < 4 * 0.5 / np.sqrt(result.counts))
    assert result.loss == pytest.approx(log_loss(y, y_hat), abs=1e-9)
    assert result.divisor == pytest.approx(1, abs=0.03)
    # The same answers with logits three times as large.
    logits = 3 * (np.log(y_hat) - np.log1p(-y_hat))
    assert lab.calibrate(y, expit(logits)).divisor == pytest.approx(3, abs=0.1)


def test_long_training_is_overconfident_and_the_gap_hardly_shows_it():
    table = lab.calibrations()
    assert table["short"].happened[-2] > 0.9
    assert 0.4 < table["long"].happened[-2] < 0.6
    assert table["decay"].happened[-2] > 0.9
    assert table["long"].loss > 2 * table["short"].loss
    assert table["long"].accuracy < table["short"].accuracy
    assert table["long"].divisor > 3 > 1 > table["short"].divisor
    gaps = [result.error for result in table.values()]
    assert max(gaps) < 1.5 * min(gaps)
    upper = table["long"].said[5:-1] > table["long"].happened[5:-1]
    assert upper.all()
    ends = [t.counts[[0, -1]].sum() / t.counts.sum() for t in table.values()]
    assert min(ends) > 0.8


# The numbers that stand in the exam's answers and in the folds.


def test_the_exam():
    x, w, b = np.array([2.0, -1.0]), np.array([1.0, 0.5]), 0.5
    z = w @ x + b
    y_hat = expit(z)
    assert (z, y_hat) == (2.0, pytest.approx(0.881, abs=5e-4))
    assert bce_with_logits(np.array([z]), np.array([0.0])) == pytest.approx(2.127, abs=5e-4)
    np.testing.assert_allclose(y_hat * x, (1.762, -0.881), atol=5e-4)
    np.testing.assert_allclose(y_hat**2 * (1 - y_hat) * x, (0.185, -0.092), atol=5e-4)

    logits = np.array([[2.0, 1.0, 0.0]])
    np.testing.assert_allclose(softmax(logits)[0], (0.665, 0.245, 0.090), atol=5e-4)
    assert cross_entropy(logits, np.array([1])) == pytest.approx(1.408, abs=5e-4)
    gradient = cross_entropy_gradient(logits, np.array([1]))[0]
    np.testing.assert_allclose(gradient, (0.665, -0.755, 0.090), atol=5e-4)
    assert gradient.sum() == pytest.approx(0, abs=EXACT)

    odds = 0.8 / 0.2 * np.e
    assert (odds, odds / (1 + odds)) == (
        pytest.approx(10.87, abs=5e-3),
        pytest.approx(0.916, abs=5e-4),
    )


# The interactive figures, and the page's code.


def test_the_live_figures_are_light_and_start_on_their_sliders():
    for data in (lab.training_data(), lab.threshold_data()):
        assert len(json.dumps(data)) < 12_000
        for control in ("batch", "lr", "threshold", "price"):
            if control in data:
                values = data[control]["values"]
                assert values == sorted(set(values))
                assert 0 <= data[control]["start"] < len(values)


def test_the_chosen_point_is_badly_wrong_when_the_page_opens():
    X, y = lab.live_points()
    w = np.array(lab.LIVE_STARTS["wrong"][:2])
    assert y[lab.LIVE_CHOSEN] == 1
    assert X[lab.LIVE_CHOSEN] @ w < -10
    np.testing.assert_array_equal(X, X.round(1))  # on the places of the sliders


def test_scripts_stand_in_the_order_in_which_they_need_each_other():
    order = re.findall(r'src="\.\./_static/([\w.-]+)"', lab.live_training("<p>still</p>"))
    assert order == ["interactive.js", "figures-sgd.js", "figures-logistic_regression.js"]


def test_the_code_that_can_be_unfolded_runs_as_shown():
    assert run_shown_cells(PAGE) > 12
