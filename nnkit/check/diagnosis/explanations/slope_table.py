"""The slopes of the elementary gates, and the wrong ones that people use in their place, as formulas.

x (and y) stand for what goes into the gate, out for what comes out of it. A formula with `upstream` in it is the whole
gradient; one without is the slope by which the upstream gradient was multiplied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from nnkit import gates as G
from nnkit.check.diagnosis.explanations.formulas import bracket
from nnkit.check.evidence.traced_gates import Elementwise, Min
from nnkit.language import say, to_say

CHAIN = to_say("lecture 01, The chain rule, one gate at a time")
NEURON = to_say("lecture 01, A sigmoid neuron, gate by gate")
STAGED = to_say("lecture 01, Staged computation: no formula is too long")
PATTERNS = to_say("lecture 01, Four patterns to read gradients off a picture")
RELATIVES = to_say("lecture 02, ReLU's relatives")


@dataclass(frozen=True)
class Slopes:
    """One elementary gate: its formula, its slope in each input, the usual wrong slopes, and a word on each."""

    formula: str
    right: tuple[str, ...]
    wrong: tuple[tuple[str, ...], ...]
    """For each input."""
    why: str
    nudge: str
    lesson: str = CHAIN
    code: str = ""
    """The line of backward, where it is not simply upstream times the slope."""

    @property
    def hint(self) -> str:
        """The sentence that is nearly the answer."""
        return say(
            "The gradient of {formula} is {code}.",
            formula=self.formula,
            code=say(self.code) or f"upstream * {bracket(self.right[0])}",
        )


def _slopes(formula: str, right: str, wrong: str, why: str, nudge: str, lesson: str = CHAIN, code: str = "") -> Slopes:
    """Return the slopes of a gate with one input; the wrong ones are separated by semicolons."""
    return Slopes(formula, (right,), (_split(wrong),), why, nudge, lesson, code)


def _split(formulas: str) -> tuple[str, ...]:
    return tuple(formula.strip() for formula in formulas.split(";"))


_EXP = _slopes(
    "exp(x)", "exp(x)",
    "exp(out); x * exp(x - 1); x * exp(x); exp(x - 1); exp(x + 1); exp(-x); 1 / x; 1 / exp(x); log(x); exp(x) - 1; "
    "exp(2 * x); exp(x)**2; x**2; x; exp(upstream * x); upstream * exp(upstream * x); exp(upstream + x); "
    "exp(upstream); exp(upstream * exp(x)); exp(x)**upstream; exp(x) * exp(upstream)",
    to_say("exp is its own derivative: the slope of exp(x) is exp(x), whatever x is."),
    to_say("How steep is exp(x) where its value is 5?"), NEURON, "upstream * np.exp(x)",
)  # fmt: skip
_LOG = _slopes(
    "log(x)", "1 / x",
    "1 / out; x; out; 1 / x**2; -1 / x**2; -1 / x; exp(x); out / x; 1 / exp(x); x * log(x) - x; 1 / (1 + x); "
    "1 / (x * log(10)); 1 / (2 * x); log(x) / x; 1 / log(x); 1 / (upstream * x); log(upstream * x); x / upstream; "
    "log(upstream); upstream - x; 1 / x**2 * upstream",
    to_say("log(x) gets flatter as x grows: its slope is 1 / x."),
    to_say("How steep is log(x) at x = 1, and how steep at x = 10?"), CHAIN, "upstream / x",
)  # fmt: skip
_TANH = _slopes(
    "tanh(x)", "1 - out**2",
    "1 + out**2; 1 - out; out * (1 - out); (1 - out)**2; 1 - 2 * out; 1 / cosh(x); out**2 - 1; out**2; -2 * out; "
    "out; 1 - out**3; 1 / (1 + out**2); 1 / (1 + x**2); 1 + out; 1 - x; 1 - abs(out); cosh(x)**2; cosh(x); "
    "1 / cosh(x)**4; 1 - x * out; 1 - x**2; sqrt(1 + out**2); 1 - sigmoid(x)**2; sigmoid(x) * (1 - sigmoid(x)); "
    "4 * out * (1 - out); upstream - out**2; 1 - upstream * out**2; 1 - (upstream * out)**2; 1 - upstream**2; "
    "upstream * out - out**2; 1 - tanh(upstream * x)**2; upstream * (1 - upstream**2)",
    to_say("tanh is steepest at 0, with slope 1, and flat where its output is near 1 or −1."),
    to_say("What is the slope of tanh at x = 0, where its output is 0? And where the output is nearly 1?"),
    to_say("lecture 02, Tanh"), "upstream * (1 - out**2)",
)  # fmt: skip
_SIGMOID = _slopes(
    "sigmoid(x)", "out * (1 - out)",
    "1 - out**2; 1 - out; out; out**2; out * (1 + out); (1 - out)**2; out**2 * (1 - out); 1 - 2 * out; "
    "out * (1 - out)**2; out * (1 - 2 * out); out * (1 - out**2); exp(-x); x * (1 - out); out * (1 - x); "
    "exp(x) / (1 + exp(-x))**2; exp(-x) / (1 - exp(-x))**2; 1 / (1 + exp(-x))**2; exp(x); x * out * (1 - out); "
    "out / (1 - out); exp(-out) / (1 + exp(-out))**2; 1 - tanh(x)**2; x * (1 - x); sqrt(out * (1 - out)); "
    "upstream * out - out**2; upstream * out - out; upstream - out; out * (upstream - out); out * (1 - upstream); "
    "upstream * (1 - upstream); upstream * out * (1 - upstream * out); (upstream - out) * (1 - out); "
    "(out - upstream) * out * (1 - out); upstream - out * (1 - out)",
    to_say("The sigmoid is steepest in the middle, where its output is 0.5 and its slope 0.25, and flat at both ends."),
    to_say("What is the slope of the sigmoid where its output is 0.5? And where the output is nearly 1?"),
    to_say("lecture 02, The sigmoid gate"), "upstream * out * (1 - out)",
)  # fmt: skip
_RECIPROCAL = _slopes(
    "1 / x", "-1 / x**2",
    "-1 / x; 1 / x; 1 / x**2; -1 / out**2; 1 / out**2; log(x); log(abs(x)); -1 / x**3; -2 / x**3; -1 / sqrt(x); -x; "
    "x; -1 / (2 * x); -1 / (2 * x**2); 1 / (2 * x); -1; 1; -log(x); -2 * x; -2 / x; -1 / (1 + x)**2; "
    "-1 / (upstream * x**2); -1 / (upstream * x)**2; 1 / (upstream * x); -1 / x**2 + upstream; -x**upstream; "
    "-1 / (upstream**2); -upstream**2 / x**2; upstream - 1 / x**2",
    to_say("1 / x falls as x grows, steeply near 0 and hardly at all far out: its slope is −1 / x²."),
    to_say("Write 1 / x as a power of x. What does the power rule give?"), NEURON, "-upstream / x**2",
)  # fmt: skip
_ABS = _slopes(
    "abs(x)", "sign(x)", "1; x; abs(x); -sign(x); x**2; -1; x / 2; x * (x > 0); (x > 0) * 1.0; 1 / x",
    to_say("abs(x) falls with slope −1 where x is negative, and rises with slope 1 where it is positive."),
    to_say("Draw abs(x). How steep is it at −2, and at 5?"), CHAIN, "upstream * np.sign(x)",
)  # fmt: skip
_SOFTPLUS = _slopes(
    "softplus(x)", "sigmoid(x)",
    "1 / (1 + exp(x)); exp(x); sigmoid(x) * (1 - sigmoid(x)); out; (x > 0) * 1.0; tanh(x); 1 / exp(x); exp(-x); "
    "exp(x) / (1 + exp(-x)); exp(x) * (1 + exp(x)); 1 / (1 + x); 1 / out; log(exp(x)); x / (1 + exp(x)); "
    "1 / (1 + exp(x))**2; x * exp(x) / (1 + exp(x)); sigmoid(x)**2; exp(out); 1 + exp(x); exp(x) / (1 + exp(x))**2; "
    "-exp(x) / (1 + exp(x)); sigmoid(upstream * x); upstream - sigmoid(x)",
    to_say("The slope of softplus is the sigmoid: near 0 far to the left, near 1 far to the right."),
    to_say("Far to the right softplus(x) is nearly x, far to the left nearly 0. What is its slope there?"), RELATIVES,
    "upstream / (1 + np.exp(-x))",
)  # fmt: skip
_SILU = _slopes(
    "silu(x)", "sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x))",
    "sigmoid(x); sigmoid(x) * (1 - sigmoid(x)); x * sigmoid(x) * (1 - sigmoid(x)); out * (1 - out); "
    "sigmoid(x) + out; sigmoid(x) * (1 + x); sigmoid(x) + x; out; sigmoid(x) + out * (1 - out); "
    "sigmoid(x) * x * (1 - x); sigmoid(x) + x * (1 - sigmoid(x)); sigmoid(x) * (1 - x * (1 - sigmoid(x)))",
    to_say("x · sigmoid(x) is a product: each factor moves when x does."),
    to_say("x comes in twice. What are its two ways to the output?"), STAGED,
    to_say("upstream * (s + x * s * (1 - s)) with s = sigmoid(x)"),
)  # fmt: skip
_RELU = _slopes(
    "max(0, x)", "(x > 0)",
    "out; x; sign(x); where(x > 0, 1, 0.01); abs(x); -1 * (x > 0); (x > 1) * 1.0; 1 / x; out**2 / 2; "
    "where(x > 0, x, 1); where(x > 0, 1, x); where(x > 0, upstream, 1); where(x > 0, upstream, x); "
    "where(x > 0, upstream, -upstream); where(x > upstream, upstream, 0); where(x > 0, x, upstream); "
    "abs(upstream) * (x > 0); upstream * (x > 0) * (upstream > 0); upstream * (upstream * x > 0); "
    "where(upstream > x, upstream, 0)",
    to_say("Where x is positive, max(0, x) is x itself and its slope is 1; elsewhere the slope is 0."),
    to_say("If x is 3 and grows by 0.01, by how much does max(0, x) grow?"),
    to_say("lecture 02, ReLU"), "upstream * (x > 0)",
)  # fmt: skip
_LEAKY = _slopes(
    "leaky_relu(x)", "where(x > 0, 1, alpha)",
    "alpha; (x > 0) * 1.0; where(x > 0, 1, alpha * x); where(x > 0, x, alpha); out; where(x > 0, 1, 0.01); x; "
    "where(x > 0, 1, -alpha); where(x > 0, 1, 1 / alpha); (x > 0) + alpha; where(x > 0, alpha, 0); 1 + alpha; "
    "where(x > 0, 1, 1 - alpha); where(x > 0, 1, alpha**2); where(x > 0, 1, out); where(x > 0, 0, alpha); sign(x); "
    "where(x > 0, upstream, alpha); where(x > 0, upstream, alpha * x); where(x > 0, 1, alpha * upstream); "
    "where(x > 0, upstream, 1)",
    to_say("Where x is positive the slope is 1, elsewhere it is alpha; the upstream gradient is multiplied by either."),
    to_say("How steep is the line to the left of 0, and how steep the one to the right?"), RELATIVES,
    "upstream * np.where(x > 0, 1, alpha)",
)  # fmt: skip
_ELU = _slopes(
    "elu(x)", "where(x > 0, 1, alpha * exp(x))",
    "where(x > 0, 1, out); where(x > 0, 1, exp(x)); where(x > 0, 1, out - alpha); where(x > 0, 1, out + 1); "
    "(x > 0) * 1.0; where(x > 0, 1, alpha); where(x > 0, x, alpha * exp(x)); out; "
    "where(x > 0, 1, alpha * x * exp(x - 1)); where(x > 0, 1, -alpha * exp(x)); where(x > 0, 1, alpha * exp(-x)); "
    "where(x > 0, 1, alpha * exp(out)); alpha * exp(x); where(x > 0, 0, alpha * exp(x)); "
    "where(x > 0, 1, alpha + exp(x)); where(x > 0, 1, x); where(x > 0, 1, alpha * x); where(x > 0, 1, exp(x) - 1); "
    "where(x > 0, 1, alpha * exp(x) - 1); out + alpha; where(x > 0, upstream, alpha * exp(x)); "
    "where(x > 0, 1, upstream * alpha * exp(x)); exp(x); where(x > 0, 1, alpha - out); where(x > 0, 1, alpha * out); "
    "where(x > 0, upstream, out)",
    to_say("Where x is negative, the output is alpha · (exp(x) − 1): the −1 is a constant, "
        "and the slope is alpha · exp(x)."),
    to_say("What is the slope of alpha · (exp(x) − 1)? What happens to the −1?"), RELATIVES,
    "upstream * np.where(x > 0, 1, alpha * np.exp(x))",
)  # fmt: skip


def _power(n: float) -> Slopes:
    p, less, more = (f"{k:g}" if k >= 0 else f"({k:g})" for k in (n, n - 1, n + 1))
    one_less = "x" if n == 2 else f"x**{less}"
    wrong = _split(
        f"{one_less}; {p} * x**{p}; {p} * x; x**{p}; x**{more} / {more}; x**{more}; {p}; x / 2; {less} * {one_less}; "
        f"{less} * x**{p}; {p} * x**{more}; x**{p} * log(x); {p} * log(x); x**{p} / {p}; {p} * x**{p} - 1; x**{p} - 1; "
        f"{p} + x; {p} * abs({one_less}); {p} * {one_less.replace('x', 'out')}; {p} * x + 1; {p} * x - 1; "
        f"{p} * (x - 1); -{p} * {one_less}; {p} * upstream + {one_less}; -{p} * x; (upstream * x)**{p}; {p}**x; "
        f"{p} * {p} * x; {p} * {one_less.replace('x', '(upstream * x)')}; upstream + {p} * {one_less}; "
        f"upstream * {p} * x - 1; ({p} * upstream)**{p}; upstream + {one_less}; {p} * x * upstream**{p}"
    )
    if n == 0.5:
        return _find_sqrt(wrong)
    right = "2 * x" if n == 2 else f"{p} * x**{less}"
    why = to_say("The power rule: the exponent comes down as a factor, and is one less where it was.")
    square = to_say("By how much does 3² = 9 grow if x goes from 3 to 3.01?")
    power = to_say("By how much does the power grow if x goes from 3 to 3.01?")
    example = square if n == 2 else power
    return Slopes(f"x**{p}", (right,), (tuple(wrong),), why, example, STAGED, f"upstream * {right}")


def _find_sqrt(wrong: tuple[str, ...]) -> Slopes:
    more = (
        "1 / out; 1 / (2 * x); 2 * out; out / 2; 1 / x; 2 / out; 1 / sqrt(out); -1 / (2 * out); out; x; 2 * x; "
        "2 * x**2; -0.5 * x**(-1.5); 0.5 * x**(-1.5); 1 / x**2; 1 / (4 * x); -1 / out; 1 / (2 * out**2); "
        "upstream + 1 / (2 * out)"
    )
    return Slopes(
        "sqrt(x)", ("1 / (2 * out)",), ((*wrong, *_split(more)),),
        to_say("The square root gets flatter as x grows: the slope of sqrt(x) is 1 / (2 * sqrt(x))."),
        to_say("Write the square root as a power of x. What does the power rule give?"), CHAIN,
        "upstream / (2 * np.sqrt(x))",
    )  # fmt: skip


_MULTIPLY = Slopes(
    "x * y", ("y", "x"),
    (
        _split("x; 1; x * y; -y; x + y; y**2; 1 / y; 2 * y; y + 1; y - 1; y / x; y * x**2; x * y**2; abs(y); y / 2; "
               "x - y; log(y); exp(y); upstream + y; upstream * y + x; upstream + upstream * y; upstream - y; "
               "y - upstream; upstream / y; y; y**upstream; upstream**2 * y"),
        _split("y; 1; x * y; -x; x + y; x**2; 1 / x; 2 * x; x + 1; x - 1; x / y; x * y**2; y * x**2; abs(x); x / 2; "
               "x - y; log(x); exp(x); upstream + x; upstream * x + y; upstream + upstream * x; upstream - x; "
               "x - upstream; upstream / x; x; x**upstream; upstream**2 * x"),
    ),
    to_say("The product x · y grows by y for each unit of x, and by x for each unit of y."),
    to_say("If x grows by 0.01 and y stays, by how much does x · y grow?"), PATTERNS,
    to_say("upstream * y for x, upstream * x for y"),
)  # fmt: skip
_DIVIDE = Slopes(
    "x / y", ("1 / y", "-x / y**2"),
    (
        _split("y; -1 / y; 1 / y**2; 1; x; x / y; -1 / y**2; 1 / x; x * y; -x / y**2; x / y**2; (y - x) / y**2; -y; "
               "(x - y) / y**2; y / x; log(y); 1 / y - x / y**2; y**2; 1 / (x * y); 1 / (2 * y); sqrt(y); "
               "1 / abs(y); upstream + 1 / y; y / upstream; 1 / (upstream * y); y - x; upstream - 1 / y"),
        _split("-1 / y**2; 1 / y**2; x / y**2; -x / y; x / y; -x; x; 1 / x; -1 / y; 1 / y; -x * y; x * y; "
               "-x / y**3; -y / x**2; -x**2 / y**2; -x / (2 * y); -2 * x / y**3; -x * y**2; x * log(y); log(y); "
               "x * log(abs(y)); (y - x) / y**2; (x - y) / y**2; -y / x; y / x; 1 / y - x / y**2; y / x**2; "
               "-1 / x**2; 1 / x**2; -x / sqrt(y); -1 / x; -x**2 / y; -y**2 / x; -1 / (x * y**2); -out**2; out**2; "
               "-y; y; x**2 / y**2; -x / abs(y); 1; -x / (x + y)**2; upstream - x / y**2; -x / (upstream * y**2); "
               "-x / (upstream * y)**2"),
    ),
    to_say("x / y grows by 1 / y for each unit of x; in y it falls like the reciprocal, with slope −x / y²."),
    to_say("Take x / y as x · (1 / y). What does the multiply gate give for 1 / y, and what is the slope of 1 / y?"),
    NEURON,
    to_say("upstream / y for x, -upstream * x / y**2 for y"),
)  # fmt: skip
_SUBTRACT = Slopes(
    "x - y", ("1", "-1"),
    (
        _split("-1; x; y; -y; x - y; 2; -x; x + y; upstream + 1; upstream - 1; upstream - y; upstream + x"),
        _split("1; y; -y; x; -x; x - y; y - x; -2; 2; upstream - 1; 1 - upstream; upstream + y"),
    ),
    to_say("x − y grows by 1 for each unit of x, and falls by 1 for each unit of y."),
    to_say("If y grows by 0.01 and x stays, what happens to x − y?"), PATTERNS,
    to_say("upstream for x, -upstream for y"),
)  # fmt: skip
_ADD = Slopes(
    "x + y", ("1", "1"),
    (
        _split("-1; x; y; x + y; 2; upstream + 1; 1 / 2; upstream + x; upstream + y"),
        _split("-1; y; x; x + y; 2; upstream + 1; 1 / 2; upstream + x; upstream + y"),
    ),
    to_say("x + y grows by 1 for each unit of x, and by 1 for each unit of y."),
    to_say("If x grows by 0.01 and y stays, what happens to x + y?"), PATTERNS,
    to_say("upstream for x, upstream for y"),
)  # fmt: skip


def _choice(formula: str, first: str, second: str, which: str, code: str) -> Slopes:
    """Return the slopes of the larger or the smaller of x and y."""

    def wrong(mask: str, own: str, other: str) -> tuple[str, ...]:
        return _split(
            f"{mask} * {own}; {mask} * {other}; {own}; {other}; out; {mask} / 2; 1 / 2; 1; "
            f"({own} - {other}) * {mask}; sign({own} - {other}); -1 * {mask}; {own} - {other}; "
            f"where({mask}, upstream, {other}); where({mask}, upstream, {own}); {mask} * out * {other}; "
            f"abs({own} - {other}); where({mask}, upstream, 1); where({mask}, upstream, -upstream)"
        )

    return Slopes(
        formula, (first, second), (wrong(first, "x", "y"), wrong(second, "y", "x")),
        to_say("The larger input is passed on as it is, with slope 1; the other one has slope 0.")
        if which == "larger"
        else to_say("The smaller input is passed on as it is, with slope 1; the other one has slope 0."),
        to_say("If the input that wins is 5 and grows by 0.01, by how much does the output grow?"), PATTERNS,
        code,
    )  # fmt: skip


_BY_TYPE: Mapping[type, Slopes] = {
    G.Exp: _EXP, G.Log: _LOG, G.Tanh: _TANH, G.Sigmoid: _SIGMOID, G.Reciprocal: _RECIPROCAL, G.ReLU: _RELU,
    G.LeakyReLU: _LEAKY, G.ELU: _ELU, G.Multiply: _MULTIPLY, G.Divide: _DIVIDE, G.Subtract: _SUBTRACT, G.Add: _ADD,
    G.Max: _choice("max(x, y)", "(x >= y)", "(x < y)", "larger",
                   to_say("upstream * (x >= y) for x, upstream * (x < y) for y")),
    Min: _choice("min(x, y)", "(x <= y)", "(x > y)", "smaller",
                 to_say("upstream * (x <= y) for x, upstream * (x > y) for y")),
    G.Negate: _slopes("-x", "-1", "1; x; -x; upstream - 1", to_say("−x falls by 1 for each unit of x."),
                      to_say("If x grows by 0.01, what happens to −x?"), PATTERNS, "-upstream"),
}  # fmt: skip
_BY_NAME: Mapping[str, Slopes] = {
    "abs": _ABS, "softplus": _SOFTPLUS, "silu": _SILU,
    "sin": _slopes("sin(x)", "cos(x)",
                   "-cos(x); sin(x); -sin(x); cos(out); 1 / cos(x); tan(x); x * cos(x); cos(x)**2; 1 - out**2; "
                   "sqrt(1 - out**2); out; cos(x - 1); x; cos(upstream * x); upstream * cos(upstream * x); "
                   "upstream + cos(x)",
                   to_say("The slope of the sine is the cosine: 1 at x = 0, where the sine rises most."),
                   to_say("How steep is sin(x) at x = 0?")),
    "cos": _slopes("cos(x)", "-sin(x)",
                   "sin(x); cos(x); -cos(x); -sin(out); sin(out); -x * sin(x); 1 - out**2; out; -out; -sin(x)**2; x; "
                   "sqrt(1 - out**2); -tan(x); -sin(upstream * x); upstream - sin(x)",
                   to_say("The cosine falls where the sine is positive: its slope is −sin(x)."),
                   to_say("Does cos(x) rise or fall just to the right of x = 0?")),
    "tan": _slopes("tan(x)", "1 + out**2", "1 - out**2; 1 / cos(x); 1 + x**2; cos(x)**2; out; 1 + out; "
                                           "1 / sin(x)**2; -1 - out**2",
                   to_say("tan(x) rises everywhere, with slope 1 + tan(x)² = 1 / cos(x)²."),
                   to_say("Does tan(x) ever fall?")),
    "sinh": _slopes("sinh(x)", "cosh(x)", "-cosh(x); sinh(x); cosh(out); sqrt(1 - out**2); 1 - out**2; 1 + out**2; "
                                          "cos(x)",
                    to_say("The slope of sinh is cosh, without a minus."), to_say("Write sinh with two exponentials.")),
    "cosh": _slopes("cosh(x)", "sinh(x)", "-sinh(x); cosh(x); sinh(out); 1 - out**2; out; sqrt(1 - out**2); -sin(x); "
                                          "sin(x)",
                    to_say("The slope of cosh is sinh, without a minus."), to_say("Write cosh with two exponentials.")),
    "arctan": _slopes("arctan(x)", "1 / (1 + x**2)",
                      "1 + x**2; 1 / (1 + out**2); 1 / (1 - x**2); 1 / (1 + x); 1 / sqrt(1 + x**2); "
                      "1 / sqrt(1 - x**2); 1 / x**2; 1 / tan(x)**2; -1 / tan(x)**2; 1 + out**2; 1 - x**2; "
                      "1 - out**2; 1 / cos(x)**2; -1 / (1 + x**2); 1 / (1 + x)**2; upstream + 1 / (1 + x**2)",
                      to_say("arctan is steepest at 0, with slope 1, and flat far out: its slope is 1 / (1 + x²)."),
                      to_say("How steep is arctan at x = 0, and how steep far out?")),
    "arcsin": _slopes("arcsin(x)", "1 / sqrt(1 - x**2)",
                      "sqrt(1 - x**2); 1 / (1 - x**2); 1 / sqrt(1 + x**2); -1 / sqrt(1 - x**2); 1 / cos(x); "
                      "1 / sqrt(1 - out**2)",
                      to_say("arcsin is steepest at both ends."), to_say("How steep is arcsin at x = 0?")),
    "log1p": _slopes("log1p(x)", "1 / (1 + x)",
                     "1 / x; 1 / out; 1 + x; -1 / (1 + x)**2; x; out; 1 / (1 + x)**2; 1 / (1 - x); 1 + 1 / x; "
                     "1 / (1 + out); 1 / exp(x)",
                     to_say("log1p(x) is log(1 + x): its slope is 1 / (1 + x)."),
                     to_say("Of what does log1p take the logarithm?")),
    "expm1": _slopes("expm1(x)", "exp(x)",
                     "out; exp(out); x; x * exp(x - 1); exp(x - 1); exp(x) + 1; 1 / x; out - 1; exp(-x)",
                     to_say("expm1(x) is exp(x) − 1: the −1 is a constant, and the slope is exp(x)."),
                     to_say("What happens to the −1 when you differentiate?")),
}  # fmt: skip


def find_slopes(gate: Any) -> Slopes | None:
    """Return the slopes of a gate; None for one that is not elementary."""
    if isinstance(gate, G.Power):
        return _find_power(gate.exponent)
    return _BY_NAME.get(gate.name) if isinstance(gate, Elementwise) else _BY_TYPE.get(type(gate))


@cache
def _find_power(n: float) -> Slopes:
    return _power(n)
