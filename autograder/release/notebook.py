"""From a set's text and references to the instructor's notebook.

`solutions/<set>.md` is a MyST notebook; a code cell `%exercise NAME` stands for the solution cell
of that exercise and its check cells, and `%report NAME POINTS` for a text that a learner writes and
a person marks. Ids come from grade ids and contents, never from chance, so
that the same sources give the same bytes.
"""

from __future__ import annotations

import copy
import functools
import hashlib
from pathlib import Path
from typing import Any

import jupytext
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder import __version__
from autograder.code import source
from autograder.engine.interface import OF_A_PROCESS, Limits
from autograder.exercise import AuthorError, ClassExercise, Exercise, Part
from autograder.i18n import _
from autograder.judging.sets import ExerciseSet
from autograder.project import NoProject, find_project

# What can be another for one cell; the rest is of all cells together.
LIMITS = ("cell_seconds", "call_seconds", "timeouts", "output_bytes", "outputs", *OF_A_PROCESS)

WHEEL = f"learning_by_descent-{__version__}-py3-none-any.whl"

SETUP = f"""\
try:
    from autograder import check, hint
except ImportError:
    raise ImportError(
        "The course's package is missing. Run this in a cell of its own, then this cell again:\\n"
        "    %pip install ./{WHEEL}\\n"
        "If you have run `pip install autograder`, that is another package: first run\\n"
        "    %pip uninstall -y autograder\\n"
        "and restart the kernel afterwards."
    ) from None

import matplotlib.pyplot as plt
import numpy as np
"""

METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": "3.11.7",
    },
}


def instructor_notebook(exercise_set: ExerciseSet) -> NotebookNode:
    """The solved notebook with nbgrader's metadata.

    Raises
    ------
    AuthorError where the text is missing, names an unknown exercise, leaves one out, or gives a
    cell what is no limit.
    """
    text = exercise_set.text
    if not text.is_file():
        raise AuthorError(f"no file {text}: it holds the text of the notebook {text.stem}.")
    cell_limits(exercise_set)  # the notebook has none of them, and grading is too late to be told
    cells: list[NotebookNode] = []
    left = {_name(e): e for e in exercise_set.exercises}
    page = _page(text)
    for cell in jupytext.reads(text.read_text("utf-8"), fmt="md:myst").cells:
        report = _report(text, cell)
        if report is not None:
            cells.append(_report_cell(*report))
            continue
        named = _directive(cell)
        if named is None:
            cells.append(_plain(cell))
            continue
        if named not in left:
            raise AuthorError(
                f"{text}: %exercise {named} is declared nowhere, or used twice; "
                f"still to place: {', '.join(left) or 'none'}."
            )
        if page and cells and cells[-1].cell_type == "markdown":
            # Where the page ends a section in this exercise: `{your-turn}`, in CONTRIBUTING.md.
            back = _("[The section of the course that explains it]({address})")
            address = f"{page}#turn-{named}"
            cells[-1] = _plain(
                new_markdown_cell(f"{cells[-1].source}\n\n{back.format(address=address)}")
            )
        cells += _exercise_cells(left.pop(named))
    if left:
        raise AuthorError(
            f"{text} leaves out {', '.join(left)}: give each its code cell, %exercise NAME."
        )
    first_code = next(i for i, cell in enumerate(cells) if cell.cell_type == "code")
    cells.insert(first_code, _plain(new_code_cell(SETUP.strip())))
    notebook = new_notebook(cells=_distinct(cells), metadata=METADATA)
    notebook.nbformat_minor = 5
    return notebook


def _page(text: Path) -> str:
    """The address of the chapter's page, "" where nobody has said where the site is."""
    try:
        site = find_project(text.parent).site
    except NoProject:
        return ""
    return f"{site}/book/{text.stem}.html" if site else ""


@functools.lru_cache(maxsize=16)
def modules_used(exercise_set: ExerciseSet) -> tuple[str, ...]:
    """The modules that the text of a set imports beside what it hands out, in order."""
    text = exercise_set.text
    cells = jupytext.reads(text.read_text("utf-8"), fmt="md:myst").cells if text.is_file() else []
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    given = [file.filename.removesuffix(".py") for file in exercise_set.hand_outs]
    found = [module for part in code for module in source.modules_imported(part)]
    return tuple(dict.fromkeys(module for module in found if module not in given))


