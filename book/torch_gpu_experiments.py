"""Chapter 9's experiments: what a float is, the port and its proof, a late device, memory counted.

The page shows the lines of the two loops below, and a test holds the page to them.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch.nn import functional

from autograder.figures import BLACK, BLUE, GREEN, ORANGE, RED, STYLE, new_figure
from book.experiments_experiments import data as digits_data
from book.kept import made_of, memory
from book.timing.clock import Device
from book.timing.network import NumpyStep, Size
from book.timing.torch_step import PRECISIONS, TorchStep

Array = np.ndarray


# What a float is.


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: one bit of sign, and so many of exponent and of mantissa."""

    name: str
    exponent: int
    mantissa: int
    stored: int  # bits that one number takes in memory

    @property
    def eps(self) -> float:
        """From 1 to the next number."""
        return 2.0**-self.mantissa

    @property
    def largest(self) -> float:
        """The largest number that is not infinite."""
        return (2 - self.eps) * 2.0 ** (2 ** (self.exponent - 1) - 1)

    @property
    def smallest(self) -> float:
        """The smallest number that still has all the bits of its mantissa."""
        return 2.0 ** (2 - 2 ** (self.exponent - 1))

    def rounded(self, value: float) -> float:
        """The nearest number of the format; of two as near, the one whose last bit is 0."""
        part, power = math.frexp(value)
        return math.ldexp(round(math.ldexp(part, self.mantissa + 1)), power - self.mantissa - 1)


FORMATS = (
    Format("float64", 11, 52, 64),
    Format("float32", 8, 23, 32),
    Format("TF32", 8, 10, 32),
    Format("BF16", 8, 7, 16),
)


def draw_formats() -> None:
    """The bits of each format, a row a format."""
    _fig, ax = new_figure(size=(5.6, 3.0))
    for row, form in enumerate(FORMATS):
        parts = [(1, BLACK, "sign"), (form.exponent, RED, "exponent"), (form.mantissa, BLUE, "m")]
        left = 0
        for bits, colour, _ in parts:
            ax.barh(row, bits, left=left, color=colour, height=0.62, edgecolor="white")
            if bits > 1:
                ax.text(
                    left + bits / 2,
                    row,
                    str(bits),
                    color="white",
                    ha="center",
                    va="center",
                    size=11,
                )
            left += bits
        if left < form.stored:
            ax.barh(row, form.stored - left, left=left, color="white", edgecolor=BLACK, height=0.62)
            ax.text((left + form.stored) / 2, row, "unused", ha="center", va="center", size=9.5)
    ax.set(yticks=range(len(FORMATS)), yticklabels=[f.name for f in FORMATS], xlabel="bits")
    ax.set_xticks(range(0, 65, 16))
    ax.invert_yaxis()
    for colour, name in ((BLACK, "sign"), (RED, "exponent"), (BLUE, "mantissa")):
        ax.bar(0, 0, color=colour, label=name)
    ax.legend(loc="lower right", fontsize=11)


@dataclass(frozen=True)
class Sums:
    """Float32 sums of the same numbers in many orders, their exact sum, and the bound on the error
    of any order."""

    found: Array
    exact: float
    bound: float

    @property
    def errors(self) -> Array:
        """What each order is off by."""
        return self.found.astype(float) - self.exact


@cache
def sums(n: int = 10_000, orders: int = 1000, seed: int = 0) -> Sums:
    """Add n float32 numbers one after the other, in random orders."""
    rng = np.random.default_rng(seed)
    x = rng.random(n, np.float32)
    found = [np.cumsum(x[rng.permutation(n)], dtype=np.float32)[-1] for _ in range(orders)]
    k = (n - 1) * 2.0**-24
    return Sums(np.array(found), math.fsum(x), k / (1 - k) * float(np.abs(x).sum(dtype=float)))


# The port.

# Chapter 8's 0.1 and 0.9, as near as binary comes in three bits: neither has to be rounded.
LR, BETA = 1 / 8, 7 / 8
STEPS, BATCH = 500, 64
SIZES = (784, 16, 16, 10)
SMALL = (16, 4, 4, 10)


