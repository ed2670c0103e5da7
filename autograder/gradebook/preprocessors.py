"""Our parts in nbgrader's own lists: a reader, three preprocessors and two hooks.

`nbgrader_config.py` names them. So `nbgrader autograde` and Formgrader's button both grade with
the runner and the judge, and everything else stays nbgrader's.
"""

from __future__ import annotations

import contextlib
import difflib
import logging
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader.converters import Autograde
from nbgrader.preprocessors import NbGraderPreprocessor, OverwriteCells, SaveAutoGrades
from traitlets import Bool, Dict, Integer, Unicode, default
from traitlets.config import Config

from autograder.engine.interface import Limits, Runner
from autograder.engine.warm.handle import default_runner, require_sandbox
from autograder.exercise import AuthorError
from autograder.gradebook.loop import see_to
from autograder.gradebook.marks import Mark, marks_of
from autograder.gradebook.record import RECORD, record_of, verdicts_in
from autograder.gradebook.waiting import Texts
from autograder.grading.grade import grade
from autograder.grading.outputs import write_outputs
from autograder.grading.rounds import Round, close_round, current_round
from autograder.i18n import _
from autograder.judging.sets import ExerciseSet, find_set
from autograder.judging.verdict import Chance, Verdict
from autograder.project import NoProject, Project, find_project
from autograder.release.byhand import released_answers
from autograder.release.configuration import place_of
from autograder.submissions import reasons
from autograder.submissions.adopt import Adopted, adopt
from autograder.submissions.content import other_set, released
from autograder.submissions.former import read_former
from autograder.submissions.handed_in import HandedIn, content_of
from autograder.submissions.heal import healed
from autograder.submissions.read import Submission, read_submission
from autograder.submissions.repair import grade_id_of, repair
from autograder.submissions.support import own_files, support_files
from autograder.submissions.times import timestamp_of


def is_ours(project: Project, assignment: str) -> bool:
    """Whether an assignment was made from a set of this project."""
    return (project.solutions / f"{assignment}.py").is_file()


def project_of(assignment: str, folder: Path | None = None) -> Project | None:
    """The project around a folder (this one), where an assignment was made from a set of it."""
    with contextlib.suppress(NoProject):
        project = find_project(folder)
        return project if is_ours(project, assignment) else None
    return None


def _set_of(resources: dict[str, Any]) -> ExerciseSet | None:
    """The set of the notebook that nbgrader is at, None for other people's notebooks."""
    info = resources["nbgrader"]
    project = project_of(info["assignment"])
    if project is None or info["notebook"] != info["assignment"]:
        return None
    return find_set(info["assignment"], project)


def _is_check(cell: NotebookNode) -> bool:
    """Whether a cell is a check of some set. Without a verdict nbgrader gives it full marks."""
    return (grade_id_of(cell) or "").startswith("check-") and cell.source.startswith("check(")


def _is_autograded(path: Path, config: Config) -> bool:
    """nbgrader reads a notebook twice; the second time it is the one that we sanitized."""
    usual = (find_project().grading / "autograded").resolve()
    places = (usual, place_of("autograded", config))
    return any(path.resolve().is_relative_to(place) for place in places)


