"""What a learner downloads: a zip for each released set, with the exercise and the package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

import autograder
from autograder.code.source import modules_imported
from autograder.project import Project, find_project
from autograder.release.notebook import WHEEL
from autograder.release.recipe import readme

# What `check` and `hint` import: neither the engine nor the grading leaves this machine.
LEARNERS_ROOMS = ("learning", "judging", "values", "code")
NOT_FOR_LEARNERS = ("optional-dependencies", "scripts")
LEARNERS_EXTRAS = ("torch",)
NOT_THEIRS = ("cli.py", "__pycache__")
LONG_AGO = (2020, 1, 1, 0, 0, 0)

# One archive with all sets: for whoever has one environment for the whole course.
WHOLE = "learning_by_descent"


def write_bundles(folder: Path, project: Project | None = None) -> list[Path]:
    """Write `<set>.zip` for every released set, and one archive of all, byte-identical for the
    same sources. The archives of the sets are given back.

    Raises
    ------
    FileNotFoundError where a released set has not been built.
    """
    project = project or find_project()
    if not project.released_sets:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build_wheel(Path(scratch))
        _whole(project, wheel, folder)
        return [_bundle(project, name, wheel, folder) for name in project.released_sets]


def build_wheel(folder: Path) -> Path:
    """What a learner's machine needs of the package as a wheel; nothing of solutions/ is in it.

    Raises
    ------
    RuntimeError where it cannot be built, or the package is not there as a checkout.
    """
    package = Path(autograder.__file__).parent
    root = package.parent
    if not (root / "pyproject.toml").is_file():
        raise RuntimeError(
            f"no wheel for learners can be made from {package}: install the course's checkout with "
            "`pip install -e`, as `make` does."
        )
    # From a copy: setuptools leaves build/ beside what it builds, and takes from it next time.
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("README.md", "LICENSE"):
            shutil.copy(root / name, scratch)
        settings = (root / "pyproject.toml").read_text("utf-8")
        (Path(scratch) / "pyproject.toml").write_text(_learners_settings(settings), "utf-8")
        rooms = {path.parent.name for path in package.glob("*/__init__.py")}
        shutil.copytree(
            package,
            Path(scratch) / "autograder",
            ignore=shutil.ignore_patterns(*NOT_THEIRS, *rooms.difference(LEARNERS_ROOMS)),
        )
        return _pip_wheel(Path(scratch), folder)


def _learners_settings(pyproject: str) -> str:
    """The project's settings without what grades: no command, and the extras of learners alone."""
    settings = tomllib.loads(pyproject)
    kept = {k: v for k, v in settings["project"].items() if k not in NOT_FOR_LEARNERS}
    # What grades is pinned, and tested on some versions; a check runs on any that is new enough.
    kept["requires-python"] = kept["requires-python"].partition(",")[0]
    tables = {
        "build-system": settings["build-system"],
        "project": kept,
        "project.optional-dependencies": {
            name: settings["project"]["optional-dependencies"][name] for name in LEARNERS_EXTRAS
        },
        "tool.setuptools": {"include-package-data": False},
        "tool.setuptools.packages.find": settings["tool"]["setuptools"]["packages"]["find"],
        "tool.setuptools.package-data": settings["tool"]["setuptools"]["package-data"],
    }
    lines = []
    for table, values in tables.items():
        lines.append(f"[{table}]")
        # Strings, lists of them and booleans are written in TOML as in JSON.
        lines += [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in values.items()]
    version = settings["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    lines += ["[tool.setuptools.dynamic.version]", f"attr = {json.dumps(version)}"]
    return "\n".join(lines) + "\n"


def _pip_wheel(source: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "wheel", str(source), "--no-deps", "--quiet"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "--wheel-dir", str(folder)]
    # A wheel is a zip with times in it; this one number makes them the same everywhere.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1577836800"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wheel = folder / WHEEL
    if done.returncode or not wheel.is_file():
        raise RuntimeError(f"the wheel could not be built:\n{done.stderr or done.stdout}")
    return wheel


def _bundle(project: Project, name: str, wheel: Path, folder: Path) -> Path:
    target = folder / f"{name}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        needs_torch = _add_set(archive, project, name, name)
        _add(archive, f"{name}/{wheel.name}", wheel.read_bytes())
        text = readme(name, wheel.name, f"{name}.ipynb", torch=needs_torch)
        _add(archive, f"{name}/README.txt", text.encode())
    return target


def _whole(project: Project, wheel: Path, folder: Path) -> None:
    """All sets, with the package once, at the top: one environment for the whole course."""
    with zipfile.ZipFile(folder / f"{WHOLE}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in project.released_sets:
            _add_set(archive, project, name, f"{WHOLE}/{name}")
        _add(archive, f"{WHOLE}/{wheel.name}", wheel.read_bytes())
        _add(archive, f"{WHOLE}/README.txt", readme(WHOLE, wheel.name).encode())


def _add_set(archive: zipfile.ZipFile, project: Project, name: str, below: str) -> bool:
    """Put a built set below a folder of the archive; give whether its notebook needs torch."""
    exercise = project.exercises / name
    if not exercise.is_dir():
        raise FileNotFoundError(f"{exercise} is not there: run `autograder build {name}` first.")
    files = [p for p in exercise.rglob("*") if p.is_file() and ".ipynb_checkpoints" not in p.parts]
    for path in sorted(files):
        _add(archive, f"{below}/{path.relative_to(exercise)}", path.read_bytes())
    return "torch" in modules_imported(_code_of(exercise / f"{name}.ipynb"))


def _code_of(notebook: Path) -> str:
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, LONG_AGO)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    archive.writestr(info, data)
