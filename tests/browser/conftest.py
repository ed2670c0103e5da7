"""A browser, and the built site behind a loopback server, for all tests of this folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, Page, sync_playwright

from .loopback import Site, serve

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 30_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the session."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open a blank page in a context of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 850})
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """Open a blank page on a narrow screen that is touched."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True
    )
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def site(shared_folder: Path) -> Iterator[Site]:
    """Bring the site up to date, once for all workers, and serve it."""
    with FileLock(shared_folder / "site.lock"):
        if not (done := shared_folder / "site.done").exists():
            built = subprocess.run(
                ["make", "site"], cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
            )
            assert built.returncode == 0, f"make site failed:\n{built.stdout}\n{built.stderr}"
            done.touch()
    with serve(ROOT / "_build" / "html") as served:
        yield served
