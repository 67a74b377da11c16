"""What the names of mistakes in conduct claim, tried on the code itself: what it keeps, and what it writes into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.measured import Answer, quiet


def _copies(inputs: tuple[Any, ...]) -> list[Any]:
    return [np.array(x)[()] for x in inputs]


def _move(answer: Answer) -> list[Any]:
    """Return other inputs: of the other sign, and of another size."""
    return [-1.3 * x if i in answer.wrt else x for i, x in enumerate(_copies(answer.inputs))]


def _flatten(value: Any) -> list[Any]:
    """Return the numbers of a value as lists, to be compared later."""
    if isinstance(value, dict):
        return [_flatten(part) for part in value.values()]
    if isinstance(value, tuple | list):
        return [_flatten(part) for part in value]
    return [np.array(value).tolist()] if isinstance(value, np.ndarray | np.generic | float | int) else []


def _is_same(a: Any, b: Any) -> bool:
    return repr(_flatten(a)) == repr(_flatten(b))


def keeps_forward(answer: Answer) -> bool:
    """Return True if a backward pass gives something else after another forward."""
    gate = answer.call.args[0]
    out, cache = gate.forward(*_copies(answer.inputs))
    upstream = np.cos(np.arange(np.size(out))).reshape(np.shape(out))
    first = _flatten(gate.backward(upstream.copy()[()], cache))
    gate.forward(*_move(answer))
    return not _is_same(first, _flatten(gate.backward(upstream.copy()[()], cache)))


def writes_into_given(answer: Answer) -> bool:
    """Return True if the inputs, the upstream gradient or the cache are others after the calls."""
    function, inputs = answer.call.args[0], _copies(answer.inputs)
    if answer.check != "check_backward":
        given = [dict(zip(answer.call.args[1], inputs)), *inputs[len(answer.wrt) :]] if answer.is_network else inputs
        before = _flatten(given)
        function(*given)
        return not _is_same(before, _flatten(given))
    before = _flatten(inputs)
    out, cache = function.forward(*inputs)
    if not _is_same(before, _flatten(inputs)):
        return True
    upstream = np.array(np.cos(np.arange(np.size(out))).reshape(np.shape(out)))[()]
    known = _flatten([inputs, cache, upstream])
    function.backward(upstream, cache)
    return not _is_same(known, _flatten([inputs, cache, upstream]))


def adds_to_earlier(answer: Answer) -> bool:
    """Return True if a second call gives something else."""
    upstream = np.ones(answer.points[0].out.shape)
    if answer.check == "check_backward":  # through a softmax, ones give 0
        upstream = np.cos(np.arange(upstream.size)).reshape(upstream.shape)
    first, second = (answer.ask(answer.inputs, upstream) for _ in range(2))
    return first is None or second is None or not _is_same(first.returned, second.returned)


CONDUCT: dict[str, Callable[[Answer], bool]] = {
    "stale-cache": keeps_forward,
    "mutated-input": writes_into_given,
    "not-reset": adds_to_earlier,
}
"""A name → whether the code does what it claims."""


def refuted_conduct(answer: Answer, mistakes: tuple[str, ...]) -> list[str]:
    """Return the names of what the code does not do."""
    with quiet():
        return [f"{id}: the code does not do that" for id in mistakes if id in CONDUCT and not _does(answer, id)]


def _does(answer: Answer, id: str) -> bool:
    try:
        return CONDUCT[id](answer)
    except Exception:  # it cannot be tried
        return True
