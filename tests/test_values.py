"""What crosses from a learner's process: plain values, bounded, never a pickle."""

import contextlib
import io
import pickle
import struct
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.values.codec import (
    MalformedValue,
    Opaque,
    Raised,
    decode,
    encode,
    read_npy,
    write_npy,
)
from autograder.values.compare import same

arrays = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.int32, np.bool_, np.uint8]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | arrays,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
json_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["$", "blob", "items", "v", "data", "shape", "dtype", "names", "x"]),
            inner
            | st.sampled_from(["array", "scalar", "tensor", "tuple", "dict", "float", "raised"]),
            max_size=5,
        )
    ),
    max_leaves=12,
)


def there_and_back(value: Any, with_blobs: bool) -> Any:
    blobs: list[bytes] | None = [] if with_blobs else None
    tree = encode(value, blobs)
    return decode(tree, blobs)


@given(plain, st.booleans())
@settings(max_examples=200, deadline=None)
def test_plain_values_survive(value: Any, with_blobs: bool) -> None:
    back = there_and_back(value, with_blobs)
    assert type(back) is type(value)
    assert same(back, value, rtol=0, atol=0)
    if isinstance(value, np.ndarray):
        assert back.dtype == value.dtype and back.shape == value.shape


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), -0.0])
def test_odd_floats_survive(number: float) -> None:
    np.testing.assert_equal(there_and_back(number, True), number)
    np.testing.assert_equal(there_and_back(np.array([number]), False), np.array([number]))


def test_scalars_and_tensors_keep_their_kind() -> None:
    assert type(there_and_back(np.float32(2), True)) is np.float32
    tensor = torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True)
    back = there_and_back(tensor, True)
    assert (back.dtype, back.shape, back.requires_grad) == (tensor.dtype, tensor.shape, True)


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("unpickled",))


@pytest.mark.parametrize(
    "value", [Evil(), np.array([Evil()], dtype=object), np.ma.array([1.0]), np.matrix([[1.0]]), 1j]
)
def test_other_things_become_a_name(value: Any) -> None:
    assert isinstance(there_and_back(value, True), Opaque)


@pytest.mark.parametrize("got", [1.5, [1.5], np.ones(2), None, Opaque("Thing")])
def test_nothing_is_the_same_as_what_cannot_be_looked_into(got: Any) -> None:
    """A mistake's answer may hold it, and a learner's number be compared with that."""
    assert not same([got], [Opaque("Thing")], rtol=1e-7, atol=0)


def test_an_array_subclass_is_not_an_array() -> None:
    class Liar(np.ndarray):
        def __eq__(self, other: object) -> Any:
            return True

    assert there_and_back(np.zeros(3).view(Liar), True) == Opaque("Liar")


def npy(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def with_header(text: str, data: bytes = b"") -> bytes:
    head = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\x93NUMPY",
        pickle.dumps(Evil()),
        npy(np.array([Evil()], dtype=object), allow_pickle=True),
        npy(np.zeros(3, dtype=[("a", "f8")])),
        npy(np.zeros(3, dtype="S5")),
        npy(np.zeros(3))[:-1],
        npy(np.zeros(3)) + b"more",
        with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"),
        with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
        with_header("{'descr': '|O', 'fortran_order': False, 'shape': ()}", b"x" * 8),
        with_header("{'descr': '<f8', 'fortran_order': False, 'shape': __import__('os')}"),
        with_header("[" * 800),
    ],
)
def test_a_malformed_array_is_refused(blob: bytes) -> None:
    with pytest.raises(MalformedValue):
        read_npy(blob)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_bytes_do_worse_than_be_refused(blob: bytes) -> None:
    for data in (blob, npy(np.zeros(2))[: len(blob) // 2] + blob):
        with contextlib.suppress(MalformedValue):
            read_npy(data)


@given(json_trees, st.lists(st.binary(max_size=40), max_size=2))
@settings(max_examples=300, deadline=None)
def test_no_tree_does_worse_than_be_refused(tree: Any, blobs: list[bytes]) -> None:
    with contextlib.suppress(MalformedValue):
        decode(tree, blobs)


def test_size_and_depth_are_bounded() -> None:
    deep: Any = 0
    for _ in range(100):
        deep = [deep]
    assert "nested" in repr(there_and_back(deep, True))
    with pytest.raises(MalformedValue):
        decode(deep)
    with pytest.raises(MalformedValue):
        decode([0] * 300_000)
    big = npy(np.zeros(2**20))
    with pytest.raises(MalformedValue):
        decode([{"$": "array", "blob": 0}] * 10, [big])


def test_an_exception_keeps_its_names() -> None:
    told = Raised(("ValueError", "Exception"), "message", "x = 1", 3)
    assert there_and_back(told, True) == told


@given(arrays, st.sampled_from("CF"), st.booleans())
@settings(max_examples=200, deadline=None)
def test_arrays_are_written_as_numpy_writes_them(array: Any, order: Any, strided: bool) -> None:
    """Anybody's reader of the format must understand the bytes."""
    array = np.array(array, order=order)
    if strided and array.ndim:
        array = array[::2]
    buffer = io.BytesIO()
    np.save(buffer, array)
    assert write_npy(array) == buffer.getvalue()
    back = read_npy(write_npy(array))
    assert back.dtype == array.dtype
    assert np.array_equal(back, array, equal_nan=array.dtype.kind == "f")


def test_a_header_that_is_known_vouches_for_no_data() -> None:
    blob = write_npy(np.arange(3.0))
    assert read_npy(blob).tolist() == [0.0, 1.0, 2.0]
    for lie in (blob[:-1], blob + b"x", blob[:20], blob[:9], b"", blob[:10].replace(b"v", b"\xff")):
        with pytest.raises(MalformedValue):
            read_npy(lie)
    read_npy(blob)[0] = 7
    assert read_npy(blob)[0] == 0
