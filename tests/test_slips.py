"""A table of mistakes: they are what they say; what does not fit is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograder import source
from autograder.exercise import AuthorError, class_exercise, exercise
from autograder.slips import method_slip, slip


def fresh():
    @exercise(points=1)
    def halve(x):
        """x / two: what stands in a docstring is no code."""
        two = 2.0
        return x / two

    return halve


def test_an_edit_makes_the_mistake_and_leaves_the_reference():
    halve = fresh()
    halve.slips(doubled=slip({"x / two": "x * two"}, "It doubles.", hint="Divide."))
    (mistake,) = halve.mistakes
    assert (mistake.name, mistake.text, mistake.hint) == ("doubled", "It doubles.", "Divide.")
    assert (mistake.wrong(3.0), halve(3.0)) == (6.0, 1.5)
    assert "x * two" in source.bare(mistake.wrong)


@pytest.mark.parametrize(
    ("edits", "complaint"),
    [
        ({"x // two": "x"}, "'x // two' stands 0 times"),
        ({"two": "three"}, "'two' stands 2 times"),
        ({"x / two": "x", "/ two": "* two"}, "overlap"),
        ({"return x / two": "return x /"}, "no Python"),
        (lambda y: y, "the signature must be that of the reference"),
    ],
)
def test_an_edit_that_does_not_fit_is_told(edits, complaint):
    with pytest.raises(AuthorError, match=r"halve.* wrong.*" + complaint):
        fresh().slips(wrong=slip(edits, "Something."))


def test_what_one_edit_writes_no_other_edit_finds():
    halve = fresh()
    halve.slips(turned=slip({"x / two": "two / x", "two = 2.0": "two = x / two"}, "Turned."))
    assert "two = x / two\n    return two / x" in source.bare(halve.mistakes[0].wrong)


def far_too_much(x):
    return x * 100


def test_a_mistake_that_is_no_edit_is_a_lambda_or_a_function():
    halve = fresh()
    halve.slips(
        negated=slip(lambda x: -x, "The sign is turned."),
        grown=slip(far_too_much, "Far too much."),
    )
    negated, grown = (mistake.wrong for mistake in halve.mistakes)
    assert (negated(3.0), grown(3.0)) == (-3.0, 300.0)
    assert source.bare(negated) == "def function(x):\n    return -x"
    assert source.own_bodies(negated)[0][0] == "function"
    assert "return x * 100" in source.bare(grown)


def test_of_two_lambdas_on_a_line_nobody_knows_which():
    first, _second = (lambda x: x), (lambda x: -x)
    with pytest.raises(OSError, match="2 lambdas"):
        source.bare(first)


def test_a_mistake_must_be_told_and_have_a_name_of_its_own():
    halve = fresh()
    with pytest.raises(AuthorError, match="say in a sentence"):
        halve.slips(silent=slip({"x / two": "x"}, " "))
    halve.slips(whole=slip({"x / two": "x"}, "Nothing is halved."))
    with pytest.raises(AuthorError, match="two mistakes are called whole"):
        halve.slips(whole=slip({"x / two": "x"}, "Nothing is halved."))


@class_exercise
class Doubling:
    """Something that makes more of itself."""

    def __init__(self, value):
        """Keep it."""
        self.value = np.float64(value)

    def again(self):
        """Twice as much, as another of its kind."""
        return Doubling(2 * self.value)

    def is_like(self, other):
        """Whether the other is of its kind."""
        return isinstance(other, Doubling)


DECLARED: Any = Doubling


@DECLARED.step(points=1)
def twice(cls, value):
    """Again and again."""
    return cls(value).again().again().value


def tripled(self):
    return Doubling(3 * self.value)


def test_a_class_with_a_slip_makes_more_of_itself_and_not_of_the_reference():
    twice.slips(
        too_much=slip({"2 * self.value": "5 * self.value"}, "Five times."),
        tripled=method_slip("again", tripled, "Three times."),
    )
    five, three = (mistake.wrong for mistake in twice.mistakes)
    assert five(1).again().again().value == 25
    assert three(1).again().again().value == 9
    assert five(1).is_like(five(2)) and not five(1).is_like(Doubling(2))
    assert Doubling(1).again().again().value == 4 and Doubling(1).is_like(Doubling(2))


def test_a_method_that_is_not_there_is_told():
    with pytest.raises(AuthorError, match="0 methods called nothing"):
        twice.slips(nothing=method_slip("nothing", tripled, "Three times."))


def test_a_step_stands_after_steps_above_it():
    with pytest.raises(AuthorError, match=r"Doubling.later: after names Doubling.sooner"):

        @DECLARED.step(points=1, after=("sooner",))
        def later(cls, value):
            return cls(value).value
