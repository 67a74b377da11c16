"""Random inputs: sizes that differ from each other, large and small numbers, kinks and what lies beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

Generator = np.random.Generator


def sizes(rng: Generator, count: int, most: int = 5) -> tuple[int, ...]:
    """Pairwise different; each may be 1."""
    return tuple(int(n) for n in rng.choice(np.arange(1, most + 1), count, replace=False))


def any_shape(rng: Generator) -> tuple[int, ...]:
    return sizes(rng, int(rng.choice([0, 0, 1, 2, 2, 3])), most=4)


def formed(rng: Generator, x: Any) -> Any:
    """The same numbers as a float, a 0-d array, in Fortran order, as a view with strides, reversed."""
    x = np.asarray(x, dtype=float)
    if not x.shape:
        return [float(x), np.float64(x), x][rng.integers(3)]
    views = x, np.asfortranarray(x), np.repeat(x, 2, axis=-1)[..., ::2], x[::-1].copy()[::-1]
    return views[rng.integers(len(views))]


# ---- numbers of one shape ---------------------------------------------------------------------------


def scaled(rng: Generator, shape: tuple[int, ...], scales: tuple[float, ...]) -> Any:
    return formed(rng, rng.normal(size=shape) * rng.choice(scales))


def wide(rng: Generator, shape: tuple[int, ...]) -> Any:
    """Around 1e-3, 1 or 1e3, now and then with all of them in one array."""
    x = rng.normal(size=shape) * rng.choice([1e-3, 1.0, 1.0, 30.0, 1e3])
    return formed(rng, x * rng.choice([1e-3, 1.0, 1e3], size=shape) if rng.random() < 0.2 else x)


def mild(rng: Generator, shape: tuple[int, ...]) -> Any:
    return scaled(rng, shape, (1e-3, 0.3, 1.0, 2.0))


def steep(rng: Generator, shape: tuple[int, ...]) -> Any:
    """For what saturates: from 1e-3 to far beyond where float64 sees a slope."""
    return scaled(rng, shape, (1e-3, 1.0, 3.0, 10.0, 30.0, 1e3))


def positive(rng: Generator, shape: tuple[int, ...]) -> Any:
    spread = rng.choice([0.3, 1.0, 3.0])
    return formed(rng, 10.0 ** rng.uniform(-spread, spread, size=shape))


def nonzero(rng: Generator, shape: tuple[int, ...]) -> Any:
    return formed(rng, positive(rng, shape) * rng.choice([-1.0, 1.0], size=shape))


def near_zero(rng: Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Zero itself, or down to 1e-12 from it."""
    close = 10.0 ** rng.uniform(-12, -1, size=shape) * rng.choice([-1.0, 1.0], size=shape)
    return np.where(rng.random(shape) < 0.4, 0.0, close)


def kinked(rng: Generator, shape: tuple[int, ...]) -> Any:
    """Some entries at 0 or beside it, in some of the draws."""
    x = rng.normal(size=shape) * rng.choice([1e-3, 1.0, 30.0])
    if rng.random() < 0.5:
        x = np.where(rng.random(shape) < 0.3, near_zero(rng, shape), x)
    return formed(rng, x)


def apart(rng: Generator, shape: tuple[int, ...]) -> Any:
    """No two alike along an axis, and none closer than a tenth of their scale."""
    places = rng.permutation(int(np.prod(shape))).reshape(shape)
    return formed(rng, (places + rng.uniform(0, 0.4, size=shape) - np.prod(shape) / 2) * rng.choice([0.1, 1.0, 100.0]))


# ---- tuples of inputs -------------------------------------------------------------------------------


def one(numbers: Any) -> Any:
    """One input of any shape."""
    return lambda rng: (numbers(rng, any_shape(rng)),)


def two(first: Any, second: Any = None) -> Any:
    """Two inputs of one shape."""

    def draw(rng: Generator) -> tuple[Any, ...]:
        shape = any_shape(rng)
        return first(rng, shape), (second or first)(rng, shape)

    return draw


def vector(numbers: Any, least: int = 1) -> Any:
    return lambda rng: (numbers(rng, (int(rng.integers(least, 7)),)),)


def matrix(numbers: Any) -> Any:
    return lambda rng: (numbers(rng, sizes(rng, 2)),)


