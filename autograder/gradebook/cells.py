"""The cells of an assignment that nbgrader keeps in tables, and whether a set has the same."""

from __future__ import annotations

from collections.abc import Mapping

from nbgrader.utils import is_grade, is_solution, is_task

from autograder.exercise import AuthorError
from autograder.gradebook.record import part_of
from autograder.gradebook.source_facts import SourceFacts
from autograder.i18n import _
from autograder.judging.sets import ExerciseSet
from autograder.release.notebook import instructor_notebook

SCORED = ("GradeCell", "TaskCell")

# What a cell is worth, by kind and name; None of an answer, whose points another cell carries.
Cells = Mapping[tuple[str, str], float | None]


def cells_of(exercise_set: ExerciseSet) -> Cells:
    """What a set of ours puts into the gradebook."""
    found: dict[tuple[str, str], float | None] = {}
    for cell in instructor_notebook(exercise_set).cells:
        label = cell.metadata.get("nbgrader", {})
        points = float(label.get("points", 0))
        for kind, has, worth in (
            ("GradeCell", is_grade, points),
            ("SolutionCell", is_solution, None),
            ("TaskCell", is_task, points),
        ):
            if has(cell):
                found[kind, label["grade_id"]] = worth
    return found


def must_be_in_step(exercise_set: ExerciseSet, facts: SourceFacts) -> None:
    """See to it that the gradebook has the cells that a set of ours has.

    Raises
    ------
    AuthorError that says what is otherwise and what to do: one half of a class would be marked out
    of other points than the rest.
    """
    known = facts.notebooks.get(exercise_set.name)
    if known is None:
        return
    have: dict[tuple[str, str], float | None] = {
        ("TaskCell" if name in known.tasks else "GradeCell", name): points
        for name, points in known.max_scores.items()
    }
    have |= {("SolutionCell", name): None for name in known.commented if name not in known.tasks}
    wanted = cells_of(exercise_set)
    if have != wanted:
        raise AuthorError(
            _(
                "nobody is graded: solutions/{name} is not what the gradebook was told of "
                "({what}). Run `autograder build {name}`: it brings the gradebook along, and lists "
                "what that changes for whom."
            ).format(name=exercise_set.name, what="; ".join(differences(have, wanted)))
        )


def differences(have: Cells, wanted: Cells) -> list[str]:
    """In words; an answer is told only where its check tells nothing."""
    out = []
    for answers in (False, True):
        for key in dict.fromkeys((*wanted, *have)):
            if (key[0] == "SolutionCell") is not answers:
                continue
            part, old, new = part_of(key[1]), have.get(key), wanted.get(key)
            if key not in have:
                out.append(_("{part} is new{points}").format(part=part, points=_points(new)))
            elif key not in wanted:
                out.append(_("{part} is taken out{points}").format(part=part, points=_points(old)))
            elif old != new:
                told = _("{part} is worth {new:g} points in place of {old:g}")
                out.append(told.format(part=part, new=new, old=old))
        if out:
            break
    return out


def _points(points: float | None) -> str:
    return "" if points is None else _(", {points:g} points").format(points=points)
