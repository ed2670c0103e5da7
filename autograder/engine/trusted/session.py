"""One notebook's run, on the judge's side: cells in order, replay after a death, snapshots, end.

How its processes are started, stopped and found again is a host's business: `plain` starts an
interpreter for each notebook, `sandbox` forks one that is ready and walls it in.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from autograder.engine.files import Files
from autograder.engine.interface import OF_A_PROCESS, CellResult, Limits, Session, Status
from autograder.engine.trusted.asking import AskedSnapshot, Budget, Patience, fork
from autograder.engine.trusted.outputs import Collector, Shown
from autograder.engine.trusted.vouching import Known
from autograder.engine.wire import Channel, Closed, TooSlow
from autograder.i18n import _
from autograder.values.codec import MalformedValue

START_SECONDS = 60.0
GRACE_SECONDS = 2.0
MAX_DEATHS = 3


class StartError(RuntimeError):
    """The runner's process did not come up: this is the installation's fault, not a learner's."""


class Host(Protocol):
    """The processes of one session, and its scratch folder."""

    scratch: Path

    def start(self) -> Channel:
        """A new process for the notebook; its first frame says that it is ready. The one before
        is gone."""
        ...

    def interrupt(self) -> None:
        """A KeyboardInterrupt in the notebook's process."""
        ...

    def kill_main(self) -> None:
        """End the notebook's process. What was forked from it lives on."""
        ...

    def kill(self, pid: int) -> None:
        """End a process of this session. The number is the learner's word: verify it."""
        ...

    def permit_fork(self) -> None:
        """The next fork in the session is asked for by the judge's side."""
        ...

    def allow(self, processes: int, threads: int) -> None:
        """From now on the notebook may have so many other processes, and threads."""
        ...

    def in_line(self, pid: int) -> float:
        """The seconds that a process of this session was ready to run and no processor was free for
        it; 0 where nobody can tell. The number is not believed; 0 is the notebook's process."""
        ...

    def refused(self) -> int:
        """How many processes were asked for in vain since this was last asked."""
        ...

    def how(self) -> str:
        """How the notebook's process ended: "exit code 3", "signal SIGKILL"; or nothing."""
        ...

    def ended_for(self) -> str:
        """Why a process of this session was ended, if one was since this was last asked."""
        ...

    def written(self) -> Files:
        """Kill every process of the session; the files in its folder that it was not given."""
        ...

    def finish(self) -> None:
        """Kill every process of the session, and remove its files."""
        ...


