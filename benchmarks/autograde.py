"""Classes of ps1 graded by stock nbgrader and by nnkit, one after the other: whole commands, with sandbox and examiner.

    usual     half make a planted mistake; of the others each fifth loops for ever, crashes, is blank ...
    finite    the same without those that loop for ever
    styles    all right, each in a style of its own: no two give the same bits

Goals: finite at least 25 times as many submissions a minute as stock nbgrader, usual 15 times and 300 in 30 s, styles
10 times. All get the same files, the same time limits (`NNKIT_CHECK_SECONDS`) and an empty gradebook.
`nbgrader_config.py` is the course's own; for nbgrader the line that installs nnkit is removed. Scores are compared with
the planted ones, and with each other. nnkit grades a class twice: with `--memo`, which judges equal replies
once, and without it; `others_seconds` is the time until all are graded but those that loop for ever. Peak memory (PSS)
and computing time are those of all processes of a command together, sampled ten times a second. The
last line of output is JSON.
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
from nnkit_grader.course.demo_class import OTHER_KINDS, make_class

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
NNKIT = [sys.executable, "-c", "import sys; from nnkit.cli import main; sys.exit(main())", "autograde", "ps1"]
COMMANDS = {"stock": [str(BIN / "nbgrader"), "autograde", "ps1"], "nnkit": [*NNKIT, "--memo"], "no_memo": NNKIT}
CHECK_SECONDS = "1"
"""Time limit of a check: one submission in ten loops for ever, and a right check of ps1 takes at most 0.05 s."""
CLASSES = {
    "usual": {},
    "finite": {"others": tuple(kind for kind in OTHER_KINDS if kind != "looping")},
    "styles": {"others": ("perfect",), "mistaken": False},
}
GOALS = {"usual": 15, "finite": 25, "styles": 10}
STYLE = """

def rounded_{k}(value):
    if isinstance(value, (tuple, dict)):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        made = {{name: rounded_{k}(part) for name, part in parts}}
        return made if isinstance(value, dict) else tuple(made.values())
    return value * {k} / {k} if isinstance(value, (float, np.ndarray)) else value


def in_style_{k}(function):
    return lambda *args: rounded_{k}(function(*args))

"""
"""Code that has an answer's numbers rounded in a way of its own, by multiplying with a number and dividing by it."""


def make_course(folder, number, stock, kind):
    """Make a course folder with a class that has handed in ps1; return the students."""
    folder.mkdir()
    release.copy_course(ROOT, folder)
    config = folder / "nbgrader_config.py"
    without = re.sub(r"(?m)^.*nnkit_grader\.nbgrader_plugin\.install.*\n", "", config.read_text(encoding="utf-8"))
    release.generate_assignments(folder)
    if stock:
        config.write_text(without, encoding="utf-8")
    students = make_class(folder, "ps1", number, 0, **CLASSES[kind])
    if kind == "styles":
        for position, student in enumerate(students):
            give_style(folder / "submitted" / student.id / "ps1/ps1.ipynb", 2 * position + 3)
    return students


