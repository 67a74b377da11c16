"""Windows of an image or a sequence: a backward that moves them, or writes them over each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from nnkit.check.diagnosis.explanations.overlaps import REPLACED, collect
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.sites import list_sites
from nnkit.language import say

Claims = Iterator[tuple[Explanation, int, Any]]
MAX_WINDOW = 7


# ---- any function of windows -----------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Windows:
    """The shares of windows of `size` entries at steps of `stride` along the last axes of an input."""

    shares: np.ndarray
    """(*steps along those axes, *shape of the input), summed over the output's other axes"""
    size: int
    stride: int
    count: int
    """Number of axes of the windows."""

    @property
    def steps(self) -> Iterator[tuple[Any, ...]]:
        return np.ndindex(self.shares.shape[: self.count])

    def at(self, step: tuple[Any, ...], stride: int) -> tuple[Any, ...]:
        """Return the index of the window at this step."""
        return (..., *(slice(i * stride, i * stride + self.size) for i in step))


def list_windows(comparison: Comparison, i: int) -> Iterator[Windows]:
    """Yield each way to see the function as one of windows that hold all shares."""
    shape = np.shape(comparison.given[i])
    for site, count in product(list_sites(comparison, i)[:1], (2, 1) if len(shape) != 3 else (1, 2)):
        out = site.shares.shape[:-1]
        if (
            count > len(shape)
            or site.output != say("the output")
            or len(out) != len(shape)
            or out[:-count] != shape[:-count]
        ):
            continue
        summed = site.shares.sum(axis=tuple(range(len(out) - count))).reshape(*out[len(out) - count :], *shape)
        for size, stride in product(range(1, MAX_WINDOW + 1), range(1, MAX_WINDOW + 1)):
            fits = [n >= size and (n - size) // stride + 1 == m for n, m in zip(shape[-count:], out[-count:])]
            windows = Windows(summed, size, stride, count)
            if stride <= size and all(fits) and _holds_all(windows):
                yield windows


def _holds_all(windows: Windows) -> bool:
    return all(
        np.count_nonzero(windows.shares[step][windows.at(step, windows.stride)])
        == np.count_nonzero(windows.shares[step])
        for step in windows.steps
    )


def _place(windows: Windows, stride: int, add: bool) -> np.ndarray:
    """Return the gradient with the windows at this stride, added or written over each other."""
    total = np.zeros(windows.shares.shape[windows.count :])
    for step in windows.steps:
        share = windows.shares[step][windows.at(step, windows.stride)]
        index = windows.at(step, stride)
        total[index] = total[index] + share if add else share
    return total


def _pooled(comparison: Comparison) -> Variants:
    return collect(_list_pooled(comparison), comparison)


def _list_pooled(comparison: Comparison) -> Claims:
    for i in range(len(comparison.right)):
        name = comparison.name(i)
        for windows in list_windows(comparison, i):
            where = say(
                "Windows of {size} at steps of {stride} go over {name}.",
                size=windows.size,
                stride=windows.stride,
                name=name,
            )
            overlap = windows.stride < windows.size
            if overlap:
                yield _describe_overlap(where), i, _place(windows, windows.stride, add=False)
            if windows.stride > 1:
                yield _describe_stride(where), i, _place(windows, 1, add=True)
                over = say("{where} What a later window writes over is lost.", where=where)
                yield _describe_stride(over), i, _place(windows, 1, add=False)


def _describe_overlap(where: str) -> Explanation:
    why = say(
        "{where} They overlap, so an entry has a share from each of its windows; yours has the last one's.", where=where
    )
    return replace(REPLACED.explain(""), title="where windows overlap, only the last one was kept", why=why)


def _describe_stride(where: str) -> Explanation:
    title = say("the windows are at steps of 1, without the stride")
    return replace(STRIDE.explain(""), title=title, why=say("{where} Yours has them at steps of 1.", where=where))


# ---- convolutions -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Convolution:
    """out[n, f] = Σ x[n, c] * w[f, c] over windows, all arrays with four axes."""

    x: np.ndarray
    """Padded with zeros."""
    w: np.ndarray
    upstream: np.ndarray
    stride: int
    padding: int
    turned: bool
    """The kernel is turned by 180° in forward, as mathematicians define a convolution."""

    def gradients(self, stride: int, w: np.ndarray, add: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return dx (padded) and dw with the windows at this stride, and this kernel for dx."""
        dx, dw = np.zeros_like(self.x), np.zeros_like(self.w)
        rows, columns = self.w.shape[2:]
        for i, j in np.ndindex(self.upstream.shape[2:]):
            at = (..., slice(i * stride, i * stride + rows), slice(j * stride, j * stride + columns))
            g = self.upstream[:, :, i, j]
            share = np.tensordot(g, w, 1)
            dx[at] = dx[at] + share if add else share
            dw += np.tensordot(g.T, self.x[at], 1)
        return dx, dw[:, :, ::-1, ::-1] if self.turned else dw


def _find_convolution(comparison: Comparison) -> Convolution | None:
    if len(comparison.inputs) < 2 or np.ndim(comparison.out) not in (1, 2, 4):
        return None
    x, w, out, g = (_widen(a) for a in (*comparison.inputs[:2], comparison.out, comparison.upstream))
    if any(a is None for a in (x, w, out, g)) or x.shape[1] != w.shape[1] or w.size * out.size > 200_000:
        return None
    if np.ndim(comparison.inputs[0]) != np.ndim(comparison.inputs[1]) or out.shape[:2] != (len(x), len(w)):
        return None
    for padding, stride, turned in product(range(max(w.shape[2:])), range(1, 5), (False, True)):
        pads = [(0, 0), (0, 0), *((min(padding, k - 1),) * 2 for k in w.shape[2:])]
        found = Convolution(np.pad(x, pads), w[:, :, ::-1, ::-1] if turned else w, g, stride, padding, turned)
        if _gives(found, out):
            return found
    return None


def _widen(a: Any) -> Any:
    """Return an array with four axes: one row for a sequence, one channel for a single image."""
    a = np.asarray(a, dtype=float)
    return a if a.ndim == 4 else a.reshape(1, 1, *a.shape[:1], *(a.shape[1:] or (1,))) if a.ndim in (1, 2) else None


def _gives(found: Convolution, out: np.ndarray) -> bool:
    """Return True if the convolution, with a bias for each channel, gives this output."""
    if any(n < k for n, k in zip(found.x.shape[2:], found.w.shape[2:])):
        return False
    windows = np.lib.stride_tricks.sliding_window_view(found.x, found.w.shape[2:], axis=(2, 3))
    value = np.einsum("nchwij,fcij->nfhw", windows[:, :, :: found.stride, :: found.stride], found.w)
    if value.shape != out.shape:
        return False
    rest = out - value
    return bool(np.allclose(rest, rest[:1, :, :1, :1], atol=1e-9 * max(1.0, float(np.abs(out).max()))))


def _convolved(comparison: Comparison) -> Variants:
    return collect(_list_convolved(comparison), comparison)


def _list_convolved(comparison: Comparison) -> Claims:
    found = _find_convolution(comparison)
    if found is None:
        return
    turned, swapped = found.w[:, :, ::-1, ::-1], np.swapaxes(found.w, 0, 1)
    ways = [(_describe_kernel(found.turned), found.gradients(found.stride, turned))]
    if found.stride > 1:
        ways.append(
            (
                _describe_stride(say("The kernel moves in steps of {stride}.", stride=found.stride)),
                found.gradients(1, found.w),
            )
        )
    if found.w.shape[0] == found.w.shape[1] > 1:
        ways.append((CHANNELS, found.gradients(found.stride, swapped)))
    for key, (dx, dw) in ways:
        yield from _place_gradients(comparison, key, _cut(dx, found), dw)
    if found.padding:
        dx, dw = found.gradients(found.stride, found.w)
        yield from _place_gradients(comparison, PADDING, dx, dw)
        rows, columns = (dx.shape[axis] - 2 * min(found.padding, found.w.shape[axis] - 1) for axis in (2, 3))
        yield from _place_gradients(comparison, PADDING, dx[:, :, :rows, :columns], dw)


def _cut(dx: np.ndarray, found: Convolution) -> np.ndarray:
    rows, columns = (min(found.padding, k - 1) for k in found.w.shape[2:])
    return dx[:, :, rows : dx.shape[2] - rows, columns : dx.shape[3] - columns]


def _place_gradients(comparison: Comparison, key: Explanation, dx: np.ndarray, dw: np.ndarray) -> Claims:
    for i, position in enumerate(comparison.wrt):
        if position < 2:
            gradient, returned = (dx, dw)[position], comparison.returned[i]
            fits = np.size(gradient) == np.size(returned)
            yield key, i, gradient.reshape(np.shape(returned)) if fits else gradient


def _describe_kernel(turned: bool) -> Explanation:
    """Return the words for a kernel that is turned in the one pass and not in the other."""
    way = say("Forward turns the kernel") if turned else say("Forward does not turn the kernel")
    return replace(
        STRIDE.explain(""),
        title="the kernel is turned by 180° where it must not be" if not turned else "the kernel is not turned by 180°",
        why=say("{way}, and each share goes back through the number that it came through.", way=way),
        nudge="Which entry of the kernel took x[i] to out[j]? Is it the one that brings upstream[j] back to x[i]?",
        hint="Add upstream[j] * w to the window of x that out[j] came from, with w as forward used it there.",
    )


STRIDE = Mistake(
    "window-elsewhere",
    "the windows are not where forward read them",
    "Each window must be where forward read it.",
    "Where does the window of out[i] begin in x? Where does yours add its share?",
    "Use forward's slice again: dx[i * stride : i * stride + k] += share.",
    "lecture 01, Where a wire branches",
    _convolved,
    named=False,
)
CHANNELS = replace(
    STRIDE.explain(""),
    title="the kernel's channels of input and output changed places",
    why="w[f, c] takes channel c of x to channel f of the output, and back.",
    nudge="Which axis of w goes over the channels of x, and which over those of the output?",
    hint="Sum upstream[n, f] * w[f, c] over f: that is dx[n, c].",
)
PADDING = replace(
    STRIDE.explain(""),
    title="the padding was not cut off where forward put it",
    why="Forward padded x on both sides; the gradient of x is what lies between.",
    nudge="Which entries of the padded array are x?",
    hint="Cut p off on each side: dx = dpadded[:, :, p:-p, p:-p].",
)
EXPLANATIONS = (STRIDE, replace(STRIDE, variants=_pooled))
