"""An instructor grades a class with Formgrader's button, and every mark is the predicted one."""

from __future__ import annotations

import html
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook
from playwright.sync_api import FrameLocator, Locator, Page, Response, expect

from autograder.judging.sets import find_set
from autograder.project import Project, find_project
from autograder.release.build import build
from autograder.sample.people import make_class

from .lab import PATIENCE_MS, jupyter_lab, stay_here

ROOT = Path(__file__).resolve().parents[2]
# A submission that never ends is cut off by the runner, well within this.
ONE_SUBMISSION_MS = 240_000
# The page is a sentence that says why there is no other.
TOLD = 503
# Of amara, in the gradebook of an older nbgrader.
GRADES = "/formgrader/api/grades?submission_id=341d3b9d281e480f90fb268862b01260"

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("formgrader")]
# Six hold the perfect one, the untouched one, a late one, an endless loop and every mistake.
SIZES = [6, pytest.param(30, marks=[pytest.mark.full, pytest.mark.timeout(1800)])]


@pytest.fixture
def course(tmp_path: Path, request: pytest.FixtureRequest) -> Project:
    """A course of one set in a folder of its own, with a sample class."""
    root = tmp_path / "course"
    root.mkdir()
    shutil.copytree(ROOT / "solutions", root / "solutions")
    for name in ("nbgrader_config.py", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    project = find_project(root)
    build(project, ["gradient"])
    make_class(project, ["gradient"], students=request.param, seed=1)
    return project


@pytest.fixture
def formgrader(course: Project, tmp_path: Path, page: Page) -> Iterator[FrameLocator]:
    """Formgrader, opened from JupyterLab's menu in the course's folder."""
    page.set_default_timeout(PATIENCE_MS)
    refused: list[str] = []

    def note(answer: Response) -> None:
        if answer.status >= 400 and answer.status != TOLD:
            refused.append(f"{answer.status} {answer.url}")

    page.on("response", note)
    # Without the network: nbgrader's own pages ask another host for MathJax.
    stay_here(page, [])
    with jupyter_lab(course.root, tmp_path / "home") as lab:
        page.goto(lab.address("lab"))
        page.get_by_role("menuitem", name="Nbgrader").click()
        page.get_by_role("menuitem", name="Formgrader", exact=True).click()
        yield page.frame_locator("iframe")
    assert refused == []


@pytest.mark.parametrize("course", SIZES, indirect=True)
def test_the_autograde_button_gives_every_predicted_mark(
    course: Project, formgrader: FrameLocator
) -> None:
    marks = json.loads((course.grading / "expected" / "gradient.json").read_text("utf-8"))
    assert find_project(course.root).root == course.root != ROOT

    assignment = formgrader.locator("tr").filter(
        has=formgrader.get_by_role("link", name="gradient")
    )
    assignment.locator(".num-submissions a").click()
    expect(formgrader.locator("#main-table tr .student-id")).to_have_count(len(marks))
    for student in marks:
        press(formgrader, student, ".autograde")

    for student, mark in marks.items():
        score = row_of(formgrader, student).locator(".score")
        expect(score).to_have_text(f"{mark['points']:g} / 20")
    assert in_the_gradebook(course) == {
        student: {name: part["points"] for name, part in mark["functions"].items()}
        for student, mark in marks.items()
    }

    student, function, mistake = a_known_mistake(course, marks)
    press(formgrader, student, ".generate-feedback")
    feedback = course.grading / "feedback" / student / "gradient" / "gradient.html"
    assert html.escape(mistake) in feedback.read_text("utf-8")

    row_of(formgrader, student).locator(".student-name a").click()
    formgrader.get_by_role("link", name="gradient", exact=True).last.click()
    panel = formgrader.locator("div[style*='border-left']").filter(has_text=f"{function}: ")
    expect(panel).to_contain_text(mistake)
    points = marks[student]["functions"][function]["points"]
    expect(panel).to_contain_text(f"{points:g} of ")

    # An older gradebook, with which nbgrader's own page waits for ever.
    formgrader.get_by_role("link", name="Manual Grading").click()
    listed = formgrader.locator("#main-table").get_by_role("link", name="gradient")
    expect(listed).to_be_visible()
    book = course.grading / "gradebook.db"
    book.unlink()
    with sqlite3.connect(book) as old:
        old.executescript((ROOT / "tests/gradebooks/nbgrader-0.5.4.sql").read_text("utf-8"))
    load_anew(formgrader)
    expect(formgrader.get_by_role("main")).to_contain_text("run `nbgrader db upgrade`")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    upgrade = [sys.executable, "-m", "nbgrader", "db", "upgrade"]
    subprocess.run(upgrade, cwd=course.root, env={**os.environ, "PATH": path}, check=True)
    load_anew(formgrader)
    formgrader.get_by_role("link", name="Manage Students").click()
    expect(formgrader.get_by_role("link", name="Okafor, Amara")).to_be_visible()
    # What was typed into the old one would be in no gradebook.
    grades = formgrader.locator("body").evaluate(f"async () => (await fetch('{GRADES}')).json()")
    assert [grade["manual_score"] for grade in grades] == [None, 4]


def load_anew(formgrader: FrameLocator) -> None:
    formgrader.owner.evaluate("frame => frame.contentWindow.location.reload()")


def row_of(formgrader: FrameLocator, student: str) -> Locator:
    named = formgrader.locator(".student-id").get_by_text(student, exact=True)
    return formgrader.locator("#main-table tr").filter(has=named)


def press(formgrader: FrameLocator, student: str, button: str) -> None:
    """Press a button in a student's row, and read the dialogue that tells how it went."""
    row_of(formgrader, student).locator(f"{button} a").click()
    told = formgrader.locator(".modal").filter(has_text=f"for student '{student}'")
    expect(told).to_be_visible(timeout=ONE_SUBMISSION_MS)
    expect(told.locator(".modal-title")).to_have_text("Success")
    told.get_by_role("button", name="Close").last.click()
    expect(formgrader.locator(".modal-backdrop")).to_have_count(0)


def in_the_gradebook(course: Project) -> dict[str, dict[str, float]]:
    """The automatic marks as nbgrader stored them, by student and function."""
    with Gradebook(f"sqlite:///{course.grading / 'gradebook.db'}") as gradebook:
        return {
            submission.student.id: {
                grade.name.removeprefix("check-"): grade.score
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
            for submission in gradebook.assignment_submissions("gradient")
        }


def a_known_mistake(course: Project, marks: dict[str, Any]) -> tuple[str, str, str]:
    """A student, a function, and the sentence that tells the mistake made there."""
    texts = {
        (part.name, mistake.name): mistake.text
        for part in find_set("gradient", course).parts
        for mistake in part.mistakes
    }
    return next(
        (student, name, texts[name, part["mistake"]])
        for student, mark in marks.items()
        for name, part in mark["functions"].items()
        if part["mistake"]
    )
