"""Lecture 04's figures: what is drawn is what was computed, each has its words, nothing is shown by colour alone."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from html import escape

import numpy as np
import pytest

from nnkit import numerical
from nnkit.data import spiral
from nnkit.mlp import MLP
from nnkit.view.explorers import api
from nnkit.view.figures import loss_surface, training
from nnkit.view.figures.picture import HATCHES, Picture

POINTS, CLASSES = spiral(points=20, rng=0)


def by_sign(x: np.ndarray) -> np.ndarray:
    """Three classes by the signs of the coordinates."""
    return (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


PICTURES: dict[str, Callable[[], Picture]] = {
    "network": lambda: training.network((3, 4, 2)),
    "what_is_left": training.what_is_left,
    "descent": training.descent,
    "curves": lambda: training.curves({"a": [3.0, 2.0], "b": [1.0, 0.5]}, "Two curves"),
    "regions": lambda: training.regions({"signs": by_sign}, POINTS, CLASSES),
    "images": lambda: training.images(np.eye(4), ["one", "two", "three", "four"], "Small images", columns=2),
    "descent_explorer": api.descent_explorer,
    "playground": lambda: api.playground((POINTS, CLASSES), hidden=5, updates=20),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_notebook_shows_the_picture_with_its_words(name: str) -> None:
    picture = PICTURES[name]()
    assert len(picture.description) > 40
    assert f'alt="{escape(picture.description)}"' in picture._repr_html_()


# -- layers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "counted"),
    [
        ((3, 4, 2), "20 weights + 6 biases = 26"),
        ((3, 4, 4, 1), "32 weights + 9 biases = 41"),
        ((3072, 100, 10), "308200 weights + 110 biases = 308310"),
    ],
)
def test_a_network_is_counted(sizes: tuple[int, ...], counted: str) -> None:
    picture = training.network(sizes)
    (axes,) = picture.figure.axes
    assert counted in picture.description
    assert counted in axes.get_title()
    assert str(MLP(sizes).count()) in picture.description


def test_a_network_has_a_circle_for_each_unit_and_a_line_for_each_weight() -> None:
    (axes,) = training.network((3, 4, 2)).figure.axes
    assert len([line for line in axes.lines if line.get_marker() == "o"]) == 3 + 4 + 2
    assert len([line for line in axes.lines if len(line.get_xdata()) == 2]) == 3 * 4 + 4 * 2


def test_a_large_layer_says_that_it_leaves_units_out() -> None:
    (axes,) = training.network((50, 2)).figure.axes
    assert len([line for line in axes.lines if line.get_marker() == "o"]) == training.MAX_DRAWN_UNITS + 2
    assert "⋮" in [text.get_text() for text in axes.texts]


def test_who_does_what_is_described_by_line_and_hatch_too() -> None:
    (axes,) = training.what_is_left().figure.axes
    looks = {(box.get_linestyle(), box.get_hatch() or "") for box in axes.patches}
    assert looks == {("-", ""), ("--", "//")}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["yours", "the library's"]
    description = training.what_is_left().description
    assert "backward of each gate, the order of the backward pass (the library’s)" in description


# -- steps on a loss surface -------------------------------------------------------------------------


def test_the_written_gradient_is_right() -> None:
    x, t = loss_surface.neuron_data()
    W = np.array([0.3, -0.8])
    measured = numerical.estimate_jacobian(lambda W: loss_surface.neuron_loss(W, x, t), (W,), 0).value
    np.testing.assert_allclose(loss_surface.neuron_gradient(W, x, t), measured, rtol=1e-7)


def test_the_surface_is_the_loss_of_each_pair_of_weights() -> None:
    x, t = loss_surface.neuron_data()
    grid = np.random.default_rng(0).normal(size=(2, 3, 4))
    surface = loss_surface.neuron_loss(grid, x, t)
    assert surface.shape == (3, 4)
    np.testing.assert_allclose(surface[1, 2], loss_surface.neuron_loss(grid[:, 1, 2], x, t))


def test_descend_is_the_update_written_out_with_momentum() -> None:
    x, t = loss_surface.neuron_data()
    path = loss_surface.descend(0.4, momentum=0.8, steps=3)
    W, v = np.array([-1.5, -0.5]), np.zeros(2)
    for i in range(4):
        np.testing.assert_allclose(path[i], W)
        v = 0.8 * v + loss_surface.neuron_gradient(W, x, t)
        W = W - 0.4 * v


def test_a_batch_of_all_is_the_whole_and_a_small_one_is_not() -> None:
    whole = loss_surface.descend(1.0, steps=3)
    np.testing.assert_allclose(loss_surface.descend(1.0, batch_size=60, steps=3), whole)
    assert not np.allclose(loss_surface.descend(1.0, batch_size=6, steps=3), whole)
    np.testing.assert_array_equal(
        loss_surface.descend(1.0, batch_size=6, steps=3), loss_surface.descend(1.0, batch_size=6, steps=3)
    )


def test_the_path_that_is_drawn_is_the_path() -> None:
    picture = training.descent(step_size=2.0, steps=5)
    (axes,) = picture.figure.axes
    path = loss_surface.descend(2.0, steps=5)
    drawn = next(line for line in axes.lines if line.get_label() == "5 updates")
    np.testing.assert_allclose(np.transpose(drawn.get_data()), path)
    assert "from W = (−1.5, −0.5)" in picture.description
    assert picture.description.endswith(f"to {loss_surface.neuron_loss(path[-1], *loss_surface.neuron_data()):.4g}.")


# -- curves ------------------------------------------------------------------------------------------


def test_several_runs_are_their_mean_and_a_band() -> None:
    picture = training.curves({"runs": [[1.0, 2.0], [3.0, 6.0]], "one": [1.0, 1.0]}, "Bands")
    (axes,) = picture.figure.axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[2.0, 4.0], [1.0, 1.0]]
    (band,) = axes.collections
    assert {tuple(corner) for corner in band.get_paths()[0].vertices} == {(0, 1), (0, 3), (1, 2), (1, 6)}


def test_curves_are_drawn_as_given_each_with_its_own_look() -> None:
    series = {name: np.arange(30.0) + i for i, name in enumerate("abcde")}
    (axes,) = training.curves(series, "Five", log=True).figure.axes
    assert [line.get_label() for line in axes.lines] == list("abcde")
    for line, values in zip(axes.lines, series.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), values)
    assert len({(line.get_marker(), str(line.get_linestyle())) for line in axes.lines}) == 5
    assert axes.get_yscale() == "log"
    assert axes.get_ylabel() == "loss (log scale)"


def test_a_curve_that_is_not_finite_has_a_gap_and_says_so() -> None:
    picture = training.curves({"a": [1.0, np.inf, 0.5]}, "Gap", x=[0, 10, 20])
    (axes,) = picture.figure.axes
    assert np.isnan(axes.lines[0].get_ydata()).tolist() == [False, True, False]
    assert "1 at 0, not finite at 10, 0.5 at 20" in picture.description


def test_points_may_have_names_in_place_of_numbers() -> None:
    picture = training.curves({"a": [3.0, 2.0, 1.0]}, "Named", names=["0", "0.01", "1"])
    (axes,) = picture.figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "0.01", "1"]
    assert "3 at 0, 2 at 0.01, 1 at 1" in picture.description


# -- regions -----------------------------------------------------------------------------------------


def test_regions_tell_the_share_of_points_on_their_own_ground() -> None:
    right = float(np.mean(by_sign(POINTS) == CLASSES))
    picture = training.regions({"signs": by_sign, "always 0": lambda x: np.zeros(len(x), int)}, POINTS, CLASSES)
    first, second = picture.figure.axes
    assert first.get_title() == f"signs: {right:.1%}"
    assert second.get_title() == "always 0: 33.3%"
    assert f"signs: {right:.1%}; always 0: 33.3%" in picture.description


def test_each_class_has_its_own_marker_and_hatch() -> None:
    (axes,) = training.regions({"signs": by_sign}, POINTS, CLASSES).figure.axes
    assert len({line.get_marker() for line in axes.lines}) == 3
    for number, line in enumerate(axes.lines):
        np.testing.assert_allclose(np.transpose(line.get_data()), POINTS[np.equal(CLASSES, number)])
    hatched = [drawn for drawn in axes.collections if any(getattr(drawn, "hatches", []))]
    assert [list(drawn.hatches) for drawn in hatched] == [list(HATCHES[:3])]


def test_the_spiral_twice_has_the_lectures_numbers() -> None:
    shares = [float(share) for share in re.findall(r": ([\d.]+)%", training.straight_and_bent().description)]
    assert shares == pytest.approx([49, 98], abs=2)


def test_panels_that_are_left_over_are_empty() -> None:
    for count, left_over in ((4, 0), (5, 1)):
        axes = training.regions({str(i): by_sign for i in range(count)}, POINTS, CLASSES).figure.axes
        assert [panel.axison for panel in axes] == [True] * count + [False] * left_over


# -- images and films --------------------------------------------------------------------------------


def test_images_are_the_pixels() -> None:
    pixels = np.random.default_rng(0).normal(size=(3, 9))
    picture = training.images(pixels, ["a", "b", "c"], "Weights", columns=2, signed=True)
    shown = [axes.images[0] for axes in picture.figure.axes if axes.images]
    assert len(shown) == 3
    for image, expected in zip(shown, pixels, strict=True):
        np.testing.assert_allclose(image.get_array(), expected.reshape(3, 3))
        low, high = image.get_clim()
        assert -low == high == pytest.approx(np.abs(expected).max())
    assert "3 images of 3 × 3. a, b, c" in picture.description
    assert 'class="nnk-picture"' in picture._repr_html_()  # colours of a table: turned dark on a dark page


def test_scans_stay_as_they_are_on_a_dark_page() -> None:
    assert (
        'class="nnk-picture"' not in training.images(np.eye(4), ["a", "b", "c", "d"], "Scans", columns=2)._repr_html_()
    )


FILMS = {
    "descent": lambda: training.animate_descent(steps=2),
    "regions": lambda: training.animate_regions({"before": by_sign, "after": by_sign}, POINTS, CLASSES),
}


@pytest.mark.parametrize("name", FILMS)
def test_a_film_has_words_and_fetches_nothing(name: str) -> None:
    page = FILMS[name]().data
    ((alt, source),) = re.findall(r'<img class="nnk-picture" alt="([^"]*)" src="data:image/png;base64,([^"]*)"', page)
    assert b64decode(source, validate=True).startswith(b"\x89PNG")
    assert ("one update per frame" if name == "descent" else "before: ") in alt
    without_pictures = re.sub(r"base64,[\w+/=\\\n]+", "", page).replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"""(?:https?:)?//[\w.-]+\.\w{2,}[^\s"'<>)]*""", without_pictures) == []
