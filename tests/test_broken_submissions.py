"""What goes wrong says so and loses nothing: a class of broken submissions, graded in one run."""

from __future__ import annotations

import copy
import html
import json
from collections.abc import Callable

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.gradebook.record import read_records

# The class is graded when its first test is set up; other work on the machine may slow it down.
pytestmark = pytest.mark.timeout(900)

FULL = {
    "numerical_gradient": 2.0,
    "linear_gradient": 2.0,
    "gradient_descent": 2.0,
    "bracketing_line_search": 2.0,
    "is_convex_hessian": 2.0,
    "largest_learning_rate": 4.0,
    "gabor": 1.0,
    "gabor_gradient": 2.0,
    "newton_step": 1.0,
    "bfgs_update": 2.0,
}
NOTHING = dict.fromkeys(FULL, 0.0)
MAKERS: dict[str, Callable] = {}
EXPECTED: dict[str, tuple[dict[str, float], tuple[str, ...]]] = {}
CELL_SECONDS, CALL_SECONDS = 8, 5


def broken(marks, *messages):
    """Register what somebody hands in, the marks that it gets, and what the feedback says."""

    def register(make):
        MAKERS[make.__name__] = make
        EXPECTED[make.__name__] = (marks, messages)
        return make

    return register


def without(*names):
    """Full marks but for these."""
    return {name: 0.0 if name in names else points for name, points in FULL.items()}


def index(notebook, cell_id):
    """Where a cell stands."""
    return next(i for i, cell in enumerate(notebook.cells) if cell.id == cell_id)


def cell(notebook, cell_id):
    """A cell by its id."""
    return notebook.cells[index(notebook, cell_id)]


# The file.


@broken(NOTHING, "This is not a notebook.", "No gabor is defined in this notebook.")
def a_letter(_notebook):
    return "Dear professor, my computer ate it."


@broken(NOTHING, "This is not a notebook.", "No gabor is defined in this notebook.")
def an_empty_file(_notebook):
    return b""


@broken(NOTHING, "This is not a notebook.", "No gabor is defined in this notebook.")
def bytes_of_another_kind(_notebook):
    return bytes(range(256)) * 40


@broken(NOTHING, "This is not a notebook.", "No gabor is defined in this notebook.")
def json_of_another_kind(_notebook):
    return '{"gradient": [1, 2, 3]}'


@broken(NOTHING, "This is not a notebook.", "No gabor is defined in this notebook.")
def json_without_end(_notebook):
    return "[" * 200_000


@broken(
    without("gabor_gradient", "newton_step", "bfgs_update"),
    "The file is damaged; ",
    "The check of gabor_gradient was missing and was put back.",
    "No newton_step is defined in this notebook.",
)
def cut_off(notebook):
    text = nbformat.writes(notebook)
    return text[: text.index("def gabor_gradient")]


@broken(FULL, "The notebook is of an old format and was converted.")
def nbformat_3(notebook):
    return json.dumps(nbformat.convert(notebook, 3))


@broken(FULL)
def metadata_stripped(notebook):
    return json.dumps(
        {
            "cells": [{"cell_type": c.cell_type, "source": c.source} for c in notebook.cells],
            "metadata": {},
            "nbformat": 4,
            "nbformat_minor": 2,
        }
    )


@broken(FULL)
def metadata_of_nonsense(notebook):
    notebook.metadata = {"language_info": "parseltongue", "kernelspec": [1], "autograder": {"a": 1}}
    for number, one in enumerate(notebook.cells):
        one.metadata.update({"tags": 5, "slideshow": "x", "name": number, "collapsed": "no"})
    notebook.cells[0].metadata["nbgrader"] = {"schema_version": 99}
    notebook.cells[1].metadata["nbgrader"] = {"schema_version": 99, "grade_id": "mine"}
    cell(notebook, "solution-gabor").metadata["nbgrader"]["schema_version"] = 99
    notebook.cells[2].metadata["nbgrader"] = "mine"
    return json.dumps(notebook)


@broken(without("gabor"))
def marks_of_ones_own(notebook):
    """Points, a verdict and an output that say full marks."""
    cell(notebook, "solution-gabor").source = "def gabor(theta, x):\n    return 1.0"
    check = cell(notebook, "check-gabor")
    check.metadata["nbgrader"].update(points=100, locked=False, solution=True)
    check.source = "100.0"
    check.outputs = [
        nbformat.v4.new_output("execute_result", {"text/plain": "100.0"}, execution_count=1)
    ]
    notebook.metadata["autograder"] = {"verdicts": {"gabor": {"points": 100, "flagged": None}}}
    return notebook


@broken(FULL)
def half_a_character(notebook):
    text = json.dumps(notebook)
    return text.replace("# The gradient", "# The gradient \\ud83d", 1)


@broken(FULL)
def a_lost_picture(notebook):
    notebook.cells.append(new_markdown_cell("![my notes](attachment:notes.png)"))
    return notebook


# The cells.


@broken(
    without("newton_step"),
    "The check of gabor was missing and was put back.",
    "No newton_step is defined in this notebook.",
)
def cells_deleted(notebook):
    gone = {"check-gabor", "solution-newton_step", "check-newton_step"}
    notebook.cells = [c for c in notebook.cells if c.id not in gone]
    return notebook


