"""The playground without a browser: what it trains, what it sends, what it refuses, and when it stops."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import numpy as np
import pytest

from nnkit import data, view
from nnkit.gates import LeakyReLU, Maxout, ReLU
from nnkit.mlp import MLP
from nnkit.train import SGD, fit
from nnkit.view.explorers import explore_playground, playground_points
from nnkit.view.explorers.explore_playground import MAP_SIDE, PlaygroundActor
from nnkit.view.explorers.playground_points import (
    CONFIDENCE_LEVELS,
    GRID_SIDE,
    NO_NUMBER,
    check_points,
    quantise_softmax,
)
from nnkit.view.explorers.playground_settings import PlaygroundSettings
from nnkit.view.explorers.playground_still import draw_training
from nnkit.view.explorers.playground_trainer import MAX_CURVE_POINTS, Trainer, TrainingCurve
from nnkit.view.explorers.widget import FrameStream


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a frame make all its updates, however busy the machine is."""
    monkeypatch.setattr(explore_playground, "MAX_FRAME_SECONDS", math.inf)


@pytest.fixture
def circles() -> PlaygroundActor:
    return PlaygroundActor(PlaygroundSettings("circles"))


def weights(actor: PlaygroundActor, buffers: list[bytes]) -> list[np.ndarray]:
    """Return the images of the layers, as a page unpacks them."""
    numbers, layers = np.frombuffer(buffers[1], np.float32), []
    for rows, columns in actor.reply({})[0]["shapes"]:
        layers.append(numbers[: rows * columns].reshape(rows, columns))
        numbers = numbers[rows * columns :]
    assert not len(numbers)
    return layers


# -- training ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 32])
def test_it_trains_as_fit_does(batch_size: int | None) -> None:
    x, labels = data.spiral(points=20)
    model, optimiser = MLP((2, 8, 3)), SGD(0.3, weight_decay=0.01)
    trainer = Trainer(model, x, labels, optimiser, batch_size, seed=5)
    rng = np.random.default_rng(5)
    expected = fit(model, model.init(rng), x, labels, epochs=4, batch_size=batch_size, optimiser=optimiser, rng=rng)
    trainer.advance(len(expected.history.loss))
    for name, p in expected.parameters.items():
        np.testing.assert_array_equal(trainer.parameters[name], p)


def test_the_gates_of_a_learner_train_too() -> None:
    calls = []

    class Mine(ReLU):
        def backward(self, upstream: Any, cache: Any) -> Any:
            calls.append(1)
            return super().backward(upstream, cache)

    actor = PlaygroundActor(PlaygroundSettings("circles"), (4,), Mine())
    plain = PlaygroundActor(PlaygroundSettings("circles"), (4,))
    calls.clear()
    for one in (actor, plain):
        one.trainer.advance(3)
    assert len(calls) == 3
    assert actor.settings.activation == "Mine (yours)"
    np.testing.assert_array_equal(actor.trainer.parameters["W1"], plain.trainer.parameters["W1"])


def test_dead_units_are_counted_and_said(circles: PlaygroundActor) -> None:
    circles.trainer.parameters["b1"][:3] = -100.0
    content, _ = circles.reply({})
    codes = "Hidden layer 1: 3 of 16 units are dead; no point gives them a gradient."
    assert codes in content["warnings"]
    pair = Trainer(MLP((2, 3, 2), Maxout(2)), *data.circles(), SGD(), None, 0)
    pair.parameters["b1"][:] = [-100, 0, 0, 0, 0, 0]  # a piece that never wins; the unit's other piece does
    assert pair.count_dead_units(pair.measure().gradients) == [0]


