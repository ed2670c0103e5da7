"""Chapter 1's page says what is true: each of its figures and numbers, held to theory."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats
from sklearn import linear_model, metrics

from book import empirical_risk_experiments as lab
from solutions.empirical_risk import (
    fit_least_squares,
    gaussian_nll,
    mae,
    mse,
    polynomial_features,
    project_nonnegative,
)
from solutions.gradient import numerical_gradient

ROOT = Path(__file__).resolve().parent.parent


def expected(f):
    """The mean of f over the times of day, by SciPy's adaptive quadrature."""
    return integrate.quad(f, -1, 1, epsabs=1e-12)[0] / 2


# The population.


def test_the_neighbours_risk_is_the_one_on_the_page():
    assert lab.risk(lab.RULE) == pytest.approx(12 - 24 / np.pi, abs=1e-12)


@pytest.mark.parametrize("d", [1, 2, 4, 9, 13])
def test_risk_in_closed_form_against_quadrature(d):
    theta = np.random.default_rng(d).normal(size=d)

    def miss(x):
        return (4 * np.sin(np.pi * x) - np.polynomial.polynomial.polyval(x, theta)) ** 2

    assert lab.risk(theta) == pytest.approx(1 + expected(miss), rel=1e-10)


def test_spread_of_a_loss_against_quadrature():
    def fourth(x):
        miss = 4 * np.sin(np.pi * x) - 3 * x
        return miss**4 + 6 * miss**2 + 3

    spread = np.sqrt(expected(fourth) - (12 - 24 / np.pi) ** 2)
    assert lab.loss_spread(lab.RULE) == pytest.approx(spread, rel=1e-10)


