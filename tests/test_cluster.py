"""A real dask cluster: sessions on its worker processes, workers that are killed, nothing left."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
from distributed import Client, LocalCluster

from autograder.classes.run import grade_class, quietly
from autograder.engine.cluster import client as cluster_module
from autograder.engine.cluster import connection
from autograder.engine.cluster.client import scheduler_runner
from autograder.engine.cluster.near import RemoteRunner, RemoteSession
from autograder.engine.interface import Limits, NoCluster, Runner
from autograder.engine.trusted.session import StartError
from autograder.engine.warm.handle import SandboxedRunner, default_runner, require_sandbox
from autograder.grading import Stopped
from autograder.grading.grade import Graded, grade
from autograder.grading.rounds import current_round
from autograder.submissions.read import Submission
from tests.conftest import Course, until

PATIENCE = 200.0


@dataclass
class Cluster:
    """Somebody's cluster of two worker processes, and its owner's own client."""

    address: str
    client: Client

    @property
    def pids(self) -> dict[str, int]:
        """The worker processes, by address."""
        return dict(self.client.run(os.getpid))

    def kill(self, where: str) -> None:
        """Kill a worker's process."""
        os.kill(self.client.run(os.getpid, workers=[where])[where], signal.SIGKILL)

    def warm(self) -> list[psutil.Process]:
        """The warm processes of its workers."""
        return [
            child
            for pid in self.pids.values()
            for child in children_of(pid, "autograder.engine.warm.start", recursive=False)
        ]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that was there before us."""
    with (
        # On a busy machine a killed worker is back later than dask waits for it.
        dask.config.set({"distributed.deploy.lost-worker-timeout": f"{PATIENCE} s"}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            memory_limit=0,
            local_directory=str(tmp_path_factory.mktemp("dask")),
            silence_logs=50,
        ) as made,
        Client(made, set_as_default=False) as client,
    ):
        yield Cluster(made.scheduler_address, client)


@pytest.fixture
def runner(cluster: Cluster) -> Iterator[RemoteRunner]:
    """A runner on both of its workers, as they are now."""
    cluster.client.wait_for_workers(2, timeout=PATIENCE)
    with scheduler_runner(cluster.address) as running:
        yield running


class Murderous:
    """A runner whose worker is killed while the first sessions run: after their third cell, or
    when the judge begins to ask."""

    name = "murderous"
    protects = "nothing"

    def __init__(self, runner: RemoteRunner, cluster: Cluster, murders: int, *, late: bool) -> None:
        self._runner = runner
        self._cluster = cluster
        self._left = murders
        self._late = late
        self.places: list[str] = []

    def open(
        self, files: Path | None, limits: Limits, modules: Sequence[str] = ()
    ) -> RemoteSession:
        """A session that will not live long."""
        session = self._runner.open(files, limits, modules)
        self.places.append(session.where)
        if self._left > 0:
            self._left -= 1
            method = "close" if self._late else "execute"
            setattr(session, method, self._deadly(session, getattr(session, method)))
        return session

    def _deadly(self, session: RemoteSession, method: Callable[..., Any]) -> Callable[..., Any]:
        left = 1 if self._late else 3

        def deadly(*args: Any) -> Any:
            nonlocal left
            left -= 1
            result = method(*args)
            if left == 0:
                self._cluster.kill(session.where)
            return result

        return deadly


def graded(course: Any, runner: Runner, notebook: Any = None) -> Graded:
    """A submission's marks; the solved one's."""
    notebook = course.solved() if notebook is None else notebook
    files = course.project.exercises / course.assignment
    return grade(Submission(notebook), course.exercises, "5", runner, files=files)


# ------------------------------------------------------------------ somebody's cluster


def test_marks_are_those_of_this_machine(built_course, runner: RemoteRunner) -> None:
    local = SandboxedRunner()
    assert runner.sessions == 2
    assert runner.refused == local.refused and runner.protects == local.protects
    for notebook in (built_course.stub(), built_course.mistaken(gabor="no_scale")):
        here, there = (graded(built_course, r, notebook.copy()) for r in (local, runner))
        assert there.verdicts == here.verdicts
        assert there.notebook == here.notebook


def test_a_runner_far_away_satisfies_who_wants_a_sandbox(runner: RemoteRunner) -> None:
    if not SandboxedRunner().refused:
        require_sandbox(runner)
    runner.refused = {"Landlock": "not built in"}
    with pytest.raises(RuntimeError, match="Landlock"):
        require_sandbox(runner)


def test_processes_that_were_forked_and_threads_may_use_it(runner: RemoteRunner) -> None:
    def run(put: Callable[[str], None]) -> None:
        with runner.open(None, Limits()) as session:
            put(session.execute("print(6 * 7)").outputs[0]["text"])

    fork = multiprocessing.get_context("fork")
    said = fork.SimpleQueue()
    processes = [fork.Process(target=run, args=(said.put,)) for _ in range(3)]
    heard: list[str] = []
    threads = [threading.Thread(target=run, args=(heard.append,)) for _ in range(3)]
    workers: list[Any] = [*processes, *threads]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
    assert heard == ["42\n"] * 3
    assert [said.get() for process in processes if process.exitcode == 0] == ["42\n"] * 3


@pytest.mark.parametrize("late", [False, True])
def test_a_worker_killed_in_mid_submission_costs_nobody_a_point(
    built_course, cluster: Cluster, runner: RemoteRunner, late: bool
) -> None:
    killing = Murderous(runner, cluster, 1, late=late)
    result = graded(built_course, killing)
    assert len(killing.places) == 2 and killing.places[0] != killing.places[1]
    assert result.points == result.max_points
    assert not any(v.flagged for v in result.verdicts.values())


def test_a_submission_whose_workers_are_killed_twice_is_flagged_and_the_next_is_right(
    built_course, cluster: Cluster, runner: RemoteRunner
) -> None:
    killing = Murderous(runner, cluster, 2, late=False)
    lost, fine = graded(built_course, killing), graded(built_course, killing)
    assert len(killing.places) == 3
    assert lost.points == 0
    assert all("RunnerLost" in (v.flagged or "") for v in lost.verdicts.values())
    assert fine.points == fine.max_points


def test_a_wrong_token_and_hostile_bytes_at_the_door_change_nothing(
    runner: RemoteRunner, monkeypatch
) -> None:
    """Strangers come to every door before the worker does."""

    class Besieged(cluster_module.Listener):
        def accept(self, *args: Any) -> Any:
            for said in (b"0" * 64, b"\x00\x00\x00\x02{}" * 100, b""):
                strangers.append(socket.create_connection(self.address))
                strangers[-1].sendall(said)
            return super().accept(*args)

    strangers: list[socket.socket] = []
    monkeypatch.setattr(cluster_module, "Listener", Besieged)
    monkeypatch.setattr(connection, "GREETING_SECONDS", 2.0)
    with runner.open(None, Limits()) as session:
        assert session.execute("print(6 * 7)").outputs[0]["text"] == "42\n"
    for stranger in strangers:
        stranger.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionResetError):
            assert stranger.recv(1) == b""
        stranger.close()


def test_nothing_is_left_on_a_cluster_that_goes_on(cluster: Cluster) -> None:
    others = set(Path("/tmp").glob("autograder-cluster-*/socket"))
    with scheduler_runner(cluster.address, workers=1) as running:
        assert running.sessions == 1
        with running.open(None, Limits()) as session:
            session.execute("1")
            assert cluster.warm()
        broker = children_of(os.getpid(), "autograder.engine.cluster.broker")
        assert len(broker) == 1
    assert not broker[0].is_running()
    until(lambda: not cluster.warm())
    assert not cluster.client.run(
        lambda dask_worker: [name for name in dask_worker.plugins if "autograder" in name]
    ).popitem()[1]
    assert set(Path("/tmp").glob("autograder-cluster-*/socket")) <= others


def test_nothing_is_left_of_a_home_that_was_killed(cluster: Cluster) -> None:
    code = (
        "import os, signal\n"
        "from autograder.engine.cluster.client import scheduler_runner\n"
        "from autograder.engine.interface import Limits\n"
        f"with scheduler_runner({cluster.address!r}) as runner:\n"
        "    session = runner.open(None, Limits())\n"
        "    session.execute('1')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    def brokers() -> set[int]:
        return {process.pid for process in children_of(1, "autograder.engine.cluster.broker")}

    before = brokers()
    folders = set(Path("/tmp").glob("autograder-cluster-*"))
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=PATIENCE)
    assert done.returncode == -signal.SIGKILL
    until(lambda: not cluster.warm())
    # One of an earlier test's may be on its way out.
    until(lambda: brokers() <= before)
    until(lambda: set(Path("/tmp").glob("autograder-cluster-*")) <= folders)


def children_of(pid: int, word: str, *, recursive: bool = True) -> list[psutil.Process]:
    """Processes below another with a word in their command; one that is ending has none."""
    found = []
    for process in psutil.Process(pid).children(recursive=recursive):
        with contextlib.suppress(psutil.Error):
            if word in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_a_class_is_graded_on_it_as_it_is_here(course: Course, cluster: Cluster, tmp_path) -> None:
    """The whole way: judges that were forked, one gradebook writer, the same marks and files."""
    course.hand_in("amara", course.solved())
    course.hand_in("ben", course.mistaken(gabor="no_scale"))
    course.hand_in("chen", course.stub())
    course.hand_in("dara", "no notebook")
    current_round(course.project, course.assignment)
    here, there = course, course.copy(tmp_path / "there")
    there.configure(f"c.ClassAutograde.scheduler = {cluster.address!r}")
    cluster.client.wait_for_workers(2, timeout=PATIENCE)
    tasks = [cluster.client.run_on_scheduler(count_tasks)]
    for each in (here, there):
        said: list[str] = []
        summary = grade_class(each.project, "gradient", progress=quietly, say=said.append)
        assert not summary.failed
        assert said[0] == default_runner().protects
        tasks.append(cluster.client.run_on_scheduler(count_tasks))
    assert tasks[1] == tasks[0] and tasks[2] >= tasks[1] + 4
    for student in ("amara", "ben", "chen", "dara"):
        assert there.rows(student) == here.rows(student)
        assert there.graded(student) == here.graded(student)


def test_where_workers_give_a_solved_notebook_less_nobody_is_graded(
    course: Course, cluster: Cluster
) -> None:
    """One goes to each of them first."""
    course.hand_in("amara", course.solved())
    course.configure(
        f"c.ClassAutograde.scheduler = {cluster.address!r}",
        "c.GradeSubmission.limits = {'call_seconds': 1e-9}",
    )
    cluster.client.wait_for_workers(2, timeout=PATIENCE)
    before = cluster.client.run_on_scheduler(count_tasks)
    with pytest.raises(Stopped, match="nobody is graded"):
        grade_class(course.project, "gradient", progress=quietly)
    assert cluster.client.run_on_scheduler(count_tasks) == before + 2
    assert not (course.grading / "autograded" / "amara").exists()


def count_tasks(dask_scheduler: Any) -> int:
    """How many sessions the scheduler has given to workers so far."""
    log = dask_scheduler.transition_log
    return len({entry[0] for entry in log if str(entry[0]).startswith("autograder-session")})


# ------------------------------------------------------------------ one of our own


def test_a_local_cluster_speaks_tls_grades_and_leaves_nothing(built_course, monkeypatch) -> None:
    with scheduler_runner("local", 1) as running:
        assert running.sessions == 1
        [broker] = children_of(os.getpid(), "autograder.engine.cluster.broker")
        family = [broker, *broker.children(recursive=True)]
        result = graded(built_course, running)
        assert result.points == result.max_points
        with running.open(None, Limits()) as session:
            assert isinstance(session._line.channel.sock, ssl.SSLSocket)
    psutil.wait_procs(family, timeout=PATIENCE)
    assert not [process for process in family if process.is_running()]


def test_a_scheduler_that_goes_is_told_in_a_sentence(tmp_path: Path) -> None:
    made = LocalCluster(
        n_workers=1,
        dashboard_address=None,
        memory_limit=0,
        local_directory=str(tmp_path),
        silence_logs=50,
    )
    with made, scheduler_runner(made.scheduler_address) as running:
        made.close()
        # The first to notice may be a session that waits for its turn.
        for _again in range(2):
            with contextlib.suppress(RuntimeError):
                running.open(None, Limits())
        with pytest.raises(StartError, match="cluster cannot be used any more"):
            running.open(None, Limits())


@pytest.mark.full
def test_where_nobody_schedules_it_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        pytest.raises(NoCluster, match=f"the scheduler tcp://127.0.0.1:{port} cannot be used"),
        scheduler_runner(f"tcp://127.0.0.1:{port}"),
    ):
        pass


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ("", ("here", [])),
        ("10.0.0.5", ("10.0.0.5", [])),
        ("10.0.0.5:4000", ("10.0.0.5", [4000])),
        ("10.0.0.5:4000-4002", ("10.0.0.5", [4000, 4001, 4002])),
        (":4000-4001", ("here", [4000, 4001])),
        ("[fd00::5]:4000", ("fd00::5", [4000])),
        ("[fd00::5]", ("fd00::5", [])),
    ],
)
def test_the_environment_says_where_workers_connect_to(wanted: str, place: Any) -> None:
    host, ports = cluster_module._place(wanted, "here")
    assert (host, list(ports)) == place


@pytest.mark.parametrize("wanted", ["10.0.0.5:", "10.0.0.5:http", "host:1-x"])
def test_a_place_that_is_none_is_refused(wanted: str) -> None:
    with pytest.raises(NoCluster, match="it must be HOST, HOST:PORT or HOST:FIRST-LAST"):
        cluster_module._place(wanted, "here")
