"""Layers as classes with forward(ctx, x) and backward(ctx, dout), whose context holds what backward needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

CONTEXTS = ("ctx", "context")


class LayerContext:
    """A place for what a forward keeps for its backward."""

    def __init__(self) -> None:
        self.saved_values: tuple[Any, ...] = ()
        self.n_inputs = 0
        """Arguments of forward that were given by place."""

    def save_for_backward(self, *values: Any) -> None:
        """Keep these values."""
        self.saved_values = values

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The values that were kept."""
        return self.saved_values


def takes_context(forward: Callable[..., Any]) -> bool:
    """Return True for forward(ctx, ...)."""
    return next(iter(inspect.signature(forward).parameters), "") in CONTEXTS


def pair_with_context(layer: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return such a class as forward(*inputs) -> (out, ctx) and backward(dout, ctx)."""

    def forward(*inputs: Any, **options: Any) -> tuple[Any, Any]:
        ctx = LayerContext()
        ctx.n_inputs = len(inputs)
        return layer.forward(ctx, *inputs, **options), ctx

    def backward(dout: Any, ctx: Any) -> Any:
        return _drop_fixed(layer.backward(ctx, dout), ctx.n_inputs)

    signature = inspect.signature(layer.forward)
    own = [parameter for parameter in signature.parameters.values() if parameter.name not in CONTEXTS]
    forward.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
    return forward, backward


def _drop_fixed(gradients: Any, n_inputs: int) -> Any:
    """Return gradients without the None of each argument that forward got by name, or not at all."""
    if not isinstance(gradients, tuple):
        return gradients
    return (*gradients[:n_inputs], *(g for g in gradients[n_inputs:] if g is not None))
