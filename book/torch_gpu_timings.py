"""What chapter 9's page draws and says of the files of timings: of every file, and of nothing else.

Each sentence is chosen by the data. Every word that depends on them stands in this file, as a plain
string to be translated. `shown()` is never empty: where there is no file, the machine that builds
the page is timed, quickly.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from autograder.figures import BLACK, COLOURS, DASHES, MARKERS, RED, STYLE, new_figure
from book.timing import measure
from book.timing.__main__ import run
from book.timing.plan import PARTS, Point, points
from book.timing.reading import LEFT, Spread, Timings, crossover, flat_until, load, seconds_of
from book.timing.record import Record, header

Array = np.ndarray

FOLDER = Path(__file__).resolve().parent / "timings"
COMMAND = "`python -m book.timing --out book/timings/`"

# How a step is run, in the order of the legend: (library, precision, way).
Way = tuple[str, str, str]
WAYS: dict[Way, str] = {
    ("numpy", "float64", "eager"): "NumPy float64",
    ("numpy", "float32", "eager"): "NumPy float32",
    ("torch", "float32", "eager"): "torch float32",
    ("torch", "tf32", "eager"): "torch TF32",
    ("torch", "bf16", "eager"): "torch BF16",
    ("torch", "float32", "graph"): "float32, graph",
    ("torch", "tf32", "graph"): "TF32, graph",
    ("torch", "bf16", "graph"): "BF16, graph",
    ("torch", "float32", "compile"): "float32, compiled",
    ("torch", "bf16", "compile"): "BF16, compiled",
}
MAIN: Way = ("torch", "float32", "eager")
BINDS = {"arithmetic": "arithmetic", "bandwidth": "bandwidth", "launches": "launches"}
BINDING_STYLE = {"arithmetic": (RED, "o"), "bandwidth": ("#0072B2", "s"), "launches": (BLACK, "^")}


# Which timings.


@cache
def files(folder: Path = FOLDER) -> tuple[Timings, ...]:
    """Every file of timings, the CPUs' first; none where nobody has measured."""
    return tuple(load(folder)) if folder.is_dir() else ()


@cache
def here() -> tuple[Timings, ...]:
    """This very machine, timed quickly: some seconds. Nothing of it is kept."""
    only = ["step"] if files() else [p for p in PARTS if p not in UNHURRIED]
    with tempfile.TemporaryDirectory() as folder:
        for device in measure.devices():
            record = Record(Path(folder), header(device, quick=True))
            # The command tells how far it is, and a page has nobody to tell.
            with contextlib.redirect_stderr(io.StringIO()):
                run(quick(device, only), device, record, quick=True)
        return tuple(load(Path(folder)))


UNHURRIED = ("largest", "transfer")
LARGE = 3e9


def quick(device: str, only: Iterable[str]) -> list[Point]:
    """The plan of a quick look, without what takes long on a slow machine."""
    plan = points(device, quick=True, only=only)
    return [p for p in plan if not (p.width and p.batch) or p.size.flops < LARGE]


def shown() -> tuple[Timings, ...]:
    """What the figures draw: the files, or this machine where there is none."""
    return files() or here()


def gpus(timings: Iterable[Timings]) -> list[Timings]:
    """Those of a GPU."""
    return [t for t in timings if t.kind == "cuda"]


def cpus(timings: Iterable[Timings]) -> list[Timings]:
    """Those of a CPU."""
    return [t for t in timings if t.kind == "cpu"]


def sources(timings: Sequence[Timings]) -> str:
    """Device, versions and date of each, for a caption."""
    return "Measured on " + " And on ".join(f"{t.source}." for t in timings)


# What is in a file.


def ways(t: Timings) -> list[Way]:
    """How steps were run on a device."""
    there = {(p["library"], p["precision"], p["way"]) for p in t.find("step")}
    return [way for way in WAYS if way in there]


def widths(t: Timings) -> list[int]:
    """The widths that were measured."""
    return sorted({p["width"] for p in t.find("step")})


def steps(t: Timings, width: int, way: Way = MAIN) -> dict[int, dict[str, Any]]:
    """The points of one network and one way, by batch."""
    library, precision, how = way
    found = t.find("step", width=width, library=library, precision=precision, way=how)
    return {p["batch"]: p for p in sorted(found, key=lambda p: p["batch"])}


def medians(found: dict[int, dict[str, Any]]) -> dict[int, float]:
    """Their median seconds."""
    return {batch: seconds_of(p).median for batch, p in found.items()}


def narrow_and_wide(t: Timings) -> list[int]:
    """The narrowest and the widest network with three batches or more in every eager way."""
    eager = [way for way in ways(t) if way[2] == "eager"]
    enough = [w for w in widths(t) if all(len(steps(t, w, way)) >= 3 for way in eager)]
    return sorted({enough[0], enough[-1]}) if enough else []


