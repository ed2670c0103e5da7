"""The network that is timed, and what a step of it costs by counting.

A multilayer perceptron of three hidden layers of one width, ReLU, softmax and cross entropy,
trained with momentum in the averaged form: chapter 8's, from 784 pixels to 10 classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

Array = np.ndarray

PIXELS, CLASSES, HIDDEN_LAYERS = 784, 10, 3
# A rate at which the batch that is timed again and again is never learnt by heart: its gradients
# would become subnormal numbers, with which a processor is some times slower.
LR, BETA = 1e-6, 0.9


@dataclass(frozen=True)
class Size:
    """A network and a batch: units in a hidden layer, examples in a batch."""

    width: int
    batch: int

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(fan_in, fan_out) of each layer."""
        return list(pairwise([PIXELS, *[self.width] * HIDDEN_LAYERS, CLASSES]))

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(a * b + b for a, b in self.layers)

    @property
    def flops(self) -> float:
        """Multiplications and additions of one step's matrix products.

        Forwards one product a layer, backwards two, but for the first layer: nobody asks for the
        gradient of the pixels. A product of (m, k) by (k, n) takes 2 m k n.
        """
        products = [2.0 * self.batch * a * b for a, b in self.layers]
        return 3 * sum(products) - products[0]

    @property
    def activations(self) -> int:
        """Numbers that a step keeps from the way forward for the way back: the pixels, each hidden
        layer after its ReLU, the logarithms of the probabilities."""
        return self.batch * (PIXELS + HIDDEN_LAYERS * self.width + CLASSES)

    @property
    def moved(self) -> float:
        """Numbers that a step reads or writes at the least, if each kernel's own reuse is perfect.

        Of a parameter: read forwards and backwards, its gradient written and read, its velocity
        read and written, itself read and written. Of a hidden activation: written, read by the next
        layer, read for that layer's gradient and for the ReLU's; its gradient written, and read
        twice. The pixels are read twice.
        """
        per_example = 2 * PIXELS + 7 * HIDDEN_LAYERS * self.width
        return 8.0 * self.parameters + float(self.batch) * per_example

    def memory(self, itemsize: int) -> float:
        """Bytes of a step at its peak: parameters, gradients, velocity; the activations; and two
        more of a layer's size while the gradient passes."""
        passing = 2 * self.batch * self.width
        return float(itemsize) * (3 * self.parameters + self.activations + passing)


def weights(size: Size, seed: int = 0) -> list[Array]:
    """W and b of each layer in turn, He's initialisation, float32; W of shape (fan_in, fan_out)."""
    rng = np.random.default_rng(seed)
    made: list[Array] = []
    for a, b in size.layers:
        scale = np.float32(np.sqrt(2 / a))
        made += [scale * rng.standard_normal((a, b), np.float32), np.zeros(b, np.float32)]
    return made


def examples(size: Size, seed: int = 1) -> tuple[Array, Array]:
    """Pixels of shape (batch, 784), float32 from 0 to 1, and labels of shape (batch,), int64."""
    rng = np.random.default_rng(seed)
    return rng.random((size.batch, PIXELS), np.float32), rng.integers(0, CLASSES, size.batch)


class NumpyStep:
    """The training step written by hand in NumPy. `dtype` is that of every array in it."""

    def __init__(self, size: Size, dtype: str, lr: float = LR) -> None:
        X, self.labels = examples(size)
        self.X = X.astype(dtype)
        self.params = [p.astype(dtype) for p in weights(size)]
        self.velocity = [np.zeros_like(p) for p in self.params]
        self.lr, self.beta = self.X.dtype.type(lr), self.X.dtype.type(BETA)

    def __call__(self) -> float:
        """One step; the mean loss before it."""
        loss, grads = loss_and_gradients(self.params, self.X, self.labels)
        rest = 1 - self.beta
        for p, v, g in zip(self.params, self.velocity, grads, strict=True):
            v *= self.beta
            v += rest * g
            p -= self.lr * v
        return loss


def loss_and_gradients(params: list[Array], X: Array, labels: Array) -> tuple[float, list[Array]]:
    """The mean cross entropy of a batch and its gradients, in the order of the parameters.

    params : W of shape (fan_in, fan_out) and b of shape (fan_out,) of each layer in turn
    X : shape (n, 784), of the parameters' dtype
    labels : shape (n,), whole numbers from 0 to 9
    """
    inputs = [X]
    for W, b in zip(params[:-2:2], params[1:-2:2], strict=True):
        inputs.append(np.maximum(inputs[-1] @ W + b, 0))
    logits = inputs[-1] @ params[-2] + params[-1]
    logits -= logits.max(axis=1, keepdims=True)
    powers = np.exp(logits)
    sums = powers.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = float(np.mean(np.log(sums[:, 0]) - logits[rows, labels]))
    delta = powers / sums
    delta[rows, labels] -= 1
    delta /= len(labels)
    grads: list[Array] = []
    for number in range(len(inputs) - 1, -1, -1):
        grads[:0] = [inputs[number].T @ delta, delta.sum(axis=0)]
        if number:
            delta = (delta @ params[2 * number].T) * (inputs[number] > 0)
    return loss, grads
