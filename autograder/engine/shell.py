"""An IPython shell that says what a Jupyter kernel would, as frames over one socket."""

from __future__ import annotations

import base64
import builtins
import contextlib
import getpass
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import InteractiveShell, InteractiveShellABC
from traitlets import Type
from traitlets.config import Config

from autograder.engine.wire import MAX_HEADER, Channel, Closed

EAGER_FRAMES = 500
PIECE = 8192
MAX_LINES = 100
MAX_LINE = 10_000


class Sink:
    """Where all output of a cell goes, up to what a cell may say."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.pid = os.getpid()
        self.sent = 0
        self._lock = threading.RLock()
        self._stream = ("", [""])
        self._bytes = self._outputs = 0

    def open_cell(self, max_bytes: int, max_outputs: int) -> None:
        """A new cell with a new budget."""
        self._bytes, self._outputs = min(max_bytes, MAX_HEADER // 2), max_outputs
        self.sent = 0

    def close_cell(self) -> None:
        """Send what is still held back. A thread that prints later is not heard."""
        self.flush()
        self._bytes = 0

    def reply(self, frame: dict[str, Any]) -> None:
        """Send what is no output."""
        self._put(frame)

    def forked(self) -> None:
        """This is a fork, and silent. A thread that is no more may have held the lock."""
        self._lock = threading.RLock()

    def write(self, name: str, text: str) -> None:
        """Text for a stream. Whole lines go at once as long as they are few, so that they
        survive a sudden death; later ones in larger pieces."""
        if self._bytes <= 0:
            return
        with self._lock:
            if self._stream[0] != name:
                self.flush()
                self._stream = (name, [])
            held = self._stream[1]
            held.append(text[: self._bytes + 1])
            few = self.sent < EAGER_FRAMES
            if (few and text.endswith("\n")) or sum(map(len, held[-64:])) > PIECE:
                self.flush()
            elif len(held) >= 64:
                held[:] = ["".join(held)]

    def flush(self) -> None:
        """Send the text that is held back."""
        with self._lock:
            name, held = self._stream
            text = "".join(held)
            held.clear()
            if text:
                self._send({"out": "stream", "name": name, "text": text})

    def emit(self, frame: dict[str, Any]) -> None:
        """Send an output that is no stream, after what was printed before it."""
        self.flush()
        self._outputs -= 1
        if self._outputs >= 0:
            self._send(frame)
        elif self._outputs == -1:
            self._send({"out": "cut"})

    def fail(self, ename: str, evalue: str, lines: list[str]) -> None:
        """Send an error. It is shown whatever the cell has said before, or a test that says
        much and fails would look as if it had passed."""
        self.flush()
        lines = [line[:MAX_LINE] for line in (lines[:1] + lines[1:][-MAX_LINES:])]
        error = {"ename": ename[:200], "evalue": evalue[:MAX_LINE], "traceback": lines}
        if not self._silent:
            self._put({"out": "error", **error})

    @property
    def _silent(self) -> bool:
        """Only the process that the socket was made for may write to it."""
        return os.getpid() != self.pid

    def _send(self, frame: dict[str, Any]) -> None:
        if self._silent or self._bytes <= 0:
            return
        size = len(json.dumps(frame))
        if size > self._bytes:
            if frame["out"] == "stream":
                self._put({**frame, "text": cut(frame["text"], self._bytes)})
            frame, self._bytes = {"out": "cut"}, 0
        self._bytes -= size
        self._put(frame)

    def _put(self, frame: dict[str, Any]) -> None:
        try:
            with self._lock, no_interrupt():
                self.channel.send(frame)
        except Closed:
            os._exit(0)
        self.sent += 1


def cut(text: str, size: int) -> str:
    """The start of a text, short enough for `size` bytes of JSON."""
    while text and len(json.dumps(text)) > size:
        text = text[: min(size, len(text) // 2)]
    return text


@contextlib.contextmanager
def no_interrupt() -> Iterator[None]:
    """Put a KeyboardInterrupt off: half a frame would be the end of the conversation."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        signal.raise_signal(signal.SIGINT)


