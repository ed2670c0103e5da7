"""Chapter 9's live figure "Spot the bug": readings of a clock, what is wrong with them, its words.

The readings are those in the files of timings. What no file shows is simulated, and says so; and so
is what a time line of host and device tells better than any reading.
Every word that a reader sees or hears stands in this file, as a plain string to be translated.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count, pairwise
from typing import Any

import numpy as np

from autograder.figures import BLUE, PURPLE, RED, new_figure
from book.page import live_figure, picture
from book.timing.clock import Patience, time_call
from book.timing.reading import ROOM, Timings
from book.timing.simulated import Simulated, Span
from book.timing.wrong import SHORT_SIDE, SIDES
from book.torch_gpu_live import (
    MICRO,
    RATES,
    SECONDS,
    SIZES,
    quantity,
    ratio,
    share,
    short,
)

# What was measured, and what a simulated device would show.

MISTAKES = (
    "not_synchronised",
    "synchronised_late",
    "first_call",
    "one_repetition",
    "transfer",
    "long_tail",
    "right",
)
IN_FILES = {
    "right": "right",
    "not synchronised": "not_synchronised",
    "first call counted": "first_call",
    "one repetition": "one_repetition",
    "transfer included": "transfer",
    "long tail": "long_tail",
}
# What is simulated although a file shows it: a time line tells these apart.
ALWAYS = ("right", "not_synchronised", "synchronised_late")
ASKING, PRODUCT, COPYING, LOADING, OTHERS = 10e-6, 60e-6, 350e-6, 3e-3, 400e-6
ROOM_IN_QUEUE, REPEATS, BEST, SIDE = 16, 24, 0.9, 1024
JITTER = 0.02
FEW_DECADES, MANY = 20, 100
MARGIN = 1.6  # above and below what is drawn
EVERY = 7  # one call of so many finds somebody else's work before it
LESS = 24  # by so much is the side of the product smaller whose first call is counted
SHOWN_READINGS = 3

# From here on a sign is one.
STANDS_OUT, PULLED, POOR = 2.0, 1.1, 0.7


@dataclass(frozen=True)
class Round:
    """Readings of a clock, and what was made of them.

    readings : seconds
    reported : seconds of a call, as it was told
    flop : of a call
    least : seconds that a call takes at the least
    empty : whether that is what an empty call takes; else it is by the rate of the best product
    side : the matrices are side x side
    source : which device
    cannot : mistakes that the device cannot show, and why
    looks, spans : of a simulated device: when its clock was read, two looks a reading, and what
        host and device did
    """

    mistake: str
    readings: tuple[float, ...]
    reported: float
    flop: float
    least: float
    empty: bool
    side: int
    source: str
    cannot: Mapping[str, str]
    others: tuple[float, ...] = ()
    looks: tuple[float, ...] = ()
    spans: tuple[Span, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether a device was simulated for it."""
        return bool(self.spans)

    @property
    def median(self) -> float:
        """The median of the readings."""
        return float(np.median(self.readings))

    @property
    def share(self) -> float:
        """The least over what was reported: above 1 no device can be."""
        return self.least / self.reported

    @property
    def first_ratio(self) -> float:
        """How many times the median of the others the first reading is."""
        rest = self.readings[1:]
        return float(self.readings[0] / np.median(rest)) if rest else 1.0

    @property
    def rest_mean(self) -> float:
        """The mean of all readings but the first."""
        return float(np.mean(self.readings[1:] or self.readings))

    @property
    def pull(self) -> float:
        """How many times the median the mean is, of all readings but the first."""
        return float(self.rest_mean / np.median(self.readings[1:] or self.readings))

    @property
    def waits_after(self) -> bool:
        """Whether the host waits between two readings."""
        gaps = list(zip(self.looks[1::2], self.looks[2::2], strict=False))
        waits = [span.start for span in self.spans if span.what == "wait"]
        return any(stop <= wait < start for stop, start in gaps for wait in waits)


