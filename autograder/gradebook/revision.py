"""An assignment that is changed after people handed in: the gradebook is brought along.

nbgrader gives up there: "Cannot add or remove cells". Here what stays keeps its marks and comments,
and what changes for whom is told.
"""

from __future__ import annotations

import contextlib
import csv
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import (
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    MissingEntry,
    Notebook,
    SourceCell,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
    new_uuid,
)
from nbgrader.api import SolutionCell as AnswerCell
from nbgrader.preprocessors import SaveCells
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session
from traitlets import Dict, Unicode
from traitlets.config import Config

from autograder.exercise import AuthorError
from autograder.gradebook.cells import SCORED, Cells, differences
from autograder.gradebook.preprocessors import project_of
from autograder.gradebook.record import part_of
from autograder.i18n import _
from autograder.release.build import TOLD
from autograder.release.configuration import place_of
from autograder.submissions.former import Former, read_former, remember

KINDS: dict[str, Any] = {"GradeCell": GradeCell, "SolutionCell": AnswerCell, "TaskCell": TaskCell}
COMMENTED = ("SolutionCell", "TaskCell")


# Cells that are taken out: kind and name, by id.
Gone = Mapping[str, tuple[str, str]]


@dataclass
class Revision:
    """What a notebook's cells in the gradebook become.

    names, worth: what a cell's name and points become, by its id. gone: cells by id. new: cells.
    """

    have: Cells
    wanted: Cells
    names: dict[str, str] = field(default_factory=dict)
    worth: dict[str, tuple[float, float]] = field(default_factory=dict)
    gone: dict[str, tuple[str, str]] = field(default_factory=dict)
    new: list[tuple[str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.names or self.worth or self.gone or self.new)


def plan(db: Session, notebook: str, wanted: Cells, former: Former) -> Revision:
    """What is to be done to a notebook's cells. notebook: its id."""
    points: dict[str, float] = {}
    for kind in SCORED:
        cells = KINDS[kind].__table__
        for row, worth in db.execute(select(cells.c.id, cells.c.max_score)):
            points[row] = worth
    have: dict[tuple[str, str], float | None] = {}
    found = Revision(have, wanted)
    columns = BaseCell.id, BaseCell.type, BaseCell.name
    rows = db.execute(select(*columns).where(BaseCell.notebook_id == notebook)).all()
    there = {(kind, name) for _row, kind, name in rows}
    for row, kind, name in rows:
        key = kind, former.cell(name)
        # A name that is still wanted is no former one, and one that is taken is nobody else's.
        if (kind, name) in wanted or key not in wanted or key in there:
            key = kind, name
        have[key] = points.get(row)
        old, new = have[key], wanted.get(key)
        if key not in wanted:
            found.gone[row] = key
        elif key[1] != name:
            found.names[row] = key[1]
        if old is not None and new is not None and old != new:
            found.worth[row] = old, new
    found.new = [key for key in wanted if key not in have]
    return found


def carry_out(
    db: Session, notebook: str, revision: Revision, cell_types: Mapping[str, str]
) -> None:
    """Bring a notebook's cells, and the marks and comments on them, along. Commits nothing.

    Automatic marks keep their share of the points, so that none is more than its cell is worth;
    marks by hand stay as they are, and are to be looked at where they are more.
    """
    for row, name in revision.names.items():
        db.execute(update(BaseCell.__table__).where(BaseCell.id == row).values(name=name))
    for row, (kind, _name) in revision.gone.items():
        for marks in (Grade, Comment):
            db.execute(delete(marks).where(marks.cell_id == row))
        for cells in (KINDS[kind].__table__, BaseCell.__table__):
            db.execute(delete(cells).where(cells.c.id == row))
    for row, (old, new) in revision.worth.items():
        _reckon_anew(db, row, old, new)
    submitted = db.scalars(
        select(SubmittedNotebook.id).where(SubmittedNotebook.notebook_id == notebook)
    ).all()
    for kind, name in revision.new:
        row, own = new_uuid(), {}
        if kind in SCORED:
            own = {"max_score": revision.wanted[kind, name], "cell_type": cell_types[name]}
        values = {"id": row, "name": name, "notebook_id": notebook, "type": kind}
        db.execute(insert(BaseCell.__table__).values(**values))
        db.execute(insert(KINDS[kind].__table__).values(id=row, **own))
        for kinds, marks in ((SCORED, Grade), (COMMENTED, Comment)):
            rows = [{"id": new_uuid(), "notebook_id": s, "cell_id": row} for s in submitted]
            if rows and kind in kinds:
                db.execute(insert(marks), rows)


def _reckon_anew(db: Session, cell: str, old: float, new: float) -> None:
    for kind in SCORED:
        cells = KINDS[kind].__table__
        db.execute(update(cells).where(cells.c.id == cell).values(max_score=new))
    marks = db.execute(
        select(Grade.id, Grade.auto_score, Grade.manual_score).where(Grade.cell_id == cell)
    ).all()
    for mark, score, by_hand in marks:
        share = None if score is None or not old else round(score * new / old, 2)
        change: dict[str, Any] = {"auto_score": share}
        if by_hand is not None and by_hand > new:
            change["needs_manual_grade"] = True
        db.execute(update(Grade).where(Grade.id == mark).values(**change))


class ReviseCells(SaveCells):
    """In the place of nbgrader's `SaveCells`, which refuses where somebody has handed in."""

    renamed = Dict(
        value_trait=Unicode(),
        help="Exercises that have another name than they had, old names to new ones: their marks "
        "stay, and an answer under an old name counts.",
    ).tag(config=True)

    def _create_notebook(self, nb: NotebookNode) -> None:
        """Called by nbgrader when it knows the new cells; the gradebook is open."""
        wanted = self._wanted()
        former = self._former(wanted)
        try:
            notebook = self.gradebook.find_notebook(self.notebook_id, self.assignment_id)
        except MissingEntry:
            notebook = None
        if notebook is None or not notebook.submissions:
            super()._create_notebook(nb)
            if notebook is None:
                self._tell_lines(let_in(self.gradebook, self.assignment_id, self.notebook_id))
            return
        db = self.gradebook.db()
        try:
            self._revise(db, notebook.id, wanted, former)
            db.commit()
        except BaseException:
            db.rollback()
            raise

    def _wanted(self) -> Cells:
        found: dict[tuple[str, str], float | None] = {}
        for kind, cells in (
            ("GradeCell", self.new_grade_cells),
            ("SolutionCell", self.new_solution_cells),
            ("TaskCell", self.new_task_cells),
        ):
            found |= {(kind, name): cell.get("max_score") for name, cell in cells.items()}
        return found

    def _former(self, wanted: Cells) -> Former:
        """The names that the exercises had before; the new ones of them are remembered."""
        project = project_of(self.assignment_id)
        names = {name for _kind, name in wanted}
        for old, new in self.renamed.items():
            mapped = Former({old: new})
            left = [name for name in names if mapped.cell(name) != name]
            if left or not any(Former({new: old}).cell(name) != name for name in names):
                why = (_("{old} is still there") if left else _("there is no {new}")).format(
                    old=old, new=new
                )
                raise AuthorError(
                    _("{old} cannot be renamed {new} in {name}: {why}.").format(
                        old=old, new=new, name=self.assignment_id, why=why
                    )
                )
        if project is None:
            return Former(self.renamed)
        if not self.renamed:
            return read_former(project, self.assignment_id)
        return remember(project, self.assignment_id, self.renamed)

    def _revise(self, db: Session, notebook: str, wanted: Cells, former: Former) -> None:
        revision = plan(db, notebook, wanted, former)
        if revision:
            kept = keep_copy(self.gradebook, self.config, self.assignment_id, revision.gone)
            lost = by_hand_on(db, revision.gone)
            before = scores_in(db, [notebook])
            most = _most(revision.have)
        types = {name: cell["cell_type"] for name, cell in self.new_source_cells.items()}
        carry_out(db, notebook, revision, types)
        # Nothing hangs on these rows, and their order is the notebook's.
        db.execute(delete(SourceCell).where(SourceCell.notebook_id == notebook))
        own = ("cell_type", "locked", "source", "checksum")
        for name, cell in self.new_source_cells.items():
            values = {key: cell[key] for key in own}
            db.execute(
                insert(SourceCell).values(id=new_uuid(), name=name, notebook_id=notebook, **values)
            )
        if revision:
            after = scores_in(db, [notebook])
            told = list(grouped(before, after, (most, _most(wanted))))
            self._tell(revision, told, lost, _over(db, revision.worth), kept)

    def _tell(
        self, revision: Revision, scores: list[str], lost: list[str], over: list[str], kept: str
    ) -> None:
        """What changed for whom."""
        name = self.assignment_id
        ours = project_of(name) is not None
        again = f"autograder regrade {name}" if ours else f"autograder autograde {name} --force"
        told = [_("{name}: the gradebook is brought along.").format(name=name)]
        told += [f"  {line}" for line in differences(revision.have, revision.wanted)]
        told += [
            "  " + _("{old} is called {new}").format(old=old, new=new)
            for old, new in self.renamed.items()
        ]
        told += [f"  {line}" for line in scores]
        for title, lines in (
            (_("By hand, and gone with what was taken out:"), lost),
            (_("More by hand than it is worth now, and to be looked at:"), over),
        ):
            if lines:
                told += [title, *(f"  {line}" for line in lines)]
        if any(kind in SCORED for kind, _name in revision.new) or revision.worth:
            told.append(
                _(
                    "Then `{again}`: until then what is new has no mark, and marks out of other "
                    "points are their share of those."
                ).format(again=again)
            )
        told.append(kept)
        gone, new = (
            [part_of(cell) for kind, cell in cells if kind in SCORED]
            for cells in (revision.gone.values(), revision.new)
        )
        if gone and new:
            told.append(
                _(
                    "Where {new} is a new name for {old}, put that in its place again and build "
                    "with --renamed {old}={new}: then the marks stay."
                ).format(old=gone[0], new=new[0])
            )
        self._tell_lines(told)

    def _tell_lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.log.warning("%s", line, extra={TOLD: True})


def keep_copy(gradebook: Gradebook, config: Config, assignment: str, gone: Gone) -> str:
    """Copy a gradebook as it is; of one on a server, the marks that go. Says where that is."""
    now = datetime.now().strftime("%Y-%m-%d-%H%M%S.%f")
    url = gradebook.engine.url
    if url.get_backend_name() == "sqlite" and url.database:
        # As `nbgrader db upgrade` calls its copies.
        copy = Path(f"{url.database}.{now}")
        with (
            contextlib.closing(sqlite3.connect(url.database)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            shutil.copymode(url.database, copy)
            source.backup(target)
        return _("The gradebook as it was: {place}").format(place=copy)
    folder = place_of("autograded", config).parent / "removed"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{assignment}.{now}.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        writer.writerows(_rows(gradebook.db(), gone))
    return _("The marks of what was taken out: {place}").format(place=file)


COLUMNS = ("student_id", "cell", "auto_score", "manual_score", "extra_credit", "comment")
Row = tuple[str, str, float | None, float | None, float | None, str | None]


def _rows(db: Session, cells: Gone) -> Iterator[Row]:
    """Marks and comments on cells: see `COLUMNS`."""
    for row, (_kind, name) in cells.items():
        for marks, columns in (
            (Grade, (Grade.auto_score, Grade.manual_score, Grade.extra_credit)),
            (Comment, (Comment.manual_comment,)),
        ):
            found = db.execute(
                select(SubmittedAssignment.student_id, *columns)
                .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
                .join(marks, marks.notebook_id == SubmittedNotebook.id)
                .where(marks.cell_id == row)
                .order_by(SubmittedAssignment.student_id)
            ).all()
            for student, *values in found:
                if marks is Grade:
                    yield student, name, *values, None
                elif values[0]:
                    yield student, name, None, None, None, values[0]


def by_hand_on(db: Session, cells: Gone) -> list[str]:
    """What people gave for cells, a line for each learner and part."""
    found: dict[tuple[str, str], list[str]] = {}
    for student, cell, _auto, manual, extra, comment in _rows(db, cells):
        given = found.setdefault((student, part_of(cell)), [])
        if manual is not None or extra is not None:
            points = (manual or 0.0) + (extra or 0.0)
            given.append(_("{points:g} points").format(points=points))
        if comment is not None:
            given.append(f'"{" ".join(comment.split())}"')
    return [f"{who} {part}: {', '.join(given)}" for (who, part), given in found.items() if given]


def _over(db: Session, worth: Mapping[str, tuple[float, float]]) -> list[str]:
    """Marks by hand that are more than their cell is worth now."""
    out = []
    for row, (_old, new) in worth.items():
        found = db.execute(
            select(SubmittedAssignment.student_id, BaseCell.name, Grade.manual_score)
            .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
            .join(BaseCell, BaseCell.id == Grade.cell_id)
            .where(BaseCell.id == row, Grade.manual_score > new)
            .order_by(SubmittedAssignment.student_id)
        ).all()
        text = _("{student} {part}: {points:g} of {most:g}")
        out += [
            text.format(student=student, part=part_of(cell), points=points, most=new)
            for student, cell, points in found
        ]
    return out


def scores_in(db: Session, notebooks: Sequence[str]) -> dict[str, float]:
    """What everybody has for some notebooks, by student; more time may be granted before there is
    any work, and nothing of that is a score."""
    marked = func.count(Grade.auto_score) + func.count(Grade.manual_score)
    rows = db.execute(
        select(SubmittedAssignment.student_id, func.coalesce(func.sum(Grade.score), 0.0))
        .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .outerjoin(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .where(SubmittedNotebook.notebook_id.in_(notebooks))
        .group_by(SubmittedAssignment.student_id)
        .having(marked > 0)
        .order_by(SubmittedAssignment.student_id)
    ).all()
    return {student: float(score) for student, score in rows}


def _most(cells: Cells) -> float:
    return sum(points for points in cells.values() if points is not None)


def grouped(
    before: Mapping[str, float], after: Mapping[str, float], most: tuple[float, float]
) -> Iterator[str]:
    """Those for whom the same changes, in a line each."""
    groups: dict[str, list[str]] = {}
    for student, score in before.items():
        now = after.get(student, 0.0)
        told = f"{score:g} of {most[0]:g} -> {now:g} of {most[1]:g}"
        groups.setdefault(told, []).append(student)
    for told, students in groups.items():
        yield f"{', '.join(students)}: {told}"


# ── Whole notebooks ────────────────────────────────────────────────────────────────────────────


def let_in(gradebook: Gradebook, assignment: str, name: str) -> list[str]:
    """Give everybody who handed an assignment in the rows of a notebook that is new to it. Says
    what that changes."""
    found = gradebook.find_assignment(assignment)
    if not found.submissions:
        return []
    db = gradebook.db()
    notebook = gradebook.find_notebook(name, assignment)
    most = found.max_score
    before = scores_in(db, [other.id for other in found.notebooks])
    scored = [cell.id for cell in (*notebook.grade_cells, *notebook.task_cells)]
    commented = [cell.id for cell in (*notebook.solution_cells, *notebook.task_cells)]
    for submission in [row.id for row in found.submissions]:
        theirs = new_uuid()
        db.execute(
            insert(SubmittedNotebook).values(
                id=theirs, assignment_id=submission, notebook_id=notebook.id, flagged=False
            )
        )
        for marks, cells in ((Grade, scored), (Comment, commented)):
            rows = [{"id": new_uuid(), "notebook_id": theirs, "cell_id": cell} for cell in cells]
            if rows:
                db.execute(insert(marks), rows)
    db.commit()
    db.expire_all()
    what = _("the notebook {name} is new, {points:g} points")
    return [
        *_changed(assignment, what.format(name=name, points=notebook.max_score)),
        *(f"  {line}" for line in grouped(before, before, (most - notebook.max_score, most))),
        _graded_again(assignment),
    ]


def take_out(
    gradebook: Gradebook, config: Config, assignment: str, names: Iterable[str]
) -> list[str]:
    """Take notebooks out of an assignment, with all marks on them. Says what that changes."""
    found = gradebook.find_assignment(assignment)
    leaving = [notebook for notebook in found.notebooks if notebook.name in set(names)]
    if not leaving:
        return []
    db = gradebook.db()
    ids = [notebook.id for notebook in leaving]
    rows = db.execute(
        select(BaseCell.id, BaseCell.type, BaseCell.name).where(BaseCell.notebook_id.in_(ids))
    )
    gone = {row: (kind, name) for row, kind, name in rows}
    kept = keep_copy(gradebook, config, assignment, gone)
    lost = by_hand_on(db, gone)
    every = [notebook.id for notebook in found.notebooks]
    before, most = scores_in(db, every), found.max_score
    told = list(
        _changed(
            assignment,
            *(
                _("the notebook {name} is taken out, {points:g} points").format(
                    name=notebook.name, points=notebook.max_score
                )
                for notebook in leaving
            ),
        )
    )
    try:
        carry_out(db, "", Revision({}, {}, gone=gone), {})
        for table in (SubmittedNotebook, SourceCell):
            db.execute(delete(table).where(table.notebook_id.in_(ids)))
        db.execute(delete(Notebook).where(Notebook.id.in_(ids)))
        db.commit()
    except BaseException:
        db.rollback()
        raise
    db.expire_all()
    after = scores_in(db, every)
    told += [f"  {line}" for line in grouped(before, after, (most, found.max_score))]
    if lost:
        told += [_("By hand, and gone with what was taken out:"), *(f"  {line}" for line in lost)]
    return [*told, _graded_again(assignment), kept]


def _changed(assignment: str, *what: str) -> Iterator[str]:
    yield _("{name}: the gradebook is brought along.").format(name=assignment)
    yield from (f"  {line}" for line in what)


def _graded_again(assignment: str) -> str:
    return _(
        "Then `autograder autograde {name} --force`: until then graded folders are as they were."
    ).format(name=assignment)