@broken(
    FULL,
    "The cell of gabor is there 2 times; the last one counts.",
    "The check of gabor is there more than once; the last one counts.",
)
def cells_duplicated(notebook):
    first = copy.deepcopy(cell(notebook, "solution-gabor"))
    first.source = "def gabor(theta, x):\n    return None"
    notebook.cells.insert(index(notebook, "solution-gabor"), first)
    notebook.cells.append(copy.deepcopy(cell(notebook, "check-gabor")))
    return notebook


@broken(FULL)
def cells_reordered(notebook):
    notebook.cells.reverse()
    return notebook


@broken(
    without("newton_step"),
    "newton_step is defined nowhere, but newton_steps is: was it renamed?",
    "No newton_step is defined in this notebook.",
)
def a_function_renamed(notebook):
    one = cell(notebook, "solution-newton_step")
    one.source = one.source.replace("def newton_step(", "def newton_steps(")
    return notebook


@broken(FULL, "The cell of gabor was no code cell any more.")
def code_turned_into_text(notebook):
    at = index(notebook, "solution-gabor")
    old = notebook.cells[at]
    notebook.cells[at] = new_markdown_cell(old.source, id=old.id, metadata=old.metadata)
    return notebook


@broken(without("gabor"), "There is no gabor, since the cell that defines it stopped: SyntaxError")
def a_syntax_error(notebook):
    cell(notebook, "solution-gabor").source += "\n    return ("
    return notebook


@broken(FULL, "my solution (2).ipynb was graded as gradient.ipynb.")
def another_name(notebook):
    return notebook


# The run.


@broken(without("gabor"), "since the cell that defines it stopped: Python itself stopped")
def a_cell_that_kills_its_kernel(notebook):
    one = cell(notebook, "solution-gabor")
    one.source = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n" + one.source
    return notebook


@broken(without("newton_step"), "It took Python itself down")
def a_function_that_kills_its_kernel(notebook):
    cell(
        notebook, "solution-newton_step"
    ).source = "import os\n\n\ndef newton_step(theta, grad, hess):\n    os._exit(0)"
    return notebook


@broken(without("gabor"), f"stopped: Stopped: still running after {CELL_SECONDS} seconds")
def an_endless_cell(notebook):
    one = cell(notebook, "solution-gabor")
    one.source = "while True:\n    pass\n" + one.source
    return notebook


@broken(
    without("newton_step"),
    f"It was still running after {CALL_SECONDS} seconds: an endless loop?",
)
def an_endless_function(notebook):
    cell(
        notebook, "solution-newton_step"
    ).source = "def newton_step(theta, grad, hess):\n    while True:\n        pass"
    return notebook


@broken(FULL)
def a_hundred_megabytes_of_output(notebook):
    notebook.cells.append(new_code_cell("for _ in range(1000):\n    print('x' * 100_000)"))
    return notebook


@broken(without("linear_gradient"))
def a_hundred_megabytes_as_an_answer(notebook):
    cell(
        notebook, "solution-linear_gradient"
    ).source = "def linear_gradient(theta, X, y):\n    return 'x' * 100_000_000"
    return notebook


@pytest.fixture(scope="module")
def broken_class(module_course):
    """The class: every broken submission, and somebody innocent before and after."""
    course = module_course
    course.configure(
        "c.GradeSubmission.limits = "
        f"{{'cell_seconds': {CELL_SECONDS}, 'call_seconds': {CALL_SECONDS}}}",
    )
    for student in ("aaa_innocent", "zzz_innocent"):
        course.hand_in(student, course.solved())
    for name, make in MAKERS.items():
        filename = "my solution (2).ipynb" if make is another_name else ""
        course.hand_in(name, make(course.solved()), filename)
    course.said = course.run("nbgrader autograde gradient")
    course.seeds = {record.seed for record in read_records(course.project, "gradient")}
    course.run("nbgrader generate_feedback gradient")
    return course


@pytest.mark.parametrize("name", MAKERS)
def test_it_ends_in_a_mark_and_a_message(broken_class, name):
    marks, messages = EXPECTED[name]
    assert broken_class.marks(name) == marks
    assert broken_class.flagged(name) == set()
    page = html.unescape(broken_class.page(name))
    for message in messages:
        assert message in page


@pytest.mark.parametrize("student", ["aaa_innocent", "zzz_innocent"])
def test_nobody_else_pays_for_it(broken_class, student):
    assert broken_class.marks(student) == FULL
    assert broken_class.flagged(student) == set()


def test_nbgrader_met_no_error(broken_class):
    assert "There was an error processing assignment" not in broken_class.said
    assert "Removing failed assignment" not in broken_class.said
    assert len(broken_class.seeds) == 1


def test_what_is_kept_of_endless_output_is_short(broken_class):
    folder = broken_class.grading / "autograded" / "a_hundred_megabytes_of_output" / "gradient"
    assert (folder / "gradient.ipynb").stat().st_size < 5_000_000


def test_a_learners_own_file_is_kept(broken_class):
    folder = broken_class.grading / "submitted" / "another_name" / "gradient"
    assert (folder / "my solution (2).ipynb").is_file()
