"""Files that learners are given: `hand_out` names references, and this writes them down.

A file holds what was named and all that this uses of its modules, each before what uses it, as a
learner would have written it. So it is in step with the references by construction.
"""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from autograder.code import names, source
from autograder.exercise import AuthorError, HandOut
from autograder.judging.sets import ExerciseSet


def write_given(exercise_set: ExerciseSet, folder: Path) -> None:
    """Write the files that a set hands out into a folder."""
    for file in exercise_set.hand_outs:
        (folder / file.filename).write_text(given_text(file), "utf-8")


def given_text(file: HandOut) -> str:
    """The text of a handed out file; the same for the same sources."""
    found = _Collected(file.filename)
    for thing in file.things:
        found.add(thing)
    public = ", ".join(f'"{name}"' for name in file.names)
    head = [
        f'"""{file.about.strip()}"""',
        "\n".join(sorted(found.imports)),
        f"__all__ = [{public}]",
    ]
    return "\n\n\n".join(["\n\n".join(filter(None, head)), *found.made.values()]) + "\n"


class _Collected:
    """Definitions in the order in which they are needed, and the imports of libraries."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.imports: set[str] = set()
        self.made: dict[str, str] = {}
        self._whose: dict[str, str] = {}

    def add(self, thing: Any) -> None:
        """A function or class, after what it uses of its module."""
        reference = getattr(thing, "reference", getattr(thing, "function", thing))
        if self._is_new(reference.__name__, reference.__module__):
            text = source.written(reference)
            self._add_needs(ast.parse(text), sys.modules[reference.__module__])
            self.made[reference.__name__] = text

    def _is_new(self, name: str, module: str) -> bool:
        whose = self._whose.setdefault(name, module)
        if whose != module:
            raise AuthorError(
                f"hand_out({self.filename!r}): {name} is one thing in {whose} and another in "
                f"{module}; rename one."
            )
        return name not in self.made

    def _add_needs(self, tree: ast.AST, module: ModuleType) -> None:
        index = names.Names(inspect.getsource(module))
        own = names.local(tree)
        for name in (n.id for n in ast.walk(tree) if isinstance(n, ast.Name)):
            statement = index.last(name)
            if statement is None or name in own:
                continue
            if isinstance(statement, ast.FunctionDef | ast.ClassDef) or _is_a_neighbours(statement):
                self.add(getattr(module, name))
            elif isinstance(statement, ast.Import | ast.ImportFrom):
                self.imports.add(_only(statement, name))
            elif isinstance(statement, ast.Assign) and self._is_new(name, module.__name__):
                self._add_needs(statement.value, module)
                self.made[name] = ast.unparse(statement)


def _is_a_neighbours(statement: ast.stmt) -> bool:
    """Whether a name is imported from another set."""
    return isinstance(statement, ast.ImportFrom) and statement.level > 0


def _only(statement: names.Import, name: str) -> str:
    """The import of one name."""
    wanted = [alias for alias in statement.names if names.imported_as(statement, alias) == name]
    if isinstance(statement, ast.Import):
        return ast.unparse(ast.Import(wanted))
    return ast.unparse(ast.ImportFrom(statement.module, wanted, statement.level))
