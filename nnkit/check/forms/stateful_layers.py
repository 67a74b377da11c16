"""Layers that keep what their backward needs, and put the gradients of their parameters on themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import numpy as np

from nnkit.arrays import get_name
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.finding import Finding
from nnkit.check.forms.arguments import Selection, read_arguments
from nnkit.check.forms.form_gate import Form, Trial
from nnkit.check.forms.generators import seed_generators
from nnkit.check.forms.pair_code import OwnedTrial, PairCode, fit_roles
from nnkit.check.forms.pairs import METHODS, Pair
from nnkit.check.forms.places import copy_deeply, put_at
from nnkit.check.forms.state import LayerParameter, find_parameters
from nnkit.check.remote import RemoteObject
from nnkit.check.verdict import Verdict
from nnkit.language import say
from nnkit.text import join_words

OUTPUTS = ("output", "out", "outputs", "y", "a", "A")
INPUT_GRADIENTS = ("dinputs", "dx", "dinput", "dX", "grad_input", "input_grad", "grad_x", "dinp")
"""The attributes in which a layer leaves what it does not return."""
RATES = ("learning_rate", "learn_rate", "lr", "eta", "alpha", "step_size", "rate")
"""The names of a learning rate with which a backward updates the layer at once."""


@dataclass(frozen=True)
class LayerCode:
    """A layer with its parameters among the inputs; each trial has a layer of its own."""

    make: Callable[[], Any]
    """Returns a layer that nothing was done with yet."""
    call: PairCode
    """The calls of forward and backward, whichever layer's they are."""
    parameters: tuple[LayerParameter, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs, then those of the parameters."""
        return (*self.call.names, *(p.name for p in self.parameters))

    def run_forward(self, inputs: Sequence[Any]) -> Trial | Finding:
        """Call the forward of a new layer with these parameters."""
        return self.run_forward_of(self.make(), inputs)

    def run_forward_of(self, layer: Any, inputs: Sequence[Any]) -> Trial | Finding:
        """Call the forward of a layer, its parameters set to these."""
        count = len(self.call.names)
        for parameter, x in zip(self.parameters, inputs[count:]):
            value = np.array(x) if isinstance(x, np.ndarray) else x
            for place in parameter.places:
                put_at(layer, place, value)
        trial = replace(self.call, pair=pair_methods(layer, not self.call.arguments.wrt)).run_forward(inputs[:count])
        return trial if isinstance(trial, Finding) else replace(trial, given=tuple(inputs))

    def run_backward(self, trial: Trial, upstreams: tuple[Any, ...]) -> Any:
        """Return the gradients of the inputs and of the parameters."""
        assert isinstance(trial, OwnedTrial)
        trial.spent = True
        returned = self.call.call_backward(trial, upstreams)
        if isinstance(returned, Finding):
            return returned
        own, extra = self.part(returned)
        inputs = self.call.arguments.spread(own) if self.call.arguments.wrt else (None,) * len(self.call.names)
        if not isinstance(inputs, tuple):
            return inputs
        given = trial.given[len(self.call.names) :]
        return *inputs, *(p.read_gradient(trial.pair.owner, extra, x) for p, x in zip(self.parameters, given))

    def part(self, returned: Any) -> tuple[Any, tuple[Any, ...]]:
        """Return what backward returned for the inputs, and what beyond them."""
        arguments = self.call.arguments
        count = len({arguments.slots[k].argument for k in arguments.wrt})
        if not count:
            return (), tuple(returned) if isinstance(returned, tuple | list) else (returned,)
        if not isinstance(returned, tuple | list) or len(returned) <= len(arguments.names):
            return returned, ()
        return (returned[0] if count == 1 else tuple(returned[:count])), tuple(returned[count:])


def pair_methods(layer: Any, gives_nothing: bool = False) -> Pair:
    """Return a layer's two methods; what they do not return is read from the layer. `gives_nothing` says that no input
    has a gradient."""
    forward, backward = find_methods(layer)
    nothing = () if gives_nothing else None
    wrapped = _returning(forward, layer, OUTPUTS, None), _returning(backward, layer, INPUT_GRADIENTS, nothing)
    return Pair(*wrapped, layer, fresh=False)


def find_methods(layer: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return a layer's forward and backward, whatever their names; TypeError where it has none."""
    for names in METHODS:
        forward, backward = (getattr(layer, name, None) for name in names)
        if callable(forward) and callable(backward):
            return forward, backward
    raise TypeError(f"{get_name(layer)} has no methods forward and backward")


def _returning(method: Callable[..., Any], layer: Any, attributes: Sequence[str], nothing: Any) -> Callable[..., Any]:
    @wraps(method)
    def call(*given: Any, **options: Any) -> Any:
        returned = method(*given, **options)
        if returned is not None:
            return returned
        found = (getattr(layer, name, None) for name in attributes)
        return next((value for value in found if value is not None), nothing)

    return call


def read_layer(
    make_layer: Any, inputs: Sequence[Any], options: Mapping[str, Any], wrt: Selection = None, seed: int = 0
) -> Form | Finding:
    """Return a layer as a form that can be examined, with its parameters among the inputs."""
    build = make_layer if _is_factory(make_layer) else lambda: make_layer
    seed_generators(seed)
    template = build()

    def make() -> Any:
        fresh = copy_deeply(template)
        if fresh is template and build is make_layer:  # it cannot be copied
            seed_generators(seed)
            fresh = build()
        return fresh

    pair = pair_methods(make())
    arguments = read_arguments(pair.forward, inputs, {}, None, fixed=True)
    if isinstance(arguments, Finding):
        return arguments
    if isinstance(wrt, str | Sequence) and not {*arguments.names} & {*([wrt] if isinstance(wrt, str) else wrt)}:
        arguments = replace(arguments, wrt=())  # no input: backward need not return anything
    fitted = fit_roles(pair, arguments, options, seed)
    if isinstance(fitted, Finding):
        return fitted
    code = LayerCode(make, fitted)
    found = _find_parameters(code, wrt)
    if isinstance(found, Finding):
        return found
    parameters, others = found
    code = replace(code, parameters=tuple(parameters))
    values = tuple(np.asarray(p.value, float).copy()[()] for p in parameters)
    wanted = _select(code, wrt)
    if isinstance(wanted, Finding):
        return wanted
    count = len(arguments.inputs)
    own = replace(arguments, wrt=tuple(i for i in wanted if i < count), chosen=True)
    code = replace(code, call=replace(code.call, arguments=own))
    names = (*(f"d{name}" for name in code.call.names), *(p.gradient_name for p in parameters))
    notes = (*fitted.notes, *(_note_unchecked(code, others, arguments.inputs) if wrt is None else ()))
    if isinstance(template, RemoteObject):
        notes = (say("Its parameters are in another process: only the gradients of the inputs are checked."),)
    return Form(f"{get_name(template)}.backward", code, (*arguments.inputs, *values), wanted, names, notes=notes)


def _is_factory(made: Any) -> bool:
    named = hasattr(made, "__name__")  # a class or a function, in another process too
    return callable(made) and (named or not hasattr(made, "backward"))


def _select(code: LayerCode, wrt: Selection) -> tuple[int, ...] | Finding:
    """Return the positions of the inputs and parameters that are differentiated."""
    every = (*code.call.arguments.wrt, *range(len(code.call.names), len(code.names)))
    if not every:
        return Finding(
            "error", say("there is nothing to differentiate: no input and no parameter is an array of floats.")
        )
    if wrt is None:
        return every
    selected = (wrt,) if isinstance(wrt, str | int) else tuple(wrt)
    unknown = [s for s in selected if s not in code.names and not (isinstance(s, int) and s < len(code.names))]
    if unknown:
        return Finding(
            "error",
            say(
                "wrt= must name inputs: {names}; there is no {unknown!r}.",
                names=join_words(code.names),
                unknown=unknown[0],
            ),
        )
    return tuple(k for k in range(len(code.names)) if k in selected or code.names[k] in selected)


def _note_unchecked(code: LayerCode, others: Sequence[LayerParameter], inputs: Sequence[Any]) -> tuple[str, ...]:
    """Return a note on the arrays of a layer that change its output and have no gradient beside them."""
    plain = replace(code, parameters=())
    before = plain.run_forward(inputs)
    names = []
    for other in others:
        moved = replace(code, parameters=(other,)).run_forward((*inputs, 1.1 * other.value + 0.1))
        if isinstance(before, Finding) or isinstance(moved, Finding):
            continue
        if not all(map(guarded_call.repeats_result, before.outs, moved.outs)):
            names.append(other.name)
    return (say("Not checked: {names}, without a gradient beside it.", names=join_words(names)),) if names else ()


def _find_parameters(code: LayerCode, wrt: Selection) -> tuple[list[LayerParameter], list[LayerParameter]] | Finding:
    """Return the parameters of a layer, and its other arrays, after a forward and a backward that show where its
    gradients are."""
    trial = code.run_forward(code.call.arguments.inputs)
    if isinstance(trial, Finding):
        return trial
    assert isinstance(trial, OwnedTrial)
    returned = code.call.call_backward(trial, tuple(np.ones(np.shape(out))[()] for out in trial.outs))
    if isinstance(returned, Finding):
        return returned
    rates = [x for name, x in code.call.backward_options.items() if name in RATES and isinstance(x, float)]
    extra = code.part(returned)[1]
    parameters, missing, others = find_parameters(code.make(), trial.pair.owner, extra, *rates[:1])
    missing = [name for name in missing if wrt is None or isinstance(wrt, int) or name in wrt]
    if missing:
        name = missing[0]
        sentence = say(
            "{name} has no gradient: after backward there is no layer.d{name} or layer.grads[{name!r}].", name=name
        )
        words = {"hint": say("Set self.d{name} in backward, or name what is differentiated: wrt=.", name=name)}
        return Finding("wrong", sentence, ("wrong-count",), words=words)
    return parameters, others


# ---- a layer that is used again -----------------------------------------------------------------------


def check_again(form: Form, verdict: Verdict) -> Verdict | Finding:
    """Return the verdict on a layer that is right when it is new, after it was used a second time at other inputs: its
    gradients are then those of the second time, or the sums of both."""
    found = _find_kept(form)
    if isinstance(found, Finding):
        return found
    return replace(verdict, notes=(*verdict.notes, *found))


def _find_kept(form: Form) -> Finding | tuple[str, ...]:
    code = form.code
    assert isinstance(code, LayerCode)
    others = tuple(0.9 * x if np.asarray(x).dtype.kind == "f" else x for x in form.inputs)
    layer = code.make()
    runs = [_run(code, layer, form.inputs), _run(code, layer, others), _run(code, code.make(), others)]
    if any(run is None for run in runs):
        return ()
    (_, first), (out, second), (expected, fresh) = (run for run in runs if run is not None)
    if not all(map(guarded_call.repeats_result, out, expected)):
        return ()  # random numbers, or averages over all calls
    kinds = {
        name: _compare(*parts)
        for name, *parts in zip(form.gradient_names, first, second, fresh)
        if parts[0] is not None
    }
    count = len(code.call.names)
    for i in form.wrt:
        name = form.gradient_names[i]
        kind = kinds.get(name, "same")
        if kind == "other":
            sentence = say(
                "{name} is wrong when the layer is used a second time: it still holds values of the first forward.",
                name=name,
            )
            return Finding("wrong", sentence, ("stale-cache",))
        if kind == "sum" and i < count:
            return Finding(
                "wrong", say("a second call gives more: {name} of the first one was kept.", name=name), ("not-reset",)
            )
    own = [form.gradient_names[i] for i in form.wrt if i >= count]
    summed = [name for name in own if kinds.get(name) == "sum"]
    replaced = [name for name in own if kinds.get(name) == "new"]
    if summed and replaced:
        sentence = say(
            "a second backward adds to {summed}, but sets {replaced} anew: do one of the two.",
            summed=join_words(summed),
            replaced=join_words(replaced),
        )
        return Finding("wrong", sentence, ("not-reset",))
    if summed:
        return (
            say("Each backward adds to {summed}: set them to zero before the next step.", summed=join_words(summed)),
        )
    return ()


def _run(code: LayerCode, layer: Any, inputs: Sequence[Any]) -> tuple[Any, Any] | None:
    trial = code.run_forward_of(layer, inputs)
    if isinstance(trial, Finding):
        return None
    outs = tuple(map(np.array, trial.outs))
    gradients = code.run_backward(trial, tuple(np.ones(np.shape(out))[()] for out in outs))
    return (outs, [None if g is None else np.array(g) for g in gradients]) if isinstance(gradients, tuple) else None


def _compare(first: np.ndarray, second: np.ndarray, fresh: np.ndarray) -> str:
    """Return what the second gradient is: "new" as from a fresh layer, the "sum" of both, or "other"."""
    if second.shape != fresh.shape or second.shape != first.shape:
        return "new"
    scale = 1e-9 * max(1e-300, *(float(np.max(np.abs(x), initial=0.0)) for x in (first, fresh)))
    is_new, is_sum = (bool(np.allclose(second, x, rtol=1e-9, atol=scale)) for x in (fresh, first + fresh))
    return "same" if is_new and is_sum else "new" if is_new else "sum" if is_sum else "other"