SIGNS: dict[str, Callable[[Round], bool]] = {
    "right": lambda r: (
        len(r.readings) > 1
        and POOR < r.share <= ROOM
        and r.first_ratio < STANDS_OUT
        and r.reported < 1.05 * r.median
    ),
    "not_synchronised": lambda r: r.share > ROOM and not r.waits_after,
    "synchronised_late": lambda r: r.share > ROOM and r.waits_after,
    "first_call": lambda r: r.first_ratio > STANDS_OUT and r.reported > PULLED * r.rest_mean,
    "one_repetition": lambda r: len(r.readings) == 1,
    "transfer": lambda r: (
        len(r.readings) > 1 and r.share < POOR and r.pull < PULLED and r.first_ratio < STANDS_OUT
    ),
    "long_tail": lambda r: r.pull > PULLED and r.reported > PULLED * r.median,
}


@cache
def simulate(mistake: str) -> Round:
    """A product, timed on a simulated device in the way of a mistake."""
    rng = np.random.default_rng(MISTAKES.index(mistake))
    device = Simulated(ASKING, ROOM_IN_QUEUE)
    repeats = 1 if mistake == "one_repetition" else REPEATS
    calls = count(1)

    def ask(what: str, seconds: float) -> None:
        device.ask(what, seconds * float(rng.lognormal(0, JITTER)))

    def call() -> None:
        if mistake == "first_call" and len(device.looks) == 1:
            ask("load", LOADING)
        if mistake == "transfer":
            ask("copy", COPYING)
        if mistake == "long_tail" and next(calls) % EVERY == 0:
            ask("others", OTHERS)
        ask("product", PRODUCT)

    def reading() -> float:
        start = device.clock()
        call()
        if mistake == "first_call":
            device.settle()
        seconds = device.clock() - start
        if mistake == "synchronised_late":
            device.settle()
        return seconds

    if mistake in ("first_call", "not_synchronised", "synchronised_late"):
        if mistake != "first_call":
            call()
            device.settle()
        readings = [reading() for _ in range(repeats)]
        device.settle()
    else:
        patience = Patience(warm=0, timed=0, least=repeats)
        readings = time_call(call, device, patience, clock=device.clock).wall
    return Round(
        mistake=mistake,
        readings=tuple(readings),
        reported=report(mistake, readings),
        flop=2.0 * SIDE**3,
        least=PRODUCT * BEST,
        empty=False,
        side=SIDE,
        source=STAND_IN,
        cannot={},
        others=simulate("long_tail").readings if mistake == "one_repetition" else (),
        looks=tuple(device.looks[-2 * repeats :]),
        spans=tuple(device.spans),
    )


def report(mistake: str, readings: Sequence[float]) -> float:
    """What is told of readings: their median, or the mean where that is the mistake."""
    means = mistake in ("first_call", "long_tail")
    return float(np.mean(readings) if means else np.median(readings))


def measured(timings: Timings) -> list[Round]:
    """The rounds of a file: its wrong timings, and the right one."""
    ceilings, found = timings.ceilings, timings.points.values()
    points = {p["kind"]: p for p in found if p["part"] == "wrong"}
    if ("torch", "float32") not in ceilings.flops or "torch" not in ceilings.launch:
        return []
    cannot = {IN_FILES[kind]: p["skipped"] for kind, p in points.items() if "skipped" in p}
    if "not_synchronised" in cannot:
        cannot["synchronised_late"] = cannot["not_synchronised"]
    made = []
    for kind, point in points.items():
        if "skipped" in point:
            continue
        mistake, readings = IN_FILES[kind], point["wall"]
        side = side_of(mistake, timings.kind)
        flop = 2.0 * side**3
        by_product = flop / ceilings.flops["torch", "float32"]
        least = max(by_product, ceilings.launch["torch"])
        made.append(
            Round(
                mistake=mistake,
                readings=tuple(readings),
                reported=report(mistake, readings),
                flop=flop,
                least=least,
                empty=least > by_product,
                side=side,
                source=timings.device,
                cannot=cannot,
                others=tuple(points.get("long tail", {}).get("wall", ())),
            )
        )
    return made


def side_of(mistake: str, kind: str) -> int:
    """How large the matrices are that `book.timing.wrong` multiplies."""
    if mistake in ("one_repetition", "long_tail"):
        return SHORT_SIDE
    return SIDES[kind] - (LESS if mistake == "first_call" else 0)


