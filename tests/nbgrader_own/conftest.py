"""The fixtures that nbgrader's own tests ask for, from nbgrader."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbgrader.tests.apps.conftest import course_dir, temp_cwd

__all__ = ["course_dir", "temp_cwd"]


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """nbgrader's tests put another mapping in the place of `os.environ` and leave it there; and
    nbgrader calls `alembic` by its bare name, also where no virtual environment is activated."""
    kept, path = os.environ, list(sys.path)
    before = kept.get("PATH", "")
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    yield
    os.environ = kept  # noqa: B003 - this is the one that reaches the processes we start
    os.environ["PATH"] = before
    sys.path[:] = path
