"""Lecture 05's figures and its stopwatch: the numbers drawn are right, each look is its own, and what was measured
is in the picture and its words, but not in its repr."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from time import sleep

import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter

from nnkit.view.figures import speed
from nnkit.view.figures.picture import Picture

PICTURES: dict[str, Callable[[], Picture]] = {
    "hand_overs": speed.hand_overs,
    "rounding": speed.rounding,
    "scan_steps": lambda: speed.scan_steps([1, 2, 3], [0, 1, 3, 6], [1, 3, 6]),
    "share": speed.share,
    "agreement": lambda: speed.agreement({"float32": {"W": 3e-8, "b": 0.0}, "float64": {"W": 3e-17, "b": 1e-16}}),
    "curves": lambda: speed.curves({"loop": [3.0, 2.0, 1.0], "scan": [3.0, 2.0, 1.0]}),
    "many": lambda: speed.ensemble(np.outer([1.0, 2.0, 4.0], [1.0, 0.5, 0.25]), [0.9, 0.8, 0.5]),
    "timings": lambda: speed.timings({"three loops": 5e-3, "x @ w": 4e-6}, what="one product"),
    "overhead": lambda: speed.overhead((1, 100), {"NumPy": (1e-5, 2e-5), "jit": (3e-6, 1e-5)}),
}
every_picture = pytest.mark.parametrize("name", PICTURES)
MEASURED = ("timings", "overhead")


class Images(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.attributes: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append({"tag": tag, **dict(attrs)})


@every_picture
def test_a_notebook_shows_the_picture_with_its_words(name: str) -> None:
    picture = PICTURES[name]()
    shown, _ = DisplayFormatter().format(picture)
    image, style = Images(shown["text/html"]).attributes
    assert (image["tag"], style["tag"]) == ("img", "style")
    assert image["alt"] == picture.description == str(picture) != ""
    assert (shown["text/plain"] == picture.description) == (name not in MEASURED)


@every_picture
def test_every_panel_is_titled(name: str) -> None:
    assert all(axes.get_title() for axes in PICTURES[name]().figure.axes)


@every_picture
def test_no_two_lines_differ_by_colour_alone(name: str) -> None:
    for axes in PICTURES[name]().figure.axes:
        lines = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
        looks = {(line.get_marker(), line.get_linestyle(), line.get_linewidth()) for line in lines}
        assert len(looks) == len(lines)


@every_picture
def test_no_legend_lies_on_a_number_or_on_a_line(name: str) -> None:
    figure = PICTURES[name]().figure
    figure.draw_without_rendering()
    legends = [*figure.legends, *(legend for axes in figure.axes if (legend := axes.get_legend()))]
    boxes = [legend.get_window_extent() for legend in legends]
    for axes in figure.axes:
        for box in boxes:
            assert [text.get_text() for text in axes.texts if box.overlaps(text.get_window_extent())] == []
        for line in axes.lines:
            corners = axes.transData.transform(line.get_xydata())
            places = [a + (b - a) * share for a, b in pairwise(corners) for share in np.linspace(0.0, 1.0, 50)]
            assert not [place for place in places for box in boxes if box.contains(*place)], line.get_label()


def texts(picture: Picture) -> list[str]:
    return [text.get_text() for axes in picture.figure.axes for text in axes.texts]


def test_the_hand_overs_are_counted() -> None:
    picture = speed.hand_overs(steps=10, operations=3, multiplications=500)
    assert texts(picture) == ["5,000 times", "30 times", "10 times", "once"]
    assert "one number at a time, 5,000×" in picture.description


def test_the_default_counts_are_those_of_the_20_line_network() -> None:
    N, D, H, C = 64, 1000, 100, 10
    forward, dw2, dh, dw1 = N * D * H + N * H * C, H * N * C, N * C * H, D * N * H
    assert f"{100 * (forward + dw2 + dh + dw1):,}" in speed.hand_overs().description


def test_slopes_measured_in_float32_are_worse_and_best_at_a_larger_step() -> None:
    steps = 10.0 ** -np.arange(1, 13)
    single, double = (speed.slope_errors(1.0, steps, dtype) for dtype in (np.float32, np.float64))
    assert single.min() > 1e-9 > 1e-11 > double.min()
    assert np.argmin(single) < np.argmin(double)
    (axes,) = speed.rounding().figure.axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), single)
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), double)


def test_a_measured_slope_is_that_of_the_sigmoid() -> None:
    out = 1 / (1 + np.exp(-0.3))
    h = 1e-4
    measured = (1 / (1 + np.exp(-0.3 - h)) - 1 / (1 + np.exp(-0.3 + h))) / (2 * h)
    (error,) = speed.slope_errors(0.3, np.array([h]), np.float64)
    assert error == pytest.approx(abs(measured - out * (1 - out)), rel=1e-3)


def test_a_scan_is_drawn_with_its_numbers() -> None:
    shown = texts(PICTURES["scan_steps"]())
    assert [text for text in shown if text.startswith("x = ")] == ["x = 1", "x = 2", "x = 3"]
    assert [text for text in shown if text.startswith("kept")] == ["kept: 1", "kept: 3", "kept: 6"]
    assert [text for text in shown if text.isdigit()] == ["0", "1", "3", "6"]


def test_a_small_step_gains_little_from_faster_arithmetic() -> None:
    picture = speed.share(overhead=100, work=10, faster=50)
    assert "110 µs before and 100.2 µs after, 1.1 times as fast" in picture.description
    assert "10,100 µs before and 300 µs after, 33.7 times as fast" in picture.description
    (axes,) = picture.figure.axes
    assert [bar.get_width() for bar in axes.patches][:4] == pytest.approx([100 / 110, 10 / 110, 100 / 110, 0.2 / 110])


def test_differences_are_drawn_where_they_are_and_zero_at_the_edge() -> None:
    (axes,) = PICTURES["agreement"]().figure.axes
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [3e-8, 1e-18])
    assert "float32: W 3e-08, b 0; float64: W 3e-17, b 1e-16" in PICTURES["agreement"]().description


def test_lines_that_lie_on_each_other_can_both_be_seen() -> None:
    (axes,) = PICTURES["curves"]().figure.axes
    below, above = axes.lines
    np.testing.assert_array_equal(below.get_ydata(), above.get_ydata())
    assert below.get_linewidth() > 2 * above.get_linewidth() > 0


def test_many_networks_are_described_by_their_middle_and_their_ends() -> None:
    picture = PICTURES["many"]()
    middle, lowest, highest = picture.figure.axes[0].lines
    np.testing.assert_array_equal(middle.get_ydata(), [2.0, 1.0, 0.5])
    np.testing.assert_array_equal(lowest.get_ydata(), [1.0, 0.5, 0.25])
    np.testing.assert_array_equal(highest.get_ydata(), [4.0, 2.0, 1.0])
    assert "50 % for the worst network, 80 % for the median, 90 % for the best" in picture.description
    assert sum(bar.get_height() for bar in picture.figure.axes[1].patches) == 3


def test_times_are_in_the_picture_and_its_words_but_not_in_its_repr() -> None:
    picture = PICTURES["timings"]()
    assert texts(picture) == ["5 ms (1,250×)", "4 µs (1×)"]
    assert "three loops: 5 ms (1,250×); x @ w: 4 µs (1×)." in picture.description
    assert speed.device_name() in picture.description
    assert not any(digit in repr(picture) for digit in "0123456789")


def test_overhead_draws_the_times_it_was_given() -> None:
    picture = PICTURES["overhead"]()
    (axes,) = picture.figure.axes
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [3e-6, 1e-5])
    assert "NumPy: 10 µs for 1, 20 µs for 100; jit: 3 µs for 1, 10 µs for 100." in picture.description


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (4e-6, "4 µs"), (5.55e-7, "555 ns"), (1.0, "1 s")]
)
def test_seconds_are_read_in_a_unit_that_suits_them(seconds: float, text: str) -> None:
    assert speed.format_seconds(seconds) == text


class Promise:
    """The result of a compiled function: it is returned at once, its numbers are not ready."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def block_until_ready(self) -> Promise:
        sleep(self.seconds)
        return self


def test_the_stopwatch_waits_and_tells_the_first_call_apart() -> None:
    calls: list[float] = []

    def stand_in(first: float, later: float) -> tuple[Promise]:
        calls.append(later if calls else first)
        return (Promise(calls[-1]),)

    timing = speed.stopwatch(stand_in, 0.2, 0.01, repeats=3)
    assert calls == [0.2, 0.01, 0.01, 0.01]
    assert timing.first >= 0.19
    assert 0.009 <= timing.later < timing.first


def test_the_stopwatch_takes_numpy_too() -> None:
    assert speed.stopwatch(np.add, 1.0, 2.0).later > 0
