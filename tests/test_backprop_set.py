"""The functions of the backprop set against independent truth: torch, SciPy, numbers in print."""

import itertools
import math
import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.special
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.judging.judge import case_rng, judge, local_caller
from autograder.judging.sets import find_set
from solutions.backprop import (
    count_parameters,
    elu,
    elu_grad,
    he_normal,
    heaviside,
    mlp_backward,
    mlp_forward,
    neuron_gradient,
    perceptron,
    relu,
    relu_grad,
    standardise_backward,
    suspects,
    tanh_grad,
    unbroadcast,
)
from tests.tensors import grad_of

Array = np.ndarray
PARTS = {part.name: part for part in find_set("backprop").parts}

seeds = st.integers(0, 2**32 - 1)
anywhere = hnp.arrays(
    np.float64, hnp.array_shapes(max_dims=3, max_side=4), elements=st.floats(-800, 800)
)
alphas = st.floats(0.1, 3)


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def close(got: Any, wanted: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def leaf(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def torch_slope(function: Callable[[torch.Tensor], torch.Tensor], z: Array) -> Array:
    """The slope of a function of every entry, by torch's autograd."""
    inputs = leaf(z)
    function(inputs).sum().backward()
    assert inputs.grad is not None
    return grad_of(inputs)


# Activations


@given(anywhere)
@settings(max_examples=60, deadline=None)
def test_the_step_is_numpys_and_the_rest_are_torchs(z: Array) -> None:
    np.testing.assert_array_equal(heaviside(z), np.heaviside(z, 1.0))
    np.testing.assert_array_equal(relu(z), torch.relu(torch.tensor(z)).numpy())
    np.testing.assert_array_equal(relu_grad(z), torch_slope(torch.relu, z))
    close(tanh_grad(z), torch_slope(torch.tanh, z), 1e-14)


@given(anywhere, alphas)
@settings(max_examples=60, deadline=None)
def test_elu_is_torchs(z: Array, alpha: float) -> None:
    close(elu(z, alpha), torch.nn.functional.elu(torch.tensor(z), alpha).numpy(), 1e-13)
    # torch multiplies nan into its slope at exactly -0.0 in no version: 0 is on the left side.
    close(elu_grad(z, alpha), torch_slope(lambda t: torch.nn.functional.elu(t, alpha), z), 1e-13)


def test_conventions_at_zero() -> None:
    zeros = np.array([0.0, -0.0])
    np.testing.assert_array_equal(heaviside(zeros), [1, 1])
    np.testing.assert_array_equal(relu_grad(zeros), [0, 0])
    np.testing.assert_array_equal(elu_grad(zeros, 0.3), [0.3, 0.3])
    np.testing.assert_array_equal(elu(zeros, 0.3), [0, 0])
    assert tanh_grad(zeros).tolist() == [1, 1]


@given(anywhere, alphas)
@settings(max_examples=40, deadline=None)
def test_far_out_nothing_overflows_and_nothing_warns(z: Array, alpha: float) -> None:
    with np.errstate(all="raise", under="ignore"):
        for answer in (heaviside(z), relu(z), relu_grad(z), tanh_grad(z), elu(z, alpha)):
            assert answer.dtype == np.float64 and answer.shape == z.shape
            assert np.all(np.isfinite(answer))
        assert np.all(np.isfinite(elu_grad(z, alpha)))


@given(st.floats(-20, 20), alphas)
@settings(max_examples=60, deadline=None)
def test_slopes_are_those_of_a_complex_step(z: float, alpha: float) -> None:
    # The imaginary part of f(z + ih) / h has no subtraction, and so all digits.
    h = 1e-30
    close(tanh_grad(np.array([z])), [np.tanh(z + 1j * h).imag / h], 1e-12)
    if z < 0:
        close(elu_grad(np.array([z]), alpha), [(alpha * np.exp(z + 1j * h)).imag / h], 1e-12)


def test_a_perceptron_computes_the_gates_of_mcculloch_and_pitts() -> None:
    # McCulloch and Pitts (1943): AND fires at 2 of 2, OR at 1, with weights of 1.
    X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    assert perceptron(X, np.ones(2), 2.0).tolist() == [0, 0, 0, 1]
    assert perceptron(X, np.ones(2), 1.0).tolist() == [0, 1, 1, 1]
    assert perceptron(X, -np.ones(2), -1.0).tolist() == [1, 1, 1, 0]


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_scaling_weights_and_threshold_changes_no_answer(seed: int) -> None:
    rng = rng_of(seed)
    X, w, b = rng.normal(size=(9, 3)), rng.normal(size=3), float(rng.normal())
    np.testing.assert_array_equal(perceptron(X, w, b), perceptron(X, 4 * w, 4 * b))
    np.testing.assert_array_equal(perceptron(X, w, b), [float(row @ w >= b) for row in X])


# One neuron


@given(seeds, st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_the_neurons_gradient_is_torchs(seed: int, d: int) -> None:
    rng = rng_of(seed)
    x, w, b, y = rng.normal(size=d), rng.normal(size=d), float(rng.normal()), float(rng.random())
    weights, bias = leaf(w), leaf(b)
    (((torch.sigmoid(weights @ torch.tensor(x) + bias) - y) ** 2) / 2).backward()
    dw, db = neuron_gradient(x, w, b, y)
    assert isinstance(db, float)
    close(dw, weights.grad)
    close(db, bias.grad)


def test_a_neuron_of_mazur() -> None:
    """Matt Mazur, "A step by step backpropagation example" (2015): the output neuron o1.

    Inputs .593269992 and .596884378, weights .40 and .45, bias .60, target .01; printed there:
    the derivatives of the cost by w5 and w6 are .082167041 and .082667628.
    """
    hidden = np.array([0.593269992, 0.596884378])
    dw, db = neuron_gradient(hidden, np.array([0.40, 0.45]), 0.60, 0.01)
    np.testing.assert_allclose(dw, [0.082167041, 0.082667628], atol=1e-9)
    np.testing.assert_allclose(db, 0.138498562, atol=1e-9)


# Counting


def test_the_lectures_network_has_13002_numbers() -> None:
    assert count_parameters([784, 16, 16, 10]) == 13002


def test_lenet_300_100_has_the_number_in_print() -> None:
    # LeNet-300-100 on MNIST: 266,610 weights and biases (LeCun et al. 1998; Han et al. 2015: 267K).
    assert count_parameters([784, 300, 100, 10]) == 266_610


@given(st.lists(st.integers(1, 12), min_size=2, max_size=6))
@settings(max_examples=40, deadline=None)
def test_the_count_is_torchs(sizes: list[int]) -> None:
    layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    assert count_parameters(sizes) == sum(p.numel() for layer in layers for p in layer.parameters())


# Initial weights


def test_he_weights_are_normal() -> None:
    weights = he_normal(300, 200, rng_of(1))
    assert weights.shape == (300, 200)
    standard = weights.ravel() / np.sqrt(2 / 300)
    assert scipy.stats.kstest(standard, "norm").pvalue > 1e-3
    assert np.std(standard) == pytest.approx(1, abs=0.02)


def test_he_weights_have_torchs_variance() -> None:
    # torch counts the fan along axis 1 of its (out, in).
    theirs = torch.empty(400, 300, dtype=torch.float64)
    torch.nn.init.kaiming_normal_(theirs, generator=torch.Generator().manual_seed(0))
    ours = he_normal(300, 400, rng_of(2))
    assert np.std(ours) == pytest.approx(float(theirs.std()), rel=0.02)


def test_activations_keep_their_size_through_twenty_layers_of_he_weights() -> None:
    # He et al. (2015), section 2.2: the mean square stays, for ReLUs.
    rng = rng_of(3)
    a = rng.normal(size=(200, 400))
    for _ in range(20):
        a = relu(a @ he_normal(400, 400, rng))
    assert 0.3 < np.mean(a**2) < 3


def test_weights_cut_off_or_of_two_values_are_not_told_that_neurons_are_alike() -> None:
    he = find_set("backprop").part("he_normal")
    told = {}
    for name, shaped in {
        "cut off": lambda w: np.clip(w, -2, 2),
        "two values": np.sign,
        "equal rows": lambda w: np.tile(w[:1], (len(w), 1)),
        "equal columns": lambda w: np.tile(w[:, :1], (1, w.shape[1])),
    }.items():

        def drawn(
            fan_in: int, fan_out: int, rng: np.random.Generator, shaped: Any = shaped
        ) -> Array:
            units: Array = shaped(rng.normal(size=(fan_in, fan_out)))
            return np.sqrt(2 / fan_in) * units

        verdict = judge(he, "alike", local_caller(drawn))
        assert verdict.points == 0
        told[name] = verdict.mistake
    assert told == {
        "cut off": None,
        "two values": None,
        "equal rows": "one_draw_for_all",
        "equal columns": "one_draw_for_all",
    }


def test_right_weights_are_hardly_ever_accused() -> None:
    """The exact odds of each statistical property, for the smallest layers there are."""
    n = 2 * 60 * 30
    below, above = n * (1 - 0.09) ** 2, n * (1 + 0.09) ** 2
    spread = scipy.stats.chi2(n - 1)
    odds = [spread.cdf(below) + spread.sf(above), 2 * scipy.stats.t(n - 1).sf(6.99)]
    for share, slack in ((0.01242, 0.1108), (0.38292, 0.4861)):
        binomial = scipy.stats.binom(n, share)
        reach = n * slack * 7 / np.sqrt(n)
        odds.append(binomial.cdf(n * share - reach) + binomial.sf(n * share + reach))
    assert share == pytest.approx(2 * scipy.stats.norm.cdf(0.5) - 1, abs=1e-5)
    assert 2 * scipy.stats.norm.sf(2.5) == pytest.approx(0.01242, abs=1e-5)
    assert sum(odds) < 1e-9


# Networks


def network(rng: np.random.Generator, sizes: list[int], n: int) -> tuple[list[Array], Array, Array]:
    params = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        params += [he_normal(fan_in, fan_out, rng), rng.normal(size=fan_out) * 0.3]
    Y = np.eye(sizes[-1])[rng.integers(0, sizes[-1], n)]
    return params, rng.normal(size=(n, sizes[0])), Y


def torch_loss(leaves: list[torch.Tensor], X: Array, Y: Array) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and mean cross entropy, by torch's own layers."""
    a = torch.tensor(X)
    for W, b in zip(leaves[0:-2:2], leaves[1:-2:2], strict=True):
        a = torch.relu(torch.nn.functional.linear(a, W.T, b))
    logits = torch.nn.functional.linear(a, leaves[-2].T, leaves[-1])
    return logits, torch.nn.functional.cross_entropy(logits, torch.tensor(Y))


shapes = st.lists(st.integers(1, 6), min_size=2, max_size=5)


@given(seeds, shapes, st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_a_network_is_torchs_forward_and_back(seed: int, sizes: list[int], n: int) -> None:
    params, X, Y = network(rng_of(seed), sizes, n)
    leaves = [leaf(p) for p in params]
    wanted, loss = torch_loss(leaves, X, Y)
    loss.backward()
    logits, cache = mlp_forward(params, X)
    close(logits, wanted.detach())
    assert len(cache) == len(sizes) and cache[0] is X and cache[-1] is logits
    assert all(np.all(a >= 0) for a in cache[1:-1])
    grads = mlp_backward(params, cache, Y)
    assert [g.shape for g in grads] == [p.shape for p in params]
    for got, theirs in zip(grads, leaves, strict=True):
        close(got, theirs.grad)


@pytest.mark.parametrize("size", [300.0, 800.0, 5000.0])
def test_large_logits_are_torchs_too(size: float) -> None:
    params, X, Y = network(rng_of(8), [3, 5, 4], 6)
    params[2] *= size / np.max(np.abs(mlp_forward(params, X)[0]))
    leaves = [leaf(p) for p in params]
    torch_loss(leaves, X, Y)[1].backward()
    with np.errstate(over="raise", invalid="raise"):
        grads = mlp_backward(params, mlp_forward(params, X)[1], Y)
    for got, theirs in zip(grads, leaves, strict=True):
        np.testing.assert_allclose(got, grad_of(theirs), rtol=1e-9, atol=1e-9)


def test_gradients_are_central_differences() -> None:
    params, X, Y = network(rng_of(9), [3, 4, 5, 2], 6)

    def loss(values: Array) -> float:
        unpacked, at = [], 0
        for p in params:
            unpacked.append(values[at : at + p.size].reshape(p.shape))
            at += p.size
        logits = mlp_forward(unpacked, X)[0]
        return float(np.mean(scipy.special.logsumexp(logits, axis=1) - np.sum(logits * Y, axis=1)))

    start = np.concatenate([p.ravel() for p in params])
    ours = np.concatenate([g.ravel() for g in mlp_backward(params, mlp_forward(params, X)[1], Y)])
    measured = [
        (loss(start + 1e-6 * unit) - loss(start - 1e-6 * unit)) / 2e-6
        for unit in np.eye(start.size)
    ]
    np.testing.assert_allclose(ours, measured, atol=1e-8)


def test_a_dead_unit_gets_no_gradient_and_a_unit_at_zero_neither() -> None:
    params, X, Y = network(rng_of(10), [3, 4, 2], 5)
    params[1][0] = -50.0
    params[0][:, 1], params[1][1] = 0.0, 0.0
    dW, db, *_ = mlp_backward(params, mlp_forward(params, X)[1], Y)
    assert not np.any(dW[:, :2]) and not np.any(db[:2])
    assert np.all(np.any(dW[:, 2:], axis=0))


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_bias_gradients_of_the_last_layer_add_up_to_nothing(seed: int) -> None:
    # Adding one number to all logits changes no share.
    params, X, Y = network(rng_of(seed), [3, 4, 3], 5)
    grads = mlp_backward(params, mlp_forward(params, X)[1], Y)
    assert abs(np.sum(grads[-1])) < 1e-12
    close(grads[-2].sum(axis=1), np.zeros(4))


# Broadcasting undone


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4), seeds)
@settings(max_examples=120, deadline=None)
def test_unbroadcast_is_torchs(shapes: hnp.BroadcastableShapes, seed: int) -> None:
    own, other = shapes.input_shapes
    array, arrived = leaf(np.ones(own)), rng_of(seed).normal(size=shapes.result_shape)
    (array * torch.ones(other, dtype=torch.float64) * torch.tensor(arrived)).sum().backward()
    got = unbroadcast(arrived, own)
    assert np.shape(got) == own
    close(got, array.grad)


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4), seeds)
@settings(max_examples=60, deadline=None)
def test_unbroadcast_is_the_adjoint_of_broadcasting(
    shapes: hnp.BroadcastableShapes, seed: int
) -> None:
    rng = rng_of(seed)
    a, g = rng.normal(size=shapes.input_shapes[0]), rng.normal(size=shapes.result_shape)
    spread = np.broadcast_to(a, shapes.result_shape)
    assert np.sum(spread * g) == pytest.approx(np.sum(a * unbroadcast(g, a.shape)), abs=1e-9)


