"""Chapter 7, logistic regression and cross entropy: references, cases and known mistakes."""

import copy
from collections.abc import Iterator

import numpy as np

from autograder.exercise import FRESH_RNG, exercise, public
from autograder.slips import slip

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
    whole=("z",),
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
    array of the shape of z, from 0 to 1, right to nine decimals. NumPy has no reason to warn,
    whatever z is.

    Source: lecture A.
    """
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, e) / (1 + e)


@sigmoid.cases
def slopes_near_the_middle(rng):
    """Numbers of ordinary size, in arrays of one and of two dimensions."""
    for shape in (rng.integers(3, 7), (2, 3)):
        yield dict(z=_signed(rng, shape, 0.3, 6))


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


sigmoid.slips(
    overflows_below=slip(
        lambda z: 1 / (1 + np.exp(-z)),
        "It overflows where z is far below zero: exp(-z) is then too large for a float.",
        hint="exp of a negative number never overflows. Which form of the formula wants exp(z)?",
    ),
    overflows_above=slip(
        lambda z: np.exp(z) / (1 + np.exp(z)),
        "It overflows where z is far above zero: exp(z) is then too large for a float.",
        hint="exp of a negative number never overflows. Which form of the formula wants exp(-z)?",
    ),
    both_forms_everywhere=slip(
        lambda z: np.where(z >= 0, 1 / (1 + np.exp(-z)), np.exp(z) / (1 + np.exp(z))),
        "It overflows at both ends: np.where computes both forms everywhere, then picks.",
        hint="What np.where throws away was computed all the same. Give exp an argument that is "
        "never positive, or compute each form at its own entries alone.",
    ),
    kept_off_the_ends=slip(
        lambda z: np.clip(sigmoid.reference(z), 1e-7, 1 - 1e-7),
        "Answers are kept away from 0 and 1. That stops no overflow, and spoils the small ones.",
        hint="A sigmoid of -1000 is 0 to every digit that a float has. No clipping is needed.",
    ),
    falling=slip(
        lambda z: sigmoid.reference(-np.asarray(z)),
        "The sign of z is lost: the curve falls where it should rise.",
        hint="A large z stands for a sure yes: the answer there is near 1.",
    ),
    slope_instead=slip(
        {"return": "s =", "(1 + e)": "(1 + e)\n    return s * (1 - s)"},
        "This is the slope of the sigmoid, s (1 - s), not the sigmoid.",
        hint="A slope is near 0 at both ends; the sigmoid is near 1 at one of them.",
    ),
    hyperbolic_tangent=slip(
        lambda z: np.tanh(z),
        "This is the hyperbolic tangent: it runs from -1 to 1.",
        hint="The two are relatives, sigmoid(z) = (1 + tanh(z / 2)) / 2. No probability is "
        "negative.",
    ),
    twice_as_steep=slip(
        lambda z: (1 + np.tanh(z)) / 2,
        "The tangent form has z where z / 2 belongs: the curve is twice as steep.",
        hint="sigmoid(z) = (1 + tanh(z / 2)) / 2. Check it at z = 2, where the sigmoid is 0.881.",
    ),
    a_step=slip(
        lambda z: np.where(z > 0, 1.0, 0.0),
        "This is a step, 0 or 1: the probability between them is lost.",
        hint="The line where the answer is one half is as in a perceptron; the way there is "
        "smooth.",
    ),
)


@sigmoid.property(mistake="kept_off_the_ends")
def goes_down_to_zero(answer, case):
    """However the ends are kept away: z clipped at 20 does it as well."""
    return not (np.min(case.expected) < 1e-100 and 1e-12 < np.min(answer) < 1e-3)


sigmoid.remark(
    "A warning that is silenced is still an overflow: with exp(-|z|) there is none to silence.",
    uses=("errstate", "seterr", "filterwarnings"),
)
sigmoid.remark(
    "scipy.special.expit is this function, stable at both ends; now you know what is inside.",
    uses="expit",
)


@exercise(
    points=3,
    whole=("z",),
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
    """Logits of ordinary size, the largest on the wrong side; then one example alone."""
    case = _examples(rng, rng.integers(5, 12))
    case["z"][0] = (1 - 2 * case["y"][0]) * rng.uniform(8, 9)
    yield case
    yield _examples(rng, 1)


def _sure(rng, side: int, low, high) -> Iterator[dict]:
    """Logits of one sign on the right side (1) or the wrong side (-1), and two of another kind:
    of ordinary size, on the right side."""
    for label in (0, 1):
        z = side * (2 * label - 1) * rng.uniform(low, high)
        y = np.full(len(z), label)
        yield dict(z=np.append(z, rng.uniform(2, 3, 2) * [1, -1]), y=np.append(y, [1, 0]))


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


def _plain_loss(y_hat, y):
    """The formula as it stands."""
    return -np.mean(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat))


def _label_share(z, y):
    """The probability of each label that came, rounded as a float is."""
    return np.where(y == 1, sigmoid.reference(z), 1 - sigmoid.reference(z))


bce_with_logits.slips(
    log_of_rounded_zero=slip(
        lambda z, y: _plain_loss(sigmoid.reference(z), y),
        "Where sigmoid(z) was rounded to 0 or 1, this takes 0 * log(0), which is nan.",
        hint="Do not compute y_hat at all: put the formula of the sigmoid into the loss and "
        "simplify.",
    ),
    log_of_the_labels_share=slip(
        lambda z, y: -np.mean(np.log(_label_share(z, y))),
        "The logarithm of a rounded zero: where y_hat has become 0 or 1 on the wrong side, the "
        "loss is infinite.",
        hint="At z = 1000 with y = 0 the loss is 1000. Simplify log(1 - sigmoid(z)) before "
        "computing.",
    ),
    exp_overflows=slip(
        lambda z, y: np.mean(np.log(1 + np.exp(z)) - y * z),
        "It overflows: exp(z) is too large for a float where z is above 709.",
        hint="log(1 + exp(z)) is z + log(1 + exp(-z)). Use the form whose exponent is not "
        "positive, or np.logaddexp.",
    ),
    exp_overflows_below=slip(
        lambda z, y: np.mean(np.log(1 + np.exp(-z)) + (1 - y) * z),
        "It overflows: exp(-z) is too large for a float where z is below -709.",
        hint="log(1 + exp(-z)) is log(1 + exp(z)) - z. Use the form whose exponent is not "
        "positive, or np.logaddexp.",
    ),
    probability_clipped=slip(
        lambda z, y: _plain_loss(np.clip(sigmoid.reference(z), 1e-7, 1 - 1e-7), y),
        "y_hat is clipped to 1e-7: no loss can then be larger than 16, however wrong the answer.",
        hint="Clipping hides the error that the loss is there to measure. Simplify the formula "
        "first.",
    ),
    probability_kept_off_the_ends=slip(
        lambda z, y: _plain_loss(np.clip(sigmoid.reference(z), 1e-12, 1 - 1e-12), y),
        "y_hat is kept 1e-12 away from 0 and 1: no loss can then be larger than 28, however wrong "
        "the answer.",
        hint="Clipping hides the error that the loss is there to measure. Simplify the formula "
        "first.",
    ),
    floor_in_the_log=slip(
        lambda z, y: -np.mean(np.log(np.maximum(_label_share(z, y), 1e-300))),
        "y_hat is kept above 1e-300 in the logarithm: where it was rounded to 0 the loss is 691, "
        "whatever the logit.",
        hint="Clipping hides the error that the loss is there to measure. Simplify the formula "
        "first.",
    ),
    probability_clipped_late=slip(
        lambda z, y: _plain_loss(np.clip(sigmoid.reference(z), 1e-15, 1 - 1e-15), y),
        "y_hat is clipped to 1e-15: no loss can then be larger than 35, however wrong the answer.",
        hint="Clipping hides the error that the loss is there to measure. Simplify the formula "
        "first.",
    ),
    small_number_in_the_log=slip(
        lambda z, y: -np.mean(np.log(_label_share(z, y) + 1e-8)),
        "A small number inside the logarithm: no loss can then be larger than 18 or so, and every "
        "loss is a little off.",
        hint="A patch against log(0) caps the loss. Simplify the formula, and there is no log(0).",
    ),
    capped=slip(
        lambda z, y: -np.mean(np.log(_label_share(z, y) + 1e-10)),
        "However wrong an answer, its loss is never above some number: that is what a clip does, "
        "or a small number inside the logarithm.",
        hint="A patch against log(0) hides the error that the loss is there to measure. Simplify "
        "the formula, and there is no log(0).",
    ),
    logits_clipped=slip(
        lambda z, y: bce_with_logits.reference(np.clip(z, -30, 30), y),
        "The logits are clipped to 30: no loss can then be larger than 30, however wrong the "
        "answer.",
        hint="It looks stable, because nothing overflows. But at z = 1000 with y = 0 the loss is "
        "1000.",
    ),
    logits_clipped_late=slip(
        lambda z, y: bce_with_logits.reference(np.clip(z, -500, 500), y),
        "The logits are clipped to 500: no loss can then be larger than 500.",
        hint="It looks stable, because nothing overflows. But at z = 1000 with y = 0 the loss is "
        "1000.",
    ),
    losses_summed=slip(
        {"np.mean": "np.sum"},
        "The losses are summed; the loss of a data set is their mean.",
        hint="A data set of twice the size must not be twice as bad: divide by n.",
    ),
    every_logit_with_every_label=slip(
        {"y * z": "y.reshape(-1, 1) * z"},
        "Every logit meets every label: a column against a row makes (n, n).",
        hint="Print the shape of z * y inside your function. It must be (n,): leave the shapes "
        "alone.",
    ),
    labels_exchanged=slip(
        lambda z, y: bce_with_logits.reference(z, 1 - y),
        "The labels are exchanged: a sure yes is punished where y is 1.",
        hint="For y = 1 and a large z the loss is near 0.",
    ),
    minus_forgotten=slip(
        lambda z, y: -bce_with_logits.reference(z, y),
        "The sign is missing: a loss is minus the logarithm of a probability, so it is not "
        "negative.",
        hint="The logarithm of a number below 1 is negative.",
    ),
    label_added=slip(
        {"z) - y * z": "z) + y * z"},
        "y * z is added; a sure yes that is right must cost less than a doubtful one.",
        hint="For y = 1 the loss is log(1 + exp(-z)). That is log(1 + exp(z)) minus z.",
    ),
    yes_examples_alone=slip(
        lambda z, y: np.mean(y * np.logaddexp(0.0, -np.asarray(z))),
        "Only the examples with y = 1 are counted; those with y = 0 have a loss too.",
        hint="-log(1 - y_hat) where y is 0.",
    ),
    sigmoid_twice=slip(
        lambda z, y: bce_with_logits.reference(sigmoid.reference(z), y),
        "The sigmoid is taken twice: the loss was given probabilities where it wants logits.",
        hint="bce_with_logits does the sigmoid itself. Give it z, not sigmoid(z).",
    ),
    labels_of_minus_one=slip(
        {"z) - y * z": "-y * z)"},
        "This formula wants labels of -1 and 1; with 0 an example always costs log 2.",
        hint="log(1 + exp(-y z)) is right once y is replaced by 2 y - 1.",
    ),
)


@bce_with_logits.property(mistake="capped")
def costs_what_it_does(answer, case):
    """Sure and wrong: whatever number stands in the logarithm, or at the end of a clip."""
    return not (case.expected > 6 and 0 < answer < 0.9 * case.expected)


bce_with_logits.remark(
    "The library gives the number; the formula is one line of NumPy.",
    uses=("log_loss", "binary_cross_entropy_with_logits", "BCEWithLogitsLoss"),
)


@exercise(
    points=3,
    whole=("w", "X"),
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
    n, d = rng.integers(6, 10), rng.integers(2, 5)
    return dict(w=rng.normal(size=d), b=_signed(rng, (), 0.5, 2), **_batch(rng, n, d))


def _batch(rng, n: int, d: int) -> dict:
    return dict(X=rng.normal(size=(n, d)) + 0.5, y=_both_labels(rng, n))


@logistic_gradient.cases
def at_the_start(rng):
    """All weights are still zero; the bias is not."""
    n, d = rng.integers(5, 8), rng.integers(2, 5)
    return dict(w=np.zeros(d), b=_signed(rng, (), 0.5, 2), **_batch(rng, n, d))


@logistic_gradient.cases
def steep_weights(rng):
    """Weights so large that logits are beyond 1000, on either side."""
    n, d = rng.integers(6, 9), 2
    side = rng.choice([-1, 1], n)
    side[:3] = 1, -1, -1
    y = (side > 0).astype(int)
    y[1] = 1
    X = side[:, np.newaxis] * rng.uniform(0.5, 2, (n, d))
    return dict(w=rng.uniform(1500, 2500, d), b=0.5, X=X, y=y)


logistic_gradient.slips(
    summed_over_the_batch=slip(
        {" / len(y)": "", "np.mean": "np.sum"},
        "The derivatives are summed over the batch; the loss is a mean, so they are too.",
        hint="Divide both by n, the number of rows.",
    ),
    bias_summed=slip(
        {"np.mean": "np.sum"},
        "The derivative by b is summed over the batch, that by w is a mean.",
        hint="The bias meets every example, as the weights do: the mean of the errors.",
    ),
    bias_not_summed=slip(
        {"float(np.mean(error))": "error"},
        "The derivative by b has an entry for each example; there is one bias, so there is one "
        "number.",
        hint="Every example pulls at the same b: take the mean of their errors.",
    ),
    divided_by_the_features=slip(
        {"len(y)": "X.shape[1]", "np.mean(error)": "np.sum(error) / X.shape[1]"},
        "Divided by the number of features; the mean is over the examples.",
        hint="n is the number of rows: len(y), or X.shape[0].",
    ),
    points_downhill=slip(
        {"sigmoid(X @ w + b) - y": "y - sigmoid(X @ w + b)"},
        "The sign is reversed: the gradient points uphill, from y to y_hat.",
        hint="Where y_hat is too large, a larger b makes it worse: the derivative is positive "
        "there.",
    ),
    divided_twice=slip(
        {"sigmoid(X @ w + b) - y": "(sigmoid(X @ w + b) - y) / len(y)"},
        "Divided by n twice: once in the error, and once more in the mean.",
        hint="The mean of the loss gives one factor 1 / n, to dw and to db alike.",
    ),
    slope_left_over=slip(
        {
            "error = sigmoid(X @ w + b) - y": (
                "s = sigmoid(X @ w + b)\n    error = (s - y) * s * (1 - s)"
            ),
        },
        "There is a factor y_hat (1 - y_hat) left over: it belongs to the squared error.",
        hint="With the cross entropy that factor cancels, and so a sure and wrong answer still "
        "learns.",
    ),
    sigmoid_missing=slip(
        {"sigmoid(X @ w + b)": "X @ w + b"},
        "The sigmoid is missing: this is the gradient of a linear model.",
        hint="The error is the probability minus the label, not the logit minus the label.",
    ),
    bias_left_out=slip(
        {" + b": ""},
        "The bias is left out of the logits.",
        hint="y_hat = sigmoid(X @ w + b).",
    ),
    predictions_rounded=slip(
        {"sigmoid(X @ w + b)": "(X @ w + b > 0)"},
        "The predictions are rounded to 0 or 1 first: that is the perceptron's rule.",
        hint="A probability of 0.6 for a yes has something left to learn; a rounded one has not.",
    ),
    predictions_against_all_labels=slip(
        {"sigmoid(X @ w + b) - y": "np.mean(sigmoid(X @ w + b).reshape(-1, 1) - y, axis=1)"},
        "Every prediction is compared with every label: a column against a row makes (n, n).",
        hint="Print the shape of the error inside your function. It must be (n,).",
    ),
    gradient_overflows=slip(
        {"error = sigmoid(X @ w + b)": "z = X @ w + b\n    error = np.exp(z) / (1 + np.exp(z))"},
        "It overflows: exp(z) / (1 + exp(z)) is nan where z is above 709.",
        hint="Your own sigmoid, once it is right, has no such limit: use it.",
    ),
    bias_first=slip(
        lambda w, b, X, y: logistic_gradient.reference(w, b, X, y)[::-1],
        "The two answers are in the wrong order: dw comes first, then db.",
        hint="The last line is return dw, db.",
    ),
)


@exercise(
    points=2,
    whole=("X_train", "X_test"),
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
    n, m, d = rng.integers(6, 9), rng.integers(3, 5), rng.integers(2, 4)
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
    column, value = rng.integers(2), rng.integers(1, 9)
    case["X_train"][:, column] = value
    case["X_test"][:, column] = value
    return case


@standardise.cases
def a_single_test_row(rng):
    """The test set is one row: it has no spread of its own."""
    case = _features(rng)
    return dict(X_train=case["X_train"], X_test=case["X_test"][:1])


standardise.slips(
    test_set_by_itself=slip(
        lambda X_train, X_test: tuple(standardise.reference(X, X)[0] for X in (X_train, X_test)),
        "The test set is standardised by its own mean and spread.",
        hint="A row of the test set would then mean something else than the same row in training.",
    ),
    statistics_of_both=slip(
        lambda X_train, X_test: tuple(
            standardise.reference(np.concatenate([X_train, X_test]), X)[1]
            for X in (X_train, X_test)
        ),
        "Mean and spread are those of both sets together: the test set leaks into training.",
        hint="The test set stands for rows that nobody has seen yet. Use X_train alone.",
    ),
    test_set_as_it_was=slip(
        {"(X_test - mean) / spread": "X_test.astype(float)"},
        "The test set is not standardised by the training set's statistics: it came back as it "
        "was.",
        hint="Keep mean and spread from before X_train was changed, then use them twice.",
    ),
    one_mean_for_all_columns=slip(
        {
            "X_train.mean(axis=0), X_train.std(axis=0)": "X_train.mean(), X_train.std()",
            "np.ptp(X_train, axis=0)": "spread",
        },
        "One mean and one spread for the whole array; every column wants its own.",
        hint="X_train.mean(axis=0) has shape (d,).",
    ),
    along_the_rows=slip(
        lambda X_train, X_test: tuple(
            (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
            for X in (X_train, X_test)
        ),
        "Mean and spread are taken along the rows; a feature is a column.",
        hint="axis=0 runs down a column. The mean of a row adds up metres and kilograms.",
    ),
    divided_by_the_variance=slip(
        {"X_train.std": "X_train.var"},
        "Divided by the variance; the standard deviation is its root.",
        hint="A feature in metres has a variance in square metres: the units must cancel.",
    ),
    only_shifted=slip(
        lambda X_train, X_test: (X_train - X_train.mean(axis=0), X_test - X_train.mean(axis=0)),
        "The mean is subtracted, but nothing is divided by.",
        hint="Columns of very different scales make the loss a ravine. Bring each to spread 1.",
    ),
    divisor_one_less=slip(
        {"X_train.std(axis=0)": "X_train.std(axis=0, ddof=1)"},
        "The standard deviation has the divisor n - 1; here it is n.",
        hint="ddof=0, which is NumPy's own choice.",
    ),
    divided_by_zero=slip(
        {"1.0, spread": "0.0, spread"},
        "A column that never changes is divided by 0: nan.",
        hint="Its standard deviation is 0, and so is what is left after the mean is gone. Divide "
        "by 1.",
    ),
    squeezed_to_one=slip(
        {
            "X_train.mean(axis=0), X_train.std(axis=0)": (
                "X_train.min(axis=0), np.ptp(X_train, axis=0)"
            ),
        },
        "The columns are squeezed between 0 and 1; wanted is mean 0 and standard deviation 1.",
        hint="The smallest and the largest row alone decide then. Use the mean and the spread.",
    ),
)


standardise.remark(
    "StandardScaler, fitted on X_train alone, is this function; now you know what it keeps.",
    uses="StandardScaler",
)


# fit_logistic is judged where the order of the rows is no matter, by values. What the order is
# like shows in how many different fits different generators give, and in nothing else.


@public
def one_fit_or_many(fit_logistic, X, y, lr, batch_size, epochs, rng, generators=0):
    """One fit; or twice from rng's state, and twice from the same state of each of that many
    other generators: an array of shape (generators + 1, 2, d + 1), or what came back first."""
    if not generators:
        return fit_logistic(X, y, lr, batch_size, epochs, rng)
    states = [rng, *(np.random.default_rng(s) for s in rng.integers(2**63, size=generators))]
    twins = copy.deepcopy(states)
    fits = []
    for state in zip(states, twins, strict=True):
        for source in state:
            fit = fit_logistic(X.copy(), y.copy(), lr, batch_size, epochs, source)
            fits.append(np.append(*fit))
    return np.reshape(fits, (len(states), 2, -1))


@public
def different(fits):
    """How many of the fits differ from all before them."""
    found = []
    for fit in fits[:, 0]:
        if not any(np.max(np.abs(fit - other)) < 1e-9 for other in found):
            found.append(fit)
    return len(found)


@exercise(
    points=4,
    whole=("X",),
    by_value=False,
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
    d = d or rng.integers(2, 4)
    return dict(
        X=_signed(rng, (n, d), 0.4, 2.0),
        y=_both_labels(rng, n),
        lr=rng.uniform(0.3, 0.8),
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
    n = rng.integers(8, 13)
    yield _training(rng, n, n, rng.integers(3, 6))
    yield _training(rng, n, n + rng.integers(2, 9), rng.integers(3, 6))
    yield _training(rng, n, n // 2, 0)


@fit_logistic.cases
def equal_rows_whole_batches(rng):
    """All rows are the same, and the batch size divides their number."""
    size = rng.integers(2, 5)
    yield _rows_alike(rng, size * rng.integers(3, 5), size, rng.integers(2, 4))
    yield _rows_alike(rng, rng.integers(5, 8), 1, 2)


@fit_logistic.cases
def equal_rows_short_batch(rng):
    """All rows are the same, and the last batch of an epoch is short."""
    size = rng.integers(4, 7)
    n = size * rng.integers(2, 4) + rng.integers(1, size - 1)
    return _rows_alike(rng, n, size, rng.integers(2, 4))


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
    """Whether these are the many fits of `one_fit_or_many`."""
    return isinstance(answer, np.ndarray) and answer.ndim == 3


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
    return not many or different(answer) == 1


@fit_logistic.property("Labels do not stay with their rows.", mistake="labels_left_behind")
def labels_stay_with_rows(answer, case):
    many = of_many(answer) and case.args["batch_size"] > 1
    return not many or len(np.unique(case.args["y"])) == 1 or different(answer) == 1


@fit_logistic.property("Not all randomness is rng's.", mistake="another_generator")
def same_state_same_fit(answer, case):
    return not of_many(answer) or bool(np.max(np.abs(answer[:, 0] - answer[:, 1])) < 1e-9)


@fit_logistic.property("The rows are not shuffled by rng.", mistake="rows_not_shuffled")
def order_from_rng(answer, case):
    many = of_many(answer) and case.args["batch_size"] == 1
    return not many or different(answer) > 1


@fit_logistic.property("There is one order for all epochs.", mistake="one_order_for_all_epochs")
def new_order_each_epoch(answer, case):
    many = of_many(answer) and case.args["batch_size"] == 1
    return not many or different(answer) != 2


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


fit_logistic.slips(
    rows_not_shuffled=slip(
        {"rng.permutation(len(y))": "np.arange(len(y))"},
        "The rows are not shuffled by rng: every generator gives the same fit.",
        hint="Batches of neighbours, always the same ones. Use order = rng.permutation(n).",
    ),
    one_order_for_all_epochs=slip(
        {
            "w, b = np": "order = rng.permutation(len(y))\n    w, b = np",
            "        order = rng.permutation(len(y))\n": "",
        },
        "The rows are shuffled once, and every epoch then has the same order.",
        hint="Call rng.permutation inside the loop over the epochs.",
    ),
    labels_left_behind=slip(
        {"y[rows]": "y[start : start + batch_size]"},
        "The rows are shuffled and the labels are not, so that most rows have another one's label.",
        hint="Shuffle row numbers, and use them for both: X[rows], y[rows].",
    ),
    rows_drawn_with_replacement=slip(
        {"rng.permutation(len(y))": "rng.integers(0, len(y), len(y))"},
        "Rows are drawn with replacement: in an epoch some come twice and others not at all.",
        hint="A permutation has each row number once.",
    ),
    another_generator=slip(
        {"rng.perm": "np.random.perm"},
        "The randomness does not come from rng alone: the same state gives another fit.",
        hint="rng.permutation, not np.random.permutation.",
    ),
    random_start=slip(
        {"np.zeros(X.shape[1])": "0.01 * rng.normal(size=X.shape[1])"},
        "With no epoch at all w and b must be 0. Yours are not: another start, or an epoch too "
        "many.",
        hint="The loss is convex: no start is better, and zeros make the fit repeatable. If yours "
        "does start there, look at range(epochs): it has as many rounds as it says.",
    ),
    start_at_one=slip(
        {"np.zeros(X.shape[1]), 0.0": "np.ones(X.shape[1]), 1.0"},
        "The walk starts at one; here it starts at zero.",
        hint="w = np.zeros(d), b = 0.0.",
    ),
    short_batch_left_out=slip(
        {
            "w, b = np": "batch_size = min(batch_size, len(y))\n    w, b = np",
            "0, len(y)": "0, len(y) - batch_size + 1",
        },
        "The short batch at the end of an epoch is left out.",
        hint="range(0, n, batch_size) has a start for it, and a slice may be short.",
    ),
    short_batch_as_if_full=slip(
        {
            "w, b = np": "batch_size = min(batch_size, len(y))\n    w, b = np",
            "lr * dw": "lr * dw * len(rows) / batch_size",
            "lr * db": "lr * db * len(rows) / batch_size",
        },
        "The short batch is averaged as if it were full: its step is too small.",
        hint="Divide by the rows that the batch has, not by batch_size. logistic_gradient does it.",
    ),
    steps_grow_with_the_batch=slip(
        {"lr * dw": "lr * dw * len(rows)", "lr * db": "lr * db * len(rows)"},
        "The steps grow with the batch: the gradient is summed over it, not averaged.",
        hint="logistic_gradient is a mean already.",
    ),
    batch_size_ignored=slip(
        {"w, b = np": "batch_size = len(y)\n    w, b = np"},
        "Every update uses all rows: batch_size is ignored.",
        hint="X[rows], y[rows], with batch_size row numbers in rows.",
    ),
    one_batch_an_epoch=slip(
        {"range(0, len(y), batch_size)": "[0]"},
        "An epoch is one batch here; it should go through all rows, batch after batch.",
        hint="There is a second loop inside the epoch.",
    ),
    one_epoch_only=slip(
        {"range(epochs)": "range(min(epochs, 1))"},
        "There is only one epoch, however many are asked for: the function returns too early.",
        hint="The return stands after both loops, at the depth of the def's body.",
    ),
    steps_uphill=slip(
        {"w - lr": "w + lr", "b - lr": "b + lr"},
        "The steps go uphill: the gradient is added.",
        hint="A gradient points to where the loss grows. Subtract it.",
    ),
    bias_not_trained=slip(
        {"b - lr * db": "b"},
        "The bias is never trained.",
        hint="b steps against db, as w steps against dw.",
    ),
    bias_a_step_behind=slip(
        {
            "w, b = w - lr * dw, b - lr * db": (
                "w = w - lr * dw\n"
                "            b = b - lr * logistic_gradient(w, b, X[rows], y[rows])[1]"
            ),
        },
        "b is moved by a gradient that was taken after w had moved: the two belong to one point.",
        hint="Ask logistic_gradient once for each update, and then move both.",
    ),
    standardised_inside=slip(
        {"w, b = np": "X = standardise(X, X)[0]\n    w, b = np"},
        "X is standardised inside: whoever called wants the weights of the features as they are.",
        hint="Standardising comes before, with the training set's statistics, in standardise.",
    ),
)


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
    # An odd number: half of them is never right, and what is right becomes another share of it.
    case = _predictions(rng, 2 * rng.integers(5, 9) + 1, 2)
    yield case
    yield {**case, "y_hat": 1 - case["y_hat"]}


@accuracy.cases
def several_classes(rng):
    """Several classes."""
    for classes in (3, 6):
        yield _predictions(rng, rng.integers(11, 18), classes)


@accuracy.cases
def all_right_or_wrong(rng):
    """Everything is right; then everything is wrong."""
    y = rng.integers(0, 4, rng.integers(5, 9))
    yield dict(y=y, y_hat=y.copy())
    yield dict(y=y, y_hat=(y + rng.integers(1, 4, len(y))) % 4)


accuracy.slips(
    counted=slip(
        lambda y, y_hat: int(np.sum(y == y_hat)),
        "Right predictions are counted; the accuracy is their share.",
        hint="Divide by n, or take the mean.",
    ),
    error_rate=slip(
        lambda y, y_hat: np.mean(y != y_hat),
        "This is the share of errors.",
        hint="Two labels that are equal are a success: y == y_hat.",
    ),
    percentage=slip(
        lambda y, y_hat: 100 * np.mean(y == y_hat),
        "This is a percentage; a share lies between 0 and 1.",
        hint="Leave the factor 100 to whoever prints it.",
    ),
    labels_of_all_pairs=slip(
        lambda y, y_hat: np.mean(y.reshape(-1, 1) == y_hat),
        "Every label is compared with every prediction: a column against a row makes (n, n).",
        hint="Print (y == y_hat).shape inside your function. It must be (n,).",
    ),
    cut_at_one_half=slip(
        lambda y, y_hat: np.mean((y > 0.5) == (y_hat > 0.5)),
        "The labels are cut at one half, as if they were probabilities: classes 1 and 2 become "
        "one.",
        hint="They are labels already. Compare them as they are.",
    ),
    distance_of_labels=slip(
        lambda y, y_hat: 1 - np.mean(np.abs(y - y_hat)),
        "This is 1 minus the mean distance of the labels; a wrong label is wrong, however near.",
        hint="Labels are names: class 2 is no nearer to 3 than to 9.",
    ),
    all_or_nothing=slip(
        lambda y, y_hat: float(np.all(y == y_hat)),
        "Only whether everything is right is asked.",
        hint="np.all gives one yes or no. The share is the mean.",
    ),
)


accuracy.remark(
    "accuracy_score gives the number; one line of NumPy does too.", uses="accuracy_score"
)


@exercise(
    points=2,
    whole=("z",),
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
    n, k = rng.integers(2, 4), rng.integers(4, 6)
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
    """Rows about 1000, 2000 and 3000 away from zero, and one entry far above the rest of its row.

    Of the whole array's largest entry, a row's mean and its smallest none is a shift for all rows.
    """
    z = _logits(rng, 3, rng.integers(4, 7))
    z[0, rng.integers(0, z.shape[1])] += rng.uniform(1100, 1200)
    return rng.permutation(z + side * np.array([[3000], [2000], [1000]]) * rng.uniform(0.9, 1.1))


@log_sum_exp.cases
def sums_of_ordinary_rows(rng):
    """Ordinary numbers, in one, two and three dimensions."""
    for z in _row_shapes(rng):
        yield dict(z=z)


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


log_sum_exp.slips(
    sum_unshifted=slip(
        lambda z: np.log(np.sum(np.exp(z), axis=-1)),
        "The formula as it stands: exp overflows above 709, and far below zero it is log(0).",
        hint="Take the row's largest entry away before exp, and add it to the answer.",
    ),
    not_added_back=slip(
        lambda z: log_sum_exp.reference(z) - np.max(z, axis=-1),
        "The largest entry is taken away, but not added back.",
        hint="log(exp(a) + exp(b)) = m + log(exp(a - m) + exp(b - m)).",
    ),
    shifted_by_the_largest_of_all=slip(
        lambda z: np.log(np.sum(np.exp(z - np.max(z)), axis=-1)) + np.max(z),
        "The largest entry of the whole array is taken away from every row: in a row far below it "
        "all exps are 0.",
        hint="Each row has its own largest entry: axis=-1, keepdims=True.",
    ),
    sums_down_the_columns=slip(
        lambda z: log_sum_exp.reference(np.moveaxis(z, 0, -1)),
        "The sum runs over the first axis; it should run over the last.",
        hint="axis=-1, whatever the number of dimensions.",
    ),
    one_sum_of_all=slip(
        lambda z: log_sum_exp.reference(np.ravel(z)),
        "The sum runs over the whole array; every row wants its own.",
        hint="Without an axis np.sum adds up everything: axis=-1.",
    ),
    one_sum_of_all_unshifted=slip(
        lambda z: np.log(np.sum(np.exp(z))),
        "The sum runs over the whole array, where every row wants its own; and large numbers "
        "overflow.",
        hint="Two things: a sum without an axis adds up everything, and exp wants the row's "
        "largest entry taken away first.",
    ),
    axis_kept=slip(
        lambda z: log_sum_exp.reference(z)[..., np.newaxis],
        "The last axis is still there, with length 1.",
        hint="keepdims=True is handy for the subtraction; drop that axis before you return.",
    ),
    exponents_clipped=slip(
        lambda z: np.log(np.sum(np.exp(np.clip(z, -700, 700)), axis=-1)),
        "The exponents are clipped at 700: it looks stable, but every larger z gives the same "
        "answer.",
        hint="Nothing has to be cut off: take the row's largest entry away, and add it back.",
    ),
    exponents_clipped_early=slip(
        lambda z: np.log(np.sum(np.exp(np.clip(z, -30, 30)), axis=-1)),
        "The exponents are clipped at 30: it looks stable, but every larger z gives the same "
        "answer.",
        hint="Nothing has to be cut off: take the row's largest entry away, and add it back.",
    ),
    sum_shifted_by_the_mean=slip(
        {"np.max": "np.mean"},
        "The row's mean is taken away, not its largest entry: an entry far above the mean "
        "overflows.",
        hint="On paper any shift will do. Which one makes sure that no exponent is above 0?",
    ),
    mean_in_the_log=slip(
        lambda z: log_sum_exp.reference(z) - np.log(np.shape(z)[-1]),
        "This is the logarithm of the mean, not of the sum.",
        hint="The two differ by log(k).",
    ),
    largest_alone=slip(
        lambda z: np.max(z, axis=-1) * 1.0,
        "This is the largest entry alone: it is near, and not the same.",
        hint="For two equal entries a the answer is a + log(2).",
    ),
)


log_sum_exp.remark(
    "scipy.special.logsumexp is this function; now you know what is inside.", uses="logsumexp"
)


@exercise(
    points=2,
    whole=("z",),
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
def shares_far_out(rng):
    """Logits about 1000 and more, then about -1000 and less."""
    for side in (1, -1):
        yield dict(z=_distant(rng, side))


@softmax.cases
def shares_far_apart(rng):
    """Rows that lie thousands apart, then far-flung entries of one row."""
    yield dict(z=_far_apart(rng, 4))
    yield dict(z=_wide(rng, 4))


softmax.slips(
    shares_unshifted=slip(
        {" - np.max(z, axis=-1, keepdims=True)": ""},
        "The formula as it stands: above 709 it is inf / inf, far below zero 0 / 0. Both are nan.",
        hint="Take the row's largest entry away before exp: no share changes.",
    ),
    shares_shifted_by_the_largest_of_all=slip(
        {"np.max(z, axis=-1, keepdims=True)": "np.max(z)"},
        "The largest entry of the whole array is taken away from every row: a row far below it "
        "becomes 0 / 0.",
        hint="Each row has its own largest entry: axis=-1, keepdims=True.",
    ),
    shares_of_the_whole=slip(
        lambda z: softmax.reference(np.ravel(z)).reshape(np.shape(z)),
        "The whole array adds up to 1; each row should.",
        hint="A sum without an axis adds up everything: axis=-1, keepdims=True.",
    ),
    shares_of_the_whole_unshifted=slip(
        {
            " - np.max(z, axis=-1, keepdims=True)": "",
            "np.sum(e, axis=-1, keepdims=True)": "np.sum(e)",
        },
        "The whole array adds up to 1, where each row should; and large logits overflow.",
        hint="Two things: a sum without an axis adds up everything, and exp wants the row's "
        "largest entry taken away first.",
    ),
    shifted_shares_of_the_whole=slip(
        {"np.sum(e, axis=-1, keepdims=True)": "np.sum(e)"},
        "The whole array adds up to 1; each row should.",
        hint="A sum without an axis adds up everything: axis=-1, keepdims=True.",
    ),
    shifted_shares_down_the_columns=slip(
        {"np.sum(e, axis=-1, keepdims=True)": "np.sum(e, axis=0, keepdims=True)"},
        "The columns add up to 1; the rows should.",
        hint="axis=-1, whatever the number of dimensions.",
    ),
    shares_down_the_columns=slip(
        lambda z: np.moveaxis(softmax.reference(np.moveaxis(z, 0, -1)), -1, 0),
        "The columns add up to 1; the rows should.",
        hint="axis=-1, whatever the number of dimensions.",
    ),
    not_divided=slip(
        {"return e / np.sum(e, axis=-1, keepdims=True)": "return e"},
        "Nothing is divided: these are the exps, not yet shares.",
        hint="Divide every row by its own sum.",
    ),
    exp_missing=slip(
        {"np.exp(z - np.max(z, axis=-1, keepdims=True))": "z"},
        "There is no exp: the logits themselves are divided by their sum.",
        hint="Logits may be negative, shares may not: exp comes first.",
    ),
    logarithms_of_shares=slip(
        lambda z: z - log_sum_exp.reference(z)[..., np.newaxis],
        "These are the logarithms of the probabilities.",
        hint="exp of what you have is the answer.",
    ),
    each_by_itself=slip(
        lambda z: sigmoid.reference(z),
        "A sigmoid of each logit by itself: the row does not add up to 1.",
        hint="What one class gains the others lose: divide by the sum over the row.",
    ),
    logits_cut_off=slip(
        lambda z: softmax.reference(np.clip(z, -700, 700)),
        "The logits are clipped: it looks stable, but all that lie beyond the clip become equal.",
        hint="Nothing has to be cut off: take the row's largest entry away before exp.",
    ),
    shares_shifted_by_the_mean=slip(
        {"np.max": "np.mean"},
        "The row's mean is taken away, not its largest entry: a logit far above the mean "
        "overflows.",
        hint="On paper any shift will do. Which one makes sure that no exponent is above 0?",
    ),
    shares_shifted_by_the_smallest=slip(
        {"np.max": "np.min"},
        "The row's smallest entry is taken away, not its largest: one far above it overflows.",
        hint="exp never overflows where its exponent is at most 0. Which shift makes sure of that?",
    ),
    shares_kept_off_the_ends=slip(
        lambda z: np.clip(softmax.reference(z), 1e-7, 1 - 1e-7),
        "The probabilities are clipped to 1e-7: a row no longer adds up to 1.",
        hint="A probability of 0 does no harm here. A loss that minds takes logits, not "
        "probabilities.",
    ),
)


@softmax.property(mistake="shares_down_the_columns")
def rows_add_up(answer, case):
    """Whatever was taken away before exp."""
    shares = np.asarray(answer)
    sums = [np.sum(shares, axis=axis) for axis in range(shares.ndim)]
    return len(sums) < 2 or np.allclose(sums[-1], 1) or not np.allclose(sums[0], 1)


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


def _one_unlikely(case: dict) -> dict:
    """The first row's label is so unlikely that a small number beside its probability shows."""
    first = case["logits"][0]
    label = case["labels"][0]
    first[label] = np.max(np.delete(first, label)) - 12
    return case


