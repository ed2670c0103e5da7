"""Calling code that may do anything: what came back, what it raised, what it changed.

Used on both sides: beside the learner's code (the check, the runner's child) and for the
judge's own references and mistakes.
"""

from __future__ import annotations

import bdb
import builtins
import contextlib
import copy
import getpass
import io
import itertools
import linecache
import os
import pdb
import sys
import traceback
import warnings
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from autograder.values.codec import Opaque, Raised, decode, encode

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Arrays that encoding and decoding would leave as they are, at some cost.
SCALARS = (float, bool, type(None), np.float64, np.int64, np.bool_)
AS_THEY_ARE = tuple(np.dtype(kind) for kind in (np.float64, np.int64, np.bool_))
FEW = 100_000
# What a warning says where a debugger was passed over.
DEBUGGER = "a debugger was called"
DEPRECATIONS = (DeprecationWarning, FutureWarning, np.exceptions.VisibleDeprecationWarning)


@dataclass
class Answer:
    """One call: its value or `Raised`, and the side effects that advice is given on.

    deprecated: what its own lines do that another version may refuse.
    """

    value: Any
    changed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    deprecated: list[str] = field(default_factory=list)


class NobodyAnswers(RuntimeError):
    """Somebody was asked to type something while a function was tried."""


class _Debugged(RuntimeWarning):
    """A debugger was passed over."""


def _asked(*_args: Any, **_options: Any) -> NoReturn:
    """In the place of what asks somebody to type."""
    raise NobodyAnswers("nobody answers while a function is tried")


class _Silent(io.TextIOBase):
    """A `sys.stdin` at which nobody types; in all else a file."""

    read = readline = _asked


@contextlib.contextmanager
def nobody_there() -> Iterator[None]:
    """While a function is tried nobody sits at the keyboard, wherever it is tried: `input`,
    `getpass` and `sys.stdin` fail, and a debugger is passed over with a warning."""

    def stopped(*_args: Any, **_options: Any) -> None:
        warnings.warn(DEBUGGER, _Debugged, stacklevel=2)

    places: list[tuple[Any, str, Any]] = [
        (builtins, "input", _asked),
        (getpass, "getpass", _asked),
        (sys, "stdin", _Silent()),
        (sys, "breakpointhook", stopped),
        (pdb, "set_trace", stopped),
        # All debuggers are of this class: those that a function holds under another name, too.
        (bdb.Bdb, "set_trace", stopped),
    ]
    before = [getattr(place, name) for place, name, _new in places]
    for place, name, new in places:
        setattr(place, name, new)
    try:
        yield
    finally:
        for (place, name, _new), old in zip(places, before, strict=True):
            setattr(place, name, old)


def raised(error: BaseException) -> Raised:
    """The exception as a value, with the deepest line of the learner's own that it came from."""
    names = tuple(c.__name__ for c in type(error).__mro__ if c is not object)
    message = ""
    try:
        message = str(error)[:2000]
    except Exception:
        message = "(its message cannot be read)"
    lineno, line = own_line(error)
    return Raised(names, message, line, lineno)


def own_line(error: BaseException) -> tuple[int, str]:
    """Number and text of the deepest line that is the learner's, or (0, '')."""
    filename, lineno = _own_place(error)
    return (lineno, linecache.getline(filename, lineno).strip()) if lineno else (0, "")


def with_place(error: BaseException, told: str = "") -> str:
    """An exception in a line, or what is to be told of it, after the author's file and line that
    it came from."""
    filename, lineno = _own_place(error)
    told = told or f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) and error.filename:
        filename, lineno, told = error.filename, error.lineno or 0, f"SyntaxError: {error.msg}"
    return f"{filename}, line {lineno}: {told}" if lineno else told


def _own_place(error: BaseException) -> tuple[str, int]:
    """File and line of the deepest frame that is no library's, or ('', 0)."""
    found = ("", 0)
    for frame, lineno in traceback.walk_tb(error.__traceback__):
        filename = frame.f_code.co_filename
        if _is_own(filename):
            found = (filename, lineno)
    return found


