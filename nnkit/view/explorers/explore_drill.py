"""The half of the drill that computes: questions on the wires of a random graph, one after the other, and answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.graph import Graph, Node
from nnkit.graphtext import format_value
from nnkit.language import say
from nnkit.view.drawing.folding import fold
from nnkit.view.explorers.drill_slips import describe_rule, explain_gradient, explain_value, is_close
from nnkit.view.explorers.drill_tasks import LEVELS, make_task
from nnkit.view.explorers.graph_scene import PAGE_WIDTH, build_svg_model
from nnkit.view.explorers.graph_steps import label_wire
from nnkit.view.explorers.protocol import InvalidRequest, Json, parse_number


@dataclass(frozen=True)
class Question:
    """A question for the value or for the gradient of a wire."""

    node: Node
    asks_gradient: bool

    @property
    def right(self) -> Any:
        """The right answer."""
        return self.node.grad if self.asks_gradient else self.node.value

    @property
    def name(self) -> str:
        """The name of the answer: "q" or "dq"."""
        return f"{'d' * self.asks_gradient}{label_wire(self.node)}"


def write_value(value: Any) -> str:
    """Return a number or an array as text; whole numbers of an array without a point."""
    whole = np.shape(value) and np.all(value == np.round(value))
    return format_value(value.astype(int) if whole else value)


def hide_answers(graph: Graph) -> Graph:
    """Return a copy in which only the inputs have values."""
    shown = fold(graph)[0]
    for node in shown.nodes:
        node.grad = None
        if node.gate is not None:
            node.value = None
    return shown


def list_questions(graph: Graph) -> list[Question]:
    """Return the questions in the order of the two passes; the gradient of the output is given."""
    gates = [node for node in graph.nodes if node.gate is not None]
    inputs = [node for node in graph.nodes if node.gate is None]
    return [Question(node, False) for node in gates] + [Question(node, True) for node in gates[-2::-1] + inputs]


class DrillActor:
    """An actor that answers {"answer": text}, {"show"}, {"next"} and {"level": 1 to 5} with the next question.

    {"width": of the page} draws the graph anew.
    """

    def __init__(self, level: int = 1, seed: int = 0):
        self.level, self.seed, self.number = level, seed, 0
        self.width = PAGE_WIDTH
        self.begin()

    def begin(self) -> None:
        """Begin the graph with the current number."""
        self.graph = make_task(self.level, self.seed, self.number)
        self.questions = list_questions(self.graph)
        self.done, self.tries = 0, 0
        self.said = ("", "")

    def start(self) -> tuple[Json, Json]:
        return self._build_setup(), self._compute_state()

    def answer(self, request: Json) -> tuple[Json | None, Json]:
        """Return the setup if there is a new graph, and the state. Raises InvalidRequest for a text without numbers."""
        if "width" in request:
            self.width = max(200.0, float(request["width"]))
        elif "level" in request or "next" in request:
            level = int(request.get("level", self.level))
            self.number = self.number + 1 if level == self.level else 0
            self.level = level if level in LEVELS else self.level
            self.begin()
        elif self.done < len(self.questions):
            self.said = self._judge(self.questions[self.done], request)
            return None, self._compute_state()
        return self._build_setup(), self._compute_state()

    def list_frozen_requests(self) -> list[Json]:
        """Return none: the answers are the learner's own."""
        return []

    def _judge(self, question: Question, request: Json) -> tuple[str, str]:
        """Return the outcome of a request, "right", "wrong" or "shown", and what is said of it."""
        right = f"{question.name} = {write_value(question.right)}."
        if "show" in request:
            self._advance()
            return "shown", f"{right} {_hint(question)}"
        given = parse_answer(request.get("answer", ""), np.shape(question.right))
        if is_close(given, question.right):
            self._advance()
            return "right", f"✓ {right}"
        self.tries += 1
        node = question.node
        why = explain_gradient(self.graph, node, given) if question.asks_gradient else explain_value(node, given)
        more = f" {_hint(question)}" if self.tries > 1 else ""
        wrong = say("{name} is not {number}.", name=question.name, number=write_value(given))
        return "wrong", f"✗ {wrong} {why}{more}"

    def _advance(self) -> None:
        self.done, self.tries = self.done + 1, 0

    def _build_setup(self) -> Json:
        widest = {n.index: max(write_value(n.value), write_value(n.grad), key=len) for n in self.graph.nodes}
        model = build_svg_model(fold(self.graph)[0], widest, self.width)
        for box in model["boxes"]:
            box["group"] = None
        return {
            **model,
            "frames": [],
            "room": self.width,
            "level": self.level,
            "levels": {str(k): say(v) for k, v in LEVELS.items()},
        }

    def _compute_state(self) -> Json:
        answered, graph = self.questions[: self.done], self.graph
        inputs = [node for node in graph.nodes if node.gate is None]
        known = inputs + [q.node for q in answered if not q.asks_gradient]
        sent = [q.node for q in answered if q.asks_gradient]
        state: Json = {
            "values": {str(n.index): write_value(n.value) for n in known},
            "grads": {str(n.index): write_value(n.grad) for n in sent},
            "done": self.done,
            "count": len(self.questions),
            "graph": self.number + 1,
            "outcome": self.said[0],
            "feedback": self.said[1],
            "question": None,
            "error": "",
        }
        if any(q.asks_gradient for q in self.questions[self.done : self.done + 1]) or sent:
            state["grads"][str(graph.output.index)] = write_value(graph.output.grad)
        if self.done < len(self.questions):
            question = self.questions[self.done]
            state["question"] = {
                "node": question.node.index,
                "gradient": question.asks_gradient,
                "name": question.name,
                "words": _ask(question),
            }
        return state