def broadcast(numbers: Any) -> Any:
    def draw(rng: Generator) -> tuple[Any, ...]:
        k, n, m = sizes(rng, 3)
        shapes = [
            ((n, m), (m,)), ((n, m), (n, 1)), ((n, m), ()), ((n, 1), (m,)), ((1, m), (n, m)), ((m,), (k, n, m)),
            ((k, 1, m), (n, 1)), ((), ()), ((), (n,)), ((n, m), (n, m)),
        ]  # fmt: skip
        return tuple(numbers(rng, shape) for shape in shapes[rng.integers(len(shapes))])

    return draw


def ties(rng: Generator) -> tuple[Any, Any]:
    """Two inputs with, in some draws, entries that are equal or nearly so."""
    shape = any_shape(rng)
    x, y = (np.asarray(wide(rng, shape)) for _ in range(2))
    if rng.random() < 0.5:
        y = np.where(rng.random(shape) < 0.4, x + near_zero(rng, shape), y)
    return formed(rng, x), formed(rng, y)


def row(rng: Generator) -> tuple[Any, Any]:
    """A matrix (N, D) and a bias (D,)."""
    n, d = sizes(rng, 2)
    return wide(rng, (n, d)), wide(rng, (d,))


def product(rng: Generator) -> tuple[Any, Any]:
    """Two matrices (N, D), (D, H)."""
    n, d, h = sizes(rng, 3)
    return wide(rng, (n, d)), wide(rng, (d, h))


def matrix_vector(rng: Generator) -> tuple[Any, Any]:
    """W (H, D) and x (D,)."""
    h, d = sizes(rng, 2)
    return wide(rng, (h, d)), wide(rng, (d,))


def affine(rng: Generator) -> tuple[Any, ...]:
    n, d, h = sizes(rng, 3)
    return wide(rng, (n, d)), wide(rng, (d, h)), wide(rng, (h,))


def vectors(numbers: Any) -> Any:
    """Two vectors of one length."""

    def draw(rng: Generator) -> tuple[Any, Any]:
        n = int(rng.integers(1, 7))
        return numbers(rng, (n,)), numbers(rng, (n,))

    return draw


def lengths(rng: Generator) -> tuple[Any, Any]:
    """Two vectors of different lengths."""
    n, m = sizes(rng, 2)
    return wide(rng, (n,)), wide(rng, (m,))


def logits(rng: Generator, shape: tuple[int, ...]) -> Any:
    """Small, extreme, or shifted by a thousand."""
    x = rng.normal(size=shape) * rng.choice([1e-3, 1.0, 1.0, 10.0, 100.0, 1e3])
    return formed(rng, x + rng.choice([0.0, 0.0, 1e3, -1e3]))


def classified(numbers: Any) -> Any:
    """Scores (N, C) and labels (N,)."""

    def draw(rng: Generator) -> tuple[Any, Any]:
        n, c = sizes(rng, 2)
        return numbers(rng, (n, c)), rng.integers(0, c, n)

    return draw


def normed(rng: Generator) -> tuple[Any, ...]:
    """x (N, D), gamma (D,), beta (D,), with columns and rows that vary."""
    n, d = (k + 1 for k in sizes(rng, 2))
    x = rng.normal(size=(n, d)) * rng.choice([0.1, 1.0, 30.0]) + rng.choice([0.0, 1.0, 10.0])
    return formed(rng, x), mild(rng, (d,)), wide(rng, (d,))


def convolved(rng: Generator) -> tuple[Any, Any]:
    """A signal and a shorter kernel."""
    k = int(rng.integers(1, 4))
    return wide(rng, (k + int(rng.integers(1, 5)),)), wide(rng, (k,))


def looked_up(rng: Generator) -> tuple[Any, Any]:
    """A table (V, D) and the rows that are used, some of them twice or never."""
    v, d, n = sizes(rng, 3)
    ids = rng.integers(0, v, n) if rng.random() < 0.7 else rng.integers(0, v, (n, 2))
    return wide(rng, (v, d)), ids


def scalars(count: int, numbers: Any = mild) -> Any:
    return lambda rng: tuple(numbers(rng, ()) for _ in range(count))