@cross_entropy_naive.cases
def naive_on_ordinary_logits(rng):
    """Logits of ordinary size, some of them whole numbers."""
    yield _one_unlikely(_labelled(rng, rng.integers(5, 9), rng.integers(3, 5)))
    case = _labelled(rng, 6, 4)
    yield {**case, "logits": np.round(2 * case["logits"]).astype(int)}


@cross_entropy_naive.cases
def naive_at_a_thousand(rng):
    """A logit of 1000, where the formula breaks; and the same logits without it."""
    case = _labelled(rng, rng.integers(4, 7), 3)
    large = case["logits"].copy()
    large[1, (case["labels"][1] + 1) % 3] = 1000.0
    for logits in (large, case["logits"]):
        yield {**case, "logits": logits}


@cross_entropy_naive.cases
def naive_at_the_edge(rng):
    """A logit just below 709.78, then one just above."""
    case = _labelled(rng, rng.integers(4, 7), 3)
    for edge in (rng.uniform(690, 705), rng.uniform(710, 740)):
        logits = case["logits"].copy()
        logits[2, case["labels"][2]] = edge
        yield {**case, "logits": logits}


cross_entropy_naive.slips(
    stable_form=slip(
        {
            "float(-np.mean(np.log(p[np.arange(len(labels)), labels])))": (
                "cross_entropy(logits, labels)"
            ),
        },
        "This is a stable form: it survives a logit of 1000. Here the formula as it stands is "
        "wanted.",
        hint="Leave the maximum out of it: exp, divide, logarithm. It should break.",
    ),
    naive_summed=slip(
        lambda logits, labels: len(labels) * cross_entropy_naive.reference(logits, labels),
        "The losses are summed; the loss is their mean.",
        hint="Divide by n, the number of rows.",
    ),
    naive_mean_over_classes=slip(
        lambda logits, labels: cross_entropy_naive.reference(logits, labels) / np.shape(logits)[1],
        "The mean is over all n * k entries; there are n examples.",
        hint="One-hot labels leave k - 1 zeros in each row: do not count them.",
    ),
    naive_without_minus=slip(
        {"-np.mean": "np.mean"},
        "The minus is missing.",
        hint="The logarithm of a probability is not positive; a loss is.",
    ),
    naive_all_pairs=slip(
        {"[np.arange(len(labels)), labels]": "[:, labels]"},
        "p[:, labels] takes from every row the entries of all labels: (n, n).",
        hint="p[np.arange(n), labels] takes from row i the entry labels[i].",
    ),
    naive_without_axis=slip(
        {"np.sum(e, axis=1, keepdims=True)": "np.sum(e)"},
        "The probabilities of the whole array add up to 1; those of each row should.",
        hint="np.sum(e, axis=1, keepdims=True).",
    ),
    naive_patched=slip(
        {", labels]": ", labels] + 1e-8"},
        "A small number inside the logarithm; the formula as it stands has none.",
        hint="It moves every loss a little, and it does not stop exp from overflowing.",
    ),
)


