"""Which functions can be judged in one snapshot, so that the runner forks once and not for each.

A function is judged as it was where its check stands, and what its calls change is dropped. One
that reads nothing but its arguments, libraries, constants and others of its kind can wait while
cells run that do no more than such a function does, and bind no name that it reads: for it that
later state is the same, and so is a process in which others of its kind were called. After a
cell that may change a library, or bind names that do not stand in it, nobody waits. Whatever else
there is gets a snapshot of its own.

This saves time and decides no mark: who deceives it judges their own functions in a state that
they spoilt themselves.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

from autograder.code import names
from autograder.code.source import globals_read

MODULES = {"cmath", "math", "numpy", "scipy", "torch"}
# Imports that run no file of the learner's and leave everything else as it was.
QUIET = MODULES | {"autograder", "itertools", "functools", "matplotlib", "sklearn"}
UNTAME = {
    *("__import__", "breakpoint", "compile", "delattr", "eval", "exec", "exit", "getattr"),
    *("globals", "help", "input", "locals", "open", "quit", "setattr", "super", "vars"),
}
# What IPython binds again from one cell to the next, or is a way to everything.
ITS_SHELLS = {"In", "Out", "exit", "get_ipython", "quit"}
# What changes a library for everybody.
SETTINGS = re.compile(r"seed|set_|seterr|setbuf|manual_seed|use_|enable_|reset")
# Ways to bind a name that does not stand in the cell, or to put something else in a library's
# place: as names, modules or attributes.
HIDDEN = {
    *("__builtins__", "__dict__", "__globals__", "__import__", "__main__", "__setattr__"),
    *("builtins", "code", "compile", "ctypes", "delattr", "eval", "exec", "gc", "get_ipython"),
    *("globals", "importlib", "inspect", "locals", "mock", "runpy", "setattr", "sys", "unittest"),
    "vars",
}
KNOWN = QUIET | (sys.stdlib_module_names - HIDDEN) | {"IPython", "PIL", "pandas", "tqdm"}
# The one line that notebooks begin with and that binds no name. Other magics may do anything.
MAGIC = re.compile(r"^%matplotlib .*$", re.MULTILINE)


class Check(NamedTuple):
    """Where a part's check stands. alone: whether its cell has limits of its own."""

    function: str
    alone: bool


Step = Check | str
"""What happens in a notebook's run: a check, or a cell with this source."""


def plan(steps: Sequence[Step], *, alone: bool = False) -> list[str]:
    """When snapshots are taken. alone: none is waited for.

    Of a check: "now"; "same", where it stands beside another of the same class; "wait", until a
    later one. Of a cell: "take" those that wait before it runs, or "run" it.
    """
    made, sharing, same_class = [], Sharing(), ""
    for step in steps:
        if isinstance(step, str):
            take = not alone and sharing.runs(step)
            if take:
                sharing.taken()
            made.append("take" if take else "run")
            same_class = "" if step.strip() else same_class
        elif step.function == same_class:
            made.append("same")
        elif not (alone or step.alone) and sharing.may_wait(step.function):
            made.append("wait")
        else:
            made.append("now")
            same_class = step.function
    return made


class Sharing:
    """What the cells that ran so far bind and read; what those that wait must find unchanged."""

    def __init__(self) -> None:
        self._bound: dict[str, list[ast.FunctionDef | str]] = defaultdict(list)
        self._reads: dict[str, set[str]] = {}
        self._anything = False
        self._watched: set[str] = set()

    def may_wait(self, function: str) -> bool:
        """Whether a function, whose check stands here, can be judged in a later state. If so, all
        that it reads is watched from now on."""
        is_function = isinstance(next(iter(self._bound.get(function, [])), None), ast.FunctionDef)
        found = self._reached({function}) if is_function and not self._anything else None
        self._watched |= found or set()
        return found is not None

    def runs(self, source: str) -> bool:
        """Take note of a cell that is about to run. Whether those that wait must have their
        snapshot before."""
        tree = _parsed(source)
        if tree is None:
            self._anything = True
            return bool(self._watched)
        self._reads |= globals_read(MAGIC.sub("pass", source))
        earlier = set(self._bound)
        bound = [binding for statement in tree.body for binding in _bindings(statement)]
        for name, what in bound:
            self._bound[name].append(what)
        self._anything = self._anything or any(map(_hides, ast.walk(tree)))
        # A star binds names that nobody sees.
        seen = {name for name, _what in bound}.isdisjoint(self._watched | {"*"})
        return bool(self._watched) and not (seen and self._is_tame(tree, earlier))

    def taken(self) -> None:
        """Those that waited have their snapshot."""
        self._watched.clear()

    def _is_tame(self, cell: ast.Module, earlier: set[str]) -> bool:
        """Whether all that a cell does, beside binding names, a function could do that waits.
        earlier: names that were bound before it."""
        does = [statement for statement in cell.body if not _is_inert(statement)]
        own: set[str] = set()
        free: set[str] = set()
        for statement in does:
            bound = names.local(ast.Module([statement], []))
            nodes = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
            free |= {n.id for n in nodes if isinstance(n.ctx, ast.Load)} - own - (bound - earlier)
            own |= bound
        return self._may(does, free) and self._reached(free, but=own - free) is not None

    def _reached(self, start: set[str], but: Container[str] = ()) -> set[str] | None:
        """These names and all that they read but some; None where one reads or changes what others
        could see."""
        found: set[str] = set()
        left = [*start]
        while left:
            name = left.pop()
            if name in found or name in but:
                continue
            found.add(name)
            bound = self._bound.get(name, [])
            node = bound[0] if bound else ""
            if len(bound) > 1 or node == "other":
                return None
            if isinstance(node, ast.FunctionDef):
                free = self._reads.get(name)
                if free is None or not self._may([node.args, *node.body], free):
                    return None
                left += free
            elif not node and (name.startswith("_") or name in ITS_SHELLS):
                return None
        return found

    def _may(self, pieces: Sequence[ast.AST], free: set[str]) -> bool:
        """Whether these pieces of code, which take such names from outside, change nothing but what
        they are given and what they make."""
        modules = {name for name, bound in self._bound.items() if bound == ["module"]}
        allowed = (*_EXPRESSIONS, *_STATEMENTS)
        for node in (node for piece in pieces for node in ast.walk(piece)):
            if not isinstance(node, allowed):
                return False
            if isinstance(node, ast.FunctionDef) and not _is_plain(node):
                return False
            if isinstance(node, ast.Attribute) and not _only_reads(node, free, modules):
                return False
            written = isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load)
            if written and _root(node) in free | {""}:
                return False
        return not free & UNTAME


