"""The runner for a class: each session is a fork of one warm process, behind walls (Linux).

`walls` says what the walls are; where the kernel refuses one, `refused` says which and why.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from autograder.engine.files import Files, environment, read_files
from autograder.engine.interface import SNAPSHOTS, Limits, NoSandbox, Runner
from autograder.engine.trusted.plain import PlainRunner
from autograder.engine.trusted.session import (
    GRACE_SECONDS,
    START_SECONDS,
    NotebookSession,
    StartError,
    font_lists,
)
from autograder.engine.walls.jail import SCRATCH
from autograder.engine.wire import Channel, Closed, TooSlow
from autograder.i18n import _
from autograder.values.codec import MalformedValue

START = "from autograder.engine.warm.start import main; main()"


@functools.cache
def default_runner() -> Runner:
    """The best runner of this system, the same for the life of this process."""
    return SandboxedRunner() if sys.platform == "linux" else PlainRunner()


def start_early() -> Runner:
    """The runner of this system, whose warm process begins to start while this one imports what
    else it needs."""
    runner = default_runner()
    if isinstance(runner, SandboxedRunner):
        runner.start()
    return runner


def require_sandbox(runner: Runner) -> None:
    """See to it that every wall stands.

    Raises
    ------
    NoSandbox with what is refused, why, and what can be done.
    """
    refused: dict[str, str] | None = getattr(runner, "refused", None)
    if refused is not None:
        if not refused:
            return
        why = "; ".join(f"{layer} ({reason})" for layer, reason in refused.items())
    else:
        why = _("there is one on Linux only")
    raise NoSandbox(
        _(
            "submissions cannot be walled in on this system: {why}. Grade on a machine that "
            "can, or say --no-require-sandbox where you trust every submission."
        ).format(why=why)
    )


class SandboxedRunner:
    """Runs cells in walled-in forks of a warm process, which starts with the first session.

    With torch in memory every fork takes longer, so that there is a second one for the sessions
    that need it: it starts with the first of those.

    walls: False leaves all of them out, as a kernel would that refuses everything.
    """

    name = "sandboxed"

    def __init__(self, *, walls: bool = True) -> None:
        self._walls = walls
        # By whether torch is in its memory.
        self._zygotes: dict[bool, Zygote] = {}
        self._turn = threading.Lock()

    @property
    def refused(self) -> dict[str, str]:
        """The walls that this system refuses, and what it said."""
        return self._any().refused

    @property
    def standing(self) -> list[str]:
        """The walls that stand."""
        return self._any().standing

    @property
    def protects(self) -> str:
        """What stands between a submission and this machine, in a sentence."""
        zygote = self._any()
        if not zygote.standing:
            return PlainRunner.protects
        if not zygote.refused:
            return _("Every submission runs in a sandbox: no network, no files but its own.")
        return _("Submissions are not fully walled in; this system refuses: {layers}.").format(
            layers=", ".join(zygote.refused)
        )

    def open(
        self, files: Path | None, limits: Limits, modules: Sequence[str] = ()
    ) -> NotebookSession:
        """A session in a scratch folder with a copy of `files`; links in there are left out. It
        finds these modules imported, and so do those after it."""
        return NotebookSession(limits, self._host(files, limits, modules))

    def start(self) -> None:
        """Begin to start the warm process, which somebody is going to need soon."""
        # Who needs it tries again, and hears why it does not start.
        with self._turn, contextlib.suppress(OSError):
            if False not in self._zygotes:
                self._zygotes[False] = Zygote(walls=self._walls)

    def lend(self, modules: Sequence[str] = ()) -> dict[bool, Zygote]:
        """The warm process for sessions with these modules, on a line of its own, for a process
        that is forked from this one."""
        with_torch = _need_torch(modules)
        return {with_torch: self._ready(with_torch).another_line()}

    def borrow(self, lent: dict[bool, Zygote]) -> None:
        """In a forked process: use the warm process of the parent on a line of its own."""
        self._zygotes = lent

    def _ready(self, with_torch: bool = False) -> Zygote:
        with self._turn:
            zygote = self._zygotes.pop(with_torch, None) or Zygote(walls=self._walls)
            zygote.await_ready()
            self._zygotes[with_torch] = zygote
            return zygote

    def _any(self) -> Zygote:
        """One that has been started: the same walls stand around each."""
        with self._turn:
            started = list(self._zygotes)
        return self._ready(started[0]) if started else self._ready()

    def _host(self, files: Path | None, limits: Limits, modules: Sequence[str]) -> KeptHost:
        with_torch = _need_torch(modules)
        # A new one where the last was lost, once: a second loss is no accident.
        for _attempt in range(2):
            zygote = self._ready(with_torch)
            try:
                zygote.warm(modules)
                return KeptHost(zygote, files, limits)
            except Closed:
                with self._turn:
                    if self._zygotes.get(with_torch) is zygote:
                        del self._zygotes[with_torch]
        raise StartError("the warm process ended as soon as it was asked to fork")


def _need_torch(modules: Iterable[str]) -> bool:
    return any(module.partition(".")[0] == "torch" for module in modules)


class Zygote:
    """The warm process, seen from the judge's side."""

    def __init__(self, *, walls: bool = True) -> None:
        settings = {
            "temporary": tempfile.gettempdir(),
            "font_lists": list(map(str, font_lists())),
            "walls": walls,
        }
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", START, str(theirs.fileno()), json.dumps(settings)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd="/",
                env=environment(SCRATCH),
            )
        self._control = Channel(ours)
        self._turn = threading.Lock()
        self._warmed: set[str] = set()
        self._is_ready = False
        # The closed socket ends it, also where this process is killed; it removes its folder.
        weakref.finalize(self, _end, self._control, process)

    def await_ready(self) -> None:
        """Wait until everything is imported.

        Raises
        ------
        StartError.
        """
        if self._is_ready:
            return
        try:
            reply, _blobs = self._control.receive(time.monotonic() + START_SECONDS)
        except (Closed, TooSlow, MalformedValue) as error:
            raise StartError(f"the warm process did not start: {error!r}") from error
        if "ready" not in reply:
            raise StartError(f"the warm process did not start:\n{reply.get('failed')}")
        self.folder = Path(reply["folder"])
        self.standing: list[str] = reply["standing"]
        self.refused: dict[str, str] = reply["refused"]
        self._is_ready = True

    @property
    def jailed(self) -> bool:
        """Whether sessions see files of their own only."""
        return "root folder" in self.standing

    def fork(self, scratch: Path, files: Path | None, limits: Limits) -> Channel:
        """A keeper for a session in the folder `scratch`."""
        ours, theirs = socket.socketpair()
        given = read_files(files)
        tasks = SNAPSHOTS + limits.threads + limits.processes
        settings = {
            "scratch": str(scratch),
            "environment": environment(scratch),
            "limits": {**asdict(limits), "tasks": tasks},
            "processors": sorted(os.sched_getaffinity(0)),
            "files": [name for name, _data in given],
        }
        blobs = [data for _name, data in given]
        deadline = time.monotonic() + START_SECONDS
        with theirs, self._turn:
            self._control.send({"do": "fork"}, fd=theirs.fileno(), deadline=deadline)
        keeper = Channel(ours)
        keeper.send(settings, blobs, deadline=deadline)
        return keeper

    def warm(self, modules: Iterable[str]) -> None:
        """Import modules, of which the author says that notebooks use them."""
        with self._turn:
            new = [name for name in modules if name not in self._warmed]
            if new:
                deadline = time.monotonic() + START_SECONDS
                self._control.send({"do": "warm", "modules": new}, deadline=deadline)
                self._warmed.update(new)

    def another_line(self) -> Zygote:
        """The same process on another socket. It ends with this one's line, not with that."""
        ours, theirs = socket.socketpair()
        with theirs, self._turn:
            deadline = time.monotonic() + START_SECONDS
            self._control.send({"do": "line"}, fd=theirs.fileno(), deadline=deadline)
        other = copy.copy(self)
        other._control, other._turn, other._warmed = Channel(ours), threading.Lock(), set()
        return other

    def sweep(self) -> None:
        """Kill what lost its keeper."""
        with contextlib.suppress(Closed, TooSlow), self._turn:
            self._control.send({"do": "sweep"}, deadline=time.monotonic() + START_SECONDS)


