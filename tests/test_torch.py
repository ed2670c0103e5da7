"""torch is for one set alone: it has a warm process of its own, and all else works without it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

from autograder.engine.files import environment
from autograder.engine.interface import Limits, Runner
from autograder.engine.trusted.plain import PlainRunner
from autograder.engine.warm.handle import SandboxedRunner
from autograder.grading.grade import grade
from autograder.judging.sets import find_set
from autograder.project import find_project
from autograder.release.notebook import instructor_notebook, modules_used
from autograder.submissions.read import Submission
from autograder.values.codec import TENSORS_OF, MalformedValue, decode, encode

ROOT = Path(__file__).parent.parent
SET = find_set("torch_gpu")
OTHERS = [name for name in find_project(ROOT).sets if name != "torch_gpu"]
RUNNERS: list[Runner] = [SandboxedRunner(), PlainRunner()]


# In the engine


def said(runner: Runner, code: str, modules: tuple[str, ...]) -> str:
    with runner.open(None, Limits(), modules) as session:
        result = session.execute(code)
    assert result.status == "ok", result
    return str(result.outputs[0]["text"])


@pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner.name)
def test_a_solved_notebook_gets_full_marks(runner: Runner) -> None:
    graded = grade(Submission(instructor_notebook(SET)), SET, "1", runner)
    wrong = {n: v for n, v in graded.verdicts.items() if v.points != v.max_points}
    assert not wrong and graded.problems == []
    outputs = [o for c in graded.notebook.cells if c.cell_type == "code" for o in c.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert sum("image/png" in o.get("data", {}) for o in outputs) == 2


@pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner.name)
def test_a_session_has_one_thread_and_no_gpu(runner: Runner) -> None:
    code = (
        "import torch, os\n"
        "w = torch.ones(300, 300, requires_grad=True)\n"
        "(w @ w).sum().backward()\n"
        "print(torch.get_num_threads(), torch.cuda.is_available(), os.cpu_count() > 0)"
    )
    assert said(runner, code, ("torch",)) == "1 False True\n"


def test_torch_is_ready_for_who_needs_it_and_in_nobody_elses_memory() -> None:
    """Whoever comes first."""
    known = "import sys; print('torch' in sys.modules, 'wave' in sys.modules)"
    runner = SandboxedRunner()
    assert said(runner, known, ("wave",)) == "False True\n"
    assert said(runner, known, ("torch.nn", "numpy")) == "True False\n"
    assert said(runner, known, ()) == "False True\n"
    assert sorted(runner._zygotes) == [False, True]
    other = SandboxedRunner()
    assert said(other, known, ("torch",)) == "True False\n"
    assert other.standing == runner.standing and list(other._zygotes) == [True]


def test_a_judge_borrows_the_one_that_its_set_needs() -> None:
    runner = SandboxedRunner()
    lent = runner.lend(modules_used(SET))
    borrower = SandboxedRunner()
    borrower.borrow(lent)
    assert said(borrower, "import sys; print('torch' in sys.modules)", ("torch",)) == "True\n"
    assert list(borrower._zygotes) == list(runner._zygotes) == [True]


def test_a_fork_finds_its_way_back_through_a_graph() -> None:
    """A cell went backwards before the snapshot was taken in which the function does."""
    notebook = instructor_notebook(SET)
    first = next(c for c in notebook.cells if c.cell_type == "code" and "import torch" in c.source)
    first.source += "\n\nw = torch.ones(50, 50, requires_grad=True)\n(w @ w).sum().backward()"
    graded = grade(Submission(notebook), SET, "2", RUNNERS[0])
    assert graded.points == graded.max_points


# As a value


@pytest.mark.parametrize("name", TENSORS_OF)
def test_a_tensor_comes_back_as_it_was(name: str) -> None:
    tensor = torch.tensor([[0, 1], [1, 0]], dtype=getattr(torch, name))
    boxes: list[list[bytes] | None] = [None, []]
    for blobs in boxes:
        back = decode(encode(tensor, blobs), blobs)
        assert back.dtype == tensor.dtype and torch.equal(back, tensor)


@pytest.mark.parametrize(
    "name", ["Tensor", "load", "complex64", "quint8", "half", "", None, 7, ["float64"], {}]
)
def test_who_sends_a_tensor_names_no_other_thing_of_torchs(name: Any) -> None:
    tree = encode(torch.ones(2)) | {"torch_dtype": name}
    with pytest.raises(MalformedValue):
        decode(tree)


# Without torch


NO_TORCH = """
import sys
from importlib.machinery import PathFinder