def test_a_network_whose_hidden_layers_get_no_gradient_says_so_at_once(circles: PlaygroundActor) -> None:
    said = "All gradients of the hidden layers are 0: only the biases of the last layer still change."
    assert not any(said in warning for warning in circles.reply({})[0]["warnings"])
    circles.trainer.parameters["b2"][:] = -100.0  # the second layer is dead, and nothing reaches the first
    assert any(said in warning for warning in circles.reply({"train": 1})[0]["warnings"])
    circles.reply({"set": {"layers": 0}})
    assert circles.reply({"train": 1})[0]["warnings"] == []


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_the_test_set_is_not_trained_on(circles: PlaygroundActor, share: float) -> None:
    content, buffers = circles.reply({"set": {"test_share": str(share)}})
    codes = np.frombuffer(buffers[4], np.float32).reshape(-1, 3)[:, 2]
    test = circles.points.find_test(share)
    np.testing.assert_array_equal(codes >= 10, test)
    np.testing.assert_array_equal(codes % 10, circles.points.labels)
    assert abs(test.mean() - share) < 0.1
    trainer, points = circles.trainer, circles.points
    expected = trainer.model.loss(trainer.parameters, points.x[test], points.labels[test])
    assert content["test_loss"] == pytest.approx(float(expected))
    alone = Trainer(trainer.model, points.x[~test], points.labels[~test], SGD(0.3), None, 0)
    alone.advance(5)
    circles.reply({"train": 5})
    np.testing.assert_array_equal(circles.trainer.parameters["W1"], alone.parameters["W1"])
    assert f"Test set: loss {circles.reply({})[0]['test_loss']:.4g}" in circles.reply({})[0]["words"]
    before = points.find_test(share)
    circles.reply({"paint": [0.5, -0.25, 1]})
    np.testing.assert_array_equal(circles.points.find_test(share)[:-1], before)


def test_noise_moves_the_points_and_begins_anew(circles: PlaygroundActor) -> None:
    plain = circles.points.x
    circles.reply({"train": 3})
    content, _ = circles.reply({"set": {"noise": "0.2"}})
    assert content["step"] == 0
    assert np.std(circles.points.x - plain) == pytest.approx(0.2, rel=0.1)
    circles.reply({"set": {"noise": "0"}})
    np.testing.assert_array_equal(circles.points.x, plain)
    circles.reply({"set": {"data": "paint"}})
    circles.reply({"paint": [0.5, -0.25, 1]})
    circles.reply({"set": {"noise": "0.2"}})
    assert circles.points.x.tolist() == [[0.5, -0.25]]


def test_a_unit_has_a_map_of_what_it_does(circles: PlaygroundActor) -> None:
    content, buffers = circles.reply({})
    maps = np.frombuffer(buffers[3], np.int8).reshape(-1, MAP_SIDE, MAP_SIDE)
    assert content["mapped"] == [2, 16, 16, 2]
    assert len(maps) == 36
    assert np.all(np.diff(maps[0].astype(int), axis=1) > 0)  # the input x grows to the right
    assert np.all(np.diff(maps[1].astype(int), axis=0) < 0)  # y grows upwards
    scores = circles.trainer.compute_units(circles.points.x)[-1]
    np.testing.assert_array_equal(scores, circles.trainer.model.scores(circles.trainer.parameters, circles.points.x))
    assert np.all(maps[2:34] >= 0)  # ReLU
    lengths = [len(circles.reply({"train": 2})[1][3]) for _ in range(16)]
    assert sorted({*lengths}) == [0, maps.size]
    assert lengths.count(maps.size) == 2
    circles.reply({"set": {"width": 32, "layers": 1}})
    assert circles.reply({})[0]["mapped"] == [2, 16, 2]


def test_a_loss_that_is_no_number_ends_the_training_in_words() -> None:
    actor = PlaygroundActor(PlaygroundSettings("spiral", step_size=1e4), activation=LeakyReLU())
    with np.errstate(all="ignore"):
        content, buffers = actor.reply({"train": 100})
        again, _ = actor.reply({"train": 100})
    assert content["stopped"].startswith("Stopped at step ")
    assert "so the step size is too large; try a smaller one than 10000" in content["stopped"]
    assert content["step"] == again["step"] < 20
    assert content["ended"]
    assert NO_NUMBER in buffers[0]
    json.dumps(content, allow_nan=False)


def test_the_curves_take_no_more_room_as_time_goes_on() -> None:
    curve = TrainingCurve()
    for step in range(0, 500_000, 5):
        curve.add(step, 1.0 / (1 + step), 0.5)
    steps = [step for step, *_ in curve.points]
    assert MAX_CURVE_POINTS // 3 < len(steps) <= MAX_CURVE_POINTS
    assert steps[0] == 0
    assert steps[-1] > 490_000
    assert steps == sorted(steps)


# -- frames ------------------------------------------------------------------------------------------


