"""What holds for every set: what `lint` proves, marks that no draw decides, whole texts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autograder.code.source import bare
from autograder.exercise import ClassExercise, Part
from autograder.judging.judge import judge_all_known, known_cases, local_caller, run_trials
from autograder.judging.sets import find_set
from autograder.judging.verdict import decide
from autograder.project import find_project
from autograder.release.lint import lint

PROJECT = find_project(Path(__file__).parent)
PARTS = {
    f"{name}:{part.name}": part for name in PROJECT.sets for part in find_set(name, PROJECT).parts
}


@pytest.mark.parametrize("name", PROJECT.sets)
def test_the_page_has_the_place_that_each_exercise_links_to(name: str) -> None:
    page = (PROJECT.root / "book" / f"{name}.md").read_text("utf8")
    turns = " ".join(re.findall(r"^```\{your-turn\} (.+)$", page, re.M)).split()
    assert sorted(turns) == sorted(made.name for made in find_set(name, PROJECT).exercises)


@pytest.mark.parametrize("name", PROJECT.sets)
def test_lint_has_nothing_to_mend(name: str) -> None:
    """On two seeds; the next test tries a hundred."""
    assert lint(find_set(name, PROJECT), ["truth-0", "truth-1"]) == []


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", PARTS)
def test_a_mistake_has_one_name_and_one_mark_on_a_hundred_seeds(part: str) -> None:
    verdicts = [judge_all_known(PARTS[part], f"truth-{n}") for n in range(100)]
    own = PARTS[part].name
    assert {of[own].points for of in verdicts} == {PARTS[part].points}
    for known in (mistake.name for mistake in PARTS[part].mistakes):
        marks = {(of[known].points, of[known].status, of[known].mistake) for of in verdicts}
        assert len(marks) == 1, (known, marks)
        points, _status, name = marks.pop()
        assert points < PARTS[part].points and name == known


CLASSES = {
    f"{name}:{made.name}": made
    for name in PROJECT.sets
    for made in find_set(name, PROJECT).exercises
    if isinstance(made, ClassExercise)
}


def marks_in(part: Part, made: ClassExercise, seed: str) -> dict[str, tuple]:
    """What the mistakes that belong to other steps of a class get in this one."""
    cases, own = known_cases(part, seed), {mistake.name for mistake in part.mistakes}
    wrong = {m.name: m.wrong for step in made.parts for m in step.mistakes}
    trials = {
        name: run_trials(part, seed, local_caller(target), mistaken=False, cases=cases)
        for name, target in wrong.items()
    }
    marks = {}
    for name in wrong.keys() - own:
        for i, trial in enumerate(trials[name]):
            trial.mistaken = {known: trials[known][i].got for known in own}
        verdict = decide(part, trials[name], reveal=False)
        marks[name] = verdict.points, verdict.status, verdict.mistake
    return marks


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seeds", [2, pytest.param(100, marks=pytest.mark.full)])
@pytest.mark.parametrize("made", CLASSES)
def test_a_mistake_in_one_step_of_a_class_has_one_mark_in_the_others(made: str, seeds: int) -> None:
    for part in CLASSES[made].parts:
        first, *others = (marks_in(part, CLASSES[made], f"truth-{n}") for n in range(seeds))
        for marks in others:
            off = {name: (first[name], marks[name]) for name in marks if first[name] != marks[name]}
            assert not off, part.name


@pytest.mark.parametrize("part", PARTS)
def test_every_function_has_two_hints_and_a_source_and_every_mistake_a_hint(part: str) -> None:
    assert len(PARTS[part].hints) >= 2
    assert "Source:" in (PARTS[part].reference.__doc__ or ""), "where does the formula come from?"
    assert all(mistake.hint for mistake in PARTS[part].mistakes)


@pytest.mark.parametrize("part", PARTS)
def test_every_mistake_can_be_handed_in(part: str) -> None:
    """The sample class does; of a lambda that shares its line nobody would know the code."""
    assert all(bare(mistake.wrong) for mistake in PARTS[part].mistakes)
