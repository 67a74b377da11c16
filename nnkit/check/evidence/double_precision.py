"""Float64 for code that computes with JAX, whose default is float32."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def in_double_precision() -> Iterator[None]:
    """Let JAX compute in float64 in here, if it is loaded."""
    jax = sys.modules.get("jax")
    if jax is None:
        yield
        return
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        yield
