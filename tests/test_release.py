"""What learners are sent: in step with its source, the same bytes twice, no solution in it."""

import email
import fnmatch
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from autograder.code.source import bodies, own_bodies
from autograder.exercise import Mistake
from autograder.judging.sets import find_set
from autograder.project import Project, find_project
from autograder.release.build import build, differences, out_of_step
from autograder.release.bundle import write_bundles
from autograder.release.configuration import course_config
from autograder.release.freeze import probe_source, says_the_same
from autograder.release.given import given_text
from autograder.release.lint import released_leaks
from autograder.release.recipe import ways
from tests.conftest import Course, Person

ROOT = Path(__file__).parent.parent
PROJECT = find_project(ROOT)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_bundles(tmp_path_factory.mktemp("bundles"), PROJECT)


def test_exercises_are_in_step_with_solutions(built_course: Course) -> None:
    assert differences(PROJECT.exercises, built_course.project.exercises, PROJECT.sets) == []


@pytest.fixture
def copy(tmp_path: Path) -> Project:
    """The course as it is committed, for a test that changes it."""
    for name in ("solutions", "exercises"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("pyproject.toml", "nbgrader_config.py"):
        shutil.copy(ROOT / name, tmp_path)
    return Project(tmp_path)


def test_a_changed_exercise_is_noticed(copy: Project) -> None:
    (copy.exercises / "gradient" / "checks.json").write_text("{}")
    assert out_of_step(copy, ["gradient"]) == ["gradient/checks.json"]


def test_last_digits_of_another_processor_are_no_change(copy: Project) -> None:
    """BLAS and NumPy add up in another order there. The committed file stays as it is."""
    checks = copy.exercises / "gradient" / "checks.json"
    committed = checks.read_text("utf-8")
    long = next(n for n in re.findall(r"-?\d\.\d{14,}", committed))
    for factor, same in ((1 + 1e-11, True), (1 + 1e-6, False)):
        checks.write_text(committed.replace(long, repr(float(long) * factor)), "utf-8")
        changed = checks.read_text("utf-8")
        assert changed != committed
        assert out_of_step(copy, ["gradient"]) == ([] if same else ["gradient/checks.json"])
        build(copy, ["gradient"], database=False)
        assert (checks.read_text("utf-8") == changed) is same


@pytest.mark.parametrize(("left", "same"), [(1.4e-17, True), (1e-6, False)])
def test_what_rounding_leaves_of_nothing_is_no_change(left: float, same: bool) -> None:
    """Of a list of arrays one may be sums that are 0 but for rounding, which differs there."""
    one, other = ([{"data": [0.3, -0.1]}, {"data": [2.8e-17, n]}] for n in (-left, left))
    assert says_the_same(json.dumps(one), json.dumps(other)) is same


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_build_is_byte_identical_twice(built_course: Course, tmp_path: Path) -> None:
    """In another process, which hashes otherwise, and without a gradebook."""
    shutil.copytree(built_course.project.solutions, tmp_path / "solutions")
    for name in ("pyproject.toml", "nbgrader_config.py"):
        shutil.copy(ROOT / name, tmp_path)
    Person(tmp_path, tmp_path).run("autograder build --no-db", {"PYTHONHASHSEED": "1"})
    first = contents(built_course.project.exercises)
    assert contents(tmp_path / "exercises") == first != {}


def released_texts(archive: Path) -> dict[str, str]:
    """Every piece of code that a zip holds: cells, public code, modules of the wheel."""
    texts = {}
    with zipfile.ZipFile(archive) as outer:
        for name in outer.namelist():
            data = outer.read(name)
            if name.endswith(".ipynb"):
                for i, cell in enumerate(json.loads(data)["cells"]):
                    if cell["cell_type"] == "code":
                        texts[f"{name}[{i}]"] = "".join(cell["source"])
            elif name.endswith(".py"):
                texts[name] = data.decode()
            elif name.endswith(".json"):
                texts[name] = "\n".join(json.loads(data)["public"])
                # A reference that raises LinAlgError would quote the line that does it.
                lines = re.findall(r'"line": ("(?:[^"\\]|\\.)*")', data.decode())
                assert set(lines) <= {'""'}, name
            elif name.endswith(".whl"):
                (outer_path := archive.with_suffix(".whl")).write_bytes(data)
                with zipfile.ZipFile(outer_path) as wheel:
                    for inner in wheel.namelist():
                        if inner.endswith(".py"):
                            texts[inner] = wheel.read(inner).decode()
    return texts


def test_no_reference_is_released(bundles: list[Path]) -> None:
    for archive in bundles:
        exercise_set = find_set(archive.stem, PROJECT)
        secrets = {
            body
            for part in exercise_set.parts
            for secret in [*(f.generate for f in part.families), *_long(part.mistakes)]
            for _, body in own_bodies(secret)
        }
        for name, text in released_texts(archive).items():
            assert released_leaks(exercise_set, text) == [], name
            assert not bodies(text) & secrets, name


def test_the_wheel_offers_torch_and_only_its_set_asks_for_it(bundles: list[Path]) -> None:
    """On Linux the build for GPUs takes several GB: the small one is named where it is needed."""
    for archive in bundles:
        with zipfile.ZipFile(archive) as outer:
            text = outer.read(f"{archive.stem}/README.txt").decode()
            [name] = [name for name in outer.namelist() if name.endswith(".whl")]
            with zipfile.ZipFile(io.BytesIO(outer.read(name))) as wheel:
                [file] = [n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")]
                metadata = email.message_from_bytes(wheel.read(file))
        assert metadata.get_all("Provides-Extra") == ["torch"]
        wanted = [line for line in metadata.get_all("Requires-Dist") or [] if "torch" in line]
        assert [line.replace("'", '"') for line in wanted] == ['torch; extra == "torch"']
        assert "numpy<3,>=2.0" in (metadata.get_all("Requires-Dist") or [])
        small = "pip install torch --index-url https://download.pytorch.org/whl/cpu"
        assert (small in text) is (f"{Path(name).name}[torch]" in text)
        assert (small in text) is (archive.stem == "torch_gpu")


def test_every_page_and_archive_tell_one_recipe(bundles: list[Path]) -> None:
    """One for each system, with the wheel by its name, and no bound on the newest Python."""
    whole = bundles[0].with_name("learning_by_descent.zip")
    with zipfile.ZipFile(whole) as outer:
        names = outer.namelist()
        [wheel] = [name for name in names if name.endswith(".whl")]
        text = outer.read("learning_by_descent/README.txt").decode()
        with zipfile.ZipFile(io.BytesIO(outer.read(wheel))) as inner:
            [file] = [n for n in inner.namelist() if n.endswith(".dist-info/METADATA")]
            assert email.message_from_bytes(inner.read(file))["Requires-Python"] == ">=3.11"
    told = [line.strip() for way in ways(Path(wheel).name) for line in way.lines]
    assert len(told) == 3 and all(line in text for line in told)
    assert not any(refused in text for refused in ("activate", "Get-Item"))
    for archive in bundles:
        with zipfile.ZipFile(archive) as outer:
            own = {f"learning_by_descent/{name}" for name in outer.namelist()}
            readme = outer.read(f"{archive.stem}/README.txt").decode()
        extra = {name for name in own if name.endswith((".whl", "README.txt"))}
        assert own - extra <= set(names)
        torch = archive.stem == "torch_gpu"
        for way in ways(Path(wheel).name, f"{archive.stem}.ipynb", torch=torch):
            assert all(line in readme for line in way.lines)
    for page in ("index", "learners"):
        assert "```{set-up}" in (ROOT / "book" / f"{page}.md").read_text("utf-8")


def test_what_is_handed_out_is_in_its_own_zip_and_in_no_other(bundles: list[Path]) -> None:
    """Whatever set a reference belongs to: it leaves with the set that hands it out, no sooner."""
    sets = [find_set(archive.stem, PROJECT) for archive in bundles]
    given = {body for s in sets for file in s.hand_outs for body in bodies(given_text(file))}
    assert {f.filename: s.name for s in sets for f in s.hand_outs} == {"tensor.py": "experiments"}
    tensor = find_set("backprop", PROJECT).part("Tensor.used_twice").reference
    long = {body for _name, body in own_bodies(tensor) if body.count("\n") > 2}
    assert long
    assert long <= given
    for archive in bundles:
        for name, text in released_texts(archive).items():
            handed_out = name == "experiments/tensor.py"
            assert bool(long & bodies(text)) is handed_out, name


def test_nbgrader_ships_what_is_handed_out_and_no_solution() -> None:
    """Its rule for files is the same when it generates, releases, collects and grades."""
    ignored = course_config(ROOT).CourseDirectory.ignore

    def is_shipped(name: str) -> bool:
        return not any(fnmatch.fnmatch(name, pattern) for pattern in ignored)

    solutions = [p.name for p in (ROOT / "solutions").iterdir() if p.is_file()]
    assert len(solutions) > 10
    assert not any(map(is_shipped, solutions))
    for name in PROJECT.sets:
        for file in find_set(name, PROJECT).hand_outs:
            assert is_shipped(file.filename)


def _long(mistakes: list[Mistake]) -> list[Any]:
    """Mistakes of more than one statement: shorter ones may stand anywhere by chance."""
    return [m.wrong for m in mistakes if "\n" in "".join(b for _, b in own_bodies(m.wrong))]


def test_a_leak_would_be_noticed() -> None:
    """The same body under another name and with another docstring is a leak."""
    exercise_set = find_set("gradient", PROJECT)
    stolen = (
        "def other(theta, x):\n    '''Mine.'''\n    u = theta[0] + 0.06 * theta[1] * x\n"
        "    return np.sin(u) * np.exp(-(u**2) / 32)\n"
    )
    assert released_leaks(exercise_set, stolen) == ["gabor"]


def test_the_wheel_holds_the_package_alone(bundles: list[Path]) -> None:
    for archive in bundles:
        names = [n for n in released_texts(archive) if n.startswith("autograder/")]
        rooms = {name.split("/")[1] for name in names if name.count("/") > 1}
        # No engine and no grading: a learner needs neither, and audits neither.
        assert rooms == {"learning", "judging", "values", "code"}
        assert "autograder/learning/check.py" in names and "autograder/cli.py" not in names
        everything = zipfile.ZipFile(archive).namelist()
        assert not any("solutions" in name or "grading/source" in name for name in everything)


def test_checks_work_without_solutions_or_project(bundles: list[Path], tmp_path: Path) -> None:
    """A learner's machine: the unpacked zip, the wheel, nothing else of ours."""
    archive = next(a for a in bundles if a.stem == "gradient")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path)
    folder = tmp_path / "gradient"
    (wheel,) = folder.glob("*.whl")
    program = (
        f"import sys; sys.path.insert(0, {str(wheel)!r})\n"
        "import autograder; assert '.whl' in autograder.__file__, autograder.__file__\n"
        "from autograder import check, hint\n"
        "try:\n    import solutions\nexcept ImportError: print('no solutions')\n"
        "import numpy as np\n"
        "def gabor(theta, x):\n    raise NotImplementedError\n"
        "check(gabor)\n"
        "def gabor(theta, x):\n    u = theta[0] + theta[1] * x\n"
        "    return np.sin(u) * np.exp(-(u**2) / 32)\n"
        "check(gabor)\nhint(gabor)\n"
        "def gabor(theta, x):\n    u = theta[0] + 0.06 * theta[1] * x\n"
        "    return np.sin(u) * np.exp(-(u**2) / 32)\n"
        "check(gabor)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout
    for wanted in (
        "no solutions",
        "Not attempted yet",
        "The factor 0.06",
        "Hint 1 of 2",
        "Correct.",
    ):
        assert wanted in said
    assert "\x1b[" not in said


# Where the borrowed machine of each kind puts an archive that somebody uploads.
UPLOADED = {"Colab": "torch_gpu.zip", "Kaggle": "input/our-zip/torch_gpu"}


@pytest.mark.parametrize("machine", UPLOADED)
def test_a_borrowed_machine_is_set_up_by_what_the_page_says(
    bundles: list[Path], tmp_path: Path, machine: str
) -> None:
    """The lines of the learners' page, in a real IPython, with the archive where it would lie."""
    page = (ROOT / "book" / "learners.md").read_text("utf-8")
    told = page[page.index(f"```{{tab-item}} {machine}") :]
    lines = re.findall(r"^ {7}(\S.*)$", told[: told.index("```\n")], re.MULTILINE)
    assert len(lines) == 3
    archive = next(a for a in bundles if a.stem == "torch_gpu")
    if UPLOADED[machine].endswith(".zip"):
        shutil.copy(archive, tmp_path / UPLOADED[machine])
    else:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall((tmp_path / UPLOADED[machine]).parent)
    # The tests' own installation is no package of a borrowed machine.
    ours = "'__editable__' in str(getattr(f, '__module__', ''))"
    cells = [f"import sys; sys.meta_path[:] = [f for f in sys.meta_path if not {ours}]"]
    cells += [line.replace("/kaggle/input", str(tmp_path / "input")) for line in lines]
    cells += ["from autograder import check", "print('from', check.__globals__['__file__'])"]
    cells += [
        "def torch_forward(params, X):\n    raise NotImplementedError\n",
        "check(torch_forward)",
    ]
    script = tmp_path / "notebook.ipy"
    script.write_text("\n".join(cells), "utf-8")
    (installed := tmp_path / "installed").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "IPython", script.name],
        cwd=tmp_path,
        # Only there: the environment of the tests stays as it is.
        env=os.environ | {"PIP_TARGET": str(installed), "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"from {installed}" in done.stdout, done.stdout + done.stderr
    assert "Not attempted yet" in done.stdout


def test_the_bundles_are_the_same_bytes_twice(bundles: list[Path], tmp_path: Path) -> None:
    again = write_bundles(tmp_path, PROJECT)
    assert [p.name for p in again] == [p.name for p in bundles]
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in bundles]


@pytest.mark.parametrize("name", find_project().sets)
def test_a_probe_travels_with_what_it_uses_alone(name: str) -> None:
    exercises = find_set(name)
    for part in exercises.parts:
        if part.probe is None:
            continue
        text = probe_source(exercises, part.probe.name)
        there: dict[str, Any] = {}
        exec(compile(text, "<probe>", "exec"), there)
        assert callable(there[part.probe.name])
        kept = {rule.name for p in exercises.parts for rule in p.properties}
        assert not kept & there.keys(), "what judges an answer stays with the judge"