def test_the_best_cubic_has_the_lowest_risk():
    best = lab.best_polynomial(3)
    found = optimize.minimize(lab.risk, np.zeros(4), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose(best, found.x, atol=1e-5)
    assert np.linalg.norm(numerical_gradient(lab.risk, best)) < 1e-8


def test_readings_follow_the_population():
    x, y = lab.draw(4000, np.random.default_rng(0))
    assert stats.kstest(x, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert stats.kstest(y - lab.truth(x), stats.norm.cdf).pvalue > 1e-3


# Gaps.


def test_the_rules_gap_falls_with_the_root_of_n():
    """Must show: slope -1/2 within 0.05, and the height that the theory gives within 12 %."""
    ns = [10 * 2**k for k in range(9)]
    gaps = lab.gaps_of_the_rule(ns, 300, np.random.default_rng(7))
    slope, error = lab.log_slope(ns, gaps, lab.rms)
    assert slope == pytest.approx(-0.5, abs=0.05)
    assert error < 0.02
    np.testing.assert_allclose(lab.rms(gaps) * np.sqrt(ns), lab.loss_spread(lab.RULE), rtol=0.12)


def test_the_rules_gap_has_no_drift():
    gaps = lab.gaps_of_the_rule([20], 1000, np.random.default_rng(1))[0]
    assert abs(np.mean(gaps)) < 4 * lab.loss_spread(lab.RULE) / np.sqrt(20 * 1000)


def test_the_fitted_cubics_mean_gap_falls_with_n():
    """Must show: slope -1 within 0.06, and n times the gap tends to the constant within 12 %."""
    ns = [60 * 2**k for k in range(6)]
    plain, steadied = lab.gaps_of_the_fit(ns, 300, np.random.default_rng(3))
    slope, error = lab.log_slope(ns, steadied, lab.mean)
    assert slope == pytest.approx(-1, abs=0.06)
    assert error < 0.03
    constant = lab.mean_gap_times_n(3)
    np.testing.assert_allclose(lab.mean(steadied)[2:] * ns[2:], constant, rtol=0.12)
    assert np.all(steadied >= 0), "the two terms that are left are never negative"
    # What was left out has mean zero.
    left_out = plain - steadied
    error_of_mean = np.std(left_out, axis=1, ddof=1) / np.sqrt(300)
    assert np.all(np.abs(np.mean(left_out, axis=1)) < 4 * error_of_mean)


def test_the_three_gaps_make_up_the_whole_one():
    """As the drawing shows them: both risks are parabolas, lowest where they should be."""
    three = lab.three_gaps()
    at = lambda share: int(np.abs(three.share - share).argmin())  # noqa: E731
    assert three.risk.argmin() == at(0) and three.empirical.argmin() == at(1)
    first, middle, last = three.gaps
    assert first == pytest.approx(three.risk[at(1)] - three.risk[at(0)], rel=1e-9)
    assert middle == pytest.approx(three.risk[at(0)] - three.empirical[at(0)], rel=1e-9)
    assert last == pytest.approx(three.empirical[at(0)] - three.empirical[at(1)], rel=1e-9)
    whole = three.risk[at(1)] - three.empirical[at(1)]
    assert sum(three.gaps) == pytest.approx(whole) and min(three.gaps) > 0.2
    for line in (three.risk, three.empirical):
        np.testing.assert_allclose(np.diff(line, 3), 0, atol=1e-9)


def test_the_rule_of_thumb_for_the_mean_gap():
    """2 d R(theta*) / n, with the best cubic's risk as R(theta*), is the constant within 5 %."""
    thumb = 2 * 4 * lab.risk(lab.best_polynomial(3))
    assert lab.mean_gap_times_n(3) == pytest.approx(thumb, rel=0.05)


def test_the_slope_and_its_error_are_measured_right():
    """On gaps whose law is known: normal with standard deviation n^-0.3."""
    ns = [10, 100, 1000, 10_000]
    rng = np.random.default_rng(0)
    found = []
    for _ in range(40):
        gaps = rng.normal(size=(4, 200)) * np.power(ns, -0.3)[:, np.newaxis]
        found.append(lab.log_slope(ns, gaps, lab.rms))
    slopes, errors = np.array(found).T
    assert np.mean(slopes) == pytest.approx(-0.3, abs=0.01)
    assert np.mean(errors) == pytest.approx(np.std(slopes, ddof=1), rel=0.4)


# Losses.


def test_the_best_constant_is_the_mean_or_the_median():
    assert lab.best_constant(mse) == pytest.approx(np.mean(lab.READINGS), abs=1e-6)
    assert lab.best_constant(mae) == pytest.approx(np.median(lab.READINGS), abs=1e-6)
    assert lab.best_constant(mse) > np.sort(lab.READINGS)[3], "warmer than four of the five"


def test_cross_entropies_against_torch_and_scikit_learn():
    rng = np.random.default_rng(0)
    z, labels = rng.normal(size=(30, 4)), rng.integers(0, 4, 30)
    P = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    right = torch.nn.functional.cross_entropy(torch.tensor(z), torch.tensor(labels)).item()
    assert lab.cce(labels, P) == pytest.approx(right, rel=1e-12)
    y, p = (labels > 1).astype(float), P[:, 0]
    right = torch.nn.functional.binary_cross_entropy(torch.tensor(p), torch.tensor(y)).item()
    assert lab.bce(y, p) == pytest.approx(right, rel=1e-12)
    assert lab.bce(y, p) == pytest.approx(metrics.log_loss(y, p), rel=1e-12)


def test_without_one_over_n_the_loss_counts_examples():
    """Slip 9: the sum says that the test flowers are easier, the mean says the contrary."""
    iris = lab.iris_losses()
    assert iris.sum_test < iris.sum_train
    assert iris.mean_test > iris.mean_train
    assert iris.sum_twice == pytest.approx(2 * iris.sum_train)
    assert iris.mean_twice == pytest.approx(iris.mean_train)
    assert iris.n_train == 120 and iris.n_test == 30


def test_accuracy_has_no_slope_and_cross_entropy_has():
    level_accuracy, level_entropy = lab.share_of_level_places(300)
    assert level_accuracy > 0.99
    assert level_entropy < 0.01


def test_loss_and_metric_have_their_best_at_different_places():
    thetas = np.linspace(12, 18, 601)
    accuracy, entropy = lab.accuracy_and_loss(thetas)
    assert abs(thetas[accuracy.argmax()] - thetas[entropy.argmin()]) > 0.1
    assert accuracy.max() > accuracy[entropy.argmin()]
    # A smooth valley: it falls, then rises, once. The accuracy turns again and again.
    assert np.count_nonzero(np.diff(np.sign(np.diff(entropy)))) == 1
    turns = np.sign(np.diff(accuracy))
    assert np.count_nonzero(np.diff(turns[turns != 0])) > 20
    assert np.all(1 - accuracy <= entropy / np.log(2))


# Splits, and the degree.


def test_an_unshuffled_split_does_harm_twice():
    errors = lab.split_errors(repeats=100, seed=5)
    (block_test, block_risk), (test, risk) = errors["block"], errors["shuffled"]
    assert block_test > 3 * test
    assert block_risk > 1.5 * risk
    assert test == pytest.approx(risk, rel=0.15)
    assert block_test > 1.5 * block_risk


def test_the_two_splits_of_the_figure_hold_the_same_readings():
    block, shuffled = lab.two_splits()
    for split in (block, shuffled):
        assert (len(split.x_train), len(split.x_test)) == (30, 10)
    everything = [np.sort(np.concatenate([s.x_train, s.x_test])) for s in (block, shuffled)]
    np.testing.assert_array_equal(*everything)
    assert block.x_test.min() > block.x_train.max()
    assert block.test_error > 2 * shuffled.test_error


@pytest.fixture(scope="module")
def degree_curves():
    return lab.degree_curves(repeats=120, seed=2)


def test_train_and_test_error_against_the_degree(degree_curves):
    """Must show: one falls for ever, the other falls to degree 3 and rises again."""
    train, test, exact = degree_curves
    assert np.all(np.diff(train, axis=1) < 1e-9), "on each data set"
    test, risk = np.median(test, axis=0), np.median(exact, axis=0)
    assert risk.argmin() == 3
    assert test.argmin() in (3, 4, 5)
    assert test[0] > 3 * test[3] and test[12] > 3 * test[3]
    assert np.median(train, axis=0)[12] < 0.6 < 1 <= exact.min(), "below the noise"
    # Where the page says that the test follows the risk.
    np.testing.assert_allclose(test[:7], risk[:7], rtol=0.25)
    assert test[12] < risk[12] / 3


def test_degree_curves_against_polyfit():
    rng = np.random.default_rng(0)
    x, y = lab.draw(24, rng)
    for degree in (0, 3, 8):
        theta = lab.fit_polynomial(x, y, degree)
        right = np.polynomial.polynomial.polyfit(x, y, degree)
        np.testing.assert_allclose(theta, right, rtol=1e-7, atol=1e-8)


def test_a_test_set_that_chooses_is_flattered(degree_curves):
    _, test, exact = degree_curves
    said, real, share = lab.chosen_by_the_test(test, exact)
    assert said < real
    assert share > np.mean(exact[:, 3] > test[:, 3]) + 0.05


def test_a_penalty_does_what_the_choice_of_the_degree_did(degree_curves):
    strengths = np.geomspace(1e-8, 1, 13)
    train, exact = lab.ridge_curves(strengths, repeats=80)
    assert np.all(np.diff(train) > 0), "a stronger penalty fits the readings worse"
    best = int(exact.argmin())
    assert 2 < best < 10 and exact[0] > 3 * exact[best] and exact[-1] > 3 * exact[best]
    assert exact[best] == pytest.approx(np.median(degree_curves[2][:, 3]), rel=0.25)
    # Against scikit-learn, which minimises the sum.
    x, y = lab.draw(24, np.random.default_rng(6))
    X = polynomial_features(x, lab.RIDGE_DEGREE)
    model = linear_model.Ridge(alpha=24 * 1e-3, fit_intercept=False, solver="svd").fit(X, y)
    mine, _ = lab.ridge_curves(np.array([1e-3]), repeats=1)
    assert mine[0] == pytest.approx(mse(y, model.predict(X)), rel=1e-6)


def test_five_folds_choose_no_worse_than_one_split():
    chosen = lab.choose_by_folds(80)
    assert chosen.folds < 1.1 * chosen.single
    assert chosen.unlucky_folds < 0.9 * chosen.unlucky_single


# Likelihood.


def test_likelihood_and_least_squares_give_the_same_theta():
    """Must show: to 1e-8, whatever sigma is."""
    differences = lab.likelihood_against_squares((0.1, 1.0, 5.0))
    assert set(differences) == {0.1, 1.0, 5.0}
    assert max(differences.values()) < 1e-8


def test_a_search_on_scipys_own_density_agrees():
    """No code of ours in the likelihood: SciPy's normal density, minimised without a gradient."""
    x, y = lab.line_data()
    X = lab.with_ones(x)
    found = optimize.minimize(
        lambda theta: -np.mean(stats.norm.logpdf(y, X @ theta, 0.3)),
        np.zeros(2),
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-15},
    )
    np.testing.assert_allclose(fit_least_squares(X, y), found.x, atol=1e-6)


def test_what_each_likelihood_becomes():
    rng = np.random.default_rng(0)
    y, y_hat, p = rng.normal(size=20), rng.normal(size=20), rng.uniform(0.05, 0.95, 20)
    normal = -np.mean(stats.norm.logpdf(y, y_hat, 0.7))
    assert gaussian_nll(y, y_hat, 0.7) == pytest.approx(normal, rel=1e-12)
    laplace = -np.mean(stats.laplace.logpdf(y, y_hat, 0.7))
    assert np.log(2 * 0.7) + mae(y, y_hat) / 0.7 == pytest.approx(laplace, rel=1e-12)
    coin = (p > 0.5).astype(int)
    assert lab.bce(coin, p) == pytest.approx(-np.mean(stats.bernoulli.logpmf(coin, p)), rel=1e-12)


def test_sigma_moves_the_loss_and_not_its_minimum():
    slopes = np.linspace(0.2, 0.9, 701)
    lines = lab.losses_over_the_slope(slopes, (0.3, 1.0))
    assert len(lines) == 3
    assert len({line.argmin() for line in lines.values()}) == 1


def test_the_gaussian_nll_can_be_negative():
    """Slip 11: below zero at the best sigma; a change of units shifts it; no lower bound."""
    metres, centimetres = lab.nll_in_units(1), lab.nll_in_units(100)
    assert metres[1] < 0 < centimetres[1]
    assert centimetres[1] - metres[1] == pytest.approx(np.log(100), rel=1e-9)
    assert centimetres[0] / metres[0] == pytest.approx(100**2)
    sigmas = np.geomspace(1e-3, 3, 400)
    line = lab.nll_over_sigma(sigmas, 1)
    assert sigmas[line.argmin()] == pytest.approx(np.sqrt(metres[0]), rel=0.02)
    every_point = lab.nll_over_sigma(sigmas, 11)
    assert np.all(np.diff(every_point) > 0), "the smaller sigma, the lower"
    assert every_point[0] < -5


# Optimisation.


def test_the_nonnegative_fit_against_scipy():
    X, y = lab.baskets()
    free, held = fit_least_squares(X, y), lab.projected_descent(X, y, np.array([0.5, 2.5]))
    right = optimize.nnls(X, y)[0]
    np.testing.assert_allclose(held[-1], right, atol=1e-8)
    assert np.all(held >= 0)
    assert free[1] < 0
    walk = lab.descent(X, y, np.array([0.5, 2.5]))
    np.testing.assert_allclose(walk[-1], free, atol=1e-8)
    losses = [lab.basket_loss(t) for t in (free, right, project_nonnegative(free))]
    assert losses[0] < losses[1] < losses[2] / 2, "cutting off at the end is not enough"


def test_prices_that_cannot_be_negative_come_near_the_edge_and_never_there():
    X, y = lab.baskets()
    right = optimize.nnls(X, y)[0]
    apart = [
        np.linalg.norm(lab.by_exponentials(np.array([0.5, 2.5]), steps) - right)
        for steps in (500, 2000, 8000)
    ]
    assert apart == sorted(apart, reverse=True) and 0.005 < apart[-1] < apart[0] / 5


def test_projected_descent_in_more_dimensions_against_scipy():
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(40, 6)), rng.normal(size=40)
    held = lab.projected_descent(X, y, np.ones(6))[-1]
    np.testing.assert_allclose(held, optimize.nnls(X, y)[0], atol=1e-8)
    assert np.count_nonzero(held) < 6


