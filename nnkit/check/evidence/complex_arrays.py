"""Code whose new arrays take complex numbers: `np.zeros` and its like, so that the complex step goes through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def _widen(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes complex arrays where this one makes arrays of float64."""

    def make(*args: Any, **options: Any) -> Any:
        made = function(*args, **options)
        return made.astype(complex) if made.dtype == np.float64 else made

    return make


WIDENED: dict[Callable[..., Any], Callable[..., Any]] = {
    function: _widen(function)
    for function in (np.zeros, np.ones, np.empty, np.full, np.zeros_like, np.ones_like, np.empty_like, np.full_like)
}
"""Functions of NumPy that make arrays, each with the one that makes complex ones."""
