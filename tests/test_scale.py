"""The simulation against what can be worked out by hand, and a long run's memory."""

from __future__ import annotations

import pytest

from tests.benchmarks.scale import Costs, Simulation, bend, soak


def costs(runner: float, judge: float, dispatch: float, writer: float, exchanges: int = 0) -> Costs:
    """A submission's costs, the same each time."""
    return Costs([runner], [judge], [dispatch], [writer], exchanges)


def test_one_worker_takes_one_after_the_other() -> None:
    outcome = Simulation(costs(1.0, 0.5, 0.25, 0.125), home_cores=4).run(1, 100)
    # The writer works beside the next submission, but for the last one.
    assert outcome.seconds == pytest.approx(100 * 1.75 + 0.125)
    assert outcome.bottleneck == "workers"


def test_while_nothing_else_is_short_twice_the_workers_take_half_the_time() -> None:
    simulation = Simulation(costs(1.0, 0.01, 0.001, 0.001), home_cores=8)
    times = [simulation.run(workers, 1600).seconds for workers in (2, 4, 8)]
    assert times[0] / times[1] == pytest.approx(2, rel=0.02)
    assert times[0] / times[2] == pytest.approx(4, rel=0.02)


@pytest.mark.parametrize(
    ("stage", "limit"),
    [("writer", 1 / 0.2), ("dispatch", 1 / 0.2), ("home", 4 / (0.2 + 0.01 + 0.01))],
)
def test_the_rate_ends_where_a_station_is_never_idle(stage: str, limit: float) -> None:
    parts = {"judge": 0.01, "dispatch": 0.01, "writer": 0.01}
    parts["judge" if stage == "home" else stage] = 0.2
    measured = costs(1.0, parts["judge"], parts["dispatch"], parts["writer"])
    outcome = Simulation(measured, home_cores=4).run(256, 4000)
    assert outcome.bottleneck == stage
    assert outcome.rate == pytest.approx(limit, rel=0.05)
    assert outcome.used[stage] == pytest.approx(1, abs=0.05)


def test_the_network_counts_once_an_exchange() -> None:
    near, far = (
        Simulation(costs(1.0, 0, 0, 0, exchanges=50), home_cores=1, round_trip=way).run(1, 10)
        for way in (0.0, 0.01)
    )
    assert far.seconds - near.seconds == pytest.approx(10 * 50 * 0.01)


def test_the_sentence_names_where_it_bends_and_at_whom() -> None:
    simulation = Simulation(costs(1.0, 0.001, 0.001, 0.1), home_cores=8)
    outcomes = [simulation.run(workers, 2000) for workers in (2, 4, 8, 16, 32)]
    assert bend(outcomes).startswith("From 16 workers on it grows no more: 10.0 submissions")
    assert bend(outcomes).endswith("the one gradebook writer.")


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_two_thousand_sessions_leave_memory_as_it_was() -> None:
    stretches = list(soak(2000))
    assert len(stretches) == 8
    # The first ones fill caches.
    assert stretches[-1].megabytes < stretches[1].megabytes + 20
