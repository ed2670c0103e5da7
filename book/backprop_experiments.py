"""Chapter 6's experiments: the page draws what they return, the tests assert it.

Networks are flat lists [W1, b1, ..., WL, bL], run by the references. What several sections need
is made once and kept; nobody changes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, softmax

from autograder.datasets import digits
from autograder.figures import BLACK, BLUE, COLOURS, ON_DEEP, ON_PALE, RED, new_figure
from solutions.backprop import (
    Tensor,
    elu,
    elu_grad,
    he_normal,
    heaviside,
    mlp_backward,
    mlp_forward,
    neuron_gradient,
    relu,
    relu_grad,
    tanh_grad,
)
from solutions.gradient import numerical_gradient

Array = np.ndarray

SIZES = (784, 16, 16, 10)
SEED = 6
GRAPHS = 40
DEEP_LR = 0.02


# Digits, and a network on them.


@dataclass(frozen=True)
class Split:
    """Digits to train on and to test on; `Y` is `y` one-hot."""

    X: Array
    y: Array
    X_test: Array
    y_test: Array

    @property
    def Y(self) -> Array:
        """The training set's classes, one-hot, (n, 10)."""
        return np.eye(10)[self.y]


@cache
def split(side: int = 28) -> Split:
    """1,437 digits to train on and 360 to test on, the same ones at every size."""
    X, y = digits(side)
    order = np.random.default_rng(SEED).permutation(len(y))
    train, test = order[:1437], order[1437:]
    return Split(X[train], y[train], X[test], y[test])


def initial(kind: str, sizes: Sequence[int], rng: np.random.Generator) -> list[Array]:
    """A network's parameters before any training; all biases are zero.

    `kind` is zeros, ones, uniform (within 1 / sqrt(fan_in)), He, normal (variance 1), or fan-out:
    He with the wrong one of the two counts.
    """
    draw: dict[str, Callable[[int, int], Array]] = {
        "zeros": lambda i, o: np.zeros((i, o)),
        "ones": lambda i, o: np.ones((i, o)),
        "uniform": lambda i, o: rng.uniform(-1, 1, size=(i, o)) / np.sqrt(i),
        "He": lambda i, o: he_normal(i, o, rng),
        "normal": lambda i, o: rng.normal(size=(i, o)),
        "fan-out": lambda i, o: rng.normal(0, np.sqrt(2 / o), size=(i, o)),
    }
    params = []
    for fan_in, fan_out in pairwise(sizes):
        params += [draw[kind](fan_in, fan_out), np.zeros(fan_out)]
    return params


def loss(params: list[Array], X: Array, Y: Array) -> float:
    """The mean softmax cross entropy of a network, in the type of its parameters."""
    logits, _ = mlp_forward(params, X)
    return -np.mean(np.sum(Y * log_softmax(logits, axis=1), axis=1))


def gradient(params: list[Array], X: Array, Y: Array) -> list[Array]:
    """Its gradient, forward and backward."""
    _, cache_ = mlp_forward(params, X)
    return mlp_backward(params, cache_, Y)


def accuracy(params: list[Array], X: Array, y: Array) -> float:
    """The share of digits read right."""
    return float(np.mean(mlp_forward(params, X)[0].argmax(axis=1) == y))


@dataclass(frozen=True)
class Run:
    """A training run: the loss on the training set after each epoch, start included."""

    losses: Array
    params: list[Array]


def train(params: list[Array], data: Split, lr: float, epochs: int, batch_size: int = 32) -> Run:
    """Plain SGD (chapter 3)."""
    rng, losses = np.random.default_rng(SEED), [loss(params, data.X, data.Y)]
    for _ in range(epochs):
        order = rng.permutation(len(data.y))
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            slopes = gradient(params, data.X[batch], data.Y[batch])
            params = [p - lr * g for p, g in zip(params, slopes, strict=True)]
        losses.append(loss(params, data.X, data.Y))
    return Run(np.array(losses), params)


@cache
def trained(epochs: int = 20) -> Run:
    """784-16-16-10 from the uniform start, `lr` 0.1."""
    params = initial("uniform", SIZES, np.random.default_rng(SEED))
    return train(params, split(), 0.1, epochs)


# The perceptron: a descent that does not move, and two that do.

NEURONS: dict[str, Callable[[Array], Array]] = {"step": heaviside, "sigmoid": expit, "ReLU": relu}


@dataclass(frozen=True)
class Descents:
    """For each neuron its loss at every step, and its largest slope met on the way."""

    losses: dict[str, Array]
    largest_slope: dict[str, float]
    right: dict[str, float]


