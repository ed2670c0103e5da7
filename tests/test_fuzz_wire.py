"""Whatever a runner's process sends: a value, or one of the three ways in which it may fail.

Never another exception, never memory beyond the bounds, never later than the deadline.
"""

from __future__ import annotations

import io
import itertools
import json
import socket
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import nbformat
import numpy as np
import pytest
from hypothesis import strategies as st

from autograder.engine.interface import Call, Limits
from autograder.engine.trusted import asking
from autograder.engine.trusted.asking import AskedSnapshot, Budget
from autograder.engine.trusted.outputs import MAX_ERRORS, Collector
from autograder.engine.trusted.vouching import Known
from autograder.engine.untrusted.answering import Server
from autograder.engine.wire import MAX_HEADER, Channel, Closed, TooSlow
from autograder.judging.judge import Oracle
from autograder.values.calling import Answer
from autograder.values.codec import MAX_BYTES, MalformedValue, decode, encode, read_npy
from tests.fuzzing import damaged, fuzz, scraps

# ------------------------------------------------------------------ frames


class Pieces:
    """A socket that gives what was sent in these pieces, and then ends or says no more."""

    def __init__(self, pieces: list[bytes], *, ends: bool) -> None:
        self.pieces = pieces
        self.ends = ends

    def setsockopt(self, *_option: Any) -> None:
        """How long the kernel would wait."""

    def recv_into(self, room: memoryview) -> int:
        """The next piece, as far as there is room."""
        if not self.pieces and not self.ends:
            raise BlockingIOError
        piece = self.pieces.pop(0) if self.pieces else b""
        taken = piece[: len(room)]
        room[: len(taken)] = taken
        if piece[len(taken) :]:
            self.pieces.insert(0, piece[len(taken) :])
        return len(taken)

    def send(self, data: memoryview, _flags: int = 0) -> int:
        """Take what is sent."""
        return len(data)

    def close(self) -> None:
        """Nothing is open."""


def packed(header: Any, blobs: list[bytes], sizes: Any = None) -> bytes:
    """A frame as it is on the wire; sizes: what it says of its arrays."""
    if blobs or sizes is not None:
        header = {**header, "blobs": [len(b) for b in blobs] if sizes is None else sizes}
    text = json.dumps(header).encode()
    return b"".join([len(text).to_bytes(4, "big"), text, *blobs])


headers = st.dictionaries(st.text(max_size=6), scraps, max_size=3)
frames = st.builds(packed, headers, st.lists(st.binary(max_size=40), max_size=3)) | st.builds(
    packed, headers, st.lists(st.binary(max_size=9), max_size=2), scraps
)
streams = st.builds(b"".join, st.lists(frames, max_size=3))


@st.composite
def cut_up(draw: st.DrawFn, data: st.SearchStrategy[bytes]) -> list[bytes]:
    """Bytes in pieces, as a socket may give them."""
    whole = draw(data)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    ends = [0, *cuts, len(whole)]
    return [piece for a, b in itertools.pairwise(ends) if (piece := whole[a:b])]


@fuzz(cut_up(damaged(streams) | st.binary(max_size=60)), st.booleans(), few=200, many=20_000)
def test_a_frame_or_an_end(pieces: list[bytes], ends: bool) -> None:
    size = sum(map(len, pieces))
    channel = Channel(Pieces(pieces, ends=ends))  # type: ignore[arg-type]
    taken = 0
    while True:
        try:
            # Who says no more is waited for till the deadline.
            header, blobs = channel.receive(time.monotonic() + (60 if ends else 0.005))
        except MalformedValue:
            return
        except Closed:
            assert ends
            return
        except TooSlow:
            assert not ends
            return
        taken += channel.received
        assert isinstance(header, dict) and all(type(blob) is bytes for blob in blobs)
        assert taken <= size


@fuzz(cut_up(streams), few=100, many=5000)
def test_honest_frames_arrive_however_they_are_cut(pieces: list[bytes]) -> None:
    """The law above would hold of a reader that takes nothing."""
    whole = b"".join(pieces)
    read: list[str] = []
    once: list[str] = []
    for made, parts in ((read, pieces), (once, [whole] if whole else [])):
        channel = Channel(Pieces(list(parts), ends=True))  # type: ignore[arg-type]
        try:
            while True:
                made.append(repr(channel.receive()))
        except (Closed, MalformedValue) as error:
            made.append(type(error).__name__)
    assert read == once


