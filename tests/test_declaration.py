"""An author's errors are told by name, at import where that is cheap, else by lint."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder.exercise import AuthorError, Case, Family, class_exercise, exercise, hand_out
from autograder.judging.sets import ExerciseSet, find_set, load_set
from autograder.project import NoProject, Project, find_project
from autograder.release.freeze import visible_data
from autograder.release.given import given_text
from autograder.release.lint import lint
from autograder.slips import slip

GOOD = '''
import numpy as np
from autograder.exercise import exercise, public

@exercise(points=1)
def f(x):
    """Twice x."""
    return 2 * x

@f.cases
def some(rng):
    """A few numbers."""
    return dict(x=rng.normal(size=3))

@f.mistake("Not doubled.", hint="Twice.")
def same(x):
    return x.copy()

@f.mistake("Halved.", hint="Twice.")
def halved(x):
    return x / 2

@f.mistake("Squared.", hint="Twice.")
def squared(x):
    return x ** 2
'''
TEXT = "# f\n\n```{code-cell}\n%exercise f\n```\n"


def make_set(folder: Path, code: str = GOOD, text: str = TEXT) -> ExerciseSet:
    (folder / "toy.py").write_text(code)
    (folder / "toy.md").write_text(text)
    return load_set(folder / "toy.py")


def complaints(folder: Path, code: str = GOOD, text: str = TEXT) -> str:
    return "\n".join(str(c) for c in lint(make_set(folder, code, text), ["1", "2"]))


def test_a_good_set_has_no_complaints(tmp_path: Path) -> None:
    assert complaints(tmp_path) == ""


EASY = """
@f.cases
def none_negative(rng):
    return dict(x=rng.uniform(1, 2, 3))

@f.cases
def none_negative_again(rng):
    return dict(x=rng.uniform(1, 2, 4))

@f.cases
def all_negative(rng):
    yield dict(x=rng.uniform(-2, -1, 3))
    yield dict(x=rng.uniform(-2, -1, 4))
"""


RULE = """
@f.property("It is not the positive part.", mistake="halved")
def positive(answer, case):
    return np.allclose(answer, np.maximum(case.args["x"], 0))
