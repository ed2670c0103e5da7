"""Chapter 6, backpropagation: references, cases and known mistakes."""

from collections.abc import Callable

import numpy as np

from autograder.exercise import class_exercise, exercise, public
from autograder.slips import method_slip, slip

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


# Pieces of the class that several slips edit.
_SUM = "[(self, lambda g: g), (other, lambda g: g)]"
_PRODUCT = "(self, lambda g: g * other.data), (other, lambda g: g * self.data)"
_POWER = "g * number * self.data ** (number - 1)"
_MATMUL = "[(self, lambda g: g @ other.data.T), (other, lambda g: self.data.T @ g)]"
_RMATMUL = "Tensor(other @ self.data, [(self, lambda g: np.transpose(other) @ g)])"
_TOTAL = "Tensor(self.data.sum(axis=axis, keepdims=keepdims), [(self, spread)])"
_MEAN = "return total * (total.data.size / self.data.size)"
_RELU = "Tensor(relu(self.data), [(self, lambda g: g * relu_grad(self.data))])"
_RESHAPE = "Tensor(self.data.reshape(*shape), [(self, lambda g: g.reshape(self.shape))])"
_BACK = "unbroadcast(rule(grad), parent.shape)"
_GATHERED = "arrived[parent] + share if parent in arrived else share"


@Tensor.step(
    points=1,
    hints=(
        "np.array copies what it is given and takes a dtype.",
        "grad has the shape of data from the start: np.zeros of that shape. shape is a property.",
    ),
)
def data_and_grad(cls, data):
    """data, grad and shape of a new Tensor; and whether data is still the array it came from."""
    given = np.array(data)
    t = cls(given)
    made = {"data": np.array(t.data), "grad": t.grad, "shape": tuple(t.shape)}
    if given.ndim:
        given[...] = 7
        made["data, once the array it came from was changed"] = t.data
    return made


@data_and_grad.cases
def arrays(rng):
    """An array of one dimension, and one of two."""
    for shape in (int(rng.integers(2, 5)),), (2, int(rng.integers(3, 5))):
        yield dict(data=rng.normal(size=shape))


@data_and_grad.cases
def whole_numbers(rng):
    """Whole numbers go in: data is float64 all the same."""
    yield dict(data=rng.integers(1, 6, size=int(rng.integers(2, 5))))
    yield dict(data=int(rng.integers(1, 6)))


data_and_grad.slips(
    not_copied=slip(
        {"np.array(data, dtype=np.float64)": "np.asarray(data, dtype=np.float64)"},
        "data is the very array that was given, not a copy.",
        hint="np.asarray hands an array of float64 through as it is; np.array copies.",
    ),
    kept_as_whole_numbers=slip(
        {"np.array(data, dtype=np.float64)": "np.array(data)"},
        "Whole numbers stay whole numbers: data is not float64.",
        hint="Give np.array its dtype; otherwise a gradient step would be cut to whole numbers.",
    ),
    no_grad_yet=slip(
        {"self.grad = np.zeros(self.data.shape)": "self.grad = None"},
        "grad is None before the first backward().",
        hint="Start with zeros of the shape of data: what arrives can then be added.",
    ),
    grad_of_ones=slip(
        {"np.zeros(self.data.shape)": "np.ones(self.data.shape)"},
        "grad starts at ones.",
        hint="Nobody has asked for a derivative yet: zeros. Only the seed of backward() is ones.",
    ),
    grad_is_a_number=slip(
        {"np.zeros(self.data.shape)": "0.0"},
        "grad is a single number, whatever the shape of data.",
        hint="Each entry of data has a derivative of its own: np.zeros(self.data.shape).",
    ),
)


@public
def data_of(result):
    """The data of a Tensor; in words where NumPy made an array of Tensors."""
    return "an array of Tensors" if isinstance(result, np.ndarray) else result.data


@Tensor.step(
    points=2,
    after=("data_and_grad",),
    hints=(
        "A result must remember what it was made from, and for each of these how a gradient goes "
        "back: keep both when you make it.",
        "backward() gives the result the gradient 1. For a + b each side is handed it on as it "
        "is; for a * b it is multiplied by the other side's data.",
        "For array + Tensor NumPy must be told to keep out: __array_ufunc__ = None in the class. "
        "Then Python asks __radd__.",
    ),
)
def add_and_multiply(cls, a, b, number, row):
    """A Tensor with a Tensor, with a number and with an array, on either side."""
    s, t = cls(a), cls(b)
    out = (s * t + s * number + number * t + (number + t) + (t + number)) * s
    out.backward()
    wide = cls(row)
    return {
        "the value": out.data,
        "the gradient of a": s.grad,
        "the gradient of b": t.grad,
        "array + Tensor": data_of(row + wide),
        "array * Tensor": data_of(row * wide),
        "Tensor * array": data_of(wide * row),
    }


