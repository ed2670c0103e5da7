"""What a snapshot does: it looks names up, calls functions, and forks workers for the calls.

The base of a snapshot runs no learner's code, so it stays as it was; it forks a worker, which
is the one that is called. A worker that hangs or dies takes nothing along: the base forks another.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import random
import signal
import socket
import threading
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from autograder.engine.wire import Channel, Closed, TooLarge, packed
from autograder.values.calling import (
    Answer,
    bind,
    by_position,
    call,
    nobody_there,
    raised,
    unreadable,
)
from autograder.values.codec import Opaque, Raised, decode, encode


def serve(fd: int, namespace: dict[str, Any]) -> None:
    """Answer on a socket until it ends."""
    server = Server(Channel(socket.socket(fileno=fd), takes_fds=True), namespace)
    with contextlib.suppress(Closed):
        while True:
            request, blobs = server.channel.receive()
            server.answer(request, blobs)


class Server:
    """A snapshot's base or worker."""

    def __init__(self, channel: Channel, namespace: dict[str, Any]) -> None:
        self.channel = channel
        self.namespace = namespace
        self.probes: dict[str, ModuleType] = {}
        self.proxies: dict[Callable[..., Any], str] = {}
        self._turn = threading.RLock()

    def answer(self, request: dict[str, Any], blobs: list[bytes]) -> None:
        """Do what is asked and reply."""
        do = request["do"]
        if do == "defines":
            self.channel.send({"defines": request["name"] in self.namespace})
        elif do == "fork":
            self._fork(self.channel.fds.pop())
        else:
            self._call(request, blobs)

    def _fork(self, fd: int) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            os.close(fd)
            self.channel.send({"failed": str(error)})
            return
        if pid == 0:
            self.channel.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            random.seed()
            np.random.seed()
            self.channel = Channel(socket.socket(fileno=fd), takes_fds=True)
            return
        os.close(fd)
        self.channel.send({"forked": pid})

    def _proxy(self, name: str, parameters: list[str] | None) -> Callable[..., Any]:
        def oracle(*args: Any, **options: Any) -> Any:
            if options:
                args = by_position(parameters, args, options)
            return self._ask(name, list(args))

        oracle.__name__ = oracle.__qualname__ = name
        self.proxies[oracle] = name
        return oracle

    def _ask(self, name: str, args: list[Any]) -> Any:
        out: list[bytes] = []
        header = {"oracle": name, "args": encode(args, out), "functions": self._functions(args)}
        question = packed(header, out)
        with self._turn:
            self.channel.send_packed(question)
            reply, blobs = self.channel.receive()
        value = decode(reply["value"], blobs)
        if isinstance(value, Raised):
            raise exception(value)
        return value

    def _functions(self, args: list[Any]) -> dict[str, str]:
        """Which arguments are proxies themselves: the judge knows what they stand for."""
        functions = [(i, arg) for i, arg in enumerate(args) if isinstance(arg, FunctionType)]
        return {str(i): self.proxies[arg] for i, arg in functions if arg in self.proxies}

    def _call(self, request: dict[str, Any], blobs: list[bytes]) -> None:
        args = {name: self._argument(name, spec, blobs) for name, spec in request["args"].items()}
        try:
            with nobody_there():
                answer = call(self._ready(request, args), args)
        except BaseException as error:  # a KeyboardInterrupt of the learner's own
            answer = Answer(raised(error))
        self.channel.send_packed(encoded(answer))

    def _argument(self, name: str, spec: dict[str, Any], blobs: list[bytes]) -> Any:
        if "rng" in spec:
            return np.random.default_rng(spec["rng"])
        if "oracle" in spec:
            return self._proxy(name, spec["oracle"])
        return decode(spec["value"], blobs)

    def _ready(self, request: dict[str, Any], args: dict[str, Any]) -> Callable[[], Any]:
        if request["target"] not in self.namespace:
            raise NameError(f"name {request['target']!r} is not defined")
        target = self.namespace[request["target"]]
        return bind(target, args, request["parameters"], self._probe(request["probe"]))

    def _probe(self, asked: list[str] | None) -> Callable[..., Any] | None:
        if asked is None:
            return None
        source, name = asked
        if source not in self.probes:
            self.probes[source] = module_of(source)
        probe: Callable[..., Any] = getattr(self.probes[source], name)
        return probe


def encoded(answer: Answer, **more: Any) -> bytes:
    """The frame of an answer, with what else is to be said; a value that cannot be sent becomes
    an `Opaque`."""
    beside = {"changed": answer.changed, "warnings": answer.warnings[:20], **more}
    out: list[bytes] = []
    try:
        return packed({"answer": encode(answer.value, out), **beside}, out)
    except TooLarge:
        stands_for = Opaque("value too large")
    except Exception as error:  # a learner's class may do anything when looked at
        stands_for = unreadable(error)
    return packed({"answer": encode(stands_for), **beside})


def module_of(source: str) -> ModuleType:
    """A module from public source. Its lines are not the learner's: "<string>" tells."""
    module = ModuleType("probes")
    exec(compile(source, "<string>", "exec"), module.__dict__)  # our own source
    return module


def exception(value: Raised) -> BaseException:
    """The exception that a judge's function raised, made again."""
    for name in value.names:
        found = getattr(builtins, name, None) or getattr(np.linalg, name, None)
        if isinstance(found, type) and issubclass(found, Exception):
            with contextlib.suppress(TypeError):
                return found(value.message)
    return RuntimeError(value.message)
