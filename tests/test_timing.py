"""The timing command: the same computation everywhere, honest readings, a file that goes on."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from book.timing import __main__ as command
from book.timing.clock import Device, Patience, time_call
from book.timing.memory import largest
from book.timing.network import NumpyStep, Size, loss_and_gradients
from book.timing.plan import Forecast, Point, points, too_large, too_long
from book.timing.reading import Ceilings, Timings, crossover, flat_until, load
from book.timing.record import AnotherRun, Record, slug
from book.timing.torch_step import TorchStep, launches

HEADER = {
    "device": {"name": "Some Device (R)", "kind": "cpu"},
    "versions": {"torch": "2", "numpy": "2"},
    "date": "2026-11-30",
    "threads": 1,
    "quick": True,
}


def test_torch_and_numpy_take_the_same_steps() -> None:
    size = Size(width=12, batch=9)
    ours = NumpyStep(size, "float64", lr=0.01)
    theirs = TorchStep(size, "cpu", "float64", lr=0.01)
    losses = []
    for _ in range(20):
        losses.append(ours())
        assert losses[-1] == pytest.approx(float(theirs()), rel=1e-12)
    assert losses[-1] < 0.9 * losses[0]
    for mine, yours in zip(ours.params, theirs.params, strict=True):
        np.testing.assert_allclose(mine, yours.detach().numpy().T, rtol=1e-10, atol=1e-13)


def test_the_counts_are_those_of_a_network_counted_by_hand() -> None:
    size = Size(width=2, batch=3)
    assert size.parameters == 784 * 2 + 2 + 2 * (4 + 2) + 20 + 10
    forwards = 2 * 3 * (784 * 2 + 4 + 4 + 20)
    assert size.flops == 3 * forwards - 2 * 3 * 784 * 2
    assert launches(TorchStep(size, "cpu", "float32")) > 20


class Ticks:
    """A clock that a call moves on, and a device that is late by what it was asked to do."""

    def __init__(self) -> None:
        self.now, self.owed = 0.0, 0.0

    def __call__(self) -> float:
        return self.now


class Late(Device):
    """It has done nothing before somebody waits for it."""

    def __init__(self, ticks: Ticks) -> None:
        self.ticks = ticks

    def settle(self) -> None:
        self.ticks.now += self.ticks.owed
        self.ticks.owed = 0.0


def test_a_reading_waits_for_the_device_and_leaves_the_first_call_out() -> None:
    ticks = Ticks()
    calls = iter([5.0, *[1.0] * 1000])

    def call() -> None:
        ticks.owed += next(calls)

    found = time_call(call, Late(ticks), Patience(warm=2.0, timed=30.0), clock=ticks)
    assert found.first == 5.0
    assert found.wall == [1.0] * 30


@pytest.mark.parametrize("width", [16, 64, 256])
def test_what_is_timed_again_and_again_is_learnt_by_heart_by_no_step(width: int) -> None:
    """Its gradients, and then its velocities, would be subnormal: slower numbers would be timed."""
    step = NumpyStep(Size(width, 1), "float32")
    before = step()
    time_call(step, Device(), Patience(warm=1e9, timed=1e9))
    _loss, grads = loss_and_gradients(step.params, step.X, step.labels)
    tiny = np.finfo(np.float32).tiny
    for arrays in (grads, step.velocity):
        sizes = np.abs(np.concatenate([a.ravel() for a in arrays]))
        assert np.mean((sizes > 0) & (sizes < tiny)) < 1e-3
    assert step() > 0.5 * before


@given(st.integers(1, 10**6), st.integers(1, 2000))
@settings(max_examples=60, deadline=None)
def test_the_largest_that_fits_is_found_to_one_part_in_64(limit: int, start: int) -> None:
    found = largest(lambda n: n <= limit, start, 10**7)
    if start > limit:
        assert found == 0
    else:
        assert limit - max(1, limit // 64) <= found <= limit


def test_where_all_fit_the_largest_is_the_most() -> None:
    assert largest(lambda n: True, 3, 1000) >= 1000 - 1000 // 64


def test_an_interrupted_run_goes_on_and_another_ones_file_is_left_alone(tmp_path: Path) -> None:
    record = Record(tmp_path, HEADER)
    record.add("one", {"part": "step", "wall": [1.0, 2.0]})
    assert Record(tmp_path, HEADER).points == {"one": {"part": "step", "wall": [1.0, 2.0]}}
    assert [path.name for path in tmp_path.iterdir()] == ["some-device-r.json"]
    with pytest.raises(AnotherRun, match="threads was 1, is 2"):
        Record(tmp_path, {**HEADER, "threads": 2})
    assert Record(tmp_path, {**HEADER, "threads": 2}, fresh=True).points == {}
    assert slug("NVIDIA H200") == "nvidia-h200"


def test_what_would_take_too_long_or_too_much_is_left_out_and_says_why() -> None:
    forecast = Forecast()
    small, large = (Point("step", width=64, batch=batch) for batch in (64, 4096))
    forecast.learn(small, 0.2)
    assert too_long(small, forecast) == ""
    assert "would take some" in too_long(large, forecast)
    assert "GB" in too_large(Point("step", width=8192, batch=65536), 1e9)


def timings(tmp_path: Path, *found: dict) -> Timings:
    record = Record(tmp_path, HEADER)
    for number, point in enumerate(found):
        record.add(str(number), {"library": "torch", **point})
    return load(tmp_path)[0]


def test_a_step_is_held_against_the_ceiling_that_binds_it(tmp_path: Path) -> None:
    ceilings = {"part": "ceilings", "precision": "float32"}
    read = timings(
        tmp_path,
        {**ceilings, "kind": "product", "flops": 100.0, "wall": [1.0, 1.0]},
        {**ceilings, "kind": "copy", "bytes": 10.0, "footprint": 10.0, "wall": [1.0]},
        {**ceilings, "kind": "copy", "bytes": 50.0, "footprint": 5.0, "wall": [1.0]},
        {**ceilings, "kind": "empty calls", "calls": 10, "wall": [0.1]},
    )
    step = {"library": "torch", "precision": "float32", "launches": 1, "footprint": 20.0}
    bound = read.bound({**step, "flops": 200.0, "bytes": 1.0, "wall": [4.0]})
    assert (bound.binds, bound.share) == ("arithmetic", pytest.approx(0.5))
    assert read.bound({**step, "flops": 1.0, "bytes": 20.0, "wall": [2.0]}).binds == "bandwidth"
    small = {**step, "footprint": 4.0, "flops": 1.0, "bytes": 20.0, "wall": [1.0]}
    assert read.bound(small).seconds["bandwidth"] == pytest.approx(0.4)
    assert read.bound({**step, "flops": 500.0, "bytes": 1.0, "wall": [4.0]}).impossible
    assert read.source == "Some Device (R), 1 thread, torch 2, NumPy 2; 30 November 2026"


def test_what_is_faster_than_the_device_can_be_is_a_bug_of_the_timing(tmp_path: Path) -> None:
    ceilings = {"part": "ceilings", "precision": ""}
    optimiser = {"part": "optimiser", "precision": "float32", "bytes": 12.0, "footprint": 8.0}
    read = timings(
        tmp_path,
        {**ceilings, "kind": "copy", "bytes": 10.0, "footprint": 10.0, "wall": [1.0]},
        # A copy reads what it is about to overwrite: a pass in place moves more of what is asked.
        {**ceilings, "kind": "in place", "bytes": 15.0, "footprint": 9.0, "wall": [1.0]},
        {**optimiser, "wall": [0.5]},
        {**optimiser, "wall": [1.0]},
        {**optimiser, "skipped": "it would take 16 GB"},
    )
    assert read.impossible() == ["2"]
    assert read.bound(read.points["3"]).share == pytest.approx(0.8)


@given(st.floats(1, 1e12), st.floats(1, 1e12))
def test_a_bandwidth_never_rises_with_what_is_touched(one: float, other: float) -> None:
    copies = [(1e3, 5.0), (1e6, 40.0), (1e8, 20.0), (1e9, 10.0)]
    ceilings = Ceilings({}, {("torch", "copy"): copies, ("torch", "in place"): [(1e7, 30.0)]}, {})
    small, large = sorted((one, other))
    assert ceilings.bandwidth("torch", small) >= ceilings.bandwidth("torch", large)
    # Between two sizes a cache may end anywhere; memory alone is left beyond the last.
    assert ceilings.bandwidth("torch", 5e7) == 40.0
    assert ceilings.bandwidth("torch", 5e8) == 30.0


def test_where_the_flat_part_ends_and_where_the_other_device_wins() -> None:
    assert flat_until([1, 4, 16, 64], [1.0, 1.1, 1.4, 4.0]) == 16
    assert flat_until([1, 4], [1.0, 1.2]) == 4
    assert crossover([1, 4, 16], {1: 2.0, 4: 2.0, 16: 2.0}, {1: 1.0, 4: 2.5, 16: 9.0}) == 4
    assert crossover([1, 4], {1: 2.0, 4: 2.0}, {1: 1.0, 4: 1.0}) is None


def test_the_command_measures_goes_on_and_explains_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = [Point("ceilings", "numpy", "float32", "", "product", n=32)]
    few += [Point("step", "torch", width=8, batch=4), Point("wrong", kind="transfer included")]
    monkeypatch.setattr(command, "points", lambda *a, **k: few)
    arguments = ["--quick", "--device", "cpu", "--out", str(tmp_path)]
    assert command.main(arguments) == 0
    (file,) = tmp_path.glob("*.json")
    before = json.loads(file.read_text("utf8"))["points"]
    assert [bool(p.get("wall")) for p in before.values()] == [True, True, False]
    assert "nothing is transferred" in before[few[2].name]["skipped"]
    assert command.main(arguments) == 0
    assert json.loads(file.read_text("utf8"))["points"] == before
    assert "2 points measured, 1 left out" in capsys.readouterr().out


def test_the_whole_plan_names_every_point_once() -> None:
    for device in ("cpu", "cuda"):
        names = [point.name for point in points(device)]
        assert len(set(names)) == len(names) > 200
