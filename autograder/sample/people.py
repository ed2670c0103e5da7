"""A made-up class: right, mistaken and broken submissions, and the mark that each must get.

Everything is drawn from one seed, so that the same class can be made again, byte by byte.
"""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import cycle
from pathlib import Path
from typing import Any

import nbformat

from autograder.exercise import AuthorError
from autograder.judging.sets import ExerciseSet, find_set, load_set
from autograder.project import Project
from autograder.release.byhand import released_answers
from autograder.sample.answers import BODIES, DEADLY, Filling, Fillings, Mark
from autograder.sample.damage import PLAIN, SHAPES, HandedIn, Shape

DEADLINE = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)
PERFECT, UNTOUCHED = Shape("everything right", None), Shape("never opened", None)

# How a class does, in logits: its mean and spread, how hard the first exercise of a set is, by how
# much the last is harder, and what share of those who fail the last leave it as it was.
SKILL = (1.0, 1.2)
EASIEST, RISE = -1.4, 3.2
GIVE_UP = 0.25
# Of the mistakes of a function the first is made as often as most others together (Zipf's law).
POPULAR = 1.5

# What stands in a cell that a person marks.
REPORTS = (
    "I changed the batch size and nothing else, with three seeds for each. The smaller batches "
    "were ahead after as many epochs, and behind after as many seconds.",
    "The learning rate decides more than anything else: at 1.0 one seed of three diverged. I "
    "would have liked more seeds.",
    "Momentum made no difference. I think that is because both runs had the same lr, and the "
    "averaged form takes the same steps in the long run.",
    "It worked well!!",
)

GIVEN = """
amara aino baptiste bjarne camila chidi daiyu darya diego elif emeka eszter farah fatou femi
giulia hana haruto ibrahim ines ishaan jelena joao kalinda katarzyna kwame laila lars leilani
linh lucia malik mateo mei mihai nadia nikos noor oluwaseun oskar priya quynh rafael rania ravi
sanna sefa siobhan soren suda tamar tariq thandiwe tomas uchenna valentina wanjiru xavier yael
yusuf zeynep zofia
"""
FAMILY = """
abdi adeyemi aguilar andersson bakker banerjee castro chen costa dlamini dubois eriksen farouk
ferrari fischer garcia gonzalez haddad hansen horvat ivanova iyer jansen kamau kaya keita kim
kowalska kumar larsen levi lopez mbeki mensah molina moreau nakamura ncube nguyen novak oconnor
okafor oliveira onyango papadopoulos park petrov popescu quispe rahman reyes rossi said santos
sato schmidt silva singh tanaka toth tran vargas wang weber yamamoto yilmaz zhang
"""


@dataclass
class _Learner:
    """A member of the class: how the notebook is handed in and what the cells hold."""

    name: str
    shape: Shape
    skill: float
    cells: dict[str, Filling] = field(default_factory=dict)


def make_class(
    project: Project, names: list[str], students: int, seed: int, *, into: Path | None = None
) -> list[Path]:
    """Write a class's submissions and the marks that they must get.

    Parameters
    ----------
    names: which sets; all where none is named.
    students: how many; 30 or more hold every known mistake and every kind of broken submission.
    seed: the same seed makes the same class.
    into: a folder in the place of grading/.

    Returns
    -------
    The submissions' folders: submitted/<student>/<set>. The marks go to expected/<set>.json.
    An earlier sample class is replaced.

    Raises
    ------
    AuthorError where a set was not built, or somebody handed it in whom no sample class made.
    """
    root = project.grading if into is None else into
    people = _people(students, random.Random(f"people {seed}"))
    written = []
    for name in names or project.sets:
        exercise_set = find_set(name, project)
        _remove_earlier(root, name)
        marks: dict[str, Any] = {}
        for learner, handed_in in _hand_in(project, exercise_set, people, seed):
            folder = root / "submitted" / learner.name / name
            folder.mkdir(parents=True)
            (folder / handed_in.filename).write_bytes(handed_in.data)
            (folder / "timestamp.txt").write_text(handed_in.timestamp, "utf-8")
            marks[learner.name] = _expected(exercise_set, learner, handed_in)
            written.append(folder)
        file = _expected_file(root, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(marks, indent=1) + "\n", "utf-8")
    return written


