"""The helper that may die: what it answers, what ends it, and that whoever asks goes on."""

from __future__ import annotations

import copy
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.engine.interface import Limits
from autograder.engine.trusted import evaluating, helper
from autograder.engine.trusted.helper import ONE_THREAD, Forked, Helper, Lost, ask, each
from autograder.engine.warm.handle import default_runner
from autograder.engine.wire import Channel
from autograder.exercise import Case
from autograder.grading.grade import Graded, grade
from autograder.judging.cases import known_cases, local_caller
from autograder.judging.judge import Oracle, Put, run_trials
from autograder.judging.sets import ExerciseSet, find_set, load_set
from autograder.judging.verdict import Trial
from autograder.project import find_project
from autograder.release.notebook import check_cell
from autograder.submissions.read import Submission

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="asks for what Linux does"),
]
# Minutes within one operation of C code.
ENDLESS = ("(a+)+$", "a" * 60 + "b")


@pytest.fixture(params=["forked", "spawned"])
def mine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Helper]:
    """A helper of either kind."""
    monkeypatch.setattr(helper, "_has_one_thread", lambda: request.param == "forked")
    made = Helper()
    monkeypatch.setattr(helper, "helper", lambda: made)
    made.start()
    assert isinstance(made._process, Forked) is (request.param == "forked")
    yield made
    made.end()


def test_it_answers_plain_data_and_goes_on_after_a_failure(mine: Helper) -> None:
    assert ask(math.hypot, 3, 4.0, seconds=1) == 5.0
    text = "\ud800 é \U0001f600"
    assert ask(copy.copy, {text: [1, None]}, seconds=1) == {text: [1, None]}
    number = mine.number
    with pytest.raises(Lost, match="ValueError") as caught:
        ask(math.sqrt, -1, seconds=1)
    assert not caught.value.late
    assert mine.number == number


def test_its_death_is_told_and_the_next_question_finds_another(mine: Helper) -> None:
    first = mine.number
    with pytest.raises(Lost, match="SIGABRT"):
        ask(os.abort, seconds=1)
    assert ask(math.sqrt, 4, seconds=1) == 2.0
    assert mine.number != first
    assert mine._process is not None
    os.kill(mine._process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, mine._process.pid, os.WEXITED | os.WNOWAIT)
    assert ask(math.sqrt, 9, seconds=1) == 3.0, "a death while nobody asks is nobody's"


