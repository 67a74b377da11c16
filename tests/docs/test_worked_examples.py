"""Every number of the course's worked examples is computed by the lectures that show it.

A number counts as computed where a `check_value(actual, number)` of the lecture ran and passed, and `actual` is not
itself written down in the lecture. What an example starts from has to stand in the lecture's code.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from helpers import lectures
from helpers.paths import ROOT
from nnkit.check.notebook.runner import run

pytestmark = pytest.mark.notebook


# ---- the table --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """One worked example: what it starts from, the numbers that follow, and the lectures that show it."""

    name: str
    lectures: tuple[str, ...]
    given: tuple[Any, ...]
    """Literals of the lecture's code; a dict is the keywords of one call, a tuple its last positional arguments."""
    numbers: dict[str, Any]
    about: float = 1e-3
    """How exact the lecture has to be: the largest rtol of a check that counts."""


NEURON = {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3}
PRODUCT_X = [[2, 1, -3], [-3, 4, 2]]
PRODUCT_W = [[3, 2, 1, -1], [2, 1, 3, 2], [3, 2, 1, -2]]
PRODUCT_G = [[2, 3, -3, 9], [-8, 1, 4, 6]]
MIB, GIB = 2**20, 2**30

EXAMPLES = (
    Example(
        "f = (x+y)z",
        ("01",),
        ({"x": -2, "y": 5, "z": -4},),
        {"q": 3, "f": -12, "df/dx, df/dy, df/dz": [-4, -4, 3]},
    ),
    Example(
        "sigmoid neuron",
        ("01",),
        (NEURON,),
        {"f": 0.7311, "ddot": 0.1966, "dw": [-0.1966, -0.3932, 0.1966], "dx": [0.3932, -0.5898]},
    ),
    Example(
        "sigmoid neuron",
        ("02",),
        (NEURON, [2, -3, -3], [-1, -2]),
        {"dot, f, ddot": [1, 0.7311, 0.1966], "dw": [-0.1966, -0.3932, 0.1966], "dx": [0.3932, -0.5898]},
    ),
    Example(
        "sigmoid neuron, gate by gate",
        ("01", "02"),
        (),
        {
            "values, from the end to the dot product": [0.7311, 1.3679, 0.3679, -1, 1],
            "gradients, from the end": [1, -0.534, -0.534, -0.197, 0.197],
        },
    ),
    Example("staged", ("01",), ({"x": 3, "y": -4},), {"f": 1.5456, "dx, dy": [2.0596, 1.5922]}),
    Example(
        "circuit",
        ("01",),
        ({"x": 3, "y": -4, "z": 2, "w": -1},),
        {"f": -20, "gradients of x, y, z, w": [-8, 6, 2, 0]},
    ),
    Example(
        "patterns",
        ("01",),
        ((2, 3, 4), (5, 2, 3), (9, 4, 5), ((4, 2), 7)),
        {"add": [2, 2], "multiply": [15, 10], "max": [0, 9], "copy": 6},
    ),
    Example("ReLU of a vector", ("02", "03"), ([1, -2, 3, -1], [4, -1, 5, 9]), {"dx": [4, 0, 5, 0]}),
    Example(
        "memory of ReLU's Jacobian",
        ("03",),
        (((4096,), (4096,), "float32"), ((100, 4096), (100, 4096), "float32")),
        {"4096 → 4096: 64 MB": 64 * MIB, "a batch of 100: 625 GiB": 625 * GIB},
    ),
    Example(
        "‖Wx‖²",
        ("03",),
        ([[0.1, 0.5], [-0.3, 0.8]], [0.2, 0.4]),
        {
            "q": [0.22, 0.26],
            "f": 0.116,
            "dq": [0.44, 0.52],
            "dW": [[0.088, 0.176], [0.104, 0.208]],
            "dx": [-0.112, 0.636],
        },
    ),
    Example(
        "matrix product",
        ("03", "05"),
        (PRODUCT_X, PRODUCT_W, PRODUCT_G),
        {
            "x·w": [[-1, -1, 2, 6], [5, 2, 11, 7]],
            "dx": [[0, 16, -9], [-24, 9, -30]],
            "dw": [[28, 3, -18, 0], [-30, 7, 13, 33], [-22, -7, 17, -15]],
        },
    ),
    Example(
        "memory of a matrix product's Jacobian",
        ("03",),
        (((64, 4096), (64, 4096), "float32"),),
        {"N=64, D=M=4096: 256 GB": 256 * GIB},
    ),
    Example(
        "counting",
        ("04",),
        ([3, 4, 2], [3, 4, 4, 1]),
        {"3→4→2: weights, biases, both": [20, 6, 26], "3→4→4→1: weights, biases, both": [32, 9, 41]},
    ),
    Example("the 20-line network", ("04",), ([64, 1000, 100, 10], 1e-4), {"steps": 2000}),
    Example("two-layer image classifier", ("04",), ([3072, 100, 10],), {"sizes": [3072, 100, 10]}),
    Example("spiral", ("04",), (), {"points of each class": [100, 100, 100]}),
    Example("spiral, linear", ("04",), ([2, 3],), {"accuracy": 0.49}, about=0.05),
    Example("spiral, a hidden layer of 100", ("04",), ([2, 100, 3],), {"accuracy": 0.98}, about=0.02),
)
LECTURES = sorted({lecture for example in EXAMPLES for lecture in example.lectures})


