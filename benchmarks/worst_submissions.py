"""What the worst submissions cost: each kind alone, and fifty that sleep for ever in front of a hundred honest ones.

Whole `nnkit autograde` commands on a course that `nnkit init-course` makes, with sandbox and examiner. Goal: a hostile
submission computes for `MAX_ALONE_CPU_SECONDS` at most; the honest ones are graded while the others wait, not after
them. The last line of output is JSON.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

import psutil

from nnkit_grader.course.new_course import ASSIGNMENT, make_course

MAX_ALONE_CPU_SECONDS = 60.0
ROWS = "\\\\[" * 5_000
HONEST = (
    "class SquareGate:\n    def forward(self, x):\n        return x**2, x\n\n    def backward(self, upstream, cache):\n"
)
HONEST += "        return upstream * 2 * cache\n"
SHOWN = "from IPython.display import Markdown, display\n"
KINDS = {
    "honest": "",
    "sleeps": "import time\ntime.sleep(10**6)\n",
    "computes": "while True: pass\n",
    "computes in C": "sum(range(10**13))\n",
    "allocates": "held = []\nwhile True: held.append(bytearray(10**7))\n",
    "prints": "while True: print('x' * 10**6)\n",
    "shows pages of brackets": SHOWN + f"for _ in range(100): display(Markdown({ROWS!r}))\n",
    "writes files": "for n in range(10**6): open(f'f{n}', 'wb').write(bytes(10**6))\n",
    "ends its process": "import os\nos._exit(1)\n",
    "starts threads": "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=[10**6]).start()\n",
}
"""Lines before a right answer, by what they do."""


def make_class(folder, kinds):
    """Make a course in which these students have handed in, each a kind of submission."""
    make_course(folder)
    source = json.loads((folder / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").read_text())
    for student, kind in kinds.items():
        for cell in source["cells"]:
            if cell["id"] == "square":
                cell["source"] = KINDS[kind] + HONEST
        to = folder / "submitted" / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        to.parent.mkdir(parents=True)
        to.write_text(json.dumps(source))


def grade(folder):
    """Grade the class; return the wall time, the CPU time, and when each student's result was written, in seconds.

    CPU time is sampled: what the sandbox's processes used is reported to none of ours.
    """
    began, wall, used = time.time(), time.monotonic(), {}
    command = [sys.executable, "-m", "nnkit.cli", "autograde", ASSIGNMENT]
    with (folder / "log").open("w") as log:
        process = psutil.Popen(command, cwd=folder, stdout=log, stderr=log)
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                for each in [process, *process.children(recursive=True)]:
                    with contextlib.suppress(psutil.Error):
                        times = each.cpu_times()
                        used[each.pid, each.create_time()] = times.user + times.system
            time.sleep(0.2)
    if process.returncode:
        raise RuntimeError((folder / "log").read_text())
    written = {path.stem: path.stat().st_mtime - began for path in folder.glob(".nnkit/**/results/*.json")}
    return time.monotonic() - wall, sum(used.values()), written


def measure_alone(kind):
    """Return what a class of one submission costs."""
    with tempfile.TemporaryDirectory() as folder:
        make_class(Path(folder) / "course", {"student": kind})
        wall, cpu, _ = grade(Path(folder) / "course")
    return {"seconds": round(wall, 1), "cpu": round(cpu, 1)}


def measure_class(honest, hostile):
    """Return when the honest ones are graded, and all, with `hostile` sleepers before them in the alphabet."""
    kinds = {f"a{n:03}": "sleeps" for n in range(hostile)} | {f"b{n:03}": "honest" for n in range(honest)}
    with tempfile.TemporaryDirectory() as folder:
        make_class(Path(folder) / "course", kinds)
        wall, cpu, written = grade(Path(folder) / "course")
    last = max((seconds for student, seconds in written.items() if student.startswith("b")), default=0.0)
    return {"honest graded after": round(last, 1), "all graded after": round(wall, 1), "cpu": round(cpu, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--honest", type=int, default=100, help="honest submissions of the class (default: 100)")
    parser.add_argument("--hostile", type=int, default=50, help="submissions before them that sleep (default: 50)")
    arguments = parser.parse_args()
    alone = {}
    for kind in KINDS:
        alone[kind] = measure_alone(kind)
        print(f"{kind}: {alone[kind]}", flush=True)
    figures = {"alone": alone}
    for hostile in (0, arguments.hostile):
        figures[f"{arguments.honest} honest, {hostile} hostile"] = found = measure_class(arguments.honest, hostile)
        print(f"{arguments.honest} honest, {hostile} hostile: {found}", flush=True)
    costly = [kind for kind, cost in alone.items() if cost["cpu"] > MAX_ALONE_CPU_SECONDS]
    late = found["honest graded after"] >= 0.9 * found["all graded after"]
    print(json.dumps({**figures, "too costly": costly, "honest wait for the others": late}))
    return 1 if costly or late else 0


if __name__ == "__main__":
    sys.exit(main())
