"""The mutation test of the checker: every mechanical mutant of right backwards (every gate's, and those of
`references.py`) is put to it, and none may pass whose result is not the original's.

    python benchmarks/mutants.py [--naming] [NAME ...]

A mutant is killed (the verdict does not pass), equivalent (what it returns equals what the original returns,
on many random inputs), survived, or crashed the checker. Equivalents are listed with a reason each. The last
line of output is JSON; the exit status is 1 if any survived or crashed. With --naming the checker also looks for
the name of every mistake, which takes several times as long; without, for one mutant in ten.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from mutation.explain import explain
from mutation.judge import Outcome, judge
from mutation.mutate import Mutant, mutants
from mutation.subjects import SUBJECTS

PROCESSES = 2
STATUSES = "killed", "equivalent", "survived", "crashed"
MEMORY = 4 << 30
BY_NAME = {subject.name: subject for subject in SUBJECTS}

Task = tuple[str, Mutant, bool]
"""A subject's name, a mutant of it, and whether its mistake must be named."""


@dataclass(frozen=True)
class Result:
    subject: str
    mutant: Mutant
    outcome: Outcome
    reason: str = ""
    """Why an equivalent mutant is equivalent."""


def judged(task: Task) -> Result:
    name, mutant, naming = task
    subject = BY_NAME[name]
    outcome = judge(subject, mutant, naming)
    reason = explain(subject, mutant) if outcome.status == "equivalent" or outcome.rejected else ""
    return Result(name, mutant, outcome, reason)


def limit_memory() -> None:
    """So that a mutant that asks for too much gets a MemoryError."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(tasks: list[Task]) -> Iterable[Result]:
    for library in ("OMP", "OPENBLAS", "MKL"):  # the processes inherit it: one thread each
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, context, initializer=limit_memory) as pool:
        for count, result in enumerate(pool.map(judged, tasks, chunksize=10), 1):
            if count % 500 == 0:
                print(f"{count} of {len(tasks)} mutants", file=sys.stderr, flush=True)
            yield result


def tell(results: list[Result]) -> None:
    tell_counts(results)
    tell_reasons([result for result in results if result.outcome.status == "equivalent"])
    tell_rejected([result for result in results if result.outcome.rejected])
    for status in ("crashed", "survived"):
        tell_in_full(status, [result for result in results if result.outcome.status == status])


def tell_counts(results: list[Result]) -> None:
    print(f"{'mutated backward':<22}{'mutants':>10}" + "".join(f"{status:>12}" for status in STATUSES))
    for name in dict.fromkeys(result.subject for result in results):
        counts = Counter(result.outcome.status for result in results if result.subject == name)
        print(f"{name:<22}{counts.total():>10}" + "".join(f"{counts[status]:>12}" for status in STATUSES))


def tell_reasons(equivalent: list[Result]) -> None:
    groups = defaultdict(list)
    for result in equivalent:
        groups[result.reason].append(result)
    print(f"\nEquivalent: {len(equivalent)}")
    for reason, members in sorted(groups.items(), key=lambda group: -len(group[1])):
        print(f"\n{len(members)} × {reason}")
        for result in members:
            print(f"    {result.subject}: {result.mutant}")


def tell_rejected(rejected: list[Result]) -> None:
    print(f"\nKilled though the result is the same: {len(rejected)}")
    for result in rejected:
        print(f"    {result.subject}: {result.mutant}  ({result.outcome.note})")


def tell_in_full(status: str, results: list[Result]) -> None:
    print(f"\n{status.capitalize()}: {len(results)}")
    for result in results:
        print(f"\n{result.subject}: {result.mutant}\n{result.outcome.note}\n{result.mutant.source}")


def tasks_of(names: list[str], naming: bool) -> list[Task]:
    made = ((name, mutant) for name in names for mutant in mutants(BY_NAME[name].target))
    return [(name, mutant, naming or count % 10 == 0) for count, (name, mutant) in enumerate(made)]


def main(names: list[str], naming: bool) -> int:
    start = time.perf_counter()
    results = list(run(tasks_of(names or list(BY_NAME), naming)))
    tell(results)
    counts = Counter(result.outcome.status for result in results)
    figures = {"mutants": len(results), **{kind: counts[kind] for kind in STATUSES}}
    print(json.dumps({**figures, "seconds": round(time.perf_counter() - start, 1)}))
    return 1 if counts["survived"] or counts["crashed"] else 0


if __name__ == "__main__":
    sys.exit(main([name for name in sys.argv[1:] if name != "--naming"], "--naming" in sys.argv))
