"""The torch_gpu set against the NumPy functions of chapters 4 to 8 and torch's own optimisers, and
other right answers before the judge."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook
from torch import nn
from torch.nn import functional

from autograder.engine.warm.handle import default_runner
from autograder.grading.grade import grade
from autograder.judging.judge import judge, local_caller
from autograder.judging.sets import find_set
from autograder.judging.verdict import Verdict
from autograder.release.notebook import check_cell
from autograder.submissions.read import Submission
from solutions.adam import adam_step
from solutions.backprop import mlp_backward, mlp_forward
from solutions.experiments import sgd_momentum_update
from solutions.logistic_regression import cross_entropy
from solutions.torch_gpu import (
    time_step,
    to_torch,
    torch_adam_step,
    torch_forward,
    torch_loss,
    torch_sgd_momentum_step,
)
from tests import by_cells
from tests.by_cells import edited

Array = np.ndarray
SET = find_set("torch_gpu")
PARTS = {part.name: part for part in SET.parts}
ROOT = Path(__file__).parent.parent
SHAPES = [[5, 3], [4, 6, 3], [3, 7, 5, 4], [6, 6, 6]]


def close(got: Any, wanted: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def verdict_on(name: str, answer: Any, seed: Any = 0) -> Verdict:
    return judge(PARTS[name], f"other-{seed}", local_caller(answer))


def a_network(sizes: list[int], n: int, seed: int = 0) -> tuple[list[Array], Array, Array]:
    """Parameters, inputs and labels."""
    rng = np.random.default_rng(seed)
    params = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        params += [rng.normal(size=(fan_in, fan_out)), rng.normal(size=fan_out)]
    return params, rng.normal(size=(n, sizes[0])), rng.integers(0, sizes[-1], n)


def in_tensors(params: list[Array], dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    return [torch.tensor(p, dtype=dtype, requires_grad=True) for p in params]


def arrays(tensors: list[torch.Tensor]) -> list[Array]:
    return [t.detach().double().numpy() for t in tensors]


def numpy_gradients(params: list[Array], X: Array, labels: Array) -> list[Array]:
    logits, cache = mlp_forward(params, X)
    return mlp_backward(params, cache, np.eye(logits.shape[1])[labels])


# The references are the NumPy functions of other chapters


@pytest.mark.parametrize("sizes", SHAPES, ids=str)
@pytest.mark.parametrize("n", [1, 7])
def test_logits_loss_and_gradients_are_those_of_chapters_6_and_7(sizes: list[int], n: int) -> None:
    params, X, labels = a_network(sizes, n)
    leaves = to_torch(params, "cpu", torch.float64)
    logits = torch_forward(leaves, torch.tensor(X))
    wanted, _ = mlp_forward(params, X)
    close(logits.detach().numpy(), wanted)
    loss = torch_loss(leaves, torch.tensor(X), torch.tensor(labels))
    assert loss.shape == () and loss.dtype == torch.float64
    close(loss.item(), cross_entropy(wanted, labels))
    loss.backward()
    for leaf, g in zip(leaves, numpy_gradients(params, X, labels), strict=True):
        assert leaf.grad is not None
        close(leaf.grad.numpy(), g)


@pytest.mark.parametrize("size", [1e3, 1e6])
def test_the_loss_of_large_logits_is_that_of_chapter_7(size: float) -> None:
    params, X, labels = a_network([4, 3], 9)
    params = [size * p for p in params]
    got = torch_loss(in_tensors(params), torch.tensor(X), torch.tensor(labels))
    close(got.item(), cross_entropy(mlp_forward(params, X)[0], labels))


@pytest.mark.parametrize("sizes", SHAPES, ids=str)
@pytest.mark.parametrize("beta", [0.0, 0.9])
def test_momentum_walks_as_chapter_8_does(sizes: list[int], beta: float) -> None:
    params, X, labels = a_network(sizes, 8)
    velocity = [np.zeros_like(p) for p in params]
    ours, speeds = to_torch(params, "cpu", torch.float64), [torch.tensor(v) for v in velocity]
    for _ in range(20):
        ours, speeds = torch_sgd_momentum_step(
            ours, speeds, torch.tensor(X), torch.tensor(labels), 0.1, beta
        )
        grads = numpy_gradients(params, X, labels)
        params, velocity = sgd_momentum_update(params, grads, velocity, 0.1, beta)
        for got, wanted in zip([*arrays(ours), *arrays(speeds)], [*params, *velocity], strict=True):
            close(got, wanted, 1e-10)


def test_momentum_is_torchs_with_dampening() -> None:
    """torch does not dampen its first step: ours starts where torch's stands after one."""
    params, X, labels = a_network([4, 6, 3], 8)
    inputs, targets = torch.tensor(X), torch.tensor(labels)
    theirs = in_tensors(params)
    optimiser = torch.optim.SGD(theirs, lr=0.1, momentum=0.9, dampening=0.9)
    ours: list[torch.Tensor] = []
    for step in range(10):
        if step == 1:
            ours = [p.detach().clone().requires_grad_() for p in theirs]
            speeds = [optimiser.state[p]["momentum_buffer"].clone() for p in theirs]
        optimiser.zero_grad()
        torch_loss(theirs, inputs, targets).backward()
        optimiser.step()
        if step:
            ours, speeds = torch_sgd_momentum_step(ours, speeds, inputs, targets, 0.1, 0.9)
            for a, b in zip(arrays(ours), arrays(theirs), strict=True):
                close(a, b)


