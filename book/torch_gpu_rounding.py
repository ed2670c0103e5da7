"""How far float32 may carry a training away from float64: a bound that is derived, not guessed.

Every operation of a training rounds, and a rounding is a small number that is added to a result. So
the outcome is a function of all the roundings, and to first order

    |error| <= sum over all roundings of |derivative of the outcome by it| * its largest size.

The derivatives come by reverse mode, from the last step to the first: Linnainmaa published reverse
mode in 1970 for this very purpose. The largest sizes come from the standard model
fl(a op b) = (a op b)(1 + d), |d| <= u; a sum of k terms is off by gamma_k times the sum of their
sizes, in whatever order it is taken. So the bound holds for any device.

Assumed: first order (products of roundings are left out); no hidden unit changes sides, so that
ReLU is linear between the two trainings (`Gap.flips` counts); exp and log within `ULPS` units in
the last place.

Source: Linnainmaa (1970); Higham, Accuracy and Stability of Numerical Algorithms, chapters 2 to 4.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.func import grad, vmap

from book.torch_gpu_experiments import BETA, LR, Task, Walk, gap, one_thread

Array = np.ndarray
Tensor = torch.Tensor

U = 2.0**-24
# NumPy says 2.5 for its float32 exp, CUDA 2, SLEEF 1.
ULPS = 4

# What is to be done with a result that is rounded: its name, itself, the largest size of the
# rounding.
Rounded = Callable[[str, Tensor, Callable[[], Tensor]], Tensor]


def gamma(k: Any) -> Any:
    """The relative error of k roundings, one on another."""
    return k * U / (1 - k * U)


def unpack(theta: Any, sizes: Sequence[int]) -> list[Any]:
    """W and b of each layer in turn, as views of theta."""
    made, start = [], 0
    for a, b in itertools.pairwise(sizes):
        for shape in ((a, b), (b,)):
            count = int(np.prod(shape))
            made.append(theta[start : start + count].reshape(shape))
            start += count
    return made


def terms(a: Tensor) -> Tensor:
    """1 where there is something to add: 0 is added without an error."""
    return (a != 0).to(a.dtype)


def of_product(a: Tensor, W: Tensor) -> Tensor:
    """The largest error of a @ W, where the zeros are in the rows of a."""
    return gamma(terms(a).sum(1, keepdim=True)) * (a.abs() @ W.abs())


def of_layer(a: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """The same of a @ W + b."""
    return gamma(terms(a).sum(1, keepdim=True) + 1) * (a.abs() @ W.abs() + b.abs())


def of_outer(a: Tensor, delta: Tensor) -> Tensor:
    """The same of a.T @ delta, where either may have zeros."""
    return gamma(terms(a).T @ terms(delta)) * (a.abs().T @ delta.abs())


def of_columns(delta: Tensor) -> Tensor:
    """The same of delta.sum(0)."""
    return gamma(terms(delta).sum(0)) * delta.abs().sum(0)


def slopes(
    theta: Tensor, X: Tensor, labels: Tensor, sizes: Sequence[int], rounded: Rounded
) -> tuple[Tensor, Tensor]:
    """The gradient, (d,), and the loss of a batch, operation by operation; each result passes
    through `rounded`."""
    params, n = unpack(theta, sizes), len(labels)
    layers = list(zip(params[::2], params[1::2], strict=True))
    function = 2 * ULPS * U

    inputs = [X]
    for number, (W, b) in enumerate(layers):
        a = inputs[-1]
        z = rounded(f"z{number}", a @ W + b, partial(of_layer, a, W, b))
        inputs.append(torch.relu(z))
    inputs.pop()

    # The largest is one of them, without a rounding; and only differences count.
    shifted = z - z.amax(1, keepdim=True).detach()
    shifted = rounded("shifted", shifted, lambda: U * shifted.abs())
    powers = torch.exp(shifted)
    powers = rounded("exp", powers, lambda: function * powers)
    total = powers.sum(1, keepdim=True)
    total = rounded("sum", total, lambda: gamma(z.shape[1] - 1) * total)
    log_total = torch.log(total)
    log_total = rounded("log", log_total, lambda: function * log_total.abs())
    log_p = shifted - log_total
    log_p = rounded("log_p", log_p, lambda: U * log_p.abs())
    right = log_p.gather(1, labels[:, None])[:, 0]
    loss = rounded("loss", -right.mean(), lambda: gamma(n) * right.abs().mean())

    p = torch.exp(log_p)
    p = rounded("p", p, lambda: function * p)
    delta = (p - one_hot(labels, z)) / n
    delta = rounded("delta", delta, lambda: 2 * U * delta.abs())
    grads: list[Tensor] = []
    for number in range(len(layers) - 1, -1, -1):
        a, W = inputs[number], layers[number][0]
        of_W = rounded(f"W{number}", a.T @ delta, partial(of_outer, a, delta))
        of_b = rounded(f"b{number}", delta.sum(0), partial(of_columns, delta))
        grads[:0] = [of_W.flatten(), of_b]
        if number:
            back = rounded(f"d{number}", delta @ W.T, partial(of_product, delta, W.T))
            delta = back * (a > 0)
    return torch.cat(grads), loss


def one_hot(labels: Tensor, like: Tensor) -> Tensor:
    """The right classes, one-hot, (n, k)."""
    return torch.nn.functional.one_hot(labels, like.shape[1]).to(like.dtype)


class Batch:
    """One batch at one place: what its gradient and its loss may get wrong in float32.

    theta : (d,)
    X, labels : (n, pixels) and (n,)
    """

    def __init__(self, theta: Array, X: Array, labels: Array, sizes: Sequence[int]) -> None:
        self._at = torch.from_numpy(theta)
        self._told = (torch.from_numpy(X), torch.from_numpy(labels), sizes)
        self._largest: dict[str, Tensor] = {}
        gradient, loss = slopes(self._at, *self._told, self._note)
        self.gradient, self.loss = gradient.numpy(), float(loss)

    def _note(self, name: str, value: Tensor, size: Callable[[], Tensor]) -> Tensor:
        self._largest[name] = size()
        return value

    def _outcome(self, theta: Tensor, rounding: dict[str, Tensor], w: Tensor) -> Tensor:
        gradient, _ = slopes(theta, *self._told, lambda name, value, _: value + rounding[name])
        return gradient @ w

    def _loss(self, theta: Tensor, rounding: dict[str, Tensor]) -> Tensor:
        return slopes(theta, *self._told, lambda name, value, _: value + rounding[name])[1]

    def along(self, rows: Array) -> tuple[Array, Array]:
        """For each of k measures of the gradient, (k, d): its derivative by theta, which is the
        row times the Hessian, (k, d); and what roundings may do to it, (k,)."""
        none = {name: torch.zeros_like(size) for name, size in self._largest.items()}
        slope = vmap(grad(self._outcome, argnums=(0, 1)), in_dims=(None, None, 0))
        by_theta, by_rounding = slope(self._at, none, torch.from_numpy(rows))
        wrong = sum(
            by_rounding[name].abs().reshape(len(rows), -1) @ size.flatten()
            for name, size in self._largest.items()
        )
        return by_theta.numpy(), wrong.numpy()

    def of_loss(self) -> tuple[Array, float]:
        """The derivative of the loss by theta, (d,), and what roundings may do to the loss."""
        none = {name: torch.zeros_like(size) for name, size in self._largest.items()}
        by_theta, by_rounding = grad(self._loss, argnums=(0, 1))(self._at, none)
        wrong = sum(float((by_rounding[n].abs() * size).sum()) for n, size in self._largest.items())
        return by_theta.numpy(), wrong


def in_update(theta: Array, velocity: Array, gradient: Array) -> tuple[Array, Array]:
    """What the update's own roundings may do to the velocity and to theta, (d,) each: a product and
    a sum for either term of the velocity, and the step."""
    new = BETA * velocity + (1 - BETA) * gradient
    in_velocity = 2 * U * ((1 - BETA) * np.abs(gradient) + BETA * np.abs(velocity))
    return in_velocity, U * (np.abs(theta - LR * new) + LR * np.abs(new))


def pull_back(
    c: Array,
    after: Array,
    along: Callable[[int, Array], tuple[Array, Array]],
    update: Callable[[int], tuple[Array, Array]],
) -> Array:
    """What all roundings of a training may do to measures of its outcome, for several ends at once.

    c : (k, m, d), m linear measures of theta for each end
    after : (k,), after how many steps the ends are, falling
    along : of a step t and of rows (j, d), what `Batch.along` says of the step's batch
    update : of t, what `in_update` says of the step

    Returns
    -------
    (k, m)
    """
    p, q, total = c.copy(), np.zeros_like(c), np.zeros(c.shape[:2])
    for t in range(int(after[0]), 0, -1):
        k = int(np.sum(after >= t))
        in_velocity, in_theta = update(t)
        # What is wrong with the velocity is wrong with theta too, lr times as much.
        w = q[:k] - LR * p[:k]
        curved, wrong = along(t, (1 - BETA) * w.reshape(-1, w.shape[-1]))
        total[:k] += wrong.reshape(w.shape[:2])
        total[:k] += np.abs(w) @ in_velocity + np.abs(p[:k]) @ in_theta
        p[:k] += curved.reshape(w.shape)
        q[:k] = BETA * w
    return total


@dataclass(frozen=True)
class Bound:
    """A bound beside what was measured, at some of the steps; by loop, "numpy" and "torch".

    steps : (k,), after so many
    loss : (k,), what float32 may do to the loss
    theta : by loop (k,), what it may do to the sum of all parameters' differences, signs as found
    loss_found, theta_found : by loop (k,), the same as measured
    flips : by loop, hidden sums that were above 0 in one training alone
    """

    steps: Array
    loss: Array
    theta: dict[str, Array]
    loss_found: dict[str, Array]
    theta_found: dict[str, Array]
    flips: dict[str, int]

    @property
    def holds(self) -> bool:
        """Whether nothing that was measured is above it."""
        return all(
            bool(np.all(self.loss_found[name] <= self.loss))
            and bool(np.all(self.theta_found[name] <= self.theta[name]))
            for name in self.loss_found
        )

    @property
    def loss_factor(self) -> Array:
        """How many times what was measured the bound is, for the loss; (k,)"""
        return self.loss / np.maximum(*self.loss_found.values())

    @property
    def theta_factor(self) -> Array:
        """The same for the parameters."""
        return np.min([self.theta[name] / self.theta_found[name] for name in self.theta], axis=0)


def bound(
    work: Task, found: dict[tuple[str, str], Walk], sizes: tuple[int, ...], every: int
) -> Bound:
    """Bound the float32 trainings of a network by both loops, after every so many steps.

    work, found : what the loops were given, and what they went through

    For the parameters the measure is the sum of their differences, each with the sign that was
    found: the bound holds for any measure, so for this one too.
    """
    exact = found["numpy", "float64"]
    rough = {name: found[name, "float32"] for name in ("numpy", "torch")}

    def batch(t: int) -> Batch:
        """The one that is met after t steps."""
        rows = work.batches[t]
        return Batch(exact.theta[t], work.X[rows], work.labels[rows], sizes)

    def update(t: int) -> tuple[Array, Array]:
        gradient = (exact.velocity[t] - BETA * exact.velocity[t - 1]) / (1 - BETA)
        return in_update(exact.theta[t - 1], exact.velocity[t - 1], gradient)

    after = np.arange(len(work.batches) - 1, 0, -every)
    off = {name: np.subtract(walk.theta, exact.theta)[after] for name, walk in rough.items()}
    with one_thread():
        of_loss = [batch(int(t)).of_loss() for t in after]
        c = np.stack(
            [[by_theta for by_theta, _ in of_loss], *(np.sign(o) for o in off.values())], 1
        )
        total = pull_back(c, after, lambda t, rows: batch(t - 1).along(rows), update)
    up = slice(None, None, -1)
    loss = total[:, 0] + [own for _, own in of_loss]
    gaps = {name: gap(exact, walk) for name, walk in rough.items()}
    return Bound(
        after[up],
        loss[up],
        {name: total[up, 1 + place] for place, name in enumerate(rough)},
        {name: g.loss[after][up] for name, g in gaps.items()},
        {name: np.abs(o).sum(axis=1)[up] for name, o in off.items()},
        {name: g.flips for name, g in gaps.items()},
    )
