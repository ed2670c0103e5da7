"""What only another platform has, such as `google.colab`: where a cell imports it, it stands for it
and does nothing, so that what else the cell defines is there.

Who asks first whether it is there, in a `try`, is told that it is not.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Generator, Iterable, Iterator
from typing import Any

# A name is on this list if a notebook can do without what it does.
PLATFORMS = (
    *("google.colab", "kaggle_secrets", "kaggle_datasets", "piplite", "micropip", "pyodide"),
    *("pyodide_js", "pyodide_kernel", "nest_asyncio", "ipywidgets", "tqdm"),
)
# Dots in a name that is imported from here.
DOT = "__dot__"


class Absent:
    """Whatever is asked of it, it is there, and nothing comes of it."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return stand_in(f"{self._path}.{name}")

    def __call__(self, *args: Any, **_named: Any) -> Any:
        # What decorates a function gives it back.
        return args[0] if len(args) == 1 and callable(args[0]) else Absent(self._path)

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()

    def __enter__(self) -> Absent:
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing was begun."""

    def __repr__(self) -> str:
        return f"<{self._path}, which is not there>"


class Bar(Absent):
    """A progress bar that shows nothing: what it goes through is all there."""

    def __init__(self, iterable: Iterable[Any] = (), *_args: Any, **_named: Any) -> None:
        super().__init__("tqdm")
        self._items = iterable

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)


def stand_in(path: str) -> Any:
    """What stands for a module, or for what is in one."""
    root, _dot, name = path.rpartition(".")
    if root.startswith("tqdm") and name in ("tqdm", "tqdm_notebook"):
        return Bar
    if root.startswith("tqdm") and name in ("trange", "tnrange"):
        return lambda *bounds, **_named: Bar(range(*bounds))
    return Absent(path)


def __getattr__(name: str) -> Any:
    if DOT not in name and name.startswith("__"):
        raise AttributeError(name)
    return stand_in(name.replace(DOT, "."))


def missing_platform(module: str) -> str | None:
    """Of which platform a module is that is not there, or None."""
    for name in PLATFORMS:
        if module == name or module.startswith(name + "."):
            try:
                return None if importlib.util.find_spec(name) else name
            except (ImportError, ValueError):
                return name
    return None


class StandIns(ast.NodeTransformer):
    """Puts stand-ins where a cell imports what is not there. found: the names of what is not."""

    def __init__(self) -> None:
        self.found: dict[str, None] = {}

    def visit_Import(self, node: ast.Import) -> Any:
        kept, made = [], []
        for alias in node.names:
            platform = missing_platform(alias.name)
            if platform is None:
                kept.append(alias)
                continue
            self.found[platform] = None
            bound = alias.name if alias.asname else alias.name.partition(".")[0]
            made.append(_import(node, bound, alias.asname or bound))
        return [*([ast.copy_location(ast.Import(kept), node)] if kept else []), *made]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        made = []
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            platform = None if node.level else missing_platform(whole)
            if platform is None:
                return node
            self.found[platform] = None
            if alias.name != "*":
                made.append(_import(node, whole, alias.asname or alias.name))
        return made or ast.copy_location(ast.Pass(), node)

    def visit_Try(self, node: ast.Try) -> Any:
        """Whoever tries is ready to hear that it is not there."""
        return node

    def visit_With(self, node: ast.With) -> Any:
        """`with suppress(ImportError)`."""
        return node


def _import(node: ast.stmt, path: str, name: str) -> ast.stmt:
    alias = ast.alias(path.replace(".", DOT), name)
    made = ast.ImportFrom(module=__name__, names=[alias], level=0)
    return ast.fix_missing_locations(ast.copy_location(made, node))


def with_stand_ins(tree: ast.Module, source: str) -> list[str]:
    """Put stand-ins into the tree of a cell. Returns the names of what is not there."""
    if not any(name.rpartition(".")[2] in source for name in PLATFORMS):
        return []
    transformer = StandIns()
    transformer.visit(tree)
    return list(transformer.found)
