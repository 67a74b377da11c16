"""Mistakes in whole networks, training steps and updates: each is the right code with a line changed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from corpus.wrong_base import Source, edited, update


def _drawn(sizes: str, biases: bool = True, labels: bool = True) -> Any:
    """Parameters of a network with these layers ("dhc"), and a batch with labels or with targets."""

    def draw(rng: np.random.Generator) -> tuple[Any, ...]:
        n, *width = (int(k) for k in rng.permutation([3, 4, 5, 6, 7])[: len(sizes) + 1])
        parameters = {}
        for i, (k, m) in enumerate(pairwise(width)):
            parameters[f"W{i + 1}"] = rng.normal(size=(k, m)) / np.sqrt(k)
            if biases:
                parameters[f"b{i + 1}"] = rng.normal(size=m)
        x, last = rng.normal(size=(n, width[0])), width[-1]
        return parameters, x, rng.integers(0, last, n) if labels else rng.normal(size=(n, last))

    return draw


# ---- the trusted losses -------------------------------------------------------------------------------


def relu_loss(p, x, labels):
    h = np.maximum(0, x @ p["W1"] + p["b1"])
    scores = h @ p["W2"] + p["b2"]
    e = np.exp(scores)
    probs = e / np.sum(e, axis=1, keepdims=True)
    return -np.mean(np.log(probs[np.arange(len(labels)), labels]))


def regularised_loss(p, x, labels, lam=0.1):
    return relu_loss(p, x, labels) + 0.5 * lam * (np.sum(p["W1"] ** 2) + np.sum(p["W2"] ** 2))


def tanh_loss(p, x, t):
    return np.sum((np.tanh(x @ p["W1"]) @ p["W2"] - t) ** 2)


def sigmoid_loss(p, x, t):
    h = 1 / (1 + np.exp(-(x @ p["W1"])))
    return np.sum((h @ p["W2"] - t) ** 2)


def ridge_loss(p, x, t, lam=0.3):
    return np.sum((x @ p["W1"] + p["b1"] - t) ** 2) / len(x) + 0.5 * lam * np.sum(p["W1"] ** 2)


# ---- the right codes ----------------------------------------------------------------------------------

RELU_CODE = """
def answer(parameters, x, labels):
    W1, b1, W2, b2 = (parameters[k] for k in ("W1", "b1", "W2", "b2"))
    N = x.shape[0]
    z = x @ W1 + b1
    h = np.maximum(0, z)
    scores = h @ W2 + b2
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), labels]).mean()

    dscores = p.copy()
    dscores[np.arange(N), labels] -= 1
    dscores /= N
    dW2 = h.T @ dscores
    db2 = dscores.sum(axis=0)
    dh = dscores @ W2.T
    dz = dh * (z > 0)
    dW1 = x.T @ dz
    db1 = dz.sum(axis=0)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
"""
RELU_NET = Source("relu network", "check_parameters", RELU_CODE, _drawn("dhc"), {"of": relu_loss})
OWN_LOSS_NET = Source("relu network without of", "check_parameters", RELU_CODE, _drawn("dhc"))

REGULARISED = Source(
    "regularised network",
    "check_parameters",
    RELU_CODE.replace(".mean()\n", ".mean() + 0.5 * lam * (np.sum(W1 * W1) + np.sum(W2 * W2))\n")
    .replace("N = x.shape[0]", "N, lam = x.shape[0], 0.1")
    .replace("dW2 = h.T @ dscores", "dW2 = h.T @ dscores + lam * W2")
    .replace("dW1 = x.T @ dz", "dW1 = x.T @ dz + lam * W1"),
    _drawn("dhc"),
    {"of": regularised_loss},
)

RIDGE = Source(
    "ridge regression",
    "check_parameters",
    """