def parse_answer(text: Any, shape: tuple[int, ...]) -> Any:
    """Return the number, or for a shape with axes the array, that a text spells: "−3", "1/4", "1 2; 3 4".

    Raises InvalidRequest for anything else.
    """
    rows = [row.replace(",", " ").split() for row in str(text).strip().strip("[]").replace("],", ";").split(";")]
    numbers = [[_parse_fraction(word.strip("[]")) for word in row] for row in rows]
    if not numbers[0] or any(number is None for row in numbers for number in row):
        raise InvalidRequest(say("{form}; {text!r} is not.", form=_say_form(shape), text=str(text)[:30]))
    if len({len(row) for row in numbers}) > 1:
        raise InvalidRequest(say("The rows must have the same number of entries."))
    array = np.array(numbers, dtype=float)
    return float(array[0, 0]) if not shape and array.size == 1 else array[0] if len(array) == 1 else array


def _parse_fraction(word: str) -> float | None:
    parts = [parse_number(part) for part in word.split("/")]
    if any(part is None or not np.isfinite(part) for part in parts) or len(parts) > 2 or parts[1:] == [0.0]:
        return None
    return float(parts[0] / parts[1]) if len(parts) == 2 else parts[0]  # type: ignore[operator]


def _say_form(shape: tuple[int, ...]) -> str:
    if not shape:
        return say("The answer must be a number")
    return say(
        "The answer must be rows of numbers, such as 1 2; 3 4"
        if len(shape) == 2
        else "The answer must be numbers, such as 1 2"
    )


def _ask(question: Question) -> str:
    node, shape = question.node, np.shape(question.right)
    form = f" {_say_form(shape)}." if shape else ""
    if not question.asks_gradient:
        is_whole = bool(shape) or question.right == round(question.right)
        decimals = "" if is_whole else f" {say('Two decimals are enough.')}"
        equation = f"{node.name} = {node.formula()}"
        return f"{say('Forward: {equation}. What is {name}?', equation=equation, name=question.name)}{form}{decimals}"
    users = [user for user in node.graph.nodes for x in user.inputs if x is node]
    ways = " " + say("It goes into {number} gates' inputs.", number=len(users)) if len(users) > 1 else ""
    asked = say(
        "Backward: what is {name}, the gradient of f with respect to {wire}?",
        name=question.name, wire=label_wire(node),
    )  # fmt: skip
    return f"{asked}{ways}{form}"


def _hint(question: Question) -> str:
    """Return the rule of the gates that the answer depends on."""
    if not question.asks_gradient:
        return ""
    node = question.node
    rules = list(dict.fromkeys(describe_rule(u) for u in node.graph.nodes for x in u.inputs if x is node))
    return say("Remember: {rules}.", rules="; ".join(rules))
