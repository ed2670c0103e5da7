"""What was graded before and has not changed: kept by the judge's side, under a hash.

The hash is of all that a graded notebook comes from: the submission, the support files, the
source in the gradebook, the limits, the seed, the configuration and the environment. The verdicts
stand each under the fingerprint of its part, so that a mended case grades again what it touches.
An entry that was changed by another hand is none: it is signed with a key that no submission sees.

That some code did not end in its time is kept, too, for the machine on which it did not: to find
it out again would take as long again. What a death had a hand in, or others at work on this
machine, is found anew each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.judging.verdict import Chance, Verdict
from autograder.project import is_shared


@dataclass(frozen=True)
class Kept:
    """An earlier grading of the same submission.

    verdicts: those that still hold, by part. files: what the graded folder held.
    whole: whether all parts still hold.
    """

    verdicts: dict[str, Verdict]
    files: dict[str, list[int]]
    whole: bool

    def matches(self, folder: Path, scores: Mapping[str, float | None] | None) -> bool:
        """Whether folder and gradebook are as that grading left them. scores: by part."""
        if not self.whole or scores is None or not folder.is_dir():
            return False
        if any(scores.get(name) != v.points for name, v in self.verdicts.items()):
            return False
        return listing(folder) == self.files


def listing(folder: Path) -> dict[str, list[int]]:
    """Size and time of every file below a folder, by its name there."""
    found = {}
    for place, _folders, names in os.walk(folder):
        for name in names:
            status = os.lstat(os.path.join(place, name))
            path = os.path.relpath(os.path.join(place, name), folder)
            found[path] = [status.st_size, status.st_mtime_ns]
    return found


def digest(parts: Iterable[bytes | str]) -> str:
    """A hash of several things, each of which counts apart."""
    made = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        made.update(len(data).to_bytes(8, "big") + data)
    return made.hexdigest()


class Cache:
    """The kept gradings of one assignment.

    folder: the cache's own. common: a hash of what is the same for the whole class.
    fingerprints: of every part. machine: a hash of the one that runs the submissions; nothing where
    nobody can tell, or where they are several.
    """

    def __init__(
        self,
        folder: Path,
        assignment: str,
        common: str,
        fingerprints: dict[str, str],
        machine: str = "",
    ) -> None:
        self._folder = folder / assignment
        self._common = common
        self._fingerprints = fingerprints
        self._machine = machine
        self._folder.mkdir(parents=True, exist_ok=True)
        if not is_shared(folder):
            with contextlib.suppress(OSError):
                folder.chmod(0o700)
        self._secret = _secret(folder / ".key")

    def key(self, submission: Iterable[bytes | str], seed: str) -> str:
        """The hash for one submission."""
        return digest([self._common, seed, *submission])

    def find(self, student: str, key: str) -> Kept | None:
        """What is kept of a submission under this very hash."""
        try:
            signature, _newline, text = self._file(student).read_text("utf-8").partition("\n")
            if not hmac.compare_digest(signature, self._sign(student, text)):
                return None
            entry = json.loads(text)
            if entry["key"] != key:
                return None
            stands = {
                name: Verdict.from_json(kept["verdict"])
                for name, kept in entry["parts"].items()
                if self._fingerprints.get(name) == kept["fingerprint"]
            }
            if entry["machine"] != self._machine:
                stands = {name: told for name, told in stands.items() if not told.by_chance}
                if entry["by_chance"]:
                    return None
            return Kept(stands, entry["files"], stands.keys() == self._fingerprints.keys())
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(
        self,
        student: str,
        key: str,
        verdicts: Mapping[str, Verdict],
        folder: Path,
        *,
        by_chance: Chance = "",
    ) -> None:
        """Keep a grading whose results are in the folder and in the gradebook. by_chance: what
        besides the code had a hand in how its cells ended."""
        lasting = ("", "clock") if self._machine else ("",)
        if by_chance not in lasting:
            return
        parts = {
            name: {"fingerprint": self._fingerprints[name], "verdict": verdict.to_json()}
            for name, verdict in verdicts.items()
            if name in self._fingerprints and verdict.by_chance in lasting and not verdict.flagged
        }
        found = {"key": key, "parts": parts, "files": listing(folder)}
        text = json.dumps({**found, "by_chance": by_chance, "machine": self._machine})
        file = self._file(student)
        half = file.with_name(f".{file.name}.{os.getpid()}")
        with contextlib.suppress(OSError):  # a cache that is full costs time, and no mark
            half.write_text(f"{self._sign(student, text)}\n{text}", "utf-8")
            os.replace(half, file)

    def _file(self, student: str) -> Path:
        return self._folder / f"{student}.json"

    def _sign(self, student: str, text: str) -> str:
        return hmac.new(self._secret, f"{student}\n{text}".encode(), hashlib.sha256).hexdigest()


def _secret(file: Path) -> bytes:
    """The key of this course's cache, made the first time."""
    with contextlib.suppress(FileExistsError):
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as out:
            out.write(secrets.token_bytes(32))
            if is_shared(file.parent):
                os.fchmod(fd, 0o660)
    return file.read_bytes()
