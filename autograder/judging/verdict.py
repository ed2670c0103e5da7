"""From the trials of a graded part to a verdict: points, the mistake's name, and what to say.

The learner's check and the hidden judge share this: only `reveal` differs. A hidden case's
inputs and right answers are never put in a text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, Protocol

from autograder.exercise import WHOLE_NUMBERS
from autograder.i18n import _
from autograder.values.calling import DEBUGGER
from autograder.values.codec import ASKING, Opaque, Raised, weight
from autograder.values.compare import Difference, describe, difference, same, type_name

Status = Literal["passed", "partial", "wrong", "error", "timeout", "not_attempted", "missing"]

# An answer of so many times the right one's size, and so many bytes more, is no answer to it. (A
# list of numbers weighs several times what an array of them does.)
TIMES = 16
ROOM = 2**14

Span = Literal["call", "function", "notebook", "line"]
# What besides the code had a hand in how it ended, so that another run may say otherwise: the
# clock, which stopped what had had all its time; or a death, a busy machine, a lack of time.
Chance = Literal["", "clock", "accident"]

# What to do about an answer of the wrong type, by its name.
OF_NO_NUMBERS = _("np.array(list(...)) makes an array of what comes out of it.")
NOT_CALLED = _("It is returned and not called: are parentheses missing?")
PLAIN = _("np.asarray makes a plain array of it.")
HINTS = {
    **dict.fromkeys(("generator", "map", "filter", "zip", "range", "reversed"), OF_NO_NUMBERS),
    **dict.fromkeys(("enumerate", "dict_keys", "dict_values", "dict_items"), OF_NO_NUMBERS),
    **dict.fromkeys(("list_iterator", "tuple_iterator", "deque"), OF_NO_NUMBERS),
    **dict.fromkeys(("set", "frozenset"), _("A set has no order: collect in a list.")),
    **dict.fromkeys(
        ("function", "method", "builtin_function_or_method", "ufunc", "type"), NOT_CALLED
    ),
    **dict.fromkeys(("matrix", "recarray", "MaskedArray", "Series", "DataFrame"), PLAIN),
    "coroutine": _("async def makes a coroutine: write def."),
    "async_generator": _("async def and yield make something that nobody waits for: write def."),
    "ellipsis": _("... stands for what is still to be written."),
    "Tensor": _(".detach().numpy() makes an array of a tensor."),
    **dict.fromkeys(
        ("complex", "complex64", "complex128"),
        _("It is a complex number: np.abs gives its size, .real its real part."),
    ),
}
ONE_NUMBER = _("A single number is asked for, and not several.")
SEVERAL = _("Several things are asked for, one after the other, as in return a, b.")

# A kind of case that every function has whose arguments could be changed, and the mistake's name.
AS_THEY_WERE = "arguments_as_they_were"
CHANGES_ARGUMENTS = "changes_its_arguments"
# The mistake of who is right but for arrays of whole numbers.
CUTS = "cuts_to_whole_numbers"
EVERYBODYS = (AS_THEY_WERE, WHOLE_NUMBERS)
# Of a function that is wrong in some kind of case, so much of the share of the kinds counts: the
# rest is for being right in all of them.
FOR_SOME_KINDS = 0.5


@dataclass(frozen=True)
class TimedOut:
    """A call that did not come back in time, or was not made any more.

    of: whose the seconds are: of this call, or of all calls of its function or notebook; "line":
    of a call that mostly waited for a processor.
    """

    seconds: float
    of: Span = "call"


@dataclass(frozen=True)
class Died:
    """A call that took the learner's process down with it."""

    reason: str


class Named(Protocol):
    """A mistake or property as far as telling it goes."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def hint(self) -> str: ...


class Told(Protocol):
    """A part as far as telling goes: a solution's `Part`, or the same from `checks.json`."""

    name: str
    points: float
    by_value: bool

    @property
    def parameters(self) -> Sequence[str]: ...
    @property
    def returned(self) -> Sequence[str]: ...
    @property
    def mistakes(self) -> Sequence[Named]: ...
    @property
    def properties(self) -> Sequence[Any]: ...


