"""Small data sets that a chapter and its exercise share: written out, no file, no network."""

import numpy as np

Array = np.ndarray

GABOR_TRUTH = (1.5, 14.0)


def line_data() -> tuple[Array, Array]:
    """Twelve points scattered about a rising line.

    Returns
    -------
    x : array of shape (12,), between 0 and 2
    y : array of shape (12,)
    """
    x = np.array([0.05, 0.22, 0.39, 0.53, 0.74, 0.88, 1.07, 1.21, 1.40, 1.58, 1.79, 1.95])
    y = np.array([0.61, 0.47, 0.84, 0.79, 0.68, 1.11, 0.93, 1.32, 1.19, 1.21, 1.58, 1.49])
    return x, y


def with_ones(x: Array) -> Array:
    """The matrix whose rows are (1, x_i): theta[0] becomes the offset, theta[1] the slope."""
    return np.column_stack([np.ones_like(x), x])


def gabor_data() -> tuple[Array, Array]:
    """Twenty-eight noisy points of the Gabor model at `GABOR_TRUTH`.

    Made once, with noise of standard deviation 0.12, and rounded; written out here so that
    the model itself need not be (it is one of the exercise's functions).

    Returns
    -------
    x : array of shape (28,), between -15 and 15, in rising order
    y : array of shape (28,)
    """
    x = np.array(
        [-14.17, -10.98, -10.68, -8.90, -7.13, -6.69, -6.59, -5.90, -5.65, -5.11]
        + [-2.91, -2.72, -2.30, -1.40, -0.44, 0.35, 1.14, 1.24, 1.49, 6.74]
        + [7.51, 7.61, 8.65, 9.83, 13.46, 13.51, 13.85, 14.42]
    )
    y = np.array(
        [0.05, -0.13, 0.09, -0.03, 0.47, 0.73, 0.55, 0.29, 0.01, -0.47]
        + [-0.77, -0.68, -0.56, 0.24, 0.86, 0.77, 0.51, 0.47, 0.31, 0.09]
        + [0.22, 0.25, 0.09, -0.11, 0.09, -0.06, 0.11, -0.13]
    )
    return x, y