def rounds(all_timings: Sequence[Timings]) -> list[Round]:
    """What is asked, in its order. Readings that do not show their mistake are not asked about."""
    found = [r for timings in all_timings for r in measured(timings) if SIGNS[r.mistake](r)]
    shown = {r.mistake for r in found}
    found += [simulate(m) for m in MISTAKES if m in ALWAYS or m not in shown]
    orders = (np.random.default_rng(seed).permutation(len(found)) for seed in count())
    return next(
        order
        for order in ([found[i] for i in permutation] for permutation in orders)
        if order[0].mistake == "not_synchronised"
        and order[0].simulated
        and all(a.mistake != b.mistake for a, b in pairwise(order))
    )


# Its words.

SPOT_LABEL = "spot the bug"
NAMES = {
    "not_synchronised": "not synchronised",
    "synchronised_late": "synchronised after the clock was read",
    "first_call": "first call counted",
    "one_repetition": "one repetition",
    "transfer": "transfer included",
    "long_tail": "mean of a long tail",
    "right": "nothing is wrong",
}
STAND_IN = "a simulated device (its numbers are made up)"
SPOT_WORDS: dict[str, Any] = {
    "progress": "Timing {number} of {all} · {found} of {answered} right",
    "first": "Timing 1 of {all}",
    "readings": "Each reading in its turn, logarithmic",
    "reported": "reported: {reported}",
    "least": "the least that is possible: {least}",
    "timeline": "The first readings (simulated)",
    "lanes": ["clock", "host", "device"],
    "spans": {
        "ask": "asks",
        "wait": "waits",
        "product": "product",
        "copy": "transfer",
        "load": "loading",
        "others": "somebody else’s work",
    },
    "question": "What is wrong with this timing? Your answer",
    "tell": "Tell me",
    "next": "Next timing",
    "results": "To the result",
    "again": "Once more",
    "result": "{found} of {all} found at the first try.",
    "all_found": "Every one. Nobody sells you a stopwatch.",
    "missed": "Worth another look: {list}.",
    "pair": "“{true}” taken for “{chosen}”",
    "told": "“{true}” (told)",
}
ABOUT = "Two {side} × {side} matrices of float32 are multiplied on {source}."
BEST_PRODUCT = "The best product there runs at {best}."
EMPTY_CALL = "An empty call takes {least} there."
NUMBERS = (
    "{count} readings: the first {first}, the fastest {low}, the median {median}, the slowest "
    "{high}."
)
NUMBER = "One reading: {first}."
REPORTED = "Reported: {reported}; the least that is possible: {least}."
TIMELINE = (
    "Reading 1 begins at 0 and ends at {end}. The device does what was asked from {start} to "
    "{done}. {waits}"
)
SECOND = "Reading 2 begins at {next}."
WAITS = "Then, until {until}, the host waits."
WAITS_NOT = "Before the next reading the host does not wait."

