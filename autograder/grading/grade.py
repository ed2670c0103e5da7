"""Grading one notebook: the runner executes, the judge asks, verdicts come out.

Every function is judged as it was where its check cell stands (`sharing` tells when a later
snapshot is as good), and no hidden input leaves the judge before all cells have run.
"""

from __future__ import annotations

import copy
import time
from ast import AST
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder import source
from autograder.calling import Answer
from autograder.catalog import ExerciseSet
from autograder.engine.interface import (
    Call,
    CellResult,
    Limits,
    Runner,
    RunnerLost,
    Session,
    Snapshot,
    WarmRunner,
)
from autograder.exercise import Part
from autograder.freeze import public_source
from autograder.grading.byhand import released_answers
from autograder.grading.harmless import harmless
from autograder.grading.repair import grade_id_of, repair
from autograder.grading.sharing import Sharing
from autograder.grading.submission import Submission
from autograder.i18n import _
from autograder.judge import Caller, Oracle, judge
from autograder.notebooks import cell_limits, modules_used
from autograder.verdict import Died, TimedOut, Verdict, missing

PART_SECONDS = 60.0
# So many times more is a submission begun whose runner was lost.
ELSEWHERE = 1
BEGUN = ("passed", "partial", "wrong", "error", "timeout")


@dataclass
class Graded:
    """A graded submission: the repaired notebook with its outputs, and the verdicts."""

    assignment: str
    seed: str
    notebook: NotebookNode
    verdicts: dict[str, Verdict]
    problems: list[str] = field(default_factory=list)
    by_chance: bool = False
    """Whether the clock or a death had a hand in how a cell ended."""

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
    standing: Mapping[str, Verdict] | None = None,
) -> Graded:
    """Run a submission and judge every part of the set.

    files: support files that the notebook may read. standing: verdicts of an earlier grading of
    the same notebook that still hold; these parts are not judged again. Raises nothing for
    whatever a learner wrote: a part that cannot be judged is zero and flagged. So is every part of
    a submission whose runner was lost twice, here and elsewhere.
    """
    repair(submission, exercise_set, released_answers(exercise_set, files))
    notebook = submission.notebook
    by_grade_id = {part.grade_id: part for part in exercise_set.parts}
    if isinstance(runner, WarmRunner):
        runner.warm(modules_used(exercise_set))
    of_cells = cell_limits(exercise_set)
    of_all = limits or Limits()
    open_session = partial(runner.open, files, of_all.at_least(of_cells.values()))
    execute = partial(_run, by_grade_id=by_grade_id, of_all=of_all, of_cells=of_cells)
    losses: list[str] = []
    while len(losses) <= ELSEWHERE:
        try:
            with open_session() as session:
                snapshots, by_chance = execute(session, notebook)
                session.close()
                code = Code(notebook)
                known = _still_standing(standing or {}, exercise_set, code)
                verdicts = _judge_all(snapshots, exercise_set, seed, code, known)
            _say_what_to_mend_first(
                open_session,
                lambda session: execute(session, copy.deepcopy(notebook))[0],
                exercise_set,
                {name: verdict for name, verdict in verdicts.items() if name not in known},
                verdicts,
                seed,
                code,
            )
            _say_which_step_to_mend_first(exercise_set, verdicts)
            break
        except RunnerLost as error:
            losses.append(str(error))
    else:
        verdicts, by_chance = _lost(notebook, exercise_set, losses), True
    return Graded(exercise_set.name, seed, notebook, verdicts, submission.problems, by_chance)