def _is_own(filename: str) -> bool:
    """Cells of a notebook have names in angle brackets or in the kernel's scratch folder."""
    if filename.startswith("<"):
        return not filename.startswith(("<frozen", "<__array", "<string>", "<public"))
    libraries = (HERE, sys.prefix, sys.base_prefix, os.path.dirname(os.__file__))
    return not filename.startswith(libraries)


def call(function: Callable[[], Any], arguments: Mapping[str, Any]) -> Answer:
    """Call `function()`, which uses `arguments`; compare those before and after.

    An exception becomes a `Raised` value. KeyboardInterrupt passes through.
    """
    before = {name: copy.deepcopy(value) for name, value in arguments.items() if can_change(value)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = outcome(function)
        if isinstance(value, Coroutine):
            # Or Python would say, somewhere, that nobody waited for it.
            outcome(value.close)
    changed = [name for name, was in before.items() if not _unchanged(was, arguments[name])]
    return Answer(
        value,
        changed,
        _texts(w for w in caught if issubclass(w.category, RuntimeWarning)),
        _texts(w for w in caught if issubclass(w.category, DEPRECATIONS) and _is_own(w.filename)),
    )


def _texts(caught: Iterator[warnings.WarningMessage]) -> list[str]:
    return list(dict.fromkeys(str(w.message)[:200] for w in caught))


def outcome(function: Callable[[], Any]) -> Any:
    """What `function()` returns, or a `Raised`. KeyboardInterrupt passes through."""
    try:
        return function()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return raised(error)


def bind(
    target: Callable[..., Any],
    args: Mapping[str, Any],
    parameters: Sequence[str],
    probe: Callable[..., Any] | None = None,
) -> Callable[[], Any]:
    """The call of a graded function, for `call`: a learner's, a reference, a mistake.

    The leading parameters that have an argument go by position, so that a learner may name them
    otherwise; the others by keyword. A probe is called in its stead, with it and all arguments.
    """
    if probe is not None:
        return lambda: probe(target, **args)
    leading = list(itertools.takewhile(args.__contains__, parameters))
    others = {name: value for name, value in args.items() if name not in leading}
    return lambda: target(*(args[name] for name in leading), **others)


def by_position(
    parameters: list[str] | None, args: tuple[Any, ...], named: dict[str, Any]
) -> tuple[Any, ...]:
    """The arguments of a call in the order of the parameters.

    Raises
    ------
    TypeError where a name is unknown, given twice, or leaves a gap before it.
    """
    wanted = (parameters or [])[len(args) : len(args) + len(named)]
    if set(wanted) != set(named):
        raise TypeError(f"arguments by name must be {wanted}, not {sorted(named)}")
    return (*args, *(named[name] for name in wanted))


def plain(value: Any) -> Any:
    """The value as it looks from outside the process: plain data, copied."""
    if type(value) is np.ndarray and value.dtype in AS_THEY_ARE and value.size < FEW:
        return value.copy()
    if type(value) in SCALARS:
        return value
    blobs: list[bytes] = []
    try:
        return decode(encode(value, blobs), blobs)
    except Exception as error:  # a class of anybody's may do anything when it is looked at
        return unreadable(error)


def unreadable(error: Exception) -> Opaque:
    """What stands for a value that fails when it is looked at."""
    return Opaque(f"value that cannot be read ({type(error).__name__})")


def can_change(value: Any) -> bool:
    """Whether somebody who is given this value can change it."""
    if isinstance(value, tuple):
        return any(map(can_change, value))
    return isinstance(value, np.ndarray | list | dict)


def _unchanged(was: Any, now: Any) -> bool:
    if isinstance(was, np.ndarray):
        return (
            isinstance(now, np.ndarray)
            and was.shape == now.shape
            and bool(np.array_equal(was, now, equal_nan=was.dtype.kind == "f"))
        )
    if isinstance(was, dict):
        return was.keys() == now.keys() and all(_unchanged(was[k], now[k]) for k in was)
    if isinstance(was, list | tuple):
        return len(was) == len(now) and all(map(_unchanged, was, now))
    return was is now or bool(np.all(was == now))
