"""What of a class run depends on whose the assignment is: a set of ours, or anybody else's.

Ours has a seed, parts whose verdicts can be kept, and takes in what is no notebook. Of other
people's assignments nbgrader's own rules hold, and nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

from autograder.classes.cache import Cache, digest, listing
from autograder.classes.fingerprints import environment, fingerprints, machine
from autograder.classes.job import Job, Outcome
from autograder.classes.plan import Plan
from autograder.engine.interface import Limits
from autograder.gradebook.ledger import Ledger
from autograder.gradebook.marks import Sheet
from autograder.gradebook.waiting import Texts
from autograder.grading.rehearsal import rehearse
from autograder.grading.rounds import current_round
from autograder.judging.sets import ExerciseSet
from autograder.project import Project
from autograder.release.notebook import cell_limits, modules_used
from autograder.submissions.adopt import adopt, drop_links
from autograder.submissions.read import MAX_WITH_OUTPUTS

# No submission is waited for longer than its judge may need, and its limits allow: for cells, for
# calls, and for a processor that is busy.
PATIENCE_SECONDS = 300.0
TIMES = 3
# Here is judged what workers run: more would take longer than what they could find out is worth.
MOST_REHEARSED = 8
# Settings that decide how a class is graded, and not what comes out.
HOW = (
    "force",
    "workers",
    "scheduler",
    "seed",
    "round_number",
    "require_sandbox",
    "create_student",
)


class Kind(Protocol):
    """Whose an assignment is. patience: seconds for one submission. modules: what its notebooks
    will probably import, as far as anybody knows."""

    patience: float
    modules: Sequence[str]

    def rehearse(self) -> None:
        """Before the first submission is graded.

        Raises
        ------
        Stopped where none would get what it is due.
        """
        ...

    def adopt(self, folder: Path) -> list[str]:
        """Before anything in a submission's folder is opened; says what was done."""
        ...

    def to_grade(self, folder: Path, notebooks: list[Path]) -> list[Path]:
        """Which of a submission's notebooks are graded.

        Raises
        ------
        FileNotFoundError where one must be there and is not.
        """
        ...

    def prepared(self, job: Job, ledger: Ledger) -> Job | None:
        """The job with all that a judge must know; None where it would change nothing."""
        ...

    def sheets(self, job: Job, outcome: Outcome) -> dict[str, Sheet]:
        """What each notebook earned, given what was marked by hand before."""
        ...

    def told(self, outcome: Outcome) -> Iterator[str]:
        """What came of each of its parts, for its log."""
        ...

    def keep(self, job: Job, outcome: Outcome) -> None:
        """After everything is written."""
        ...


def kind_of(plan: Plan) -> Kind:
    """The kind of a plan's assignment."""
    if plan.project is None or plan.exercise_set is None:
        return OfAnybody()
    return OfOurs(plan, plan.project, plan.exercise_set)


class OfAnybody:
    """Assignments of anybody's, by nbgrader's rules."""

    # Each session has limits of its own, and a kernel without walls may take as long as it likes.
    patience = math.inf
    modules: Sequence[str] = ()

    def rehearse(self) -> None:
        """See `Kind`. What a solved one is, nobody can tell."""

    def adopt(self, folder: Path) -> list[str]:
        """See `Kind`."""
        return drop_links(folder)

    def to_grade(self, folder: Path, notebooks: list[Path]) -> list[Path]:
        """See `Kind`."""
        return notebooks

    def prepared(self, job: Job, ledger: Ledger) -> Job | None:
        """See `Kind`."""
        return job

    def sheets(self, job: Job, outcome: Outcome) -> dict[str, Sheet]:
        """See `Kind`."""
        return outcome.sheets

    def told(self, outcome: Outcome) -> Iterator[str]:
        """See `Kind`."""
        for name, sheet in outcome.sheets.items():
            for mark in sheet.marks:
                score = "by hand" if mark.auto_score is None else f"{mark.auto_score:g}"
                yield f"{name}, {mark.grade_id}: {score}"

    def keep(self, job: Job, outcome: Outcome) -> None:
        """See `Kind`."""