@dataclass
class Trial:
    """One case put to the learner's function, and everything known about its answer.

    given: the arguments that must be as they were afterwards; changed: those that are not.
    """

    family: str
    about: str
    got: Any
    wanted: Any
    mistaken: Mapping[str, Any]
    rtol: float
    atol: float
    broken: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    call: str = ""
    by_value: bool = True
    precise: bool = True

    @cached_property
    def off(self) -> Difference | None:
        """The first difference from the right answer; of an answer that is not unique, only
        whether it is the right sort of thing at all."""
        found = difference(
            self.got, self.wanted, rtol=self.rtol, atol=self.atol, precise=self.precise
        )
        if found is not None and self.by_value:
            return found
        # Properties look at every number, some at each pair of them.
        if weight(self.got) > TIMES * weight(self.wanted) + ROOM:
            return Difference("size", describe(self.got), describe(self.wanted))
        if found is None:
            return None
        return found if _is_gross(found) else None

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        if isinstance(self.got, TimedOut | Died):
            return False
        return not self.broken and self.off is None

    @property
    def spoilt(self) -> list[str]:
        """The arguments that should have been left as they were."""
        return [name for name in self.given if name in self.changed]

    def matches(self, mistake: str) -> bool:
        """Whether the answer is the one that a known mistake gives."""
        if mistake not in self.mistaken or isinstance(self.got, TimedOut | Died):
            return False
        return same(self.got, self.mistaken[mistake], rtol=self.rtol, atol=self.atol)

    def agrees(self, mistake: str) -> bool:
        """Whether the answer is one that who makes a known mistake gives. Right answers that are
        not unique differ from each other: there the mistake's need only be of the right sort."""
        if self.matches(mistake):
            return True
        if self.by_value or not self.passed or mistake not in self.mistaken:
            return False
        found = difference(self.mistaken[mistake], self.wanted, rtol=self.rtol, atol=self.atol)
        return found is None or not _is_gross(found)


def _is_gross(found: Difference) -> bool:
    return found.kind in ("type", "raised", "no_raise", "finite") and not found.where


@dataclass
class Verdict:
    """What a part gets, and what its learner is told.

    message: the first sentence; hint: what to try; where: the kind of case that fails, if only
    some do; detail: visible cases only, the call with what was got and wanted; line: the learner's
    own line that raised.
    families: which kinds of cases passed. remarks: advice that costs nothing.
    flagged: why an instructor should look at this, or None. by_chance: see `Chance`.
    """

    part: str
    status: Status
    points: float
    max_points: float
    mistake: str | None = None
    message: str = ""
    hint: str = ""
    where: str = ""
    detail: str = ""
    line: str = ""
    families: dict[str, bool] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    mend_first: str | None = None
    flagged: str | None = None
    by_chance: Chance = ""

    def to_json(self) -> dict[str, Any]:
        """Everything, as it is sent, kept and written down."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        """What `to_json` made. What another version had besides is left out."""
        return cls(**{f.name: data[f.name] for f in fields(cls) if f.name in data})


def decide(part: Told, trials: Sequence[Trial], *, reveal: bool, stub: bool = True) -> Verdict:
    """The verdict on a part from all of its trials.

    A kind of case counts when all its draws pass. Half of the points are for being right in all
    kinds, half for the share of kinds in which it is. Two kinds that every function may have cost
    one share and no more: arrays of whole numbers, and arguments left as they were.
    stub: whether its own code may be what raises NotImplementedError.
    """
    families: dict[str, bool] = {}
    for trial in trials:
        families[trial.family] = families.get(trial.family, True) and trial.passed
    if any(trial.given for trial in trials):
        families[AS_THEY_WERE] = not any(trial.spoilt for trial in trials)
    points = round(part.points * _share(families), 2)
    verdict = Verdict(part.name, "wrong", points, part.points, families=families)
    failed = [trial for trial in trials if not trial.passed or trial.spoilt]
    verdict.by_chance = _chance(trials)
    if trials and not failed:
        verdict.status = "passed"
        verdict.message = _("Correct.")
        verdict.remarks = _advice(trials)
        return verdict
    if stub and all(_is_stub(trial.got) for trial in trials):
        verdict.status = "not_attempted"
        verdict.points = 0.0
        verdict.message = _("Not attempted yet: the body still raises NotImplementedError.")
        return verdict
    first = _explain(part, trials, failed, verdict, reveal)
    if not stub and _is_stub(first.got):
        verdict.message = _("It calls a function whose body still raises NotImplementedError.")
    verdict.status = _status(verdict, first)
    return verdict


def _chance(trials: Sequence[Trial]) -> Chance:
    found = [trial.got for trial in trials if isinstance(trial.got, TimedOut | Died)]
    if not found:
        return ""
    stopped = all(isinstance(got, TimedOut) and got.of == "call" for got in found)
    return "clock" if stopped else "accident"


def _share(families: Mapping[str, bool]) -> float:
    own = [passed for name, passed in families.items() if name not in EVERYBODYS]
    if not own:
        return 0.0
    share = 1.0 if all(own) else FOR_SOME_KINDS * sum(own) / len(own)
    # Who writes into an argument fails with whole numbers for that alone.
    lost = not all(families.get(name, True) for name in EVERYBODYS)
    return share * (1 - lost / len(families))


def missing(part: Told, message: str, *, flagged: str | None = None) -> Verdict:
    """The verdict on a part that could not be judged at all: zero."""
    return Verdict(part.name, "missing", 0.0, part.points, message=message, flagged=flagged)


def _is_stub(got: Any) -> bool:
    """Whether an empty body raised it: a library's own comes of a line that says something else."""
    if not isinstance(got, Raised) or got.name != "NotImplementedError":
        return False
    return not got.line or "NotImplementedError" in got.line


