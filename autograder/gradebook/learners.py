"""`autograder remove-learner`: somebody who has left the course, or wants to be forgotten.

nbgrader takes a learner out of the gradebook alone: the folders stay, and the next grading puts
them back.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory

from autograder.exercise import AuthorError
from autograder.i18n import _
from autograder.project import Project
from autograder.release.configuration import course_config, place_of
from autograder.submissions.handed_in import FOLDER as HANDED_IN

# A folder for each learner; a folder for each assignment, with files of each learner's name.
STEPS = ("submitted", "autograded", "feedback")
BY_NAME = {
    "logs": ("{}.log", "{}.feedback.log"),
    "cache": ("{}.json",),
    "texts": ("{}.json",),
    HANDED_IN: ("{}",),
}


def remove_learner(project: Project, student: str, *, erase: bool) -> list[str]:
    """Take a learner out of the gradebook and out of all folders. Returns what was done.

    erase: the files are deleted; otherwise they lie in grading/removed/, where nothing reads them.

    Raises
    ------
    AuthorError where neither the gradebook nor any folder knows them.
    """
    config = course_config(project.root)
    places = {step: place_of(step, config) for step in STEPS}
    found = list(_files_of(project, student, places))
    course = CourseDirectory(config=config)
    done = []
    with Gradebook(course.db_url, course.course_id) as gradebook:
        try:
            known = gradebook.find_student(student)
        except MissingEntry:
            if not found:
                raise AuthorError(
                    f"no learner {student!r}: `nbgrader db student list` has those of the roster."
                ) from None
        else:
            count = len(known.submissions)
            gradebook.remove_student(student)
            done.append(
                _("out of the gradebook: {student}, with {count} submissions").format(
                    student=student, count=count
                )
            )
    kept = project.grading / "removed" / f"{student}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    for name, path in found:
        if erase:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            done.append(_("deleted: {path}").format(path=path))
        else:
            (kept / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, kept / name)
    if found and not erase:
        done.append(_("moved to {folder}: their files").format(folder=kept))
    if erase:
        done += _erased_from_tables(project, student)
    return done


def _erased_from_tables(project: Project, student: str) -> Iterator[str]:
    """Reports that name a learner go; of other tables, which are yours, it is said which do."""
    name = re.compile(rf"(?<![\w.@-]){re.escape(student)}(?!\.?[\w@-])")

    def naming(folder: Path, pattern: str) -> list[Path]:
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
        return [path for path in found if name.search(path.read_text("utf-8", "replace"))]

    for path in naming(project.grading / "reports", "*.html"):
        path.unlink()
        yield _("deleted, since it names {student}: {path}").format(student=student, path=path)
    theirs = [*naming(project.root, "*.csv"), *naming(project.grading, "*/*.json")]
    if theirs:
        yield _("{student} is still named in: {paths}").format(
            student=student, paths=", ".join(str(p.relative_to(project.root)) for p in theirs)
        )


def _files_of(
    project: Project, student: str, places: dict[str, Path]
) -> Iterator[tuple[str, Path]]:
    """What lies here of a learner, each with a name for it that no other has."""
    for step, place in places.items():
        if (place / student).exists():
            yield step, place / student
    for kind, names in BY_NAME.items():
        for folder in sorted((project.grading / kind).glob("*/")):
            for file in (folder / name.format(student) for name in names):
                if file.exists():
                    yield f"{kind}/{folder.name}/{file.name}", file