@dataclass
class Walk:
    """What a training went through; row t is after t steps.

    losses : (steps,), each batch's before its update
    theta, velocity : (steps + 1, d)
    on : (steps, n, units), which hidden units were above 0, batch by batch
    """

    losses: list[float] = field(default_factory=list)
    theta: list[Array] = field(default_factory=list)
    velocity: list[Array] = field(default_factory=list)
    on: list[Array] = field(default_factory=list)

    def see(self, params: list[Any], velocity: list[Any], *sums: Any) -> None:
        """Take note of parameters, of the velocity, and of which sums are above 0."""
        numbers = lambda a: a.detach().cpu().numpy() if torch.is_tensor(a) else a  # noqa: E731
        self.theta.append(np.concatenate([numbers(p).ravel() for p in params]).astype(float))
        self.velocity.append(np.concatenate([numbers(v).ravel() for v in velocity]).astype(float))
        if sums:
            self.on.append(np.concatenate([numbers(z) > 0 for z in sums], axis=1))


def numpy_loop(
    start: list[Array], X: Array, labels: Array, batches: Array, dtype: str, lr: float, beta: float
) -> Walk:
    """Chapter 8's training loop with chapter 6's gradients by hand."""
    walk, losses = Walk(), []
    X = X.astype(dtype)
    params = [p.astype(dtype) for p in start]
    velocity = [np.zeros_like(p) for p in params]
    W1, b1, W2, b2, W3, b3 = params
    rows = np.arange(batches.shape[1])
    for batch in batches:
        x, right = X[batch], labels[batch]

        z1 = x @ W1 + b1
        a1 = np.maximum(z1, 0)
        z2 = a1 @ W2 + b2
        a2 = np.maximum(z2, 0)
        logits = a2 @ W3 + b3

        shifted = logits - logits.max(axis=1, keepdims=True)
        sums = np.exp(shifted).sum(axis=1, keepdims=True)
        log_p = shifted - np.log(sums)
        loss = -log_p[rows, right].mean()
        losses.append(loss)
        walk.see(params, velocity, z1, z2)

        d3 = np.exp(log_p)
        d3[rows, right] -= 1
        d3 /= len(right)
        d2 = (d3 @ W3.T) * (z2 > 0)
        d1 = (d2 @ W2.T) * (z1 > 0)
        grads = [x.T @ d1, d1.sum(axis=0)]
        grads += [a1.T @ d2, d2.sum(axis=0)]
        grads += [a2.T @ d3, d3.sum(axis=0)]

        for p, v, g in zip(params, velocity, grads, strict=True):
            v *= beta
            v += (1 - beta) * g
            p -= lr * v
    walk.see(params, velocity)
    walk.losses = [float(loss) for loss in losses]
    return walk


def torch_loop(
    start: list[Array],
    X: Any,
    labels: Any,
    batches: Any,
    dtype: torch.dtype,
    lr: float,
    beta: float,
    device: str = "cpu",
) -> Walk:
    """The same in torch."""
    walk, losses = Walk(), []
    params: list[Any]
    X = torch.tensor(X, dtype=dtype, device=device)
    labels = torch.tensor(labels, device=device)
    batches = torch.tensor(batches, device=device)
    params = [
        torch.tensor(p, dtype=dtype, device=device, requires_grad=True)
        for p in start
    ]  # fmt: skip
    velocity = [torch.zeros_like(p) for p in params]
    W1, b1, W2, b2, W3, b3 = params
    for batch in batches:
        x, right = X[batch], labels[batch]

        z1 = x @ W1 + b1
        a1 = torch.relu(z1)
        z2 = a1 @ W2 + b2
        a2 = torch.relu(z2)
        logits = a2 @ W3 + b3

        loss = functional.cross_entropy(logits, right)
        losses.append(loss.detach())
        walk.see(params, velocity, z1, z2)

        loss.backward()

        with torch.no_grad():
            for p, v in zip(params, velocity, strict=True):
                v *= beta
                v += (1 - beta) * p.grad
                p -= lr * v
                p.grad = None
    walk.see(params, velocity)
    walk.losses = torch.stack(losses).tolist()
    return walk


@dataclass(frozen=True)
class Task:
    """Where a training starts, and what it meets; every number of it is a float32 number.

    start : W (fan_in, fan_out) and b (fan_out,) of each layer in turn
    X : (n, pixels)
    labels : (n,), int64
    batches : (steps, batch), rows of X
    """

    start: list[Array]
    X: Array
    labels: Array
    batches: Array


