"""Grading one notebook: the runner executes, the judge asks, verdicts come out.

Every function is judged in a snapshot that was taken where its check cell stands, and no hidden
input leaves the judge before all cells have run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder import source
from autograder.calling import Answer
from autograder.catalog import ExerciseSet
from autograder.engine.interface import Call, Limits, Runner, Session, Snapshot
from autograder.exercise import Part
from autograder.freeze import public_source
from autograder.grading.harmless import harmless
from autograder.grading.repair import grade_id_of, repair
from autograder.grading.submission import Submission
from autograder.i18n import _
from autograder.judge import Caller, Oracle, judge
from autograder.verdict import Died, TimedOut, Verdict, missing

PART_SECONDS = 60.0


@dataclass
class Graded:
    """A graded submission: the repaired notebook with its outputs, and the verdicts."""

    assignment: str
    seed: str
    notebook: NotebookNode
    verdicts: dict[str, Verdict]
    problems: list[str] = field(default_factory=list)

    @property
    def points(self) -> float:
        """What the submission gets."""
        return round(sum(v.points for v in self.verdicts.values()), 2)

    @property
    def max_points(self) -> float:
        """Full marks."""
        return sum(v.max_points for v in self.verdicts.values())

    def to_json(self) -> dict[str, Any]:
        """The public form, as `grade-notebook --json` prints it."""
        return {
            "assignment": self.assignment,
            "seed": int(self.seed) if self.seed.isdecimal() else self.seed,
            "points": self.points,
            "max_points": self.max_points,
            "functions": {name: v.to_json() for name, v in self.verdicts.items()},
        }


def grade(
    submission: Submission,
    exercise_set: ExerciseSet,
    seed: str,
    runner: Runner,
    *,
    limits: Limits | None = None,
    files: Path | None = None,
) -> Graded:
    """Run a submission and judge every part of the set.

    files: support files that the notebook may read. Raises nothing for whatever a learner wrote:
    a part that cannot be judged is zero and flagged.
    """
    repair(submission, exercise_set)
    notebook = submission.notebook
    by_grade_id = {part.grade_id: part for part in exercise_set.parts}
    with runner.open(files, limits or Limits()) as session:
        snapshots = _run(session, notebook, by_grade_id)
        session.close()
        verdicts = _judge_all(snapshots, exercise_set, seed, _code(notebook))
    return Graded(exercise_set.name, seed, notebook, verdicts, submission.problems)


def _code(notebook: NotebookNode) -> str:
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return "\n\n".join(cells)


def _run(
    session: Session, notebook: NotebookNode, by_grade_id: dict[str, Part]
) -> dict[str, list[Snapshot]]:
    """Execute the learner's cells; a snapshot at each check cell, and one at the end."""
    snapshots: dict[str, list[Snapshot]] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        part = by_grade_id.get(grade_id_of(cell) or "")
        if part is not None:
            snapshots[part.name] = [session.snapshot()]
            cell.outputs, cell.execution_count = [], None
        elif cell.source.strip():
            result = session.execute(cell.source)
            cell.outputs = [harmless(NotebookNode(output)) for output in result.outputs]
            cell.execution_count = result.execution_count or None
    # A function may stand below its check: cells that were moved still count.
    end = session.snapshot()
    return {name: [*taken, end] for name, taken in snapshots.items()}


def _judge_all(
    snapshots: dict[str, list[Snapshot]], exercise_set: ExerciseSet, seed: str, code: str
) -> dict[str, Verdict]:
    public = public_source(exercise_set)
    verdicts: dict[str, Verdict] = {}
    for part in exercise_set.parts:
        work = partial(_judge_part, part, snapshots[part.name], seed, code, public)
        verdicts[part.name] = _guarded(part, work)
    for part in exercise_set.parts:
        verdict = verdicts[part.name]
        if verdict.status in ("partial", "wrong", "error", "timeout"):
            _say_what_to_mend_first(part, exercise_set, verdicts, snapshots, seed, code, public)
    return verdicts


def _guarded(part: Part, work: Callable[[], Verdict]) -> Verdict:
    """A failure of ours costs the learner the points for now, and flags the cell."""
    try:
        return work()
    except Exception as error:
        why = _("This part could not be judged ({error}); your instructor has been told.").format(
            error=type(error).__name__
        )
        return missing(part, why, flagged=f"{type(error).__name__}: {error}")


def _judge_part(
    part: Part, snapshots: list[Snapshot], seed: str, code: str, public: str
) -> Verdict:
    where = next((s for s in snapshots if s.defines(part.exercise)), None)
    if where is None:
        return missing(part, _("No {name} is defined in this notebook.").format(name=part.exercise))
    verdict = judge(part, seed, _caller(where, public))
    used = source.names_used(code, part.exercise)
    if verdict.status == "passed":
        verdict.remarks += [_(r.text) for r in part.remarks if r.uses in used]
    if where.problem:
        verdict.flagged = where.problem
    return verdict


def _caller(snapshot: Snapshot, public: str) -> Caller:
    """Puts cases to a snapshot; after a death, or out of time, it asks no more."""
    started = time.monotonic()
    dead: list[Any] = []

    def caller(part: Part, args: dict[str, Any]) -> Answer:
        if dead:
            return Answer(dead[0])
        if time.monotonic() - started > PART_SECONDS:
            dead.append(TimedOut(PART_SECONDS))
            return Answer(dead[0])
        probe = (public, part.probe.name) if part.probe else None
        answer = snapshot.call(Call(part.exercise, args, part.parameters, probe))
        if isinstance(answer.value, Died):
            dead.append(answer.value)
        return answer

    return caller


def _say_what_to_mend_first(
    part: Part,
    exercise_set: ExerciseSet,
    verdicts: dict[str, Verdict],
    snapshots: dict[str, list[Snapshot]],
    seed: str,
    code: str,
    public: str,
) -> None:
    """Judge a failed function again with right answers from those that it uses and that failed
    themselves; where it then passes, the first of these is what to mend."""
    used = source.names_used(code, part.exercise)
    culprits = [
        other
        for other in exercise_set.parts
        if other.name == other.exercise
        and other.name != part.name
        and other.name in used
        and verdicts[other.name].status != "passed"
    ]
    where = next((s for s in snapshots[part.name] if s.defines(part.exercise)), None)
    if not culprits or where is None:
        return
    for other in culprits:
        where.replace(other.name, Oracle(other.reference))
    again = _guarded(part, partial(judge, part, seed, _caller(where, public)))
    if again.status == "passed":
        verdicts[part.name].mend_first = culprits[0].name
