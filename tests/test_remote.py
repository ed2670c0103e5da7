"""Sessions on another machine: a far end in a thread, over real sockets, honest and otherwise."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder.engine.cluster import connection
from autograder.engine.cluster.connection import Listener, connect
from autograder.engine.cluster.far import foreign_versions, host, refused, versions
from autograder.engine.cluster.near import RemoteRunner
from autograder.engine.interface import Call, Limits, NoSandbox, Runner, RunnerLost
from autograder.engine.trusted.session import StartError
from autograder.engine.warm.handle import SandboxedRunner
from autograder.engine.wire import Channel, Closed, TooSlow
from autograder.exercise import FRESH_RNG
from autograder.grading.grade import grade
from autograder.judging.judge import Oracle
from autograder.judging.verdict import Died, TimedOut
from autograder.submissions.read import Submission
from autograder.values.codec import Raised

LOCAL = SandboxedRunner()
FarEnd = Callable[[Channel], None]


def honest(channel: Channel) -> None:
    """A far end as it is on a worker."""
    host(channel, LOCAL, "here")


@dataclass
class ThreadLine:
    """A connection to a far end in a thread."""

    channel: Channel
    thread: threading.Thread

    def close(self) -> None:
        """Hang up."""
        self.channel.close()


@dataclass
class ThreadLines:
    """Makes connections to far ends in threads: the next of these, the last for ever."""

    far_ends: list[FarEnd] = field(default_factory=lambda: [honest])
    avoided: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def open(self, avoid: str) -> ThreadLine:
        """Connect."""
        self.avoided.append(avoid)
        far_end = self.far_ends.pop(0) if len(self.far_ends) > 1 else self.far_ends[0]
        with contextlib.closing(Listener("127.0.0.1")) as listener:
            where, token = listener.address, listener.token

            def run() -> None:
                with contextlib.suppress(Closed):
                    far_end(connect(where, token))

            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            self.threads.append(thread)
            channel = listener.accept(time.monotonic() + 30)
        assert channel is not None
        return ThreadLine(channel, thread)


def remote(*far_ends: FarEnd, missing: dict[str, str] | None = None) -> RemoteRunner:
    """A runner with these far ends."""
    walls = refused(LOCAL) if missing is None else missing
    return RemoteRunner(ThreadLines(list(far_ends) or [honest]), 2, walls, "in a test")


@contextlib.contextmanager
def both(**limits: Any) -> Iterator[list[Any]]:
    """A session here and one far away."""
    with contextlib.ExitStack() as stack:
        runners: list[Runner] = [LOCAL, remote()]
        yield [stack.enter_context(r.open(None, Limits(**limits))) for r in runners]


# ------------------------------------------------------------------ the same as here


@pytest.mark.parametrize(
    "source",
    [
        "print('one')\nimport sys\nprint('two', file=sys.stderr)\n6 * 7",
        "import matplotlib.pyplot as plt\nplt.plot([1, 4, 2]); plt.title('drawn')",
        "from IPython.display import HTML\ndisplay(HTML('<b>b</b>'))\nraise ValueError('x')",
        "print('x' * 5000)\nfor i in range(40): display(i)",
        "def broken(:\n    pass",
        "while True: pass",
        "import os; os._exit(3)",
        "raise RecursionError('\\n'.join(map(str, range(500))))",
        "print('\\ud800 half a pair'.encode('utf-8', 'surrogatepass').decode('utf-8', 'replace'))",
    ],
)
def test_a_cell_leaves_the_same_outputs(source: str) -> None:
    seconds = 2.0 if source.startswith("while True") else 30.0
    with both(cell_seconds=seconds, output_bytes=2000, outputs=20) as sessions:
        here, there = ([s.execute(source), s.execute("'after'")] for s in sessions)
    assert there == here


def test_every_kind_of_answer_is_the_same() -> None:
    source = """
