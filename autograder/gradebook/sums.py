"""One score out of marks by check and marks by hand, less what being late costs.

nbgrader works a late penalty out when it grades, before anybody has marked a report, and shows a
mark that is still to come as a zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Gradebook, SubmittedAssignment
from nbgrader.preprocessors import AssignLatePenalties, GetGrades
from traitlets.config import Config

from autograder.gradebook.waiting import waiting
from autograder.i18n import _


def renew_penalties(
    gradebook: Gradebook, submissions: Iterable[SubmittedAssignment], parent: Any
) -> None:
    """Work late penalties out again, on the scores as they are now.

    parent: whose configuration names the plug-in.
    """
    # What pages are made with is none of its settings, and it would say so for every learner.
    own = {name: section for name, section in parent.config.items() if name != "NbConvertBase"}
    step = AssignLatePenalties(config=Config(own))
    step.init_plugin()
    for submission in submissions:
        for notebook in submission.notebooks:
            penalty, late = None, submission.total_seconds_late
            if notebook.late_submission_penalty is None and late <= 0:
                continue
            if late > 0:
                penalty = step.plugin_inst.late_submission_penalty(
                    submission.student_id, notebook.score, late
                )
            if penalty is not None:
                penalty = step._check_late_penalty(notebook, penalty)
            notebook.late_submission_penalty = penalty
    gradebook.db.commit()


def is_marked(submission: SubmittedAssignment) -> bool:
    """Whether there is anything in it. Of a learner who was granted more time beforehand there may
    be a row and no work."""
    grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
    return any(g.auto_score is not None or g.manual_score is not None for g in grades)


class GetMarks(GetGrades):
    """nbgrader's step that puts marks and comments into a page, but a mark that is still to come is
    told to be one, and the penalty is that of the whole score."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Put in marks and comments."""
        info = resources["nbgrader"]
        with Gradebook(info["db_url"]) as gradebook:
            submission = gradebook.find_submission(info["assignment"], info["student"])
            renew_penalties(gradebook, [submission], self.parent)
            self._to_come = {
                one.cell
                for one in waiting(gradebook, info["assignment"])
                if one.student == info["student"] and not one.again
            }
        return super().preprocess(nb, resources)

    def _get_comment(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        super()._get_comment(cell, resources)
        label = cell.metadata.nbgrader
        if label["grade_id"] in self._to_come:
            told = _("**Not marked yet: a person will. The score above is without these points.**")
            label["comment"] = "\n\n".join(filter(None, [told, label["comment"]]))
