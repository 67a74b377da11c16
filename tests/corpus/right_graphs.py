"""A graph's backward, in many hands: backward(needs, local, output) → the gradient of output for every node."""

from __future__ import annotations

from collections import defaultdict, deque
from functools import cache
from graphlib import TopologicalSorter

import numpy as np

from corpus.right_base import Family, Generator, graph

Graph = dict[str, list[str]]


def random_graph(rng: Generator) -> Graph:
    """Up to nine nodes; each needs up to three earlier ones, the last one (perhaps not all) the rest."""
    count = int(rng.integers(2, 10))
    names = [str(name) for name in rng.permutation(list("abcdefghijk"))[:count]]
    needs: Graph = {names[0]: []}
    for i in range(1, count):
        least = 1 if i == count - 1 else 0
        needs[names[i]] = [names[j] for j in rng.integers(0, i, int(rng.integers(least, 4)))]
    return needs


def graph_or_none(rng: Generator) -> tuple[Graph, ...]:
    return (random_graph(rng),) if rng.random() < 0.7 else ()


def by_paths(needs: Graph, local: dict[str, list[float]], output: str) -> dict[str, float]:
    """The sum over all paths of the product of their local gradients."""
    total = dict.fromkeys(needs, 0.0)

    def walk(node: str, weight: float) -> None:
        total[node] += weight
        for x, slope in zip(needs[node], local[node] if needs[node] else []):
            walk(x, weight * slope)

    walk(output, 1.0)
    return total


BACKWARD = Family("graph backward", graph_or_none, by_paths)
graph(BACKWARD, "every path on its own")(by_paths)


def depth_first(needs: Graph) -> list[str]:
    order: list[str] = []

    def visit(node: str) -> None:
        if node not in order:
            for x in needs[node]:
                visit(x)
            order.append(node)

    for node in needs:
        visit(node)
    return order


@graph(BACKWARD, "depth-first order, reversed")
def backward_depth_first(needs, local, output):
    grad = {node: 0.0 for node in needs}
    grad[output] = 1.0
    for node in reversed(depth_first(needs)):
        for x, slope in zip(needs[node], local.get(node, [])):
            grad[x] += grad[node] * slope
    return grad


@graph(BACKWARD, "Kahn")
def backward_kahn(needs, local, output):
    waiting = {node: 0 for node in needs}
    for inputs in needs.values():
        for x in inputs:
            waiting[x] += 1
    ready = deque(node for node, users in waiting.items() if users == 0)
    grad = dict.fromkeys(needs, 0.0)
    grad[output] = 1.0
    while ready:
        node = ready.popleft()
        for i, x in enumerate(needs[node]):
            grad[x] = grad[x] + local[node][i] * grad[node]
            waiting[x] -= 1
            if waiting[x] == 0:
                ready.append(x)
    return grad


@graph(BACKWARD, "graphlib")
def backward_graphlib(needs, local, output):
    grad = defaultdict(float, {node: 0.0 for node in needs})
    grad[output] += 1.0
    for node in reversed(list(TopologicalSorter(needs).static_order())):
        for x, slope in zip(needs[node], local.get(node, ())):
            grad[x] += slope * grad[node]
    return grad


@graph(BACKWARD, "pulled from the users, with memory")
def backward_pull(needs, local, output):
    users = {node: [] for node in needs}
    for node, inputs in needs.items():
        for position, x in enumerate(inputs):
            users[x].append((node, position))

    @cache
    def gradient(node):
        own = 1.0 if node == output else 0.0
        return own + sum(gradient(user) * local[user][position] for user, position in users[node])

    return {node: gradient(node) for node in needs}


@graph(BACKWARD, "forward mode from every node")
def backward_tangents(needs, local, output):
    def slope(node, of, memory):
        if of == node:
            return 1.0
        if of not in memory:
            memory[of] = sum(weight * slope(node, x, memory) for x, weight in zip(needs[of], local.get(of, [])))
        return memory[of]

    return {node: slope(node, output, {}) for node in needs}


def local_matrix(needs, local):
    places = {node: i for i, node in enumerate(needs)}
    matrix = np.zeros((len(needs), len(needs)))
    for node, inputs in needs.items():
        for x, weight in zip(inputs, local.get(node, [])):
            matrix[places[node], places[x]] += weight
    return places, matrix


@graph(BACKWARD, "a linear system")
def backward_solve(needs, local, output):
    places, matrix = local_matrix(needs, local)
    grads = np.linalg.solve(np.eye(len(needs)) - matrix.T, np.eye(len(needs))[places[output]])
    return {node: grads[i] for node, i in places.items()}


@graph(BACKWARD, "powers of the local matrix")
def backward_powers(needs, local, output):
    places, matrix = local_matrix(needs, local)
    row = np.eye(len(needs))[places[output]]
    total = row.copy()
    for _ in needs:
        row = row @ matrix
        total = total + row
    return dict(zip(places, total.tolist()))


class Node:
    def __init__(self, inputs):
        self.inputs, self.grad, self.users = inputs, 0.0, 0


@graph(BACKWARD, "node objects, made afresh")
def backward_objects(needs, local, output):
    nodes = {name: Node(inputs) for name, inputs in needs.items()}
    for node in nodes.values():
        for x in node.inputs:
            nodes[x].users += 1
    nodes[output].grad = 1.0
    left = [name for name, node in nodes.items() if node.users == 0]
    while left:
        name = left.pop()
        for x, weight in zip(nodes[name].inputs, local.get(name, [])):
            nodes[x].grad += nodes[name].grad * weight
            nodes[x].users -= 1
            if not nodes[x].users:
                left.append(x)
    return {name: node.grad for name, node in nodes.items()}
