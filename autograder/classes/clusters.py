"""The class teaches the grader: wrong answers without a name that are the same wrong answer.

All learners are put the same cases, so that two who made the same mistake answer the same. A
cluster of them is a mistake that somebody should name; `draft` writes it as code.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograder.classes.run import Progress, quietly, see_to_walls
from autograder.code import source
from autograder.code.names import Names
from autograder.engine.warm.handle import default_runner
from autograder.exercise import AuthorError, Part
from autograder.gradebook.record import Record, graded_notebook, read_records
from autograder.grading.grade import grade
from autograder.judging.sets import ExerciseSet, find_set
from autograder.judging.verdict import Died, TimedOut, Trial, Verdict
from autograder.project import Project
from autograder.release.configuration import course_config
from autograder.submissions.read import read_submission
from autograder.values.codec import Opaque, Raised
from autograder.values.compare import same

# Other cases than any mark came from, and the same for whoever was graded in whichever round.
SEED = "clusters"
WRONG = ("wrong", "partial", "error")
# How close two computers come in a right answer, and not how close right is to wrong.
RTOL, ATOL = 1e-7, 1e-10


@dataclass(frozen=True)
class Answer:
    """What a learner's function gives in every case.

    failing: what is said of the kinds of case in which it is wrong. code: their lines.
    """

    student: str
    part: str
    values: list[Any]
    failing: tuple[str, ...]
    code: str


@dataclass
class Cluster:
    """Learners who answer the same, the first of them for all. number: of its function's, from 1,
    the largest first."""

    part: str
    answers: list[Answer] = field(default_factory=list)
    number: int = 0

    @property
    def students(self) -> list[str]:
        """Who they are."""
        return [answer.student for answer in self.answers]

    @property
    def code(self) -> str:
        """One learner's lines: the shortest say most."""
        return min((answer.code for answer in self.answers), key=len)

    @property
    def failing(self) -> tuple[str, ...]:
        """In which kinds of case they are wrong."""
        return self.answers[0].failing


def find_clusters(
    project: Project, assignment: str, *, progress: Progress = quietly
) -> list[Cluster]:
    """The clusters of an assignment's class, of two learners or more, the largest first.

    Whoever has a wrong answer without a name is run again, on cases of no round.

    Raises
    ------
    NoSandbox; AuthorError where there is no such set.
    """
    see_to_walls(course_config(project.root), None)
    exercise_set = find_set(assignment, project)
    chosen = [
        (record, names)
        for record in read_records(project, assignment)
        if (names := [n for n, v in record.verdicts.items() if _has_no_name(v)])
    ]
    answers = []
    with progress(len(chosen), "Comparing answers") as advance:
        for record, names in chosen:
            answers += _answers(project, exercise_set, record, names)
            advance(record.student)
    return clusters_of(answers)


def _has_no_name(verdict: Verdict) -> bool:
    return verdict.status in WRONG and verdict.mistake is None


def _answers(
    project: Project, exercise_set: ExerciseSet, record: Record, names: Sequence[str]
) -> list[Answer]:
    """What a learner's functions of these names answer."""
    kept: dict[str, list[Trial]] = {}
    submission = read_submission(graded_notebook(project, record.assignment, record.student))
    text = "\n\n".join(
        cell.source for cell in submission.notebook.cells if cell.cell_type == "code"
    )
    grade(
        submission,
        exercise_set,
        SEED,
        default_runner(),
        files=project.exercises / exercise_set.name,
        standing={name: v for name, v in record.verdicts.items() if name not in names},
        keep=kept.__setitem__,
    )
    return [
        Answer(
            record.student,
            name,
            [trial.got for trial in trials],
            tuple(dict.fromkeys(t.about or t.family for t in trials if not t.passed)),
            own_code(text, name.partition(".")[0]),
        )
        for name, trials in kept.items()
        if not all(trial.passed for trial in trials)
    ]


