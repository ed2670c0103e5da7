"""Run Python with the course elsewhere: `python tests/elsewhere.py PLACE ARGUMENT...`, as root.

This one process and what it starts see a system in which the checkout and its virtual environment
lie at PLACE, and nowhere else. Nothing changes for others, and nothing is written to a disk.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from autograder.engine.walls import kernel  # noqa: E402


def main() -> None:
    """Make that system, and go on in it as Python."""
    place = Path(sys.argv[1])
    environment = Path(sys.prefix)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    system = Path(tempfile.mkdtemp(prefix="elsewhere-", dir="/dev/shm"))
    kernel.mount("tmpfs", str(system), "tmpfs", 0, "mode=755")
    mirror(Path("/"), system)
    for above in list(reversed(place.parents))[1:]:
        if above.is_dir():
            # The same, with room for more.
            mode = oct(above.stat().st_mode & 0o7777)[2:]
            kernel.mount("tmpfs", f"{system}{above}", "tmpfs", 0, f"mode={mode}")
            mirror(above, Path(f"{system}{above}"))
    course = Path(f"{system}{place}")
    show(ROOT, course)
    if environment != ROOT / ".venv":
        show(environment, course / ".venv")
    for path in (course / ".venv").glob("lib/python*/site-packages/__editable__*"):
        if path.is_file():
            other = system / path.name
            other.write_text(path.read_text("utf-8").replace(str(ROOT), str(place)), "utf-8")
            kernel.mount(str(other), str(path), "", kernel.MS_BIND)
    for path in (ROOT, environment):
        if not path.is_relative_to(place) and Path(f"{system}{path}").exists():
            kernel.mount("tmpfs", f"{system}{path}", "tmpfs", 0, "mode=755")
    kernel.pivot_root(str(system))
    os.chdir(place)
    python = str(place / ".venv" / "bin" / "python")
    os.execv(python, [python, *sys.argv[2:]])


def mirror(folder: Path, place: Path) -> None:
    """Have all that lies in a folder in another one, too."""
    for path in folder.iterdir():
        if path.is_symlink():
            (place / path.name).symlink_to(os.readlink(path))
        elif not path.is_socket():
            show(path, place / path.name)


def show(path: Path, place: Path) -> None:
    """Have a file or a folder at another place, too."""
    if path.is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.touch()
    kernel.mount(str(path), str(place), "", kernel.MS_BIND | kernel.MS_REC)


main()
