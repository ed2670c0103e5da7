"""What a runner of learners' cells must do, whatever walls it puts around them.

A session goes through four stages, in this order:

1. `execute` runs the cells, and `snapshot` is taken where each check cell stands;
2. `close` ends the notebook itself: no cell can run any more, the snapshots wait;
3. the snapshots are asked (`defines`, `call`), each as if it were alone;
4. `finish`, which leaving the `with` block calls, kills whatever is left and removes the files.

A hidden input first leaves the judge in stage 3, so it cannot reach the output of a cell.

    with PlainRunner().open(folder, Limits()) as session:
        for cell in cells:
            result = session.execute(cell)
        at_check = session.snapshot()
        session.close()
        if at_check.defines("gradient"):
            answer = at_check.call(Call("gradient", {"theta": theta}, ["theta"]))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from autograder.engine.files import Files
from autograder.i18n import _
from autograder.values.calling import Answer

Status = Literal["ok", "error", "timeout", "died"]

# Forks of a notebook that hold a snapshot or answer calls, at any one time.
SNAPSHOTS = 256
# What the kernel counts for a process, and what can still be another from one cell to the next.
OF_A_PROCESS = ("cpu_seconds", "memory_bytes", "file_bytes", "processes", "threads")
MAY_BE_NOTHING = ("processes", "output_bytes", "outputs", "notebook_output_bytes", "timeouts")


@dataclass(frozen=True)
class Limits:
    """What a submission may use up. Seconds are of the clock on the wall, but for `cpu_seconds`.

    cell_seconds, call_seconds: one cell, one call of a graded function.
    notebook_seconds: all cells of a session together, and once more all calls.
    cpu_seconds: of the processor, for the notebook's process, and for each that answers calls.
    timeouts: so many calls of a function in a snapshot may time out; the rest are not waited for.
    memory_bytes: address space of a process, and memory of all of them together, on top of what the
    interpreter itself takes.
    file_bytes: the largest file that may be written.
    scratch_bytes, scratch_files: what all files together may take, on top of those given.
    output_bytes, outputs: what a cell may print and show.
    notebook_output_bytes: what all cells together may.
    processes: how many other processes may run; with 0 none can be started. `plain` counts them
    with the user's others, and stops none.
    threads: how many threads, in all processes together; of each but the notebook's first process
    one is free.

    Raises
    ------
    ValueError for what is no amount: text, a number below zero, seconds or memory of none.
    """

    cell_seconds: float = 30.0
    call_seconds: float = 5.0
    notebook_seconds: float = 300.0
    cpu_seconds: float = 300.0
    timeouts: int = 3
    memory_bytes: int = 2 * 2**30
    file_bytes: int = 100 * 2**20
    scratch_bytes: int = 256 * 2**20
    scratch_files: int = 10_000
    output_bytes: int = 1_000_000
    outputs: int = 200
    notebook_output_bytes: int = 8_000_000
    processes: int = 0
    threads: int = 64

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            whole = isinstance(value, int) and not isinstance(value, bool)
            seconds = name.endswith("_seconds")
            least = 0 if name in MAY_BE_NOTHING else 1
            if seconds:
                # Not a number is not above 0 either.
                fits = (whole or isinstance(value, float)) and value > 0
                wanted = _("a number of seconds, more than 0")
            else:
                fits = whole and value >= least
                wanted = _("a whole number, {least} or more").format(least=least)
            if not fits:
                raise ValueError(
                    _("{name} is {value!r}; wanted: {wanted}.").format(
                        name=name, value=value, wanted=wanted
                    )
                )

    def at_least(self, others: Iterable[Mapping[str, Any]]) -> Limits:
        """These, or more where single cells may use up more: what the kernel holds a session to."""
        most = {name: max([getattr(self, name), *found]) for name, found in _held(others).items()}
        return replace(self, **most)


def _held(given: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The limits that the kernel holds a process to, among those of single cells."""
    listed = list(given)
    return {name: [one[name] for one in listed if name in one] for name in OF_A_PROCESS}


