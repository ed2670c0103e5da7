"""Comparing answers, naming mistakes, and what a learner is told."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.exercise import exercise
from autograder.judging.judge import judge, local_caller, run_trials
from autograder.judging.verdict import Died, TimedOut, decide
from autograder.values.calling import can_change, plain
from autograder.values.codec import Opaque, Raised
from autograder.values.compare import Difference, difference, same


def kind(got: Any, wanted: Any) -> str | None:
    found = difference(got, wanted, rtol=1e-7, atol=1e-9)
    return found.kind if found else None


ARRAY = np.array([1.0, 2.0])


@pytest.mark.parametrize(
    ("got", "wanted", "off"),
    [
        (1.0, 1.0, None),
        (np.float64(1), 1.0, None),
        (np.array(1.0), 1.0, None),
        (1, 1.0, None),
        (True, 1.0, "type"),
        (1.0, True, "type"),
        (np.True_, True, None),
        (1.5, 1, "type"),
        (np.array([1.0]), 1.0, "shape"),
        ("1.0", 1.0, "type"),
        (None, ARRAY, "type"),
        ([1.0, 2.0], ARRAY, "type"),
        (ARRAY[:, None], ARRAY, "shape"),
        (ARRAY.astype(np.float32), ARRAY, "dtype"),
        (ARRAY.astype(int), ARRAY, "dtype"),
        (np.array([1.0, np.nan]), ARRAY, "finite"),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), None),
        (np.array([1.0, 3.0]), ARRAY, "value"),
        (np.array([1, 2], dtype=np.int32), np.array([1, 2]), None),
        ((ARRAY, 1.0), (ARRAY, 1.0), None),
        ([ARRAY, 1.0], (ARRAY, 1.0), None),
        (ARRAY, (ARRAY, 1.0), "type"),
        ((ARRAY,), (ARRAY, 1.0), "length"),
        ((ARRAY, 2.0), (ARRAY, 1.0), "value"),
        ({"a": 1.0}, {"a": 1.0}, None),
        ({"b": 1.0}, {"a": 1.0}, "length"),
        (Raised(("LinAlgError", "ValueError")), Raised(("ValueError",)), None),
        (Raised(("TypeError",)), Raised(("ValueError",)), "raised"),
        (Raised(("TypeError",)), 1.0, "raised"),
        (1.0, Raised(("ValueError",)), "no_raise"),
        (Opaque("generator"), ARRAY, "type"),
    ],
)
def test_the_first_thing_that_is_off(got: Any, wanted: Any, off: str | None) -> None:
    assert kind(got, wanted) == off


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5), st.floats(1e-4, 10))
@settings(max_examples=60, deadline=None)
def test_equality_is_up_to_tolerance_and_no_further(numbers: list[float], by: float) -> None:
    wanted = np.array(numbers)
    assert same(wanted * (1 + 1e-9), wanted, rtol=1e-7, atol=1e-9)
    assert not same(wanted + by * (1 + np.abs(wanted)), wanted, rtol=1e-7, atol=1e-9)


@exercise(points=4)
def double(x):
    """Twice x, float64."""
    return 2 * x


@double.cases
def positive(rng):
    """x above zero."""
    return dict(x=rng.uniform(1, 2, 3))


@double.cases
def negative(rng):
    """x below zero."""
    return dict(x=-rng.uniform(1, 2, 3))


@double.mistake("This is the square.", hint="Twice, not squared.")
def squared(x):
    return x**2


@double.mistake("The sign is lost.", hint="Keep the sign.")
def sign_lost(x):
    return 2 * np.abs(x)


def verdict_on(function: Any, reveal: bool = False) -> Any:
    return decide(double, run_trials(double, "seed", local_caller(function)), reveal=reveal)


def test_a_mistake_is_named_and_points_go_by_kinds_of_cases() -> None:
    verdict = verdict_on(sign_lost)
    # Half of the points for all kinds, and half of the rest for one of two.
    assert (verdict.status, verdict.points, verdict.mistake) == ("partial", 1.0, "sign_lost")
    assert verdict.where == "x below zero."
    # It is nowhere right: its arguments, left as they were, make no place of the others.
    assert verdict_on(lambda x: x**2 + 1).where == ""


def test_a_half_known_mistake_is_not_named() -> None:
    assert verdict_on(lambda x: x**2 + 1).mistake is None
    # What passed speaks against it: who squares is wrong there, too.
    assert verdict_on(lambda x: np.where(x < 0, x**2, 2 * x)).mistake is None


@exercise(points=4, by_value=False)
def sort(x):
    """x in rising order."""
    return np.sort(x)


@sort.cases
def two_numbers(rng):
    """Two."""
    return dict(x=rng.permutation([1.0, 2.0]))


@sort.cases
def three_numbers(rng):
    """Three."""
    return dict(x=rng.permutation([1.0, 2.0, 3.0]))


@sort.mistake("The largest is not the last of the three.", hint="Where is it?")
def three_turned(x):
    return np.sort(x)[::-1] if len(x) == 3 else np.sort(x)


@sort.property(mistake="three_turned")
def the_largest_of_three_is_last(answer, case):
    return len(answer) < 3 or answer[-1] == 3


@sort.property("It does not rise.")
def it_rises(answer, case):
    return bool(np.all(np.diff(answer) > 0))


def test_of_several_properties_that_is_told_which_explains_most_kinds() -> None:
    """Whether or not it has a mistake's name; of those that explain as many, the first."""

    def told(function: Any) -> tuple[str, str | None]:
        trials = run_trials(sort, "seed", local_caller(function))
        verdict = decide(sort, trials, reveal=False)
        return verdict.message, verdict.mistake

    assert told(lambda x: np.sort(x)[::-1]) == ("It does not rise.", None)
    assert told(three_turned) == ("The largest is not the last of the three.", "three_turned")
    assert told(lambda x: np.sort(x)[[0, 2, 1][: len(x)]])[1] == "three_turned"


