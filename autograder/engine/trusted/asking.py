"""The judge's side of a snapshot: it sends questions, serves oracles, believes nothing.

A snapshot has a base, which only forks, and a worker, forked when a call needs one. Whichever
runner made the base, the conversation is this one.
"""

from __future__ import annotations

import secrets
import socket
import time
import warnings
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np

from autograder.engine.interface import Call, Limits
from autograder.engine.trusted.helper import Lost
from autograder.engine.trusted.vouching import Known
from autograder.engine.wire import Channel, Closed, Frame, TooLarge, TooSlow, packed
from autograder.exercise import FreshRng
from autograder.i18n import _
from autograder.judging.judge import Oracle, reply_of
from autograder.judging.verdict import Died, Span, TimedOut
from autograder.values.calling import Answer
from autograder.values.codec import MalformedValue, Raised, decode, encode

CONTROL_SECONDS = 10.0


class Processes(Protocol):
    """What a snapshot asks of whoever holds the session's processes."""

    def kill(self, pid: int) -> None:
        """End a process of this session; the number is not believed."""
        ...

    def permit_fork(self) -> None:
        """The next fork in the session is asked for by the judge's side."""
        ...

    def allow(self, processes: int, threads: int) -> None:
        """From now on the session may have so many other processes, and threads."""
        ...

    def ended_for(self) -> str:
        """Why a process of this session was ended, if one was since this was last asked."""
        ...

    def in_line(self, pid: int) -> float:
        """The seconds that a process of this session was ready to run and no processor was free for
        it; 0 where nobody can tell. The number is not believed; 0 is the notebook's process."""
        ...


def fork(channel: Channel, deadline: float, request: dict[str, Any]) -> tuple[Channel, int]:
    """Let the process behind a channel fork. Returns the channel to the copy and, on the word
    of the process, the copy's pid.

    Raises
    ------
    Closed, TooSlow, MalformedValue.
    """
    ours, theirs = socket.socketpair()
    try:
        channel.send(request, fd=theirs.fileno(), deadline=deadline)
        reply, _blobs = channel.receive(deadline)
        while "out" in reply:
            # A thread of the last cell had begun to print when that cell was over.
            reply, _blobs = channel.receive(deadline)
        if type(reply.get("forked")) is not int:
            raise Closed(str(reply.get("failed", "no fork"))[:200])
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Channel(ours), reply["forked"]


class Patience:
    """Gives time back for which the processes of a session stood in line for a processor: no code
    is slow because others keep the machine busy.

    most: so many seconds in all, for one's own threads make a line, too.
    """

    # Less than this share of what somebody had would have saved nobody.
    LEAST = 0.1

    def __init__(self, processes: Processes, most: float) -> None:
        self._processes = processes
        self._left = most
        self._known: dict[int, float] = {}
        # The seconds that were given back, and whether there were too few to give.
        self.given = 0.0
        self.at_its_end = False

    def clock(self) -> float:
        """A clock that stands still for what was given back."""
        return time.monotonic() - self.given

    def more(self, pid: int, seconds: float) -> float:
        """What is given back to a process, by its number, that had so many seconds."""
        stood, before = self._processes.in_line(pid), self._known.get(pid, 0.0)
        # After a death another process is the notebook's.
        due = stood - before if stood >= before else stood
        if due < self.LEAST * seconds:
            return 0.0
        more = min(due, self._left)
        self.at_its_end = self.at_its_end or more < due
        self._known[pid] = stood
        self._left -= more
        self.given += more
        return more


# So many times as many timeouts as of one step are waited for, of all steps of a class.
OF_ALL_STEPS = 2
# Of a function of which a call had all its time and did not end, each further call has this share
# of it, and no less than so many seconds: a right answer takes milliseconds. Of one that is slow,
# so many times what the slowest call took that did come back.
AFTER_A_TIMEOUT = 0.1
LITTLE_SECONDS = 0.5
OF_THE_SLOWEST = 3.0


