"""The search for the mistake: named only if exactly one entry of the catalogue, or one pair, explains everything.

What no name explains is described, if something in `nnkit.check.diagnosis.explanations` gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit.check.diagnosis.explanations import EXPLANATIONS
from nnkit.check.diagnosis.mistakes import BY_ID, CATALOGUE, UNDO, Mistake, Variants
from nnkit.check.diagnosis.mistakes.base import Key, same
from nnkit.check.diagnosis.mistakes.inject import forward_with
from nnkit.check.diagnosis.mistakes.local import FORWARDS
from nnkit.check.diagnosis.mistakes.unfilled import vanishes
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation, GradientFault
from nnkit.check.evidence.function_graph import recognise_gate, trace_function
from nnkit.language import say

Table = list[Variants]
"""Variants of one mistake in each comparison."""
MIN_DESCRIBED_ERROR = 1e-9
"""Error, as a share of the largest entry, up to which no description is looked for: whatever is right explains it."""
MIN_PAIR_ERROR = 1e-4
"""Error, as a share of the largest entry, up to which two mistakes explain nothing together: they undo each other."""


def find_mistakes(comparisons: Sequence[Comparison]) -> tuple[GradientFault, ...]:
    """Return what is wrong with each wrong gradient: the one mistake, or the one pair, that explains every comparison;
    where no name does, or several do (no guessing), a description that fits; else nothing."""
    # A mistake can be invisible in one comparison (a symmetric product hides a transpose): ask for the gradients
    # that are wrong in any comparison, in all of them.
    wrong = [i for i in range(len(comparisons[0].targets)) if any(comparison.is_wrong(i) for comparison in comparisons)]
    if not wrong:
        return ()
    with np.errstate(all="ignore"):
        tables = _collect_tables(comparisons)
        together = _take_only(_find_single(comparisons, tables, wrong))
        apart = [_take_only(_find_single(comparisons, tables, [i])) for i in wrong]
        if together and not any(_is_empty(names) for names in apart if names != together):
            return (GradientFault(tuple(wrong), together),)
        if not all(apart):
            unnamed = [i for i, names in zip(wrong, apart) if not names]
            pair = () if _are_described(comparisons, unnamed) else _find_pair(comparisons, tables, wrong)
            if pair:
                return (GradientFault(tuple(wrong), pair),)
            single = [names if names and BY_ID[names[0].id].single else () for names in apart]
            apart = _describe_unnamed(comparisons, wrong, single)
        return merge_faults(wrong, apart)


def list_explanations(faults: Iterable[GradientFault]) -> tuple[Explanation, ...]:
    """Return the different explanations of these faults, in their order."""
    return tuple(dict.fromkeys(explanation for fault in faults for explanation in fault.explanations))


def merge_faults(wrong: Sequence[int], found: Sequence[tuple[Explanation, ...]]) -> tuple[GradientFault, ...]:
    """Return these gradients with what explains each, those together that have the same explanations."""
    gradients: dict[tuple[Explanation, ...], list[int]] = {}
    for i, explanations in zip(wrong, found):
        gradients.setdefault(explanations, []).append(i)
    return tuple(GradientFault(tuple(at), explanations) for explanations, at in gradients.items())


def find_value_mistakes(function: Callable[..., Any], inputs: Sequence[Any], value: np.ndarray) -> tuple[str, ...]:
    """Return the mistake in the forward that gives this value in place of the function's own, if one is known to."""
    graphs = (trace_function(function, inputs), recognise_gate(inputs, np.asarray(function(*inputs))))
    found = set()
    for graph in graphs:
        for id, forwards in FORWARDS.items():
            spots = [place for place in graph.places if type(place.gate) in forwards] if graph else []
            if graph and any(same(value, forward_with(graph, spot, forwards[type(spot.gate)])) for spot in spots):
                found.add(id)
    return tuple(found) if len(found) == 1 else ()


# ---- names ------------------------------------------------------------------------------------------


