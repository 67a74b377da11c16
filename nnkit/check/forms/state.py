"""Parameters that a layer keeps, and where it puts their gradients."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.check.forms.places import Access, Place, format_place_in, list_leaves, read_place

GRADIENT_FORMS = ("d{}", "d_{}", "grad_{}", "{}_grad", "{}_gradient", "{}grad", "g{}", "grad{}", "dL_d{}", "dLd{}")
"""The names that people give to the gradient of an attribute."""
GRADIENT_BOXES = ("grads", "gradients", "grad", "gradient", "dparams", "d")
"""The names of containers of gradients."""
VALUES = ("data", "value", "val", "w", "param", "array", "tensor")
"""The names of a parameter's numbers in an object or dict of its own, which has the gradient too."""
OWN_GRADIENTS = ("grad", "gradient", "g", "d", "dw", "grads")
PARAMETER_BOXES = ("params", "parameters", "weights", "theta", "trainable")
TRAINABLE = re.compile(r"_?(W|w|U|V|b|Wx|Wh|weights?|bias(es)?|kernel|gamma|beta)(_?[a-z0-9]{1,2})?")
"""The names of attributes that are parameters even where there is no gradient beside them."""


@dataclass(frozen=True)
class LayerParameter:
    """A parameter of a layer, with all places where the layer keeps it."""

    name: str
    places: tuple[Place, ...]
    value: Any
    gradient: Place = ()
    """The place of the gradient in the layer after a backward; in what backward returned, where `is_returned`."""
    is_returned: bool = False
    rate: float = 0.0
    """The learning rate where backward updates the parameter itself; else 0."""

    @property
    def gradient_name(self) -> str:
        """The gradient as the learner writes it: layer.dW."""
        return f"d{self.name}" if self.is_returned or self.rate else format_place_in("layer", self.gradient)

    def read_gradient(self, layer: Any, returned: Any, given: Any) -> Any:
        """Return the gradient, of a layer whose parameter was `given`; None where there is none."""
        if self.rate:
            return (given - read_place(layer, self.places[0])) / self.rate
        try:
            return read_place(returned if self.is_returned else layer, self.gradient)
        except (KeyError, IndexError, AttributeError, TypeError):
            return None


def _is_float(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return bool(value.dtype.kind == "f")
    return isinstance(value, float | np.floating)


def find_parameters(
    before: Any, after: Any, extra: Sequence[Any], rate: float = 0.0
) -> tuple[list[LayerParameter], list[str], list[LayerParameter]]:
    """Return the parameters of a layer that have a gradient after a backward, the names of those that have none, and
    other arrays of the layer, of which it is not known what they are. `before` is the layer as it was made, `extra` is
    what backward returned beyond the gradients of the inputs, `rate` the learning rate that it was given, with which it
    may have updated the parameters."""
    found = _group_places(list_leaves(before, _is_float))
    paired = [(places, value, _find_gradient(places, after)) for places, value in found]
    taken = {gradient for _, _, gradient in paired if gradient}
    own = [(p, v, g) for p, v, g in paired if not taken & {*p}]
    candidates = [(p, v, g) for p, v, g in own if g or _is_trainable(p) or (rate and _differs(after, p[0], v))]
    rest = [(p, v) for p, v, _ in own if isinstance(v, np.ndarray) and all(p is not c[0] for c in candidates)]
    names = _shorten([places[0] for places, _, _ in candidates])
    parameters: list[LayerParameter] = []
    missing: list[str] = []
    open_ = [name for name, (_, _, g) in zip(names, candidates) if not g]
    for name, (places, value, gradient) in zip(names, candidates):
        if gradient:
            parameters.append(LayerParameter(name, places, value, gradient))
            continue
        place = _find_returned(name, open_, extra)
        if place:
            parameters.append(LayerParameter(name, places, value, place, True))
        elif rate and _differs(after, places[0], value):
            parameters.append(LayerParameter(name, places, value, rate=rate))
        else:
            missing.append(name)
    return parameters, missing, [LayerParameter(format_place_in("layer", p[0]), p, v) for p, v in rest]


def _differs(after: Any, place: Place, value: Any) -> bool:
    return isinstance(value, np.ndarray) and not np.array_equal(read_place(after, place), value)


def _group_places(leaves: Sequence[tuple[Place, Any]]) -> list[tuple[tuple[Place, ...], Any]]:
    """Return each array once, with all the places where it is."""
    grouped: dict[Any, tuple[list[Place], Any]] = {}
    for place, value in leaves:
        key = id(value) if isinstance(value, np.ndarray) else place
        grouped.setdefault(key, ([], value))[0].append(place)
    return [(tuple(places), value) for places, value in grouped.values()]


def _find_gradient(places: Sequence[Place], after: Any) -> Place:
    for place in places:
        for candidate in _list_gradient_places(place):
            try:
                value = read_place(after, candidate)
            except (KeyError, IndexError, AttributeError, TypeError):
                continue
            if isinstance(value, float) or hasattr(value, "__array__"):
                return candidate
    return ()


def _list_gradient_places(place: Place) -> Iterator[Place]:
    """Yield the places where the gradient of what is at a place may be."""
    *outer, last = place
    above, key = tuple(outer), last.key
    if key in VALUES:
        yield from ((*above, Access(name, last.is_attribute)) for name in OWN_GRADIENTS)
    named = [form.format(key) for form in GRADIENT_FORMS] if isinstance(key, str) else []
    if isinstance(key, str) and key.startswith("_"):
        named += [f"_{form.format(key[1:])}" for form in GRADIENT_FORMS]
    yield from ((*above, Access(name, last.is_attribute)) for name in named)
    keys = [key, f"d{key}"] if isinstance(key, str) else [key]
    if last.is_attribute:
        yield from ((*above, Access(box, True), Access(k)) for box in GRADIENT_BOXES for k in keys)
    for depth in range(len(above), 0, -1):
        box, owner, rest = above[depth - 1], above[: depth - 1], above[depth:]
        if not isinstance(box.key, str):
            continue
        boxes = [*(form.format(box.key) for form in GRADIENT_FORMS), f"{box.key}_grads", *GRADIENT_BOXES]
        yield from ((*owner, Access(name, box.is_attribute), *rest, Access(k)) for name in boxes for k in keys)
        if depth == len(above):
            yield from ((*owner, Access(name, True)) for name in named)


def _is_trainable(places: Sequence[Place]) -> bool:
    for place in places:
        if any(step.key in PARAMETER_BOXES for step in place[:-1]):
            return True
        if place[-1].is_attribute and TRAINABLE.fullmatch(place[-1].key):
            return True
    return False


def _shorten(places: Sequence[Place]) -> list[str]:
    """Return a name for each place: the last step alone, where that tells them apart and is a name."""
    last = [place[-1].key if place[-1].key not in VALUES or len(place) < 2 else place[-2].key for place in places]
    return [
        key if isinstance(key, str) and last.count(key) == 1 else format_place_in("", place)
        for key, place in zip(last, places)
    ]


def _find_returned(name: str, names: Sequence[str], extra: Sequence[Any]) -> Place:
    """Return the place of a gradient among those that backward returned beside the inputs' own."""
    if len(extra) == 1 and isinstance(extra[0], dict):
        return next(((Access(0), Access(k)) for k in (name, f"d{name}") if k in extra[0]), ())
    return (Access(list(names).index(name)),) if len(extra) == len(names) else ()
