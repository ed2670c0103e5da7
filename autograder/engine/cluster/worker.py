"""What a dask worker holds of the engine: a plug-in that owns the warm process, and the task that
serves one session.

Worker processes are daemonic and threaded, so nothing is forked here: the runner starts its warm
process by exec, and that one forks.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from distributed import Worker, WorkerPlugin, get_worker

from autograder.engine.cluster.connection import connect
from autograder.engine.cluster.far import host, refused
from autograder.engine.interface import Runner
from autograder.engine.trusted.plain import PlainRunner
from autograder.engine.warm.handle import SandboxedRunner
from autograder.engine.wire import Closed


class ZygotePlugin(WorkerPlugin):
    """Gives a worker a runner of its own for as long as it is registered."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.runner: Runner | None = None

    async def setup(self, worker: Worker) -> None:
        """Start the warm process, beside the loop that answers the scheduler."""
        self.runner = SandboxedRunner() if sys.platform == "linux" else PlainRunner()
        await asyncio.to_thread(refused, self.runner)

    def teardown(self, worker: Worker) -> None:
        """Let the warm process go; it ends with the last session that uses it."""
        self.runner = None


def facts(name: str, dask_worker: Worker) -> dict[str, Any]:
    """What home wants to know of a worker beforehand."""
    runner = _runner(dask_worker, name)
    return {"refused": refused(runner), "protects": runner.protects}


def serve_session(name: str, address: tuple[str, int], token: str, tls: bool) -> str:
    """The task: connect home and serve one session. Returns a word for dask's dashboard.

    name: the plug-in's. tls: with the certificates that dask itself uses.
    """
    worker = get_worker()
    context = worker.security.get_connection_args("worker")["ssl_context"] if tls else None
    try:
        channel = connect(address, token, context)
    except Closed:
        # The session was given up meanwhile: dask has begun this task a second time.
        return "nobody at home"
    host(channel, _runner(worker, name), worker.address)
    return "served"


def _runner(worker: Worker, name: str) -> Runner:
    plugin = worker.plugins[name]
    assert isinstance(plugin, ZygotePlugin)
    if plugin.runner is None:
        raise RuntimeError("this worker's warm process was let go")
    return plugin.runner
