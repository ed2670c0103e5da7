"""The judge: holds the references, sends inputs, receives values, decides.

It never executes a learner's code: it is given a `Caller`, which puts a case to the learner's
function wherever that lives, and returns plain values.
"""

from __future__ import annotations

import inspect
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from autograder.exercise import Case, Part
from autograder.judging.cases import Caller as Caller
from autograder.judging.cases import Posed, anew, is_function, known_cases, posed
from autograder.judging.cases import case_rng as case_rng
from autograder.judging.cases import fresh_rng as fresh_rng
from autograder.judging.cases import local_caller as local_caller
from autograder.judging.verdict import TimedOut, Trial, Verdict, decide
from autograder.values.calling import Answer, by_position, can_change, outcome, plain
from autograder.values.codec import MalformedValue, Raised, decode, encode, weight

MAX_CALLS = 50_000
MAX_WEIGHT = 256 * 2**20


class TooManyCalls(Exception):
    """A function argument was called more often, or with more, than any right answer needs."""


class Server(Protocol):
    """Who answers for the function arguments of a case in another process."""

    def begin_again(self) -> None:
        """Forget the calls of this case: it is put once more."""
        ...

    def serve(self, asker: socket.socket, deadline: float) -> tuple[dict[str, Any], list[bytes]]:
        """Answer whoever asks on a socket until something else comes, and return that."""
        ...

    def consult(
        self, asked: dict[str, Any], blobs: list[bytes], seconds: float
    ) -> tuple[Any, list[bytes]]:
        """The encoded reply to one question."""
        ...


@dataclass
class Oracle:
    """A function argument of a hidden case: evaluated here, counted, and written down.

    The learner's process holds a proxy; what it sends is decoded and validated first.

    most: how much it may be given at once, as `weight` counts it.
    server: who answers for it elsewhere, where that is not done in this process.
    waited: seconds that its calls were on their way to another machine, which no learner is
    charged for.
    """

    function: Callable[..., Any]
    limit: int = MAX_CALLS
    calls: list[tuple[tuple[Any, ...], Any]] = field(default_factory=list)
    asked: int = 0
    weight: int = 0
    waited: float = 0.0
    most: int = MAX_WEIGHT
    server: Server | None = None

    @property
    def parameters(self) -> list[str] | None:
        """The names of its arguments, for a learner who passes them by name; None if unknown."""
        target = getattr(self.function, "function", self.function)
        try:
            return list(inspect.signature(target).parameters)
        except (TypeError, ValueError):
            return None

    def __call__(self, *args: Any, **named: Any) -> Any:
        if named:
            args = by_position(self.parameters, args, named)
        # Counted before it is known whether the function can do anything with the arguments.
        self.asked += 1
        given = sum(map(weight, args))
        self.weight += given
        if given > self.most:
            raise ValueError("this is far more than any right answer needs to pass here")
        if self.asked > self.limit or self.weight > MAX_WEIGHT:
            raise TooManyCalls(f"more than {self.limit} calls, or {MAX_WEIGHT} bytes in all")
        result = self.function(*(_copied(a) for a in args))
        noted = plain(result)
        self.weight += weight(noted)
        self.calls.append((tuple(plain(a) for a in args), noted))
        return result

    def answer(self, tree: Any, blobs: list[bytes]) -> tuple[Any, list[bytes]]:
        """The reply to a proxy's call: the encoded result, or the exception that it raised."""
        try:
            args = decode(tree, blobs)
        except MalformedValue as error:
            return encode(_refused("TypeError", str(error))), []
        if not isinstance(args, list):
            return encode(_refused("TypeError", "arguments are a list")), []
        return reply_of(lambda: self(*args))


def reply_of(function: Callable[[], Any]) -> tuple[Any, list[bytes]]:
    """What a learner's process is sent of a call of the judge's: its encoded result, or what it
    raised, without the author's own line."""
    reply = outcome(function)
    out: list[bytes] = []
    return encode(reply.told if isinstance(reply, Raised) else reply, out), out


# A learner who takes one for an array reads this name: "'float' and 'function'".
Oracle.__name__ = "function"


def _copied(argument: Any) -> Any:
    """An argument as a function may use it: another of the judge's functions, or plain."""
    return argument if isinstance(argument, Oracle) else plain(argument)


def _refused(name: str, message: str) -> Raised:
    return Raised((name, "Exception"), message)


@dataclass(frozen=True)
class JudgedCase:
    """A case as a property sees it: arguments, facts, the calls that were made of functions."""

    args: dict[str, Any]
    facts: dict[str, Any]
    calls: dict[str, list[tuple[tuple[Any, ...], Any]]]
    expected: Any