@dataclass(frozen=True)
class Flat:
    """The flat part of one network: up to which batch a step takes at most `LEFT` times as long as
    the smallest; the price of an example at the smallest batch, and at the cheapest one; whether
    the quartiles at both ends lie within that factor of each other."""

    width: int
    first: int
    until: int
    largest: int
    at_first: float
    at_until: float
    cheapest: float
    steady: bool

    @property
    def ended(self) -> bool:
        """Whether the flat part ended within what was measured."""
        return self.until < self.largest

    @property
    def saving(self) -> float:
        """How many times cheaper an example is at the end of the flat part."""
        return self.at_first / self.at_until


def flat(t: Timings, width: int, way: Way = MAIN) -> Flat | None:
    """The flat part, where two batches or more were measured."""
    points = steps(t, width, way)
    found = medians(points)
    if len(found) < 2:
        return None
    batches, seconds = np.array(list(found)), np.array(list(found.values()))
    until = flat_until(batches, seconds)
    each = dict(zip(found, seconds / batches, strict=True))
    ends = [seconds_of(points[batch]) for batch in (int(batches[0]), until)]
    return Flat(
        width, int(batches[0]), until, int(batches[-1]), each[batches[0]], each[until],
        min(each.values()), all(s.high <= LEFT * s.low for s in ends),
    )  # fmt: skip


# Drawing.


def panels(timings: Sequence[Timings], height: float = 3.9, per_file: int = 1) -> tuple[Any, Any]:
    """A figure with so many panels for each file, one under another."""
    rows = len(timings) * per_file
    fig, found = new_figure(rows, 1, size=(5.6, height * rows + 0.3))
    axes = np.atleast_1d(found)
    for ax in axes:
        ax.grid(True, color=STYLE["grid.color"], linewidth=STYLE["grid.linewidth"])
    return fig, axes


def short(t: Timings) -> str:
    """A device's name, short enough for a title."""
    name = t.device.replace("(R)", "").replace("(TM)", "").replace("Processor", "").strip()
    return " ".join(name.split())[:40] or t.kind


def line(ax: Any, place: int, found: dict[int, dict[str, Any]], label: str, **more: Any) -> None:
    """Medians over the batch, with a band from quartile to quartile."""
    spreads = [seconds_of(p) for p in found.values()]
    style = dict(color=COLOURS[place % 7], linestyle=DASHES[place % 7], marker=MARKERS[place % 7])
    x, ms = list(found), [1e3 * s.median for s in spreads]
    ax.fill_between(
        x, [1e3 * s.low for s in spreads], [1e3 * s.high for s in spreads],
        color=style["color"], alpha=0.2, linewidth=0,
    )  # fmt: skip
    ax.plot(x, ms, label=label, markersize=5, **style | more)


def legend_of_widths(ax: Any) -> None:
    """Below the axes, where it hides no line."""
    ax.legend(
        title="width", fontsize=10, title_fontsize=10, ncols=3, loc="upper center",
        bbox_to_anchor=(0.5, -0.18),
    )  # fmt: skip


def draw_flat(timings: Sequence[Timings]) -> None:
    """A step's time over the batch, a line a width; a ring where the flat part ends."""
    _, axes = panels(timings)
    for ax, t in zip(axes, timings, strict=True):
        for place, width in enumerate(widths(t)):
            found = steps(t, width)
            if not found:
                continue
            line(ax, place, found, f"{width:,}")
            end = flat(t, width)
            if end and end.ended:
                ms = 1e3 * medians(found)[end.until]
                ax.plot(end.until, ms, "o", markersize=13, fillstyle="none", color=BLACK)
        ax.set(
            xscale="log", yscale="log", xlabel="batch size", ylabel="one step (ms)", title=short(t)
        )
        legend_of_widths(ax)


def draw_ways(timings: Sequence[Timings]) -> None:
    """A step's time over the batch by how it is run, for a narrow and for a wide network."""
    rows = [(t, width) for t in timings for width in narrow_and_wide(t)]
    _, axes = panels([t for t, _ in rows])
    for ax, (t, width) in zip(axes, rows, strict=True):
        for place, way in enumerate(way for way in ways(t) if way[2] == "eager"):
            line(ax, place, steps(t, width, way), WAYS[way])
        ax.set(xscale="log", yscale="log", xlabel="batch size", ylabel="one step (ms)")
        ax.set_title(f"{short(t)}, width {width:,}")
        ax.legend(fontsize=10)


def bounds(t: Timings, way: Way = MAIN) -> list[tuple[dict[str, Any], Any]]:
    """Each step of a way that has its ceilings, and what binds it."""
    found = [p for width in widths(t) for p in steps(t, width, way).values()]
    made = []
    for p in found:
        with contextlib.suppress(KeyError):
            made.append((p, t.bound(p)))
    return made


