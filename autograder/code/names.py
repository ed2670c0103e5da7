"""Which names a piece of source binds and which it uses: the one index of them."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

Import = ast.Import | ast.ImportFrom


@dataclass(frozen=True)
class Statement:
    """A statement at a module's top level; start and end are places in the module's text."""

    node: ast.stmt
    start: int
    end: int
    binds: frozenset[str]
    uses: frozenset[str]


class Names:
    """The names of a module's top-level statements, found in one walk."""

    def __init__(self, text: str) -> None:
        starts = [0]
        for line in text.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self.statements: list[Statement] = []
        self.where: dict[str, list[int]] = {}
        for node in ast.parse(text).body:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            span = (starts[first - 1], starts[node.end_lineno or first])
            for name in (binds := bound(node)):
                self.where.setdefault(name, []).append(len(self.statements))
            self.statements.append(Statement(node, *span, frozenset(binds), frozenset(used(node))))

    @property
    def imports(self) -> list[Import]:
        """The imports at the module's top level."""
        return [s.node for s in self.statements if isinstance(s.node, Import)]

    def last(self, name: str) -> ast.stmt | None:
        """The last statement that binds a name, None where none does."""
        return self.statements[self.where[name][-1]].node if name in self.where else None

    def closure(self, statements: Iterable[int]) -> list[Statement]:
        """The statements of these numbers and those that they use, in the order of the module."""
        wanted: set[int] = set()
        left = list(statements)
        while left:
            number = left.pop()
            if number not in wanted:
                wanted.add(number)
                left += [
                    n for name in self.statements[number].uses for n in self.where.get(name, [])
                ]
        return [self.statements[number] for number in sorted(wanted)]


def used(node: ast.AST) -> set[str]:
    """The names that stand anywhere in a piece of source, bound there or not."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def bound(node: ast.stmt) -> set[str]:
    """The names that a statement binds where it stands."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, Import):
        return {imported_as(node, alias) for alias in node.names}
    return _stored(ast.walk(node))


def imported_as(node: Import, alias: ast.alias) -> str:
    """The name that an import binds for one of the things that it names."""
    whole = isinstance(node, ast.Import)
    return alias.asname or (alias.name.partition(".")[0] if whole else alias.name)


def local(tree: ast.AST) -> set[str]:
    """The names that a function, or a text, has of its own at any depth: parameters, and what is
    stored or defined there. A method is no name, and neither is the function's own."""
    nodes = [node for node in ast.walk(tree) if node is not tree]
    methods = {id(item) for n in nodes if isinstance(n, ast.ClassDef) for item in n.body}
    methods |= {id(item) for item in getattr(tree, "body", []) if isinstance(tree, ast.ClassDef)}
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)
    named = {n.name or "" for n in nodes if isinstance(n, kinds) and id(n) not in methods}
    return named | _stored(nodes) | {n.arg for n in nodes if isinstance(n, ast.arg)}


def _stored(nodes: Iterable[ast.AST]) -> set[str]:
    return {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
