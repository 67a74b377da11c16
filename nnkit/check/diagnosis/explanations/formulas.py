"""Formulas as text: computed as they are written, and written with a learner's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import CodeType
from typing import Any

import numpy as np

from nnkit import gates

FUNCTIONS: dict[str, Any] = {
    **{f: getattr(np, f) for f in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f: getattr(np, f) for f in ("abs", "sign", "where", "arctanh")},
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
    """Return a formula as it is written by hand, with other names: "1 - out**2" becomes "1 − a²" for out = a."""
    return prettify(_rename(formula, names))


def _rename(formula: str, names: Mapping[str, str]) -> str:
    whole = re.fullmatch(r"\w+", formula)

    def name(found: re.Match[str]) -> str:
        text = names.get(found[0], found[0])
        before, after = formula[: found.start()], formula[found.end() :]
        bare = whole or re.fullmatch(r"[\w.]+(\([^()]*\))?", text) or (before.endswith("(") and after.startswith(")"))
        return text if bare else f"({text})"

    return re.sub(r"[A-Za-z_]\w*", name, formula)


def prettify(formula: str) -> str:
    """Return Python's notation as people write it: x², a · b, a − b."""
    formula = re.sub(r"\*\*2(?![\d.])", "²", formula)
    formula = re.sub(r"\*\*3(?![\d.])", "³", formula)
    formula = re.sub(r"(?<=[\w)²³]) ?\* ?(?=[\w(−-])", " · ", formula)
    return formula.replace("-", "−")


def bracket(formula: str) -> str:
    """Return a formula as a factor: in parentheses unless it is a single value or call."""
    return formula if re.fullmatch(r"[\w.]+(\([^()]*\))?|\([^()]*\)", formula) else f"({formula})"
