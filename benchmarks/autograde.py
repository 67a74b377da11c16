"""A class of ps1 graded by stock nbgrader and by nnkit, one after the other: whole commands, with sandbox and examiner.

Goal: at least 25 times as many submissions a minute, and 300 submissions in less than a minute. Both get the same
files, the same time limits (`NNKIT_CHECK_SECONDS`) and an empty gradebook. `nbgrader_config.py` is the course's own;
for nbgrader the line that installs nnkit is removed. Scores are compared with the planted ones, and with each other.
Peak memory is that of all processes of a command together (PSS, sampled ten times a second). The last line of output
is JSON.
"""

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from nnkit_grader.course import release
from nnkit_grader.course.demo_class import make_class

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
COMMANDS = {
    "stock": [str(BIN / "nbgrader"), "autograde", "ps1"],
    "nnkit": [sys.executable, "-c", "import sys; from nnkit.cli import main; sys.exit(main())", "autograde", "ps1"],
}
CHECK_SECONDS = "1"
"""Time limit of a check: one submission in ten loops for ever, and a right check of ps1 takes at most 0.05 s."""


def make_course(folder, number, stock):
    """Make a course folder with a class that has handed in ps1; return the students."""
    folder.mkdir()
    release.copy_course(ROOT, folder)
    config = folder / "nbgrader_config.py"
    without = re.sub(r"(?m)^.*nnkit_grader\.nbgrader_plugin\.install.*\n", "", config.read_text(encoding="utf-8"))
    release.generate_assignments(folder)
    if stock:
        config.write_text(without, encoding="utf-8")
    return make_class(folder, "ps1", number, 0)


def run_watched(command, folder):
    """Run a command; return its exit status, output, wall time in seconds and peak memory in bytes."""
    environment = {**os.environ, "NNKIT_CHECK_SECONDS": CHECK_SECONDS, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    start = time.perf_counter()
    with open(folder / "output.txt", "w+") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        peak, done = [0], threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, peak, done))
        watcher.start()
        status = process.wait()
        took = time.perf_counter() - start
        done.set()
        watcher.join()
        output.seek(0)
        return status, output.read(), took, peak[0]


def _watch(number, peak, done):
    while not done.wait(0.1):
        try:
            top = psutil.Process(number)
            family = [top, *top.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        peak[0] = max(peak[0], sum(map(_memory, family)))


def _memory(process):
    try:
        return process.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def grade(grader, number):
    """Grade a class; return its scores, the planted ones, and the figures."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "course"
        students = make_course(folder, number, grader == "stock")
        status, output, took, peak = run_watched(COMMANDS[grader], folder)
        table = release.read_scores(folder, "ps1")
        scores = {name: release.sum_points(points) for name, points in table.items()}
        planted = {student.id: student.score for student in students}
        right = sum(scores.get(name) == score for name, score in planted.items())
        if grader == "nnkit" and (status or right != number):
            sys.exit(f"nnkit graded {right} of {number} as planted (exit status {status}):\n{output}")
        shutil.copy(folder / "output.txt", Path(tempfile.gettempdir()) / f"autograde-{grader}.txt")
    figures = {"seconds": round(took, 2), "a_minute": round(60 * number / took, 1), "peak_mb": round(peak / 1e6),
               "as_planted": right}  # fmt: skip
    print(f"{grader}, {number} submissions: {took:.1f} s, {figures['a_minute']:g} a minute, at most "
          f"{figures['peak_mb']} MB, {right} scores as planted", flush=True)  # fmt: skip
    return scores, planted, figures


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("-n", "--number", type=int, default=60, help="submissions of the comparison (default: 60)")
    arguments.add_argument("--large", type=int, default=300, help="submissions for nnkit alone (default: 300; 0: none)")
    arguments.add_argument("--table", type=Path, help="write the scores of both as CSV")
    args = arguments.parse_args()
    ours, planted, nnkit = grade("nnkit", args.number)
    large = grade("nnkit", args.large)[2] if args.large else {}
    theirs, _, stock = grade("stock", args.number)
    unequal = [name for name, score in planted.items() if theirs.get(name) == score != ours[name]]
    if args.table:
        with args.table.open("w", newline="") as file:
            csv.writer(file).writerows([("student", "planted", "stock", "nnkit")] + [
                (name, score, theirs.get(name), ours[name]) for name, score in planted.items()])  # fmt: skip
    ratio = nnkit["a_minute"] / stock["a_minute"]
    reached = ratio >= 25 and (not large or (args.large >= 300 and large["seconds"] < 60))
    print(json.dumps({"benchmark": "autograde", "number": args.number, "stock": stock, "nnkit": nnkit, "large": large,
                      "unequal_where_stock_is_right": len(unequal), "ratio": round(ratio, 1), "goal": 25,
                      "reached": reached}))  # fmt: skip


if __name__ == "__main__":
    main()
