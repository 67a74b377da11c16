"""Tapes as learners write them: right ones in many styles, and edits that make them wrong.

A tape is the source of a class Value, of apply and of run_on_tape, with the gates and `sum_back` of ps4.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

GATES = """
class Add:
    def forward(self, x, y): return x + y, None
    def backward(self, upstream, cache): return upstream, upstream

class Multiply:
    def forward(self, x, y): return x * y, (x, y)
    def backward(self, upstream, cache): return upstream * cache[1], upstream * cache[0]

class Sum:
    def forward(self, x): return np.sum(x), np.shape(x)
    def backward(self, upstream, cache): return (upstream * np.ones(cache),)

add, multiply, total = Add(), Multiply(), Sum()

def sum_back(gradient, shape):
    gradient = np.asarray(gradient)
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    return gradient.sum(axis=tuple(k for k, size in enumerate(shape) if size == 1), keepdims=True)
"""
RUN = """
def run_on_tape(expression, inputs, passes=1):
    values = {name: Value(number) for name, number in inputs.items()}
    out = eval(expression, {}, values)
    for _ in range(passes):
        out.backward()
    return out.data, {name: value.grad for name, value in values.items()}
"""
OPERATORS = """
class Value:
    __array_ufunc__ = None
    def __init__(self, data, gate=None, inputs=(), cache=None):
        self.data, self.gate, self.inputs, self.cache = data, gate, inputs, cache
        self.grad = None
    def __add__(self, other): return apply(add, self, other)
    def __radd__(self, other): return apply(add, other, self)
    def __mul__(self, other): return apply(multiply, self, other)
    def __rmul__(self, other): return apply(multiply, other, self)
    def sum(self): return apply(total, self)
"""
APPLY = """
def apply(gate, *inputs):
    out, cache = gate.forward(*(x.data if isinstance(x, Value) else x for x in inputs))
    return Value(out, gate, inputs, cache)
"""
DEPTH_FIRST = f"""{OPERATORS}
    def backward(self):
        order = []
        def visit(value):
            if isinstance(value, Value) and value not in order:
                for x in value.inputs:
                    visit(x)
                order.append(value)
        visit(self)
        for value in order:
            value.grad = np.zeros(np.shape(value.data))
        self.grad = np.ones(np.shape(self.data))
        for value in reversed(order):
            if value.gate:
                for x, dx in zip(value.inputs, value.gate.backward(value.grad, value.cache)):
                    if isinstance(x, Value):
                        x.grad = x.grad + sum_back(dx, np.shape(x.data))
{APPLY}"""
LIST_OF_ALL = f"""tape = []
{OPERATORS.replace("        self.grad = None", "        self.grad = 0.0; tape.append(self)")}
    def backward(self):
        for value in tape:
            value.grad = np.zeros_like(value.data, dtype=float)
        self.grad = np.ones_like(self.data, dtype=float)
        for value in tape[::-1]:
            if value.gate is not None:
                for x, dx in zip(value.inputs, value.gate.backward(value.grad, value.cache)):
                    if isinstance(x, Value):
                        x.grad = x.grad + sum_back(dx, np.shape(x.data))
{APPLY}"""
USES_COUNTED = f"""{OPERATORS}
    def backward(self):
        uses, waiting = {{self: 0}}, [self]
        while waiting:
            for x in waiting.pop().inputs:
                if isinstance(x, Value):
                    waiting += [x] if x not in uses else []
                    uses[x] = uses.get(x, 0) + 1
        for x in uses:
            x.grad = 0 * np.asarray(x.data, dtype=float)
        self.grad, ready = self.grad + 1.0, [self]
        while ready:
            value = ready.pop()
            for x, dx in zip(value.inputs, value.gate.backward(value.grad, value.cache) if value.gate else ()):
                if isinstance(x, Value):
                    x.grad = x.grad + sum_back(dx, np.shape(x.data))
                    uses[x] -= 1
                    ready += [x] if uses[x] == 0 else []
{APPLY}"""
CLOSURES = f"""{
    OPERATORS.replace("gate=None, inputs=(), cache=None", "inputs=(), send=lambda upstream: None").replace(
        "data, self.gate, self.inputs, self.cache = data, gate, inputs, cache",
        "data, self.inputs, self.send = data, inputs, send",
    )
}
    def backward(self):
        order, seen = [], set()
        def build(value):
            if id(value) not in seen:
                seen.add(id(value))
                for x in value.inputs:
                    build(x)
                order.append(value)
        build(self)
        for value in order:
            value.grad = 0.0
        self.grad = np.float64(1.0)
        for value in order[::-1]:
            value.send(value.grad)

