"""Where a lecture has something to play with: one call each.

Jupyter shows a live form, static pages the still figure, `print` the words; see `nnkit.view.explorer`. The
playground is a still figure for now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from nnkit.view.explorer import Explorer
from nnkit.view.plots import Picture

if TYPE_CHECKING:
    from nnkit.arrays import Array
    from nnkit.graph import Graph, Node


def graph_explorer(
    graph: Graph, groups: Mapping[str, Iterable[Node]] | None = None, upstream: Array | None = None
) -> Explorer:
    """Any graph, gate by gate: step through both passes, move the inputs, look into gates, fold groups of them.

    `groups` maps a symbol to the gates' nodes that can be folded into one gate: `{"σ": [minus, power, plus, f]}`. A
    sigmoid that is spelt out in four gates is found without being named. An output that is not a scalar needs an
    `upstream` gradient of its shape. The graph itself is not changed: the explorer has a copy.

    Raises TypeError for what is no graph, ValueError for a group that cannot be one gate.
    """
    from nnkit.graph import Graph
    from nnkit.view.graphlive import GraphActor, StillGraph

    if not isinstance(graph, Graph):
        raise TypeError(f"graph_explorer takes a Graph, as in graph_explorer(graph); this is a {type(graph).__name__}.")
    actor = GraphActor(graph, groups, upstream)  # now, since the learner may go on building
    return Explorer(StillGraph(graph), "graph", lambda: actor)


def jacobian_explorer(kind: Literal["elementwise", "matvec", "matmul", "softmax"] = "elementwise") -> Explorer:
    """A Jacobian and the upstream gradient that meets it: of ReLU, of W x, of a matrix product, or of softmax.

    Each entry tells which output and input it ties; what the matrix of a real layer would weigh; the shape rule as a
    puzzle. Raises ValueError for any other kind.
    """
    from nnkit.view import jacobians
    from nnkit.view.jacobianlive import JacobianActor

    if kind not in jacobians.EXAMPLES:
        raise ValueError(f"jacobian_explorer shows {', '.join(jacobians.EXAMPLES)}; there is no {kind!r}.")
    return Explorer(jacobians.EXAMPLES[kind](), "jacobian", lambda: JacobianActor(kind))


def activation_explorer(gate: Any) -> Explorer:
    """An activation and its slope, where it is saturated, and at a point of your choice its tangent and its numerical
    derivative, with a step of your choice: of a gate like `Sigmoid()`, or of one that you wrote."""
    from nnkit.view import activations
    from nnkit.view.activationlive import START, ActivationActor

    still = activations.curve_and_slope(gate, at=START)
    return Explorer(still, "activation", lambda: ActivationActor(gate))


def descent_explorer() -> Explorer:
    """`W -= step_size * dW` on a loss surface, update by update: the loss of a neuron with two weights, or a valley.

    Step size, momentum and the start are yours, divergence included.
    """
    from nnkit.view import training
    from nnkit.view.descentlive import DescentActor

    return Explorer(training.descent(step_size=2.0), "descent", DescentActor)


def playground(data: tuple[Any, Any], hidden: int = 20, epochs: int = 100) -> Picture:
    """A network with one hidden layer, trained on points (x, labels) of the plane: how it divides them. A second
    or two."""
    import numpy as np

    from nnkit.mlp import MLP
    from nnkit.train import SGD, fit
    from nnkit.view import training

    x, labels = data
    model = MLP((2, hidden, int(np.max(labels)) + 1))
    parameters, _ = fit(model, model.init(0), x, labels, epochs=epochs, batch_size=32, optimiser=SGD(0.2, momentum=0.9))
    return training.regions({f"{hidden} hidden units": lambda points: model.predict(parameters, points)}, x, labels)
