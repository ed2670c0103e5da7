"""The warm process: everything is imported, and each session is a fork of it.

It walls itself in before it imports a library. It runs no learner's code, stays single-threaded,
and ends when the judge's side closes the socket.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import psutil

from autograder.engine.untrusted.child import forget_the_way_here
from autograder.engine.untrusted.shell import NotebookShell
from autograder.engine.walls.walls import Walls
from autograder.engine.warm.keeper import SWEEPS, adopt_orphans, keep
from autograder.engine.wire import Channel, Closed

# What every notebook of a course imports; what one set uses beside these, `warm` adds. The shell
# comes first: pyplot draws nothing inline without one.
MODULES = (
    "numpy",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "autograder.learning.check",
    "autograder.datasets",
    "autograder.figures",
)


def serve(fd: int, walls: Walls, folder: Path) -> None:
    """Fork a keeper for each descriptor that comes along with a request, until the socket ends.
    folder: this process's own, which the judge's side is told."""
    control = Channel(socket.socket(fileno=fd), takes_fds=True)
    try:
        forget_the_way_here()
        warm_up()
    except Exception:  # whatever it is, the judge's side must hear of it
        control.send({"failed": traceback.format_exc()})
        return
    adopt_orphans()
    # Nobody waits for keepers: the kernel takes them away.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    keepers: set[int] = set()
    with contextlib.suppress(Closed):
        walled = {"standing": walls.standing, "refused": walls.refused}
        control.send({"ready": True, "folder": str(folder), **walled})
        lines = [control]
        while True:
            for line in [line for line in lines if line.holds_more] or _speaking(lines):
                _answer(line, lines, walls, keepers)


def _speaking(lines: list[Channel]) -> list[Channel]:
    """The lines on which something comes; waits for it."""
    poll = select.poll()
    for line in lines:
        poll.register(line.sock, select.POLLIN)
    ready = {fd for fd, _event in poll.poll()}
    return [line for line in lines if line.sock.fileno() in ready]


def _answer(line: Channel, lines: list[Channel], walls: Walls, keepers: set[int]) -> None:
    """Do what one of the judge's processes asks.

    Raises
    ------
    Closed where the first of them, whose process this is, is gone.
    """
    try:
        request, _blobs = line.receive()
    except Closed:
        if line is lines[0]:
            raise
        lines.remove(line)
        line.close()
        return
    if request["do"] == "sweep":
        kill_strays(keepers)
    elif request["do"] == "warm":
        import_all(request["modules"])
    elif request["do"] == "line":
        lines.append(Channel(socket.socket(fileno=line.fds.pop()), takes_fds=True))
    else:
        _fork(line.fds.pop(), lines, walls, keepers)


def _fork(fd: int, lines: list[Channel], walls: Walls, keepers: set[int]) -> None:
    """What a session is about its keeper hears by itself: all that was ever in this process's
    memory is in that of the sessions after it."""
    with contextlib.suppress(OSError):  # no fork: the closed socket tells
        pid = walls.fork_session()
        if pid == 0:
            for line in lines:
                line.close()
            keep(fd, walls)
        keepers.add(pid)
    os.close(fd)


def kill_strays(keepers: set[int]) -> None:
    """Kill what a session left behind whose keeper is gone: it was adopted by this process. In a
    namespace of processes nothing is ever left."""
    if os.getpid() == 1:
        return
    nobody = 0
    for _again in range(SWEEPS):
        children = psutil.Process().children()
        keepers &= {process.pid for process in children}
        strays = [process for process in children if process.pid not in keepers]
        # A process that dies while the list is made hides its children once, not twice.
        nobody = 0 if strays else nobody + 1
        if nobody == 2:
            return
        for process in strays:
            with contextlib.suppress(psutil.Error):
                process.kill()


def warm_up() -> None:
    """Make a shell, import, draw a first figure, and put all of it out of the garbage collector's
    sight."""
    NotebookShell.instance()
    import_all(MODULES)
    # NumPy imports its generators when the first is asked for.
    np.random.default_rng()
    draw_once()
    gc.collect()
    gc.freeze()


def import_all(modules: Iterable[str]) -> None:
    """Import what there is of these."""
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    if "torch" in sys.modules:
        # For its first tensor of several numbers it looks at the processor, and complains that
        # there is no /proc: once, and so not in a learner's cell. For the first computation
        # without numbers it imports 800 modules.
        torch = sys.modules["torch"]
        torch.ones(2), torch.ones(2, device="meta") + 1
    gc.collect()
    gc.freeze()


def draw_once() -> None:
    """What matplotlib looks up for its first figure (fonts, glyphs, parsers) it then knows. Its
    settings and pyplot's own figures stay as they are."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # As small as can be: what it knows afterwards does not depend on the size.
    figure = Figure(figsize=(2, 2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot([1, 2], [1, 2], "o-", label=r"$\theta_0$")
    axes.contour([[0, 1], [1, 2]])
    axes.legend()
    axes.set(title="title", xlabel="x", ylabel=r"$\hat{y}$", xticks=[1, 2], yticks=[1, 2])
    figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")
