"""The first process of a session: it forks the notebook's process and finds all that came of it.

It runs no learner's code. Where there are namespaces it is the first process of one: with it
everything in there ends. Elsewhere it adopts every process below it that loses its parent.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import random
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import psutil

from autograder.engine.untrusted.child import serve_notebook
from autograder.engine.walls import kernel
from autograder.engine.walls.walls import Walls, limit
from autograder.engine.wire import Channel, Closed
from autograder.engine.written import new_files

GRACE_SECONDS = 2.0
SWEEPS = 1000
# Nearly always the processes are gone by then.
FEW_SWEEPS = 20
# How often the memory of a session's processes is added up.
COUNT_SECONDS = 0.4


def keep(fd: int, walls: Walls) -> NoReturn:
    """Be a session's keeper until the socket ends.

    Its first frame tells of the session: scratch folder, environment, limits, and the names of the
    files whose contents come with it.
    """
    try:
        channel = Channel(socket.socket(fileno=fd), takes_fds=True)
        with contextlib.suppress(Closed):
            settings, blobs = channel.receive()
            keeper = Keeper(channel, walls, settings, blobs)
            with contextlib.suppress(Closed):
                keeper.run()
            keeper.sweep()
            walls.end_session()
            if not walls.has("root folder"):
                # In memory it is gone by itself; and who made it on disk may be gone first.
                shutil.rmtree(settings["scratch"], ignore_errors=True)
    finally:
        os._exit(0)


def adopt_orphans() -> None:
    """From now on a process below this one whose parent died is this one's child (Linux)."""
    with contextlib.suppress(OSError):
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


