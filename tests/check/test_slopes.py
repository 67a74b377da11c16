"""The table of slopes: each right one is the gate's own, and each wrong one is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnkit import gates
from nnkit.check import check_backward
from nnkit.check.diagnosis.explanations.formulas import compute_formula, write_formula
from nnkit.check.diagnosis.explanations.slope_table import find_slopes
from nnkit.check.evidence.traced_gates import ELEMENTARY, Elementwise, Min

ELEMENTARY_GATES: list[Any] = [
    *(kind() for kind in gates.ALL if find_slopes(kind()) is not None),
    *(gates.Power(n) for n in (0.5, 3, -2, 2.5)),
    gates.LeakyReLU(0.2),
    gates.ELU(0.7),
    Min(),
    *map(Elementwise, ELEMENTARY),
]
SIGNED = np.array([0.3, -0.7, 0.2, -0.4])
POSITIVE = np.array([0.3, 0.7, 0.2, 1.4])
UPSTREAM = np.array([1.3, -0.4, 0.9, -2.0])


def draw_inputs(gate: Any, count: int) -> list[np.ndarray]:
    kinds = (gates.ReLU, gates.LeakyReLU, gates.ELU, gates.Multiply)
    signed = isinstance(gate, kinds) or gate == gates.Power(2) or getattr(gate, "name", 0) in ("abs", "sin", "softplus")
    x = SIGNED if signed else 0.6 * POSITIVE
    return [x, x[::-1] * 1.3 + 0.1][:count]


@pytest.mark.parametrize("gate", ELEMENTARY_GATES, ids=lambda g: f"{g!r}")
def test_the_right_slopes_are_the_gate_s_own_and_the_wrong_ones_are_not(gate: Any) -> None:
    slopes = find_slopes(gate)
    assert slopes is not None
    inputs = draw_inputs(gate, len(slopes.right))
    out, cache = gate.forward(*inputs)
    alpha = getattr(gate, "slope", getattr(gate, "alpha", 0.0))
    values = {**dict(zip("xy", inputs)), "out": out, "upstream": UPSTREAM, "alpha": alpha}
    for right, formula, wrongs in zip(gate.backward(UPSTREAM, cache), slopes.right, slopes.wrong):
        assert np.allclose(UPSTREAM * compute_formula(formula, values), right)
        assert len(wrongs) >= 4
        same = [wrong for wrong in wrongs if np.allclose(_share(wrong, values), right)]
        assert len(same) <= 0.15 * len(wrongs), same


def _share(formula: str, values: dict[str, Any]) -> Any:
    value = compute_formula(formula, values)
    return value if "upstream" in formula else UPSTREAM * value


@pytest.mark.parametrize(
    ("formula", "names", "written"),
    [
        ("1 - out**2", {"out": "a"}, "1 - a**2"),
        ("exp(x)", {"x": "a + b"}, "np.exp(a + b)"),
        ("2 * x", {"x": "a + b"}, "2 * (a + b)"),
        ("-x / y**2", {"x": "w[0]", "y": "np.exp(z)"}, "-w[0] / np.exp(z)**2"),
        ("x", {"x": "a + b"}, "a + b"),
        ("upstream * out * (1 - out)", {}, "upstream * out * (1 - out)"),
    ],
)
def test_formulas_are_written_with_the_learner_s_names(formula: str, names: dict[str, str], written: str) -> None:
    assert write_formula(formula, names) == written


class Huber:
    """A Huber loss that takes x for the slope of |x|: beside x², |x| is no square root that is written out."""

    def forward(self, x: Any) -> Any:
        return np.where(np.abs(x) <= 1, x**2 / 2, np.abs(x) - 0.5), x

    def backward(self, upstream: Any, cache: Any) -> Any:
        return (upstream * cache,)


class HuberFromSquare(Huber):
    """The same with a square root that is really taken of x²."""

    def forward(self, x: Any) -> Any:
        square = x**2
        return np.where(square <= 1, square / 2, square**0.5 - 0.5), x


@pytest.mark.parametrize(("gate", "part"), [(Huber(), "abs("), (HuberFromSquare(), "sqrt(")])
def test_a_gate_is_written_out_only_of_what_it_is_computed_from(gate: Any, part: str) -> None:
    verdict = check_backward(gate, np.array([[0.5, -2.0, 3.0], [-0.3, 1.5, 0.2]]))
    assert f"the slope used for {part}" in verdict.headline.replace("np.", "")