def draw_roofline(timings: Sequence[Timings]) -> None:
    """The rate that each step reaches over its operations a byte, under the roof."""
    _, axes = panels(timings)
    for ax, t in zip(axes, timings, strict=True):
        found = bounds(t)
        intensity = np.geomspace(0.05, 2000, 200)
        top = t.ceilings.flops[MAIN[0], MAIN[1]]
        roof = np.minimum(top, intensity * t.ceilings.bandwidth(MAIN[0]))
        ax.plot(intensity, roof / 1e9, color=BLACK, label="roof, float32")
        bf16 = t.ceilings.flops.get(("torch", "bf16"), 0)
        if t.kind == "cuda" and bf16:
            high = np.minimum(bf16, intensity * t.ceilings.bandwidth(MAIN[0]))
            ax.plot(intensity, high / 1e9, color=BLACK, linestyle=":", label="roof, BF16")
        for binds, (colour, marker) in BINDING_STYLE.items():
            there = [(p, b) for p, b in found if b.binds == binds]
            x = [p["flops"] / p["bytes"] for p, _ in there]
            y = [p["flops"] / seconds_of(p).median / 1e9 for p, _ in there]
            if there:
                ax.plot(x, y, marker, color=colour, markersize=5, label=BINDS[binds])
        ax.set(
            xscale="log", yscale="log", xlabel="operations a byte",
            ylabel="10⁹ operations a second", title=short(t),
        )  # fmt: skip
        ax.legend(fontsize=10, title="bound by", title_fontsize=10, loc="lower right")


def draw_shares(timings: Sequence[Timings]) -> None:
    """The share of the ceiling that binds each step, over the batch; a marker a ceiling."""
    _, axes = panels(timings, 3.4)
    for ax, t in zip(axes, timings, strict=True):
        for binds, (colour, marker) in BINDING_STYLE.items():
            there = [(p["batch"], 100 * b.share) for p, b in bounds(t) if b.binds == binds]
            if there:
                ax.plot(
                    *zip(*there, strict=True), marker, color=colour, label=BINDS[binds], alpha=0.8
                )
        ax.axhline(100, color=BLACK, linestyle=":")
        ax.set(
            xscale="log", xlabel="batch size", ylabel="share of the ceiling (%)", ylim=(0, None),
            title=short(t),
        )  # fmt: skip
        ax.legend(fontsize=10, title="bound by", title_fontsize=10)


def neighbours(t: Timings, kind: str, precision: str) -> dict[int, Spread]:
    """Seconds of the sizes beside a power of two, by size; `kind` is "batch" or "width".

    For equal work: a larger size has more to do, and the seconds are those of a step with as many
    operations as the smallest has.
    """
    found = sorted(t.find("neighbours", kind=kind, precision=precision), key=lambda p: p[kind])
    made = {}
    for p in found:
        s, work = seconds_of(p), found[0]["flops"] / p["flops"]
        made[p[kind]] = Spread(s.median * work, s.low * work, s.high * work, s.count)
    return made


def draw_neighbours(timings: Sequence[Timings]) -> None:
    """Time by the median of all, for batches and for widths beside 1,024."""
    _, axes = panels(timings, 3.1, per_file=2)
    rows = [(t, kind) for t in timings for kind in ("batch", "width")]
    for ax, (t, kind) in zip(axes, rows, strict=True):
        for place, precision in enumerate(("float32", "bf16")):
            found = neighbours(t, kind, precision)
            if not found:
                continue
            middle = np.median([s.median for s in found.values()])
            y = np.array([[s.median, s.median - s.low, s.high - s.median] for s in found.values()])
            y = 100 * y.T / middle
            ax.errorbar(
                list(found), y[0], y[1:], fmt=MARKERS[place], color=COLOURS[place], markersize=5,
                label=WAYS["torch", precision, "eager"], capsize=2,
            )  # fmt: skip
        ax.axvline(1024, color=BLACK, linestyle=":")
        unit = {"batch": "batch size", "width": "width (units)"}[kind]
        ax.set(xlabel=unit, ylabel="time for equal work (%)", title=f"{short(t)}: {kind}")
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=10)


def optimiser(t: Timings, kind: str, way: str) -> dict[int, float]:
    """Median seconds of an optimiser's step alone, by how many parameters there are."""
    found = t.find("optimiser", kind=kind, way=way)
    return {p["n"]: seconds_of(p).median for p in sorted(found, key=lambda p: p["n"])}


def floor(t: Timings, kind: str, n: int) -> float:
    """The least seconds that the numbers take to be moved, by the bandwidth of what holds them.

    Raises
    ------
    KeyError where no bandwidth was measured.
    """
    point = t.find("optimiser", kind=kind, way="foreach", n=n)[0]
    return t.bound(point).seconds["bandwidth"]


