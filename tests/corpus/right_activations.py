"""ReLU and its kin, in many hands."""

from __future__ import annotations

import numpy as np

from corpus import right_families as f
from corpus.right_base import gate

# ---- ReLU and its kin -------------------------------------------------------------------------------


@gate(f.RELU, "bool times upstream")
class ReLUBool:
    def forward(self, x):
        return np.maximum(0, x), x

    def backward(self, upstream, x):
        return (x > 0) * upstream


@gate(f.RELU, "one at zero")
class ReLUOne:
    def forward(self, x):
        return x * (x > 0), x

    def backward(self, upstream, x):
        return np.where(x >= 0, upstream, 0)


@gate(f.RELU, "a half at zero")
class ReLUHalf:
    def forward(self, x):
        return (x + np.abs(x)) / 2, np.heaviside(x, 0.5)

    def backward(self, upstream, mask):
        return (mask * upstream,)


@gate(f.RELU, "a copy, zeroed by index")
class ReLUZeroed:
    def forward(self, x):
        out = np.array(x)
        out[out < 0] = 0
        return out, (np.asarray(x),)

    def backward(self, upstream, cache):
        dx = np.array(upstream)
        dx[cache[0] <= 0] = 0
        return dx


@gate(f.RELU, "the mask of the output")
class ReLUOutput:
    def forward(self, x):
        out = np.clip(x, 0, None)
        return out, out

    def backward(self, upstream, out):
        return upstream * (out > 0).astype(float)


@gate(f.RELU, "if by if")
class ReLULoop:
    def forward(self, x):
        return np.reshape([v if v > 0 else 0.0 for v in np.ravel(x)], np.shape(x)), x

    def backward(self, upstream, x):
        pairs = zip(np.ravel(upstream), np.ravel(x))
        return np.reshape([g if v > 0 else 0.0 for g, v in pairs], np.shape(x))


@gate(f.RELU, "np.select")
class ReLUSelect:
    def forward(self, x):
        return np.select([x > 0], [x], 0.0), {"positive": np.asarray(x > 0)}

    def backward(self, upstream, cache):
        return np.multiply(upstream, cache["positive"], dtype=float)


@gate(f.LEAKY, "the larger of two lines")
class LeakyMaximum:
    slope = 0.1

    def forward(self, x):
        return np.maximum(x, self.slope * x), x

    def backward(self, upstream, x):
        return upstream * np.where(x > 0, 1.0, self.slope)


@gate(f.LEAKY, "an array of slopes")
class LeakySlopes:
    def forward(self, x):
        slopes = np.ones(np.shape(x))
        slopes[np.asarray(x) < 0] = 0.1
        return slopes * x, slopes

    def backward(self, upstream, slopes):
        return (slopes * upstream,)


@gate(f.LEAKY, "two ReLUs")
class LeakyReLUs:
    def forward(self, x):
        return np.maximum(x, 0) - 0.1 * np.maximum(-x, 0), (x > 0, x <= 0)

    def backward(self, upstream, cache):
        above, below = cache
        return above * upstream + 0.1 * (below * upstream)


@gate(f.ELU, "the output plus one")
class EluOutput:
    def forward(self, x):
        out = np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)
        return out, out

    def backward(self, upstream, out):
        return np.where(out > 0, upstream, upstream * (out + 1))


@gate(f.ELU, "masked")
class EluMasked:
    def forward(self, x):
        out = np.array(x, dtype=float)
        below = out <= 0
        out[below] = np.expm1(out[below])
        return out, x

    def backward(self, upstream, x):
        local = np.ones(np.shape(x))
        local[np.asarray(x) < 0] = np.exp(np.asarray(x)[np.asarray(x) < 0])
        return (upstream * local,)


@gate(f.SOFTPLUS, "logaddexp")
class SoftplusLogAddExp:
    def forward(self, x):
        return np.logaddexp(0, x), x

    def backward(self, upstream, x):
        return upstream * np.exp(-np.logaddexp(0, -x))


@gate(f.SOFTPLUS, "log1p(exp(-|x|))")
class SoftplusLog1p:
    def forward(self, x):
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), x

    def backward(self, upstream, x):
        return (upstream * 0.5 * (1 + np.tanh(x / 2)),)


@gate(f.SOFTPLUS_MILD, "from the output")
class SoftplusOutput:
    def forward(self, x):
        out = np.log(1 + np.exp(x))
        return out, out

    def backward(self, upstream, out):
        return upstream * (1 - np.exp(-out))


@gate(f.SWISH, "the product rule")
class SwishProduct:
    def forward(self, x):
        s = 1 / (1 + np.exp(-x))
        return x * s, (x, s)

    def backward(self, upstream, cache):
        x, s = cache
        return upstream * s + upstream * x * s * (1 - s)


@gate(f.SWISH, "through the output")
class SwishOutput:
    def forward(self, x):
        s = 1 / (1 + np.exp(-x))
        return x * s, {"s": s, "out": x * s}

    def backward(self, upstream, cache):
        return (upstream * (cache["out"] + cache["s"] * (1 - cache["out"])),)


@gate(f.HARD_TANH, "inside the limits")
class HardTanhInside:
    def forward(self, x):
        return np.clip(x, -1, 1), np.asarray((x > -1) & (x < 1))

    def backward(self, upstream, inside):
        return upstream * inside


@gate(f.HARD_TANH, "min of max")
class HardTanhMinMax:
    def forward(self, x):
        return np.minimum(np.maximum(x, -1.0), 1.0), x

    def backward(self, upstream, x):
        dmax = np.where(np.maximum(x, -1.0) <= 1.0, upstream, 0.0)
        return (np.where(x >= -1.0, dmax, 0.0),)


@gate(f.MAXOUT, "argmax")
class MaxoutArgmax:
    def forward(self, x):
        scores = x.reshape(len(x), 2, -1)
        return scores.max(axis=1), scores

    def backward(self, upstream, scores):
        onehot = np.eye(2)[scores.argmax(axis=1)].transpose(0, 2, 1)
        return (onehot * upstream[:, None, :]).reshape(len(scores), -1)


@gate(f.MAXOUT, "two halves")
class MaxoutHalves:
    def forward(self, x):
        left, right = np.split(x, 2, axis=1)
        return np.maximum(left, right), left > right

    def backward(self, upstream, left_wins):
        return np.hstack([upstream * left_wins, upstream * ~left_wins])


@gate(f.MAXOUT, "shared at ties")
class MaxoutShared:
    def forward(self, x):
        h = x.shape[1] // 2
        return np.where(x[:, :h] > x[:, h:], x[:, :h], x[:, h:]), np.sign(x[:, :h] - x[:, h:])

    def backward(self, upstream, sign):
        return (np.concatenate([upstream * (1 + sign) / 2, upstream * (1 - sign) / 2], axis=1),)
