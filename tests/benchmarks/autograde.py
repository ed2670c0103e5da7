"""`make bench`: our grading of a class against stock nbgrader, on the same notebooks, in one run.

Stock nbgrader and ours, with one worker and with two, grade a class of solved notebooks in turn;
their marks are compared before their times. Stock executes the visible checks in a kernel; ours
runs the cells, judges every function on hidden cases, and mends what is broken. A ratio above 1
means that ours is faster. It says something about this machine in this minute; compare ratios, not
seconds. Then: the same class again with nothing changed, one notebook from a cold start, and a
gradebook that grows.

`shell` is the other bound: a class of every set, start-up included, against a warm IPython shell
that runs the same cells and judges nothing, by the clock and in time of all processors. `sample` is
the made-up class of every set as it comes (right, wrong, broken, endless) against stock.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import nbformat
import numpy as np
from nbgrader.api import Assignment, Gradebook, Student, SubmittedAssignment
from rich.progress import track

from autograder.judging.sets import find_set
from autograder.project import Project, find_project
from autograder.release.build import build
from autograder.release.notebook import instructor_notebook
from autograder.sample.people import make_class

Array = np.ndarray

SET = "gradient"
HERE = Path(sys.executable).parent
STOCK, ONE, TWO = "stock", "ours, 1 worker", "ours, 2 workers"
# How many times the warm shell a class of solved notebooks may take.
PROMISED = {ONE: 2.0, TWO: 1.1}
SAMPLE = 30


def side(name: str, set_name: str = SET) -> list[str]:
    """The command with which one of the sides grades a set."""
    if name == STOCK:
        return [str(HERE / "nbgrader"), "autograde", set_name, "--force"]
    workers = "--workers=2" if name == TWO else "--workers=1"
    return [str(HERE / "autograder"), "autograde", set_name, "--force", workers]


SIDES = {name: side(name) for name in (STOCK, ONE, TWO)}


def make_course(folder: Path, students: int, *, stock: bool, set_name: str = SET) -> Path:
    """A course in which everybody handed in the right answers."""
    home = find_project()
    shutil.copytree(home.solutions, folder / "solutions")
    for name in ("pyproject.toml", "nbgrader_config.py"):
        shutil.copy(home.root / name, folder)
    build(Project(folder), [set_name])
    if stock:
        config = folder / "nbgrader_config.py"
        lines = config.read_text().splitlines()
        ours = next(i for i, line in enumerate(lines) if line.startswith("c.Autograde."))
        config.write_text("\n".join(lines[:ours]) + "\n")
    solved = instructor_notebook(find_set(set_name))
    for number in range(students):
        place = folder / "grading" / "submitted" / f"student-{number:03}" / set_name
        place.mkdir(parents=True)
        nbformat.write(solved, place / f"{set_name}.ipynb")
    return folder


def seconds_of(command: list[str], course: Path) -> float:
    """Wall time of a command in a course's folder."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=course, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{course}: {done.stderr[-2000:]}")
    return seconds


def forget(course: Path) -> None:
    """Nothing is known of an earlier grading."""
    shutil.rmtree(course / "grading" / "cache", ignore_errors=True)


def gradebook(course: Path) -> Gradebook:
    """A course's gradebook."""
    return Gradebook(f"sqlite:///{course / 'grading' / 'gradebook.db'}", "descent")


def marks(course: Path) -> dict[str, float]:
    """Every student's score in a course's gradebook."""
    with gradebook(course) as book:
        return {s.student.id: s.score for s in book.assignment_submissions(SET)}


def race(scratch: Path, students: int, rounds: int) -> dict[str, Path]:
    """The class, by every side in turn; the ratios of their medians."""
    courses = {
        name: make_course(scratch / str(number), students, stock=name == "stock")
        for number, name in enumerate(SIDES)
    }
    times: dict[str, list[float]] = {name: [] for name in courses}
    for _ in track(range(rounds), description="rounds"):
        for name, course in courses.items():
            forget(course)
            times[name].append(seconds_of(SIDES[name], course))
    wanted = marks(courses["stock"])
    if any(marks(course) != wanted for course in courses.values()):
        raise SystemExit("the sides give different marks: their times mean nothing")
    print(f"{students} solved notebooks, {rounds} rounds, the same marks, start-up included")
    stock = statistics.median(times["stock"])
    for name, taken in times.items():
        each = statistics.median(taken) / students
        ratio = stock / statistics.median(taken)
        print(f"{name:>16}: {1000 * each:7.1f} ms a submission, {ratio:5.1f} times stock's speed")
    return courses


