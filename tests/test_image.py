"""The image for instructors: its recipe, what it holds, and itself where one can be made."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Person, read_recipe

pytestmark = pytest.mark.timeout(1800)

OPTION = re.compile(r"--security-opt \S+")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and what they say, on one line each."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    lines = [line.partition(" ") for line in text.splitlines() if line]
    return [(word, " ".join(rest.split())) for word, _blank, rest in lines]


def said(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


def context() -> list[str]:
    """What git knows of and .dockerignore lets in."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    rules = [r for r in (ROOT / ".dockerignore").read_text().splitlines() if r and r[0] != "#"]
    assert rules[0] == "*", "what is not named stays outside"
    named = [rule[1:] for rule in rules if rule.startswith("!")]
    return [f for f in tracked.stdout.splitlines() if f.split("/")[0] in named]


def engine() -> str | None:
    """What makes images here, None where nothing can."""
    for name in ("docker", "podman"):
        if (
            shutil.which(name)
            and not subprocess.run([name, "info"], capture_output=True).returncode
        ):
            return name
    return None


def lint(dockerfile: Path) -> str:
    """What hadolint says, nothing where all is well."""
    command = [str(Path(sys.executable).parent / "hadolint"), "--no-color", str(dockerfile)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_dockerfile_is_in_order(tmp_path: Path) -> None:
    """By hadolint, and by what no linter knows."""
    assert lint(ROOT / "Dockerfile") == ""
    worse = (ROOT / "Dockerfile").read_text().replace(" --no-install-recommends", "")
    (tmp_path / "Dockerfile").write_text(worse)
    assert "DL3015" in lint(tmp_path / "Dockerfile")
    for run in said("RUN"):
        subprocess.run(["bash", "-n", "-c", run], check=True)
    assert [rest for word, rest in instructions() if word == "USER"] == ["$UID"], "not as root"
    assert "chromium" not in (ROOT / "Dockerfile").read_text()


def test_the_page_gives_the_options_that_the_walls_need() -> None:
    [needed] = [
        set(OPTION.findall(b.code)) for b in read_recipe("Where the sandbox is refused")[1:]
    ]
    [given] = [
        set(found) for b in read_recipe("In a container") if (found := OPTION.findall(b.code))
    ]
    assert given == needed and len(given) == 3


def test_what_the_image_holds_is_a_whole_course(tmp_path: Path) -> None:
    """It builds, and its learners' archive too, with the environment that its make would make."""
    files = context()
    for copied in said("COPY"):
        *sources, _into = [word for word in copied.split() if not word.startswith("--")]
        for source in sources:
            assert any(source == "." or f == source for f in files), source
    assert not [f for f in files if fnmatch.fnmatch(f, "tests/*") or f.startswith(("book/", "."))]
    for file in files:
        (tmp_path / "course" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / "course" / file)
    [(flags, settings)] = re.findall(r'(MAKEFLAGS)="([^"]+)"', " ".join(said("ENV")))
    inside = Person(tmp_path, tmp_path / "course")
    # Where this machine has uv, the image has none.
    here = {"PYTHONPATH": str(inside.folder), flags: f"{settings} UV="}
    planned = inside.run("make -n /opt/venv/.installed", here)
    assert "/opt/venv/bin/python -m pip" in planned
    assert "for extras in instructor instructor,cluster,postgresql; do" in planned
    told = inside.run("autograder build --check gradient && autograder bundle dist", here)
    assert (inside.folder / "dist" / "gradient.zip").is_file(), told
    assert said("CMD") == ['["autograder", "--help"]']


def test_the_image_is_built_where_there_is_a_daemon() -> None:
    """And without one the tests above have to do."""
    if (made_by := engine()) is None:
        return
    tag = "learning-by-descent:test"
    subprocess.run([made_by, "build", "--tag", tag, "."], cwd=ROOT, check=True)
    told = subprocess.run([made_by, "run", "--rm", tag], capture_output=True, text=True, check=True)
    assert "grade-notebook" in told.stdout
