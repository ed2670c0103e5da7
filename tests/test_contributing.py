"""CONTRIBUTING.md, "Add an exercise in ten minutes", followed to the letter."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.catalog import load_set
from autograder.judge import judge_all_known

ROOT = Path(__file__).parent.parent


def recipe() -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    return text.split("## Add an exercise in ten minutes")[1].split("\n## More than")[0]


def blocks(language: str) -> list[str]:
    fence = "````" if language == "markdown" else "```"
    return re.findall(rf"^{fence}{language}\n(.*?)^{fence}$", recipe(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    course = tmp_path_factory.mktemp("course")
    for name in ("solutions", "exercises"):
        shutil.copytree(ROOT / name, course / name)
    for name in ("pyproject.toml", "nbgrader_config.py"):
        shutil.copy(ROOT / name, course)
    code, text = course / "solutions" / "gradient.py", course / "solutions" / "gradient.md"
    code.write_text("\n\n".join([code.read_text().rstrip() + "\n", *blocks("python")]))
    text.write_text("\n\n".join([text.read_text().rstrip(), *blocks("markdown")]))
    (commands,) = blocks("bash")
    for line in commands.strip().splitlines():
        program, *arguments = line.split()
        assert program == "autograder"
        done = subprocess.run(
            [sys.executable, "-m", "autograder.cli", *arguments],
            cwd=course,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return course


def test_the_recipe_has_its_parts() -> None:
    assert (len(blocks("python")), len(blocks("markdown")), len(blocks("bash"))) == (3, 1, 1)


def test_the_stub_and_its_check_are_in_the_notebook(followed: Path) -> None:
    notebook = json.loads((followed / "exercises/gradient/gradient.ipynb").read_text())
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    stub = next(s for s in sources if s.startswith("def directional_derivative("))
    assert stub.startswith("def directional_derivative(grad, theta, direction):\n")
    assert "its length does not matter" in stub
    assert stub.rstrip().endswith("raise NotImplementedError")
    assert "check(directional_derivative)" in sources


def test_the_new_mistakes_are_named(followed: Path) -> None:
    part = load_set(followed / "solutions" / "gradient.py").part("directional_derivative")
    verdicts = judge_all_known(part, "recipe")
    assert verdicts.pop(part.name).points == 2
    assert {name: v.mistake for name, v in verdicts.items()} == {
        name: name
        for name in ("not_normalised", "steepest_instead", "way_back", "divided_by_the_square")
    }
