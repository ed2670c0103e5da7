"""Freezing the visible check into data: `checks.json` beside the notebook.

It holds a few frozen cases, their right answers, what each known mistake gives for them, and the
source of what may be handed out: probes, properties and makers of functions. No reference's code
is in it.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import json
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from autograder.code import names, source
from autograder.exercise import AuthorError, Callback, Family, FreshRng, Part, Public
from autograder.judging.judge import case_rng, fresh_rng, local_caller
from autograder.judging.sets import ExerciseSet
from autograder.learning.visible import CHECKS
from autograder.values.calling import bind, call, with_place
from autograder.values.codec import Opaque, Raised, encode
from autograder.values.compare import describe, same

VISIBLE_SEED = "visible"
# A difference quotient with h = 1e-6 has ten digits; no check looks at more than eight.
SAME_DIGITS = 1e-8


def write_visible(exercise_set: ExerciseSet, folder: Path) -> None:
    """Write the `checks.json` of a set into a folder."""
    data = visible_data(exercise_set)
    # A case a line: with an indented line for each number, half of the file would be blanks.
    cases: list[str] = []
    for part in data["parts"].values():
        first = len(cases)
        cases += [json.dumps(case, ensure_ascii=False) for case in part["cases"]]
        part["cases"] = [f"$case {i}$" for i in range(first, len(cases))]
    text = json.dumps(data, indent=1, ensure_ascii=False)
    text = re.sub(r'"\$case (\d+)\$"', lambda found: cases[int(found[1])], text)
    (folder / CHECKS).write_text(text + "\n", "utf-8")


def says_the_same(one: str, other: str) -> bool:
    """Whether two texts of `checks.json` differ in the last digits of numbers at most, as those
    do that were made on different processors."""
    try:
        return _alike(json.loads(one), json.loads(other), 0.0)
    except ValueError:
        return one == other


def _alike(one: Any, other: Any, scale: float) -> bool:
    """scale: the largest of the numbers that stand beside these two."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            _alike(one[k], other[k], scale if k == "data" else 0.0) for k in one
        )
    if isinstance(one, list):
        # Where an answer is a list of arrays, one of them may be nothing but what rounding left.
        scale = max(scale, _largest(one), _largest(other))
        return len(one) == len(other) and all(
            _alike(a, b, scale) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=SAME_DIGITS, abs_tol=SAME_DIGITS * scale)
    return bool(one == other)


def _largest(value: Any) -> float:
    """The largest size of a number in an array, or in a list of arrays."""
    if isinstance(value, dict):
        return _largest(value.get("data"))
    if isinstance(value, list):
        return max(map(_largest, value), default=0.0)
    return abs(value) if isinstance(value, float) and math.isfinite(value) else 0.0


def visible_data(exercise_set: ExerciseSet) -> dict[str, Any]:
    """What `checks.json` holds."""
    return {
        "set": exercise_set.name,
        # Where the set is built it is graded.
        "numpy": np.__version__,
        "public": public_source(exercise_set).splitlines(),
        "parts": {part.name: _part_data(part) for part in exercise_set.parts},
    }


def _part_data(part: Part) -> dict[str, Any]:
    return {
        "exercise": part.exercise,
        "points": part.points,
        "by_value": part.by_value,
        "parameters": part.parameters,
        "probe": part.probe.name if part.probe else None,
        "hints": list(part.hints),
        "after": list(part.after),
        "pure": part.pure,
        "precise": part.precise,
        "returned": part.returned,
        "mistakes": [_told(m) for m in part.mistakes],
        "properties": [
            _told(p) | {"mistake": p.mistake} | ({"last": True} if p.last else {})
            for p in part.properties
        ],
        "remarks": [{"uses": r.uses, "text": r.text} for r in part.remarks],
        **({"asked": part.probe.name} if part.probe and not _takes_its_cases(part) else {}),
        "cases": [case for family in part.families for case in _cases(part, family)],
    }


