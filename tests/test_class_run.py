"""Grading a class: submissions without a notebook, and a failure that stays with its own."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from nbgrader.converters import GenerateFeedback

from autograder.classes.job import Job, Outcome
from autograder.classes.run import (
    Reporter,
    Summary,
    bar,
    feedback_class,
    grade_class,
    quietly,
)
from autograder.cli import main
from autograder.code import source
from autograder.engine.interface import Limits
from autograder.engine.warm import handle
from autograder.engine.warm.handle import SandboxedRunner
from autograder.exercise import AuthorError
from autograder.gradebook.marks import Comment, Mark, Sheet
from autograder.gradebook.preprocessors import GradeSubmission
from autograder.gradebook.record import read_records
from autograder.grading import Stopped
from autograder.grading.rehearsal import rehearse
from autograder.judging.sets import find_set
from autograder.judging.verdict import Verdict


def silent(text: str) -> None:
    """Say nothing."""


def zipped(**files: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/") + ".ipynb", text)
    return data.getvalue()


@pytest.fixture(scope="module")
def run(module_course):
    """Nobody here has handed in a notebook of the right name and nothing else."""
    solved = nbformat.writes(module_course.solved())
    lines = source.solution_cell(module_course.exercises.part("gabor").reference).splitlines()
    code = [line for line in lines if line.strip() not in (source.BEGIN, source.END)]
    hand_in = module_course.hand_in
    hand_in("pia-py", "\n".join(["import numpy as np", *code]), "answers.py")
    hand_in("tim-txt", solved, "gradient.ipynb.txt")
    hand_in("jon-json", solved, "gradient.json")
    hand_in("zoe-zip", zipped(folder__gradient=solved), "homework.zip")
    hand_in("dan-damaged", zipped(gradient=solved)[:900], "homework.zip")
    hand_in("pat-picture", b"\x89PNG\r\n\x1a\n\x00\xff", "photo.png")
    hand_in("nat-nothing", "2026-03-01 12:00:00.000000 UTC", "timestamp.txt")
    hand_in("ada-another", solved, "my solution.ipynb")
    link_beside(hand_in("lin-link", solved))
    summary = grade_class(module_course.project, "gradient", progress=quietly, say=silent)
    return module_course, summary


def link_beside(notebook):
    (notebook.parent / "loot").symlink_to("/etc/hostname")


LINK_REMOVED = "Links and other things that are no files were removed: loot."


@pytest.mark.parametrize(
    ("student", "points", "told"),
    [
        ("pia-py", 1, "answers.py was graded as gradient.ipynb"),
        ("tim-txt", 20, "gradient.ipynb.txt was graded as gradient.ipynb"),
        ("jon-json", 20, "gradient.json was graded as gradient.ipynb"),
        ("zoe-zip", 20, "homework.zip/folder/gradient.ipynb was graded as gradient.ipynb"),
        ("dan-damaged", 0, "the folder held: homework.zip"),
        ("pat-picture", 0, "the folder held: photo.png"),
        ("nat-nothing", 0, "the folder held: nothing"),
        ("ada-another", 20, "my solution.ipynb was graded as gradient.ipynb."),
        ("lin-link", 20, LINK_REMOVED),
    ],
)
def test_what_is_no_notebook_is_taken_in_or_gets_nothing_and_is_told(run, student, points, told):
    course, summary = run
    assert course.score(student) == points
    # What costs everything is to be looked at.
    place = summary.adopted if points else summary.flagged
    assert told in "".join(place[student])
    assert told in "\n".join(summary.lines())
    # Once, and the learner too.
    assert "".join(cell.source for cell in course.graded(student).cells).count(told) == 1


def test_what_was_done_is_told_by_nbgraders_own_loop_too(course):
    notebook = course.hand_in("lin", course.solved(), "my solution.ipynb")
    link_beside(notebook)
    course.run("nbgrader autograde gradient")
    told = course.graded("lin").cells[0].source
    assert told.count(LINK_REMOVED) == 1
    assert told.count("my solution.ipynb was graded as gradient.ipynb.") == 1


def test_the_files_that_were_handed_in_stay(run):
    course, summary = run
    assert summary.exit_code == 0
    submitted = course.grading / "submitted"
    assert (submitted / "pat-picture" / "gradient" / "photo.png").read_bytes()[1:4] == b"PNG"
    assert (submitted / "zoe-zip" / "gradient" / "homework.zip").is_file()


def test_who_handed_in_nothing_reads_why_in_the_graded_notebook(run):
    course, _summary = run
    told = course.graded("nat-nothing").cells[0].source
    assert "No notebook was handed in; the folder held: nothing." in told


def test_a_failure_stops_nobody_and_loses_no_mark(course, monkeypatch):
    for student in ("amara", "ben", "chen"):
        course.hand_in(student, course.stub())
    grade_class(course.project, "gradient", progress=quietly, say=silent)
    before = course.graded("ben")
    course.hand_in("ben", course.solved())
    course.hand_in("chen", course.mistaken(gabor="no_scale"))
    preprocess = GradeSubmission.preprocess

    def fails_for_ben(self, nb, resources):
        if resources["nbgrader"]["student"] == "ben":
            raise OSError("the disk is full")
        return preprocess(self, nb, resources)

    monkeypatch.setattr(GradeSubmission, "preprocess", fails_for_ben)
    summary = grade_class(course.project, "gradient", force=True, progress=quietly, say=silent)
    assert summary.exit_code == 1
    assert summary.graded.keys() == {"chen"} and summary.unchanged == ["amara"]
    assert (
        "OSError: the disk is full" in summary.failed["ben"] and "ben.log" in summary.failed["ben"]
    )
    assert "the disk is full" in (course.grading / "logs" / "gradient" / "ben.log").read_text()
    assert course.graded("ben") == before
    assert {r.student for r in read_records(course.project, "gradient")} == {"amara", "ben", "chen"}
    assert not list(course.grading.glob(".autograding*"))


def test_what_is_asked_for_and_is_not_there_is_said(course):
    with pytest.raises(FileNotFoundError, match="no submission of anybody for gradient"):
        grade_class(course.project, "gradient", progress=quietly, say=silent)
    course.hand_in("amara", course.stub())
    with pytest.raises(FileNotFoundError, match="no submission of bne for gradient"):
        grade_class(course.project, "gradient", ["bne"], progress=quietly, say=silent)
    (course.grading / "submitted" / "amara" / "other").mkdir()
    with pytest.raises(AuthorError, match="autograder build other"):
        grade_class(course.project, "other", progress=quietly, say=silent)


def test_a_feedback_page_that_cannot_be_made_stops_no_other(course, monkeypatch):
    for student in ("amara", "ben", "chen"):
        course.hand_in(student, course.stub())
    grade_class(course.project, "gradient", progress=quietly, say=silent)
    convert = GenerateFeedback.convert_single_notebook

    def fail_for_ben(self, notebook_filename):
        if "/ben/" in notebook_filename:
            raise ValueError("no page for this one")
        convert(self, notebook_filename)

    monkeypatch.setattr(GenerateFeedback, "convert_single_notebook", fail_for_ben)
    written, failed = feedback_class(course.project, "gradient", progress=quietly)
    assert written == 2 and list(failed) == ["ben"]
    assert "no page for this one" in failed["ben"]
    pages = sorted(p.parts[-3] for p in (course.grading / "feedback").glob("*/*/gradient.html"))
    assert pages == ["amara", "chen"]


def test_where_a_solved_notebook_gets_less_nobody_is_graded(course, monkeypatch, capsys):
    """What is wrong is said; a submission that waits keeps waiting."""
    course.hand_in("amara", course.solved())
    monkeypatch.chdir(course.folder)
    option = "--GradeSubmission.limits={'call_seconds': 1e-9}"
    assert main(["autograde", "gradient", option]) == 2
    said = capsys.readouterr().err
    assert "nobody is graded" in said and "numerical_gradient: It was still run" in said
    assert not (course.grading / "autograded" / "amara").exists()


def test_nor_by_nbgraders_own_loop(course):
    """Which is Formgrader's button, too. What was graded before stays as it is."""
    course.hand_in("amara", course.solved())
    course.run("nbgrader autograde gradient")
    before = course.graded("amara")
    option = "\"--GradeSubmission.limits={'call_seconds': 1e-9}\""
    said = course.run(f"nbgrader autograde gradient --force {option}", wrong=True)
    assert "nobody is graded" in said and "numerical_gradient: It was still run" in said
    assert course.graded("amara") == before
    assert course.score("amara") == course.exercises.max_points


