"""Checks of backward passes in whatever form they are written. See `nnkit.check` and docs/check.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any

import numpy as np

from nnkit.arrays import Array, get_name
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.double_precision import in_double_precision
from nnkit.check.evidence.finding import Finding, SeveralOutputs
from nnkit.check.evidence.subjects import GateSubject
from nnkit.check.forms.arguments import Selection
from nnkit.check.forms.form_gate import Form, examine_form
from nnkit.check.forms.frameworks import find_framework, find_used_framework
from nnkit.check.forms.generators import putting_back_generators
from nnkit.check.forms.jax_code import read_jax
from nnkit.check.forms.pair_code import read_pair
from nnkit.check.forms.pairs import Pair, find_pair
from nnkit.check.forms.places import list_leaves
from nnkit.check.forms.roles import is_cache_first, list_required
from nnkit.check.forms.rounded import examine_rounded
from nnkit.check.forms.stateful_layers import check_again, read_layer
from nnkit.check.forms.torch_code import on_one_thread, read_torch
from nnkit.check.pipeline import Case, conclude, find, guard_check
from nnkit.check.verdict import Verdict
from nnkit.gates.base import name_inputs
from nnkit.language import say, to_say

Function = Callable[..., Any]
INPUTS_NOTE = to_say("Checked are the gradients of the inputs; check_layer also checks those of the parameters.")
FIXED_NOTE = to_say('Is an input held fixed? Hand it over by name, or say which are differentiated: wrt="x".')


def check_backward(
    gate: Any,
    *inputs: Array,
    of: Function | None = None,
    wrt: Selection = None,
    strict: bool | None = None,
    seed: int = 0,
    dtype: Any = None,
    rng: int = 0,
    **options: Any,
) -> Verdict:
    """Check that `gate.backward` is the vector-Jacobian product of `gate.forward` at these inputs.

    Compared with numerical derivatives of the forward (or of the trusted function `of`, with which the
    forward must then agree), for random upstream gradients, in float64: at these inputs and at some nearby.
    Also: inputs, upstream and cache are left alone; a second call gives the same; backward(0) is 0 and
    backward(2g) is 2 backward(g); another forward in between changes nothing. Integer arrays (labels) are
    held fixed and may get None.

    `gate` may also be a pair of functions, (affine_forward, affine_backward) or (module, "affine"), or an object whose
    backward takes (cache, dout); forward may return several outputs before the cache. Text, dicts of options and single
    integers are handed on as they are, and so are keyword arguments (`options`). `wrt` names the inputs that are
    differentiated, where not all are. With `strict=False`, which is the default but for the kit's own form, work in
    place on the upstream gradient or the cache is a note. The global generators of random numbers are set to `seed` for
    each call. `dtype=np.float32` says that the code computes in float32: it is compared as far as that shows it.
    """
    framework = find_framework(gate)
    pair = None if framework else find_pair(gate)
    framework = framework or ("" if pair else find_used_framework(gate, inputs))
    title = pair.title if isinstance(pair, Pair) else f"{get_name(gate)}.backward"
    own = _has_own_form(gate)

    def check() -> Verdict | Finding:
        if isinstance(pair, Finding):
            return pair
        if framework:
            return _check_framework(framework, gate, inputs, options, wrt, of, seed, rng)
        if not isinstance(pair, Pair):
            return _explain_no_pair(gate)
        plain = wrt is None and strict is not False and dtype is None and not options
        if own and plain and not _has_options(inputs):
            return _check_gate(title, gate, inputs, of, seed, rng)
        return _check_pair(pair, inputs, options, wrt, of, own if strict is None else strict, seed, rng, dtype)

    return guard_check(title, check)


def check_layer(
    make_layer: Any,
    *inputs: Array,
    wrt: Selection = None,
    strict: bool = False,
    seed: int = 0,
    dtype: Any = None,
    rng: int = 0,
    **options: Any,
) -> Verdict:
    """Check a layer that keeps what its backward needs: the gradients of its inputs, and of its parameters.

    `make_layer()` returns a new layer; each trial has one, or a copy of one. `layer.forward(*inputs)` returns the
    output, `layer.backward(dout)` the gradient of the input. Parameters are found where their gradients are: layer.W
    with layer.dW, layer.params["W"] with layer.grads["W"], or W.data with W.grad, in layers of this layer too. They may
    be set or added to. `wrt` names the inputs and parameters that are checked, where not all are; keyword arguments
    (`options`) go to forward or backward, whichever has a parameter of that name.
    """
    name = get_name(make_layer) if isinstance(make_layer, type) or not callable(make_layer) else "layer"

    def check() -> Verdict | Finding:
        with putting_back_generators():
            form = read_layer(make_layer, inputs, options, wrt, seed)
            if isinstance(form, Finding):
                return form
            verdict = _examine_in(dtype, form, strict, rng)
            return check_again(form, verdict) if isinstance(verdict, Verdict) and verdict.passed else verdict

    return guard_check(f"{name}.backward", check)


def _has_own_form(gate: Any) -> bool:
    """Return True for an object with forward(*inputs) and backward(upstream, cache), the kit's own form."""
    forward, backward = (getattr(gate, name, None) for name in ("forward", "backward"))
    if isinstance(gate, tuple) or not callable(forward) or not callable(backward):
        return False
    required = list_required(backward)
    return required is None or (len(required) < 3 and not is_cache_first(backward)) or any(m for _, m in required)