@add_and_multiply.cases
def two_numbers(rng):
    """Two Tensors of no dimension, a number, and an array."""
    a, b, number = (float(x) for x in rng.uniform(1.5, 3, 3) * rng.choice([-1, 1], 3))
    return dict(a=a, b=b, number=number, row=rng.normal(size=int(rng.integers(2, 5))))


@add_and_multiply.cases
def whole_number(rng):
    """The number is a whole one."""
    a, b = (float(x) for x in rng.uniform(1.5, 3, 2))
    return dict(a=a, b=-b, number=int(rng.integers(2, 6)), row=rng.normal(size=3))


add_and_multiply.slips(
    one_side_forgotten=slip(
        {_PRODUCT: "(self, lambda g: g * other.data)"},
        "In a product only the left factor gets a gradient.",
        hint="Both factors move the product: each is handed g times the data of the other.",
    ),
    own_value=slip(
        {_PRODUCT: "(self, lambda g: g * self.data), (other, lambda g: g * other.data)"},
        "In a product each factor is given its own value; it should be the other's.",
        hint="If b is 3, moving a by 1 moves a * b by 3: the derivative by a is b.",
    ),
    product_handed_on=slip(
        {_PRODUCT: "(self, lambda g: g), (other, lambda g: g)"},
        "The gradient of a product is handed on as if it were a sum.",
        hint="Moving a by 1 moves a * b by b, not by 1.",
    ),
    upstream_forgotten=slip(
        {
            _PRODUCT: "(self, lambda g: other.data), (other, lambda g: self.data)",
            _SUM: "[(self, lambda g: np.ones_like(g)), (other, lambda g: np.ones_like(g))]",
            "[(self, lambda g: g * number * self": "[(self, lambda g: number * self",
        },
        "The derivative of each operation is there, but not what comes back from above it.",
        hint="The chain rule multiplies: the gradient of the result times the local derivative.",
    ),
    numpy_not_told=slip(
        {"    __array_ufunc__ = None\n": ""},
        "With an array on the left NumPy adds entry by entry: a whole array of Tensors comes out.",
        hint="Put __array_ufunc__ = None into the class: NumPy then leaves array + Tensor to you.",
    ),
    graph_left=slip(
        {", " + _SUM: ""},
        "A sum does not remember what it was made from: nothing goes back through it.",
        hint="Make the result from both parents, so that backward() can find them.",
    ),
)


@public
def built(tensors, program):
    """The Tensors of a small program: a line (sign, i, j) adds or multiplies two earlier ones."""
    made = list(tensors)
    for sign, i, j in program:
        made.append(made[i] + made[j] if sign == "+" else made[i] * made[j])
    return made


@public
def gradients_of_program(cls, leaves, program):
    """The last value of a program on numbers, and the gradients that it leaves on them."""
    tensors = [cls(leaf) for leaf in leaves]
    out = built(tensors, program)[-1]
    out.backward()
    return {
        "the value": out.data,
        **{f"the gradient of leaf {i}": t.grad for i, t in enumerate(tensors)},
    }


def _numbers(rng, n: int) -> list[float]:
    return [float(x) for x in rng.uniform(1.2, 2.5, n) * rng.choice([-1, 1], n)]


@Tensor.step(
    points=2,
    after=("data_and_grad", "add_and_multiply"),
    hints=(
        "In a + a the same Tensor stands on both sides. What must its gradient be?",
        "A gradient that arrives is added to what is there already: += and not =.",
    ),
)
def used_twice(cls, leaves, program):
    """Sums and products in which a leaf is used more than once. Lines are (sign, i, j)."""
    return gradients_of_program(cls, leaves, program)


@used_twice.cases
def doubled(rng):
    """a + a, and a * a."""
    yield dict(leaves=_numbers(rng, 1), program=[("+", 0, 0)])
    yield dict(leaves=_numbers(rng, 1), program=[("*", 0, 0)])


@used_twice.cases
def in_two_places(rng):
    """A leaf that stands in two different operations."""
    yield dict(leaves=_numbers(rng, 2), program=[("*", 0, 1), ("+", 2, 0)])
    yield dict(leaves=_numbers(rng, 3), program=[("*", 0, 1), ("*", 1, 2), ("+", 3, 4)])


used_twice.slips(
    not_accumulated=slip(
        {_GATHERED: "share"},
        "A gradient that arrives replaces the one that is there: a + a gives 1 in place of 2.",
        hint="What is used twice is blamed twice: add the gradients up.",
    ),
    first_one_kept=slip(
        {_GATHERED: "arrived.get(parent, share)"},
        "Only the first gradient that arrives counts; later ones are dropped.",
        hint="What is used twice is blamed twice: add the gradients up.",
    ),
    averaged=slip(
        {_GATHERED: "(arrived[parent] + share) / 2 if parent in arrived else share"},
        "Gradients that meet are averaged.",
        hint="Each use moves the result on its own: the effects add up.",
    ),
)


