"""Why an equivalent mutant is equivalent, found by watching the changed expression while the original runs."""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mutation.judge import ROUNDING, Draw, Subject, build, distance, flat, quiet
from mutation.mutate import Mutant, watches


@dataclass
class Watch:
    """Both sides of the change, each time the original comes by."""

    seen: list[tuple[Any, Any]] = field(default_factory=list)
    raised: int = 0

    def __call__(self, old: Any, new: Any) -> Any:
        before = old()
        kept = _copied(before)
        try:
            self.seen.append((kept, _copied(new())))
        except Exception:
            self.raised += 1
        return before

    def same(self) -> bool:
        return not self.raised and all(_equal(new, old) for old, new in self.seen)


def _equal(new: Any, old: Any) -> bool:
    return new is old or distance(flat(new), flat(old)) <= ROUNDING


def _copied(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def explain(subject: Subject, mutant: Mutant) -> str:
    """Return what watching shows; else what is written in `KNOWN`; else that it is not explained."""
    levels = watches(subject.target, mutant)
    return _seen(subject, mutant, levels) or _known(subject, mutant, levels) or UNEXPLAINED


def _seen(subject: Subject, mutant: Mutant, levels: list[tuple[str, str]]) -> str:
    if not levels:
        guards = "check_", "raise ", "Error("
        return GUARD if any(part in mutant.before for part in guards) else ""
    for depth, (text, source) in enumerate(levels):
        watch = watched(subject, source)
        if not watch.seen and not watch.raised:
            return UNREACHED
        if watch.same():
            return _same(mutant, watch, text) if depth == 0 else _gone(text)
    return ""


def _known(subject: Subject, mutant: Mutant, levels: list[tuple[str, str]]) -> str:
    texts = [mutant.before, *(text for text, _ in levels)]
    reasons = (KNOWN[name, part] for name, part in KNOWN if name == subject.name and any(part in t for t in texts))
    return next(reasons, "")


UNEXPLAINED = "not explained: another way to the same result (compared on all random inputs)"
UNREACHED = "never evaluated: only inputs lead there that do not fit, or have to be converted to floats"
GUARD = "a guard: it only refuses inputs that do not fit, or words the refusal"
NAMESPACE = "`namespace` looks at the type only"
AXIS = "the same axis, entry or size, written in another way"
SHIFT = "softmax stays the same when a row of logits is shifted, or all exponentials change sign"
SPECIAL = "a special case, which the general way below it gets right too"
KEYS = "the dicts have the same keys"


def _same(mutant: Mutant, watch: Watch, text: str) -> str:
    values = [np.asarray(old) for old, _ in watch.seen]
    if text.startswith("namespace("):
        return NAMESPACE
    if text.startswith("check_"):
        return GUARD
    if mutant.kind == "transpose added":
        symmetric = any(value.ndim > 1 for value in values)
        return "the matrix is symmetric" if symmetric else "a number or a vector is its own transpose"
    if mutant.kind == "minus added" and all(value.dtype.kind in "if" and not value.any() for value in values):
        return "it is 0 here, and so is its negative"
    return SAME.get(mutant.kind, "")


SAME = {
    "name": "two names of one value",
    "comparison": "the comparisons differ only at a tie or a kink, where either answer is right, or for values, "
    "sizes or types that do not occur",
    "constant": AXIS,
    "axis": AXIS,
    "arguments swapped": "the order of these arguments does not matter",
}


def _gone(text: str) -> str:
    """Why an expression around the change, `text`, has the same value with it and without; "" if no rule tells."""
    node = ast.parse(text, mode="eval").body
    called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    if isinstance(node, ast.Compare | ast.BoolOp) or text.startswith(("not ", "all(")):
        return "the condition that it is part of comes out the same"
    if called == "namespace":
        return NAMESPACE
    if called.endswith((".reshape", "_split")):
        return "reshape finds out the one size that is negative"
    if called == "unbroadcast":
        return "`unbroadcast` looks at the shape of its second argument only"
    if called in SHAPES or isinstance(node, ast.Attribute) or (isinstance(node, ast.Subscript) and ".shape[" in text):
        return "only its shape, size or type is used"
    if called in ("np.sum", "np.mean"):
        return "a sum over all entries does not depend on their order"
    if called in ("np.abs", "np.square") or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)):
        return "the sign does not matter: it is squared, or its magnitude taken"
    return ""


SHAPES = (
    "len",
    "type",
    "np.shape",
    "isinstance",
    "np.zeros_like",
    "xp.zeros_like",
    "check_upstream",
    "broadcast_shape",
)
KNOWN = {
    # what watching does not tell: (subject, part of the changed expression or of one around it) → reason
    ("MatMul", "x.ndim == 2 == w.ndim"): SPECIAL,
    ("MatMul", "return (upstream @ w.T, x.T @ upstream)"): SPECIAL,
    ("unbroadcast", "return gradient"): SPECIAL,
    ("broadcast_shape", "return shapes[0]"): SPECIAL,
    ("broadcast_shape", "shape == shapes[0]"): SPECIAL,
    ("broadcast_shape", "given = "): UNREACHED,
    ("unbroadcast", "shape == full"): SPECIAL,
    ("unbroadcast", "size == 1 != full[added + axis]"): "a sum along an axis of size 1 leaves the values as they are",
    ("check_upstream", "upstream.dtype.kind != 'f'"): "the upstream is of floats already: nothing to convert",
    ("check_upstream", "as_floats("): "the upstream is of floats already: nothing to convert",
    ("check_upstream", "np.shape(upstream) != shape"): GUARD,
    ("Copy", "len(upstream) != self.branches"): GUARD,
    ("ConvChannels", "np.zeros(w.shape)"): "every entry of dw is assigned later",
    ("Power", "upstream * 0.0"): "times 0 it is 0",
    ("Sum", "upstream + xp.zeros_like(x)"): "the zeros only broadcast the upstream",
    ("Sum", "np.delete(shape, self.axis)"): "a shape of NumPy's integers equals one of Python's",
    ("softmax_loss", "np.max(logits"): SHIFT,
    ("softmax_loss", "p.copy()"): "p is not read afterwards",
    ("two_layers", "scores.max("): SHIFT,
    ("two_layers", "h <= 0"): "h is a ReLU's output, never negative",
    ("neuron", "np.array([x[0] * ddot"): "a list is taken for an array",
    ("sigmoid_jacobian", "np.exp(-x)"): "s(1 - s) is the same for x and -x",
    ("graph_backward", "list(needs)"): KEYS,
    ("graph_backward", "for node in needs}"): KEYS,
    ("graph_backward", "all((x in order for x in needs[node]))"): "-True is as true as True",
    ("update_all", "weights"): KEYS,
}


def watched(subject: Subject, source: str) -> Watch:
    watch = Watch()
    function = build(subject, source, __watch__=watch)
    with quiet():
        for draw in (Draw(0, checked=True), *(Draw(seed) for seed in range(1, 5))):
            for case in subject.cases(draw):
                subject.run(function, case)
    return watch
