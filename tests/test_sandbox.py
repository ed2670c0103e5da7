"""The walls around a submission: what it may try, who may raise them, what is said where not."""

from __future__ import annotations

import errno
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest

from autograder.engine.interface import Call, CellResult, Limits, NoSandbox
from autograder.engine.trusted.plain import PlainRunner
from autograder.engine.trusted.session import StartError
from autograder.engine.warm.handle import SandboxedRunner, require_sandbox
from autograder.judging.sets import find_set
from autograder.project import find_project
from autograder.release.notebook import instructor_notebook
from tests.walled import World, open_world, probe, tries

HERE = Path(__file__).parent
# A machine that refuses some of it cannot show that it holds: the refusal itself is tested below.
REFUSED = SandboxedRunner().refused
walled = pytest.mark.skipif(bool(REFUSED), reason=f"this kernel refuses: {REFUSED}")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="becoming another user takes root")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """What a submission must not reach, and a secret in the environment."""
    monkeypatch.setenv("AUTOGRADER_CANARY", "secret")
    with open_world(tmp_path) as found:
        yield found


def amiss(world: World, came: dict[str, str]) -> dict[str, str]:
    """The tries that came to something else than they may."""
    allowed = tries(world.canary, world.port, world.abstract)
    assert came.keys() == allowed.keys()
    return {name: got for name, got in came.items() if got not in allowed[name][1]}


@walled
def test_a_submission_reaches_nothing(world: World) -> None:
    """As whoever runs the tests."""
    before = Path("/proc/self/mountinfo").read_text()
    assert amiss(world, probe(world.canary, world.port, world.abstract)) == {}
    assert world.untouched()
    assert Path("/proc/self/mountinfo").read_text() == before


@walled
@as_root
def test_what_an_ordinary_user_grades_reaches_nothing(world: World, tmp_path: Path) -> None:
    """No right of root is needed for the walls."""
    home = tmp_path / "home"
    home.mkdir()
    for folder in (home, *list(tmp_path.parents)[:3], tmp_path):
        folder.chmod(0o777)
    arguments = [
        "12345",
        "-m",
        "tests.walled",
        str(world.canary),
        str(world.port),
        world.abstract[1:],
    ]
    done = subprocess.run(
        [sys.executable, HERE / "as_user.py", *arguments],
        env={**os.environ, "HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert amiss(world, json.loads(done.stdout)) == {}
    assert world.untouched()
    assert [path.name for path in home.iterdir() if path.name.startswith("autograder-")] == []


def test_the_tries_are_no_empty_threat(world: World) -> None:
    """Without walls the same cells get what they want: the test above could fail."""
    wanted = ("read a file", "tcp", "fork")
    chosen = tries(world.canary, world.port, world.abstract)
    with SandboxedRunner(walls=False).open(None, Limits()) as session:
        got = {name: session.execute(chosen[name][0]).status for name in wanted}
    assert got == dict.fromkeys(wanted, "ok")
    assert not world.untouched()


@walled
def test_sessions_at_once_do_not_see_each_other() -> None:
    """Neither files, nor processes, nor sockets."""
    runner = SandboxedRunner()
    with runner.open(None, Limits()) as one, runner.open(None, Limits()) as other:
        one.execute(
            "import os, socket\nopen('/tmp/mine', 'w').write('x')\n"
            "s = socket.socket(socket.AF_UNIX); s.bind('\\0mine'); s.listen()\nprint(os.getuid())"
        )
        seen = other.execute(
            "import os, socket\nprint(os.path.exists('/tmp/mine'), os.listdir('/scratch/work'))\n"
            "c = socket.socket(socket.AF_UNIX)\n"
            "try: c.connect('\\0mine')\nexcept OSError as error: print(type(error).__name__)"
        )
        assert seen.outputs[0]["text"] == "False []\nConnectionRefusedError\n"


@walled
def test_a_refused_process_is_named_and_what_was_defined_is_still_graded() -> None:
    """In a cell, and in a call."""
    with SandboxedRunner().open(None, Limits()) as session:
        session.execute("def f(x): return x + 1\ndef g():\n    import os\n    return os.fork()")
        result = session.execute("!ls")
        assert result.status == "error"
        named = session.execute("import os; os.fork()")
        assert "start another process" in named.reason
        assert named.reason in named.outputs[-1]["traceback"]
        snapshot = session.snapshot()
        session.close()
        assert snapshot.call(Call("f", {"x": 1.0}, ["x"])).value == 2.0
        assert snapshot.call(Call("g", {}, [])).value.name == "PermissionError"


@walled
def test_of_a_virtual_environment_its_programs_and_libraries_are_shown() -> None:
    """It may have been made in the course's own folder."""
    canary = Path(sys.prefix) / f"canary-{secrets.token_hex(8)}"
    canary.write_text("secret")
    try:
        with SandboxedRunner().open(None, Limits()) as session:
            result = session.execute(f"import os\nprint(os.path.exists({str(canary)!r}))")
            assert text(result) == "False\n"
    finally:
        canary.unlink()


@walled
def test_with_processes_allowed_programs_run() -> None:
    """And are gone with the session."""
    mark = f"1000.{secrets.randbelow(10**9)}"
    with SandboxedRunner().open(None, Limits(processes=4)) as session:
        result = session.execute(
            f"import subprocess\nsubprocess.Popen(['sleep', '{mark}'], start_new_session=True)\n"
            "print(subprocess.run(['id', '-un'], capture_output=True, text=True).returncode >= 0)"
        )
        assert result.status == "ok"
        assert [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or ())]
    left = [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or ())]
    assert left == []


