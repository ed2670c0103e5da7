"""Chapter 6, backpropagation: references, cases and known mistakes."""

from collections.abc import Callable

import numpy as np

from autograder.exercise import class_exercise, exercise, public

Array = np.ndarray


@exercise(points=1)
def heaviside(z: Array) -> Array:
    """The step of the perceptron: 1 where z is at least 0, and 0 elsewhere.

    Parameters
    ----------
    z : array of any shape, float64

    Returns
    -------
    array of the shape of z, float64 (not bool).

    Source: lecture C.
    """
    return np.where(z >= 0, 1.0, 0.0)


@exercise(points=1)
def perceptron(X: Array, w: Array, b: float) -> Array:
    """Which rows make the perceptron fire: 1 where X @ w reaches the threshold b, else 0.

    The perceptron compares with its threshold, so b is subtracted; the neurons further down add
    their b.

    Parameters
    ----------
    X : array of shape (n, d)
    w : array of shape (d,)
    b : the threshold

    Returns
    -------
    array of shape (n,), float64: 1 where X @ w >= b.

    Source: lecture C; Rosenblatt (1958).
    """
    return heaviside(X @ w - b)


@exercise(points=1)
def relu(z: Array) -> Array:
    """The rectified linear unit: z where it is positive, and 0 elsewhere.

    Parameters
    ----------
    z : array of any shape, float64

    Returns
    -------
    array of the shape of z, float64. z itself is left as it was.

    Source: lecture C.
    """
    return np.maximum(z, 0.0)


@exercise(points=1)
def relu_grad(z: Array) -> Array:
    """The slope of relu at z; at 0, where it has none, take 0.

    Parameters
    ----------
    z : array of any shape, float64: the input of relu, not its value

    Returns
    -------
    array of the shape of z, float64 (not bool).

    Source: lecture C.
    """
    return np.where(z > 0, 1.0, 0.0)


@exercise(points=1)
def tanh_grad(z: Array) -> Array:
    """The slope of the hyperbolic tangent at z.

    Parameters
    ----------
    z : array of any shape, float64: the input of tanh, not its value

    Returns
    -------
    array of the shape of z, float64.

    Source: lecture C.
    """
    return 1 - np.tanh(z) ** 2


@exercise(points=2)
def elu(z: Array, alpha: float = 1.0) -> Array:
    """The exponential linear unit: z where it is positive, else alpha * (exp(z) - 1).

    Parameters
    ----------
    z : array of any shape, float64
    alpha : how far below 0 it can fall

    Returns
    -------
    array of the shape of z, float64.

    Source: lecture C; Clevert, Unterthiner and Hochreiter (2016).
    """
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0)))


@exercise(points=2)
def elu_grad(z: Array, alpha: float = 1.0) -> Array:
    """The slope of elu at z; at 0, where the two sides differ unless alpha is 1, take alpha.

    Parameters
    ----------
    z : array of any shape, float64: the input of elu, not its value
    alpha : as in elu

    Returns
    -------
    array of the shape of z, float64.

    Source: lecture C; at 0 as PyTorch has it.
    """
    return np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0.0)))


@exercise(points=3)
def neuron_gradient(x: Array, w: Array, b: float, y: float) -> tuple[Array, float]:
    """The gradient of one sigmoid neuron's squared error, by the chain rule.

    The neuron answers a = sigmoid(w @ x + b), and its cost is (a - y) ** 2 / 2.

    Parameters
    ----------
    x, w : arrays of shape (d,), the inputs and the weights
    b : the bias, added
    y : the wanted answer

    Returns
    -------
    dw, db : an array of shape (d,) and a float, the derivatives of the cost by w and by b.

    Source: lecture C.
    """
    a = 1 / (1 + np.exp(-(w @ x + b)))
    delta = (a - y) * a * (1 - a)
    return delta * x, float(delta)


@exercise(points=1)
def count_parameters(sizes: list[int]) -> int:
    """How many numbers a fully connected network learns: weights and biases together.

    Parameters
    ----------
    sizes : list of layer sizes, the inputs first, the outputs last; two or more

    Returns
    -------
    int. For [784, 16, 16, 10] it is 13002.

    Source: lecture B, which calls all of them weights.
    """
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in zip(sizes[:-1], sizes[1:]))