import os, time, numpy as np
def value(x): return {'a': (x, [1.5, None]), 'b': np.float32(2)}
def wrong(x): raise KeyError(x)
def odd(x): return lambda: 0
def hang(x): time.sleep(60)
def quit(x): os._exit(1)
def draw(rng): return rng.normal(size=3).shape
def slope(f, x): return f(x) - f(theta=0 * x)
def nested(apply, f, x): return apply(f, x)
def warns(x): x += 1; return x / 0
def huge(x): return np.zeros(10**7)
"""
    x = np.arange(3.0)

    def bowl(theta):
        return theta @ theta

    def apply(f, x):
        return f(x) + 1

    questions = [
        *(Call(name, {"x": x}, ["x"]) for name in ("value", "wrong", "odd", "warns", "huge")),
        Call("draw", {"rng": FRESH_RNG}, ["rng"]),
        Call("slope", {"f": Oracle(bowl), "x": x}, ["f", "x"]),
        Call("nested", {"apply": Oracle(apply), "f": Oracle(bowl), "x": x}, ["apply", "f", "x"]),
        Call("value", {"x": x}, ["x"], ("def p(f, x): return f(x)['a'][0].sum()", "p")),
        Call("absent", {"x": x}, ["x"]),
        Call("hang", {"x": x}, ["x"]),
        Call("value", {"x": x}, ["x"]),
        Call("quit", {"x": x}, ["x"]),
    ]
    with both(call_seconds=5.0) as sessions:
        answers = []
        for session in sessions:
            session.execute(source)
            snapshot = session.snapshot()
            session.close()
            assert snapshot.defines("value") and not snapshot.defines("absent")
            answers.append([snapshot.call(question) for question in questions])
    for here, there in zip(*answers, strict=True):
        np.testing.assert_equal(there.value, here.value)
        assert (there.changed, there.warnings) == (here.changed, here.warnings)
    values = [answer.value for answer in answers[1]]
    assert values[6] == bowl(x) and values[7] == bowl(x) + 1 and values[8] == x.sum()
    assert isinstance(values[10], TimedOut) and isinstance(values[12], Died)


def test_whose_time_is_over_is_told_alike() -> None:
    question = Call("hang", {}, [])
    with both(call_seconds=5.0, notebook_seconds=0.5) as sessions:
        for session in sessions:
            session.execute("def hang():\n    while True: pass")
            snapshot = session.snapshot()
            session.close()
            of = [snapshot.call(question).value.of for _ in range(2)]
            assert of == ["call", "notebook"]


def test_an_oracle_is_counted_and_bounded_at_home_alone() -> None:
    oracle = Oracle(lambda x: x + 1, limit=3)
    with remote().open(None, Limits()) as session:
        session.execute("def many(f):\n    for i in range(10): last = f(i)\n    return last")
        snapshot = session.snapshot()
        session.close()
        answer = snapshot.call(Call("many", {"f": oracle}, ["f"]))
    assert isinstance(answer.value, Raised)
    assert [args for args, _result in oracle.calls] == [(0,), (1,), (2,)]
    assert oracle.asked == 4


def test_the_way_there_and_back_is_not_charged_to_the_learner(monkeypatch) -> None:
    """Five calls are five seconds under way; a call of the learner's may take four."""
    send = Channel.send

    def slow(self: Channel, header: dict[str, Any], *rest: Any, **more: Any) -> int:
        if "seconds" in header:
            time.sleep(1.0)
        return send(self, header, *rest, **more)

    monkeypatch.setattr(Channel, "send", slow)
    with remote().open(None, Limits(call_seconds=4.0)) as session:
        session.execute("def five(f): return sum(f(i) for i in range(5))")
        snapshot = session.snapshot()
        session.close()
        assert snapshot.call(Call("five", {"f": Oracle(lambda i: i)}, ["f"])).value == 10


def test_what_the_oracle_takes_to_think_is_charged() -> None:
    def slow(i):
        time.sleep(0.4)
        return i

    with remote().open(None, Limits(call_seconds=1.0)) as session:
        session.execute("def five(f): return sum(f(i) for i in range(5))")
        snapshot = session.snapshot()
        session.close()
        answer = snapshot.call(Call("five", {"f": Oracle(slow)}, ["f"]))
    assert isinstance(answer.value, TimedOut)


def test_files_go_along(tmp_path: Path) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / "numbers.txt").write_text("1 2 3")
    (tmp_path / "secret").symlink_to("/etc/passwd")
    with remote().open(tmp_path, Limits()) as session:
        result = session.execute(
            "import os; print(os.listdir(), open('data/deep/numbers.txt').read())"
        )
    assert result.outputs[0]["text"] == "['data'] 1 2 3\n"


