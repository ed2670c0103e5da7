"""Putting a submission's graded cells back where they belong, without losing the learner's work.

Cells are known by nbgrader's grade_id, else by the cell id that the release gave them, else by
what they define. Whatever is odd is told in a sentence.
"""

from __future__ import annotations

import copy
import difflib
import itertools
import re
from collections.abc import Sequence
from functools import cached_property

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.code.source import definitions
from autograder.engine.trusted.helper import each
from autograder.exercise import Part
from autograder.i18n import _
from autograder.judging.sets import ExerciseSet
from autograder.release.byhand import Answer
from autograder.release.notebook import check_cell, nbgrader_metadata
from autograder.submissions import reasons
from autograder.submissions.held import beside_checks
from autograder.submissions.read import Submission

MOST_NAMES = 1000
# Of a cell's id, says nbformat.
MOST_LETTERS = 64
SECONDS = 5.0

_CHECK_TWICE = _("The check of {name} is there more than once; the last one counts.")


def repair(
    submission: Submission, exercise_set: ExerciseSet, answers: Sequence[Answer] = ()
) -> Submission:
    """The submission with every check cell in place; adds to its problems what was mended. One that
    was repaired before is left as it is.

    answers: the cells of the released notebook that a person marks.
    """
    if submission.repaired:
        return submission
    submission.repaired = True
    cells = submission.notebook.cells
    problems = submission.problems
    names = list(dict.fromkeys(part.exercise for part in exercise_set.parts))
    ours = {*names, *(part.grade_id for part in exercise_set.parts)}
    ours |= {answer.name for answer in answers}
    for cell in cells:
        # nbgrader gives up the whole class where a cell claims a schema that it does not know.
        if grade_id_of(cell) not in ours:
            cell.metadata.pop("nbgrader", None)
    problems += _keep_what_is_more(cells, exercise_set.parts)
    defines = _Definitions(cells, names)
    # First who bears each label: a cell that loses another's may be the one that is looked for.
    for name in names:
        if count := _lost_by_others(cells, name):
            told = _("The cell of {name} is there {count} times; the last one counts.")
            problems.append(told.format(name=name, count=count + 1))
    for part in exercise_set.parts:
        if _lost_by_others(cells, part.grade_id):
            problems.append(_CHECK_TWICE.format(name=part.name))
    for name in names:
        _mend_solution(cells, name, problems, defines)
    put_back = [part.name for part in exercise_set.parts if _mend_check(cells, part, problems)]
    if put_back == [part.name for part in exercise_set.parts]:
        problems.append(_("None of the notebook's checks was there; all were put back."))
    else:
        told = _("The check of {name} was missing and was put back.")
        problems += [told.format(name=name) for name in put_back]
    if defines.unread:
        problems.append(_("The code of some cells takes too long to be read."))
    odd = [told for answer in answers for told in _mend_answer(cells, answer)]
    problems += [told for told in (*_renamed(cells, names), *odd) if told not in problems]
    return submission


def grade_id_of(cell: NotebookNode) -> str | None:
    """nbgrader's id of a cell, or None."""
    grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
    return grade_id if isinstance(grade_id, str) else None


def _keep_what_is_more(cells: list[NotebookNode], parts: Sequence[Part]) -> list[str]:
    """Have what check cells hold besides their check in ordinary cells above them; what there is to
    say of it. A cell that counts as a check by its label or id holds the check alone afterwards."""
    fresh = {part.grade_id: check_cell(part) for part in parts}
    names = {part.grade_id: part.name for part in parts}
    found = []
    for cell in cells:
        own = grade_id_of(cell)
        name = own if own in fresh else cell.id if own is None else None
        # What has only the check's own words is the check in another form, or a half of it.
        if name in fresh and not _words(cell.source) <= _words(fresh[name].source):
            found.append((cell, name))
    code = [cell.source for cell, _name in found if cell.cell_type == "code"]
    rest = iter(each(beside_checks, code, seconds=SECONDS, otherwise=None))
    told = []
    for cell, name in found:
        kept = next(rest) if cell.cell_type == "code" else cell.source
        # Of what takes too long to be read everything stays.
        kept = cell.source if kept is None else kept
        if not kept.strip():
            continue
        mine = copy.deepcopy(cell)
        mine.id, mine.source = _free_id(cells, f"kept-{name}"), kept
        mine.metadata.pop("nbgrader", None)
        cell.source = fresh[name].source
        cells.insert(_place(cells, cell), mine)
        told.append(reasons.HELD_MORE.format(name=names[name]))
    return list(dict.fromkeys(told))


def _words(source: str) -> set[str]:
    return set(re.findall(r"\w+", source))


def _free_id(cells: Sequence[NotebookNode], wanted: str) -> str:
    taken = any(cell.id == wanted for cell in cells)
    return str(new_code_cell().id) if taken or len(wanted) > MOST_LETTERS else wanted


class _Definitions:
    """What the texts of code cells define; they are read together, and only where it may matter."""

    def __init__(self, cells: Sequence[NotebookNode], names: Sequence[str]) -> None:
        self._sources = [cell.source for cell in cells]
        self._names = list(names)
        self.unread = False

    def __call__(self, source: str, name: str) -> bool:
        # Beyond ASCII a name may be written in other letters than those it has.
        if name not in source and source.isascii():
            return False
        return name in self._known.get(source, ())

    @cached_property
    def _known(self) -> dict[str, list[str]]:
        found = each(defined, self._sources, self._names, seconds=SECONDS, otherwise=None)
        self.unread = None in found
        return {source: names for source, names in zip(self._sources, found, strict=True) if names}


