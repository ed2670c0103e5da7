"""`make bench`: the runner against a warm IPython shell that executes the same cells.

Both execute the cells of a solved notebook, turn about: the shell in this process, which has
everything imported; the runner in a new session for each notebook, walls, processes and clearing
away included. A ratio says what the walls and the processes cost. It says something about this
machine in this minute; compare ratios, not seconds. What a figure costs, both sides pay.

`--closing` measures only what the last cell of each set takes of the processor, in the warm shell.

`--soak N` grades N notebooks instead, judge and all, and says whether time and memory stay.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import psutil
from rich.progress import track

from autograder.engine.files import environment
from autograder.engine.interface import Limits
from autograder.engine.untrusted.shell import NotebookShell, Sink
from autograder.engine.warm.handle import SandboxedRunner
from autograder.engine.warm.zygote import import_all, warm_up
from autograder.grading.grade import grade
from autograder.judging.sets import ExerciseSet, find_set
from autograder.project import find_project
from autograder.release.notebook import instructor_notebook, modules_used
from autograder.submissions.read import Submission

SETS = (
    "gradient",
    "empirical_risk",
    "sgd",
    "momentum",
    "adam",
    "backprop",
    "logistic_regression",
    "experiments",
    "torch_gpu",
)
PROMISED = 2.2
# Milliseconds of the processor for a set's last cell.
CLOSING = 150
USER = 2**20
EDGE = 50
MEGA = 2**20


class Deaf:
    """In the place of the judge's side: takes frames, as a socket would that somebody reads."""

    def send(self, header: dict[str, Any]) -> int:
        """Take a frame."""
        return len(header)


def pieces(exercise_set: ExerciseSet) -> list[str | None]:
    """The cells of a solved notebook; None where a check stands."""
    checks = {part.grade_id for part in exercise_set.parts}
    cells = [c for c in instructor_notebook(exercise_set).cells if c.cell_type == "code"]
    return [None if cell.id in checks else cell.source for cell in cells]


def beside(name: str) -> Path:
    """The folder with what lies beside a set's notebook."""
    return find_project().exercises / name


def be_ready(name: str) -> None:
    """See to it that this process has what a set's notebook imports."""
    import_all(modules_used(find_set(name)))
    sys.path.insert(0, str(beside(name)))


def in_the_shell(cells: Sequence[str | None]) -> None:
    """Execute the cells here."""
    shell = NotebookShell.instance()
    for source in filter(None, cells):
        shell.sink.open_cell(MEGA, 200)
        if not shell.run_cell(source, store_history=True).success:
            raise SystemExit(f"a cell of a solved notebook fails:\n{source}")
        shell.sink.close_cell()


def in_a_session(
    runner: SandboxedRunner, cells: list[str | None], name: str, *, snapshots: bool
) -> None:
    """Execute the cells of a set in a new session."""
    with runner.open(beside(name), Limits(), modules_used(find_set(name))) as session:
        for source in cells:
            if source is not None:
                session.execute(source)
            elif snapshots:
                session.snapshot()
        session.close()


