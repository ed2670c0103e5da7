"""The runner: real processes, honest and hostile cells, and what the judge's side makes of them."""

from __future__ import annotations

import gc
import os
import secrets
import signal
import socket
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import psutil
import pytest

from autograder.engine.interface import Call, CellResult, Limits, Runner
from autograder.engine.trusted.asking import AskedSnapshot, Budget
from autograder.engine.trusted.outputs import Collector
from autograder.engine.trusted.plain import PlainRunner
from autograder.engine.trusted.session import NotebookSession
from autograder.engine.trusted.vouching import Known
from autograder.engine.untrusted.shell import Sink
from autograder.engine.warm.handle import SandboxedRunner
from autograder.engine.wire import (
    MAX_BLOBS,
    MAX_HEADER,
    ROOM,
    Channel,
    Closed,
    TooLarge,
    TooSlow,
    fits,
    packed,
)
from autograder.exercise import FRESH_RNG
from autograder.judging.judge import Oracle
from autograder.judging.verdict import Died, TimedOut
from autograder.values.calling import Answer
from autograder.values.codec import MalformedValue, Opaque, Raised

RUNNERS: dict[str, Runner] = {
    "plain": PlainRunner(),
    "sandboxed": SandboxedRunner(),
    "without walls": SandboxedRunner(walls=False),
}
RUNNER: Runner = RUNNERS["sandboxed"]


