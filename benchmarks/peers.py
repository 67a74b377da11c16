"""The checkers that `checks.py` compares nnkit.check with, each given a learner's NumPy code as its users would.

A peer says whether it accepts a `Problem`, and why not; where it or the learner's code raises, it does not.
PyTorch and JAX are imported here and nowhere else in this folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jax.test_util import check_grads
from torch.autograd.gradcheck import GradcheckError

import jax
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.subjects import Subject, read_gradients

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)

Arrays = tuple[Any, ...]
MISMATCH = "the numbers differ"


@dataclass(frozen=True)
class Problem:
    """A function to differentiate, at float64 inputs; labels, batches and targets are held fixed inside of it."""

    inputs: Arrays
    forward: Callable[..., tuple[Any, Any]]
    """inputs ↦ (value, cache)"""
    backward: Callable[[Any, Any], Arrays]
    """(upstream, cache) ↦ a gradient for each input"""
    values: Callable[[], tuple[Any, Any]] | None = None
    """The learner's value and the trusted function's at these inputs, where there is a trusted one."""


# ---- from a check's arguments to a problem ------------------------------------------------------------


def problem_of(check: str, args: Sequence[Any], of: Any = None) -> Problem:
    """The same question as `check(*args, of=of)`. Where there is a trusted function, it is what is differentiated,
    as in nnkit; the learner's forward runs beside it for the cache, and once to compare the values."""
    function, *given = args
    if check == "check_parameters":
        keys, count = tuple(given[0]), len(given[0])
        inputs = [*(np.asarray(w, dtype=float) for w in given[0].values()), *given[1:]]
        return _function(_flat(function, keys), inputs, range(count), of and _flat_value(of, keys))
    inputs = _read(guarded_call.prepare_inputs([f"input {i}" for i in range(len(given))], given))
    wrt = (0,) if check == "check_loss" else guarded_call.differentiable_positions(inputs)
    return (_gate if check == "check_backward" else _function)(function, inputs, wrt, of)


def _gate(gate: Any, inputs: Sequence[Any], wrt: Sequence[int], of: Any) -> Problem:
    subject = _subject(inputs, wrt)

    def forward(*moved: Any) -> tuple[Any, Any]:
        xs = _filled(inputs, wrt, moved)
        out, cache = gate.forward(*xs)
        return (of(*xs) if of else out), cache

    def backward(upstream: Any, cache: Any) -> Arrays:
        return _read(read_gradients(gate.backward(upstream, cache), subject, tuple(inputs)))

    values = (lambda: (gate.forward(*guarded_call.copy_inputs(inputs))[0], of(*inputs))) if of else None
    return Problem(_differentiated(inputs, wrt), forward, backward, values)


def _function(function: Any, inputs: Sequence[Any], wrt: Sequence[int], of: Any) -> Problem:
    subject = _subject(inputs, wrt)

    def forward(*moved: Any) -> tuple[Any, Any]:
        xs = _filled(inputs, wrt, moved)
        value, gradients = function(*xs)
        return (of(*xs) if of else value), gradients

    def backward(upstream: Any, gradients: Any) -> Arrays:
        return tuple(upstream * g for g in _read(read_gradients(gradients, subject, tuple(inputs))))

    values = (lambda: (function(*guarded_call.copy_inputs(inputs))[0], of(*inputs))) if of else None
    return Problem(_differentiated(inputs, wrt), forward, backward, values)


def _read(found: Arrays | Finding) -> Arrays:
    """Return what was read. Raises ValueError with the sentence of a finding."""
    if isinstance(found, Finding):
        raise ValueError(found.headline)
    return found


def _subject(inputs: Sequence[Any], wrt: Sequence[int]) -> Subject:
    """Tells in which forms gradients may come back: the same for all."""
    return Subject("", tuple(f"input {i}" for i in range(len(inputs))), tuple(wrt), None)


def _differentiated(inputs: Sequence[Any], wrt: Sequence[int]) -> Arrays:
    return tuple(np.array(inputs[i], dtype=float) for i in wrt)


def _filled(inputs: Sequence[Any], wrt: Sequence[int], moved: Sequence[Any]) -> list[Any]:
    """All inputs; a 0-d array becomes a NumPy scalar, as in nnkit."""
    xs = list(inputs)
    for i, x in zip(wrt, moved):
        xs[i] = x[()]
    return xs


def _flat(function: Any, keys: Sequence[str]) -> Callable[..., Any]:
    def flat(*xs: Any) -> Any:
        value, gradients = function(dict(zip(keys, xs)), *xs[len(keys) :])
        if set(gradients) != set(keys):
            raise KeyError("the gradients' keys are not the parameters'")
        return value, tuple(gradients[key] for key in keys)

    return flat


def _flat_value(of: Any, keys: Sequence[str]) -> Callable[..., Any]:
    return lambda *xs: of(dict(zip(keys, xs)), *xs[len(keys) :])


# ---- PyTorch --------------------------------------------------------------------------------------------


