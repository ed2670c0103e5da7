"""What cannot be used or read is told in a sentence, with exit code 2, by every command."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autograder.cli import NOBODY_READS, main
from autograder.exercise import AuthorError
from autograder.project import find_project
from autograder.release.build import build
from autograder.release.configuration import course_config

if TYPE_CHECKING:
    from tests.conftest import Course

OLD = Path(__file__).parent / "gradebooks" / "nbgrader-0.5.4.sql"
COMMANDS = (
    *("autograde gradient", "regrade gradient", "feedback gradient", "report gradient"),
    *("export moodle", "export questions gradient", "extend gradient amara --days 1"),
    *("award gradient gabor", "remove-learner amara", "build gradient"),
)


def test_a_gradebook_that_cannot_be_used_is_told_by_every_command(
    course: Course, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    course.hand_in("amara", course.stub())
    monkeypatch.chdir(course.folder)
    monkeypatch.delenv("AUTOGRADER_ROOT", raising=False)
    book = course.grading / "gradebook.db"

    def told(command: str) -> str:
        capfd.readouterr()
        assert main(command.split()) == 2
        out, said = capfd.readouterr()
        assert len((out + said).strip().splitlines()) == 1, said
        return said

    assert main(["autograde", "gradient"]) == 0
    whole = shutil.copy(book, course.grading / "whole")
    book.unlink()
    with sqlite3.connect(book) as db:
        db.executescript(OLD.read_text("utf-8"))
    for command in COMMANDS:
        assert "run `nbgrader db upgrade`" in told(command)
    # One that nbgrader does by itself, and one in whose midst it would hide what was wrong.
    for command in ("db student list", "generate_assignment gradient --force"):
        said = course.run(f"nbgrader {command}", wrong=True)
        assert "nbgrader db upgrade" in said and len(said.splitlines()) == 1
    course.run("nbgrader db upgrade")
    assert main(["export", "questions", "ps1", "--to", "ps1.csv"]) == 0
    assert "amara,7,3,4" in (course.folder / "ps1.csv").read_text().splitlines()
    assert main(["build", "gradient"]) == main(["autograde", "gradient"]) == 0
    with course.gradebook() as marks:
        assert marks.find_submission("gradient", "amara").max_score == 20
        comment = marks.find_comment("essay", "ps1", "ps1", "amara")
        assert comment.manual_comment == "Well put."

    shutil.copy(whole, book)
    with sqlite3.connect(book) as db:
        db.execute("begin exclusive")
        assert "somebody else keeps it locked" in told("report gradient")
    book.write_text("not a gradebook, " * 100)
    assert "damaged, or no gradebook" in told("report gradient")
    book.unlink()
    book.mkdir()
    assert "you may not open or write it" in told("report gradient")


def test_an_assignment_that_is_misspelt_in_the_settings_is_named(
    course: Course, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    course.hand_in("amara", course.stub())
    course.configure('c.GradeSubmission.assignment_limits = {"gradeint": {"call_seconds": 20}}')
    monkeypatch.chdir(course.folder)
    monkeypatch.delenv("AUTOGRADER_ROOT", raising=False)
    assert main(["autograde", "gradient"]) == 2
    said = capfd.readouterr().err
    assert "assignment_limits names gradeint" in said and "did you mean gradient?" in said


def test_a_folder_that_no_address_can_name_is_told(tmp_path: Path) -> None:
    root = tmp_path / "My Course (a)?"
    root.mkdir()
    (root / "pyproject.toml").write_text("[tool.autograder]\n")
    (root / "nbgrader_config.py").write_text("c = get_config()\n")
    for work in (lambda: course_config(root), lambda: build(find_project(root), [])):
        with pytest.raises(AuthorError, match=r"the \? in .*My Course .* would end"):
            work()
    course_config(root.rename(tmp_path / "My Course (a) [1]+*"))


def test_the_makefile_may_lie_below_a_folder_with_blanks(tmp_path: Path) -> None:
    """Every line that `make` would run, in a shell that only reads them."""
    folder = tmp_path / "My Course (a)"
    folder.mkdir()
    root = find_project().root
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "nbgrader_config.py"):
        shutil.copy(root / name, folder)
    (folder / "_config.yml").touch()
    (folder / "_toc.yml").touch()
    (folder / "solutions").mkdir()
    targets = ("course", "site", "bench", "simulate", "check")
    for target in targets:
        listed = subprocess.run(
            ["make", "--no-print-directory", "-n", target],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        lines = [x for x in listed.stdout.splitlines() if str(folder) in x]
        assert all(f'"{folder}"' in line for line in lines), lines
        subprocess.run(["bash", "-n"], input=listed.stdout, text=True, check=True)


def test_who_has_seen_enough_sees_no_traceback() -> None:
    """`| head`, which is gone before anything is written."""
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-m", "autograder.cli", "lint", "--help"],
        env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (NOBODY_READS, "")
