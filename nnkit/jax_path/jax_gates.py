"""Gates under JAX: functions that `jax.grad` differentiates by the hand-written backward, and comparisons of the
hand-written backward with JAX's own derivatives."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from dataclasses import is_dataclass, replace
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

import jax
from nnkit.arrays import Array, get_name
from nnkit.gates import KIT_GATES
from nnkit.gates.base import Gradients, check_pair, name_inputs, run_backward
from nnkit.jax_path.explain_tracing import explain_tracing
from nnkit.jax_path.jax_layers import EnsembleAffine
from nnkit.jax_path.numpy_proxy import SUBSTITUTES, NumpyProxy, unwrap_arrays, wrap_arrays
from nnkit.rebinding import rebind

_CONCRETIZATION_ERRORS = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)
_TRACING_ERRORS = (*_CONCRETIZATION_ERRORS, TypeError, AttributeError, NotImplementedError)


class AdaptedGate:
    """Adapter that lets JAX trace a gate written with NumPy: the same two methods.

    Raises TypeError where the gate needs the numbers themselves, which do not exist while it is traced (in an `if`).
    """

    def __init__(self, gate: Any) -> None:
        self.original = gate
        self.gate = rebind(gate, SUBSTITUTES)
        self.__name__ = get_name(gate)

        def forward(*inputs: Array) -> tuple[Array, Any]:
            return self._forward(*inputs)

        with suppress(TypeError, ValueError):  # the names of its inputs, for error messages
            forward.__signature__ = inspect.signature(gate.forward)  # type: ignore[attr-defined]
        self.forward = forward

    def _forward(self, *inputs: Array) -> tuple[Array, Any]:
        # A gate that keeps something keeps it for its backward; what was traced before is of no use any more.
        self.gate = rebind(self.original, SUBSTITUTES)
        out, cache = check_pair(self.gate, call_traced(f"{get_name(self.gate)}.forward", self.gate.forward, inputs))
        return _to_jax_arrays(out), cache

    def backward(self, upstream: Array, cache: Any) -> Any:
        gradients = call_traced(f"{get_name(self.gate)}.backward", self.gate.backward, (upstream, cache))
        several = gradients if isinstance(gradients, tuple | list) else (gradients,)
        return tuple(jnp.stack(g) if isinstance(g, list) else g for g in several)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.gate, name)

    def __repr__(self) -> str:
        return repr(self.original)


def call_traced(who: str, function: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
    """Return function(*inputs) for traced arrays, as JAX arrays.

    The function is first given proxies, which NumPy's functions accept; if that fails (as in a function compiled by
    `jax.jit`), the traced arrays themselves.
    """
    try:
        return unwrap_arrays(function(*wrap_arrays(inputs)))
    except Exception as fault:
        first = fault
    try:
        return function(*inputs)
    except Exception:
        needs_numbers = isinstance(first, _CONCRETIZATION_ERRORS) or "must be static" in str(first)
        if needs_numbers or isinstance(first, _TRACING_ERRORS):
            raise TypeError(explain_tracing(who, first, needs_numbers)) from first
        raise first from None  # the author's own, with or without JAX


def adapt_gate(gate: Any) -> Any:
    """Return the gate itself if it is the kit's, else an `AdaptedGate`."""
    return gate if type(gate) in KIT_GATES or isinstance(gate, AdaptedGate | EnsembleAffine) else AdaptedGate(gate)


def adapt_model(model: Any) -> Any:
    """Return an MLP with its gates adapted, or an adapted function (parameters, x, y) → (loss, gradients)."""
    if is_dataclass(model) and hasattr(model, "gradients") and not isinstance(model, type):
        roles = ("activation", "loss_gate", "affine")
        return replace(model, **{role: adapt_gate(getattr(model, role)) for role in roles if hasattr(model, role)})
    if hasattr(model, "gradients"):
        return model
    return partial(_call_model, get_name(model), rebind(model, SUBSTITUTES))


def _call_model(who: str, model: Callable[..., Any], *inputs: Any) -> Any:
    return call_traced(who, model, inputs)


def to_jax(gate: Any) -> Callable[..., Any]:
    """Return the gate as a function of its inputs that JAX differentiates by the gate's backward (`jax.custom_vjp`).

    Its value is the first of `gate.forward(*inputs)`; jit, vmap, grad and vjp accept it. Where the backward is itself
    differentiable, so is the gradient (forward and backward are then differentiated by JAX). Labels get no gradient.
    Raises TypeError or ShapeError for gradients that are missing or of another shape.
    """
    traced = adapt_gate(gate)

    @jax.custom_vjp
    def function(*inputs: Any) -> Any:
        return traced.forward(*inputs)[0]

    def forward(*inputs: Any) -> tuple[Any, _TracedCache]:
        out, cache = traced.forward(*inputs)
        shaped: Any = jax.ShapeDtypeStruct
        return out, _TracedCache(cache, tuple(shaped(jnp.shape(x), jnp.result_type(x)) for x in inputs))

    def backward(kept: _TracedCache, upstream: Any) -> Gradients:
        gradients = run_backward(traced, upstream, kept.cache, kept.inputs)
        return tuple(None if g is None else jnp.asarray(g, x.dtype) for g, x in zip(gradients, kept.inputs))

    function.defvjp(forward, backward)

    def named(*inputs: Any) -> Any:
        return function(*map(jnp.asarray, inputs))

    named.__name__ = named.__qualname__ = get_name(gate)
    named.__doc__ = f"{get_name(gate)}, differentiated by its own backward."
    return named