def _lost(
    notebook: NotebookNode, exercise_set: ExerciseSet, losses: list[str]
) -> dict[str, Verdict]:
    """What a submission gets whose runner was lost each time: nothing, for now."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    why = _("This notebook could not be run to its end; your instructor has been told.")
    flagged = "RunnerLost: " + "; ".join(losses)
    return {part.name: missing(part, why, flagged=flagged) for part in exercise_set.parts}


class Code:
    """All code cells of a notebook as one text, parsed once, and only where somebody asks."""

    def __init__(self, notebook: NotebookNode) -> None:
        self._cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]

    @cached_property
    def _definitions(self) -> dict[str, AST]:
        return source.definitions("\n\n".join(self._cells))

    def names_used(self, function: str) -> set[str]:
        """See `source.names_used`."""
        return source.names_in(self._definitions.get(function))


def _run(
    session: Session,
    notebook: NotebookNode,
    by_grade_id: dict[str, Part],
    of_all: Limits,
    of_cells: dict[str, dict[str, Any]],
) -> tuple[dict[str, Snapshot], bool]:
    """Execute the learner's cells; for each part the snapshot in which it is judged. And whether
    a cell timed out or took Python down.

    of_cells: what single cells may use up, by the ids that they had when they were released.
    """
    snapshots: dict[str, Snapshot] = {}
    sharing = Sharing()
    waiting: list[Part] = []
    session.limits = of_all

    def take(*judged_here: Part) -> None:
        taken = session.snapshot()
        snapshots.update((part.name, taken) for part in judged_here)

    ran: list[tuple[NotebookNode, CellResult]] = []
    # The class whose steps are being checked, for as long as no cell has run since the first.
    same_class = ""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        grade_id = grade_id_of(cell) or ""
        part = by_grade_id.get(grade_id)
        own = f"solution-{part.exercise if part else grade_id}" if grade_id else cell.id
        limits = of_cells.get(own, {})
        if part is None and sharing.runs(cell.source):
            session.limits = of_all
            take(*waiting)
            waiting.clear()
            sharing.taken()
        session.limits = replace(of_all, **limits)
        if part is not None:
            if part.exercise == same_class:
                snapshots[part.name] = next(reversed(snapshots.values()))
            elif not limits and sharing.may_wait(part.exercise):
                waiting.append(part)
            else:
                take(part)
                same_class = part.exercise
            cell.outputs, cell.execution_count = [], None
        elif cell.source.strip():
            same_class = ""
            ran.append((cell, session.execute(cell.source)))
    session.limits = of_all
    if waiting:
        take(*waiting)
    # A function may stand below its check: cells that were moved still count.
    parts = {part.name: part for part in by_grade_id.values()}
    early = [n for n, taken in snapshots.items() if not taken.defines(parts[n].exercise)]
    if early:
        snapshots |= dict.fromkeys(early, session.snapshot())
    # Not before: a cell may put something new into what an earlier one has shown.
    for cell, result in ran:
        cell.outputs = [harmless(NotebookNode(output)) for output in result.outputs]
        cell.execution_count = result.execution_count or None
    return snapshots, any(result.status in ("timeout", "died") for _cell, result in ran)


def _still_standing(
    standing: Mapping[str, Verdict], exercise_set: ExerciseSet, code: Code
) -> dict[str, Verdict]:
    """Without those that may change with another part: which to mend first is part of them."""
    anew = {part.exercise for part in exercise_set.parts if part.name not in standing}
    return {
        name: verdict
        for name, verdict in standing.items()
        if verdict.status == "passed"
        or not (
            anew & code.names_used(exercise_set.part(name).exercise)
            or set(exercise_set.part(name).after) - standing.keys()
        )
    }


def _judge_all(
    snapshots: dict[str, Snapshot],
    exercise_set: ExerciseSet,
    seed: str,
    code: Code,
    known: dict[str, Verdict],
) -> dict[str, Verdict]:
    public = public_source(exercise_set)
    verdicts: dict[str, Verdict] = {}
    for part in exercise_set.parts:
        if part.name in known:
            verdicts[part.name] = known[part.name]
            continue
        work = partial(_judge_part, part, snapshots[part.name], seed, code, public)
        verdicts[part.name] = _guarded(part, work)
    return verdicts


def _guarded(part: Part, work: Callable[[], Verdict]) -> Verdict:
    """A failure of ours costs the learner the points for now, and flags the cell."""
    try:
        return work()
    except RunnerLost:
        raise
    except Exception as error:
        why = _("This part could not be judged ({error}); your instructor has been told.").format(
            error=type(error).__name__
        )
        return missing(part, why, flagged=f"{type(error).__name__}: {error}")


def _judge_part(part: Part, where: Snapshot, seed: str, code: Code, public: str) -> Verdict:
    if not where.defines(part.exercise):
        return missing(part, _("No {name} is defined in this notebook.").format(name=part.exercise))
    verdict = judge(part, seed, _caller(where, public))
    if verdict.status == "passed" and part.remarks:
        used = code.names_used(part.exercise)
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
            dead.append(TimedOut(PART_SECONDS, "function"))
            return Answer(dead[0])
        probe = (public, part.probe.name) if part.probe else None
        answer = snapshot.call(Call(part.exercise, args, part.parameters, probe))
        if isinstance(answer.value, Died):
            dead.append(answer.value)
        return answer

    return caller


def _say_what_to_mend_first(
    open_session: Callable[[], Session],
    execute: Callable[[Session], Mapping[str, Snapshot]],
    exercise_set: ExerciseSet,
    fresh: Mapping[str, Verdict],
    verdicts: Mapping[str, Verdict],
    seed: str,
    code: Code,
) -> None:
    """Judge a failed function again with right answers from those that it uses and that failed
    themselves; where it then passes, the first of these is what to mend.

    In a session of its own, and on other cases: whoever has seen the hidden inputs must not be
    able to ask a reference about them.
    """
    blamed = {
        part.name: culprits
        for part in exercise_set.parts
        if part.name in fresh and (culprits := _culprits(part, exercise_set, verdicts, code))
    }
    if not blamed:
        return
    public = public_source(exercise_set)
    with open_session() as session:
        again = execute(session)
        session.close()
        for name, culprits in blamed.items():
            part, where = exercise_set.part(name), again[name]
            if not where.defines(part.exercise):
                continue
            for other in culprits:
                where.replace(other.name, Oracle(other.reference))
            caller = _caller(where, public)
            judged = _guarded(part, partial(judge, part, f"{seed}, mended", caller))
            where.restore()
            if judged.status == "passed":
                verdicts[name].mend_first = culprits[0].name


def _say_which_step_to_mend_first(
    exercise_set: ExerciseSet, verdicts: Mapping[str, Verdict]
) -> None:
    """A step of a class that is not right names the first of those that it needs and that are not
    right either. A mistake that has a name needs no more, and of a class that nobody began there
    is nothing to say."""
    begun = {p.exercise for p in exercise_set.parts if verdicts[p.name].status in BEGUN}
    for part in exercise_set.parts:
        verdict = verdicts[part.name]
        told = verdict.status == "passed" or verdict.mistake or verdict.mend_first
        if part.exercise in begun and not told:
            off = [name for name in part.after if verdicts[name].status != "passed"]
            verdict.mend_first = off[0] if off else None


def _culprits(
    part: Part, exercise_set: ExerciseSet, verdicts: Mapping[str, Verdict], code: Code
) -> list[Part]:
    """The parts that a failed one uses and that failed themselves."""
    if verdicts[part.name].status not in ("partial", "wrong", "error", "timeout"):
        return []
    used = code.names_used(part.exercise)
    return [
        other
        for other in exercise_set.parts
        if other.name == other.exercise
        and other.name != part.name
        and other.name in used
        and verdicts[other.name].status != "passed"
    ]
