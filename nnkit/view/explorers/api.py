"""Where a lecture has something to play with: one call each.

Jupyter shows a live form, static pages the still figure, `print` the words; see `nnkit.view.explorers.explorer`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from nnkit.view.explorers.explorer import Explorer

if TYPE_CHECKING:
    from nnkit.arrays import Array
    from nnkit.check.verdict import Verdict, WrongDerivative
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
    from nnkit.view.explorers.explore_graph import GraphActor, StillGraph

    if not isinstance(graph, Graph):
        raise TypeError(f"graph_explorer takes a Graph, as in graph_explorer(graph); this is a {type(graph).__name__}.")
    actor = GraphActor(graph, groups, upstream)  # now, since the learner may go on building
    return Explorer(StillGraph(graph), "graph", lambda: actor)


def jacobian_explorer(kind: Literal["elementwise", "matvec", "matmul", "softmax"] = "elementwise") -> Explorer:
    """A Jacobian and the upstream gradient that meets it: of ReLU, of W x, of a matrix product, or of softmax.

    Each entry tells which output and input it ties; what the matrix of a real layer would weigh; the shape rule as a
    puzzle. Raises ValueError for any other kind.
    """
    from nnkit.view.explorers.explore_jacobian import JacobianActor
    from nnkit.view.figures import jacobians

    if kind not in jacobians.EXAMPLES:
        raise ValueError(f"jacobian_explorer shows {', '.join(jacobians.EXAMPLES)}; there is no {kind!r}.")
    return Explorer(jacobians.EXAMPLES[kind](), "jacobian", lambda: JacobianActor(kind))


def activation_explorer(gate: Any) -> Explorer:
    """An activation and its slope, where it is saturated, and at a point of your choice its tangent and its numerical
    derivative, with a step of your choice: of a gate like `Sigmoid()`, or of one that you wrote."""
    from nnkit.view.explorers.explore_activation import START, ActivationActor
    from nnkit.view.figures import activation_curves

    still = activation_curves.curve_and_slope(gate, at=START)
    return Explorer(still, "activation", lambda: ActivationActor(gate))


def descent_explorer() -> Explorer:
    """`W -= step_size * dW` on a loss surface, update by update: the loss of a neuron with two weights, or a valley.

    Step size, momentum and the start are yours, divergence included.
    """
    from nnkit.view.explorers.explore_descent import DescentActor
    from nnkit.view.figures import training

    return Explorer(training.descent(step_size=2.0), "descent", DescentActor)


def verdict_explorer(verdict: Verdict | WrongDerivative) -> Explorer:
    """What a check of `nnkit.check` found, entry by entry: yours, the expected, by what they differ; and its hints.

        verdict_explorer(check_backward(my_gate, x))

    Takes the exception that a failed `assert` raised, too. Raises TypeError for what is neither.
    """
    from nnkit.check.verdict import Verdict, WrongDerivative
    from nnkit.view.explorers.explore_verdict import StillVerdict, VerdictActor

    found = verdict.verdict if isinstance(verdict, WrongDerivative) else verdict
    if not isinstance(found, Verdict):
        raise TypeError(f"verdict_explorer takes what a check returned; this is a {type(found).__name__}.")
    return Explorer(StillVerdict(found), "verdict", lambda: VerdictActor(found))


def playground(
    data: str | tuple[Any, Any] = "circles",
    *,
    hidden: Sequence[int] | int = (16, 16),
    activation: Any = "ReLU",
    affine: Any = None,
    loss_gate: Any = None,
    step_size: float = 0.3,
    weight_decay: float = 0.0,
    batch_size: int | None = None,
    seed: int = 0,
    updates: int = 400,
) -> Explorer:
    """A network on points of the plane, and what it does while it learns: play, pause, step, change, paint points.

    `data` is "circles", "spiral", "moons", "paint" (no points yet), or points of yours: x (N, 2) and labels (N,) of at
    most five classes. `activation` is one of the names in the page ("ReLU", "tanh", "sigmoid", "leaky ReLU", "ELU",
    "maxout") or a gate, `affine` and `loss_gate` are gates: gates that you wrote train here as in an `MLP`. The other
    settings can be changed in the page. The still figure shows where `updates` updates lead.

    Raises ValueError or TypeError for what is no data, no network or no gate.
    """
    from nnkit.view.explorers.explore_playground import PlaygroundActor, Settings
    from nnkit.view.explorers.playground_points import given
    from nnkit.view.explorers.playground_still import trained

    own = None if isinstance(data, str) else given(*data)
    start = Settings(data if isinstance(data, str) else "given").changed(
        {"step_size": step_size, "weight_decay": weight_decay, "batch_size": batch_size, "seed": seed}
    )
    layers = tuple(hidden) if isinstance(hidden, Sequence) else (hidden,)

    def actor() -> PlaygroundActor:
        return PlaygroundActor(start, layers, activation, own=own, affine=affine, loss_gate=loss_gate)

    shown = actor()
    return Explorer(trained(shown.trainer, shown.points, updates, shown.failed), "playground", actor)