def _end(control: Channel, process: subprocess.Popen[bytes]) -> None:
    control.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
        return
    # It waits for what hangs below it, and then removes their folder.
    with contextlib.suppress(psutil.Error):
        for below in psutil.Process(process.pid).children(recursive=True):
            below.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
        return
    process.kill()
    process.wait()


class KeptHost:
    """The processes of a session, by way of its keeper."""

    def __init__(self, zygote: Zygote, files: Path | None, limits: Limits) -> None:
        self._zygote = zygote
        self._jailed = zygote.jailed
        self._allowed = (limits.processes, limits.threads)
        self._memory_bytes = limits.memory_bytes
        self.scratch = SCRATCH
        if not self._jailed:
            self.scratch = Path(tempfile.mkdtemp(prefix="autograder-"))
        try:
            self._keeper = zygote.fork(self.scratch, files, limits)
        except BaseException:
            self._remove()
            raise

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

    def permit_fork(self) -> None:
        """The next fork in the session is asked for by the judge's side."""
        self._tell({"do": "permit"})

    def allow(self, processes: int, threads: int) -> None:
        """From now on the notebook may have so many other processes, and threads."""
        if (processes, threads) != self._allowed:
            self._allowed = (processes, threads)
            self._tell({"do": "allow", "processes": processes, "threads": threads})

    def in_line(self, pid: int) -> float:
        """The seconds that a process waited for a processor, which the keeper looks up."""
        self._tell({"do": "in line", "pid": pid})
        seconds = self._hear().get("seconds")
        return seconds if isinstance(seconds, float) else 0.0

    def refused(self) -> int:
        """How many processes were asked for in vain since this was last asked."""
        self._tell({"do": "refused"})
        refused = self._hear().get("refused")
        return refused if type(refused) is int else 0

    def ended_for(self) -> str:
        """Why the keeper ended a process, if it did since this was last asked."""
        self._tell({"do": "greedy"})
        if not self._hear().get("greedy"):
            return ""
        return _("together they had taken more than {n} MB of memory").format(
            n=self._memory_bytes // 2**20
        )

    def how(self) -> str:
        """How the notebook's process ended."""
        self._tell({"do": "how"})
        how = self._hear().get("how")
        if isinstance(how, dict) and type(how.get("exit")) is int:
            return _("exit code {n}").format(n=how["exit"])
        if isinstance(how, dict) and how.get("signal") in set(signal.Signals):
            return _("signal {name}").format(name=signal.Signals(how["signal"]).name)
        return ""

    def written(self) -> Files:
        """Kill every process of the session; the files in its folder that it was not given."""
        self._tell({"do": "written"})
        with contextlib.suppress(Closed, TooSlow, MalformedValue):
            reply, blobs = self._keeper.receive(time.monotonic() + START_SECONDS)
            return list(zip(reply["written"], blobs, strict=True))
        return []

    def finish(self) -> None:
        """Kill every process of the session, and remove its files."""
        self._tell({"do": "finish"})
        if not self._hear():
            self._zygote.sweep()
        self._keeper.close()
        self._remove()

    def _remove(self) -> None:
        """What is in memory is gone with its last process."""
        if not self._jailed:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _tell(self, request: dict[str, Any], fd: int | None = None) -> None:
        """A keeper that is gone has taken its session along; what is asked next finds that out."""
        with contextlib.suppress(Closed, TooSlow):
            self._keeper.send(request, fd=fd, deadline=time.monotonic() + START_SECONDS)

    def _hear(self) -> dict[str, Any]:
        with contextlib.suppress(Closed, TooSlow, MalformedValue):
            return self._keeper.receive(time.monotonic() + START_SECONDS)[0]
        return {}