def test_descent_stops_where_there_is_no_local_minimum():
    """Slip 4: a stationary point is all that is sure."""
    slope = numerical_gradient(lambda t: float(lab.terrace(t[0])), np.array([0.3]))
    np.testing.assert_allclose(slope, lab.terrace_gradient(np.array([0.3])), rtol=1e-7)
    starts = np.array([-1.0, -0.5, -0.05, 0.3, 1.9])
    ends = lab.terrace_descents(starts)
    assert np.all((ends[:3] < 0) & (ends[:3] > -0.01))
    np.testing.assert_allclose(ends[3:], 1, atol=1e-6)
    around = lab.terrace(np.array([-1e-3, 0.0, 1e-3]))
    assert around[0] > around[1] > around[2], "lower ground right beside it: no minimum"


def test_share_of_starts_on_the_terrace():
    share, error = lab.share_on_the_terrace(600, seed=3)
    assert share == pytest.approx(1 / 3, abs=4 * error)


def test_who_ends_on_the_terrace():
    """Whoever comes from the left, and from the right only those that start beside it."""
    starts = np.random.default_rng(0).uniform(-1, 2, 2000)
    there = np.abs(lab.terrace_descents(starts)) < 0.01
    assert np.all(there[starts < 0])
    beside = starts[there & (starts >= 0)]
    assert 1 <= len(beside) <= 10 and beside.max() < 0.005


