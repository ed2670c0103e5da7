"""The odd ways in which notebooks are handed in: damaged, renamed, converted, late."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.release.byhand import is_by_hand


@dataclass
class HandedIn:
    """A submission on its way: the notebook, its file, and what got lost.

    cells: each exercise's solution source, None where the cell was deleted.
    reports: what was written into the cells that a person marks, where anything was.
    answers: the names of these cells.
    lost: the exercises of which nothing is left.
    """

    notebook: NotebookNode
    filename: str
    submitted: datetime
    cells: dict[str, str | None]
    rng: random.Random
    reports: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    raw: bytes | None = None

    @property
    def data(self) -> bytes:
        """The file's bytes."""
        return _text(self.notebook).encode() if self.raw is None else self.raw

    @property
    def timestamp(self) -> str:
        """The content of nbgrader's timestamp.txt."""
        return self.submitted.strftime("%Y-%m-%d %H:%M:%S.%f %Z")

    def put_in_cells(self) -> None:
        """Write the solutions into the notebook."""
        for name, source in self.cells.items():
            cell = self.solution(name)
            if source is None:
                self.notebook.cells.remove(cell)
            else:
                cell.source = source
        for cell in self.notebook.cells:
            if is_by_hand(cell):
                name = str(cell.metadata.nbgrader.grade_id)
                self.answers.append(name)
                cell.source = self.reports.get(name, cell.source)

    def solution(self, name: str) -> NotebookNode:
        """The solution cell of an exercise."""
        return next(c for c in self.notebook.cells if c.id == f"solution-{name}")

    @property
    def present(self) -> list[str]:
        """The exercises whose solution cell is there."""
        return [name for name, source in self.cells.items() if source is not None]


@dataclass(frozen=True)
class Shape:
    """A way of handing in. loses: whether functions get lost in it."""

    name: str
    change: Callable[[HandedIn], None] | None
    loses: bool = True


def _text(notebook: NotebookNode) -> str:
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _not_a_notebook(it: HandedIn) -> None:
    it.raw = b"Hello, my notebook would not upload, so here are my answers: 42, yes, and no.\n"
    it.lost = set(it.cells)


def _empty_file(it: HandedIn) -> None:
    it.raw = b""
    it.lost = set(it.cells)


def _truncated(it: HandedIn) -> None:
    """The file breaks off in the middle of a solution."""
    name = it.rng.choice(it.present[len(it.present) // 3 :])
    text = _text(it.notebook)
    it.raw = text[: text.index(f'"solution-{name}"') + 40].encode()
    order = [c.id.removeprefix("solution-") for c in it.notebook.cells]
    it.lost = {n for n in it.present if order.index(n) >= order.index(name)}


def _format_3(it: HandedIn) -> None:
    it.raw = _text(nbformat.convert(it.notebook, 3)).encode()


def _metadata_stripped(it: HandedIn) -> None:
    for cell in it.notebook.cells:
        cell.metadata = NotebookNode()
        del cell["id"]
    it.notebook.nbformat_minor = 4


def _checks_deleted(it: HandedIn) -> None:
    checks = [c for c in it.notebook.cells if c.id.startswith("check-")]
    for cell in it.rng.sample(checks, k=max(1, len(checks) // 3)):
        it.notebook.cells.remove(cell)
    it.notebook.cells = [c for c in it.notebook.cells if c.cell_type != "markdown"]


def _duplicated(it: HandedIn) -> None:
    """A first try was kept above, and the check copied: nbgrader's ids are there twice."""
    for name in it.rng.sample(it.present, k=min(2, len(it.present))):
        cell = it.solution(name)
        at = it.notebook.cells.index(cell)
        first_try = NotebookNode(cell, source=f"def {name}(*anything):\n    return 0")
        check = it.notebook.cells[at + 1]
        it.notebook.cells[at : at + 2] = [first_try, cell, check, NotebookNode(check)]


def _reordered(it: HandedIn) -> None:
    """All cells shuffled, but for the imports, which come first."""
    code = next(c for c in it.notebook.cells if c.cell_type == "code")
    others = [c for c in it.notebook.cells if c is not code]
    it.rng.shuffle(others)
    it.notebook.cells = [code, *others]


def _no_code_cells(it: HandedIn) -> None:
    """A solution's cell was turned into text by a slip of the keyboard."""
    cell = it.solution(it.rng.choice(it.present))
    cell.cell_type = "markdown"
    del cell["outputs"], cell["execution_count"]


def _wrong_name(it: HandedIn) -> None:
    stem = it.filename.removesuffix(".ipynb")
    it.filename = it.rng.choice(["Untitled1", f"{stem} (1)", f"{stem}-final-2"]) + ".ipynb"


def _kernel_killed(it: HandedIn) -> None:
    at = it.rng.randrange(2, len(it.notebook.cells))
    kill = new_code_cell("import os\nimport signal\n\nos.kill(os.getpid(), signal.SIGKILL)", id="x")
    it.notebook.cells.insert(at, kill)


def _late(it: HandedIn) -> None:
    it.submitted += timedelta(days=it.rng.randrange(5, 9))


PLAIN = Shape("as it should be", None, loses=False)
SHAPES = [
    Shape("not a notebook", _not_a_notebook),
    Shape("an empty file", _empty_file),
    Shape("broken off", _truncated),
    Shape("nbformat 3", _format_3, loses=False),
    Shape("metadata stripped", _metadata_stripped, loses=False),
    Shape("checks and texts deleted", _checks_deleted, loses=False),
    Shape("cells duplicated", _duplicated, loses=False),
    Shape("cells reordered", _reordered, loses=False),
    Shape("code turned into text", _no_code_cells, loses=False),
    Shape("another file name", _wrong_name, loses=False),
    Shape("kills its kernel", _kernel_killed, loses=False),
    Shape("late", _late, loses=False),
]
