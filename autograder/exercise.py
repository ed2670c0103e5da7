"""How an author declares an exercise: a reference, its cases, its properties, its mistakes.

Everything else (stub, visible check, hidden check, feedback, proofs) is made from these objects.
The author's errors that are cheap to see (names, signatures, docstrings) are raised here, at
import; `autograder lint` proves the rest.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from autograder.slips import BadSlip, Slip

DEFAULT_DRAWS = 2
# The kind of case that `whole` asks for.
WHOLE_NUMBERS = "arrays_of_whole_numbers"

T = TypeVar("T")


class AuthorError(Exception):
    """A declaration that cannot work. Says which one, what is wrong and how to mend it."""


@dataclass(frozen=True)
class FreshRng:
    """Stands for an `rng` argument: a `numpy.random.Generator` from a number nobody knows."""


FRESH_RNG = FreshRng()


@dataclass(frozen=True)
class Case:
    """One input for a graded function.

    args: argument name to value, in any order.
    facts: what a property may want to know of the case and a learner's code must not be given.
    rtol, atol: override the part's tolerances for this case.
    """

    args: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)
    rtol: float | None = None
    atol: float | None = None


@dataclass(frozen=True)
class Family:
    """Cases of one kind, with the name that a report gives them."""

    name: str
    generate: Callable[[np.random.Generator], Any]
    about: str

    def draw(self, rng: np.random.Generator) -> list[Case]:
        """The cases of one draw; a generator function may yield several."""
        made = self.generate(rng)
        items = list(made) if isinstance(made, Iterator) else [made]
        cases = [item if isinstance(item, Case) else Case(dict(item)) for item in items]
        return [replace(c, args=_pythonic(c.args), facts=_pythonic(c.facts)) for c in cases]


@dataclass(frozen=True)
class Mistake:
    """A known wrong answer: the identifier, what a learner is told, and code that makes it."""

    name: str
    text: str
    hint: str
    wrong: Callable[..., Any]


@dataclass(frozen=True)
class Property:
    """A statement that every right answer satisfies; `mistake` names what its failure shows.

    last: whether it says no more than that something is wrong.
    """

    name: str
    text: str
    hint: str
    mistake: str | None
    holds: Callable[..., bool]
    last: bool = False


@dataclass(frozen=True)
class Remark:
    """Advice without deduction, given where the learner's source calls `uses`."""

    uses: str
    text: str


@dataclass(frozen=True)
class Recipe:
    """How a callable argument was made: the public maker's name and what it was given."""

    maker: str
    args: tuple[Any, ...] | None
    kwargs: dict[str, Any] = field(default_factory=dict)


class Callback:
    """A callable that a public maker returned; it remembers its recipe and who cooked it."""

    def __init__(
        self, function: Callable[..., Any], recipe: Recipe, maker: Callable[..., Any]
    ) -> None:
        self.function = function
        self.recipe = recipe
        self.maker = maker

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


