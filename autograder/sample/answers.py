"""What a learner may put into a solution cell, and the mark that each must get.

Marks are predicted by the judge's own rule, on several seeds: only what gets the same marks on
all of them is offered, so that a prediction does not depend on the secret seed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from autograder.code import source
from autograder.exercise import ClassExercise, Exercise, Mistake, Part
from autograder.judging.cases import KnownCase, known_cases
from autograder.judging.extract import needs, standalone
from autograder.judging.judge import local_caller, run_trials
from autograder.judging.sets import ExerciseSet
from autograder.judging.verdict import Status, Trial, decide

SEEDS = tuple(f"sample-{number}" for number in range(5))
STUB = "raise NotImplementedError"

# Bodies that are the same whatever the arguments, and that can be tried in this process.
BODIES = {
    "name_error": "return reslut",
    "exception": 'raise ValueError("I do not know how to do this")',
    "wrong_type": 'return "42"',
    "no_return": "pass",
}
# Bodies that must not run here, and the status that they end in.
DEADLY: dict[str, tuple[str, Status]] = {
    "endless_loop": ("while True:\n    pass", "timeout"),
    "exit": ("import os\n\nos._exit(1)", "error"),
}


@dataclass(frozen=True)
class Mark:
    """What one part must get."""

    points: float
    status: Status
    mistake: str | None = None


@dataclass(frozen=True)
class Filling:
    """A solution cell's source, or None where the cell is deleted, and its marks by part."""

    kind: str
    source: str | None
    marks: dict[str, Mark]


@dataclass(frozen=True)
class Row:
    """What is known of a part and a seed: its cases, what each known mistake answers in each, and
    the trials of each mistake."""

    cases: list[KnownCase]
    answers: list[dict[str, Any]]
    wrong: dict[str, list[Trial]]


@dataclass
class Fillings:
    """The fillings of one exercise. stub: its released solution cell."""

    exercise_set: ExerciseSet
    exercise: Exercise | ClassExercise
    stub: str
    _tables: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the solution cell defines."""
        return self.exercise.parts[0].exercise

    def reference(self) -> Filling:
        """The instructor's solution."""
        reference = self.exercise.reference
        if needs(self.exercise_set, reference):
            text = standalone(self.exercise_set, reference, self.name)
        else:
            text = source.written(reference)
        marks = {p.name: Mark(p.points, "passed") for p in self.exercise.parts}
        return Filling("reference", text, marks)

    def untouched(self) -> Filling:
        """The stub as it was handed out."""
        return Filling("stub", self.stub, self._all("not_attempted"))

    def absent(self) -> Iterator[Filling]:
        """Cells after which the function is not there."""
        missing = self._all("missing")
        yield Filling("deleted", None, missing)
        yield Filling("syntax_error", self._with_body("return ("), missing)
        renamed = re.sub(rf"\b(def|class) {self.name}\b", rf"\1 my_{self.name}", self.stub)
        yield Filling("renamed", renamed, missing)

    def deadly(self, kind: str) -> Filling:
        """A body that never ends, or that takes Python down."""
        body, status = DEADLY[kind]
        return Filling(kind, self._with_body(body), self._all(status))

    def broken(self, kind: str) -> Filling | None:
        """A body that fails at once, None where its marks depend on the seed."""
        text = self._with_body(BODIES[kind])
        # A default may name something of the module.
        namespace = dict(vars(self.exercise_set.module))
        exec(compile(text, "<sample>", "exec"), namespace)
        marks = self._predict(partial(_trials_of, namespace[self.name]))
        return Filling(kind, text, marks) if marks else None

    @cached_property
    def mistakes(self) -> list[Filling]:
        """The known mistakes that have source code and get the same marks on every seed."""
        return list(self._mistakes())

    def _mistakes(self) -> Iterator[Filling]:
        for owner in self.exercise.parts:
            for mistake in owner.mistakes:
                try:
                    text = standalone(self.exercise_set, mistake.wrong, self.name)
                except (OSError, TypeError, SyntaxError):
                    continue
                marks = self._predict(partial(_trials_with, mistake))
                if marks:
                    yield Filling(f"mistake:{owner.name}:{mistake.name}", text, marks)

    def _all(self, status: Status) -> dict[str, Mark]:
        return {part.name: Mark(0.0, status) for part in self.exercise.parts}

    def _with_body(self, body: str) -> str:
        def fill(found: re.Match[str]) -> str:
            return "\n".join(found[1] + line if line else "" for line in body.splitlines())

        return re.sub(rf"^([ \t]*){STUB}$", fill, self.stub, flags=re.MULTILINE)

    def _predict(
        self, trials: Callable[[Part, list[Row]], Iterator[list[Trial]]]
    ) -> dict[str, Mark] | None:
        """The marks of every part, None where they are not the same on all seeds."""
        marks = {}
        for part in self.exercise.parts:
            found = set()
            for judged in trials(part, self._answers(part)):
                verdict = decide(part, judged, reveal=False)
                found.add(Mark(verdict.points, verdict.status, verdict.mistake))
            if len(found) > 1:
                return None
            marks[part.name] = found.pop()
        return marks

    def _answers(self, part: Part) -> list[Row]:
        """For each seed what is known of every case."""
        if part.name not in self._tables:
            self._tables[part.name] = [_row(part, seed) for seed in SEEDS]
        return self._tables[part.name]


def _row(part: Part, seed: str) -> Row:
    cases = known_cases(part, seed)

    def tried(target: Any) -> list[Trial]:
        return run_trials(part, seed, local_caller(target), mistaken=False, cases=cases)

    wrong = {mistake.name: tried(mistake.wrong) for mistake in part.mistakes}
    answers: list[dict[str, Any]] = [
        {
            # Whoever draws answers otherwise each time.
            m.name: case.answer(m.wrong) if case.varies else wrong[m.name][i].got
            for m in part.mistakes
        }
        for i, case in enumerate(cases)
    ]
    return Row(cases, answers, wrong)


def _trials_with(mistake: Mistake, part: Part, rows: list[Row]) -> Iterator[list[Trial]]:
    """The trials of a mistake: of a part's own, what is in the table."""
    if mistake not in part.mistakes:
        yield from _trials_of(mistake.wrong, part, rows)
        return
    for row in rows:
        trials = row.wrong[mistake.name]
        yield [replace(t, mistaken=known) for t, known in zip(trials, row.answers, strict=True)]


def _trials_of(target: Any, part: Part, rows: list[Row]) -> Iterator[list[Trial]]:
    """The trials of any code."""
    for seed, row in zip(SEEDS, rows, strict=True):
        caller = local_caller(target)
        trials = run_trials(part, seed, caller, mistaken=False, cases=row.cases)
        yield [replace(t, mistaken=known) for t, known in zip(trials, row.answers, strict=True)]