@pytest.fixture(autouse=True, params=RUNNERS)
def runner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything here is asked of every runner."""
    monkeypatch.setitem(globals(), "RUNNER", RUNNERS[request.param])


def session(**limits: Any) -> NotebookSession:
    """A session without files, with patience for a machine that is busy."""
    running = RUNNER.open(None, Limits(**limits))
    assert isinstance(running, NotebookSession)
    return running


def text(result: CellResult) -> str:
    """All that a cell printed."""
    return "".join(o["text"] for o in result.outputs if o["output_type"] == "stream")


def ask(session: NotebookSession, source: str, *calls: Call) -> tuple[list[Answer], AskedSnapshot]:
    """Run a cell, snapshot, close, call."""
    assert session.execute(source).status == "ok"
    snapshot = session.snapshot()
    session.close()
    return [snapshot.call(c) for c in calls], snapshot


# ------------------------------------------------------------------ cells that misbehave


def test_an_endless_loop_is_stopped_and_the_state_kept() -> None:
    """By the signal that a cell can be interrupted with; by force where it cannot."""
    with session() as running:
        running.execute("x = 1")
        patient = running.limits
        running.limits = replace(patient, cell_seconds=0.5)
        result = running.execute("x = 2\nprint('before')\nwhile True: pass")
        assert (result.status, text(result)) == ("timeout", "before\n")
        assert [o["ename"] for o in result.outputs if o["output_type"] == "error"] == [
            "TimeoutError"
        ]
        assert "0.5 seconds" in result.reason
        assert "engine" not in "".join(result.outputs[-1]["traceback"])
        deaf = "import time\nwhile True:\n    try: time.sleep(1)\n    except BaseException: pass"
        running.limits = patient
        assert text(running.execute("print(x)")) == "2\n"
        running.limits = replace(patient, cell_seconds=0.5)
        assert running.execute(deaf).status == "timeout"
        running.limits = patient
        after = running.execute("print(x)")
        assert (after.status, text(after)) == ("ok", "1\n"), "replayed: what finished, no more"


def test_a_death_costs_its_own_cell_and_the_third_ends_the_notebook() -> None:
    """What had worked is replayed; what was printed before the death is kept."""
    with session() as running:
        running.execute("x = 41")
        result = running.execute("print('last words')\nimport os\nos._exit(3)")
        assert (result.status, text(result)) == ("died", "last words\n")
        assert "exit code 3" in result.reason
        assert text(running.execute("x += 1; print(x)")) == "42\n"
        crash = running.execute("import ctypes; ctypes.string_at(0)")
        assert crash.status == "died" and "SIGSEGV" in crash.reason
        closed = running.execute("import os; os.closerange(3, 4096)")
        assert closed.status == "died"
        late = running.execute("print(x)")
        assert (late.status, text(late)) == ("died", "")
        assert "3 times" in late.reason
        snapshot = running.snapshot()
        running.close()
        assert snapshot.problem
        answer = snapshot.call(Call("x", {}, []))
        assert isinstance(answer.value, Died) and answer.value.reason == snapshot.problem


def test_a_hundred_megabytes_are_cut() -> None:
    """In pieces, in one string, as displays; the cells run to their end, and later ones too."""
    with session() as running:
        for source in (
            "for _ in range(100):\n    print('x' * 10**6)\ndone = True",
            "print('x' * 10**8)\ndone = True",
            "print('\\0' * 10**7)\ndone = True",
            "import sys\nfor _ in range(30_000): sys.stderr.write('y' * 100)\ndone = True",
            "from IPython.display import display\nfor i in range(1000): display(i)\ndone = True",
            "from IPython.display import HTML\ndone = True\nHTML('x' * 10**8)",
        ):
            result = running.execute(source)
            assert result.status == "ok", source
            assert sum(len(str(o)) for o in result.outputs) < 1_100_000
            assert len(result.outputs) <= 202
            assert "cut here" in result.outputs[-1]["text"]
            assert text(running.execute("print(done); del done")) == "True\n"


def test_an_error_is_shown_however_much_the_cell_has_said() -> None:
    """Else a test cell that prints much and fails would look as if it had passed."""
    with session(output_bytes=10_000, outputs=5) as running:
        for many in ("for i in range(10**4): print(i)", "for i in range(9): display(i)"):
            result = running.execute(f"{many}\nassert False")
            assert result.status == "error"
            assert result.outputs[-1]["ename"] == "AssertionError"


def test_an_interrupt_never_splits_a_frame() -> None:
    """It waits until the frame is out, and then comes."""
    sent: list[Any] = []

    class Interrupted:
        def send(self, frame: dict[str, Any]) -> None:
            signal.raise_signal(signal.SIGINT)
            sent.append(frame)

    sink = Sink(Interrupted())  # type: ignore[arg-type]
    sink.open_cell(1000, 10)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            sink.write("stdout", "whole\n")
    finally:
        signal.signal(signal.SIGINT, before)
    assert [frame["text"] for frame in sent] == ["whole\n"]


def test_threads_and_what_json_cannot_say() -> None:
    """A thread that prints on, a display that is no JSON: neither costs the cell."""
    with session() as running:
        running.execute(
            "import threading\n"
            "def talk():\n    while True: print('talk')\n"
            "threading.Thread(target=talk, daemon=True).start()"
        )
        for _ in range(5):
            assert running.execute("x = 1").status == "ok"
            assert not running.snapshot().problem
        odd = "display({'application/json': float('nan'), 'text/plain': 'kept'}, raw=True)"
        quiet = running.execute(odd)
        assert quiet.status == "ok"


def test_memory_is_limited() -> None:
    """A hog ends in an error of its own, and the interpreter lives."""
    with session(memory_bytes=300 * 2**20) as running:
        running.execute("import numpy as np")
        result = running.execute("hog = [np.ones(10**7) for _ in range(10**4)]")
        assert result.status == "error" and "MemoryError" in result.outputs[-1]["ename"]
        assert result.reason == "A submission may use 300 MB of memory."
        assert text(running.execute("print(np.ones(3).sum())")) == "3.0\n"


def test_files_are_limited() -> None:
    """A file that grows too large ends in an OSError."""
    with session(file_bytes=2**20) as running:
        result = running.execute("open('big', 'wb').write(b'0' * 2**22)")
        assert [o["ename"] for o in result.outputs] == ["OSError"]
        assert result.reason == "A submission's file may have 1 MB."


def test_the_notebook_as_a_whole_is_limited() -> None:
    """Cells after that are not run, and neither are calls after as long again."""
    with session() as running:
        running.execute("def f(): return 1")
        snapshot = running.snapshot()
        running._budget.left = 0.0
        late = running.execute("print(1)")
        assert late.status == "timeout" and text(late) == ""
        running.close()
        # What the cells used up is not missing here.
        assert snapshot.call(Call("f", {}, [])).value == 1
        running._for_calls.left = 0.0
        seconds = running.limits.notebook_seconds
        assert snapshot.call(Call("f", {}, [])).value == TimedOut(seconds, "notebook")


def test_a_copy_made_by_fork_does_not_answer() -> None:
    """A cell that forks and lets both go on is answered once."""
    with session() as running:
        running.execute("import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)")
        assert text(running.execute("print('one')")) == "one\n"
        assert text(running.execute("print('two')")) == "two\n"


# ------------------------------------------------------------------ the scratch folder


def test_the_scratch_folder_and_what_is_in_reach(tmp_path: Path) -> None:
    """Support files are there, links are not; the environment is ours; all of it goes away."""
    (tmp_path / "data.csv").write_text("1,2\n")
    (tmp_path / "helper.py").write_text("answer = 42\n")
    (tmp_path / "numpy.py").write_text("raise RuntimeError('shadowed')\n")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "folder").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe")
    os.environ["SECRET_OF_OURS"] = "x"
    try:
        with RUNNER.open(tmp_path, Limits()) as running:
            assert isinstance(running, NotebookSession)
            scratch = running.scratch
            found = running.execute(
                "import os; files = sorted(os.listdir())\n"
                "import helper, numpy, autograder\n"
                "print(files, os.listdir('inner'), helper.answer)\n"
                "print(numpy.__version__, os.environ.get('SECRET_OF_OURS'), os.environ['HOME'])"
            )
            lines = text(found).splitlines()
            assert lines[0] == "['data.csv', 'helper.py', 'inner', 'numpy.py'] [] 42"
            assert lines[1] == f"{np.__version__} None {scratch}/home"
            for name in ("solutions", "solutions.gradient", "tests"):
                refused = running.execute(f"import {name}")
                assert [o["ename"] for o in refused.outputs] == ["ModuleNotFoundError"]
            assert text(running.execute("import sys; print(sys.stdin.read() == '')")) == "True\n"
        assert not scratch.exists()
        assert (tmp_path / "data.csv").exists()
    finally:
        del os.environ["SECRET_OF_OURS"]


def test_new_plain_files_are_handed_over_and_nobody_writes_to_them_any_more(tmp_path: Path) -> None:
    """Not what was given, not links; also what a process that is still there goes on writing."""
    (tmp_path / "given").write_text("1")
    with RUNNER.open(tmp_path, Limits(processes=8)) as running:
        ran = running.execute(
            "import os\n"
            "os.mkdir('inner'); open('inner/new', 'w').write('2'); open('given', 'w').write('3')\n"
            "os.symlink('/etc/passwd', 'link'); os.mkfifo('pipe')\n"
            "open('shut', 'w'); os.chmod('shut', 0)\n"
            "if os.fork() == 0:\n"
            "    while True: open('grows', 'a').write('x')"
        )
        assert ran.status == "ok", ran
        written = dict(running.written())
        assert written.pop("grows", b"x").strip(b"x") == b""
        assert written == {"inner/new": b"2", "shut": b""}
    assert (tmp_path / "given").read_text() == "1"


def test_more_than_goes_into_a_frame_is_left_out() -> None:
    """The first files, in order, as far as they fit."""
    with session(scratch_bytes=2**28) as running:
        running.execute("for name in 'abc': open(name, 'wb').write(bytes(30 * 2**20))")
        assert [name for name, _data in running.written()] == ["a", "b"]
    with session() as running:
        running.execute("for n in range(4000): open(f'{n:0200}', 'w').close()")
        assert 0 < len(running.written()) < 4000


def test_nothing_is_left_running() -> None:
    """Neither a child, nor a daemon in a session of its own, nor a snapshot, nor its worker."""
    with session(processes=8) as running:
        pids, keeper = above(running)
        running.execute(
            "import os, sys\n"
            "child = subprocess.Popen(['sleep', '1000'])\n"
            "def f():\n"
            "    if os.fork() == 0:\n"
            "        os.setsid()\n"
            "        while True: pass\n"
            "    return 1\n"
        )
        snapshot = running.snapshot()
        running.close()
        assert snapshot.call(Call("f", {}, [])).value == 1
        if keeper.pid != os.getpid():
            pids += [process.pid for process in keeper.children(recursive=True)]
            assert len(set(pids)) >= 6
        mark = running.scratch
    if keeper.pid != os.getpid():
        assert gone([keeper.pid])
    left = [psutil.Process(pid) for pid in set(pids) if psutil.pid_exists(pid)]
    assert [process for process in left if process.status() != "zombie"] == []
    for process in psutil.process_iter():
        try:
            assert process.environ().get("AUTOGRADER_SESSION") != str(mark)
        except psutil.Error:
            continue


def test_only_processes_of_the_session_are_killed() -> None:
    """The pid in a frame is the learner's word."""
    bystander = psutil.Popen(["sleep", "1000"])
    try:
        with session() as running:
            running.execute("pass")
            for pid in (bystander.pid, os.getpid(), 1, 0, -1, 2**40):
                running._host.kill(pid)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def above(running: NotebookSession) -> tuple[list[int], psutil.Process]:
    """The numbers, as this machine has them, of a notebook's process and of a daemon that it
    starts; the process above."""
    mark = f"1000.{secrets.randbelow(10**9)}"
    shown = running.execute(
        f"import subprocess\nfar = subprocess.Popen(['sleep', '{mark}'], start_new_session=True)"
    )
    assert shown.status == "ok"
    # A program that has begun gets its arguments a moment after whoever started it hears of it.
    found: list[psutil.Process] = []
    deadline = time.monotonic() + 20
    while not found and time.monotonic() < deadline:
        everybody = psutil.process_iter(["cmdline"])
        found = [p for p in everybody if p.info["cmdline"] == ["sleep", mark]]
    [far] = found
    main = far.parent()
    keeper = main and main.parent()
    assert main is not None and keeper is not None
    return [main.pid, far.pid], keeper


