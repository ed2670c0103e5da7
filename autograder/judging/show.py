"""A verdict in words and colours: lines for a terminal or an error output, a panel for a page."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable
from itertools import chain

from autograder.i18n import _
from autograder.judging.verdict import Verdict

MARKS = {"passed": "\u2713", "not_attempted": "\u25cb", "partial": "\u2717"}
COLOURS = {"passed": "#009e73", "not_attempted": "#56b4e9", "partial": "#e69f00"}
ANSI = {"red": "\x1b[31m", "bold": "\x1b[1m", "blue": "\x1b[34m", "end": "\x1b[0m"}
WIDTH = 96


def printable(text: str) -> str:
    """A text without what a terminal would take for a command to itself: escapes, line breaks,
    marks that turn the direction of writing."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def lines(verdict: Verdict, *, colour: bool, stuck: bool = True) -> list[str]:
    """The verdict in a few lines of text; `stuck` ends them with the call for a hint."""
    paint = ANSI if colour else dict.fromkeys(ANSI, "")
    tone = paint["blue"] if verdict.status in ("passed", "not_attempted") else paint["red"]
    name = f"{tone}{_mark(verdict)} {paint['bold']}{verdict.part}{paint['end']}"
    # JupyterLab breaks a long line of an error anywhere, in the middle of a number too.
    wrapped = (
        textwrap.wrap(
            text,
            WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for text in _below(verdict, stuck)
    )
    return [f"{name}: {verdict.message}", *chain.from_iterable(wrapped)]


def _mark(verdict: Verdict) -> str:
    return MARKS.get(verdict.status, "\u2717")


def _below(verdict: Verdict, stuck: bool) -> list[str]:
    """What stands below the first sentence."""
    out = []
    if verdict.line:
        out.append(_("your line: {line}").format(line=printable(verdict.line)))
    if verdict.hint:
        out.append(_("Hint: {text}").format(text=verdict.hint))
    if verdict.where:
        out.append(_("It fails here: {kind}").format(kind=verdict.where))
    out += verdict.detail.splitlines()
    if verdict.mend_first:
        out.append(
            _("It uses {name}, whose own check fails: mend that first.").format(
                name=verdict.mend_first
            )
        )
    out += verdict.remarks
    if stuck and verdict.status not in ("passed", "not_attempted"):
        function, dot, step = verdict.part.partition(".")
        call = f'hint({function}, "{step}")' if dot else f"hint({function})"
        out.append(_("Stuck? Try {call}").format(call=call))
    return out


def panel(verdict: Verdict, heading: str = "") -> str:
    """The verdict as HTML. All text is escaped: some of it is the learner's."""
    first = (
        f"{_mark(verdict)} <strong>{html.escape(verdict.part)}</strong>: "
        f"{html.escape(verdict.message)}"
    )
    body = [first, *(html.escape(text) for text in _below(verdict, stuck=not heading))]
    if heading:
        body.insert(0, f"<strong>{html.escape(heading)}</strong>")
    return framed("<br>".join(body), COLOURS.get(verdict.status, "#d55e00"))


def framed(body: str, colour: str = "#0072b2") -> str:
    """HTML with a coloured bar at its left."""
    return f'<div style="border-left:4px solid {colour};padding:.3em .8em">{body}</div>'


def report_lines(verdicts: Iterable[Verdict]) -> list[str]:
    """Several verdicts for a terminal, each with its points."""
    out = []
    for verdict in verdicts:
        first, *rest = lines(verdict, colour=False, stuck=False)
        out.append(f"  {verdict.points:g}/{verdict.max_points:g}  {first}")
        out += ["       " + line.strip() for line in rest]
    return out
