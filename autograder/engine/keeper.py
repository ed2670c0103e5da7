"""The first process of a session: it forks the notebook's process and finds all that came of it.

It runs no learner's code, and adopts every process below it that loses its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import socket
import sys
import tempfile
import time
from typing import Any, NoReturn

import numpy as np
import psutil

from autograder.engine.child import serve_notebook
from autograder.engine.wire import Channel, Closed

PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 2.0
SWEEPS = 1000


def keep(fd: int, settings: dict[str, Any]) -> NoReturn:
    """Be a session's keeper until the socket ends. settings: folder, environment, limits."""
    try:
        keeper = Keeper(Channel(socket.socket(fileno=fd), takes_fds=True), settings)
        with contextlib.suppress(Closed):
            keeper.run()
        keeper.sweep()
    finally:
        os._exit(0)


def adopt_orphans() -> None:
    """From now on a process below this one whose parent died is this one's child (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Keeper:
    """Answers for the processes of one session."""

    def __init__(self, channel: Channel, settings: dict[str, Any]) -> None:
        self.channel = channel
        self.limits = settings["limits"]
        self.main = 0
        os.setsid()
        os.chdir(settings["folder"])
        os.environ.clear()
        os.environ.update(settings["environment"])
        tempfile.tempdir = None
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        adopt_orphans()

    def run(self) -> None:
        """Answer requests until the socket ends."""
        while True:
            request, _ = self.channel.receive()
            do = request["do"]
            if do == "start":
                self._start(self.channel.fds.pop())
            elif do == "interrupt":
                self._signal(signal.SIGINT)
            elif do == "kill main":
                self._signal(signal.SIGKILL)
            elif do == "kill":
                self._kill(request["pid"])
            elif do == "how":
                self.channel.send({"how": self._how()})
            elif do == "finish":
                self.sweep()
                self.channel.send({"finished": True})

    def sweep(self) -> None:
        """Kill and bury everything below this process. Orphans are children too: none is left when
        there is nobody to wait for."""
        me = psutil.Process()
        with contextlib.suppress(ChildProcessError):
            for _again in range(SWEEPS):
                for process in me.children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        process.kill()
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
                time.sleep(0.001)

    def _start(self, fd: int) -> None:
        try:
            pid = os.fork()
        except OSError:  # the closed socket tells
            os.close(fd)
            return
        if pid == 0:
            self.channel.close()
            os.setsid()
            sys.argv = [""]
            random.seed()
            np.random.seed()
            serve_notebook(fd, self.limits)
        os.close(fd)
        self.main = pid

    def _signal(self, number: signal.Signals) -> None:
        """Not waited for before the end, so its number is nobody else's."""
        with contextlib.suppress(ProcessLookupError):
            if self.main:
                os.kill(self.main, number)

    def _kill(self, pid: int) -> None:
        """The number is the learner's word: only a process below this one is killed."""
        with contextlib.suppress(psutil.Error, OSError, OverflowError):
            if os.getpid() in [parent.pid for parent in psutil.Process(pid).parents()]:
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