def clusters_of(answers: Iterable[Answer]) -> list[Cluster]:
    """Those of two or more, the largest first, then by function; numbered within each."""
    found: list[Cluster] = []
    for answer in answers:
        home = next(
            (c for c in found if c.part == answer.part and alike(c.answers[0], answer)), None
        )
        if home is None:
            home = Cluster(answer.part)
            found.append(home)
        home.answers.append(answer)
    found = [cluster for cluster in found if len(cluster.answers) > 1]
    found.sort(key=lambda c: (-len(c.answers), c.part, c.students))
    for part in {cluster.part for cluster in found}:
        for number, cluster in enumerate((c for c in found if c.part == part), 1):
            cluster.number = number
    return found


def alike(one: Answer, other: Answer) -> bool:
    """Whether two learners answer the same in every case."""
    return len(one.values) == len(other.values) and all(map(_same, one.values, other.values))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Raised) or isinstance(other, Raised):
        told = [(v.names[:1], v.message) for v in (one, other) if isinstance(v, Raised)]
        return len(told) == 2 and told[0] == told[1]
    if isinstance(one, TimedOut | Died | Opaque) or isinstance(other, TimedOut | Died | Opaque):
        return type(one) is type(other) and one == other
    try:
        return same(one, other, rtol=RTOL, atol=ATOL)
    except Exception:  # two answers of different sorts, neither of which an author wrote
        return False


def own_code(text: str, name: str) -> str:
    """A learner's function with all that it uses of what they wrote, or nothing where that is no
    Python any more."""
    try:
        module = Names(text)
    except (SyntaxError, ValueError, RecursionError):
        return ""
    if name not in module.where:
        return ""
    of_functions = source.globals_read(text)
    last = {name: module.statements[numbers[-1]] for name, numbers in module.where.items()}

    def reads(other: str) -> set[str]:
        if other in of_functions:
            return of_functions[other]
        return set(last[other].uses) if other in last else set()

    wanted = {name, *source.reached(name, reads)}
    pieces = {last[other].start: last[other] for other in wanted & last.keys()}
    return "\n\n".join(
        text[piece.start : piece.end].strip("\n")
        for _start, piece in sorted(pieces.items())
        if not isinstance(piece.node, ast.Import | ast.ImportFrom)
    )


# ── A drafted mistake ──────────────────────────────────────────────────────────────────────────

DRAFT = '''

def {name}({parameters}):
    """What {count} learners made of it."""
{code}
    return {call}


{exercise}.slips(
    {name}=slip(
        {name},
        "To be written: what is wrong here, in a sentence to the learner.",
        hint="To be written: what to try.",
    ),
)
'''
IMPORT = "from autograder.slips import slip"


def draft(project: Project, assignment: str, part: Part, cluster: Cluster, name: str) -> str:
    """Write a mistake into solutions/, as code that does what a cluster does. Returns the code.

    name: of the mistake. Its text and hint are for the author to write.

    Raises
    ------
    AuthorError where that is not possible.
    """
    exercise_set = find_set(assignment, project)
    if "." in part.name:
        raise AuthorError(
            f"{part.name} is a step of a class: its mistakes are edits, see CONTRIBUTING."
        )
    if not name.isidentifier() or name in vars(exercise_set.module):
        raise AuthorError(f"{name!r} cannot be the mistake's name, or is one already.")
    if not cluster.code:
        raise AuthorError(f"the lines of {cluster.students[0]} cannot be read as Python.")
    arguments = _arguments(part.reference)
    text = DRAFT.format(
        name=name,
        exercise=part.exercise,
        parameters=ast.unparse(arguments),
        count=len(cluster.answers),
        code=textwrap.indent(cluster.code, "    "),
        call=f"{part.exercise}({_passed_on(arguments)})",
    )
    file = exercise_set.path
    before = file.read_text("utf-8")
    imported = "" if IMPORT in before else f"\n\n{IMPORT}"
    file.write_text(before.rstrip("\n") + "\n" + imported + text, "utf-8")
    return text.strip("\n")


def _arguments(reference: Callable[..., Any]) -> ast.arguments:
    node = ast.parse(source.written(reference)).body[0]
    assert isinstance(node, ast.FunctionDef)
    return node.args


def _passed_on(arguments: ast.arguments) -> str:
    plain = [arg.arg for arg in (*arguments.posonlyargs, *arguments.args)]
    return ", ".join([*plain, *(f"{arg.arg}={arg.arg}" for arg in arguments.kwonlyargs)])
