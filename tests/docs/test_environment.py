"""Dependencies are declared once, in the pyproject.toml of a package; what repeats them says the same."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import nnkit
from helpers.paths import ROOT
from nnkit_hub.servers import LEARNER, render_settings

PACKAGES = {"nnkit": "pyproject.toml", "nnkit-grader": "grader/pyproject.toml", "nnkit-hub": "hub/pyproject.toml"}
REPEATED = {"nnkit": ("learn",), "nnkit-grader": ()}
"""The packages whose dependencies environment.yml repeats, each with its extras."""
CONDA = {"msgpack-python": "msgpack"}
"""What has another name there."""
LOCKED = {"nnkit": ("learn", "site", "dev"), "nnkit-grader": ("postgres", "cluster"), "nnkit-hub": ()}
"""The packages whose dependencies requirements.lock pins, each with its extras."""

Projects = dict[str, dict[str, Any]]
"""Name of a package → the table [project] of its pyproject.toml."""


@pytest.fixture
def projects() -> Projects:
    texts = {name: (ROOT / path).read_text(encoding="utf-8") for name, path in PACKAGES.items()}
    return {name: tomllib.loads(text)["project"] for name, text in texts.items()}


@pytest.fixture
def environment() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


@pytest.fixture
def lock() -> list[str]:
    return (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()


def parsed(lines: Iterable[str]) -> dict[str, SpecifierSet]:
    """Return the versions that fit by name, without the course's own packages."""
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): r.specifier for r in requirements if r.name not in PACKAGES}


def declared(projects: Projects, wanted: Mapping[str, Iterable[str]]) -> dict[str, SpecifierSet]:
    """Return what packages need together, given the extras of each; where two need the same, both specifiers count."""
    found: dict[str, SpecifierSet] = {}
    for package, extras in wanted.items():
        project = projects[package]
        extra_lines = [line for extra in extras for line in project["optional-dependencies"][extra]]
        for name, versions in parsed([*project["dependencies"], *extra_lines]).items():
            found[name] = found.get(name, SpecifierSet()) & versions
    return found


def drift(projects: Projects, environment: dict[str, Any]) -> list[str]:
    """Return a sentence for each difference between environment.yml and what the packages declare."""
    written = [line for line in environment["dependencies"] if isinstance(line, str)]
    lines = [re.sub(r"^[\w-]+", lambda name: CONDA.get(name[0], name[0]), line) for line in written]
    said = parsed(lines)
    wanted = declared(projects, REPEATED) | {"python": SpecifierSet(projects["nnkit"]["requires-python"])}
    faults = [f"{name} comes twice" for name in said if len([x for x in lines if name in parsed([x])]) > 1]
    for name in sorted(wanted.keys() | said.keys() - {"pip"}):
        if name not in said:
            faults.append(f"{name} is missing from environment.yml")
        elif name not in wanted:
            faults.append(f"{name} is in no pyproject.toml")
        elif said[name] != wanted[name]:
            faults.append(f"{name}: {said[name]} in environment.yml, {wanted[name]} in pyproject.toml")
    return faults


def unpinned(projects: Projects, lock: Iterable[str]) -> list[str]:
    """Return a sentence for each declared dependency that the lock file does not pin to a version that fits."""
    pins: dict[str, list[str]] = {}
    faults = []
    for line in filter(None, lock):
        requirement = Requirement(line)
        versions = [s.version for s in requirement.specifier if s.operator == "=="]
        if len(versions) != 1:
            faults.append(f"{line} is no pin")
        pins.setdefault(canonicalize_name(requirement.name), []).extend(versions)
    for name, wanted in sorted(declared(projects, LOCKED).items()):
        if name not in pins:
            faults.append(f"{name} is not pinned")
        faults += [f"{name}=={pin} does not fit {wanted}" for pin in pins.get(name, []) if not wanted.contains(pin)]
    return faults


