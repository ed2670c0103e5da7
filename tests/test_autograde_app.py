"""`autograder autograde`: a set of ours as a class, anything else as nbgrader, always walled in."""

from __future__ import annotations

import subprocess
import sys

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.preprocessors import AssignLatePenalties, Execute, SaveAutoGrades
from traitlets.config import Config

from autograder.classes.app import ClassAutogradeApp
from autograder.classes.pool import Pool
from autograder.cli import main
from autograder.engine.interface import NoSandbox
from autograder.gradebook.foreign import UNPROTECTED
from autograder.gradebook.preprocessors import (
    GradeSubmission,
    RepairCells,
    SaveGrades,
    SubmissionExporter,
)
from autograder.gradebook.record import read_records

KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}


def homework(answer: str) -> NotebookNode:
    """A notebook of somebody else's, with one ordinary assert cell."""
    flags = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    solution = new_code_cell(answer, id="answer")
    solution.metadata["nbgrader"] = {**flags, "solution": True, "grade_id": "answer"}
    test = new_code_cell("assert square(3) == 9", id="test")
    test.metadata["nbgrader"] = {**flags, "grade": True, "locked": True, "grade_id": "test"}
    test.metadata["nbgrader"]["points"] = 2
    return new_notebook(cells=[solution, test], metadata={"kernelspec": KERNEL})


@pytest.fixture
def here(course, monkeypatch):
    """The course, with this process in its folder."""
    monkeypatch.chdir(course.folder)
    return course


def autograde(*arguments: str) -> int:
    return main(["autograde", *arguments])


def graded(course) -> list[str]:
    return [record.student for record in read_records(course.project, course.assignment)]


# A set of ours.


def test_a_class_is_summed_up_and_done_once(here, capsys):
    here.hand_in("amara", here.solved())
    here.hand_in("pat", b"\x89PNG\r\n\x1a\n\x00\xff", "photo.png")
    assert autograde("gradient") == 0
    said = capsys.readouterr().out
    assert "2 graded, 0 skipped as graded already." in said
    assert "pat: " in said and "photo.png" in said
    assert (here.score("amara"), here.score("pat")) == (20, 0)
    assert autograde("--assignment", "gradient") == 0
    assert "0 graded, 2 skipped as graded already." in capsys.readouterr().out
    assert autograde("gradient", "--force", "--student", "amara") == 0
    assert "1 unchanged" in capsys.readouterr().out


def test_learners_are_named_by_name_and_pattern_and_left_out_by_name(here):
    for student in ("amara", "ben", "bella", "chen"):
        here.hand_in(student, here.stub())
    assert autograde("gradient", "--student", "b*", "--CourseDirectory.student_id_exclude=ben") == 0
    assert graded(here) == ["bella"]
    assert autograde("gradient", "--student", "chen", "--student", "amara") == 0
    assert graded(here) == ["amara", "bella", "chen"]
    assert autograde("gradient", "--student", "nobody") == 2


def test_the_exit_code_tells_that_somebody_could_not_be_graded(here, capsys):
    here.hand_in("amara", here.stub())
    here.hand_in("ben", here.stub())
    here.run("nbgrader db student add amara")
    assert autograde("gradient", "--Autograde.create_student=False") == 1
    said = capsys.readouterr().out
    assert "1 graded" in said and "no student with ID 'ben'" in said
    assert autograde("gradient", "--GradeSubmission.limits={'thraeds': 1}") == 2
    assert "no such limit: thraeds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--workers=0", "should not be less than 1"),
        ("--GradeSubmission.limits={'cell_seconds': -1}", "cell_seconds is -1; wanted: a number"),
        ("--GradeSubmission.limits={'memory_bytes': '2GB'}", "memory_bytes is '2GB'; wanted: a wh"),
        ("--GradeSubmission.limits={'threads': 0}", "threads is 0; wanted: a whole number, 1 or"),
        ("--GradeSubmission.limits={'call_seconds': True}", "call_seconds is True"),
    ],
)
def test_a_setting_that_cannot_be_meant_costs_nobody_a_mark(here, capsys, option, told):
    here.hand_in("amara", here.solved())
    assert autograde("gradient", option) == 2
    assert told in capsys.readouterr().err
    assert graded(here) == []


