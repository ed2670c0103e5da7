"""`make simulate`: how grading grows with the workers of a cluster, and what stops it.

1. Measured here, on the real parts: what a solved submission costs the runner, the judge, the
   dask client that finds it a worker, and the one who writes gradebook and files: time of the
   processor, so that other work on the machine does not count.
2. Simulated with these costs: a class of 10,000 on 2, 4, 8, ... workers, event by event.
3. Run for real: some thousand small sessions on a local cluster, with time and memory as they go.

The costs say something about this machine; where the curve bends, and at whom, says more.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import os
import random
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Table

from autograder.classes.run import grade_class, quietly
from autograder.engine.cluster.client import scheduler_runner
from autograder.engine.interface import Limits, Runner, Session
from autograder.engine.warm.handle import SandboxedRunner
from autograder.engine.wire import Channel
from autograder.grading.grade import grade
from autograder.judging.sets import find_set
from autograder.project import Project, find_project
from autograder.release.build import build
from autograder.release.notebook import instructor_notebook
from autograder.submissions.read import Submission

SET = "gradient"
BROKER = "autograder.engine.cluster.broker"
STAGES = ("runner", "judge", "dispatch", "writer")


@dataclass(frozen=True)
class Costs:
    """Seconds that a submission takes of each stage, as samples; and how often it crosses the
    network there and back."""

    runner: Sequence[float]
    judge: Sequence[float]
    dispatch: Sequence[float]
    writer: Sequence[float]
    exchanges: int

    def typical(self, stage: str) -> float:
        """The mean of a stage's samples."""
        return statistics.mean(getattr(self, stage))


# ------------------------------------------------------------------ measured


def measure(submissions: int, say: Callable[[str], None]) -> Costs:
    """Costs on this machine, from so many submissions for each stage."""
    say("runner")
    solved = instructor_notebook(find_set(SET))
    local = SandboxedRunner()
    grade_one(local, solved)
    metered = Metered(local)
    for _ in range(submissions):
        grade_one(metered, solved)
    runner = metered.spent
    say("dispatch, on a local cluster of one worker")
    with scheduler_runner("local", 1) as remote:
        grade_one(remote, solved)
        exchanges = count_exchanges(lambda: grade_one(remote, solved))
        [broker] = [p for p in psutil.Process().children() if BROKER in " ".join(p.cmdline())]
        before = spent(broker)
        for _ in range(submissions):
            with remote.open(None, Limits()):
                pass
        dispatch = (spent(broker) - before) / submissions
    say("judge and writer, a class in the gradebook")
    judge, writer = class_costs(submissions)
    return Costs(runner, [judge], [dispatch], [writer], exchanges)


def grade_one(runner: Runner, notebook: Any) -> None:
    """Grade a notebook, which must get full marks."""
    graded = grade(Submission(notebook.copy()), find_set(SET), "1", runner)
    if graded.points != graded.max_points:
        raise RuntimeError(f"a solved notebook got {graded.points} points: nothing to measure")


class Metered:
    """A runner that notes how much of the processor each session took, in all its processes."""

    name = "metered"
    protects = ""

    def __init__(self, runner: Runner) -> None:
        self.spent: list[float] = []
        self._runner = runner

    def open(self, files: Path | None, limits: Limits, modules: Sequence[str] = ()) -> Session:
        """A session whose processes are looked at before any of them is killed."""
        before = below()
        most: dict[int, float] = {}
        session = self._runner.open(files, limits, modules)
        close, finish = session.close, session.finish

        def look() -> None:
            most.update(below())

        def closing() -> None:
            look()
            close()

        def finishing() -> None:
            look()
            self.spent.append(sum(t - before.get(pid, 0.0) for pid, t in most.items()))
            finish()

        session.close, session.finish = closing, finishing  # type: ignore[method-assign]
        return session


def below() -> dict[int, float]:
    """Processor time of every process below this one, by number."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found[process.pid] = spent(process)
    return found


def spent(process: psutil.Process) -> float:
    """Processor time of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def count_exchanges(work: Callable[[], None]) -> int:
    """How many frames are sent from here while some work is done."""
    sent = [0]
    send = Channel.send

    def counting(self: Channel, *args: Any, **options: Any) -> int:
        sent[0] += 1
        return send(self, *args, **options)

    Channel.send = counting  # type: ignore[method-assign]
    try:
        work()
    finally:
        Channel.send = send  # type: ignore[method-assign]
    return sent[0]


def class_costs(submissions: int) -> tuple[float, float]:
    """Processor time of a judge's process and of the writer, for one more submission: what a
    class takes more than one of a few."""
    few = 5
    with sample_course(few + submissions) as project:
        students = sorted(path.name for path in (project.grading / "submitted").iterdir())
        spans = []
        for some in (students[:1], students[:few], students):
            before = own_and_judges()
            # The few are graded already when all are: a class of these, and one of the others.
            grade_class(project, SET, some, progress=quietly, say=lambda line: None)
            after = own_and_judges()
            spans.append([now - then for now, then in zip(after, before, strict=True)])
    more = submissions - (few - 1)
    writer, judge = ((whole - part) / more for whole, part in zip(spans[2], spans[1], strict=True))
    return max(judge, 0.0), max(writer, 0.0)


