"""Mistakes with branches: a share that replaces the others, nodes in the wrong order, gradients kept from before."""

from __future__ import annotations

import numpy as np

from corpus import wrong_forwards as f
from corpus.right_base import Call
from corpus.tapes import WRONG, load
from corpus.wrong_base import at, backward, function, gate, graph, register
from corpus.wrong_forwards import sigmoid

# ---- overwritten-branch, in expressions ---------------------------------------------------------------


@function("overwritten-branch", at=at("n", "n"), of=lambda x, y: np.sum(x * y + x**2))
def x_used_twice(x, y):
    dx = y
    dx = 2 * x
    return np.sum(x * y + x**2), (dx, x)


@function("overwritten-branch", at=at("", ""), of=lambda x, y: (x + y) * np.exp(x) + y)
def only_the_first_use(x, y):
    e = np.exp(x)
    return (x + y) * e + y, (e, e + 1)


def _staged(x, y):
    num, den = x + 1 / (1 + np.exp(-y)), 1 / (1 + np.exp(-x)) + (x + y) ** 2
    return num / den


@function("overwritten-branch", at=at("", ""), of=_staged)
def staged_with_equals_signs(x, y):
    sy, sx, xpy = sigmoid(y), sigmoid(x), x + y
    num, den = x + sy, sx + xpy**2
    dnum, dden = 1 / den, -num / den**2
    dxpy = dden * 2 * xpy
    dx = dxpy
    dy = dxpy
    dx = dden * sx * (1 - sx)
    dx = dnum
    dy += dnum * sy * (1 - sy)
    return num / den, (dx, dy)


@gate("overwritten-branch", at=at("nd", "dd"), of=lambda x, w: x + np.tanh(x @ w))
class ResidualBlock:
    def forward(self, x, w):
        a = np.tanh(x @ w)
        return x + a, (x, w, a)

    def backward(self, upstream, cache):
        x, w, a = cache
        dx = upstream
        dz = upstream * (1 - a**2)
        dx = dz @ w.T
        return dx, x.T @ dz


@gate("overwritten-branch", at=at("nd"), of=lambda x: x / (1 + np.exp(-x)))
class Swish:
    def forward(self, x):
        s = sigmoid(x)
        return x * s, (x, s)

    def backward(self, upstream, cache):
        x, s = cache
        dx = upstream * s
        dx = upstream * x * s * (1 - s)
        return dx


@gate("overwritten-branch", at=at("nd"), of=lambda x: x / np.sqrt(np.mean(x**2, axis=0)))
class ScaleTakenForAConstant:
    def forward(self, x):
        spread = np.sqrt(np.mean(x**2, axis=0))
        return x / spread, spread

    def backward(self, upstream, spread):
        return upstream / spread


# ---- the backward pass of a graph ---------------------------------------------------------------------


def topological_order(needs):
    order = []

    def visit(node):
        if node not in order:
            for x in needs[node]:
                visit(x)
            order.append(node)

    for node in needs:
        visit(node)
    return order


SKIP = {"x": [], "a": ["x"], "b": ["a"], "f": ["a", "b"]}


@graph("overwritten-branch")
def equals_for_plus_equals(needs, local, output):
    grad = {node: 0.0 for node in needs}
    grad[output] = 1.0
    for node in reversed(topological_order(needs)):
        for x, slope in zip(needs[node], local[node]):
            grad[x] = grad[node] * slope
    return grad


@graph("overwritten-branch")
def set_only_if_not_there_yet(needs, local, output):
    grad = {output: 1.0}
    for node in topological_order(needs)[::-1]:
        for x, slope in zip(needs[node], local[node]):
            if x not in grad:
                grad[x] = grad.get(node, 0.0) * slope
    return {node: grad.get(node, 0.0) for node in needs}


@graph("overwritten-branch", needs=SKIP)
def update_of_a_dict(needs, local, output):
    grad = dict.fromkeys(needs, 0.0)
    grad[output] = 1.0
    for node in reversed(topological_order(needs)):
        grad.update({x: grad[node] * slope for x, slope in zip(needs[node], local[node])})
    return grad


@graph("wrong-order")
def recursion_from_the_output(needs, local, output):
    grad = {node: 0.0 for node in needs}
    grad[output] = 1.0

    def back(node):
        for x, slope in zip(needs[node], local[node]):
            grad[x] += slope * grad[node]
            back(x)

    back(output)
    return grad


@graph("wrong-order")
def a_queue_with_a_visited_set(needs, local, output):
    grad = dict.fromkeys(needs, 0.0)
    grad[output] = 1.0
    queue, visited = [output], {output}
    while queue:
        node = queue.pop(0)
        for x, slope in zip(needs[node], local[node]):
            grad[x] += grad[node] * slope
            if x not in visited:
                visited.add(x)
                queue.append(x)
    return grad