def test_a_configuration_that_cannot_be_read_is_told(here, capsys):
    here.hand_in("amara", here.solved())
    here.configure("c.GradeSubmission.limits = {")
    assert autograde("gradient") == 2
    assert "nbgrader_config.py: SyntaxError" in capsys.readouterr().err
    assert main(["feedback", "gradient"]) == 2
    assert "nbgrader_config.py: SyntaxError" in capsys.readouterr().err
    assert not (here.grading / "autograded").exists()


def test_a_folder_that_cannot_be_looked_into_is_told(here, capsys):
    """Also what is no folder at all: nobody goes missing without a word."""
    here.hand_in("amara", here.stub())
    (here.grading / "submitted" / "ben").mkdir()
    (here.grading / "submitted" / "ben" / "gradient").write_text("a file")
    (here.grading / "submitted" / "chen").mkdir()
    assert autograde("gradient") == 1
    said = capsys.readouterr().out
    assert "1 graded" in said and "ben: NotADirectoryError" in said and "chen" not in said


def test_a_submissions_log_says_what_came_of_it(here):
    here.hand_in("amara", here.mistaken(gabor="no_scale"))
    assert autograde("gradient") == 0
    log = (here.grading / "logs" / "gradient" / "amara.log").read_text()
    assert "INFO    gabor: 0 of 1, wrong, no_scale\n" in log
    assert "INFO    19 of 20 points in " in log and " s, round 1, at 20" in log


def test_without_room_for_logs_marks_stand(here, capsys):
    here.hand_in("amara", here.solved())
    (here.grading / "logs" / "gradient" / "amara.log").mkdir(parents=True)
    assert autograde("gradient") == 0
    said = capsys.readouterr().out
    assert "1 graded" in said and "No log of amara could be written: Is a directory." in said


def test_from_a_folder_of_the_course_it_finds_the_course(here, monkeypatch):
    here.hand_in("amara", here.stub())
    monkeypatch.chdir(here.project.solutions)
    assert autograde("gradient") == 0
    assert graded(here) == ["amara"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["gradient", "--no-execute"], 1, "it takes no --no-execute"),
        (["gradient", "adam"], 1, "named: gradient, adam"),
        ([], 1, "named: none"),
        (["ps1", "--scheduler", "local"], 1, "ps1 is no set of this course"),
        (["gradient"], 2, "no submission of anybody for gradient"),
    ],
)
def test_what_cannot_be_done_is_told(here, capsys, arguments, code, told):
    assert autograde(*arguments) == code
    assert told in capsys.readouterr().err


# Somebody else's assignment.


def test_an_assignment_of_the_instructors_own_is_graded_in_the_sandbox_and_labelled(
    here, capsys, monkeypatch
):
    right = "def square(n):\n    return n * n"
    nbformat.write(homework(right), _made(here.grading / "source" / "ps1") / "p1.ipynb")
    here.run("nbgrader generate_assignment ps1")
    there = here.on("ps1")
    there.hand_in("amara", homework(right), "p1.ipynb")
    there.hand_in("ben", homework(f"open('{here.folder}/pyproject.toml')\n{right}"), "p1.ipynb")
    judges = []

    class Counted(Pool):
        def __init__(self, job, outcome, count, *how):
            judges.append(count)
            super().__init__(job, outcome, count, *how)

    monkeypatch.setattr("autograder.classes.pipeline.Pool", Counted)
    here.configure("c.ClassAutograde.scheduler = 'tcp://127.0.0.1:9'")
    assert autograde("ps1", "--workers=2") == 1
    assert "say --scheduler= where" in capsys.readouterr().err
    assert autograde("ps1", "--workers=2", "--scheduler=") == 0
    assert judges == [2]
    assert (there.score("amara"), there.score("ben")) == (2, 0)
    folder = here.grading / "autograded" / "amara" / "ps1"
    remark = nbformat.read(folder / "p1.ipynb", 4).metadata[UNPROTECTED]
    said = capsys.readouterr().out
    assert said.count(remark) == 1
    assert "2 graded, 0 skipped" in said and "Mean 1 of 2 points." in said
    log = (here.grading / "logs" / "ps1" / "ben.log").read_text()
    assert "p1, test: 0\n" in log and "0 of 2 points in " in log and remark in log
    here.run("nbgrader generate_feedback ps1")
    page = (here.grading / "feedback" / "amara" / "ps1" / "p1.html").read_text("utf-8")
    assert "square" in page and "Unprotected" not in page and "can fool" not in page


