"""What a file of timings says: medians and their spread, shares of the ceilings, where things bend.

The file holds raw readings; everything else is computed here, whenever a page is built.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from book.timing.record import read

Binding = Literal["arithmetic", "bandwidth", "launches"]

# By so much may a reading be faster than the ceiling before the clock is what is wrong: a ceiling
# is a reading, too, and memory that is read more than written is a little faster.
ROOM = 1.1
# A time has left the flat part where it is so many times that of the smallest batch.
LEFT = 1.5
# Where the quartiles are so far apart, by the median, two digits of a ratio would be an accident.
UNSTEADY = 0.1


@dataclass(frozen=True)
class Spread:
    """Seconds of a call: the median, and the quartiles around it."""

    median: float
    low: float
    high: float
    count: int

    @property
    def steady(self) -> bool:
        """Whether half of the readings agree so far that a ratio of medians says something."""
        return self.high - self.low <= UNSTEADY * self.median


@dataclass(frozen=True)
class Bound:
    """What a point could take at the least, in seconds, by each ceiling; which of them binds, and
    the share of it that the point reaches. A share above `ROOM` is a bug of the timing."""

    seconds: dict[Binding, float]
    binds: Binding
    share: float

    @property
    def impossible(self) -> bool:
        """Whether the point is faster than the device can be."""
        return self.share > ROOM


@dataclass(frozen=True)
class Ceilings:
    """What the device can do at best, as measured in the same run.

    flops : operations a second, by library and precision
    passes : by library and kind, "copy" or "in place", pairs of how many bytes a pass over memory
        touches and how many a second it moves, read and written together; small before large
    launch : seconds of an empty call, by library
    """

    flops: dict[tuple[str, str], float]
    passes: dict[tuple[str, str], list[tuple[float, float]]]
    launch: dict[str, float]

    def bandwidth(self, library: str, footprint: float = np.inf) -> float:
        """Bytes a second of what touches so many bytes, at the most.

        What fits into a cache is moved faster than memory can. So the best rate counts of a pass
        that touches as many or more; and of the last one that touches fewer, since a cache may end
        anywhere between the two.

        Raises
        ------
        KeyError where none was measured.
        """
        rates = []
        for (of, _kind), passes in self.passes.items():
            if of == library:
                below = sum(touched <= footprint for touched, _rate in passes)
                rates += [rate for _touched, rate in passes[max(0, below - 1) :]]
        if not rates:
            raise KeyError(library)
        return max(rates)


class Timings:
    """A file of timings."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self.points: dict[str, dict[str, Any]] = dict(content["points"])
        self.ceilings = _ceilings(self.points.values())

    @property
    def device(self) -> str:
        """The device's name."""
        return str(self.content["device"]["name"])

    @property
    def kind(self) -> str:
        """ "cpu" or "cuda"."""
        return str(self.content["device"]["kind"])

    @property
    def source(self) -> str:
        """Device, versions and date, as every caption has them."""
        versions = self.content["versions"]
        day = datetime.date.fromisoformat(self.content["date"])
        told = [self.device]
        if self.kind == "cpu":
            threads = self.content["threads"]
            told.append(f"{threads} thread{'s' if threads != 1 else ''}")
        told += [f"torch {versions['torch']}", f"NumPy {versions['numpy']}"]
        if versions.get("cuda"):
            told.append(f"CUDA {versions['cuda']}, driver {versions['driver']}")
        return f"{', '.join(told)}; {day.day} {day:%B %Y}"

    def find(self, part: str, **wanted: Any) -> list[dict[str, Any]]:
        """The measured points of a part that have these properties."""
        return [
            p
            for p in self.points.values()
            if p["part"] == part
            and "skipped" not in p
            and all(p.get(key, "" if isinstance(v, str) else 0) == v for key, v in wanted.items())
        ]

    def skipped(self) -> dict[str, str]:
        """Why points were left out, by name."""
        return {name: p["skipped"] for name, p in self.points.items() if "skipped" in p}

    def bound(self, point: Mapping[str, Any]) -> Bound:
        """How near a step, or an optimiser's, comes to what the device can do.

        Raises
        ------
        KeyError where its ceilings were not measured.
        """
        library, precision = point["library"], point["precision"]
        seconds: dict[Binding, float] = {
            "bandwidth": point["bytes"] / self.ceilings.bandwidth(library, point["footprint"])
        }
        if "flops" in point:
            seconds["arithmetic"] = point["flops"] / self.ceilings.flops[library, precision]
        if "launches" in point:
            seconds["launches"] = point["launches"] * self.ceilings.launch[library]
        binds = max(seconds, key=lambda name: seconds[name])
        return Bound(seconds, binds, seconds[binds] / seconds_of(point).median)

    def impossible(self) -> list[str]:
        """The steps that are faster than the device can be: each is a bug of the timing."""
        return [
            name
            for name, point in self.points.items()
            if "footprint" in point
            and point["part"] != "ceilings"
            and "skipped" not in point
            and (bound := self.bound(point)).impossible
            and bound.binds != "launches"
        ]


def load(folder: Path) -> list[Timings]:
    """Every file of timings in a folder, the CPUs' first.

    Raises
    ------
    ValueError for a file that is none.
    """
    found = [Timings(read(path)) for path in sorted(folder.glob("*.json"))]
    return sorted(found, key=lambda timings: timings.kind)


def seconds_of(point: Mapping[str, Any], *, by: str = "") -> Spread:
    """The spread of a point's readings: by the device's own clock where it has one, else by the
    wall's, or by the list that is named."""
    readings = point[by] if by else (point.get("events") or point["wall"])
    low, middle, high = np.percentile(readings, [25, 50, 75])
    return Spread(float(middle), float(low), float(high), len(readings))


def flat_until(batches: Sequence[int] | np.ndarray, seconds: Sequence[float] | np.ndarray) -> int:
    """The largest batch up to which a step takes at most `LEFT` times as long as the smallest."""
    seconds = np.asarray(seconds)
    beyond = np.flatnonzero(seconds > LEFT * seconds[0])
    return int(batches[beyond[0] - 1 if len(beyond) else -1])


def crossover(
    batches: Iterable[int], slow_starter: Mapping[int, float], other: Mapping[int, float]
) -> int | None:
    """The smallest batch from which on the first is never slower than the other, of those that both
    measured; None where there is none."""
    common = [b for b in sorted(batches) if b in slow_starter and b in other]
    ahead = None
    for b in reversed(common):
        if slow_starter[b] > other[b]:
            break
        ahead = b
    return ahead


def _ceilings(points: Iterable[Mapping[str, Any]]) -> Ceilings:
    flops: dict[tuple[str, str], float] = {}
    passes: dict[tuple[str, str], list[tuple[float, float]]] = {}
    launch: dict[str, float] = {}
    for point in points:
        if point["part"] != "ceilings" or "skipped" in point:
            continue
        seconds, library = seconds_of(point).median, point["library"]
        if point["kind"] == "product":
            key = (library, point["precision"])
            flops[key] = max(flops.get(key, 0.0), point["flops"] / seconds)
        elif point["kind"] in ("copy", "in place"):
            pairs = passes.setdefault((library, point["kind"]), [])
            pairs.append((point["footprint"], point["bytes"] / seconds))
        else:
            launch[library] = seconds / point["calls"]
    for pairs in passes.values():
        pairs.sort()
    return Ceilings(flops, passes, launch)