class Stream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` of a cell."""

    encoding = "UTF-8"
    errors = "replace"

    def __init__(self, name: str, sink: Sink) -> None:
        super().__init__()
        self.name = name
        self._sink = sink

    def write(self, text: str) -> int:
        """Print."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        self._sink.write(self.name, text)
        return len(text)

    def flush(self) -> None:
        """Send what is held back."""
        self._sink.flush()

    def writable(self) -> bool:
        """It can be written to."""
        return True


def bundle(data: dict[str, Any]) -> dict[str, Any]:
    """A MIME bundle that JSON can carry: bytes as base64, the unknown as its repr, and without
    what JSON has no words for."""

    def plain(value: Any) -> str:
        return base64.b64encode(value).decode() if isinstance(value, bytes) else repr(value)

    made = {}
    for mime, value in data.items():
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            made[str(mime)] = json.loads(json.dumps(value, default=plain, allow_nan=False))
    return made


class Hook(DisplayHook):
    """The value of a cell's last expression."""

    shell: NotebookShell

    def write_output_prompt(self) -> None:
        """A notebook shows the number itself."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        """Send the value's representations."""
        self.shell.sink.emit(
            {
                "out": "result",
                "count": self.prompt_count,
                "data": bundle(format_dict),
                "metadata": bundle(md_dict or {}),
            }
        )

    def log_output(self, format_dict: Any) -> None:
        """No history is kept."""

    def finish_displayhook(self) -> None:
        """Nothing is left open."""
        self._is_active = False


class Publisher(DisplayPublisher):
    """What `display` shows."""

    shell: NotebookShell

    def publish(  # type: ignore[override]
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **_ignored: Any,
    ) -> None:
        """Send a display, or new contents for an earlier one."""
        self.shell.sink.emit(
            {
                "out": "update" if update else "display",
                "id": (transient or {}).get("display_id"),
                "data": bundle(data),
                "metadata": bundle(metadata or {}),
            }
        )

    def clear_output(self, wait: bool = False) -> None:
        """Drop what the cell has shown so far."""
        self.shell.sink.emit({"out": "clear", "wait": bool(wait)})


class Compiler(CachingCompiler):
    """Cells named by number, so that a warning or a traceback reads the same in every process."""

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        """The file name that a cell's code objects carry."""
        return f"cell-{number}.py"


class NotebookShell(InteractiveShell):
    """The shell without a terminal, a history or a kernel."""

    compiler_class = Type(Compiler)
    displayhook_class = Type(Hook)
    display_pub_class = Type(Publisher)
    sink: Sink

    def __init__(self, **options: Any) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.logstart = False
        super().__init__(config=config, **options)

    def begin(self, sink: Sink) -> None:
        """Send all output to `sink` from now on."""
        self.sink = sink
        sys.stdout = Stream("stdout", sink)
        sys.stderr = Stream("stderr", sink)
        self.set_hook("show_in_pager", lambda *_args, **_options: None, 99)

    def init_virtualenv(self) -> None:
        """The interpreter is what it is."""

    def enable_gui(self, gui: Any = None) -> None:
        """No event loop of a window system runs here."""

    def ask_exit(self) -> None:
        """`exit` ends nothing: later cells are graded too."""

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        try:
            text = str(evalue)
        except Exception:  # a learner's __str__ may raise anything
            text = "(its message cannot be read)"
        self.sink.fail(str(etype.__name__), text, list(stb))


InteractiveShellABC.register(NotebookShell)


def refuse_input() -> None:
    """`input` has nobody to ask."""

    def refuse(*_args: Any, **_options: Any) -> NoReturn:
        raise StdinNotImplementedError(
            "raw_input was called, but this frontend does not support input requests."
        )

    builtins.input = refuse
    getpass.getpass = refuse
