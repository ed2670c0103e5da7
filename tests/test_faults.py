"""Killed at any moment and started again: every mark right, nothing done twice, nothing left."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from nbformat.v4 import new_code_cell

from autograder.classes.run import Summary, grade_class, quietly
from autograder.classes.staging import AREAS
from autograder.grading.rounds import current_round

if TYPE_CHECKING:
    from tests.conftest import Course

FORK = multiprocessing.get_context("fork")
POINTS = {"solved": 20.0, "wrong": 19.0, "stub": 0.0}


def silent(text: str) -> None:
    """Say nothing."""


def grade(course: Course, temporary: Path, **options: Any) -> Summary:
    """In the test's own process, or in a fork of it: nothing is imported anew."""
    os.environ["TMPDIR"] = str(temporary)
    return grade_class(course.project, "gradient", progress=quietly, say=silent, **options)


def class_of(course: Course, students: int) -> dict[str, float]:
    """Hands in; the points that each must get."""
    notebooks = {
        "solved": course.solved(),
        "wrong": course.mistaken(gabor="no_scale"),
        "stub": course.stub(),
    }
    wanted = {}
    for number, kind in zip(range(students), [*notebooks] * students, strict=False):
        student = f"{kind}-{number:02}"
        course.hand_in(student, notebooks[kind])
        wanted[student] = POINTS[kind]
    current_round(course.project, "gradient")
    return wanted


def finished(course: Course) -> dict[str, tuple[int, int]]:
    """Who has a graded folder: its notebook's file and the time when it was written."""
    found = {}
    for path in (course.grading / "autograded").glob("*/gradient/gradient.ipynb"):
        json.loads(path.read_text())
        found[path.parts[-3]] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


def killed_after(course: Course, temporary: Path, seconds: float) -> bool:
    """Grade, and kill all of it at a moment; whether it had ended by itself before. Nothing that
    it started is left."""
    process = FORK.Process(target=grade, args=(course, temporary))
    process.start()
    assert process.pid is not None
    process.join(seconds)
    alone = process.exitcode is not None
    family: list[psutil.Process] = []
    if not alone:
        # It may end at this very moment; nobody has buried it yet.
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        alone = process.exitcode == 0
    assert process.exitcode in (0, -signal.SIGKILL)
    assert psutil.wait_procs(family, timeout=60)[1] == []
    return alone


def kill_often(course: Course, temporary: Path, kills: int, students: int, most: float) -> int:
    """Kill and start again until everybody is graded; how often it was killed."""
    wanted = class_of(course, students)
    mounts = Path("/proc/self/mountinfo").read_text()
    chance = random.Random(kills)
    done: dict[str, tuple[int, int]] = {}
    count = 0
    while True:
        ended = killed_after(course, temporary, chance.uniform(0.0, most))
        now = finished(course)
        # Who was finished was not touched again.
        assert {student: now.get(student) for student in done} == done
        for student in now:
            assert course.score(student) == wanted[student]
        done = now
        if ended:
            break
        count += 1
        # Where others are at work too, it may come no further than where it was.
        most *= 1.05
    assert done.keys() == wanted.keys()
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert list(temporary.glob("autograder-*")) == []
    grade(course, temporary)
    assert not (course.grading / AREAS).exists()
    assert finished(course) == done
    return count


@pytest.fixture(autouse=True)
def _temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", os.environ.get("TMPDIR", "/tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)


def test_killed_and_started_again(course: Course, tmp_path: Path) -> None:
    """A few times; the whole of it is below."""
    (tmp_path / "t").mkdir()
    kill_often(course, tmp_path / "t", 3, students=6, most=4.0)


