"""Remote proxies: what a test cell holds in place of the learner's functions, classes and objects.

A proxy sends each call, attribute or item to the learner's process (`connection`); it never runs the learner's code in
this process.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from nnkit.check.remote import RemoteObject
from nnkit_grader.rpc import codec


class RemoteAccess(codec.ObjectTable, Protocol):
    """The requests of a proxy to the learner's process."""

    def call(self, target: list[Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Call the function that `target` names; return its value, or raise what it raised."""

    def get(self, target: list[Any]) -> Any:
        """Return the value of an attribute, an item ... (`target` says which)."""

    def set(self, number: int, name: str, value: Any) -> None:
        """Set an attribute of an object in the learner's process, or raise what that raised."""


class RemoteProxy(RemoteObject):
    """A learner's function, class or object, as a test cell holds it."""

    __slots__ = ("__name__", "_connection", "_kind", "_methods", "_number", "_path")

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

    def __bool__(self) -> bool:
        return True  # like any plain object; what the learner's own method says must decide nothing

    def __iter__(self) -> Iterator[Any]:
        iterator = self._connection.get(["iterator", self._number])
        number = iterator._number if isinstance(iterator, RemoteProxy) else -1
        while True:
            step = self._connection.get(["next", number])
            if type(step) is not tuple or len(step) != 1:
                return
            yield step[0]

    def __repr__(self) -> str:
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
