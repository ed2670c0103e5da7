"""What the gradebook knows of an assignment's source: read once, used for the whole class."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from nbgrader.api import Gradebook, MissingEntry


@dataclass(frozen=True)
class SourceFacts:
    """An assignment of one notebook, as nbgrader's preprocessors ask for it.

    cells: type, source, checksum and lock of every source cell, by name. max_scores: of every
    graded cell. graded, commented: the gradebook's ids of the cells that have a mark, a comment.
    """

    assignment: str
    assignment_id: str
    notebook_id: str
    duedate: datetime.datetime | None
    kernelspec: str | None
    cells: dict[str, Any]
    max_scores: dict[str, Any]
    graded: dict[str, str]
    commented: dict[str, str]

    # The part of nbgrader's Gradebook that reading a submission needs.

    def find_notebook(self, name: str, assignment: str) -> Any:
        """The source notebook; see nbgrader's Gradebook."""
        if (name, assignment) != (self.assignment, self.assignment):
            raise MissingEntry(f"No such notebook: {assignment}/{name}")
        return SimpleNamespace(
            kernelspec=self.kernelspec,
            source_cells=list(self.cells.values()),
            grade_cells=[SimpleNamespace(name=n, max_score=s) for n, s in self.max_scores.items()],
            solution_cells=[SimpleNamespace(name=n) for n in self.commented],
            task_cells=[],
        )

    def find_source_cell(self, name: str, notebook: str, assignment: str) -> Any:
        """A cell of the source notebook; see nbgrader's Gradebook."""
        if name not in self.cells:
            raise MissingEntry(f"No such source cell: {assignment}/{notebook}/{name}")
        return self.cells[name]

    def find_graded_cell(self, name: str, notebook: str, assignment: str) -> Any:
        """A cell with points; see nbgrader's Gradebook."""
        if name not in self.max_scores:
            raise MissingEntry(f"No such graded cell: {assignment}/{notebook}/{name}")
        return SimpleNamespace(name=name, max_score=self.max_scores[name])


def read_facts(gradebook: Gradebook, assignment: str) -> SourceFacts | None:
    """The facts of an assignment whose only notebook has its name; None for any other.

    Raises
    ------
    MissingEntry where the gradebook does not know the assignment.
    """
    found = gradebook.find_assignment(assignment)
    notebooks = list(found.notebooks)
    if [notebook.name for notebook in notebooks] != [assignment] or notebooks[0].task_cells:
        return None
    notebook = notebooks[0]
    return SourceFacts(
        assignment,
        found.id,
        notebook.id,
        found.duedate,
        notebook.kernelspec,
        {
            cell.name: SimpleNamespace(
                name=cell.name,
                cell_type=cell.cell_type,
                locked=cell.locked,
                source=cell.source,
                checksum=cell.checksum,
            )
            for cell in notebook.source_cells
        },
        {cell.name: cell.max_score for cell in notebook.grade_cells},
        {cell.name: cell.id for cell in notebook.grade_cells},
        {cell.name: cell.id for cell in notebook.solution_cells},
    )
