"""The operations on a learner's objects that a test can ask of their process, besides calls, attributes and items."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping
from typing import Any

BINARY: Mapping[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow")},
    **{name: getattr(operator, name) for name in ("lshift", "rshift", "xor")},
    "and": operator.and_,
    "or": operator.or_,
    "divmod": divmod,
}
IN_PLACE: Mapping[str, Callable[..., Any]] = {
    f"i{name}": getattr(operator, f"i{name}") for name in (*BINARY, "and", "or") if name != "divmod"
}
COMPARISONS: Mapping[str, Callable[..., Any]] = {
    name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")
}
CONVERSIONS: Mapping[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in ("neg", "pos", "abs", "invert")},
    **{kind.__name__: kind for kind in (int, float, complex, round)},
}
RESULT_TYPES: Mapping[str, type] = {
    **{name: bool for name in (*COMPARISONS, "bool", "contains", "isinstance", "issubclass")},
    **{"int": int, "float": float, "complex": complex, "str": str, "repr": str, "source": str},
}
"""Operations of which Python takes no other type of result."""
OPERATIONS: Mapping[str, Callable[..., Any]] = {
    **BINARY,
    **IN_PLACE,
    **COMPARISONS,
    **CONVERSIONS,
    "bool": bool,
    "str": str,
    "repr": repr,
    "contains": operator.contains,
    "setitem": operator.setitem,
    "delitem": operator.delitem,
    "isinstance": isinstance,
    "issubclass": issubclass,
    "source": inspect.getsource,
    "doc": inspect.getdoc,
}