def _explain_no_pair(given: Any) -> Finding:
    """Return the finding on what is no layer."""
    if isinstance(given, FunctionType):
        sentence = say(
            "{name} is one function: give the forward and the backward, check_backward((f, g), x).",
            name=get_name(given),
        )
        return Finding("error", sentence)
    kind = guarded_call.describe_kind(given)
    return guarded_call.find_missing_method(given) or Finding("error", say("this is {kind}: no layer.", kind=kind))


def _check_framework(
    framework: str,
    function: Any,
    inputs: Any,
    options: dict[str, Any],
    wrt: Selection,
    of: Function | None,
    seed: int,
    rng: int,
) -> Verdict | Finding:
    """Check the derivative that PyTorch or JAX has of a function."""
    with in_double_precision(), on_one_thread(), putting_back_generators():
        if framework == "torch":
            form = read_torch(function, inputs, options, wrt, of, seed)
        else:
            form = read_jax(function, inputs, options, wrt, of)
        return form if isinstance(form, Finding) else examine_form(form, False, rng)


def _has_options(inputs: Sequence[Any]) -> bool:
    """Return True if there is text, a dict or the like beside arrays."""
    options = [x is None or isinstance(x, str | dict | bool) for x in inputs]
    return any(options) and not all(options)


def _check_gate(title: str, gate: Any, inputs: Any, of: Any, seed: int, rng: int) -> Verdict | Finding:
    """Check a gate of the kit's own form."""
    names = tuple(name_inputs(gate, len(inputs)))
    xs = guarded_call.prepare_inputs(names, inputs)
    if isinstance(xs, Finding):
        return xs
    if of is not None and not callable(of):
        return Finding(
            "error", say("of= must be a function of the inputs; it is {kind}.", kind=guarded_call.describe_kind(of))
        )
    case = Case.start(GateSubject(title, names, guarded_call.differentiable_positions(xs), of, gate=gate), xs, rng)
    finding = find(case)
    found = finding.mistakes if isinstance(finding, Finding) else ()
    pair = Pair(gate.forward, gate.backward, gate, of=get_name(gate))
    if found == ("wrong-container",) and len(list_required(gate.backward) or ()) < 2:  # it keeps what backward needs
        verdict = _check_pair(pair, inputs, {}, None, of, False, seed, rng)
        has_more = verdict.status == "right" and bool(list_leaves(gate, lambda x: isinstance(x, np.ndarray)))
        return replace(verdict, notes=(*verdict.notes, INPUTS_NOTE)) if has_more else verdict
    if found in (("changes-by-itself",), ("not-numbers",)) or isinstance(finding, SeveralOutputs):
        other = _check_pair(pair, inputs, {}, None, of, True, seed, rng)
        if isinstance(other, Finding) or "changes-by-itself" not in other.mistakes:
            return other
    return conclude(case, finding, rng)


def _check_pair(
    pair: Pair,
    inputs: Any,
    options: dict[str, Any],
    wrt: Selection,
    of: Function | None,
    strict: bool,
    seed: int,
    rng: int,
    dtype: Any = None,
) -> Verdict | Finding:
    """Check a pair of functions, or of methods. Strictly, all calls are made on the same object."""
    with putting_back_generators():
        form = read_pair(replace(pair, fresh=not strict), inputs, options, wrt, of, seed)
        found = form if isinstance(form, Finding) else _examine_in(dtype, form, strict, rng)
    if found.mistakes == ("wrong-count",) and wrt is None:
        return replace(found, notes=(*found.notes, FIXED_NOTE))
    return found


def _examine_in(dtype: Any, form: Form, strict: bool, rng: int) -> Verdict | Finding:
    """Return the verdict on code in some form; where it does not pass, on code that computes in a smaller type."""
    verdict = examine_form(form, strict, rng)
    if verdict.passed or dtype is None or np.finfo(dtype).eps <= np.finfo(float).eps or verdict.status != "wrong":
        return verdict
    found = examine_rounded(form, dtype, rng)
    right = isinstance(found, Verdict) and found.passed
    return found if right or "low-precision" in verdict.mistakes else verdict
