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
from nnkit.view.explorers.explore_playground import PlaygroundActor, Settings
from nnkit.view.explorers.playground_points import FINE, LEVELS, NOTHING, given, quantised
from nnkit.view.explorers.playground_still import trained
from nnkit.view.explorers.playground_trainer import KEPT, Curve, Trainer
from nnkit.view.explorers.widget import Stream


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, a frame makes all its updates."""
    monkeypatch.setattr(explore_playground, "PATIENCE", math.inf)


@pytest.fixture
def circles() -> PlaygroundActor:
    return PlaygroundActor(Settings("circles"))


def weights(actor: PlaygroundActor, buffers: list[bytes]) -> list[np.ndarray]:
    """The pictures of the layers, as a page takes them apart."""
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

    actor = PlaygroundActor(Settings("circles"), (4,), Mine())
    plain = PlaygroundActor(Settings("circles"), (4,))
    calls.clear()
    for one in (actor, plain):
        one.trainer.advance(3)
    assert len(calls) == 3
    assert actor.settings.activation == "Mine (yours)"
    np.testing.assert_array_equal(actor.trainer.parameters["W1"], plain.trainer.parameters["W1"])


def test_dead_units_are_counted_and_said(circles: PlaygroundActor) -> None:
    circles.trainer.parameters["b1"][:3] = -100.0
    content, _ = circles.reply({})
    told = "Hidden layer 1: 3 of 16 units are dead; none of the points sends a gradient through."
    assert told in content["warnings"]
    pair = Trainer(MLP((2, 3, 2), Maxout(2)), *data.circles(), SGD(), None, 0)
    pair.parameters["b1"][:] = [-100, 0, 0, 0, 0, 0]  # a piece that never wins; the unit's other piece does
    assert pair.dead(pair.standing().gradients) == [0]


def test_a_loss_that_is_no_number_ends_the_training_in_words() -> None:
    actor = PlaygroundActor(Settings("spiral", step_size=1e4), activation=LeakyReLU())
    with np.errstate(all="ignore"):
        content, buffers = actor.reply({"train": 100})
        again, _ = actor.reply({"train": 100})
    assert content["stopped"].startswith("Stopped at step ")
    assert "so the step size is too large; try a smaller one than 10000" in content["stopped"]
    assert content["step"] == again["step"] < 20
    assert content["ended"]
    assert NOTHING in buffers[0]
    json.dumps(content, allow_nan=False)


def test_the_curves_take_no_more_room_as_time_goes_on() -> None:
    curve = Curve()
    for step in range(0, 500_000, 5):
        curve.add(step, 1.0 / (1 + step), 0.5)
    steps = [step for step, _, _ in curve.points]
    assert KEPT // 3 < len(steps) <= KEPT
    assert steps[0] == 0
    assert steps[-1] > 490_000
    assert steps == sorted(steps)


# -- frames ------------------------------------------------------------------------------------------


def test_a_frame_holds_the_network(circles: PlaygroundActor) -> None:
    content, buffers = circles.reply({"train": 5})
    parameters, gradients = circles.trainer.parameters, circles.trainer.standing().gradients
    layers = weights(circles, buffers)
    for k in (1, 2, 3):
        for found, of in ((layers[k - 1], parameters), (layers[k + 2], gradients)):
            np.testing.assert_allclose(found, np.vstack([of[f"W{k}"], of[f"b{k}"]]), rtol=1e-6)
    codes = np.frombuffer(buffers[0], np.uint8)
    predicted = circles.trainer.model.predict(parameters, circles.points.grid().astype(float))
    assert np.mean(codes // LEVELS == predicted) > 0.99
    assert codes.size == FINE**2
    assert sum(map(len, buffers)) < 12_000
    assert content["step"] == 5


def test_the_ground_tells_how_sure_the_network_is() -> None:
    told = np.frombuffer(quantised(np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0], [np.nan, 0.0]])), np.uint8)
    assert told.tolist() == [0, LEVELS - 1, 2 * LEVELS - 1, NOTHING]


def test_points_come_and_go(circles: PlaygroundActor) -> None:
    circles.reply({"train": 3})
    content, buffers = circles.reply({"paint": [0.5, -0.25, 1]})
    points = np.frombuffer(buffers[3], np.float32).reshape(-1, 3)
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
    assert "All points are of one class, so there is nothing to tell apart" in content["warnings"][0]


def test_only_some_settings_begin_anew(circles: PlaygroundActor) -> None:
    circles.reply({"train": 5})
    assert circles.reply({"set": {"step_size": "0.1", "weight_decay": "0.01", "batch_size": "8"}})[0]["step"] == 5
    for change in ({"width": 3}, {"layers": 0}, {"activation": "tanh"}, {"seed": 2}, {"data": "moons"}):
        circles.reply({"train": 5})
        assert circles.reply({"set": change})[0]["step"] == 0, change
    assert circles.trainer.model.sizes == (2, 2)
    assert circles.reply({"train": 5})[0]["step"] == 5


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"set": {"width": "0"}}, "The width of a hidden layer must be a whole number from 1 to 32; '0' is none."),
        ({"set": {"layers": "many"}}, "The number of hidden layers must be a whole number from 0 to 4"),
        ({"set": {"step_size": "-1"}}, "step_size must be a number of 0 or more; '-1' is none."),
        ({"set": {"seed": "nan"}}, "The seed must be a whole number"),
        ({"set": {"activation": "nothing"}}, "There is no activation 'nothing'"),
        ({"paint": [math.nan, 0, 1]}, "A point has two numbers and a class"),
        ({"paint": [0, 0, 7]}, "A point has two numbers and a class"),
        ({"train": "x"}, "ValueError"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(circles: PlaygroundActor, asked: Any, said: str) -> None:
    before = circles.settings, circles.trainer, circles.points
    content, buffers = circles.reply(asked)
    assert said in content["error"]
    assert len(buffers) >= 3
    assert (circles.settings, circles.trainer, circles.points) == before
    assert circles.reply({"train": 1})[0]["error"] == ""


def test_there_is_room_for_a_thousand_points() -> None:
    actor = PlaygroundActor(Settings("given"), own=given(np.zeros((1500, 2)), np.zeros(1500, int)))
    content, _ = actor.reply({"paint": [0, 0, 1]})
    assert "There is room for 1,000 points: erase some." in content["error"]
    assert "Of 1,500 points 1,000 are taken, drawn at random." in content["warnings"]


# -- gates that fail ---------------------------------------------------------------------------------


class Unfinished(ReLU):
    def backward(self, upstream: Any, cache: Any) -> Any:
        raise NotImplementedError("still to be written")


def test_an_unfinished_gate_is_told_and_the_kits_trains() -> None:
    one = view.playground(activation=Unfinished(), updates=20)
    content = one.widget.film["content"]
    said = "A gate of yours failed, so the kit's gates train in their place. NotImplementedError: still to be written"
    assert said in content["warnings"]
    assert said in one.words
    actor = PlaygroundActor(Settings(), activation=Unfinished())
    assert actor.reply({"train": 5})[0]["step"] == 5
    content, _ = actor.reply({"set": {"activation": "Unfinished (yours)"}})
    assert content["error"] == "NotImplementedError: still to be written"
    assert content["settings"]["activation"] == "ReLU"


def test_a_gate_that_fails_later_is_told_too() -> None:
    class Tired(ReLU):
        tired = False

        def forward(self, x: Any) -> Any:
            if self.tired:
                raise RuntimeError("tired")
            return super().forward(x)

    actor = PlaygroundActor(Settings(), (4,), Tired())
    Tired.tired = True
    assert "Then a gate failed. RuntimeError: tired" in trained(actor.trainer, actor.points, 20).words
    content, buffers = actor.reply({"train": 50})
    assert (content["error"], content["ended"], buffers) == ("RuntimeError: tired", True, [])


# -- the call and the stream -------------------------------------------------------------------------


def test_points_of_ones_own() -> None:
    x = np.array([[0.0, 1.0], [np.nan, 2.0], [3.0, 4.0]])
    one = view.playground((x, [0, 1, 1]), hidden=4, updates=50)
    assert "1 of 3 points are not finite (NaN or infinity), and are left out." in one.words
    assert one.widget.scene["sets"][0] == "given"
    assert "among 2 classes by a network 2-4-2 that learned 2 points" in one.words


@pytest.mark.parametrize(
    ("asked", "said"),
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
def test_a_call_that_makes_no_playground_is_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        view.playground(**asked)


def test_a_stream_ends_with_what_was_granted() -> None:
    """A page that has gone grants nothing, and so nothing is trained."""
    sent: list[dict[str, Any]] = []
    actor = PlaygroundActor(Settings("circles"), (4,))

    async def play() -> None:
        stream = Stream(actor, lambda content, _: sent.append(content))
        stream.hear({"frames": 3, "each": {"train": 2}})
        await asyncio.sleep(0.4)
        assert [content["step"] for content in sent] == [2, 4, 6]
        stream.hear({"frames": 1000, "each": {"train": 1}})
        await asyncio.sleep(0.2)
        stream.hear({"frames": 0})
        paused = actor.trainer.step
        assert paused > 6
        await asyncio.sleep(0.2)
        assert actor.trainer.step <= paused + 1
        stream.hear({"clear": True})
        stream.hear({"frames": 1000, "each": {"train": 1}})  # without points there is nothing to train
        await asyncio.sleep(0.2)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(play())


def test_every_data_set_is_within_what_is_shown() -> None:
    for name in playground_points.SETS:
        points = playground_points.drawn(name)
        for axis, (low, high) in enumerate((points.across, points.up)):
            assert np.all((points.x[:, axis] > low) & (points.x[:, axis] < high))