# Standardising


@given(seeds, st.integers(2, 30), st.floats(-100, 100), st.floats(0.01, 100))
@settings(max_examples=60, deadline=None)
def test_standardise_backward_is_torchs_layer_norm(
    seed: int, n: int, centre: float, width: float
) -> None:
    rng = rng_of(seed)
    x, grad = centre + width * rng.permutation(np.arange(n) + rng.random(n) / 2), rng.normal(size=n)
    inputs = leaf(x)
    torch.nn.functional.layer_norm(inputs, (n,), eps=0.0).backward(torch.tensor(grad))
    got = standardise_backward(x, grad)
    np.testing.assert_allclose(got, grad_of(inputs), rtol=1e-6, atol=1e-8 / width)
    # A shift and a stretch of x change nothing.
    assert abs(np.sum(got)) * width < 1e-8
    assert abs(got @ (x - x.mean())) < 1e-8


def test_standardise_backward_is_the_jacobian_of_zscore() -> None:
    rng = rng_of(12)
    x, grad = rng.normal(size=7), rng.normal(size=7)
    jacobian = scipy.optimize.approx_fprime(x, scipy.stats.zscore, 1e-7)
    np.testing.assert_allclose(standardise_backward(x, grad), grad @ jacobian, atol=1e-5)


# Suspects


