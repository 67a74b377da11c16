"""The protocol between examiner and sandbox: values survive it unchanged, and malformed replies are recognised."""

import contextlib
import math
import socket
import struct
import threading
import time

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nnkit_grader.rpc import codec
from nnkit_grader.rpc.framing import BadReply, CannotSend, FrameStream, StreamClosed


class Alone:
    """An object table without objects."""

    def number_array(self, array, raw):
        return -1

    def find_number(self, array, raw):
        return None

    def encode_object(self, value):
        return None

    def number_class(self, kind):
        return 0

    def find_class(self, number, name, fields):
        return lambda *parts: parts

    def add_array(self, array, number, raw):
        pass

    def find_array(self, number):
        raise BadReply("no array")

    def decode_object(self, tag, parts):
        raise BadReply("no object")


def crossed(value):
    return codec.decode(msgpack.unpackb(msgpack.packb(codec.encode(value, Alone()))), Alone())


numbers = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.complex_numbers())
keys = st.one_of(st.integers(), st.text())
values = st.recursive(
    numbers,
    lambda parts: st.one_of(
        st.lists(parts), st.lists(parts).map(tuple), st.dictionaries(keys, parts), st.frozensets(keys)
    ),
    max_leaves=20,
)


def same(a, b):
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, set | frozenset):  # NaN is not itself
        return type(a) is type(b) and sorted(map(repr, a)) == sorted(map(repr, b))
    return type(a) is type(b) and a == b


@given(values)
@settings(max_examples=300, deadline=None)
def test_plain_values_cross_unchanged(value):
    try:
        there = crossed(value)
    except CannotSend:
        return  # integers of too many digits
    assert same(value, there)


def test_a_lone_surrogate_becomes_a_question_mark():
    assert crossed("a\ud800b") == "a?b"


@given(
    hnp.arrays(
        st.one_of(hnp.boolean_dtypes(), hnp.integer_dtypes(endianness="<"), hnp.floating_dtypes(endianness="<")),
        hnp.array_shapes(min_dims=0, max_side=4),
    )
)
@settings(max_examples=150, deadline=None)
def test_arrays_cross_unchanged(array):
    there = crossed(array)
    assert there.dtype == array.dtype
    assert there.shape == array.shape
    assert there.tobytes() == array.tobytes()
    assert there.flags.writeable


@pytest.mark.parametrize("value", [np.float64(0.1), np.float32(2), np.bool_(True), np.longdouble(1) / 3, np.int8(-3)])
def test_scalars_keep_their_type(value):
    assert type(crossed(value)) is type(value)
    assert crossed(value) == value


@pytest.mark.parametrize(
    "array",
    [
        np.array([1, None]),
        np.array(["text"]),
        np.array(["2026"], "M8[Y]"),
        np.zeros(2, [("a", float)]),
        np.array([1.0], ">f8"),
    ],
    ids=["objects", "text", "dates", "records", "big-endian"],
)
def test_only_arrays_of_numbers_cross(array):
    with pytest.raises(CannotSend, match="cannot be sent"):
        codec.encode(array, Alone())


def test_what_is_not_plain_does_not_cross():
    with pytest.raises(CannotSend, match="A object cannot be sent"):
        codec.encode([{"a": object()}], Alone())


def test_a_list_that_contains_itself_does_not_cross():
    endless = []
    endless.append(endless)
    with pytest.raises(CannotSend, match="too deep"):
        codec.encode(endless, Alone())


