"""The calls of a pair of functions: what backward is handed, and the outputs and the cache in what forward returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnkit.arrays import get_name
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.finding import Finding
from nnkit.check.forms.arguments import Arguments, Selection, read_arguments
from nnkit.check.forms.form_gate import Form, Trial, call_code
from nnkit.check.forms.generators import remember_states, seed_generators
from nnkit.check.forms.pairs import Pair
from nnkit.check.forms.places import copy_deeply
from nnkit.check.forms.roles import Parameter, assign_roles, find_returned_option, is_one_by_default, takes
from nnkit.language import say, to_say

FIRST_NOTE = to_say("Only the first output is differentiated: backward takes one upstream gradient.")
LOSS_NOTE = to_say("The upstream gradient is left out: the gradients are right if this loss comes last.")


@dataclass(frozen=True)
class PairCode:
    """A pair of functions, called as they are written."""

    pair: Pair
    arguments: Arguments
    roles: tuple[Parameter, ...]
    seed: int
    forward_options: Mapping[str, Any]
    backward_options: Mapping[str, Any]
    restore: Callable[[], None]
    """Sets the generators that the code keeps to where they stood."""
    first_only: bool = False
    """Only the first output has an upstream gradient."""
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return self.arguments.input_names

    @property
    def upstream_names(self) -> tuple[str, ...]:
        """The names of the upstream gradients."""
        return tuple(p.name for p in self.roles if p.role == "upstream")

    def run_forward(self, inputs: Sequence[Any]) -> Trial | Finding:
        """Call the forward with fresh copies of everything."""
        pair = self.pair.copy()
        given, options = self.arguments.bind(inputs)
        seed_generators(self.seed)
        self.restore()
        name = get_name(pair.forward)
        returned = call_code(pair.forward, given, {**options, **copy_deeply(dict(self.forward_options))}, name)
        if isinstance(returned, Finding):
            return returned
        parts = self._split(returned)
        if isinstance(parts, Finding):
            return parts
        outs, cache = parts
        arrays = [list(given)[slot.argument] for slot in self.arguments.slots if slot.argument < len(given)]
        plain = len(arrays) == len(inputs) and not any(slot.place for slot in self.arguments.slots)
        trial = Trial(tuple(inputs), outs, cache, tuple(arrays) if plain else tuple(inputs))
        return OwnedTrial(**vars(trial), pair=pair)

    def _split(self, returned: Any) -> tuple[tuple[Any, ...], Any] | Finding:
        """Return the outputs and the cache that a forward returned."""
        return split_returned(returned, self.roles, self.first_only, get_name(self.pair.forward))

    def run_backward(self, trial: Trial, upstreams: tuple[Any, ...]) -> Any:
        """Return one gradient for each input, or a finding."""
        returned = self.call_backward(trial, upstreams)
        return returned if isinstance(returned, Finding) else self.arguments.spread(returned)

    def call_backward(self, trial: Trial, upstreams: tuple[Any, ...]) -> Any:
        """Return what backward returned, or a finding."""
        assert isinstance(trial, OwnedTrial)
        backward = trial.pair.backward
        given = hand_out(self.roles, self.arguments, trial, upstreams)
        seed_generators(self.seed + 1)  # a mask that is drawn anew is another one
        options = copy_deeply(dict(self.backward_options))
        keeps_elsewhere = all(p.role == "upstream" for p in self.roles)  # on the layer, or in a global name
        trial.spent = trial.spent or keeps_elsewhere or trial.pair is not self.pair
        returned = call_code(backward, given, options, get_name(backward))
        takes_none = not any(p.role == "upstream" for p in self.roles) and np.ndim(upstreams[0]) == 0
        return _scale(returned, upstreams[0]) if takes_none and not isinstance(returned, Finding) else returned


def _scale(gradients: Any, upstream: Any) -> Any:
    """Return the gradients of a loss, for which the upstream gradient is 1, for another one."""
    if isinstance(gradients, tuple | list):
        return tuple(_scale(gradient, upstream) for gradient in gradients)
    return gradients if gradients is None or isinstance(gradients, Mapping) else np.multiply(gradients, upstream)


@dataclass
class OwnedTrial(Trial):
    """A trial with the copy of the layer on which forward was called."""

    pair: Pair = None  # type: ignore[assignment]


def split_returned(
    returned: Any, roles: Sequence[Parameter], first_only: bool, forward: str
) -> tuple[tuple[Any, ...], Any] | Finding:
    """Return the outputs and the cache in what a forward returned."""
    has_cache = any(p.role == "cache" for p in roles)
    if not has_cache:
        return (tuple(returned) if isinstance(returned, tuple) else (returned,)), None
    if not isinstance(returned, tuple | list) or len(returned) < 2:
        kind = guarded_call.describe_kind(returned)
        sentence = say(
            "{forward} must return its output and a cache, (out, cache); it returned {kind}.",
            forward=forward,
            kind=kind,
        )
        return Finding("wrong", sentence, ("wrong-container",))
    *outs, cache = returned
    if len(outs) == 1 and is_group(outs[0]):
        outs = list(outs[0])
    return tuple(outs[:1] if first_only else outs), cache


def is_group(out: Any) -> bool:
    """Return True for a tuple of arrays, which are several outputs."""
    return isinstance(out, tuple) and len(out) > 1 and all(map(_is_array, out))


def _is_array(part: Any) -> bool:
    """Return True for an array, one of its numbers, and what stands for one as a function is traced."""
    return isinstance(part, np.generic) or hasattr(part, "__array_ufunc__")


def hand_out(
    roles: Sequence[Parameter], arguments: Arguments, trial: Trial, upstreams: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Return the arguments of a backward: several upstream gradients one by one where it takes as many, else as a
    tuple."""
    wanted = [p for p in roles if p.role == "upstream"]
    splat = len(upstreams) == 1 or len(wanted) == len(upstreams) or any(p.repeated for p in wanted)
    queue = list(upstreams) if splat else [upstreams]
    inputs, options = arguments.bind(trial.given)
    by_name = {**dict(zip(arguments.names, inputs)), **options}
    given: list[Any] = []
    for p in roles:
        if p.role == "upstream":
            given += queue if p.repeated else queue[:1]
            queue = [] if p.repeated else queue[1:]
        else:
            given.append(trial.kept if p.role == "cache" else by_name[p.name] if p.role == "input" else trial.outs[0])
    return tuple(given)


