"""The codec of the pipe between the examiner and a learner's process: plain data as trees, never evaluated.

    tree = None | bool | int | float | str | bytes | [TAG, tree, ...]            (sent by `framing`, as msgpack)

A tag says what the list represents: a tuple, a dict, an array (dtype, shape, bytes) ... Both sides use the same code.
The examiner trusts no byte from the other side before it has checked lengths, depth, number of nodes, types and
shapes; what does not fit raises `BadReply`. There is no pickle, and no name is looked up.

A value that is not plain stays where it is, and its number is sent (`OBJECT`, `CALLBACK`). An array that came from the
learner's process and goes back unchanged is sent as its number (`KNOWN`), so that it is the same object there, with
everything that aliases it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from nnkit_grader.rpc.framing import MAX_FRAME_PARTS, BadReply, CannotSend

MAX_NESTING_LEVELS = 40
"""Containers inside containers."""
MAX_TEXT_CHARACTERS = 250_000
MAX_INT_BITS = 10_000
COMPOUND_KEY_NODES = 200
"""Nodes that a key counts for if it is more than text or a small number: such keys can be made to share one hash, and
then a dict of n of them takes n² steps."""

LIST, TUPLE, DICT, SET, COMPLEX, BIG, ARRAY, SCALAR, KNOWN, OBJECT, CALLBACK, ELLIPSIS, NOT_IMPLEMENTED = range(13)
NAMED, FLOAT64 = 13, 14

_CODES = ("?", *np.typecodes["AllInteger"], *np.typecodes["Float"], *np.typecodes["Complex"])
DTYPES = {np.dtype(code).str: np.dtype(code) for code in _CODES}
"""Element types of arrays that may be sent, by name."""
LONG_DOUBLE_BYTES = 10 if np.finfo(np.longdouble).nmant == 63 else np.dtype(np.longdouble).itemsize
"""Bytes of a long double that hold its value; x86 pads them with whatever was in memory."""
PLAIN = frozenset((type(None), bool, int, float, str, bytes))
"""Types that msgpack encodes by itself."""


class ObjectTable(Protocol):
    """One side's table of the values that are not plain, and of the arrays that it may receive again."""

    def number_array(self, array: np.ndarray, raw: bytes) -> int:
        """Return the number under which an array is kept that is being sent; -1 if it is not kept."""

    def find_number(self, array: np.ndarray, raw: bytes) -> int | None:
        """Return the number under which the other side keeps this array, unchanged; None if it does not."""

    def encode_object(self, value: Any) -> list[Any] | None:
        """Return the tree of a value that is not plain; None if it cannot be sent."""

    def number_class(self, kind: type) -> int:
        """Return the number of a class of named tuples."""

    def find_class(self, number: int, name: str, fields: list[str]) -> Callable[..., Any]:
        """Return the class of named tuples with this number. Raises BadReply."""

    def add_array(self, array: np.ndarray, number: int, raw: bytes) -> None:
        """Remember an array that was received, which the other side keeps under this number."""

    def find_array(self, number: int) -> Any:
        """Return the array that is kept here under this number. Raises BadReply."""

    def decode_object(self, tag: int, parts: list[Any]) -> Any:
        """Return the value that represents an object or a callback of the other side. Raises BadReply."""


@dataclass
class ArgumentLog:
    """The mutable values of one message, in the order in which they are written and read.

    The order is the same on both sides, so a position says which of the values a call has changed.
    """

    arrays: list[tuple[np.ndarray, bytes]] = field(default_factory=list)
    containers: list[tuple[Any, Any]] = field(default_factory=list)
    """Lists and dicts, each with a shallow copy."""


def encode(value: Any, table: ObjectTable, log: ArgumentLog | None = None, depth: int = 0) -> Any:
    """Return the tree of a value. Raises CannotSend."""
    kind = type(value)  # the most frequent types first: an exchange is thousands of small values
    if kind is float:
        return value
    if kind is np.ndarray:
        return _encode_array(value, table, log)
    if kind is np.float64:
        return [FLOAT64, float(value)]
    if kind in PLAIN:
        return _encode_plain(value)
    if depth > MAX_NESTING_LEVELS:
        raise CannotSend("It is nested too deep.")
    if kind is tuple:
        return [TUPLE, *[encode(part, table, log, depth + 1) for part in value]]
    if isinstance(value, np.generic):
        return (
            [SCALAR, value.dtype.str, read_bytes(value)] if value.dtype.str in DTYPES else _encode_other(value, table)
        )
    if isinstance(value, list | tuple | Mapping | Set | range):
        return _encode_container(value, table, log, depth)
    return [COMPLEX, value.real, value.imag] if kind is complex else _encode_other(value, table)


