"""A two-layer network, forward and backward: time of the gates against the same steps inline in NumPy.

Goals: at most 1.5 times for 64-32-10 (batch 64), at most 1.1 times for 3072-100-10 (batch 256). Both are
timed in turns, in one run, after a check that their gradients are equal. The last line of output is JSON.
"""

import json
import time

import numpy as np

from nnkit.gates import Affine, ReLU, SoftmaxCrossEntropy

SIZES = {"64-32-10": ((64, 64, 32, 10), 1.5, 400), "3072-100-10": ((256, 3072, 100, 10), 1.1, 12)}
ROUNDS = 25
AFFINE, RELU, LOSS = Affine(), ReLU(), SoftmaxCrossEntropy()


def run_gates(x, labels, w1, b1, w2, b2):
    z, affine1 = AFFINE.forward(x, w1, b1)
    h, relu = RELU.forward(z)
    scores, affine2 = AFFINE.forward(h, w2, b2)
    _, loss = LOSS.forward(scores, labels)
    dscores, _ = LOSS.backward(1.0, loss)
    dh, dw2, db2 = AFFINE.backward(dscores, affine2)
    (dz,) = RELU.backward(dh, relu)
    _, dw1, db1 = AFFINE.backward(dz, affine1)
    return dw1, db1, dw2, db2


def run_inline(x, labels, w1, b1, w2, b2):
    n = len(x)
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    scores = h @ w2 + b2
    shifted = scores - scores.max(axis=1, keepdims=True)
    exps = np.exp(shifted)
    total = exps.sum(axis=1, keepdims=True)
    (np.log(total)[:, 0] - shifted[np.arange(n), labels]).mean()
    dscores = exps / total
    dscores[np.arange(n), labels] -= 1
    dscores /= n
    dh, dw2, db2 = dscores @ w2.T, h.T @ dscores, dscores.sum(axis=0)
    dz = np.where(z > 0, dh, 0.0)
    _, dw1, db1 = dz @ w1.T, x.T @ dz, dz.sum(axis=0)  # the gate gives dx too
    return dw1, db1, dw2, db2


def time_step(step, arguments, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        step(*arguments)
    return (time.perf_counter() - start) / repeats * 1e6


def measure(shape, repeats):
    n, d, h, c = shape
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(d, h)), rng.normal(size=h), rng.normal(size=(h, c)) * 0.1, rng.normal(size=c)
    arguments = rng.normal(size=(n, d)) / np.sqrt(d), rng.integers(0, c, n), *weights
    for ours, theirs in zip(run_gates(*arguments), run_inline(*arguments)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    sides = run_gates, run_inline
    pairs = [[time_step(side, arguments, repeats) for side in sides] for _ in range(ROUNDS)]
    return np.median(pairs, axis=0)


def main():
    result = {"benchmark": "gates"}
    for name, (shape, goal, repeats) in SIZES.items():
        ours, theirs = measure(shape, repeats)
        ratio = float(ours / theirs)
        print(f"{name}: gates {ours:.1f} µs, inline NumPy {theirs:.1f} µs, {ratio:.2f} times")
        result[name] = {"ratio": round(ratio, 3), "goal": goal, "reached": bool(ratio <= goal)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
