"""The names that learning platforms give to what they let you download, in one table.

The instructors' page shows it, and a test holds the two together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# What a pattern can tell. One of the first four says whose it is.
WHOSE = ("id", "user", "name", "number")
GROUPS = (*WHOSE, "last", "first", "time", "file")


@dataclass(frozen=True)
class Platform:
    """A way to name what was handed in.

    example: a file of gradient.ipynb. pattern: of a folder or
    a file, as a whole. loose: whether other names are like that, too: such a one counts where the
    roster knows whom it names, or a time stands behind it.
    """

    name: str
    example: str
    pattern: str
    loose: bool = False


PLATFORMS = (
    Platform(
        "Moodle",
        "Amara Okafor_12345_assignsubmission_file_gradient.ipynb",
        r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)(?:_(?P<file>.*))?",
    ),
    Platform(
        "Blackboard",
        "gradient_amara_attempt_2030-01-31-10-00-00_gradient.ipynb",
        r".+_(?P<id>[^_]+)_attempt_(?P<time>\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)(?:_(?P<file>.+)|\.txt)",
    ),
    Platform(
        "ILIAS",
        "Okafor_Amara_amara_4471/20300131100000_gradient.ipynb",
        r"(?P<last>[^_]+)_(?P<first>[^_]+)_(?P<id>.+)_(?P<number>\d+)",
        loose=True,
    ),
    Platform(
        "Canvas",
        "okaforamara_LATE_4711_98765_gradient.ipynb",
        r"(?P<name>[^_]+)_(?:LATE_)?(?P<user>\d+)_\d+_(?P<file>.+)",
    ),
    Platform(
        "Brightspace",
        "123456-7890 - Amara Okafor - Jan 31, 2030 1000 AM - gradient.ipynb",
        r"(?P<user>\d+)-\d+ - (?P<name>.+?) - (?P<time>\w{3,} \d{1,2}, \d{4} \d{3,4} [AP]M)"
        r"(?: - (?P<file>.+))?",
    ),
    Platform(
        "Sakai",
        "Okafor, Amara(amara)/Submission attachment(s)/gradient.ipynb",
        r"(?P<last>[^(),]+), (?P<first>[^()]+)\((?P<id>[^()]+)\)",
    ),
)
# ILIAS writes the time before the name of each file, within the learner's folder.
TIME_BEFORE = re.compile(r"(?P<time>\d{14})_(?P<file>.+)")