def left_of(program: str, folder: Path) -> tuple[str, list[Path]]:
    """What a program printed that ends by SIGKILL, and the files that there are in its folder for
    temporary ones when its warm process is gone."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    # Where it may make its folder stands among the warm process's arguments.
    left = [p for p in psutil.process_iter(["cmdline"]) if str(folder) in str(p.info["cmdline"])]
    assert psutil.wait_procs(left, timeout=20)[1] == []
    return done.stdout.strip(), list(folder.iterdir())


@pytest.mark.parametrize("walls", [pytest.param(True, marks=walled), False])
def test_nothing_is_left_of_a_judge_that_was_killed(tmp_path: Path, walls: bool) -> None:
    """No process, no folder, no mount."""
    program = (
        "import os, signal\n"
        "from autograder.engine.interface import Limits\n"
        "from autograder.engine.warm.handle import SandboxedRunner\n"
        f"runner = SandboxedRunner(walls={walls})\n"
        "session = runner.open(None, Limits())\n"
        "session.execute('x = 1')\n"
        "print(runner._zygotes[False].folder, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    folder, left = left_of(program, tmp_path)
    assert folder.startswith(str(tmp_path))
    assert left == []


def test_nothing_is_left_of_a_judge_that_was_killed_as_it_began(tmp_path: Path) -> None:
    """Just before it starts the warm process, and just after."""
    for moment in ("original = lambda *a, **k: None", "original = subprocess.Popen"):
        program = (
            "import os, signal, subprocess\n"
            "from autograder.engine.warm import handle\n"
            "handle.font_lists()\n"
            f"{moment}\n"
            "def start(*arguments, **options):\n"
            "    original(*arguments, **options)\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
            "subprocess.Popen = start\n"
            "handle.Zygote()"
        )
        assert left_of(program, tmp_path)[1] == []


def test_a_warm_process_without_a_folder_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(StartError, match=r"No such file or directory: .*gone/autograder-warm-"):
        SandboxedRunner().open(None, Limits())


# ------------------------------------------------------------------ one session and the next


def text(result: CellResult) -> str:
    """What a cell printed."""
    return "".join(o["text"] for o in result.outputs if o["output_type"] == "stream")


OPEN_FILES = """
import fcntl, os, stat, struct
def shared():
    for fd in range(64):
        try: mode = os.fstat(fd).st_mode
        except OSError: continue
        if not stat.S_ISSOCK(mode): yield fd
"""
WRITE = (
    OPEN_FILES
    + """
for fd in shared():
    try: os.lseek(fd, 0x123456789, 0)
    except OSError: pass
    try: fcntl.fcntl(fd, 37, struct.pack("hh4xqqi4x", fcntl.F_RDLCK, 0, 1 << 40, 7, 0))
    except OSError: pass
"""
)
READ = (
    OPEN_FILES
    + """
for fd in shared():
    try: print("at", os.lseek(fd, 0, 1) == 0x123456789)
    except OSError: pass
