"""What a graded notebook says about marks and comments, before any gradebook is asked.

nbgrader's rules, and one of ours: a check cell of ours without a verdict is zero and to be looked
at, where the stock rule gives full marks to a test cell without output.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from nbformat import NotebookNode
from nbgrader import utils

from autograder.judging.verdict import Verdict
from autograder.release.byhand import fingerprint, is_by_hand


@dataclass(frozen=True)
class Mark:
    """The mark of one cell.

    look: whether somebody is to look at it, whatever else speaks for that. text: of what a person
    marks, the fingerprint. same: whether that is the text of the last grading.
    """

    grade_id: str
    auto_score: float | None
    look: bool = False
    text: str = ""
    same: bool = False

    def needs_manual_grade(self, manual_score: float | None, before: bool = True) -> bool:
        """nbgrader's flag, given the mark that a person may have given, and the flag, before.

        Who has marked a text need not look at the same text again.
        """
        if self.same and manual_score is not None and not self.look:
            return before
        return self.look or manual_score is not None or self.auto_score is None

    def after(self, texts: Mapping[str, str]) -> Mark:
        """The mark, told the fingerprints of the last grading."""
        return replace(self, same=bool(self.text) and texts.get(self.grade_id) == self.text)


@dataclass(frozen=True)
class Comment:
    """nbgrader's own comment on one cell: "No response.", or nothing."""

    grade_id: str
    auto_comment: str | None


@dataclass(frozen=True)
class Sheet:
    """What one notebook of a submission earned."""

    marks: list[Mark] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All of it, as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Sheet:
        """What `to_json` made."""
        return cls(
            [Mark(**mark) for mark in data["marks"]],
            [Comment(**comment) for comment in data["comments"]],
        )


def marks_of(
    notebook: NotebookNode,
    ours: Mapping[str, str],
    verdicts: Mapping[str, Verdict],
    log: logging.Logger | logging.LoggerAdapter,
) -> list[Mark]:
    """The mark of every graded cell, and zero for those of ours that are gone.

    ours: the parts of the set by the grade_id of their check cells; empty for other notebooks.
    verdicts: by part.
    """
    marks = []
    for cell in notebook.cells:
        if not utils.is_grade(cell):
            continue
        grade_id = cell.metadata["nbgrader"]["grade_id"]
        name = ours.get(grade_id)
        verdict = verdicts.get(name) if name is not None else None
        if name is not None and verdict is None:
            cell.outputs = []
            log.error("no verdict on %s; zero, to be looked at", name)
            marks.append(Mark(grade_id, 0.0, look=True))
            continue
        flagged = verdict is not None and bool(verdict.flagged)
        text = fingerprint(cell) if is_by_hand(cell) else ""
        marks.append(Mark(grade_id, utils.determine_grade(cell, log)[0], look=flagged, text=text))
    for grade_id in ours.keys() - {mark.grade_id for mark in marks}:
        log.error("cell %s is gone; zero, to be looked at", grade_id)
        marks.append(Mark(grade_id, 0.0, look=True))
    return marks


def comments_of(notebook: NotebookNode) -> list[Comment]:
    """nbgrader's comment on every cell that has one."""
    comments = []
    for cell in notebook.cells:
        if utils.is_solution(cell) or utils.is_task(cell):
            label = cell.metadata["nbgrader"]
            untouched = label.get("checksum") == utils.compute_checksum(cell)
            text = "No response." if untouched and not utils.is_task(cell) else None
            comments.append(Comment(label["grade_id"], text))
    return comments
