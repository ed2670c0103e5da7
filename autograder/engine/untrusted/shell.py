"""An IPython shell that says what a Jupyter kernel would, as frames over one socket."""

from __future__ import annotations

import ast
import asyncio
import base64
import builtins
import contextlib
import getpass
import io
import json
import os
import pdb
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NoReturn

from IPython.core import debugger
from IPython.core.async_helpers import _pseudo_sync_runner
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import InteractiveShell, InteractiveShellABC
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import magic_arguments
from IPython.core.magics.extension import ExtensionMagics
from IPython.core.magics.packaging import PackagingMagics
from IPython.core.magics.script import ScriptMagics, script_args
from IPython.utils.process import arg_split
from IPython.utils.text import LSString, SList
from traitlets import Type
from traitlets.config import Config

from autograder.engine.untrusted.absent import missing_platform, with_stand_ins
from autograder.engine.untrusted.descriptors import Descriptor
from autograder.engine.wire import MAX_HEADER, Channel, Closed
from autograder.i18n import _

EAGER_FRAMES = 500
PIECE = 8192
MAX_LINES = 100
OVERHEAR_SECONDS = 0.001
FIRST_FRAMES = 10
LAST_FRAMES = 20
MAX_LINE = 10_000
# What a Unix shell says of a command that it cannot execute.
CANNOT_EXECUTE = 126
MOST_OF_A_COMMAND = 80


class Sink:
    """Where all output of a cell goes, up to what a cell may say."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.pid = os.getpid()
        self.sent = 0
        self.descriptors: dict[str, Descriptor] = {}
        self._overheard = 0.0
        self._lock = threading.RLock()
        self._stream = ("", [""])
        self._bytes = self._outputs = 0

    def listen(self) -> None:
        """From now on show, too, what is written to the descriptors 1 and 2."""
        self.descriptors = {"stdout": Descriptor(1), "stderr": Descriptor(2)}

    def open_cell(self, max_bytes: int, max_outputs: int) -> None:
        """A new cell with a new budget. What was said since the last one is not heard."""
        for descriptor in self.descriptors.values():
            descriptor.forget()
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
        for descriptor in self.descriptors.values():
            descriptor.release()
        self.descriptors = {}

    def write(self, name: str, text: str) -> None:
        """Text for a stream. Whole lines go at once as long as they are few, so that they
        survive a sudden death; later ones in larger pieces."""
        if self._bytes <= 0:
            return
        if self._silent:
            # A fork that a cell made itself speaks as any program does.
            if name in self.descriptors:
                self.descriptors[name].write(text)
            return
        with self._lock:
            # To look costs as much as to print, and no program ends as fast as that.
            if time.monotonic() - self._overheard > OVERHEAR_SECONDS:
                self._overhear()
            self._hold(name, text)

    def _overhear(self) -> None:
        """Take up what was written past Python's streams, where it stands in time."""
        self._overheard = time.monotonic()
        for name, descriptor in self.descriptors.items():
            text = descriptor.fresh(self._bytes + 1)
            if text:
                self._hold(name, text)

    def _hold(self, name: str, text: str) -> None:
        with self._lock:
            if self._stream[0] != name:
                self._let_go()
                self._stream = (name, [])
            held = self._stream[1]
            held.append(text[: self._bytes + 1])
            few = self.sent < EAGER_FRAMES
            if (few and text.endswith("\n")) or sum(map(len, held[-64:])) > PIECE:
                self._let_go()
            elif len(held) >= 64:
                held[:] = ["".join(held)]

    def flush(self) -> None:
        """Send the text that is held back."""
        with self._lock:
            if not self._silent:
                self._overhear()
            self._let_go()

    def _let_go(self) -> None:
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

    def fileno(self) -> int:
        """The descriptor that was there before: as in a kernel, what is written to it is not
        shown."""
        if self.name not in self._sink.descriptors:
            raise io.UnsupportedOperation("fileno")
        return self._sink.descriptors[self.name].before


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


