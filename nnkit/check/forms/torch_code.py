"""Functions, `autograd.Function`s and modules of PyTorch, whose derivative by its autograd is checked."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.arrays import get_input_names, get_name
from nnkit.check.evidence.finding import Finding
from nnkit.check.forms.arguments import Arguments, Selection, read_arguments
from nnkit.check.forms.form_gate import Form, Trial, call_code
from nnkit.check.forms.generators import seed_generators
from nnkit.check.forms.places import copy_deeply
from nnkit.language import say


@contextmanager
def on_one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread in here, if it is loaded: for small arrays, others only wait for each other."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 1
    if torch:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch:
            torch.set_num_threads(threads)


@dataclass(frozen=True)
class _Setting:
    """A number that is no tensor: it is held fixed."""

    value: float


def _list_tensors(out: Any) -> list[Any]:
    """Return the tensors in what a function returned, in tuples of tuples too."""
    if isinstance(out, tuple | list):
        return [tensor for part in out for tensor in _list_tensors(part)]
    return [out] if hasattr(out, "detach") else []


@dataclass(frozen=True)
class TorchCode:
    """A function of tensors, or a module with its parameters among the inputs."""

    function: Callable[..., Any]
    arguments: Arguments
    wrt: tuple[int, ...]
    seed: int
    module: Any = None
    parameters: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs, then those of the parameters."""
        return (*self.arguments.input_names, *self.parameters)

    def run_forward(self, inputs: Sequence[Any]) -> Trial | Finding:
        """Call the function with new tensors."""
        tensors = [self._make_tensor(k, x) for k, x in enumerate(inputs)]
        seed_generators(self.seed)
        out = call_code(lambda: self._compute(tensors), (), {}, get_name(self.function))
        if isinstance(out, Finding):
            return out
        outs = tuple(_list_tensors(out))
        return Trial(tuple(inputs), tuple(o.detach().numpy() for o in outs), (tensors, outs))

    def run_backward(self, trial: Trial, upstreams: tuple[Any, ...]) -> Any:
        """Return the gradients by `torch.autograd.grad`."""
        torch = sys.modules["torch"]
        tensors, outs = trial.kept
        seed_generators(self.seed + 1)
        pairs = [
            (out, torch.as_tensor(np.array(g), dtype=out.dtype)) for out, g in zip(outs, upstreams) if out.requires_grad
        ]
        wanted = [tensors[k] for k in self.wrt]
        kept, shares = [out for out, _ in pairs], [g for _, g in pairs]

        def pull() -> Any:
            return torch.autograd.grad(kept, wanted, shares, retain_graph=True, allow_unused=True) if pairs else ()

        gradients = call_code(pull, (), {}, say("the backward of {name}", name=get_name(self.function)))
        if isinstance(gradients, Finding):
            return gradients
        found = dict(zip(self.wrt, gradients))
        missing = {k: np.zeros(np.shape(trial.given[k])) for k in self.wrt if found.get(k) is None}
        return tuple(
            missing.get(k, found[k].detach().numpy() if k in found and k not in missing else None)
            for k in range(len(trial.given))
        )

    def _make_tensor(self, k: int, x: Any) -> Any:
        torch = sys.modules["torch"]
        tensor = torch.as_tensor(np.array(x))
        return tensor.requires_grad_() if k in self.wrt else tensor

    def _compute(self, tensors: Sequence[Any]) -> Any:
        count = len(self.arguments.slots)
        bound, named = self.arguments.bind(tensors[:count])
        given = tuple(x.value if isinstance(x, _Setting) else x for x in bound)
        if self.module is None:
            return self.function(*given, **named)
        buffers = {name: buffer.clone() for name, buffer in self.module.named_buffers()}
        state = {**dict(zip(self.parameters, tensors[count:])), **buffers}
        return sys.modules["torch"].func.functional_call(self.module, state, given, named)


def read_torch(
    given: Any,
    inputs: Sequence[Any],
    options: Mapping[str, Any],
    wrt: Selection = None,
    of: Callable[..., Any] | None = None,
    seed: int = 0,
) -> Form | Finding:
    """Return a function, an `autograd.Function` or a module of PyTorch as a form that can be examined."""
    torch = sys.modules["torch"]
    arrays = [
        x.detach().numpy() if isinstance(x, torch.Tensor) else _Setting(x) if type(x) is float else x for x in inputs
    ]
    module = copy_deeply(given).double() if isinstance(given, torch.nn.Module) else None
    is_function = isinstance(given, type)
    signed = _without_context(given) if is_function else module.forward if module is not None else given
    arguments = read_arguments(signed, arrays, options, None, fixed=True)
    if isinstance(arguments, Finding):
        return arguments
    own = dict(module.named_parameters()) if module is not None else {}
    values = tuple(p.detach().numpy().copy() for p in own.values())
    names = (*arguments.input_names, *own)
    every = (*arguments.wrt, *range(len(arguments.inputs), len(names)))
    selected = (wrt,) if isinstance(wrt, str | int) else wrt
    positions = every if selected is None else tuple(k for k, n in enumerate(names) if n in selected or k in selected)
    if not positions:
        return Finding("error", say("there is nothing to differentiate among {names}.", names=", ".join(names)))
    function = given.apply if is_function else given
    code = TorchCode(function, arguments, positions, seed, module, tuple(own))
    gradients = (*(f"d{name}" for name in arguments.input_names), *(f"{name}.grad" for name in own))
    title = f"{given.__name__ if is_function else get_name(given)}.backward"
    return Form(title, code, (*arguments.inputs, *values), positions, gradients, of)


def _without_context(function: Any) -> Callable[..., Any]:
    """Return a function with the signature of an `autograd.Function`'s forward, but for its context."""
    forward = function.forward
    names = get_input_names(forward)
    own = [kind for kind in function.__mro__ if not kind.__module__.startswith("torch")]
    if any("setup_context" in vars(kind) for kind in own):
        return forward  # type: ignore[no-any-return]

    def signed(*given: Any) -> Any:
        return forward(None, *given)

    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names[1:]]
    signed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return signed
