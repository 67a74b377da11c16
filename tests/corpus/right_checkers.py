"""Gradient checkers that are right, in the styles in which they are written."""

from __future__ import annotations

import numpy as np


def measure(f, x, upstream, h):
    x = np.array(x, dtype=float)
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        gradient[i] = np.sum(upstream * (f(up) - f(down))) / (2 * h)
    return gradient


def in_place(f, x, upstream, h):
    x, gradient = np.array(x, dtype=float), np.zeros(np.shape(x))
    it = np.nditer(x, flags=["multi_index"], op_flags=[["readwrite"]])
    while not it.finished:
        i = it.multi_index
        old = x[i]
        x[i] = old + h
        above = np.array(f(x))
        x[i] = old - h
        below = np.array(f(x))
        x[i] = old
        gradient[i] = np.sum((above - below) * upstream) / (2 * h)
        it.iternext()
    return gradient


def in_the_argument_itself(f, x, upstream, h):
    if x.dtype != float:
        x = x.astype(float)
    gradient = np.empty(x.shape)
    for i in range(x.size):
        x.flat[i] += h
        above = (upstream * f(x)).sum()
        x.flat[i] -= 2 * h
        below = (upstream * f(x)).sum()
        x.flat[i] += h
        gradient.flat[i] = (above - below) / (h + h)
    return gradient


def unit_vectors(f, x, upstream, h):
    steps = h * np.eye(np.size(x)).reshape(-1, *np.shape(x))
    slopes = [(np.vdot(upstream, f(x + e)) - np.vdot(upstream, f(x - e))) / 2 / h for e in steps]
    return np.array(slopes).reshape(np.shape(x))


def by_the_jacobian(f, x, upstream, h):
    steps = h * np.eye(np.size(x)).reshape(-1, *np.shape(x))
    columns = np.stack([np.ravel((f(x + e) - f(x - e)) / (2 * h)) for e in steps], axis=1)
    return (np.ravel(upstream) @ columns).reshape(np.shape(x))


def recursive(f, x, upstream, h, begin=0):
    flat = np.asarray(x, dtype=float).ravel()
    if begin == flat.size:
        return np.zeros(np.shape(x))
    gradient = recursive(f, x, upstream, h, begin + 1)
    sides = [np.where(np.arange(flat.size) == begin, flat + s, flat).reshape(np.shape(x)) for s in (h, -h)]
    gradient.flat[begin] = (np.sum(upstream * f(sides[0])) - np.sum(upstream * f(sides[1]))) / (2 * h)
    return gradient


QUOTIENTS = (measure, in_place, in_the_argument_itself, unit_vectors, by_the_jacobian, recursive)


def _pairs(forward, backward, inputs, upstream=None, slope=measure, h=1e-5):
    out, cache = forward(*inputs)
    upstream = np.random.default_rng(0).normal(size=np.shape(out)) if upstream is None else upstream(np.shape(out))
    for k, gradient in enumerate(backward(upstream, cache)):

        def f(x, k=k):
            return forward(*inputs[:k], x, *inputs[k + 1 :])[0]

        yield gradient, slope(f, inputs[k], upstream, h), inputs[k]


def largest_difference(forward, backward, inputs):
    for gradient, measured, x in _pairs(forward, backward, inputs):
        if np.shape(gradient) != np.shape(x):
            return False
        if not np.max(np.abs(gradient - measured)) <= 1e-6 * np.max(np.abs(measured)):
            return False
    return True


def norm_of_the_difference(forward, backward, inputs):
    def error(a, b):
        return np.linalg.norm(a - b) / max(np.linalg.norm(a) + np.linalg.norm(b), 1e-300)

    pairs = list(_pairs(forward, backward, inputs, lambda size: np.random.uniform(0.5, 1.5, size)))
    return all(np.shape(g) == np.shape(x) and error(g, m) < 1e-6 for g, m, x in pairs)


def allclose_with_a_scale(forward, backward, inputs):
    pairs = _pairs(forward, backward, inputs, slope=in_place, h=1e-4)
    return all(
        g.shape == x.shape and np.allclose(g, m, rtol=1e-5, atol=1e-6 * np.abs(m).max())
        for g, m, x in pairs
        if hasattr(g, "shape")
    ) and all(np.ndim(g) == np.ndim(x) for g, _, x in _pairs(forward, backward, inputs))


def several_upstreams(forward, backward, inputs):
    draw = np.random.default_rng()
    for _ in range(2):
        for gradient, measured, x in _pairs(forward, backward, inputs, lambda size: draw.standard_normal(size)):
            if np.array(gradient).shape != x.shape or not np.all(np.isfinite(gradient)):
                return False
            if np.any(np.abs(gradient - measured) > 1e-5 * np.abs(measured).max()):
                return np.False_
    return np.True_


def one_upstream_at_a_time(forward, backward, inputs):
    """Try each entry of the Jacobian, with an upstream gradient of one 1 and zeros."""
    size = np.size(forward(*inputs)[0])
    for k in range(size):
        pairs = list(_pairs(forward, backward, inputs, lambda shape, k=k: np.eye(size)[k].reshape(shape)))
        if any(np.shape(g) != np.shape(x) for g, _, x in pairs):
            return False
        biggest = max(np.max(np.abs(m)) for _, m, _ in pairs)
        if not all(np.max(np.abs(g - m)) <= 1e-5 * biggest + 1e-5 * np.max(np.abs(m)) for g, m, _ in pairs):
            return False
    return True


def forward_differences_and_a_wide_tolerance(forward, backward, inputs):
    def slope(f, x, upstream, h):
        steps = h * np.eye(x.size).reshape(-1, *x.shape)
        return np.reshape([np.sum(upstream * (f(x + e) - f(x))) / h for e in steps], x.shape)

    pairs = list(_pairs(forward, backward, inputs, slope=slope, h=1e-7))
    return all(np.shape(g) == x.shape and np.max(np.abs(g - m)) <= 1e-4 * np.max(np.abs(m)) for g, m, x in pairs)


def all_inputs_as_one_vector(forward, backward, inputs):
    pairs = list(_pairs(forward, backward, inputs, slope=unit_vectors, h=3e-5))
    if any(np.shape(g) != np.shape(x) for g, _, x in pairs):
        return False
    off = [np.max(np.abs(g - m)) / np.max(np.abs(m)) if np.any(m) else np.max(np.abs(g)) for g, m, _ in pairs]
    return not any(np.isnan(off)) and max(off) < 1e-5


CHECKERS = (
    largest_difference,
    norm_of_the_difference,
    allclose_with_a_scale,
    several_upstreams,
    one_upstream_at_a_time,
    forward_differences_and_a_wide_tolerance,
    all_inputs_as_one_vector,
)
