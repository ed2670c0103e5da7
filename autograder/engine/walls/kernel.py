"""What Linux offers and Python 3.11's `os` does not: namespaces, mounts, Landlock, seccomp.

Thin calls through ctypes; each raises OSError with what the kernel said.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import struct
from collections.abc import Iterable

CLONE_THREAD = 0x00010000
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SCHED_CORE = 62
PR_SET_MEMORY_MERGE = 67
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
SYS_CLONE = {"x86_64": 56, "aarch64": 220}
SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}
SYS_CAPSET = {"x86_64": 126, "aarch64": 91}
# The same number everywhere.
SYS_LANDLOCK_CREATE_RULESET = 444
SYS_LANDLOCK_ADD_RULE = 445
SYS_LANDLOCK_RESTRICT_SELF = 446

CAPABILITIES = 64
CAPABILITY_VERSION = 0x20080522

LANDLOCK_READ = 0b1101  # execute, read a file, read a folder
LANDLOCK_SCOPES = 0b11  # abstract Unix sockets, signals
# How many rights on files each version of Landlock knows.
LANDLOCK_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}

SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3
NOTIFICATION = struct.Struct("=QIIiIQ6Q")
RESPONSE = struct.Struct("=QqiI")
NOTIF_RECV = 0xC0502100
NOTIF_SEND = 0xC0182101
NOTIF_CONTINUE = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _number(table: dict[str, int], what: str) -> int:
    machine = os.uname().machine
    if machine not in table:
        raise OSError(f"{what}: not known for the processor {machine}")
    return table[machine]


def unshare(flags: int) -> None:
    """Leave namespaces for new ones; see unshare(2)."""
    _checked(_libc.unshare(flags), "unshare")


def setns(fd: int, flags: int) -> None:
    """Enter a namespace; see setns(2)."""
    _checked(_libc.setns(fd, flags), "setns")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Mount; see mount(2)."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode(),
        ctypes.c_ulong(flags),
        data.encode() if data else None,
    )
    _checked(result, f"mount {target}")


def pivot_root(new_root: str) -> None:
    """Make a mount point the root, and let go of the old one."""
    os.chdir(new_root)
    number = _number(SYS_PIVOT_ROOT, "pivot_root")
    _checked(_libc.syscall(number, b".", b"."), "pivot_root")
    _checked(_libc.umount2(b".", MNT_DETACH), "umount of the old root")
    os.chdir("/")


def prctl(option: int, value: int = 0) -> None:
    """See prctl(2)."""
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero), f"prctl {option}")


def drop_capabilities() -> None:
    """Give up every capability, for good."""
    for capability in range(CAPABILITIES):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # beyond the last that this kernel knows, or it may not: capset follows
            break
    header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
    result = _libc.syscall(_number(SYS_CAPSET, "capset"), header, struct.pack("=6I", *[0] * 6))
    _checked(result, "capset")


def landlock_version() -> int:
    """The version of Landlock that the kernel has.

    Raises
    ------
    OSError where it has none.
    """
    return int(_checked(_libc.syscall(SYS_LANDLOCK_CREATE_RULESET, None, 0, 1), "landlock"))


def landlock(readable: Iterable[int], writable: Iterable[int]) -> None:
    """Restrict this process to reading below some folders and doing anything below others.

    readable, writable: descriptors of the folders. Needs `PR_SET_NO_NEW_PRIVS`.
    """
    version = landlock_version()
    every = (1 << LANDLOCK_RIGHTS.get(version, 16)) - 1
    fields = [every]
    if version >= 4:
        fields.append(0)  # the network has walls of its own
    if version >= 6:
        fields.append(LANDLOCK_SCOPES)
    made = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _checked(
        _libc.syscall(SYS_LANDLOCK_CREATE_RULESET, made, len(made), 0), "landlock ruleset"
    )
    try:
        for rights, folders in ((LANDLOCK_READ, readable), (every, writable)):
            for fd in folders:
                rule = struct.pack("=Qi", rights, fd)
                added = _libc.syscall(SYS_LANDLOCK_ADD_RULE, ruleset, 1, rule, 0)
                _checked(added, "landlock rule")
        _checked(_libc.syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0), "landlock")
    finally:
        os.close(ruleset)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def seccomp(program: bytes) -> int:
    """Filter this process's system calls from now on. Returns the descriptor on which the kernel
    asks about those that the program leaves to somebody else. Needs `PR_SET_NO_NEW_PRIVS`."""
    made = _Program(len(program) // 8, program)
    number = _number(SYS_SECCOMP, "seccomp")
    flags = SECCOMP_FILTER_FLAG_NEW_LISTENER
    result = _libc.syscall(number, SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(made))
    return _checked(result, "seccomp")


def next_question(listener: int) -> tuple[int, bool]:
    """The id of the system call that the kernel asks about, and whether it is to start a thread."""
    buffer = bytearray(NOTIFICATION.size)
    fcntl.ioctl(listener, NOTIF_RECV, buffer)
    question, _pid, _flags, number, _arch, _place, flags, *_rest = NOTIFICATION.unpack(buffer)
    return question, number == SYS_CLONE.get(os.uname().machine) and bool(flags & CLONE_THREAD)


def answer_question(listener: int, question: int, *, refuse_with: int = 0) -> None:
    """Let a system call go on, or fail with an error number."""
    allowed = 0 if refuse_with else NOTIF_CONTINUE
    fcntl.ioctl(listener, NOTIF_SEND, RESPONSE.pack(question, 0, -refuse_with, allowed))


def own_size() -> int:
    """The address space that this process has taken."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 2**30


def in_line(schedstat: str) -> float:
    """The seconds for which a thread waited for a processor, from what the kernel says of it."""
    return int(schedstat.split()[1]) / 1e9
