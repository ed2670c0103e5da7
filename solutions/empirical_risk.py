"""Chapter 1, empirical risk: references, cases and known mistakes."""

import copy
from collections.abc import Callable, Iterator

import numpy as np

from autograder.exercise import FRESH_RNG, Case, exercise, public
from autograder.slips import slip

Array = np.ndarray


def _targets(rng: np.random.Generator, n: int, noise: float) -> dict:
    """n true values and predictions that are `noise` off, more of them too low than too high."""
    y = rng.normal(size=n)
    return dict(y=y, y_hat=y - noise * (0.3 + rng.normal(size=n)))


def _too_low_and_too_high(rng: np.random.Generator) -> Iterator[dict[str, Array]]:
    """Predictions that are off by 0.5 to 2 each, and low (or high) on the whole, not each."""
    for side in (1, -1):
        n = rng.integers(5, 9)
        error = rng.uniform(0.5, 2, n)
        error[0] *= -0.5
        y = rng.normal(size=n)
        yield dict(y=y, y_hat=y - side * error)


def _whole_numbers(rng: np.random.Generator, low: int, high: int) -> dict[str, Array]:
    y = rng.integers(low, high, rng.integers(5, 9))
    return dict(y=y, y_hat=y + rng.normal(size=len(y)))


@exercise(
    points=1,
    hints=(
        "How far off is one prediction? Every example has its own error: y - y_hat.",
        "Square each error first, then take one mean over all of them.",
    ),
)
def mse(y: Array, y_hat: Array) -> float:
    """Mean squared error: the mean of (y - y_hat) ** 2 over the examples.

    Parameters
    ----------
    y : array of shape (n,), the true values; they may be whole numbers
    y_hat : array of shape (n,), the predictions

    Returns
    -------
    float, in the units of y squared.

    Source: lecture B.
    """
    return float(np.mean((y - y_hat) ** 2))


@mse.cases
def a_few_examples(rng):
    """A few examples, predicted too low on the whole, then too high."""
    return _too_low_and_too_high(rng)


@mse.cases
def labels_as_targets(rng):
    """The true values are whole numbers."""
    return _whole_numbers(rng, -3, 10)


@mse.cases
def one_example_or_many(rng):
    """One example alone; then many."""
    for n in (1, 40):
        yield _targets(rng, n, 3.0)


mse.slips(
    squares_summed=slip(
        {"np.mean": "np.sum"},
        "The squared errors are summed; the loss is their mean.",
        hint="A data set of twice the size must not be twice as bad: divide by n.",
    ),
    squares_of_all_pairs=slip(
        {"y - y_hat": "y.reshape(-1, 1) - y_hat"},
        "Every true value is compared with every prediction: a column against a row makes (n, n).",
        hint="Print (y - y_hat).shape inside your function. It must be (n,): leave the shapes "
        "alone.",
    ),
    root_taken=slip(
        {"float(": "np.sqrt("},
        "This is the root of the mean squared error.",
        hint="The root brings back the units of y. It is a good number to report, but not the MSE.",
    ),
    mean_before_square=slip(
        {"(y - y_hat) ** 2)": "y - y_hat) ** 2"},
        "The errors are averaged before they are squared, so they cancel.",
        hint="One prediction that is 1 too high and one that is 1 too low are not a perfect pair.",
    ),
    half_of_it=slip(
        {"** 2)": "** 2) / 2"},
        "This is half of the mean squared error.",
        hint="The half is handy in a derivative, and chapter 2 uses it; the MSE is without.",
    ),
    absolute_errors=slip(
        {"(y - y_hat) ** 2": "np.abs(y - y_hat)"},
        "These are absolute errors, not squared ones.",
        hint="In the MSE an error of 2 weighs four times as much as an error of 1.",
    ),
)


mse.remark(
    "scikit-learn's mean_squared_error gives the number; the formula is one line of NumPy.",
    uses="mean_squared_error",
)


@exercise(
    points=1,
    hints=(
        "An error of 3 counts three times as much as an error of 1, whatever its sign.",
        "Take the absolute value of each error before you take the mean.",
    ),
)
def mae(y: Array, y_hat: Array) -> float:
    """Mean absolute error: the mean of |y - y_hat| over the examples.

    Parameters
    ----------
    y : array of shape (n,), the true values; they may be whole numbers
    y_hat : array of shape (n,), the predictions

    Returns
    -------
    float, in the units of y.

    Source: lecture B.
    """
    return float(np.mean(np.abs(y - y_hat)))


@mae.cases
def low_and_high(rng):
    """A few examples, predicted too low on the whole, then too high."""
    return _too_low_and_too_high(rng)


@mae.cases
def counts_as_targets(rng):
    """The true values are whole numbers."""
    return _whole_numbers(rng, 0, 20)


@mae.cases
def one_or_many(rng):
    """One example alone; then many."""
    for n in (1, 40):
        yield _targets(rng, n, 3.0)


mae.slips(
    absolutes_summed=slip(
        {"np.mean": "np.sum"},
        "The absolute errors are summed; the loss is their mean.",
        hint="A data set of twice the size must not be twice as bad: divide by n.",
    ),
    absolutes_of_all_pairs=slip(
        {"y - y_hat": "y.reshape(-1, 1) - y_hat"},
        "Every true value is compared with every prediction: a column against a row makes (n, n).",
        hint="Print (y - y_hat).shape inside your function. It must be (n,): leave the shapes "
        "alone.",
    ),
    signs_kept=slip(
        {"np.abs(y - y_hat)": "y - y_hat"},
        "The errors keep their signs, so they cancel.",
        hint="A mean absolute error is never below 0. Where does your function lose the signs?",
    ),
    mean_before_absolute=slip(
        {"np.mean(np.abs(": "np.abs(np.mean("},
        "The errors are averaged before their absolute value is taken, so they cancel.",
        hint="Which comes first: the absolute value of each error, or the mean?",
    ),
    root_mean_square=slip(
        {"float(": "np.sqrt(", "np.abs(y - y_hat)": "(y - y_hat) ** 2"},
        "This is the root of the mean squared error.",
        hint="sqrt(mean(error ** 2)) has the same units, but large errors weigh more in it.",
    ),
    median_taken=slip(
        {"np.mean": "np.median"},
        "This is the median of the absolute errors, not their mean.",
        hint="The median ignores how bad the worst half is; the M of MAE stands for the mean.",
    ),
)


mae.remark(
    "scikit-learn's mean_absolute_error gives the number; the formula is one line of NumPy.",
    uses="mean_absolute_error",
)


@public
def squared_loss(y, y_hat):
    """The mean of the squared errors."""
    return np.mean((y - y_hat) ** 2)


@public
def lopsided_loss(share):
    """A mean loss in which a prediction that is too low costs `share`, too high 1 - share."""

    def loss(y, y_hat):
        error = y - y_hat
        return np.mean(np.maximum(share * error, (share - 1) * error))

    return loss


@public
def linear_model(theta, X):
    """X @ theta."""
    return X @ theta


@public
def wave_model(theta, X):
    """sin(X @ theta): not linear in theta."""
    return np.sin(X @ theta)


@exercise(
    points=2,
    whole=(
        "theta",
        "X",
        "y",
    ),
    hints=(
        "Two things happen to an example: a model predicts, and a loss compares.",
        "Call the model once for all rows of X; it returns the predictions, one a row.",
        "The loss already takes the mean. Give it the true values first, then the predictions.",
    ),
)
def empirical_risk(loss: Callable, model: Callable, theta: Array, X: Array, y: Array) -> float:
    """The mean loss of a model with parameters theta on a data set.

    It estimates the risk, the mean loss over the whole population, from the n examples at hand.

    Parameters
    ----------
    loss : function loss(y, y_hat) of two arrays of shape (n,), returns their mean loss, a number
    model : function model(theta, X), returns the predictions, shape (n,)
    theta : array of shape (d,), the parameters
    X : array of shape (n, d), one example a row
    y : array of shape (n,)

    Returns
    -------
    float, in the units of the loss.

    Source: lectures A and C; Vapnik, Principles of risk minimization (1991).
    """
    return float(loss(y, model(theta, X)))


