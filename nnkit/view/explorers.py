"""Where a lecture has something to play with: one call each. For now each shows a still figure."""

from __future__ import annotations

from typing import Any, Literal

from nnkit.view.plots import Picture


def jacobian_explorer(kind: Literal["elementwise", "matvec", "matmul", "softmax"] = "elementwise") -> Picture:
    """A Jacobian and the upstream gradient that meets it: of ReLU, of W x, of a matrix product, or of softmax.

    Raises ValueError for any other kind.
    """
    from nnkit.view import jacobians

    if kind not in jacobians.EXAMPLES:
        raise ValueError(f"jacobian_explorer shows {', '.join(jacobians.EXAMPLES)}; there is no {kind!r}.")
    return jacobians.EXAMPLES[kind]()


def activation_explorer(gate: Any) -> Picture:
    """An activation, its slope, the point x = 2 on both, and where it is saturated: of a gate like `Sigmoid()`."""
    from nnkit.view import activations

    return activations.curve_and_slope(gate, at=2.0)


def descent_explorer() -> Picture:
    """The loss of a neuron with two weights, seen from above, and the path of its updates."""
    from nnkit.view import training

    return training.descent(step_size=2.0)


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
