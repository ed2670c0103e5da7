"""A learner solves an exercise in a real JupyterLab, and nbgrader's Validate agrees."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from playwright.sync_api import Page, expect

from autograder.judging.sets import find_set
from autograder.project import find_project
from autograder.release.notebook import WHEEL, instructor_notebook

from .lab import PATIENCE_MS, RED, Lab, Notebook, jupyter_lab, stay_here

ROOT = Path(__file__).resolve().parents[2]
NAMES = [
    "numerical_gradient",
    "linear_gradient",
    "gradient_descent",
    "bracketing_line_search",
    "is_convex_hessian",
    "gabor",
    "gabor_gradient",
    "largest_learning_rate",
    "newton_step",
    "bfgs_update",
]
NO_SCALE = "The factor 0.06 before theta[1] is missing."

# One server serves the whole file, so one worker runs it.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("lab")]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab in a learner's copy of the exercises."""
    base = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "exercises" / "gradient", base / "work" / "gradient")
    with jupyter_lab(base / "work", base / "home") as running:
        yield running


@pytest.fixture
def elsewhere(page: Page) -> Iterator[list[str]]:
    """Nothing that a learner does may ask another host for anything."""
    asked: list[str] = []
    stay_here(page, asked)
    yield asked
    assert asked == []


def place(notebook: NotebookNode, cell_id: str) -> int:
    return next(i for i, cell in enumerate(notebook.cells) if cell.id == cell_id)


def setup_cell(notebook: NotebookNode) -> int:
    return next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")


@pytest.mark.usefixtures("elsewhere")
def test_a_learner_goes_from_the_stub_over_a_named_mistake_to_a_pass(lab: Lab, page: Page) -> None:
    notebook = Notebook(lab, page, "gradient/gradient.ipynb")
    keyboard, released = page.keyboard, notebook.read()
    solution, check = notebook.cell("solution-gabor"), notebook.cell("check-gabor")

    notebook.edit(notebook.at(setup_cell(released)))
    assert notebook.run(notebook.at(setup_cell(released))) == ""

    notebook.edit(solution)
    assert notebook.run(solution) == ""
    notebook.edit(check)
    assert "gabor: Not attempted yet" in notebook.run(check)
    expect(notebook.errors(check)).to_have_count(0)

    notebook.edit(solution)
    notebook.rewrite_line("u = theta[0] + theta[1] * x")
    keyboard.press("Enter")
    keyboard.type("return np.sin(u) * np.exp(-(u**2) / 32)")
    assert notebook.run(solution) == ""
    notebook.edit(check)
    told = notebook.run(check)
    assert f"gabor: {NO_SCALE}" in told
    assert "got " in told and ", wanted " in told and "hint(gabor)" in told
    assert "Traceback" not in told and "learning/check" not in told
    expect(notebook.errors(check)).to_have_count(1)

    keyboard.press("Escape")
    keyboard.press("b")
    asking = notebook.at(place(released, "check-gabor") + 1)
    expect(asking.locator(".cm-content")).to_have_text("")
    notebook.edit(asking)
    keyboard.type("hint(gabor)")
    assert "Hint 1 of 2 for gabor:" in notebook.run(asking)
    assert "Hint 2 of 2 for gabor:" in notebook.run(asking)

    notebook.edit(solution)
    keyboard.press("ArrowUp")
    notebook.rewrite_line("u = theta[0] + 0.06 * theta[1] * x")
    assert notebook.run(solution) == ""
    notebook.edit(check)
    assert notebook.run(check) == "✓ gabor: Correct."
    panel = notebook.output(check).locator("div[style*='border-left']")
    expect(panel).to_have_css("border-left-color", "rgb(0, 158, 115)")

    notebook.save()
    saved = notebook.read()
    typed = saved.cells[place(saved, "solution-gabor")].source
    assert typed.endswith(
        "    u = theta[0] + 0.06 * theta[1] * x\n    return np.sin(u) * np.exp(-(u**2) / 32)"
    )
    kept = {cell.id: (cell.cell_type, cell.metadata) for cell in saved.cells}
    assert {c.id: (c.cell_type, c.metadata) for c in released.cells}.items() <= kept.items()
    assert saved.metadata.kernelspec == released.metadata.kernelspec
    assert saved.nbformat_minor == released.nbformat_minor


