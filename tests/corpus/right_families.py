"""The functions whose derivatives the corpus holds, with the inputs at which they are asked for.

Plain array functions that NumPy and jax.numpy share, so that `jax.vjp` can be asked about them too.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from corpus import right_draws as draws
from corpus.right_base import Family

# ---- arithmetic -------------------------------------------------------------------------------------

ADD = Family("add", draws.two(draws.wide), lambda x, y: x + y)
ADD_BROADCAST = Family("add with broadcasting", draws.broadcast(draws.wide), lambda x, y: x + y)
ADD_BIAS = Family("add a bias", draws.row, lambda x, b: x + b)
SUBTRACT = Family("subtract", draws.two(draws.wide), lambda x, y: x - y)
MULTIPLY = Family("multiply", draws.two(draws.wide), lambda x, y: x * y)
MULTIPLY_BROADCAST = Family("multiply with broadcasting", draws.broadcast(draws.wide), lambda x, y: x * y)
DIVIDE = Family("divide", draws.two(draws.wide, draws.nonzero), lambda x, y: x / y)
NEGATE = Family("negate", draws.one(draws.wide), lambda x: -x)
RECIPROCAL = Family("reciprocal", draws.one(draws.nonzero), lambda x: 1.0 / x)
EXP = Family("exp", draws.one(draws.mild), lambda x: np.exp(x))
LOG = Family("log", draws.one(draws.positive), lambda x: np.log(x))
SQUARE = Family("square", draws.one(draws.wide), lambda x: x * x)
CUBE = Family("cube", draws.one(draws.wide), lambda x: x * x * x)
SQRT = Family("square root", draws.one(draws.positive), lambda x: np.sqrt(x))
COS = Family("cosine", draws.one(draws.mild), lambda x: np.cos(x))
MAX = Family("max", draws.ties, lambda x, y: np.maximum(x, y))
MIN = Family("min", draws.ties, lambda x, y: np.minimum(x, y))
ABS = Family("absolute value", draws.one(draws.kinked), lambda x: np.abs(x))
COPY = Family("copy", draws.one(draws.wide), lambda x: np.stack([x, x, x]))

# ---- reductions and places --------------------------------------------------------------------------

SUM = Family("sum", draws.one(draws.wide), lambda x: np.sum(x))
SUM_ROWS = Family("sum over the batch", draws.matrix(draws.wide), lambda x: np.sum(x, axis=0))
MEAN = Family("mean", draws.one(draws.wide), lambda x: np.mean(x))
VARIANCE = Family("variance", draws.vector(draws.mild, least=2), lambda x: np.mean((x - np.mean(x)) ** 2))
SQUARED_NORM = Family("squared norm", draws.one(draws.wide), lambda x: np.sum(x * x))
NORM = Family("norm", draws.vector(draws.nonzero), lambda x: np.sqrt(np.sum(x * x)))
CUMSUM = Family("cumulative sum", draws.vector(draws.wide), lambda x: np.cumsum(x))
SORT = Family("sort", draws.vector(draws.apart), lambda x: np.sort(x))
TOP_TWO = Family("the two largest", draws.vector(draws.apart, least=2), lambda x: np.sort(x)[-2:])
ROW_MAX = Family("the largest of each row", draws.matrix(draws.apart), lambda x: np.max(x, axis=1))
TRANSPOSE = Family("transpose", draws.matrix(draws.wide), lambda x: np.transpose(x))
CONCATENATE = Family("concatenate", draws.lengths, lambda x, y: np.concatenate([x, y]))
EMBEDDING = Family("embedding", draws.looked_up, lambda table, ids: table[ids])

# ---- activations ------------------------------------------------------------------------------------


def stable_sigmoid(x):
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, z) / (1.0 + z)


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0.0)))


SIGMOID = Family("sigmoid", draws.one(draws.steep), stable_sigmoid)
SIGMOID_MILD = Family("sigmoid of mild inputs", draws.one(draws.mild), lambda x: 1 / (1 + np.exp(-x)))
TANH = Family("tanh", draws.one(draws.steep), lambda x: np.tanh(x))
TANH_MILD = Family("tanh of mild inputs", draws.one(draws.mild), lambda x: np.tanh(x))
RELU = Family("ReLU", draws.one(draws.kinked), lambda x: np.maximum(x, 0.0))
LEAKY = Family("leaky ReLU", draws.one(draws.kinked), lambda x: np.where(x > 0, x, 0.1 * x))
ELU = Family("ELU", draws.one(draws.kinked), elu)
SOFTPLUS = Family("softplus", draws.one(draws.steep), lambda x: np.logaddexp(x, 0.0))
SOFTPLUS_MILD = Family("softplus of mild inputs", draws.one(draws.mild), lambda x: np.log(1 + np.exp(x)))
SWISH = Family("swish", draws.one(draws.mild), lambda x: x / (1 + np.exp(-x)))
HARD_TANH = Family("hard tanh", draws.one(draws.kinked), lambda x: np.clip(x, -1.0, 1.0))


def pieces(rng):
    n, h = draws.sizes(rng, 2)
    return (draws.kinked(rng, (n, 2 * h)),)


MAXOUT = Family("maxout", pieces, lambda x: np.max(x.reshape(x.shape[0], 2, -1), axis=1))

# ---- layers -----------------------------------------------------------------------------------------

MATMUL = Family("matrix product", draws.product, lambda x, w: x @ w)
MATVEC = Family("W @ x", draws.matrix_vector, lambda w, x: w @ x)
AFFINE = Family("affine", draws.affine, lambda x, w, b: x @ w + b)
DOT = Family("dot product", draws.vectors(draws.wide), lambda x, y: np.dot(x, y))
OUTER = Family("outer product", draws.lengths, lambda x, y: np.outer(x, y))


def cosine(x, y):
    return np.sum(x * y) / np.sqrt(np.sum(x * x) * np.sum(y * y))


def convolution(x, k):
    return np.stack([np.sum(x[i : i + len(k)] * k) for i in range(len(x) - len(k) + 1)])


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def log_softmax(x):
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def cross_entropy(logits, labels):
    return -np.mean(log_softmax(logits)[np.arange(len(labels)), labels])


def normalised(axis):
    def norm(x, gamma, beta):
        centred = x - np.mean(x, axis=axis, keepdims=True)
        return gamma * centred / np.sqrt(np.mean(centred**2, axis=axis, keepdims=True) + 1e-5) + beta

    return norm


COSINE = Family("cosine similarity", draws.vectors(draws.nonzero), cosine)
CONVOLUTION = Family("convolution", draws.convolved, convolution)
SOFTMAX = Family("softmax", draws.matrix(draws.logits), softmax)
SOFTMAX_VECTOR = Family("softmax of a vector", draws.vector(draws.logits), softmax)
LOG_SOFTMAX = Family("log softmax", draws.matrix(draws.logits), log_softmax)
CROSS_ENTROPY = Family("softmax cross-entropy", draws.classified(draws.logits), cross_entropy)
SQUARED_ERROR = Family(
    "squared error", draws.two(draws.wide), lambda prediction, target: np.sum((prediction - target) ** 2)
)
LAYER_NORM = Family("layer norm", draws.normed, normalised(1))
BATCH_NORM = Family("batch norm", draws.normed, normalised(0))

# ---- scalar functions -------------------------------------------------------------------------------


def neuron(w, x):
    return 1 / (1 + np.exp(-(w[0] * x[0] + w[1] * x[1] + w[2])))


def staged(x, y):
    return (x + stable_sigmoid(y)) / (stable_sigmoid(x) + (x + y) ** 2)


def neuron_inputs(rng):
    return draws.mild(rng, (3,)), draws.mild(rng, (2,))


def staged_inputs(rng):
    """The denominator stays away from zero."""
    return float(rng.uniform(0.5, 4)), float(rng.uniform(-6, 6))


def logistic_inputs(rng):
    n, d = draws.sizes(rng, 2)
    return (
        draws.mild(rng, (d,)),
        draws.mild(rng, (n, d)),
        rng.choice([-1.0, 1.0], n),
        float(rng.choice([0.0, 0.1, 10.0])),
    )


def ridge(w, x, y, strength):
    return np.sum((x @ w - y) ** 2) + strength * np.sum(w * w)


def quadratic_inputs(rng):
    n = int(rng.integers(1, 5))
    return draws.wide(rng, (n,)), draws.mild(rng, (n, n))


PRODUCT = Family("(x + y) z", draws.scalars(3, draws.wide), lambda x, y, z: (x + y) * z)
BRANCH = Family("x y + x²", draws.scalars(2, draws.wide), lambda x, y: x * y + x * x)
CIRCUIT = Family("2 (x y + max(z, w))", draws.scalars(4, draws.wide), lambda x, y, z, w: 2 * (x * y + np.maximum(z, w)))
NEURON = Family("neuron", neuron_inputs, neuron)
STAGED = Family("staged expression", staged_inputs, staged)
NORM_WX = Family("‖W x‖²", draws.matrix_vector, lambda w, x: np.sum((w @ x) ** 2))
LOG_SUM_EXP = Family(
    "log-sum-exp", draws.vector(draws.logits), lambda x: np.log(np.sum(np.exp(x - np.max(x)))) + np.max(x)
)
QUADRATIC = Family("xᵀ A x", quadratic_inputs, lambda x, a: x @ a @ x)
ROSENBROCK = Family("Rosenbrock", draws.scalars(2), lambda x, y: (1 - x) ** 2 + 100 * (y - x * x) ** 2)
RIDGE = Family("ridge regression", logistic_inputs, ridge)
POLYNOMIAL = Family("polynomial", draws.one(draws.mild), lambda x: np.sum(3 * x**3 - 2 * x**2 + x - 5))

# ---- losses: (prediction, target) -------------------------------------------------------------------


def hinge(scores, labels):
    right = scores[np.arange(len(labels)), labels][:, None]
    margins = np.maximum(0.0, scores - right + 1.0)
    return (np.sum(margins) - len(labels)) / len(labels)


def bce_with_logits(logits, target):
    return np.mean(np.logaddexp(0.0, logits) - target * logits)


def bce(p, target):
    return -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p))


def huber(prediction, target):
    e = np.abs(prediction - target)
    return np.sum(np.where(e <= 1.0, 0.5 * e * e, e - 0.5))


def binary(numbers):
    def draw(rng):
        x = numbers(rng, draws.sizes(rng, int(rng.integers(1, 3))))
        return x, rng.integers(0, 2, x.shape).astype(float)

    return draw


def probabilities(rng, shape):
    return draws.formed(rng, rng.uniform(1e-3, 1 - 1e-3, shape))


def distributions(rng):
    shape = draws.sizes(rng, 2)
    return softmax(rng.normal(size=shape)), softmax(rng.normal(size=shape))


MSE = Family(
    "mean squared error", draws.two(draws.wide), lambda prediction, target: np.mean((prediction - target) ** 2)
)
HALF_SQUARED = Family(
    "half squared error", draws.two(draws.wide), lambda prediction, target: 0.5 * np.sum((prediction - target) ** 2)
)
L1 = Family("absolute error", draws.ties, lambda prediction, target: np.mean(np.abs(prediction - target)))
HINGE = Family("multiclass hinge", draws.classified(draws.kinked), hinge)
BCE_LOGITS = Family("cross-entropy of two classes, with logits", binary(draws.steep), bce_with_logits)
BCE = Family("cross-entropy of two classes", binary(probabilities), bce)
HUBER = Family("Huber", draws.ties, huber)
KL = Family("divergence", distributions, lambda q, p: np.sum(p * np.log(p / q)))

# ---- networks: (parameters, *batch) -----------------------------------------------------------------


def two_layers(p, x, labels):
    return cross_entropy(np.maximum(x @ p["W1"] + p["b1"], 0.0) @ p["W2"] + p["b2"], labels)


def two_layers_l2(p, x, labels):
    return two_layers(p, x, labels) + 0.5 * 0.1 * (np.sum(p["W1"] ** 2) + np.sum(p["W2"] ** 2))


def lecture_network(p, x, y):
    return np.sum((stable_sigmoid(x @ p["w1"]) @ p["w2"] - y) ** 2)


def three_layers(p, x, labels):
    h = np.tanh(x @ p["W1"] + p["b1"])
    return cross_entropy(np.tanh(h @ p["W2"] + p["b2"]) @ p["W3"] + p["b3"], labels)


def linear_model(p, x, y):
    return np.mean((x @ p["w"] + p["b"] - y) ** 2)


def layered(rng, widths):
    scale = rng.choice([0.01, 0.5, 1.0])
    weights = {f"W{i + 1}": scale * rng.normal(size=pair) for i, pair in enumerate(pairwise(widths))}
    return weights | {f"b{i + 1}": 0.1 * rng.normal(size=n) for i, n in enumerate(widths[1:])}


def classifier(depth):
    def draw(rng):
        n, *widths = draws.sizes(rng, depth + 2, most=6)
        x = rng.normal(size=(n, widths[0])) * rng.choice([0.1, 1.0, 10.0])
        return layered(rng, widths), x, rng.integers(0, widths[-1], n)

    return draw


def regression(rng):
    n, d, h, k = draws.sizes(rng, 4, most=6)
    parameters = {"w1": 0.5 * rng.normal(size=(d, h)), "w2": rng.normal(size=(h, k))}
    return parameters, rng.normal(size=(n, d)), rng.normal(size=(n, k))


def linear_data(rng):
    n, d = draws.sizes(rng, 2, most=6)
    return {"w": rng.normal(size=d), "b": float(rng.normal())}, draws.wide(rng, (n, d)), rng.normal(size=n)


TWO_LAYERS = Family("two-layer network", classifier(2), two_layers)
TWO_LAYERS_L2 = Family("two-layer network with regularisation", classifier(2), two_layers_l2)
LECTURE_NETWORK = Family("20-line network", regression, lecture_network)
THREE_LAYERS = Family("three-layer network", classifier(3), three_layers)
LINEAR_MODEL = Family("linear model", linear_data, linear_model)
