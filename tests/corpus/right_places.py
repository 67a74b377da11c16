"""Gates that move, order, gather and accumulate entries, in many hands."""

from __future__ import annotations

import numpy as np

from corpus import right_families as f
from corpus.right_base import gate

# ---- cumulative sum ---------------------------------------------------------------------------------


@gate(f.CUMSUM, "summed from the other end")
class CumsumReversed:
    def forward(self, x):
        return np.cumsum(x), None

    def backward(self, upstream, cache):
        return np.cumsum(upstream[::-1])[::-1]


@gate(f.CUMSUM, "a triangular matrix")
class CumsumTriangle:
    def forward(self, x):
        triangle = np.tril(np.ones((x.size, x.size)))
        return triangle @ x, triangle

    def backward(self, upstream, triangle):
        return (triangle.T @ upstream,)


@gate(f.CUMSUM, "a running total each way")
class CumsumLoop:
    def forward(self, x):
        out, total = [], 0.0
        for value in x:
            total = total + value
            out.append(total)
        return out, len(x)

    def backward(self, upstream, n):
        dx, total = np.zeros(n), 0.0
        for i in reversed(range(n)):
            total = total + upstream[i]
            dx[i] = total
        return dx


# ---- sort, top two, row maximum ---------------------------------------------------------------------


@gate(f.SORT, "scattered to where they came from")
class SortScatter:
    def forward(self, x):
        order = np.argsort(x)
        return x[order], order

    def backward(self, upstream, order):
        dx = np.zeros(order.shape)
        dx[order] = upstream
        return dx


@gate(f.SORT, "the ranks")
class SortRanks:
    def forward(self, x):
        return np.sort(x), np.argsort(np.argsort(x))

    def backward(self, upstream, ranks):
        return (upstream[ranks],)


@gate(f.SORT, "a permutation matrix")
class SortMatrix:
    def forward(self, x):
        permutation = np.eye(x.size)[np.argsort(x, kind="stable")]
        return permutation @ x, permutation

    def backward(self, upstream, permutation):
        return np.einsum("i,ij->j", upstream, permutation)


@gate(f.TOP_TWO, "argpartition")
class TopTwoPartition:
    def forward(self, x):
        best = np.argpartition(x, -2)[-2:]
        best = best[np.argsort(x[best])]
        return x[best], (best, x.shape)

    def backward(self, upstream, cache):
        best, shape = cache
        dx = np.zeros(shape)
        dx[best] = upstream
        return dx


@gate(f.TOP_TWO, "compared with each entry")
class TopTwoCompared:
    def forward(self, x):
        second, first = sorted(x.tolist())[-2:]
        return np.array([second, first]), (x, second, first)

    def backward(self, upstream, cache):
        x, second, first = cache
        return (upstream[0] * (x == second) + upstream[1] * (x == first),)


@gate(f.ROW_MAX, "argmax and take_along_axis")
class RowMaxArgmax:
    def forward(self, x):
        best = x.argmax(axis=1)
        return np.take_along_axis(x, best[:, None], axis=1)[:, 0], (best, x.shape)

    def backward(self, upstream, cache):
        best, shape = cache
        dx = np.zeros(shape)
        np.put_along_axis(dx, best[:, None], upstream[:, None], axis=1)
        return dx


@gate(f.ROW_MAX, "a mask, shared at ties")
class RowMaxMask:
    def forward(self, x):
        out = x.max(axis=1, keepdims=True)
        mask = x == out
        return out[:, 0], mask / mask.sum(axis=1, keepdims=True)

    def backward(self, upstream, share):
        return (share * upstream[:, np.newaxis],)


@gate(f.ROW_MAX, "row by row")
class RowMaxLoop:
    def forward(self, x):
        return [max(row) for row in x], x

    def backward(self, upstream, x):
        dx = np.zeros(x.shape)
        for i, row in enumerate(x):
            dx[i, list(row).index(max(row))] = upstream[i]
        return dx


# ---- transpose, concatenate, embedding --------------------------------------------------------------


@gate(f.TRANSPOSE, "a view")
class TransposeView:
    def forward(self, x):
        return x.T, None

    def backward(self, upstream, cache):
        return upstream.T


@gate(f.TRANSPOSE, "einsum")
class TransposeEinsum:
    def forward(self, x):
        return np.einsum("ij->ji", x), ()

    def backward(self, upstream, cache):
        return (np.ascontiguousarray(np.einsum("ji->ij", upstream)),)


@gate(f.CONCATENATE, "slices")
class ConcatenateSlices:
    def forward(self, x, y):
        return np.concatenate((x, y)), len(x)

    def backward(self, upstream, n):
        return upstream[:n], upstream[n:]


@gate(f.CONCATENATE, "np.split")
class ConcatenateSplit:
    def forward(self, x, y):
        return np.hstack([x, y]), [x.size]

    def backward(self, upstream, places):
        return np.split(upstream, places)


@gate(f.EMBEDDING, "np.add.at")
class EmbeddingAddAt:
    def forward(self, table, ids):
        return table[ids], (table.shape, ids)

    def backward(self, upstream, cache):
        shape, ids = cache
        dtable = np.zeros(shape)
        np.add.at(dtable, ids, upstream)
        return dtable, None


@gate(f.EMBEDDING, "one-hot rows")
class EmbeddingOneHot:
    def forward(self, table, ids):
        onehot = np.eye(len(table))[ids]
        return onehot @ table, onehot

    def backward(self, upstream, onehot):
        uses = onehot.reshape(-1, onehot.shape[-1])
        return uses.T @ upstream.reshape(len(uses), -1), None


@gate(f.EMBEDDING, "one use after the other")
class EmbeddingLoop:
    def forward(self, table, ids):
        return np.take(table, ids, axis=0), {"table": table, "ids": ids}

    def backward(self, upstream, cache):
        dtable = np.zeros_like(cache["table"])
        for where in np.ndindex(cache["ids"].shape):
            dtable[cache["ids"][where]] += upstream[where]
        return dtable, np.zeros(cache["ids"].shape)
