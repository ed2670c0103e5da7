"""What learners do to their cells, and what they bring: a class of it, graded in one run."""

from __future__ import annotations

import copy
import html
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.engine.interface import Limits
from autograder.engine.trusted.session import NotebookSession
from autograder.engine.trusted.vouching import Known
from autograder.engine.warm.handle import default_runner
from autograder.judging.verdict import Verdict
from autograder.submissions.held import beside_checks
from autograder.submissions.script import cells_of
from autograder.values.codec import Raised
from tests.conftest import Course
from tests.test_broken_submissions import FULL, NOTHING, cell, index, without

pytestmark = pytest.mark.timeout(900)

Made = NotebookNode | str
MAKERS: dict[str, Callable[[NotebookNode], Made]] = {}
MARKS: dict[str, dict[str, float]] = {}
TOLD: dict[str, tuple[str, ...]] = {}
FILES: dict[str, dict[str, str]] = {}
KEPT = "The check cell of {} held more than the check."


def odd(
    marks: dict[str, float], *told: str, files: dict[str, str] | None = None
) -> Callable[[Callable[[NotebookNode], Made]], Callable[[NotebookNode], Made]]:
    """Register what somebody hands in: its marks, what is told, and what lies beside it."""

    def register(make: Callable[[NotebookNode], Made]) -> Callable[[NotebookNode], Made]:
        name = make.__name__
        MAKERS[name], MARKS[name], TOLD[name], FILES[name] = make, marks, told, files or {}
        return make

    return register


def above(notebook: NotebookNode, cell_id: str, *sources: str) -> NotebookNode:
    here = index(notebook, cell_id)
    notebook.cells[here:here] = [new_code_cell(source) for source in sources]
    return notebook


def below(notebook: NotebookNode, cell_id: str, *sources: str) -> NotebookNode:
    here = index(notebook, cell_id) + 1
    notebook.cells[here:here] = [new_code_cell(source) for source in sources]
    return notebook


def first_code(notebook: NotebookNode) -> NotebookNode:
    return next(one for one in notebook.cells if one.cell_type == "code")


# Check cells.


@odd(FULL, KEPT.format("gabor"))
def merged_into_the_check(notebook: NotebookNode) -> Made:
    solution, check = cell(notebook, "solution-gabor"), cell(notebook, "check-gabor")
    check.source = f"{solution.source}\n\ncheck( gabor )"
    notebook.cells.remove(solution)
    # What says whose it is may be anything, as long as something does.
    check.metadata["nbgrader"]["grade_id"] = "of-another-course"
    return notebook


@odd(FULL, KEPT.format("gabor"))
def merged_with_the_next_one(notebook: NotebookNode) -> Made:
    """A check with the stub below it, which has a check of its own that went along."""
    names = ("check-gabor", "solution-gabor_gradient", "check-gabor_gradient")
    first, *others = [cell(notebook, name) for name in names]
    first.source = "\n".join(one.source for one in (first, *others))
    for one in others:
        notebook.cells.remove(one)
    return notebook


@odd(FULL, KEPT.format("gabor"))
def defined_in_the_check(notebook: NotebookNode) -> Made:
    solution, check = cell(notebook, "solution-gabor"), cell(notebook, "check-gabor")
    check.source, solution.source = (
        f"{solution.source}\n{check.source}",
        ("def gabor(theta, x):\n    raise NotImplementedError"),
    )
    return notebook


@odd(FULL, KEPT.format("is_convex_hessian"), KEPT.format("linear_gradient"))
def imported_in_a_check(notebook: NotebookNode) -> Made:
    """And a constant, in a cell that Python alone cannot read."""
    cell(notebook, "check-is_convex_hessian").source = "import math as m; check(is_convex_hessian)"
    cell(
        notebook, "check-linear_gradient"
    ).source = "%matplotlib inline\nscale = 0.06\ncheck(linear_gradient)"
    gabor = cell(notebook, "solution-gabor")
    gabor.source = gabor.source.replace("0.06", "scale").replace(
        "np.sin(u)", "m.cos(0) * np.sin(u)"
    )
    assert "scale" in gabor.source and "m.cos" in gabor.source
    return notebook


