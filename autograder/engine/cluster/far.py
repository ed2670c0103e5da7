"""The far end of a session: it does with a runner of its own what home asks over a channel.

Nothing of the judge's is here. Where a learner's code calls a function of the judge's, a stand-in
asks home over the same channel.
"""

from __future__ import annotations

import contextlib
import json
import platform
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from autograder import __version__
from autograder.engine.interface import (
    Call,
    CellResult,
    Limits,
    Runner,
    Session,
    Snapshot,
)
from autograder.engine.untrusted.answering import encoded, exception
from autograder.engine.wire import Channel, Closed, TooSlow, fits, packed
from autograder.exercise import FRESH_RNG
from autograder.judging.judge import Oracle
from autograder.judging.verdict import Died, TimedOut
from autograder.project import FOREIGN
from autograder.values.calling import by_position
from autograder.values.codec import MalformedValue, Raised, decode, encode

# How long home may think between two requests before it is given up.
IDLE_SECONDS = 600.0
MAX_REASON = 2000
# What a cell's output, or the last digit of a number, may depend on.
PACKAGES = ("numpy", "scipy", "scikit-learn", "matplotlib", "ipython")


def versions() -> str:
    """What must be the same at both ends for a mark to be the same."""
    python = ".".join(platform.python_version_tuple()[:2])
    packages = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    return ", ".join([f"autograder {__version__}", f"Python {python}", *packages])


def foreign_versions() -> dict[str, str | None]:
    """The same for what one set needs and no other does; None for what is not installed."""
    found: dict[str, str | None] = {}
    for name in FOREIGN:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def host(channel: Channel, runner: Runner, where: str) -> None:
    """Serve one session on a channel until home ends it or is gone. where: this end's name."""
    try:
        hello = {
            "where": where,
            "versions": versions(),
            "foreign": foreign_versions(),
            "refused": refused(runner),
        }
        channel.send(hello, deadline=time.monotonic() + IDLE_SECONDS)
        request, blobs = channel.receive(time.monotonic() + IDLE_SECONDS)
        with _opened(runner, request, blobs) as session:
            Host(channel, session).serve()
        channel.send({"finished": True}, deadline=time.monotonic() + IDLE_SECONDS)
    except (Closed, TooSlow, MalformedValue):
        pass
    except Exception as error:  # a full disk, a runner that does not start: home must hear of it
        with contextlib.suppress(Closed, TooSlow):
            channel.send(_failed(error), deadline=time.monotonic() + IDLE_SECONDS)
    finally:
        channel.close()


def refused(runner: Runner) -> dict[str, str]:
    """Which walls a runner does without, and why."""
    found = getattr(runner, "refused", {"every wall": f"the {runner.name} runner has none"})
    return {str(layer): str(reason) for layer, reason in found.items()}


def _opened(runner: Runner, request: dict[str, Any], blobs: list[bytes]) -> Session:
    with tempfile.TemporaryDirectory(prefix="autograder-files-") as folder:
        for name, data in zip(request["files"], blobs, strict=True):
            place = Path(folder, name)
            if name.endswith("/"):
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.write_bytes(data)
        return runner.open(Path(folder), Limits(**request["limits"]), request["modules"])


class Host:
    """A session, and what home says of it."""

    def __init__(self, channel: Channel, session: Session) -> None:
        self._channel = channel
        self._session = session
        self._snapshots: list[Snapshot] = []

    def serve(self) -> None:
        """Answer until home says that it is done.

        Raises
        ------
        Closed, TooSlow, MalformedValue where home is not there any more.
        """
        while True:
            request, blobs = self._channel.receive(time.monotonic() + IDLE_SECONDS)
            if request["do"] == "finish":
                return
            try:
                reply = self._done(request, blobs)
            except (Closed, TooSlow):
                raise
            except Exception as error:  # whatever it is, home must hear of it
                reply = packed(_failed(error))
            self._channel.send_packed(reply, deadline=time.monotonic() + IDLE_SECONDS)

    def _done(self, request: dict[str, Any], blobs: list[bytes]) -> bytes:
        """The frame of the reply."""
        do = request["do"]
        if "limits" in request:
            self._session.limits = Limits(**request["limits"])
        if do == "execute":
            return packed(*_told(self._session.execute(blobs[0].decode())))
        if do == "snapshot":
            self._snapshots.append(self._session.snapshot())
            return packed({"problem": self._snapshots[-1].problem})
        if do == "close":
            self._session.close()
            return packed({})
        if do == "written":
            files = self._session.written()
            return packed({"files": [name for name, _data in files]}, [data for _, data in files])
        snapshot = self._snapshots[request["snapshot"]]
        if do == "call":
            return self._answer(snapshot, request, blobs)
        header = {}
        if do == "defines":
            header = {"defines": snapshot.defines(request["name"])}
        elif do == "end":
            snapshot.close()
        return packed({**header, "problem": snapshot.problem})

    def _answer(self, snapshot: Snapshot, request: dict[str, Any], blobs: list[bytes]) -> bytes:
        args = {n: self._argument(n, spec, blobs) for n, spec in request["args"].items()}
        probe = tuple(request["probe"]) if request["probe"] else None
        answer = snapshot.call(Call(request["target"], args, request["parameters"], probe))
        if isinstance(answer.value, TimedOut):
            late = answer.value
            told = {"timed out": late.seconds, "of": late.of}
            return packed({**told, "problem": snapshot.problem})
        if isinstance(answer.value, Died):
            return packed({"died": answer.value.reason, "problem": snapshot.problem})
        return encoded(answer, problem=snapshot.problem)

    def _argument(self, name: str, spec: dict[str, Any], blobs: list[bytes]) -> Any:
        if "rng" in spec:
            return FRESH_RNG
        if "oracle" in spec:
            return StandIn(self._channel, name, spec["oracle"])
        return decode(spec["value"], blobs)


class StandIn(Oracle):
    """Stands for an oracle that stays home, which counts, bounds and writes down its calls."""

    def __init__(self, channel: Channel, name: str, parameters: list[str] | None) -> None:
        super().__init__(self._ask)
        self.name = name
        self._channel = channel
        self._parameters = parameters

    @property
    def parameters(self) -> list[str] | None:
        """The names of its arguments; None if unknown."""
        return self._parameters

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._ask(*(by_position(self.parameters, args, named) if named else args))

    def _ask(self, *args: Any) -> Any:
        started = time.monotonic()
        out: list[bytes] = []
        functions = {str(i): arg.name for i, arg in enumerate(args) if isinstance(arg, StandIn)}
        header = {"oracle": self.name, "args": encode(list(args), out), "functions": functions}
        if not fits(header, out):
            raise ValueError("the arguments are too large")
        deadline = started + IDLE_SECONDS
        try:
            self._channel.send(header, out, deadline=deadline)
            reply, blobs = self._channel.receive(deadline)
        except BaseException:
            # Who calls may go on after an exception, but not on this channel.
            self._channel.close()
            raise
        # What home took to think is the learner's, who asked; the way there and back is not.
        self.waited += max(time.monotonic() - started - reply["seconds"], 0.0)
        value = decode(reply["value"], blobs)
        if isinstance(value, Raised):
            raise exception(value)
        return value


def _failed(error: Exception) -> dict[str, str]:
    return {"failed": f"{type(error).__name__}: {error}"[:MAX_REASON]}


def _told(result: CellResult) -> tuple[dict[str, Any], list[bytes]]:
    header = {"status": result.status, "reason": result.reason, "count": result.execution_count}
    return header, [json.dumps(result.outputs).encode()]
