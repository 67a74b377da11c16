"""Right answers given to the checker: derivatives in many hands, at random inputs. None may be rejected.

Goal: 0 rejected of 10,000 trials, spread evenly over the corpus of `tests/corpus/right.py`. What is rejected
is printed with the seed that makes it again. The last line of output is JSON.
"""

import argparse
import contextlib
import io
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from nnkit import check

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from corpus.right import RIGHT

WORKERS = 2
CHUNK = 50


def verdict(position, seed):
    """One trial: the check that the entry names, at inputs drawn from the seed."""
    right = RIGHT[position]
    call = right.make(np.random.default_rng(seed))
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        return getattr(check, right.check)(*call.args, **call.kwargs)


def rejected(trials):
    """(name, seed, text) of each trial that did not pass; a check that raises did not."""
    found = []
    for position, seed in trials:
        try:
            outcome = verdict(position, seed)
            if outcome.passed:
                continue
            text = str(outcome)
        except Exception as fault:
            text = f"the check raised {type(fault).__name__}: {fault}"
        found.append((RIGHT[position].name, seed, text))
    return found


def spread(trials, seed):
    """(position, seed) for each trial, every entry in turn."""
    return [(i % len(RIGHT), [seed, i % len(RIGHT), i // len(RIGHT)]) for i in range(trials)]


def run(trials, seed):
    todo = spread(trials, seed)
    chunks = [todo[start : start + CHUNK] for start in range(0, len(todo), CHUNK)]
    faults, done = [], 0
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        for chunk, found in zip(chunks, pool.map(rejected, chunks)):
            faults += found
            done += len(chunk)
            print(f"\r{done} of {trials} trials, {len(faults)} rejected", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.perf_counter()
    faults = run(options.trials, options.seed)
    for name, seed, text in faults:
        print(f"{name}, seed {seed}:\n{text}\n")
    result = {
        "benchmark": "right_answers",
        "implementations": len(RIGHT),
        "trials": options.trials,
        "rejected": len(faults),
        "seconds": round(time.perf_counter() - start, 1),
    }
    print(json.dumps(result))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
