"""Exercises that were renamed in mid-term: what was handed in under an old name still counts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.i18n import _
from autograder.judging.sets import ExerciseSet
from autograder.project import Project, write_whole


@dataclass(frozen=True)
class Former:
    """The names that an assignment's exercises had before, and those they have now."""

    names: Mapping[str, str] = field(default_factory=dict)

    def part(self, name: str) -> str:
        """What a part, or the exercise, is called by now."""
        seen = set()
        while name not in seen:
            seen.add(name)
            whole, dot, step = name.partition(".")
            name = self.names.get(name) or self.names.get(whole, whole) + dot + step
        return name

    def cell(self, grade_id: str) -> str:
        """What one of its cells is called by now."""
        for kind in ("check-", "report-", ""):
            if grade_id.startswith(kind):
                name = grade_id.removeprefix(kind).replace("-", ".", 1)
                if kind != "check-":
                    name = grade_id.removeprefix(kind)
                now = self.part(name)
                if now != name:
                    return kind + now.replace(".", "-")
        return grade_id

    def follow(self, cells: list[NotebookNode], exercise_set: ExerciseSet) -> list[str]:
        """Give the cells of a submission the labels of today, and its functions their names, beside
        their own; says which."""
        if not self.names:
            return []
        parts = {part.name for part in exercise_set.parts}
        parts |= {part.exercise for part in exercise_set.parts}
        told = []
        for cell in cells:
            self._relabel(cell, parts)
        for old in self.names:
            new = self.part(old)
            if old in parts or new not in parts:
                continue
            code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
            if _defines(code, old) and not _defines(code, new):
                homes = [i for i, cell in enumerate(cells) if _defines(cell.source, old)]
                cells.insert(homes[-1] + 1, new_code_cell(f"{new} = {old}"))
                told.append(
                    _("{old} is called {new} by now: yours counts.").format(old=old, new=new)
                )
        return told

    def _relabel(self, cell: NotebookNode, parts: set[str]) -> None:
        label = cell.metadata.get("nbgrader")
        grade_id = label.get("grade_id") if isinstance(label, dict) else None
        if isinstance(grade_id, str):
            label["grade_id"] = self.cell(grade_id)
        kind, dash, name = str(cell.get("id", "")).partition("-")
        if dash and kind in ("solution", "check", "report"):
            cell.id = f"solution-{self.part(name)}" if kind == "solution" else self.cell(cell.id)
        called = re.fullmatch(r'check\((\w+)(?:, "(\w+)")?\)', cell.source.strip())
        if called:
            old = ".".join(filter(None, called.groups()))
            new = self.part(old)
            if old not in parts and new in parts:
                whole, _dot, step = new.partition(".")
                cell.source = f'check({whole}, "{step}")' if step else f"check({whole})"


def _defines(code: str, name: str) -> bool:
    last = name.rpartition(".")[2]
    return bool(re.search(rf"^[ \t]*(?:(?:async )?def|class)[ \t]+{last}\b", code, re.MULTILINE))


def _file(project: Project, assignment: str) -> Path:
    return project.grading / "renamed" / f"{assignment}.json"


def read_former(project: Project, assignment: str) -> Former:
    """The former names of an assignment's exercises."""
    try:
        return Former(json.loads(_file(project, assignment).read_text("utf-8")))
    except (FileNotFoundError, PermissionError):
        # Whoever may not read what was handed in grades a file of their own.
        return Former()


def remember(project: Project, assignment: str, names: Mapping[str, str]) -> Former:
    """Add to the former names, for all gradings to come."""
    before = read_former(project, assignment).names
    # A name that is back is no former one.
    known = {k: v for k, v in {**before, **names}.items() if k not in names.values()}
    write_whole(_file(project, assignment), json.dumps(known, indent=1))
    return Former(known)
