"""A hostile class with innocents in it, through nbgrader itself: autograde, feedback, export."""

from __future__ import annotations

import csv
import json

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from tests.attacks.test_shown import EVIL, Found, body
from tests.conftest import Course

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]
INNOCENT = ("aaa", "nnn", "zzz")


def with_cell(notebook: NotebookNode, source: str) -> NotebookNode:
    notebook.cells.append(new_code_cell(source))
    return notebook


def test_a_hostile_class(course: Course) -> None:
    """Everybody has the marks that are due, the pages run nothing, the table has no formulas."""
    full = {part.name: part.points for part in course.exercises.parts}
    canary = course.folder / "solutions" / "gradient.py"
    secret = canary.read_text("utf-8")
    for student in INNOCENT:
        course.hand_in(student, course.solved())
    script = f"from IPython.display import *\ndisplay(HTML('<script>{EVIL}</script>'), Javascript('{EVIL}'))"
    slow = course.solved()
    slow.cells.append(new_markdown_cell("\\begin{a} " * 20_000))
    slow.cells.append(new_markdown_cell(f"<img src=x onerror={EVIL}> [k](javascript:{EVIL})"))
    hostile = {
        "browser": with_cell(course.solved(), script),
        "slow_page": slow,
        "writer": with_cell(course.solved(), f"open({str(canary)!r}, 'a').write('#')"),
        "bomb": with_cell(course.solved(), "import os\nwhile True: os.fork()"),
        "killer": with_cell(course.solved(), "import os\nos.kill(-1, 9)"),
    }
    for student, notebook in hostile.items():
        course.hand_in(student, notebook)
    # Somebody else's work by a link, and the references under a name that feedback would copy.
    course.hand_in("thief", "x", name="notes.txt")
    folder = course.grading / "submitted" / "thief" / "gradient"
    (folder / "gradient.ipynb").symlink_to(course.grading / "submitted/aaa/gradient/gradient.ipynb")
    (folder / "mine.txt").symlink_to(canary)
    course.run('nbgrader db student add bomb --first-name="=1+1" --last-name="@x,y"')

    course.run("nbgrader autograde gradient")
    course.run("nbgrader generate_feedback gradient")
    course.run("nbgrader export")

    for student in (*INNOCENT, *hostile):
        assert course.marks(student) == full, student
    assert course.marks("thief") == dict.fromkeys(full, 0.0)
    assert canary.read_text("utf-8") == secret
    for name in ("autograded", "feedback"):
        for path in (course.grading / name / "thief").rglob("*"):
            assert path.is_dir() or "@exercise" not in path.read_text("utf-8")
    for student in hostile:
        found = Found()
        found.feed(body(course.page(student)))
        assert found.evil == []
        assert "application/javascript" not in json.dumps(course.graded(student))
    rows = list(csv.DictReader((course.folder / "grades.csv").open(encoding="utf-8", newline="")))
    named = next(row for row in rows if row["student_id"] == "bomb")
    assert (named["first_name"], named["last_name"]) == ("'=1+1", "'@x,y")