def cases_of(name: str, seed: str) -> list[Any]:
    part = PARTS[name]
    return [
        case
        for family in part.families
        for case in family.draw(case_rng(seed, name, family.name, 0))
    ]


@pytest.mark.parametrize("seed", range(5))
def test_claims_are_right_to_twelve_digits_or_wrong_by_two_hundredths(seed: int) -> None:
    """The promise of the docstring, beside derivatives by torch."""
    for case in cases_of("suspects", f"promise-{seed}"):
        f, theta, claim = (case.args[name] for name in ("f", "theta", "grad"))
        scale, weight, *_, rest = (torch.tensor(a, dtype=torch.float64) for a in f.recipe.args)
        point = leaf(theta)
        u = point / scale
        if f.recipe.maker == "growth":
            value = rest + torch.exp(torch.sum(weight * torch.tanh(u)))
        else:
            value = rest + torch.sum(weight * torch.sin(u))
        value.backward()
        truth = grad_of(point)
        assert float(value.detach()) == pytest.approx(f(theta), rel=1e-12)
        off = np.abs(claim - truth) > 1e-12 * np.maximum(np.abs(truth), np.abs(claim))
        assert np.flatnonzero(off).tolist() == suspects(f, theta, claim).tolist()
        larger = np.maximum(np.abs(truth), np.abs(claim))
        assert np.all(np.abs(claim - truth)[off] >= 0.02 * larger[off])
        assert np.all((np.abs(theta) > 1e-3) & (np.abs(theta) < 1e3))
        # No derivative is so small beside the function that no measurement could tell.
        assert np.all(np.abs(claim - truth)[off] * np.abs(theta)[off] > 1e-6 * abs(f(theta)))


