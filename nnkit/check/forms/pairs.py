"""A forward and a backward as functions: a pair of them, those of a module, or the methods of an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from inspect import getattr_static
from types import FunctionType
from typing import Any

from nnkit.arrays import get_name
from nnkit.check.evidence.finding import Finding
from nnkit.check.forms.contexts import pair_with_context, takes_context
from nnkit.check.forms.places import copy_deeply
from nnkit.language import say
from nnkit.text import join_ands

NAMES = (
    ("{}_forward", "{}_backward"),
    ("forward_{}", "backward_{}"),
    ("{}_fwd", "{}_bwd"),
    ("{}Forward", "{}Backward"),
    ("{}", "{}_backward"),
    ("{}", "{}_grad"),
    ("{}", "{}_vjp"),
    ("{}", "d{}"),
)
"""The names that people give to the two functions of a layer."""
WORDS = (("forward", "backward"), ("Forward", "Backward"), ("fwd", "bwd"), ("fprop", "bprop"))
"""Words in their names that tell the one from the other."""
METHODS = (
    ("forward", "backward"),
    ("forward_pass", "backward_pass"),
    ("fwd", "bwd"),
    ("fprop", "bprop"),
    ("forward", "backprop"),
    ("feedforward", "backprop"),
    ("__call__", "backward"),
)
"""The names that people give to the two methods of a layer."""


@dataclass(frozen=True)
class Pair:
    """A forward and a backward that belong together."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    owner: Any = None
    """The object whose methods they are."""
    fresh: bool = True
    """Each trial begins with a copy of that object."""
    of: str = ""
    """The name of what has these methods."""
    methods: tuple[str, str] = ("forward", "backward")
    """The names of the methods."""

    @property
    def title(self) -> str:
        """The name of what is checked."""
        return f"{self.of}.backward" if self.of else get_name(self.backward)

    def copy(self) -> Pair:
        """Return the pair with a copy of its owner."""
        if self.owner is None or not self.fresh:
            return self
        fresh = copy_deeply(self.owner)
        forward, backward = (getattr(fresh, name) for name in self.methods)
        return replace(self, forward=forward, backward=backward, owner=fresh)


def find_pair(given: Any) -> Pair | Finding | None:
    """Return the pair that is meant: two functions, (module, "affine"), a module with one pair, an object with both
    methods, or one of two functions that stand side by side; None for anything else."""
    if isinstance(given, tuple | list) and len(given) == 2:
        first, second = given
        if callable(first) and callable(second):
            return Pair(first, second)
        if isinstance(second, str):
            return _find_named(first, second)
        return None
    if isinstance(given, type):
        kind: Any = given
        if not isinstance(getattr_static(given, "forward", None), staticmethod | classmethod):
            return None
        if takes_context(kind.forward):
            return Pair(*pair_with_context(given), of=get_name(given))
    for names in () if isinstance(given, FunctionType) else METHODS:
        forward = getattr(given, names[0], None)
        backward = getattr(given, names[1], None) if callable(forward) else None
        if callable(forward) and callable(backward):
            owner = given if getattr(forward, "__self__", None) is given else None
            return Pair(forward, backward, owner, of=get_name(given), methods=names)
    if callable(given):
        return _find_sibling(get_name(given), getattr(given, "__globals__", {}))
    return _find_only(given)


def _find_named(space: Any, name: str) -> Pair | Finding:
    sibling = _find_sibling(name, space)
    if sibling:
        return sibling
    for forms in NAMES:
        forward, backward = (_get(space, form.format(name)) for form in forms)
        if callable(forward) and callable(backward):
            return Pair(forward, backward)
    wanted = join_ands([form.format(name) for form in NAMES[0]])
    return Finding("error", say("there is no pair {wanted} in {name}.", wanted=wanted, name=get_name(space)))


def _get(space: Any, name: str) -> Any:
    return space.get(name) if isinstance(space, Mapping) else getattr(space, name, None)


def _find_sibling(name: str, space: Any) -> Pair | None:
    """Return affine_forward and affine_backward, of which one is named, where the other stands beside it."""
    for forth, back in WORDS:
        names = (name, name.replace(forth, back)) if forth in name else (name.replace(back, forth), name)
        forward, backward = (_get(space, each) for each in names)
        if names[0] != names[1] and callable(forward) and callable(backward):
            return Pair(forward, backward)
    return None


def _find_only(space: Any) -> Pair | Finding | None:
    """Return the only pair in a module or namespace."""
    known = space if isinstance(space, Mapping) else getattr(space, "__dict__", {})
    forwards = [name for name in known if "forward" in name and _find_sibling(name, space)]
    if len(forwards) > 1:
        sentence = say(
            "there are {count} layers in it: say which, check_backward((layers, {first!r}), ...).",
            count=len(forwards),
            first=forwards[0],
        )
        return Finding("error", sentence)
    return _find_sibling(forwards[0], space) if forwards else None
