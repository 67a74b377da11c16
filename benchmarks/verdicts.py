"""Wrong answers made at random: does a verdict on one claim what its own numbers refute?

    python benchmarks/verdicts.py [--count 20000] [--seed 0] [--jobs 2] [--show 10]

`tests/corpus/random_answers.py` makes the answers (mutants, zeros, shuffled, scaled, cut, other containers, other
gates' formulas, formulas of a small grammar); `tests/helpers/judge.py` judges, and knows nothing of how a mistake is
found.
Goals: 0 false claims, 0 accepted although wrong. The last line of output is JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # one thread each, set before NumPy starts its own
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from corpus.random_answers import make_answer
from helpers.judge import ask
from nnkit.check.context import checking

SECONDS = 5.0


@dataclass(frozen=True)
class Result:
    seed: int
    how: str
    kind: str
    """accepted | named | explained | measured (a lesson alone) | bare | crashed | error | not attempted"""
    false: tuple[str, ...]
    text: str
    seconds: float


def judged(seed: int) -> Result:
    """Return what is false of the verdict on the answer of this seed."""
    answer = make_answer(seed)
    start = time.perf_counter()
    try:
        with checking(seconds=SECONDS):
            found = ask(answer.source.check, answer.make())
    except Exception as fault:
        false = (f"the check raised {type(fault).__name__}: {fault}",)
        return Result(seed, answer.how, "crashed", false, answer.text, time.perf_counter() - start)
    verdict = found.verdict
    if verdict.status != "wrong":
        kind = "accepted" if verdict.passed else verdict.status
    else:
        kind = "named" if verdict.mistakes else "explained" if verdict.explained_as else "bare"
        kind = "measured" if kind == "bare" and verdict.lesson else kind
    text = f"{answer.text}\n{verdict}" if found.false else ""
    return Result(seed, answer.how, kind, found.false, text, time.perf_counter() - start)


def run(seeds: range, jobs: int) -> list[Result]:
    """Judge the answers of these seeds."""
    if jobs == 1:
        return [judged(seed) for seed in seeds]
    found = []
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        for count, result in enumerate(pool.map(judged, seeds, chunksize=20), 1):
            found.append(result)
            if count % 1000 == 0:
                print(f"{count} of {len(seeds)}", file=sys.stderr, flush=True)
    return found


def tell(results: list[Result], show: int) -> None:
    kinds = Counter(result.kind for result in results)
    print(", ".join(f"{kind} {count}" for kind, count in kinds.most_common()))
    for how in dict.fromkeys(result.how for result in results):
        own = [result for result in results if result.how == how]
        counts = Counter(result.kind for result in own).most_common()
        print(f"{how:<24}{len(own):>7}  " + ", ".join(f"{kind} {count}" for kind, count in counts))
    false = [result for result in results if result.false]
    print(f"\n{len(false)} verdicts with a false claim")
    for result in false[:show]:
        claims = "\n".join(f"  FALSE: {claim}" for claim in result.false)
        print(f"\n---- seed {result.seed}, {result.how}\n{result.text}\n{claims}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0, help="the first answer's")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--show", type=int, default=10, help="how many false claims are printed in full")
    options = parser.parse_args()
    start = time.perf_counter()
    results = run(range(options.seed, options.seed + options.count), options.jobs)
    tell(results, options.show)
    kinds = Counter(result.kind for result in results)
    accepted = sum(result.kind == "accepted" and bool(result.false) for result in results)
    false = sum(result.kind != "accepted" and bool(result.false) for result in results)
    print(
        json.dumps(
            {
                "benchmark": "verdicts",
                "seed": options.seed,
                "answers": len(results),
                **{kind: kinds[kind] for kind in ("named", "explained", "measured", "bare", "error", "not attempted")},
                "right_by_chance": kinds["accepted"] - accepted,
                "wrong_accepted": accepted,
                "crashed": kinds["crashed"],
                "false_claims": false,
                "slowest_seconds": round(max(result.seconds for result in results), 2),
                "seconds": round(time.perf_counter() - start, 1),
            }
        )
    )
    return 1 if false or accepted else 0


if __name__ == "__main__":
    sys.exit(main())