@fuzz(st.integers(0, 2**32 - 1), few=50, many=1000, kept=((MAX_HEADER + 1,), (2**32 - 1,)))
def test_what_a_length_promises_is_not_taken_on_trust(length: int) -> None:
    """A frame that says how large it will be takes no memory before it is."""
    channel = Channel(Pieces([length.to_bytes(4, "big"), b"x" * 9], ends=True))  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        channel.receive()
    except (Closed, MalformedValue):
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 10**6


def test_a_trickle_does_not_outlast_the_deadline() -> None:
    """A byte now and then keeps no reader: the deadline is of the frame, not of a piece."""

    class Trickle(Pieces):
        def recv_into(self, room: memoryview) -> int:
            room[:1] = self.pieces.pop(0) if self.pieces else b" "
            return 1

    promised = [bytes([byte]) for byte in MAX_HEADER.to_bytes(4, "big")]
    channel = Channel(Trickle(promised, ends=False))  # type: ignore[arg-type]
    with pytest.raises(TooSlow):
        channel.receive(time.monotonic() + 0.05)


# ------------------------------------------------------------------ values


def npy(array: np.ndarray) -> bytes:
    """An array as `.npy` bytes."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


arrays = st.sampled_from(
    [
        npy(made)
        for made in (
            np.zeros(0),
            np.array(1.5),
            np.arange(6.0).reshape(2, 3),
            np.asfortranarray(np.arange(6).reshape(2, 3)),
            np.array([True, False]),
            np.zeros((0, 3), "u1"),
            np.zeros(2, ">f4"),
            np.zeros(3, "S4"),
            np.zeros(2, "c16"),
            np.zeros(2, "M8[s]"),
            np.zeros(2, "i4,f8"),
        )
    ]
)
shapes = st.lists(st.integers(-2, 2**63), max_size=40).map(tuple) | st.just((2**40, 0))


@st.composite
def declared(draw: st.DrawFn) -> bytes:
    """`.npy` bytes whose header says anything."""
    kinds = ["<f8", "|O", "|V0", "|S0", "<c16", "<M8[s]", "<U3", "|b1", "<f16", "V9999999", "f8,f8"]
    made = {
        "descr": draw(st.sampled_from(kinds) | scraps),
        "fortran_order": draw(st.booleans() | scraps),
        "shape": draw(shapes | scraps),
    }
    text = (repr(made) + draw(st.sampled_from(["", "\n", " " * 9, "#", "[" * 500]))).encode()
    version = draw(st.sampled_from([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x09"]))
    length = len(text).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + length + text + draw(st.binary(max_size=24))


@fuzz(damaged(arrays) | declared() | st.binary(max_size=99), few=300, many=20_000)
def test_an_array_or_none(blob: bytes) -> None:
    tracemalloc.start()
    try:
        array = read_npy(blob)
    except MalformedValue:
        return
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10**6
    assert array.dtype.kind in "biuf" and array.nbytes <= len(blob)


@st.composite
def trees(draw: st.DrawFn) -> Any:
    """What `encode` writes, and what it might be taken for."""
    tags = ["float", "bigint", "tuple", "dict", "array", "scalar", "raised", "other", "x", "tensor"]
    inner = scraps
    for _ in range(draw(st.integers(0, 3))):
        inner = st.fixed_dictionaries(
            {"$": st.sampled_from(tags) | scraps},
            optional={
                "items": st.lists(inner, max_size=3) | st.lists(st.lists(inner, max_size=3)),
                "v": st.sampled_from(["nan", "inf"]) | inner,
                "data": st.lists(inner, max_size=4),
                "dtype": st.sampled_from(["<f8", "|O", "i4", "V99", "(9999999,)f8", "c16"]) | inner,
                "shape": st.lists(st.integers(-1, 4), max_size=3) | inner,
                "blob": st.integers(-1, 3) | inner,
                "names": st.lists(inner, max_size=3),
                "torch_dtype": st.sampled_from(["float32", "nn", "__doc__"]) | inner,
                "requires_grad": st.booleans() | inner,
                "lineno": inner,
                "type": inner,
            },
        )
    return draw(inner)


blob_lists = st.lists(damaged(arrays), max_size=3)


@fuzz(trees(), blob_lists, few=150, many=20_000)
def test_a_value_or_none(tree: Any, blobs: list[bytes]) -> None:
    try:
        value = decode(json.loads(json.dumps(tree)), blobs)
    except MalformedValue:
        return
    # What was let in can be sent on, compared and written down.
    out: list[bytes] = []
    again = decode(json.loads(json.dumps(encode(value, out))), out)
    assert repr(again) == repr(value)
    Known(["x = 1"]).value(value)


# ------------------------------------------------------------------ outputs of cells

mimes = st.dictionaries(
    st.sampled_from(["text/plain", "text/html", "image/png", "application/x+json"])
    | st.text(max_size=9),
    st.text(max_size=30) | scraps,
    max_size=3,
)
names = st.sampled_from(["a", "b"]) | scraps
spoken = st.one_of(
    st.fixed_dictionaries(
        {"out": st.just("stream")},
        optional={
            "name": st.sampled_from(["stdout", "stderr"]) | scraps,
            "text": st.text(st.characters(), max_size=50) | scraps,
        },
    ),
    st.fixed_dictionaries(
        {"out": st.sampled_from(["display", "update", "result"])},
        optional={"id": names, "data": mimes | scraps, "metadata": mimes | scraps},
    ),
    st.fixed_dictionaries(
        {"out": st.just("error")},
        optional={
            "ename": st.text(max_size=9) | scraps,
            "evalue": st.text(max_size=9) | scraps,
            "traceback": st.lists(st.text(max_size=9), max_size=3) | scraps,
        },
    ),
    st.fixed_dictionaries({"out": st.sampled_from(["clear", "cut"]) | scraps, "wait": scraps}),
    st.dictionaries(st.text(max_size=5), scraps, max_size=3),
)
LIMITS = Limits(output_bytes=2000, outputs=5)


@fuzz(st.lists(st.lists(spoken, max_size=12), max_size=3), few=200, many=20_000)
def test_outputs_are_a_notebooks_and_within_bounds(cells: list[list[dict[str, Any]]]) -> None:
    shown: Any = {}
    collected = []
    for count, said in enumerate(cells, 1):
        collector = Collector(LIMITS, count, shown)
        try:
            for frame in said:
                wire = json.dumps(frame)
                collector.take(json.loads(wire), len(wire))
        except MalformedValue:
            pass
        collector.settle(failed=bool(count % 2))
        assert len(collector.outputs) <= LIMITS.outputs + MAX_ERRORS + 2
        collected.append(nbformat.v4.new_code_cell(outputs=collector.outputs))
    notebook = nbformat.from_dict(nbformat.v4.new_notebook(cells=collected))
    nbformat.validate(notebook)
    # Errors are shown whatever was said before, so they come on top.
    errors = sum(len(str(o)) for c in collected for o in c.outputs if o["output_type"] == "error")
    nbformat.writes(notebook).encode()
    text = sum(len(json.dumps(o)) for c in collected for o in c.outputs)
    assert text - 2 * errors <= len(cells) * (3 * LIMITS.output_bytes + 5000)


# ------------------------------------------------------------------ answers to calls


class Nobody:
    """The processes of a session that has none."""

    def kill(self, pid: int) -> None:
        """The number is any number."""

    def permit_fork(self) -> None:
        """Nobody forks."""

    def allow(self, processes: int, threads: int) -> None:
        """There are none."""

    def ended_for(self) -> str:
        """None was ended."""
        return ""

    def in_line(self, pid: int) -> float:
        """Nobody waits."""
        return 0.0


replies = st.one_of(
    st.fixed_dictionaries(
        {"answer": trees()}, optional={"changed": scraps | st.just(["x"]), "warnings": scraps}
    ),
    st.fixed_dictionaries(
        {"oracle": st.sampled_from(["f", "g"]) | scraps},
        optional={
            "args": st.lists(trees(), max_size=2) | trees(),
            "functions": st.dictionaries(
                st.sampled_from(["0", "1", "x"]), st.sampled_from(["f"]) | scraps
            )
            | scraps,
        },
    ),
    st.fixed_dictionaries({"forked": st.integers() | scraps}),
    headers,
)
conversations = st.lists(st.builds(packed, replies, blob_lists), max_size=4).map(b"".join)


def conversed(pieces: list[bytes]) -> AskedSnapshot:
    """A snapshot whose base and worker say this."""
    channel = Channel(Pieces(list(pieces), ends=True))  # type: ignore[arg-type]
    snapshot = AskedSnapshot(channel, 1, Limits(), Known(["x"]), Nobody(), Budget(60))
    snapshot._worker = Channel(Pieces(list(pieces), ends=True))  # type: ignore[arg-type]
    snapshot._worker_pid = 2
    return snapshot


def steep(x: Any) -> Any:
    """An oracle's function, which expects an array."""
    return x @ x + np.sum(x) if isinstance(x, np.ndarray) else 2 * x