def test_conda_gets_what_the_packages_declare(projects: Projects, environment: dict[str, Any]) -> None:
    assert drift(projects, environment) == []
    assert environment["name"] == "nnkit"
    assert environment["channels"] == ["conda-forge"]
    assert {"pip": ["-e .", "-e ./grader"]} in environment["dependencies"]


def test_packages_and_extras_agree_on_the_versions_of_a_dependency(projects: Projects) -> None:
    said: dict[str, set[str]] = {}
    for project in projects.values():
        for lines in (project["dependencies"], *project.get("optional-dependencies", {}).values()):
            for name, versions in parsed(lines).items():
                said.setdefault(name, set()).add(str(versions))
    assert said["jax"] == {">=0.8"}  # the first with `jax.enable_x64`
    assert {name: versions for name, versions in said.items() if len(versions) > 1} == {}


def test_the_packages_are_of_one_version_and_need_one_another_in_it(projects: Projects) -> None:
    (version,) = {project["version"] for project in projects.values()}
    assert len({project["requires-python"] for project in projects.values()}) == 1
    own = {
        name: [line for line in project["dependencies"] if Requirement(line).name in PACKAGES]
        for name, project in projects.items()
    }
    assert own == {"nnkit": [], "nnkit-grader": [f"nnkit=={version}"], "nnkit-hub": [f"nnkit-grader=={version}"]}
    assert version == nnkit.__version__
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\n## {version} (" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_every_package_brings_the_license_of_the_code(projects: Projects) -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    start, end = text.index("Copyright (c)"), text.index("\n\nThe lessons:")
    for name, path in PACKAGES.items():
        (file,) = projects[name]["license-files"]
        assert text[start:end].strip() in (ROOT / path).with_name(file).read_text(encoding="utf-8")


def test_a_learner_installs_neither_grader_nor_hub(projects: Projects) -> None:
    learners = declared(projects, {"nnkit": ["learn"]})
    assert not learners.keys() & {"msgpack", "psycopg", "distributed", "jupyterhub", "cryptography", "nbgitpuller"}
    assert declared(projects, {"nnkit": []}).keys() == {"numpy"}


def test_the_lock_file_pins_every_dependency(projects: Projects, lock: list[str]) -> None:
    assert unpinned(projects, lock) == []
    assert not {Requirement(line).name for line in filter(None, lock)} & PACKAGES.keys()


EXTRAS_NAMED = re.compile(r"(?:\.(?:/(\w+))?|\b(nnkit(?:-\w+)?))\[([a-z][a-z,]*)\]")
"""`.[learn]`, `./grader[postgres,cluster]`, `nnkit-grader[cluster]`: folder or distribution, and extras."""


def named_extras(text: str) -> set[tuple[str, str]]:
    """Return each (distribution, extra) that a text names."""
    return {
        (distribution or "-".join(filter(None, ("nnkit", folder))), extra)
        for folder, distribution, extras in EXTRAS_NAMED.findall(text)
        for extra in extras.split(",")
    }


def test_reading_a_notebook_compiles_no_grammar() -> None:
    """A later jsonschema brings one, which costs more than all else that a command imports (pyproject.toml)."""
    loaded = "import nbformat, sys; print([name for name in ('lark', 'rfc3987_syntax') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_extra_that_the_course_names_exists(projects: Projects) -> None:
    existing = {(name, extra) for name, one in projects.items() for extra in one.get("optional-dependencies", {})}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    texts = {
        name: (ROOT / name).read_text(encoding="utf-8")
        for name in listed
        if Path(name).suffix in {".md", ".toml", ".py", ".yml", ".yaml", ""} and not name.startswith("tests/")
        if name != "CHANGELOG.md"
    }
    named = {name: named_extras(text) for name, text in texts.items()}
    assert named["docs/admin.md"] >= {("nnkit", "learn"), ("nnkit", "gpu"), ("nnkit-grader", "postgres")}
    assert {name: extras - existing for name, extras in named.items() if extras - existing} == {}
    assert named_extras("pip install -e '.[learn,grading]'") - existing == {("nnkit", "grading")}