@odd(FULL, "The check of newton_step is there more than once")
def the_same_check_in_another_form(notebook: NotebookNode) -> Made:
    """Reformatted, with a remark, cut in two, with a hint; the label of one on another's id."""
    cell(notebook, "check-gabor").source = "# mine\ncheck(\n    gabor,\n)  # works!"
    cell(notebook, "check-bfgs_update").source = "hint(bfgs_update)\ncheck(bfgs_update);"
    half = cell(notebook, "check-newton_step")
    other = copy.deepcopy(half)
    half.source, other.source, other.id = "check(", "newton_step)", "another"
    notebook.cells.insert(index(notebook, "check-newton_step") + 1, other)
    solution, check = (
        cell(notebook, "solution-gabor_gradient"),
        cell(notebook, "check-gabor_gradient"),
    )
    solution.source += "\n\ncheck(gabor_gradient)"
    solution.id = check.id
    notebook.cells.remove(check)
    return notebook


@odd(without("gabor"), KEPT.format("gabor"))
def a_check_that_wants_more(notebook: NotebookNode) -> Made:
    """What is kept is a cell as any other: no points, no verdict, no word in the judging."""
    cell(notebook, "solution-gabor").source = "def gabor(theta, x):\n    return np.zeros(len(x))"
    check = cell(notebook, "check-gabor")
    check.metadata["nbgrader"].update(points=100, locked=False, solution=True)
    check.source = (
        "import autograder.judging.verdict as v\nv.decide = lambda *a, **k: None\n"
        "def check(function): return 1.0\n"
        "np.allclose = lambda *a, **k: True\n1.0\ncheck(gabor)\n1.0"
    )
    return notebook


# What a kernel has.


@odd(FULL)
def asks_for_programs(notebook: NotebookNode) -> Made:
    setup = first_code(notebook)
    setup.source = f"!pip install tqdm\n%pip install tqdm\n%conda install tqdm\n{setup.source}"
    gabor = cell(notebook, "solution-gabor")
    gabor.source = f"x0 = !echo 1\n!!ls\n%ls\nassert _exit_code\n{gabor.source}"
    return above(notebook, "solution-gabor", "%%bash --out listed\nls", "listed.strip()")


BELL = (
    "import numpy as np\nfrom helpers.width import WIDTH\ndef bell(u): return np.exp(-u**2 / WIDTH)"
)


@odd(
    FULL,
    "numpy.py has the name of a library",
    "checks.json was changed.",
    files={
        "bell.py": BELL,
        "helpers/__init__.py": "",
        "helpers/width.py": "import numpy as np\nWIDTH = float(np.loadtxt('data/width.txt'))",
        "data/width.txt": "32\n",
        "numpy.py": "raise SystemExit('mine')",
        "checks.json": "{}",
    },
)
def files_beside(notebook: NotebookNode) -> Made:
    gabor = cell(notebook, "solution-gabor")
    gabor.source = "from bell import bell\n" + gabor.source.replace(
        "np.exp(-(u**2) / 32)", "bell(u)"
    )
    assert "* bell(u)" in gabor.source
    return above(notebook, "solution-gabor", "import json, numpy\njson.load(open('checks.json'))")


def script(notebook: NotebookNode, mark: str = "") -> str:
    """Two functions, of which the first is wrong, and their checks, as an editor writes them."""
    names = ("linear_gradient", "gabor")
    ids = [f"{kind}-{name}" for name in names for kind in ("solution", "check")]
    sources = [cell(notebook, one).source for one in ids]
    sources[0] = sources[0].replace("return ", "return -1 * ")
    return f"\n\n{mark}\n\n".join(["import numpy as np\nfrom autograder import check", *sources])


ONE = {**NOTHING, "gabor": FULL["gabor"]}


@odd(ONE, "gradient.py was graded as gradient.ipynb.")
def a_script(notebook: NotebookNode) -> Made:
    return script(notebook)