LIES = {
    "no tag": [],
    "a tag of text": ["list"],
    "a tag that is a bool": [True],
    "an unknown tag": [99],
    "a negative tag": [-1],
    "a dict without its last value": [codec.DICT, "a"],
    "an unhashable key": [codec.DICT, [codec.LIST], 1],
    "an unhashable member": [codec.SET, [codec.LIST]],
    "an array of objects": [codec.ARRAY, "|O", [1], b"\0" * 8, -1],
    "an array of text": [codec.ARRAY, "<U1", [1], b"\0" * 4, -1],
    "a record": [codec.ARRAY, "f8,f8", [1], b"\0" * 16, -1],
    "a subarray type": [codec.ARRAY, "(2,2)f8", [1], b"\0" * 32, -1],
    "a huge shape": [codec.ARRAY, "<f8", [2**39, 2**39], b"", -1],
    "a huge shape that overflows to nothing": [codec.ARRAY, "<f8", [2**32, 2**32], b"", -1],
    "a shape of a huge number": [codec.ARRAY, "<f8", [2**63 - 1, 0], b"", -1],
    "a negative size": [codec.ARRAY, "<f8", [-1], b"\0" * 8, -1],
    "a size that is a float": [codec.ARRAY, "<f8", [1.0], b"\0" * 8, -1],
    "a size that is a bool": [codec.ARRAY, "<f8", [True], b"\0" * 8, -1],
    "too many axes": [codec.ARRAY, "<f8", [1] * 65, b"\0" * 8, -1],
    "too few bytes": [codec.ARRAY, "<f8", [2], b"\0" * 8, -1],
    "too many bytes": [codec.ARRAY, "<f8", [1], b"\0" * 16, -1],
    "an array without its number": [codec.ARRAY, "<f8", [1], b"\0" * 8],
    "text for bytes": [codec.ARRAY, "<f8", [1], "\0" * 8, -1],
    "an array that was never sent": [codec.KNOWN, 7],
    "a scalar of two": [codec.SCALAR, "<f8", b"\0" * 16],
    "a float64 that is text": [codec.FLOAT64, "1"],
    "a float64 of two": [codec.FLOAT64, 1.0, 2.0],
    "a complex of text": [codec.COMPLEX, "1", "2"],
    "a number that is none": [codec.BIG, "ten"],
    "a number of a million digits": [codec.BIG, "0x" + "f" * 100_000],
    "an object nobody has": [codec.OBJECT, 1, "object", "x", []],
    "a callback": [codec.CALLBACK, 0, "f"],
    "an ellipsis with a part": [codec.ELLIPSIS, 1],
}


@pytest.mark.parametrize("tree", LIES.values(), ids=LIES)
def test_a_lie_is_told_from_a_value(tree):
    with pytest.raises(BadReply):
        codec.decode([codec.LIST, tree], Alone())


def test_a_reply_nested_deep_is_refused():
    tree = 1
    for _ in range(codec.MAX_NESTING_LEVELS + 3):
        tree = [codec.LIST, tree]
    with pytest.raises(BadReply, match="nested too deep"):
        codec.decode(tree, Alone())


def test_a_reply_with_too_many_parts_is_refused(monkeypatch):
    monkeypatch.setattr(codec, "MAX_FRAME_PARTS", 100)
    with pytest.raises(BadReply, match="too much in it"):
        codec.decode([codec.LIST, *range(101)], Alone())


def test_a_bool_is_a_bool_whatever_its_byte():
    array = codec.decode([codec.ARRAY, "|b1", [3], b"\0\1\2", -1], Alone())
    assert array.tobytes() == b"\0\1\1"


trees = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(), st.binary()),
    lambda parts: (
        st.lists(parts) | st.tuples(st.integers(-1, 15)).flatmap(lambda t: st.lists(parts).map(lambda p: [*t, *p]))
    ),
    max_leaves=30,
)


@given(trees)
@settings(max_examples=500, deadline=None)
def test_any_tree_is_a_value_or_a_bad_reply(tree):
    with contextlib.suppress(BadReply):  # and nothing else
        value = codec.decode(tree, Alone())
        assert same(value, crossed(value))


