"""A set that is edited in mid-term: the gradebook is brought along, and nothing of anybody's goes."""

from __future__ import annotations

import shutil

import pytest

from autograder.release.build import build
from tests.conftest import ROOT, Course

SET = "term"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course of one set, released, with nobody in it."""
    folder = tmp_path_factory.mktemp("term") / "all"
    course = Course(folder / "instructor", folder / "course", SET)
    course.home.mkdir(parents=True)
    (course.folder / "solutions").mkdir(parents=True)
    for ending in (".py", ".md"):
        shutil.copy(ROOT / "tests" / "sets" / f"{SET}{ending}", course.folder / "solutions")
    shutil.copy(ROOT / "nbgrader_config.py", course.folder)
    (course.folder / "pyproject.toml").write_text("[tool.autograder]\nreleased_sets = []\n")
    build(course.project, [])
    return course


def test_x(released):
    c = released
    c.hand_in("amara", c.solved())
    print(c.run(f"autograder autograde {SET}"))
    f = c.folder / "solutions" / "term.py"
    f.write_text(
        f.read_text()
        .replace("points=3", "points=5")
        .replace("def total", "def summed")
        .replace("total.", "summed.")
    )
    g = c.folder / "solutions" / "term.md"
    g.write_text(g.read_text().replace("total", "summed"))
    print(c.run(f"autograder build {SET}; true"))
    print(c.run(f"autograder build {SET} --no-db; true"))
    print(c.run(f"autograder regrade {SET}; true"))
    f.write_text(f.read_text().replace("def summed", "def total").replace("summed.", "total."))
    g.write_text(g.read_text().replace("summed", "total"))
    print(c.run(f"autograder build {SET} --no-db"))
    print(c.run(f"autograder regrade {SET}; nbgrader export; cat grades.csv"))
    assert 0