def gone(pids: list[int]) -> bool:
    """Whether all of them end within a while."""
    alive = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return not psutil.wait_procs(alive, timeout=20)[1]


@pytest.mark.parametrize("walls", [True, False])
def test_a_session_whose_keeper_was_killed_leaves_nothing_behind(walls: bool) -> None:
    with SandboxedRunner(walls=walls).open(None, Limits(processes=8)) as running:
        pids, keeper = above(running)
        snapshot = running.snapshot()
        keeper.kill()
        assert running.execute("1 + 1").status in ("ok", "died")
        snapshot.call(Call("far", {}, []))
    assert gone(pids)


@pytest.mark.parametrize("walls", [True, False])
def test_a_new_warm_process_takes_the_place_of_a_lost_one(walls: bool) -> None:
    runner = SandboxedRunner(walls=walls)
    with runner.open(None, Limits(processes=8)) as running:
        pids, keeper = above(running)
        zygote = keeper.parent()
        assert zygote is not None
        zygote.kill()
        zygote.wait(20)
    assert gone(pids)
    with runner.open(None, Limits(processes=8)) as running:
        assert text(running.execute("print(1 + 1)")) == "2\n"
        found = above(running)[1].parent()
        assert found is not None
        assert list(runner._zygotes) == [False]
        folder = runner._zygotes[False].folder
        assert folder.exists()
    del runner, running
    gc.collect()
    assert gone([found.pid])
    assert not folder.exists()


