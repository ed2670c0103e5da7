"""A scratch copy of the course, the people around it, and the recipes that instructors read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from filelock import FileLock
from markdown_it import MarkdownIt
from nbformat import NotebookNode

from autograder.code import source
from autograder.judging.sets import ExerciseSet, find_set
from autograder.project import Project, find_project
from autograder.release.build import build

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 800
FOLLOWED = ("instructors", "term", "hub")
# Modules that cannot be imported: half of the time in which `nbgrader` starts goes to a grammar of
# addresses that no notebook's schema has (`autograder.cli.UNUSED`).
WITHOUT = Path(__file__).resolve().parent / "without"
# The files that take minutes, longest first. xdist begins with those, so that no worker is left
# with one when the other has nothing to do any more.
LONGEST = (
    "test_sets_class.py",
    "test_experiments_set.py",
    "test_class_path.py",
    "test_converter.py",
    "test_corpus.py",
    "test_sets.py",
    "test_site.py",
    "test_intake.py",
    "test_term.py",
    "test_mid_term.py",
    "test_trouble.py",
    "test_ordinary.py",
    "test_cells.py",
    "test_clusters.py",
    "test_agreement.py",
    "test_by_hand.py",
    "test_sandbox.py",
    "test_cluster.py",
    "test_remote.py",
    "test_sample_class.py",
    "test_broken_submissions.py",
    "test_postgresql.py",
    "test_release.py",
    "test_support.py",
    "test_faults.py",
    "test_grading.py",
    "test_attacks.py",
    "test_marks.py",
    "test_shown.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, the others as they stand."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@dataclass(frozen=True)
class Block:
    """A block of code of a recipe, and the words above it that say whose it is."""

    language: str
    caption: str
    code: str


def read_recipe(heading: str) -> list[Block]:
    """The code under a heading of the pages that instructors follow."""
    page = "".join((ROOT / "book" / f"{name}.md").read_text("utf-8") for name in FOLLOWED)
    found, depth, blocks = False, 0, []
    tokens = MarkdownIt().parse(page)
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and following is not None:
            level = int(token.tag[1:])
            if following.content == heading:
                found, depth = True, level
            elif level <= depth:
                depth = 0
        elif token.type == "fence" and depth:
            lines = token.content.splitlines()
            options = list(takewhile(lambda line: line.startswith(":"), lines))
            code = "\n".join(lines[len(options) :])
            blocks.append(Block(token.info.split(" ")[-1], " ".join(options), code))
    assert found, f"no heading {heading!r} on a page for instructors"
    return blocks


@dataclass
class Person:
    """Somebody with a home of their own, at work in a folder."""

    home: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a fresh login shell would have, with the course's commands on its path."""
        kept = {"LANG", "LC_ALL", "TERM", "TMPDIR", "LD_LIBRARY_PATH"}
        # Two workers have two processors: a BLAS of two threads in each costs many times as much.
        kept |= {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"}
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return {
            **{name: value for name, value in os.environ.items() if name in kept},
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(self.home),
            # matplotlib's list of fonts takes seconds to make, and holds nobody's secret.
            "XDG_CACHE_HOME": cache,
            "PYTHONPATH": str(WITHOUT),
            "PYTHONWARNINGS": "ignore",
        }

    def run(
        self, command: str, extra: Mapping[str, str] | None = None, *, wrong: bool = False
    ) -> str:
        """Run a command in a shell and return all that it said. wrong: it is expected to fail."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env={**self.environment, **(extra or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (done.returncode != 0) is wrong, f"$ {command}\n{done.stdout}"
        return done.stdout

    def follow(self, heading: str, who: str = "", **extra: str) -> str:
        """Run the shell blocks of a recipe, those whose caption has `who` in it."""
        blocks = [b for b in read_recipe(heading) if b.language == "bash" and who in b.caption]
        assert blocks, f"nothing to run under {heading!r} for {who!r}"
        return "\n".join(self.run(block.code, extra) for block in blocks)


@dataclass
class Course(Person):
    """A copy of the course's folder, and its instructor, at work on one assignment."""

    assignment: str = "gradient"

    @property
    def project(self) -> Project:
        """The course as our own code sees it."""
        return find_project(self.folder)

    @property
    def grading(self) -> Path:
        """The folder of submissions, marks and feedback."""
        return self.folder / "grading"

    @property
    def exercises(self) -> ExerciseSet:
        """The references, for a test's eyes."""
        return find_set(self.assignment, self.project)

    def learner(self, name: str) -> Person:
        """Somebody with an account of their own."""
        home = self.home.parent / name
        (home / "work").mkdir(parents=True, exist_ok=True)
        return Person(home, home / "work")

    def copy(self, folder: Path) -> Course:
        """The course as it is now, for a test that changes it."""
        shutil.copytree(self.home.parent, folder, symlinks=True)
        return Course(folder / "instructor", folder / "course", self.assignment)

    def on(self, assignment: str) -> Course:
        """The same folder and people, at work on another assignment."""
        return replace(self, assignment=assignment)

    def configure(self, *lines: str) -> None:
        """Add lines to nbgrader_config.py."""
        with (self.folder / "nbgrader_config.py").open("a", encoding="utf-8") as file:
            file.write("\n".join(["", *lines, ""]))

    # What learners hand in.

    def stub(self) -> NotebookNode:
        """The notebook as it is released."""
        return nbformat.read(self.project.exercises / self.assignment / self.file, 4)

    @property
    def file(self) -> str:
        """The name of the notebook."""
        return f"{self.assignment}.ipynb"

    def solved(self) -> NotebookNode:
        """The released notebook with every reference filled in."""
        return self.answered(self._references())

    def mistaken(self, **mistakes: str) -> NotebookNode:
        """A solved notebook with known mistakes, by function."""
        wrong = {
            name: next(m.wrong for m in self.exercises.part(name).mistakes if m.name == mistake)
            for name, mistake in mistakes.items()
        }
        return self.answered(self._references() | wrong)

    def _references(self) -> dict[str, Callable[..., object]]:
        return {part.exercise: part.reference for part in self.exercises.parts}

    def answered(self, answers: Mapping[str, Callable[..., object] | str]) -> NotebookNode:
        """The released notebook with code in its solution cells: a function's, or a text."""
        notebook = self.stub()
        for name, answer in answers.items():
            cell = solution_cell(notebook, name)
            if isinstance(answer, str):
                cell.source = answer
            else:
                lines = source.solution_cell(answer).splitlines()
                code = [x for x in lines if x.strip() not in (source.BEGIN, source.END)]
                cell.source = re.sub(r"^def \w+", f"def {name}", "\n".join(code))
        return notebook

    def hand_in(self, student: str, notebook: NotebookNode | str | bytes, name: str = "") -> Path:
        """Put a submission where nbgrader collects them."""
        path = self.grading / "submitted" / student / self.assignment / (name or self.file)
        write(path, notebook)
        return path

    # What came of it.

    @contextmanager
    def gradebook(self) -> Iterator[Any]:
        """nbgrader's own gradebook."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.grading / 'gradebook.db'}", "descent") as book:
            yield book

    def marks(self, student: str) -> dict[str, float | None]:
        """The automatic mark of every function, from the gradebook."""
        return {name: auto for name, (auto, _look) in self.rows(student).items()}

    def flagged(self, student: str) -> set[str]:
        """The functions that the gradebook wants somebody to look at."""
        return {name for name, (_auto, look) in self.rows(student).items() if look}

    def rows(self, student: str) -> dict[str, tuple[float | None, bool]]:
        """The automatic mark of every function, and whether it needs a look."""
        with self.gradebook() as book:
            notebook = book.find_submission_notebook(self.assignment, self.assignment, student)
            names = self.exercises.by_grade_id
            return {
                names.get(grade.name, grade.name.removeprefix("check-")): (
                    grade.auto_score,
                    grade.needs_manual_grade,
                )
                for grade in notebook.grades
            }

    def score(self, student: str) -> float:
        """The score of a submission, manual marks included."""
        with self.gradebook() as book:
            return float(book.find_submission(self.assignment, student).score)

    def graded(self, student: str) -> NotebookNode:
        """The autograded notebook."""
        folder = self.grading / "autograded" / student / self.assignment
        return nbformat.read(folder / self.file, 4)

    def page(self, student: str) -> str:
        """The feedback page."""
        folder = self.grading / "feedback" / student / self.assignment
        return (folder / f"{self.assignment}.html").read_text("utf-8")


def solution_cell(notebook: NotebookNode, name: str) -> NotebookNode:
    """The cell that a learner fills in."""
    found = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name]
    assert len(found) == 1
    return found[0]


def until(what: Callable[[], bool], patience: float = 200.0) -> None:
    """Wait for something that must happen. patience: seconds."""
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.05)


def write(path: Path, content: NotebookNode | str | bytes) -> None:
    """Write a notebook, or what somebody takes for one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = content if isinstance(content, str) else nbformat.writes(content)
        path.write_text(text, "utf-8")


@pytest.fixture(autouse=True, scope="module")
def no_shell_is_left_behind() -> Iterator[None]:
    """Who runs the cells of a page makes an IPython shell: matplotlib_inline does. The modules that
    come after it in this process would take it for a notebook."""
    yield
    shells = sys.modules.get("IPython.core.interactiveshell")
    if shells is not None:
        shells.InteractiveShell.clear_instance()


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of this session that all of its workers see."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def built_course(shared_folder: Path) -> Course:
    """A course that was built once for all workers; tests that change it take copies."""
    base = shared_folder / "built"
    course = Course(base / "instructor", base / "course")
    with FileLock(shared_folder / "built.lock"):
        if not (done := shared_folder / "built.done").exists():
            course.home.mkdir(parents=True)
            ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            shutil.copytree(ROOT / "solutions", course.folder / "solutions", ignore=ignore)
            for file in ("nbgrader_config.py", "pyproject.toml"):
                shutil.copy(ROOT / file, course.folder / file)
            build(course.project, [])
            done.touch()
    return course


@pytest.fixture
def course(built_course: Course, tmp_path: Path) -> Course:
    """A course of a test's own, built, nothing handed in."""
    return built_course.copy(tmp_path / "all")


@pytest.fixture(scope="module")
def module_course(built_course: Course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The same for all tests of a module."""
    return built_course.copy(tmp_path_factory.mktemp("course") / "all")


@pytest.fixture(scope="session")
def recipe() -> Callable[[str], list[Block]]:
    """The code under a heading of the instructors' page."""
    return read_recipe


def run_shown_cells(page: Path) -> int:
    """Run the cells of a page that can be unfolded, in order and without what the hidden ones
    define; returns how many there are."""
    import matplotlib.pyplot as plt

    cells = re.findall(r"^```\{code-cell\} python\n(.*?)^```", page.read_text("utf8"), re.M | re.S)
    shown = [cell for cell in cells if "hide-input" in cell.split("\n---\n")[0][:400]]
    names: dict[str, object] = {}
    for cell in shown:
        code = re.sub(r"\A(---\n.*?\n---\n|:tags:[^\n]*\n)", "", cell, flags=re.S)
        exec(compile(code, str(page), "exec"), names)
    plt.close("all")
    return len(shown)
