"""Reading the visible check: what a learner's machine knows of a set.

`checks.json` lies beside the notebook; `autograder.release.freeze` writes it on the instructor's
machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from autograder.exercise import FreshRng
from autograder.values.codec import decode

CHECKS = "checks.json"


@dataclass(frozen=True)
class VisibleNote:
    """A mistake or property as far as telling it goes."""

    name: str
    text: str
    hint: str
    mistake: str | None = None
    holds: Callable[..., bool] | None = None


@dataclass
class VisibleCase:
    """A frozen case, its right answer and the answers of the known mistakes."""

    family: str
    about: str
    raw: dict[str, Any]
    facts: dict[str, Any]
    rtol: float
    atol: float
    wanted: Any
    mistaken: dict[str, Any]


@dataclass
class VisiblePart:
    """A part as the learner's machine knows it."""

    name: str
    exercise: str
    points: float
    by_value: bool
    parameters: list[str]
    probe: Callable[..., Any] | None
    hints: list[str]
    mistakes: list[VisibleNote]
    properties: list[VisibleNote]
    remarks: list[dict[str, str]]
    after: list[str]
    pure: bool
    precise: bool
    returned: list[str]
    cases: list[VisibleCase] = field(default_factory=list)


def read_visible(folder: Path) -> dict[str, VisiblePart]:
    """The parts of the set whose files lie in a folder."""
    data = json.loads((folder / CHECKS).read_text("utf-8"))
    public = load_public("\n".join(data["public"]))
    return {name: _read_part(name, part, public) for name, part in data["parts"].items()}


def load_public(text: str) -> ModuleType:
    """The module of public code, under a name that nothing a learner writes will clash with."""
    module = ModuleType("_public_of_the_set")
    exec(compile(text, "<public code of the set>", "exec"), module.__dict__)
    return module


def _read_part(name: str, data: dict[str, Any], public: ModuleType) -> VisiblePart:
    properties = [VisibleNote(**p, holds=getattr(public, p["name"])) for p in data["properties"]]
    part = VisiblePart(
        name,
        data["exercise"],
        data["points"],
        data["by_value"],
        data["parameters"],
        getattr(public, data["probe"]) if data["probe"] else None,
        data["hints"],
        [VisibleNote(**m) for m in data["mistakes"]],
        properties,
        data["remarks"],
        data.get("after", []),
        data["pure"],
        data["precise"],
        data["returned"],
    )
    for case in data["cases"]:
        part.cases.append(
            VisibleCase(
                case["family"],
                case["about"],
                {k: _revive(v, public) for k, v in case["args"].items()},
                {k: decode(v) for k, v in case["facts"].items()},
                case["rtol"],
                case["atol"],
                decode(case["wanted"]),
                {k: decode(v) for k, v in case["mistaken"].items()},
            )
        )
    return part


def _revive(tree: Any, public: ModuleType) -> Any:
    if isinstance(tree, dict) and tree.get("$") == "rng":
        return FreshRng()
    if isinstance(tree, dict) and tree.get("$") == "public":
        return getattr(public, tree["name"])
    if isinstance(tree, dict) and tree.get("$") == "made":
        maker = getattr(public, tree["by"])
        args = [_revive(a, public) for a in tree["args"]]
        kwargs = {k: _revive(a, public) for k, a in tree["kwargs"].items()}
        made = maker(*args, **kwargs)
        made.told = _told_call(tree["by"], args, kwargs)
        return made
    return decode(tree)


def _told_call(name: str, args: list[Any], kwargs: dict[str, Any]) -> str:
    return (
        f"{name}({', '.join([*map(show, args), *(f'{k}={show(v)}' for k, v in kwargs.items())])})"
    )


def show(value: Any) -> str:
    """A value in few characters, for a learner to read."""
    if callable(value):
        return getattr(value, "told", getattr(value, "__name__", "a function"))
    if isinstance(value, FreshRng):
        return "rng"
    if isinstance(value, np.ndarray):
        text = np.array2string(value, precision=3, separator=", ", threshold=8, edgeitems=2)
        return " ".join(text.split())
    if isinstance(value, float):
        return f"{value:.4g}"
    # An array inside of a list breaks its lines.
    text = " ".join(repr(value).split()) if isinstance(value, list | tuple | dict) else repr(value)
    return text if len(text) < 80 else text[:77] + "..."
