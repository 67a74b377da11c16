"""The explorers without a browser: what they compute, what they refuse, and their still forms."""

from __future__ import annotations

import inspect
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from babel.messages.extract import extract_javascript
from babel.messages.pofile import read_po

from helpers.paths import ROOT
from nnkit import Graph, view
from nnkit.gates import (
    ELU,
    Add,
    Copy,
    Divide,
    Exp,
    LeakyReLU,
    Log,
    MatMul,
    Max,
    Maxout,
    Multiply,
    Negate,
    Power,
    Reciprocal,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    SquaredNorm,
    Subtract,
    Sum,
    Tanh,
)
from nnkit.graphtext import format_value
from nnkit.jacobian import jacobian
from nnkit.language import speaking
from nnkit.view.drawing.folding import Group, find_groups, fold
from nnkit.view.explorers import api, protocol
from nnkit.view.explorers.explore_activation import ActivationActor
from nnkit.view.explorers.explore_descent import DescentActor, follow_updates
from nnkit.view.explorers.explore_graph import GraphActor
from nnkit.view.explorers.explore_jacobian import EXAMPLES, JacobianActor
from nnkit.view.explorers.gate_source import describe_gate
from nnkit.view.explorers.graph_sliders import build_sliders, choose_scale
from nnkit.view.scripts import JOINT, STATIC, bundle_script, find_sentences

NO_PROSE = re.compile(r"nnx-|^change:|^(Arrow|Page|Enter|Escape|Delete|Backspace)|DejaVu|^NaN")
"""Classes, events, keys and a font in scripts."""

MODULES = ("graph", "activation", "descent", "drill", "film", "jacobian", "playground", "verdict")


def lecture() -> Graph:
    graph = Graph()
    x, y, z = graph.inputs(x=-2.0, y=5.0, z=-4.0)
    ((x + y).named("q") * z).named("f")
    return graph


def neuron() -> Graph:
    graph = Graph()
    w0, x0, w1, x1, w2 = graph.inputs(w0=2.0, x0=-1.0, w1=-3.0, x1=-2.0, w2=-3.0)
    dot = (w0 * x0 + w1 * x1 + w2).named("dot")
    (1 / (1 + Exp()((-dot).named("−dot")).named("exp")).named("1+exp")).named("f")
    return graph


def format_rows(state: dict[str, Any]) -> list[str]:
    """Return the sentences of the backward steps, a row per input."""
    return [f"{r['to']}: {r['upstream']} × {r['local']} = {r['down']}" for s in state["steps"] for r in s["rows"]]


# -- the steps of a graph ----------------------------------------------------------------------------


def test_the_steps_of_the_lectures_graph() -> None:
    setup, state = GraphActor(lecture()).start()
    assert [step["phase"] for step in state["steps"]] == ["forward", "forward", "start", "backward", "backward"]
    assert [step["words"] for step in state["steps"][:2]] == ["q = x + y = 3.", "f = q × z = −12."]
    assert format_rows(state) == ["q: 1 × −4 = −4", "z: 1 × 3 = 3", "x: −4 × 1 = −4", "y: −4 × 1 = −4"]
    assert [box["label"] for box in setup["boxes"]][-1] == "gate ×, which computes f"
    json.dumps([setup, state], allow_nan=False)


def test_the_sigmoid_neuron_gate_by_gate_and_folded() -> None:
    actor = GraphActor(neuron())
    _, state = actor.start()
    rows = {"dot: −0.1966 × −1 = 0.1966", "w0: 0.1966 × −1 = −0.1966", "x1: 0.1966 × −3 = −0.5898"}
    assert rows <= {*format_rows(state)}
    setup, state = actor.answer({"folded": [0]})
    assert setup is not None
    assert [box["lines"] for box in setup["boxes"] if box["kind"] == "group"] == [["σ"]]
    assert format_rows(state)[0] == "dot: 1 × 0.1966 = 0.1966"
    again, state = actor.answer({"folded": []})
    assert again is not None
    assert again["frames"][0]["symbol"] == "σ"
    assert len(state["steps"]) == 17