@cache
def step_descents(lr: float = 0.1, steps: int = 100) -> Descents:
    """One neuron tells zeros from ones (8 by 8 pixels), half the mean squared error, same start.

    The gradient is chapter 2's central differences, so nobody can have derived it wrongly.
    """
    data = split(8)
    two = data.y < 2
    X, y = np.column_stack([data.X[two], np.ones(two.sum())]), data.y[two].astype(float)
    start = np.random.default_rng(SEED).normal(0, 0.25, size=65)
    losses, slopes, right = {}, {}, {}
    for name, activation in NEURONS.items():

        def cost(theta: Array, activation: Callable[[Array], Array] = activation) -> float:
            return float(np.mean((activation(X @ theta) - y) ** 2) / 2)

        theta, fall, largest = start, [cost(start)], 0.0
        for _ in range(steps):
            slope = numerical_gradient(cost, theta)
            largest = max(largest, float(np.abs(slope).max()))
            theta = theta - lr * slope
            fall.append(cost(theta))
        losses[name], slopes[name] = np.array(fall), largest
        right[name] = float(np.mean((activation(X @ theta) > 0.5) == (y > 0.5)))
    return Descents(losses, slopes, right)


# Activations.


def sigmoid_grad(z: Array) -> Array:
    """The slope of the sigmoid at its input z."""
    return expit(z) * expit(-z)


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "sigmoid": (expit, sigmoid_grad),
    "tanh": (np.tanh, tanh_grad),
    "ReLU": (relu, relu_grad),
    "ELU": (elu, elu_grad),
}


def ends(z: float = 20.0) -> dict[str, Array]:
    """Of each activation, value and slope at -z, 0 and z: array (3, 2)."""
    places = np.array([-z, 0.0, z])
    return {
        name: np.column_stack([value(places), slope(places)])
        for name, (value, slope) in ACTIVATIONS.items()
    }


def slope_gap(name: str, h: float = 1e-5) -> float:
    """Largest distance of an activation's slope from its central difference, away from 0."""
    value, slope = ACTIVATIONS[name]
    z = np.linspace(-6, 6, 121)
    z = z[np.abs(z) > 2 * h]
    return float(np.max(np.abs((value(z + h) - value(z - h)) / (2 * h) - slope(z))))


# One sigmoid neuron.

NEURON_X, NEURON_W, NEURON_B, NEURON_Y = np.array([1.5, -1.0]), np.array([0.8, 0.4]), -0.3, 1.0


@dataclass(frozen=True)
class Link:
    """A link of the chain: its derivative by formula, and by central differences."""

    derivative: float
    measured: float


@dataclass(frozen=True)
class Chain:
    """The neuron's numbers on the way forward, and its links on the way back."""

    z: float
    a: float
    cost: float
    links: dict[str, Link]


def chain(h: float = 1e-5) -> Chain:
    """One sigmoid neuron, link by link: by z, by a, and all of them together."""

    def central(f: Callable[[float], float], at: float) -> float:
        return float((f(at + h) - f(at - h)) / (2 * h))

    def cost_of(a: float) -> float:
        return (a - NEURON_Y) ** 2 / 2

    def whole(w0: float, w1: float, b: float) -> float:
        return cost_of(float(expit(w0 * NEURON_X[0] + w1 * NEURON_X[1] + b)))

    w0, w1 = NEURON_W
    z = float(NEURON_W @ NEURON_X + NEURON_B)
    a = float(expit(z))
    dw, db = neuron_gradient(NEURON_X, NEURON_W, NEURON_B, NEURON_Y)
    links = {
        "cost by a": Link(a - NEURON_Y, central(cost_of, a)),
        "a by z": Link(a * (1 - a), central(lambda u: float(expit(u)), z)),
        "z by w0": Link(
            NEURON_X[0], central(lambda u: u * NEURON_X[0] + w1 * NEURON_X[1] + NEURON_B, w0)
        ),
        "z by w1": Link(
            NEURON_X[1], central(lambda u: w0 * NEURON_X[0] + u * NEURON_X[1] + NEURON_B, w1)
        ),
        "z by b": Link(1.0, central(lambda u: float(NEURON_W @ NEURON_X) + u, NEURON_B)),
        "cost by w0": Link(float(dw[0]), central(lambda u: whole(u, w1, NEURON_B), w0)),
        "cost by w1": Link(float(dw[1]), central(lambda u: whole(w0, u, NEURON_B), w1)),
        "cost by b": Link(float(db), central(lambda u: whole(w0, w1, u), NEURON_B)),
    }
    return Chain(z, a, float(cost_of(a)), links)