def again(course: Path, students: int) -> None:
    """The same class with nothing changed, beside a class of one."""
    whole = [seconds_of(SIDES["ours, 1 worker"], course) for _ in range(3)]
    one = [*SIDES["ours, 1 worker"], "--student", "student-000"]
    single = [seconds_of(one, course) for _ in range(3)]
    each = (statistics.median(whole) - statistics.median(single)) / (students - 1)
    print(f"  graded again, unchanged: {1000 * each:.2f} ms a submission, start-up left out")


def cold(course: Path) -> None:
    """One notebook, from a cold start."""
    file = course / "grading" / "submitted" / "student-000" / SET / f"{SET}.ipynb"
    command = [str(HERE / "autograder"), "grade-notebook", str(file), "--assignment", SET]
    taken = statistics.median(seconds_of(command, course) for _ in range(5))
    print(f"  grade-notebook on one file, from a cold start: {taken:.2f} s")


def crowd(course: Path, students: int) -> None:
    """Other people's submissions in the gradebook, with all their rows."""
    with gradebook(course) as book:
        assignment = book.db.query(Assignment).filter(Assignment.name == SET).one()
        there = {row[0] for row in book.db.query(SubmittedAssignment.student_id)}
        for number in range(students):
            if f"other-{number}" not in there:
                book.db.add(Student(id=f"other-{number}"))
        book.db.commit()
        for number in range(students):
            if f"other-{number}" not in there:
                book.add_submission(assignment.name, f"other-{number}")


def growth(course: Path, sizes: list[int]) -> None:
    """The time of a submission while the gradebook grows."""
    some = [f"--student=student-{number:03}" for number in range(20)]
    for size in sizes:
        crowd(course, size)
        taken = []
        for _ in range(3):
            forget(course)
            taken.append(seconds_of([*SIDES["ours, 1 worker"], *some], course))
        each = statistics.median(taken) / len(some)
        print(f"  {size:>5} others in the gradebook: {1000 * each:.1f} ms a submission of 20")


def shells(scratch: Path, sets: list[str], students: int, rounds: int) -> None:
    """A class of every set against the warm shell, turn about."""
    for set_name in sets:
        course = make_course(
            scratch / f"shell-{set_name}", students, stock=False, set_name=set_name
        )
        alone = [sys.executable, str(Path(__file__).with_name("runner.py")), "--shell"]
        clocks: dict[str, list[float]] = {name: [] for name in PROMISED}
        works: dict[str, list[float]] = {name: [] for name in PROMISED}
        for _ in range(rounds):
            told = subprocess.run(
                [*alone, "--sets", set_name], capture_output=True, text=True, check=True
            ).stdout.split()
            if len(told) != 3:
                raise SystemExit(f"a solved notebook of {set_name} does not run in the shell")
            for name in PROMISED:
                forget(course)
                clock, worked = cost_of(side(name, set_name), course)
                clocks[name].append(clock / students / float(told[1]))
                works[name].append(worked / students / float(told[2]))
        for name, promised in PROMISED.items():
            clock, worked = statistics.median(clocks[name]), statistics.median(works[name])
            print(
                f"{set_name:>20}, {name}: {clock:.2f} times the warm shell by the clock (promised "
                f"for 100: {promised}), {worked:.2f} times in time of processors",
                flush=True,
            )


def cost_of(command: list[str], course: Path, said: Path | None = None) -> Array:
    """Seconds of the clock, and of all processors in all processes (by `perf`; not a number where
    there is none). said: gets what a command says that may fail."""
    perf = shutil.which("perf")
    report = course / "perf.csv"
    measured = [perf, "stat", "-x,", "-e", "task-clock", "-o", str(report), "--"] if perf else []
    if said is None:
        clock = seconds_of([*measured, *command], course)
    else:
        whole = [*measured, *command]
        shell = ["sh", "-c", 'log=$1; shift; "$@" > "$log" 2>&1; :', "sh", str(said), *whole]
        clock = seconds_of(shell, course)
    if perf is None:
        return np.array([clock, np.nan])
    [line] = [line for line in report.read_text().splitlines() if "task-clock" in line]
    return np.array([clock, float(line.split(",")[0]) / 1000])


