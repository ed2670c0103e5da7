"""Chapter 9's live figure at the top: a step on the processor, measured, beside a GPU's.

Where a GPU has a file of timings the figure shows what was measured. Others are a model: the
slowest of three limits, from a data sheet and from a price of a launch that the reader sets. Every
word that a reader sees or hears stands here, as a plain string to be translated.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.figures import BLACK, BLUE, GREEN, PURPLE, RED, new_figure
from book import torch_gpu_timings as clocks
from book.page import live_figure, picture
from book.timing.network import Size
from book.timing.plan import Point
from book.timing.reading import Binding, Timings, crossover, seconds_of
from book.torch_gpu_live import FLOWS, MICRO, RATES, SECONDS, digits, quantity, short

BYTES = 4  # of a float32
# Microseconds a launch, as the slider has them. It starts above what torch takes an operation on a
# processor (`price`), since a GPU's driver comes on top.
LAUNCH_MICROS = (1, 2, 5, 10, 20, 50)
LAUNCH_START = 10
# Nearer than this, two times are called even.
EVEN = 1.05

CROSSING_LABEL = "processor or GPU"
WORDS: dict[str, Any] = {
    "width": "Width",
    "batch": "Batch",
    "launch": "Each launch",
    "gpu": "GPU",
    "title": "One step at width {width}, in milliseconds",
    "axis": "examples in a batch, logarithmic",
    "processor": "processor, measured",
    "model": "GPU, a model",
    "measured": "GPU, measured",
    "price": "its launches",
    "work": "its bytes and operations",
    "sheet": "The model's numbers: {count} launches a step, as counted in torch; {rate} in float32 "
    "and {flow}, the peaks of the data sheet.",
    "sources": "Measured on {sources}.",
    "setting": "Width {width}, batch {batch}.",
    "both": "The processor takes {processor} (measured), the GPU {gpu} ({how}).",
    "alone": "The GPU takes {gpu} ({how}). The processor was not timed here: {why}.",
    "unknown": "There is no time of this step on the GPU.",
    "absent": "it is not in the plan",
    "how": {"model": "model", "measured": "measured"},
    "binds": {
        "launches": "Its launches set the pace.",
        "bandwidth": "Its bytes set the pace.",
        "arithmetic": "Its arithmetic sets the pace.",
    },
    "wins": {
        "processor": "The processor wins, by a factor of {times}.",
        "gpu": "The GPU wins, by a factor of {times}.",
        "even": "They are about even.",
    },
    "from": "At this width the GPU wins from a batch of {batch} on.",
    "always": "At this width the GPU wins at every batch that was measured.",
    "never": "At this width the processor is ahead even at the largest batch that was measured.",
}
PRICE = (
    "No data sheet has the price of a launch: set it yourself. In the smallest step that was timed "
    "on the processor torch takes {each} an operation, with next to nothing to compute; a GPU's "
    "driver comes on top."
)
STILL = (
    "<p>A figure to play with, that needs JavaScript and a screen: width, batch, the price of a "
    "launch, and the GPU. It opens like this:</p>"
)
ALT = (
    "Milliseconds of one training step over the batch, both axes logarithmic, at width {width}. "
    "The processor's measured times climb with the batch. The GPU's line is level at first and "
    "climbs later. {crossing}"
)


@dataclass(frozen=True)
class Gpu:
    """What the processor is held against: a file of timings, or the peaks of a data sheet."""

    name: str
    flops: float = 0.0
    bandwidth: float = 0.0
    timings: Timings | None = None

    @property
    def how(self) -> str:
        """Which of the words says where its times come from."""
        return "measured" if self.timings else "model"


# NVIDIA's data sheets: float32 without tensor cores, as torch multiplies by default.
SHEETS = (
    Gpu("NVIDIA T4", 8.1e12, 320e9),
    Gpu("NVIDIA A100 (80 GB, SXM)", 19.5e12, 2039e9),
    Gpu("NVIDIA H100 (SXM)", 67e12, 3350e9),
)


def gpus(timings: Sequence[Timings]) -> list[Gpu]:
    """Those that were measured, and then those that have a data sheet only."""
    return [*(Gpu(clocks.short(t), timings=t) for t in clocks.gpus(timings)), *SHEETS]


def launches(processor: Timings) -> int:
    """How many operations a step in torch asks for, as counted when it was timed. Each is one
    launch at the least."""
    library, precision, way = clocks.MAIN
    found = processor.find("step", library=library, precision=precision, way=way)
    return max(int(p["launches"]) for p in found)


def price(timings: Sequence[Timings]) -> str:
    """What is known of the price of a launch; nothing where no processor was measured."""
    if not (found := clocks.cpus(timings)):
        return ""
    steps = clocks.steps(found[0], clocks.widths(found[0])[0])
    smallest = steps[min(steps)]
    each = seconds_of(smallest).median / smallest["launches"]
    return PRICE.format(each=quantity(each, SECONDS))


def limits(gpu: Gpu, size: Size, count: int, launch: float) -> dict[Binding, float]:
    """Seconds that a step takes at the least, by each limit of a data sheet."""
    return {
        "launches": count * launch,
        "bandwidth": BYTES * size.moved / gpu.bandwidth,
        "arithmetic": size.flops / gpu.flops,
    }


def processor_micros(t: Timings, width: int, batches: Sequence[int]) -> list[Any]:
    """Microseconds by the quickest way of a processor; why, where a step was left out; None where
    it was never meant to be timed."""
    best = clocks.best_of(t, width)
    names = {m: Point("step", *clocks.MAIN, width=width, batch=m).name for m in batches}
    return [
        short(best[m], MICRO) if m in best else t.points.get(name, {}).get("skipped")
        for m, name in names.items()
    ]


def gpu_micros(
    gpu: Gpu, width: int, batches: Sequence[int], count: int, launch: float
) -> list[float | None]:
    """Microseconds of the same steps on a GPU; None where one was not measured."""
    if gpu.timings:
        found = clocks.medians(clocks.steps(gpu.timings, width))
        return [short(found[m], MICRO) if m in found else None for m in batches]
    return [max(limits(gpu, Size(width, m), count, launch).values()) / MICRO for m in batches]


def numbers(batches: Sequence[int], cells: Sequence[Any]) -> dict[int, float]:
    """Those of some times that are times."""
    return {m: c for m, c in zip(batches, cells, strict=True) if isinstance(c, int | float)}


def sizes(processor: Timings) -> tuple[list[int], list[int]]:
    """The widths and the batches of a processor's steps, those that were left out too."""
    points = [p for p in processor.points.values() if p["part"] == "step"]
    return sorted({p["width"] for p in points}), sorted({p["batch"] for p in points})