def apply(gate, *inputs):
    out, cache = gate.forward(*[getattr(x, "data", x) if isinstance(x, Value) else x for x in inputs])
    def send(upstream):
        for x, dx in zip(inputs, gate.backward(upstream, cache)):
            if isinstance(x, Value):
                x.grad = x.grad + sum_back(dx, np.shape(x.data))
    return Value(out, [x for x in inputs if isinstance(x, Value)], send)
"""
CONSTANTS_WRAPPED = DEPTH_FIRST.replace(
    APPLY,
    """
def apply(gate, *inputs):
    inputs = [x if isinstance(x, Value) else Value(np.asarray(x)) for x in inputs]
    out, cache = gate.forward(*[x.data for x in inputs])
    return Value(out, gate, inputs, cache)
""",
)
GRADIENTS_IN_A_DICT = f"""{OPERATORS}
    def backward(self):
        order = []
        def visit(value):
            if isinstance(value, Value) and all(value is not other for other in order):
                [visit(x) for x in value.inputs]
                order.append(value)
        visit(self)
        gradients = {{id(self): np.ones(())}}
        for value in order[::-1]:
            value.grad = gradients[id(value)]
            for x, dx in zip(value.inputs, value.gate.backward(value.grad, value.cache) if value.gate else ()):
                if isinstance(x, Value):
                    gradients[id(x)] = gradients.get(id(x), 0.0) + sum_back(dx, np.shape(x.data))
{APPLY}"""
PULLED = f"""{OPERATORS}
    def backward(self):
        uses = {{}}
        def find(value):
            for k, x in enumerate(value.inputs):
                if isinstance(x, Value):
                    if x not in uses:
                        uses[x] = []
                        find(x)
                    uses[x].append((value, k))
        find(self)
        known = {{self: np.ones(())}}
        def pull(x):
            if x not in known:
                known[x] = sum(sum_back(v.gate.backward(pull(v), v.cache)[k], np.shape(x.data)) for v, k in uses[x])
            return known[x]
        for x in uses:
            x.grad = pull(x)
{APPLY}"""
NUMBERED = (
    DEPTH_FIRST.replace("self.grad = None", "self.grad = None; Value.count += 1; self.number = Value.count")
    .replace("    __array_ufunc__ = None", "    __array_ufunc__ = None\n    count = 0")
    .replace(
        """        order = []
        def visit(value):
            if isinstance(value, Value) and value not in order:
                for x in value.inputs:
                    visit(x)
                order.append(value)
        visit(self)
""",
        """        found, waiting = {}, [self]
        while waiting:
            value = waiting.pop()
            if isinstance(value, Value):
                found[value.number] = value
                waiting.extend(value.inputs)
        order = [found[number] for number in sorted(found)]