@Tensor.step(
    points=3,
    after=("data_and_grad", "add_and_multiply", "used_twice"),
    hints=(
        "With b = a + a and c = b + b: may b hand anything on to a before both of its own "
        "gradients have come in?",
        "A node's turn comes when all that it was used for have had theirs: the reverse of an "
        "order in which parents stand before what was made from them.",
        "Walk from the result to its parents, and append a node to a list only after all of its "
        "parents. Then go through that list from its end.",
    ),
)
def diamond(cls, leaves, program):
    """Graphs in which ways part and meet again. Lines are (sign, i, j)."""
    return gradients_of_program(cls, leaves, program)


@diamond.cases
def two_storeys(rng):
    """b = a + a, then c = b + b; and the same with products on top."""
    storeys = [[("+", 0, 0), ("+", 1, 1)], [("*", 0, 0), ("+", 1, 1), ("*", 2, 1)]]
    for program in storeys:
        yield dict(leaves=_numbers(rng, 1), program=program)


@diamond.cases
def a_long_way_and_a_short_one(rng):
    """A node that is reached by a short way and by a long one, and hands on further."""
    # 2: a * b; 3 to 5: the long way from it; 6: both ways meet.
    program = [("*", 0, 1), ("+", 2, 1), ("*", 3, 0), ("+", 4, 4), ("*", 5, 2)]
    yield dict(leaves=_numbers(rng, 2), program=program)
    yield dict(leaves=_numbers(rng, 2), program=[*program[:-1], ("*", 2, 5)])


@diamond.cases
def random_graphs(rng):
    """A random graph with shared nodes."""
    n = int(rng.integers(6, 10))
    program = []
    for made in range(3, 3 + n):
        # The newest stands in every line, so that all of them count.
        i, j = made - 1, int(rng.integers(max(0, made - 4), made))
        program.append(
            ("+" if rng.random() < 0.6 else "*", *((i, j) if rng.random() < 0.5 else (j, i)))
        )
    return dict(leaves=[float(x) for x in rng.uniform(0.6, 1.3, 3)], program=program)


@diamond.cases
def a_long_chain(rng):
    """A chain of 200 nodes."""
    program = [("+", 0, 1)] + [("+", made - 1, 1) for made in range(3, 202)]
    return dict(leaves=_numbers(rng, 2), program=program)


def _handed_on_at_once(self):
    def hand_on(node):
        for parent, rule in node._parents:
            parent.grad += unbroadcast(rule(node.grad), parent.shape)
            hand_on(parent)

    self.grad += np.ones(self.shape)
    hand_on(self)


def _each_once_as_it_is_met(self):
    met, row = {self}, [self]
    self.grad = np.ones(self.shape)
    for node in row:
        for parent, rule in node._parents:
            parent.grad = parent.grad + unbroadcast(rule(node.grad), parent.shape)
            if parent not in met:
                met.add(parent)
                row.append(parent)


def _every_way_walked_with_the_last_share(self):
    met = set()

    def hand_on(node, grad):
        node.grad = node.grad + grad
        if node not in met:
            met.add(node)
            for parent, rule in node._parents:
                hand_on(parent, unbroadcast(rule(grad), parent.shape))

    hand_on(self, np.ones(self.shape))


diamond.slips(
    no_topological_order=method_slip(
        "backward",
        _handed_on_at_once,
        "A node hands on all that it has each time something comes in: what came first goes down "
        "twice.",
        hint="A node's turn comes once, after everything that it was used for: sort the graph.",
    ),
    breadth_first=method_slip(
        "backward",
        _each_once_as_it_is_met,
        "A node has its turn when it is first met, and what comes in later never goes further.",
        hint="Nearest first is not enough: a node must wait for the longest way to it. Sort so "
        "that parents stand before what was made from them, then go backward.",
    ),
    second_way_lost=method_slip(
        "backward",
        _every_way_walked_with_the_last_share,
        "A node that was visited once hands nothing on at the second visit: a way is lost.",
        hint="First gather all that comes in, then hand on: once a node, in topological order.",
    ),
    from_the_front=slip(
        {
            "reversed(order)": "order",
            "grad = arrived.pop(node)": "grad = arrived.pop(node, np.zeros(node.shape))",
        },
        "The nodes have their turns from the leaves up: nothing has come in yet when they do.",
        hint="The result comes first. Go through the topological order from its end.",
    ),
)


@Tensor.step(
    points=1,
    after=("data_and_grad", "add_and_multiply"),
    hints=(
        "-a is a times -1, a - b is a + (-b), a / b is a times b ** -1: these need no rule.",
        "The slope of x ** n is n x ** (n - 1), for any n, negative ones too.",
        "For 3 - a Python asks __rsub__, for 3 / a it asks __rtruediv__: mind the order.",
    ),
)
def power_and_division(cls, a, b, number, exponent):
    """Powers, quotients, differences and the minus sign, with a Tensor and with a number."""
    s, t = cls(a), cls(b)
    out = s**exponent + s / t - t / number + number / s + (number - s) - (t - number) + -s
    out.backward()
    return {"the value": out.data, "the gradient of a": s.grad, "the gradient of b": t.grad}


