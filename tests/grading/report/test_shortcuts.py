"""Derivatives that are not the learner's own: what is found, and what accuses no one."""

from __future__ import annotations

import ast
import time
from functools import cache

import pytest

from helpers.paths import ROOT
from nnkit_grader.course.assignment import load_assignment
from nnkit_grader.course.planted_answers import read_answers
from nnkit_grader.record.results import CellResult, Result
from nnkit_grader.report.collect import ClassResults, SubmissionResults, list_exercises
from nnkit_grader.report.finite_differences import has_complex_step, has_finite_difference
from nnkit_grader.report.normalise import normalise_code
from nnkit_grader.report.shortcuts import ShortcutFinder
from nnkit_grader.report.source import parse_source


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    h = 1e-5\n    return (g(x + h) - g(x - h)) / (2 * h)",
        "def f(x, eps=1e-6):\n    up = g(x + eps)\n    down = g(x - eps)\n    return (up - down) / eps / 2",
        "def f(x):\n    return (g(x + 1e-5) - g(x)) / 1e-5",
        "def f(x):\n    return ((x + 1e-5) ** 2 - (x - 1e-5) ** 2) / 2e-5",
        "def f(x, h):\n    x[0] += h\n    a = g(x)\n    x[0] -= 2 * h\n    b = g(x)\n    return 0.5 * (a - b) / h",
        "class G:\n    def b(self, x):\n        a, _ = self.f(x + self.h)\n        c, _ = self.f(x)\n"
        "        return (a - c) / self.h",
        "def f(x):\n    xp = x + h\n    xm = x - h\n    return up * (g(xp) - g(xm)) / (2.0 * h)",
        "def f(x):\n    return (-g(x+2*h) + 8*g(x+h) - 8*g(x-h) + g(x-2*h)) / (12*h)",
        "def f(x):\n    return (g(x-2*h) - 8*g(x-h) + 8*g(x+h) - g(x+2*h)) / 12 / h",
        "def f(x):\n    return (4*(g(x+h) - g(x-h)) / (2*h) - (g(x+2*h)-g(x-2*h))/(4*h))/3",
        "def f(x):\n    xp, xm = x + 1e-5, x - 1e-5\n    return (g(xp) - g(xm)) / (xp - xm)",
        "def f(x):\n    return np.divide(g(x+h) - g(x-h), 2*h)",
        "def f(x):\n    s = 1/(2*h)\n    return s * (g(x+h) - g(x-h))",
        "def f(x):\n    return (g(x+1e-5) - g(x-1e-5)) * 5e4",
        "def f(x):\n    for i in range(n):\n        e = np.zeros(n); e[i] = h\n"
        "        d[i] = (g(x+e) - g(x-e))/(2*h)\n    return d",
        "def f(x):\n    for i in range(n):\n        xp = x.copy(); xp[i] += h\n        xm = x.copy(); xm[i] -= h\n"
        "        d[i] = (g(xp) - g(xm))/(2*h)\n    return d",
        "def f(x):\n    d = 2*h\n    return (g(x+h)-g(x-h))/d",
        "def f(x):\n    return (-3*g(x) + 4*g(x+h) - g(x+2*h))/(2*h)",
        "def f(x):\n    step = 1e-6 * max(1, abs(x))\n    return (g(x+step) - g(x-step)) / (2*step)",
        "def f(x):\n    for i in range(n):\n        old = x[i]\n        x[i] = old + h\n        up = g(x)\n"
        "        x[i] = old - h\n        down = g(x)\n        d[i] = (up - down) / (2 * h)\n    return d",
    ],
)
def test_difference_quotients(source: str) -> None:
    assert has_finite_difference(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "def tanh(x):\n    return (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))",
        "def mean(x, n):\n    return (x + n - 1) / n",
        "def f(x, y):\n    return upstream / y, -upstream * x / y**2",
        "def f(a, b):\n    return (g(a) - g(b)) / 2",
        "def f(p, n):\n    p[0] -= 1\n    return p / n",
        "def f(x, mean, std):\n    return (x - mean) / std",
        "def f(x):\n    c = x - x.mean()\n    return (c - c.mean())/std",
        "def f(up, p, n):\n    return (p - y) / n",
        "def f(x,n):\n    return (up - up.sum()/n - xhat*(up*xhat).sum()/n)/std",
        "def f(x):\n    return (np.exp(x) - np.exp(-x)) / 2",
        "def f(x, t):\n    x[i] -= lr\n    return (s - m) * 1000",
        "def broken(:",
        "(" * 5000,
        "-" * 19_000 + "1",
        "x = " + "f(" * 90 + ")" * 90,
    ],
)
def test_no_difference_quotients(source: str) -> None:
    tree = parse_source(source)
    assert tree is None or not has_finite_difference(tree)


