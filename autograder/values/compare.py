"""What is the first thing that is off between two answers?

A right answer has the right type, length, shape, dtype, only finite numbers where those are
wanted, and the right values. The first of these that fails is the `Difference`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.values.codec import Opaque, Raised

SHAPES = re.compile(r"\b(shapes?|dimensions?|broadcast|aligned|operands?|size)\b")


@dataclass(frozen=True)
class Difference:
    """What is off, where, and (for the eyes of those who may see it) what was got and wanted.

    kind: 'type', 'raised', 'no_raise', 'length', 'shape', 'dtype', 'finite' or 'value'; 'size' of
        what is too large to be looked at.
    where: the place inside a tuple, as the learner would write it, such as `[1]`, or the key in a
        dict.
    index: the place inside an array, None for a scalar.
    got, wanted: a type's name, a length, a shape, a dtype or a number, as text.
    """

    kind: str
    got: str
    wanted: str
    where: str = ""
    index: tuple[int, ...] | None = None


# Types that are known by another name than Python's.
WORDS = {
    "ndarray": "array",
    "Tensor": "tensor",
    "sparse Tensor": "sparse tensor",
    "ellipsis": "... (Ellipsis)",
    "MaskedArray": "masked array",
    "Series": "pandas Series",
    "DataFrame": "pandas DataFrame",
    "type": "class",
}
# Of an array's largest number, what single precision may be off.
SINGLE = 1e-5


def difference(
    got: Any, wanted: Any, *, rtol: float, atol: float, where: str = "", precise: bool = True
) -> Difference | None:
    """The first difference, or None where `got` is as good as `wanted`.

    precise: whether only float64 stands for float64. Where not, single precision is as good, and
    so are whole numbers that are right.
    """
    if isinstance(wanted, Raised) or isinstance(got, Raised):
        return _raised(got, wanted, where)
    if isinstance(wanted, Opaque):
        # A mistake's answer may hold anything; nobody can say that another one is the same.
        return Difference("type", describe(got), describe(wanted), where)
    if isinstance(wanted, dict):
        return _dict(got, wanted, rtol, atol, where, precise)
    if isinstance(wanted, list | tuple):
        return _sequence(got, wanted, rtol, atol, where, precise)
    if wanted is None or isinstance(wanted, str):
        if type(got) is not type(wanted):
            return Difference("type", describe(got), describe(wanted), where)
        return None if got == wanted else Difference("value", repr(got), repr(wanted), where)
    if _is_tensor(wanted):
        return _tensor(got, wanted, rtol, atol, where)
    if isinstance(wanted, np.ndarray) and wanted.shape != ():
        return _array(got, wanted, rtol, atol, where, precise)
    return _scalar(got, wanted, rtol, atol, where, precise)


def same(got: Any, wanted: Any, *, rtol: float, atol: float) -> bool:
    """Whether two answers are the same up to tolerance; of two exceptions, whether they are of one
    class and say the same, whatever numbers are in it. What a hidden case raised says nothing: its
    message may hold the case.
    """
    if isinstance(got, Raised) and isinstance(wanted, Raised):
        said, known = _words(got), _words(wanted)
        if said and known and said != known:
            return False
    return difference(got, wanted, rtol=rtol, atol=atol) is None


def describe(value: Any) -> str:
    """What a value is, in a learner's words."""
    if value is None:
        return "None"
    if isinstance(value, Opaque):
        made_of = f" with dtype {value.dtype}" if value.dtype else ""
        return WORDS.get(value.type_name, value.type_name) + made_of
    if isinstance(value, np.ndarray):
        return f"array of shape {value.shape}" if value.shape else "array without a dimension"
    if isinstance(value, np.generic):
        return value.dtype.name
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} of length {len(value)}"
    if _is_tensor(value):
        return f"tensor of shape {tuple(value.shape)}"
    return type(value).__name__


def type_name(value: Any) -> str:
    """The name of a value's type, also of what is no plain value."""
    return value.type_name if isinstance(value, Opaque) else type(value).__name__


