"""A runner whose sessions run on other machines: what the judge's side holds of them.

Cells, snapshots and questions go over a channel to a far end (`hosting`), which has a runner of
its own; oracles stay here. What comes back is checked again, as if nobody had done so before.
"""

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, get_args

import numpy as np

from autograder.engine.cluster.far import MAX_REASON, foreign_versions, versions
from autograder.engine.files import Files, read_files
from autograder.engine.interface import (
    Call,
    CellResult,
    Limits,
    NoSandbox,
    RunnerLost,
    Session,
    Status,
)
from autograder.engine.trusted.asking import consult, oracles_of, request_of
from autograder.engine.trusted.helper import Lost
from autograder.engine.trusted.outputs import checked
from autograder.engine.trusted.session import StartError
from autograder.engine.trusted.vouching import Known
from autograder.engine.wire import Channel, Closed, Frame, TooSlow, fits
from autograder.i18n import _
from autograder.judging.judge import Oracle
from autograder.judging.verdict import Died, Span, TimedOut
from autograder.values.calling import Answer
from autograder.values.codec import MAX_BYTES, MalformedValue, Raised, decode, encode

# On top of what the far end may take by its own limits: to fork, to replay, and the way.
SLACK_SECONDS = 90.0
FINISH_SECONDS = 30.0


class Line(Protocol):
    """A connection to a far end."""

    @property
    def channel(self) -> Channel: ...

    def close(self) -> None:
        """Hang up; the far end is told, if it can hear."""
        ...


class Lines(Protocol):
    """Makes connections."""

    def open(self, avoid: str) -> Line:
        """Connect to a far end; not to the one of this name where there is another.

        Raises
        ------
        RunnerLost where it was lost before it said a word; StartError where there is none.
        """
        ...


class RemoteRunner:
    """Runs each session on one of several far ends.

    refused: which walls are missing there, and why. protects: the same in a sentence.
    sessions: how many may be open at a time; more wait for their turn.
    """

    name = "remote"

    def __init__(self, lines: Lines, sessions: int, refused: dict[str, str], protects: str) -> None:
        self.sessions = sessions
        self.refused = refused
        self.protects = protects
        self._lines = lines
        # A submission that lost its far end is done elsewhere, in the thread that had begun it.
        self._lost = threading.local()

    def open(
        self, files: Path | None, limits: Limits, modules: Sequence[str] = ()
    ) -> RemoteSession:
        """A session in a scratch folder with a copy of `files`; links in there are left out.

        Raises
        ------
        RunnerLost, StartError; NoSandbox where a wall is missing that was promised.
        """
        avoid = getattr(self._lost, "where", "")
        self._lost.where = ""
        return RemoteSession(self._lines.open(avoid), files, limits, modules, self)

    def expect(self, hello: dict[str, Any], modules: Sequence[str]) -> str:
        """Read a far end's first frame. Returns its name. modules: what a session will need.

        Raises
        ------
        StartError, NoSandbox, MalformedValue.
        """
        where, refused = hello.get("where"), hello.get("refused")
        if not isinstance(where, str) or not isinstance(refused, dict):
            raise MalformedValue("a greeting that is none")
        where = where[:200]
        foreign = hello.get("foreign")
        pairs = [(str(hello.get("versions"))[:200], versions())]
        for name, ours in foreign_versions().items():
            if any(module.partition(".")[0] == name for module in modules):
                theirs = foreign.get(name) if isinstance(foreign, dict) else None
                pairs.append((f"{name} {theirs}"[:200], f"{name} {ours}"))
        for theirs, ours in pairs:
            if theirs != ours:
                raise StartError(
                    _(
                        "the worker {where} has {theirs}; here it is {ours}. Install the same "
                        "there."
                    ).format(where=where, theirs=theirs, ours=ours)
                )
        new = sorted(set(map(str, refused)) - set(self.refused))
        if new:
            why = "; ".join(f"{layer} ({refused[layer]})" for layer in new)[:MAX_REASON]
            raise NoSandbox(
                _("the worker {where} walls submissions in less than the others: {why}.").format(
                    where=where, why=why
                )
            )
        return where

    def lost(self, where: str) -> None:
        """A session of this thread was lost there."""
        self._lost.where = where