def test_an_answer_that_nobody_waited_for_is_nobody_elses(
    mine: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the helper is at work."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    mine.start("math")
    with monkeypatch.context() as patched:
        patched.setattr(Channel, "receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask(math.sqrt, 4, seconds=1)
    assert ask(math.sqrt, 9, seconds=1) == 3.0


def test_code_that_hears_no_signal_is_ended(mine: Helper) -> None:
    with pytest.raises(Lost) as caught:
        ask(re.match, *ENDLESS, seconds=0.1)
    assert caught.value.late
    assert ask(math.sqrt, 4, seconds=1) == 2.0


def test_its_memory_is_bounded(mine: Helper) -> None:
    with pytest.raises(Lost, match="MemoryError"):
        mine.ask(bytearray, 2**29, seconds=1, memory=2**28)
    with pytest.raises(Lost, match="not JSON serializable"):
        mine.ask(bytearray, 2**20, seconds=1, memory=2**28)
    # Where nothing else is said, to 1 GB: what is had is not written to.
    for size, told in ((2**30 + 2**27, "MemoryError"), (2**30 - 2**27, "not JSON serializable")):
        with pytest.raises(Lost, match=told):
            ask(bytearray, size, seconds=1)


def test_it_holds_nothing_of_whoever_asks(mine: Helper, tmp_path: Path) -> None:
    """Neither an open file nor a socket: somebody waits for their end."""
    with (tmp_path / "open").open("w"):
        names = ask(os.listdir, "/proc/self/fd", seconds=1)
    # Its own three, its socket, and the folder that it looks into.
    assert len(names) == 5


def test_one_of_many_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # Started as an interpreter it could not import this file.
    monkeypatch.setattr(helper, "_has_one_thread", lambda: True)
    assert each(lengths, ["abc", "die", "de"], seconds=4, otherwise=None) == [3, None, 2]
    assert each(lengths, ["abc", "hang", "de"], seconds=4, otherwise=None) == [3, None, 2]
    assert each(lengths, [], seconds=1, otherwise=None) == []


def lengths(texts: list[str]) -> list[int]:
    """In the helper."""
    for text in texts:
        if text == "die":
            os.abort()
        if text == "hang":
            re.match(*ENDLESS)
    return [len(text) for text in texts]


def test_each_thread_and_each_fork_has_its_own() -> None:
    ask(math.sqrt, 4, seconds=1)
    mine, others = helper.helper(), []
    thread = threading.Thread(target=lambda: others.append(helper.helper().number))
    thread.start()
    thread.join()
    assert others != [mine.number]
    pid = os.fork()
    if pid == 0:
        fine = ask(math.sqrt, 9, seconds=5) == 3.0 and helper.helper() is not mine
        os._exit(0 if fine else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert mine.ask(math.sqrt, 4, seconds=1).value == 2.0


@pytest.mark.parametrize("threads", [1, 2])
def test_it_ends_with_whoever_asks_whatever_it_is_at(threads: int) -> None:
    source = f"""
    import re, threading, time
    from autograder.engine.trusted import helper
    if {threads} > 1: threading.Thread(target=time.sleep, args=(999,), daemon=True).start()
    helper.helper().start()
    process = helper.helper()._process
    print(process.pid, type(process).__name__, flush=True)
    helper.ask(re.match, *{ENDLESS!r}, seconds=999)
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **ONE_THREAD},  # of OpenBLAS's threads
    )
    assert owner.stdout is not None
    number, kind = owner.stdout.readline().split()
    assert kind == ("Forked" if threads == 1 else "Popen")
    process = psutil.Process(int(number))
    ready = process.cpu_times().user
    while process.cpu_times().user < ready + 0.2:
        assert owner.poll() is None, "it is at work"
    owner.kill()
    owner.wait()
    owner.stdout.close()
    process.wait(60)


# ── What an author wrote, at what a learner chose ──────────────────────────────────────────────

SLOW = '''
import re
import numpy as np
from autograder.exercise import FRESH_RNG, Case, exercise, public


@public
def slow_from(limit):
    """Minutes of C code for what is larger; the square of its length in memory."""
    def length(x):
        return hangs(np.max(x) > limit) + np.outer(x, x).sum() ** 0.5
    return length


def hangs(when):
    return float(bool(re.match("(a+)+$", "a" * (60 if when else 3) + "b")))


@exercise(points=1)
def twice(f, x):
    """Twice f at x.

    f : function of a number. x : a number. Source: none.
    """
    return 2 * f(x)


@twice.cases
def some(rng):
    """Any."""
    return dict(f=slow_from(10.0), x=float(rng.uniform()))


@exercise(points=1, by_value=False)
def below(n):
    """Whole numbers below n, shape (n,).

    n : how many. Source: none.
    """
    return np.arange(n)


@below.cases
def few(rng):
    """Few."""
    return dict(n=int(rng.integers(3, 9)))


@below.property("They are not whole numbers below n.")
def small(answer, case):
    return not hangs(np.max(answer) > 99) and np.all(answer < case.args["n"])


@exercise(points=1)
def plain(x):
    """x, as it is. x : a number. Source: none."""
    return x


@plain.cases
def numbers(rng):
    """Any."""
    return dict(x=float(rng.uniform()))
'''
RIGHT = {
    "twice": "def twice(f, x): return 2 * f(x)",
    "below": "def below(n): return np.arange(n)",
    "plain": "def plain(x): return x",
}


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> ExerciseSet:
    """A set in which an oracle and a property take for ever where a learner wishes it."""
    path = tmp_path_factory.mktemp("sets") / "slow.py"
    path.write_text(SLOW)
    return load_set(path)


def graded(slow: ExerciseSet, **cells: str) -> Graded:
    """A notebook that is right but for some cells."""
    sources = ["import numpy as np", *{**RIGHT, **cells}.values()]
    checks = [check_cell(part) for part in slow.parts]
    notebook = new_notebook(cells=[*map(new_code_cell, sources), *checks])
    limits = Limits(call_seconds=0.5, timeouts=1)
    return grade(Submission(notebook), slow, "7", default_runner(), limits=limits)


def points(done: Graded) -> dict[str, float]:
    return {name: verdict.points for name, verdict in done.verdicts.items()}


@pytest.mark.parametrize("threads", ["one", "several"])
def test_right_answers_are_right(
    slow: ExerciseSet, threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where an interpreter must first import the set."""
    monkeypatch.setattr(helper, "_has_one_thread", lambda: threads == "one")
    helper.helper().end()
    assert points(graded(slow)) == {"twice": 1, "below": 1, "plain": 1}
    assert isinstance(helper.helper()._process, Forked) is (threads == "one")


def test_a_function_that_hangs_costs_the_call(slow: ExerciseSet) -> None:
    done = graded(slow, twice="def twice(f, x): return f(11.0)")
    assert points(done) == {"twice": 0, "below": 1, "plain": 1}
    assert "still running after 0.5 seconds" in done.verdicts["twice"].message
    assert done.verdicts["twice"].by_chance


def test_a_function_takes_no_more_memory_than_it_may(slow: ExerciseSet) -> None:
    """The square of 14,000 numbers is 1.6 GB."""
    tries = "    try: f(np.ones(14_000))\n    except MemoryError: return 2 * f(x)\n"
    done = graded(slow, twice="def twice(f, x):\n" + tries)
    assert points(done) == {"twice": 1, "below": 1, "plain": 1}


def test_a_function_is_given_no_more_than_the_reference_gives_it(slow: ExerciseSet) -> None:
    done = graded(slow, twice="def twice(f, x): return f(np.full(10**6, 11.0))")
    assert points(done) == {"twice": 0, "below": 1, "plain": 1}
    assert "ValueError" in done.verdicts["twice"].message
    posed = known_cases(slow.part("twice"), "7")[0]
    most = evaluating.TIMES * posed.given + evaluating.ROOM
    assert Oracle(lambda x: 1.0, most=most)(3.0) == 1.0
    assert most < 2**20


def test_a_property_that_hangs_costs_its_part_and_says_so(
    slow: ExerciseSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluating, "PROPERTY_SECONDS", 0.5)
    done = graded(slow, below="def below(n): return np.arange(n) + 100")
    assert points(done) == {"twice": 1, "below": 0, "plain": 1}
    verdict = done.verdicts["below"]
    assert "too much time or memory" in verdict.message
    assert verdict.status == "missing"
    assert verdict.flagged
    assert verdict.by_chance


def test_no_property_sees_an_answer_of_another_size(slow: ExerciseSet) -> None:
    done = graded(slow, below="def below(n): return np.arange(10**6)")
    assert points(done) == {"twice": 1, "below": 0, "plain": 1}
    assert "far larger" in done.verdicts["below"].message


@pytest.mark.parametrize(
    ("got", "wanted", "large"),
    [
        ([0] * 2000, [0] * 10, True),
        ([0] * 200, [0] * 10, False),
        ({"a": 1, "b": "x" * 10**5}, {"a": 1}, True),
    ],
)
def test_size_is_compared_where_values_are_not(got: Any, wanted: Any, large: bool) -> None:
    trial = Trial("f", "", got, wanted, {}, 0, 0, by_value=False)
    assert (trial.off is not None and trial.off.kind == "size") is large


@pytest.mark.parametrize("name", find_project(Path(__file__).parent).sets)
def test_no_mistake_passes_more_than_a_function_may_be_given(name: str) -> None:
    """A bound that an honest answer meets would be one too many."""

    def put(posed: Any, case: Case) -> Put:
        return Put(posed, case, evaluating.TIMES * posed.given + evaluating.ROOM)

    for part in find_set(name).parts:
        cases = known_cases(part, "7")
        if Put(cases[0], cases[0].case()).oracles:
            for wrong in (mistake.wrong for mistake in part.mistakes):
                caller = local_caller(wrong)
                trials = run_trials(part, "7", caller, cases=cases, put=put, mistaken=False)
                said = [str(getattr(trial.got, "message", "")) for trial in trials]
                assert not [text for text in said if "far more than any" in text], part.name