@pytest.mark.parametrize("folded", [[], [0]])
def test_the_times_of_the_steps_grow(folded: list[int]) -> None:
    times = [step["time"] for step in GraphActor(neuron()).answer({"folded": folded})[1]["steps"]]
    assert times == sorted({*times})


def test_a_graph_of_twelve_gates_fits_into_a_narrow_page() -> None:
    graph = neuron()
    Tanh()((graph.output * 2.0).named("g") - graph.nodes[5]).named("h")
    actor = GraphActor(graph)
    setup, _ = actor.start()
    assert setup["width"] <= setup["room"] + 20
    narrow, _ = actor.answer({"width": 480})
    assert narrow is not None
    assert narrow["width"] <= 500
    assert {frame["symbol"] for frame in narrow["frames"]} == {"σ"}
    assert [frame["first"] for frame in narrow["frames"]].count(True) == 1
    assert actor.answer({"width": 480})[0] is None


def test_a_folded_gate_computes_what_its_gates_compute() -> None:
    graph = neuron()
    for name, x in (("dot", 0.3), ("large", 800.0)):
        with np.errstate(all="ignore"):
            graph.forward(w2=x)
            graph.backward()
            shown, origins = fold(graph, find_groups(graph))
            assert shown.forward() == graph.output.value, name
            shown.backward()
        for node, origin in zip(shown.nodes, origins):
            np.testing.assert_equal(node.grad, origin.grad)


def test_where_a_wire_branches_the_sum_is_described() -> None:
    graph = Graph()
    x, y = graph.inputs(x=3.0, y=-4.0)
    (x + y).named("sum")
    (graph.nodes[-1] * x).named("f")
    rows = [row for step in GraphActor(graph).start()[1]["steps"] for row in step["rows"]]
    assert [(row["to"], row["down"], row["total"]) for row in rows][2] == ("x", "3", "2")


def test_the_learners_graph_stays_as_it_is() -> None:
    graph = lecture()
    graph.backward()
    before = str(graph)
    actor = GraphActor(graph)
    actor.start()
    actor.answer({"values": {"0": "9"}})
    assert str(graph) == before


def test_arrays_have_a_slider_an_entry_and_are_described_without_a_local_gradient() -> None:
    graph = Graph()
    W, x, _ = graph.inputs(W=[[1.0, 2.0], [3.0, 4.0]], x=np.zeros((2, 1)), label=np.array([1]))
    SquaredNorm()(Tanh()(MatMul()(W, x)))
    actor = GraphActor(graph)
    setup, state = actor.start()
    assert [s["label"] for s in setup["sliders"]] == ["W[0, 0]", "W[0, 1]", "W[1, 0]", "W[1, 1]", "x[0, 0]", "x[1, 0]"]
    assert setup["notes"] == ["No slider for label: they hold whole numbers, or more than 6 numbers."]
    assert state["steps"][-1]["words"] == "upstream through the gate = downstream."
    _, state = actor.answer({"values": {"1:0:0": "0.5"}})
    assert state["known"]["1"] == "[[0.5], [0]]"


def test_labels_have_no_gradient() -> None:
    graph = Graph()
    scores, label = graph.inputs(scores=[[1.0, 2.0, 7.0]], label=np.array([1]))
    SoftmaxCrossEntropy()(scores, label)
    _, state = GraphActor(graph).start()
    assert not state["error"]
    assert [row["to"] for row in state["steps"][-1]["rows"]] == ["scores"]


# -- groups ------------------------------------------------------------------------------------------


def test_a_sigmoid_is_found_and_others_can_be_named() -> None:
    graph = neuron()
    assert find_groups(graph) == [Group("σ", (9, 10, 12, 13))]
    named = find_groups(graph, {"dot": graph.nodes[5:9]})
    assert [group.symbol for group in named] == ["dot", "σ"]
    _, state = GraphActor(graph, {"dot": graph.nodes[5:9]}).answer({"folded": [0, 1]})
    assert [step["words"] for step in state["steps"][:2]] == [
        "dot = dot(w0, x0, w1, x1, w2) = 1.",
        "f = σ(dot) = 0.7311.",
    ]