class Public:
    """Code that may be handed out: a probe, or a maker of callables for visible cases."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = function.__name__
        self.recipe = Recipe(self.name, None)
        self.__doc__ = function.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        made = self.function(*args, **kwargs)
        if inspect.isfunction(made):
            return Callback(made, Recipe(self.name, args, kwargs), self)
        return made


@dataclass(frozen=True)
class HandOut:
    """A file of the released folder, written from references that its learners are given.

    filename: what a notebook imports, with `.py`. about: its docstring.
    things: functions and classes; what they use of their modules goes with them.
    """

    filename: str
    about: str
    things: tuple[Any, ...]

    @property
    def names(self) -> list[str]:
        """What a notebook imports from it."""
        return [thing.__name__ for thing in self.things]


def hand_out(filename: str, *things: Any, about: str) -> HandOut:
    """Give references away, in a file beside the set's notebook: `TENSOR = hand_out(...)`.

    filename: a module's, such as "tensor.py". things: exercises, functions or classes, of this set
    or of one that it imports from. about: what its reader is to know.
    """
    if not filename.removesuffix(".py").isidentifier() or not filename.endswith(".py"):
        raise AuthorError(f"hand_out({filename!r}): a notebook imports it: name it like tensor.py.")
    if not things or not all(inspect.isroutine(t) or hasattr(t, "__name__") for t in things):
        raise AuthorError(f"hand_out({filename!r}): name the functions and classes that it holds.")
    return HandOut(filename, about, things)


def public(function: Callable[..., Any]) -> Public:
    """Mark a helper as public: the build copies its source into the exercise folder.

    A public function that returns a function is a maker: what it returns may stand as an
    argument of a visible case, because the learner's machine can make it again.
    """
    return Public(function)


class Part:
    """One graded unit: a function, or a step of a class.

    name: what learners call it (`gabor`, `Counter.add`).
    points: full marks.
    by_value: whether answers are compared with the reference's; else properties decide.
    probe: public code that is given the learner's object and the case, and returns the answer.
    after: of a step of a class, the steps that its probe needs to be right: where this one fails
        and one of them does too, that is what to mend first.
    pure: whether arguments must be as they were afterwards. Where some could be changed at all,
        that is a kind of case of its own.
    whole: the arguments that hold whole numbers in a kind of case that is made of the first one.
    """

    def __init__(
        self,
        name: str,
        exercise: str,
        reference: Any,
        points: float,
        signature: inspect.Signature,
        *,
        rtol: float | None = None,
        atol: float = 1e-9,
        by_value: bool = True,
        draws: int = DEFAULT_DRAWS,
        probe: Public | None = None,
        hints: tuple[str, ...] = (),
        after: tuple[str, ...] = (),
        pure: bool = True,
        whole: tuple[str, ...] = (),
    ) -> None:
        if points <= 0:
            raise AuthorError(f"{name}: points is {points!r}; give a number above 0.")
        self.name = name
        self.exercise = exercise
        self.reference = reference
        self.points = float(points)
        self.signature = signature
        self.rtol = rtol if rtol is not None else 1e-7 if self.precise else 1e-5
        self.atol = atol
        self.by_value = by_value
        self.draws = draws
        self.probe = probe
        self.hints = hints
        self.after = after
        self.pure = pure
        self.whole = whole
        self.families: list[Family] = []
        self.mistakes: list[Mistake] = []
        self.properties: list[Property] = []
        self.remarks: list[Remark] = []
        # What `posing` drew from the families, for as long as this part lives.
        self.drawn: dict[Any, list[Any]] = {}

    @property
    def grade_id(self) -> str:
        """nbgrader's id of the check cell."""
        return "check-" + self.name.replace(".", "-")

    @property
    def precise(self) -> bool:
        """Whether the docstring asks for float64, so that less will not do; of a class, always."""
        return inspect.isclass(self.reference) or "float64" in (self.reference.__doc__ or "")

    @property
    def returned(self) -> list[str]:
        """What its docstring calls the several things that it returns; none for one thing."""
        doc = inspect.getdoc(self.reference) or ""
        section = re.search(r"^Returns\n-+\n(.*?)(?:\n\n|\Z)", doc, re.DOTALL | re.MULTILINE)
        entries = r"^\(?(\w+(?:, \w+)*)\)? ?:"
        found = re.findall(entries, section[1], re.MULTILINE) if section else []
        names = [name for entry in found for name in entry.split(", ")]
        return names if len(names) > 1 and self.probe is None else []

    @property
    def parameters(self) -> list[str]:
        """The argument names of a case, in the order in which the learner's code gets them."""
        return list(self.signature.parameters)

    def cases(self, generate: Callable[[np.random.Generator], Any]) -> Callable[..., Any]:
        """Decorator: a generator of cases, `rng` in, a dict of arguments (or a `Case`) out."""
        name = generate.__name__
        if list(inspect.signature(generate).parameters) != ["rng"]:
            raise AuthorError(
                f"{self.name}.cases {name}{inspect.signature(generate)}: "
                "a case generator takes exactly one argument, rng."
            )
        self._must_be_new(name, [f.name for f in self.families], "case generator")
        about = (inspect.getdoc(generate) or name.replace("_", " ")).strip().splitlines()[0]
        self.families.append(Family(name, generate, about))
        if self.whole and len(self.families) == 1:
            rounded = _of_whole_numbers(self.families[0], self.whole)
            self.families.append(Family(WHOLE_NUMBERS, rounded, "Arrays of whole numbers."))
        return generate

    def mistake(self, text: str, *, hint: str = "") -> Callable[[T], T]:
        """Decorator: code that makes a known mistake, what to call it, and a hint."""

        def register(wrong: T) -> T:
            name = wrong.__name__  # type: ignore[attr-defined]
            self._add_mistake(Mistake(name, text, hint, wrong))  # type: ignore[arg-type]
            return wrong

        return register

    def slips(self, **table: Slip) -> None:
        """Known mistakes as a table, by name: see `autograder.slips`."""
        for name, slip in table.items():
            try:
                wrong = slip.make(self.reference)
            except BadSlip as error:
                raise AuthorError(f"{self.name}.slips {name}: {error}") from None
            self._add_mistake(Mistake(name, slip.text, slip.hint, wrong))

    def _add_mistake(self, mistake: Mistake) -> None:
        self._must_be_new(mistake.name, [m.name for m in self.mistakes], "mistake")
        self._same_signature(mistake.name, mistake.wrong)
        if not mistake.text.strip():
            raise AuthorError(
                f"{self.name}.mistake {mistake.name}: say in a sentence what is wrong."
            )
        self.mistakes.append(mistake)

    def property(
        self,
        text: str = "",
        *,
        mistake: str | None = None,
        hint: str = "",
        last: bool = False,
    ) -> Callable[[Callable[..., bool]], Callable[..., bool]]:
        """Decorator: `holds(answer, case)`; `text` says what the learner's answer breaks.

        Without a text it says what the mistake above it says. With `last` it says no more than that
        something is wrong: one that says what is told in its place, unless it is seen in less than
        half as many kinds of case.
        """
        if not text:
            known = [m for m in self.mistakes if m.name == mistake]
            if not known:
                raise AuthorError(
                    f"{self.name}.property: give it a text, or a mistake that stands above it; "
                    f"{mistake} does not."
                )
            text, hint = known[0].text, known[0].hint

        def register(holds: Callable[..., bool]) -> Callable[..., bool]:
            name = holds.__name__
            self._must_be_new(name, [p.name for p in self.properties], "property")
            if list(inspect.signature(holds).parameters) != ["answer", "case"]:
                raise AuthorError(
                    f"{self.name}.property {name}{inspect.signature(holds)}: "
                    "a property takes (answer, case)."
                )
            self.properties.append(Property(name, text, hint, mistake, holds, last))
            return holds

        return register

    def remark(self, text: str, *, uses: str | tuple[str, ...]) -> None:
        """Advice without deduction where the learner's source calls one of `uses` (by name)."""
        self.remarks += [
            Remark(name, text) for name in ((uses,) if isinstance(uses, str) else uses)
        ]

    def _must_be_new(self, name: str, taken: list[str], kind: str) -> None:
        if name in taken:
            raise AuthorError(f"{self.name}: two {kind}s are called {name}; rename one.")

    def _same_signature(self, name: str, wrong: Any) -> None:
        """A mistake is called as the reference is; a class is left to `autograder lint`."""
        if inspect.isclass(wrong):
            return
        got, wanted = inspect.signature(wrong), inspect.signature(self.reference)
        if [(p.name, p.default) for p in got.parameters.values()] != [
            (p.name, p.default) for p in wanted.parameters.values()
        ]:
            raise AuthorError(
                f"{self.name}.mistake {name}{got}: the signature must be that of the reference, "
                f"{self.name}{wanted}."
            )


