"""What goes to a judge's process, and what comes back."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from autograder.gradebook.marks import Sheet
from autograder.judging.verdict import Chance, Verdict


@dataclass(frozen=True)
class Job:
    """A submission for a judge, and what its writer must know afterwards.

    folder: as it was handed in. graded: where the graded folder will be. notebooks: those of it to
    grade. timestamp: when it was handed in. notes: what is to be told of how its notebook came
    there. content: a fingerprint of all that was handed in.

    Of a set of ours there is more. seed, round: of the hidden cases. standing: verdicts of an
    earlier grading that still hold, by part. key: under which the outcome is kept.
    """

    student: str
    folder: Path
    graded: Path
    notebooks: tuple[Path, ...]
    timestamp: datetime.datetime | None
    notes: tuple[str, ...] = ()
    content: str = ""
    seed: str = ""
    round: int = 0
    standing: dict[str, Verdict] = field(default_factory=dict)
    key: str = ""

    def to_json(self) -> dict[str, Any]:
        """See `pool.Message`."""
        return {
            **vars(self),
            "folder": str(self.folder),
            "graded": str(self.graded),
            "notebooks": [str(path) for path in self.notebooks],
            "timestamp": None if self.timestamp is None else self.timestamp.isoformat(),
            "standing": {name: verdict.to_json() for name, verdict in self.standing.items()},
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """See `pool.Message`."""
        stamp, standing = data["timestamp"], data["standing"]
        made = {
            "folder": Path(data["folder"]),
            "graded": Path(data["graded"]),
            "notebooks": tuple(map(Path, data["notebooks"])),
            "notes": tuple(data["notes"]),
            "timestamp": None if stamp is None else datetime.datetime.fromisoformat(stamp),
            "standing": {name: Verdict.from_json(verdict) for name, verdict in standing.items()},
        }
        return cls(**{**data, **made})


@dataclass(frozen=True)
class Outcome:
    """What came of a submission.

    log: what was said over it, as level and line. failed: why it could not be graded, or nothing.
    full: why nobody's can be written any more, or nothing.

    Of one that is graded: half, its folder in the staging area; sheets, what each notebook earned;
    verdicts, by part of a set of ours; by_chance, what besides the code had a hand in how a cell
    ended; remark, what an instructor should know of marks of this kind; told, all
    that the learner is told of what was handed in.
    """

    log: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    failed: str = ""
    full: str = ""
    half: Path = Path()
    sheets: dict[str, Sheet] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    by_chance: Chance = "accident"
    points: float = 0.0
    max_points: float = 0.0
    remark: str = ""
    told: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """See `pool.Message`."""
        return {**asdict(self), "half": str(self.half)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """See `pool.Message`."""
        made = {
            "log": [(level, line) for level, line in data["log"]],
            "half": Path(data["half"]),
            "sheets": {name: Sheet.from_json(sheet) for name, sheet in data["sheets"].items()},
            "verdicts": {n: Verdict.from_json(told) for n, told in data["verdicts"].items()},
        }
        return cls(**{**data, **made})
