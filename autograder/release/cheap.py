"""Short expressions of a function's arguments: what somebody tries who has no idea of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from autograder.values.codec import Raised

_ALONE: tuple[Callable[..., Any], ...] = (
    *(np.copy, np.negative, np.abs, np.sign, np.square),
    *(np.sum, np.mean, np.zeros_like, np.ones_like),
)
_PAIRS: dict[str, Callable[..., Any]] = {
    **{"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.true_divide, "@": np.matmul}
}


Place = tuple[int | str, ...]


def places(answers: Sequence[Any]) -> list[Place]:
    """Where in each of these answers something stands that can be guessed by itself: the answer,
    or what a tuple or a dict has at the same place in all of them."""
    told = [answer for answer in answers if not isinstance(answer, Raised)]
    inner: list[set[int | str]] = []
    for answer in told:
        if isinstance(answer, tuple):
            inner.append(set(range(len(answer))))
        else:
            inner.append(set(answer) if isinstance(answer, dict) else set())
    if not told or not inner[0] or any(keys != inner[0] for keys in inner):
        return [()]
    keys = range(len(inner[0])) if isinstance(told[0], tuple) else told[0]
    return [(key, *path) for key in keys for path in places([answer[key] for answer in told])]


def at(answer: Any, place: Place) -> Any:
    """What an answer has at a place; an exception has itself everywhere."""
    for key in () if isinstance(answer, Raised) else place:
        answer = answer[key]
    return answer


def put(answer: Any, place: Place, value: Any) -> Any:
    """An answer with something else at a place."""
    if not place or isinstance(answer, Raised):
        return value
    key, *rest = place
    inner = put(answer[key], tuple(rest), value)
    if isinstance(answer, dict):
        return {**answer, key: inner}
    return tuple(inner if i == key else item for i, item in enumerate(answer))


def may_be(value: Any, wanted: Any) -> bool:
    """Whether an answer might be right, by its shape and its first number alone."""
    if getattr(value, "shape", ()) != getattr(wanted, "shape", ()):
        return False
    one, other = (_first(number) for number in (value, wanted))
    # What is not a number is looked at with care.
    return not abs(one - other) > 1e-2 * abs(other) + 1e-6


def _first(value: Any) -> float:
    if isinstance(value, np.ndarray):
        return float(value.flat[0]) if value.size and _is_numbers(value) else math.nan
    return float(value) if isinstance(value, int | float | np.number) else math.nan


def whole_answers(
    cases: Sequence[dict[str, Any]], answers: Sequence[Any]
) -> Iterator[tuple[str, list[Any]]]:
    """The same for answers that are not unique, which nobody can put together from parts: numbers
    of the right shape, what is given back as it came, short expressions of one or two arguments."""
    guesses: dict[str, Callable[[dict[str, Any], np.ndarray], Any]] = {
        "zeros": lambda args, wanted: np.zeros_like(wanted),
        "ones": lambda args, wanted: np.ones_like(wanted),
        "numbers in order": lambda args, wanted: np.arange(wanted.size).reshape(wanted.shape),
        "what came": _as_it_came,
    }
    for text, guess in guesses.items():
        yield (
            text,
            [
                _mapped(answer, partial(guess, args))
                for args, answer in zip(cases, answers, strict=True)
            ],
        )
    if places(answers) == [()]:
        yield from expressions(cases, deep=False)


def _mapped(answer: Any, guess: Callable[[np.ndarray], Any]) -> Any:
    """An answer with a guess in the place of each number and array."""
    if isinstance(answer, dict):
        return {key: _mapped(item, guess) for key, item in answer.items()}
    if isinstance(answer, tuple | list):
        return type(answer)(_mapped(item, guess) for item in answer)
    if not _is_numbers(answer):
        return answer
    made = guess(np.asarray(answer))
    return made if isinstance(answer, np.ndarray) else type(answer)(made)


def _as_it_came(args: dict[str, Any], wanted: np.ndarray) -> Any:
    """The first argument of the shape that is wanted, or as many rows of one as there must be."""
    numbers = [np.asarray(value) for value in args.values() if _is_numbers(value)]
    alike = [value for value in numbers if value.shape == wanted.shape]
    longer = [value for value in numbers if value.ndim and value.shape[1:] == wanted.shape[1:]]
    if alike:
        return alike[0]
    return longer[0][: len(wanted)] if wanted.ndim and longer else np.zeros_like(wanted)


def of_right_shape(answers: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Numbers of the shape that the answers should have, which everybody is told."""
    for number, text in enumerate(("zeros", "ones")):
        yield text, [a * 0 + number if _is_numbers(a) else None for a in answers]


def expressions(
    cases: Sequence[dict[str, Any]], *, deep: bool = True
) -> Iterator[tuple[str, list[Any]]]:
    """The text of each expression of one, two or three arguments, and what it is in every case.

    cases: the arguments of each, of which arrays of numbers and numbers count. deep: with three
    arguments, too.
    """
    known = [{k: v for k, v in args.items() if _is_numbers(v)} for args in cases]
    shared = sorted(set.intersection(*(set(args) for args in known)))
    every = {name: [args[name] for args in known] for name in shared}
    with np.errstate(all="ignore"):
        for (name, values), f in itertools.product(every.items(), _ALONE):
            yield f"np.{f.__name__}({name})", [f(value) for value in values]
        for (n, xs), (m, ys), (sign, f) in itertools.product(
            every.items(), every.items(), _PAIRS.items()
        ):
            pairs = _tried(f, xs, ys)
            yield f"{n} {sign} {m}", pairs
            for (k, zs), outer in itertools.product(every.items(), "+-*" if deep else ""):
                yield f"{k} {outer} ({n} {sign} {m})", _tried(_PAIRS[outer], zs, pairs)


def _is_numbers(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiu"
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tried(f: Callable[..., Any], xs: Sequence[Any], ys: Sequence[Any]) -> list[Any]:
    """What it gives in every case; None where it cannot."""
    made = []
    for x, y in zip(xs, ys, strict=True):
        try:
            made.append(f(x, y))
        except (TypeError, ValueError):
            made.append(None)
    return made
