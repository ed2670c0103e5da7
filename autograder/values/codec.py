"""Values that cross from a learner's process to the judge: JSON and plain arrays, never pickles.

A value is a tree of None, bool, int, float, str, list, tuple, dict and leaves: arrays, NumPy
scalars, torch tensors. `encode` turns it into JSON; `decode` builds it again and trusts nothing.
With `blobs` arrays travel as `.npy` bytes beside the JSON; without, their numbers stand in it.
Anything else becomes an `Opaque` that carries only the name of its type.
"""

from __future__ import annotations

import functools
import io
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

KINDS = "biuf"
MAX_DEPTH = 24
MAX_NODES = 200_000
MAX_BYTES = 64 * 2**20
MAX_TEXT = 10_000
MAX_HEADER = 1000
INTEGERS = range(-(2**63), 2**64)
# What a tensor may be made of: whoever sends one may name these, and nothing else of torch's.
TENSORS_OF = (
    *("float64", "float32", "float16", "bfloat16", "bool"),
    *("int64", "int32", "int16", "int8", "uint8"),
)


# What is raised where somebody is asked to type something: by a notebook, and by ours.
ASKING = ("NobodyAnswers", "StdinNotImplementedError")
# Arrays of these kinds are no numbers that are looked at; only what they are made of is told.
OTHER_DTYPES = {
    **{"O": "object", "U": "str", "T": "str", "S": "bytes", "V": "void"},
    **{"M": "datetime64", "m": "timedelta64"},
}
DTYPES_TOLD = {*OTHER_DTYPES.values(), *(np.dtype(kind).name for kind in "FDG"), "complex32"}


class MalformedValue(ValueError):
    """Bytes that no honest process sends."""


@dataclass(frozen=True)
class Opaque:
    """Something that is no plain value: all that is known of it is the name of its type, and of
    an array what it is made of."""

    type_name: str
    dtype: str = ""


@dataclass(frozen=True)
class Raised:
    """A call that ended in an exception.

    names: the class and its bases by name. message and line are the learner's own, and stay so.
    """

    names: tuple[str, ...]
    message: str = ""
    line: str = ""
    lineno: int = 0

    @property
    def name(self) -> str:
        """The exception's class."""
        return self.names[0]

    @property
    def told(self) -> Raised:
        """The same without the line that raised it: of an author's code, that is nobody else's."""
        return replace(self, line="", lineno=0)


def encode(value: Any, blobs: list[bytes] | None = None, *, depth: int = 0) -> Any:
    """The JSON tree of a value; arrays go to `blobs` where given."""
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        return value if value in INTEGERS else {"$": "bigint"}
    if kind is float:
        return value if math.isfinite(value) else {"$": "float", "v": repr(value)}
    if depth >= MAX_DEPTH:
        return {"$": "other", "type": "value nested too deeply"}
    if kind is list:
        return [encode(item, blobs, depth=depth + 1) for item in value]
    if kind is tuple:
        return {"$": "tuple", "items": [encode(item, blobs, depth=depth + 1) for item in value]}
    if kind is dict:
        items = [[encode(k), encode(v, blobs, depth=depth + 1)] for k, v in value.items()]
        return {"$": "dict", "items": items}
    if kind is np.ndarray and value.dtype.kind in KINDS:
        return _encode_array("array", value, blobs)
    if isinstance(value, np.generic) and value.dtype.kind in KINDS:
        return _encode_array("scalar", np.asarray(value), blobs)
    if kind is Raised:
        return {
            "$": "raised",
            "names": list(value.names),
            "message": value.message,
            "line": value.line,
            "lineno": value.lineno,
        }
    if kind is Opaque:
        return _other(value.type_name, value.dtype)
    if kind is np.ndarray:
        # In a word: the size of a text may be anything.
        return _other("ndarray", OTHER_DTYPES.get(value.dtype.kind, value.dtype.name))
    if _is_tensor(value):
        dtype = str(value.dtype).removeprefix("torch.")
        if str(value.layout) != "torch.strided":
            return _other("sparse Tensor")
        return _encode_tensor(value, blobs) if dtype in TENSORS_OF else _other("Tensor", dtype)
    return _other(str(kind.__name__)[:200])


def _other(type_name: str, dtype: str = "") -> dict[str, str]:
    return {"$": "other", "type": type_name} | ({"dtype": dtype} if dtype else {})