@fuzz(cut_up(conversations | damaged(conversations)), few=100, many=10_000)
def test_a_call_is_answered(pieces: list[bytes]) -> None:
    snapshot = conversed(pieces)
    arguments = {"f": Oracle(steep), "x": np.ones(2)}
    with np.errstate(all="ignore"):
        answer = snapshot.call(Call("f", arguments, ["f", "x"]))
    assert isinstance(answer, Answer)
    assert set(answer.changed) <= {"f", "x"}
    json.dumps(encode(answer.value, []))


@fuzz(cut_up(conversations | damaged(conversations)), few=40, many=5000)
def test_a_base_is_asked(pieces: list[bytes]) -> None:
    snapshot = conversed(pieces)
    assert snapshot.defines("f") in (True, False)
    snapshot.close()


@fuzz(cut_up(conversations | damaged(conversations)), few=40, many=5000)
def test_a_fork_or_none(pieces: list[bytes]) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"".join(pieces))
        theirs.shutdown(socket.SHUT_WR)
        try:
            channel, pid = asking.fork(Channel(ours), time.monotonic() + 60, {"do": "fork"})
        except (Closed, TooSlow, MalformedValue):
            pass
        else:
            assert type(pid) is int
            channel.close()
    ours.close()


# ------------------------------------------------------------------ the child's side