def test_a_class_gets_the_same_verdicts_and_pages(built_course) -> None:
    exercises = built_course.exercises
    notebooks = [
        built_course.stub(),
        built_course.solved(),
        built_course.mistaken(gabor="no_scale"),
        built_course.answered({exercises.parts[0].exercise: "raise SystemExit"}),
    ]
    for notebook in notebooks:
        here, there = (
            grade(Submission(notebook.copy()), exercises, "5", runner)
            for runner in (LOCAL, remote())
        )
        assert there.verdicts == here.verdicts
        assert there.notebook == here.notebook


# ------------------------------------------------------------------ a far end that is lost


def dies_after(frames: int) -> FarEnd:
    """A far end that falls silent after so many replies."""

    def far_end(channel: Channel) -> None:
        send = channel.send_packed
        left = [frames]

        def some(*args: Any, **options: Any) -> int:
            left[0] -= 1
            if left[0] < 0:
                channel.close()
                raise Closed
            return send(*args, **options)

        channel.send_packed = some  # type: ignore[method-assign]
        honest(channel)

    return far_end


@pytest.mark.parametrize("frames", [0, 1, 3, 20])
def test_what_is_lost_once_is_done_elsewhere(built_course, frames: int) -> None:
    runner = remote(dies_after(frames), honest)
    exercises = built_course.exercises
    graded = grade(Submission(built_course.solved()), exercises, "5", runner)
    assert graded.points == graded.max_points
    assert not any(v.flagged for v in graded.verdicts.values())
    assert len(runner._lines.threads) == 2  # type: ignore[attr-defined]


def test_the_place_where_it_was_lost_is_avoided_once() -> None:
    lines = ThreadLines([dies_after(1), honest])
    runner = RemoteRunner(lines, 2, refused(LOCAL), "in a test")
    with pytest.raises(RunnerLost, match="the connection to here was lost"):
        runner.open(None, Limits()).execute("1")
    for _again in range(2):
        runner.open(None, Limits()).finish()
    assert lines.avoided == ["", "here", ""]


def test_what_is_lost_twice_is_flagged_and_gets_nothing(built_course) -> None:
    runner = remote(dies_after(4), dies_after(9), honest)
    exercises = built_course.exercises
    lost = grade(Submission(built_course.solved()), exercises, "5", runner)
    fine = grade(Submission(built_course.solved()), exercises, "5", runner)
    assert lost.points == 0 and fine.points == fine.max_points
    assert {v.status for v in lost.verdicts.values()} == {"missing"}
    assert all("RunnerLost: the connection" in (v.flagged or "") for v in lost.verdicts.values())
    assert not any(cell.get("outputs") for cell in lost.notebook.cells)


def test_a_runner_that_does_not_start_there_is_lost_with_its_reason() -> None:
    class Broken(SandboxedRunner):
        def open(self, files: Any, limits: Any, modules: Any = ()) -> Any:
            raise OSError("No space left on device")

    with pytest.raises(RunnerLost, match="OSError: No space left on device"):
        remote(lambda channel: host(channel, Broken(), "full")).open(None, Limits()).execute("1")


def test_nothing_stays_open_where_home_is_gone() -> None:
    lines = ThreadLines()
    session = RemoteRunner(lines, 1, refused(LOCAL), "").open(None, Limits())
    session.execute("1")
    session._line.channel.close()
    lines.threads[0].join(30)
    assert not lines.threads[0].is_alive()


# ------------------------------------------------------------------ a far end that lies


def greets(*frames: Any, **changes: Any) -> FarEnd:
    """A far end that greets, then sends these in reply to whatever it hears; bytes as they are."""

    def far_end(channel: Channel) -> None:
        hello = {"where": "liar", "versions": versions(), "refused": refused(LOCAL)}
        hello["foreign"] = foreign_versions()
        channel.send({**hello, **changes})
        channel.receive()
        for frame in frames:
            channel.receive()
            if isinstance(frame, bytes):
                channel.sock.sendall(frame)
            else:
                channel.send(*frame)
        with contextlib.suppress(Closed):
            channel.receive()

    return far_end


def result(outputs: Any, **changes: Any) -> tuple[dict[str, Any], list[bytes]]:
    """A cell's result."""
    data = outputs if isinstance(outputs, bytes) else json.dumps(outputs).encode()
    return {"status": "ok", "reason": "", "count": 1, **changes}, [data]


