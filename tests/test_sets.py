"""What holds for every set: marks tell right from wrong, mistakes have names, texts are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.judging.judge import judge_all_known
from autograder.judging.sets import find_set
from autograder.project import find_project
from autograder.sample.answers import SEEDS

PROJECT = find_project(Path(__file__).parent)
PARTS = {
    f"{name}:{part.name}": part for name in PROJECT.sets for part in find_set(name, PROJECT).parts
}


def prove(part: str, seed: str) -> dict[str, float]:
    """The reference has full marks; every mistake loses points and is told by its name.

    Returns the points of each.
    """
    verdicts = judge_all_known(PARTS[part], seed)
    for known, verdict in verdicts.items():
        if known == PARTS[part].name:
            assert (verdict.status, verdict.points) == ("passed", verdict.max_points), seed
        else:
            assert verdict.points < verdict.max_points, (known, seed)
            assert verdict.mistake == known, (known, seed, verdict.mistake)
    return {known: verdict.points for known, verdict in verdicts.items()}


@pytest.mark.parametrize("part", PARTS)
def test_mistakes_lose_points_and_are_named_on_five_seeds(part: str) -> None:
    for seed in range(5):
        prove(part, f"truth-{seed}")


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", PARTS)
def test_mistakes_lose_points_and_are_named_on_a_hundred_seeds(part: str) -> None:
    points = [prove(part, f"truth-{seed}") for seed in range(100)]
    few = [prove(part, seed) for seed in SEEDS]
    for known in points[0]:
        if len({row[known] for row in few}) == 1:
            # The sample class hands it in, and promises its marks.
            assert {row[known] for row in [*few, *points]} == {few[0][known]}, known


@pytest.mark.parametrize("part", PARTS)
def test_every_function_knows_three_mistakes_and_two_hints(part: str) -> None:
    assert len(PARTS[part].mistakes) >= 3
    assert len(PARTS[part].hints) >= 2
    assert all(mistake.hint for mistake in PARTS[part].mistakes)
    assert "Source:" in (PARTS[part].reference.__doc__ or ""), "where does the formula come from?"