# What else is right: other styles


def by_loop(rule: Callable[..., float]) -> Callable[..., Array]:
    def answer(z: Array, *options: float) -> Array:
        made = np.empty(z.shape)
        for place in np.ndindex(z.shape):
            made[place] = rule(z[place], *options)
        return made

    return answer


def by_mask(z: Array) -> Array:
    made = np.zeros_like(z)
    made[z >= 0] = 1
    return made


def nested(rule: Callable[[float], float], z: Any) -> Any:
    return [nested(rule, row) for row in z] if np.ndim(z) else rule(z)


def relu_copied(z: Array) -> Array:
    z = z.copy()
    z[z < 0] = 0
    return z


def relu_grad_ones(z: Array) -> Array:
    made = np.ones_like(z)
    made[z <= 0] = 0
    return made


def elu_by_mask(z: Array, alpha: float = 1.0) -> Array:
    made = z.copy()
    below = z <= 0
    made[below] = alpha * (np.exp(z[below]) - 1)
    return made


def elu_by_where(z: Array, alpha: float = 1.0) -> Array:
    return np.where(z > 0, z, alpha * (np.exp(z) - 1))


def elu_by_pieces(z: Array, alpha: float = 1.0) -> Array:
    return np.piecewise(z, [z > 0], [lambda v: v, lambda v: alpha * np.expm1(v)])


def elu_as_torch_has_it(z: Array, alpha: float = 1.0) -> Array:
    return np.maximum(z, 0) + np.minimum(0, alpha * (np.exp(z) - 1))


def elu_grad_from_elu(z: Array, alpha: float = 1.0) -> Array:
    return np.where(z > 0, 1.0, elu_by_where(z, alpha) + alpha)


def elu_grad_by_mask(z: Array, alpha: float = 1.0) -> Array:
    made = np.ones(z.shape)
    made[z <= 0] = alpha * np.exp(z[z <= 0])
    return made


def elu_grad_by_select(z: Array, alpha: float = 1.0) -> Array:
    return np.select([z > 0, z <= 0], [np.ones(z.shape), alpha * np.exp(np.minimum(z, 0))])


def elu_grad_by_power(z: Array, alpha: float = 1.0) -> Array:
    return np.where(z > 0, 1, alpha) * np.e ** np.minimum(z, 0)


def perceptron_by_loop(X: Array, w: Array, b: float) -> Array:
    fires = []
    for row in X:
        total = 0.0
        for x, weight in zip(row, w, strict=True):
            total += x * weight
        fires.append(1.0 if total >= b else 0.0)
    return np.array(fires)


def perceptron_with_bias_column(X: Array, w: Array, b: float) -> Array:
    X = np.column_stack([X, np.ones(len(X))])
    return np.heaviside(X.dot(np.append(w, -b)), 1)


