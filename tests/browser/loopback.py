"""Serve a folder of files on loopback, for a browser to load."""

from __future__ import annotations

import functools
import gzip
import http.server
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, Route

COMPRESSED = {".css", ".html", ".js", ".json", ".svg", ".txt"}


@dataclass(frozen=True)
class Site:
    """A folder of pages: where it lies, and where it is served."""

    folder: Path
    url: str


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a test's output is for failures."""


class _CompressingHandler(_QuietHandler):
    """As a real host serves the site: text comes compressed, and the connection stays open."""

    protocol_version = "HTTP/1.1"

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "max-age=31536000")
        super().end_headers()

    def send_head(self) -> io.BytesIO | None:
        path = Path(self.translate_path(self.path))
        if path.suffix not in COMPRESSED or not path.is_file():
            return super().send_head()  # type: ignore[return-value]
        body = gzip.compress(path.read_bytes(), 6)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return io.BytesIO(body)


@contextmanager
def serve(folder: Path, *, compress: bool = False) -> Iterator[Site]:
    """Serve `folder` on a free port of 127.0.0.1 for as long as the block runs."""
    kind = _CompressingHandler if compress else _QuietHandler
    handler = functools.partial(kind, directory=str(folder))
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
