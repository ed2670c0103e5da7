"""Chapter 9's live figures: a simulated device keeps its order, numbers and sentences are true."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from book import torch_gpu_crossing as crossing
from book import torch_gpu_live as live
from book import torch_gpu_spot as spot
from book.timing.clock import Patience, time_call
from book.timing.reading import ROOM, Timings, load, seconds_of
from book.timing.simulated import Simulated
from book.torch_gpu_spot import MISTAKES, SIGNS, Round

from .made_up_timings import DEVICES, LAUNCHES, made

CPU, CUDA = made("cpu"), made("cuda")
FILES = load(Path(live.__file__).parent / "timings")
# None, one, several; and whatever has been measured.
ALL = {
    "none": [],
    "cpu": [CPU],
    "cuda": [CUDA],
    "both": [CPU, CUDA],
    "two of a kind": [CPU, CPU],
    "measured": FILES,
}
EACH = pytest.mark.parametrize("several", ALL.values(), ids=ALL)
SIMULATED = [spot.simulate(mistake) for mistake in MISTAKES]


# The simulated device.


def test_a_reading_is_the_asking_or_also_the_work_as_the_clock_is_read() -> None:
    device = Simulated(asking=1.0, room=2)
    device.ask("product", 10.0)
    assert device.now == 1.0
    device.settle()
    assert device.now == 11.0
    assert (
        time_call(lambda: device.ask("product", 10.0), device, clock=device.clock).wall
        == [11.0] * Patience().least
    )


def test_a_full_queue_holds_the_host() -> None:
    device = Simulated(asking=1.0, room=2)
    after = []
    for _ in range(5):
        device.ask("product", 10.0)
        after.append(device.now)
    # The first is done at 11, the second at 21, the third at 31.
    assert after == [1.0, 2.0, 12.0, 22.0, 32.0]
    device.settle()
    assert device.now == 51.0


@given(
    st.lists(st.one_of(st.just("settle"), st.floats(0.01, 50)), max_size=30),
    st.floats(0.01, 5),
    st.integers(1, 5),
)
@settings(max_examples=100, deadline=None)
def test_the_device_keeps_its_order_and_the_host_never_goes_back(
    todo: list[str | float], asking: float, room: int
) -> None:
    device = Simulated(asking, room)
    for what in todo:
        if isinstance(what, str):
            device.settle()
            assert all(span.end <= device.now for span in device.spans)
        else:
            device.ask("product", what)
            work = [span for span in device.spans if span.lane == "device"]
            assert sum(span.end > device.now for span in work) <= room
    asks = [span for span in device.spans if span.what == "ask"]
    work = [span for span in device.spans if span.lane == "device"]
    host = [span for span in device.spans if span.lane == "host"]
    assert len(asks) == len(work)
    assert all(job.start >= ask.end for ask, job in zip(asks, work, strict=True))
    for lane in (work, host):
        assert all(a.end <= b.start for a, b in pairwise(lane))
    # The host does nothing else: no time is missing.
    assert sum(span.end - span.start for span in host) == pytest.approx(device.now)
    # The device stands still only where nothing was asked for.
    for (before, job), ask in zip(pairwise(work), asks[1:], strict=True):
        assert job.start in (before.end, ask.end)


# Numbers.


def test_numbers_are_written_as_people_write_them() -> None:
    made = [live.quantity(v, live.SECONDS) for v in (1.2345e-5, 0.9996e-3, 2.0, 3e-10, 1500.0)]
    assert [text.replace("\u00a0", " ") for text in made] == [
        "12.3 µs", "1 ms", "2 s", "0.3 ns", "1,500 s",
    ]  # fmt: skip
    assert live.quantity(5.04e13, live.RATES) == "50.4\u00a0TFLOP/s"
    assert [live.digits(v) for v in (0.012345, 1234.5, 7.0)] == ["0.0123", "1,230", "7"]


@given(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=200))
@settings(max_examples=100, deadline=None)
def test_a_histogram_has_every_reading(seconds: list[float]) -> None:
    packed = live.histogram(seconds)
    counts = [n for part in packed for n in ([0] * -part if part < 0 else [part])]
    assert len(counts) == live.BINS
    assert sum(counts) == len(seconds)
    low, high = live.histogram_range(seconds)
    assert high >= 1.09 * low
    assert low <= min(seconds) * 1.01
    assert high >= max(seconds) * 0.99


# The roofline.


def test_what_is_said_of_a_step_is_what_was_made_up() -> None:
    """Against the device's own numbers, which the readings were drawn from."""
    about = DEVICES["cpu"]
    (point,) = CPU.find(
        "step", library="torch", precision="float32", way="eager", width=64, batch=1
    )
    text = live.said(CPU, point).replace("\u00a0", " ")
    launches = LAUNCHES * about["launch"]["torch"]
    assert "Width 64, batch 1." in text
    assert "Its launches bind it" in text
    assert (shown := re.search(r"its launches ([\d.]+) µs", text))
    assert float(shown[1]) * 1e-6 == pytest.approx(launches, rel=0.1)
    assert (shown := re.search(r"takes ([\d.]+) µs", text))
    assert float(shown[1]) * 1e-6 == pytest.approx(seconds_of(point).median, rel=0.01)
    assert (shown := re.search(r"take (\d+) % of its time", text))
    assert int(shown[1]) == round(100 * CPU.bound(point).share)


