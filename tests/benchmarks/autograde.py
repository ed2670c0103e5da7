"""`make bench`: our grading against stock nbgrader, on the same notebooks, in the same run.

Both sides grade a class of solved notebooks with `nbgrader autograde`, turn about; their marks are
compared before their times. Stock nbgrader executes the visible checks in a kernel; ours runs the
cells, judges every function on hidden cases and repairs what needs repair. A ratio above 1 means
that ours is faster. It says something about this machine in this minute; compare ratios, not
seconds.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import nbformat
import numpy as np
from nbgrader.api import Gradebook
from rich.progress import track

from autograder.build import build
from autograder.catalog import find_set
from autograder.notebooks import instructor_notebook
from autograder.project import Project, find_project

SET = "gradient"


def make_course(folder: Path, students: int, *, stock: bool) -> Path:
    """A course in which everybody handed in the right answers."""
    home = find_project()
    shutil.copytree(home.solutions, folder / "solutions")
    for name in ("pyproject.toml", "nbgrader_config.py"):
        shutil.copy(home.root / name, folder)
    build(Project(folder), [SET])
    if stock:
        config = folder / "nbgrader_config.py"
        lines = config.read_text().splitlines()
        ours = next(i for i, line in enumerate(lines) if line.startswith("c.Autograde."))
        config.write_text("\n".join(lines[:ours]) + "\n")
    solved = instructor_notebook(find_set(SET))
    for number in range(students):
        place = folder / "grading" / "submitted" / f"student-{number:03}" / SET
        place.mkdir(parents=True)
        nbformat.write(solved, place / f"{SET}.ipynb")
    return folder


def autograde(course: Path) -> float:
    """Seconds of one `nbgrader autograde` of the class."""
    command = [str(Path(sys.executable).parent / "nbgrader"), "autograde", SET, "--force"]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=course, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{course}: {done.stderr[-2000:]}")
    return seconds


def marks(course: Path) -> dict[str, float]:
    """Every student's score in a course's gradebook."""
    with Gradebook(f"sqlite:///{course / 'grading' / 'gradebook.db'}") as gradebook:
        return {s.student.id: s.score for s in gradebook.assignment_submissions(SET)}


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        courses = {
            name: make_course(Path(scratch) / name, arguments.students, stock=name == "stock")
            for name in ("ours", "stock")
        }
        times: dict[str, list[float]] = {name: [] for name in courses}
        for _ in track(range(arguments.rounds), description="rounds"):
            for name, course in courses.items():
                times[name].append(autograde(course))
        if marks(courses["ours"]) != marks(courses["stock"]):
            raise SystemExit("the two sides give different marks: their times mean nothing")
    print(f"{date.today()}, {platform.machine()}, {platform.python_implementation()} ", end="")
    print(f"{platform.python_version()}, numpy {np.__version__}, nbgrader 0.9.6 as the peer")
    print(f"{arguments.students} solved notebooks, {arguments.rounds} rounds, the same marks")
    for name, seconds in times.items():
        each = statistics.median(seconds) / arguments.students
        print(f"{name:>6}: {each:.2f} s a submission (median), start-up included")
    ratio = statistics.median(times["stock"]) / statistics.median(times["ours"])
    print(f" ratio: {ratio:.2f} times stock nbgrader's speed")


if __name__ == "__main__":
    main()
