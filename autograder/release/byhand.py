"""What a person marks: cells of a set's notebook whose points no check gives."""

from __future__ import annotations

import copy
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.judging.sets import ExerciseSet


@dataclass(frozen=True)
class Answer:
    """A cell that a person marks, as it was handed out.

    before: the text of the cell above it. texts: of all Markdown cells that were handed out.
    """

    cell: NotebookNode
    before: str
    texts: frozenset[str]

    @property
    def name(self) -> str:
        """Its grade_id."""
        return str(self.cell.metadata.nbgrader.grade_id)


def released_answers(exercise_set: ExerciseSet, folder: Path | None) -> list[Answer]:
    """The cells of the released notebook that a person marks.

    folder: the exercise's, where the notebook lies.
    """
    path = None if folder is None else folder / f"{exercise_set.name}.ipynb"
    if path is None or not path.is_file():
        return []
    ours = {part.grade_id for part in exercise_set.parts}
    answers = copy.deepcopy(_read(path, path.stat().st_mtime_ns))
    return [answer for answer in answers if answer.name not in ours]


@functools.lru_cache(maxsize=16)
def _read(path: Path, _changed: int) -> list[Answer]:
    cells = nbformat.read(path, 4).cells
    texts = frozenset(cell.source.strip() for cell in cells if cell.cell_type == "markdown")
    above = ["", *(cell.source for cell in cells)]
    return [
        Answer(cell, before, texts)
        for cell, before in zip(cells, above, strict=False)
        if is_by_hand(cell)
    ]


def is_by_hand(cell: NotebookNode) -> bool:
    """Whether a person marks it: an answer that carries its own points."""
    label = cell.metadata.get("nbgrader", {})
    return bool((label.get("grade") and label.get("solution")) or label.get("task"))


def fingerprint(cell: NotebookNode) -> str:
    """Of what was written; blanks at its ends do not count."""
    return hashlib.sha256(cell.source.strip().encode()).hexdigest()
