"""From the frames of a cell to notebook outputs: everything checked, and cut to a budget."""

from __future__ import annotations

import json
import re
from typing import Any

from autograder.engine.interface import Limits
from autograder.i18n import _
from autograder.values.codec import MalformedValue

MIME = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,100}\Z")
JSON = re.compile(r"application/(.*\+)?json\Z")
MAX_ERRORS = 5
MAX_LINES = 200
MAX_LINE = 20_000
MAX_ERROR_TEXT = 200_000

Shown = dict[str, list[dict[str, Any]]]


class Collector:
    """The outputs of one cell, built as a front end would build them.

    shown: the displays of the notebook so far that have a name. New contents for one of them are
    put into the very output, in whichever cell it is.
    """

    def __init__(self, limits: Limits, count: int, shown: Shown | None = None) -> None:
        self.outputs: list[dict[str, Any]] = []
        self.count = count
        self._bytes = self._room = limits.output_bytes + 1000
        self._outputs = limits.outputs
        self._errors = MAX_ERRORS
        self._error_text = MAX_ERROR_TEXT
        self._shown = {} if shown is None else shown
        self._clear_next = False
        self._cut = False

    def take(self, frame: dict[str, Any], size: int) -> None:
        """Add what a frame says.

        Raises
        ------
        MalformedValue for a frame that no honest child sends.
        """
        kind = frame.get("out")
        if kind == "error":
            self.error(_text(frame, "ename"), _text(frame, "evalue"), _lines(frame))
        elif self._cut:
            return
        elif kind == "cut" or size > 8 * self._bytes:
            self._stop()
        elif kind == "clear":
            self._clear(bool(frame.get("wait")))
        elif kind == "stream":
            self._stream(_text(frame, "name"), _text(frame, "text"))
        elif kind == "update":
            self._renew(frame, size)
        elif kind in ("display", "result"):
            self._display(frame, str(kind), size)
        else:
            raise MalformedValue("an output of unknown kind")

    def error(self, ename: str, evalue: str, lines: list[str]) -> None:
        """Add an error output, whatever the cell has said before."""
        self._make_way()
        self._errors -= 1
        if self._errors >= 0:
            self.outputs.append(_error(ename, evalue, self._within(lines)))

    def _within(self, lines: list[str]) -> list[str]:
        """The last lines that all errors of a cell have room for."""
        kept: list[str] = []
        for line in reversed(lines):
            self._error_text -= len(line) + 1
            if self._error_text < 0:
                break
            kept.append(line)
        return kept[::-1]

    @property
    def spent(self) -> int:
        """About how many bytes the outputs so far take."""
        room = max(self._bytes, 0)
        return self._room - room + MAX_ERROR_TEXT - max(self._error_text, 0)

    def settle(self, *, failed: bool) -> None:
        """The cell is over. Where it failed an error is shown, or it would look as if it had
        not."""
        if failed and not any(o["output_type"] == "error" for o in self.outputs):
            self.outputs.append(_error("Error", _("The cell failed."), [_("The cell failed.")]))

    def note(self, sentence: str) -> None:
        """Add a sentence to the last error."""
        if self.outputs and self.outputs[-1]["output_type"] == "error":
            self.outputs[-1]["traceback"].append(sentence)

    def timed_out(self, reason: str) -> None:
        """Say that the cell was stopped, in the place of what interrupted it."""
        last = self.outputs[-1] if self.outputs else {}
        lines: list[str] = []
        if last.get("output_type") == "error" and last["ename"] in (
            "KeyboardInterrupt",
            "CancelledError",
        ):
            lines = self.outputs.pop()["traceback"][:-1]
        self.outputs.append(_error("TimeoutError", reason, [*lines, reason]))

    def _stream(self, name: str, text: str) -> None:
        if name not in ("stdout", "stderr"):
            raise MalformedValue("a stream of unknown name")
        self._make_way()
        room = max(self._bytes, 0)
        self._extend(name, text[:room])
        self._spend(len(text))

    def _extend(self, name: str, text: str) -> None:
        last = self.outputs[-1] if self.outputs else {}
        if last.get("output_type") == "stream" and last["name"] == name:
            last["text"] += text
        else:
            self._add({"output_type": "stream", "name": name, "text": text})

    def _display(self, frame: dict[str, Any], kind: str, size: int) -> None:
        output = {"output_type": "display_data", **_contents(frame)}
        if kind == "result":
            output = {**output, "output_type": "execute_result", "execution_count": self.count}
        self._add(output)
        self._spend(size)
        self._renew(frame, size)
        if isinstance(frame.get("id"), str) and not self._cut:
            self._shown.setdefault(frame["id"], []).append(output)

    def _renew(self, frame: dict[str, Any], size: int) -> None:
        """Give every display of this name new contents, each at its price: else a few bytes that
        are shown often could grow together."""
        contents, name = _contents(frame), frame.get("id")
        outputs = self._shown.get(name, []) if isinstance(name, str) else []
        self._spend(size * len(outputs))
        if not self._cut:
            for output in outputs:
                output.update(contents)

    def _add(self, output: dict[str, Any]) -> None:
        self._make_way()
        self._outputs -= 1
        if self._outputs < 0:
            self._stop()
        else:
            self.outputs.append(output)

    def _clear(self, wait: bool) -> None:
        self._clear_next = True
        if not wait:
            self._make_way()

    def _make_way(self) -> None:
        if self._clear_next:
            self._clear_next = False
            for outputs in self._shown.values():
                outputs[:] = [o for o in outputs if not any(o is gone for gone in self.outputs)]
            self.outputs.clear()

    def _spend(self, size: int) -> None:
        self._bytes -= size
        if self._bytes < 0:
            self._stop()

    def _stop(self) -> None:
        if not self._cut:
            self._cut = True
            said = "\n" + _("[The output of this cell was too long: cut here.]")
            self.outputs.append({"output_type": "stream", "name": "stdout", "text": said})


