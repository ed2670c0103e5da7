"""One process that may die in the judge's place: it works on what a learner chose.

From within a process nothing stops C code: no signal, no exception; and a limit on memory makes
some of it abort. So whatever grows or hangs with a learner's bytes (HTML to be cleaned, code to be
parsed, archives, an author's function at a learner's arguments) is done by a helper, with bounds on
memory, processor time and the clock. It is asked for a function of this package, by name and with
plain data, and answers plain data. Where it dies or is late whoever asked gets `Lost`, and the next
question finds another helper.

Where this process has one thread the helper is a fork of it, which takes milliseconds and is asked
over a whole class. A fork of several threads copies locks that nobody opens any more, so there
(Jupyter's server) an interpreter is started. Each thread has a helper of its own.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import itertools
import json
import math
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from autograder.engine.walls import kernel
from autograder.engine.wire import Channel, Closed, TooLarge, TooSlow, packed
from autograder.i18n import _
from autograder.values.codec import MalformedValue

MEMORY_BYTES = 2**30
# So many times its processor time a question may take where others keep the machine busy.
BUSY = 5.0
START_SECONDS = 60.0
START = "from autograder.engine.trusted.helper import main; main()"
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# More descriptors than a process of ours has.
DESCRIPTORS = 2**16


class Lost(RuntimeError):
    """A question without an answer: the helper died over it, or was late, or its function failed.

    late: whether it was time that ran out.
    """

    def __init__(self, reason: str, *, late: bool = False) -> None:
        super().__init__(reason)
        self.late = late


class _Failed(Exception):
    """What a helper's function raised, which does its process no harm."""


class Packed(NamedTuple):
    """What a function answers that has byte strings beside its plain data."""

    value: Any
    blobs: list[bytes]


def ask(function: Callable[..., Any], *args: Any, seconds: float) -> Any:
    """What a function at the top level of a module of ours makes of plain data, in the helper.

    seconds: of the processor.

    Raises
    ------
    Lost.
    """
    return helper().ask(function, *args, seconds=seconds).value


def each(
    function: Callable[..., list[Any]],
    items: Sequence[Any],
    *args: Any,
    seconds: float,
    otherwise: Any,
) -> list[Any]:
    """What `function(items, *args)` makes of each item, all of them in one question. Where that is
    lost, of one after the other for as long again; `otherwise` stands in the place of the lost."""
    if not items:
        return []
    with contextlib.suppress(Lost):
        return list(ask(function, list(items), *args, seconds=seconds))
    if len(items) == 1:
        return [otherwise]
    found, mine = [], helper()
    until = mine.spent + seconds
    for item in items:
        made = otherwise
        if mine.spent < until:
            with contextlib.suppress(Lost):
                [made] = ask(function, [item], *args, seconds=seconds / 4)
        found.append(made)
    return found


def helper() -> Helper:
    """This thread's helper."""
    known: Helper | None = getattr(_of_thread, "helper", None)
    if known is None or known.owner != os.getpid():
        known = _of_thread.helper = Helper()
    return known


_of_thread = threading.local()
_numbers = itertools.count(1)


class Helper:
    """The helper as those who ask see it; it starts with the first question.

    spent: seconds of the processor that its questions took so far, or might have where they are
    lost.
    """

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.spent = 0.0
        self._channel: Channel | None = None
        self._process: Forked | subprocess.Popen[bytes] | None = None
        self._imported: set[str] = set()
        self._number = 0
        self._bury: Callable[[], Any] = lambda: None

    def ask(
        self,
        function: Callable[..., Any],
        *args: Any,
        blobs: Sequence[bytes] | None = None,
        fd: int | None = None,
        seconds: float,
        memory: int | None = MEMORY_BYTES,
        deadline: float | None = None,
    ) -> Packed:
        """Call `function(*args)` in the helper.

        blobs, fd: passed on by keyword where given. memory: in bytes on top of what the helper has
        taken, None for no bound. deadline: by the clock, where it is not to follow from `seconds`.

        Raises
        ------
        Lost.
        """
        channel = self.start(function.__module__)
        deadline = deadline or time.monotonic() + BUSY * seconds + 1
        request = {
            "call": [function.__module__, function.__qualname__],
            "seconds": seconds,
            "memory": memory,
            "with": [
                *(["blobs"] if blobs is not None else []),
                *(["fd"] if fd is not None else []),
            ],
        }
        name = function.__name__
        try:
            channel.send(request, [_written(args), *(blobs or ())], fd=fd, deadline=deadline)
            reply, found = channel.receive(deadline)
            self.spent += reply["spent"]
            if "failed" in reply:
                raise _Failed(reply["failed"])
            return Packed(json.loads(found[0]), found[1:])
        except (TooLarge, _Failed) as error:
            raise Lost(f"{name}: {error}") from error
        except TooSlow as error:
            self.spent += seconds
            self.end()
            raise Lost(f"{name}: too slow", late=True) from error
        except (Closed, MalformedValue) as error:
            self.spent += seconds
            how = self.end()
            raise Lost(f"{name}: {how or error}", late=how == "SIGXCPU") from error
        except BaseException:  # Ctrl-C, say: the answer to this must not be the next one's
            self.end()
            raise

    def start(self, module: str = "") -> Channel:
        """See to it that there is one, which has imported a module: nobody's time. Nor is a death
        while nobody asked anybody's.

        Raises
        ------
        Lost.
        """
        if self._process is not None and self._process.poll() is not None:
            self.end()
        try:
            if self._channel is None:
                self._begin()
            assert self._channel is not None
            if module not in self._imported:
                self._channel.send({"import": module})
                self._channel.receive(time.monotonic() + START_SECONDS)
                self._imported.add(module)
        except (Closed, TooSlow, MalformedValue, OSError) as error:
            self.end()
            raise Lost(_("no helper could be started")) from error
        return self._channel

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = _forked(theirs) if _has_one_thread() else _spawned(theirs)
        self._channel = Channel(ours)
        self._imported = set[str]()
        self._number = next(_numbers)
        self._bury = weakref.finalize(self, _kill, self.owner, self._channel, self._process)

    def end(self) -> str:
        """Kill it. Returns the signal that it ended with, or nothing."""
        self._bury()
        # Whoever was dying already has died of what it was dying of.
        status = self._process.poll() if self._process is not None else None
        self._channel = self._process = None
        return signal.Signals(-status).name if status is not None and status < 0 else ""

    @property
    def number(self) -> int:
        """Another one for each helper that this process starts."""
        self.start()
        return self._number


