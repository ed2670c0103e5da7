"""Frames over a socket between the judge's side and a process that may send anything.

A frame is a JSON object and any number of byte strings: the length of the JSON (four bytes, big
end first), the JSON, which lists the lengths of the others under "blobs", and these.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

from autograder.values.codec import MAX_BYTES, MalformedValue

MAX_HEADER = 4 * 2**20
MAX_BLOBS = 10_000
ROOM = 2**14
# So long the kernel waits before this side looks at its deadline again.
SLICE_SECONDS = 1.0
SPACE_FOR_FD = socket.CMSG_SPACE(struct.calcsize("i"))

ENCODE = json.JSONEncoder().encode
DECODE = json.JSONDecoder().decode

Frame = tuple[dict[str, Any], list[bytes]]


class Closed(Exception):
    """The other side is gone."""


class TooSlow(Exception):
    """The deadline passed."""


class TooLarge(ValueError):
    """A frame beyond what a reader takes."""


def packed(header: dict[str, Any], blobs: Sequence[bytes] = ()) -> bytes:
    """A frame as bytes.

    Raises
    ------
    TooLarge.
    """
    if blobs:
        sizes = [len(blob) for blob in blobs]
        if len(sizes) > MAX_BLOBS or sum(sizes) > MAX_BYTES:
            raise TooLarge("too many or too large arrays")
        header = {**header, "blobs": sizes}
    head = ENCODE(header).encode()
    if len(head) > MAX_HEADER:
        raise TooLarge("a value of too many parts")
    return b"".join([len(head).to_bytes(4, "big"), head, *blobs])


def fits(header: dict[str, Any], blobs: Sequence[bytes]) -> bool:
    """Whether a frame is within what a reader takes."""
    try:
        packed(header, blobs)
    except TooLarge:
        return False
    return True


class Channel:
    """One end of a socket. Deadlines are readings of `time.monotonic`; None waits for ever.

    takes_fds: whether descriptors that come along are kept, in `fds`. Elsewhere the kernel
    drops them.
    more: asked where a reader's deadline has passed: by how many seconds it is put off.
    put_off: by how many these deadlines were, since this was last set to 0.
    """

    more: Callable[[], float] | None = None

    def __init__(self, sock: socket.socket, *, takes_fds: bool = False) -> None:
        self.sock = sock
        self.fds: list[int] = []
        self.received = 0
        self._takes_fds = takes_fds
        self._slice = 0.0
        self._room = memoryview(bytearray(ROOM))
        self._start = self._end = 0
        self.put_off = 0.0

    def send(
        self,
        header: dict[str, Any],
        blobs: Sequence[bytes] = (),
        *,
        fd: int | None = None,
        deadline: float | None = None,
    ) -> int:
        """Send a frame, and a descriptor with it. Returns the frame's size in bytes."""
        return self.send_packed(packed(header, blobs), fd=fd, deadline=deadline)

    def send_packed(
        self, data: bytes, *, fd: int | None = None, deadline: float | None = None
    ) -> int:
        """Send what `packed` made of a frame."""
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._send_some(rest, fd, deadline) :]
                fd = None
        except OSError as error:
            raise Closed(str(error)) from error
        return len(data)

    def _send_some(self, data: memoryview, fd: int | None, deadline: float | None) -> int:
        while True:
            left = _left(deadline)
            try:
                # Nearly always there is room, and nothing to wait for.
                if fd is None:
                    return self.sock.send(data, socket.MSG_DONTWAIT)
                return socket.send_fds(self.sock, [data], [fd], socket.MSG_DONTWAIT)
            except BlockingIOError:
                poll = select.poll()
                poll.register(self.sock, select.POLLOUT)
                poll.poll(None if left is None else 1000 * left)

    def receive(self, deadline: float | None = None) -> Frame:
        """The next frame.

        Raises
        ------
        Closed, TooSlow, or MalformedValue where these are bytes that no honest process sends;
        nothing more can be read after that.
        """
        length = int.from_bytes(self._exactly(4, deadline), "big")
        if length > MAX_HEADER:
            raise MalformedValue("a frame beyond all bounds")
        header = _object(self._exactly(length, deadline))
        self.received = 4 + length
        if "blobs" not in header:
            return header, []
        sizes = header.pop("blobs")
        if not isinstance(sizes, list) or len(sizes) > MAX_BLOBS:
            raise MalformedValue("a frame with too many arrays")
        if not all(type(n) is int and 0 <= n <= MAX_BYTES for n in sizes):
            raise MalformedValue("an array of impossible size")
        if sum(sizes) > MAX_BYTES:
            raise MalformedValue(f"more than {MAX_BYTES} bytes of arrays")
        blobs = [self._exactly(n, deadline) for n in sizes]
        self.received += sum(sizes)
        if len(self._room) > ROOM and not self.holds_more:
            self._room = memoryview(bytearray(ROOM))
        return header, blobs

    @property
    def holds_more(self) -> bool:
        """Whether part of a next frame has been read already, which no poll of the socket tells."""
        return self._end > self._start

    def close(self) -> None:
        """Close this end."""
        self.sock.close()

    def _exactly(self, n: int, deadline: float | None) -> bytes:
        while self._end - self._start < n:
            self._make_way()
            self._end += self._some(self._room[self._end :], deadline)
        taken = bytes(self._room[self._start : self._start + n])
        self._start += n
        if self._start == self._end:
            self._start = self._end = 0
        return taken

    def _make_way(self) -> None:
        """Room behind what is still unread. It grows with what came, not with what is promised."""
        if self._end < len(self._room):
            return
        unread = self._room[self._start :]
        room = memoryview(bytearray(max(ROOM, 2 * len(unread))))
        room[: len(unread)] = unread
        self._room, self._start, self._end = room, 0, len(unread)

    def _some(self, room: memoryview, deadline: float | None) -> int:
        try:
            count = None
            while count is None:
                self._limit_waiting(self._left(deadline))
                with contextlib.suppress(BlockingIOError):  # a slice of time is over
                    count = self._read(room)
        except OSError as error:
            raise Closed(str(error)) from error
        if not count:
            raise Closed("end of stream")
        return count

    def _left(self, deadline: float | None) -> float | None:
        """As `_left`; where nothing is, somebody may give more."""
        while True:
            try:
                return _left(None if deadline is None else deadline + self.put_off)
            except TooSlow:
                more = self.more() if self.more is not None else 0.0
                if more <= 0:
                    raise
                self.put_off += more

    def _read(self, room: memoryview) -> int:
        if not self._takes_fds:
            return self.sock.recv_into(room)
        count, ancillary, _flags, _address = self.sock.recvmsg_into([room], SPACE_FOR_FD)
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self.fds.extend(struct.unpack(f"{len(data) // 4}i", data[: len(data) // 4 * 4]))
        return count

    def _limit_waiting(self, left: float | None) -> None:
        """Let the kernel give up in time: one call that waits and reads costs half of two."""
        wanted = SLICE_SECONDS if left is None else min(left, SLICE_SECONDS)
        if wanted != self._slice and not (left is None and not self._slice):
            seconds, rest = divmod(wanted, 1)
            self.sock.setsockopt(
                socket.SOL_SOCKET,
                socket.SO_RCVTIMEO,
                struct.pack("@ll", int(seconds), max(int(1e6 * rest), 0 if seconds else 1)),
            )
            self._slice = wanted


class EncryptedChannel(Channel):
    """One end of a TLS connection, for which flags and the kernel's own time limits do not do: a
    read of it may be several of the socket's, and writes besides."""

    def _send_some(self, data: memoryview, fd: int | None, deadline: float | None) -> int:
        self.sock.settimeout(_left(deadline))
        try:
            return self.sock.send(data)
        except TimeoutError as error:
            raise TooSlow from error

    def _some(self, room: memoryview, deadline: float | None) -> int:
        try:
            self.sock.settimeout(_left(deadline))
            count = self.sock.recv_into(room)
        except TimeoutError as error:
            raise TooSlow from error
        except OSError as error:
            raise Closed(str(error)) from error
        if not count:
            raise Closed("end of stream")
        return count


def _left(deadline: float | None) -> float | None:
    """Seconds until the deadline; a flood of frames must not carry the reader past it."""
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TooSlow
    return left


def _object(data: bytes) -> dict[str, Any]:
    try:
        header = DECODE(data.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedValue("a frame that is no JSON") from error
    if not isinstance(header, dict):
        raise MalformedValue("a frame that is no object")
    return header
