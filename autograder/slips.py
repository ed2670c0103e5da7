"""Mistakes written as the edit that makes them.

Most known mistakes are the reference with one thing wrong. Written as that edit, a mistake follows
its reference when that changes, and an author reads a part's mistakes as a table:

    momentum_step.slips(
        uphill=slip({"theta - lr": "theta + lr"}, "The step goes uphill.", hint="Subtract."),
    )
"""

from __future__ import annotations

import ast
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from autograder.code import source


class BadSlip(ValueError):
    """An edit that cannot be made. Says which text, how often it stands there, and what to do."""


@dataclass(frozen=True)
class Slip:
    """A mistake as text: how the reference's source becomes it, what to tell, and a hint."""

    edit: Callable[[str], str]
    text: str
    hint: str


def slip(edits: Mapping[str, str], text: str, *, hint: str = "") -> Slip:
    """A mistake that replaces pieces of the reference's own source.

    Parameters
    ----------
    edits : what stands in the source, exactly once, to what a learner writes in its place
    text : the sentence that the learner reads
    hint : what to try
    """
    return Slip(lambda written: _replaced(written, edits), text, hint)


def method_slip(name: str, method: Callable[..., Any], text: str, *, hint: str = "") -> Slip:
    """A mistake of a class that has another method under the name of one of its own."""
    body = textwrap.indent(source.bare(method), "    ")
    body = body.replace(f"def {method.__name__}(", f"def {name}(", 1)
    return Slip(lambda written: _with_method(written, name, body), text, hint)


def mistaken(reference: Any, slipped: Slip) -> Any:
    """The function or class that the edited source of a reference makes.

    A class finds itself under its own name, and not the reference: what its methods make is wrong
    in the same way.

    Raises
    ------
    BadSlip where the edit does not fit the source, or what it leaves is no Python.
    """
    written = slipped.edit(source.bare(reference))
    name = reference.__name__
    factory = f"def _made():\n{textwrap.indent(written, '    ')}\n    return {name}\n"
    try:
        code = compile(factory, f"<slip of {name}>", "exec")
    except SyntaxError as error:
        raise BadSlip(f"the edited source is no Python: {error}") from None
    namespace: dict[str, Any] = {}
    exec(code, _globals_of(reference), namespace)
    made = namespace["_made"]()
    made.__source__ = written
    return made


def _globals_of(reference: Any) -> dict[str, Any]:
    if isinstance(reference, type):
        return vars(sys.modules[reference.__module__])
    found: dict[str, Any] = reference.__globals__
    return found


def _replaced(written: str, edits: Mapping[str, str]) -> str:
    for old, new in edits.items():
        count = written.count(old)
        if count != 1:
            raise BadSlip(
                f"{old!r} stands {count} times in the reference; an edit needs a text that stands "
                "there exactly once: take more of the line."
            )
        written = written.replace(old, new)
    return written


def _with_method(written: str, name: str, body: str) -> str:
    tree = ast.parse(written).body[0]
    found = [
        n for n in getattr(tree, "body", []) if isinstance(n, ast.FunctionDef) and n.name == name
    ]
    if len(found) != 1:
        raise BadSlip(f"the reference has {len(found)} methods called {name}.")
    lines = written.splitlines()
    first = min([found[0].lineno, *(d.lineno for d in found[0].decorator_list)])
    return "\n".join([*lines[: first - 1], *body.splitlines(), *lines[found[0].end_lineno :]])