@odd(ONE, "gradient.py was graded as gradient.ipynb.")
def a_download_as_py(notebook: NotebookNode) -> Made:
    return "#!/usr/bin/env python\n# coding: utf-8\n\n# In[1]:\n\n" + script(notebook, "# In[ ]:")


# The cause.


@odd(
    without("gabor", "gabor_gradient"),
    "There is no gabor, since the cell that defines it stopped: ModuleNotFoundError: "
    "No module named 'bells'",
    "your line: from bells import bell",
    "It raises NameError: name 'gabor' is not defined.",
)
def a_helper_that_is_not_there(notebook: NotebookNode) -> Made:
    gabor = cell(notebook, "solution-gabor")
    gabor.source = f"import os\nfrom bells import bell\n{gabor.source}"
    gradient = cell(notebook, "solution-gabor_gradient")
    head = gradient.source.index('"""', gradient.source.index('"""') + 3) + 3
    gradient.source = f"{gradient.source[:head]}\n    gabor(theta, x){gradient.source[head:]}"
    return notebook


@odd(
    {**NOTHING, "linear_gradient": 2.0},
    "It raises NameError: name 'np' is not defined.",
    "There is no np, since an earlier cell stopped: ModuleNotFoundError: No module named "
    "'lab_helpers', at the line: from lab_helpers import plots",
    "There is no gabor, since the cell that defines it stopped: NameError: name 'np' is not",
)
def imports_that_failed(notebook: NotebookNode) -> Made:
    setup = first_code(notebook)
    setup.source = f"from lab_helpers import plots\n{setup.source}"
    gabor = cell(notebook, "solution-gabor")
    gabor.source = f"offsets = np.zeros(3)\n{gabor.source}"
    return notebook


PLATFORM = """%load_ext google.colab.data_table
from google.colab import drive, files as uploads
import kaggle_secrets, numpy as np
import google.colab.patches
import micropip
from tqdm.notebook import tqdm, trange
drive.mount("/content/drive")
google.colab.patches.cv2_imshow(np.eye(2))
await micropip.install("seaborn")
for name, data in uploads.upload().items():
    raise ValueError(name)
token = kaggle_secrets.UserSecretsClient().get_secret("token")
with tqdm(total=3) as bar:
    bar.update(1)
scale = sum(trange(4)) / len(list(tqdm([1, 2, 3], desc="steps"))) * 0.03


def mounted():
    from google.colab import drive
    return drive.mount("/content")


mounted()
"""


@odd(
    FULL,
    "google.colab is not there when a notebook is graded: it does nothing here.",
    "kaggle_secrets is not there when a notebook is graded",
    "micropip is not there when a notebook is graded",
)
def of_another_platform(notebook: NotebookNode) -> Made:
    """What a cell defines besides is there."""
    setup = first_code(notebook)
    setup.source = f"{PLATFORM}\n{setup.source}"
    gabor = cell(notebook, "solution-gabor")
    gabor.source = gabor.source.replace("0.06", "scale")
    assert "scale" in gabor.source
    return notebook


@odd(
    without("gabor"),
    "There is no gabor, since the cell that defines it stopped: SyntaxError: ",
    "It was graded with Python 3.",
    "your line: return (",
)
def a_slip_of_the_pen(notebook: NotebookNode) -> Made:
    cell(notebook, "solution-gabor").source += "\n    return ("
    return notebook


# Judged where the check stands.


@odd(FULL)
def spoilt_afterwards(notebook: NotebookNode) -> Made:
    below(notebook, "check-numerical_gradient", "from numpy import *", "len = 7", "del len")
    below(notebook, "check-gabor", "sine = np.sin\nnp.sin = np.cos", "np.sin = sine")
    notebook.cells.append(new_code_cell("len = range = float = abs = max = min = sum = 7"))
    return notebook


