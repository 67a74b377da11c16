"""Exceptions of NumPy and JAX in a learner's code: shapes that do not fit, truth values of arrays, tracers."""

from __future__ import annotations

from nnkit.check.diagnosis.explanations.fault_kind import OWN_CLASS, FaultCase, FaultKind
from nnkit.language import to_say

NESTED = r"(?:[^(),]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))+"
"""A regular expression for one argument of a call, with brackets in it."""
ONE_ARGUMENT = rf"(?<![.\w])(?P<call>max|min|all|any)\({NESTED}\)"
OF_ALL_ENTRIES = {
    "why": to_say("Comparing arrays gives True or False for each entry; Python wants one answer about all of them."),
    "nudge": to_say("Should the line ask whether any entry is so, or whether all are?"),
    "hint": to_say("Use `(...).any()` if one entry is enough, `(...).all()` if each counts; np.max is one number."),
}
"""Words for lines that want one answer about all entries of an array."""

TRACERS = (
    FaultKind(
        "numpy-under-tracer",
        "NumPy was called on a tracer",
        "jit runs your function once, without numbers; a tracer stands for them, and NumPy can do nothing with it.",
        "Which function in this line comes from NumPy or math, and not from jax.numpy?",
        "Write `jnp.` for `np.` and for `math.` in all that is compiled.",
        "lecture 05, What cannot be compiled",
        cases=(
            FaultCase(r"TracerArrayConversionError", "use jnp.{call} in place of np.{call}", r"\bnp\.(?P<call>\w+)"),
            FaultCase(r"TracerArrayConversionError", "use jnp in place of NumPy"),
            FaultCase(r"ConcretizationTypeError", "use jnp.{call} in place of math.{call}", r"\bmath\.(?P<call>\w+)"),
        ),
    ),
    FaultKind(
        "if-under-tracer",
        "Python was asked to decide about a tracer",
        "jit runs your function once, without numbers, so `if`, `and` and `max` have nothing to look at.",
        "Which part of this line depends on the numbers in the array?",
        "Compute both branches and choose entry by entry: `jnp.where(x > 0, a, b)`; for max, `jnp.maximum(a, b)`.",
        "lecture 05, What cannot be compiled",
        cases=(
            FaultCase(
                r"TracerBoolConversionError", "use jnp.{call}imum in place of {call}", r"(?<![.\w])(?P<call>max|min)\("
            ),
            FaultCase(r"TracerBoolConversionError", "use jnp.where in place of `if`", r"\b(?:if|while)\b"),
            FaultCase(r"TracerBoolConversionError", "use & and | in place of `and` and `or`", r"\b(?:and|or|not)\b"),
            FaultCase(r"TracerBoolConversionError", "use jnp.where: a tracer is neither true nor false"),
            FaultCase(r"NonConcreteBooleanIndexError", "use jnp.where: a mask cannot be an index under jit"),
        ),
    ),
    FaultKind(
        "number-of-tracer",
        "a tracer was asked for its number",
        "jit runs your function once, without numbers: sizes and loop bounds must be known before.",
        "Which call in this line needs a number: float, int, range, a shape?",
        "Leave out float(), int() and .item(); take sizes from `x.shape`, or mark the argument in static_argnums.",
        "lecture 05, What jit does: it runs your function once, without numbers",
        cases=(
            FaultCase(
                r"ConcretizationTypeError|TracerIntegerConversionError",
                "leave out {call}()",
                r"(?P<call>float|int|item)\(",
            ),
            FaultCase(
                r"ConcretizationTypeError|TracerIntegerConversionError|concrete values",
                "under jit this number is not known yet",
            ),
            FaultCase(r"UnexpectedTracerError", "a value of an earlier jit run was kept: return it instead"),
        ),
    ),
    FaultKind(
        "custom-vjp-rule",
        "the rules of custom_vjp do not fit together",
        "JAX calls forward(*inputs), which returns (out, cache), and then backward(cache, upstream), cache first.",
        "What does JAX pass to your backward rule, and in which order?",
        "Write `def backward(cache, upstream): return (dx,)` and hand both over: `f.defvjp(forward, backward)`.",
        "lecture 05, Teach JAX your backward: custom_vjp",
        cases=(
            FaultCase(r"No VJP defined", "`defvjp` was not called, so JAX does not know your backward"),
            FaultCase(r"bwd rule must produce.*container", "the backward rule must return a tuple: `return (dx,)`"),
            FaultCase(
                r"bwd rule must.*output of type \w+(?P<got>\[[\d,]*\]).*input of type \w+(?P<wanted>\[[\d,]*\])",
                "the rule gives {got} for an input of {wanted}; are its arguments (cache, upstream)?",
            ),
            FaultCase(r"bwd rule must produce", "the backward rule gives another shape than its input has"),
            FaultCase(r"fwd rule .* must produce a pair", "the forward rule must return the pair (out, cache)"),
        ),
    ),
)
SHAPES = (
    FaultKind(
        "product-shapes",
        "the factors of a matrix product do not fit",
        "In A @ B each row of A meets a column of B, so A needs as many columns as B has rows.",
        "Write the shape below each factor. Do the two inner sizes agree?",
        "The gradient has its input's shape: only one order of the factors, and one choice of .T, gives it.",
        "lecture 03, The shape rule",
        cases=(
            FaultCase(
                r"matmul: .*\(size (?P<rows>\d+) is different from (?P<columns>\d+)\)",
                "the left factor has {columns} columns, the right one {rows} rows",
            ),
            FaultCase(r"shapes (?P<a>\([\d, ]*\)) and (?P<b>\([\d, ]*\)) not aligned", "{a} @ {b} does not fit"),
            FaultCase(
                r"dot_general requires.*got \((?P<a>\d+),?\) and \((?P<b>\d+),?\)", "the inner sizes are {a} and {b}"
            ),
            FaultCase(
                rf"matmul: .*does not have enough dimensions|for @:(?!.*'{OWN_CLASS}')",
                "@ is for arrays; for single numbers use *",
                r"@|^$",
            ),
            FaultCase(
                r"matmul: .*does not have enough dimensions", "a single number stands where a product needs an array"
            ),
        ),
    ),
    FaultKind(
        "broadcast-shapes",
        "two shapes do not fit each other entry by entry",
        "Shapes are compared from their last axis: each pair of sizes must be equal, or one of them 1.",
        "Write the two shapes below each other, aligned on the right. Which axis of the smaller one is missing?",
        "Give it that axis with size 1: `keepdims=True` in the sum or mean, or `a[:, None]`.",
        "lecture 03, Broadcasting and the bias",
        cases=(
            FaultCase(
                r"broadcast together with shapes (?P<a>\([\d,]*\)) (?P<b>\([\d,]*\))", "{a} and {b} do not broadcast"
            ),
            FaultCase(
                r"Incompatible shapes for broadcasting: shapes=\[(?P<a>\(.*?\)), (?P<b>\(.*?\))\]",
                "{a} and {b} do not broadcast",
            ),
            FaultCase(
                r"input array from shape (?P<a>\([\d,]*\)) into shape (?P<b>\([\d,]*\))", "{a} does not fit into {b}"
            ),
            FaultCase(
                r"operand with shape (?P<a>\([\d,]*\)) doesn't match the broadcast shape (?P<b>\([\d,]*\))",
                "{b} does not fit into {a}",
            ),
            FaultCase(r"setting an array element with a sequence\.$", "a whole array does not fit into one entry"),
            FaultCase(
                r"inhomogeneous shape",
                "a tuple or list whose parts have different shapes stands where an array is wanted",
                why="NumPy makes one array of a tuple or a list only if all its parts have the same shape.",
                nudge="Which name in this line is a tuple or a list? Print its type and its length.",
                hint="Take the part that you need: `out, cache = forward(...)` or `forward(...)[0]`, and of several "
                "gradients one after the other.",
                lesson="lecture 01, Upstream × local",
            ),
        ),
    ),
    FaultKind(
        "other-axes",
        "the array has other axes than the line asks for",
        "Axes are counted from 0, and a reshape keeps the number of entries.",
        "Print the shape just above this line. Which axes are there?",
        "Take the sizes from the array itself: `N, D = x.shape`; the last axis is axis=-1.",
        "lecture 03, Batches",
        cases=(
            FaultCase(
                r"axis (?P<axis>-?\d+) is out of bounds for array of dimension (?P<n>\d+)",
                "there is no axis {axis} in an array with {n} of them",
            ),
            FaultCase(
                r"cannot reshape array of size (?P<n>\d+) into shape (?P<shape>\(.*?\))",
                "{n} numbers do not fill the shape {shape}",
            ),
            FaultCase(
                r"all the input array|all input arrays must|zero-dimensional arrays cannot",
                "these arrays do not fit side by side",
            ),
        ),
    ),
    FaultKind(
        "truth-of-array",
        "an array was asked for one truth value",
        "Comparing arrays gives True or False for each entry; Python's `if`, `and` and `max` want a single one.",
        "Which entries of the array does the line decide about: one, or each by itself?",
        "Decide entry by entry: np.where(x > 0, a, b), np.maximum(x, y), & for `and`, | for `or`.",
        "lecture 02, A switch for each entry",
        cases=(
            FaultCase(r"truth value of an array", "use np.{call} in place of {call}", ONE_ARGUMENT, **OF_ALL_ENTRIES),
            FaultCase(
                r"truth value of an array",
                "take np.{call} of each array first",
                r"(?<![.\w])(?P<call>max|min)\(.*\bfor\b",
                **OF_ALL_ENTRIES,
            ),
            FaultCase(
                r"truth value of an array", "use np.{call}imum in place of {call}", r"(?<![.\w])(?P<call>max|min)\("
            ),
            FaultCase(
                r"truth value of an array",
                "join the entries by .any() or .all()",
                r"\b(?:if|elif|while|assert|not)\b.*(?:\babs\(|\btol|\beps|isclose|isnan|isfinite|isinf)",
                **OF_ALL_ENTRIES,
            ),
            FaultCase(r"truth value of an array", "use np.where in place of `if`", r"\b(?:if|elif|while)\b"),
            FaultCase(r"truth value of an array", "use & and | in place of `and` and `or`", r"\b(?:and|or|not)\b"),
            FaultCase(r"truth value of an array", "use np.where, or & and |, entry by entry"),
        ),
    ),
    FaultKind(
        "number-of-array",
        "an array was passed where one number is wanted",
        "Python's own functions, float() and those of math, take one number; NumPy's take arrays, entry by entry.",
        "Which call in this line is Python's, and not NumPy's?",
        "Use np.exp, np.log, np.sqrt ...; leave out float() and int().",
        "lecture 02, A switch for each entry",
        cases=(
            FaultCase(
                r"converted to Python scalars", "use np.{call} in place of math.{call}", r"\bmath\.(?P<call>\w+)"
            ),
            FaultCase(r"converted to Python scalars", "leave out {call}()", r"\b(?P<call>float|int)\("),
            FaultCase(r"converted to Python scalars", "an array stands where one number is wanted"),
        ),
    ),
    FaultKind(
        "whole-numbers",
        "an array of whole numbers cannot take fractions",
        "An array keeps the type that it was made with; zeros_like of integers makes integers.",
        "Which type has the array on the left of the line?",
        "Make it with np.zeros(shape), or convert it with `.astype(float)`.",
        "lecture 05, Seven digits or sixteen",
        cases=(
            FaultCase(
                r"Cannot cast ufunc .* output from dtype\('float", "the array on the left holds whole numbers only"
            ),
            FaultCase(r"Integers to negative integer powers", "whole numbers have no negative powers: write 2.0 for 2"),
        ),
    ),
)
FAULTS = (*TRACERS, *SHAPES)
