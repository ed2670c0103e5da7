"""Chapter 3, stochastic gradient descent: references, cases and known mistakes."""

import copy
from collections.abc import Callable, Iterable
from itertools import islice, pairwise, repeat

import numpy as np

from autograder.exercise import FRESH_RNG, exercise, public
from autograder.slips import slip

Array = np.ndarray


# Mean gradients that cases are made of. They look at what they are given, because a NumPy that
# broadcasts would hide an X and a y that do not fit.


@public
def mean_slope(bend):
    """The mean gradient of a linear model (bend 0) or of a bent one, of (theta, X, y)."""

    def slope(theta, X, y):
        if np.ndim(X) != 2 or np.shape(y) != np.shape(X)[:1]:
            raise AssertionError(
                f"grad was given X of shape {np.shape(X)} and y of shape {np.shape(y)}; "
                "it wants (m, d) and (m,)."
            )
        reach = X @ theta
        return np.mean((reach + bend * np.tanh(reach) - y)[:, None] * X, axis=0)

    return slope


@public
def slowing(lr0, brake):
    """A step size that falls slowly: lr0 / (1 + brake * update), a function of the update."""

    def rate(update):
        return lr0 / (1 + brake * update)

    return rate


# What properties need to know of an epoch.


@public
def batch_lengths(n, batch_size):
    """How many rows the batches of one epoch have, in their order."""
    return [min(batch_size, n - done) for done in range(0, n, batch_size)]


@public
def keeps_neighbours(batches):
    """Whether each batch of several rows is a block of neighbours; single rows: are in order."""
    if all(len(batch) == 1 for batch in batches):
        return np.all(np.diff(np.concatenate(batches)) == 1)
    return all(np.ptp(batch) == len(batch) - 1 for batch in batches)


@public
def kept_together(batches):
    """The largest share of neighbours in the data that are in one batch; of single rows, the share
    that is as far from the row before it as most are. The last row is the first one's neighbour.

    1 for rows that were never shuffled, wherever they begin.
    """
    order = np.concatenate(batches)
    n = len(order)
    if not np.array_equal(np.sort(order), np.arange(n)):
        return 0.0
    if len(batches) == n:
        return np.max(np.bincount(np.diff(order) % n)) / (n - 1)
    batch_of = np.empty(n, dtype=int)
    batch_of[order] = np.repeat(np.arange(len(batches)), [len(batch) for batch in batches])
    return np.sum(batch_of == np.roll(batch_of, 1)) / (n - len(batches))


@public
def hardly_shuffled(epochs):
    """Whether nine in ten neighbours stay together in each of these epochs.

    Of a right answer in one epoch with a probability of about 1e-9, in two with its square.
    """
    return all(kept_together(epoch) > 0.9 for epoch in epochs)


@public
def goes_on_as_before(one, other):
    """Whether an epoch has the order of the one before it, begun at another row."""
    place = np.argsort(np.concatenate(one))
    return kept_together([place[batch] for batch in other]) == 1


@public
def same_batches(one, other):
    """Whether two epochs have the same rows in the same batches; order inside one is no matter."""
    return len(one) == len(other) and all(
        np.array_equal(np.sort(a), np.sort(b)) for a, b in zip(one, other, strict=True)
    )


@public
def three_epochs(minibatches, n, batch_size, rng):
    """An epoch, the next one from the same rng, and the first again from a twin of that rng.

    Each has the lengths of its batches (-1 where one is no array of one dimension), and the row
    numbers of all of them, one after the other. An iterator without end is cut off, and its rows
    are left out.
    """
    twin = copy.deepcopy(rng)
    epochs = []
    for source in (rng, rng, twin):
        batches = minibatches(n, batch_size, source)
        if batches is None:
            return None
        batches = [np.array(batch) for batch in islice(batches, 2 * n + 2)]
        lengths = np.array([len(b) if b.ndim == 1 else -1 for b in batches], dtype=int)
        rows = [b.ravel() for b in batches if b.size > 0 and len(batches) < 2 * n + 2]
        rows = np.concatenate(rows) if rows else np.array([], dtype=int)
        epochs.append({"lengths": lengths, "rows": rows})
    return epochs


@public
def in_batches(epoch):
    """The batches of an epoch that `three_epochs` gives, as a list of arrays."""
    return np.split(epoch["rows"], np.cumsum(epoch["lengths"])[:-1])


@exercise(
    points=3,
    by_value=False,
    probe=three_epochs,
    hints=(
        "You need every row number once, in an order that chance decides. What is such an order "
        "of 0, 1, ..., n - 1 called, and which method of rng makes one?",
        "Shuffle first, cut afterwards: batch k starts at position k * batch_size of the order.",
        "range(0, n, batch_size) gives the starts. A slice that runs over the end is cut short "
        "by itself, so the last batch needs no extra case.",
    ),
)
def minibatches(n: int, batch_size: int, rng: np.random.Generator) -> Iterable[Array]:
    """The row numbers of one epoch, shuffled and cut into batches.

    Every one of 0, 1, ..., n - 1 stands in exactly one batch. Each batch has batch_size row
    numbers; only the last may have fewer. Where batch_size > n there is one batch of n.

    Parameters
    ----------
    n : number of examples, at least 1
    batch_size : rows in a batch, at least 1
    rng : numpy.random.Generator, the only source of randomness

    Returns
    -------
    iterable of arrays of whole numbers, each of shape (batch_size,), the last perhaps shorter.
    A list of arrays and a generator are both right.

    Source: lecture D (sampling without replacement, epochs).
    """
    order = rng.permutation(n)
    return [order[start : start + batch_size] for start in range(0, n, batch_size)]


# At least 24 rows, at most a third of them in a batch: a right answer keeps its rows in blocks of
# neighbours, or repeats an epoch, with a probability below 1e-10.


@minibatches.cases
def whole_batches(rng):
    """The batch size divides n."""
    batch_size, count = rng.integers(6, 9), rng.integers(4, 6)
    return dict(n=batch_size * count, batch_size=batch_size, rng=FRESH_RNG)


@minibatches.cases
def short_last_batch(rng):
    """The batch size does not divide n."""
    batch_size, count = rng.integers(7, 10), rng.integers(3, 5)
    n = batch_size * count + rng.integers(3, batch_size - 2)
    return dict(n=n, batch_size=batch_size, rng=FRESH_RNG)


@minibatches.cases
def single_rows(rng):
    """A batch is one row."""
    return dict(n=rng.integers(24, 30), batch_size=1, rng=FRESH_RNG)


@minibatches.cases
def all_in_one(rng):
    """The batch size is n, or larger than n."""
    n = rng.integers(24, 30)
    yield dict(n=n, batch_size=n, rng=FRESH_RNG)
    yield dict(n=n, batch_size=n + rng.integers(2, 9), rng=FRESH_RNG)


@minibatches.property(
    "It goes on without end; an epoch ends once every row has had its turn.",
    mistake="never_ends",
)
def comes_to_an_end(answer, case):
    return all(len(epoch["lengths"]) < 2 * case.args["n"] + 2 for epoch in answer)


@minibatches.property(
    "What comes are not batches: each must be an array of row numbers, of shape (m,).",
    hint="Cut the shuffled order into slices; each slice is one batch.",
    mistake="not_cut",
)
def arrays_of_row_numbers(answer, case):
    return all(np.all(e["lengths"] >= 0) and e["rows"].dtype.kind in "iu" for e in answer)


@minibatches.property(
    "A row number lies outside the data.",
    hint="NumPy counts rows from 0, so the last one is n - 1.",
    mistake="counted_from_one",
)
def rows_of_the_data(answer, case):
    n = case.args["n"]
    return all(np.all((epoch["rows"] >= 0) & (epoch["rows"] < n)) for epoch in answer)


@minibatches.property(
    "Some rows come twice in an epoch while others never come.", mistake="with_replacement"
)
def drawn_without_replacement(answer, case):
    seen = [(len(np.unique(epoch["rows"])), len(epoch["rows"])) for epoch in answer]
    return not any(different < min(given, case.args["n"]) for different, given in seen)


@minibatches.property("Some rows never come in an epoch.", mistake="short_batch_dropped")
def every_row(answer, case):
    return all(len(np.unique(epoch["rows"])) == case.args["n"] for epoch in answer)


@minibatches.property("Some rows come twice in an epoch.", mistake="last_batch_filled_up")
def no_row_twice(answer, case):
    return all(len(epoch["rows"]) == case.args["n"] for epoch in answer)


@minibatches.property(
    "batch_size is how many rows a batch has, not how many batches there are.",
    mistake="size_taken_for_count",
)
def size_is_no_count(answer, case):
    n, size = case.args["n"], case.args["batch_size"]
    counts = [np.sum(epoch["lengths"] > 0) for epoch in answer]
    return len(batch_lengths(n, size)) == size or not all(c == min(n, size) for c in counts)


@minibatches.property("A batch is empty.", mistake="empty_batch")
def no_empty_batch(answer, case):
    return all(np.all(epoch["lengths"] > 0) for epoch in answer)


