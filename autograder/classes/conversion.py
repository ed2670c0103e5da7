"""From a submission's folder to a graded one, in the staging area: what one judge does.

The preprocessors are those of nbgrader's two lists, as the course's configuration has them, in
their order. Those that would open the gradebook are given what it knows of the assignment instead;
those that write to it are left to the process that owns it.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import shutil
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.api import MissingEntry
from nbgrader.preprocessors import (
    CheckCellMetadata,
    NbGraderPreprocessor,
    OverwriteKernelspec,
)
from nbgrader.utils import find_all_files, setenv

from autograder.classes.job import Job, Outcome
from autograder.classes.plan import Plan
from autograder.classes.staging import CannotWrite, Staging
from autograder.gradebook.foreign import REMARK, UNPROTECTED
from autograder.gradebook.marks import Mark, Sheet, comments_of, marks_of
from autograder.gradebook.preprocessors import (
    RestoreCells,
    SubmissionExporter,
    pass_on,
    read_as_submission,
)
from autograder.gradebook.record import problems_in, verdicts_in
from autograder.gradebook.source_facts import SourceFacts
from autograder.judging.show import printable
from autograder.judging.verdict import Chance
from autograder.submissions.adopt import Adopted

# A graded notebook, and the text of its file.
Converted = tuple[NotebookNode, str]


class Conversion:
    """What a judge's process does with each submission."""

    def __init__(self, plan: Plan, staging: Staging) -> None:
        self._plan, self._staging = plan, staging
        valid: set[str] = set()
        self._sanitize, self._autograde = (
            [_without_gradebook(part, plan.facts, valid) for part in parts]
            for parts in (plan.sanitize, plan.autograde)
        )
        self._grading = plan.grading
        self._parts: dict[str, str] = {}
        if plan.exercise_set is not None:
            self._parts = plan.exercise_set.by_grade_id
        # Somebody else's exporter may do more.
        self._in_memory = bool(self._parts) and type(plan.exporter) is SubmissionExporter
        self._log: logging.Logger = plan.converter.log
        self._told = Told()
        # The judge's own parent prints; here everything is kept for the submission's log.
        for logger in (self._log, logging.getLogger("traitlets")):
            logger.handlers = [self._told]
            logger.propagate = False
            logger.setLevel(logging.INFO)

    def __call__(self, job: Job) -> Outcome:
        """Grade a submission."""
        self._told.lines.clear()
        started = time.monotonic()
        try:
            outcome = self._grade(job)
        except CannotWrite as error:
            outcome = Outcome(full=str(error))
        except (Exception, SystemExit) as error:
            self._log.error("%s", traceback.format_exc())
            outcome = Outcome(failed=_in_a_line(error))
        seconds = round(time.monotonic() - started, 3)
        return replace(outcome, log=list(self._told.lines), seconds=seconds)

    def _grade(self, job: Job) -> Outcome:
        notebooks = self._known(job)
        ready: dict[Path, Converted] = {}
        if self._in_memory:
            ready = {path: self._by_ourselves(job, path) for path in notebooks}
        half = self._staging.make(self._files(job, {path.name for path in notebooks}))
        try:
            return self._fill(job, notebooks, half, ready)
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise

    def _known(self, job: Job) -> list[Path]:
        known = self._plan.facts.notebooks
        for path in job.notebooks:
            if path.stem not in known:
                self._log.warning("Skipping unknown notebook: %s", path)
        found = [path for path in job.notebooks if path.stem in known]
        if not found:
            raise MissingEntry(
                f"none of the notebooks is one of the assignment's: {', '.join(known) or 'none'}"
            )
        return found

    def _files(self, job: Job, notebooks: set[str]) -> dict[str, Path]:
        """What stands beside the graded notebooks, by its name in the folder."""
        plan = self._plan
        theirs = _below(job.folder, find_all_files(str(job.folder), plan.not_copied))
        if not plan.whole and job.graded.is_dir():
            # Where not all notebooks are graded, what is there of the others stays.
            theirs = {**_below(job.graded, find_all_files(str(job.graded), [])), **theirs}
        ours = {*plan.source_files, *notebooks}
        return {**_beside(theirs, ours), **plan.source_files}

    def _fill(
        self, job: Job, notebooks: list[Path], half: Path, ready: Mapping[Path, Converted]
    ) -> Outcome:
        """Put the graded notebooks into the folder. ready: those that need not run there."""
        plan = self._plan
        found = Outcome(half=half)
        remark = ""
        for path in notebooks:
            notebook, text = ready.get(path) or self._as_nbconvert(job, path, half)
            verdicts = verdicts_in(notebook.metadata) if self._parts else {}
            marks = marks_of(notebook, self._parts, verdicts, self._log)
            found.sheets[path.stem] = Sheet(marks, comments_of(notebook))
            found.verdicts.update(verdicts)
            found.told.extend(problems_in(notebook.metadata) if self._parts else ())
            # Of what a learner wrote there, not a word is said.
            if not self._parts and UNPROTECTED in notebook.metadata:
                remark = REMARK
            self._staging.write(half, path.name, text)
        for name, facts in plan.facts.notebooks.items():
            if not (job.folder / f"{name}.ipynb").exists():
                self._log.warning("No submitted file: %s.ipynb", name)
                found.sheets[name] = Sheet([Mark(grade_id, 0.0) for grade_id in facts.graded])
        self._all_known(found.sheets)
        self._staging.seal(half, plan.permissions)
        points, most = self._points(found)
        by_chance: Chance = "accident" if self._grading is None else self._grading.by_chance
        return replace(found, by_chance=by_chance, points=points, max_points=most, remark=remark)

    def _points(self, found: Outcome) -> tuple[float, float]:
        """What a submission got by itself, and could get."""
        if self._parts:
            verdicts = found.verdicts.values()
            return sum(v.points for v in verdicts), sum(v.max_points for v in verdicts)
        scores = [mark.auto_score for sheet in found.sheets.values() for mark in sheet.marks]
        graded = [self._plan.facts.notebooks[name] for name in found.sheets]
        return sum(score or 0.0 for score in scores), sum(
            sum(notebook.max_scores.values()) for notebook in graded
        )

    def _all_known(self, sheets: Mapping[str, Sheet]) -> None:
        """See to it that every mark and comment has its row: one without must stop no other's."""
        for name, sheet in sheets.items():
            facts = self._plan.facts.notebooks[name]
            strange = {mark.grade_id for mark in sheet.marks} - facts.graded.keys()
            strange |= {told.grade_id for told in sheet.comments} - facts.commented.keys()
            if strange:
                raise MissingEntry(f"the gradebook knows no cell {', '.join(sorted(strange))}")

    # ── Two ways through nbgrader's lists ──────────────────────────────────────────────────────

    def _by_ourselves(self, job: Job, path: Path) -> Converted:
        """A notebook of a set of ours, neither copied nor written to disk between the steps."""
        notebook = read_as_submission(Adopted(path, list(job.notes)))
        resources = self._resources(job, path, path.parent)
        self._tell_grading(job)
        for step in (*self._sanitize, *self._autograde):
            notebook, resources = step(notebook, resources)
        return notebook, nbformat.writes(notebook, version=4) + "\n"

    def _as_nbconvert(self, job: Job, path: Path, half: Path) -> Converted:
        """Through the course's exporter, twice, as in nbgrader's own loop."""
        exporter = self._plan.exporter
        exporter._preprocessors = self._sanitize
        pass_on(Adopted(path, list(job.notes)))
        text, _after = exporter.from_filename(
            str(path), resources=self._resources(job, path, path.parent)
        )
        self._staging.write(half, path.name, text)
        self._tell_grading(job)
        exporter._preprocessors = self._autograde
        with setenv(NBGRADER_EXECUTION="autograde"):
            text, _after = exporter.from_notebook_node(
                nbformat.reads(text, 4), resources=self._resources(job, path, half)
            )
        return nbformat.reads(text, 4), text

    def _tell_grading(self, job: Job) -> None:
        if self._grading is not None and self._parts:
            self._grading.seed, self._grading.round_number = job.seed, job.round
            self._grading.standing = job.standing

    def _resources(self, job: Job, path: Path, folder: Path) -> ResourcesDict:
        """What nbconvert and nbgrader tell a preprocessor of the file. folder: where it runs."""
        changed = datetime.datetime.fromtimestamp(os.path.getmtime(path))
        resources = ResourcesDict(
            unique_key=path.stem,
            output_files_dir=f"{path.stem}_files",
            output_extension=".ipynb",
            deprecation="",
            raw_mimetypes=[],
        )
        resources["metadata"] = ResourcesDict(
            name=path.stem, path=str(folder), modified_date=changed.strftime("%B %d, %Y")
        )
        resources["nbgrader"] = self._plan.told_of(job.student, path.stem)
        return resources


def _in_a_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {printable(lines[0])}"


def _below(folder: Path, files: list[str]) -> dict[str, Path]:
    return {os.path.relpath(file, folder): Path(file) for file in files}


def _beside(theirs: dict[str, Path], ours: set[str]) -> dict[str, Path]:
    """Those files that leave ours room: none is one of ours or a folder of ours, or lies below a
    file of ours."""
    above = {str(parent) for name in ours for parent in Path(name).parents}
    return {
        name: path
        for name, path in theirs.items()
        if name not in above
        and name not in ours
        and not {str(parent) for parent in Path(name).parents} & ours
    }


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
    if type(part) is RestoreCells:
        return _RestoreCells(facts, parent=part.parent)
    if type(part) is OverwriteKernelspec:
        return _OverwriteKernelspec(facts, parent=part.parent)
    if type(part) is CheckCellMetadata:
        return _CheckCellMetadata(valid, parent=part.parent)
    return part


class _RestoreCells(RestoreCells):
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
        self._facts = facts

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        told = resources["nbgrader"]
        spec = self._facts.find_notebook(told["notebook"], told["assignment"]).kernelspec
        kernelspec = json.loads(spec) if spec else None
        if kernelspec:
            nb.metadata["kernelspec"] = kernelspec
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