def _takes_its_cases(part: Part) -> bool:
    """Whether the function itself can be called with what its probe is given."""
    if "." in part.name:
        return False
    names = list(inspect.signature(part.reference).parameters)
    for family in part.families:
        for case in family.draw(case_rng(VISIBLE_SEED, part.name, family.name, 0)):
            ready = {k: fresh_rng() if isinstance(v, FreshRng) else v for k, v in case.args.items()}
            answer = call(bind(part.reference, ready, names), ready).value
            if isinstance(answer, Raised) and answer.name in ("TypeError", "AttributeError"):
                return False
    return True


def _told(thing: Any) -> dict[str, str]:
    return {"name": thing.name, "text": thing.text, "hint": thing.hint}


def _cases(part: Part, family: Family) -> list[dict[str, Any]]:
    """The cases of one draw, each with the answers of the reference and of every mistake."""

    def fresh() -> list[Any]:
        try:
            return family.draw(case_rng(VISIBLE_SEED, part.name, family.name, 0))
        except Exception as error:
            why = f"{part.name}: the generator {family.name} fails: {with_place(error)}"
            raise AuthorError(why) from error

    def answer(target: Any, i: int, seed: int = 0, name: str | None = None) -> Any:
        caller = local_caller(target, make_rng=lambda: np.random.default_rng(seed))
        # A mistake may be to draw from NumPy's own generator: then, too, a build gives the same.
        np.random.seed(seed)
        value = caller(part, fresh()[i].args).value
        if why := unfit(part, family, name, value):
            raise AuthorError(f"{part.name}: {why}")
        # Where in the author's file it was raised, and with which code, is not to be handed out.
        return value.told if isinstance(value, Raised) else value

    def steady(name: str, answered: Any, i: int) -> bool:
        wrong = next(m.wrong for m in part.mistakes if m.name == name)
        return same(answered, answer(wrong, i, 1, name), rtol=part.rtol, atol=part.atol)

    made = []
    for i, case in enumerate(fresh()):
        right = answer(part.reference, i)
        answers = {m.name: answer(m.wrong, i, name=m.name) for m in part.mistakes}
        if any(isinstance(value, FreshRng) for value in case.args.values()):
            # What comes out otherwise with another generator is nobody else's answer.
            answers = {n: a for n, a in answers.items() if steady(n, a, i)}
            # One that is right may have been added up in an order of its own, and in another next
            # time: the last digit would be another in each build.
            answers = {
                n: right if same(a, right, rtol=part.rtol, atol=part.atol) else a
                for n, a in answers.items()
            }
        made.append(
            {
                "family": family.name,
                "about": family.about,
                "args": {k: argument(part, k, v) for k, v in case.args.items()},
                "facts": {k: encode(v) for k, v in case.facts.items()},
                "rtol": part.rtol if case.rtol is None else case.rtol,
                "atol": part.atol if case.atol is None else case.atol,
                "wanted": encode(right),
                "mistaken": {name: encode(value) for name, value in answers.items()},
            }
        )
    return made


def unfit(part: Part, family: Family, mistake: str | None, value: Any) -> str:
    """Why an answer can be no right one, or what a mistake gives; nothing where it can.

    mistake: whose answer it is; None: the reference's.
    """
    who = f"the mistake {mistake}" if mistake else "the reference"
    if isinstance(value, Raised):
        # Mistakes may raise; but not because of a slip in their own code.
        slip = not {*value.names}.isdisjoint(("NameError", "ImportError", "SyntaxError"))
        if slip if mistake else {*value.names}.isdisjoint(re.findall(r"\w+", _docs(part))):
            return (
                f"{who} raises {value.name} in {family.name}: {value.message} "
                f"({inspect.getsourcefile(part.reference)}, line {value.lineno}: {value.line}). "
                + ("Mend it." if slip else "Mend it, or name the exception in its docstring.")
            )
    elif mistake is None and (kind := _opaque(value)):
        return (
            f"the reference gives {kind} back in {family.name}, which nobody can compare: return "
            "numbers, text, arrays, or lists, tuples and dicts of these."
        )
    return ""


