"""nbgrader's own tests of the preprocessor that saves the marks, run against ours."""

from __future__ import annotations

import pytest
from nbgrader.tests.preprocessors import test_saveautogrades as theirs
from nbgrader.tests.preprocessors.conftest import db
from nbgrader.tests.preprocessors.test_saveautogrades import (
    TestSaveAutoGrades,
    gradebook,
    preprocessors,
    resources,
)

from autograder.gradebook.preprocessors import SaveGrades
from tests.nbgrader_own.exactly import mark

__all__ = ["TestSaveAutoGrades", "db", "gradebook", "preprocessors", "resources"]

SAMPLE = ("test_grade_correct_code", "test_grade_existing_manual_grade")
DEVIATIONS: dict[str, str] = {}

mark(TestSaveAutoGrades, SAMPLE, DEVIATIONS)


@pytest.fixture(autouse=True)
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put ours in the place of nbgrader's."""
    monkeypatch.setattr(theirs, "SaveAutoGrades", SaveGrades)