HIDING = """
import sys
from autograder.engine.walls import jail, kernel
opened = jail.open_scratch
def open_scratch(*arguments):
    opened(*arguments)
    kernel.mount("tmpfs", sys.prefix + "/lib", "tmpfs", 0)
jail.open_scratch = open_scratch
"""


@pytest.mark.skipif(bool(SandboxedRunner().refused), reason="this kernel refuses some wall")
def test_walls_that_hide_python_are_found_out_before_anybody_is_graded(monkeypatch):
    """As a scratch folder once did that was mounted over the environment."""
    gradient, limits = find_set("gradient"), Limits()
    rehearse(gradient, SandboxedRunner(), limits, None)
    monkeypatch.setattr(handle, "START", HIDING + handle.START)
    with pytest.raises(Stopped, match="nobody is graded"):
        rehearse(gradient, SandboxedRunner(), limits, None)


def test_names_and_files_of_one_learner_stop_nobody_else(course):
    """A name that is no text, a time that is none, files in the place of the set's own."""
    right = json.dumps(course.solved())
    for student in ("adam", "bea", "ben", "carl", "dora", "zoe"):
        course.hand_in(student, course.solved())
    submitted = course.grading / "submitted"
    (submitted / "adam" / "gradient" / "gradient.ipynb").unlink()
    (submitted / "adam" / "gradient" / "gr\udcffadient.ipynb").write_text(right)
    (submitted / "bea" / "gradient" / "timestamp.txt").write_text("1" * 600_000)
    (submitted / "ben" / "gradient" / "timestamp.txt").write_text("9" * 20)
    checks = submitted / "carl" / "gradient" / "checks.json"
    checks.unlink(missing_ok=True)
    checks.mkdir()
    (checks / "x").write_text("mine")
    (submitted / "dora" / "gradient" / "notes").mkdir()
    (submitted / "dora" / "gradient" / "notes" / "mine.txt").write_text("mine")
    summary = grade_class(course.project, "gradient", progress=quietly, say=silent)
    assert summary.failed == {} and summary.flagged.keys() == {"bea", "ben"}
    for student, digits in (("ben", "9" * 20), ("bea", "1" * 60)):
        [told] = summary.flagged[student]
        assert told == f"timestamp.txt cannot be read, so nothing is counted as late: {digits}"
    for student in ("adam", "bea", "ben", "carl", "dora", "zoe"):
        assert course.score(student) == 20
    graded = course.grading / "autograded"
    assert (graded / "carl" / "gradient" / "checks.json").is_file()
    assert (graded / "dora" / "gradient" / "notes" / "mine.txt").read_text() == "mine"