def test_a_peer_of_the_benchmarks_is_pinned_and_in_no_other_extra(projects: Projects, lock: list[str]) -> None:
    peers = parsed(projects["nnkit"]["optional-dependencies"]["bench"])
    assert all(str(version).startswith("==") for version in peers.values())
    extras = {name: project.get("optional-dependencies", {}).keys() - {"bench"} for name, project in projects.items()}
    assert not peers.keys() & declared(projects, extras).keys()
    assert not peers.keys() & parsed(filter(None, lock)).keys()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("numpy>=2.0", "numpy>=1.26", "numpy: >=1.26 in environment.yml, >=2.0 in pyproject.toml"),
        ("numpy>=2.0", None, "numpy is missing from environment.yml"),
        ("numpy>=2.0", "numpy>=2.0 pandas", None),
        ("python>=3.11", "python>=3.10", "python: >=3.10 in environment.yml, >=3.11 in pyproject.toml"),
        ("python>=3.11", None, "python is missing from environment.yml"),
    ],
)
def test_planted_drift_is_caught(
    projects: Projects, environment: dict[str, Any], old: str, new: str | None, told: str | None
) -> None:
    lines = environment["dependencies"]
    lines.remove(old)
    lines += new.split() if new else []
    assert drift(projects, environment) == [told or "pandas is in no pyproject.toml"]


@pytest.mark.parametrize("package", REPEATED)
def test_planted_drift_on_the_other_side_is_caught(
    projects: Projects, environment: dict[str, Any], package: str
) -> None:
    changed = copy.deepcopy(projects)
    changed[package]["dependencies"].append("pandas>=2")
    assert drift(changed, environment) == ["pandas is missing from environment.yml"]


def test_planted_faults_in_the_lock_file_are_caught(projects: Projects, lock: list[str]) -> None:
    others = [line for line in lock if not line.startswith("numpy==")]
    assert unpinned(projects, others) == ["numpy is not pinned"]
    assert unpinned(projects, [*others, "numpy==1.26.4"]) == ["numpy==1.26.4 does not fit >=2.0"]
    assert unpinned(projects, [*others, "numpy>=2.0"]) == ["numpy>=2.0 is no pin"]


def test_make_alone_prints_every_target_with_a_line() -> None:
    make = shutil.which("make")
    assert make, "make is not installed"
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert phony
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run([make], cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    printed = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1:] for line in done.stdout.splitlines()}
    assert set(printed) == set(phony[1].split())
    assert all(printed.values())
    assert done.stderr == ""


SYSTEM_PACKAGES = {
    "chromium": "chromium",
    "bwrap": "bubblewrap",
    "git": "git",
    "pgrep": "procps",
    "fonts": "fonts-dejavu-core",
    "venv": "python3-venv",
}
"""What CI looks for, and the Debian package that it installs where that is missing."""


