"""Places of arrays in what a learner hands over: dicts, lists, tuples, dataclasses and objects, one in another."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from nnkit.check.remote import RemoteObject

MAX_DEPTH = 8
CLOSED = (
    *(np.ndarray, np.generic, str, bytes, int, float, complex, type, FunctionType, MethodType, ModuleType),
    *(np.random.Generator, np.random.RandomState, np.dtype, RemoteObject),
)
"""Kinds of objects that are not looked into."""


@dataclass(frozen=True)
class Access:
    """One step into a container: to the item, or to the attribute, of this name."""

    key: Any
    is_attribute: bool = False

    def __str__(self) -> str:
        return f".{self.key}" if self.is_attribute else f"[{self.key!r}]"

    def get(self, owner: Any) -> Any:
        """Return what is there; KeyError, IndexError, AttributeError or TypeError where there is nothing."""
        return getattr(owner, self.key) if self.is_attribute else owner[self.key]


Place = tuple[Access, ...]


def format_place_in(root: str, place: Place) -> str:
    """Return the place as Python spells it: "layer.params['W']"; without a root, "params['W']"."""
    text = root + "".join(map(str, place))
    return text.removeprefix(".") if not root else text


def list_children(owner: Any) -> list[tuple[Access, Any]]:
    """Return what a container holds, with the step to each; nothing for what is no container."""
    if owner is None or isinstance(owner, CLOSED):
        return []
    if isinstance(owner, Mapping):
        return [(Access(key), value) for key, value in owner.items()]
    if isinstance(owner, tuple) and hasattr(owner, "_fields"):
        return [(Access(name, True), value) for name, value in zip(owner._fields, owner)]
    if isinstance(owner, list | tuple):
        return [(Access(i), value) for i, value in enumerate(owner)]
    if dataclasses.is_dataclass(owner):
        names = [field.name for field in dataclasses.fields(owner)]
        names += [name for name in getattr(owner, "__dict__", {}) if name not in names]
        return [(Access(name, True), getattr(owner, name)) for name in names if hasattr(owner, name)]
    slots = [name for kind in type(owner).__mro__ for name in _list_slots(kind) if hasattr(owner, name)]
    every = dict.fromkeys([*slots, *getattr(owner, "__dict__", {})])
    return [(Access(name, True), getattr(owner, name)) for name in every]


def _list_slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(name for name in slots if not name.startswith("__"))


def is_leaf(value: Any) -> bool:
    """Return True for an array of real numbers, or one number."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "iuf"
    return isinstance(value, float | int | np.floating | np.integer) and not isinstance(value, bool)


def list_leaves(root: Any, wanted: Callable[[Any], bool] = is_leaf) -> list[tuple[Place, Any]]:
    """Return the leaves in a container, in its order; an object that is met again is not looked into twice."""
    return list(_walk(root, (), wanted, set()))


def _walk(owner: Any, place: Place, wanted: Callable[[Any], bool], seen: set[int]) -> Iterator[tuple[Place, Any]]:
    if wanted(owner):
        yield place, owner
        return
    if id(owner) in seen or len(place) >= MAX_DEPTH:
        return
    seen.add(id(owner))
    for step, value in list_children(owner):
        yield from _walk(value, (*place, step), wanted, seen)


def read_place(root: Any, place: Place) -> Any:
    """Return what stands at a place; raises what `Access.get` raises."""
    for step in place:
        root = step.get(root)
    return root


def put_at(root: Any, place: Place, value: Any) -> Any:
    """Return the container with `value` at a place: changed itself where it can be, else rebuilt."""
    if not place:
        return value
    first, rest = place[0], place[1:]
    new = put_at(first.get(root), rest, value)
    if isinstance(root, tuple):
        if hasattr(root, "_replace") and first.is_attribute:
            return root._replace(**{first.key: new})
        return (*root[: first.key], new, *root[first.key + 1 :])
    if first.is_attribute:
        object.__setattr__(root, first.key, new)
    else:
        root[first.key] = new
    return root


def copy_deeply(value: Any) -> Any:
    """Return a deep copy; the value itself where it cannot be copied, or is in another process."""
    if isinstance(value, RemoteObject):
        return value
    try:
        return copy.deepcopy(value)
    except Exception:  # a lock, a file, a module
        return value


def rebuild(root: Any, places: Sequence[Place], values: Sequence[Any]) -> Any:
    """Return a copy of a container with other values at these places."""
    fresh = copy_deeply(root)
    for place, value in zip(places, values):
        fresh = put_at(fresh, place, value)
    return fresh
