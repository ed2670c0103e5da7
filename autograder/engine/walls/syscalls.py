"""Which system calls a submission may make, as a program for the kernel (seccomp).

A list of what is refused, not of what is allowed: numerical libraries and their next versions
must go on working. Everything here is either a way out, a way to take memory that no limit
counts, or a part of the kernel that nobody's homework needs.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import tempfile

CLONE_THREAD = 0x00010000
EVERYBODY = 0xFFFFFFFF  # a pid of -1
LOW_HALF = 0xFFFFFFFF
NAMESPACES = 0x7E020080  # every CLONE_NEW* that `clone` takes

REFUSED = (
    # looking into other processes
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp"),
    *("pidfd_getfd", "perf_event_open", "userfaultfd"),
    # namespaces, mounts, roots
    *("unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "name_to_handle_at"),
    *("open_by_handle_at", "quotactl", "quotactl_fd", "fanotify_init"),
    # the machine
    *("bpf", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load"),
    *("reboot", "swapon", "swapoff", "acct", "settimeofday", "clock_settime", "clock_adjtime"),
    *("adjtimex", "sethostname", "setdomainname", "iopl", "ioperm", "syslog", "vhangup"),
    *("personality", "nfsservctl", "lookup_dcookie", "modify_ldt"),
    # who else opens or locks a file
    *("inotify_init", "inotify_init1", "flock"),
    # keys, which no namespace holds
    *("add_key", "request_key", "keyctl"),
    # memory outside every limit, and a second way into everything
    *("memfd_create", "memfd_secret", "shmget", "shmat", "msgget", "semget", "mq_open"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register", "io_setup", "vmsplice"),
    # more of the processor than others
    *("setpriority", "sched_setscheduler", "sched_setparam", "sched_setattr", "ioprio_set"),
)
# Locks and leases on files that all submissions may read, by which two that run at the same time
# could speak to each other: to ask for one, and to be refused one.
LOCKS = (fcntl.F_GETLK, fcntl.F_OFD_GETLK, fcntl.F_SETLEASE, fcntl.F_GETLEASE, fcntl.F_NOTIFY)
FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)


def program() -> bytes:
    """The filter as the kernel reads it. New processes are asked about, threads are not.

    Raises
    ------
    OSError where libseccomp is not installed.
    """
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError) as error:
        raise OSError(f"libseccomp is not installed ({error})") from error
    made = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    refuse = pyseccomp.ERRNO(errno.EPERM)

    def rule(action: int, name: str, *conditions: pyseccomp.Arg) -> None:
        # A name that this processor, or this library, does not know is no way in either.
        try:
            if pyseccomp.resolve_syscall(pyseccomp.system_arch(), name) < 0:
                return
        except (ValueError, OSError):
            return
        made.add_rule(action, name, *conditions)

    for name in REFUSED:
        rule(refuse, name)
    # Its arguments are in memory, where no filter looks: libraries then fall back on `clone`.
    rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    for flag in (1 << n for n in range(32) if NAMESPACES >> n & 1):
        rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    plain = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_THREAD | NAMESPACES, 0)
    rule(pyseccomp.NOTIFY, "clone", plain)
    # Everybody at once: a cell would end the snapshots, too, that earlier functions are judged by.
    rule(refuse, "kill", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, EVERYBODY, EVERYBODY))
    for command in LOCKS:
        rule(refuse, "fcntl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, LOW_HALF, command))
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
        return file.read()