class Exercise(Part):
    """A graded function: the reference itself, callable, with what belongs to it."""

    def __init__(self, reference: Callable[..., Any], points: float, **options: Any) -> None:
        _wants_docstring(reference)
        super().__init__(
            reference.__name__,
            reference.__name__,
            reference,
            points,
            _case_signature(reference, options.get("probe")),
            **options,
        )
        self.__doc__ = reference.__doc__
        self.__name__ = reference.__name__
        self.__wrapped__ = reference

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.reference(*args, **kwargs)

    @property
    def parts(self) -> list[Part]:
        """The graded units: the function alone."""
        return [self]


class ClassExercise:
    """A class in one solution cell, graded in named steps."""

    def __init__(self, reference: type) -> None:
        _wants_docstring(reference)
        self.name = reference.__name__
        self.reference = reference
        self.parts: list[Part] = []
        self.__doc__ = reference.__doc__
        self.__name__ = reference.__name__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.reference(*args, **kwargs)

    def __instancecheck__(self, thing: Any) -> bool:
        """So that the class's own code can say `isinstance(other, Name)`, as a learner's does."""
        return isinstance(thing, self.reference)

    def step(self, *, points: float, **options: Any) -> Callable[[Callable[..., Any]], Part]:
        """Decorator on a public probe `(cls, **case)`: declares the step of that name."""

        def register(probe: Callable[..., Any]) -> Part:
            parameters = list(inspect.signature(probe).parameters.values())
            if not parameters or parameters[0].name != "cls":
                raise AuthorError(
                    f"{self.name}.step {probe.__name__}{inspect.signature(probe)}: "
                    "the probe's first argument is cls, the learner's class."
                )
            name = f"{self.name}.{probe.__name__}"
            known = [part.name for part in self.parts]
            if name in known:
                raise AuthorError(f"{name}: two steps have this name; rename one.")
            after = tuple(f"{self.name}.{step}" for step in options.pop("after", ()))
            if unknown := sorted(set(after) - set(known)):
                raise AuthorError(
                    f"{name}: after names {', '.join(unknown)}, which is no step above it."
                )
            part = Part(
                name,
                self.name,
                self.reference,
                points,
                inspect.Signature(parameters[1:]),
                probe=Public(probe),
                after=after,
                **{"pure": False, **options},
            )
            self.parts.append(part)
            return part

        return register