def own_and_judges() -> tuple[float, float]:
    """Processor time of this process, and of those that it started and that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time(), ended.ru_utime + ended.ru_stime


@contextmanager
def sample_course(students: int) -> Iterator[Project]:
    """A course of its own in which everybody handed in the right answers."""
    home = find_project()
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(home.solutions, folder / "solutions")
        for file in ("pyproject.toml", "nbgrader_config.py"):
            shutil.copy(home.root / file, folder)
        with (folder / "nbgrader_config.py").open("a") as config:
            config.write("\nc.ClassAutograde.workers = 1\n")
            config.write("c.GradeSubmission.require_sandbox = False\n")
        project = Project(folder)
        build(project, [SET])
        solved = folder / "grading" / "source" / SET / f"{SET}.ipynb"
        for number in range(students):
            place = folder / "grading" / "submitted" / f"student-{number:05}" / SET
            place.mkdir(parents=True)
            shutil.copy(solved, place)
        os.chdir(folder)
        try:
            yield project
        finally:
            os.chdir(before)


# ------------------------------------------------------------------ simulated


@dataclass
class Station:
    """Servers with one queue: whoever comes first is served first, of the most urgent."""

    name: str
    servers: int
    busy: int = 0
    waiting: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    worked: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What a simulated class came to. seconds: from the first to the last. used: the share of
    each station's time in which it worked."""

    workers: int
    submissions: int
    seconds: float
    used: dict[str, float]

    @property
    def rate(self) -> float:
        """Submissions a second."""
        return self.submissions / self.seconds

    @property
    def bottleneck(self) -> str:
        """The station that worked most of the time."""
        return max(self.used, key=lambda name: self.used[name])


class Simulation:
    """A class on a cluster, event by event.

    Every worker has one session at a time, and a judge at home whom it waits for in turn. Judges,
    dispatcher and writer share the processors at home; dispatcher and writer are one each, and
    take their work one by one.

    slices: into so many turns a session's work and its judge's are cut.
    """

    def __init__(
        self,
        costs: Costs,
        *,
        home_cores: int,
        round_trip: float = 0.0,
        slices: int = 8,
        seed: int = 1,
    ) -> None:
        self._costs = costs
        self._cores = home_cores
        self._way = round_trip * costs.exchanges
        self._slices = slices
        self._random = random.Random(seed)
        self._now = 0.0
        self._number = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def run(self, workers: int, submissions: int) -> Outcome:
        """Grade a class."""
        stations = {
            name: Station(name, servers)
            for name, servers in (
                ("workers", workers),
                ("home", self._cores),
                ("dispatch", 1),
                ("writer", 1),
            )
        }
        self._now, self._events = 0.0, []
        left = iter(range(submissions))

        def begin() -> None:
            """A session's place is free: the next submission takes it."""
            if next(left, None) is not None:
                self._serve(stations["dispatch"], stations["home"], self._drawn("dispatch"), turn)

        def turn(done: int = 0) -> None:
            """The session works, then its judge."""
            share = (self._drawn("runner") + self._way) / self._slices
            stations["workers"].worked += share
            self._after(share, lambda: judge(done))

        def judge(done: int) -> None:
            last = done + 1 == self._slices
            then = end if last else (lambda: turn(done + 1))
            self._serve(None, stations["home"], self._drawn("judge") / self._slices, then)

        def end() -> None:
            self._serve(stations["writer"], stations["home"], self._drawn("writer"), lambda: None)
            begin()

        for _ in range(min(workers, submissions)):
            begin()
        while self._events:
            self._now, _number, happen = heapq.heappop(self._events)
            happen()
        used = {
            name: station.worked / (station.servers * self._now)
            for name, station in stations.items()
        }
        return Outcome(workers, submissions, self._now, used)

    def _serve(
        self, one: Station | None, home: Station, seconds: float, then: Callable[[], None]
    ) -> None:
        """Work for a single one at home, who needs a processor for it; a judge needs only that."""

        def leave() -> None:
            self._leave(home)
            if one is not None:
                self._leave(one)
            then()

        def work() -> None:
            home.worked += seconds
            if one is not None:
                one.worked += seconds
            self._after(seconds, leave)

        if one is None:
            self._enter(home, work)
        else:
            # A system shares its processors out: what is short and alone waits for no crowd.
            self._enter(one, lambda: self._enter(home, work, urgency=0))

    def _enter(self, station: Station, then: Callable[[], None], urgency: int = 1) -> None:
        if station.busy < station.servers:
            station.busy += 1
            then()
        else:
            self._number += 1
            heapq.heappush(station.waiting, (urgency, self._number, then))

    def _leave(self, station: Station) -> None:
        if station.waiting:
            _urgency, _number, then = heapq.heappop(station.waiting)
            then()
        else:
            station.busy -= 1

    def _after(self, seconds: float, happen: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (self._now + seconds, self._number, happen))

    def _drawn(self, stage: str) -> float:
        """A stage's cost for one submission."""
        return self._random.choice(getattr(self._costs, stage))


