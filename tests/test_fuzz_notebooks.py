"""Whatever somebody hands in: it is read, repaired, and whole, and the learner's text is in it."""

from __future__ import annotations

import codecs
import copy
import io
import json
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
from hypothesis import strategies as st

from autograder.judging.sets import find_set
from autograder.release.notebook import check_cell, instructor_notebook
from autograder.submissions.adopt import adopt
from autograder.submissions.read import Submission, read_submission, read_text
from autograder.submissions.repair import grade_id_of, repair
from tests.fuzzing import damaged, fuzz, scraps

GRADIENT = find_set("gradient")
CHECKS = {part.grade_id: check_cell(part) for part in GRADIENT.parts}
EXERCISES = {part.exercise for part in GRADIENT.parts}
SOLVED = json.loads(nbformat.writes(instructor_notebook(GRADIENT)))
MINE = {"cell_type": "markdown", "id": "mine", "metadata": {}, "source": "My own thoughts: Ñ 🎲"}

oddities = st.one_of(
    scraps,
    st.sampled_from([10**5000, float("nan"), float("inf"), "\ud83d", "\0", "x" * 10**5, []]),
    st.sampled_from([["a", 1, None], ["x = 1\n", "y = 2"], {"a": "b"}]),
)
labels = st.fixed_dictionaries(
    {},
    optional={
        "nbgrader": st.fixed_dictionaries(
            {},
            optional={
                "grade_id": st.sampled_from([*CHECKS, *EXERCISES, "other"]) | scraps,
                "points": oddities,
                "schema_version": oddities,
                "locked": oddities,
            },
        )
        | scraps,
        "tags": oddities,
    },
)
changes = st.tuples(
    st.sampled_from(["delete", "copy", "move", "metadata", "source", "id", "type", "more", "put"]),
    st.integers(0, 99),
    st.integers(0, 99),
    oddities | labels,
)


def changed(notebook: Any, how: str, at: int, to: int, what: Any) -> None:
    """Do to a notebook what platforms, editors and learners do."""
    cells = notebook["cells"]
    if not cells:
        return
    cell = cells[at % len(cells)]
    if how == "delete":
        del cells[at % len(cells)]
    elif how == "copy":
        cells.insert(to % len(cells), copy.deepcopy(cell))
    elif how == "move":
        cells.insert(to % len(cells), cells.pop(at % len(cells)))
    elif how == "put":
        cells.insert(to % len(cells), what)
    elif how == "more":
        notebook[("metadata", "nbformat", "nbformat_minor", "worksheets")[to % 4]] = what
    elif isinstance(cell, dict):
        cell[{"type": "cell_type"}.get(how, how)] = what


@st.composite
def notebooks(draw: st.DrawFn) -> Any:
    """A solved notebook after a few changes."""
    notebook = copy.deepcopy(SOLVED)
    notebook["cells"].insert(1, copy.deepcopy(MINE))
    for how, at, to, what in draw(st.lists(changes, max_size=5)):
        changed(notebook, how, at, to, copy.deepcopy(what))
    return notebook


def written(tree: Any) -> str:
    """A tree as JSON, with integers that Python itself is too careful to write."""
    return json.dumps(tree, default=str) if not _huge(tree) else _slowly(tree)


def _huge(tree: Any) -> bool:
    if isinstance(tree, dict):
        return any(map(_huge, tree.values()))
    if isinstance(tree, list):
        return any(map(_huge, tree))
    return type(tree) is int and abs(tree) > 10**4000


def _slowly(tree: Any) -> str:
    if isinstance(tree, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{_slowly(v)}" for k, v in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(map(_slowly, tree)) + "]"
    return "1" + "0" * 5000 if _huge(tree) else json.dumps(tree)


def is_whole(submission: Submission) -> None:
    """Valid, every check once and as the set has it, no solution twice; mended for good."""
    notebook = submission.notebook
    nbformat.validate(notebook)
    nbformat.writes(notebook).encode()
    found = Counter(grade_id_of(cell) for cell in notebook.cells)
    del found[None]
    assert {name: found.pop(name, 0) for name in CHECKS} == dict.fromkeys(CHECKS, 1)
    assert found.keys() <= EXERCISES and set(found.values()) <= {1}
    for cell in notebook.cells:
        if grade_id_of(cell) in CHECKS:
            fresh = CHECKS[str(grade_id_of(cell))]
            assert (cell.source, cell.metadata) == (fresh.source, fresh.metadata)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    again = copy.deepcopy(submission)
    repair(again, GRADIENT)
    assert again.notebook == notebook
    twice = repair(read_text(nbformat.writes(notebook)), GRADIENT)
    assert told(twice) == told(submission)


def told(submission: Submission) -> list[tuple[str, str, str | None]]:
    """What matters of each cell."""
    return [(c.cell_type, c.source, grade_id_of(c)) for c in submission.notebook.cells]


