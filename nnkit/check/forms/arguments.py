"""Arguments of a call: those that are differentiated, arrays or containers of them, and those that are held fixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.arrays import get_input_names
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.finding import Finding
from nnkit.check.forms.places import Place, copy_deeply, format_place_in, is_leaf, list_leaves, put_at
from nnkit.language import say
from nnkit.text import join_words

Selection = str | int | Sequence[str | int] | None
"""Names or positions of inputs; None: all that can be differentiated."""


@dataclass(frozen=True)
class Slot:
    """The place of one input in the arguments of a call."""

    argument: int
    place: Place


@dataclass(frozen=True)
class Arguments:
    """The arguments of a call, and which of the arrays in them are differentiated."""

    names: tuple[str, ...]
    """The names of all arguments."""
    values: tuple[Any, ...]
    keywords: int
    """The number of those, the last ones, that are handed over by name."""
    slots: tuple[Slot, ...]
    inputs: tuple[Any, ...]
    """The arrays in the arguments, as they are checked."""
    wrt: tuple[int, ...]
    """The positions of the inputs that are differentiated."""
    chosen: bool
    """The caller said which these are: the gradients of others are not looked at."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the inputs: x, params['W']."""
        return tuple(format_place_in(self.names[slot.argument], slot.place) for slot in self.slots)

    def bind(self, inputs: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments with fresh copies of these inputs in their slots, by position and by name."""
        filled = {slot.argument for slot in self.slots if not slot.place}
        given = [value if k in filled else copy_deeply(value) for k, value in enumerate(self.values)]
        for slot, x in zip(self.slots, inputs):
            own = np.array(x)[()] if isinstance(x, np.ndarray) else x
            given[slot.argument] = put_at(given[slot.argument], slot.place, own)
        positional = len(given) - self.keywords
        return tuple(given[:positional]), dict(zip(self.names[positional:], given[positional:]))

    def adapt(self, function: Callable[..., Any], options: Mapping[str, Any] | None = None) -> Callable[..., Any]:
        """Return a function of these arguments as one of the inputs; `options` are handed over by name too."""

        def call(*inputs: Any) -> Any:
            given, named = self.bind(inputs)
            return function(*given, **named, **copy_deeply(dict(options or {})))

        return call

    def spread(self, returned: Any) -> Any:
        """Return the gradients that came back as one for each input; as they came where their number does not fit."""
        by_argument = self._assign(returned)
        if by_argument is None:
            return returned
        found: list[Any] = []
        for k, slot in enumerate(self.slots):
            gradient = by_argument.get(slot.argument)
            if gradient is not None and slot.place:
                gradient = read_gradient(gradient, slot.place, f"d{self.names[slot.argument]}")
            if isinstance(gradient, Finding):
                return gradient
            found.append(gradient if k in self.wrt or not self.chosen else None)
        return tuple(found)

    def _assign(self, returned: Any) -> dict[int, Any] | None:
        """Return the gradients by the position of their argument; None where their number does not fit."""
        with_arrays = list(dict.fromkeys(slot.argument for slot in self.slots))
        wanted = list(dict.fromkeys(self.slots[k].argument for k in self.wrt))
        if isinstance(returned, Mapping) and not self._is_container(wanted):
            keys = {i: key for i in with_arrays for key in (f"d{self.names[i]}", self.names[i]) if key in returned}
            return {i: returned[key] for i, key in keys.items()} if {*keys} >= {*wanted} else None
        if len(wanted) == 1 and not self._is_row(returned, wanted[0]):
            return {wanted[0]: returned}
        if isinstance(returned, tuple | list):
            for positions in (range(len(self.names)), with_arrays, wanted):
                if len(positions) == len(returned):
                    return dict(zip(positions, returned))
        return None

    def _is_container(self, wanted: Sequence[int]) -> bool:
        return len(wanted) == 1 and any(slot.argument == wanted[0] and slot.place for slot in self.slots)

    def _is_row(self, returned: Any, argument: int) -> bool:
        """Tell a row of gradients from the gradient of the only argument that has one, which may be a list too."""
        if isinstance(returned, tuple | list) and self._is_container([argument]):
            return isinstance(self.values[argument], Mapping) and isinstance(returned[0], Mapping)
        own = isinstance(returned, list) and np.shape(self.inputs[self.wrt[0]]) == _shape_of(returned)
        return isinstance(returned, tuple | list) and not own


def _shape_of(value: Any) -> tuple[int, ...] | None:
    try:
        return tuple(np.shape(value))
    except ValueError:  # ragged
        return None


def read_gradient(gradients: Any, place: Place, name: str) -> Any:
    """Return the gradient at a place in a container like that of the parameters; a key may begin with "d"."""
    for step in place:
        kind = "attribute" if step.is_attribute else "key" if isinstance(step.key, str) else "entry"
        try:
            gradients = _enter(gradients, step.key)
        except (KeyError, IndexError, AttributeError, TypeError):
            has = guarded_call.describe_kind(gradients)
            sentence = say(
                "the gradient {place} is missing: there is no {kind} {key!r} in {has}.",
                place=format_place_in(name, place),
                kind=kind,
                key=step.key,
                has=has,
            )
            return Finding("wrong", sentence, ("wrong-count",))
    return gradients


def _enter(gradients: Any, key: Any) -> Any:
    if isinstance(gradients, Mapping):
        return gradients[key if key in gradients or not isinstance(key, str) else f"d{key}"]
    if isinstance(gradients, tuple | list) and isinstance(key, int):
        return gradients[key]
    return getattr(gradients, key if hasattr(gradients, key) else f"d{key}")


def read_arguments(
    function: Callable[..., Any],
    given: Sequence[Any],
    options: Mapping[str, Any],
    wrt: Selection = None,
    fixed: bool = False,
) -> Arguments | Finding:
    """Return the arguments of a call; a finding where there is nothing in them that can be checked. With `fixed`, none
    of them need be differentiated."""
    names = (*name_arguments(function, len(given)), *options)
    values = (*given, *options.values())
    selected = () if wrt is None else (wrt,) if isinstance(wrt, str | int) else tuple(wrt)
    for whole_numbers in (False, True):
        found: list[tuple[Slot, Any]] = []
        for k, value in enumerate(values):
            named = names[k] in selected or k in selected
            if named or k < len(given):
                found += [(Slot(k, place), leaf) for place, leaf in _list_arrays(value, named or whole_numbers)]
        if found:
            break
    slots, leaves = [slot for slot, _ in found], [leaf for _, leaf in found]
    own = [format_place_in(names[slot.argument], slot.place) for slot in slots]
    picked = [
        k for k, slot in enumerate(slots) if own[k] in selected or {slot.argument, names[slot.argument]} & {*selected}
    ]
    unknown = [s for s in selected if s not in own and s not in names and not (isinstance(s, int) and s < len(names))]
    if unknown:
        return Finding(
            "error",
            say(
                "wrt= must name inputs: {names}; there is no {unknown!r}.",
                names=join_words(names),
                unknown=unknown[0],
            ),
        )
    whole = not fixed and not any(np.asarray(leaf).dtype.kind in "fc" for leaf in leaves)  # examples, not labels
    leaves = [_as_numbers(leaf) if k in picked or whole else leaf for k, leaf in enumerate(leaves)]
    inputs = guarded_call.prepare_inputs(own, leaves, fixed)
    if isinstance(inputs, Finding):
        return inputs
    positions = tuple(picked) if selected else guarded_call.differentiable_positions(inputs)
    return Arguments(names, values, len(options), tuple(slots), inputs, positions, bool(selected))


def name_arguments(function: Callable[..., Any], count: int) -> list[str]:
    """Return names for the first arguments of a function: its own, or x1, x2, ... where these are not known."""
    own = get_input_names(function)
    return own[:count] if len(own) >= count else [f"x{i + 1}" if count > 1 else "x" for i in range(count)]


def _as_numbers(leaf: Any) -> Any:
    array = np.asarray(leaf)
    return array.astype(float) if array.dtype.kind in "biu" else leaf


def _list_arrays(value: Any, whole_numbers: bool) -> list[tuple[Place, Any]]:
    """Return the arrays in an argument, with their places; none in one that is an option."""
    if isinstance(value, bool | int):
        return [((), value)] if whole_numbers else []
    if isinstance(value, float | np.ndarray | np.generic) or hasattr(value, "__array__"):
        return [((), value)]
    if isinstance(value, list | tuple) and not hasattr(value, "_fields") and _is_list_of_numbers(value):
        return [((), value)]
    leaves = list_leaves(value, lambda x: is_leaf(x) or isinstance(x, str | bool | complex) or x is None or callable(x))
    arrays = all(isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" for _, leaf in leaves)
    return leaves if arrays or (whole_numbers and all(is_leaf(leaf) for _, leaf in leaves)) else []


def _is_list_of_numbers(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_list_of_numbers, value))
    return isinstance(value, int | float | np.number)
