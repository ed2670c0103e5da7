"""Source code as text: a function without its decorators, a stub, the calls that it makes."""

from __future__ import annotations

import ast
import functools
import inspect
import symtable
import textwrap
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def bare(thing: Any) -> str:
    """The source of a function or class, dedented, without its decorators."""
    text, node = _parse(thing)
    return "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])


def solution_cell(reference: Any) -> str:
    """The instructor's cell: signature and docstring in the open, each body between the
    delimiters that nbgrader replaces by the stub."""
    text, node = _parse(reference)
    lines = text.splitlines()
    if isinstance(node, ast.ClassDef):
        return "\n".join(_class(text, lines, node))
    return "\n".join(_function(text, lines, node))


@functools.lru_cache(maxsize=8)
def without_docstrings(text: str) -> str:
    """The text of a function or class that has more in it than docstrings, without these."""
    gone: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            gone.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return "\n".join(line for n, line in enumerate(text.splitlines(), 1) if n not in gone)


def written(reference: Any) -> str:
    """The source as a learner would write it: without decorators and annotations."""
    lines = solution_cell(reference).splitlines()
    return "\n".join(line for line in lines if line.strip() not in (BEGIN, END))


# A class has many slips, and up to Python 3.12 inspect parses a whole file to find a class.
@functools.lru_cache(maxsize=8)
def _parse(thing: Any) -> tuple[str, Any]:
    # What a slip made has no file.
    text = getattr(thing, "__dict__", {}).get("__source__")
    if text is None and getattr(thing, "__name__", "") == "<lambda>":
        text = _as_function(thing)
    text = textwrap.dedent(text or inspect.getsource(thing))
    return text, ast.parse(text).body[0]


def _as_function(thing: Any) -> str:
    """A lambda as a function would be written: its own lines are a piece of something else."""
    lines, _ = inspect.findsource(thing)
    found = _lambdas("".join(lines)).get(thing.__code__.co_firstlineno, [])
    if len(found) != 1:
        raise OSError(f"{len(found)} lambdas start on the line of {thing.__code__}.")
    return f"def function({ast.unparse(found[0].args)}):\n    return {ast.unparse(found[0].body)}"


@functools.lru_cache(maxsize=16)
def _lambdas(text: str) -> dict[int, list[ast.Lambda]]:
    """The lambdas of a file by the line on which they start."""
    found: dict[int, list[ast.Lambda]] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Lambda):
            found.setdefault(node.lineno, []).append(node)
    return found


def _function(text: str, lines: list[str], node: ast.FunctionDef) -> list[str]:
    indent = " " * node.col_offset
    out = [lines[n.lineno - 1] for n in node.decorator_list if node.col_offset]
    out.append(f"{indent}def {node.name}({_signature(text, node.args)}):")
    first, body_start = node.body[0], node.body[0].lineno
    if ast.get_docstring(node) is not None:
        end = first.end_lineno or first.lineno
        out += lines[first.lineno - 1 : end]
        body_start = end + 1
    inner = indent + "    "
    return [*out, inner + BEGIN, *lines[body_start - 1 : node.end_lineno], inner + END]


def _class(text: str, lines: list[str], node: ast.ClassDef) -> list[str]:
    out = [lines[node.lineno - 1]]
    for item in node.body:
        own = lines[item.lineno - 1 : item.end_lineno]
        if isinstance(item, ast.FunctionDef):
            out += ["", *_function(text, lines, item)]
        else:
            after_a_method = out[-1].strip() == END
            out += ["", *own] if after_a_method else own
    return out


def _signature(text: str, args: ast.arguments) -> str:
    """The parameters without annotations; defaults as the author wrote them."""
    positional = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(positional) - len(args.defaults)) + list(args.defaults)
    parts = [_parameter(text, a, d) for a, d in zip(positional, defaults, strict=True)]
    if args.vararg:
        parts.append("*" + args.vararg.arg)
    elif args.kwonlyargs:
        parts.append("*")
    pairs = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    parts += [_parameter(text, a, d) for a, d in pairs]
    if args.kwarg:
        parts.append("**" + args.kwarg.arg)
    return ", ".join(parts)


