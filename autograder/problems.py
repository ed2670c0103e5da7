"""Problems that several sets try their functions on: bowls, and matrices of a known curvature.

The makers are public, so the build copies their source beside the notebooks that need them.
"""

import numpy as np

from autograder.exercise import public

Array = np.ndarray


@public
def bowl(A, b):
    """The value of the quadratic 1/2 theta.A.theta - b.theta, as a function of theta."""

    def value(theta):
        return 0.5 * theta @ A @ theta - b @ theta

    return value


@public
def bowl_slope(A, b):
    """The gradient of `bowl(A, b)`, as a function of theta."""

    def slope(theta):
        return A @ theta - b

    return slope


@public
def constant(value):
    """A function of theta that is the same everywhere."""

    def same(theta):
        return value

    return same


def spd_matrix(rng: np.random.Generator, d: int, low: float = 0.5, high: float = 4.0) -> Array:
    """A symmetric (d, d) matrix with eigenvalues between `low` and `high`."""
    return rotated(rng, rng.uniform(low, high, d))


def rotated(rng: np.random.Generator, eigenvalues: Array) -> Array:
    """A symmetric matrix with the given eigenvalues and random eigenvectors."""
    q, _ = np.linalg.qr(rng.normal(size=(len(eigenvalues), len(eigenvalues))))
    H = q @ np.diag(eigenvalues) @ q.T
    return (H + H.T) / 2
