"""What lies beside a notebook while it is graded: the released files, and the learner's own.

Of two files of one name the released one lies there: whoever changed what was handed out is told.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from nbformat import NotebookNode

from autograder.i18n import _
from autograder.judging.show import printable

MOST_BYTES = 4 * 2**20
MOST_FILES = 100
# Files of a folder that are looked at: who hands a virtual environment in has thousands.
MOST_SEEN = 300
MOST_DEEP = 8
MODULES = tuple(importlib.machinery.all_suffixes())
# Modules of Python's own that nothing imports: learners take their names.
FREE = {"test", "this"}


@contextmanager
def support_files(
    released: Path, handed_in: Path, notebook: NotebookNode, *, shared: bool = False
) -> Iterator[Path]:
    """The folder that a session gets: the files of the set, and the learner's own; see `own_files`.

    released: the files of the set. handed_in: a learner's folder.
    """
    own, _told = own_files(released, handed_in, notebook, shared=shared)
    if not own:
        yield released
        return
    with tempfile.TemporaryDirectory(prefix="autograder-support-") as scratch:
        folder = Path(scratch, "files")
        shutil.copytree(released, folder)
        for file in own:
            place = folder / file.relative_to(handed_in)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
        yield folder


def own_files(
    released: Path, handed_in: Path, notebook: NotebookNode, *, shared: bool = False
) -> tuple[list[Path], list[str]]:
    """The learner's own files that a notebook is graded with, as in the folder of a kernel: those
    that it names first, then the others, as far as there is room. And what to tell of those that it
    names and does not get.

    shared: whether the folder may hold files of others; nothing is taken from there.
    """
    files = list(_plain_files(handed_in))
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    named = _named(files, code)
    own: list[Path] = []
    told, left = [], MOST_BYTES
    for file in [*named, *(file for file in files if file not in named)]:
        name = file.relative_to(handed_in)
        why = _why_not(released, file, name)
        if why is None and shared:
            why = _("{file} was not there when the notebook was graded: other work lies beside it.")
        if why is None:
            size = file.lstat().st_size
            if size <= left and len(own) < MOST_FILES:
                left -= size
                own.append(file)
                continue
            why = _("{file} is too large, and was not there when your notebook was graded.")
        if why and file in named:
            told.append(why.format(file=printable(str(name))))
    return own, told


def lies_alone(notebook: Path, others: Collection[Path]) -> bool:
    """Whether what lies beside a notebook can be taken for its own: there is no other, nor anything
    else that is graded with it. Of a script nobody can tell."""
    folder = notebook.parent
    if notebook.suffix != ".ipynb" or sum(path.parent == folder for path in others) > 1:
        return False
    beside = [path for path in folder.iterdir() if path.name != notebook.name]
    return not any(path.suffix == ".ipynb" for path in beside)


def _plain_files(folder: Path) -> Iterator[Path]:
    """What may be a learner's own, the nearest first: no links, no notebooks, nothing hidden."""
    seen = 0
    for place, folders, names in os.walk(folder):
        deep = len(Path(place).relative_to(folder).parts) >= MOST_DEEP
        folders[:] = sorted(name for name in folders if not (deep or name.startswith((".", "__"))))
        for name in sorted(names):
            path = Path(place, name)
            seen += 1
            if seen > MOST_SEEN:
                return
            hidden = name.startswith(".") or not str(path.relative_to(folder)).isprintable()
            if hidden or name == "timestamp.txt" or path.suffix == ".ipynb":
                continue
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def _says(text: str, name: str) -> bool:
    """Whether a file's whole name stands there: `plt.show` names no `t.sh`."""
    return name in text and bool(re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text))


def _named(files: list[Path], code: str) -> list[Path]:
    """The files that a notebook names, as a module or by their whole name, and those that these
    modules name."""
    found: list[Path] = []
    texts = [code]
    while texts:
        text = texts.pop()
        # Not with one expression for a whole line: that may take any time.
        imports = "\n".join(line for line in text.splitlines() if "import" in line)
        modules = set(re.findall(r"\w+", imports))
        for file in files:
            is_module = file.suffix == ".py" and modules & {file.stem, *file.parent.parts[-1:]}
            if file not in found and (is_module or _says(text, file.name)):
                found.append(file)
                if file.suffix == ".py" and file.lstat().st_size <= MOST_BYTES:
                    texts.append(file.read_text("utf-8", errors="replace"))
    return found


def _why_not(released: Path, file: Path, name: Path) -> str | None:
    """Why a file is none that a notebook can be graded with: a sentence, or nothing to say."""
    course = released / name
    if course.is_file():
        size = file.lstat().st_size
        if size <= MOST_BYTES and _same_text(file, course):
            return ""
        return _(
            "{file} was changed. Your notebook was graded with the file that was handed "
            "out; what is your own belongs in a cell, or in a file of another name."
        )
    # Formgrader's loop leaves them out: a solution that lies beside a notebook is not released.
    if name.suffix in (".py", ".md") and (released.parent / name.stem).is_dir():
        return _(
            "{file} has the name of one of the course's sets, and was not there when your notebook "
            "was graded: give it another."
        )
    if course.exists() or any((released / above).is_file() for above in name.parents):
        return ""
    if file.name.endswith(MODULES) and _is_taken(name.parts[0].partition(".")[0]):
        return _(
            "{file} has the name of a library, and was not there when your notebook was graded: "
            "give it another."
        )
    return None


@lru_cache(maxsize=256)
def _is_taken(module: str) -> bool:
    """Whether Python or a library has a module of this name, which what grades may import."""
    if module in FREE or not module.isidentifier():
        return False
    if module == "autograder" or module in sys.stdlib_module_names:
        return True
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return True
    # What lies in the course's folder is not there in a session.
    places = (sys.prefix, sys.base_prefix)
    return found is not None and str(found.origin).startswith(places)


def _same_text(one: Path, other: Path) -> bool:
    """Whether two files differ in the ends of lines at most: editors and e-mail change those."""
    return one.read_bytes().split() == other.read_bytes().split()
