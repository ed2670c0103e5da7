"""Putting a submission's graded cells back where they belong, without losing the learner's work.

Cells are known by nbgrader's grade_id, else by the cell id that the release gave them, else by
what they define. Whatever is odd is told in a sentence.
"""

from __future__ import annotations

import difflib
import re

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.catalog import ExerciseSet
from autograder.exercise import Part
from autograder.grading.submission import Submission
from autograder.i18n import _
from autograder.notebooks import check_cell, nbgrader_metadata, reports
from autograder.source import definitions

MOST_NAMES = 1000


def repair(submission: Submission, exercise_set: ExerciseSet) -> Submission:
    """The submission with every check cell in place; adds to its problems what was mended."""
    cells = submission.notebook.cells
    problems = submission.problems
    defines = _Definitions()
    names = list(dict.fromkeys(part.exercise for part in exercise_set.parts))
    texts = reports(exercise_set)
    ours = {*names, *texts, *(part.grade_id for part in exercise_set.parts)}
    for cell in cells:
        # nbgrader gives up the whole class where a cell claims a schema that it does not know.
        if grade_id_of(cell) not in ours:
            cell.metadata.pop("nbgrader", None)
    for grade_id, points in texts.items():
        _mend_report(cells, grade_id, points)
    for name in names:
        _mend_solution(cells, name, problems, defines)
    put_back = [part.name for part in exercise_set.parts if _mend_check(cells, part, problems)]
    for name in names:
        # A cell that wore a check's label may be one that somebody is missing.
        _mend_solution(cells, name, problems, defines)
    if put_back == [part.name for part in exercise_set.parts]:
        problems.append(_("None of the notebook's checks was there; all were put back."))
    else:
        told = _("The check of {name} was missing and was put back.")
        problems += [told.format(name=name) for name in put_back]
    problems += [told for told in _renamed(cells, names) if told not in problems]
    return submission


def grade_id_of(cell: NotebookNode) -> str | None:
    """nbgrader's id of a cell, or None."""
    grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
    return grade_id if isinstance(grade_id, str) else None


class _Definitions:
    """What texts of code define; each is parsed once, and only where it may matter."""

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {}

    def __call__(self, source: str, name: str) -> bool:
        # Beyond ASCII a name may be written in other letters than those it has.
        if name not in source and source.isascii():
            return False
        if source not in self._known:
            self._known[source] = set(definitions(source))
        return name in self._known[source]


def _mend_solution(
    cells: list[NotebookNode], name: str, problems: list[str], defines: _Definitions
) -> None:
    labelled = [cell for cell in cells if grade_id_of(cell) == name]
    if len(labelled) > 1:
        problems.append(
            _("The cell of {name} is there {count} times; the last one counts.").format(
                name=name, count=len(labelled)
            )
        )
        for extra in labelled[:-1]:
            del extra.metadata["nbgrader"]
    if labelled:
        found = labelled[-1]
    else:
        by_id = [cell for cell in cells if cell.id == f"solution-{name}"]
        defining = [cell for cell in cells if defines(cell.source, name)]
        candidates = [cell for cell in (*by_id, *reversed(defining)) if not _is_labelled(cell)]
        if not candidates:
            return
        found = candidates[0]
    if found.cell_type != "code":
        problems.append(_("The cell of {name} was no code cell any more.").format(name=name))
        found.cell_type = "code"
        found.outputs, found.execution_count = [], None
        found.pop("attachments", None)
    found.metadata["nbgrader"] = nbgrader_metadata(name, solution=True)


def _mend_report(cells: list[NotebookNode], grade_id: str, points: float) -> None:
    """Put the label back on a text that a person marks, where its cell is known by its id."""
    labelled = [cell for cell in cells if grade_id_of(cell) == grade_id]
    for extra in labelled[:-1]:
        del extra.metadata["nbgrader"]
    found = labelled or [cell for cell in cells if cell.id == grade_id]
    if found:
        found[-1].cell_type = "markdown"
        for key in ("outputs", "execution_count"):
            found[-1].pop(key, None)
        flags = nbgrader_metadata(grade_id, grade=True, solution=True)
        found[-1].metadata["nbgrader"] = {**flags, "points": points}


def _is_labelled(cell: NotebookNode) -> bool:
    return grade_id_of(cell) is not None


def _mend_check(cells: list[NotebookNode], part: Part, problems: list[str]) -> bool:
    """Put a part's check cell in its place; whether it had to be put back."""
    fresh = check_cell(part)
    found = [cell for cell in cells if grade_id_of(cell) == part.grade_id]
    found = found or [cell for cell in cells if cell.id == part.grade_id]
    found = found or [c for c in cells if c.source.strip() == fresh.source and not _is_labelled(c)]
    for extra in found[:-1]:
        extra.metadata.pop("nbgrader", None)
    if len(found) > 1:
        problems.append(
            _("The check of {name} is there more than once; the last one counts.").format(
                name=part.name
            )
        )
    if found:
        cells[_place(cells, found[-1])] = fresh
    for cell in cells:
        if cell.id == fresh.id and cell is not fresh:
            cell.id = new_code_cell().id
    if found:
        return False
    homes = [i for i, cell in enumerate(cells) if grade_id_of(cell) == part.exercise]
    cells.insert(homes[-1] + 1 if homes else len(cells), fresh)
    return True


def _place(cells: list[NotebookNode], wanted: NotebookNode) -> int:
    """Where this very cell is: a copy of it is equal to it."""
    return next(i for i, cell in enumerate(cells) if cell is wanted)


def _renamed(cells: list[NotebookNode], names: list[str]) -> list[str]:
    """Functions that are defined nowhere, where a cell defines one of a similar name."""
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    # Only blanks of the same line: \s would go over an empty cell's million lines again and again.
    defined = re.findall(r"^[ \t]*(?:def|class)[ \t]+(\w+)", code, re.MULTILINE)
    others = [name for name in dict.fromkeys(defined) if name not in names]
    told = []
    for name in names:
        if name in defined or re.search(rf"^[ \t]*{name}[ \t]*=", code, re.MULTILINE):
            continue
        near = difflib.get_close_matches(name, others[:MOST_NAMES], 1, 0.75)
        if near:
            told.append(
                _("{name} is defined nowhere, but {near} is: was it renamed?").format(
                    name=name, near=near[0]
                )
            )
    return told