def _people(count: int, rng: random.Random) -> list[str]:
    """Names that occur once each."""
    given, family = GIVEN.split(), FAMILY.split()
    if count > len(given) * len(family):
        raise AuthorError(f"a sample class has at most {len(given) * len(family)} students.")
    rng.shuffle(given)
    found: dict[str, None] = {}
    while len(found) < count:
        rng.shuffle(family)
        found |= dict.fromkeys(f"{g}-{f}" for g, f in zip(given, family, strict=False))
    return list(found)[:count]


def _expected_file(root: Path, name: str) -> Path:
    return root / "expected" / f"{name}.json"


def _remove_earlier(root: Path, name: str) -> None:
    file = _expected_file(root, name)
    earlier = list(json.loads(file.read_text("utf-8"))) if file.is_file() else []
    there = sorted(place.parent.name for place in (root / "submitted").glob(f"*/{name}"))
    real = [person for person in there if person not in earlier]
    if real:
        raise AuthorError(
            f"{root / 'submitted'} holds submissions that no sample class made, of "
            f"{', '.join(real[:3])}{', ...' if len(real) > 3 else ''}: none is put among them. "
            "`make rehearse` makes one in a folder of its own."
        )
    for person in earlier:
        shutil.rmtree(root / "submitted" / person / name, ignore_errors=True)


# Who hands in what


def _hand_in(
    project: Project, exercise_set: ExerciseSet, people: list[str], seed: int
) -> Iterator[tuple[_Learner, HandedIn]]:
    released = project.exercises / exercise_set.name / f"{exercise_set.name}.ipynb"
    if not released.is_file():
        raise AuthorError(f"no file {released}: run `autograder build {exercise_set.name}` first.")
    text = released.read_text("utf-8")
    rng = random.Random(f"{exercise_set.name} {seed}")
    shapes = _shapes(len(people), rng)
    learners = [_Learner(*pair, _skill(pair[0])) for pair in zip(people, shapes, strict=True)]
    _fill(learners, exercise_set, text, rng)
    for learner in sorted(learners, key=lambda someone: someone.name):
        handed_in = HandedIn(
            notebook=nbformat.reads(text, as_version=4),
            filename=f"{exercise_set.name}.ipynb",
            submitted=DEADLINE - timedelta(seconds=rng.randrange(60, 4 * 24 * 3600)),
            cells={name: filling.source for name, filling in learner.cells.items()},
            reports=dict(_reports(learner, exercise_set, released.parent, rng)),
            rng=rng,
        )
        handed_in.put_in_cells()
        if learner.shape.change is not None:
            learner.shape.change(handed_in)
        yield learner, handed_in


def _skill(name: str) -> float:
    """What somebody brings to every set, on the scale of `_logistic`."""
    return random.Random(f"skill {name}").gauss(*SKILL)


def _reports(
    learner: _Learner, exercise_set: ExerciseSet, folder: Path, rng: random.Random
) -> Iterator[tuple[str, str]]:
    """What a learner writes into the cells that a person marks: most write something."""
    for answer in released_answers(exercise_set, folder):
        text = rng.choice(REPORTS)
        if learner.shape is PERFECT or (learner.shape is not UNTOUCHED and rng.random() < 0.8):
            yield answer.name, text


