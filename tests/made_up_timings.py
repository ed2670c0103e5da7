"""Files of timings that nobody measured: from a formula, for devices that do not exist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from book.timing import wrong
from book.timing.plan import CALLS, OPTIMISER_NUMBERS, PARTS, PATIENCE_SECONDS, Point, points
from book.timing.reading import Timings
from book.timing.record import Record

MEMORY = 40e9
# Operations a second by precision, bytes a second from memory and from a cache, seconds of a call.
DEVICES: dict[str, dict[str, Any]] = {
    "cpu": dict(
        flops={"float64": 4e10, "float32": 8e10, "bf16": 6e10},
        memory=1e10, cache=5e10, launch={"numpy": 5e-7, "torch": 1e-6},
    ),
    "cuda": dict(
        flops={"float32": 5e13, "tf32": 3e14, "bf16": 6e14},
        memory=3e12, cache=6e12, launch={"torch": 5e-6},
    ),
}  # fmt: skip
CACHE_BYTES = 5e7
LAUNCHES = 60


def header(kind: str) -> dict[str, Any]:
    """The header of a made-up device."""
    versions = {"python": "3", "numpy": "2", "torch": "2.13.0", "system": "none"}
    if kind == "cuda":
        versions |= {"cuda": "13.0", "driver": "580"}
    return {
        "device": {"kind": kind, "name": f"Made-up {kind.upper()} 9000"},
        "versions": versions,
        "date": "2026-01-02",
        "threads": 2,
        "quick": False,
    }


def content(kind: str, *, quick: bool = False) -> dict[str, Any]:
    """What a file of a made-up device says."""
    made = {p.name: _point(p, kind) for p in points(kind, quick=quick, only=PARTS)}
    return {"format": 1, **header(kind), "points": made}


def made(kind: str) -> Timings:
    """The file as it is read."""
    return Timings(content(kind))


def write(folder: Path, *kinds: str) -> Path:
    """Put files of such devices into a folder."""
    for kind in kinds:
        record = Record(folder, header(kind))
        found = content(kind)["points"]
        last = list(found)[-1]
        record.content["points"] = {name: found[name] for name in found if name != last}
        record.add(last, found[last])
    return folder


def _readings(seconds: float) -> list[float]:
    """Ten readings with a tail, the same each time."""
    return [seconds * (1 + x) for x in (0, 0.01, 0.02, 0.01, 0, 0.02, 0.01, 0.03, 0.01, 0.5)]


def _point(p: Point, kind: str) -> dict[str, Any]:
    about: dict[str, Any] = {k: v for k, v in vars(p).items() if v not in ("", 0)}
    device = DEVICES[kind]
    launch = device["launch"].get(p.library, 1e-6)

    def rate(footprint: float) -> float:
        return device["cache" if footprint <= CACHE_BYTES else "memory"]

    if p.part == "ceilings" and p.kind == "product":
        flops = 2.0 * p.n**3
        return about | {"flops": flops, "wall": _readings(flops / device["flops"][p.precision])}
    if p.part == "ceilings" and p.kind in ("copy", "in place"):
        size, touched = 2.0 * p.n, (2.0 if p.kind == "copy" else 1.0) * p.n
        return about | {
            "bytes": size,
            "footprint": touched,
            "wall": _readings(size / rate(touched)),
        }
    if p.part == "ceilings":
        return about | {"calls": p.n, "wall": _readings(p.n * launch)}
    if p.part in ("step", "neighbours"):
        net, counted = p.size, p.size.memory(p.itemsize)
        if counted > MEMORY:
            return about | {"skipped": "it would take too much"}
        calls = {"graph": 1, "compile": 20}.get(p.way, LAUNCHES)
        seconds = (
            calls * launch
            + net.flops / device["flops"][p.precision] / 0.7
            + net.moved * p.itemsize / rate(counted)
        )
        if CALLS * seconds > PATIENCE_SECONDS:
            return about | {"skipped": f"{CALLS} calls would take some {CALLS * seconds:.0f} s"}
        return about | {
            "flops": net.flops,
            "bytes": net.moved * p.itemsize,
            "footprint": counted,
            **({"launches": calls} if p.way != "compile" else {"prepare": 12.0}),
            "wall": _readings(1.1 * seconds),
            **({"events": _readings(seconds)} if kind == "cuda" else {}),
        }
    if p.part == "transfer":
        size = 4.0 * 784 * p.batch
        each = {"pageable": 1e10, "pinned": 2.5e10}[p.kind]
        return about | {"bytes": size, "wall": _readings(1e-5 + size / each)}
    if p.part == "largest":
        from book.timing.network import Size

        one, two = (Size(p.width, m).memory(p.itemsize) for m in (1, 2))
        predicted = int((MEMORY - (2 * one - two)) / (two - one))
        return about | {
            "largest": int(0.97 * predicted),
            "predicted": predicted,
            "free_bytes": MEMORY,
        }
    if p.part == "optimiser":
        kept = OPTIMISER_NUMBERS[p.kind]
        size = 4.0 * (2 * kept - 1) * p.n
        calls = {"loop": 80, "foreach": 8, "fused": 1}[p.way]
        passes = {"loop": 3, "foreach": 2, "fused": 1.2}[p.way]
        seconds = calls * launch + passes * size / rate(4.0 * kept * p.n)
        return about | {"bytes": size, "footprint": 4.0 * kept * p.n, "wall": _readings(seconds)}
    if kind == "cpu" and p.kind in ("not synchronised", "transfer included"):
        return about | {"skipped": "the CPU cannot show it"}
    # In short: what a short call takes, which the machine now and then disturbs.
    truth, short = 2.0 * wrong.SIDES[kind] ** 3 / device["flops"]["float32"] / 0.95, 5 * launch
    calm = [truth * (1 + 0.01 * (i % 5)) for i in range(50)]
    tail = [short * (20 if i % 40 == 0 else 1 + 0.01 * (i % 5)) for i in range(2000)]
    walls = {
        "right": calm,
        "not synchronised": [2 * launch * (1 + 0.01 * (i % 5)) for i in range(50)],
        "first call counted": [40 * truth, *calm[1:]],
        "one repetition": tail[:1],
        "transfer included": [3 * x for x in calm],
        "long tail": tail,
    }
    return about | {"wall": walls[p.kind]}