def test_a_part_with_two_outputs_is_no_group() -> None:
    graph = lecture()
    (graph.nodes[3] * 2.0).named("other")
    with pytest.raises(ValueError, match="'both' is not one gate: q is used outside"):
        api.graph_explorer(graph, {"both": [graph.nodes[3], graph.nodes[4]]})
    with pytest.raises(ValueError, match="nodes of this graph"):
        api.graph_explorer(graph, {"x": lecture().nodes[3:]})
    other = neuron()
    with pytest.raises(ValueError, match="must not overlap"):
        api.graph_explorer(other, {"a": other.nodes[5:8], "b": other.nodes[5:9]})


def test_a_sigmoid_whose_inside_is_used_elsewhere_is_not_folded() -> None:
    graph = neuron()
    graph.nodes[10] * graph.nodes[13]
    assert find_groups(graph) == []


# -- the code of a gate ------------------------------------------------------------------------------

SHOWN = [
    (gate, np.array([[0.5, -2.0, 3.0], [1.5, 0.3, -0.7]]))
    for gate in (Add(), Subtract(), Multiply(), Divide(), Max(), Negate(), Reciprocal(), Exp(), Power(3), Sigmoid(),
                 Tanh(), ReLU(), LeakyReLU(), ELU(), SquaredNorm(), Sum(1), Copy(2))
]  # fmt: skip


@pytest.mark.parametrize(("gate", "x"), SHOWN, ids=lambda value: type(value).__name__)
def test_the_code_that_is_shown_computes_what_the_gate_computes(gate: Any, x: np.ndarray) -> None:
    shown = describe_gate(gate)
    assert not re.search(
        r"convert_|check_|unbroadcast|namespace|raise|\bxp\b|safe_", shown["forward"] + shown["backward"]
    )
    passes: dict[str, Any] = {"np": np}
    exec(shown["forward"] + "\n" + shown["backward"], passes)
    inputs = [x, x[::-1] + 0.1][: len(inspect.signature(gate.forward).parameters)]
    out, cache = passes["forward"](gate, *inputs)
    np.testing.assert_allclose(out, gate.forward(*inputs)[0])
    upstream = (x, 2 * x) if isinstance(gate, Copy) else np.ones_like(out) * 1.5
    for mine, theirs in zip(
        passes["backward"](gate, upstream, cache), gate.backward(upstream, gate.forward(*inputs)[1])
    ):
        np.testing.assert_allclose(mine, theirs)


def test_a_click_shows_the_formula_and_the_learners_own_code() -> None:
    shown = describe_gate(Multiply())
    assert shown["about"].startswith("out = x · y. Swaps its inputs: dx = upstream · y")
    assert "return (upstream * y, upstream * x)" in shown["backward"]

    class Mine(ReLU):
        """Mine."""

        def backward(self, upstream: Any, cache: Any) -> Any:
            return (upstream,)  # as I wrote it

    own = describe_gate(Mine())
    assert own["about"] == ""
    assert own["backward"].endswith("return (upstream,)  # as I wrote it")
    assert "np.maximum(x, 0.0)" in own["forward"]


# -- bad input ---------------------------------------------------------------------------------------


class Broken:
    symbol = "b"

    def forward(self, x: Any) -> Any:
        if x > 3:
            raise ValueError("too large for me")
        return x, x

    def backward(self, upstream: Any, cache: Any) -> Any:
        raise NotImplementedError


def test_a_backward_that_raises_is_described_after_the_steps_that_work() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=2.0)
    graph.add(Broken(), x * 2 - 1) * 3.0
    _, state = GraphActor(graph).start()
    assert state["error"] == "The backward of b failed, so the steps end before it. NotImplementedError"
    assert format_rows(state) == ["(b(3)): 1 × 3 = 3"]