def answer(parameters, x, target):
    W, b = parameters["W1"], parameters["b1"]
    lam = 0.3
    diff = x @ W + b - target
    loss = np.sum(diff**2) / len(x) + 0.5 * lam * np.sum(W**2)
    dout = 2 * diff / len(x)
    dW = x.T @ dout + lam * W
    db = dout.sum(axis=0)
    return loss, {"W1": dW, "b1": db}
""",
    _drawn("dc", labels=False),
    {"of": ridge_loss},
)

TANH_NET = Source(
    "tanh network",
    "check_parameters",
    """
def answer(parameters, x, target):
    W1, W2 = parameters["W1"], parameters["W2"]
    z = x.dot(W1)
    a = np.tanh(z)
    diff = a.dot(W2) - target
    dout = 2 * diff
    dW2 = a.T.dot(dout)
    da = dout.dot(W2.T)
    dz = da * (1 - a**2)
    dW1 = x.T.dot(dz)
    return np.sum(diff**2), {"W1": dW1, "W2": dW2}
""",
    _drawn("dhc", biases=False, labels=False),
    {"of": tanh_loss},
)

SIGMOID_NET = Source(
    "20-line network",
    "check_parameters",
    """
def answer(parameters, x, y):
    w1, w2 = parameters["W1"], parameters["W2"]
    z = x.dot(w1)
    h = 1 / (1 + np.exp(-z))
    y_pred = h.dot(w2)
    loss = np.square(y_pred - y).sum()
    grad_y_pred = 2.0 * (y_pred - y)
    grad_w2 = h.T.dot(grad_y_pred)
    grad_h = grad_y_pred.dot(w2.T)
    grad_w1 = x.T.dot(grad_h * h * (1 - h))
    return loss, {"W1": grad_w1, "W2": grad_w2}
""",
    _drawn("dhc", biases=False, labels=False),
    {"of": sigmoid_loss},
)

TANH_STEP = Source(
    "step of a tanh network",
    "check_step",
    """
def answer(parameters, x, target, step_size):
    W1, W2 = parameters["W1"].copy(), parameters["W2"].copy()
    a = np.tanh(x @ W1)
    dout = 2 * (a @ W2 - target)
    dW2 = a.T @ dout
    da = dout @ W2.T
    dW1 = x.T @ (da * (1 - a**2))
    W2 -= step_size * dW2
    W1 -= step_size * dW1
    return {"W1": W1, "W2": W2}