@power_and_division.cases
def whole_exponents(rng):
    """A whole exponent, negative ones too."""
    for exponent in (int(rng.integers(3, 6)), -2):
        a, b, number = (float(x) for x in rng.uniform(1.2, 2.5, 3))
        yield dict(a=a, b=b, number=number, exponent=exponent)


@power_and_division.cases
def roots(rng):
    """An exponent that is no whole number."""
    a, b, number = (float(x) for x in rng.uniform(1.2, 2.5, 3))
    return dict(a=a, b=-b, number=number, exponent=float(rng.choice([0.5, 1.5, -0.5])))


power_and_division.slips(
    exponent_kept=slip(
        {_POWER: "g * number * self.data**number"},
        "In the slope of a power the exponent is not lowered.",
        hint="The slope of x ** 3 is 3 x ** 2.",
    ),
    factor_forgotten=slip(
        {_POWER: "g * self.data ** (number - 1)"},
        "In the slope of a power the exponent is missing as a factor.",
        hint="The slope of x ** 3 is 3 x ** 2.",
    ),
    minus_lost=slip(
        {"return self * -1": "return Tensor(-self.data, [(self, lambda g: g)])"},
        "The minus sign changes the value, but the gradient passes it unchanged.",
        hint="If -a falls when a rises, the derivative is -1.",
    ),
    difference_turned=slip(
        {"return -self + other": "return self - other"},
        "number - Tensor comes out as Tensor - number.",
        hint="Python asks Tensor.__rsub__(other) for other - self.",
    ),
    quotient_turned=slip(
        {"return self**-1 * other": "return self * Tensor(other) ** -1"},
        "number / Tensor comes out as Tensor / number.",
        hint="Python asks Tensor.__rtruediv__(other) for other / self.",
    ),
    divisor_is_a_constant=slip(
        {
            "return self * other**-1": "return Tensor(self.data / other.data, "
            "[(self, lambda g: g / other.data)])"
        },
        "In a quotient only what is divided gets a gradient.",
        hint="The divisor moves the quotient too: the slope of 1 / b is -1 / b ** 2.",
    ),
)


@Tensor.step(
    points=2,
    after=("data_and_grad", "add_and_multiply"),
    hints=(
        "Every entry moves the sum by as much as itself: the gradient of the sum goes to each.",
        "The gradient comes in with the shape of the sum and must go out with that of the "
        "Tensor: np.expand_dims brings the axis back, np.broadcast_to stretches it.",
        "A mean is a sum times (entries of the result) / (entries of the Tensor).",
    ),
)
def sum_and_mean(cls, x, scale, axis, keepdims):
    """sum and mean along an axis; the result is multiplied by `scale` and summed to a number."""
    made = {}
    for name in ("sum", "mean"):
        t = cls(x)
        part = getattr(t, name)(axis=axis, keepdims=keepdims)
        (part * scale).sum().backward()
        made[f"the value of {name}"] = part.data
        made[f"the gradient through {name}"] = t.grad
    return made


def _sum_case(rng, shape, axis, keepdims) -> dict:
    x = rng.normal(size=shape)
    scale = rng.uniform(1, 3, size=np.sum(x, axis=axis, keepdims=keepdims).shape)
    return dict(x=x, scale=scale, axis=axis, keepdims=keepdims)


@sum_and_mean.cases
def over_everything(rng):
    """Over all entries."""
    for keepdims in (False, True):
        yield _sum_case(rng, (2, int(rng.integers(3, 5))), None, keepdims)


@sum_and_mean.cases
def along_an_axis(rng):
    """Along the first axis, and along the last."""
    n = int(rng.integers(3, 5))
    yield _sum_case(rng, (2, n), 0, False)
    yield _sum_case(rng, (2, n), 1, False)
    yield _sum_case(rng, (2, n), -1, False)


@sum_and_mean.cases
def kept_axis(rng):
    """Along an axis that is kept, with length 1."""
    yield _sum_case(rng, (3, 4), 0, True)
    yield _sum_case(rng, (3, 4), 1, True)


@sum_and_mean.cases
def of_a_square(rng):
    """A square matrix, where the wrong axis gives the right shape."""
    yield _sum_case(rng, (3, 3), 0, False)
    yield _sum_case(rng, (3, 3), 1, False)


