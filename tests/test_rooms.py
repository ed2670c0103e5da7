"""The package's rooms: what each promises stands in one table, and imports run down it."""

import ast
import re
from pathlib import Path

import pytest

from autograder.release.bundle import LEARNERS_ROOMS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "autograder"
TOP = "*.py"
# The package's own door: `from autograder import check` opens the room of that name when asked.
DOOR = "__init__"
ROW = re.compile(r"^\| `autograder/(?P<room>[^`]+?)/?` \| (?P<promise>.+?) \|$", re.MULTILINE)


def table() -> dict[str, str]:
    """Room by room, from the top down, what CONTRIBUTING promises of it."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    return {row["room"]: row["promise"] for row in ROW.finditer(text)}


def room_of(module: str) -> str:
    """The room of a module, which is named without the package: the longest that holds it."""
    path = module.replace(".", "/")
    if f"{path}.py" in table():
        return f"{path}.py"
    rooms = [room for room in table() if path == room or path.startswith(f"{room}/")]
    return max(rooms, key=len, default=TOP)


def imports(text: str) -> set[str]:
    """What a module's text imports of the package, at its top or later, as dotted names."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {n.removeprefix("autograder.") for n in names if n.startswith("autograder.")}
    return {name for name in found if not name.startswith("__")}


def upwards(module: str, text: str) -> list[str]:
    """The imports of a module that lead to a room above its own."""
    floors = list(table())
    here = floors.index(room_of(module))
    return [name for name in sorted(imports(text)) if floors.index(room_of(name)) < here]


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name, without the package's."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name if name == DOOR else name.removesuffix(f".{DOOR}")] = path
    return found


def test_imports_run_down_the_table() -> None:
    wrong = {name: upwards(name, path.read_text("utf-8")) for name, path in modules().items()}
    assert {name: up for name, up in wrong.items() if up and name != DOOR} == {}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("judging.judge", "from autograder.engine.wire import Channel"),
        ("engine.untrusted.child", "from autograder.engine.trusted import helper"),
        ("exercise", "    from autograder.judging import sets"),
        ("values.codec", "import autograder.learning.check"),
        ("gradebook.ledger", "from autograder.classes.pool import Pool"),
    ],
)
def test_a_wrong_import_would_be_noticed(module: str, line: str) -> None:
    assert upwards(module, f"if True:\n    {line.strip()}\n") != []


def test_every_room_is_in_the_table_with_its_own_words() -> None:
    folders = {
        str(path.parent.relative_to(PACKAGE)): ast.get_docstring(ast.parse(path.read_text("utf-8")))
        for path in PACKAGE.rglob("*/__init__.py")
    }
    promises = {room: (text or "").splitlines()[0] for room, text in folders.items()}
    assert promises == {room: told for room, told in table().items() if not room.endswith(".py")}


def test_what_a_learner_installs_needs_no_other_room() -> None:
    theirs = {*LEARNERS_ROOMS, TOP}
    needed = {
        room_of(name)
        for module, path in modules().items()
        if room_of(module) in theirs
        for name in imports(path.read_text("utf-8"))
    }
    assert needed <= theirs


def test_the_course_is_imported_in_one_direction() -> None:
    """autograder knows no chapter, solutions/ no page, and nobody the tests."""
    allowed = {
        "autograder": {"autograder"},
        "solutions": {"autograder", "solutions"},
        "book": {"autograder", "solutions", "book"},
    }
    ours = {*allowed, "tests"}
    for folder, may in allowed.items():
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.walk(ast.parse(path.read_text("utf-8")))
            froms = [node for node in tree if isinstance(node, ast.ImportFrom) and node.module]
            roots = {node.module.partition(".")[0] for node in froms if node.module}
            assert roots & ours <= may, path