# ------------------------------------------------------------------ snapshots


def test_what_parts_of_a_submission_share_and_what_they_do_not() -> None:
    """The table of promises says so. Memory is each one's own, but for what a cell has asked the
    kernel to share; files are as the last cell, and the calls before, have left them."""
    source = (
        "import mmap, os\nmine, shared, pipe = [], mmap.mmap(-1, 1), os.pipe()\n"
        "def leave(x):\n    mine.append(x)\n    os.environ['LEFT'] = x\n"
        "    open('left', 'w').write(x)\n    shared[0] = ord(x)\n    os.write(pipe[1], b'x')\n"
        "def find():\n    found = open('left').read() if os.path.exists('left') else ''\n"
        "    return [len(mine), 'LEFT' in os.environ, os.path.exists('later'), found, shared[0]]\n"
    )
    with session() as running:
        assert running.execute(source).status == "ok"
        first, second = running.snapshot(), running.snapshot()
        assert running.execute("mine += [1, 2]; open('later', 'w').close()").status == "ok"
        running.close()
        find = Call("find", {}, [])
        assert second.call(find).value == [0, False, True, "", 0]
        first.call(Call("leave", {"x": "a"}, ["x"]))
        assert first.call(find).value == [1, True, True, "a", ord("a")]
        assert second.call(find).value == [0, False, True, "a", ord("a")]
        for more in (lambda: running.execute("1"), running.snapshot):
            with pytest.raises(RuntimeError, match="the session is closed"):
                more()
    # The next submission finds none of it: `test_attacks`.


def test_a_snapshot_keeps_the_state_of_its_place() -> None:
    """Later cells do not change it, its changes reach nobody, it outlives the notebook's death."""
    with session() as running:
        running.execute("seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)")
        first = running.snapshot()
        running.execute("def f(x): return 'second'\ndef g(): return list(seen)")
        second = running.snapshot()
        running.execute("import os; os._exit(1)")
        running.execute("def f(x): return 'third'")
        third = running.snapshot()
        running.close()
        one = Call("f", {"x": 1}, ["x"])
        assert [first.call(one).value for _ in range(2)] == [1, 2]
        assert second.call(one).value == "second"
        assert second.call(Call("g", {}, [])).value == []
        assert third.call(one).value == "third"
        assert [first.defines("f"), first.defines("g"), second.defines("g")] == [True, False, True]


def test_random_numbers_are_fresh_in_every_fork() -> None:
    """Else two snapshots, and the notebook itself, would draw the same."""
    with session() as running:
        running.execute(
            "import random, numpy as np\nrandom.seed(1); np.random.seed(1)\n"
            "def draw(): return (random.random(), np.random.rand())"
        )
        snapshots = [running.snapshot() for _ in range(3)]
        running.close()
        drawn = [s.call(Call("draw", {}, [])).value for s in snapshots]
        assert len({a for a, _ in drawn}) == len({b for _, b in drawn}) == 3


