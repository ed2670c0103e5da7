"""A learner's notebook without a notebook: references, or other code in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autograder.code import source
from autograder.judging.sets import ExerciseSet


def edited(reference: Any, changes: Mapping[str, str]) -> str:
    """The source of a reference with other code in some places, each of which it has once."""
    text = source.written(reference)
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def notebook_with(
    exercise_set: ExerciseSet, names: dict[str, Any], cells: Mapping[str, str]
) -> dict[str, Any]:
    """What names stand for after the cells of a set, which hold the references or other code.

    names : what stands above them; changed
    """
    for exercise in exercise_set.exercises:
        name = exercise.parts[0].exercise
        exec(cells.get(name, source.written(exercise.reference)), names)
    return names
