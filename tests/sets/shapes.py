"""A small set with every shape of exercise that the course needs, for the tests."""

from itertools import islice

import numpy as np

from autograder.exercise import FRESH_RNG, Case, class_exercise, exercise, public

# An iterator and an rng: the answer is not unique, properties decide.


@public
def listed(minibatches, n, batch_size, rng):
    """The batches as a list, cut off where an endless iterator would go on."""
    return [np.asarray(batch) for batch in islice(minibatches(n, batch_size, rng), 2 * n + 2)]


@exercise(points=2, by_value=False, probe=listed, hints=("Shuffle, then slice.",))
def minibatches(n, batch_size, rng):
    """Yield the index arrays of one epoch: shuffled, every index once, the last may be short."""
    order = rng.permutation(n)
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]


@minibatches.cases
def whole_batches(rng):
    """The batches divide the data."""
    return dict(n=24, batch_size=6, rng=FRESH_RNG)


@minibatches.cases
def short_last_batch(rng):
    """The last batch is short."""
    return dict(n=23, batch_size=5, rng=FRESH_RNG)


@minibatches.property("Some index comes twice in an epoch.", mistake="with_replacement")
def no_index_twice(answer, case):
    return len(np.unique(np.concatenate(answer))) == sum(len(batch) for batch in answer)


@minibatches.property("Some index never comes.", mistake="short_batch_dropped")
def every_index(answer, case):
    return set(np.concatenate(answer)) == set(range(case.args["n"]))


@minibatches.property("The order is not shuffled.", mistake="not_shuffled")
def shuffled(answer, case):
    return list(np.concatenate(answer)) != list(range(case.args["n"]))


@minibatches.mistake("The indices are drawn with replacement.", hint="Use a permutation.")
def with_replacement(n, batch_size, rng):
    for start in range(0, n, batch_size):
        yield rng.integers(0, n, min(batch_size, n - start))


@minibatches.mistake("The short last batch is dropped.", hint="Slices may be short.")
def short_batch_dropped(n, batch_size, rng):
    order = rng.permutation(n)
    for start in range(0, n - batch_size + 1, batch_size):
        yield order[start : start + batch_size]


@minibatches.mistake("The indices are not shuffled.", hint="rng.permutation(n)")
def not_shuffled(n, batch_size, rng):
    for start in range(0, n, batch_size):
        yield np.arange(start, min(start + batch_size, n))


# A class in named steps.


@class_exercise
class Dual:
    """A number and its derivative, added and multiplied together."""

    def __init__(self, value, slope=0.0):
        """Keep value and slope as floats."""
        self.value = float(value)
        self.slope = float(slope)

    def __add__(self, other):
        """The sum of two dual numbers."""
        return Dual(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other):
        """The product of two dual numbers."""
        return Dual(
            self.value * other.value,
            self.slope * other.value + self.value * other.slope,
        )


@Dual.step(points=1)
def add(cls, a, b):
    out = cls(*a) + cls(*b)
    return out.value, out.slope


@add.cases
def two_numbers(rng):
    """Two numbers with slopes."""
    return dict(a=tuple(rng.normal(size=2).tolist()), b=tuple(rng.normal(size=2).tolist()))


class _Base(Dual.reference):
    """A mistake starts from the reference and spoils one step."""


@add.mistake("The slope of the sum is lost.", hint="Slopes add too.")
class NoSlope(_Base):
    def __add__(self, other):
        return Dual(self.value + other.value)


@add.mistake("Only the left slope is kept.", hint="Slopes add.")
class LeftSlope(_Base):
    def __add__(self, other):
        return Dual(self.value + other.value, self.slope)


@add.mistake("The numbers are subtracted.", hint="A sum.")
class Subtracted(_Base):
    def __add__(self, other):
        return Dual(self.value - other.value, self.slope - other.slope)


@Dual.step(points=2)
def multiply(cls, a, b):
    out = cls(*a) * cls(*b)
    return out.value, out.slope


@multiply.cases
def two_factors(rng):
    """Two numbers with slopes."""
    return dict(a=tuple(rng.normal(size=2).tolist()), b=tuple(rng.normal(size=2).tolist()))


