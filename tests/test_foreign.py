"""Other people's notebooks: as nbgrader's own `Execute` runs them, but behind walls."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import NoSuchKernel
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.preprocessors import Execute
from traitlets.config import Config

from autograder.engine.interface import Limits, NoSandbox
from autograder.exercise import AuthorError
from autograder.gradebook.foreign import UNPROTECTED, SandboxedExecute
from autograder.gradebook.preprocessors import GradeSubmission

KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}


def notebook(*cells: str | NotebookNode, kernel: str = "python3") -> NotebookNode:
    made = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    return new_notebook(cells=made, metadata={"kernelspec": {**KERNEL, "name": kernel}})


def run(
    nb: NotebookNode, folder: Path, *, limits: dict[str, Any] | None = None, **settings: Any
) -> NotebookNode:
    """Execute a notebook; settings: nbgrader's own of `Execute`."""
    named = limits or {}
    part = SandboxedExecute(
        config=Config({"Execute": settings}), limits=Limits(**named), named=named
    )
    return part(nb, {"metadata": {"path": str(folder)}})[0]


def error(cell: NotebookNode) -> tuple[str, str]:
    last = cell.outputs[-1]
    assert last.output_type == "error", cell.outputs
    return last.ename, last.evalue


def plain(nb: NotebookNode) -> list[Any]:
    """What counts of the outputs, without colours and the lines of tracebacks."""
    found = []
    for cell in nb.cells:
        outputs = [dict(output) for output in cell.get("outputs", [])]
        for output in outputs:
            if "traceback" in output:
                output["traceback"] = strip_ansi(output["traceback"][-1])
        found.append((cell.cell_type, cell.get("execution_count"), outputs))
    return found


def test_outputs_counts_and_metadata_are_those_of_nbgraders_execute(tmp_path):
    (tmp_path / "data.csv").write_text("some,data\n")

    def made() -> NotebookNode:
        return notebook(
            new_markdown_cell("Text."),
            "import os, sys\nx = 41\nprint('out'); print('err', file=sys.stderr)\nx + 1",
            "",
            "print(open('data.csv').read())\nos.environ['NBGRADER_EXECUTION']",
            "from IPython.display import display, Markdown\ndisplay(Markdown('*hm*'))\n1 / 0",
            new_code_cell("raise KeyError('meant')", metadata={"tags": ["raises-exception"]}),
            new_code_cell("x = 0", metadata={"tags": ["skip-execution"]}),
            "assert x == 41\nassert x == 2, 'no'",
            "0.5",
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBGRADER_EXECUTION", "autograde")
        stock, _resources = Execute()(made(), {"metadata": {"path": str(tmp_path)}})
    ours = run(made(), tmp_path)
    assert plain(ours) == plain(stock)
    assert ours.metadata == stock.metadata


def test_a_timeout_is_nbgraders_error_and_costs_one_cell(tmp_path):
    nb = run(notebook("x = 5", "while True:\n    pass", "x"), tmp_path, timeout=1)
    assert error(nb.cells[1])[0] == "CellTimeoutError"
    assert "No reply from kernel before timeout" in nb.cells[1].outputs[-1].traceback[-1]
    assert nb.cells[2].outputs[0].data["text/plain"] == "5"


def test_without_interruption_a_timeout_ends_the_submission(tmp_path):
    with pytest.raises(CellTimeoutError):
        run(notebook("while True:\n    pass"), tmp_path, timeout=1, interrupt_on_timeout=False)


def test_a_limit_that_somebody_chose_counts_more_than_the_timeout(tmp_path):
    nb = run(notebook("while True: pass"), tmp_path, timeout=600, limits={"cell_seconds": 0.5})
    assert "after 0.5 seconds" in "".join(nb.cells[0].outputs[-1].traceback)


def test_without_a_timeout_a_cell_may_take_what_the_notebook_may(tmp_path):
    endless = notebook("while True: pass")
    nb = run(endless, tmp_path, timeout=None, limits={"notebook_seconds": 1.0})
    assert error(nb.cells[0])[0] == "CellTimeoutError"


def test_a_cell_that_ends_python_costs_itself_alone(tmp_path):
    nb = run(notebook("x = 5", "import os; os._exit(3)", "x"), tmp_path)
    assert error(nb.cells[1]) == ("KernelDied", "Python itself stopped: exit code 3.")
    assert nb.cells[2].outputs[0].data["text/plain"] == "5"


def test_errors_may_end_the_submission(tmp_path):
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        run(notebook("1 / 0"), tmp_path, force_raise_errors=True)


def test_nothing_is_shown_that_a_browser_would_run(tmp_path):
    shown = "from IPython.display import HTML\nHTML('<b>bold</b><script>alert(1)</script>')"
    data = run(notebook(shown), tmp_path).cells[0].outputs[0].data
    assert "<b>bold</b>" in data["text/html"] and "alert" not in data["text/html"]


def test_hiding_tracebacks_hides_no_failure(tmp_path):
    cheat = "import IPython.core.interactiveshell as i\ni.InteractiveShell.showtraceback = {}"
    for value in ("lambda *a, **k: None", "None"):
        nb = run(notebook(cheat.format(value), "assert False"), tmp_path)
        assert error(nb.cells[1])


def test_not_executed_where_nbgrader_is_told_so(tmp_path):
    assert run(notebook("1 + 1"), tmp_path, enabled=False).cells[0].outputs == []


def test_new_files_are_kept_and_nothing_else_is_changed(tmp_path, caplog):
    work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    work.mkdir()
    (work / "data.csv").write_text("given")
    (work / "graded.ipynb").write_text("graded")
    nb = run(
        notebook(
            "import os\nos.mkdir('out')\nopen('out/plot.txt', 'w').write('new')",
            "for name in ('data.csv', 'graded.ipynb', 'other.ipynb'):\n"
            "    open(name, 'w').write('mine')",
            f"os.symlink('{elsewhere}', 'away')",
            "os.remove('data.csv'); os.mkdir('data.csv'); open('data.csv/x', 'w').close()",
        ),
        work,
    )
    assert [cell.outputs[-1:] for cell in nb.cells[1:]] == [[], [], []]
    kept = {p.relative_to(work).as_posix() for p in work.rglob("*")}
    assert kept == {"data.csv", "graded.ipynb", "out", "out/plot.txt"}
    assert (work / "data.csv").read_text() == "given"
    assert (work / "graded.ipynb").read_text() == "graded"
    assert "other.ipynb" in caplog.text and "data.csv/x" in caplog.text


def test_it_reaches_no_file_of_this_machine(tmp_path):
    secret = tmp_path / "gradebook.db"
    secret.write_text("marks")
    (tmp_path / "work").mkdir()
    nb = run(notebook(f"open({str(secret)!r}).read()"), tmp_path / "work")
    assert error(nb.cells[0])[0] == "FileNotFoundError"


def test_a_kernel_that_is_not_there_is_nbgraders_own_error(tmp_path):
    resources = {"metadata": {"path": str(tmp_path)}}
    with pytest.raises(NoSuchKernel) as stock:
        Execute()(notebook("1", kernel="blarg"), resources)
    with pytest.raises(NoSuchKernel) as ours:
        run(notebook("1", kernel="blarg"), tmp_path)
    assert str(ours.value) == str(stock.value)


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """Two kernels more: one in R, as far as anybody can tell, and one of another Python."""

    def install(name: str, language: str, program: str) -> None:
        folder = tmp_path / "jupyter" / "kernels" / name
        folder.mkdir(parents=True)
        argv = [program, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": argv, "language": language, "display_name": name}
        (folder / "kernel.json").write_text(json.dumps(spec))

    install("ir", "R", sys.executable)
    install("conda", "python", "/opt/conda/bin/python")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))


