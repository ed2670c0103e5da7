"""Why a function is not there, or a name that it uses: the cell that should have made it stopped.

All of it was said before a hidden input left the judge, so it may be quoted. It is the learner's
word, which decides no mark.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autograder.i18n import _
from autograder.judging.show import printable
from autograder.judging.verdict import Verdict, unknown_name

MOST_LETTERS = 200
MOST_LINE = 500
# Of causes of causes.
DEEPEST = 3
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
AT = re.compile(r"^-+> *(\d+)", re.MULTILINE)
# Where Python could not read it: the end of the message says it.
IN_THE_TEXT = re.compile(r" \([^()]*line (\d+)\)\Z")


@dataclass(frozen=True)
class Stopped:
    """A cell that did not run to its end.

    label: nbgrader's id of the cell. error: in a line. line: the learner's, at which it stopped.
    """

    label: str
    source: str
    error: str
    line: str = ""
    syntax: bool = False

    def makes(self, name: str) -> bool:
        """Whether the cell looks as if it would define or import a name."""
        return self.label == name or any(_binds(line, name) for line in self.source.splitlines())


def stopped(label: str, source: str, outputs: Sequence[dict[str, Any]], reason: str) -> Stopped:
    """What is known of a cell that did not run to its end. reason: the engine's own, if any."""
    error = next((o for o in outputs if o["output_type"] == "error"), None)
    if error is None:
        return Stopped(label, source, reason)
    text = str(error["evalue"])
    trace = COLOURS.sub("", "\n".join(error["traceback"]))
    at = IN_THE_TEXT.search(text) or AT.search(trace)
    lines = source.splitlines()
    number = int(at[1]) if at and len(at[1]) < 7 else 0
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    said = f"{error['ename']}: {IN_THE_TEXT.sub('', text)}" if text.strip() else error["ename"]
    syntax = error["ename"] in ("SyntaxError", "IndentationError", "TabError")
    return Stopped(label, source, _in_a_line(reason or said), _in_a_line(line), syntax)


def explain_missing(verdict: Verdict, function: str, cells: Sequence[Stopped]) -> None:
    """Where the cell that should have defined a function stopped, say so in the verdict."""
    cell = _maker(function, cells)
    if cell is None:
        return
    verdict.message = _(
        "There is no {name}, since the cell that defines it stopped: {error}"
    ).format(name=function, error=cell.error)
    verdict.line = cell.line
    verdict.remarks += _behind(cell, cells)


def explain_names(verdict: Verdict, names: Sequence[str], cells: Sequence[Stopped]) -> None:
    """The same of names that a function asked for in vain."""
    told = [text for name in dict.fromkeys(names) for text in _why_missing(name, cells, DEEPEST)]
    verdict.remarks += told


def _behind(cell: Stopped, cells: Sequence[Stopped], deep: int = DEEPEST) -> list[str]:
    """What is behind the end of a cell."""
    if cell.syntax:
        version = platform.python_version()
        return [_("It was graded with Python {version}.").format(version=version)]
    name = unknown_name(cell.error.partition(": ")[2])
    return _why_missing(name, cells[: cells.index(cell)], deep) if name and deep else []


def _why_missing(name: str, cells: Sequence[Stopped], deep: int) -> list[str]:
    cell = _maker(name, cells)
    if cell is None:
        return []
    text = _("There is no {name}, since an earlier cell stopped: {error}")
    told = text.format(name=name, error=cell.error)
    if cell.line:
        told = _("{text}, at the line: {line}").format(text=told, line=cell.line)
    return [told, *_behind(cell, cells, deep - 1)]


def _maker(name: str, cells: Sequence[Stopped]) -> Stopped | None:
    """The last cell that would have made a name."""
    return next((cell for cell in reversed(cells) if cell.makes(name)), None)


def _binds(line: str, name: str) -> bool:
    text = line.strip()
    if name not in text or len(text) > MOST_LINE:
        return False
    if text.startswith(("import ", "from ")):
        return name in re.findall(r"\w+", text.partition("import ")[2])
    defines = re.match(r"(?:(?:async\s+)?def|class)\s+(\w+)", text)
    if defines:
        return defines[1] == name
    before, equals, _after = text.partition("=")
    return bool(equals) and name in re.findall(r"\w+", before) and "(" not in before


def _in_a_line(text: str) -> str:
    return printable(" ".join(text.split()))[:MOST_LETTERS]
