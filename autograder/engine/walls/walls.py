"""The walls around a submission, layer by layer, and which of them this kernel refuses.

The warm process raises the first ones around itself before it imports a library (`Walls.raise_`);
each session gets its own namespaces and scratch folder (`around_session`); the notebook's process
gives up what is left of its rights (`around_notebook`). From then on nothing brings them back.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.engine.files import Files, furnish
from autograder.engine.walls import jail, kernel, syscalls
from autograder.engine.walls.memory import Group
from autograder.engine.walls.open_files import open_anew

CPU_GRACE = 2
# The kernel's word for the first that it ends where it runs out of memory.
FIRST_TO_GO = b"1000"
OPEN_FILES = 256
# Kept from the cells: where all are taken, no snapshot could be spoken to.
SPARE_FILES = 16
FIRST_UID = 2**30
CAP_SYS_ADMIN = 21
# Memory that no file stands for: of a process, and its share of what it has with others.
ANONYMOUS = ("RssAnon:", "RssShmem:")
SHARES = ("Pss_Anon:", "Pss_Shmem:")
UNTOLD = 4
NAMESPACES = {
    "mount namespace": kernel.CLONE_NEWNS,
    "network namespace": kernel.CLONE_NEWNET,
    "ipc namespace": kernel.CLONE_NEWIPC,
    "uts namespace": kernel.CLONE_NEWUTS,
}


@dataclass
class Walls:
    """What stands around the warm process and its sessions.

    standing: the layers, in the order in which they were raised.
    refused: the layers that the kernel refuses, and what it said.
    """

    standing: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    _program: bytes = b""
    _proc: int = -1
    _pids: int = -1
    _uids: range = range(0)
    _below_tmp: list[Path] = field(default_factory=list)
    _groups: int = -1
    _group: Group | None = None

    def has(self, layer: str) -> bool:
        """Whether a layer stands."""
        return layer in self.standing

    def raise_(self, folder: Path, groups: Path | None = None, *, nothing: bool = False) -> None:
        """Raise the first walls around this process, whose only thread this is. It goes on as a
        fork of itself. folder: this process's own. groups: where control groups are made for
        sessions. nothing: as if the kernel refused it all."""
        self._proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
        if nothing:
            self.refused["every wall"] = "left out on request"
            return
        if groups is not None:
            self._groups = os.open(groups, os.O_PATH | os.O_DIRECTORY)
        if not self._is_privileged():
            self._try("user namespace", self._new_user)
        for layer, flag in NAMESPACES.items():
            self._try(layer, kernel.unshare, flag)
        self._try("process namespace", self._new_pids)
        if self.has("mount namespace"):
            self._try("root folder", self._build_room, folder)
        if self.has("root folder") and os.getuid() == 0 and not self.has("user namespace"):
            self._try("own user", self._find_uids)
        self._try("Landlock", kernel.landlock_version)
        self._try("system calls", self._load_program)
        self._rehearse()

    def _try(self, layer: str, work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
            self.standing.append(layer)
        except OSError as error:
            self.refused[layer] = error.strerror or str(error)

    def _is_privileged(self) -> bool:
        """Whether this process may make namespaces: root may not in every container."""
        lines = self._read("self/status").splitlines()
        [mask] = [line.split()[1] for line in lines if line.startswith("CapEff:")]
        return bool(int(mask, 16) >> CAP_SYS_ADMIN & 1)

    def _build_room(self, folder: Path) -> None:
        self._below_tmp = jail.build(folder)

    def _new_user(self) -> None:
        """Without that right: whoever made a user namespace may make the others in it."""
        user, group = os.getuid(), os.getgid()
        kernel.unshare(kernel.CLONE_NEWUSER)
        self._write("self/setgroups", b"deny")
        self._write("self/uid_map", f"{user} {user} 1".encode())
        self._write("self/gid_map", f"{group} {group} 1".encode())

    def _write(self, name: str, data: bytes) -> None:
        fd = os.open(name, os.O_WRONLY, dir_fd=self._proc)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)

    def _new_pids(self) -> None:
        """Go on as the first process of a namespace: when it ends, all in there end with it."""
        kernel.unshare(kernel.CLONE_NEWPID)
        pid = os.fork()
        if pid:
            os.closerange(0, 2**16)
            os.waitpid(pid, 0)
            os._exit(0)
        self._pids = os.open("self/ns/pid", os.O_RDONLY, dir_fd=self._proc)

    def _find_uids(self) -> None:
        """Users of this machine that nobody is."""
        lines = self._read("self/uid_map").splitlines()
        ranges = [[int(word) for word in line.split()] for line in lines]
        end = max(inside + count for inside, _outside, count in ranges)
        self._uids = range(min(FIRST_UID, end // 2), min(2 * FIRST_UID, end))
        if len(self._uids) < 1000:
            raise OSError("there are no other users in this container")

    def _load_program(self) -> None:
        self._program = syscalls.program()

    def _rehearse(self) -> None:
        """Let a process that ends at once take the last steps: only then is it known that the
        kernel lets it."""
        steps = {
            "own user": lambda: self._become(self._uids[0]),
            "Landlock": self._restrict_files,
            "system calls": lambda: kernel.seccomp(self._program),
        }
        for layer in [layer for layer in steps if self.has(layer)]:
            ours, theirs = os.pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    if layer != "own user":
                        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
                    steps[layer]()
                except OSError as error:
                    os.write(theirs, (error.strerror or str(error)).encode())
                finally:
                    os._exit(0)
            os.close(theirs)
            with open(ours, "rb") as pipe:
                said = pipe.read().decode()
            os.waitpid(pid, 0)
            if said:
                self.standing.remove(layer)
                self.refused[layer] = said

    # ── A session ──────────────────────────────────────────────────────────────────────────────

    def fork_session(self) -> int:
        """Fork the first process of a session: 0 in the copy, else its pid."""
        if self._pids < 0:
            return os.fork()
        kernel.unshare(kernel.CLONE_NEWPID)
        try:
            pid = os.fork()
        except OSError:
            kernel.setns(self._pids, kernel.CLONE_NEWPID)
            raise
        if pid:
            kernel.setns(self._pids, kernel.CLONE_NEWPID)
        return pid

    def open_files_anew(self) -> None:
        """In a session's first process: share no open file with any other session."""
        open_anew(self._proc)

    def around_session(self, scratch: Path, limits: dict[str, Any], files: Files) -> int:
        """In a session's first process: its namespaces, its scratch folder with the files. Returns
        the user that the notebook will be, -1 for no other."""
        if self.has("user namespace"):
            # One more, so that the limit on processes counts this session's alone.
            with contextlib.suppress(OSError):
                self._new_user()
        for layer, flag in NAMESPACES.items():
            if self.has(layer):
                kernel.unshare(flag)
        if self.has("uts namespace"):
            socket.sethostname("notebook")
        if self._groups >= 0:
            self._group = Group(self._groups, limits["memory_bytes"])
        if self.has("root folder"):
            size = limits["scratch_bytes"] + sum(len(data) for _name, data in files)
            jail.open_scratch(size, limits["scratch_files"] + len(files), self._below_tmp)
            if limits["processes"]:
                jail.open_terminals()
            jail.close_room()
        uid = random.SystemRandom().choice(self._uids) if self.has("own user") else -1
        furnish(scratch, files, uid)
        return uid

    @property
    def counts_memory(self) -> bool:
        """Whether the kernel bounds what the processes of this session take together."""
        return self._group is not None

    def ended_for_memory(self) -> int:
        """How many processes of this session the kernel has ended because of that bound."""
        return self._group.ended() if self._group else 0

    def end_session(self) -> None:
        """In a session's first process, the only one that is left."""
        if self._group:
            self._group.remove()

    def below(self) -> dict[int, int]:
        """What came of this process and still runs: the number of threads of each process, by its
        number outside the walls. Their `stat` may be read by anybody, unlike their namespaces,
        which no ordinary user is shown of a process as closed as these."""
        own = int(os.readlink("self", dir_fd=self._proc))
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._proc)
        try:
            names = [name for name in os.listdir(folder) if name.isdecimal()]
        finally:
            os.close(folder)
        parents: dict[int, int] = {}
        threads: dict[int, int] = {}
        for name in names:
            with contextlib.suppress(OSError):
                state, parent, *rest = self._read(f"{name}/stat").rpartition(")")[2].split()
                if state not in "ZX":
                    parents[int(name)], threads[int(name)] = int(parent), int(rest[15])
        below, found = {own}, -1
        while found != len(below):
            found = len(below)
            below |= {pid for pid, parent in parents.items() if parent in below}
        return {pid: threads[pid] for pid in below - {own}}

    def greediest(self, most: int) -> list[int]:
        """The largest processes below this one, by their numbers here, with whose end all together
        take no more than so many bytes beside what they were forked with; mostly none."""
        own = _memory(self._read("self/status"))
        taken: dict[int, int] = {}
        shares: list[str] = []
        for outside in self.below():
            with contextlib.suppress(OSError):
                status = self._read(f"{outside}/status")
                taken[_number_here(status)] = max(0, _memory(status) - own)
                shares.append(f"{outside}/smaps_rollup")
        # What forks share is counted in each of them: to be told apart, which takes longer.
        excess = sum(taken.values()) - most
        if excess > 0:
            try:
                excess = sum(_memory(self._read(name), SHARES) for name in shares) - own - most
            except PermissionError:
                # An ordinary user is not told. So much more no honest notebook's forks share.
                excess -= (UNTOLD - 1) * most
            except OSError:  # one has ended: the next count will tell
                return []
        chosen: list[int] = []
        for pid in sorted(taken, key=taken.__getitem__, reverse=True):
            if excess > 0:
                chosen.append(pid)
                excess -= taken[pid]
        return chosen

    def stood_in_line(self, pid: int) -> float:
        """The seconds that a process below this one was ready to run, and no processor was free for
        it; 0 where nobody can tell. pid: its number here."""
        for outside in self.below():
            with contextlib.suppress(OSError):
                if _number_here(self._read(f"{outside}/status")) == pid:
                    return kernel.in_line(self._read(f"{outside}/schedstat"))
        return 0.0

    def _read(self, name: str) -> str:
        fd = os.open(name, os.O_RDONLY, dir_fd=self._proc)
        with os.fdopen(fd) as file:
            return file.read()

    def size(self) -> int:
        """The address space that this process has taken, in bytes."""
        return int(self._read("self/statm").split()[0]) * resource.getpagesize()

    # ── The notebook ───────────────────────────────────────────────────────────────────────────

    def around_notebook(self, uid: int) -> int:
        """In the notebook's process, last but for the limits. Returns the descriptor on which the
        kernel asks whether it may fork, -1 where it does not ask."""
        listener = -1
        with contextlib.suppress(OSError):
            self._write("self/oom_score_adj", FIRST_TO_GO)
        if self._group:
            self._group.join()
            self._group.close()
        if self.has("own user"):
            self._become(uid)
        if self.standing:
            kernel.drop_capabilities()
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
            kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        if self.has("Landlock"):
            self._restrict_files()
        for fd in (self._proc, self._pids, self._groups):
            if fd >= 0:
                os.close(fd)
        if self.has("system calls"):
            listener = kernel.seccomp(self._program)
        return listener

    def _become(self, uid: int) -> None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)

    def _restrict_files(self) -> None:
        """Read all of the room, write below the scratch folder and to the devices."""
        if not self.has("root folder"):
            return
        opened = [os.open(p, os.O_PATH) for p in ("/", jail.SCRATCH, jail.TMP, "/dev")]
        try:
            kernel.landlock(opened[:1], opened[1:])
        finally:
            for fd in opened:
                os.close(fd)


