"""What grading wants to know of a notebook's code, read once, by the helper: some sources keep
Python's own parser busy for minutes, or take it down.

None of it decides a mark. Of code that cannot be read nothing is known: every function is judged in
a snapshot of its own, and nobody is told which to mend first.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from autograder.code import source
from autograder.engine.trusted.helper import Lost, ask
from autograder.grading.snapshots import Check, Step, plan
from autograder.judging.mending import STUB

SECONDS = 3.0


@dataclass(frozen=True)
class Survey:
    """What is known of a notebook's code.

    plan: see `snapshots.plan`. used: what the graded functions read and ask for, by function.
    read: which of the notebook's names each function or class reads. whole: whether it was read.
    """

    plan: list[str]
    used: dict[str, set[str]]
    read: dict[str, set[str]]
    whole: bool = True

    def uses(self, function: str, others: Container[str]) -> set[str]:
        """The names that a function or class takes from the notebook; what others take is theirs,
        what a helper takes is not."""
        return source.reached(function, lambda name: self.read.get(name, ()), others)

    def may_be_stub(self, function: str) -> bool:
        """Whether the body may be what raises NotImplementedError: it does, or nobody can tell."""
        return STUB in self.read.get(function, {STUB})


def survey(steps: Sequence[Step], asked: Sequence[str]) -> Survey:
    """Have a notebook's code read. steps: its run, see `snapshots.plan`. asked: the functions of
    which it is to be known what they use."""
    try:
        made, used, read = ask(read_code, list(steps), list(asked), seconds=SECONDS)
    except Lost:
        return Survey(plan(steps, alone=True), {}, {}, whole=False)
    return Survey(
        made,
        {name: set(names) for name, names in used.items()},
        {name: set(names) for name, names in read.items()},
    )


def read_code(steps: list[Any], asked: list[str]) -> list[Any]:
    """In the helper: the fields of a `Survey`, as plain data."""
    known = [step if isinstance(step, str) else Check(*step) for step in steps]
    used: dict[str, list[str]] = {}
    read: dict[str, list[str]] = {}
    for cell in known:
        if isinstance(cell, str):
            found = source.definitions(cell)
            used |= {name: list(source.names_in(found[name])) for name in asked if name in found}
            read |= {name: list(names) for name, names in source.globals_read(cell).items()}
    return [plan(known), used, read]