@pytest.mark.parametrize("sizes", SHAPES, ids=str)
@pytest.mark.parametrize("eps", [1e-8, 0.3])
def test_adam_walks_as_chapter_5_does_and_as_torchs(sizes: list[int], eps: float) -> None:
    params, X, labels = a_network(sizes, 8)
    inputs, targets = torch.tensor(X), torch.tensor(labels)
    settings = dict(lr=0.02, beta1=0.8, beta2=0.95, eps=eps)
    ours, theirs = in_tensors(params), in_tensors(params)
    m, v = ([torch.zeros_like(p) for p in theirs] for _ in range(2))
    m_np, v_np = ([np.zeros_like(p) for p in params] for _ in range(2))
    optimiser = torch.optim.Adam(theirs, lr=0.02, betas=(0.8, 0.95), eps=eps)
    for t in range(1, 31):
        ours, m, v = torch_adam_step(ours, m, v, t, inputs, targets, **settings)
        optimiser.zero_grad()
        torch_loss(theirs, inputs, targets).backward()
        optimiser.step()
        grads = numpy_gradients(params, X, labels)
        steps = [
            adam_step(*state, t, **settings)
            for state in zip(params, grads, m_np, v_np, strict=True)
        ]
        params, m_np, v_np = (list(part) for part in zip(*steps, strict=True))
        for got, wanted, his in zip(arrays(ours), params, arrays(theirs), strict=True):
            close(got, wanted, 1e-8)
            close(got, his, 1e-8)
        for got, wanted in zip(arrays([*m, *v]), [*m_np, *v_np], strict=True):
            close(got, wanted, 1e-8)


def test_adams_defaults_are_torchs() -> None:
    params, X, labels = a_network([4, 3], 8)
    inputs, targets = torch.tensor(X), torch.tensor(labels)
    theirs = in_tensors(params)
    torch_loss(theirs, inputs, targets).backward()
    torch.optim.Adam(theirs).step()
    zeros = [torch.zeros_like(p) for p in theirs]
    ours, _m, _v = torch_adam_step(in_tensors(params), zeros, zeros, 1, inputs, targets)
    for a, b in zip(arrays(ours), arrays(theirs), strict=True):
        close(a, b)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_what_comes_back_can_be_stepped_from_and_leaves_the_arguments_alone(
    dtype: torch.dtype,
) -> None:
    params, X, labels = a_network([4, 6, 3], 8)
    leaves = to_torch(params, "cpu", dtype)
    zeros = [torch.zeros_like(p) for p in leaves]
    held = [*leaves, *zeros]
    before = arrays(held)
    inputs, targets = torch.tensor(X, dtype=dtype), torch.tensor(labels)
    new, velocity = torch_sgd_momentum_step(leaves, zeros, inputs, targets, 0.1, 0.9)
    new2, m, v = torch_adam_step(leaves, zeros, zeros, 1, inputs, targets)
    for p in (*new, *new2):
        assert p.is_leaf and p.requires_grad and p.grad is None and p.dtype == dtype
    for state in (*velocity, *m, *v):
        assert not state.requires_grad and state.grad_fn is None and state.dtype == dtype
    assert all(p.grad is None for p in leaves)
    assert all(map(np.array_equal, before, arrays(held)))


