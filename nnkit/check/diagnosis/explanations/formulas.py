"""Formulas as text: computed as they are written, and written with a learner's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import CodeType
from typing import Any

import numpy as np

from nnkit import gates

NUMPY = (
    "exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan", "arcsin", "log1p", "expm1", "sign",
    "where",
)  # fmt: skip
FUNCTIONS: dict[str, Any] = {
    **{name: getattr(np, name) for name in NUMPY},
    "abs": np.abs,
    "sigmoid": lambda x: gates.Sigmoid().forward(np.asarray(x, dtype=float))[0],
    "sum": lambda x: np.sum(x, axis=-1, keepdims=True),
    "total": np.sum,
}  # fmt: skip
"""Names that a formula may have beside those of its values."""


def compute_formula(formula: str, values: Mapping[str, Any]) -> Any:
    """Return a formula's value: "1 - out**2" for out = 0.5 is 0.75."""
    with np.errstate(all="ignore"):
        return eval(_compile(formula), {"__builtins__": {}, **FUNCTIONS}, dict(values))


@cache
def _compile(formula: str) -> CodeType:
    return compile(formula, "<formula>", "eval")


def write_formula(formula: str, names: Mapping[str, str]) -> str:
    """Return a formula as code with other names: "exp(x)" becomes "np.exp(a + b)" for x = a + b."""
    if formula in names:
        return names[formula]

    def rename(found: re.Match[str]) -> str:
        text = names.get(found[0])
        if text is None:
            return f"np.{found[0]}" if found[0] in NUMPY else found[0]
        before, after = formula[: found.start()], formula[found.end() :]
        inside = before.endswith("(") and after.startswith(")")
        return text if inside or _binds(text, before, after) else f"({text})"

    return re.sub(r"[A-Za-z_]\w*", rename, formula)


def _binds(text: str, before: str, after: str) -> bool:
    """Return True if a text needs no parentheses between these two parts of a formula."""
    operators = _outer_operators(text)
    if not operators:
        return True
    if after.startswith("**") or operators & {"+", "-"}:
        return False
    return operators == {"**"} or not before.endswith("/ ")


def _outer_operators(text: str) -> set[str]:
    """Return the operators outside of all parentheses."""
    outer, left = text, ""
    while outer != left:
        left, outer = outer, re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", outer)
    return set(re.findall(r"\*\*|[-+*/<>@]", outer))


def bracket(formula: str) -> str:
    """Return a formula as a factor: in parentheses where it needs them."""
    return f"({formula})" if _outer_operators(formula) & set("+-/<>") else formula
