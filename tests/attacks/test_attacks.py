"""Every attack through the real path: its marks, what is told, and what did not happen outside.

The tables beside this file say what each tries. After each an innocent submission is graded by the
same warm process. Nothing here may depend on how fast the machine is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from autograder.catalog import ExerciseSet
from autograder.engine.interface import Limits, Runner
from autograder.engine.sandbox import SandboxedRunner
from autograder.grading.grade import Graded, grade
from autograder.grading.outputs import write_outputs
from autograder.grading.submission import Submission
from tests.attacks.attack import FEW, GRADIENT, LOOT, Attack, full_marks, innocent, some
from tests.attacks.forgery import FRAMES, VALUES
from tests.attacks.greed import GREED
from tests.attacks.outside import NETWORK, PROCESSES, READING, WRITING
from tests.attacks.python import INTERPRETER, JUDGE
from tests.walled import World, open_world

FAMILIES = {
    "network": NETWORK,
    "reading": READING,
    "writing": WRITING,
    "processes": PROCESSES,
    "greed": GREED,
    "frames": FRAMES,
    "values": VALUES,
    "interpreter": INTERPRETER,
    "judge": JUDGE,
}
ATTACKS = [attack for family in FAMILIES.values() for attack in family]
RUNNER = SandboxedRunner()
SEED = "attacks"
# A machine that refuses some wall cannot show that it holds: test_sandbox tests the refusal.
walled = pytest.mark.skipif(bool(RUNNER.refused), reason=f"this kernel refuses: {RUNNER.refused}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """What no submission may reach."""
    with pytest.MonkeyPatch.context() as patch, open_world(tmp_path_factory.mktemp("w")) as made:
        patch.setenv("AUTOGRADER_CANARY", "secret")
        yield made


def graded(
    submission: Submission, exercises: ExerciseSet, runner: Runner = RUNNER, **limits: object
) -> Graded:
    """A submission through repair, runner and judge, with the files that it is handed out with."""
    files = GRADIENT.path.parent.parent / "exercises" / "gradient"
    chosen = Limits(**{"cell_seconds": 20.0, **limits})  # type: ignore[arg-type]
    return grade(submission, exercises, SEED, runner, limits=chosen, files=files)


def marks(done: Graded) -> dict[str, float]:
    """Points by function."""
    return {name: verdict.points for name, verdict in done.verdicts.items()}


def outputs(done: Graded) -> str:
    """What the cells said, as text."""
    shown = [cell.get("outputs", []) for cell in done.notebook.cells]
    return json.dumps(shown, ensure_ascii=False)


def told(done: Graded) -> str:
    """What the cells and the verdicts say to somebody: no source."""
    write_outputs(done, {part.grade_id: part.name for part in GRADIENT.parts})
    texts = [cell.source for cell in done.notebook.cells if cell.cell_type == "markdown"]
    return outputs(done) + "\n".join(texts)


def left_behind() -> list[psutil.Process]:
    """Processes below the warm one that are not the warm one: sessions that were not ended."""
    me = psutil.Process().children(recursive=True)
    return [p for p in me if p.status() != psutil.STATUS_ZOMBIE and "gate" not in str(p.cmdline())]


@walled
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_it_is_contained(attack: Attack, world: World) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    done = graded(attack.submission(world), attack.exercises, **attack.limits)
    got = marks(done)
    assert {name: got[name] for name in attack.marks} == attack.marks
    assert all(got[name] < GRADIENT.part(name).points for name in attack.partly)
    said = outputs(done)
    assert LOOT not in said
    if attack.refused:
        assert any(f"refused {name}" in said for name in attack.refused), said[:2000]
    text = told(done)
    for wanted in attack.told:
        assert wanted in text
    for secret in attack.hidden:
        assert secret not in text
    assert len(text) < 3_000_000
    assert world.untouched()
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert marks(graded(innocent(some(FEW)), some(FEW))) == full_marks(some(FEW))


def test_the_list_is_as_long_as_it_should_be() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names)) >= 60
