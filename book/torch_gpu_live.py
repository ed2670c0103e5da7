"""Chapter 9's live figure "The roofline": its numbers, its words, its still.

It draws the steps in the files of timings against the ceilings in the same files. The other live
figure is in book.torch_gpu_spot. Every word that a reader sees or hears stands in these two files,
as a plain string to be translated.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from autograder.figures import BLUE, GREEN, RED, new_figure
from book.page import live_figure, picture
from book.timing.reading import Binding, Bound, Timings, seconds_of

Array = np.ndarray
Way = tuple[str, str, str]  # library, precision, way

# Numbers as people write them.

SECONDS = ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))
RATES = ((1e3, "kFLOP/s"), (1e6, "MFLOP/s"), (1e9, "GFLOP/s"), (1e12, "TFLOP/s"), (1e15, "PFLOP/s"))
FLOWS = ((1e6, "MB/s"), (1e9, "GB/s"), (1e12, "TB/s"))
SIZES = ((1e3, "kB"), (1e6, "MB"), (1e9, "GB"))
SPACE = "\u00a0"
DIGITS = 3
# In the data of a page.
MICRO, MEGA, GIGA = 1e-6, 1e6, 1e9

Units = tuple[tuple[float, str], ...]


def rounded(value: float) -> float:
    """To as many digits as are ever shown: what is drawn and what is said are one number."""
    return float(f"{value:.{DIGITS}g}")


def short(value: float, unit: float) -> float:
    """In a unit, for the data of a page: fewer characters."""
    value = rounded(value / unit)
    return int(value) if value.is_integer() else value


def digits(value: float) -> str:
    """A number in so many digits, with no power of ten."""
    return f"{rounded(value):,g}" if value < 1e6 else f"{rounded(value):,.0f}"


def ratio(value: float) -> str:
    """How many times: 1.00, not 1."""
    return digits(value) if value >= 100 else f"{value:#.{DIGITS}g}"


def quantity(value: float, units: Units) -> str:
    """A number with the largest unit that leaves at least 1 of it, or the smallest there is."""
    value = rounded(value)
    size, name = max((u for u in units if u[0] <= value * (1 + 1e-9)), default=units[0])
    return f"{digits(value / size)}{SPACE}{name}"


def share(value: float) -> str:
    """Per cent."""
    return f"{100 * value:.0f}{SPACE}%"


# Figure 1: the roofline.

LIBRARIES = {"numpy": "NumPy", "torch": "torch"}
PRECISIONS = {"float64": "float64", "float32": "float32", "tf32": "TF32", "bf16": "BF16"}
WAYS = {
    "eager": "{library}, {precision}",
    "graph": "{library}, {precision}, CUDA graph",
    "compile": "{library}, {precision}, compiled",
}
# Below this share of the highest limit, no limit explains the time.
EXPLAINED = 1 / 3
LIMITS: tuple[Binding, ...] = ("arithmetic", "bandwidth", "launches")
VERDICTS = ("binds", "unexplained", "over", "impossible")
BINS = 30
# A spread narrower than this is not drawn wider than it is.
NARROW = 1.1

ROOFLINE_LABEL = "the roofline"
ROOFLINE_WORDS: dict[str, Any] = {
    "device": "Device",
    "way": "How",
    "batch": "Batch",
    "width": "Width",
    "roofline": "FLOP/s over FLOP per byte, logarithmic",
    "readings": "{count} readings: median and middle half",
    "none": "No readings",
    "arithmetic": "arithmetic: {rate}",
    "memory": "memory: {flow}",
    "touched": "cache, for this step: {flow}",
    "launches": "launches, at this width",
    "intensity": "FLOP per byte",
    "source": "Measured on {source}.",
    "setting": "Width {width}, batch {batch}.",
    "step": "A step takes {median}, half of the readings lie between {low} and {high}. It does "
    "{rate}, at {intensity} FLOP per byte.",
    "uncounted": "Its arithmetic takes at least {arithmetic}, its bytes {bandwidth}. How many "
    "launches are left of it was not counted.",
    "limits": "Its arithmetic takes at least {arithmetic}, its bytes {bandwidth}, its launches "
    "{launches}.",
    "binds": {
        "arithmetic": "Its arithmetic binds it: it runs at {share} of the best matrix product.",
        "bandwidth": "Its bytes bind it: it moves them at {share} of the rate of a plain pass over "
        "as much memory.",
        "launches": "Its launches bind it: empty ones would take {share} of its time.",
    },
    "unexplained": {
        "arithmetic": "The highest of these limits is the arithmetic, and it explains no more than "
        "{share} of the time: the rest goes where no ceiling of ours looks.",
        "bandwidth": "The highest of these limits is the bytes, and it explains no more than "
        "{share} of the time: each operation may move its own bytes anew.",
        "launches": "The highest of these limits is the launches, and it explains no more than "
        "{share} of the time: one that has something to do costs more than an empty one.",
    },
    "over": "By our count its launches alone would take {share} of its time: some of them are "
    "cheaper here than one at a time.",
    "impossible": "It runs at {share} of a ceiling. No device beats its own ceiling: this reading "
    "of the clock, or that of the ceiling, is wrong.",
    "skipped": "Not measured: {why}.",
    "absent": "Not measured: it is not in the plan for this device.",
}
ROOFLINE_STILL = (
    "<p>Sliders that need JavaScript and a screen: batch, width and library, and where the step "
    "then stands. These are all steps of one library, with the ceilings of the same run.</p>"
)
ROOFLINE_ALT = (
    "Achieved FLOP/s over FLOP per byte, both logarithmic, on {device}. A slanted line for the "
    "bandwidth meets a flat one for the arithmetic. {count} dots, a step each: those of small "
    "batches far below both lines on the left, those of large batches near the flat line."
)
NO_FILES = (
    "<p>There is no file of timings yet. <code>python -m book.timing --out book/timings/</code> "
    "makes one for this machine.</p>"
)


def way_of(point: Mapping[str, Any]) -> Way:
    """Library, precision and way of a step."""
    return point["library"], point["precision"], point["way"]


def way_name(way: Way) -> str:
    """What a way is called."""
    library, precision, how = way
    return WAYS[how].format(library=LIBRARIES[library], precision=PRECISIONS[precision])


def steps(timings: Timings) -> dict[Way, dict[tuple[int, int], dict[str, Any]]]:
    """All steps of a file that have their ceilings, and those that were left out: by way, then by
    width and batch."""
    found: dict[Way, dict[tuple[int, int], dict[str, Any]]] = {}
    for point in timings.points.values():
        if point["part"] == "step" and has_ceilings(timings, way_of(point)):
            found.setdefault(way_of(point), {})[point["width"], point["batch"]] = point
    return found


def has_ceilings(timings: Timings, way: Way) -> bool:
    """Whether everything was measured that a step of this way is held against."""
    library, precision, _ = way
    try:
        timings.ceilings.bandwidth(library)
    except KeyError:
        return False
    return (library, precision) in timings.ceilings.flops and library in timings.ceilings.launch


def histogram(seconds: Sequence[float]) -> list[int]:
    """How many readings lie in each of `BINS` bins of equal ratio, from the fastest to the slowest;
    so many empty ones in a row are one negative number."""
    low, high = histogram_range(seconds)
    edges = np.geomspace(low, high, BINS + 1)
    edges[0], edges[-1] = 0, np.inf  # rounding must lose none
    counts = np.histogram(seconds, edges)[0]
    packed: list[int] = []
    for empty, group in groupby(counts.tolist(), key=lambda n: n == 0):
        run = list(group)
        packed += [-len(run)] if empty else run
    return packed


def histogram_range(seconds: Sequence[float]) -> tuple[float, float]:
    """From where to where the bins go."""
    low, high = min(seconds), max(seconds)
    if high < NARROW * low:
        middle = float(np.sqrt(low * high))
        low, high = middle / np.sqrt(NARROW), middle * np.sqrt(NARROW)
    return rounded(low), rounded(high)


def readings_of(point: Mapping[str, Any]) -> list[float]:
    """The readings that `seconds_of` takes."""
    found: list[float] = point.get("events") or point["wall"]
    return found


def verdict(bound: Bound) -> str:
    """Which sentence says what binds a step."""
    if bound.binds == "launches" and bound.share > 1:
        return "over"
    if bound.impossible:
        return "impossible"
    return "binds" if bound.share > EXPLAINED else "unexplained"


def step_data(timings: Timings, point: Mapping[str, Any]) -> list[Any] | str:
    """A step in numbers, or why it was left out.

    MFLOP; FLOP per byte; the quartiles in microseconds; what each of `LIMITS` takes at the least,
    in microseconds, None where it was not counted; GB a second of what touches so many bytes; which
    limit binds, and which of `VERDICTS` is said of it; the share in per cent; from where to where
    the histogram goes, in microseconds; the histogram.
    """
    if "skipped" in point:
        return str(point["skipped"])
    spread, bound = seconds_of(point), timings.bound(point)
    limits = [bound.seconds.get(name) for name in LIMITS]
    return [
        short(point["flops"], MEGA),
        rounded(point["flops"] / point["bytes"]),
        *(short(v, MICRO) for v in (spread.low, spread.median, spread.high)),
        *(None if v is None else short(v, MICRO) for v in limits),
        short(timings.ceilings.bandwidth(point["library"], point["footprint"]), GIGA),
        LIMITS.index(bound.binds),
        VERDICTS.index(verdict(bound)),
        round(100 * bound.share),
        *(short(v, MICRO) for v in histogram_range(readings_of(point))),
        histogram(readings_of(point)),
    ]


def said(timings: Timings, point: Mapping[str, Any]) -> str:
    """What the figure says of a step; the script fills the same sentences."""
    words = ROOFLINE_WORDS
    setting = words["setting"].format(width=f"{point['width']:,}", batch=f"{point['batch']:,}")
    made = step_data(timings, point)
    if isinstance(made, str):
        return f"{setting} {words['skipped'].format(why=made)}"
    mega_flop, intensity, *micros = made[:8]
    binds, how, percent = LIMITS[made[9]], VERDICTS[made[10]], made[11]
    ending = words[how] if isinstance(words[how], str) else words[how][binds]
    names = ("low", "median", "high", *LIMITS)
    times = {k: v * MICRO for k, v in zip(names, micros, strict=True) if v is not None}
    told = {name: quantity(seconds, SECONDS) for name, seconds in times.items()}
    rate = quantity(mega_flop * MEGA / times["median"], RATES)
    sentences = (
        setting,
        words["step"].format(**told, rate=rate, intensity=digits(intensity)),
        words["limits" if "launches" in told else "uncounted"].format(**told),
        ending.format(share=f"{percent}{SPACE}%"),
    )
    return " ".join(sentences)


def sizes(all_timings: Iterable[Timings]) -> tuple[list[int], list[int]]:
    """Every width and every batch that any of the files has."""
    keys = [key for timings in all_timings for way in steps(timings).values() for key in way]
    return sorted({width for width, _ in keys}), sorted({batch for _, batch in keys})


def drawable(all_timings: Iterable[Timings]) -> list[Timings]:
    """The files that have steps, and their ceilings."""
    return [
        timings
        for timings in all_timings
        if any("skipped" not in p for way in steps(timings).values() for p in way.values())
    ]


def decades(values: Iterable[float]) -> list[float]:
    """Powers of ten that hold all values, with some room."""
    values = list(values)
    low, high = np.floor(np.log10(min(values) / 1.2)), np.ceil(np.log10(max(values) * 1.2))
    return [10.0**k for k in range(int(low), int(high) + 1)]


def device_data(timings: Timings, widths: Sequence[int], batches: Sequence[int]) -> dict[str, Any]:
    """A device: its ways, each with its ceilings and its steps by width and batch."""
    ways, x, y = [], [], []
    for way, found in steps(timings).items():
        ceilings = timings.ceilings
        made = {key: step_data(timings, point) for key, point in found.items()}
        ways.append(
            {
                "name": way_name(way),
                "peak": rounded(ceilings.flops[way[:2]]),
                "memory": rounded(ceilings.bandwidth(way[0])),
                "points": [[made.get((w, b)) for b in batches] for w in widths],
            }
        )
        drawn = [step for step in made.values() if not isinstance(step, str)]
        x += [step[1] for step in drawn]
        y += [ways[-1]["peak"], *(step[0] * MEGA / step[3] / MICRO for step in drawn)]
    return {
        "name": timings.device,
        "source": ROOFLINE_WORDS["source"].format(source=timings.source),
        "ways": ways,
        "x": decades(x),
        "y": decades(y),
    }


def first_step(timings: Timings) -> Mapping[str, Any]:
    """The step that the figure begins with: that of which its launches explain most. It is a small
    one."""
    measured = [p for way in steps(timings).values() for p in way.values() if "skipped" not in p]
    bound = timings.bound
    return max(measured, key=lambda p: bound(p).share * (bound(p).binds == "launches"))


def roofline_data(all_timings: Sequence[Timings]) -> dict[str, Any]:
    """What the figure needs of one device or more."""
    widths, batches = sizes(all_timings)
    first = first_step(all_timings[0])
    return {
        "devices": [device_data(timings, widths, batches) for timings in all_timings],
        "widths": widths,
        "batches": batches,
        "start": {
            "way": list(steps(all_timings[0])).index(way_of(first)),
            "width": widths.index(first["width"]),
            "batch": batches.index(first["batch"]),
        },
        "units": {"seconds": SECONDS, "rate": RATES, "flow": FLOWS},
        "limits": LIMITS,
        "verdicts": VERDICTS,
        "words": ROOFLINE_WORDS,
    }


def roofline_still(all_timings: Sequence[Timings]) -> str:
    """The steps of one way on each device, and three of them in words."""
    made = [ROOFLINE_STILL]
    for timings in all_timings:
        first = first_step(timings)
        way = way_of(first)
        drawn = [p for p in steps(timings)[way].values() if "skipped" not in p]
        figure, ax = new_figure(size=(5.6, 4.4))
        figure.set_layout_engine("constrained")
        seconds = np.array([seconds_of(p).median for p in drawn])
        flop, moved = (np.array([p[name] for p in drawn]) for name in ("flops", "bytes"))
        peak = timings.ceilings.flops[way[:2]]
        flow = timings.ceilings.bandwidth(way[0])
        x = np.geomspace((flop / moved).min() / 2, (flop / moved).max() * 2, 50)
        ax.plot(x, np.minimum(flow * x, peak), "--", color=GREEN, label="memory")
        ax.axhline(peak, color=RED, label="arithmetic")
        ax.plot(flop / moved, flop / seconds, ".", color=BLUE, label=way_name(way))
        ax.plot(
            first["flops"] / first["bytes"], first["flops"] / seconds_of(first).median, "o",
            color=BLUE, markersize=10,
        )  # fmt: skip
        ax.set(
            xscale="log", yscale="log", xlabel=ROOFLINE_WORDS["intensity"], ylabel="FLOP/s",
            title=timings.device,
        )  # fmt: skip
        ax.legend()
        made.append(picture(figure, ROOFLINE_ALT.format(device=timings.device, count=len(drawn))))
        shown = [first, max(drawn, key=lambda p: p["batch"] * p["width"])]
        made.append(f"<p>{html.escape(ROOFLINE_WORDS['source'].format(source=timings.source))}</p>")
        made.append(
            "<ul>"
            + "".join(f"<li>{html.escape(said(timings, point))}</li>" for point in shown)
            + "</ul>"
        )
    return "".join(made)


def roofline_figure(all_timings: Sequence[Timings]) -> str:
    """The live figure of the files of a folder, as HTML; where there is none, how to make one."""
    found = drawable(all_timings)
    if not found:
        return NO_FILES
    return live_figure(
        "torch-gpu-roofline",
        script="torch_gpu",
        label=ROOFLINE_LABEL,
        still=roofline_still(found),
        data=roofline_data(found),
    )
