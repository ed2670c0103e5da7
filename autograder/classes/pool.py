"""Judges at work side by side: forked processes, each of which grades one submission at a time.

Processes and not threads: a judge with one thread has a helper that is a fork of it, and one that
dies takes down one submission, which is tried once more.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, NoReturn, Protocol, Self, TypeVar

from autograder.engine.walls import kernel

# One at work and one in hand, so that a judge never waits for the writer.
IN_HAND = 2
# A judge makes few cycles and very many things that live for a moment.
GC_THRESHOLD = 20_000


class Message(Protocol):
    """What crosses between this process and a judge's."""

    def to_json(self) -> dict[str, Any]:
        """All of it, as plain data."""
        ...

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """What `to_json` made."""
        ...


Job = TypeVar("Job", bound=Message)
Outcome = TypeVar("Outcome", bound=Message)
Work = Callable[[Job], Outcome]


class Lost(RuntimeError):
    """A judge's process ended, or did not come back, twice over the same submission."""


@dataclass
class Judge(Generic[Job]):
    """A forked process, as its parent sees it."""

    pid: int
    channel: Connection
    jobs: deque[tuple[Job, int]] = field(default_factory=deque)
    since: float = 0.0


class Pool(Generic[Job, Outcome]):
    """A number of judges.

    job, outcome: what they are given, and what they give back. prepare: called here with the number
    of each process before it is forked; what it returns is called in the process, and returns what
    does a job. patience: seconds for one job.
    """

    def __init__(
        self,
        job: type[Job],
        outcome: type[Outcome],
        count: int,
        prepare: Callable[[int], Callable[[], Work[Job, Outcome]]],
        patience: float,
    ) -> None:
        self._job, self._outcome = job, outcome
        self._prepare = prepare
        self._patience = patience
        self._judges: list[Judge[Job]] = []
        for place in range(count):
            self._judges.append(self._fork(place))

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Outcome | Lost] | None]:
        """Hand out the jobs; yields each with what came of it as soon as it is there, and None
        where nothing came for a moment."""
        waiting, again = iter(jobs), deque[tuple[Job, int]]()
        more = True
        while True:
            for judge in sorted(self._judges, key=lambda judge: len(judge.jobs)):
                while len(judge.jobs) < IN_HAND and (again or more):
                    if again:
                        self._give(judge, *again.popleft())
                        continue
                    job = next(waiting, None)
                    if job is None:
                        more = False
                        break
                    self._give(judge, job, 1)
                    break
            busy = [judge for judge in self._judges if judge.jobs]
            if not busy and not again and not more:
                return
            ready = wait([judge.channel for judge in busy], timeout=0.2)
            if not ready:
                yield None
            for judge in busy:
                if judge.channel in ready:
                    yield from self._collect(judge, again)
                elif time.monotonic() - judge.since > self._patience:
                    yield from self._bury(judge, again)

    def close(self) -> None:
        """End every judge, whatever it is at."""
        for judge in self._judges:
            self._end(judge)
        self._judges.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _give(self, judge: Judge[Job], job: Job, attempt: int) -> None:
        if not judge.jobs:
            judge.since = time.monotonic()
        judge.jobs.append((job, attempt))
        try:
            judge.channel.send_bytes(json.dumps(job.to_json()).encode())
        except OSError:  # it is gone, which is found out when it is listened to
            return

    def _collect(
        self, judge: Judge[Job], again: deque[tuple[Job, int]]
    ) -> Iterator[tuple[Job, Outcome | Lost]]:
        try:
            outcome = self._outcome.from_json(json.loads(judge.channel.recv_bytes()))
        except (EOFError, OSError):
            yield from self._bury(judge, again)
            return
        job, _attempt = judge.jobs.popleft()
        judge.since = time.monotonic()
        yield job, outcome

    def _bury(
        self, judge: Judge[Job], again: deque[tuple[Job, int]]
    ) -> Iterator[tuple[Job, Outcome | Lost]]:
        """Put another in the place of a judge that is lost."""
        self._end(judge)
        place = self._judges.index(judge)
        self._judges[place] = self._fork(place)
        job, attempt = judge.jobs.popleft()
        again.extend(judge.jobs)
        if attempt == 1:
            again.append((job, 2))
        else:
            yield job, Lost("the judge's own process ended twice while it graded this")

    def _end(self, judge: Judge[Job]) -> None:
        judge.channel.close()
        try:
            os.kill(judge.pid, signal.SIGKILL)
            os.waitpid(judge.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            return

    def _fork(self, place: int) -> Judge[Job]:
        ours, theirs = Pipe()
        make_work = self._prepare(place)
        pid = os.fork()
        if pid == 0:
            ours.close()
            for judge in self._judges:
                judge.channel.close()
            _be_a_judge(theirs, make_work, self._job)
        theirs.close()
        return Judge(pid, ours)


def settle(place: int) -> None:
    """In a judge's process: keep to one processor, on which its submissions will run too. The two
    take turns, and to wake a process on another processor takes longer than most answers. Two runs
    on one machine begin at different ones, mostly.

    place: the number of the judge in its pool.
    """
    with contextlib.suppress(AttributeError, OSError):
        all_of_them = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {all_of_them[(os.getppid() + place) % len(all_of_them)]})


def _be_a_judge(
    channel: Connection, make_work: Callable[[], Work[Job, Outcome]], made: type[Job]
) -> NoReturn:
    try:
        # Ctrl-C is the parent's to hear, and nobody goes on without it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if hasattr(signal, "SIGKILL") and os.uname().sysname == "Linux":
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        work = make_work()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)
        while True:
            job = made.from_json(json.loads(channel.recv_bytes()))
            channel.send_bytes(json.dumps(work(job).to_json()).encode())
    except (EOFError, OSError):
        pass
    finally:
        os._exit(0)
