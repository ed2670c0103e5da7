"""Grading one notebook: the runner executes, the judge asks, verdicts come out.

Every function is judged as it was where its check cell stands (`snapshots` tells when a later
snapshot is as good), and no hidden input leaves the judge before all cells have run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.engine.interface import (
    Call,
    CellResult,
    Limits,
    Runner,
    RunnerLost,
    Session,
    Snapshot,
)
from autograder.engine.trusted.evaluating import Away
from autograder.engine.trusted.helper import Lost
from autograder.exercise import Part
from autograder.grading.causes import Stopped, explain_missing, explain_names, stopped
from autograder.grading.clean import harmless
from autograder.grading.snapshots import Check, Step
from autograder.grading.survey import Survey, survey
from autograder.i18n import _
from autograder.judging.judge import Caller, Keep, Putter, judge
from autograder.judging.mending import BEGUN, first_to_mend
from autograder.judging.sets import ExerciseSet
from autograder.judging.verdict import Chance, Died, TimedOut, Verdict, missing, unknown_name
from autograder.release.byhand import released_answers
from autograder.release.freeze import probe_source
from autograder.release.notebook import cell_limits, modules_used
from autograder.submissions.read import Submission
from autograder.submissions.repair import grade_id_of, leave_to_a_person, repair
from autograder.values.calling import Answer
from autograder.values.codec import Raised

PART_SECONDS = 60.0
# So many times more is a submission begun whose runner was lost.
ELSEWHERE = 1
# What `grade-notebook --json` tells of a verdict.
PUBLISHED = ("points", "max_points", "status", "mistake", "message", "hint", "remarks")


@dataclass
class Graded:
    """A graded submission: the repaired notebook with its outputs, and the verdicts."""

    assignment: str
    seed: str
    notebook: NotebookNode
    verdicts: dict[str, Verdict]
    problems: list[str] = field(default_factory=list)
    by_chance: Chance = ""
    """What besides the code had a hand in how a cell ended."""

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
            "functions": {
                name: {key: getattr(verdict, key) for key in PUBLISHED} | {"kind": verdict.where}
                for name, verdict in self.verdicts.items()
            },
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
    keep: Keep | None = None,
) -> Graded:
    """Run a submission and judge every part of the set.

    files: support files that the notebook may read. standing: verdicts of an earlier grading of
    the same notebook that still hold; these parts are not judged again. keep: is given the trials
    of those that are, by name. Raises nothing for whatever a learner wrote: a part that cannot be
    judged is zero and flagged. So is every part of a submission whose runner was lost twice, here
    and elsewhere.
    """
    answers = released_answers(exercise_set, files)
    repair(submission, exercise_set, answers)
    notebook = submission.notebook
    leave_to_a_person(notebook.cells, answers)
    modules = modules_used(exercise_set)
    of_cells = cell_limits(exercise_set)
    of_all = limits or Limits()
    steps = _steps(notebook, exercise_set, of_cells)
    remarked = [part.exercise for part in exercise_set.parts if part.remarks]
    code = survey([step for _cell, step, _part in steps], remarked)
    if not code.whole:
        submission.problems.append(
            _("The code of this notebook takes too long to be read: hints may be missing.")
        )
    losses: list[str] = []
    while len(losses) <= ELSEWHERE:
        try:
            with runner.open(files, of_all.at_least(of_cells.values()), modules) as session:
                ran = _run(session, steps, code.plan, of_all, of_cells)
                session.close()
                verdicts = _judge_all(ran, exercise_set, seed, code, standing or {}, keep)
                by_chance = ran.by_chance
            _say_what_to_mend_first(exercise_set, verdicts, code)
            break
        except RunnerLost as error:
            losses.append(str(error))
    else:
        verdicts, by_chance = _lost(notebook, exercise_set, losses), "accident"
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


def _steps(
    notebook: NotebookNode, exercise_set: ExerciseSet, of_cells: dict[str, dict[str, Any]]
) -> list[tuple[NotebookNode, Step, Part | None]]:
    """The run of a notebook: its code cells, what each is for snapshots, and whose check it is."""
    names = exercise_set.by_grade_id
    parts = {part.name: part for part in exercise_set.parts}
    made: list[tuple[NotebookNode, Step, Part | None]] = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            part = parts.get(names.get(grade_id_of(cell) or "", ""))
            limited = part is not None and bool(of_cells.get(f"solution-{part.exercise}"))
            made.append((cell, Check(part.exercise, limited) if part else cell.source, part))
    return made


@dataclass(frozen=True)
class Ran:
    """What a notebook's run left: for each part the snapshot in which it is judged, the cells that
    did not run to their end, and what besides the code had a hand in that."""

    snapshots: dict[str, Snapshot]
    stopped: list[Stopped]
    by_chance: Chance


def _run(
    session: Session,
    steps: Sequence[tuple[NotebookNode, Step, Part | None]],
    plan: Sequence[str],
    of_all: Limits,
    of_cells: dict[str, dict[str, Any]],
) -> Ran:
    """Execute the learner's cells.

    of_cells: what single cells may use up, by the ids that they had when they were released.
    """
    snapshots: dict[str, Snapshot] = {}
    waiting: list[Part] = []
    session.limits = of_all

    def take(*judged_here: Part) -> None:
        taken = session.snapshot()
        snapshots.update((part.name, taken) for part in judged_here)

    ran: list[tuple[NotebookNode, CellResult]] = []
    for (cell, _step, part), when in zip(steps, plan, strict=True):
        grade_id = grade_id_of(cell) or ""
        own = f"solution-{part.exercise if part else grade_id}" if grade_id else cell.id
        if when == "take" and waiting:
            session.limits = of_all
            take(*waiting)
            waiting.clear()
        session.limits = replace(of_all, **of_cells.get(own, {}))
        if part is None:
            if cell.source.strip():
                ran.append((cell, session.execute(cell.source)))
                if waiting and _chance(ran[-1][1]):
                    # Where the interpreter is lost too often there will be no later state.
                    session.limits = of_all
                    take(*waiting)
                    waiting.clear()
            continue
        if when == "same":
            snapshots[part.name] = next(reversed(snapshots.values()))
        elif when == "wait":
            waiting.append(part)
        else:
            take(part)
        cell.outputs, cell.execution_count = [], None
    session.limits = of_all
    if waiting:
        take(*waiting)
    # A function may stand below its check: cells that were moved still count.
    judged = {part.name: part.exercise for _cell, _step, part in steps if part is not None}
    early = [name for name, taken in snapshots.items() if not taken.defines(judged[name])]
    if early:
        snapshots |= dict.fromkeys(early, session.snapshot())
    # Not before: a cell may put something new into what an earlier one has shown.
    outputs = [NotebookNode(output) for _cell, result in ran for output in result.outputs]
    clean = iter(harmless(outputs))
    for cell, result in ran:
        cell.outputs = [next(clean) for _output in result.outputs]
        cell.execution_count = result.execution_count or None
    chances = [chance for _cell, result in ran if (chance := _chance(result))]
    return Ran(
        snapshots,
        [
            stopped(grade_id_of(cell) or "", cell.source, result.outputs, result.reason)
            for cell, result in ran
            if result.status != "ok"
        ],
        "accident" if "accident" in chances else "clock" if chances else "",
    )


def _chance(result: CellResult) -> Chance:
    if result.status == "died" or result.busy:
        return "accident"
    return "clock" if result.status == "timeout" else ""


def _judge_all(
    ran: Ran,
    exercise_set: ExerciseSet,
    seed: str,
    code: Survey,
    standing: Mapping[str, Verdict],
    keep: Keep | None,
) -> dict[str, Verdict]:
    verdicts: dict[str, Verdict] = {}
    for part in exercise_set.parts:
        if part.name in standing:
            verdicts[part.name] = standing[part.name]
            continue
        put = Away(exercise_set, part, seed)
        work = partial(_judge_part, exercise_set, part, ran, seed, code, put, keep)
        verdicts[part.name] = _guarded(part, work)
    return verdicts


def _guarded(part: Part, work: Callable[[], Verdict]) -> Verdict:
    """A failure of ours costs the learner the points for now, and flags the cell."""
    try:
        return work()
    except RunnerLost:
        raise
    except Lost as error:
        why = _(
            "What it returns takes too much time or memory to be looked at, so this part could not "
            "be judged; your instructor has been told."
        )
        return replace(missing(part, why, flagged=str(error)), by_chance="accident")
    except Exception as error:
        why = _("This part could not be judged ({error}); your instructor has been told.").format(
            error=type(error).__name__
        )
        return missing(part, why, flagged=f"{type(error).__name__}: {error}")


def _judge_part(
    exercise_set: ExerciseSet,
    part: Part,
    ran: Ran,
    seed: str,
    code: Survey,
    put: Putter,
    keep: Keep | None,
) -> Verdict:
    where = ran.snapshots[part.name]
    if not where.defines(part.exercise):
        why = _("No {name} is defined in this notebook.").format(name=part.exercise)
        verdict = missing(part, why)
        explain_missing(verdict, part.exercise, ran.stopped)
        return verdict
    stub = code.may_be_stub(part.exercise)
    lacking: list[str] = []
    name = part.probe.name if part.probe else ""
    probe = (probe_source(exercise_set, name), name) if name else None
    asked = _caller(where, probe, lacking)
    verdict = judge(part, seed, asked, stub=stub, put=put, keep=keep)
    explain_names(verdict, lacking, ran.stopped)
    if verdict.status == "passed" and part.remarks:
        used = code.used.get(part.exercise, ())
        verdict.remarks += [_(r.text) for r in part.remarks if r.uses in used]
    if where.problem:
        verdict.flagged = where.problem
    return verdict


def _caller(snapshot: Snapshot, probe: tuple[str, str] | None, lacking: list[str]) -> Caller:
    """Puts cases of a part to a snapshot; after a death, or out of time, it asks no more. probe:
    see `Call`. lacking: gets the names that were not there."""
    started = time.monotonic()
    dead: list[Any] = []

    def caller(part: Part, args: dict[str, Any]) -> Answer:
        if dead:
            return Answer(dead[0])
        took = time.monotonic() - started
        if took > PART_SECONDS and took - snapshot.put_off() > PART_SECONDS:
            dead.append(TimedOut(PART_SECONDS, "function"))
            return Answer(dead[0])
        answer = snapshot.call(Call(part.exercise, args, part.parameters, probe))
        if isinstance(answer.value, Died):
            dead.append(answer.value)
        if isinstance(answer.value, Raised) and (name := unknown_name(answer.value.message)):
            lacking.append(name)
        return answer

    return caller


def _say_what_to_mend_first(
    exercise_set: ExerciseSet, verdicts: Mapping[str, Verdict], code: Survey
) -> None:
    """Give every part that failed the name of the one to mend first, if there is one. Of a class
    that nobody began there is nothing to say."""
    parts = {part.name: part for part in exercise_set.parts}
    begun = {part.exercise for part in parts.values() if verdicts[part.name].status in BEGUN}
    uses = cache(partial(code.uses, others=parts))
    for name, part in parts.items():
        verdicts[name].mend_first = (
            first_to_mend(name, parts, verdicts.__getitem__, uses)
            if part.exercise in begun
            else None
        )
