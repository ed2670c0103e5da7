"""Results of long runs, kept on disk until something that made them changes.

joblib keeps a result by the function's source and its arguments. What the function calls it does
not look at, so `made_of` hashes all of that too, and stands among the arguments.
"""

from __future__ import annotations

import inspect
import platform
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, TypeVar

import joblib
import numpy as np

from autograder.exercise import ClassExercise, Exercise

T = TypeVar("T")

FOLDER = Path(__file__).resolve().parent.parent / "_build" / ".kept"
COURSE = ("autograder", "book", "solutions")
LIBRARIES = ("numpy", "scipy", "scikit-learn")  # a new version may change the last digit
CONSTANTS = (bool, int, float, str, tuple, list, dict, np.ndarray)


@cache
def memory(folder: Path = FOLDER) -> joblib.Memory:
    """Where results are kept; `make clean` and `make site CLEAN=1` empty it."""
    return joblib.Memory(folder, verbose=0)


def made_of(*things: Any) -> str:
    """A hash of what functions and classes of the course are made of.

    That is their source, the source of all of the course that they name, and so on; the values of
    the constants among these; and the versions of Python and of the libraries.
    """
    pieces = {"Python": platform.python_version()}
    pieces |= {name: metadata.version(name) for name in LIBRARIES}
    left = [("", thing) for thing in things]
    while left:
        name, thing = left.pop()
        if isinstance(thing, Exercise | ClassExercise):
            thing = thing.reference
        if isinstance(thing, CONSTANTS):
            pieces[name] = joblib.hash(thing)
            continue
        made = inspect.unwrap(thing) if callable(thing) else thing
        has_source = inspect.isfunction(made) or inspect.isclass(made)
        if not has_source or not _of_the_course(made):
            continue
        name = f"{made.__module__}.{made.__qualname__}"
        if name not in pieces:
            pieces[name] = _source(made)
            left += _used_by(made)
    return str(joblib.hash(pieces))


@cache
def _source(thing: Any) -> str:
    # What an edit made (autograder.slips) has its source beside it, and no file.
    return getattr(thing, "__source__", None) or inspect.getsource(thing)


def _of_the_course(thing: Any) -> bool:
    module = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", "")
    return str(module).partition(".")[0] in COURSE


def _used_by(thing: Any) -> Iterator[tuple[str, Any]]:
    """What a function or class names of its module, and of modules of the course that it names."""
    if inspect.isclass(thing):
        yield from (("", base) for base in thing.__bases__)
    for function in _functions(thing):
        names = set(_names(function.__code__))
        known = function.__globals__
        for name in names & known.keys():
            yield f"{function.__module__}.{name}", known[name]
            if isinstance(known[name], ModuleType) and _of_the_course(known[name]):
                inside = vars(known[name])
                yield from (
                    (f"{known[name].__name__}.{n}", inside[n]) for n in names & inside.keys()
                )


def _functions(thing: Any) -> Iterator[Any]:
    """A function itself; of a class, its methods and the functions behind its properties."""
    if inspect.isfunction(thing):
        yield thing
        return
    for member in vars(thing).values():
        for found in (member, *(getattr(member, part, None) for part in ("fget", "__func__"))):
            if inspect.isfunction(found):
                yield inspect.unwrap(found)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def with_progress(work: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The same, with a bar for whoever waits at a terminal. A page shows none."""
    if not total or not sys.stderr.isatty():
        yield from work
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(work, what, total, console=Console(stderr=True))
