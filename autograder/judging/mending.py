"""Which part to mend first, where one that failed builds on others that failed too.

Read off the code and the verdicts alone: no reference answers anybody who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Protocol

from autograder.code.source import reached
from autograder.judging.verdict import Verdict

STUB = "NotImplementedError"
BEGUN = ("passed", "partial", "wrong", "error", "timeout")


class Needy(Protocol):
    """A part as far as what it needs goes."""

    exercise: str

    @property
    def after(self) -> Sequence[str]: ...


def first_to_mend(
    part: str,
    parts: Mapping[str, Needy],
    verdict: Callable[[str], Verdict],
    uses: Callable[[str], set[str]],
) -> str | None:
    """Of the failed parts that a failed one builds on, the first that builds on no other, or None.

    Where some build on each other in a circle, the first of them counts as building on none. A
    step whose mistake has a name needs no other step; but the mistake may be that of a function.

    parts: all, in their order. verdict: on a part. uses: what the learner's function or class of
    that name takes from the notebook.
    """

    @cache
    def needs(name: str) -> list[str]:
        own = verdict(name)
        if own.status == "passed":
            return []
        used = uses(parts[name].exercise) if own.status in BEGUN else set()
        named = {*used, *(() if own.mistake else parts[name].after)} - {name}
        return [other for other in parts if other in named and verdict(other).status != "passed"]

    below: dict[str, set[str]] = {}
    left = [part]
    while left:
        name = left.pop()
        if name not in below:
            below[name] = reached(name, needs)
            left += below[name]
    deepest = {name for name in below if all(name in below[other] for other in below[name])}
    first = next(name for name in parts if name in deepest)
    return None if first == part else first