def push_on_z(z: Array, y: float = 0.0) -> Array:
    """The derivative of a sigmoid neuron's squared error by z."""
    a = expit(z)
    return (a - y) * sigmoid_grad(z)


# What the network's neurons would like.


@dataclass(frozen=True)
class Count:
    """A layer's weights and biases."""

    fan_in: int
    fan_out: int
    weights: int
    biases: int


def count_by_layer(sizes: Sequence[int] = SIZES) -> list[Count]:
    """Weights and biases, layer by layer."""
    return [Count(i, o, i * o, o) for i, o in pairwise(sizes)]


WISHERS = (2, 5, 0, 4, 1, 9)
ASKED = 4  # the output neuron whose weights the table of wishes is about


@dataclass(frozen=True)
class Wishes:
    """Six digits, and for each of them the wishes: minus the gradient of its own loss.

    `outputs` is (6, 10), the wish of each output neuron; `last` (6, 17) is about the weights and
    the bias of the neuron `ASKED`, `hidden` (6, 16) are the activations that they multiply.
    """

    images: Array
    outputs: Array
    last: Array
    hidden: Array
    weights: Array
    mean_all: Array


@cache
def wishes() -> Wishes:
    """The wishes of six digits of the training set, to a network that has learnt nothing yet."""
    data, params = split(), initial("He", SIZES, np.random.default_rng(SEED))
    rows = [int(np.flatnonzero(data.y == digit)[0]) for digit in WISHERS]
    outputs, last, hidden = [], [], []
    for row in rows:
        X, Y = data.X[[row]], data.Y[[row]]
        logits, cache_ = mlp_forward(params, X)
        slopes = mlp_backward(params, cache_, Y)
        outputs.append((Y - softmax(logits, axis=1))[0])
        last.append(-np.append(slopes[-2][:, ASKED], slopes[-1][ASKED]))
        hidden.append(cache_[-2][0])
    everyone = gradient(params, data.X, data.Y)
    return Wishes(
        images=data.X[rows].reshape(-1, 28, 28),
        outputs=np.array(outputs),
        last=np.array(last),
        hidden=np.array(hidden),
        weights=params[-2],
        mean_all=-np.append(everyone[-2][:, ASKED], everyone[-1][ASKED]),
    )


def wishes_about_inputs(digit: int = 0) -> Array:
    """What each output neuron wishes of each hidden activation, (10, 16), for one of the six."""
    made = wishes()
    return made.outputs[digit][:, None] * made.weights.T


# A batch.


def shapes(n: int = 32) -> dict[str, tuple[int, ...]]:
    """The shapes of all that stands in the table of the forward and backward pass."""
    data, params = split(), trained().params
    logits, cache_ = mlp_forward(params, data.X[:n])
    slopes = mlp_backward(params, cache_, data.Y[:n])
    names = ["W1", "b1", "W2", "b2", "W3", "b3"]
    found = {"X": cache_[0], "a1": cache_[1], "a2": cache_[2], "logits": logits}
    found |= dict(zip(names, params, strict=True))
    found |= {f"d{name}": slope for name, slope in zip(names, slopes, strict=True)}
    return {name: array.shape for name, array in found.items()}


def flat(arrays: Sequence[Array]) -> Array:
    """All the numbers of a list of arrays, one after the other."""
    return np.concatenate([a.ravel() for a in arrays])


def relative_gap(a: Array, b: Array) -> float:
    """The length of the difference, in units of the two lengths together."""
    return float(np.linalg.norm(a - b) / (np.linalg.norm(a) + np.linalg.norm(b)))


@dataclass(frozen=True)
class Swapped:
    """How wrong each parameter's gradient comes out, relative to its size."""

    gaps: dict[str, float]


def forgotten_transpose(n: int = 32) -> Swapped:
    """Send the gradient back through the square layer by W2 in place of its transpose."""
    data, params = split(), trained(2).params
    logits, (X, a1, a2, _) = mlp_forward(params, data.X[:n])
    right = mlp_backward(params, [X, a1, a2, logits], data.Y[:n])
    bar_z3 = (softmax(logits, axis=1) - data.Y[:n]) / n
    bar_z2 = bar_z3 @ params[4].T * relu_grad(a2)
    bar_z1 = bar_z2 @ params[2] * relu_grad(a1)
    wrong = [X.T @ bar_z1, bar_z1.sum(axis=0), a1.T @ bar_z2, bar_z2.sum(axis=0)]
    wrong += [a2.T @ bar_z3, bar_z3.sum(axis=0)]
    names = ("W1", "b1", "W2", "b2", "W3", "b3")
    return Swapped({m: relative_gap(r, w) for m, r, w in zip(names, right, wrong, strict=True)})