def test_each_answer_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """To be decided, named and explained."""
    compared = []

    def counted(got: Any, wanted: Any, **options: Any) -> Difference | None:
        compared.append(got)
        return difference(got, wanted, **options)

    monkeypatch.setattr("autograder.judging.verdict.difference", counted)
    trials = run_trials(double, "seed", local_caller(lambda x: x**2 + 1))
    assert decide(double, trials, reveal=True).status == "wrong"
    assert len(compared) == len(trials)


def test_not_attempted_is_not_wrong() -> None:
    def stub(x: Any) -> Any:
        raise NotImplementedError

    assert verdict_on(stub).status == "not_attempted"


def test_a_librarys_own_not_implemented_error_is_no_empty_body() -> None:
    # torch has such errors of its own.
    verdict = verdict_on(lambda x: torch.zeros(1, device="meta").tolist())
    assert (verdict.status, verdict.points) == ("error", 0.0)
    assert "NotImplementedError" in verdict.message and "body" not in verdict.message


@pytest.mark.parametrize(
    ("message", "alike"),
    [
        ("shapes (3,) (5,) cannot be broadcast together", True),
        ("the truth value of an array with several elements is ambiguous", False),
    ],
)
def test_two_exceptions_are_the_same_where_they_say_the_same(message: str, alike: bool) -> None:
    known = Raised(("ValueError", "Exception"), "shapes (2,) (4,1) cannot be broadcast together")
    told = Raised(("ValueError", "Exception"), message)
    assert same(told, known, rtol=0, atol=0) is alike
    # What a docstring promises is a class.
    assert kind(told, known) is None


@pytest.mark.parametrize(
    "answer", [TimedOut(10), TimedOut(300, "notebook"), TimedOut(60, "function"), Died("killed")]
)
def test_no_answer_is_no_points(answer: Any) -> None:
    trials = run_trials(double, "seed", local_caller(double.reference))
    for trial in trials:
        trial.got = answer
    verdict = decide(double, trials, reveal=False)
    assert verdict.points == 0
    assert verdict.status in ("timeout", "error")


def wrong_values(x: Any) -> Any:
    return 2 * x + np.array([0, 0.5, 0])


@pytest.mark.parametrize(
    "wrong",
    [
        wrong_values,
        lambda x: 2 * x[:, None],
        lambda x: (2 * x,),
        lambda x: [1.0, 2.0],
        lambda x: float(x[0]),
        lambda x: {"x": x},
        lambda x: (_ for _ in ()).throw(ValueError(str(x))),
        lambda x: x * np.nan,
        lambda x: None,
        lambda x: str(x),
        lambda x: (2 * x).astype(np.float32),
    ],
)
def test_a_hidden_verdict_gives_no_number_away(wrong: Any) -> None:
    """Neither inputs nor right answers nor what came back may stand in what a learner reads."""
    verdict = verdict_on(wrong)
    assert verdict.points == 0
    said = " ".join(
        [verdict.message, verdict.hint, verdict.where, verdict.detail, *verdict.remarks]
    )
    assert verdict.message
    assert not re.search(r"\d\.\d|of length|of shape|got", said), said


def test_a_visible_verdict_shows_got_and_wanted() -> None:
    verdict = verdict_on(wrong_values, reveal=True)
    assert "at index [1]" in verdict.message
    assert "got" in verdict.detail and "wanted" in verdict.detail