class Deaf(Server):
    """A server that cannot fork: in a test it would take pytest along."""

    def _fork(self, fd: int) -> None:
        raise Closed


requests = st.one_of(
    st.fixed_dictionaries(
        {"do": st.sampled_from(["defines", "call"]) | scraps},
        optional={
            "name": st.sampled_from(["f", "g"]) | scraps,
            "target": st.sampled_from(["f", "g"]) | scraps,
            "args": st.dictionaries(
                st.sampled_from(["x", "f"]),
                st.fixed_dictionaries(
                    {}, optional={"value": trees(), "rng": scraps, "oracle": scraps}
                ),
                max_size=2,
            )
            | scraps,
            "parameters": st.lists(st.sampled_from(["x", "f"]), max_size=2) | scraps,
            "probe": st.none() | st.just(["def probe(t, x): return t(x)", "probe"]),
        },
    ),
    headers,
)


@fuzz(
    cut_up(st.lists(st.builds(packed, requests, blob_lists), max_size=3).map(b"".join)),
    few=60,
    many=5000,
)
def test_the_child_does_not_hang(pieces: list[bytes]) -> None:
    """It may die of what the judge would never send, and then the judge sees the end."""
    namespace: dict[str, Any] = {"f": lambda x: x, "g": steep}
    server = Deaf(Channel(Pieces(pieces, ends=True), takes_fds=False), namespace)  # type: ignore[arg-type]
    for _ in _until_the_end(server):
        pass


def _until_the_end(server: Server) -> Iterator[None]:
    try:
        while True:
            request, blobs = server.channel.receive()
            server.answer(request, blobs)
            yield
    except Exception:
        return


def test_the_bounds_are_what_the_fuzzers_were_written_for() -> None:
    """Who raises them looks at the laws above again."""
    assert MAX_HEADER <= 4 * 2**20 and MAX_BYTES <= 64 * 2**20