# The price of a gradient.


@dataclass(frozen=True)
class Price:
    """Seconds of processor time, and what they bought."""

    forward: float
    backward: float
    differences: float
    passes: int
    gap: float

    @property
    def in_forwards(self) -> float:
        """The backward pass in units of a forward pass."""
        return self.backward / self.forward


def median_seconds(work: Callable[[], Any], repeats: int = 300) -> float:
    """The median processor time of a call, after one that is not counted.

    Processor time: other people's work on the machine is not what a pass costs.
    """
    work()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return float(np.median(taken))


@cache
def price(n: int = 32, h: float = 1e-5) -> Price:
    """All 13,002 derivatives of 784-16-16-10, by one backward pass and by central differences."""
    data = split()
    params = [p.copy() for p in initial("He", SIZES, np.random.default_rng(SEED))]
    X, Y = data.X[:n], data.Y[:n]
    _, cache_ = mlp_forward(params, X)
    forward = median_seconds(lambda: mlp_forward(params, X))
    backward = median_seconds(lambda: mlp_backward(params, cache_, Y))

    start, measured, passes = time.process_time(), [], 0
    for array in params:
        numbers = array.reshape(-1)
        for i, kept in enumerate(numbers.copy()):
            sides = []
            for moved in (kept + h, kept - h):
                numbers[i] = moved
                sides.append(loss(params, X, Y))
                passes += 1
            numbers[i] = kept
            measured.append((sides[0] - sides[1]) / (2 * h))
    seconds = time.process_time() - start
    gap = relative_gap(np.array(measured), flat(mlp_backward(params, cache_, Y)))
    return Price(forward, backward, seconds, passes, gap)


def multiplications(sizes: Sequence[int] = (784, 16, 16, 10, 1)) -> tuple[int, int]:
    """Multiplications for the product of the layers' Jacobians, from the inputs and from the loss.

    A Jacobian of layer (i, o) is an (o, i) matrix. From the inputs the product of matrices grows;
    from the loss it stays a row.
    """
    from_inputs = sum(sizes[0] * i * o for i, o in pairwise(sizes[1:]))
    from_loss = sum(sizes[-1] * i * o for i, o in pairwise(sizes[:-1]))
    return from_inputs, from_loss


# The library.


def torch_gap(graphs: int = GRAPHS, seed: int = SEED) -> float:
    """Largest difference between Tensor's gradients and torch's, over random graphs.

    A graph takes three leaves, (3, 4), (4,) and (3, 1), and makes twelve new nodes, each from two
    that are there: so nodes are used several times, and shapes are broadcast.
    """
    import torch

    rng, largest = np.random.default_rng(seed), 0.0
    for _ in range(graphs):
        data = [rng.normal(size=shape) for shape in ((3, 4), (4,), (3, 1))]
        plan = [(*rng.integers(0, 3 + i, size=2), rng.integers(5)) for i in range(12)]
        ours = [Tensor(a) for a in data]
        theirs = [torch.tensor(a, requires_grad=True) for a in data]
        for nodes in (ours, theirs):
            for left, right, operation in plan:
                nodes.append(combined(nodes[left], nodes[right], operation))
        ours[-1].mean().backward()
        theirs[-1].mean().backward()
        for mine, other in zip(ours[:3], theirs[:3], strict=True):
            wanted = np.zeros(mine.shape) if other.grad is None else other.grad.numpy()
            scale = max(1.0, float(np.abs(wanted).max()))
            largest = max(largest, float(np.abs(mine.grad - wanted).max()) / scale)
    return largest


def combined(a: Any, b: Any, operation: int) -> Any:
    """A new node from two, Tensors or torch's."""
    match operation:
        case 0:
            return a + b
        case 1:
            return 0.5 * a * b
        case 2:
            return a - b / 2
        case 3:
            return a.relu() + 0.1 * b
        case _:
            return (a * 0.1).exp() * b


def share_by_differences(
    f: Callable[[Array], Array], at: Array, arrived: Array, h: float = 1e-5
) -> Array:
    """What comes back to `at` when `arrived` comes back to f(at), by central differences."""
    slopes = numerical_gradient(
        lambda flat_: float(np.sum(arrived * f(flat_.reshape(at.shape)))), at.ravel(), h
    )
    return slopes.reshape(at.shape)


