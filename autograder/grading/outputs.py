"""A verdict as the output of its check cell, in a form that nbgrader's own rule reads.

nbgrader takes a number that a test cell returns for its partial credit. So every verdict is an
`execute_result`: the points as its text, and the panel that people see as its HTML.
"""

from __future__ import annotations

import html

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output

from autograder.grading.grade import Graded
from autograder.i18n import _
from autograder.judging.sets import ExerciseSet
from autograder.judging.show import framed, panel
from autograder.judging.verdict import Verdict
from autograder.submissions.repair import grade_id_of


def write_outputs(graded: Graded, exercise_set: ExerciseSet) -> None:
    """Put each verdict under its check cell, and what was mended at the top of the notebook."""
    names = exercise_set.by_grade_id
    for cell in graded.notebook.cells:
        name = names.get(grade_id_of(cell) or "")
        if name is not None:
            cell.outputs = [verdict_output(graded.verdicts[name])]
    if graded.problems:
        told = "<br>".join(html.escape(problem) for problem in graded.problems)
        taken = {cell.id for cell in graded.notebook.cells}
        free = next(
            name for name in map("mended-{}".format, range(len(taken) + 1)) if name not in taken
        )
        graded.notebook.cells.insert(0, new_markdown_cell(framed(told), id=free))


def verdict_output(verdict: Verdict) -> NotebookNode:
    """One verdict as a cell's output."""
    heading = _("{points:g} of {max_points:g} points").format(
        points=verdict.points, max_points=verdict.max_points
    )
    data = {"text/plain": str(verdict.points), "text/html": panel(verdict, heading)}
    return new_output("execute_result", data=data, execution_count=None)
