"""What a part's verdict depends on besides the submission: a hash of its piece of the set.

A part's piece is its reference, cases, mistakes, properties and remarks, and all that these use of
the module. Who mends one case changes the fingerprint of one part, and of those that use it.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import inspect
import os
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import autograder
from autograder.code.names import Names
from autograder.judging.sets import ExerciseSet

# What runs and judges a submission; a new version may change an output or the last digit.
PACKAGES = ("numpy", "scipy", "scikit-learn", "matplotlib", "matplotlib-inline", "ipython", "torch")


def fingerprints(exercise_set: ExerciseSet) -> dict[str, str]:
    """The fingerprint of every part of a set, by the part's name."""
    text = inspect.getsource(exercise_set.module)
    module = Names(text)
    owners = [_owners(statement.node) for statement in module.statements]
    neighbours = _neighbours(module, exercise_set.path.parent)
    found = {}
    for part in exercise_set.parts:
        names = {part.exercise, part.name.rpartition(".")[2]}
        own = [i for i, whose in enumerate(owners) if whose & names or "*" in whose]
        own += [i for name in names for i in module.where.get(name, [])]
        pieces = [text[s.start : s.end] for s in module.closure(own)]
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


@cache
def machine() -> str:
    """A hash of this machine as far as speed goes: what is too slow here may not be elsewhere."""
    described = [platform.node(), platform.machine(), str(os.cpu_count())]
    for file in ("/etc/machine-id", "/proc/cpuinfo"):
        with contextlib.suppress(OSError):
            lines = Path(file).read_text("utf-8", errors="replace").splitlines()
            # Clocks and the like are another number at each look.
            described += [li for li in lines if ":" not in li or li.startswith("model name")]
    return _hash(*described)


def _hash(*texts: str) -> str:
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


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


def _neighbours(module: Names, folder: Path) -> str:
    """The other sets, where this one imports from them."""
    imported = {
        "." * node.level + (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for statement in module.statements
        for node in ast.walk(statement.node)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    if not any(name.startswith((".", "solutions")) for name in imported):
        return ""
    return "".join(file.read_text("utf-8") for file in sorted(folder.glob("*.py")))
