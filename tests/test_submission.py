"""Reading and repairing what learners hand in: never an exception, never a lost cell."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import v4

from autograder.code.source import definitions
from autograder.engine.trusted.helper import Helper, Lost, helper
from autograder.judging.sets import find_set
from autograder.release.notebook import instructor_notebook
from autograder.submissions.adopt import adopt
from autograder.submissions.choose import File, Found, Room, _take
from autograder.submissions.read import (
    MAX_FILE,
    MAX_WITH_OUTPUTS,
    Submission,
    read_submission,
    read_text,
)
from autograder.submissions.repair import grade_id_of, repair

GRADIENT = find_set("gradient")
CHECKS = [part.grade_id for part in GRADIENT.parts]

scraps: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
ids = st.sampled_from([*CHECKS[:2], "gabor", "solution-gabor", "a b", "", "x" * 70]) | scraps
cells = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw", "video"]) | scraps,
        "source": st.sampled_from(["def gabor(theta, x):\n    return x", "check(gabor)", "(("])
        | scraps,
        "id": ids,
        "metadata": st.fixed_dictionaries(
            {},
            optional={
                "nbgrader": st.fixed_dictionaries(
                    {}, optional={"grade_id": ids, "points": scraps, "schema_version": scraps}
                )
                | scraps,
                "tags": scraps,
            },
        )
        | scraps,
        "outputs": scraps,
        "attachments": scraps,
    },
)
notebooks = st.fixed_dictionaries(
    {"cells": st.lists(cells | scraps, max_size=5) | scraps},
    optional={"nbformat": st.integers(0, 9) | scraps, "metadata": scraps, "nbformat_minor": scraps},
)


def is_whole(submission: Submission) -> None:
    nbformat.validate(submission.notebook)
    nbformat.writes(submission.notebook)
    found = [grade_id_of(cell) for cell in submission.notebook.cells]
    assert sorted(filter(None, found)) == sorted(
        {*CHECKS, *(f for f in found if f and not f.startswith("check-"))}
    )


@given(notebooks | scraps)
@settings(max_examples=300, deadline=None)
def test_any_json_can_be_read_and_repaired(tree: Any) -> None:
    is_whole(repair(read_text(json.dumps(tree)), GRADIENT))


@given(st.text(max_size=60) | st.integers(0, 5000), st.binary(max_size=4))
@settings(max_examples=100, deadline=None)
def test_any_damage_leaves_something_to_grade(cut: Any, noise: bytes) -> None:
    text = nbformat.writes(instructor_notebook(GRADIENT))
    damaged = cut if isinstance(cut, str) else text[:cut] + noise.decode("latin-1")
    is_whole(repair(read_text(damaged), GRADIENT))


def test_whole_cells_survive_truncation() -> None:
    text = nbformat.writes(instructor_notebook(GRADIENT))
    where = text.index('"id": "solution-gabor"')
    submission = read_text(text[:where])
    sources = "\n".join(cell.source for cell in submission.notebook.cells)
    assert "def numerical_gradient" in sources and "def is_convex_hessian" in sources
    assert "The file is damaged" in submission.problems[0]


def test_a_solved_notebook_is_left_alone() -> None:
    notebook = instructor_notebook(GRADIENT)
    before = [(cell.id, cell.source) for cell in notebook.cells]
    submission = repair(Submission(notebook), GRADIENT)
    assert submission.problems == []
    assert [(cell.id, cell.source) for cell in submission.notebook.cells] == before


def test_solutions_are_found_without_metadata_or_ids() -> None:
    notebook = instructor_notebook(GRADIENT)
    for number, cell in enumerate(notebook.cells):
        cell.metadata, cell.id = {}, f"cell-{number}"
    submission = repair(Submission(notebook), GRADIENT)
    is_whole(submission)
    assert submission.problems == []
    solved = {grade_id_of(cell) for cell in submission.notebook.cells}
    assert {part.exercise for part in GRADIENT.parts} <= solved


@pytest.mark.parametrize("label", ["gabor_gradient", "check-gabor_gradient"])
def test_a_solution_that_bears_another_cells_label_is_found(label: str) -> None:
    """Pasted over a copy, say. The rightful bearer is further down, and keeps the label."""
    notebook = instructor_notebook(GRADIENT)
    by_label = {grade_id_of(cell): cell for cell in notebook.cells}
    borrowed = by_label["is_convex_hessian"]
    borrowed.metadata["nbgrader"] = dict(by_label[label].metadata["nbgrader"])
    submission = repair(Submission(notebook), GRADIENT)
    is_whole(submission)
    [solution] = [c for c in submission.notebook.cells if grade_id_of(c) == "is_convex_hessian"]
    assert "def is_convex_hessian" in solution.source
    [rightful] = [c for c in submission.notebook.cells if grade_id_of(c) == "gabor_gradient"]
    assert "def gabor_gradient" in rightful.source


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.ipynb", b"\x00\xff\xfe" * 50, "not a notebook"),
        ("b.ipynb", b"", "not a notebook"),
        ("c.ipynb", b"[1, 2]", "not a notebook"),
        ("d.ipynb", b"\xef\xbb\xbf" + b'{"cells": [], "nbformat": 4}', None),
        ("e.ipynb", b'{"worksheets": 3, "nbformat": 3}', "format cannot be read"),
    ],
)
def test_files_that_are_no_notebook(
    tmp_path: Path, name: str, data: bytes, told: str | None
) -> None:
    (tmp_path / name).write_bytes(data)
    submission = read_submission(tmp_path / name)
    if told is None:
        assert submission.problems == []
    else:
        assert told in submission.problems[0]
    is_whole(repair(submission, GRADIENT))


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "huge.ipynb", "wb") as file:
        file.truncate(MAX_WITH_OUTPUTS + 1)
    [told] = read_submission(tmp_path / "huge.ipynb").problems
    assert "at most 250" in told and "Clear all outputs" in told


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    assert "cannot be opened" in read_submission(tmp_path / "gone.ipynb").problems[0]


def test_a_cell_of_a_megabyte_is_left_out_and_told() -> None:
    notebook = instructor_notebook(GRADIENT)
    notebook.cells[-1].source = "x = 1\n" * 200_000
    submission = read_text(json.dumps(notebook))
    assert len(submission.notebook.cells) == len(notebook.cells) - 1
    assert "too long" in submission.problems[0]


def test_of_several_notebooks_the_nearest_name_is_adopted_and_told_each_time(
    tmp_path: Path,
) -> None:
    for name in ("scratch", "my gradient (2)", "sgd"):
        (tmp_path / f"{name}.ipynb").write_text(name)
    for _again in range(2):
        adopted = adopt(tmp_path, "gradient")
        assert adopted.path.read_text() == "my gradient (2)"
        assert adopted.notes == [
            "my gradient (2).ipynb was graded as gradient.ipynb.",
            "Not graded: scratch.ipynb (This is not a notebook), sgd.ipynb (This is not a "
            "notebook).",
        ]


def test_what_was_graded_before_and_is_gone_is_no_empty_submission(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        adopt(tmp_path, "gradient", graded_before=True)
    assert not list(tmp_path.iterdir())


def archive(path: Path, text: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("mine.ipynb", text)
    return path


def test_all_archives_of_a_folder_together_may_unpack_to_one_notebook(tmp_path: Path) -> None:
    """Twenty of 50 KB took seconds, each."""
    found, room = Found(), Room(100)
    for n in (60, 50, 40):
        path = archive(tmp_path / f"{n}.zip", "x" * n)
        _take(File(path.name, path, 0), found, room, 0)
    assert [file.data for file in found.files] == [b"x" * 60, b"x" * 40]
    assert found.broken == ["50.zip"] and room.left == 0


def lost(*_: object, **__: object) -> None:
    raise Lost("the helper died")


def test_what_cannot_be_looked_through_is_told_and_is_no_empty_submission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Helper, "ask", lost)
    archive(tmp_path / "bomb.zip", "x")
    with pytest.raises(TimeoutError, match="too much time or memory"):
        adopt(tmp_path, "gradient")
    assert not (tmp_path / "gradient.ipynb").exists()
    (tmp_path / "gradient.ipynb").write_text("{}")
    [note] = adopt(tmp_path, "gradient").notes
    assert note.startswith("What lies in the folder takes too much")


def test_json_that_fills_the_memory_is_told(tmp_path: Path) -> None:
    """Fifty megabytes of empty objects are more than one gigabyte of them."""
    path = tmp_path / "gradient.ipynb"
    path.write_text('{"cells": [], "nbformat": 4, "x": [' + "{}," * (MAX_FILE // 3 - 50) + "1]}")
    submission = read_submission(path)
    assert submission.problems == ["The file takes too much time or memory to be read."]
    assert submission.notebook.cells == []


def test_a_cell_whose_parser_dies_costs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(source: str) -> Any:
        return os.abort() if "evil" in source else definitions(source)

    monkeypatch.setattr("autograder.submissions.repair.definitions", dies)
    monkeypatch.setattr("autograder.engine.trusted.helper._has_one_thread", lambda: True)
    helper().end()
    notebook = instructor_notebook(GRADIENT)
    for cell in notebook.cells:
        cell.metadata, cell.id = {}, f"x{cell.id}"
    notebook.cells.insert(1, v4.new_code_cell("evil = gabor"))
    submission = repair(Submission(notebook), GRADIENT)
    helper().end()
    is_whole(submission)
    assert submission.problems == ["The code of some cells takes too long to be read."]
    solved = {grade_id_of(cell) for cell in submission.notebook.cells}
    assert {part.exercise for part in GRADIENT.parts} <= solved


def test_a_submission_is_repaired_once() -> None:
    submission = repair(Submission(instructor_notebook(GRADIENT)), GRADIENT)
    del submission.notebook.cells[:]
    assert repair(submission, GRADIENT).notebook.cells == []
