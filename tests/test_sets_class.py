"""Every set through the instructor's whole path: sample class, marks, feedback, report, export."""

from __future__ import annotations

import csv
import html
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook

from autograder.classes.report import write_report
from autograder.classes.run import feedback_class, grade_class, quietly
from autograder.gradebook.export import CsvExport
from autograder.gradebook.record import read_records
from autograder.gradebook.waiting import waiting
from autograder.project import find_project
from autograder.sample.people import make_class

if TYPE_CHECKING:
    from tests.conftest import Course

SETS = find_project(Path(__file__).parent).sets
FEW, WHOLE_CLASS = 6, 30
LONGEST_SECONDS = 20.0


@pytest.fixture(scope="module", params=SETS)
def graded(request: pytest.FixtureRequest, module_course: Course) -> Course:
    """A small class of each set, graded, with feedback, report and export: what the commands do,
    in this process, whose warm processes serve one set after the other."""
    course = module_course.on(request.param)
    hand_in(course, FEW)
    summary = grade_class(
        course.project, course.assignment, progress=quietly, say=lambda text: None
    )
    assert summary.exit_code == 0
    assert feedback_class(course.project, course.assignment, progress=quietly) == (FEW, {})
    write_report(course.project, course.assignment)
    export = CsvExport(to=str(course.folder / "grades.csv"))
    with course.gradebook() as gradebook:
        export.export(gradebook)
    return course


def hand_in(course: Course, students: int) -> None:
    course.configure("c.GradeSubmission.limits = {'cell_seconds': 5.0, 'call_seconds': 5.0}")
    make_class(course.project, [course.assignment], students, 1)


def predicted(course: Course) -> dict:
    path = course.grading / "expected" / f"{course.assignment}.json"
    return json.loads(path.read_text("utf-8"))


def assert_marks_are_the_predicted_ones(course: Course) -> None:
    records = {r.student: r for r in read_records(course.project, course.assignment)}
    assert set(records) == set(predicted(course))
    for student, mark in predicted(course).items():
        keys = ("points", "status", "mistake")
        verdicts = records[student].verdicts.items()
        told = {name: {key: getattr(verdict, key) for key in keys} for name, verdict in verdicts}
        assert told == mark["functions"]
        # A text has no mark before a person has read it.
        marks = {n: m for n, m in course.marks(student).items() if not n.startswith("report-")}
        assert marks == {n: f["points"] for n, f in mark["functions"].items()}


def test_every_mark_is_the_predicted_one(graded: Course) -> None:
    assert_marks_are_the_predicted_ones(graded)


def test_whoever_wrote_a_report_waits_for_a_person(graded: Course) -> None:
    """And who wrote none has no points, and nobody need look."""
    texts = 0
    with Gradebook(f"sqlite:///{graded.grading / 'gradebook.db'}") as gradebook:
        waits = {(one.student, one.cell) for one in waiting(gradebook, graded.assignment)}
        for student, mark in predicted(graded).items():
            for name in mark.get("waiting", ()):
                texts += 1
                assert (student, name) in waits
            for name in mark.get("unwritten", ()):
                grade = gradebook.find_grade(name, graded.assignment, graded.assignment, student)
                assert (student, name) not in waits and grade.auto_score == 0
    assert (texts > 0) is (graded.assignment == "experiments")


def test_every_mistake_is_told_by_name_in_the_feedback(graded: Course) -> None:
    told = 0
    for student, mark in predicted(graded).items():
        page = html.unescape(graded.page(student))
        for name, function in mark["functions"].items():
            if function["mistake"]:
                known = {m.name: m.text for m in graded.exercises.part(name).mistakes}
                assert known[function["mistake"]] in page, (student, name)
                told += 1
    assert told > 0


def test_the_report_and_the_export_have_everybody(graded: Course) -> None:
    report = (graded.grading / "reports" / f"{graded.assignment}.html").read_text("utf-8")
    rows = csv.DictReader(io.StringIO((graded.folder / "grades.csv").read_text("utf-8")))
    scores = {
        r["student_id"]: float(r["score"]) for r in rows if r["assignment"] == graded.assignment
    }
    for student, mark in predicted(graded).items():
        assert student in report
        assert scores[student] == pytest.approx(mark["points"])


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SETS)
def test_a_class_of_thirty_gets_the_predicted_marks(name: str, course: Course) -> None:
    """By nbgrader's own command, as Formgrader's button would."""
    whole = course.on(name)
    hand_in(whole, WHOLE_CLASS)
    whole.run(f"nbgrader autograde {name}")
    assert_marks_are_the_predicted_ones(whole)


@pytest.mark.parametrize("name", SETS)
def test_a_solved_notebook_runs_from_the_released_folder_alone(
    name: str, built_course: Course, tmp_path: Path
) -> None:
    """In a real kernel: every check says that it is right, and the last cell draws.

    It has to run in under 20 s. Counted is the kernel's own processor time, so that what else the
    machine does meanwhile is no matter.
    """
    course = built_course.on(name)
    folder = shutil.copytree(course.project.exercises / name, tmp_path / name)
    notebook = course.solved()
    notebook.cells.append(new_code_cell("import time\ntime.process_time()"))
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    client.execute()
    nbformat.validate(notebook)
    checks = [c for c in notebook.cells if c.cell_type == "code" and c.source.startswith("check(")]
    assert len(checks) == len(course.exercises.parts)
    for cell in checks:
        assert "Correct." in json.dumps(cell.outputs), cell.source
    *code, clock = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert float(clock.outputs[0]["data"]["text/plain"]) < LONGEST_SECONDS
    assert any("image/png" in output.get("data", {}) for output in code[-1].outputs)
    said = [o for cell in code for o in cell.outputs if o.get("name") == "stderr"]
    assert said == []
