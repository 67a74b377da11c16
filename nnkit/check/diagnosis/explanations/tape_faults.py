"""Exceptions of a learner's own tape, in words. Its gates are given and right: what fails is the class around them."""

from __future__ import annotations

from nnkit.check.diagnosis.explanations.fault_kind import OWN_CLASS, FaultCase, FaultKind
from nnkit.language import to_say

PLAIN = r"int|float|numpy\.\w+|list"
ARGUMENTS = to_say("Value(out, gate, inputs, cache): these four, in the order of __init__.")
BROKEN_TAPE = FaultKind(
    "broken-tape",
    "the tape raised an error",
    "A value has its data, the gate that made it, the gate's inputs and the cache; plain numbers have none of these.",
    "Print type(x) for each name in this line. Which is a Value, and which a plain number?",
    to_say(
        "Only `apply` makes values from others: Value(out, gate, inputs, cache): these four, in the order of __init__."
    ),
    "lecture 01, From a formula to a graph",
    cases=(
        FaultCase(
            r"NoneType|None as shape",
            "the cache is None: apply has to keep the one that forward returned",
            r"=\s*cache\b|\bcache\[|\(cache\)",
            why="Forward returns its output and its cache; both belong to the new value.",
            hint=ARGUMENTS,
        ),
        FaultCase(
            r"operand type\(s\) for \+=?: 'NoneType'",
            "a gradient is None still: start each at zeros",
            r"\bgrad",
            why="`+=` and `+` need something to add to, and grad is None until it is set.",
            nudge="What is x.grad when the first gradient arrives?",
            hint="Before the loop: value.grad = np.zeros(np.shape(value.data)), for each value of your list.",
        ),
        FaultCase(
            r"operand type\(s\) for \*: 'NoneType'",
            "the upstream gradient is None: this value was asked before it had a gradient",
            r"\bupstream\s*\*",
            why="A gate multiplies by the gradient of its own output, so that must be known first.",
            nudge="In which order does your loop go through the values, and what is grad at the output?",
            hint="Start with self.grad = np.ones(np.shape(self.data)), and go through the list in reverse.",
        ),
        FaultCase(
            rf"'(?P<kind>{OWN_CLASS}|tuple|list|NoneType)' object (?:is not iterable|has no attribute '\w+')",
            "{kind} stands in the place of another argument of Value: mind their order",
            r"\.inputs\b|\.gate\.",
            hint=ARGUMENTS,
        ),
        FaultCase(
            r"'(?P<kind>[\w.]+)' object has no attribute '(?:backward|grad)'",
            "the result is a {kind}, not a Value",
            r"^$|\.backward\(\)",
            why="Each operator has to return a Value, or the tape breaks off there.",
            hint="Return apply(add, self, other), and in apply Value(out, gate, inputs, cache) alone.",
        ),
        FaultCase(
            rf"'(?P<kind>{PLAIN})' object has no attribute '(?P<name>data|grad|inputs|gate|cache)'",
            "a plain {kind} has no `.{name}`, only a Value has",
            hint="Ask isinstance(x, Value) first. In __add__ and __mul__ leave it to apply: apply(add, self, other).",
        ),
        FaultCase(
            r"memoryview",
            "`.data` of a plain number or array is a buffer, not its numbers",
            hint="Ask isinstance(x, Value) first: x.data if isinstance(x, Value) else x.",
        ),
        FaultCase(
            rf"'(?P<kind>{OWN_CLASS})' object has no attribute '(?P<name>\w+)'",
            "`{name}` is no method of {kind}: if it is a function outside the class, leave out `self.`",
            r"\bself\.{name}\(",
            hint="apply stands outside the class: apply(add, self, other).",
        ),
        FaultCase(
            rf"'(?P<kind>{OWN_CLASS})' object has no attribute '(?P<name>\w+)'",
            "a {kind} has no `.{name}`: is it misspelled, or not set in __init__?",
        ),
        FaultCase(
            r"concatenate tuple|multiply sequence|inhomogeneous|for \S+: .*'tuple'",
            "a part of the expression is a tuple: apply returns one Value",
            r"^$|\beval\(|\bforward\(|\breturn x [+*] y|\bnp\.sum\(x\)",
            hint="return Value(out, gate, inputs, cache): the cache goes into the value, not beside it.",
        ),
        FaultCase(
            r"RecursionError",
            "this line calls its own method again",
            r"\bother\s*[*+]\s*self\b",
            why="`other * self` asks the number first, which does not know your class, and so comes back to __rmul__.",
            nudge="Which method does Python call for `other * self`, if other is a number?",
            hint="Products do not depend on the order: `return self * other`, or apply(multiply, other, self).",
        ),
        FaultCase(
            r"RecursionError",
            "forward was given values, and so calls the operators, which call forward again",
            r"\breturn x [*+] y|\bapply\(|\.forward\(",
            why="Gates compute with numbers and arrays.",
            nudge="What does apply hand to gate.forward: values, or their data?",
            hint="gate.forward(*(x.data if isinstance(x, Value) else x for x in inputs))",
        ),
        FaultCase(
            r"(?P<kind>\w+)\.(?P<method>forward|backward)\(\) missing \d+ required positional",
            "an argument of {method} is missing: is it called on the class {kind} itself, not on a gate?",
            hint="A gate is an object, `add = AddGate()`. And its forward takes all the inputs: *inputs.",
        ),
    ),
)
