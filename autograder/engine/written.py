"""What a notebook wrote next to itself, for nbgrader, which keeps such files."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection
from pathlib import Path

from autograder.engine.files import Files
from autograder.engine.wire import MAX_BLOBS
from autograder.values.codec import MAX_BYTES

# Of all names together: a lone byte of a name takes six in JSON.
MAX_NAMES = 2**19


def new_files(folder: Path, given: Collection[str]) -> Files:
    """The plain files below a folder that have none of the given names, as many as go into one
    frame. Nobody may write to the folder any more."""
    found: Files = []
    size = names = 0
    for place, folders, here in os.walk(folder):
        folders.sort()
        for name in sorted(here):
            path = Path(place, name)
            relative = path.relative_to(folder).as_posix()
            with contextlib.suppress(OSError):
                status = path.lstat()
                if relative in given or not stat.S_ISREG(status.st_mode):
                    continue
                size, names = size + status.st_size, names + len(relative)
                if size > MAX_BYTES or names > MAX_NAMES or len(found) == MAX_BLOBS:
                    return found
                found.append((relative, path.read_bytes()))
    return found
