"""Limits of a single cell, from the set's text alone: for it, and for its function's calls."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from autograder.engine.interface import Limits
from autograder.engine.trusted.asking import AFTER_A_TIMEOUT, LITTLE_SECONDS, OF_THE_SLOWEST
from autograder.engine.warm.handle import default_runner
from autograder.exercise import AuthorError
from autograder.grading.grade import grade
from autograder.judging.sets import ExerciseSet, load_set
from autograder.release.build import write_source
from autograder.release.lint import lint
from autograder.release.notebook import LIMITS, cell_limits, instructor_notebook
from autograder.submissions.read import Submission

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


OF_ALL_CELLS = {"notebook_seconds", "notebook_output_bytes", "scratch_bytes", "scratch_files"}


@pytest.mark.parametrize("option", ['{"scratch_files": 1}', "7", '{"seconds": 1}'])
def test_what_is_no_limit_of_a_cell_is_told(tmp_path: Path, option: str) -> None:
    assert vars(Limits()).keys() - set(LIMITS) == OF_ALL_CELLS
    exercises = shapes(tmp_path, option)
    with pytest.raises(AuthorError, match="cell_seconds, call_seconds"):
        cell_limits(exercises)


@pytest.mark.parametrize("option", ['{"seconds": 1}', '{"cell_seconds": -1}'])
def test_an_author_is_told_of_it_by_the_build_and_by_lint(tmp_path: Path, option: str) -> None:
    """Not first by whoever grades."""
    exercises = shapes(tmp_path, option)
    with pytest.raises(AuthorError, match="limit of a"):
        write_source(exercises, tmp_path / "source")
    assert any("limit of a" in c.text for c in lint(exercises, ["1"]))


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


USES = {
    "memory_bytes": "import numpy as np\nx = np.ones(50_000_000)",
    "file_bytes": "open('large', 'wb').write(bytes(2_000_000))",
    "threads": (
        "import threading, time\n"
        "started = []\n"
        "try:\n"
        "    for _ in range(300):\n"
        "        thread = threading.Thread(target=time.sleep, args=(0.5,))\n"
        "        thread.start()\n"
        "        started.append(thread)\n"
        "finally:\n"
        "    for thread in started: thread.join()"
    ),
    "processes": "import subprocess\nsubprocess.run(['true'], check=True)",
    "cpu_seconds": (
        "import time\nstart = time.process_time()\nwhile time.process_time() < start + 2.5: pass"
    ),
}
FEW = {
    "memory_bytes": (10_000_000, 1_000_000_000),
    "file_bytes": (1_000_000, 10_000_000),
    # On top of 256, which are kept for snapshots; those of the cell before may not have ended yet.
    "threads": (10, 400),
    "processes": (0, 4),
    "cpu_seconds": (1, 60),
}
walled = pytest.mark.skipif(
    bool(getattr(default_runner(), "refused", "plain")), reason="this kernel refuses some wall"
)


@walled
@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("more", [True, False], ids=["a cell may more", "a cell may less"])
def test_what_the_kernel_counts_is_another_for_one_cell(
    tmp_path: Path, name: str, more: bool
) -> None:
    """More than the assignment's, or less, for this cell and the calls of what it defines; all
    others have the assignment's."""
    few, many = FEW[name]
    own, of_all = (many, few) if more else (few, many)
    exercises = shapes(tmp_path, json.dumps({name: own}))
    # Room for the stacks of many threads.
    limits = replace(PATIENT, **{"memory_bytes": 2**34, name: of_all})
    in_a_call = "\n".join(f"    {line}" for line in USES[name].splitlines())
    notebook = instructor_notebook(exercises)
    [special] = [c for c in notebook.cells if c.id == "solution-secant_slope"]
    right = special.source
    others = [new_code_cell(USES[name]) for _ in range(2)]
    here = notebook.cells.index(special)
    special.source = f"{right}\n{USES[name]}"
    notebook.cells[here:here] = others[:1]
    notebook.cells.append(others[1])
    done = grade(Submission(notebook), exercises, "1", default_runner(), limits=limits)
    by_id = {cell.id: cell.outputs for cell in done.notebook.cells if cell.cell_type == "code"}
    failed = {
        id: any(output.output_type == "error" for output in by_id[id])
        for id in (special.id, *(cell.id for cell in others))
    }
    assert failed == {special.id: not more, others[0].id: more, others[1].id: more}

    notebook = instructor_notebook(exercises)
    [special] = [c for c in notebook.cells if c.id == "solution-secant_slope"]
    special.source = right.replace(":\n", f":\n{in_a_call}\n", 1)
    done = grade(Submission(notebook), exercises, "1", default_runner(), limits=limits)
    verdict = done.verdicts["secant_slope"]
    assert (verdict.status == "passed") is more, verdict


def test_the_learners_page_has_the_times_that_hold() -> None:
    page = Path(__file__).resolve().parents[1] / "book" / "learners.md"
    text = " ".join(page.read_text("utf-8").split())
    assert f"A call has {Limits().call_seconds:g} seconds where nothing else is said" in text
    little = max(LITTLE_SECONDS, AFTER_A_TIMEOUT * Limits().call_seconds)
    assert f"the next ones have {little:g} seconds, or three times what" in text
    assert OF_THE_SLOWEST == 3
