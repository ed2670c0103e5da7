"""What the gradebook knows of an assignment's source: read once, used for the whole class."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from nbgrader.api import Gradebook, MissingEntry


@dataclass(frozen=True)
class NotebookFacts:
    """A source notebook, as nbgrader's preprocessors ask for it.

    cells: type, source, checksum and lock of every source cell, by name. max_scores: of every cell
    with points. graded, commented: the gradebook's ids of the cells that have a mark, a comment.
    tasks: which of them are nbgrader's manual tasks, marked by hand alone.
    """

    id: str
    kernelspec: str | None
    cells: dict[str, Any]
    max_scores: dict[str, float]
    graded: dict[str, str]
    commented: dict[str, str]
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceFacts:
    """An assignment, with its notebooks by name."""

    assignment: str
    assignment_id: str
    duedate: datetime.datetime | None
    notebooks: dict[str, NotebookFacts]

    # The part of nbgrader's Gradebook that reading a submission needs.

    def find_notebook(self, name: str, assignment: str) -> Any:
        """A source notebook; see nbgrader's Gradebook."""
        found = self._notebook(name, assignment)
        scores = [SimpleNamespace(name=n, max_score=s) for n, s in found.max_scores.items()]
        return SimpleNamespace(
            kernelspec=found.kernelspec,
            source_cells=list(found.cells.values()),
            grade_cells=[cell for cell in scores if cell.name not in found.tasks],
            solution_cells=[
                SimpleNamespace(name=n) for n in found.commented if n not in found.tasks
            ],
            task_cells=[cell for cell in scores if cell.name in found.tasks],
        )

    def find_source_cell(self, name: str, notebook: str, assignment: str) -> Any:
        """A cell of a source notebook; see nbgrader's Gradebook."""
        found = self._notebook(notebook, assignment).cells.get(name)
        if found is None:
            raise MissingEntry(f"No such source cell: {assignment}/{notebook}/{name}")
        return found

    def find_graded_cell(self, name: str, notebook: str, assignment: str) -> Any:
        """A cell with points; see nbgrader's Gradebook."""
        score = self._notebook(notebook, assignment).max_scores.get(name)
        if score is None:
            raise MissingEntry(f"No such graded cell: {assignment}/{notebook}/{name}")
        return SimpleNamespace(name=name, max_score=score)

    def _notebook(self, name: str, assignment: str) -> NotebookFacts:
        if assignment != self.assignment or name not in self.notebooks:
            raise MissingEntry(f"No such notebook: {assignment}/{name}")
        return self.notebooks[name]


def read_facts(gradebook: Gradebook, assignment: str) -> SourceFacts:
    """The facts of an assignment.

    Raises
    ------
    MissingEntry where the gradebook does not know it.
    """
    found = gradebook.find_assignment(assignment)
    notebooks = {notebook.name: _facts_of(notebook) for notebook in found.notebooks}
    return SourceFacts(assignment, found.id, found.duedate, notebooks)


def _facts_of(notebook: Any) -> NotebookFacts:
    with_points = [*notebook.grade_cells, *notebook.task_cells]
    return NotebookFacts(
        notebook.id,
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
        {cell.name: cell.max_score for cell in with_points},
        {cell.name: cell.id for cell in with_points},
        {cell.name: cell.id for cell in [*notebook.solution_cells, *notebook.task_cells]},
        tuple(cell.name for cell in notebook.task_cells),
    )