YES = "Yes: {name}. {why}"
IS = "It is: {name}. {why}"
NO = "No, not “{name}”. {here}"
MAYBE = "It may be. {here}"
WHY: dict[str, list[tuple[Callable[[Round], bool], str]]] = {
    "not_synchronised": [
        (
            lambda r: r.simulated,
            "{reported} would be {rate}, {too_fast} times the best product: what was timed is the "
            "asking. The host does not wait for the product, and runs ahead of the device, until "
            "the queue is full: that is why the last readings are longer.",
        ),
        (
            lambda r: True,
            "{reported} would be {rate}, {too_fast} times the best product. No device beats its "
            "own ceiling: what was timed is the asking.",
        ),
    ],
    "synchronised_late": [
        (
            lambda r: True,
            "{reported} would be {rate}, {too_fast} times the best product: what was timed is the "
            "asking. The host does wait for the device, but after it has read the clock.",
        )
    ],
    "first_call": [
        (
            lambda r: True,
            "The first reading is {first_ratio} times the median of the others, and it is in the "
            "mean: {below} of the readings are below what was reported. A first call loads, "
            "chooses and allocates; without it the mean is {rest_mean}.",
        )
    ],
    "one_repetition": [
        (
            lambda r: len(r.others) > 1,
            "One reading, and nothing tells how far to trust it. The same call, {others} times: "
            "from {others_low} to {others_high}, the median {others_median}.",
        ),
        (lambda r: True, "One reading, and nothing tells how far to trust it."),
    ],
    "transfer": [
        (
            lambda r: r.simulated,
            "Every reading is possible, and all agree: but {reported} is {times} times what the "
            "product takes at the least. Before each product a matrix is sent to the device, and "
            "the clock is running.",
        ),
        (
            lambda r: True,
            "Every reading is possible, and all agree: but {reported} is {times} times what the "
            "product takes at the least. One matrix, {bytes}, was sent to the device while the "
            "clock was running.",
        ),
    ],
    "long_tail": [
        (
            lambda r: True,
            "Reported is the mean, and {below} of the readings are below it. A few slow ones, up "
            "to {high}, pull it up to {pull} times the median. The median, {median}, hardly "
            "notices them.",
        )
    ],
    "right": [
        (
            lambda r: True,
            "The readings agree, the first is like the others, and {reported} is {times} times "
            "the least: possible, and no more than a call costs.",
        )
    ],
}
# The first that is true of the round.
EARLY = (
    "would show the asking alone, far less than the least that is possible. {reported} is {times} "
    "times that."
)
AGAINST: dict[str, list[tuple[Callable[[Round], bool], str]]] = {
    "not_synchronised": [
        (
            lambda r: r.share > ROOM,
            "The readings are too short, as they would be. But this host does wait, after each of "
            "them: look at the time line.",
        ),
        (lambda r: True, "It " + EARLY),
    ],
    "synchronised_late": [
        (
            lambda r: r.share > ROOM and r.simulated,
            "Then the host would wait after each reading. Here it does not: it begins the second "
            "one at {next}, while the device is busy with the first.",
        ),
        (
            lambda r: r.share > ROOM,
            "These readings alone do not part it from another mistake: both are too short in the "
            "same way. This program waited nowhere.",
        ),
        (lambda r: True, "It " + EARLY),
    ],
    "first_call": [
        (lambda r: len(r.readings) == 1, "Beside one reading there is none to hold it against."),
        (
            lambda r: r.mistake == "long_tail",
            "Leave the first reading out, and the mean is {rest_mean}: the others pull as well.",
        ),
        (
            lambda r: True,
            "Then the first reading would stand out: it is {first_ratio} times the median of the "
            "others.",
        ),
    ],
    "one_repetition": [(lambda r: True, "There are {count} readings.")],
    "transfer": [
        (
            lambda r: r.share > ROOM,
            "What is counted on top makes a time longer, and this one is too short.",
        ),
        (lambda r: len(r.readings) == 1, "One reading does not tell what is in it."),
        (
            lambda r: r.mistake == "first_call",
            "It would be in every reading. Here one stands out; the median of the others is "
            "{rest_times} times the least.",
        ),
        (
            lambda r: r.mistake == "long_tail",
            "It would be in every reading. Here half of them take {median} or less, and a few go "
            "up to {high}.",
        ),
        (
            lambda r: True,
            "There is hardly room for one: {reported} is {times} times the least that a product "
            "takes.",
        ),
    ],
    "long_tail": [
        (lambda r: len(r.readings) == 1, "One reading has no tail."),
        (
            lambda r: r.share > ROOM,
            "Slow readings would pull a mean up, and this one is too short.",
        ),
        (
            lambda r: r.mistake == "first_call",
            "One reading is far off, and it is the first: that is no chance. The mean of the "
            "others is {pull} times their median.",
        ),
        (
            lambda r: True,
            "It would pull the mean up: here the mean is {pull} times the median.",
        ),
    ],
    "right": [
        (
            lambda r: r.share > ROOM,
            "{reported} would be {rate}, {too_fast} times the best product of this device.",
        ),
        (
            lambda r: len(r.readings) == 1,
            "Another reading might say something else, and there is none.",
        ),
        (
            lambda r: r.mistake == "transfer",
            "The readings agree, but {reported} is {times} times what the product takes at the "
            "least. What else is in it?",
        ),
        (lambda r: True, "{below} of the readings are below what was reported."),
    ],
}
SPOT_STILL = (
    "<p>A riddle: what is wrong with each of these timings of a matrix product? One mistake each, "
    "or none. Dots: the readings in their turn; solid line: what was reported; dashed: the least "
    "that is possible. With JavaScript and a screen the figure asks, and answers each choice.</p>"
)
SPOT_ALT = (
    "{count} small panels, one for each timing: readings as dots over their number, logarithmic, a "
    "solid line for what was reported and a dashed one for the least that is possible. Below, each "
    "is told in numbers."
)
ANSWERS = "The answers"