def test_a_forward_that_raises_leaves_the_last_picture() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=2.0)
    graph.add(Broken(), x).named("f")
    actor = GraphActor(graph)
    for request in ({"0": "4"}, {"0": "many"}):
        with pytest.raises(protocol.InvalidRequest, match="The picture shows the last inputs that worked"):
            actor.answer({"values": request})
    assert actor.answer({})[1]["known"] == {"0": "2"}


def test_an_output_that_is_no_scalar_needs_an_upstream() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=[1.0, 2.0])
    Tanh()(x)
    assert "say graph.backward(upstream=...)" in GraphActor(graph).start()[1]["error"]
    assert GraphActor(graph, upstream=np.ones(2)).start()[1]["error"] == ""


def test_what_is_not_finite_is_described_where_it_begins() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=0.0)
    with np.errstate(all="ignore"):
        Log()(x).named("l") * 2.0
        assert GraphActor(graph).start()[1]["warning"].startswith("l holds a number that is not finite (−inf)")
        state = GraphActor(graph).answer({"values": {"0": "nan"}})[1]
    assert state["warning"] == "x holds a number that is not finite (nan): it is an input."


def test_a_graph_of_5000_gates_shows_its_last_part() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=0.5)
    for _ in range(5000):
        x = Tanh()(x)
    actor = GraphActor(graph)
    setup, state = actor.start()
    assert "5,000 gates are too many to draw" in setup["notes"][0]
    assert len(setup["boxes"]) == 61
    assert len(state["steps"]) == 2 * 60 + 1
    assert actor.answer({"values": {"0": "0"}})[1]["steps"][0]["value"] == "0"


def test_an_empty_graph_and_one_without_gates() -> None:
    graph = Graph()
    assert "The graph is empty" in GraphActor(graph).start()[1]["error"]
    graph.inputs(x=1.0)
    assert "no gate" in GraphActor(graph).start()[1]["error"]


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(TypeError, match=r"graph_explorer takes a Graph.*a Node"):
        api.graph_explorer(lecture().output)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0.0, -2.0, 5.0, 0.37, 1234.5, -1e-3, 1e6, float("nan"), float("inf")])
def test_a_value_is_a_tick_of_its_slider(value: float) -> None:
    low, high, step = choose_scale(value)
    value = value if np.isfinite(value) else 0.0
    assert low <= min(value, 0) <= max(value, 0) <= high
    assert abs((value - low) / step - round((value - low) / step)) < 1e-6
    assert 90 <= (high - low) / step <= 450


def test_many_inputs_are_cut() -> None:
    graph = Graph()
    graph.inputs(**{f"x{i}": 0.0 for i in range(30)})
    found, words = build_sliders(graph)
    assert len(found) == 24
    assert words == "Sliders for the first 24 of 30 numbers."


# -- the other explorers -----------------------------------------------------------------------------


@pytest.mark.parametrize("gate", [Sigmoid(), Tanh(), ReLU(), Maxout(2)])
def test_an_activation_is_measured_where_one_asks(gate: Any) -> None:
    actor = ActivationActor(gate)
    setup, _ = actor.start()
    assert len(setup["x"]) == len(setup["out"]) == len(setup["slope"])
    _, state = actor.answer({"x": "1.5", "step": 1e-4})
    _, slope, measured = state["point"]
    assert abs(slope - measured) < 1e-6
    json.dumps([setup, state], allow_nan=False)


@pytest.mark.parametrize(
    ("passes", "said"),
    [
        (("forward",), "The backward of Half failed, so there is no slope. NotImplementedError: still to be written"),
        ((), "The forward of Half failed. NotImplementedError: still to be written"),
    ],
)
def test_an_activation_that_fails_says_so_in_place(passes: tuple[str, ...], said: str) -> None:
    class Half:
        def forward(self, x: Any) -> Any:
            if "forward" not in passes:
                raise NotImplementedError("still to be written")
            return x**3, x

        def backward(self, upstream: Any, cache: Any) -> Any:
            raise NotImplementedError("still to be written")

    one = api.activation_explorer(Half())
    assert said in one.description
    assert "alt=" in one._repr_html_()
    state = ActivationActor(Half()).answer({"x": 1.0, "step": 1e-4})[1]
    assert state["error"] == said
    assert (state["point"][0] == 1.0) == bool(passes)
    json.dumps([one.widget.setup, state], allow_nan=False)