def task(sizes: tuple[int, ...] = SIZES, steps: int = STEPS, seed: int = 0) -> Task:
    """Chapter 8's digits at as many pixels as the network has inputs: 784, or 16."""
    rng = np.random.default_rng(seed)
    digits = digits_data("large" if sizes[0] == 784 else "digits")
    X, labels = digits["X_train"], digits["y_train"]
    if sizes[0] == 16:
        X = X.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    start: list[Array] = []
    for a, b in itertools.pairwise(sizes):
        start += [rng.normal(0, np.sqrt(2 / a), (a, b)), np.zeros(b)]
    rows: list[Array] = []
    while len(rows) < steps:
        order = rng.permutation(len(labels))
        rows += [order[i : i + BATCH] for i in range(0, len(order) - BATCH + 1, BATCH)]
    exact = lambda a: a.astype(np.float32).astype(float)  # noqa: E731
    return Task([exact(p) for p in start], exact(X), labels, np.array(rows[:steps]))


@contextmanager
def one_thread() -> Iterator[None]:
    """NumPy and torch on one thread: sums have the same order each time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


def walks(task: Task) -> dict[tuple[str, str], Walk]:
    """The same training by both loops, in float64 and in float32."""
    told = (task.start, task.X, task.labels, task.batches)
    with one_thread():
        return {
            ("numpy", "float64"): numpy_loop(*told, "float64", LR, BETA),
            ("torch", "float64"): torch_loop(*told, torch.float64, LR, BETA),
            ("numpy", "float32"): numpy_loop(*told, "float32", LR, BETA),
            ("torch", "float32"): torch_loop(*told, torch.float32, LR, BETA),
        }


@dataclass(frozen=True)
class Gap:
    """How far two trainings are apart, step by step.

    loss : (steps,)
    theta : (steps + 1,), the largest over all parameters
    flips : hidden sums that are above 0 in one of them alone, of all steps and examples
    """

    loss: Array
    theta: Array
    flips: int


def gap(a: Walk, b: Walk) -> Gap:
    """The differences of two walks of one task."""
    return Gap(
        np.abs(np.subtract(a.losses, b.losses)),
        np.abs(np.subtract(a.theta, b.theta)).max(axis=1),
        int(np.sum(np.not_equal(a.on, b.on))),
    )


@dataclass(frozen=True)
class Slip:
    """What a slip does to the losses of one epoch's steps, on average, and what a loss differs by
    from one batch to the next."""

    apart: float
    batch: float
    steps: int


@cache
def slip(beta: float) -> Slip:
    """A port whose beta is not `BETA`, over the first epoch."""
    work = task()
    told = (work.start, work.X, work.labels, work.batches[: len(work.labels) // BATCH], "float64")
    with one_thread():
        right, wrong = (np.array(numpy_loop(*told, LR, b).losses) for b in (BETA, beta))
    return Slip(
        float(np.abs(right - wrong).mean()), float(np.abs(np.diff(right)).mean()), len(right)
    )


@dataclass(frozen=True)
class Port:
    """What the proof found on one network: the loss of the float64 training, and the gaps: of NumPy
    and torch "in float64" and "in float32", of each one's float32 to NumPy's float64."""

    loss: Array
    parameters: int
    sums: int  # hidden sums that were computed, of which Gap.flips counts some
    gaps: dict[str, Gap]


def compare(found: dict[tuple[str, str], Walk]) -> Port:
    """Hold the loops against one another."""
    exact = found["numpy", "float64"]
    gaps = {
        "in float64": gap(exact, found["torch", "float64"]),
        "in float32": gap(found["numpy", "float32"], found["torch", "float32"]),
        "NumPy": gap(exact, found["numpy", "float32"]),
        "torch": gap(exact, found["torch", "float32"]),
    }
    return Port(np.array(exact.losses), exact.theta[0].size, np.array(exact.on).size, gaps)


@dataclass(frozen=True)
class Proof:
    """What the loops do, and what float32 may do to them."""

    port: Port
    bound: Any  # of book.torch_gpu_rounding


def prove(sizes: tuple[int, ...], every: int) -> Proof:
    """Run both loops in both precisions, and bound the gaps after every so many steps."""
    from book.torch_gpu_rounding import bound

    work = task(sizes)
    found = walks(work)
    return Proof(compare(found), bound(work, found, sizes, every))


def keep(sizes: tuple[int, ...], every: int, made: str) -> Proof:
    """What joblib keeps: a proof under its arguments, and under what it is made of."""
    return prove(sizes, every)


def proof(sizes: tuple[int, ...] = SIZES) -> Proof:
    """From the disk if nothing that makes it has changed: of the small network after every step, of
    chapter 8's after every fiftieth."""
    from book.torch_gpu_rounding import bound

    made = made_of(prove, bound) + torch.__version__
    return memory().cache(keep)(sizes, 1 if sizes == SMALL else 50, made)


