"""How the warm process begins: walls first, imports after.

Started as `python -I -c "...main()" FD SETTINGS`. Nothing but the walls is imported here: what a
namespace of processes needs is a fork, and it is cheap only while there is little to copy.

This process makes its own folder: whoever starts it may be killed at any moment.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from autograder.engine.files import FOLDERS, environment
from autograder.engine.walls.jail import SCRATCH
from autograder.engine.walls.memory import make_room, remove_room
from autograder.engine.walls.walls import Walls


def main() -> None:
    """Wall this process in, as far as the kernel lets it, and serve the socket. SETTINGS: where
    this process may make a folder of its own, the files in which matplotlib lists its fonts, and
    whether to raise any wall."""
    fd, settings = int(sys.argv[1]), json.loads(sys.argv[2])
    try:
        folder = Path(tempfile.mkdtemp(prefix="autograder-warm-", dir=settings["temporary"]))
        groups = make_room() if settings["walls"] else None
        _remove_at_the_end(folder, groups)
        walls = _wall_in(folder, groups, settings)
    except OSError as error:
        # As `wire` packs it, which is not imported yet.
        told = json.dumps({"failed": str(error)}).encode()
        os.write(fd, len(told).to_bytes(4, "big") + told)
        os._exit(1)
    from autograder.engine.warm.zygote import serve

    serve(fd, walls, folder)
    # Nothing is left to be put in order, and somebody waits for the end.
    os._exit(0)


def _wall_in(folder: Path, groups: Path | None, settings: dict[str, Any]) -> Walls:
    (folder / "matplotlib").mkdir()
    for font_list in settings["font_lists"]:
        shutil.copy(font_list, folder / "matplotlib")
    walls = Walls()
    walls.raise_(folder, groups, nothing=not settings["walls"])
    home = SCRATCH if walls.has("root folder") else folder
    for name in FOLDERS:
        (home / name).mkdir(exist_ok=True)
    os.environ.update(environment(home))
    return walls


def _remove_at_the_end(folder: Path, groups: Path | None) -> None:
    """Go on as a fork. Who stays outside the walls waits for its end, and leaves no folder."""
    pid = os.fork()
    if pid:
        os.closerange(0, 2**16)
        os.waitpid(pid, 0)
        shutil.rmtree(folder, ignore_errors=True)
        if groups is not None:
            remove_room(groups)
        os._exit(0)