def test_a_tensor_of_the_references_shares_no_memory() -> None:
    for dtype in (np.float64, np.float32):
        W = np.ones((2, 3), dtype)
        (leaf,) = to_torch([W], "cpu", getattr(torch, np.dtype(dtype).name))
        W[:] = 7
        assert leaf.detach().unique().tolist() == [1.0]
        with torch.no_grad():
            leaf += 1
        assert np.unique(W).tolist() == [7.0]


# The clock


def test_the_median_of_real_calls_lies_among_them() -> None:
    """No time is asserted: the clock counts its readings."""
    ticks = itertools.count()
    assert time_step(lambda: None, lambda: None, 4, lambda: next(ticks)) == 1.0
    assert time_step(lambda: None, lambda: None, 3) >= 0.0


@pytest.mark.parametrize("repeats", [1, 2, 5, 6])
def test_the_median_is_pythons(repeats: int) -> None:
    taken = list(np.random.default_rng(repeats).random(repeats))
    now = [0.0]
    calls = iter([9.0, *taken])

    def step() -> None:
        now[0] += next(calls)

    got = time_step(step, lambda: None, repeats, lambda: now[0])
    close(got, statistics.median(taken))
    assert next(calls, None) is None


# What the checks say of known mistakes. `lint` compares a mistake with itself; here each is drawn
# anew, as a learner's would be.

KNOWN = [(part.name, mistake.name) for part in SET.parts for mistake in part.mistakes]


@pytest.mark.parametrize(("part", "mistake"), KNOWN)
def test_a_mistake_is_named_when_somebody_else_makes_it(part: str, mistake: str) -> None:
    wrong = next(m.wrong for m in PARTS[part].mistakes if m.name == mistake)
    verdict = verdict_on(part, wrong)
    assert verdict.mistake == mistake, verdict
    assert verdict.points < verdict.max_points


def notebook_with(**cells: str) -> dict[str, Any]:
    """What the names of a notebook stand for whose cells hold the references, or other code."""
    names: dict[str, Any] = {"np": np, "torch": torch, "functional": functional, "nn": nn}
    names |= {"time": time, "statistics": statistics}
    return by_cells.notebook_with(SET, names, cells)


# Slips that no mistake of the set makes, and what is said of them: a name, or a piece of the
# message.

_MAKE = "torch.tensor(p, dtype=dtype, device=device, requires_grad=True)"
_LOSS = "functional.cross_entropy(torch_forward(params, X), labels)"
_GRADS = "torch.autograd.grad(loss, params)"
_SPEED = "[beta * v + (1 - beta) * g for v, g in zip(velocity, grads, strict=True)]"
_BACKWARD = "(loss.backward(), [p.grad for p in params])[1]"
_LAST = "a @ params[-2] + params[-1]"
_MOVE = "params = [p - lr * v for p, v in zip(params, velocity, strict=True)]"

