"""The lectures' figures: numbers in picture and description, no external resources, no meaning by colour alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter

from nnkit import numerical
from nnkit.view.figures import plots

PICTURES: dict[str, Callable[[], plots.Picture]] = {
    "tangent": lambda: plots.tangent(lambda x: x**2 + 3 * x, at=1.0, slope=4.0),
    "update_step": plots.update_step,
    "update_path": plots.update_path,
    "when_updated": plots.when_updated,
    "loss_curves": plots.loss_curves,
}
every_picture = pytest.mark.parametrize("name", PICTURES)


class Page(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def external(text: str) -> list[str]:
    """Return the external addresses that a page would fetch; the name of SVG is none."""
    text = re.sub(r"base64,[\w+/=\\\n]+", "", text).replace("http://www.w3.org/2000/svg", "")
    return re.findall(r"""(?:https?:)?//[\w.-]+\.\w{2,}[^\s"'<>)]*""", text)


@every_picture
def test_a_notebook_shows_the_picture_with_its_words(name: str) -> None:
    picture = PICTURES[name]()
    shown, _ = DisplayFormatter().format(picture)
    page = Page(shown["text/html"])
    (tag, attributes), (style, _) = page.tags
    assert (tag, style) == ("img", "style")
    assert attributes["alt"] == picture.description == shown["text/plain"] == str(picture)
    assert (attributes["src"] or "").startswith("data:image/png;base64,")
    assert external(shown["text/html"]) == []


@every_picture
def test_every_series_has_a_label_or_a_number(name: str) -> None:
    (axes,) = PICTURES[name]().figure.axes
    assert axes.get_title()
    assert axes.get_ylabel()
    assert axes.get_legend() or axes.texts
    looks = {(line.get_marker(), line.get_linestyle()) for line in axes.lines if not line.get_label().startswith("_")}
    assert len(looks) == len([line for line in axes.lines if not line.get_label().startswith("_")])


def test_the_words_of_a_tangent_tell_whether_it_touches() -> None:
    crossing = plots.tangent(lambda x: x**2 + 3 * x, at=1.0, slope=4.0).description
    assert "At x = 0.5 the line is 0.25 above the curve. At x = 1.5 the line is 0.75 below the curve." in crossing
    touching = plots.tangent(lambda x: x**2 + 3 * x, at=1.0, slope=5.0).description
    assert touching.count("0.25 below the curve") == 2


def test_the_words_of_the_updates_have_the_numbers() -> None:
    assert "W is 0, 0.6, 1.08, 1.464; the loss is 9, 5.76, 3.686, 2.359." in plots.update_step(steps=3).description
    assert "W is 0, 0.6, 1.08, 1.464." in plots.when_updated().description
    assert "1.02: 9, 13.32" in plots.loss_curves().description
    assert "from W = (−2.5, 0.9): (−2.1, −0.252)" in plots.update_path().description


def test_descend_is_the_update_written_out() -> None:
    path = plots.descend(plots.valley_gradient, (-2.5, 0.9), 0.08, 3)
    W = np.array([-2.5, 0.9])
    for i in range(4):
        np.testing.assert_allclose(path[i], W)
        W = W - 0.08 * np.array([2 * W[0], 16 * W[1]])


@pytest.mark.parametrize(
    ("loss", "gradient", "W"),
    [
        (plots.square_loss, plots.square_loss_gradient, np.array(0.7)),
        (plots.valley, plots.valley_gradient, np.array([0.7, -1.1])),
    ],
)
def test_the_written_gradients_are_right(loss: plots.Scalar, gradient: plots.Scalar, W: np.ndarray) -> None:
    np.testing.assert_allclose(gradient(W), numerical.estimate_jacobian(loss, (W,), 0).value, rtol=1e-8)


@pytest.fixture(scope="module")
def film() -> str:
    return plots.animate_update(steps=3).data


def test_the_film_fetches_nothing(film: str) -> None:
    assert external('<link href="https://cdn.example.com/a.css">')  # the test's own eye
    assert external(film) == []
    assert "<link" not in film


def test_the_film_has_frames_and_an_alternative_text(film: str) -> None:
    page = Page(film)
    (alt,) = [attributes.get("alt") for tag, attributes in page.tags if tag == "img"]
    assert alt == "Updates of step_size 0.1, one per frame: W is 0, 0.6, 1.08, 1.464."
    assert len({*re.findall(r"data:image/png;base64,[\w+/=]+", film)}) == 4
