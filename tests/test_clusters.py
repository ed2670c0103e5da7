"""Wrong answers without a name: those of one mistake together, and a draft that names it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograder.classes.clusters import SEED, Answer, clusters_of, own_code
from autograder.classes.report import write_report
from autograder.classes.run import grade_class, quietly
from autograder.gradebook.record import read_records
from autograder.judging.judge import local_caller, run_trials
from autograder.judging.sets import find_set
from tests.conftest import Course

PLANTED, EACH, ALONE = 30, 6, 40
SETS = ("gradient", "momentum", "adam", "logistic_regression")


def rounded_otherwise(value: Any, rng: np.random.Generator) -> Any:
    """A value as somebody else's code would have it: other last digits."""
    if isinstance(value, float | np.floating):
        return float(value * (1 + 4e-16 * rng.standard_normal()))
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value * (1 + 4e-16 * rng.standard_normal(value.shape))
    if isinstance(value, list | tuple):
        return type(value)(rounded_otherwise(one, rng) for one in value)
    return value


def test_planted_mistakes_come_out_alone_and_whole() -> None:
    """30 mistakes that the grader knows, their names taken away, six people each, among 40 answers
    that nobody else gives."""
    rng = np.random.default_rng(1)
    known = [
        (part, mistake)
        for name in SETS
        for part in find_set(name).parts
        if "." not in part.name and part.by_value
        for mistake in part.mistakes
    ]
    chosen = [known[i] for i in rng.permutation(len(known))[: PLANTED + ALONE]]
    answers, truth = [], {}
    for index, (part, mistake) in enumerate(chosen):
        trials = run_trials(part, SEED, local_caller(mistake.wrong), mistaken=False)
        values = [trial.got for trial in trials]
        for person in range(EACH if index < PLANTED else 1):
            student = f"s{index}-{person}"
            truth[student] = (part.name, mistake.name)
            theirs = [rounded_otherwise(value, rng) for value in values]
            answers.append(Answer(student, part.name, theirs, ("somewhere",), "..."))
    assert len(answers) == PLANTED * EACH + ALONE > 200
    rng.shuffle(answers)

    found = clusters_of(answers)
    whole = [
        cluster
        for cluster in found
        if len({truth[student] for student in cluster.students}) == 1
        and len(cluster.students) == EACH
    ]
    assert len(whole) == len(found), "none is mixed"
    assert len(whole) >= 27


def test_code_is_the_function_with_what_it_uses_and_no_more() -> None:
    text = "import numpy as np\na = 1\nb = 2\n\ndef helper(x):\n    return a * x\n\n"
    text += "x = b + 1\n\ndef f(x):\n    return helper(x)\n\ndef g(x):\n    return b\n"
    assert own_code(text, "f") == (
        "a = 1\n\ndef helper(x):\n    return a * x\n\ndef f(x):\n    return helper(x)"
    )
    assert own_code("def f(:\n", "f") == own_code("a = 1", "f") == ""


ONE = """\
def gabor(theta, x):
    u = theta[0] + 0.06 * theta[1] * x
    return np.sin(u) * np.exp(-(u**2) / 32.0) + 0.25
"""
SAME = """\
OFFSET = 0.25
def wave(phase):
    return np.exp(-0.03125 * phase * phase) * np.sin(phase)
def gabor(theta, x):
    a, b = theta
    return OFFSET + wave(a + b * 0.06 * x)
"""
OTHER = ONE.replace("0.25", "0.5")


@pytest.mark.timeout(900)
def test_a_class_teaches_the_grader(module_course: Course) -> None:
    """From two learners' wrong answer to its name in everybody's verdict."""
    course = module_course
    for student, code in {"amara": ONE, "ben": SAME, "chen": OTHER}.items():
        course.hand_in(student, course.answered({**course._references(), "gabor": code}))
    grade_class(course.project, "gradient", progress=quietly, say=lambda text: None)
    page = write_report(course.project, "gradient").read_text("utf-8")
    [section] = page.split('id="clusters"')[1:]
    section = section[: section.index("<h2")]
    assert "<code>gabor</code>, number 1" in section and "number 2" not in section
    assert "<li>amara</li><li>ben</li>" in section and "chen" not in section
    assert "return np.sin(u)" in section, "the shorter of the two"

    assert "gabor 1: amara, ben" in course.run("autograder draft-mistake gradient")
    said = course.run("autograder draft-mistake gradient gabor 2 lifted", wrong=True)
    assert "no cluster gabor 2; there are gabor 1" in said
    said = course.run("autograder draft-mistake gradient gabor 1 gabor_gradient", wrong=True)
    assert "is one already" in said
    course.run("autograder draft-mistake gradient gabor 1 lifted")
    file = course.project.solutions / "gradient.py"
    written = file.read_text("utf-8")
    assert written.count("To be written: ") == 2
    file.write_text(written.replace("To be written: what is wrong here", "It is lifted"), "utf-8")
    course.run("autograder lint gradient --seeds 2")
    course.run("autograder build gradient --no-db")
    said = course.run("autograder regrade gradient")
    assert "amara gabor: 0 wrong -> 0 lifted" in said and "ben gabor: 0 wrong -> 0 lifted" in said
    told = {
        record.student: record.verdicts["gabor"]
        for record in read_records(course.project, "gradient")
    }
    assert told["ben"].message.startswith("It is lifted") and told["chen"].mistake is None
