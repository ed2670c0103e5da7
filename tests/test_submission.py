"""Reading and repairing what learners hand in: never an exception, never a lost cell."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.judging.sets import find_set
from autograder.release.notebook import instructor_notebook
from autograder.submissions.adopt import adopt
from autograder.submissions.read import MAX_FILE, Submission, read_submission, read_text
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
        file.truncate(MAX_FILE + 1)
    assert "at most 50" in read_submission(tmp_path / "huge.ipynb").problems[0]


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
        assert adopted.notes == ["my gradient (2).ipynb was graded as gradient.ipynb."]


def test_what_was_graded_before_and_is_gone_is_no_empty_submission(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        adopt(tmp_path, "gradient", graded_before=True)
    assert not list(tmp_path.iterdir())


def test_a_submission_is_repaired_once() -> None:
    submission = repair(Submission(instructor_notebook(GRADIENT)), GRADIENT)
    del submission.notebook.cells[:]
    assert repair(submission, GRADIENT).notebook.cells == []