def test_a_function_argument_takes_its_arguments_by_name_too() -> None:
    def weighed(theta: Any, X: Any, y: Any) -> float:
        return float(theta + 10 * X + 100 * y)

    source = (
        "def mixed(f): return f(1.0, y=3.0, X=2.0)\n"
        "def misnamed(f): return f(1.0, z=3.0, X=2.0)\n"
        "def gap(f): return f(1.0, y=3.0)\n"
        "def twice(f): return f(1.0, theta=3.0)\n"
    )
    names = ["mixed", "misnamed", "gap", "twice"]
    with session() as running:
        answers, _ = ask(running, source, *(Call(n, {"f": Oracle(weighed)}, ["f"]) for n in names))
    assert answers[0].value == 321.0
    for answer in answers[1:]:
        assert isinstance(answer.value, Raised) and answer.value.name == "TypeError"
    assert Oracle(weighed)(1.0, y=3.0, X=2.0) == 321.0


def test_calls() -> None:
    """Arguments by position and name, oracles, generators, probes, exceptions, side effects."""
    source = (
        "import numpy as np, sys, warnings\n"
        "def gradient(f, theta, h=1e-6):\n"
        "    print('noise'); print('noise', file=sys.stderr)\n"
        "    return np.array([(f(theta + h * e) - f(theta - h * e)) / (2 * h)\n"
        "                     for e in np.eye(len(theta))])\n"
        "def order(a, b, *, c=3): return [a, b, c]\n"
        "def shuffled(x, rng): return rng.permutation(x)\n"
        "def spoils(x):\n    x[0] = 7\n    return np.log(np.array([0.0, 1.0]))\n"
        "def raises(f):\n"
        "    try: f(1)\n"
        "    except ValueError as e: return 'caught ' + str(e)\n"
        "def leaves(): sys.exit(3)\n"
        "def stops(): raise KeyboardInterrupt\n"
        "def numbers():\n    n = 0\n    while True:\n        yield n; n += 1\n"
        "def fails(x):\n    y = x\n    return 1 / y\n"
        "def draws():\n"
        "    import matplotlib.pyplot as plt\n"
        "    fig, ax = plt.subplots(); ax.set_title('t'); fig.canvas.draw(); plt.show()\n"
        "    return 5\n"
        "log = open('log.txt', 'w+')\n"
        "def logs():\n    log.write('read'); log.seek(0); return log.read()\n"
        "draws();"
    )
    square = Oracle(lambda x: float(np.sum(x**2)))

    def refuse(_x: Any) -> None:
        raise ValueError("not so")

    probes = (
        "from itertools import islice\ndef take(make, n):\n    return list(islice(make(), n))\n"
    )
    theta = np.array([1.0, -2.0, 0.5])
    with session() as running:
        answers, _ = ask(
            running,
            source,
            Call("gradient", {"f": square, "theta": theta}, ["f", "theta", "h"]),
            Call("order", {"c": 1, "b": 2, "a": 3}, ["a", "b", "c"]),
            Call("order", {"c": 1, "b": 2, "a": 3}, ["a", "b"]),
            Call("shuffled", {"x": np.arange(50), "rng": FRESH_RNG}, ["x", "rng"]),
            Call("shuffled", {"x": np.arange(50), "rng": FRESH_RNG}, ["x", "rng"]),
            Call("spoils", {"x": np.zeros(3)}, ["x"]),
            Call("raises", {"f": Oracle(refuse)}, ["f"]),
            Call("leaves", {}, []),
            Call("stops", {}, []),
            Call("numbers", {"n": 4}, ["n"], (probes, "take")),
            Call("numbers", {}, []),
            Call("fails", {"x": 0}, ["x"]),
            Call("absent", {}, []),
            Call("draws", {}, []),
            Call("logs", {}, []),
        )
    values = [a.value for a in answers]
    np.testing.assert_allclose(values[0], 2 * theta, atol=1e-6)
    assert len(square.calls) == 6
    assert isinstance(values[1], Raised) and values[1].name == "TypeError"  # c goes by position
    assert values[2] == [3, 2, 1]
    assert sorted(values[3]) == list(range(50)) and not np.array_equal(values[3], values[4])
    assert (
        answers[5].changed == ["x"] and "divide by zero encountered in log" in answers[5].warnings
    )
    assert values[6] == "caught not so"
    assert [v.name for v in values[7:9]] == ["SystemExit", "KeyboardInterrupt"]
    assert values[9] == [0, 1, 2, 3]
    assert values[10] == Opaque("generator")
    own = (values[11].name, values[11].message, values[11].line, values[11].lineno)
    assert own[:3] == ("ZeroDivisionError", "", "return 1 / y")
    assert source.splitlines()[own[3] - 1].strip() == own[2]
    assert values[12].name == "NameError"
    assert values[13:] == [5, "read"]


