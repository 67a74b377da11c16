"""Is this derivative right, and if not, which mistake is it?

    assert check_backward(Multiply(), 2.0, 3.0)            # a gate against numerical derivatives
    assert check_gradient(value_and_gradients, 3.0, -4.0)   # a scalar function of several inputs
    assert check_layer(make_layer, x)                       # a layer that keeps state, with its parameters
    assert check_loss(loss, scores, labels)                # its gradient by the prediction; the target is fixed
    assert check_parameters(network, parameters, x, y)     # dict of arrays in, dict of gradients out
    assert check_jacobian(my_jacobian, x, of=function)
    assert check_graph(graph_backward)                     # branches, diamonds, called twice
    assert check_update(update, W, dW, step_size=0.1)      # W - step_size * dW
    assert check_step(step, parameters, x, y, of=loss)     # forward, backward and update in one
    assert check_training(losses, accuracy, at_least=0.95)
    assert check_value(q, 3.0, name="q")
    assert check_numerical_gradient(numerical, f, x)       # a learner's own difference quotient
    assert check_checker(is_right)                         # a learner's own gradient checker
    assert check_tape(run, "2 * x + x * x", x=3.0)         # a learner's own tape

Layers may be written in other forms too, and in JAX or PyTorch: docs/check.md has a table.

Each check returns a `Verdict`, which shows itself in a notebook; under `assert`, one that did not pass
raises `WrongDerivative` with the same text. A check is stopped after 10 seconds of computing time, at the next line of
Python of the checked code (`with checking(seconds=60):` gives it more); naming the mistake may take as long again.
"""

from nnkit.check.api.checker_checks import check_checker
from nnkit.check.api.direction_checks import check_hvp, check_jvp
from nnkit.check.api.gate_checks import (
    check_gradient,
    check_jacobian,
    check_loss,
    check_value,
    partial_credit,
)
from nnkit.check.api.graph_checks import check_graph, check_order
from nnkit.check.api.layer_checks import check_backward, check_layer
from nnkit.check.api.network_checks import check_parameters, check_step, check_training, check_update
from nnkit.check.api.numerical_checks import check_numerical_gradient
from nnkit.check.api.tape_checks import check_tape
from nnkit.check.api.value_checks import check_values
from nnkit.check.context import checking
from nnkit.check.rendering.html import card
from nnkit.check.rendering.lessons import set_lecture
from nnkit.check.verdict import Verdict, WrongDerivative
from nnkit.renderers import register_renderer

register_renderer(Verdict, card)

__all__ = [
    "Verdict",
    "WrongDerivative",
    "check_backward",
    "check_checker",
    "check_gradient",
    "check_graph",
    "check_hvp",
    "check_jacobian",
    "check_jvp",
    "check_layer",
    "check_loss",
    "check_numerical_gradient",
    "check_order",
    "check_parameters",
    "check_step",
    "check_tape",
    "check_training",
    "check_update",
    "check_value",
    "check_values",
    "checking",
    "partial_credit",
    "set_lecture",
]