def _hides(node: ast.AST) -> bool:
    """Whether a piece of a cell may bind names that do not stand there, or change a library."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        starred = any(alias.name == "*" for alias in node.names)
        named = {alias.name for alias in node.names}
        return starred or bool(named & HIDDEN) or not all(top in KNOWN for top in _tops(node))
    if isinstance(node, ast.Attribute):
        if node.attr in HIDDEN:
            return True
        return not isinstance(node.ctx, ast.Load) and _root(node) != "self"
    return isinstance(node, ast.Name) and node.id in HIDDEN


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(MAGIC.sub("pass", source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _bindings(statement: ast.stmt) -> Iterator[tuple[str, ast.FunctionDef | str]]:
    """The names that a statement may bind where it stands, and to what."""
    if isinstance(statement, ast.FunctionDef) and _is_plain(statement):
        yield statement.name, statement
        nodes: list[ast.AST] = [n for n in ast.walk(statement) if isinstance(n, ast.Global)]
    elif _binds_constants(statement):
        for node in ast.walk(statement):
            if isinstance(node, ast.Name):
                yield node.id, "constant"
        return
    else:
        nodes = list(ast.walk(statement))
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id, "other"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, "other"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            libraries = all(top in MODULES for top in _tops(node))
            for alias in node.names:
                known = libraries and not SETTINGS.match(alias.name)
                yield names.imported_as(node, alias), "module" if known else "other"
        elif isinstance(node, ast.Global):
            for name in node.names:
                yield name, "other"
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name, "other"


def _is_inert(statement: ast.stmt) -> bool:
    """Whether a statement does nothing but bind names."""
    if isinstance(statement, ast.FunctionDef):
        return _is_plain(statement)
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return all(top in QUIET for top in _tops(statement))
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass) or _binds_constants(statement)


def _tops(statement: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(statement, ast.Import):
        return [alias.name.partition(".")[0] for alias in statement.names]
    return ["" if statement.level else str(statement.module).partition(".")[0]]


def _binds_constants(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Assign)
        and all(isinstance(target, ast.Name) for target in statement.targets)
        and _is_constant(statement.value)
    )


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        return _is_constant(node.operand)
    if isinstance(node, ast.Tuple):
        return all(map(_is_constant, node.elts))
    return isinstance(node, ast.Constant)


def _is_plain(function: ast.FunctionDef) -> bool:
    """Whether nothing runs and nothing is kept where the function is defined."""
    args = function.args
    given = [d for d in (*args.defaults, *args.kw_defaults) if d is not None]
    everything = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    notes = [function.returns, *(arg.annotation for arg in everything if arg)]
    calls = [n for note in notes if note for n in ast.walk(note) if isinstance(n, ast.Call)]
    return not (function.decorator_list or calls) and all(map(_is_constant, given))


_EXPRESSIONS = (
    *(ast.expr, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
    *(ast.arguments, ast.arg, ast.keyword, ast.comprehension),
)
_STATEMENTS = (
    *(ast.FunctionDef, ast.Return, ast.Delete, ast.Assign, ast.AugAssign, ast.AnnAssign),
    *(ast.For, ast.While, ast.If, ast.With, ast.withitem, ast.Raise, ast.Try, ast.ExceptHandler),
    *(ast.Assert, ast.Nonlocal, ast.Expr, ast.Pass, ast.Break, ast.Continue),
)


def _only_reads(node: ast.Attribute, free: set[str], modules: set[str]) -> bool:
    """Whether an attribute is asked for only, and of a value of the function's own or a library."""
    if not isinstance(node.ctx, ast.Load) or node.attr.startswith("_"):
        return False
    return not SETTINGS.match(node.attr) and _root(node) not in free - modules


def _root(node: ast.AST) -> str:
    """The name that a chain of attributes and indices starts with; nothing for any other value."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