def seconds(work: Callable[[], None]) -> float:
    """How long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(names: list[str], rounds: int) -> None:
    """Measure turn about and print."""
    # The shell takes the descriptors 1 and 2 for its cells.
    out = os.fdopen(os.dup(1), "w")
    warm_up()
    NotebookShell.instance().begin(Sink(Deaf()))  # type: ignore[arg-type]
    runner = SandboxedRunner()
    who = "root" if os.getuid() == 0 else "an ordinary user"
    refused = ", ".join(runner.refused) or "none"
    print(f"as {who}; walls that this system refuses: {refused}; {rounds} rounds", file=out)
    for name in names:
        exercise_set = find_set(name)
        be_ready(name)
        cells = pieces(exercise_set)
        plain = [cell for cell in cells if cell is None or "figures" not in cell]
        for what, some in (("all cells", cells), ("no figures", plain)):
            shell, bare, full = medians(runner, some, name, rounds)
            print(
                f"{name:>15}, {what}: shell {1e3 * shell:6.1f} ms, runner {1e3 * bare:6.1f} ms, "
                f"ratio {bare / shell:.2f} (promised to root, of all cells: {PROMISED}); "
                f"with a snapshot at each check {full / shell:.2f}",
                file=out,
                flush=True,
            )


def shell_alone(names: list[str], rounds: int) -> None:
    """What a solved notebook takes in the warm shell: of the clock, and of the processor."""
    out = os.fdopen(os.dup(1), "w")
    warm_up()
    NotebookShell.instance().begin(Sink(Deaf()))  # type: ignore[arg-type]
    for name in names:
        exercise_set = find_set(name)
        be_ready(name)
        cells = pieces(exercise_set)
        in_the_shell(cells)
        times = []
        for _round in range(rounds):
            processor = time.process_time()
            clock = seconds(partial(in_the_shell, cells))
            times.append((clock, time.process_time() - processor))
        clock, worked = (statistics.median(took) for took in zip(*times, strict=True))
        print(name, clock, worked, file=out, flush=True)


def closing(names: list[str], rounds: int) -> None:
    """What the last cell of each set takes of the processor, where all others have run."""
    out = os.fdopen(os.dup(1), "w")
    warm_up()
    shell = NotebookShell.instance()
    shell.begin(Sink(Deaf()))  # type: ignore[arg-type]
    for name in names:
        exercise_set = find_set(name)
        be_ready(name)
        cells = [cell for cell in pieces(exercise_set) if cell]
        shell.reset(new_session=False)
        in_the_shell(cells)
        took = []
        for _round in range(rounds):
            start = time.process_time()
            in_the_shell(cells[-1:])
            took.append(time.process_time() - start)
        print(
            f"{name:>20}: closing cell {1e3 * statistics.median(took):6.1f} ms of the processor, "
            f"at best {1e3 * min(took):6.1f} (promised: {CLOSING})",
            file=out,
            flush=True,
        )


def medians(
    runner: SandboxedRunner, cells: list[str | None], name: str, rounds: int
) -> list[float]:
    """Median seconds in the shell, in a session, and in a session with snapshots; turn about."""
    ways: list[Callable[[], None]] = [
        lambda: in_the_shell(cells),
        lambda: in_a_session(runner, cells, name, snapshots=False),
        lambda: in_a_session(runner, cells, name, snapshots=True),
    ]
    for way in ways:  # the first round only warms up
        way()
    times = [[seconds(way) for way in ways] for _round in range(rounds)]
    return [statistics.median(took) for took in zip(*times, strict=True)]


def soak(name: str, submissions: int) -> None:
    """Grade the same solved notebook again and again; print what grows."""
    exercise_set = find_set(name)
    text = nbformat.writes(instructor_notebook(exercise_set))
    runner = SandboxedRunner()
    took: list[float] = []
    memory: list[tuple[int, int]] = []
    for number in track(range(submissions), description=name):
        submission = Submission(nbformat.reads(text, as_version=4))
        start = time.perf_counter()
        graded = grade(submission, exercise_set, "soak", runner)
        took.append(time.perf_counter() - start)
        if graded.points != graded.max_points:
            raise SystemExit(f"submission {number}: {graded.points} of {graded.max_points} points")
        memory.append(resident())
    edge = min(EDGE, submissions // 2)
    for what, part in (("first", slice(0, edge)), ("last", slice(-edge, None))):
        judge, warm = (statistics.median(sizes) / MEGA for sizes in zip(*memory[part], strict=True))
        print(
            f"{what} {edge} of {submissions}: {1e3 * statistics.median(took[part]):.1f} ms each, "
            f"judge {judge:.1f} MB, warm process {warm:.1f} MB"
        )


def resident() -> tuple[int, int]:
    """Bytes of memory of this process, and of the largest below it: the warm one."""
    own = psutil.Process()
    below = [0]
    for process in own.children(recursive=True):
        try:
            below.append(process.memory_info().rss)
        except psutil.Error:  # a session's last process is just ending
            continue
    return own.memory_info().rss, max(below)


def as_user(arguments: list[str]) -> int:
    """The same as an ordinary user, from root."""
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, USER, USER)
        script = str(Path(__file__).resolve())
        helper = str(find_project().root / "tests" / "as_user.py")
        return subprocess.run(
            [sys.executable, helper, str(USER), script, *arguments],
            env={**os.environ, "HOME": home, "XDG_CACHE_HOME": home},
            check=False,
        ).returncode


def main() -> None:
    """Run the comparison, or the soak."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--user", action="store_true", help="from root: as an ordinary user")
    parser.add_argument("--shell", action="store_true", help="the shell alone, a set a line")
    parser.add_argument("--closing", action="store_true", help="the sets' last cells alone")
    parser.add_argument("--soak", type=int, metavar="N", help="grade N notebooks of the first set")
    given = parser.parse_args()
    if given.user and os.getuid() == 0:
        raise SystemExit(as_user([word for word in sys.argv[1:] if word != "--user"]))
    if given.soak:
        soak(given.sets[0], given.soak)
        return
    wanted = environment(Path("/nonexistent"))
    # Threads and back end are read when NumPy and matplotlib are imported: begin again with them.
    settings = {name: wanted[name] for name in wanted if name.endswith(("_THREADS", "BACKEND"))}
    if not settings.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **settings})
    if given.shell:
        shell_alone(given.sets, given.rounds)
        return
    if not given.closing:
        compare(given.sets, given.rounds)
    closing(given.sets, given.rounds)


if __name__ == "__main__":
    main()
