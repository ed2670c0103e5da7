"""Grading on a cluster: the runner's sessions on the workers of dask.distributed.

    with scheduler_runner("tls://scheduler:8786") as runner:
        grade(submission, exercise_set, seed, runner)

The judge and the gradebook stay here. The runner may be used in many threads, and in processes
that were forked since.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from autograder.engine.cluster.connection import Listener
from autograder.engine.cluster.near import RemoteRunner
from autograder.engine.interface import NoCluster, RunnerLost
from autograder.engine.trusted.session import StartError
from autograder.engine.wire import Channel, Closed, TooSlow
from autograder.i18n import _
from autograder.values.codec import MalformedValue

START = "from autograder.engine.cluster.broker import main; main()"
LISTEN = "AUTOGRADER_LISTEN"
START_SECONDS = 240.0
END_SECONDS = 30.0
# So long a session waits for a worker that has time for it.
TURN_SECONDS = 600.0
# A socket's path may have some hundred characters.
LONG_PATH = 60


@contextlib.contextmanager
def scheduler_runner(address: str, workers: int | None = None) -> Iterator[RemoteRunner]:
    """A runner whose sessions run on a cluster's workers; `sessions` says how many at a time.

    address: a scheduler's, such as "tcp://10.0.0.7:8786", or "local" for a cluster on this
    machine alone. Where it begins with "tls:", dask's own configuration names the certificates.
    workers: how many processes a local cluster has, one a processor where None; elsewhere how
    many sessions at most, all that the workers have threads for where None.

    AUTOGRADER_LISTEN in the environment, such as "10.0.0.5:40000-40100", says where workers are
    to connect to: else it is the address from which the scheduler is reached, at any port.

    Raises
    ------
    NoCluster.
    """
    if importlib.util.find_spec("distributed") is None:
        raise NoCluster(
            _("{what} needs more packages: pip install '{package}'.").format(
                what="--scheduler", package="autograder[cluster]"
            )
        )
    place = "/tmp" if len(tempfile.gettempdir()) > LONG_PATH else None
    with tempfile.TemporaryDirectory(
        prefix="autograder-cluster-", dir=place, ignore_cleanup_errors=True
    ) as folder:
        settings = {"address": address, "workers": workers, "folder": folder}
        with _broker(address, settings) as about:
            sessions = about["sessions"]
            if workers is not None and address != "local":
                sessions = min(sessions, workers)
            host, ports = _place(os.environ.get(LISTEN, ""), about["host"])
            lines = BrokerLines(f"{folder}/socket", host, ports, _context(about["tls"]))
            yield RemoteRunner(lines, sessions, about["refused"], about["protects"])


@dataclass(frozen=True)
class BrokerLine:
    """A connection to a worker, and the one that keeps its task alive."""

    channel: Channel
    order: Channel

    def close(self) -> None:
        """Hang up both."""
        self.channel.close()
        self.order.close()


@dataclass(frozen=True)
class BrokerLines:
    """Has the broker send a worker here for each session.

    socket: the broker's. host, ports: where to listen. tls: for the worker's connection.
    """

    socket: str
    host: str
    ports: range
    tls: ssl.SSLContext | None

    def open(self, avoid: str) -> BrokerLine:
        """Connect to a worker; not to the one of this name where there is another.

        Raises
        ------
        RunnerLost, StartError.
        """
        listener = Listener(self.host, self.ports, self.tls)
        with contextlib.closing(listener), contextlib.ExitStack() as undo:
            order = undo.enter_context(contextlib.closing(self._order(listener, avoid)))
            try:
                channel = listener.accept(time.monotonic() + TURN_SECONDS, order)
                if channel is None:
                    raise _refusal(order)
            except TooSlow as error:
                raise StartError(
                    _("no worker of the cluster had time for a session in {n:g} seconds.").format(
                        n=TURN_SECONDS
                    )
                ) from error
            undo.pop_all()
            return BrokerLine(channel, order)

    def _order(self, listener: Listener, avoid: str) -> Channel:
        sock = socket.socket(socket.AF_UNIX)
        order = Channel(sock)
        try:
            sock.connect(self.socket)
            order.send({"address": listener.address, "token": listener.token, "avoid": avoid})
        except (OSError, Closed) as error:
            order.close()
            raise StartError(_("the connection to the scheduler is gone.")) from error
        return order


def _refusal(order: Channel) -> Exception:
    """What the broker says in place of a worker's connection."""
    try:
        news, _blobs = order.receive(time.monotonic() + END_SECONDS)
    except (Closed, TooSlow, MalformedValue):
        return StartError(_("the connection to the scheduler is gone."))
    if "gone" in news:
        return StartError(_("the cluster cannot be used any more: {why}").format(why=news["gone"]))
    return RunnerLost(_("no worker has begun with it: {why}").format(why=news.get("ended") or "?"))


@contextlib.contextmanager
def _broker(address: str, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The broker's process, and what it says of the cluster."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", START, json.dumps(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        about = _first_words(process)
        if "failed" in about:
            raise NoCluster(
                _("the scheduler {address} cannot be used: {why}").format(
                    address=address, why=about["failed"]
                )
            )
        yield about
    finally:
        _end(process)


def _first_words(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    if select.select([process.stdout], [], [], START_SECONDS)[0]:
        line = process.stdout.readline()
        with contextlib.suppress(ValueError):
            about: dict[str, Any] = json.loads(line)
            return about
        return {"failed": _("its client ended without a word.")}
    return {"failed": _("no answer within {n:g} seconds.").format(n=START_SECONDS)}


def _end(process: subprocess.Popen[bytes]) -> None:
    """The closed standard input ends it; what outlives that is killed."""
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def _context(tls: dict[str, Any] | None) -> ssl.SSLContext | None:
    """A server's side of TLS with the client's certificates of dask's own configuration."""
    if tls is None:
        return None
    from distributed.security import Security

    security = Security(
        tls_ca_file=tls["ca_file"],
        tls_client_cert=tls["cert"],
        tls_client_key=tls["key"],
        tls_ciphers=tls["ciphers"],
        require_encryption=True,
    )
    context: ssl.SSLContext = security.get_listen_args("client")["ssl_context"]
    return context


def _place(wanted: str, host: str) -> tuple[str, range]:
    """Where to listen: "HOST", "HOST:PORT" or "HOST:FIRST-LAST"; any port of `host` for nothing.

    Raises
    ------
    NoCluster for anything else.
    """
    name, colon, ports = wanted.rpartition(":")
    if not colon or wanted.endswith("]"):
        return (wanted.strip("[]") or host), range(0)
    first, _dash, last = ports.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()):
        raise NoCluster(
            _("{name} is {got}; it must be HOST, HOST:PORT or HOST:FIRST-LAST.").format(
                name=LISTEN, got=wanted
            )
        )
    return (name.strip("[]") or host), range(int(first), int(last or first) + 1)
