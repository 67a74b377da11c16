"""Number types: float32, float64, and bfloat16 with sums in float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

import jax
from nnkit.arrays import Array, Parameters
from nnkit.jax_path.jax_gates import adapt_model

DTYPES = ("float32", "float64", "bfloat16")


def check_dtype(dtype: Any) -> str:
    """Return the name of a dtype; ValueError unless it is in `DTYPES`."""
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    if name not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, not {name}.")
    return name


def get_stored_dtype(name: str) -> Any:
    """Return the dtype in which parameters, the optimiser's memory and the data are stored: float32 for bfloat16."""
    return np.dtype("float64" if name == "float64" else "float32")


def cast_floats(tree: Any, dtype: Any) -> Any:
    """Convert the floats of a tree to this dtype; integers stay."""
    return jax.tree.map(lambda a: a.astype(dtype) if jnp.issubdtype(a.dtype, jnp.floating) else a, tree)


def to_stored_dtype(array: Any, name: str) -> np.ndarray:
    """Convert an array for the device: floats to the dtype in which they are stored, integers to 32 bits."""
    found: np.ndarray = np.asarray(array)
    with np.errstate(over="ignore"):  # values become infinite, and training reports that
        return found.astype(np.int32 if found.dtype.kind in "iub" else get_stored_dtype(name))


class Float32Loss:
    """Loss gate that computes in float32 and returns the gradient of the scores in their own dtype.

    In bfloat16 a loss of 2.3 would have three digits, and a mean over a batch fewer.
    """

    def __init__(self, gate: Any) -> None:
        self.gate = gate

    def forward(self, scores: Array, y: Array) -> tuple[Array, Any]:
        out, cache = self.gate.forward(scores.astype(jnp.float32), y)
        return out, (cache, jnp.zeros((), scores.dtype))

    def backward(self, upstream: Array, cache: Any) -> Any:
        inner, like = cache
        dscores, *rest = self.gate.backward(upstream, inner)
        return (dscores.astype(like.dtype), *rest)


def make_gradients(model: Any, name: str) -> Callable[..., tuple[Array, Parameters]]:
    """Return a function (parameters, x, y) → (loss, gradients): arithmetic in this dtype, gradients in the stored one.

    For bfloat16, parameters and x are rounded to it first; XLA adds up matrix products and sums of bfloat16 in
    float32, the loss gate computes in float32, and so does the update.
    """
    traced = adapt_model(model)
    if name == "bfloat16" and is_dataclass(traced) and hasattr(traced, "loss_gate"):
        traced = replace(traced, loss_gate=Float32Loss(traced.loss_gate))  # type: ignore[type-var]
    inner: Any = getattr(traced, "gradients", traced)
    if name != "bfloat16":
        return lambda parameters, x, y: _cast_result(inner(parameters, x, y), parameters)

    def rounded(parameters: Parameters, x: Array, y: Array) -> Any:
        return _cast_result(inner(cast_floats(parameters, jnp.bfloat16), cast_floats(x, jnp.bfloat16), y), parameters)

    return rounded


def _cast_result(found: Any, parameters: Parameters) -> Any:
    """Return (loss, gradients) in the dtype of the parameters: a NumPy number in a gate may have widened them."""
    loss, gradients = found
    kind = next(iter(parameters.values())).dtype
    return jnp.asarray(loss, kind), {name: jnp.asarray(g, kind) for name, g in gradients.items()}