def test_a_notebook_of_code_without_end_is_read_as_far_as_it_is_long(course):
    notebook = course.solved()
    more = [new_code_cell("\u00e9 = 1\n" + "a = 1\n" * 50_000) for _ in range(20)]
    notebook.cells = [*notebook.cells, *more]
    course.hand_in("amara", notebook)
    summary = grade_class(course.project, "gradient", progress=quietly, say=silent)
    assert course.score("amara") == 20 and not summary.failed
    assert len(course.graded("amara").cells) < len(notebook.cells)


def test_where_nobody_watches_a_line_now_and_then_says_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr("autograder.classes.run.LINE_SECONDS", 0.0)
    with bar(3, "Grading gradient") as advance:
        advance("amara")
        advance("ben")
    assert capsys.readouterr().err.splitlines() == [
        "Grading gradient: 1 of 3",
        "Grading gradient: 2 of 3",
    ]


def test_what_goes_to_a_judge_and_comes_back_is_what_was_sent():
    told = Verdict("gabor", "partial", 0.5, 1.0, families={"grid": True}, remarks=["Slow."])
    when = datetime(2026, 3, 1, 12, tzinfo=UTC)
    paths = (Path("a/1.ipynb"), Path("a/2.ipynb"))
    job = Job(
        *("amara", Path("a"), Path("b"), paths, when),
        notes=("adopted",),
        content="f00d",
        seed="7",
        round=2,
        standing={"gabor": told},
        key="key",
    )
    marks = [Mark("check-gabor", None), Mark("check-newton_step", 1.0, look=True)]
    outcome = Outcome(
        log=[("INFO", "said")],
        half=Path("c"),
        sheets={"1": Sheet(marks, [Comment("gabor", "No response.")])},
        verdicts={"gabor": told},
    )
    for sent in (job, outcome, told):
        data = json.loads(json.dumps(sent.to_json()))
        assert type(sent).from_json(data) == sent
    later = {**told.to_json(), "of_a_later_version": 1}
    assert Verdict.from_json(later) == told


def test_what_is_flagged_for_one_reason_is_told_once(tmp_path):
    summary = Summary("gradient", tmp_path)
    verdicts = {
        name: Verdict(name, "missing", 0.0, 1.0, flagged=why)
        for name, why in {"gabor": "lost", "newton_step": None, "bfgs_update": "lost"}.items()
    }
    Reporter(summary, lambda student: None, silent).graded("amara", Outcome(verdicts=verdicts), "")
    assert "  amara: gabor, bfgs_update: lost" in summary.lines()
