"""Reading a clock honestly: warm, synchronised, again and again, every reading kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Call = Callable[[], Any]

LEAST, MOST = 5, 200
# So long is a call repeated before it counts, and so long is it timed, where it is short.
WARM_SECONDS, TIMED_SECONDS = 0.05, 0.4
CACHE_FILLS = 2
# Both clocks count nanoseconds, or coarser.
DIGITS = 9


@dataclass(frozen=True)
class Patience:
    """How long a call is repeated."""

    warm: float = WARM_SECONDS
    timed: float = TIMED_SECONDS
    least: int = LEAST
    most: int = MOST


# For a look at how it works.
LITTLE = Patience(warm=0.01, timed=0.05)


@dataclass
class Readings:
    """Seconds of one call, a number a repetition.

    first : the very first call, which may load, allocate or compile; it is in no other list
    wall : by the wall clock, from a settled device to a settled device
    events : by the device's own clock, where it has one; calls follow each other without a wait
    cold : as `events`, but with the cache overwritten before each call
    """

    first: float
    wall: list[float]
    events: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)


class Device:
    """A device that has finished when a call returns, such as the CPU. It has no other clock."""

    name = "cpu"

    def settle(self) -> None:
        """Wait until everything that was asked for is done."""

    def by_events(self, call: Call, count: int, cold: bool) -> list[float]:
        """`count` calls by the device's own clock; none here."""
        return []


class Cuda(Device):
    """A CUDA device: calls return before they are done, and events are its own clock."""

    name = "cuda"

    def __init__(self) -> None:
        import torch

        self._torch = torch
        cache = torch.cuda.get_device_properties(0).L2_cache_size
        self._filler = torch.empty(CACHE_FILLS * cache, dtype=torch.uint8, device="cuda")

    def settle(self) -> None:
        self._torch.cuda.synchronize()

    def by_events(self, call: Call, count: int, cold: bool) -> list[float]:
        make = lambda: self._torch.cuda.Event(enable_timing=True)  # noqa: E731 - one word below
        pairs = [(make(), make()) for _ in range(count)]
        for start, end in pairs:
            if cold:
                self._filler.zero_()
            start.record()
            call()
            end.record()
        self.settle()
        return [round(start.elapsed_time(end) / 1e3, DIGITS) for start, end in pairs]


def time_call(
    call: Call,
    device: Device,
    patience: Patience | None = None,
    *,
    cold: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> Readings:
    """Time a call: once for the first call, then warm, then as often as patience allows.

    cold : whether to time it with an overwritten cache, too, where the device has events
    """
    patience = patience or Patience()

    def once() -> float:
        device.settle()
        start = clock()
        call()
        device.settle()
        return round(clock() - start, DIGITS)

    first = once()
    warm_from, warm = clock(), [once()]
    # Not without end: what is timed must stay the same while it is timed.
    while clock() - warm_from < patience.warm and len(warm) < patience.most:
        warm.append(once())
    # The quickest: a reading that something else delayed would leave too few.
    count = int(min(patience.most, max(patience.least, patience.timed / max(min(warm), 1e-9))))
    wall = [once() for _ in range(count)]
    events = device.by_events(call, count, cold=False)
    return Readings(first, wall, events, device.by_events(call, count, cold=True) if cold else [])
