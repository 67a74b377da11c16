"""Matrix products and affine layers, in many hands."""

from __future__ import annotations

import numpy as np

from corpus import right_families as f
from corpus.right_base import gate

# ---- matrix product ---------------------------------------------------------------------------------


class ProductGate:
    def forward(self, x, w):
        return x @ w, (x, w)


@gate(f.MATMUL, "the shape rule")
class MatMulAt(ProductGate):
    def backward(self, upstream, cache):
        x, w = cache
        dx = upstream @ w.T  # (N, H) @ (H, D)
        dw = x.T @ upstream  # (D, N) @ (N, H)
        return dx, dw


@gate(f.MATMUL, "np.dot and transposes")
class MatMulDot:
    def forward(self, x, w):
        return np.dot(x, w), {"xT": np.transpose(x), "wT": np.transpose(w)}

    def backward(self, upstream, cache):
        return [np.dot(upstream, cache["wT"]), np.dot(cache["xT"], upstream)]


@gate(f.MATMUL, "einsum")
class MatMulEinsum:
    def forward(self, x, w):
        return np.einsum("nd,dh->nh", x, w), (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return np.einsum("nh,dh->nd", upstream, w), np.einsum("nd,nh->dh", x, upstream)


@gate(f.MATMUL, "tensordot")
class MatMulTensordot:
    def forward(self, x, w):
        return np.tensordot(x, w, axes=1), (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return np.tensordot(upstream, w, axes=([1], [1])), np.tensordot(x, upstream, axes=([0], [0]))


@gate(f.MATMUL, "three loops")
class MatMulLoops(ProductGate):
    def backward(self, upstream, cache):
        x, w = cache
        dx, dw = np.zeros(x.shape), np.zeros(w.shape)
        for n in range(x.shape[0]):
            for h in range(w.shape[1]):
                for d in range(x.shape[1]):
                    dx[n, d] += upstream[n, h] * w[d, h]
                    dw[d, h] += upstream[n, h] * x[n, d]
        return dx, dw


@gate(f.MATMUL, "an outer product for each example")
class MatMulOuters(ProductGate):
    def backward(self, upstream, cache):
        x, w = cache
        dw = sum(np.outer(row, g) for row, g in zip(x, upstream))
        dx = np.stack([w @ g for g in upstream])
        return dx, dw


@gate(f.MATMUL, "transposed at the end")
class MatMulTransposed(ProductGate):
    def backward(self, upstream, cache):
        x, w = cache
        return (w @ upstream.T).T, (upstream.T @ x).T


@gate(f.MATMUL, "broadcast and summed")
class MatMulBroadcast:
    def forward(self, x, w):
        return (x[:, :, None] * w[None]).sum(axis=1), (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        g = upstream[:, None, :]
        return (g * w[None]).sum(axis=2), (x[:, :, None] * g).sum(axis=0)


@gate(f.MATMUL, "lists of lists")
class MatMulLists:
    @staticmethod
    def times(a, b):
        return [[sum(p * q for p, q in zip(row, column)) for column in zip(*b)] for row in a]

    def forward(self, x, w):
        x, w = x.tolist(), w.tolist()
        return self.times(x, w), (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        g = upstream.tolist()
        return self.times(g, list(zip(*w))), self.times(list(zip(*x)), g)


@gate(f.MATVEC, "np.outer")
class MatVecOuter:
    def forward(self, w, x):
        return w @ x, (w, x)

    def backward(self, upstream, cache):
        w, x = cache
        return np.outer(upstream, x), w.T @ upstream


@gate(f.MATVEC, "a column times a row")
class MatVecColumns:
    def forward(self, w, x):
        return np.dot(w, x), [w, x]

    def backward(self, upstream, cache):
        w, x = cache
        return upstream[:, None] * x[None, :], np.squeeze(upstream[None, :] @ w, axis=0)


@gate(f.MATVEC, "index notation")
class MatVecEinsum:
    def forward(self, w, x):
        return np.einsum("hd,d->h", w, x), (w, x)

    def backward(self, upstream, cache):
        w, x = cache
        return np.einsum("h,d->hd", upstream, x), np.einsum("h,hd->d", upstream, w)


# ---- affine -----------------------------------------------------------------------------------------


@gate(f.AFFINE, "sum over axis 0")
class AffineSum:
    def forward(self, x, w, b):
        return x @ w + b, (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return upstream @ w.T, x.T @ upstream, np.sum(upstream, axis=0)


@gate(f.AFFINE, "ones @ g, in a list")
class AffineOnes:
    def forward(self, x, w, b):
        return np.dot(x, w) + b, {"x": x, "w": w, "b": b}

    def backward(self, upstream, cache):
        db = np.ones(len(upstream)) @ upstream
        return [upstream.dot(cache["w"].T), cache["x"].T.dot(upstream), db]


@gate(f.AFFINE, "a column of ones")
class AffineAugmented:
    def forward(self, x, w, b):
        xs, ws = np.column_stack([x, np.ones(len(x))]), np.vstack([w, b])
        return xs @ ws, (xs, ws)

    def backward(self, upstream, cache):
        xs, ws = cache
        dws = xs.T @ upstream
        return (upstream @ ws.T)[:, :-1], dws[:-1], dws[-1]


@gate(f.AFFINE, "example by example")
class AffineLoop:
    def forward(self, x, w, b):
        return np.array([row @ w + b for row in x]), (x, w, b)

    def backward(self, upstream, cache):
        dx, dw, db = map(np.zeros_like, cache)
        for n, (row, g) in enumerate(zip(cache[0], upstream)):
            dx[n] = cache[1] @ g
            dw += row[:, np.newaxis] * g
            db += g
        return dx, dw, db


@gate(f.AFFINE, "einsum")
class AffineEinsum:
    def forward(self, x, w, b):
        return np.einsum("nd,dh->nh", x, w) + b[None], (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        db = np.einsum("nh->h", upstream)
        return np.einsum("nh,dh->nd", upstream, w), np.einsum("nd,nh->dh", x, upstream), db