def _encode_plain(value: Any) -> Any:
    if type(value) is int and not -(2**63) <= value < 2**63:
        return [BIG, hex(value)] if value.bit_length() <= MAX_INT_BITS else _refuse(value)
    if type(value) is str:
        if len(value) > MAX_TEXT_CHARACTERS:
            raise CannotSend(f"A text of {len(value)} characters is too long to send.")
        return value.encode("utf-8", "replace").decode()  # msgpack takes no lone surrogates
    return value


def _encode_array(array: np.ndarray, table: ObjectTable, log: ArgumentLog | None) -> Any:
    dtype = array.dtype.str
    if dtype not in DTYPES:
        return _encode_other(array, table)
    raw = read_bytes(array)
    if log is not None:
        log.arrays.append((array, raw))
    number = table.find_number(array, raw)
    if number is not None:
        return [KNOWN, number]
    return [ARRAY, dtype, list(array.shape), raw, table.number_array(array, raw)]


def read_bytes(value: np.ndarray | np.generic) -> bytes:
    """Return the bytes of an array or NumPy number, in C order; the padding of long doubles is zero."""
    raw = value.tobytes()
    width = np.dtype(np.longdouble).itemsize
    if value.dtype.char not in "gG" or width == LONG_DOUBLE_BYTES:
        return raw
    numbers = np.frombuffer(bytearray(raw), np.uint8).reshape(-1, width)
    numbers[:, LONG_DOUBLE_BYTES:] = 0
    return numbers.tobytes()


