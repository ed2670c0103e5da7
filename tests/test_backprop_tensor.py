"""The class Tensor of the backprop set against torch, published numbers and other styles."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from micrograd.engine import Value

from autograder.judging.judge import judge, local_caller
from autograder.judging.sets import find_set
from solutions.backprop import Tensor, mlp_backward, mlp_forward
from tests.tensors import STYLES, Closures, grad_of

PARTS = [part for part in find_set("backprop").parts if part.exercise == "Tensor"]
seeds = st.integers(0, 2**32 - 1)


def close(got: Any, wanted: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


# Random graphs, the same on both sides: operations that both know by the same name.

Operation = Callable[[Any, Any], Any]
TWO: dict[str, Operation] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / (b * b + 1.0),
    "with a number": lambda a, b: 2.5 * a - b / 3 + (1 - a) * 0.5,
    "reflected": lambda a, b: 2.0 / (a * a + 1.0) - b,
}
ONE: dict[str, Callable[[Any, Any], Any]] = {
    "negative": lambda a, lib: -a,
    "square": lambda a, lib: a**2,
    "cube": lambda a, lib: (a * 0.3) ** 3,
    "root": lambda a, lib: (a * a + 1.0) ** 0.5,
    "exp": lambda a, lib: (a * 0.2).exp(),
    "log": lambda a, lib: (a * a + 1.0).log(),
    "relu": lambda a, lib: a.relu(),
    "mean over all": lambda a, lib: a + a.mean(),
    "sum kept": lambda a, lib: a - lib.reduce(a, "sum", 0, True) * 0.1,
    "mean gone": lambda a, lib: a + lib.reduce(a, "mean", -1, False).reshape(*a.shape[:-1], 1),
    "turned": lambda a, lib: a + (a.T @ a).T.sum() * 0.01 if len(a.shape) == 2 else a * 0.5,
    "reshaped": lambda a, lib: a.reshape(-1).reshape(*a.shape) * a,
}


class Library:
    """What the two sides do not call by the same names."""

    def __init__(self, axis: str, keep: str) -> None:
        self.axis, self.keep = axis, keep

    def reduce(self, a: Any, name: str, axis: int, keep: bool) -> Any:
        """A sum or a mean along an axis."""
        return getattr(a, name)(**{self.axis: axis, self.keep: keep})


TORCH, OURS = Library("dim", "keepdim"), Library("axis", "keepdims")
SHAPES = [(3, 4), (4,), (3, 1), (1, 4), (1, 1)]


def run_graph(leaves: list[Any], plan: list[tuple[str, int, int]], lib: Library) -> Any:
    nodes = list(leaves)
    for name, i, j in plan:
        if name in TWO:
            nodes.append(TWO[name](nodes[i], nodes[j]))
        else:
            nodes.append(ONE[name](nodes[i], lib))
    total = nodes[-1].sum()
    for node in nodes[:-1]:
        total = total + node.mean()
    return total


@given(seeds)
@settings(max_examples=150, deadline=None)
def test_random_graphs_with_shared_nodes_and_broadcasting_are_torchs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=SHAPES[i]) for i in rng.integers(0, len(SHAPES), 3)]
    arrays[0] = rng.normal(size=SHAPES[0])
    names, plan = [*TWO, *ONE], []
    for made in range(3, 3 + int(rng.integers(3, 12))):
        plan.append((names[rng.integers(len(names))], int(rng.integers(made)), made - 1))
    ours = [Tensor(a) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    result, wanted = run_graph(ours, plan, OURS), run_graph(theirs, plan, TORCH)
    close(result.data, wanted.detach().numpy())
    result.backward()
    wanted.backward()
    for own, their in zip(ours, theirs, strict=True):
        assert own.grad.shape == own.shape
        close(own.grad, grad_of(their))


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_axes_reshapes_and_transposes_are_torchs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 3, 4))
    axes = tuple(int(i) for i in rng.permutation(3))
    pair = tuple(int(i) for i in rng.permutation(3)[:2])
    keep = bool(rng.integers(2))
    own, their = Tensor(x), torch.tensor(x, requires_grad=True)
    result = (own.transpose(*axes).reshape(4, 6) ** 2).sum(axis=1).exp() * 1e-3
    wanted = (their.permute(*axes).reshape(4, 6) ** 2).sum(dim=1).exp() * 1e-3
    (result.sum() + (own**2).mean(axis=pair, keepdims=keep).sum()).backward()
    (wanted.sum() + (their**2).mean(dim=pair, keepdim=keep).sum()).backward()
    close(own.grad, grad_of(their), 1e-9)
    close(own.transpose(*(a - 3 for a in axes)).data, their.permute(*axes).detach().numpy())


def test_a_graph_of_five_thousand_nodes() -> None:
    """Deeper than Python's recursion goes; and it is cleared away without a crash."""
    x = Tensor(1.0)
    out = x
    for _ in range(5000):
        out = out + x * 0.001
    out.backward()
    assert x.grad == pytest.approx(1 + 5000 * 0.001)
    del out