@pytest.mark.parametrize(
    "source",
    [
        "\n".join(["a0 = f(x)", *(f"a{n + 1} = a{n} - a{n} * a{n}" for n in range(60)), "y = a60 / h"]),
        "y = " + "/h".join(["f(x)"] * 900),
        "\n".join(["y = (f(x) - f(x)) / h"] * 800 + ["x += 1"] * 900),
        "y = " + "f(" * 80 + "x" + " - x) / h" * 80,
        "def f(x):\n" + "".join(f"{' ' * n}def f{n}(x):\n" for n in range(1, 90)) + " " * 90 + "return f(x) / h",
    ],
)
def test_what_is_written_to_keep_a_reader_busy(source: str) -> None:
    began = time.process_time()
    find("ps1", {"square": f"{square(f'return {SLOPE}')}\n{source}"})
    tree = parse_source(source)
    assert tree is None or not has_finite_difference(tree)
    normalise_code(source)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "source",
    [
        "d = lambda x: np.imag(g(x + 1e-20j)) / 1e-20",
        "def f(x):\n    h = 1e-20j\n    return g(x + h).imag * 1e20",
        "def f(x):\n    z = x + 1j * h\n    y = g(z)\n    return y.imag / h",
        "def f(x):\n    return np.imag(g(x + complex(0, 1e-20))) / 1e-20",
        "def f(x):\n    z = x.astype(complex)\n    z[0] += 1e-20j\n    return g(z).imag / 1e-20",
    ],
)
def test_complex_steps(source: str) -> None:
    assert has_complex_step(ast.parse(source))
    assert not has_complex_step(ast.parse(source.replace("imag", "real")))


@cache
def finder(name: str) -> ShortcutFinder:
    assignment = load_assignment(ROOT, name)
    return ShortcutFinder(ClassResults(assignment, tuple(list_exercises(assignment)), ()))


def find(name: str, answers: dict[str, str], added: str = "") -> dict[str, list[str]]:
    """Return the shortcuts in the course's own solution with these answers, and with a cell above it."""
    cells = [CellResult("added", "", "added", "code", added)]
    for cell in load_assignment(ROOT, name).cells:
        source = answers.get(cell.id, cell.source)
        cells.append(CellResult(cell.id, cell.grade_id, cell.kind, cell.cell_type, source))
    result = Result(name, "submission", "tests", 1, tuple(cells))
    return finder(name).find_shortcuts(SubmissionResults("ann", result, {}, 0.0, None, None))


CLASS = (
    "class SquareGate:\n    def forward(self, x):\n        return x**2, x\n    def backward(self, upstream, cache):\n"
)
RIGHT = "return upstream * 2 * cache"
SLOPE = "(self.forward(cache + 1e-5)[0] - self.forward(cache - 1e-5)[0]) / 2e-5"
HELPER = "def slope(f, x, h=1e-6):\n    return (f(x + h) - f(x - h)) / (2 * h)\n"
FILL = "def fill(out, x, h=1e-6):\n    out[...] = ((x + h) ** 2 - (x - h) ** 2) / (2 * h)\n"
METHOD = "    def slope(self, x, h=1e-6):\n        a, b = self.forward(x + h)[0], self.forward(x - h)[0]\n"


