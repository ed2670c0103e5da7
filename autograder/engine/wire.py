"""Frames over a socket between the judge's side and a process that may send anything.

A frame is a JSON object and any number of byte strings: the length of the JSON (four bytes, big
end first), the JSON, which lists the lengths of the others under "blobs", and these.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from typing import Any

from autograder.values import MAX_BYTES, MalformedValue

MAX_HEADER = 4 * 2**20
MAX_BLOBS = 10_000
CHUNK = 2**18

Frame = tuple[dict[str, Any], list[bytes]]


class Closed(Exception):
    """The other side is gone."""


class TooSlow(Exception):
    """The deadline passed."""


def fits(header: dict[str, Any], blobs: Sequence[bytes]) -> bool:
    """Whether a frame is within what a reader takes."""
    return (
        len(blobs) <= MAX_BLOBS
        and sum(map(len, blobs)) <= MAX_BYTES
        and len(_packed(header, blobs)) <= MAX_HEADER
    )


def _packed(header: dict[str, Any], blobs: Sequence[bytes]) -> bytes:
    return json.dumps({**header, "blobs": [len(b) for b in blobs]} if blobs else header).encode()


class Channel:
    """One end of a socket. Deadlines are readings of `time.monotonic`; None waits for ever.

    takes_fds: whether descriptors that come along are kept, in `fds`. Elsewhere the kernel
    drops them.
    """

    def __init__(self, sock: socket.socket, *, takes_fds: bool = False) -> None:
        self.sock = sock
        self.fds: list[int] = []
        self.received = 0
        self._takes_fds = takes_fds
        self._buffer = bytearray()

    def send(
        self,
        header: dict[str, Any],
        blobs: Sequence[bytes] = (),
        *,
        fd: int | None = None,
        deadline: float | None = None,
    ) -> int:
        """Send a frame, and a descriptor with it. Returns the frame's size in bytes."""
        packed = _packed(header, blobs)
        data = b"".join([len(packed).to_bytes(4, "big"), packed, *blobs])
        try:
            self.sock.settimeout(_left(deadline))
            rest = memoryview(data)
            if fd is not None:
                rest = rest[socket.send_fds(self.sock, [data], [fd]) :]
            self.sock.sendall(rest)
        except TimeoutError as error:
            raise TooSlow from error
        except OSError as error:
            raise Closed(str(error)) from error
        return len(data)

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
        sizes = header.pop("blobs", [])
        if not isinstance(sizes, list) or len(sizes) > MAX_BLOBS:
            raise MalformedValue("a frame with too many arrays")
        if not all(type(n) is int and 0 <= n <= MAX_BYTES for n in sizes):
            raise MalformedValue("an array of impossible size")
        if sum(sizes) > MAX_BYTES:
            raise MalformedValue(f"more than {MAX_BYTES} bytes of arrays")
        blobs = [bytes(self._exactly(n, deadline)) for n in sizes]
        self.received = 4 + length + sum(sizes)
        return header, blobs

    @property
    def holds_more(self) -> bool:
        """Whether part of a next frame has been read already, which no poll of the socket tells."""
        return bool(self._buffer)

    def close(self) -> None:
        """Close this end."""
        self.sock.close()

    def _exactly(self, n: int, deadline: float | None) -> bytearray:
        while len(self._buffer) < n:
            self._buffer += self._some(deadline)
        taken = self._buffer[:n]
        del self._buffer[:n]
        return taken

    def _some(self, deadline: float | None) -> bytes:
        try:
            self.sock.settimeout(_left(deadline))
            if self._takes_fds:
                data, fds, _flags, _address = socket.recv_fds(self.sock, CHUNK, 1)
                self.fds.extend(fds)
            else:
                data = self.sock.recv(CHUNK)
        except TimeoutError as error:
            raise TooSlow from error
        except OSError as error:
            raise Closed(str(error)) from error
        if not data:
            raise Closed("end of stream")
        return data


def _left(deadline: float | None) -> float | None:
    """Seconds until the deadline; a flood of frames must not carry the reader past it."""
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TooSlow
    return left


def _object(data: bytes | bytearray) -> dict[str, Any]:
    try:
        header = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedValue("a frame that is no JSON") from error
    if not isinstance(header, dict):
        raise MalformedValue("a frame that is no object")
    return header
