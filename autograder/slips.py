"""A part's mistakes as a table: each the edit of the reference that makes it, or code.

Most known mistakes are the reference with one thing wrong. Written as that edit, a mistake follows
its reference when that changes; what is no edit is a lambda or a function.

    momentum_step.slips(
        uphill=slip({"theta - lr": "theta + lr"}, "The step goes uphill.", hint="Subtract."),
        stood_still=slip(lambda theta, velocity, grad, lr, beta: (theta, velocity), "No step."),
    )
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from autograder import source


class BadSlip(ValueError):
    """An edit that cannot be made. Says which text, how often it stands there, and what to do."""


@dataclass(frozen=True)
class Slip:
    """A line of the table: what makes the wrong code of a reference, what to tell, and a hint."""

    make: Callable[[Any], Any]
    text: str
    hint: str


def slip(wrong: Mapping[str, str] | Callable[..., Any], text: str, *, hint: str = "") -> Slip:
    """A mistake that is the reference with pieces replaced, or other code of the same signature.

    Parameters
    ----------
    wrong : what stands in the reference's code, exactly once, to what a learner writes in its
        place (docstrings are no code); or a lambda or function
    text : the sentence that the learner reads
    hint : what to try
    """
    if callable(wrong):
        return Slip(lambda _reference: wrong, text, hint)
    return Slip(
        lambda reference: _made(reference, _edited(source.bare(reference), wrong)), text, hint
    )


def method_slip(name: str, method: Callable[..., Any], text: str, *, hint: str = "") -> Slip:
    """A mistake of a class that has another method under the name of one of its own."""
    body = textwrap.indent(source.bare(method), "    ")
    body = body.replace(f"def {method.__name__}(", f"def {name}(", 1)
    return Slip(
        lambda reference: _made(reference, _with_method(source.bare(reference), name, body)),
        text,
        hint,
    )


def _made(reference: Any, written: str) -> Any:
    """The function or class that the edited source of a reference makes.

    A class finds itself under its own name, and not the reference: what its methods make is wrong
    in the same way.
    """
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


def _edited(written: str, edits: Mapping[str, str]) -> str:
    code = source.without_docstrings(written)
    for old in edits:
        count = code.count(old)
        if count != 1:
            raise BadSlip(
                f"{old!r} stands {count} times in the reference; an edit needs a text that stands "
                "there exactly once: take more of the line."
            )
    # All at once: what one edit writes is nothing that another one could find.
    places = "|".join(re.escape(old) for old in edits)
    code, made = re.subn(places, lambda found: edits[found[0]], code)
    if made != len(edits):
        raise BadSlip(f"the edits of {', '.join(map(repr, edits))} overlap: make them one.")
    return code


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
