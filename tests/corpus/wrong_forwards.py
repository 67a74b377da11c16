"""The forwards that wrong backwards go with. The cache holds the inputs, then the output where it is of use."""

from __future__ import annotations

import numpy as np

from corpus.wrong_base import Forward, at


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def relu(z):
    return np.maximum(0, z)


def softmax(scores):
    e = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def one_hot(labels, classes):
    return np.eye(classes)[labels]


def _divide(x, y):
    return x / y, (x, y)


def _exp(x):
    out = np.exp(x)
    return out, (x, out)


def _log(x):
    out = np.log(x)
    return out, (x, out)


def _sigmoid(z):
    s = sigmoid(z)
    return s, (z, s)


def _tanh(z):
    a = np.tanh(z)
    return a, (z, a)


def _elu(x):
    return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1), x


def _affine(x, w, b):
    return x @ w + b, (x, w)


def _softmax(scores):
    p = softmax(scores)
    return p, p


def _cross_entropy(scores, labels):
    p = softmax(scores)
    return -np.mean(np.log(p[np.arange(len(labels)), labels])), (p, labels)


def _maxout(x):
    first, second = np.split(x, 2, axis=-1)
    return np.maximum(first, second), (first, second)


def _max(x, y):
    return np.maximum(x, y), (x, y)


def _even(rng):
    """For maxout: an even number of columns."""
    return (rng.normal(size=(int(rng.integers(3, 6)), 2 * int(rng.integers(3, 5)))),)


ADD = Forward("Add", lambda x, y: (x + y, (x, y)), at("nd", "nd"))
SUBTRACT = Forward("Subtract", lambda x, y: (x - y, (x, y)), at("nd", "nd"))
MULTIPLY = Forward("Multiply", lambda x, y: (x * y, (x, y)), at("nd", "nd"))
DIVIDE = Forward("Divide", _divide, at("nd", "nd!"))
NEGATE = Forward("Negate", lambda x: (-x, x), at("nd"))
SQUARE = Forward("Square", lambda x: (x**2, x), at("nd"))
CUBE = Forward("Cube", lambda x: (x**3, x), at("nd!"))
SQRT = Forward("Sqrt", lambda x: (np.sqrt(x), x), at("nd+"))
POWER = Forward("Power", lambda x, y: (x**y, (x, y)), at("nd+", "nd"), several=True)
EXP = Forward("Exp", _exp, at("nd"))
LOG = Forward("Log", _log, at("nd+"))
LOG10 = Forward("Log10", lambda x: (np.log10(x), x), at("nd+"))
SIN = Forward("Sin", lambda x: (np.sin(x), x), at("nd"))
COS = Forward("Cos", lambda x: (np.cos(x), x), at("nd"))
RECIPROCAL = Forward("Reciprocal", lambda x: (1 / x, x), at("nd!"))
MAX = Forward("Max", _max, at("nd", "nd"))
MAXOUT = Forward("Maxout", _maxout, _even)

SIGMOID = Forward("Sigmoid", _sigmoid, at("nd"))
TANH = Forward("Tanh", _tanh, at("nd"))
RELU = Forward("ReLU", lambda x: (np.maximum(0, x), x), at("nd!"))
LEAKY = Forward("LeakyReLU", lambda x: (np.where(x > 0, x, 0.01 * x), x), at("nd!"))
ELU = Forward("ELU", _elu, at("nd!"))
SOFTPLUS = Forward("Softplus", lambda x: (np.log(1 + np.exp(x)), x), at("nd"), several=True)

SUM = Forward("Sum", lambda x: (np.sum(x), x), at("nd"))
NORM = Forward("SquaredNorm", lambda x: (np.sum(x**2), x), at("nd"))
MATMUL = Forward("MatMul", lambda x, w: (x @ w, (x, w)), at("nd", "dh"))
MATVEC = Forward("MatVec", lambda w, x: (w @ x, (w, x)), at("hd", "d"))
ADD_BIAS = Forward("AddBias", lambda x, b: (x + b, (x, b)), at("nd", "d"))
SCALE = Forward("Scale", lambda x, gamma: (x * gamma, (x, gamma)), at("nd", "d"))
AFFINE = Forward("Affine", _affine, at("nd", "dh", "h"))
SOFTMAX = Forward("Softmax", _softmax, at("nc"))
CROSS_ENTROPY = Forward("SoftmaxCrossEntropy", _cross_entropy, at("nc", "n:c"))
