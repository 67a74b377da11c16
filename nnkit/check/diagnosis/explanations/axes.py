"""Axes that were mixed up: summed over the wrong one, averaged, reversed, shifted, divided by the size of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, combinations, permutations
from typing import Any

import numpy as np

from nnkit.check.diagnosis.explanations.overlaps import collect, join_axes
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, same
from nnkit.check.diagnosis.mistakes.sizes import RTOL, find_ratio
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.sites import Site, list_sites
from nnkit.language import say, to_say

BIAS = to_say("lecture 03, Broadcasting and the bias")
SHAPES = to_say("lecture 03, The shape rule")
Claims = Iterator[tuple[Explanation, int, Any]]


def _list_subsets(axes: Any) -> Iterator[tuple[int, ...]]:
    axes = tuple(axes)
    return chain.from_iterable(combinations(axes, n) for n in range(1, len(axes) + 1))


# ---- summed over the wrong axis ---------------------------------------------------------------------


def _summed(comparison: Comparison) -> Variants:
    return collect(chain(_list_wrong_sums(comparison), _list_needless_sums(comparison)), comparison)


def _list_wrong_sums(comparison: Comparison) -> Claims:
    """Yield sums over other axes, and means, for an input that was copied along some."""
    for i in range(len(comparison.right)):
        for site in list_sites(comparison, i):
            copied = _find_copied(site)
            if not copied:
                continue
            unsummed = site.shares.sum(axis=-1)
            for axes in _list_subsets(range(unsummed.ndim)):
                for how, word in ((np.sum, say("summed")), (np.mean, say("averaged"))):
                    if axes == copied and how is np.sum:
                        continue
                    key = _describe_sum(comparison.name(i), site, axes, copied, word)
                    yield from _list_ranks(key, i, how, unsummed, axes, site.shape)


def _list_ranks(
    key: Explanation, i: int, how: Any, values: Any, axes: tuple[int, ...], shape: tuple[int, ...]
) -> Claims:
    flat, kept = how(values, axis=axes), how(values, axis=axes, keepdims=True)
    shapes = {np.shape(flat): flat, np.shape(kept): kept}
    if np.size(flat) == int(np.prod(shape)):
        shapes[shape] = flat.reshape(shape)
    for value in shapes.values():
        yield key, i, value


def _find_copied(site: Site) -> tuple[int, ...]:
    """Return the axes of the output along which the input was copied; none where it was not copied along whole axes."""
    full = site.shares.shape[:-1]
    source = np.argmax(np.abs(site.shares), axis=-1)
    if (np.count_nonzero(site.shares, axis=-1) != 1).any():
        return ()
    copied = tuple(a for a in range(len(full)) if full[a] > 1 and (source == source.take([0], axis=a)).all())
    left = source[tuple(0 if a in copied else slice(None) for a in range(len(full)))]
    return copied if np.array_equal(np.ravel(left), np.arange(site.shares.shape[-1])) else ()


def _describe_sum(name: str, site: Site, axes: tuple[int, ...], copied: tuple[int, ...], word: str) -> Explanation:
    kept = ", keepdims=True" if len(site.shape) == site.shares.ndim - 1 else ""
    axis = copied[0] if len(copied) == 1 else copied
    right = say("it must be summed over {axes}", axes=join_axes(copied))
    return replace(
        SUMMED.explain(""),
        title=say(
            "it was {word} over {axes} of {output}; {right}",
            word=word,
            axes=join_axes(axes),
            output=site.output,
            right=right,
        ),
        why=say(
            "{name} was copied along {axes} of {output}, so the shares of these copies add.",
            name=name,
            axes=join_axes(copied),
            output=site.output,
        ),
        hint=say(
            "Multiply upstream and local entry by entry, then sum over what was copied: `.sum(axis={axis}{kept})`.",
            axis=axis,
            kept=kept,
        ),
    )


def _list_needless_sums(comparison: Comparison) -> Claims:
    """Yield the right gradient, summed or averaged over axes of its own, and perhaps copied back."""
    for i, right in enumerate(comparison.right):
        if comparison.targets[i].jacobian is None:  # a row of a Jacobian is no gradient
            continue
        for axes in _list_subsets(a for a in range(np.ndim(right)) if right.shape[a] > 1):
            if len(axes) == np.ndim(right) > 1:
                continue
            for how, word in ((np.sum, say("summed")), (np.mean, say("averaged"))):
                unspread = _describe_unspread(comparison, i, axes)
                key = unspread or _describe_needless(comparison.name(i), axes, word)
                kept = how(right, axis=axes, keepdims=True)
                for value in (how(right, axis=axes), kept, np.broadcast_to(kept, right.shape)):
                    if not unspread or same(comparison.returned[i], value):
                        yield key, i, value


def _describe_needless(name: str, axes: tuple[int, ...], word: str) -> Explanation:
    return replace(
        SUMMED.explain(""),
        title=say(
            "it was {word} over {axes} of {name}, where nothing should be {word}",
            word=word,
            axes=join_axes(axes),
            name=name,
        ),
        why=say("Each entry of {name} has a gradient of its own.", name=name),
        hint="Leave the sum away, or take it in the factor that was copied along this axis.",
    )


def _describe_unspread(comparison: Comparison, i: int, axes: tuple[int, ...]) -> Explanation | None:
    """Return the words where forward made one number of the entries along these axes, so that upstream has no more of
    them; None where upstream has these axes, and something was really summed."""
    right, upstream, name = comparison.right[i], comparison.upstream, comparison.name(i)
    kept = tuple(1 if a in axes else n for a, n in enumerate(right.shape))
    if upstream.shape not in (kept, tuple(n for a, n in enumerate(right.shape) if a not in axes)):
        return None
    where, returned = join_axes(axes), np.asarray(comparison.returned[i])
    whole = same(np.ravel(returned), np.ravel(upstream))
    title = say("not spread back over {where} of {name}", where=where, name=name)
    if returned.shape == right.shape:
        title = say("the same number for each entry along {where} of {name}", where=where, name=name)
    return replace(
        SUMMED.explain(""),
        title=say("this is upstream as it came, {title}", title=title) if whole else say("it is {title}", title=title),
        why=say(
            "Forward made one number of the entries along {where} of {name}; in d{name} each has its own again.",
            where=where,
            name=name,
        ),
        nudge=say(
            "Which shapes have {name} and upstream? Which entries of {name} does one number of upstream reach?",
            name=name,
        ),
        hint=_say_spread(name, right, upstream, kept, axes),
    )


def _say_spread(name: str, right: Any, upstream: Any, kept: tuple[int, ...], axes: tuple[int, ...]) -> str:
    """Return how upstream becomes this gradient: copied, divided by a mean's n too, or with a slope for each entry."""
    spread = np.broadcast_to(upstream.reshape(kept), right.shape)
    n, along = int(np.prod([right.shape[a] for a in axes])), say("along {axes}", axes=join_axes(axes))
    axis = axes[0] if len(axes) == 1 else axes
    one = "upstream" if upstream.shape == kept else f"np.expand_dims(upstream, {axis})"
    if same(right, spread):
        return say("Copy upstream {along}: `np.zeros({name}.shape) + {one}`.", along=along, name=name, one=one)
    if same(right, spread / n):
        sizes = " / ".join(f"{name}.shape[{a}]" for a in axes)
        return say(
            "Copy upstream {along}, divided by the n of the mean: `np.zeros({name}.shape) + {one} / {sizes}`.",
            along=along,
            name=name,
            one=one,
            sizes=sizes,
        )
    slope = say("that of a maximum is 1 at the largest entry and 0 elsewhere")
    return say(
        "Copy upstream {along}, `{one}`, and multiply by the slope of each entry of {name}; {slope}.",
        along=along,
        one=one,
        name=name,
        slope=slope,
    )


