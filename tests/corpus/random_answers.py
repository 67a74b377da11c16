"""Wrong answers made at random: right backward passes with a piece changed, as text, each with its inputs.

`make_answer(seed)` returns one. Some are right by chance, or because the change changes nothing; `helpers/judge.py`
says which.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from corpus.right_base import Call, Generator
from helpers.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
from mutation.mutate import mutants


@dataclass(frozen=True)
class Source:
    """A right answer as text: `forward` and `backward` are the lines of two functions, of these arguments.

    backward has the arguments, `out` and `upstream` at hand, and assigns d<argument> for each that is differentiated.
    """

    name: str
    arguments: str
    shapes: str
    """As `corpus.wrong_base.at` reads them, with "." for a number."""
    forward: str
    backward: str
    check: str = "check_backward"

    @property
    def inputs(self) -> list[str]:
        return self.arguments.split()

    @property
    def gradients(self) -> list[str]:
        specs = dict(zip(self.inputs, _specs(self.shapes)))
        return [f"d{name}" for name in self.inputs if ":" not in specs[name]]


GATES = (
    Source("Multiply", "x y", "nd nd", "out = x * y", "dx = upstream * y\ndy = upstream * x"),
    Source("Multiply", "x y", ". .", "out = x * y", "dx = upstream * y\ndy = upstream * x"),
    Source("Subtract", "x y", "n n", "out = x - y", "dx = upstream\ndy = -upstream"),
    Source("Divide", "x y", "n! n+", "out = x / y", "dx = upstream / y\ndy = -upstream * x / y**2"),
    Source("Square", "x", "n", "out = x**2", "dx = 2 * x * upstream"),
    Source("Cube", "x", "nd", "out = x**3", "dx = 3 * x**2 * upstream"),
    Source("Exp", "x", "n", "out = np.exp(x)", "dx = upstream * out"),
    Source("Log", "x", "n+", "out = np.log(x)", "dx = upstream / x"),
    Source("Sqrt", "x", "n+", "out = np.sqrt(x)", "dx = upstream / (2 * out)"),
    Source("Reciprocal", "x", "n!", "out = 1 / x", "dx = -upstream / x**2"),
    Source("Sigmoid", "z", "nd", "out = 1 / (1 + np.exp(-z))", "dz = upstream * out * (1 - out)"),
    Source("Sigmoid", "z", ".", "out = 1 / (1 + np.exp(-z))", "dz = upstream * out * (1 - out)"),
    Source("Tanh", "z", "n", "out = np.tanh(z)", "dz = upstream * (1 - out**2)"),
    Source("ReLU", "z", "nd", "out = np.maximum(0, z)", "dz = upstream * (z > 0)"),
    Source("LeakyReLU", "z", "nd", "out = np.where(z > 0, z, 0.1 * z)", "dz = upstream * np.where(z > 0, 1.0, 0.1)"),
    Source("Softplus", "z", "n", "out = np.log1p(np.exp(z))", "dz = upstream / (1 + np.exp(-z))"),
    Source("ELU", "z", "n", "out = np.where(z > 0, z, np.exp(z) - 1)",
           "dz = upstream * np.where(z > 0, 1.0, np.exp(z))"),
    Source("Swish", "z", "n", "s = 1 / (1 + np.exp(-z))\nout = z * s",
           "s = 1 / (1 + np.exp(-z))\ndz = upstream * (s + z * s * (1 - s))"),
    Source("Max", "x y", "n n", "out = np.maximum(x, y)", "dx = upstream * (x > y)\ndy = upstream * (y > x)"),
    Source("RowMax", "x", "nd", "out = x.max(axis=1)",
           "dx = upstream[:, None] * (x == x.max(axis=1, keepdims=True))"),
    Source("SumRows", "x", "nd", "out = x.sum(axis=1)", "dx = upstream[:, None] * np.ones(x.shape)"),
    Source("MeanRows", "x", "nd", "out = x.mean(axis=1)", "dx = upstream[:, None] * np.ones(x.shape) / x.shape[1]"),
    Source("MatMul", "x w", "nd dh", "out = x @ w", "dx = upstream @ w.T\ndw = x.T @ upstream"),
    Source("MatVec", "W x", "hd d", "out = W @ x", "dW = np.outer(upstream, x)\ndx = W.T @ upstream"),
    Source("Affine", "x w b", "nd dh h", "out = x @ w + b",
           "dx = upstream @ w.T\ndw = x.T @ upstream\ndb = upstream.sum(axis=0)"),
    Source("Columns", "W a b", "hd dn h1", "out = W @ a + b",
           "dW = upstream @ a.T\nda = W.T @ upstream\ndb = upstream.sum(axis=1, keepdims=True)"),
    Source("Scale", "x gamma beta", "nd d d", "out = gamma * x + beta",
           "dx = upstream * gamma\ndgamma = (upstream * x).sum(axis=0)\ndbeta = upstream.sum(axis=0)"),
    Source("Softmax", "s", "nc", "e = np.exp(s - s.max(axis=1, keepdims=True))\nout = e / e.sum(axis=1, keepdims=True)",
           "ds = out * (upstream - (upstream * out).sum(axis=1, keepdims=True))"),
    Source("Centre", "x", "nd", "out = x - x.mean(axis=0)", "dx = upstream - upstream.mean(axis=0)"),
    Source("Unit", "x", "n", "out = x / np.sqrt(x @ x)",
           "n = np.sqrt(x @ x)\ndx = (upstream - out * (upstream @ out)) / n"),
    Source("LayerNorm", "x", "nd",
           "c = x - x.mean(axis=1, keepdims=True)\nout = c / np.sqrt((c**2).mean(axis=1, keepdims=True) + 1e-5)",
           "c = x - x.mean(axis=1, keepdims=True)\ns = np.sqrt((c**2).mean(axis=1, keepdims=True) + 1e-5)\n"
           "g = upstream - upstream.mean(axis=1, keepdims=True)\n"
           "dx = (g - out * (upstream * out).mean(axis=1, keepdims=True)) / s"),
    Source("TanhLayer", "x w b", "nd dh h", "out = np.tanh(x @ w + b)",
           "dz = upstream * (1 - out**2)\ndx = dz @ w.T\ndw = x.T @ dz\ndb = dz.sum(axis=0)"),
    Source("ReLULayer", "x w b", "nd dh h", "out = np.maximum(0, x @ w + b)",
           "dz = upstream * (out > 0)\ndx = dz @ w.T\ndw = x.T @ dz\ndb = dz.sum(axis=0)"),
    Source("Neuron", "w x b", "d d .", "out = 1 / (1 + np.exp(-(w @ x + b)))",
           "ds = upstream * out * (1 - out)\ndw = ds * x\ndx = ds * w\ndb = ds"),
)  # fmt: skip

FUNCTIONS = (
    Source("product", "x y z", ". . .", "out = (x + y) * z", "q = x + y\ndx = z\ndy = z\ndz = q", "check_gradient"),
    Source("branch", "x y", ". .", "out = x * y + np.exp(x)", "dx = y + np.exp(x)\ndy = x", "check_gradient"),
    Source("circuit", "x y z w", ". . . .", "out = 2 * (x * y + np.maximum(z, w))",
           "dx = 2 * y\ndy = 2 * x\ndz = 2.0 * (z > w)\ndw = 2.0 * (w > z)", "check_gradient"),
    Source("staged", "x y", ". .", "s = 1 / (1 + np.exp(-y))\nout = (x + s) / (1 + (x + y)**2)",
           "s = 1 / (1 + np.exp(-y))\nnum = x + s\nden = 1 + (x + y)**2\ndnum = 1 / den\ndden = -num / den**2\n"
           "dx = dnum + dden * 2 * (x + y)\ndy = dnum * s * (1 - s) + dden * 2 * (x + y)", "check_gradient"),
    Source("rosenbrock", "x y", ". .", "out = (1 - x)**2 + 100 * (y - x**2)**2",
           "dx = -2 * (1 - x) - 400 * x * (y - x**2)\ndy = 200 * (y - x**2)", "check_gradient"),
    Source("ridge", "W", "dh", "out = 0.3 * np.sum(W**2) + np.sum(np.tanh(W))",
           "dW = 0.6 * W + 1 - np.tanh(W)**2", "check_gradient"),
    Source("mean_squares", "prediction target", "nd nd", "out = np.mean((prediction - target)**2)",
           "dprediction = 2 * (prediction - target) / prediction.size", "check_loss"),
    Source("half_squares", "prediction target", "nd nd",
           "out = 0.5 * np.sum((prediction - target)**2) / len(prediction)",
           "dprediction = (prediction - target) / len(prediction)", "check_loss"),
    Source("softmax_loss", "scores labels", "nc n:c",
           "e = np.exp(scores - scores.max(axis=1, keepdims=True))\np = e / e.sum(axis=1, keepdims=True)\n"
           "out = -np.mean(np.log(p[np.arange(len(p)), labels]))",
           "e = np.exp(scores - scores.max(axis=1, keepdims=True))\np = e / e.sum(axis=1, keepdims=True)\n"
           "d = p.copy()\nd[np.arange(len(p)), labels] -= 1\ndscores = d / len(p)", "check_loss"),
    Source("hinge", "scores labels", "nc n:c",
           "m = np.maximum(0, scores - scores[np.arange(len(scores)), labels][:, None] + 1)\n"
           "m[np.arange(len(scores)), labels] = 0\nout = m.sum() / len(scores)",
           "m = scores - scores[np.arange(len(scores)), labels][:, None] + 1 > 0\n"
           "m[np.arange(len(scores)), labels] = False\nd = m.astype(float)\n"
           "d[np.arange(len(scores)), labels] = -m.sum(axis=1)\ndscores = d / len(scores)", "check_loss"),
    Source("network", "W1 b1 W2 b2 x labels", "dh h hc c nd n:c",
           "h = np.maximum(0, x @ W1 + b1)\ns = h @ W2 + b2\ne = np.exp(s - s.max(axis=1, keepdims=True))\n"
           "p = e / e.sum(axis=1, keepdims=True)\nout = -np.mean(np.log(p[np.arange(len(p)), labels]))",
           "h = np.maximum(0, x @ W1 + b1)\ns = h @ W2 + b2\ne = np.exp(s - s.max(axis=1, keepdims=True))\n"
           "p = e / e.sum(axis=1, keepdims=True)\nds = p.copy()\nds[np.arange(len(p)), labels] -= 1\nds = ds / len(p)\n"
           "dW2 = h.T @ ds\ndb2 = ds.sum(axis=0)\ndz = (ds @ W2.T) * (h > 0)\ndW1 = x.T @ dz\ndb1 = dz.sum(axis=0)",
           "check_parameters"),
    Source("regression", "W b x y", "dh h nd nh",
           "r = x @ W + b - y\nout = np.sum(r**2) / len(x) + 0.1 * np.sum(W**2)",
           "r = x @ W + b - y\ndr = 2 * r / len(x)\ndW = x.T @ dr + 0.2 * W\ndb = dr.sum(axis=0)", "check_parameters"),
    Source("tanh_network", "W1 W2 x y", "dh hc nd nc",
           "h = np.tanh(x @ W1)\nout = 0.5 * np.sum((h @ W2 - y)**2)",
           "h = np.tanh(x @ W1)\nd = h @ W2 - y\ndW2 = h.T @ d\ndh = d @ W2.T\ndz = dh * (1 - h**2)\ndW1 = x.T @ dz",
           "check_parameters"),
)  # fmt: skip
SOURCES = (*GATES, *FUNCTIONS)


@dataclass(frozen=True)
class RandomAnswer:
    """An answer made at random, and how it was made."""

    source: Source
    how: str
    backward: str
    returned: str
    """The expression that backward returns."""
    seed: int

    @property
    def text(self) -> str:
        """The answer as a learner would write it; it defines `answer`."""
        names = ", ".join(self.source.inputs)
        forward, backward = (_indent(text, 8) for text in (self.source.forward, self.backward))
        if self.source.check == "check_backward":
            kept = f"        self.last = {names}, out\n" if "self.last" in self.backward else ""
            return (
                f"class {self.source.name}:\n"
                f"    def forward(self, {names}):\n{forward}\n{kept}        return out, ({names}, out)\n"
                f"    def backward(self, upstream, cache):\n        {names}, out = cache\n{backward}\n"
                f"        return {self.returned}\n\nanswer = {self.source.name}()\n"
            )
        lines = f"{_indent(self.source.forward, 4)}\n{_indent(self.backward, 4)}\n    return out, {self.returned}\n"
        if self.source.check != "check_parameters":
            return f"def {self.source.name}({names}):\n{lines}\nanswer = {self.source.name}\n"
        keys = [name[1:] for name in self.source.gradients if f"d{name[1:]}" in parameters(self.source)]
        rest = [name for name in self.source.inputs if name not in keys]
        taken = f"    {', '.join(keys)} = (p[key] for key in {keys})\n"
        return f"def {self.source.name}(p, {', '.join(rest)}):\n{taken}{lines}\nanswer = {self.source.name}\n"

    def make(self) -> Call:
        """Return the arguments of the check: fresh code, and inputs drawn from the seed."""
        space: dict[str, Any] = {"np": np}
        exec(compile(self.text, f"<{self.source.name}, {self.how}>", "exec"), space)
        rng = np.random.default_rng([self.seed, 5])
        inputs = draw(self.source, rng)
        kwargs = {"rng": int(rng.integers(1000))}
        if self.source.check != "check_parameters":
            return Call((space["answer"], *inputs), kwargs)
        count = len(parameters(self.source))
        keys = [name[1:] for name in parameters(self.source)]
        return Call((space["answer"], dict(zip(keys, inputs)), *inputs[count:]), kwargs)


def parameters(source: Source) -> list[str]:
    """Return the names of the gradients that the answer returns."""
    if source.check == "check_parameters":
        assigned = re.findall(r"^(d\w+) = ", source.backward, re.MULTILINE)
        return [f"d{name}" for name in source.inputs if f"d{name}" in assigned and name[0] in "Wb"]
    return source.gradients[:1] if source.check == "check_loss" else source.gradients


def _specs(shapes: str) -> list[str]:
    return [spec.strip(".") for spec in shapes.split()]


def draw(source: Source, rng: Generator) -> tuple[Any, ...]:
    """Draw inputs of different sizes."""
    specs = _specs(source.shapes)
    letters = sorted({c for spec in specs for c in spec if c.isalpha()})
    size = dict(zip(letters, rng.permutation([2, 3, 4, 5, 6]).tolist()))
    return tuple(_numbers(rng, spec, size) for spec in specs)


def _numbers(rng: Generator, spec: str, size: dict[str, int]) -> Any:
    letters, _, classes = spec.partition(":")
    shape = tuple(1 if c == "1" else size[c] for c in letters.rstrip("+!"))
    if classes:
        return rng.integers(0, size[classes], shape)
    x = rng.uniform(0.4, 2.5, shape) if spec.endswith("+") else rng.normal(size=shape)
    if spec.endswith("!"):
        x = np.sign(x) * (0.3 + np.abs(x))
    return np.round(x, 2) if shape else float(np.round(x, 2))


def _indent(text: str, spaces: int) -> str:
    return "\n".join(" " * spaces + line for line in text.splitlines())


# ---- how answers are spoilt ---------------------------------------------------------------------------

Spoil = Callable[[Source, Generator], tuple[str, str]]
"""(source, rng) ↦ (backward, returned expression)."""


def return_gradients(source: Source, gradients: list[str] | None = None) -> str:
    """Return the expression that backward returns: these, or the gradients by their names."""
    found = parameters(source) if gradients is None else gradients
    if source.check == "check_parameters":
        return "{" + ", ".join(f"{g[1:]!r}: {f}" for g, f in zip(parameters(source), found)) + "}"
    return f"({', '.join(found)},)" if len(found) > 1 else found[0]


@cache
def _mutants(source: Source) -> tuple[tuple[str, str], ...]:
    """Return all mechanical mutants of the backward, each with its return."""
    names = ", ".join([*source.inputs, "out", "upstream"])
    text = f"def backward({names}):\n{_indent(source.backward, 4)}\n    return {return_gradients(source)}\n"
    (tree,) = ast.parse(text).body
    assert isinstance(tree, ast.FunctionDef)
    found = []
    for mutant in mutants(tree):
        lines = [line[4:] for line in mutant.source.splitlines()[1:]]
        if lines and lines[-1].startswith("return "):
            found.append(("\n".join(lines[:-1]) or "pass", lines[-1].removeprefix("return ")))
    return tuple(found)


def mutated(source: Source, rng: Generator) -> tuple[str, str]:
    """Change one operator, name, constant, axis ... of the backward."""
    found = _mutants(source)
    return found[rng.integers(len(found))]


TRANSFORMS = (
    "np.zeros_like({w})", "np.ones_like({w})", "np.full(np.shape({w}), np.nan)", "0.5 * np.ones(np.shape({w}))",
    "0.0", "2 * {w}", "0.5 * {w}", "-{w}", "{w} * 1.1", "{w} + 1", "{w} + 0.01", "{w} ** 2", "abs({w})", "1 / {w}",
    "np.sign({w})", "np.transpose({w})", "np.sum({w})", "np.mean({w})", "np.sum({w}, axis=0)", "np.mean({w}, axis=0)",
    "np.atleast_2d({w})", "np.squeeze({w})", "np.ravel({w})", "np.expand_dims({w}, 0)", "np.expand_dims({w}, -1)",
    "np.asarray({w}).astype(int)", "np.asarray({w}).astype(np.float32)", "np.round({w}, 3)", "np.round({w}, 1)",
    "np.trunc({w})", "np.flip({w})", "np.sort({w}, axis=None).reshape(np.shape({w}))", "np.roll({w}, 1)",
    "np.roll({w}, 1, axis=0)", "np.ravel({w})[:-1]", "np.concatenate([np.ravel({w}), [0.0]])",
    "np.cumsum({w}).reshape(np.shape({w}))", "np.maximum({w}, 0)",
    "np.where(np.arange(np.size({w})).reshape(np.shape({w})) == 0, 0.0, {w})",
    "np.where(np.arange(np.size({w})).reshape(np.shape({w})) == 1, 2 * {w}, {w})", "np.tanh({w})",
    "np.clip({w}, -0.5, 0.5)", "{w} / np.size({w})", "{w} * np.size({w})", "{w} - np.mean({w})",
    "{w} * len(np.atleast_1d({w}))",
)  # fmt: skip


def transformed(source: Source, rng: Generator) -> tuple[str, str]:
    """Change one gradient, or all of them, as a value: zeros, scaled, shuffled, transposed, cut ..."""
    names = parameters(source)
    form = TRANSFORMS[rng.integers(len(TRANSFORMS))]
    chosen = set(names) if rng.random() < 0.4 else {names[rng.integers(len(names))]}
    changed = [form.format(w=name) if name in chosen else name for name in names]
    return source.backward, return_gradients(source, changed)


UPSTREAMS = (
    "upstream * upstream", "np.ones_like(upstream)", "-upstream", "2 * upstream", "abs(upstream)", "upstream.T",
    "np.maximum(upstream, 0)", "upstream.mean()", "upstream + 1", "1 / upstream", "upstream / np.size(upstream)",
    "np.flip(upstream)", "upstream * out", "upstream.sum()",
)  # fmt: skip


def with_other_upstream(source: Source, rng: Generator) -> tuple[str, str]:
    """Use the upstream gradient twice, not at all, its size ... in one line or in all."""
    if source.check != "check_backward":
        return transformed(source, rng)
    other = f"({UPSTREAMS[rng.integers(len(UPSTREAMS))]})"
    lines = source.backward.splitlines()
    chosen = range(len(lines)) if rng.random() < 0.5 else [int(rng.integers(len(lines)))]
    return "\n".join(
        re.sub(r"\bupstream\b", other, line) if n in chosen else line for n, line in enumerate(lines)
    ), return_gradients(source)  # fmt: skip


CONTAINERS = (
    "[{all}]", "{{'x': {first}}}", "np.array([{all}])", "({all}, None)", "None", "({first},)", "[[{all}]]",
    "({all}, {first})", "str({first})", "iter([{all}])", "({all},)[::-1]", "print({first})", "(({all},),)",
    "lambda: {first}", "[*np.ravel({first})]",
)  # fmt: skip


def in_another_container(source: Source, rng: Generator) -> tuple[str, str]:
    """Return a dict, an array of gradients, one too many, one too few, None ..."""
    names = parameters(source)
    form = CONTAINERS[rng.integers(len(CONTAINERS))]
    return source.backward, form.format(all=", ".join(names), first=names[0])


def with_another_formula(source: Source, rng: Generator) -> tuple[str, str]:
    """Use the backward of another gate with as many inputs."""
    alike = [s for s in GATES if len(s.inputs) == len(source.inputs) and s.backward != source.backward]
    if source.check != "check_backward" or not alike:
        return from_grammar(source, rng)
    other = alike[rng.integers(len(alike))]
    text = other.backward
    for old, new in zip(other.inputs, source.inputs):
        text = re.sub(rf"\b(d?){old}\b", rf"\g<1>_{new}_", text)
    return re.sub(r"_(\w+?)_\b", r"\1", text), return_gradients(source)


def from_grammar(source: Source, rng: Generator) -> tuple[str, str]:
    """Make the formula of one gradient out of the names at hand."""
    names = parameters(source)
    chosen = names[rng.integers(len(names))]
    lines = [line for line in source.backward.splitlines() if not re.match(rf"{chosen}\b", line)]
    return "\n".join([*lines, f"{chosen} = {_expression(source, rng, 3)}"]), return_gradients(source)


UNARY = (
    "-{a}", "np.exp({a})", "np.tanh({a})", "({a})**2", "1 / ({a})", "1 - {a}", "({a}).T", "abs({a})", "({a} > 0)",
)  # fmt: skip
BINARY = (
    "{a} * {b}", "{a} + {b}", "{a} - {b}", "{a} / ({b})", "({a}) * (1 - {b})", "({a}) @ ({b})", "({a}) * ({b} > 0)",
)  # fmt: skip


def _expression(source: Source, rng: Generator, depth: int) -> str:
    atoms = [name for name in source.inputs if name != "labels"] + ["out"]
    atoms += ["upstream", "upstream"] if source.check == "check_backward" else []
    if depth == 0 or rng.random() < 0.25:
        return atoms[rng.integers(len(atoms))]
    a, b = (_expression(source, rng, depth - 1) for _ in range(2))
    if rng.random() < 0.4:
        return UNARY[rng.integers(len(UNARY))].format(a=f"({a})" if " " in a else a)
    return BINARY[rng.integers(len(BINARY))].format(a=f"({a})" if " " in a else a, b=f"({b})" if " " in b else b)


def exchanged(source: Source, rng: Generator) -> tuple[str, str]:
    """Return the gradients in another order, or one of them twice."""
    names = parameters(source)
    if len(names) < 2:
        return mutated(source, rng)
    order = rng.permutation(len(names)) if rng.random() < 0.6 else rng.integers(len(names), size=len(names))
    return source.backward, return_gradients(source, [names[i] for i in order])


def mixed(source: Source, rng: Generator) -> tuple[str, str]:
    """Change a line of the backward, and then a gradient as a value."""
    backward, _ = mutated(source, rng)
    _, returned = transformed(source, rng)
    return backward, returned


def misbehaved(source: Source, rng: Generator) -> tuple[str, str]:
    """Read what the last forward left, write into what was given, add to earlier gradients, or measure the slope."""
    if source.check != "check_backward":
        return mutated(source, rng)
    names, x, first = ", ".join(source.inputs), source.inputs[0], parameters(source)[0]
    own, returned = source.backward, return_gradients(source)
    slope = f"upstream * (self.forward({x} + 1e-5)[0] - self.forward({x} - 1e-5)[0]) / 2e-5"
    forms = [
        (f"{names}, out = self.last\n{own}", returned),
        (f"{own}\n{first} = {first} * (1 + 0 * self.last[0])", returned),
        (f"{own}\n{x} *= 2", returned),
        (f"{x} *= 2\n{own}", returned),
        (f"upstream *= 2\n{own}", returned),
        (f"{own}\n{first} *= 2", returned),
        (f"{own}\nself.total = getattr(self, 'total', 0) + {first}\n{first} = self.total", returned),
        (f"{own}\nself.calls = getattr(self, 'calls', 0) + 1\n{first} = {first} * self.calls", returned),
        (own, slope) if len(source.inputs) == 1 else (f"{own}\nupstream[...] = 0", returned),
        (f"{own}\n{first} = ({first}) + 1e-6 * abs({first})", returned),
    ]
    return forms[rng.integers(len(forms))]


KINDS: tuple[tuple[str, Spoil, float], ...] = (
    ("mutant", mutated, 0.37), ("transformed", transformed, 0.23), ("upstream", with_other_upstream, 0.08),
    ("container", in_another_container, 0.05), ("another gate's formula", with_another_formula, 0.06),
    ("random formula", from_grammar, 0.1), ("exchanged", exchanged, 0.04), ("mixed", mixed, 0.04),
    ("misbehaved", misbehaved, 0.03),
)  # fmt: skip


def make_answer(seed: int) -> RandomAnswer:
    """Return the answer of this seed."""
    rng = np.random.default_rng([seed, 3])
    source = SOURCES[rng.integers(len(SOURCES))]
    kind = rng.choice(len(KINDS), p=[share for _, _, share in KINDS])
    name, spoil, _ = KINDS[kind]
    backward, returned = spoil(source, rng)
    return RandomAnswer(source, name, backward, returned, seed)
