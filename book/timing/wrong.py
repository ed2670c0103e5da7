"""Five ways to time a matrix product wrongly, beside the right one. What each of them shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from book.timing.clock import DIGITS, Device, Patience, time_call

SIDES = {"cuda": 8192, "cpu": 1024}
SHORT_SIDE = 16
READINGS = 50
TAIL_READINGS = 2000


def readings(kind: str, device: Device) -> list[float]:
    """Seconds that a way of timing shows, by its name in `KINDS`.

    Raises
    ------
    NotHere where the device cannot show this mistake.
    """
    return KINDS[kind](device)


class NotHere(Exception):
    """The device cannot show this; says why."""


def _product(device: Device, n: int) -> Callable[[], Any]:
    import torch

    a, b = (torch.rand((n, n), device=device.name) for _ in range(2))
    out = torch.empty_like(a)
    return lambda: torch.matmul(a, b, out=out)


def _right(device: Device) -> list[float]:
    return time_call(_product(device, SIDES[device.name]), device).wall


def _not_synchronised(device: Device) -> list[float]:
    if device.name == "cpu":
        raise NotHere(
            "on the CPU a call has finished when it returns: there is nothing to wait for"
        )
    call = _product(device, SIDES[device.name])
    call()
    device.settle()
    found = []
    for _ in range(READINGS):
        start = time.perf_counter()
        call()
        found.append(round(time.perf_counter() - start, DIGITS))
    device.settle()
    return found


def _first_call(device: Device) -> list[float]:
    """The first call of a shape that was never asked for."""
    readings = time_call(
        _product(device, SIDES[device.name] - 24), device, Patience(least=READINGS)
    )
    return [readings.first, *readings.wall[: READINGS - 1]]


def _one_repetition(device: Device) -> list[float]:
    return _tail(device)[:1]


def _transfer_included(device: Device) -> list[float]:
    import torch

    if device.name == "cpu":
        raise NotHere("the CPU's own memory is where the numbers are: nothing is transferred")
    n = SIDES[device.name]
    a = torch.rand((n, n))
    b = torch.rand((n, n), device=device.name)
    return time_call(lambda: a.to(device.name) @ b, device, Patience(most=READINGS)).wall


def _tail(device: Device) -> list[float]:
    """A call so short that whatever else the machine does shows in some readings."""
    patience = Patience(least=TAIL_READINGS, most=TAIL_READINGS)
    return time_call(_product(device, SHORT_SIDE), device, patience).wall


KINDS: dict[str, Callable[[Device], list[float]]] = {
    "right": _right,
    "not synchronised": _not_synchronised,
    "first call counted": _first_call,
    "one repetition": _one_repetition,
    "transfer included": _transfer_included,
    "long tail": _tail,
}
