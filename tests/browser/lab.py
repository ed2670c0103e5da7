"""A real JupyterLab on loopback, and a hand on its notebooks as a learner has one."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from nbformat import NotebookNode
from playwright.sync_api import Locator, Page, Route, expect

START_SECONDS = 120.0
STOP_SECONDS = 30.0
# Two cores are shared with other tests: patience costs nothing where all goes well.
PATIENCE_MS = 60_000

# Settings of whoever runs the tests, which must not reach the server.
FOREIGN = ("JUPYTER", "IPYTHON", "AUTOGRADER")
RED = (
    "[data-mime-type='application/vnd.jupyter.error'],"
    "[data-mime-type='application/vnd.jupyter.stderr']"
)

# JupyterLab asks at its first start whether it may fetch news from another host.
OVERRIDES = {
    "@jupyterlab/apputils-extension:notification": {
        "checkForUpdates": False,
        "doNotDisturbMode": True,
        "fetchNews": "false",
    },
}


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab server: the folder that it shows, its address and token."""

    folder: Path
    url: str
    token: str

    def address(self, path: str) -> str:
        """The address of a page of this server, with the token."""
        return f"{self.url}{path}?token={self.token}"


@contextmanager
def jupyter_lab(
    folder: Path, private: Path, start: Sequence[str] = (sys.executable, "-m", "jupyterlab")
) -> Iterator[Lab]:
    """Start JupyterLab in `folder` for as long as the block runs; `private` is its home.

    Nothing of the machine's own Jupyter settings is read or written. The server and its kernels
    are gone at the end.
    """
    token = secrets.token_hex(16)
    log = private / "server.log"
    private.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        server = subprocess.Popen(
            [
                *(*start, "--no-browser", "--allow-root"),
                "--ServerApp.ip=127.0.0.1",
                # A port that another test takes meanwhile is no harm: the server tries the next.
                "--ServerApp.port_retries=50",
                "--LabApp.extension_manager=readonly",
                f"--IdentityProvider.token={token}",
            ],
            cwd=folder,
            env=_environment(private),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Lab(folder, _wait_for(server, private, token, log), token)
        finally:
            _stop(server)


def _environment(private: Path) -> dict[str, str]:
    """The environment without the machine's Jupyter folders, and with this Python's commands."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    config = private / "config"
    (config / "labconfig").mkdir(parents=True, exist_ok=True)
    (config / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(OVERRIDES))
    return env | {
        "HOME": str(private),
        "IPYTHONDIR": str(private / "ipython"),
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', '')}",
    }


def _wait_for(server: subprocess.Popen[bytes], private: Path, token: str, log: Path) -> str:
    """The address at which the server answers, which it writes down itself."""

    def answers() -> str | None:
        if server.poll() is not None:
            raise RuntimeError(f"JupyterLab ended at once:\n{log.read_text()}")
        told = private / "runtime" / f"jpserver-{server.pid}.json"
        try:
            url = f"http://127.0.0.1:{json.loads(told.read_text())['port']}/"
            with urllib.request.urlopen(f"{url}api/status?token={token}", timeout=5):
                return url
        except (OSError, ValueError):
            return None

    end = time.monotonic() + START_SECONDS
    while (url := answers()) is None:
        assert time.monotonic() < end, f"JupyterLab did not answer:\n{log.read_text()}"
        time.sleep(0.1)
    return url


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server; it ends its kernels, and whatever is left is ended here."""
    family: list[psutil.Process] = []
    if server.poll() is None:
        family = psutil.Process(server.pid).children(recursive=True)
        server.send_signal(signal.SIGTERM)
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    for process in family:
        if process.is_running():
            process.kill()
    psutil.wait_procs(family, timeout=STOP_SECONDS)


def stay_here(page: Page, asked: list[str]) -> None:
    """Refuse requests to other hosts, and write them down in `asked`."""

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    page.context.route(re.compile(r"^(?!data:|blob:|http://127\.0\.0\.1:)"), refuse)


class Notebook:
    """A notebook that is open in JupyterLab, driven with mouse and keyboard alone."""

    def __init__(self, lab: Lab, page: Page, name: str) -> None:
        self.file = lab.folder / name
        self.page = page
        page.set_default_timeout(PATIENCE_MS)
        # A workspace of its own: a browser that was here before has its tabs opened again.
        page.goto(lab.address(f"lab/workspaces/{secrets.token_hex(4)}/tree/{name}"))
        self.panel = page.locator(".jp-NotebookPanel:visible")
        expect(self.at(0)).to_be_visible(timeout=PATIENCE_MS)
        expect(page.locator(".jp-Spinner")).to_have_count(0, timeout=PATIENCE_MS)
        self.ready()

    def ready(self) -> None:
        """Wait until the kernel is there and has nothing to do."""
        kernel = self.page.locator("#jp-main-statusbar").get_by_text("Python 3 (ipykernel) | Idle")
        expect(kernel).to_be_visible(timeout=PATIENCE_MS)

    def read(self) -> NotebookNode:
        """The notebook as it lies on the disk."""
        return nbformat.read(self.file, as_version=4)

    def cell(self, cell_id: str) -> Locator:
        """A cell, by the id that it has in the file."""
        index = next(i for i, cell in enumerate(self.read().cells) if cell.id == cell_id)
        return self.at(index)

    def at(self, index: int) -> Locator:
        """A cell, by its place."""
        return self.panel.locator(f".jp-Cell[data-windowed-list-index='{index}']")

    def edit(self, cell: Locator) -> None:
        """Put the cursor into a cell, at its end."""
        editor = cell.locator(".cm-content")
        editor.scroll_into_view_if_needed()
        editor.click()
        expect(editor).to_be_focused()
        self.page.keyboard.press("Control+End")

    def rewrite_line(self, text: str) -> None:
        """Put `text` in the place of the line in which the cursor stands, keeping its indent."""
        keyboard = self.page.keyboard
        keyboard.press("End")
        keyboard.press("Shift+Home")
        keyboard.type(text)

    def run(self, cell: Locator) -> str:
        """Run the cell in which the cursor stands; what it puts out, once it has finished."""
        prompt = cell.locator(".jp-InputPrompt")
        before = prompt.inner_text()
        self.page.keyboard.press("Control+Enter")
        # A number, and not the one before: the run is over, and its output is there.
        expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=PATIENCE_MS)
        expect(prompt).not_to_have_text(before, timeout=PATIENCE_MS)
        expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=PATIENCE_MS)
        return self.output(cell).inner_text()

    def output(self, cell: Locator) -> Locator:
        """Everything under a cell."""
        return cell.locator(".jp-Cell-outputArea")

    def errors(self, cell: Locator) -> Locator:
        """What stands in red under a cell."""
        return self.output(cell).locator(RED)

    def save(self) -> None:
        """Save, and wait until the server has written the file."""
        with self.page.expect_response(
            lambda r: r.request.method == "PUT" and "/api/contents/" in r.url,
            timeout=PATIENCE_MS,
        ) as written:
            self.page.keyboard.press("Control+s")
        assert written.value.ok

    def validate(self) -> Locator:
        """Press nbgrader's Validate; the dialogue that tells the result."""
        self.panel.get_by_role("button", name="Validate").click()
        dialog = self.page.locator(".jp-Dialog")
        expect(dialog).to_be_visible(timeout=PATIENCE_MS)
        return dialog
