"""`check(function)` and `hint(function)`: the learner's side.

Works from the files beside the notebook alone. In a notebook a pass is a quiet panel, and what
fails ends in an error output that holds the message and the learner's own line, so that
nbgrader's Validate button sees it too. In a terminal it is plain text.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import difflib
import html
import inspect
import linecache
import os
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType, FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from autograder.code import source
from autograder.code.source import reached
from autograder.exercise import FreshRng
from autograder.i18n import _
from autograder.judging.judge import Oracle, broken_properties
from autograder.judging.mending import STUB, first_to_mend
from autograder.judging.show import framed, lines, panel
from autograder.judging.verdict import Trial, Verdict, decide, missing
from autograder.learning.visible import (
    CHECKS,
    Named,
    VisibleCase,
    VisiblePart,
    call_of,
    makers_in,
    read_visible,
)
from autograder.values.calling import bind, call, can_change, nobody_there, plain

_loaded: dict[Path, tuple[float, dict[str, VisiblePart]]] = {}
_hints_given: dict[str, int] = {}


class CheckFailed(Exception):
    """A check that did not pass. Shows itself as the message alone, without our frames."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict

    def _render_traceback_(self) -> list[str]:
        return lines(self.verdict, colour=True)


class _Alone(Exception):
    """Shows itself as its sentence alone, as CheckFailed does."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class NoFunction(_Alone, TypeError):
    """What is to be checked is no function with a name."""


class NoExercise(_Alone, ValueError):
    """There is no exercise, or no step, of that name."""


class NoChecks(_Alone, FileNotFoundError):
    """The checks do not lie where the notebook is."""


def check(function: Any, step: str | None = None) -> None:
    """Try a function on the visible cases and say what is wrong, if anything is.

    Parameters
    ----------
    function : the function (or class) that you wrote, or the name that your notebook has for it
    step : for a class, the name of the step

    Raises
    ------
    CheckFailed, in a notebook, when it is not right; a function that was not attempted yet is
    only told so.
    """
    given = _given(function, step, sys._getframe(1))
    verdict = _verdict(given)
    shell = _notebook()
    if shell is None:
        print("\n".join(lines(verdict, colour=False)))
    elif verdict.status == "passed" or (
        verdict.status == "not_attempted" and not os.environ.get("NBGRADER_VALIDATING")
    ):
        _display(verdict)
    else:
        raise CheckFailed(verdict)


def hint(function: Any, step: str | None = None) -> None:
    """Show the next hint for a function; after the last one, start again at the first."""
    part = _given(function, step, sys._getframe(1)).part
    if not part.hints:
        print(_("{name} has no hints.").format(name=part.name))
        return
    given = _hints_given.get(part.name, 0)
    _hints_given[part.name] = given + 1
    number = given % len(part.hints)
    text = _("Hint {number} of {count} for {name}: {text}").format(
        number=number + 1, count=len(part.hints), name=part.name, text=_(part.hints[number])
    )
    if _notebook() is None:
        print(text)
    else:
        from IPython.display import display

        display({"text/plain": text, "text/html": framed(html.escape(text))}, raw=True)


# The verdict


def _verdict(given: _Given) -> Verdict:
    part, function = given.part, given.function
    code = _Code(given)
    verdict = _decided(part, function, code)
    text = _source_of(function)
    if text and verdict.status == "passed":
        used = source.names_used(text, part.exercise)
        verdict.remarks += [_(r["text"]) for r in part.remarks if r["uses"] in used]
    verdict.remarks += _about_the_name(given)
    verdict.mend_first = _mend_first(part, verdict, code)
    return verdict


def _decided(part: VisiblePart, function: Any, code: _Code) -> Verdict:
    old: list[str] = []
    with _no_answers():
        trials = [_trial(part, case, function, old) for case in part.cases]
    verdict = decide(part, trials, reveal=True, stub=code.may_be_stub(part.exercise))
    _about_numpy(verdict, part.numpy, list(dict.fromkeys(old)))
    return verdict


@contextlib.contextmanager
def _no_answers() -> Iterator[None]:
    """Nobody is asked, by way of the notebook's kernel either: a function may have `input` under a
    name of its own."""
    kernel: Any = getattr(_notebook(), "kernel", None)
    before = getattr(kernel, "_allow_stdin", None)
    with nobody_there():
        if before is not None:
            kernel._allow_stdin = False
        try:
            yield
        finally:
            if before is not None:
                kernel._allow_stdin = before


def _about_numpy(verdict: Verdict, there: str, old: list[str]) -> None:
    """Say where NumPy differs from the one that grades, and what either will refuse one day.

    old: what NumPy or Python say of the function's own lines.
    """
    verdict.remarks += [_("This will stop working: {text}").format(text=text) for text in old[:3]]
    here = np.__version__
    if not there or here.split(".")[:2] == there.split(".")[:2]:
        return
    if old and verdict.status == "passed":
        verdict.message = _(
            "Correct with NumPy {here}, and perhaps not with NumPy {there}, which grades it."
        ).format(here=here, there=there)
    else:
        verdict.remarks.append(
            _("You have NumPy {here}; it is graded with {there}.").format(here=here, there=there)
        )


def _about_the_name(given: _Given) -> list[str]:
    """What is to be known of a function that the notebook keeps under a name not its own, or not
    at all: it is graded by the notebook's name."""
    name = given.part.exercise
    own = getattr(given.function, "__name__", None)
    shell = _notebook()
    if shell is not None and name not in shell.user_ns:
        return [
            _("It is graded by its name, and this notebook has no {name}.").format(name=name),
        ]
    if given.scope.get(name, given.function) is not given.function:
        return [
            _("This is not what your notebook has as {name}, and that is graded.").format(name=name)
        ]
    if own in (name, None, "<lambda>"):
        return []
    return [
        _("Checked as {name}: your notebook has {own} under that name.").format(name=name, own=own)
    ]


