"""Is this derivative right, and if not, which mistake is it?

    assert check_backward(Multiply(), 2.0, 3.0)            # a gate against numerical derivatives
    assert check_gradient(value_and_gradients, 3.0, -4.0)   # a scalar function of several inputs
    assert check_jacobian(my_jacobian, x, of=function)
    assert check_value(q, 3.0, name="q")

Each check returns a `Verdict`, which shows itself in a notebook; under `assert`, one that did not pass
raises `WrongDerivative` with the same text.
"""

from nnkit.check.checks import check_backward, check_gradient, check_jacobian, check_order, check_value, partial_credit
from nnkit.check.verdict import Verdict, WrongDerivative

__all__ = [
    "Verdict",
    "WrongDerivative",
    "check_backward",
    "check_gradient",
    "check_jacobian",
    "check_order",
    "check_value",
    "partial_credit",
]
