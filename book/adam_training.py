"""Chapter 5's race in noise: every optimiser trains the same small network on handwritten digits.

Many runs go side by side, one for each pair of a seed and a learning rate: the runs of a seed share
their start and their batches. Learning rates are chosen on some seeds and reported on others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from book.adam_experiments import NAMES, Settings, one_step, race_settings
from book.kept import made_of, memory
from solutions.backprop import he_normal

Array = np.ndarray

RACERS = (*NAMES, "AdamW")
INPUTS = ("raw", "standardised")
SIZES = (64, 16, 16, 10)  # the little brother of chapter 6's 784-16-16-10
BATCH_SIZE = 32
EPOCHS = 10
LRS = 10 ** np.arange(-3, 0.01, 0.25)
TUNED_ON = (0, 1, 2)
REPORTED_ON = tuple(range(10, 20))


@cache
def digits(inputs: str) -> tuple[Array, Array]:
    """1,797 digits: X (n, 64), raw (0 to 16) or standardised, and Y (n, 10), one-hot."""
    X, labels = load_digits(return_X_y=True)
    if inputs == "standardised":
        spread = X.std(axis=0)
        X = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return X, np.eye(10)[labels]


def layers(theta: Array) -> Iterator[tuple[Array, Array]]:
    """The weights (runs, fan_in, fan_out) and biases (runs, 1, fan_out) in rows of parameters."""
    start = 0
    for fan_in, fan_out in pairwise(SIZES):
        middle = start + fan_in * fan_out
        W = theta[:, start:middle].reshape(-1, fan_in, fan_out)
        yield W, theta[:, None, middle : middle + fan_out]
        start = middle + fan_out


def loss_and_gradient(theta: Array, X: Array, Y: Array) -> tuple[Array, Array]:
    """The mean cross entropy of many networks at once, and its gradient.

    Parameters
    ----------
    theta : array of shape (runs, p)
    X, Y : arrays of shape (runs or 1, n, 64) and (runs or 1, n, 10)

    Returns
    -------
    arrays of shape (runs,) and (runs, p). The formulas are chapter 6's.
    """
    stacked = list(layers(theta))
    outputs = [X]
    for i, (W, b) in enumerate(stacked):
        z = outputs[-1] @ W + b
        outputs.append(np.maximum(z, 0) if i + 1 < len(stacked) else z)
    logits = outputs.pop()
    logits = logits - logits.max(axis=-1, keepdims=True)
    total = np.exp(logits).sum(axis=-1, keepdims=True)
    loss = np.mean(np.sum((np.log(total) - logits) * Y, axis=-1), axis=-1)
    back = (np.exp(logits) / total - Y) / Y.shape[-2]
    parts: list[Array] = []
    for i in reversed(range(len(stacked))):
        dW = np.swapaxes(outputs[i], -1, -2) @ back
        parts = [dW.reshape(len(theta), -1), back.sum(axis=-2), *parts]
        if i:
            back = (back @ np.swapaxes(stacked[i][0], -1, -2)) * (outputs[i] > 0)
    return loss, np.concatenate(parts, axis=1)


def start_of(rng: np.random.Generator) -> Array:
    """A network's first parameters, (p,): He's weights, biases of zero."""
    return np.concatenate(
        [
            part
            for fan_in, fan_out in pairwise(SIZES)
            for part in (he_normal(fan_in, fan_out, rng).ravel(), np.zeros(fan_out))
        ]
    )


def train(name: str, inputs: str, lrs: Array, seeds: tuple[int, ...], every: bool) -> Array:
    """The mean loss over all digits after each epoch, start included, of each run.

    Parameters
    ----------
    lrs : array of shape (k,)
    every : look after every epoch; else at the start and at the end alone

    Returns
    -------
    array of shape (looks, seeds, k); what flew off is infinite.
    """
    X, Y = digits(inputs)
    rngs = [np.random.default_rng(seed) for seed in seeds]
    theta = np.repeat(np.array([start_of(rng) for rng in rngs]), len(lrs), axis=0)
    use: Settings = race_settings(name, np.tile(lrs, len(seeds))[:, None])
    state, t, looks = (np.zeros_like(theta), np.zeros_like(theta)), 0, []

    def look() -> None:
        losses = loss_and_gradient(theta, X[None], Y[None])[0]
        looks.append(np.where(np.isfinite(losses), losses, np.inf).reshape(len(seeds), -1))

    with threadpool_limits(1), np.errstate(all="ignore"):
        look()
        for epoch in range(EPOCHS):
            orders = [rng.permutation(len(X)) for rng in rngs]
            for first in range(0, len(X), BATCH_SIZE):
                rows = np.array([order[first : first + BATCH_SIZE] for order in orders])
                rows = np.repeat(rows, len(lrs), axis=0)
                t += 1
                gradient = loss_and_gradient(theta, X[rows], Y[rows])[1]
                theta, state = one_step(name, theta, gradient, state, t, use)
            if every or epoch + 1 == EPOCHS:
                look()
    return np.array(looks)


@dataclass(frozen=True)
class Trained:
    """An optimiser's training at its best learning rate, on seeds that did not choose it."""

    lr: float
    losses: Array  # (epochs + 1, seeds)
    by_lr: Array  # (len(LRS),), the mean last loss of the seeds that chose

    @property
    def median(self) -> float:
        """The loss after the last epoch, the middle one of the seeds."""
        return float(np.median(self.losses[-1]))

    @property
    def worst(self) -> float:
        """The largest loss after the last epoch."""
        return float(self.losses[-1].max())


def keep(run: Callable[[str, str], Trained], name: str, inputs: str, made: str) -> Trained:
    """What joblib keeps: a training under its name, its inputs and what it is made of."""
    return run(name, inputs)


def tuned(name: str, inputs: str) -> Trained:
    """Choose the learning rate on `TUNED_ON`, train anew on `REPORTED_ON`."""
    by_lr = train(name, inputs, LRS, TUNED_ON, every=False)[-1].mean(axis=0)
    best = LRS[[by_lr.argmin()]]
    return Trained(
        float(best[0]), train(name, inputs, best, REPORTED_ON, every=True)[..., 0], by_lr
    )


def noisy_race(inputs: str) -> dict[str, Trained]:
    """The training of every racer; runs are kept on disk until what makes them changes."""
    made = made_of(tuned)
    return {
        name: memory().cache(keep, ignore=["run"])(tuned, name, inputs, made) for name in RACERS
    }
