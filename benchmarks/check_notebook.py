"""`nnkit check` against `nbgrader validate`, on a solved ps1: whole commands, taken in turns. Goal: at most a third.

The last line of output is JSON.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
ROUNDS = 5
COMMANDS = {
    "nnkit check": [sys.executable, "-c", "import sys; from nnkit.cli import main; sys.exit(main())", "check"],
    "nbgrader validate": [str(BIN / "nbgrader"), "validate"],
}
SUCCESS = {
    "nnkit check": "14 of 14 exercises pass",
    "nbgrader validate": "Success! Your notebook passes",
}


def solved(folder):
    """ps1 as it is released, the instructors' answers filled in."""
    released = json.loads((ROOT / "assignments/ps1/ps1.ipynb").read_text(encoding="utf-8"))
    solution = json.loads((ROOT / "solutions/ps1/ps1.ipynb").read_text(encoding="utf-8"))
    marks = [(cell, cell["metadata"].get("nbgrader", {})) for cell in solution["cells"]]
    sources = {mark["grade_id"]: cell["source"] for cell, mark in marks if mark.get("solution")}
    for cell in released["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        cell["source"] = sources.get(name, cell["source"])
    path = folder / "ps1.ipynb"
    path.write_text(json.dumps(released), encoding="utf-8")
    return path


def seconds(name, path):
    start = time.perf_counter()
    ran = subprocess.run([*COMMANDS[name], str(path)], capture_output=True, text=True, cwd=path.parent)
    took = time.perf_counter() - start
    if SUCCESS[name] not in ran.stdout + ran.stderr:
        sys.exit(f"{name} did not pass the solved notebook:\n{ran.stdout}{ran.stderr}")
    return took


def main():
    if not (BIN / "nbgrader").exists():
        sys.exit("nbgrader is not installed: pip install -e ./grader")
    with tempfile.TemporaryDirectory() as folder:
        path = solved(Path(folder))
        for name in COMMANDS:
            seconds(name, path)  # warm the file cache
        times = {name: [] for name in COMMANDS}
        for _ in range(ROUNDS):
            for name in COMMANDS:
                times[name].append(seconds(name, path))
    median = {name: statistics.median(taken) for name, taken in times.items()}
    ratio = median["nnkit check"] / median["nbgrader validate"]
    print(", ".join(f"{name} {median[name]:.2f} s" for name in COMMANDS))
    figures = {name.replace(" ", "_") + "_s": round(taken, 3) for name, taken in median.items()}
    print(json.dumps({"benchmark": "check_notebook", **figures, "ratio": round(ratio, 3), "goal": 0.333,
                      "reached": ratio <= 1 / 3}))  # fmt: skip


if __name__ == "__main__":
    main()
