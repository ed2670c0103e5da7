"""`autograder lint`: proves that a set's hidden checks can tell right from wrong.

Every complaint names the part, says what was found and how to mend it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograder.code import source
from autograder.exercise import WHOLE_NUMBERS, AuthorError, Case, FreshRng, Part
from autograder.judging.cases import KnownCase, Posed, anew, known_cases
from autograder.judging.judge import Put, case_rng, judge_all_known, local_caller, run_trials
from autograder.judging.sets import ExerciseSet
from autograder.judging.verdict import AS_THEY_WERE, FOR_SOME_KINDS, Trial
from autograder.learning.visible import load_public
from autograder.release.cheap import (
    Place,
    at,
    expressions,
    may_be,
    of_right_shape,
    places,
    put,
    whole_answers,
)
from autograder.release.freeze import argument, public_source, unfit, visible_data
from autograder.release.notebook import instructor_notebook
from autograder.values.calling import Answer, plain, with_place
from autograder.values.codec import Raised
from autograder.values.compare import same

FEWEST_MISTAKES = 3
# What an answer may keep of the points that ignores what its function is about.
CHEAP = 1 / 3
Kinds = frozenset[str]
FAR_OFF = object()


@dataclass(frozen=True)
class Complaint:
    """Something that an author must mend."""

    part: str
    text: str

    def __str__(self) -> str:
        return f"{self.part}: {self.text}"


def lint(
    exercise_set: ExerciseSet,
    seeds: list[str],
    *,
    tick: Callable[[], None] = lambda: None,
) -> list[Complaint]:
    """All complaints about a set; `tick` is called after each part."""
    found = [c for part in exercise_set.parts for c in _about_declarations(part)]
    broken = {complaint.part for complaint in found}
    found += _about_the_set(exercise_set, frozen=not broken)
    for part in exercise_set.parts:
        if part.name not in broken:
            found += _about_answers(part, seeds)
        tick()
    return found


def _about_the_set(exercise_set: ExerciseSet, *, frozen: bool) -> Iterator[Complaint]:
    """What the build would stumble over; visible cases are frozen only from sound parts."""
    for work in (visible_data, instructor_notebook) if frozen else (instructor_notebook,):
        try:
            work(exercise_set)
        except AuthorError as error:
            yield Complaint(exercise_set.name, str(error))
    try:
        load_public(public_source(exercise_set))
    except AuthorError as error:
        yield Complaint(exercise_set.name, str(error))
    except Exception as error:
        yield Complaint(
            exercise_set.name,
            f"its public code cannot be imported by itself ({type(error).__name__}: {error}). "
            "Public functions may use NumPy, each other and nothing else of the module.",
        )


def _about_declarations(part: Part) -> Iterator[Complaint]:
    if not part.families:
        yield Complaint(part.name, f"has no cases: add a generator with @{part.exercise}.cases.")
    if len(part.mistakes) < FEWEST_MISTAKES:
        yield Complaint(
            part.name,
            f"knows {len(part.mistakes)} mistakes; learners make more: declare at least "
            f"{FEWEST_MISTAKES} with @{part.exercise}.mistake.",
        )
    if not part.by_value and not part.properties:
        yield Complaint(part.name, "has by_value=False and no property: nothing would be judged.")
    known = {m.name for m in part.mistakes}
    for rule in part.properties:
        if rule.mistake is not None and rule.mistake not in known:
            yield Complaint(
                part.name,
                f"the property {rule.name} names the mistake {rule.mistake}, which is not "
                f"declared; there are: {', '.join(sorted(known)) or 'none'}.",
            )
    for family in part.families:
        yield from _about_family(part, family)


def _about_family(part: Part, family: Any) -> Iterator[Complaint]:
    try:
        cases = family.draw(case_rng("lint", part.name, family.name, 0))
    except Exception as error:
        yield Complaint(part.name, f"the generator {family.name} fails: {with_place(error)}.")
        return
    if not cases:
        yield Complaint(part.name, f"the generator {family.name} yields no case.")
    needed = {
        name
        for name, parameter in part.signature.parameters.items()
        if parameter.default is inspect.Parameter.empty
    }
    for case in cases:
        unknown = case.args.keys() - set(part.parameters)
        absent = needed - case.args.keys()
        if unknown or absent:
            yield Complaint(
                part.name,
                f"the generator {family.name} gives {sorted(case.args)}; the arguments are "
                f"{part.parameters}. "
                + (f"Unknown: {sorted(unknown)}. " if unknown else "")
                + (f"Missing: {sorted(absent)}." if absent else ""),
            )
            return
        try:
            for name, value in case.args.items():
                argument(part, name, value)
        except AuthorError as error:
            yield Complaint(part.name, str(error).removeprefix(f"{part.name}: "))
            return
        yield from _about_arguments(part, family, case)
        known: dict[str | None, Any] = {
            None: part.reference,
            **{m.name: m.wrong for m in part.mistakes},
        }
        for whose, target in known.items():
            answer = local_caller(target)(part, anew(case).args).value
            if why := unfit(part, family, whose, answer):
                yield Complaint(part.name, why)
                return


def _about_arguments(part: Part, family: Any, case: Case) -> Iterator[Complaint]:
    """Arguments must survive the way to another process."""
    for name, value in case.args.items():
        if callable(value) or isinstance(value, FreshRng):
            continue
        if not same(plain(value), value, rtol=0.0, atol=0.0):
            yield Complaint(
                part.name,
                f"the argument {name} of {family.name} is a {type(value).__name__}, which cannot "
                "be sent to the learner's process. Use plain numbers, text, lists, dicts, arrays, "
                "or build the object in a probe.",
            )


def _about_answers(part: Part, seeds: list[str]) -> Iterator[Complaint]:
    yield from _verdicts_are_right(part, seeds)
    yield from _cheap_answers_earn_little(part, seeds[0])


def _verdicts_are_right(part: Part, seeds: list[str]) -> Iterator[Complaint]:
    """The reference passes; every mistake loses points, as many with each seed, and is told by its
    name."""
    kept: dict[str, list[str]] = {}
    marks: dict[str, dict[float, str]] = {}
    mistold: dict[str, tuple[str, str | None]] = {}
    spoilers: set[str] = set()
    for seed in seeds:
        verdicts = judge_all_known(part, seed)
        own = verdicts.pop(part.name)
        if own.status != "passed":
            failed = [name for name, passed in own.families.items() if not passed]
            why = next(_raised_by_properties(part, seed), own.message)
            yield Complaint(
                part.name,
                f"the reference itself fails {', '.join(failed)} with seed {seed}: {why}",
            )
            return
        for name, verdict in verdicts.items():
            marks.setdefault(name, {}).setdefault(verdict.points, seed)
            if verdict.families.get(AS_THEY_WERE) is False:
                spoilers.add(name)
            elif verdict.status == "passed":
                kept.setdefault(name, []).append(seed)
            elif verdict.mistake != name:
                mistold.setdefault(name, (seed, verdict.mistake))
    for name in sorted(spoilers):
        yield Complaint(
            part.name,
            f"the mistake {name} changes its arguments: every function has a kind of case for that "
            "already; leave it out, or let it work on a copy.",
        )
    for name, passing in kept.items():
        yield Complaint(
            part.name,
            f"no case tells the mistake {name} from the reference with seed {passing[0]} "
            f"({len(passing)} of {len(seeds)} seeds): add a case generator in which its answer "
            "differs.",
        )
    for name, seen in marks.items():
        if len(seen) > 1 and name not in kept:
            yield Complaint(part.name, depends_on_the_draw(name, seen))
    for name, (seed, told) in mistold.items():
        yield Complaint(
            part.name,
            f"the mistake {name} is told as {told or 'none'} with seed {seed}: add a case in "
            "which the two differ, or make them one.",
        )


def depends_on_the_draw(name: str, seen: dict[float, str]) -> str:
    """What to say of a mistake whose marks (each with a seed that gives it) are not always the
    same."""
    each = " and ".join(f"{points:g} with seed {seed}" for points, seed in sorted(seen.items()))
    return (
        f"the mistake {name} gets {each}: two learners who make it should get the same. Let every "
        "draw of a kind show it, or none."
    )


def _raised_by_properties(part: Part, seed: str) -> Iterator[str]:
    """What properties raise of the reference's own answers: a learner's would only be wrong."""
    made: list[Put] = []

    def put(posed: Posed, case: Case) -> Put:
        made.append(Put(posed, case))
        return made[-1]

    run_trials(part, seed, local_caller(part.reference), mistaken=False, put=put)
    for placed in made:
        yield from (f"a property fails: {with_place(error)}" for error in placed.errors)


def _cheap_answers_earn_little(part: Part, seed: str) -> Iterator[Complaint]:
    """Answers that ignore what a function is about: constants earn nothing, and short expressions
    of the arguments, of which one or another may be right in a kind, a third of the points. Of a
    class, or of what is asked by a probe, it is what the probe returns."""
    cases = known_cases(part, seed)
    trials = run_trials(part, seed, local_caller(part.reference), cases=cases)
    # A right answer that is one of many is cheap for nobody.
    constants = _distinct([trial.wanted for trial in trials])[:4] if part.by_value else []
    for answer in constants:
        passed = _right_in(part, cases, trials, [answer] * len(trials))
        if passed:
            yield Complaint(
                part.name,
                f"a function that always answers {answer!r} passes {', '.join(sorted(passed))}: "
                "let the generator yield cases with different answers.",
            )
    everything = frozenset(trial.family for trial in trials) - {WHOLE_NUMBERS}
    found = {frozenset(): "nothing", **_cheap_answers(part, cases, trials)}
    # Who writes all of it has understood.
    found.pop(everything, None)
    pairs = [(one | other, one, other) for one in found for other in found]
    best, one, other = max(pairs, key=lambda pair: len(pair[0]))
    share = 1.0 if best == everything else FOR_SOME_KINDS * len(best) / len(everything)
    if share > CHEAP:
        yield Complaint(
            part.name,
            f"{found[one]} is right in {', '.join(sorted(one)) or 'no kind'}, {found[other]} in "
            f"{', '.join(sorted(other)) or 'no kind'}: an if between them would keep {share:.0%} "
            "of the points. Let each kind yield a case that neither knows.",
        )


def _cheap_answers(part: Part, cases: list[KnownCase], trials: list[Trial]) -> dict[Kinds, str]:
    """Cheap answers by the kinds in which they are right. Of several things that are returned each
    is looked at by itself: whoever has an expression for each has all."""
    args = [case.case().args for case in cases]
    wanted = [trial.wanted for trial in trials]
    found: dict[Kinds, str] = {}
    if not part.by_value:
        for text, answers in whole_answers(args, wanted):
            found.setdefault(_right_in(part, cases, trials, answers) - {WHOLE_NUMBERS}, text)
        return found
    at_places = {place: [at(answer, place) for answer in wanted] for place in places(wanted)}
    right: dict[Place, dict[Kinds, str]] = {place: {} for place in at_places}
    families = frozenset(trial.family for trial in trials)

    def look(place: Place, text: str, values: list[Any]) -> None:
        # What is far off need not be compared with care.
        off: set[str] = set()
        for trial, value, there in zip(trials, values, at_places[place], strict=True):
            if trial.family not in off and not may_be(value, there):
                off.add(trial.family)
        if len(off) == len(families):
            right[place].setdefault(frozenset(), text)
            return
        answers = [
            FAR_OFF if trial.family in off else put(trial.wanted, place, value)
            for trial, value in zip(trials, values, strict=True)
        ]
        kinds = _right_in(part, cases, trials, answers) - {WHOLE_NUMBERS}
        right[place].setdefault(kinds, text)

    for place, there in at_places.items():
        for text, values in of_right_shape(there):
            look(place, text, values)
    for text, values in expressions(args):
        for place in at_places:
            look(place, text, values)
    found[families - {WHOLE_NUMBERS}] = ""
    for here in right.values():
        found = {
            before & now: ", ".join(filter(None, [others, text]))
            for before, others in found.items()
            for now, text in here.items()
        }
    return found


def _right_in(part: Part, cases: list[KnownCase], trials: list[Trial], answers: list[Any]) -> Kinds:
    """The kinds in which these answers are right, one for each trial."""
    put_to = list(zip(trials, answers, strict=True))
    off = {trial.family for trial, answer in put_to if answer is FAR_OFF}
    if part.by_value:
        tried = [replace(trial, got=got) for trial, got in put_to if trial.family not in off]
    else:
        said = iter(answers)
        with np.errstate(all="ignore"):
            tried = run_trials(
                part, "", lambda part, args: Answer(next(said)), cases=cases, mistaken=False
            )
    off |= {trial.family for trial in tried if not trial.passed}
    return frozenset(trial.family for trial in trials) - off


def _distinct(answers: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for answer in answers:
        if not isinstance(answer, Raised) and not any(
            same(answer, other, rtol=1e-12, atol=0) for other in kept
        ):
            kept.append(answer)
    return kept


def released_leaks(exercise_set: ExerciseSet, released: str) -> list[str]:
    """The names of references whose body stands in a released text, compared as syntax."""
    leaks = []
    bodies = source.bodies(released)
    for exercise in exercise_set.exercises:
        for name, body in source.own_bodies(exercise.reference):
            if body in bodies:
                leaks.append(name)
    return leaks