def give_style(path, factor):
    """Have each answer of a submission compute its numbers in its own way."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("solution") and cell["cell_type"] == "code":
            source = "".join(cell["source"])
            methods = [f"{name}.{part}" for name in re.findall(r"(?m)^class (\w+)", source)
                       for part in ("forward", "backward")]  # fmt: skip
            functions = re.findall(r"(?m)^def (\w+)", source)
            if methods:  # a method gets the object as its first argument
                functions = []
            wrapped = [f"{name} = in_style_{factor}({name})" for name in (*methods, *functions)]
            cell["source"] = source + STYLE.format(k=factor) + "\n".join(wrapped)
    path.write_text(json.dumps(notebook), encoding="utf-8")


class Watcher(threading.Thread):
    """Samples the memory and the computing time of a command's processes."""

    def __init__(self, number):
        super().__init__()
        self.top, self.done, self.peak = number, threading.Event(), 0
        self.seconds = {}
        """Computing time by process and part: one's own, and that of children that have ended."""

    def run(self):
        while not self.done.wait(0.1):
            try:
                top = psutil.Process(self.top)
                family = [top, *top.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            self.peak = max(self.peak, sum(map(_memory, family)))
            for process in family:
                self.note(process)

    def note(self, process):
        try:
            words, used, parent = process.cmdline(), process.cpu_times(), process.ppid()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return
        own, children = used.user + used.system, used.children_user + used.children_system
        if process.pid == self.top:
            self.seconds[process.pid, "main"] = own
            return
        server = any("fork_server" in word for word in words) and "bwrap" not in words[0]
        part, forks = ("sandbox", "learners") if server else ("worker", "examiners")
        known = server or any("worker.main" in word for word in words)
        if known and (parent, part) not in self.seconds:  # a fork of it counts for its parent, once it has ended
            self.seconds[process.pid, part], self.seconds[process.pid, forks] = own, children

    def parts(self):
        """Return the computing time by part, in seconds."""
        found = {}
        for (_, part), seconds in self.seconds.items():
            found[part] = round(found.get(part, 0.0) + seconds, 2)
        return found


def _memory(process):
    try:
        return process.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def run_watched(command, folder, check_seconds=CHECK_SECONDS):
    """Run a command; return its exit status, output, wall time in seconds and what was watched."""
    environment = {**os.environ, "NNKIT_CHECK_SECONDS": check_seconds, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    start = time.perf_counter()
    with open(folder / "output.txt", "w+") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        watcher = Watcher(process.pid)
        watcher.start()
        status = process.wait()
        took = time.perf_counter() - start
        watcher.done.set()
        watcher.join()
        output.seek(0)
        return status, output.read(), took, watcher


def grade(grader, number, kind):
    """Grade a class; return its scores, the planted ones, and the figures."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "course"
        students = make_course(folder, number, grader == "stock", kind)
        began = time.time()
        status, output, took, watcher = run_watched(COMMANDS[grader], folder)
        table = release.read_scores(folder, "ps1")
        scores = {name: release.sum_points(points) for name, points in table.items()}
        planted = {student.id: student.score for student in students}
        right = sum(scores.get(name) == score for name, score in planted.items())
        if grader != "stock" and (status or right != number):
            sys.exit(f"nnkit graded {right} of {number} as planted (exit status {status}):\n{output}")
        written = {path.stem: path.stat().st_mtime - began for path in folder.glob(".nnkit/ps1/results/*.json")}
        shutil.copy(folder / "output.txt", Path(tempfile.gettempdir()) / f"autograde-{grader}.txt")
    figures = {"seconds": round(took, 2), "a_minute": round(60 * number / took, 1), "as_planted": right}
    figures["peak_mb"] = round(watcher.peak / 1e6)
    if grader != "stock":
        known = re.search(r"(\d+) of (\d+) tests .* did not run: .* \(([\d.]+) MB", output)
        figures["cpu_seconds"] = watcher.parts()
        figures["others_seconds"] = round(max(written[one.id] for one in students if one.kind != "looping"), 2)
        figures["hit_rate"] = round(int(known[1]) / int(known[2]), 3) if known else 0.0
        figures["tree_mb"] = float(known[3]) if known else 0.0
    print(f"{kind}, {grader}, {number} submissions: {took:.1f} s, {figures['a_minute']:g} a minute, at most "
          f"{figures['peak_mb']} MB, {right} scores as planted", flush=True)  # fmt: skip
    return scores, planted, figures


def compare(kind, args):
    """Grade one class in all ways and return the figures."""
    ours, planted, nnkit = grade("nnkit", args.number, kind)
    theirs, _, stock = grade("stock", args.number, kind)
    without, _, no_memo = grade("no_memo", args.number, kind)
    large = grade("nnkit", args.large, kind)[2] if args.large else {}
    unequal = [name for name, score in planted.items() if theirs.get(name) == score != ours[name]]
    if args.table:
        with args.table.open("w", newline="") as file:
            csv.writer(file).writerows([("student", "planted", "stock", "nnkit")] + [
                (name, score, theirs.get(name), ours[name]) for name, score in planted.items()])  # fmt: skip
    ratio = nnkit["a_minute"] / stock["a_minute"]
    reached = ratio >= GOALS[kind] and (kind != "usual" or not large or args.large < 300 or large["seconds"] < 30)
    return {"stock": stock, "nnkit": nnkit, "no_memo": no_memo, "large": large, "ratio": round(ratio, 1),
            "unequal_where_stock_is_right": len(unequal), "equal_without_memo": ours == without, "goal": GOALS[kind],
            "reached": reached}  # fmt: skip


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--classes", nargs="+", choices=CLASSES, default=list(CLASSES), help="default: all three")
    arguments.add_argument("-n", "--number", type=int, default=60, help="submissions of the comparison (default: 60)")
    arguments.add_argument("--large", type=int, default=300, help="submissions for nnkit alone (default: 300; 0: none)")
    arguments.add_argument("--table", type=Path, help="write the scores of the last class by both as CSV")
    args = arguments.parse_args()
    found = {kind: compare(kind, args) for kind in args.classes}
    reached = all(figures["reached"] for figures in found.values())
    print(json.dumps({"benchmark": "autograde", "number": args.number, **found, "reached": reached}))


if __name__ == "__main__":
    main()