def draw_optimiser(timings: Sequence[Timings], kind: str = "adam") -> None:
    """An optimiser's step over the number of parameters, in three ways, above its floor."""
    timings = [t for t in timings if t.find("optimiser", kind=kind)]
    _, axes = panels(timings)
    for ax, t in zip(axes, timings, strict=True):
        for place, way in enumerate(("loop", "foreach", "fused")):
            found = optimiser(t, kind, way)
            ax.plot(
                list(found), [1e3 * s for s in found.values()], label=way, color=COLOURS[place],
                linestyle=DASHES[place], marker=MARKERS[place], markersize=5,
            )  # fmt: skip
        n = list(optimiser(t, kind, "foreach"))
        ax.plot(
            n,
            [1e3 * floor(t, kind, each) for each in n],
            color=BLACK,
            linestyle=":",
            label="bandwidth",
        )
        ax.set(
            xscale="log",
            yscale="log",
            xlabel="parameters",
            ylabel="one update (ms)",
            title=short(t),
        )
        ax.legend(fontsize=10)


@dataclass(frozen=True)
class Wrong:
    """A wrong way to time: what it shows, (n,), by the truth; and what its author would report."""

    name: str
    shown: Array
    reported: float


def wrong(t: Timings) -> list[Wrong]:
    """What wrong ways show on a device, the right one first; those that it cannot show are left
    out."""
    walls = {p["kind"]: np.array(p["wall"]) for p in t.find("wrong")}
    if "right" not in walls:
        return []
    truth = np.median(walls["right"])
    made = [Wrong("right", walls["right"] / truth, 1.0)]
    for kind in ("not synchronised", "transfer included"):
        if kind in walls:
            made.append(Wrong(kind, walls[kind] / truth, float(np.median(walls[kind]) / truth)))
    if "first call counted" in walls:
        own = walls["first call counted"]
        scale = np.median(own[1:])
        made.append(Wrong("first call alone", own / scale, float(own[0] / scale)))
    if "long tail" in walls:
        tail = walls["long tail"]
        scale = np.median(tail)
        made.append(Wrong("mean of a long tail", tail / scale, float(tail.mean() / scale)))
        if "one repetition" in walls:
            alone = walls["one repetition"] / scale
            made.append(Wrong("one repetition", alone, float(alone[0])))
    return made


def draw_wrong(timings: Sequence[Timings]) -> None:
    """Readings by the truth, a row a way; the diamond is what would be reported."""
    timings = [t for t in timings if wrong(t)]
    _, axes = panels(timings, 3.3)
    for ax, t in zip(axes, timings, strict=True):
        found = wrong(t)
        for row, way in enumerate(found):
            ax.plot(
                way.shown,
                np.full(len(way.shown), row),
                "|",
                color=COLOURS[0],
                alpha=0.35,
                markersize=12,
            )
            ax.plot(way.reported, row, "D", color=RED, markersize=8)
        ax.axvline(1, color=BLACK, linestyle=":")
        ax.set(
            xscale="log", yticks=range(len(found)), yticklabels=[way.name for way in found],
            xlabel="reading / true time", title=short(t),
        )  # fmt: skip
        ax.invert_yaxis()


def best_of(t: Timings, width: int) -> dict[int, float]:
    """The quickest eager way of a device, by batch."""
    best: dict[int, float] = {}
    for way in ways(t):
        if way[2] == "eager":
            for batch, seconds in medians(steps(t, width, way)).items():
                best[batch] = min(seconds, best.get(batch, np.inf))
    return best


def crossings(cpu: Timings, gpu: Timings) -> dict[int, int | None]:
    """For each width that both measured the smallest batch from which on the GPU is never slower
    than the quickest way of the CPU; float32, eager."""
    found = {}
    for width in sorted(set(widths(cpu)) & set(widths(gpu))):
        theirs, ours = medians(steps(gpu, width)), best_of(cpu, width)
        if set(theirs) & set(ours):
            found[width] = crossover(theirs, theirs, ours)
    return found


def library_crossings(t: Timings) -> dict[int, int | None]:
    """For each width the smallest batch from which on torch is never slower than NumPy, float32."""
    found = {}
    for width in widths(t):
        theirs, ours = (medians(steps(t, width, way)) for way in (MAIN, ("numpy", *MAIN[1:])))
        if set(theirs) & set(ours):
            found[width] = crossover(theirs, theirs, ours)
    return found