sum_and_mean.slips(
    mean_is_a_sum=slip(
        {_MEAN: "return total"},
        "mean gives the sum: nothing is divided by the number of entries.",
        hint="Along an axis of length n, divide by n.",
    ),
    mean_handed_back_whole=slip(
        {_MEAN: "return Tensor(self.data.mean(axis=axis, keepdims=keepdims), total._parents)"},
        "Backward through mean, the 1 / n is missing.",
        hint="Moving one of n entries by 1 moves their mean by 1 / n.",
    ),
    mean_over_all_entries=slip(
        {"(total.data.size / self.data.size)": "(1 / self.data.size)"},
        "mean along an axis is divided by the number of all entries.",
        hint="Along an axis of length n each mean is of n entries.",
    ),
    axis_not_brought_back=slip(
        {
            "            if axis is not None and not keepdims:\n"
            "                g = np.expand_dims(g, axis)\n": ""
        },
        "Backward through a sum along an axis, the gradients are laid along the wrong axis.",
        hint="The axis that was summed away must come back, with length 1, before the gradient "
        "is stretched: np.expand_dims.",
    ),
    not_stretched=slip(
        {"return np.broadcast_to(g, self.shape)": "return g"},
        "Backward through a sum, the gradient keeps the shape of the sum.",
        hint="Each entry gets its own copy of the gradient: np.broadcast_to(g, self.shape).",
    ),
    keepdims_ignored=slip(
        {
            _TOTAL: "Tensor(self.data.sum(axis=axis), [(self, lambda g: np.broadcast_to("
            "g if axis is None else np.expand_dims(g, axis), self.shape))])"
        },
        "keepdims is ignored: the axis is gone.",
        hint="Hand keepdims on to NumPy's sum.",
    ),
    mean_leaves_the_graph=slip(
        {_MEAN: "return Tensor(self.data.mean(axis=axis, keepdims=keepdims))"},
        "mean makes a new Tensor that knows no parents: nothing goes back through it.",
        hint="Work with Tensors, not with their data; or give the result its parents.",
    ),
)


@Tensor.step(
    points=2,
    after=("data_and_grad", "add_and_multiply", "sum_and_mean"),
    hints=(
        "Let A be (m, k), B be (k, n), so that g is (m, n). Which products of g with A or B, "
        "transposed where needed, have the shape of A? Of B?",
        "The shape leaves one choice: g @ B.T for A, and A.T @ g for B.",
    ),
)
def matmul(cls, A, B, scale):
    """A @ B, times `scale` entry by entry, summed to a number; and with an array on either side."""
    s, t = cls(A), cls(B)
    out = s @ t
    (out * scale).sum().backward()
    left, right = cls(A), cls(B)
    (((left @ B) + (A @ right)) * scale).sum().backward()
    return {
        "the value": out.data,
        "the gradient of A": s.grad,
        "the gradient of B": t.grad,
        "the gradient of A in A @ array": left.grad,
        "the gradient of B in array @ B": right.grad,
    }


def _product(rng, m: int, k: int, n: int) -> dict:
    return dict(
        A=rng.normal(size=(m, k)), B=rng.normal(size=(k, n)), scale=rng.uniform(1, 3, size=(m, n))
    )


@matmul.cases
def oblong(rng):
    """Matrices of three different lengths."""
    return _product(rng, 2, 3, int(rng.integers(4, 6)))


@matmul.cases
def square(rng):
    """Square matrices, where a transpose too many or too few raises nothing."""
    return _product(rng, 3, 3, 3)


@matmul.cases
def row_and_column(rng):
    """A row times a column, and a column times a row."""
    n = int(rng.integers(2, 5))
    yield _product(rng, 1, n, 1)
    yield _product(rng, n, 1, n)


matmul.slips(
    transposes_exchanged=slip(
        {
            _MATMUL: "[(self, lambda g: g @ other.data), (other, lambda g: self.data @ g)]",
            "np.transpose(other) @ g": "other @ g",
        },
        "The factors stand untransposed in the gradients of a matrix product.",
        hint="Write the shapes down: g is (m, n), B is (k, n) after a transpose, and A is (m, k). "
        "Square matrices hide this one.",
    ),
    sides_exchanged=slip(
        {
            _MATMUL: "[(self, lambda g: other.data.T @ g), (other, lambda g: g @ self.data.T)]",
            "np.transpose(other) @ g": "g @ np.transpose(other)",
        },
        "In the gradients of a matrix product the factors stand on the wrong side.",
        hint="What stood to the right of A comes back from the right: g @ B.T. Matrices do not "
        "change places.",
    ),
    result_transposed=slip(
        {
            _MATMUL: "[(self, lambda g: other.data @ g.T), (other, lambda g: g.T @ self.data)]",
            "np.transpose(other) @ g": "g.T @ other",
        },
        "Each gradient of the matrix product comes out transposed.",
        hint="The gradient of A has the shape of A. (P @ Q).T is Q.T @ P.T.",
    ),
    entry_by_entry=slip(
        {
            "self.data @ other.data": "self.data * other.data",
            _MATMUL: "[(self, lambda g: g * other.data), (other, lambda g: g * self.data)]",
            _RMATMUL: "Tensor(other * self.data, [(self, lambda g: g * other)])",
        },
        "@ multiplies entry by entry.",
        hint="@ is the matrix product, rows by columns; * is entry by entry.",
    ),
    left_factor_alone=slip(
        {_MATMUL: "[(self, lambda g: g @ other.data.T)]"},
        "Only the left factor of a matrix product gets a gradient.",
        hint="Two matrices go in, so two gradients come back.",
    ),
)


