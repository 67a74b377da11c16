"""Copy, sum, mean, variance and norms, in many hands."""

from __future__ import annotations

import math

import numpy as np

from corpus import right_families as f
from corpus.right_base import gate

# ---- copy, sum, mean, variance ----------------------------------------------------------------------


@gate(f.COPY, "sum over the copies")
class CopySum:
    def forward(self, x):
        return np.stack([x, x, x]), None

    def backward(self, upstream, cache):
        return upstream.sum(axis=0)


@gate(f.COPY, "added up")
class CopyAdded:
    def forward(self, x):
        return [x, x, x], np.shape(x)

    def backward(self, upstream, shape):
        dx = np.zeros(shape)
        for g in upstream:
            dx = dx + g
        return (dx,)


@gate(f.COPY, "ones contracted with the copies")
class CopyTensordot:
    def forward(self, x):
        return np.multiply.outer(np.ones(3), x), ()

    def backward(self, upstream, cache):
        return np.tensordot(np.ones(3), upstream, axes=1)


@gate(f.SUM, "a read-only view")
class SumBroadcastTo:
    def forward(self, x):
        return np.sum(x), np.shape(x)

    def backward(self, upstream, shape):
        return np.broadcast_to(upstream, shape)


@gate(f.SUM, "np.full")
class SumFull:
    def forward(self, x):
        return float(np.sum(x)), {"shape": np.shape(x)}

    def backward(self, upstream, cache):
        return (np.full(cache["shape"], upstream),)


@gate(f.SUM, "ones")
class SumOnes:
    def forward(self, x):
        return np.asarray(x).sum().reshape(()), (x,)

    def backward(self, upstream, cache):
        return upstream * np.ones_like(cache[0])


@gate(f.SUM, "a running total")
class SumLoop:
    def forward(self, x):
        total = 0.0
        for value in np.ravel(x):
            total += value
        return total, x

    def backward(self, upstream, x):
        dx = np.empty(np.shape(x))
        dx[...] = upstream
        return dx


@gate(f.SUM_ROWS, "a new axis and zeros")
class RowsExpanded:
    def forward(self, x):
        return x.sum(axis=0), x.shape

    def backward(self, upstream, shape):
        return np.zeros(shape) + upstream[None, :]


@gate(f.SUM_ROWS, "repeated")
class RowsRepeated:
    def forward(self, x):
        return np.add.reduce(x, axis=0), len(x)

    def backward(self, upstream, n):
        return np.repeat(upstream[np.newaxis], n, axis=0)


@gate(f.SUM_ROWS, "an outer product with ones")
class RowsOuter:
    def forward(self, x):
        return np.ones(len(x)) @ x, len(x)

    def backward(self, upstream, n):
        return (np.outer(np.ones(n), upstream),)


@gate(f.SUM_ROWS, "a list of rows")
class RowsListed:
    def forward(self, x):
        return [sum(column) for column in x.T], len(x)

    def backward(self, upstream, n):
        return (np.vstack([upstream] * n),)


@gate(f.MEAN, "shared evenly")
class MeanShared:
    def forward(self, x):
        return np.mean(x), x

    def backward(self, upstream, x):
        return np.full_like(x, upstream / np.size(x), dtype=float)


@gate(f.MEAN, "sum, then divide")
class MeanStages:
    def forward(self, x):
        return np.sum(x) / np.size(x), (np.shape(x), np.size(x))

    def backward(self, upstream, cache):
        shape, n = cache
        dsum = upstream / n
        return (dsum * np.ones(shape),)


@gate(f.VARIANCE, "twice the deviation over n")
class VarianceClosed:
    def forward(self, x):
        return np.var(x), x

    def backward(self, upstream, x):
        return upstream * 2 * (x - x.mean()) / len(x)


@gate(f.VARIANCE, "stage by stage")
class VarianceStages:
    def forward(self, x):
        centred = x - x.sum() / len(x)
        return (centred**2).sum() / len(x), centred

    def backward(self, upstream, centred):
        dsquares = np.full(len(centred), upstream / len(centred))
        dcentred = 2 * centred * dsquares
        dmean = -dcentred.sum()
        return (dcentred + dmean / len(centred),)


@gate(f.VARIANCE, "mean of squares less square of mean")
class VarianceMoments:
    def forward(self, x):
        return np.mean(x * x) - np.mean(x) ** 2, (x, np.mean(x))

    def backward(self, upstream, cache):
        x, mean = cache
        return upstream * (2 * x / x.size - 2 * mean / x.size)


@gate(f.SQUARED_NORM, "2 x")
class SquaredNormTwice:
    def forward(self, x):
        return np.sum(x * x), x

    def backward(self, upstream, x):
        return 2.0 * upstream * x


@gate(f.SQUARED_NORM, "a dot product with itself")
class SquaredNormDot:
    def forward(self, x):
        return np.vdot(x, x), (x,)

    def backward(self, upstream, cache):
        return (upstream * cache[0] + cache[0] * upstream,)


@gate(f.SQUARED_NORM, "the norm, squared")
class SquaredNormNorm:
    def forward(self, x):
        return np.linalg.norm(np.ravel(x)) ** 2, np.asarray(x)

    def backward(self, upstream, x):
        return np.reshape([2 * float(upstream) * float(v) for v in x.flat], x.shape)


@gate(f.NORM, "x over the norm")
class NormRatio:
    def forward(self, x):
        size = np.linalg.norm(x)
        return size, (x, size)

    def backward(self, upstream, cache):
        x, size = cache
        return upstream * (x / size)


@gate(f.NORM, "scaled by the largest")
class NormScaled:
    def forward(self, x):
        top = np.max(np.abs(x))
        return top * np.sqrt(np.sum((x / top) ** 2)), x

    def backward(self, upstream, x):
        return (upstream * x / math.sqrt(math.fsum(x**2)),)
