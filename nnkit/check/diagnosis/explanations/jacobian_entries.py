"""Descriptions of a wrong Jacobian: which of its entries stand where, and what one of them measures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit.check.diagnosis.mistakes.base import same
from nnkit.check.evidence.finding import Explanation
from nnkit.language import say, to_say

Shape = tuple[int, ...]
PLACE = to_say("J[i, j] is the slope of output i for a change of input j.")
NUDGE = to_say("Take one output and one input. If that input grows a little, by how much does that output grow?")
FORMULA = to_say("Write the formula of one output, and differentiate it for each of the inputs: this is one row.")
TRANSPOSED = {
    "title": to_say("it is the transpose of the Jacobian"),
    "why": to_say("J[i, j] is the slope of output i for a change of input j. In yours, it stands at [j, i]."),
    "nudge": to_say("Does a row belong to an output, or to an input?"),
    "hint": to_say("One row for each output, one column for each input; `.T` exchanges them."),
}
OF_ENTRY = to_say("Write the formula of that output, and differentiate it for that input.")
"""The hint for entries that are off in no way that has a name."""
OF_GRADIENTS = to_say("upstream|downstream|gradient|arrives|passed on|branch|path|summed|averaged|forward|backward")
"""Words that say nothing of a Jacobian, as a regular expression."""


def say_of_jacobian(found: Sequence[Explanation]) -> tuple[Explanation, ...]:
    """Return what was found by comparing rows in words that hold for a table of slopes; nothing where it speaks of what
    a Jacobian does not have: an upstream gradient, and paths along which it comes back."""
    return () if any(_is_of_gradients(e.title) for e in found) else tuple(map(_say_of_table, found))


def _is_of_gradients(sentence: str) -> bool:
    return re.search(say(OF_GRADIENTS), say(sentence)) is not None


def _say_of_table(found: Explanation) -> Explanation:
    if found.id == "transposed":
        return BY_ID["transposed"].explain("", **TRANSPOSED)
    why, nudge, hint = (
        words if _is_of_gradients(own) else own
        for own, words in ((found.why, PLACE), (found.nudge, NUDGE), (found.hint, FORMULA))
    )
    return replace(found, why=why, nudge=nudge, hint=hint)


def describe_jacobian(returned: Any, right: Any, out: Any, x: Any) -> Explanation:
    """Return what came back in place of this Jacobian: something known, or one entry with its meaning."""
    named = _name_content(returned, right, out) if np.any(right) else None
    if named:
        return named
    if returned.shape != right.shape:
        return BY_ID["wrong-shape"].explain(
            "",
            why=say(
                "It has one entry for each pair of an output and an input, {out} of the one and {x} of the other.",
                out=np.shape(out),
                x=np.shape(x),
            ),
            nudge="How many outputs are there, and how many inputs does each of them depend on?",
            hint=say(
                "Make an array of zeros of the shape {right_shape} and write each slope to its place.",
                right_shape=right.shape,
            ),
            lesson=ENTRIES.lesson,
        )
    return _describe_entries(returned, right, out)


def _name_content(returned: Any, right: Any, out: Any) -> Explanation | None:
    if same(returned, out):
        return _explain(
            say("it is the value of the function, not its Jacobian"),
            say("The value says where the output is, the Jacobian how it changes."),
            say("Entry [i, j] is the slope of output i for a change of input j."),
        )
    for order in permutations(range(right.ndim)) if right.ndim <= 4 else ():
        if order != tuple(range(right.ndim)) and same(returned, np.transpose(right, order)):
            if right.ndim == 2:
                return BY_ID["transposed"].explain("", **TRANSPOSED)
            return _explain(
                say("its axes are in another order"),
                say("The numbers are right, but stand at other places."),
                say("The axes of the output come first, then those of the input."),
            )
    square = right.ndim == 2 and right.shape[0] == right.shape[1]
    if square and same(returned, np.eye(len(right))):
        return _explain(
            say("it is the identity matrix"),
            say("That is the Jacobian of a function whose outputs are its inputs, as they are."),
            FORMULA,
        )
    if square and same(returned, np.diagonal(right)):
        return _explain(
            say("it is the diagonal of the Jacobian alone"),
            say("The Jacobian has the slopes of each output for the other inputs too, zeros or not."),
            say("`np.diag(d)` makes a matrix of the diagonal d."),
        )
    if square and same(returned, np.diag(np.diagonal(right))):
        return _explain(
            say("only its diagonal is right, the rest is 0"),
            say("The outputs depend on other inputs than their own here."),
            say("Write the slope of output i for input j ≠ i too."),
        )
    return None


def _describe_entries(returned: Any, right: Any, out: Any) -> Explanation:
    """Describe where the wrong entries are, and one of them."""
    wrong = ~np.isclose(returned, right, rtol=1e-6, atol=1e-9)
    at = tuple(int(i) for i in np.argwhere(wrong)[0]) if wrong.any() else (0,) * right.ndim
    place = f"J[{', '.join(map(str, at))}]"
    output, given = _format_index(at[: np.ndim(out)]), _format_index(at[np.ndim(out) :])
    measured = say(
        "{place} is the slope of output {output} for a change of input {given}: {right:.4g}, not {returned:.4g}.",
        **{"place": place, "output": output, "given": given, "right": right[at], "returned": returned[at]},
    )
    own = np.eye(len(right), dtype=bool) if right.ndim == 2 and right.shape[0] == right.shape[1] else None
    if own is not None and not np.any(right[~own]) and np.any(returned[~own]):
        return _explain_beside(returned, right, own)
    if own is not None and not np.any(returned[~own]) and np.any(right[~own]):
        return _explain(
            say("the entries beside its diagonal are 0, and should not be"),
            say("Each output depends on several inputs here. {measured}", measured=measured),
            say("Write the slope of output i for each input j ≠ i too."),
        )
    if wrong.any() and not np.any(right[wrong]):
        return _explain(
            say("entries that should be 0 are not"),
            say(
                "Output {output} does not depend on input {given}. {measured}",
                output=output,
                given=given,
                measured=measured,
            ),
            say("Start from zeros; write only the entries where the output depends on the input."),
        )
    if same(returned[wrong], -right[wrong]):
        title = say("{wrong} of {count} entries have the wrong sign", wrong=int(wrong.sum()), count=wrong.size)
        return _explain(title, measured, say("Differentiate again and mind each minus."))
    title = say(
        "{wrong} of {count} entries are off{line}",
        wrong=int(wrong.sum()),
        count=wrong.size,
        line=_describe_line(wrong),
    )
    return _explain(title, measured, say(OF_ENTRY))


def _describe_line(wrong: Any) -> str:
    """Return where all wrong entries of a matrix are, if in one row or column or on the diagonal."""
    if wrong.ndim != 2 or min(wrong.shape) < 2 or wrong.sum() < 2:
        return ""
    rows, columns = np.nonzero(wrong)
    if len({*rows}) == 1:
        return say(", all in row {row}", row=rows[0])
    if len({*columns}) == 1:
        return say(", all in column {column}", column=columns[0])
    if np.array_equal(rows, columns):
        return say(", all on the diagonal")
    square = wrong.shape[0] == wrong.shape[1]
    return say(", all beside the diagonal") if square and not np.diagonal(wrong).any() else ""


def _explain_beside(returned: Any, right: Any, own: Any) -> Explanation:
    """Explain entries beside the diagonal, where each output depends on its own input alone."""
    i, j = (int(k) for k in np.argwhere(~own & (returned != 0))[0])
    measured = say(
        "Output [{i}] does not depend on input [{j}], so J[{i}, {j}] is 0, not {returned:.4g}.",
        i=i,
        j=j,
        returned=returned[i, j],
    )
    rest = "" if same(returned[own], right[own]) else say(" Some entries on the diagonal are wrong too.")
    return _explain(
        say("the entries beside its diagonal should be 0"),
        measured + rest,
        say("`np.diag(d)` makes a matrix of the slopes d, with zeros beside the diagonal."),
    )


def _format_index(index: Shape) -> str:
    return f"[{', '.join(map(str, index))}]" if index else say("(a number)")


def _explain(title: str, why: str, hint: str) -> Explanation:
    return replace(ENTRIES, title=title, why=why, hint=hint)


ENTRIES = Explanation(
    "jacobian-entries",
    "entries of the Jacobian stand elsewhere, or are other numbers",
    "Entry [i, j] is the slope of output i for a change of input j.",
    NUDGE,
    "Write the formula of one output, and differentiate it for one input.",
    "lecture 03, From one slope to a table of slopes",
    named=False,
)
