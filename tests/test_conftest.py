"""With NNKIT_NO_SKIPS=1 a skipped test fails the run, and one line says so; slow files are begun first; a test that
hangs costs itself and no other."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CONFTEST = next(folder / "conftest.py" for folder in Path(__file__).parents if (folder / "conftest.py").exists())
SKIPPED = "import pytest\n\n\ndef test_nothing():\n    pytest.skip('on purpose')\n"
PASSED = "def test_something():\n    assert True\n"
LINE = "NNKIT_NO_SKIPS=1: the run fails"


def run_pytest(folder: Path, no_skips: str = "0", *more: str, **sources: str) -> subprocess.CompletedProcess[str]:
    """A run of these test files under the suite's conftest.py."""
    shutil.copy(CONFTEST, folder)
    for name, source in sources.items():
        (folder / f"test_{name}.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    environment = {**os.environ, "NNKIT_NO_SKIPS": no_skips, "PYTHONPATH": str(CONFTEST.parent)}
    return subprocess.run([*command, *more], env=environment, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("source", "no_skips", "status"), [(SKIPPED, "1", 6), (SKIPPED, "0", 0), (PASSED, "1", 0)], ids=str
)
def test_a_skip_fails_the_run_only_when_asked(tmp_path: Path, source: str, no_skips: str, status: int) -> None:
    done = run_pytest(tmp_path, no_skips, planted=source)
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stdout.count(LINE) == (status == 6)


SLOW = "import pytest\n\n\ndef test_plain():\n    pass\n\n\n@pytest.mark.hub\ndef test_hub():\n    pass\n"
BROWSER = "def test_page(lab):\n    pass\n"


def test_slow_files_are_begun_first_and_whole(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "0", "--collect-only", a=PASSED, b=BROWSER, c=SLOW)
    assert re.findall(r"::(\w+)", done.stdout) == ["test_plain", "test_hub", "test_page", "test_something"]


def test_what_opens_a_page_is_marked_so(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "0", "--collect-only", "-m", "browser", a=PASSED, b=BROWSER)
    assert re.findall(r"::(\w+)", done.stdout) == ["test_page"]


SIGNAL = "from signal import *\n\n\ndef test_signal():\n    assert getsignal(SIGINT) == default_int_handler\n"


def test_a_run_in_the_background_hears_ctrl_c(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what it starts in the background
    try:
        assert run_pytest(tmp_path, signal=SIGNAL).returncode == 0
    finally:
        signal.signal(signal.SIGINT, before)


SEEDED = "def test_seeded(corpus_seed):\n    assert 0 <= corpus_seed < 2**32\n"


@pytest.mark.parametrize("count", [0, 3])
def test_a_corpus_is_tried_with_random_seeds_when_asked(tmp_path: Path, count: int) -> None:
    done = run_pytest(tmp_path, "0", f"--seeds={count}", seeded=SEEDED)
    assert f"{1 + count} passed" in done.stdout


HANGS = "import time\n\n\ndef test_hangs():\n    time.sleep(600)\n\n\ndef test_after():\n    pass\n"
LIMIT = ("-o", "faulthandler_timeout=1", "-o", "faulthandler_exit_on_timeout=true")


def test_a_test_that_hangs_fails_with_its_stack_and_the_others_go_on(tmp_path: Path) -> None:
    options = ("-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", *LIMIT)
    done = run_pytest(tmp_path, "0", *options, hangs=HANGS, passed=PASSED)
    assert "1 failed, 2 passed" in done.stdout
    assert "in test_hangs" in done.stderr


ONCE = """
from pathlib import Path

def test_busy(tmp_path):
    seen = Path(__file__).with_name("seen")
    first = not seen.exists()
    seen.touch()
    assert not first

def test_right():
    pass
"""
BROKEN = "def test_broken():\n    assert 1 > 2\n"


@pytest.mark.parametrize(
    ("sources", "no_skips", "status", "runs"),
    [
        ({"a": PASSED}, "0", 0, ["1 passed"]),
        ({"a": PASSED, "once": ONCE}, "0", 0, ["1 failed, 2 passed", "1 passed"]),
        ({"a": PASSED, "once": ONCE, "broken": BROKEN}, "0", 2, ["2 failed, 2 passed", "1 failed, 1 passed"]),
        ({"skipped": SKIPPED, "once": ONCE}, "1", 2, ["1 failed, 1 passed, 1 skipped"]),
        ({"typo": "import nothing_of_this_name\n"}, "0", 2, ["1 error"] * 2),
    ],
    ids=["passes", "passes alone", "fails alone too", "fails and skips", "cannot be imported"],
)
def test_make_test_runs_what_failed_once_more_alone(
    tmp_path: Path, sources: dict[str, str], no_skips: str, status: int, runs: list[str]
) -> None:
    folder, venv = tmp_path / "suite", tmp_path / "venv"
    folder.mkdir()
    shutil.copy(CONFTEST, folder)
    for name, source in sources.items():
        (folder / f"test_{name}.py").write_text(source)
    run = f'cd "{folder}" && exec "{sys.executable}" -m pytest -q --rootdir . "$@"'
    for name, script in (("pytest", run), ("ruff", "exit 0")):
        program = venv / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    (venv / ".dev").touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MAKE", "MFLAGS"))}
    environment = {**kept, "NNKIT_NO_SKIPS": no_skips, "PYTHONPATH": str(CONFTEST.parent)}
    make = ["make", "-C", str(CONFTEST.parents[1]), "test", f"VENV={venv}"]
    done = subprocess.run(make, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert re.findall(r"^(\d+ (?:passed|failed|error).*) in ", done.stdout, re.MULTILINE) == runs