def _risk_case(rng: np.random.Generator, loss: Callable, model: Callable) -> dict:
    n, d = rng.integers(6, 12), rng.integers(2, 5)
    X, theta = rng.normal(size=(n, d)), rng.normal(size=d)
    y = model(theta, X) + rng.choice([-1, 1], n) * rng.uniform(0.3, 1.5, n)
    return dict(loss=loss, model=model, theta=theta, X=X, y=y)


def _share(rng: np.random.Generator) -> float:
    """A share away from 1/2, where a lopsided loss would be half the absolute error."""
    return float(rng.uniform(0.75, 0.95))


@empirical_risk.cases
def squared_loss_of_waves(rng):
    """The squared loss, of a model that is not linear."""
    return _risk_case(rng, squared_loss, wave_model)


@empirical_risk.cases
def lopsided_loss_of_a_line(rng):
    """A loss in which a prediction that is too low costs more than one that is too high."""
    return _risk_case(rng, lopsided_loss(_share(rng)), linear_model)


@empirical_risk.cases
def lopsided_loss_of_waves(rng):
    """A lopsided loss, of a model that is not linear."""
    return _risk_case(rng, lopsided_loss(_share(rng)), wave_model)


empirical_risk.slips(
    mean_taken_twice=slip(
        {"theta, X))": "theta, X)) / len(y)"},
        "The mean is taken twice: the loss that is handed in is a mean already.",
        hint="The docstring says what loss(y, y_hat) returns. What is left to divide?",
    ),
    total_loss=slip(
        {"theta, X))": "theta, X)) * len(y)"},
        "This is the total loss; the empirical risk is the mean loss of an example.",
        hint="An estimate of an expected value must not grow with the number of examples.",
    ),
    loss_arguments_swapped=slip(
        {"y, model(theta, X)": "model(theta, X), y"},
        "The loss is given the predictions first and the true values second.",
        hint="loss(y, y_hat): a squared loss does not notice the swap, a lopsided one does.",
    ),
    loss_of_all_pairs=slip(
        {"loss(y,": "loss(y.reshape(-1, 1),"},
        "Every true value is compared with every prediction: a column against a row makes (n, n).",
        hint="y and the predictions both have the shape (n,); hand them to the loss as they are.",
    ),
    linear_assumed=slip(
        {"model(theta, X)": "X @ theta"},
        "The predictions are X @ theta, whatever model was handed in.",
        hint="The model is an argument: ask it for the predictions.",
    ),
    squares_assumed=slip(
        {"loss(y, model(theta, X))": "np.mean((y - model(theta, X)) ** 2)"},
        "The squared error is used, whatever loss was handed in.",
        hint="The loss is an argument: ask it how bad the predictions are.",
    ),
)


@public
def rows_found(part, whole):
    """For each row of `part` the number of the row of `whole` that is equal to it, else -1."""
    part = np.reshape(part, (-1, whole.shape[1]))
    equal = (part[:, np.newaxis, :] == whole[np.newaxis, :, :]).all(axis=2)
    return np.where(equal.any(axis=1), equal.argmax(axis=1), -1)


@public
def are_four(split):
    """Whether a split is four arrays: two tables and two rows of numbers, in that order. A side
    without a row may have any shape."""
    if not isinstance(split, tuple | list) or len(split) != 4:
        return False
    return all(
        isinstance(part, np.ndarray) and (part.ndim == wanted or part.size == 0)
        for part, wanted in zip(split, (2, 2, 1, 1), strict=True)
    )


@public
def same_split(one, other):
    """Whether two splits are the same, row for row."""
    return all(map(np.array_equal, one, other))


@public
def is_pattern(rows, n):
    """Whether some rows of n follow one another with the same gap, or do so past the end."""
    rows = np.sort(rows)
    _, times = np.unique(np.diff(rows, append=rows[:1] + n), return_counts=True)
    return len(rows) == 0 or max(times) >= len(rows) - 1


@public
def six_splits(train_test_split, X, y, test_fraction, rng):
    """One split, the same once more from a twin of rng, and four more from rng.

    The first is given X and y themselves; where several things are not what it gives, it is all.
    """
    twin = copy.deepcopy(rng)
    copies = [(X.copy(), y.copy()) for _ in range(5)]
    first = train_test_split(X, y, test_fraction, rng)
    if not isinstance(first, tuple | list):
        return first if first is None else [first]
    others = zip(copies, (twin, rng, rng, rng, rng), strict=True)
    return [first, *(train_test_split(*own, test_fraction, source) for own, source in others)]


@exercise(
    points=4,
    by_value=False,
    probe=six_splits,
    hints=(
        "If the rows are sorted by date, what would the last quarter of them be a test of?",
        "Shuffle the row numbers, not the rows: rng.permutation(n). The first few of them name "
        "the test rows, the others the training rows.",
        "An array of row numbers picks rows: X[numbers] and y[numbers] stay together.",
        "With order the shuffled row numbers and k = round(n * test_fraction), the test rows are "
        "order[:k], the training rows order[k:].",
    ),
)
def train_test_split(
    X: Array, y: Array, test_fraction: float, rng: np.random.Generator
) -> tuple[Array, Array, Array, Array]:
    """Set some rows, drawn at random, aside for the test.

    Every row goes to one of the two sides, and its x and its y stay together. Within a side any
    order is right. The same state of rng gives the same split.

    Parameters
    ----------
    X : array of shape (n, d), one example a row
    y : array of shape (n,)
    test_fraction : share of the rows that is set aside, from 0 to 1
    rng : numpy.random.Generator, the only source of randomness

    Returns
    -------
    X_train, X_test, y_train, y_test: arrays; the test ones have round(n * test_fraction) rows,
    where Python's round takes a half to the even number. X and y are left as they were.

    Source: lecture A; the order of the four is scikit-learn's.
    """
    order = rng.permutation(len(y))
    n_test = round(len(y) * test_fraction)
    test, train = order[:n_test], order[n_test:]
    return X[train], X[test], y[train], y[test]


def _split_case(
    rng: np.random.Generator, n: int, test_fraction: float, y: Array | None = None
) -> Case:
    """Rows that differ from each other; chance must decide if there are enough of them.

    With 41 rows and 16 in the test there are 1e11 ways to choose, and only 41 * 40 of them are a
    block or every k-th row, begun anywhere. Two splits are looked at: both are such by chance less
    than once in 1e9 cases. The other sizes here are no worse.
    """
    y = rng.permutation(n).astype(np.float64) if y is None else y
    X = np.column_stack([rng.permutation(n), rng.integers(-9, 10, n)]) + 0.5
    args = dict(X=X, y=y, test_fraction=test_fraction, rng=FRESH_RNG)
    return Case(args, facts={"by_chance": n > 40})


@train_test_split.cases
def rounded_up(rng):
    """The share of the rows is no whole number, and the next one is above it."""
    return _split_case(rng, rng.choice([42, 44, 47]), 0.4)


@train_test_split.cases
def rounded_down(rng):
    """The share of the rows is no whole number, and the next one is below it."""
    return _split_case(rng, rng.choice([41, 43, 46]), 0.4)


@train_test_split.cases
def a_half(rng):
    """The share of the rows lies midway between two whole numbers."""
    yield _split_case(rng, rng.choice([41, 45, 49]), 0.5)
    yield _split_case(rng, rng.choice([43, 47, 51]), 0.5)


@train_test_split.cases
def classes(rng):
    """y holds classes: the same few whole numbers again and again."""
    n = rng.choice([50, 60, 70])  # whole numbers of test rows: rounding has its own cases
    return _split_case(rng, n, 0.3, rng.integers(0, 3, n))


@train_test_split.cases
def all_or_nothing(rng):
    """No row is set aside; then every row."""
    for test_fraction in (0.0, 1.0):
        yield _split_case(rng, rng.integers(6, 10), test_fraction)


