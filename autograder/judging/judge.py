"""The judge: holds the references, sends inputs, receives values, decides.

It never executes a learner's code: it is given a `Caller`, which puts a case to the learner's
function wherever that lives, and returns plain values.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograder.exercise import Part
from autograder.judging.cases import Caller as Caller
from autograder.judging.cases import Posed, anew, known_cases, posed
from autograder.judging.cases import case_rng as case_rng
from autograder.judging.cases import fresh_rng as fresh_rng
from autograder.judging.cases import local_caller as local_caller
from autograder.judging.verdict import Trial, Verdict, decide
from autograder.values.calling import by_position, can_change, outcome, plain
from autograder.values.codec import MalformedValue, Raised, decode, encode, weight

MAX_CALLS = 50_000
MAX_WEIGHT = 256 * 2**20


class TooManyCalls(Exception):
    """A function argument was called more often, or with more, than any right answer needs."""


@dataclass
class Oracle:
    """A function argument of a hidden case: evaluated here, counted, and written down.

    The learner's process holds a proxy; what it sends is decoded and validated first.

    waited: seconds that its calls were on their way to another machine, which no learner is
    charged for.
    """

    function: Callable[..., Any]
    limit: int = MAX_CALLS
    calls: list[tuple[tuple[Any, ...], Any]] = field(default_factory=list)
    asked: int = 0
    weight: int = 0
    waited: float = 0.0

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
        self.weight += sum(map(weight, args))
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
        reply = outcome(lambda: self(*args))
        out: list[bytes] = []
        return encode(reply, out), out


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


def run_trials(
    part: Part,
    seed: str,
    caller: Caller,
    *,
    mistaken: bool = True,
    cases: Sequence[Posed] | None = None,
) -> list[Trial]:
    """Put every hidden case of a part to the learner's function.

    mistaken: whether to work out the answers of the known mistakes where a trial fails.
    cases: those of this seed, where they are known already.
    """
    if cases is None:
        cases = posed(part, seed)
    trials = [_trial(case, caller) for case in cases]
    if mistaken and not all(trial.passed for trial in trials):
        for trial, case in zip(trials, cases, strict=True):
            trial.mistaken = {m.name: case.answer(m.wrong) for m in part.mistakes}
    return trials


def judge_all_known(part: Part, seed: str) -> dict[str, Verdict]:
    """The verdicts on a part's own reference (under its name) and on each of its mistakes.

    What `judge` would say of each, with every answer computed once.
    """
    known = {part.name: part.reference, **{m.name: m.wrong for m in part.mistakes}}
    trials = {
        name: run_trials(part, seed, local_caller(target), mistaken=False)
        for name, target in known.items()
    }
    for of_target in trials.values():
        for i, trial in enumerate(of_target):
            trial.mistaken = {m.name: trials[m.name][i].got for m in part.mistakes}
    return {name: decide(part, of_target, reveal=False) for name, of_target in trials.items()}


def _trial(posed: Posed, caller: Caller) -> Trial:
    part, family, case = posed.part, posed.family, posed.case()
    oracles = {
        name: Oracle(value)
        for name, value in case.args.items()
        if callable(value) and not isinstance(value, type)
    }
    answer = caller(part, {**case.args, **oracles})
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
        again = posed.case()
        judged = JudgedCase(
            again.args, again.facts, {n: o.calls for n, o in oracles.items()}, anew(wanted)
        )
        trial.broken = broken_properties(part.properties, answer.value, judged)
    return trial


def broken_properties(properties: Any, answer: Any, case: Any) -> list[str]:
    """The names of the properties that an answer does not have."""
    broken = []
    for rule in properties:
        try:
            holds = bool(rule.holds(answer, case))
        except Exception:
            holds = False
        if not holds:
            broken.append(rule.name)
    return broken


def judge(part: Part, seed: str, caller: Caller, *, stub: bool = True) -> Verdict:
    """The verdict of one grading round on one part. stub: see `decide`."""
    trials = run_trials(part, seed, caller, cases=known_cases(part, seed))
    return decide(part, trials, reveal=False, stub=stub)
