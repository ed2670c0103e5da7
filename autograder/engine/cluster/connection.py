"""How a session's two ends find each other: home listens, the far end connects and says the token.

Each session has a listening socket and a token of its own. Whoever else connects is dropped: they
are read for as many bytes as a token has, and no more, and keep nobody waiting.
"""

from __future__ import annotations

import contextlib
import hmac
import queue
import secrets
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable

from autograder.engine.wire import Channel, Closed, EncryptedChannel, TooSlow

TOKEN_BYTES = 64
GREETING_SECONDS = 10.0
STRANGERS = 16
# A host that loses its power says no farewell: it is missed after some 25 seconds.
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 25_000}


class Listener:
    """Waits for the one connection that brings the token.

    host: the address that the far end can reach. ports: which may be taken; any where empty.
    tls: a context for the server's side; in plain text where None.

    Raises
    ------
    OSError where no such port is free.
    """

    def __init__(
        self, host: str, ports: Iterable[int] = (), tls: ssl.SSLContext | None = None
    ) -> None:
        self.token = secrets.token_hex(TOKEN_BYTES // 2)
        self._tls = tls
        self._sock = _listening(host, list(ports) or [0])
        self._wake, self._woken = socket.socketpair()
        self._greeted: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        self._strangers = threading.BoundedSemaphore(STRANGERS)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self._sock.getsockname()[:2]
        return host, port

    def accept(self, deadline: float, news: Channel | None = None) -> Channel | None:
        """The channel of who knew the token; None where a frame arrives on `news` before.

        Raises
        ------
        TooSlow.
        """
        heard = [self._sock, self._woken, *([news.sock] if news else [])]
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TooSlow
            ready = select.select(heard, [], [], left)[0]
            if self._woken in ready:
                return _channel(self._greeted.get())
            if self._sock in ready:
                self._let_in()
            if news is not None and news.sock in ready:
                return None

    def close(self) -> None:
        """Listen no more."""
        for sock in (self._sock, self._wake, self._woken):
            sock.close()

    def _let_in(self) -> None:
        try:
            sock, _address = self._sock.accept()
        except OSError:
            return
        if not self._strangers.acquire(blocking=False):
            sock.close()
            return
        threading.Thread(target=self._greet, args=(sock,), daemon=True).start()

    def _greet(self, sock: socket.socket) -> None:
        """Somebody's first bytes; a stranger's are the last that are read of them."""
        deadline = time.monotonic() + GREETING_SECONDS
        try:
            sock.settimeout(GREETING_SECONDS)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            if not hmac.compare_digest(_first_bytes(sock, deadline), self.token.encode()):
                sock.close()
                return
            tune(sock)
            self._greeted.put(sock)
            self._wake.send(b"!")
        except (OSError, TooSlow):
            sock.close()
        finally:
            self._strangers.release()


def connect(address: tuple[str, int], token: str, tls: ssl.SSLContext | None = None) -> Channel:
    """The far end's way home.

    Raises
    ------
    Closed where nobody listens there, or no longer.
    """
    try:
        sock = socket.create_connection(address, GREETING_SECONDS)
        if tls is not None:
            sock = tls.wrap_socket(sock)
        sock.sendall(token.encode())
        tune(sock)
    except OSError as error:
        raise Closed(str(error)) from error
    return _channel(sock)


def _channel(sock: socket.socket) -> Channel:
    return EncryptedChannel(sock) if isinstance(sock, ssl.SSLSocket) else Channel(sock)


def tune(sock: socket.socket) -> None:
    """Small frames go at once, and a peer that is gone without a word is missed. Whose token was
    right may think as long as a channel's own deadlines allow."""
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _listening(host: str, ports: list[int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # From a place of its own, or all would try the first port first.
    start = secrets.randbelow(len(ports))
    for port in ports[start:] + ports[:start]:
        with contextlib.suppress(OSError):
            return socket.create_server((host, port), family=family)
    raise OSError(f"no port to listen on at {host}: all of {ports[0]} to {ports[-1]} are taken")


def _first_bytes(sock: socket.socket, deadline: float) -> bytes:
    """As many as a token has; fewer where no more come."""
    data = b""
    while len(data) < TOKEN_BYTES:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TooSlow
        sock.settimeout(left)
        some = sock.recv(TOKEN_BYTES - len(data))
        if not some:
            break
        data += some
    return data