# ---- what a lecture checks --------------------------------------------------------------------------


@dataclass(frozen=True)
class Lecture:
    """What ran: the code, and the numbers that it computed, each with the rtol of its check."""

    sources: tuple[str, ...]
    computed: tuple[tuple[Any, float], ...]


def code_of(lecture: str) -> list[str]:
    (path,) = ROOT.glob(f"notebooks/{lecture}_*.ipynb")
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def played(sources: list[str], folder: Path) -> Lecture:
    """Run a lecture's code cells in one fresh process, and note which numbers its checks found right."""
    path = folder / "checks.jsonl"
    path.touch()
    outcomes = run([lectures.recorder(path), *sources], folder, limit=600)
    assert not outcomes[0].error, outcomes[0].error
    return found_right(sources, lectures.recorded(path))


def found_right(sources: list[str], calls: list[lectures.Call]) -> Lecture:
    compiled = [TransformerManager().transform_cell(source).rstrip("\n") for source in sources]  # magics made calls
    found = []
    for source, line, expected, rtol in calls:
        cell = compiled.index(source)
        names = written_down(sources[: cell + 1])
        found += [(part, rtol) for part in computed_part(actual_of(sources[cell], line), expected, names)]
    return Lecture(tuple(sources), tuple(found))


@functools.cache
def lecture_of(lecture: str) -> Lecture:
    """Return what the one run of this lecture gave; test_notebooks.py uses the same run."""
    (path,) = ROOT.glob(f"notebooks/{lecture}_*.ipynb")
    return found_right(code_of(lecture), lectures.run(path).calls)


def tree_of(source: str) -> ast.Module:
    return ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE))


def actual_of(source: str, line: int) -> ast.expr:
    """The first argument of the check_value call at this line."""
    calls = [node for node in ast.walk(tree_of(source)) if isinstance(node, ast.Call) and node.args]
    here = [c for c in calls if ast.unparse(c.func).endswith("check_value") and c.lineno <= line <= (c.end_lineno or 0)]
    assert here, f"no check_value at line {line} of:\n{source}"
    return here[-1].args[0]


def computed_part(actual: ast.expr, expected: Any, names: set[str]) -> Iterator[Any]:
    """What is left of the expected numbers without those whose actual is written down; nothing, or one thing."""
    if isinstance(actual, ast.List | ast.Tuple) and not any(isinstance(e, ast.Starred) for e in actual.elts):
        left = [number for entry, number in zip(actual.elts, expected) if not is_literal(entry, names)]
        yield from [left] if left else []
    elif not is_literal(actual, names):
        yield expected


BARE = re.compile(r"((np|jnp)\.(array|asarray|float32|float64)|float|int|list|tuple|dict)$")
"""Calls that only wrap what is written down."""


def is_literal(node: ast.expr, names: set[str]) -> bool:
    """Return whether the expression is written-out numbers, perhaps under a name."""
    match node:
        case ast.Constant():
            return True
        case ast.Name():
            return node.id in names
        case ast.UnaryOp(operand=inner) | ast.Subscript(value=inner) | ast.Starred(value=inner):
            return is_literal(inner, names)
        case ast.List(elts=entries) | ast.Tuple(elts=entries) | ast.Dict(values=entries):
            return all(is_literal(entry, names) for entry in entries)
        case ast.Call(func=function, args=args, keywords=keywords) if BARE.match(ast.unparse(function)):
            return all(is_literal(arg, names) for arg in [*args, *(k.value for k in keywords if k.arg != "dtype")])
    return False


def written_down(sources: list[str]) -> set[str]:
    """The names that hold nothing but what is written there, after these cells."""
    names: set[str] = set()
    for source in sources:
        for node in tree_of(source).body:
            for target, value in assignments(node):
                literal = value is not None and is_literal(value, names)
                names = names | {target} if literal else names - {target}
    return names


def assignments(statement: ast.stmt) -> Iterator[tuple[str, ast.expr | None]]:
    """(name, what it gets) for each name that the statement stores; None where that is not plain to see."""
    plain = isinstance(statement, ast.Assign) and len(statement.targets) == 1
    if plain and isinstance(statement.targets[0], ast.Name):
        yield statement.targets[0].id, statement.value
    elif plain and isinstance(statement.targets[0], ast.Tuple) and isinstance(statement.value, ast.Tuple):
        for target, value in zip(statement.targets[0].elts, statement.value.elts):
            yield ast.unparse(target), value
    else:
        stored = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
        yield from ((node.id, None) for node in stored if isinstance(node.ctx, ast.Store))


