"""What nbgrader 0.9.6 does wrong where it has no extension point: put right, method by method.

`nbgrader_config.py` calls `mend`, so it holds for every command of nbgrader's in this course, and
for Formgrader. Each mend keeps nbgrader's own method and goes before or after it.
"""

from __future__ import annotations

import contextlib
import csv
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any

import nbgrader.apps.api
import nbgrader.utils
from nbgrader.apps import dbapp, zipcollectapp
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory

from autograder.gradebook.preprocessors import adopt_folder
from autograder.gradebook.roster import read_roster, read_table
from autograder.i18n import _
from autograder.submissions.names import unfit
from autograder.submissions.times import read_time, timestamp_of

_mended: set[str] = set()


def mend() -> None:
    """Put nbgrader's own parts right; once in a process."""
    if _mended:
        return
    _mended.add("all")
    # Due dates and extensions go through it, on the command line and in Formgrader.
    nbgrader.utils.parse_utc = _parse_utc
    nbgrader.apps.api.parse_utc = _parse_utc
    CourseDirectory.get_existing_timestamp = _existing_timestamp
    _around(nbgrader.apps.api.NbGraderAPI, "get_submitted_timestamp", _submitted_timestamp)
    _around(dbapp.DbAssignmentAddApp, "start", _with_due_date)
    _around(dbapp.DbStudentAddApp, "start", _with_fit_id)
    _around(dbapp.DbGenericImportApp, "start", _import_clean)
    _around(Autograde, "init_notebooks", _adopt_first)
    _around(zipcollectapp.ZipCollectApp, "_transfer_files", _keep_times)
    _around(zipcollectapp.ZipCollectApp, "start", _bring_something)


def _around(owner: type, name: str, ours: Callable[..., Any]) -> None:
    """Have a method of ours in the place of nbgrader's, which it gets."""
    theirs = getattr(owner, name)

    @wraps(theirs)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return ours(self, lambda *a, **k: theirs(self, *a, **k), *args, **kwargs)

    setattr(owner, name, method)


# ── Times ──────────────────────────────────────────────────────────────────────────────────────


def _parse_utc(ts: datetime | str | None) -> datetime | None:
    """nbgrader's takes +0100 for 100 seconds, and zones that it does not know for UTC."""
    if isinstance(ts, str):
        return read_time(ts)
    if ts is not None and ts.tzinfo is not None:
        offset = ts.utcoffset()
        assert offset is not None
        return (ts - offset).replace(tzinfo=None)
    return ts


def _existing_timestamp(course: CourseDirectory, dest_path: str) -> datetime | None:
    """nbgrader's calls a method that is not there where it cannot read one."""
    when, told = timestamp_of(Path(dest_path))
    for text in told:
        course.log.warning("%s: %s", dest_path, text)
    return when


def _submitted_timestamp(
    api: Any, theirs: Callable[..., Any], assignment_id: str, student_id: str
) -> datetime | None:
    """For Formgrader's list of submissions."""
    course = api.coursedir
    folder = course.format_path(course.submitted_directory, student_id, assignment_id)
    return timestamp_of(Path(folder))[0]


def _with_due_date(app: Any, theirs: Callable[..., Any]) -> None:
    if app.duedate:
        try:
            read_time(app.duedate)
        except ValueError as error:
            app.fail(_("No due date was set: %s"), error)
    theirs()


# ── The roster ─────────────────────────────────────────────────────────────────────────────────


def _with_fit_id(app: Any, theirs: Callable[..., Any]) -> None:
    for student in app.extra_args:
        why = unfit(student)
        if why:
            app.fail(_("The id %r cannot be used: %s."), student, why)
    theirs()


def _import_clean(app: Any, theirs: Callable[..., Any]) -> None:
    """Read the file as people write it, and give nbgrader one as it wants it."""
    if len(app.extra_args) != 1 or not os.path.isfile(app.extra_args[0]):
        theirs()
        return
    path = Path(app.extra_args[0])
    students = isinstance(app, dbapp.DbStudentImportApp)
    try:
        rows = read_roster(path) if students else read_table(path, app.primary_key)
        for row in rows if not students else ():
            if row.get("duedate"):
                read_time(row["duedate"])
    except ValueError as error:
        app.fail("%s", error)
    with _written(rows, app.primary_key) as clean:
        app.extra_args = [clean]
        theirs()


@contextlib.contextmanager
def _written(rows: list[dict[str, str]], key: str) -> Iterator[str]:
    columns = list(dict.fromkeys([key, *(name for row in rows for name in row)]))
    with tempfile.TemporaryDirectory(prefix="autograder-roster-") as folder:
        path = Path(folder, "roster.csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
        yield str(path)


# ── Submissions ────────────────────────────────────────────────────────────────────────────────


def _adopt_first(converter: Any, theirs: Callable[..., Any]) -> None:
    """nbgrader passes over a folder without a notebook before its hook is called."""
    course = converter.coursedir
    for folder in glob.glob(converter._format_source(course.assignment_id, course.student_id)):
        if not glob.glob(os.path.join(glob.escape(folder), "*.ipynb")):
            adopt_folder(course.assignment_id, Path(folder), Path(course.root))
    theirs()


def _keep_times(app: Any, theirs: Callable[..., Any], collected: Mapping[str, Any] | None) -> None:
    """By the time of a file the newest is known."""
    app._brought = bool(collected)
    theirs(collected)
    for data in (collected or {}).values():
        for source, copy in zip(data["src_files"], data["dest_files"], strict=True):
            with contextlib.suppress(OSError):
                shutil.copystat(source, copy)
                os.chmod(copy, 0o644)


def _bring_something(app: Any, theirs: Callable[..., Any]) -> None:
    app._brought = False
    theirs()
    if not app._brought:
        app.fail(
            _(
                "Nothing was collected from %s. Put the archive there as the platform gave it. Where "
                "a line above asks whose a file is, teach the names: c.PlatformCollector.patterns."
            ),
            app._format_collect_path(app.archive_directory),
        )