def _is_tensor(value: Any) -> bool:
    """By name, so that torch need not be imported to know that something is no tensor."""
    return type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach")


def _encode_array(tag: str, array: np.ndarray, blobs: list[bytes] | None) -> dict[str, Any]:
    if blobs is None:
        return {
            "$": tag,
            "dtype": array.dtype.str,
            "shape": list(array.shape),
            "data": [encode(item) for item in array.reshape(-1).tolist()],
        }
    blobs.append(write_npy(array))
    return {"$": tag, "blob": len(blobs) - 1}


def _encode_tensor(tensor: Any, blobs: list[bytes] | None) -> dict[str, Any]:
    import torch

    plain = tensor.detach().cpu()
    if plain.dtype in (torch.bfloat16, torch.float16):
        plain = plain.to(torch.float32)
    tree = _encode_array("tensor", plain.numpy(), blobs)
    tree["torch_dtype"] = str(tensor.dtype).removeprefix("torch.")
    tree["requires_grad"] = bool(tensor.requires_grad)
    return tree


class _Decoder:
    """One decoding, with its budget of nodes and bytes."""

    def __init__(self, blobs: list[bytes]) -> None:
        self.blobs = blobs
        self.nodes = 0
        self.bytes = 0

    def value(self, tree: Any, depth: int = 0) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise MalformedValue("a value with too many parts")
        if tree is None or isinstance(tree, bool | float):
            return tree
        if isinstance(tree, int):
            return tree if tree in INTEGERS else Opaque("an integer beyond 64 bits")
        if isinstance(tree, str):
            return tree[:MAX_TEXT]
        if isinstance(tree, list):
            return [self.value(item, depth + 1) for item in tree]
        if isinstance(tree, dict):
            return self._tagged(tree, depth)
        raise MalformedValue(f"no value is a {type(tree).__name__}")

    def _tagged(self, tree: dict[str, Any], depth: int) -> Any:
        tag = tree.get("$")
        if tag == "float":
            if tree.get("v") not in ("nan", "inf", "-inf"):
                raise MalformedValue("a float that is none")
            return float(tree["v"])
        if tag == "bigint":
            return Opaque("an integer beyond 64 bits")
        if tag == "tuple":
            return tuple(self.value(item, depth + 1) for item in _list(tree, "items"))
        if tag == "dict":
            pairs = _list(tree, "items")
            if not all(isinstance(p, list) and len(p) == 2 for p in pairs):
                raise MalformedValue("a dict whose items are no pairs")
            made = {}
            for key, item in pairs:
                # Integers without bound can all be given one hash, and so a dict without end.
                plain = isinstance(key, str | bool | float | None)
                if not plain and not (isinstance(key, int) and key in INTEGERS):
                    key = "?"
                made[key] = self.value(item, depth + 1)
            return made
        if tag in ("array", "scalar", "tensor"):
            return self._array(tag, tree)
        if tag == "raised":
            names = [str(name)[:200] for name in _list(tree, "names")][:50]
            lineno = tree.get("lineno", 0)
            return Raised(
                tuple(names) or ("Exception",),
                str(tree.get("message", ""))[:MAX_TEXT],
                str(tree.get("line", ""))[:500],
                lineno if isinstance(lineno, int) else 0,
            )
        if tag == "other":
            dtype = tree.get("dtype")
            known = isinstance(dtype, str) and dtype in DTYPES_TOLD
            return Opaque(str(tree.get("type", "object"))[:200], str(dtype) if known else "")
        raise MalformedValue("an unknown kind of value")

    def _array(self, tag: str, tree: dict[str, Any]) -> Any:
        array = self._blob(tree["blob"]) if "blob" in tree else _inline(tree)
        if tag == "scalar":
            if array.shape != ():
                raise MalformedValue("a scalar with a shape")
            return array[()]
        if tag == "tensor":
            return _tensor(array, tree)
        return array

    def _blob(self, index: Any) -> np.ndarray:
        if not isinstance(index, int) or not 0 <= index < len(self.blobs):
            raise MalformedValue("an array that was not sent")
        blob = self.blobs[index]
        self.bytes += len(blob)
        if self.bytes > MAX_BYTES:
            raise MalformedValue(f"more than {MAX_BYTES} bytes of arrays")
        return read_npy(blob)


