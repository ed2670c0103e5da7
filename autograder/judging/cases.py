"""The hidden cases of a part, drawn from a seed, and what its author's own code answers to them.

`posed` draws a case anew for each use: what proves a set, `lint`, then also sees a generator that
does not give the same twice. `known_cases` draws once for a whole class: cases and right answers
depend on the seed alone. What it hands out are copies, so that no answer can spoil the next.
"""

from __future__ import annotations

import copy
import hashlib
import secrets
import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from autograder.exercise import Callback, Case, Family, FreshRng, Part
from autograder.values.calling import Answer, bind, call, plain
from autograder.values.codec import weight

MAX_SEEDS = 5

Caller = Callable[[Part, dict[str, Any]], Answer]
"""Puts a case to the learner's function. Function arguments arrive as `Oracle`s and an `rng`
argument as a `FreshRng`."""


def case_rng(seed: str, part: str, family: str, draw: int) -> np.random.Generator:
    """The generator behind one draw: the same for everybody whose round has this seed."""
    digest = hashlib.sha256(f"{seed}\n{part}\n{family}\n{draw}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def fresh_rng() -> np.random.Generator:
    """A generator from a number that nobody knows and that no case depends on."""
    return np.random.default_rng(secrets.randbits(64))


def local_caller(target: Any, *, make_rng: Callable[[], np.random.Generator] = fresh_rng) -> Caller:
    """Calls trusted code in this process: references, mistakes, the proofs of `lint`."""

    def caller(part: Part, args: dict[str, Any]) -> Answer:
        ready = {k: make_rng() if isinstance(v, FreshRng) else v for k, v in args.items()}
        with np.errstate(all="ignore"):
            answer = call(bind(target, ready, part.parameters, part.probe), ready)
        answer.value = plain(answer.value)
        return answer

    return caller


class Posed:
    """One hidden case of a part, made anew for each use."""

    def __init__(self, part: Part, family: Family, fresh: Callable[[], Case]) -> None:
        self.part = part
        self.family = family
        self._fresh = fresh

    def case(self) -> Case:
        """The case, for one use."""
        return self._fresh()

    def answer(self, target: Any) -> Any:
        """What the reference or a mistake answers: not to be changed."""
        return local_caller(target)(self.part, self.case().args).value


class KnownCase(Posed):
    """A hidden case that was drawn once, and so was each answer to it: of a reference or mistake
    that draws numbers itself, too, which a class would otherwise ask for every wrong answer."""

    def __init__(self, part: Part, family: Family, case: Case, index: int) -> None:
        super().__init__(part, family, lambda: anew(case))
        self.index = index
        self.varies = any(isinstance(value, FreshRng) for value in case.args.values())
        self._answers: dict[Any, Any] = {}

    @cached_property
    def given(self) -> int:
        """How much the reference passes to a function argument at once, as `weight` counts it; at
        least all that the case itself holds."""
        args = self.case().args
        noted = [sum(map(weight, args.values()))]

        def noting(function: Callable[..., Any]) -> Callable[..., Any]:
            def noted_down(*passed: Any, **named: Any) -> Any:
                noted.append(sum(map(weight, (*passed, *named.values()))))
                return function(*passed, **named)

            return noted_down

        watched = {n: noting(v) if is_function(v) else v for n, v in args.items()}
        local_caller(self.part.reference)(self.part, watched)
        return max(noted)

    def answer(self, target: Any) -> Any:
        """What the reference or a mistake answers: not to be changed."""
        if target not in self._answers:
            self._answers[target] = super().answer(target)
        return self._answers[target]


def is_function(value: Any) -> bool:
    """Whether an argument of a case is a function, which learners are given a stand-in of."""
    return callable(value) and not isinstance(value, type)


def posed(part: Part, seed: str) -> list[Posed]:
    """The cases of a part, family by family, each drawn again whenever it is asked for."""
    made: list[Posed] = []
    for family in part.families:
        for draw in range(part.draws):
            for index in range(len(_drawn(part, seed, family, draw))):
                fresh = _nth(part, seed, family, draw, index)
                made.append(Posed(part, family, fresh))
    return made


def _drawn(part: Part, seed: str, family: Family, draw: int) -> list[Case]:
    return family.draw(case_rng(seed, part.name, family.name, draw))


def _nth(part: Part, seed: str, family: Family, draw: int, index: int) -> Callable[[], Case]:
    return lambda: _drawn(part, seed, family, draw)[index]


_turn = threading.Lock()


def known_cases(part: Part, seed: str) -> list[KnownCase]:
    """The cases of a part, drawn the first time that this process asks for this seed.

    They are kept with the part, under all that they were made from: a set that was loaded again,
    or to which its author added, is drawn again.
    """
    key = (seed, part.draws, tuple(part.families), part.reference, part.probe)
    with _turn:
        known = part.drawn.get(key)
    if known is None:
        known = [
            KnownCase(part, family, case, index)
            for index, (family, case) in enumerate(
                (family, case)
                for family in part.families
                for draw in range(part.draws)
                for case in _drawn(part, seed, family, draw)
            )
        ]
        with _turn:
            while len(part.drawn) >= MAX_SEEDS:
                del part.drawn[next(iter(part.drawn))]
            part.drawn[key] = known
    return known


def anew(value: Any) -> Any:
    """A copy of a case, or of what stands in one. A function that a maker made is made again:
    what it remembers of its calls is nobody else's."""
    kind = type(value)
    if kind is np.ndarray:
        return value.copy(order="K") if value.dtype != object else copy.deepcopy(value)
    if kind is dict:
        return {key: anew(item) for key, item in value.items()}
    if kind in (list, tuple):
        return kind(anew(item) for item in value)
    if kind is Case:
        return Case(anew(value.args), anew(value.facts), value.rtol, value.atol)
    if kind is Callback:
        return value.maker(*anew(value.recipe.args or ()), **anew(value.recipe.kwargs))
    return copy.deepcopy(value)
