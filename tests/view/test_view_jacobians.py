"""The figures of lecture 03: the numbers drawn are mathematically right, and are described in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import numpy as np
import pytest

from nnkit.gates import Affine, MatMul, SoftmaxCrossEntropy
from nnkit.jacobian import jacobian, vjp
from nnkit.view.explorers import api
from nnkit.view.figures import jacobians
from nnkit.view.figures.linear_map import best_linear_map
from nnkit.view.figures.picture import Picture

W = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
X = np.array([10.0, 20.0])
DQ = np.array([1.0, -1.0, 2.0])
BATCH = np.array([[2.0, 1.0, -3.0], [-3.0, 4.0, 2.0]])
WEIGHTS = np.array([[3.0, 2.0, 1.0, -1.0], [2.0, 1.0, 3.0, 2.0], [3.0, 2.0, 1.0, -2.0]])
UPSTREAM = np.array([[2.0, 3.0, -3.0, 9.0], [-8.0, 1.0, 4.0, 6.0]])

PICTURES: dict[str, Callable[[], Picture]] = {
    "wiring": lambda: jacobians.wiring({"elementwise": np.diag([2.0, -4.0]), "product": W}),
    "vjp": lambda: jacobians.vjp(W, DQ),
    "sizes": lambda: jacobians.sizes({"small": 1000, "large": 2**40}),
    "matvec_blocks": lambda: jacobians.matvec_blocks(W, X, DQ),
    "matmul_blocks": lambda: jacobians.matmul_blocks(BATCH, WEIGHTS),
    "outer_sum": lambda: jacobians.outer_sum(BATCH, UPSTREAM),
    "bias_copies": lambda: jacobians.bias_copies([10.0, 20.0], [[1.0, 2.0], [3.0, -4.0], [5.0, 6.0]]),
    "softmax_loss": lambda: jacobians.softmax_loss(np.log([1.0, 2.0, 7.0]), 1),
    **{f"explorer of {kind}": lambda kind=kind: api.jacobian_explorer(kind) for kind in jacobians.EXAMPLES},
}


def cells(axes: Any) -> np.ndarray:
    """Return the numbers of a drawn table, row by row; a dot counts as NaN."""
    drawn = sorted((text.get_position()[::-1], text.get_text()) for text in axes.texts if text.get_gid() == "cell")
    rows = sorted({position[0] for position, _ in drawn})
    numbers = [float("nan") if text == "·" else float(text.replace("−", "-")) for _, text in drawn]
    return np.array(numbers).reshape(len(rows), -1)


def same(drawn: np.ndarray, expected: Any) -> None:
    np.testing.assert_allclose(np.nan_to_num(drawn), expected, rtol=5e-3, atol=1e-12)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_comes_with_its_words(name: str) -> None:
    picture = PICTURES[name]()
    found = re.match(r'<img alt="([^"]+)" src="data:image/png;base64,', picture._repr_html_())
    assert found
    assert unescape(found[1]) == picture.description == str(picture)
    assert re.search(r"\d", picture.description)
    assert picture.description.endswith(".")
    assert ".." not in picture.description


@pytest.mark.parametrize("name", sorted(set(PICTURES) - {"sizes"}))
def test_every_panel_has_a_title_and_its_numbers_are_written_out(name: str) -> None:
    for axes in PICTURES[name]().figure.axes:
        assert axes.get_title()
        assert axes.texts


def test_a_wire_is_an_entry_that_is_not_zero() -> None:
    left, table, right, _ = PICTURES["wiring"]().figure.axes
    assert len([line for line in left.lines if line.get_marker() == "None"]) == 2
    assert len([line for line in right.lines if line.get_marker() == "None"]) == 6
    drawn = cells(table)
    assert np.isnan(drawn).tolist() == [[False, True], [True, False]]
    same(drawn, np.diag([2.0, -4.0]))
    assert "elementwise: 2 of 4 pairs" in PICTURES["wiring"]().description


def test_the_product_of_upstream_and_table_is_drawn() -> None:
    upstream, table, dx = PICTURES["vjp"]().figure.axes
    same(cells(upstream), [DQ])
    same(cells(table), W)
    same(cells(dx), [DQ @ W])
    assert "[8, 10]." in PICTURES["vjp"]().description


def test_the_blocks_of_wx_are_its_jacobians_and_give_its_gradients() -> None:
    by_x, by_W = PICTURES["matvec_blocks"]().figure.axes

    def product(W: Any, x: Any) -> Any:
        return W @ x

    dW, dx = vjp(product, W, X, upstream=DQ)
    whole = jacobian(product, W, X, wrt=0).reshape(3, 6)
    same(cells(by_x), [*W, dx])
    same(cells(by_W), [*whole, dW.ravel()])
    frames = [patch for patch in by_W.patches if patch.get_linewidth() == 2]
    assert [(f.get_x(), f.get_y(), f.get_width(), f.get_height()) for f in frames] == [
        (-0.5, -0.5, 2, 1), (1.5, 0.5, 2, 1), (3.5, 1.5, 2, 1)
    ]  # fmt: skip


def test_dots_stand_where_no_weight_can_reach() -> None:
    zero_x = jacobians.matvec_blocks(W, [0.0, 20.0], DQ).figure.axes[1]
    texts = [text.get_text() for text in zero_x.texts if text.get_gid() == "cell"]
    assert texts.count("·") == 12  # and the zeros of x are written as 0


def test_the_blocks_of_a_matrix_product_are_its_jacobians() -> None:
    by_x, by_w = PICTURES["matmul_blocks"]().figure.axes
    same(cells(by_x), jacobian(MatMul(), BATCH, WEIGHTS, wrt=0).reshape(8, 6))
    same(cells(by_w), jacobian(MatMul(), BATCH, WEIGHTS, wrt=1).reshape(8, 12))
    for axes in (by_x, by_w):
        assert len([patch for patch in axes.patches if patch.get_linewidth() == 2]) == 2


def test_the_shares_of_the_examples_add_up() -> None:
    *shares, total = map(cells, PICTURES["outer_sum"]().figure.axes)
    same(sum(shares), total)
    same(total, vjp(MatMul(), BATCH, WEIGHTS, upstream=UPSTREAM)[1])


def test_a_bias_is_copied_forward_and_added_backward() -> None:
    b, copies, upstream, db = map(cells, PICTURES["bias_copies"]().figure.axes)
    same(copies, np.repeat(b, 3, axis=0))
    same(db[0], vjp(Affine(), np.ones((3, 4)), np.ones((4, 2)), b[0], upstream=upstream)[2])


def test_the_bars_of_the_softmax_loss_are_p_and_its_gradient() -> None:
    picture = PICTURES["softmax_loss"]()
    heights = [[bar.get_height() for bar in axes.patches] for axes in picture.figure.axes]
    np.testing.assert_allclose(heights[1], [0.1, 0.2, 0.7])
    scores, labels = np.log([[1.0, 2.0, 7.0]]), np.array([1])
    np.testing.assert_allclose(heights[2], vjp(SoftmaxCrossEntropy(), scores, labels, upstream=1.0)[0][0])
    for axes in picture.figure.axes:
        assert [bool(bar.get_hatch()) for bar in axes.patches] == [False, True, False]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1 (label)", "2"]
    assert "[0.1, −0.8, 0.7]." in picture.description


def test_what_is_too_large_for_a_laptop_is_hatched_and_told() -> None:
    picture = PICTURES["sizes"]()
    (axes,) = picture.figure.axes
    assert [(bar.get_width(), bool(bar.get_hatch())) for bar in axes.patches] == [(1000, False), (2**40, True)]
    assert {"0.977 KiB", "1 TiB", "a laptop, 16 GiB"} == {text.get_text().strip() for text in axes.texts}
    assert "small: 0.977 KiB, large: 1 TiB" in picture.description
    assert picture.description.endswith("More than the 16 GiB of a laptop: large.")


def test_the_examples_of_the_explorer_are_those_of_the_lecture() -> None:
    assert "[4, 0, 5, 0]" in api.jacobian_explorer("elementwise").description
    assert "dx = [8, 10], the second dW = [10, 20; −10, −20; 20, 40]" in api.jacobian_explorer("matvec").description
    assert "[0.095, −0.41, 0.315]" in api.jacobian_explorer("softmax").description


def test_an_explorer_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match="elementwise, matvec, matmul, softmax; there is no 'relu'"):
        api.jacobian_explorer("relu")  # type: ignore[arg-type]


def test_the_best_linear_map_is_drawn_beside_the_function() -> None:
    """Solid lines are images under the function, dashed ones under J; a linear function is its own best linear map."""

    def images(function: Callable[[Any], Any], size: float) -> list[np.ndarray]:
        _, right = best_linear_map(function, (1.0, 0.5), size).figure.axes
        lines = [line for line in right.lines if line.get_marker() != "o"]
        return [np.array([line.get_xydata() for line in lines if line.get_linestyle() == look]) for look in ("-", "--")]

    bent, straight = images(lambda x: np.array([x[0] ** 2 - x[1], x[0] * x[1]]), 0.25)
    x0, x1 = np.meshgrid([0.75, 1.25], [0.25, 0.75])
    for corner in np.stack([x0**2 - x1, x0 * x1], axis=-1).reshape(-1, 2):
        assert np.isclose(bent, corner).all(axis=-1).any()
    assert np.abs(np.diff(straight, n=2, axis=1)).max() < 1e-12
    np.testing.assert_allclose(*images(lambda x: W[:2] @ x, 2.0), atol=1e-7)