def product_rules() -> dict[str, float]:
    """How far rules for P = U V, both 3 by 3, are from central differences; one is wrong."""
    rng = np.random.default_rng(SEED)
    U, V, back = rng.normal(size=(3, 3, 3))
    by_U = share_by_differences(lambda u: u @ V, U, back)
    by_V = share_by_differences(lambda v: U @ v, V, back)
    return {
        "U: P V^T": relative_gap(back @ V.T, by_U),
        "V: U^T P": relative_gap(U.T @ back, by_V),
        "U: P V": relative_gap(back @ V, by_U),
    }


def rule_gaps() -> dict[str, float]:
    """For each row of the page's table of shares, its distance from central differences.

    The rules are written out as the page has them, not taken from Tensor.
    """
    rng = np.random.default_rng(SEED)
    # Above 0 for the logarithm; the ReLU's own array has both signs, and no kink within h.
    u, v = rng.uniform(0.5, 2, size=(2, 3, 4))
    signed = np.where(rng.random((3, 4)) < 0.5, -1, 1) * u
    back, row = rng.normal(size=(3, 4)), rng.normal(size=(3, 1))
    table: dict[str, tuple[Callable[[Array], Array], Array, Array, Array]] = {
        "sum of two": (lambda w: w + v, u, back, back),
        "product": (lambda w: w * v, u, back, back * v),
        "power": (lambda w: w**3, u, back, back * 3 * u**2),
        "exp": (np.exp, u, back, back * np.exp(u)),
        "log": (np.log, u, back, back / u),
        "relu": (relu, signed, back, np.where(signed > 0, back, 0)),
        "sum": (lambda w: w.sum(axis=1, keepdims=True), u, row, np.tile(row, (1, 4))),
        "mean": (lambda w: w.mean(axis=1, keepdims=True), u, row, np.tile(row / 4, (1, 4))),
        "reshape": (lambda w: w.reshape(4, 3), u, back.reshape(4, 3), back),
        "transpose": (lambda w: w.T, u, back.T, back),
    }
    return {
        name: relative_gap(share, share_by_differences(f, at, arrived))
        for name, (f, at, arrived, share) in table.items()
    }


def log_sum_minus_right(logits: Tensor, Y: Array) -> Tensor:
    """The mean softmax cross entropy by Tensor's own operations; logits of moderate size."""
    return (logits.exp().sum(axis=1).log() - (logits * Y).sum(axis=1)).mean()


@dataclass(frozen=True)
class TensorRun:
    """A descent with the library: losses of the batches, test accuracy, and what is misread."""

    losses: Array
    accuracy: float
    misread: list[tuple[Array, int, int]]
    gap: float


@cache
def tensor_descent(lr: float = 0.5, epochs: int = 12, batch_size: int = 64) -> TensorRun:
    """64-32-10 on the 8 by 8 digits, every derivative by Tensor; `gap` is to mlp_backward."""
    data, rng = split(8), np.random.default_rng(SEED)
    W1, b1, W2, b2 = params = [Tensor(p) for p in initial("He", (64, 32, 10), rng)]
    losses: list[float] = []
    gap = 0.0
    for _ in range(epochs):
        order = rng.permutation(len(data.y))
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            for p in params:
                p.grad = np.zeros(p.shape)
            logits = (data.X[batch] @ W1 + b1).relu() @ W2 + b2
            cost = log_sum_minus_right(logits, data.Y[batch])
            cost.backward()
            if not losses:
                by_hand = gradient([p.data for p in params], data.X[batch], data.Y[batch])
                gap = relative_gap(flat([p.grad for p in params]), flat(by_hand))
            for p in params:
                p.data = p.data - lr * p.grad
            losses.append(float(cost.data))
    answers = mlp_forward([p.data for p in params], data.X_test)[0].argmax(axis=1)
    wrong = np.flatnonzero(answers != data.y_test)
    return TensorRun(
        losses=np.array(losses),
        accuracy=float(np.mean(answers == data.y_test)),
        misread=[(data.X_test[i], int(data.y_test[i]), int(answers[i])) for i in wrong],
        gap=gap,
    )


# Checking a gradient.


@dataclass(frozen=True)
class VCurve:
    """The relative error of a central difference over h, in two precisions."""

    h: Array
    errors: dict[str, Array]
    best_h: dict[str, float]
    best_error: dict[str, float]