def test_an_array_or_number_of_numpys_on_the_left_makes_a_tensor() -> None:
    t = Tensor([1.0, 2.0])
    for left in (np.array([3.0, 4.0]), np.float64(2.0), np.int64(3), 2):
        for out in (left + t, left - t, left * t, left / t):
            assert isinstance(out, Tensor)
    close((np.array([3.0, 4.0]) / t).data, [3.0, 2.0])
    close((np.array([[1.0, 2.0]]) @ Tensor([[3.0], [4.0]])).data, [[11.0]])


# Published numbers: the two examples of micrograd's README (github.com/karpathy/micrograd).


def readme_example(a: Any, b: Any, relu: Callable[[Any], Any]) -> Any:
    c = a + b
    d = a * b + b**3
    c = c + (c + 1)
    c = c + (1 + c + (-a))
    d = d + (d * 2 + relu(b + a))
    d = d + (3 * d + relu(b - a))
    e = c - d
    f = e**2
    g = f / 2.0
    return g + 10.0 / f


def test_the_example_of_micrograds_readme() -> None:
    """24.7041, 138.8338 and 645.5773, as printed there; and micrograd itself, to rounding."""
    a, b = Tensor(-4.0), Tensor(2.0)
    g = readme_example(a, b, lambda t: t.relu())
    g.backward()
    assert f"{g.data:.4f} {a.grad:.4f} {b.grad:.4f}" == "24.7041 138.8338 645.5773"
    va, vb = Value(-4.0), Value(2.0)
    value = readme_example(va, vb, lambda t: t.relu())
    value.backward()
    close([g.data, a.grad, b.grad], [value.data, va.grad, vb.grad])


def test_the_neuron_of_karpathys_lecture() -> None:
    """x1 = 2, w1 = -3, x2 = 0, w2 = 1, b = 6.8813735870195432: tanh gives 0.7071, the gradients
    are -1.5, 1.0, 0.5 and 0 (his lecture "building micrograd", 2022)."""
    x1, w1, x2, w2 = Tensor(2.0), Tensor(-3.0), Tensor(0.0), Tensor(1.0)
    n = x1 * w1 + x2 * w2 + 6.8813735870195432
    e = (2 * n).exp()
    o = (e - 1) / (e + 1)
    o.backward()
    close([o.data], [np.sqrt(0.5)], 1e-9)
    close([x1.grad, w1.grad, x2.grad, w2.grad], [-1.5, 1.0, 0.5, 0.0], 1e-9)


# A network, three ways.


@pytest.mark.parametrize("sizes", [(5, 4, 3), (7, 6, 5, 4, 3), (4, 3)])
def test_mlp_backward_is_what_tensor_torch_and_differences_say(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(6)
    params = []
    for fan_in, fan_out in pairwise(sizes):
        params += [rng.normal(size=(fan_in, fan_out)), rng.normal(size=fan_out)]
    X, labels = rng.normal(size=(9, sizes[0])), rng.integers(0, sizes[-1], 9)
    Y = np.eye(sizes[-1])[labels]
    grads = mlp_backward(params, mlp_forward(params, X)[1], Y)

    ours = [Tensor(p) for p in params]
    a: Any = X
    for W, b in zip(ours[0:-2:2], ours[1:-2:2], strict=True):
        a = (a @ W + b).relu()
    logits = a @ ours[-2] + ours[-1]
    loss = (logits.exp().sum(axis=1).log() - (logits * Y).sum(axis=1)).mean()
    loss.backward()

    theirs = [torch.tensor(p, requires_grad=True) for p in params]
    t = torch.tensor(X)
    for weights, bias in zip(theirs[0:-2:2], theirs[1:-2:2], strict=True):
        t = torch.relu(t @ weights + bias)
    t = t @ theirs[-2] + theirs[-1]
    torch.nn.functional.cross_entropy(t, torch.tensor(labels)).backward()

    def value(k: int, at: tuple[int, ...], step: float) -> float:
        moved = [np.array(p) for p in params]
        moved[k][at] += step
        z = mlp_forward(moved, X)[0]
        return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(9), labels]))

    for k, grad in enumerate(grads):
        close(grad, ours[k].grad)
        close(grad, grad_of(theirs[k]))
        for at in [tuple(0 for _ in grad.shape), tuple(n - 1 for n in grad.shape)]:
            difference = (value(k, at, 1e-6) - value(k, at, -1e-6)) / 2e-6
            assert grad[at] == pytest.approx(difference, abs=1e-8)


# Other people's ways to write it.


def verdicts(cls: Callable[..., Any], seed: str) -> dict[str, str]:
    return {part.name: judge(part, seed, local_caller(cls)).status for part in PARTS}


@pytest.mark.parametrize("style", STYLES)
def test_unusual_right_styles_have_full_marks(style: str) -> None:
    for seed in ("a", "b", "c"):
        assert set(verdicts(STYLES[style], seed).values()) == {"passed"}