def first_setting(processor: Timings, gpu: Gpu) -> tuple[int, int]:
    """Width and batch that the figure begins with: the last step that the processor wins, at the
    widest network of which each wins some."""
    widths, batches = sizes(processor)
    count = launches(processor)
    for width in reversed(widths):
        ours = numbers(batches, processor_micros(processor, width, batches))
        theirs = numbers(batches, gpu_micros(gpu, width, batches, count, LAUNCH_START * MICRO))
        if turn := change(batches, ours, theirs):
            return width, turn[0]
    return widths[0], batches[0]


def change(
    batches: Sequence[int], ours: Mapping[int, float], theirs: Mapping[int, float]
) -> tuple[int, int] | None:
    """The last batch at which the processor wins, and the next, from which on the GPU does; None
    where they do not change places within what was measured."""
    common = [m for m in batches if m in ours and m in theirs]
    at = crossover(batches, theirs, ours)
    return (common[common.index(at) - 1], at) if at in common[1:] else None


def said(
    processor: Timings, gpu: Gpu, width: int, batch: int, launch_micros: float = LAUNCH_START
) -> str:
    """What the figure says of a setting; the script fills the same sentences."""
    _, batches = sizes(processor)
    count, launch = launches(processor), launch_micros * MICRO
    cells = processor_micros(processor, width, batches)
    theirs = numbers(batches, gpu_micros(gpu, width, batches, count, launch))
    told = [WORDS["setting"].format(width=f"{width:,}", batch=f"{batch:,}")]
    if batch not in theirs:
        return " ".join([*told, WORDS["unknown"]])
    own, other = cells[batches.index(batch)], theirs[batch]
    pair = {"gpu": quantity(other * MICRO, SECONDS), "how": WORDS["how"][gpu.how]}
    timed = isinstance(own, int | float)
    told.append(
        WORDS["both"].format(processor=quantity(own * MICRO, SECONDS), **pair)
        if timed
        else WORDS["alone"].format(why=own or WORDS["absent"], **pair)
    )
    if not gpu.timings:
        found = limits(gpu, Size(width, batch), count, launch)
        told.append(WORDS["binds"][max(found, key=lambda name: found[name])])
    if timed:
        times = max(own / other, other / own)
        winner = "even" if times < EVEN else "gpu" if other < own else "processor"
        # A half goes up, as in the script.
        told.append(WORDS["wins"][winner].format(times=digits(times * (1 + 1e-12))))
    told.append(_crossing(batches, theirs, numbers(batches, cells)))
    return " ".join(told)


def _crossing(
    batches: Sequence[int], theirs: Mapping[int, float], ours: Mapping[int, float]
) -> str:
    at = crossover(batches, theirs, ours)
    if at is None:
        return str(WORDS["never"])
    first = next(m for m in batches if m in ours and m in theirs)
    return str(WORDS["always"] if at == first else WORDS["from"].format(batch=f"{at:,}"))


def meeting(
    batches: Sequence[int], ours: Mapping[int, float], theirs: Mapping[int, float]
) -> tuple[float, float] | None:
    """Where the drawn lines change places, as batch and microseconds: two straight lines between
    two batches, on axes that are logarithmic. None where they do not."""
    if not (turn := change(batches, ours, theirs)):
        return None
    before, at = turn
    lead = {m: np.log(ours[m] / theirs[m]) for m in (before, at)}
    share = lead[before] / (lead[before] - lead[at])
    batch, micros = (a * (b / a) ** share for a, b in ((before, at), (ours[before], ours[at])))
    return float(batch), float(micros)


