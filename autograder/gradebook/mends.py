"""What nbgrader 0.9.6 does wrong where it has no extension point: put right, method by method.

`nbgrader_config.py` calls `mend`, so it holds for every command of nbgrader's in this course, and
for Formgrader. Each mend keeps nbgrader's own method and goes before or after it.
"""

from __future__ import annotations

import contextlib
import csv
import glob
import html
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial, wraps
from pathlib import Path
from typing import Any

import nbgrader.utils
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory

from autograder.gradebook.reader import look_at, readable, unusable
from autograder.gradebook.roster import read_roster, read_table
from autograder.i18n import _
from autograder.release.configuration import file_of, make_private, see_to_rights
from autograder.release.trouble import told_and_ended
from autograder.submissions.names import unfit
from autograder.submissions.times import read_time, timestamp_of

FORMGRADER = "nbgrader.server_extensions.formgrader.formgrader"
GENERATE = "nbgrader.converters.generate_assignment"
PAGES = "nbgrader.server_extensions.formgrader.base"
# Among the settings of the server: which file its gradebook is.
OPENED = "autograder_opened"


def mend() -> None:
    """Put nbgrader's own parts right, as far as this process has imported them: whoever runs one of
    its commands has, before the configuration is read."""
    # Due dates go through it, on the command line and in Formgrader.
    nbgrader.utils.parse_utc = _parse_utc
    CourseDirectory.get_existing_timestamp = _existing_timestamp
    for called, loaded in [*sys.modules.items()]:
        if called.startswith("nbgrader.") and getattr(loaded, "glob", None) is glob:
            loaded.glob = Literal  # type: ignore[attr-defined]
    for module, owner, name, ours in (
        ("nbgrader.apps.baseapp", "NbGrader", "start", _close_and_tell),
        (FORMGRADER, "FormgradeExtension", "init_tornado_settings", _close_first),
        (PAGES, "BaseHandler", "prepare", _usable_first),
        ("nbgrader.apps.api", "NbGraderAPI", "get_submitted_timestamp", _submitted_timestamp),
        ("nbgrader.apps.dbapp", "DbAssignmentAddApp", "start", _with_due_date),
        ("nbgrader.apps.dbapp", "DbStudentAddApp", "start", _with_fit_id),
        ("nbgrader.apps.dbapp", "DbGenericImportApp", "start", _import_clean),
        ("nbgrader.converters.base", "BaseConverter", "start", _look_first),
        ("nbgrader.converters.autograde", "Autograde", "init_notebooks", _adopt_first),
        (GENERATE, "GenerateAssignment", "_clean_old_notebooks", _only_where_nobody_handed_in),
        (GENERATE, "GenerateAssignment", "set_permissions", _then_clean),
        ("nbgrader.apps.exportapp", "ExportApp", "start", _from_a_copy),
        ("nbgrader.apps.zipcollectapp", "ZipCollectApp", "_transfer_files", _keep_times),
        ("nbgrader.apps.zipcollectapp", "ZipCollectApp", "start", _bring_something),
    ):
        if module in sys.modules:
            _around(getattr(sys.modules[module], owner), name, ours)


def _around(owner: type, name: str, ours: Callable[..., Any]) -> None:
    """Have a method of ours in the place of nbgrader's, which it gets; once."""
    theirs = getattr(owner, name)
    if hasattr(theirs, "mended"):
        return

    @wraps(theirs)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return ours(self, partial(theirs, self), *args, **kwargs)

    method.mended = True  # type: ignore[attr-defined]
    setattr(owner, name, method)


def _close_first(app: Any, theirs: Callable[..., Any], *given: Any) -> None:
    """nbgrader leaves marks to be read by whoever has an account on the machine. In a fresh clone
    the folder of its gradebook is not there yet."""
    book = file_of(CourseDirectory(config=app.config).db_url)
    if book is not None and not book.parent.exists():
        with contextlib.suppress(OSError):
            make_private(book.parent)
    see_to_rights(app.config)
    theirs(*given)


def _close_and_tell(app: Any, theirs: Callable[..., Any]) -> None:
    """Of nbgrader's applications the outermost starts the one that was typed: where the gradebook
    cannot be used, that one would end in a hundred lines."""
    with told_and_ended(app.log):
        _close_first(app, theirs)


# ── Folders ────────────────────────────────────────────────────────────────────────────────────


