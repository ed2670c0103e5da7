"""Chapter 8, experiments on a network: references, cases and known mistakes."""

import time
from itertools import pairwise

import numpy as np

from .backprop import Tensor

Array = np.ndarray


def cross_entropy(logits: Tensor, labels: Array) -> Tensor:
    """The mean cross entropy of a batch, as a Tensor without axes.

    Parameters
    ----------
    logits : Tensor of shape (n, k)
    labels : array of shape (n,), whole numbers from 0 to k - 1
    """
    rows = np.arange(len(labels))
    one_hot = np.zeros(logits.shape)
    one_hot[rows, labels] = 1
    # A constant of each row changes nothing but what may overflow.
    shifted = logits - logits.data.max(axis=1, keepdims=True)
    return (shifted.exp().sum(axis=1).log() - (shifted * one_hot).sum(axis=1)).mean()


class Linear:
    """A layer of weights and biases: x @ W + b."""

    def __init__(self, fan_in, fan_out, rng, init="he"):
        shape = (fan_in, fan_out)
        bound = 1 / np.sqrt(fan_in)
        weights = {
            "zeros": lambda: np.zeros(shape),
            "ones": lambda: np.ones(shape),
            "uniform": lambda: rng.uniform(-bound, bound, shape),
            "he": lambda: rng.normal(0, np.sqrt(2 / fan_in), shape),
        }
        if init not in weights:
            raise ValueError(f"init is {init!r}; it must be one of {', '.join(weights)}")
        self.W = Tensor(weights[init]())
        self.b = Tensor(np.zeros(fan_out))

    def __call__(self, x):
        return x @ self.W + self.b

    def parameters(self):
        return [self.W, self.b]


class MLP:
    """Linear layers with a ReLU after each but the last."""

    def __init__(self, sizes, rng, init="he"):
        self.layers = [Linear(a, b, rng, init) for a, b in pairwise(sizes)]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)

    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters()]


def sgd_momentum_update(params, grads, velocity, lr, beta):
    velocity = [beta * v + (1 - beta) * g for v, g in zip(velocity, grads, strict=True)]
    return [p - lr * v for p, v in zip(params, velocity, strict=True)], velocity


def train_epoch(model, X, y, batch_size, lr, beta, velocity, rng):
    batch_size = len(X) if batch_size is None else batch_size
    params = model.parameters()
    order = rng.permutation(len(X))
    losses = []
    for start in range(0, len(X), batch_size):
        batch = order[start : start + batch_size]
        for p in params:
            p.grad = np.zeros_like(p.data)
        loss = cross_entropy(model(X[batch]), y[batch])
        loss.backward()
        losses.append(float(loss.data))
        values, velocity = sgd_momentum_update(
            [p.data for p in params], [p.grad for p in params], velocity, lr, beta
        )
        for p, value in zip(params, values, strict=True):
            p.data = value
    return np.array(losses), velocity


def run_experiment(config, data):
    X, y = data["X_train"], data["y_train"]
    rng = np.random.default_rng(config["seed"])
    classes = int(max(y.max(), data["y_test"].max())) + 1
    model = MLP([X.shape[1], *config["hidden"], classes], rng, config["init"])
    velocity = [np.zeros_like(p.data) for p in model.parameters()]
    names = ("train_loss", "test_loss", "test_accuracy")
    history = {name: [] for name in names}

    def look():
        logits = model(data["X_test"])
        history["train_loss"].append(float(cross_entropy(model(X), y).data))
        history["test_loss"].append(float(cross_entropy(logits, data["y_test"]).data))
        history["test_accuracy"].append(float(np.mean(logits.data.argmax(1) == data["y_test"])))

    look()
    seconds = []
    for _ in range(config["epochs"]):
        start = time.perf_counter()
        _, velocity = train_epoch(
            model, X, y, config["batch_size"], config["lr"], config["beta"], velocity, rng
        )
        seconds.append(time.perf_counter() - start)
        look()
    return {name: np.array(history[name]) for name in names} | {"epoch_seconds": np.array(seconds)}