def read_pair(
    pair: Pair,
    inputs: Sequence[Any],
    options: Mapping[str, Any],
    wrt: Selection = None,
    of: Callable[..., Any] | None = None,
    seed: int = 0,
) -> Form | Finding:
    """Return a pair of functions as a form that can be examined; a finding where it cannot be."""
    selected = (wrt,) if isinstance(wrt, str) else tuple(wrt) if isinstance(wrt, Sequence) else ()
    varied = {name: value for name, value in options.items() if name in selected}
    fixed = {name: value for name, value in options.items() if name not in selected}
    arguments = read_arguments(pair.forward, inputs, varied, wrt)
    if isinstance(arguments, Finding):
        return arguments
    code = fit_roles(pair, arguments, fixed, seed)
    if isinstance(code, Finding):
        return code
    return Form(pair.title, code, arguments.inputs, arguments.wrt, (), of and arguments.adapt(of), code.notes)


def fit_roles(pair: Pair, arguments: Arguments, fixed: Mapping[str, Any], seed: int) -> PairCode | Finding:
    """Return the calls of a pair, after a forward that shows what it returns; a finding where backward does not fit."""
    for_forward = {k: v for k, v in fixed.items() if takes(pair.forward, k, any_name=True)}
    unknown = [k for k in fixed if k not in for_forward and not takes(pair.backward, k)]
    if unknown:
        return Finding(
            "error", say("{name} has no parameter {unknown!r}.", name=get_name(pair.forward), unknown=unknown[0])
        )
    restore = remember_states(pair.forward, pair.backward)
    probe = _probe(pair, arguments, for_forward, seed)
    if isinstance(probe, Finding):
        return probe
    filled = {slot.argument for slot in arguments.slots}
    held = [name for k, name in enumerate(arguments.names) if k not in filled]
    has_cache = isinstance(probe, tuple | list) and len(probe) > 1
    given = dict(zip(arguments.names, arguments.bind(arguments.inputs)[0]))
    options = {**{name: given[name] for name in held if name in given}, **fixed}
    kept = find_returned_option(pair.backward, options, probe[-1]) if has_cache else None
    for_backward = {k: v for k, v in fixed.items() if k != kept and takes(pair.backward, k)}
    roles = assign_roles(pair.backward, arguments.names, held, has_cache, list(for_backward), kept)
    code = PairCode(pair, arguments, roles, seed, for_forward, for_backward, restore)
    return _count_upstreams(code, probe)