@magics_class
class ScreenMagics(Magics):
    """What would start a program that fills a terminal, and wait for its end."""

    @line_magic
    def less(self, _line: str) -> None:
        """A pager shows nothing in a notebook that nobody looks at."""

    @line_magic
    def more(self, _line: str) -> None:
        """The same."""

    @line_magic
    def man(self, _line: str) -> None:
        """The same."""


@magics_class
class Programs(ScriptMagics):
    """Cells for other programs, such as `%%bash`, also where none can be started."""

    shell: NotebookShell

    @magic_arguments()
    @script_args
    @cell_magic("script")  # type: ignore[arg-type]
    def shebang(self, line: str, cell: str) -> None:
        """Run the cell by another program, or say that it cannot be run."""
        if self.shell.starts_programs:
            super().shebang(line, cell)
            return
        options, command = self.shebang.parser.parse_known_args(arg_split(line))
        self.shell.user_ns.update({name: "" for name in (options.out, options.err) if name})
        self.shell.refuse_program(" ".join(command))


@magics_class
class Packages(PackagingMagics):
    """Those that fail where conda did not make the environment: there no program is missing."""

    shell: NotebookShell

    @line_magic
    def conda(self, line: str) -> None:
        """Run a package manager, or say that it cannot be run."""
        if self.shell.starts_programs:
            super().conda(line)  # type: ignore[call-arg]
        else:
            self.shell.refuse_program(f"conda {line}")

    @line_magic
    def mamba(self, line: str) -> None:
        """The same."""
        if self.shell.starts_programs:
            super().mamba(line)  # type: ignore[call-arg]
        else:
            self.shell.refuse_program(f"mamba {line}")


@magics_class
class Extensions(ExtensionMagics):
    """Those of a platform are not there."""

    shell: NotebookShell

    @line_magic
    def load_ext(self, module_str: str) -> Any:  # type: ignore[override]
        """Load an extension, or say that it is not there."""
        absent = missing_platform(module_str.strip())
        if absent is None:
            return super().load_ext(module_str)  # type: ignore[misc, call-arg]
        self.shell.tell_absent([absent])
        return None


