"""Reading the visible check: what a learner's machine knows of a set.

`checks.json` lies beside the notebook; `autograder.release.freeze` writes it on the instructor's
machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
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
    last: bool = False


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
    """A part as the learner's machine knows it. numpy: the version that grades it. asked: the probe
    that alone can call it with what stands in its cases."""

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
    numpy: str
    asked: str = ""
    cases: list[VisibleCase] = field(default_factory=list)


def read_visible(folder: Path) -> dict[str, VisiblePart]:
    """The parts of the set whose files lie in a folder."""
    data = json.loads((folder / CHECKS).read_text("utf-8"))
    public = load_public("\n".join(data["public"]))
    numpy = data.get("numpy", "")
    return {name: _read_part(name, part, public, numpy) for name, part in data["parts"].items()}


def load_public(text: str) -> ModuleType:
    """The module of public code, under a name that nothing a learner writes will clash with."""
    module = ModuleType("_public_of_the_set")
    exec(compile(text, "<public code of the set>", "exec"), module.__dict__)
    return module


def _read_part(name: str, data: dict[str, Any], public: ModuleType, numpy: str) -> VisiblePart:
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
        numpy,
        data.get("asked", ""),
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
        made.told = call_of(tree["by"], args, kwargs)
        return made
    return decode(tree)


@dataclass(frozen=True)
class Named:
    """What is shown by its name."""

    name: str


def call_of(name: str, args: Iterable[Any], kwargs: Mapping[str, Any]) -> str:
    """A call as somebody would type it."""
    return (
        f"{name}({', '.join([*map(show, args), *(f'{k}={show(v)}' for k, v in kwargs.items())])})"
    )


def makers_in(value: Any) -> set[str]:
    """The names of public code that `show` writes."""
    if callable(value):
        return set(re.findall(r"(?<![\w.])[A-Za-z_]\w*(?=\(|$)", show(value)))
    items = value.values() if isinstance(value, dict) else value
    return set().union(*map(makers_in, items)) if isinstance(value, list | tuple | dict) else set()


def show(value: Any) -> str:
    """A value as somebody would type it: a call with it runs."""
    if isinstance(value, Named):
        return value.name
    if callable(value):
        return getattr(value, "told", getattr(value, "__name__", "a function"))
    if isinstance(value, FreshRng):
        return "np.random.default_rng()"
    if isinstance(value, np.ndarray):
        if value.size == 0:
            return f"np.zeros({value.shape})"
        text = np.array2string(value, precision=4, separator=", ", threshold=value.size + 1)
        return f"np.array({' '.join(text.split())})"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{show(k)}: {show(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(show, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(show, value))}{',' * (len(value) == 1)})"
    return repr(value)