def _status(verdict: Verdict, first: Trial) -> Status:
    if verdict.points > 0:
        return "partial"
    if isinstance(first.got, TimedOut):
        return "timeout"
    if verdict.mistake is None and isinstance(first.got, Raised | Died):
        return "error"
    return "wrong"


@dataclass(frozen=True)
class _Story:
    """What explains a failure: whose text is told, under which name, and a trial that shows it."""

    trial: Trial
    mistake: str | None = None
    told: Named | None = None


def _story(part: Told, trials: Sequence[Trial], failed: Sequence[Trial]) -> _Story:
    """The likeliest explanation of what failed.

    A known mistake's answers agree with all that came back, where that is right too. Of the
    properties the one that explains most of the failed kinds counts, the first of several, whether
    or not it has a mistake's name; if other answers are not even of the right sort in more kinds
    than that, that is told.
    """
    wrong = [trial for trial in failed if not trial.passed]
    if not wrong:
        return _Story(failed[0], CHANGES_ARGUMENTS)
    if all(trial.family == WHOLE_NUMBERS for trial in wrong):
        spoilt = [trial for trial in failed if trial.spoilt]
        # What cannot be written into an array of whole numbers should not be written there.
        return _Story(*((spoilt[0], CHANGES_ARGUMENTS) if spoilt else (wrong[0], CUTS)))
    # Who makes a mistake may cut to whole numbers besides.
    trials = [trial for trial in trials if trial.family != WHOLE_NUMBERS]
    wrong = [trial for trial in wrong if trial.family != WHOLE_NUMBERS]
    known = {mistake.name: mistake for mistake in part.mistakes}
    for fits in (Trial.matches, Trial.agrees):
        for name, mistake in known.items():
            if all(fits(trial, name) for trial in trials):
                return _Story(wrong[0], name, mistake)
    kinds = {p.name: {t.family for t in wrong if p.name in t.broken} for p in part.properties}
    likeliest = max(
        part.properties, key=lambda p: len(kinds[p.name]) / (2 if p.last else 1), default=None
    )
    gross = [trial for trial in wrong if not trial.broken]
    if likeliest and len(kinds[likeliest.name]) >= max(1, len({t.family for t in gross})):
        shows = next(trial for trial in wrong if likeliest.name in trial.broken)
        return _Story(shows, likeliest.mistake, known.get(likeliest.mistake, likeliest))
    first = (gross or wrong)[0]
    if all(trial.spoilt and _is_value(trial) for trial in wrong):
        return _Story(first, CHANGES_ARGUMENTS)
    return _Story(first)


def _is_value(trial: Trial) -> bool:
    return trial.off is not None and trial.off.kind == "value"


