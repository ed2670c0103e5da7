"""The dask client, in a process of its own: the threads of a client do not survive a fork, and
whoever judges may be one.

Started by `cluster` as `python -I -c "...main()" SETTINGS`. It listens on a Unix socket, a
connection for each session, and ends when its standard input does.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import dask
from distributed import Client, Future, LocalCluster
from distributed.comm import get_address_host
from distributed.security import Security
from distributed.utils import get_ip

from autograder.engine.cluster.worker import ZygotePlugin, facts, serve_session
from autograder.engine.wire import Channel, Closed, TooSlow
from autograder.i18n import _
from autograder.values.codec import MalformedValue

CONNECT_SECONDS = 30.0
WORKERS_SECONDS = 120.0
SEND_SECONDS = 10.0


def main() -> None:
    """Serve the sessions of one grading run. SETTINGS: the scheduler's address or "local", how
    many workers a local cluster has, and the folder that is this process's own."""
    settings = json.loads(sys.argv[1])
    for name in ("distributed", "asyncio", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        # Home removes it too, unless it was killed.
        stack.callback(shutil.rmtree, settings["folder"], ignore_errors=True)
        try:
            broker = Broker(settings, stack.callback)
            broker.listen(f"{settings['folder']}/socket")
            told = broker.about()
        except Exception as error:  # home says it to whoever typed the command
            told = {"failed": str(error) or type(error).__name__}
        print(json.dumps(told), flush=True)
        if "failed" not in told:
            sys.stdin.read()


class Broker:
    """Has sessions served by the workers of a cluster.

    at_the_end: takes what to do then, the last first.
    """

    def __init__(self, settings: dict[str, Any], at_the_end: Callable[..., Any]) -> None:
        self._client = _client(settings, at_the_end)
        at_the_end(self._client.close)
        address = str(self._client.scheduler_info()["address"])
        self._tls = address.startswith("tls://")
        self._host = get_ip(get_address_host(address))
        self._name = f"autograder-{secrets.token_hex(8)}"
        self._register(at_the_end)

    def about(self) -> dict[str, Any]:
        """What home must know: how many sessions, which walls are missing, where to listen."""
        workers = self._client.run(facts, self._name)
        refused: dict[str, str] = {}
        for told in workers.values():
            refused.update(told["refused"])
        weakest = max(workers.values(), key=lambda told: len(told["refused"]))
        return {
            "sessions": sum(self._client.nthreads().values()),
            "refused": refused,
            "protects": weakest["protects"],
            "host": self._host,
            "tls": self._client.security.get_tls_config_for_role("client") if self._tls else None,
        }

    def listen(self, path: str) -> None:
        """Take sessions in from now on."""
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        sock.listen(512)
        threading.Thread(target=self._take_in, args=(sock,), daemon=True).start()

    def _register(self, at_the_end: Callable[..., Any]) -> None:
        try:
            self._client.wait_for_workers(1, timeout=WORKERS_SECONDS)
        except TimeoutError as error:
            raise TimeoutError(
                _("no worker has joined the scheduler within {n:g} seconds.").format(
                    n=WORKERS_SECONDS
                )
            ) from error
        try:
            self._client.register_plugin(ZygotePlugin(self._name), name=self._name)
        except ImportError as error:
            raise ImportError(
                _(
                    "the workers cannot import what grading needs ({error}). Install there: {what}."
                ).format(error=error, what="autograder[instructor,cluster]")
            ) from error
        at_the_end(self._client.unregister_worker_plugin, self._name)

    def _take_in(self, sock: socket.socket) -> None:
        while True:
            connection, _address = sock.accept()
            threading.Thread(target=self._serve, args=(Channel(connection),), daemon=True).start()

    def _serve(self, home: Channel) -> None:
        """One session: until the task ends, which home is told, or home hangs up."""
        future: Future | None = None
        with contextlib.suppress(Closed, TooSlow, MalformedValue):
            order, _blobs = home.receive(time.monotonic() + SEND_SECONDS)
            try:
                future = self._submit(order)
            except Exception as error:  # the scheduler is gone, in one of dask's many ways
                _tell(home, {"gone": str(error) or type(error).__name__})
            else:
                future.add_done_callback(lambda done: _tell(home, _end(done)))
            home.receive()
        if future is not None:
            future.cancel()
        home.close()

    def _submit(self, order: dict[str, Any]) -> Future:
        if self._client.status != "running":
            raise ConnectionError(_("the scheduler is gone."))
        others = [where for where in self._client.nthreads() if where != order["avoid"]]
        return self._client.submit(
            serve_session,
            self._name,
            tuple(order["address"]),
            order["token"],
            self._tls,
            key=f"autograder-session-{secrets.token_hex(8)}",
            workers=others if order["avoid"] and others else None,
            allow_other_workers=bool(order["avoid"] and others),
            retries=0,
            pure=False,
        )


def _client(settings: dict[str, Any], at_the_end: Callable[..., Any]) -> Client:
    address = settings["address"]
    if address != "local":
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    # With certificates of its own and no web pages: no other user of this machine may send it
    # work, or watch it.
    dask.config.set({f"distributed.{role}.http.routes": [] for role in ("scheduler", "worker")})
    # Nobody looks at its profiles, and an hour of them is kept, tens of megabytes.
    dask.config.set({"distributed.worker.profile.enabled": False})
    # A worker that is killed on a busy machine may be slow to come back: do not give it up.
    dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"})
    cluster = LocalCluster(
        n_workers=settings["workers"],
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        security=Security.temporary(),
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        # What learners use up is bounded elsewhere; here it is our own processes alone.
        memory_limit=0,
        local_directory=settings["folder"],
        silence_logs=logging.CRITICAL,
    )
    at_the_end(cluster.close)
    return Client(cluster, set_as_default=False)


def _end(future: Future) -> dict[str, str]:
    if future.status == "finished":
        return {"ended": ""}
    with contextlib.suppress(Exception):
        return {"ended": f"{future.status}: {future.exception(timeout=SEND_SECONDS)}"[:500]}
    return {"ended": str(future.status)}


def _tell(home: Channel, news: dict[str, str]) -> None:
    with contextlib.suppress(Closed, TooSlow):
        home.send(news, deadline=time.monotonic() + SEND_SECONDS)
