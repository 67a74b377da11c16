"""The building's one rule: a module imports from its own floor or from below, and never in a circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import nnkit

ROOT = Path(nnkit.__file__).parent
FLOORS = (
    ("arrays", "numerical", "gates", "graphtext", "graph", "jacobian"),
    ("mlp", "train", "jax_path", "data"),
    ("check",),
    ("view",),
    ("grading",),
    ("hub",),
    ("cli", "doctor"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def sources() -> dict[str, str]:
    """Every module of the package by its dotted name, with its text."""
    return {module_name(path): path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}


def module_name(path: Path) -> str:
    parts = ["nnkit", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(name: str, text: str, texts: dict[str, str]) -> set[str]:
    """The package's modules that the module `name` imports, anywhere in its text."""
    found: set[str] = set()
    for statement in ast.walk(ast.parse(text)):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            origin = _origin(name, statement, texts)
            found |= {_module(f"{origin}.{alias.name}", origin, texts) for alias in statement.names}
    return {module for module in found if module.split(".")[0] == "nnkit"} - {name}


def _module(dotted: str, origin: str, texts: dict[str, str]) -> str:
    is_room = dotted.split(".")[0] == "nnkit" and dotted.split(".")[1] in FLOOR and dotted.count(".") == 1
    return dotted if dotted in texts or is_room else origin


def _origin(name: str, statement: ast.ImportFrom, texts: dict[str, str]) -> str:
    if not statement.level:
        return statement.module or ""
    is_package = any(other.startswith(f"{name}.") for other in texts)
    package = name.split(".")[: None if is_package and statement.level == 1 else is_package - statement.level]
    return ".".join([*package, *filter(None, [statement.module])])


def floor_of(module: str) -> int:
    """A module's floor; the front door (`nnkit` itself) opens on all of them, so it counts as the top."""
    return FLOOR[module.split(".")[1]] if "." in module else len(FLOORS) - 1


def faults(texts: dict[str, str]) -> list[str]:
    """A sentence for each import of a higher floor, and one for a circle."""
    needs = {name: imported(name, text, texts) for name, text in texts.items() if name != "nnkit"}
    upward = [
        f"{name} (floor {floor_of(name)}) imports {other} (floor {floor_of(other)})"
        for name, others in needs.items()
        for other in sorted(others)
        if floor_of(other) > floor_of(name)
    ]
    return upward + _circles(needs)


def _circles(needs: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as circle:
        return ["a circle: " + " → ".join(circle.args[1])]
    return []


def test_every_module_has_a_floor() -> None:
    rooms = {name.split(".")[1] for name in sources() if name != "nnkit"}
    assert rooms <= set(FLOOR)
    assert set(FLOORS[0]) <= rooms


def test_imports_run_downwards() -> None:
    assert faults(sources()) == []


@pytest.mark.parametrize(
    ("module", "planted", "sentence"),
    [
        ("nnkit.arrays", "import nnkit.view", "nnkit.arrays (floor 0) imports nnkit.view (floor 3)"),
        ("nnkit.arrays", "import nnkit", "nnkit.arrays (floor 0) imports nnkit (floor 6)"),
        ("nnkit.graph", "from nnkit import check", "nnkit.graph (floor 0) imports nnkit.check (floor 2)"),
        ("nnkit.graph", "from nnkit import Gate", "nnkit.graph (floor 0) imports nnkit (floor 6)"),
        ("nnkit.graph", "from .cli import main", "nnkit.graph (floor 0) imports nnkit.cli (floor 6)"),
        ("nnkit.gates.base", "from ..cli import main", "nnkit.gates.base (floor 0) imports nnkit.cli (floor 6)"),
        ("nnkit.gates", "from ..cli import main", "nnkit.gates (floor 0) imports nnkit.cli (floor 6)"),
        ("nnkit.gates.base", "def late():\n    from nnkit_grader import course", "imports nnkit_grader"),
        ("nnkit.arrays", "from nnkit.gates.base import Gate", "a circle: "),
        ("nnkit.gates.base", "from . import layers", "a circle: "),
    ],
)
def test_a_planted_fault_is_caught(module: str, planted: str, sentence: str) -> None:
    texts = sources()
    texts[module] += f"\n{planted}\n"
    assert any(sentence in fault for fault in faults(texts))


def test_the_front_door_loads_nothing_heavy() -> None:
    heavy = {"jax", "matplotlib", "networkx", "IPython", "ipywidgets", "nbgrader", "scipy"}
    program = "import sys, nnkit; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "numpy" in done.stdout.split()
    assert not heavy & set(done.stdout.split())


def test_a_graph_runs_and_is_told_without_matplotlib_and_jax() -> None:
    program = """
import sys
from nnkit import Graph
graph = Graph()
x, y = graph.inputs(x=2.0, y=[1.0, 3.0])
(x * y @ y).named("f")
graph.backward()
assert "<svg" in graph.draw() and str(graph)
assert not {"jax", "matplotlib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