STATIONS = {
    "workers": "the workers: more of them help",
    "home": "the processors at home, where the judges are",
    "dispatch": "the dask client",
    "writer": "the one gradebook writer",
}


def table(outcomes: Sequence[Outcome], title: str) -> Table:
    """What people look at."""
    made = Table(title=title, title_justify="left", caption="busy: the share of the time")
    for heading in ("workers", "a second", "takes", "growth"):
        made.add_column(heading, justify="right")
    for name in STATIONS:
        made.add_column(name, justify="right")
    made.add_column("limit")
    first = outcomes[0]
    for outcome in outcomes:
        growth = outcome.rate / first.rate * first.workers / outcome.workers
        made.add_row(
            str(outcome.workers),
            f"{outcome.rate:.1f}",
            _span(outcome.seconds),
            f"{growth:.0%}",
            *(f"{outcome.used[name]:.0%}" for name in STATIONS),
            outcome.bottleneck,
        )
    return made


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02}" if minutes >= 60 else f"{seconds / 60:.1f} min"


def bend(outcomes: Sequence[Outcome]) -> str:
    """Where more workers stop helping, in a sentence."""
    best = max(outcome.rate for outcome in outcomes)
    enough = next(o for o in outcomes if o.rate >= 0.95 * best)
    if outcomes[-1].bottleneck == "workers":
        return f"It still grows at {outcomes[-1].workers} workers: {best:.1f} submissions a second."
    return (
        f"From {enough.workers} workers on it grows no more: {best:.1f} submissions a second, "
        f"limited by {STATIONS[outcomes[-1].bottleneck]}."
    )


# ------------------------------------------------------------------ for real


@dataclass(frozen=True)
class Stretch:
    """Some hundred sessions of a long run: seconds each, and megabytes of all processes after."""

    sessions: int
    seconds: float
    megabytes: float


def soak(sessions: int, every: int = 250, workers: int = 2) -> Iterator[Stretch]:
    """Small sessions on a local cluster, one after the other, with memory as it goes."""
    with scheduler_runner("local", workers) as runner:
        start = time.perf_counter()
        for number in range(1, sessions + 1):
            with runner.open(None, Limits()) as session:
                said = session.execute("import numpy as np\nprint(np.arange(4).sum())").outputs
            if said[0]["text"] != "6\n":
                raise RuntimeError(f"session {number} said {said}")
            if number % every == 0:
                now = time.perf_counter()
                yield Stretch(number, (now - start) / every, memory())
                start = now


def memory() -> float:
    """Megabytes that this process and all below it have to themselves."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    total = 0
    for process in family:
        try:
            total += process.memory_full_info().uss
        except psutil.Error:
            continue
    return total / 2**20


def main() -> None:
    """Measure, simulate, run, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=10_000, help="of the class (10000)")
    parser.add_argument("--measured", type=int, default=20, help="submissions measured (20)")
    parser.add_argument("--home-cores", type=int, default=8, help="processors at home (8)")
    parser.add_argument("--round-trip", type=float, default=0.2, help="milliseconds (0.2)")
    parser.add_argument("--most", type=int, default=64, help="so many workers at most (64)")
    parser.add_argument("--soak", type=int, default=2000, help="real sessions after that (2000)")
    arguments = parser.parse_args()
    console = Console()
    costs = measure(arguments.measured, lambda what: console.print(f"[dim]measuring: {what}[/]"))
    each = ", ".join(f"{stage} {1000 * costs.typical(stage):.1f} ms" for stage in STAGES)
    load = os.getloadavg()[0]
    console.print(f"A solved {SET} notebook takes {each}; {costs.exchanges} round trips.")
    console.print(f"{os.cpu_count()} processors here, load {load:.1f}.\n")
    simulation = Simulation(
        costs, home_cores=arguments.home_cores, round_trip=arguments.round_trip / 1000
    )
    outcomes = []
    workers = 2
    while workers <= arguments.most:
        outcomes.append(simulation.run(workers, arguments.submissions))
        workers *= 2
    title = f"{arguments.submissions} submissions, {arguments.home_cores} processors at home"
    console.print(table(outcomes, title))
    console.print(bend(outcomes), "\n")
    if arguments.soak:
        stretches = list(
            track(soak(arguments.soak), "sessions for real", total=arguments.soak // 250)
        )
        made = Table(title=f"{arguments.soak} real sessions on a local cluster")
        for heading in ("sessions", "ms each", "MB of all processes"):
            made.add_column(heading, justify="right")
        for s in stretches:
            made.add_row(str(s.sessions), f"{1000 * s.seconds:.1f}", f"{s.megabytes:.0f}")
        console.print(made)


if __name__ == "__main__":
    main()