def test_bfgs_reports_success_on_the_terrace():
    found = optimize.minimize(
        lambda t: float(lab.terrace(t[0])), [-0.5], jac=lab.terrace_gradient, method="BFGS"
    )
    assert found.success
    assert abs(found.x[0]) < 0.1


# The interactive figures.


def test_the_live_figure_knows_the_reference():
    data = lab.live_data(repeats=60)
    ns = np.array(data["n"])
    population = data["population"]
    theta = np.array(data["rule"])
    G, c = np.array(population["G"]), np.array(population["c"])
    risk = 1 + 8 - 2 * theta @ c[:2] + theta @ G[:2, :2] @ theta
    assert risk == pytest.approx(12 - 24 / np.pi)
    spread = lab.loss_spread(lab.RULE)
    np.testing.assert_allclose(data["expected"]["rule"], spread / np.sqrt(ns), rtol=1e-12)
    np.testing.assert_allclose(
        np.array(data["expected"]["fit"])[-5:] * ns[-5:], lab.mean_gap_times_n(3), rtol=0.35
    )
    assert data["n"][data["start"]] == 32


def test_the_figure_at_the_top_opens_where_a_fit_has_gone_wrong():
    """Its moments give the risk, also of the highest degree; and degree 9 is no good."""
    data = lab.live_fit_data()
    G, c = (np.array(data["population"][name]) for name in ("G", "c"))
    theta = np.random.default_rng(1).normal(size=len(c))
    noise, amplitude = data["population"]["noise"], data["population"]["amplitude"]
    exact = noise**2 + amplitude**2 / 2 - 2 * theta @ c + theta @ G @ theta
    assert exact == pytest.approx(lab.risk(theta), rel=1e-12)
    assert len(c) == data["degrees"][-1] + 1 and data["degrees"][data["start"]] == 9


