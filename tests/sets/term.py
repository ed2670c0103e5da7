"""Three functions and a report, for tests that change a set in mid-term: tests/test_mid_term.py."""

import numpy as np

from autograder.exercise import exercise
from autograder.slips import slip


@exercise(points=4)
def shifted(x, by):
    """x moved by `by`.

    Parameters
    ----------
    x : array of shape (n,)
    by : float

    Returns
    -------
    array of shape (n,)
    """
    return x + by


@shifted.cases
def some(rng):
    """Any numbers."""
    return dict(x=rng.normal(size=4), by=rng.uniform(1, 2))


shifted.slips(
    down=slip({"x + by": "x - by"}, "It is moved the other way.", hint="Add."),
)


@exercise(points=2)
def scaled(x, by):
    """x times `by`.

    Parameters
    ----------
    x : array of shape (n,)
    by : float

    Returns
    -------
    array of shape (n,)
    """
    return x * by


@scaled.cases
def any_numbers(rng):
    """Any numbers."""
    return dict(x=rng.normal(size=4), by=rng.uniform(2, 3))


scaled.slips(
    divided=slip({"x * by": "x / by"}, "It is divided.", hint="Multiply."),
)


@exercise(points=3)
def total(x):
    """The sum of x.

    Parameters
    ----------
    x : array of shape (n,)

    Returns
    -------
    float
    """
    return float(np.sum(x))


@total.cases
def summands(rng):
    """Any numbers."""
    return dict(x=rng.normal(size=4))


total.slips(
    mean=slip({"np.sum": "np.mean"}, "This is the mean.", hint="Do not divide by n."),
)