def test_every_ending_is_chosen_by_what_binds() -> None:
    point = dict(CPU.find("step", library="torch", way="eager", width=64, batch=1)[0])
    seconds = CPU.bound(point).seconds["launches"]
    for times, words in ((1.6, "Its launches bind it"), (9, "no more than"), (0.8, "cheaper here")):
        told = live.said(CPU, {**point, "wall": [times * seconds]})
        assert words in told
    wide = CPU.find("step", library="torch", way="eager", width=1024, batch=1024)[0]
    seconds = CPU.bound(wide).seconds["arithmetic"]
    for times, words in ((1.2, "Its arithmetic binds it"), (9, "no more than"), (0.8, "No device")):
        assert words in live.said(CPU, {**wide, "wall": [times * seconds]})
    thin = CPU.find("step", library="torch", way="eager", width=4096, batch=1)[0]
    seconds = CPU.bound(thin).seconds["bandwidth"]
    told = live.said(CPU, {**thin, "wall": [2 * seconds]})
    assert "Its bytes bind it: it moves them at 50" in told


def test_a_step_that_was_left_out_says_why() -> None:
    name, why = next((n, w) for n, w in CPU.skipped().items() if n.startswith("step"))
    assert live.said(CPU, CPU.points[name]).endswith(f"Not measured: {why}.")


@EACH
def test_every_point_of_the_files_is_in_the_figure(several: list[Timings]) -> None:
    drawable = live.drawable(several)
    if not drawable:
        assert live.roofline_figure(several) == live.NO_FILES
        return
    data = live.roofline_data(drawable)
    json.dumps(data, allow_nan=False)
    assert len(data["devices"]) == len(drawable)
    for timings, device in zip(drawable, data["devices"], strict=True):
        assert timings.source in device["source"]
        shown = [p for way in device["ways"] for line in way["points"] for p in line if p]
        steps = [p for p in timings.points.values() if p["part"] == "step"]
        assert len(shown) == len(steps)
        assert sum(isinstance(p, str) for p in shown) == sum("skipped" in p for p in steps)
        for way in device["ways"]:
            for step in (p for line in way["points"] for p in line if isinstance(p, list)):
                assert device["x"][0] < step[1] < device["x"][-1]
                assert device["y"][0] < 1e12 * step[0] / step[3] < device["y"][-1]
                assert way["peak"] < device["y"][-1]
    start = data["start"]
    first = data["devices"][0]["ways"][start["way"]]["points"][start["width"]][start["batch"]]
    assert live.LIMITS[first[9]] == "launches", (
        "the figure begins with a step that its launches bind"
    )


@pytest.mark.parametrize("timings", [CPU, CUDA, *FILES])
def test_the_answers_of_the_pages_prediction(timings: Timings) -> None:
    """A wide network with one example is bound by bandwidth, with a thousand by arithmetic."""
    found = timings.find("step", library="torch", precision="float32", way="eager")
    wide = max(p["width"] for p in found if p["batch"] >= 1000)
    row = {p["batch"]: timings.bound(p).binds for p in found if p["width"] == wide}
    assert row[1] == "bandwidth"
    assert {binds for batch, binds in row.items() if batch >= 1000} == {"arithmetic"}


