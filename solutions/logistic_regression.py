"""Chapter 7, logistic regression and cross entropy: references, cases and known mistakes."""

import copy
from collections.abc import Iterator

import numpy as np

from autograder.exercise import FRESH_RNG, exercise, public

Array = np.ndarray


def _signed(rng, shape, low: float, high: float) -> Array:
    """Numbers of either sign, their sizes between low and high."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(low, high, shape)


def _both_labels(rng, n: int) -> Array:
    """n labels of 0 and 1, both of them there where n is 2 or more."""
    y = rng.integers(0, 2, n)
    if n > 1:
        y[:2] = 0, 1
    return rng.permutation(y)


@public
def warnings_as_errors(sigmoid, z):
    """What comes back; where NumPy would warn, of an overflow for one, that is an error.

    Whoever silences the warnings of a notebook does not silence these.
    """
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        return sigmoid(z)


@exercise(
    points=2,
    probe=warnings_as_errors,
    hints=(
        "Which of exp(1000) and exp(-1000) is too large for a float? The other one is just 0.",
        "exp(-|z|) is never too large. For z at least 0 the formula wants exp(-z). Multiply its "
        "top and bottom by exp(z): what does it look like for a negative z?",
        "With e = np.exp(-np.abs(z)), the answer is 1 / (1 + e) where z >= 0 and e / (1 + e) "
        "elsewhere.",
    ),
)
def sigmoid(z: Array) -> Array:
    """The logistic sigmoid: 1 / (1 + exp(-z)), without an overflow at either end.

    Parameters
    ----------
    z : array of any shape, finite

    Returns
    -------
    array of the shape of z, from 0 to 1, right to nine digits. NumPy has no reason to warn,
    whatever z is.

    Source: lecture A.
    """
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, e) / (1 + e)


@sigmoid.cases
def slopes_near_the_middle(rng):
    """Numbers of ordinary size, in arrays of one and of two dimensions."""
    for shape in (int(rng.integers(3, 7)), (2, 3)):
        yield dict(z=_signed(rng, shape, 0.3, 6))


@sigmoid.cases
def whole_logits(rng):
    """z is an array of whole numbers."""
    for side in (1, -1):
        yield dict(z=side * rng.integers(1, 7, int(rng.integers(3, 7))))


@sigmoid.cases
def past_the_edge(rng):
    """Just beyond 709, where exp leaves the range of a float."""
    for side in (-1, 1):
        yield dict(z=np.append(side * rng.uniform(711, 745, 3), rng.normal(size=2)))


@sigmoid.cases
def far_out(rng):
    """Numbers with up to three hundred digits."""
    for side in (-1, 1):
        yield dict(z=np.append(side * 10.0 ** rng.uniform([3, 20, 200], 300), rng.normal(size=2)))


@sigmoid.mistake(
    "It overflows where z is far below zero: exp(-z) is then too large for a float.",
    hint="exp of a negative number never overflows. Which form of the formula wants exp(z)?",
)
def overflows_below(z):
    return 1 / (1 + np.exp(-z))


@sigmoid.mistake(
    "It overflows where z is far above zero: exp(z) is then too large for a float.",
    hint="exp of a negative number never overflows. Which form of the formula wants exp(-z)?",
)
def overflows_above(z):
    return np.exp(z) / (1 + np.exp(z))


@sigmoid.mistake(
    "It overflows at both ends: np.where computes both forms everywhere, then picks.",
    hint="What np.where throws away was computed all the same. Give exp an argument that is "
    "never positive, or compute each form at its own entries alone.",
)
def both_forms_everywhere(z):
    return np.where(z >= 0, 1 / (1 + np.exp(-z)), np.exp(z) / (1 + np.exp(z)))


@sigmoid.mistake(
    "Answers are kept away from 0 and 1. That stops no overflow, and spoils the small ones.",
    hint="A sigmoid of -1000 is 0 to every digit that a float has. No clipping is needed.",
)
def kept_off_the_ends(z):
    return np.clip(sigmoid.reference(z), 1e-7, 1 - 1e-7)


@sigmoid.mistake(
    "The sign of z is lost: the curve falls where it should rise.",
    hint="A large z stands for a sure yes: the answer there is near 1.",
)
def falling(z):
    return sigmoid.reference(-np.asarray(z))


@sigmoid.mistake(
    "This is the slope of the sigmoid, s (1 - s), not the sigmoid.",
    hint="A slope is near 0 at both ends; the sigmoid is near 1 at one of them.",
)
def slope_instead(z):
    s = sigmoid.reference(z)
    return s * (1 - s)


@sigmoid.mistake(
    "This is the hyperbolic tangent: it runs from -1 to 1.",
    hint="The two are relatives, sigmoid(z) = (1 + tanh(z / 2)) / 2. No probability is negative.",
)
def hyperbolic_tangent(z):
    return np.tanh(z)


@sigmoid.mistake(
    "The tangent form has z where z / 2 belongs: the curve is twice as steep.",
    hint="sigmoid(z) = (1 + tanh(z / 2)) / 2. Check it at z = 2, where the sigmoid is 0.881.",
)
def twice_as_steep(z):
    return (1 + np.tanh(z)) / 2


@sigmoid.mistake(
    "This is a step, 0 or 1: the probability between them is lost.",
    hint="The line where the answer is one half is as in a perceptron; the way there is smooth.",
)
def a_step(z):
    return np.where(z > 0, 1.0, 0.0)


@sigmoid.mistake(
    "An array of whole numbers is answered in whole numbers: every probability is cut to 0.",
    hint="np.zeros_like(z) has the dtype of z. np.zeros(z.shape) is float64.",
)
def cut_to_whole_numbers(z):
    s = np.zeros_like(z)
    up = z >= 0
    s[up] = 1 / (1 + np.exp(-z[up]))
    s[~up] = np.exp(z[~up]) / (1 + np.exp(z[~up]))
    return s


for shortcut in ("errstate", "seterr", "filterwarnings"):
    sigmoid.remark(
        "A warning that is silenced is still an overflow: with exp(-|z|) there is none to silence.",
        uses=shortcut,
    )
sigmoid.remark(
    "scipy.special.expit is this function, stable at both ends; now you know what is inside.",
    uses="expit",
)


@exercise(
    points=3,
    hints=(
        "For y = 1 the loss of one example is -log(sigmoid(z)). Put the formula of the sigmoid in: "
        "what becomes of the fraction under the logarithm?",
        "log(1 + exp(-z)) for y = 1, log(1 + exp(z)) for y = 0. The second is the first plus z. "
        "Which of the two may you compute when z is 1000?",
        "np.logaddexp(0, z) is log(1 + exp(z)) without an overflow, and where y is 1 you take z "
        "away from that. One mean at the end.",
    ),
)
def bce_with_logits(z: Array, y: Array) -> float:
    """The mean binary cross entropy of labels y under the probabilities sigmoid(z).

    For one example it is -log(y_hat) where y is 1, and -log(1 - y_hat) where y is 0, with
    y_hat = sigmoid(z). It takes z and not y_hat: from a y_hat that was rounded to 0 or 1 no
    formula gets the loss back.

    Parameters
    ----------
    z : array of shape (n,), the logits, finite
    y : array of shape (n,), whole numbers, each 0 or 1

    Returns
    -------
    float, the mean over the examples; finite and right for any finite z.

    Source: lectures A and B.
    """
    return float(np.mean(np.logaddexp(0.0, z) - y * z))


def _examples(rng, n: int) -> dict:
    return dict(z=_signed(rng, n, 0.3, 5), y=_both_labels(rng, n))


@bce_with_logits.cases
def doubtful_logits(rng):
    """Logits of ordinary size; then one example alone."""
    yield _examples(rng, int(rng.integers(5, 12)))
    yield _examples(rng, 1)


@bce_with_logits.cases
def doubtful_whole_logits(rng):
    """Logits that are whole numbers."""
    n = int(rng.integers(5, 9))
    z = rng.permutation(np.arange(n) - n // 3)
    # Labels that go with the logits, but for one.
    y = (z > 0).astype(int)
    y[np.argmax(z)] = 0
    return dict(z=z, y=y)


def _sure(rng, side: int, low, high) -> Iterator[dict]:
    """Logits of one sign on the right side (1) or the wrong side (-1), and two doubtful ones."""
    for label in (0, 1):
        z = side * (2 * label - 1) * rng.uniform(low, high)
        y = np.full(len(z), label)
        yield dict(z=np.append(z, rng.uniform(-2, 2, 2)), y=np.append(y, [1, 0]))


@bce_with_logits.cases
def sure_and_wrong(rng):
    """Some logits are between 40 and 500, and on the wrong side."""
    yield from _sure(rng, -1, [40, 100, 150], [90, 400, 500])


@bce_with_logits.cases
def very_sure_and_wrong(rng):
    """Some logits are about 1000 and more, and on the wrong side."""
    yield from _sure(rng, -1, [750, 1000], [900, 3000])


@bce_with_logits.cases
def sure_and_right(rng):
    """Some logits are large, up to 1000 and more, and on the right side."""
    yield from _sure(rng, 1, [40, 750, 1000], [300, 900, 3000])


@bce_with_logits.mistake(
    "Where sigmoid(z) was rounded to 0 or 1, this takes 0 * log(0), which is nan.",
    hint="Do not compute y_hat at all: put the formula of the sigmoid into the loss and simplify.",
)
def log_of_rounded_zero(z, y):
    s = sigmoid.reference(z)
    return -np.mean(y * np.log(s) + (1 - y) * np.log(1 - s))


@bce_with_logits.mistake(
    "The logarithm of a rounded zero: where y_hat has become 0 or 1 on the wrong side, the loss is "
    "infinite.",
    hint="At z = 1000 with y = 0 the loss is 1000. Simplify log(1 - sigmoid(z)) before computing.",
)
def log_of_the_labels_share(z, y):
    s = sigmoid.reference(z)
    return -np.mean(np.log(np.where(y == 1, s, 1 - s)))


@bce_with_logits.mistake(
    "It overflows: exp(z) is too large for a float where z is above 709.",
    hint="log(1 + exp(z)) is z + log(1 + exp(-z)). Use the form whose exponent is not positive, or "
    "np.logaddexp.",
)
def exp_overflows(z, y):
    return np.mean(np.log(1 + np.exp(z)) - y * z)


@bce_with_logits.mistake(
    "It overflows: exp(-z) is too large for a float where z is below -709.",
    hint="log(1 + exp(-z)) is log(1 + exp(z)) - z. Use the form whose exponent is not positive, or "
    "np.logaddexp.",
)
def exp_overflows_below(z, y):
    return np.mean(np.log(1 + np.exp(-z)) + (1 - y) * z)


@bce_with_logits.mistake(
    "y_hat is clipped to 1e-7: no loss can then be larger than 16, however wrong the answer.",
    hint="Clipping hides the error that the loss is there to measure. Simplify the formula first.",
)
def probability_clipped(z, y):
    s = np.clip(sigmoid.reference(z), 1e-7, 1 - 1e-7)
    return -np.mean(y * np.log(s) + (1 - y) * np.log(1 - s))


@bce_with_logits.mistake(
    "y_hat is kept 1e-12 away from 0 and 1: no loss can then be larger than 28, however wrong the "
    "answer.",
    hint="Clipping hides the error that the loss is there to measure. Simplify the formula first.",
)
def probability_kept_off_the_ends(z, y):
    s = np.clip(sigmoid.reference(z), 1e-12, 1 - 1e-12)
    return -np.mean(y * np.log(s) + (1 - y) * np.log(1 - s))


@bce_with_logits.mistake(
    "y_hat is kept above 1e-300 in the logarithm: where it was rounded to 0 the loss is 691, "
    "whatever the logit.",
    hint="Clipping hides the error that the loss is there to measure. Simplify the formula first.",
)
def floor_in_the_log(z, y):
    s = sigmoid.reference(z)
    return -np.mean(np.log(np.maximum(np.where(y == 1, s, 1 - s), 1e-300)))


@bce_with_logits.mistake(
    "y_hat is clipped to 1e-15: no loss can then be larger than 35, however wrong the answer.",
    hint="Clipping hides the error that the loss is there to measure. Simplify the formula first.",
)
def probability_clipped_late(z, y):
    s = np.clip(sigmoid.reference(z), 1e-15, 1 - 1e-15)
    return -np.mean(y * np.log(s) + (1 - y) * np.log(1 - s))


@bce_with_logits.mistake(
    "A small number inside the logarithm: no loss can then be larger than 18 or so, and every loss "
    "is a little off.",
    hint="A patch against log(0) caps the loss. Simplify the formula, and there is no log(0).",
)
def small_number_in_the_log(z, y):
    s = sigmoid.reference(z)
    return -np.mean(y * np.log(s + 1e-8) + (1 - y) * np.log(1 - s + 1e-8))


@bce_with_logits.mistake(
    "A tiny number inside the logarithm: no loss can then be larger than 28, however wrong the "
    "answer.",
    hint="A patch against log(0) caps the loss. Simplify the formula, and there is no log(0).",
)
def tiny_number_in_the_log(z, y):
    s = sigmoid.reference(z)
    return -np.mean(y * np.log(s + 1e-12) + (1 - y) * np.log(1 - s + 1e-12))


@bce_with_logits.mistake(
    "The logits are clipped to 30: no loss can then be larger than 30, however wrong the answer.",
    hint="It looks stable, because nothing overflows. But at z = 1000 with y = 0 the loss is 1000.",
)
def logits_clipped(z, y):
    return bce_with_logits.reference(np.clip(z, -30, 30), y)


@bce_with_logits.mistake(
    "The logits are clipped to 500: no loss can then be larger than 500.",
    hint="It looks stable, because nothing overflows. But at z = 1000 with y = 0 the loss is 1000.",
)
def logits_clipped_late(z, y):
    return bce_with_logits.reference(np.clip(z, -500, 500), y)


@bce_with_logits.mistake(
    "The losses are summed; the loss of a data set is their mean.",
    hint="A data set of twice the size must not be twice as bad: divide by n.",
)
def losses_summed(z, y):
    return np.sum(np.logaddexp(0.0, z) - y * z)


@bce_with_logits.mistake(
    "Every logit meets every label: a column against a row makes (n, n).",
    hint="Print the shape of z * y inside your function. It must be (n,): leave the shapes alone.",
)
def every_logit_with_every_label(z, y):
    return np.mean(np.logaddexp(0.0, z) - y.reshape(-1, 1) * z)


@bce_with_logits.mistake(
    "The labels are exchanged: a sure yes is punished where y is 1.",
    hint="For y = 1 and a large z the loss is near 0.",
)
def labels_exchanged(z, y):
    return bce_with_logits.reference(z, 1 - y)


@bce_with_logits.mistake(
    "The sign is missing: a loss is minus the logarithm of a probability, so it is not negative.",
    hint="The logarithm of a number below 1 is negative.",
)
def minus_forgotten(z, y):
    return -bce_with_logits.reference(z, y)


@bce_with_logits.mistake(
    "Only the examples with y = 1 are counted; those with y = 0 have a loss too.",
    hint="-log(1 - y_hat) where y is 0.",
)
def yes_examples_alone(z, y):
    return np.mean(y * np.logaddexp(0.0, -np.asarray(z)))


@bce_with_logits.mistake(
    "The sigmoid is taken twice: the loss was given probabilities where it wants logits.",
    hint="bce_with_logits does the sigmoid itself. Give it z, not sigmoid(z).",
)
def sigmoid_twice(z, y):
    return bce_with_logits.reference(sigmoid.reference(z), y)


@bce_with_logits.mistake(
    "This formula wants labels of -1 and 1; with 0 an example always costs log 2.",
    hint="log(1 + exp(-y z)) is right once y is replaced by 2 y - 1.",
)
def labels_of_minus_one(z, y):
    return np.mean(np.logaddexp(0.0, -y * z))


for shortcut in ("log_loss", "binary_cross_entropy_with_logits", "BCEWithLogitsLoss"):
    bce_with_logits.remark(
        "The library gives the number; the formula is one line of NumPy.", uses=shortcut
    )


@exercise(
    points=3,
    hints=(
        "Do one example first: how does its loss change with its own logit z? The page's "
        "derivation ends in two terms.",
        "By z it is y_hat - y. By b it is the same, by w it is that times the example's row.",
        "error = sigmoid(X @ w + b) - y; then X.T @ error / n and the mean of error.",
    ),
)
def logistic_gradient(w: Array, b: float, X: Array, y: Array) -> tuple[Array, float]:
    """The gradient of the mean binary cross entropy of one sigmoid neuron, for a batch.

    The neuron answers y_hat = sigmoid(X @ w + b).

    Parameters
    ----------
    w : array of shape (d,), the weights
    b : the bias, added
    X : array of shape (n, d), an example a row
    y : array of shape (n,), each 0 or 1

    Returns
    -------
    dw, db : an array of shape (d,) and a float, the derivatives of the mean loss by w and by b;
    finite whatever the logits are.

    Source: lecture A.
    """
    error = sigmoid(X @ w + b) - y
    return X.T @ error / len(y), float(np.mean(error))


@logistic_gradient.cases
def a_batch(rng):
    """A batch of a few examples."""
    n, d = int(rng.integers(6, 10)), int(rng.integers(2, 5))
    return dict(w=rng.normal(size=d), b=float(_signed(rng, (), 0.5, 2)), **_batch(rng, n, d))


def _batch(rng, n: int, d: int) -> dict:
    return dict(X=rng.normal(size=(n, d)) + 0.5, y=_both_labels(rng, n))


@logistic_gradient.cases
def at_the_start(rng):
    """All weights are still zero; the bias is not."""
    n, d = int(rng.integers(4, 8)), int(rng.integers(2, 5))
    return dict(w=np.zeros(d), b=float(_signed(rng, (), 0.5, 2)), **_batch(rng, n, d))


@logistic_gradient.cases
def rows_of_whole_numbers(rng):
    """Inputs and weights are whole numbers."""
    n, d = int(rng.integers(5, 8)), 3
    X = rng.integers(-2, 3, (n, d))
    X[0] = 1, 2, -2
    return dict(w=rng.choice([-1, 1], d), b=1, X=X, y=_both_labels(rng, n))


@logistic_gradient.cases
def steep_weights(rng):
    """Weights so large that logits are beyond 1000, on either side."""
    n, d = int(rng.integers(6, 9)), 2
    side = rng.choice([-1, 1], n)
    side[:3] = 1, -1, -1
    y = (side > 0).astype(int)
    y[1] = 1
    X = side[:, np.newaxis] * rng.uniform(0.5, 2, (n, d))
    return dict(w=rng.uniform(1500, 2500, d), b=0.5, X=X, y=y)


@logistic_gradient.mistake(
    "The derivatives are summed over the batch; the loss is a mean, so they are too.",
    hint="Divide both by n, the number of rows.",
)
def summed_over_the_batch(w, b, X, y):
    error = sigmoid.reference(X @ w + b) - y
    return X.T @ error, np.sum(error)


@logistic_gradient.mistake(
    "The derivative by b is summed over the batch, that by w is a mean.",
    hint="The bias meets every example, as the weights do: the mean of the errors.",
)
def bias_summed(w, b, X, y):
    error = sigmoid.reference(X @ w + b) - y
    return X.T @ error / len(y), np.sum(error)


@logistic_gradient.mistake(
    "The derivative by b has an entry for each example; there is one bias, so there is one number.",
    hint="Every example pulls at the same b: take the mean of their errors.",
)
def bias_not_summed(w, b, X, y):
    error = sigmoid.reference(X @ w + b) - y
    return X.T @ error / len(y), error


@logistic_gradient.mistake(
    "Divided by the number of features; the mean is over the examples.",
    hint="n is the number of rows: len(y), or X.shape[0].",
)
def divided_by_the_features(w, b, X, y):
    error = sigmoid.reference(X @ w + b) - y
    return X.T @ error / X.shape[1], np.sum(error) / X.shape[1]


@logistic_gradient.mistake(
    "The sign is reversed: the gradient points uphill, from y to y_hat.",
    hint="Where y_hat is too large, a larger b makes it worse: the derivative is positive there.",
)
def points_downhill(w, b, X, y):
    error = y - sigmoid.reference(X @ w + b)
    return X.T @ error / len(y), np.mean(error)


@logistic_gradient.mistake(
    "Divided by n twice: once in the error, and once more in the mean.",
    hint="The mean of the loss gives one factor 1 / n, to dw and to db alike.",
)
def divided_twice(w, b, X, y):
    error = (sigmoid.reference(X @ w + b) - y) / len(y)
    return X.T @ error / len(y), np.mean(error)


@logistic_gradient.mistake(
    "There is a factor y_hat (1 - y_hat) left over: it belongs to the squared error.",
    hint="With the cross entropy that factor cancels, and so a sure and wrong answer still learns.",
)
def slope_left_over(w, b, X, y):
    s = sigmoid.reference(X @ w + b)
    error = (s - y) * s * (1 - s)
    return X.T @ error / len(y), np.mean(error)


@logistic_gradient.mistake(
    "The sigmoid is missing: this is the gradient of a linear model.",
    hint="The error is the probability minus the label, not the logit minus the label.",
)
def sigmoid_missing(w, b, X, y):
    error = X @ w + b - y
    return X.T @ error / len(y), np.mean(error)


@logistic_gradient.mistake(
    "The bias is left out of the logits.",
    hint="y_hat = sigmoid(X @ w + b).",
)
def bias_left_out(w, b, X, y):
    error = sigmoid.reference(X @ w) - y
    return X.T @ error / len(y), np.mean(error)


@logistic_gradient.mistake(
    "The predictions are rounded to 0 or 1 first: that is the perceptron's rule.",
    hint="A probability of 0.6 for a yes has something left to learn; a rounded one has not.",
)
def predictions_rounded(w, b, X, y):
    error = (X @ w + b > 0) - y
    return X.T @ error / len(y), np.mean(error)


@logistic_gradient.mistake(
    "Every prediction is compared with every label: a column against a row makes (n, n).",
    hint="Print the shape of the error inside your function. It must be (n,).",
)
def predictions_against_all_labels(w, b, X, y):
    error = np.mean(sigmoid.reference(X @ w + b).reshape(-1, 1) - y, axis=1)
    return X.T @ error / len(y), np.mean(error)


@logistic_gradient.mistake(
    "It overflows: exp(z) / (1 + exp(z)) is nan where z is above 709.",
    hint="Your own sigmoid, once it is right, has no such limit: use it.",
)
def gradient_overflows(w, b, X, y):
    z = X @ w + b
    error = np.exp(z) / (1 + np.exp(z)) - y
    return X.T @ error / len(y), np.mean(error)


@logistic_gradient.mistake(
    "Whole numbers in w make whole numbers of the answer: its fractions are cut off.",
    hint="np.zeros_like(w) has the dtype of w. np.zeros(len(w)) is float64.",
)
def gradient_cut_to_whole_numbers(w, b, X, y):
    dw, db = logistic_gradient.reference(w, b, X, y)
    cut = np.zeros_like(w)
    cut[:] = dw
    return cut, db


@logistic_gradient.mistake(
    "The two answers are in the wrong order: dw comes first, then db.",
    hint="The last line is return dw, db.",
)
def bias_first(w, b, X, y):
    dw, db = logistic_gradient.reference(w, b, X, y)
    return db, dw


@public
def and_afterwards(standardise, X_train, X_test, then_look_at_them=False):
    """What comes back; where one is to look at them, also the arguments as they are afterwards."""
    answer = standardise(X_train, X_test)
    return (answer, X_train, X_test) if then_look_at_them else answer


@exercise(
    points=2,
    probe=and_afterwards,
    hints=(
        "On the day when the model is used, which rows will be there to take a mean of?",
        "One mean and one standard deviation for each column, both from X_train; both arrays are "
        "shifted and divided by these.",
        "A column that never changes has the standard deviation 0. Replace that 0 by 1 before you "
        "divide.",
    ),
)
def standardise(X_train: Array, X_test: Array) -> tuple[Array, Array]:
    """Bring every feature to mean 0 and standard deviation 1, as far as the training set knows.

    Parameters
    ----------
    X_train : array of shape (n, d), an example a row
    X_test : array of shape (m, d), examples that nothing may be learned from

    Returns
    -------
    X_train, X_test : two new arrays of the same shapes, both shifted by the training set's mean
    and divided by its standard deviation (NumPy's, with divisor n), column by column. A column
    that has one and the same value everywhere becomes zeros. The arguments are left as they were.

    Source: lecture A, whose data want it.
    """
    mean, spread = X_train.mean(axis=0), X_train.std(axis=0)
    spread = np.where(np.ptp(X_train, axis=0) == 0, 1.0, spread)
    return (X_train - mean) / spread, (X_test - mean) / spread


def _features(rng) -> dict:
    """Columns of different scales; the test set is not quite like the training set."""
    n, m, d = int(rng.integers(6, 9)), int(rng.integers(3, 5)), int(rng.integers(2, 4))
    scale, shift = rng.uniform(1.5, 30, d), rng.uniform(-20, 20, d)
    X = rng.normal(size=(n + m, d)) * scale + shift
    X[n:] += scale
    X[:2] = shift - scale, shift + scale
    return dict(X_train=X[:n], X_test=X[n:])


@standardise.cases
def columns_of_many_scales(rng):
    """Columns of very different scales."""
    return _features(rng)


@standardise.cases
def a_column_that_never_changes(rng):
    """One column has the same value everywhere."""
    case = _features(rng)
    column, value = int(rng.integers(2)), float(rng.integers(1, 9))
    case["X_train"][:, column] = value
    case["X_test"][:, column] = value
    return case


@standardise.cases
def whole_features(rng):
    """Features that are whole numbers."""
    case = _features(rng)
    return {name: np.round(10 * X).astype(int) for name, X in case.items()}


@standardise.cases
def a_single_test_row(rng):
    """The test set is one row: it has no spread of its own."""
    case = _features(rng)
    return dict(X_train=case["X_train"], X_test=case["X_test"][:1])


@standardise.cases
def features_left_alone(rng):
    """The arguments are looked at afterwards."""
    return dict(**_features(rng), then_look_at_them=True)


@standardise.mistake(
    "The test set is standardised by its own mean and spread.",
    hint="A row of the test set would then mean something else than the same row in training.",
)
def test_set_by_itself(X_train, X_test):
    return tuple(standardise.reference(X, X)[0] for X in (X_train, X_test))


@standardise.mistake(
    "Mean and spread are those of both sets together: the test set leaks into training.",
    hint="The test set stands for rows that nobody has seen yet. Use X_train alone.",
)
def statistics_of_both(X_train, X_test):
    both = np.concatenate([X_train, X_test])
    return standardise.reference(both, X_train)[1], standardise.reference(both, X_test)[1]


@standardise.mistake(
    "The test set is not standardised by the training set's statistics: it came back as it was.",
    hint="Keep mean and spread from before X_train was changed, then use them twice.",
)
def test_set_as_it_was(X_train, X_test):
    return standardise.reference(X_train, X_test)[0], X_test.astype(float)


@standardise.mistake(
    "One mean and one spread for the whole array; every column wants its own.",
    hint="X_train.mean(axis=0) has shape (d,).",
)
def one_mean_for_all_columns(X_train, X_test):
    mean, spread = X_train.mean(), X_train.std()
    return (X_train - mean) / spread, (X_test - mean) / spread


@standardise.mistake(
    "Mean and spread are taken along the rows; a feature is a column.",
    hint="axis=0 runs down a column. The mean of a row adds up metres and kilograms.",
)
def along_the_rows(X_train, X_test):
    return tuple(
        (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
        for X in (X_train, X_test)
    )


@standardise.mistake(
    "Divided by the variance; the standard deviation is its root.",
    hint="A feature in metres has a variance in square metres: the units must cancel.",
)
def divided_by_the_variance(X_train, X_test):
    mean, spread = X_train.mean(axis=0), X_train.var(axis=0)
    spread = np.where(spread == 0, 1.0, spread)
    return (X_train - mean) / spread, (X_test - mean) / spread


@standardise.mistake(
    "The mean is subtracted, but nothing is divided by.",
    hint="Columns of very different scales make the loss a ravine. Bring each to spread 1.",
)
def only_shifted(X_train, X_test):
    return X_train - X_train.mean(axis=0), X_test - X_train.mean(axis=0)


@standardise.mistake(
    "The standard deviation has the divisor n - 1; here it is n.",
    hint="ddof=0, which is NumPy's own choice.",
)
def divisor_one_less(X_train, X_test):
    mean, spread = X_train.mean(axis=0), X_train.std(axis=0, ddof=1)
    spread = np.where(spread == 0, 1.0, spread)
    return (X_train - mean) / spread, (X_test - mean) / spread


@standardise.mistake(
    "A column that never changes is divided by 0: nan.",
    hint="Its standard deviation is 0, and so is what is left after the mean is gone. Divide by 1.",
)
def divided_by_zero(X_train, X_test):
    mean, spread = X_train.mean(axis=0), X_train.std(axis=0)
    return (X_train - mean) / spread, (X_test - mean) / spread


@standardise.mistake(
    "The columns are squeezed between 0 and 1; wanted is mean 0 and standard deviation 1.",
    hint="The smallest and the largest row alone decide then. Use the mean and the spread.",
)
def squeezed_to_one(X_train, X_test):
    low, reach = X_train.min(axis=0), np.ptp(X_train, axis=0)
    reach = np.where(reach == 0, 1.0, reach)
    return (X_train - low) / reach, (X_test - low) / reach


@standardise.mistake(
    "The arrays of whoever called are changed in place.",
    hint="X -= mean writes into the caller's array. X - mean makes a new one.",
)
def features_changed_in_place(X_train, X_test):
    mean, spread = X_train.mean(axis=0), X_train.std(axis=0)
    spread[spread == 0] = 1.0
    for X in (X_train, X_test):
        X -= mean
        X /= spread
    return X_train, X_test


@standardise.mistake(
    "Whole numbers in make whole numbers out: the fractions are cut off.",
    hint="np.zeros_like(X) has the dtype of X. Compute (X - mean) / spread into a new array.",
)
def features_cut_to_whole_numbers(X_train, X_test):
    answers = standardise.reference(X_train, X_test)
    return tuple(a.astype(X.dtype) for a, X in zip(answers, (X_train, X_test), strict=True))


standardise.remark(
    "StandardScaler, fitted on X_train alone, is this function; now you know what it keeps.",
    uses="StandardScaler",
)


# fit_logistic is judged where the order of the rows is no matter, by values. What the order is
# like shows in how many different fits different generators give, and in nothing else.


@public
def one_fit_or_many(fit_logistic, X, y, lr, batch_size, epochs, rng, generators=0):
    """One fit; or, over that many generators, what can be said without knowing any order.

    different: how many different fits there are, counted up to 3; again: whether a generator in
    the same state gives the same fit again; left_alone: whether X and y are as they were.
    """
    if not generators:
        return fit_logistic(X, y, lr, batch_size, epochs, rng)

    def fit(source):
        own = X.copy(), y.copy()
        w, b = fit_logistic(*own, lr, batch_size, epochs, source)
        kept.append(np.array_equal(own[0], X) and np.array_equal(own[1], y))
        return np.append(w, b)

    def alike(one, other):
        return bool(np.max(np.abs(one - other)) < 1e-9)

    kept, found = [], []
    again = alike(fit(copy.deepcopy(rng)), fit(copy.deepcopy(rng)))
    for seed in rng.integers(2**63, size=generators):
        new = fit(np.random.default_rng(seed))
        again = again and alike(new, fit(np.random.default_rng(seed)))
        if len(found) < 3 and not any(alike(new, old) for old in found):
            found.append(new)
    return {"different": len(found), "again": again, "left_alone": all(kept)}


@exercise(
    points=4,
    by_value=False,
    draws=2,
    probe=one_fit_or_many,
    hints=(
        "Three things repeat: epochs, batches inside an epoch, and in each batch one gradient and "
        "one step. Which of them belongs where?",
        "rng.permutation(n), once an epoch, gives an order; slices of it are the batches. A slice "
        "that runs over the end is cut short by itself.",
        "dw, db = logistic_gradient(w, b, X[rows], y[rows]); both step against it, by lr. The mean "
        "over the batch is already in there.",
    ),
)
def fit_logistic(
    X: Array, y: Array, lr: float, batch_size: int, epochs: int, rng: np.random.Generator
) -> tuple[Array, float]:
    """Train one sigmoid neuron by stochastic gradient descent on the mean cross entropy.

    An epoch goes once through all n rows, in a new random order, batch_size rows an update; the
    last batch of an epoch may be shorter and is used all the same. Where batch_size > n an epoch is
    one batch of n rows.

    Parameters
    ----------
    X : array of shape (n, d), an example a row; used as it is, nothing is standardised here
    y : array of shape (n,), each 0 or 1
    lr : step size (learning rate), applied to the mean gradient of a batch
    batch_size : rows in a batch, at least 1
    epochs : number of epochs, 0 or more
    rng : numpy.random.Generator, the only source of randomness

    Returns
    -------
    w, b : an array of shape (d,) and a float, where the walk ends. It starts at zero.

    Source: lecture A.
    """
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(epochs):
        order = rng.permutation(len(y))
        for start in range(0, len(y), batch_size):
            rows = order[start : start + batch_size]
            dw, db = logistic_gradient(w, b, X[rows], y[rows])
            w, b = w - lr * dw, b - lr * db
    return w, b


def _training(rng, n: int, batch_size: int, epochs: int, d: int = 0) -> dict:
    d = d or int(rng.integers(2, 4))
    return dict(
        X=_signed(rng, (n, d), 0.4, 2.0),
        y=_both_labels(rng, n),
        lr=float(rng.uniform(0.3, 0.8)),
        batch_size=batch_size,
        epochs=epochs,
        rng=FRESH_RNG,
    )


def _rows_alike(rng, n: int, batch_size: int, epochs: int) -> dict:
    """Every row is the same: the walk shows how many updates there were, in whatever order."""
    case = _training(rng, n, batch_size, epochs)
    return {**case, "X": np.repeat(case["X"][:1], n, axis=0), "y": np.repeat(case["y"][:1], n)}


@fit_logistic.cases
def all_rows_in_a_batch(rng):
    """A batch has all rows, or could have more; and no epoch at all."""
    n = int(rng.integers(8, 13))
    yield _training(rng, n, n, int(rng.integers(3, 6)))
    yield _training(rng, n, n + int(rng.integers(2, 9)), int(rng.integers(3, 6)))
    yield _training(rng, n, n // 2, 0)


@fit_logistic.cases
def rows_of_counts(rng):
    """Inputs are whole numbers; a batch has all rows."""
    n = int(rng.integers(7, 11))
    X = rng.choice([-3, -2, -1, 1, 2, 3], (n, 3))
    return {**_training(rng, n, n, int(rng.integers(3, 6))), "X": X}


@fit_logistic.cases
def equal_rows_whole_batches(rng):
    """All rows are the same, and the batch size divides their number."""
    size = int(rng.integers(2, 5))
    yield _rows_alike(rng, size * int(rng.integers(3, 5)), size, int(rng.integers(2, 4)))
    yield _rows_alike(rng, int(rng.integers(5, 8)), 1, 2)


@fit_logistic.cases
def equal_rows_short_batch(rng):
    """All rows are the same, and the last batch of an epoch is short."""
    size = int(rng.integers(4, 7))
    n = size * int(rng.integers(2, 4)) + int(rng.integers(1, size - 1))
    return _rows_alike(rng, n, size, int(rng.integers(2, 4)))


@fit_logistic.cases
def many_generators(rng):
    """The same fit from many generators: only the order of the rows may differ."""
    # All rows in a batch: no order matters. With equal labels not even which label is whose.
    same = _training(rng, 12, 12, 2)
    yield {**same, "y": np.ones(12, dtype=int), "generators": 4}
    mixed = _training(rng, 14, 14, 2)
    yield {**mixed, "y": rng.permutation(np.repeat([0, 1], 7)), "generators": 4}
    # Two rows, one at a time, four epochs: one order for all of them makes two different fits,
    # a new one each epoch sixteen. 20 generators see fewer than three by chance once in 1e15.
    pair = _training(rng, 2, 1, 4, d=2)
    yield {**pair, "X": np.array([[1.0, 0.5], [0.3, -1.2]]) * pair["X"], "generators": 20}


@public
def of_many(answer):
    """Whether this is what `one_fit_or_many` says of many fits."""
    return isinstance(answer, dict)


# Where a property without a name fails, those after it must not break down: the first name is told.


@fit_logistic.property(
    "What comes back is not w, b: an array of shape (d,) and a number.",
    hint="The last line is return w, b.",
)
def a_pair(answer, case):
    if of_many(answer):
        return True
    return (
        isinstance(answer, tuple | list)
        and len(answer) == 2
        and np.shape(answer[0]) == (case.args["X"].shape[1],)
        and np.shape(answer[1]) == ()
    )


@fit_logistic.property("The walk does not start at zero.", mistake="random_start")
def starts_at_zero(answer, case):
    if of_many(answer) or case.args["epochs"] > 0 or not a_pair(answer, case):
        return True
    return not np.any(answer[0]) and answer[1] == 0


@fit_logistic.property("Some rows come twice in an epoch.", mistake="rows_drawn_with_replacement")
def no_row_twice(answer, case):
    many = of_many(answer) and len(np.unique(case.args["y"])) == 1
    return not many or answer["different"] == 1


@fit_logistic.property("Labels do not stay with their rows.", mistake="labels_left_behind")
def labels_stay_with_rows(answer, case):
    many = of_many(answer) and case.args["batch_size"] > 1
    return not many or len(np.unique(case.args["y"])) == 1 or answer["different"] == 1


@fit_logistic.property("X and y are changed.", mistake="rows_shuffled_in_place")
def data_left_alone(answer, case):
    return not of_many(answer) or answer["left_alone"]


@fit_logistic.property("Not all randomness is rng's.", mistake="another_generator")
def same_state_same_fit(answer, case):
    return not of_many(answer) or answer["again"]


@fit_logistic.property("The rows are not shuffled by rng.", mistake="rows_not_shuffled")
def order_from_rng(answer, case):
    many = of_many(answer) and case.args["batch_size"] == 1
    return not many or answer["different"] > 1


@fit_logistic.property("There is one order for all epochs.", mistake="one_order_for_all_epochs")
def new_order_each_epoch(answer, case):
    many = of_many(answer) and case.args["batch_size"] == 1
    return not many or answer["different"] != 2


@fit_logistic.property(
    "w and b are not where these steps lead.",
    hint="Try one epoch with all rows in one batch: it is lr times logistic_gradient at zero, "
    "subtracted once. Then two epochs; then two batches.",
)
def where_the_steps_lead(answer, case):
    if of_many(answer):
        return True
    return all(
        np.allclose(got, wanted, rtol=1e-7, atol=1e-9)
        for got, wanted in zip(answer, case.expected, strict=True)
    )


def _walk(X, y, lr, batch_size, orders, start=0.0, *, whole_batches=False):
    """A walk over given orders of the rows, for the mistakes that spoil something else."""
    w, b = np.full(X.shape[1], float(start)), float(start)
    for order in orders:
        for first in range(0, len(order), batch_size):
            rows = order[first : first + batch_size]
            if whole_batches and len(rows) < batch_size:
                break
            dw, db = logistic_gradient.reference(w, b, X[rows], y[rows])
            w, b = w - lr * dw, b - lr * db
    return w, b


@fit_logistic.mistake(
    "The rows are not shuffled by rng: every generator gives the same fit.",
    hint="Batches of neighbours, always the same ones. Use order = rng.permutation(n).",
)
def rows_not_shuffled(X, y, lr, batch_size, epochs, rng):
    return _walk(X, y, lr, batch_size, [np.arange(len(y))] * epochs)


@fit_logistic.mistake(
    "The rows are shuffled once, and every epoch then has the same order.",
    hint="Call rng.permutation inside the loop over the epochs.",
)
def one_order_for_all_epochs(X, y, lr, batch_size, epochs, rng):
    return _walk(X, y, lr, batch_size, [rng.permutation(len(y))] * epochs)


@fit_logistic.mistake(
    "The rows are shuffled and the labels are not, so that most rows have another one's label.",
    hint="Shuffle row numbers, and use them for both: X[rows], y[rows].",
)
def labels_left_behind(X, y, lr, batch_size, epochs, rng):
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(epochs):
        shuffled = rng.permutation(X)
        w, b = _onward(w, b, shuffled, y, lr, batch_size)
    return w, b


def _onward(w, b, X, y, lr, batch_size):
    """One epoch over the rows as they stand."""
    for first in range(0, len(y), batch_size):
        rows = slice(first, first + batch_size)
        dw, db = logistic_gradient.reference(w, b, X[rows], y[rows])
        w, b = w - lr * dw, b - lr * db
    return w, b


@fit_logistic.mistake(
    "Rows are drawn with replacement: in an epoch some come twice and others not at all.",
    hint="A permutation has each row number once.",
)
def rows_drawn_with_replacement(X, y, lr, batch_size, epochs, rng):
    return _walk(X, y, lr, batch_size, [rng.integers(0, len(y), len(y)) for _ in range(epochs)])


@fit_logistic.mistake(
    "X and y themselves are shuffled: the arrays of whoever called.",
    hint="Shuffle an array of row numbers, and leave X and y alone.",
)
def rows_shuffled_in_place(X, y, lr, batch_size, epochs, rng):
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(epochs):
        order = rng.permutation(len(y))
        X[:], y[:] = X[order], y[order]
        w, b = _onward(w, b, X, y, lr, batch_size)
    return w, b


@fit_logistic.mistake(
    "The randomness does not come from rng alone: the same state gives another fit.",
    hint="rng.permutation, not np.random.permutation.",
)
def another_generator(X, y, lr, batch_size, epochs, rng):
    return _walk(X, y, lr, batch_size, [np.random.permutation(len(y)) for _ in range(epochs)])


@fit_logistic.mistake(
    "With no epoch at all w and b must be 0. Yours are not: another start, or an epoch too many.",
    hint="The loss is convex: no start is better, and zeros make the fit repeatable. If yours does "
    "start there, look at range(epochs): it has as many rounds as it says.",
)
def random_start(X, y, lr, batch_size, epochs, rng):
    w, b = 0.01 * rng.normal(size=X.shape[1]), 0.0
    for _ in range(epochs):
        w, b = _onward(w, b, X, y, lr, batch_size)
    return w, b


@fit_logistic.mistake(
    "The walk starts at one; here it starts at zero.",
    hint="w = np.zeros(d), b = 0.0.",
)
def start_at_one(X, y, lr, batch_size, epochs, rng):
    return _walk(X, y, lr, batch_size, [rng.permutation(len(y)) for _ in range(epochs)], start=1)


@fit_logistic.mistake(
    "The short batch at the end of an epoch is left out.",
    hint="range(0, n, batch_size) has a start for it, and a slice may be short.",
)
def short_batch_left_out(X, y, lr, batch_size, epochs, rng):
    size = min(batch_size, len(y))
    orders = [rng.permutation(len(y)) for _ in range(epochs)]
    return _walk(X, y, lr, size, orders, whole_batches=True)


@fit_logistic.mistake(
    "The short batch is averaged as if it were full: its step is too small.",
    hint="Divide by the rows that the batch has, not by batch_size. logistic_gradient does it.",
)
def short_batch_as_if_full(X, y, lr, batch_size, epochs, rng):
    w, b, size = np.zeros(X.shape[1]), 0.0, min(batch_size, len(y))
    for _ in range(epochs):
        order = rng.permutation(len(y))
        for first in range(0, len(y), size):
            rows = order[first : first + size]
            dw, db = logistic_gradient.reference(w, b, X[rows], y[rows])
            w, b = w - lr * dw * len(rows) / size, b - lr * db * len(rows) / size
    return w, b


@fit_logistic.mistake(
    "The steps grow with the batch: the gradient is summed over it, not averaged.",
    hint="logistic_gradient is a mean already.",
)
def steps_grow_with_the_batch(X, y, lr, batch_size, epochs, rng):
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(epochs):
        order = rng.permutation(len(y))
        for first in range(0, len(y), batch_size):
            rows = order[first : first + batch_size]
            dw, db = logistic_gradient.reference(w, b, X[rows], y[rows])
            w, b = w - lr * dw * len(rows), b - lr * db * len(rows)
    return w, b


@fit_logistic.mistake(
    "Every update uses all rows: batch_size is ignored.",
    hint="X[rows], y[rows], with batch_size row numbers in rows.",
)
def batch_size_ignored(X, y, lr, batch_size, epochs, rng):
    return _walk(X, y, lr, len(y), [rng.permutation(len(y)) for _ in range(epochs)])


@fit_logistic.mistake(
    "An epoch is one batch here; it should go through all rows, batch after batch.",
    hint="There is a second loop inside the epoch.",
)
def one_batch_an_epoch(X, y, lr, batch_size, epochs, rng):
    return _walk(
        X, y, lr, batch_size, [rng.permutation(len(y))[:batch_size] for _ in range(epochs)]
    )


@fit_logistic.mistake(
    "There is only one epoch, however many are asked for: the function returns too early.",
    hint="The return stands after both loops, at the depth of the def's body.",
)
def one_epoch_only(X, y, lr, batch_size, epochs, rng):
    return _walk(X, y, lr, batch_size, [rng.permutation(len(y)) for _ in range(min(epochs, 1))])


@fit_logistic.mistake(
    "The steps go uphill: the gradient is added.",
    hint="A gradient points to where the loss grows. Subtract it.",
)
def steps_uphill(X, y, lr, batch_size, epochs, rng):
    return _walk(X, y, -lr, batch_size, [rng.permutation(len(y)) for _ in range(epochs)])


@fit_logistic.mistake(
    "The bias is never trained.",
    hint="b steps against db, as w steps against dw.",
)
def bias_not_trained(X, y, lr, batch_size, epochs, rng):
    w = np.zeros(X.shape[1])
    for _ in range(epochs):
        order = rng.permutation(len(y))
        for first in range(0, len(y), batch_size):
            rows = order[first : first + batch_size]
            w = w - lr * logistic_gradient.reference(w, 0.0, X[rows], y[rows])[0]
    return w, 0.0


@fit_logistic.mistake(
    "b is moved by a gradient that was taken after w had moved: the two belong to one point.",
    hint="Ask logistic_gradient once for each update, and then move both.",
)
def bias_a_step_behind(X, y, lr, batch_size, epochs, rng):
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(epochs):
        order = rng.permutation(len(y))
        for first in range(0, len(y), batch_size):
            rows = order[first : first + batch_size]
            w = w - lr * logistic_gradient.reference(w, b, X[rows], y[rows])[0]
            b = b - lr * logistic_gradient.reference(w, b, X[rows], y[rows])[1]
    return w, b


@fit_logistic.mistake(
    "X is standardised inside: whoever called wants the weights of the features as they are.",
    hint="Standardising comes before, with the training set's statistics, in standardise.",
)
def standardised_inside(X, y, lr, batch_size, epochs, rng):
    X = standardise.reference(X, X)[0]
    return _walk(X, y, lr, batch_size, [rng.permutation(len(y)) for _ in range(epochs)])


@fit_logistic.mistake(
    "Whole numbers in X make whole numbers of w, which cannot take a step.",
    hint="np.zeros_like(X[0]) has the dtype of X. np.zeros(X.shape[1]) is float64.",
)
def weights_of_whole_numbers(X, y, lr, batch_size, epochs, rng):
    w, b = np.zeros_like(X[0]), 0.0
    for _ in range(epochs):
        order = rng.permutation(len(y))
        for first in range(0, len(y), batch_size):
            rows = order[first : first + batch_size]
            dw, db = logistic_gradient.reference(w, b, X[rows], y[rows])
            w -= lr * dw
            b -= lr * db
    return w, b


@exercise(
    points=1,
    hints=(
        "Compare the two arrays entry by entry: what does y == y_hat give?",
        "True counts as 1 and False as 0, so a mean is a share.",
    ),
)
def accuracy(y: Array, y_hat: Array) -> float:
    """The share of examples whose predicted label is the right one.

    Parameters
    ----------
    y : array of shape (n,), the right labels, whole numbers; there may be more than two classes
    y_hat : array of shape (n,), the predicted labels: labels, not probabilities

    Returns
    -------
    float, from 0 to 1.

    Source: lecture A.
    """
    return float(np.mean(y == y_hat))


def _predictions(rng, n: int, classes: int) -> dict:
    """Labels, and predictions of which a third or so are wrong; some of either kind."""
    y = rng.integers(0, classes, n)
    y[:3], y[3:5] = 0, 1
    y_hat = np.where(rng.random(n) < 0.3, (y + rng.integers(1, classes, n)) % classes, y)
    y_hat[:2], y_hat[2:4] = y[:2], (y[2:4] + 1) % classes
    order = rng.permutation(n)
    return dict(y=y[order], y_hat=y_hat[order])


@accuracy.cases
def two_classes(rng):
    """Two classes, 0 and 1."""
    return _predictions(rng, int(rng.integers(11, 18)), 2)


@accuracy.cases
def several_classes(rng):
    """Several classes."""
    for classes in (3, 6):
        yield _predictions(rng, int(rng.integers(11, 18)), classes)


@accuracy.cases
def all_right_or_wrong(rng):
    """Everything is right; then everything is wrong."""
    y = rng.integers(0, 4, int(rng.integers(5, 9)))
    yield dict(y=y, y_hat=y.copy())
    yield dict(y=y, y_hat=(y + rng.integers(1, 4, len(y))) % 4)


@accuracy.mistake(
    "Right predictions are counted; the accuracy is their share.",
    hint="Divide by n, or take the mean.",
)
def counted(y, y_hat):
    return int(np.sum(y == y_hat))


@accuracy.mistake(
    "This is the share of errors.",
    hint="Two labels that are equal are a success: y == y_hat.",
)
def error_rate(y, y_hat):
    return np.mean(y != y_hat)


@accuracy.mistake(
    "This is a percentage; a share lies between 0 and 1.",
    hint="Leave the factor 100 to whoever prints it.",
)
def percentage(y, y_hat):
    return 100 * np.mean(y == y_hat)


@accuracy.mistake(
    "Every label is compared with every prediction: a column against a row makes (n, n).",
    hint="Print (y == y_hat).shape inside your function. It must be (n,).",
)
def labels_of_all_pairs(y, y_hat):
    return np.mean(y.reshape(-1, 1) == y_hat)


@accuracy.mistake(
    "The labels are cut at one half, as if they were probabilities: classes 1 and 2 become one.",
    hint="They are labels already. Compare them as they are.",
)
def cut_at_one_half(y, y_hat):
    return np.mean((y > 0.5) == (y_hat > 0.5))


@accuracy.mistake(
    "This is 1 minus the mean distance of the labels; a wrong label is wrong, however near.",
    hint="Labels are names: class 2 is no nearer to 3 than to 9.",
)
def distance_of_labels(y, y_hat):
    return 1 - np.mean(np.abs(y - y_hat))


@accuracy.mistake(
    "Only whether everything is right is asked.",
    hint="np.all gives one yes or no. The share is the mean.",
)
def all_or_nothing(y, y_hat):
    return float(np.all(y == y_hat))


accuracy.remark(
    "accuracy_score gives the number; one line of NumPy does too.", uses="accuracy_score"
)


@public
def and_z_afterwards(function, z, then_look_at_z=False):
    """What comes back; where one is to look at z, also z as it is afterwards."""
    answer = function(z)
    return (answer, z) if then_look_at_z else answer


@exercise(
    points=2,
    probe=and_z_afterwards,
    hints=(
        "exp(1000) is too large for a float, exp(1000 - 1000) is not. What does taking the same "
        "number away from all entries do to the logarithm of the sum of their exps?",
        "It takes that number away from the answer, so add it back. Which number makes every "
        "exponent 0 or less, in each row?",
        "m = z.max(axis=-1, keepdims=True); the answer is m + log(sum(exp(z - m))), where the sum "
        "runs over the last axis, and m has lost that axis when it is added.",
    ),
)
def log_sum_exp(z: Array) -> Array:
    """The logarithm of the sum of exp(z) over the last axis, without an overflow.

    Parameters
    ----------
    z : array of shape (..., k), finite; k at least 1

    Returns
    -------
    array of shape (...), without the last axis; a single number for a z of shape (k,). Finite and
    right for any finite z. z itself is left as it was.

    Source: lecture E.
    """
    m = np.max(z, axis=-1, keepdims=True)
    return np.log(np.sum(np.exp(z - m), axis=-1)) + np.squeeze(m, axis=-1)


def _logits(rng, n: int, k: int) -> Array:
    """Ordinary logits in which every row has its own largest place and size."""
    z = rng.normal(size=(n, k)) + rng.uniform(-2, 2, (n, 1))
    z[np.arange(n), rng.integers(0, k, n)] += rng.uniform(1, 2, n)
    return z


def _row_shapes(rng) -> list[Array]:
    """One row; a few rows; a stack of them."""
    n, k = int(rng.integers(2, 4)), int(rng.integers(4, 6))
    one, few = _logits(rng, 1, k)[0], _logits(rng, n, k)
    return [few, one, _logits(rng, 2 * n, k).reshape(2, n, k)]


def _far_apart(rng, k: int) -> Array:
    """Rows that lie thousands apart, entries of a row that do not."""
    return _logits(rng, 3, k) + rng.permutation([-1, 0, 1])[:, None] * rng.uniform(1500, 4000)


def _wide(rng, k: int) -> Array:
    """Two rows, one entry of each far above the others or far below them.

    exp overflows in both if the row's smallest entry is taken away, and in one if its mean is.
    """
    z = _logits(rng, 2, k)
    z[[0, 1], rng.integers(0, k, 2)] += rng.permutation([-1, 1]) * rng.uniform(1100, 2400)
    return z


def _distant(rng, side: int) -> Array:
    return _logits(rng, 3, int(rng.integers(4, 7))) + side * rng.uniform(800, 3000)


@log_sum_exp.cases
def sums_of_ordinary_rows(rng):
    """Ordinary numbers, in one, two and three dimensions."""
    for z in _row_shapes(rng):
        yield dict(z=z)


@log_sum_exp.cases
def sums_of_whole_numbers(rng):
    """Whole numbers."""
    return dict(z=rng.integers(-4, 5, (3, 5)))


@log_sum_exp.cases
def sums_far_above(rng):
    """Numbers about 1000 and more."""
    return dict(z=_distant(rng, 1))


@log_sum_exp.cases
def sums_far_below(rng):
    """Numbers about -1000 and less."""
    return dict(z=_distant(rng, -1))


@log_sum_exp.cases
def sums_far_apart(rng):
    """Rows that lie thousands apart, then far-flung entries of one row."""
    yield dict(z=_far_apart(rng, 5))
    yield dict(z=_wide(rng, 4))


@log_sum_exp.cases
def sums_leave_z_alone(rng):
    """z is looked at afterwards."""
    return dict(z=_logits(rng, 3, 5), then_look_at_z=True)


@log_sum_exp.mistake(
    "The formula as it stands: exp overflows above 709, and far below zero it is log(0).",
    hint="Take the row's largest entry away before exp, and add it to the answer.",
)
def sum_unshifted(z):
    return np.log(np.sum(np.exp(z), axis=-1))


@log_sum_exp.mistake(
    "The largest entry is taken away, but not added back.",
    hint="log(exp(a) + exp(b)) = m + log(exp(a - m) + exp(b - m)).",
)
def not_added_back(z):
    return log_sum_exp.reference(z) - np.max(z, axis=-1)


@log_sum_exp.mistake(
    "The largest entry of the whole array is taken away from every row: in a row far below it all "
    "exps are 0.",
    hint="Each row has its own largest entry: axis=-1, keepdims=True.",
)
def shifted_by_the_largest_of_all(z):
    return np.log(np.sum(np.exp(z - np.max(z)), axis=-1)) + np.max(z)


@log_sum_exp.mistake(
    "The sum runs over the first axis; it should run over the last.",
    hint="axis=-1, whatever the number of dimensions.",
)
def sums_down_the_columns(z):
    return log_sum_exp.reference(np.moveaxis(z, 0, -1))


@log_sum_exp.mistake(
    "The sum runs over the whole array; every row wants its own.",
    hint="Without an axis np.sum adds up everything: axis=-1.",
)
def one_sum_of_all(z):
    return log_sum_exp.reference(np.ravel(z))


@log_sum_exp.mistake(
    "The sum runs over the whole array, where every row wants its own; and large numbers overflow.",
    hint="Two things: a sum without an axis adds up everything, and exp wants the row's largest "
    "entry taken away first.",
)
def one_sum_of_all_unshifted(z):
    return np.log(np.sum(np.exp(z)))


@log_sum_exp.mistake(
    "The last axis is still there, with length 1.",
    hint="keepdims=True is handy for the subtraction; drop that axis before you return.",
)
def axis_kept(z):
    return log_sum_exp.reference(z)[..., np.newaxis]


@log_sum_exp.mistake(
    "z itself is changed: the array of whoever called.",
    hint="z -= m writes into the caller's array. z - m makes a new one.",
)
def sum_shifts_z_itself(z):
    m = np.max(z, axis=-1, keepdims=True)
    z -= m
    return np.log(np.sum(np.exp(z), axis=-1)) + m[..., 0]


@log_sum_exp.mistake(
    "The exponents are clipped at 700: it looks stable, but every larger z gives the same answer.",
    hint="Nothing has to be cut off: take the row's largest entry away, and add it back.",
)
def exponents_clipped(z):
    return np.log(np.sum(np.exp(np.clip(z, -700, 700)), axis=-1))


@log_sum_exp.mistake(
    "The exponents are clipped at 30: it looks stable, but every larger z gives the same answer.",
    hint="Nothing has to be cut off: take the row's largest entry away, and add it back.",
)
def exponents_clipped_early(z):
    return np.log(np.sum(np.exp(np.clip(z, -30, 30)), axis=-1))


@log_sum_exp.mistake(
    "The row's mean is taken away, not its largest entry: an entry far above the mean overflows.",
    hint="On paper any shift will do. Which one makes sure that no exponent is above 0?",
)
def sum_shifted_by_the_mean(z):
    middle = np.mean(z, axis=-1, keepdims=True)
    return middle[..., 0] + np.log(np.sum(np.exp(z - middle), axis=-1))


@log_sum_exp.mistake(
    "This is the logarithm of the mean, not of the sum.",
    hint="The two differ by log(k).",
)
def mean_in_the_log(z):
    return log_sum_exp.reference(z) - np.log(np.shape(z)[-1])


@log_sum_exp.mistake(
    "This is the largest entry alone: it is near, and not the same.",
    hint="For two equal entries a the answer is a + log(2).",
)
def largest_alone(z):
    return np.max(z, axis=-1) * 1.0


log_sum_exp.remark(
    "scipy.special.logsumexp is this function; now you know what is inside.", uses="logsumexp"
)


@exercise(
    points=2,
    probe=and_z_afterwards,
    hints=(
        "Every row becomes shares that add up to 1: exp of each entry over the sum of these.",
        "Taking the same number away from a whole row changes no share. Which number makes every "
        "exponent 0 or less?",
        "e = np.exp(z - z.max(axis=-1, keepdims=True)); then divide e by its own sums over the "
        "last axis, with keepdims=True again.",
    ),
)
def softmax(z: Array) -> Array:
    """Logits into probabilities: exp(z) over the sum of exp(z), row by row, without an overflow.

    Parameters
    ----------
    z : array of shape (..., k), finite; a row is what runs along the last axis

    Returns
    -------
    array of the shape of z, float64; none is negative, and each row adds up to 1. z itself is
    left as it was.

    Source: lectures B and E.
    """
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


@softmax.cases
def shares_of_ordinary_rows(rng):
    """Ordinary logits, in one, two and three dimensions."""
    for z in _row_shapes(rng):
        yield dict(z=z)


@softmax.cases
def shares_of_whole_numbers(rng):
    """Logits that are whole numbers."""
    return dict(z=rng.integers(-3, 4, (3, 5)))


@softmax.cases
def shares_far_out(rng):
    """Logits about 1000 and more, then about -1000 and less."""
    for side in (1, -1):
        yield dict(z=_distant(rng, side))


@softmax.cases
def shares_far_apart(rng):
    """Rows that lie thousands apart, then far-flung entries of one row."""
    yield dict(z=_far_apart(rng, 4))
    yield dict(z=_wide(rng, 4))


@softmax.cases
def shares_leave_z_alone(rng):
    """z is looked at afterwards."""
    return dict(z=_logits(rng, 3, 5), then_look_at_z=True)


@softmax.mistake(
    "The formula as it stands: above 709 it is inf / inf, far below zero 0 / 0. Both are nan.",
    hint="Take the row's largest entry away before exp: no share changes.",
)
def shares_unshifted(z):
    e = np.exp(z)
    return e / np.sum(e, axis=-1, keepdims=True)


@softmax.mistake(
    "The largest entry of the whole array is taken away from every row: a row far below it becomes "
    "0 / 0.",
    hint="Each row has its own largest entry: axis=-1, keepdims=True.",
)
def shares_shifted_by_the_largest_of_all(z):
    e = np.exp(z - np.max(z))
    return e / np.sum(e, axis=-1, keepdims=True)


@softmax.mistake(
    "The whole array adds up to 1; each row should.",
    hint="A sum without an axis adds up everything: axis=-1, keepdims=True.",
)
def shares_of_the_whole(z):
    return softmax.reference(np.ravel(z)).reshape(np.shape(z))


@softmax.mistake(
    "The whole array adds up to 1, where each row should; and large logits overflow.",
    hint="Two things: a sum without an axis adds up everything, and exp wants the row's largest "
    "entry taken away first.",
)
def shares_of_the_whole_unshifted(z):
    e = np.exp(z)
    return e / np.sum(e)


@softmax.mistake(
    "The columns add up to 1; the rows should.",
    hint="axis=-1, whatever the number of dimensions.",
)
def shares_down_the_columns(z):
    return np.moveaxis(softmax.reference(np.moveaxis(z, 0, -1)), -1, 0)


@softmax.mistake(
    "Nothing is divided: these are the exps, not yet shares.",
    hint="Divide every row by its own sum.",
)
def not_divided(z):
    return np.exp(z - np.max(z, axis=-1, keepdims=True))


@softmax.mistake(
    "There is no exp: the logits themselves are divided by their sum.",
    hint="Logits may be negative, shares may not: exp comes first.",
)
def exp_missing(z):
    return z / np.sum(z, axis=-1, keepdims=True)


@softmax.mistake(
    "These are the logarithms of the probabilities.",
    hint="exp of what you have is the answer.",
)
def logarithms_of_shares(z):
    return z - log_sum_exp.reference(z)[..., np.newaxis]


@softmax.mistake(
    "A sigmoid of each logit by itself: the row does not add up to 1.",
    hint="What one class gains the others lose: divide by the sum over the row.",
)
def each_by_itself(z):
    return sigmoid.reference(z)


@softmax.mistake(
    "The logits are clipped: it looks stable, but all that lie beyond the clip become equal.",
    hint="Nothing has to be cut off: take the row's largest entry away before exp.",
)
def logits_cut_off(z):
    return softmax.reference(np.clip(z, -700, 700))


@softmax.mistake(
    "The row's mean is taken away, not its largest entry: a logit far above the mean overflows.",
    hint="On paper any shift will do. Which one makes sure that no exponent is above 0?",
)
def shares_shifted_by_the_mean(z):
    e = np.exp(z - np.mean(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


@softmax.mistake(
    "The row's smallest entry is taken away, not its largest: one far above it overflows.",
    hint="exp never overflows where its exponent is at most 0. Which shift makes sure of that?",
)
def shares_shifted_by_the_smallest(z):
    e = np.exp(z - np.min(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


@softmax.mistake(
    "The probabilities are clipped to 1e-7: a row no longer adds up to 1.",
    hint="A probability of 0 does no harm here. A loss that minds takes logits, not probabilities.",
)
def shares_kept_off_the_ends(z):
    return np.clip(softmax.reference(z), 1e-7, 1 - 1e-7)


@softmax.mistake(
    "z itself is changed: the array of whoever called.",
    hint="z -= z.max(...) writes into the caller's array. z - z.max(...) makes a new one.",
)
def softmax_shifts_z_itself(z):
    z -= np.max(z, axis=-1, keepdims=True)
    e = np.exp(z)
    return e / np.sum(e, axis=-1, keepdims=True)


@softmax.mistake(
    "Whole numbers in make whole numbers out: the shares are cut off to 0.",
    hint="np.zeros_like(z) and np.empty_like(z) have the dtype of z. Let NumPy make the array.",
)
def shares_cut_to_whole_numbers(z):
    return softmax.reference(z).astype(np.asarray(z).dtype)


softmax.remark(
    "scipy.special.softmax is this function; now you know what is inside.", uses="scipy.special"
)


@public
def nan_for_not_finite(cross_entropy_naive, logits, labels):
    """What comes back, with nan in the place of inf: which of them it is, is no matter."""
    answer = cross_entropy_naive(logits, labels)
    if isinstance(answer, int | float | np.generic | np.ndarray) and np.shape(answer) == ():
        return answer if np.isfinite(answer) else float("nan")
    return answer


@exercise(
    points=1,
    probe=nan_for_not_finite,
    hints=(
        "Three steps, just as they are said: exp over the row's sum, the logarithm of that, and "
        "the entry of the right class.",
        "p[np.arange(n), labels] takes from row i the entry labels[i]. Minus the mean of the "
        "logarithms; no tricks.",
    ),
)
def cross_entropy_naive(logits: Array, labels: Array) -> float:
    """The mean cross entropy, by the formula as it stands.

    First the probabilities, exp(logits) over its sum along the row; then minus the logarithm of
    the right class's probability; then the mean over the examples. Nothing is done against
    overflow: this function is here so that you see it break.

    Parameters
    ----------
    logits : array of shape (n, k)
    labels : array of shape (n,), whole numbers from 0 to k - 1

    Returns
    -------
    float; not finite (inf or nan) as soon as a logit is above 709.78 or so.

    Source: lecture E.
    """
    e = np.exp(logits)
    p = e / np.sum(e, axis=1, keepdims=True)
    return float(-np.mean(np.log(p[np.arange(len(labels)), labels])))


def _labelled(rng, n: int, k: int) -> dict:
    """Ordinary logits; the labels know of every class, where there are enough of them."""
    return dict(logits=_logits(rng, n, k), labels=rng.permutation(np.arange(n) % k))


@cross_entropy_naive.cases
def naive_on_ordinary_logits(rng):
    """Logits of ordinary size, some of them whole numbers."""
    yield _labelled(rng, int(rng.integers(5, 9)), int(rng.integers(3, 5)))
    case = _labelled(rng, 6, 4)
    yield {**case, "logits": np.round(2 * case["logits"]).astype(int)}


@cross_entropy_naive.cases
def naive_at_a_thousand(rng):
    """A logit of 1000, where the formula breaks; and the same logits without it."""
    case = _labelled(rng, int(rng.integers(4, 7)), 3)
    large = case["logits"].copy()
    large[1, (case["labels"][1] + 1) % 3] = 1000.0
    for logits in (large, case["logits"]):
        yield {**case, "logits": logits}


@cross_entropy_naive.cases
def naive_at_the_edge(rng):
    """A logit just below 709.78, then one just above."""
    case = _labelled(rng, int(rng.integers(4, 7)), 3)
    for edge in (rng.uniform(690, 705), rng.uniform(710, 740)):
        logits = case["logits"].copy()
        logits[2, case["labels"][2]] = edge
        yield {**case, "logits": logits}


@cross_entropy_naive.mistake(
    "This is a stable form: it survives a logit of 1000. Here the formula as it stands is wanted.",
    hint="Leave the maximum out of it: exp, divide, logarithm. It should break.",
)
def stable_form(logits, labels):
    return cross_entropy.reference(logits, labels)


@cross_entropy_naive.mistake(
    "The losses are summed; the loss is their mean.",
    hint="Divide by n, the number of rows.",
)
def naive_summed(logits, labels):
    return len(labels) * cross_entropy_naive.reference(logits, labels)


@cross_entropy_naive.mistake(
    "The mean is over all n * k entries; there are n examples.",
    hint="One-hot labels leave k - 1 zeros in each row: do not count them.",
)
def naive_mean_over_classes(logits, labels):
    return cross_entropy_naive.reference(logits, labels) / np.shape(logits)[1]


@cross_entropy_naive.mistake(
    "The minus is missing.", hint="The logarithm of a probability is not positive; a loss is."
)
def naive_without_minus(logits, labels):
    return -cross_entropy_naive.reference(logits, labels)


@cross_entropy_naive.mistake(
    "p[:, labels] takes from every row the entries of all labels: (n, n).",
    hint="p[np.arange(n), labels] takes from row i the entry labels[i].",
)
def naive_all_pairs(logits, labels):
    e = np.exp(logits)
    return -np.mean(np.log((e / np.sum(e, axis=1, keepdims=True))[:, labels]))


@cross_entropy_naive.mistake(
    "The probabilities of the whole array add up to 1; those of each row should.",
    hint="np.sum(e, axis=1, keepdims=True).",
)
def naive_without_axis(logits, labels):
    e = np.exp(logits)
    return -np.mean(np.log((e / np.sum(e))[np.arange(len(labels)), labels]))


@cross_entropy_naive.mistake(
    "A small number inside the logarithm; the formula as it stands has none.",
    hint="It moves every loss a little, and it does not stop exp from overflowing.",
)
def naive_patched(logits, labels):
    e = np.exp(logits)
    p = e / np.sum(e, axis=1, keepdims=True)
    return -np.mean(np.log(p[np.arange(len(labels)), labels] + 1e-8))


@public
def and_logits_afterwards(function, logits, labels, then_look_at_the_logits=False):
    """What comes back; where one is to look at the logits, also those as they are afterwards."""
    answer = function(logits, labels)
    return (answer, logits) if then_look_at_the_logits else answer


@exercise(
    points=2,
    probe=and_logits_afterwards,
    hints=(
        "Write -log(exp(z_y) / sum of exp(z)) as a difference of two logarithms. Which of them "
        "needs no exp at all?",
        "The loss of one row is log_sum_exp of the row minus the logit of its label.",
        "logits[np.arange(n), labels] takes the logit of each row's label. One mean at the end.",
    ),
)
def cross_entropy(logits: Array, labels: Array) -> float:
    """The mean cross entropy of labels under softmax(logits), without an overflow.

    Parameters
    ----------
    logits : array of shape (n, k), finite
    labels : array of shape (n,), whole numbers from 0 to k - 1

    Returns
    -------
    float; finite and right for any finite logits, even where the right class's probability is too
    small for a float. The arguments are left as they were.

    Source: lecture E.
    """
    chosen = logits[np.arange(len(labels)), labels]
    return float(np.mean(log_sum_exp(logits) - chosen))


@cross_entropy.cases
def loss_of_ordinary_logits(rng):
    """Logits of ordinary size; then one example alone."""
    yield _labelled(rng, int(rng.integers(5, 9)), int(rng.integers(3, 5)))
    yield _labelled(rng, 1, 4)


@cross_entropy.cases
def loss_of_whole_logits(rng):
    """Logits that are whole numbers."""
    case = _labelled(rng, 6, 4)
    return {**case, "logits": np.round(2 * case["logits"]).astype(int)}


@cross_entropy.cases
def loss_far_out(rng):
    """All logits are about 1000 and more, then about -1000 and less."""
    for side in (1, -1):
        case = _labelled(rng, int(rng.integers(4, 7)), 3)
        yield {**case, "logits": case["logits"] + side * rng.uniform(800, 3000)}


@cross_entropy.cases
def loss_of_a_sure_error(rng):
    """In one row a wrong class is hundreds or thousands ahead."""
    for ahead in (rng.uniform(40, 500), rng.uniform(800, 3000)):
        case = _labelled(rng, int(rng.integers(4, 7)), 3)
        case["logits"][1, (case["labels"][1] + 1) % 3] += ahead
        yield case


@cross_entropy.cases
def loss_of_rows_far_apart(rng):
    """Rows that lie thousands apart."""
    return dict(logits=_far_apart(rng, 4), labels=rng.permutation(4)[:3])


@cross_entropy.cases
def loss_leaves_logits_alone(rng):
    """The logits are looked at afterwards."""
    return dict(**_labelled(rng, 5, 3), then_look_at_the_logits=True)


@cross_entropy.mistake(
    "The logits themselves are changed: the array of whoever called.",
    hint="logits -= ... writes into the caller's array. Work on a new one.",
)
def loss_shifts_the_logits(logits, labels):
    logits -= np.max(logits, axis=1, keepdims=True)
    return cross_entropy.reference(logits, labels)


@cross_entropy.mistake(
    "The formula as it stands: exp overflows above 709, and then inf / inf is nan.",
    hint="The loss is log_sum_exp of the row minus the logit of the label.",
)
def exp_of_large_logits(logits, labels):
    return cross_entropy_naive.reference(logits, labels)


@cross_entropy.mistake(
    "The sum of exps overflows: its logarithm is taken without the shift by the row's largest.",
    hint="Your log_sum_exp does just this, without the overflow.",
)
def log_of_an_overflow(logits, labels):
    chosen = logits[np.arange(len(labels)), labels]
    return np.mean(np.log(np.sum(np.exp(logits), axis=1)) - chosen)


@cross_entropy.mistake(
    "The logarithm of a rounded zero: softmax no longer overflows, but the right class's share can "
    "be too small for a float.",
    hint="Do not go through the probabilities: the loss is log_sum_exp of the row minus the logit.",
)
def log_of_a_vanished_share(logits, labels):
    p = softmax.reference(logits)
    return -np.mean(np.log(p[np.arange(len(labels)), labels]))


@cross_entropy.mistake(
    "Probabilities are clipped to 1e-7: no example can then cost more than 16.",
    hint="Clipping hides the error that the loss is there to measure. Leave the probabilities out.",
)
def shares_clipped(logits, labels):
    p = np.clip(softmax.reference(logits), 1e-7, 1 - 1e-7)
    return -np.mean(np.log(p[np.arange(len(labels)), labels]))


@cross_entropy.mistake(
    "Probabilities are kept above 1e-12: no example can then cost more than 28.",
    hint="Clipping hides the error that the loss is there to measure. Leave the probabilities out.",
)
def shares_kept_above_zero(logits, labels):
    p = np.clip(softmax.reference(logits), 1e-12, 1.0)
    return -np.mean(np.log(p[np.arange(len(labels)), labels]))


@cross_entropy.mistake(
    "Probabilities are kept above 1e-300: no example can then cost more than 691.",
    hint="Clipping hides the error that the loss is there to measure. Leave the probabilities out.",
)
def shares_kept_above_almost_nothing(logits, labels):
    share = softmax.reference(logits)[np.arange(len(labels)), labels]
    return -np.mean(np.log(np.maximum(share, 1e-300)))


@cross_entropy.mistake(
    "Probabilities are clipped to 1e-15: no example can then cost more than 35.",
    hint="Clipping hides the error that the loss is there to measure. Leave the probabilities out.",
)
def shares_clipped_late(logits, labels):
    p = np.clip(softmax.reference(logits), 1e-15, 1.0)
    return -np.mean(np.log(p[np.arange(len(labels)), labels]))


@cross_entropy.mistake(
    "A small number inside the logarithm: no example can then cost more than 18 or so, and every "
    "loss is a little off.",
    hint="A patch against log(0) caps the loss. Without the probabilities there is no log(0).",
)
def small_number_beside_the_share(logits, labels):
    p = softmax.reference(logits)
    return -np.mean(np.log(p[np.arange(len(labels)), labels] + 1e-8))


@cross_entropy.mistake(
    "The logits are clipped to 30: it looks stable, but differences between large ones are lost.",
    hint="Nothing has to be cut off: log_sum_exp is right for any finite row.",
)
def large_logits_clipped(logits, labels):
    return cross_entropy.reference(np.clip(logits, -30, 30), labels)


@cross_entropy.mistake(
    "The losses are summed; the loss is their mean.",
    hint="Divide by n, the number of rows.",
)
def losses_of_rows_summed(logits, labels):
    return len(labels) * cross_entropy.reference(logits, labels)


@cross_entropy.mistake(
    "The mean is over all n * k entries; there are n examples.",
    hint="One-hot labels leave k - 1 zeros in each row: do not count them.",
)
def mean_over_classes_too(logits, labels):
    return cross_entropy.reference(logits, labels) / np.shape(logits)[1]


@cross_entropy.mistake(
    "The sign is reversed: log of a probability, without the minus.",
    hint="A loss is not negative: log_sum_exp is never below any logit of its row.",
)
def loss_without_minus(logits, labels):
    return -cross_entropy.reference(logits, labels)


@cross_entropy.mistake(
    "logits[:, labels] takes from every row the entries of all labels: (n, n).",
    hint="logits[np.arange(n), labels] takes from row i the entry labels[i].",
)
def every_row_with_every_label(logits, labels):
    return np.mean(log_sum_exp.reference(logits)[:, np.newaxis] - logits[:, labels])


@cross_entropy.mistake(
    "The largest entry of the whole array is taken away from every row: a row far below it has "
    "log(0).",
    hint="Each row has its own largest entry. Your log_sum_exp knows.",
)
def one_shift_for_all_rows(logits, labels):
    shifted = logits - np.max(logits)
    chosen = shifted[np.arange(len(labels)), labels]
    return np.mean(np.log(np.sum(np.exp(shifted), axis=1)) - chosen)


@cross_entropy.mistake(
    "Softmax is taken twice: the loss was given probabilities where it wants logits.",
    hint="cross_entropy does the softmax itself. Give it the logits.",
)
def softmax_twice(logits, labels):
    return cross_entropy.reference(softmax.reference(logits), labels)


for shortcut in ("log_loss", "CrossEntropyLoss", "log_softmax"):
    cross_entropy.remark(
        "The library gives the number; with your own log_sum_exp it is two lines of NumPy.",
        uses=shortcut,
    )


@exercise(
    points=2,
    probe=and_logits_afterwards,
    hints=(
        "One row first: its loss is log_sum_exp(z) - z[label]. What is the derivative of the first "
        "term by one of the z, and of the second?",
        "The first gives softmax(z). The second gives 1 at the label and 0 elsewhere.",
        "A copy of the probabilities, from which 1 is taken away at [np.arange(n), labels]; then "
        "the mean over the rows leaves a 1 / n.",
    ),
)
def cross_entropy_gradient(logits: Array, labels: Array) -> Array:
    """The gradient of the mean cross entropy by the logits.

    Parameters
    ----------
    logits : array of shape (n, k), finite
    labels : array of shape (n,), whole numbers from 0 to k - 1

    Returns
    -------
    array of shape (n, k), float64: the derivative of cross_entropy(logits, labels) by each logit.
    The arguments are left as they were.

    Source: lecture E.
    """
    gradient = softmax(logits)
    gradient[np.arange(len(labels)), labels] -= 1
    return gradient / len(labels)


@cross_entropy_gradient.cases
def gradient_at_ordinary_logits(rng):
    """Logits of ordinary size; in the last batch no example is of the last class."""
    yield _labelled(rng, int(rng.integers(5, 9)), int(rng.integers(3, 5)))
    yield _labelled(rng, 4, 2)
    yield _labelled(rng, 5, 4) | dict(labels=rng.permutation(np.arange(5) % 3))


@cross_entropy_gradient.cases
def gradient_at_whole_logits(rng):
    """Logits that are whole numbers."""
    case = _labelled(rng, 6, 4)
    return {**case, "logits": np.round(2 * case["logits"]).astype(int)}


@cross_entropy_gradient.cases
def gradient_far_out(rng):
    """All logits are about 1000 and more; then rows, or a row's entries, lie far apart."""
    case = _labelled(rng, int(rng.integers(4, 7)), 3)
    yield {**case, "logits": case["logits"] + rng.uniform(800, 3000)}
    yield dict(logits=_far_apart(rng, 4), labels=rng.permutation(4)[:3])
    # Here, too, no example is of the last class: chance is not to decide what that slip keeps.
    yield dict(logits=_wide(rng, 4), labels=rng.permutation(3)[:2])


@cross_entropy_gradient.cases
def logits_left_alone(rng):
    """The logits are looked at afterwards."""
    return dict(**_labelled(rng, 5, 3), then_look_at_the_logits=True)


@cross_entropy_gradient.mistake(
    "Each row is n times too large: the loss is a mean over the rows.",
    hint="Divide by n.",
)
def gradient_of_the_sum(logits, labels):
    return len(labels) * cross_entropy_gradient.reference(logits, labels)


@cross_entropy_gradient.mistake(
    "The one-hot rows are as long as the largest label wants: too short where no example is of the "
    "last class.",
    hint="The number of classes is logits.shape[1]. A batch need not have them all.",
)
def one_hot_too_short(logits, labels):
    p = softmax.reference(logits)
    return (p - np.eye(np.max(labels) + 1)[labels]) / len(labels)


@cross_entropy_gradient.mistake(
    "Divided by all n * k entries; there are n examples.",
    hint="len(labels), not logits.size.",
)
def gradient_over_classes_too(logits, labels):
    return cross_entropy_gradient.reference(logits, labels) / np.shape(logits)[1]


@cross_entropy_gradient.mistake(
    "The sign is reversed: this is labels minus probabilities.",
    hint="A larger logit of the right class lowers the loss: the derivative there is negative.",
)
def gradient_reversed(logits, labels):
    return -cross_entropy_gradient.reference(logits, labels)


@cross_entropy_gradient.mistake(
    "The probabilities alone: the labels have no part in it.",
    hint="The loss is log_sum_exp(z) - z[label]. The second term has a derivative too.",
)
def labels_forgotten(logits, labels):
    return softmax.reference(logits) / len(labels)


@cross_entropy_gradient.mistake(
    "Where the logarithm is of: these are the derivatives by the probabilities, -1 / p.",
    hint="One link of the chain is missing: from the probabilities back to the logits.",
)
def gradient_by_the_probabilities(logits, labels):
    rows = np.arange(len(labels))
    gradient = np.zeros(np.shape(logits))
    gradient[rows, labels] = -1 / softmax.reference(logits)[rows, labels]
    return gradient / len(labels)


@cross_entropy_gradient.mistake(
    "Only the label's own column has a derivative here; every logit of a row moves its softmax.",
    hint="A larger logit of a wrong class takes probability from the right one.",
)
def label_column_alone(logits, labels):
    rows = np.arange(len(labels))
    gradient = np.zeros(np.shape(logits))
    gradient[rows, labels] = cross_entropy_gradient.reference(logits, labels)[rows, labels]
    return gradient


@cross_entropy_gradient.mistake(
    "There is a factor p (1 - p) left over: with the cross entropy it cancels.",
    hint="The softmax is differentiated already in p - 1. Do not multiply by its slope once more.",
)
def softmax_slope_left_over(logits, labels):
    p = softmax.reference(logits)
    return cross_entropy_gradient.reference(logits, labels) * p * (1 - p)


@cross_entropy_gradient.mistake(
    "gradient[:, labels] -= 1 takes 1 away from whole columns.",
    hint="gradient[np.arange(n), labels] means one entry in each row.",
)
def whole_columns(logits, labels):
    gradient = softmax.reference(logits)
    gradient[:, labels] -= 1
    return gradient / len(labels)


@cross_entropy_gradient.mistake(
    "The logits are not turned into probabilities: this is logits minus labels.",
    hint="softmax comes first.",
)
def logits_minus_labels(logits, labels):
    return (logits - np.eye(np.shape(logits)[1])[labels]) / len(labels)


@cross_entropy_gradient.mistake(
    "The formula as it stands overflows: inf / inf is nan.",
    hint="Your own softmax, once it is right, has no such limit: use it.",
)
def gradient_of_an_overflow(logits, labels):
    e = np.exp(logits)
    p = e / np.sum(e, axis=1, keepdims=True)
    return (p - np.eye(np.shape(logits)[1])[labels]) / len(labels)


@cross_entropy_gradient.mistake(
    "The largest entry of the whole array is taken away from every row: a row far below it becomes "
    "0 / 0.",
    hint="Each row has its own largest entry. Your softmax knows.",
)
def gradient_with_one_shift(logits, labels):
    return gradient_of_an_overflow(logits - np.max(logits), labels)


@cross_entropy_gradient.mistake(
    "The logits themselves are changed: the array of whoever called.",
    hint="logits -= ... writes into the caller's array. Work on a new one.",
)
def logits_shifted_in_place(logits, labels):
    logits -= np.max(logits, axis=1, keepdims=True)
    return cross_entropy_gradient.reference(logits, labels)


@cross_entropy_gradient.mistake(
    "Whole numbers in make whole numbers out: the gradient is cut off to 0.",
    hint="np.zeros_like(logits) has the dtype of the logits. softmax gives a float64 array.",
)
def gradient_of_whole_numbers(logits, labels):
    return cross_entropy_gradient.reference(logits, labels).astype(np.asarray(logits).dtype)


@exercise(
    points=4,
    hints=(
        "Take one row. z_j moves every share of it, not only its own. Write y_hat_i as exp(z_i) "
        "over the sum, and differentiate it by z_j: once for i = j, once for i other than j.",
        "The derivative of y_hat_i by z_j is y_hat_i (1 - y_hat_j) where i = j, and "
        "-y_hat_i y_hat_j elsewhere. Chain rule: each entry of grad times its derivative, added up "
        "over i.",
        "In that sum y_hat_j stands before everything. What is left in the bracket is grad_j, and "
        "one number that all entries of the row share.",
    ),
)
def softmax_backward(y_hat: Array, grad: Array) -> Array:
    """The gradient by the logits of a loss that sees them only after a softmax.

    Somewhere y_hat = softmax(z) was computed, row by row, and the loss is any function of y_hat.
    Its derivative by every entry of y_hat is known. What is it by every entry of z? Moving one
    logit moves all the shares of its row.

    Parameters
    ----------
    y_hat : array of shape (n, k), the probabilities softmax(z); z itself is not given
    grad : array of shape (n, k), the derivative of the loss by each entry of y_hat

    Returns
    -------
    array of shape (n, k), the derivative of the loss by each entry of z. There is no mean to take:
    if the loss is one, grad has its 1 / n already.

    Source: the derivation is the exercise; softmax is Bridle's (1990).
    """
    return y_hat * (grad - np.sum(grad * y_hat, axis=1, keepdims=True))


def _passed_back(rng, n: int, k: int) -> dict:
    return dict(y_hat=softmax.reference(_logits(rng, n, k)), grad=_signed(rng, (n, k), 0.3, 2))


@softmax_backward.cases
def slopes_of_any_loss(rng):
    """Any probabilities, any gradient; as many rows as classes, and not."""
    k = int(rng.integers(3, 5))
    yield _passed_back(rng, k + 2, k)
    yield _passed_back(rng, k, k)


@softmax_backward.cases
def slopes_of_the_cross_entropy(rng):
    """The loss is the mean cross entropy: only the right class's share has a slope."""
    n, k = int(rng.integers(4, 7)), 3
    y_hat = softmax.reference(_logits(rng, n, k))
    labels = rng.permutation(np.arange(n) % k)
    return dict(y_hat=y_hat, grad=-np.eye(k)[labels] / y_hat / n)


@softmax_backward.cases
def slopes_all_alike(rng):
    """In some rows all entries of grad are the same: shares add up to 1, so nothing can change."""
    case = _passed_back(rng, 5, 3)
    case["grad"][1:4] = rng.uniform(1, 3, (3, 1))
    return case


@softmax_backward.cases
def slopes_at_a_sure_answer(rng):
    """Some rows are so sure that their shares are 1 and 0; grad is of whole numbers."""
    n, k = 5, int(rng.integers(3, 5))
    case = _passed_back(rng, n, k)
    case["y_hat"][:2] = np.eye(k)[rng.integers(0, k, 2)]
    return {**case, "grad": rng.permuted(np.tile(np.arange(1, k + 1), (n, 1)), axis=1)}


@softmax_backward.mistake(
    "Only the diagonal of the Jacobian: each logit is taken to move its own share alone.",
    hint="Shares add up to 1: what one class gains the others lose. Those losses count too.",
)
def diagonal_alone(y_hat, grad):
    return grad * y_hat * (1 - y_hat)


@softmax_backward.mistake(
    "Only what lies off the diagonal: a logit moves its own share too.",
    hint="Both sorts of terms: y_hat_j (1 - y_hat_j) from its own share, -y_hat_i y_hat_j from the "
    "others.",
)
def own_share_left_out(y_hat, grad):
    return softmax_backward.reference(y_hat, grad) - grad * y_hat * (1 - y_hat)


@softmax_backward.mistake(
    "The other shares count with the wrong sign: they fall when this logit rises.",
    hint="The derivative of y_hat_i by z_j is -y_hat_i y_hat_j where i is not j.",
)
def others_rise_too(y_hat, grad):
    return y_hat * (grad * (1 - 2 * y_hat) + np.sum(grad * y_hat, axis=1, keepdims=True))


@softmax_backward.mistake(
    "What is taken away is the plain mean of grad; the shares are its weights.",
    hint="A class that has no share cannot lose any: the sum is over grad times y_hat.",
)
def plain_mean_taken_away(y_hat, grad):
    return y_hat * (grad - np.mean(grad, axis=1, keepdims=True))


@softmax_backward.mistake(
    "The sum runs over the whole array; every row has its own.",
    hint="Rows know nothing of each other: axis=1, keepdims=True.",
)
def sum_over_all_rows(y_hat, grad):
    return y_hat * (grad - np.sum(grad * y_hat))


@softmax_backward.mistake(
    "The sum runs down the columns; the shares of a row move together.",
    hint="axis=1, keepdims=True.",
)
def sum_down_the_columns(y_hat, grad):
    return y_hat * (grad - np.sum(grad * y_hat, axis=0))


@softmax_backward.mistake(
    "One factor y_hat is missing: this is grad less its weighted mean.",
    hint="A class without any share cannot change: its derivative is 0.",
)
def outer_share_missing(y_hat, grad):
    return grad - np.sum(grad * y_hat, axis=1, keepdims=True)


@softmax_backward.mistake(
    "This is grad times y_hat: it leaves out that the shares are divided by their sum.",
    hint="If all entries of grad are the same, no logit can change the loss: the answer is 0 then.",
)
def sum_taken_for_constant(y_hat, grad):
    return grad * y_hat


@softmax_backward.mistake(
    "Softmax is taken of y_hat, which is one already.",
    hint="The argument has the probabilities. Logits are not needed.",
)
def softmax_of_shares(y_hat, grad):
    return softmax_backward.reference(softmax.reference(y_hat), grad)


@softmax_backward.mistake(
    "This is y_hat - y, up to a factor: it holds for the cross entropy alone.",
    hint="The loss may be any function of y_hat. It is known by grad alone; there are no labels.",
)
def as_if_cross_entropy(y_hat, grad):
    return y_hat - (grad == np.min(grad, axis=1, keepdims=True))


@softmax_backward.mistake(
    "Divided by n: the mean is the loss's own business, and grad has it already.",
    hint="This function only passes back what comes in.",
)
def divided_by_the_rows(y_hat, grad):
    return softmax_backward.reference(y_hat, grad) / len(y_hat)


@softmax_backward.mistake(
    "The gradient was not passed on: it came back as it was.",
    hint="There is a softmax between the logits and y_hat. The chain rule has one link more.",
)
def passed_through(y_hat, grad):
    return grad * 1.0


@public
def decisions(best_threshold, y, y_hat, cost_miss, cost_alarm):
    """Which examples raise the alarm at the threshold that comes back."""
    threshold = best_threshold(y, y_hat, cost_miss, cost_alarm)
    if threshold is None:
        return None
    if np.shape(threshold) != () or isinstance(threshold, str):
        raise TypeError("best_threshold should return one number, a threshold")
    return np.asarray(y_hat >= threshold, dtype=bool)


@exercise(
    points=4,
    probe=decisions,
    hints=(
        "Say what it costs if the threshold is 0.3: which examples raise the alarm, which of the "
        "others are misses? Write that as a small function of the threshold.",
        "The cost changes only where the threshold passes one of the y_hat. So it is enough to try "
        "those; and one more, for the case that no alarm at all is cheapest.",
        "For each of np.append(np.unique(y_hat), np.inf): cost_miss times the number of y = 1 "
        "below it, plus cost_alarm times the number of y = 0 at or above it. Take the cheapest.",
    ),
)
def best_threshold(y: Array, y_hat: Array, cost_miss: float, cost_alarm: float) -> float:
    """The threshold at which a classifier would have cost least on these examples.

    The alarm is raised where y_hat >= threshold. An alarm where y is 0 costs cost_alarm, no alarm
    where y is 1 costs cost_miss; what is right costs nothing.

    Parameters
    ----------
    y : array of shape (n,), whole numbers, each 0 or 1
    y_hat : array of shape (n,), what the classifier says, between 0 and 1. A larger one means a
        likelier 1, but do not trust it as a probability. Some may be equal.
    cost_miss, cost_alarm : what one error of each sort costs, above 0

    Returns
    -------
    float. Every threshold that raises the cheapest alarms is right. Where no alarm at all is
    cheapest, any number above all y_hat is, np.inf among them.

    Source: chapter 1's metric against loss (lecture A); Elkan (2001).
    """
    thresholds = np.append(np.unique(y_hat), np.inf)
    alarm = y_hat >= thresholds[:, np.newaxis]
    misses = np.sum(~alarm & (y == 1), axis=1)
    alarms = np.sum(alarm & (y == 0), axis=1)
    return float(thresholds[np.argmin(cost_miss * misses + cost_alarm * alarms)])


def _costs(thresholds: Array, y: Array, y_hat: Array, cost_miss: float, cost_alarm: float) -> Array:
    """What each of the thresholds costs on these examples."""
    alarm = y_hat >= np.reshape(thresholds, (-1, 1))
    return cost_miss * np.sum(~alarm & (y == 1), axis=1) + cost_alarm * np.sum(
        alarm & (y == 0), axis=1
    )


def _classified(rng, n: int, share: float, bend: float) -> dict:
    """Labels, a `share` of them 1, and scores that know something of them, bent by a power."""
    y = np.zeros(n, dtype=int)
    y[: max(3, round(share * n))] = 1
    y = rng.permutation(y)
    y_hat = 1 / (1 + np.exp(-rng.normal(2.0 * y - 1.0, 1.2)))
    return dict(y=y, y_hat=y_hat**bend)


def _one_winner(make, *told_from, extreme=False) -> dict:
    """The first of the cases that `make()` gives in which one choice of alarms is clearly the
    cheapest, and in which the mistakes `told_from` choose otherwise.

    extreme: whether that choice is to be everybody or nobody; else it must be neither.
    """
    while True:
        case = make()
        costs = np.sort(_costs(np.append(np.unique(case["y_hat"]), np.inf), **case))
        best = decisions(best_threshold.reference, **case)
        if (
            costs[1] - costs[0] > 1e-3
            and len(np.unique(best)) == (1 if extreme else 2)
            and not any(np.array_equal(decisions(wrong, **case), best) for wrong in told_from)
        ):
            return case


def _price(rng, ratio: float) -> dict:
    """A miss that costs about `ratio` times a false alarm."""
    alarm = float(rng.uniform(1, 10))
    return dict(cost_miss=alarm * ratio * float(rng.uniform(0.8, 1.25)), cost_alarm=alarm)


@best_threshold.cases
def scores_not_probabilities(rng):
    """The scores rank well, but are far from probabilities."""
    for bend in (4.0, 0.2):
        yield _one_winner(
            lambda bend=bend: {**_classified(rng, 24, 0.2, bend), **_price(rng, 2)},
            *(one_half, formula_of_probabilities, rates_for_counts, costs_exchanged),
        )


@best_threshold.cases
def errors_of_unequal_cost(rng):
    """A miss costs much more than a false alarm, then much less."""
    for ratio in (5.0, 0.2):
        yield _one_winner(
            lambda ratio=ratio: {**_classified(rng, 24, 0.5, 1.0), **_price(rng, ratio)},
            *(costs_exchanged, costs_ignored, alarm_strictly_above),
        )


@best_threshold.cases
def rare_and_small(rng):
    """One example in eight is a 1, and all scores are small."""

    def make():
        case = _classified(rng, 40, 0.125, 1.0)
        return {**case, "y_hat": 0.019 * case["y_hat"], **_price(rng, 4)}

    yield _one_winner(make, a_hundred_steps, rates_for_counts)


@best_threshold.cases
def equal_scores(rng):
    """Many scores are equal; no threshold can tell those examples apart."""

    def make():
        case = _classified(rng, 30, 0.5, 1.0)
        order = np.argsort(-case["y"], kind="stable")
        levels = np.ceil(case["y_hat"][order] * 5) / 8
        return {"y": case["y"][order], "y_hat": levels, **_price(rng, 3)}

    case = _one_winner(
        make, cut_between_equals, one_half, formula_of_probabilities, costs_exchanged
    )
    yield case
    yield {**case, "y": case["y"][::-1].copy(), "y_hat": case["y_hat"][::-1].copy()}


@best_threshold.cases
def everybody_or_nobody(rng):
    """No alarm at all is cheapest; then an alarm for everybody."""

    def nobody():
        return {**_classified(rng, 15, 0.2, 0.02), **_price(rng, 1 / 60)}

    def everybody():
        return {**_classified(rng, 15, 0.8, 1.0), **_price(rng, 60)}

    yield _one_winner(nobody, some_alarm_always, formula_of_probabilities, extreme=True)
    yield _one_winner(everybody, between_scores_alone, one_half, extreme=True)


@best_threshold.mistake(
    "This is one half, whatever an error costs.",
    hint="One half is best where both errors cost the same and y_hat is a true probability.",
)
def one_half(y, y_hat, cost_miss, cost_alarm):
    return 0.5


@best_threshold.mistake(
    "cost_alarm / (cost_alarm + cost_miss) is best for true probabilities; these are not.",
    hint="The examples know better: count what each threshold would have cost on them.",
)
def formula_of_probabilities(y, y_hat, cost_miss, cost_alarm):
    return cost_alarm / (cost_alarm + cost_miss)


@best_threshold.mistake(
    "The two costs are exchanged.",
    hint="A miss is a y of 1 below the threshold. Where misses are dear, the threshold is low.",
)
def costs_exchanged(y, y_hat, cost_miss, cost_alarm):
    return best_threshold.reference(y, y_hat, cost_alarm, cost_miss)


@best_threshold.mistake(
    "This threshold makes the fewest errors; it does not ask what they cost.",
    hint="Weigh every miss and every false alarm with its own cost.",
)
def costs_ignored(y, y_hat, cost_miss, cost_alarm):
    return best_threshold.reference(y, y_hat, 1.0, 1.0)


@best_threshold.mistake(
    "The costs multiply shares of each class, not numbers of errors.",
    hint="Where a 1 is rare, 5 % of the zeros are more people than half of the ones. Count errors.",
)
def rates_for_counts(y, y_hat, cost_miss, cost_alarm):
    return best_threshold.reference(y, y_hat, cost_miss / np.sum(y), cost_alarm / np.sum(1 - y))


@best_threshold.mistake(
    "The search raises the alarm strictly above the threshold; the rule is at the threshold or "
    "above. So one example too many raises it.",
    hint="y_hat >= threshold, in the search too.",
)
def alarm_strictly_above(y, y_hat, cost_miss, cost_alarm):
    thresholds = np.append(-np.inf, np.unique(y_hat))
    above = np.append(thresholds[1:], np.inf)
    return thresholds[np.argmin(_costs(above, y, y_hat, cost_miss, cost_alarm))]


@best_threshold.mistake(
    "No alarm at all is not among what is tried, and there it would be cheapest.",
    hint="A threshold above all y_hat is one more candidate.",
)
def some_alarm_always(y, y_hat, cost_miss, cost_alarm):
    thresholds = np.unique(y_hat)
    return thresholds[np.argmin(_costs(thresholds, y, y_hat, cost_miss, cost_alarm))]


@best_threshold.mistake(
    "Only thresholds between two scores are tried: an alarm for everybody or for nobody is not.",
    hint="Two candidates more: one at or below all y_hat, one above them.",
)
def between_scores_alone(y, y_hat, cost_miss, cost_alarm):
    scores = np.unique(y_hat)
    thresholds = (scores[1:] + scores[:-1]) / 2
    return thresholds[np.argmin(_costs(thresholds, y, y_hat, cost_miss, cost_alarm))]


@best_threshold.mistake(
    "A grid of a hundred steps is too coarse where scores lie closer together.",
    hint="The cost changes only where the threshold passes a score: try the scores themselves.",
)
def a_hundred_steps(y, y_hat, cost_miss, cost_alarm):
    thresholds = np.linspace(0, 1, 101)
    return thresholds[np.argmin(_costs(thresholds, y, y_hat, cost_miss, cost_alarm))]


@best_threshold.mistake(
    "The sorted examples are cut between two equal scores, which no threshold can do.",
    hint="After the sums, look only at places where the next score is another one.",
)
def cut_between_equals(y, y_hat, cost_miss, cost_alarm):
    order = np.argsort(-y_hat, kind="stable")
    alarms = cost_alarm * np.append(0, np.cumsum(y[order] == 0))
    misses = cost_miss * (np.sum(y) - np.append(0, np.cumsum(y[order])))
    return np.append(np.inf, y_hat[order])[np.argmin(alarms + misses)]


@best_threshold.mistake(
    "This is the dearest threshold of all.",
    hint="np.argmin, not np.argmax.",
)
def dearest_instead(y, y_hat, cost_miss, cost_alarm):
    thresholds = np.append(np.unique(y_hat), np.inf)
    return thresholds[np.argmax(_costs(thresholds, y, y_hat, cost_miss, cost_alarm))]