class NotebookShell(InteractiveShell):
    """The shell without a terminal, a history or a kernel.

    starts_programs: whether a cell may start any.
    """

    compiler_class = Type(Compiler)
    displayhook_class = Type(Hook)
    display_pub_class = Type(Publisher)
    sink: Sink
    starts_programs = True
    _failed_to_show = False
    _source = ""

    def __init__(self, **options: Any) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.logstart = False
        # Libraries look here, whether a notebook is in front of them (tqdm).
        config.IPKernelApp = Config()
        super().__init__(config=config, **options)
        vars(pdb).update(Pdb=debugger.Pdb, set_trace=debugger.set_trace)

    def begin(self, sink: Sink) -> None:
        """Send all output to `sink` from now on."""
        self.sink = sink
        sink.listen()
        sys.stdout = Stream("stdout", sink)
        sys.stderr = Stream("stderr", sink)
        self.set_hook("show_in_pager", lambda *_args, **_options: None, 99)
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)

    def execute(self, source: str) -> bool:
        """Run a cell as a kernel does, which has a loop running all the time. Whether it
        succeeded."""
        task = self.loop.create_task(self._within_loop(source))
        with contextlib.suppress(KeyboardInterrupt):
            return self.loop.run_until_complete(task)
        if task.done():
            return False
        # It waits in the loop: there it can only be cancelled.
        task.cancel()
        return self.loop.run_until_complete(task)

    async def _within_loop(self, source: str) -> bool:
        problem = None
        try:
            transformed = self.transform_cell(source)
        except Exception:  # run_cell_async shows it
            transformed, problem = source, sys.exc_info()
        self._failed_to_show = False
        self._source = transformed
        known = {"transformed_cell": transformed, "preprocessing_exc_tuple": problem}
        cell = self.run_cell_async(source, store_history=True, **known)
        result = None
        try:
            # As run_cell does, which would transform the cell again and keep all that it prints.
            waits = self.should_run_async(source, **known)
            result = await cell if waits else _pseudo_sync_runner(cell)
        except BaseException:  # what IPython itself did not show: an interrupt between its steps
            with contextlib.suppress(BaseException):
                self.showtraceback(running_compiled_code=True)
        finally:
            self.events.trigger("post_execute")
            self.events.trigger("post_run_cell", result)
        return result is not None and bool(result.success) and not self._failed_to_show

    def init_magics(self) -> None:
        """With those that ask for a screen or for other programs."""
        super().init_magics()
        self.register_magics(ScreenMagics, Programs, Packages, Extensions)

    def system(self, cmd: str) -> None:
        """`!command`. In a kernel it never fails, so a line that asks for a program loses nothing
        but the program."""
        if self.starts_programs:
            super().system(cmd)
        else:
            self.refuse_program(cmd)

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        """`lines = !command`."""
        if self.starts_programs:
            return super().getoutput(cmd, split, depth + 1)
        self.refuse_program(cmd)
        return SList() if split else LSString("")

    def transform_ast(self, node: ast.AST) -> ast.AST:
        """The tree of a cell, in which what only another platform has does nothing."""
        node = super().transform_ast(node)
        if isinstance(node, ast.Module):
            self.tell_absent(with_stand_ins(node, self._source))
        return node

    def tell_absent(self, names: list[str]) -> None:
        """Say what is not there."""
        for name in names:
            told = _("{name} is not there when a notebook is graded: it does nothing here.")
            print(told.format(name=name))

    def refuse_program(self, command: str) -> None:
        """Say that a command was not run, where a shell would say what came of it."""
        program, blank, rest = command.strip().partition(" ")
        told = _("{command}: not run, since no program can be started here.")
        print(told.format(command=(os.path.basename(program) + blank + rest)[:MOST_OF_A_COMMAND]))
        self.user_ns["_exit_code"] = CANNOT_EXECUTE

    def init_virtualenv(self) -> None:
        """The interpreter is what it is."""

    def enable_gui(self, gui: Any = None) -> None:
        """No event loop of a window system runs here."""

    def _get_exc_info(self, exc_tuple: Any = None) -> Any:
        """Nobody reads a thousand frames, and to lay them out takes longer than a cell may."""
        kind, value, trace = super()._get_exc_info(exc_tuple)
        seen: set[int] = set()
        error: BaseException | None = value
        while isinstance(error, BaseException) and id(error) not in seen:
            seen.add(id(error))
            # Of the error itself IPython hides the first frame, its own.
            error.__traceback__ = shortened(error.__traceback__, hidden=int(error is value))
            error = error.__cause__ or error.__context__
        return kind, value, shortened(trace, hidden=1)

    def ask_exit(self) -> None:
        """`exit` ends nothing: later cells are graded too."""

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        try:
            text = str(evalue)
        except Exception:  # a learner's __str__ may raise anything
            text = "(its message cannot be read)"
        # What cannot be shown as a cell's value makes the cell one that failed.
        self._failed_to_show = self._failed_to_show or self.displayhook._is_active
        self.sink.fail(str(etype.__name__), text, list(stb))


InteractiveShellABC.register(NotebookShell)


# Libraries know a notebook by the name of its shell: rich shows HTML in this one alone.
NotebookShell.__name__ = "ZMQInteractiveShell"


def shortened(trace: TracebackType | None, *, hidden: int = 0) -> TracebackType | None:
    """A traceback without its middle where it is long. hidden: so many frames are not shown."""
    first = hidden + FIRST_FRAMES
    frames = []
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    if len(frames) > first + LAST_FRAMES:
        frames = frames[:first] + frames[-LAST_FRAMES:]
        made = None
        for frame in reversed(frames):
            made = TracebackType(made, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
        return made
    return frames[0] if frames else None


def refuse_input() -> None:
    """`input` has nobody to ask."""

    def refusing(name: str) -> Callable[..., NoReturn]:
        def refuse(*_args: Any, **_options: Any) -> NoReturn:
            raise StdinNotImplementedError(
                f"{name} was called, but this frontend does not support input requests."
            )

        return refuse

    builtins.input = refusing("raw_input")
    getpass.getpass = refusing("getpass")
    sys.breakpointhook = lambda *_args, **_options: None
