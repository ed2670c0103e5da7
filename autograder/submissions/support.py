"""What lies beside a notebook while it is graded: the released files, and the learner's own.

Of two files of one name the released one lies there: whoever changed what was handed out is told.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbformat import NotebookNode

from autograder.i18n import _
from autograder.judging.show import printable

MOST_BYTES = 2**20
MOST_FILES = 100


@contextmanager
def support_files(released: Path, handed_in: Path, notebook: NotebookNode) -> Iterator[Path]:
    """The folder that a session gets.

    released: the files of the set. handed_in: a learner's folder; of what is in there the plain
    files are taken that the notebook names, as a module or by their whole name.
    """
    own, _told = own_files(released, handed_in, notebook)
    if not own:
        yield released
        return
    with tempfile.TemporaryDirectory(prefix="autograder-support-") as scratch:
        folder = Path(scratch, "files")
        shutil.copytree(released, folder)
        for file in own:
            shutil.copyfile(file, folder / file.name)
        yield folder


def own_files(
    released: Path, handed_in: Path, notebook: NotebookNode
) -> tuple[list[Path], list[str]]:
    """The learner's own files that a notebook is graded with, and what to tell of the others."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    own, told, left = [], [], MOST_BYTES
    for file in sorted(handed_in.iterdir())[:MOST_FILES] if handed_in.is_dir() else ():
        name = file.stem if file.suffix == ".py" else file.name
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or file.suffix == ".ipynb" or name not in code:
            continue
        course = released / file.name
        if course.exists():
            if status.st_size > MOST_BYTES or not _same_text(file, course):
                text = _(
                    "{file} was changed. Your notebook was graded with the file that was handed "
                    "out; what is your own belongs in a cell, or in a file of another name."
                )
                told.append(text.format(file=printable(file.name)))
        elif status.st_size > left:
            text = _("{file} is too large, and was not there when your notebook was graded.")
            told.append(text.format(file=printable(file.name)))
        else:
            left -= status.st_size
            own.append(file)
    return own, told


def _same_text(one: Path, other: Path) -> bool:
    """Whether two files differ in the ends of lines at most: editors and e-mail change those."""
    return one.read_bytes().split() == other.read_bytes().split()
