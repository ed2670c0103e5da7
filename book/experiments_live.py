"""Chapter 8's live figure, "Read the curve": runs with one fault each, their signs, their words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from autograder.datasets import digits
from autograder.slips import mistaken, slip
from solutions.experiments import MLP, cross_entropy, train_epoch

Array = np.ndarray
TEST_ROWS = 600
CLASSES = 10


@dataclass(frozen=True)
class Setup:
    """What a run is made with. The defaults are right; each fault is one field that is not."""

    rows: int
    hidden: tuple[int, ...]
    lr: float
    beta: float
    batch_size: int
    epochs: int
    seed: int
    shuffled: bool = True
    scale: float | None = None  # pixels from 0 to this; None: standardised
    shift: int = 0  # rows that the labels are late by
    leak: str = ""  # "rows" of the training set in the test set, or noisy "copies" of them
    cleared: bool = True  # the gradients, before each backward pass
    weights: str = "uniform"  # "negative": drawn from the lower half alone
    broken: tuple[int, float] | None = None  # epoch and size of a picture that is broken


SETUPS = {
    "wide": Setup(640, (32,), 0.1, 0.0, 32, 20, 1),
    "deep": Setup(320, (32, 32), 0.1, 0.9, 16, 20, 2),
}


def without_clearing() -> Callable[..., Any]:
    """train_epoch as learners write it first: nothing sets the gradients back to zero."""
    forgotten = slip({"p.grad = np.zeros_like(p.data)": "pass"}, "")
    kept: Callable[..., Any] = mistaken(getattr(train_epoch, "reference", train_epoch), forgotten)
    return kept


def data(setup: Setup) -> tuple[Array, Array, Array, Array]:
    """Training pictures and labels, test pictures and labels."""
    rng = np.random.default_rng(setup.seed)
    X, y = digits()
    order = rng.permutation(len(X))[: setup.rows + TEST_ROWS]
    X, y = X[order], y[order]
    if setup.scale:
        X = X * setup.scale
    else:
        train = X[: setup.rows]
        spread = train.std(axis=0)
        X = (X - train.mean(axis=0)) / np.where(spread > 0, spread, 1)
    y = np.roll(y, setup.shift)
    if setup.leak == "copies":
        # Copied first, split after: each picture, three times with new noise, and then the split.
        own = np.repeat(np.arange(setup.rows // 2), 4)[: 2 * setup.rows]
        own = rng.permutation(own)
        X, y = X[own] + rng.normal(0, 0.3, (len(own), X.shape[1])), y[own]
    train, test = slice(0, setup.rows), slice(setup.rows, None)
    if setup.leak == "rows":
        test = slice(0, setup.rows)
    if not setup.shuffled:
        by_class = np.argsort(y[train], kind="stable")
        return X[train][by_class], y[train][by_class], X[test], y[test]
    return X[train], y[train], X[test], y[test]


def norm(arrays: list[Array]) -> float:
    return float(np.sqrt(sum(np.sum(a**2) for a in arrays)))


def silent_units(model: Any, X: Array) -> list[float]:
    """The share of each hidden layer's units that answer 0 to every row."""
    shares = []
    for layer in model.layers[:-1]:
        X = layer(X).relu().data
        shares.append(float(np.mean(~X.any(axis=0))))
    return shares


@dataclass(frozen=True)
class Run:
    """What was measured: by epoch (index 0: before the first update), and by update."""

    train_loss: Array
    test_loss: Array
    train_accuracy: Array
    test_accuracy: Array
    silent: Array
    batch_loss: Array  # shape (epochs, batches)
    handed: Array  # norm of the gradient that the update got, the same shape
    own: Array  # norm of the gradient of its batch alone, the same shape


def train(setup: Setup) -> Run:
    """Train, one update of the reference at a time."""
    X, y, X_test, y_test = data(setup)
    rng = np.random.default_rng(setup.seed)
    model = MLP([X.shape[1], *setup.hidden, CLASSES], rng, "uniform")
    params = model.parameters()
    if setup.weights == "negative":
        for layer in model.layers:
            layer.W.data = -np.abs(layer.W.data)
    step = train_epoch if setup.cleared else without_clearing()
    velocity = [np.zeros_like(p.data) for p in params]
    looks: list[tuple[float, ...]] = []
    updates: list[list[tuple[float, ...]]] = []

    def look() -> None:
        logits, test = model(X), model(X_test)
        looks.append(
            (
                float(cross_entropy(logits, y).data),
                float(cross_entropy(test, y_test).data),
                float(np.mean(logits.data.argmax(axis=1) == y)),
                float(np.mean(test.data.argmax(axis=1) == y_test)),
                max(silent_units(model, X)),
            )
        )

    def own_gradient(rows: Array, labels: Array) -> float:
        held = [p.grad for p in params]
        for p in params:
            p.grad = np.zeros_like(p.data)
        cross_entropy(model(rows), labels).backward()
        found = norm([p.grad for p in params])
        for p, grad in zip(params, held, strict=True):
            p.grad = grad
        return found

    with np.errstate(all="ignore"):
        look()
        for epoch in range(setup.epochs):
            order = rng.permutation(len(X)) if setup.shuffled else np.arange(len(X))
            seen: list[tuple[float, ...]] = []
            for start in range(0, len(X), setup.batch_size):
                batch = order[start : start + setup.batch_size]
                rows = X[batch]
                if setup.broken and setup.broken[0] == epoch + 1 and start == 0:
                    rows[0] *= setup.broken[1]
                own = own_gradient(rows, y[batch])
                losses, velocity = step(
                    model, rows, y[batch], None, setup.lr, setup.beta, velocity, rng
                )
                seen.append((float(losses[0]), norm([p.grad for p in params]), own))
            updates.append(seen)
            look()
    return Run(*np.array(looks).T, *np.moveaxis(np.array(updates), 2, 0))
