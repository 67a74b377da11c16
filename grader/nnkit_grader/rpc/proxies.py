"""Remote proxies: what a test cell holds in place of the learner's functions, classes and objects.

A proxy sends each call, attribute or item to the learner's process (`connection`); it never runs the learner's code in
this process.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any, Protocol

from nnkit.check.remote import RemoteObject
from nnkit_grader.rpc import codec, operations


class RemoteAccess(codec.ObjectTable, Protocol):
    """The requests of a proxy to the learner's process."""

    operators: Set[str]
    """Special methods of the course's own classes, as "__add__": operators that tests may use."""

    def operate(self, name: str, *args: Any) -> Any:
        """Return the value of an operation on learner's objects (`operations`), or raise what it raised."""

    def call(self, target: list[Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Call the function that `target` names; return its value, or raise what it raised."""

    def get(self, target: list[Any]) -> Any:
        """Return the value of an attribute, an item ... (`target` says which)."""

    def set(self, number: int, name: str, value: Any) -> None:
        """Set an attribute of an object in the learner's process, or raise what that raised."""


class RemoteProxy(RemoteObject):
    """A learner's function, class or object, as a test cell holds it."""

    __slots__ = ("__name__", "__weakref__", "_connection", "_kind", "_methods", "_number", "_path")
    __array_ufunc__ = None  # an array leaves an operator to the object

    def __init__(
        self, connection: RemoteAccess, number: int, kind: str, name: str, methods: dict[str, Any], path: str = ""
    ):
        own = {"_connection": connection, "_number": number, "_kind": kind, "_methods": methods, "_path": path}
        for slot, value in (own if kind in ("object", "iterator") else {**own, "__name__": name}).items():
            object.__setattr__(self, slot, value)

    @property
    def __signature__(self) -> inspect.Signature:
        return self._methods.get("") or inspect.Signature()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._connection.call([self._number, self._path], args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self._path:  # NumPy, copy, inspect ... look for these; never ask the learner
            raise AttributeError(name)
        if name in self._methods:
            return RemoteProxy(self._connection, self._number, "function", name, {"": self._methods[name]}, name)
        return self._connection.get(["attribute", self._number, name])

    def __setattr__(self, name: str, value: Any) -> None:
        if self._path or name in RemoteProxy.__slots__:
            raise AttributeError(name)
        self._connection.set(self._number, name, value)

    def __getitem__(self, key: Any) -> Any:
        return self._connection.get(["item", self._number, codec.encode(key, self._connection)])

    def __len__(self) -> int:
        length = self._connection.get(["length", self._number])
        return length if type(length) is int and length >= 0 else 0

    def _has(self, *names: str) -> bool:
        """Return whether a class of the course's own has one of these operators."""
        return any(f"__{name}__" in self._connection.operators for name in names)

    def __bool__(self) -> bool:
        return not self._has("bool") or bool(self._connection.operate("bool", self))  # else like any plain object

    def __contains__(self, item: Any) -> bool:
        if self._has("contains"):
            return bool(self._connection.operate("contains", self, item))
        return any(item is own or item == own for own in self)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._connection.operate("setitem", self, key, value)

    def __delitem__(self, key: Any) -> None:
        self._connection.operate("delitem", self, key)

    def __instancecheck__(self, thing: Any) -> bool:
        return bool(self._connection.operate("isinstance", thing, self))

    def __subclasscheck__(self, kind: Any) -> bool:
        return isinstance(kind, RemoteProxy) and bool(self._connection.operate("issubclass", kind, self))

    def __enter__(self) -> Any:
        return self._connection.call([self._number, "__enter__"], (), {})

    def __exit__(self, *_: object) -> Any:
        return self._connection.call([self._number, "__exit__"], (None, None, None), {})

    def __str__(self) -> str:
        return self._connection.operate("str", self) if self._has("str", "repr") else repr(self)

    @property
    def documentation(self) -> str | None:
        """The docstring that the learner wrote."""
        text = self._connection.operate("doc", self)
        return text if isinstance(text, str) else None

    def __iter__(self) -> Iterator[Any]:
        iterator = self._connection.get(["iterator", self._number])
        number = iterator._number if isinstance(iterator, RemoteProxy) else -1
        while True:
            step = self._connection.get(["next", number])
            if type(step) is not tuple or len(step) != 1:
                return
            yield step[0]

    def __repr__(self) -> str:
        if self._has("repr"):
            return self._connection.operate("repr", self)  # type: ignore[no-any-return]
        return f"<the learner's {self._kind} {getattr(self, '__name__', type(self).__name__)}>"


class RemoteIterator(RemoteProxy):
    """A learner's generator, or another iterator."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        step = self._connection.get(["next", self._number])
        if type(step) is not tuple or len(step) != 1:
            raise StopIteration
        return step[0]


def _make_binary(name: str) -> dict[str, Callable[..., Any]]:
    """Return the methods of a binary operator, for an object on the left and on the right."""

    def on_left(self: RemoteProxy, other: Any) -> Any:
        return self._connection.operate(name, self, other) if self._has(name, f"r{name}") else NotImplemented

    def on_right(self: RemoteProxy, other: Any) -> Any:
        return self._connection.operate(name, other, self) if self._has(f"r{name}") else NotImplemented

    return {f"__{name}__": on_left, f"__r{name}__": on_right}


def _make_in_place(name: str) -> dict[str, Callable[..., Any]]:
    def method(self: RemoteProxy, other: Any) -> Any:
        return self._connection.operate(name, self, other) if self._has(name) else NotImplemented

    return {f"__{name}__": method}


def _make_comparison(name: str) -> dict[str, Callable[..., Any]]:
    """Return the method of a comparison, which only compares two objects of the learner's.

    Against plain data an object could claim to be whatever a test expects.
    """
    used = ("eq", "ne") if name in ("eq", "ne") else ("lt", "le", "gt", "ge")

    def method(self: RemoteProxy, other: Any) -> Any:
        if not isinstance(other, RemoteProxy) or not self._has(*used):
            return NotImplemented
        return self._connection.operate(name, self, other)

    return {f"__{name}__": method}


def _make_unary(name: str) -> dict[str, Callable[..., Any]]:
    def method(self: RemoteProxy, *others: Any) -> Any:
        if not self._has(name):
            raise TypeError(f"the learner's {self._kind} has no __{name}__ that a test may use")
        return self._connection.operate(name, self, *others)

    return {f"__{name}__": method}


def _add_operators() -> None:
    """Give proxies the operators that reach the learner's process, if a class of the course's own has them."""
    for names, make in (
        (operations.BINARY, _make_binary),
        (operations.IN_PLACE, _make_in_place),
        (operations.COMPARISONS, _make_comparison),
        (operations.CONVERSIONS, _make_unary),
    ):
        for operation in names:
            for name, method in make(operation).items():
                setattr(RemoteProxy, name, method)


_add_operators()
