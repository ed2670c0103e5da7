"""What holds for every set: what `lint` proves, marks that are promised, whole texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.code.source import bare
from autograder.judging.judge import judge_all_known
from autograder.judging.sets import find_set
from autograder.project import find_project
from autograder.release.lint import lint
from autograder.sample.answers import SEEDS

PROJECT = find_project(Path(__file__).parent)
PARTS = {
    f"{name}:{part.name}": part for name in PROJECT.sets for part in find_set(name, PROJECT).parts
}


@pytest.mark.parametrize("name", PROJECT.sets)
def test_lint_has_nothing_to_mend(name: str) -> None:
    """On two seeds; the next test tries a hundred."""
    assert lint(find_set(name, PROJECT), ["truth-0", "truth-1"]) == []


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", PARTS)
def test_mistakes_are_named_on_a_hundred_seeds_and_promised_marks_hold(part: str) -> None:
    verdicts = {
        s: judge_all_known(PARTS[part], s) for s in [*SEEDS, *(f"truth-{n}" for n in range(100))]
    }
    own = PARTS[part].name
    assert {of[own].points for of in verdicts.values()} == {PARTS[part].points}
    for known in (mistake.name for mistake in PARTS[part].mistakes):
        assert {of[known].mistake for of in verdicts.values()} == {known}
        marks = {seed: of[known].points for seed, of in verdicts.items()}
        assert max(marks.values()) < PARTS[part].points, known
        promised = {marks[seed] for seed in SEEDS}
        if len(promised) == 1:
            # The sample class hands it in, and promises its marks.
            assert set(marks.values()) == promised, known


@pytest.mark.parametrize("part", PARTS)
def test_every_function_has_two_hints_and_a_source_and_every_mistake_a_hint(part: str) -> None:
    assert len(PARTS[part].hints) >= 2
    assert "Source:" in (PARTS[part].reference.__doc__ or ""), "where does the formula come from?"
    assert all(mistake.hint for mistake in PARTS[part].mistakes)


@pytest.mark.parametrize("part", PARTS)
def test_every_mistake_can_be_handed_in(part: str) -> None:
    """The sample class does; of a lambda that shares its line nobody would know the code."""
    assert all(bare(mistake.wrong) for mistake in PARTS[part].mistakes)
