"""Hidden cases that are drawn once for a class: the same as ever, and nobody can spoil them."""

from typing import Any

import numpy as np
import pytest

from autograder.exercise import FRESH_RNG, Case, Part, exercise, public
from autograder.judging.cases import MAX_SEEDS, known_cases, posed
from autograder.judging.judge import judge, local_caller
from autograder.judging.verdict import Died, TimedOut
from autograder.slips import slip
from autograder.values.calling import Answer


@public
def counter(start: float) -> Any:
    """A function that remembers its calls."""
    calls = [0]

    def count(x: Any) -> float:
        calls[0] += 1
        return start + calls[0]

    return count


def made() -> tuple[Part, list[int]]:
    """An exercise, and a list that grows whenever its reference is asked."""
    asked: list[int] = []

    @exercise(points=1, draws=2)
    def total(f, x):
        """The sum of x and of two calls of f."""
        asked.append(1)
        return f(x) + f(x) + np.sum(x)

    @total.cases
    def some(rng):
        """Some numbers."""
        x = np.asfortranarray(rng.normal(size=(2, 3)))
        return Case(dict(f=counter(float(rng.normal())), x=x), facts={"seen": []})

    return total, asked


def test_known_cases_are_those_that_are_drawn() -> None:
    part, _asked = made()
    for drawn, known in zip(posed(part, "a"), known_cases(part, "a"), strict=True):
        theirs, ours = drawn.case().args, known.case().args
        assert np.array_equal(theirs["x"], ours["x"])
        assert ours["x"].flags.f_contiguous == theirs["x"].flags.f_contiguous
        assert theirs["f"](0) == ours["f"](0)
        assert drawn.answer(part.reference) == known.answer(part.reference)


def test_what_is_done_to_a_case_stays_with_who_did_it() -> None:
    part, _asked = made()
    first = known_cases(part, "a")[0]
    before = first.case()
    spoilt = first.case()
    spoilt.args["x"][:] = np.nan
    spoilt.args["f"](0)
    spoilt.facts["seen"].append(1)
    again = first.case()
    assert np.array_equal(again.args["x"], before.args["x"])
    assert again.args["f"](0) == before.args["f"](0)
    assert again.facts == {"seen": []}


def test_the_reference_is_asked_once_a_seed() -> None:
    part, asked = made()
    for _student in range(3):
        assert judge(part, "a", local_caller(lambda f, x: f(x) + f(x) + x.sum())).points == 1
    assert len(asked) == 2
    judge(part, "b", local_caller(lambda f, x: 0.0))
    assert len(asked) == 4


def test_another_seed_or_a_changed_set_is_drawn_again() -> None:
    part, _asked = made()
    a, b = known_cases(part, "a"), known_cases(part, "b")
    assert not np.array_equal(a[0].case().args["x"], b[0].case().args["x"])
    assert known_cases(part, "a") is a

    @part.cases
    def more(rng):
        """More numbers."""
        return dict(f=counter(0.0), x=rng.normal(size=(1, 1)))

    assert len(known_cases(part, "a")) == len(a) + 2
    for seed in "cdefg":
        known_cases(part, seed)
    assert len(part.drawn) <= MAX_SEEDS
    other, _asked = made()
    assert other.drawn == {}


def test_what_a_class_gets_wrong_is_worked_out_once_and_no_further_than_it_is_looked_at() -> None:
    asked: list[str] = []

    @exercise(points=1, draws=3, by_value=False)
    def shuffled(x, rng):
        """x in a random order."""
        return rng.permutation(x)

    @shuffled.cases
    def any_time(rng):
        """At any time."""
        return dict(x=np.arange(9), rng=FRESH_RNG)

    @shuffled.property("Something is lost.", mistake="one_lost")
    def all_there(answer, case):
        return sorted(answer) == list(case.args["x"])

    def noted(name: str, answer: Any) -> Any:
        def wrong(x, rng):
            asked.append(name)
            return answer(rng.permutation(x))

        return slip(wrong, f"It is wrong: {name}.", hint="Right it.")

    shuffled.slips(
        one_lost=noted("one_lost", lambda mixed: mixed[1:]),
        turned_to_text=noted("turned_to_text", lambda mixed: "".join(map(str, mixed))),
    )
    for _student in range(3):
        verdict = judge(shuffled, "a", local_caller(lambda x, rng: rng.permutation(x)[:-1]))
        assert (verdict.points, verdict.mistake) == (0, "one_lost")
    # Each of the three draws of what agrees; of what is ruled out, the first.
    assert len(asked) <= 4, asked
    case = known_cases(shuffled, "a")[0]
    assert np.array_equal(case.answer(shuffled.reference), case.answer(shuffled.reference))


@pytest.mark.parametrize(
    ("ended", "chance"), [(TimedOut(10.0), "clock"), (Died("by a signal"), "accident")]
)
def test_one_call_that_does_not_end_fails_its_kind_and_no_other(ended: Any, chance: str) -> None:
    """The other draws of the kind are not waited for: they would change nothing."""

    @exercise(points=4, draws=3)
    def twice(x):
        """Twice x."""
        return 2 * x

    @twice.cases
    def small(rng):
        """Small."""
        return dict(x=float(rng.uniform()))

    @twice.cases
    def large(rng):
        """Large."""
        return dict(x=100 + float(rng.uniform()))

    asked: list[float] = []

    def caller(part: Part, args: dict[str, Any]) -> Answer:
        asked.append(args["x"])
        return Answer(ended if args["x"] < 1 else 2 * args["x"])

    verdict = judge(twice, "a", caller)
    assert verdict.families == {"small": False, "large": True}
    assert (verdict.points, verdict.by_chance) == (1, chance)
    assert len([x for x in asked if x < 1]) == (1 if chance == "clock" else 3)
    assert judge(twice, "a", local_caller(lambda x: x)).by_chance == ""


def test_a_property_cannot_spoil_the_right_answer() -> None:
    @exercise(points=1)
    def twice(x):
        """Twice x."""
        return 2 * x

    @twice.cases
    def some(rng):
        """Some numbers."""
        return dict(x=rng.normal(size=3))

    @twice.property("It is something.")
    def greedy(answer, case):
        case.expected[:] = 0
        case.args["x"][:] = 0
        return True

    for _student in range(2):
        assert judge(twice, "a", local_caller(lambda x: 2 * x)).points == 1
        assert judge(twice, "a", local_caller(lambda x: 0 * x)).points == 0


def test_a_reference_is_called_as_a_learners_function_is() -> None:
    """By position as far as that goes: it may say so itself."""

    @exercise(points=1)
    def half(x, /):
        """Half of it."""
        return x / 2

    @half.cases
    def numbers(rng):
        return dict(x=float(rng.integers(1, 9)))

    for case in known_cases(half, "seed"):
        assert case.answer(half.reference) == case.case().args["x"] / 2
