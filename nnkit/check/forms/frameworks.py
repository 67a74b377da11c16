"""Functions of PyTorch and of JAX, whose own derivatives are checked. Neither is imported here: what was not loaded yet
has made no function."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from nnkit.check.forms.named_values import list_named_values

FRAMEWORKS = ("torch", "jax")


def find_framework(given: Any) -> str:
    """Return the framework that made this function, or this kind of function; "" where there is none."""
    return next((name for name in FRAMEWORKS if name in sys.modules and _is_of(given, name)), "")


def find_used_framework(function: Any, inputs: Sequence[Any]) -> str:
    """Return the framework that a function uses, or whose arrays it is given; "" where there is none."""
    known = [name for name in FRAMEWORKS if name in sys.modules and callable(function)]
    used = (name for name in known if _uses(function, name) or any(_is_made_by(x, name) for x in inputs))
    return next(used, "")


def _is_of(given: Any, framework: str) -> bool:
    torch = sys.modules["torch"] if framework == "torch" else None
    if isinstance(given, type):
        return torch is not None and issubclass(given, torch.autograd.Function)
    if torch and isinstance(given, torch.nn.Module):
        return True
    return callable(given) and (_is_made_by(given, framework) or _comes_from(given, framework))


def _is_made_by(value: Any, framework: str) -> bool:
    return type(value).__module__.partition(".")[0].removesuffix("lib") == framework


def _comes_from(function: Any, framework: str) -> bool:
    home = getattr(function, "__module__", None) or ""
    return home.partition(".")[0] == framework


def _uses(function: Any, framework: str) -> bool:
    """Return True if a function knows the framework, or something of it, by a global name."""
    used = list_named_values(function)
    homes = [
        getattr(x, "__name__" if hasattr(x, "__path__") or hasattr(x, "__file__") else "__module__", "") for x in used
    ]
    return any(_is_made_by(x, framework) for x in used) or any(
        isinstance(home, str) and home.partition(".")[0] == framework for home in homes
    )
