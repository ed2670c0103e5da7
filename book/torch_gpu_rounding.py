"""How far float32 may carry a training away from float64: a bound that is derived, not guessed.

A step in float32 is the exact step and a small error. What one step gets wrong the later steps carry
on, to first order by their Jacobians; so after T steps any linear measure c of the state is off by

    |c . e_T| <= sum over t of |c Phi(T, t)| delta_t,    Phi(T, t) = J_T ... J_{t+1},

where delta_t bounds the error that step t makes by itself, component by component (a running error
analysis by the standard model fl(a op b) = (a op b)(1 + d), |d| <= u). The products c Phi come from
the end to the front, as in backpropagation, so no product of two matrices is ever needed.

Assumed: first order (products of errors are left out); no hidden unit changes sides, so that ReLU is
linear between the two trainings (`Gap.flips` counts); exp and log within `ULPS` units in the last
place. Nothing is assumed about the order of sums, so the bound holds for any device.

Source: Higham, Accuracy and Stability of Numerical Algorithms, chapters 2 to 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.func import grad, jvp, vmap
from torch.nn import functional

from book.experiments_experiments import flat
from book.torch_gpu_experiments import BETA, LR, gap, one_thread, task, walks

Array = np.ndarray

U = 2.0**-24
# NumPy says 2.5 for its float32 exp, CUDA 2, SLEEF 1.
ULPS = 4
BLOCK = 25


def gamma(k: int) -> float:
    """The relative error of k roundings, one on another."""
    return k * U / (1 - k * U)


@dataclass(frozen=True)
class Local:
    """What one float32 step may get wrong by itself.

    velocity : (d,), in the new velocity
    theta : (d,), in the new parameters, besides what comes with the velocity
    loss : in the loss that it reports
    """

    velocity: Array
    theta: Array
    loss: float


def unpack(theta: Any, sizes: Sequence[int]) -> list[Any]:
    """W and b of each layer in turn, as views of theta."""
    made, start = [], 0
    for a, b in zip(sizes[:-1], sizes[1:], strict=True):
        for shape in ((a, b), (b,)):
            count = int(np.prod(shape))
            made.append(theta[start : start + count].reshape(shape))
            start += count
    return made


def local(theta: Array, velocity: Array, X: Array, labels: Array, sizes: Sequence[int]) -> Local:
    """The running error bound of one step, in float64 at a point of the float64 training.

    theta, velocity : (d,), before the step
    X, labels : the batch, (n, pixels) and (n,)
    """
    params = unpack(theta, sizes)
    layers = list(zip(params[::2], params[1::2], strict=True))
    n, rows = len(labels), np.arange(len(labels))

    inputs, wrong = [X], [np.zeros_like(X)]
    for number, (W, b) in enumerate(layers):
        z = inputs[-1] @ W + b
        # A sum of fan_in products and a bias, in any order.
        sums = np.abs(inputs[-1]) @ np.abs(W) + np.abs(b)
        error = wrong[-1] @ np.abs(W) + gamma(len(W) + 1) * sums
        on = (z > 0) if number < len(layers) - 1 else True
        inputs.append(z * on)
        wrong.append(error * on)

    # Softmax: only differences of logits count, so the largest may be off without harm.
    logits = inputs.pop()
    shifted = logits - logits.max(axis=1, keepdims=True)
    eta = wrong.pop() + U * np.abs(shifted)
    powers = np.exp(shifted)
    total = powers.sum(axis=1, keepdims=True)
    p, log_p = powers / total, shifted - np.log(total)
    function = 2 * ULPS * U
    in_log = function * (1 + np.log(total)) + gamma(logits.shape[1] - 1)
    mixed = np.sum(p * eta, axis=1, keepdims=True)
    log_wrong = eta * (1 - p) + mixed - p * eta + in_log + U * np.abs(log_p)
    p_wrong = p * (log_wrong + function + U)
    right = log_p[rows, labels]
    loss = float(np.mean(log_wrong[rows, labels]) + gamma(n) * np.mean(np.abs(right)))

    delta = p.copy()
    delta[rows, labels] -= 1
    delta, error = delta / n, p_wrong / n + 2 * U * np.abs(delta) / n
    grads: list[Array] = []
    of_grads: list[Array] = []
    for number in range(len(layers) - 1, -1, -1):
        a, off, W = inputs[number], wrong[number], layers[number][0]
        size = np.abs(delta)
        grads[:0] = [a.T @ delta, delta.sum(axis=0)]
        of_grads[:0] = [
            off.T @ size + np.abs(a).T @ error + gamma(n) * (np.abs(a).T @ size),
            error.sum(axis=0) + gamma(n - 1) * size.sum(axis=0),
        ]
        on = a > 0
        error = (error @ np.abs(W).T + gamma(W.shape[1]) * (size @ np.abs(W).T)) * on
        delta = (delta @ W.T) * on

    g, of_g = flat(grads), flat(of_grads)
    new = BETA * velocity + (1 - BETA) * g
    # A product and a sum each.
    in_velocity = (1 - BETA) * (of_g + 2 * U * np.abs(g)) + 2 * U * BETA * np.abs(velocity)
    in_theta = U * np.abs(theta - LR * new) + U * LR * np.abs(new)
    return Local(in_velocity, in_theta, loss)


def loss_at(theta: torch.Tensor, X: torch.Tensor, labels: torch.Tensor, sizes: Sequence[int]) -> Any:
    """The mean cross entropy of a batch, as a function of all parameters in one row."""
    *hidden, last = list(zip(*[iter(unpack(theta, sizes))] * 2, strict=True))
    x = X
    for W, b in hidden:
        x = torch.relu(x @ W + b)
    return functional.cross_entropy(x @ last[0] + last[1], labels)


def products(theta: Array, X: Array, labels: Array, sizes: Sequence[int], rows: Array) -> Array:
    """Each of the rows, (k, d), times the Hessian of the batch's loss: a derivative of the gradient
    along the row, so that no Hessian has to be kept."""
    told = (torch.from_numpy(X), torch.from_numpy(labels))
    slope = grad(lambda at: loss_at(at, *told, sizes))
    at = torch.from_numpy(theta)
    along = vmap(lambda w: jvp(slope, (at,), (w,))[1])
    return along(torch.from_numpy(rows)).numpy()


def gradient(theta: Array, X: Array, labels: Array, sizes: Sequence[int]) -> Array:
    """The gradient of the batch's loss, (d,)."""
    told = (torch.from_numpy(X), torch.from_numpy(labels))
    return grad(lambda at: loss_at(at, *told, sizes))(torch.from_numpy(theta)).numpy()