# ---- other places -----------------------------------------------------------------------------------


def _moved(comparison: Comparison) -> Variants:
    return collect(chain(_list_reversed(comparison), _list_shifted(comparison), _list_mixed(comparison)), comparison)


def _list_reversed(comparison: Comparison) -> Claims:
    for i, right in enumerate(comparison.right):
        for axes in _list_subsets(a for a in range(np.ndim(right)) if right.shape[a] > 1):
            title = say("the right numbers in reverse order along {axes}", axes=join_axes(axes))
            yield _describe_move(title), i, np.flip(right, axes)


def _list_shifted(comparison: Comparison) -> Claims:
    for i, right in enumerate(comparison.right):
        for axis in range(np.ndim(right)):
            for step in (1, -1):
                moved = np.roll(right, step, axis)
                words = say(
                    "shifted by one onwards along axis {axis}" if step > 0 else "shifted by one back along axis {axis}",
                    axis=axis,
                )
                yield _describe_move(say("the right numbers, {words}", words=words)), i, moved
                cut = np.array(moved)
                cut[(slice(None),) * axis + (0 if step > 0 else -1,)] = 0
                yield (
                    _describe_move(say("the right numbers, {words}, with zeros at the end that was left", words=words)),
                    i,
                    cut,
                )


def _list_mixed(comparison: Comparison) -> Claims:
    """Yield axes in another order, and slices along an axis in another order."""
    for i, (right, returned) in enumerate(zip(comparison.right, comparison.returned)):
        for axes in list(permutations(range(np.ndim(right))))[1:] if 3 <= np.ndim(right) <= 4 else []:
            if same(returned, np.transpose(right, axes)):
                yield _describe_move(say("the right numbers with the axes in another order")), i, returned
        if np.shape(returned) != np.shape(right):
            continue
        for axis in range(np.ndim(right)):
            order = _match_slices(np.moveaxis(returned, axis, 0), np.moveaxis(right, axis, 0))
            if order:
                title = say("the right numbers in another order along axis {axis}", axis=axis)
                yield _describe_move(title), i, np.take(right, order, axis=axis)


