"""Why somebody has to look at a submission: what costs it everything, or could, in one table.

Whoever finds such a thing tells it to the learner in these words. So the summary of a run and the
report of a class know it among all that is told, also in what was graded long ago.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from autograder.i18n import _

# What lies in the folder.
NOTHING = _("No notebook was handed in; the folder held: {held}.")
NOT_OPENED = _(
    "{files}: this kind of archive cannot be opened here; hand in a zip, or the notebook."
)
BAD_ARCHIVE = _("{files}: this archive is damaged, or larger than can be looked through.")
NOT_SEARCHED = _("What lies in the folder takes too much time or memory to be looked through.")
NO_TIME = _("timestamp.txt cannot be read, so nothing is counted as late: {text}")
# The file.
NOT_A_NOTEBOOK = _("This is not a notebook.")
OF_ANOTHER_KIND = _("This is {kind} in place of a notebook.")
CANNOT_BE_OPENED = _("The file cannot be opened: {error}.")
TOO_LARGE = _(
    "The file has {size} MB; a notebook has at most {limit}: choose “Clear all outputs”, save it "
    "and hand it in again."
)
TOO_MUCH_TEXT = _(
    "The file has {size} MB; a notebook has at most {limit}, its outputs not counted."
)
TOO_SLOW = _("The file takes too much time or memory to be read.")
BAD_FORMAT = _("This notebook's format cannot be read ({error}).")
DAMAGED = _("The file is damaged; {count} whole cells could be read.")
CONFLICT = _(
    "The file holds a merge conflict of git's; what stands above each ======= was graded, and what "
    "stands below it was left out."
)
CONFLICT_BELOW = _(
    "The file holds a merge conflict of git's; what stands below each ======= was graded, and what "
    "stands above it was left out."
)
LEFT_OUT = _("{count} cells were malformed or too long and were left out.")
# What it holds.
OTHER_SET = _("This is the notebook of another set: {name}.")
UNTOUCHED = _("The notebook is as it was handed out.")
NO_CHECKS = _("None of the notebook's checks was there; all were put back.")
HELD_MORE = _(
    "The check cell of {name} held more than the check. It was put back as it was handed out; the "
    "rest counts, in a cell of its own above it."
)

LOOK = (
    NOTHING,
    NOT_OPENED,
    BAD_ARCHIVE,
    NOT_SEARCHED,
    NO_TIME,
    NOT_A_NOTEBOOK,
    OF_ANOTHER_KIND,
    CANNOT_BE_OPENED,
    TOO_LARGE,
    TOO_MUCH_TEXT,
    TOO_SLOW,
    BAD_FORMAT,
    DAMAGED,
    CONFLICT,
    CONFLICT_BELOW,
    LEFT_OUT,
    OTHER_SET,
    UNTOUCHED,
    HELD_MORE,
)
# These are told of good work, too: somebody has to look where nothing came of it.
LOOK_WHERE_NOTHING = (NO_CHECKS,)


def to_look_at(told: Iterable[str], points: float) -> list[str]:
    """What of all that is told of a submission somebody has to look at. points: what it got."""
    known = LOOK if points else (*LOOK, *LOOK_WHERE_NOTHING)
    return [text for text in told if any(_pattern(reason).fullmatch(text) for reason in known)]


@cache
def _pattern(reason: str) -> re.Pattern[str]:
    pieces = re.split(r"\{\w+\}", reason)
    return re.compile(".*".join(map(re.escape, pieces)), re.DOTALL)