train_test_split.slips(
    never_shuffled=slip(
        {
            "rng.permutation": "np.arange",
            "= round": "= len(y) - round",
            "test, train": "train, test",
        },
        "The rows are not shuffled: the test set is a block, or every k-th row.",
        hint="Data often come sorted; then a block is no sample of the whole, wherever it begins.",
    ),
    both_sides_overlap=slip(
        {", order[n_test:]": ", rng.permutation(len(y))[n_test:]"},
        "Some row is in the training set and in the test set.",
        hint="Whoever has seen the question beforehand passes any test. One shuffle, cut once.",
    ),
    shuffled_apart=slip(
        {"return": "y = rng.permutation(y)\n    return"},
        "The rows of X and the numbers in y are shuffled apart: an x has another's y.",
        hint="Shuffle the row numbers once, and use them for X and for y.",
    ),
    drawn_with_replacement=slip(
        {"rng.permutation(len(y))": "rng.integers(0, len(y), len(y))"},
        "Some row comes twice on the same side: rows are drawn with replacement.",
        hint="A permutation holds every row number once.",
    ),
    the_other_share=slip(
        {"test, train": "train, test"},
        "test_fraction is the share of the test rows; here it is that of the training rows.",
        hint="With test_fraction = 0.25 a quarter of the rows is for the test.",
    ),
    always_rounded_down=slip(
        {"round(len(y) * test_fraction)": "int(len(y) * test_fraction)"},
        "The number of test rows is always rounded down.",
        hint="int() cuts off what is behind the point; round() gives the nearest whole number.",
    ),
    always_rounded_up=slip(
        {"round(len(y) * test_fraction)": "int(np.ceil(len(y) * test_fraction))"},
        "The number of test rows is always rounded up.",
        hint="scikit-learn does so too; here the docstring asks for the nearest whole number.",
    ),
    half_rounded_up=slip(
        {"round(len(y) * test_fraction)": "int(len(y) * test_fraction + 0.5)"},
        "A half is not rounded as Python's round does it: to the even number.",
        hint="round(2.5) is 2, round(3.5) is 4. Count the test rows, not the training rows.",
    ),
    a_coin_for_each_row=slip(
        {
            "order[:n_test], order[n_test:]": "coin, ~coin",
            "order = rng.permutation(len(y))": "coin = rng.random(len(y)) < test_fraction",
        },
        "The number of test rows is left to chance.",
        hint="Draw an order of the rows, and cut it at a place that you compute.",
    ),
    counted_from_the_end=slip(
        {"order[:n_test], order[n_test:]": "order[-n_test:], order[:-n_test]"},
        "With test_fraction = 0 every row is in the test: order[-0:] is the whole order.",
        hint="-0 is 0, so a slice that counts from the end has no way to say 'none'.",
    ),
    another_order=slip(
        {"X[test], y[train]": "y[train], X[test]"},
        "The four arrays are in another order than X_train, X_test, y_train, y_test.",
        hint="Both tables first, then both rows of targets: look at the docstring's Returns.",
    ),
    two_pairs=slip(
        {"X[train], X[test], y[train], y[test]": "(X[train], y[train]), (X[test], y[test])"},
        "It does not return four arrays: X_train, X_test (two dimensions), y_train, y_test (one).",
        hint="Four arrays with commas between them, without inner brackets; y keeps its one "
        "dimension.",
    ),
    seed_of_its_own=slip(
        {"rng.permutation": "np.random.default_rng(42).permutation"},
        "Every split is the same one: rng is not used, or is made anew from a fixed seed.",
        hint="Draw from the rng that is handed in; whoever calls you has chosen the seed.",
    ),
)


@train_test_split.property(mistake="another_order")
def in_order(answer, case):
    first = answer[0] if isinstance(answer[0], tuple | list) else []
    kinds = [getattr(part, "ndim", None) for part in first]
    return (kinds.count(1), kinds.count(2)) != (2, 2) or kinds == [2, 2, 1, 1]


@train_test_split.property(mistake="two_pairs")
def four_arrays(answer, case):
    return all(map(are_four, answer))


@train_test_split.property(mistake="a_coin_for_each_row")
def same_number_each_time(answer, case):
    return len({len(split[1]) for split in answer}) == 1


@train_test_split.property(mistake="counted_from_the_end")
def none_of_them(answer, case):
    return case.args["test_fraction"] > 0 or len(answer[0][1]) < len(case.args["X"])


@train_test_split.property(mistake="the_other_share")
def share_of_the_test(answer, case):
    n = len(case.args["X"])
    wanted = round(n * case.args["test_fraction"])
    others = round(n * (1 - case.args["test_fraction"]))
    other_side = abs(len(answer[0][1]) - others) <= 1 < abs(wanted - others)
    return len(answer[0][1]) == wanted or not other_side


@train_test_split.property(
    "Some rows of X come twice, and with the y of others.",
    hint="random.shuffle spoils an array of two dimensions: it writes rows over each other. "
    "Shuffle the row numbers, by rng.permutation.",
)
def no_row_written_over(answer, case):
    return no_row_twice(answer, case) or x_and_y_together(answer, case)


@train_test_split.property(mistake="drawn_with_replacement")
def no_row_twice(answer, case):
    return all(len(np.unique(part, axis=0)) == len(part) for part in answer[0][:2])


@train_test_split.property(mistake="both_sides_overlap")
def no_row_on_both_sides(answer, case):
    X = case.args["X"]
    train, test = (set(rows_found(part, X).tolist()) - {-1} for part in answer[0][:2])
    return not train & test


@train_test_split.property(mistake="shuffled_apart")
def x_and_y_together(answer, case):
    X, y = case.args["X"], case.args["y"]
    rows = [rows_found(part, X) for part in answer[0][:2]]
    return all(
        len(found) == len(targets) and np.array_equal(y[found[found >= 0]], targets[found >= 0])
        for found, targets in zip(rows, answer[0][2:], strict=True)
    )


@train_test_split.property(
    "Some row of X is on neither side.",
    hint="The training rows are all those that are not in the test.",
)
def every_row(answer, case):
    X = case.args["X"]
    rows = np.concatenate([rows_found(part, X) for part in answer[0][:2]])
    return sorted(rows.tolist()) == list(range(len(X)))


@train_test_split.property(mistake="never_shuffled")
def shuffled(answer, case):
    X = case.args["X"]
    tested = [rows_found(answer[k][1], X) for k in (0, 2)]
    return not case.facts["by_chance"] or not all(is_pattern(rows, len(X)) for rows in tested)


@train_test_split.property(mistake="half_rounded_up")
def half_to_the_even(answer, case):
    share = len(case.args["X"]) * case.args["test_fraction"]
    return share % 1 != 0.5 or len(answer[0][1]) == round(share)


@train_test_split.property(mistake="always_rounded_down")
def nearest_and_not_below(answer, case):
    share = len(case.args["X"]) * case.args["test_fraction"]
    return len(answer[0][1]) == round(share) or len(answer[0][1]) != np.floor(share)


@train_test_split.property(mistake="always_rounded_up")
def nearest_and_not_above(answer, case):
    share = len(case.args["X"]) * case.args["test_fraction"]
    return len(answer[0][1]) == round(share) or len(answer[0][1]) != np.ceil(share)


@train_test_split.property(
    "The number of test rows is not round(n * test_fraction).",
    hint="Compute that number first, then cut the shuffled row numbers there.",
    last=True,
)
def right_number(answer, case):
    return len(answer[0][1]) == round(len(case.args["X"]) * case.args["test_fraction"])


@train_test_split.property(mistake="seed_of_its_own")
def moves_on(answer, case):
    first, _, *others = answer
    return not case.facts["by_chance"] or not all(same_split(first, other) for other in others)


@train_test_split.property(
    "The same state of rng gives another split each time: the randomness comes from elsewhere.",
    hint="np.random.permutation draws from a source that all share; rng.permutation from yours.",
)
def same_from_the_same_state(answer, case):
    return same_split(answer[0], answer[1])


train_test_split.remark(
    "scikit-learn splits well, and you may use it in a project; here, shuffle the row numbers "
    "yourself once, to see how little there is to it.",
    uses=("train_test_split", "model_selection", "ShuffleSplit"),
)


