"""The `nnkit` command: where only nnkit is installed, where a package adds verbs, and where all are installed."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.metadata import entry_points, requires
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from helpers.paths import ROOT
from nnkit import cli

OWN_VERBS = {"check", "doctor"}
PLUGIN = '''
def add_commands(verbs):
    from nnkit.cli import add_verb
    add_verb(verbs, greet_class).add_argument("name")

def greet_class(args):
    """Greet a class by its name."""
    print(f"hello {args.name}")
    return 7
'''


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has nnkit and NumPy, and no other package."""
    place = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    packages = site_packages(place)
    (packages / "nnkit.pth").write_text(f"{ROOT}\n")
    numpy = Path(np.__file__).parent
    for path in (numpy, numpy.with_name("numpy.libs")):
        if path.exists():
            (packages / path.name).symlink_to(path)
    return place / "bin" / "python"


def site_packages(place: Path) -> Path:
    (packages,) = place.glob("lib/python*/site-packages")
    return packages


def run(python: Path, *words: str) -> tuple[int, str, str]:
    done = subprocess.run([python, "-m", "nnkit.cli", *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def verbs_in(page: str) -> set[str]:
    """Return the verbs that a help page lists."""
    listed = page.partition("  VERB\n")[2].partition("\noptions:")[0]
    return {line.split()[0] for line in listed.splitlines() if line.startswith("    ") and line[4] != " "}


def test_nnkit_alone_has_its_own_verbs(python: Path) -> None:
    code, page, _ = run(python, "--help")
    assert (code, verbs_in(page)) == (0, OWN_VERBS)


@pytest.mark.parametrize(("verb", "wanted"), [("autograde", "nnkit-grader"), ("receipt", "nnkit-hub")])
def test_a_verb_of_a_package_that_is_not_installed_says_what_to_install(python: Path, verb: str, wanted: str) -> None:
    sentence = f"nnkit: `nnkit {verb}` is part of {wanted}, which is not installed: pip install {wanted}\n"
    assert run(python, verb, "ps1") == (2, "", sentence)


def test_an_unknown_verb_is_refused(python: Path) -> None:
    code, out, error = run(python, "autograd")
    assert (code, out) == (2, "")
    assert "invalid choice: 'autograd'" in error


def test_a_library_that_is_not_installed_is_named(python: Path) -> None:
    code, out, error = run(python, "check", str(ROOT / "assignments/ps1/ps1.ipynb"))
    assert (code, out) == (2, "")
    assert error.startswith("nnkit: ")
    assert error.endswith(" is not installed: pip install 'nnkit[learn]'\n")
    assert error.count("\n") == 1


def test_a_plugin_adds_its_verb(python: Path) -> None:
    packages = site_packages(python.parents[1])
    (packages / "greetings.py").write_text(PLUGIN)
    facts = packages / "greetings-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: greetings\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[nnkit.commands]\ngreetings = greetings:add_commands\n")
    try:
        _, page, _ = run(python, "--help")
        assert verbs_in(page) == {*OWN_VERBS, "greet-class"}
        assert "greet a class by its name\n" in page
        assert "\nGreet a class by its name.\n" in run(python, "greet-class", "--help")[1]
        assert run(python, "greet-class", "ps1") == (7, "hello ps1\n", "")
    finally:
        (facts / "entry_points.txt").unlink()


def test_every_verb_of_another_package_is_known_by_its_distribution() -> None:
    added = {}
    for plugin in entry_points(group=cli.COMMANDS_GROUP):
        verbs = argparse.ArgumentParser().add_subparsers()
        plugin.load()(verbs)
        added |= dict.fromkeys(verbs.choices, plugin.dist.name)
    assert added == cli.VERBS_ELSEWHERE
    assert cli.build_parser()[1] == {*OWN_VERBS, *added}


def test_installing_nnkit_brings_numpy_alone() -> None:
    requirements = [Requirement(text) for text in requires("nnkit") or []]
    assert {r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})} == {"numpy"}


def test_importing_nnkit_loads_nothing_but_numpy_and_the_standard_library(python: Path) -> None:
    program = (
        "import sys, nnkit, nnkit.cli; "
        "print(*sorted({n.partition('.')[0] for n in sys.modules} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    assert {name for name in done.stdout.split() if not name.startswith("_")} == {"nnkit", "numpy"}