@pytest.mark.parametrize("here", [(), ("chromium",), ("chromium", "bwrap", "pgrep"), tuple(SYSTEM_PACKAGES)])
def test_ci_installs_each_package_that_is_missing(tmp_path: Path, here: tuple[str, ...]) -> None:
    programs, fonts = tmp_path / "bin", tmp_path / "fonts"
    programs.mkdir()
    fonts.mkdir()
    for tool in ("bash", "dirname", "id", "find", "grep"):
        (programs / tool).symlink_to(shutil.which(tool) or tool)
    stubs = {"make": "", "apt-get": 'echo "$@"', "sudo": '"$@"', "python3": f"exit {int('venv' not in here)}"}
    for name, body in {**stubs, **dict.fromkeys({*here} - {"fonts", "venv"}, "")}.items():
        (programs / name).write_text(f"#!{shutil.which('bash')}\n{body}\n")
        (programs / name).chmod(0o755)
    if "fonts" in here:
        (fonts / "DejaVuSans.ttf").touch()
    (tmp_path / ".ci").mkdir()
    script = (ROOT / ".ci" / "run").read_text().replace(">/dev/null\nfi", "\nfi")  # let apt-get's words through
    (tmp_path / ".ci" / "run").write_text(script)
    environ = {"PATH": str(programs), "FONTS": str(fonts)}
    done = subprocess.run(["bash", ".ci/run"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    installed = [line.split()[4:] for line in done.stdout.splitlines() if line.startswith("install")]
    missing = [package for name, package in SYSTEM_PACKAGES.items() if name not in here]
    assert installed == ([missing] if missing else [])


@pytest.mark.parametrize(
    ("others", "runs"),
    [
        ((), ["test"]),
        (("3.9", "3.12", "3.13"), ["test PYTHON={}/python3.13 VENV=.venv-3.13", "test"]),
        (("3.10",), ["test"]),
    ],
)
def test_ci_runs_the_newest_python_at_hand_as_well(tmp_path: Path, others: tuple[str, ...], runs: list[str]) -> None:
    for tool in ("bash", "dirname", "id", "find", "grep", "sort", "tail"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or tool)
    stubs = {"make": 'echo "make $@"', "python3": "echo 3.11", "apt-get": "", "sudo": "", "chromium": "", "bwrap": ""}
    stubs |= {f"python{version}": f"echo {version}" for version in others}
    for name, body in stubs.items():
        (tmp_path / name).write_text(f"#!{shutil.which('bash')}\n{body}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    environ = {"PATH": str(tmp_path)}
    done = subprocess.run(["bash", ".ci/run"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    made = [line.removeprefix("make ") for line in done.stdout.splitlines() if line.startswith("make ")]
    assert made == [run.format(tmp_path) for run in runs]


def test_what_runs_leave_behind_is_ignored() -> None:
    leavings = ["submitted/a/ps1/ps1.ipynb", "gradebook.db", "grades.csv", "demo_class_ps1.json", "build/demo/x"]
    done = subprocess.run(["git", "check-ignore", *leavings], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == leavings


README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readmes_example_prints_what_the_readme_shows() -> None:
    code, shown = re.search(r"^```python\n(.*?)^```\n\n```\n(.*?)^```$", README, re.DOTALL | re.MULTILINE).groups()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == shown


def test_the_readmes_drawing_is_what_the_library_draws() -> None:
    from nnkit import Graph
    from nnkit.view.drawing import svg

    graph = Graph()
    x, y, z = graph.inputs(x=-2.0, y=5.0, z=-4.0)
    ((x + y).named("q") * z).named("f")
    graph.backward()
    drawn = (ROOT / "docs" / "graph.svg").read_text(encoding="utf-8")
    assert drawn.rstrip("\n") == svg.svg(graph).rstrip("\n"), "nnkit.view draws it otherwise now: write it anew"


def test_make_lock_brings_its_own_uv() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-n", "lock"], cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    commands = [line.split()[0] for line in done.stdout.splitlines() if "uv" in line.split()]
    assert [line for line in done.stdout.splitlines() if " uv pip" in line] == []
    assert commands == [".venv/bin/pip"]
    assert ".venv/bin/uv pip compile" in done.stdout
    assert set(PACKAGES.values()) <= set(done.stdout.split())


def test_code_is_wrapped_alike_wherever_a_learner_opens_it() -> None:
    """JupyterLab reads one file with `make lab`, another with `--LabApp.app_settings_dir`, and a hub writes its own."""
    folder = ROOT / ".jupyter/learner/labconfig"
    settings = [(folder / name).read_text() for name in ("overrides.json", "default_setting_overrides.json")]
    settings.append(render_settings(LEARNER)["labconfig/default_setting_overrides.json"])
    assert all(json.loads(text) == json.loads(settings[0]) for text in settings)