def test_a_step_that_is_too_small_measures_nothing() -> None:
    _, state = ActivationActor(Sigmoid()).answer({"x": 2.0, "step": 1e-17})
    assert state["point"][2] is None
    assert "the same number" in state["measured"]


@pytest.mark.parametrize("message", [{"x": "two"}, {"x": "inf"}, {"step": 0}, {"step": "nan"}, {"x": None}])
def test_points_and_steps_that_are_none_are_refused(message: dict[str, Any]) -> None:
    actor = ActivationActor(Sigmoid())
    with pytest.raises(protocol.InvalidRequest, match="must be"):
        actor.answer(message)
    assert actor.answer({})[1]["x"] == 2.0


def test_the_path_is_the_lectures() -> None:
    from nnkit.view.figures.loss_surface import descend

    setup, state = DescentActor().start()
    np.testing.assert_allclose(state["path"], descend(2.0))
    _, state = DescentActor().answer({"step_size": 1.0, "momentum": 0.9})
    np.testing.assert_allclose(state["path"], descend(1.0, 0.9))
    assert state["words"][1].startswith("dW = (")
    json.dumps([setup, state], allow_nan=False)


@pytest.mark.parametrize("batch_size", [1, 20, 60])
def test_batches_are_the_lectures(batch_size: int) -> None:
    from nnkit.view.figures.loss_surface import descend

    _, state = DescentActor().answer({"batch_size": batch_size})
    np.testing.assert_allclose(state["path"], descend(2.0, 0.0, batch_size if batch_size < 60 else None))
    with pytest.raises(protocol.InvalidRequest, match="The batch size must be a whole number from 1 to 60"):
        DescentActor().answer({"batch_size": 61})
    assert DescentActor().answer({"surface": 1, "batch_size": 5})[1]["batch_size"] == 0


def test_in_the_narrow_valley_momentum_arrives_sooner() -> None:
    """No step size gets as far without momentum in the same number of updates."""
    narrow = DescentActor().surfaces[2]
    _, state = DescentActor().answer({"surface": 2, "momentum": 0.7})
    losses, plain = np.array(state["losses"]), np.array(state["plain"])
    assert np.all(losses[20:] < plain[20:] / 2)
    assert losses[-1] < plain[-1] / 20
    best = min(
        float(narrow.loss(follow_updates(narrow, rate, 0.0, narrow.start)[-1][0])) for rate in np.linspace(0, 0.022, 45)
    )
    assert losses[-1] < best / 4
    assert DescentActor().answer({"surface": 2})[1]["plain"] == []


def test_a_step_size_that_is_too_large_diverges_and_ends() -> None:
    _, state = DescentActor().answer({"surface": 1, "step_size": 5.0})
    assert state["warning"].startswith("Divergence: the loss grows from 14.25 to ")
    assert len(state["path"]) < 10
    json.dumps(state, allow_nan=False)
    small = DescentActor().answer({"surface": 1, "step_size": 0.1})[1]
    assert "jump over" in DescentActor().answer({"step_size": 12.0})[1]["warning"]
    assert small["warning"] == ""


def test_an_update_does_what_its_sentence_says() -> None:
    surface = DescentActor().surfaces[1]
    path = follow_updates(surface, 0.05, 0.0, (-2.5, 1.0))
    np.testing.assert_allclose(path[1][0], np.array([-2.5, 1.0]) - 0.05 * np.array([-5.0, 16.0]))
    _, state = DescentActor().answer({"surface": 1})
    assert state["words"][1] == (
        "dW = (−5, 16). W −= 0.05 × dW, so W goes from (−2.5, 1) to (−2.25, 0.2). The loss falls from 14.25 to 5.383."
    )


