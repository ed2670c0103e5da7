"""Measuring one point of the plan."""

from __future__ import annotations

import gc
import os
import time
from dataclasses import asdict
from typing import Any

from book.timing import ceilings, wrong
from book.timing.clock import Cuda, Device, Patience, time_call
from book.timing.memory import Trials, largest
from book.timing.network import PIXELS, NumpyStep, Size
from book.timing.plan import COLD, LARGEST_WIDTH, OPTIMISER_NUMBERS, Point

# Tensors of an optimiser: a loop over them is what `foreach` and `fused` do without.
TENSORS = 16
MOST_EXAMPLES = 2**26
# NumPy's operations in one step, counted in `network`: 3 forwards and 5 backwards a hidden layer,
# 4 for the last one, 11 for the loss, 5 for each of 8 arrays of the update.
NUMPY_OPERATIONS = 3 * 8 + 4 + 11 + 5 * 8


def free_bytes(device: Device) -> float:
    """Memory that a point may take."""
    if device.name == "cuda":
        import torch

        gc.collect()
        torch.cuda.empty_cache()
        return float(torch.cuda.mem_get_info()[0])
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (ValueError, OSError, AttributeError):  # not on every system
        return 4e9


def measure(point: Point, device: Device, patience: Patience) -> dict[str, Any]:
    """What the file says of a point, but for its name.

    Raises
    ------
    wrong.NotHere, RuntimeError and its kind where it does not work here.
    """
    return _HOW[point.part](point, device, patience)


def _ceiling(point: Point, device: Device, patience: Patience) -> dict[str, Any]:
    call = ceilings.call(point.library, point.kind, point.n, device.name, point.precision)
    counted: dict[str, dict[str, float]] = {
        "product": {"flops": 2.0 * point.n**3},
        "copy": {"bytes": 2.0 * point.n, "footprint": 2.0 * point.n},
        "in place": {"bytes": 2.0 * point.n, "footprint": float(point.n)},
        "empty calls": {"calls": point.n},
    }
    return counted[point.kind] | asdict(time_call(call, device, patience))


def _step(point: Point, device: Device, patience: Patience) -> dict[str, Any]:
    size = point.size
    counted: dict[str, Any] = {
        "flops": size.flops,
        "bytes": size.moved * point.itemsize,
        "footprint": size.memory(point.itemsize),
        "parameters": size.parameters,
    }
    if point.library == "numpy":
        step = NumpyStep(size, point.precision)
        return counted | {"launches": NUMPY_OPERATIONS} | asdict(time_call(step, device, patience))
    from book.timing.torch_step import TorchStep, launches

    call = TorchStep(size, device.name, point.precision, point.way)
    start = time.perf_counter()
    call.prepare()
    device.settle()
    prepared = time.perf_counter() - start
    counted["prepare"] = prepared
    # What a compiler makes of the operations cannot be counted from here.
    if point.way != "compile":
        counted["launches"] = 1 if point.way == "graph" else launches(call)
    cold = (point.width, point.batch) in COLD
    return counted | asdict(time_call(call, device, patience, cold=cold))


def _transfer(point: Point, device: Device, patience: Patience) -> dict[str, Any]:
    import torch

    source = torch.rand((point.batch, PIXELS))
    if point.kind == "pinned":
        source = source.pin_memory()
    target = torch.empty_like(source, device=device.name)
    counted = {"bytes": float(source.numel() * source.element_size())}
    call = lambda: target.copy_(source, non_blocking=True)  # noqa: E731 - it is handed on
    return counted | asdict(time_call(call, device, patience))


def _largest(point: Point, device: Device, patience: Patience) -> dict[str, Any]:
    before = free_bytes(device)
    trial = Trials(point.width, point.precision)
    found = largest(trial, 1024, MOST_EXAMPLES)
    per_example = Size(LARGEST_WIDTH, 2).memory(point.itemsize)
    per_example -= Size(LARGEST_WIDTH, 1).memory(point.itemsize)
    fixed = Size(LARGEST_WIDTH, 1).memory(point.itemsize) - per_example
    return {
        "largest": found,
        "predicted": int((before - fixed) / per_example),
        "free_bytes": before,
        "free_bytes_after": free_bytes(device),
        "peaks": {str(batch): peak for batch, peak in sorted(trial.peaks.items())},
    }


def _optimiser(point: Point, device: Device, patience: Patience) -> dict[str, Any]:
    import torch

    each = point.n // TENSORS
    params = [torch.rand(each, device=device.name, requires_grad=True) for _ in range(TENSORS)]
    for p in params:
        p.grad = torch.rand_like(p)
    way: dict[str, Any] = {"foreach": point.way == "foreach", "fused": point.way == "fused"}
    optimiser: torch.optim.Optimizer
    if point.kind == "adam":
        optimiser = torch.optim.Adam(params, lr=1e-6, **way)
    else:
        momentum = 0.9 if point.kind == "momentum" else 0.0
        optimiser = torch.optim.SGD(params, lr=1e-6, momentum=momentum, **way)
    # Read: parameter, gradient and state; written: parameter and state.
    kept = OPTIMISER_NUMBERS[point.kind]
    touched = 4.0 * each * TENSORS
    counted = {
        "bytes": (2 * kept - 1) * touched,
        "footprint": kept * touched,
        "parameters": each * TENSORS,
        "tensors": TENSORS,
    }
    return counted | asdict(time_call(optimiser.step, device, patience, cold=True))


def _wrong(point: Point, device: Device, patience: Patience) -> dict[str, Any]:
    return {"wall": wrong.readings(point.kind, device)}


_HOW = {
    "ceilings": _ceiling,
    "step": _step,
    "transfer": _transfer,
    "neighbours": _step,
    "largest": _largest,
    "optimiser": _optimiser,
    "wrong": _wrong,
}


def devices() -> list[str]:
    """What this machine has: always "cpu", and "cuda" where torch finds one."""
    import torch

    return ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def open_device(name: str) -> Device:
    """A device by its name."""
    return Cuda() if name == "cuda" else Device()