TOLD: list[tuple[str, dict[str, str], str | None, str]] = [
    ("to_torch", {_MAKE: "torch.as_tensor(p, dtype=dtype).requires_grad_()"}, None, "is wrong"),
    (
        "to_torch",
        {_MAKE: "torch.as_tensor(p, dtype=dtype, device=device).requires_grad_()"},
        "memory_shared",
        "",
    ),
    ("to_torch", {_MAKE: "p"}, None, "what comes back"),
    (
        "to_torch",
        {_MAKE: "nn.Parameter(torch.from_numpy(p).to(device, dtype))"},
        "memory_shared",
        "",
    ),
    ("torch_forward", {_LAST: f"({_LAST}).tolist()"}, None, "what comes back"),
    ("torch_forward", {_LAST: f"torch.tensor(({_LAST}).tolist())"}, None, "in dtypes"),
    ("torch_forward", {"torch.relu(": "np.maximum(0, "}, "numpys_maximum", ""),
    ("torch_forward", {_LAST: "a * params[-2] + params[-1]"}, None, "It raises"),
    ("torch_loss", {_LOSS: f"float({_LOSS})"}, "a_float", ""),
    ("torch_loss", {_LOSS: f"{_LOSS}.data"}, "graph_cut_off", ""),
    ("torch_loss", {"X), labels)": "X), labels.float())"}, "labels_of_another_dtype", ""),
    ("torch_loss", {"X), labels)": "X), labels.int())"}, "labels_of_another_dtype", ""),
    ("torch_loss", {_LOSS: f"2 * {_LOSS}"}, None, "in loss"),
    # torch has NotImplementedErrors of its own: these bodies are written.
    (
        "torch_loss",
        {"torch_forward(params, X), labels": "labels, torch_forward(params, X)"},
        "exchanged",
        "",
    ),
    (
        "torch_loss",
        {_LOSS: "torch.exp(torch_forward(params, X).to_sparse().to_mkldnn())"},
        None,
        "It raises",
    ),
    (
        "torch_loss",
        {_LOSS: f"torch.clamp({_LOSS}, max=27.6)"},
        "capped",
        "",
    ),
    (
        "torch_forward",
        {"a = X": "a, params = X.float(), [p.float() for p in params]"},
        "always_float32_inside",
        "",
    ),
    (
        "torch_sgd_momentum_step",
        {
            f"grads = {_GRADS}": "loss.backward()",
            _SPEED: "[beta * v + (1 - beta) * p.grad for v, p in zip(velocity, params)]",
            _MOVE: "for p, v in zip(params, velocity):\n            p -= lr * v\n"
            "            p.grad.zero_()",
        },
        "tutorials_loop_with_clearing",
        "",
    ),
    (
        "torch_loss",
        {_LOSS: "functional.cross_entropy(torch_forward([p.detach() for p in params], X), labels)"},
        "graph_cut_off",
        "",
    ),
    (
        "torch_sgd_momentum_step",
        {_GRADS: _BACKWARD},
        "gradients_added_up",
        "",
    ),
    (
        "torch_sgd_momentum_step",
        {_SPEED: _SPEED.replace("* g", "* g.item()")},
        None,
        "It raises",
    ),
    (
        "torch_sgd_momentum_step",
        {"for p in params], velocity": "for p in params], [v.requires_grad_() for v in velocity]"},
        "velocity_on_a_graph",
        "",
    ),
    (
        "torch_sgd_momentum_step",
        {"return [p.requires_grad_() for p in params], velocity": "return None"},
        "params_alone",
        "",
    ),
    (
        "torch_adam_step",
        {"return [p.requires_grad_() for p in moved], m, v": "return moved[0], m, v"},
        "adam_params_alone",
        "",
    ),
    ("torch_adam_step", {"v_hat.sqrt()": "np.sqrt(v_hat)"}, "adam_copied_to_the_cpu", ""),
    (
        "torch_adam_step",
        {
            "loss = torch_loss(params, X, labels)": "loss = torch_loss(params, X, "
            "labels)\n    print(loss.item())"
        },
        "adam_copied_to_the_cpu",
        "",
    ),
    ("time_step", {"float(np.median(seconds))": "seconds"}, None, ""),
    ("time_step", {"float(np.median(seconds))": "None"}, None, ""),
    ("time_step", {"range(repeats)": "range(100)"}, None, "calls of step"),
    ("time_step", {"clock() - start": "clock()"}, None, "in seconds"),
]


def changed(part: str, changes: dict[str, str]) -> Any:
    """The reference of a part, with other code in some places."""
    text = edited(PARTS[part].reference, changes)
    return notebook_with(**{part: text})[part]


@pytest.mark.parametrize(("part", "changes", "mistake", "message"), TOLD)
def test_what_is_said_is_so(
    part: str, changes: dict[str, str], mistake: str | None, message: str
) -> None:
    for seed in range(3):
        verdict = verdict_on(part, changed(part, changes), seed)
        assert verdict.status != "passed"
        assert verdict.mistake == mistake, verdict
        assert message in verdict.message, verdict


# Other styles that are right


