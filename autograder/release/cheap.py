"""Short expressions of a function's arguments: what somebody tries who has no idea of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

_ALONE: tuple[Callable[..., Any], ...] = (
    *(np.copy, np.negative, np.abs, np.sign, np.square),
    *(np.sum, np.mean, np.zeros_like, np.ones_like),
)
_PAIRS: dict[str, Callable[..., Any]] = {
    **{"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.true_divide, "@": np.matmul}
}


def expressions(cases: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[Any]]]:
    """The text of each expression of one, two or three arguments, and what it is in every case.

    cases: the arguments of each, of which arrays of numbers and numbers count.
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
            for (k, zs), outer in itertools.product(every.items(), "+-*"):
                yield f"{k} {outer} ({n} {sign} {m})", _tried(_PAIRS[outer], zs, pairs)


def _is_numbers(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiu"
    return isinstance(value, int | float)


def _tried(f: Callable[..., Any], xs: Sequence[Any], ys: Sequence[Any]) -> list[Any]:
    """What it gives in every case; None where it cannot."""
    made = []
    for x, y in zip(xs, ys, strict=True):
        try:
            made.append(f(x, y))
        except (TypeError, ValueError):
            made.append(None)
    return made