@exercise(points=2)
def he_normal(fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    """Random weights for a layer before a ReLU, normal, with mean 0 and variance 2 / fan_in.

    Parameters
    ----------
    fan_in, fan_out : how many numbers come into the layer and go out of it
    rng : random generator; all randomness comes from it

    Returns
    -------
    array of shape (fan_in, fan_out).

    Source: He, Zhang, Ren and Sun (2015).
    """
    return rng.normal(0.0, np.sqrt(2 / fan_in), size=(fan_in, fan_out))


@exercise(points=3)
def mlp_forward(params: list[Array], X: Array) -> tuple[Array, list[Array]]:
    """The answers of a fully connected network for a batch, and what each layer said on the way.

    Hidden layers are relu(a @ W + b); the last layer is a @ W + b, without an activation: its
    numbers are the logits.

    Parameters
    ----------
    params : flat list [W1, b1, ..., WL, bL], W of shape (fan_in, fan_out), b of shape (fan_out,)
    X : array of shape (n, d), an example a row

    Returns
    -------
    logits : array of shape (n, k)
    cache : list [X, a1, ..., a_(L-1), logits], the activations after the ReLU

    Source: lectures A and B.
    """
    cache = [X]
    for W, b in zip(params[0:-2:2], params[1:-2:2]):
        cache.append(relu(cache[-1] @ W + b))
    cache.append(cache[-1] @ params[-2] + params[-1])
    return cache[-1], cache


@exercise(points=5)
def mlp_backward(params: list[Array], cache: list[Array], Y: Array) -> list[Array]:
    """The gradient of the network's mean softmax cross entropy, by all of its parameters.

    At the logits the gradient is (softmax(logits) - Y) / n, where softmax makes each row
    positive with sum 1: exp of the row over the sum of these. From there it goes back, layer by
    layer.

    Parameters
    ----------
    params : flat list [W1, b1, ..., WL, bL], as mlp_forward takes it
    cache : list [X, a1, ..., a_(L-1), logits], as mlp_forward returns it
    Y : array of shape (n, k), the right classes one-hot

    Returns
    -------
    list [dW1, db1, ..., dWL, dbL], each of the shape of its parameter.

    Source: lectures A and B.
    """
    logits = cache[-1]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    delta = (shares / shares.sum(axis=1, keepdims=True) - Y) / len(Y)
    grads = []
    for layer in reversed(range(len(params) // 2)):
        a = cache[layer]
        grads = [a.T @ delta, delta.sum(axis=0), *grads]
        if layer:
            # a is positive just where its input was: the slope of the ReLU can be read off it.
            delta = (delta @ params[2 * layer].T) * relu_grad(a)
    return grads


@exercise(points=2)
def unbroadcast(grad: Array, shape: tuple[int, ...]) -> Array:
    """Bring the gradient of a broadcast array back to the array's own shape.

    Broadcasting used an array of shape `shape` as if it had the shape of grad, the same number in
    many places. What each place asks of that number adds up.

    Parameters
    ----------
    grad : array, the gradient by the broadcast array
    shape : tuple, the shape that was there before; NumPy can broadcast it to that of grad

    Returns
    -------
    array of shape `shape`.

    Source: lecture E.
    """
    if grad.shape == shape:
        return grad
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1)
    return grad.sum(axis=stretched, keepdims=True)


@class_exercise
class Tensor:
    """An array that remembers how it was made, so that gradients can find their way back.

    Arithmetic with Tensors makes Tensors. backward() on a result puts into the grad of everything
    that it was made from how the result changes with it.

    Source: lecture E; the idea is Linnainmaa's (1970), and micrograd (Karpathy, 2020) is its
    shortest form.
    """

    __array_ufunc__ = None

    def __init__(self, data, _parents=()):
        """Keep data, a number or an array, as a float64 copy; grad starts as zeros of its shape.

        _parents is for your own operations: what this Tensor was made from, in any form you like.
        """
        self.data = np.array(data, dtype=np.float64)
        self.grad = np.zeros(self.data.shape)
        self._parents = _parents

    @property
    def shape(self):
        """The shape of the data."""
        return self.data.shape

    def __add__(self, other):
        """self + other, where other is a Tensor, a number or an array."""
        other = other if isinstance(other, Tensor) else Tensor(other)
        return Tensor(self.data + other.data, [(self, lambda g: g), (other, lambda g: g)])

    def __mul__(self, other):
        """self * other, element by element, where other is a Tensor, a number or an array."""
        other = other if isinstance(other, Tensor) else Tensor(other)
        return Tensor(
            self.data * other.data,
            [(self, lambda g: g * other.data), (other, lambda g: g * self.data)],
        )

    def __pow__(self, number):
        """self ** number, element by element; the exponent is a plain number."""
        return Tensor(
            self.data**number, [(self, lambda g: g * number * self.data ** (number - 1))]
        )

    def __neg__(self):
        """-self"""
        return self * -1

    def __sub__(self, other):
        """self - other, where other is a Tensor, a number or an array."""
        return self + -1 * other

    def __rsub__(self, other):
        """other - self, where other is a number or an array."""
        return -self + other

    def __truediv__(self, other):
        """self / other, where other is a Tensor, a number or an array."""
        other = other if isinstance(other, Tensor) else Tensor(other)
        return self * other**-1

    def __rtruediv__(self, other):
        """other / self, where other is a number or an array."""
        return self**-1 * other

    __radd__ = __add__
    __rmul__ = __mul__

    def __matmul__(self, other):
        """The matrix product self @ other of two dimensions; other is a Tensor or an array."""
        other = other if isinstance(other, Tensor) else Tensor(other)
        return Tensor(
            self.data @ other.data,
            [(self, lambda g: g @ other.data.T), (other, lambda g: self.data.T @ g)],
        )

    def __rmatmul__(self, other):
        """The matrix product other @ self, where other is an array: it wants no gradient."""
        return Tensor(other @ self.data, [(self, lambda g: np.transpose(other) @ g)])

    def sum(self, axis=None, keepdims=False):
        """The sum over all entries, or over an axis or a tuple of axes, as NumPy's."""

        def spread(g):
            if axis is not None and not keepdims:
                g = np.expand_dims(g, axis)
            return np.broadcast_to(g, self.shape)

        return Tensor(self.data.sum(axis=axis, keepdims=keepdims), [(self, spread)])

    def mean(self, axis=None, keepdims=False):
        """The mean over all entries, or over an axis or a tuple of axes, as NumPy's."""
        total = self.sum(axis, keepdims)
        return total * (total.data.size / self.data.size)

    def exp(self):
        """e to the power of each entry."""
        value = np.exp(self.data)
        return Tensor(value, [(self, lambda g: g * value)])

    def log(self):
        """The natural logarithm of each entry."""
        return Tensor(np.log(self.data), [(self, lambda g: g / self.data)])

    def relu(self):
        """Each entry where it is positive, else 0."""
        return Tensor(relu(self.data), [(self, lambda g: g * relu_grad(self.data))])

    def reshape(self, *shape):
        """The same entries in another shape: t.reshape(2, 3)."""
        return Tensor(self.data.reshape(*shape), [(self, lambda g: g.reshape(self.shape))])

    def transpose(self, *axes):
        """The axes in another order, t.transpose(1, 0, 2); all of them reversed where none is given."""
        order = np.ravel(axes) if axes else np.arange(self.data.ndim)[::-1]
        back = np.argsort(order % self.data.ndim)
        return Tensor(self.data.transpose(order), [(self, lambda g: g.transpose(back))])

    @property
    def T(self):
        """All axes reversed: the transpose of a matrix."""
        return self.transpose()

    def backward(self):
        """Add to the grad of all that this was made from the derivative of this by it.

        This itself has the derivative 1. What was there in grad before stays: gradients add up.
        """
        order, seen, todo = [], set(), [(self, False)]
        while todo:
            node, parents_are_in = todo.pop()
            if parents_are_in:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                todo.append((node, True))
                todo.extend((parent, False) for parent, rule in node._parents)

        arrived = {self: np.ones(self.shape)}
        for node in reversed(order):
            grad = arrived.pop(node)
            node.grad += grad
            for parent, rule in node._parents:
                share = unbroadcast(rule(grad), parent.shape)
                arrived[parent] = arrived[parent] + share if parent in arrived else share


@exercise(points=4)
def standardise_backward(x: Array, grad: Array) -> Array:
    """The gradient by x of a loss that sees x only after it was standardised.

    The loss is a function of y = (x - mean of x) / (standard deviation of x), and its gradient
    by y is known. Every entry of x moves the mean and the standard deviation, and through them
    every entry of y.

    Parameters
    ----------
    x : array of shape (n,), n at least 2, not all the same
    grad : array of shape (n,), the gradient of the loss by y

    Returns
    -------
    array of shape (n,), the gradient of the loss by x. The standard deviation is NumPy's, with
    divisor n.

    Source: derived in batch normalisation, Ioffe and Szegedy (2015).
    """
    spread = x.std()
    y = (x - x.mean()) / spread
    return (grad - grad.mean() - y * np.mean(grad * y)) / spread


@exercise(points=4)
def suspects(f: Callable, theta: Array, grad: Array) -> Array:
    """Which components of a claimed gradient are wrong.

    A gradient was derived by hand, and some of its components may be wrong, by a factor, a sign
    or more: by a hundredth of their size at least. The right ones are right to twelve digits.
    Find the wrong ones, and accuse none that is right.

    Parameters
    ----------
    f : function of an array of shape (d,), returns a float; smooth
    theta : array of shape (d,), where the gradient was taken; its components may be of very
        different sizes
    grad : array of shape (d,), the claim

    Returns
    -------
    array of whole numbers: the indices of the wrong components, in rising order, maybe none.

    Source: lecture E asks for the check; how to choose h: Nocedal and Wright (2006), chapter 8.
    """
    raise NotImplementedError