# A device that is late.

MICRO = 1e-6


class StandIn(Device):
    """A device with a queue, and the host's clock; nothing in it takes any real time.

    launch : seconds for which the host is busy with one call
    work : seconds for which the device is, unless a call says otherwise
    """

    def __init__(self, launch: float = 5 * MICRO, work: float = 20 * MICRO) -> None:
        self.launch, self.work = launch, work
        self.now = self.free = 0.0
        self.host: list[tuple[float, float]] = []
        self.device: list[tuple[float, float]] = []
        self.waits: list[tuple[float, float]] = []

    def __call__(self) -> None:
        """One call: the host hands it over and goes on."""
        self.host.append((self.now, self.launch))
        self.now += self.launch
        begin = max(self.now, self.free)
        self.device.append((begin, self.work))
        self.free = begin + self.work

    def settle(self) -> None:
        """The host waits until the queue is empty."""
        if self.free > self.now:
            self.waits.append((self.now, self.free - self.now))
            self.now = self.free

    def clock(self) -> float:
        """What the host's clock shows."""
        return self.now


CALLS = 6


def timed(way: str) -> tuple[StandIn, float]:
    """What the clock shows for `CALLS` calls, by the way it is read: "not synchronised",
    "synchronised", or "item" (after each call the host asks for a number)."""
    device = StandIn()
    for _ in range(CALLS):
        device()
        if way == "item":
            device.settle()
    if way == "synchronised":
        device.settle()
    return device, device.clock()


TIMED = {
    "not synchronised": "The clock is read too early",
    "synchronised": "Synchronised, then read",
    "item": ".item() after each call",
}


def draw_time_lines() -> None:
    """Host and device over time, for the three ways."""
    _fig, axes = new_figure(3, 1, size=(5.6, 6.2), sharex=True)
    for ax, (way, title) in zip(axes, TIMED.items(), strict=True):
        device, shown = timed(way)
        scale = lambda spans: [(a / MICRO, b / MICRO) for a, b in spans]  # noqa: E731
        white = dict(edgecolor="white", linewidth=1)
        ax.broken_barh(scale(device.host), (1.1, 0.7), facecolor=BLUE, **white)
        ax.broken_barh(
            scale(device.waits), (1.1, 0.7), facecolor="white", edgecolor=BLUE, hatch="///"
        )
        ax.broken_barh(scale(device.device), (0.1, 0.7), facecolor=ORANGE, **white)
        ax.axvline(shown / MICRO, color=RED, linestyle="--")
        ax.set_title(f"{title}: {shown / MICRO:.0f} µs", loc="left", fontsize=12)
        ax.set(yticks=(0.45, 1.45), yticklabels=("device", "host"), ylim=(0, 1.95))
    axes[-1].set_xlabel("time (µs)")


# A step that becomes slower while it is timed.

EARLY, LATE = 100, 1200


@dataclass(frozen=True)
class Shrunk:
    """Velocities after many steps on one example.

    early, late : how many are subnormal after `EARLY` and after `LATE` steps
    stuck : how many the late run's next step would leave as they are: times beta they round to
        themselves
    of : how many there are
    times : how many times as long a late step takes as an early one
    """

    early: int
    late: int
    stuck: int
    of: int
    times: float


# Chapter 8's, with which one example is learnt in a few steps.
RATE = 0.1


def walked(dtype: str, steps: int) -> NumpyStep:
    """The timed network of width 64 after so many steps on one example."""
    step = NumpyStep(Size(64, 1), dtype, lr=RATE)
    for _ in range(steps):
        step()
    return step