def exercise(*, points: float, **options: Any) -> Callable[[Callable[..., Any]], Exercise]:
    """Decorator: the function below is the reference of an exercise.

    points: full marks.
    rtol, atol: tolerances of comparison (defaults 1e-5, or 1e-7 where the docstring asks for
        float64, and 1e-9).
    by_value: False where the answer is not unique and properties alone decide.
    draws: hidden draws of every case generator (default 2).
    probe: a `@public` function `(function, **case)` that returns plain arrays.
    hints: the ladder that `hint(function)` climbs, from a nudge to nearly the answer.
    pure: False where the function is there to change what it is given.
    whole: the arrays that learners may try with whole numbers; a kind of case does so too.
    """

    def register(reference: Callable[..., Any]) -> Exercise:
        return Exercise(reference, points, **options)

    return register


def class_exercise(reference: type) -> ClassExercise:
    """Decorator: the class below is the reference; declare its steps with `@Name.step`."""
    return ClassExercise(reference)


def _case_signature(reference: Any, probe: Public | None) -> inspect.Signature:
    """What a case must give: the reference's arguments, or the probe's after the function."""
    if probe is None:
        return inspect.signature(reference)
    parameters = list(inspect.signature(probe.function).parameters.values())
    return inspect.Signature(parameters[1:])


def _of_whole_numbers(
    family: Family, names: tuple[str, ...]
) -> Callable[[np.random.Generator], Any]:
    """A generator of that family's cases with whole numbers in these arrays. None becomes 0; what
    was 0 stays so: a diagonal matrix is one in whole numbers, too."""

    def whole(case: Case) -> Case:
        args = {k: _rounded(v) if k in names else v for k, v in case.args.items()}
        return replace(case, args=args)

    return lambda rng: (whole(case) for case in family.draw(rng))


def _rounded(array: Any) -> Any:
    numbers = np.rint(array)
    nearest = np.where(numbers == 0, np.copysign(1, array), numbers)
    return np.where(array == 0, 0, nearest).astype(np.int64)


def _pythonic(values: dict[str, Any]) -> dict[str, Any]:
    """With Python's own number in the place of NumPy's, as a learner would write it."""
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}


def _wants_docstring(reference: Any) -> None:
    if not (reference.__doc__ or "").strip():
        raise AuthorError(
            f"{reference.__name__} has no docstring; it becomes the stub's: "
            "say what it does, shapes, units, errors and the source of the formula."
        )
