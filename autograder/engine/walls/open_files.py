"""Open files that came along into a fork, opened anew: nothing is shared with its parent then."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat


def open_anew(proc: int) -> None:
    """In a fork: open every file again that came along open, at the place where it is.

    Place and locks of an open file are one for all who have it open by way of forks: by these one
    session could leave a message for the next.

    proc: a descriptor of /proc.

    Raises
    ------
    OSError where a file is not there any more.
    """
    folder = os.open("self/fd", os.O_RDONLY | os.O_DIRECTORY, dir_fd=proc)
    try:
        numbers = [int(name) for name in os.listdir(folder)]
        for number in numbers:
            try:
                flags = fcntl.fcntl(number, fcntl.F_GETFL)
                mode = os.fstat(number).st_mode
            except OSError:  # the listing's own
                continue
            if number == folder or flags & os.O_PATH or not _has_a_place(mode):
                continue
            path = os.readlink(str(number), dir_fd=folder)
            if path.startswith("/"):  # no file of the kernel's own, such as a namespace
                _open_anew(number, path, flags)
    finally:
        os.close(folder)


def _has_a_place(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISCHR(mode) or stat.S_ISDIR(mode)


def _open_anew(number: int, path: str, flags: int) -> None:
    kept = os.O_ACCMODE | os.O_APPEND | os.O_NONBLOCK
    fresh = os.open(path, flags & kept)
    try:
        if not os.path.sameopenfile(number, fresh):
            raise FileNotFoundError(f"{path} is another file now")
        with contextlib.suppress(OSError):  # a device has no place
            os.lseek(fresh, os.lseek(number, 0, os.SEEK_CUR), os.SEEK_SET)
        os.dup2(fresh, number, os.get_inheritable(number))
    finally:
        os.close(fresh)