class NumPyFunction(torch.autograd.Function):
    """NumPy code on the memory of the tensors, as in PyTorch's tutorial on extensions with NumPy and SciPy."""

    @staticmethod
    def forward(ctx: Any, problem: Problem, *tensors: Any) -> Any:
        value, ctx.cache = problem.forward(*(t.detach().numpy() for t in tensors))
        ctx.problem = problem
        return torch.from_numpy(np.array(value, dtype=float))

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        gradients = ctx.problem.backward(upstream.numpy()[()], ctx.cache)
        return None, *(torch.from_numpy(np.array(g)) for g in gradients)


def torch_gradcheck(problem: Problem, fast_mode: bool = False) -> str | None:
    tensors = [torch.from_numpy(x.copy()).requires_grad_() for x in problem.inputs]
    try:
        torch.autograd.gradcheck(lambda *xs: NumPyFunction.apply(problem, *xs), tensors, fast_mode=fast_mode)
    except GradcheckError as fault:
        return _shortened(str(fault))
    return None


def torch_fast(problem: Problem) -> str | None:
    return torch_gradcheck(problem, fast_mode=True)


def _shortened(text: str) -> str:
    for said in ("not reentrant", "undefined", "multiplied by grad_output"):
        if said in text:
            return f"GradcheckError: {said}"
    return MISMATCH


# ---- JAX ------------------------------------------------------------------------------------------------


def jax_check_grads(problem: Problem) -> str | None:
    """JAX keeps only arrays between forward and backward, so the callback of the backward runs the forward again."""
    inputs = tuple(x.copy() for x in problem.inputs)
    shape = jax.ShapeDtypeStruct(np.shape(problem.forward(*(x.copy() for x in inputs))[0]), np.float64)
    shapes = tuple(jax.ShapeDtypeStruct(x.shape, np.float64) for x in inputs)

    def value(*xs: Any) -> np.ndarray:
        return np.array(problem.forward(*map(np.asarray, xs))[0], dtype=float)

    def pull(upstream: Any, *xs: Any) -> Arrays:
        _, cache = problem.forward(*map(np.asarray, xs))
        return tuple(np.array(g) for g in problem.backward(np.asarray(upstream)[()], cache))

    @jax.custom_vjp
    def function(*xs: Any) -> Any:
        return jax.pure_callback(value, shape, *xs)

    function.defvjp(
        lambda *xs: (function(*xs), xs), lambda xs, upstream: jax.pure_callback(pull, shapes, upstream, *xs)
    )
    try:
        check_grads(function, inputs, order=1, modes=["rev"])
    except AssertionError as fault:
        return MISMATCH if "Not equal" in str(fault) else "AssertionError"
    return None


# ---- the textbook ---------------------------------------------------------------------------------------


def textbook(problem: Problem, upstream: Callable[[tuple[int, ...]], Any] = np.ones) -> str | None:
    """CS231n's eval_numerical_gradient and rel_error, for the sum of the entries of the value."""
    xs = [x.copy() for x in problem.inputs]
    value, cache = problem.forward(*xs)
    dout = upstream(np.shape(value))[()]
    gradients = problem.backward(dout.copy(), cache)
    for x, gradient in zip(xs, gradients):
        numerical = eval_numerical_gradient(lambda _: np.sum(problem.forward(*xs)[0] * dout), x)
        if not rel_error(numerical, gradient) < 1e-7:
            return MISMATCH
    return None


def textbook_random(problem: Problem) -> str | None:
    """The same with a random upstream gradient, as in CS231n's eval_numerical_gradient_array."""
    return textbook(problem, lambda shape: np.asarray(np.random.default_rng(231).normal(size=shape)))


def eval_numerical_gradient(f: Callable[[np.ndarray], Any], x: np.ndarray, h: float = 1e-5) -> np.ndarray:
    grad = np.zeros_like(x)
    it = np.nditer(x, flags=["multi_index"], op_flags=["readwrite"])
    while not it.finished:
        ix = it.multi_index
        oldval = x[ix]
        x[ix] = oldval + h
        fxph = f(x)
        x[ix] = oldval - h
        fxmh = f(x)
        x[ix] = oldval
        grad[ix] = (fxph - fxmh) / (2 * h)
        it.iternext()
    return grad


def rel_error(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.max(np.abs(x - y) / (np.maximum(1e-8, np.abs(x) + np.abs(y)))))


def refused(peer: Peer, problem: Problem) -> str | None:
    """Why the peer does not accept, or None. Its user is supposed to compare the values first, where there are two."""
    try:
        if problem.values and not np.allclose(*problem.values()):
            return "the value is not the trusted function's"
        return peer(problem)
    except Exception as fault:
        return f"{type(fault).__name__} was raised"


Peer = Callable[[Problem], str | None]
PEERS: dict[str, Peer] = {
    "gradcheck": torch_gradcheck,
    "gradcheck, fast": torch_fast,
    "jax check_grads": jax_check_grads,
    "textbook, ones": textbook,
    "textbook, random": textbook_random,
}
"""Each returns None where it accepts, else the reason; it, or the learner's code inside of it, may also raise."""
