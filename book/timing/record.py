"""The file of a device: who measured what, when, with which versions, and every raw reading."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import tempfile
from pathlib import Path
from typing import Any

FORMAT = 1


class AnotherRun(Exception):
    """The file was made by other versions, or on another device. Says what to do."""


class Record:
    """The file of a device, written anew after each point, whole or not at all.

    folder : where the files are; made if it is not there
    header : what the file says of the device and of the versions
    """

    def __init__(self, folder: Path, header: dict[str, Any], *, fresh: bool = False) -> None:
        self.path = folder / f"{slug(header['device']['name'])}.json"
        self.content: dict[str, Any] = {"format": FORMAT, **header, "points": {}}
        folder.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and not fresh:
            self._go_on(read(self.path))

    def _go_on(self, before: dict[str, Any]) -> None:
        same = ("format", "device", "versions", "threads", "quick")
        other = [key for key in same if before.get(key) != self.content.get(key)]
        if other:
            told = "; ".join(
                f"{key} was {before.get(key)}, is {self.content.get(key)}" for key in other
            )
            raise AnotherRun(
                f"{self.path} is of another run ({told}). Begin it anew with --fresh, or choose "
                "another --out."
            )
        self.content = before

    @property
    def points(self) -> dict[str, dict[str, Any]]:
        """What is measured, by the points' names."""
        found: dict[str, dict[str, Any]] = self.content["points"]
        return found

    def add(self, name: str, found: dict[str, Any]) -> None:
        """Write a point down."""
        self.points[name] = found
        text = json.dumps(self.content, indent=1, allow_nan=False) + "\n"
        text = _LISTS.sub(lambda lists: re.sub(r"\s+", " ", lists[0]), text)
        handle, half = tempfile.mkstemp(dir=self.path.parent, prefix=".timing-")
        try:
            with os.fdopen(handle, "w", encoding="utf8") as file:
                file.write(text)
            os.chmod(half, 0o644)
            os.replace(half, self.path)
        except BaseException:
            os.unlink(half)
            raise


# A list of numbers stands on one line: two files are compared by eye, and by `git diff`.
_LISTS = re.compile(r"\[[^\[\]{}]*\]")


def read(path: Path) -> dict[str, Any]:
    """What a file says.

    Raises
    ------
    ValueError where it is no such file.
    """
    content = json.loads(path.read_text("utf8"))
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} is no file of timings of format {FORMAT}")
    return content


def slug(name: str) -> str:
    """A device's name as the name of a file: "NVIDIA H200" becomes "nvidia-h200"."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "device"


def header(device: str, *, quick: bool) -> dict[str, Any]:
    """What the file of a device begins with."""
    import numpy as np
    import torch

    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.release()}",
    }
    about: dict[str, Any]
    if device == "cuda":
        found = torch.cuda.get_device_properties(0)
        versions |= {"cuda": str(torch.version.cuda), "driver": _driver()}
        about = {
            "kind": "cuda",
            "name": found.name,
            "memory_bytes": found.total_memory,
            "multiprocessors": found.multi_processor_count,
            "l2_bytes": found.L2_cache_size,
        }
    else:
        about = {"kind": "cpu", "name": processor(), "logical_cores": os.cpu_count()}
    return {
        "device": about,
        "versions": versions,
        "date": datetime.date.today().isoformat(),
        "threads": torch.get_num_threads(),
        "quick": quick,
    }


def processor() -> str:
    """The processor's name."""
    try:
        with open("/proc/cpuinfo", encoding="utf8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _driver() -> str:
    """The version of NVIDIA's driver."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text("utf8")
        return next(iter(re.findall(r"\d+\.\d+(?:\.\d+)?", text)), "unknown")
    except OSError:
        return "unknown"