# Processor or GPU.

UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
PROCESSORS = [CPU, *(t for t in FILES if t.kind == "cpu")]


def by_hand(t: Timings, width: int) -> dict[int, float]:
    """Seconds of the quickest eager way by batch, from the readings themselves."""
    best: dict[int, float] = {}
    for p in t.points.values():
        if (p["part"], p.get("way"), p.get("width")) != ("step", "eager", width):
            continue
        if "skipped" not in p and p["precision"] in ("float32", "float64"):
            readings = p.get("events") or p["wall"]
            best[p["batch"]] = min(float(np.median(readings)), best.get(p["batch"], np.inf))
    return best


def by_formula(gpu: crossing.Gpu, width: int, batch: int, count: int, launch: float) -> float:
    """Seconds of a step of 784-w-w-w-10, multiplied out."""
    weights = 784 * width + 2 * width**2 + 10 * width
    operations = 2 * batch * (3 * weights - 784 * width)
    moved = 4 * (8 * (weights + 3 * width + 10) + batch * (2 * 784 + 21 * width))
    return max(count * launch, moved / gpu.bandwidth, operations / gpu.flops)


def times_in(text: str) -> list[float]:
    found = re.findall(r"([\d.,]+)\u00a0(ns|µs|ms|s)\b", text)
    return [float(number.replace(",", "")) * UNITS[unit] for number, unit in found]


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("gpu", crossing.SHEETS, ids=lambda gpu: gpu.name)
def test_who_wins_and_from_where_on_is_what_the_readings_and_the_formula_say(
    processor: Timings, gpu: crossing.Gpu
) -> None:
    (count,) = {p["launches"] for p in processor.find("step", library="torch", way="eager")}
    widths, batches = crossing.sizes(processor)
    heard = set()
    for width in widths:
        ours = by_hand(processor, width)
        for launch in crossing.LAUNCH_MICROS:
            theirs = {m: by_formula(gpu, width, m, count, launch * 1e-6) for m in batches}
            for batch in batches:
                text = crossing.said(processor, gpu, width, batch, launch)
                shown = times_in(text.split("not timed")[0])
                want = [times[batch] for times in (ours, theirs) if batch in times]
                assert shown == pytest.approx(want, rel=0.006), text
                if batch in ours:
                    ratio = max(want) / min(want)
                    winner = "processor" if ours[batch] < theirs[batch] else "GPU"
                    if abs(ratio - crossing.EVEN) > 0.01:
                        assert (f"The {winner} wins, by a factor" in text) == (ratio > 1.05), text
                else:
                    assert "The processor was not timed here: " in text
                    assert "wins, by" not in text
            common = sorted(ours)
            # Two that are equal to three digits may stand either way round.
            if any(ours[m] == pytest.approx(theirs[m], rel=0.01) for m in common):
                continue
            from_here = [m for m in common if all(theirs[b] < ours[b] for b in common if b >= m)]
            ending = crossing.WORDS["never"]
            if from_here:
                ending = crossing.WORDS["from"].format(batch=f"{from_here[0]:,}")
            if from_here == common:
                ending = crossing.WORDS["always"]
            assert text.endswith(ending), text
            heard.add(ending)
    assert len(heard) > 2


def test_a_gpu_that_was_measured_stands_first_and_says_so() -> None:
    gpu, *rest = crossing.gpus([CPU, CUDA])
    assert rest == list(crossing.SHEETS)
    for width, batch in ((16, 1), (1024, 1024)):
        text = crossing.said(CPU, gpu, width, batch, 50)
        (point,) = CUDA.find(
            "step", library="torch", precision="float32", way="eager", width=width, batch=batch
        )
        want = [by_hand(CPU, width)[batch], np.median(point["events"])]
        assert times_in(text) == pytest.approx(want, rel=0.006)
        assert text.count("(measured)") == 2
        assert "set the pace" not in text
    assert CUDA.source in crossing.told(gpu, CPU, 60)
    assert "(model)" in crossing.said(CPU, rest[0], 16, 1)