class Keeper:
    """Answers for the processes of one session."""

    def __init__(
        self, channel: Channel, walls: Walls, settings: dict[str, Any], blobs: list[bytes]
    ) -> None:
        self.channel = channel
        self.walls = walls
        self.limits = settings["limits"]
        self.allowed = self.limits["processes"]
        self.threads = self.limits["threads"]
        # No fewer than there are beside the first of each process.
        self.started = 0
        self.main = 0
        self.listeners: list[int] = []
        self.permits = 0
        self.permitted = 0
        self.refused = 0
        self.greedy = 0
        self.told_greedy = 0
        self.next_count = time.monotonic() + COUNT_SECONDS
        self.failure = ""
        # Judge and submission take turns: on the judge's own processor that costs a third.
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, settings["processors"])
        os.setsid()
        scratch = Path(settings["scratch"])
        self.work = scratch / "work"
        self.given = set(settings["files"])
        try:
            walls.open_files_anew()
            self.uid = walls.around_session(
                scratch, self.limits, list(zip(settings["files"], blobs, strict=True))
            )
            os.chdir(self.work)
            self.size = walls.size()
            if walls.counts_memory:
                self.next_count = math.inf
        except OSError as error:
            self.failure = f"{type(error).__name__}: {error}"
        os.environ.clear()
        os.environ.update(settings["environment"])
        tempfile.tempdir = None
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        adopt_orphans()

    def run(self) -> None:
        """Answer the judge's side and the kernel until the socket ends."""
        while True:
            if self._judge_speaks():
                self._answer_judge()
                continue
            waiting = [self.channel.sock.fileno(), *self.listeners]
            left = self.next_count - time.monotonic()
            if left <= 0:
                self._bound_memory()
                continue
            wait = None if left == math.inf else int(1000 * left) + 1
            events = dict(_poll(waiting, wait))
            events.pop(self.channel.sock.fileno(), None)
            for listener, event in events.items():
                if event & select.POLLIN:
                    self._answer_kernel(listener)
                else:  # the last process that could ask is gone
                    self.listeners.remove(listener)
                    os.close(listener)

    def _judge_speaks(self) -> bool:
        return self.channel.holds_more or bool(_poll([self.channel.sock.fileno()], 0))

    def _answer_judge(self) -> None:
        request, _ = self.channel.receive()
        do = request["do"]
        if do == "start":
            self._start(self.channel.fds.pop())
        elif do == "permit":
            self.permits += 1
        elif do == "allow":
            self.allowed, self.threads = request["processes"], request["threads"]
        elif do == "refused":
            self.channel.send({"refused": self.refused})
            self.refused = 0
        elif do == "interrupt":
            self._signal(signal.SIGINT)
        elif do == "kill main":
            self._signal(signal.SIGKILL)
        elif do == "kill":
            self._kill(request["pid"])
        elif do == "in line":
            seconds = self.walls.stood_in_line(request["pid"] or self.main)
            self.channel.send({"seconds": seconds})
        elif do == "greedy":
            ended = self.greedy + self.walls.ended_for_memory()
            self.channel.send({"greedy": ended > self.told_greedy})
            self.told_greedy = ended
        elif do == "how":
            self.channel.send({"how": self._how()})
        elif do == "written":
            self.sweep()
            written = new_files(self.work, self.given)
            names = [name for name, _data in written]
            self.channel.send({"written": names}, [data for _name, data in written])
        elif do == "finish":
            self.sweep()
            self.channel.send({"finished": True})

    def _answer_kernel(self, listener: int) -> None:
        """A process of the session wants to fork, or another thread: may it?"""
        try:
            question, thread = kernel.next_question(listener)
        except OSError:  # it died while it asked
            return
        # What was permitted was so before the question came.
        while self._judge_speaks():
            self._answer_judge()
        refuse_with = 0
        if thread:
            if not self._may_start_a_thread():
                refuse_with = errno.EAGAIN
        elif self.permits:
            self.permits -= 1
            self.permitted += 1
        elif not self._may_start_another():
            self.refused += 1
            refuse_with = errno.EPERM
        with contextlib.suppress(OSError):
            kernel.answer_question(listener, question, refuse_with=refuse_with)

    def _may_start_another(self) -> bool:
        """Whether the session has fewer processes of its own than it may, the first two and the
        snapshots apart. A limit of the kernel's own would count threads and snapshots too."""
        wanted = self.allowed
        if not wanted:
            return False
        # The notebook's own process stands for the one that is about to be.
        return len(self.walls.below()) <= wanted + self.permitted

    def _may_start_a_thread(self) -> bool:
        """Whether the session has fewer threads than it may. Those that ended are found out only
        where there may be too many: most notebooks start few."""
        most = self.threads - 1
        if self.started >= most:
            self.started = sum(count - 1 for count in self.walls.below().values())
        if self.started >= most:
            return False
        self.started += 1
        return True

    def _bound_memory(self) -> None:
        """Where the kernel bounds the memory of a process alone: end the largest where all of them
        together take more than the session may. To count is to cost a fiftieth of the time."""
        started = time.monotonic()
        greedy = self.walls.greediest(self.limits["memory_bytes"])
        for pid in greedy:
            self.greedy += 1
            self._kill(pid)
        now = time.monotonic()
        wait = 0.0 if greedy else 50 * (now - started)
        self.next_count = now + max(COUNT_SECONDS, wait)

    def sweep(self) -> None:
        """Kill and bury everything below this process. Orphans are children too: none is left when
        there is nobody to wait for."""
        with contextlib.suppress(ChildProcessError):
            for again in range(SWEEPS):
                self._kill_all()
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
                time.sleep(0.0001 if again < FEW_SWEEPS else 0.001)

    def _kill_all(self) -> None:
        if os.getpid() == 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            return
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _start(self, fd: int) -> None:
        ours, theirs = socket.socketpair()
        try:
            pid = os.fork()
        except OSError:  # the closed socket tells
            os.close(fd)
            ours.close()
            theirs.close()
            return
        if pid == 0:
            ours.close()
            self._be_the_notebook(fd, theirs)
        os.close(fd)
        theirs.close()
        self.main = pid
        _none, fds, _flags, _address = socket.recv_fds(ours, 1, 1)
        self.listeners += fds
        ours.close()

    def _be_the_notebook(self, fd: int, theirs: socket.socket) -> NoReturn:
        try:
            self.channel.close()
            # Who holds one of these answers for the keeper.
            for listener in self.listeners:
                os.close(listener)
            os.setsid()
            sys.argv = [""]
            random.seed()
            np.random.seed()
            if self.failure:
                raise OSError(self.failure)
            listener = self.walls.around_notebook(self.uid)
            if listener >= 0:
                # Before there is a limit on descriptors: who has reached it on other sockets keeps
                # all of a user's processes that have the same from sending one.
                socket.send_fds(theirs, [b"."], [listener])
                os.close(listener)
            theirs.close()
            limit(self.limits, self.size)
        except BaseException as error:  # whatever it is, the judge's side must hear of it
            Channel(socket.socket(fileno=fd)).send({"failed": f"{type(error).__name__}: {error}"})
            os._exit(1)
        serve_notebook(fd, self.limits)

    def _signal(self, number: signal.Signals) -> None:
        """Not waited for before the end, so its number is nobody else's."""
        with contextlib.suppress(ProcessLookupError):
            if self.main:
                os.kill(self.main, number)

    def _kill(self, pid: int) -> None:
        """The number is the learner's word: only a process below this one is killed."""
        with contextlib.suppress(psutil.Error, OSError, OverflowError):
            if os.getpid() == 1:
                # Whatever the number, it is of this namespace.
                if pid > 1:
                    os.kill(pid, signal.SIGKILL)
            elif os.getpid() in [parent.pid for parent in psutil.Process(pid).parents()]:
                os.kill(pid, signal.SIGKILL)

    def _how(self) -> dict[str, int]:
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline:
            ended = os.waitid(os.P_PID, self.main, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            if ended is None:
                time.sleep(0.01)
            elif ended.si_code == os.CLD_EXITED:
                return {"exit": ended.si_status}
            else:
                return {"signal": ended.si_status}
        return {}


def _poll(fds: list[int], milliseconds: int | None) -> list[tuple[int, int]]:
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return poll.poll(milliseconds)
