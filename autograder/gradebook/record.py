"""What is written down with a mark: seed, round, versions and verdicts, so that a disputed mark
can be reproduced. It lies in the autograded notebook's metadata, which no learner is sent."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbformat import NotebookNode
from nbgrader.utils import determine_grade, is_grade, is_solution
from traitlets.config import Config

from autograder import __version__
from autograder.grading.grade import Graded
from autograder.grading.rounds import Round
from autograder.judging.show import printable
from autograder.judging.verdict import Status, Verdict
from autograder.project import Project
from autograder.release.configuration import course_config, place_of

RECORD = "autograder"


@dataclass(frozen=True)
class Record:
    """A graded submission as it was written down."""

    student: str
    assignment: str
    seed: str
    round: int
    problems: list[str]
    verdicts: dict[str, Verdict]
    versions: dict[str, str]

    @property
    def points(self) -> float:
        """The sum of the automatic marks."""
        return round(sum(v.points for v in self.verdicts.values()), 2)

    @property
    def max_points(self) -> float:
        """Full marks."""
        return float(sum(v.max_points for v in self.verdicts.values()))


def part_of(grade_id: str) -> str:
    """The part whose check has this id; of other cells it is their name."""
    check, found, name = grade_id.partition("check-")
    return name.replace("-", ".") if found and not check else grade_id


def record_of(graded: Graded, grading_round: Round) -> dict[str, Any]:
    """The metadata of a graded notebook."""
    return {
        "assignment": graded.assignment,
        "seed": graded.seed,
        "round": grading_round.number,
        "versions": {
            "autograder": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "problems": graded.problems,
        "verdicts": {name: verdict.to_json() for name, verdict in graded.verdicts.items()},
    }


def verdicts_in(metadata: Mapping[str, Any]) -> dict[str, Verdict]:
    """The verdicts that stand in a notebook's metadata, by part; none in other people's."""
    written = metadata.get(RECORD, {}).get("verdicts", {})
    return {name: Verdict.from_json(verdict) for name, verdict in written.items()}


def problems_in(metadata: Mapping[str, Any]) -> list[str]:
    """What the learner was told of what was handed in, as it stands in a notebook's metadata."""
    return list(metadata.get(RECORD, {}).get("problems", ()))


def graded_notebook(
    project: Project, assignment: str, student: str, config: Config | None = None
) -> Path:
    """Where a learner's graded notebook lies."""
    place = place_of("autograded", course_config(project.root) if config is None else config)
    return place / student / assignment / f"{assignment}.ipynb"


def read_records(
    project: Project, assignment: str, config: Config | None = None
) -> Iterator[Record]:
    """The records of a class, by student. config: nbgrader's; that of the course's folder where
    None."""
    place = place_of("autograded", course_config(project.root) if config is None else config)
    for folder in sorted(place.glob(f"*/{assignment}")):
        record = read_record(folder, assignment)
        if record is not None:
            yield record


def read_record(folder: Path, assignment: str) -> Record | None:
    """The record in a graded folder; None where there is none."""
    try:
        text = (folder / f"{assignment}.ipynb").read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    metadata = json.loads(text).get("metadata", {})
    data = metadata.get(RECORD)
    if data is None:
        return None
    return Record(
        folder.parent.name,
        assignment,
        data["seed"],
        data["round"],
        data["problems"],
        verdicts_in(metadata),
        data["versions"],
    )


def records_of(project: Project, assignment: str) -> list[Record]:
    """The records of a class, of a set of ours or of an assignment of anybody's."""
    read = read_records if assignment in project.sets else _read_others
    return list(read(project, assignment))


def _read_others(project: Project, assignment: str) -> Iterator[Record]:
    """Of an assignment that is no set of ours its test cells are the parts."""
    place = place_of("autograded", course_config(project.root))
    for folder in sorted(place.glob(f"*/{assignment}")):
        verdicts: dict[str, Verdict] = {}
        versions: dict[str, str] = {}
        for path in sorted(folder.glob("*.ipynb")):
            notebook = nbformat.read(path, 4)
            found = verdicts_of_tests(notebook)
            # Two notebooks may each have a cell of the same name.
            verdicts |= {f"{path.stem}/{n}" if n in verdicts else n: v for n, v in found.items()}
            version = notebook.metadata.get("language_info", {}).get("version")
            versions |= {"python": version} if version else {}
        if verdicts:
            student = folder.parent.name
            yield Record(student, assignment, "", 0, [], verdicts, versions)


# How a test cell of anybody's ended, by the exception that it shows.
ENDED: dict[str, Status] = {
    "AssertionError": "wrong",
    "NotImplementedError": "not_attempted",
    "CellTimeoutError": "timeout",
}


def verdicts_of_tests(notebook: NotebookNode) -> dict[str, Verdict]:
    """What the test cells of a graded notebook gave, by nbgrader's rule; nothing of what a person
    marks."""
    found = {}
    for cell in notebook.cells:
        if not is_grade(cell) or is_solution(cell):
            continue
        points, most = determine_grade(cell)
        if points is None:
            continue
        name = cell.metadata["nbgrader"]["grade_id"]
        error = next((o for o in cell.get("outputs", ()) if o.output_type == "error"), None)
        status: Status = "passed" if points >= most else "partial" if points else "wrong"
        message = ""
        if status == "wrong" and error is not None:
            status = ENDED.get(error.ename, "error")
            message = printable(f"{error.ename}: {error.evalue}".strip(": \n").split("\n")[0])
        found[name] = Verdict(name, status, float(points), float(most), message=message)
    return found
