"""`autograder build`: from solutions/ to the instructor's notebook and to exercises/.

The release goes through nbgrader's own generate_assignment. The gradebook learns of the
assignment on the way, unless it is told not to.
"""

from __future__ import annotations

import filecmp
import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import nbformat
from traitlets.config import Config

from autograder.exercise import AuthorError
from autograder.judging.sets import ExerciseSet, find_set
from autograder.learning.visible import CHECKS
from autograder.project import Project
from autograder.release.configuration import course_config, make_private, no_question, see_to_rights
from autograder.release.freeze import says_the_same, write_visible
from autograder.release.given import write_given
from autograder.release.notebook import instructor_notebook

# A log record with this attribute is for whoever builds, and not only for a log.
TOLD = "told"


def build(
    project: Project,
    names: list[str],
    *,
    database: bool = True,
    renamed: Mapping[str, str] | None = None,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Build sets (all of them where none is named); returns their folders in exercises/.

    renamed: exercises that were called otherwise, old names to new ones. say: is told what changes
    for learners whose marks are in the gradebook.

    Raises
    ------
    AuthorError for what an author must mend.
    """
    no_question(project.root)
    make_private(project.grading)
    built = []
    for name in names or project.sets:
        exercise_set = find_set(name, project)
        write_source(exercise_set, project.grading / "source" / name, project.exercises / name)
        for line in _generate(project, name, database, renamed or {}):
            say(line)
        built.append(project.exercises / name)
    return built


def write_source(exercise_set: ExerciseSet, folder: Path, before: Path | None = None) -> None:
    """Write the instructor's folder: the solved notebook and the visible check. A check in the
    folder `before` that says the same, made on another processor, is kept as it is."""
    notebook = instructor_notebook(exercise_set)
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{exercise_set.name}.ipynb")
    write_visible(exercise_set, folder)
    write_given(exercise_set, folder)
    if before is not None and _same_file(before / CHECKS, folder / CHECKS):
        shutil.copyfile(before / CHECKS, folder / CHECKS)


def _generate(project: Project, name: str, database: bool, renamed: Mapping[str, str]) -> list[str]:
    """Have nbgrader make the release; returns what there is to say of the gradebook."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory

    config: Config = course_config(project.root)
    config.CourseDirectory.assignment_id = name
    # Not straight into exercises/: nbgrader removes the old folder before it knows whether the
    # new one can be made.
    release = project.grading / "release"
    config.CourseDirectory.release_directory = str(release)
    if not database:
        config.SaveCells.enabled = False
    config.ReviseCells.renamed = dict(renamed)
    coursedir = CourseDirectory(config=config)
    app = GenerateAssignment(coursedir=coursedir, config=config)
    app.force = True
    app.no_database = not database
    app.log = _quiet_log()
    try:
        app.start()
    except (NbGraderException, SystemExit) as error:
        raise AuthorError(
            f"nbgrader could not generate the assignment {name}: {_last_error(app.log)}"
        ) from error
    see_to_rights(config)  # the gradebook may be new
    shutil.rmtree(project.exercises / name, ignore_errors=True)
    shutil.copytree(release / name, project.exercises / name)
    return _kept(app.log).told


class _Keep(logging.Handler):
    """Keeps what nbgrader says, to be told only if something goes wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if getattr(record, TOLD, False):
            self.told.append(record.getMessage())


def _quiet_log() -> logging.Logger:
    log = logging.getLogger("autograder.release.build")
    log.propagate = False
    log.setLevel(logging.WARNING)
    log.handlers = [_Keep()]
    return log


def _kept(log: logging.Logger) -> _Keep:
    return next(handler for handler in log.handlers if isinstance(handler, _Keep))


def _last_error(log: logging.Logger) -> str:
    told = [line for line in "\n".join(_kept(log).lines).splitlines() if line.strip()]
    errors = [line for line in told if re.match(r"[\w.]*(Error|Exception)\b", line)]
    last = (errors or told or ["no reason given"])[-1]
    return last.removeprefix(f"{AuthorError.__module__}.{AuthorError.__name__}: ")


def out_of_step(project: Project, names: list[str]) -> list[str]:
    """The files of exercises/ that a build would change, add or remove."""
    names = names or project.sets
    with tempfile.TemporaryDirectory() as scratch:
        copy = Project(Path(scratch), project.released_sets)
        shutil.copytree(project.solutions, copy.solutions)
        for file in ("nbgrader_config.py", "pyproject.toml"):
            shutil.copy(project.root / file, copy.root / file)
        build(copy, names, database=False)
        return differences(project.exercises, copy.exercises, names)


def differences(committed: Path, fresh: Path, names: list[str]) -> list[str]:
    """The files that two folders of exercises do not have alike, by set."""
    found = []
    for name in names:
        old, new = _files(committed / name), _files(fresh / name)
        changed = [f for f in old & new if not _same_file(committed / name / f, fresh / name / f)]
        found += [f"{name}/{file}" for file in sorted({*(old ^ new), *changed})]
    return found


def _files(folder: Path) -> set[str]:
    paths = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return {str(p) for p in paths if ".ipynb_checkpoints" not in p.parts}


def _same_file(one: Path, other: Path) -> bool:
    if one.name == CHECKS and one.exists():
        return says_the_same(one.read_text("utf-8"), other.read_text("utf-8"))
    return one.exists() and filecmp.cmp(one, other, shallow=False)