class SubmissionExporter(NotebookExporter):
    """Reads what learners hand in, whatever it is, where nbformat would give up.

    nbgrader's own loop makes one before it begins, which is where it is seen to."""

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        # Of a class run's it is seen to in other places.
        if isinstance(self.parent, Autograde) and type(self.parent) is Autograde:
            course = self.parent.coursedir
            listed = map(str, self.parent.autograde_preprocessors)
            ours = any(GradeSubmission.__name__ in part for part in listed)
            grading = GradeSubmission(parent=self)
            see_to(
                self.parent,
                project_of(course.assignment_id, Path(course.root)),
                walled_in=ours and grading.require_sandbox,
                limits=grading.limits_of(course.assignment_id) if ours else None,
            )

    def from_file(
        self, file_stream: Any, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Convert a notebook from a file; see nbconvert's `Exporter.from_file`."""
        path = Path(file_stream.name)
        if resources is None or _set_of(resources) is None or _is_autograded(path, self.config):
            notebook = healed(file_stream.read())
            return self.from_notebook_node(notebook, resources=resources, **kw)
        notebook = read_as_submission(Adopted(path, _notes.pop(path.resolve(), [])))
        return self.from_notebook_node(notebook, resources=resources, **kw)


def read_as_submission(adopted: Adopted) -> NotebookNode:
    """What a learner handed in, with what there is to say of it in its metadata."""
    path, submission = adopted.path, read_submission(adopted.path)
    exercises = find_project().exercises
    told = [*adopted.notes, *submission.problems, *whose(submission, path.stem, exercises)]
    told += own_files(exercises / path.stem, path.parent, submission.notebook)[1]
    submission.notebook.metadata["autograder_problems"] = list(dict.fromkeys(told))
    return submission.notebook


def whose(submission: Submission, assignment: str, exercises: Path) -> list[str]:
    """What there is to say of a notebook that holds no answer to this set."""
    cells = submission.notebook.cells
    if released(exercises, assignment).holds_all(cells):
        return [reasons.UNTOUCHED]
    other = other_set(exercises, assignment, cells)
    return [reasons.OTHER_SET.format(name=other)] if other else []


class RepairCells(NbGraderPreprocessor):
    """First of the sanitizing steps: graded cells go back where they belong."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Mend a submission of ours; leave other notebooks alone."""
        exercise_set = _set_of(resources)
        if exercise_set is not None:
            problems = list(nb.metadata.pop("autograder_problems", []))
            answers = released_answers(exercise_set, find_project().exercises / exercise_set.name)
            problems += read_former(find_project(), exercise_set.name).follow(
                nb.cells, exercise_set
            )
            submission = repair(Submission(nb, problems), exercise_set, answers)
            nb.metadata["autograder_mended"] = submission.problems
            for text in submission.problems:
                self.log.warning("%s: %s", resources["nbgrader"]["student"], text)
        return nb, resources


class RestoreCells(OverwriteCells):
    """nbgrader's own, but a graded cell that was deleted comes back, in anybody's assignment.

    Without its cell a mark waits for a person whom Formgrader shows nothing to mark. Of a set of
    ours `RepairCells` has put everything back.
    """

    @default("add_missing_cells")
    def _add_missing_cells_default(self) -> bool:
        return True

    def add_missing_grade_cells(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Put each behind the cell above it. Where that is gone, too, as far down as may be, since
        what it tests may stand in any cell: there nbgrader's own gives up."""
        if _set_of(resources) is not None:
            return nb, resources
        source = self.gradebook.find_notebook(self.notebook_id, self.assignment_id)
        scores = {cell.name: cell.max_score for cell in source.grade_cells}
        solutions = {cell.name for cell in source.solution_cells}
        place, behind = 0, True
        below = [cell.name for cell in source.source_cells]
        for cell in source.source_cells:
            below.remove(cell.name)
            there = [i for i, c in enumerate(nb.cells, 1) if grade_id_of(c) == cell.name]
            if there:
                place, behind = there[-1], True
            elif cell.name not in scores:
                behind = False
            else:
                if not behind:
                    later = [i for i, c in enumerate(nb.cells) if grade_id_of(c) in below]
                    place = min(later, default=len(nb.cells))
                self.log.warning("The graded cell %s was missing and was put back.", cell.name)
                back = self.missing_cell_transform(
                    cell, scores[cell.name], is_solution=cell.name in solutions
                )
                back.id = new_code_cell().id
                nb.cells.insert(place, back)
                place, behind = place + 1, True
        return nb, resources


class GradeSubmission(NbGraderPreprocessor):
    """In the place of nbgrader's Execute: the runner and the judge, as separate processes."""

    require_sandbox = Bool(
        True,
        help="Refuse to grade where the system does not let every submission be walled in. Only "
        "submissions that you trust are graded without.",
    ).tag(config=True)
    limits = Dict(
        help="What a submission may use up: fields of autograder.engine.interface.Limits, such as "
        "{'call_seconds': 20, 'memory_bytes': 1_000_000_000}.",
    ).tag(config=True)
    assignment_limits = Dict(
        help="The same for single assignments, by name: {'adam': {'notebook_seconds': 600}}.",
    ).tag(config=True)
    seed = Unicode("", help="Regrade with the seed that was recorded with the mark.").tag(
        config=True
    )
    round_number = Integer(0, help="The grading round to which that seed belongs.").tag(config=True)
    runner: Runner | None = None
    """Who runs the submissions; this system's best where None."""
    standing: Mapping[str, Verdict] = {}
    """Verdicts of an earlier grading that still hold, by part."""
    by_chance: Chance = ""
    """What besides the code had a hand in how a cell of the last notebook ended."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Grade a submission of ours; execute other notebooks as nbgrader does, in the sandbox."""
        exercise_set = _set_of(resources)
        if exercise_set is None:
            return self._execute(nb, resources)
        mended = nb.metadata.pop("autograder_mended", None)
        project, info = find_project(), resources["nbgrader"]
        grading_round = self._round(project, info["assignment"])
        runner = self.runner or default_runner()
        if self.require_sandbox:
            require_sandbox(runner)
        self.log.info("%s", runner.protects)
        released = project.exercises / exercise_set.name
        handed_in = Path(resources["metadata"]["path"])
        with support_files(released, handed_in, nb) as files:
            graded = grade(
                Submission(nb, list(mended or ()), repaired=mended is not None),
                exercise_set,
                grading_round.seed,
                runner,
                limits=self.limits_of(info["assignment"]),
                files=files,
                standing=self.standing,
            )
        for text in graded.problems[len(mended or ()) :]:
            self.log.warning("%s: %s", info["student"], text)
        write_outputs(graded, exercise_set)
        self.by_chance = graded.by_chance
        nb = graded.notebook
        nb.metadata[RECORD] = record_of(graded, grading_round)
        return nb, resources

    def _execute(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        from autograder.gradebook.foreign import SandboxedExecute, label

        assignment = resources["nbgrader"]["assignment"]
        if any(_is_check(cell) for cell in nb.cells):
            raise AuthorError(
                _(
                    "the checks of {assignment} are a set's of this course, and there is no "
                    "solutions/{assignment}.py around {folder}: grade it in the course's folder, "
                    "or set AUTOGRADER_ROOT to it."
                ).format(assignment=assignment, folder=Path.cwd())
            )
        execute = SandboxedExecute(
            parent=self.parent,
            limits=self.limits_of(assignment),
            named=self._named_limits(assignment),
            walled_in=self.require_sandbox,
        )
        # nbgrader's --no-execute turns `Execute` off, and so this one.
        nb, resources = execute(nb, resources)
        label(nb, self.log)
        return nb, resources

    def _round(self, project: Project, assignment: str) -> Round:
        """The open round, unless a mark of an earlier one is to be had again."""
        if self.seed:
            return Round(assignment, self.round_number, self.seed, opened="")
        return current_round(project, assignment)

    def _named_limits(self, assignment: str) -> dict[str, Any]:
        return {**self.limits, **self.assignment_limits.get(assignment, {})}

    def _must_know(self, assignments: Collection[str]) -> None:
        """See to it that these are assignments: what is misspelt would limit nothing."""
        known: set[str] = set()
        with contextlib.suppress(NoProject):
            known = set(find_project().sets)
        source = place_of("source", self.config)
        known |= {p.name for p in source.iterdir()} if source.is_dir() else set()
        for name in sorted(set(assignments) - known):
            near = difflib.get_close_matches(name, known, 1)
            raise AuthorError(
                f"GradeSubmission.assignment_limits names {name}, and there is no such assignment"
                + (f": did you mean {near[0]}?" if near else f" in {source}.")
            )

    def limits_of(self, assignment: str) -> Limits:
        """What a submission of an assignment may use up.

        Raises
        ------
        AuthorError for a name that is no limit, or no assignment, or a value that is no amount.
        """
        self._must_know(self.assignment_limits)
        chosen = self._named_limits(assignment)
        known = [field.name for field in fields(Limits)]
        unknown = sorted(set(chosen) - set(known))
        if unknown:
            raise AuthorError(
                f"no such limit: {', '.join(unknown)}; the limits are {', '.join(known)}."
            )
        try:
            return Limits(**chosen)
        except ValueError as error:
            raise AuthorError(f"a limit in GradeSubmission's settings: {error}") from None


class SaveGrades(SaveAutoGrades):
    """nbgrader's own, but a check cell of ours without a verdict is zero and flagged.

    The stock rule gives full marks to a test cell without output.
    """

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Save the marks of all cells."""
        exercise_set = _set_of(resources)
        self._ours = exercise_set.by_grade_id if exercise_set else {}
        self._marks: dict[str, Mark] = {}
        if exercise_set is not None:
            found = marks_of(nb, self._ours, verdicts_in(nb.metadata), self.log)
            texts = Texts(find_project(), exercise_set.name)
            student = resources["nbgrader"]["student"]
            before = texts.read(student)
            self._marks = {mark.grade_id: mark.after(before) for mark in found}
        present = {grade_id_of(cell) for cell in nb.cells}
        nb, resources = super().preprocess(nb, resources)
        with self.gradebook:
            for grade_id in set(self._ours) - present:
                self._write(self._marks[grade_id])
        if exercise_set is not None:
            texts.write(student, {m.grade_id: m.text for m in found if m.text})
            folder = place_of("submitted", self.config) / student / exercise_set.name
            if folder.is_dir():
                grading = place_of("autograded", self.config).parent
                HandedIn(grading, exercise_set.name).write(student, content_of(folder))
        return nb, resources

    def _add_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        mark = self._marks.get(cell.metadata["nbgrader"]["grade_id"])
        if mark is None:
            super()._add_score(cell, resources)
        else:
            self._write(mark)

    def _write(self, mark: Mark) -> None:
        row = self.gradebook.find_grade(
            mark.grade_id, self.notebook_id, self.assignment_id, self.student_id
        )
        row.auto_score = mark.auto_score
        row.needs_manual_grade = mark.needs_manual_grade(row.manual_score, row.needs_manual_grade)
        self.gradebook.db.commit()


def adopt_notebook(assignment: str, student: str, notebooks: list[str]) -> None:
    """Before a submission is converted: see to it that it has a notebook of the right name.

    Called by nbgrader, whose list of notebooks is changed in place.
    """
    adopted = adopt_folder(assignment, Path(notebooks[0]).parent) if notebooks else None
    if adopted is None:
        return
    pass_on(adopted)
    for note in adopted.notes:
        logging.getLogger("traitlets").warning("%s: %s", student, note)
    notebooks[:] = [str(adopted.path)]


def adopt_folder(assignment: str, folder: Path, course: Path | None = None) -> Adopted | None:
    """What `adopt` makes of a submission's folder, None for assignments of other people's.

    course: where to look for the project, if not here.
    """
    project = project_of(assignment, course)
    if project is None:
        return None
    adopted = adopt(folder, assignment, project.exercises)
    return Adopted(adopted.path, [*adopted.notes, *timestamp_of(folder)[1]])


def pass_on(adopted: Adopted) -> None:
    """Leave the notes on a submission to `SubmissionExporter`, to which nbgrader's loop gives its
    path alone."""
    known = _notes.setdefault(adopted.path.resolve(), [])
    known += [note for note in adopted.notes if note not in known]


_notes: dict[Path, list[str]] = {}


def end_round(assignment: str, student: str, notebooks: list[str]) -> None:
    """After feedback was made: the next grading of the assignment uses a new seed."""
    project = project_of(assignment)
    if project is not None:
        close_round(project, assignment)