@graph("wrong-order")
def a_stack_with_a_visited_set(needs, local, output):
    grad = dict.fromkeys(needs, 0.0)
    grad[output] = 1.0
    stack, done = [output], set()
    while stack:
        node = stack.pop()
        if node in done:
            continue
        done.add(node)
        for x, slope in zip(needs[node], local[node]):
            grad[x] += grad[node] * slope
            stack.append(x)
    return grad


@graph("wrong-order")
def from_the_inputs_to_the_output(needs, local, output):
    grad = {node: 0.0 for node in needs}
    grad[output] = 1.0
    for node in topological_order(needs):
        for x, slope in zip(needs[node], local[node]):
            grad[x] += grad[node] * slope
    return grad


@graph("wrong-order", needs={"x": [], "q": ["x"], "a": ["q"], "b": ["q"], "f": ["a", "b"]})
def every_visit_sends_all_again(needs, local, output):
    grad, todo = {node: 0.0 for node in needs}, [output]
    grad[output] = 1.0
    while todo:
        node = todo.pop(0)
        for x, slope in zip(needs[node], local[node]):
            grad[x] += grad[node] * slope
            todo.append(x)
    return grad


# ---- not-reset ----------------------------------------------------------------------------------------


@graph("not-reset")
def a_default_argument(needs, local, output):
    return _kept_in_a_default(needs, local, output)


def _accumulate(grad, needs, local, output):
    fresh = {node: 0.0 for node in needs}
    fresh[output] = 1.0
    for node in reversed(topological_order(needs)):
        for x, slope in zip(needs[node], local[node]):
            fresh[x] += fresh[node] * slope
    for node in needs:
        key = (node, str(needs), str(local))
        grad[key] = grad.get(key, 0.0) + fresh[node]
    return {node: grad[node, str(needs), str(local)] for node in needs}


def _kept_in_a_default(needs, local, output, grad={}):  # noqa: B006
    return _accumulate(grad, needs, local, output)


@graph("not-reset", needs=SKIP, fresh=True)
def a_dict_outside_of_the_function():
    grads = {}

    def graph_backward(needs, local, output):
        found = {node: 0.0 for node in needs}
        found[output] = 1.0
        for node in reversed(topological_order(needs)):
            for x, slope in zip(needs[node], local[node]):
                found[x] += found[node] * slope
        for node in needs:
            grads[node] = grads.get(node, 0.0) + found[node]
        return dict(grads)

    return graph_backward


@gate("not-reset", at=at("nd", "nd"))
class MultiplyPlusEquals:
    def __init__(self):
        self.dx = self.dy = 0.0

    def forward(self, x, y):
        return x * y, (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        self.dx = self.dx + upstream * y
        self.dy = self.dy + upstream * x
        return self.dx, self.dy


@gate("not-reset", at=at("nd", "dh", "h"))
class AffineKeepsItsGradients:
    def __init__(self):
        self.grads = {}

    def forward(self, x, w, b):
        return x @ w + b, (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        for name, grad in (("w", x.T @ upstream), ("b", upstream.sum(axis=0))):
            self.grads[name] = self.grads.get(name, 0) + grad
        return upstream @ w.T, self.grads["w"], self.grads["b"]


@function("not-reset", at=at("n", "n"), of=lambda x, y: np.sum(x**2 * y), fresh=True)
def gradients_in_a_global():
    grads = {"x": 0.0, "y": 0.0}

    def squared_times(x, y):
        grads["x"] = grads["x"] + 2 * x * y
        grads["y"] = grads["y"] + x**2
        return np.sum(x**2 * y), (grads["x"], grads["y"])

    return squared_times


_TOTAL = {}


@backward("not-reset", on=f.EXP)
def added_up_in_a_module_variable(upstream, cache):
    _, out = cache
    _TOTAL[out.shape] = _TOTAL.get(out.shape, 0.0) + upstream * out
    return _TOTAL[out.shape]


# ---- tapes that visit a node twice --------------------------------------------------------------------

for tape, expression in (
    ("visited twice", "(q := x + y) * q + q * x"),
    ("visited twice", "(q := x * y) + (q + 2) * q"),
    ("ready at the first use", "(q := x * y) + ((p := q * x) + q) * (p + y)"),
    ("ready at the first use", "(a := x + y) * (b := a * x) + b * a"),
):
    run = load(next(wrong.source for wrong in WRONG if wrong.name == tape))
    register(
        ("visited-twice",),
        "check_tape",
        f"{tape}, {expression}",
        lambda rng, run=run, expression=expression: Call((run, expression), {"x": rng.normal(), "y": rng.normal()}),
    )