class AskedSnapshot:
    """A snapshot whose base answers on a channel.

    processes: those of this session.
    known: what stands in the cells that ran before the snapshot was taken.
    budget: seconds that all calls of the session still have. patience: of the session.
    """

    def __init__(
        self,
        base: Channel | None,
        pid: int,
        limits: Limits,
        known: Known,
        processes: Processes,
        budget: Budget,
        problem: str = "",
        patience: Patience | None = None,
    ) -> None:
        self.problem = problem
        self._base = base
        self._base_pid = pid
        self._limits = limits
        self._known = known
        self._processes = processes
        self._budget = budget
        self._patience = patience or Patience(processes, limits.notebook_seconds)
        self._worker: Channel | None = None
        self._worker_pid = 0
        self._defined: dict[str, bool] = {}
        self._timeouts: Counter[tuple[str, str]] = Counter()
        self._slowest: dict[str, float] = {}

    def defines(self, name: str) -> bool:
        """Whether the learner's code has a global of this name; True where nobody can tell."""
        if name not in self._defined:
            reply = self._control({"do": "defines", "name": name})
            self._defined[name] = reply is None or reply.get("defines") is not False
        return self._defined[name]

    def call(self, question: Call) -> Answer:
        """Put a question."""
        if self._budget.left <= 0:
            self._budget.spend(-self._more(self._limits.notebook_seconds))
        if self._budget.left <= 0:
            return Answer(self._late(self._limits.notebook_seconds, "notebook"))
        # The steps of a class have one target, and a probe each: where one hangs, others need not.
        asked = (question.target, question.probe[1] if question.probe else "")
        of_all = sum(n for (target, _probe), n in self._timeouts.items() if target == asked[0])
        most = self._limits.timeouts
        if self._timeouts[asked] >= most or of_all >= OF_ALL_STEPS * most:
            return Answer(self._late(self._limits.call_seconds))
        self._processes.allow(self._limits.processes, self._limits.threads)
        oracles = oracles_of(question)
        start, waited = self._patience.clock(), _waited(oracles)
        seconds = self._limits.call_seconds
        slowest = self._slowest.get(question.target, 0.0)
        if of_all:
            least = max(LITTLE_SECONDS, OF_THE_SLOWEST * slowest)
            seconds = min(seconds, max(AFTER_A_TIMEOUT * seconds, least))
        seconds = min(seconds, self._budget.left)
        try:
            answer = self._converse(question, oracles, seconds)
            self._slowest[question.target] = max(slowest, self._patience.clock() - start)
            return answer
        except TooSlow:
            self._timeouts[asked] += 1
            self._drop_worker()
            return Answer(self._late(seconds))
        except Lost:
            self._drop_worker()
            return Answer(Died(_("by what it passed to a function that it was given")))
        except Closed:
            self._drop_worker()
            why = self._processes.ended_for() or self.problem
            return Answer(Died(why or _("the process ended")))
        except MalformedValue:
            self._drop_worker()
            return Answer(Died(_("it sent what is no value")))
        finally:
            self._budget.spend(self._patience.clock() - start - (_waited(oracles) - waited))

    def put_off(self) -> float:
        """See `Snapshot`."""
        self._more(0.0)
        return self._patience.given

    def _more(self, seconds: float) -> float:
        return 0.0 if self._worker is None else self._patience.more(self._worker_pid, seconds)

    def _late(self, seconds: float, of: Span = "call") -> TimedOut:
        if not self._patience.at_its_end:
            return TimedOut(seconds, of)
        self.problem = self.problem or _("the machine was too busy to run it")
        return TimedOut(seconds, "line")

    def close(self) -> None:
        """End the worker and the base."""
        self._drop_worker()
        if self._base is not None:
            self._base.close()
            self._base = None
            self._processes.kill(self._base_pid)
            self.problem = self.problem or _("the snapshot is closed")

    def _converse(self, question: Call, oracles: dict[str, Oracle], seconds: float) -> Answer:
        server = next((oracle.server for oracle in oracles.values() if oracle.server), None)
        worker, deadline = self._asked(question, seconds)
        if server is None:
            reply, blobs = serve(worker, oracles, deadline)
        else:
            try:
                reply, blobs = server.serve(worker.sock, deadline)
            except TooSlow:
                # Who serves cannot see that the call stood in line: it is put once more, from the
                # beginning.
                if (more := self._more(seconds)) <= 0:
                    raise
                self._drop_worker()
                server.begin_again()
                worker, deadline = self._asked(question, seconds + more)
                reply, blobs = server.serve(worker.sock, deadline)
        if "answer" not in reply:
            raise MalformedValue("a reply without an answer")
        value = decode(reply["answer"], blobs)
        return self._known.answer(value, question.args, reply.get("changed"), reply.get("warnings"))

    def _asked(self, question: Call, seconds: float) -> tuple[Channel, float]:
        """The worker, which has got the question, and by when it must have answered."""
        worker, deadline = self._ready_worker(seconds)
        worker.more, worker.put_off = partial(self._more, seconds), 0.0
        blobs: list[bytes] = []
        worker.send(request_of(question, blobs), blobs, deadline=deadline)
        return worker, deadline

    def _ready_worker(self, seconds: float) -> tuple[Channel, float]:
        """The worker, and by when it must have answered: later where it took long to be there."""
        deadline = time.monotonic() + seconds
        if self._worker is None:
            if self._base is None:
                raise Closed
            self._base.more = partial(self._patience.more, self._base_pid, seconds)
            self._base.put_off = 0.0
            try:
                self._processes.permit_fork()
                self._worker, self._worker_pid = fork(self._base, deadline, {"do": "fork"})
            except (Closed, MalformedValue):
                self._lose_base()
                raise
            deadline += self._base.put_off
        return self._worker, deadline

    def _drop_worker(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None
            self._processes.kill(self._worker_pid)

    def _control(self, request: dict[str, Any]) -> dict[str, Any] | None:
        if self._base is None:
            return None
        deadline = time.monotonic() + CONTROL_SECONDS
        try:
            self._base.send(request, deadline=deadline)
            return self._base.receive(deadline)[0]
        except (Closed, TooSlow, MalformedValue):
            self._lose_base()
            return None

    def _lose_base(self) -> None:
        self.problem = self.problem or _("the process ended")
        self.close()


class Budget:
    """Seconds that all cells of a session share, or all calls."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def spend(self, seconds: float) -> None:
        """Take seconds off."""
        self.left -= seconds


def serve(worker: Channel, oracles: Mapping[str, Oracle], deadline: float) -> Frame:
    """Answer for the judge's functions until the call itself is answered: with this frame.

    Raises
    ------
    Closed, TooSlow, MalformedValue.
    """
    deadline -= _waited(oracles)
    asked = worker.receive(deadline + _waited(oracles))
    if "oracle" not in asked[0]:
        return asked
    # For all of it: these cost more than most of the functions.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        while "oracle" in asked[0]:
            tree, out = consult(oracles, *asked)
            later = deadline + _waited(oracles)
            worker.send_packed(_replied(tree, out), deadline=later + worker.put_off)
            asked = worker.receive(later)
    return asked


def oracles_of(question: Call) -> dict[str, Oracle]:
    """What a learner's code may call of the judge's while it answers: the function arguments of
    this very case, and nothing else."""
    return {name: value for name, value in question.args.items() if isinstance(value, Oracle)}


def consult(
    oracles: Mapping[str, Oracle], asked: dict[str, Any], blobs: list[bytes]
) -> tuple[Any, list[bytes]]:
    """The encoded reply to a proxy's call. Proxies among its arguments stand for oracles too.

    Raises
    ------
    MalformedValue where the oracle was not given, or the arguments are no values.
    """

    def given(key: Any) -> Oracle:
        if not isinstance(key, str) or key not in oracles:
            raise MalformedValue("an oracle that was not given")
        return oracles[key]

    oracle, functions = given(asked["oracle"]), asked.get("functions")
    if not functions:
        return oracle.answer(asked.get("args"), blobs)
    args = decode(asked.get("args"), blobs)
    if not isinstance(args, list) or not isinstance(functions, dict):
        raise MalformedValue("arguments that are no list")
    known = {index: given(key) for index, key in functions.items()}
    args = [known.get(str(i), arg) for i, arg in enumerate(args)]
    return reply_of(lambda: oracle(*args))


def _waited(oracles: Mapping[str, Oracle]) -> float:
    """Seconds that calls were on their way to another machine, all in all."""
    return sum(oracle.waited for oracle in oracles.values())


def _replied(tree: Any, blobs: list[bytes]) -> bytes:
    try:
        return packed({"value": tree}, blobs)
    except TooLarge as error:
        return packed({"value": encode(Raised(("ValueError", "Exception"), str(error)))})


def request_of(question: Call, blobs: list[bytes]) -> dict[str, Any]:
    """A question as it is sent."""
    return {
        "do": "call",
        "target": question.target,
        "args": {name: _argument(value, blobs) for name, value in question.args.items()},
        "parameters": question.parameters,
        "probe": question.probe,
    }


def _argument(value: Any, blobs: list[bytes]) -> dict[str, Any]:
    """An argument; an oracle or a generator only by what it is."""
    if isinstance(value, Oracle):
        return {"oracle": value.parameters}
    if isinstance(value, FreshRng):
        return {"rng": secrets.randbits(64)}
    return {"value": encode(value, blobs)}