@Tensor.step(
    points=2,
    after=("data_and_grad", "add_and_multiply", "sum_and_mean"),
    hints=(
        "A bias of shape (3,) that is added to a matrix (4, 3) is used four times. What does "
        "used_twice say about that?",
        "Every gradient must leave with the shape of what it belongs to: unbroadcast does it.",
        "Do it in one place, where backward() hands a gradient to a parent.",
    ),
)
def broadcasting(cls, a, b, scale):
    """(a * b + b) * scale, summed to a number, where NumPy has to stretch a or b."""
    s, t = cls(a), cls(b)
    out = s * t + t
    (out * scale).sum().backward()
    return {"the value": out.data, "the gradient of a": s.grad, "the gradient of b": t.grad}


def _stretched(rng, a, b) -> dict:
    scale = rng.uniform(1, 3, size=np.broadcast_shapes(a, b))
    return dict(a=rng.normal(size=a), b=rng.normal(size=b), scale=scale)


@broadcasting.cases
def a_bias(rng):
    """A bias on each row of a matrix."""
    n, k = int(rng.integers(3, 6)), 2
    yield _stretched(rng, (n, k), (k,))
    yield _stretched(rng, (k,), (n, k))


@broadcasting.cases
def length_one(rng):
    """An axis of length 1 that is stretched."""
    yield _stretched(rng, (3, 4), (3, 1))
    yield _stretched(rng, (1, 4), (3, 4))


@broadcasting.cases
def both_stretched(rng):
    """A column with a row: both are stretched."""
    yield _stretched(rng, (3, 1), (1, 4))
    yield _stretched(rng, (3, 1), (4,))


@broadcasting.cases
def a_number_with_a_matrix(rng):
    """A Tensor of no dimension with a matrix."""
    return _stretched(rng, (), (2, int(rng.integers(2, 5))))


broadcasting.slips(
    not_unbroadcast=slip(
        {_BACK: "rule(grad)"},
        "What was stretched gets its gradient in the stretched shape.",
        hint="Sum over the axes that NumPy added or stretched: unbroadcast(grad, shape).",
    ),
    axis_of_length_one_left=slip(
        {
            _BACK: "(lambda g, shape: g if g.shape == shape else g.sum(axis=tuple("
            "i for i, n in enumerate((1,) * (g.ndim - len(shape)) + shape) if n == 1), "
            "keepdims=True))(rule(grad), parent.shape)"
        },
        "The sums are right, but an axis of length 1 is left over: (1, 3) in place of (3,).",
        hint="Axes that NumPy put in front must go altogether; those of length 1 stay with length "
        "1.",
    ),
    only_axes_in_front=slip(
        {
            _BACK: "(lambda g, shape: g.sum(axis=tuple(range(g.ndim - len(shape)))))"
            "(rule(grad), parent.shape)"
        },
        "Axes that NumPy put in front are summed, those of length 1 that it stretched are not.",
        hint="(3, 1) beside (3, 4) is stretched too, though no axis was added.",
    ),
    averaged_back=slip(
        {
            _BACK: "(lambda g, shape: g if g.shape == shape else "
            "unbroadcast(g, shape) * (np.prod(shape) / g.size))(rule(grad), parent.shape)"
        },
        "The gradients of all the places where it was used are averaged.",
        hint="Each use moves the result on its own: add them up.",
    ),
    first_place_alone=slip(
        {
            _BACK: "(lambda g, shape: g if g.shape == shape else np.reshape(np.ravel(g[tuple("
            "slice(0, 1) if n == 1 else slice(None) for n in (1,) * (g.ndim - len(shape)) + shape"
            ")]), shape))(rule(grad), parent.shape)"
        },
        "Of all the places where it was used, only the first one sends its gradient back.",
        hint="Each use moves the result on its own: add them up.",
    ),
)


@Tensor.step(
    points=2,
    after=("data_and_grad", "add_and_multiply", "sum_and_mean"),
    hints=(
        "Each slope is multiplied by what comes back from above. For exp the slope is the value "
        "itself.",
        "log has the slope 1 / input. relu lets pass where its input was positive.",
    ),
)
def exp_log_relu(cls, x, scale):
    """exp, log and relu of the entries, each times `scale` and summed to a number."""
    made = {}
    for name in ("exp", "log", "relu"):
        # The logarithm has to do with positive numbers.
        t = cls(np.abs(x) if name == "log" else x)
        out = getattr(t, name)()
        (out * scale).sum().backward()
        made[f"the value of {name}"] = out.data
        made[f"the gradient through {name}"] = t.grad
    return made


def _away_from_zero(rng, shape):
    return rng.uniform(0.3, 2.2, size=shape) * np.resize([1, -1], shape)


@exp_log_relu.cases
def a_row(rng):
    """A row of numbers of both signs."""
    n = int(rng.integers(3, 6))
    return dict(x=_away_from_zero(rng, n), scale=_away_from_zero(rng, n)[::-1].copy())


@exp_log_relu.cases
def a_matrix(rng):
    """A matrix."""
    x = _away_from_zero(rng, (2, 3))
    return dict(x=x, scale=rng.permutation(_away_from_zero(rng, 6)).reshape(2, 3))