def test_a_frame_holds_the_network(circles: PlaygroundActor) -> None:
    content, buffers = circles.reply({"train": 5})
    parameters, gradients = circles.trainer.parameters, circles.trainer.measure().gradients
    layers = weights(circles, buffers)
    for k in (1, 2, 3):
        for found, of in ((layers[k - 1], parameters), (layers[k + 2], gradients)):
            np.testing.assert_allclose(found, np.vstack([of[f"W{k}"], of[f"b{k}"]]), rtol=1e-6)
    codes = np.frombuffer(buffers[0], np.uint8)
    predicted = circles.trainer.model.predict(parameters, circles.points.make_grid().astype(float))
    assert np.mean(codes // CONFIDENCE_LEVELS == predicted) > 0.99
    assert codes.size == GRID_SIDE**2
    assert sum(map(len, buffers)) < 12_000
    assert content["step"] == 5


def test_the_ground_tells_how_sure_the_network_is() -> None:
    codes = np.frombuffer(quantise_softmax(np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0], [np.nan, 0.0]])), np.uint8)
    assert codes.tolist() == [0, CONFIDENCE_LEVELS - 1, 2 * CONFIDENCE_LEVELS - 1, NO_NUMBER]


def test_points_come_and_go(circles: PlaygroundActor) -> None:
    circles.reply({"train": 3})
    content, buffers = circles.reply({"paint": [0.5, -0.25, 1]})
    points = np.frombuffer(buffers[4], np.float32).reshape(-1, 3)
    assert points[-1].tolist() == [0.5, -0.25, 1]
    assert content["step"] == 3
    content, _ = circles.reply({"paint": [0.0, 0.0, 2]})
    assert (content["classes"], content["step"]) == (3, 0)
    circles.reply({"erase": [0.5, -0.25]})
    assert not np.any(np.all(np.isclose(circles.points.x, [0.5, -0.25]), axis=1))
    content, _ = circles.reply({"clear": True})
    assert content["words"] == "There are no points yet: choose a class, and paint some."
    assert circles.reply({"train": 5})[0]["ended"]
    content, _ = circles.reply({"paint": [0.1, 0.1, 0]})
    assert "All points are of one class, so there is nothing to learn" in content["warnings"][0]


