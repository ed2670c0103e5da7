"""A runner without walls: a subprocess with limits, in a scratch folder, without our environment.

For a single user's own work on systems that have no sandbox.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import psutil

from autograder.engine.files import Files, environment, furnish, read_files
from autograder.engine.interface import Limits
from autograder.engine.trusted.session import (
    GRACE_SECONDS,
    NotebookSession,
    font_lists,
)
from autograder.engine.walls.kernel import in_line
from autograder.engine.wire import Channel
from autograder.engine.written import new_files
from autograder.i18n import _

SPARE_TASKS = 256
START = "from autograder.engine.untrusted.child import main; main()"
SWEEPS = 10
TOKEN = "AUTOGRADER_SESSION"


class PlainRunner:
    """Runs cells in a plain subprocess."""

    name = "plain"
    protects = _(
        "A submission runs with your own rights: its time, memory and output are limited, but "
        "nothing keeps it from your files or the network."
    )

    def open(
        self, files: Path | None, limits: Limits, modules: Sequence[str] = ()
    ) -> NotebookSession:
        """A session in a scratch folder with a copy of `files`; links in there are left out. It
        imports for itself what it needs."""
        return NotebookSession(limits, SubprocessHost(files, limits, self._fonts))

    @cached_property
    def _fonts(self) -> list[Path]:
        """matplotlib's list of fonts, which takes seconds to make: made once, then copied."""
        return font_lists()


class SubprocessHost:
    """The processes of a session: interpreters of their own, and what they started."""

    def __init__(self, files: Path | None, limits: Limits, fonts: list[Path]) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="autograder-"))
        self._limits = limits
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            given = read_files(files)
            furnish(self.scratch, given, -1)
            self._given = {name for name, _data in given}
            for font_list in fonts:
                shutil.copy(font_list, self.scratch / "matplotlib")
        except BaseException:
            shutil.rmtree(self.scratch, ignore_errors=True)
            raise

    def start(self) -> Channel:
        """Start an interpreter."""
        tasks = _own_tasks() + SPARE_TASKS + self._limits.threads + self._limits.processes
        ours, theirs = socket.socketpair()
        with theirs:
            self._processes.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-I",
                        "-c",
                        START,
                        str(theirs.fileno()),
                        json.dumps({**asdict(self._limits), "tasks": tasks}),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                    cwd=self.scratch / "work",
                    env={**environment(self.scratch), TOKEN: str(self.scratch)},
                )
            )
        return Channel(ours)

    def interrupt(self) -> None:
        """A KeyboardInterrupt in the interpreter."""
        self._signal(signal.SIGINT)

    def kill_main(self) -> None:
        """End the interpreter."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._processes[-1].pid, number)

    def permit_fork(self) -> None:
        """Nobody is kept from forking here."""

    def allow(self, processes: int, threads: int) -> None:
        """Nobody is kept from any."""

    def ended_for(self) -> str:
        """None is ended for what it takes."""
        return ""

    def in_line(self, pid: int) -> float:
        """The seconds that a process waited for a processor, where the system tells."""
        with contextlib.suppress(OSError, ValueError, OverflowError):
            pid = pid or self._processes[-1].pid
            return in_line(Path(f"/proc/{pid}/schedstat").read_text())
        return 0.0

    def refused(self) -> int:
        """Nothing is."""
        return 0

    def how(self) -> str:
        """How the interpreter ended. It stays unreaped, so that its number is nobody else's."""
        pid = self._processes[-1].pid
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline:
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            if ended is None:
                time.sleep(0.01)
            elif ended.si_code == os.CLD_EXITED:
                return _("exit code {n}").format(n=ended.si_status)
            else:
                return _("signal {name}").format(name=signal.Signals(ended.si_status).name)
        return ""

    def kill(self, pid: int) -> None:
        """Kill a process of this session. The number is the learner's word: verified first."""
        with contextlib.suppress(OSError, OverflowError):
            if pid > 1 and self._is_ours(pid):
                os.kill(pid, signal.SIGKILL)

    def _is_ours(self, pid: int) -> bool:
        return os.getsid(pid) in [process.pid for process in self._processes]

    def written(self) -> Files:
        """Kill every process of the session; the files in its folder that it was not given."""
        self._sweep()
        return new_files(self.scratch / "work", self._given)

    def finish(self) -> None:
        """Kill every process of this session, also one that left it by `setsid`, and remove the
        files."""
        self._sweep()
        for process in self._processes:
            process.wait()
        self._processes.clear()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _sweep(self) -> None:
        mark = {TOKEN: str(self.scratch)}.items()
        for _again in range(SWEEPS):
            found = False
            for pid in psutil.pids():
                with contextlib.suppress(psutil.Error, OSError):
                    if not self._is_ours(pid) and not mark <= psutil.Process(pid).environ().items():
                        continue
                    if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                        os.kill(pid, signal.SIGKILL)
                        found = True
            if not found:
                return


def _own_tasks() -> int:
    """How many processes and threads the user has: the kernel's limit counts them all."""
    if os.getuid() == 0:
        return 0
    count = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error), process.oneshot():
            if process.uids().real == os.getuid():
                count += process.num_threads()
    return count