def neuron_by_expit(x: Array, w: Array, b: float, y: float) -> Any:
    z = np.inner(x, w) + b
    a = scipy.special.expit(z)
    link = (a - y) * (a - a**2)
    return [link * x, link]


def neuron_by_tanh(x: Array, w: Array, b: float, y: float) -> Any:
    t = np.tanh((sum(x * w) + b) / 2)
    link = ((1 + t) / 2 - y) * (1 - t**2) / 4
    return np.array([link * v for v in x]), link


def neuron_by_torch(x: Array, w: Array, b: float, y: float) -> Any:
    weights, bias = leaf(w), leaf(b)
    (0.5 * (torch.sigmoid(weights @ torch.tensor(x) + bias) - y) ** 2).backward()
    return grad_of(weights), grad_of(bias).item()


def neuron_by_exponentials(x: Array, w: Array, b: float, y: float) -> Any:
    e = math.exp(-(float(w @ x) + b))
    da, dz = 1 / (1 + e) - y, e / (1 + e) ** 2
    return np.multiply(da * dz, x), np.float64(da * dz)


def neuron_by_appended_one(x: Array, w: Array, b: float, y: float) -> Any:
    x, w = np.append(x, 1.0), np.append(w, b)
    a = np.exp(x @ w) / (1 + np.exp(x @ w))
    whole = x * (a - y) * a * (1 - a)
    return whole[:-1], whole[-1]


def count_by_recursion(sizes: list[int]) -> int:
    if len(sizes) < 2:
        return 0
    return sizes[0] * sizes[1] + sizes[1] + count_by_recursion(sizes[1:])


def count_by_loop(sizes: list[int]) -> int:
    total = 0
    for i in range(1, len(sizes)):
        total += sizes[i - 1] * sizes[i] + sizes[i]
    return total


def count_arrays(sizes: list[int]) -> int:
    shapes = [(a, b) for a, b in itertools.pairwise(sizes)] + [(b,) for b in sizes[1:]]
    return sum(np.zeros(shape).size for shape in shapes)


def box_muller(fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    u, v = rng.random((2, fan_in, fan_out))
    return np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * np.pi * v) * np.sqrt(2 / fan_in)