def _match_slices(returned: Any, right: Any) -> list[int]:
    """Return the order of the right slices that came back; empty if there is none."""
    left, order = list(range(len(right))), []
    for part in returned:
        k = next((k for k in left if same(part, right[k])), None)
        if k is None:
            return []
        left.remove(k)
        order.append(k)
    return order


def _describe_move(title: str) -> Explanation:
    return replace(MOVED.explain(""), title=say("it has {title}", title=title))


# ---- another size -----------------------------------------------------------------------------------


def _divided(comparison: Comparison) -> Variants:
    return collect(_list_divided(comparison), comparison)


def _list_divided(comparison: Comparison) -> Claims:
    sizes = [
        (size, say("axis {axis} of {name}", axis=axis, name=name))
        for name, x in zip(comparison.names, comparison.inputs)
        for axis, size in enumerate(np.shape(x))
        if size > 1
    ]
    for i, right in enumerate(comparison.right):
        ratio = find_ratio(comparison, i)
        for (p, one), (q, other) in permutations(sizes, 2):
            if ratio is not None and p != q and abs(ratio * q / p - 1) < RTOL:
                key = replace(
                    DIVIDED.explain(""),
                    title=say(
                        "it comes out as if divided by the size of {other} in place of that of {one}",
                        other=other,
                        one=one,
                    ),
                    why=say(
                        "It is the right one times p / q, where p is the size of {one} and q that of {other}.",
                        one=one,
                        other=other,
                    ),
                )
                yield key, i, right * p / q


SUMMED = Mistake(
    "summed-over-axis",
    "it was summed over the wrong axis",
    "The shares of copies add.",
    "Write both shapes below each other. Along which axes was this input copied to reach the output's shape?",
    "Sum over the axes along which the input was copied, and over no other.",
    BIAS,
    _summed,
    reads_returned=True,
    named=False,
    before_pairs=True,
)
MOVED = Mistake(
    "entries-moved",
    "the right numbers stand at other places",
    "Each number is right, but is the gradient of another entry.",
    "Follow one entry from the input to the output and back. Which index does it have at each step?",
    "Write the gradient to the index that forward read from, and undo each flip, shift or transpose that forward made.",
    SHAPES,
    _moved,
    reads_returned=True,
    named=False,
    before_pairs=True,
)
DIVIDED = Mistake(
    "divided-by-another-size",
    "it was divided by the size of another axis",
    "A mean over an axis has 1 over the size of that axis in its gradient.",
    "Over which axis does forward take the mean? How many numbers does it add up there?",
    "Divide by the number of entries that the mean is taken of, x.shape[axis] for that axis.",
    "lecture 03, Batches",
    _divided,
    named=False,
    before_pairs=True,
)
EXPLANATIONS = (SUMMED, MOVED)
