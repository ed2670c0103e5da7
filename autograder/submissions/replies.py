"""Feedback as one archive for the learning platform that the submissions came from.

Moodle, Canvas and others take an archive of files back whose names begin as those that they sent.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from nbgrader.apps import ZipCollectApp
from nbgrader.coursedir import CourseDirectory

from autograder.exercise import AuthorError
from autograder.project import Project
from autograder.release.configuration import course_config, place_of
from autograder.submissions.archives import PlatformCollector


def write_replies(project: Project, assignment: str, to: Path) -> tuple[int, list[str]]:
    """Write the archive. Returns how many pages are in it, and who has one but came by no archive.

    Raises
    ------
    AuthorError where no page has been written, or nothing came from a platform.
    """
    config = course_config(project.root)
    place = place_of("feedback", config)
    pages: dict[str, list[Path]] = {}
    for page in sorted(place.glob(f"*/{assignment}/*.html")):
        pages.setdefault(page.parent.parent.name, []).append(page)
    if not pages:
        raise AuthorError(f"no feedback yet: run `autograder feedback {assignment}`.")
    config.CourseDirectory.assignment_id = assignment
    app = ZipCollectApp(config=config)
    app.coursedir = CourseDirectory(config=config)
    above = PlatformCollector(parent=app).replies()
    came = sorted(pages.keys() & above.keys())
    if not came:
        raise AuthorError(
            f"no page is of anybody whose work came from a learning platform: what "
            f"`nbgrader zip_collect {assignment}` unpacked tells how an archive is to be named."
        )
    half = to.with_name(f".{to.name}.half")
    half.touch(mode=0o600)
    with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED) as archive:
        for student in came:
            for page in pages[student]:
                archive.write(page, f"{above[student]}{page.name}")
    half.replace(to)
    return len(came), sorted(pages.keys() - above.keys())
