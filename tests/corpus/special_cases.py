"""Cases at the edge of what a check can say: what is not filled in, epsilons, domains, ties, large and small numbers.

Each is an entry of `SPECIAL`: a wrong answer with the names that would be true of it and words that would be false, or
a right one that must be accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from corpus.right_base import Call, Generator


@dataclass(frozen=True)
class Special:
    name: str
    wrong: bool
    true: frozenset[str]
    """The names that would be true."""
    never: tuple[str, ...]
    """Words that would be false."""
    check: str
    make: Callable[[Generator], Call]


SPECIAL: list[Special] = []


def add(name: str, make: Any, *true: str, never: str = "", right: bool = False, check: str = "check_backward") -> None:
    SPECIAL.append(Special(name, not right, frozenset(true), tuple(filter(None, never.split("|"))), check, make))


def gate(forward: Any, backward: Any, *inputs: Any) -> Call:
    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return Call((type("Layer", (), methods)(), *inputs))


def elementwise(function: Any, slope: Any, x: Any) -> Call:
    """A gate of one array whose backward is upstream · slope(x, out)."""
    return gate(lambda x: (function(x), (x, function(x))), lambda upstream, cache: upstream * slope(*cache), x)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


# ---- not filled in -----------------------------------------------------------------------------------

ZEROS = {
    "exp": np.exp, "square": lambda x: x * x, "log": np.log, "negative": lambda x: -x, "reciprocal": lambda x: 1 / x,
    "square root": np.sqrt, "sigmoid": sigmoid, "tanh": np.tanh, "double": lambda x: 2 * x, "absolute value": np.abs,
}  # fmt: skip
for _name, _function in ZEROS.items():
    for _kind, _x in (("number", 1.5), ("array", np.array([[0.3, 1.2], [0.5, 0.7]]))):
        add(
            f"{_name} of a {_kind}, gradient 0",
            lambda rng, f=_function, x=_x: elementwise(f, lambda x, out: 0.0 * x, x),
            "not-filled-in",
            never="too few digits|mask|max sends",
        )


def affine_forward(x, w, b):
    return x @ w + b, (x, w, b)


def affine(rng: Generator, db: Any) -> Call:
    return gate(
        affine_forward,
        lambda upstream, c: (upstream @ c[1].T, c[0].T @ upstream, db(upstream, c[2])),
        rng.normal(size=(3, 4)),
        rng.normal(size=(4, 2)),
        rng.normal(size=2),
    )


STUB = "not-filled-in"
add("affine, db ones", lambda rng: affine(rng, lambda g, b: np.ones_like(b)), STUB, "no-upstream", never="1/N")
add("affine, db zeros", lambda rng: affine(rng, lambda g, b: np.zeros_like(b)), STUB, never="digits")
add("affine, db NaN", lambda rng: affine(rng, lambda g, b: np.full(b.shape, np.nan)), STUB, never="overflow")


@lambda make: add("softmax loss of W, zeros", make, "not-filled-in", check="check_gradient", never="regularis")
def _zeros_for_softmax(rng):
    x, labels = rng.normal(size=(8, 5)), rng.integers(4, size=8)

    def loss(W):
        s = x @ W
        m = s.max(axis=1, keepdims=True)
        value = np.log(np.exp(s - m).sum(axis=1)) + m[:, 0] - s[np.arange(8), labels]
        return value.mean(), np.zeros_like(W)

    return Call((loss, rng.normal(size=(5, 4))))


# ---- shapes and order --------------------------------------------------------------------------------

add(
    "x of rank 3 not reshaped back",
    lambda rng: gate(
        lambda x, w, b: (x.reshape(len(x), -1) @ w + b, (x, w)),
        lambda g, c: (g @ c[1].T, c[0].reshape(len(c[0]), -1).T @ g, g.sum(axis=0)),
        rng.normal(size=(10, 2, 3)), rng.normal(size=(6, 5)), rng.normal(size=5),
    ),
    "wrong-shape",
    never="axis of size 1",
)  # fmt: skip
add(
    "the axis of a column is gone",
    lambda rng: gate(lambda z, c: (z + c, ()), lambda g, c: (g, g.sum(axis=1)), np.ones((3, 4)), np.ones((3, 1))),
    "kept-dims", "wrong-shape",
    never="Leave out `keepdims=True`|leave out keepdims",
)  # fmt: skip
add(
    "backward raises for shapes",
    lambda rng: gate(
        lambda x: (x.mean(axis=1), x.shape), lambda g, s: np.zeros(s) + g / s[1], np.arange(12.0).reshape(3, 4)
    ),
    "wrong-order-product", "wrong-shape",
    never="the transpose of the right gradient",
)  # fmt: skip
add(
    "W x with the formula of x W",
    lambda rng: gate(
        lambda W, x: (W @ x, (W, x)), lambda g, c: (np.outer(g, c[1]), c[0] @ g),
        np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([1.0, -1.0]),
    ),
    "wrong-order-product", "transposed",
    never="x.T @ upstream",
)  # fmt: skip
add(
    "three gradients in another order",
    lambda rng: Call((lambda x, y, z: ((x + y) * z, (x + y, z, z)), -2.0, 5.0, -4.0)),
    "swapped-inputs",
    never="multiplied by itself",
    check="check_gradient",
)

# ---- epsilons, domains, precision --------------------------------------------------------------------


def _norm_with_epsilon(eps: float) -> Callable[[Generator], Call]:
    def forward(x):
        n = np.sqrt((x * x).sum(axis=1, keepdims=True)) + eps
        return x / n, (x, n)

    def backward(upstream, cache):
        x, n = cache
        return (upstream - (upstream * x / n).sum(axis=1, keepdims=True) * x / n) / n

    return lambda rng: gate(forward, backward, rng.normal(size=(3, 4)))


for _eps in (1e-5, 1e-6, 1e-7):
    add(f"epsilon {_eps:g} in the value only", _norm_with_epsilon(_eps), never="too few digits|sign is wrong")
_X = np.linspace(0.5, 2.0, 12).reshape(3, 4)
PAIRS = "sign is wrong|a branch|minus of the reciprocal"
OFF = 1 + 5e-7
add("x² off by 5e-7", lambda rng: elementwise(lambda x: x * x, lambda x, y: 2 * x * OFF, _X), "factor", never=PAIRS)
add("1/x off by 5e-7", lambda rng: elementwise(lambda x: 1 / x, lambda x, y: -y * y * OFF, _X), "factor", never=PAIRS)
add(
    "outside of the domain of a root",
    lambda rng: elementwise(lambda x: np.sqrt(1 - x * x), lambda x, out: -x / out, np.array([0.5, 20.0])),
    never="large numbers overflow",
)
add(
    "outside of the domain of arcsin",
    lambda rng: elementwise(np.arcsin, lambda x, out: 1 / np.sqrt(1 - x * x), np.array([0.5, 20.0])),
    never="large numbers overflow",
)

# ---- ties and kinks ----------------------------------------------------------------------------------

TIES = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0]])
MASKS = {
    "all": lambda m: m, "none": lambda m: m * (m.sum(axis=1, keepdims=True) == 1),
    "shared": lambda m: m / m.sum(axis=1, keepdims=True), "first": lambda m: m * (np.cumsum(m, axis=1) == 1),
}  # fmt: skip
for _how, _share in MASKS.items():
    add(
        f"max of ties, {_how}",
        lambda rng, share=_share: gate(
            lambda x: (x.max(axis=1), x),
            lambda g, x: g[:, None] * share(x == x.max(axis=1, keepdims=True)),
            TIES,
        ),
        "max-to-both",
        right=_how in ("shared", "first"),
    )
KINKS = np.array([[0.0, 1.0, -1.0], [0.0, 0.0, 2.0]])
for _slope in (0.0, 0.5, 1.0):
    add(
        f"ReLU with slope {_slope:g} at 0",
        lambda rng, s=_slope: elementwise(lambda x: np.maximum(x, 0), lambda x, out: (x > 0) + s * (x == 0), KINKS),
        right=True,
    )
add(
    "ReLU with slope 2 at 0",
    lambda rng: elementwise(lambda x: np.maximum(x, 0), lambda x, out: (x > 0) + 2.0 * (x == 0), KINKS),
)
add("absolute value at 0", lambda rng: elementwise(np.abs, lambda x, out: np.sign(x), KINKS), right=True)

# ---- right at large, small and steep places ----------------------------------------------------------

RIGHT_AT = {
    "square root at 1e-12": (np.sqrt, lambda x, y: 0.5 / y, [1e-12, 1e-6, 1.0]),
    "x to the 2.5 at 0": (lambda x: x**2.5, lambda x, y: 2.5 * x**1.5, [0.0, 1.0]),
    "logarithm of 1e-8 and 1e8": (np.log, lambda x, y: 1 / x, [1e-8, 1.0, 1e8]),
    "a steep sigmoid": (lambda x: sigmoid(1e4 * x), lambda x, s: 1e4 * s * (1 - s), [1e-5, -2e-4, 3e-3]),
    "sigmoid at 50": (sigmoid, lambda x, s: s * (1 - s), [50.0, 1.0]),
    "tanh at 400": (np.tanh, lambda x, t: 1 - t * t, [20.0, 400.0, 0.1]),
    "floor": (np.floor, lambda x, y: 0 * x, [0.3, 1.7, -2.2]),
}  # fmt: skip
for _name, (_function, _slope_of, _at) in RIGHT_AT.items():
    add(_name, lambda rng, f=_function, s=_slope_of, x=_at: elementwise(f, s, np.array(x)), right=True)
for _k in (30, 300, 3000):
    add(
        f"sigmoid of {_k} x",
        lambda rng, k=_k: elementwise(lambda x: sigmoid(k * x), lambda x, s: k * s * (1 - s), rng.normal(size=(4, 5))),
        right=True,
    )
for _size in (1e6, 1e-6, 1e12, 1e-12):
    add(
        f"a matrix product of size {_size:g}",
        lambda rng, k=_size: gate(
            lambda x, w: (x @ w, (x, w)), lambda g, c: (g @ c[1].T, c[0].T @ g),
            k * rng.normal(size=(3, 4)), k * rng.normal(size=(4, 2)),
        ),
        right=True,
    )  # fmt: skip


@lambda make: add("shares added in a changing order", make, right=True, check="check_gradient")
def _any_order(rng):
    order = np.random.default_rng(1)

    def value_and_gradients(a, b):
        shares = [a * 0.1, b * 0.2, a * b * 0.3, a / 3, b / 7]
        da = sum(order.permutation([0.1, b * 0.3, 1 / 3]))
        db = sum(order.permutation([0.2, a * 0.3, 1 / 7]))
        return sum(shares), (float(da), float(db))

    return Call((value_and_gradients, -3.9, 2.3))


# ---- updates -----------------------------------------------------------------------------------------

_W, _G = {"w": np.array([[1.0, 2.0], [3.0, 4.0]])}, {"w": np.ones((2, 2))}
SIGNS = "right size and the wrong sign|same multiple"
add(
    "an update with a plus", lambda rng: Call((lambda w, g, s: {k: w[k] + s * g[k] for k in w}, _W, _G)), "sign",
    never=SIGNS, check="check_update",
)  # fmt: skip
add(
    "an update with a running average",
    lambda rng: Call((lambda w, g, s: {k: w[k] - 0.1 * s * g[k] for k in w}, _W, _G)),
    "factor", never=SIGNS, check="check_update",
)  # fmt: skip