"""


def test_cheap_answers_are_told_by_lint(tmp_path: Path) -> None:
    """x where nothing is negative, zeros where all is: who has that has not understood."""
    code = GOOD.replace("return 2 * x", "return np.maximum(x, 0)")
    code = code.replace(
        "rng.normal(size=3)", "rng.permutation([-1.0, -2.0, *rng.uniform(1, 2, 3)])"
    )
    assert complaints(tmp_path, code) == ""
    (tmp_path / "easy").mkdir()
    found = complaints(tmp_path / "easy", code + EASY)
    assert "an if between them would keep 38% of the points" in found
    # Of several things that are returned, and of an answer that is not unique.
    two = code.replace("return np.maximum(x, 0)", "return x + x, {'b': np.maximum(x, 0)}")
    many = code.replace("points=1", "points=1, by_value=False")
    for name, of, told in (("two", two, "x + x, "), ("many", many, "what came")):
        (tmp_path / name).mkdir()
        found = complaints(tmp_path / name, of + EASY + (RULE if name == "many" else ""))
        assert "keep 38% of the points" in found and told in found, found


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"""Twice x."""', "pass", "has no docstring"),
        ("def some(rng)", "def some(random)", "takes exactly one argument, rng"),
        ("def same(x)", "def same(y)", "must be that of the reference"),
        ("def halved", "def same", "two mistakes are called same"),
        ('"Halved."', '" "', "say in a sentence"),
        ("points=1", "points=0", "toy.py, line 5: f: points is 0; give a number above 0"),
        ("return 2 * x", "return 2 *", "toy.py, line 8: SyntaxError: invalid syntax"),
        ("import numpy as np", "import numpie", "line 2: ModuleNotFoundError: No module named 'n"),
        ("x=rng", "x=rng.\N{MULTIPLICATION SIGN}", "toy.py, line 13: SyntaxError"),
    ],
)
def test_cheap_errors_are_told_at_import(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(AuthorError, match=told):
        make_set(tmp_path, GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("x.copy()", "2.0 * x", "no case tells the mistake same from the reference"),
        ("return x / 2", "return x + 0.0", "is told as same"),
        ("size=3)", "size=3), y=1", "Unknown: \\['y'\\]"),
        ("x=rng", "z=rng", "Missing: \\['x'\\]"),
        ("x=rng.normal(size=3)", "x=1j", "cannot be sent"),
        ("x=rng.normal(size=3)", "x=1.5", "always answers"),
        ("return dict", "1 / 0\n    return dict", "generator some fails: .*ZeroDivisionError"),
        ("return dict(x=rng.normal(size=3))", "return iter(())", "yields no case"),
        ('@f.mistake("Squared.", hint="Twice.")', "", "knows 2 mistakes"),
        ("@exercise(points=1)", "@exercise(points=1, by_value=False)", "nothing would be judged"),
        ("return 2 * x", "x *= 2; return x.copy()", "fails arguments_as_they_were"),
        ("return x / 2", "x /= 2; return x.copy()", "halved changes its arguments"),
        (
            "2 * x",
            "q * x",
            r"raises NameError in some: name 'q' is not defined \(.*toy.py, line 8: ",
        ),
        ("2 * x", "x[7]", "raises IndexError in some: .*or name the exception in its docstring"),
        ("2 * x", "set(x)", "gives set back in some, which nobody can compare"),
        ("2 * x", "[2 * x, x + 1j]", "gives array with dtype complex128 back in some"),
        ("return x / 2", "return y / 2", "the mistake halved raises NameError in some"),
        ("return dict", "rng.gone()\n    return dict", "some fails: .*toy.py, line 13: Attribute"),
        (
            "return 2 * x",
            "return 2 * x * np.random.default_rng().random()",
            "the reference itself fails",
        ),
    ],
)
def test_dear_errors_are_told_by_lint(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in GOOD
    found = complaints(tmp_path, GOOD.replace(old, new))
    assert re.search(told, found), found
    if "raises" in told or "back in" in told or "toy.py" in told:
        # The build, which proves nothing, freezes no such answer.
        with pytest.raises(AuthorError, match=told):
            visible_data(make_set(tmp_path, GOOD.replace(old, new)))


def test_a_mistake_whose_mark_the_draw_decides_is_told(tmp_path: Path) -> None:
    """Of two learners who halve what is below 0, one would get half of the points."""
    code = GOOD.replace("rng.normal(size=3)", "rng.permutation([-1.0, *rng.uniform(1, 2, 2)])")
    code = code.replace("return x / 2", "return np.where(x < 0, x / 2, 2 * x)")
    code += "\n@f.cases\ndef one_alone(rng):\n    return dict(x=rng.normal(size=1))\n"
    found = lint(make_set(tmp_path, code), [f"luck-{n}" for n in range(20)])
    (told,) = map(str, found)
    assert told.startswith("f: the mistake halved gets 0 with seed luck-"), told
    assert " and 0.25 with seed luck-" in told and "Let every draw of a kind show it" in told


def test_a_reference_that_breaks_its_own_property_is_told(tmp_path: Path) -> None:
    code = GOOD + "\n@f.property('Not small.')\ndef small(answer, case):\n    return False\n"
    assert "the reference itself fails" in complaints(tmp_path, code)
    found = complaints(tmp_path, code.replace("return False", "return answr"))
    assert re.search(r"a property fails: .*toy.py, line 29: NameError", found), found


def test_a_property_that_names_no_mistake_is_told(tmp_path: Path) -> None:
    code = GOOD + "\n@f.property('x', mistake='typo')\ndef p(answer, case):\n    return True\n"
    assert "names the mistake typo, which is not declared" in complaints(tmp_path, code)


def test_a_function_that_cannot_be_made_again_is_told(tmp_path: Path) -> None:
    code = GOOD.replace("dict(x=rng.normal(size=3))", "dict(x=lambda t: t)")
    assert "Put its maker under @public" in complaints(tmp_path, code)


def test_public_code_that_needs_private_code_is_told(tmp_path: Path) -> None:
    code = GOOD + "\nSECRET = 3\n\n@public\ndef helper(a=SECRET):\n    return a\n"
    assert "its public code cannot be imported by itself (NameError" in complaints(tmp_path, code)
    # What it needs only where it runs; of a learner's right answer it would say that it is wrong.
    code = (
        GOOD
        + "\n@f.property('Small.')\ndef large(answer, case):\n    return f(answer) is not None\n"
    )
    assert "large goes to learners and uses f, which does not" in complaints(tmp_path, code)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TEXT.replace("%exercise f", "%exercise g"), "%exercise g is declared nowhere"),
        (TEXT.replace("%exercise f", "1 + 1"), "leaves out f"),
        (TEXT + "\n```{code-cell}\n%exercise f\n```\n", "declared nowhere, or used twice"),
    ],
)
def test_the_text_must_place_every_exercise_once(tmp_path: Path, text: str, told: str) -> None:
    assert told in complaints(tmp_path, text=text)


def test_a_class_step_needs_cls() -> None:
    class Thing:
        """A thing."""

    with pytest.raises(AuthorError, match="first argument is cls"):

        @class_exercise(Thing).step(points=1)
        def go(x):
            return x


def test_a_property_takes_answer_and_case() -> None:
    @exercise(points=1)
    def g(x):
        """x."""
        return np.asarray(x)

    with pytest.raises(AuthorError, match=r"takes \(answer, case\)"):

        @g.property("no")
        def broken(answer):
            return True


def test_a_property_says_what_its_mistake_says() -> None:
    @exercise(points=1)
    def g(x):
        """x."""
        return x

    g.slips(lost=slip({"return x": "return None"}, "It is lost.", hint="Return it."))

    @g.property(mistake="lost")
    def kept(answer, case):
        return answer is not None

    assert [(p.text, p.hint) for p in g.properties] == [("It is lost.", "Return it.")]
    with pytest.raises(AuthorError, match=r"give it a text, or a mistake.*; found does not"):
        g.property(mistake="found")


def test_a_case_has_numbers_of_python() -> None:
    def some(rng):
        yield dict(lr=rng.uniform(), d=rng.integers(3), yes=np.bool_(True), x=rng.normal(size=2))
        yield Case(dict(lr=0.5), facts={"n": np.int64(3)})

    first, second = Family("some", some, "Some.").draw(np.random.default_rng(1))
    assert [type(value) for value in first.args.values()] == [float, int, bool, np.ndarray]
    assert (type(second.args["lr"]), type(second.facts["n"])) == (float, int)


def test_an_unknown_set_names_the_nearest() -> None:
    with pytest.raises(AuthorError, match="Did you mean gradient"):
        find_set("gradeint", find_project(Path(__file__)))


def test_no_project_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOGRADER_ROOT", raising=False)
    with pytest.raises(NoProject, match=str(tmp_path)):
        find_project(tmp_path)
    with pytest.raises(AuthorError, match="no file"):
        load_set(Project(tmp_path).solutions / "nothing.py")


def test_a_file_that_is_handed_out_holds_what_its_references_use(tmp_path: Path) -> None:
    """Also of a neighbour, in a folder of its own; and methods are no names."""
    (tmp_path / "first.py").write_text(
        "import numpy as np\n"
        "from autograder.exercise import exercise\n\n"
        "SCALE = 3.0\n\n\n"
        "@exercise(points=1)\n"
        "def double(x: float) -> float:\n    '''Twice x, scaled.'''\n    return 2 * SCALE * x\n\n\n"
        "class Box:\n    '''A box.'''\n\n"
        "    def double(self):\n        '''Its own.'''\n        return double(np.ones(2))\n",
        "utf-8",
    )
    (tmp_path / "second.py").write_text(
        "from autograder.exercise import exercise, hand_out\n\n"
        "from .first import Box\n\n"
        "BOX = hand_out('box.py', Box, about='A box.')\n\n\n"
        "@exercise(points=1)\n"
        "def half(x):\n    '''Half of x.'''\n    return x / 2\n",
        "utf-8",
    )
    found = load_set(tmp_path / "second.py")
    assert [part.name for part in found.parts] == ["half"]
    assert found.given == ["Box"]
    text = given_text(found.hand_outs[0])
    assert "exercise" not in text and "half" not in text
    names: dict[str, Any] = {}
    exec(text, names)
    assert names["Box"]().double().tolist() == [6.0, 6.0]
    assert names["__all__"] == ["Box"]
    changed = (tmp_path / "first.py").read_text("utf-8").replace("SCALE = 3.0", "SCALE = 5.25")
    (tmp_path / "first.py").write_text(changed, "utf-8")
    assert "SCALE = 5.25" in given_text(load_set(tmp_path / "second.py").hand_outs[0])


@pytest.mark.parametrize("filename", ["tensor", "my tensor.py", "tensor.txt"])
def test_a_file_that_no_notebook_could_import_is_not_handed_out(filename: str) -> None:
    with pytest.raises(AuthorError, match=r"name it like tensor\.py"):
        hand_out(filename, dict, about="")


def test_a_file_of_a_sets_name_is_not_handed_out(tmp_path: Path) -> None:
    """nbgrader is told to ship no file of such a name."""
    code = "\n\nFILE = hand_out('mine.py', good, about='')\n"
    (tmp_path / "mine.py").write_text(
        "from autograder.exercise import exercise, hand_out\n\n\n"
        f"@exercise(points=1)\ndef good(x):\n    '''x.'''\n    return x\n{code}",
        "utf-8",
    )
    with pytest.raises(AuthorError, match="a set has that name"):
        load_set(tmp_path / "mine.py")
