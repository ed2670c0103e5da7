"""`autograder autograde`: nbgrader's `autograde` with the runner, the judge and the sandbox.

It takes what nbgrader's takes and has our parts in nbgrader's lists, whatever a course's
nbgrader_config.py says. An assignment that is a set of this project is judged by hidden cases; any
other one is marked by nbgrader's rule, but in the sandbox.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from jupyter_core.application import NoStart
from nbconvert.exporters import NotebookExporter
from nbconvert.preprocessors import ExecutePreprocessor
from nbgrader.apps import AutogradeApp
from nbgrader.apps.baseapp import NbGrader
from nbgrader.preprocessors import Execute, OverwriteCells, SaveAutoGrades
from traitlets import List, TraitError, Unicode, default
from traitlets.config import Config
from traitlets.utils.importstring import import_item

from autograder.classes.converter import ClassAutograde
from autograder.classes.run import NOT_OURS, grade_class, see_to_walls
from autograder.engine.interface import NoSandbox
from autograder.exercise import AuthorError
from autograder.gradebook.preprocessors import (
    GradeSubmission,
    RepairCells,
    RestoreCells,
    SaveGrades,
    SubmissionExporter,
    adopt_notebook,
    project_of,
)
from autograder.i18n import _
from autograder.project import NoProject, Project, find_project
from autograder.release.configuration import find_alembic, no_question, see_to_rights

EXAMPLES = _(
    """\