""",
    )
)
LAMBDAS = DEPTH_FIRST.replace(
    "def __radd__(self, other): return apply(add, other, self)", "__radd__ = __add__"
).replace(
    "def __rmul__(self, other): return apply(multiply, other, self)", "__rmul__ = lambda self, other: self * other"
)
SLICED = DEPTH_FIRST.replace("for value in reversed(order):", "while order:\n            value = order.pop()")
RIGHT = {
    "depth first": DEPTH_FIRST, "a list of all": LIST_OF_ALL, "uses counted": USES_COUNTED, "closures": CLOSURES,
    "constants wrapped": CONSTANTS_WRAPPED, "a dict of gradients": GRADIENTS_IN_A_DICT, "pulled": PULLED,
    "numbered": NUMBERED, "short operators": LAMBDAS, "popped": SLICED,
}  # fmt: skip


@dataclass(frozen=True)
class WrongTape:
    """A tape with a mistake, and the names or descriptions of which a verdict should give one."""

    name: str
    source: str
    said: tuple[str, ...]


WRONG: list[WrongTape] = []


def edited(name: str, *edits: tuple[str, str], source: str = DEPTH_FIRST, said: str = "") -> None:
    """Plant a mistake: replace each line by another."""
    for line, by in edits:
        assert line in source, (name, line)
        source = source.replace(line, by)
    WRONG.append(WrongTape(name, source, tuple(said.split())))


SEARCH = DEPTH_FIRST[DEPTH_FIRST.index("        def visit") : DEPTH_FIRST.index("        for value in order")]
SENDING = DEPTH_FIRST[DEPTH_FIRST.index("        for value in reversed") : DEPTH_FIRST.index(APPLY)]
SUM, MULTIPLY = "sum_back(dx, np.shape(x.data))", "__mul__(self, other): return apply(multiply, self, other)"
IF_VALUE = "if isinstance(x, Value):\n                        x.grad"
UNSET = "not value.gate or value.grad is None"
SQUARE = "__mul__(self, other): return apply(multiply, self, self)"
ADDED, RESET = (
    "x.grad = x.grad + sum_back",
    "        for value in order:\n            value.grad = np.zeros(np.shape(value.data))\n",
)
RADD, RMUL = (line for line in OPERATORS.splitlines(keepends=True) if "__radd__" in line or "__rmul__" in line)

edited("overwritten", (ADDED, "x.grad = sum_back"), said="overwritten-branch")
edited("overwritten in a list", (ADDED, "x.grad = sum_back"), source=LIST_OF_ALL, said="overwritten-branch")
edited("overwritten in closures", (ADDED, "x.grad = sum_back"), source=CLOSURES, said="overwritten-branch")
edited(
    "overwritten in a dict", ("gradients.get(id(x), 0.0) + ", ""), source=GRADIENTS_IN_A_DICT, said="overwritten-branch"
)
edited(
    "inputs after the value",
    ("for x in value.inputs:\n                    visit(x)\n                order.append(value)",
     "order.insert(0, value)\n                for x in value.inputs:\n                    visit(x)"),
    said="wrong-order",
)  # fmt: skip
edited("forwards", ("for value in reversed(order)", "for value in order"), said="one-step-back")
edited("a list forwards", ("tape[::-1]", "tape"), source=LIST_OF_ALL, said="one-step-back")
edited("breadth first", (SEARCH, '''
        queue = [self]
        while queue:
            value = queue.pop(0)
            if isinstance(value, Value) and value not in order:
                order.insert(0, value)
                queue += value.inputs
'''), said="wrong-order")  # fmt: skip
edited("visited twice", (" and value not in order", ""), said="visited-twice")
edited("ready at the first use", ("if uses[x] == 0", "if True"), source=USES_COUNTED, said="visited-twice")
edited("sent again by recursion", (SENDING, '''
        def send(value):
            for x, dx in zip(value.inputs, value.gate.backward(value.grad, value.cache) if value.gate else ()):
                if isinstance(x, Value):
                    x.grad = x.grad + sum_back(dx, np.shape(x.data))
                    send(x)
        send(self)
'''), said="wrong-order")  # fmt: skip
edited("never reset", (RESET, ""), ("self.grad = None", "self.grad = np.zeros(np.shape(data))"), said="not-reset")
edited(
    "only the output reset",
    (RESET, "        self.grad = 0.0\n"),
    ("self.grad = None", "self.grad = 0.0"),
    said="not-reset",
)
edited(
    "only leaves reset", (RESET, RESET.replace("value.grad =", f"if {UNSET}: value.grad =")),
    said="not-reset changes-by-itself",
)  # fmt: skip
edited("starts at 2", ("np.ones(np.shape(self.data))", "2 * np.ones(np.shape(self.data))"), said="wrong-start")
edited("starts at the value", ("np.ones(np.shape(self.data))", "self.data"), said="wrong-start")
edited("no __rmul__", (RMUL, ""), said="left-operand")
edited("no __radd__", (RADD, ""), said="left-operand")
edited("no sum back", ("sum_back(dx, np.shape(x.data))", "dx"), said="bias-not-summed")
edited(
    "summed to a number",
    ("sum_back(dx, np.shape(x.data))", "sum_back(dx, ())"),
    said="measured-slope",
)
edited("mean in place of sum", (SUM, f"{SUM} * np.size(x.data) / np.size(dx)"),
       said="measured-slope")  # fmt: skip
edited(
    "upstream left out",
    ("value.gate.backward(value.grad", "value.gate.backward(np.ones_like(value.grad)"),
    said="upstream-not-passed",
)
edited("multiply with itself", (MULTIPLY, SQUARE),
       said="wrong-value")  # fmt: skip
edited(
    "value of the gate left out",
    ("return Value(out, gate, inputs, cache)", "return Value(out)"),
    said="missing-gradient",
)
edited("first input alone", (IF_VALUE, IF_VALUE.replace("if ", "if x is value.inputs[0] and ")),
       said="measured-slope")  # fmt: skip
edited(
    "gradients swapped",
    ("zip(value.inputs, value", "zip(value.inputs[::-1], value"),
    said="other-inputs",
)
edited("never sent", ("if value.gate:", "if value.gate and value is self:"), said="one-step-back")

GRADIENT, KEPT, ONLY_VALUES = (
    "x.grad = x.grad + sum_back(dx, np.shape(x.data))",
    "return Value(out, gate, inputs, cache)",
    "[x for x in inputs if isinstance(x, Value)]",
)
edited(
    "shared array",
    ("value.grad = np.zeros(np.shape(value.data))", "value.grad = None"),
    (GRADIENT, "x.grad = dx if x.grad is None else x.grad.__iadd__(dx)"),
    ("dx in zip(value.inputs, value.gate", "dx in zip(value.inputs, map(np.asarray, value.gate"),
    ("value.cache)):", "value.cache))):"),
    said="shared-gradient",
)
edited("upstream of the output", ("value.gate.backward(value.grad", "value.gate.backward(self.grad"),
       said="upstream-not-passed")  # fmt: skip
edited("constants dropped", (KEPT, f"return Value(out, gate, {ONLY_VALUES}, cache)"), said="other-inputs")
edited(
    "a gate's inputs as a set",
    ("for x, dx in zip(value.inputs, value.gate.backward(value.grad, value.cache)):",
     "for x, dx in dict(zip(value.inputs, value.gate.backward(value.grad, value.cache))).items():"),
    said="overwritten-branch",
)  # fmt: skip
BROKEN = {
    "a gradient is None still": (RESET, ""),
    "the cache is None: apply": (KEPT, "return Value(out, gate, inputs)"),
    "stands in the place of another argument": (KEPT, "return Value(out, inputs, gate, cache)"),
    "the result is a numpy.float64, not a Value": ("return apply(add, self, other)", "return self.data + 3"),
    "a plain int has no `.data`": ("x.data if isinstance(x, Value) else x for", "x.data for"),
    "`apply` is no method of Value": (MULTIPLY, MULTIPLY.replace("apply", "self.apply")),
    "a part of the expression is a tuple": (KEPT, "return Value(out, gate, inputs), cache"),
    "this line calls its own method again": (RMUL, "    def __rmul__(self, other): return other * self\n"),
    "forward was given values": ("*(x.data if isinstance(x, Value) else x for x in inputs)", "*inputs"),
    "on the class Multiply itself": (MULTIPLY, MULTIPLY.replace("multiply", "Multiply")),
    "a Value has no `.shap`": ("np.shape(x.data)", "x.shap"),
}
"""Edits of a tape that make it raise, by what is said of it."""


def load(source: str) -> Callable[..., Any]:
    """Return the function run_on_tape of a source."""
    names: dict[str, Any] = {"np": np}
    whole = GATES + source + RUN
    file = f"<tape {hash(whole)}>"
    linecache.cache[file] = (len(whole), None, whole.splitlines(keepends=True), file)
    exec(compile(whole, file, "exec"), names)
    run: Callable[..., Any] = names["run_on_tape"]
    return run