def _parameter(text: str, arg: ast.arg, default: ast.expr | None) -> str:
    if default is None:
        return arg.arg
    return f"{arg.arg}={ast.get_source_segment(text, default)}"


def names_used(source: str, function: str) -> set[str]:
    """The names that a function's body reads and the attributes that it asks for.

    Empty where the source does not parse or does not define the function.
    """
    return names_in(find_definition(source, function))


def names_in(node: ast.AST | None) -> set[str]:
    """The names that a definition reads and the attributes that it asks for."""
    if node is None:
        return set()
    nodes = list(ast.walk(node))
    loaded = {n.id for n in nodes if isinstance(n, ast.Name)}
    return loaded | {n.attr for n in nodes if isinstance(n, ast.Attribute)}


def globals_read(source: str) -> dict[str, set[str]]:
    """The functions and classes that a source defines, the last of each name, and which of its
    module's names each reads where it runs: no names of its own, no attributes. A lambda has the
    name that it is bound to.

    Empty where the source does not parse.
    """
    try:
        tables = symtable.symtable(source, "<cell>", "exec").get_children()
        bound = _bound_lambdas(source) if "lambda" in source else {}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    return {
        bound.get(table.get_lineno(), table.get_name())
        if table.get_name().strip("<>") == "lambda"
        else table.get_name(): _globals_in(table)
        for table in tables
    }


def _bound_lambdas(source: str) -> dict[int, str]:
    """The names that are bound to nothing but a lambda, by its line."""
    return {
        node.value.lineno: target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _globals_in(table: symtable.SymbolTable) -> set[str]:
    found, left = set(), [table]
    while left:
        inner = left.pop()
        found |= {symbol.get_name() for symbol in inner.get_symbols() if symbol.is_global()}
        left += inner.get_children()
    return found


def reached(
    name: str, reads: Callable[[str], Iterable[str]], goals: Container[str] = ()
) -> set[str]:
    """The names that one reads, and those that these read, and so on; nobody asks what a goal
    reads."""
    found: set[str] = set()
    left = [name]
    while left:
        new = set(reads(left.pop())) - found
        found |= new
        left += [other for other in new if other not in goals]
    return found


def find_definition(source: str, name: str) -> ast.AST | None:
    """The last definition of a function or class of that name in a cell, or None."""
    # A name that is not written there is not defined there; beyond ASCII a name may be written in
    # other letters than those it has.
    if name not in source and source.isascii():
        return None
    return definitions(source).get(name)


def definitions(source: str) -> dict[str, ast.AST]:
    """The functions and classes that are defined anywhere in a source, the last of each name.

    Empty where the source does not parse.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {n.name: n for n in _statements(tree) if isinstance(n, kinds)}


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """What `ast.walk` gives without the expressions, which are most of it and define nothing."""
    left = deque([tree])
    while left:
        node = left.popleft()
        yield node
        for field in ("body", "orelse", "handlers", "finalbody", "cases"):
            inner = getattr(node, field, ())
            left.extend(inner if isinstance(inner, list) else ())


def modules_imported(source: str) -> list[str]:
    """The modules that a source imports by absolute name; none where it does not parse."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return []
    found = [a.name for n in nodes if isinstance(n, ast.Import) for a in n.names]
    found += [n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module and not n.level]
    return list(dict.fromkeys(found))


def bodies(text: str) -> set[str]:
    """The bodies of all functions in a text, as syntax, without docstrings: what two functions
    have in common when one was copied from the other under another name."""
    return {body for _name, body in _bodies(ast.parse(text))}


@functools.lru_cache(maxsize=4096)
def own_bodies(thing: Any) -> list[tuple[str, str]]:
    """Name and body (as `bodies` gives them) of a function, or of every method of a class."""
    return _bodies(ast.parse(bare(thing)))


def _bodies(tree: ast.AST) -> list[tuple[str, str]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            text = "\n".join(ast.dump(statement) for statement in body)
            if text and "NotImplementedError" not in text:
                found.append((node.name, text))
    return found