def decode(tree: Any, blobs: list[bytes] | None = None) -> Any:
    """Build the value of a tree.

    Raises
    ------
    MalformedValue where the tree or an array is not what `encode` writes, or beyond the bounds.
    """
    try:
        return _Decoder(blobs or []).value(tree)
    except MalformedValue:
        raise
    except Exception as error:  # NumPy and torch fail in many ways, and torch may not be there
        raise MalformedValue(f"not a value: {type(error).__name__}") from error


def weight(value: Any) -> int:
    """About how many bytes a decoded value takes."""
    if isinstance(value, str):
        return 64 + len(value)
    if isinstance(value, list | tuple):
        return 64 + sum(map(weight, value))
    if isinstance(value, dict):
        return 64 + sum(weight(key) + weight(item) for key, item in value.items())
    return 64 + int(getattr(value, "nbytes", 0))


def write_npy(array: np.ndarray) -> bytes:
    """The bytes that `np.save` writes for an array of a plain dtype."""
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    return _header_of(array.dtype, array.shape, fortran) + array.tobytes("F" if fortran else "C")


@functools.lru_cache(maxsize=1024)
def _header_of(dtype: np.dtype, shape: tuple[int, ...], fortran: bool) -> bytes:
    buffer = io.BytesIO()
    described = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": fortran,
        "shape": shape,
    }
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()


def read_npy(blob: bytes) -> np.ndarray:
    """The array in `.npy` bytes; the header is read and checked before any number is."""
    # Headers that were read before are known by their very bytes: most arrays are alike.
    end = 10 + int.from_bytes(blob[8:10], "little")
    if blob[6:8] != b"\x01\x00" or end > MAX_HEADER:
        shape, fortran, dtype, end = _read_header(blob)
    else:
        shape, fortran, dtype, end = _known_header(blob[:end])
    if math.prod(shape) * dtype.itemsize != len(blob) - end:
        raise MalformedValue("an array header that does not fit its data")
    flat = np.frombuffer(blob, dtype=dtype, offset=end)
    return flat.reshape(shape, order="F" if fortran else "C").copy()


def _read_header(blob: bytes) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, Fortran order, dtype, and where the numbers begin."""
    stream = io.BytesIO(blob)
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            header = np.lib.format.read_array_header_1_0(stream, max_header_size=MAX_HEADER)
        elif version == (2, 0):
            header = np.lib.format.read_array_header_2_0(stream, max_header_size=MAX_HEADER)
        else:
            raise MalformedValue("an unknown version of the .npy format")
    except MalformedValue:
        raise
    except Exception as error:  # NumPy tokenizes and parses the header, and fails in many ways
        raise MalformedValue("a malformed .npy header") from error
    shape, fortran, dtype = header
    if dtype.hasobject or dtype.fields or dtype.subdtype or dtype.kind not in KINDS:
        raise MalformedValue(f"an array of {dtype}")
    if dtype.itemsize > 16 or len(shape) > 32 or any(n < 0 for n in shape):
        raise MalformedValue("an array of impossible shape")
    return shape, fortran, dtype, stream.tell()


_known_header = functools.lru_cache(maxsize=1024)(_read_header)


def _inline(tree: dict[str, Any]) -> np.ndarray:
    dtype = np.dtype(str(tree.get("dtype"))[:16])
    if dtype.kind not in KINDS:
        raise MalformedValue(f"an array of {dtype}")
    data = [_Decoder([]).value(item) for item in _list(tree, "data")]
    return np.array(data, dtype=dtype).reshape(_list(tree, "shape"))


def _tensor(array: np.ndarray, tree: dict[str, Any]) -> Any:
    name = tree.get("torch_dtype")
    if name not in TENSORS_OF:
        raise MalformedValue("a tensor of unknown dtype")
    import torch

    dtype: torch.dtype = getattr(torch, name)
    tensor = torch.from_numpy(np.array(array)).to(dtype)
    return tensor.requires_grad_(bool(tree.get("requires_grad")) and dtype.is_floating_point)


def _list(tree: dict[str, Any], key: str) -> list[Any]:
    items = tree.get(key)
    if not isinstance(items, list):
        raise MalformedValue(f"{key} is no list")
    return items
