"""The explorers of the lectures, one function each.

Jupyter shows a live form, static pages a still figure, `print` a description; see `nnkit.view.explorers.explorer`.
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
    """Explore a graph gate by gate: step through both passes, move the inputs, look into gates, fold groups of gates.

    `groups` maps a symbol to the nodes of gates that can be folded into one gate: `{"σ": [minus, power, plus, f]}`. A
    sigmoid written out in four gates is found without being named. An output that is not a scalar needs an `upstream`
    gradient of its shape. The graph itself is not changed: the explorer works on a copy.

    Raises TypeError if `graph` is not a Graph, ValueError for a group that cannot be one gate.
    """
    from nnkit.graph import Graph
    from nnkit.view.explorers.explore_graph import GraphActor, StillGraph

    if not isinstance(graph, Graph):
        raise TypeError(f"graph_explorer takes a Graph, as in graph_explorer(graph); this is a {type(graph).__name__}.")
    actor = GraphActor(graph, groups, upstream)  # now, because the learner may add to the graph later
    return Explorer(StillGraph(graph), "graph", lambda: actor)


def jacobian_explorer(kind: Literal["elementwise", "matvec", "matmul", "softmax"] = "elementwise") -> Explorer:
    """Explore the Jacobian of ReLU, W x, a matrix product or softmax, and its product with an upstream gradient.

    It shows which output and input each entry connects, the memory that the matrix of a real layer would take, and the
    shape rule as a puzzle. Raises ValueError for any other kind.
    """
    from nnkit.view.explorers.explore_jacobian import JacobianActor
    from nnkit.view.figures import jacobians

    if kind not in jacobians.EXAMPLES:
        raise ValueError(f"jacobian_explorer shows {', '.join(jacobians.EXAMPLES)}; there is no {kind!r}.")
    return Explorer(jacobians.EXAMPLES[kind](), "jacobian", lambda: JacobianActor(kind))


def activation_explorer(gate: Any) -> Explorer:
    """Explore an activation, a gate such as `Sigmoid()` or your own: its slope and where it is saturated.

    At a point of your choice it shows the tangent and the numerical derivative, with a step of your choice.
    """
    from nnkit.view.explorers.explore_activation import START, ActivationActor
    from nnkit.view.figures import activation_curves

    still = activation_curves.curve_and_slope(gate, at=START)
    return Explorer(still, "activation", lambda: ActivationActor(gate))


def descent_explorer() -> Explorer:
    """Explore `W -= step_size * dW`, update by update, on the loss of a neuron with two weights or in a valley.

    You choose the step size, the momentum and the start; it can diverge.
    """
    from nnkit.view.explorers.explore_descent import DescentActor
    from nnkit.view.figures import training

    return Explorer(training.descent(step_size=2.0), "descent", DescentActor)


def verdict_explorer(verdict: Verdict | WrongDerivative) -> Explorer:
    """Explore the verdict of a check entry by entry (yours, expected, difference), and its hints.

        verdict_explorer(check_backward(my_gate, x))

    Takes the exception of a failed `assert`, too. Raises TypeError for anything else.
    """
    from nnkit.check.verdict import Verdict, WrongDerivative
    from nnkit.view.explorers.explore_verdict import StillVerdict, VerdictActor

    result = verdict.verdict if isinstance(verdict, WrongDerivative) else verdict
    if not isinstance(result, Verdict):
        raise TypeError(f"verdict_explorer takes what a check returned; this is a {type(result).__name__}.")
    return Explorer(StillVerdict(result), "verdict", lambda: VerdictActor(result))


def drill(level: int = 1, *, seed: int = 0) -> Explorer:
    """Practise both passes on random graphs: type the value and the gradient of each wire, and have each one checked.

    Levels: 1 add and multiply, 2 branches, 3 minus and max, 4 the sigmoid, 5 matrices. A wrong number is explained by
    the catalogue of mistakes. There is always another graph; the same `seed` gives the same ones.

    Raises ValueError for other levels, and TypeError for a seed that is no whole number.
    """
    from nnkit.view.explorers.drill_tasks import LEVELS, make_task
    from nnkit.view.explorers.explore_drill import DrillActor, hide_answers
    from nnkit.view.explorers.explore_graph import StillGraph

    if not isinstance(seed, int):
        raise TypeError(f"seed must be a whole number; it is {seed!r}.")
    if not isinstance(level, int) or level not in LEVELS:
        raise ValueError(f"drill has the levels 1 to {max(LEVELS)}; there is no {level!r}.")
    return Explorer(StillGraph(hide_answers(make_task(level, seed, 0))), "drill", lambda: DrillActor(level, seed))


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
    """Watch a network learn to classify points of the plane: play, pause, step, change settings, paint points.

    `data` is "circles", "spiral", "moons", "paint" (no points yet), or your own points: x (N, 2) and labels (N,) of at
    most five classes. `activation` is a name from the page ("ReLU", "tanh", "sigmoid", "leaky ReLU", "ELU", "maxout")
    or a gate; `affine` and `loss_gate` are gates. Your own gates train here as in an `MLP`. The other settings can be
    changed in the page. The still figure shows the network after `updates` updates.

    Raises ValueError or TypeError for data, a network or gates that cannot be used.
    """
    from nnkit.view.explorers.explore_playground import PlaygroundActor
    from nnkit.view.explorers.playground_points import check_points
    from nnkit.view.explorers.playground_settings import PlaygroundSettings
    from nnkit.view.explorers.playground_still import draw_training

    own_points = None if isinstance(data, str) else check_points(*data)
    start = PlaygroundSettings(data if isinstance(data, str) else "given").with_changes(
        {"step_size": step_size, "weight_decay": weight_decay, "batch_size": batch_size, "seed": seed}
    )
    layers = tuple(hidden) if isinstance(hidden, Sequence) else (hidden,)

    def actor() -> PlaygroundActor:
        return PlaygroundActor(start, layers, activation, own_points=own_points, affine=affine, loss_gate=loss_gate)

    first = actor()
    return Explorer(draw_training(first.trainer, first.points, updates, first.failed), "playground", actor)