@fuzz(notebooks(), few=60, many=5000)
def test_a_changed_notebook(tree: Any) -> None:
    submission = repair(read_text(written(tree)), GRADIENT)
    is_whole(submission)
    texts = Counter(cell.source for cell in submission.notebook.cells)
    if any("left out" in problem or "format" in problem for problem in submission.problems):
        return
    kept = [c for c in tree["cells"] if isinstance(c, dict) and c.get("source") == MINE["source"]]
    assert texts[MINE["source"]] >= len(kept)


@fuzz(notebooks() | scraps, few=20, many=2000)
def test_it_survives_being_written_by_others(tree: Any) -> None:
    """Any encoding that a text editor may choose reads the same."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.ipynb")
        text = written(tree)
        wanted = told(repair(read_text(text), GRADIENT))
        for encoded in (
            text.encode(),
            codecs.BOM_UTF8 + text.encode(),
            codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
            codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        ):
            path.write_bytes(encoded)
            assert told(repair(read_submission(path), GRADIENT)) == wanted


BYTES = json.dumps(SOLVED, ensure_ascii=False).encode()
whole = st.sampled_from([BYTES, codecs.BOM_UTF8 + BYTES, BYTES.decode().encode("utf-16")])
cut = st.builds(lambda data, at: data[:at], whole, st.integers(0, len(BYTES)))


@fuzz(damaged(cut) | st.binary(max_size=200), st.sampled_from([".ipynb", ".py"]), few=30, many=3000)
def test_damaged_bytes(data: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a").with_suffix(suffix)
        path.write_bytes(data)
        is_whole(repair(read_submission(path), GRADIENT))


@fuzz(
    st.sampled_from(["[", '{"a":', '{"cells":[', '{"cells":[{"metadata":']),
    st.integers(1, 10**5),
    few=8,
    many=100,
)
def test_nested_without_end(bracket: str, times: int) -> None:
    is_whole(repair(read_text(bracket * times), GRADIENT))


def test_a_damaged_label_costs_no_cell_its_place() -> None:
    """The first repair once left it to a second one to know the cell by its id."""
    tree = copy.deepcopy(SOLVED)
    [cell] = [c for c in tree["cells"] if c["id"] == "solution-gabor"]
    cell["metadata"]["nbgrader"]["grade_id"] = "gab"
    submission = repair(read_text(written(tree)), GRADIENT)
    is_whole(submission)
    assert "gabor" in [grade_id_of(cell) for cell in submission.notebook.cells]


def test_a_number_without_end() -> None:
    """Python refuses to read it, and the cells after it were once lost."""
    tree = copy.deepcopy(SOLVED)
    tree["cells"].insert(0, {**MINE, "id": "first", "metadata": {"x": 10**5000}})
    tree["cells"].append(copy.deepcopy(MINE))
    submission = repair(read_text(written(tree)), GRADIENT)
    is_whole(submission)
    assert submission.problems == []
    assert submission.notebook.cells[-1].source == MINE["source"]


def test_a_deep_notebook() -> None:
    """Deeper than Python's own functions for JSON go, in a place that nobody looks at."""
    text = json.dumps(SOLVED)
    nested = "[" * 3000 + "]" * 3000
    for where in ('"metadata": {', '"outputs": ['):
        at = text.index(where) + len(where)
        put = f'"x": {nested}, ' if where.endswith("{") else f"{nested}, "
        is_whole(repair(read_text(text[:at] + put + text[at:]), GRADIENT))


def zipped(members: list[tuple[str, bytes]]) -> bytes:
    """An archive with these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


contents = damaged(whole) | st.binary(max_size=80) | st.just(b"def gabor(theta, x):\n    return 1")
entries = st.tuples(
    st.sampled_from(["a.ipynb", "../up.ipynb", "/root.ipynb", "deep/b.ipynb", ".c.ipynb", "d.txt"]),
    contents,
)
archives = st.builds(zipped, st.lists(entries, max_size=3, unique_by=lambda entry: entry[0]))
handed_in = st.dictionaries(
    st.sampled_from(
        ["gradient.py", "my work.txt", "all.zip", "in/notes.ipynb", "x.ipynb.txt", ".h.py", "Ñ.zip"]
    ),
    contents | archives | damaged(archives),
    max_size=3,
)


@fuzz(handed_in, few=25, many=3000)
def test_any_folder_ends_with_a_notebook(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as outside:
        folder = Path(outside, "student")
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        folder.mkdir(exist_ok=True)
        adopted = adopt(folder, "gradient")
        assert adopted.notes and adopt(folder, "gradient") == adopted
        assert {p.name for p in Path(outside).iterdir()} == {"student"}
        assert all((folder / name).read_bytes() == data for name, data in files.items())
        is_whole(repair(read_submission(folder / "gradient.ipynb"), GRADIENT))