class NoSandbox(RuntimeError):
    """A sandbox was required, and this system refuses some of its walls."""


class NoCluster(RuntimeError):
    """There is no cluster at a scheduler's address, or none that can run our sessions."""


class RunnerLost(RuntimeError):
    """The machine or the connection that served a session is gone, which is no learner's doing:
    any method of a session or snapshot but `finish` may raise it. What was asked of the session
    can be asked again in another one, which opens elsewhere."""


@dataclass
class CellResult:
    """What a cell left behind.

    outputs: as nbformat 4 has them. An `error` output is among them where the status is not "ok".
    reason: a sentence on a timeout or a death.
    execution_count: which execution of the session this was.
    busy: whether it was stopped only because others kept the machine busy.
    """

    outputs: list[dict[str, Any]] = field(default_factory=list)
    status: Status = "ok"
    reason: str = ""
    execution_count: int = 0
    busy: bool = False


@dataclass(frozen=True)
class Call:
    """A question to a learner's function.

    target: its global name, which is looked up and never evaluated.
    args: plain values, `judge.Oracle`s and `exercise.FreshRng`s, by argument name.
    parameters: the signature's names, in order. The leading ones that `args` has go by position,
    the others by keyword.
    probe: source of a public module and the name of a function in it, which is then called with
    the learner's object and `args` in its stead.
    """

    target: str
    args: dict[str, Any]
    parameters: list[str]
    probe: tuple[str, str] | None = None


class Snapshot(Protocol):
    """The learner's state as it was when the snapshot was taken. Every call starts from there or
    from what earlier calls of the same snapshot left; no other snapshot sees a change."""

    @property
    def problem(self) -> str:
        """Why no snapshot could be taken, or nothing. Its calls then answer `Died`."""
        ...

    def defines(self, name: str) -> bool:
        """Whether the learner's code has a global of this name. True too where nobody can tell
        any more: the call then says why."""
        ...

    def call(self, question: Call) -> Answer:
        """Put a question. The value is plain, a `Raised`, a `TimedOut` or a `Died`.

        What a runner says beside the value is cut down to what the judge can vouch for: no
        exception message, no names and no lines but those that stand in the cells.
        """
        ...

    def put_off(self) -> float:
        """The seconds that were given back to the session's calls, because they stood in line for a
        processor that others kept busy. They count for nobody."""
        ...

    def close(self) -> None:
        """End it. `Session.finish` does so too."""
        ...


class Session(Protocol):
    """One notebook's run.

    limits: those that hold for the next cell and snapshot. They may be changed on the way, but for
    those of all cells and files together; those in OF_A_PROCESS to no more than the session was
    opened with.
    """

    limits: Limits

    def execute(self, source: str) -> CellResult:
        """Run a cell. Where the interpreter was lost, a new one first replays what had worked."""
        ...

    def snapshot(self) -> Snapshot:
        """Keep the state as it now is, for questions after `close`."""
        ...

    def close(self) -> None:
        """No more cells: end the notebook. Snapshots live on."""
        ...

    def written(self) -> Files:
        """The plain files that the notebook was not given, as far as 64 MB go: links are left out.
        Ends the notebook and its snapshots first. The names and contents are the learner's."""
        ...

    def finish(self) -> None:
        """Kill everything that is left and remove the files."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish()


class Runner(Protocol):
    """Makes sessions."""

    name: str

    @property
    def protects(self) -> str:
        """What stands between a submission and this machine, in a sentence for the instructor."""
        ...

    def open(self, files: Path | None, limits: Limits, modules: Sequence[str] = ()) -> Session:
        """A session in a scratch folder with a copy of `files`; links in there are left out.

        modules: what the notebook will probably import: the course's own text says so, not a
        learner. A runner that keeps imports from one session to the next has them ready, but for
        those that are not installed.
        """
        ...
