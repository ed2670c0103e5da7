"""The gradebook in PostgreSQL: a real server, the same class as in SQLite, the same rows."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from nbgrader.api import Gradebook
from sqlalchemy import MetaData, create_engine, make_url, select, text

from autograder.classes.regrade import regrade
from autograder.classes.report import write_report
from autograder.classes.run import Summary, grade_class, quietly
from autograder.gradebook.record import read_records
from autograder.grading.rounds import current_round
from autograder.release.build import build
from autograder.sample.people import make_class
from tests.test_mid_term import edit, without

if TYPE_CHECKING:
    from tests.conftest import Course

STUDENTS = 6
# Somebody who may not be root: initdb and the server refuse to run as such.
UNPRIVILEGED = "postgres", "nobody"


@dataclass
class Server:
    """A PostgreSQL server that listens on a Unix socket in a folder of its own."""

    folder: Path
    user: str

    def url(self, database: str) -> str:
        """What a course's configuration says."""
        return f"postgresql+psycopg2://{self.user}@/{database}?host={self.folder}"

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """A new database's address."""
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f'create database "{name}"'))
        engine.dispose()
        yield self.url(name)


def program(name: str) -> str:
    """Where one of the server's programs is; Debian puts them on nobody's path."""
    found = shutil.which(name)
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    assert found or places, f"no {name}: install PostgreSQL's server (Debian: postgresql)"
    return found or str(places[-1])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of our own, with nobody else's data."""
    folder = Path(tempfile.mkdtemp(prefix="autograder-pg-", dir="/tmp"))
    user = pwd.getpwuid(os.getuid()).pw_name
    who: dict[str, Any] = {}
    if os.getuid() == 0:
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        entry = next(known[name] for name in UNPRIVILEGED if name in known)
        user = entry.pw_name
        who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        os.chown(folder, entry.pw_uid, entry.pw_gid)

    def run(*command: str) -> None:
        subprocess.run(
            [program(command[0]), *command[1:]],
            check=True,
            cwd=folder,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=120,
            **who,
        )

    data, log = str(folder / "data"), str(folder / "log")
    # Whoever gets into the folder is trusted; nobody else does, and no port is open.
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    try:
        run("initdb", "-D", data, "-U", user, "-A", "trust", "-E", "UTF8", "--no-sync")
        run("pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
        try:
            yield Server(folder, user)
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


@dataclass
class Both:
    """The same class, graded into a gradebook of either kind."""

    sqlite: Course
    postgresql: Course
    urls: dict[str, str]
    summaries: dict[str, Summary]

    def rows(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both gradebooks, table by table."""
        return rows(self.urls["sqlite"]), rows(self.urls["postgresql"])


@pytest.fixture(scope="module")
def both(
    module_course: Course, server: Server, tmp_path_factory: Any, recipe: Any
) -> Iterator[Both]:
    """A sample class with its mistaken and broken notebooks, graded twice with one seed."""
    limits = ("c.GradeSubmission.limits = {'cell_seconds': 5.0, 'call_seconds': 5.0}",)
    module_course.configure(*limits)
    make_class(module_course.project, ["gradient"], STUDENTS, 1)
    current_round(module_course.project, "gradient")
    other = module_course.copy(tmp_path_factory.mktemp("postgresql") / "all")
    with server.database("descent") as url:
        # As the instructors' page has it, with our server's address.
        line = next(b.code for b in recipe("A gradebook in PostgreSQL") if b.language == "python")
        other.configure(line.replace("postgresql+psycopg2://descent@db.example.org/descent", url))
        for course in (module_course, other):
            (course.grading / "gradebook.db").unlink()
            build(course.project, ["gradient"])
        assert not (other.grading / "gradebook.db").exists()
        urls = {
            "sqlite": f"sqlite:///{module_course.grading / 'gradebook.db'}",
            "postgresql": url,
        }
        summaries = {
            name: grade_class(course.project, "gradient", progress=quietly, say=lambda line: None)
            for name, course in (("sqlite", module_course), ("postgresql", other))
        }
        yield Both(module_course, other, urls, summaries)


def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All of a gradebook, sorted, with what an id stands for in its place: the row that has it."""
    engine = create_engine(make_url(url))
    schema = MetaData()
    schema.reflect(engine)
    found: dict[str, list[tuple[Any, ...]]] = {}
    stands_for: dict[Any, Any] = {}
    with engine.connect() as connection:
        for table in schema.sorted_tables:
            keys = {key.parent.name for key in table.foreign_keys}
            made = []
            for row in connection.execute(select(table)).mappings():
                own = {k: stands_for.get(v, v) if k in keys else v for k, v in row.items()}
                identifier = own.get("id")
                if isinstance(identifier, str) and len(identifier) == 32:
                    del own["id"]
                said = tuple(sorted((k, repr(v)) for k, v in own.items()))
                if identifier is not None:
                    stands_for[identifier] = (table.name, said)
                made.append(said)
            found[table.name] = sorted(made)
    engine.dispose()
    return found


def test_every_table_has_the_same_rows(both: Both) -> None:
    sqlite, postgresql = both.rows()
    assert postgresql.keys() == sqlite.keys()
    for table, wanted in sqlite.items():
        assert postgresql[table] == wanted, table
    assert len(sqlite["submitted_assignment"]) == STUDENTS
    assert len(sqlite["grade"]) > 5 * STUDENTS


def test_marks_and_flags_are_the_same(both: Both) -> None:
    marks = [summary.graded for summary in both.summaries.values()]
    assert len(marks[0]) == STUDENTS
    assert marks[0] == marks[1]
    flagged = [summary.flagged for summary in both.summaries.values()]
    assert flagged[0] == flagged[1]


def test_what_is_graded_already_is_left_alone(both: Both) -> None:
    before = rows(both.urls["postgresql"])
    summary = grade_class(both.postgresql.project, "gradient", progress=quietly, say=lambda x: None)
    assert len(summary.skipped) == STUDENTS and not summary.graded
    assert rows(both.urls["postgresql"]) == before


def test_a_regrade_changes_nothing_and_keeps_a_mark_by_hand(both: Both) -> None:
    student = next(iter(both.summaries["postgresql"].graded))
    with gradebook(both) as book:
        grade = book.find_submission_notebook("gradient", "gradient", student).grades[0]
        grade.manual_score = 0.5
        book.db.commit()
        name = grade.name
    assert regrade(both.postgresql.project, "gradient", [student], progress=quietly) == []
    with gradebook(both) as book:
        grade = book.find_grade(name, "gradient", "gradient", student)
        assert grade.manual_score == 0.5
        grade.manual_score = None
        grade.needs_manual_grade = False
        book.db.commit()


@contextmanager
def gradebook(both: Both) -> Iterator[Any]:
    """The one in PostgreSQL."""
    with Gradebook(both.urls["postgresql"], "descent") as book:
        yield book


def test_report_feedback_and_export_work(both: Both) -> None:
    tables = []
    for course in (both.sqlite, both.postgresql):
        assert write_report(course.project, "gradient").is_file()
        course.run("nbgrader export")
        tables.append((course.folder / "grades.csv").read_text().splitlines())
        assert len(list(read_records(course.project, "gradient"))) == STUDENTS
    assert len(tables[0]) == STUDENTS + 1
    assert sorted(tables[0]) == sorted(tables[1])
    both.postgresql.run("nbgrader generate_feedback gradient")
    pages = list((both.postgresql.grading / "feedback").glob("*/gradient/gradient.html"))
    assert len(pages) == STUDENTS


def test_an_edited_set_changes_both_alike(both: Both) -> None:
    """The last test: the set is another one afterwards."""
    student = next(iter(both.summaries["postgresql"].graded))
    told: dict[str, list[str]] = {"sqlite": [], "postgresql": []}
    for name, course in (("sqlite", both.sqlite), ("postgresql", both.postgresql)):
        with Gradebook(both.urls[name], "descent") as book:
            book.find_grade("check-bfgs_update", "gradient", "gradient", student).manual_score = 0.5
            book.db.commit()
        without(course, "bfgs_update")
        edit(course, "py", ("points=4", "points=3"))
        build(course.project, ["gradient"], say=told[name].append)
    assert "  bfgs_update is taken out, 2 points" in told["sqlite"]
    assert f"  {student} bfgs_update: 0.5 points" in told["sqlite"]
    assert told["sqlite"][:-1] == told["postgresql"][:-1]
    assert told["sqlite"][-1] != told["postgresql"][-1]
    kept = Path(told["postgresql"][-1].removeprefix("The marks of what was taken out: "))
    assert f"{student},check-bfgs_update," in kept.read_text("utf-8")
    assert kept.read_text("utf-8").count("check-bfgs_update") == STUDENTS
    sqlite, postgresql = both.rows()
    assert postgresql == sqlite
    assert not any("bfgs_update" in str(row) for table in sqlite.values() for row in table)