@exercise(
    points=2,
    whole=("x",),
    hints=(
        "How many columns are there from the power 0 to the power `degree`, both included?",
        "x as a column, against the exponents 0, 1, ..., degree as a row: NumPy fills the table.",
        "x[:, np.newaxis] has the shape (n, 1), np.arange(degree + 1) the shape (degree + 1,).",
    ),
)
def polynomial_features(x: Array, degree: int) -> Array:
    """The powers of x as columns: column k is x ** k, for k = 0 to degree.

    Parameters
    ----------
    x : array of shape (n,)
    degree : highest power, 0 or more; x ** 0 is 1, also where x is 0

    Returns
    -------
    array of shape (n, degree + 1).

    Source: lecture A (the degree as a hyperparameter); the matrix is called Vandermonde's.
    """
    return 1.0 * x[:, np.newaxis] ** np.arange(degree + 1)


@polynomial_features.cases
def a_few_powers(rng):
    """A few powers of a few numbers, 0 and negative ones among them."""
    degree = rng.integers(2, 5)
    x = rng.uniform(-2, 2, rng.integers(6, 9))
    x[:2] = 0.0, -1.5
    return dict(x=x, degree=degree)


@polynomial_features.cases
def lowest_degrees(rng):
    """degree = 0 gives a column of ones; degree = 1 adds x."""
    for degree in (0, 1):
        yield dict(x=rng.normal(size=rng.integers(3, 7)), degree=degree)


@polynomial_features.cases
def one_number(rng):
    """One number, in a high power."""
    return dict(x=rng.uniform(1.1, 1.5, 1), degree=rng.integers(7, 12))


polynomial_features.slips(
    last_power_missing=slip(
        {"degree + 1": "degree"},
        "The highest power is missing: range(degree) stops before degree.",
        hint="A parabola, degree 2, has three coefficients. How many columns do you make?",
    ),
    ones_missing=slip(
        {"degree + 1": "1, degree + 1"},
        "The column of ones is missing: the powers start at 0.",
        hint="Without x ** 0 every polynomial would pass through the origin.",
    ),
    falling_powers=slip(
        {"degree + 1": "degree, -1, -1"},
        "The powers fall from left to right; column k must be x ** k.",
        hint="np.vander starts with the highest power unless it is told increasing=True.",
    ),
    on_its_side=slip(
        {"x[:, np.newaxis]": "x", "degree + 1)": "degree + 1)[:, np.newaxis]"},
        "The table lies on its side: the powers are its rows.",
        hint="One example a row: the shape is (n, degree + 1).",
    ),
    multiples=slip(
        {"**": "*"},
        "These are multiples of x, not powers.",
        hint="Column 2 is x ** 2, not 2 * x.",
    ),
    powers_summed=slip(
        lambda x, degree: np.cumsum(polynomial_features(x, degree), axis=1),
        "The powers are added up from column to column: column k is the whole sum up to x ** k.",
        hint="Each column is a single power; the sum comes later, with the weights theta.",
    ),
    last_column_left_empty=slip(
        lambda x, degree: np.where(
            np.arange(degree + 1) < degree, polynomial_features.reference(x, degree), 0.0
        ),
        "The last column is still zeros: range(degree) stops before degree.",
        hint="Column degree is filled as well: range(degree + 1).",
    ),
    one_power_too_many=slip(
        {"degree + 1": "degree + 2"},
        "There is one power too many: degree is the highest.",
        hint="A parabola, degree 2, has three coefficients. How many columns do you make?",
    ),
)


polynomial_features.remark(
    "A library makes the table for you; with x as a column and the exponents as a row, "
    "broadcasting makes it in one line.",
    uses=("vander", "polyvander", "PolynomialFeatures"),
)


@exercise(
    points=3,
    whole=(
        "X",
        "y",
    ),
    rtol=1e-6,
    atol=1e-8,
    hints=(
        "You may let NumPy do the work: which function of np.linalg is named after the problem?",
        "The normal equations X.T @ X @ theta = X.T @ y have many solutions where a column is "
        "repeated, and np.linalg.solve gives up there.",
        "np.linalg.lstsq(X, y) returns four things; np.linalg.pinv(X) is the other way.",
    ),
)
def fit_least_squares(X: Array, y: Array) -> Array:
    """The theta that minimises the mean of (X @ theta - y) ** 2.

    No column of ones is added. Where several theta fit equally well (a column that is repeated,
    more columns than rows), it is the shortest one, that of the smallest norm. What is 0 but for
    rounding counts as 0: scipy.linalg.lstsq wants cond=1e-12 for that, NumPy's functions do so.

    Parameters
    ----------
    X : array of shape (n, d), one example a row
    y : array of shape (n,)

    Returns
    -------
    array of shape (d,).

    Source: Gauss (1809); the shortest one: Penrose (1956).
    """
    return np.linalg.lstsq(X, y, rcond=None)[0]


def _with_repeats(rng: np.random.Generator, n: int, d: int, repeats: int) -> dict[str, Array]:
    """A fit of n rows on d columns, some of which stand in X twice.

    n is a power of 2, the d columns are orthogonal and their entries are powers of 2: then
    X.T @ X is singular to the last bit, and solving the normal equations raises LinAlgError on
    every machine instead of dividing one rounding error by another.
    """
    signs: Array = np.ones((1, 1))
    while len(signs) < n:
        signs = np.kron(signs, [[1, 1], [1, -1]])
    # The constant column is always among them: without it centring would change nothing.
    chosen = np.append(0, 1 + rng.choice(n - 1, d - 1, replace=False))
    columns = signs[rng.permutation(n)][:, chosen]
    columns = columns * 2.0 ** rng.integers(-1, 2, d)
    again = rng.choice(d, repeats, replace=False)
    X = columns[:, rng.permutation(np.concatenate([np.arange(d), again]))]
    return dict(X=X, y=rng.normal(size=n) + 2)


@fit_least_squares.cases
def more_rows_than_columns(rng):
    """More examples than parameters: no theta fits them all."""
    n, d = rng.integers(7, 12), rng.integers(2, 5)
    # Of different sizes: small whole numbers may be the same in two columns.
    return dict(X=rng.normal(size=(n, d)) * np.arange(1, d + 1), y=rng.normal(size=n) + 2)


@fit_least_squares.cases
def a_faint_column(rng):
    """One column has very small entries: its weight is large."""
    n, d = rng.integers(7, 12), rng.integers(2, 5)
    X = rng.normal(size=(n, d))
    X[:, rng.integers(d)] *= 2.0**-12
    return dict(X=X, y=rng.normal(size=n) + 2)


@fit_least_squares.cases
def a_column_twice(rng):
    """A column stands in X twice: its weight can be shared out in many ways."""
    return _with_repeats(rng, 8, rng.integers(2, 5), 1)


@fit_least_squares.cases
def more_columns_than_rows(rng):
    """More parameters than examples: many theta fit them all."""
    n = rng.choice([2, 4])
    return _with_repeats(rng, n, n, 2)


@fit_least_squares.property("theta is shrunk.", mistake="ridge_added")
def not_shrunk(answer, case):
    X, y = case.args["X"], case.args["y"]
    left, size = X.T @ (y - X @ answer), answer @ answer
    ridge = left @ answer / size if size else 0.0
    close = np.linalg.norm(left - ridge * answer) <= 1e-3 * np.linalg.norm(left)
    right = np.allclose(answer, case.expected, rtol=1e-6, atol=1e-8)
    return right or ridge <= 0 or not close


