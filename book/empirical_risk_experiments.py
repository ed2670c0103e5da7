"""Chapter 1's experiments: the page draws what they return, the tests assert it.

Everything runs on the reference functions, so a mended reference mends the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression

from autograder.datasets import line_data, with_ones
from autograder.figures import BLACK, BLUE, curves, new_figure
from book.page import live_figure, picture, share_error
from solutions.empirical_risk import (
    cross_validation,
    empirical_risk,
    fit_least_squares,
    gaussian_nll,
    mse,
    polynomial_features,
    project_nonnegative,
    train_test_split,
)
from solutions.gradient import gradient_descent, linear_gradient, numerical_gradient

Array = np.ndarray
Loss = Callable[[Array, Array], float]


# The thermometer: a population whose risk is known.

AMPLITUDE, NOISE = 4.0, 1.0
RULE = np.array([0.0, 3.0])  # the forecast 3 x, made before any data
CUBIC = 3


def truth(x: Array) -> Array:
    """The mean temperature at time x, in degrees above the mean of the day."""
    return AMPLITUDE * np.sin(np.pi * x)


def draw(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """n readings at random times: x uniform on (-1, 1), y the truth with normal noise."""
    x = rng.uniform(-1, 1, n)
    return x, truth(x) + NOISE * rng.normal(size=n)


def linear_model(theta: Array, X: Array) -> Array:
    """X @ theta; with powers of x as columns, a polynomial."""
    return X @ theta


def powers(x: Array, theta: Array) -> Array:
    """The columns that a polynomial with these coefficients needs."""
    return polynomial_features(x, len(theta) - 1)


def measured_risk(theta: Array, x: Array, y: Array) -> float:
    """The polynomial's empirical risk on a sample, with the squared loss."""
    return empirical_risk(mse, linear_model, theta, powers(x, theta), y)


def moments(d: int) -> tuple[Array, Array]:
    """E[x^(j+k)] as a (d, d) matrix and E[x^k truth(x)] as (d,), for x uniform on (-1, 1).

    The second by parts twice: I_k = 1/pi - k (k - 1) I_(k-2) / pi^2 for odd k, I_1 = 1/pi.
    """
    total = np.add.outer(np.arange(d), np.arange(d))
    G = np.where(total % 2 == 0, 1 / (total + 1), 0.0)
    c = np.zeros(d)
    last = 0.0
    for k in range(1, d, 2):
        last = 1 / np.pi - k * (k - 1) * last / np.pi**2
        c[k] = AMPLITUDE * last
    return G, c


def risk(theta: Array) -> float:
    """The polynomial's risk: its mean squared error over the whole population, in closed form."""
    G, c = moments(len(theta))
    return float(NOISE**2 + AMPLITUDE**2 / 2 - 2 * theta @ c + theta @ G @ theta)


def best_polynomial(degree: int) -> Array:
    """The coefficients that minimise the risk itself."""
    return np.linalg.solve(*moments(degree + 1))


def loss_spread(theta: Array) -> float:
    """Standard deviation of one reading's squared error, by Gauss-Legendre quadrature."""
    node, weight = leggauss(80)
    miss = truth(node) - powers(node, theta) @ theta
    fourth = miss**4 + 6 * miss**2 * NOISE**2 + 3 * NOISE**4
    return float(np.sqrt(weight @ fourth / 2 - risk(theta) ** 2))


def mean_gap_times_n(degree: int) -> float:
    """What n times the mean gap of the fitted polynomial tends to: 2 trace(G^-1 E[r^2 z z^T]).

    z are the powers of x, G = E[z z^T], r the error of the best polynomial of that degree.
    Source: Murata, Yoshizawa and Amari (1994), for the squared loss.
    """
    theta = best_polynomial(degree)
    node, weight = leggauss(80)
    Z = powers(node, theta)
    square = (truth(node) - Z @ theta) ** 2 + NOISE**2
    K = (Z * (weight / 2 * square)[:, np.newaxis]).T @ Z
    return float(2 * np.trace(np.linalg.solve(moments(degree + 1)[0], K)))