def _explain(
    part: Told, trials: Sequence[Trial], failed: list[Trial], verdict: Verdict, reveal: bool
) -> Trial:
    """Say what is wrong. Returns the trial that shows it."""
    story = _story(part, trials, failed)
    first = story.trial
    verdict.mistake = story.mistake
    if story.told is not None:
        verdict.message, verdict.hint = _(story.told.text), _(story.told.hint)
    elif story.mistake == CHANGES_ARGUMENTS:
        verdict.message = _changes({name for trial in failed for name in trial.spoilt})
        verdict.hint = _(
            "x -= ... and x[i] = ... write into the array of whoever called; x = x - ... makes a "
            "new one, and so does x.copy()."
        )
    elif story.mistake == CUTS:
        verdict.message = _("It is right for floats, and goes wrong with arrays of whole numbers.")
        verdict.hint = _(
            "x.copy(), np.zeros_like(x) and np.empty_like(x) hold whole numbers if x does, and cut "
            "off what is written into them. np.asarray(x, dtype=np.float64) makes floats first."
        )
    else:
        verdict.message = _what_is_off(part, first, reveal)
        if first.off is not None and first.off.kind in ("type", "dtype"):
            verdict.hint = _about_type(first.got, first.off)
    if isinstance(first.got, Raised):
        verdict.line = first.got.line
    own = [passed for name, passed in verdict.families.items() if name not in EVERYBODYS]
    if not first.passed and any(own):
        verdict.where = _(first.about)
    if reveal:
        verdict.detail = _detail(part, first)
    verdict.remarks = [text for text in _advice(failed) if text != verdict.message]
    return first


def _about_type(got: Any, off: Difference) -> str:
    """What to do about an answer of the wrong type, or about an array's."""
    if off.where:
        return ""
    if off.wanted in ("bool", "float", "int") and isinstance(got, list | tuple):
        return ONE_NUMBER
    if off.wanted.startswith("tuple of "):
        return SEVERAL
    return HINTS.get(off.got if off.kind == "dtype" else type_name(got), "")


def _changes(names: set[str]) -> str:
    one, *more = sorted(names, reverse=True)
    if not more:
        return _("It changes its argument {name}: work on a copy.").format(name=one)
    return _("It changes its arguments {names} and {name}: work on copies.").format(
        names=", ".join(reversed(more)), name=one
    )


def _what_is_off(part: Told, trial: Trial, reveal: bool) -> str:
    """The first thing that is off, in a sentence."""
    if isinstance(trial.got, TimedOut):
        sentences = {
            "call": _("It was still running after {seconds:g} seconds: an endless loop?"),
            "function": _("Its calls took more than {seconds:g} seconds in all: too slow."),
            "notebook": _(
                "It was not called any more: the calls of this notebook's functions took more than "
                "{seconds:g} seconds in all."
            ),
            "line": _(
                "It could not be run to its end: others kept this machine busy. Your instructor "
                "has been told."
            ),
        }
        return sentences[trial.got.of].format(seconds=trial.got.seconds)
    if isinstance(trial.got, Died):
        return _("It took Python itself down ({reason}).").format(reason=trial.got.reason)
    off = trial.off
    assert off is not None
    place = _place(part, off)
    at = ""
    if off.index is not None:
        at = (_(", at index {index}") if place else _(" at index {index}")).format(
            index=_index(off.index)
        )
    got = off.got if reveal else off.got.partition(" of ")[0]
    return _sentence(off, trial, reveal).format(got=got, wanted=off.wanted, place=place + at)


def _place(part: Told, off: Difference) -> str:
    """Where it is off inside of what came back: in one of the things that the docstring names, or
    under the name that a probe gave it."""
    if not off.where:
        return ""
    named = _named(part, off)
    if named:
        return _(" in {name}").format(name=named)
    place = _(" in {where} of what it returns") if off.where[0] == "[" else _(" in {where}")
    return place.format(where=off.where)


def _named(part: Told, off: Difference) -> str:
    """What the docstring calls the returned thing that is off, or nothing."""
    found = re.match(r"\[(\d+)\]", off.where)
    if not found or int(found[1]) >= len(part.returned):
        return ""
    name = part.returned[int(found[1])] + off.where[found.end() :]
    return _("the new {name}").format(name=name) if name in part.parameters else name