def test_the_fifth_thermometer_stands_where_the_drawing_has_it():
    data = lab.live_constant_data()
    assert [*data["readings"], data["values"][data["start"]]] == lab.READINGS.tolist()
    assert data["low"] < min(data["values"]) and max(data["values"]) < data["high"]


@pytest.mark.parametrize(
    ("make", "data"),
    [
        (lambda: lab.live_html("<p>still</p>", repeats=10), lambda: lab.live_data(10)),
        (lab.live_fit_html, lab.live_fit_data),
        (lab.live_constant_html, lab.live_constant_data),
    ],
)
def test_the_live_figures_markup_asks_no_other_host(make, data):
    markup = make()
    embedded = re.search(r'<script type="application/json">(.*?)</script>', markup)
    assert embedded and json.loads(embedded[1]) == data()
    assert "//" not in re.sub(r'src="data:image[^"]*"', "", markup)
    for name in re.findall(r'"\.\./_static/([^"]+)"', markup):
        assert (ROOT / "book" / "_static" / name).is_file()


# The page itself.


def test_the_numbers_that_stand_in_the_text_are_right():
    """Few are written by hand: formulas worked out for the reader."""
    assert 12 - 24 / np.pi == pytest.approx(4.36, abs=5e-3)
    assert np.log(100) == pytest.approx(4.605, abs=5e-4)
    assert len(lab.tumours()[1]) == 569
    half = (np.log(2 * np.pi) + 1) / 2
    assert half == pytest.approx(1.42, abs=5e-3)
    assert np.exp(-1 - half) == pytest.approx(0.089, abs=5e-4)
    assert polynomial_features(np.array([2.0]), 3).tolist() == [[1, 2, 4, 8]]
