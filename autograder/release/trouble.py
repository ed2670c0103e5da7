"""What is told where the gradebook or a file cannot be used: the reason, and what to do."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
import sys
from collections.abc import Iterator
from logging import Logger

from sqlalchemy.exc import SQLAlchemyError

from autograder.i18n import _

# Whoever may only read a gradebook copies it without SQLAlchemy.
BROKEN = (SQLAlchemyError, sqlite3.Error)

# What somebody can mend who is told the file: no right, no room.
OF_THE_DISK = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)

# What databases say, in the order in which it is looked for, and what an instructor is told.
REASONS = (
    (
        ("no such column", "no such table", "has no column", "does not exist"),
        _(
            "it was made by an older nbgrader, or is none. In the course's folder run "
            "`nbgrader db upgrade`, which keeps a copy; then start again"
        ),
    ),
    (
        ("locked", "could not obtain lock", "deadlock"),
        _(
            "somebody else keeps it locked. Close what else uses it, and start again: what is "
            "graded already stays"
        ),
    ),
    (
        ("unable to open", "readonly", "read-only", "permission denied"),
        _(
            "you may not open or write it. Its folder must be there, and you need the right to "
            "write to both"
        ),
    ),
    (
        ("not a database", "malformed", "disk image"),
        _("the file is damaged, or no gradebook: put a backup in its place"),
    ),
    (("full", "disk i/o"), _("its disk has no room, or fails: what is graded already stays")),
    (
        ("could not connect", "connection", "could not translate"),
        _("its server does not answer: see CourseDirectory.db_url in nbgrader_config.py"),
    ),
)


@contextlib.contextmanager
def told_and_ended(log: Logger) -> Iterator[None]:
    """In an application of nbgrader's: where the gradebook cannot be used, or a file not be read or
    written, one line and code 2."""
    try:
        yield
    except (*BROKEN, OSError) as error:
        told = of_the_disk(error) if isinstance(error, OSError) else trouble(error)
        if not told:
            raise
        log.error("%s", told)
        sys.exit(2)


def of_the_disk(error: OSError) -> str:
    """What no disk or account gives, in a sentence; nothing where that is not what failed."""
    if error.errno not in OF_THE_DISK:
        return ""
    return _("{file}: {why}. What was finished stays: mend this and start again.").format(
        file=error.filename or _("the disk"), why=error.strerror
    )


def trouble(error: BaseException | None) -> str:
    """What is wrong with the gradebook, in a sentence; nothing where that is not what failed."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, BROKEN):
            said = " ".join(str(getattr(error, "orig", None) or error).split())
            why = next((w for words, w in REASONS if any(x in said.lower() for x in words)), "")
            return _("the gradebook cannot be used: {why} ({said}).").format(
                why=why or _("see what its database says"), said=said[:200]
            )
        error = error.__cause__ or error.__context__
    return ""
