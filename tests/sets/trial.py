"""One function, in a notebook that ends in a report which a person marks: tests/by_hand.py."""

import numpy as np

from autograder.exercise import exercise


@exercise(points=2, hints=("Which column of a row is the guess?",))
def accuracy(logits, y):
    """The share of rows whose largest logit stands in column y.

    Parameters
    ----------
    logits : array of shape (n, k)
    y : array of shape (n,), whole numbers from 0 to k - 1

    Returns
    -------
    float
    """
    return float(np.mean(np.argmax(logits, axis=1) == y))


@accuracy.cases
def some_right(rng):
    """Between a third and two thirds are right."""
    # An odd number: half of them is never right.
    n, k = 13, int(rng.integers(3, 6))
    logits = rng.normal(size=(n, k))
    y = np.argmax(logits, axis=1)
    wrong = rng.choice(n, int(rng.integers(4, 8)), replace=False)
    y[wrong] = (y[wrong] + 1) % k
    return dict(logits=logits, y=y)


@accuracy.mistake("The right rows are counted: this is no share.", hint="Divide by n.")
def counted(logits, y):
    return float(np.sum(np.argmax(logits, axis=1) == y))


@accuracy.mistake("The smallest logit is taken for the guess.", hint="argmax, not argmin.")
def smallest(logits, y):
    return float(np.mean(np.argmin(logits, axis=1) == y))


@accuracy.mistake("This is the share of the wrong rows.", hint="Count where guess and y agree.")
def share_wrong(logits, y):
    return float(np.mean(np.argmax(logits, axis=1) != y))