def _probe(pair: Pair, arguments: Arguments, options: Mapping[str, Any], seed: int) -> Any:
    """Return what forward returns, to see its form."""
    fresh = pair.copy()
    given, named = arguments.bind(arguments.inputs)
    seed_generators(seed)
    return call_code(fresh.forward, given, {**named, **copy_deeply(dict(options))}, get_name(pair.forward))


def _count_upstreams(code: PairCode, probe: Any) -> PairCode | Finding:
    """Return the code, with the first output alone where backward takes no upstream gradient for the others; a finding
    where their numbers do not fit."""
    parts = split_returned(probe, code.roles, False, get_name(code.pair.forward))
    if isinstance(parts, Finding):
        return parts
    outs = parts[0]
    wanted = [p for p in code.roles if p.role == "upstream"]
    together = isinstance(probe, tuple | list) and is_group(probe[0])
    if len(outs) == 1 and np.ndim(outs[0]) == 0 and is_one_by_default(code.pair.backward, wanted):
        return _leave_unused(code)
    if (len(outs) == 1 and wanted) or len(wanted) == len(outs) or any(p.repeated for p in wanted):
        return code
    if not wanted and len(outs) == 1 and np.ndim(outs[0]) == 0:
        return code  # a loss
    if len(wanted) != 1:
        sentence = say(
            "{forward} gives {outputs} outputs, but {backward} takes {upstreams} upstream gradients.",
            **{"forward": get_name(code.pair.forward), "outputs": len(outs)},
            **{"backward": get_name(code.pair.backward), "upstreams": len(wanted)},
        )
        return Finding("wrong", sentence, ("wrong-container",))
    return code if together or _takes_tuple(code) else replace(code, first_only=True, notes=(FIRST_NOTE,))


def _leave_unused(code: PairCode) -> PairCode:
    """Return the code, without the upstream gradient where the backward of a loss has a default of 1 for it and gives
    the same for another one."""
    one, two = (_list_gradients(code, upstream) for upstream in (1.0, 2.0))
    if not one or len(one) != len(two) or not all(map(guarded_call.repeats_result, one, two)):
        return code
    return replace(code, roles=tuple(p for p in code.roles if p.role != "upstream"), notes=(LOSS_NOTE,))


def _list_gradients(code: PairCode, upstream: float) -> list[np.ndarray]:
    """Return copies of the arrays that the backward of a loss gives for an upstream gradient; none where it fails."""
    trial = code.run_forward(code.arguments.inputs)
    returned = trial if isinstance(trial, Finding) else code.call_backward(trial, (upstream,))
    parts = returned if isinstance(returned, tuple | list) else (returned,)
    return [np.array(part) for part in parts if isinstance(part, np.ndarray | np.generic | float)]


def _takes_tuple(code: PairCode) -> bool:
    """Return True if backward takes the upstream gradients of all outputs as one tuple."""
    trial = code.run_forward(code.arguments.inputs)
    if isinstance(trial, Finding):
        return False
    gradients = code.run_backward(trial, tuple(np.ones(np.shape(out)) for out in trial.outs))
    inputs = code.arguments.inputs
    return isinstance(gradients, tuple) and all(
        g is None or np.shape(g) == np.shape(x) for g, x in zip(gradients, inputs)
    )