fit_least_squares.slips(
    normal_equations=slip(
        lambda X, y: np.linalg.solve(X.T @ X, X.T @ y),
        "The normal equations are solved as if X.T @ X always had an inverse.",
        hint="A repeated column makes it singular. np.linalg.lstsq and np.linalg.pinv can cope.",
    ),
    all_four_returned=slip(
        {"[0]": ""},
        "Everything that np.linalg.lstsq returns is passed on; theta is the first of the four.",
        hint="It returns the solution, the residuals, the rank and the singular values.",
    ),
    ones_added=slip(
        {"lstsq(X,": "lstsq(np.column_stack([np.ones(len(X)), X]),"},
        "A column of ones was added: theta has one number too many.",
        hint="Whoever wants an intercept puts the ones into X beforehand.",
    ),
    theta_as_column=slip(
        {"y, rcond": "y.reshape(-1, 1), rcond"},
        "y was made a column, so theta is a column too.",
        hint="theta must have the shape (d,): leave y as it comes, shape (n,).",
    ),
    ridge_added=slip(
        lambda X, y: np.linalg.solve(X.T @ X + 1e-3 * np.eye(X.shape[1]), X.T @ y),
        "Something was added to the diagonal of X.T @ X to make it invertible: theta is shrunk.",
        hint="That is ridge regression, another problem with another answer.",
    ),
    centred_first=slip(
        {"X, y, rcond": "X - X.mean(axis=0), y - y.mean(), rcond"},
        "The columns are centred first: that is the slope of a fit with an intercept.",
        hint="X and y are used as they come; nothing is subtracted from them.",
    ),
)


fit_least_squares.remark(
    "scikit-learn's LinearRegression does it; np.linalg.lstsq is the tool underneath.",
    uses="LinearRegression",
)


@exercise(
    points=3,
    whole=(
        "y",
        "y_hat",
    ),
    hints=(
        "Take the logarithm of the density on paper first: a product becomes a sum.",
        "Three terms are left: one with the error, one with sigma alone, and a constant.",
        "exp and log cancel in the first term: (y - y_hat) ** 2 / (2 sigma ** 2).",
        "The factor before exp is 1 / (sigma * sqrt(2 pi)); minus its logarithm is the rest.",
    ),
)
def gaussian_nll(y: Array, y_hat: Array, sigma: float) -> float:
    """Mean negative log likelihood of y under normal noise about the predictions.

    The mean over the examples of -log N(y; y_hat, sigma ** 2), where
    N(y; m, s ** 2) = exp(-(y - m) ** 2 / (2 s ** 2)) / (s sqrt(2 pi)); log is the natural one.

    Parameters
    ----------
    y : array of shape (n,), the true values
    y_hat : array of shape (n,), the predictions
    sigma : standard deviation of the noise, above 0, in the units of y

    Returns
    -------
    float, finite however far off a prediction is; below 0 where the density is above 1.

    Source: lecture A; Bishop, Pattern Recognition and Machine Learning, section 1.2.5.
    """
    return float(0.5 * np.log(2 * np.pi) + np.log(sigma) + mse(y, y_hat) / (2 * sigma**2))


def _noisy(rng: np.random.Generator, low: float, high: float) -> dict:
    sigma = rng.uniform(low, high)
    return dict(**_targets(rng, int(rng.integers(5, 9)), sigma), sigma=sigma)


@gaussian_nll.cases
def little_noise(rng):
    """A small sigma, and predictions that are about as far off as it says."""
    return _noisy(rng, 0.1, 0.3)


@gaussian_nll.cases
def much_noise(rng):
    """A sigma well above 1."""
    return _noisy(rng, 2, 5)


@gaussian_nll.cases
def far_off(rng):
    """One prediction is so far off that its density is rounded to 0."""
    case = _noisy(rng, 0.1, 0.3)
    case["y_hat"][0] = case["y"][0] + rng.uniform(50, 60) * case["sigma"]
    return case


