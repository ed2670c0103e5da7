"""From a learner's file to marks: read, repair, run, judge, write down."""


class Stopped(RuntimeError):
    """A class run cannot go on. Says why, what to do, and that nothing is lost."""
