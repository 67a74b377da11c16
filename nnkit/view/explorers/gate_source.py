"""The code of a gate as learners need it: their own as they wrote it, the kit's without checks and broadcasting."""

from __future__ import annotations

import ast
import inspect
import re
from textwrap import dedent
from typing import Any

from nnkit.graphtext import format_value
from nnkit.language import say
from nnkit.view.drawing.folding import FoldedGate
from nnkit.view.explorers.protocol import Json

KIT_PREFIX = "nnkit.gates"
CHECKS = {"convert_inputs", "broadcast_shape", "check_upstream", "_check_product"}
"""Functions whose statements say nothing about the derivative."""

OPERATORS: dict[str, ast.operator] = {"safe_divide": ast.Div(), "safe_power": ast.Pow()}


def describe_gate(gate: Any) -> Json:
    """Return {"about", "forward", "backward"}: a formula if the gate is the kit's, and the code of both passes."""
    if isinstance(gate, FoldedGate):
        return {"about": "", **_list_folded_gates(gate)}
    about = _read_formula(gate) if type(gate).__module__.startswith(KIT_PREFIX) else ""
    return {"about": about, **{name: _read_method(gate, name) for name in ("forward", "backward")}}


def _read_formula(gate: Any) -> str:
    """Return the first paragraph of a kit gate's docstring: "out = x · y. Swaps its inputs: dx = upstream · y, ..."."""
    return " ".join((inspect.getdoc(gate) or "").split("\n\n")[0].split())


def _read_method(gate: Any, name: str) -> str:
    """Return the source of a method, or a comment if it cannot be found."""
    method = getattr(gate, name)
    try:
        source = dedent(inspect.getsource(method)).rstrip()
    except (OSError, TypeError):
        return f"# {say('The source of {name} cannot be found.', name=name)}"
    return strip_checks(source) if getattr(method, "__module__", "").startswith(KIT_PREFIX) else source


def strip_checks(source: str) -> str:
    """Return the code of a kit gate's method without checks, types, docstring and broadcasting."""
    (function,) = ast.parse(source).body
    text = ast.unparse(ast.fix_missing_locations(_Simplifier().visit(function)))
    return re.sub(r"^( *)(\w+), = ", r"\1(\2,) = ", text, flags=re.MULTILINE)


class _Simplifier(ast.NodeTransformer):
    """Rewrites `unbroadcast(upstream * y, x)` as `upstream * y`, `xp.exp(x)` as `np.exp(x)`, and so on."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.returns = None
        for argument in node.args.args:
            argument.annotation = None
        node.body = [new for old in node.body if not _is_plumbing(old) and (new := self.visit(old)) is not None]
        return node

    def visit_Assign(self, node: ast.Assign) -> Any:
        """Drop `np` from `np, shape = np, np.shape(x)`, which is left of a choice of the array library."""
        self.generic_visit(node)
        target, value = node.targets[0], node.value
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and _is_np(target.elts[0]):
            return ast.Assign([target.elts[1]], value.elts[1])
        return node

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        name = _get_called_name(node)
        if name == "unbroadcast":
            return node.args[0]
        if name == "check_upstream":
            return node.args[1]
        if name in OPERATORS:
            return ast.BinOp(node.args[0], OPERATORS[name], node.args[1])
        if name == "get_namespace":
            return ast.Name("np")
        return node

    def visit_Name(self, node: ast.Name) -> Any:
        return ast.Name({"xp": "np", "where": "np.where"}.get(node.id, node.id))


def _is_plumbing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.If):
        return isinstance(statement.body[0], ast.Raise)
    value = getattr(statement, "value", None)
    if isinstance(statement, ast.Expr) and isinstance(value, ast.Constant):
        return True  # the docstring
    if not isinstance(statement, ast.Expr | ast.Assign) or not isinstance(value, ast.Call):
        return False
    return _get_called_name(value) in CHECKS or (
        isinstance(statement, ast.Assign) and _get_called_name(value) == "get_namespace"
    )


def _is_np(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "np"


def _get_called_name(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _list_folded_gates(gate: FoldedGate) -> Json:
    lines = [f"{type(inner).__name__}({', '.join(map(_format_operand, inputs))})" for inner, inputs in gate.steps]
    backward = [say("backward of {line}", line=line) for line in reversed(lines)]
    return {"forward": "\n".join(lines), "backward": "\n".join(backward)}


def _format_operand(x: Any) -> str:
    return say("wire {number}", number=x) if isinstance(x, int) else format_value(x)