def facts(r: Round) -> dict[str, str]:
    """All that a sentence may say about a round."""
    rest = r.readings[1:] or r.readings
    made = {
        "side": f"{r.side:,}",
        "source": r.source,
        "count": f"{len(r.readings):,}",
        "rate": quantity(r.flop / r.reported, RATES),
        "best": quantity(r.flop / r.least, RATES),
        "bytes": quantity(4.0 * r.side**2, SIZES),
        "times": ratio(1 / r.share),
        "too_fast": ratio(r.share),
        "rest_times": ratio(float(np.median(rest)) / r.least),
        "first_ratio": ratio(r.first_ratio),
        "pull": ratio(r.pull),
        "below": share(float(np.mean(np.array(r.readings) < r.reported))),
        "others": f"{len(r.others):,}",
    }
    times = {
        "reported": r.reported,
        "least": r.least,
        "first": r.readings[0],
        "low": min(r.readings),
        "median": r.median,
        "high": max(r.readings),
        "rest_mean": r.rest_mean,
    }
    if len(r.others) > 1:
        times |= {
            "others_low": min(r.others),
            "others_high": max(r.others),
            "others_median": float(np.median(r.others)),
        }
    if len(r.looks) > 2:
        times["next"] = r.looks[2] - r.looks[0]
    return made | {name: quantity(seconds, SECONDS) for name, seconds in times.items()}


def first_true(table: Iterable[tuple[Callable[[Round], bool], str]], r: Round) -> str:
    """The first sentence of a table that is true of a round, filled."""
    return next(text for holds, text in table if holds(r)).format(**facts(r))


def about(r: Round) -> str:
    """What is told of a round before it is asked."""
    return f"{ABOUT} {EMPTY_CALL if r.empty else BEST_PRODUCT}".format(**facts(r))


def numbers(r: Round) -> str:
    """Its drawings in numbers, for who does not see them."""
    readings = NUMBER if len(r.readings) == 1 else NUMBERS
    made = f"{readings} {REPORTED}".format(**facts(r))
    return f"{made} {timeline_words(r)}" if r.simulated else made


def alike(r: Round) -> list[str]:
    """Choices that the readings do not part from the true one: they are no misses."""
    late = r.mistake == "not_synchronised" and not r.simulated
    return ["synchronised_late"] if late else []


def feedback(r: Round, chosen: str) -> str:
    """To a reader who says what is wrong with a round."""
    name = NAMES[chosen]
    if chosen == r.mistake:
        return YES.format(name=name, why=first_true(WHY[chosen], r))
    if chosen in r.cannot:
        why = r.cannot[chosen]
        return NO.format(name=name, here=f"{why[0].upper()}{why[1:]}.")
    text = MAYBE if chosen in alike(r) else NO
    return text.format(name=name, here=first_true(AGAINST[chosen], r))


def told(r: Round) -> str:
    """To a reader who asks for the answer."""
    return IS.format(name=NAMES[r.mistake], why=first_true(WHY[r.mistake], r))


def window(r: Round) -> float:
    """Until when the time line goes, from the start of the first reading: so many readings, and
    what the device does for them."""
    start, shown = r.looks[0], min(SHOWN_READINGS, len(r.readings))
    done = [s.end for s in r.spans if s.what == "product" and s.start >= start]
    return max(r.looks[2 * shown - 1], done[shown - 1]) - start


def timeline(r: Round) -> list[list[Any]]:
    """Lane, kind, start and end in microseconds of all that the time line shows."""
    start, until = r.looks[0], window(r)
    readings = zip(r.looks[::2], r.looks[1::2], strict=True)
    spans = [("clock", "reading", a - start, b - start) for a, b in readings]
    spans += [(str(s.lane), s.what, s.start - start, s.end - start) for s in r.spans]
    lanes = ("clock", "host", "device")
    return [
        [lanes.index(lane), what, round(a / MICRO, 1), round(b / MICRO, 1)]
        for lane, what, a, b in spans
        if a >= -1e-12 and a < until
    ]