@exercise(
    points=2,
    whole=("logits",),
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
    yield _one_unlikely(_labelled(rng, rng.integers(5, 9), rng.integers(3, 5)))
    yield _labelled(rng, 1, 4)


@cross_entropy.cases
def loss_far_out(rng):
    """All logits are about 1000 and more, then about -1000 and less."""
    for side in (1, -1):
        case = _labelled(rng, rng.integers(4, 7), 3)
        yield {**case, "logits": case["logits"] + side * rng.uniform(800, 3000)}


@cross_entropy.cases
def loss_of_a_sure_error(rng):
    """In one row a wrong class is hundreds or thousands ahead."""
    for ahead in (rng.uniform(40, 500), rng.uniform(800, 3000)):
        case = _labelled(rng, rng.integers(4, 7), 3)
        case["logits"][1, (case["labels"][1] + 1) % 3] += ahead
        yield case


@cross_entropy.cases
def loss_of_rows_far_apart(rng):
    """Rows that lie thousands apart; in one a wrong class is far ahead."""
    logits, labels = _far_apart(rng, 4), rng.permutation(4)[:3]
    logits[1, (labels[1] + 1) % 4] += rng.uniform(800, 3000)
    return dict(logits=logits, labels=labels)


def _right_share(logits, labels):
    """The probability of each row's label, rounded as a float is."""
    return softmax.reference(logits)[np.arange(len(labels)), labels]


def _naive_loss(logits, labels, axis):
    """The formula as it stands, with the sum over another axis, or over all."""
    e = np.exp(logits)
    p = e / np.sum(e, axis=axis, keepdims=True)
    return -np.mean(np.log(p[np.arange(len(labels)), labels]))


_OF_THE_BATCH = "The exps are added up over the whole batch; every row has a sum of its own."
_OF_A_COLUMN = "The exps are added up down the columns; the classes of one example lie in a row."
_BY_ROW = "axis=1, over the classes: np.sum without an axis adds up everything, axis=0 the batch."


cross_entropy.slips(
    exp_of_large_logits=slip(
        lambda logits, labels: cross_entropy_naive.reference(logits, labels),
        "The formula as it stands: exp overflows above 709, and then inf / inf is nan.",
        hint="The loss is log_sum_exp of the row minus the logit of the label.",
    ),
    log_of_an_overflow=slip(
        {"log_sum_exp(logits)": "np.log(np.sum(np.exp(logits), axis=1))"},
        "The sum of exps overflows: its logarithm is taken without the shift by the row's largest.",
        hint="Your log_sum_exp does just this, without the overflow.",
    ),
    log_of_a_vanished_share=slip(
        lambda logits, labels: -np.mean(np.log(_right_share(logits, labels))),
        "The logarithm of a rounded zero: softmax no longer overflows, but the right class's share "
        "can be too small for a float.",
        hint="Do not go through the probabilities: the loss is log_sum_exp of the row minus the "
        "logit.",
    ),
    zero_times_log_zero=slip(
        lambda logits, labels: (
            -np.sum(_one_hot(logits, labels) * np.log(softmax.reference(logits))) / len(labels)
        ),
        "Where another class's share is rounded to zero, 0 * log(0) is nan: one-hot labels do not "
        "leave it out.",
        hint="Do not go through the probabilities: the loss is log_sum_exp of the row minus the "
        "logit.",
    ),
    shift_not_put_back=slip(
        {"log_sum_exp(logits)": "(log_sum_exp(logits) - np.max(logits, axis=1))"},
        "The row's largest logit is taken away before exp and is not added again after log.",
        hint="log(sum(exp(z))) = m + log(sum(exp(z - m))). Or take m from the label's logit, too.",
    ),
    relu_before_the_loss=slip(
        lambda logits, labels: cross_entropy.reference(np.maximum(logits, 0), labels),
        "There is a ReLU before the loss: all negative logits become equal.",
        hint="The loss wants the logits as they are.",
    ),
    a_loss_for_each_row=slip(
        {"float(np.mean(log_sum_exp(logits) - chosen))": "log_sum_exp(logits) - chosen"},
        "There is a loss for each row; their mean is wanted.",
        hint="np.mean of them: one number.",
    ),
    shares_clipped=slip(
        lambda logits, labels: (
            -np.mean(np.log(np.clip(_right_share(logits, labels), 1e-7, 1 - 1e-7)))
        ),
        "Probabilities are clipped to 1e-7: no example can then cost more than 16.",
        hint="Clipping hides the error that the loss is there to measure. Leave the probabilities "
        "out.",
    ),
    shares_kept_above_zero=slip(
        lambda logits, labels: -np.mean(np.log(np.maximum(_right_share(logits, labels), 1e-12))),
        "Probabilities are kept above 1e-12: no example can then cost more than 28.",
        hint="Clipping hides the error that the loss is there to measure. Leave the probabilities "
        "out.",
    ),
    shares_kept_above_almost_nothing=slip(
        lambda logits, labels: -np.mean(np.log(np.maximum(_right_share(logits, labels), 1e-300))),
        "Probabilities are kept above 1e-300: no example can then cost more than 691.",
        hint="Clipping hides the error that the loss is there to measure. Leave the probabilities "
        "out.",
    ),
    shares_clipped_late=slip(
        lambda logits, labels: -np.mean(np.log(np.maximum(_right_share(logits, labels), 1e-15))),
        "Probabilities are clipped to 1e-15: no example can then cost more than 35.",
        hint="Clipping hides the error that the loss is there to measure. Leave the probabilities "
        "out.",
    ),
    small_number_beside_the_share=slip(
        lambda logits, labels: -np.mean(np.log(_right_share(logits, labels) + 1e-8)),
        "A small number inside the logarithm: no example can then cost more than 18 or so, and "
        "every loss is a little off.",
        hint="A patch against log(0) caps the loss. Without the probabilities there is no log(0).",
    ),
    loss_capped=slip(
        lambda logits, labels: -np.mean(np.log(_right_share(logits, labels) + 1e-10)),
        "However wrong an answer, its loss is never above some number: that is what a clip does, "
        "or a small number inside the logarithm.",
        hint="A patch against log(0) hides the error that the loss is there to measure. Leave the "
        "probabilities out: log_sum_exp of the row minus the logit.",
    ),
    shares_of_the_batch=slip(
        {"log_sum_exp(logits)": "log_sum_exp(np.ravel(logits))"}, _OF_THE_BATCH, hint=_BY_ROW
    ),
    shares_of_the_batch_unshifted=slip(
        lambda logits, labels: _naive_loss(logits, labels, None), _OF_THE_BATCH, hint=_BY_ROW
    ),
    shares_of_a_column=slip(
        {"log_sum_exp(logits)": "log_sum_exp(logits.T)[labels]"}, _OF_A_COLUMN, hint=_BY_ROW
    ),
    shares_of_a_column_unshifted=slip(
        lambda logits, labels: _naive_loss(logits, labels, 0), _OF_A_COLUMN, hint=_BY_ROW
    ),
    large_logits_clipped=slip(
        lambda logits, labels: cross_entropy.reference(np.clip(logits, -30, 30), labels),
        "The logits are clipped to 30: it looks stable, but differences between large ones are "
        "lost.",
        hint="Nothing has to be cut off: log_sum_exp is right for any finite row.",
    ),
    losses_of_rows_summed=slip(
        lambda logits, labels: len(labels) * cross_entropy.reference(logits, labels),
        "The losses are summed; the loss is their mean.",
        hint="Divide by n, the number of rows.",
    ),
    mean_over_classes_too=slip(
        lambda logits, labels: cross_entropy.reference(logits, labels) / np.shape(logits)[1],
        "The mean is over all n * k entries; there are n examples.",
        hint="One-hot labels leave k - 1 zeros in each row: do not count them.",
    ),
    loss_without_minus=slip(
        lambda logits, labels: -cross_entropy.reference(logits, labels),
        "The sign is reversed: log of a probability, without the minus.",
        hint="A loss is not negative: log_sum_exp is never below any logit of its row.",
    ),
    every_row_with_every_label=slip(
        {
            "[np.arange(len(labels)), labels]": "[:, labels]",
            "(logits) -": "(logits)[:, np.newaxis] -",
        },
        "logits[:, labels] takes from every row the entries of all labels: (n, n).",
        hint="logits[np.arange(n), labels] takes from row i the entry labels[i].",
    ),
    one_shift_for_all_rows=slip(
        {
            "chosen =": "logits = logits - np.max(logits)\n    chosen =",
            "log_sum_exp(logits)": "np.log(np.sum(np.exp(logits), axis=1))",
        },
        "The largest entry of the whole array is taken away from every row: a row far below it has "
        "log(0).",
        hint="Each row has its own largest entry. Your log_sum_exp knows.",
    ),
    softmax_twice=slip(
        lambda logits, labels: cross_entropy.reference(softmax.reference(logits), labels),
        "Softmax is taken twice: the loss was given probabilities where it wants logits.",
        hint="cross_entropy does the softmax itself. Give it the logits.",
    ),
)


# A softmax may overflow besides: these look at what it gives where it does not, whichever shift
# there is, or none.


@public
def sums_of(rows):
    """The logarithm of each row's sum of exps."""
    most = np.max(rows, axis=-1)
    return most + np.log(np.sum(np.exp(rows - most[..., None]), axis=-1))


@public
def loss_of(sums, case):
    """The loss if these were the logarithms of each row's sum of exps."""
    logits, labels = case.args["logits"], case.args["labels"]
    return float(np.mean(sums - logits[np.arange(len(labels)), labels]))


@cross_entropy.property(mistake="shares_of_the_batch")
def row_by_row(answer, case):
    of_all = loss_of(sums_of(case.args["logits"].ravel()), case)
    return np.isclose(of_all, case.expected) or not np.isclose(answer, of_all)


@cross_entropy.property(mistake="shares_of_a_column")
def over_the_classes(answer, case):
    of_columns = loss_of(sums_of(case.args["logits"].T)[case.args["labels"]], case)
    return np.isclose(of_columns, case.expected) or not np.isclose(answer, of_columns)


@cross_entropy.property(mistake="loss_capped")
def costs_what_it_costs(answer, case):
    return not (case.expected > 6 and 0 < answer < 0.9 * case.expected)


cross_entropy.remark(
    "The library gives the number; with your own log_sum_exp it is two lines of NumPy.",
    uses=("log_loss", "CrossEntropyLoss", "log_softmax"),
)


@exercise(
    points=2,
    whole=("logits",),
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
    yield _labelled(rng, rng.integers(5, 9), rng.integers(3, 5))
    yield _labelled(rng, 4, 2)
    yield _labelled(rng, 5, 4) | dict(labels=rng.permutation(np.arange(5) % 3))


@cross_entropy_gradient.cases
def gradient_far_out(rng):
    """All logits are about 1000 and more; then rows, or a row's entries, lie far apart."""
    case = _labelled(rng, rng.integers(4, 7), 3)
    yield {**case, "logits": case["logits"] + rng.uniform(800, 3000)}
    yield dict(logits=_far_apart(rng, 4), labels=rng.permutation(4)[:3])
    # Here, too, no example is of the last class: chance is not to decide what that slip keeps.
    yield dict(logits=_wide(rng, 4), labels=rng.permutation(3)[:2])


def _one_hot(logits, labels):
    return np.eye(np.shape(logits)[1])[labels]


cross_entropy_gradient.slips(
    gradient_of_the_sum=slip(
        {" / len(labels)": ""},
        "Each row is n times too large: the loss is a mean over the rows.",
        hint="Divide by n.",
    ),
    one_hot_too_short=slip(
        {
            "gradient[np.arange(len(labels)), labels] -= 1": (
                "gradient -= np.eye(np.max(labels) + 1)[labels]"
            ),
        },
        "The one-hot rows are as long as the largest label wants: too short where no example is of "
        "the last class.",
        hint="The number of classes is logits.shape[1]. A batch need not have them all.",
    ),
    gradient_over_classes_too=slip(
        {" / len(labels)": " / len(labels) / logits.shape[1]"},
        "Divided by all n * k entries; there are n examples.",
        hint="len(labels), not logits.size.",
    ),
    gradient_reversed=slip(
        {"return gradient": "return -gradient"},
        "The sign is reversed: this is labels minus probabilities.",
        hint="A larger logit of the right class lowers the loss: the derivative there is negative.",
    ),
    divided_by_the_classes=slip(
        {" / len(labels)": " / logits.shape[1]"},
        "Divided by the number of classes; the loss is a mean over the rows.",
        hint="Divide by n, the number of rows.",
    ),
    columns_for_rows=slip(
        {
            "softmax(logits)": (
                "np.exp(logits - np.max(logits, axis=0))\n    gradient /= np.sum(gradient, axis=0)"
            ),
        },
        "The columns add up to 1 before the labels are taken away; the rows should.",
        hint="Your own softmax, once it is right, works row by row: use it.",
    ),
    through_the_maximum=slip(
        {
            "return gradient": (
                "gradient[np.arange(len(labels)), np.argmax(logits, axis=1)] -= 1\n"
                "    return gradient"
            )
        },
        "The shift by the largest logit is differentiated, too, on one side only.",
        hint="The shift changes nothing in the loss, so nothing comes of it: p - 1 at the label is "
        "all.",
    ),
    numbers_of_the_labels=slip(
        {"gradient[np.arange(len(labels)), labels] -= 1": "gradient -= labels[:, np.newaxis]"},
        "The numbers of the classes are taken away from whole rows; they are names, not amounts.",
        hint="Take 1 away, in row i at the place labels[i].",
    ),
    labels_forgotten=slip(
        lambda logits, labels: softmax.reference(logits) / len(labels),
        "The probabilities alone: the labels have no part in it.",
        hint="The loss is log_sum_exp(z) - z[label]. The second term has a derivative too.",
    ),
    gradient_by_the_probabilities=slip(
        {
            "softmax(logits)": "np.where(_one_hot(logits, labels), -1 / softmax(logits), 0.0)",
            "gradient[np.arange(len(labels)), labels] -= 1": "pass",
        },
        "Where the logarithm is of: these are the derivatives by the probabilities, -1 / p.",
        hint="One link of the chain is missing: from the probabilities back to the logits.",
    ),
    label_column_alone=slip(
        {"return gradient": "return _one_hot(logits, labels) * gradient"},
        "Only the label's own column has a derivative here; every logit of a row moves its "
        "softmax.",
        hint="A larger logit of a wrong class takes probability from the right one.",
    ),
    softmax_slope_left_over=slip(
        {
            "return gradient / len(labels)": (
                "p = softmax(logits)\n    return gradient / len(labels) * p * (1 - p)"
            ),
        },
        "There is a factor p (1 - p) left over: with the cross entropy it cancels.",
        hint="The softmax is differentiated already in p - 1. Do not multiply by its slope once "
        "more.",
    ),
    whole_columns=slip(
        {"[np.arange(len(labels)), labels]": "[:, labels]"},
        "gradient[:, labels] -= 1 takes 1 away from whole columns.",
        hint="gradient[np.arange(n), labels] means one entry in each row.",
    ),
    logits_minus_labels=slip(
        {"softmax(logits)": "1.0 * logits"},
        "The logits are not turned into probabilities: this is logits minus labels.",
        hint="softmax comes first.",
    ),
    gradient_of_an_overflow=slip(
        {
            "softmax(logits)": (
                "np.exp(logits)\n    gradient /= np.sum(gradient, axis=1, keepdims=True)"
            ),
        },
        "The formula as it stands overflows: inf / inf is nan.",
        hint="Your own softmax, once it is right, has no such limit: use it.",
    ),
    gradient_with_one_shift=slip(
        {
            "softmax(logits)": (
                "np.exp(logits - np.max(logits))\n"
                "    gradient /= np.sum(gradient, axis=1, keepdims=True)"
            ),
        },
        "The largest entry of the whole array is taken away from every row: a row far below it "
        "becomes 0 / 0.",
        hint="Each row has its own largest entry. Your softmax knows.",
    ),
    one_softmax_for_the_batch=slip(
        {"softmax(logits)": "softmax(np.ravel(logits)).reshape(logits.shape)"},
        "The probabilities of the whole batch add up to 1; those of each row should.",
        hint="np.sum without an axis adds up everything. Your own softmax works row by row: use "
        "it.",
    ),
    slope_of_a_share=slip(
        {"gradient[np.arange(len(labels)), labels] -= 1": "gradient *= 1 - gradient"},
        "This is p (1 - p), the slope of each share by its own logit: the labels have no part in "
        "it.",
        hint="Differentiate the loss, log_sum_exp(z) - z[label], by one logit.",
    ),
)


@cross_entropy_gradient.property(mistake="one_softmax_for_the_batch")
def rows_of_shares(answer, case):
    """Whichever shift there is, or none: seen where nothing overflows."""
    n = len(answer)
    return n == 1 or not np.isclose(np.sum(n * answer) + n, 1)


@cross_entropy_gradient.property(mistake="label_column_alone")
def other_columns_count(answer, case):
    """-1 / p times p (1 - p) is the same where p is not 0."""
    others = np.arange(np.shape(answer)[1]) != np.reshape(case.args["labels"], (-1, 1))
    return bool(np.any(answer[others]))


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
    k = rng.integers(3, 5)
    yield _passed_back(rng, k + 2, k)
    yield _passed_back(rng, k, k)


@softmax_backward.cases
def slopes_of_the_cross_entropy(rng):
    """The loss is the mean cross entropy: only the right class's share has a slope."""
    n, k = rng.integers(4, 7), 3
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
    n, k = 5, rng.integers(3, 5)
    case = _passed_back(rng, n, k)
    case["y_hat"][:2] = np.eye(k)[rng.integers(0, k, 2)]
    return {**case, "grad": rng.permuted(np.tile(np.arange(1, k + 1), (n, 1)), axis=1)}


softmax_backward.slips(
    diagonal_alone=slip(
        lambda y_hat, grad: grad * y_hat * (1 - y_hat),
        "Only the diagonal of the Jacobian: each logit is taken to move its own share alone.",
        hint="Shares add up to 1: what one class gains the others lose. Those losses count too.",
    ),
    diagonal_without_grad=slip(
        lambda y_hat, grad: y_hat * (1 - y_hat),
        "This is the slope of each share by its own logit; grad has no part in it.",
        hint="The chain rule: how the loss moves with each share, times how that share moves with "
        "the logit, added up over all shares.",
    ),
    own_share_left_out=slip(
        lambda y_hat, grad: softmax_backward.reference(y_hat, grad) - grad * y_hat * (1 - y_hat),
        "Only what lies off the diagonal: a logit moves its own share too.",
        hint="Both sorts of terms: y_hat_j (1 - y_hat_j) from its own share, -y_hat_i y_hat_j from "
        "the others.",
    ),
    others_rise_too=slip(
        lambda y_hat, grad: (
            y_hat * (grad * (1 - 2 * y_hat) + np.sum(grad * y_hat, axis=1, keepdims=True))
        ),
        "The other shares count with the wrong sign: they fall when this logit rises.",
        hint="The derivative of y_hat_i by z_j is -y_hat_i y_hat_j where i is not j.",
    ),
    plain_mean_taken_away=slip(
        {"np.sum(grad * y_hat,": "np.mean(grad,"},
        "What is taken away is the plain mean of grad; the shares are its weights.",
        hint="A class that has no share cannot lose any: the sum is over grad times y_hat.",
    ),
    sum_over_all_rows=slip(
        {", axis=1, keepdims=True": ""},
        "The sum runs over the whole array; every row has its own.",
        hint="Rows know nothing of each other: axis=1, keepdims=True.",
    ),
    sum_down_the_columns=slip(
        {"axis=1, keepdims=True": "axis=0"},
        "The sum runs down the columns; the shares of a row move together.",
        hint="axis=1, keepdims=True.",
    ),
    outer_share_missing=slip(
        lambda y_hat, grad: grad - np.sum(grad * y_hat, axis=1, keepdims=True),
        "One factor y_hat is missing: this is grad less its weighted mean.",
        hint="A class without any share cannot change: its derivative is 0.",
    ),
    sum_taken_for_constant=slip(
        lambda y_hat, grad: grad * y_hat,
        "This is grad times y_hat: it leaves out that the shares are divided by their sum.",
        hint="If all entries of grad are the same, no logit can change the loss: the answer is 0 "
        "then.",
    ),
    softmax_of_shares=slip(
        lambda y_hat, grad: softmax_backward.reference(softmax.reference(y_hat), grad),
        "Softmax is taken of y_hat, which is one already.",
        hint="The argument has the probabilities. Logits are not needed.",
    ),
    as_if_cross_entropy=slip(
        lambda y_hat, grad: y_hat - (grad == np.min(grad, axis=1, keepdims=True)),
        "This is y_hat - y, up to a factor: it holds for the cross entropy alone.",
        hint="The loss may be any function of y_hat. It is known by grad alone; there are no "
        "labels.",
    ),
    divided_by_the_rows=slip(
        lambda y_hat, grad: softmax_backward.reference(y_hat, grad) / len(y_hat),
        "Divided by n: the mean is the loss's own business, and grad has it already.",
        hint="This function only passes back what comes in.",
    ),
    passed_through=slip(
        lambda y_hat, grad: grad * 1.0,
        "The gradient was not passed on: it came back as it was.",
        hint="There is a softmax between the logits and y_hat. The chain rule has one link more.",
    ),
)


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
    known = {mistake.name: mistake.wrong for mistake in best_threshold.mistakes}
    while True:
        case = make()
        costs = np.sort(_costs(np.append(np.unique(case["y_hat"]), np.inf), **case))
        best = decisions(best_threshold.reference, **case)
        if (
            costs[1] - costs[0] > 1e-3
            and len(np.unique(best)) == (1 if extreme else 2)
            and not any(np.array_equal(decisions(known[n], **case), best) for n in told_from)
        ):
            return case


def _price(rng, ratio: float) -> dict:
    """A miss that costs about `ratio` times a false alarm."""
    alarm = rng.uniform(1, 10)
    return dict(cost_miss=alarm * ratio * rng.uniform(0.8, 1.25), cost_alarm=alarm)


@best_threshold.cases
def scores_not_probabilities(rng):
    """The scores rank well, but are far from probabilities."""
    for bend in (4.0, 0.2):
        yield _one_winner(
            lambda bend=bend: {**_classified(rng, 24, 0.2, bend), **_price(rng, 2)},
            *("one_half", "formula_of_probabilities", "rates_for_counts", "costs_exchanged"),
            *("costs_ignored", "a_hundred_steps"),
        )


@best_threshold.cases
def errors_of_unequal_cost(rng):
    """A miss costs much more than a false alarm, then much less."""
    for ratio in (5.0, 0.2):
        yield _one_winner(
            lambda ratio=ratio: {**_classified(rng, 24, 0.5, 1.0), **_price(rng, ratio)},
            *("costs_exchanged", "costs_ignored", "alarm_strictly_above", "a_hundred_steps"),
        )


@best_threshold.cases
def rare_and_small(rng):
    """One example in eight is a 1, and all scores are small."""

    def make():
        case = _classified(rng, 40, 0.125, 1.0)
        return {**case, "y_hat": 0.019 * case["y_hat"], **_price(rng, 4)}

    yield _one_winner(make, "a_hundred_steps", "rates_for_counts", "costs_ignored")


@best_threshold.cases
def equal_scores(rng):
    """Many scores are equal; no threshold can tell those examples apart."""

    def make():
        case = _classified(rng, 30, 0.5, 1.0)
        order = np.argsort(-case["y"], kind="stable")
        levels = np.ceil(case["y_hat"][order] * 5) / 8
        return {"y": case["y"][order], "y_hat": levels, **_price(rng, 3)}

    told_from = "cut_between_equals", "one_half", "formula_of_probabilities"
    case = _one_winner(make, *told_from, "costs_exchanged", "costs_ignored")
    yield case
    yield {**case, "y": case["y"][::-1].copy(), "y_hat": case["y_hat"][::-1].copy()}


@best_threshold.cases
def everybody_or_nobody(rng):
    """No alarm at all is cheapest; then an alarm for everybody."""

    def nobody():
        return {**_classified(rng, 15, 0.2, 0.02), **_price(rng, 1 / 60)}

    def everybody():
        return {**_classified(rng, 15, 0.8, 1.0), **_price(rng, 60)}

    yield _one_winner(
        nobody, "some_alarm_always", "formula_of_probabilities", "costs_ignored", extreme=True
    )
    yield _one_winner(everybody, "between_scores_alone", "one_half", extreme=True)


def cut_between_equals(y, y_hat, cost_miss, cost_alarm):
    order = np.argsort(-y_hat, kind="stable")
    alarms = cost_alarm * np.append(0, np.cumsum(y[order] == 0))
    misses = cost_miss * (np.sum(y) - np.append(0, np.cumsum(y[order])))
    return np.append(np.inf, y_hat[order])[np.argmin(alarms + misses)]


best_threshold.slips(
    one_half=slip(
        lambda y, y_hat, cost_miss, cost_alarm: 0.5,
        "This is one half, whatever an error costs.",
        hint="One half is best where both errors cost the same and y_hat is a true probability.",
    ),
    formula_of_probabilities=slip(
        lambda y, y_hat, cost_miss, cost_alarm: cost_alarm / (cost_alarm + cost_miss),
        "cost_alarm / (cost_alarm + cost_miss) is best for true probabilities; these are not.",
        hint="The examples know better: count what each threshold would have cost on them.",
    ),
    costs_exchanged=slip(
        {"cost_miss * misses + cost_alarm": "cost_alarm * misses + cost_miss"},
        "The two costs are exchanged.",
        hint="A miss is a y of 1 below the threshold. Where misses are dear, the threshold is low.",
    ),
    costs_ignored=slip(
        lambda y, y_hat, cost_miss, cost_alarm: best_threshold.reference(y, y_hat, 1.0, 1.0),
        "This threshold makes the fewest errors; it does not ask what they cost.",
        hint="Weigh every miss and every false alarm with its own cost.",
    ),
    rates_for_counts=slip(
        {"cost_miss *": "cost_miss / np.sum(y) *", "cost_alarm *": "cost_alarm / np.sum(1 - y) *"},
        "The costs multiply shares of each class, not numbers of errors.",
        hint="Where a 1 is rare, 5 % of the zeros are more people than half of the ones. Count "
        "errors.",
    ),
    alarm_strictly_above=slip(
        {"np.append(np.unique(y_hat), np.inf)": "np.append(-np.inf, np.unique(y_hat))", ">=": ">"},
        "The search raises the alarm strictly above the threshold; the rule is at the threshold or "
        "above. So one example too many raises it.",
        hint="y_hat >= threshold, in the search too.",
    ),
    some_alarm_always=slip(
        {"np.append(np.unique(y_hat), np.inf)": "np.unique(y_hat)"},
        "No alarm at all is not among what is tried, and there it would be cheapest.",
        hint="A threshold above all y_hat is one more candidate.",
    ),
    between_scores_alone=slip(
        {
            "thresholds = np.append(np.unique(y_hat), np.inf)": (
                "scores = np.unique(y_hat)\n    thresholds = (scores[1:] + scores[:-1]) / 2"
            ),
        },
        "Only thresholds between two scores are tried: an alarm for everybody or for nobody is "
        "not.",
        hint="Two candidates more: one at or below all y_hat, one above them.",
    ),
    a_hundred_steps=slip(
        {"np.append(np.unique(y_hat), np.inf)": "np.linspace(0, 1, 101)"},
        "A grid of a hundred steps is too coarse where scores lie closer together.",
        hint="The cost changes only where the threshold passes a score: try the scores themselves.",
    ),
    cut_between_equals=slip(
        cut_between_equals,
        "The sorted examples are cut between two equal scores, which no threshold can do.",
        hint="After the sums, look only at places where the next score is another one.",
    ),
    dearest_instead=slip(
        {"argmin": "argmax"},
        "This is the dearest threshold of all.",
        hint="np.argmin, not np.argmax.",
    ),
)
