"""The search for the mistake: named only if exactly one entry of the catalogue, or one pair, explains everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes import BY_ID, CATALOGUE, UNDO, Variants
from nnkit.check.diagnosis.mistakes.base import same
from nnkit.check.diagnosis.mistakes.inject import forward_with
from nnkit.check.diagnosis.mistakes.local import FORWARDS
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.function_graph import recognise_gate, trace_function


@dataclass(frozen=True)
class Diagnosis:
    """One mistake, two that are made on top of each other or in different gradients, or none."""

    mistakes: tuple[str, ...] = ()
    """Ids; the first is that of the first gradient that is wrong."""
    gradients: tuple[int, ...] = ()
    """The position of the first gradient that has each, if they are in different gradients."""


def find_mistakes(comparisons: Sequence[Comparison]) -> Diagnosis:
    """Return the one mistake, or the one pair, that explains every comparison; none where several do: no guessing."""
    # A mistake can be invisible in one comparison (a symmetric product hides a transpose): ask for the gradients
    # that are wrong in any comparison, in all of them.
    wrong = [i for i in range(len(comparisons[0].targets)) if any(comparison.is_wrong(i) for comparison in comparisons)]
    if not wrong:
        return Diagnosis()
    with np.errstate(all="ignore"):
        tables = _collect_variants(comparisons)
        together = _find_single(comparisons, tables, wrong)
        if together:
            return Diagnosis(_take_only(together))
        apart = [_find_single(comparisons, tables, [i]) for i in wrong]
        if all(apart):
            return _combine_gradients(wrong, [_take_only(found) for found in apart])
        return Diagnosis(_find_pair(comparisons, tables, wrong))


def _combine_gradients(wrong: Sequence[int], named: Sequence[tuple[str, ...]]) -> Diagnosis:
    first: dict[str, int] = {}
    for i, found in zip(wrong, named):
        if not found:
            return Diagnosis()
        first.setdefault(found[0], i)
    return Diagnosis(tuple(first), tuple(first.values()) if len(first) > 1 else ()) if len(first) <= 2 else Diagnosis()


def find_value_mistakes(function: Callable[..., Any], inputs: Sequence[Any], value: np.ndarray) -> tuple[str, ...]:
    """Return the mistake in the forward that gives this value in place of the function's own, if one is known to."""
    graphs = (trace_function(function, inputs), recognise_gate(inputs, np.asarray(function(*inputs))))
    found = set()
    for graph in graphs:
        for id, forwards in FORWARDS.items():
            spots = [place for place in graph.places if type(place.gate) in forwards] if graph else []
            if graph and any(same(value, forward_with(graph, spot, forwards[type(spot.gate)])) for spot in spots):
                found.add(id)
    return _take_only(found)


def _collect_variants(comparisons: Sequence[Comparison]) -> dict[str, list[Variants]]:
    """Return the variants of each mistake, by its id, in each comparison."""
    varied = len({comparison.batch for comparison in comparisons}) > 1
    claimed = [m for m in CATALOGUE if varied or not m.needs_batches]
    return {m.id: [m.variants(comparison) for comparison in comparisons] for m in claimed}


def _find_single(comparisons: Sequence[Comparison], tables: dict[str, list[Variants]], wrong: list[int]) -> set[str]:
    """Return the ids that explain these gradients in all comparisons, without those that another one refines."""
    every = list(range(len(comparisons[0].targets)))
    checked = {id: every if BY_ID[id].whole else wrong for id in tables}
    found = {id for id, variants in tables.items() if _find_explaining(comparisons, variants, checked[id])}
    return found - {id for precise in found for id in BY_ID[precise].refines}


def _find_explaining(comparisons: Sequence[Comparison], variants: list[Variants], wrong: list[int]) -> set[str]:
    """Return the variants that give what came back in every comparison, and that are wrong in at least one."""
    common = set.intersection(*(set(v) for v in variants))
    return {
        key
        for key in common
        if all(_explains(t, v[key], wrong) for t, v in zip(comparisons, variants))
        and any(t.targets[i].misses(v[key][i]).any() for t, v in zip(comparisons, variants) for i in wrong)
    }


def _explains(comparison: Comparison, would: tuple, wrong: list[int]) -> bool:
    return len(would) == len(comparison.returned) and all(
        would[i] is not None and same(comparison.returned[i], would[i]) and _better_than_right(comparison, would[i], i)
        for i in wrong
    )


def _better_than_right(comparison: Comparison, would: Any, i: int) -> bool:
    """Return True if these gradients leave little of the error unexplained."""
    returned, right = comparison.returned[i], comparison.right[i]
    if np.shape(returned) != np.shape(right) or not comparison.is_wrong(i):
        return True
    return bool(np.max(np.abs(returned - would)) <= 0.01 * np.max(np.abs(returned - right)))


def _take_only(found: set[str]) -> tuple[str, ...]:
    return tuple(found) if len(found) == 1 else ()


def _find_pair(
    comparisons: Sequence[Comparison], tables: dict[str, list[Variants]], wrong: list[int]
) -> tuple[str, ...]:
    """Return two mistakes, one on top of the other, if exactly one pair explains every comparison."""
    pairs = set()
    for second, undo in UNDO:
        undone = [_undo(comparison, undo) for comparison in comparisons]
        for first in tables.keys() - {second, "low-precision", "regularisation"}:
            mistake = BY_ID[first]
            variants = [mistake.variants(t) for t in undone] if mistake.reads_returned else tables[first]
            checked = range(len(comparisons[0].targets)) if mistake.whole else wrong
            if _find_explaining(undone, variants, list(checked)):
                pairs.add(frozenset((first, second)))
    left = {pair for pair in pairs if not any(_refines(other, pair) for other in pairs)}
    return tuple(sorted(left.pop())) if len(left) == 1 else ()


def _undo(comparison: Comparison, undo: Callable[[Any, Comparison], Any]) -> Comparison:
    return replace(comparison, returned=tuple(undo(np.asarray(w), comparison) for w in comparison.returned))


def _refines(precise: frozenset[str], plain: frozenset[str]) -> bool:
    """Return True if one pair is the other with a more precise name for one of the two."""
    (new,), (old,) = (precise - plain, plain - precise) if len(precise & plain) == 1 else ({""}, {""})
    return old in BY_ID[new].refines if new else False