def timeline_words(r: Round) -> str:
    """The first reading on the time line, in words."""
    zero, end, following = [*r.looks, np.inf][:3]
    asked = [s for s in r.spans if s.lane == "device" and s.start >= zero]
    done = next(s.end for s in asked if s.what == "product")
    waits = [s.end for s in r.spans if s.what == "wait" and zero <= s.start < following]
    at = lambda time: quantity(time - zero, SECONDS)  # noqa: E731 - one word
    told = TIMELINE.format(
        end=at(end),
        start=at(asked[0].start),
        done=at(done),
        waits=WAITS.format(until=at(waits[0])) if waits else WAITS_NOT,
    )
    return f"{told} {SECOND.format(next=at(following))}" if np.isfinite(following) else told


def round_data(r: Round) -> dict[str, Any]:
    """A round: what is drawn of it, and all that is said about it."""
    made = {
        "answer": r.mistake,
        "readings": [short(seconds, MICRO) for seconds in r.readings],
        "reported": short(r.reported, MICRO),
        "least": short(r.least, MICRO),
        "about": about(r),
        "numbers": numbers(r),
        "feedback": {chosen: feedback(r, chosen) for chosen in MISTAKES},
        "told": told(r),
        "alike": alike(r),
    }
    if r.simulated:
        made |= {"timeline": timeline(r), "until": short(window(r), MICRO)}
    return made


def spot_data(all_timings: Sequence[Timings]) -> dict[str, Any]:
    """What the figure needs, of any number of devices."""
    return {
        "rounds": [round_data(r) for r in rounds(all_timings)],
        "names": NAMES,
        "units": {"seconds": SECONDS},
        "words": SPOT_WORDS,
    }


def spot_still(all_timings: Sequence[Timings]) -> str:
    """All rounds as small pictures and in numbers, and the answers, folded."""
    from matplotlib.ticker import LogLocator

    asked = rounds(all_timings)
    rows = -(-len(asked) // 2)
    figure, axes = new_figure(rows, 2, size=(5.6, 2.1 * rows))
    for number, (ax, r) in enumerate(zip(axes.flat, asked, strict=False), 1):
        # Thousands of dots as shapes would be most of what the page weighs.
        many = len(r.readings) > MANY
        turns = np.arange(1, len(r.readings) + 1)
        ax.plot(turns, r.readings, ".", color=BLUE, rasterized=many)
        ax.axhline(r.reported, color=PURPLE)
        ax.axhline(r.least, color=RED, linestyle="--")
        seen = [*r.readings, r.reported, r.least]
        ax.set(yscale="log", title=f"{number}", xlim=(0, len(r.readings) + 1))
        ax.set_ylim(min(seen) / MARGIN, max(seen) * MARGIN)
        # A few numbers on each axis: between powers of ten only where these are too few.
        between = (1, 2, 5) if max(seen) < FEW_DECADES * min(seen) else (1,)
        ax.yaxis.set_major_locator(LogLocator(subs=between, numticks=5))
        ax.set_xticks(sorted({1, len(r.readings)}))
        ax.yaxis.set_major_formatter(lambda seconds, _: quantity(seconds, SECONDS))
        ax.minorticks_off()
    for ax in axes.flat[len(asked) :]:
        ax.axis("off")
    listed = lambda texts: "".join(f"<li>{html.escape(text)}</li>" for text in texts)  # noqa: E731
    return (
        f"{SPOT_STILL}{picture(figure, SPOT_ALT.format(count=len(asked)))}"
        f"<ol>{listed(f'{about(r)} {numbers(r)}' for r in asked)}</ol>"
        f"<details><summary>{ANSWERS}</summary><ol>{listed(map(told, asked))}</ol></details>"
    )


def spot_figure(all_timings: Sequence[Timings]) -> str:
    """The live figure, as HTML; with no file at all, of the simulated device alone."""
    return live_figure(
        "torch-gpu-spot",
        script="torch_gpu",
        label=SPOT_LABEL,
        still=spot_still(all_timings),
        data=spot_data(all_timings),
    )
