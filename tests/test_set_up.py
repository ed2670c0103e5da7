"""The learner's recipe, typed as it stands, on every Python of this machine: venv and pip, and uv.

What it brings is JupyterLab with the archive's notebook open. Packages come from PyPI, so this
takes minutes.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.project import find_project
from autograder.release.bundle import write_bundles
from autograder.release.recipe import ways

ROOT = Path(__file__).parent.parent
PROJECT = find_project(ROOT)
SET = "gradient"
FIRST, MINUTES = (3, 11), 10


def version_of(python: Path) -> tuple[int, ...]:
    done = subprocess.run(
        [python, "-c", "import sys, venv, ensurepip; print(*sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    )
    return tuple(map(int, done.stdout.split()))


def interpreters() -> list[Path]:
    """One of each version that the wheel admits: on the path, and where pyenv keeps its own."""
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    folders += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    found = {version_of(Path(sys.executable)): Path(sys.base_prefix) / "bin" / "python3"}
    for folder in folders:
        for python in folder.glob("python3.[0-9][0-9]"):
            found.setdefault(version_of(python), python)
    return [found[version] for version in sorted(found) if version >= FIRST]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder in which a learner has unpacked the archive of a set."""
    bundles = write_bundles(tmp_path / "site", PROJECT)
    with zipfile.ZipFile(next(a for a in bundles if a.stem == SET)) as opened:
        opened.extractall(tmp_path)
    return tmp_path / SET


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home of its own, in which nothing of the tests' own environment is to be found."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return kept | {"HOME": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}


def opened_notebook(tmp_path: Path, server: subprocess.Popen[bytes]) -> Iterator[str]:
    """The address of JupyterLab, as soon as it has said it."""
    until = time.monotonic() + 60 * MINUTES
    while time.monotonic() < until and server.poll() is None:
        for file in (tmp_path / "runtime").glob("jpserver-*.json"):
            told = json.loads(file.read_text("utf-8"))
            yield f"{told['url']}api/contents/{SET}.ipynb?token={told['token']}"
        time.sleep(0.5)


def typed(way: int, python: Path, archive: Path, environment: dict[str, str]) -> str:
    """What the released notebook says of exercises that nobody has begun, after a way's lines."""
    [wheel] = [path.name for path in archive.glob("*.whl")]
    lines = " && ".join(ways(wheel, f"{SET}.ipynb")[way].lines)
    # Root is nobody's account at home; and here is no screen.
    root = " --allow-root" if os.getuid() == 0 else ""
    first = archive.parent / "bin"
    first.mkdir()
    (first / "python3").symlink_to(python)
    environment |= {"PATH": f"{first}:{environment['PATH']}", "UV_PYTHON": str(python)}
    with (archive.parent / "said.txt").open("wb") as said:
        server = subprocess.Popen(
            ["bash", "-c", f"{lines} --no-browser --port-retries=100{root}"],
            cwd=archive,
            env=environment,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        for address in opened_notebook(archive.parent, server):
            with urllib.request.urlopen(address) as reply:
                assert json.load(reply)["name"] == f"{SET}.ipynb"
            break
        else:
            pytest.fail((archive.parent / "said.txt").read_text("utf-8")[-4000:])
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    jupyter = shlex.split(lines.rpartition(" && ")[2].partition(" lab ")[0])
    execute = [*jupyter, "execute", "--allow-errors", "--inplace", f"{SET}.ipynb"]
    subprocess.run(execute, cwd=archive, env=environment, check=True, capture_output=True)
    cells = json.loads((archive / f"{SET}.ipynb").read_text("utf-8"))["cells"]
    return json.dumps([cell.get("outputs") for cell in cells])


@pytest.mark.full
@pytest.mark.timeout(60 * MINUTES)
@pytest.mark.parametrize("python", interpreters(), ids=lambda path: "".join(path.parts[-3:-2]))
@pytest.mark.parametrize("way", [0, 1], ids=["uv", "venv"])
def test_a_learner_gets_in(
    archive: Path, environment: dict[str, str], python: Path, way: int
) -> None:
    assert way or shutil.which("uv"), "uv is among the development dependencies"
    assert "Not attempted yet" in typed(way, python, archive, environment)
