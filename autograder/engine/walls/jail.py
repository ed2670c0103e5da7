"""The files that a submission sees: the Python installation, read-only, and a scratch folder.

The warm process walls itself in once; each session gets a scratch folder of its own, in memory,
which is gone when its last process is. Python and the course keep their paths, wherever they lie:
what the room makes for itself stands beside them (`SCRATCH`) or around them (`open_tmp`).
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from pathlib import Path

import autograder
from autograder.engine.files import FOLDERS
from autograder.engine.walls.kernel import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    mount,
    pivot_root,
)


def _unused() -> Path:
    """A name at the very top that this system has no use for. What a submission is shown begins
    with a name that is in use there, so that the scratch folder covers none of it."""
    names = itertools.chain(["/scratch"], (f"/scratch-{n}" for n in itertools.count(1)))
    return next(Path(name) for name in names if not os.path.lexists(name))


PACKAGE = Path(autograder.__file__).resolve().parent
SCRATCH = _unused()
TMP = Path("/tmp")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime")
VIRTUAL = ("pyvenv.cfg", "bin", "lib", "lib64", "include")
DEVICES = ("null", "zero", "full", "random", "urandom")
NOBODY = f"learner:x:65534:65534::{SCRATCH}/home:/usr/sbin/nologin\n"
READ_ONLY = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV
ROOM_BYTES = 2**20
# The files behind the descriptors 1 and 2 of a notebook's process.
DESCRIPTORS = 2


def build(folder: Path) -> list[Path]:
    """Make a room, which is the root of everything that this process sees from now on. The process
    needs a mount namespace of its own.

    folder: where the room is mounted. matplotlib's list of fonts in there is taken along.

    Returns
    -------
    what is shown below /tmp, for `open_tmp`.

    Raises
    ------
    OSError with what the kernel refused.
    """
    room = folder / "room"
    room.mkdir()
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("tmpfs", str(room), "tmpfs", MS_NOSUID | MS_NODEV, f"size={ROOM_BYTES},mode=755")
    shown: list[Path] = []
    for path in found():
        _show(path, room, shown)
    _hide_the_course(room, shown)
    for name in DEVICES:
        place = _file(room / "dev" / name)
        mount(f"/dev/{name}", str(place), "", MS_BIND)
        # They take what they are given all the same, but nobody sets their times.
        mount("none", str(place), "", READ_ONLY & ~MS_NODEV | MS_NOEXEC)
    (room / "dev" / "pts").mkdir()
    (room / "dev" / "ptmx").symlink_to("pts/ptmx")
    (room / "etc" / "passwd").write_text(f"root:x:0:0::/:/usr/sbin/nologin\n{NOBODY}")
    (room / "etc" / "group").write_text("root:x:0:\nlearner:x:65534:\n")
    (room / "tmp").mkdir(exist_ok=True)
    scratch = room / SCRATCH.relative_to("/")
    # What a session's own scratch folder covers is still there for the warm process itself.
    shutil.copytree(folder / "matplotlib", scratch / "matplotlib")
    pivot_root(str(room))
    return [path for path in shown if path.is_relative_to(TMP)]


def close_room() -> None:
    """Nothing can be written any more in the room itself. The process needs a mount namespace of
    its own."""
    mount("none", "/", "", READ_ONLY)


def found() -> list[Path]:
    """What is shown, read-only: the system's programs and libraries, Python, this package."""
    python = [p for p in (sys.base_prefix, sys.base_exec_prefix) if p != "/"]
    # A virtual environment may have been made in the folder of the course itself.
    for prefix in {sys.prefix, sys.exec_prefix} - set(python):
        python += [os.path.join(prefix, part) for part in VIRTUAL]
    settings = [Path("/etc") / name for name in SETTINGS]
    return [*map(Path, SYSTEM), *settings, *map(Path, python), PACKAGE]


def _show(path: Path, room: Path, shown: list[Path]) -> None:
    if not path.exists() or any(path.is_relative_to(other) for other in shown):
        return
    place = room / path.relative_to("/")
    shown.append(path)
    if path.is_symlink():
        _stand_in(path, place)
        _show(path.resolve(), room, shown)
        return
    _stand_in(path, place)
    kept = MS_NOEXEC if os.statvfs(path).f_flag & os.ST_NOEXEC else 0
    mount("none", str(place), "", READ_ONLY | kept)


def _stand_in(path: Path, place: Path) -> None:
    """Have something at another place as well: a link as a link, all else by a mount."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        place.symlink_to(os.readlink(path))
        return
    if path.is_dir():
        place.mkdir(exist_ok=True)
    else:
        place.touch()
    mount(str(path), str(place), "", MS_BIND | MS_REC)


def _hide_the_course(room: Path, shown: list[Path]) -> None:
    """A checkout below what is shown, /usr/local say: of it, this package and Python alone."""
    root = PACKAGE.parent
    below = any(root.is_relative_to(other) and root != other for other in shown)
    if not below or not (root / "pyproject.toml").exists():
        return
    place = str(room / root.relative_to("/"))
    mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, f"size={ROOM_BYTES},mode=755")
    again: list[Path] = []
    for path in found():
        if path.is_relative_to(root):
            _show(path, room, again)
    mount("none", place, "", READ_ONLY)


def _file(place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    return place


def open_scratch(size: int, files: int, below_tmp: list[Path]) -> None:
    """Mount an empty scratch folder over the one before, for so many bytes in so many files. The
    process needs a mount namespace of its own. below_tmp: see `open_tmp`."""
    files += len(FOLDERS) + 1 + DESCRIPTORS + sum(len(path.parts) for path in below_tmp)
    mount(
        "tmpfs",
        str(SCRATCH),
        "tmpfs",
        MS_NOSUID | MS_NODEV,
        f"size={size},nr_inodes={files},mode=755",
    )
    open_tmp(below_tmp)


def open_tmp(shown: list[Path]) -> None:
    """Let /tmp be a folder of the scratch folder. shown: what of Python and the course lies below
    /tmp, and still does afterwards."""
    own = SCRATCH / TMP.name
    own.mkdir()
    for path in shown:
        _stand_in(path, own / path.relative_to(TMP))
    mount(str(own), str(TMP), "", MS_BIND | MS_REC)


def open_terminals() -> None:
    """Give the session terminals of its own: what a shell started from a cell asks for."""
    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666")
