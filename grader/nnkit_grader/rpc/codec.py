"""What crosses between the examiner and a learner's process: plain data as trees, and nothing that is evaluated.

    tree = None | bool | int | float | str | bytes | [TAG, tree, ...]            (in `frames`, as msgpack)

A tag says what the list stands for: a tuple, a dict, an array (dtype, shape, bytes) ... Both sides use the same
code, and the examiner takes every byte from the other side for a lie until it has been looked at: lengths, depth,
number of nodes, types, shapes. What does not fit raises `BadReply`. No pickle, no names that are looked up.

What is not plain stays where it is, and a number that stands for it crosses (`OBJECT`, `CALLBACK`). An array that
came from the learner's process and goes back unchanged crosses as its number (`KNOWN`), so that it is there the
very array that it was, with all that aliases it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from nnkit_grader.rpc.framing import MOST, BadReply, CannotCross

DEEPEST = 40
"""Containers inside containers."""
HASHED = 200
"""What a key that is more than text or a small number counts for: such can be made to have the same hash, and then a
dict of n of them takes n² steps."""

LIST, TUPLE, DICT, SET, COMPLEX, BIG, ARRAY, SCALAR, KNOWN, OBJECT, CALLBACK, ELLIPSIS, NOT_IMPLEMENTED = range(13)
NAMED, FLOAT64 = 13, 14

_CODES = ("?", *np.typecodes["AllInteger"], *np.typecodes["Float"], *np.typecodes["Complex"])
DTYPES = {np.dtype(code).str: np.dtype(code) for code in _CODES}
"""What an array may hold."""
PLAIN = frozenset((type(None), bool, int, float, str, bytes))
"""Types that msgpack has."""


class Keeper(Protocol):
    """What one side does with values that are not plain, and with arrays that it may meet again."""

    def array_number(self, array: np.ndarray, raw: bytes) -> int:
        """The number under which this array, sent now, is kept; -1 for one that is not kept."""

    def known(self, array: np.ndarray, raw: bytes) -> int | None:
        """The number under which the other side keeps this very array, unchanged; None if it does not."""

    def outgoing(self, value: Any) -> list[Any] | None:
        """The tree that stands for a value that is not plain; None if it cannot cross."""

    def class_number(self, kind: type) -> int:
        """The number of a class of named tuples."""

    def named(self, number: int, name: str, fields: list[str]) -> Callable[..., Any]:
        """The class of named tuples with this number. Raises BadReply."""

    def incoming_array(self, array: np.ndarray, number: int, raw: bytes) -> None:
        """An array has come, kept on the other side under this number."""

    def array(self, number: int) -> Any:
        """The array that is kept here under this number. Raises BadReply."""

    def incoming(self, tag: int, parts: list[Any]) -> Any:
        """The value that stands for an object or a callback of the other side. Raises BadReply."""


@dataclass
class Passed:
    """The mutable values of one message, in the order in which they are written and read.

    Both sides have the same order, so a position is enough to say which of them a call has changed.
    """

    arrays: list[tuple[np.ndarray, bytes]] = field(default_factory=list)
    containers: list[tuple[Any, Any]] = field(default_factory=list)
    """Each list or dict, and a shallow copy of it."""


def to_tree(value: Any, keeper: Keeper, passed: Passed | None = None, depth: int = 0) -> Any:
    """A value as a tree. Raises CannotCross."""
    kind = type(value)  # the most frequent first: an exchange is thousands of small values
    if kind is float:
        return value
    if kind is np.ndarray:
        return _array_tree(value, keeper, passed)
    if kind is np.float64:
        return [FLOAT64, float(value)]
    if kind in PLAIN:
        return _plain_tree(value)
    if depth > DEEPEST:
        raise CannotCross("It is nested too deep.")
    if kind is tuple:
        return [TUPLE, *[to_tree(part, keeper, passed, depth + 1) for part in value]]
    if isinstance(value, np.generic):
        return [SCALAR, value.dtype.str, value.tobytes()] if value.dtype.str in DTYPES else _other(value, keeper)
    if isinstance(value, list | tuple | Mapping | Set | range):
        return _container_tree(value, keeper, passed, depth)
    return [COMPLEX, value.real, value.imag] if kind is complex else _other(value, keeper)


def _plain_tree(value: Any) -> Any:
    if type(value) is int and not -(2**63) <= value < 2**63:
        return [BIG, hex(value)] if value.bit_length() <= 10_000 else _no(value)
    if type(value) is str:
        if len(value) > 250_000:
            raise CannotCross(f"A text of {len(value)} characters is too long to cross.")
        return value.encode("utf-8", "replace").decode()  # msgpack takes no lone surrogates
    return value


def _array_tree(array: np.ndarray, keeper: Keeper, passed: Passed | None) -> Any:
    dtype = array.dtype.str
    if dtype not in DTYPES:
        return _other(array, keeper)
    raw = array.tobytes()
    if passed is not None:
        passed.arrays.append((array, raw))
    number = keeper.known(array, raw)
    if number is not None:
        return [KNOWN, number]
    return [ARRAY, dtype, list(array.shape), raw, keeper.array_number(array, raw)]


def _container_tree(value: Any, keeper: Keeper, passed: Passed | None, depth: int) -> list[Any]:
    if isinstance(value, Mapping):
        if passed is not None:
            passed.containers.append((value, dict(value)))
        flat = (part for item in dict(value).items() for part in item)
        return [DICT, *(to_tree(part, keeper, passed, depth + 1) for part in flat)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        kind = type(value)
        head = [NAMED, keeper.class_number(kind), kind.__name__, list(map(str, value._fields))]
        return [*head, *(to_tree(part, keeper, passed, depth + 1) for part in value)]
    if passed is not None and isinstance(value, list):
        passed.containers.append((value, list(value)))
    tag = TUPLE if isinstance(value, tuple) else SET if isinstance(value, Set) else LIST
    return [tag, *(to_tree(part, keeper, passed, depth + 1) for part in value)]


def _other(value: Any, keeper: Keeper) -> list[Any]:
    if value is Ellipsis or value is NotImplemented:
        return [ELLIPSIS] if value is Ellipsis else [NOT_IMPLEMENTED]
    tree = keeper.outgoing(value)
    return _no(value) if tree is None else tree


def _no(value: Any) -> Any:
    raise CannotCross(f"A {type(value).__name__} cannot cross to the other process: only plain data and functions can.")


def from_tree(tree: Any, keeper: Keeper, passed: Passed | None = None) -> Any:
    """The value of a tree. Raises BadReply for every tree that `to_tree` does not make."""
    return _read(_Reader(keeper, passed), tree)


def plain_from_tree(tree: Any, keeper: Keeper) -> Any:
    """The value of a tree that holds nothing but lists, dicts, text and numbers. Raises BadReply."""
    return _read(_PlainReader(keeper, None), tree)


def _read(reader: _Reader, tree: Any) -> Any:
    try:
        return reader.value(tree, 0)
    except BadReply:
        raise
    except Exception as fault:
        raise BadReply(f"a reply that does not hold together ({type(fault).__name__}).") from None


class _Reader:
    def __init__(self, keeper: Keeper, passed: Passed | None):
        self.keeper, self.passed, self.nodes = keeper, passed, 0

    def value(self, tree: Any, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MOST or depth > DEEPEST + 1:
            raise BadReply("a reply with too much in it, or nested too deep.")
        if type(tree) in PLAIN:
            return tree
        if type(tree) is not list or not tree or type(tree[0]) is not int:
            raise BadReply("a reply without a tag.")
        tag, parts = tree[0], tree[1:]
        if tag == ARRAY:
            return self.array(parts)
        if tag == TUPLE:
            return tuple([self.value(part, depth + 1) for part in parts])
        if tag in (LIST, DICT, SET, NAMED):
            return self.container(tag, parts, depth)
        return self.other(tag, parts)

    def other(self, tag: int, parts: list[Any]) -> Any:
        if tag == FLOAT64:
            return np.float64(*_taken(parts, float))
        if tag == KNOWN:
            return self.known(parts)
        if tag in (OBJECT, CALLBACK):
            return self.keeper.incoming(tag, parts)
        return _simple(tag, parts)

    def container(self, tag: int, parts: list[Any], depth: int) -> Any:
        if tag in (DICT, NAMED):
            return self.dictionary(parts, depth) if tag == DICT else self.named(parts, depth)
        result: list[Any] = []
        slot = self.slot(result) if tag == LIST else None
        read = self.key if tag == SET else self.value
        result += [read(part, depth + 1) for part in parts]
        self.fill(slot, result)
        return result if tag == LIST else frozenset(result)

    def dictionary(self, parts: list[Any], depth: int) -> dict[Any, Any]:
        if len(parts) % 2:
            raise BadReply("a dict with a key and no value.")
        result: dict[Any, Any] = {}
        slot = self.slot(result)
        for key, part in zip(parts[::2], parts[1::2]):
            read = self.key(key, depth + 1)
            result[read] = self.value(part, depth + 1)
        self.fill(slot, result)
        return result

    def key(self, tree: Any, depth: int) -> Any:
        self.nodes += HASHED if type(tree) is list else 0
        return self.value(tree, depth)

    def named(self, parts: list[Any], depth: int) -> Any:
        number, name, fields = _taken(parts[:3], int, str, list)
        kind = self.keeper.named(number, name, fields)
        return kind(*(self.value(part, depth + 1) for part in parts[3:]))

    def slot(self, container: Any) -> int | None:
        """A place in the order of the containers: before that of their parts, as `to_tree` counts."""
        if self.passed is None:
            return None
        self.passed.containers.append((container, container))
        return len(self.passed.containers) - 1

    def fill(self, slot: int | None, container: Any) -> None:
        if slot is not None and self.passed is not None:
            self.passed.containers[slot] = (container, container.copy())

    def array(self, parts: list[Any]) -> np.ndarray:
        dtype, shape, raw, number = _taken(parts, str, list, bytes, int)
        array = _checked(dtype, shape, raw)
        self.keeper.incoming_array(array, number, raw)
        if self.passed is not None:
            self.passed.arrays.append((array, raw))
        return array

    def known(self, parts: list[Any]) -> Any:
        (number,) = _taken(parts, int)
        array = self.keeper.array(number)
        if self.passed is not None:
            self.passed.arrays.append((array, np.asarray(array).tobytes()))
        return array


class _PlainReader(_Reader):
    def value(self, tree: Any, depth: int) -> Any:
        if type(tree) is list and tree[:1] not in ([LIST], [DICT]):
            raise BadReply("something that is not plain.")
        return super().value(tree, depth)


def _checked(dtype: str, shape: list[Any], raw: bytes) -> np.ndarray:
    kind, size = DTYPES.get(dtype), 1
    if kind is None or len(shape) > 32:
        raise BadReply("an array of no type or shape that an array has.")
    for n in shape:
        if type(n) is not int or not 0 <= n < 2**40:
            raise BadReply("an array of no type or shape that an array has.")
        size *= n
    if size * kind.itemsize != len(raw):
        raise BadReply(f"an array of shape {tuple(shape)[:8]} in {len(raw)} bytes.")
    array = np.frombuffer(raw, kind).reshape(shape)
    return np.array(array != 0) if kind.kind == "b" else array.copy()  # a bool is a byte, and 2 is none


def _simple(tag: int, parts: list[Any]) -> Any:
    if tag == SCALAR:
        dtype, raw = _taken(parts, str, bytes)
        return _checked(dtype, [], raw)[()]
    if tag == COMPLEX:
        return complex(*_taken(parts, float, float))
    if tag == BIG:
        (digits,) = _taken(parts, str)
        if len(digits) > 2600:
            raise BadReply("a number with too many digits.")
        return int(digits, 16)
    if tag in (ELLIPSIS, NOT_IMPLEMENTED):
        _taken(parts)
        return Ellipsis if tag == ELLIPSIS else NotImplemented
    raise BadReply(f"a reply with the tag {tag}.")


def _taken(parts: list[Any], *kinds: type) -> list[Any]:
    if tuple(map(type, parts)) != kinds:
        raise BadReply("a reply with the wrong parts.")
    return parts