@pytest.mark.full
@pytest.mark.parametrize("style", STYLES)
def test_unusual_right_styles_have_full_marks_on_a_hundred_seeds(style: str) -> None:
    for seed in range(100):
        assert set(verdicts(STYLES[style], f"style-{seed}").values()) == {"passed"}


# Wrong for every graph, or for numbers that meet arrays: these reach further than their step.
FAR = {"from_the_front", "stepped_already", "sum_in_place"}
FAR |= {"not_unbroadcast", "axis_of_length_one_left"}


def test_a_mistake_of_one_step_fails_no_other_that_does_not_stand_after_it() -> None:
    for part in PARTS:
        for mistake in part.mistakes:
            if mistake.name in FAR:
                continue
            told = verdicts(mistake.wrong, "steps")
            for other in PARTS:
                if other is not part and told[other.name] != "passed":
                    assert part.name in other.after, (mistake.name, other.name)


def test_a_step_can_be_right_while_others_are_not() -> None:
    """Sums are wrong by a factor: what needs no sum has its points all the same."""

    class Half(Closures):
        def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
            return super().sum(axis, keepdims) * 0.5

        def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
            return super().sum(axis, keepdims) / 7

    Half.__name__ = "Tensor"
    told = verdicts(Half, "half")
    alone = ("data_and_grad", "add_and_multiply", "used_twice", "diamond", "backward_twice")
    assert {told[f"Tensor.{name}"] for name in alone} == {"passed"}
    for part in PARTS:
        if told[part.name] != "passed" and part.name != "Tensor.sum_and_mean":
            assert "Tensor.sum_and_mean" in part.after


# Learners' own ways to get it wrong, in code that shares nothing with the mistakes' own.


def as_micrograd_has_it(self: Any) -> None:
    """What nodes in the middle got in the first call is still there in the second."""
    order: list[Any] = []

    def visit(node: Any) -> None:
        if node not in order:
            for parent in node._prev:
                visit(parent)
            order.append(node)

    visit(self)
    self.grad = np.ones_like(self.data)
    for node in reversed(order):
        node._backward()


def as_stretched(made: Any, value: Any, *pairs: Any) -> Any:
    out = Closures(value, [p for p, _ in pairs])

    def push() -> None:
        for parent, rule in pairs:
            parent.grad = parent.grad + rule(out.grad)

    out._backward = push
    return out


def ones_for_all(self: Any, axis: Any = None, keepdims: bool = False) -> Any:
    value = self.data.sum(axis=axis, keepdims=keepdims)
    return self._made(value, (self, lambda g: np.ones(self.data.shape)))


WRONG: list[tuple[str, str, str, Any]] = [
    ("backward_twice", "middle_handed_on_again", "backward", as_micrograd_has_it),
    ("broadcasting", "stretched_shape_kept", "_made", as_stretched),
    ("add_and_multiply", "nothing_comes_back", "backward", lambda self: None),
    ("sum_and_mean", "sum_hands_back_ones", "sum", ones_for_all),
    (
        "sum_and_mean",
        "mean_over_the_rows",
        "mean",
        lambda self, axis=None, keepdims=False: self.sum(axis, keepdims) / len(self.data),
    ),
    (
        "matmul",
        "array_on_the_wrong_side",
        "__rmatmul__",
        lambda self, other: self @ Closures(other),
    ),
    ("reshaping", "T_leaves_the_graph", "T", property(lambda self: Closures(self.data.T))),
    (
        "exp_log_relu",
        "log_slope_at_the_output",
        "log",
        lambda self: self._made(np.log(self.data), (self, lambda g: g / np.log(self.data))),
    ),
]


@pytest.mark.parametrize(("step", "mistake", "method", "written"), WRONG)
def test_what_learners_write_is_named(
    step: str, mistake: str, method: str, written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Closures, method, written)
    part = next(part for part in PARTS if part.name == f"Tensor.{step}")
    for seed in ("a", "b", "c"):
        assert judge(part, seed, local_caller(Closures)).mistake == mistake


def test_two_parents_that_share_an_array_are_told_so_and_other_errors_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = next(part for part in PARTS if part.name == "Tensor.used_twice")

    def made(self: Any, value: Any, *pairs: Any) -> Any:
        out = Closures(value, [p for p, _ in pairs])

        def push() -> None:
            out.grad = np.asarray(out.grad)
            for parent, rule in pairs:
                share = np.asarray(rule(out.grad))
                if parent.grad.any():
                    parent.grad += share
                else:
                    parent.grad = share

        out._backward = push
        return out

    monkeypatch.setattr(Closures, "_made", made)
    sharing = {judge(part, seed, local_caller(Closures)).mistake for seed in ("a", "b", "c")}

    class Refusing(Closures):
        def __init__(self, data: Any, _parents: Any = ()) -> None:
            raise TypeError("shape is a method")

    assert judge(part, "a", local_caller(Refusing)).mistake is None
    assert sharing == {"one_array_for_two"}
