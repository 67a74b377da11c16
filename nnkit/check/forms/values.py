"""Values that carry their gradients: objects with .data, .grad and .backward(), as in micrograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.finding import Finding
from nnkit.check.forms.places import copy_deeply
from nnkit.check.remote import RemoteObject
from nnkit.language import say
from nnkit.rebinding import rebind

NUMBERS = ("data", "value", "val", "v")
GRADIENTS = ("grad", "gradient", "g", "d")
METHODS = ("backward", "backprop", "backpropagate")


def find_attribute(value: Any, names: Sequence[str]) -> str | None:
    """Return the first of these attributes that a value has."""
    return next((name for name in names if hasattr(value, name)), None)


def read_values(given: Sequence[Any], make: Callable[[Any], Any] | None) -> Callable[..., list[Any]] | Finding:
    """Return a function that makes new values of numbers; a finding where what was given is no value."""
    if make is not None:
        return lambda *numbers: [make(x) for x in numbers]
    for value in given:
        if find_attribute(value, NUMBERS) is None:
            kind = guarded_call.describe_kind(value)
            sentence = say(
                "this is {kind}, without .data and .grad: give values, or the class that makes them as make=.",
                kind=kind,
            )
            return Finding("error", sentence)

    def copy_with(*numbers: Any) -> list[Any]:
        fresh = [copy_deeply(value) for value in given]
        for value, x in zip(fresh, numbers):
            setattr(value, find_attribute(value, NUMBERS) or "data", x)
        return fresh

    return copy_with


def pair_values(
    expression: Callable[..., Any], make: Callable[..., list[Any]], in_order: bool = False
) -> Callable[..., Any]:
    """Return a function (numbers) -> (value, gradients) made of an expression of values. With `in_order`, sets of
    values have the same order in each call."""

    def compute(*numbers: Any) -> Any:
        values = make(*map(_as_python, numbers))
        return run(*_number_values(expression, values)) if in_order and values else run(expression, values)

    def run(expression: Callable[..., Any], values: list[Any]) -> Any:
        out = expression(*values)
        number, backward = find_attribute(out, NUMBERS), find_attribute(out, METHODS)
        if number is None or backward is None:
            kind = guarded_call.describe_kind(out)
            return Finding(
                "wrong", say("the expression must give a value with .backward(); it gave {kind}.", kind=kind)
            )
        getattr(out, backward)()
        return getattr(out, number), tuple(_read_gradient(value) for value in values)

    return compute


def _number_values(expression: Callable[..., Any], values: list[Any]) -> tuple[Callable[..., Any], list[Any]]:
    """Return an expression and values whose objects hash by the order in which that is asked of them, in place of by
    their addresses. They are of a subclass: the class itself stays as it is."""
    kind: Any = type(values[0])
    if kind.__hash__ is not object.__hash__ or issubclass(kind, RemoteObject):
        return expression, values
    numbers: dict[int, tuple[int, Any]] = {}  # the objects too, so that no other one gets the address of one

    def number(value: Any) -> int:
        return numbers.setdefault(id(value), (len(numbers), value))[0]

    numbered, other = rebind((kind, expression), {}, {kind: {"__hash__": number}})
    for value in values:
        if type(value) is kind:
            value.__class__ = numbered
    return other, values


def _as_python(x: Any) -> Any:
    return x.item() if hasattr(x, "item") and getattr(x, "ndim", 1) == 0 else x


def _read_gradient(value: Any) -> Any:
    name = find_attribute(value, GRADIENTS)
    return None if name is None else getattr(value, name)