def test_a_call_that_hangs_or_dies_takes_no_other_along() -> None:
    """Each gets a fresh worker; after a timeout others get less time, and none after several."""
    source = (
        "import os, time\ndone = []\n"
        "def f(x):\n"
        "    done.append(x)\n"
        "    while x == 'hang':\n"
        "        try: time.sleep(1)\n"
        "        except BaseException: pass\n"
        "    if x == 'die': os._exit(1)\n"
        "    return len(done)\n"
        "def slow(x):\n"
        "    time.sleep(60 if x == 'hang' else 0.6)\n"
        "    return 'there'\n"
    )

    def call(x: str) -> Call:
        return Call("f", {"x": x}, ["x"])

    with session() as running:
        (first, died, after), snapshot = ask(
            running, source, call("fine"), call("die"), call("fine")
        )
        assert (first.value, after.value) == (1, 1) and isinstance(died.value, Died)
        for seconds, wanted in ((0.6, 1), (0.5, 1), (0.5, 1)):
            snapshot._limits = replace(snapshot._limits, call_seconds=0.6)
            hung = snapshot.call(call("hang"))
            assert hung.value == TimedOut(seconds)
            snapshot._limits = replace(snapshot._limits, call_seconds=10.0)
            if snapshot._timeouts["f", ""] < snapshot._limits.timeouts:
                assert snapshot.call(call("fine")).value == wanted
        assert isinstance(snapshot.call(call("fine")).value, TimedOut)
        # Who is known to be slow has more than the least.
        for x, seconds, came in (("fine", 2, "there"), ("hang", 0.1, None), ("fine", 2, "there")):
            snapshot._limits = replace(snapshot._limits, call_seconds=seconds)
            value = snapshot.call(Call("slow", {"x": x}, ["x"])).value
            assert value == (came or TimedOut(seconds)), x
        # Of all steps of a class together twice as many are waited for.
        step = Call("G", {}, [], ("def third(cls): return 1\n", "third"))
        for second, ended in ((2, False), (3, True)):
            snapshot._timeouts.update({("G", "first"): 3, ("G", "second"): second})
            assert isinstance(snapshot.call(step).value, TimedOut if ended else Raised)
            snapshot._timeouts.clear()


def test_a_function_argument_takes_others_and_none_of_the_learners_own() -> None:
    source = (
        "def step(slope, f, x): return x - slope(f, x=x)\n"
        "def step_of_own(slope, f, x): return slope(lambda t: f(t), x)\n"
    )
    loss = Oracle(lambda x: 3.0 * x)
    slope = Oracle(lambda f, x, h=1.0: (f(x + h) - f(x)) / h)
    args, names = {"slope": slope, "f": loss, "x": 10.0}, ["slope", "f", "x"]
    with session() as running:
        (given, own), _ = ask(
            running, source, Call("step", args, names), Call("step_of_own", args, names)
        )
    assert given.value == 7.0
    assert len(loss.calls) == 2
    assert isinstance(own.value, Raised)


# ------------------------------------------------------------------ forgery


def test_forged_frames_of_a_cell_hurt_nobody_else() -> None:
    """A cell that writes to the socket itself: garbage ends it, an early "done" ends the cell."""
    find = (
        "import asyncio, gc, json, os, socket, stat\n"
        "from autograder.engine.wire import Channel\n"
        "channel = [o for o in gc.get_objects() if isinstance(o, Channel)]\n"
        "def is_socket(n):\n"
        "    try: return stat.S_ISSOCK(os.fstat(n).st_mode)\n"
        "    except OSError: return False\n"
        # The event loop has two, which speak with each other.
        "loop = asyncio.get_running_loop()\n"
        "own = {loop._ssock.fileno(), loop._csock.fileno()}\n"
        "fd = [n for n in range(3, 256) if is_socket(n) and n not in own][0]\n"
    )
    with session() as running:
        assert running.execute(find).status == "ok"
        garbage = running.execute("os.write(fd, b'\\xff' * 100)")
        assert garbage.status == "died"
        assert running.execute("ok = 1").status == "ok"
        lie = running.execute(
            "def frame(o):\n    b = json.dumps(o).encode(); return len(b).to_bytes(4, 'big') + b\n"
            "data = {'image/png': 5, 'text/plain': 'a\\ud800'}\n"
            "os.write(fd, frame({'out': 'display', 'data': data, 'metadata': {}, 'id': [1]}))\n"
            "os.write(fd, frame({'out': 'stream', 'name': 'stdout', 'text': '\\ud800'}))\n"
        )
        assert lie.status == "ok"
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell("", outputs=lie.outputs)]
        )
        nbformat.validate(nbformat.from_dict(notebook))
        nbformat.writes(nbformat.from_dict(notebook)).encode()
        running.execute("os.write(fd, frame({'done': True}))")
        snapshot = running.snapshot()
        running.close()
        assert isinstance(snapshot.call(Call("nothing", {}, [])).value, Died | Raised)


