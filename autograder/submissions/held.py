"""What a check cell holds besides its check: a definition or an import that was typed into it, the
solution above it that was merged with it.

A check cell is put back as it was handed out. The rest of what it held is the learner's, and counts
as much as in any other cell, which is all that it becomes.
"""

from __future__ import annotations

import ast
import re

OURS = ("check", "hint")
# What is left of a call that is cut out.
NOTHING = "pass"
A_LINE = re.compile(r"(?:check|hint)\s*\([\w\s.,'\"]*\)[\s;]*(?:#.*)?\Z")


def beside_checks(sources: list[str]) -> list[str]:
    """In the helper: what each source holds besides calls of `check` and `hint`; nothing where that
    does nothing, such as a comment."""
    return [_beside(source) for source in sources]


def _beside(source: str) -> str:
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _by_lines(source)
    calls = [node for node in body if _is_check(node)]
    if all(_does_nothing(node) for node in body if node not in calls):
        return ""
    lines = source.encode().splitlines(keepends=True)
    for call in reversed(calls):
        first, last = call.lineno - 1, (call.end_lineno or call.lineno) - 1
        before, after = lines[first][: call.col_offset], lines[last][call.end_col_offset :]
        alone = not before.strip() and (not after.strip(b" \t\r\n;") or after.lstrip()[:1] == b"#")
        lines[first : last + 1] = [] if alone else [before + NOTHING.encode() + after]
    return b"".join(lines).decode().strip("\n")


def _by_lines(source: str) -> str:
    """The same of what Python cannot read: a line for IPython, or a slip of the pen."""
    lines = [line for line in source.splitlines() if not A_LINE.match(line)]
    does = any(line.strip() and not line.lstrip().startswith("#") for line in lines)
    return "\n".join(lines).strip("\n") if does else ""


def _is_check(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return False
    call = node.value
    plain = all(isinstance(arg, ast.Name | ast.Constant) for arg in call.args)
    return isinstance(call.func, ast.Name) and call.func.id in OURS and plain and not call.keywords


def _does_nothing(node: ast.stmt) -> bool:
    """A text, a number or a name that stands alone."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant | ast.Name)
    return isinstance(node, ast.Pass)