def _trial(part: VisiblePart, case: VisibleCase, function: Any, old: list[str]) -> Trial:
    args = {name: _ready(value) for name, value in case.raw.items()}
    answer = call(bind(function, args, part.parameters, part.probe), args)
    answer.value = plain(answer.value)
    old += answer.deprecated
    trial = Trial(
        case.family,
        case.about,
        answer.value,
        case.wanted,
        case.mistaken,
        case.rtol,
        case.atol,
        given=[name for name, value in case.raw.items() if part.pure and can_change(value)],
        changed=answer.changed,
        warnings=answer.warnings,
        by_value=part.by_value,
        precise=part.precise,
        call=_told(part, case),
    )
    if trial.off is None or trial.off.kind == "value":
        calls = {n: a.calls for n, a in args.items() if isinstance(a, Oracle)}
        judged = SimpleNamespace(args=case.raw, facts=case.facts, calls=calls, expected=case.wanted)
        trial.broken = broken_properties(part.properties, answer.value, judged)
    return trial


def _told(part: VisiblePart, case: VisibleCase) -> str:
    """The call, so that it can be pasted and runs: by the probe, where only that can make it."""
    makers = sorted(set().union({part.asked} - {""}, *map(makers_in, case.raw.values())))
    call = call_of(part.exercise, [], case.raw)
    if part.asked:
        call = call_of(part.asked, [Named(part.exercise)], case.raw)
    start = f"from autograder.learning.makers import {', '.join(makers)}\n" if makers else ""
    return start + call


def _ready(value: Any) -> Any:
    if isinstance(value, FreshRng):
        return np.random.default_rng()
    return Oracle(value) if callable(value) else copy.deepcopy(value)


def _mend_first(part: VisiblePart, verdict: Verdict, code: _Code) -> str | None:
    """The part that this one builds on and that is to be mended first: see `first_to_mend`."""
    parts = _parts(Path.cwd())

    @cache
    def on(name: str) -> Verdict:
        if name == part.name:
            return verdict
        other = code.namespace.get(parts[name].exercise)
        return _decided(parts[name], other, code) if callable(other) else missing(parts[name], "")

    return first_to_mend(part.name, parts, on, lambda name: reached(name, code.reads, parts))


class _Code:
    """What the learner defined beside a function or class, and which names each reads there."""

    def __init__(self, given: _Given) -> None:
        own = _functions(given.function)
        self._globals = own[0].__globals__ if own else given.scope
        self.namespace = {**self._globals, given.part.exercise: given.function}

    def reads(self, name: str) -> set[str]:
        """The names that a function or class of the learner's reads; none of a library's."""
        found = _functions(self.namespace.get(name))
        sources = [_source_of(f) for f in found if f.__globals__ is self._globals]
        return {n for text in sources for read in source.globals_read(text).values() for n in read}

    def may_be_stub(self, name: str) -> bool:
        """Whether the body may be what raises NotImplementedError: it does, or nobody can tell."""
        return STUB in (self.reads(name) or {STUB})