@pytest.mark.parametrize(
    "frame",
    [
        result([], status="splendid"),
        result([], status=["ok"]),
        result([], count="1"),
        result({}),
        result([{"output_type": "stream", "name": "stdin", "text": "x"}]),
        result([{"output_type": "execute_result", "data": {}, "metadata": {}}]),
        result([{"output_type": "widget"}]),
        result([None]),
        result([{"output_type": "error", "ename": "E", "evalue": "", "traceback": "no list"}]),
        result([{"output_type": "stream", "name": "stdout", "text": "x"}] * 5000),
        result(b"not JSON"),
        result(b"[" * 100_000),
        ({"status": "ok", "count": 1}, []),
        ({},),
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x02[]",
        b'\x00\x00\x00\x0f{"blobs": [-1]}',
    ],
)
def test_a_result_that_no_session_gives_loses_the_session(frame: Any) -> None:
    session = remote(greets(frame)).open(None, Limits())
    with pytest.raises(RunnerLost, match="liar"):
        session.execute("1")
    session.finish()


@pytest.mark.parametrize(
    "frame",
    [
        ({"oracle": "g", "args": []},),
        ({"oracle": 3, "args": []},),
        ({"answer": {"$": "array", "blob": 7}},),
        ({"answer": {"$": "array", "blob": 0}}, [b"\x93NUMPY\x01\x00"]),
        ({"answer": {"$": "pickle"}},),
        ({},),
    ],
)
def test_an_answer_that_is_none_loses_the_session(frame: Any) -> None:
    session = remote(greets(result([]), ({"problem": ""},), frame)).open(None, Limits())
    session.execute("1")
    snapshot = session.snapshot()
    with pytest.raises(RunnerLost, match="liar"):
        snapshot.call(Call("f", {"f": Oracle(abs)}, ["f"]))
    session.finish()


def test_what_it_says_beside_a_value_is_cut_down_here_too() -> None:
    raised = {"$": "raised", "names": ["Theta_is_3"], "message": "3", "line": "3", "lineno": 1}
    answer = ({"answer": raised, "changed": ["x", "theta=3"], "warnings": ["theta is 3"]},)
    session = remote(greets(result([]), ({"problem": ""},), answer)).open(None, Limits())
    session.execute("def f(x): ...")
    got = session.snapshot().call(Call("f", {"x": 3}, ["x"]))
    assert got.value == Raised(("Exception",)) and got.changed == ["x"] and got.warnings == []
    session.finish()


def test_scripts_in_outputs_keep_the_rules_of_a_collector() -> None:
    sneaky = {"output_type": "display_data", "data": {"no mime": "x", "text/plain": ["x"]}}
    frame = result([{**sneaky, "metadata": {"image/png": 3}, "extra": "x"}])
    session = remote(greets(frame)).open(None, Limits())
    outputs = session.execute("1").outputs
    assert outputs == [{"output_type": "display_data", "data": {}, "metadata": {}}]
    session.finish()


def test_other_versions_are_refused_in_a_sentence() -> None:
    with pytest.raises(StartError, match=r"the worker liar has autograder 0\.0\.1; here it is"):
        remote(greets(versions="autograder 0.0.1")).open(None, Limits())


@pytest.mark.parametrize("foreign", [{"torch": None}, {"torch": "1.0"}, {}, None, "torch"])
def test_a_far_end_without_our_torch_serves_the_sets_that_need_none(foreign: Any) -> None:
    """And is told to install it before a set that needs it is run there: nobody gets a zero."""
    far = remote(greets(foreign=foreign))
    far.open(None, Limits(), ["numpy", "wave"]).finish()
    with pytest.raises(
        StartError, match=r"the worker liar has torch .*; here it is torch 2.*there\."
    ):
        far.open(None, Limits(), ["numpy", "torch.nn"])
    remote(greets()).open(None, Limits(), ["torch"]).finish()


def test_a_wall_that_is_missing_only_there_is_no_sandbox() -> None:
    bare = greets(refused={"Landlock": "not built in"})
    with pytest.raises(NoSandbox, match=r"liar .* less than the others: Landlock \(not built in\)"):
        remote(bare, missing={}).open(None, Limits())
    remote(bare, missing={"Landlock": "everywhere"}).open(None, Limits()).finish()