def defined(sources: list[str], names: list[str]) -> list[list[str]]:
    """In the helper: which of the names each source defines."""
    return [[name for name in definitions(source) if name in names] for source in sources]


def _lost_by_others(cells: list[NotebookNode], grade_id: str) -> int:
    """Let the last of the cells that bear a label keep it; how many have lost it."""
    others = [cell for cell in cells if grade_id_of(cell) == grade_id][:-1]
    for cell in others:
        del cell.metadata["nbgrader"]
    return len(others)


def _mend_solution(
    cells: list[NotebookNode], name: str, problems: list[str], defines: _Definitions
) -> None:
    found = next((cell for cell in cells if grade_id_of(cell) == name), None)
    if found is None:
        by_id = [cell for cell in cells if cell.id == f"solution-{name}"]
        defining = [cell for cell in cells if defines(cell.source, name)]
        both = [cell for cell in by_id if cell in defining]
        candidates = [c for c in (*both, *reversed(defining), *by_id) if not _is_labelled(c)]
        if not candidates:
            return
        found = candidates[0]
    if found.cell_type != "code":
        problems.append(_("The cell of {name} was no code cell any more.").format(name=name))
        found.cell_type = "code"
        found.outputs, found.execution_count = [], None
        found.pop("attachments", None)
    found.metadata["nbgrader"] = nbgrader_metadata(name, solution=True)


def _is_labelled(cell: NotebookNode) -> bool:
    return grade_id_of(cell) is not None


def _mend_check(cells: list[NotebookNode], part: Part, problems: list[str]) -> bool:
    """Put a part's check cell in its place; whether it had to be put back."""
    fresh = check_cell(part)
    found = [cell for cell in cells if grade_id_of(cell) == part.grade_id]
    found = found or [c for c in cells if c.id == part.grade_id and not _is_labelled(c)]
    found = found or [c for c in cells if c.source.strip() == fresh.source and not _is_labelled(c)]
    if len(found) > 1:
        problems.append(_CHECK_TWICE.format(name=part.name))
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


def _mend_answer(cells: list[NotebookNode], answer: Answer) -> list[str]:
    """Put what a person marks under its label; what there is to say of it."""
    name, released, told = answer.name, answer.cell, []
    found = [cell for cell in cells if grade_id_of(cell) == name]
    if len(found) > 1:
        told.append(
            _("The cell of {name} is there {count} times; the last one that was written in counts.")
        )
    found = found or [c for c in cells if c.id == released.id and not _is_labelled(c)]
    found = found or [
        cell
        for above, cell in itertools.pairwise(cells)
        if answer.before.strip() and above.source.strip() == answer.before.strip()
        if not _is_labelled(cell) and cell.cell_type == released.cell_type
    ]
    written = [cell for cell in found if cell.source.strip() != released.source.strip()]
    if not found:
        told.append(_("The cell of {name} was missing and was put back as it was handed out."))
        homes = [i for i, cell in enumerate(cells) if cell.source.strip() == answer.before.strip()]
        found = [copy.deepcopy(released)]
        if any(cell.id == released.id for cell in cells):
            found[0].id = new_code_cell().id
        cells.insert(homes[-1] + 1 if homes else len(cells), found[0])
    chosen = (written or found)[-1]
    for cell in found:
        cell.metadata.pop("nbgrader", None)
    if chosen.cell_type != released.cell_type:
        told.append(_("The cell of {name} had become one of another kind."))
        chosen.cell_type = released.cell_type
        for key in ("outputs", "execution_count", "attachments"):
            chosen.pop(key, None)
        if chosen.cell_type == "code":
            chosen.outputs, chosen.execution_count = [], None
    chosen.metadata["nbgrader"] = copy.deepcopy(released.metadata.nbgrader)
    if not written and _writes_elsewhere(cells, answer):
        told.append(
            _(
                "The cell of {name} is as it was handed out, but other text was written: if that "
                "is the answer, somebody has to look."
            )
        )
    return [text.format(name=name, count=len(found)) for text in told]


def leave_to_a_person(cells: list[NotebookNode], answers: Sequence[Answer]) -> None:
    """Of a cell that is as it was handed out where other text was written, take the checksum away.

    With it nbgrader gives zero to what was not written in, and asks nobody to look; and its own
    steps put it back after a repair.
    """
    for answer in answers:
        for cell in cells:
            untouched = cell.source.strip() == answer.cell.source.strip()
            if grade_id_of(cell) == answer.name and untouched and _writes_elsewhere(cells, answer):
                cell.metadata.nbgrader.pop("checksum", None)


def _writes_elsewhere(cells: list[NotebookNode], answer: Answer) -> bool:
    """Whether there is Markdown that was not handed out."""
    return any(
        cell.cell_type == "markdown"
        and not _is_labelled(cell)
        and bool(cell.source.strip())
        and cell.source.strip() not in answer.texts
        for cell in cells
    )


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
