"""Every attack through the real path: its marks, what is told, and what did not happen outside.

The tables beside this file say what each tries. After each an innocent submission is graded by the
same warm process. Nothing here may depend on how fast the machine is.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from autograder.engine.interface import Limits, Runner
from autograder.engine.warm.handle import SandboxedRunner
from autograder.grading.grade import Graded, grade
from autograder.grading.outputs import write_outputs
from autograder.judging.sets import ExerciseSet
from autograder.submissions.read import Submission
from tests.attacks.attack import FEW, LOOT, Attack, full_marks, innocent, some
from tests.attacks.forgery import FRAMES, RIGHT, VALUES
from tests.attacks.greed import GREED
from tests.attacks.held import HELD
from tests.attacks.metadata import METADATA
from tests.attacks.outside import NETWORK, PROCESSES, READING, WRITING
from tests.attacks.python import INTERPRETER, JUDGE
from tests.walled import World, open_world

FAMILIES = {
    "network": NETWORK,
    "reading": READING,
    "writing": WRITING,
    "processes": PROCESSES,
    "greed": GREED,
    "held": HELD,
    "frames": FRAMES,
    "values": VALUES,
    "interpreter": INTERPRETER,
    "judge": JUDGE,
    "metadata": METADATA,
    # What stands in no cell: names, links, archives, the exchange, a planted entry of the cache in
    # test_names; what runs in a reader's browser in test_shown. What two sessions at once, or all
    # snapshots of one together, might do is in test_sandbox.
}
ATTACKS = [attack for family in FAMILIES.values() for attack in family]
# Whom an innocent is graded by after each attack: one function tells whether it still works.
ONE = some(FEW[:1])
# Before the warm process starts, which has it from nobody.
os.environ["AUTOGRADER_CANARY"] = "secret"
RUNNER = SandboxedRunner()
SEED = "attacks"
# A machine that refuses some wall cannot show that it holds: test_sandbox tests the refusal.
walled = pytest.mark.skipif(bool(RUNNER.refused), reason=f"this kernel refuses: {RUNNER.refused}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """What no submission may reach."""
    with open_world_with_a_course(tmp_path_factory.mktemp("w")) as made:
        yield made


def open_world_with_a_course(folder: Path) -> contextlib.AbstractContextManager[World]:
    """With a gradebook, seeds and submissions beside the secret file."""
    grading = folder / "grading"
    (grading / "submitted" / "amara").mkdir(parents=True)
    (grading / "rounds").mkdir()
    (grading / "rounds" / "gradient.json").write_text('{"seed": "7"}')
    with contextlib.closing(sqlite3.connect(grading / "gradebook.db")) as gradebook:
        gradebook.execute("create table grade (auto_score)")
    return open_world(folder)


def graded(
    submission: Submission, exercises: ExerciseSet, runner: Runner = RUNNER, **limits: object
) -> Graded:
    """A submission through repair, runner and judge, with the files that it is handed out with."""
    files = exercises.path.parent.parent / "exercises" / exercises.name
    chosen = Limits(**{"cell_seconds": 20.0, **limits})  # type: ignore[arg-type]
    return grade(submission, exercises, SEED, runner, limits=chosen, files=files)


def marks(done: Graded) -> dict[str, float]:
    """Points by function."""
    return {name: verdict.points for name, verdict in done.verdicts.items()}


def outputs(done: Graded) -> str:
    """What the cells said, as text."""
    shown = [cell.get("outputs", []) for cell in done.notebook.cells]
    return json.dumps(shown, ensure_ascii=False)


def told(done: Graded, exercises: ExerciseSet) -> str:
    """What the cells and the verdicts say to somebody: no source."""
    write_outputs(done, exercises)
    texts = [cell.source for cell in done.notebook.cells if cell.cell_type == "markdown"]
    return outputs(done) + "\n".join(texts)


@walled
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_it_is_contained(attack: Attack, world: World) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    done = graded(attack.submission(world), attack.exercises, **attack.limits)
    got = marks(done)
    assert {name: got[name] for name in attack.marks} == attack.marks
    said = outputs(done)
    assert LOOT not in said
    if attack.refused:
        assert any(f"refused {name}" in said for name in attack.refused), said[:2000]
    text = told(done, attack.exercises)
    for wanted in attack.told:
        assert wanted in text
    for secret in attack.hidden:
        assert secret not in text
    assert len(text) < 3_000_000
    assert world.untouched()
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert marks(graded(innocent(ONE), ONE)) == full_marks(ONE)


@walled
def test_innocents_are_graded_right_while_others_are_attacked(world: World) -> None:
    """By the same warm process, at the same time."""
    names = {"fork_bomb_allowed", "memory", "disk", "garbage", "kill_everybody", "print_flood"}
    attacks = [attack for attack in ATTACKS if attack.name in names]
    assert len(attacks) == len(names)
    few = some(FEW)
    with ThreadPoolExecutor(2) as pool:
        hostile = [pool.submit(graded, a.submission(world), few, **a.limits) for a in attacks]
        beside = [graded(innocent(few), few) for _again in range(3)]
        for work in hostile:
            work.result()
    for done in beside:
        assert marks(done) == full_marks(few)
        assert not [v for v in done.verdicts.values() if v.flagged]
    assert world.untouched()


def with_cell(gabor: str = "", last: str = "pass") -> Submission:
    """The smallest notebook with another gabor, or with one more cell."""
    notebook = innocent(ONE).notebook
    for cell in notebook.cells:
        if gabor and cell.id == "solution-gabor":
            cell.source = gabor
    notebook.cells.append(new_code_cell(last))
    return Submission(notebook)


@walled
def test_what_a_hidden_call_leaves_reaches_no_later_submission() -> None:
    """Neither in files nor in the kernel's own places, nor a cell or call of somebody else's."""
    leave = (
        "import os\ndef gabor(theta, x):\n"
        "    for place in ('/tmp', '.', os.environ['HOME'], os.environ['MPLCONFIGDIR'], '/dev/shm', '/'):\n"
        "        try: open(place + '/S3CRET', 'a').write(repr(x.tolist()))\n"
        "        except OSError: pass\n" + RIGHT
    )
    look = (
        "import os\nfound = [p for p, _d, names in os.walk('/') if 'S3CRET' in names]\n"
        "print('found', found)"
    )
    assert marks(graded(with_cell(leave), ONE)) == full_marks(ONE)
    assert "found []" in outputs(graded(with_cell(last=look), ONE))


@pytest.mark.full
@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.unwalled], ids=lambda a: a.name)
def test_without_walls_it_would_have_what_it_wants(attack: Attack, tmp_path: Path) -> None:
    """Else the tests above would show nothing."""
    with open_world_with_a_course(tmp_path) as world:
        runner = SandboxedRunner(walls=False)
        done = graded(attack.submission(world), attack.exercises, runner, **attack.limits)
    assert LOOT in outputs(done)


@pytest.mark.full
@walled
@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user takes root")
@pytest.mark.timeout(1800)
def test_an_ordinary_user_is_as_safe() -> None:
    """The whole list, graded by somebody who is not root, in a folder that no pytest of root's
    closes to others."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.chmod(home, 0o777)
        tests = Path(__file__).parent
        place = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), home)
        arguments = [
            "-m",
            "pytest",
            "-q",
            "-m",
            "not full",
            "-o",
            f"cache_dir={home}/cache",
        ]
        done = subprocess.run(
            [
                sys.executable,
                tests.parent / "as_user.py",
                "12345",
                *arguments,
                str(tests / "test_attacks.py"),
            ],
            env={**os.environ, **place},
            capture_output=True,
            text=True,
            timeout=1700,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
        assert "skipped" not in done.stdout