def draw_crossover(timings: Sequence[Timings]) -> None:
    """How many times as fast torch on one device is as its rival: the GPU beside the CPU where both
    were measured, torch beside NumPy on the CPU otherwise. Nothing without a CPU."""
    pairs = [(c, g) for c in cpus(timings) for g in gpus(timings)]
    rows = [(f"{short(g)} / {short(c)}", c, g) for c, g in pairs]
    rows = rows or [(f"torch / NumPy, {short(c)}", c, c) for c in cpus(timings)]
    if not rows:
        return
    _, axes = panels([r[1] for r in rows])
    for ax, (title, ours, theirs) in zip(axes, rows, strict=True):
        for place, width in enumerate(w for w in widths(ours) if w in widths(theirs)):
            ahead = medians(steps(theirs, width))
            rival = (
                best_of(ours, width)
                if ours is not theirs
                else medians(steps(ours, width, ("numpy", *MAIN[1:])))
            )
            common = [b for b in ahead if b in rival]
            if common:
                ax.plot(
                    common, [rival[b] / ahead[b] for b in common], label=f"{width:,}",
                    color=COLOURS[place % 7], linestyle=DASHES[place % 7],
                    marker=MARKERS[place % 7], markersize=5,
                )  # fmt: skip
        ax.axhline(1, color=BLACK, linestyle=":")
        ax.set(xscale="log", yscale="log", xlabel="batch size", ylabel="times as fast", title=title)
        ax.title.set_fontsize(11)
        legend_of_widths(ax)


def draw_graphs(timings: Sequence[Timings]) -> None:
    """On a GPU: how many times as fast a step is when its launches are captured in a graph."""
    timings = gpus(timings)
    _, axes = panels(timings)
    for ax, t in zip(axes, timings, strict=True):
        for place, width in enumerate(widths(t)):
            eager, graph = medians(steps(t, width)), medians(steps(t, width, (*MAIN[:2], "graph")))
            common = [b for b in eager if b in graph]
            if common:
                ax.plot(
                    common, [eager[b] / graph[b] for b in common], label=f"{width:,}",
                    color=COLOURS[place % 7], linestyle=DASHES[place % 7],
                    marker=MARKERS[place % 7], markersize=5,
                )  # fmt: skip
        ax.axhline(1, color=BLACK, linestyle=":")
        ax.set(xscale="log", xlabel="batch size", ylabel="times as fast as eager", title=short(t))
        legend_of_widths(ax)


# What is said. Each function returns Markdown; nothing where the data say nothing.


def times(ratio: float) -> str:
    """A ratio as people say it."""
    if ratio < 0.1:
        return f"{ratio:.1g}"
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}" if ratio >= 1.95 else f"{ratio:.2f}"


def duration(seconds: float) -> str:
    """A time with a unit that fits it."""
    units = {1.0: "s", 1e-3: "ms", 1e-6: "µs"}
    scale = next((scale for scale in units if seconds >= scale), 1e-6)
    value, unit = seconds / scale, units[scale]
    return f"{value:.0f}\u00a0{unit}" if value >= 100 else f"{value:.3g}\u00a0{unit}"


def percent(share: float) -> str:
    """A share of one."""
    digits = 1 if abs(share) < 0.095 else 0
    return f"{100 * share:.{digits}f}\u00a0%".replace("-", "\u2212")