@minibatches.property("The rows left over are spread over the batches.", mistake="evened_out")
def not_evened_out(answer, case):
    n, size = case.args["n"], case.args["batch_size"]
    lengths = answer[0]["lengths"]
    even = len(lengths) > 1 and np.ptp(lengths) <= 1 and len(lengths) in (n // size, -(-n // size))
    return not even or lengths.tolist() == batch_lengths(n, size)


@minibatches.property(
    "The batches do not have batch_size rows each; only the last may have fewer.",
    hint="Cut the shuffled order at 0, batch_size, 2 * batch_size and so on.",
)
def full_but_for_the_last(answer, case):
    wanted = batch_lengths(case.args["n"], case.args["batch_size"])
    return all(epoch["lengths"].tolist() == wanted for epoch in answer)


@minibatches.property("The rows are not shuffled.", mistake="not_shuffled")
def not_in_the_old_order(answer, case):
    n, batch_size = case.args["n"], case.args["batch_size"]
    old_order = {"lengths": batch_lengths(n, batch_size), "rows": np.arange(n)}
    return batch_size >= n or not same_batches(in_batches(answer[0]), in_batches(old_order))


@minibatches.property(
    "Rows that are neighbours in the data always come in one batch.", mistake="blocks_shuffled"
)
def neighbours_are_parted(answer, case):
    return len(answer[0]["lengths"]) == 1 or not keeps_neighbours(in_batches(answer[0]))


@minibatches.property("The rows are not shuffled.", mistake="rolled")
def order_by_chance(answer, case):
    return len(answer[0]["lengths"]) == 1 or not hardly_shuffled([*map(in_batches, answer[:2])])


@minibatches.property(
    "A second epoch has the order of the first one, begun at another row.",
    hint="Draw a new permutation of all rows for each epoch.",
)
def no_order_goes_on(answer, case):
    first, second, _ = map(in_batches, answer)
    return len(first) == 1 or same_batches(first, second) or not goes_on_as_before(first, second)


@minibatches.property(
    "A second epoch has the same batches as the first.", mistake="generator_of_its_own"
)
def another_order_next_time(answer, case):
    first, second, _ = map(in_batches, answer)
    return len(first) == 1 or not same_batches(first, second)


@minibatches.property(
    "The order does not come from the rng that is passed in.",
    hint="Given an rng in the same state, the batches must be the same: draw from rng alone, not "
    "from np.random or the random module.",
)
def all_chance_from_rng(answer, case):
    first, _, again = map(in_batches, answer)
    return len(first) == 1 or same_batches(first, again)


def blocks_shuffled(n, batch_size, rng):
    starts = np.arange(0, n, batch_size)
    # The short block stays last, as the docstring wants it.
    whole = n // batch_size
    moved = rng.permutation(starts[:whole])
    starts[:whole] = moved[::-1] if np.all(np.diff(moved) > 0) else moved
    return [np.arange(start, min(start + batch_size, n)) for start in starts]


minibatches.slips(
    with_replacement=slip(
        {"rng.permutation(n)": "rng.integers(0, n, n)"},
        "The rows are drawn with replacement: some come twice in an epoch, others never.",
        hint="rng.integers and rng.choice put each row back after drawing it. Shuffle all rows "
        "once instead, and deal them out.",
    ),
    short_batch_dropped=slip(
        {"range(0, n, batch": "range(0, n // batch_size * batch_size, batch"},
        "The short last batch is dropped, so some rows never come in an epoch.",
        hint="Where n is no multiple of batch_size, what is left over is a batch too. Look at the "
        "end of your range.",
    ),
    not_shuffled=slip(
        {"rng.permutation(n)": "np.arange(n)"},
        "The rows are not shuffled: they come as they stand in the data.",
        hint="Data are often sorted; then a batch in order is no sample of the whole. Which method "
        "of rng gives the numbers 0 to n - 1 in random order?",
    ),
    rolled=slip(
        {"rng.permutation(n)": "np.roll(np.arange(n), rng.integers(1, n))"},
        "The rows are not shuffled: they come as they stand in the data, begun at some row.",
        hint="Rows that are neighbours still come together. rng.permutation(n) parts them.",
    ),
    blocks_shuffled=slip(
        blocks_shuffled,
        "Only the order of the batches is shuffled; inside each the rows are neighbours in the "
        "data.",
        hint="Shuffle the rows before you cut, not the batches after.",
    ),
    last_batch_filled_up=slip(
        lambda n, batch_size, rng: list(
            np.resize(rng.permutation(n), (-(-n // batch_size), batch_size))
        ),
        "The last batch is filled up with rows that this epoch has seen already.",
        hint="The last batch may have fewer than batch_size rows.",
    ),
    empty_batch=slip(
        {"range(0, n, batch": "range(0, n + 1, batch"},
        "There is an empty batch at the end where batch_size divides n.",
        hint="n // batch_size + 1 is one batch too many there; the mean gradient over no rows is "
        "nan.",
    ),
    evened_out=slip(
        lambda n, batch_size, rng: np.array_split(rng.permutation(n), -(-n // batch_size)),
        "The rows left over are spread over the batches; each but the last must have batch_size "
        "rows.",
        hint="np.array_split makes pieces of nearly equal length. Cut at multiples of batch_size.",
    ),
    size_taken_for_count=slip(
        lambda n, batch_size, rng: np.array_split(rng.permutation(n), batch_size),
        "batch_size is taken for the number of batches; it is the number of rows in a batch.",
        hint="The second argument of np.array_split is how many pieces to make.",
    ),
    not_cut=slip(
        lambda n, batch_size, rng: rng.permutation(n),
        "The shuffled order is not cut into batches: single numbers come.",
        hint="Take slices of length batch_size from it. Even a batch of one row is an array, of "
        "shape (1,).",
    ),
    counted_from_one=slip(
        {"rng.permutation(n)": "rng.permutation(n) + 1"},
        "The row numbers run from 1 to n; they must run from 0 to n - 1.",
        hint="X[n] does not exist: NumPy counts from 0.",
    ),
    generator_of_its_own=slip(
        {"rng.permutation(n)": "np.random.default_rng(0).permutation(n)"},
        "A generator with a seed of its own is made inside, so every epoch has the same order.",
        hint="Use the rng that you are given: it moves on with every draw, so that the next call "
        "gives another order.",
    ),
    never_ends=slip(
        lambda n, batch_size, rng: (
            batch for _ in repeat(None) for batch in minibatches.reference(n, batch_size, rng)
        ),
        "The batches never end; one call is one epoch.",
        hint="Leave out the loop that starts over: sgd asks for the next epoch by calling again.",
    ),
)


minibatches.remark(
    "scikit-learn's helper cuts the rows for you; the exercise is to see that slices do it.",
    uses="gen_batches",
)


@exercise(
    points=2,
    whole=(
        "theta",
        "X",
        "y",
    ),
    hints=(
        "What would grad(theta, X, y) be the mean over? Which rows should it see instead?",
        "An array of whole numbers between square brackets picks those rows: X[index].",
        "X and y must lose the same rows, or an input meets another one's target.",
    ),
)
def minibatch_gradient(grad: Callable, theta: Array, X: Array, y: Array, index: Array) -> Array:
    """The gradient of the loss on the rows of one batch alone.

    Parameters
    ----------
    grad : function of (theta, X, y), returns the mean gradient over the rows given, shape (d,);
        it wants at least one row, X of shape (m, d) and y of shape (m,)
    theta : array of shape (d,)
    X : array of shape (n, d), one example a row
    y : array of shape (n,)
    index : array of shape (m,), whole numbers: the rows of the batch; a row that stands in it twice
        counts twice

    Returns
    -------
    array of shape (d,): the mean gradient over the m rows.

    Source: lectures A and C.
    """
    return grad(theta, X[index], y[index])


def _data(rng, n: int, d: int) -> dict:
    return dict(X=rng.normal(size=(n, d)) + 0.3, y=rng.normal(size=n))


def _batch_case(rng, n: int, m: int, bend: float) -> dict:
    d = rng.integers(2, 5)
    # Without row 0, so that the first m rows are never the batch.
    index = 1 + rng.permutation(n - 1)[:m]
    return dict(grad=mean_slope(bend), theta=rng.normal(size=d), **_data(rng, n, d), index=index)


@minibatch_gradient.cases
def a_few_rows(rng):
    """A batch of a few rows of a linear model."""
    return _batch_case(rng, rng.integers(11, 16), rng.integers(3, 7), 0.0)


@minibatch_gradient.cases
def one_row(rng):
    """A batch of one row, of a model that is not linear."""
    return _batch_case(rng, rng.integers(8, 12), 1, 2.0)


@minibatch_gradient.cases
def a_row_twice(rng):
    """index names a row twice, and another three times."""
    case = _batch_case(rng, rng.integers(11, 16), rng.integers(4, 7), 0.0)
    twice, thrice, *others = case["index"]
    return {**case, "index": rng.permutation([twice, twice, thrice, thrice, thrice, *others])}


@minibatch_gradient.cases
def bent_model(rng):
    """A model that is not linear."""
    return _batch_case(rng, rng.integers(11, 16), rng.integers(3, 7), 2.0)


minibatch_gradient.slips(
    all_rows=slip(
        {"X[index], y[index]": "X, y"},
        "This is the gradient over all rows; index is not used.",
        hint="Hand grad only the rows that index names.",
    ),
    summed=slip(
        {"return grad": "return len(index) * grad"},
        "The gradients of the batch are summed; what is wanted is their mean.",
        hint="A sum grows with the batch, and the step with it. Divide by the number of rows in "
        "the batch, or let grad do it.",
    ),
    divided_by_n=slip(
        {"y[index])": "y[index]) * len(index) / len(X)"},
        "The sum over the batch is divided by n, the rows of the whole data set.",
        hint="The batch has len(index) rows; the mean is over those.",
    ),
    first_rows=slip(
        {"X[index], y[index]": "X[: len(index)], y[: len(index)]"},
        "These are the first rows of the data, as many as the batch has, not the ones index names.",
        hint="X[:m] cuts a piece off the top. Put index itself between the brackets.",
    ),
    targets_not_picked=slip(
        {"y[index]": "y[: len(index)]"},
        "The inputs and the targets do not belong together: index picks from X, not from y.",
        hint="Pick from both: row index[k] of X goes with entry index[k] of y.",
    ),
    shapes_do_not_fit=slip(
        {"y[index]": "y"},
        "grad is given an X and a y whose shapes do not fit together.",
        hint="X must have shape (m, d) and y shape (m,), for one row too: X[i : i + 1] keeps its "
        "two dimensions, X[i] does not.",
    ),
    own_formula=slip(
        lambda grad, theta, X, y, index: X[index].T @ (X[index] @ theta - y[index]) / len(index),
        "grad is not asked: this is a formula for a linear model, whatever grad is.",
        hint="grad is an argument, and a function: call it on the rows of the batch.",
    ),
    each_row_once=slip(
        {"X[index], y[index]": "X[np.unique(index)], y[np.unique(index)]"},
        "A row that index names twice counts only once.",
        hint="A mask, np.isin or a set forgets how often. X[index] picks each as often as named.",
    ),
    mean_taken_twice=slip(
        {"y[index])": "y[index]) / len(index)"},
        "The mean is taken twice: what grad gives is a mean already.",
        hint="grad divides by the rows that it is given; do not divide by len(index) again.",
    ),
)


# SGD is judged by what grad was asked. A learner may ask it once a batch or several times; what
# was asked at one place, up to a batch's length, is one update.


@public
def walk_of(sgd, grad, theta0, X, y, lr, batch_size, epochs, rng):
    """A walk. Where a batch is one row there is another one after it, from a twin of the rng: what
    grad is asked tells whether it is the same."""
    twin = copy.deepcopy(rng)
    path = sgd(grad, theta0, X, y, lr, batch_size, epochs, rng)
    if batch_size == 1:
        sgd(grad, theta0, X, y, lr, batch_size, epochs, twin)
    return path


@public
def calls_of_walks(case):
    """The calls of grad on the walk, and on the one after it, if there is one."""
    calls = case.calls["grad"]
    first = len(calls) // 2 if case.args["batch_size"] == 1 else len(calls)
    return calls[:first], calls[first:]


@public
def updates(case):
    """What grad was given, update by update: where, the row numbers (-1: no such row), and the
    mean gradient over them."""
    X, y, calls = case.args["X"], case.args["y"], calls_of_walks(case)[0]
    if not calls:
        return []
    rows, targets = (np.concatenate([given[k] for given, _ in calls]) for k in (1, 2))
    by_size = np.argsort(y)
    index = by_size[np.searchsorted(y[by_size], targets).clip(max=len(y) - 1)]
    index = np.where((y[index] == targets) & np.all(X[index] == rows, axis=1), index, -1)
    index = np.split(index, np.cumsum([len(given[2]) for given, _ in calls])[:-1])
    lengths = batch_lengths(len(y), case.args["batch_size"])
    found = []
    for ((theta, _, _), gradient), own in zip(calls, index, strict=True):
        full = found and len(found[-1][1]) >= lengths[(len(found) - 1) % len(lengths)]
        if not found or full or not np.array_equal(found[-1][0], theta):
            found.append((theta, own, gradient))
        else:
            _, earlier, mean = found[-1]
            both = np.concatenate([earlier, own])
            mean = (len(earlier) * mean + len(own) * gradient) / len(both)
            found[-1] = (theta, both, mean)
    return found


@public
def epochs_seen(case):
    """The batches that grad was given, epoch by epoch, if the lengths are those of whole epochs."""
    batches = [index for _, index, _ in updates(case)]
    count = len(batch_lengths(len(case.args["y"]), case.args["batch_size"]))
    return [batches[k : k + count] for k in range(0, len(batches), count)]


@public
def steps_are(answer, case, factor):
    """Whether step k of a trajectory is -factor(rate, k, rows in the batch) * mean gradient."""
    lr = case.args["lr"]
    rate = lr if callable(lr) else lambda update: lr
    wanted = [-factor(rate, k, len(i)) * mean for k, (_, i, mean) in enumerate(updates(case))]
    if np.shape(answer) != (len(wanted) + 1, len(case.args["theta0"])):
        return False
    return not wanted or np.allclose(np.diff(answer, axis=0), wanted, rtol=1e-6, atol=1e-10)


@public
def wrong_steps(answer, case, factor):
    """Whether the steps are those of a wrong factor, and are not right by chance all the same."""
    return steps_are(answer, case, factor) and not steps_are(
        answer, case, lambda rate, k, m: rate(k)
    )


@exercise(
    points=4,
    by_value=False,
    probe=walk_of,
    hints=(
        "Two loops, one inside the other: what does the outer one count, and what does your "
        "minibatches give to the inner one?",
        "Call minibatches once an epoch, with the same rng each time: that makes the new order.",
        "callable(lr) tells a function from a number. The function wants a count that is not set "
        "back when an epoch ends: how many rows has the path so far?",
        "theta = theta - rate * minibatch_gradient(grad, theta, X, y, index) makes a new array "
        "each time; append it to a list that began with theta0.",
    ),
)
def sgd(
    grad: Callable,
    theta0: Array,
    X: Array,
    y: Array,
    lr: float | Callable,
    batch_size: int,
    epochs: int,
    rng: np.random.Generator,
) -> Array:
    """Stochastic gradient descent over mini-batches; every position on the way is kept.

    An epoch goes once through all n rows, in a new random order, batch_size rows an update; the
    last batch of an epoch may be shorter. Where batch_size > n an epoch is one batch of n rows.

    Parameters
    ----------
    grad : function of (theta, X, y), returns the mean gradient over the rows given, shape (d,);
        it wants at least one row, X of shape (m, d) and y of shape (m,)
    theta0 : array of shape (d,), the start
    X : array of shape (n, d), one example a row
    y : array of shape (n,)
    lr : the step size, or a function that gives it for the number of the update; that number
        counts from 0 over all epochs and does not start again in a new one
    batch_size : rows in a batch, at least 1
    epochs : number of epochs, 0 or more
    rng : numpy.random.Generator, the only source of randomness

    Returns
    -------
    array of shape (updates + 1, d): the start, then theta after each update.

    Source: lectures C and D; Robbins and Monro (1951).
    """
    rate = lr if callable(lr) else lambda update: lr
    path = [np.array(theta0, dtype=np.float64)]
    for _ in range(epochs):
        for index in minibatches(len(X), batch_size, rng):
            gradient = minibatch_gradient(grad, path[-1], X, y, index)
            path.append(path[-1] - rate(len(path) - 1) * gradient)
    return np.array(path)


def _training(rng, n: int, batch_size: int, epochs: int, lr=None) -> dict:
    d = rng.integers(2, 4)
    return dict(
        grad=mean_slope(rng.uniform(0.5, 1.5)),
        theta0=rng.normal(size=d),
        **_data(rng, n, d),
        lr=rng.uniform(0.03, 0.08) if lr is None else lr,
        batch_size=batch_size,
        epochs=epochs,
        rng=FRESH_RNG,
    )


# As many rows, and as small a share of them in a batch, as for minibatches, for the same reason.


@sgd.cases
def batches_that_fit(rng):
    """The batch size divides n; lr is a number."""
    batch_size = rng.integers(6, 9)
    return _training(rng, 4 * batch_size, batch_size, 2)


@sgd.cases
def with_a_short_batch(rng):
    """The last batch of each epoch is short; lr is a number."""
    batch_size = rng.integers(7, 10)
    return _training(rng, 3 * batch_size + rng.integers(3, batch_size - 2), batch_size, 2)


@sgd.cases
def row_by_row(rng):
    """A batch is one row."""
    return _training(rng, rng.integers(14, 16), 1, 2)


@sgd.cases
def full_batch(rng):
    """The batch size is larger than n; and no epoch at all."""
    n = rng.integers(9, 14)
    yield _training(rng, n, n + rng.integers(2, 9), 3)
    yield _training(rng, n, n // 2, 0)


@sgd.cases
def a_schedule(rng):
    """lr is a function of the number of the update."""
    batch_size = rng.integers(7, 10)
    n = 3 * batch_size + rng.integers(3, batch_size - 2)
    lr = slowing(rng.uniform(0.06, 0.1), rng.uniform(0.3, 0.6))
    return _training(rng, n, batch_size, 2, lr)


# Where a property without a name fails, those after it must not break down: the first name is told.


@sgd.property("grad is not asked.", mistake="own_formula")
def grad_is_asked(answer, case):
    return case.args["epochs"] == 0 or len(case.calls["grad"]) > 0


@sgd.property(
    "What comes back does not have two dimensions: one row an update, the start included.",
    mistake="only_the_end",
)
def a_trajectory(answer, case):
    return np.ndim(answer) == 2


@sgd.property(
    "grad was given inputs and targets that do not belong together.",
    mistake="targets_left_behind",
)
def rows_keep_their_targets(answer, case):
    return all(np.all(index >= 0) for _, index, _ in updates(case))


@sgd.property("Every row of the trajectory is the same.", mistake="every_row_the_last")
def rows_differ(answer, case):
    return case.args["epochs"] == 0 or len(answer) < 3 or not np.all(answer[1:] == answer[-1])


@sgd.property("grad was given more rows than a batch has.", mistake="all_rows_each_time")
def no_larger_than_a_batch(answer, case):
    return all(len(index) <= case.args["batch_size"] for _, index, _ in updates(case))


@sgd.property(
    "In an epoch, grad was given some rows twice and others not at all.",
    mistake="drawn_with_replacement",
)
def each_row_once(answer, case):
    n, size, epochs = len(case.args["y"]), case.args["batch_size"], case.args["epochs"]
    rows = np.concatenate([[], *(index for _, index, _ in updates(case))])
    # An epoch may have lost its short batch, which is another mistake.
    for length in (n, n // size * size):
        if length and len(rows) == length * epochs:
            pieces = np.split(rows, epochs) if epochs else []
            return all(len(np.unique(piece)) == length for piece in pieces)
    return True


@sgd.property("In an epoch, grad was not given all the rows.", mistake="leftover_dropped")
def no_row_left_over(answer, case):
    n, size, epochs = len(case.args["y"]), case.args["batch_size"], case.args["epochs"]
    given = sum(len(index) for _, index, _ in updates(case))
    dropped = given == n // size * size * epochs and (given > 0 or len(answer) == 1)
    return n % size == 0 or epochs == 0 or not dropped


@sgd.property(
    "The batches are not those of whole epochs, as many as epochs says.",
    hint="In an epoch every row comes once, batch_size rows an update; only the last batch may be "
    "shorter. Try your minibatches alone.",
)
def whole_epochs(answer, case):
    lengths = batch_lengths(len(case.args["y"]), case.args["batch_size"]) * case.args["epochs"]
    return [len(index) for _, index, _ in updates(case)] == lengths


@sgd.property("The order does not come from rng.", mistake="not_from_the_rng")
def same_walk_from_a_twin(answer, case):
    walk, again = calls_of_walks(case)
    return case.args["batch_size"] > 1 or all(
        np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])
        for (one, _), (other, _) in zip(walk, again, strict=True)
    )


@sgd.property("The rows are not shuffled.", mistake="rows_in_order")
def shuffled(answer, case):
    return all(len(e) == 1 or not keeps_neighbours(e) for e in epochs_seen(case))


@sgd.property("The rows are not shuffled.", mistake="rows_begun_anywhere")
def orders_by_chance(answer, case):
    seen = [epoch for epoch in epochs_seen(case) if len(epoch) > 1]
    return len(seen) < 2 or not hardly_shuffled(seen)


@sgd.property(
    "An epoch has the order of the one before it, begun at another row.",
    hint="Ask minibatches for new batches at the beginning of each epoch.",
)
def no_epoch_goes_on(answer, case):
    pairs = [(a, b) for a, b in pairwise(epochs_seen(case)) if len(a) > 1]
    return not any(goes_on_as_before(a, b) and not same_batches(a, b) for a, b in pairs)


@sgd.property("Two epochs have the same batches.", mistake="shuffled_once")
def shuffled_each_epoch(answer, case):
    epochs = epochs_seen(case)
    pairs = pairwise(epochs)
    return not any(len(one) > 1 and same_batches(one, other) for one, other in pairs)


@sgd.property("The first row of the trajectory is not theta0.", mistake="start_missing")
def starts_at_theta0(answer, case):
    return np.allclose(answer[0], case.args["theta0"], rtol=1e-12, atol=1e-12)


@sgd.property("The last point of the walk is missing.", mistake="end_missing")
def reaches_its_end(answer, case):
    one_short = case.args["epochs"] > 0 and len(answer) == len(updates(case))
    return not one_short or not np.allclose(answer[0], case.args["theta0"], rtol=1e-12, atol=1e-12)


@sgd.property("There is one row an epoch, not one an update.", mistake="one_row_an_epoch")
def not_one_row_an_epoch(answer, case):
    epochs, count = case.args["epochs"], len(updates(case))
    return count <= epochs or len(answer) != epochs + 1


@sgd.property(
    "The trajectory does not have one row an update and one for the start.",
    hint="Keep theta0, and then theta after every single update.",
)
def one_row_an_update(answer, case):
    return np.shape(answer) == (len(updates(case)) + 1, len(case.args["theta0"]))


@sgd.property(
    "A gradient was not taken where the walk stood at that update.", mistake="old_position"
)
def asked_where_it_stands(answer, case):
    return all(
        np.allclose(theta, row, rtol=1e-9, atol=1e-12)
        for (theta, _, _), row in zip(updates(case), answer, strict=False)
    )


@sgd.property("The steps go uphill.", mistake="uphill")
def downhill(answer, case):
    return not wrong_steps(answer, case, lambda rate, k, m: -rate(k))


@sgd.property("The steps grow with the batch.", mistake="sum_over_the_batch")
def mean_over_the_batch(answer, case):
    return not wrong_steps(answer, case, lambda rate, k, m: m * rate(k))


@sgd.property("The schedule is asked from update 1 on.", mistake="schedule_from_one")
def schedule_starts_at_zero(answer, case):
    return not wrong_steps(answer, case, lambda rate, k, m: rate(k + 1))


@sgd.property("The schedule starts again in each epoch.", mistake="schedule_starts_again")
def schedule_goes_on(answer, case):
    count = len(batch_lengths(len(case.args["y"]), case.args["batch_size"]))
    return not wrong_steps(answer, case, lambda rate, k, m: rate(k % count))


@sgd.property("The schedule is asked for the epoch.", mistake="schedule_by_epoch")
def schedule_counts_updates(answer, case):
    count = len(batch_lengths(len(case.args["y"]), case.args["batch_size"]))
    return not wrong_steps(answer, case, lambda rate, k, m: rate(k // count))


@sgd.property(
    "A step is not minus the step size times the mean gradient of its batch.",
    hint="theta - rate * minibatch_gradient(...), with the rate of this very update.",
)
def steps_of_the_right_length(answer, case):
    return steps_are(answer, case, lambda rate, k, m: rate(k))


def _cut(order, batch_size):
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _shuffled_but_the_first(rng, X):
    return np.concatenate([X[1 + np.roll(rng.permutation(len(X) - 1), 1)], X[:1]])


_EPOCH = "minibatches(len(X), batch_size, rng)"

sgd.slips(
    start_missing=slip(
        {"return np.array(path)": "return np.array(path)[1:]"},
        "The start is missing from the trajectory.",
        hint="The first row is theta0 itself, so there is one row more than there are updates.",
    ),
    only_the_end=slip(
        {"return np.array(path)": "return np.array(path)[-1]"},
        "Only the end of the walk comes back, not every position on the way.",
        hint="Keep a list, add theta to it after each update, and turn it into an array at the "
        "end.",
    ),
    one_row_an_epoch=slip(
        {"return np.array(path)": "return np.array(path)[:: -(-len(X) // batch_size)]"},
        "The trajectory has one row an epoch; it must have one an update.",
        hint="Store theta in the inner loop, after each batch.",
    ),
    every_row_the_last=slip(
        {"return np.array(path)": "return np.array(len(path) * path[-1:])"},
        "Every row is the last point: the same array was changed in place and stored again and "
        "again.",
        hint="theta -= ... changes the array that you stored before; theta = theta - ... makes a "
        "new one.",
    ),
    all_rows_each_time=slip(
        {"minibatch_gradient(grad, path[-1], X, y, index)": "grad(path[-1], X, y)"},
        "Every update uses all the rows: this is plain gradient descent.",
        hint="grad should see the rows of one batch, X[index] and y[index]; minibatch_gradient "
        "does that.",
    ),
    drawn_with_replacement=slip(
        {_EPOCH: "_cut(rng.integers(0, len(X), len(X)), batch_size)"},
        "The rows are drawn anew for each update: in an epoch some come twice, others not at all.",
        hint="An epoch deals all the rows out once: one call of minibatches, then a loop over what "
        "it gives.",
    ),
    leftover_dropped=slip(
        {"gradient =": "if len(index) < batch_size: continue\n            gradient ="},
        "The short batch at the end of an epoch is dropped, so some rows are not used.",
        hint="Use every batch that minibatches gives; with batch_size > n the short one is the "
        "only one.",
    ),
    rows_begun_anywhere=slip(
        {_EPOCH: "_cut(np.roll(np.arange(len(X)), rng.integers(1, len(X))), batch_size)"},
        "The rows are not shuffled: they come as they stand in the data, begun at some row.",
        hint="Your minibatches shuffles; ask it for the batches, and give it the rng.",
    ),
    own_formula=slip(
        {
            "minibatch_gradient(grad, path[-1], X, y, index)": (
                "X[index].T @ (X[index] @ path[-1] - y[index]) / len(index)"
            ),
        },
        "grad is not asked: the steps are made without it.",
        hint="grad is an argument, and a function: minibatch_gradient asks it on a batch.",
    ),
    not_from_the_rng=slip(
        {_EPOCH: "minibatches(len(X), batch_size, np.random.default_rng())"},
        "The order does not come from the rng that is passed in.",
        hint="Given an rng in the same state, the walk must be the same: draw from rng alone, not "
        "from np.random or the random module.",
    ),
    rows_in_order=slip(
        {_EPOCH: "_cut(np.arange(len(X)), batch_size)"},
        "The rows are never shuffled: each epoch takes them as they stand in the data.",
        hint="Your minibatches shuffles; ask it for the batches, and give it the rng.",
    ),
    shuffled_once=slip(
        {"path = [": f"once = {_EPOCH}\n    path = [", f"in {_EPOCH}": "in once"},
        "The rows are shuffled once, and every epoch goes through them in that same order.",
        hint="Ask minibatches for new batches at the beginning of each epoch, inside the outer "
        "loop.",
    ),
    targets_left_behind=slip(
        {"path = [": "X = _shuffled_but_the_first(rng, X)\n    path = ["},
        "X is shuffled and y is not: the inputs meet the targets of other rows.",
        hint="Shuffle row numbers, and pick from X and from y with the same ones.",
    ),
    old_position=slip(
        {"for index": "began = path[-2:][0]\n        for index", "grad, path[-1]": "grad, began"},
        "The gradient is taken where the epoch began, not where the walk stands now.",
        hint="Inside the inner loop, use the theta that the last update made.",
    ),
    uphill=slip(
        {"path[-1] - rate": "path[-1] + rate"},
        "The walk goes uphill: the gradient is added, not subtracted.",
        hint="The gradient points where the loss rises fastest. Which way do you want to go?",
    ),
    sum_over_the_batch=slip(
        {"gradient = ": "gradient = len(index) * "},
        "The gradients of a batch are summed, so the steps grow with the batch.",
        hint="grad gives the mean over its rows already; do not multiply by their number.",
    ),
    never_asked=slip(
        {"rate(len(path) - 1)": "lr"},
        "lr is used as a number even where it is a function of the update.",
        hint="callable(lr) says whether it is a function; then the step size is what it returns.",
    ),
    schedule_from_one=slip(
        {"rate(len(path) - 1)": "rate(len(path))"},
        "The schedule counts the updates from 1; the first update has number 0.",
        hint="Ask for the step size before you count the update, or take how many are done so far.",
    ),
    schedule_starts_again=slip(
        {
            f"index in {_EPOCH}": f"k, index in enumerate({_EPOCH})",
            "rate(len(path) - 1)": "rate(k)",
        },
        "The schedule starts again in every epoch; the updates are counted over all epochs.",
        hint="Set the count to 0 once, before the outer loop.",
    ),
    schedule_by_epoch=slip(
        {"for _ in": "for epoch in", "rate(len(path) - 1)": "rate(epoch)"},
        "The schedule is given the number of the epoch; it wants the number of the update.",
        hint="Count in the inner loop.",
    ),
    end_missing=slip(
        {"return np.array(path)": "return np.array(path)[:-1]"},
        "The last point is missing: theta is stored before each update, not after it.",
        hint="Store theta0 before the loops, then each new theta: one row more than there are "
        "updates.",
    ),
)


@exercise(
    points=2,
    whole=("per_example_gradients",),
    hints=(
        "Two things are multiplied: how much single examples differ, and how much a mean over m "
        "of them calms that.",
        "np.std goes over the rows with axis=0. The rows are a sample of many more: which ddof "
        "does that ask for?",
        "The mean of m independent numbers has a standard deviation that is sqrt(m) times smaller.",
    ),
)
def gradient_standard_error(per_example_gradients: Array, m: int) -> Array:
    """Standard error of a mini-batch gradient of m examples, component by component.

    It is s / sqrt(m), where s is the sample standard deviation over the n examples, with n - 1
    in the denominator of the variance. The n examples are taken as a sample of all that there
    could be, and the m as independent draws from these: so there is no finite-population
    correction. (Drawn with replacement from exactly these n, the spread would have n in the
    denominator.)

    Parameters
    ----------
    per_example_gradients : array of shape (n, d), the gradient of each example; n at least 2
    m : number of examples in the mini-batch, at least 1

    Returns
    -------
    array of shape (d,)

    Source: lecture A.
    """
    return np.std(per_example_gradients, axis=0, ddof=1) / np.sqrt(m)


def _gradients(rng, n: int, d: int) -> Array:
    return rng.normal(size=d) + rng.normal(size=(n, d)) * rng.uniform(0.5, 3, d)


@gradient_standard_error.cases
def small_batch(rng):
    """A batch that is smaller than the sample."""
    n, d = rng.integers(7, 11), rng.integers(2, 5)
    return dict(per_example_gradients=_gradients(rng, n, d), m=rng.integers(2, 6))


@gradient_standard_error.cases
def large_batch(rng):
    """Few examples are known, and the batch is to be larger."""
    n, d = rng.integers(2, 5), rng.integers(5, 7)
    return dict(per_example_gradients=_gradients(rng, n, d), m=rng.integers(20, 200))


def _corrected_for_n_minus_one(per_example_gradients, m):
    n = len(per_example_gradients)
    return gradient_standard_error.reference(per_example_gradients, m) * np.sqrt((n - m) / (n - 1))


gradient_standard_error.slips(
    population_variance=slip(
        {", ddof=1": ""},
        "This is the population's standard deviation: its variance divides by n, not by n - 1.",
        hint="That is exact for draws from these n rows alone. The docstring takes them for a "
        "sample of many more, and about its own mean a sample spreads too little: ddof=1.",
    ),
    spread_of_one=slip(
        {" / np.sqrt(m)": ""},
        "This is the spread of single examples; the batch's m examples calm it.",
        hint="The mean of m numbers spreads less than one of them. By which factor?",
    ),
    divided_by_m=slip(
        {"np.sqrt(m)": "m"},
        "The standard deviation is divided by m; it must be divided by the square root of m.",
        hint="Variances are divided by m. What does that do to their root?",
    ),
    variance_of_the_mean=slip(
        {"np.std": "np.var", "np.sqrt(m)": "m"},
        "The root is missing: this is the variance of the mini-batch gradient.",
        hint="An error has the units of the gradient; a variance has their square.",
    ),
    root_of_n=slip(
        {"np.sqrt(m)": "np.sqrt(len(per_example_gradients))"},
        "The spread is divided by the root of n, the examples at hand, not of m, those in the "
        "batch.",
        hint="The n examples tell how much single gradients differ; the batch has m.",
    ),
    wrong_axis=slip(
        {"axis=0": "axis=1"},
        "The spread is taken over the components of each gradient, not over the examples.",
        hint="Examples are rows; the answer has one number for each of the d columns.",
    ),
    one_number=slip(
        {"axis=0, ": ""},
        "All components are thrown together into a single number.",
        hint="np.std without axis goes over the whole array. Ask for one number a column.",
    ),
    finite_population=slip(
        {"np.sqrt(m)": "np.sqrt(m) * np.sqrt(1 - m / len(per_example_gradients))"},
        "Here is a correction for a finite population; the docstring wants none.",
        hint="Leave the factor sqrt(1 - m / n) away.",
    ),
    finite_population_n_minus_one=slip(
        _corrected_for_n_minus_one,
        "Here is a correction for a finite population; the docstring wants none.",
        hint="Leave the factor sqrt((n - m) / (n - 1)) away.",
    ),
    variance_over_the_root=slip(
        {"np.std": "np.var"},
        "The variance is divided by the root of m: take the root of both, or of neither.",
        hint="A standard error has the units of the gradient; a variance has their square.",
    ),
)


gradient_standard_error.remark(
    "SciPy's sem divides by the root of the number of rows that it is given; to use it here you "
    "had to turn n back into m.",
    uses="sem",
)


@exercise(
    points=5,
    hints=(
        "Write the mean squared distance of a batch's gradient from the full one as a function of "
        "m: each component has a variance, and distances are put together by their squares.",
        "Without replacement that is spread / m * (1 - m / n), where spread adds up the variances, "
        "each with n - 1 in its denominator. At m = n it is zero, as it must be.",
        "Set it equal to (share * norm(full gradient)) ** 2 and solve for m, or try all m from 1 "
        "to n. A batch has a whole number of examples, and may not be worse than asked.",
    ),
)
def smallest_batch(per_example_gradients: Array, share: float) -> int:
    """The smallest mini-batch whose gradient is good enough.

    A batch of m is drawn from these n examples, none of them twice. Its error is the root mean
    square distance between its gradient and the full one, over all batches of that size; the full
    gradient is the mean over the n examples. Good enough is an error of at most `share` times the
    length of the full gradient.

    Parameters
    ----------
    per_example_gradients : array of shape (n, d), the gradient of each example, not all of them
        equal; n at least 2
    share : above 0; 0.1 allows an error of a tenth of the gradient

    Returns
    -------
    int, from 1 to n. Where the full gradient is zero only all n are good enough.

    Source: lecture A, turned round; Cochran (1977), chapter 2, has the variance without
    replacement.
    """
    n = len(per_example_gradients)
    full = np.mean(per_example_gradients, axis=0)
    spread = np.sum(np.var(per_example_gradients, axis=0, ddof=1))
    allowed = (share * np.linalg.norm(full)) ** 2
    # spread / m * (1 - m / n) <= allowed, solved for m.
    return int(min(n, np.ceil(spread / (allowed + spread / n))))


def _clear_cut(make, *told_from, right=(), apart=()):
    """The first of the cases that `make()` gives whose answer no rounding can change, in which the
    mistakes `told_from` answer otherwise, those of `right` do not, and those of `apart` answer
    differently."""
    known = {mistake.name: mistake.wrong for mistake in smallest_batch.mistakes}

    def fits(each, share):
        best = smallest_batch.reference(each, share)
        return (
            all(known[name](each, share) != best for name in told_from)
            and all(known[name](each, share) == best for name in right)
            and len({known[name](each, share) for name in apart}) == len(apart)
            and all(smallest_batch.reference(each, share * by) == best for by in (0.999, 1.001))
        )

    while True:
        case = make()
        if fits(case["per_example_gradients"], case["share"]):
            return case


def _wanted(rng, n: int, low: float, high: float) -> dict:
    """Gradients, and a share that would take `low` to `high` times n draws with replacement."""
    each = _gradients(rng, n, rng.integers(2, 4))
    spread = np.sum(np.var(each, axis=0, ddof=1))
    length = np.linalg.norm(np.mean(each, axis=0))
    return dict(
        per_example_gradients=each,
        share=float(np.sqrt(spread / (n * rng.uniform(low, high))) / length),
    )


_NEARLY_RIGHT = (
    *("rounded_to_the_nearest", "not_corrected", "not_corrected_and_n"),
    *("components_added", "worst_component"),
)


@smallest_batch.cases
def part_of_the_data(rng):
    """Some of the examples are enough."""
    yield _clear_cut(
        lambda: _wanted(rng, rng.integers(30, 60), 0.3, 0.8),
        *_NEARLY_RIGHT,
        "population_spread",
        "not_centred",
        apart=["not_corrected", "not_corrected_and_n"],
    )
    yield _clear_cut(
        lambda: _wanted(rng, rng.integers(30, 60), 0.3, 0.8),
        *_NEARLY_RIGHT,
        right=["population_spread"],
    )
    yield _clear_cut(
        lambda: _wanted(rng, rng.integers(30, 60), 0.3, 0.8),
        *_NEARLY_RIGHT[1:],
        "corrected_twice",
        right=["rounded_to_the_nearest"],
    )


@smallest_batch.cases
def few_examples(rng):
    """There are few examples, and most of them are needed."""
    yield _clear_cut(
        lambda: _wanted(rng, rng.integers(10, 16), 1.4, 3),
        *_NEARLY_RIGHT,
        "population_spread",
        "not_centred",
    )
    yield _clear_cut(
        lambda: _wanted(rng, rng.integers(10, 16), 1.4, 3),
        *_NEARLY_RIGHT[1:],
        "corrected_twice",
        right=["rounded_to_the_nearest"],
    )


@smallest_batch.cases
def at_the_minimum(rng):
    """The full gradient is zero."""
    # Whole numbers, and a power of two of them: n * spread / spread is then n, and no rounding
    # makes n + 1 of it.
    for n in (4, 8):
        half = rng.integers(1, 9, (n, 2)).astype(float)
        each = np.concatenate([half, -half])
        yield dict(per_example_gradients=each, share=rng.uniform(0.1, 0.5))


@smallest_batch.cases
def one_is_enough(rng):
    """The examples nearly agree, and one of them is enough."""
    n, d = rng.integers(8, 14), rng.integers(2, 4)
    each = rng.uniform(2, 4, d) + 0.05 * rng.normal(size=(n, d))
    return dict(per_example_gradients=each, share=rng.uniform(0.3, 0.6))


_ALLOWED = "(share * np.linalg.norm(full)) ** 2"
_REPLACED = "The batch is taken as drawn with replacement; none of these examples is drawn twice."
_NOT_REPLACED = (
    "Without replacement the variance (with n - 1) has the factor 1 - m / n, so fewer are enough."
)
_NO_END = "The batch is taken as drawn with replacement, and may have more examples than there are."
_AT_THE_END = "With all n examples the error is zero. Which factor of the variance says that?"

smallest_batch.slips(
    not_corrected=slip(
        {
            "np.ceil(spread / (allowed + spread / n))": (
                "np.ceil(spread / allowed) if allowed > 0 else n"
            ),
        },
        _REPLACED,
        hint=_NOT_REPLACED,
    ),
    without_an_end=slip(
        {
            "min(n, np.ceil(spread / (allowed + spread / n)))": (
                "np.ceil(spread / allowed) if allowed > 0 else n"
            ),
        },
        _NO_END,
        hint=_AT_THE_END,
    ),
    not_corrected_and_n=slip(
        {
            ", ddof=1": "",
            "np.ceil(spread / (allowed + spread / n))": (
                "np.ceil(spread / allowed) if allowed > 0 else n"
            ),
        },
        _REPLACED,
        hint=_NOT_REPLACED,
    ),
    without_an_end_and_n=slip(
        {
            ", ddof=1": "",
            "min(n, np.ceil(spread / (allowed + spread / n)))": (
                "np.ceil(spread / allowed) if allowed > 0 else n"
            ),
        },
        _NO_END,
        hint=_AT_THE_END,
    ),
    rounded_down=slip(
        {
            "np.ceil(spread / (allowed + spread / n))": (
                "max(1, spread / (allowed + spread / n) + 1e-9)"
            )
        },
        "The number is rounded down, and the batch is then a little too small.",
        hint="At most so much error: a fraction of an example too few is too few.",
    ),
    rounded_down_to_none=slip(
        {"np.ceil(spread / (allowed + spread / n))": "spread / (allowed + spread / n)"},
        "The number is rounded down, and the batch is then too small, or has no example at all.",
        hint="At most so much error: a fraction of an example too few is too few. int() cuts off.",
    ),
    rounded_to_the_nearest=slip(
        {
            "np.ceil(spread / (allowed + spread / n))": (
                "np.round(spread / (allowed + spread / n))"
            ),
        },
        "The number is rounded to the nearest; where that is down, the batch is too small.",
        hint="At most so much error: round up.",
    ),
    one_too_many=slip(
        {"np.ceil(": "1 + np.ceil("},
        "This is one example more than is needed.",
        hint="Round up once. Where one example is enough the answer is 1.",
    ),
    population_spread=slip(
        {", ddof=1": ""},
        "The variance has n in its denominator; with the factor 1 - m / n it has n - 1.",
        hint="Count it out for n = 2 and m = 1: the distance of each from the mean of both.",
    ),
    corrected_twice=slip(
        {"spread / (allowed + spread / n)": "spread * n / (allowed * (n - 1) + spread)"},
        "n - 1 comes in twice: in the variance, and in the factor (n - m) / (n - 1).",
        hint="With n in the variance the factor is (n - m) / (n - 1); with n - 1 it is 1 - m / n.",
    ),
    correction_outside_the_root=slip(
        {
            "np.ceil(spread / (allowed + spread / n))": (
                "1 + np.argmax([np.sqrt(spread / m) * (1 - m / n) <= np.sqrt(allowed)"
                " for m in range(1, n + 1)])"
            ),
        },
        "The factor 1 - m / n is for the variance; here the error itself is multiplied by it.",
        hint="The error is the root of spread / m * (1 - m / n), all of it.",
    ),
    not_centred=slip(
        {
            "np.sum(np.var(per_example_gradients, axis=0, ddof=1))": (
                "np.sum(np.mean(per_example_gradients**2, axis=0))"
            )
        },
        "Squares are averaged without taking the mean away: that is no variance.",
        hint="np.var measures from the mean of each component.",
    ),
    all_numbers_as_one_sample=slip(
        {
            "np.sum(np.var(per_example_gradients, axis=0, ddof=1))": (
                "np.var(per_example_gradients, ddof=1)"
            )
        },
        "The variance is that of all numbers together, about one mean.",
        hint="axis=0 gives the variance of each component; they add up.",
    ),
    components_averaged=slip(
        {"np.sum(np.var": "np.mean(np.var"},
        "The variances of the components are averaged; each adds to the distance.",
        hint="The square of a vector's length is the sum of the squares of its components.",
    ),
    one_too_few=slip(
        {"min(n, np.ceil(": "min(n, -1 + np.ceil("},
        "This is one example less than is needed.",
        hint="An index counts from 0: with m = np.arange(1, n + 1) the answer is m[i], not i.",
    ),
    nothing_at_the_minimum=slip(
        {
            "return int(min(n, np.ceil(spread / (allowed + spread / n))))": (
                "return int(min(n, np.ceil(spread / (allowed + spread / n)))) if allowed else None"
            )
        },
        "Where the full gradient is zero nothing comes back; all n examples are good enough there.",
        hint="range(1, n) ends before n. And an error of 0 is at most 0: <= and not <.",
    ),
    not_rounded=slip(
        {
            "int(min(n, np.ceil(spread / (allowed + spread / n))))": (
                "spread / (allowed + spread / n)"
            )
        },
        "A number of examples is whole; this is a fraction.",
        hint="At most so much error: round up, int(np.ceil(...)).",
    ),
    number_with_a_point=slip(
        {"return int(": "return float("},
        "np.ceil gives a float; a number of examples is an int.",
        hint="int(np.ceil(...))",
    ),
    root_forgotten=slip(
        {_ALLOWED: "share * np.linalg.norm(full)"},
        "A variance is compared with a length: square what is allowed.",
        hint="The error is a root mean square. Compare squares with squares.",
    ),
    share_not_squared=slip(
        {_ALLOWED: "share * np.linalg.norm(full) ** 2"},
        "The length of the gradient is squared and the share is not.",
        hint="(share * length) ** 2: half the error takes about four times the examples.",
    ),
    spread_not_squared=slip(
        {
            "np.sum(np.var(per_example_gradients, axis=0, ddof=1))": (
                "np.linalg.norm(np.std(per_example_gradients, axis=0, ddof=1))"
            ),
            _ALLOWED: "share * np.linalg.norm(full)",
        },
        "The error is made to fall with m; it falls with the square root of m.",
        hint="Half the error takes about four times the examples.",
    ),
    components_added=slip(
        {
            "np.sum(np.var(per_example_gradients, axis=0, ddof=1))": (
                "np.sum(np.std(per_example_gradients, axis=0, ddof=1)) ** 2"
            ),
        },
        "The standard deviations of the components are added up; their squares must be.",
        hint="The length of a vector is the root of the sum of the squares of its components.",
    ),
    worst_component=slip(
        {"np.sum(np.var": "np.max(np.var"},
        "Only the component with the largest spread counts here.",
        hint="All components are off at once: their variances add up.",
    ),
    length_of_single_ones=slip(
        {
            "np.linalg.norm(full)": ("np.mean(np.linalg.norm(per_example_gradients, axis=1))"),
        },
        "The error is compared with the length of single gradients, not with that of their mean.",
        hint="At the minimum single gradients are long, and the full one is zero.",
    ),
)


@smallest_batch.property("A batch of this size is not good enough.", last=True)
def large_enough(answer, case):
    return answer >= case.expected


@smallest_batch.property("It is good enough, but a smaller batch is so, too.", last=True)
def no_larger_than_needed(answer, case):
    return answer <= case.expected


@exercise(
    points=5,
    hints=(
        "At which theta does the walk hover? Find it first; the gradients of the single rows there "
        "are the residual times the row.",
        "The floor is lr / m * S / 4, where S adds up the variances of the components of these "
        "gradients (from these rows, with n). Solve it for lr.",
        "L is the largest eigenvalue of X.T @ X / n; the answer is the smaller of the two rates.",
    ),
)
def lr_for_floor(X: Array, y: Array, m: int, floor: float) -> float:
    """The largest learning rate at which mini-batches come down to a given height.

    The loss is half the mean squared error of X @ theta. Each step is made with m rows, drawn from
    these n with replacement, and with a fixed learning rate. The walk comes down to its noise
    floor: the mean height above the least loss at which it hovers, taken to first order in lr.
    Nobody should go beyond 1 / L either, L being the largest curvature of the loss: from there on
    a full gradient overshoots along its steepest direction.

    Parameters
    ----------
    X : array of shape (n, d), of rank d
    y : array of shape (n,)
    m : rows in a batch, at least 1
    floor : the height to come down to, above 0

    Returns
    -------
    float, the largest lr that is allowed by both.

    Source: lecture A, turned round; chapter 3, "It does not come to rest".
    """
    theta = np.linalg.lstsq(X, y, rcond=None)[0]
    each = (X @ theta - y)[:, None] * X
    variances = np.sum(np.var(each, axis=0))
    L = np.linalg.eigvalsh(X.T @ X / len(y))[-1]
    return float(min(4 * m * floor / variances, 1 / L))


def _regression(rng, share: float) -> dict:
    """Data, a batch size, and a floor that asks for `share` times 1 / L.

    At theta = 0 the gradients have 3 to 40 times the variance that they have at the minimum.
    """
    # Neither 2 nor 4: who forgets m would be as far off as who forgets a half, or the quarter.
    n, d, m = rng.integers(9, 15), rng.integers(3, 5), rng.choice([3, 5, 6, 7])
    X = rng.normal(size=(n, d)) * rng.uniform(0.6, 1.8, d) + rng.uniform(0.3, 1, d)
    y = X @ rng.normal(size=d) + rng.uniform(0.5, 1.5) * rng.normal(size=n) + rng.uniform(1, 2)
    theta = np.linalg.lstsq(X, y, rcond=None)[0]
    variances = np.sum(np.var((X @ theta - y)[:, None] * X, axis=0))
    L = np.linalg.eigvalsh(X.T @ X / n)[-1]
    # Nor does the least loss reach up to a floor that is above what the curvature allows.
    low = np.mean((X @ theta - y) ** 2) * L < 4 * variances
    # Nor does the variance without replacement halve.
    if n == 2 * m - 1 or not low or not 3 < np.sum(np.var(y[:, None] * X, axis=0)) / variances < 40:
        return _regression(rng, share)
    return dict(X=X, y=y, m=m, floor=share / L * variances / (4 * m))


@lr_for_floor.cases
def noise_decides(rng):
    """The noise allows less than the curvature does."""
    return _regression(rng, rng.uniform(0.02, 0.06))


@lr_for_floor.cases
def curvature_decides(rng):
    """The noise would allow more than the curvature does."""
    return _regression(rng, rng.uniform(60, 90))


lr_for_floor.slips(
    beyond_the_cliff=slip(
        {"min(4 * m * floor / variances, 1 / L)": "4 * m * floor / variances"},
        "This learning rate is beyond 1 / L: the noise would allow it, the curvature does not.",
        hint="Two things limit lr; the answer is the smaller.",
    ),
    noise_forgotten=slip(
        {"min(4 * m * floor / variances, 1 / L)": "1 / L"},
        "The noise does not limit lr: this is 1 / L, however low the floor.",
        hint="At 1 / L the walk may hover far above the floor that was asked for. floor is a "
        "height above the least loss: the least loss itself is not in it.",
    ),
    larger_of_the_two=slip(
        {"min(": "max("},
        "This is the larger of the two limits; both must be kept.",
        hint="What both allow is the smaller of the two.",
    ),
    twice_the_curvature=slip(
        {"1 / L)": "2 / L)"},
        "The limit of the curvature is 2 / L here, where the walk is about to run away.",
        hint="The docstring stops at 1 / L.",
    ),
    loss_not_halved=slip(
        {"4 * m * floor": "m * floor", "1 / L)": "0.5 / L)"},
        "This is for the mean squared error; the loss is half of it.",
        hint="With the half a gradient is residual * x, and the curvature X.T @ X / n: no 2.",
    ),
    curvature_doubled=slip(
        {"1 / L)": "0.5 / L)"},
        "The curvature is that of the mean squared error; the loss is half of it.",
        hint="X.T @ X / n, without a 2.",
    ),
    curvature_not_a_mean=slip(
        {" / len(y)": ""},
        "The curvature is that of the sum of squares; the loss is a mean over the rows.",
        hint="X.T @ X / n.",
    ),
    curvatures_added=slip(
        {"np.linalg.eigvalsh(X.T @ X / len(y))[-1]": "np.trace(X.T @ X) / len(y)"},
        "L is the sum of all curvatures here; the limit is set by the largest alone.",
        hint="np.linalg.eigvalsh(X.T @ X / n)[-1] is the largest eigenvalue.",
    ),
    all_numbers_of_the_matrix=slip(
        {"np.linalg.eigvalsh(X.T @ X / len(y))[-1]": "np.linalg.norm(X.T @ X / len(y))"},
        "L is the root of the sum of all squares in the Hessian here, larger than any curvature.",
        hint="np.linalg.norm(H) is Frobenius's. np.linalg.eigvalsh(H)[-1] is the largest one.",
    ),
    diagonal_alone=slip(
        {"np.linalg.eigvalsh(X.T @ X / len(y))[-1]": "np.diag(X.T @ X / len(y)).max()"},
        "Only the curvatures along the axes are looked at; the steepest direction lies askew.",
        hint="The largest eigenvalue of X.T @ X / n.",
    ),
    longest_row=slip(
        {"np.linalg.eigvalsh(X.T @ X / len(y))[-1]": "np.sum(X**2, axis=1).max()"},
        "L is that of a single row here, the longest; the loss is a mean over all of them.",
        hint="The largest eigenvalue of X.T @ X / n.",
    ),
    weakest_curvature=slip(
        {"[-1]": "[0]"},
        "This is the smallest curvature; the steepest direction sets the limit.",
        hint="eigvalsh gives the eigenvalues from the smallest to the largest.",
    ),
    gradients_at_zero=slip(
        {"theta = np.linalg.lstsq(X, y, rcond=None)[0]": "theta = np.zeros(X.shape[1])"},
        "The spread of the gradients is taken at theta = 0; the walk hovers about the minimum.",
        hint="Where is the minimum of a sum of squares? np.linalg.lstsq knows.",
    ),
    residuals_alone=slip(
        {"each = (X @ theta - y)[:, None] * X": "each = (X @ theta - y)[:, None]"},
        "This is the variance of the residuals; a gradient is the residual times its row.",
        hint="The gradient of half a squared residual by theta is residual * x, one number a "
        "column.",
    ),
    residuals_apart_from_rows=slip(
        {
            "variances = np.sum(np.var(each, axis=0))": (
                "variances = np.mean((X @ theta - y) ** 2) * np.mean(np.sum(X**2, axis=1))"
            )
        },
        "Mean squares of residuals and of rows are multiplied; the mean of the products is wanted.",
        hint="A long row may well have a large residual. Make the gradient of each row first.",
    ),
    no_quarter=slip(
        {"4 * m * floor": "m * floor"},
        "The 4 is missing: the floor is lr / m times a quarter of the variances.",
        hint="A half is in the loss, another one in the balance of noise and pull. And the "
        "gradient of half a squared residual is residual * x: no 2.",
    ),
    half_for_a_quarter=slip(
        {"4 * m * floor": "2 * m * floor"},
        "This learning rate is half of the right one: the floor is a quarter of lr / m * S, not a "
        "half.",
        hint="A half is in the loss, another one in the balance of noise and pull.",
    ),
    eighth_for_a_quarter=slip(
        {"4 * m * floor": "8 * m * floor"},
        "This learning rate is twice the right one: the floor is a quarter of lr / m * S, not an "
        "eighth.",
        hint="A half is in the loss, another one in the balance of noise and pull; no third one.",
    ),
    least_loss_taken_off=slip(
        {"4 * m * floor": "4 * m * (floor - np.mean((X @ theta - y) ** 2) / 2)"},
        "The least loss is taken off the floor, which is a height above it already.",
        hint="How high the loss itself lies at the minimum does not come in.",
    ),
    batch_forgotten=slip(
        {"4 * m *": "4 *"},
        "m does not come in: a larger batch allows a larger learning rate.",
        hint="The floor is in proportion to lr / m.",
    ),
    batch_upside_down=slip(
        {"4 * m * floor / variances": "4 * floor / (m * variances)"},
        "m is on the wrong side: a larger batch allows a larger learning rate, not a smaller one.",
        hint="The floor is in proportion to lr / m; solve for lr.",
    ),
    root_of_the_batch=slip(
        {"4 * m *": "4 * np.sqrt(m) *"},
        "The root of m is taken: that is for the error of the gradient. The floor is a height, a "
        "square.",
        hint="The variance of a batch's gradient is in proportion to 1 / m.",
    ),
    spreads_for_variances=slip(
        {"np.var(each": "np.std(each"},
        "Standard deviations are added up where their squares belong.",
        hint="A height in a bowl is the square of a distance: np.var, not np.std.",
    ),
    sample_variance=slip(
        {"axis=0))": "axis=0, ddof=1))"},
        "The variances have n - 1 in the denominator; here all draws are from these n rows.",
        hint="With replacement from these very rows: ddof=0.",
    ),
    drawn_without_replacement=slip(
        {"axis=0))": "axis=0, ddof=1)) * (1 - m / len(y))"},
        "The variance is that of a batch without replacement; here a row may be drawn twice.",
        hint="With replacement from these very rows: ddof=0, and no factor 1 - m / n.",
    ),
    mean_over_components=slip(
        {"np.sum(np.var": "np.mean(np.var"},
        "The variances of the components are averaged; each adds to the height.",
        hint="np.sum over the components.",
    ),
)


@exercise(
    points=1,
    hints=(
        "How many times has the step size fallen by update t?",
        "Whole-number division counts the falls: t // every.",
    ),
)
def step_decay(lr0: float, t: int, drop: float, every: int) -> float:
    """A step size that falls by steps: lr0 * drop ** (t // every).

    Parameters
    ----------
    lr0 : the step size at t = 0
    t : whole number from 0, the update (or the epoch, if you count those)
    drop : the factor that is kept at each fall; 0.1 leaves a tenth
    every : whole number, for how many t the step size stays as it is

    Returns
    -------
    float

    Source: lecture A; torch.optim.lr_scheduler.StepLR.
    """
    return lr0 * drop ** (t // every)


def _falling(rng) -> dict:
    # Not a half: there what is kept and what is lost are the same.
    drop = rng.choice([0.1, 0.2, 0.3, 0.7, 0.8])
    return dict(lr0=rng.uniform(0.05, 1), drop=drop, every=rng.integers(5, 12))


@step_decay.cases
def at_the_fall(rng):
    """The updates just before, at and just after a fall."""
    made, k = _falling(rng), rng.integers(2, 5)
    for near in (-1, 0, 1):
        yield dict(**made, t=k * made["every"] + near)


@step_decay.cases
def between_falls(rng):
    """Midway between two falls, and before the first."""
    made = _falling(rng)
    yield dict(**made, t=0)
    yield dict(**made, t=rng.integers(2, 4))
    yield dict(**made, t=rng.integers(2, 5) * made["every"] + rng.integers(2, 4))


step_decay.slips(
    slides=slip(
        {"t // every": "t / every"},
        "True division makes the step size slide; it must stay level and then fall.",
        hint="t / every is 0.5 halfway to the fall; t // every is still 0.",
    ),
    share_lost=slip(
        {"drop **": "(1 - drop) **"},
        "drop is taken for the share that is lost; it is the factor that is kept.",
        hint="With drop = 0.1 a tenth of the step size is left after a fall.",
    ),
    one_late=slip(
        {"t // every": "max(t - 1, 0) // every"},
        "This schedule starts at t = 1: its falls come one update late.",
        hint="The first update has t = 0, so the first fall comes at t = every.",
    ),
    one_early=slip(
        {"t // every": "(t + 1) // every"},
        "The falls come one update early.",
        hint="With every = 10 the updates 0 to 9 have the same step size: t // every, not one "
        "more.",
    ),
    falls_once=slip(
        {"t // every": "t >= every"},
        "The step size falls once and then never again.",
        hint="After k falls it is drop ** k of the first one; which k belongs to t?",
    ),
    falls_at_multiples_alone=slip(
        {"return lr0": "return lr0 if t % every else lr0"},
        "The step size is lower at multiples of every alone, and lr0 again between them.",
        hint="It must stay down: t // every counts the falls so far, at each t.",
    ),
    one_fall_at_multiples=slip(
        {"drop ** (t // every)": "(drop if t > 0 and t % every == 0 else 1)"},
        "The step size falls at multiples of every, and is lr0 again one update later.",
        hint="A function of t forgets what it answered before: count the falls up to t.",
    ),
    remainder=slip(
        {"t // every": "t % every"},
        "% is the remainder: it counts the updates since the last fall, not the falls.",
        hint="You want how many times `every` goes into t: //, not %.",
    ),
    falls_multiplied=slip(
        {"drop **": "drop *"},
        "drop is multiplied by the number of falls; it must be applied that many times.",
        hint="After three falls the factor is drop * drop * drop.",
    ),
)


@exercise(
    points=1,
    hints=(
        "After one update the step size is gamma times what it was. And after two?",
        "The same factor t times over is a power.",
    ),
)
def exponential_decay(lr0: float, t: int, gamma: float) -> float:
    """A step size that falls by the same factor each time: lr0 * gamma ** t.

    Parameters
    ----------
    lr0 : the step size at t = 0
    t : whole number from 0, the update (or the epoch, if you count those)
    gamma : the factor that is kept each time, a little below 1

    Returns
    -------
    float

    Source: lecture A; torch.optim.lr_scheduler.ExponentialLR.
    """
    return lr0 * gamma**t


@exponential_decay.cases
def in_mid_run(rng):
    """An update in mid run."""
    lr0, gamma = rng.uniform(0.05, 1), rng.uniform(0.8, 0.98)
    return dict(lr0=lr0, t=rng.integers(3, 40), gamma=gamma)


@exponential_decay.cases
def the_first_two(rng):
    """The first update, which has t = 0, and the second."""
    lr0, gamma = rng.uniform(0.05, 1), rng.uniform(0.6, 0.9)
    yield dict(lr0=lr0, t=0, gamma=gamma)
    yield dict(lr0=lr0, t=1, gamma=gamma)


exponential_decay.slips(
    one_behind=slip(
        {"gamma**t": "gamma ** (t - 1)"},
        "This schedule starts at t = 1: it is one factor behind.",
        hint="At t = 0 the step size is lr0, at t = 1 it has fallen once.",
    ),
    one_ahead=slip(
        {"gamma**t": "gamma ** (t + 1)"},
        "The step size has fallen before the first update already.",
        hint="At t = 0 it is lr0 itself.",
    ),
    rate_of_decay=slip(
        {"gamma**t": "np.exp(-gamma * t)"},
        "gamma is taken for a rate, exp(-gamma * t); it is the factor that is kept.",
        hint="gamma = 0.9 leaves nine tenths each time.",
    ),
    gamma_lost=slip(
        {"gamma**t": "(1 - gamma) ** t"},
        "gamma is taken for the share that is lost; it is the factor that is kept.",
        hint="gamma = 0.9 leaves nine tenths each time, not one.",
    ),
    times_t=slip(
        {"gamma**t": "gamma * t"},
        "The factor is multiplied by t; it must be applied t times.",
        hint="Three falls in a row are gamma * gamma * gamma.",
    ),
)


@exercise(
    points=2,
    hints=(
        "Where in its half wave is the cosine at t? It runs from angle 0 to angle pi.",
        "1 + cos runs from 2 to 0; half of that is the share of the way down that is left.",
        "That share is of lr0 - lr_min, and lr_min lies below it.",
    ),
)
def cosine_decay(lr0: float, t: int, t_max: int, lr_min: float = 0.0) -> float:
    """A step size that falls from lr0 to lr_min along half a wave of the cosine.

    It is lr_min + (lr0 - lr_min) * (1 + cos(pi * t / t_max)) / 2.

    Parameters
    ----------
    lr0 : the step size at t = 0
    t : whole number, 0 <= t <= t_max, the update (or the epoch, if you count those)
    t_max : whole number, at least 1: where lr_min is reached
    lr_min : the step size at t = t_max

    Returns
    -------
    float

    Source: Loshchilov and Hutter (2017), equation 5; torch.optim.lr_scheduler.CosineAnnealingLR.
    """
    return lr_min + (lr0 - lr_min) * (1 + np.cos(np.pi * t / t_max)) / 2


@cosine_decay.cases
def down_to_zero(rng):
    """lr_min is left at zero."""
    t_max = rng.integers(10, 60)
    return dict(lr0=rng.uniform(0.1, 1), t=rng.integers(2, t_max - 1), t_max=t_max)


@cosine_decay.cases
def down_to_a_floor(rng):
    """lr_min is not zero."""
    t_max, lr0 = rng.integers(10, 60), rng.uniform(0.2, 1)
    # Not in the middle, where what rises meets what falls.
    t = rng.integers(2, t_max // 2)
    t = rng.choice([t, t_max - t])
    return dict(lr0=lr0, t=t, t_max=t_max, lr_min=lr0 * rng.uniform(0.05, 0.4))


@cosine_decay.cases
def both_ends(rng):
    """The first update and the last."""
    lr0, t_max = rng.uniform(0.2, 1), rng.integers(10, 60)
    for t in (0, t_max):
        yield dict(lr0=lr0, t=t, t_max=t_max, lr_min=lr0 / 10)


cosine_decay.slips(
    integer_division=slip(
        {"np.pi * t / t_max": "np.pi * (t // t_max)"},
        "Whole-number division: t // t_max is 0 all the way to the end, so nothing falls.",
        hint="The angle must grow with every t: divide with /.",
    ),
    no_floor=slip(
        {"lr_min + (lr0 - lr_min)": "lr0"},
        "lr_min is not used: the step size falls to zero.",
        hint="At t = t_max the answer is lr_min.",
    ),
    floor_on_top=slip(
        {"(lr0 - lr_min)": "lr0"},
        "lr_min is added on top of the whole lr0, so the schedule starts above lr0.",
        hint="The way down is lr0 - lr_min long, not lr0.",
    ),
    no_half=slip(
        {" / 2": ""},
        "The half is missing: 1 + cos runs from 2 to 0.",
        hint="At t = 0 the answer must be lr0.",
    ),
    one_update_short=slip(
        {"/ t_max": "/ (t_max - 1)"},
        "The wave is one update too short: lr_min is reached at t_max - 1.",
        hint="At t = t_max the angle is pi: divide t by t_max.",
    ),
    whole_wave=slip(
        {"np.pi * t": "2 * np.pi * t"},
        "A whole wave: the step size falls to lr_min halfway, and rises again.",
        hint="The cosine falls from 1 to -1 between the angles 0 and pi, not 2 pi.",
    ),
    no_pi=slip(
        {"np.pi * t": "t"},
        "pi is missing: the cosine gets t / t_max, which ends at an angle of 1.",
        hint="At t = t_max the cosine should be -1. At which angle is it?",
    ),
    starts_at_one=slip(
        {"np.pi * t /": "np.pi * (t - 1) /"},
        "This schedule starts at t = 1: it is one update behind.",
        hint="At t = 0 the angle is 0, at t = t_max it is pi.",
    ),
    rises=slip(
        {"1 + np.cos": "1 - np.cos"},
        "The wave is upside down: the step size rises from lr_min to lr0.",
        hint="1 + cos begins at 2 and ends at 0; 1 - cos does the reverse.",
    ),
)