def _log_of_rounded_zero(y, y_hat, sigma):
    density = np.exp(-((y - y_hat) ** 2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
    return np.mean(-np.log(density))


gaussian_nll.slips(
    sigma_term_missing=slip(
        {" + np.log(sigma)": ""},
        "The term log(sigma) is missing.",
        hint="The density's factor 1 / sigma does not go away: a wider bell is a lower one.",
    ),
    constant_missing=slip(
        {"0.5 * np.log(2 * np.pi) + ": ""},
        "The constant, 1/2 log(2 pi), is missing.",
        hint="It does not move the minimum, but without it this is no likelihood.",
    ),
    sigma_as_variance=slip(
        {"np.log(sigma)": "0.5 * np.log(sigma)", "sigma**2": "sigma"},
        "sigma is used as the variance; it is the standard deviation.",
        hint="The variance is sigma ** 2.",
    ),
    likelihood_summed=slip(
        {"return": "return len(y) *"},
        "The terms of the examples are summed; losses are means.",
        hint="Divide by the number of examples, the constant terms too.",
    ),
    minus_missing=slip(
        {"float(0.5": "-float(0.5"},
        "The sign is reversed: this is the log likelihood, which grows as the fit gets better.",
        hint="A loss must fall as the fit gets better: put the minus in front.",
    ),
    twice_the_likelihood=slip(
        {"return": "return 2 *"},
        "It is twice as large: the 1/2 before the square and before log(2 pi sigma ** 2) is "
        "missing.",
        hint="The exponent has a 1/2, and the root in the density brings another.",
    ),
    logs_not_halved=slip(
        {"0.5 * np.log(2 * np.pi) + np.log(sigma)": "np.log(2 * np.pi * sigma**2)"},
        "This is log(2 pi sigma ** 2) without its half.",
        hint="log(sigma sqrt(2 pi)) is 1/2 log(2 pi sigma ** 2).",
    ),
    half_missing=slip(
        {"(2 * sigma**2)": "sigma**2"},
        "The squared error is divided by sigma squared, but not by 2.",
        hint="Look at the exponent of the density once more.",
    ),
    log_of_rounded_zero=slip(
        _log_of_rounded_zero,
        "The density of a prediction that is far off is rounded to 0, and log(0) is minus "
        "infinity.",
        hint="Never compute exp to take its log: simplify log(exp(...)) on paper.",
    ),
    likelihood_of_all_pairs=slip(
        {"mse(y,": "mse(y.reshape(-1, 1),"},
        "Every true value is compared with every prediction: a column against a row makes (n, n).",
        hint="Print (y - y_hat).shape inside your function. It must be (n,): leave the shapes "
        "alone.",
    ),
    variance_log_not_halved=slip(
        {"np.log(sigma)": "2 * np.log(sigma)"},
        "This is log(sigma ** 2) without its half: twice the term log(sigma).",
        hint="The density has 1 / sigma in front, so its minus log is log(sigma).",
    ),
    constant_not_halved=slip(
        {"0.5 * np.log": "np.log"},
        "The constant is log(2 pi); the root in the density makes it half of that.",
        hint="log(sqrt(2 pi)) is 1/2 log(2 pi).",
    ),
    sigma_not_squared=slip(
        {"sigma**2": "sigma"},
        "The squared error is divided by 2 sigma; sigma must be squared too.",
        hint="An exponent has no unit: (y - y_hat) ** 2 needs sigma ** 2 below it.",
    ),
)


gaussian_nll.remark(
    "The library's density gives the number; the formula shows why least squares and "
    "maximum likelihood are one.",
    uses=("logpdf", "GaussianNLLLoss", "gaussian_nll_loss"),
)


@exercise(
    points=1,
    whole=("theta",),
    hints=(
        "Which number above or equal to 0 is nearest to 3? Which is nearest to -3?",
        "Components that are negative become 0, all others stay; np.maximum compares with 0.",
    ),
)
def project_nonnegative(theta: Array) -> Array:
    """The point nearest to theta that has no negative component.

    Parameters
    ----------
    theta : array of shape (d,)

    Returns
    -------
    array of shape (d,). theta itself is left as it was.

    Source: lecture A (constrained optimisation: non-negative regression weights).
    """
    return np.maximum(theta, 0.0)


@project_nonnegative.cases
def both_signs(rng):
    """Components of both signs."""
    negative, positive = -rng.uniform(0.5, 2, 3), rng.uniform(0.5, 2, 4)
    return dict(theta=rng.permutation(np.concatenate([negative, positive])))


@project_nonnegative.cases
def nothing_to_do(rng):
    """No component is negative; one is 0."""
    theta = rng.uniform(0.5, 2, rng.integers(3, 7))
    theta[1] = 0.0
    return dict(theta=theta)


@project_nonnegative.cases
def all_negative(rng):
    """Every component is negative."""
    for d in (3, 5):
        yield dict(theta=-rng.uniform(0.5, 2, d))


project_nonnegative.slips(
    absolute_value=slip(
        {"np.maximum(theta, 0.0)": "np.abs(theta)"},
        "This is the absolute value: -3 becomes 3, but 0 is nearer.",
        hint="Which allowed point is the nearest?",
    ),
    negative_ones_dropped=slip(
        {"np.maximum(theta, 0.0)": "theta[theta >= 0]"},
        "The negative components are thrown out, so the shape has changed.",
        hint="A weight of 0 is still a weight: the answer has as many components as theta.",
    ),
    wrong_side_cut=slip(
        {"maximum": "minimum"},
        "The wrong side is cut: the positive components are gone.",
        hint="np.maximum(a, b) keeps the larger of the two, np.minimum the smaller.",
    ),
    all_shifted=slip(
        {"np.maximum(theta, 0.0)": "theta - min(theta.min(), 0.0)"},
        "All components are shifted until none is negative; that moves the good ones too.",
        hint="A component that is not negative is already the nearest allowed one.",
    ),
)


@exercise(
    points=5,
    hints=(
        "Each row is predicted once: by a polynomial that was fitted without its fold.",
        "fold == 3 is a mask: it picks the rows of one fold, its opposite ~ all the others.",
        "For each number in np.unique(fold): fit on the rows outside, predict those inside, keep "
        "their errors. When every row has its error, take one mean of the squares.",
    ),
)
def cross_validation(x: Array, y: Array, degree: int, fold: Array) -> float:
    """The mean squared error of a polynomial, where no reading is predicted by a fit that saw it.

    The rows are divided into folds. One fold at a time is set aside, the polynomial is fitted to
    all other rows by least squares, and it predicts the rows of the fold that was set aside.

    Parameters
    ----------
    x, y : arrays of shape (n,)
    degree : of the polynomial, 0 or more
    fold : array of shape (n,), whole numbers, at least two different ones. Rows with the same
        number are one fold. Folds may be of different sizes, and their numbers any.

    Returns
    -------
    float: the mean of the squared errors of all n predictions, in the units of y squared.

    Source: Stone (1974), Cross-validatory choice and assessment of statistical predictions.
    """
    errors = np.zeros(len(y))
    for number in np.unique(fold):
        aside = fold == number
        theta = fit_least_squares(polynomial_features(x[~aside], degree), y[~aside])
        errors[aside] = y[aside] - polynomial_features(x[aside], degree) @ theta
    return float(np.mean(errors**2))


def _readings(rng: np.random.Generator, degree: int, fold: Array) -> dict:
    """Readings of a bent curve, so scattered over (-1, 1) that every fit has its powers."""
    n = len(fold)
    x = rng.permutation(np.linspace(-1, 1, n) + rng.uniform(-0.3, 0.3, n) / n)
    y = 2 * np.sin(3 * x) + 1 + 0.5 * rng.normal(size=n)
    return dict(x=x, y=y, degree=degree, fold=rng.permutation(fold))


@cross_validation.cases
def equal_folds(rng):
    """Folds of the same size, numbered from 0."""
    folds = rng.integers(3, 5)
    return _readings(rng, rng.integers(1, 3), np.arange(6 * folds) % folds)


@cross_validation.cases
def unequal_folds(rng):
    """One fold has many rows, another one few."""
    return _readings(rng, rng.integers(1, 3), np.repeat([-1, 1, 2], [10, 5, 3]))


@cross_validation.cases
def numbered_otherwise(rng):
    """The numbers of the folds have gaps, and some are negative."""
    numbers = rng.permutation([rng.choice([-7, -2]), *rng.choice([3, 8, 21], 2, replace=False)])
    return _readings(rng, rng.integers(1, 3), np.repeat(numbers, [6, 8, 5]))


@cross_validation.cases
def one_row_each(rng):
    """Every row is a fold of its own; then a mean in the place of a curve."""
    for degree in (2, 0):
        yield _readings(rng, degree, np.arange(rng.integers(9, 13)))


def _squares(x, y, degree, seen, asked):
    """The squared errors at the rows `asked` of a fit to the rows `seen`."""
    theta = fit_least_squares(polynomial_features(x[seen], degree), y[seen])
    return (y[asked] - polynomial_features(x[asked], degree) @ theta) ** 2


def _by_polyfit(x, y, degree, seen, asked):
    """The same; where there are too few rows it takes another one of the curves through them."""
    return (y[asked] - np.polyval(np.polyfit(x[seen], y[seen], degree), x[asked])) ** 2


def errors_of_folds(x, y, degree, fold, numbers, *, seen="others", asked="own", tool=_squares):
    """The squared errors fold by fold, for the folds with these numbers; a fit sees, and predicts,
    the rows of the fold, all others, or all."""
    found = []
    for number in numbers:
        own = fold == number
        rows = {"own": own, "others": ~own, "all": np.full(len(y), True)}
        found.append(tool(x, y, degree, rows[seen], rows[asked]))
    return found


def crossed(x, y, degree, fold, numbers=None, **how):
    """Cross-validation over other folds, or other rows."""
    numbers = np.unique(fold) if numbers is None else numbers
    return float(np.mean(np.concatenate(errors_of_folds(x, y, degree, fold, numbers, **how))))


def mean_of_means(x, y, degree, fold, numbers=None, **how):
    """The same, with a mean for each fold first."""
    numbers = np.unique(fold) if numbers is None else numbers
    errors = errors_of_folds(x, y, degree, fold, numbers, **how)
    return float(np.mean([np.mean(squares) for squares in errors]))


def side_by_side(fold):
    """As many folds, of rows that stand side by side."""
    parts = np.array_split(np.arange(len(fold)), len(np.unique(fold)))
    return np.repeat(np.arange(len(parts)), [len(part) for part in parts])


_SEEN = "The errors are those of the rows that the fit saw; the fold that is set aside is asked."
_NOT_SEEN = "Fit on x[~aside], predict x[aside], and compare with y[aside]."
_TURNED = "The wrong way round: the fit sees one fold, and predicts all the others."
_ONE_ASIDE = "One fold is the test, all the others together are the training set."
_COUNTED = "The folds are taken to be numbered 0, 1, 2, ...; their numbers may be any."
_ANY_NUMBERS = "np.unique(fold) gives the numbers that there are."

cross_validation.slips(
    fitted_to_all=slip(
        {"x[~aside], degree), y[~aside]": "x, degree), y"},
        "The polynomial is fitted to all rows: those of the fold that is set aside as well.",
        hint="Then this is the training error. Fit on x[~aside] and y[~aside].",
    ),
    training_rows_predicted=slip(
        lambda x, y, degree, fold: crossed(x, y, degree, fold, asked="others"),
        _SEEN,
        hint=_NOT_SEEN,
    ),
    training_rows_predicted_fold_by_fold=slip(
        lambda x, y, degree, fold: mean_of_means(x, y, degree, fold, asked="others"),
        _SEEN,
        hint=_NOT_SEEN,
    ),
    all_rows_predicted=slip(
        lambda x, y, degree, fold: crossed(x, y, degree, fold, asked="all"),
        "Each fit predicts all rows, most of which it has seen.",
        hint=_NOT_SEEN,
    ),
    fold_by_itself=slip(
        lambda x, y, degree, fold: crossed(x, y, degree, fold, seen="own"),
        "Each fold is fitted and predicted by itself: every row is predicted by a fit that saw it.",
        hint="The fit sees the rows of all other folds.",
    ),
    one_fold_to_fit=slip(
        lambda x, y, degree, fold: crossed(x, y, degree, fold, seen="own", asked="others"),
        _TURNED,
        hint=_ONE_ASIDE,
    ),
    one_fold_to_fit_by_polyfit=slip(
        lambda x, y, degree, fold: crossed(
            x, y, degree, fold, seen="own", asked="others", tool=_by_polyfit
        ),
        _TURNED,
        hint=_ONE_ASIDE,
    ),
    one_fold_to_fit_and_means=slip(
        lambda x, y, degree, fold: mean_of_means(x, y, degree, fold, seen="own", asked="others"),
        _TURNED,
        hint=_ONE_ASIDE,
    ),
    one_fold_to_polyfit_and_means=slip(
        lambda x, y, degree, fold: mean_of_means(
            x, y, degree, fold, seen="own", asked="others", tool=_by_polyfit
        ),
        _TURNED,
        hint=_ONE_ASIDE,
    ),
    folds_count_alike=slip(
        lambda x, y, degree, fold: mean_of_means(x, y, degree, fold),
        "Each fold's mean error counts the same; a fold with few rows then counts too much.",
        hint="The mean is over all n predictions. Keep the errors, and take it once, at the end.",
    ),
    folds_as_often_as_rows=slip(
        lambda x, y, degree, fold: crossed(x, y, degree, fold, fold),
        "A fold with many rows has many turns: `for number in fold` goes through all rows.",
        hint="np.unique(fold) has each number once.",
    ),
    last_fold_only=slip(
        lambda x, y, degree, fold: crossed(x, y, degree, fold, np.unique(fold)[-1:]),
        "Only one fold was set aside: the last one.",
        hint="Each fold has its turn. Do you overwrite the errors of the fold before?",
    ),
    first_fold_only=slip(
        lambda x, y, degree, fold: crossed(x, y, degree, fold, np.unique(fold)[:1]),
        "Only one fold was set aside: the first one.",
        hint="Each fold has its turn. Does the return stand inside of the loop?",
    ),
    first_fold_over_all_rows=slip(
        lambda x, y, degree, fold: (
            np.sum(errors_of_folds(x, y, degree, fold, np.unique(fold)[:1])) / len(y)
        ),
        "Only one fold was set aside, the first one; all other errors are still zero.",
        hint="Each fold has its turn. Does the return stand inside of the loop?",
    ),
    last_fold_over_all_rows=slip(
        lambda x, y, degree, fold: (
            np.sum(errors_of_folds(x, y, degree, fold, np.unique(fold)[-1:])) / len(y)
        ),
        "Only the errors of the last fold are kept; all others are zero again.",
        hint="Each fold has its turn. Do you make the array of errors anew inside of the loop?",
    ),
    folds_summed=slip(
        lambda x, y, degree, fold: mean_of_means(x, y, degree, fold) * len(np.unique(fold)),
        "The mean errors of the folds are summed; the mean of all n squared errors is wanted.",
        hint="Keep the errors of all folds, and take the mean once, at the end.",
    ),
    sum_over_folds=slip(
        {"np.mean(errors**2)": "np.sum(errors**2) / len(np.unique(fold))"},
        "The sum of all squared errors is divided by the number of folds.",
        hint="It is a mean over the n predictions.",
    ),
    one_error_a_fold=slip(
        lambda x, y, degree, fold: np.array(
            [mean_of_means(x, y, degree, fold, [number]) for number in np.unique(fold)]
        ),
        "There is an error for each fold; one number is asked, the mean over all n predictions.",
        hint="Keep the errors of all folds, and take the mean once, at the end.",
    ),
    rows_in_order=slip(
        lambda x, y, degree, fold: crossed(x, y, degree, side_by_side(fold)),
        "The rows are divided in their order: which fold a row is in stands in fold.",
        hint="fold == number is a mask of the rows of one fold.",
    ),
    each_row_aside=slip(
        lambda x, y, degree, fold: crossed(x, y, degree, np.arange(len(y))),
        "Each row is set aside by itself; a whole fold is to be set aside.",
        hint="Rows with the same number in fold belong together.",
    ),
    powers_in_the_other_order=slip(
        {"x[aside], degree) @ theta": "x[aside], degree) @ theta[::-1]"},
        "The coefficients meet the powers in the other order.",
        hint="np.polyfit has the highest power first, as np.polyval and np.vander want it; "
        "x ** [0, 1, ...] and np.polynomial begin with the constant.",
    ),
    a_power_too_few=slip(
        {
            "features(x[~aside], degree)": "features(x[~aside], degree)[:, : max(degree, 1)]",
            "features(x[aside], degree)": "features(x[aside], degree)[:, : max(degree, 1)]",
        },
        "The highest power is missing.",
        hint="A polynomial of degree 2 has three coefficients; np.vander takes their number.",
    ),
    a_power_too_many=slip(
        {
            "features(x[~aside], degree)": "features(x[~aside], degree + 1)",
            "features(x[aside], degree)": "features(x[aside], degree + 1)",
        },
        "There is one power too many.",
        hint="A polynomial of degree 2 has three coefficients: 1, x and x ** 2.",
    ),
    constant_left_out=slip(
        {
            "features(x[~aside], degree)": "features(x[~aside], degree)[:, 1:]",
            "features(x[aside], degree)": "features(x[aside], degree)[:, 1:]",
        },
        "The constant is missing: the curve is forced through 0.",
        hint="A polynomial of degree 2 has three coefficients: 1, x and x ** 2.",
    ),
    folds_from_zero=slip(
        {"np.unique(fold)": "range(len(np.unique(fold)))"}, _COUNTED, hint=_ANY_NUMBERS
    ),
    no_fold_found=slip(
        lambda x, y, degree, fold: crossed(x, y, degree, fold, range(len(np.unique(fold)))),
        _COUNTED,
        hint=_ANY_NUMBERS,
    ),
    means_of_no_rows=slip(
        lambda x, y, degree, fold: mean_of_means(x, y, degree, fold, range(len(np.unique(fold)))),
        _COUNTED,
        hint=_ANY_NUMBERS,
    ),
    folds_to_the_largest=slip(
        {"np.unique(fold)": "range(np.max(fold) + 1)"}, _COUNTED, hint=_ANY_NUMBERS
    ),
    negative_folds_never_tested=slip(
        lambda x, y, degree, fold: crossed(x, y, degree, fold, range(np.max(fold) + 1)),
        _COUNTED,
        hint=_ANY_NUMBERS,
    ),
    errors_summed=slip(
        {"np.mean(errors**2)": "np.sum(errors**2)"},
        "The squared errors are summed; their mean is wanted.",
        hint="Divide by the number of predictions, n.",
    ),
    mean_before_the_square=slip(
        {"np.mean(errors**2)": "np.mean(errors) ** 2"},
        "The mean of the errors is squared; the mean of their squares is wanted.",
        hint="Errors that are too high and too low cancel in a mean. Square them first.",
    ),
    errors_not_squared=slip(
        {"errors**2": "np.abs(errors)"},
        "These are absolute errors, not squared ones.",
        hint="It is a mean squared error.",
    ),
    root_at_the_end=slip(
        {"float(np.mean(errors**2))": "float(np.sqrt(np.mean(errors**2)))"},
        "This is the root of the mean squared error.",
        hint="The docstring asks for the units of y squared.",
    ),
)


cross_validation.remark(
    "scikit-learn's tools do it, and split the rows by themselves; written once by hand, one sees "
    "who is allowed to see what.",
    uses=("cross_val_score", "cross_validate", "KFold"),
)


@exercise(
    points=5,
    whole=("losses_a", "losses_b"),
    hints=(
        "Two exam papers, the same thirty pupils: what does a weak pupil do to both "
        "means, and what to their difference?",
        "What is the loss of a minus the loss of b on one example? That is one number an example, "
        "and the question is about their mean.",
        "The differences are a sample of n numbers: their mean, and the standard error of a mean, "
        "which is their standard deviation (with n - 1) divided by the root of n.",
    ),
)
def risk_difference(losses_a: Array, losses_b: Array) -> tuple[float, float]:
    """By how much the risk of model a exceeds that of model b, and how sure that is.

    Both models were fixed beforehand and judged on the same n examples, drawn independently: a
    hard example may cost both of them much.

    Parameters
    ----------
    losses_a, losses_b : arrays of shape (n,), n >= 2: the loss of each model on example i

    Returns
    -------
    difference : float, an unbiased estimate of the risk of a minus the risk of b
    standard_error : float, the standard error of that estimate on these examples; a variance
        that is estimated from n numbers has the divisor n - 1

    Source: chapter 1, the root of n; Dietterich (1998) on comparing classifiers.
    """
    apart = losses_a - losses_b
    return float(np.mean(apart)), float(np.std(apart, ddof=1) / np.sqrt(len(apart)))


def _rivals(
    rng: np.random.Generator, few: int, many: int, side: int, spread: float
) -> Iterator[dict[str, Array]]:
    """Losses of two models: high on the same examples (side 1), or where the other's is low.

    Once a is worse on the whole, and once b is; somewhere the other one is.
    """
    for worse in ("losses_a", "losses_b"):
        while True:
            n = rng.integers(few, many)
            hard = rng.uniform(1, 8, n)
            one, other = (spread * rng.uniform(0, 1, n) for _ in range(2))
            one, other = one + 0.4 + hard, other + (hard if side > 0 else 9 - hard)
            if np.mean(one) > np.mean(other) + 0.2 and np.any(one < other - 0.1):
                break
        better = "losses_b" if worse == "losses_a" else "losses_a"
        yield {worse: one, better: other}


@risk_difference.cases
def hard_for_both(rng):
    """What is hard for the one is hard for the other: the difference is surer than each risk."""
    return _rivals(rng, 20, 40, 1, 1.0)


@risk_difference.cases
def hard_for_one(rng):
    """Each is good where the other is bad: the difference is less sure than it looks."""
    return _rivals(rng, 20, 40, -1, 1.0)


@risk_difference.cases
def few_examples(rng):
    """Three to five examples."""
    return _rivals(rng, 3, 6, 1, 3.0)


def _errors(losses, ddof=1):
    return np.std(losses, ddof=ddof) / np.sqrt(len(losses))


def as_if_unrelated(losses_a, losses_b, ddof=1):
    errors = [_errors(losses, ddof) for losses in (losses_a, losses_b)]
    return float(np.mean(losses_a) - np.mean(losses_b)), float(np.hypot(*errors))


def from_the_covariance(losses_a, losses_b, times):
    """The variance of a difference, from a table of variances, takes off what both have in common
    `times` times."""
    (a, both), (_, b) = np.cov(losses_a, losses_b)
    difference = np.mean(losses_a) - np.mean(losses_b)
    return float(difference), float(np.sqrt(abs(a + b - times * both) / len(losses_a)))


def error_of_errors(losses_a, losses_b):
    difference = np.mean(losses_a) - np.mean(losses_b)
    return float(difference), float(abs(_errors(losses_a) - _errors(losses_b)))


def errors_added(losses_a, losses_b):
    difference = np.mean(losses_a) - np.mean(losses_b)
    return float(difference), float(_errors(losses_a) + _errors(losses_b))


_UNRELATED = "The two errors are combined as if the models had been judged on different examples."
_SAME_EXAMPLES = (
    "Both saw the same ones. Subtract example by example first: what both find hard cancels."
)
_ONE_DIFFERS = "This is how much one example differs, not how sure the mean of all is."
_SQUARED = "This is the variance of the difference; its root is the standard error."

risk_difference.slips(
    not_paired=slip(
        lambda losses_a, losses_b: as_if_unrelated(losses_a, losses_b),
        _UNRELATED,
        hint=_SAME_EXAMPLES,
    ),
    not_paired_and_n=slip(
        lambda losses_a, losses_b: as_if_unrelated(losses_a, losses_b, 0),
        _UNRELATED,
        hint=_SAME_EXAMPLES,
    ),
    covariance_added=slip(
        lambda losses_a, losses_b: from_the_covariance(losses_a, losses_b, -2),
        "What the two have in common is added; it makes their difference surer, and is taken off.",
        hint="The variance of a - b is var(a) + var(b) - 2 cov(a, b).",
    ),
    covariance_once=slip(
        lambda losses_a, losses_b: from_the_covariance(losses_a, losses_b, 1),
        "The covariance is taken off once; it comes in twice.",
        hint="The variance of a - b is var(a) + var(b) - 2 cov(a, b).",
    ),
    errors_subtracted=slip(
        error_of_errors,
        "This is the difference of two standard errors, not the standard error of the difference.",
        hint="Subtract the losses, not their errors.",
    ),
    standard_errors_added=slip(
        errors_added,
        "The two standard errors are added.",
        hint="Subtract the losses example by example; that leaves one sample, with one error.",
    ),
    spread_of_one=slip(
        {" / np.sqrt(len(apart))": ""},
        _ONE_DIFFERS,
        hint="The mean of n is surer by the root of n.",
    ),
    spread_of_one_and_n=slip(
        {", ddof=1) / np.sqrt(len(apart))": ")"},
        _ONE_DIFFERS,
        hint="The mean of n is surer by the root of n. And the divisor is n - 1.",
    ),
    variance_of_one=slip(
        {"np.std(apart, ddof=1) / np.sqrt(len(apart))": "np.var(apart, ddof=1)"},
        "This is the variance of one example's difference.",
        hint="The root of it is its standard deviation; the mean of n is surer by the root of n.",
    ),
    spread_about_zero=slip(
        {"np.std(apart, ddof=1)": "np.sqrt(np.mean(apart**2))"},
        "The spread of the differences is measured from 0, not from their mean.",
        hint="np.std takes the mean away first.",
    ),
    divided_by_n=slip(
        {"np.sqrt(len(apart))": "len(apart)"},
        "The standard deviation is divided by n, not by its root.",
        hint="Four times the examples halve the error.",
    ),
    variance_of_the_mean=slip(
        {"np.std(apart, ddof=1) / np.sqrt(len(apart))": "np.var(apart, ddof=1) / len(apart)"},
        _SQUARED,
        hint="A standard error has the units of the losses.",
    ),
    variance_of_the_mean_and_n=slip(
        {"np.std(apart, ddof=1) / np.sqrt(len(apart))": "np.var(apart) / len(apart)"},
        _SQUARED,
        hint="A standard error has the units of the losses. And the divisor is n - 1.",
    ),
    divisor_n=slip(
        {", ddof=1": ""},
        "The variance is divided by n; from n numbers that are measured about their own mean it "
        "comes out too small.",
        hint="np.std has an argument for the divisor n - 1: ddof=1.",
    ),
    surer_twice=slip(
        {"np.sqrt(len(apart))": "np.sqrt(len(apart) - 1)"},
        "n - 1 comes in twice: in the variance, and under the root.",
        hint="Only the variance has the divisor n - 1; the mean is one of n numbers.",
    ),
    error_before_difference=slip(
        {
            "float(np.mean(apart)), float(np.std(apart, ddof=1) / np.sqrt(len(apart)))": (
                "float(np.std(apart, ddof=1) / np.sqrt(len(apart))), float(np.mean(apart))"
            )
        },
        "The two answers are in the wrong order.",
        hint="The difference comes first, then its standard error.",
    ),
    b_minus_a=slip(
        {"losses_a - losses_b": "losses_b - losses_a"},
        "The sign is reversed: this is b minus a.",
        hint="Positive means that a is the worse of the two.",
    ),
    sizes_of_differences=slip(
        {"losses_a - losses_b": "np.abs(losses_a - losses_b)"},
        "The differences have lost their signs.",
        hint="Where b is worse, the difference is negative, and has to count as such.",
    ),
    size_of_the_difference=slip(
        {"float(np.mean(apart))": "float(np.abs(np.mean(apart)))"},
        "The difference has lost its sign.",
        hint="Negative means that b is the worse of the two.",
    ),
    differences_summed=slip(
        {"float(np.mean(apart))": "float(np.sum(apart))"},
        "The differences are summed; their mean is wanted.",
        hint="A risk is a mean over examples.",
    ),
    half_an_interval=slip(
        {"np.std(apart": "1.96 * np.std(apart"},
        "This is 1.96 standard errors, half of an interval of 95 per cent.",
        hint="The interval is the reader's to make; the function gives the standard error.",
    ),
    two_errors=slip(
        {"np.std(apart": "2 * np.std(apart"},
        "This is twice the standard error.",
        hint="Two of them make an interval for the reader; the function gives one.",
    ),
)


risk_difference.remark(
    "SciPy's tests give a p value; the standard error says how large the difference may be.",
    uses=("ttest_rel", "ttest_ind", "sem"),
)