@cache
def v_curve(n: int = 64, directions: int = 8) -> VCurve:
    """The slope of the network's loss along random directions of its last layer.

    In the last layer's parameters the loss has no kink: what is seen is the method's own error,
    its root mean square over the directions.
    """
    data, params = split(), trained(2).params
    _, cache_ = mlp_forward(params, data.X[:n])
    rng = np.random.default_rng(SEED)
    slopes = flat(mlp_backward(params, cache_, data.Y[:n])[-2:])
    hs = 10.0 ** np.arange(-13, 1.01, 0.25)
    errors = {"float64": np.zeros(len(hs)), "float32": np.zeros(len(hs))}
    for _ in range(directions):
        way = rng.normal(size=slopes.shape)
        way /= np.linalg.norm(way)
        exact = float(slopes @ way)
        for name, squares in errors.items():
            hidden, Y, typed_way = (a.astype(name) for a in (cache_[-2], data.Y[:n], way))
            step = [typed_way[:160].reshape(16, 10), typed_way[160:]]
            last = [p.astype(name) for p in params[-2:]]
            for i, h in enumerate(hs.astype(name)):
                up = loss([p + h * d for p, d in zip(last, step, strict=True)], hidden, Y)
                down = loss([p - h * d for p, d in zip(last, step, strict=True)], hidden, Y)
                squares[i] += (float((up - down) / (2 * h)) / exact - 1) ** 2 / directions
    errors = {name: np.sqrt(squares) for name, squares in errors.items()}
    best = {name: int(np.argmin(e)) for name, e in errors.items()}
    return VCurve(
        hs,
        errors,
        {name: float(hs[i]) for name, i in best.items()},
        {name: float(errors[name][i]) for name, i in best.items()},
    )


def component_range(n: int = 64) -> float:
    """The largest component of the network's gradient over the smallest that is not 0."""
    data = split()
    sizes = np.abs(flat(gradient(trained(2).params, data.X[:n], data.Y[:n])))
    return float(sizes.max() / sizes[sizes > 0].min())


def relu_difference(z: float, h: float) -> float:
    """The central difference of the ReLU at z."""
    sides = relu(np.array([z + h, z - h]))
    return float((sides[0] - sides[1]) / (2 * h))


# Where to start.

INITS = ("zeros", "ones", "uniform", "He")
DEEP = (784, *[64] * 12, 10)


@cache
def first_loss(kind: str) -> float:
    """The loss of 784-16-16-10 before any training."""
    data = split()
    params = initial(kind, SIZES, np.random.default_rng(SEED))
    return float(loss(params, data.X, data.Y))


@cache
def start_runs(epochs: int = 20, lr: float = 0.1) -> dict[str, Run]:
    """Training runs of 784-16-16-10 from each start."""
    return {
        kind: train(initial(kind, SIZES, np.random.default_rng(SEED)), split(), lr, epochs)
        for kind in INITS
    }


@cache
def last_losses(kind: str, seeds: int = 6, epochs: int = 20, lr: float = 0.1) -> Array:
    """The losses that 784-16-16-10 ends with, from several draws of one start.

    The first draw is the one of `start_runs`.
    """
    return np.array(
        [
            train(
                initial(kind, SIZES, np.random.default_rng(SEED + s)), split(), lr, epochs
            ).losses[-1]
            for s in range(seeds)
        ]
    )


@cache
def deep_runs(epochs: int = 8, lr: float = DEEP_LR) -> dict[str, Array]:
    """Losses of the network with twelve hidden layers of 64, from the uniform start and He's."""
    return {
        kind: train(initial(kind, DEEP, np.random.default_rng(SEED)), split(), lr, epochs).losses
        for kind in ("uniform", "He")
    }


@cache
def deep_uniform_rates(
    rates: tuple[float, ...] = (0.1, 0.5, 2.0), epochs: int = 8
) -> dict[float, float]:
    """The last loss of the deep network from the uniform start, at larger learning rates."""
    return {
        lr: float(
            train(
                initial("uniform", DEEP, np.random.default_rng(SEED)), split(), lr, epochs
            ).losses[-1]
        )
        for lr in rates
    }


@dataclass(frozen=True)
class OnesRun:
    """The first updates from ones: losses before each, and the share of hidden outputs not 0."""

    losses: Array
    alive: Array


@cache
def ones_run(updates: int = 5, lr: float = 0.1, batch_size: int = 32) -> OnesRun:
    """The first updates of 784-16-16-10 from ones."""
    data, params = split(), initial("ones", SIZES, np.random.default_rng(SEED))
    losses, alive = [], []
    for update in range(updates):
        batch = slice(update * batch_size, (update + 1) * batch_size)
        hidden = mlp_forward(params, data.X)[1][1:-1]
        losses.append(loss(params, data.X, data.Y))
        alive.append(np.mean(flat(hidden) > 0))
        slopes = gradient(params, data.X[batch], data.Y[batch])
        params = [p - lr * g for p, g in zip(params, slopes, strict=True)]
    return OnesRun(np.array(losses), np.array(alive))


