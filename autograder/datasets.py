"""The data sets that a chapter and its exercise share: small ones, written out or brought along by
scikit-learn, and `mnist`, the one that is fetched."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from autograder.mnist import mnist as mnist

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
    points = np.array(
        [
            *[(-14.17, 0.05), (-10.98, -0.13), (-10.68, 0.09), (-8.90, -0.03), (-7.13, 0.47)],
            *[(-6.69, 0.73), (-6.59, 0.55), (-5.90, 0.29), (-5.65, 0.01), (-5.11, -0.47)],
            *[(-2.91, -0.77), (-2.72, -0.68), (-2.30, -0.56), (-1.40, 0.24), (-0.44, 0.86)],
            *[(0.35, 0.77), (1.14, 0.51), (1.24, 0.47), (1.49, 0.31), (6.74, 0.09)],
            *[(7.51, 0.22), (7.61, 0.25), (8.65, 0.09), (9.83, -0.11), (13.46, 0.09)],
            *[(13.51, -0.06), (13.85, 0.11), (14.42, -0.13)],
        ]
    )
    return points[:, 0].copy(), points[:, 1].copy()


def digits(side: int = 8) -> tuple[Array, Array]:
    """The 1,797 handwritten digits that scikit-learn brings along, 8 by 8 pixels each.

    Parameters
    ----------
    side : pixels along an edge. Other sizes than 8 are made from the same digits by cubic splines:
        the networks of the lectures want 28.

    Returns
    -------
    X : array of shape (1797, side ** 2), a digit a row, from 0 (paper) to 1 (ink)
    y : array of shape (1797,), whole numbers from 0 to 9
    """
    # The file alone, where it is: to import scikit-learn takes a second, of everybody's notebook.
    spec = find_spec("sklearn")
    home = Path(spec.origin).parent if spec and spec.origin else Path()
    file = home / "datasets" / "data" / "digits.csv.gz"
    if file.is_file():
        rows = np.loadtxt(file, delimiter=",")
        images, y = rows[:, :-1], rows[:, -1].astype(int)
    else:
        from sklearn.datasets import load_digits

        images, y = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8) / 16
    if side != 8:
        # Here, so that a notebook without large digits does not pay for it.
        from scipy.ndimage import zoom

        images = np.clip(
            zoom(images, (1, side / 8, side / 8), order=3, grid_mode=True, mode="nearest"), 0, 1
        )
    return images.reshape(len(y), side**2), y
