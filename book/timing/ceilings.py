"""What a device can do at best, measured in the same run: arithmetic, bandwidth, an empty call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PRODUCTS = (512, 1024, 2048, 4096, 8192, 16384)
# From what a cache holds to what none does.
COPIES = (2**16, 2**20, 2**22, 2**24, 2**26, 2**28, 2**30)
EMPTY_CALLS = 1000


def call(library: str, kind: str, n: int, device: str, precision: str) -> Callable[[], Any]:
    """What is timed for a ceiling.

    kind : "product" of two n x n matrices; "copy" of n bytes; n bytes "in place"; n "empty calls"
    precision : of a product
    """
    numpy = library == "numpy"
    if kind == "product":
        return numpy_product(n, precision) if numpy else torch_product(n, device, precision)
    if kind == "copy":
        return numpy_copy(n) if numpy else torch_copy(n, device)
    if kind == "in place":
        return numpy_in_place(n) if numpy else torch_in_place(n, device)
    return numpy_empty_calls(n) if numpy else torch_empty_calls(n, device)


def numpy_product(n: int, dtype: str) -> Callable[[], Any]:
    """The product of two n x n matrices, into a third."""
    rng = np.random.default_rng(0)
    a, b = rng.random((n, n)).astype(dtype), rng.random((n, n)).astype(dtype)
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)


def torch_product(n: int, device: str, precision: str) -> Callable[[], Any]:
    """The same in torch."""
    import torch

    from book.timing.torch_step import PRECISIONS, allow_tf32

    dtype, tf32 = PRECISIONS[precision]
    a, b = (torch.rand((n, n), device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    allow_tf32(tf32)
    return lambda: torch.matmul(a, b, out=out)


def numpy_copy(size: int) -> Callable[[], Any]:
    """A copy of so many bytes: as many are read, and as many written."""
    source, target = np.ones(size, np.uint8), np.empty(size, np.uint8)
    return lambda: np.copyto(target, source)


def torch_copy(size: int, device: str) -> Callable[[], Any]:
    """The same in torch, from the device to itself."""
    import torch

    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


def numpy_in_place(size: int) -> Callable[[], Any]:
    """So many bytes, each read and written again where it was. A processor that writes elsewhere
    first reads what it is about to overwrite: a copy moves more than is asked of it."""
    x = np.ones(size // 4, np.float32)
    return lambda: np.multiply(x, 1.0, out=x)


def torch_in_place(size: int, device: str) -> Callable[[], Any]:
    """The same in torch."""
    import torch

    x = torch.ones(size // 4, device=device)
    return lambda: x.mul_(1.0)


def numpy_empty_calls(n: int) -> Callable[[], Any]:
    """So many operations on one number."""
    x = np.zeros(1, np.float32)

    def call() -> None:
        for _ in range(n):
            np.add(x, x, out=x)

    return call


def torch_empty_calls(n: int, device: str) -> Callable[[], Any]:
    """The same in torch: on CUDA each is a launch, and the device waits for the next one."""
    import torch

    x = torch.zeros(1, device=device)

    def call() -> None:
        for _ in range(n):
            x.add_(x)

    return call