exp_log_relu.slips(
    slope_at_the_output=slip(
        {
            "(self, lambda g: g * value)": "(self, lambda g: g * np.exp(value))",
            "(self, lambda g: g / self.data)": "(self, lambda g: g / np.log(self.data))",
        },
        "The slope is taken at the output; it belongs to the input.",
        hint="log at 2 has the slope 1 / 2, whatever log(2) is. For exp, slope and value agree: "
        "exp of the input, not exp of exp.",
    ),
    exp_of_the_input_forgotten=slip(
        {"(self, lambda g: g * value)": "(self, lambda g: g * self.data)"},
        "The slope of exp is its value, exp(x); here it is x.",
        hint="Keep the value when you make it; backward needs it again.",
    ),
    log_without_its_slope=slip(
        {"(self, lambda g: g / self.data)": "(self, lambda g: g * self.data)"},
        "Backward through log, the gradient is multiplied by the input; it should be divided.",
        hint="The slope of log(x) is 1 / x.",
    ),
    relu_lets_all_pass=slip(
        {"g * relu_grad(self.data)": "g"},
        "Backward through relu, everything passes.",
        hint="Where the input was negative, relu is flat: its slope is 0.",
    ),
    relu_asks_the_gradient=slip(
        {"g * relu_grad(self.data)": "relu(g)"},
        "relu cuts off negative gradients; it should ask which inputs were negative.",
        hint="A gradient may well be negative. The slope depends on the input.",
    ),
    graph_left_by_data=slip(
        {_RELU: "Tensor(relu(self.data))"},
        "relu makes a new Tensor that knows no parents: nothing goes back through it.",
        hint="Whoever works with .data leaves the graph. Give the result its parent.",
    ),
)


@Tensor.step(
    points=1,
    after=("data_and_grad", "add_and_multiply", "sum_and_mean"),
    hints=(
        "Nothing is computed, entries only change their places: the gradient goes back to them.",
        "For transpose the way back is the inverse order: np.argsort(axes).",
    ),
)
def reshaping(cls, x, shape, axes, scale):
    """reshape, transpose and T, each times `scale` and summed to a number."""
    made = {}
    ways = {
        "reshape": lambda t: t.reshape(*shape),
        "transpose": lambda t: t.transpose(*axes),
        "T": lambda t: t.T,
    }
    for name, way in ways.items():
        t = cls(x)
        out = way(t)
        (out * np.reshape(scale, out.shape)).sum().backward()
        made[f"the value of {name}"] = out.data
        made[f"the gradient through {name}"] = t.grad
    return made


@reshaping.cases
def of_a_matrix(rng):
    """A matrix."""
    return dict(
        x=rng.normal(size=(2, 6)), shape=(3, 4), axes=(1, 0), scale=rng.uniform(1, 3, size=12)
    )


@reshaping.cases
def of_three_axes(rng):
    """Three axes, whose order is not its own inverse."""
    axes = ((1, 2, 0), (2, 0, 1))[int(rng.integers(2))]
    return dict(
        x=rng.normal(size=(2, 3, 4)), shape=(4, 6), axes=axes, scale=rng.uniform(1, 3, size=24)
    )


@reshaping.cases
def of_a_cube(rng):
    """Three axes of one length, where a wrong order gives the right shape."""
    axes = ((1, 2, 0), (2, 0, 1))[int(rng.integers(2))]
    return dict(
        x=rng.normal(size=(2, 2, 2)), shape=(8,), axes=axes, scale=rng.uniform(1, 3, size=8)
    )


reshaping.slips(
    gradient_not_reshaped=slip(
        {"(self, lambda g: g.reshape(self.shape))": "(self, lambda g: g)"},
        "Backward through reshape, the gradient keeps the new shape.",
        hint="Bring it back to the shape that the entries came from.",
    ),
    order_not_inverted=slip(
        {"g.transpose(back)": "g.transpose(order)"},
        "Backward through transpose, the axes are put into the same order again.",
        hint="Back is the inverse: np.argsort(axes). For two axes the two are the same; for "
        "three they need not be.",
    ),
    gradient_not_transposed=slip(
        {"g.transpose(back)": "g.reshape(self.shape)"},
        "Backward through transpose, the gradient is reshaped: its entries change their owners.",
        hint="A transpose moves entries, a reshape only cuts the row anew.",
    ),
    order_ignored=slip(
        {"np.ravel(axes) if axes else np.arange": "np.arange"},
        "transpose reverses all axes, whatever order was asked for.",
        hint="t.transpose(1, 2, 0) puts axis 1 first: hand the axes on to NumPy.",
    ),
    reshape_leaves_the_graph=slip(
        {_RESHAPE: "Tensor(self.data.reshape(*shape))"},
        "reshape makes a new Tensor that knows no parents: nothing goes back through it.",
        hint="Whoever works with .data leaves the graph. Give the result its parent.",
    ),
)


