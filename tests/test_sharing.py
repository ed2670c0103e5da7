"""Which functions share a snapshot, and that it changes no verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from autograder.engine.interface import Limits, Snapshot
from autograder.engine.trusted.session import NotebookSession
from autograder.engine.warm.handle import SandboxedRunner
from autograder.grading.grade import grade
from autograder.grading.snapshots import Check, Sharing, Step, plan
from autograder.grading.survey import Survey, survey
from autograder.judging.sets import find_set
from autograder.project import find_project
from autograder.release.notebook import instructor_notebook
from autograder.sample.people import make_class
from autograder.submissions.read import Submission, read_submission
from tests.conftest import Course

SETS = find_project(Path(__file__).parent).sets
SETUP = "import numpy as np\nscale = 2.0\ndef helper(x): return np.sin(x) / scale\n"
PLAIN = "def f(x, y=0.5):\n    z = x.copy()\n    z[0] += y\n    return helper(z)\n"


LOGGED = "log = []\ndef logged(x):\n    log.append(x)\n    np.seterr(all='raise')\n"
LENGTH = "def length(x): return len(x) + round(x[0])\n"


def waits(source: str, *earlier: str) -> bool:
    sharing = Sharing()
    for cell in (SETUP, *earlier, source):
        sharing.runs(cell)
    return sharing.may_wait("f")


@pytest.mark.parametrize(
    "source",
    [
        PLAIN,
        "def f(x):\n    def inner(t): return x * t\n    return [inner(t) for t in range(3)]\n",
        "def f(g, x):\n    try:\n        return g(x) @ np.linalg.inv(x)\n"
        "    except np.linalg.LinAlgError as error:\n        raise ValueError(x) from error\n",
        "def f(x):\n    for row in x:\n        yield row, np.random.rand()\n",
        "def f(x): return not_yet(x)\n",
        '"""A text."""\nimport math\ndef f(x: np.ndarray) -> "number":\n    return math.exp(x)\n',
        "%matplotlib inline\ndef f(x): return x\n",
    ],
)
def test_who_reads_nothing_but_arguments_may_wait(source: str) -> None:
    assert waits(source)


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    global scale\n    scale = x\n",
        "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)\n",
        "def f(x):\n    f.count = 1\n",
        "def f(x): return f.__globals__\n",
        "def f(x): np.pi = 3\n",
        "def f(x):\n    np.seterr(all='raise')\n    return x\n",
        "def f(x): return np.random.seed(x)\n",
        "def f(x): return exec(x)\n",
        "table = np.zeros(3)\ndef f(x):\n    table[0] = x\n    return table\n",
        "def f(x, seen=[]): return seen\n",
        "import functools\n@functools.cache\ndef f(x): return x\n",
        "f = lambda x: x\n",
        "def f(x): return x\nf = helper\n",
        "if scale:\n    def f(x): return x\n",
        "class f:\n    pass\n",
        "def f(x):\n    import os\n    os.environ['x'] = 'y'\n",
        "import os\ndef f(x): return os.environ\n",
        "from numpy import *\ndef f(x): return x\n",
        "def f(x): return (",
        "def f(x: print(1)): return x\n",
        "def g(x):\n    global scale\n    scale = x\ndef f(x): return g(x)\n",
        "def f(x): return x\ndef g():\n    global f\n    f = np.sin\n",
        "%%time\ndef f(x): return x\n" + ")",
        "def f(x): return x\n%time f = helper",
        "def f(x): return x\n%run other.py",
        "from numpy import seterr\ndef f(x):\n    seterr(all='raise')\n    return x\n",
        "from numpy import seterr as s\ndef f(x):\n    s(all='raise')\n    return x\n",
        "def f(x):\n    r = np.random\n    r.seed(1)\n    return x\n",
        "def f(x): return Out[1]\n",
        "def f(x): return _ + x\n",
        "round = 2\nround = helper\ndef f(x): return round(x)\n",
        # What does not stand in a cell may be bound all the same, and by what it reads.
        "exec('def more(x): return scale * x')\ndef f(x): return more(x)\n",
        "globals()['sum'] = lambda x: scale * x\ndef f(x): return sum(x)\n",
        "import builtins\nbuiltins.sum = helper\ndef f(x): return sum(x)\n",
        "np.mean = lambda x: scale * x\ndef f(x): return np.mean(x)\n",
        "setattr(np, 'mean', helper)\ndef f(x): return np.mean(x)\n",
        "import my_numpy\ndef f(x): return np.mean(x)\n",
    ],
)
def test_who_may_see_or_change_more_is_judged_where_the_check_stands(source: str) -> None:
    assert not waits(source)


def test_a_magic_is_no_remainder_at_the_start_of_a_line() -> None:
    """The second definition counts, and what it may see."""
    again = "k = 2\nsize = []\ndef f(x):\n    return (len(size)\n    % k)\n"
    assert not waits(again, PLAIN)


def test_after_a_cell_that_cannot_be_read_nobody_waits() -> None:
    assert not waits(PLAIN, "%%time\nhelper = print")


def test_no_check_no_definition() -> None:
    assert not Sharing().may_wait("f")


@pytest.mark.parametrize(
    ("cell", "must"),
    [
        ("def g(x): return f(x)", False),
        ("import scipy.stats as st\nfrom autograder import check\nh = -1, 'x'", False),
        ("'a text'", False),
        ("print(1)", False),
        (
            "rng = np.random.default_rng(4)\nx = rng.normal(size=3)\nprint(f(x), helper(x)[0])",
            False,
        ),
        ("y = np.ones(3)\ntry:\n    y[0] = f(y)\nexcept NotImplementedError:\n    y = 0", False),
        ("x = 3.0\ndef g(y): return f(x * y)\nprint([g(k) for k in range(3)])", False),
        ("f(seen)", False),
        ("f(np.arange(2.0)).sort()", False),
        ("z = [f(x) for x in things]\nthings.append(z)", True),
        ("np.random.seed(3)", True),
        ("np.seterr(all='raise')", True),
        ("open('a').read()", True),
        ("print(f.__name__)", True),
        ("f.calls = 3", True),
        ("import os\nprint(os.getcwd())", True),
        ("logged(np.ones(3))", True),
        ("logged = [logged(x) for x in range(3)]", True),
        ("x = log\nlog = [f(x) for x in log]", True),
        ("for scale in range(3): f(scale)", True),
        ("with open('a') as helper: f(helper)", True),
        ("from numpy import *", True),
        ("from numpy import round", True),
        ("len = 7", True),
        ("def len(x): return 0", True),
        ("import math as len", True),
        ("del helper", True),
        ("np.mean = np.sum", True),
        ("globals()['scale'] = 3", True),
        ("scale = 3.0", True),
        ("def helper(x): return 0", True),
        ("import numpy.linalg as np", True),
        ("import something", True),
        ("from . import something", True),
        ("%pip install x", True),
        ("%run other.py", True),
        ("!touch x", True),
    ],
)
def test_what_must_not_run_before_the_snapshot(cell: str, must: bool) -> None:
    sharing = Sharing()
    for source in (SETUP, PLAIN, LENGTH, LOGGED):
        assert not sharing.runs(source), "nobody waits"
    assert sharing.may_wait("f") and sharing.may_wait("length")
    assert sharing.runs(cell) is must
    sharing.taken()
    assert not sharing.runs("%time 2")


def test_a_solved_notebook_takes_few_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    """One before the map is drawn, and not one for each function."""
    exercise_set = find_set("gradient")
    taken = []
    before = NotebookSession.snapshot

    def counted(session: NotebookSession) -> Snapshot:
        taken.append(1)
        return before(session)

    monkeypatch.setattr(NotebookSession, "snapshot", counted)
    done = grade(
        Submission(instructor_notebook(exercise_set)), exercise_set, "7", SandboxedRunner()
    )
    assert done.points == done.max_points
    assert len(taken) == 1


def test_who_waits_is_judged_where_cells_take_python_down_again_and_again() -> None:
    """After three deaths no cell runs any more, and there is no later state."""
    notebook = instructor_notebook(find_set("gradient"))
    crash = (
        "def crash(x):\n    far = np.lib.stride_tricks.as_strided(x, (9,), (10**12,))\n"
        "    return far.sum()\n"
    )
    where = 1 + next(i for i, c in enumerate(notebook.cells) if c.id == "check-linear_gradient")
    sources = [crash, *["crash(np.ones(1))"] * 3]
    notebook.cells[where:where] = [new_code_cell(source) for source in sources]
    steps = [cell.source for cell in notebook.cells[:where] if cell.cell_type == "code"]
    sharing = Sharing()
    assert not any(map(sharing.runs, steps)) and sharing.may_wait("linear_gradient")
    assert not any(map(sharing.runs, sources)), "they are no reason to take a snapshot before"
    done = grade(Submission(notebook), find_set("gradient"), "7", SandboxedRunner())
    assert done.verdicts["linear_gradient"].status == "passed"
    assert done.verdicts["gradient_descent"].status != "passed"


def all_alone(steps: Sequence[Step], asked: Sequence[str]) -> Survey:
    """A survey after which no function shares a snapshot."""
    return replace(survey(steps, asked), plan=plan(steps, alone=True))


def test_a_plan_says_when_snapshots_are_taken() -> None:
    f, g, alone = Check("f", False), Check("g", False), Check("f", True)
    steps: list[Step] = [SETUP, PLAIN, f, "h = 1", "open(g)", g, g, "", g, "1", f, alone]
    made = ["run", "run", "wait", "run", "take", "now", "same", "run", "same", "run", "wait", "now"]
    assert plan(steps) == made
    assert survey(steps, ["f"]).plan == made
    alone_all = [{"wait": "now", "take": "run"}.get(when, when) for when in made]
    assert plan(steps, alone=True) == [*alone_all[:-1], "same"]


@pytest.mark.parametrize(
    ("name", "students"),
    [("gradient", 5), *(pytest.param(name, 12, marks=pytest.mark.full) for name in SETS)],
)
def test_sharing_changes_no_verdict(
    name: str, students: int, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class with every kind of mistake, graded twice: with a snapshot for each function, too."""
    make_class(course.project, [name], students, 3)
    exercise_set = find_set(name)
    runner = SandboxedRunner()
    limits = Limits(cell_seconds=5.0, call_seconds=2.0)
    files = sorted(course.grading.glob(f"submitted/*/{name}/{name}.ipynb"))
    assert len(files) >= students - 1, "who hands nothing in has no file"
    verdicts = []
    for _ in range(2):
        done = [grade(read_submission(f), exercise_set, "7", runner, limits=limits) for f in files]
        verdicts.append([graded.to_json()["functions"] for graded in done])
        monkeypatch.setattr("autograder.grading.grade.survey", all_alone)
    assert verdicts[0] == verdicts[1]
    assert {v["status"] for graded in verdicts[0] for v in graded.values()} > {"passed", "wrong"}