@pytest.fixture(scope="module")
def graded(module_course: Course) -> Course:
    course = module_course
    for name, make in MAKERS.items():
        made = make(course.solved())
        script = "gradient.py" if isinstance(made, str) else ""
        folder = course.hand_in(name, made, script).parent
        for file, text in FILES[name].items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(text, "utf-8")
    said = course.run("autograder autograde gradient")
    look = said.partition("Please look at:")[2].split("What nbgrader said")[0]
    assert look.count(KEPT.format("gabor")) == sum(KEPT.format("gabor") in t for t in TOLD.values())
    return course


def verdicts(course: Course, name: str) -> dict[str, Verdict]:
    kept = course.graded(name).metadata["autograder"]["verdicts"]
    return {part: Verdict.from_json(told) for part, told in kept.items()}


@pytest.mark.parametrize("name", MAKERS)
def test_it_gets_what_it_deserves_and_is_told(graded: Course, name: str) -> None:
    assert graded.marks(name) == MARKS[name]
    assert graded.flagged(name) == set()
    notebook = graded.graded(name)
    shown = html.unescape(
        "\n".join(str(one.get("outputs") or one.source) for one in notebook.cells)
    )
    for told in TOLD[name]:
        assert told in shown
    if not TOLD[name]:
        assert notebook.metadata["autograder"]["problems"] == []


def test_formgraders_loop_gives_the_same(graded: Course) -> None:
    """The button's, and `nbgrader autograde`'s, for one who did several of these."""
    notebook: Made = graded.solved()
    for name in ("files_beside", "asks_for_programs", "merged_into_the_check"):
        assert isinstance(notebook, NotebookNode)
        notebook = MAKERS[name](notebook)
    folder = graded.hand_in("several", notebook).parent
    for file, text in FILES["files_beside"].items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(text, "utf-8")
    graded.run("nbgrader autograde gradient --student several")
    assert graded.marks("several") == FULL


# Single pieces.


@pytest.mark.parametrize(
    ("source", "more"),
    [
        ("check(f)", ""),
        ("'a text'\ncheck(f, 'step')\nf\n...", ""),
        ("a = 1; check(f); b = 2", "a = 1; pass; b = 2"),
        ("é = 'é'; check(f)\nb = 2", "é = 'é'; pass\nb = 2"),
        ("a = 1\ncheck(\n    f,\n    'step'\n)  # ok\nb = 2", "a = 1\nb = 2"),
        ("def f(x:\n  3\ncheck(f)", "def f(x:\n  3"),
        ("if f:\n    check(f)", "if f:\n    check(f)"),
        ("print(f(3))\ncheck(f)", "print(f(3))"),
    ],
)
def test_what_a_check_cell_holds_besides(source: str, more: str) -> None:
    assert beside_checks([source]) == [more]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        (
            "import a\nimport b\n# of f\n@a\n# of f, too\ndef f(x):\n    y = 1\n# -\n    return y\n"
            "check(f)\nc = 1; check(f)\nd = 2\n\ne = 3",
            [
                "import a\nimport b",
                "# of f\n@a\n# of f, too\ndef f(x):\n    y = 1\n# -\n    return y",
                "check(f)",
                "c = 1; check(f)",
                "d = 2",
                "e = 3",
            ],
        ),
        ("#%%\r\na = 1\r\n\r\n# %% more\r\n'''\r\n# %%\r\n'''", ["a = 1", "'''\n# %%\n'''"]),
        ("# %% [markdown]\n# # Title\n# text\n# %%\na = 1", ["# Title\ntext", "a = 1"]),
        ("# In[1]:\n\n\ndef f(:\n\n# In[2]:\n\n\ncheck(f)", ["def f(:", "check(f)"]),
        (
            "%pylab\nimport a\ndef f(:\n    3\n@a\n@b\ndef g():\n    3\ncheck(g)\nx = 1",
            ["%pylab\nimport a", "def f(:\n    3", "@a\n@b\ndef g():\n    3", "check(g)", "x = 1"],
        ),
        ("\n \n", []),
    ],
)
def test_a_script_is_split_at_its_marks_or_statements(text: str, cells: list[str]) -> None:
    assert [source for _kind, source in cells_of(text)] == cells


