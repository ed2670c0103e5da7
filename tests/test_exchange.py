"""What learners put into the exchange is copied as far as it is theirs, and no further."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autograder.submissions.exchange import MAX_ENTRIES, copy_plain

LEARNER = 12345


@pytest.mark.skipif(os.getuid() != 0, reason="a file of somebody else's takes root")
def test_a_second_name_of_somebody_elses_file_is_left_out(tmp_path: Path) -> None:
    """Where `fs.protected_hardlinks` is 0 anybody may make one."""
    secret, handed_in = tmp_path / "gradebook.db", tmp_path / "inbound"
    secret.write_text("secret")
    (handed_in / "data").mkdir(parents=True)
    mine = handed_in / "mine.csv"
    mine.write_text("1,2")
    os.link(mine, handed_in / "mine, again.csv")
    os.link(secret, handed_in / "data" / "loot.db")
    for path in (handed_in, handed_in / "data", mine):
        os.chown(path, LEARNER, LEARNER)
    assert copy_plain(handed_in, tmp_path / "copy", 1000) == ["data/loot.db"]
    copied = sorted(str(p.relative_to(tmp_path / "copy")) for p in (tmp_path / "copy").rglob("*"))
    assert copied == ["data", "mine, again.csv", "mine.csv"]


def test_folders_without_end_are_cut(tmp_path: Path) -> None:
    handed_in = tmp_path / "inbound"
    for number in range(MAX_ENTRIES + 500):
        (handed_in / "d" / f"{number:05d}").mkdir(parents=True)
    (handed_in / "a.txt").write_text("mine")
    left_out = copy_plain(handed_in, tmp_path / "copy", 1000)
    assert len(left_out) == 502
    assert len(list((tmp_path / "copy").rglob("*"))) == MAX_ENTRIES
    assert (tmp_path / "copy" / "a.txt").is_file()