def fit_polynomial(x: Array, y: Array, degree: int) -> Array:
    """Least squares on the powers of x."""
    return fit_least_squares(polynomial_features(x, degree), y)


def gaps_of_the_rule(
    ns: Iterable[int], repeats: int, rng: np.random.Generator, theta: Array = RULE
) -> Array:
    """Risk minus empirical risk of a rule that no data have changed, (len(ns), repeats)."""
    exact = risk(theta)
    return np.array(
        [[exact - measured_risk(theta, *draw(n, rng)) for _ in range(repeats)] for n in ns]
    )


def gaps_of_the_fit(
    ns: Iterable[int], repeats: int, rng: np.random.Generator, degree: int = CUBIC
) -> tuple[Array, Array]:
    """Gaps of polynomials that are fitted to the sample which then judges them.

    Returns
    -------
    the gaps, and the same less the gap of the best polynomial of that degree on the same
    sample: that one is 0 in the mean, and takes most of the scatter with it. (len(ns), repeats).
    """
    best = best_polynomial(degree)
    lowest = risk(best)
    plain, steadied = [], []
    for n in ns:
        for _ in range(repeats):
            x, y = draw(n, rng)
            theta = fit_polynomial(x, y, degree)
            gap = risk(theta) - measured_risk(theta, x, y)
            plain.append(gap)
            steadied.append(gap - (lowest - measured_risk(best, x, y)))
    shape = (-1, repeats)
    return np.reshape(plain, shape), np.reshape(steadied, shape)


@dataclass(frozen=True)
class ThreeGaps:
    """Risk and empirical risk on the straight line from the best cubic to the fitted one."""

    share: Array  # 0 at the best cubic, 1 at the fitted one
    risk: Array
    empirical: Array
    gaps: tuple[float, float, float]


def three_gaps(n: int = 16, seed: int = 5) -> ThreeGaps:
    """The three gaps that make up the gap of a fitted cubic, on one sample.

    Both risks are parabolas on this line: that of the population has its lowest point at 0, that
    of the sample at 1.
    """
    x, y = draw(n, np.random.default_rng(seed))
    best, fitted = best_polynomial(CUBIC), fit_polynomial(x, y, CUBIC)
    share = np.linspace(-0.6, 1.6, 89)
    line = [best + t * (fitted - best) for t in share]
    middle = risk(best) - measured_risk(best, x, y)
    first = risk(fitted) - risk(best)
    last = measured_risk(best, x, y) - measured_risk(fitted, x, y)
    return ThreeGaps(
        share,
        np.array([risk(theta) for theta in line]),
        np.array([measured_risk(theta, x, y) for theta in line]),
        (first, middle, last),
    )


def rms(gaps: Array) -> Array:
    """Root mean square over samples, the last axis."""
    return np.sqrt(np.mean(np.square(gaps), axis=-1))


def mean(gaps: Array) -> Array:
    """Mean over samples, the last axis."""
    return np.mean(gaps, axis=-1)


def log_slope(
    ns: Sequence[int], gaps: Array, size: Callable[[Array], Array], groups: int = 20
) -> tuple[float, float]:
    """Slope of log size(gaps) over log n, and its standard error.

    The error comes from the spread of the slopes of `groups` equal parts of the samples.
    """

    def slope(part: Array) -> float:
        return float(np.polyfit(np.log(ns), np.log(size(part)), 1)[0])

    parts = [slope(part) for part in np.split(gaps, groups, axis=1)]
    return slope(gaps), float(np.std(parts, ddof=1) / np.sqrt(groups))


# Losses of numbers.

READINGS = np.array([18.9, 19.4, 19.6, 20.1, 33.0])


def best_constant(loss: Loss, y: Array = READINGS) -> float:
    """The number with the lowest mean loss, if one number is to stand for all of y."""
    found = minimize_scalar(
        lambda c: loss(y, np.full_like(y, c)),
        bounds=(y.min(), y.max()),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.x)


def losses_of_constants(loss: Loss, constants: Array, y: Array = READINGS) -> Array:
    """Mean loss of each constant."""
    return np.array([loss(y, np.full_like(y, c)) for c in constants])


