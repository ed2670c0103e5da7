"""MNIST, fetched by scikit-learn's own `fetch_openml` from a server that answers like OpenML."""

from __future__ import annotations

import errno
import functools
import gzip
import hashlib
import http.server
import json
import os
import threading
import types
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets._openml as openml
from sklearn.datasets import load_digits

from autograder import datasets
from autograder import mnist as module
from autograder.datasets import digits, mnist

N = 40
DATA = "/data/v1/download/52667/mnist_784.arff"


@functools.cache
def small() -> tuple[np.ndarray, np.ndarray]:
    """Some of scikit-learn's digits, as whole numbers from 0 to 255."""
    X, y = digits(28)
    return np.rint(X[:N] * 255).astype(int), y[:N]


def arff(X: np.ndarray, y: np.ndarray) -> bytes:
    """In the words of data set 554."""
    head = [f"@ATTRIBUTE pixel{i + 1} real" for i in range(X.shape[1])]
    rows = [",".join(map(str, [*row, digit])) for row, digit in zip(X, y, strict=True)]
    lines = ["% MNIST", "@RELATION mnist_784", "", *head, "@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}"]
    return "\n".join([*lines, "", "@DATA", *rows, ""]).encode()


@dataclass
class OpenML:
    """A server that answers as openml.org does for data set 554, as far as fetch_openml asks.

    says: what it does with a request, by path, in place of the right answer. asked: the paths.
    """

    url: str
    body: bytes
    packed: bool = True
    tells_length: bool = True
    says: dict[str, Callable[[http.server.BaseHTTPRequestHandler], None]] = field(
        default_factory=dict
    )
    asked: list[str] = field(default_factory=list)
    md5: str = ""

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.asked.append(request.path)
        if request.path in self.says:
            self.says[request.path](request)
        elif request.path == DATA:
            sent = gzip.compress(self.body) if self.packed else self.body
            self.send(request, sent, "gzip" if self.packed else "")
        else:
            self.send(request, json.dumps(self.known()[request.path]).encode())

    def send(
        self, request: http.server.BaseHTTPRequestHandler, body: bytes, encoding: str = ""
    ) -> None:
        """A whole answer."""
        request.send_response(200)
        if encoding:
            request.send_header("Content-Encoding", encoding)
        if self.tells_length:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def known(self) -> dict[str, dict[str, object]]:
        """The three answers in JSON, in the form of the REST interface."""
        feature = {"is_ignore": "false", "is_row_identifier": "false"}
        feature |= {"number_of_missing_values": "0"}
        pixels = [
            {
                **feature,
                "index": str(i),
                "name": f"pixel{i + 1}",
                "data_type": "numeric",
                "is_target": "false",
            }
            for i in range(784)
        ]
        target = {
            **feature,
            "index": "784",
            "name": "class",
            "data_type": "nominal",
            "nominal_value": [str(i) for i in range(10)],
            "is_target": "true",
        }
        described = {
            "id": "554",
            "name": "mnist_784",
            "version": "1",
            "description": "The MNIST database of handwritten digits",
            "format": "ARFF",
            "status": "active",
            "url": self.url + DATA,
            "md5_checksum": self.md5 or hashlib.md5(self.body).hexdigest(),
        }
        number = {"name": "NumberOfInstances", "value": str(float(N))}
        return {
            "/api/v1/json/data/554": {"data_set_description": described},
            "/api/v1/json/data/features/554": {"data_features": {"feature": [*pixels, target]}},
            "/api/v1/json/data/qualities/554": {"data_qualities": {"quality": [number]}},
        }


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenML]:
    """The server, with scikit-learn pointed to it, which waits for nothing between attempts."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            known.answer(self)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        known = OpenML(f"http://127.0.0.1:{listening.server_port}", arff(*small()))
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        for name in ("_DATA_INFO", "_DATA_FEATURES", "_DATA_QUALITIES"):
            here = getattr(openml, name).replace("https://www.openml.org", known.url)
            monkeypatch.setattr(openml, name, here)
        monkeypatch.setattr(openml, "time", types.SimpleNamespace(sleep=lambda seconds: None))
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield known
        listening.shutdown()


def no_network(*_of: object, **_how: object) -> None:
    """What a connection ends in on a machine without any."""
    raise OSError(errno.ENETUNREACH, "Network is unreachable")


@pytest.mark.parametrize("file_is_there", [True, False])
def test_the_small_digits_are_scikit_learns(
    monkeypatch: pytest.MonkeyPatch, file_is_there: bool
) -> None:
    if not file_is_there:
        monkeypatch.setattr(datasets, "find_spec", lambda name: None)
    wanted = load_digits()
    X, y = digits()
    assert np.array_equal(X, wanted.data / 16) and np.array_equal(y, wanted.target)
    assert (X.dtype, y.dtype) == (np.float64, wanted.target.dtype)


def assert_right(X: np.ndarray, y: np.ndarray) -> None:
    """The digits that the server has, in the same shapes and types as `digits` gives."""
    wanted_X, wanted_y = small()
    same_X, same_y = digits()
    assert (X.shape, X.dtype, y.shape, y.dtype) == ((N, 784), same_X.dtype, (N,), same_y.dtype)
    assert np.array_equal(X, wanted_X / 255) and np.array_equal(y, wanted_y)
    assert X.min() == 0 and X.max() == 1


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("tells_length", [True, False])
def test_it_is_fetched_once_and_then_needs_no_server(
    server: OpenML,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    packed: bool,
    tells_length: bool,
) -> None:
    server.packed, server.tells_length = packed, tells_length
    assert_right(*mnist(tmp_path))
    told = capsys.readouterr().out
    # Sizes and place first, then the bar.
    head, *bar = told.splitlines()
    assert "up to 128 MB" in head and f"{tmp_path / 'mnist.npz'} (12 MB)" in head
    assert bar[0].endswith(" 0/20") and bar[-1].endswith(f"[{'=' * 60}] 20/20")
    assert sorted(server.asked) == sorted([*server.known(), DATA])
    assert os.listdir(tmp_path) == ["mnist.npz"]

    monkeypatch.setattr("socket.socket.connect", no_network)
    assert_right(*mnist(tmp_path))
    assert capsys.readouterr().out == ""
    assert len(server.asked) == 4


def test_the_bar_grows_as_the_bytes_come(
    server: OpenML, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the body is half of the bar, before the other half is sent."""
    half_is_shown = threading.Event()
    body = server.body + b"%" + bytes(800_000).replace(b"\0", b"x") + b"\n"
    server.body = body

    def in_halves(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2])
        assert half_is_shown.wait(60)
        request.wfile.write(body[len(body) // 2 :])

    server.says[DATA] = in_halves
    shown: list[int] = []

    class Bar:
        def __init__(self, total: int) -> None:
            self.total = total

        def display(self) -> None:
            shown.append(0)

        def __setattr__(self, name: str, value: int) -> None:
            object.__setattr__(self, name, value)
            if name == "progress":
                shown.append(value)
                if 2 * value >= self.total - 4:
                    half_is_shown.set()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("IPython.display.ProgressBar", Bar)
        assert_right(*mnist(tmp_path))
    assert shown == sorted(set(shown)) and shown[0] == 0 and shown[-1] == module.STEPS
    assert len(shown) > module.STEPS / 2


def test_the_folder_is_scikit_learns(
    server: OpenML, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "mine"))
    assert_right(*mnist())
    assert (tmp_path / "mine" / "mnist.npz").is_file()


def one_sentence(error: BaseException, *parts: str) -> None:
    """What was tried, why it failed, what to do, and the stand-in: one sentence, no chain."""
    told = str(error)
    for part in ("openml.org", "call mnist() again", "digits(28)", *parts):
        assert part in told
    assert "\n" not in told and told.endswith(".")
    assert error.__cause__ is None and error.__context__ is None


def test_without_a_network_it_says_what_to_do(
    server: OpenML, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        away.setattr("socket.socket.connect", no_network)
        with pytest.raises(ConnectionError) as told:
            mnist(tmp_path)
    one_sentence(told.value, "Network is unreachable")
    assert os.listdir(tmp_path) == []
    assert_right(*mnist(tmp_path))


@pytest.mark.parametrize("path", [DATA, "/api/v1/json/data/features/554"])
def test_a_servers_error_is_told(server: OpenML, tmp_path: Path, path: str) -> None:
    server.says[path] = lambda request: request.send_error(503)
    with pytest.raises(ConnectionError) as told:
        mnist(tmp_path)
    one_sentence(told.value, "503 Service Unavailable")
    assert os.listdir(tmp_path) == []


def cut_off(server: OpenML) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    """Promises all, sends half, and is gone."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        body = gzip.compress(server.body) if server.packed else server.body
        request.send_response(200)
        if server.packed:
            request.send_header("Content-Encoding", "gzip")
        if server.tells_length:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2])

    return answer


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("tells_length", [True, False])
def test_a_body_that_ends_early_is_asked_for_again_and_told(
    server: OpenML, tmp_path: Path, packed: bool, tells_length: bool
) -> None:
    server.packed, server.tells_length = packed, tells_length
    server.says[DATA] = cut_off(server)
    with pytest.raises(ConnectionError) as told:
        mnist(tmp_path)
    one_sentence(told.value, "damaged")
    assert server.asked.count(DATA) == 2
    assert os.listdir(tmp_path) == []
    if tells_length:
        assert "more expected" in str(told.value)

    whole = server.says.pop(DATA)
    server.says[DATA] = lambda request: (server.says.pop(DATA), whole(request))[1]
    assert_right(*mnist(tmp_path))


def test_a_wrong_checksum_is_told(server: OpenML, tmp_path: Path) -> None:
    server.md5 = "0298d579eb1b86163de7723944c7e495"
    with pytest.raises(ConnectionError) as told:
        mnist(tmp_path)
    one_sentence(told.value, "damaged", "checksum")
    assert os.listdir(tmp_path) == []
    server.md5 = ""
    assert_right(*mnist(tmp_path))


@pytest.mark.parametrize("page", [b"<html>Log in to the library's network</html>", b"{}"])
def test_the_login_page_of_a_network_is_told(server: OpenML, tmp_path: Path, page: bytes) -> None:
    for path in server.known():
        server.says[path] = lambda request: server.send(request, page)
    with pytest.raises(ConnectionError) as told:
        mnist(tmp_path)
    one_sentence(told.value, "login page")
    server.says.clear()
    assert_right(*mnist(tmp_path))


@pytest.mark.parametrize("wrong", ["pixels", "digits", "columns"])
def test_what_is_not_mnist_is_not_kept(server: OpenML, tmp_path: Path, wrong: str) -> None:
    """With its checksum right, too."""
    X, y = small()
    X, y = X.copy(), y.copy()
    if wrong == "pixels":
        X[3, 100] = 300
    elif wrong == "digits":
        X[0, 0], y[5] = 7, 10
        server.body = arff(X, y).replace(b"7,8,9}", b"7,8,9,10}")
    if wrong == "columns":
        server.body = arff(X, y)
        features = server.known()["/api/v1/json/data/features/554"]
        listed = features["data_features"]["feature"]  # type: ignore[index]
        listed[0]["is_ignore"] = "true"
        server.says["/api/v1/json/data/features/554"] = lambda request: server.send(
            request, json.dumps(features).encode()
        )
    elif wrong == "pixels":
        server.body = arff(X, y)
    with pytest.raises(ConnectionError, match="no digits"):
        mnist(tmp_path)
    assert os.listdir(tmp_path) == []


def test_an_interrupt_leaves_nothing_behind(server: OpenML, tmp_path: Path) -> None:
    """Ctrl-C while bytes come, and while they are written down."""

    def interrupt(*_of: object, **_how: object) -> None:
        raise KeyboardInterrupt

    for name in ("shutil.copyfileobj", "numpy.savez_compressed", "os.replace"):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(name, interrupt)
            with pytest.raises(KeyboardInterrupt):
                mnist(tmp_path)
        assert os.listdir(tmp_path) == []
    before = getattr(urllib.request, "_opener", None)
    assert_right(*mnist(tmp_path))
    assert getattr(urllib.request, "_opener", None) is before


def test_a_damaged_file_is_noticed_and_fetched_anew(
    server: OpenML, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mnist(tmp_path)
    file = tmp_path / "mnist.npz"
    good = file.read_bytes()
    middle = len(good) // 2
    damaged = {
        "cut off": good[:middle],
        "empty": b"",
        "another file": b"\x93NUMPY\x01\x00",
        "a bit in the pixels": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
    }
    for name, content in damaged.items():
        file.write_bytes(content)
        capsys.readouterr()
        server.asked.clear()
        assert_right(*mnist(tmp_path))
        assert f"{file} is damaged" in capsys.readouterr().out, name
        assert DATA in server.asked, name
        assert np.load(file)["X"].shape == (N, 784)


def test_no_bit_of_the_kept_file_turns_into_another_digit(
    server: OpenML, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a bit flips: the right digits, or the file is told to be damaged."""
    mnist(tmp_path)
    file = tmp_path / "mnist.npz"
    good = file.read_bytes()
    monkeypatch.setattr(module, "_fetch", lambda folder: None)
    wanted = tuple(a.astype(np.uint8) for a in small())
    noticed = 0
    places = np.linspace(0, len(good) - 1, 400).astype(int)
    for place in places:
        file.write_bytes(good[:place] + bytes([good[place] ^ 16]) + good[place + 1 :])
        got = module._read(file)
        noticed += got is None
        assert got is None or all(map(np.array_equal, got, wanted))
    assert noticed > 0.9 * len(places)


def test_a_server_that_falls_silent_is_not_waited_for_for_ever(
    server: OpenML, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
    ended = threading.Event()
    server.says[DATA] = lambda request: (ended.wait(60), None)[1]
    try:
        with pytest.raises(ConnectionError) as told:
            mnist(tmp_path)
    finally:
        ended.set()
    one_sentence(told.value, "timed out")
