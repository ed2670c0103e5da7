"""Grading rounds: the secret seed from which an assignment's hidden cases are made.

One seed serves the whole class, and every regrade, until feedback is out; then a new round
begins. It is written down with every mark, and never sent to the runner.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from autograder.project import Project, write_whole


@dataclass
class Round:
    """One grading round of an assignment."""

    assignment: str
    number: int
    seed: str
    opened: str
    closed: str | None = None


def current_round(project: Project, assignment: str) -> Round:
    """The open round; a new one where there is none, or the last was closed."""
    last = _read(project, assignment)
    if last is not None and last.closed is None:
        return last
    number = 1 if last is None else last.number + 1
    fresh = Round(assignment, number, new_seed(), _now())
    _write(project, fresh)
    return fresh


def new_seed() -> str:
    """A seed that nobody can guess: a number, as `grade-notebook --seed` takes it."""
    return str(secrets.randbits(63))


def close_round(project: Project, assignment: str) -> None:
    """Feedback is out: the next grading uses a new seed."""
    last = _read(project, assignment)
    if last is not None and last.closed is None:
        last.closed = _now()
        _write(project, last)


def _file(project: Project, assignment: str) -> Path:
    return project.grading / "rounds" / f"{assignment}.json"


def _read(project: Project, assignment: str) -> Round | None:
    file = _file(project, assignment)
    if not file.is_file():
        return None
    return Round(**json.loads(file.read_text("utf-8")))


def _write(project: Project, value: Round) -> None:
    """All or nothing: a half-written seed would make marks that nobody can reproduce."""
    write_whole(_file(project, value.assignment), json.dumps(asdict(value), indent=1))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
