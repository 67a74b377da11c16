"""The pictures of gradients: what is drawn is what the network and the gate compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnkit import data
from nnkit.gates import ReLU, Sigmoid, Tanh
from nnkit.mlp import MLP
from nnkit.view.figures import gradients

X, LABELS = data.spiral(points=10)


def deep(gate: Any) -> tuple[MLP, dict[str, np.ndarray]]:
    model = MLP((2, *[10] * 5, 3), gate)
    return model, model.init(0)


def test_the_flow_is_that_of_the_gradients() -> None:
    model, parameters = deep(Sigmoid())
    found = gradients.layer_gradients(model, parameters, X, LABELS)
    dW1 = model.gradients(parameters, X, LABELS)[1]["W1"]
    assert found[0] == pytest.approx(np.linalg.norm(dW1) / np.sqrt(dW1.size))
    assert found[0] < found[-1] / 1000  # five sigmoids let little through
    picture = gradients.gradient_flow({"sigmoid": (model, parameters), "ReLU": deep(ReLU())}, X, LABELS)
    (axes,) = picture.figure.axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), found)
    assert {line.get_marker() for line in axes.lines} == {"o", "s"}
    assert "sigmoid: " in picture.description


def test_a_layer_without_gradient_leaves_a_gap() -> None:
    model, parameters = deep(ReLU())
    parameters["b2"][:] = -100.0
    picture = gradients.gradient_flow({"dead": (model, parameters)}, X, LABELS)
    drawn = picture.figure.axes[0].lines[0].get_ydata()
    assert np.isnan(drawn[:2]).all()
    assert "dead: 0, 0, 0" in picture.description


def test_a_centred_difference_gains_two_digits_where_a_one_sided_gains_one() -> None:
    errors = gradients.slope_errors(Tanh(), 0.5, np.array([1e-1, 1e-2]))
    assert errors["one-sided"][0] / errors["one-sided"][1] == pytest.approx(10, rel=0.2)
    assert errors["centred"][0] / errors["centred"][1] == pytest.approx(100, rel=0.2)


def test_a_wrong_backward_shows_as_a_level() -> None:
    class Wrong(Tanh):
        def backward(self, upstream: Any, cache: Any) -> Any:
            return (super().backward(upstream, cache)[0] + 0.01,)

    assert min(gradients.slope_errors(Wrong(), 0.5, gradients.STEPS)["centred"]) == pytest.approx(0.01, rel=1e-3)
    assert "centred: at best 0.009999, with h = " in gradients.check_errors(Wrong(), 0.5).description
