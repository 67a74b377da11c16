"""Lecture 02's figures: the curves that are drawn are the gates' own, the words have the numbers, no colour alone."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from nnkit import numerical
from nnkit.gates import ELU, LeakyReLU, Maxout, ReLU, Sigmoid, Tanh
from nnkit.view.explorers import api
from nnkit.view.figures import activation_curves
from nnkit.view.figures.picture import Picture

PICTURES: dict[str, Callable[[], Picture]] = {
    "curve_and_slope": lambda: activation_curves.curve_and_slope(Sigmoid(), at=1.0),
    "gallery": activation_curves.gallery,
    "gradient_through": activation_curves.gradient_through,
    "gradient_signs": activation_curves.gradient_signs,
    "dying_relu": activation_curves.dying_relu,
    "activation_explorer": lambda: api.activation_explorer(Tanh()),
}
every_picture = pytest.mark.parametrize("name", PICTURES)
every_gate = pytest.mark.parametrize("gate", activation_curves.GALLERY, ids=str)


def curves(picture: Picture, panel: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the lines of a panel that the legend names: label → (x, y)."""
    lines = picture.figure.axes[panel].lines
    return {str(line.get_label()): line.get_data() for line in lines if not str(line.get_label()).startswith("_")}


class Images(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.found.append(dict(attrs))


@every_picture
def test_a_notebook_shows_the_picture_with_its_words(name: str) -> None:
    picture = PICTURES[name]()
    (image,) = Images(picture._repr_html_()).found
    assert image["alt"] == picture.description
    assert len(picture.description) > 60
    assert picture.description.endswith(".")
    assert (image["src"] or "").startswith("data:image/png;base64,")


@every_picture
def test_series_of_a_panel_differ_by_more_than_colour(name: str) -> None:
    for axes in PICTURES[name]().figure.axes:
        lines = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
        assert len({(line.get_marker(), line.get_linestyle()) for line in lines}) == len(lines)


@every_gate
def test_the_curves_are_the_gates_own(gate: Any) -> None:
    picture = activation_curves.curve_and_slope(gate)
    (x, out), (_, slope) = curves(picture, 0)["output"], curves(picture, 1)["slope"]
    np.testing.assert_allclose(out, activation_curves.output_and_slope(gate, x)[0])
    away = slice(3, -3, 40)  # a few points, none of them on a kink
    for at, height, steepness in zip(x[away], out[away], slope[away]):
        value = activation_curves.output_and_slope(gate, np.array([at]))[0]
        np.testing.assert_allclose(height, value[0])
        measured = numerical.estimate_jacobian(
            lambda p: activation_curves.output_and_slope(gate, p)[0], (np.array([at]),), 0
        )
        np.testing.assert_allclose(steepness, measured.value[0, 0], atol=1e-6)


def test_a_drawn_maxout_is_the_largest_of_its_lines() -> None:
    x = np.linspace(-3, 3, 31)
    slopes, offsets = activation_curves.maxout_lines(3)
    out, slope = activation_curves.output_and_slope(Maxout(3), x)
    lines = np.outer(x, slopes) + offsets
    np.testing.assert_allclose(out, lines.max(axis=1))
    np.testing.assert_allclose(slope, slopes[lines.argmax(axis=1)])


def test_the_marked_point_and_the_saturated_ends_are_described() -> None:
    words = activation_curves.curve_and_slope(Sigmoid(), at=1.0).description
    assert "The marked point is x = 1: output 0.7311, slope 0.1966." in words
    assert "The slope is below 0.01 from x = −6 to −4.59 and from x = 4.59 to 6." in words
    assert "nowhere below 0.01" in activation_curves.curve_and_slope(LeakyReLU(0.1)).description


def test_saturated_stretches() -> None:
    ((low, left), (right, high)) = activation_curves.saturated(Sigmoid(), reach=8.0)
    edge = np.log((1 + np.sqrt(0.96)) / (1 - np.sqrt(0.96)))  # where s (1 - s) = 0.01
    np.testing.assert_allclose([low, left, right, high], [-8, -edge, edge, 8], atol=0.01)
    ((low, high),) = activation_curves.saturated(ReLU())
    assert (low, round(high, 6)) == (-6.0, 0.0)
    assert activation_curves.saturated(Maxout(2)) == []


@pytest.mark.parametrize("start", [1.0, -1.0, 2.5])
def test_the_gradient_behind_a_chain_is_that_of_the_whole_chain(start: float) -> None:
    left = activation_curves.chain_gradients(Sigmoid(), 4, start)
    assert left[0] == 1.0

    def chained(x: Any, depth: int) -> Any:
        for _ in range(depth):
            x = 1 / (1 + np.exp(-x))
        return x

    for depth in range(1, 5):
        measured = numerical.estimate_jacobian(lambda x, d=depth: chained(x, d), (np.array(start),), 0).value
        np.testing.assert_allclose(left[depth], measured, rtol=1e-6)


def test_the_chain_is_drawn_as_computed_and_a_gradient_of_0_is_described() -> None:
    picture = activation_curves.gradient_through((Sigmoid(), ReLU(), ELU()), depth=3, start=-1.0)
    drawn = curves(picture)
    (label,) = [label for label in drawn if label.startswith("ReLU")]
    assert label == "ReLU: 0 from gate 1 on"
    np.testing.assert_array_equal(drawn[label][1], [1.0, np.nan, np.nan, np.nan])
    (sigmoid,) = [label for label in drawn if label.startswith("Sigmoid")]
    np.testing.assert_allclose(drawn[sigmoid][1], activation_curves.chain_gradients(Sigmoid(), 3, -1.0))
    assert "ReLU: 1, 0, 0, 0" in picture.description


def test_positive_inputs_leave_two_of_four_quadrants() -> None:
    sigmoid, tanh = (activation_curves.weight_gradients(gate) for gate in (Sigmoid(), Tanh()))
    assert np.all(sigmoid[:, 0] * sigmoid[:, 1] > 0)
    mixed = int(np.sum(tanh[:, 0] * tanh[:, 1] < 0))
    assert 70 < mixed < 130
    picture = activation_curves.gradient_signs()
    assert f"inputs from Tanh: dw[0] and dw[1] have different signs in {mixed} of 200" in picture.description
    np.testing.assert_allclose(np.transpose(picture.figure.axes[1].lines[0].get_data()), tanh)


def test_a_dead_relu_stays_dead_and_a_leaky_one_comes_back() -> None:
    picture = activation_curves.dying_relu()
    (relu, leaky), (relu_loss, leaky_loss) = ([ys for _, ys in curves(picture, panel).values()] for panel in (0, 1))
    assert relu[0] == leaky[0] == 90
    assert np.all(relu[2:] == 0)
    assert np.ptp(relu_loss[2:]) == 0
    assert leaky[2] == 0
    assert leaky[-1] > 80
    assert leaky_loss[-1] < 0.01


def test_careful_updates_alone_kill_nothing() -> None:
    course = activation_curves.train_one_neuron(ReLU(), [0.2] * 20)
    assert len(course.loss) == 21
    assert course.passing.min() >= 0.9
    assert np.all(np.diff(course.loss) <= 0)


def test_a_gate_of_a_learner_is_drawn_too() -> None:
    class Cube:
        def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return x**3, x

        def backward(self, upstream: np.ndarray, cache: np.ndarray) -> np.ndarray:
            return upstream * 3 * cache**2

    assert "Cube at x = −6, −2, 2, 6: the output is −216, −8, 8, 216" in api.activation_explorer(Cube()).description


def test_more_gates_than_three_make_a_second_row() -> None:
    gates = (Sigmoid(), Tanh(), ReLU(), LeakyReLU(0.2))
    axes = activation_curves.gallery(gates).figure.axes
    assert [one.get_title() for one in axes[:4]] == ["Sigmoid", "Tanh", "ReLU", "LeakyReLU, slope 0.2"]
    assert not any(one.axison for one in axes[4:])