@EACH
def test_the_crossing_has_every_step_of_the_processor(several: list[Timings]) -> None:
    processors = [t for t in several if t.kind == "cpu"]
    if not processors:
        assert crossing.crossing_figure(several) == crossing.price(several) == ""
        return
    data = crossing.data(several)
    assert len(json.dumps(data, allow_nan=False)) < 12_000
    for width, row in zip(data["widths"], data["processor"], strict=True):
        found = {m: v for m, v in zip(data["batches"], row, strict=True) if not isinstance(v, str)}
        assert found == pytest.approx(
            {m: v * 1e6 for m, v in by_hand(processors[0], width).items()}, rel=0.006
        )
    assert [gpu["how"] for gpu in data["gpus"]].count("measured") == sum(
        t.kind == "cuda" for t in several
    )
    start = data["start"]
    width, batch = data["widths"][start["width"]], data["batches"][start["batch"]]
    text = crossing.said(processors[0], crossing.gpus(several)[0], width, batch)
    after = data["batches"][start["batch"] + 1]
    assert "The GPU wins, by" not in text
    assert ("The processor wins, by" in text) or several is not FILES
    assert text.endswith(crossing.WORDS["from"].format(batch=f"{after:,}"))


def test_the_ring_is_where_both_lines_are_as_high() -> None:
    ours, theirs = {1: 100.0, 4: 200.0, 16: 800.0}, {1: 400.0, 4: 400.0, 16: 400.0}
    # Between 4 and 16 the processor's time grows by 4 where the batch does: twofold at 8.
    batch, micros = crossing.meeting([1, 4, 16], ours, theirs) or (0.0, 0.0)
    assert (batch, micros) == pytest.approx((8.0, 400.0))
    assert crossing.meeting([1, 4, 16], theirs, ours) is None
    assert crossing.meeting([1, 4], ours, theirs) is None
    assert crossing.meeting([16], ours, theirs) is None


@pytest.mark.parametrize("processor", [t for t in FILES if t.kind == "cpu"])
def test_another_data_sheet_does_not_move_the_ring(processor: Timings) -> None:
    """The page says so: where they cross, a GPU waits to be asked."""
    widths, batches = crossing.sizes(processor)
    for width, launch in product(widths, crossing.LAUNCH_MICROS):
        endings = {
            crossing.said(processor, gpu, width, batches[0], launch).split("At this width")[1]
            for gpu in crossing.SHEETS
        }
        assert len(endings) == 1


# Spot the bug.


@pytest.mark.parametrize("found", SIMULATED, ids=MISTAKES)
def test_a_simulated_timing_shows_its_mistake_and_no_other(found: Round) -> None:
    assert [mistake for mistake, sign in SIGNS.items() if sign(found)] == [found.mistake]


def test_what_a_simulated_clock_shows_is_what_its_mistake_makes_of_it() -> None:
    asking, product, copying = spot.ASKING, spot.PRODUCT, spot.COPYING
    medians = {r.mistake: r.median for r in SIMULATED}
    want = {
        "right": asking + product,
        "not_synchronised": asking,
        "synchronised_late": asking,
        "first_call": asking + product,
        "transfer": asking + copying + product,
    }
    for mistake, seconds in want.items():
        assert medians[mistake] == pytest.approx(seconds, rel=0.05), mistake
    first = next(r for r in SIMULATED if r.mistake == "first_call")
    assert first.readings[0] == pytest.approx(spot.LOADING + product, rel=0.1)
    late = next(r for r in SIMULATED if r.mistake == "synchronised_late")
    assert max(late.readings) == pytest.approx(asking)
    ahead = next(r for r in SIMULATED if r.mistake == "not_synchronised")
    assert ahead.readings[-1] == pytest.approx(product, rel=0.1), "the queue is full"


