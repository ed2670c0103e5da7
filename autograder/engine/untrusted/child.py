"""The process in which a learner's cells run, and which forks where a check stands.

Started as `python -I -c "...main()" FD LIMITS`; everything it says goes through that socket. From
the first cell on nothing in here can be trusted: the judge's side checks all of it again.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import socket
import stat
import sys
import traceback
from typing import Any, NoReturn

import autograder
from autograder.engine.untrusted.answering import serve
from autograder.engine.untrusted.shell import NotebookShell, Sink, refuse_input
from autograder.engine.walls.kernel import own_size
from autograder.engine.walls.walls import OPEN_FILES, limit, narrow
from autograder.engine.wire import Channel, Closed


def main() -> None:
    """Serve the socket whose descriptor is the first argument, under the limits in the second."""
    forget_the_way_here()
    limits = json.loads(sys.argv[2])
    limit(limits, own_size())
    serve_notebook(int(sys.argv[1]), limits)


def serve_notebook(fd: int, limits: dict[str, Any]) -> NoReturn:
    """Be the notebook's process until the socket ends."""
    channel = Channel(socket.socket(fileno=fd), takes_fds=True)
    try:
        child = Child(channel, limits)
    except Exception:  # whatever it is, the judge's side must hear of it
        channel.send({"failed": traceback.format_exc()})
        os._exit(1)
    with contextlib.suppress(Closed):
        child.run()
    os._exit(0)


def forget_the_way_here() -> None:
    """Leave `autograder` importable, and nothing that lies beside it in a checkout."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(autograder.__file__)))
    if os.path.exists(os.path.join(root, "pyproject.toml")):
        sys.path[:] = [p for p in sys.path if os.path.abspath(p) != root]


class Child:
    """The notebook's process: executes cells, forks snapshots."""

    def __init__(self, channel: Channel, limits: dict[str, Any]) -> None:
        self.channel = channel
        self.limits = limits
        self.sink = Sink(channel)
        self.shell: NotebookShell = NotebookShell.instance()
        self.shell.begin(self.sink)
        self.children: list[int] = []
        refuse_input()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.argv = [""]
        sys.path.insert(0, os.getcwd())
        gc.collect()
        gc.freeze()
        channel.send({"ready": os.getpid()})

    def run(self) -> None:
        """Answer requests until the socket ends."""
        while True:
            request, _ = self.channel.receive()
            if request["do"] == "execute":
                narrow(self.limits, request["limits"])
                self._execute(request["source"], request["count"], request["limits"])
            else:
                self._fork(self.channel.fds.pop(), request["limits"])

    def _execute(self, source: str, count: int, limits: dict[str, Any]) -> None:
        pid = os.getpid()
        self.sink.open_cell(self.limits["output_bytes"], self.limits["outputs"])
        self.shell.execution_count = count
        self.shell.starts_programs = limits["processes"] > 0
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most), most))
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            fine = self.shell.execute(source)
        except KeyboardInterrupt:
            fine = False
        finally:
            with contextlib.suppress(KeyboardInterrupt):
                signal.signal(signal.SIGINT, before)
            with contextlib.suppress(KeyboardInterrupt, ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        if os.getpid() != pid:
            # The cell forked and its copy came back here, where only the original may answer.
            os._exit(0)
        self.sink.close_cell()
        self.sink.reply({"done": fine})

    def _fork(self, fd: int, limits: dict[str, Any]) -> None:
        self._reap()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(fd)
            self.sink.reply({"failed": str(error)})
            return
        if pid == 0:
            try:
                become_snapshot(fd, self.sink)
                narrow(self.limits, limits)
                serve(fd, self.shell.user_ns)
            finally:
                os._exit(0)
        os.close(fd)
        self.children.append(pid)
        self.sink.reply({"forked": pid})

    def _reap(self) -> None:
        for pid in list(self.children):
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    continue
            self.children.remove(pid)


def become_snapshot(fd: int, sink: Sink) -> None:
    """Right after a fork: keep one socket, no voice, no signals."""
    sink.forked()
    for number in (signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    close_sockets(fd)


def close_sockets(keep: int) -> None:
    """Close every socket but one. Files stay: a learner's function may read what a cell opened."""
    try:
        open_fds = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        open_fds = list(range(3, 256))
    for number in open_fds:
        with contextlib.suppress(OSError):
            if number > 2 and number != keep and stat.S_ISSOCK(os.fstat(number).st_mode):
                os.close(number)
