"""nbgrader's Autograde for a whole class."""

from __future__ import annotations

from nbgrader.converters import Autograde


class ClassAutograde(Autograde):
    """nbgrader's own converter, which also tells whether it did anything."""

    processed = False

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """See nbgrader."""
        self.processed = bool(super().init_destination(assignment_id, student_id))
        return self.processed
