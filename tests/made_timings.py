"""Files of timings of two devices that never were: each point of the plan, likely readings."""

from __future__ import annotations

from typing import Any

import numpy as np

from book.timing import wrong
from book.timing.plan import Point, points
from book.timing.reading import Timings

# FLOP/s by library and precision, bytes/s from a cache and from memory, seconds of an empty call.
DEVICES: dict[str, dict[str, Any]] = {
    "cpu": {
        "name": "Made-up Processor",
        "flops": {
            ("numpy", "float64"): 6e10,
            ("numpy", "float32"): 1.2e11,
            ("torch", "float32"): 1.3e11,
            ("torch", "bf16"): 3e11,
        },
        "cache": 6e10,
        "memory": 1.2e10,
        "fits": 2**24,
        "launch": 1e-6,
        "clocks": ("wall",),
    },
    "cuda": {
        "name": "Made-up Accelerator",
        "flops": {
            ("torch", "float32"): 5e13,
            ("torch", "tf32"): 3e14,
            ("torch", "bf16"): 6e14,
        },
        "cache": 8e12,
        "memory": 3.5e12,
        "fits": 2**26,
        "launch": 4e-6,
        "clocks": ("wall", "events"),
    },
}
TOO_LONG = 1.0
READINGS = 200
VERSIONS = {"torch": "2.13.0", "numpy": "2.4.6"}
CUDA = {"cuda": "13.0", "driver": "600"}


def made(kind: str) -> Timings:
    """A whole file; kind is "cpu" or "cuda"."""
    about = DEVICES[kind]
    rng = np.random.default_rng(3)
    found = {point.name: _point(point, kind, about, rng) for point in points(kind)}
    return Timings(
        {
            "device": {"kind": kind, "name": about["name"]},
            "versions": VERSIONS | (CUDA if kind == "cuda" else {}),
            "date": "2026-11-30",
            "threads": 2,
            "points": found,
        }
    )


def _point(
    point: Point, kind: str, about: dict[str, Any], rng: np.random.Generator
) -> dict[str, Any]:
    named = {k: v for k, v in vars(point).items() if v not in ("", 0)}
    if point.part == "wrong":
        return named | _wrong(point.kind, kind, about, rng)
    if point.part == "ceilings" and point.kind == "product":
        flops = 2.0 * point.n**3
        return (
            named
            | {"flops": flops}
            | _read(flops / about["flops"][point.library, point.precision], about, rng)
        )
    if point.part == "ceilings" and point.kind != "empty calls":
        moved = 2.0 * point.n
        touched = moved if point.kind == "copy" else float(point.n)
        rate = about["cache" if touched <= about["fits"] else "memory"]
        return named | {"bytes": moved, "footprint": touched} | _read(moved / rate, about, rng)
    if point.part == "ceilings":
        return named | {"calls": point.n} | _read(point.n * about["launch"], about, rng)
    if point.part == "step":
        return named | _step(point, about, rng)
    return named | _read(1e-3, about, rng)


def _step(point: Point, about: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    size = point.size
    launches = 1 if point.way == "graph" else 80
    counted = {
        "flops": size.flops,
        "bytes": size.moved * point.itemsize,
        "footprint": size.memory(point.itemsize),
        "launches": launches,
    }
    flow = about["cache" if counted["footprint"] <= about["fits"] else "memory"]
    limits = (
        size.flops / about["flops"][point.library, point.precision] / 0.8,
        counted["bytes"] / flow / 0.5,
        launches * about["launch"] / 0.6,
    )
    if sum(limits) > TOO_LONG:
        return {"skipped": f"7 calls would take some {7 * sum(limits):.0f} s, more than 20 s"}
    return counted | _read(sum(limits), about, rng)


def _read(seconds: float, about: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    spread = lambda: (seconds * np.exp(np.abs(rng.normal(0, 0.05, READINGS)))).tolist()  # noqa: E731
    return {"first": 5 * seconds, "events": [], "cold": []} | {
        clock: spread() for clock in about["clocks"]
    }


def _wrong(
    mistake: str, kind: str, about: dict[str, Any], rng: np.random.Generator
) -> dict[str, Any]:
    if kind == "cpu" and mistake in ("not synchronised", "transfer included"):
        return {"skipped": "the CPU cannot show this"}
    right = 2.0 * wrong.SIDES[kind] ** 3 / about["flops"]["torch", "float32"] / 0.95
    noise = lambda count: np.exp(np.abs(rng.normal(0, 0.03, count)))  # noqa: E731
    tail = 5 * about["launch"] * noise(wrong.TAIL_READINGS)
    tail[::40] *= 20
    readings = {
        "right": right * noise(50),
        "not synchronised": 2 * about["launch"] * noise(50),
        "first call counted": right * noise(50) * np.where(np.arange(50) == 0, 40, 1),
        "one repetition": tail[:1],
        "transfer included": 2.5 * right * noise(50),
        "long tail": tail,
    }[mistake]
    return {"wall": readings.tolist()}