@pytest.mark.usefixtures("elsewhere")
def test_validate_fails_what_is_unfinished_in_our_words_and_the_learners_line(
    lab: Lab, page: Page
) -> None:
    own_line = "return theta - np.linalg.solve(hessian(theta), slope)"
    notebook = written(lab, page, "unfinished", {"gabor": None, "newton_step": own_line})

    told = notebook.validate().inner_text()

    unfinished = [name for name in NAMES if name != "gabor"]
    assert told.count("The following cell failed:") == len(unfinished)
    assert all(f"check({name})" in told for name in unfinished)
    assert "gabor: " not in told
    assert told.count("Not attempted yet") == len(unfinished) - 1
    assert "newton_step: NameError: name 'slope' is not defined" in told
    assert f"your line: {own_line}" in told
    assert "Traceback" not in told and "autograder/" not in told


@pytest.mark.usefixtures("elsewhere")
def test_validate_passes_the_solved_notebook_and_every_check_is_green(lab: Lab, page: Page) -> None:
    notebook = written(lab, page, "solved", dict.fromkeys(NAMES))

    dialog = notebook.validate()
    expect(dialog).to_contain_text("Success! Your notebook passes all the tests.")
    dialog.get_by_role("button", name="Ok").click()

    notebook.panel.get_by_role("button", name="Restart the kernel and run all cells").click()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    for name in NAMES:
        expect(notebook.output(notebook.cell(f"check-{name}"))).to_have_text(
            f"✓ {name}: Correct.", timeout=PATIENCE_MS
        )
    last = [i for i, cell in enumerate(notebook.read().cells) if cell.cell_type == "code"][-1]
    walks = notebook.output(notebook.at(last))
    expect(walks.locator("img")).to_be_visible(timeout=PATIENCE_MS)
    expect(walks).to_contain_text("loss")
    expect(notebook.panel.locator(RED)).to_have_count(0)


def written(lab: Lab, page: Page, folder: str, bodies: dict[str, str | None]) -> Notebook:
    """The released notebook with bodies written into its stubs; None stands for the reference."""
    source = lab.folder / folder
    shutil.copytree(ROOT / "exercises" / "gradient", source)
    notebook = nbformat.read(source / "gradient.ipynb", as_version=4)
    solved = instructor_notebook(find_set("gradient", find_project(ROOT)))
    for name, body in bodies.items():
        cell = notebook.cells[place(notebook, f"solution-{name}")]
        if body is None:
            cell.source = solved.cells[place(solved, f"solution-{name}")].source
        else:
            cell.source = cell.source.replace("raise NotImplementedError", body)
    nbformat.write(notebook, source / "gradient.ipynb")
    return Notebook(lab, page, f"{folder}/gradient.ipynb")


@pytest.mark.parametrize("there", ["None", "__import__('types').ModuleType('autograder')"])
def test_without_the_package_the_setup_cell_gives_the_command_that_installs_it(there: str) -> None:
    """Also where somebody followed an error message to PyPI, where `autograder` is not ours."""
    notebook = nbformat.read(ROOT / "exercises" / "gradient" / "gradient.ipynb", as_version=4)
    source = notebook.cells[setup_cell(notebook)].source
    hidden = f"import sys; sys.modules['autograder'] = {there}\n{source}"

    ran = subprocess.run(
        [sys.executable, "-c", hidden], capture_output=True, text=True, timeout=60, check=False
    )

    assert ran.returncode != 0
    assert f"%pip install ./{WHEEL}" in ran.stderr
    assert "The course's package is missing" in ran.stderr
    assert "%pip uninstall -y autograder" in ran.stderr
    assert "During handling" not in ran.stderr and "import of autograder" not in ran.stderr
