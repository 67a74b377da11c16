"""NumPy code with other functions in NumPy's place, so that it can be traced.

    rebind(gate, {np.zeros: make_traced_zeros})        # a gate that fills what `np.zeros` gives

An array that a tracer hands to the code answers NumPy's dispatch itself; one that the code makes (`np.zeros`,
`np.array`) cannot be dispatched. A rebound function reads its globals from a copy in which functions of NumPy and
`math` are replaced, and so do the functions of the same author that it calls. The original is left as it is.
"""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

ON_NUMBERS: dict[Callable[..., Any], Callable[..., Any]] = {
    getattr(math, name): getattr(np, name)
    for name in (
        "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "hypot",
        "floor", "ceil",
    )
} | {math.fabs: np.abs, math.pow: np.power, math.atan: np.arctan, math.asin: np.arcsin}  # fmt: skip
"""Functions of `math`, and those of NumPy that take arrays."""
LIBRARIES = frozenset({"numpy", "scipy", "jax", "jaxlib", "torch", "nnkit", "IPython"})
"""Packages whose functions are left as they are, beside the standard library."""
WRAPPERS = "nnkit.check."
"""Package whose functions and objects hold code of the author."""
MAX_LISTED = 100
"""Length of a list up to which it is looked into."""
FORWARDS = ("forward", "forward_pass", "fwd", "fprop", "__call__", "loss")
"""Methods of the objects that are gates or layers."""


def rebind(
    code: Any,
    replaced: Mapping[Callable[..., Any], Callable[..., Any]],
    members: Mapping[type, Mapping[str, Any]] = MappingProxyType({}),
    as_numpy: bool = False,
) -> Any:
    """Return a function, or a gate with all its methods, in which calls of some functions go to others.

    `replaced` maps a function of NumPy or `math` to the one in its place. So are functions and objects of the checker
    that hold such code, and lists of it. Anything else, that is neither the author's function nor an object with a
    forward, comes back as it is. `members` gives a class other members: a subclass that has them stands in its place.
    `as_numpy` takes code for JAX as code for NumPy: jnp is np, and what is compiled or has a rule of its own is the
    function that it was made of.
    """
    return _Rebinding({id(old): new for old, new in replaced.items()}, members, as_numpy).rebind(code)


class _Namespace:
    """A module with some functions replaced."""

    def __init__(self, module: types.ModuleType, replaced: Mapping[int, Any]) -> None:
        self.__module = module
        for name, value in vars(module).items():
            if id(value) in replaced:
                setattr(self, name, replaced[id(value)])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__module, name)


