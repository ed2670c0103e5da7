"""Run Python as an ordinary user: `python tests/as_user.py UID[:GROUP] ARGUMENT...`, as root.

Where Python or the course lies in a folder that is root's alone, it is shown at its place to this
one process, and so is a copy of solutions/ that are; nothing changes for others.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from autograder.engine.walls import kernel  # noqa: E402


def main() -> None:
    """Become the user and go on as Python."""
    uid, _colon, group = sys.argv[1].partition(":")
    gid = int(group or uid)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    closed: dict[Path, dict[Path, int]] = {}
    for path in (Path(sys.base_prefix), Path(sys.prefix), ROOT):
        for above in reversed(path.parents):
            if not above.stat().st_mode & stat.S_IXOTH:
                closed.setdefault(above, {})[path] = os.open(path, os.O_PATH)
                break
    for above, below in closed.items():
        kernel.mount("tmpfs", str(above), "tmpfs", 0, "mode=755")
        for path, fd in below.items():
            path.mkdir(parents=True, exist_ok=True)
            kernel.mount(f"/proc/self/fd/{fd}", str(path), "", kernel.MS_BIND)
    solutions = ROOT / "solutions"
    if not solutions.stat().st_mode & stat.S_IXOTH:
        files = {path.name: path.read_bytes() for path in solutions.iterdir() if path.is_file()}
        kernel.mount("tmpfs", str(solutions), "tmpfs", 0, "mode=755")
        for name, content in files.items():
            (solutions / name).write_bytes(content)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(*[int(uid)] * 3)
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])


main()
