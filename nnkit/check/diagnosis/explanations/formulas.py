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
        inside = formula[: found.start()].endswith("(") and formula[found.end() :].startswith(")")
        return text if inside else bracket(text)

    return re.sub(r"[A-Za-z_]\w*", rename, formula)


def bracket(formula: str) -> str:
    """Return a formula as a factor: in parentheses unless it is a single value or call."""
    return formula if re.fullmatch(r"[\w.]+(\([^()]*\)|\[[^\[\]]*\])?|\([^()]*\)", formula) else f"({formula})"