@pytest.mark.full
@pytest.mark.timeout(1500)
def test_killed_at_fifty_moments_of_a_class_of_sixty(built_course: Course, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    kills, number = 0, 0
    while kills < 50:
        number += 1
        course = built_course.copy(tmp_path / f"class-{number}")
        kills += kill_often(course, tmp_path / "t", number, students=60, most=3.0)


READ_ONLY = """
import os, sys
from autograder.cli import main
from autograder.engine.walls import kernel
kernel.unshare(kernel.CLONE_NEWNS)
kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
kernel.mount("grading", "grading", "", kernel.MS_BIND)
kernel.mount("none", "grading", "", kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a folder read-only")
@pytest.mark.parametrize("command", ["autograde", "regrade"])
def test_a_folder_that_is_read_only_is_told_in_a_sentence(course: Course, command: str) -> None:
    course.hand_in("amara", course.solved())
    if command == "regrade":
        grade(course, Path("/tmp"))
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, command, "gradient"],
        cwd=course.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "Read-only file system" in done.stderr and "start again" in done.stderr
    assert "Traceback" not in done.stderr and "graded" not in done.stdout


def test_ctrl_c_keeps_what_is_graded_and_the_next_start_goes_on(
    course: Course, tmp_path: Path
) -> None:
    """The command ends at once, says so, and leaves nobody behind."""
    wanted = class_of(course, 12)
    # The last one takes so long that nobody can be faster than the Ctrl-C.
    slow = course.solved()
    slow.cells.append(new_code_cell("import time; time.sleep(10)"))
    course.hand_in("zoe", slow)
    wanted["zoe"] = POINTS["solved"]
    command = [sys.executable, "-m", "autograder.cli", "autograde", "gradient"]
    with subprocess.Popen(
        command,
        cwd=course.folder,
        env={**os.environ, **course.environment, "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 120
        while not finished(course) and time.monotonic() < deadline:
            time.sleep(0.05)
        family = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        out, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "start again" in told
    assert psutil.wait_procs(family, timeout=60)[1] == []
    before = finished(course)
    assert 0 < len(before) < len(wanted)
    assert f"{len(before)} graded, 0 skipped" in out
    summary = grade(course, tmp_path)
    assert len(summary.graded) == len(wanted) - len(before)
    assert {student: finished(course)[student] for student in before} == before
    assert {student: course.score(student) for student in wanted} == wanted


def test_a_folder_that_cannot_be_written_fails_its_own_submission(
    course: Course, tmp_path: Path
) -> None:
    """A file stands where the graded folder should be."""
    wanted = class_of(course, 3)
    (course.grading / "autograded").mkdir(exist_ok=True)
    (course.grading / "autograded" / "solved-00").write_text("in the way")
    summary = grade(course, tmp_path)
    assert list(summary.failed) == ["solved-00"] and summary.exit_code == 1
    assert "solved-00" in summary.failed["solved-00"]
    assert sorted(summary.graded) == sorted(wanted.keys() - {"solved-00"})
    (course.grading / "autograded" / "solved-00").unlink()
    assert list(grade(course, tmp_path).graded) == ["solved-00"]
    assert {student: course.score(student) for student in wanted} == wanted


def test_a_full_disk_ends_the_run_with_a_sentence_and_loses_nothing(
    course: Course, tmp_path: Path
) -> None:
    """A real one: graded folders on a file system that holds two of them."""
    if os.getuid() != 0:
        pytest.skip("mounting takes root")
    wanted = class_of(course, 9)
    course.configure('c.CourseDirectory.autograded_directory = "grading/small/autograded"')
    small = course.grading / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500k", "none", small], check=True)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "autograder.cli", "autograde", "gradient"],
            cwd=course.folder,
            env={**os.environ, **course.environment, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stdout + done.stderr
        assert "No space left on device" in done.stderr and "Make room" in done.stderr
        graded = {p.parts[-3] for p in small.glob("autograded/*/gradient/gradient.ipynb")}
        assert 0 < len(graded) < len(wanted)
        assert {student: course.score(student) for student in graded} == {
            student: wanted[student] for student in graded
        }
        subprocess.run(["mount", "-o", "remount,size=50M", small], check=True)
        summary = grade(course, tmp_path)
        assert summary.graded.keys() == wanted.keys() - graded
        assert {student: course.score(student) for student in wanted} == wanted
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_clock_that_jumps_changes_no_mark(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the clock that cannot be set decides how long something took."""
    wanted = class_of(course, 3)
    jumps = iter(range(0, 10**9, 10**6))
    monkeypatch.setattr("time.time", lambda: float(next(jumps)))
    summary = grade(course, tmp_path)
    assert summary.failed == {}
    assert {student: course.score(student) for student in wanted} == wanted