@EACH
def test_what_is_asked_is_to_be_seen(several: list[Timings]) -> None:
    asked = spot.rounds(several)
    assert {r.mistake for r in asked} == set(MISTAKES)
    for r in asked:
        assert SIGNS[r.mistake](r), r.mistake
        assert not (SIGNS["right"](r) and r.mistake != "right")
    assert all(a.mistake != b.mistake for a, b in pairwise(asked))
    assert [r.mistake for r in asked] == [r.mistake for r in spot.rounds(several)]
    kinds = {timings.kind for timings in several}
    if several in ([CPU], [CUDA]):
        measured = sorted(r.mistake for r in asked if not r.simulated)
        want = set(MISTAKES) - {"synchronised_late"}
        if kinds == {"cpu"}:
            want -= {"not_synchronised", "transfer"}
        assert measured == sorted(want)


def test_readings_that_do_not_show_their_mistake_are_not_asked_about() -> None:
    content = copy.deepcopy(dict(CPU.content))
    assert any(r.mistake == "first_call" and not r.simulated for r in spot.rounds([CPU]))
    (point,) = [p for p in content["points"].values() if p.get("kind") == "first call counted"]
    point["wall"][0] = point["wall"][1]
    (stand_in,) = [r for r in spot.rounds([Timings(content)]) if r.mistake == "first_call"]
    assert stand_in.simulated


def test_what_only_a_time_line_tells_apart_is_no_miss() -> None:
    for r in spot.rounds([CPU, CUDA]):
        same = r.mistake == "not_synchronised" and not r.simulated
        assert spot.alike(r) == (["synchronised_late"] if same else [])


# A number in a sentence, by the words around it, and what it must be.
NUMBERS: dict[str, Callable[[Round], float]] = {
    r"([\d.,]+) times the best product": lambda r: r.least / r.reported,
    r"([\d.,]+) times (?:the least|that\.|what the product)": lambda r: r.reported / r.least,
    r"(?:is|be) ([\d.,]+) times the median of the others": lambda r: (
        r.readings[0] / float(np.median(r.readings[1:]))
    ),
    r"([\d.,]+).% of the readings are below": lambda r: (
        100 * sum(v < r.reported for v in r.readings) / len(r.readings)
    ),
    r"the mean is ([\d.,]+) times the median": lambda r: (
        sum(r.readings[1:]) / (len(r.readings) - 1) / float(np.median(r.readings[1:]))
    ),
    r"There are ([\d.,]+) readings": lambda r: len(r.readings),
}


def test_a_number_in_a_sentence_is_that_of_the_readings() -> None:
    heard = set()
    for r in spot.rounds([CPU, CUDA]):
        for said in (spot.feedback(r, chosen) for chosen in MISTAKES):
            for pattern, right in NUMBERS.items():
                # After a first call the median of the others is told, which another test reads.
                if "others is" in said and "least" in pattern:
                    continue
                for number in re.findall(pattern, said):
                    heard.add(pattern)
                    shown = float(number.strip(".").replace(",", ""))
                    assert shown == pytest.approx(right(r), rel=0.006, abs=0.5 * ("%" in said)), (
                        said
                    )
    assert heard == set(NUMBERS)


# What a sentence claims, and what must be so for it. Words of `WHY` and `AGAINST`.
CLAIMS: dict[str, Callable[[Round], bool]] = {
    "times the best product": lambda r: r.reported < r.least / ROOM,
    "too short": lambda r: r.reported < r.least / ROOM,
    "The host does not wait for the product": lambda r: not r.waits_after,
    "the queue is full": lambda r: r.readings[-1] > 3 * r.readings[0],
    "host does wait": lambda r: r.waits_after,
    "Here it does not": lambda r: not r.waits_after,
    "The first reading is": lambda r: r.readings[0] > 2 * max(r.readings[1:]),
    "Here one stands out": lambda r: r.readings[0] > 2 * max(r.readings[1:]),
    "the others pull as well": lambda r: r.reported < 1.02 * r.rest_mean,
    "One reading is far off, and it is the first": lambda r: (
        r.readings[0] > 2 * sorted(r.readings)[-2]
    ),
    "One reading, ": lambda r: len(r.readings) == 1,
    "One reading has no tail": lambda r: len(r.readings) == 1,
    "there is none": lambda r: len(r.readings) == 1,
    "Every reading is possible": lambda r: min(r.readings) > r.least,
    "all agree": lambda r: max(r.readings) < 1.5 * min(r.readings),
    "Reported is the mean": lambda r: r.reported == pytest.approx(np.mean(r.readings)),
    "The median": lambda r: r.median < r.reported,
    "the first is like the others": lambda r: r.readings[0] < 2 * r.median,
    "hardly room for one": lambda r: r.reported < 1.5 * r.least,
    "a few go up": lambda r: max(r.readings) > 2 * r.median,
    "far less than the least that is possible": lambda r: r.reported > 0.95 * r.least,
}


