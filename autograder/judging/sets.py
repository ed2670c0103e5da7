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

from autograder.exercise import AuthorError, ClassExercise, Exercise, Part, Public
from autograder.project import Project, find_project


@dataclass(frozen=True)
class ExerciseSet:
    """What one solutions module declares."""

    name: str
    path: Path
    module: ModuleType
    exercises: tuple[Exercise | ClassExercise, ...]
    publics: tuple[Public, ...]

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
    def text(self) -> Path:
        """The notebook's text."""
        return self.path.with_suffix(".md")


def load_set(path: Path) -> ExerciseSet:
    """Import a solutions module and collect its declarations; once, until a file beside it changes.

    Raises
    ------
    AuthorError where the file is missing, declares nothing, or uses a name twice.
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


def _imported(path: Path) -> ModuleType:
    # A name of its own for every folder: a course in a scratch copy has sets of the same names.
    name = f"_set_{hashlib.sha256(str(path.parent).encode()).hexdigest()[:12]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _collect(path: Path, module: ModuleType) -> ExerciseSet:
    values = list(vars(module).values())
    exercises = tuple(v for v in values if isinstance(v, Exercise | ClassExercise))
    if not exercises:
        raise AuthorError(f"{path} declares no exercise: put @exercise(points=...) on a function.")
    publics = tuple(v for v in values if isinstance(v, Public))
    return ExerciseSet(path.stem, path, module, exercises, publics)


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
