"""The same step in torch: eager, captured in a CUDA graph, or compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from book.timing.network import BETA, CLASSES, LR, PIXELS, Size, examples, weights

# What a number is kept in, and what a matrix product may be rounded to on the way.
PRECISIONS = {
    "float64": (torch.float64, False),
    "float32": (torch.float32, False),
    "tf32": (torch.float32, True),
    "bf16": (torch.bfloat16, False),
}
WAYS = ("eager", "graph", "compile")
# As PyTorch's notes on graphs have it: side streams settle before a capture.
WARM_CALLS = 3


def allow_tf32(allowed: bool) -> None:
    """Whether products of float32 matrices may be rounded to TF32's ten bits."""
    torch.backends.cuda.matmul.allow_tf32 = allowed


class TorchStep:
    """One training step on a device. `prepare` costs what compiling or capturing costs.

    size : network and batch
    device : "cpu" or "cuda"
    precision : a key of `PRECISIONS`; weights, activations, gradients and velocity are all of it
    way : one of `WAYS`
    made_there : whether the examples are drawn on the device; no host memory is needed then
    lr : the rate
    """

    def __init__(
        self,
        size: Size,
        device: str,
        precision: str,
        way: str = "eager",
        *,
        made_there: bool = False,
        lr: float = LR,
    ) -> None:
        self.lr = lr
        dtype, self.tf32 = PRECISIONS[precision]
        self.device, self.way = torch.device(device), way
        if made_there:
            self.X = torch.rand((size.batch, PIXELS), device=self.device, dtype=dtype)
            self.labels = torch.randint(CLASSES, (size.batch,), device=self.device)
        else:
            X, labels = examples(size)
            self.X = torch.from_numpy(X).to(self.device, dtype)
            self.labels = torch.from_numpy(labels).to(self.device)
        # Transposed, as torch keeps them: (fan_out, fan_in).
        self.params = [
            torch.from_numpy(np.ascontiguousarray(p.T)).to(self.device, dtype).requires_grad_()
            for p in weights(size)
        ]
        self.velocity = [torch.zeros_like(p) for p in self.params]
        self._call: Callable[[], torch.Tensor] = self._step

    def __call__(self) -> torch.Tensor:
        """One step; the mean loss before it, without axes, on the device."""
        return self._call()

    def prepare(self) -> None:
        """Compile or capture, if that is the way; the step is called a few times for it."""
        allow_tf32(self.tf32)
        if self.way == "compile":
            # What was compiled for another size would be compiled anew for all sizes.
            torch._dynamo.reset()
            self._loss = torch.compile(self._loss)  # type: ignore[method-assign]
        if self.way != "graph":
            self._step()
            return
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_CALLS):
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = self._step()

        def replay() -> torch.Tensor:
            graph.replay()
            return loss

        self._call = replay

    def _loss(self) -> torch.Tensor:
        x = self.X
        for W, b in zip(self.params[:-2:2], self.params[1:-2:2], strict=True):
            x = functional.linear(x, W, b).relu_()
        return functional.cross_entropy(functional.linear(x, *self.params[-2:]), self.labels)

    def _step(self) -> torch.Tensor:
        loss = self._loss()
        grads = torch.autograd.grad(loss, self.params)
        with torch.no_grad():
            torch._foreach_mul_(self.velocity, BETA)
            torch._foreach_add_(self.velocity, grads, alpha=1 - BETA)
            torch._foreach_add_(self.params, self.velocity, alpha=-self.lr)
        return loss.detach()


class _Operations(TorchDispatchMode):
    """Counts what is computed inside the block; a view computes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view and "detach" not in func.name()
        return func(*args, **(kwargs or {}))


def launches(step: TorchStep) -> int:
    """How many times one eager step asks its device for something to be computed."""
    with _Operations() as operations:
        step._step()
    return operations.count