class Forked:
    """A fork of this process, with the methods of a `Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        """How it ended, or None."""
        return self._wait(os.WNOHANG)

    def wait(self) -> int | None:
        """The same, once it has."""
        return self._wait(0)

    def kill(self) -> None:
        """End it."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _wait(self, how: int) -> int | None:
        if self._status is None:
            try:
                pid, status = os.waitpid(self.pid, how)
            except ChildProcessError:  # somebody else has waited for it
                pid, status = self.pid, 0
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status


def _kill(owner: int, channel: Channel, process: Forked | subprocess.Popen[bytes]) -> None:
    """In a fork of the owner only the copy of the socket goes: the helper is not its own."""
    channel.close()
    if os.getpid() == owner:
        process.kill()
        process.wait()


def _has_one_thread() -> bool:
    """Of all threads, also those that libraries started without Python's knowledge."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def _forked(theirs: socket.socket) -> Forked:
    pid = os.fork()
    if pid == 0:
        _be_the_helper(theirs.fileno())
    return Forked(pid)


def _spawned(theirs: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-c", START, str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        env={**os.environ, **ONE_THREAD},
    )


# ── In the helper ──────────────────────────────────────────────────────────────────────────────


def main() -> NoReturn:
    """Be a helper that was started as `python -I -c "...main()" FD`."""
    _be_the_helper(int(sys.argv[1]))


def _be_the_helper(fd: int) -> NoReturn:
    try:
        # Ctrl-C is its owner's to hear, with whom it ends, whatever it is at.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if sys.platform == "linux":
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        _keep_only(fd)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # What was there before stays out of the collector's sight, and so shared with the owner.
        gc.freeze()
        with contextlib.suppress(Closed):
            _serve(Channel(socket.socket(fileno=fd), takes_fds=True))
    finally:
        os._exit(0)


def _keep_only(fd: int) -> None:
    """Close what came along in a fork: locked files, sockets whose end somebody waits for."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    os.closerange(3, fd)
    os.closerange(fd + 1, DESCRIPTORS)


def _serve(channel: Channel) -> None:
    memory: int | None = None
    while True:
        request, blobs = channel.receive()
        if "import" in request:
            if request["import"]:
                importlib.import_module(request["import"])
            channel.send({"done": True})
            continue
        beside: dict[str, Any] = {}
        if "blobs" in request["with"]:
            beside["blobs"] = blobs[1:]
        if "fd" in request["with"]:
            beside["fd"] = channel.fds.pop()
        before = time.process_time()
        try:
            _bound(request["seconds"], request["memory"], memory)
            memory = request["memory"]
            value = _named(*request["call"])(*json.loads(blobs[0]), **beside)
            value, out = value if isinstance(value, Packed) else (value, [])
            reply = packed({"spent": time.process_time() - before}, [_written(value), *out])
        except Exception as error:  # whoever asked must hear of it, and others ask again
            told = {"failed": f"{type(error).__name__}: {error}"[:500]}
            reply = packed({**told, "spent": time.process_time() - before})
        channel.send_packed(reply)


def _bound(seconds: float, memory: int | None, before: int | None) -> None:
    """From now on so much more, by the kernel's word. before: the bound on memory so far."""
    _limit(resource.RLIMIT_CPU, math.ceil(time.process_time() + seconds))
    if memory != before:
        _limit(resource.RLIMIT_AS, None if memory is None else kernel.own_size() + memory)


def _limit(what: int, most: int | None) -> None:
    _soft, hard = resource.getrlimit(what)
    known = [n for n in (most, hard) if n is not None and n != resource.RLIM_INFINITY]
    resource.setrlimit(what, (min(known, default=resource.RLIM_INFINITY), hard))


@functools.cache
def _named(module: str, name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def _written(value: Any) -> bytes:
    """As JSON; halves of surrogate pairs, which learners' texts may have, go through."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