def cell_limits(exercise_set: ExerciseSet) -> dict[str, dict[str, Any]]:
    """What single cells may use up, by cell id: the option `:limits:` of a code cell in the set's
    text. A submission has no say in it. That of `%exercise NAME` holds for the calls of what the
    cell defines, too.

    Raises
    ------
    AuthorError for what is no limit of a cell.
    """
    text = exercise_set.text
    found: dict[str, dict[str, Any]] = {}
    for cell in _read(text, text.stat().st_mtime_ns) if text.is_file() else ():
        given = cell.metadata.get("limits")
        if given is None:
            continue
        unknown = [n for n in given if n not in LIMITS] if isinstance(given, dict) else [given]
        if unknown or cell.cell_type != "code":
            raise AuthorError(
                f"{text}: {unknown} is no limit of a single cell; these are {', '.join(LIMITS)}. "
                "Others are an assignment's: GradeSubmission.assignment_limits."
            )
        try:
            Limits(**given)
        except ValueError as error:
            raise AuthorError(f"{text}: a limit of a cell: {error}") from None
        named = _directive(cell)
        found[f"solution-{named}" if named else _plain(cell).id] = dict(given)
    return found


@functools.lru_cache(maxsize=64)
def _read(text: Path, _changed: int) -> list[NotebookNode]:
    cells: list[NotebookNode] = jupytext.reads(text.read_text("utf-8"), fmt="md:myst").cells
    return cells


def _name(exercise: Exercise | ClassExercise) -> str:
    return exercise.exercise if isinstance(exercise, Part) else exercise.name


def _directive(cell: NotebookNode) -> str | None:
    """The NAME of a cell that is `%exercise NAME`, else None."""
    words = cell.source.split()
    if cell.cell_type == "code" and len(words) == 2 and words[0] == "%exercise":
        return words[1]
    return None


def _report(text: Path, cell: NotebookNode) -> tuple[str, float, str] | None:
    """Name, points and opening lines of a cell that begins with `%report NAME POINTS`."""
    first, _newline, kept = cell.source.partition("\n")
    words = first.split()
    if cell.cell_type != "code" or words[:1] != ["%report"]:
        return None
    try:
        _command, name, points = words
        return name, float(points), kept.strip()
    except ValueError:
        raise AuthorError(f"{text}: {first!r} should read %report NAME POINTS.") from None


def _report_cell(name: str, points: float, kept: str) -> NotebookNode:
    """A text cell that counts when a person has read it. kept: what it says above the answer."""
    metadata = {
        "nbgrader": {
            **nbgrader_metadata(f"report-{name}", grade=True, solution=True),
            "points": points,
        }
    }
    lines = [*kept.splitlines(), "", source.BEGIN, source.END]
    return new_markdown_cell("\n".join(lines), id=f"report-{name}", metadata=metadata)


def _plain(cell: NotebookNode) -> NotebookNode:
    make: Any = new_code_cell if cell.cell_type == "code" else new_markdown_cell
    digest = hashlib.sha256(cell.source.encode()).hexdigest()[:12]
    return make(cell.source, id=f"text-{digest}", metadata={})


def _exercise_cells(exercise: Exercise | ClassExercise) -> list[NotebookNode]:
    name = _name(exercise)
    solution = new_code_cell(
        source.solution_cell(exercise.reference),
        id=f"solution-{name}",
        metadata={"nbgrader": nbgrader_metadata(name, solution=True)},
    )
    return [solution, *(check_cell(part) for part in exercise.parts)]


def check_cell(part: Part) -> NotebookNode:
    """The locked cell under a solution that checks it and carries its points."""
    return copy.deepcopy(_check_cell(part.name, part.grade_id, part.points))


@functools.lru_cache(maxsize=256)
def _check_cell(name: str, grade_id: str, points: float) -> NotebookNode:
    """nbformat validates every new cell, which takes longer than all the rest of a repair."""
    function, dot, step = name.partition(".")
    call = f'check({function}, "{step}")' if dot else f"check({function})"
    metadata = {
        "deletable": False,
        "editable": False,
        "nbgrader": {
            **nbgrader_metadata(grade_id, grade=True, locked=True),
            "points": points,
        },
    }
    return new_code_cell(call, id=grade_id, metadata=metadata)


def nbgrader_metadata(grade_id: str, **given: bool) -> dict[str, Any]:
    """What nbgrader wants to know of a cell."""
    flags = {"grade": False, "locked": False, "solution": False, "task": False, **given}
    return {**flags, "grade_id": grade_id, "schema_version": 3}


def _distinct(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Two cells with the same text would have the same id; number the later ones."""
    seen: dict[str, int] = {}
    for cell in cells:
        count = seen[cell.id] = seen.get(cell.id, 0) + 1
        if count > 1:
            cell.id = f"{cell.id}-{count}"
    return cells