@dataclass(frozen=True)
class LayerSizes:
    """Root mean squares, layer by layer: of the activations, and of the gradients by them."""

    activations: Array
    gradients: Array


@cache
def layer_sizes(kind: str, sizes: tuple[int, ...] = SIZES, n: int = 128) -> LayerSizes:
    """Sizes in a network before training; the library leaves a gradient at every node."""
    data = split()
    params = initial(kind, sizes, np.random.default_rng(SEED))
    nodes = [Tensor(data.X[:n])]
    for W, b in zip(params[0:-2:2], params[1:-2:2], strict=True):
        nodes.append((nodes[-1] @ W + b).relu())
    nodes.append(nodes[-1] @ params[-2] + params[-1])
    # The logits can be thousands here. A constant per row changes no share and no gradient.
    steady = nodes[-1] - nodes[-1].data.max(axis=1, keepdims=True)
    log_sum_minus_right(steady, data.Y[:n]).backward()
    return LayerSizes(
        np.array([np.sqrt(np.mean(node.data**2)) for node in nodes]),
        np.array([np.sqrt(np.mean(node.grad**2)) for node in nodes]),
    )


def shrink_a_layer(sizes: Array) -> float:
    """The mean factor from one hidden layer of `DEEP` to the next, from its values 1 to 12."""
    hidden = sizes[1:13]
    return float((hidden[-1] / hidden[0]) ** (1 / 11))


@dataclass(frozen=True)
class ZerosRun:
    """What a network of zeros learns: shares of the classes, and its answers for any input."""

    shares: Array
    answers: Array
    spread: float
    first: float
    last: float
    entropy: float
    moved: dict[str, float]


@cache
def zeros_run(steps: int = 400, lr: float = 0.5) -> ZerosRun:
    """784-16-16-10 from zeros, full batch, on a training set with few zeros and many nines."""
    data = split()
    rows = np.concatenate(
        [np.flatnonzero(data.y == digit)[: 12 * (digit + 1)] for digit in range(10)]
    )
    X, Y = data.X[rows], data.Y[rows]
    params = initial("zeros", SIZES, np.random.default_rng(SEED))
    first = float(loss(params, X, Y))
    for _ in range(steps):
        params = [p - lr * g for p, g in zip(params, gradient(params, X, Y), strict=True)]
    answers = softmax(mlp_forward(params, data.X_test)[0], axis=1)
    shares = Y.mean(axis=0)
    names = ("W1", "b1", "W2", "b2", "W3", "b3")
    return ZerosRun(
        shares=shares,
        answers=answers[0],
        spread=float(np.ptp(answers, axis=0).max()),
        first=first,
        last=float(loss(params, X, Y)),
        entropy=float(-np.sum(shares * np.log(shares))),
        moved={name: float(np.abs(p).max()) for name, p in zip(names, params, strict=True)},
    )


@dataclass(frozen=True)
class Twins:
    """How alike the sixteen neurons of the first layer are after training, and what they can do."""

    largest_difference: float
    moved: float
    accuracy: float
    other_accuracy: float
    loss: float
    other_loss: float


@cache
def twins(epochs: int = 20, lr: float = 0.03) -> Twins:
    """784-16-16-10 with the neurons of each hidden layer alike at the start, beside one without.

    Their weights out must be alike, too: so the middle layer is one number, and the last layer
    one row, repeated. Small positive weights keep the one neuron that is left from dying.
    """
    rng, data = np.random.default_rng(SEED), split()
    params = initial("zeros", SIZES, rng)
    params[0] = np.repeat(np.abs(he_normal(784, 1, rng)) / 10, 16, axis=1)
    params[2] = np.full((16, 16), 1 / 16)
    params[4] = np.repeat(rng.normal(0, 0.1, size=(1, 10)), 16, axis=0)
    run = train(params, data, lr, epochs)
    other = train(initial("uniform", SIZES, rng), data, lr, epochs)
    return Twins(
        largest_difference=float(np.ptp(run.params[0], axis=1).max()),
        moved=float(np.abs(run.params[0] - params[0]).max()),
        accuracy=accuracy(run.params, data.X_test, data.y_test),
        other_accuracy=accuracy(other.params, data.X_test, data.y_test),
        loss=float(run.losses[-1]),
        other_loss=float(other.losses[-1]),
    )


# Drawings that are too long for a cell.