@Tensor.step(
    points=1,
    after=("data_and_grad", "add_and_multiply", "used_twice", "diamond"),
    hints=(
        "Asked twice, a leaf should have exactly twice the gradient. Which nodes keep something "
        "between the two calls?",
        "What a node in the middle has to hand on belongs to one call alone: keep it apart from "
        "grad, or clear it first.",
    ),
)
def backward_twice(cls, leaves, program):
    """backward() once and then again; and a second result made from the same leaves."""
    tensors = [cls(leaf) for leaf in leaves]
    out = built(tensors, program)[-1]
    out.backward()
    made = {f"the gradient of leaf {i}, once": np.array(t.grad) for i, t in enumerate(tensors)}
    out.backward()
    made |= {f"the gradient of leaf {i}, twice": np.array(t.grad) for i, t in enumerate(tensors)}
    (tensors[0] * tensors[-1]).backward()
    made |= {f"the gradient of leaf {i}, at the end": t.grad for i, t in enumerate(tensors)}
    return made


@backward_twice.cases
def through_the_middle(rng):
    """A result with nodes between it and the leaves."""
    yield dict(leaves=_numbers(rng, 2), program=[("*", 0, 1), ("+", 2, 0), ("*", 3, 1)])
    yield dict(leaves=_numbers(rng, 3), program=[("+", 0, 1), ("*", 3, 2), ("+", 4, 3)])


@backward_twice.cases
def of_a_leaf_used_twice(rng):
    """A leaf that is used twice."""
    return dict(leaves=_numbers(rng, 2), program=[("*", 0, 0), ("*", 2, 1)])


backward_twice.slips(
    middle_handed_on_again=slip(
        {
            "grad = arrived.pop(node)\n": "grad = node.grad + arrived.pop(node)\n",
            "node.grad += grad": "node.grad = grad",
        },
        "The second backward() hands on again what the first one left in the middle.",
        hint="1, then 3 in place of 2: gradients of nodes in the middle must not survive a call.",
    ),
    replaced=slip(
        {"node.grad += grad": "node.grad = grad"},
        "The second backward() replaces the gradient; it should add to it.",
        hint="Gradients add up until somebody clears them: that is how a batch can come in parts.",
    ),
    seed_grows=slip(
        {"{self: np.ones(self.shape)}": "{self: np.ones(self.shape) + self.grad}"},
        "The second backward() starts from what is left of the first one: its seed is not 1.",
        hint="The derivative of a thing by itself is 1, in every call.",
    ),
)


@Tensor.step(
    points=1,
    after=("data_and_grad", "add_and_multiply", "sum_and_mean", "exp_log_relu"),
    hints=(
        "Which of your operations write into an array that they were given?",
        "Make new arrays: np.maximum(x, 0), not x[x < 0] = 0; a + b, not a += b.",
    ),
)
def leaves_unchanged(cls, x, row):
    """The data of the leaves, and the array beside them, after everything was done with them."""
    s, t, beside = cls(x), cls(row), np.array(row)
    out = (s + t) * s + beside * -s + s / (t * t + 2) + s.relu() + s.exp() + (s * s + 1).log()
    (out.mean(axis=0) + s.sum(axis=0) + s.reshape(*s.shape[::-1]).T.sum() + s**2).sum().backward()
    return {
        "the data of the first leaf": s.data,
        "the data of the second leaf": t.data,
        "the array beside them": beside,
        "the gradient of the first leaf": s.grad,
    }


@leaves_unchanged.cases
def both_signs(rng):
    """Numbers of both signs, in a matrix and in a row."""
    n = int(rng.integers(3, 6))
    return dict(x=_away_from_zero(rng, (2, n)), row=_away_from_zero(rng, n))


@leaves_unchanged.cases
def one_row(rng):
    """A matrix of one row."""
    n = int(rng.integers(3, 6))
    return dict(x=_away_from_zero(rng, (1, n)), row=_away_from_zero(rng, n))


leaves_unchanged.slips(
    relu_in_place=slip(
        {
            _RELU: "Tensor(np.maximum(self.data, 0.0, out=self.data), "
            "[(self, lambda g: g * relu_grad(self.data))])"
        },
        "relu writes its zeros into the Tensor that it was given.",
        hint="Make a new array: np.maximum(self.data, 0).",
    ),
    minus_in_place=slip(
        {
            "return self * -1": "self.data *= -1\n"
            "        return Tensor(self.data, [(self, lambda g: -g)])"
        },
        "The minus sign turns the Tensor itself around.",
        hint="Make a new Tensor; *= writes into the array that is there.",
    ),
    sum_in_place=slip(
        {
            "Tensor(self.data + other.data, ": "Tensor("
            "np.add(self.data, other.data, out=self.data) if self.data.ndim >= other.data.ndim "
            "else self.data + other.data, "
        },
        "A sum is written into its left side.",
        hint="self.data + other.data makes a new array; += writes into the one that is there.",
    ),
    stepped_already=slip(
        {"node.grad += grad": "node.grad += grad\n            node.data = node.data - 0.01 * grad"},
        "backward() moves the data: it should only say how things change.",
        hint="The step downhill is somebody else's: the optimiser's.",
    ),
)


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
