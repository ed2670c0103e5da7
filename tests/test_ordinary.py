"""An instructor's own assignment fares no worse here than under stock nbgrader."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbformat import NotebookNode, v3
from nbformat.v4 import new_code_cell, new_notebook

from autograder.classes.run import grade_class, quietly
from autograder.cli import main
from autograder.submissions.heal import healed
from tests.conftest import write

if TYPE_CHECKING:
    from tests.conftest import Course

DOUBLE = "import utils\ndef double(x):\n    return utils.TWO * x"
AREA = "def area(r):\n    return 3 * r ** 2"


def ps1(double: str = DOUBLE, area: str = AREA) -> NotebookNode:
    """Two functions, with a test each, and a test of both."""
    flags = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    cells = {
        "double": double,
        "test-double": "assert double(2) == 4",
        "area": area,
        "test-area": "assert area(2) == 12",
        "test-both": "assert double(area(1)) == 6",
    }
    made = [new_code_cell(text, id=name) for name, text in cells.items()]
    for cell in made:
        test = {"grade": True, "locked": True, "points": 2} if "test" in cell.id else {}
        own = test or {"solution": True}
        cell.metadata["nbgrader"] = {**flags, **own, "grade_id": cell.id}
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    return new_notebook(cells=made, metadata={"kernelspec": kernel})


def slipshod() -> dict[str, Any]:
    """What several editors leave out, and put in."""
    tree: dict[str, Any] = json.loads(nbformat.writes(ps1()))
    one, two, three, four, five = tree["cells"]
    del one["execution_count"], two["outputs"], three["id"]
    one["outputs"] = [{"output_type": "stream", "text": "hm"}, {"output_type": "execute_result"}]
    four["id"] = five["id"]
    five["metadata"] |= {"tags": None, "collapsed": "yes", "vscode": {"languageId": "python"}}
    tree["cells"].append({"cell_type": "markdown", "outputs": [], "source": ["a", "b"]})
    tree["metadata"]["language_info"] = {"version": "3.12"}
    return tree


def old() -> str:
    """The same in nbformat 3."""
    cells = [
        v3.new_code_cell(input=cell.source, metadata=cell.metadata, prompt_number=None)
        for cell in ps1().cells
    ]
    notebook = v3.new_notebook(worksheets=[v3.new_worksheet(cells=cells)])
    return str(v3.writes_json(notebook))


def test_what_editors_leave_out_is_mended_and_nothing_else_is_changed() -> None:
    for minor in (5, 4):
        notebook = healed(json.dumps(slipshod() | {"nbformat_minor": minor}))
        nbformat.validate(notebook)
        assert [c.source for c in notebook.cells[:5]] == [c.source for c in ps1().cells]
        assert (
            notebook.cells[4].metadata.vscode and "grade_id" in notebook.cells[4].metadata.nbgrader
        )
        assert notebook.cells[0].outputs[0] == {
            "output_type": "stream",
            "name": "stdout",
            "text": "hm",
        }
    whole = ps1()
    assert healed(nbformat.writes(whole)) == whole


def test_a_class_with_slips_files_and_deleted_tests_gets_what_it_is_due(
    course: Course, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In our own run, and in nbgrader's loop, which Formgrader's button uses."""
    there = course.on("ps1")
    source = course.grading / "source" / "ps1"
    source.mkdir(parents=True)
    nbformat.write(ps1(), source / "p1.ipynb")
    (source / "utils.py").write_text("TWO = 2\n")
    (source / "how.md").write_text("# How\n")
    course.run("nbgrader generate_assignment ps1")
    released = {path.name for path in (course.folder / "exercises" / "ps1").iterdir()}
    assert released == {"p1.ipynb", "utils.py", "how.md"}

    there.hand_in("slips", json.dumps(slipshod()), "p1.ipynb")
    there.hand_in("old", old(), "p1.ipynb")
    helped = ps1(area="from helper import three\ndef area(r):\n    return three() * r ** 2")
    there.hand_in("helper", helped, "p1.ipynb")
    read = "def three():\n    return int(open('notes.md').read())\n"
    there.hand_in("helper", read, "helper.py")
    there.hand_in("helper", "3", "notes.md")
    some = ps1(double="def double(x):\n    return 0")
    # Tests that are gone, one of them with the cell above it.
    some.cells = [some.cells[0], new_code_cell(AREA)]
    there.hand_in("deleted", some, "p1.ipynb")

    wanted = {"slips": 6, "old": 6, "helper": 6, "deleted": 2}
    summary = grade_class(course.project, "ps1", progress=quietly, say=lambda text: None)
    assert summary.exit_code == 0, summary.failed
    assert {student: there.score(student) for student in wanted} == wanted
    reads_as_a_set_does(course, monkeypatch, capfd)
    course.run("rm -r grading/autograded && nbgrader autograde ps1")
    assert {student: there.score(student) for student in wanted} == wanted
    with course.gradebook() as book:
        waiting = [g for s in wanted for g in book.find_submission("ps1", s).notebooks[0].grades]
        assert not any(grade.needs_manual_grade for grade in waiting), "nothing nobody can mark"


def reads_as_a_set_does(
    course: Course, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Report, table of mistakes, feedback and a single notebook of an assignment of one's own."""
    monkeypatch.chdir(course.folder)

    def typed(command: str, code: int = 0) -> str:
        capfd.readouterr()
        assert main(command.split()) == code
        told = capfd.readouterr()
        return told.out if code == 0 else told.err

    page = Path(typed("report ps1").strip()).read_text("utf-8")
    seen = " ".join(re.sub(r"<[^>]+>", " ", page[page.index("<body>") :]).split())
    assert "from the marks of 4 graded submissions" in seen and "Unprotected marks" in seen
    assert "75&nbsp;% (3)" in seen and "1 × test-both AssertionError deleted" in seen
    assert "seed" not in seen

    typed("export mistakes ps1 --anonymous")
    with (course.folder / "mistakes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 and Counter(row["status"] for row in rows) == {"passed": 10, "wrong": 2}

    assert typed("feedback ps1 --student old").startswith("1 feedback pages")
    assert (course.grading / "feedback" / "old" / "ps1" / "p1.html").is_file()

    # A notebook of another name, with its own files beside it; nothing is written in the course.
    before = sorted(course.folder.rglob("*"))
    mine = course.folder.parent / "work" / "mine.ipynb"
    write(mine, ps1(double="from helper import three\ndef double(x):\n    return three() - 1"))
    write(mine.with_name("helper.py"), "def three():\n    return 3\n")
    told = json.loads(typed(f"grade-notebook {mine} --assignment ps1 --json"))
    assert (told["points"], told["max_points"]) == (2, 6)
    assert told["functions"]["test-double"]["status"] == "wrong"
    assert told["functions"]["test-both"]["message"] == "AssertionError"
    assert "2 of 6 points" in typed(f"grade-notebook {mine} --assignment ps1")
    assert sorted(course.folder.rglob("*")) == before
    assert "no --seed" in typed(f"grade-notebook {mine} --assignment ps1 --seed 3", 2)
    assert "`autograder autograde ps1 --force`" in typed("regrade ps1", 2)
