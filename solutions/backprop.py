"""Chapter 6, backpropagation: references, cases and known mistakes."""

import copy
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from autograder.exercise import FRESH_RNG, class_exercise, exercise, public
from autograder.slips import method_slip, slip

Array = np.ndarray


# Functions of every entry by itself.


def _both_signs(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers of both signs, none near 0, in a random order."""
    sizes = rng.uniform(0.2, 3.0, int(np.prod(shape)))
    sizes[1::2] *= -1
    return rng.permutation(sizes).reshape(shape)


def _a_row(rng: np.random.Generator) -> Array:
    return _both_signs(rng, (int(rng.integers(4, 9)),))


def _with_zeros(rng: np.random.Generator) -> Array:
    """Numbers of both signs and zeros of both signs."""
    return rng.permutation(np.concatenate([_both_signs(rng, (4,)), [0.0, -0.0, 0.0, -0.0]]))


def _two_far_out(rng: np.random.Generator) -> Array:
    """Numbers of both signs, two of them so far from 0 that exp overflows."""
    z = _both_signs(rng, (6,))
    z[:2] = [-rng.uniform(720, 800), rng.uniform(720, 800)]
    return z


def _shape(rng: np.random.Generator) -> tuple[int, ...]:
    rows, columns = (int(n) for n in rng.integers(2, 5, 2))
    return (rows, columns)


@exercise(
    points=1,
    hints=(
        "Ask each entry one question: are you at least 0? NumPy asks all of them at once.",
        "z >= 0 gives an array of True and False. np.where, or astype, makes numbers of them.",
    ),
)
def heaviside(z: Array) -> Array:
    """The step of the perceptron: 1 where z is at least 0, and 0 elsewhere.

    Parameters
    ----------
    z : array of any shape, float64; left as it was

    Returns
    -------
    array of the shape of z, float64 (not bool): 1.0 at 0 and above, -0.0 included, else 0.0.

    Source: lecture C.
    """
    return np.where(z >= 0, 1.0, 0.0)


@heaviside.cases
def a_table_of_both_signs(rng):
    """Numbers of both signs, in one row and in a table."""
    yield dict(z=_a_row(rng))
    yield dict(z=_both_signs(rng, _shape(rng)))


@heaviside.cases
def at_the_step(rng):
    """Zeros among the numbers, 0.0 and -0.0."""
    return dict(z=_with_zeros(rng))


heaviside.slips(
    down_at_zero=slip(
        lambda z: np.where(z > 0, 1.0, 0.0),
        "At 0 the step is up already: the answer there is 1.",
        hint="The perceptron fires where the sum reaches its threshold: >=, not >.",
    ),
    half_at_zero=slip(
        lambda z: (np.sign(z) + 1) / 2,
        "At 0 the answer is 1, not a half.",
        hint="The sign of 0 is 0, and half of 1 + 0 is a half; some books define it so.",
    ),
    minus_zero_is_below=slip(
        lambda z: np.where(np.signbit(z), 0.0, 1.0),
        "-0.0 is at least 0, so its answer is 1.",
        hint="-0.0 == 0.0 is True, but np.signbit and np.copysign see the sign. Compare with >=.",
    ),
    true_and_false=slip(
        lambda z: z >= 0,
        "The answers are True and False; numbers are wanted, 1.0 and 0.0.",
        hint="(z >= 0).astype(float), or np.where with two numbers.",
    ),
    whole_numbers_of_the_step=slip(
        lambda z: np.where(z >= 0, 1, 0),
        "The answers are whole numbers; float64 is wanted.",
        hint="np.where(z >= 0, 1.0, 0.0): the points make the difference.",
    ),
    sign_for_step=slip(
        lambda z: np.where(z >= 0, 1.0, -1.0),
        "Below 0 the answer is 0, not -1: this is the sign.",
        hint="The step has the values 0 and 1.",
    ),
    step_reversed=slip(
        lambda z: np.where(z >= 0, 0.0, 1.0),
        "The step goes down: it is 1 below 0 and 0 above.",
        hint="The perceptron fires where the sum is large.",
    ),
    relu_for_step=slip(
        lambda z: np.maximum(z, 0.0),
        "Above 0 the answer is 1, whatever z is: this is the ReLU.",
        hint="The step does not grow.",
    ),
    if_for_all_at_once=slip(
        lambda z: np.ones(z.shape) if z >= 0 else np.zeros(z.shape),
        "An if asks one question of the whole array, and an array has no one answer.",
        hint="np.where asks every entry: np.where(condition, value if true, value if not).",
    ),
)


@exercise(
    points=1,
    hints=(
        "X @ w is one number a row. What is each compared with?",
        "A row fires where X @ w >= b: the same as heaviside of X @ w - b.",
    ),
)
def perceptron(X: Array, w: Array, b: float) -> Array:
    """Which rows make the perceptron fire: 1 where X @ w reaches the threshold b, else 0.

    The perceptron compares with its threshold, so b is subtracted; the neurons further down add
    their b.

    Parameters
    ----------
    X : array of shape (n, d)
    w : array of shape (d,)
    b : the threshold

    Returns
    -------
    array of shape (n,), float64: 1 where X @ w >= b.

    Source: lecture C; Rosenblatt (1958).
    """
    return heaviside(X @ w - b)


def _rows_about_the_threshold(rng: np.random.Generator, n: int, b: float) -> dict:
    """Rows on both sides of b; some change sides where b is added, some where it is left out."""
    d = rng.integers(2, 5)
    w = rng.normal(size=d)
    X = rng.normal(size=(n, d))
    wanted = rng.permutation(np.resize([2 * b, 0.5 * b, -0.5 * b, -2 * b], n))
    X += np.outer(wanted - X @ w, w / (w @ w))
    return dict(X=X, w=w, b=b)


@perceptron.cases
def positive_threshold(rng):
    """A positive threshold."""
    return _rows_about_the_threshold(rng, rng.integers(6, 12), rng.uniform(0.5, 2))


@perceptron.cases
def negative_threshold(rng):
    """A negative threshold."""
    return _rows_about_the_threshold(rng, rng.integers(6, 12), -rng.uniform(0.5, 2))


@perceptron.cases
def on_the_threshold(rng):
    """Rows that reach the threshold exactly, and some that miss it."""
    w = np.array([1.0, -2.0, 3.0])
    X = rng.integers(-4, 5, size=(8, 3)).astype(float)
    b = float(rng.integers(1, 5) * rng.choice([-1, 1]))
    # The first column has weight 1: it moves a row where it is wanted.
    X[:, 0] += b + np.array([0, 0, 0, 1, -1, 0, 2, -3]) - X @ w
    return dict(X=X[rng.permutation(8)], w=w, b=b)


perceptron.slips(
    threshold_added=slip(
        lambda X, w, b: np.where(X @ w + b >= 0, 1.0, 0.0),
        "b is added; it is a threshold here, and X @ w must reach it.",
        hint="X @ w >= b is the same as X @ w - b >= 0. The neurons of later sections add their b.",
    ),
    threshold_left_out=slip(
        lambda X, w, b: np.where(X @ w >= 0, 1.0, 0.0),
        "The threshold is left out: every row is compared with 0.",
        hint="A row fires where X @ w is at least b.",
    ),
    must_exceed=slip(
        lambda X, w, b: np.where(X @ w > b, 1.0, 0.0),
        "A row that reaches the threshold exactly fires too.",
        hint=">= in place of >.",
    ),
    fires_below=slip(
        lambda X, w, b: np.where(X @ w <= b, 1.0, 0.0),
        "It fires below the threshold, and is silent above.",
        hint="1 where X @ w is at least b.",
    ),
    perceptron_true_and_false=slip(
        lambda X, w, b: X @ w >= b,
        "The answers are True and False; numbers are wanted, 1.0 and 0.0.",
        hint="(X @ w >= b).astype(float), or heaviside.",
    ),
    perceptron_whole_numbers=slip(
        lambda X, w, b: (X @ w >= b).astype(int),
        "The answers are whole numbers; float64 is wanted.",
        hint="heaviside returns float64 already; or astype(float).",
    ),
    minus_one_for_silent=slip(
        lambda X, w, b: np.where(X @ w >= b, 1.0, -1.0),
        "A silent perceptron answers 0, not -1.",
        hint="Some books use -1 and 1; here the step has 0 and 1.",
    ),
    step_missing=slip(
        lambda X, w, b: X @ w - b,
        "This is how far each row is above the threshold; the step is missing.",
        hint="Put it into heaviside.",
    ),
    a_column=slip(
        lambda X, w, b: np.where(X @ w.reshape(-1, 1) >= b, 1.0, 0.0),
        "The answer is a column of shape (n, 1); wanted is one row of numbers, shape (n,).",
        hint="w has shape (d,), and X @ w shape (n,): no reshape is needed.",
    ),
    one_answer_for_all=slip(
        lambda X, w, b: float(np.sum(X @ w) >= b),
        "The answer is one number for all rows.",
        hint="X @ w has one number a row; compare each with b.",
    ),
)


@exercise(
    points=1,
    hints=(
        "What does relu do with 3, and with -3?",
        "np.maximum compares two arrays entry by entry; np.max looks for one entry in one array.",
    ),
)
def relu(z: Array) -> Array:
    """The rectified linear unit: z where it is positive, and 0 elsewhere.

    Parameters
    ----------
    z : array of any shape, float64

    Returns
    -------
    array of the shape of z, float64. z itself is left as it was.

    Source: lecture C.
    """
    return np.maximum(z, 0.0)


@relu.cases
def relu_of_a_row(rng):
    """Numbers of both signs, in a row."""
    return dict(z=_a_row(rng))


@relu.cases
def relu_of_a_table(rng):
    """A table and a stack of tables, zeros among them, very large numbers and very small ones."""
    z = _both_signs(rng, _shape(rng))
    z[0, 0], z[-1, -1] = 0.0, -0.0
    yield dict(z=z)
    yield dict(z=_both_signs(rng, (2, *_shape(rng))) * 10.0 ** rng.choice([-4, 6]))


relu.slips(
    cut_above=slip(
        lambda z: np.minimum(z, 0.0),
        "The negative numbers are kept and the positive ones cut.",
        hint="The larger of z and 0, not the smaller.",
    ),
    absolute_value=slip(
        lambda z: np.abs(z),
        "Negative numbers become 0; here they lose their sign.",
        hint="That is the absolute value.",
    ),
    slope_for_value=slip(
        lambda z: np.where(z > 0, 1.0, 0.0),
        "This is the slope, or the step: 1 where z is positive. Wanted is z itself there.",
        hint="relu(3) is 3.",
    ),
    leaky=slip(
        lambda z: np.where(z > 0, z, 0.01 * z),
        "Negative numbers become 0; here a hundredth of them leaks through.",
        hint="The leaky ReLU is another function.",
    ),
    one_maximum=slip(
        lambda z: max(np.max(z), 0.0),
        "The answer is one number: the largest of all entries. Each entry is to be compared with "
        "0.",
        hint="np.max looks along one array; np.maximum compares two, entry by entry.",
    ),
    negatives_left_out=slip(
        lambda z: z[z > 0],
        "The negative entries are left out; they should stay in their places, as 0.",
        hint="z[z > 0] picks entries, and the shape is lost.",
    ),
    relu_if_for_all_at_once=slip(
        lambda z: z if z > 0 else np.zeros(z.shape),
        "An if asks one question of the whole array, and an array has no one answer.",
        hint="np.where asks every entry; so does np.maximum.",
    ),
)


@exercise(
    points=1,
    hints=(
        "Draw relu. How steep is it on the left, and how steep on the right?",
        "1 where z > 0, else 0; the kink at 0 counts as flat.",
    ),
)
def relu_grad(z: Array) -> Array:
    """The slope of relu at z; at 0, where it has none, take 0.

    Parameters
    ----------
    z : array of any shape, float64: the input of relu, not its value; left as it was

    Returns
    -------
    array of the shape of z, float64 (not bool).

    Source: lecture C.
    """
    return np.where(z > 0, 1.0, 0.0)


@relu_grad.cases
def relu_slope_of_both_signs(rng):
    """Numbers of both signs, in one row and in a table."""
    yield dict(z=_a_row(rng))
    yield dict(z=_both_signs(rng, _shape(rng)))


@relu_grad.cases
def at_the_kink(rng):
    """Zeros among the numbers, 0.0 and -0.0."""
    return dict(z=_with_zeros(rng))


relu_grad.slips(
    steep_at_zero=slip(
        lambda z: np.where(z >= 0, 1.0, 0.0),
        "At 0 the slope is taken as 1; here it is 0 by agreement.",
        hint="> in place of >=. PyTorch has the same agreement.",
    ),
    half_at_the_kink=slip(
        lambda z: (np.sign(z) + 1) / 2,
        "At 0 the slope is taken as a half; here it is 0 by agreement.",
        hint="A half is what a central difference across the kink measures; it is no slope.",
    ),
    slope_true_and_false=slip(
        lambda z: z > 0,
        "The answers are True and False; numbers are wanted, 1.0 and 0.0.",
        hint="A bool survives a product, but not a sum or a minus. (z > 0).astype(float) is a "
        "number.",
    ),
    slope_whole_numbers=slip(
        lambda z: (z > 0).astype(int),
        "The answers are whole numbers; float64 is wanted.",
        hint="astype(float), or 1.0 and 0.0.",
    ),
    value_for_slope=slip(
        lambda z: np.maximum(z, 0.0),
        "This is relu itself, not its slope.",
        hint="To the right of 0 relu rises by 1 for every 1, wherever you stand.",
    ),
    slope_of_the_absolute_value=slip(
        lambda z: np.sign(z),
        "On the left relu is flat: its slope there is 0, not -1.",
        hint="-1 is the slope of the absolute value.",
    ),
    one_everywhere=slip(
        lambda z: np.ones(z.shape),
        "The slope is 1 everywhere; on the left relu is flat.",
        hint="A silent unit passes nothing back.",
    ),
    sides_exchanged=slip(
        lambda z: np.where(z > 0, 0.0, 1.0),
        "The slopes of the two sides are exchanged.",
        hint="relu is flat where z is negative.",
    ),
    leaky_slope=slip(
        lambda z: np.where(z > 0, 1.0, 0.01),
        "On the left relu is flat: this is the slope of the leaky ReLU.",
        hint="0 on the left, not 0.01.",
    ),
)


@exercise(
    points=1,
    hints=(
        "At 0 tanh is steepest, with slope 1; far out it is flat. Which expression in tanh(z) is "
        "1 where tanh is 0, and 0 where tanh is -1 or 1?",
        "The square of tanh(z), taken away from 1.",
    ),
)
def tanh_grad(z: Array) -> Array:
    """The slope of the hyperbolic tangent at z.

    Parameters
    ----------
    z : array of any shape, float64: the input of tanh, not its value; it may be far from 0

    Returns
    -------
    array of the shape of z, float64, finite for every z.

    Source: lecture C.
    """
    return 1 - np.tanh(z) ** 2


@tanh_grad.cases
def tanh_slope_near_zero(rng):
    """Numbers of both signs, in a row."""
    return dict(z=_a_row(rng))


@tanh_grad.cases
def tanh_slope_of_a_table(rng):
    """A table, with a zero in it."""
    z = _both_signs(rng, _shape(rng))
    z[0, 0] = 0.0
    return dict(z=z)


@tanh_grad.cases
def tanh_slope_far_out(rng):
    """Numbers far from 0 among others, where tanh is flat."""
    return dict(z=_two_far_out(rng))


tanh_grad.slips(
    slope_at_the_output=slip(
        lambda z: 1 - z**2,
        "z is taken for the value of tanh; it is the input.",
        hint="1 - a ** 2 is right for a = tanh(z). Here tanh has still to be taken.",
    ),
    tanh_taken_twice=slip(
        lambda z: 1 - np.tanh(np.tanh(z)) ** 2,
        "tanh is taken twice: z is its input, tanh(z) its value.",
        hint="Take tanh(z) once, and square that.",
    ),
    tanh_not_squared=slip(
        lambda z: 1 - np.tanh(z),
        "The square is missing.",
        hint="With 1 - tanh(z) the slope on the left would be larger than 1.",
    ),
    tanh_itself=slip(
        lambda z: np.tanh(z),
        "This is tanh itself, not its slope.",
        hint="tanh is steepest at 0 and flat far out.",
    ),
    slope_of_the_sigmoid=slip(
        {"return 1 - np.tanh(z) ** 2": "a = (1 + np.tanh(z / 2)) / 2\n    return a * (1 - a)"},
        "This is the slope of the sigmoid.",
        hint="tanh rises from -1 to 1, and at 0 with slope 1, not a quarter.",
    ),
    rule_of_the_sigmoid=slip(
        lambda z: np.tanh(z) * (1 - np.tanh(z)),
        "a * (1 - a) belongs to the sigmoid; tanh has 1 - a ** 2.",
        hint="At z = 0 this gives 0, and there tanh is steepest.",
    ),
    cosh_not_squared=slip(
        lambda z: 1 / np.cosh(z),
        "The hyperbolic cosine below the line must be squared.",
        hint="1 / cosh(z) ** 2 is the same as 1 - tanh(z) ** 2.",
    ),
    tanh_slope_negative=slip(
        lambda z: np.tanh(z) ** 2 - 1,
        "The sign is reversed: tanh rises everywhere.",
        hint="1 - tanh(z) ** 2, not tanh(z) ** 2 - 1.",
    ),
    own_tanh_overflows=slip(
        {"np.tanh(z)": "((np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)))"},
        "Far from 0 the exponentials overflow, and inf / inf is nan.",
        hint="np.tanh knows how to avoid it; your own quotient of exponentials does not.",
    ),
)


@exercise(
    points=2,
    hints=(
        "Two cases, as in relu; only the left one is new. What is it at 0, and far to the left?",
        "np.where works out both of its branches everywhere. What is exp(800), and what is "
        "0 * exp(800)?",
        "alpha * (exp(z) - 1) where z <= 0; np.expm1(np.minimum(z, 0)) never sees a large z.",
    ),
)
def elu(z: Array, alpha: float = 1.0) -> Array:
    """The exponential linear unit: z where it is positive, else alpha * (exp(z) - 1).

    Parameters
    ----------
    z : array of any shape, float64; it may be far from 0; left as it was
    alpha : how far below 0 it can fall

    Returns
    -------
    array of the shape of z, float64, finite for every z.

    Source: lecture C; Clevert, Unterthiner and Hochreiter (2016).
    """
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0)))


def _alpha(rng: np.random.Generator) -> float:
    return rng.choice([rng.uniform(0.2, 0.7), rng.uniform(1.4, 2.5)])


@elu.cases
def elu_with_alpha(rng):
    """Numbers of both signs, and an alpha that is not 1."""
    return dict(z=_a_row(rng), alpha=_alpha(rng))


@elu.cases
def elu_without_alpha(rng):
    """alpha is left out, and the numbers stand in a table."""
    z = _both_signs(rng, _shape(rng))
    z[0, 0] = 0.0
    return dict(z=z)


@elu.cases
def elu_far_out(rng):
    """Numbers far from 0 among others."""
    return dict(z=_two_far_out(rng), alpha=_alpha(rng))


elu.slips(
    elu_alpha_unused=slip(
        {"alpha * ": ""},
        "alpha is not used.",
        hint="Far to the left the ELU approaches -alpha.",
    ),
    alpha_on_both_sides=slip(
        {"return": "return alpha *", ", alpha *": ","},
        "alpha multiplies both sides; on the right the ELU is z.",
        hint="Only the exponential side has an alpha.",
    ),
    elu_brackets_missing=slip(
        {"np.expm1(np.minimum(z, 0.0))": "np.exp(np.minimum(z, 0.0)) - 1"},
        "alpha stands inside: the 1 is taken away after alpha was multiplied.",
        hint="Brackets: alpha * (exp(z) - 1), so that the two sides meet at 0.",
    ),
    one_not_taken_away=slip(
        {"expm1": "exp"},
        "The 1 is not taken away: the two sides do not meet at 0.",
        hint="exp(0) is 1, and the ELU of 0 is 0.",
    ),
    straight_line=slip(
        {"np.expm1(np.minimum(z, 0.0))": "z"},
        "On the left this is a straight line, alpha * z: the leaky ReLU.",
        hint="The ELU bends: alpha * (exp(z) - 1).",
    ),
    elu_sign=slip(
        {"alpha * np": "alpha * -np"},
        "The left side has the wrong sign: there the ELU is negative.",
        hint="exp(z) is below 1 there, so exp(z) - 1 is below 0.",
    ),
    elu_sides_exchanged=slip(
        lambda z, alpha=1.0: np.where(z > 0, alpha * np.expm1(z), z),
        "The two sides are exchanged: the exponential belongs to the left.",
        hint="On the right the ELU is z.",
    ),
    relu_for_elu=slip(
        lambda z, alpha=1.0: np.maximum(z, 0.0),
        "This is the ReLU: on the left the ELU falls below 0.",
        hint="alpha * (exp(z) - 1) there.",
    ),
    zero_times_infinity=slip(
        lambda z, alpha=1.0: (z > 0) * z + (z <= 0) * alpha * (np.exp(z) - 1),
        "At a large z the exponential is inf, and 0 * inf is nan.",
        hint="A mask that multiplies does not protect; np.where chooses, and np.minimum(z, 0) "
        "keeps the exponential small.",
    ),
    elu_if_for_all_at_once=slip(
        lambda z, alpha=1.0: z if z > 0 else alpha * np.expm1(z),
        "An if asks one question of the whole array, and an array has no one answer.",
        hint="np.where asks every entry.",
    ),
)


@exercise(
    points=1,
    hints=(
        "Take the derivative of each side by itself.",
        "On the left alpha * exp(z), so alpha at 0; on the right 1. Keep the exponential small "
        "where z is large.",
    ),
)
def elu_grad(z: Array, alpha: float = 1.0) -> Array:
    """The slope of elu at z; at 0, where the two sides differ unless alpha is 1, take alpha.

    Parameters
    ----------
    z : array of any shape, float64: the input of elu, not its value; it may be far from 0; left
        as it was
    alpha : as in elu

    Returns
    -------
    array of the shape of z, float64, finite for every z.

    Source: lecture C; at 0 as PyTorch has it.
    """
    return np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0.0)))


@elu_grad.cases
def elu_slope_with_alpha(rng):
    """Numbers of both signs, and an alpha that is not 1."""
    return dict(z=_a_row(rng), alpha=_alpha(rng))


@elu_grad.cases
def elu_slope_without_alpha(rng):
    """alpha is left out, and the numbers stand in a table."""
    return dict(z=_both_signs(rng, _shape(rng)))


@elu_grad.cases
def elu_slope_at_zero(rng):
    """Zeros among the numbers, 0.0 and -0.0, and an alpha that is not 1."""
    return dict(z=_with_zeros(rng), alpha=_alpha(rng))


@elu_grad.cases
def elu_slope_far_out(rng):
    """Numbers far from 0 among others."""
    return dict(z=_two_far_out(rng), alpha=_alpha(rng))


elu_grad.slips(
    slope_alpha_unused=slip(
        {"alpha * ": ""},
        "alpha is not used.",
        hint="The derivative of alpha * (exp(z) - 1) still has its factor.",
    ),
    slope_one_at_zero=slip(
        {"z > 0": "z >= 0"},
        "At 0 the slope is taken as 1; here it is alpha by agreement.",
        hint="0 belongs to the exponential side, as in PyTorch.",
    ),
    constant_not_dropped=slip(
        {"np.exp(": "np.expm1("},
        "The 1 is still there: the derivative of a constant is 0.",
        hint="alpha * exp(z) alone. With - 1 the slope would be negative.",
    ),
    slope_of_a_straight_line=slip(
        {"alpha * np.exp(np.minimum(z, 0.0))": "alpha"},
        "On the left the slope is alpha everywhere; the ELU bends.",
        hint="alpha * exp(z): alpha at 0, and nearly 0 far out.",
    ),
    elu_slope_at_the_output=slip(
        {"np.minimum(z, 0.0)": "alpha * np.expm1(np.minimum(z, 0.0))"},
        "z is taken for the value of elu, or elu is taken first; z is the input already.",
        hint="alpha * exp(z), with the z that comes in.",
    ),
    value_plus_alpha=slip(
        {"alpha * np.exp(np.minimum(z, 0.0))": "z + alpha"},
        "z is taken for the value of elu; it is the input.",
        hint="value + alpha is the slope, where value is alpha * (exp(z) - 1), not z.",
    ),
    value_on_the_right=slip(
        {"1.0,": "z,"},
        "On the right the slope is 1; this is z itself.",
        hint="The ELU rises by 1 for every 1 there.",
    ),
    relu_slope_for_elu=slip(
        lambda z, alpha=1.0: np.where(z > 0, 1.0, 0.0),
        "This is the slope of the ReLU: on the left the ELU still rises.",
        hint="alpha * exp(z) there.",
    ),
    slope_zero_times_infinity=slip(
        lambda z, alpha=1.0: (z > 0) * 1.0 + (z <= 0) * alpha * np.exp(z),
        "At a large z the exponential is inf, and 0 * inf is nan.",
        hint="A mask that multiplies does not protect; np.where chooses, and np.minimum(z, 0) "
        "keeps the exponential small.",
    ),
)


@exercise(
    points=3,
    hints=(
        "Three links: the cost by a, a by z = w @ x + b, and z by w and by b. Write each down.",
        "The cost changes with a by a - y. The sigmoid's slope is a * (1 - a). And z by w?",
        "delta = (a - y) * a * (1 - a) is what both share; dw = delta * x, db = delta.",
    ),
)
def neuron_gradient(x: Array, w: Array, b: float, y: float) -> tuple[Array, float]:
    """The gradient of one sigmoid neuron's squared error, by the chain rule.

    The neuron answers a = sigmoid(w @ x + b), where sigmoid(z) = 1 / (1 + exp(-z)), and its cost
    is (a - y) ** 2 / 2.

    Parameters
    ----------
    x, w : arrays of shape (d,), the inputs and the weights
    b : the bias, added
    y : the wanted answer, between 0 and 1

    Returns
    -------
    dw, db : an array of shape (d,) and a float, the derivatives of the cost by w and by b.

    Source: lecture C.
    """
    a = 1 / (1 + np.exp(-(w @ x + b)))
    delta = (a - y) * a * (1 - a)
    return delta * x, float(delta)


def _neuron(rng: np.random.Generator, d: int, z: float, y: float) -> dict:
    """A neuron whose weighted sum, bias included, is z."""
    x, w = _both_signs(rng, (d,)), _both_signs(rng, (d,))
    b = float(rng.uniform(0.5, 1.5) * rng.choice([-1, 1]))
    w += (z - b - w @ x) * x / (x @ x)
    return dict(x=x, w=w, b=b, y=y)


@neuron_gradient.cases
def an_undecided_neuron(rng):
    """A neuron that is not sure, and a target of 0 or 1."""
    z = float(rng.uniform(0.3, 1.2) * rng.choice([-1, 1]))
    return _neuron(rng, rng.integers(2, 5), z, float(rng.integers(0, 2)))


@neuron_gradient.cases
def a_target_between(rng):
    """A target between 0 and 1; one input, and several."""
    for d in (1, rng.integers(3, 6)):
        z = float(rng.uniform(0.3, 1.2) * rng.choice([-1, 1]))
        yield _neuron(rng, d, z, rng.uniform(0.1, 0.9))


@neuron_gradient.cases
def sure_and_wrong(rng):
    """A neuron that is nearly sure of the wrong answer."""
    z, sign = rng.uniform(3, 6), rng.choice([-1, 1])
    return _neuron(rng, 3, sign * z, 0.0 if sign > 0 else 1.0)


neuron_gradient.slips(
    sigmoid_link_missing=slip(
        {"(a - y) * a * (1 - a)": "a - y"},
        "The slope of the sigmoid is missing: a * (1 - a).",
        hint="a - y is the gradient by a. From a back to z there is a link more. (Another loss, "
        "cross entropy, cancels it; chapter 7.)",
    ),
    sigmoid_taken_twice=slip(
        {
            "delta = (a - y) * a * (1 - a)": (
                "again = 1 / (1 + np.exp(-a))\n    delta = (a - y) * again * (1 - again)"
            ),
        },
        "The sigmoid's slope is taken at its output: the sigmoid is taken twice.",
        hint="a * (1 - a) with a = sigmoid(z) is the slope at z already.",
    ),
    slope_from_the_sum=slip(
        {"a = 1": "z = w @ x + b\n    a = 1", "a * (1 - a)": "z * (1 - z)"},
        "The sigmoid's slope is z * (1 - z) here; it is a * (1 - a), of the output.",
        hint="The rule s' = s (1 - s) has the sigmoid's value in it, not its input.",
    ),
    target_minus_answer=slip(
        {"a - y": "y - a"},
        "The sign is reversed: this is the way down, not the gradient.",
        hint="The derivative of (a - y) ** 2 / 2 by a is a - y.",
    ),
    half_forgotten=slip(
        {"(a - y)": "2 * (a - y)"},
        "The gradient is twice as large: the half in the cost takes the 2 away.",
        hint="(a - y) ** 2 / 2 has the derivative a - y.",
    ),
    bias_subtracted=slip(
        {"x + b": "x - b"},
        "b is subtracted; this neuron adds it.",
        hint="The perceptron compares with a threshold, the neuron has a bias: w @ x + b.",
    ),
    bias_left_out=slip(
        {" + b": ""},
        "The bias is left out of the sum.",
        hint="a = sigmoid(w @ x + b).",
    ),
    input_missing=slip(
        {"delta * x": "np.full(x.shape, delta)"},
        "The input is missing from dw: z changes with w by x.",
        hint="A weight matters as much as the input that it multiplies.",
    ),
    weights_for_inputs=slip(
        {"delta * x": "delta * w"},
        "dw is multiplied by the weights; that is the gradient by x.",
        hint="z = w @ x + b, so its derivative by w is x.",
    ),
    bias_times_inputs=slip(
        {"float(delta)": "float(np.sum(delta * x))"},
        "db has the inputs in it; z changes with b by 1.",
        hint="The bias multiplies nothing: db is what all of dw share.",
    ),
    slope_of_tanh=slip(
        {"a * (1 - a)": "(1 - a**2)"},
        "The slope of tanh stands where that of the sigmoid belongs.",
        hint="The sigmoid has a * (1 - a), tanh has 1 - a ** 2.",
    ),
    half_of_the_slope=slip(
        {" * (1 - a)": ""},
        "The factor 1 - a is missing from the sigmoid's slope.",
        hint="a * (1 - a): a sure neuron, near 0 or near 1, hardly moves.",
    ),
    error_squared=slip(
        {"(a - y)": "(a - y) ** 2"},
        "The error is squared in the gradient too.",
        hint="The derivative of a square is no square: a - y to the first power.",
    ),
    bias_first=slip(
        {"delta * x, float(delta)": "float(delta), delta * x"},
        "The two answers are in the wrong order: dw comes first, then db.",
        hint="The last line is return dw, db.",
    ),
)


@exercise(
    points=1,
    hints=(
        "How many weights lie between a layer of 3 and a layer of 2? How many biases has the "
        "second?",
        "Each pair of neighbouring layers has fan_in * fan_out weights and fan_out biases; the "
        "inputs have no biases.",
    ),
)
def count_parameters(sizes: list[int]) -> int:
    """How many numbers a fully connected network learns: weights and biases together.

    Parameters
    ----------
    sizes : list of layer sizes, the inputs first, the outputs last; two or more

    Returns
    -------
    int. For [784, 16, 16, 10] it is 13002.

    Source: lecture B, which calls all of them weights.
    """
    return sum((sizes[i] + 1) * sizes[i + 1] for i in range(len(sizes) - 1))


@count_parameters.cases
def two_layers_of_weights(rng):
    """Inputs, one hidden layer, outputs."""
    return dict(sizes=[int(n) for n in rng.permutation([3, 4, 5, 6, 7, 8, 9])[:3] * 3])


@count_parameters.cases
def several_layers(rng):
    """Several hidden layers."""
    sizes = rng.permutation(np.arange(2, 30))[: rng.integers(5, 8)]
    return dict(sizes=[int(n) for n in sizes])


@count_parameters.cases
def no_hidden_layer(rng):
    """Inputs and outputs alone; and a network of the lecture's kind."""
    fan_in, fan_out = (int(n) for n in rng.permutation(np.arange(3, 40))[:2])
    yield dict(sizes=[fan_in, fan_out])
    yield dict(sizes=[784, int(rng.integers(17, 40)), int(rng.integers(41, 60)), 10])


count_parameters.slips(
    weights_alone=slip(
        lambda sizes: sum(a * b for a, b in pairwise(sizes)),
        "The biases are not counted.",
        hint="Every neuron but the inputs adds a bias of its own.",
    ),
    biases_for_inputs=slip(
        lambda sizes: sum(a * b for a, b in pairwise(sizes)) + sum(sizes),
        "The inputs are given biases; they are data, and add nothing.",
        hint="Biases belong to the hidden layers and the outputs.",
    ),
    one_bias_a_layer=slip(
        lambda sizes: sum(a * b + 1 for a, b in pairwise(sizes)),
        "Each layer is given one bias; each neuron has one.",
        hint="A layer of fan_out neurons has fan_out biases.",
    ),
    biases_of_the_senders=slip(
        lambda sizes: sum(a * (b + 1) for a, b in pairwise(sizes)),
        "The biases are counted on the wrong side: a layer of weights has fan_out of them.",
        hint="(fan_in + 1) * fan_out: a bias is a weight more for each neuron that receives.",
    ),
    outputs_without_biases=slip(
        lambda sizes: sum((a + 1) * b for a, b in pairwise(sizes)) - sizes[-1],
        "The outputs have no biases here; they have one each.",
        hint="All layers but the first add their biases.",
    ),
    neurons_counted=slip(
        lambda sizes: sum(sizes),
        "These are the neurons; each has a weight for every neuron before it.",
        hint="Between layers of 3 and 2 there are 6 weights.",
    ),
    biases_alone=slip(
        lambda sizes: sum(sizes[1:]),
        "These are the biases alone.",
        hint="Add fan_in * fan_out for each pair of neighbouring layers.",
    ),
    product_of_all=slip(
        lambda sizes: int(np.prod(sizes)),
        "All sizes are multiplied together; layers that are no neighbours share no weights.",
        hint="A product for each pair of neighbours, and the sum of these.",
    ),
    every_pair_joined=slip(
        lambda sizes: (
            sum(a * b for i, a in enumerate(sizes) for b in sizes[i + 1 :]) + sum(sizes[1:])
        ),
        "Every layer is joined with every other; only neighbours are.",
        hint="pairwise(sizes) gives the pairs of neighbours.",
    ),
    last_pair_left_out=slip(
        {"len(sizes) - 1": "len(sizes) - 2"},
        "The last layer of weights is left out.",
        hint="Three sizes make two layers of weights: look at the end of your range.",
    ),
)


# Initial weights are left to chance: three draws are looked at, and their distribution.


@public
def three_draws(he_normal, fan_in, fan_out, rng):
    """Two draws from rng, one after the other, and the first again from a twin of that rng."""
    twin = copy.deepcopy(rng)
    draws = [he_normal(fan_in, fan_out, source) for source in (rng, rng, twin)]
    return None if draws[0] is None else [np.asarray(w) for w in draws]


@public
def standard_units(answer, case):
    """The weights of the first two draws over the standard deviation that they should have."""
    return np.concatenate([np.ravel(w) for w in answer[:2]]) / np.sqrt(2 / case.args["fan_in"])


@public
def has_variance_times(factor, answer, case):
    """Whether the weights have `factor` times the variance wanted, and not the one wanted.

    Of the standard deviation 9 percent either way, for 3,600 weights or more: a right answer is
    further off with a probability below 1e-11.
    """
    ratio = np.std(standard_units(answer, case))
    return abs(ratio - 1) > 0.09 and abs(ratio / np.sqrt(factor) - 1) <= 0.09


@exercise(
    points=2,
    draws=1,
    by_value=False,
    probe=three_draws,
    hints=(
        "rng.normal takes a mean, a standard deviation and a size. Which of these two is "
        "2 / fan_in: the variance, or the standard deviation?",
        "Each neuron sums over fan_in inputs, and a ReLU lets through half of them: hence 2 and "
        "fan_in. The standard deviation is a square root.",
    ),
)
def he_normal(fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    """Random weights for a layer before a ReLU, normal, with mean 0 and variance 2 / fan_in.

    Parameters
    ----------
    fan_in, fan_out : how many numbers come into the layer and go out of it
    rng : random generator; all randomness comes from it

    Returns
    -------
    array of shape (fan_in, fan_out), float64, every entry drawn by itself. An rng in the same
    state gives the same weights, and the next call others.

    Source: He, Zhang, Ren and Sun (2015).
    """
    return rng.normal(0.0, np.sqrt(2 / fan_in), size=(fan_in, fan_out))


@he_normal.cases
def narrowing(rng):
    """More inputs than outputs."""
    fan_in, fan_out = rng.integers(60, 71), rng.integers(30, 35)
    return dict(fan_in=fan_in, fan_out=fan_out, rng=FRESH_RNG)


@he_normal.cases
def widening(rng):
    """Fewer inputs than outputs."""
    fan_in, fan_out = rng.integers(25, 29), rng.integers(72, 81)
    return dict(fan_in=fan_in, fan_out=fan_out, rng=FRESH_RNG)


@he_normal.property("What comes back is not one array of float64 numbers.")
def arrays_of_floats(answer, case):
    return all(w.dtype == np.float64 for w in answer)


@he_normal.property("The shape is (fan_out, fan_in).", mistake="shape_transposed")
def not_the_other_way_round(answer, case):
    return answer[0].shape != (case.args["fan_out"], case.args["fan_in"])


@he_normal.property(
    "The shape is not (fan_in, fan_out).",
    hint="Give rng.normal the size: both numbers, in a tuple.",
)
def shape_of_the_layer(answer, case):
    return answer[0].shape == (case.args["fan_in"], case.args["fan_out"])


@he_normal.property("Whole rows or columns are equal.", mistake="one_draw_for_all")
def no_neurons_alike(answer, case):
    return all(np.unique(w, axis=axis).shape == w.shape for w in answer for axis in (0, 1))


@he_normal.property(
    "Many of the weights are equal.",
    hint="Of normal numbers no two are alike. Are they cut off at some size, or picked from a few "
    "values?",
)
def hardly_two_alike(answer, case):
    return all(len(np.unique(w)) > 0.99 * w.size for w in answer)


@he_normal.property("A second draw gives the first weights again.", mistake="seed_of_its_own")
def other_weights_next_time(answer, case):
    return not np.array_equal(answer[0], answer[1])


@he_normal.property("The weights do not come from the rng passed in.", mistake="not_from_rng")
def same_weights_from_a_twin(answer, case):
    return np.array_equal(answer[0], answer[2])


@he_normal.property("The mean is not 0.", mistake="never_negative")
def centred(answer, case):
    # Seven standard deviations of the mean: 1e-11.
    units = standard_units(answer, case)
    return abs(np.mean(units)) <= 7 * np.std(units) / np.sqrt(len(units))


@he_normal.property("The variance is 2 / fan_out.", mistake="fan_of_the_wrong_side")
def not_from_fan_out(answer, case):
    return not has_variance_times(case.args["fan_in"] / case.args["fan_out"], answer, case)


@he_normal.property("The standard deviation is 2 / fan_in.", mistake="variance_for_deviation")
def not_without_root(answer, case):
    return not has_variance_times(2 / case.args["fan_in"], answer, case)


@he_normal.property("The variance is 1 / fan_in.", mistake="two_forgotten")
def not_without_the_two(answer, case):
    return not has_variance_times(0.5, answer, case)


@he_normal.property("The variance is 2 / (fan_in + fan_out).", mistake="glorot")
def not_from_both_fans(answer, case):
    both = case.args["fan_in"] + case.args["fan_out"]
    return not has_variance_times(case.args["fan_in"] / both, answer, case)


@he_normal.property("The variance is 1.", mistake="not_scaled")
def not_of_variance_one(answer, case):
    return not has_variance_times(case.args["fan_in"] / 2, answer, case)


@he_normal.property(
    "The variance is 1 / (3 fan_in): uniform within 1 / sqrt(fan_in).", mistake="torchs_default"
)
def not_torchs_default(answer, case):
    return not has_variance_times(1 / 6, answer, case)


@he_normal.property("The variance is 0.01 ** 2, whatever the layer.", mistake="fixed_scale")
def not_of_a_fixed_scale(answer, case):
    return not has_variance_times(1e-4 * case.args["fan_in"] / 2, answer, case)


@he_normal.property(
    "The variance is not 2 / fan_in.",
    hint="The standard deviation, which rng.normal wants, is the square root of that.",
)
def variance_wanted(answer, case):
    return abs(np.std(standard_units(answer, case)) - 1) <= 0.09


@he_normal.property("The weights are not normally distributed.", mistake="uniform")
def tails_of_a_normal(answer, case):
    # 1.24 percent lie beyond 2.5 standard deviations, 38.3 percent within a half: seven standard
    # deviations of these shares either way, below 1e-9 at 3,600 weights (binomial).
    sizes = np.abs(standard_units(answer, case))
    sizes = sizes / np.sqrt(np.mean(sizes**2))
    slack = 7 / np.sqrt(len(sizes))
    beyond = abs(np.mean(sizes > 2.5) - 0.01242) <= 0.1108 * slack
    within = abs(np.mean(sizes < 0.5) - 0.38292) <= 0.4861 * slack
    return beyond and within


he_normal.slips(
    shape_transposed=slip(
        {"(fan_in, fan_out)": "(fan_out, fan_in)"},
        "The shape is not (fan_in, fan_out); it is the other way round.",
        hint="X @ W wants a row of W for each input.",
    ),
    one_draw_for_all=slip(
        lambda fan_in, fan_out, rng: np.full(
            (fan_in, fan_out), rng.normal(0.0, np.sqrt(2 / fan_in))
        ),
        "Weights share one draw: whole rows or columns, or all of them, are equal.",
        hint="Neurons that start alike stay alike. Give rng.normal the size, and every entry is "
        "drawn by itself.",
    ),
    seed_of_its_own=slip(
        {"rng.normal": "np.random.default_rng(0).normal"},
        "A generator with a seed of its own is made inside: every layer would start alike.",
        hint="Use the rng that you are given: it moves on with every draw.",
    ),
    not_from_rng=slip(
        {"rng.normal": "np.random.normal"},
        "The weights do not come from the rng that is passed in.",
        hint="np.random.randn draws from a source that all share; rng.normal from yours, and "
        "whoever knows its seed can repeat the run.",
    ),
    never_negative=slip(
        lambda fan_in, fan_out, rng: rng.random((fan_in, fan_out)) * np.sqrt(2 / fan_in),
        "The weights are never negative; their mean should be 0.",
        hint="rng.random lies between 0 and 1. The method with a mean of 0 is rng.normal.",
    ),
    fan_of_the_wrong_side=slip(
        {"2 / fan_in": "2 / fan_out"},
        "The variance is 2 / fan_out: this is the fan of the wrong side.",
        hint="A neuron sums over what comes in. The more terms, the smaller each must be.",
    ),
    variance_for_deviation=slip(
        {"np.sqrt(2 / fan_in)": "2 / fan_in"},
        "2 / fan_in is taken for the standard deviation; it is the variance.",
        hint="rng.normal wants the standard deviation: the root.",
    ),
    two_forgotten=slip(
        {"2 / fan_in": "1 / fan_in"},
        "The variance is 1 / fan_in; the 2 is missing.",
        hint="A ReLU silences half of its inputs, and the 2 makes up for them.",
    ),
    glorot=slip(
        {"2 / fan_in": "2 / (fan_in + fan_out)"},
        "The variance is 2 / (fan_in + fan_out): Glorot's, made for tanh.",
        hint="He's has fan_in alone.",
    ),
    not_scaled=slip(
        {"0.0, np.sqrt(2 / fan_in), ": ""},
        "The weights have variance 1: they are not scaled.",
        hint="Multiply by the standard deviation wanted, the root of 2 / fan_in.",
    ),
    torchs_default=slip(
        {
            "return rng.normal(0.0, np.sqrt(2 / fan_in)": (
                "edge = 1 / np.sqrt(fan_in)\n    return rng.uniform(-edge, edge"
            ),
        },
        "These are PyTorch's default weights: uniform within 1 / sqrt(fan_in), too small by far.",
        hint="He's are normal, with variance 2 / fan_in.",
    ),
    fixed_scale=slip(
        lambda fan_in, fan_out, rng: 0.01 * rng.standard_normal((fan_in, fan_out)),
        "The scale is 0.01 for every layer; it should follow fan_in.",
        hint="The standard deviation is the root of 2 / fan_in.",
    ),
    uniform=slip(
        {
            "return rng.normal(0.0, np.sqrt(2 / fan_in)": (
                "edge = np.sqrt(6 / fan_in)\n    return rng.uniform(-edge, edge"
            ),
        },
        "The variance is right, but the weights are not normally distributed.",
        hint="He's uniform weights have that variance too; asked for are normal ones, and whole: "
        "not cut off at some size.",
    ),
)


# Networks of known weights. W has column sums far from 0, so that no two wrong ways agree.


def _layers(rng: np.random.Generator, sizes: list[int]) -> list[Array]:
    """Weights and biases as a flat list; hidden units are now silent, now not."""
    params = []
    for fan_in, fan_out in pairwise(sizes):
        params.append(rng.normal(size=(fan_in, fan_out)) * np.sqrt(2 / fan_in))
        params.append(rng.normal(size=fan_out) * 0.5)
    return params


def _unequal(rng: np.random.Generator, count: int) -> list[int]:
    """Layer sizes of which no two are equal."""
    return [int(n) for n in rng.permutation(np.arange(2, 9))[:count]]


def _with_silent_units(rng: np.random.Generator) -> list[Array]:
    """Two hidden layers. In each one unit is always silent, and one has the input 0."""
    params = _layers(rng, [int(rng.integers(3, 5)), 6, 5, int(rng.integers(3, 5))])
    for W, b in (params[0:2], params[2:4]):
        b[0] = -40.0
        W[:, 1] = 0.0
        b[1] = 0.0
    return params


@exercise(
    points=3,
    hints=(
        "One layer is one line, a @ W + b, and its answer is the next layer's input. What does "
        "the last layer leave out?",
        "params[0::2] are the Ws and params[1::2] the bs. Keep a list that starts with X, and "
        "append what each layer answers, after its ReLU.",
        "len(params) // 2 layers: for all but the last, a = relu(a @ W + b); then the logits, "
        "a @ W + b, which are appended too.",
    ),
)
def mlp_forward(params: list[Array], X: Array) -> tuple[Array, list[Array]]:
    """The answers of a fully connected network for a batch, and what each layer said on the way.

    Hidden layers are relu(a @ W + b); the last layer is a @ W + b, without an activation: its
    numbers are the logits. A network may have one layer alone.

    Parameters
    ----------
    params : flat list [W1, b1, ..., WL, bL], W of shape (fan_in, fan_out), b of shape (fan_out,)
    X : array of shape (n, d), an example a row

    Returns
    -------
    logits : array of shape (n, k)
    cache : list [X, a1, ..., a_(L-1), logits], the activations after the ReLU

    The arguments are left as they were.

    Source: lectures A and B.
    """
    cache = [X]
    for W, b in zip(params[0:-2:2], params[1:-2:2], strict=True):
        cache.append(relu(cache[-1] @ W + b))
    cache.append(cache[-1] @ params[-2] + params[-1])
    return cache[-1], cache


def _batch(rng: np.random.Generator, sizes: list[int]) -> dict:
    return dict(params=_layers(rng, sizes), X=rng.normal(size=(rng.integers(4, 9), sizes[0])))


@mlp_forward.cases
def one_hidden_layer(rng):
    """One hidden layer."""
    return _batch(rng, _unequal(rng, 3))


@mlp_forward.cases
def two_hidden_layers_or_three(rng):
    """Two hidden layers, and three."""
    yield _batch(rng, _unequal(rng, 4))
    yield _batch(rng, _unequal(rng, 5))


@mlp_forward.cases
def one_layer_alone(rng):
    """No hidden layer: one W and one b."""
    return _batch(rng, _unequal(rng, 2))


@mlp_forward.cases
def square_layers(rng):
    """Layers that are all of one size; and silent units."""
    yield _batch(rng, [rng.integers(3, 6)] * 4)
    params = _with_silent_units(rng)
    yield dict(params=params, X=rng.normal(size=(6, len(params[0]))))


def _softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


mlp_forward.slips(
    relu_on_the_last_layer=slip(
        {"cache[-1] @ params[-2] + params[-1]": "relu(cache[-1] @ params[-2] + params[-1])"},
        "The last layer has a ReLU too; the logits may be negative.",
        hint="Its numbers go into the softmax as they are: the loop ends one layer earlier.",
    ),
    no_relu=slip(
        {"relu(cache[-1] @ W + b)": "cache[-1] @ W + b"},
        "The ReLU is missing: the whole network is one linear map.",
        hint="Between two layers something must bend, or they are no better than one.",
    ),
    sums_in_the_cache=slip(
        {
            "cache = [X]": "cache, a = [X], X",
            "cache.append(relu(cache[-1] @ W + b))": (
                "cache.append(a @ W + b)\n        a = relu(cache[-1])"
            ),
            "cache[-1] @ params": "a @ params",
        },
        "The logits are right, but the cache holds the sums before the ReLU.",
        hint="The next layer saw what the ReLU let through: append that.",
    ),
    sums_and_activations=slip(
        {
            "cache.append(relu(cache[-1] @ W + b))": (
                "cache.append(cache[-1] @ W + b)\n        cache.append(relu(cache[-1]))"
            ),
        },
        "The cache holds the sums before the ReLU and the activations; wanted are these alone.",
        hint="One array a layer: [X, a1, ..., logits].",
    ),
    cache_without_X=slip(
        {"return cache[-1], cache": "return cache[-1], cache[1:]"},
        "X is missing from the cache: it is the input of the first layer.",
        hint="Start the list with X; the gradient of W1 needs it.",
    ),
    cache_without_logits=slip(
        {"return cache[-1], cache": "return cache[-1], cache[:-1]"},
        "The logits are missing from the cache.",
        hint="Append the last layer's answer too: the backward pass starts there.",
    ),
    cache_backwards=slip(
        {"return cache[-1], cache": "return cache[-1], cache[::-1]"},
        "The cache runs from the logits back to X; it starts with X.",
        hint="In the order of the way forward: append at the end.",
    ),
    sigmoid_for_relu=slip(
        {"relu(cache[-1] @ W + b)": "1 / (1 + np.exp(-(cache[-1] @ W + b)))"},
        "The hidden layers have a sigmoid where the ReLU belongs.",
        hint="relu(a @ W + b).",
    ),
    tanh_for_relu=slip(
        {"relu(": "np.tanh("},
        "The hidden layers have a tanh where the ReLU belongs.",
        hint="relu(a @ W + b).",
    ),
    biases_left_out=slip(
        {" + b": "", " + params[-1]": ""},
        "The biases are left out.",
        hint="a @ W + b, in every layer.",
    ),
    bias_after_the_relu=slip(
        {"relu(cache[-1] @ W + b)": "relu(cache[-1] @ W) + b"},
        "The bias is added after the ReLU.",
        hint="The neuron adds its bias to the sum, and then the ReLU looks at it.",
    ),
    weights_transposed=slip(
        {"@ W": "@ W.T", "params[-2]": "params[-2].T"},
        "W is transposed; here it is (fan_in, fan_out), and a @ W needs no T.",
        hint="PyTorch keeps (fan_out, fan_in). Where all layers have one size, nothing raises.",
    ),
    softmax_applied=slip(
        {"return cache[-1], cache": "cache[-1] = _softmax(cache[-1])\n    return cache[-1], cache"},
        "The softmax is applied: the logits are what goes into it.",
        hint="The last layer is a @ W + b and no more.",
    ),
    relu_before_the_layer=slip(
        {
            "relu(cache[-1] @ W + b)": "relu(relu(cache[-1]) @ W + b)",
            "cache[-1] @ params": "relu(cache[-1]) @ params",
        },
        "X is taken through a ReLU before the first layer.",
        hint="Data may be negative. The ReLU comes after a layer.",
    ),
    logits_alone=slip(
        {"return cache[-1], cache": "return cache[-1]"},
        "Only the logits come back; the cache is wanted too.",
        hint="The last line is return logits, cache.",
    ),
    cache_first=slip(
        {"return cache[-1], cache": "return cache, cache[-1]"},
        "The two answers are in the wrong order: the logits come first, then the cache.",
        hint="The last line is return logits, cache.",
    ),
)


@exercise(
    points=5,
    hints=(
        "Carry one array back through the layers: the gradient at the layer's sum, of the "
        "sum's shape. Call it delta; the docstring says what it is at the logits. From delta, what "
        "is the gradient of b, of W, and of the layer's input?",
        "Shapes settle most of it. delta is (n, fan_out), the layer's input a is (n, fan_in), and "
        "dW must be (fan_in, fan_out). b was added to every one of the n rows.",
        "dW = a.T @ delta, db = delta.sum(axis=0); then delta @ W.T is the gradient at a, and the "
        "ReLU lets it through where a > 0. There is no ReLU at the logits, and none at X.",
        "Take the row's largest logit away before exp, or it overflows.",
    ),
)
def mlp_backward(params: list[Array], cache: list[Array], Y: Array) -> list[Array]:
    """The gradient of the network's mean softmax cross entropy, by all of its parameters.

    At the logits the gradient is (softmax(logits) - Y) / n, where softmax makes each row
    positive with sum 1: exp of the row over the sum of these. From there it goes back, layer by
    layer.

    Parameters
    ----------
    params : flat list [W1, b1, ..., WL, bL], as mlp_forward takes it
    cache : list [X, a1, ..., a_(L-1), logits], as mlp_forward returns it; logits may be large
    Y : array of shape (n, k), the right classes one-hot

    Returns
    -------
    list [dW1, db1, ..., dWL, dbL], each of the shape of its parameter. The arguments are left as
    they were. Where the input of a ReLU is 0, its slope is taken as 0.

    Source: lectures A and B.
    """
    logits = cache[-1]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    delta = (shares / shares.sum(axis=1, keepdims=True) - Y) / len(Y)
    grads: list[Array] = []
    for layer in reversed(range(len(params) // 2)):
        a = cache[layer]
        grads = [a.T @ delta, delta.sum(axis=0), *grads]
        if layer:
            # a is positive just where its input was: the slope of the ReLU can be read off it.
            delta = (delta @ params[2 * layer].T) * relu_grad(a)
    return grads


def _one_hot(rng: np.random.Generator, n: int, k: int) -> Array:
    return np.eye(k)[rng.integers(0, k, n)]


def _pass(rng: np.random.Generator, sizes: list[int], n: int | None = None) -> dict:
    """Arguments for the way back through a network of random weights."""
    n = n or int(rng.integers(4, 9))
    params = _layers(rng, sizes)
    _, cache = mlp_forward(params, rng.normal(size=(n, sizes[0])))
    return dict(params=params, cache=cache, Y=_one_hot(rng, n, sizes[-1]))


def _pass_about(rng: np.random.Generator, levels: Array) -> dict:
    """A single layer in which all logits of a row lie about the row's level."""
    n, d, k = len(levels), 4, 3
    X, pull = rng.normal(size=(n, d)), rng.normal(size=d)
    X += np.outer(rng.permutation(levels) - X @ pull, pull / (pull @ pull))
    params = [0.02 * rng.normal(size=(d, k)) + pull[:, None], rng.normal(size=k)]
    return dict(params=params, cache=mlp_forward(params, X)[1], Y=_one_hot(rng, n, k))


@mlp_backward.cases
def back_through_one_hidden_layer(rng):
    """One hidden layer; no two layers of one size."""
    return _pass(rng, _unequal(rng, 3))


@mlp_backward.cases
def back_through_a_deep_network(rng):
    """Two hidden layers, and three; no two layers of one size."""
    yield _pass(rng, _unequal(rng, 4))
    yield _pass(rng, _unequal(rng, 5))


@mlp_backward.cases
def back_through_square_layers(rng):
    """All layers of one size, and as many examples: nothing raises."""
    size = rng.integers(4, 6)
    return _pass(rng, [size] * 4, n=size)


@mlp_backward.cases
def back_through_one_layer(rng):
    """No hidden layer: one W and one b."""
    return _pass(rng, _unequal(rng, 2))


@mlp_backward.cases
def back_past_silent_units(rng):
    """Units that are always silent, some of them with the input 0."""
    params = _with_silent_units(rng)
    X = rng.normal(size=(7, len(params[0])))
    return dict(params=params, cache=mlp_forward(params, X)[1], Y=_one_hot(rng, 7, len(params[-1])))


@mlp_backward.cases
def back_from_large_logits(rng):
    """Large logits, positive and negative."""
    apart = [790.0, -790.0, 700.0, -700.0, 0.0, 20.0]
    for wanted in (apart, rng.uniform(740, 800, 6)):
        yield _pass_about(rng, np.array(wanted))
    params = _layers(rng, [4, 6, 3])
    X = rng.normal(size=(6, 4)) * 3
    params[2] *= 800 / np.max(np.abs(mlp_forward(params, X)[0]))
    yield dict(params=params, cache=mlp_forward(params, X)[1], Y=_one_hot(rng, 6, 3))


mlp_backward.slips(
    sum_over_the_batch=slip(
        lambda params, cache, Y: [len(Y) * g for g in mlp_backward.reference(params, cache, Y)],
        "The mean is missing: the gradient is n times as large.",
        hint="The cost is averaged over the n examples: divide by n, once, at the logits.",
    ),
    mean_taken_twice=slip(
        lambda params, cache, Y: [g / len(Y) for g in mlp_backward.reference(params, cache, Y)],
        "The mean is taken twice: at the logits, and in each layer again.",
        hint="The 1/n is in delta already, and all that comes from delta has it.",
    ),
    mean_again_on_the_way=slip(
        {
            "a = cache[layer]": (
                "a = cache[layer]\n        again = len(Y) if layer < len(cache) - 2 else 1"
            ),
            "a.T @ delta, delta.sum(axis=0)": "a.T @ delta / again, delta.sum(axis=0) / again",
        },
        "The mean is taken again on the way back: the last layer is right, those before it are n "
        "times too small.",
        hint="The 1/n is in delta from the start; it must not come in a second time.",
    ),
    mean_over_the_classes_too=slip(
        lambda params, cache, Y: [g / Y.shape[1] for g in mlp_backward.reference(params, cache, Y)],
        "The mean is taken over the classes too: the gradient is k times too small.",
        hint="The cost of one example is one number, whatever the number of classes: divide by n.",
    ),
    targets_minus_softmax=slip(
        lambda params, cache, Y: [-g for g in mlp_backward.reference(params, cache, Y)],
        "The sign is reversed: this is the way down, not the gradient.",
        hint="softmax - Y at the logits, not Y - softmax.",
    ),
    bias_not_summed=slip(
        {"delta.sum(axis=0)": "delta"},
        "The bias gradients are not summed over the batch: they have a row for each example.",
        hint="One bias serves all n rows, so what they ask of it adds up: axis 0.",
    ),
    bias_over_the_wrong_axis=slip(
        {"axis=0": "axis=1"},
        "The bias gradients are summed over the wrong axis: over the neurons, not the examples.",
        hint="delta is (n, fan_out) and db (fan_out,): axis 0 goes.",
    ),
    bias_averaged=slip(
        {"delta.sum": "delta.mean"},
        "The bias gradients are a mean over the batch of what has its 1/n already.",
        hint="delta.sum(axis=0): the division is in delta.",
    ),
    bias_as_a_row=slip(
        {"axis=0": "axis=0, keepdims=True"},
        "The bias gradients have an axis too many: shape (1, fan_out).",
        hint="Without keepdims, so that each has the shape of its bias.",
    ),
    weights_transposed_in_the_gradient=slip(
        {"a.T @ delta": "delta.T @ a"},
        "The weight gradients are transposed: they must have the shape of their W.",
        hint="a.T @ delta is (fan_in, fan_out). Where all layers have one size, nothing raises.",
    ),
    back_without_transpose=slip(
        {"layer].T": "layer]"},
        "On the way back W is not transposed.",
        hint="delta is (n, fan_out) and W (fan_in, fan_out): delta @ W.T. Where all layers have "
        "one size, nothing raises.",
    ),
    matrix_of_the_layer_below=slip(
        {"2 * layer": "2 * layer - 2"},
        "The wrong matrix stands in the chain: delta goes back through the W of the layer below.",
        hint="From layer 2 to layer 1 the signal went through W2; it goes back through W2.",
    ),
    not_masked=slip(
        {" * relu_grad(a)": ""},
        "delta goes back through silent units: the slope of the ReLU is missing.",
        hint="Multiply by 1 where the unit's activation is positive, and by 0 where it is 0. (a >= "
        "0 is true for every activation.)",
    ),
    steep_at_a_sum_of_zero=slip(
        {"relu_grad(a)": "(cache[layer - 1] @ params[2 * layer - 2] + params[2 * layer - 1] >= 0)"},
        "A unit whose sum is exactly 0 passes its gradient on; there the slope is taken as 0.",
        hint="z > 0 in place of z >= 0; or read it off the activation, a > 0.",
    ),
    masked_by_the_layer_above=slip(
        {"relu_grad(a)": "relu_grad(cache[layer + 1])"},
        "The mask is that of another layer: it is one layer too far up.",
        hint="delta @ W.T has the shape of the layer's input, cache[layer]; the mask is read off "
        "that.",
    ),
    masked_by_the_layer_below=slip(
        {"relu_grad(a)": "relu_grad(cache[layer - 1])"},
        "The mask is that of another layer: it is one layer too far down.",
        hint="delta @ W.T has the shape of the layer's input, cache[layer]; the mask is read off "
        "that.",
    ),
    logits_masked=slip(
        {"grads: list": "delta = delta * (logits > 0)\n    grads: list"},
        "The logits are masked too; the last layer has no ReLU.",
        hint="A negative logit still counts in the softmax.",
    ),
    times_the_activation=slip(
        {"relu_grad(a)": "a"},
        "delta is multiplied by the activation; wanted is the slope of the ReLU, 1 or 0.",
        hint="relu_grad of the activation, not the activation.",
    ),
    slope_of_sigmoid_units=slip(
        {"relu_grad(a)": "(a * (1 - a))"},
        "This is the slope of the sigmoid; the hidden layers have ReLUs.",
        hint="a * (1 - a) belongs to a sigmoid unit. The ReLU's slope is 1 where a > 0.",
    ),
    slope_of_tanh_units=slip(
        {"relu_grad(a)": "(1 - a**2)"},
        "This is the slope of tanh; the hidden layers have ReLUs.",
        hint="1 - a ** 2 belongs to a tanh unit. The ReLU's slope is 1 where a > 0.",
    ),
    relu_of_the_gradient=slip(
        {"(delta @ params[2 * layer].T) * relu_grad(a)": "relu(delta @ params[2 * layer].T)"},
        "The ReLU is taken of the gradient: what counts is whether the unit's input was positive.",
        hint="Multiply by 1 where the unit's activation is positive, and by 0 where it is 0.",
    ),
    softmax_slope_once_more=slip(
        {
            "grads: list": (
                "shares = delta * len(Y) + Y\n"
                "    delta = delta * shares * (1 - shares)\n"
                "    grads: list"
            ),
        },
        "The derivative of the softmax is taken once more; softmax - Y has it in it already.",
        hint="The docstring gives the gradient at the logits. Softmax and logarithm cancel there.",
    ),
    softmax_missing=slip(
        {"shares / shares.sum(axis=1, keepdims=True)": "logits"},
        "The softmax is missing: Y is taken away from the logits themselves.",
        hint="softmax(logits) - Y: first make shares of the logits.",
    ),
    softmax_over_the_batch=slip(
        {
            "logits.max(axis=1, keepdims=True)": "logits.max(axis=0)",
            "shares.sum(axis=1, keepdims=True)": "shares.sum(axis=0)",
        },
        "The softmax sums over the examples: each column adds up to 1, not each row.",
        hint="The shares of one example's classes add up to 1: axis=1, with keepdims.",
    ),
    softmax_over_everything=slip(
        {
            "logits.max(axis=1, keepdims=True)": "logits.max()",
            "shares.sum(axis=1, keepdims=True)": "shares.sum()",
        },
        "The softmax sums over the whole batch: all shares together add up to 1, not each row.",
        hint="sum without an axis adds everything up: axis=1, with keepdims.",
    ),
    softmax_summed_without_axis=slip(
        {"shares.sum(axis=1, keepdims=True)": "shares.sum()"},
        "Each row is shifted by its own maximum, but then all shares together add up to 1.",
        hint="sum without an axis adds everything up: axis=1, with keepdims, as for the maximum.",
    ),
    not_shifted=slip(
        {" - logits.max(axis=1, keepdims=True)": ""},
        "exp overflows at large logits, and inf / inf is nan.",
        hint="Softmax stays the same when each row is shifted: take its largest logit away first.",
    ),
    shifted_by_one_maximum=slip(
        {"logits.max(axis=1, keepdims=True)": "logits.max()"},
        "All rows are shifted by one maximum: in a row far below it every exp is 0, and 0 / 0 is "
        "nan.",
        hint="Each row has a maximum of its own: axis=1, with keepdims.",
    ),
    output_for_input=slip(
        {"a.T @ delta": "cache[layer + 1].T @ delta"},
        "The gradients of W are made with the layer's answer; they want its input.",
        hint="W multiplied what came in: cache[layer], not cache[layer + 1].",
    ),
    last_layer_first=slip(
        {"a.T @ delta, delta.sum(axis=0), *grads": "*grads, a.T @ delta, delta.sum(axis=0)"},
        "The gradients come from the last layer to the first; wanted is the order of params.",
        hint="Put each pair in front of those that are there already.",
    ),
    list_turned_round=slip(
        {"return grads": "return grads[::-1]"},
        "The whole list is turned round: in it db comes before dW, and the last layer is first.",
        hint="If you append db, then dW, and reverse at the end, the order is right; here it is "
        "not.",
    ),
    bias_before_weights=slip(
        {"a.T @ delta, delta.sum(axis=0)": "delta.sum(axis=0), a.T @ delta"},
        "Each bias gradient stands before its weight gradient: dW comes first, then db.",
        hint="The order of params: [dW1, db1, ...].",
    ),
    list_of_pairs=slip(
        {"return grads": "return list(zip(grads[0::2], grads[1::2], strict=True))"},
        "The list holds pairs; wanted is one flat list.",
        hint="[dW1, db1, dW2, db2]: extend, or append both by themselves.",
    ),
    weights_then_biases=slip(
        {"return grads": "return grads[0::2] + grads[1::2]"},
        "The list has all weight gradients first and then all bias gradients.",
        hint="In the order of params they alternate.",
    ),
)


@exercise(
    points=2,
    draws=1,
    hints=(
        "Make a table of shape (2, 3) from an array of shape (3,): which places hold its first "
        "number? And from an array of shape (2, 1)?",
        "NumPy lines shapes up on the right. Axes that are new stand on the left: sum them away. "
        "Axes that had length 1 were stretched: sum them too, but keep them.",
        "grad.sum(axis=0) while grad has too many axes; then, for every axis of length 1 in shape, "
        "grad.sum(axis=i, keepdims=True).",
    ),
)
def unbroadcast(grad: Array, shape: tuple[int, ...]) -> Array:
    """Bring the gradient of a broadcast array back to the array's own shape.

    Broadcasting used an array of shape `shape` as if it had the shape of grad, the same number in
    many places. What each place asks of that number adds up.

    Parameters
    ----------
    grad : array, the gradient by the broadcast array
    shape : tuple, the shape that was there before; NumPy can broadcast it to that of grad. () is
        that of a number

    Returns
    -------
    array of shape `shape`; a copy of grad, or grad itself, where the two shapes are equal.

    Source: lecture E.
    """
    if grad.shape == shape:
        return grad
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1)
    return grad.sum(axis=stretched, keepdims=True)


def _arrived(rng: np.random.Generator, *shape: int) -> Array:
    """A gradient whose entries and sums are all far from 0."""
    return rng.uniform(0.5, 2.0, size=shape)


def _lengths(rng: np.random.Generator, count: int) -> list[int]:
    return [int(n) for n in rng.permutation([2, 3, 4, 5])[:count]]


@unbroadcast.cases
def new_axes(rng):
    """Axes that broadcasting put in front."""
    a, b, c = _lengths(rng, 3)
    yield dict(grad=_arrived(rng, a, b), shape=(b,))
    yield dict(grad=_arrived(rng, a, b, c), shape=(c,))
    yield dict(grad=_arrived(rng, a, a), shape=(a,))


@unbroadcast.cases
def stretched_axes(rng):
    """Axes of length 1 that broadcasting stretched."""
    a, b, c = _lengths(rng, 3)
    yield dict(grad=_arrived(rng, a, b), shape=(a, 1))
    yield dict(grad=_arrived(rng, a, b, c), shape=(1, b, 1))
    yield dict(grad=_arrived(rng, a), shape=(1,))


@unbroadcast.cases
def new_and_stretched_axes(rng):
    """New axes and stretched ones together; and nothing to undo."""
    a, b, c = _lengths(rng, 3)
    yield dict(grad=_arrived(rng, a, b, c), shape=(1, c))
    yield dict(grad=_arrived(rng, a, b, c), shape=(b, 1))
    yield dict(grad=_arrived(rng, a, b), shape=(a, b))


@unbroadcast.cases
def down_to_one_number(rng):
    """A number that was broadcast, of shape () and of shape (1, 1)."""
    a, b = _lengths(rng, 2)
    yield dict(grad=_arrived(rng, a, b), shape=())
    yield dict(grad=_arrived(rng, a, b), shape=(1, 1))
    yield dict(grad=_arrived(rng, a), shape=())


unbroadcast.slips(
    nothing_summed=slip(
        lambda grad, shape: grad,
        "Nothing is summed: the gradient still has the broadcast shape.",
        hint="One number stood in many places. Which of the gradient's entries are about it?",
    ),
    stretched_left=slip(
        {"return grad.sum(axis=stretched, keepdims=True)": "return grad"},
        "Only new axes are summed; one of length 1 that was stretched is not brought back.",
        hint="After the new axes are gone, look for axes where shape has 1 and grad has more.",
    ),
    new_axes_left=slip(
        {
            "grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))": (
                "offset = grad.ndim - len(shape)"
            ),
            "(i for": "(i + offset for",
        },
        "Only stretched axes are summed; the new ones in front are still there.",
        hint="A gradient of more dimensions than shape has axes too many: sum over axis 0 until "
        "not.",
    ),
    new_axes_kept=slip(
        {
            "grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))": (
                "offset = grad.ndim - len(shape)"
            ),
            "(i for": "(i + offset for",
            "axis=stretched": "axis=(*range(offset), *stretched)",
        },
        "New axes are summed, but stay with length 1: shape (1, 1) for (1,).",
        hint="Without keepdims for the axes in front; keepdims is for those that shape has.",
    ),
    length_one_lost=slip(
        {
            "grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))": (
                "offset = grad.ndim - len(shape)"
            ),
            "(i for": "(i + offset for",
            "axis=stretched, keepdims=True": "axis=(*range(offset), *stretched)",
        },
        "Axes of length 1 are lost: the sum takes the axis away.",
        hint="sum(axis=i, keepdims=True) keeps it, with length 1.",
    ),
    averaged=slip(
        {"grad.sum(axis=tuple": "grad.mean(axis=tuple", "return grad.sum": "return grad.mean"},
        "The gradients are averaged; what the places ask of their number adds up.",
        hint="Twice the number in twice the places moves the result twice as much: a sum.",
    ),
    first_place_alone=slip(
        {
            "grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))": (
                "grad = grad[(0,) * (grad.ndim - len(shape))]"
            ),
            "return grad.sum(axis=stretched, keepdims=True)": (
                "return grad[tuple(slice(n) for n in shape)]"
            ),
        },
        "Only the first place of each number is taken.",
        hint="All of the places where the number stood have a say: sum.",
    ),
    one_total=slip(
        {"return grad.sum(axis=stretched, keepdims=True)": "return np.full(shape, grad.sum())"},
        "Everything is summed into one number, and that stands in every place.",
        hint="Each entry of the array adds up its own places alone.",
    ),
    last_axes_summed=slip(
        {"range(grad.ndim - len(shape))": "range(len(shape), grad.ndim)"},
        "The axes in front are taken for the array's own: the last ones are summed.",
        hint="NumPy lines shapes up on the right: an array of shape (3,) is a row, in every row of "
        "a table of shape (2, 3).",
    ),
    put_into_the_shape=slip(
        lambda grad, shape: np.resize(grad, shape),
        "The numbers are put into the shape as they come, those that do not fit are dropped.",
        hint="np.resize and reshape add nothing up.",
    ),
)


@class_exercise
class Tensor:
    """An array that remembers how it was made, so that gradients can find their way back.

    Arithmetic with Tensors makes Tensors. backward() on a result puts into the grad of everything
    that it was made from how the result changes with it.

    Source: lecture E; the idea is Linnainmaa's (1970), and micrograd (Karpathy, 2020) is a
    very short form of it.
    """

    __array_ufunc__ = None  # NumPy leaves array + Tensor to us: Python then asks __radd__.

    def __init__(self, data, _parents=()):
        """Keep data, a number or an array, as a float64 copy; grad starts as zeros of its shape.

        _parents is for your own operations: what this Tensor was made from, in any form you like.
        """
        self.data = np.array(data, dtype=np.float64)
        self.grad = np.zeros(self.data.shape)
        self._parents = _parents

    @property
    def shape(self):
        """The shape of the data."""
        return self.data.shape

    def __add__(self, other):
        """self + other, where other is a Tensor, a number or an array."""
        other = other if isinstance(other, Tensor) else Tensor(other)
        return Tensor(self.data + other.data, [(self, lambda g: g), (other, lambda g: g)])

    def __mul__(self, other):
        """self * other, element by element, where other is a Tensor, a number or an array."""
        other = other if isinstance(other, Tensor) else Tensor(other)
        return Tensor(
            self.data * other.data,
            [(self, lambda g: g * other.data), (other, lambda g: g * self.data)],
        )

    def __pow__(self, number):
        """self ** number, element by element; the exponent is a plain number."""
        return Tensor(self.data**number, [(self, lambda g: g * number * self.data ** (number - 1))])

    def __neg__(self):
        """-self"""
        return self * -1

    def __sub__(self, other):
        """self - other, where other is a Tensor, a number or an array."""
        return self + -1 * other

    def __rsub__(self, other):
        """other - self, where other is a number or an array."""
        return -self + other

    def __truediv__(self, other):
        """self / other, where other is a Tensor, a number or an array."""
        other = other if isinstance(other, Tensor) else Tensor(other)
        return self * other**-1

    def __rtruediv__(self, other):
        """other / self, where other is a number or an array."""
        return self**-1 * other

    __radd__ = __add__
    __rmul__ = __mul__

    def __matmul__(self, other):
        """The matrix product self @ other of two dimensions; other is a Tensor or an array."""
        other = other if isinstance(other, Tensor) else Tensor(other)
        return Tensor(
            self.data @ other.data,
            [(self, lambda g: g @ other.data.T), (other, lambda g: self.data.T @ g)],
        )

    def __rmatmul__(self, other):
        """The matrix product other @ self, where other is an array: it wants no gradient."""
        return Tensor(other @ self.data, [(self, lambda g: np.transpose(other) @ g)])

    def sum(self, axis=None, keepdims=False):
        """The sum over all entries, or over an axis or a tuple of axes, as NumPy's."""

        def spread(g):
            if axis is not None and not keepdims:
                g = np.expand_dims(g, axis)
            return np.broadcast_to(g, self.shape)

        return Tensor(self.data.sum(axis=axis, keepdims=keepdims), [(self, spread)])

    def mean(self, axis=None, keepdims=False):
        """The mean over all entries, or over an axis or a tuple of axes, as NumPy's."""
        total = self.sum(axis, keepdims)
        return total * (total.data.size / self.data.size)

    def exp(self):
        """e to the power of each entry."""
        value = np.exp(self.data)
        return Tensor(value, [(self, lambda g: g * value)])

    def log(self):
        """The natural logarithm of each entry."""
        return Tensor(np.log(self.data), [(self, lambda g: g / self.data)])

    def relu(self):
        """Each entry where it is positive, else 0."""
        return Tensor(relu(self.data), [(self, lambda g: g * relu_grad(self.data))])

    def reshape(self, *shape):
        """The same entries in another shape: t.reshape(2, 3)."""
        return Tensor(self.data.reshape(*shape), [(self, lambda g: g.reshape(self.shape))])

    def transpose(self, *axes):
        """The axes in another order, as t.transpose(1, 0, 2); reversed where none is given."""
        order = np.ravel(axes) if axes else np.arange(self.data.ndim)[::-1]
        back = np.argsort(order % self.data.ndim)
        return Tensor(self.data.transpose(order), [(self, lambda g: g.transpose(back))])

    @property
    def T(self):
        """All axes reversed: the transpose of a matrix."""
        return self.transpose()

    def backward(self):
        """Add to the grad of all that this was made from the derivative of this by it.

        This itself has the derivative 1. What was there in grad before stays: gradients add up.
        """
        order, seen, todo = [], set(), [(self, False)]
        while todo:
            node, parents_are_in = todo.pop()
            if parents_are_in:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                todo.append((node, True))
                todo.extend((parent, False) for parent, rule in node._parents)

        arrived = {self: np.ones(self.shape)}
        for node in reversed(order):
            grad = arrived.pop(node)
            node.grad += grad
            for parent, rule in node._parents:
                share = unbroadcast(rule(grad), parent.shape)
                arrived[parent] = arrived[parent] + share if parent in arrived else share


# Pieces of the class that several slips edit.
_SUM = "[(self, lambda g: g), (other, lambda g: g)]"
_PRODUCT = "(self, lambda g: g * other.data), (other, lambda g: g * self.data)"
_POWER = "g * number * self.data ** (number - 1)"
_MATMUL = "[(self, lambda g: g @ other.data.T), (other, lambda g: self.data.T @ g)]"
_RMATMUL = "Tensor(other @ self.data, [(self, lambda g: np.transpose(other) @ g)])"
_TOTAL = "Tensor(self.data.sum(axis=axis, keepdims=keepdims), [(self, spread)])"
_MEAN = "return total * (total.data.size / self.data.size)"
_RELU = "Tensor(relu(self.data), [(self, lambda g: g * relu_grad(self.data))])"
_RESHAPE = "Tensor(self.data.reshape(*shape), [(self, lambda g: g.reshape(self.shape))])"
_BACK = "unbroadcast(rule(grad), parent.shape)"
_GATHERED = "arrived[parent] + share if parent in arrived else share"


@Tensor.step(
    points=1,
    draws=1,
    hints=(
        "np.array copies what it is given and takes a dtype.",
        "grad has the shape of data from the start: np.zeros of that shape. shape is a property.",
    ),
)
def data_and_grad(cls, data):
    """data, grad and shape of a new Tensor; and whether data is still the array it came from."""
    given = np.array(data)
    t = cls(given)
    made = {"data": np.array(t.data), "grad": t.grad, "shape": tuple(t.shape)}
    if given.ndim:
        given[...] = 7
        made["data, once the array it came from was changed"] = t.data
    return made


@data_and_grad.cases
def arrays(rng):
    """An array of one dimension, and one of two."""
    for shape in (rng.integers(2, 5),), (2, rng.integers(3, 5)):
        yield dict(data=rng.normal(size=shape))


@data_and_grad.cases
def whole_numbers(rng):
    """Whole numbers go in: data is float64 all the same."""
    yield dict(data=rng.integers(1, 6, size=rng.integers(2, 5)))
    yield dict(data=rng.integers(1, 6))


data_and_grad.slips(
    not_copied=slip(
        {"np.array(data, dtype=np.float64)": "np.asarray(data, dtype=np.float64)"},
        "data is the very array that was given, not a copy.",
        hint="np.asarray hands an array of float64 through as it is; np.array copies.",
    ),
    kept_as_whole_numbers=slip(
        {"np.array(data, dtype=np.float64)": "np.array(data)"},
        "Whole numbers stay whole numbers: data is not float64.",
        hint="Give np.array its dtype; otherwise a gradient step would be cut to whole numbers.",
    ),
    no_grad_yet=slip(
        {"self.grad = np.zeros(self.data.shape)": "self.grad = None"},
        "grad is None before the first backward().",
        hint="Start with zeros of the shape of data: what arrives can then be added.",
    ),
    grad_of_ones=slip(
        {"np.zeros(self.data.shape)": "np.ones(self.data.shape)"},
        "grad starts at ones.",
        hint="Nobody has asked for a derivative yet: zeros. Only the seed of backward() is ones.",
    ),
    grad_is_a_number=slip(
        {"np.zeros(self.data.shape)": "0.0"},
        "grad is a single number, whatever the shape of data.",
        hint="Each entry of data has a derivative of its own: np.zeros(self.data.shape).",
    ),
)


@public
def data_of(result):
    """The data of a Tensor; in words where NumPy made an array of Tensors."""
    return "an array of Tensors" if isinstance(result, np.ndarray) else result.data


@Tensor.step(
    points=2,
    after=("data_and_grad",),
    hints=(
        "A result must remember what it was made from, and for each of these how a gradient goes "
        "back: keep both when you make it.",
        "backward() gives the result the gradient 1. For a + b each side is handed it on as it "
        "is; for a * b it is multiplied by the other side's data.",
        "For array + Tensor NumPy must be told to keep out: __array_ufunc__ = None in the class. "
        "Then Python asks __radd__.",
    ),
)
def add_and_multiply(cls, a, b, number, row):
    """A Tensor with a Tensor, with a number and with an array, on either side."""
    ways = {
        "a + b": lambda s, t: s + t,
        "a * b": lambda s, t: s * t,
        "(a + number) * (number * b)": lambda s, t: (s + number) * (number * t),
        "(a * number) * (number + b)": lambda s, t: (s * number) * (number + t),
    }
    made = {}
    for name, way in ways.items():
        s, t = cls(a), cls(b)
        out = way(s, t)
        out.backward()
        made[f"the value of {name}"] = out.data
        made[f"the gradient of a in {name}"] = s.grad
        made[f"the gradient of b in {name}"] = t.grad
    wide = cls(row)
    made["array + Tensor"] = data_of(row + wide)
    made["array * Tensor"] = data_of(row * wide)
    made["Tensor * array"] = data_of(wide * row)
    return made


@add_and_multiply.cases
def two_numbers(rng):
    """Two Tensors of no dimension, a number, and an array."""
    a, b, number = (float(x) for x in rng.uniform(1.5, 3, 3) * rng.choice([-1, 1], 3))
    return dict(a=a, b=b, number=number, row=rng.normal(size=rng.integers(2, 5)))


@add_and_multiply.cases
def whole_number(rng):
    """The number is a whole one."""
    a, b = (float(x) for x in rng.uniform(1.5, 3, 2))
    return dict(a=a, b=-b, number=rng.integers(2, 6), row=rng.normal(size=3))


add_and_multiply.slips(
    one_side_forgotten=slip(
        {_PRODUCT: "(self, lambda g: g * other.data)"},
        "In a product only the left factor gets a gradient.",
        hint="Both factors move the product: each is handed g times the data of the other.",
    ),
    own_value=slip(
        {_PRODUCT: "(self, lambda g: g * self.data), (other, lambda g: g * other.data)"},
        "In a product each factor is given its own value; it should be the other's.",
        hint="If b is 3, moving a by 1 moves a * b by 3: the derivative by a is b.",
    ),
    product_handed_on=slip(
        {_PRODUCT: "(self, lambda g: g), (other, lambda g: g)"},
        "The gradient of a product is handed on as if it were a sum.",
        hint="Moving a by 1 moves a * b by b, not by 1.",
    ),
    upstream_forgotten=slip(
        {
            _PRODUCT: "(self, lambda g: other.data), (other, lambda g: self.data)",
            _SUM: "[(self, lambda g: np.ones_like(g)), (other, lambda g: np.ones_like(g))]",
            "[(self, lambda g: g * number * self": "[(self, lambda g: number * self",
        },
        "The derivative of each operation is there, but not what comes back from above it.",
        hint="The chain rule multiplies: the gradient of the result times the local derivative.",
    ),
    numpy_not_told=slip(
        {"__array_ufunc__ = None": "numpy_knows_nothing = None"},
        "With an array on the left NumPy adds entry by entry: a whole array of Tensors comes out.",
        hint="Put __array_ufunc__ = None into the class: NumPy then leaves array + Tensor to you.",
    ),
    graph_left=slip(
        {", " + _SUM: ""},
        "A sum does not remember what it was made from: nothing goes back through it.",
        hint="Make the result from both parents, so that backward() can find them.",
    ),
    seeded_with_the_value=slip(
        {"{self: np.ones(self.shape)}": "{self: self.data}"},
        "backward() starts from the value of the result; it should start from 1.",
        hint="Moving a thing by 1 moves that thing by 1: its derivative by itself is 1.",
    ),
    nothing_comes_back=slip(
        {"node.grad += grad": "grad = grad"},
        "After backward() the grad of the leaves is still 0: nothing has reached them.",
        hint="Walk from the result back to its parents, and add to the grad of each.",
    ),
)


@public
def built(tensors, program):
    """The Tensors of a small program: a line (sign, i, j) adds or multiplies two earlier ones."""
    made = list(tensors)
    for sign, i, j in program:
        made.append(made[i] + made[j] if sign == "+" else made[i] * made[j])
    return made


@public
def gradients_of_program(cls, leaves, program):
    """The last value of a program on numbers, and the gradients that it leaves on them."""
    tensors = [cls(leaf) for leaf in leaves]
    out = built(tensors, program)[-1]
    out.backward()
    return {
        "the value": out.data,
        **{f"the gradient of leaf {i}": t.grad for i, t in enumerate(tensors)},
    }


def _numbers(rng, n: int) -> list[float]:
    return [float(x) for x in rng.uniform(1.2, 2.5, n) * rng.choice([-1, 1], n)]


@Tensor.step(
    points=2,
    draws=1,
    after=("data_and_grad", "add_and_multiply"),
    hints=(
        "In a + a the same Tensor stands on both sides. What must its gradient be?",
        "A gradient that arrives is added to what is there already: += and not =.",
    ),
)
def used_twice(cls, leaves, program):
    """Sums and products in which a leaf is used more than once. Lines are (sign, i, j)."""
    return gradients_of_program(cls, leaves, program)


@used_twice.cases
def doubled(rng):
    """a + a, and a * a."""
    yield dict(leaves=_numbers(rng, 1), program=[("+", 0, 0)])
    yield dict(leaves=_numbers(rng, 1), program=[("*", 0, 0)])


@used_twice.cases
def in_two_places(rng):
    """A leaf that stands in two different operations."""
    yield dict(leaves=_numbers(rng, 2), program=[("*", 0, 1), ("+", 2, 0)])
    yield dict(leaves=_numbers(rng, 3), program=[("*", 0, 1), ("*", 1, 2), ("+", 3, 4)])


used_twice.slips(
    not_accumulated=slip(
        {_GATHERED: "share"},
        "A gradient that arrives replaces the one that is there: a + a gives 1 in place of 2.",
        hint="What is used twice is blamed twice: add the gradients up.",
    ),
    first_one_kept=slip(
        {_GATHERED: "arrived.get(parent, share)"},
        "Only the first gradient that arrives counts; later ones are dropped.",
        hint="What is used twice is blamed twice: add the gradients up.",
    ),
    averaged=slip(
        {_GATHERED: "(arrived[parent] + share) / 2 if parent in arrived else share"},
        "Gradients that meet are averaged.",
        hint="Each use moves the result on its own: the effects add up.",
    ),
    one_array_for_two=slip(
        {
            _BACK: "np.asarray(unbroadcast(rule(grad), parent.shape))",
            _GATHERED: "np.add(arrived[parent], share, out=arrived[parent]) "
            "if parent in arrived else share",
        },
        "Two parents share one gradient array: += on that of the one changes the other's.",
        hint="A sum hands the same array to both. Make a new one where gradients are added: "
        "old + new, not old += new.",
    ),
)


@Tensor.step(
    points=3,
    draws=1,
    after=("data_and_grad", "add_and_multiply", "used_twice"),
    hints=(
        "With b = a + a and c = b + b: may b hand anything on to a before both of its own "
        "gradients have come in?",
        "A node's turn comes when all that it was used for have had theirs: the reverse of an "
        "order in which parents stand before what was made from them.",
        "Walk from the result to its parents, and append a node to a list only after all of its "
        "parents. Then go through that list from its end.",
    ),
)
def diamond(cls, leaves, program):
    """Graphs in which ways part and meet again. Lines are (sign, i, j)."""
    return gradients_of_program(cls, leaves, program)


@diamond.cases
def two_storeys(rng):
    """b = a + a, then c = b + b; and the same with products on top."""
    storeys = [[("+", 0, 0), ("+", 1, 1)], [("*", 0, 0), ("+", 1, 1), ("*", 2, 1)]]
    for program in storeys:
        yield dict(leaves=_numbers(rng, 1), program=program)


@diamond.cases
def a_long_way_and_a_short_one(rng):
    """A node that is reached by a short way and by a long one, and hands on further."""
    # 2: a * b; 3 to 5: the long way from it; 6: both ways meet.
    program = [("*", 0, 1), ("+", 2, 1), ("*", 3, 0), ("+", 4, 4), ("*", 5, 2)]
    yield dict(leaves=_numbers(rng, 2), program=program)
    yield dict(leaves=_numbers(rng, 2), program=[*program[:-1], ("*", 2, 5)])


@diamond.cases
def random_graphs(rng):
    """A random graph with shared nodes, on top of nodes that are reached by several ways."""
    # 5: a sum, one of whose two is made from the other; 9: a short way to it, and a long one.
    program = [("*", 0, 1), ("*", 3, 0), ("+", 3, 4)]
    program += [("*", 5, 1), ("+", 6, 6), ("+", 7, 2), ("*", 8, 5)]
    for made in range(10, rng.integers(12, 14)):
        # The newest stands in every line, so that all of them count.
        i, j = made - 1, int(rng.integers(max(0, made - 4), made))
        program.append(
            ("+" if rng.random() < 0.6 else "*", *((i, j) if rng.random() < 0.5 else (j, i)))
        )
    return dict(leaves=[float(x) for x in rng.uniform(0.4, 0.9, 3)], program=program)


@diamond.cases
def a_long_chain(rng):
    """A chain of 200 nodes."""
    program = [("+", 0, 1)] + [("+", made - 1, 1) for made in range(3, 202)]
    return dict(leaves=_numbers(rng, 2), program=program)


def _handed_on_at_once(self):
    def hand_on(node):
        for parent, rule in node._parents:
            parent.grad += unbroadcast(rule(node.grad), parent.shape)
            hand_on(parent)

    self.grad += np.ones(self.shape)
    hand_on(self)


def _each_once_as_it_is_met(self):
    met, row = {self}, [self]
    self.grad = np.ones(self.shape)
    for node in row:
        for parent, rule in node._parents:
            parent.grad = parent.grad + unbroadcast(rule(node.grad), parent.shape)
            if parent not in met:
                met.add(parent)
                row.append(parent)


def _every_way_walked_with_the_last_share(self):
    met = set()

    def hand_on(node, grad):
        node.grad = node.grad + grad
        if node not in met:
            met.add(node)
            for parent, rule in node._parents:
                hand_on(parent, unbroadcast(rule(grad), parent.shape))

    hand_on(self, np.ones(self.shape))


diamond.slips(
    no_topological_order=method_slip(
        "backward",
        _handed_on_at_once,
        "A node hands on all that it has each time something comes in: what came first goes down "
        "twice.",
        hint="A node's turn comes once, after everything that it was used for: sort the graph.",
    ),
    breadth_first=method_slip(
        "backward",
        _each_once_as_it_is_met,
        "A node has its turn when it is first met, and what comes in later never goes further.",
        hint="Nearest first is not enough: a node must wait for the longest way to it. Sort so "
        "that parents stand before what was made from them, then go backward.",
    ),
    second_way_lost=method_slip(
        "backward",
        _every_way_walked_with_the_last_share,
        "A node that was visited once hands nothing on at the second visit: a way is lost.",
        hint="First gather all that comes in, then hand on: once a node, in topological order.",
    ),
    from_the_front=slip(
        {
            "reversed(order)": "order",
            "grad = arrived.pop(node)": "grad = arrived.pop(node, np.zeros(node.shape))",
        },
        "The nodes have their turns from the leaves up: nothing has come in yet when they do.",
        hint="The result comes first. Go through the topological order from its end.",
    ),
)


@Tensor.step(
    points=1,
    after=("data_and_grad", "add_and_multiply"),
    hints=(
        "-a is a times -1, a - b is a + (-b), a / b is a times b ** -1: these need no rule.",
        "The slope of x ** n is n x ** (n - 1), for any n, negative ones too.",
        "For 3 - a Python asks __rsub__, for 3 / a it asks __rtruediv__: mind the order.",
    ),
)
def power_and_division(cls, a, b, number, exponent):
    """Powers, quotients, differences and the minus sign, with a Tensor and with a number."""
    ways = {
        "a ** exponent": lambda s, t: s**exponent,
        "-a": lambda s, t: -s,
        "a - b": lambda s, t: s - t,
        "a / b": lambda s, t: s / t,
        "(a - number) * b": lambda s, t: (s - number) * t,
        "(number - a) * b": lambda s, t: (number - s) * t,
        "a / number": lambda s, t: s / number,
        "number / a": lambda s, t: number / s,
    }
    made = {}
    for name, way in ways.items():
        s, t = cls(a), cls(b)
        out = way(s, t)
        out.backward()
        made[f"the value of {name}"] = out.data
        made[f"the gradient of a in {name}"] = s.grad
        made[f"the gradient of b in {name}"] = t.grad
    return made


@power_and_division.cases
def whole_exponents(rng):
    """A whole exponent, negative ones too."""
    for exponent in (rng.integers(3, 6), -2):
        a, b, number = (float(x) for x in rng.uniform(1.2, 2.5, 3))
        yield dict(a=a, b=b, number=number, exponent=exponent)


@power_and_division.cases
def roots(rng):
    """An exponent that is no whole number."""
    a, b, number = (float(x) for x in rng.uniform(1.2, 2.5, 3))
    return dict(a=a, b=-b, number=number, exponent=rng.choice([0.5, 1.5, -0.5]))


power_and_division.slips(
    exponent_kept=slip(
        {_POWER: "g * number * self.data**number"},
        "In the slope of a power the exponent is not lowered.",
        hint="The slope of x ** 3 is 3 x ** 2.",
    ),
    factor_forgotten=slip(
        {_POWER: "g * self.data ** (number - 1)"},
        "In the slope of a power the exponent is missing as a factor.",
        hint="The slope of x ** 3 is 3 x ** 2.",
    ),
    minus_lost=slip(
        {"return self * -1": "return Tensor(-self.data, [(self, lambda g: g)])"},
        "The minus sign changes the value, but the gradient passes it unchanged.",
        hint="If -a falls when a rises, the derivative is -1.",
    ),
    difference_turned=slip(
        {"return -self + other": "return self - other"},
        "number - Tensor comes out as Tensor - number.",
        hint="Python asks Tensor.__rsub__(other) for other - self.",
    ),
    quotient_turned=slip(
        {"return self**-1 * other": "return self * Tensor(other) ** -1"},
        "number / Tensor comes out as Tensor / number.",
        hint="Python asks Tensor.__rtruediv__(other) for other / self.",
    ),
    divisor_is_a_constant=slip(
        {
            "return self * other**-1": "return Tensor(self.data / other.data, "
            "[(self, lambda g: g / other.data)])"
        },
        "In a quotient only what is divided gets a gradient.",
        hint="The divisor moves the quotient too: the slope of 1 / b is -1 / b ** 2.",
    ),
)


@Tensor.step(
    points=2,
    draws=1,
    after=("data_and_grad", "add_and_multiply"),
    hints=(
        "Every entry moves the sum by as much as itself: the gradient of the sum goes to each.",
        "The gradient comes in with the shape of the sum and must go out with that of the "
        "Tensor: np.expand_dims brings the axis back, np.broadcast_to stretches it.",
        "A mean is a sum times (entries of the result) / (entries of the Tensor). If that stops "
        "with a shape error, a number met an array: do the step `broadcasting` first.",
    ),
)
def sum_and_mean(cls, x, scale, axis, keepdims):
    """sum and mean along an axis; the result is multiplied by `scale` and summed to a number."""
    made = {}
    for name in ("sum", "mean"):
        t = cls(x)
        part = getattr(t, name)(axis=axis, keepdims=keepdims)
        (part * scale).sum().backward()
        made[f"the value of {name}"] = part.data
        made[f"the gradient through {name}"] = t.grad
    return made


def _sum_case(rng, shape, axis, keepdims) -> dict:
    x = rng.normal(size=shape)
    scale = rng.uniform(1, 3, size=np.sum(x, axis=axis, keepdims=keepdims).shape)
    return dict(x=x, scale=scale, axis=axis, keepdims=keepdims)


@sum_and_mean.cases
def over_everything(rng):
    """Over all entries."""
    for keepdims in (False, True):
        yield _sum_case(rng, (2, rng.integers(3, 5)), None, keepdims)


@sum_and_mean.cases
def along_an_axis(rng):
    """Along the first axis, and along the last."""
    n = rng.integers(3, 5)
    yield _sum_case(rng, (2, n), 0, False)
    yield _sum_case(rng, (2, n), 1, False)
    yield _sum_case(rng, (2, n), -1, False)


@sum_and_mean.cases
def kept_axis(rng):
    """Along an axis that is kept, with length 1."""
    yield _sum_case(rng, (3, 4), 0, True)
    yield _sum_case(rng, (3, 4), 1, True)


@sum_and_mean.cases
def of_a_square(rng):
    """A square matrix, where the wrong axis gives the right shape."""
    yield _sum_case(rng, (3, 3), 0, False)
    yield _sum_case(rng, (3, 3), 1, False)


sum_and_mean.slips(
    mean_is_a_sum=slip(
        {_MEAN: "return total"},
        "mean gives the sum: nothing is divided by the number of entries.",
        hint="Along an axis of length n, divide by n.",
    ),
    mean_handed_back_whole=slip(
        {_MEAN: "return Tensor(self.data.mean(axis=axis, keepdims=keepdims), total._parents)"},
        "Backward through mean, the 1 / n is missing.",
        hint="Moving one of n entries by 1 moves their mean by 1 / n.",
    ),
    mean_over_all_entries=slip(
        {"(total.data.size / self.data.size)": "(1 / self.data.size)"},
        "mean along an axis is divided by the number of all entries.",
        hint="Along an axis of length n each mean is of n entries.",
    ),
    axis_not_brought_back=slip(
        {
            "            if axis is not None and not keepdims:\n"
            "                g = np.expand_dims(g, axis)\n": ""
        },
        "Backward through a sum along an axis, the gradients are laid along the wrong axis.",
        hint="The axis that was summed away must come back, with length 1, before the gradient "
        "is stretched: np.expand_dims.",
    ),
    not_stretched=slip(
        {"return np.broadcast_to(g, self.shape)": "return g"},
        "Backward through a sum, the gradient keeps the shape of the sum.",
        hint="Each entry gets its own copy of the gradient: np.broadcast_to(g, self.shape).",
    ),
    keepdims_ignored=slip(
        {
            _TOTAL: "Tensor(self.data.sum(axis=axis), [(self, lambda g: np.broadcast_to("
            "g if axis is None else np.expand_dims(g, axis), self.shape))])"
        },
        "keepdims is ignored: the axis is gone.",
        hint="Hand keepdims on to NumPy's sum.",
    ),
    mean_leaves_the_graph=slip(
        {_MEAN: "return Tensor(self.data.mean(axis=axis, keepdims=keepdims))"},
        "mean makes a new Tensor that knows no parents: nothing goes back through it.",
        hint="Work with Tensors, not with their data; or give the result its parents.",
    ),
    mean_over_the_rows=slip(
        {"(total.data.size / self.data.size)": "(1 / len(self.data))"},
        "mean divides by the number of rows, len(data), whatever was summed.",
        hint="Divide by the number of entries that went into each sum.",
    ),
    sum_hands_back_ones=slip(
        {"return np.broadcast_to(g, self.shape)": "return np.ones(self.shape)"},
        "Backward through a sum, each entry gets 1, whatever came back from above.",
        hint="1 is the local derivative. The chain rule multiplies it by what came in.",
    ),
    axis_ignored=slip(
        {_TOTAL: "Tensor(self.data.sum(), [(self, lambda g: np.broadcast_to(g, self.shape))])"},
        "axis and keepdims are ignored: everything is summed to one number.",
        hint="Hand both on to NumPy's sum.",
    ),
    keepdims_on_the_way_back_alone=slip(
        {"self.data.sum(axis=axis, keepdims=keepdims)": "self.data.sum(axis=axis)"},
        "The sum itself ignores keepdims; only the way back asks for it.",
        hint="Hand keepdims on to NumPy's sum.",
    ),
)


@Tensor.step(
    points=2,
    after=("data_and_grad", "add_and_multiply", "sum_and_mean"),
    hints=(
        "Let A be (m, k), B be (k, n), so that g is (m, n). Which products of g with A or B, "
        "transposed where needed, have the shape of A? Of B?",
        "The shape leaves one choice: g @ B.T for A, and A.T @ g for B.",
    ),
)
def matmul(cls, A, B, scale):
    """A @ B, times `scale` entry by entry, summed to a number; and with an array on either side."""
    s, t = cls(A), cls(B)
    out = s @ t
    (out * scale).sum().backward()
    left, right = cls(A), cls(B)
    (((left @ B) + (A @ right)) * scale).sum().backward()
    return {
        "the value": out.data,
        "the gradient of A": s.grad,
        "the gradient of B": t.grad,
        "the gradient of A in A @ array": left.grad,
        "the gradient of B in array @ B": right.grad,
    }


def _product(rng, m: int, k: int, n: int) -> dict:
    return dict(
        A=rng.normal(size=(m, k)), B=rng.normal(size=(k, n)), scale=rng.uniform(1, 3, size=(m, n))
    )


@matmul.cases
def oblong(rng):
    """Matrices of three different lengths."""
    return _product(rng, 2, 3, rng.integers(4, 6))


@matmul.cases
def square(rng):
    """Square matrices, where a transpose too many or too few raises nothing."""
    return _product(rng, 3, 3, 3)


@matmul.cases
def row_and_column(rng):
    """A row times a column, and a column times a row."""
    n = rng.integers(2, 5)
    yield _product(rng, 1, n, 1)
    yield _product(rng, n, 1, n)


matmul.slips(
    transposes_exchanged=slip(
        {
            _MATMUL: "[(self, lambda g: g @ other.data), (other, lambda g: self.data @ g)]",
            "np.transpose(other) @ g": "other @ g",
        },
        "The factors stand untransposed in the gradients of a matrix product.",
        hint="Write the shapes down: g is (m, n), B is (k, n) after a transpose, and A is (m, k). "
        "Square matrices hide this one.",
    ),
    sides_exchanged=slip(
        {
            _MATMUL: "[(self, lambda g: other.data.T @ g), (other, lambda g: g @ self.data.T)]",
            "np.transpose(other) @ g": "g @ np.transpose(other)",
        },
        "In the gradients of a matrix product the factors stand on the wrong side.",
        hint="What stood to the right of A comes back from the right: g @ B.T. Matrices do not "
        "change places.",
    ),
    result_transposed=slip(
        {
            _MATMUL: "[(self, lambda g: other.data @ g.T), (other, lambda g: g.T @ self.data)]",
            "np.transpose(other) @ g": "g.T @ other",
        },
        "Each gradient of the matrix product comes out transposed.",
        hint="The gradient of A has the shape of A. (P @ Q).T is Q.T @ P.T.",
    ),
    entry_by_entry=slip(
        {
            "self.data @ other.data": "self.data * other.data",
            _MATMUL: "[(self, lambda g: g * other.data), (other, lambda g: g * self.data)]",
            _RMATMUL: "Tensor(other * self.data, [(self, lambda g: g * other)])",
        },
        "@ multiplies entry by entry.",
        hint="@ is the matrix product, rows by columns; * is entry by entry.",
    ),
    left_factor_alone=slip(
        {_MATMUL: "[(self, lambda g: g @ other.data.T)]"},
        "Only the left factor of a matrix product gets a gradient.",
        hint="Two matrices go in, so two gradients come back.",
    ),
    array_on_the_wrong_side=slip(
        {_RMATMUL: "self @ Tensor(other)"},
        "array @ Tensor comes out as Tensor @ array.",
        hint="Python asks Tensor.__rmatmul__(other) for other @ self. Matrices do not change "
        "places.",
    ),
)


@Tensor.step(
    points=2,
    draws=1,
    after=("data_and_grad", "add_and_multiply", "sum_and_mean"),
    hints=(
        "A bias of shape (3,) that is added to a matrix (4, 3) is used four times. What does "
        "used_twice say about that?",
        "Every gradient must leave with the shape of what it belongs to: unbroadcast does it.",
        "Do it in one place, where backward() hands a gradient to a parent.",
    ),
)
def broadcasting(cls, a, b, scale):
    """(a + b) * scale and a * b * scale, summed to a number; NumPy has to stretch a or b."""
    made = {}
    for name, way in {"a + b": lambda s, t: s + t, "a * b": lambda s, t: s * t}.items():
        s, t = cls(a), cls(b)
        out = way(s, t)
        (out * scale).sum().backward()
        made[f"the value of {name}"] = out.data
        made[f"the gradient of a in {name}"] = s.grad
        made[f"the gradient of b in {name}"] = t.grad
    return made


def _stretched(rng, a, b) -> dict:
    scale = rng.uniform(1, 3, size=np.broadcast_shapes(a, b))
    return dict(a=rng.normal(size=a), b=rng.normal(size=b), scale=scale)


@broadcasting.cases
def a_bias(rng):
    """A bias on each row of a matrix."""
    n, k = rng.integers(3, 6), 2
    yield _stretched(rng, (n, k), (k,))
    yield _stretched(rng, (k,), (n, k))


@broadcasting.cases
def length_one(rng):
    """An axis of length 1 that is stretched."""
    yield _stretched(rng, (3, 4), (3, 1))
    yield _stretched(rng, (1, 4), (3, 4))


@broadcasting.cases
def both_stretched(rng):
    """A column with a row: both are stretched."""
    yield _stretched(rng, (3, 1), (1, 4))
    yield _stretched(rng, (3, 1), (4,))


@broadcasting.cases
def a_number_with_a_matrix(rng):
    """A Tensor of no dimension with a matrix."""
    return _stretched(rng, (), (2, rng.integers(2, 5)))


def _unbroadcast(mistake, grad, shape):
    """What somebody with this mistake in unbroadcast makes of a gradient."""
    wrong = next(known.wrong for known in unbroadcast.mistakes if known.name == mistake)
    return wrong(grad, shape)


broadcasting.slips(
    not_unbroadcast=slip(
        {_BACK: "rule(grad)"},
        "What was stretched gets its gradient in the stretched shape.",
        hint="Sum over the axes that NumPy added or stretched: unbroadcast(grad, shape).",
    ),
    axis_of_length_one_left=slip(
        {_BACK: "_unbroadcast('new_axes_kept', rule(grad), parent.shape)"},
        "The sums are right, but an axis of length 1 is left over: (1, 3) in place of (3,).",
        hint="Axes that NumPy put in front must go altogether; those of length 1 stay with length "
        "1.",
    ),
    only_axes_in_front=slip(
        {_BACK: "_unbroadcast('stretched_left', rule(grad), parent.shape)"},
        "Axes that NumPy put in front are summed, those of length 1 that it stretched are not.",
        hint="(3, 1) beside (3, 4) is stretched too, though no axis was added.",
    ),
    averaged_back=slip(
        {_BACK: "_unbroadcast('averaged', rule(grad), parent.shape)"},
        "The gradients of all the places where it was used are averaged.",
        hint="Each use moves the result on its own: add them up.",
    ),
    first_place_alone=slip(
        {_BACK: "_unbroadcast('first_place_alone', rule(grad), parent.shape)"},
        "Of all the places where it was used, only the first one sends its gradient back.",
        hint="Each use moves the result on its own: add them up.",
    ),
    stretched_shape_kept=slip(
        {_BACK: "rule(grad)", "node.grad += grad": "node.grad = node.grad + grad"},
        "What was stretched gets a gradient in the stretched shape; it should have its own.",
        hint="Sum over the axes that NumPy added or stretched: unbroadcast(grad, shape).",
    ),
    stretched_axis_kept=slip(
        {
            _BACK: "_unbroadcast('stretched_left', rule(grad), parent.shape)",
            "node.grad += grad": "node.grad = node.grad + grad",
        },
        "Axes that NumPy put in front are summed; one of length 1 that it stretched stays long.",
        hint="(3, 1) beside (3, 4) is stretched too, though no axis was added.",
    ),
)


@Tensor.step(
    points=2,
    after=("data_and_grad", "add_and_multiply", "sum_and_mean"),
    hints=(
        "Each slope is multiplied by what comes back from above. For exp the slope is the value "
        "itself.",
        "log has the slope 1 / input. relu lets pass where its input was positive.",
    ),
)
def exp_log_relu(cls, x, scale):
    """exp, log and relu of the entries, each times `scale` and summed to a number."""
    made = {}
    for name in ("exp", "log", "relu"):
        # The logarithm has to do with positive numbers.
        t = cls(np.abs(x) if name == "log" else x)
        out = getattr(t, name)()
        (out * scale).sum().backward()
        made[f"the value of {name}"] = out.data
        made[f"the gradient through {name}"] = t.grad
    return made


def _away_from_zero(rng, shape):
    return rng.uniform(0.3, 2.2, size=shape) * np.resize([1, -1], shape)


@exp_log_relu.cases
def a_row(rng):
    """A row of numbers of both signs."""
    n = rng.integers(3, 6)
    return dict(x=_away_from_zero(rng, n), scale=np.roll(_away_from_zero(rng, n), 1))


@exp_log_relu.cases
def a_matrix(rng):
    """A matrix."""
    x, scale = _away_from_zero(rng, (2, 3)), np.roll(_away_from_zero(rng, 6), 1)
    return dict(x=x, scale=scale.reshape(2, 3))


exp_log_relu.slips(
    slope_at_the_output=slip(
        {
            "(self, lambda g: g * value)": "(self, lambda g: g * np.exp(value))",
            "(self, lambda g: g / self.data)": "(self, lambda g: g / np.log(self.data))",
        },
        "The slope is taken at the output; it belongs to the input.",
        hint="log at 2 has the slope 1 / 2, whatever log(2) is. For exp, slope and value agree: "
        "exp of the input, not exp of exp.",
    ),
    exp_of_the_input_forgotten=slip(
        {"(self, lambda g: g * value)": "(self, lambda g: g * self.data)"},
        "The slope of exp is its value, exp(x); here it is x.",
        hint="Keep the value when you make it; backward needs it again.",
    ),
    log_without_its_slope=slip(
        {"(self, lambda g: g / self.data)": "(self, lambda g: g * self.data)"},
        "Backward through log, the gradient is multiplied by the input; it should be divided.",
        hint="The slope of log(x) is 1 / x.",
    ),
    relu_lets_all_pass=slip(
        {"g * relu_grad(self.data)": "g"},
        "Backward through relu, everything passes.",
        hint="Where the input was negative, relu is flat: its slope is 0.",
    ),
    relu_asks_the_gradient=slip(
        {"g * relu_grad(self.data)": "relu(g)"},
        "relu cuts off negative gradients; it should ask which inputs were negative.",
        hint="A gradient may well be negative. The slope depends on the input.",
    ),
    graph_left_by_data=slip(
        {_RELU: "Tensor(relu(self.data))"},
        "relu makes a new Tensor that knows no parents: nothing goes back through it.",
        hint="Whoever works with .data leaves the graph. Give the result its parent.",
    ),
    log_slope_at_the_output=slip(
        {"(self, lambda g: g / self.data)": "(self, lambda g: g / np.log(self.data))"},
        "The slope of log is taken at its output; it belongs to the input.",
        hint="log at 2 has the slope 1 / 2, whatever log(2) is.",
    ),
    exp_of_exp=slip(
        {"(self, lambda g: g * value)": "(self, lambda g: g * np.exp(value))"},
        "Backward through exp, exp is taken twice: its slope is its value.",
        hint="exp of the input, not exp of exp.",
    ),
)


@Tensor.step(
    points=1,
    after=("data_and_grad", "add_and_multiply", "sum_and_mean"),
    hints=(
        "Nothing is computed, entries only change their places: the gradient goes back to them.",
        "For transpose the way back is the inverse order: np.argsort(axes).",
    ),
)
def reshaping(cls, x, shape, axes, scale):
    """reshape, transpose and T, each times `scale` and summed to a number."""
    made = {}
    ways = {
        "reshape": lambda t: t.reshape(*shape),
        "transpose": lambda t: t.transpose(*axes),
        "T": lambda t: t.T,
    }
    for name, way in ways.items():
        t = cls(x)
        out = way(t)
        (out * np.reshape(scale, out.shape)).sum().backward()
        made[f"the value of {name}"] = out.data
        made[f"the gradient through {name}"] = t.grad
    return made


@reshaping.cases
def of_a_matrix(rng):
    """A matrix."""
    return dict(
        x=rng.normal(size=(2, 6)), shape=(3, 4), axes=(1, 0), scale=rng.uniform(1, 3, size=12)
    )


@reshaping.cases
def of_three_axes(rng):
    """Three axes, whose order is not its own inverse."""
    axes = ((1, 2, 0), (2, 0, 1))[rng.integers(2)]
    return dict(
        x=rng.normal(size=(2, 3, 4)), shape=(4, 6), axes=axes, scale=rng.uniform(1, 3, size=24)
    )


@reshaping.cases
def of_a_cube(rng):
    """Three axes of one length, where a wrong order gives the right shape."""
    axes = ((1, 2, 0), (2, 0, 1))[rng.integers(2)]
    return dict(
        x=rng.normal(size=(2, 2, 2)), shape=(8,), axes=axes, scale=rng.uniform(1, 3, size=8)
    )


reshaping.slips(
    gradient_not_reshaped=slip(
        {"(self, lambda g: g.reshape(self.shape))": "(self, lambda g: g)"},
        "Backward through reshape, the gradient keeps the new shape.",
        hint="Bring it back to the shape that the entries came from.",
    ),
    order_not_inverted=slip(
        {"g.transpose(back)": "g.transpose(order)"},
        "Backward through transpose, the axes are put into the same order again.",
        hint="Back is the inverse: np.argsort(axes). For two axes the two are the same; for "
        "three they need not be.",
    ),
    gradient_not_transposed=slip(
        {"g.transpose(back)": "g.reshape(self.shape)"},
        "Backward through transpose, the gradient is reshaped: its entries change their owners.",
        hint="A transpose moves entries, a reshape only cuts the row anew.",
    ),
    order_ignored=slip(
        {"np.ravel(axes) if axes else np.arange": "np.arange"},
        "transpose reverses all axes, whatever order was asked for.",
        hint="t.transpose(1, 2, 0) puts axis 1 first: hand the axes on to NumPy.",
    ),
    reshape_leaves_the_graph=slip(
        {_RESHAPE: "Tensor(self.data.reshape(*shape))"},
        "reshape makes a new Tensor that knows no parents: nothing goes back through it.",
        hint="Whoever works with .data leaves the graph. Give the result its parent.",
    ),
    T_leaves_the_graph=slip(
        {"return self.transpose()": "return Tensor(self.data.T)"},
        "T makes a new Tensor that knows no parents: nothing goes back through it.",
        hint="Whoever works with .data leaves the graph. T is transpose() without axes.",
    ),
    transpose_leaves_the_graph=slip(
        {", [(self, lambda g: g.transpose(back))]": ""},
        "transpose makes a new Tensor that knows no parents: nothing goes back through it.",
        hint="Whoever works with .data leaves the graph. Give the result its parent.",
    ),
)


@Tensor.step(
    points=1,
    after=("data_and_grad", "add_and_multiply", "used_twice", "diamond"),
    hints=(
        "Asked twice, a leaf should have exactly twice the gradient. Which nodes keep something "
        "between the two calls?",
        "What a node in the middle has to hand on belongs to one call alone: keep it apart from "
        "grad, or clear it first.",
    ),
)
def backward_twice(cls, leaves, program):
    """backward() once and then again; and a second result made from the same leaves."""
    tensors = [cls(leaf) for leaf in leaves]
    out = built(tensors, program)[-1]
    out.backward()
    made = {f"the gradient of leaf {i}, once": np.array(t.grad) for i, t in enumerate(tensors)}
    out.backward()
    made |= {f"the gradient of leaf {i}, twice": np.array(t.grad) for i, t in enumerate(tensors)}
    (tensors[0] * tensors[-1]).backward()
    made |= {f"the gradient of leaf {i}, at the end": t.grad for i, t in enumerate(tensors)}
    return made


@backward_twice.cases
def through_the_middle(rng):
    """A result with nodes between it and the leaves."""
    yield dict(leaves=_numbers(rng, 2), program=[("*", 0, 1), ("+", 2, 0), ("*", 3, 1)])
    yield dict(leaves=_numbers(rng, 3), program=[("+", 0, 1), ("*", 3, 2), ("+", 4, 3)])


@backward_twice.cases
def of_a_leaf_used_twice(rng):
    """A leaf that is used twice."""
    return dict(leaves=_numbers(rng, 2), program=[("*", 0, 0), ("*", 2, 1)])


backward_twice.slips(
    middle_handed_on_again=slip(
        {
            "grad = arrived.pop(node)\n": "grad = arrived.pop(node)\n"
            "            grad = grad if node is self else node.grad + grad\n",
            "node.grad += grad": "node.grad = grad",
        },
        "The second backward() hands on again what the first one left in the middle.",
        hint="1, then 3 in place of 2: gradients of nodes in the middle must not survive a call.",
    ),
    all_handed_on_again=slip(
        {
            "grad = arrived.pop(node)\n": "grad = node.grad + arrived.pop(node)\n",
            "node.grad += grad": "node.grad = grad",
        },
        "The second backward() hands on again what the first one left in the middle, and in the "
        "result itself.",
        hint="Gradients of nodes in the middle must not survive a call, and each call starts from "
        "1.",
    ),
    replaced=slip(
        {"node.grad += grad": "node.grad = grad"},
        "The second backward() replaces the gradient; it should add to it.",
        hint="Gradients add up until somebody clears them: that is how a batch can come in parts.",
    ),
    seed_grows=slip(
        {"{self: np.ones(self.shape)}": "{self: np.ones(self.shape) + self.grad}"},
        "The second backward() starts from what is left of the first one: its seed is not 1.",
        hint="The derivative of a thing by itself is 1, in every call.",
    ),
)


@Tensor.step(
    points=1,
    after=(
        *("data_and_grad", "add_and_multiply", "used_twice", "diamond"),
        *("power_and_division", "sum_and_mean", "broadcasting", "exp_log_relu", "reshaping"),
    ),
    hints=(
        "Which of your operations write into an array that they were given?",
        "Make new arrays: np.maximum(x, 0), not x[x < 0] = 0; a + b, not a += b.",
    ),
)
def leaves_unchanged(cls, x, row):
    """The data of the leaves, and the array beside them, after everything was done with them."""
    s, t, beside = cls(x), cls(row), np.array(row)
    out = (s + t) * s + beside * -s + s / (t * t + 2) + s.relu() + s.exp() + (s * s + 1).log()
    (out.mean(axis=0) + s.sum(axis=0) + s.reshape(*s.shape[::-1]).T.sum() + s**2).sum().backward()
    return {
        "the data of the first leaf": s.data,
        "the data of the second leaf": t.data,
        "the array beside them": beside,
        "the gradient of the first leaf": s.grad,
    }


@leaves_unchanged.cases
def both_signs(rng):
    """Numbers of both signs, in a matrix and in a row."""
    n = rng.integers(3, 6)
    return dict(x=_away_from_zero(rng, (2, n)), row=_away_from_zero(rng, n))


@leaves_unchanged.cases
def one_row(rng):
    """A matrix of one row."""
    n = rng.integers(3, 6)
    return dict(x=_away_from_zero(rng, (1, n)), row=_away_from_zero(rng, n))


leaves_unchanged.slips(
    relu_in_place=slip(
        {
            _RELU: "Tensor(np.maximum(self.data, 0.0, out=self.data), "
            "[(self, lambda g: g * relu_grad(self.data))])"
        },
        "relu writes its zeros into the Tensor that it was given.",
        hint="Make a new array: np.maximum(self.data, 0).",
    ),
    minus_in_place=slip(
        {
            "return self * -1": "self.data *= -1\n"
            "        return Tensor(self.data, [(self, lambda g: -g)])"
        },
        "The minus sign turns the Tensor itself around.",
        hint="Make a new Tensor; *= writes into the array that is there.",
    ),
    sum_in_place=slip(
        {
            "Tensor(self.data + other.data, ": "Tensor("
            "np.add(self.data, other.data, out=self.data) if self.data.ndim >= other.data.ndim "
            "else self.data + other.data, "
        },
        "A sum is written into its left side.",
        hint="self.data + other.data makes a new array; += writes into the one that is there.",
    ),
    stepped_already=slip(
        {"node.grad += grad": "node.grad += grad\n            node.data = node.data - 0.01 * grad"},
        "backward() moves the data: it should only say how things change.",
        hint="The step downhill is somebody else's: the optimiser's.",
    ),
)


@exercise(
    points=4,
    hints=(
        "Break y into steps: c = x - m, with the mean m; v = mean(c ** 2); s = sqrt(v); y = c / s. "
        "Go back through them one at a time. Where was x used twice, and where c?",
        "Back through y = c / s: c gets grad / s, and s gets -sum(grad * c) / s ** 2. What does v "
        "get from s, and each c from v? Add up what c gets.",
        "Every x went into its own c and, with -1/n, into all of them: take the mean of what the "
        "cs get away from each.",
        "Two checks: the answer adds up to 0, and so does answer * x. Shifting or stretching all "
        "of x changes nothing in y.",
    ),
)
def standardise_backward(x: Array, grad: Array) -> Array:
    """The gradient by x of a loss that sees x only after it was standardised.

    The loss is a function of y = (x - mean of x) / (standard deviation of x), and its gradient
    by y is known. Every entry of x moves the mean and the standard deviation, and through them
    every entry of y.

    Parameters
    ----------
    x : array of shape (n,), n at least 2, not all the same
    grad : array of shape (n,), the gradient of the loss by y

    Returns
    -------
    array of shape (n,), the gradient of the loss by x. The standard deviation is NumPy's, with
    divisor n. The arguments are left as they were.

    Source: derived in batch normalisation, Ioffe and Szegedy (2015).
    """
    spread = x.std()
    y = (x - x.mean()) / spread
    return (grad - grad.mean() - y * np.mean(grad * y)) / spread


def _spread_out(rng: np.random.Generator, n: int, spread: float) -> Array:
    """Numbers with about that standard deviation, none of them near another."""
    x = np.linspace(-1.6, 1.6, n) + rng.uniform(-0.2, 0.2, n)
    return spread * rng.permutation(x)


@standardise_backward.cases
def a_few_numbers(rng):
    """A few numbers about 0."""
    for n in (3, rng.integers(4, 9)):
        x = _spread_out(rng, n, rng.uniform(1.5, 3))
        yield dict(x=x + rng.uniform(0.2, 0.6), grad=rng.normal(size=n) + 0.7)


@standardise_backward.cases
def far_from_zero_and_narrow(rng):
    """Numbers far from 0 that lie close together."""
    n = rng.integers(5, 10)
    x = rng.uniform(20, 40) + _spread_out(rng, n, rng.uniform(0.1, 0.4))
    return dict(x=x, grad=rng.normal(size=n) - 0.7)


@standardise_backward.cases
def where_nothing_gets_through(rng):
    """Gradients of which parts are lost: a shift of all, a stretch of all; and two numbers."""
    n = rng.integers(12, 30)
    x = _spread_out(rng, n, rng.uniform(1.5, 3)) - 1.0
    yield dict(x=x, grad=np.full(n, rng.uniform(1, 2)))
    yield dict(x=x, grad=x * rng.uniform(0.5, 1.5))
    yield dict(x=x, grad=rng.normal(size=n) + x + 1.0)
    yield dict(x=_spread_out(rng, 2, 2.0), grad=rng.normal(size=2) + 0.5)


standardise_backward.slips(
    both_held_fixed=slip(
        lambda x, grad: grad / x.std(),
        "Mean and standard deviation are held fixed; both move with every x.",
        hint="This is the gradient for a shift and a scale that are known beforehand. Here x "
        "decides about them too.",
    ),
    spread_held_fixed=slip(
        lambda x, grad: (grad - grad.mean()) / x.std(),
        "The standard deviation is held fixed; it moves with every x.",
        hint="The way through the mean is right. s = sqrt(mean(c ** 2)) is a second way from x to "
        "y.",
    ),
    mean_held_fixed=slip(
        {" - grad.mean()": ""},
        "The mean is held fixed; it moves with every x.",
        hint="The way through the standard deviation is right. A larger x lifts the mean, and all "
        "y fall a little.",
    ),
    not_divided_by_the_spread=slip(
        lambda x, grad: standardise_backward.reference(x, grad) * x.std(),
        "The division by the standard deviation is missing.",
        hint="y = c / s: a step of x is a step of 1 / s for y.",
    ),
    multiplied_by_the_spread=slip(
        lambda x, grad: standardise_backward.reference(x, grad) * x.std() ** 2,
        "It is multiplied by the standard deviation where it must be divided.",
        hint="The narrower the numbers lie, the further y moves when x does.",
    ),
    divided_by_the_variance=slip(
        lambda x, grad: standardise_backward.reference(x, grad) / x.std(),
        "It is divided by the variance; one division by the standard deviation is enough.",
        hint="Check the units: y has none, so the gradient by x has those of 1 / x.",
    ),
    divisor_n_minus_one=slip(
        {"x.std()": "x.std(ddof=1)", "np.mean(grad * y)": "np.sum(grad * y) / (len(x) - 1)"},
        "The standard deviation has the divisor n - 1; here it is n.",
        hint="x.std() without ddof.",
    ),
    two_divisors=slip(
        {"x.std()": "x.std(ddof=1)"},
        "The means are NumPy's, but the standard deviation has the divisor n - 1; here it is n.",
        hint="x.std() without ddof.",
    ),
    own_entry_alone=slip(
        {"(grad - grad.mean() - y * np.mean(grad * y))": "grad * (1 - (1 + y**2) / len(x))"},
        "Each x is followed to its own y alone; it moves all the others too.",
        hint="An x moves the mean and the standard deviation, and they move every y. Add up over "
        "all of them.",
    ),
    sign_of_the_spread=slip(
        {"- y": "+ y"},
        "The way through the standard deviation has the wrong sign.",
        hint="Where s grows, y shrinks: y = c / s, and the derivative of 1 / s is -1 / s ** 2.",
    ),
    sign_of_the_mean=slip(
        {"- grad.mean": "+ grad.mean"},
        "The way through the mean has the wrong sign.",
        hint="Where the mean grows, y falls.",
    ),
    sums_for_means=slip(
        {"grad.mean": "grad.sum", "np.mean": "np.sum"},
        "Sums stand where means belong: the 1/n is missing.",
        hint="Each x moves the mean, and the variance, by an n-th of what it moves itself.",
    ),
    root_forgotten=slip(
        {"- y": "- 2 * y"},
        "The way through the standard deviation is twice as strong: the root brings a half.",
        hint="s = sqrt(v) changes by 1 / (2 s) for each 1 of v; and v = mean(c ** 2) by 2 c / n.",
    ),
    square_forgotten=slip(
        {"- y": "- 0.5 * y"},
        "The way through the standard deviation is half as strong: the square brings a 2.",
        hint="v = mean(c ** 2) changes by 2 c / n, and its root by 1 / (2 s) for each 1 of v.",
    ),
    x_for_y=slip(
        {"y = (x - x.mean()) / spread": "y = x"},
        "x itself stands where the standardised numbers belong.",
        hint="The derivative of the standard deviation by x is y / n, with y standardised.",
    ),
    centred_for_y=slip(
        {"y = (x - x.mean()) / spread": "y = x - x.mean()"},
        "The numbers are centred but not divided by the standard deviation, where y belongs.",
        hint="y twice: once for what s does to all, once for what each x does to s.",
    ),
    gradient_standardised=slip(
        lambda x, grad: (grad - grad.mean()) / grad.std(),
        "The gradient goes forward: it is standardised itself.",
        hint="Asked for is how the loss changes with x.",
    ),
)


# What a claimed gradient is checked against. `offset` lifts a function far from 0 and leaves its
# slopes alone; where a weight is 0, so is the slope.


@public
def waves(scale, weight, offset):
    """offset plus the sum of weight * sin(theta / scale), a function of theta."""

    def value(theta):
        return offset + np.sum(weight * np.sin(theta / scale))

    return value


@public
def growth(scale, weight, offset):
    """offset plus the exponential of the sum of weight * tanh(theta / scale)."""

    def value(theta):
        return offset + np.exp(np.sum(weight * np.tanh(theta / scale)))

    return value


@public
def idling(scale, weight, power, loud):
    """The sum of weight * sin(u), u = theta / scale, plus loud times a product of ones.

    Each factor is made of sines and cosines, squared: 1 for every u, but for rounding.
    """

    def value(theta):
        u = theta / scale
        angles = np.outer([1, 2, 3, 4, 5], u)
        ones = np.prod(np.sin(angles) ** 2 + np.cos(angles) ** 2, axis=0)
        return np.sum(weight * np.sin(u)) + loud * np.prod(ones**power)

    return value


@public
def as_row_numbers(suspects, f, theta, grad):
    """The answer; where it is empty, as an array of whole numbers, whatever its kind."""
    found = suspects(f, theta, grad)
    empty = isinstance(found, (list, tuple, np.ndarray)) and np.size(found) == 0
    return np.zeros(0, dtype=int) if empty else found


@exercise(
    points=4,
    draws=1,
    probe=as_row_numbers,
    hints=(
        "For each component a central difference: step forward and back along it alone. How long "
        "may the step be where theta[i] is 1000, and where it is 0.001?",
        "f is known to sixteen digits. If it is about 5000 and you step by h, its difference has "
        "an error of about 1e-12, and the quotient one of 1e-12 / h: no claim is wrong because it "
        "differs by less.",
        "h = 1e-5 * abs(theta[i]). Accuse where the difference from the claim is larger than "
        "half a hundredth of the larger of the two, and larger than some multiple of "
        "1e-16 * abs(f(theta)) / h.",
    ),
)
def suspects(f: Callable, theta: Array, grad: Array) -> Array:
    """Which components of a claimed gradient are wrong.

    A gradient was derived by hand, and some of its components may be wrong, by a factor, a sign
    or more: by two hundredths of their size at least. The right ones are right to twelve digits.
    Find the wrong ones, and accuse none that is right.

    f changes smoothly when a component changes by a share of its own size. It may be thousands of
    times as large as its changes. A derivative may be 0, in truth, in the claim, or in both.

    Parameters
    ----------
    f : function of an array of shape (d,), float64, returns a float
    theta : array of shape (d,), where the gradient was taken; its components are of very
        different sizes, between a thousandth and a thousand
    grad : array of shape (d,), the claim

    Returns
    -------
    array of whole numbers: the indices of the wrong components, in rising order, maybe none.

    Source: lecture E asks for the check; how to choose h: Nocedal and Wright (2006), chapter 8.
    """
    accused = []
    for i, claim in enumerate(grad):
        step = np.zeros(len(theta))
        step[i] = 1e-5 * abs(theta[i])
        above, below = f(theta + step), f(theta - step)
        measured = (above - below) / (2 * step[i])
        noise = np.finfo(float).eps * (abs(above) + abs(below)) / step[i]
        if abs(measured - claim) > max(0.005 * max(abs(measured), abs(claim)), 10 * noise):
            accused.append(i)
    return np.array(accused, dtype=int)


def _sizes(rng: np.random.Generator, d: int) -> Array:
    """Components of every size from a thousandth to a thousand, both ends among them."""
    powers = np.linspace(-2.9, 2.9, d) + rng.uniform(-0.1, 0.1, d)
    return rng.permutation(10.0**powers) * rng.choice([-1, 1], d)


def _weights(rng: np.random.Generator, d: int) -> Array:
    return rng.uniform(0.5, 1.0, d) * rng.choice([-1, 1], d)


def _in_waves(rng: np.random.Generator, d: int, offset: float) -> tuple[Callable, Array, Array]:
    """A function, a place, and the gradient there. Every slope is at least 0.3 of its size."""
    theta, weight = _sizes(rng, d), _weights(rng, d)
    u = np.where(rng.random(d) < 0.5, rng.uniform(0.4, 1.0, d), rng.uniform(5.4, 7.1, d))
    scale = theta / u
    return waves(scale, weight, offset), theta, weight * np.cos(theta / scale) / scale


def _growing(rng: np.random.Generator, d: int, offset: float) -> tuple[Callable, Array, Array]:
    theta, weight = _sizes(rng, d), _weights(rng, d)
    scale = theta / (rng.uniform(0.3, 1.0, d) * rng.choice([-1, 1], d))
    bent = np.tanh(theta / scale)
    # An exponential of less than 1 would have slopes that drown in the offset's rounding.
    # One of more than e would have slopes that no tolerance overlooks.
    total = np.sum(weight * bent)
    weight *= np.sign(total) / max(1.0, abs(total))
    slope = np.exp(np.sum(weight * bent)) * weight * (1 - bent**2) / scale
    return growth(scale, weight, offset), theta, slope


def _idle(
    rng: np.random.Generator, order: Array, count: int, loud: float
) -> tuple[Callable, Array, Array]:
    """The first `count` components in this order have a slope of 0: the last of these moves
    nothing at all, the others what rounding makes of them. The first is the largest component,
    and the smallest comes next after them."""
    d = len(order)
    theta, weight = np.zeros(d), _weights(rng, d)
    largest, *between, smallest = sorted(_sizes(rng, d), key=abs, reverse=True)
    theta[order[0]], theta[order[count]] = largest, smallest
    theta[np.delete(order, [0, count])] = rng.permutation(between)
    weight[order[:count]] = 0.0
    power = np.ones(d)
    power[order[count - 1]] = 0.0
    scale = theta / np.where(rng.random(d) < 0.5, rng.uniform(0.4, 1.0, d), rng.uniform(2.2, 3, d))
    return idling(scale, weight, power, loud), theta, weight * np.cos(theta / scale) / scale


def _spoiled(
    rng: np.random.Generator, theta: Array, grad: Array, factors: list[float], *, largest: bool
) -> Array:
    """The gradient with some components multiplied by these factors.

    largest: whether that of the largest component of theta is among them: then it is off by least.
    A step too small for it tells where it is right, a tolerance in absolute numbers where it is
    wrong. That of the smallest is right, so that a step too long for it tells.
    """
    _, *others, last = np.argsort(np.abs(theta))
    picked = rng.permutation(others)[: len(factors)]
    if largest:
        picked[0] = last
    claim = grad.copy()
    claim[picked] *= sorted(factors, key=lambda factor: abs(factor - 1))
    return claim


@suspects.cases
def gross_errors(rng):
    """Signs and factors of two, in components of very different sizes."""
    for make, largest in ((_in_waves, False), (_growing, True)):
        f, theta, grad = make(rng, 8, rng.uniform(30, 90))
        yield dict(
            f=f, theta=theta, grad=_spoiled(rng, theta, grad, [-1.0, 2.0, 0.5], largest=largest)
        )


@suspects.cases
def errors_of_a_few_percent(rng):
    """Errors of a few hundredths; and all right, and all wrong."""
    f, theta, grad = _growing(rng, 8, 0.0)
    yield dict(
        f=f, theta=theta, grad=_spoiled(rng, theta, grad, [1.03, 0.97, 1.05, 0.95], largest=True)
    )
    f, theta, grad = _in_waves(rng, 6, rng.uniform(30, 90))
    yield dict(f=f, theta=theta, grad=grad)
    yield dict(f=f, theta=theta, grad=grad * rng.choice([0.96, 1.04, -1.0], 6))


@suspects.cases
def far_from_zero(rng):
    """Functions that are thousands of times as large as their changes."""
    for make, largest in ((_in_waves, False), (_growing, True)):
        f, theta, grad = make(rng, 8, float(rng.uniform(3000, 9000) * rng.choice([-1, 1])))
        yield dict(
            f=f, theta=theta, grad=_spoiled(rng, theta, grad, [-1.0, 1.06, 0.94], largest=largest)
        )
    # Who forgives by a share alone, with a step that happens to do, finds all of those above.
    order = rng.permutation(13)
    f, theta, grad = _idle(rng, order, 10, rng.uniform(3000, 9000))
    grad[order[-1]] *= -1
    yield dict(f=f, theta=theta, grad=grad)


@suspects.cases
def slopes_of_zero(rng):
    """Derivatives of exactly 0, claimed rightly and wrongly."""
    for loud in (3.0, rng.uniform(30, 90)):
        order = rng.permutation(13)
        f, theta, grad = _idle(rng, order, 10, loud)
        claim = grad.copy()
        claim[order[:2]] = rng.uniform(0.3, 0.6, 2) / theta[order[:2]]
        claim[order[-1]] *= -1
        claim[order[-2]] = 0.0
        yield dict(f=f, theta=theta, grad=claim)


_TOLERANCE = "max(0.005 * max(abs(measured), abs(claim)), 10 * noise)"

suspects.slips(
    same_tiny_step=slip(
        {"1e-5 * abs(theta[i])": "1e-12", "10 * noise": "0.0"},
        "The same tiny step is used for every component: a large one does not even notice it.",
        hint="1000 + 1e-12 has lost most of the step to rounding, and f loses the rest. Let h "
        "follow the size of theta[i].",
    ),
    same_long_step=slip(
        {"1e-5 * abs(theta[i])": "1e-2", "10 * noise": "0.0"},
        "The same long step is used for every component: it leaps over what a small one does.",
        hint="For theta[i] = 0.001 a step of 0.01 is ten times its size. Let h follow the size.",
    ),
    absolute_tolerance=slip(
        {_TOLERANCE: "1e-3"},
        "One tolerance in absolute numbers serves all: small derivatives are never wrong for it, "
        "or large ones always.",
        hint="Compare the difference with the size of the two numbers.",
    ),
    one_sided_and_absolute=slip(
        {
            "1e-5 * abs(theta[i])": "1e-6",
            "theta - step": "theta",
            "2 * step[i]": "step[i]",
            _TOLERANCE: "1e-4",
        },
        "A one-sided difference is compared with a tolerance in absolute numbers.",
        hint="The central difference is far more exact; and what counts is the difference beside "
        "the size of the two numbers.",
    ),
    signs_alone=slip(
        {f"abs(measured - claim) > {_TOLERANCE}": "measured * claim < 0"},
        "Only signs are compared; a wrong factor has the right sign.",
        hint="Compare sizes too.",
    ),
    equal_to_the_last_digit=slip(
        {f"abs(measured - claim) > {_TOLERANCE}": "measured != claim"},
        "Measured and claimed are expected to be equal to the last digit; a difference quotient "
        "never is.",
        hint="It has some ten digits at best. Two hundredths are asked for.",
    ),
    no_floor_for_noise=slip(
        {_TOLERANCE: "0.005 * abs(claim)"},
        "The tolerance is relative alone: where the derivative is 0, the noise of the measurement "
        "is taken for an error.",
        hint="Beside a claim of 0 every difference is infinitely large. How large is the noise of "
        "the quotient, 1e-16 * abs(f) / h?",
    ),
    too_loose=slip(
        {"0.005": "0.1", "10 * noise": "1e-4 / abs(theta[i])"},
        "The tolerance is too loose: errors of a few hundredths pass.",
        hint="Errors are of two hundredths at least, so a tolerance of half a hundredth tells "
        "them.",
    ),
    measured_by_the_largest=slip(
        {_TOLERANCE: "0.005 * np.max(np.abs(grad))"},
        "Every difference is compared with the largest derivative: small ones are never wrong for "
        "it.",
        hint="The components differ in size by millions; each has its own measure.",
    ),
    all_or_none=slip(
        {
            "accused = []": "accused, off = np.arange(len(grad)), []",
            f"if abs(measured - claim) > {_TOLERANCE}:\n": "off.append(measured - claim)\n",
            "            accused.append(i)\n": (
                "    if np.linalg.norm(off) <= 0.005 * np.linalg.norm(grad):\n"
                "        accused = []\n"
            ),
        },
        "The length of the whole vector decides: it says whether something is wrong, not what.",
        hint="Compare component by component.",
    ),
    divided_by_h=slip(
        {"2 * step[i]": "step[i]", "10 * noise": "1e-4 / abs(theta[i])"},
        "The central difference is divided by h; the two points are 2 h apart.",
        hint="(f(theta + h) - f(theta - h)) / (2 h).",
    ),
    one_array_under_two_names=slip(
        {"theta + step": "theta", "theta - step": "theta", "10 * noise": "0.0"},
        "Forward and back are the same array: both steps are written into theta, and cancel.",
        hint="plus = theta makes a second name, not a second array: theta.copy().",
    ),
    all_moved_at_once=slip(
        {"[i] = 1e-5 * abs(theta[i])": "[:] = 1e-5 * np.abs(theta)", "10 * noise": "0.0"},
        "All components are accused, the right ones too.",
        hint="Are all of them moved at once? Move theta[i] alone. Or is nothing forgiven? No "
        "measurement agrees to the last digit.",
    ),
    nobody_accused=slip(
        lambda f, theta, grad: np.zeros(0, dtype=int),
        "No component is accused, whatever the claim.",
        hint="Print one measured derivative beside its claim, and what you forgive beside both.",
    ),
    right_ones_instead=slip(
        {"claim) >": "claim) <="},
        "These are the right ones; asked for are the wrong ones.",
        hint="Turn the comparison round.",
    ),
    true_and_false_for_indices=slip(
        {"np.array(accused, dtype=int)": "np.isin(np.arange(len(grad)), accused)"},
        "The answer is a row of True and False; asked for are the indices.",
        hint="np.flatnonzero gives the places of the True ones.",
    ),
)
