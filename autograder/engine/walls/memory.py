"""Control groups: the kernel's bound on what all processes of a session take together, and what
they write to the scratch folder, which is in memory as well.

Who starts the warm process makes a group for it where there is a place for one (`make_room`), each
session has one in there. Both kinds of hierarchy will do: the old one, in which memory has a tree
of its own, and the new one, in which it must have been delegated to us.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

# What bounds memory and swap, and where the kernel counts whom it ended for it: new and old.
NEW = ("memory.max", "memory.swap.max", "memory.events")
OLD = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.oom_control")
# What the kernel keeps for processes, such as their tables of pages, is counted as well.
ROOM = 64 * 2**20


class Group:
    """The group of a session, in the folder behind a descriptor.

    Raises
    ------
    OSError where it cannot be made.
    """

    def __init__(self, folder: int, size: int) -> None:
        self._folder = folder
        self._name = f"session-{secrets.token_hex(8)}"
        os.mkdir(self._name, dir_fd=folder)
        self._fd = os.open(self._name, os.O_PATH | os.O_DIRECTORY, dir_fd=folder)
        self._kind = NEW if self._has(NEW[0]) else OLD
        self._write(self._kind[0], size + ROOM)
        # Not every kernel counts swap, and a machine may have none.
        with contextlib.suppress(OSError):
            self._write(self._kind[1], 0 if self._kind is NEW else size + ROOM)

    def join(self) -> None:
        """Let this process, and all that it starts from now on, be in the group."""
        self._write("cgroup.procs", 0)

    def ended(self) -> int:
        """How many processes of the group the kernel has ended because of its bound."""
        with open(self._kind[2], opener=self._open) as file:
            counts = dict(line.split() for line in file)
        return int(counts.get("oom_kill", 0))

    def close(self) -> None:
        """Forget it, in a process that is not to know of it."""
        os.close(self._fd)

    def remove(self) -> None:
        """Remove it. Nobody is in it any more."""
        with contextlib.suppress(OSError):
            os.rmdir(self._name, dir_fd=self._folder)

    def _has(self, name: str) -> bool:
        return os.access(name, os.F_OK, dir_fd=self._fd)

    def _open(self, name: str, flags: int) -> int:
        return os.open(name, flags, dir_fd=self._fd)

    def _write(self, name: str, number: int) -> None:
        fd = self._open(name, os.O_WRONLY)
        try:
            os.write(fd, str(number).encode())
        finally:
            os.close(fd)


def make_room(told: Path = Path("/proc/self")) -> Path | None:
    """A new folder for the groups of sessions, None where this system has no place for one that
    this process may use. told: where the kernel tells of this process."""
    for place in _places(told):
        with contextlib.suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix="autograder-", dir=place))
            if _serves(folder):
                return folder
            remove_room(folder)
    return None


def remove_room(folder: Path) -> None:
    """Remove it and the groups in it, in which nobody is any more."""
    for group in [*folder.glob("session-*"), folder]:
        with contextlib.suppress(OSError):
            group.rmdir()


def _places(told: Path) -> Iterator[Path]:
    """Where a group may perhaps be made: below the one that this process is in, or one above."""
    try:
        groups = (told / "cgroup").read_text().splitlines()
        mounts = (told / "mountinfo").read_text().splitlines()
    except OSError:
        return
    for group in groups:
        _number, controllers, path = group.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        for mount in mounts:
            before, _dash, after = mount.partition(" - ")
            root, top = before.split()[3:5]
            kind, _source, options = after.split()[:3]
            wanted = "cgroup" if controllers else "cgroup2"
            if kind != wanted or (controllers and "memory" not in options.split(",")):
                continue
            if not Path(path).is_relative_to(root):
                continue
            here = Path(path).relative_to(root)
            yield Path(top, here)
            if not controllers:
                # A group of the new kind that has processes can have none below it.
                yield from (Path(top, above) for above in here.parents)


def _serves(folder: Path) -> bool:
    """Whether groups below a folder bound memory, and a process may join one."""
    with contextlib.suppress(OSError):
        (folder / "cgroup.subtree_control").write_text("+memory")
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        group = Group(fd, 2**30)
        pid = os.fork()
        if pid == 0:
            try:
                group.join()
            except OSError:
                os._exit(1)
            os._exit(0)
        joined = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        group.close()
        group.remove()
        return joined
    except OSError:
        return False
    finally:
        os.close(fd)