class WithoutTorch(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] == "torch" else super().find_spec(name, path, target)

assert "torch" not in sys.modules
sys.meta_path[:] = [WithoutTorch if f is PathFinder else f for f in sys.meta_path]
"""


def without_torch(program: str, folder: Path = ROOT) -> str:
    """What a program says that cannot import torch."""
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [sys.executable, "-c", NO_TORCH + program],
            cwd=folder,
            env={**environment(Path(scratch)), "PYTHONPATH": str(ROOT), "HOME": scratch},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_module_is_imported_without_it() -> None:
    said = without_torch(
        "import importlib, pkgutil, autograder\n"
        "names = [m.name for m in pkgutil.walk_packages(autograder.__path__, 'autograder.')]\n"
        "for name in names: importlib.import_module(name)\n"
        "print(len(names), 'torch' in sys.modules)"
    )
    count, imported = said.split()
    assert int(count) > 80 and imported == "False"


def test_every_other_set_is_proved_without_it() -> None:
    said = without_torch(
        "from autograder.judging.judge import judge, local_caller\n"
        "from autograder.judging.sets import find_set\n"
        f"for name in {OTHERS}:\n"
        "    for part in find_set(name).parts:\n"
        "        verdict = judge(part, 'no torch', local_caller(part.reference))\n"
        "        assert verdict.status == 'passed', (part.name, verdict)\n"
        "print('torch' in sys.modules)"
    )
    assert said == "False\n"


def test_a_set_is_built_checked_and_graded_without_it(tmp_path: Path) -> None:
    """And a class's notebook is graded: nobody misses it there."""
    said = without_torch(
        "import os, shutil, json\n"
        "from pathlib import Path\n"
        "from autograder.project import Project\n"
        "from autograder.release.build import build\n"
        "from autograder.release.notebook import instructor_notebook\n"
        "from autograder.judging.sets import find_set\n"
        "from autograder.grading.grade import grade\n"
        "from autograder.engine.warm.handle import default_runner\n"
        "from autograder.submissions.read import Submission\n"
        f"root, here = Path({str(ROOT)!r}), Path.cwd()\n"
        "shutil.copytree(root / 'solutions', here / 'solutions')\n"
        "for name in ('nbgrader_config.py', 'pyproject.toml'): shutil.copy(root / name, here)\n"
        "[folder] = build(Project(here, ()), ['gradient'], database=False)\n"
        "os.chdir(folder)\n"
        "from autograder import check\n"
        "check(find_set('gradient').part('gabor').reference)\n"
        "gradient = find_set('gradient')\n"
        "notebook = instructor_notebook(gradient)\n"
        "graded = grade(Submission(notebook), gradient, '1', default_runner())\n"
        "print(graded.points == graded.max_points, 'torch' in sys.modules)",
        tmp_path,
    )
    assert "Correct." in said and said.endswith("True False\n")


def test_who_would_grade_the_set_without_it_is_told_what_to_do() -> None:
    notebook = ROOT / "exercises" / "torch_gpu" / "torch_gpu.ipynb"
    program = (
        "from autograder.cli import main\n"
        "for words in (['lint', 'torch_gpu'], ['build', 'torch_gpu', '--no-db'],\n"
        f"              ['grade-notebook', {str(notebook)!r}, '--assignment', 'torch_gpu']):\n"
        "    sys.stderr = sys.stdout\n"
        "    print('exit', main(words))"
    )
    lines = without_torch(program).splitlines()
    assert [line for line in lines if line.startswith("exit")] == ["exit 2"] * 3
    told = [line for line in lines if "needs torch, which is not installed here" in line]
    assert len(told) == 3
    assert all("pip install -c constraints.txt torch" in line for line in told)


def test_a_learner_without_it_is_told_how_to_get_the_small_one() -> None:
    """By the first cells of the notebook as it is handed out, before any traceback of ours."""
    cells = json.loads((ROOT / "exercises/torch_gpu/torch_gpu.ipynb").read_text("utf-8"))["cells"]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    assert "import torch" in code[1]
    said = without_torch(
        f"exec({code[0]!r})\n"
        "try:\n"
        f"    exec({code[1]!r})\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error)",
        ROOT / "exercises" / "torch_gpu",
    )
    assert "%pip install torch --index-url https://download.pytorch.org/whl/cpu" in said