def _shapes(count: int, rng: random.Random) -> list[Shape]:
    """Every odd way of handing in once, as long as at least half of the class is ordinary."""
    first = [PLAIN, PERFECT, UNTOUCHED][:count]
    odd = rng.sample(SHAPES, k=len(SHAPES))[: max(0, count // 2 - 2)]
    shapes = [*first, *odd, *[PLAIN] * (count - len(first) - len(odd))]
    rng.shuffle(shapes)
    return shapes


def _fill(
    learners: list[_Learner], exercise_set: ExerciseSet, text: str, rng: random.Random
) -> None:
    """Give every learner a filling for every exercise; wanted ones first, then by skill."""
    solutions = exercise_set.path.read_text("utf-8")
    made = _fillings(exercise_set.path, solutions, text)
    wanted = _wanted(made, text, rng)
    for number, fillings in enumerate(made):
        reference, stub = fillings.reference(), fillings.untouched()
        queue = wanted[fillings.name]
        usual = rng.sample(mistakes := fillings.mistakes, k=len(mistakes)) or [stub]
        often = [rank**-POPULAR for rank in range(1, len(usual) + 1)]
        late = number / len(made)
        luck = {x.name: x.skill - (EASIEST + RISE * late) + _logistic(rng) for x in learners}
        # Whoever does worst comes first: what must occur is done by those who would fail anyway.
        for learner in sorted(learners, key=lambda someone: luck[someone.name]):
            if learner.shape is UNTOUCHED:
                chosen = stub
            elif learner.shape is PERFECT:
                chosen = reference
            elif queue and not learner.shape.loses:
                chosen = queue.pop(0)
            elif luck[learner.name] > 0:
                chosen = reference
            elif rng.random() < GIVE_UP * late:
                chosen = stub
            else:
                [chosen] = rng.choices(usual, often)
            learner.cells[fillings.name] = chosen


def _logistic(rng: random.Random) -> float:
    """Somebody's good or bad moment: with it, who is as skilled as a function is hard has it right
    half of the time, and one more of skill makes the odds 2.7 times as good (Rasch's model)."""
    share = rng.uniform(0.001, 0.999)
    return math.log(share / (1 - share))


@lru_cache(maxsize=4)
def _fillings(path: Path, solutions: str, text: str) -> list[Fillings]:
    """The fillings of a set, for its sources as they are: predicting marks takes seconds."""
    exercise_set = load_set(path)
    cells = {cell.id: cell.source for cell in nbformat.reads(text, as_version=4).cells}
    return [
        Fillings(exercise_set, exercise, cells[f"solution-{exercise.parts[0].exercise}"])
        for exercise in exercise_set.exercises
    ]


def _wanted(made: Sequence[Fillings], text: str, rng: random.Random) -> dict[str, list[Filling]]:
    """What must occur: every mistake, and every kind of broken cell somewhere."""
    wanted = {f.name: list(f.mistakes) for f in made}
    places = cycle(rng.sample(made, k=len(made)))
    for kind in BODIES:
        for _try in made:
            fillings = next(places)
            broken = fillings.broken(kind)
            if broken is not None:
                wanted[fillings.name].append(broken)
                break
    for number in range(3):
        fillings = next(places)
        wanted[fillings.name].append(list(fillings.absent())[number])
    # Where another cell of the notebook calls it, it would hang or take down that cell as well.
    idle = [f for f in made if not _is_called(f.name, text)]
    for kind, fillings in zip(
        DEADLY, rng.sample(idle, k=min(len(idle), len(DEADLY))), strict=False
    ):
        wanted[fillings.name].append(fillings.deadly(kind))
    for queue in wanted.values():
        rng.shuffle(queue)
    return wanted


def _is_called(name: str, text: str) -> bool:
    cells = nbformat.reads(text, as_version=4).cells
    plain = [c for c in cells if c.cell_type == "code" and "nbgrader" not in c.metadata]
    return any(name in cell.source for cell in plain)


# The marks


def _expected(exercise_set: ExerciseSet, learner: _Learner, handed_in: HandedIn) -> dict[str, Any]:
    functions = {}
    for part in exercise_set.parts:
        mark = learner.cells[part.exercise].marks[part.name]
        if part.exercise in handed_in.lost:
            mark = Mark(0.0, "missing")
        functions[part.name] = asdict(mark)
    points = round(sum(f["points"] for f in functions.values()), 2)
    marks = {"points": points, "functions": functions, "handed_in": learner.shape.name}
    if handed_in.answers and learner.shape in (PLAIN, PERFECT, UNTOUCHED):
        # Whoever wrote nothing has nothing; the others wait for a person.
        marks["waiting"] = [name for name in handed_in.answers if name in handed_in.reports]
        marks["unwritten"] = [name for name in handed_in.answers if name not in handed_in.reports]
    return marks
