"""A session's scratch folder: what is in it at the start, and the environment that points there."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

FOLDERS = ("work", "home", "tmp", "matplotlib")

Files = list[tuple[str, bytes]]
"""Names below the folder in which a notebook works, with "/", and contents. A name that ends in
"/" is a folder's."""


def read_files(folder: Path | None) -> Files:
    """The plain files below a folder. Links, sockets and devices are left out."""
    found: Files = []
    for place, folders, names in os.walk(folder) if folder else ():
        folders.sort()
        if Path(place) != folder:
            found.append((Path(place).relative_to(str(folder)).as_posix() + "/", b""))
        for name in sorted(names):
            path = Path(place, name)
            if stat.S_ISREG(path.lstat().st_mode):
                found.append((path.relative_to(str(folder)).as_posix(), path.read_bytes()))
    return found


def furnish(scratch: Path, files: Files, owner: int) -> None:
    """Put the folders and a session's files into its scratch folder. owner: whose they will be,
    -1 for nobody else's."""
    for name in FOLDERS:
        _give(scratch / name, owner)
    for name, data in files:
        place = scratch / "work" / name
        if name.endswith("/"):
            _give(place, owner)
            continue
        place.write_bytes(data)
        if owner >= 0:
            os.chown(place, owner, owner)


def _give(folder: Path, owner: int) -> None:
    folder.mkdir(exist_ok=True)
    if owner >= 0:
        os.chown(folder, owner, owner)


def environment(scratch: Path) -> dict[str, str]:
    """What a submission sees of the environment: nothing of this machine's."""
    return {
        "PATH": os.path.dirname(sys.executable) + os.pathsep + os.defpath,
        "HOME": str(scratch / "home"),
        "TMPDIR": str(scratch / "tmp"),
        "IPYTHONDIR": str(scratch / "home" / ".ipython"),
        "MPLCONFIGDIR": str(scratch / "matplotlib"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "LANG": "C.UTF-8",
        # As a Jupyter kernel has them.
        "TERM": "xterm-color",
        "CLICOLOR": "1",
        "FORCE_COLOR": "1",
        "CLICOLOR_FORCE": "1",
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        # It looks for shared memory, which there is none of, and warns in the learner's cell.
        "JOBLIB_MULTIPROCESSING": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        # A process that was forked cannot use a GPU that the first one has used, nor find its way
        # back through a graph there: a snapshot would fail where the cell above it did not.
        "CUDA_VISIBLE_DEVICES": "",
        # nbgrader says so to every notebook that it grades.
        "NBGRADER_EXECUTION": "autograde",
    }