@pytest.fixture(scope="module")
def session() -> Iterator[NotebookSession]:
    with default_runner().open(None, Limits()) as running:
        assert isinstance(running, NotebookSession)
        yield running


@pytest.mark.parametrize(
    "source",
    [
        *("!ls", "! ls -l &", "lines = !ls", "%sx ls", "%system ls", "%sc out=ls", "ls", "!"),
        *("%%bash\nls", "%%sh --out out\nls", "%%script python3 -u\n1", "%%python3\n1", "%%!\nls"),
        *("%pip install x", "%uv pip install x", "%mamba install x", "get_ipython().system('ls')"),
    ],
)
def test_a_program_that_cannot_be_started_is_told_and_ends_nothing(
    session: NotebookSession, source: str
) -> None:
    found = session.execute(
        f"_exit_code = 0\nget_ipython().run_cell({source!r})\nassert _exit_code == 126"
    )
    assert found.status == "ok", found.outputs
    assert "not run, since no program can be started here." in str(found.outputs)


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ("try: import google.colab\nexcept ImportError: print('here')", "here"),
        ("with suppress(ImportError):\n    import micropip\n    print('there')", None),
        ("import json, micropip as m\nprint(json.dumps(1), await m.install('x'))", "1 None"),
        ("from tqdm.auto import tqdm, trange\nprint(*tqdm([3, 4]), *trange(2))", "3 4 0 1"),
        ("from kaggle_secrets import *\nprint(5)", "5"),
        ("%load_ext google.colab.data_table\nprint(6)", "6"),
    ],
)
def test_who_asks_whether_it_is_another_platform_is_told_that_it_is_not(
    session: NotebookSession, source: str, printed: str | None
) -> None:
    found = session.execute(f"from contextlib import suppress\n{source}")
    assert found.status == "ok", found.outputs
    said = "".join(output["text"] for output in found.outputs)
    assert said.splitlines()[-1:] == ([printed] if printed else []), said
    # Whom nothing would have told otherwise.
    told = "is not there when a notebook is graded: it does nothing here." in said
    assert told is ("ImportError" not in source), said


def test_who_lies_beside_others_gets_nothing_of_theirs(graded: Course, tmp_path: Path) -> None:
    """`grade-notebook` is given single files, wherever they are."""
    import nbformat

    notebook = MAKERS["files_beside"](graded.solved())
    for name in ("anna", "ben"):
        (tmp_path / f"{name}.ipynb").write_text(nbformat.writes(notebook), "utf-8")
    (tmp_path / "bell.py").write_text("def bell(u): return 1")
    said = graded.run(f"autograder grade-notebook {tmp_path}/anna.ipynb --assignment gradient")
    assert "19 of 20 points" in said and "No module named 'bell'" in said
    assert "bell.py was not there" in " ".join(said.split())


@pytest.mark.parametrize(
    ("kind", "message", "line", "told"),
    [
        ("NameError", "name 'm' is not defined", "m.cos(x)", "name 'm' is not defined"),
        (
            "UnboundLocalError",
            "cannot access local variable 'u' where it",
            "u += 1",
            "variable 'u'",
        ),
        (
            "AttributeError",
            "module 'numpy' has no attribute 'sine'",
            "np.sine(x)",
            "attribute 'sine'",
        ),
        ("ModuleNotFoundError", "No module named 'bell'", "import bell", "named 'bell'"),
        ("NameError", "name '314' is not defined", "m.cos(x)", ""),
        ("NameError", "name 'm' is not defined", "", ""),
        ("ValueError", "name 'x' is not defined", "raise ValueError(x)", ""),
    ],
)
def test_of_a_message_only_a_name_of_the_line_gets_out(
    kind: str, message: str, line: str, told: str
) -> None:
    names = (kind, *(("NameError",) if kind == "UnboundLocalError" else ()))
    names += ("ImportError",) if kind == "ModuleNotFoundError" else ()
    answer = Known([line]).value(Raised(names, f"{message} 42", line, 1))
    assert told in answer.message and bool(told) == bool(answer.message)
    assert "42" not in answer.message and "numpy" not in answer.message
