"""Attacks on the notebook's own words about itself: what is graded, locked, worth how much."""

from collections.abc import Callable
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from tests.attacks.attack import Attack
from tests.attacks.python import WRONG

FULL_MARKS = new_output("execute_result", {"text/plain": "100.0"}, execution_count=1)


def cell(notebook: NotebookNode, name: str) -> NotebookNode:
    """A cell by its id."""
    return next(cell for cell in notebook.cells if cell.id == name)


def labelled(**label: Any) -> Callable[[NotebookNode], None]:
    """The check of gabor with other words about it, and an answer of its own."""

    def change(notebook: NotebookNode) -> None:
        check = cell(notebook, "check-gabor")
        check.metadata["nbgrader"].update(label)
        check.source, check.outputs = "100.0", [FULL_MARKS]

    return change


def turned_into_text(notebook: NotebookNode) -> None:
    check = cell(notebook, "check-gabor")
    check.cell_type = "markdown"
    for key in ("outputs", "execution_count"):
        check.pop(key, None)


def doubled(notebook: NotebookNode) -> None:
    twin = new_code_cell("1.0", id="twin")
    twin.metadata = dict(cell(notebook, "check-gabor").metadata)
    twin.outputs = [FULL_MARKS]
    notebook.cells.append(twin)


def stolen(notebook: NotebookNode) -> None:
    cell(notebook, "check-gabor").metadata["nbgrader"]["grade_id"] = "check-linear_gradient"


def gone(notebook: NotebookNode) -> None:
    notebook.cells = [c for c in notebook.cells if c.id != "check-gabor"]


def moved(notebook: NotebookNode) -> None:
    """The check stands before what it checks, and a right function is there only then."""
    check = cell(notebook, "check-gabor")
    notebook.cells.remove(check)
    notebook.cells.insert(1, check)


def records(notebook: NotebookNode) -> None:
    told = {"points": 100.0, "max_points": 1.0, "flagged": None, "status": "passed"}
    notebook.metadata["autograder"] = {"verdicts": {"gabor": told}, "seed": "1", "round": 0}
    notebook.metadata["nbgrader"] = {"score": 100}
    notebook.metadata["kernelspec"] = {"name": "mine", "argv": ["/bin/sh", "-c", "echo"]}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}


def limits_of_its_own(notebook: NotebookNode) -> None:
    for one in notebook.cells:
        one.metadata["limits"] = {"cell_seconds": 10_000, "memory_bytes": 2**50}
        one.metadata["autograder"] = {"limits": {"call_seconds": 10_000}}


def forges(name: str, aim: str, change: Callable[[NotebookNode], None]) -> Attack:
    """gabor is wrong and earns nothing, whatever the notebook says."""
    return Attack(name, aim, cells={"gabor": WRONG}, costs=("gabor",), changes=change)


def check_of_its_own(notebook: NotebookNode) -> None:
    """With points that no source knows, and a second cell by the id of the true one."""
    label = dict(cell(notebook, "check-gabor").metadata["nbgrader"], grade_id="check-mine")
    mine = new_code_cell("100.0", id="check-mine", metadata={"nbgrader": dict(label, points=100)})
    twin = new_code_cell("1.0", id="check-gabor")
    for one in (mine, twin):
        one.outputs = [FULL_MARKS]
    notebook.cells[:0] = [mine, twin]


METADATA = [
    forges("check_of_its_own", "brings a check that is worth more than all", check_of_its_own),
    forges("unlocked", "unlocks the check and writes its own", labelled(locked=False)),
    forges("unscored", "makes the check a cell without points", labelled(grade=False, points=0)),
    forges("a_solution", "makes the check a cell of the learner's", labelled(solution=True)),
    forges("a_task", "makes the check a task for a person", labelled(task=True, grade=False)),
    forges("worth_more", "makes the check worth a hundred points", labelled(points=100)),
    forges("worth_less", "gives the check points below zero", labelled(points=-5)),
    forges(
        "newer_schema",
        "speaks of a schema that nbgrader does not know",
        labelled(schema_version=99),
    ),
    forges("turned_into_text", "turns the check into text", turned_into_text),
    forges("doubled", "has the check twice, the second with an answer", doubled),
    forges("stolen", "gives the check the name of one that passes", stolen),
    forges("gone", "removes the check", gone),
    forges("moved", "puts the check where nothing is wrong yet", moved),
    forges("records", "writes down its own verdict, score and kernel", records),
    Attack(
        "limits_of_its_own",
        "allows itself a day",
        "while True: pass",
        changes=limits_of_its_own,
        limits={"cell_seconds": 0.4},
        told=("still running after 0.4 seconds",),
    ),
]
