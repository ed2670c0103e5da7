"""Serve a folder of files on loopback, for a browser to load."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, Route


@dataclass(frozen=True)
class Site:
    """A folder of pages: where it lies, and where it is served."""

    folder: Path
    url: str


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a test's output is for failures."""


@contextmanager
def serve(folder: Path) -> Iterator[Site]:
    """Serve `folder` on a free port of 127.0.0.1 for as long as the block runs."""
    handler = functools.partial(_QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(folder, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def strays(page: Page, site: Site) -> list[str]:
    """A list that fills up while a page is used: what it asks of other hosts, which is refused, and
    what it throws or complains of."""
    found: list[str] = []

    def only_ours(route: Route) -> None:
        if route.request.url.startswith((site.url, "data:", "blob:")):
            route.continue_()
        else:
            found.append(route.request.url)
            route.abort()

    page.route("**/*", only_ours)
    page.on("websocket", lambda socket: found.append(socket.url))
    page.on("pageerror", lambda error: found.append(f"thrown: {error}"))
    page.on("console", lambda m: found.append(m.text) if m.type in ("error", "warning") else None)
    page.on("response", lambda r: found.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    return found
