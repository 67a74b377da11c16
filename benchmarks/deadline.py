"""A deadline: 100 learners list, fetch and submit ps1 at the same moment, while 60 submissions of it are graded.

A real hub and the real exchange on the loopback interface. One process plays all learners: the client of their servers,
each with a token of its own, without JupyterLab and nbgrader around it. Goals: no error, and 95 % of each kind of
request within `MAX_SECONDS`. The last line of output is JSON.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from helpers import exchanges
from helpers.paths import ROOT
from nnkit_grader.course.demo_class import make_class
from nnkit_grader.course.release import copy_course, generate_assignments
from nnkit_hub.exchange.archive import Refusal, list_files, pack_files
from nnkit_hub.exchange.calls import ExchangeClient
from nnkit_hub.exchange.learner import save_receipt

WORK, TA = "ps1", "tom"
MAX_SECONDS = 10.0
MAX_START_SECONDS = 300.0
"""Time for the first submission to be graded."""


class Learner:
    """A learner who hands in at the deadline."""

    def __init__(self, hub, name, folder, start):
        self.client, self.folder, self.start = ExchangeClient(hub.address, hub.tokens[name]), folder, start
        self.seconds = {}
        self.fault = ""

    def run(self):
        self.start.wait()
        with self.client:
            try:
                for act in (self.list, self.fetch, self.submit):
                    began = time.monotonic()
                    act()
                    self.seconds[act.__name__] = time.monotonic() - began
            except (Refusal, OSError) as fault:
                self.fault = str(fault)
        return self

    def list(self):
        self.client.request()
        self.client.request("courses", exchanges.COURSE, "released")

    def fetch(self):
        self.client.download(("courses", exchanges.COURSE, "released", WORK), self.folder)

    def submit(self):
        with pack_files(self.folder, list_files(self.folder)) as archive:
            receipt = self.client.upload("POST", ("courses", exchanges.COURSE, "submissions", WORK), archive)
            save_receipt(receipt, archive, self.folder)


def prepare_course(folder, graded):
    """Return a course folder with this number of submissions of ps1."""
    folder.mkdir()
    copy_course(ROOT, folder)
    generate_assignments(folder)
    make_class(folder, WORK, graded)
    return folder


def release(hub, course):
    folder = course / "assignments" / WORK
    with ExchangeClient(hub.address, hub.tokens[TA]) as client, pack_files(folder, list_files(folder)) as archive:
        client.upload("PUT", ("courses", exchanges.COURSE, "released", WORK), archive)


def wait_for_first(folder, grading):
    """Wait until the first submission has been graded."""
    until = time.monotonic() + MAX_START_SECONDS
    while not folder.exists():
        if time.monotonic() > until or grading.poll() is not None:
            raise RuntimeError(f"no submission has been graded: {grading.communicate()[0]}")
        time.sleep(0.05)


def describe(seconds):
    """Return number, median and 95th percentile of some times."""
    ordered = sorted(seconds)
    late = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))] if ordered else None
    return {"number": len(ordered), "median": round(statistics.median(ordered), 2), "p95": round(late, 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", type=int, default=100, help="default: 100")
    parser.add_argument("--graded", type=int, default=60, help="submissions graded in the meantime (default: 60)")
    args = parser.parse_args()
    names = [f"learner{number:03}" for number in range(args.learners)]
    groups = exchanges.create_groups(exchanges.COURSE, names, [TA])
    with tempfile.TemporaryDirectory() as scratch:
        course, place = prepare_course(Path(scratch, "course"), args.graded), Path(scratch, "hub")
        place.mkdir()
        with exchanges.run_hub(place, [*names, TA], groups) as hub:
            release(hub, course)
            command = [sys.executable, "-m", "nnkit.cli", "autograde", WORK, "--course", str(course)]
            grading = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            wait_for_first(course / "autograded", grading)
            began = time.monotonic()
            start = threading.Barrier(args.learners)
            with ThreadPoolExecutor(args.learners) as pool:
                learners = list(pool.map(lambda name: Learner(hub, name, Path(scratch, name), start).run(), names))
            handed_in, busy = time.monotonic() - began, grading.poll() is None
            kinds = ("list", "fetch", "submit")
            figures = {kind: describe([one.seconds[kind] for one in learners if kind in one.seconds]) for kind in kinds}
            print(figures, flush=True)
            output = grading.communicate(timeout=1800)[0]
            graded = time.monotonic() - began
            kept = hub.store / "courses" / exchanges.COURSE / "submissions" / WORK
            stored = sum(len(list(folder.iterdir())) for folder in kept.iterdir())
    print(output.strip().splitlines()[0] if output.strip() else "nothing was graded")
    errors = Counter(one.fault for one in learners if one.fault)
    holds = not errors and stored == args.learners and busy and grading.returncode == 0
    holds = holds and all(figures[kind]["p95"] <= MAX_SECONDS for kind in kinds)
    more = {"all handed in": round(handed_in, 1), "all graded": round(graded, 1), "stored": stored, "holds": holds}
    print(json.dumps({**figures, "errors": dict(errors), "grading meanwhile": busy, **more}))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
