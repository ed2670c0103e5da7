"""A set of exercises: the module `solutions/<set>.py` and what it declares, in its order."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from autograder.exercise import AuthorError, ClassExercise, Exercise, HandOut, Part, Public
from autograder.project import FOREIGN, Project, find_project
from autograder.values.calling import with_place


@dataclass(frozen=True)
class ExerciseSet:
    """What one solutions module declares."""

    name: str
    path: Path
    module: ModuleType
    exercises: tuple[Exercise | ClassExercise, ...]
    publics: tuple[Public, ...]
    hand_outs: tuple[HandOut, ...] = ()

    @property
    def parts(self) -> list[Part]:
        """All graded units, in the order of the module."""
        return [part for exercise in self.exercises for part in exercise.parts]

    def part(self, name: str) -> Part:
        """The graded unit of that name."""
        return next(part for part in self.parts if part.name == name)

    @property
    def by_grade_id(self) -> dict[str, str]:
        """The names of all graded units, by nbgrader's ids of their check cells."""
        return {part.grade_id: part.name for part in self.parts}

    @property
    def max_points(self) -> float:
        """Full marks of the whole set."""
        return sum(part.points for part in self.parts)

    @property
    def given(self) -> list[str]:
        """The names that its notebook finds in handed out files."""
        return [name for file in self.hand_outs for name in file.names]

    @property
    def text(self) -> Path:
        """The notebook's text."""
        return self.path.with_suffix(".md")


def load_set(path: Path) -> ExerciseSet:
    """Import a solutions module and collect its declarations; once, until a file beside it changes.

    Raises
    ------
    AuthorError where the file is missing, cannot be imported, declares nothing, uses a name twice,
    or needs a package that is not installed.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise AuthorError(f"no file {path}: a set called {path.stem} would be declared there.")
    name = f"solutions.{path.stem}"
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return _collect(path, known)
    state = _state_of(path.parent)
    if path not in _loaded or _loaded[path][0] != state:
        _loaded[path] = (state, _collect(path, _imported(path)))
    return _loaded[path][1]


# A class has hundreds of submissions, and what is drawn for its set is kept with the set.
_loaded: dict[Path, tuple[list[tuple[str, int, int]], ExerciseSet]] = {}


def _state_of(folder: Path) -> list[tuple[str, int, int]]:
    """What changes when a module of a folder does."""
    with os.scandir(folder) as entries:
        files = [(e.name, e.stat()) for e in entries if e.name.endswith(".py")]
    return sorted((name, stat.st_mtime_ns, stat.st_size) for name, stat in files)


# The packages that folders of sets were made into, and what these folders held then.
_packages: dict[str, list[tuple[str, int, int]]] = {}


def _package(folder: Path) -> str:
    """A package of its own for every folder: a course in a scratch copy has sets of the same names,
    and each set must import its own neighbours."""
    name = f"_sets_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    state = _state_of(folder)
    if _packages.get(name) != state:
        for old in [module for module in sys.modules if module.partition(".")[0] == name]:
            del sys.modules[old]
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
        _packages[name] = state
        importlib.invalidate_caches()
    return name


def _imported(path: Path) -> ModuleType:
    name = f"{_package(path.parent)}.{path.stem}"
    known = sys.modules.get(name)
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, ModuleNotFoundError) and error.name in FOREIGN:
            raise AuthorError(_not_installed(path, error.name)) from None
        if isinstance(error, Exception):
            ours = isinstance(error, AuthorError)
            raise AuthorError(with_place(error, str(error) if ours else "")) from error
        raise
    return module


def _not_installed(path: Path, package: str) -> str:
    return (
        f"{path} needs {package}, which is not installed here. In the course's folder, in its "
        f"environment: {FOREIGN[package]}. Other sets do without."
    )


def _collect(path: Path, module: ModuleType) -> ExerciseSet:
    values = list(vars(module).values())
    exercises = tuple(v for v in values if _is_declared(v, module))
    if not exercises:
        raise AuthorError(f"{path} declares no exercise: put @exercise(points=...) on a function.")
    publics = tuple(v for v in values if isinstance(v, Public))
    hand_outs = tuple(v for v in values if isinstance(v, HandOut))
    for file in hand_outs:
        if (path.parent / file.filename).exists():
            raise AuthorError(f"{path}: nbgrader ships no {file.filename}: a set has that name.")
    return ExerciseSet(path.stem, path, module, exercises, publics, hand_outs)


def _is_declared(value: Any, module: ModuleType) -> bool:
    """Whether a value is an exercise of this module, and not of one that it imports from."""
    return (
        isinstance(value, Exercise | ClassExercise)
        and value.reference.__module__ == module.__name__
    )


def find_set(name: str, project: Project | None = None) -> ExerciseSet:
    """The set of that name in a project.

    Raises
    ------
    AuthorError that names the nearest existing set where there is none of this name.
    """
    project = project or find_project()
    if name not in project.sets:
        near = difflib.get_close_matches(name, project.sets, 1)
        did = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(project.sets)}."
        raise AuthorError(f"no set called {name!r} in {project.solutions}.{did}")
    return load_set(project.solutions / f"{name}.py")
