"""A solved notebook goes first, through the very walls behind which everybody's will run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nbformat import NotebookNode

from autograder.engine.interface import Limits, Runner
from autograder.engine.trusted.session import StartError
from autograder.grading import Stopped
from autograder.grading.grade import Graded, grade
from autograder.i18n import _
from autograder.judging.sets import ExerciseSet
from autograder.release.notebook import instructor_notebook
from autograder.submissions.read import Submission

SEED = "rehearsal"


def rehearse(exercise_set: ExerciseSet, runner: Runner, limits: Limits, files: Path | None) -> None:
    """Grade the solved notebook, as far as its first exercise goes: what a submission needs of this
    system, that one needs too.

    Raises
    ------
    Stopped where it does not get full marks, or cannot be run at all.
    """
    first = replace(exercise_set, exercises=exercise_set.exercises[:1])
    notebook = instructor_notebook(exercise_set)
    last = max(i for i, cell in enumerate(notebook.cells) if cell.id in first.by_grade_id)
    notebook.cells = notebook.cells[: last + 1]
    try:
        done = grade(Submission(notebook), first, SEED, runner, limits=limits, files=files)
        why = "; ".join(_short_of(done))
    except StartError as error:
        why = str(error)
    if why:
        raise Stopped(
            _(
                "nobody is graded: the solved notebook of {name} itself does not get full marks on "
                "this system. {why}"
            ).format(name=exercise_set.name, why=why)
        )


def _short_of(done: Graded) -> Iterator[str]:
    """What is wrong: the parts that did not get their points, and the first cell that failed."""
    short = [v for v in done.verdicts.values() if v.points < v.max_points]
    for verdict in short:
        yield f"{verdict.part}: {verdict.flagged or verdict.message}"
    failed = [output for cell in done.notebook.cells for output in _errors(cell)]
    if short and failed:
        yield f"{failed[0].ename}: {failed[0].evalue}"


def _errors(cell: NotebookNode) -> list[NotebookNode]:
    return [o for o in cell.get("outputs", []) if o.output_type == "error"]
