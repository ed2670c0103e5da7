"""What an author wrote, evaluated at what a learner chose: oracles and properties, in the helper.

`Away` is the judge's side, the functions below run in the helper. Cases travel by name: the helper
draws those of a set from the seed, as the judge does. It keeps the case that was put last, with the
calls that were made of its functions, for the properties that look at these.
"""

from __future__ import annotations

import itertools
import math
import socket
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from autograder.engine.trusted import asking
from autograder.engine.trusted.helper import Lost, Packed, helper
from autograder.engine.wire import Channel, Closed, Frame, TooSlow
from autograder.exercise import Case, Part
from autograder.judging.cases import KnownCase, known_cases
from autograder.judging.judge import Put
from autograder.judging.sets import ExerciseSet, load_set
from autograder.values.codec import MalformedValue, decode, encode

# To import a set, and torch with it, and to draw its cases: nothing of a learner's is in that.
PREPARE_SECONDS = 60.0
PROPERTY_SECONDS = 5.0
# The helper itself gives up at the deadline, where it can.
GRACE_SECONDS = 0.5
# So many times what the reference passes, or so many bytes, may a learner's code pass at once.
TIMES = 4
ROOM = 2**17

_numbers = itertools.count(1)


class Away:
    """Puts the cases of a part so that the helper evaluates its functions and properties."""

    def __init__(self, exercise_set: ExerciseSet, part: Part, seed: str) -> None:
        self._part = part
        self._name = (str(exercise_set.path), part.name, seed)

    def __call__(self, posed: KnownCase, case: Case) -> Put:
        """Put a case."""
        put = Elsewhere(posed, case)
        if put.oracles or posed.part.properties:
            # No call of a learner's waits for it.
            self._prepare()
        most = TIMES * posed.given + ROOM if put.oracles else 0
        put.place = [self._name, posed.index, next(_numbers), most]
        for oracle in put.oracles.values():
            oracle.server = put
        return put

    def _prepare(self) -> None:
        known = (helper().number, self._part)
        if _prepared.get(self._name) != known:
            helper().ask(prepare, *self._name, seconds=PREPARE_SECONDS, memory=None)
            _prepared[self._name] = known


# For which helper, and which declaration of the part.
_prepared: dict[tuple[str, str, str], tuple[int, Part]] = {}


class Elsewhere(Put):
    """A case whose functions and properties the helper evaluates.

    place: of the case, as the helper finds it: set, part and seed; index; a number for this use of
    it; and how much its functions may be given.
    """

    place: list[Any]

    def begin_again(self) -> None:
        """See `Server`."""
        self.place[2] = next(_numbers)

    def serve(self, asker: socket.socket, deadline: float) -> Frame:
        """See `Server`.

        Raises
        ------
        Closed, TooSlow, MalformedValue as by `asking.serve`; Lost.
        """
        left = deadline - time.monotonic()
        try:
            how, found = helper().ask(
                serve,
                self.place,
                deadline,
                fd=asker.fileno(),
                seconds=math.ceil(max(left, 0.0)) + 1,
                deadline=deadline + GRACE_SECONDS,
            )
        except Lost as error:
            if error.late:
                raise TooSlow from error
            raise
        if isinstance(how, dict):
            return how, found
        raise {"Closed": Closed, "TooSlow": TooSlow}.get(how, MalformedValue)("told by the helper")

    def consult(
        self, asked: dict[str, Any], blobs: list[bytes], seconds: float
    ) -> tuple[Any, list[bytes]]:
        """See `Server`. Raises Lost."""
        tree, out = helper().ask(
            consult,
            self.place,
            asked,
            blobs=blobs,
            seconds=seconds,
            deadline=time.monotonic() + seconds,
        )
        return tree, out

    def broken(self, answer: Any, wanted: Any) -> list[str]:
        """The properties that an answer does not have, by name. Raises Lost."""
        blobs: list[bytes] = []
        trees = [encode(answer, blobs), encode(wanted, blobs)]
        told = helper().ask(broken, self.place, trees, blobs=blobs, seconds=PROPERTY_SECONDS)
        return [str(name) for name in told.value]


# ── In the helper ──────────────────────────────────────────────────────────────────────────────

_cases: dict[tuple[str, ...], list[KnownCase]] = {}
_last: list[tuple[int, Put]] = []


def prepare(path: str, part: str, seed: str) -> None:
    """Have a part's cases at hand."""
    _cases[path, part, seed] = known_cases(load_set(Path(path)).part(part), seed)


def _put(name: list[str], index: int, number: int, most: int) -> Put:
    if not _last or _last[0][0] != number:
        posed = _cases[tuple(name)][index]
        _last[:] = [(number, Put(posed, posed.case(), most))]
    return _last[0][1]


def serve(place: list[Any], deadline: float, *, fd: int) -> Any:
    """The frame that ends a call, or the name of what ended it."""
    with socket.socket(fileno=fd) as asker:
        try:
            return Packed(*asking.serve(Channel(asker), _put(*place).oracles, deadline))
        except (Closed, TooSlow, MalformedValue) as error:
            return type(error).__name__


def consult(place: list[Any], asked: dict[str, Any], *, blobs: list[bytes]) -> Packed:
    """The reply to a question of one of the case's functions."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return Packed(*asking.consult(_put(*place).oracles, asked, blobs))


def broken(place: list[Any], trees: list[Any], *, blobs: list[bytes]) -> list[str]:
    """The properties that an answer does not have."""
    answer, wanted = (decode(tree, blobs) for tree in trees)
    return _put(*place).broken(answer, wanted)