@pytest.mark.parametrize("message", [{"step_size": "x"}, {"momentum": 1.0}, {"step_size": -1}, {"start": ["nan", 0]}])
def test_settings_that_are_none_are_refused(message: dict[str, Any]) -> None:
    with pytest.raises(protocol.InvalidRequest):
        DescentActor().answer(message)


def test_the_matrices_are_the_jacobians() -> None:
    x, w = np.array([[2.0, 1, -3], [-3, 4, 2]]), np.array([[3.0, 2, 1, -1], [2, 1, 3, 2], [3, 2, 1, -2]])
    for wrt, grid in enumerate(EXAMPLES["matmul"]().grids):
        np.testing.assert_allclose(grid["values"], jacobian(MatMul(), x, w, wrt=wrt).reshape(8, -1))
        assert np.all(np.asarray(grid["values"])[np.asarray(grid["absent"])] == 0)
    W, v = np.array([[1.0, 2], [3, 4], [5, 6]]), np.array([10.0, 20])
    for wrt, grid in zip((1, 0), EXAMPLES["matvec"]().grids):
        np.testing.assert_allclose(grid["values"], jacobian(MatMul(), W, v, wrt=wrt).reshape(3, -1))
    (relu,) = EXAMPLES["elementwise"]().grids
    np.testing.assert_allclose(relu["values"], jacobian(ReLU(), [1.0, -2.0, 3.0, -1.0]))
    assert relu["product"] == ["4", "0", "5", "0"]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_outside_the_frames_everything_is_structurally_zero(kind: str) -> None:
    for grid in EXAMPLES[kind]().grids:
        outside = np.ones(np.shape(grid["values"]), dtype=bool)
        for top, left, high, wide in grid["frames"]:
            assert outside[top : top + high, left : left + wide].all(), "frames do not overlap"
            outside[top : top + high, left : left + wide] = False
        assert not grid["frames"] or np.asarray(grid["absent"])[outside].all()


@pytest.mark.parametrize("kind", ["matvec", "matmul"])
def test_the_fold_ends_with_the_product_of_the_right_table(kind: str) -> None:
    """Weighting the entries that a step moves, and adding them where they land, gives the target of that step."""
    example = EXAMPLES[kind]()
    assert example.fold
    right, steps = example.grids[1], example.fold["steps"]
    J, g = np.array(right["values"]), np.array([float(text.replace("−", "-")) for text in right["upstream"]])
    total = np.zeros(np.shape(example.fold["values"]))
    landed = np.zeros(total.shape, dtype=bool)
    for step in steps:
        for move in step["moves"]:
            (row, column), place = move["from"], tuple(move["to"])
            total[place] += g[row] * J[row, column]
            landed[place] = True
        assert step["total"] == [
            [format_value(v) if here else "" for v, here in zip(*row)] for row in zip(total.tolist(), landed.tolist())
        ]
    np.testing.assert_allclose(total, (g @ J).reshape(total.shape))
    assert [text for row in steps[-1]["total"] for text in row] == right["product"]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_puzzle_has_one_solution(kind: str) -> None:
    puzzle = EXAMPLES[kind]().puzzle or {"targets": {}}
    for wanted in puzzle["targets"].values():
        shapes = [s for shape in puzzle["factors"].values() for s in (shape, shape[::-1])]
        assert sum(a[1] == b[0] and [a[0], b[1]] == wanted for a in shapes for b in shapes) == 1


def test_what_the_matrix_weighs() -> None:
    words = JacobianActor("matmul").start()[1]["words"]
    assert "262,144 × 262,144 entries and takes 256 GiB" in words
    _, state = JacobianActor("elementwise").answer({"sizes": {"N": "1", "D": "4096"}})
    assert "takes 64 MiB" in state["words"]
    with pytest.raises(protocol.InvalidRequest, match="N must be a whole number"):
        JacobianActor("elementwise").answer({"sizes": {"N": "0"}})


# -- the widget and the still forms ------------------------------------------------------------------