class RemoteSession(Session):
    """One notebook's run, on the far end of a line."""

    def __init__(
        self,
        line: Line,
        files: Path | None,
        limits: Limits,
        modules: Sequence[str],
        runner: RemoteRunner,
    ) -> None:
        self.limits = limits
        self.where = ""
        self._line = line
        self._runner = runner
        self._seen: list[str] = []
        self._snapshots = 0
        self._closed = False
        try:
            self._open(files, list(modules))
        except BaseException:
            line.close()
            raise

    def execute(self, source: str) -> CellResult:
        """Run a cell. Where the interpreter was lost, a new one first replays what had worked."""
        if self._closed:
            raise RuntimeError("the session is closed: no cell can be run any more")
        self._seen.append(source)
        # Replaying may take whatever the notebook has left, and be given as much again.
        seconds = 2 * self.limits.notebook_seconds
        try:
            reply, blobs = self.ask(
                {"do": "execute", "limits": asdict(self.limits)}, [source.encode()], seconds=seconds
            )
            status: Status = reply.get("status", "")
            outputs = checked(_json(blobs), self.limits)
            if status not in get_args(Status) or type(reply.get("count")) is not int:
                raise MalformedValue("a cell's result that is none")
        except MalformedValue as error:
            raise self.lose(error) from error
        return CellResult(outputs, status, _reason(reply, "reason"), reply["count"])

    def snapshot(self) -> RemoteSnapshot:
        """Keep the state as it now is."""
        if self._closed:
            raise RuntimeError("the session is closed: take snapshots before")
        reply, _blobs = self.ask({"do": "snapshot", "limits": asdict(self.limits)})
        self._snapshots += 1
        problem = _reason(reply, "problem")
        return RemoteSnapshot(self, self._snapshots - 1, Known(self._seen), problem)

    def close(self) -> None:
        """No more cells: end the notebook. Snapshots live on."""
        self._closed = True
        self.ask({"do": "close"})

    def written(self) -> Files:
        """The plain files that the notebook was not given. Ends it and its snapshots first."""
        self._closed = True
        reply, blobs = self.ask({"do": "written"})
        names = reply.get("files")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self.lose(MalformedValue("names of files that are none"))
        return list(zip(names, blobs, strict=False))

    def finish(self) -> None:
        """Have the far end kill everything that is left and remove the files. Where it is gone
        there is nothing left to do here."""
        self._closed = True
        deadline = time.monotonic() + FINISH_SECONDS
        try:
            self._line.channel.send({"do": "finish"}, deadline=deadline)
            self._line.channel.receive(deadline)
        except (Closed, TooSlow, MalformedValue):
            pass
        finally:
            self._line.close()

    def ask(
        self, request: dict[str, Any], blobs: Sequence[bytes] = (), *, seconds: float = 0.0
    ) -> Frame:
        """Put a request, and wait for the reply so long and some more.

        Raises
        ------
        RunnerLost.
        """
        deadline = time.monotonic() + seconds + SLACK_SECONDS
        try:
            self._line.channel.send(request, blobs, deadline=deadline)
        except (Closed, TooSlow) as error:
            raise self.lose(error) from error
        return self.hear(deadline)

    def hear(self, deadline: float) -> Frame:
        """The next frame.

        Raises
        ------
        RunnerLost.
        """
        try:
            reply, blobs = self._line.channel.receive(deadline)
            if "failed" in reply:
                raise Closed(_reason(reply, "failed"))
        except (Closed, TooSlow, MalformedValue) as error:
            raise self.lose(error) from error
        return reply, blobs

    def lose(self, error: Exception) -> RunnerLost:
        """What to raise now that nothing more can be asked."""
        self._line.channel.close()
        self._runner.lost(self.where)
        how = str(error) or type(error).__name__
        where = self.where or _("a worker")
        return RunnerLost(
            _("the connection to {where} was lost: {how}").format(where=where, how=how)
        )

    def _open(self, files: Path | None, modules: list[str]) -> None:
        given = read_files(files)
        request = {
            "limits": asdict(self.limits),
            "files": [name for name, _data in given],
            "modules": modules,
        }
        blobs = [data for _name, data in given]
        if not fits(request, blobs):
            raise StartError(
                _("the files beside the notebook are more than {n} MB: too many to send.").format(
                    n=MAX_BYTES // 2**20
                )
            )
        hello, _blobs = self.hear(time.monotonic() + SLACK_SECONDS)
        try:
            self.where = self._runner.expect(hello, modules)
            self._line.channel.send(request, blobs, deadline=time.monotonic() + SLACK_SECONDS)
        except (Closed, TooSlow, MalformedValue) as error:
            raise self.lose(error) from error