def _docs(part: Part) -> str:
    """The docstrings of a reference, and of its methods."""
    things = [part.reference, *vars(part.reference).values()]
    return "\n".join(getattr(thing, "__doc__", None) or "" for thing in things)


def _opaque(value: Any) -> str:
    """What in an answer is no plain value, in words; nothing where all is."""
    if isinstance(value, Opaque):
        return describe(value)
    items = value.values() if isinstance(value, dict) else value
    inside = map(_opaque, items) if isinstance(value, dict | list | tuple) else ()
    return next(filter(None, inside), "")


def argument(part: Part, name: str, value: Any) -> Any:
    """An argument of a case as data.

    Raises
    ------
    AuthorError where a learner's machine cannot make it.
    """
    if isinstance(value, FreshRng):
        return {"$": "rng"}
    if isinstance(value, Callback | Public):
        recipe = value.recipe
        if recipe.args is None:
            return {"$": "public", "name": recipe.maker}
        return {
            "$": "made",
            "by": recipe.maker,
            "args": [argument(part, name, a) for a in recipe.args],
            "kwargs": {k: argument(part, name, a) for k, a in recipe.kwargs.items()},
        }
    if callable(value):
        raise AuthorError(
            f"{part.name}: the argument {name} of a case is a function that the learner's machine "
            "cannot make. Put its maker under @public and call that in the case generator."
        )
    return encode(value)


@functools.lru_cache(maxsize=16)
def public_source(exercise_set: ExerciseSet) -> str:
    """The source of everything public, in the order of the module.

    Raises
    ------
    AuthorError where it needs what is not public, and a learner's machine has not got.
    """
    text = _as_a_module(exercise_set, _public_bodies(exercise_set).values())
    there = set(dir(builtins)).union(*map(names.bound, ast.parse(text).body))
    for function, read in source.globals_read(text).items():
        if missing := sorted(read - there):
            raise AuthorError(
                f"{exercise_set.name}: {function} goes to learners and uses {', '.join(missing)}, "
                "which does not: write it with NumPy and what is @public alone."
            )
    return text


@functools.lru_cache(maxsize=64)
def probe_source(exercise_set: ExerciseSet, probe: str) -> str:
    """The source of one probe and of what it uses: of all that is public the learner's process
    needs no more, and is sent it with every call."""
    bodies = _public_bodies(exercise_set)
    read = source.globals_read("\n\n\n".join(bodies.values()))
    needed = {probe, *source.reached(probe, lambda name: read.get(name, ()))}
    return _as_a_module(exercise_set, (bodies[name] for name in bodies if name in needed))


def _public_bodies(exercise_set: ExerciseSet) -> dict[str, str]:
    """The source of every public function, by name."""
    functions: dict[str, Callable[..., Any]] = {}
    for public in exercise_set.publics:
        functions[public.name] = public.function
    for part in exercise_set.parts:
        extra = [part.probe.function] if part.probe else []
        for function in [*extra, *(p.holds for p in part.properties)]:
            known = functions.setdefault(function.__name__, function)
            if known is not function:
                raise AuthorError(
                    f"{exercise_set.name}: two public functions are called {function.__name__}; "
                    "probes, properties and @public functions share one module: rename one."
                )
    return {name: source.bare(function) for name, function in functions.items()}


def _as_a_module(exercise_set: ExerciseSet, bodies: Iterable[str]) -> str:
    text = "\n\n\n".join(bodies)
    return "\n\n\n".join(["\n".join(_imports(exercise_set, text)), text]) + "\n"


def _imports(exercise_set: ExerciseSet, text: str) -> list[str]:
    """The module's own imports that the public code needs."""
    used = names.used(ast.parse(text))
    lines = []
    for node in names.Names(inspect.getsource(exercise_set.module)).imports:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("autograder"):
            continue
        wanted = [alias for alias in node.names if names.imported_as(node, alias) in used]
        if wanted:
            kept = (
                ast.Import(wanted)
                if isinstance(node, ast.Import)
                else ast.ImportFrom(node.module, wanted, node.level)
            )
            lines.append(ast.unparse(kept))
    return lines
