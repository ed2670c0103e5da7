"""Which part to mend first, where one that failed builds on others that failed too.

Read off the code and the verdicts alone: no reference answers anybody who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from autograder.code.source import reached
from autograder.judging.verdict import Verdict

STUB = "NotImplementedError"


def wants_a_pointer(verdict: Verdict, *, step: bool) -> bool:
    """Whether to say of a part which other one to mend first.

    A step of a class whose mistake has a name needs no more. A function does: its mistake may be
    that of the function that it uses.
    """
    if step:
        return verdict.status != "passed" and not verdict.mistake
    return verdict.status not in ("passed", "not_attempted", "missing")


def first_to_mend(
    part: str, needs: Callable[[str], Iterable[str]], order: Sequence[str]
) -> str | None:
    """Of the failed parts below a failed one, the first that needs no other, or None.

    Where some need each other in a circle, the first of them in order counts as needing none.

    needs: the failed parts that a failed part needs. order: all parts.
    """
    below: dict[str, set[str]] = {}
    left = [part]
    while left:
        name = left.pop()
        if name not in below:
            below[name] = reached(name, needs)
            left += below[name]
    deepest = [name for name in below if all(name in below[other] for other in below[name])]
    first = min(deepest, key=order.index)
    return None if first == part else first
