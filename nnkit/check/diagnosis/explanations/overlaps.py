"""Shares of a gradient that were lost: `=` where `+=` is due, rows or windows left out, the diagonal alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, combinations
from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, same
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.sites import Site, list_sites
from nnkit.language import say, to_say
from nnkit.text import join_words

BRANCH = to_say("lecture 01, Where a wire branches")
BIAS = to_say("lecture 03, Broadcasting and the bias")
PARTS = (
    (slice(None, -1), to_say("the last share is left out"), to_say("the last entry is left out")),
    (slice(1, None), to_say("the first share is left out"), to_say("the first entry is left out")),
    (slice(0, 1), to_say("only the first share counts"), to_say("only the first entry is filled in")),
    (slice(-1, None), to_say("only the last share counts"), to_say("only the last entry is filled in")),
)
"""Which of the entries along an axis have a share, with words for shares of a sum and for entries of a gradient."""
FIRST = (
    to_say("Where does the code stop after the first share: at a `return` inside the loop, or at an index [0]?"),
    to_say(
        "Return after the loop, not inside, and sum over all entries along the axis in place of taking [0]; what "
        "comes back from later steps is added too."
    ),
)
LAST = (
    to_say("What is left of what the first step of the loop wrote?"),
    to_say("Start from zeros and add in each step, `+=` in place of `=`; or sum over the axis with `sum(axis=...)`."),
)
"""Better hints where only the first (the last) of several shares is left."""
NEXT_STEP: dict[str, Any] = {
    "title": to_say("the gradient that comes back from the next step is missing"),
    "why": to_say("Each step moves its own output and, through the state that it hands on, those of all later steps."),
    "nudge": to_say("On which two ways does the state of a step reach the loss?"),
    "hint": to_say("Keep what goes back to the state before, and add it to upstream[t] in the step before."),
}
"""Better words where the later shares come through the steps of a recurrence."""


def join_axes(axes: tuple[int, ...]) -> str:
    """Return axes in words: "axis 0", "axes 0 and 1"."""
    return say("axis {axes}" if len(axes) == 1 else "axes {axes}", axes=join_words([str(axis) for axis in axes]))


def collect(found: Iterator[tuple[Explanation, int, Any]], comparison: Comparison) -> Variants:
    """Return variants from what each of them claims of one gradient."""
    variants: dict[Any, list[Any]] = {}
    for key, i, gradient in found:
        if np.shape(gradient) == np.shape(comparison.returned[i]) and not same(gradient, comparison.right[i]):
            variants.setdefault(key, [None] * len(comparison.right))[i] = gradient
    return {key: tuple(claims) for key, claims in variants.items()}


# ---- one share in place of several ------------------------------------------------------------------


def _replaced(comparison: Comparison) -> Variants:
    return collect(_list_replaced(comparison), comparison)


def _list_replaced(comparison: Comparison) -> Iterator[tuple[Explanation, int, Any]]:
    for i in range(len(comparison.right)):
        for site in list_sites(comparison, i):
            subsets = chain.from_iterable(combinations(site.axes, n) for n in range(1, len(site.axes) + 1))
            for axes in subsets:
                for which in ("last", "first"):
                    key = _describe_replaced(comparison.name(i), site.output, axes, which)
                    if which == "first" and axes == (0,) and _goes_on(site):
                        key = replace(key, **NEXT_STEP)
                    yield key, i, site.fold(keep_one(site, axes, which))


def _goes_on(site: Site) -> bool:
    """Return True if the input has a row for each row of the output, and each of them moves its own and later rows."""
    steps = site.shares.shape[0]
    if len(site.shape) < 2 or site.shape[0] != steps or steps < 2:
        return False
    shares = np.abs(site.shares.reshape(steps, -1, steps, site.shares.shape[-1] // steps)).sum(axis=(1, 3))
    return not np.any(np.triu(shares, 1)) and bool(np.all(shares[np.tril_indices(steps)] > 0))


def keep_one(site: Site, axes: tuple[int, ...], which: str) -> np.ndarray:
    """Return the gradient with the last (or first) share alone of those along these axes, in the order of loops."""
    others = tuple(a for a in range(site.shares.ndim - 1) if a not in axes)
    ordered = np.transpose(site.shares, (*axes, *others, site.shares.ndim - 1))
    steps = int(np.prod([site.shares.shape[a] for a in axes]))
    ordered = ordered.reshape(steps, -1, site.shares.shape[-1])
    written, total = (ordered != 0).any(axis=1), ordered.sum(axis=1)
    step = np.argmax(written, axis=0) if which == "first" else len(written) - 1 - np.argmax(written[::-1], axis=0)
    kept: np.ndarray = total[step, np.arange(total.shape[1])]
    return kept


def _describe_replaced(name: str, output: str, axes: tuple[int, ...], which: str) -> Explanation:
    why = say(
        "Several entries of {output} use the same entry of {name}, along {axes}; their shares add.",
        output=output,
        name=name,
        axes=join_axes(axes),
    )
    if which == "last":
        kept = replace(
            REPLACED.explain(""),
            why=say("{why} Yours has the last one alone, as `=` gives where `+=` is due.", why=why),
        )
    else:
        kept = replace(
            REPLACED.explain(""),
            why=say("{why} Yours has the first one alone.", why=why),
            nudge=FIRST[0],
            hint=FIRST[1],
        )
    last, first = (
        to_say("of the shares that each entry gets, only the last one was kept"),
        to_say("of the shares that each entry gets, only the first one was kept"),
    )
    return replace(kept, title=last if which == "last" else first)


# ---- shares left out --------------------------------------------------------------------------------


def _left_out(comparison: Comparison) -> Variants:
    return collect(chain(_list_left_out(comparison), _list_empty(comparison)), comparison)


def _list_left_out(comparison: Comparison) -> Iterator[tuple[Explanation, int, Any]]:
    for i in range(len(comparison.right)):
        for site in list_sites(comparison, i):
            for axis in site.axes:
                for part, words, _ in PARTS:
                    taken = site.shares[(slice(None),) * axis + (part,)]
                    gradient = taken.reshape(-1, taken.shape[-1]).sum(axis=0)
                    title = say(
                        "along axis {axis} of {output}, {words}",
                        **{"axis": axis, "output": site.output, "words": say(words)},
                    )
                    yield _describe_left_out(title, part), i, site.fold(gradient)


def _list_empty(comparison: Comparison) -> Iterator[tuple[Explanation, int, Any]]:
    """Yield the right gradient with entries along an axis of its own left 0, or left away."""
    for i, right in enumerate(comparison.right):
        for axis in range(np.ndim(right)):
            for part, _, words in PARTS:
                index = (slice(None),) * axis + (part,)
                filled = np.zeros_like(right)
                filled[index] = right[index]
                title = say(
                    "along axis {axis} of d{name}, {words}", axis=axis, name=comparison.name(i), words=say(words)
                )
                yield _describe_empty(title), i, filled
                if np.shape(right[index]) != np.shape(right):
                    title = say("{title} and its axis is shorter", title=title)
                    yield _describe_empty(title), i, right[index]


def _describe_left_out(title: str, part: slice) -> Explanation:
    words = LEFT_OUT.nudge, LEFT_OUT.hint
    nudge, hint = FIRST if part == slice(0, 1) else LAST if part == slice(-1, None) else words
    return replace(LEFT_OUT.explain(""), title=title, nudge=nudge, hint=hint)


def _describe_empty(title: str) -> Explanation:
    return replace(
        LEFT_OUT.explain(""),
        title=title,
        why="The entries that were filled in are right, the others were left as they were made.",
    )


# ---- the diagonal -----------------------------------------------------------------------------------


def _on_diagonal(comparison: Comparison) -> Variants:
    return collect(_list_diagonals(comparison), comparison)


def _list_diagonals(comparison: Comparison) -> Iterator[tuple[Explanation, int, Any]]:
    for i in range(len(comparison.right)):
        for site in list_sites(comparison, i):
            square = site.shares.reshape(-1, site.shares.shape[-1])
            if len(square) == square.shape[1] and len(square) > 1:
                why = say(
                    "Entries of {output} depend on other entries of {name} than their own.",
                    output=site.output,
                    name=comparison.name(i),
                )
                yield replace(DIAGONAL.explain(""), why=why), i, site.fold(np.diagonal(square))


REPLACED = Mistake(
    "shares-replaced",
    "of the shares that each entry gets, only one was kept",
    "Their shares add.",
    "Which lines write into the same entry more than once? What is left of what the first one wrote?",
    "Start from zeros, and add with `+=`. Where an index array can repeat, write `np.add.at(dx, index, shares)`: "
    "`dx[index] += shares` keeps one of them.",
    BRANCH,
    _replaced,
    named=False,
)
LEFT_OUT = Mistake(
    "shares-left-out",
    "a part of the shares is left out",
    "Every entry of the output that uses it has a share in the gradient.",
    "How far does the loop (or the slice) go? Is its first and its last step taken?",
    "Let the loop run over all of the axis, or sum over it with `sum(axis=...)`.",
    BIAS,
    _left_out,
    named=False,
)
DIAGONAL = Mistake(
    "jacobian-diagonal",
    "only the diagonal of the Jacobian was used",
    "Its output depends on other entries than its own.",
    "If one entry of the input grows, which entries of the output change?",
    "Add the shares of all outputs: dx[j] = Σ upstream[i] · J[i, j], over every i.",
    "lecture 03, Why an elementwise gate's Jacobian is diagonal",
    _on_diagonal,
    named=False,
)
EXPLANATIONS = (REPLACED, LEFT_OUT, DIAGONAL)
