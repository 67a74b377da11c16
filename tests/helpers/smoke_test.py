"""A smoke test of a release: its wheels in an empty environment, used as a learner and a TA would.

    python tests/helpers/smoke_test.py DIST [PYTHON]

`DIST` is a folder with the three wheels, `PYTHON` the interpreter of the environment (default: this one).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command without the variables and folders of this project; return its output, or stop with it."""
    start = time.monotonic()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "NNKIT"))
    }
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    words = " ".join(Path(command[0]).name if i == 0 else str(part) for i, part in enumerate(command))
    if done.returncode:
        sys.exit(f"{words} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    print(f"{time.monotonic() - start:6.1f} s  {words[:110]}", flush=True)
    return done.stdout


def main(dist: Path, python: str) -> None:
    """Install the wheels, and use every part of them once."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run(python, "-m", "venv", "env", cwd=folder)
        bin_folder = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        nnkit = bin_folder / "nnkit"
        learner, *others = [next(dist.glob(f"{name}-[0-9]*.whl")) for name in ("nnkit", "nnkit_grader", "nnkit_hub")]
        lock = ROOT / "requirements.lock"
        run(bin_folder / "python", "-m", "pip", "install", "-q", "-c", lock, f"{learner}[learn]", cwd=folder)
        print(run(nnkit, "--version", cwd=folder), end="")
        run(nnkit, "start", "course", cwd=folder)
        run(nnkit, "start", "course", cwd=folder)
        shutil.copy(ROOT / "solutions/ps1/ps1.ipynb", folder / "course/assignments/ps1/ps1.ipynb")
        run(nnkit, "check", "course/assignments/ps1/ps1.ipynb", cwd=folder)
        run(nnkit, "doctor", cwd=folder)
        run(bin_folder / "python", "-m", "pip", "install", "-q", "-c", lock, *others, cwd=folder)
        shutil.copytree(ROOT / "solutions", folder / "teacher/solutions")
        shutil.copy(ROOT / "nbgrader_config.py", folder / "teacher")
        print(run(nnkit, "demo", "-n", "6", "--course", folder / "teacher", cwd=folder)[-400:])


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *(sys.argv[2:] or [sys.executable]))