# Losses of probabilities.


def bce(y: Array, p: Array) -> float:
    """Binary cross entropy: mean of -log of the probability given to what happened.

    y : (n,) of 0 and 1; p : (n,), the probability given to 1, strictly between 0 and 1.
    """
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))


def cce(labels: Array, P: Array) -> float:
    """Categorical cross entropy: the same for k classes; labels (n,), P (n, k)."""
    return float(-np.mean(np.log(P[np.arange(len(labels)), labels])))


def cce_as_printed(labels: Array, P: Array) -> float:
    """The lecture's form, without 1/n: a sum."""
    return cce(labels, P) * len(labels)


@dataclass(frozen=True)
class IrisLosses:
    """Cross entropy of one classifier on its training and its test flowers."""

    n_train: int
    n_test: int
    mean_train: float
    mean_test: float
    sum_train: float
    sum_test: float
    mean_twice: float
    sum_twice: float


def iris_losses(seed: int = 0) -> IrisLosses:
    """A classifier of three kinds of iris, judged by the mean and by the sum.

    `..._twice` is the loss on the training flowers when each is written down twice.
    """
    X, labels = load_iris(return_X_y=True)
    rng = np.random.default_rng(seed)
    X_train, X_test, l_train, l_test = train_test_split(X, labels, 0.2, rng)
    classifier = LogisticRegression(max_iter=1000).fit(X_train, l_train)
    train, test = classifier.predict_proba(X_train), classifier.predict_proba(X_test)
    twice, l_twice = np.vstack([train, train]), np.concatenate([l_train, l_train])
    return IrisLosses(
        n_train=len(l_train),
        n_test=len(l_test),
        mean_train=cce(l_train, train),
        mean_test=cce(l_test, test),
        sum_train=cce_as_printed(l_train, train),
        sum_test=cce_as_printed(l_test, test),
        mean_twice=cce(l_twice, twice),
        sum_twice=cce_as_printed(l_twice, twice),
    )


def tumours() -> tuple[Array, Array]:
    """Mean radius of the cell nuclei in 569 tumours, and 1 where the tumour is malignant."""
    data = load_breast_cancer()
    return data.data[:, 0], 1.0 - data.target


def malignant(theta: float, radius: Array) -> Array:
    """The probability that a one-parameter model gives: 1/2 at theta, rising with the radius."""
    return expit(radius - theta)


def accuracy_and_loss(thetas: Array) -> tuple[Array, Array]:
    """For each theta: share of right answers (yes from 1/2 on), and mean cross entropy."""
    radius, y = tumours()
    answers = [(malignant(theta, radius), y) for theta in thetas]
    right = np.array([np.mean((p >= 0.5) == (y == 1)) for p, y in answers])
    return right, np.array([bce(y, p) for p, y in answers])


def share_of_level_places(count: int = 1000, seed: int = 0) -> tuple[float, float]:
    """Share of random thetas at which accuracy, and cross entropy, have slope zero."""
    thetas = np.random.default_rng(seed).uniform(10, 20, count)
    up, down = accuracy_and_loss(thetas + 1e-6), accuracy_and_loss(thetas - 1e-6)
    level = [float(np.mean(a == b)) for a, b in zip(up, down, strict=True)]
    return level[0], level[1]


# Training and test.


@dataclass(frozen=True)
class Split:
    """A fit on one side of a split, and its errors on both."""

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    theta: Array

    @property
    def train_error(self) -> float:
        """Empirical risk on the data of the fit."""
        return measured_risk(self.theta, self.x_train, self.y_train)

    @property
    def test_error(self) -> float:
        """Empirical risk on the data kept aside."""
        return measured_risk(self.theta, self.x_test, self.y_test)


def shuffled_split(
    x: Array, y: Array, test_fraction: float, degree: int, rng: np.random.Generator
) -> Split:
    """Rows drawn at random are kept aside."""
    X_train, X_test, y_train, y_test = train_test_split(x[:, np.newaxis], y, test_fraction, rng)
    theta = fit_polynomial(X_train[:, 0], y_train, degree)
    return Split(X_train[:, 0], y_train, X_test[:, 0], y_test, theta)