Submissions are read from submitted/*/{assignment}/, here from
grading/submitted/; what is graded goes to autograded/ and into the
gradebook. What is graded already is left alone, unless it was handed in
again later, or with --force.

    autograder autograde gradient
    autograder autograde gradient --student amara-okafor --force
    autograder autograde gradient --student "a*" --student "b*"

All options of `nbgrader autograde` are taken, and any setting of a class
of nbgrader's or ours, for this run:

    autograder autograde ps1 --notebook "problem*" --db sqlite:///other.db
    autograder autograde ps1 --Execute.timeout=60
    autograder autograde gradient "--GradeSubmission.limits={'call_seconds': 20}"

An assignment that is a set of this course is graded by hidden cases,
outside the learner's process. The exit code is 0 where everybody could be
graded, 1 where somebody could not (the summary says who and why) or the
command was wrong, 2 where grading could not begin or not go on, 130 after
Ctrl-C. A log for each submission is in grading/logs/.

Any other assignment is graded by nbgrader's own rule: a test cell earns its
points unless it fails. It runs in the sandbox, too, but an assert cell runs in
the learner's own process and can be fooled: its marks are labelled as
unprotected in the summary, in the log and in the autograded notebook's
metadata.
"""
)
IN_PLACE_OF = {
    Execute: GradeSubmission,
    SaveAutoGrades: SaveGrades,
    OverwriteCells: RestoreCells,
}


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit code.

    Raises
    ------
    NoSandbox, AuthorError, FileNotFoundError, Stopped as `grade_class` does.
    """
    find_alembic()
    app = ClassAutogradeApp.instance()
    try:
        app.initialize(list(arguments), root=_course_folder())
        app.start()
    except TraitError as error:
        raise AuthorError(str(error)) from error
    except NoStart:
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        app.reset()
    return 0


def _course_folder() -> str:
    """The root of the project, where this folder has no configuration of its own; or nothing."""
    if Path("nbgrader_config.py").exists():
        return ""
    try:
        return str(find_project().root)
    except NoProject:
        return ""


class ClassAutogradeApp(AutogradeApp):
    """nbgrader's own application, with what is ours in it."""

    name = "autograder-autograde"
    description = _(
        "Grade the submissions of a class in the sandbox, with nbgrader's gradebook and our judge."
    )
    aliases = {  # noqa: RUF012 - as nbgrader declares them
        **AutogradeApp.aliases,
        "student": "ClassAutogradeApp.students",
        "workers": "ClassAutograde.workers",
        "scheduler": "ClassAutograde.scheduler",
    }
    flags = {  # noqa: RUF012
        **AutogradeApp.flags,
        "require-sandbox": (
            {"GradeSubmission": {"require_sandbox": True}},
            _("Refuse to grade where submissions cannot be walled in: the default."),
        ),
        "no-require-sandbox": (
            {"GradeSubmission": {"require_sandbox": False}},
            _("Grade without walls, too, where the system refuses them: trusted submissions only."),
        ),
    }
    examples = EXAMPLES
    # Without its configuration a course is another one.
    raise_config_file_errors = True

    students = List(
        Unicode(),
        help="Only this learner; repeatable. A name, or a pattern such as 'a*'.",
    ).tag(config=True)

    def load_config_file(self, **options: Any) -> None:
        """Load the configuration.

        Raises
        ------
        AuthorError where it cannot be read.
        """
        try:
            super().load_config_file(**options)
        except SystemExit as error:
            raise AuthorError(str(error)) from error
        except Exception as error:  # it is a program, and may do anything
            raise AuthorError(f"nbgrader_config.py: {type(error).__name__}: {error}") from error

    @default("classes")
    def _classes_default(self) -> list[Any]:
        classes: list[Any] = super()._classes_default()
        return [*classes, ClassAutogradeApp, ClassAutograde, GradeSubmission]

    def start(self) -> None:
        """Grade. Ends in SystemExit where not everybody could be graded."""
        NbGrader.start(self)
        assignment = self._assignment()
        self.put_in_our_parts()
        see_to_rights(self.config)
        see_to_walls(self.config, None)
        root = Path(self.coursedir.root)
        no_question(root)
        project = project_of(assignment, root)
        theirs = ClassAutograde(coursedir=self.coursedir, parent=self)
        if project is not None and not Execute(parent=self).enabled:
            self.fail(
                _("%s is marked by what running it shows: it takes no --no-execute."), assignment
            )
        if project is None and theirs.scheduler:
            self.fail(NOT_OURS, assignment)
        try:
            summary = grade_class(
                project or _project_around(root),
                assignment,
                self._patterns,
                force=theirs.force,
                config=self._of_grading(),
            )
        except (AuthorError, FileNotFoundError) as error:
            if project is not None:
                raise
            # As nbgrader ends where it finds nothing that it could grade.
            self.fail("%s", error)
        sys.exit(summary.exit_code)

    @property
    def _patterns(self) -> list[str]:
        return self.students or [self.coursedir.student_id]

    def _of_grading(self) -> Config:
        """The configuration without what has no bearing on marks, which are kept for it."""
        return Config(
            {
                section: settings
                for section, settings in self.config.items()
                if section not in ("Application", "NbGrader")
                and not section.startswith("Exchange")
                and not section.endswith("App")
            }
        )

    def _assignment(self) -> str:
        given = [*self.extra_args, *filter(None, [self.coursedir.assignment_id])]
        if len(given) != 1:
            self._fail_without_assignment(given)
        self.coursedir.assignment_id = given[0]
        return str(given[0])

    def _fail_without_assignment(self, given: list[str]) -> NoReturn:
        told = ", ".join(given) or _("none")
        self.log.error(
            _("Name one assignment, as an argument or with --assignment; named: %s"), told
        )
        sys.exit(1)

    def put_in_our_parts(self) -> None:
        """Ours take the place of nbgrader's own wherever these stand.

        Raises
        ------
        NoSandbox where one is required and something else in the list executes notebooks.
        """
        theirs = ClassAutograde(coursedir=self.coursedir, parent=self)
        sanitize = _ours(theirs.sanitize_preprocessors)
        autograde = _ours(theirs.autograde_preprocessors)
        others = [part for part in autograde if _executes(part)]
        if others and GradeSubmission(parent=self).require_sandbox:
            raise NoSandbox(
                _(
                    "{others} in Autograde.autograde_preprocessors would run submissions without "
                    "walls. Take it out, or say --no-require-sandbox where you trust every one."
                ).format(others=", ".join(part.__name__ for part in others))
            )
        if RepairCells not in sanitize:
            sanitize = [RepairCells, *sanitize]
        ours = Config()
        # What the configuration has already stays as it is written there.
        if sanitize != _imported(theirs.sanitize_preprocessors):
            ours.ClassAutograde.sanitize_preprocessors = sanitize
        if autograde != _imported(theirs.autograde_preprocessors):
            ours.ClassAutograde.autograde_preprocessors = autograde
        if theirs.exporter_class is NotebookExporter:
            ours.ClassAutograde.exporter_class = SubmissionExporter
        if theirs.pre_convert_hook is None:
            ours.ClassAutograde.pre_convert_hook = adopt_notebook
        self.update_config(ours)


def _project_around(folder: Path) -> Project | None:
    with contextlib.suppress(NoProject):
        return find_project(folder)
    return None


def _imported(listed: Sequence[Any]) -> list[Any]:
    return [import_item(part) if isinstance(part, str) else part for part in listed]


def _ours(listed: Sequence[Any]) -> list[Any]:
    return [IN_PLACE_OF.get(part, part) for part in _imported(listed)]


def _executes(part: Any) -> bool:
    """Whether a preprocessor starts a kernel of its own."""
    return isinstance(part, type) and issubclass(part, ExecutePreprocessor)
