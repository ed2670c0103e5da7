"""What is decided before the first submission of a class is looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.preprocessors import AssignLatePenalties, CheckCellMetadata, SaveAutoGrades
from nbgrader.utils import find_all_files

from autograder.classes.converter import ClassAutograde
from autograder.engine.cluster.near import RemoteRunner
from autograder.engine.interface import Runner
from autograder.engine.warm.handle import default_runner, require_sandbox
from autograder.gradebook.cells import must_be_in_step
from autograder.gradebook.preprocessors import GradeSubmission, SaveGrades
from autograder.gradebook.source_facts import SourceFacts, read_facts
from autograder.grading.rounds import Round
from autograder.judging.sets import ExerciseSet, find_set
from autograder.project import Project

WRITERS = (SaveAutoGrades, AssignLatePenalties)


@dataclass(frozen=True)
class Plan:
    """An assignment, and how nbgrader's configuration wants it graded.

    project: the course around a set of ours; None for an assignment of anybody else's. again: the
    rounds whose seeds are used again, by student; the open round where None. elsewhere: where the
    submissions run, if not here.
    """

    converter: ClassAutograde
    facts: SourceFacts
    project: Project | None
    again: Mapping[str, Round] | None
    elsewhere: RemoteRunner | None
    exporter: Any
    sanitize: list[Any]
    autograde: list[Any]
    late_steps: list[Any]
    other_steps: list[Any]

    @property
    def name(self) -> str:
        """The assignment's name."""
        return self.facts.assignment

    @cached_property
    def exercise_set(self) -> ExerciseSet | None:
        """The set that it was made from, if it is ours."""
        return None if self.project is None else find_set(self.name, self.project)

    @property
    def grading(self) -> GradeSubmission | None:
        """The step that runs the cells."""
        return next((part for part in self.autograde if isinstance(part, GradeSubmission)), None)

    @property
    def runner(self) -> Runner:
        """Who runs the submissions."""
        return self.elsewhere or default_runner()

    @property
    def at_a_time(self) -> int:
        """How many submissions are graded side by side."""
        return self.elsewhere.sessions if self.elsewhere else self.converter.workers

    # Where nbgrader keeps things.

    def handed_in(self, student: str) -> Path:
        """A submission's folder."""
        return Path(self.converter._format_source(self.name, student))

    def graded(self, student: str) -> Path:
        """Its graded folder."""
        return Path(self.converter._format_dest(self.name, student))

    @property
    def beside_graded(self) -> Path:
        """The folder around those of all graded submissions."""
        return Path(self.converter._format_dest(".", ".")).resolve().parent

    @property
    def permissions(self) -> int:
        """Of every graded file."""
        return int(str(self.converter.permissions), 8)

    @property
    def whole(self) -> bool:
        """Whether all notebooks of a submission are graded, and not only those of some name."""
        return bool(self.converter.coursedir.notebook_id == "*")

    @property
    def not_copied(self) -> list[str]:
        """What of a folder does not go into the graded one."""
        return [*self.converter.coursedir.ignore, "*.ipynb"]

    @cached_property
    def source_files(self) -> dict[str, Path]:
        """The files beside the source notebooks, which every graded folder gets."""
        course = self.converter.coursedir
        folder = course.format_path(course.source_directory, ".", self.name)
        learners = {*self.converter.exclude_overwriting.get(self.name, ())}
        found = {
            os.path.relpath(f, folder): Path(f) for f in find_all_files(folder, self.not_copied)
        }
        return {name: path for name, path in found.items() if name not in learners}

    def told_of(self, student: str, notebook: str) -> dict[str, str]:
        """What nbgrader tells a preprocessor of a notebook."""
        return {
            "student": student,
            "assignment": self.name,
            "notebook": notebook,
            "db_url": self.converter.coursedir.db_url,
        }


def make_plan(
    converter: ClassAutograde,
    assignment: str,
    project: Project | None,
    again: Mapping[str, Round] | None = None,
    elsewhere: RemoteRunner | None = None,
) -> Plan:
    """The plan for an assignment; see `Plan`.

    Raises
    ------
    MissingEntry where the gradebook does not know the assignment; AuthorError where it knows
    another one than solutions/ has, or for a limit that is none; NoSandbox.
    """
    course = converter.coursedir
    with Gradebook(course.db_url, course.course_id) as gradebook:
        facts = read_facts(gradebook, assignment)
    if project is not None:
        must_be_in_step(find_set(assignment, project), facts)
    exporter = converter.exporter_class(parent=converter, config=converter.config)
    sanitize = _made(exporter, converter.sanitize_preprocessors)
    autograde, rest = split(_made(exporter, converter.autograde_preprocessors))
    for part in autograde:
        if isinstance(part, GradeSubmission):
            part.limits_of(assignment)
        if isinstance(part, GradeSubmission) and elsewhere is not None:
            part.runner = elsewhere
            if part.require_sandbox:
                require_sandbox(elsewhere)
    late = [part for part in rest if type(part) not in (SaveGrades, SaveAutoGrades)]
    others = [part for part in late if type(part) is not AssignLatePenalties]
    return Plan(
        converter, facts, project, again, elsewhere, exporter, sanitize, autograde, late, others
    )


def split(autograde: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """nbgrader's second list in two: what a judge does, and what needs the gradebook open.

    Checks of the metadata go with the judge: what writes marks leaves the notebook alone.
    """
    parts = list(autograde)
    first = next((i for i, p in enumerate(parts) if isinstance(p, WRITERS)), len(parts))
    judged, rest = parts[:first], parts[first:]
    judged += [part for part in rest if type(part) is CheckCellMetadata]
    return judged, [part for part in rest if type(part) is not CheckCellMetadata]


def _made(exporter: Any, listed: Sequence[Any]) -> list[Any]:
    """nbgrader's list of preprocessors, as its exporter makes them."""
    exporter._preprocessors = []
    for part in listed:
        exporter.register_preprocessor(part)
    return [part for part in exporter._preprocessors if part.enabled]