def _sentence(off: Difference, trial: Trial, reveal: bool) -> str:
    if off.kind == "raised":
        got = trial.got
        if isinstance(got, Raised) and not {*ASKING}.isdisjoint(got.names):
            return _(
                "It asks for input, and nobody answers while it is tried: what it needs stands in "
                "its arguments."
            )
        if reveal and isinstance(got, Raised) and got.message:
            return "{got}: " + got.message.replace("{", "{{").replace("}", "}}")
        if isinstance(got, Raised) and (named := about_a_name(got)):
            return _("It raises {got}: {text}.").format(got="{got}", text=named)
        return _("It raises {got}.")
    if off.kind == "type" and isinstance(trial.got, type(None)) and not off.where:
        return _("It returns None: is a return missing?")
    if off.kind == "shape" and not reveal:
        return _("The shape{place} is wrong.")
    if off.kind == "length" and not reveal:
        return _("It returns the wrong number of values{place}.")
    if off.kind == "type" and not reveal and isinstance(trial.wanted, list | tuple):
        return _("What comes back{place} is of the wrong type: {got}.")
    sentences = {
        "no_raise": _("It returns {got}, where it should raise {wanted}."),
        "type": _("It returns {got}{place}; wanted: {wanted}."),
        "length": _("It returns {got} values{place}; wanted: {wanted}."),
        "shape": _("The shape is {got}{place}; wanted: {wanted}."),
        "dtype": _("The dtype is {got}{place}; wanted: {wanted}."),
        "finite": _("A number that is not finite{place}: {got}."),
        "value": _("The value is wrong{place}."),
        "size": _("What comes back is far larger than what is asked for."),
    }
    if off.kind == "type" and not reveal:
        return _("It returns the wrong type{place}: {got}.")
    if off.kind == "no_raise" and not reveal:
        return _("It returns a value where it should raise {wanted}.")
    return sentences[off.kind]


# What Python says of a name that it does not find.
OF_A_NAME = re.compile(
    r"(?:name|No module named|cannot access (?:local|free) variable|has no attribute)"
    r" '(\w+)'(?: is not defined)?"
)
WHO_NAMES = {"AttributeError", "ImportError", "NameError"}


def about_a_name(error: Raised) -> str:
    """What an exception says of a name that stands in the learner's own line, or nothing: so much
    of its message tells no more than the line does."""
    found = OF_A_NAME.search(error.message) if WHO_NAMES & {*error.names} else None
    stands_there = found is not None and found[1] in re.findall(r"\w+", error.line)
    return found[0] if found is not None and stands_there else ""


def unknown_name(message: str) -> str:
    """The name of which a NameError's message says that it is not defined, or nothing."""
    found = re.match(r"name '(\w+)' is not defined", message)
    return found[1] if found else ""


def _index(index: tuple[int, ...]) -> str:
    return "[" + ", ".join(str(i) for i in index) + "]"


def _detail(part: Told, trial: Trial) -> str:
    """Visible cases: the call, and what was got and wanted where the first number is off."""
    lines = [trial.call] if trial.call else []
    off = trial.off
    if off is not None and off.kind in ("value", "finite"):
        named = _named(part, off) or (off.where if off.where[:1] != "[" else "")
        at = (named or off.where) + (_index(off.index) if off.index is not None else "")
        where = (_(" in {at}") if named else _(" at index {at}")).format(at=at) if at else ""
        lines.append(
            _("got {got}, wanted {wanted}{where}").format(
                got=off.got, wanted=off.wanted, where=where
            )
        )
    elif trial.broken and not isinstance(trial.got, Raised | Opaque | TimedOut | Died):
        lines.append(_("got {got}").format(got=_short(trial.got)))
    return "\n".join(lines)


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 160 else text[:157] + "..."


def _advice(trials: Sequence[Trial]) -> list[str]:
    """What is said besides: arguments changed in place, a debugger, NumPy's warnings."""
    spoilt = {name for trial in trials for name in trial.spoilt}
    remarks = [_changes(spoilt)] if spoilt else []
    warned = {w for trial in trials for w in trial.warnings}
    if DEBUGGER in warned:
        remarks.append(
            _(
                "It calls a debugger (breakpoint or pdb), which is passed over here: take that "
                "out. To look into a call, make it by yourself."
            )
        )
    for text in sorted(warned - {DEBUGGER})[:3]:
        remarks.append(_("NumPy warns: {text}").format(text=text))
    return remarks