@pytest.mark.parametrize(
    ("got", "wanted", "told"),
    [
        ([1.0, 2.0], ARRAY, "np.array makes one of a list"),
        (ARRAY, (ARRAY, ARRAY, 1.0), "as in return a, b, c"),
        (np.float64(3), ARRAY, "(), a single number"),
        (ARRAY, 1.0, "(), a single number"),
        (ARRAY + 0j, ARRAY, "complex128; float64"),
        (ARRAY.astype(object), ARRAY, "object; float64"),
        (ARRAY.astype(str), ARRAY, "str; float64"),
        (ARRAY.astype("S8"), ARRAY, "bytes; float64"),
        (ARRAY.astype("M8[s]"), ARRAY, "datetime64; float64"),
        (ARRAY.astype(">f8"), ARRAY, ">f8 (float64, bytes reversed); float64"),
        (np.ma.array(ARRAY), ARRAY, "masked array; array"),
        (ARRAY + 0j, 1.0, "array with dtype complex128; float"),
        (np.str_("1"), 1.0, "str_; float"),
        (1j, 1.0, "complex; float"),
        ((x for x in ARRAY), ARRAY, "generator; array"),
        (iter([1.0]), ARRAY, "list_iterator; array"),
        ({1: 2}.values(), ARRAY, "dict_values; array"),
        ({1.0}, ARRAY, "set; array"),
        (b"12", ARRAY, "bytes; array"),
        (..., ARRAY, "... (Ellipsis); array"),
        (int, 1.0, "class; float"),
        (torch.ones(3), ARRAY, "tensor of shape (3,); array"),
        (torch.ones(3) + 0j, torch.ones(3), "torch.complex64; torch.float32"),
        (torch.ones(3).to_sparse(), torch.ones(3), "sparse tensor; tensor"),
    ],
)
def test_a_type_or_shape_is_told_with_a_way_out(got: Any, wanted: Any, told: str) -> None:
    off = difference(plain(got), wanted, rtol=1e-6, atol=1e-12)
    assert off is not None
    assert told in f"{off.got}; {off.wanted}"


@exercise(points=1)
def largest(x):
    """The largest of x, a number."""
    return float(np.max(x))


@exercise(points=1)
def ends(x):
    """The smallest and the largest of x."""
    return float(np.min(x)), float(np.max(x))


largest.cases(positive)
ends.cases(positive)


@pytest.mark.parametrize(
    ("part", "answer", "told"),
    [
        (double, lambda x: 2 * x + 0j, "np.abs gives its size"),
        (largest, lambda x: np.max(x + 0j), "np.abs gives its size"),
        (largest, lambda x: complex(np.max(x)), "np.abs gives its size"),
        (largest, lambda x: [np.max(x)], "A single number"),
        (largest, lambda x: (np.min(x), np.max(x)), "A single number"),
        (ends, lambda x: np.array([np.min(x), np.max(x)]), "as in return a, b"),
        (ends, lambda x: np.max(x), "as in return a, b"),
    ],
)
def test_complex_numbers_and_several_for_one_have_a_hint(part: Any, answer: Any, told: str) -> None:
    verdict = judge(part, "seed", local_caller(answer))
    assert verdict.points == 0 and told in verdict.hint


def in_place(x: Any) -> Any:
    x *= 2
    return x


def test_changing_the_argument_costs_the_share_of_a_kind() -> None:
    verdict = verdict_on(in_place)
    assert (verdict.status, verdict.mistake) == ("partial", "changes_its_arguments")
    assert verdict.points == pytest.approx(4 * 2 / 3, abs=0.01)
    assert verdict.families == {"positive": True, "negative": True, "arguments_as_they_were": False}
    assert verdict.message == "It changes its argument x: work on a copy."
    assert verdict.hint and verdict.remarks == []


def test_leaving_the_argument_alone_is_worth_nothing_by_itself() -> None:
    verdict = verdict_on(lambda x: 0 * x)
    assert verdict.points == 0 and verdict.families["arguments_as_they_were"]


def test_a_wrong_answer_that_changes_its_argument_is_told_both() -> None:
    def lost_in_place(x: Any) -> Any:
        np.abs(x, out=x)
        return 2 * x

    verdict = verdict_on(lost_in_place)
    assert verdict.mistake == "sign_lost"
    assert verdict.remarks == ["It changes its argument x: work on a copy."]
    assert verdict.points < verdict_on(sign_lost).points


def test_who_is_there_to_change_its_argument_may() -> None:
    @exercise(points=1, pure=False)
    def clear(x):
        """Zeros into x."""
        x[:] = 0

    @clear.cases
    def some(rng):
        """Some numbers."""
        return dict(x=rng.normal(size=3))

    verdict = judge(clear, "a", local_caller(clear.reference))
    assert (verdict.status, verdict.families) == ("passed", {"some": True})


@pytest.mark.parametrize(
    ("value", "can"),
    [(ARRAY, True), ([1], True), ({}, True), ((ARRAY,), True), ((1, 2), False), (3.0, False)],
)
def test_what_could_be_changed(value: Any, can: bool) -> None:
    assert can_change(value) is can


def test_the_seed_decides_the_cases() -> None:
    def inputs(seed: str) -> list[Any]:
        seen: list[Any] = []
        judge(double, seed, local_caller(lambda x: seen.append(x.copy())))
        return seen

    assert same(inputs("a"), inputs("a"), rtol=0, atol=0)
    assert not same(inputs("a"), inputs("b"), rtol=1e-3, atol=0)