class Put:
    """A case that is put to a learner's function: what the judge evaluates at what comes of it.

    oracles: its function arguments, by name. errors: what properties raised, which they should not
    for a right answer.
    """

    def __init__(self, posed: Posed, case: Case, most: int = MAX_WEIGHT) -> None:
        self._posed = posed
        functions = {name: value for name, value in case.args.items() if is_function(value)}
        self.oracles = {name: Oracle(value, most=most) for name, value in functions.items()}
        self.errors: list[Exception] = []

    def broken(self, answer: Any, wanted: Any) -> list[str]:
        """The properties that an answer does not have, by name."""
        again = self._posed.case()
        calls = {name: oracle.calls for name, oracle in self.oracles.items()}
        judged = JudgedCase(again.args, again.facts, calls, anew(wanted))
        return broken_properties(self._posed.part.properties, answer, judged, self.errors.append)


class Putter(Protocol):
    """Makes a `Put`, or what does the same elsewhere."""

    def __call__(self, posed: Any, case: Case) -> Put: ...


def run_trials(
    part: Part,
    seed: str,
    caller: Caller,
    *,
    mistaken: bool = True,
    cases: Sequence[Posed] | None = None,
    put: Putter = Put,
) -> list[Trial]:
    """Put every hidden case of a part to the learner's function.

    mistaken: whether the answers of the known mistakes are to be had where a trial fails.
    cases: those of this seed, where they are known already.
    put: who evaluates functions and properties at what a learner chose.
    """
    if cases is None:
        cases = posed(part, seed)
    trials: list[Trial] = []
    stopped: dict[str, TimedOut] = {}
    for case in cases:
        kind = case.family.name
        # One that does not end fails its kind: the others of it would be waited for in vain.
        trials.append(_trial(case, _late(stopped[kind]) if kind in stopped else caller, put))
        if isinstance(trials[-1].got, TimedOut):
            stopped.setdefault(kind, trials[-1].got)
    if mistaken and not all(trial.passed for trial in trials):
        for trial, case in zip(trials, cases, strict=True):
            trial.mistaken = _Answers(case)
    return trials


def _late(known: TimedOut) -> Caller:
    return lambda part, args: Answer(known)


class _Answers(Mapping[str, Any]):
    """What the known mistakes answer to a case, by name: each is worked out when it is asked for.
    Most of them are ruled out by the first case."""

    def __init__(self, case: Posed) -> None:
        self._case = case
        self._known = {mistake.name: mistake.wrong for mistake in case.part.mistakes}
        self._answers: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._answers:
            self._answers[name] = self._case.answer(self._known[name])
        return self._answers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def judge_all_known(part: Part, seed: str) -> dict[str, Verdict]:
    """The verdicts on a part's own reference (under its name) and on each of its mistakes.

    What `judge` would say of each, with every answer computed once. For the reference alone each
    case is drawn anew for each use: it then fails where a generator does not give the same twice.
    """
    known = {part.name: part.reference, **{m.name: m.wrong for m in part.mistakes}}
    trials = {
        name: run_trials(
            part,
            seed,
            local_caller(target),
            mistaken=False,
            cases=None if target is part.reference else known_cases(part, seed),
        )
        for name, target in known.items()
    }
    for of_target in trials.values():
        for i, trial in enumerate(of_target):
            trial.mistaken = {m.name: trials[m.name][i].got for m in part.mistakes}
    return {name: decide(part, of_target, reveal=False) for name, of_target in trials.items()}


def _trial(posed: Posed, caller: Caller, put: Putter) -> Trial:
    part, family, case = posed.part, posed.family, posed.case()
    placed = put(posed, case)
    answer = caller(part, {**case.args, **placed.oracles})
    wanted = posed.answer(part.reference)
    trial = Trial(
        family.name,
        family.about,
        answer.value,
        wanted,
        {},
        part.rtol if case.rtol is None else case.rtol,
        part.atol if case.atol is None else case.atol,
        given=[name for name, value in case.args.items() if part.pure and can_change(value)],
        changed=answer.changed,
        warnings=answer.warnings,
        by_value=part.by_value,
        precise=part.precise,
    )
    if part.properties and (trial.off is None or trial.off.kind == "value"):
        trial.broken = placed.broken(answer.value, wanted)
    return trial


def broken_properties(
    properties: Any,
    answer: Any,
    case: Any,
    failed: Callable[[Exception], None] = lambda error: None,
) -> list[str]:
    """The names of the properties that an answer does not have. failed: is told what they raise."""
    broken = []
    for rule in properties:
        try:
            holds = bool(rule.holds(answer, case))
        except Exception as error:
            holds = False
            failed(error)
        if not holds:
            broken.append(rule.name)
    return broken


Keep = Callable[[str, list[Trial]], None]


def judge(
    part: Part,
    seed: str,
    caller: Caller,
    *,
    stub: bool = True,
    put: Putter = Put,
    keep: Keep | None = None,
) -> Verdict:
    """The verdict of one grading round on one part. stub: see `decide`; put: see `run_trials`;
    keep: is given the part's name and the trials."""
    trials = run_trials(part, seed, caller, cases=known_cases(part, seed), put=put)
    if keep is not None:
        keep(part.name, trials)
    return decide(part, trials, reveal=False, stub=stub)