def _functions(thing: Any) -> list[FunctionType]:
    """A function, or the methods of a class."""
    members = list(vars(thing).values()) if isinstance(thing, type) else [thing]
    return [member for member in members if isinstance(member, FunctionType)]


def _source_of(function: Any) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return ""


# Finding the part


@dataclass(frozen=True)
class _Given:
    """What is checked. scope: the names of whoever asked."""

    part: VisiblePart
    function: Any
    scope: Mapping[str, Any]


def _given(function: Any, step: str | None, caller: FrameType) -> _Given:
    """Which part a function is, or the name of one, in the eyes of who asks.

    Raises
    ------
    NoFunction, NoExercise, NoChecks.
    """
    parts = _parts(Path.cwd())
    scope = {**caller.f_globals, **caller.f_locals}
    if isinstance(function, str):
        part = _part(function, step, parts)
        if part.exercise not in scope:
            raise NoFunction(_("No {name} is defined in this notebook.").format(name=function))
        return _Given(part, scope[part.exercise], scope)
    name = _name_of(function, parts, scope, caller)
    if name is None:
        first = next(iter(parts.values())).exercise
        got = type(function).__name__
        if getattr(function, "__name__", None) == "<lambda>":
            got = _("a lambda that has no name here")
        raise NoFunction(
            _(
                "check wants the function itself, as in check({example}), or the name that your "
                'notebook has for it, as in check("{example}"); it was given {got}.'
            ).format(example=first, got=got)
        )
    return _Given(_part(name, step, parts), function, scope)


def _part(name: str, step: str | None, parts: dict[str, VisiblePart]) -> VisiblePart:
    full = f"{name}.{step}" if step else name
    if full in parts:
        return parts[full]
    steps = [p.partition(".")[2] for p in parts if p.startswith(f"{name}.")]
    if steps:
        raise NoExercise(
            _("{name} is checked step by step: check({name}, step), step one of {steps}.").format(
                name=name, steps=", ".join(steps)
            )
        )
    near = difflib.get_close_matches(full, parts, 1)
    raise NoExercise(
        _("There is no exercise called {name} here; did you mean {near}?").format(
            name=full, near=near[0]
        )
        if near
        else _("There is no exercise called {name} here; there are {names}.").format(
            name=full, names=", ".join(parts)
        )
    )


def _name_of(
    function: Any, parts: dict[str, VisiblePart], scope: Mapping[str, Any], caller: FrameType
) -> str | None:
    """The exercise's name under which who asks has this very object, as the grader finds it; else
    the one where it was defined; else its own name."""
    names = list(dict.fromkeys(part.exercise for part in parts.values()))
    own = getattr(function, "__name__", None)
    own = own if isinstance(own, str) and own != "<lambda>" else None
    for place in (scope, getattr(function, "__globals__", {})):
        held = [name for name in names if name in place and place[name] is function]
        if held:
            # Two names for one function: the one that is written in the call, if one is.
            return next((n for n in (_written(caller), own) if n in held), held[0])
    return own


def _written(caller: FrameType) -> str | None:
    """The name that stands as the first argument in the call that a frame is at."""
    with contextlib.suppress(Exception):
        code = caller.f_code
        first, last, start, end = list(code.co_positions())[caller.f_lasti // 2]
        assert first and last
        lines = [linecache.getline(code.co_filename, n).encode() for n in range(first, last + 1)]
        lines[-1] = lines[-1][:end]
        lines[0] = lines[0][start:]
        asked = ast.parse(b"".join(lines), mode="eval").body
        if isinstance(asked, ast.Call) and asked.args and isinstance(asked.args[0], ast.Name):
            return asked.args[0].id
    return None


def _parts(folder: Path) -> dict[str, VisiblePart]:
    file = folder / CHECKS
    if not file.is_file():
        raise NoChecks(
            _(
                "No {file} in {folder}: the checks lie beside the notebook. Open the notebook in "
                "the folder that you were given, and leave its other files there."
            ).format(file=CHECKS, folder=folder)
        )
    stamp = file.stat().st_mtime
    if folder not in _loaded or _loaded[folder][0] != stamp:
        _loaded[folder] = (stamp, read_visible(folder))
    return _loaded[folder][1]


# Showing


def _notebook() -> Any:
    """The running IPython shell, or None in plain Python."""
    if "IPython" not in sys.modules:
        return None
    return sys.modules["IPython"].get_ipython()


def _display(verdict: Verdict) -> None:
    from IPython.display import display

    text = "\n".join(lines(verdict, colour=False))
    display({"text/plain": text, "text/html": panel(verdict)}, raw=True)
