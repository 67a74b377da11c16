"""A network's parameters, in whatever container they are, as a flat tuple of inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.finding import Finding, find_placeholder
from nnkit.check.forms.arguments import read_gradient
from nnkit.check.forms.places import (
    Access,
    Place,
    copy_deeply,
    format_place_in,
    list_leaves,
    put_at,
    read_place,
    rebuild,
)
from nnkit.check.forms.roles import list_required
from nnkit.language import say, to_say

Function = Callable[..., Any]
REBOUND = Finding(
    "wrong",
    to_say("it put new arrays into the old dict: make a new dict, others still need the old one."),
    ("mutated-input",),
    words={
        "hint": to_say("Begin with `new = {}` or `new = dict(old)`, and write into that one: new[key] = old[key] - ...")
    },
)


@dataclass(frozen=True)
class ParameterTree:
    """Parameters by name and a batch, as one flat tuple of inputs."""

    keys: tuple[str, ...]
    """The names of the parameters."""
    inputs: tuple[Any, ...]
    along: tuple[str, ...]
    """The names of what is given along with the parameters."""
    places: tuple[Place, ...]
    whole: Any = field(repr=False)
    """The container of the parameters, as it was given."""
    root: str = "params"

    @classmethod
    def read(
        cls, parameters: Any, batch: Sequence[Any], along: Sequence[str] = (), root: str = "params"
    ) -> ParameterTree | Finding:
        """Return the tree, or a finding where the parameters or the batch cannot be checked. `root` is the name of the
        container in the learner's code."""
        places = _list_places(parameters)
        if not places:
            kind = guarded_call.describe_kind(parameters)
            has = say("an empty dict") if isinstance(parameters, Mapping) and not parameters else kind
            return Finding(
                "error", say("the parameters must be a dict of arrays, or another container; this is {has}.", has=has)
            )
        keys = tuple(_name_place(place, root) for place in places)
        values = [_as_floats(read_place(parameters, place)) for place in places]
        fits = len(along) == len(batch) and not {*along} & {*keys}
        others = tuple(along) if fits else tuple(f"batch[{i}]" for i in range(len(batch)))
        inputs = guarded_call.prepare_inputs((*keys, *others), (*values, *batch))
        return inputs if isinstance(inputs, Finding) else cls(keys, inputs, others, places, parameters, root)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all inputs."""
        return (*self.keys, *self.along)

    @property
    def wrt(self) -> tuple[int, ...]:
        """The positions of the parameters."""
        return tuple(range(len(self.keys)))

    @property
    def _is_flat(self) -> bool:
        return isinstance(self.whole, Mapping) and all(len(place) == 1 for place in self.places)

    def split(self, xs: Sequence[Any]) -> tuple[Any, ...]:
        """Return the parameters in their container, and the batch."""
        count = len(self.keys)
        if self._is_flat:
            return {place[0].key: x for place, x in zip(self.places, xs)}, *xs[count:]
        return rebuild(self.whole, self.places, xs[:count]), *xs[count:]

    def flatten(self, of: Function | None) -> Function | None:
        """Return a trusted function of the parameters and the batch as one of the flat inputs."""
        return None if of is None else lambda *xs: of(*self.split(xs))

    def list_arrays(self, given: Any) -> list[Any]:
        """Return the parameters that are in a container now; None in place of those that are gone."""
        return [_read_or_none(given, place) for place in self.places]

    def is_rebound(self, given: Any, kept: Sequence[Any]) -> bool:
        """Return True if other arrays stand in the container than `list_arrays` gave before."""
        return any(
            new is None or (new is not old and not np.array_equal(new, old))
            for new, old in zip(self.list_arrays(given), kept)
        )

    def read_gradients(self, found: Any) -> tuple[Any, ...] | Finding:
        """Return the gradients in the order of the parameters; a finding where their container is not like theirs."""
        if not self._is_flat:
            return self._read_tree(found)
        missing_dict = find_placeholder(found, say("the dict of gradients"))
        if missing_dict:
            return missing_dict
        if not isinstance(found, Mapping):
            kind = guarded_call.describe_kind(found)
            sentence = say(
                "there must be a dict with the keys {names}; it is {kind}.", names=", ".join(self.keys), kind=kind
            )
            return Finding("wrong", sentence, ("wrong-container",), words=self._words())
        own = [place[0].key for place in self.places]
        missing = [str(key) for key in own if key not in found]
        extra = [str(key) for key in found if key not in own]
        if missing or extra:
            faults = [say("missing: {names}", names=", ".join(missing))] if missing else []
            faults += [say("too many: {names}", names=", ".join(extra))] if extra else []
            sentence = say("the keys must be {names}; {faults}.", names=", ".join(self.keys), faults="; ".join(faults))
            return Finding("wrong", sentence, ("wrong-count",), words=self._words())
        return tuple(found[key] for key in own)

    def _read_tree(self, found: Any) -> tuple[Any, ...] | Finding:
        missing = find_placeholder(found, say("what should hold the gradients"))
        if missing:
            return missing
        if isinstance(found, list | tuple) and isinstance(self.whole, list | tuple) and len(found) != len(self.whole):
            sentence = say(
                "it returned {count} gradients for {entries} entries of {root}.",
                count=len(found),
                entries=len(self.whole),
                root=self.root,
            )
            return Finding("wrong", sentence, ("wrong-count",))
        gradients = [read_gradient(found, place, f"d{self.root}") for place in self.places]
        return next((g for g in gradients if isinstance(g, Finding)), tuple(gradients))

    def _words(self) -> dict[str, str]:
        return {
            "why": say("The caller looks each entry up by the name of its parameter."),
            "nudge": say("Which keys do the parameters have, and which has the dict that you return?"),
            "hint": say("Return a dict with exactly the keys of the parameters: {names}.", names=", ".join(self.keys)),
        }


def _list_places(parameters: Any) -> tuple[Place, ...]:
    if isinstance(parameters, np.ndarray | float | int):
        return ()
    if isinstance(parameters, Mapping) and not any(isinstance(v, Mapping | list | tuple) for v in parameters.values()):
        return tuple((Access(key),) for key in parameters)
    return tuple(place for place, _ in list_leaves(parameters))


def _name_place(place: Place, root: str) -> str:
    """Return the name of a parameter: its key, l1['W'] in a dict of dicts, params[0] in a list."""
    first, *rest = place
    if isinstance(first.key, str):
        return format_place_in(first.key, tuple(rest))
    return str(first.key) if not rest and not isinstance(first.key, int) else format_place_in(root, place)


def _as_floats(value: Any) -> Any:
    array = np.asarray(value)
    return np.asarray(value, dtype=float) if array.dtype.kind in "iu" else value


def _read_or_none(given: Any, place: Place) -> Any:
    try:
        return read_place(given, place)
    except (KeyError, IndexError, AttributeError, TypeError):
        return None


# ---- functions of the parameters ------------------------------------------------------------------------


def read_loss(function: Any, parameters: Any, batch: Sequence[Any]) -> Function:
    """Return a function (parameters, *batch) -> (loss, gradients): the one that was given, a pair (loss, gradient) of
    functions, a network with a method `loss`, or such a method, which reads the parameters from its object."""
    if isinstance(function, tuple | list) and len(function) == 2 and all(map(callable, function)):
        return _join(*(read_loss(part, parameters, batch) for part in function))
    if not callable(function) and callable(getattr(function, "loss", None)):
        function = function.loss
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    places = [] if owner is None or isinstance(owner, type) else _find_in(owner, parameters)
    if not places or not _accepts(function, batch):
        taken: Function = function
        return taken
    own = _list_places(parameters)

    def call(given: Any, *batch: Any) -> Any:
        fresh = copy_deeply(owner)
        for source, targets in zip(own, places):
            for target in targets:
                put_at(fresh, target, read_place(given, source))
        return _complete(fresh, getattr(fresh, name)(*batch))

    return call


def _join(loss: Function, gradient: Function) -> Function:
    def call(*given: Any) -> tuple[Any, Any]:
        value = loss(*given)
        return (value[0] if isinstance(value, tuple) else value), gradient(*given)

    return call


def _complete(network: Any, returned: Any) -> Any:
    """Return (loss, gradients) where a network returned the loss alone and keeps the gradients, or has a backward."""
    if isinstance(returned, tuple | list) or returned is None:
        return returned
    backward = getattr(network, "backward", None)
    gradients = backward() if callable(backward) and list_required(backward) == [] else None
    kept = (getattr(network, name, None) for name in ("grads", "gradients"))
    gradients = gradients if gradients is not None else next((g for g in kept if g), None)
    return returned if gradients is None else (returned, gradients)


def _find_in(owner: Any, parameters: Any) -> list[list[Place]]:
    """Return where an object keeps each of the parameters; nothing where it lacks one."""
    held: dict[int, list[Place]] = {}
    for place, leaf in list_leaves(owner):
        held.setdefault(id(leaf), []).append(place)
    found = [held.get(id(read_place(parameters, place)), []) for place in _list_places(parameters)]
    return found if all(found) else []


def _accepts(function: Function, batch: Sequence[Any]) -> bool:
    try:
        inspect.signature(function).bind(*batch)
    except (TypeError, ValueError):
        return False
    return True
