"""A plain Python file as the cells of a notebook, so that what fails in one takes no other along.

Editors mark cells in comments: "Download as .py" with `# In[3]:`, Spyder, VS Code and jupytext with
`# %%`, Databricks with `# COMMAND ----------`. Where there is no mark a definition is a cell, so is
a check, and so is a paragraph of other statements.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

MARK = re.compile(
    r"#[ \t]*(?:%%|In[ ]?\[[ \d*]*\]:|<(?:code|markdown)cell>|COMMAND ----------|[+-][ \t]*$)"
)
TEXT = re.compile(r"#[ \t]*(?:%%.*\[(?:markdown|md)\]|<markdowncell>)")
# What begins a cell, or is one, in a file that Python cannot read.
DEFINES = re.compile(r"@|def\s|class\s|async\s+def\s")
CHECKS = re.compile(r"(?:check|hint)\s*\(")


def cells_of(text: str) -> list[tuple[str, str]]:
    """Kind ("code", "markdown") and source of each cell. Of a hostile file this may take any time:
    ask the helper."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    try:
        statements = ast.parse("\n".join(lines)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        statements = None
    within = {
        number
        for node in statements or ()
        for number in range(node.lineno, node.end_lineno or node.lineno)
    }
    marks = [n for n, line in enumerate(lines) if n not in within and MARK.match(line)]
    if marks:
        starts = marks
    elif statements is None:
        starts = list(_by_looks(lines))
    else:
        starts = list(_paragraphs(lines, statements))
    bounds = [0, *starts, len(lines)]
    made = [_cell(lines[start:end]) for start, end in pairwise(bounds)]
    return [(kind, source) for kind, source in made if source]


def _cell(lines: list[str]) -> tuple[str, str]:
    if lines and TEXT.match(lines[0]):
        return "markdown", "\n".join(re.sub("^# ?", "", line) for line in lines[1:]).strip()
    own = lines[1:] if lines and MARK.match(lines[0]) else lines
    while own and not own[0].strip():
        own = own[1:]
    return "code", "\n".join(own).rstrip()


def _paragraphs(lines: list[str], statements: list[ast.stmt]) -> Iterator[int]:
    """The lines, counted from 0, on which cells begin."""
    end, alone = 0, True
    for node in statements:
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
        stands_alone = _stands_alone(node)
        apart = any(not line.strip() for line in lines[end:start])
        if start >= end and (alone or stands_alone or apart):
            yield end
        end, alone = node.end_lineno or start + 1, stands_alone


def _stands_alone(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = node.value.func
        return isinstance(called, ast.Name) and called.id in ("check", "hint")
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def _by_looks(lines: list[str]) -> Iterator[int]:
    """The same of a file that is no Python, or none yet."""
    decorated = checked = False
    for number, line in enumerate(lines):
        if not line.strip() or line[0].isspace() or line.startswith((")", "]", "}")):
            continue
        checks = bool(CHECKS.match(line))
        if not decorated and (checks or checked or DEFINES.match(line)):
            yield number
        checked, decorated = checks, line.startswith("@")
