"""Bounds on what the judge's own functions take where a learner's code chooses their arguments."""

from __future__ import annotations

import contextlib
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

from autograder.engine.walls.kernel import own_size
from autograder.engine.wire import TooSlow

AGAIN_SECONDS = 1.0


@contextlib.contextmanager
def bounded(seconds: float, memory_bytes: int) -> Iterator[None]:
    """Run a block with so much processor time, and memory on top of what is taken already.

    Only the main thread hears signals; elsewhere the memory alone is bounded.

    Raises
    ------
    TooSlow, from within the block; a MemoryError there comes from what asked for the memory.
    """
    if seconds <= 0:
        raise TooSlow
    with _memory(memory_bytes), _time(seconds):
        yield


class _Memory:
    """The limit is the process's: of threads whose blocks overlap the last to leave restores what
    the first one found."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._inside = 0
        self._before = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    @contextlib.contextmanager
    def __call__(self, more: int) -> Iterator[None]:
        with self._turn:
            if self._inside == 0:
                self._before = resource.getrlimit(resource.RLIMIT_AS)
            self._inside += 1
            soft, hard = self._before
            wanted = own_size() + more
            limit = wanted if soft == resource.RLIM_INFINITY else min(wanted, soft)
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
        try:
            yield
        finally:
            with self._turn:
                self._inside -= 1
                if self._inside == 0:
                    resource.setrlimit(resource.RLIMIT_AS, self._before)


_memory = _Memory()


@contextlib.contextmanager
def _time(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: Any) -> NoReturn:
        raise TooSlow

    def drop(error: sys.UnraisableHookArgs) -> None:
        # It came while a destructor ran, which no exception leaves: the next one will.
        if not issubclass(error.exc_type, TooSlow):
            told(error)

    before, told = signal.signal(signal.SIGPROF, stop), sys.unraisablehook
    try:
        sys.unraisablehook = drop
        # Processor time: a timer of the wall clock would be somebody else's.
        signal.setitimer(signal.ITIMER_PROF, seconds, AGAIN_SECONDS)
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        sys.unraisablehook = told
