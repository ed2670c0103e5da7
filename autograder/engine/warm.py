"""A runner that forks a warm process for each session: no interpreter starts, nothing is imported.

It puts no more walls around a submission than `plain` does, and needs Linux.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import Any

from autograder.engine.interface import Limits, Runner
from autograder.engine.plain import PlainRunner
from autograder.engine.session import (
    GRACE_SECONDS,
    START_SECONDS,
    NotebookSession,
    StartError,
    environment,
    font_lists,
    kernel_limits,
)
from autograder.engine.wire import Channel, Closed, TooSlow
from autograder.i18n import _
from autograder.values import MalformedValue

START = "from autograder.engine.zygote import main; main()"


@functools.cache
def default_runner() -> Runner:
    """The fastest runner of this system, the same for the life of this process."""
    return WarmRunner() if sys.platform == "linux" else PlainRunner()


class WarmRunner:
    """Runs cells in forks of one warm process, which starts with the first session."""

    name = "warm"
    protects = PlainRunner.protects

    def __init__(self) -> None:
        self._zygote: Zygote | None = None
        self._turn = threading.Lock()

    def open(self, files: Path | None, limits: Limits) -> NotebookSession:
        """A session in a scratch folder with a copy of `files`; links in there are left out."""
        return NotebookSession(files, limits, [], self._host)

    def _host(self, scratch: Path, limits: Limits) -> KeptHost:
        with self._turn:
            # A new one where the last was lost, once: a second loss is no accident.
            for _attempt in range(2):
                if self._zygote is None:
                    self._zygote = Zygote()
                try:
                    return KeptHost(self._zygote, scratch, limits)
                except Closed:
                    self._zygote = None
        raise StartError("the warm process ended as soon as it was asked to fork")


class Zygote:
    """The warm process, seen from the judge's side."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="autograder-warm-"))
        for name in ("home", "tmp", "matplotlib"):
            (folder / name).mkdir()
        for font_list in font_lists():
            (folder / "matplotlib" / font_list.name).write_bytes(font_list.read_bytes())
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", START, str(theirs.fileno()), str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd=folder,
                env=environment(folder),
            )
        self._control = Channel(ours)
        # The closed socket ends it, also where this process is killed; it removes its folder.
        weakref.finalize(self, _end, self._control, process)
        try:
            reply, _blobs = self._control.receive(time.monotonic() + START_SECONDS)
        except (Closed, TooSlow, MalformedValue) as error:
            raise StartError(f"the warm process did not start: {error!r}") from error
        if "ready" not in reply:
            raise StartError(f"the warm process did not start:\n{reply.get('failed')}")

    def fork(self, scratch: Path, limits: Limits) -> Channel:
        """A keeper for a session in the folder `scratch`."""
        ours, theirs = socket.socketpair()
        settings = {
            "do": "fork",
            "folder": str(scratch / "work"),
            "environment": environment(scratch),
            "limits": kernel_limits(limits),
        }
        with theirs:
            deadline = time.monotonic() + START_SECONDS
            self._control.send(settings, fd=theirs.fileno(), deadline=deadline)
        return Channel(ours)

    def sweep(self) -> None:
        """Kill what lost its keeper."""
        with contextlib.suppress(Closed, TooSlow):
            self._control.send({"do": "sweep"}, deadline=time.monotonic() + START_SECONDS)


def _end(control: Channel, process: subprocess.Popen[bytes]) -> None:
    control.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
        return
    process.kill()
    process.wait()


class KeptHost:
    """The processes of a session, by way of its keeper."""

    def __init__(self, zygote: Zygote, scratch: Path, limits: Limits) -> None:
        self._zygote = zygote
        self._keeper = zygote.fork(scratch, limits)

    def start(self) -> Channel:
        """Fork a notebook's process."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._tell({"do": "start"}, theirs.fileno())
        return Channel(ours)

    def interrupt(self) -> None:
        """A KeyboardInterrupt in the notebook's process."""
        self._tell({"do": "interrupt"})

    def kill_main(self) -> None:
        """End the notebook's process."""
        self._tell({"do": "kill main"})

    def kill(self, pid: int) -> None:
        """End a process of this session; the keeper verifies that it is one."""
        self._tell({"do": "kill", "pid": pid})

    def how(self) -> str:
        """How the notebook's process ended."""
        self._tell({"do": "how"})
        how = self._hear().get("how")
        if isinstance(how, dict) and type(how.get("exit")) is int:
            return _("exit code {n}").format(n=how["exit"])
        if isinstance(how, dict) and how.get("signal") in set(signal.Signals):
            return _("signal {name}").format(name=signal.Signals(how["signal"]).name)
        return ""

    def finish(self) -> None:
        """Kill every process of the session."""
        self._tell({"do": "finish"})
        if not self._hear():
            self._zygote.sweep()
        self._keeper.close()

    def _tell(self, request: dict[str, Any], fd: int | None = None) -> None:
        """A keeper that is gone has taken its session along; what is asked next finds that out."""
        with contextlib.suppress(Closed, TooSlow):
            self._keeper.send(request, fd=fd, deadline=time.monotonic() + START_SECONDS)

    def _hear(self) -> dict[str, Any]:
        with contextlib.suppress(Closed, TooSlow, MalformedValue):
            return self._keeper.receive(time.monotonic() + START_SECONDS)[0]
        return {}