def listed(words: Sequence[str]) -> str:
    """Words with commas, and the last with an "and"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def tell(*sentences: str) -> None:
    """Display paragraphs of Markdown; empty ones are left out."""
    from IPython.display import Markdown, display

    said = [sentence for sentence in sentences if sentence]
    if said:
        display(Markdown("\n\n".join(said)))


def each(speak: Callable[[Timings], str], timings: Sequence[Timings]) -> list[str]:
    """What is to be said of every device."""
    return [speak(t) for t in timings]


def no_gpu() -> str:
    """That no GPU was measured, once, and how to measure one; nothing where there is one."""
    if gpus(shown()):
        return ""
    return (
        "**No GPU has been measured for this page.** You need none to follow it: what it says of "
        "GPUs is counted, computed or quoted, and says so, and every measured time is a "
        f"processor's. On a machine with a GPU, {COMMAND} adds its times to each figure."
    )


def missing(what: str) -> str:
    """What only a GPU can show here; nothing where one was measured."""
    if gpus(shown()):
        return ""
    return f"*Missing here, without a GPU: {what}.*"


def unmeasured() -> str:
    """Where no file is there at all: whose numbers the figures have."""
    if files():
        return ""
    return (
        "There is no file of timings yet. So the figures below have few points: they show the "
        f"machine that built this page, timed in some seconds. {COMMAND} measures it thoroughly."
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def say_flat(t: Timings) -> str:
    """Where the flat part ends, for the narrowest and the widest network."""
    ends = [e for e in (flat(t, width) for width in widths(t)) if e and e.first == 1]
    if not ends:
        return ""

    def one(e: Flat) -> str:
        if not e.steady:
            return f"at width {e.width:,} the readings disagree too much to say where it is flat"
        if e.until == e.first:
            return (
                f"at width {e.width:,} there is no flat part: the next batch takes longer at once"
            )
        where = f"up to a batch of {e.until:,}" + (
            "" if e.ended else ", the largest that was tried"
        )
        price = f"an example costs {times(e.saving)} times less than alone"
        return f"at width {e.width:,} it is flat {where}, where {price}"

    told = [one(e) for e in ({e.width: e for e in (ends[0], ends[-1])}).values()]
    return f"**{short(t)}**: {'; '.join(told)}."


def flat_table(t: Timings) -> str:
    """The flat part of every network, and the price of an example."""
    rows = []
    for width in widths(t):
        if e := flat(t, width):
            until = f"{e.until:,}" if e.ended else f"{e.until:,} or more"
            rows.append(
                (
                    f"{width:,}",
                    until,
                    duration(e.at_first),
                    duration(e.at_until),
                    duration(e.cheapest),
                )
            )
    if not rows:
        return ""
    head = ("width", "flat up to", "alone", "at the end of the flat part", "at best")
    return f"{short(t)}, torch float32, the time of one example:\n\n{table(head, rows)}"


def verdict_flat(timings: Sequence[Timings]) -> str:
    """Whether more examples are nearly free, over all devices: for the table of claims."""
    told = []
    for t in timings:
        ends = [e for e in (flat(t, width) for width in widths(t)) if e]
        free = [e for e in ends if e.until > e.first]
        if not ends:
            continue
        if not free:
            told.append(f"{short(t)}: at no width")
            continue
        best = max(free, key=lambda e: e.until)
        told.append(
            f"{short(t)}: at {len(free)} of {len(ends)} widths; at best up to {best.until:,} "
            f"(width {best.width:,})"
        )
    return "; ".join(told)


def say_bounds(t: Timings) -> str:
    """What binds the steps, and how near they come."""
    found = bounds(t)
    if not found:
        return ""
    told = []
    for binds, name in BINDS.items():
        shares = [b.share for _, b in found if b.binds == binds]
        if shares:
            share = percent(float(np.median(shares)))
            bind = "bind" if binds == "launches" else "binds"
            told.append(f"{name} {bind} {len(shares)} (median share {share})")
    point, best = max(
        (x for x in found if x[1].binds != "launches"), default=found[0], key=lambda x: x[1].share
    )
    return (
        f"**{short(t)}**: of {len(found)} steps in torch float32, {listed(told)}. The best share "
        f"of arithmetic or bandwidth is {percent(best.share)}, at width {point['width']:,} and "
        f"batch {point['batch']:,}."
    )


def say_impossible(timings: Sequence[Timings]) -> str:
    """The check of the clock: whether a step was faster than its device."""
    names = [(t, name) for t in timings for name in t.impossible()]
    checked = sum(len(bounds(t, way)) for t in timings for way in ways(t))
    if not names:
        return f"None of the {checked} steps is faster than the ceilings of its device allow."
    told = "; ".join(f"{short(t)}: {name}" for t, name in names[:3])
    many = f"{len(names)} of the {checked} steps read" if len(names) > 1 else "One step reads"
    return (
        f"**Careful.** {many} as faster than its device's ceilings ({told}). Either a ceiling was "
        "measured too low or a clock was read too early: do not trust these points."
    )


def say_ceilings(t: Timings) -> str:
    """The ceilings that were measured, as a table's rows."""
    rows = [
        (f"{library} {precision}".replace("numpy", "NumPy"), f"{rate / 1e9:,.0f}")
        for (library, precision), rate in sorted(t.ceilings.flops.items())
    ]
    told = table(("products", "10⁹ operations a second"), rows)
    rest = [
        (
            {"numpy": "NumPy", "torch": "torch"}[library],
            f"{t.ceilings.bandwidth(library, 0) / 1e9:,.1f}",
            f"{t.ceilings.bandwidth(library) / 1e9:,.1f}",
            duration(t.ceilings.launch[library]),
        )
        for library in sorted({library for library, _kind in t.ceilings.passes})
        if library in t.ceilings.launch
    ]
    head = ("passes and calls", "GB/s in cache", "GB/s from memory", "an empty call")
    return f"**{short(t)}**\n\n{told}\n\n{table(head, rest)}"


def say_precision(t: Timings) -> str:
    """What fewer bits save in time, at the largest step that all precisions did steadily."""
    first = "numpy" if t.kind == "cpu" else "torch"
    pairs = [way for way in ways(t) if way[0] == first and way[2] == "eager"]
    steady = {
        (width, way): {b for b, p in steps(t, width, way).items() if seconds_of(p).steady}
        for width in widths(t)
        for way in pairs
    }
    common = [
        (width, max(shared))
        for width in widths(t)
        if pairs and (shared := set.intersection(*(steady[width, way] for way in pairs)))
    ]
    if len(pairs) < 2 or not common:
        return ""
    from book.timing.network import Size

    width, batch = max(common, key=lambda size: Size(*size).flops)
    slow = medians(steps(t, width, pairs[0]))[batch]
    told = [
        f"{WAYS[way]} is {times(slow / medians(steps(t, width, way))[batch])} times as fast"
        for way in pairs[1:]
    ]
    where = (
        f"at width {width:,} and batch {batch:,}, the largest that all of them did with steady "
        "readings"
    )
    return f"**{short(t)}**, {where}: {listed(told)} as {WAYS[pairs[0]]}."


