"""What is written to the descriptors 1 and 2 past Python's streams: by programs that a cell starts,
by C code, by forks of the cell."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import tempfile


class Descriptor:
    """A descriptor whose bytes go to a file without a name, from where they are read again.

    A pipe would need a thread that reads it, and no thread comes along into a fork. The file counts
    as one of the notebook's own, so it can grow no further than these may.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.before = os.dup(number)
        self._file = -1
        self._read = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        # Where the disk is full, it goes where it went before.
        with contextlib.suppress(OSError), tempfile.TemporaryFile(buffering=0) as file:
            fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_APPEND)
            os.dup2(file.fileno(), number)
            self._file = os.dup(file.fileno())

    def fresh(self, most: int) -> str:
        """What was written since this was last asked, up to so many bytes of it; the rest of a
        larger piece is passed over."""
        try:
            size = os.fstat(self._file).st_size
        except OSError:  # closed by the cell, or never there
            return ""
        if size <= self._read:
            return ""
        with contextlib.suppress(OSError):
            data = os.pread(self._file, min(size - self._read, most), self._read)
            self._read = size
            return self._decoder.decode(data)
        return ""

    def forget(self) -> None:
        """Pass over what nobody has read, and give its room back."""
        self._read = 0
        self._decoder.reset()
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)

    def write(self, text: str) -> None:
        """Write as a program would."""
        with contextlib.suppress(OSError):
            os.write(self.number, text.encode("utf-8", "replace"))

    def release(self) -> None:
        """Let the descriptor go where it went before. Nothing can be read any more."""
        with contextlib.suppress(OSError):
            os.dup2(self.before, self.number)
            os.close(self._file)
        self._file = -1
