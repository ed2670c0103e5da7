"""What an attack is: hostile cells in a solved notebook, what each function must get, what is told.

A cell that got what it was after prints LOOT. `tries` makes one of a few statements: it prints LOOT
where they end well, and else the name of the exception that refused them.
"""

from __future__ import annotations

import copy
import functools
import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.judging.sets import ExerciseSet, find_set
from autograder.release.notebook import instructor_notebook
from autograder.submissions.read import Submission, read_text
from tests.walled import World

LOOT = "LOOT"
GRADIENT = find_set("gradient")
# Few, or the suite would take minutes: one of arrays, one more, one that is given a function.
FEW = ("gabor", "linear_gradient", "numerical_gradient")
LIBC = "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"
# The socket on which the process is spoken to, as `speak(frame)` and `raw(bytes)`: in a cell the
# shell has it, in a call a frame above.
SPEAK = """
import json, os, sys
from IPython import get_ipython
def sockets():
    found, frame = {get_ipython().sink.channel.sock.fileno()}, sys._getframe()
    while frame:
        channel = getattr(frame.f_locals.get('self'), 'channel', None)
        if channel is not None: found.add(channel.sock.fileno())
        frame = frame.f_back
    return found - {-1}
def raw(data):
    for fd in sockets():
        try: os.write(fd, data)
        except OSError: pass
def speak(frame, blobs=b''):
    data = json.dumps(frame).encode()
    raw(len(data).to_bytes(4, 'big') + data + blobs)
"""


@dataclass(frozen=True)
class Attack:
    """Hostile cells and what must come of them.

    aim: what it tries, in a sentence.
    first, last: cells before and after all others (and the set-up).
    cells: other contents for solution cells, by function.
    costs: the functions that must get nothing; all others get full marks.
    loses: the functions that may get less than they are worth: it spoils its own answers by chance.
    refused: the exceptions that its `tries` may end in; one of them must.
    told: what must be readable in the graded notebook or a verdict. hidden: what must not.
    limits: limits of its own, so that it need not be waited for.
    unwalled: without walls it gets what it wants, and harms nobody: the threat is no empty one.
    changes: what else is done to the notebook that is handed in.
    also: functions that are handed out beside the few.
    of: another set, of which these alone are handed out.
    """

    name: str
    aim: str
    first: str = ""
    last: str = ""
    cells: dict[str, str] = field(default_factory=dict)
    costs: tuple[str, ...] = ()
    loses: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    limits: dict[str, Any] = field(default_factory=dict)
    unwalled: bool = False
    changes: Callable[[NotebookNode], None] | None = None
    also: tuple[str, ...] = ()
    of: str = GRADIENT.name

    @property
    def exercises(self) -> ExerciseSet:
        """The part of the set that is handed out."""
        return some((*(FEW if self.of == GRADIENT.name else ()), *self.also), self.of)

    def submission(self, world: World) -> Submission:
        """The solved notebook with the hostile cells in it."""
        notebook = innocent(self.exercises).notebook
        for cell in notebook.cells:
            given = self.cells.get(cell.id.removeprefix("solution-"))
            if given is not None:
                cell.source = placed(given, world)
        code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
        if self.first:
            notebook.cells.insert(code[0] + 1, new_code_cell(placed(self.first, world)))
        if self.last:
            notebook.cells.append(new_code_cell(placed(self.last, world)))
        if self.changes is None:
            return Submission(notebook)
        self.changes(notebook)
        return read_text(json.dumps(notebook))

    @property
    def marks(self) -> dict[str, float]:
        """The marks that it must get, without those that are left to chance."""
        full = full_marks(self.exercises)
        due = {name: 0.0 if name in self.costs else points for name, points in full.items()}
        return {name: points for name, points in due.items() if name not in self.loses}


@functools.cache
def some(names: tuple[str, ...], of: str = GRADIENT.name) -> ExerciseSet:
    """A set with some of its exercises alone."""
    found = find_set(of)
    return replace(found, exercises=tuple(e for e in found.exercises if e.name in names))


@functools.cache
def _solved(name: str) -> NotebookNode:
    return instructor_notebook(find_set(name))


def full_marks(exercises: ExerciseSet) -> dict[str, float]:
    """Points by function."""
    return {part.name: part.points for part in exercises.parts}


def innocent(exercises: ExerciseSet) -> Submission:
    """The solved notebook as it is, without the cells of other exercises."""
    notebook = copy.deepcopy(_solved(exercises.name))
    ours = {f"solution-{part.exercise}" for part in exercises.parts}
    ours |= {part.grade_id for part in exercises.parts}
    notebook.cells = [
        cell for cell in notebook.cells if "nbgrader" not in cell.metadata or cell.id in ours
    ]
    return Submission(notebook)


def placed(source: str, world: World) -> str:
    """A cell with the names of this machine's things in it."""
    found = {
        "$CANARY": str(world.canary),
        "$PORT": str(world.port),
        "$ABSTRACT": repr(world.abstract)[1:-1],
        "$BYSTANDER": str(world.bystander.pid),
        "$ROOT": str(GRADIENT.text.parent.parent),
        "$GRADING": str(world.canary.parent / "grading"),
    }
    for name, value in found.items():
        source = source.replace(name, value)
    return source


def tries(source: str) -> str:
    """A cell that says whether some statements end well, or what refused them."""
    body = textwrap.indent(source.strip(), "    ")
    return (
        f"try:\n{body}\nexcept BaseException as error:\n    print('refused', type(error).__name__)\n"
        f"else:\n    print('{LOOT[:2]}' + '{LOOT[2:]}')\n"
    )