def sizes_of(step: NumpyStep) -> Array:
    """The sizes of all velocities that are not 0."""
    found = np.abs(np.concatenate([v.ravel() for v in step.velocity]))
    return found[found > 0]


@cache
def shrunk(dtype: str, readings: int = 50) -> Shrunk:
    """Count what is subnormal, and time an early and a late step in turn: medians, so that what
    else the machine does is in both."""
    with one_thread():
        early, late = walked(dtype, EARLY), walked(dtype, LATE)
        tiny = np.finfo(dtype).smallest_normal
        count = [int(np.sum(sizes_of(step) < tiny)) for step in (early, late)]
        sizes = sizes_of(late)
        stuck = int(np.sum(late.beta * sizes == sizes))
        seconds: list[list[float]] = [[], []]
        for _ in range(readings):
            for step, found in zip((early, late), seconds, strict=True):
                start = time.perf_counter()
                step()
                found.append(time.perf_counter() - start)
    low, high = (float(np.median(found)) for found in seconds)
    return Shrunk(count[0], count[1], stuck, Size(64, 1).parameters, high / low)


# Memory, by counting.


@dataclass(frozen=True)
class Saved:
    """Bytes that autograd keeps from the way forward for the way back, of numbers and of labels."""

    numbers: int
    labels: int


def saved(size: Size, precision: str) -> Saved:
    """Ask autograd itself: each storage once, parameters left out."""
    step = TorchStep(size, "cpu", precision)
    own = {p.untyped_storage().data_ptr() for p in step.params}
    found: dict[int, tuple[int, torch.dtype]] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and tensor.dim():
            found[storage.data_ptr()] = (storage.nbytes(), tensor.dtype)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = step._loss()
    del loss
    whole = [nbytes for nbytes, dtype in found.values() if dtype == torch.int64]
    numbers = [nbytes for nbytes, dtype in found.values() if dtype != torch.int64]
    return Saved(sum(numbers), sum(whole))


def itemsize(precision: str) -> int:
    """Bytes of a number."""
    return PRECISIONS[precision][0].itemsize


@dataclass(frozen=True)
class Bytes:
    """The bytes of one training step with momentum, by what they are for."""

    parameters: float
    gradients: float
    optimiser: float
    activations: float

    @property
    def fixed(self) -> float:
        """What is there at any batch size."""
        return self.parameters + self.gradients + self.optimiser

    @property
    def total(self) -> float:
        """All of it."""
        return self.fixed + self.activations


# Bytes a number of: parameters, gradients, the optimiser's state, activations. Mixed precision
# keeps each parameter twice, in FP32 and in BF16.
SCHEMES = {"FP32": (4, 4, 4, 4), "BF16 alone": (2, 2, 2, 2), "mixed": (4 + 2, 2, 4, 2)}


def bytes_of(size: Size, scheme: str = "FP32") -> Bytes:
    """Count a step's memory; the activations include what passes on the way back."""
    p, g, s, a = SCHEMES[scheme]
    n = size.parameters
    # `Size.memory` counts all of it in one format: what is left of it are the activations.
    return Bytes(p * n, g * n, s * n, size.memory(a) - 3.0 * a * n)


def largest_batch(width: int, memory_bytes: float, scheme: str = "FP32") -> int:
    """The largest batch that fits, by counting."""
    one = bytes_of(Size(width, 1), scheme)
    return max(0, int((memory_bytes - one.fixed) / one.activations))


def draw_memory(width: int) -> None:
    """Bytes of a step over the batch: what is fixed, and what grows."""
    batches = 4 ** np.arange(0, 11)
    _fig, ax = new_figure()
    colours = {"FP32": BLUE, "BF16 alone": GREEN}
    for scheme, colour in colours.items():
        each = [bytes_of(Size(width, int(m)), scheme) for m in batches]
        ax.plot(
            batches,
            [e.activations / 1e9 for e in each],
            color=colour,
            label=f"activations, {scheme}",
        )
        ax.plot(
            batches,
            [e.fixed / 1e9 for e in each],
            color=colour,
            linestyle="--",
            label=f"the rest, {scheme}",
        )
    ax.set(xscale="log", yscale="log", xlabel="batch size", ylabel="memory (GB)")
    ax.grid(True, color=STYLE["grid.color"], linewidth=STYLE["grid.linewidth"])
    ax.legend(fontsize=10.5)