def frame(data: bytes) -> bytes:
    """Bytes with the length before them."""
    return len(data).to_bytes(4, "big") + data


@dataclass
class Nobody:
    """In the place of a host: notes who was to be killed."""

    killed: list[int]

    def kill(self, pid: int) -> None:
        """Note it."""
        self.killed.append(pid)

    def permit_fork(self) -> None:
        """There is nobody to fork."""

    def allow(self, processes: int, threads: int) -> None:
        """There are none."""

    def ended_for(self) -> str:
        """None was ended."""
        return ""

    def in_line(self, pid: int) -> float:
        """Nobody waits."""
        return 0.0


@pytest.mark.parametrize(
    "sent",
    [
        frame(b"{}"),
        frame(b"[]"),
        frame(b"[" * 100_000),
        frame(b'{"answer": {"$": "array", "blob": 0}}'),
        frame(b'{"answer": {"$": "array", "blob": 0}, "blobs": [-1]}'),
        frame(b'{"answer": 1, "blobs": [true]}'),
        frame(b'{"answer": 1, "blobs": [99999999999]}'),
        frame(b'{"answer": 1, "blobs": 7}'),
        frame(b'{"answer": {"$": "array", "blob": 0}, "blobs": [9]}') + b"\x93NUMPY\x01\x00\x00",
        frame(b'{"answer": {"$": "tuple"}}'),
        frame(b'{"answer": {"$": "class"}}'),
        frame(b'{"oracle": "g", "args": []}'),
        frame(b'{"oracle": ["f"], "args": []}'),
        frame(b'{"oracle": "f", "args": [], "functions": {"0": "x"}}'),
        frame(b'{"oracle": "f", "args": [], "functions": [1]}'),
        (MAX_HEADER + 1).to_bytes(4, "big"),
        b"\xff" * 64,
    ],
)
def test_a_malformed_reply_is_a_death(sent: bytes) -> None:
    """Whatever a worker sends, the judge's side ends with an answer."""
    ours, theirs = socket.socketpair()
    killed: list[int] = []
    snapshot = AskedSnapshot(
        None, 0, Limits(call_seconds=5), Known([]), Nobody(killed), Budget(100.0)
    )
    snapshot._worker, snapshot._worker_pid = Channel(ours), 7
    with theirs:
        theirs.sendall(sent)
        answer = snapshot.call(Call("f", {"f": Oracle(len)}, ["f"]))
    assert isinstance(answer.value, Died)
    assert killed == [7]


def test_wrong_arguments_to_an_oracle_are_an_exception_over_there() -> None:
    """The reference is not called with what is no value."""
    ours, theirs = socket.socketpair()
    snapshot = AskedSnapshot(None, 0, Limits(), Known([]), Nobody([]), Budget(100.0))
    snapshot._worker, snapshot._worker_pid = Channel(ours), 7
    with theirs:
        theirs.sendall(frame(b'{"oracle": "f", "args": {"$": "tuple"}}'))
        theirs.sendall(frame(b'{"answer": 3, "changed": ["f", "h", 1], "warnings": "x"}'))
        oracle = Oracle(len)
        assert snapshot.call(Call("f", {"f": oracle}, ["f"])) == Answer(3, ["f"], [])
        assert oracle.calls == []
        channel = Channel(theirs)
        assert channel.receive()[0]["target"] == "f"
        assert channel.receive()[0]["value"]["names"][0] == "TypeError"


def test_a_reader_keeps_its_deadline_under_a_flood_and_a_trickle() -> None:
    """Neither frames without end nor a frame without end hold it up."""
    for sent in ((100).to_bytes(4, "big") + b"{", frame(b"{}") * 100):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(sent)
            with pytest.raises(TooSlow):
                Channel(ours).receive(time.monotonic() - 1)
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall((100).to_bytes(4, "big") + b"{")
        with pytest.raises(TooSlow):
            Channel(ours).receive(time.monotonic() + 0.05)
        theirs.close()
        with pytest.raises(Closed):
            Channel(ours).receive(None)


