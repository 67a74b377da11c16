"""Softmax, vector products and normalisation, in many hands."""

from __future__ import annotations

import numpy as np

from corpus import right_families as f
from corpus.right_base import gate

# ---- softmax ----------------------------------------------------------------------------------------


def softmax(x, axis=-1):
    shifted = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return shifted / shifted.sum(axis=axis, keepdims=True)


@gate(f.SOFTMAX, "p (g - g·p)")
class SoftmaxClosed:
    def forward(self, x):
        p = softmax(x)
        return p, p

    def backward(self, upstream, p):
        return p * (upstream - np.sum(upstream * p, axis=1, keepdims=True))


@gate(f.SOFTMAX, "a Jacobian for each row")
class SoftmaxJacobians:
    def forward(self, x):
        logs = x - np.logaddexp.reduce(x, axis=1, keepdims=True)
        return np.exp(logs), (np.exp(logs),)

    def backward(self, upstream, cache):
        rows = [(np.diag(p) - np.outer(p, p)) @ g for p, g in zip(cache[0], upstream)]
        return (np.array(rows),)


@gate(f.SOFTMAX, "gate by gate")
class SoftmaxStages:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1)[:, None])
        total = e.sum(axis=1)[:, None]
        return e / total, (e, total)

    def backward(self, upstream, cache):
        e, total = cache
        dtotal = -(upstream * e / total**2).sum(axis=1, keepdims=True)
        return e * (upstream / total + dtotal)


@gate(f.SOFTMAX_VECTOR, "the whole Jacobian")
class SoftmaxVectorJacobian:
    def forward(self, x):
        p = softmax(x)
        return p, p

    def backward(self, upstream, p):
        jacobian = p[:, None] * (np.eye(p.size) - p[None, :])
        return jacobian.T @ upstream


@gate(f.SOFTMAX_VECTOR, "i and j")
class SoftmaxVectorLoop:
    def forward(self, x):
        return softmax(x), x

    def backward(self, upstream, x):
        p, dx = softmax(x), np.zeros(len(x))
        for i in range(len(x)):
            for j in range(len(x)):
                dx[i] += upstream[j] * p[j] * ((i == j) - p[i])
        return (dx,)


@gate(f.LOG_SOFTMAX, "g less its sum times p")
class LogSoftmaxClosed:
    def forward(self, x):
        shifted = x - x.max(axis=1, keepdims=True)
        out = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return out, out

    def backward(self, upstream, out):
        return upstream - np.exp(out) * upstream.sum(axis=1, keepdims=True)


@gate(f.LOG_SOFTMAX, "einsum and logaddexp")
class LogSoftmaxEinsum:
    def forward(self, x):
        return x - np.logaddexp.reduce(x, axis=1)[:, None], x

    def backward(self, upstream, x):
        return (upstream - np.einsum("nc,nk->nc", softmax(x), upstream),)


# ---- products and norms -----------------------------------------------------------------------------


@gate(f.DOT, "crosswise")
class DotCross:
    def forward(self, x, y):
        return x @ y, (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        return upstream * y, upstream * x


@gate(f.DOT, "sum of products")
class DotSum:
    def forward(self, x, y):
        products = [a * b for a, b in zip(x, y)]
        return sum(products), (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        dproducts = [upstream] * len(x)
        return [dp * b for dp, b in zip(dproducts, y)], [dp * a for dp, a in zip(dproducts, x)]


@gate(f.OUTER, "two products")
class OuterProducts:
    def forward(self, x, y):
        return np.outer(x, y), (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        return upstream @ y, upstream.T @ x


@gate(f.OUTER, "broadcast and summed")
class OuterSummed:
    def forward(self, x, y):
        return x[:, None] * y, (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        return (upstream * y[None, :]).sum(axis=1), (upstream * x[:, None]).sum(axis=0)


@gate(f.COSINE, "closed form")
class CosineClosed:
    def forward(self, x, y):
        a, b = np.linalg.norm(x), np.linalg.norm(y)
        return x @ y / (a * b), (x, y, a, b)

    def backward(self, upstream, cache):
        x, y, a, b = cache
        cos = x @ y / (a * b)
        return upstream * (y / (a * b) - cos * x / a**2), upstream * (x / (a * b) - cos * y / b**2)


@gate(f.COSINE, "of normalised vectors")
class CosineNormalised:
    def forward(self, x, y):
        u, v = x / np.sqrt(x @ x), y / np.sqrt(y @ y)
        return u @ v, (np.sqrt(x @ x), np.sqrt(y @ y), u, v)

    def backward(self, upstream, cache):
        a, b, u, v = cache
        du, dv = upstream * v, upstream * u
        return (du - u * (u @ du)) / a, (dv - v * (v @ dv)) / b


class NormGate:
    """Layer norm over axis 1, batch norm over axis 0."""

    axis = 0

    def forward(self, x, gamma, beta):
        centred = x - x.mean(axis=self.axis, keepdims=True)
        inverse = 1 / np.sqrt((centred**2).mean(axis=self.axis, keepdims=True) + 1e-5)
        return gamma * (centred * inverse) + beta, (centred * inverse, inverse, gamma)

    def backward(self, upstream, cache):
        xhat, inverse, gamma = cache
        dxhat = upstream * gamma
        mean = dxhat.mean(axis=self.axis, keepdims=True)
        projection = (dxhat * xhat).mean(axis=self.axis, keepdims=True)
        return inverse * (dxhat - mean - xhat * projection), (upstream * xhat).sum(axis=0), upstream.sum(axis=0)


gate(f.BATCH_NORM, "closed form")(NormGate)


@gate(f.LAYER_NORM, "closed form")
class LayerNormClosed(NormGate):
    axis = 1


@gate(f.BATCH_NORM, "stage by stage")
class BatchNormStages:
    axis = 0

    def forward(self, x, gamma, beta):
        centred = x - np.mean(x, axis=self.axis, keepdims=True)
        variance = np.mean(centred * centred, axis=self.axis, keepdims=True)
        deviation = np.sqrt(variance + 1e-5)
        return gamma * centred / deviation + beta, {"c": centred, "s": deviation, "gamma": gamma}

    def backward(self, upstream, cache):
        c, s, n = cache["c"], cache["s"], cache["c"].shape[self.axis]
        dnormed = upstream * cache["gamma"]
        ds = np.sum(-dnormed * c / s**2, axis=self.axis, keepdims=True)
        dvariance = ds / (2 * s)
        dc = dnormed / s + 2 * c * dvariance / n
        dmean = -np.sum(dc, axis=self.axis, keepdims=True)
        return dc + dmean / n, np.einsum("nd,nd->d", upstream, c / s), np.einsum("nd->d", upstream)


@gate(f.LAYER_NORM, "stage by stage")
class LayerNormStages(BatchNormStages):
    axis = 1
