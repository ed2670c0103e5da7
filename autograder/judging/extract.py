"""A reference or a mistake as text that stands alone, as a learner would have written it.

A mistake may say `gabor.reference(...)` or use a helper of its module. In a learner's notebook
neither is there, so the text takes along what it uses: references under private names, so that a
learner's own function of that name plays no part.
"""

from __future__ import annotations

import ast
import functools
import inspect
from typing import Any

from autograder.code import names, source
from autograder.exercise import ClassExercise, Exercise
from autograder.judging.sets import ExerciseSet

IN_EVERY_NOTEBOOK = {"np", "plt"}


def standalone(exercise_set: ExerciseSet, thing: Any, name: str) -> str:
    """The source of a function or class under another name, after what it uses of its module.

    Raises
    ------
    OSError, TypeError where there is no source to be had.
    """
    return "\n\n\n".join([*needs(exercise_set, thing), _Rewriter(exercise_set).text(thing, name)])


def needs(exercise_set: ExerciseSet, thing: Any) -> list[str]:
    """What a function or class uses of its module, as source, each before what uses it."""
    module = _Module(exercise_set)
    module.collect(thing, "it")
    return list(module.made.values())


class _Rewriter(ast.NodeTransformer):
    """Renames a definition, takes its annotations off and notes what it uses of its module."""

    def __init__(self, exercise_set: ExerciseSet) -> None:
        self.module = exercise_set.module
        self.there = {*IN_EVERY_NOTEBOOK, *exercise_set.given}
        self.used: dict[str, None] = {}
        self._local: set[str] = set()
        self._old = self._new = ""

    def text(self, thing: Any, name: str) -> str:
        """The rewritten source."""
        node: Any = ast.parse(source.bare(thing)).body[0]
        self._old, self._new = node.name, name
        self._local = names.local(node)
        node.name = name
        return ast.unparse(self.visit(node))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> Any:
        node.annotation = None
        return node

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        if node.attr == "reference" and isinstance(node.value, ast.Name):
            value = self.visit(node.value)
            if value.id != node.value.id or self._is_exercise(node.value.id):
                return value
        if node.attr == "mistakes" and isinstance(node.value, ast.Name):
            raise TypeError(f"{ast.unparse(node)}: a learner's function has no list of mistakes")
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id in self._local:
            return node
        if node.id == self._old:
            return ast.Name(self._new, node.ctx)
        if self._is_exercise(node.id):
            self.used[node.id] = None
            return ast.Name("_" + node.id, node.ctx)
        if hasattr(self.module, node.id) and node.id not in self.there:
            self.used[node.id] = None
        return node

    def _is_exercise(self, name: str) -> bool:
        value = getattr(self.module, name, None)
        return isinstance(value, Exercise | ClassExercise) and name not in self.there


class _Module:
    """Collects definitions of a solutions module, in the order in which they are needed."""

    def __init__(self, exercise_set: ExerciseSet) -> None:
        self.exercise_set = exercise_set
        self.made: dict[str, str] = {}
        self._under_way: set[str] = set()
        self._names = _names(exercise_set)

    def collect(self, thing: Any, name: str) -> str:
        """The rewritten source of a thing, after everything that it uses was collected."""
        rewriter = _Rewriter(self.exercise_set)
        text = rewriter.text(thing, name)
        for used in rewriter.used:
            self._add(used)
        return text

    def _add(self, name: str) -> None:
        if name in self.made or name in self._under_way:
            return
        self._under_way.add(name)
        value = getattr(self.exercise_set.module, name)
        if isinstance(value, Exercise | ClassExercise):
            self.made[name] = self.collect(value.reference, "_" + name)
        elif isinstance(statement := self._names.last(name), ast.FunctionDef | ast.ClassDef):
            self.made[name] = self.collect(getattr(value, "function", value), name)
        elif statement is not None:
            self.made[name] = ast.unparse(statement)


@functools.lru_cache(maxsize=16)
def _names(exercise_set: ExerciseSet) -> names.Names:
    return names.Names(inspect.getsource(exercise_set.module))
