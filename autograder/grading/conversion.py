"""From a submission's file to a graded notebook, in memory: what one judge does.

The preprocessors are those of nbgrader's two lists, as the course's configuration has them, in
their order, on one notebook that is neither copied nor written to disk between them. Those that
would open the gradebook are given what it knows of the assignment instead; those that write to it
are left to the process that owns it.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    NbGraderPreprocessor,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
)

from autograder.catalog import ExerciseSet
from autograder.grading.crew import Job
from autograder.grading.marks import comments_of, marks_of
from autograder.grading.nbgrader_parts import GradeSubmission, read_as_submission
from autograder.grading.record import RECORD
from autograder.grading.source_facts import SourceFacts
from autograder.verdict import Verdict

WRITERS = (SaveAutoGrades, AssignLatePenalties)


def split(autograde: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """nbgrader's second list in two: what a judge does, and what needs the gradebook open.

    Checks of the metadata go with the judge: what writes marks leaves the notebook alone.
    """
    parts = list(autograde)
    first = next((i for i, p in enumerate(parts) if isinstance(p, WRITERS)), len(parts))
    judged, rest = parts[:first], parts[first:]
    judged += [part for part in rest if type(part) is CheckCellMetadata]
    return judged, [part for part in rest if type(part) is not CheckCellMetadata]


class Conversion:
    """What a judge's process does with each submission.

    sanitize, autograde: nbgrader's lists, made. limited to what needs no gradebook.
    """

    def __init__(
        self,
        facts: SourceFacts,
        exercise_set: ExerciseSet,
        sanitize: Sequence[Any],
        autograde: Sequence[Any],
        db_url: str,
        log: logging.Logger,
    ) -> None:
        valid: set[str] = set()
        self._steps = [_without_gradebook(part, facts, valid) for part in (*sanitize, *autograde)]
        self._grading = next((p for p in self._steps if isinstance(p, GradeSubmission)), None)
        self._facts = facts
        self._parts = {part.grade_id: part.name for part in exercise_set.parts}
        self._db_url = db_url
        self._log = log
        self._told = Told()
        # The judge's own parent prints; here everything is kept for the submission's log.
        for logger in (log, logging.getLogger("traitlets")):
            logger.handlers = [self._told]
            logger.propagate = False
            logger.setLevel(logging.INFO)

    def __call__(self, job: Job) -> Job:
        """Grade. job: student, path of the notebook, seed and round of the cases, verdicts that
        stand. Returns notebook, marks and comments, or why there are none; and what was said."""
        self._told.lines.clear()
        started = time.monotonic()
        try:
            outcome = self._grade(job)
        except Exception as error:
            self._log.error("%s", traceback.format_exc())
            outcome = {"failed": f"{type(error).__name__}: {error}"}
        seconds = time.monotonic() - started
        return {**outcome, "log": list(self._told.lines), "seconds": round(seconds, 3)}

    def _grade(self, job: Job) -> Job:
        path = Path(job["path"])
        notebook = read_as_submission(path)
        resources = self._resources(job, path)
        if self._grading is not None:
            self._grading.seed, self._grading.round_number = job["seed"], job["round"]
            self._grading.standing = {n: Verdict(**v) for n, v in job["standing"].items()}
        for step in self._steps:
            notebook, resources = step(notebook, resources)
        record = notebook.metadata.get(RECORD, {})
        marks = marks_of(notebook, self._parts, record.get("verdicts", {}), self._log)
        return {
            "notebook": nbformat.writes(notebook, version=4) + "\n",
            "marks": [[m.grade_id, m.auto_score, m.look, m.text] for m in marks],
            "comments": [[c.grade_id, c.auto_comment] for c in comments_of(notebook)],
            "verdicts": record.get("verdicts", {}),
            "by_chance": self._grading is None or self._grading.by_chance,
        }

    def _resources(self, job: Job, path: Path) -> ResourcesDict:
        """What nbconvert and nbgrader tell a preprocessor of the file."""
        changed = datetime.datetime.fromtimestamp(os.path.getmtime(path))
        name = self._facts.assignment
        resources = ResourcesDict(
            unique_key=name,
            output_files_dir=f"{name}_files",
            output_extension=".ipynb",
            deprecation="",
            raw_mimetypes=[],
        )
        resources["metadata"] = ResourcesDict(
            name=name, path=str(path.parent), modified_date=changed.strftime("%B %d, %Y")
        )
        resources["nbgrader"] = {
            "student": job["student"],
            "assignment": name,
            "notebook": name,
            "db_url": self._db_url,
        }
        return resources


class Told(logging.Handler):
    """Keeps what was said over a submission, as level and line."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append((record.levelname, record.getMessage()))


def _without_gradebook(part: Any, facts: SourceFacts, valid: set[str]) -> Any:
    """The same step, given what the gradebook knows. Other people's subclasses stay."""
    if type(part) is OverwriteCells:
        return _OverwriteCells(facts, parent=part.parent)
    if type(part) is OverwriteKernelspec:
        return _OverwriteKernelspec(facts, parent=part.parent)
    if type(part) is CheckCellMetadata:
        return _CheckCellMetadata(valid, parent=part.parent)
    return part


class _OverwriteCells(OverwriteCells):
    def __init__(self, facts: SourceFacts, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gradebook = facts

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        self.notebook_id = resources["nbgrader"]["notebook"]
        self.assignment_id = resources["nbgrader"]["assignment"]
        nb, resources = NbGraderPreprocessor.preprocess(self, nb, resources)
        if self.add_missing_cells:
            nb, resources = self.add_missing_grade_cells(nb, resources)
            nb, resources = self.add_missing_task_cells(nb, resources)
        return nb, resources


class _OverwriteKernelspec(OverwriteKernelspec):
    def __init__(self, facts: SourceFacts, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kernelspec = json.loads(facts.kernelspec) if facts.kernelspec else None

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        if self._kernelspec:
            nb.metadata["kernelspec"] = self._kernelspec
        return nb, resources


class _CheckCellMetadata(CheckCellMetadata):
    """What was valid in one notebook is valid in the next: only new metadata is looked at."""

    def __init__(self, valid: set[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._valid = valid

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        # Each label with the kind of its cell, in order: which of them are there twice, too.
        labels = [
            (c.cell_type, c.metadata["nbgrader"]) for c in nb.cells if "nbgrader" in c.metadata
        ]
        seen = json.dumps(labels, sort_keys=True)
        if seen not in self._valid:
            nb, resources = super().preprocess(nb, resources)
            self._valid.add(seen)
        return nb, resources