def _collect_tables(comparisons: Sequence[Comparison]) -> dict[str, Table]:
    """Return the variants of each mistake, by its id, in each comparison."""
    varied = len({comparison.batch for comparison in comparisons}) > 1
    claimed = [m for m in CATALOGUE if varied or not m.needs_batches]
    return {m.id: [m.variants(comparison) for comparison in comparisons] for m in claimed}


def _find_single(
    comparisons: Sequence[Comparison], tables: dict[str, Table], wrong: list[int]
) -> dict[str, Explanation]:
    """Return what explains these gradients in all comparisons, by its id, without what another one refines."""
    every = list(range(len(comparisons[0].targets)))
    found = {}
    for id, table in tables.items():
        keys = _find_explaining(comparisons, table, every if BY_ID[id].whole else wrong)
        if keys and _holds(BY_ID[id], comparisons, wrong):
            found[id] = BY_ID[id].explain(keys[0], **BY_ID[id].words(comparisons[0]))
    if "swapped-inputs" in found:  # it explains those that came out right too, and so must what refines it
        found = {id: e for id, e in found.items() if _find_explaining(comparisons, tables[id], every)}
    if comparisons[0].engine and "overwritten-branch" in found:  # there each use of a value has a line of its own
        return {"overwritten-branch": found["overwritten-branch"]}
    refined = {id for precise in found for id in BY_ID[precise].refines}
    return {id: explanation for id, explanation in found.items() if id not in refined}


def _holds(mistake: Mistake, comparisons: Sequence[Comparison], wrong: Iterable[int]) -> bool:
    """Return True if the mistake's claim is borne out by the numbers of every wrong gradient."""
    return all(mistake.holds(comparison, i) for comparison in comparisons for i in wrong if comparison.is_wrong(i))


def _find_explaining(comparisons: Sequence[Comparison], table: Table, wrong: Sequence[int]) -> list[Key]:
    """Return the variants that give what came back in every comparison, and that are wrong in at least one."""
    common = [key for key in table[0] if all(key in variants for variants in table[1:])]
    return [
        key
        for key in common
        if all(_explains(t, v[key], wrong) for t, v in zip(comparisons, table))
        and any(t.targets[i].misses(v[key][i]).any() for t, v in zip(comparisons, table) for i in wrong)
    ]


def _explains(comparison: Comparison, would: tuple[Any, ...], wrong: Sequence[int]) -> bool:
    return len(would) == len(comparison.returned) and all(_gives(comparison, would[i], i) for i in wrong)


def _gives(comparison: Comparison, would: Any, i: int) -> bool:
    """Return True if this is the i-th gradient that came back."""
    if would is None:
        return False
    if would is comparison.returned[i]:  # a claim about what came back, which may be NaN
        return True
    if not same(comparison.returned[i], would):
        return False
    if vanishes(comparison, i) and np.any(would):  # what cancels up to rounding is explained by what is exactly 0
        return False
    return _better_than_right(comparison, would, i)


def _better_than_right(comparison: Comparison, would: Any, i: int) -> bool:
    """Return True if these gradients leave little of the error unexplained."""
    returned, right = np.asarray(comparison.returned[i]), comparison.right[i]
    if returned.shape != np.shape(right) or not comparison.is_wrong(i):
        return True
    returned = returned.astype(float)  # float32 minus a Python float is rounded to float32
    return bool(np.max(np.abs(returned - would)) <= 0.01 * np.max(np.abs(returned - right)))


def _is_empty(names: tuple[Explanation, ...]) -> bool:
    """Return True for a gradient that was never computed: what the others have in common shows nothing in it."""
    return [e.id for e in names] == ["not-filled-in"]


def _take_only(found: dict[str, Explanation]) -> tuple[Explanation, ...]:
    return tuple(found.values()) if len(found) == 1 else ()


# ---- pairs ------------------------------------------------------------------------------------------