def pull_back(
    c: Array, after: Array, found: Sequence[Local], curved: Callable[[int, Array], Array]
) -> Array:
    """Sum |c Phi(T, t)| delta_t over t = T, ..., 1, for several T at once.

    c : (k, m, d), m linear measures of theta for each T
    after : (k,), the Ts, falling
    found : the local errors; found[t - 1] is of step t
    curved : of t and of (k, m, d), each row times the Hessian of step t's loss

    Returns
    -------
    (k, m)
    """
    p, q, total = c.copy(), np.zeros_like(c), np.zeros(c.shape[:2])
    for t in range(int(after[0]), 0, -1):
        k = int(np.sum(after >= t))
        error = found[t - 1]
        # What is wrong with the velocity is wrong with theta too, lr times as much.
        w = q[:k] - LR * p[:k]
        total[:k] += np.abs(w) @ error.velocity + np.abs(p[:k]) @ error.theta
        p[:k] += (1 - BETA) * curved(t, w)
        q[:k] = BETA * w
    return total


@dataclass(frozen=True)
class Bound:
    """A bound beside what was measured, at some of the steps.

    steps : (k,), after so many
    bound : (k,) of the loss, or (k, d) of the parameters: what float32 may be off by
    found : the same as measured, by loop: "numpy" and "torch"
    flips : hidden sums that were above 0 in one training alone, by loop
    """

    steps: Array
    bound: Array
    found: dict[str, Array]
    flips: dict[str, int]

    @property
    def factor(self) -> Array:
        """How many times as large the bound is as what was measured, where that is largest; (k,)"""
        measured = np.maximum(*self.found.values())
        if measured.ndim == 2:
            return self.bound.max(axis=1) / measured.max(axis=1)
        return self.bound / measured

    @property
    def holds(self) -> bool:
        """Whether nothing that was measured is above it."""
        return all(bool(np.all(measured <= self.bound)) for measured in self.found.values())


class _Training:
    """The trainings of a task by both loops, and the local errors along the float64 one."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self.sizes, self.task = sizes, task(sizes)
        found = walks(self.task)
        self.exact = found["numpy", "float64"]
        self.rough = {name: found[name, "float32"] for name in ("numpy", "torch")}
        self.flips = {name: gap(self.exact, walk).flips for name, walk in self.rough.items()}
        self.local = [
            local(self.exact.theta[t], self.exact.velocity[t], *self.batch(t), sizes)
            for t in range(len(self.task.batches))
        ]

    def batch(self, t: int) -> tuple[Array, Array]:
        """The batch that is met after t steps."""
        rows = self.task.batches[t]
        return self.task.X[rows], self.task.labels[rows]

    def curved(self, t: int, rows: Array) -> Array:
        """Rows times the Hessian of step t's loss."""
        flat_rows = rows.reshape(-1, rows.shape[-1])
        made = products(self.exact.theta[t - 1], *self.batch(t - 1), self.sizes, flat_rows)
        return made.reshape(rows.shape)


def loss_bound(sizes: tuple[int, ...], every: int = 50) -> Bound:
    """How far the losses may be off, of every so many steps."""
    with one_thread():
        made = _Training(sizes)
        after = np.arange(len(made.local) - 1, 0, -every)
        c = [gradient(made.exact.theta[t], *made.batch(t), sizes) for t in after]
        carried = pull_back(np.array(c)[:, None], after, made.local, made.curved)[:, 0]
    own = np.array([made.local[t].loss for t in after])
    found = {
        name: np.abs(np.subtract(walk.losses, made.exact.losses))[after]
        for name, walk in made.rough.items()
    }
    up = slice(None, None, -1)
    return Bound(after[up], (carried + own)[up], {k: v[up] for k, v in found.items()}, made.flips)


def theta_bound(sizes: tuple[int, ...]) -> Bound:
    """How far each parameter may be off, after every step: for a small network."""
    with one_thread():
        made = _Training(sizes)
        d = len(made.exact.theta[0])
        hessians = [made.curved(t, np.eye(d)) for t in range(1, len(made.local) + 1)]
        after = np.arange(len(made.local), 0, -1)
        blocks = [after[i : i + BLOCK] for i in range(0, len(after), BLOCK)]
        bounds = [
            pull_back(
                np.tile(np.eye(d), (len(block), 1, 1)),
                block,
                made.local,
                lambda t, rows: rows @ hessians[t - 1],
            )
            for block in blocks
        ]
    found = {
        name: np.abs(np.subtract(walk.theta, made.exact.theta))[1:]
        for name, walk in made.rough.items()
    }
    return Bound(after[::-1], np.concatenate(bounds)[::-1], found, made.flips)