def test_another_language_is_refused_by_name(kernels, tmp_path):
    with pytest.raises(NoSandbox, match="kernel ir is for R, and only Python"):
        run(notebook("1 + 1", kernel="ir"), tmp_path)


def test_where_no_sandbox_is_required_nbgrader_runs_another_language(kernels, tmp_path, caplog):
    part = SandboxedExecute(walled_in=False)
    nb, _ = part(notebook("1 + 1", kernel="ir"), {"metadata": {"path": str(tmp_path)}})
    assert nb.cells[0].outputs[0].data["text/plain"] == "2"
    assert "ir is for R" in caplog.text and "your own rights" in caplog.text


def test_another_python_is_run_by_this_one_and_that_is_said(kernels, tmp_path, caplog):
    nb = run(notebook("import sys\nsys.executable", kernel="conda"), tmp_path)
    assert nb.cells[0].outputs[0].data["text/plain"] == repr(sys.executable)
    assert "/opt/conda/bin/python" in caplog.text


# In nbgrader's list.


def graded(nb: NotebookNode, folder: Path, monkeypatch: pytest.MonkeyPatch) -> NotebookNode:
    monkeypatch.chdir(folder)
    info = {"assignment": "ps1", "notebook": "p1", "student": "ben"}
    return GradeSubmission()(nb, {"nbgrader": info, "metadata": {"path": str(folder)}})[0]


def assert_cell(source: str, grade_id: str) -> NotebookNode:
    cell = new_code_cell(source)
    flags = {"grade": True, "solution": False, "locked": True, "task": False}
    cell.metadata["nbgrader"] = {**flags, "grade_id": grade_id, "points": 1, "schema_version": 3}
    return cell


def test_assert_cells_are_labelled_as_unprotected(tmp_path, monkeypatch, caplog):
    nb = graded(notebook("x = 1", assert_cell("assert x == 1", "t")), tmp_path, monkeypatch)
    assert "can fool them" in " ".join(nb.metadata[UNPROTECTED].split())
    assert nb.metadata[UNPROTECTED] in caplog.text


def test_a_notebook_without_test_cells_is_not(tmp_path, monkeypatch):
    assert UNPROTECTED not in graded(notebook("x = 1"), tmp_path, monkeypatch).metadata


def test_a_set_of_ours_outside_its_course_is_not_taken_for_somebody_elses(tmp_path, monkeypatch):
    """By nbgrader's rule its checks, which say nothing when all is well, would earn full marks."""
    monkeypatch.delenv("AUTOGRADER_ROOT", raising=False)
    nb = notebook("def check(f): pass\ngabor = 1", assert_cell("check(gabor)", "check-gabor"))
    with pytest.raises(AuthorError, match=r"no solutions/ps1\.py around"):
        graded(nb, tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said without an application goes to traitlets' logger."""
    logger = logging.getLogger("traitlets")
    monkeypatch.setattr(logger, "propagate", True)
    caplog.set_level(logging.INFO, "traitlets")
