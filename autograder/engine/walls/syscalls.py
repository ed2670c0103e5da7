"""Which system calls a submission may make, as a program for the kernel (seccomp).

A list of what is refused, not of what is allowed: numerical libraries and their next versions
must go on working. Everything here is a way out, a way to speak to another submission, a way to
take what no limit counts, or a part of the kernel that nobody's homework needs.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import tempfile

from autograder.engine.walls.kernel import PR_SCHED_CORE, PR_SET_DUMPABLE, PR_SET_MEMORY_MERGE

EVERYBODY = 0xFFFFFFFF  # a pid of -1
LOW_HALF = 0xFFFFFFFF
NAMESPACES = 0x7E020080  # every CLONE_NEW* that `clone` takes

REFUSED = (
    # looking into other processes
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp"),
    *("pidfd_getfd", "perf_event_open", "userfaultfd"),
    # namespaces, mounts, roots
    *("unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "name_to_handle_at", "open_by_handle_at"),
    *("quotactl", "fanotify_init"),
    # the machine
    *("bpf", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load"),
    *("reboot", "swapon", "swapoff", "acct", "settimeofday", "clock_settime", "clock_adjtime"),
    *("adjtimex", "sethostname", "setdomainname", "iopl", "ioperm", "syslog", "vhangup"),
    *("personality", "nfsservctl", "lookup_dcookie", "modify_ldt"),
    # who else opens a file, and whose reading has put it into memory
    *("inotify_init", "inotify_init1", "preadv2", "pwritev2", "mincore", "readahead"),
    # keys, which no namespace holds
    *("add_key", "request_key", "keyctl"),
    # memory outside every limit, and a second way into everything
    *("memfd_create", "shmget", "shmat", "msgget", "semget", "mq_open"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register", "io_setup", "vmsplice"),
    # more of the processor than others
    *("setpriority", "sched_setscheduler", "sched_setparam", "sched_setattr", "ioprio_set"),
    "sched_setaffinity",
)
# Said to be done, and not done. Nothing of a submission's is on a disk, so there is nothing to be
# written to one, and everybody else would wait for it. Its advice on what to keep in memory is
# about files that all read. A lock on these, or on a device, holds up other submissions and
# programs of the machine, and is seen by them; its own files it has for itself.
NOT_DONE = ("sync", "syncfs", "fsync", "fdatasync", "sync_file_range", "fadvise64", "flock")
LOCKS = (fcntl.F_SETLK, fcntl.F_SETLKW, fcntl.F_OFD_SETLK, fcntl.F_OFD_SETLKW)
WRITE_HINTS = (1035, 1036, 1037, 1038)  # F_GET_RW_HINT and its like
F_SETPIPE_SZ = 1031
MADV_MERGEABLE, MADV_COLD, MADV_PAGEOUT = 12, 20, 21
# To wake, move or take over who waits at an address, unless it is of this process alone.
FUTEX_WAKING = (1, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13)
# To wait there has a single use, for the end of a thread. Where that ends the kernel wakes whoever
# waits at an address that the thread has chosen, also in a library that all sessions see: so nobody
# waits. "Try again" is what libraries expect to hear, and they do.
FUTEX_WAITING = (0, 9)
FUTEX_PRIVATE, FUTEX_COMMAND = 128, 127
# Calls that are refused with some values of an argument: which argument, and which value.
REFUSED_WITH = (
    # who holds a lock or a lease, who opens a file, what was noted on it, pipes beyond any limit
    *(("fcntl", 1, command) for command in (fcntl.F_GETLK, fcntl.F_OFD_GETLK, fcntl.F_NOTIFY)),
    *(("fcntl", 1, command) for command in (fcntl.F_SETLEASE, fcntl.F_GETLEASE)),
    *(("fcntl", 1, command) for command in (*WRITE_HINTS, F_SETPIPE_SZ)),
    # pages that others have in memory, too
    *(("madvise", 2, advice) for advice in (MADV_MERGEABLE, MADV_COLD, MADV_PAGEOUT)),
    # a crash that somebody looks into; memory, and a processor's other half, shared or taken
    *(("prctl", 0, option) for option in (PR_SET_DUMPABLE, PR_SET_MEMORY_MERGE, PR_SCHED_CORE)),
)
FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)


# From this number on, which is the same on all processors, there are calls of which libseccomp need
# not know. The first is Linux 5.12's, and libraries do without what a kernel does not have.
TOO_NEW = 442
LOAD_NUMBER = struct.pack("=HBBI", 0x20, 0, 0, 0)
SKIP_BELOW = struct.pack("=HBBI", 0x35, 0, 1, TOO_NEW)
NO_SUCH_CALL = struct.pack("=HBBI", 0x06, 0, 0, 0x00050000 | errno.ENOSYS)


def program() -> bytes:
    """The filter as the kernel reads it. New processes and threads are asked about.

    Raises
    ------
    OSError where libseccomp is not installed.
    """
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError) as error:
        raise OSError(f"libseccomp is not installed ({error})") from error
    made = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    refuse, say_done = pyseccomp.ERRNO(errno.EPERM), pyseccomp.ERRNO(0)

    def rule(action: int, name: str, *conditions: pyseccomp.Arg) -> None:
        # A name that this processor does not know is no way in either.
        try:
            if pyseccomp.resolve_syscall(pyseccomp.system_arch(), name) < 0:
                return
        except (ValueError, OSError):
            return
        made.add_rule(action, name, *conditions)

    def equals(argument: int, value: int, mask: int = LOW_HALF) -> pyseccomp.Arg:
        return pyseccomp.Arg(argument, pyseccomp.MASKED_EQ, mask, value)

    for name in REFUSED:
        rule(refuse, name)
    for name in NOT_DONE:
        rule(say_done, name)
    for lock in LOCKS:
        rule(say_done, "fcntl", equals(1, lock))
    for name, argument, value in REFUSED_WITH:
        rule(refuse, name, equals(argument, value))
    for command in FUTEX_WAKING:
        rule(refuse, "futex", equals(1, command, FUTEX_PRIVATE | FUTEX_COMMAND))
    for command in FUTEX_WAITING:
        again = pyseccomp.ERRNO(errno.EAGAIN)
        rule(again, "futex", equals(1, command, FUTEX_PRIVATE | FUTEX_COMMAND))
    # The limits of another process, which is the keeper or a snapshot.
    rule(refuse, "prlimit64", pyseccomp.Arg(0, pyseccomp.NE, 0))
    # Its arguments are in memory, where no filter looks: libraries then fall back on `clone`.
    rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    for flag in (1 << n for n in range(32) if NAMESPACES >> n & 1):
        rule(refuse, "clone", equals(0, flag, flag))
    rule(pyseccomp.NOTIFY, "clone", equals(0, 0, NAMESPACES))
    # Everybody at once: a cell would end the snapshots, too, that earlier functions are judged by.
    rule(refuse, "kill", equals(0, EVERYBODY))
    for name in ("fork", "vfork"):
        rule(pyseccomp.NOTIFY, name)
    # Others, such as AF_VSOCK, reach past the network namespace.
    for low, high in zip((-1, *FAMILIES), (*FAMILIES, None), strict=True):
        if high is None:
            rule(refuse, "socket", pyseccomp.Arg(0, pyseccomp.GT, low))
        else:
            for family in range(low + 1, high):
                rule(refuse, "socket", pyseccomp.Arg(0, pyseccomp.EQ, family))
    with tempfile.TemporaryFile() as file:
        made.export_bpf(file)
        file.seek(0)
        return LOAD_NUMBER + SKIP_BELOW + NO_SUCH_CALL + file.read()