def square(body: str) -> str:
    """Return a gate with this backward."""
    return CLASS + "".join(f"        {line}\n" for line in body.splitlines())


@pytest.mark.parametrize(
    ("answer", "added"),
    [
        (square(RIGHT), ""),
        (square(RIGHT) + "h = 1e-5\ng = SquareGate().forward\nprint((g(3 + h)[0] - g(3 - h)[0]) / (2 * h))", ""),
        (square(f"num = {SLOPE}\nprint('numerical', num)\n{RIGHT}"), ""),
        (square(f"dx = upstream * 2 * cache\nassert np.allclose({SLOPE}, dx), 'oops'\nreturn dx"), ""),
        (square(f"num = {SLOPE}\nif abs(num - 2 * cache).max() > 1e-4:\n    raise ValueError(num)\n{RIGHT}"), ""),
        (square(f"num = {SLOPE}\nnp.testing.assert_allclose(num, 2 * cache, rtol=1e-3)\n{RIGHT}"), ""),
        (square(f"num = np.zeros_like(cache)\nfor i in range(3):\n    num[i] = {SLOPE}\nprint(num)\n{RIGHT}"), ""),
        (square(f"import logging\nlogging.info('%s', {SLOPE})\n{RIGHT}"), ""),
        (square(f"self.seen = {SLOPE}\n{RIGHT}") + "print(SquareGate().seen)", ""),
        (square(f"# {SLOPE}\n{RIGHT}"), ""),
        (HELPER + square(RIGHT) + "slope(lambda x: x**2, 3.0)", ""),
        (square(RIGHT), HELPER + "for x in (1.0, 2.0):\n    s = slope(lambda t: t**2, x)\n    print(s)"),
        (square(RIGHT) + METHOD + "        return (a - b) / (2 * h)\n\nprint(SquareGate().slope(3.0))", ""),
        (
            square(f"self.slope(cache)\n{RIGHT}") + METHOD + "        print(s := (a - b) / (2 * h))\n        return s",
            "",
        ),
        (square(RIGHT) + "import jax\nprint(jax.grad(lambda x: x**2)(3.0))", ""),
        (square(RIGHT) + "from nnkit.gates import Power\nPower(2).backward(1.0, 3.0)", ""),
        (square(RIGHT) + "import matplotlib.pyplot as plt\nplt.plot(xs, ((xs + h) ** 2 - xs**2) / h)\nplt.show()", ""),
    ],
)
def test_what_merely_prints_beside_a_right_answer_accuses_no_one(answer: str, added: str) -> None:
    assert find("ps1", {"square": answer}, added) == {}


