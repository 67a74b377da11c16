"""The examples of docs/check.md run as they stand there, and print what is shown."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from helpers.paths import ROOT

GUIDE = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```(python[^\n]*)\n(.*?)^```$(?:\n\n```\n(.*?)^```$)?", GUIDE, re.DOTALL | re.MULTILINE)
ALONE = "import sys; from nnkit.check import check_backward; print(*{n.partition('.')[0] for n in sys.modules})"


@pytest.mark.slow
def test_the_examples_run_and_print_what_is_shown() -> None:
    kinds = {"python", "python torch"} if find_spec("torch") else {"python"}
    chosen = [(code, shown) for kind, code, shown in EXAMPLES if kind in kinds]
    assert len(chosen) >= 8
    program = "\n".join(code for code, _ in chosen)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(shown for _, shown in chosen)


def test_the_assignment_is_checked_from_pytest(tmp_path: Path) -> None:
    files = {kind.partition("file=")[2]: code for kind, code, _ in EXAMPLES if "file=" in kind}
    for name, code in files.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_layers.py"]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "3 passed" in done.stdout, done.stdout
    wrong = files["layers.py"].replace("dout.sum(axis=0)\n\ndef relu", "dout.mean(axis=0)\n\ndef relu")
    (tmp_path / "layers.py").write_text(wrong, encoding="utf-8")
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "1 failed, 2 passed" in done.stdout
    assert "db is wrong" in done.stdout


def test_the_checker_needs_numpy_alone() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True, cwd=ROOT)
    others = {*done.stdout.split()} - {*sys.stdlib_module_names} - {"__main__", "nnkit", "numpy", "cython_runtime"}
    assert {name for name in others if not name.startswith(("_", "__editable__"))} == set()