""",
    _drawn("dhc", biases=False, labels=False),
    {"of": tanh_loss, "step_size": 0.05},
)

RELU_STEP = Source(
    "step of a relu network",
    "check_step",
    RELU_CODE.replace("x, labels)", "x, labels, step_size)")
    .replace(
        'return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}',
        """grads = {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
    return {k: parameters[k] - step_size * grads[k] for k in parameters}""",
    )
    .replace("    loss = -np.log(p[np.arange(N), labels]).mean()\n", ""),
    _drawn("dhc"),
    {"of": relu_loss, "step_size": 0.2},
)

SIGMOID_STEP = Source(
    "step of the 20-line network",
    "check_step",
    """
def answer(parameters, x, y, step_size):
    w1, w2 = parameters["W1"], parameters["W2"]
    h = 1 / (1 + np.exp(-x.dot(w1)))
    grad_y_pred = 2.0 * (h.dot(w2) - y)
    grad_w2 = h.T.dot(grad_y_pred)
    grad_h = grad_y_pred.dot(w2.T)
    grad_w1 = x.T.dot(grad_h * h * (1 - h))
    return {"W1": w1 - step_size * grad_w1, "W2": w2 - step_size * grad_w2}
""",
    _drawn("dhc", biases=False, labels=False),
    {"of": sigmoid_loss, "step_size": 0.03},
)

SOURCES = (
    RELU_NET, OWN_LOSS_NET, REGULARISED, RIDGE, TANH_NET, SIGMOID_NET, TANH_STEP, RELU_STEP, SIGMOID_STEP,
)  # fmt: skip
"""Each is right as it stands."""

# ---- what goes wrong in them --------------------------------------------------------------------------

edited("gradient-for-value", of=RELU_NET, line="dscores @ W2.T", by="dscores @ dW2.T")
edited("gradient-for-value", of=TANH_NET, line="da = dout.dot(W2.T)", by="da = dout.dot(dW2.T)")
edited("gradient-for-value", of=SIGMOID_NET, line="dot(w2.T)", by="dot(grad_w2.T)")
edited("gradient-for-value", of=TANH_STEP, line="da = dout @ W2.T", by="da = dout @ dW2.T")
edited("gradient-for-value", of=RELU_NET, line='"W2": dW2', by='"W2": W2')

edited(
    "updated-first", of=TANH_STEP, line="    da = dout @ W2.T", by="    W2 -= step_size * dW2\n    da = dout @ W2.T",
    then=(("    W2 -= step_size * dW2\n    W1", "    W1"),),
)  # fmt: skip
edited(
    "updated-first", of=SIGMOID_STEP, line="w2.T", by="new_w2.T",
    then=(("    grad_h =", "    new_w2 = w2 - step_size * grad_w2\n    grad_h ="),
          ("w2 - step_size * grad_w2}", "new_w2}")),
)  # fmt: skip
edited(
    "updated-first", of=RELU_STEP, line="    dh = ",
    by="    W2 = W2 - step_size * dW2\n    b2 = b2 - step_size * db2\n    dh = ",
)  # fmt: skip
edited(
    "updated-first", of=TANH_STEP, line="dW2 = a.T @ dout", by="dW2 = a.T @ dout\n    W2 = W2 - step_size * dW2",
    then=(("    W2 -= step_size * dW2\n", ""),),
)  # fmt: skip

edited("regularisation", of=REGULARISED, line="dscores + lam * W2", by="dscores", then=(("dz + lam * W1", "dz"),))
edited("regularisation", of=REGULARISED, line="dscores + lam * W2", by="dscores + 2 * lam * W2",
       then=(("dz + lam * W1", "dz + 2 * lam * W1"),))  # fmt: skip
edited("regularisation", of=REGULARISED, line="db2 = dscores.sum(axis=0)", by="db2 = dscores.sum(axis=0) + lam * b2",
       then=(("db1 = dz.sum(axis=0)", "db1 = dz.sum(axis=0) + lam * b1"),))  # fmt: skip
edited("regularisation", of=REGULARISED, line="dz + lam * W1", by="dz")
edited("regularisation", of=RIDGE, line="x.T @ dout + lam * W\n", by="x.T @ dout\n")
edited("regularisation", of=RIDGE, line="db = dout.sum(axis=0)", by="db = dout.sum(axis=0) + lam * b")
edited("regularisation", of=RIDGE, line="dout + lam * W\n", by="dout + 0.5 * lam * W\n")

edited("sigmoid-of-input", of=SIGMOID_NET, line="grad_h * h * (1 - h)", by="grad_h * z * (1 - z)")
edited("sigmoid-twice", of=SIGMOID_NET, line="grad_h * h * (1 - h)", by="grad_h * s * (1 - s)",
       then=(("    grad_w1 =", "    s = 1 / (1 + np.exp(-h))\n    grad_w1 ="),))  # fmt: skip
edited("tanh-of-input", of=TANH_NET, line="1 - a**2", by="1 - z**2")
edited("relu-no-mask", of=RELU_NET, line="dz = dh * (z > 0)", by="dz = dh")
edited("relu-on-upstream", of=RELU_NET, line="dz = dh * (z > 0)", by="dh[dh <= 0] = 0\n    dz = dh")
edited("relu-inverted", of=RELU_NET, line="dz = dh * (z > 0)", by="dh[z > 0] = 0\n    dz = dh")
edited("relu-no-mask", of=RELU_STEP, line="dz = dh * (z > 0)", by="dz = dh")
edited("softmax-no-label", of=RELU_NET, line="    dscores[np.arange(N), labels] -= 1\n", by="")
edited("softmax-wrong-axis", of=RELU_NET, line="dscores = p.copy()", by="dscores = e / e.sum(axis=0)",
       then=(("scores.max(axis=1, keepdims=True)", "scores.max()"),))  # fmt: skip

edited("bias-not-summed", of=RELU_NET, line="db2 = dscores.sum(axis=0)", by="db2 = dscores")
edited("bias-not-summed", of=OWN_LOSS_NET, line="db1 = dz.sum(axis=0)", by="db1 = dz")
edited("bias-mean", of=RELU_NET, line="db1 = dz.sum(axis=0)", by="db1 = dz.mean(axis=0)",
       then=(("db2 = dscores.sum", "db2 = dscores.mean"),))  # fmt: skip
edited("bias-mean", of=OWN_LOSS_NET, line="db2 = dscores.sum(axis=0)", by="db2 = dscores.mean(axis=0)")
edited("sum-all", of=RELU_NET, line="db1 = dz.sum(axis=0)", by="db1 = dz.sum()")
edited("sum-all", of=OWN_LOSS_NET, line="db1 = dz.sum(axis=0)", by="db1 = np.full(b1.shape, np.sum(dz))")
edited("kept-dims", of=RELU_NET, line="db2 = dscores.sum(axis=0)", by="db2 = dscores.sum(axis=0, keepdims=True)")
edited("transposed", of=RELU_NET, line="dW2 = h.T @ dscores", by="dW2 = dscores.T @ h")
edited("transposed", of=TANH_NET, line="dW1 = x.T.dot(dz)", by="dW1 = dz.T.dot(x)")
edited("wrong-order-product", of=RELU_NET, line="dW1 = x.T @ dz", by="dW1 = dz @ x.T")
edited("elementwise-for-matmul", of=RELU_NET, line="dh = dscores @ W2.T", by="dh = dscores * W2.T")
edited("no-batch-mean", of=RELU_NET, line="    dscores /= N\n", by="")
edited("no-batch-mean", of=OWN_LOSS_NET, line="dscores /= N", by="dscores /= N**2")
edited("factor", of=TANH_NET, line="dout = 2 * diff", by="dout = diff")
edited("sign", of=TANH_NET, line="diff = a.dot(W2) - target", by="diff = target - a.dot(W2)")
edited("sign", of=TANH_STEP, line="W2 -= step_size * dW2", by="W2 += step_size * dW2",
       then=(("W1 -= step_size", "W1 += step_size"),))  # fmt: skip
edited("wrong-count", of=RELU_NET, line=', "b2": db2', by="")
edited("not-attempted", of=RELU_NET, line='return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}',
       by="return loss, dict.fromkeys(parameters)")  # fmt: skip
edited("mutated-input", of=TANH_STEP, line='W1, W2 = parameters["W1"].copy(), parameters["W2"].copy()',
       by='W1, W2 = parameters["W1"], parameters["W2"]')  # fmt: skip
edited("low-precision", of=RELU_NET, line="dscores = p.copy()", by="dscores = p.astype(np.float32)")


@update("gradient-for-value", weights=lambda rng: rng.normal(size=(3, 4)))
def weights_subtracted(W, dW, step_size):
    return W - step_size * W


@update("gradient-for-value", weights=lambda rng: {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=4)})
def weights_subtracted_in_a_dict(weights, gradients, step_size):
    return {k: weights[k] - step_size * weights[k] for k in weights}


@update("sign", weights=lambda rng: rng.normal(size=(3, 4)))
def uphill(W, dW, step_size):
    return W + step_size * dW


@update("factor", weights=lambda rng: rng.normal(size=(5,)))
def half_a_step(W, dW, step_size):
    return W - 0.5 * step_size * dW
