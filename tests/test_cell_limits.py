"""Limits of a single cell, from the set's text alone: for it, and for its function's calls."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autograder.catalog import ExerciseSet, load_set
from autograder.engine.interface import Limits
from autograder.engine.sandbox import default_runner
from autograder.exercise import AuthorError
from autograder.grading.grade import grade
from autograder.grading.submission import Submission
from autograder.notebooks import cell_limits, instructor_notebook

SETS = Path(__file__).parent / "sets"
PATIENT = Limits(cell_seconds=20, call_seconds=20, timeouts=1)


def shapes(folder: Path, option: str) -> ExerciseSet:
    """The tests' own set, whose `secant_slope` has an option in its text."""
    shutil.copy(SETS / "shapes.py", folder)
    text = (SETS / "shapes.md").read_text("utf-8")
    said = "```{code-cell}\n%exercise secant_slope"
    assert said in text
    new = text.replace(said, "```{code-cell}\n:limits: " + option + "\n%exercise secant_slope")
    (folder / "shapes.md").write_text(new, "utf-8")
    return load_set(folder / "shapes.py")


def test_a_cell_and_its_calls_have_limits_of_their_own(tmp_path: Path) -> None:
    option = '{"cell_seconds": 0.4, "call_seconds": 0.3}'
    exercises = shapes(tmp_path, option)
    assert cell_limits(exercises) == {
        "solution-secant_slope": {"cell_seconds": 0.4, "call_seconds": 0.3}
    }
    notebook = instructor_notebook(exercises)
    [cell] = [c for c in notebook.cells if c.id == "solution-secant_slope"]
    assert "limits" not in cell.metadata
    right = cell.source
    cell.source = "def secant_slope(f, a, b):\n    while True: pass"
    done = grade(Submission(notebook), exercises, "1", default_runner(), limits=PATIENT)
    assert "after 0.3 seconds" in done.verdicts["secant_slope"].message
    assert done.points == done.max_points - 1
    notebook = instructor_notebook(exercises)
    [cell] = [c for c in notebook.cells if c.id == "solution-secant_slope"]
    cell.source = f"{right}\nwhile True: pass"
    done = grade(Submission(notebook), exercises, "1", default_runner(), limits=PATIENT)
    shown = next(c for c in done.notebook.cells if c.id == "solution-secant_slope").outputs
    assert "after 0.4 seconds" in shown[-1]["evalue"]


@pytest.mark.parametrize("option", ['{"memory_bytes": 1}', "7", '{"seconds": 1}'])
def test_what_is_no_limit_of_a_cell_is_told(tmp_path: Path, option: str) -> None:
    with pytest.raises(AuthorError, match="cell_seconds, call_seconds"):
        cell_limits(shapes(tmp_path, option))


def test_a_function_that_waits_for_its_snapshot_keeps_its_own_limits(tmp_path: Path) -> None:
    """The snapshot of `project_nonnegative` is taken before a cell that may take longer."""
    exercises = shapes(tmp_path, '{"call_seconds": 15, "cell_seconds": 15}')
    notebook = instructor_notebook(exercises)
    [hung] = [c for c in notebook.cells if c.id == "solution-project_nonnegative"]
    hung.source = "def project_nonnegative(theta):\n    while True: pass"
    # The cell before which the snapshot is taken.
    [long] = [c for c in notebook.cells if c.id == "solution-secant_slope"]
    notebook.cells.remove(long)
    notebook.cells.append(long)
    long.source += "\nprint('something')"
    done = grade(
        Submission(notebook),
        exercises,
        "1",
        default_runner(),
        limits=Limits(cell_seconds=20, call_seconds=0.5, timeouts=1),
    )
    assert "after 0.5 seconds" in done.verdicts["project_nonnegative"].message
