"""The tables of faults that benchmarks/planted_faults.py plants, and the command itself on a small repository."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from helpers.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import planted_faults
from planted_faults import Fault, Outcome

FAULTS = planted_faults.read_faults()
AREAS = {
    *("core", "check", "diagnosis", "messages", "explorers", "jax", "intake", "sandbox", "rpc", "examiner", "workers"),
    *("record", "report", "sanitize", "nbgrader_plugin", "release", "course", "exchange", "hub", "cli"),
}


def test_each_area_has_faults_and_each_fault_its_own_id() -> None:
    assert {fault.area for fault in FAULTS} == AREAS
    assert len(FAULTS) >= 60
    assert [name for name, count in Counter(fault.id for fault in FAULTS).items() if count > 1] == []


def find_trouble(fault: Fault) -> str:
    """Return why a fault cannot be planted, or ""."""
    path = ROOT / fault.path
    try:
        text = path.read_text(encoding="utf-8")
        faulty = planted_faults.faulty_text(fault, text)
        if path.suffix == ".py":
            ast.parse(faulty)
        if path.suffix == ".ipynb":
            json.loads(faulty)
    except (OSError, ValueError, SyntaxError) as error:
        return f"{type(error).__name__}: {error}"
    places = [word for word in fault.tests if word.startswith("tests/")]
    missing = [place for place in places if not (ROOT / place).exists()] or list_unknown_words(fault)
    return f"there is no {missing[0]}" if missing else "" if places and faulty != text else "it changes or runs nothing"


def list_unknown_words(fault: Fault) -> list[str]:
    """Return the words of a fault's -k expression that are in no test's name."""
    files, _, expression = " ".join(fault.tests).partition(" -k ")
    if not expression:
        return []
    names = [name for file in files.split() for name in re.findall(r"def (test_\w+)", (ROOT / file).read_text())]
    return [word for word in expression.split(" or ") if not any(word in name for name in names)]


def test_every_fault_can_be_planted() -> None:
    assert {fault.id: reason for fault in FAULTS if (reason := find_trouble(fault))} == {}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository with one function and its tests."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "double.py").write_text("def double(x):\n    return 2 * x\n")
    (tmp_path / "tests" / "test_small.py").write_text(
        "import sys\n"
        "import time\n"
        "sys.path.insert(0, '.')\n"
        "from double import double\n"
        "def test_double():\n"
        "    assert double(3) == 6\n"
        "def test_fails():\n"
        "    assert double(1) == 3\n"
        "def test_waits():\n"
        "    time.sleep(60 if double(3) != 6 else 0)\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("new", "expression", "status"),
    [
        ("3 * x", "test_double", "caught"),
        ("x + x", "test_double", "survived"),
        ("3 * x", "test_waits", "timeout"),
        ("x + x", "test_fails", "broken"),
        ("3 * x", "test_that_is_not_there", "broken"),
    ],
)
def test_the_outcome_of_a_fault(
    small: Path, monkeypatch: pytest.MonkeyPatch, new: str, expression: str, status: str
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # which would take two seconds a run
    before = (small / "double.py").read_text()
    fault = Fault("id", "area", "", "double.py", "2 * x", new, ("tests", "-k", expression))
    seconds = 1 if status == "timeout" else 60
    outcome = planted_faults.try_fault(fault, small, seconds)
    for again in planted_faults.unconfirmed([outcome], small, seconds):
        outcome = again
    assert outcome.status == status
    assert (small / "double.py").read_text() == before


@pytest.mark.parametrize(("path", "old"), [("double.py", "4 * x"), ("double.py", "x"), ("triple.py", "3 * x")])
def test_a_fault_whose_text_is_not_there_once_does_not_apply(small: Path, path: str, old: str) -> None:
    fault = Fault("id", "area", "", path, old, "0", ("tests",))
    assert planted_faults.try_fault(fault, small).status == "does not apply"
    assert not (small / "triple.py").exists()


def test_what_was_caught_before_must_be_caught_after(tmp_path: Path) -> None:
    before = [Outcome("a", "x", "caught"), Outcome("b", "x", "survived"), Outcome("c", "x", "caught")]
    planted_faults.write_results(tmp_path / "before.json", before)
    known = Fault("b", "x", "", "", "", "", (), survives="a second wall stands behind it")
    after = [Outcome("a", "x", "survived"), Outcome("b", "x", "survived")]
    figures = planted_faults.summarise([known], after, planted_faults.read_results(tmp_path / "before.json"))
    assert figures["lost"] == ["a"]
    assert (figures["faults"], figures["caught"], figures["unexpected"]) == (2, 0, ["a"])


def test_results_of_other_faults_stay(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    planted_faults.write_results(path, [Outcome("a", "x", "survived"), Outcome("b", "x", "caught")])
    planted_faults.write_results(path, [Outcome("a", "x", "caught")])
    assert {one.id: one.status for one in planted_faults.read_results(path)} == {"a": "caught", "b": "caught"}


def test_faults_are_chosen_by_id_and_by_area() -> None:
    chosen = planted_faults.choose_faults(FAULTS, ["cli", "divide-sign"])
    assert {fault.area for fault in chosen} == {"cli", "core"}
    assert [fault.id for fault in chosen if fault.area == "core"] == ["divide-sign"]
    with pytest.raises(ValueError, match="no fault and no area called nothing"):
        planted_faults.choose_faults(FAULTS, ["nothing"])
