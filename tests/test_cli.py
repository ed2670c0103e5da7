"""The command line, as a person and as a script use it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autograder.code.source import bare
from autograder.engine.warm.handle import default_runner
from autograder.judging.sets import find_set

ROOT = Path(__file__).parent.parent
GRADIENT = find_set("gradient")
NAMES = [part.name for part in GRADIENT.parts]


def run(*arguments: str | int | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autograder.cli", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def solution(name: str) -> str:
    text = bare(GRADIENT.part(name).reference)
    return text.replace(": Callable", "").replace(": Array", "").replace(" -> Array", "")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("answers")
    wrong = solution("linear_gradient").replace("X @ theta - y", "y - X @ theta")
    texts = {
        "some.py": f"import numpy as np\n\n\n{solution('gabor')}\n\n\n{wrong}\n",
        "broken.py": "import numpy as np\n\n\ndef gabor(theta, x:\n    return 1\n",
        "empty.py": "",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {name: folder / name for name in texts}


@pytest.fixture(scope="module")
def graded(files: dict[str, Path]) -> list[dict[str, Any]]:
    done = run("grade-notebook", *files.values(), "--assignment", "gradient", "--json", "--seed", 7)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert said.count("None of the notebook's checks was there") == 1, said
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_several_paths_give_one_object_a_line(
    graded: list[dict[str, Any]], files: dict[str, Path]
) -> None:
    assert [result["file"] for result in graded] == [str(path) for path in files.values()]
    for result in graded:
        assert list(result) == ["file", "assignment", "seed", "points", "max_points", "functions"]
        assert (result["assignment"], result["seed"], result["max_points"]) == ("gradient", 7, 20)
        assert list(result["functions"]) == NAMES
        for told in result["functions"].values():
            assert list(told) == [
                *("points", "max_points", "status", "mistake", "message", "hint", "remarks", "kind")
            ]


def test_a_file_with_some_functions_gets_their_points(graded: list[dict[str, Any]]) -> None:
    functions = graded[0]["functions"]
    assert functions["gabor"]["status"] == "passed"
    assert functions["linear_gradient"]["status"] == "wrong"
    assert functions["linear_gradient"]["mistake"] == "wrong_sign"
    assert "brings a minus with it" in functions["linear_gradient"]["hint"]
    others = [told for name, told in functions.items() if name not in ("gabor", "linear_gradient")]
    assert {told["status"] for told in others} == {"missing"}
    assert graded[0]["points"] == functions["gabor"]["max_points"]


def test_code_that_does_not_parse_is_missing(graded: list[dict[str, Any]]) -> None:
    for result in graded[1:]:
        assert {told["status"] for told in result["functions"].values()} == {"missing"}
        assert result["points"] == 0


def test_the_seed_is_told_and_gives_the_same_marks_again(files: dict[str, Path]) -> None:
    first = run("grade-notebook", files["some.py"], "--assignment", "gradient", "--json")
    result = json.loads(first.stdout)
    again = run(
        *("grade-notebook", files["some.py"], "--assignment", "gradient", "--json"),
        *("--seed", result["seed"]),
    )
    assert json.loads(again.stdout) == result
    assert default_runner().protects in " ".join(first.stderr.split())


def test_text_is_for_people(files: dict[str, Path]) -> None:
    done = run("grade-notebook", files["some.py"], "--assignment", "gradient", "--seed", 1)
    assert "1 of 20 points, seed 1" in done.stdout
    assert "The sign is reversed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["grade-notebook", "nowhere.ipynb", "--assignment", "gradient"], 2, "no file nowhere"),
        (["grade-notebook", "README.md", "--assignment", "gradeint"], 2, "Did you mean gradient"),
        (["build", "nonsense"], 2, "no set called 'nonsense'"),
        (["lint", "nonsense"], 2, "no set called 'nonsense'"),
        ([], 2, "COMMAND"),
    ],
)
def test_errors_say_what_to_do(arguments: list[str], code: int, told: str) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_outside_a_course_it_says_where_it_looked(tmp_path: Path) -> None:
    done = run("build", cwd=tmp_path)
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr


def test_every_command_teaches_itself() -> None:
    listed = run("--help").stdout
    for name in ("build", "lint", "bundle", "grade-notebook", "regrade", "report"):
        assert f"    {name}" in listed
        assert f"autograder {name}" in run(name, "--help").stdout.split("example:")[1]
    assert "    autograde " in listed
    help_text = run("autograde", "--help").stdout
    assert "autograder autograde gradient --student" in help_text.split("Examples")[1]
    for option in ("--student", "--notebook", "--force", "--create", "--no-execute", "--db"):
        assert f"\n{option}" in help_text
    for option in ("--workers", "--scheduler", "--require-sandbox", "--no-require-sandbox"):
        assert f"\n{option}" in help_text
