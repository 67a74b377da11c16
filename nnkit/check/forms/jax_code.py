"""Functions of JAX, whose derivative by `jax.vjp` is checked: with rules of their own (`custom_vjp`), or without."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.arrays import get_name
from nnkit.check.evidence.finding import Finding
from nnkit.check.forms.arguments import Arguments, Selection, read_arguments
from nnkit.check.forms.form_gate import Form, Trial, call_code
from nnkit.language import say


@dataclass(frozen=True)
class JaxCode:
    """A function of JAX."""

    function: Callable[..., Any]
    arguments: Arguments
    options: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return self.arguments.input_names

    def run_forward(self, inputs: Sequence[Any]) -> Trial | Finding:
        """Call the function."""
        name = get_name(self.function)
        out = call_code(lambda: self._compute(inputs), (), {}, name)
        if isinstance(out, Finding):
            return out
        leaves, structure = sys.modules["jax"].tree_util.tree_flatten(out)
        return Trial(tuple(inputs), tuple(map(np.asarray, leaves)), structure)

    def run_backward(self, trial: Trial, upstreams: tuple[Any, ...]) -> Any:
        """Return the gradients by `jax.vjp`."""
        jax = sys.modules["jax"]
        wrt = self.arguments.wrt

        def compute(*moved: Any) -> Any:
            by_position = dict(zip(wrt, moved))
            return self._compute([by_position.get(k, x) for k, x in enumerate(trial.given)])

        def pull() -> Any:
            _, back = jax.vjp(compute, *(jax.numpy.asarray(trial.given[k]) for k in wrt))
            shares = [jax.numpy.asarray(g, out.dtype) for g, out in zip(upstreams, trial.outs)]
            return back(jax.tree_util.tree_unflatten(trial.kept, shares))

        gradients = call_code(pull, (), {}, say("the derivative of {name}", name=get_name(self.function)))
        if isinstance(gradients, Finding):
            return gradients
        found = dict(zip(wrt, map(np.asarray, gradients)))
        return tuple(found.get(k) for k in range(len(trial.given)))

    def _compute(self, inputs: Sequence[Any]) -> Any:
        given, named = self.arguments.bind([sys.modules["jax"].numpy.asarray(x) for x in inputs])
        return self.function(*given, **named, **self.options)


def read_jax(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    options: Mapping[str, Any],
    wrt: Selection = None,
    of: Callable[..., Any] | None = None,
) -> Form | Finding:
    """Return a function of JAX as a form that can be examined."""
    arguments = read_arguments(function, inputs, {}, wrt)
    if isinstance(arguments, Finding):
        return arguments
    code = JaxCode(function, arguments, options)
    return Form(say("the derivative of {name}", name=get_name(function)), code, arguments.inputs, arguments.wrt, (), of)
