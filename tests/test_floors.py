"""The building's one rule: a module imports from its own floor or from below, and never in a circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from helpers.paths import ROOT

PACKAGES = {"nnkit": ROOT / "nnkit", "nnkit_grader": ROOT / "grader/nnkit_grader", "nnkit_hub": ROOT / "hub/nnkit_hub"}
FLOORS = """
hub       nnkit_hub.cli
          nnkit_hub.demo
          nnkit_hub.config nnkit_hub.kubernetes nnkit_hub.roster_commands
          nnkit_hub.people
          nnkit_hub.authenticators
          nnkit_hub.roster_watch
          nnkit_hub.course_page nnkit_hub.exchange nnkit_hub.roster nnkit_hub.servers nnkit_hub.services
          nnkit_hub.backup nnkit_hub.links nnkit_hub.lectures nnkit_hub.proxy nnkit_hub.reports nnkit_hub.site
          nnkit_hub.roles nnkit_hub.die_with_parent nnkit_hub
grader    nnkit_grader.cli
          nnkit_grader.demo nnkit_grader.nbgrader_plugin
          nnkit_grader.autograde nnkit_grader.report nnkit_grader.verify
          nnkit_grader.run
          nnkit_grader.workers
          nnkit_grader.examiner
          nnkit_grader.intake nnkit_grader.sandbox nnkit_grader.record nnkit_grader.conversations
          nnkit_grader.translation
          nnkit_grader.course nnkit_grader.rpc nnkit_grader.sanitize nnkit_grader.compat nnkit_grader
command   nnkit.cli nnkit.course_folder nnkit.doctor nnkit.plugins nnkit
view      nnkit.view
          nnkit.view.explorers
          nnkit.view.figures
          nnkit.view.drawing nnkit.view.errors nnkit.view.scripts
check     nnkit.check nnkit.check.notebook nnkit.guesses
          nnkit.check.api
          nnkit.check.forms
          nnkit.check.pipeline
          nnkit.check.rendering
          nnkit.check.diagnosis
          nnkit.check.evidence
          nnkit.check.verdict nnkit.check.error_map nnkit.check.context nnkit.check.remote
networks  nnkit.mlp nnkit.train nnkit.data nnkit.jax_path
          nnkit.atomic_files nnkit.korean nnkit.language nnkit.own_lines nnkit.rebinding nnkit.streams nnkit.text
maths     nnkit.graph nnkit.graphtext nnkit.jacobian nnkit.gates nnkit.numerical nnkit.arrays nnkit.renderers
"""
"""Rooms, a floor a line, the top one first; CONTRIBUTING.md quotes this table. A module belongs to the room with the
longest name that its own begins with."""

FLOOR = {
    room: floor for floor, line in enumerate(reversed(FLOORS.strip("\n").splitlines())) for room in line[10:].split()
}


def sources() -> dict[str, str]:
    """Return the text of every module of the packages by its dotted name."""
    return {
        module_name(package, path): path.read_text(encoding="utf-8")
        for package, folder in PACKAGES.items()
        for path in sorted(folder.rglob("*.py"))
    }


def module_name(package: str, path: Path) -> str:
    parts = [package, *path.relative_to(PACKAGES[package]).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def find_imports(text: str) -> list[ast.Import | ast.ImportFrom]:
    """Return the import statements anywhere in a module's text."""
    return [statement for statement in ast.walk(ast.parse(text)) if isinstance(statement, ast.Import | ast.ImportFrom)]


def imported(name: str, text: str, texts: dict[str, str]) -> set[str]:
    """Return the packages' modules that the module `name` imports, anywhere in its text."""
    found: set[str] = set()
    for statement in find_imports(text):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        else:
            origin = _origin(name, statement, texts)
            found |= {_module(f"{origin}.{alias.name}", origin, texts) for alias in statement.names}
    return {module for module in found if module.split(".")[0] in PACKAGES} - {name}


def _module(dotted: str, origin: str, texts: dict[str, str]) -> str:
    return dotted if dotted in texts or dotted in FLOOR else origin


def _origin(name: str, statement: ast.ImportFrom, texts: dict[str, str]) -> str:
    if not statement.level:
        return statement.module or ""
    is_package = any(other.startswith(f"{name}.") for other in texts)
    package = name.split(".")[: None if is_package and statement.level == 1 else is_package - statement.level]
    return ".".join([*package, *filter(None, [statement.module])])


def room_of(module: str) -> str:
    """Return the room that a module belongs to; the front door of each package is a room of its own."""
    parts = module.split(".")
    beginnings = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next(name for name in beginnings if name in FLOOR and (name == module or name not in PACKAGES))


def faults(texts: dict[str, str]) -> list[str]:
    """Return a sentence for each import of a higher floor, and one for a circle of modules or of rooms."""
    needs = {name: imported(name, text, texts) for name, text in texts.items()}
    upward = [
        f"{name} (floor {FLOOR[room_of(name)]}) imports {other} (floor {FLOOR[room_of(other)]})"
        for name, others in needs.items()
        for other in sorted(others)
        if FLOOR[room_of(other)] > FLOOR[room_of(name)]
    ]
    # The front door opens on what lies below, lazily: its own imports close no circle.
    inner = {name: others for name, others in needs.items() if name not in PACKAGES}
    rooms: dict[str, set[str]] = {}
    for name, others in inner.items():
        rooms.setdefault(room_of(name), set()).update({room_of(other) for other in others} - {room_of(name)})
    return upward + _circles(inner) + _circles(rooms)


def _circles(needs: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as circle:
        return ["a circle: " + " → ".join(circle.args[1])]
    return []


def test_every_module_has_a_room_and_every_room_a_module() -> None:
    assert {room_of(name) for name in sources()} == set(FLOOR)


def test_contributing_quotes_the_floors() -> None:
    assert FLOORS in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_imports_run_downwards() -> None:
    assert faults(sources()) == []


@pytest.mark.parametrize(
    ("module", "planted", "sentence"),
    [
        ("nnkit.arrays", "import nnkit.view", "nnkit.arrays (floor 0) imports nnkit.view (floor 14)"),
        ("nnkit.arrays", "import nnkit", "nnkit.arrays (floor 0) imports nnkit (floor 15)"),
        ("nnkit.graph", "from nnkit import check", "nnkit.graph (floor 0) imports nnkit.check (floor 10)"),
        ("nnkit.graph", "from nnkit import Gate", "nnkit.graph (floor 0) imports nnkit (floor 15)"),
        ("nnkit.graph", "from .cli import main", "nnkit.graph (floor 0) imports nnkit.cli (floor 15)"),
        ("nnkit.gates.base", "from ..cli import main", "nnkit.gates.base (floor 0) imports nnkit.cli (floor 15)"),
        ("nnkit.gates", "from ..cli import main", "nnkit.gates (floor 0) imports nnkit.cli (floor 15)"),
        ("nnkit.cli", "def late():\n    from nnkit_grader import cli", "imports nnkit_grader.cli"),
        ("nnkit_grader.intake.submission", "from nnkit_hub.roles import page", "imports nnkit_hub.roles"),
        ("nnkit_grader.sanitize.text", "from nnkit_grader.intake import submission", "imports nnkit_grader.intake"),
        ("nnkit.check.verdict", "from nnkit.check.api.gate_checks import check_value", "imports nnkit.check.api"),
        ("nnkit.arrays", "from nnkit.gates.base import Gate", "a circle: "),
        ("nnkit.gates.base", "from . import layers", "a circle: "),
        ("nnkit.gates.arithmetic", "from nnkit.graph import Graph", "a circle: nnkit.gates → "),
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