def rows_of_normals(fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    rows = [rng.normal(scale=(2 / fan_in) ** 0.5, size=fan_out) for _ in range(fan_in)]
    return np.vstack(rows)


def he_of_another_rng(fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    child = np.random.default_rng(rng.integers(2**63))
    return child.standard_normal((fan_in, fan_out)) * math.sqrt(2.0 / fan_in)


def forward_by_einsum(params: list[Array], X: Array) -> Any:
    cache = [X]
    for i in range(0, len(params), 2):
        z = np.einsum("nd,dk->nk", cache[-1], params[i]) + params[i + 1]
        cache.append(z if i == len(params) - 2 else z * (z > 0))
    return cache[-1], cache


def forward_by_recursion(params: list[Array], X: Array) -> Any:
    z = X.dot(params[0]) + params[1]
    if len(params) == 2:
        return z, [X, z]
    logits, rest = forward_by_recursion(params[2:], np.where(z > 0, z, 0.0))
    return logits, [X, *rest]


def forward_by_rows(params: list[Array], X: Array) -> Any:
    rows = [forward_by_recursion(params, row[None, :])[1] for row in X]
    cache = tuple(np.concatenate(column) for column in zip(*rows, strict=True))
    return cache[-1], cache


def forward_in_place(params: list[Array], X: Array) -> Any:
    a, cache = X, [X]
    layers = list(zip(params[::2], params[1::2], strict=True))
    for number, (W, b) in enumerate(layers, start=1):
        a = a @ W
        a += b
        if number < len(layers):
            a[a < 0] = 0
        cache.append(a)
    return [a, cache]


def forward_with_homogeneous_ones(params: list[Array], X: Array) -> Any:
    cache = [X]
    while len(params) >= 2:
        W, b, *params = params
        z = np.hstack([cache[-1], np.ones((len(X), 1))]) @ np.vstack([W, b])
        cache.append((np.abs(z) + z) / 2 if params else z)
    return cache[-1], cache


def backward_by_recursion(params: list[Array], cache: list[Array], Y: Array) -> Any:
    def back(layer: int, delta: Array) -> list[Array]:
        own = [np.einsum("ni,nj->ij", cache[layer], delta), np.einsum("nj->j", delta)]
        if layer == 0:
            return own
        below = np.einsum("nj,ij->ni", delta, params[2 * layer])
        return back(layer - 1, np.where(cache[layer] > 0, below, 0)) + own

    delta = (scipy.special.softmax(cache[-1], axis=1) - Y) / len(Y)
    return back(len(params) // 2 - 1, delta)


def backward_by_rows(params: list[Array], cache: list[Array], Y: Array) -> Any:
    """One example at a time, outer products, the mean at the end."""
    n, depth = len(Y), len(params) // 2
    grads = [np.zeros(p.shape) for p in params]
    for row in range(n):
        z = cache[-1][row]
        delta = np.exp(z - scipy.special.logsumexp(z)) - Y[row]
        for layer in range(depth - 1, -1, -1):
            a = cache[layer][row]
            grads[2 * layer] += np.outer(a, delta)
            grads[2 * layer + 1] += delta
            delta = (params[2 * layer] @ delta) * np.sign(a)
    return tuple(g / n for g in grads)


def backward_from_sums(params: list[Array], cache: list[Array], Y: Array) -> Any:
    """Everything computed again from X; slopes from the sums; filled in from the end."""
    sums, a = [], cache[0]
    for W, b in zip(params[::2], params[1::2], strict=True):
        sums.append(a @ W + b)
        a = np.maximum(sums[-1], 0)
    inputs = [cache[0], *(np.maximum(z, 0) for z in sums[:-1])]
    shifted = sums[-1] - sums[-1].max(1)[:, None]
    delta = np.exp(shifted - np.log(np.exp(shifted).sum(1))[:, None]) - Y
    grads: list[Any] = [None] * len(params)
    for i in range(len(sums) - 1, -1, -1):
        grads[2 * i] = inputs[i].T.dot(delta) / len(Y)
        grads[2 * i + 1] = np.mean(delta, axis=0)
        if i > 0:
            delta = delta.dot(params[2 * i].T)
            delta[sums[i - 1] <= 0] = 0
    return grads


def backward_reversed_at_the_end(params: list[Array], cache: list[Array], Y: Array) -> Any:
    logits = cache[-1].astype(np.longdouble)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    delta = np.asarray((e / e.sum(axis=1, keepdims=True) - Y) / Y.shape[0], dtype=float)
    grads = []
    for W, a in zip(params[-2::-2], cache[-2::-1], strict=True):
        grads += [np.ones(len(Y)) @ delta, (delta.T @ a).T]
        delta = (W @ delta.T).T * (a > 0)
    return grads[::-1]


def backward_by_torch(params: list[Array], cache: list[Array], Y: Array) -> Any:
    leaves = [leaf(p) for p in params]
    torch_loss(leaves, cache[0], Y)[1].backward()
    return [grad_of(p) for p in leaves]


def unbroadcast_by_loop(grad: Array, shape: tuple[int, ...]) -> Array:
    while grad.ndim > len(shape):
        grad = grad.sum(axis=0)
    for axis, length in enumerate(shape):
        if length == 1:
            grad = grad.sum(axis=axis, keepdims=True)
    return grad


def unbroadcast_by_reshape(grad: Array, shape: tuple[int, ...]) -> Array:
    padded = (1,) * (grad.ndim - len(shape)) + tuple(shape)
    axes = tuple(i for i, (g, s) in enumerate(zip(grad.shape, padded, strict=True)) if g != s)
    return np.sum(grad, axis=axes).reshape(shape)


def unbroadcast_by_counting(grad: Array, shape: tuple[int, ...]) -> Array:
    """Where did each entry come from? Number the places, broadcast the numbers, add up."""
    places = np.broadcast_to(np.arange(math.prod(shape)).reshape(shape), grad.shape)
    return np.bincount(places.ravel(), grad.ravel(), math.prod(shape)).reshape(shape)


def unbroadcast_by_add_at(grad: Array, shape: tuple[int, ...]) -> Array:
    made = np.zeros(shape)
    np.add.at(
        made.reshape(-1),
        np.broadcast_to(np.arange(made.size).reshape(shape), grad.shape).ravel(),
        grad.ravel(),
    )
    return made


def unbroadcast_by_recursion(grad: Array, shape: tuple[int, ...]) -> Any:
    if grad.ndim > len(shape):
        return unbroadcast_by_recursion(np.add.reduce(grad), shape)
    if not shape:
        return float(grad)
    if shape[0] == 1:
        return (
            unbroadcast_by_recursion(grad.sum(axis=0), shape[1:])[None]
            if len(shape) > 1
            else np.array([grad.sum()])
        )
    return np.array([unbroadcast_by_recursion(row, shape[1:]) for row in grad])


def standardise_by_jacobian(x: Array, grad: Array) -> Array:
    n, s = len(x), x.std()
    y = (x - x.mean()) / s
    jacobian = (np.eye(n) - 1 / n - np.outer(y, y) / n) / s
    return jacobian.T @ grad


def standardise_by_steps(x: Array, grad: Array) -> Array:
    """As in the paper of Ioffe and Szegedy."""
    n = x.size
    c = x - x.mean()
    v = np.mean(c**2)
    dv = np.sum(grad * c) * -0.5 * v**-1.5
    dm = np.sum(-grad / np.sqrt(v)) + dv * np.mean(-2 * c)
    return grad / np.sqrt(v) + dv * 2 * c / n + dm / n


def standardise_by_projection(x: Array, grad: Array) -> Array:
    """What is left of grad once the directions that y cannot see are taken out of it."""
    blind = scipy.linalg.orth(np.column_stack([np.ones(len(x)), x]))
    return (grad - blind @ (blind.T @ grad)) / np.std(x)


def standardise_by_loop(x: Array, grad: Array) -> Array:
    n, m = len(x), sum(x) / len(x)
    s = math.sqrt(sum((v - m) ** 2 for v in x) / n)
    made = []
    for i in range(n):
        total = 0.0
        for j in range(n):
            same = 1.0 if i == j else 0.0
            total += grad[j] * ((same - 1 / n) / s - (x[j] - m) * (x[i] - m) / (n * s**3))
        made.append(total)
    return np.array(made)


def standardise_by_torch(x: Array, grad: Array) -> Array:
    inputs = leaf(x)
    ((inputs - inputs.mean()) / inputs.std(correction=0)).backward(torch.tensor(grad))
    return grad_of(inputs)


def looking_from_both_sides(step: Callable[[float], float], tolerance: float, floor: float) -> Any:
    """One who steps by step(theta_i) and accuses beyond tolerance, or floor of the noise."""

    def find(f: Callable, theta: Array, grad: Array) -> Any:
        wrong = []
        for i in range(len(theta)):
            h = step(theta[i])
            above, below = theta.copy(), theta.copy()
            above[i] += h
            below[i] -= h
            slope = (f(above) - f(below)) / (above[i] - below[i])
            noise = floor * 2.2e-16 * abs(f(theta)) / h
            if abs(slope - grad[i]) > tolerance * max(abs(slope), abs(grad[i])) + noise:
                wrong.append(i)
        return np.array(wrong, dtype=int)

    return find


def with_a_floor_in_the_quotient(f: Callable, theta: Array, grad: Array) -> Any:
    """The relative error of CS231n's notes, with the floor that the noise asks for."""
    h = 1e-6 * np.maximum(np.abs(theta), 1e-2)
    slope = np.array([(f(theta + e) - f(theta - e)) / (2 * e.max()) for e in np.diag(h)])
    floor = 1e3 * np.finfo(float).eps * abs(f(theta)) / h
    error = np.abs(slope - grad) / np.maximum(np.maximum(np.abs(slope), np.abs(grad)), floor)
    return np.where(error > 0.01)[0]


def with_five_points(f: Callable, theta: Array, grad: Array) -> Any:
    """Richardson: two central differences cancel each other's first error."""
    found = []
    for i in range(theta.size):
        e = np.zeros(theta.size)
        e[i] = 1e-3 * theta[i]
        slope = (
            (8 * (f(theta + e) - f(theta - e)) - f(theta + 2 * e) + f(theta - 2 * e)) / 12 / e[i]
        )
        scale = max(abs(slope), abs(grad[i]), 1e-7 * abs(f(theta)) / abs(theta[i]))
        if not math.isclose(slope, grad[i], rel_tol=5e-3, abs_tol=5e-3 * scale):
            found.append(i)
    return found and np.array(found)


def with_two_steps_that_agree(f: Callable, theta: Array, grad: Array) -> Any:
    """A measurement is as good as two of it agree."""
    base, made = f(theta), []
    for i, unit in enumerate(np.eye(len(theta))):
        one, two = (
            (f(theta + h * unit) - f(theta - h * unit)) / (2 * h)
            for h in (1e-4 * abs(theta[i]), 1e-5 * abs(theta[i]))
        )
        doubt = 3 * abs(one - two) + 4e-15 * abs(base) / (1e-5 * abs(theta[i]))
        made.append(abs(one - grad[i]) > doubt + 1e-3 * abs(one))
    return np.flatnonzero(made)


def one_sided_and_relative(f: Callable, theta: Array, grad: Array) -> Any:
    """Right, though only half as many digits come out of it."""
    base = f(theta)
    h = 1e-7 * np.abs(theta)
    slope = np.array([f(theta + e) - base for e in np.diag(h)]) / h
    return np.flatnonzero(
        np.abs(slope - grad) > 1e-2 * np.abs(grad) + 100 * 2.2e-16 * abs(base) / h
    )


OTHERS: dict[str, list[Callable[..., Any]]] = {
    "heaviside": [
        by_mask,
        by_loop(lambda v: 1.0 if v >= 0 else 0.0),
        lambda z: (z >= 0).astype(float),
        lambda z: np.heaviside(z, 1),
        lambda z: 1 - 1.0 * (z < 0),
        lambda z: np.array(nested(lambda v: float(v >= 0), z.tolist())),
        lambda z: np.copysign(0.5, z + 0.0) + 0.5,
    ],
    "perceptron": [
        perceptron_by_loop,
        perceptron_with_bias_column,
        lambda X, w, b: np.where(np.einsum("nd,d->n", X, w) < b, 0.0, 1.0),
        lambda X, w, b: np.array([float(np.dot(row, w) >= b) for row in X]),
        lambda X, w, b: np.float64((X * w).sum(axis=1) - b >= 0),
        lambda X, w, b: np.heaviside(-b + np.squeeze(X @ w[:, None], axis=1), 1.0),
    ],
    "relu": [
        relu_copied,
        by_loop(lambda v: max(v, 0)),
        lambda z: z * (z > 0),
        lambda z: (z + np.abs(z)) / 2,
        lambda z: np.clip(z, 0, None),
        lambda z: np.where(z > 0, z, 0),
        lambda z: torch.relu(torch.from_numpy(z)).numpy(),
        lambda z: -np.minimum(-z, 0),
    ],
    "relu_grad": [
        relu_grad_ones,
        by_loop(lambda v: int(v > 0)),
        lambda z: 1.0 * (z > 0),
        lambda z: np.heaviside(z, 0),
        lambda z: np.sign(np.maximum(z, 0)),
        lambda z: (np.sign(z) > 0).astype(np.float64),
        lambda z: torch_slope(torch.relu, z),
    ],
    "tanh_grad": [
        by_loop(lambda v: 1 - math.tanh(v) ** 2),
        lambda z: 1 / np.cosh(z) ** 2,
        lambda z: (1 - np.tanh(z)) * (1 + np.tanh(z)),
        lambda z: 4 * scipy.special.expit(2 * z) * scipy.special.expit(-2 * z),
        lambda z: 1 - (2 * scipy.special.expit(2 * z) - 1) ** 2,
        lambda z: torch_slope(torch.tanh, z),
        lambda z: np.exp(-2 * (np.logaddexp(z, -z) - np.log(2))),
    ],
    "elu": [
        elu_by_mask,
        elu_by_where,
        elu_by_pieces,
        elu_as_torch_has_it,
        by_loop(lambda v, alpha=1.0: v if v > 0 else alpha * math.expm1(v)),
        lambda z, alpha=1.0: torch.nn.functional.elu(torch.tensor(z), alpha).numpy(),
        lambda z, alpha=1.0: np.clip(z, 0, None) + alpha * (np.exp(np.clip(z, None, 0)) - 1),
    ],
    "elu_grad": [
        elu_grad_from_elu,
        elu_grad_by_mask,
        elu_grad_by_select,
        elu_grad_by_power,
        by_loop(lambda v, alpha=1.0: 1 if v > 0 else alpha * math.exp(v)),
        lambda z, alpha=1.0: torch_slope(lambda t: torch.nn.functional.elu(t, alpha), z),
    ],
    "neuron_gradient": [
        neuron_by_expit,
        neuron_by_tanh,
        neuron_by_torch,
        neuron_by_exponentials,
        neuron_by_appended_one,
    ],
    "count_parameters": [
        count_by_recursion,
        count_by_loop,
        count_arrays,
        lambda sizes: int(np.dot(np.array(sizes[:-1]) + 1, sizes[1:])),
        lambda sizes: reduce(operator.add, map(lambda a, b: (1 + a) * b, sizes, sizes[1:])),
        lambda sizes: np.sum(np.multiply(sizes[:-1], sizes[1:])) + np.sum(sizes[1:]),
    ],
    "he_normal": [
        box_muller,
        rows_of_normals,
        he_of_another_rng,
        lambda i, o, rng: rng.standard_normal((o, i)).T * np.sqrt(2 / i),
        lambda i, o, rng: scipy.stats.norm.ppf(rng.random((i, o)), scale=np.sqrt(2 / i)),
        lambda i, o, rng: scipy.stats.norm.rvs(0, (2 / i) ** 0.5, (i, o), random_state=rng),
        lambda i, o, rng: rng.multivariate_normal(np.zeros(o), np.eye(o) * 2 / i, size=i),
    ],
    "mlp_forward": [
        forward_by_einsum,
        forward_by_recursion,
        forward_by_rows,
        forward_in_place,
        forward_with_homogeneous_ones,
    ],
    "mlp_backward": [
        backward_by_recursion,
        backward_by_rows,
        backward_from_sums,
        backward_reversed_at_the_end,
        backward_by_torch,
    ],
    "unbroadcast": [
        unbroadcast_by_loop,
        unbroadcast_by_reshape,
        unbroadcast_by_counting,
        unbroadcast_by_add_at,
        unbroadcast_by_recursion,
    ],
    "standardise_backward": [
        standardise_by_jacobian,
        standardise_by_steps,
        standardise_by_projection,
        standardise_by_loop,
        standardise_by_torch,
    ],
    "suspects": [
        looking_from_both_sides(lambda t: 1e-6 * max(1, abs(t)), 0.005, 10),
        looking_from_both_sides(lambda t: 1e-6 * abs(t), 0.01, 10),
        looking_from_both_sides(lambda t: 6e-6 * abs(t), 0.001, 5),
        looking_from_both_sides(lambda t: 1e-4 * abs(t), 0.01, 50),
        looking_from_both_sides(lambda t: 1e-5 * (1 + abs(t)), 0.01, 20),
        with_a_floor_in_the_quotient,
        with_five_points,
        with_two_steps_that_agree,
        one_sided_and_relative,
    ],
}
STYLES = [
    pytest.param(name, other, id=f"{name}-{getattr(other, '__name__', '')}-{i}")
    for name, others in OTHERS.items()
    for i, other in enumerate(others)
]


def passes(name: str, other: Callable[..., Any], seeds: range) -> None:
    for seed in seeds:
        verdict = judge(PARTS[name], f"other-{seed}", local_caller(other))
        assert (verdict.status, verdict.points) == ("passed", verdict.max_points), (
            seed,
            verdict.families,
            verdict.message,
        )


@pytest.mark.parametrize(("name", "other"), STYLES)
def test_a_right_answer_in_another_style_passes(name: str, other: Callable[..., Any]) -> None:
    passes(name, other, range(3))


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("name", "other"), STYLES)
def test_a_right_answer_in_another_style_passes_on_a_hundred_seeds(
    name: str, other: Callable[..., Any]
) -> None:
    passes(name, other, range(100))


def test_every_function_has_five_other_styles() -> None:
    assert {name for name in PARTS if "." not in name} == set(OTHERS)
    assert all(len(others) >= 5 for others in OTHERS.values())