def stock_on(course: Path, set_name: str) -> tuple[Array, int]:
    """What stock nbgrader takes until everybody was tried, and how often it had to be started: it
    stops where it cannot read a file, with nobody after that one graded."""
    grading, command = course / "grading", side(STOCK, set_name)
    said, cost, starts = course / "said.txt", np.zeros(2), 0
    while {p.name for p in (grading / "submitted").iterdir()} - graded(course, set_name):
        cost, starts = cost + cost_of(command, course, said), starts + 1
        found = re.findall(rf"Removing failed assignment: \S*/(\S+)/{set_name}", said.read_text())
        if not found:
            break
        for student in found:
            shutil.rmtree(grading / "submitted" / student, ignore_errors=True)
        command = [word for word in command if word != "--force"]
    return cost, starts


def graded(course: Path, set_name: str) -> set[str]:
    """Who has a graded folder."""
    return {p.parent.name for p in (course / "grading" / "autograded").glob(f"*/{set_name}")}


def samples(scratch: Path, sets: list[str]) -> None:
    """The sample class of every set, as it comes."""
    for set_name in sets:
        courses = {}
        for name in (STOCK, ONE):
            folder = scratch / f"sample-{set_name}-{name[:1]}"
            courses[name] = make_course(folder, 0, stock=name == STOCK, set_name=set_name)
            make_class(Project(courses[name]), [set_name], SAMPLE, 1)
        ours, again = (cost_of(side(ONE, set_name), courses[ONE]) for _round in range(2))
        stock, starts = stock_on(courses[STOCK], set_name)
        clock, worked = stock / ours
        print(
            f"{set_name:>20}, the sample class: {clock:.1f} times stock's speed by the clock, "
            f"{worked:.1f} times in time of processors; run again, unchanged, "
            f"{stock[0] / again[0]:.0f} times\n{'':>22}stock was started {starts} times, graded "
            f"{len(graded(courses[STOCK], set_name))} of {len(graded(courses[ONE], set_name))} and "
            f"took {stock[0]:.0f} s, {stock[1]:.0f} s of processors",
            flush=True,
        )


PARTS = ("race", "again", "cold", "growth")
OF_EVERY_SET = ("shell", "sample")


def parts(arguments: argparse.Namespace) -> Iterator[str]:
    """What is to be measured."""
    yield from arguments.only or PARTS


def main() -> None:
    """Run the comparisons and print them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", type=int, nargs="*", default=[0, 1000, 5000], metavar="N")
    parser.add_argument(
        "--sets", nargs="+", default=find_project().sets, help="of shell and sample"
    )
    parser.add_argument("--only", action="append", choices=(*PARTS, *OF_EVERY_SET))
    arguments = parser.parse_args()
    print(f"{date.today()}, {platform.machine()}, {platform.python_implementation()} ", end="")
    print(f"{platform.python_version()}, numpy {np.__version__}, nbgrader 0.9.6 as the peer")
    with tempfile.TemporaryDirectory() as scratch:
        ours: Path | None = None
        for part in parts(arguments):
            if part == "race":
                courses = race(Path(scratch), arguments.students, arguments.rounds)
                ours = courses["ours, 1 worker"]
                continue
            if part == "shell":
                shells(Path(scratch), arguments.sets, arguments.students, arguments.rounds)
                continue
            if part == "sample":
                samples(Path(scratch), arguments.sets)
                continue
            if ours is None:
                ours = make_course(Path(scratch) / "ours", arguments.students, stock=False)
                seconds_of(SIDES["ours, 1 worker"], ours)
            if part == "again":
                again(ours, arguments.students)
            elif part == "cold":
                cold(ours)
            else:
                growth(ours, arguments.growth)


if __name__ == "__main__":
    main()
