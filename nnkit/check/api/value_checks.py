"""A check of values that carry their gradients, as in micrograd. See `nnkit.check` and docs/check.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnkit.arrays import get_name
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.subjects import FunctionSubject
from nnkit.check.forms.values import NUMBERS, find_attribute, pair_values, read_values
from nnkit.check.pipeline import examine, guard_check
from nnkit.check.verdict import Verdict
from nnkit.gates.base import name_inputs

Function = Callable[..., Any]


def check_values(
    expression: Function,
    *values: Any,
    make: Function | None = None,
    of: Function | None = None,
    name: str = "",
    rng: int = 0,
) -> Verdict:
    """Check the gradients that an engine of values leaves on them.

    `expression(*values)` returns a value whose `.backward()` sets or adds to the `.grad` of each of these; its `.data`
    is a number, or arrays of numbers of which it is a function. Each trial begins with new values, copies of those that
    are given; `make(number)` makes them where numbers are given: check_values(f, 2.0, -3.0, make=Value). Compared with
    numerical derivatives of the expression, or of the trusted function `of` of the numbers.
    """
    title = name or get_name(expression)

    def check() -> Verdict | Finding:
        fresh = read_values(values, make)
        if isinstance(fresh, Finding):
            return fresh
        numbers = [value if make else getattr(value, find_attribute(value, NUMBERS) or "data") for value in values]
        names = tuple(name_inputs(expression, len(values)))
        xs = guarded_call.prepare_inputs(names, [float(x) if isinstance(x, int) else x for x in numbers])
        if isinstance(xs, Finding):
            return xs
        wrt = guarded_call.differentiable_positions(xs)
        own = tuple(f"{each}.grad" for each in names)

        def examine_as(pair: Function) -> Verdict:
            return examine(FunctionSubject(title, names, wrt, of, engine=True, gradient_names=own, pair=pair), xs, rng)

        verdict = examine_as(pair_values(expression, fresh))
        if verdict.status != "wrong":
            return verdict
        settled = examine_as(pair_values(expression, fresh, in_order=True))  # what a set's order hides has a name then
        return settled if settled.status == "wrong" else verdict

    return guard_check(title, check)
