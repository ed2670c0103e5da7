"""`make bench`: the backprop set's Tensor against hand-written NumPy and against micrograd.

A forward pass and a backward pass of the same network on the same batch, turn about, one thread.
The allocator of the C library is told to keep the memory that it was given back, for both sides:
otherwise it depends on chance which of the two has to ask the system for its pages again.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from micrograd.engine import Value

from solutions.backprop import Tensor, he_normal, mlp_backward, mlp_forward

BATCH = 64
# Sizes of the network, and how many times as long as by hand it may take.
PROMISED = {(784, 16, 16, 10): 3.0, (784, 128, 128, 10): 1.7}
MICROGRAD_SIZES = (784, 16, 16, 10)
MICROGRAD_ROWS = 2
FASTER = 100
KEPT = str(2**28)
SETTINGS = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_TRIM_THRESHOLD_": KEPT,
    "MALLOC_MMAP_THRESHOLD_": KEPT,
}


def problem(sizes: tuple[int, ...], rows: int) -> tuple[list[Any], Any, Any]:
    """Parameters, inputs and one-hot classes."""
    rng = np.random.default_rng(6)
    params = []
    for fan_in, fan_out in pairwise(sizes):
        params += [he_normal(fan_in, fan_out, rng), np.zeros(fan_out)]
    return params, rng.normal(size=(rows, sizes[0])), np.eye(sizes[-1])[np.arange(rows) % sizes[-1]]


def by_hand(params: list[Any], X: Any, Y: Any) -> list[Any]:
    """The gradients, by the set's own mlp_forward and mlp_backward."""
    return mlp_backward(params, mlp_forward(params, X)[1], Y)


def by_tensor(tensors: list[Any], X: Any, Y: Any) -> list[Any]:
    """The gradients, by Tensor."""
    for tensor in tensors:
        tensor.grad[...] = 0
    a = X
    for W, b in zip(tensors[0:-2:2], tensors[1:-2:2], strict=True):
        a = (a @ W + b).relu()
    logits = a @ tensors[-2] + tensors[-1]
    logits = logits - logits.data.max(axis=1, keepdims=True)
    loss = (logits.exp().sum(axis=1).log().sum() - (logits * Y).sum()) / len(Y)
    loss.backward()
    return [tensor.grad for tensor in tensors]


def by_micrograd(params: list[Any], X: Any, Y: Any) -> list[Any]:
    """The gradients, by micrograd: a Value a number. It has no exp and no log, so the loss is the
    sum of squares, which costs it less than the cross entropy would."""
    made = [[[Value(v) for v in row] for row in np.atleast_2d(p)] for p in params]
    total = Value(0.0)
    for x, y in zip(X, Y, strict=True):
        a = [Value(v) for v in x]
        for layer in range(0, len(made), 2):
            W, b = made[layer], made[layer + 1][0]
            a = [sum((W[i][j] * v for i, v in enumerate(a)), b[j]) for j in range(len(b))]
            if layer < len(made) - 2:
                a = [v.relu() for v in a]
        total = sum(((v - wanted) ** 2 for v, wanted in zip(a, y, strict=True)), total)
    total.backward()
    return made


def medians(first: Callable[[], Any], second: Callable[[], Any], rounds: int) -> list[float]:
    """Seconds a call of the two, and the ratio of the second to the first: medians of turns."""
    calls = 20

    def seconds(work: Callable[[], Any]) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            work()
        return (time.perf_counter() - start) / calls

    first(), second()
    rows = [(seconds(first), seconds(second)) for _ in range(rounds)]
    ratios = [b / a for a, b in rows]
    return [statistics.median(column) for column in (*zip(*rows, strict=True), ratios)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    # Both are read when a process starts.
    if not SETTINGS.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **SETTINGS})
    for sizes, promised in PROMISED.items():
        params, X, Y = problem(sizes, BATCH)
        tensors = [Tensor(p) for p in params]
        for hand, own in zip(by_hand(params, X, Y), by_tensor(tensors, X, Y), strict=True):
            np.testing.assert_allclose(hand, own, atol=1e-12)
        hand_s, own_s, ratio = medians(
            partial(by_hand, params, X, Y),
            partial(by_tensor, tensors, X, Y),
            given.rounds,
        )
        print(
            f"{'-'.join(map(str, sizes)):>15}, batch {BATCH}: by hand {1e6 * hand_s:.0f} us, "
            f"Tensor {1e6 * own_s:.0f} us, ratio {ratio:.2f} (promised: {promised})",
            flush=True,
        )
    params, X, Y = problem(MICROGRAD_SIZES, MICROGRAD_ROWS)
    start = time.perf_counter()
    by_micrograd(params, X, Y)
    slow = (time.perf_counter() - start) / MICROGRAD_ROWS * BATCH
    params, X, Y = problem(MICROGRAD_SIZES, BATCH)
    tensors = [Tensor(p) for p in params]
    work = partial(by_tensor, tensors, X, Y)
    fast = medians(work, work, given.rounds)[0]
    print(
        f"micrograd on {'-'.join(map(str, MICROGRAD_SIZES))}: {slow:.1f} s a batch of {BATCH} "
        f"(measured on {MICROGRAD_ROWS} rows), Tensor is {slow / fast:,.0f} times as fast "
        f"(promised: {FASTER})"
    )


if __name__ == "__main__":
    main()