def test_frames_of_any_size_arrive_whole_and_apart() -> None:
    """What was read ahead belongs to the next frame, however the kernel cuts them."""
    ours, theirs = socket.socketpair()
    sizes = [0, 1, ROOM - 5, ROOM, ROOM + 1, 5 * ROOM, 3, 2**20]
    with ours, theirs:
        reader, writer = Channel(theirs), Channel(ours)
        sending = threading.Thread(
            target=lambda: [writer.send({"n": n}, [b"a" * n, b"z"]) for n in sizes]
        )
        sending.start()
        for n in sizes:
            deadline = time.monotonic() + 30
            assert reader.receive(deadline) == ({"n": n}, [b"a" * n, b"z"])
        sending.join()
        assert not reader.holds_more


def test_who_does_not_read_is_not_waited_for() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(TooSlow):
        Channel(ours).send({}, [bytes(2**22)], deadline=time.monotonic() + 0.05)


def test_what_a_reader_would_refuse_is_not_sent() -> None:
    for header, blobs in (({"x": "a" * MAX_HEADER}, []), ({}, [b""] * (MAX_BLOBS + 1))):
        assert not fits(header, blobs)
        with pytest.raises(TooLarge):
            packed(header, blobs)


def test_later_sessions_find_imported_what_was_announced() -> None:
    """Before the warm process has started, and after; what is not installed is no failure."""
    warm = SandboxedRunner()
    for module in ("colorsys", "no_such_module", "wave"):
        with warm.open(None, Limits(), [module]) as running:
            known = running.execute(f"import sys; print({module!r} in sys.modules)")
            assert text(known) == f"{module != 'no_such_module'}\n"


def test_a_frame_arrives_as_it_was_sent() -> None:
    """Header, blobs, and a descriptor."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader = Channel(theirs, takes_fds=True)
        with open(os.devnull) as file:
            Channel(ours).send({"a": [1, None]}, [b"xy", b""], fd=file.fileno())
        assert reader.receive(None) == ({"a": [1, None]}, [b"xy", b""])
        os.close(reader.fds.pop())


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"out": "stream", "name": "stdlog", "text": ""},
        {"out": "stream", "name": "stdout", "text": 4},
        {"out": "display", "data": [], "metadata": {}},
        {"out": "display", "data": {}, "metadata": None},
        {"out": "error", "ename": "E", "evalue": "e", "traceback": [1]},
        {"out": "error", "ename": "E", "evalue": "e"},
        {"out": "display", "data": {"application/json": float("nan")}, "metadata": {}},
    ],
)
def test_an_output_that_is_none_is_refused(bad: dict[str, Any]) -> None:
    """The child's word on the shape of an output is checked."""
    with pytest.raises(MalformedValue):
        Collector(Limits(), 1).take(bad, 10)


def test_a_child_that_ignores_the_budget_is_cut_all_the_same() -> None:
    """The budget is enforced on the judge's side too."""
    collector = Collector(Limits(output_bytes=10_000, outputs=20), 1)
    for _ in range(100):
        collector.take({"out": "stream", "name": "stdout", "text": "x" * 5000}, 5050)
    assert len(str(collector.outputs)) < 12_000
    many = Collector(Limits(output_bytes=10_000, outputs=20), 1)
    for i in range(100):
        many.take({"out": "display", "data": {"text/plain": str(i)}, "metadata": {}}, 60)
    assert len(many.outputs) <= 22


def test_hidden_inputs_leave_by_no_side_channel() -> None:
    """Messages, class names, source lines and warnings are the learner's to choose."""
    source = (
        "import linecache, warnings, numpy as np\n"
        "def f(x):\n"
        "    warnings.warn(f'overflow encountered in {x}', RuntimeWarning)\n"
        "    warnings.warn(f'overflow encountered in x{x}', RuntimeWarning)\n"
        "    np.exp(np.array([1e9]))\n"
        "    linecache.getline = lambda *_a: f'x is {x}'\n"
        "    raise type(f'Is{x}', (ValueError,), {})(f'x was {x}')\n"
        "def g(x): return [type(f'Is{x}', (), {})(), {'a': type(f'Is{x}', (), {})()}]\n"
    )
    with session() as running:
        answers, _ = ask(
            running, source, Call("f", {"x": 31415}, ["x"]), Call("g", {"x": 31415}, ["x"])
        )
    assert "31415" not in repr(answers)
    assert answers[0].value.name == "ValueError"
    assert answers[0].warnings == ["overflow encountered in exp"]
    assert answers[1].value == [Opaque("object"), {"a": Opaque("object")}]