class NotebookSession(Session):
    """One notebook in a scratch folder."""

    def __init__(self, limits: Limits, host: Host) -> None:
        self.limits = limits
        self._host = host
        self._budget = Budget(limits.notebook_seconds)
        # What the cells used up is not missing where their functions are called.
        self._for_calls = Budget(limits.notebook_seconds)
        self._patience = Patience(host, limits.notebook_seconds)
        self._channel: Channel | None = None
        self._worked: list[str] = []
        self._seen: list[str] = []
        self._shown: Shown = {}
        self._snapshots: list[AskedSnapshot] = []
        self._count = 0
        self._output_left = limits.notebook_output_bytes
        self._deaths = 0
        self._closed = False
        try:
            self._start()
        except BaseException:
            self.finish()
            raise

    @property
    def scratch(self) -> Path:
        """The scratch folder, as the session sees it."""
        return self._host.scratch

    def execute(self, source: str) -> CellResult:
        """Run a cell. Where the interpreter was lost, a new one first replays what had worked."""
        if self._closed:
            raise RuntimeError("the session is closed: no cell can be run any more")
        self._count += 1
        room = max(0, min(self.limits.output_bytes, self._output_left))
        limits = replace(self.limits, output_bytes=room)
        collector = Collector(limits, self._count, self._shown)
        lost = self._lost()
        if lost:
            collector.error("NotRun", lost, [lost])
            status: Status = "died" if self._channel is None else "timeout"
            return CellResult(
                collector.outputs, status, lost, self._count, self._patience.at_its_end
            )
        self._seen.append(source)
        result = self._run(source, collector)
        self._output_left -= collector.spent
        if result.status in ("ok", "error"):
            self._worked.append(source)
        return result

    def snapshot(self) -> AskedSnapshot:
        """Keep the state as it now is."""
        if self._closed:
            raise RuntimeError("the session is closed: take snapshots before")
        known = Known(self._seen)
        lost = self._lost()
        base, pid = None, 0
        if self._channel is not None:
            start = self._patience.clock()
            try:
                # Where no cell ran before, nobody has waited for it yet.
                self._await_ready(self._channel)
                # A cell may have left something that runs before each fork.
                start = self._patience.clock()
                seconds = min(START_SECONDS, max(self._budget.left, GRACE_SECONDS))
                deadline = self._with_patience(self._channel, seconds)
                self._host.permit_fork()
                request = {"do": "snapshot", "limits": self._of_the_process()}
                base, pid = fork(self._channel, deadline, request)
            except (Closed, TooSlow, MalformedValue) as error:
                lost = _("no snapshot could be taken: {error}").format(error=error)
                self._bury()
            finally:
                self._budget.spend(self._patience.clock() - start)
        made = AskedSnapshot(
            base, pid, self.limits, known, self._host, self._for_calls, lost, self._patience
        )
        self._snapshots.append(made)
        return made

    def close(self) -> None:
        """No more cells: end the notebook. Snapshots live on."""
        self._closed = True
        self._end_main()

    def written(self) -> Files:
        """The plain files that the notebook was not given. Ends it and its snapshots first."""
        self.close()
        return self._host.written()

    def finish(self) -> None:
        """Kill everything that is left and remove the files."""
        self.close()
        for snapshot in self._snapshots:
            snapshot.close()
        self._host.finish()

    def _start(self) -> None:
        """Start the process; it is not waited for until there is something to ask."""
        self._channel = self._host.start()
        self._ready = False

    def _await_ready(self, channel: Channel) -> None:
        if self._ready:
            return
        try:
            reply, _blobs = channel.receive(time.monotonic() + START_SECONDS)
        except (Closed, TooSlow, MalformedValue) as error:
            raise StartError(f"the runner's process did not start: {error!r}") from error
        if "ready" not in reply:
            raise StartError(f"the runner's process did not start:\n{reply.get('failed')}")
        self._ready = True

    def _lost(self) -> str:
        """Bring the interpreter back where it was lost; says why where that cannot be done."""
        while self._channel is None:
            if self._deaths >= MAX_DEATHS:
                return _("Not run: this notebook took Python down {n} times.").format(n=MAX_DEATHS)
            self._start()
            for source in list(self._worked):
                self._run(source, Collector(self.limits, self._count))
                if self._channel is None:
                    self._worked.remove(source)
                    break
        if self._budget.left <= 0:
            self._budget.spend(-self._patience.more(0, self.limits.notebook_seconds))
        if self._budget.left <= 0:
            return _("Not run: the notebook had used up its {n:g} seconds.").format(
                n=self.limits.notebook_seconds
            )
        return ""

    def _run(self, source: str, collector: Collector) -> CellResult:
        """Run a cell in the process as it is. A death leaves no channel."""
        assert self._channel is not None
        self._await_ready(self._channel)
        start = self._patience.clock()
        seconds = min(self.limits.cell_seconds, max(self._budget.left, 0.1))
        stopped = False
        status: Status = "ok"
        reason = ""
        deadline = self._with_patience(self._channel, seconds)
        try:
            request = {"do": "execute", "source": source, "count": collector.count}
            self._channel.send({**request, "limits": self._of_the_process()}, deadline=deadline)
            while True:
                try:
                    frame, _blobs = self._channel.receive(deadline)
                except TooSlow:
                    if stopped:
                        raise
                    stopped = True
                    deadline = self._with_patience(self._channel, GRACE_SECONDS)
                    self._host.interrupt()
                    continue
                if "done" in frame:
                    status = "ok" if frame["done"] is True else "error"
                    break
                collector.take(frame, self._channel.received)
        except TooSlow:
            self._bury()
        except (Closed, MalformedValue) as error:
            status = "died"
            reason = _("Python itself stopped: {how}.").format(how=self._how(error))
            collector.error("KernelDied", reason, [reason])
            self._bury()
        finally:
            self._budget.spend(self._patience.clock() - start)
        if stopped and status != "died":
            status = "timeout"
            if self._patience.at_its_end:
                reason = _("Stopped: others kept this machine busy.")
            else:
                reason = _("Stopped: still running after {n:.3g} seconds. An endless loop?").format(
                    n=seconds
                )
            collector.timed_out(reason)
        collector.settle(failed=status == "error")
        if status == "error":
            reason = self._limit_met(collector)
        busy = status == "timeout" and self._patience.at_its_end
        return CellResult(collector.outputs, status, reason, collector.count, busy)

    def _with_patience(self, channel: Channel, seconds: float) -> float:
        """The time by which the notebook's process must have answered; it is put off where that one
        waits for a processor."""
        channel.more, channel.put_off = partial(self._patience.more, 0, seconds), 0.0
        return time.monotonic() + seconds

    def _of_the_process(self) -> dict[str, Any]:
        """The limits that the kernel is to hold the notebook's process to from now on. How many
        processes it may have is the keeper's to say."""
        self._host.allow(self.limits.processes, self.limits.threads)
        return {name: getattr(self.limits, name) for name in OF_A_PROCESS}

    def _how(self, error: Exception) -> str:
        if isinstance(error, MalformedValue):
            return _("it sent what no cell says")
        how = self._host.ended_for() or self._host.how()
        if how.endswith("SIGXCPU"):
            return _("it had used up its {n:g} seconds of the processor").format(
                n=self.limits.cpu_seconds
            )
        return how or _("it closed its connection")

    def _limit_met(self, collector: Collector) -> str:
        """What limit a cell that failed seems to have met, for who reads its outputs."""
        said = limit_named(collector.outputs[-1] if collector.outputs else {}, self.limits)
        if self._host.refused():
            said = _("This cell tried to start another process; a submission may have {n}.").format(
                n=self.limits.processes
            )
        if said:
            collector.note(said)
        return said

    def _bury(self) -> None:
        """The interpreter is lost."""
        self._deaths += 1
        self._end_main()

    def _end_main(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
            self._host.kill_main()


def limit_named(output: dict[str, Any], limits: Limits) -> str:
    """The limit behind an error output, in a sentence, or nothing. The output is the learner's
    word: good for a message, not for a mark."""
    error, text = output.get("ename"), str(output.get("evalue"))
    mega = 2**20
    if error == "MemoryError" or "Unable to allocate" in text:
        return _("A submission may use {n} MB of memory.").format(n=limits.memory_bytes // mega)
    if "No space left on device" in text:
        return _("A submission may write {n} MB in {files} files.").format(
            n=limits.scratch_bytes // mega, files=limits.scratch_files
        )
    if "File too large" in text:
        return _("A submission's file may have {n} MB.").format(n=limits.file_bytes // mega)
    if "can't start new thread" in text:
        return _("A submission may have {n} threads.").format(n=limits.threads)
    if "Network is unreachable" in text or "name resolution" in text:
        return _("A submission has no network.")
    return ""


def font_lists() -> list[Path]:
    """Where matplotlib's list of fonts is, made by a trusted process where there is none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "autograder" / "matplotlib"
    if not list(folder.glob("fontlist-*.json")):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-I", "-c", "import matplotlib.font_manager"],
            env={**os.environ, "MPLCONFIGDIR": str(folder), "MPLBACKEND": "agg"},
            check=False,
            capture_output=True,
        )
    return list(folder.glob("fontlist-*.json"))
