"""nbgrader's own tests of `nbgrader autograde`, run against `autograder autograde`.

They come with nbgrader's wheel. Every other nbgrader command in them stays nbgrader's.
"""

from __future__ import annotations

from typing import Any

import pytest
from nbgrader.tests.apps import test_nbgrader_autograde as theirs
from nbgrader.tests.apps.conftest import db
from nbgrader.tests.apps.test_nbgrader_autograde import TestNbGraderAutograde

from autograder.cli import main
from tests.nbgrader_own.exactly import mark

__all__ = ["db", "TestNbGraderAutograde"]

pytestmark = pytest.mark.timeout(900)

# By the name of a test: why ours does otherwise.
DEVIATIONS: dict[str, str] = {
    "test_grade_empty_timestamp": (
        "it wants a failure where a time cannot be read; ours grades it as untimed, and says so"
    ),
    "test_handle_failure_single_notebook": (
        "it wants an empty folder where grading failed; ours has a folder where there are marks"
    ),
}

# What has most to do with what is ours: marks, cheats, files, limits, kernels.
SAMPLE = (
    "test_help",
    "test_grade",
    "test_showtraceback_exploit",
    "test_side_effects",
    "test_infinite_loop",
    "test_missing_source_kernelspec",
)

mark(TestNbGraderAutograde, SAMPLE, DEVIATIONS)


@pytest.fixture(autouse=True)
def ours(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Start our command where the tests start nbgrader's `autograde`; what it was asked."""
    asked: list[list[str]] = []

    def run_nbgrader(arguments: list[str], retcode: int = 0, **how: Any) -> Any:
        if arguments[0] != "autograde":
            return run_theirs(arguments, retcode=retcode, **how)
        asked.append(arguments)
        assert not how, "nbgrader's tests look at what autograde says: then we must hand it over"
        assert main(arguments) == retcode
        return ""

    run_theirs = theirs.run_nbgrader
    monkeypatch.setattr(theirs, "run_nbgrader", run_nbgrader)
    return asked