def _made(folder):
    folder.mkdir(parents=True)
    return folder


# The lists.


def prepared(config: Config) -> Config:
    app = ClassAutogradeApp(config=config)
    app.put_in_our_parts()
    return app.config.ClassAutograde


def test_ours_take_the_place_of_nbgraders_wherever_these_stand():
    config = Config()
    config.Autograde.autograde_preprocessors = [
        AssignLatePenalties,
        "nbgrader.preprocessors.Execute",
        SaveAutoGrades,
    ]
    ours = prepared(config)
    assert ours.autograde_preprocessors == [AssignLatePenalties, GradeSubmission, SaveGrades]
    assert ours.sanitize_preprocessors[0] is RepairCells
    assert prepared(Config({"Autograde": ours})) == {}


class MyExecute(Execute):
    """An instructor's own."""


def test_what_would_run_a_notebook_without_walls_is_refused():
    config = Config()
    config.Autograde.autograde_preprocessors = [MyExecute, SaveAutoGrades]
    with pytest.raises(NoSandbox, match="MyExecute in Autograde"):
        prepared(config)
    config.GradeSubmission.require_sandbox = False
    assert prepared(config).autograde_preprocessors == [MyExecute, SaveGrades]


def test_files_that_are_the_learners_to_change_stay(here):
    """Also where somebody else's exporter reads what is handed in."""
    path = here.hand_in("amara", here.solved())
    (path.parent / "notes.txt").write_text("the learner's")
    (path.parent / "data.txt").write_text("the learner's")
    for name in ("notes.txt", "data.txt"):
        (here.grading / "source" / "gradient" / name).write_text("the source's")
    arguments = ["--Autograde.exclude_overwriting={'gradient': ['notes.txt']}", "--force"]
    for exporter in (SubmissionExporter, Own):
        config = f"--Autograde.exporter_class={exporter.__module__}.{exporter.__name__}"
        assert autograde("gradient", config, *arguments) == 0
        folder = here.grading / "autograded" / "amara" / "gradient"
        assert (folder / "notes.txt").read_text() == "the learner's"
        assert (folder / "data.txt").read_text() == "the source's"
        assert here.score("amara") == 20


class Own(SubmissionExporter):
    """An instructor's own."""


def test_the_folders_are_those_that_nbgrader_is_told(here, capsys):
    here.hand_in("amara", here.solved())
    (here.grading / "submitted").rename(here.folder / "handed_in")
    places = {"submitted_directory": "handed_in", "autograded_directory": "done"}
    arguments = ["gradient", *(f"--CourseDirectory.{n}={place}" for n, place in places.items())]
    assert autograde(*arguments) == 0
    assert "1 graded" in capsys.readouterr().out
    assert (here.folder / "done" / "amara" / "gradient" / "gradient.ipynb").is_file()
    assert not (here.grading / "autograded").exists() and not (here.grading / "submitted").exists()
    assert here.score("amara") == 20
    for name, place in places.items():
        here.configure(f"c.CourseDirectory.{name} = {place!r}")
    assert graded(here) == ["amara"]
    assert main(["report", "gradient"]) == 0


# Before anything is graded.

STARTS = """
import sys, threading
from autograder.cli import main
from autograder.engine.warm.handle import START
started = threading.Event()
def hear(event, arguments):
    if event == "subprocess.Popen" and START in arguments[1]:
        started.set()
sys.addaudithook(hear)
main(["autograde", *sys.argv[1:]])
print("started", started.wait(SECONDS))
"""


@pytest.mark.parametrize(
    ("arguments", "starts"),
    [
        # It fails before a class is looked for: nothing but the early start can start it.
        ([], True),
        (["--help"], False),
        (["--help-all"], False),
        (["gradient", "--scheduler=tcp://127.0.0.1:9"], False),
    ],
)
def test_the_warm_process_begins_to_start_at_once_where_submissions_run_here(
    here, arguments, starts
):
    program = STARTS.replace("SECONDS", "60" if starts else "0")
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.splitlines()[-1] == f"started {starts}", done.stderr
