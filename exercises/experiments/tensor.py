"""The Tensor of chapter 6, finished, and the loss that networks are trained on.

It was made from the course's own solution. Change nothing in here: when your notebook is graded,
the file as it was handed out lies beside it."""

import numpy as np

__all__ = ["Tensor", "cross_entropy"]


def relu(z):
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


def unbroadcast(grad, shape):
    """Bring the gradient of a broadcast array back to the array's own shape.

    Broadcasting used an array of shape `shape` as if it had the shape of grad, the same number in
    many places. What each place asks of that number adds up.

    Parameters
    ----------
    grad : array, the gradient by the broadcast array
    shape : tuple, the shape that was there before; NumPy can broadcast it to that of grad. () is
        that of a number

    Returns
    -------
    array of shape `shape`; a copy of grad, or grad itself, where the two shapes are equal.

    Source: lecture E.
    """
    if grad.shape == shape:
        return grad
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1)
    return grad.sum(axis=stretched, keepdims=True)


def relu_grad(z):
    """The slope of relu at z; at 0, where it has none, take 0.

    Parameters
    ----------
    z : array of any shape, float64: the input of relu, not its value; left as it was

    Returns
    -------
    array of the shape of z, float64 (not bool).

    Source: lecture C.
    """
    return np.where(z > 0, 1.0, 0.0)


class Tensor:
    """An array that remembers how it was made, so that gradients can find their way back.

    Arithmetic with Tensors makes Tensors. backward() on a result puts into the grad of everything
    that it was made from how the result changes with it.

    Source: lecture E; the idea is Linnainmaa's (1970), and micrograd (Karpathy, 2020) is a
    very short form of it.
    """
    __array_ufunc__ = None  # NumPy leaves array + Tensor to us: Python then asks __radd__.

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
        return Tensor(self.data**number, [(self, lambda g: g * number * self.data ** (number - 1))])

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
        """The axes in another order, as t.transpose(1, 0, 2); reversed where none is given."""
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


def cross_entropy(logits, labels):
    """The mean cross entropy of a batch, made of a Tensor's own operations.

    Parameters
    ----------
    logits : Tensor of shape (n, k); softmax is in here, so they go in as they are
    labels : array of shape (n,), whole numbers from 0 to k - 1

    Returns
    -------
    Tensor without axes: backward() on it fills the grad of all that the logits were made from.

    Source: chapter 7; lecture E.
    """
    rows = np.arange(len(labels))
    one_hot = np.zeros(logits.shape)
    one_hot[rows, labels] = 1
    # A constant of each row changes nothing but what may overflow.
    shifted = logits - logits.data.max(axis=1, keepdims=True)
    return (shifted.exp().sum(axis=1).log() - (shifted * one_hot).sum(axis=1)).mean()
