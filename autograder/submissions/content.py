"""Whose notebook it is that was handed in: an answer to this set, another set's, or the release.

Known by what the release gave its cells, and by what they define; nothing is parsed or run.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

# So much of another set's cells, and so little of this one's.
MUCH, LITTLE = 0.5, 0.2


@dataclass(frozen=True)
class Released:
    """What learners were given. names: of functions and classes. ids: of the cells that count.
    sources: the texts of all cells."""

    names: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    files: frozenset[str] = field(default=frozenset())

    def share(self, cells: Sequence[NotebookNode]) -> float:
        """How much of it is in a notebook, from 0 to 1."""
        if not self.ids:
            return 0.0
        there = {cell.metadata.get("nbgrader", {}).get("grade_id") for cell in cells}
        there |= {cell.id for cell in cells}
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        found = sum(name in there or f"solution-{name}" in there for name in self.names)
        found += sum(name not in there and binds(code, name) for name in self.names)
        return min(1.0, found / max(1, len(self.names)))

    def holds_all(self, cells: Sequence[NotebookNode]) -> bool:
        """Whether there is no answer in a notebook: all that was not handed out is code that names
        no function of the set, such as the first cell of an earlier release."""
        written = [cell for cell in cells if cell.source.strip()]
        others = [cell for cell in written if cell.source.strip() not in self.sources]
        ours = len(others) < len(written) and self.share(cells) > 0
        return ours and not any(map(self._may_answer, others))

    def _may_answer(self, cell: NotebookNode) -> bool:
        if cell.cell_type != "code" or re.search(r"import\s*\(?\s*\*", cell.source):
            return True
        return any(re.search(rf"\b{name}\b", cell.source) for name in self.names)


def binds(code: str, name: str) -> bool:
    """Whether a code gives something a name, as far as its lines show."""
    if name not in code:
        return False
    bound = rf"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+{name}\b|^{name}[ \t]*=(?!=)"
    return bool(re.search(bound, code, re.MULTILINE))


def released(exercises: Path | None, assignment: str) -> Released:
    """What was handed out for an assignment; nothing where it is not there."""
    path = None if exercises is None else exercises / assignment / f"{assignment}.ipynb"
    if path is None or not path.is_file():
        return Released()
    return _read(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=32)
def _read(path: Path, _changed: int) -> Released:
    cells = nbformat.read(path, 4).cells
    labelled = [cell for cell in cells if "nbgrader" in cell.metadata]
    solutions = [
        c for c in labelled if c.metadata.nbgrader.get("solution") and c.cell_type == "code"
    ]
    return Released(
        frozenset(cell.metadata.nbgrader.grade_id for cell in solutions),
        frozenset(name for c in labelled for name in (c.id, c.metadata.nbgrader.grade_id)),
        frozenset(cell.source.strip() for cell in cells),
        frozenset(file.name for file in path.parent.iterdir() if file.is_file()),
    )


def other_set(exercises: Path | None, assignment: str, cells: Sequence[NotebookNode]) -> str:
    """The set whose notebook it is, if that is another one; else nothing."""
    if exercises is None or released(exercises, assignment).share(cells) >= LITTLE:
        return ""
    names = sorted(path.stem for path in exercises.glob("*/*.ipynb") if path.stem != assignment)
    shares = {name: released(exercises, name).share(cells) for name in names}
    best = max(shares, key=lambda name: shares[name], default="")
    return best if best and shares[best] >= MUCH else ""