@multiply.mistake("The slopes are multiplied.", hint="(f g)' is not f' g'.")
class SlopesMultiplied(_Base):
    def __mul__(self, other):
        return Dual(self.value * other.value, self.slope * other.slope)


@multiply.mistake("One term of the product rule is missing.", hint="Two terms.")
class OneTerm(_Base):
    def __mul__(self, other):
        return Dual(self.value * other.value, self.slope * other.value)


@multiply.mistake("The values are added.", hint="A product.")
class ValuesAdded(_Base):
    def __mul__(self, other):
        return Dual(self.value + other.value, self.slope * other.value + self.value * other.slope)


# A function argument: judged by the calls that it got, too.


@public
def cubic(a, b):
    """a x ** 3 + b x, as a function of x."""

    def value(x):
        return a * x**3 + b * x

    return value


@exercise(points=1, hints=("(f(b) - f(a)) / (b - a)",))
def secant_slope(f, a, b):
    """The slope of the line through f at a and at b; f is called once at each."""
    return (f(b) - f(a)) / (b - a)


@secant_slope.cases
def on_a_cubic(rng):
    """A cubic between two points."""
    return dict(
        f=cubic(float(rng.uniform(1, 2)), float(rng.uniform(1, 2))),
        a=float(rng.uniform(-2, -1)),
        b=float(rng.uniform(0.5, 2)),
    )


@secant_slope.property("f is called more than twice.", mistake="called_too_often")
def two_calls(answer, case):
    return len(case.calls["f"]) == 2


@secant_slope.mistake("f is called more often than at its two ends.", hint="Once at each end.")
def called_too_often(f, a, b):
    f(a)
    return (f(b) - f(a)) / (b - a)


@secant_slope.mistake("The rise is not divided by the run.", hint="By b - a.")
def rise_only(f, a, b):
    return f(b) - f(a)


@secant_slope.mistake("Run over rise.", hint="The other way round.")
def inverted(f, a, b):
    return (b - a) / (f(b) - f(a))


# An argument that could be changed.


@exercise(points=1)
def project_nonnegative(theta):
    """A new array with the negative entries set to zero; theta stays as it was."""
    return np.maximum(theta, 0.0)


@project_nonnegative.cases
def mixed_signs(rng):
    """Entries of both signs."""
    return Case(dict(theta=rng.normal(size=6) + np.array([3.0, -3, 0, 0, 0, 0])))


@project_nonnegative.mistake("Nothing is clipped.", hint="Negative entries become 0.")
def as_it_came(theta):
    return theta.copy()


@project_nonnegative.mistake("This is the absolute value.", hint="Negative entries become 0.")
def absolute(theta):
    return np.abs(theta)


@project_nonnegative.mistake("The positive entries are cut.", hint="The other side.")
def cut_the_wrong_side(theta):
    return np.minimum(theta, 0.0)


# Tensors. torch is imported where it is used: sets without it must not pay for it.


@public
def leaf(values, requires_grad):
    """A tensor that asks for its gradient, or not."""
    import torch

    return torch.tensor(values, dtype=torch.float64, requires_grad=requires_grad)


@public
def on_tensors(torch_mean_square, w, X):
    """The loss, and the gradient that backward() leaves on w."""
    weights = leaf(w, True)
    loss = torch_mean_square(weights, leaf(X, False))
    loss.backward()
    return loss, weights.grad


@exercise(points=1, probe=on_tensors)
def torch_mean_square(w, X):
    """The mean of (X @ w) ** 2 as a tensor without a dimension, differentiable by w."""
    return ((X @ w) ** 2).mean()


@torch_mean_square.cases
def small_matrix(rng):
    """A few rows."""
    return dict(w=rng.normal(size=3).tolist(), X=rng.normal(size=(4, 3)).tolist())


@torch_mean_square.mistake("A sum in place of the mean.", hint="mean()")
def a_sum(w, X):
    return ((X @ w) ** 2).sum()


@torch_mean_square.mistake("The mean of the absolute value.", hint="Square it.")
def mean_absolute(w, X):
    return (X @ w).abs().mean()


@torch_mean_square.mistake("The graph is cut: no gradient reaches w.", hint="No detach().")
def detached(w, X):
    return ((X @ w) ** 2).mean().detach()