def draw_graph(
    places: dict[str, tuple[float, float]],
    edges: Sequence[tuple[str, str, str]],
    texts: dict[str, tuple[str, str]],
    *,
    size: tuple[float, float] = (5.6, 3.0),
) -> Any:
    """A computation as boxes and arrows.

    Parameters
    ----------
    places : where each node stands, its name to the middle of its box
    edges : from, to, and the text on the arrow
    texts : what stands in a box: above (black), and below (red: what came back)
    size : of the figure, in inches
    """
    fig, ax = new_figure(size=size)
    xs, ys = np.array(list(places.values())).T
    ax.set(xlim=(xs.min() - 0.5, xs.max() + 0.5), ylim=(ys.min() - 0.5, ys.max() + 0.5))
    ax.axis("off")
    boxes = {}
    for name, (x, y) in places.items():
        above, below = texts[name]
        drawn = ax.annotate(
            above + "\n ",
            (x, y),
            ha="center",
            va="center",
            fontsize=13,
            color=BLACK,
            bbox={"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": "#56606b"},
            zorder=3,
        )
        boxes[name] = drawn.get_bbox_patch()
        ax.annotate(
            " \n" + below, (x, y), ha="center", va="center", fontsize=13, color=RED, zorder=4
        )
    for start, end, text in edges:
        (x0, y0), (x1, y1) = places[start], places[end]
        ax.annotate(
            "",
            (x1, y1),
            (x0, y0),
            arrowprops={
                "arrowstyle": "-|>",
                "color": BLUE,
                "patchA": boxes[start],
                "patchB": boxes[end],
                "shrinkA": 2,
                "shrinkB": 2,
            },
        )
        ax.annotate(
            text,
            ((x0 + x1) / 2, (y0 + y1) / 2),
            ha="center",
            va="center",
            color=BLUE,
            fontsize=12,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )
    return fig


def draw_network(sizes: Sequence[int] = SIZES, drawn: int = 8) -> Any:
    """A fully connected network, layer by layer; of a large layer only some neurons are drawn."""
    fig, ax = new_figure(size=(5.6, 3.4))
    columns = []
    for x, n in enumerate(sizes):
        heights = np.linspace(1, -1, drawn if n > 10 else n)
        columns.append(heights)
        ax.plot(np.full(len(heights), x), heights, "o", color=COLOURS[x], markersize=9, zorder=3)
        ax.text(x, 1.16, str(n), ha="center", fontsize=14)
        if n > len(heights):
            gap = (heights[len(heights) // 2 - 1] + heights[len(heights) // 2]) / 2
            ax.text(x, gap, "⋮", ha="center", va="center", fontsize=12, zorder=4)
    for x, (left, right) in enumerate(pairwise(columns)):
        for a in left:
            for b in right:
                ax.plot([x, x + 1], [a, b], color="#9aa4ae", linewidth=0.35, zorder=1)
    names = ("pixels", "hidden", "hidden", "logits")
    for x, name in enumerate(names):
        ax.text(x, -1.3, name, ha="center", fontsize=13)
    ax.set(xlim=(-0.4, len(sizes) - 0.6), ylim=(-1.4, 1.35))
    ax.axis("off")
    return fig


def draw_table_of_wishes(rows: Sequence[int]) -> Any:
    """Six digits, what each wishes for some weights of one neuron, and the mean of the six.

    `rows` are hidden neurons; the neuron's bias is the last row.
    """
    made = wishes()
    numbers = np.column_stack([made.last.T, made.last.mean(axis=0)])[[*rows, 16]]
    fig, axes = new_figure(
        2, 7, size=(5.6, 4.6), gridspec_kw={"height_ratios": [1, 1.25 * len(numbers) / 2]}
    )
    for column, ax in enumerate(axes[0]):
        if column < 6:
            ax.imshow(made.images[column], cmap="gray_r")
            ax.set_title(str(WISHERS[column]))
        else:
            ax.text(0.5, 0.05, "mean", ha="center", fontsize=13, transform=ax.transAxes)
        ax.axis("off")
    for column, ax in enumerate(axes[1]):
        ax.imshow(numbers[:, [column]], cmap="PuOr_r", vmin=-1.2, vmax=1.2, aspect="auto")
        for row, number in enumerate(numbers[:, column]):
            dark = abs(number) > 0.7
            ax.text(
                0,
                row,
                f"{number:+.2f}".replace("-0.00", "0.00").replace("-", "−"),
                ha="center",
                va="center",
                fontsize=11,
                color=ON_DEEP if dark else ON_PALE,
            )
        ax.set(xticks=[], yticks=[])
        if not column:
            ax.set_yticks(
                range(len(numbers)), [*(f"$w_{{{row}}}$" for row in rows), "$b$"], fontsize=13
            )
    return fig