# ---- frames ---------------------------------------------------------------------------------------


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_a_large_frame_comes_in_one_piece(pair):
    ours, theirs = pair
    sender = threading.Thread(target=FrameStream(theirs).send, args=(["x" * 1000 for _ in range(5000)],))
    sender.start()
    assert len(FrameStream(ours).receive()) == 5000
    sender.join()


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (struct.pack(">I", 2**32 - 1), "larger than"),
        (struct.pack(">I", 3) + b"\xc1\xc1\xc1", "not msgpack"),
        (struct.pack(">I", 0), "not msgpack"),
        (struct.pack(">I", 4) + b"\x01\x02\x03\x04", "not msgpack"),
        (struct.pack(">I", 5) + b"\xdd\xff\xff\xff\xff", "not msgpack"),
        (struct.pack(">I", 5) + b"\xc6\xff\xff\xff\xff", "not msgpack"),
        (struct.pack(">I", 3000) + b"\x91" * 3000, "not msgpack"),
        (struct.pack(">I", 2) + b"\xa1\xff", "not msgpack"),
        (struct.pack(">I", 3) + b"\x81\x01\x02", "not msgpack"),
        (struct.pack(">I", 3) + b"\xd4\x01\x00", "not msgpack"),
    ],
    ids=["long", "garbage", "empty", "trailing", "array length", "bytes length", "nesting", "text", "map", "extension"],
)
def test_bytes_that_are_no_frame_are_told(pair, raw, told):
    pair[1].sendall(raw)
    pair[1].shutdown(socket.SHUT_WR)
    with pytest.raises(BadReply, match=told):
        FrameStream(pair[0]).receive()


def test_half_a_frame_is_an_end(pair):
    pair[1].sendall(struct.pack(">I", 100) + b"half")
    pair[1].close()
    with pytest.raises(StreamClosed):
        FrameStream(pair[0]).receive()


def test_bytes_that_drip_do_not_outlast_the_deadline(pair):
    def drip():
        for byte in struct.pack(">I", 1000) + bytes(40):
            time.sleep(0.02)
            try:
                pair[1].sendall(bytes([byte]))
            except OSError:
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    frames = FrameStream(pair[0])
    frames.deadline = time.monotonic() + 0.2
    with pytest.raises(TimeoutError):
        frames.receive()
    assert dripping.is_alive()
    dripping.join()


def test_who_does_not_read_is_not_waited_for_for_ever(pair):
    frames = FrameStream(pair[0])
    frames.deadline = time.monotonic() + 0.1
    with pytest.raises(TimeoutError):
        frames.send("x" * (1 << 24))


def test_a_deadline_goes_by_its_clock(pair):
    """The clock stands still while the other side cannot compute."""
    stood = 0.4
    began = time.monotonic()
    frames = FrameStream(pair[0], lambda: max(began, time.monotonic() - stood))
    frames.deadline = began + 0.1
    with pytest.raises(TimeoutError):
        frames.receive()
    assert time.monotonic() - began >= 0.5
    later = threading.Timer(0.2, FrameStream(pair[1]).send, ([1],))
    stood = time.monotonic() - began + 0.2
    frames.deadline = began + 0.1
    later.start()
    assert frames.receive() == [1]
    later.join()


def test_frames_that_come_together_are_read_one_by_one(pair):
    FrameStream(pair[1]).send([1])
    FrameStream(pair[1]).send([2])
    frames = FrameStream(pair[0])
    assert [frames.receive(), frames.receive()] == [[1], [2]]


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == codec.LONG_DOUBLE_BYTES, reason="long doubles have no padding")
@pytest.mark.parametrize("kind", [np.longdouble, np.clongdouble])
def test_the_padding_of_long_doubles_stays_here(kind):
    raw = bytearray(np.arange(1, 5, dtype=kind).tobytes())
    width = np.dtype(np.longdouble).itemsize
    for start in range(0, len(raw), width):
        raw[start + codec.LONG_DOUBLE_BYTES : start + width] = b"SECRET"[: width - codec.LONG_DOUBLE_BYTES]
    array = np.frombuffer(bytes(raw), kind)
    assert b"SECR" in array.tobytes()  # control
    for value in (array, array.reshape(2, 2), array[::2].copy(), array[1], array[:0]):
        assert b"S" not in msgpack.packb(codec.encode(value, Alone()))
        np.testing.assert_array_equal(crossed(value), value)
