"""A check of a learner's own tape: a class of values that record the gates which made them. See `nnkit.check`."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nnkit.check.diagnosis.descriptions import ENTRIES
from nnkit.check.diagnosis.graph_passes import GraphRun, find_faulty_pass
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.finding import CallFault, Finding
from nnkit.check.evidence.subjects import FunctionSubject
from nnkit.check.pipeline import examine, guard_check
from nnkit.check.rendering.messages import explain_fields
from nnkit.check.verdict import Verdict

Run = Callable[..., Any]
LEFT_OPERAND = re.compile(r"unsupported operand type\(s\) for (\S+): '(int|float|numpy\.\w+)' and '(\w+)'")


def check_tape(run: Run, expression: str, name: str = "", rng: int = 0, **inputs: Any) -> Verdict:
    """Check a tape on an expression in Python, such as "2 * x + x * y", that gives one number.

    `run(expression, inputs, passes)` evaluates it with a value of the tape for each of the inputs, calls `backward` so
    many times, and returns the number and a dict of the gradients of the inputs. They are compared with numerical
    derivatives of the expression; and a second pass must leave the same gradients as the first.
    """
    title, names = name or expression, tuple(inputs)
    code = compile(expression, "<expression>", "eval")

    def evaluate(*numbers: Any) -> Any:
        return eval(code, {}, dict(zip(names, numbers)))

    def check() -> Verdict | Finding:
        xs = guarded_call.prepare_inputs(names, [float(x) if isinstance(x, int) else x for x in inputs.values()])
        if isinstance(xs, Finding):
            return xs
        wrt, labels = guarded_call.differentiable_positions(xs), tuple(f"{each}.grad" for each in names)
        subject = FunctionSubject(
            title, names, wrt, evaluate, engine=True, gradient_names=labels,
            pair=lambda *numbers: _run(run, expression, dict(zip(names, numbers)), 1),
        )  # fmt: skip
        verdict = examine(subject, xs, rng)
        if not verdict.passed:
            return _name_order(verdict, run, expression, dict(zip(names, xs)))
        return _find_kept(run, expression, dict(zip(names, xs))) or verdict

    return guard_check(title, check)


def _run(run: Run, expression: str, inputs: Mapping[str, Any], passes: int) -> Any:
    """Return the value and a tuple of gradients after so many passes, or a finding."""
    returned = guarded_call.call_learner(run, (expression, _copy(inputs), passes), "it")
    if isinstance(returned, Finding):
        found = LEFT_OPERAND.search(returned.message) if isinstance(returned, CallFault) else None
        sentence = f"a number on the left of {found[1]} is not understood: {found[0]}." if found else ""
        return Finding("wrong", sentence, ("left-operand",)) if found else returned
    if not isinstance(returned, tuple | list) or len(returned) != 2 or not isinstance(returned[1], Mapping):
        kind = guarded_call.describe_kind(returned)
        return Finding(
            "wrong", f"it must return the value and a dict of gradients; it returned {kind}.", ("wrong-container",)
        )
    missing = [each for each in inputs if returned[1].get(each) is None]
    if missing:
        sentence = f"after backward, {missing[0]}.grad is None: no gradient arrived."
        return Finding("wrong", sentence, ("missing-gradient",))
    return returned[0], tuple(returned[1][each] for each in inputs)


def _copy(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs with copies of their arrays."""
    return {each: np.array(x)[()] for each, x in inputs.items()}


def _find_kept(run: Run, expression: str, inputs: Mapping[str, Any]) -> Finding | None:
    """Find gradients that a second backward pass does not leave as the first one did."""
    passes = [_run(run, expression, inputs, count) for count in (1, 2)]
    for found in passes:
        if isinstance(found, Finding):
            return found
    once, twice = (np.concatenate([np.ravel(np.asarray(g, dtype=float)) for g in grads]) for _, grads in passes)
    if once.shape == twice.shape and guarded_call.repeats_result(once, twice):
        return None
    if once.shape == twice.shape and _is_multiple(twice, once):
        sentence = "a second backward pass gives more: gradients of the first one were kept."
        return Finding("wrong", sentence, ("not-reset",))
    sentence = "a second backward pass leaves other gradients than the first: what is kept, or changed?"
    return Finding("wrong", sentence, ("changes-by-itself",))


def _is_multiple(twice: np.ndarray, once: np.ndarray) -> bool:
    """Return True if each number is twice or more times the first one."""
    ratios = twice[once != 0] / once[once != 0]
    return bool(np.all(ratios >= 2 - 1e-9))


# ---- the order in which nodes are visited --------------------------------------------------------------


def _name_order(verdict: Verdict, run: Run, expression: str, inputs: Mapping[str, Any]) -> Verdict:
    """Return the verdict with the name of a mistake in visiting the nodes, where one explains the gradients at several
    points."""
    if verdict.status != "wrong" or any(np.ndim(x) for x in inputs.values()):
        return verdict
    draw, runs = np.random.default_rng(0), []
    for point in (inputs, *({each: draw.normal() for each in inputs} for _ in range(3))):
        returned = _run(run, expression, point, 1)
        graph = ExpressionGraph.of(expression, point)
        if graph is None or isinstance(returned, Finding) or any(np.ndim(g) for g in returned[1]):
            return verdict
        gradients = {each: float(g) for each, g in zip(inputs, returned[1])}
        runs.append(GraphRun(expression, graph.needs, graph.local, graph.output, gradients))
    found = find_faulty_pass(runs) if any(any(each.returned.values()) for each in runs) else ""
    if not found or found in verdict.mistakes:
        return verdict
    words: dict[str, Any] = {"mistakes": (), "explained_as": (), **explain_fields([ENTRIES[found]])}
    return replace(verdict, headline=f"{ENTRIES[found].title}.", **words)


@dataclass
class ExpressionGraph:
    """An expression of sums and products as a graph, in the order in which Python evaluates it."""

    numbers: dict[str, float]
    """The value of each node; names bound by `:=` are other names of nodes."""
    needs: dict[str, list[str]] = field(default_factory=dict)
    local: dict[str, list[float]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    output: str = ""

    @classmethod
    def of(cls, expression: str, inputs: Mapping[str, Any]) -> ExpressionGraph | None:
        """Return the graph of an expression; None if it has more in it than sums, products and numbers."""
        graph = cls({each: float(x) for each, x in inputs.items()})
        graph.needs, graph.local = {each: [] for each in inputs}, {each: [] for each in inputs}
        try:
            output, _ = graph.add(ast.parse(expression, mode="eval").body)
        except (ValueError, TypeError, KeyError):
            return None
        graph.output = output or ""
        return graph if output else None

    def add(self, node: ast.expr) -> tuple[str | None, float]:
        """Add the nodes of a part; return its node, None for a constant, and its value. Raises ValueError."""
        if isinstance(node, ast.NamedExpr):
            name, value = self.add(node.value)
            self.names[node.target.id] = name or ""
            return name, value
        if isinstance(node, ast.Name):
            name = self.names.get(node.id, node.id)
            return name, self.numbers[name]
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add | ast.Mult):
            return None, float(ast.literal_eval(node))
        (left, x), (right, y) = self.add(node.left), self.add(node.right)
        is_sum = isinstance(node.op, ast.Add)
        slopes = [(left, 1.0), (right, 1.0)] if is_sum else [(left, y), (right, x)]
        made = f"node {len(self.needs)}"
        self.needs[made] = [name for name, _ in slopes if name]
        self.local[made] = [slope for name, slope in slopes if name]
        self.numbers[made] = x + y if is_sum else x * y
        return made, self.numbers[made]
