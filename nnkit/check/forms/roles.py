"""Roles of the parameters of a backward: upstream gradients, the cache, or inputs of the forward again."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nnkit.arrays import list_parameters

Role = Literal["upstream", "cache", "input", "out"]
CACHES = re.compile(
    r"_*(caches?|ctx|context|saved\w*|residuals?|res|mem|memory|tape|state|stash|\w+_cache|cache_\w+)_*"
)
UPSTREAMS = re.compile(
    r"_*(d(?!ata$|ict|im|type)\w*|grad\w*|\w*_grad(ient)?s?|g|up\w*|delta\w*|err(or)?s?|top_diff|v)_*"
)
OUTPUTS = ("out", "output", "y", "outputs")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a backward, and what it is handed."""

    name: str
    role: Role
    repeated: bool = False
    """It takes any number of arguments: *douts."""


def list_required(function: Callable[..., Any], skip: Sequence[str] = ()) -> list[tuple[str, bool]] | None:
    """Return the names of the positional parameters without a default, and if each takes any number of arguments; the
    first one where all have a default; None where they are not known."""
    try:
        parameters = list_parameters(function)
    except (TypeError, ValueError):
        return None
    positional = [
        p
        for p in parameters
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) and p.name not in skip
    ]
    required = [p for p in positional if p.default is p.empty]
    return [(p.name, p.kind is p.VAR_POSITIONAL) for p in required or positional[:1]]


def takes(function: Callable[..., Any], name: str, any_name: bool = False) -> bool:
    """Return True if a function has a parameter of this name; `any_name`: or takes any by name."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return any_name
    return name in parameters or (any_name and any(p.kind is p.VAR_KEYWORD for p in parameters.values()))


def is_one_by_default(backward: Callable[..., Any], upstreams: Sequence[Parameter]) -> bool:
    """Return True for backward(dout=1), whose author counts on calling it without."""
    defaults = {p.name: p.default for p in list_parameters(backward)} if upstreams else {}
    return any(isinstance(one := defaults.get(p.name), int | float) and one == 1 for p in upstreams)


def is_cache_first(backward: Callable[..., Any]) -> bool:
    """Return True for backward(cache, dout)."""
    names = [name for name, _ in list_required(backward) or ()]
    return len(names) == 2 and bool(CACHES.fullmatch(names[0])) and not CACHES.fullmatch(names[1])


def find_returned_option(backward: Callable[..., Any], options: Mapping[str, Any], cache: Any) -> str | None:
    """Return the name of the option that a forward returned as its cache, as in `return x * s, s`; None where backward
    has no parameter of that name, or one for a cache beside it."""
    parameters = [name for name, _ in list_required(backward) or ()]
    if any(CACHES.fullmatch(name) for name in parameters):
        return None
    same = [name for name in parameters if name in options and isinstance(cache, type(options[name]))]
    return next((name for name in same if np.array_equal(options[name], cache)), None)


def assign_roles(
    backward: Callable[..., Any],
    inputs: Sequence[str],
    options: Sequence[str],
    has_cache: bool,
    skip: Sequence[str] = (),
    kept: str | None = None,
) -> tuple[Parameter, ...]:
    """Return the parameters of a backward with their roles. `inputs` and `options` are the names of the forward's
    arguments, `has_cache` says that it returned a tuple; `skip` are handed over by name; `kept` is an option that the
    forward returned as its cache."""
    known = list_required(backward, skip)
    if known is None:
        known = [("upstream", False), ("cache", False)] if has_cache else [("upstream", False)]
    names = [name for name, _ in known]
    roles: list[Role] = ["upstream"] * len(names)
    for k, name in enumerate(names):
        if name in options or (name in inputs and not has_cache):
            roles[k] = "input"
        elif not has_cache and name in OUTPUTS:
            roles[k] = "out"
        elif not has_cache and CACHES.fullmatch(name):
            roles[k] = "cache"
    if has_cache and (at := _find_cache(names, roles)) is not None:
        roles[at] = "cache"
    elif kept in names:
        roles[names.index(kept)] = "cache"
    elif len(names) > 1 and not has_cache and "upstream" not in roles:
        roles[0] = "upstream"
    return tuple(Parameter(name, role, many) for (name, many), role in zip(known, roles))


def _find_cache(names: Sequence[str], roles: Sequence[Role]) -> int | None:
    """Return the position of the cache: the parameter that is named so, else the last that is not named like a
    gradient, else none where all are."""
    free = [k for k in range(len(names)) if roles[k] == "upstream"]
    if len(free) < 2:
        return None
    named = [k for k in free if CACHES.fullmatch(names[k])]
    others = [k for k in free if not UPSTREAMS.fullmatch(names[k])]
    return next(reversed(named or others), None)