def checked(outputs: Any, limits: Limits) -> list[dict[str, Any]]:
    """The outputs of a cell that was collected on another machine, by the rules of a `Collector`.

    Raises
    ------
    MalformedValue for what no collector makes.
    """
    # An error has its place beyond the bounds, and so has the note that something was cut.
    if not isinstance(outputs, list) or len(outputs) > limits.outputs + MAX_ERRORS + 2:
        raise MalformedValue("outputs without end, or none")
    return [_checked(output) for output in outputs]


def _checked(output: Any) -> dict[str, Any]:
    kind = output.get("output_type") if isinstance(output, dict) else None
    if kind == "error":
        # A collector's own sentences stand below the learner's lines.
        lines = _lines(output, MAX_LINES + 2)
        return _error(_text(output, "ename"), _text(output, "evalue"), lines)
    if kind == "stream" and output.get("name") in ("stdout", "stderr"):
        return {"output_type": kind, "name": output["name"], "text": _text(output, "text")}
    if kind == "display_data":
        return {"output_type": kind, **_contents(output)}
    count = output.get("execution_count") if kind == "execute_result" else None
    if type(count) is int:
        return {"output_type": kind, **_contents(output), "execution_count": count}
    raise MalformedValue("an output of unknown kind")


def _error(ename: str, evalue: str, lines: list[str]) -> dict[str, Any]:
    return {
        "output_type": "error",
        "ename": ename[:MAX_LINE],
        "evalue": evalue[:MAX_LINE],
        "traceback": lines,
    }


def _text(frame: dict[str, Any], key: str) -> str:
    value = frame.get(key)
    if not isinstance(value, str):
        raise MalformedValue(f"{key} is no text")
    return _clean(value)


def _clean(text: str) -> str:
    """Without the halves of surrogate pairs, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _lines(frame: dict[str, Any], most: int = MAX_LINES) -> list[str]:
    lines = frame.get("traceback")
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise MalformedValue("a traceback that is no text")
    return [_clean(line)[:MAX_LINE] for line in lines[:most]]


def _contents(frame: dict[str, Any]) -> dict[str, Any]:
    """The data and metadata of a display: texts, and JSON where the MIME type says so."""
    data, metadata = frame.get("data"), frame.get("metadata")
    if not isinstance(data, dict) or not isinstance(metadata, dict):
        raise MalformedValue("a display without data")
    kept = {}
    for mime, value in data.items():
        if not MIME.match(mime):
            continue
        if isinstance(value, str):
            kept[mime] = _clean(value)
        elif JSON.match(mime):
            kept[mime] = _clean_json(value)
    # nbconvert asks what stands under a MIME type for a width, and fails where it is no object.
    metadata = {k: v for k, v in metadata.items() if "/" not in k or isinstance(v, dict)}
    return {"data": kept, "metadata": _clean_json(metadata)}


def _clean_json(value: Any) -> Any:
    try:
        return json.loads(_clean(json.dumps(value, ensure_ascii=False, allow_nan=False)))
    except (ValueError, RecursionError) as error:
        raise MalformedValue("a display that is no JSON") from error