def _find_pair(
    comparisons: Sequence[Comparison], tables: dict[str, Table], wrong: Sequence[int]
) -> tuple[Explanation, ...]:
    """Return two mistakes, one on top of the other, if exactly one pair explains every comparison."""
    if not all(_is_far_off(comparison, i) for comparison in comparisons for i in wrong if comparison.is_wrong(i)):
        return ()
    pairs: set[frozenset[str]] = set()
    for second, undo in UNDO:
        undone = [_undo(comparison, undo) for comparison in comparisons]
        for first in tables.keys() - {second, "low-precision", "regularisation", "not-filled-in"}:
            mistake = BY_ID[first]
            table = [mistake.variants(t) for t in undone] if mistake.reads_returned else tables[first]
            checked = range(len(comparisons[0].targets)) if mistake.whole else wrong
            if _find_explaining(undone, table, list(checked)):
                pairs.add(frozenset((first, second)))
    pairs.discard(frozenset(("factor", "no-batch-mean")))  # the two are one factor
    if comparisons[0].step_size:  # a multiple of a sum is any step of equal entries
        pairs.discard(frozenset(("factor", "sum-all")))
    left = [pair for pair in pairs if not any(_refines(other, pair) for other in pairs)]
    return _explain_pair(comparisons[0], sorted(left[0])) if len(left) == 1 else ()


def _explain_pair(comparison: Comparison, ids: Sequence[str]) -> tuple[Explanation, ...]:
    """Return two explanations with one sentence: what each says of the numbers is not true of the two together."""
    found = [BY_ID[id].explain("", **BY_ID[id].words(comparison)) for id in ids]
    why = say("Each of the two alone gives other numbers; both together give these.")
    return tuple(replace(e, why=why if k == 0 else "") for k, e in enumerate(found))


def _is_far_off(comparison: Comparison, i: int, least: float = MIN_PAIR_ERROR) -> bool:
    returned, right = np.asarray(comparison.returned[i]), comparison.right[i]
    if returned.shape != right.shape:
        return True
    return float(np.max(np.abs(returned - right))) > least * float(np.max(np.abs(right), initial=0.0))


def _undo(comparison: Comparison, undo: Callable[[Any, Comparison], Any]) -> Comparison:
    return comparison.with_returned(tuple(undo(np.asarray(w), comparison) for w in comparison.returned))


def _refines(precise: frozenset[str], plain: frozenset[str]) -> bool:
    """Return True if one pair is the other with a more precise name for one of the two."""
    (new,), (old,) = (precise - plain, plain - precise) if len(precise & plain) == 1 else ({""}, {""})
    return old in BY_ID[new].refines if new else False


# ---- descriptions -----------------------------------------------------------------------------------


def _describe_unnamed(
    comparisons: Sequence[Comparison], wrong: Sequence[int], named: Sequence[tuple[Explanation, ...]]
) -> list[tuple[Explanation, ...]]:
    """Return the explanations of each wrong gradient, with the first description that fits for those without a name;
    one that fits all of these before one that fits each."""
    unnamed = [i for i, names in zip(wrong, named) if not names]
    tables: dict[Any, Table] = {}
    far = [i for i in unnamed if all(_is_far_off(t, i, MIN_DESCRIBED_ERROR) for t in comparisons if t.is_wrong(i))]
    together = _find_description(comparisons, unnamed, tables) if far == unnamed else ()
    found = {i: together or (_find_description(comparisons, [i], tables) if i in far else ()) for i in unnamed}
    return [names or found[i] for i, names in zip(wrong, named)]


def _are_described(comparisons: Sequence[Comparison], unnamed: Sequence[int]) -> bool:
    """Return True if each of these gradients has a description that is closer to it than a pair of names."""
    precise = [entry for entry in EXPLANATIONS if entry.before_pairs]
    tables: dict[Any, Table] = {}
    return all(_find_description(comparisons, [i], tables, precise) for i in unnamed)


def _find_description(
    comparisons: Sequence[Comparison],
    wrong: list[int],
    tables: dict[Any, Table],
    entries: Sequence[Mistake] = EXPLANATIONS,
) -> tuple[Explanation, ...]:
    for entry in entries:
        if entry.variants not in tables:
            tables[entry.variants] = [entry.variants(comparison) for comparison in comparisons]
        keys = _find_explaining(comparisons, tables[entry.variants], wrong)
        if keys and _holds(entry, comparisons, wrong):
            return (entry.explain(keys[0]),)
    return ()