def data(timings: Sequence[Timings]) -> dict[str, Any]:
    """What the figure needs: the processor's times, what a step costs by counting, the GPUs.

    `costs` has for each width the operations of an example, the bytes of a step without examples,
    and those of one more.
    """
    processor = clocks.cpus(timings)[0]
    widths, batches = sizes(processor)
    others = gpus(timings)
    width, batch = first_setting(processor, others[0])
    count = launches(processor)
    return {
        "processor": [processor_micros(processor, w, batches) for w in widths],
        "costs": [
            [Size(w, 1).flops, BYTES * fixed, BYTES * (Size(w, 1).moved - fixed)]
            for w in widths
            for fixed in [Size(w, 0).moved]
        ],
        "launches": count,
        "gpus": [
            {
                "name": gpu.name,
                "how": gpu.how,
                "told": told(gpu, processor, count),
                **(
                    {"micros": [gpu_micros(gpu, w, batches, count, 0.0) for w in widths]}
                    if gpu.timings
                    else {"flops": gpu.flops, "bandwidth": gpu.bandwidth}
                ),
            }
            for gpu in others
        ],
        "widths": widths,
        "batches": batches,
        "launch": LAUNCH_MICROS,
        "start": {
            "width": widths.index(width),
            "batch": batches.index(batch),
            "launch": LAUNCH_MICROS.index(LAUNCH_START),
        },
        "even": EVEN,
        "seconds": SECONDS,
        "words": WORDS,
    }


def told(gpu: Gpu, processor: Timings, count: int) -> str:
    """Where the numbers of both lines come from."""
    if gpu.timings:
        return str(WORDS["sources"].format(sources=f"{processor.source}; and {gpu.timings.source}"))
    sheet = WORDS["sheet"].format(
        count=count, rate=quantity(gpu.flops, RATES), flow=quantity(gpu.bandwidth, FLOWS)
    )
    return f"{sheet} {WORDS['sources'].format(sources=processor.source)}"


def still(timings: Sequence[Timings]) -> str:
    """The setting that it opens with, drawn and in words."""
    processor, gpu = clocks.cpus(timings)[0], gpus(timings)[0]
    width, batch = first_setting(processor, gpu)
    _, batches = sizes(processor)
    count, launch = launches(processor), LAUNCH_START * MICRO
    ours = numbers(batches, processor_micros(processor, width, batches))
    theirs = numbers(batches, gpu_micros(gpu, width, batches, count, launch))
    figure, ax = new_figure(size=(5.6, 4.0))
    own = [micros / 1e3 for micros in ours.values()]
    ax.plot(list(ours), own, "o-", color=BLACK, markersize=5, label=WORDS["processor"])
    thick: dict[str, Any] = {"color": BLUE, "linewidth": 2.5, "label": WORDS[gpu.how]}
    if gpu.timings:
        ax.plot(list(theirs), [micros / 1e3 for micros in theirs.values()], **thick)
    else:
        fine = np.unique(np.geomspace(batches[0], batches[-1], 120).round().astype(int))
        each = [limits(gpu, Size(width, int(m)), count, launch) for m in fine]
        level = 1e3 * np.array([found["launches"] for found in each])
        work = 1e3 * np.array([max(found["bandwidth"], found["arithmetic"]) for found in each])
        ax.plot(fine, np.maximum(level, work), **thick)
        ax.plot(fine, level, "-.", color=PURPLE, linewidth=1, label=WORDS["price"])
        ax.plot(fine, work, "--", color=GREEN, linewidth=1, label=WORDS["work"])
    if meet := meeting(batches, ours, theirs):
        ax.plot(meet[0], meet[1] / 1e3, "o", color=RED, markersize=14, fillstyle="none")
    ax.axvline(batch, color=BLACK, linewidth=0.8, linestyle=":")
    ax.set(
        xscale="log", yscale="log", xlabel=WORDS["axis"],
        title=WORDS["title"].format(width=f"{width:,}"),
    )  # fmt: skip
    ax.set_ylim(bottom=0.5 * min([*ours.values(), *theirs.values()]) / 1e3)
    ax.legend()
    drawn = picture(
        figure,
        ALT.format(width=f"{width:,}", crossing=_crossing(batches, theirs, ours)),
    )
    sentences = (told(gpu, processor, count), said(processor, gpu, width, batch))
    return STILL + drawn + "".join(f"<p>{html.escape(s)}</p>" for s in sentences)


def crossing_figure(timings: Sequence[Timings]) -> str:
    """The live figure, as HTML; nothing where no processor was measured."""
    if not clocks.cpus(timings):
        return ""
    return live_figure(
        "torch-gpu-crossing",
        script="torch_gpu",
        label=CROSSING_LABEL,
        still=still(timings),
        data=data(timings),
    )