def test_what_a_sentence_claims_is_so() -> None:
    heard = set()
    for r in [*spot.rounds([CPU, CUDA]), *spot.rounds([CUDA]), *spot.rounds([])]:
        for said in [spot.told(r), *(spot.feedback(r, chosen) for chosen in MISTAKES)]:
            assert not re.search(r"[{}]|nan", said)
            for piece, holds in CLAIMS.items():
                if piece in said:
                    heard.add(piece)
                    assert holds(r), said
    assert heard == set(CLAIMS), "each of them is said somewhere"


def test_every_sentence_is_said_somewhere() -> None:
    every = [*spot.rounds([CPU, CUDA]), *spot.rounds([CPU])]
    # A file may have one reading alone.
    every.append(replace(next(r for r in every if len(r.readings) == 1), others=()))
    for table, whose in ((spot.WHY, True), (spot.AGAINST, False)):
        for chosen, row in table.items():
            used = {
                next(text for holds, text in row if holds(r))
                for r in every
                if (r.mistake == chosen) is whose and (whose or chosen not in r.cannot)
            }
            assert used == {text for _, text in row}, chosen


@EACH
def test_every_choice_is_answered_in_a_sentence_of_its_own(several: list[Timings]) -> None:
    for r in spot.rounds(several):
        answers = {chosen: spot.feedback(r, chosen) for chosen in MISTAKES}
        assert len(set(answers.values())) == len(MISTAKES)
        assert answers[r.mistake].startswith("Yes: ")
        for chosen, why in r.cannot.items():
            assert why[1:] in answers[chosen]
        for chosen in spot.alike(r):
            assert answers[chosen].startswith("It may be.")
        assert spot.told(r).startswith(f"It is: {spot.NAMES[r.mistake]}. ")
        assert not any(name in spot.about(r) + spot.numbers(r) for name in spot.NAMES.values())


@pytest.mark.parametrize("found", SIMULATED, ids=MISTAKES)
def test_the_time_line_is_that_of_the_first_readings(found: Round) -> None:
    spans = spot.timeline(found)
    readings = [(a, b) for lane, what, a, b in spans if what == "reading"]
    np.testing.assert_allclose(
        [b - a for a, b in readings[:3]], 1e6 * np.array(found.readings[:3]), atol=0.11
    )
    assert sum(what == "product" for _, what, _, _ in spans) >= len(readings[:3])
    words = spot.timeline_words(found)
    assert ("does not wait" in words) is (found.mistake == "not_synchronised")
    assert not re.search(r"[{}]|nan", words)


def test_a_device_that_is_made_up_says_so() -> None:
    for r in spot.rounds([CPU]):
        assert r.simulated is ("simulated" in spot.about(r))
        assert r.simulated or CPU.device in spot.about(r)


# Both.


@EACH
def test_the_figures_leave_pictures_and_words_for_where_no_script_runs(
    several: list[Timings],
) -> None:
    figures = [spot.spot_figure(several)]
    if live.drawable(several):
        figures.append(live.roofline_figure(several))
    if any(t.kind == "cpu" for t in several):
        figures.append(crossing.crossing_figure(several))
    for figure in figures:
        still = figure[: figure.index('<script type="application/json">')]
        assert 'alt="' in still
        assert "{" not in still
    told = figures[0]
    assert "<details><summary>" in told
    for r in spot.rounds(several):
        assert spot.told(r).split(". ")[0] in told


def test_both_figures_are_light() -> None:
    both = [CPU, CUDA]
    size = len(json.dumps([live.roofline_data(both), spot.spot_data(both)], separators=(",", ":")))
    assert size < 120_000
    # With the pictures for paper. A page is given 600,000.
    assert len(live.roofline_figure(both)) + len(spot.spot_figure(both)) < 450_000