def block_split(x: Array, y: Array, test_fraction: float, degree: int) -> Split:
    """The last rows are kept aside, without a shuffle."""
    cut = len(x) - round(len(x) * test_fraction)
    theta = fit_polynomial(x[:cut], y[:cut], degree)
    return Split(x[:cut], y[:cut], x[cut:], y[cut:], theta)


def sorted_day(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """n readings in the order of their times, as a file would have them."""
    x, y = draw(n, rng)
    order = np.argsort(x)
    return x[order], y[order]


def two_splits(n: int = 40, seed: int = 2) -> tuple[Split, Split]:
    """The same readings, split in blocks and at random; a quarter is kept aside."""
    rng = np.random.default_rng(seed)
    x, y = sorted_day(n, rng)
    return block_split(x, y, 0.25, CUBIC), shuffled_split(x, y, 0.25, CUBIC, rng)


def split_errors(repeats: int = 200, n: int = 40, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Median test error and median risk of the two ways to split, over many days."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[tuple[float, float]]] = {"block": [], "shuffled": []}
    for _ in range(repeats):
        x, y = sorted_day(n, rng)
        block, shuffled = block_split(x, y, 0.25, CUBIC), shuffled_split(x, y, 0.25, CUBIC, rng)
        for name, split in (("block", block), ("shuffled", shuffled)):
            rows[name].append((split.test_error, risk(split.theta)))
    medians = {name: np.median(values, axis=0) for name, values in rows.items()}
    return {name: (float(m[0]), float(m[1])) for name, m in medians.items()}


# The degree of a polynomial.

DEGREES = np.arange(13)


def degree_curves(
    repeats: int = 200, n: int = 36, test_fraction: float = 1 / 3, seed: int = 0
) -> tuple[Array, Array, Array]:
    """Training error, test error and risk of each degree, on many data sets.

    Returns three arrays of shape (repeats, len(DEGREES)).
    """
    rng = np.random.default_rng(seed)
    train, test, exact = (np.zeros((repeats, len(DEGREES))) for _ in range(3))
    for i in range(repeats):
        x, y = draw(n, rng)
        X_train, X_test, y_train, y_test = train_test_split(x[:, np.newaxis], y, test_fraction, rng)
        for k in DEGREES:
            theta = fit_polynomial(X_train[:, 0], y_train, int(k))
            train[i, k] = measured_risk(theta, X_train[:, 0], y_train)
            test[i, k] = measured_risk(theta, X_test[:, 0], y_test)
            exact[i, k] = risk(theta)
    return train, test, exact


def chosen_by_the_test(test: Array, exact: Array) -> tuple[float, float, float]:
    """What becomes of a test set that chooses the degree.

    Returns
    -------
    the median error of the chosen polynomials on the data that chose them, their median risk,
    and the share of the data sets in which the risk is the higher of the two.
    """
    rows, best = np.arange(len(test)), np.argmin(test, axis=1)
    said, real = test[rows, best], exact[rows, best]
    return float(np.median(said)), float(np.median(real)), float(np.mean(real > said))


@dataclass(frozen=True)
class Chosen:
    """Degrees that were chosen on the same data sets in two ways, and what came of it."""

    single: float  # median risk where 12 readings were held back
    folds: float  # median risk where five-fold cross-validation chose
    unlucky_single: float  # one risk in ten was above this, the first way
    unlucky_folds: float  # and the second way


def choose_by_folds(repeats: int = 200, n: int = 36, seed: int = 4) -> Chosen:
    """Choose among degrees 0 to 8 by a third held back once, and by five folds.

    Whichever degree is chosen is fitted again to all n readings; its risk is what counts.
    """
    rng = np.random.default_rng(seed)
    degrees = range(9)
    risks = []
    for _ in range(repeats):
        x, y = draw(n, rng)
        X_train, X_test, y_train, y_test = train_test_split(x[:, np.newaxis], y, 1 / 3, rng)
        fold = rng.permutation(np.arange(n) % 5)
        once = [
            measured_risk(fit_polynomial(X_train[:, 0], y_train, k), X_test[:, 0], y_test)
            for k in degrees
        ]
        five = [cross_validation(x, y, k, fold) for k in degrees]
        risks.append([risk(fit_polynomial(x, y, int(np.argmin(e)))) for e in (once, five)])
    middle, unlucky = np.percentile(risks, (50, 90), axis=0)
    return Chosen(*map(float, middle), *map(float, unlucky))


RIDGE_DEGREE = 12


def ridge_curves(
    strengths: Array, repeats: int = 200, n: int = 24, seed: int = 6
) -> tuple[Array, Array]:
    """Median training error and median risk of ridge regression of degree 12, for each strength.

    Ridge minimises the MSE plus strength * |theta|^2; the offset pays as well.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(repeats):
        x, y = draw(n, rng)
        X = polynomial_features(x, RIDGE_DEGREE)
        G, c = X.T @ X / n, X.T @ y / n
        fits = [np.linalg.solve(G + v * np.eye(len(c)), c) for v in strengths]
        rows.append([(measured_risk(t, x, y), risk(t)) for t in fits])
    train, exact = np.median(rows, axis=0).T
    return train, exact


# From likelihood to loss.


def fit_by_likelihood(X: Array, y: Array, sigma: float) -> Array:
    """The theta with the lowest Gaussian negative log likelihood, found by search.

    The likelihood is asked for its values alone. Central differences are exact on a parabola,
    whatever their step, so a wide one costs no digits.
    """

    def nll(theta: Array) -> float:
        return gaussian_nll(y, X @ theta, sigma)

    found = minimize(
        nll,
        np.zeros(X.shape[1]),
        jac=lambda theta: numerical_gradient(nll, theta, 0.5),
        method="BFGS",
        options={"gtol": 1e-12},
    )
    return found.x


def likelihood_against_squares(
    sigmas: Iterable[float] = (0.1, 1.0, 5.0),
) -> dict[float, float]:
    """Largest difference between the theta of the NLL and that of the MSE, for each sigma."""
    x, y = line_data()
    X = with_ones(x)
    squares = fit_least_squares(X, y)
    return {s: float(np.max(np.abs(fit_by_likelihood(X, y, s) - squares))) for s in sigmas}


def losses_over_the_slope(slopes: Array, sigmas: Iterable[float]) -> dict[str, Array]:
    """MSE and NLL on the twelve points as the slope varies and the offset stays at its best."""
    x, y = line_data()
    offset = fit_least_squares(with_ones(x), y)[0]
    rows = {"MSE": np.array([mse(y, offset + s * x) for s in slopes])}
    for sigma in sigmas:
        rows[rf"NLL, $\sigma = {sigma:g}$"] = np.array(
            [gaussian_nll(y, offset + s * x, sigma) for s in slopes]
        )
    return rows


def nll_over_sigma(sigmas: Array, degree: int) -> Array:
    """NLL on the twelve points of the best polynomial of a degree, for each sigma."""
    x, y = line_data()
    # About the middle, or the powers of x lose the digits that passing through each point needs.
    z = x - 1
    y_hat = polynomial_features(z, degree) @ fit_polynomial(z, y, degree)
    return np.array([gaussian_nll(y, y_hat, float(s)) for s in sigmas])


def nll_in_units(factor: float) -> tuple[float, float]:
    """(MSE, NLL) of the line through the twelve points, y and sigma in units 1 / factor as large.

    sigma is the best one: the root of the MSE.
    """
    x, y = line_data()
    X, y = with_ones(x), y * factor
    y_hat = X @ fit_least_squares(X, y)
    error = mse(y, y_hat)
    return error, gaussian_nll(y, y_hat, float(np.sqrt(error)))


# Weights that may not be negative.


def baskets() -> tuple[Array, Array]:
    """Twelve baskets: kilograms of apples and of onions, (12, 2), and the price paid, (12,)."""
    rng = np.random.default_rng(13)
    apples = rng.uniform(0.5, 3, 12)
    onions = apples * rng.uniform(0.4, 1.4, 12)
    X = np.round(np.column_stack([apples, onions]), 2)
    return X, np.round(X @ [2.4, 0.2] + rng.normal(0, 0.6, 12), 2)


def basket_loss(theta: Array) -> float:
    """Half the mean squared error of the prices per kilogram."""
    X, y = baskets()
    return mse(y, X @ theta) / 2


def projected_descent(X: Array, y: Array, theta0: Array, steps: int = 2000) -> Array:
    """Step downhill, then go to the nearest allowed point; all points, (steps + 1, d)."""
    lr = 1 / np.linalg.eigvalsh(X.T @ X / len(y))[-1]
    walk = np.zeros((steps + 1, len(theta0)))
    walk[0] = theta0
    for t in range(steps):
        walk[t + 1] = project_nonnegative(walk[t] - lr * linear_gradient(walk[t], X, y))
    return walk


def descent(X: Array, y: Array, theta0: Array, steps: int = 2000) -> Array:
    """The same without the second half of each step."""
    lr = 1 / np.linalg.eigvalsh(X.T @ X / len(y))[-1]
    return gradient_descent(lambda theta: linear_gradient(theta, X, y), theta0, lr, steps)


def by_exponentials(theta0: Array, steps: int = 2000, lr: float = 0.02) -> Array:
    """Prices exp(u), so that u is free and no price is negative: the last prices of a descent."""
    X, y = baskets()

    def slope(u: Array) -> Array:
        return np.exp(u) * linear_gradient(np.exp(u), X, y)

    return np.exp(gradient_descent(slope, np.log(theta0), lr, steps)[-1])


# How sure an optimiser can be.


def terrace(theta: Array) -> Array:
    """theta^4 / 4 - theta^3 / 3: level at 0, which is no minimum; its one minimum is at 1."""
    return theta**4 / 4 - theta**3 / 3


def terrace_gradient(theta: Array) -> Array:
    """Its slope, theta^2 (theta - 1)."""
    return theta**2 * (theta - 1)


def terrace_descents(starts: Array, lr: float = 0.1, steps: int = 2000) -> Array:
    """Where descent from each start ends; each component walks for itself."""
    return gradient_descent(terrace_gradient, starts, lr, steps)[-1]


def share_on_the_terrace(count: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Share of starts, uniform on (-1, 2), that end on the terrace, and its standard error."""
    starts = np.random.default_rng(seed).uniform(-1, 2, count)
    share = float(np.mean(np.abs(terrace_descents(starts)) < 0.01))
    return share, share_error(share, count)


# The interactive figures.

FIT_READINGS, FIT_SEED, FIT_DEGREE = 24, 21, 9


def live_fit_data() -> dict[str, Any]:
    """What the figure at the top knows beforehand; its samples it draws itself."""
    G, c = moments(len(DEGREES))
    return {
        "n": FIT_READINGS,
        "degrees": DEGREES.tolist(),
        "start": FIT_DEGREE,
        "seed": FIT_SEED,
        "population": {"amplitude": AMPLITUDE, "noise": NOISE, "G": G.tolist(), "c": c.tolist()},
        "labels": {
            "degree": "Degree of the polynomial",
            "again": "Another sample",
            "play": "Play",
            "pause": "Pause",
            "sample": "The spoonful: time across, degrees up",
            "errors": "Error of each degree (logarithmic)",
            "axis": "degree",
            "training": "on these readings",
            "risk": "on all days to come",
            "truth": "the truth",
            "state": "Degree {degree}, {n} readings: mean squared error {training} on these "
            "readings, {risk} on all days to come. For this sample degree {best} would be best.",
        },
    }


def live_fit_html() -> str:
    """The figure at the top: a polynomial, the sample that it was fitted to, and days to come."""
    x, y = draw(FIT_READINGS, np.random.default_rng(2))
    fig, (top, bottom) = new_figure(2, 1, size=(5.6, 6.4))
    time = np.linspace(-1, 1, 201)
    top.plot(x, y, "o", color=BLACK, markersize=4)
    top.plot(time, truth(time), ":", color=BLACK, label="truth")
    fits = [fit_polynomial(x, y, int(k)) for k in DEGREES]
    top.plot(time, powers(time, fits[FIT_DEGREE]) @ fits[FIT_DEGREE], color=BLUE, label="degree 9")
    top.set(ylim=(-8, 8), xlabel="time", ylabel="degrees", xticks=[-1, -0.5, 0, 0.5, 1])
    top.legend()
    lines = {
        "on these readings": [measured_risk(t, x, y) for t in fits],
        "on all days to come": [risk(t) for t in fits],
    }
    curves(lines, DEGREES, ax=bottom, xlabel="degree", ylabel="error", log="y", markers=True)
    still = picture(
        fig,
        "Above, 24 readings about a wave, and a polynomial of degree 9 that bends to pass near "
        "each of them. Below, over the degree, the error on these readings falls all the way; the "
        "error on all days to come falls to degree 3 and then rises.",
    )
    return live_figure(
        "fit-a-sample",
        script="empirical_risk",
        label="a polynomial fitted to a sample",
        still="<p>A figure to play with, that needs JavaScript and a screen. One sample:</p>"
        + still,
        data=live_fit_data(),
    )


def live_constant_data() -> dict[str, Any]:
    """The five readings, the last of which moves."""
    values = np.round(np.arange(16, 40.01, 0.5), 1).tolist()
    return {
        "readings": READINGS[:-1].tolist(),
        "values": values,
        "start": values.index(READINGS[-1]),
        "low": 15,
        "high": 41,
        "ticks": [20, 25, 30, 35, 40],
        "top": {"mse": 200, "mae": 16},
        "labels": {
            "outlier": "The fifth thermometer",
            "mse": "MSE of each constant; drag the ring",
            "mae": "MAE of each constant",
            "state": "The fifth thermometer reads {last}: the MSE is lowest at {mean}, the MAE at "
            "{median}.",
        },
    }


def live_constant_html() -> str:
    """One constant for five readings: which has the lowest MSE, which the lowest MAE."""
    return live_figure(
        "best-constant",
        script="empirical_risk",
        label="one constant for five readings",
        still="<p>A figure to play with, that needs JavaScript and a screen: the fifth reading "
        "moves, and with it the mean but not the median. The drawing above shows it at 33.</p>",
        data=live_constant_data(),
    )


# Below twenty readings a fitted cubic is now and then so far off that its mean gap is a lottery.
LIVE_NS = (23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 724)


def live_data(repeats: int = 400, seed: int = 0) -> dict[str, Any]:
    """What the interactive figure knows beforehand; its samples it draws itself."""
    _, steadied = gaps_of_the_fit(LIVE_NS, repeats, np.random.default_rng(seed))
    G, c = moments(CUBIC + 1)
    return {
        "n": list(LIVE_NS),
        "start": LIVE_NS.index(32),
        "population": {"amplitude": AMPLITUDE, "noise": NOISE, "G": G.tolist(), "c": c.tolist()},
        "rule": RULE.tolist(),
        "degree": CUBIC,
        "expected": {
            "rule": [loss_spread(RULE) / float(np.sqrt(n)) for n in LIVE_NS],
            "fit": mean(steadied).tolist(),
        },
        "labels": {
            "n": "Readings in the sample, n",
            "who": "Who is judged",
            "rule": "the rule 3x",
            "fit": "a fitted cubic",
            "again": "Draw another sample",
            "play": "Play",
            "pause": "Pause",
            "judged": {"rule": "The rule 3x", "fit": "The cubic fitted to this sample"},
            "usual": {"rule": "root mean square of the gaps", "fit": "mean gap"},
            "state": "n = {n}. {judged}: risk {risk}, empirical risk {empirical}, gap {gap}. Over "
            "{samples} samples of this size the {usual} is {typical}, expected {expected}.",
            "sample": "The sample: time across, degrees up",
            "gaps": "The gap over n, both axes logarithmic",
            "readings": "n",
        },
    }


def live_html(still: str, repeats: int = 400) -> str:
    """The interactive figure: sample size and the gap between risk and empirical risk."""
    return live_figure(
        "sample-size",
        script="empirical_risk",
        label="sample size and the gap between risk and empirical risk",
        still=still,
        data=live_data(repeats),
    )