@pytest.mark.parametrize(
    ("answer", "added", "told"),
    [
        (square(f"return upstream * {SLOPE}"), "", "has a difference quotient"),
        (HELPER + square("return upstream * slope(lambda t: t**2, cache)"), "", "has a difference quotient"),
        (square("return upstream * slope(lambda t: t**2, cache)"), HELPER, "has a difference quotient"),
        (square("return upstream * self.slope(cache)") + METHOD + "        return (a - b) / 2 / h", "", "has a diff"),
        (square(f"num = {SLOPE}\ndx = 2 * cache\nif abs(num - dx) > 1:\n    dx = num\nreturn dx"), "", "has a diff"),
        (square(f"try:\n    return {SLOPE}\nexcept TypeError:\n    {RIGHT}"), "", "has a difference quotient"),
        (square(f"out = []\nfor c in cache:\n    out.append({SLOPE})\nreturn np.array(out)"), "", "has a difference"),
        (square("dx = x * 0\nfill(dx, cache)\nreturn dx"), FILL, "has a difference quotient"),
        (square("pass") + f"SquareGate.backward = lambda self, up, cache: up * {SLOPE}", "", "has a difference"),
        (square("pass") + f"setattr(SquareGate, 'backward', lambda self, up, cache: up * {SLOPE})", "", "has a diff"),
        (square("return upstream * np.imag((cache + 1e-20j) ** 2) / 1e-20"), "", "takes a complex step"),
        (square("return upstream * jax.grad(lambda x: x**2)(cache)"), "import jax", "uses jax.grad"),
        (square("return upstream * g(lambda x: x**2)(cache)"), "from jax import grad as g", "uses jax.grad"),
        (square("from jax import vjp\nreturn vjp(lambda x: x**2, cache)[1](upstream)[0]"), "", "uses jax.vjp"),
        (square("return upstream * two(cache)"), "import jax\ntwo = jax.vmap(jax.grad(lambda x: x**2))", "uses jax"),
        (square("return Power(2).backward(upstream, cache)"), "from nnkit.gates import Power", "uses nnkit.gates"),
        (square("return Power(2).backward(upstream, cache)"), "from nnkit.gates import *", "uses nnkit.gates"),
        ("import nnkit.gates as G\nSquareGate = G.Power", "", "uses nnkit.gates"),
        (square("G = importlib.import_module('nnkit.gates')\nreturn G.Power(2).backward(upstream, cache)"), "", "uses"),
        (square("return upstream * nm.derivative(f, cache)"), "from nnkit import numerical as nm", "uses nnkit.num"),
        (square("t = torch.tensor(cache)\n(t**2).backward()\nreturn t.grad.numpy()"), "import torch", "uses torch"),
    ],
)
def test_a_derivative_that_is_not_ones_own_is_a_reason_to_look(answer: str, added: str, told: str) -> None:
    (phrases,) = find("ps1", {"square": answer}, added).values()
    assert " and ".join(phrases).startswith(told)


@pytest.mark.parametrize("name", ["ps1", "ps2", "ps3", "ps4", "ps5"])
def test_the_courses_own_and_planted_answers_accuse_no_one(name: str) -> None:
    """But for exercises in which the course's own solution takes the same way."""
    assert find(name, {}) == {}
    allowed = {phrase for phrases in finder(name).allowed.values() for phrase in phrases}
    wanted = {"ps3": {"has a difference quotient"}, "ps4": {"uses nnkit.gates"}}
    assert allowed == wanted.get(name, {"uses jax.vjp", "uses jax.value_and_grad"} if name == "ps5" else set())
    for answer in read_answers(ROOT / "solutions" / f"{name}_answers.py"):
        if has_finite_difference(tree := parse_source(answer.source) or ast.Module([], [])):
            assert "difference quotient" in str(allowed), ast.unparse(tree)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return check_backward(Gate(forward, backward), *inputs).passed", {"uses nnkit.check.check_backward"}),
        (
            "return bool(nnkit.check.check_backward(Gate(forward, backward), *inputs))",
            {"uses nnkit.check.check_backward"},
        ),
        ("return np.allclose(backward(1.0, forward(*inputs)[1])[0], 0)\n\ncheck_checker(is_right)", set()),
    ],
)
def test_a_judge_that_lets_the_kit_judge_is_a_reason_to_look(body: str, told: set[str]) -> None:
    found = find("ps3", {"judge": f"import nnkit.check\ndef is_right(forward, backward, inputs):\n    {body}"})
    assert {phrase for phrases in found.values() for phrase in phrases} == told


def test_parts_that_may_come_from_the_kit_accuse_no_one() -> None:
    """ps4 says so of the parts of the network, and of no gate."""
    kit = "from nnkit.gates import ReLU\nrelu = ReLU()"
    assert find("ps4", {"parts": f"affine, softmax_loss = AffineGate(), SoftmaxLossGate()\n{kit}"}) == {}
