"""The drill: its graphs can be worked out by hand, right answers pass, wrong ones are named for what they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnkit import view
from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit.gates import Add, MatMul, Max, Multiply, Sigmoid, Subtract
from nnkit.graph import Graph
from nnkit.numerical import estimate_jacobian
from nnkit.view.explorers import api
from nnkit.view.explorers.drill_slips import explain_gradient, explain_value, is_close, list_slips
from nnkit.view.explorers.drill_tasks import LEVELS, make_task
from nnkit.view.explorers.explore_drill import DrillActor, list_questions, parse_answer
from nnkit.view.explorers.protocol import InvalidRequest

EVERY_LEVEL = pytest.mark.parametrize("level", LEVELS)


def write(answer: Any, decimals: int = 2) -> str:
    """Return an answer as a learner types it, rounded."""
    rows = np.round(np.atleast_2d(answer), decimals).tolist()
    return "; ".join(" ".join(f"{number:g}".replace("-", "−") for number in row) for row in rows)


@EVERY_LEVEL
def test_the_gradients_are_right_and_the_graphs_differ(level: int) -> None:
    seen = set()
    for number in range(12):
        graph = make_task(level, 3, number)
        inputs = [node for node in graph.nodes if node.gate is None]

        def run(*values: Any, graph: Graph = graph, names: list[str] = [node.name for node in inputs]) -> Any:  # noqa: B006
            return graph.forward(**dict(zip(names, values)))

        values, grads = [node.value for node in inputs], [node.grad for node in inputs]
        for i, grad in enumerate(grads):
            found = estimate_jacobian(run, tuple(np.asarray(v, dtype=float) for v in values), i).value
            np.testing.assert_allclose(np.reshape(found, np.shape(grad)), grad, atol=1e-6)
        run(*values)
        seen.add(str(graph))
    assert len(seen) == 12


@EVERY_LEVEL
def test_a_level_has_what_it_is_called(level: int) -> None:
    for number in range(20):
        graph = make_task(level, 0, number)
        gates = [type(node.gate) for node in graph.nodes if node.gate is not None]
        uses = [sum(x is node for user in graph.nodes for x in user.inputs) for node in graph.nodes]
        assert 2 <= len(gates) <= 4
        assert (max(uses) > 1) == (level == 2) or level == 3
        wanted = {1: {Add, Multiply}, 2: {Add, Multiply}, 3: {Subtract, Max}, 4: {Sigmoid}, 5: {MatMul}}[level]
        assert wanted <= {*gates}


@EVERY_LEVEL
def test_rounded_answers_are_right_and_lead_to_the_next_graph(level: int) -> None:
    actor = DrillActor(level, seed=1)
    for _ in range(3):
        while actor.done < len(actor.questions):
            at = actor.done
            _, state = actor.answer({"answer": write(actor.questions[at].right)})
            assert (state["outcome"], actor.done) == ("right", at + 1)
        assert state["question"] is None
        setup, state = actor.answer({"next": True})
        assert setup is not None
        assert (state["done"], state["outcome"]) == (0, "")
    assert state["graph"] == 4


@EVERY_LEVEL
def test_no_wrong_number_is_taken_for_right(level: int) -> None:
    for question in list_questions(make_task(level, 0, 0)):
        for off in (0.02, -0.02, 1.0):
            assert not is_close(np.asarray(question.right) + off, question.right)
        assert not is_close(np.ones((3, 3)), question.right)


def find_question(actor: DrillActor, name: str) -> None:
    actor.done = [question.name for question in actor.questions].index(name)


def graph_of(gate: Any, *values: float, factor: float = 3.0) -> Graph:
    """Return f = factor · gate(x, y), after both passes."""
    graph = Graph()
    wires = graph.inputs(**{name: value for name, value in zip("xy", values)})
    (graph.add(gate, *wires) * factor).named("f")
    graph.backward()
    return graph


NAMED = [
    (Multiply(), (2.0, 5.0), 0, 6.0, "own-input"),
    (Multiply(), (2.0, 5.0), 0, 5.0, "no-upstream"),
    (Multiply(), (2.0, 5.0), 0, -15.0, "sign"),
    (Multiply(), (2.0, 5.0), 0, 45.0, "upstream-twice"),
    (Multiply(), (4.0, 5.0), 0, 4.0, "gradient-for-value"),
    (Add(), (2.0, 5.0), 1, 1.0, "no-upstream"),
    (Subtract(), (2.0, 5.0), 1, 3.0, "sign"),
    (Max(), (2.0, 5.0), 0, 3.0, "max-to-loser"),
    (Max(), (2.0, 5.0), 1, 0.0, "max-to-loser"),
    (Sigmoid(), (2.0,), 0, -6.0, "sigmoid-of-input"),
    (Sigmoid(), (2.0,), 0, 0.1, "no-upstream"),
]


@pytest.mark.parametrize(("gate", "values", "slot", "answer", "name"), NAMED)
def test_a_wrong_gradient_is_named(gate: Any, values: tuple[float, ...], slot: int, answer: float, name: str) -> None:
    graph = graph_of(gate, *values)
    assert BY_ID[name].title in explain_gradient(graph, graph.nodes[slot], answer)


def test_one_branch_alone_is_named_and_other_numbers_are_only_compared() -> None:
    graph = Graph()
    x, y = graph.inputs(x=3.0, y=-4.0)
    ((x + y) * x).named("f")
    graph.backward()
    assert graph.nodes[0].grad == 2.0
    assert "at a branch one gradient replaced the other" in explain_gradient(graph, graph.nodes[0], -1.0)
    assert explain_gradient(graph, graph.nodes[0], 17.0) == "It is too large."
    assert explain_value(graph.nodes[2], -12.0) == "The gate is +; your number is that of ×."
    assert explain_value(graph.nodes[2], -5.0) == "It is too small."


def test_whole_numbers_are_written_without_a_point() -> None:
    _, state = DrillActor(5).start()
    W = make_task(5, 0, 0).nodes[0].value.astype(int)
    np.testing.assert_array_equal(parse_answer(state["values"]["0"], W.shape), W)
    assert not any("." in text for text in state["values"].values())


def test_matrices_are_compared_by_shape_and_by_entry() -> None:
    graph = make_task(5, 0, 0)
    W, x = graph.nodes[:2]
    assert "transpose" in explain_gradient(graph, W, np.transpose(W.grad))
    assert "It has the shape (2,); it must be (2, 2)" in explain_gradient(graph, W, x.value * 7)
    wrong = np.array(W.grad)
    wrong[0, 1] += 5
    assert explain_gradient(graph, W, wrong) == "1 of its 4 entries is not right."


@EVERY_LEVEL
def test_every_slip_is_in_the_catalogue(level: int) -> None:
    for number in range(5):
        graph = make_task(level, 0, number)
        for node in graph.nodes[:-1]:
            assert all(name in BY_ID for name, _ in list_slips(graph, node))


def test_a_second_wrong_answer_adds_the_rule_and_showing_goes_on() -> None:
    actor = DrillActor(1)
    find_question(actor, "dx")
    first, second = (actor.answer({"answer": "59"})[1] for _ in range(2))
    assert first["outcome"] == second["outcome"] == "wrong"
    assert "Remember" not in first["feedback"]
    assert "Remember: " in second["feedback"]
    _, state = actor.answer({"show": True})
    assert state["outcome"] == "shown"
    assert state["feedback"].startswith("dx = ")
    assert state["question"]["name"] == "dy"


def test_the_picture_shows_only_what_has_been_answered() -> None:
    actor = DrillActor(1)
    _, state = actor.start()
    assert {*state["values"]} == {str(node.index) for node in actor.graph.nodes if node.gate is None}
    assert state["grads"] == {}
    find_question(actor, "dx")
    assert str(actor.graph.output.index) in actor.answer({"answer": "59"})[1]["grads"]
    one = api.drill(2)
    assert "f is " in str(one)
    assert "gradient" not in str(one)
    assert one.widget.state["done"] == 0
    assert view.drill is api.drill


def test_a_narrow_page_gets_a_narrow_graph_and_keeps_what_was_said() -> None:
    actor = DrillActor(5)
    _, state = actor.answer({"answer": "7 7"})
    narrow, again = actor.answer({"width": 480})
    assert narrow is not None
    assert narrow["width"] <= 500
    assert again["feedback"] == state["feedback"] != ""


def test_the_same_seed_gives_the_same_graphs_and_levels_change() -> None:
    assert str(make_task(2, 5, 7)) == str(make_task(2, 5, 7)) != str(make_task(2, 6, 7))
    setup, state = DrillActor(1).answer({"level": 4})
    assert setup is not None
    assert setup["level"] == 4
    assert state["graph"] == 1
    with pytest.raises(ValueError, match="levels 1 to 5; there is no 9"):
        api.drill(9)
    with pytest.raises(ValueError, match="levels 1 to 5"):
        api.drill(2.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="seed must be a whole number"):
        api.drill(seed=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "shape", "value"),
    [("−3", (), -3.0), (" 1/4 ", (), 0.25), ("1e-2", (), 0.01), ("1, 2", (2,), [1, 2]), ("[1 2]", (2,), [1, 2]),
     ("1 2; 3 4", (2, 2), [[1, 2], [3, 4]]), ("[[1, 2], [3, −4]]", (2, 2), [[1, 2], [3, -4]])],
)  # fmt: skip
def test_answers_may_be_written_in_several_ways(text: str, shape: tuple[int, ...], value: Any) -> None:
    np.testing.assert_array_equal(parse_answer(text, shape), value)


@pytest.mark.parametrize("text", ["", "x", "1/0", "nan", "inf", "1 2; 3", "1/2/3"])
def test_texts_that_are_no_answers_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_answer(text, ())