# ------------------------------------------------------------------ strangers at the door


@contextlib.contextmanager
def door(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.2) -> Iterator[Listener]:
    """A listening socket that soon loses patience with who says nothing."""
    monkeypatch.setattr(connection, "GREETING_SECONDS", seconds)
    with contextlib.closing(Listener("127.0.0.1")) as listener:
        yield listener


def close(*ends: socket.socket | Channel) -> None:
    """Hang up."""
    for end in ends:
        end.close()


def knock(listener: Listener, said: bytes) -> socket.socket:
    """Connect and say something."""
    sock = socket.create_connection(listener.address, 10)
    sock.sendall(said)
    return sock


@pytest.mark.parametrize(
    "said",
    [b"0" * 64, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"x" * 64, bytes(1000), b"\xff" * 64],
)
def test_who_says_another_token_is_shown_the_door(monkeypatch, said: bytes) -> None:
    with door(monkeypatch) as listener:
        stranger = knock(listener, said)
        with pytest.raises(TooSlow):
            listener.accept(time.monotonic() + 0.5)
        stranger.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            assert stranger.recv(1) == b""
        stranger.close()


def test_strangers_who_say_nothing_keep_nobody_waiting(monkeypatch) -> None:
    with door(monkeypatch, seconds=60.0) as listener:
        silent = [knock(listener, b"") for _ in range(connection.STRANGERS - 1)]
        friend = connect(listener.address, listener.token)
        channel = listener.accept(time.monotonic() + 30)
        assert channel is not None
        friend.send({"hello": 1})
        assert channel.receive(time.monotonic() + 10) == ({"hello": 1}, [])
        close(*silent, friend, channel)


def test_a_flood_of_strangers_is_bounded_and_passes(monkeypatch) -> None:
    with door(monkeypatch, seconds=1.0) as listener:
        flood = [knock(listener, b"x") for _ in range(3 * connection.STRANGERS)]
        with pytest.raises(TooSlow):
            listener.accept(time.monotonic() + 2.0)
        assert threading.active_count() < 3 * connection.STRANGERS
        friend = connect(listener.address, listener.token)
        channel = listener.accept(time.monotonic() + 30)
        assert channel is not None
        close(*flood, friend, channel)


def test_a_friend_may_think_longer_than_a_stranger(monkeypatch) -> None:
    with door(monkeypatch) as listener:
        friend = connect(listener.address, listener.token)
        channel = listener.accept(time.monotonic() + 30)
        assert channel is not None
        for end, other in ((friend, channel), (channel, friend)):
            threading.Timer(5 * connection.GREETING_SECONDS, other.send, [{"at": "last"}]).start()
            assert end.receive(time.monotonic() + 30) == ({"at": "last"}, [])
        close(friend, channel)


def test_a_token_opens_one_door(monkeypatch) -> None:
    with door(monkeypatch) as one, door(monkeypatch) as other:
        assert one.token != other.token
        where = other.address
        connect(where, one.token).close()
        with pytest.raises(TooSlow):
            other.accept(time.monotonic() + 0.5)
    with pytest.raises(Closed):
        connect(where, other.token)


def test_news_end_the_waiting(monkeypatch) -> None:
    ours, theirs = socket.socketpair()
    with door(monkeypatch) as listener:
        Channel(theirs).send({"ended": "no worker"})
        assert listener.accept(time.monotonic() + 30, Channel(ours)) is None
    ours.close()
    theirs.close()


def test_a_door_is_where_it_was_wished(monkeypatch) -> None:
    with contextlib.closing(Listener("127.0.0.1")) as taken:
        port = taken.address[1]
        with pytest.raises(OSError, match="no port to listen on at"):
            Listener("127.0.0.1", [port])
        with contextlib.closing(Listener("127.0.0.1", range(port, port + 20))) as listener:
            assert port < listener.address[1] < port + 20


def test_a_worker_imports_no_reference_and_no_gradebook() -> None:
    code = (
        "import sys; import autograder.engine.cluster.worker; "
        "print([m for m in sys.modules if m.startswith(('nbgrader', 'solutions', 'sqlalchemy', "
        "'autograder.grading', 'autograder.judging.sets'))])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
