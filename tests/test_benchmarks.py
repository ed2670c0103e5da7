"""The benchmarks run and say something; what they say is not judged here: machines are noisy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "benchmarks"


def said(name: str, *options: str) -> str:
    command = [sys.executable, str(FOLDER / name), *options]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "PYTHONPATH": str(FOLDER.parents[1])},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_runner_is_compared_with_a_shell() -> None:
    lines = said("runner.py", "--sets", "gradient", "--rounds", "1").splitlines()
    assert len(lines) == 4
    assert all(re.search(r"gradient, .*: shell +[\d.]+ ms.* ratio \d", line) for line in lines[1:3])
    assert re.search(r"gradient: closing cell +[\d.]+ ms", lines[3])


@pytest.mark.full
def test_live_figures_are_timed_from_event_to_repaint() -> None:
    text = said("repaint.py", "--sets", "adam", "--places", "2")
    assert len(re.findall(r"adam, [\w-]+: \d+ ms at the median of \d+ events", text)) == 2
    assert "out of sight" not in text


@pytest.mark.full
def test_tensor_is_compared_with_numpy_and_micrograd() -> None:
    text = said("tensor.py", "--rounds", "1")
    assert len(re.findall(r"ratio \d", text)) == 2 and "times as fast" in text


@pytest.mark.full
def test_a_class_is_compared_with_stock() -> None:
    text = said("autograde.py", "--students", "20", "--rounds", "1", "--growth", "0", "30")
    assert len(re.findall(r"stock's speed", text)) == 3
    for wanted in ("graded again", "cold start", "30 others"):
        assert wanted in text
    text = said(
        "autograde.py", "--only", "shell", "--sets", "gradient", "--students", "5", "--rounds", "1"
    )
    assert len(re.findall(r"[\d.]+ times the warm shell", text)) == 2