class RemoteSnapshot:
    """The learner's state as it was when the snapshot was taken, on the far end."""

    def __init__(self, session: RemoteSession, number: int, known: Known, problem: str) -> None:
        self.problem = problem
        self._session = session
        self._number = number
        self._known = known

    def defines(self, name: str) -> bool:
        """Whether the learner's code has a global of this name; True where nobody can tell."""
        reply, _blobs = self._ask({"do": "defines", "name": name})
        return reply.get("defines") is not False

    def call(self, question: Call) -> Answer:
        """Put a question."""
        limit = self._session.limits.call_seconds
        blobs: list[bytes] = []
        request = request_of(question, blobs)
        oracles = oracles_of(question)
        try:
            patience = limit + self._session.limits.notebook_seconds
            reply, blobs = self._ask(request, blobs, seconds=patience)
            left = limit
            while "oracle" in reply:
                started = time.monotonic()
                header, out = _consulted(oracles, reply, blobs, left)
                left -= time.monotonic() - started
                header["seconds"] = time.monotonic() - started
                reply, blobs = self._ask(header, out, seconds=patience)
            return self._answer(reply, blobs, question)
        except MalformedValue as error:
            raise self._session.lose(error) from error

    def put_off(self) -> float:
        """What was given back over there, call by call, is not told."""
        return 0.0

    def close(self) -> None:
        """End it."""
        self._ask({"do": "end"})

    def _answer(self, reply: dict[str, Any], blobs: list[bytes], question: Call) -> Answer:
        if isinstance(reply.get("timed out"), int | float):
            spans: tuple[Span, ...] = get_args(Span)
            of: Span = next((span for span in spans if span == reply.get("of")), "call")
            return Answer(TimedOut(reply["timed out"], of))
        if "died" in reply:
            return Answer(Died(_reason(reply, "died")))
        if "answer" not in reply:
            raise MalformedValue("a reply without an answer")
        value = decode(reply["answer"], blobs)
        return self._known.answer(value, question.args, reply.get("changed"), reply.get("warnings"))

    def _ask(
        self, request: dict[str, Any], blobs: Sequence[bytes] = (), *, seconds: float = 0.0
    ) -> Frame:
        reply = self._session.ask({**request, "snapshot": self._number}, blobs, seconds=seconds)
        if "problem" in reply[0]:
            self.problem = _reason(reply[0], "problem")
        return reply


def _consulted(
    oracles: dict[str, Oracle], asked: dict[str, Any], blobs: list[bytes], seconds: float
) -> tuple[dict[str, Any], list[bytes]]:
    """The reply to a stand-in's question. Who asked for more than the seconds that are left is
    refused; the far end's own clock ends the call."""
    server = next((oracle.server for oracle in oracles.values() if oracle.server), None)
    try:
        if server is not None:
            tree, out = server.consult(asked, blobs, seconds)
        else:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                tree, out = consult(oracles, asked, blobs)
    except Lost:
        tree, out = encode(Raised(("TimeoutError", "OSError", "Exception"))), []
    header = {"value": tree}
    if fits(header, out):
        return header, out
    return {"value": encode(Raised(("ValueError", "Exception"), "a value too large to send"))}, []


def _json(blobs: list[bytes]) -> Any:
    try:
        return json.loads(blobs[0])
    except (IndexError, ValueError, RecursionError) as error:
        raise MalformedValue("outputs that are no JSON") from error


def _reason(reply: dict[str, Any], key: str) -> str:
    """A sentence of the far end's."""
    return str(reply.get(key, ""))[:MAX_REASON]
