"""The experiments set against independent truth: torch, SciPy, and NumPy written by hand."""

from __future__ import annotations

import itertools
import time
import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import scipy.stats
import torch

from autograder.engine.warm.handle import default_runner
from autograder.exercise import AuthorError
from autograder.grading.grade import grade
from autograder.judging.judge import judge, local_caller
from autograder.judging.sets import find_set, load_set
from autograder.judging.verdict import Verdict
from autograder.release.byhand import released_answers
from autograder.release.given import given_text
from autograder.release.notebook import instructor_notebook
from autograder.submissions.read import Submission
from autograder.submissions.repair import repair
from solutions.experiments import (
    MLP,
    TENSOR,
    Linear,
    Tensor,
    cross_entropy,
    run_experiment,
    sgd_momentum_update,
    train_epoch,
)
from tests import by_cells, tensors
from tests.by_cells import edited

Array = np.ndarray
SET = find_set("experiments")
PARTS = {part.name: part for part in SET.parts}
ROOT = Path(__file__).parent.parent


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def close(got: Any, wanted: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def verdict_on(name: str, answer: Any, seed: Any = 0) -> Verdict:
    return judge(PARTS[name], f"other-{seed}", local_caller(answer))


# Truth, written by hand and by torch


def weights_of(sizes: list[int], init: str, rng: np.random.Generator) -> list[Array]:
    """A flat list as MLP's, drawn in the order that the docstrings promise."""
    params = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        bound, shape = fan_in**-0.5, (fan_in, fan_out)
        if init == "uniform":
            drawn = rng.uniform(-bound, bound, shape)
        elif init == "he":
            drawn = rng.normal(0, bound * 2**0.5, shape)
        else:
            drawn = np.full(shape, float(init == "ones"))
        params += [drawn, np.zeros(fan_out)]
    return params


def numpy_pass(params: list[Array], X: Array, y: Array) -> tuple[float, list[Array], Array]:
    """Mean loss, its gradients and the logits, without any Tensor."""
    layers = [(params[i], params[i + 1]) for i in range(0, len(params), 2)]
    inputs, sums = [X], []
    for i, (W, b) in enumerate(layers):
        sums.append(inputs[-1] @ W + b)
        inputs.append(np.maximum(sums[-1], 0) if i < len(layers) - 1 else sums[-1])
    logits = inputs[-1]
    log_shares = logits - scipy.special.logsumexp(logits, axis=1, keepdims=True)
    loss = -log_shares[np.arange(len(y)), y].mean()
    delta = np.exp(log_shares)
    delta[np.arange(len(y)), y] -= 1
    delta /= len(y)
    grads: list[Array] = []
    for i in range(len(layers) - 1, -1, -1):
        grads = [inputs[i].T @ delta, delta.sum(axis=0), *grads]
        if i:
            delta = (delta @ layers[i][0].T) * (sums[i - 1] > 0)
    return float(loss), grads, logits


def torch_pass(params: list[Array], X: Array, y: Array) -> tuple[float, list[Array], Array]:
    leaves = [torch.tensor(p, requires_grad=True) for p in params]
    x = torch.tensor(X)
    for i in range(0, len(leaves), 2):
        x = x @ leaves[i] + leaves[i + 1]
        x = torch.relu(x) if i < len(leaves) - 2 else x
    loss = torch.nn.functional.cross_entropy(x, torch.tensor(y))
    loss.backward()
    return loss.item(), [tensors.grad_of(leaf) for leaf in leaves], x.detach().numpy()


PASSES = {"numpy": numpy_pass, "torch": torch_pass}


def an_epoch(
    one_pass: Callable[..., Any],
    params: list[Array],
    velocity: list[Array],
    X: Array,
    y: Array,
    size: int | None,
    lr: float,
    beta: float,
    rng: np.random.Generator,
) -> tuple[list[float], list[Array], list[Array]]:
    size = size or len(y)
    order, losses = rng.permutation(len(y)), []
    for rows in np.split(order, range(size, len(y), size)):
        loss, grads, _ = one_pass(params, X[rows], y[rows])
        losses.append(loss)
        velocity = [beta * v + (1 - beta) * g for v, g in zip(velocity, grads, strict=True)]
        params = [p - lr * v for p, v in zip(params, velocity, strict=True)]
    return losses, params, velocity


def some_data(seed: int, n: int, d: int = 4, k: int = 3) -> tuple[Array, Array]:
    """Inputs above zero, so that ones kill no unit, and classes of different sizes: with equal ones
    the last digit would decide which logit is the largest."""
    rng = rng_of(seed)
    y = np.sqrt(np.linspace(0, 1, n, endpoint=False)) * k
    return rng.random((n, d)), rng.permutation(y.astype(int))


@pytest.mark.parametrize("one_pass", PASSES.values(), ids=PASSES)
@pytest.mark.parametrize("size", [1, 6, 23, None, 40])
@pytest.mark.parametrize("beta", [0.0, 0.9])
def test_epochs_are_those_of_torch_and_of_numpy(
    one_pass: Callable[..., Any], size: int | None, beta: float
) -> None:
    """23 rows: batches of 6 leave a short one; and a last batch of a single row, with 11."""
    X, y = some_data(1, 23)
    model = MLP([4, 7, 5, 3], rng_of(2))
    params = weights_of([4, 7, 5, 3], "he", rng_of(2))
    velocity = twins_velocity = [np.zeros(p.shape) for p in params]
    rng, twin = rng_of(3), rng_of(3)
    for _ in range(3):
        before = [v.copy() for v in velocity]
        given = velocity
        losses, velocity = train_epoch(model, X, y, size, 0.2, beta, given, rng)
        wanted, params, twins_velocity = an_epoch(
            one_pass, params, twins_velocity, X, y, size, 0.2, beta, twin
        )
        close(losses, wanted)
        for tensor, p, v, w in zip(
            model.parameters(), params, velocity, twins_velocity, strict=True
        ):
            close(tensor.data, p)
            close(v, w)
        assert all(map(np.array_equal, given, before))
    assert rng.bit_generator.state == twin.bit_generator.state


@pytest.mark.parametrize("one_pass", PASSES.values(), ids=PASSES)
@pytest.mark.parametrize(
    ("init", "size"), [("he", 11), ("uniform", 1), ("ones", None), ("zeros", 50), ("he", 22)]
)
def test_an_experiment_is_that_of_torch_and_of_numpy(
    one_pass: Callable[..., Any], init: str, size: int | None
) -> None:
    """23 rows: 11 and 22 leave a last batch of one."""
    (X, y), (X_test, y_test) = some_data(4, 23), some_data(5, 9)
    lr = 0.004 if init == "ones" else 0.1
    config = dict(hidden=[6, 5], init=init, batch_size=size, lr=lr, beta=0.8, epochs=4, seed=6)
    data = dict(X_train=X, y_train=y, X_test=X_test, y_test=y_test)
    got = run_experiment(config, data)
    rng = rng_of(6)
    params = weights_of([4, 6, 5, 3], init, rng)
    velocity = [np.zeros(p.shape) for p in params]
    wanted = []
    for epoch in range(5):
        if epoch:
            _, params, velocity = an_epoch(one_pass, params, velocity, X, y, size, lr, 0.8, rng)
        loss, _, logits = one_pass(params, X_test, y_test)
        share = np.mean(np.argmax(logits, axis=1) == y_test)
        wanted.append((one_pass(params, X, y)[0], loss, share))
    since = 1 if init == "ones" else 0  # all logits are equal there, up to the last digit
    for i, name in enumerate(("train_loss", "test_loss", "test_accuracy")):
        close(got[name][since:], np.array(wanted)[since:, i])
    assert got["epoch_seconds"].shape == (4,)
    assert np.all(got["epoch_seconds"] > 0)


def test_momentum_over_lists_is_torchs_with_dampening() -> None:
    """torch does not dampen its first step: from a velocity of zeros it is another, so ours starts
    where torch's stands after one."""
    rng = rng_of(7)
    params, grads = ([rng.normal(size=shape) for shape in ((3, 2), (2,))] for _ in range(2))
    leaves = [torch.tensor(p, requires_grad=True) for p in params]
    optimiser = torch.optim.SGD(leaves, lr=0.1, momentum=0.9, dampening=0.9)
    velocity = grads
    for step in range(5):
        for leaf, g in zip(leaves, grads, strict=True):
            leaf.grad = torch.tensor(g)
        optimiser.step()
        if step == 0:
            params = [p - 0.1 * g for p, g in zip(params, grads, strict=True)]
        else:
            params, velocity = sgd_momentum_update(params, grads, velocity, 0.1, 0.9)
        for p, leaf in zip(params, leaves, strict=True):
            close(p, leaf.detach().numpy())
        grads = [rng.normal(size=g.shape) for g in grads]


@pytest.mark.parametrize("init", ["zeros", "ones", "uniform", "he"])
def test_a_network_gives_torchs_logits_and_gradients(init: str) -> None:
    X, y = some_data(8, 12)
    model = MLP([4, 6, 3], rng_of(9), init)
    params = weights_of([4, 6, 3], init, rng_of(9))
    loss, grads, logits = torch_pass(params, X, y)
    ours = cross_entropy(model(X), y)
    ours.backward()
    close(model(X).data, logits)
    close(model(Tensor(X)).data, logits)
    close(float(ours.data), loss)
    for tensor, grad in zip(model.parameters(), grads, strict=True):
        close(tensor.grad, grad)


def test_weights_are_drawn_from_the_distributions_that_they_are_said_to_be_from() -> None:
    W = Linear(50, 400, rng_of(10)).W.data
    assert scipy.stats.kstest(W.ravel(), "norm", (0, np.sqrt(2 / 50))).pvalue > 0.01
    W = Linear(50, 400, rng_of(11), "uniform").W.data
    bound = 1 / np.sqrt(50)
    assert scipy.stats.kstest(W.ravel(), "uniform", (-bound, 2 * bound)).pvalue > 0.01


def test_a_start_that_is_none_is_named_in_the_error() -> None:
    with pytest.raises(ValueError, match="'xaiver'"):
        Linear(2, 3, rng_of(0), "xaiver")
    with pytest.raises(ValueError, match="zeros, ones, uniform, he"):
        MLP([2, 3], rng_of(0), "Ones")


# What the checks say of known mistakes. `lint` compares a mistake with itself; here each is drawn
# anew, as a learner's would be.

KNOWN = [(part.name, mistake.name) for part in SET.parts for mistake in part.mistakes]


@pytest.mark.parametrize(("part", "mistake"), KNOWN)
def test_a_mistake_is_named_when_somebody_else_makes_it(part: str, mistake: str) -> None:
    wrong = next(m.wrong for m in PARTS[part].mistakes if m.name == mistake)
    verdict = verdict_on(part, wrong)
    assert verdict.mistake == mistake, verdict
    assert verdict.points < verdict.max_points


# Slips that no mistake of the set makes, and what is said of them: a name, or a piece of the
# message. Each was once told as something that it is not.

_HE = "rng.normal(0, np.sqrt(2 / fan_in), shape)"
_EVEN = "rng.uniform(-bound, bound, shape)"
_FLAT = "[p for layer in self.layers for p in layer.parameters()]"
_LAST = "return self.layers[-1](x)"
_NOTE = "losses.append(float(loss.data))"
_CLEAR = "p.grad = np.zeros_like(p.data)"
_RANGE = 'range(config["epochs"])'
_ORDER = "order = rng.permutation(len(X))"
_INSERT = '*(config["hidden"].insert(0, X.shape[1]) or config["hidden"][1:]), classes'
_BACK = "        loss.backward()\n"
_BATCH = "batch = order[start : start + batch_size]"

TOLD: list[tuple[str, dict[str, str], str | None, str]] = [
    ("Linear.random_weights", {_HE: "rng.normal(0, 2**0.5 / fan_in, shape)"}, None, "is not 2 /"),
    ("Linear.random_weights", {_HE: "rng.normal(0, 2 / fan_in**0.5, shape)"}, None, "is not 2 /"),
    ("Linear.random_weights", {_HE: "rng.normal(0, 0.1, shape)"}, None, "is not 2 /"),
    ("Linear.random_weights", {_HE: "rng.uniform(-0.3, 0.3, shape)"}, None, "is not 2 /"),
    (
        "Linear.random_weights",
        {_HE: "rng.normal(0, bound / 3**0.5, shape)"},
        None,
        "is not 2 /",
    ),
    (
        "Linear.random_weights",
        {_EVEN: "rng.uniform(-bound * 3**0.5, bound * 3**0.5, shape)"},
        None,
        "The ends of",
    ),
    ("Linear.random_weights", {_EVEN: "rng.normal(0, bound, shape)"}, "normal_for_uniform", ""),
    ("MLP.logits_of", {_LAST: "return self.layers[-1](x.T)"}, None, "It raises"),
    ("MLP.logits_of", {_LAST: "return undefined(x)"}, None, "It raises NameError"),
    ("MLP.logits_of", {_LAST: "return x.softmax()"}, None, "It raises"),
    ("MLP.layers_differ", {_FLAT: "[]"}, None, "not one array for each layer"),
    ("train_epoch", {_NOTE: "losses.append(float(loss))"}, None, "It raises TypeError"),
    ("train_epoch", {_CLEAR: "p.grad = None"}, None, "It raises TypeError"),
    ("train_epoch", {_CLEAR: "p.grad = np.zeros(p.data)"}, None, "It raises TypeError"),
    (
        "train_epoch",
        {"params = model.parameters()": "params = model.parameters"},
        None,
        "It raises TypeError",
    ),
    ("train_epoch", {"velocity, lr, beta\n": "velocity, lr\n"}, None, "It raises TypeError"),
    (
        "train_epoch",
        {"cross_entropy(model(X[batch]), y[batch])": "cross_entropy(y[batch], model(X[batch]))"},
        None,
        "It raises",
    ),
    (
        "train_epoch",
        {_BACK: _BACK + "        for p in params:\n            p.grad = 0 * p.grad\n"},
        "no_gradients",
        "",
    ),
    (
        "train_epoch",
        {_BATCH: "batch = np.resize(order, 10 * len(X))[start:][:batch_size]"},
        "short_batch_filled",
        "",
    ),
    (
        "train_epoch",
        {"np.array(losses), velocity": "losses, [0 * v for v in velocity]"},
        None,
        "The velocity",
    ),
    ("train_epoch", {"np.array(losses), velocity": "losses[-1], velocity"}, None, "one loss"),
    ("train_epoch", {"np.array(losses), velocity": "None, velocity"}, None, "one loss"),
    (
        "train_epoch",
        {"            p.data = value": "            p.data = 2 * value"},
        None,
        "steps",
    ),
    (
        "run_experiment",
        {"    look()\n    seconds": "    seconds", _RANGE: 'range(config["epochs"] + 1)'},
        "one_epoch_too_many",
        "",
    ),
    ("run_experiment", {'*config["hidden"], classes': _INSERT}, "changes_its_arguments", ""),
    ("run_experiment", {"MLP([X.shape[1]": "MLP([len(X)"}, None, "It raises ValueError"),
    (
        "run_experiment",
        {"float(cross_entropy(model(X), y).data)": "float(cross_entropy(model(X), y).data * 9)"},
        None,
        "train_loss is not the mean loss",
    ),
    ("run_experiment", {"argmax(1) ==": "argmax(1) !="}, None, "share of the test rows"),
    (
        "train_epoch",
        {_BATCH: _BATCH.replace("order", "range(len(X))"), _ORDER: "rng.shuffle(X)"},
        "labels_left_behind",
        "",
    ),
    (
        "train_epoch",
        {
            _BATCH: _BATCH.replace("order", "range(len(X))"),
            _ORDER: "X, y = X.copy(), y.copy(); rng.shuffle(X); rng.shuffle(y)",
        },
        "shuffled_apart",
        "",
    ),
    (
        "train_epoch",
        {
            _BATCH: _BATCH.replace("order", "range(len(X))"),
            _ORDER: f"{_ORDER}; X[:], y[:] = X[order], y[order]",
        },
        "changes_its_arguments",
        "",
    ),
]


def changed(part: str, changes: dict[str, str]) -> Any:
    """The reference of a part, with other code in some places."""
    exercise = PARTS[part].exercise
    text = edited(next(e for e in SET.exercises if e.name == exercise).reference, changes)
    return notebook_with(**{exercise: text})[exercise]


@pytest.mark.parametrize(("part", "changes", "mistake", "message"), TOLD)
def test_what_is_said_is_so(
    part: str, changes: dict[str, str], mistake: str | None, message: str
) -> None:
    for seed in range(2):
        verdict = verdict_on(part, changed(part, changes), seed)
        assert verdict.status != "passed"
        assert verdict.mistake == mistake, verdict
        assert message in verdict.message, verdict


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", PARTS)
def test_mistakes_are_named_on_thirty_seeds(part: str) -> None:
    for seed in range(30):
        assert verdict_on(part, PARTS[part].reference, seed).status == "passed", seed
        for mistake in PARTS[part].mistakes:
            verdict = verdict_on(part, mistake.wrong, seed)
            assert verdict.mistake == mistake.name, (seed, mistake.name, verdict)


# Other styles that are right: a whole notebook's code each, from one Tensor to the experiment.


def notebook_with(tensor: Any = Tensor, **cells: str) -> dict[str, Any]:
    """What the names of a notebook stand for whose cells hold the references, or other code."""
    names: dict[str, Any] = {"np": np, "time": time, "Tensor": tensor, "itertools": itertools}
    names |= {"cross_entropy": cross_entropy, "dataclass": dataclass, "__name__": "__main__"}
    return by_cells.notebook_with(SET, names, cells)


STYLES = {
    "loops by hand": dict(
        Linear="""
class Linear:
    def __init__(self, fan_in, fan_out, rng, init="he"):
        if init == "zeros":
            W = np.zeros((fan_in, fan_out))
        elif init == "ones":
            W = np.ones((fan_in, fan_out))
        elif init == "uniform":
            W = (2 * rng.random((fan_in, fan_out)) - 1) / fan_in**0.5
        elif init == "he":
            W = rng.standard_normal((fan_in, fan_out)) * (2 / fan_in) ** 0.5
        else:
            raise ValueError("init: " + str(init))
        self.W, self.b = Tensor(W), Tensor([0.0] * fan_out)

    def __call__(self, x):
        if not isinstance(x, Tensor):
            x = Tensor(x)
        return x @ self.W + self.b

    def parameters(self):
        return (self.W, self.b)
""",
        MLP="""
class MLP:
    def __init__(self, sizes, rng, init="he"):
        self.layers = []
        for fan_in, fan_out in zip(sizes, sizes[1:]):
            self.layers.append(Linear(fan_in, fan_out, rng, init=init))

    def __call__(self, x):
        out = x
        for i, layer in enumerate(self.layers):
            out = layer(out)
            if i != len(self.layers) - 1:
                out = out.relu()
        return out

    def parameters(self):
        found = []
        for layer in self.layers:
            found.extend(layer.parameters())
        return found
""",
        sgd_momentum_update="""
def sgd_momentum_update(params, grads, velocity, lr, beta):
    new_params, new_velocity = [], []
    for i in range(len(params)):
        v = velocity[i] + (1 - beta) * (grads[i] - velocity[i])
        new_velocity.append(v)
        new_params.append(params[i] - lr * v)
    return new_params, new_velocity
""",
        train_epoch="""
def train_epoch(model, X, y, batch_size, lr, beta, velocity, rng):
    n = X.shape[0]
    if batch_size is None or batch_size > n:
        batch_size = n
    idx = np.arange(n)
    rng.shuffle(idx)
    losses = []
    i = 0
    while i < n:
        X_batch, y_batch = X[idx][i : i + batch_size], y[idx][i : i + batch_size]
        i += batch_size
        loss = cross_entropy(model(Tensor(X_batch)), y_batch)
        for p in model.parameters():
            p.grad *= 0
        loss.backward()
        losses.append(loss.data.item())
        params = [p.data for p in model.parameters()]
        grads = [p.grad for p in model.parameters()]
        params, velocity = sgd_momentum_update(params, grads, velocity, lr, beta)
        for p, new in zip(model.parameters(), params):
            p.data[...] = new
    return np.asarray(losses), velocity
""",
        run_experiment="""
def run_experiment(config, data):
    rng = np.random.default_rng(config["seed"])
    X_train, y_train = data["X_train"], data["y_train"]
    X_test, y_test = data["X_test"], data["y_test"]
    k = len(np.bincount(np.concatenate([y_train, y_test])))
    net = MLP([X_train.shape[1]] + list(config["hidden"]) + [k], rng, config["init"])
    vel = [0.0 * p.data for p in net.parameters()]
    out = {
        "train_loss": np.zeros(config["epochs"] + 1, dtype=np.float32),
        "test_loss": np.zeros(config["epochs"] + 1, dtype=np.float32),
        "test_accuracy": np.zeros(config["epochs"] + 1),
        "epoch_seconds": np.zeros(config["epochs"]),
    }
    for e in range(config["epochs"] + 1):
        if e > 0:
            t = time.time()
            vel = train_epoch(net, X_train, y_train, config["batch_size"], config["lr"],
                              config["beta"], vel, rng)[1]
            out["epoch_seconds"][e - 1] = time.time() - t
        out["train_loss"][e] = cross_entropy(net(X_train), y_train).data
        z = net(X_test)
        out["test_loss"][e] = cross_entropy(z, y_test).data
        out["test_accuracy"][e] = (np.argmax(z.data, axis=1) == y_test).sum() / len(y_test)
    return out
""",
    ),
    "data classes, generators, pieces by np.split": dict(
        Linear="""
class Linear:
    def __init__(self, fan_in, fan_out, rng, init="he"):
        match init:
            case "zeros" | "ones":
                W = np.full((fan_in, fan_out), float(init == "ones"))
            case "uniform":
                W = rng.uniform(-1, 1, size=(fan_in, fan_out)) / np.sqrt(fan_in)
            case "he":
                W = rng.normal(scale=np.sqrt(2.0 / fan_in), size=(fan_in, fan_out))
            case _:
                raise ValueError(init)
        self.W = Tensor(W)
        self.b = Tensor(np.zeros(fan_out))

    def __call__(self, x):
        return self.b + x @ self.W

    def parameters(self):
        return [self.W, self.b]
""",
        MLP="""
@dataclass
class MLP:
    sizes: list
    rng: object
    init: str = "he"

    def __post_init__(self):
        pairs = itertools.pairwise(self.sizes)
        *self.hidden, self.last = [Linear(a, b, self.rng, self.init) for a, b in pairs]

    def __call__(self, x):
        for layer in self.hidden:
            x = layer(x).relu()
        return self.last(x)

    def parameters(self):
        return sum([layer.parameters() for layer in (*self.hidden, self.last)], [])
""",
        sgd_momentum_update="""
def sgd_momentum_update(params, grads, velocity, lr, beta):
    velocity = tuple((1 - beta) * g + beta * v for g, v in zip(grads, velocity))
    return tuple(p - lr * v for p, v in zip(params, velocity)), velocity
""",
        train_epoch="""
def train_epoch(model, X, y, batch_size, lr, beta, velocity, rng):
    order = np.argsort(rng.random(len(y)))
    batches = [order]
    if batch_size is not None and batch_size < len(y):
        batches = np.split(order, np.arange(batch_size, len(y), batch_size))

    def step(batch):
        nonlocal velocity
        for p in model.parameters():
            p.grad = np.zeros(p.shape)
        loss = cross_entropy(model(X[batch]), y[batch])
        loss.backward()
        velocity = [beta * v + (1 - beta) * p.grad for p, v in zip(model.parameters(), velocity)]
        for p, v in zip(model.parameters(), velocity):
            p.data = p.data - lr * v
        return float(loss.data)

    return np.array([step(batch) for batch in batches]), velocity
""",
        run_experiment="""
def run_experiment(config, data):
    rng = np.random.default_rng(config["seed"])
    k = max(data["y_train"].max(), data["y_test"].max()) + 1
    model = MLP([data["X_train"].shape[1], *config["hidden"], int(k)], rng, config["init"])

    def measured():
        train, test = model(data["X_train"]), model(data["X_test"])
        return (
            float(cross_entropy(train, data["y_train"]).data),
            float(cross_entropy(test, data["y_test"]).data),
            np.mean(test.data.argmax(-1) == data["y_test"]),
        )

    velocity, rows, seconds = [np.zeros(p.shape) for p in model.parameters()], [measured()], []
    for epoch in range(config["epochs"]):
        began = time.monotonic()
        losses, velocity = train_epoch(
            model, data["X_train"], data["y_train"], config["batch_size"],
            config["lr"], config["beta"], velocity, rng,
        )
        seconds.append(time.monotonic() - began)
        rows.append(measured())
    train_loss, test_loss, test_accuracy = map(list, zip(*rows))
    return dict(
        train_loss=train_loss, test_loss=test_loss, test_accuracy=test_accuracy,
        epoch_seconds=seconds,
    )
""",
    ),
    "a subclass, Xavier's arithmetic, copies of the velocity changed": dict(
        Linear="""
class Module:
    def __call__(self, x):
        return self.forward(x)


class Linear(Module):
    def __init__(self, fan_in, fan_out, rng, init="he"):
        starts = {"zeros": 0, "ones": 1, "uniform": None, "he": None}
        if init not in starts:
            raise ValueError("no such init")
        weights = np.zeros((fan_in, fan_out))
        if init == "ones":
            weights += 1
        if init == "uniform":
            xavier = np.sqrt(6 / (fan_in + fan_out))
            weights = rng.uniform(-xavier, xavier, weights.shape)
            weights *= np.sqrt((fan_in + fan_out) / (6 * fan_in))
        if init == "he":
            for i in range(fan_in):
                for j in range(fan_out):
                    weights[i, j] = rng.normal(0, np.sqrt(2 / fan_in))
        self.W = Tensor(weights)
        self.b = Tensor(np.zeros(fan_out))

    def forward(self, x):
        return x @ self.W + self.b

    def parameters(self):
        return [self.W, self.b]
""",
        MLP="""
class MLP(Module):
    def __init__(self, sizes, rng, init="he"):
        sizes = list(sizes)
        self.first = Linear(sizes[0], sizes[1], rng, init)
        self.rest = MLP(sizes[1:], rng, init) if len(sizes) > 2 else None

    def forward(self, x):
        x = self.first(x)
        return x if self.rest is None else self.rest(x.relu())

    def parameters(self):
        return self.first.parameters() + (self.rest.parameters() if self.rest else [])
""",
        sgd_momentum_update="""
def sgd_momentum_update(params, grads, velocity, lr, beta):
    velocity = [v.copy() for v in velocity]
    params = [p.copy() for p in params]
    for p, g, v in zip(params, grads, velocity):
        v *= beta
        v += (1 - beta) * g
        p -= lr * v
    return params, velocity
""",
        train_epoch="""
def train_epoch(model, X, y, batch_size, lr, beta, velocity, rng):
    rows = list(rng.permutation(X.shape[0]))
    batch_size = batch_size or len(rows)
    losses = np.array([])
    while rows:
        batch, rows = rows[:batch_size], rows[batch_size:]
        logits = model(X[batch])
        loss = cross_entropy(logits, y[batch])
        for p in model.parameters():
            p.grad[...] = 0
        loss.backward()
        losses = np.append(losses, loss.data)
        new, velocity = sgd_momentum_update(
            params=[p.data for p in model.parameters()],
            grads=[p.grad for p in model.parameters()],
            velocity=velocity, lr=lr, beta=beta,
        )
        for i, p in enumerate(model.parameters()):
            p.data = new[i]
        accuracy = np.mean(model(X[batch]).data.argmax(axis=1) == y[batch])
    return losses, velocity
""",
    ),
    "one expression each": dict(
        Linear="""
class Linear:
    def __init__(self, fan_in, fan_out, rng, init="he"):
        make = dict(zeros=lambda s: np.zeros(s), ones=np.ones,
                    uniform=lambda s: rng.uniform(-fan_in**-0.5, fan_in**-0.5, s),
                    he=lambda s: rng.normal(size=s) * np.sqrt(2 / fan_in)).get(init)
        if make is None:
            raise ValueError(f"unknown init {init}")
        self._all = [Tensor(make((fan_in, fan_out))), Tensor(np.zeros((fan_out,)))]

    W = property(lambda self: self._all[0])
    b = property(lambda self: self._all[1])
    __call__ = lambda self, x: x @ self.W + self.b
    parameters = lambda self: list(self._all)
""",
        train_epoch="""
def train_epoch(model, X, y, batch_size, lr, beta, velocity, rng):
    n = len(X)
    order, params, losses = rng.permutation(n), model.parameters(), []
    for batch in np.array_split(order, range(batch_size or n, n, batch_size or n)):
        for p in params:
            p.grad = 0 * p.grad
        losses += [cross_entropy(model(X[batch]), y[batch])]
        losses[-1].backward()
        velocity = [v * beta + p.grad * (1 - beta) for v, p in zip(velocity, params)]
        for p, v in zip(params, velocity):
            p.data -= lr * v
    return np.array([float(loss.data) for loss in losses]), velocity
""",
    ),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("part", PARTS)
def test_other_styles_are_right(style: str, part: str) -> None:
    names = notebook_with(**STYLES[style])
    for seed in range(2):
        verdict = verdict_on(part, names[PARTS[part].exercise], seed)
        assert verdict.status == "passed", (seed, verdict)


OWN = [tensors.Closures, tensors.Classes, tensors.Table, tensors.Tape, tensors.Recursive]


@pytest.mark.parametrize("own", OWN, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("part", PARTS)
def test_any_tensor_of_chapter_6_will_do(own: type, part: str) -> None:
    names = notebook_with(own)
    names["Tensor"] = own
    verdict = verdict_on(part, names[PARTS[part].exercise])
    assert verdict.status == "passed", verdict


# Cheap answers


def untrained(model: Any, X: Array, y: Array, batch_size: Any, *rest: Any) -> Any:
    _lr, _beta, velocity, _rng = rest
    size = batch_size or len(X)
    return np.full(-(-len(X) // size), np.log(2)), velocity


def looked_at_only(model: Any, X: Array, y: Array, batch_size: Any, *rest: Any) -> Any:
    _lr, _beta, velocity, rng = rest
    size = min(batch_size or len(X), len(X))
    batches = np.split(rng.permutation(len(X)), range(size, len(X), size))
    losses = [float(cross_entropy(model(X[rows]), y[rows]).data) for rows in batches]
    return np.array(losses), velocity


looked_at_only.__globals__["Tensor"] = Tensor


def flat_curves(config: dict, data: dict) -> dict:
    points = config["epochs"] + 1
    k = 1 + max(data["y_train"].max(), data["y_test"].max())
    return {
        "train_loss": np.full(points, np.log(k)),
        "test_loss": np.full(points, np.log(k)),
        "test_accuracy": np.full(points, np.mean(data["y_test"] == 0)),
        "epoch_seconds": np.zeros(config["epochs"]),
    }


def random_curves(config: dict, data: dict) -> dict:
    return flat_curves(config, data) | {
        "train_loss": rng_of(config["seed"]).random(config["epochs"] + 1),
        "test_loss": rng_of(config["seed"]).random(config["epochs"] + 1),
    }


class Zeros:
    """Nothing but zeros, whatever is asked."""

    def __init__(self, fan_in: int, fan_out: int, rng: Any, init: str = "he") -> None:
        self.W, self.b = Tensor(np.zeros((fan_in, fan_out))), Tensor(np.zeros(fan_out))

    def __call__(self, x: Any) -> Any:
        return x

    def parameters(self) -> list:
        return []


class NoNetwork:
    def __init__(self, sizes: list[int], rng: Any, init: str = "he") -> None:
        self.layer = Linear(sizes[0], sizes[-1], rng, init)

    def __call__(self, x: Any) -> Any:
        return self.layer(x)

    def parameters(self) -> Any:
        return self.layer.parameters()


def biases_alone(config: dict, data: dict) -> dict:
    """An experiment without a network: one vector of logits, whatever comes in."""
    y, test, rng = data["y_train"], data["y_test"], rng_of(config["seed"])
    b, v = np.zeros((2, 1 + max(y.max(), test.max())))
    curves, size = [], config["batch_size"] or len(y)
    for epoch in range(config["epochs"] + 1):
        order = rng.permutation(len(y))
        for rows in np.split(order, range(size, len(y), size)) if epoch else ():
            shares = np.bincount(y[rows], minlength=len(b)) / len(rows)
            v = config["beta"] * v + (1 - config["beta"]) * (scipy.special.softmax(b) - shares)
            b = b - config["lr"] * v
        losses = -scipy.special.log_softmax(b)
        curves.append((losses[y].mean(), losses[test].mean(), np.mean(test == b.argmax())))
    names = ("train_loss", "test_loss", "test_accuracy")
    seconds = {"epoch_seconds": np.zeros(config["epochs"])}
    return dict(zip(names, np.array(curves).T, strict=True)) | seconds


def always_zeros(config: dict, data: dict) -> dict:
    return run_experiment(config | {"init": "zeros"}, data)


def never_in_batches(config: dict, data: dict) -> dict:
    return run_experiment(config | {"batch_size": None}, data)


CHEAP: dict[str, list[Any]] = {
    "Linear": [Zeros],
    "MLP": [NoNetwork],
    "sgd_momentum_update": [
        lambda params, grads, velocity, lr, beta: (params, velocity),
        lambda params, grads, velocity, lr, beta: (
            [p - lr * g for p, g in zip(params, grads, strict=True)],
            grads,
        ),
    ],
    "train_epoch": [untrained, looked_at_only],
    "run_experiment": [
        flat_curves,
        random_curves,
        biases_alone,
        always_zeros,
        never_in_batches,
    ],
}


@pytest.mark.parametrize("name", CHEAP)
def test_what_ignores_the_idea_gets_less_than_a_third(name: str) -> None:
    parts = [part for part in SET.parts if part.exercise == name]
    most = sum(part.points for part in parts)
    for answer in CHEAP[name]:
        got = sum(verdict_on(part.name, answer).points for part in parts)
        assert got < most / 3, (answer, got)


# The file that is handed out


def file_module() -> types.ModuleType:
    module = types.ModuleType("tensor")
    exec((ROOT / "exercises" / "experiments" / TENSOR.filename).read_text("utf-8"), vars(module))
    return module


def test_the_tensor_that_is_handed_out_is_the_reference_of_chapter_6() -> None:
    """In step with it by its text, and by all that the checks of chapter 6 ask."""
    committed = (ROOT / "exercises" / "experiments" / TENSOR.filename).read_text("utf-8")
    assert committed == given_text(TENSOR)
    handed_out = file_module().Tensor
    steps = [part for part in find_set("backprop").parts if part.exercise == "Tensor"]
    assert len(steps) > 5
    for part in steps:
        verdict = judge(part, "handed out", local_caller(handed_out))
        assert verdict.status == "passed", verdict


def test_the_loss_that_is_handed_out_is_torchs_also_for_large_logits() -> None:
    module = file_module()
    rng = rng_of(12)
    logits, labels = 400 * rng.normal(size=(7, 4)), rng.integers(0, 4, 7)
    leaf = torch.tensor(logits, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(leaf, torch.tensor(labels))
    loss.backward()
    ours = module.Tensor(logits)
    value = module.cross_entropy(ours, labels)
    value.backward()
    close(float(value.data), loss.item())
    close(ours.grad, tensors.grad_of(leaf))


def test_a_reader_finds_what_the_file_is_and_what_it_exports() -> None:
    module = file_module()
    assert module.__all__ == ["Tensor", "cross_entropy"]
    assert "chapter 6" in (module.__doc__ or "")
    assert module.Tensor.__doc__ and module.cross_entropy.__doc__


# The notebook


def test_the_report_is_a_text_cell_that_a_person_marks() -> None:
    notebook = instructor_notebook(SET)
    (cell,) = [c for c in notebook.cells if c.id == "report-experiment"]
    label = cell.metadata["nbgrader"]
    assert cell.cell_type == "markdown"
    assert (label["grade"], label["solution"], label["locked"]) == (True, True, False)
    assert label["points"] == 8
    rubric = next(c.source for c in notebook.cells if "## Your report" in c.source)
    points = [
        int(line.rsplit("|", 2)[1])
        for line in rubric.splitlines()
        if line.endswith("|") and line.rsplit("|", 2)[1].strip().isdigit()
    ]
    assert sum(points) == 8, "the rubric's points are those of the cell"


def test_the_released_report_has_room_for_an_answer_and_nothing_of_ours() -> None:
    released = nbformat.read(ROOT / "exercises" / "experiments" / "experiments.ipynb", 4)
    (cell,) = [c for c in released.cells if c.id == "report-experiment"]
    assert cell.source.endswith("*Write here.*")
    assert "SOLUTION" not in cell.source


def test_a_report_whose_label_got_lost_has_it_back() -> None:
    released = nbformat.read(ROOT / "exercises" / "experiments" / "experiments.ipynb", 4)
    (cell,) = [c for c in released.cells if c.id == "report-experiment"]
    cell.source = "Half a page."
    for broken in (cell, next(c for c in released.cells if c.id == "solution-MLP")):
        broken.metadata.pop("nbgrader")
    answers = released_answers(SET, ROOT / "exercises" / "experiments")
    mended = repair(Submission(released, []), SET, answers)
    (cell,) = [c for c in mended.notebook.cells if c.id == "report-experiment"]
    label = cell.metadata["nbgrader"]
    assert (label["grade"], label["solution"], label["points"]) == (True, True, 8.0)
    assert cell.source == "Half a page."


def test_a_report_without_points_is_an_authors_error(tmp_path: Path) -> None:
    text = "```{code-cell}\n%report mine\n```\n"
    (tmp_path / "lonely.md").write_text(text, "utf-8")
    (tmp_path / "lonely.py").write_text(
        "from autograder.exercise import exercise\n\n\n"
        "@exercise(points=1)\ndef f(x):\n    '''x.'''\n    return x\n",
        "utf-8",
    )
    with pytest.raises(AuthorError, match="should read %report NAME POINTS"):
        instructor_notebook(load_set(tmp_path / "lonely.py"))


# Who lies about what is equal


LIES = """
answers = [False, True]
def array_equal(one, other, **options):
    answers.append(answers.pop(0))
    return answers[-1]
np.array_equal = array_equal
"""


def test_who_says_what_is_equal_gets_nothing_by_it() -> None:
    """Both make the same weights again, whatever rng they are given; the judge compares."""
    notebook = instructor_notebook(SET)
    mine = {"Linear.random_weights", "MLP.layers_differ"}
    kept = []
    for cell in notebook.cells:
        if cell.id in ("solution-Linear", "solution-MLP"):
            start = 'def __init__(self, fan_in, fan_out, rng, init="he"):\n'
            seeded = start + "        rng = np.random.default_rng(fan_in)\n"
            cell.source = LIES + cell.source.replace(start, seeded)
            kept.append(cell)
        elif cell.id in {PARTS[name].grade_id for name in mine} or "import" in cell.source:
            kept.append(cell)
    notebook.cells = [cell for cell in kept if cell.cell_type == "code"]
    exercises = replace(SET, exercises=SET.exercises[:2])
    files = ROOT / "exercises" / "experiments"
    done = grade(Submission(notebook), exercises, "7", default_runner(), files=files)
    found = {name: done.verdicts[name].mistake for name in mine}
    assert found == {
        "Linear.random_weights": "seed_of_its_own",
        "MLP.layers_differ": "layers_alike",
    }