@dataclass(frozen=True)
class Powers:
    """The neighbours of 1,024: the quickest of them; by how much 1,024 takes longer than it, the
    second quickest, and the slowest; and by how much a reading of one size varies, from quartile to
    quartile."""

    quickest: int
    behind: float
    second: float
    spread: float
    noise: float


def powers(t: Timings, kind: str, precision: str) -> Powers | None:
    """Read off a device's neighbours of 1,024, where they were measured."""
    found = neighbours(t, kind, precision)
    if len(found) < 3 or 1024 not in found:
        return None
    best = min(found, key=lambda size: found[size].median)
    low = found[best].median
    noise = float(np.median([(s.high - s.low) / s.median for s in found.values()]))
    _, second, *_, slowest = sorted(s.median for s in found.values())
    return Powers(best, found[1024].median / low - 1, second / low - 1, slowest / low - 1, noise)


def _powers(t: Timings) -> dict[tuple[str, str], Powers]:
    tests = [(kind, precision) for kind in ("batch", "width") for precision in ("float32", "bf16")]
    return {test: found for test in tests if (found := powers(t, *test))}


def say_powers(t: Timings) -> str:
    """Whether 1,024 is faster than what is beside it."""
    told = []
    for (kind, precision), p in _powers(t).items():
        name = f"as a {kind} ({WAYS['torch', precision, 'eager']})"
        if p.quickest == 1024:
            first = f"{name} 1,024 is the quickest, the next takes {percent(p.second)} longer"
        else:
            first = f"{name} {p.quickest:,} is the quickest, 1,024 takes {percent(p.behind)} longer"
        noise = percent(p.noise)
        if p.spread <= p.noise:
            rest = f"all lie within {percent(p.spread)}, and one size varies by {noise} by itself"
        else:
            rest = f"the slowest takes {percent(p.spread)} longer, and one size varies by {noise}"
        told.append(f"{first}; {rest}")
    return f"**{short(t)}**: {'. And '.join(told)}." if told else ""


def verdict_powers(timings: Sequence[Timings]) -> str:
    """For the table of claims."""
    told = []
    for t in timings:
        if found := _powers(t):
            clear = [p for p in found.values() if p.quickest == 1024 and p.second > p.noise]
            told.append(
                f"{short(t)}: 1,024 is the quickest, by more than noise, in {len(clear)} of "
                f"{len(found)} tests"
            )
    return "; ".join(told) or "not measured"


def say_optimiser(t: Timings, kind: str = "adam") -> str:
    """Loop, foreach and fused: few parameters and many."""
    loop, each_, fused = (optimiser(t, kind, way) for way in ("loop", "foreach", "fused"))
    common = sorted(set(loop) & set(each_) & set(fused))
    if not common:
        return ""
    few, many = common[0], common[-1]
    best = min((loop[many], "the loop"), (each_[many], "foreach"), (fused[many], "fused"))
    told = (
        f"**{short(t)}**: with {few:,} parameters the loop takes {duration(loop[few])}, foreach "
        f"{duration(each_[few])}, fused {duration(fused[few])}. With {many:,} {best[1]} is the "
        f"quickest, {duration(best[0])}, {times(loop[many] / best[0])} times as fast as the loop"
    )
    try:
        share = floor(t, kind, many) / best[0]
    except KeyError:
        return f"{told}."
    if share > 1:
        return (
            f"{told}. That is as fast as the bandwidth allows: {percent(share)} of it, which is a "
            "reading, too."
        )
    return f"{told}; that is {percent(share)} of what the bandwidth allows."


def say_wrong(t: Timings) -> str:
    """What each wrong way reports, and which the device cannot show."""
    found = [way for way in wrong(t) if way.name != "right"]
    if not found:
        return ""
    told = [f"{way.name}: {times(way.reported)} times the truth" for way in found]
    cannot = [
        f"{p['kind']}: {p['skipped']}"
        for p in t.points.values()
        if p["part"] == "wrong" and "skipped" in p
    ]
    rest = f" What it cannot show: {'; '.join(cannot)}." if cannot else ""
    if any(way.name == "first call alone" and way.shown[0] < way.shown.max() for way in found):
        rest = f" The first call does not stand out here: a later one took longer.{rest}"
    return f"**{short(t)}**: {'; '.join(told)}.{rest}"


def _crossed(found: dict[int, int | None], ahead: str) -> str:
    told = [
        f"{batch:,} at width {width:,}"
        if batch is not None
        else f"at width {width:,} from none that was measured"
        for width, batch in found.items()
    ]
    return f"{ahead}, from these batches on: {'; '.join(told)}."