def test_only_some_settings_begin_anew(circles: PlaygroundActor) -> None:
    circles.reply({"train": 5})
    assert circles.reply({"set": {"step_size": "0.1", "weight_decay": "0.01", "batch_size": "8"}})[0]["step"] == 5
    for change in ({"width": 3}, {"layers": 0}, {"activation": "tanh"}, {"seed": 2}, {"data": "moons"}):
        circles.reply({"train": 5})
        assert circles.reply({"set": change})[0]["step"] == 0, change
    assert circles.trainer.model.sizes == (2, 2)
    assert circles.reply({"train": 5})[0]["step"] == 5


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"set": {"width": "0"}}, "The width of a hidden layer must be a whole number from 1 to 32; '0' is not."),
        ({"set": {"layers": "many"}}, "The number of hidden layers must be a whole number from 0 to 4"),
        ({"set": {"step_size": "-1"}}, "step_size must be a number of 0 or more; '-1' is not."),
        ({"set": {"seed": "nan"}}, "The seed must be a whole number"),
        ({"set": {"activation": "nothing"}}, "There is no activation 'nothing'"),
        ({"set": {"noise": "2"}}, "The noise must be a number from 0 to 1; '2' is not."),
        ({"set": {"test_share": "1"}}, "The share of the test set must be a number from 0 to 0.9; '1' is not."),
        ({"paint": [math.nan, 0, 1]}, "A point has two numbers and a class"),
        ({"paint": [0, 0, 7]}, "A point has two numbers and a class"),
        ({"train": "x"}, "ValueError"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(circles: PlaygroundActor, message: Any, said: str) -> None:
    before = circles.settings, circles.trainer, circles.points
    content, buffers = circles.reply(message)
    assert said in content["error"]
    assert len(buffers) >= 3
    assert (circles.settings, circles.trainer, circles.points) == before
    assert circles.reply({"train": 1})[0]["error"] == ""


def test_there_is_room_for_a_thousand_points() -> None:
    points = check_points(np.zeros((1500, 2)), np.zeros(1500, int))
    actor = PlaygroundActor(PlaygroundSettings("given"), own_points=points)
    content, _ = actor.reply({"paint": [0, 0, 1]})
    assert "There is room for 1,000 points: erase some." in content["error"]
    assert "A random sample of 1,000 of the 1,500 points is used." in content["warnings"]


# -- gates that fail ---------------------------------------------------------------------------------


class Unfinished(ReLU):
    def backward(self, upstream: Any, cache: Any) -> Any:
        raise NotImplementedError("still to be written")


def test_an_unfinished_gate_is_described_and_the_kits_trains() -> None:
    one = view.playground(activation=Unfinished(), updates=20)
    content = one.widget.state["content"]
    said = "One of your gates failed, so the kit's gates are used instead. NotImplementedError: still to be written"
    assert said in content["warnings"]
    assert said in one.description
    actor = PlaygroundActor(PlaygroundSettings(), activation=Unfinished())
    assert actor.reply({"train": 5})[0]["step"] == 5
    content, _ = actor.reply({"set": {"activation": "Unfinished (yours)"}})
    assert content["error"] == "NotImplementedError: still to be written"
    assert content["settings"]["activation"] == "ReLU"


def test_a_gate_that_fails_later_is_described_too() -> None:
    class Tired(ReLU):
        tired = False

        def forward(self, x: Any) -> Any:
            if self.tired:
                raise RuntimeError("tired")
            return super().forward(x)

    actor = PlaygroundActor(PlaygroundSettings(), (4,), Tired())
    Tired.tired = True
    assert "Then a gate failed. RuntimeError: tired" in draw_training(actor.trainer, actor.points, 20).description
    content, buffers = actor.reply({"train": 50})
    assert (content["error"], content["ended"], buffers) == ("RuntimeError: tired", True, [])


# -- the call and the stream -------------------------------------------------------------------------


def test_points_of_ones_own() -> None:
    x = np.array([[0.0, 1.0], [np.nan, 2.0], [3.0, 4.0]])
    one = view.playground((x, [0, 1, 1]), hidden=4, updates=50)
    assert "1 of 3 points are not finite (NaN or infinity), and are left out." in one.description
    assert one.widget.setup["sets"][0] == "given"
    assert "among 2 classes by a network 2-4-2 trained on 2 points" in one.description


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"hidden": (16, 0)}, "sizes must be"),
        ({"hidden": 1000}, "up to 8 hidden layers of up to 128 units"),
        ({"data": "stars"}, "The playground has circles, spiral, moons, paint"),
        ({"data": (np.zeros((3, 2)), np.zeros(3))}, "whole numbers"),
        ({"data": (np.zeros((3, 1)), np.zeros(3, int))}, r"\(N, 2\)"),
        ({"activation": ReLU}, "is a class"),
        ({"activation": "swish"}, "There is no activation 'swish'"),
        ({"step_size": -1}, "step_size must be"),
    ],
)
def test_a_call_that_makes_no_playground_is_refused(message: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        view.playground(**message)


def test_a_stream_ends_with_what_was_granted() -> None:
    """A page that is gone grants no frames, so training stops."""
    sent: list[dict[str, Any]] = []
    actor = PlaygroundActor(PlaygroundSettings("circles"), (4,))

    async def play() -> None:
        stream = FrameStream(actor, lambda content, _: sent.append(content))
        stream.receive({"frames": 3, "each": {"train": 2}})
        await asyncio.sleep(0.4)
        assert [content["step"] for content in sent] == [2, 4, 6]
        stream.receive({"frames": 1000, "each": {"train": 1}})
        await asyncio.sleep(0.2)
        stream.receive({"frames": 0})
        paused = actor.trainer.step
        assert paused > 6
        await asyncio.sleep(0.2)
        assert actor.trainer.step <= paused + 1
        stream.receive({"clear": True})
        stream.receive({"frames": 1000, "each": {"train": 1}})  # without points there is nothing to train
        await asyncio.sleep(0.2)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(play())


def test_every_data_set_is_within_what_is_shown() -> None:
    for name in playground_points.DATA_SETS:
        points = playground_points.make_points(name)
        for axis, (low, high) in enumerate((points.x_range, points.y_range)):
            assert np.all((points.x[:, axis] > low) & (points.x[:, axis] < high))