STYLES = {
    "backward on copies, append, torch's own pieces": dict(
        to_torch="""
def to_torch(params, device, dtype):
    for i, p in enumerate(params):
        t = torch.from_numpy(p.copy()).to(device=device, dtype=dtype)
        t.requires_grad = True
        params[i] = t
    return params
""",
        torch_forward="""
def torch_forward(params, X):
    h = X
    n = len(params) // 2
    for i in range(n):
        h = torch.matmul(h, params[2 * i]) + params[2 * i + 1]
        if i < n - 1:
            h = h.clamp(min=0)
    return h
""",
        torch_loss="""
def torch_loss(params, X, labels):
    return nn.CrossEntropyLoss()(torch_forward(params, X), labels)
""",
        torch_sgd_momentum_step="""
def torch_sgd_momentum_step(params, velocity, X, labels, lr, beta):
    copies = [p.detach().clone().requires_grad_(True) for p in params]
    torch_loss(copies, X, labels).backward()
    new_velocity, new_params = [], []
    with torch.no_grad():
        for p, v in zip(copies, velocity):
            v = v.clone()
            v.mul_(beta).add_(p.grad, alpha=1 - beta)
            new_velocity.append(v)
            p -= lr * v
    for p in copies:
        new_params.append(p.detach().requires_grad_())
    return new_params, new_velocity
""",
        torch_adam_step="""
def torch_adam_step(params, m, v, t, X, labels, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    copies = [p.detach().clone().requires_grad_(True) for p in params]
    torch_loss(copies, X, labels).backward()
    out = [], [], []
    for p, a, b in zip(copies, m, v):
        g = p.grad
        a = torch.lerp(a, g, 1 - beta1)
        b = beta2 * b + (1 - beta2) * g * g
        step = lr / (1 - beta1**t)
        root = torch.sqrt(b) / (1 - beta2**t) ** 0.5
        out[0].append((p.data - step * a / (root + eps)).requires_grad_())
        out[1].append(a)
        out[2].append(b)
    return out
""",
        time_step="""
def time_step(step, synchronize, repeats, clock=time.perf_counter):
    step()
    synchronize()
    readings = [clock()]
    for i in range(repeats):
        step()
        synchronize()
        readings.append(clock())
    return statistics.median(b - a for a, b in zip(readings, readings[1:]))
""",
    ),
    "detached at the end, no autograd.grad, no functional": dict(
        to_torch="""
def to_torch(params, device, dtype):
    return [nn.Parameter(torch.tensor(p).to(device).to(dtype)) for p in params]
""",
        torch_forward="""
def torch_forward(params, X):
    *hidden, W, b = params
    while hidden:
        V, c, *hidden = hidden
        X = torch.addmm(c, X, V).relu()
    return X.mm(W).add(b)
""",
        torch_loss="""
def torch_loss(params, X, labels):
    logits = torch_forward(params, X)
    n = logits.shape[0]
    rows = torch.arange(n, device=logits.device)
    return (torch.logsumexp(logits, dim=1) - logits[rows, labels]).sum() / n
""",
        torch_sgd_momentum_step="""
def torch_sgd_momentum_step(params, velocity, X, labels, lr, beta):
    saved = [p.grad for p in params]
    for p in params:
        p.grad = None
    loss = torch_loss(params, X, labels)
    loss.backward()
    velocity = [(beta * v + (1 - beta) * p.grad).detach() for v, p in zip(velocity, params)]
    new = [(p - lr * v).detach().requires_grad_(True) for p, v in zip(params, velocity)]
    for p, g in zip(params, saved):
        p.grad = g
    return tuple(new), tuple(velocity)
""",
        torch_adam_step="""
def torch_adam_step(params, m, v, t, X, labels, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    grads = torch.autograd.grad(torch_loss(params, X, labels), params)
    m = [a + (1 - beta1) * (g - a) for a, g in zip(m, grads)]
    v = [b.clone().mul_(beta2).addcmul_(g, g, value=1 - beta2) for b, g in zip(v, grads)]
    new = []
    for i in range(len(params)):
        m_hat, v_hat = m[i] / (1 - beta1**t), v[i] / (1 - beta2**t)
        update = -lr * m_hat / (v_hat**0.5 + eps)
        new.append(torch.clone((params[i] + update).detach()))
        new[-1].requires_grad = True
    return new, m, v
""",
        time_step="""
def time_step(step, synchronize, repeats, clock=time.perf_counter):
    synchronize()
    step()
    synchronize()
    seconds = np.zeros(repeats)
    for i in range(repeats):
        synchronize()
        start = clock()
        step()
        synchronize()
        seconds[i] = clock() - start
    seconds.sort()
    return float((seconds[(repeats - 1) // 2] + seconds[repeats // 2]) / 2)
""",
    ),
    "one-hot labels, a step at a time": dict(
        torch_loss="""
def torch_loss(params, X, labels):
    logits = torch_forward(params, X)
    Y = torch.zeros_like(logits).scatter(1, labels[:, None], 1.0)
    return -(Y * torch.log_softmax(logits, dim=-1)).sum(dim=1).mean()
""",
        torch_sgd_momentum_step="""
def torch_sgd_momentum_step(params, velocity, X, labels, lr, beta):
    grads = torch.autograd.grad(torch_loss(params, X, labels), params, retain_graph=True)
    with torch.no_grad():
        velocity = torch._foreach_mul(velocity, beta)
        torch._foreach_add_(velocity, grads, alpha=1 - beta)
        params = torch._foreach_sub(params, torch._foreach_mul(velocity, lr))
    for p in params:
        p.requires_grad_()
    return list(params), list(velocity)
""",
    ),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("part", PARTS)
def test_other_styles_are_right(style: str, part: str) -> None:
    names = notebook_with(**STYLES[style])
    for seed in range(3):
        verdict = verdict_on(part, names[part], seed)
        assert verdict.status == "passed", (seed, verdict)


# Cheap answers

CHEAP: dict[str, list[Callable[..., Any]]] = {
    "to_torch": [
        lambda params, device, dtype: params,
        lambda params, device, dtype: [torch.zeros(p.shape) for p in params],
    ],
    "torch_forward": [
        lambda params, X: X @ params[0] + params[1],
        lambda params, X: torch.zeros(len(X), len(params[-1])),
    ],
    "torch_loss": [
        lambda params, X, labels: torch.tensor(0.5, requires_grad=True),
        lambda params, X, labels: (params[0] ** 2).mean(),
    ],
    "torch_sgd_momentum_step": [
        lambda params, velocity, X, labels, lr, beta: (params, velocity),
        lambda params, velocity, X, labels, lr, beta: (
            [(p - lr * v).detach().requires_grad_() for p, v in zip(params, velocity, strict=True)],
            velocity,
        ),
    ],
    "torch_adam_step": [lambda params, m, v, t, X, labels, *settings: (params, m, v)],
    "time_step": [
        lambda step, synchronize, repeats, clock=time.perf_counter: 0.003,
        lambda step, synchronize, repeats, clock=time.perf_counter: (step(), clock())[1],
    ],
}


@pytest.mark.parametrize("name", CHEAP)
def test_what_ignores_the_idea_gets_less_than_a_third(name: str) -> None:
    for answer in CHEAP[name]:
        assert verdict_on(name, answer).points < PARTS[name].points / 3, answer


# Answers that take the stand-in apart


APART = """
import time
def time_step(step, synchronize, repeats, clock=time.perf_counter):
    device = step.__closure__[0].cell_contents
    parts = {n: c.cell_contents for n, c in zip(device.__code__.co_freevars, device.__closure__)}
    seconds = parts["seconds"][1 : repeats + 1]
    for _ in range(repeats + 1):
        step()
    synchronize()
    clock()
    return sorted(seconds)[repeats // 2]
"""
MADE_UP = """
import time
def time_step(step, synchronize, repeats, clock=time.perf_counter):
    cell = step.__closure__[0]
    device = cell.cell_contents
    def lies(what):
        return [repeats + 1, 2 * repeats, 0] if what == "report" else device(what)
    cell.cell_contents = lies
    step()
    synchronize()
    seconds = []
    for _ in range(repeats):
        start = clock()
        step()
        clock()
        synchronize()
        seconds.append(clock() - start)
    return float(sorted(seconds)[repeats // 2] + sorted(seconds)[(repeats - 1) // 2]) / 2
"""


@pytest.mark.parametrize("source", [APART, MADE_UP], ids=["apart", "made_up"])
def test_who_takes_the_stand_in_apart_gets_nothing_by_it(source: str) -> None:
    """Its times and its log are the judge's."""
    part = PARTS["time_step"]
    notebook = new_notebook(cells=[new_code_cell(source), check_cell(part)])
    exercises = replace(SET, exercises=tuple(e for e in SET.exercises if part in e.parts))
    done = grade(Submission(notebook), exercises, "7", default_runner())
    assert done.verdicts["time_step"].points < part.points / 3
