"""NaN and infinity: where they come from, and what cannot be compared with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnkit.check.evidence import sampling
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.subjects import Subject
from nnkit.check.evidence.tolerance import format_place
from nnkit.language import say, to_say

LARGE_INPUT = 10
CHOOSE_OTHERS = to_say("Choose inputs at which it is finite, and a little away from the end of its domain.")
ORIGINS = (
    ({"invalid value"}, to_say("something on the way is not defined: a root or a logarithm of a negative number, "
        "or 0/0.")),
    ({"divide by zero", "underflow"},
     to_say("a number on the way is too small for a float and became 0: its logarithm, or 1 "
     "over it, is infinite. With the logarithm taken first (scores - max - log of the sum) nothing becomes 0.")),
    ({"divide by zero"}, to_say("something on the way is divided by 0, or is the logarithm of 0.")),
)  # fmt: skip
"""Notes of NumPy on its arithmetic, with the origin of NaN or infinity that each points to."""


def explain_value(subject: Subject, what: str, inputs: Arrays, out: np.ndarray, trusted: bool) -> Finding:
    """Return the finding for a value that is NaN or infinite: overflow if a number on the way is too large, and it is
    finite at moderate inputs; else what was seen on the way."""
    calm = subject.value(sampling.scale_down_inputs(inputs))
    if isinstance(calm, Finding):
        return calm
    odd = float(out[~np.isfinite(out)].flat[0]) if out.shape else float(out)
    start = say("{what} is {odd} at these inputs", what=what, odd=odd)
    seen = subject.list_float_faults(inputs, np.ones(out.shape))
    if np.all(np.isfinite(calm)) and "overflow" in seen and has_large(inputs):
        return Finding("wrong", say("{start}: large numbers overflow.", start=start), ("overflow",))
    origin = next((say(words) for kinds, words in ORIGINS if kinds <= seen), "")
    if trusted:
        notes = (_sentence(origin),) if origin else ()
        return Finding("wrong", say("{start}, where it should be finite.", start=start), ("not-finite",), notes=notes)
    return replace(cannot_check(f"{start}: {origin}" if origin else f"{start}."), mistakes=("not-finite",))


def explain_trusted(what: str, expected: np.ndarray) -> Finding:
    """Return the finding for a trusted function that is NaN or infinite at these inputs."""
    odd = float(expected[~np.isfinite(expected)].flat[0]) if expected.shape else float(expected)
    return cannot_check(say("{what} should be {odd} at these inputs, which has no slope.", what=what, odd=odd))


def find_unknown(subject: Subject, comparisons: list[Comparison]) -> Finding | None:
    """Find an entry whose slope is no finite number, which nothing can be compared with."""
    for comparison in comparisons:
        for k, target in enumerate(comparison.targets):
            if target.unknown.any():
                i = subject.wrt[k]
                index = tuple(int(n) for n in np.argwhere(target.unknown)[0])
                at = f"{format_place(subject.names[i], index)} = {np.asarray(comparison.inputs[i])[index]:.6g}"
                return cannot_check(
                    say("{place} has no finite slope at {at}.", place=format_place(subject.name(i), index), at=at)
                )
    return None


def cannot_check(reason: str) -> Finding:
    """Return the finding that nothing can be said at these inputs, and why."""
    return Finding("cannot check", say("this cannot be checked here: {reason}", reason=reason), notes=(CHOOSE_OTHERS,))


def has_large(inputs: Arrays) -> bool:
    """Return True if some input is not moderate."""
    return any(np.max(np.abs(x)) > LARGE_INPUT for x in inputs)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
