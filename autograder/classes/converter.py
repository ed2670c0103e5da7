"""nbgrader's Autograde with the settings of a class run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from nbgrader.converters import Autograde
from traitlets import Integer, Unicode

from autograder.engine.cluster.client import scheduler_runner
from autograder.engine.cluster.near import RemoteRunner


class ClassAutograde(Autograde):
    """nbgrader's converter: its settings, its paths and its hooks, and how many work at a time."""

    workers = Integer(
        os.cpu_count() or 1, min=1, help="How many submissions are graded at a time."
    ).tag(config=True)
    scheduler = Unicode(
        "",
        help="The address of a dask.distributed scheduler whose workers run the submissions, or "
        "'local' to start one; without it they run here.",
    ).tag(config=True)

    @contextlib.contextmanager
    def elsewhere(self) -> Iterator[RemoteRunner | None]:
        """Where the submissions run, if not here.

        Raises
        ------
        NoCluster.
        """
        if not self.scheduler:
            yield None
            return
        told = self.scheduler == "local" or "workers" in self.config.get("ClassAutograde", {})
        with scheduler_runner(self.scheduler, self.workers if told else None) as runner:
            yield runner
