"""Tests that need what cannot leave the learner's process are refused when an assignment is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.made import cell, made
from nnkit import cli
from nnkit_grader.course.assignment import load_assignment
from nnkit_grader.course.crossing import find_uncrossable

SOLUTION = """### BEGIN SOLUTION
class Purse:
    def open(self, by=None):
        return 2
class Empty(Exception):
    pass
def spend(purse, rng=None):
    return input()
### END SOLUTION"""

STAYS = {
    "class Big(Purse):\n    pass\nassert Big().open() == 2": "derives a class from the learner's Purse",
    "try:\n    spend(1)\nexcept Empty:\n    pass": "catches the learner's exception Empty",
    "try:\n    spend(1)\nexcept (ValueError, Empty):\n    pass": "catches the learner's exception Empty",
    "with pytest.raises(Empty):\n    spend(1)": "catches the learner's exception Empty",
    "with patch('builtins.input', lambda: 3):\n    assert spend(1) == 3": "replaces builtins.input, which",
    "with unittest.mock.patch('sys.stdin', x):\n    spend(1)": "replaces sys.stdin, which",
    "builtins.input = lambda: 3\nassert spend(1) == 3": "replaces builtins.input, which",
    "spend(1, rng=np.random.default_rng(0))": "passes a generator of random numbers to the learner's spend",
    "rng = np.random.default_rng(0)\nPurse().open(rng)\nPurse.open(rng)": "passes a generator of random numbers",
    "class Coin:\n    pass\nspend(Coin())": "passes an object of its own class Coin to the learner's spend",
}
CROSSES = [
    "rng = np.random.default_rng(0)\nspend(rng.normal(size=3))",
    "class Purse:\n    pass\nclass Big(Purse):\n    pass\nspend(1)",
    "class Coin(NamedTuple):\n    value: int\nspend(Coin(1))",
    "class Change:\n    def __call__(self, x):\n        return x\nspend(Change())",
    "with patch('__main__.spend', lambda purse: 3):\n    assert spend(1) == 3",
    "with redirect_stdout(io.StringIO()) as out:\n    spend(1)\nassert isinstance(Purse(), Purse)",
    "try:\n    spend(1)\nexcept ValueError:\n    pass",
    "# nnkit: inside\nclass Big(Purse):\n    pass",
    "class Coin:\n    pass\nassert Coin() != spend(1)",
]


def course(folder: Path, test: str) -> Path:
    return made(folder, cell(SOLUTION, "purse", solution=True), cell(test, "t", grade=True, locked=True, points=2))


@pytest.mark.parametrize("test", STAYS)
def test_what_does_not_cross_is_named(test: str, tmp_path: Path) -> None:
    (sentence,) = find_uncrossable(load_assignment(course(tmp_path, test), "hw"))
    assert sentence.startswith(f"t {STAYS[test]}")


@pytest.mark.parametrize("test", CROSSES)
def test_what_crosses_is_not(test: str, tmp_path: Path) -> None:
    assert list(find_uncrossable(load_assignment(course(tmp_path, test), "hw"))) == []


def test_it_is_not_released(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    course(tmp_path, next(iter(STAYS)))
    assert cli.main(["release", "--course", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "hw cannot be released: t derives a class from the learner's Purse. Change the test, or mark it" in told
    assert not (tmp_path / "release").exists()


def test_nor_are_tests_that_nbgrader_makes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    course(tmp_path, "### AUTOTEST spend(1)")
    assert cli.main(["release", "--course", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "cell t: nnkit does not make tests from ### AUTOTEST. Take the test that nbgrader makes of it" in told
    assert not (tmp_path / "release").exists()
