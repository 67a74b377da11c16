"""The `nnkit` command: where only nnkit is installed, where a package adds verbs, and where all are installed."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points, requires
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from helpers.paths import ROOT
from nnkit import cli, plugins
from nnkit.korean import choose_particles
from nnkit.language import speaking

OWN_VERBS = {"check", "doctor", "lab", "start"}
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


def run(python: Path, *words: str, cwd: Path = ROOT) -> tuple[int, str, str]:
    done = subprocess.run([python, "-m", "nnkit.cli", *words], cwd=cwd, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def verbs_in(page: str) -> set[str]:
    """Return the verbs that a help page lists."""
    listed = page.partition("  VERB\n")[2].partition("\noptions:")[0]
    return {line.split()[0] for line in listed.splitlines() if line.startswith("    ") and line[4] != " "}


def test_nnkit_alone_has_its_own_verbs(python: Path) -> None:
    code, page, _ = run(python, "--help")
    assert (code, verbs_in(page)) == (0, OWN_VERBS)


@pytest.mark.parametrize(
    ("verb", "distribution", "folders"),
    [("autograde", "nnkit-grader", ["grader"]), ("receipt", "nnkit-hub", ["grader", "hub"])],
)
def test_a_verb_of_a_package_that_is_not_installed_says_how_to_install_it_from_the_clone(
    python: Path, verb: str, distribution: str, folders: list[str], tmp_path: Path
) -> None:
    start = f"nnkit: `nnkit {verb}` is part of {distribution}, which is not installed: pip install "
    assert run(python, verb, "ps1", cwd=ROOT) == (2, "", f"{start}{' '.join(f'-e ./{one}' for one in folders)}\n")
    elsewhere = " ".join(f"-e {ROOT / one}" for one in folders)
    assert run(python, verb, "ps1", cwd=tmp_path) == (2, "", f"{start}{elsewhere}\n")
    assert all((ROOT / one / "pyproject.toml").is_file() for one in folders)


def test_a_library_with_an_extra_is_installed_from_the_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert plugins.find_install_command("nnkit[learn]") == "pip install -e '.[learn]'"
    assert plugins.find_install_command("nnkit-grader[cluster]") == "pip install -e './grader[cluster]'"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "__file__", str(tmp_path / "site-packages" / "nnkit" / "plugins.py"))
    assert plugins.find_install_command("nnkit[learn]") == "pip install 'nnkit[learn]'"


def test_an_unknown_verb_is_refused(python: Path) -> None:
    code, out, error = run(python, "autograd")
    assert (code, out) == (2, "")
    assert "invalid choice: 'autograd'" in error


def test_a_library_that_is_not_installed_is_named(python: Path) -> None:
    code, out, error = run(python, "check", str(ROOT / "assignments/ps1/ps1.ipynb"))
    assert (code, out) == (2, "")
    assert error.startswith("nnkit: ")
    assert error.endswith(" is not installed: pip install -e '.[learn]'\n")
    assert error.count("\n") == 1


@pytest.fixture
def plugin(python: Path) -> Iterator[Path]:
    """A package with a verb, installed beside nnkit; the path of its module."""
    packages = site_packages(python.parents[1])
    facts = packages / "greetings-1.0.dist-info"
    facts.mkdir(exist_ok=True)
    (packages / "greetings.py").write_text(PLUGIN)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: greetings\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[nnkit.commands]\ngreetings = greetings:add_commands\n")
    yield packages / "greetings.py"
    (facts / "entry_points.txt").unlink()


def test_a_plugin_adds_its_verb(python: Path, plugin: Path) -> None:
    _, page, _ = run(python, "--help")
    assert verbs_in(page) == {*OWN_VERBS, "greet-class"}
    assert "greet a class by its name\n" in page
    assert "\nGreet a class by its name.\n" in run(python, "greet-class", "--help")[1]
    assert run(python, "greet-class", "ps1") == (7, "hello ps1\n", "")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import nnkit_absent\n", "ModuleNotFoundError: No module named 'nnkit_absent'"),
        ("from nnkit.cli import absent\n", "ImportError: cannot import name 'absent' from "),
        ("", "AttributeError: module 'greetings' has no attribute 'add_commands'"),
    ],
)
def test_a_plugin_that_cannot_be_imported_breaks_no_other_verb(
    python: Path, plugin: Path, text: str, error: str
) -> None:
    plugin.write_text(text)
    code, page, complaint = run(python, "--help")
    assert (code, verbs_in(page)) == (0, OWN_VERBS)
    assert complaint.startswith(f"nnkit: the commands of greetings are left out ({error}")
    assert complaint.endswith("): pip install greetings\n")
    assert complaint.count("\n") == 1
    (line,) = [line for line in run(python, "doctor")[1].splitlines() if line[9:].startswith("commands")]
    assert line.startswith("missing  commands")
    assert f"greetings has an error: {error}" in line


def test_every_verb_of_another_package_is_known_by_its_distribution() -> None:
    added = {}
    for plugin in entry_points(group=plugins.COMMANDS_GROUP):
        verbs = argparse.ArgumentParser().add_subparsers()
        plugin.load()(verbs)
        added |= dict.fromkeys(verbs.choices, plugin.dist.name)
    assert added == plugins.VERBS_ELSEWHERE
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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["hub", "--port", "99999999"], "argument --port: '99999999' is not a whole number from 1 to 65535"),
        (["hub", "--port", "0"], "argument --port: '0' is not a whole number from 1 to 65535"),
        (["hub", "--port", "http"], "argument --port: 'http' is not a whole number from 1 to 65535"),
        (["demo-class", "ps1", "-n", "-3"], "argument -n/--number: '-3' is not a whole number of at least 1"),
        (["demo-class", "ps1", "-n", "0"], "argument -n/--number: '0' is not a whole number of at least 1"),
        (["demo", "-n", "2.5"], "argument -n/--number: '2.5' is not a whole number of at least 1"),
        (["autograde", "ps1", "-j", "0"], "argument -j/--jobs: '0' is not a whole number of at least 1"),
        (["autograde", "ps1", "--seed", "-1"], "argument --seed: '-1' is not a whole number of at least 0"),
        *(
            (
                ["roster", "extend", "ada", "ps1", "--course", ".", "--days", days],
                f"--days: '{days}' is not a number from",
            )
            for days in ("nan", "inf", "1e9", "two")
        ),
    ],
)
def test_a_number_out_of_bounds_is_refused_with_its_bounds(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_numbers_within_the_bounds_are_taken() -> None:
    assert [cli.make_number_type(1, 65535)(text) for text in ("1", "65535")] == [1, 65535]
    assert cli.make_number_type(-1, 1, whole=False)("-0.5") == -0.5


def test_a_file_that_cannot_be_opened_is_named_without_the_systems_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, reason in ((tmp_path / "nosuch.json", "no such file or directory"), (tmp_path, "is a directory")):
        assert cli.main(["receipt", str(path)]) == 2
        assert capsys.readouterr() == ("", f"nnkit: {path}: {reason}.\n")


def test_a_command_is_named_as_the_shell_finds_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After `make`, the environment is not activated."""
    environment = tmp_path / "my env" / "bin"
    environment.mkdir(parents=True)
    for name in ("python", "nnkit"):
        (environment / name).write_text("#!/bin/sh\n")
        (environment / name).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(environment / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert plugins.find_own_command() == f"'{environment / 'nnkit'}'"
    monkeypatch.setenv("PATH", str(environment))
    assert plugins.find_own_command() == "nnkit"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "nosuch.ipynb"], "nnkit: 파일 nosuch.ipynb이(가) 없습니다."),
        (["lab", "nosuch"], "nnkit: nosuch에 강의가 없습니다. `nnkit start nosuch`로 그곳에 강의를 놓을 수 있습니다."),
        (["start", "file"], "nnkit: file은(는) 폴더가 아닙니다."),
        (["receipt", "nosuch.json"], "nnkit: nosuch.json: 그런 파일이나 폴더가 없습니다."),
        (["receipt", "file"], "nnkit: file은(는) 제출의 접수증이 아닙니다."),
        (["receipt"], "nnkit: 접수증을 지정하세요."),
    ],
)
def test_wrong_use_is_said_in_the_readers_language(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    with speaking("ko"):
        assert cli.main(words) == 2
        assert capsys.readouterr().err.startswith(choose_particles(said))
