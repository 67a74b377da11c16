"""With NNKIT_NO_SKIPS=1 a skipped test fails the run, and one line says so; long files are begun first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import LONGEST

SKIPPED = "import pytest\n\n\ndef test_nothing():\n    pytest.skip('on purpose')\n"
PASSED = "def test_something():\n    assert True\n"
LINE = "NNKIT_NO_SKIPS=1: the run fails"


def run_pytest(folder: Path, source: str, no_skips: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    (folder / "test_planted.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    environment = {**os.environ, "NNKIT_NO_SKIPS": no_skips}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("source", "no_skips", "status"), [(SKIPPED, "1", 1), (SKIPPED, "0", 0), (PASSED, "1", 0)], ids=str
)
def test_a_skip_fails_the_run_only_when_asked(tmp_path: Path, source: str, no_skips: str, status: int) -> None:
    done = run_pytest(tmp_path, source, no_skips)
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stdout.count(LINE) == status


def test_the_files_that_are_begun_first_are_there(request: pytest.FixtureRequest) -> None:
    assert set(LONGEST) <= {path.stem for path in Path(__file__).parent.rglob("test_*.py")}
    begun = list(dict.fromkeys(item.path.stem for item in request.session.items))
    long = [name for name in LONGEST if name in begun]
    assert begun[: len(long)] == long