def _encode_container(value: Any, table: ObjectTable, log: ArgumentLog | None, depth: int) -> list[Any]:
    if isinstance(value, Mapping):
        if log is not None:
            log.containers.append((value, dict(value)))
        flat = (part for item in dict(value).items() for part in item)
        return [DICT, *(encode(part, table, log, depth + 1) for part in flat)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        kind = type(value)
        head = [NAMED, table.number_class(kind), kind.__name__, list(map(str, value._fields))]
        return [*head, *(encode(part, table, log, depth + 1) for part in value)]
    if log is not None and isinstance(value, list):
        log.containers.append((value, list(value)))
    tag = TUPLE if isinstance(value, tuple) else SET if isinstance(value, Set) else LIST
    return [tag, *(encode(part, table, log, depth + 1) for part in value)]


def _encode_other(value: Any, table: ObjectTable) -> list[Any]:
    if value is Ellipsis or value is NotImplemented:
        return [ELLIPSIS] if value is Ellipsis else [NOT_IMPLEMENTED]
    tree = table.encode_object(value)
    return _refuse(value) if tree is None else tree


def read_array(value: Any) -> np.ndarray | None:
    """Return an array of JAX or PyTorch, a masked array, a matrix ... as NumPy's; None for anything else."""
    if isinstance(value, type) or not hasattr(value, "__array__") or not hasattr(value, "dtype"):
        return None
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except Exception:
        return None
    return array if type(array) is np.ndarray and array.dtype.str in DTYPES else None


def _refuse(value: Any) -> Any:
    raise CannotSend(
        f"A {type(value).__name__} cannot be sent to the other process: only plain data and functions can."
    )


def decode(tree: Any, table: ObjectTable, log: ArgumentLog | None = None) -> Any:
    """Return the value of a tree. Raises BadReply for every tree that `encode` does not make."""
    return _run_decoder(_Decoder(table, log), tree)


def decode_plain(tree: Any, table: ObjectTable) -> Any:
    """Return the value of a tree of nothing but lists, dicts, text and numbers. Raises BadReply."""
    return _run_decoder(_PlainDecoder(table, None), tree)


def _run_decoder(decoder: _Decoder, tree: Any) -> Any:
    try:
        return decoder.decode(tree, 0)
    except BadReply:
        raise
    except Exception as fault:
        raise BadReply(f"an inconsistent reply ({type(fault).__name__}).") from None


class _Decoder:
    def __init__(self, table: ObjectTable, log: ArgumentLog | None):
        self.table, self.log, self.nodes = table, log, 0

    def decode(self, tree: Any, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_FRAME_PARTS or depth > MAX_NESTING_LEVELS + 1:
            raise BadReply("a reply with too much in it, or nested too deep.")
        if type(tree) in PLAIN:
            return tree
        if type(tree) is not list or not tree or type(tree[0]) is not int:
            raise BadReply("a reply without a tag.")
        tag, parts = tree[0], tree[1:]
        if tag == ARRAY:
            return self.decode_array(parts)
        if tag == TUPLE:
            return tuple([self.decode(part, depth + 1) for part in parts])
        if tag in (LIST, DICT, SET, NAMED):
            return self.decode_container(tag, parts, depth)
        return self.decode_other(tag, parts)

    def decode_other(self, tag: int, parts: list[Any]) -> Any:
        if tag == FLOAT64:
            return np.float64(*_check_parts(parts, float))
        if tag == KNOWN:
            return self.decode_known(parts)
        if tag in (OBJECT, CALLBACK):
            return self.table.decode_object(tag, parts)
        return _decode_simple(tag, parts)

    def decode_container(self, tag: int, parts: list[Any], depth: int) -> Any:
        if tag in (DICT, NAMED):
            return self.decode_dict(parts, depth) if tag == DICT else self.decode_named(parts, depth)
        result: list[Any] = []
        slot = self.reserve(result) if tag == LIST else None
        read = self.decode_key if tag == SET else self.decode
        result += [read(part, depth + 1) for part in parts]
        self.fill(slot, result)
        return result if tag == LIST else frozenset(result)

    def decode_dict(self, parts: list[Any], depth: int) -> dict[Any, Any]:
        if len(parts) % 2:
            raise BadReply("a dict with a key and no value.")
        result: dict[Any, Any] = {}
        slot = self.reserve(result)
        for key, part in zip(parts[::2], parts[1::2]):
            read = self.decode_key(key, depth + 1)
            result[read] = self.decode(part, depth + 1)
        self.fill(slot, result)
        return result

    def decode_key(self, tree: Any, depth: int) -> Any:
        self.nodes += COMPOUND_KEY_NODES if type(tree) is list else 0
        return self.decode(tree, depth)

    def decode_named(self, parts: list[Any], depth: int) -> Any:
        number, name, fields = _check_parts(parts[:3], int, str, list)
        kind = self.table.find_class(number, name, fields)
        return kind(*(self.decode(part, depth + 1) for part in parts[3:]))

    def reserve(self, container: Any) -> int | None:
        """Return a container's position in the log: before those of its parts, as in `encode`."""
        if self.log is None:
            return None
        self.log.containers.append((container, container))
        return len(self.log.containers) - 1

    def fill(self, slot: int | None, container: Any) -> None:
        if slot is not None and self.log is not None:
            self.log.containers[slot] = (container, container.copy())

    def decode_array(self, parts: list[Any]) -> np.ndarray:
        dtype, shape, raw, number = _check_parts(parts, str, list, bytes, int)
        array = _build_array(dtype, shape, raw)
        raw = read_bytes(array)  # the other side may fill the padding of long doubles
        self.table.add_array(array, number, raw)
        if self.log is not None:
            self.log.arrays.append((array, raw))
        return array

    def decode_known(self, parts: list[Any]) -> Any:
        (number,) = _check_parts(parts, int)
        array = self.table.find_array(number)
        if self.log is not None:
            self.log.arrays.append((array, read_bytes(np.asarray(array))))
        return array


class _PlainDecoder(_Decoder):
    def decode(self, tree: Any, depth: int) -> Any:
        if type(tree) is list and tree[:1] not in ([LIST], [DICT]):
            raise BadReply("something that is not plain.")
        return super().decode(tree, depth)


def _build_array(dtype: str, shape: list[Any], raw: bytes) -> np.ndarray:
    kind, size = DTYPES.get(dtype), 1
    if kind is None or len(shape) > 32:
        raise BadReply("an array of an impossible type or shape.")
    for n in shape:
        if type(n) is not int or not 0 <= n < 2**40:
            raise BadReply("an array of an impossible type or shape.")
        size *= n
    if size * kind.itemsize != len(raw):
        raise BadReply(f"an array of shape {tuple(shape)[:8]} in {len(raw)} bytes.")
    array = np.frombuffer(raw, kind).reshape(shape)
    return np.array(array != 0) if kind.kind == "b" else array.copy()  # a bool is a byte, and 2 is none


def _decode_simple(tag: int, parts: list[Any]) -> Any:
    if tag == SCALAR:
        dtype, raw = _check_parts(parts, str, bytes)
        return _build_array(dtype, [], raw)[()]
    if tag == COMPLEX:
        return complex(*_check_parts(parts, float, float))
    if tag == BIG:
        (digits,) = _check_parts(parts, str)
        if len(digits) > 2600:
            raise BadReply("a number with too many digits.")
        return int(digits, 16)
    if tag in (ELLIPSIS, NOT_IMPLEMENTED):
        _check_parts(parts)
        return Ellipsis if tag == ELLIPSIS else NotImplemented
    raise BadReply(f"a reply with the tag {tag}.")


def _check_parts(parts: list[Any], *kinds: type) -> list[Any]:
    if tuple(map(type, parts)) != kinds:
        raise BadReply("a reply with the wrong parts.")
    return parts