@jax.tree_util.register_pytree_node_class
class _TracedCache:
    """A gate's cache as a pytree: its arrays are leaves, everything else (a shape, None) is static."""

    def __init__(self, cache: Any, inputs: tuple[Any, ...]) -> None:
        self.cache, self.inputs = cache, inputs

    def tree_flatten(self) -> tuple[list[Any], Any]:
        leaves, tree = jax.tree.flatten(self.cache)
        fixed = [None if isinstance(leaf, jax.Array) else leaf for leaf in leaves]
        return [leaf for leaf in leaves if isinstance(leaf, jax.Array)], _StaticPart(tree, fixed, self.inputs)

    @classmethod
    def tree_unflatten(cls, fixed: _StaticPart, arrays: Any) -> _TracedCache:
        rest = iter(arrays)
        leaves = [next(rest) if leaf is None else leaf for leaf in fixed.leaves]
        return cls(jax.tree.unflatten(fixed.tree, leaves), fixed.inputs)


class _StaticPart:
    """Static part of a cache; equal only to itself, since its content may not be comparable."""

    def __init__(self, tree: Any, leaves: list[Any], inputs: tuple[Any, ...]) -> None:
        self.tree, self.leaves, self.inputs = tree, leaves, inputs


def differences(gate: Any, *inputs: Array, order: int = 1, rng: np.random.Generator | int = 0) -> dict[str, float]:
    """Return the largest difference, for each input, between the gate's backward and JAX's derivative of its forward.

    Both are multiplied by one random upstream gradient. With `order=2` the derivatives of the gradients, multiplied by
    random numbers, are compared. Computed in the inputs' dtype; `nnkit.view.figures.speed.agreement` draws it. At a
    kink (a tie in `Max`) JAX may choose another slope, and both are right.
    """
    rng, traced = np.random.default_rng(rng), adapt_gate(gate)
    with jax.enable_x64(_has_float64(inputs)):
        arrays = [jnp.asarray(x) for x in inputs]
        floats = [i for i, x in enumerate(arrays) if jnp.issubdtype(x.dtype, jnp.floating)]

        def of_floats(function: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *xs: function(*[xs[floats.index(i)] if i in floats else x for i, x in enumerate(arrays)])

        given = [arrays[i] for i in floats]
        ours, theirs = of_floats(to_jax(gate)), of_floats(lambda *xs: traced.forward(*xs)[0])
        found = _compare_derivatives(ours, theirs, given, order, rng)
        names = name_inputs(gate, len(inputs))
        return {names[i]: difference for i, difference in zip(floats, found)}


def network_differences(
    model: Any, parameters: dict[str, Array], x: Array, y: Array, *, order: int = 1, rng: np.random.Generator | int = 0
) -> dict[str, float]:
    """Return the largest difference, for each parameter, between `model.gradients` and `jax.grad(model.loss)`.

    With `order=2`, the products of the Hessian and a random direction are compared: JAX's derivatives of both along it.
    """
    rng, traced = np.random.default_rng(rng), adapt_model(model)
    with jax.enable_x64(_has_float64(parameters.values())):
        given = {name: jnp.asarray(p) for name, p in parameters.items()}
        x, y = jnp.asarray(x), jnp.asarray(y)
        ways: list[Any] = [lambda p: traced.gradients(p, x, y)[1], jax.grad(lambda p: traced.loss(p, x, y))]
        if _check_order(order) == 2:
            along = {name: jnp.asarray(rng.normal(size=p.shape), p.dtype) for name, p in given.items()}
            jvp: Any = jax.jvp
            ways = [lambda p, way=way: jvp(way, (p,), (along,))[1] for way in ways]
        mine, yours = jax.jit(lambda p: [way(p) for way in ways])(given)
        return {name: _find_largest_difference(mine[name], yours[name]) for name in given}


def _compare_derivatives(ours: Any, theirs: Any, given: list[Any], order: int, rng: np.random.Generator) -> list[float]:
    def random_like(tree: Any) -> Any:
        return jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape), a.dtype), tree)

    upstream = random_like(jax.eval_shape(theirs, *given))
    vjp: Any = jax.vjp
    first: list[Any] = [lambda *xs, f=f: vjp(f, *xs)[1](upstream) for f in (ours, theirs)]
    along = random_like(given)

    def total(gradients: Any, *xs: Any) -> Any:
        return sum(jnp.vdot(g, a) for g, a in zip(gradients(*xs), along))

    if _check_order(order) == 2:
        every: Any = tuple(range(len(given)))
        first = [jax.grad(partial(total, way), every) for way in first]
    mine, yours = jax.jit(lambda: [way(*given) for way in first])()
    return [_find_largest_difference(a, b) for a, b in zip(mine, yours)]


def _check_order(order: int) -> int:
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, not {order}.")
    return order


def _find_largest_difference(a: Any, b: Any) -> float:
    return float(jnp.max(jnp.abs(a - b))) if a.size else 0.0


def _has_float64(arrays: Any) -> bool:
    return any(np.dtype(getattr(x, "dtype", type(x))) == np.float64 for x in arrays)


def _to_jax_arrays(out: Any) -> Any:
    """Convert NumPy's numbers (from a gate that ignores its input) to JAX arrays."""
    return jax.tree.map(jnp.asarray, out) if isinstance(out, tuple) else jnp.asarray(unwrap_arrays(out))


__all__ = [
    "AdaptedGate",
    "NumpyProxy",
    "adapt_gate",
    "adapt_model",
    "call_traced",
    "differences",
    "network_differences",
    "to_jax",
]
