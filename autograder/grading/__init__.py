"""Grading submissions with nbgrader, for the instructor."""


class Stopped(RuntimeError):
    """A class run cannot go on. Says why, what to do, and that nothing is lost."""
