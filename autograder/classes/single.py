"""One notebook of an assignment that is no set of ours: graded as in a class, nothing written."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import nbformat
from nbgrader.api import MissingEntry
from nbgrader.coursedir import CourseDirectory

from autograder.classes.conversion import Conversion
from autograder.classes.converter import ClassAutograde
from autograder.classes.job import Job
from autograder.classes.plan import make_plan
from autograder.classes.run import must_be_known, no_advice, see_to_walls
from autograder.classes.staging import Staging
from autograder.exercise import AuthorError
from autograder.gradebook.reader import readable
from autograder.gradebook.record import verdicts_of_tests
from autograder.judging.verdict import Verdict
from autograder.project import Project
from autograder.release.configuration import course_config
from autograder.submissions.read import read_submission
from autograder.submissions.support import own_files


def grade_other(
    project: Project, assignment: str, path: Path, *, walled_in: bool | None, shared: bool
) -> dict[str, Verdict]:
    """The verdicts of a notebook's test cells, by nbgrader's rule.

    walled_in: as for `grade_class`. shared: whether what lies beside the notebook may be others'.

    Raises
    ------
    AuthorError where nobody knows the assignment, or which of its notebooks this is, or it cannot
    be graded; NoSandbox.
    """
    if path.suffix != ".ipynb":
        raise AuthorError(f"{path}: of {assignment} only notebooks can be graded.")
    config = course_config(project.root)
    config.ClassAutograde.scheduler = ""
    see_to_walls(config, walled_in)
    with (
        no_advice(),
        readable(CourseDirectory(config=config).db_url) as url,
        tempfile.TemporaryDirectory(prefix="autograder-one-") as scratch,
    ):
        config.CourseDirectory.db_url = url
        must_be_known(config, assignment)
        converter = ClassAutograde(coursedir=CourseDirectory(config=config), config=config)
        try:
            plan = make_plan(converter, assignment, None)
        except MissingEntry as error:
            raise AuthorError(str(error)) from error
        folder = Path(scratch, "handed-in")
        folder.mkdir()
        name = _which(path, list(plan.facts.notebooks))
        notebook = folder / f"{name}.ipynb"
        shutil.copyfile(path, notebook)
        own, _told = own_files(
            project.exercises / assignment,
            path.parent,
            read_submission(path).notebook,
            shared=shared,
        )
        for file in own:
            place = folder / file.relative_to(path.parent)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
        job = Job("nobody", folder, Path(scratch, "graded"), (notebook,), None)
        with Staging(Path(scratch)) as staging:
            outcome = Conversion(plan, staging)(job)
            if outcome.failed or outcome.full:
                raise AuthorError(f"{path}: {outcome.failed or outcome.full}")
            return verdicts_of_tests(nbformat.read(outcome.half / notebook.name, 4))


def _which(path: Path, known: list[str]) -> str:
    """Which of an assignment's notebooks a file is: by its name, where there are several."""
    if path.stem in known or len(known) == 1:
        return path.stem if path.stem in known else known[0]
    raise AuthorError(
        f"{path} has the name of none of the assignment's notebooks: {', '.join(known) or 'none'}."
    )