def say_crossover(timings: Sequence[Timings]) -> list[str]:
    """From which batch on the GPU is never slower; torch against NumPy where there is no GPU."""
    pairs = [(c, g) for c in cpus(timings) for g in gpus(timings)]
    if pairs:
        return [
            _crossed(crossings(c, g), f"**{short(g)}** is never slower than {short(c)}")
            for c, g in pairs
        ]
    return [
        _crossed(
            library_crossings(t), f"**{short(t)}**: torch is never slower than NumPy (float32)"
        )
        for t in cpus(timings)
    ]


def verdict_crossover(timings: Sequence[Timings]) -> str:
    """For the table of claims."""
    pairs = [(c, g) for c in cpus(timings) for g in gpus(timings)]
    if not pairs:
        return "not measured: no GPU"
    told = []
    for c, g in pairs:
        found = crossings(c, g)
        won = {w: b for w, b in found.items() if b is not None}
        told.append(
            f"{short(g)}: at {len(won)} of {len(found)} widths, "
            + (f"from a batch of {min(won.values()):,} at the earliest" if won else "nowhere")
        )
    return "; ".join(told)


def say_largest(t: Timings) -> str:
    """The largest batch that was tried with success, beside the one that counting predicts."""
    rows = [
        (
            {"float32": "FP32", "bf16": "BF16"}[p["precision"]],
            f"{p['largest']:,}",
            f"{p['predicted']:,}",
            percent(p["largest"] / p["predicted"] - 1) if p["predicted"] else "",
            f"{p['free_bytes'] / 1e9:.1f}",
        )
        for p in t.find("largest")
    ]
    if not rows:
        return ""
    head = ("precision", "largest that fits", "by counting", "difference", "GB free before")
    return f"**{short(t)}**, width {t.find('largest')[0]['width']:,}:\n\n{table(head, rows)}"


def verdict_largest(timings: Sequence[Timings]) -> str:
    """For the table of claims."""
    told = []
    for t in gpus(timings):
        found = {p["precision"]: p["largest"] for p in t.find("largest")}
        if found.get("float32") and found.get("bf16"):
            told.append(
                f"{short(t)}: {times(found['bf16'] / found['float32'])} times the batch in BF16"
            )
    return "; ".join(told) or "not measured: no GPU"


def say_transfer(t: Timings) -> str:
    """What it takes to bring a batch to the device, beside a step with it."""
    found = {
        p["batch"]: seconds_of(p, by="wall").median for p in t.find("transfer", kind="pageable")
    }
    pinned = {
        p["batch"]: seconds_of(p, by="wall").median for p in t.find("transfer", kind="pinned")
    }
    width = widths(t)[-1] if widths(t) else 0
    own = medians(steps(t, width)) if width else {}
    common = sorted(set(found) & set(pinned) & set(own))
    if not common:
        return ""
    batch = common[-1]
    return (
        f"**{short(t)}**: a batch of {batch:,} takes {duration(found[batch])} to arrive, "
        f"{duration(pinned[batch])} from pinned memory; the step with it, at width {width:,}, "
        f"{duration(own[batch])}."
    )


def say_graphs(t: Timings) -> str:
    """What capturing the launches saves, where it saves most."""
    gains = {
        (width, batch): seconds / graph[batch]
        for width in widths(t)
        for graph in [medians(steps(t, width, (*MAIN[:2], "graph")))]
        for batch, seconds in medians(steps(t, width)).items()
        if batch in graph
    }
    if not gains:
        return ""
    (width, batch), gain = max(gains.items(), key=lambda item: item[1])
    (wide, large), least = min(gains.items(), key=lambda item: item[1])
    return (
        f"**{short(t)}**: captured in a graph a step is up to {times(gain)} times as fast (width "
        f"{width:,}, batch {batch:,}), and at the least {times(least)} times (width {wide:,}, "
        f"batch {large:,})."
    )


def say_compiled(t: Timings) -> str:
    """What compiling saves, and what it costs once."""
    gains = []
    for width in widths(t):
        eager, compiled = steps(t, width), steps(t, width, (*MAIN[:2], "compile"))
        gains += [
            (seconds_of(eager[m]).median / seconds_of(p).median, p)
            for m, p in compiled.items()
            if m in eager
        ]
    if not gains:
        return ""
    (least, _), (most, best) = (f(gains, key=lambda pair: pair[0]) for f in (min, max))
    spread = f"a step is {times(least)} to {times(most)} times as fast"
    told = f"**{short(t)}**: " + (
        f"compiled, {spread}, most at width {best['width']:,} and batch {best['batch']:,}"
        if most > 1.05
        else f"compiling gains nothing: {spread} as eager"
    )
    if "prepare" in best:
        told += f"; the first call took {duration(best['prepare'])}"
    return f"{told}."