def describe_shape(value: np.ndarray) -> str:
    """A shape; who meets () for the first time is told what it means."""
    return str(value.shape) if value.shape else "(), a single number"


def _is_tensor(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach")


def _words(raised: Raised) -> list[str]:
    """What an exception says, without its numbers. NumPy has many ways to say that shapes do not
    fit."""
    if SHAPES.search(raised.message):
        return ["shapes"]
    return re.findall(r"[^\W\d_]+", raised.message)


def _raised(got: Any, wanted: Any, where: str) -> Difference | None:
    if not isinstance(got, Raised):
        return Difference("no_raise", describe(got), wanted.name, where)
    if not isinstance(wanted, Raised):
        return Difference("raised", got.name, describe(wanted), where)
    if wanted.name in got.names:
        return None
    return Difference("raised", got.name, wanted.name, where)


def _dict(
    got: Any, wanted: dict[Any, Any], rtol: float, atol: float, where: str, precise: bool
) -> Any:
    if not isinstance(got, dict):
        return Difference("type", describe(got), "dict", where)
    for key, value in wanted.items():
        if key not in got:
            return Difference("length", f"no key {key!r}", f"key {key!r}", where)
        # A probe names what it gives back in words: "the gradient of a".
        place = key if isinstance(key, str) and not where else f"{where}[{key!r}]"
        found = difference(got[key], value, rtol=rtol, atol=atol, where=place, precise=precise)
        if found:
            return found
    return None


def _sequence(
    got: Any, wanted: Any, rtol: float, atol: float, where: str, precise: bool
) -> Difference | None:
    if not isinstance(got, list | tuple):
        return Difference("type", describe(got), describe(wanted) + _how_returned(wanted), where)
    if len(got) != len(wanted):
        return Difference("length", str(len(got)), str(len(wanted)), where)
    for i, (g, w) in enumerate(zip(got, wanted, strict=True)):
        found = difference(g, w, rtol=rtol, atol=atol, where=f"{where}[{i}]", precise=precise)
        if found:
            return found
    return None


def _how_returned(wanted: list[Any] | tuple[Any, ...]) -> str:
    """How several values are returned, for who returned one of them."""
    few = isinstance(wanted, tuple) and 2 <= len(wanted) <= 4
    return f", as in return {', '.join('abcd'[: len(wanted)])}" if few else ""


def _tensor(got: Any, wanted: Any, rtol: float, atol: float, where: str) -> Difference | None:
    if isinstance(got, Opaque) and got.dtype and got.type_name == "Tensor":
        return Difference("dtype", f"torch.{got.dtype}", _name_of(wanted.dtype), where)
    if not _is_tensor(got):
        return Difference("type", describe(got), describe(wanted), where)
    if got.dtype != wanted.dtype:
        return Difference("dtype", _name_of(got.dtype), _name_of(wanted.dtype), where)
    if got.requires_grad != wanted.requires_grad:
        words = {True: "requires_grad=True", False: "requires_grad=False"}
        return Difference("type", words[got.requires_grad], words[wanted.requires_grad], where)
    pair = [np.asarray(t.detach().double().numpy()) for t in (got, wanted)]
    if pair[1].shape == () == pair[0].shape:
        return _scalar(pair[0][()], pair[1][()], rtol, atol, where)
    return _array(pair[0], pair[1], rtol, atol, where)


def _array(
    got: Any, wanted: np.ndarray, rtol: float, atol: float, where: str, precise: bool = True
) -> Difference | None:
    if isinstance(got, Opaque) and got.dtype and got.type_name == "ndarray":
        return Difference("dtype", got.dtype, _name_of(wanted.dtype), where)
    if not isinstance(got, np.ndarray | np.generic):
        how = " (np.array makes one of a list)" if isinstance(got, list | tuple) else ""
        return Difference("type", describe(got), describe(wanted) + how, where)
    got = np.asarray(got)
    if got.shape != wanted.shape:
        return Difference("shape", describe_shape(got), describe_shape(wanted), where)
    if _dtype_fits(got.dtype, wanted.dtype):
        return _numbers(got, wanted, rtol, atol, where)
    other = Difference("dtype", _name_of(got.dtype), _name_of(wanted.dtype), where)
    if precise or wanted.dtype.kind != "f" or got.dtype.kind not in "fiu":
        return other
    off = _numbers(got, wanted, *_single(got, wanted, rtol, atol), where)
    return other if off and got.dtype.kind != "f" else off


def _single(got: np.ndarray, wanted: np.ndarray, rtol: float, atol: float) -> tuple[float, float]:
    """The tolerances of numbers of this precision."""
    if got.dtype.kind != "f" or got.dtype.itemsize >= 8:
        return rtol, atol
    size = np.max(np.abs(wanted), initial=0.0, where=np.isfinite(wanted))
    return max(rtol, 10 * SINGLE), max(atol, SINGLE * float(size))


def _name_of(dtype: Any) -> str:
    """What a dtype is called; one in the other order of bytes has the same name as its twin."""
    if isinstance(dtype, np.dtype):
        return dtype.name if dtype.isnative else f"{dtype.str} ({dtype.name}, bytes reversed)"
    return str(dtype)


def _dtype_fits(got: np.dtype, wanted: np.dtype) -> bool:
    """Floats must match to the bit width; any width of whole number will do."""
    if wanted.kind == "f":
        return got == wanted
    if wanted.kind in "iu":
        return got.kind in "iu"
    return got.kind == wanted.kind


def _scalar(
    got: Any, wanted: Any, rtol: float, atol: float, where: str, precise: bool = True
) -> Difference | None:
    """A scalar may be a Python number, a NumPy scalar or an array without a dimension."""
    is_number = isinstance(got, bool | int | float | np.generic)
    if isinstance(got, np.ndarray) and got.shape != ():
        return Difference("shape", describe_shape(got), describe_shape(np.asarray(wanted)), where)
    if not is_number and not isinstance(got, np.ndarray):
        return Difference("type", describe(got), describe_scalar(wanted), where)
    g, w = np.asarray(got), np.asarray(wanted)
    if (g.dtype.kind == "b") != (w.dtype.kind == "b"):
        return Difference("type", describe_scalar(got), describe_scalar(wanted), where)
    if w.dtype.kind in "iu" and g.dtype.kind == "f":
        return Difference("type", "float", "int", where)
    if not precise:
        rtol, atol = _single(g, w, rtol, atol)
    return _numbers(g, w, rtol, atol, where)


def describe_scalar(value: Any) -> str:
    """The plain name of a scalar's type."""
    names = {"b": "bool", "i": "int", "u": "int", "f": "float"}
    return names.get(np.asarray(value).dtype.kind, type(value).__name__)


def _numbers(
    got: np.ndarray, wanted: np.ndarray, rtol: float, atol: float, where: str
) -> Difference | None:
    if got.shape == wanted.shape and bool((got == wanted).all()):
        return None
    if wanted.dtype.kind == "b":
        off = got != wanted
    else:
        not_finite = ~np.isfinite(got) & np.isfinite(wanted)
        if not_finite.any():
            return _at("finite", not_finite, got, wanted, where)
        with np.errstate(all="ignore"):
            off = ~np.isclose(got, wanted, rtol=rtol, atol=atol, equal_nan=True)
    return _at("value", off, got, wanted, where) if off.any() else None


def _at(kind: str, off: np.ndarray, got: np.ndarray, wanted: np.ndarray, where: str) -> Difference:
    index = tuple(int(i) for i in np.argwhere(off)[0])
    return Difference(kind, _text(got[index]), _text(wanted[index]), where, index or None)


def _text(number: Any) -> str:
    return f"{number:.8g}" if np.asarray(number).dtype.kind == "f" else str(number)
