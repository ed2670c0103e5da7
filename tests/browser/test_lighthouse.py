"""The site as a slow phone gets it, judged by Lighthouse: from a host that compresses, with a
processor a quarter as fast and a link of 1.6 Mbit a second, both simulated."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from .conftest import CHROMIUM, CHROMIUM_FLAGS
from .loopback import Site, serve
from .test_site import PAGES, ROOT

# A mark for speed is a timed assertion: only where nothing else runs.
pytestmark = [pytest.mark.browser, pytest.mark.full, pytest.mark.alone]

HERE = Path(__file__).parent / "lighthouse"
CLI = HERE / "node_modules" / "lighthouse" / "cli" / "index.js"
LEAST = 95
FAST_HOME, FAST_CHAPTER = 90, 80
# What else the machine does costs a page points, and nothing gives it points that are not its own.
TRIES = 3
CHAPTERS = [path for path in PAGES if (ROOT / "solutions" / f"{Path(path).stem}.py").is_file()]


@pytest.fixture(scope="session")
def lighthouse(shared_folder: Path) -> Path:
    """Lighthouse, as package-lock.json says, installed where it is not yet."""
    with FileLock(shared_folder / "lighthouse.lock"):
        if not CLI.is_file():
            command = ["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(HERE)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stderr}"
    return CLI


@pytest.fixture(scope="module")
def host(site: Site) -> Iterator[Site]:
    """The site from a server that compresses."""
    with serve(site.folder, compress=True) as served:
        yield served


def scores(lighthouse: Path, url: str, report: Path) -> tuple[dict[str, int], list[str]]:
    """Lighthouse's four marks, of 100, and what cost points."""
    command = ["node", str(lighthouse), url, "--output=json", f"--output-path={report}", "--quiet"]
    command.append(f"--chrome-flags=--headless=new {' '.join(CHROMIUM_FLAGS)}")
    environment = {**os.environ, "CHROME_PATH": CHROMIUM}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(report.read_text("utf8"))
    marks = {name: round(100 * kind["score"]) for name, kind in told["categories"].items()}
    parts = [part for kind in told["categories"].values() for part in kind["auditRefs"]]
    weighed = {part["id"] for part in parts if part["weight"]}
    costs = [
        f"{audit['id']}: {audit['score']} {audit.get('displayValue', '')}"
        for audit in told["audits"].values()
        if audit["id"] in weighed and audit["score"] is not None and audit["score"] < 0.9
    ]
    return marks, costs


@pytest.mark.parametrize("path", [PAGES[0], *CHAPTERS])
def test_a_page_is_good_on_a_slow_phone(
    lighthouse: Path, host: Site, tmp_path: Path, path: str
) -> None:
    fast = FAST_HOME if path == PAGES[0] else FAST_CHAPTER
    for _try in range(TRIES):
        marks, costs = scores(lighthouse, f"{host.url}/{path}", tmp_path / "report.json")
        if marks["performance"] >= fast:
            break
    assert marks.pop("performance") >= fast, costs
    assert min(marks.values()) >= LEAST, (marks, costs)