# ---- what is missing --------------------------------------------------------------------------------


def same(one: Any, other: Any) -> bool:
    a, b = np.squeeze(np.asarray(one, dtype=float)), np.squeeze(np.asarray(other, dtype=float))
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-9, atol=0)


def literals(source: str) -> Iterator[Any]:
    """Everything that is written down: numbers, lists, the keywords of a call, its last positional arguments."""
    for node in ast.walk(tree_of(source)):
        if isinstance(node, ast.Call):
            positional = [written(arg) for arg in node.args]
            yield from (tuple(positional[k:]) for k in range(len(positional)) if None not in positional[k:])
            yield {k.arg: value for k in node.keywords if (value := written(k.value)) is not None}
        if isinstance(node, ast.expr) and (value := written(node)) is not None:
            yield list(value) if isinstance(value, tuple) else value


def written(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None


def missing(lecture: str, ran: Lecture) -> list[str]:
    """What the table has for this lecture, and the lecture does not compute or start from."""
    there = [value for source in ran.sources for value in literals(source)]
    found = []
    for example in (example for example in EXAMPLES if lecture in example.lectures):
        found += [f"{example.name}: {start} is not in the code" for start in example.given if start not in there]
        for label, number in example.numbers.items():
            if not any(same(number, value) and rtol <= example.about for value, rtol in ran.computed):
                found.append(f"{example.name}: {label} = {number} is not computed")
    return found


@pytest.mark.parametrize("lecture", LECTURES)
def test_the_lecture_computes_its_numbers(lecture: str) -> None:
    told = missing(lecture, lecture_of(lecture))
    assert not told, "\n".join(told)


# ---- faults that must be found ----------------------------------------------------------------------


FAULTS = {
    "the number is another": ('-12.0, name="f")', '-13.0, name="f")', "f = (x+y)z: f = -12"),
    "so is what is computed": (
        "Multiply(), 5.0, 2.0, 3.0), [15.0, 10.0]",
        "Multiply(), 5.0, 2.0, 4.0), [20.0, 10.0]",
        "patterns: multiply = [15, 10]",
    ),
    "it starts from something else": (
        "Multiply(), 5.0, 2.0, 3.0)",
        "Multiply(), 5.0, 2.0, 3.0 + 0.0)",
        "patterns: (5, 2, 3)",
    ),
    "it is written down twice": (
        "check_value(graph.forward(x=-2.0, y=5.0, z=-4.0), -12.0",
        "check_value(-12.0, -12.0",
        "f = (x+y)z: f = -12",
    ),
    "it has a name": (
        "assert check_value(circuit.forward(x=3.0, y=-4.0, z=2.0, w=-1.0), -20.0",
        "minus_twenty = np.array(-20.0)\nassert check_value(minus_twenty, -20.0",
        "circuit: f = -20",
    ),
    "it was computed once": (
        "wire_values = [wire.value for wire in neuron_wires]",
        "wire_values = [0.7311, 1.3679, 0.3679, -1.0, 1.0]",
        "sigmoid neuron, gate by gate: values",
    ),
    "it is only printed": (
        "assert check_value(staged.output.value, 1.5456",
        "print(staged.output.value, 1.5456",
        "staged: f = 1.5456",
    ),
    "the check is too lenient": (
        'dx, [0.3932, -0.5898], name="dx", rtol=1e-3',
        "dx, [0.3932, -0.5898], rtol=0.5",
        "sigmoid neuron: dx",
    ),
}


def apart() -> list[list[str]]:
    """The faults, in as few lots as have at most one in each cell: each lot is planted in one copy of the lecture."""
    lots: list[dict[int, str]] = []
    for name, (before, _, _) in FAULTS.items():
        (cell,) = [number for number, source in enumerate(code_of("01")) if before in source]
        lot = next((lot for lot in lots if cell not in lot), None)
        if lot is None:
            lots.append(lot := {})
        lot[cell] = name
    return [list(lot.values()) for lot in lots]


@pytest.mark.parametrize("lot", apart(), ids=len)
def test_planted_faults_are_found(lot: list[str], tmp_path: Path) -> None:
    sources = code_of("01")
    for before, after, _ in map(FAULTS.__getitem__, lot):
        sources = [source.replace(before, after) for source in sources]
    new = set(missing("01", played(sources, tmp_path))) - set(missing("01", lecture_of("01")))
    for name in lot:
        assert any(told.startswith(FAULTS[name][2]) for told in new), (name, new)
