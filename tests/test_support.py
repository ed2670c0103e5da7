"""Files beside a notebook while it is graded: what the course hands out, and what learners add."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from autograder.submissions.support import MOST_BYTES, MOST_FILES, own_files, support_files

if TYPE_CHECKING:
    from tests.conftest import Course

IMPORT = "from tensor import Tensor, cross_entropy"


@pytest.fixture(scope="module")
def experiments(module_course: Course) -> Course:
    return module_course.on("experiments")


def with_import(notebook: NotebookNode, line: str) -> NotebookNode:
    (cell,) = [c for c in notebook.cells if IMPORT in c.source]
    cell.source = cell.source.replace(IMPORT, line)
    return notebook


def own_class(course: Course) -> str:
    """A learner's class, as a text: the course's, under other names inside."""
    text = (course.project.exercises / "experiments" / "tensor.py").read_text("utf-8")
    assert "_parents" in text
    return text.replace("_parents", "_made_of")


@pytest.fixture(scope="module")
def graded(experiments: Course) -> Course:
    """Five who use a Tensor in ways of their own, graded by nbgrader and by our command."""
    course = experiments
    own = own_class(course)
    beside = "from my_tensor import Tensor\nfrom tensor import cross_entropy"
    course.hand_in("plain", course.solved())
    course.hand_in("pasted", with_import(course.solved(), f"{IMPORT}\n\n{own}"))
    folder = course.hand_in("beside", with_import(course.solved(), beside)).parent
    (folder / "my_tensor.py").write_text(own, "utf-8")
    folder = course.hand_in("changed", course.solved()).parent
    (folder / "tensor.py").write_text(own.replace("g * other.data", "g * self.data"), "utf-8")
    folder = course.hand_in("same", course.solved()).parent
    released = course.project.exercises / "experiments" / "tensor.py"
    (folder / "tensor.py").write_bytes(released.read_bytes().replace(b"\n", b"\r\n"))
    return course


@pytest.mark.parametrize("command", ["autograder autograde", "nbgrader autograde"])
def test_every_way_to_bring_a_tensor_that_is_offered_gets_full_marks(
    graded: Course, command: str
) -> None:
    graded.run(f"{command} experiments --force")
    full = {part.name: part.points for part in graded.exercises.parts}
    told = {}
    for student in ("plain", "pasted", "beside", "changed", "same"):
        marks = graded.marks(student)
        assert marks.pop("report-experiment") in (0.0, None)
        assert marks == full, student
        told[student] = graded.graded(student).metadata["autograder"]["problems"]
        notebook = nbformat.writes(graded.graded(student))
        where = {"pasted": "your own", "beside": "my_tensor.py"}.get(student, "tensor.py")
        assert f"Tensor: {where}" in notebook, student
    (text,) = told.pop("changed")
    assert "tensor.py was changed" in text
    assert set(map(tuple, told.values())) == {()}


def a_notebook(*cells: str) -> NotebookNode:
    return new_notebook(cells=[new_code_cell(cell) for cell in cells])


def test_a_session_gets_what_a_kernel_has(tmp_path: Path) -> None:
    released, folder = tmp_path / "released", tmp_path / "handed in"
    deep = folder / "/".join("abcdefghijklm")
    for place in (released / "pictures", deep, folder / "checks.json", folder / ".venv"):
        place.mkdir(parents=True)
    (released / "checks.json").write_text("{}")
    (released / "pictures" / "a.png").write_text("")
    mine = ("helper.py", "test.py", "numbers.csv", "a/more.py", "a/b/json.txt", "numpy.txt")
    others = ("twin.ipynb", ".secret", ".venv/x.py", "timestamp.txt", "checks.json/a", "pictures")
    libraries = ("numpy.py", "random.py", "json.abi3.so", "scipy.pyc", "autograder.py")
    (tmp_path / "adam").mkdir()
    sets = ("adam.py", "a/adam.md")
    for name in (
        *mine,
        *others,
        *libraries,
        *sets,
        f"{deep.relative_to(folder)}/deep.txt",
        "a\nb.txt",
    ):
        (folder / name).write_text("{}")
    (folder / "link.py").symlink_to("/etc/passwd")
    (folder / "all").symlink_to("/etc")
    notebook = a_notebook("import helper, link, twin, adam", "from numpy import *", "import random")
    with support_files(released, folder, notebook) as files:
        found = {str(p.relative_to(files)) for p in files.rglob("*") if p.is_file()}
        assert found == {"checks.json", "pictures/a.png", *mine}
    assert not files.exists()
    told = sorted(own_files(released, folder, notebook)[1])
    assert "adam.py has the name of one of the course's sets, and was not there" in told[0]
    assert [text.split()[0] for text in told] == [
        "adam.py",
        "numpy.py",
        "random.py",
    ]
    with support_files(released, tmp_path / "nothing", notebook) as files:
        assert files == released


def test_what_is_too_large_is_told_and_left_out(tmp_path: Path) -> None:
    """Unless nobody asks for it; and what is named comes first."""
    (tmp_path / "a").mkdir()
    for number in range(MOST_FILES):
        (tmp_path / f"{number}.txt").write_text("")
    (tmp_path / "big.csv").write_bytes(b"0" * (MOST_BYTES + 1))
    (tmp_path / "small.csv").write_bytes(b"0" * MOST_BYTES)
    for name in ("unasked.csv", "t.sh", "ta.csv"):
        (tmp_path / name).write_bytes(b"0" * MOST_BYTES)
    # No part of another name is a file's.
    notebook = a_notebook("open('big.csv')", "open('./small.csv'); plt.show()", "open('data.csv')")
    own, told = own_files(tmp_path / "a", tmp_path, notebook)
    assert own[0].name == "small.csv" and len(own) == MOST_FILES
    assert len(told) == 1 and "big.csv is too large" in told[0]