class Literal:
    """The module `glob`, as nbgrader uses it: of a pattern, what is there by that very name is no
    pattern. A course may lie below a folder `[2026]`."""

    @staticmethod
    def glob(pattern: str) -> list[str]:
        """The paths that a pattern means."""
        there = pattern
        while there and not os.path.lexists(there):
            there = os.path.dirname(there)
        return glob.glob(glob.escape(there) + pattern[len(there) :])


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


# ── Marks ──────────────────────────────────────────────────────────────────────────────────────


async def _usable_first(page: Any, theirs: Callable[..., Any]) -> None:
    """Formgrader asks for its tables after the page is there: where they do not come, because the
    gradebook is an older one, say, it loads for ever."""
    ready = theirs()
    if ready is not None:
        await ready
    _open_anew(page)
    asked_by_page = "/formgrader/api/" in page.request.path
    if page._finished or asked_by_page or not page.current_user:
        return
    why = unusable(page.coursedir)
    if why:
        page.log.error("%s", why)
        page.set_status(503)
        title = _("Formgrader cannot show the marks")
        again = _("Then load this page again.")
        told = f"<h1>{title}</h1><p>{html.escape(why)}</p><p>{again}</p>"
        page.finish(f"<!DOCTYPE html><title>{title}</title><main>{told}</main>")


def _open_anew(page: Any) -> None:
    """Formgrader keeps the gradebook open for as long as it runs: where a backup or another term's
    is put in its place, what is typed would go into the one that was taken away."""
    file = file_of(page.coursedir.db_url)
    there = None
    if file is not None and file.exists():
        status = file.stat()
        there = status.st_dev, status.st_ino
    if page.settings.get(OPENED) != there:
        if page.settings["nbgrader_gradebook"] is not None:
            page.settings["nbgrader_gradebook"].close()
        page.settings["nbgrader_gradebook"] = None
        page.settings[OPENED] = there


def _look_first(converter: Any, theirs: Callable[..., Any]) -> None:
    """nbgrader keeps what the gradebook's database says to itself, and shows where it said so."""
    book = file_of(converter.coursedir.db_url)
    if not getattr(converter, "no_database", False) and (book is None or book.exists()):
        look_at(converter.coursedir)
    theirs()


def _from_a_copy(app: Any, theirs: Callable[..., Any]) -> None:
    """Where this account may only read."""
    with readable(app.coursedir.db_url) as url:
        app.coursedir.db_url = url
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
    students = app.primary_key == "id"
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


# ── Notebooks of an assignment ─────────────────────────────────────────────────────────────────


def _only_where_nobody_handed_in(
    converter: Any, theirs: Callable[..., Any], assignment: str, student: str
) -> None:
    """nbgrader gives up where somebody has handed in; here that waits until all is made."""
    with Gradebook(converter.coursedir.db_url, converter.coursedir.course_id) as gradebook:
        if gradebook.find_assignment(assignment).submissions:
            return
    theirs(assignment, student)


def _then_clean(converter: Any, theirs: Callable[..., Any], assignment: str, student: str) -> None:
    """Notebooks that are no part of an assignment any more leave the gradebook, when the release is
    made."""
    from autograder.gradebook.revision import take_out
    from autograder.release.build import TOLD

    theirs(assignment, student)
    course = converter.coursedir
    if converter.no_database or course.notebook_id != "*":
        return
    there = {Path(path).stem for path in converter.notebooks}
    with Gradebook(course.db_url, course.course_id) as gradebook:
        known = {notebook.name for notebook in gradebook.find_assignment(assignment).notebooks}
        for line in take_out(gradebook, converter.config, assignment, known - there):
            converter.log.warning("%s", line, extra={TOLD: True})


# ── Submissions ────────────────────────────────────────────────────────────────────────────────


def _adopt_first(converter: Any, theirs: Callable[..., Any]) -> None:
    """nbgrader passes over a folder without a notebook before its hook is called."""
    from autograder.gradebook.preprocessors import adopt_folder

    course = converter.coursedir
    for folder in Literal.glob(converter._format_source(course.assignment_id, course.student_id)):
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
                "Nothing was collected from %s. Put the archive there as the platform gave it. "
                "Where a line above asks whose a file is, teach it the names with "
                "c.PlatformCollector.patterns in local_config.py."
            ),
            app._format_collect_path(app.archive_directory),
        )