def _memory(told: str, kinds: tuple[str, ...] = ANONYMOUS) -> int:
    """The bytes of memory of some kinds in what the kernel tells of a process."""
    lines = [line.split() for line in told.splitlines()]
    return sum(1024 * int(line[1]) for line in lines if line[0] in kinds)


def _number_here(status: str) -> int:
    """A process's number in the innermost namespace, from its status."""
    [names] = [line.split() for line in status.splitlines() if line.startswith("NSpid:")]
    return int(names[-1])


def limit(limits: dict[str, Any], size: int) -> None:
    """Put the kernel's limits on this process and all that it starts. size: the address space
    that it has already, in bytes."""
    cpu = int(limits["cpu_seconds"])
    wanted = {
        resource.RLIMIT_AS: (limits["memory_bytes"] + size,) * 2,
        resource.RLIMIT_FSIZE: (limits["file_bytes"],) * 2,
        resource.RLIMIT_CPU: (cpu, cpu + CPU_GRACE),
        resource.RLIMIT_NPROC: (limits["tasks"],) * 2,
        resource.RLIMIT_NOFILE: (OPEN_FILES, OPEN_FILES + SPARE_FILES),
        resource.RLIMIT_CORE: (0, 0),
    }
    for kind, (soft, hard) in wanted.items():
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (soft, hard))


def narrow(most: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Hold this process to what one cell may use up: the kernel's soft limits, which who means ill
    can raise again as far as those of the session go, and no further.

    most: the session's. wanted: no more than these, the seconds from now on.
    """
    used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    fewer = sum(most[name] - wanted[name] for name in ("threads", "processes"))
    softer = {
        resource.RLIMIT_AS: lambda hard: hard - (most["memory_bytes"] - wanted["memory_bytes"]),
        resource.RLIMIT_FSIZE: lambda hard: wanted["file_bytes"],
        resource.RLIMIT_CPU: lambda hard: min(used + int(wanted["cpu_seconds"]), hard - CPU_GRACE),
        resource.RLIMIT_NPROC: lambda hard: hard - fewer,
    }
    for kind, soft in softer.items():
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(kind, (max(0, min(soft(hard), hard)), hard))