class OfOurs:
    """Sets of ours."""

    def __init__(self, plan: Plan, project: Project, exercise_set: ExerciseSet) -> None:
        self._plan, self._project, self._set = plan, project, exercise_set
        self._round = None if plan.again is not None else current_round(project, plan.name)
        limits = plan.grading.limits_of(plan.name) if plan.grading else Limits()
        self.patience = PATIENCE_SECONDS + TIMES * limits.notebook_seconds
        self.modules: Sequence[str] = modules_used(exercise_set)
        self._texts = Texts(project, plan.name)
        self._cache = Cache(
            project.grading / "cache",
            plan.name,
            self._common(project, limits),
            fingerprints(exercise_set),
            "" if plan.elsewhere else machine(),
        )

    def rehearse(self) -> None:
        """See `Kind`. Of a cluster each worker has walls of its own: as many go at once as it runs
        sessions, so that none is free for two."""
        plan = self._plan
        if plan.grading is None:
            return
        files, limits = self._project.exercises / plan.name, plan.grading.limits_of(plan.name)
        at_once = 1 if plan.elsewhere is None else min(plan.elsewhere.sessions, MOST_REHEARSED)
        with ThreadPoolExecutor(at_once) as threads:
            each = [
                threads.submit(rehearse, self._set, plan.runner, limits, files)
                for _ in range(at_once)
            ]
            for one in each:
                one.result()

    def adopt(self, folder: Path) -> list[str]:
        """See `Kind`. What was graded once and is gone since is no empty submission."""
        again = self._plan.again is not None
        return adopt(folder, self._plan.name, self._project.exercises, graded_before=again).notes

    def to_grade(self, folder: Path, notebooks: list[Path]) -> list[Path]:
        """See `Kind`."""
        wanted = folder / f"{self._plan.name}.ipynb"
        if not wanted.is_file():
            raise FileNotFoundError(f"no notebook {wanted.name} in {folder}")
        return [wanted]

    def prepared(self, job: Job, ledger: Ledger) -> Job | None:
        """See `Kind`."""
        again = self._plan.again
        grading_round = self._round if again is None else again[job.student]
        assert grading_round is not None
        [path] = job.notebooks
        others = {n: s for n, s in listing(job.folder).items() if n != path.name}
        key = self._cache.key(
            [_hash_of(path), json.dumps(others, sort_keys=True)], grading_round.seed
        )
        kept = self._cache.find(job.student, key)
        if kept is not None and kept.whole and job.graded.is_dir() and not self._plan.other_steps:
            known = ledger.state(job.student, self._plan.name)
            if known is not None and known.settled and not known.late:
                scores = {p.name: known.scores.get(p.grade_id) for p in self._set.parts}
                if kept.matches(job.graded, scores):
                    return None
        return replace(
            job,
            seed=grading_round.seed,
            round=grading_round.number,
            standing=kept.verdicts if kept else {},
            key=key,
        )

    def sheets(self, job: Job, outcome: Outcome) -> dict[str, Sheet]:
        """See `Kind`."""
        before = self._texts.read(job.student)
        return {
            name: replace(sheet, marks=[mark.after(before) for mark in sheet.marks])
            for name, sheet in outcome.sheets.items()
        }

    def told(self, outcome: Outcome) -> Iterator[str]:
        """See `Kind`."""
        for name, verdict in outcome.verdicts.items():
            points = f"{verdict.points:g} of {verdict.max_points:g}"
            named = f", {verdict.mistake}" if verdict.mistake else ""
            yield f"{name}: {points}, {verdict.status}{named}"

    def keep(self, job: Job, outcome: Outcome) -> None:
        """See `Kind`."""
        marks = [mark for sheet in outcome.sheets.values() for mark in sheet.marks]
        self._texts.write(job.student, {mark.grade_id: mark.text for mark in marks if mark.text})
        self._cache.keep(
            job.student, job.key, outcome.verdicts, job.graded, by_chance=outcome.by_chance
        )

    def _common(self, project: Project, limits: Limits) -> str:
        """A hash of what is the same for the whole class, beside the parts and the seed."""
        plan = self._plan
        config = {
            section: kept
            for section, settings in plan.converter.config.items()
            if section != "CourseDirectory" and isinstance(settings, dict)
            if (kept := {k: v for k, v in settings.items() if k not in HOW})
        }
        support = project.exercises / plan.name
        files = {f"s/{name}": path for name, path in plan.source_files.items()}
        files |= {f"e/{p.relative_to(support)}": p for p in support.rglob("*") if p.is_file()}
        return digest(
            [
                environment(),
                json.dumps(cell_limits(self._set), sort_keys=True),
                repr(plan.facts),
                json.dumps([asdict(limits), config], sort_keys=True, default=str),
                *(part for name in sorted(files) for part in (name, files[name].read_bytes())),
            ]
        )


def _hash_of(path: Path) -> bytes:
    """Of a notebook's bytes. Of one that is too large to be read nothing counts but that."""
    if path.stat().st_size > MAX_WITH_OUTPUTS:
        return b""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
