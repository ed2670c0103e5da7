"""What a part's verdict depends on besides the submission: a hash of its piece of the set.

A part's piece is its reference, cases, mistakes, properties and remarks, and all that these use of
the module. Who mends one case changes the fingerprint of one part, and of those that use it.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import autograder
from autograder.catalog import ExerciseSet

# What runs and judges a submission; a new version may change an output or the last digit.
PACKAGES = ("numpy", "scipy", "scikit-learn", "matplotlib", "matplotlib-inline", "ipython", "torch")


def fingerprints(exercise_set: ExerciseSet) -> dict[str, str]:
    """The fingerprint of every part of a set, by the part's name."""
    text = inspect.getsource(exercise_set.module)
    module = _Statements(text)
    neighbours = _neighbours(module, exercise_set.path.parent)
    found = {}
    for part in exercise_set.parts:
        names = {part.exercise, part.name.rpartition(".")[2]}
        pieces = [text[a:b] for a, b in module.closure(names)]
        found[part.name] = _hash(*pieces, neighbours)
    return found


@cache
def environment() -> str:
    """A hash of what judges and runs: this package, Python, and the libraries that a submission
    may use."""
    package = Path(autograder.__file__).parent
    files = sorted(package.rglob("*.py"))
    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    here = [sys.version, platform.machine(), *versions]
    return _hash(*here, *(file.read_text("utf-8") for file in files))


def _hash(*texts: str) -> str:
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


class _Statements:
    """A module's top-level statements: what each defines, uses and decorates."""

    def __init__(self, text: str) -> None:
        self.tree = ast.parse(text)
        starts = [0]
        for line in text.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self.spans: list[tuple[int, int]] = []
        self.uses: list[set[str]] = []
        self.belongs: list[set[str]] = []
        self.defines: dict[str, list[int]] = {}
        for index, node in enumerate(self.tree.body):
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(d.lineno for d in decorators)])
            self.spans.append((starts[first - 1], starts[(node.end_lineno or first)]))
            names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
            self.uses.append({n.id for n in names})
            self.belongs.append(_owners(node))
            for name in _defined(node):
                self.defines.setdefault(name, []).append(index)

    def closure(self, names: set[str]) -> list[tuple[int, int]]:
        """Where the statements stand that belong to the names, or that these use."""
        wanted: set[int] = set()
        left = [i for i, owners in enumerate(self.belongs) if owners & names or "*" in owners]
        left += [index for name in names for index in self.defines.get(name, [])]
        while left:
            index = left.pop()
            if index not in wanted:
                wanted.add(index)
                left += [i for name in self.uses[index] for i in self.defines.get(name, [])]
        return [self.spans[index] for index in sorted(wanted)]


def _owners(node: ast.stmt) -> set[str]:
    """Whose case, mistake, property, step or remark a statement is; "*" where nobody can tell."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {name for d in node.decorator_list for name in _roots(d)}
    if isinstance(node, ast.Expr):
        if isinstance(node.value, ast.Constant):
            return set()
        return _roots(node.value) or {"*"}
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign):
        return set()
    return {"*"}


def _roots(node: ast.expr) -> set[str]:
    """`f` of `f.cases`, `f.mistake(...)`; nothing of `exercise(...)`."""
    while isinstance(node, ast.Call):
        node = node.func
    inner = node
    while isinstance(inner, ast.Attribute):
        inner = inner.value
    return {inner.id} if isinstance(node, ast.Attribute) and isinstance(inner, ast.Name) else set()


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return {
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }


def _neighbours(module: _Statements, folder: Path) -> str:
    """The other sets, where this one imports from them."""
    imported = {
        "." * node.level + (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    if not any(name.startswith((".", "solutions")) for name in imported):
        return ""
    return "".join(file.read_text("utf-8") for file in sorted(folder.glob("*.py")))