"""
)


@pytest.mark.parametrize("walls", [pytest.param(True, marks=walled), False])
def test_an_open_file_is_no_letter_to_the_next_session(walls: bool) -> None:
    """Place and locks of an open file are one for all forks that have it open."""
    runner = SandboxedRunner(walls=walls)
    with runner.open(None, Limits()) as first:
        assert first.execute(WRITE).status == "ok"
        assert "at True" in text(first.execute(READ))
        # They go on to be read from where they were.
        assert first.execute("import matplotlib.pyplot as plt; plt.plot([1]);").status == "ok"
    with runner.open(None, Limits()) as second:
        said = text(second.execute(READ))
        assert "at False" in said and "at True" not in said
    locks = Path("/proc/locks").read_text()
    assert str(1 << 40) not in locks


@walled
def test_two_sessions_cannot_speak_by_files_that_both_may_read() -> None:
    attempts = (
        "fcntl.flock(fd, fcntl.LOCK_SH)",
        "fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack('hh4xqqi4x', fcntl.F_WRLCK, 0, 0, 9, 0))",
        "fcntl.fcntl(fd, 36, struct.pack('hh4xqqi4x', fcntl.F_WRLCK, 0, 0, 9, 0))",
        "fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)",
        "fcntl.fcntl(folder, fcntl.F_NOTIFY, 1)",
        "libc.inotify_init1(0) < 0 and os.abort_with(ctypes.get_errno())",
    )
    source = (
        "import ctypes, fcntl, os, struct\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def fail(number): raise OSError(number, '')\n"
        "os.abort_with = fail\n"
        "fd, folder = os.open(os.__file__, os.O_RDONLY), os.open('/usr', os.O_RDONLY)\n"
    )
    for attempt in attempts:
        source += f"try:\n    {attempt}\nexcept OSError as error:\n    print(error.errno)\n"
    with SandboxedRunner().open(None, Limits()) as session:
        assert text(session.execute(source)).split() == [str(errno.EPERM)] * len(attempts)
        lite = "import sqlite3\nfor _ in range(2):\n    db = sqlite3.connect('a.db')\n"
        lite += "    db.execute('create table if not exists t(x)')\n    db.commit()"
        assert session.execute(lite).status == "ok"


@walled
def test_a_notebooks_second_process_does_not_answer_for_the_keeper() -> None:
    """Whoever holds the descriptor on which the kernel asks could let any program start."""
    ask = (
        "import fcntl, struct\n"
        "for fd in range(3, 64):\n"
        "    try: fcntl.ioctl(fd, 0x40082102, struct.pack('=Q', 1))\n"
        "    except OSError as error:\n"
        "        if error.errno == 2: print('a listener', fd)\n"
        "print('looked')"
    )
    with SandboxedRunner().open(None, Limits()) as session:
        assert session.execute("x = 1").status == "ok"
        session.snapshot()
        assert session.execute("import os; os._exit(3)").status == "died"
        assert text(session.execute(ask)) == "looked\n"


def test_what_runs_before_each_snapshot_takes_the_notebooks_time() -> None:
    limits = Limits(notebook_seconds=1.0)
    hook = "import os, time; os.register_at_fork(before=lambda: time.sleep(30))"
    with SandboxedRunner().open(None, limits) as session:
        assert session.execute(hook).status == "ok"
        started = time.monotonic()
        snapshots = [session.snapshot() for _ in range(2)]
        assert time.monotonic() - started < 20
        assert all(snapshot.problem for snapshot in snapshots)
        assert "used up" in session.execute("1").reason


# ------------------------------------------------------------------ where the kernel refuses


REFUSING = """
import errno, pyseccomp, sys
made = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
for name in ("unshare", "seccomp"):
    made.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
made.load()
"""


def under_refusal(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program where the kernel refuses namespaces and filters, as in a plain container."""
    return subprocess.run(
        [sys.executable, "-c", REFUSING + program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=find_project().root,
    )


def test_a_kernel_that_refuses_is_named_and_cells_still_run() -> None:
    """Layer by layer, with its reason."""
    done = under_refusal(
        "import json\n"
        "from autograder.engine.interface import Limits\n"
        "from autograder.engine.warm.handle import SandboxedRunner\n"
        "runner = SandboxedRunner()\n"
        "with runner.open(None, Limits()) as session:\n"
        "    ran = session.execute('print(6 * 7)').outputs[0]['text']\n"
        "print(json.dumps([runner.refused, ran, runner.protects]))"
    )
    assert done.returncode == 0, done.stderr
    refused, ran, protects = json.loads(done.stdout)
    assert ran == "42\n"
    for layer in ("mount namespace", "network namespace", "process namespace"):
        assert refused[layer].endswith("Operation not permitted")
    assert "system calls" in refused
    assert "network namespace" in protects or "own rights" in protects


def test_grading_is_refused_without_a_sandbox_unless_it_is_wanted(tmp_path: Path) -> None:
    """The command says why, and what to do; nothing is graded."""
    notebook = tmp_path / "answers.ipynb"
    nbformat.write(instructor_notebook(find_set("gradient")), notebook)
    grade = "from autograder.cli import main\nsys.exit(main(sys.argv[1:]))"
    command = ("grade-notebook", str(notebook), "--assignment", "gradient", "--seed", "1")
    refused = under_refusal(grade, *command)
    assert refused.returncode == 2 and refused.stdout == ""
    assert "network namespace (unshare: Operation not permitted)" in refused.stderr
    assert "--no-require-sandbox" in refused.stderr
    wanted = under_refusal(grade, *command, "--no-require-sandbox")
    assert wanted.returncode == 0 and "20 of 20 points" in wanted.stdout, wanted.stderr


def test_what_has_no_walls_is_no_sandbox() -> None:
    """The plain runner, and a sandbox whose walls were left out."""
    for runner in (PlainRunner(), SandboxedRunner(walls=False)):
        with pytest.raises(NoSandbox, match="--no-require-sandbox"):
            require_sandbox(runner)


@walled
def test_a_full_sandbox_is_one() -> None:
    """And says so in a sentence."""
    runner = SandboxedRunner()
    require_sandbox(runner)
    assert "sandbox" in runner.protects and "no network" in runner.protects