def test_the_widget_answers_each_request_with_its_number() -> None:
    widget = api.graph_explorer(lecture()).widget
    widget.request = {"number": 1, "values": {"0": "3"}}
    assert widget.state["number"] == 1
    assert widget.state["steps"][1]["value"] == "−32"
    widget.request = {"number": 2, "values": {"0": "x"}}
    assert widget.state["number"] == 2
    assert widget.state["error"].startswith("x must be a number; 'x' is not.")
    assert widget.state["steps"][1]["value"] == "−32"


def test_without_anywidget_there_is_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "nnkit.view.explorers.widget", raising=False)
    one = view.graph_explorer(lecture())
    assert one.widget is None
    assert "<svg" in one._repr_html_()
    assert "f is q × z, value −12" in str(one) == one.description


def test_each_explorer_has_a_live_form_and_a_still_one() -> None:
    made = (api.activation_explorer(Sigmoid()), api.descent_explorer(), api.jacobian_explorer())
    for one in made:
        assert one.widget.state["error"] == ""
        assert "alt=" in one._repr_html_()
        assert len(str(one)) > 40


@pytest.mark.parametrize("module", MODULES)
def test_a_script_is_whole_and_asks_no_network(module: str, tmp_path: Path) -> None:
    text = bundle_script(module)
    assert not re.search(r"^import |^export (?!default)|https?://(?!www\.w3\.org/2000/svg)", text, re.MULTILINE)
    names = re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", text, re.MULTILINE)
    assert len(names) == len({*names})
    node = shutil.which("node")
    if node:
        (tmp_path / "whole.mjs").write_text(text, encoding="utf-8")
        subprocess.run([node, "--check", str(tmp_path / "whole.mjs")], check=True)


def test_every_sentence_of_the_scripts_is_looked_up_and_translated() -> None:
    """Babel's own reading of JavaScript finds the same sentences, and no other text is shown."""
    catalogue = read_po(io.BytesIO((ROOT / "translations/ko/nnkit.po").read_bytes()))
    for path in sorted(STATIC.glob("*.js")):
        text = path.read_text(encoding="utf-8")
        sentences = list(find_sentences(text))
        extracted = extract_javascript(io.BytesIO(text.encode()), ("say",), (), {"parse_template_string": True})
        messages = [message if isinstance(message, str) else message[0] for _, _, message, _ in extracted]
        assert sorted(sentences) == sorted(messages), path.name
        assert [one for one in sentences if one not in catalogue] == [], path.name
        code = re.sub(r"^ *(//|/?\*).*$|// .*$", "", JOINT.sub("", text), flags=re.MULTILINE)
        literals = [json.loads(literal) for literal in re.findall(r'"(?:[^"\\\n]|\\.)*"', code)]
        prose = [one for one in literals if re.search("[a-z] [a-z]|^[A-Z][a-z]+", one) and not NO_PROSE.search(one)]
        assert [one for one in prose if one not in sentences] == [], path.name


def test_a_korean_explorer_has_its_words() -> None:
    with speaking("ko"):
        one = view.graph_explorer(lecture())
        widget, page = one.widget, one.page
    assert widget.language["code"] == "ko"
    assert widget.language["sentences"]["step {at} of {last}"] == "{at}/{last}단계"
    assert widget.state["steps"][0]["title"] == "+ 순전파"
    assert '"language":{"code":"ko"' in page
    assert view.graph_explorer(lecture()).widget.language == {"code": "en", "sentences": {}}


def test_scripts_are_short() -> None:
    assert all(len(path.read_text(encoding="utf-8").splitlines()) < 300 for path in STATIC.iterdir())


def test_the_front_door_loads_no_widgets() -> None:
    program = "import sys, nnkit.view.explorers as e; from nnkit import Graph; assert 'anywidget' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_group_of_one_gate_is_its_gate() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=1.0)
    out = Sigmoid()(x).named("f")
    _, state = GraphActor(graph, {"s": [out]}).answer({"folded": [0]})
    assert format_rows(state) == ["x: 1 × 0.1966 = 0.1966"]