class _Rebinding:
    """The copies of functions, classes and objects of one call of `rebind`, each made once."""

    def __init__(
        self, replaced: dict[int, Any], members: Mapping[type, Mapping[str, Any]], as_numpy: bool = False
    ) -> None:
        self.replaced, self.members, self.as_numpy = replaced, members, as_numpy
        self.made: dict[int, Any] = {id(module): _Namespace(module, replaced) for module in (np, math)}
        if as_numpy and "jax.numpy" in sys.modules:
            self.made[id(sys.modules["jax.numpy"])] = self.made[id(np)]
        self.kept: list[Any] = []  # so that no id is used again

    def rebind(self, value: Any) -> Any:
        """Return the value with NumPy replaced in it."""
        if id(value) in self.replaced:
            return self.replaced[id(value)]
        if id(value) in self.made:
            return self.made[id(value)]
        if self.as_numpy and find_source(value) is not None:
            return self.rebind(find_source(value))
        if isinstance(value, types.FunctionType):
            return self._rebind_function(value) if is_authors(value.__module__) or _is_wrapper(value) else value
        if isinstance(value, types.MethodType):
            return types.MethodType(self.rebind(value.__func__), self.rebind(value.__self__))
        if isinstance(value, partial):
            return partial(self.rebind(value.func), *map(self.rebind, value.args), **self._rebind_all(value.keywords))
        if isinstance(value, type):
            return self._rebind_class(value) if value in self.members or _is_gate(value) else value
        if type(value) in (list, tuple, dict):
            return self._rebind_all(value)
        return self._rebind_object(value) if _is_gate(type(value)) or _is_wrapper(type(value)) else value

    def _rebind_all(self, values: Any) -> Any:
        """Return a list, tuple or dict with what is in it rebound; itself where nothing is."""
        if len(values) > MAX_LISTED:
            return values
        old = list(values.values() if isinstance(values, dict) else values)
        self._remember(values, values)  # one that holds itself
        new = [self.rebind(value) for value in old]
        if all(a is b for a, b in zip(old, new)):
            return values
        return self._remember(values, dict(zip(values, new)) if isinstance(values, dict) else type(values)(new))

    def _remember(self, value: Any, copy: Any) -> Any:
        self.kept.append(value)
        self.made[id(value)] = copy
        return copy

    def _rebind_function(self, function: types.FunctionType) -> types.FunctionType:
        copy: types.FunctionType = self._remember(
            function,
            types.FunctionType(
                function.__code__,
                function.__globals__ if _is_wrapper(function) else self._rebind_globals(function.__globals__),
                function.__name__,
                closure=tuple(types.CellType() for _ in function.__closure__ or ()) or None,
            ),
        )
        copy.__kwdefaults__, copy.__qualname__ = function.__kwdefaults__, function.__qualname__
        copy.__defaults__ = function.__defaults__
        for name, cell, original in zip(
            function.__code__.co_freevars, copy.__closure__ or (), function.__closure__ or ()
        ):
            with suppress(ValueError):  # nothing has been assigned to it yet
                # `super()` looks in the class that the function was written in.
                value = original.cell_contents
                cell.cell_contents = value if name == "__class__" else self.rebind(value)
        return copy

    def _rebind_globals(self, names: dict[str, Any]) -> dict[str, Any]:
        if id(names) not in self.made:
            copy = self._remember(names, {})
            copy.update((name, self.rebind(value)) for name, value in list(names.items()))
        found: dict[str, Any] = self.made[id(names)]
        return found

    def _rebind_class(self, kind: type) -> type:
        copy: type = self._remember(
            kind, type(kind)(kind.__name__, (kind,), {"__slots__": (), "__module__": kind.__module__})
        )
        for owner in reversed(kind.__mro__):
            if is_authors(owner.__module__):
                for name, member in list(vars(owner).items()):
                    if isinstance(member, types.FunctionType) or (self.as_numpy and find_source(member)):
                        setattr(copy, name, self.rebind(member))
                    elif isinstance(member, staticmethod | classmethod):
                        setattr(copy, name, type(member)(self.rebind(member.__func__)))
        for name, member in self.members.get(kind, {}).items():
            setattr(copy, name, member)
        return copy

    def _rebind_object(self, value: Any) -> Any:
        kind = type(value) if _is_wrapper(type(value)) else self.rebind(type(value))
        copy = self._remember(value, object.__new__(kind))
        for name, part in getattr(value, "__dict__", {}).items():
            object.__setattr__(copy, name, self.rebind(part))
        return copy


def find_source(value: Any) -> types.FunctionType | None:
    """Return the author's function that JAX compiles, or that has a rule of its own there; None for anything else."""
    if not type(value).__module__.startswith("jax"):
        return None
    source = getattr(value, "__wrapped__", None)
    return source if isinstance(source, types.FunctionType) and is_authors(source.__module__) else None


def _is_gate(kind: type) -> bool:
    has_forward = any(name in vars(owner) for owner in kind.__mro__ for name in FORWARDS)
    return has_forward and hasattr(kind, "__dict__") and is_authors(kind.__module__)


def _is_wrapper(code: Any) -> bool:
    return str(getattr(code, "__module__", None)).startswith(WRAPPERS)


def is_authors(module: str | None) -> bool:
    """Return True for code of the author, not of a library."""
    root = (module or "__main__").split(".")[0]
    if root == "__main__":  # whatever program runs it, as `python -m pytest` does
        return True
    if root in LIBRARIES or root.startswith("_cython_") or root in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return "site-packages" not in file
