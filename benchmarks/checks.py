"""nnkit.check against PyTorch's gradcheck, JAX's check_grads and the textbook loop, on one corpus in one run.

    python benchmarks/checks.py [--draws N] [--seed S]

First the corpus of `tests/corpus/`, with what is reported in public: how many wrong gradients does each accept, how
many right ones does it reject, how many mistakes does it name, and how many of its names are false? Then the time that
right answers take, for arrays of 10 to 10,000 entries. Goals: 0 accepted, 0 rejected, 98 % named, 0 false names, faster
than gradcheck. The last line of output is JSON. `peers.py` says how each peer is asked; docs/benchmarks.md says what is
compared, and what was seen.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # one thread each, set before NumPy and PyTorch start theirs
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import numpy as np

from nnkit import check

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from corpus.coursework_layers import LAYERS
from corpus.reported import REPORTED
from corpus.right import RIGHT
from corpus.special_cases import SPECIAL
from corpus.wrong import WRONG

try:
    import peers
except ModuleNotFoundError as missing:
    if missing.name not in ("torch", "jax"):
        raise
    extra = "bench" if missing.name == "torch" else "learn"
    sys.exit(f"{missing.name} is missing; install it with: pip install -e '.[{extra}]'")

OURS = "nnkit.check"
EXPRESSIBLE = {"check_backward", "check_gradient", "check_loss", "check_parameters"}
"""A peer knows of no graph, update, training step or explicit Jacobian."""
BEHAVIOUR = {"low-precision", "mutated-input", "not-reset", "numerical-derivative", "stale-cache"}
"""Mistakes with which the numbers of one call are right, or nearly."""
NAMED = 0.98


@dataclass(frozen=True)
class Answer:
    reason: str | None
    """Why it was not accepted; None where it was."""
    mistakes: tuple[str, ...]
    seconds: float
    kinks: bool = False


@dataclass
class Tally:
    """The answers of one checker on the whole corpus."""

    accepted: Counter[str] = field(default_factory=Counter)
    """Wrong ones, by mistake."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Right ones, by reason."""
    at_kinks: int = 0
    """The number of rejected inputs that have an entry on a kink."""
    named: int = 0
    false_names: int = 0
    """Verdicts with a name that is not true."""
    seconds: dict[str, float] = field(default_factory=lambda: {"right": 0.0, "wrong": 0.0})


# ---- the corpus ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """A gradient that is wrong, or right, and what may be said of it."""

    name: str
    check: str
    make: Callable[[Any], Any]
    ids: tuple[str, ...] = ()
    """The names that would be true."""
    nameable: bool = False
    """It is planted to be named with just these."""

    def allows(self, mistakes: tuple[str, ...]) -> bool:
        """Return True if none of these names is false."""
        exactly = sorted(mistakes) == sorted(self.ids)
        return not mistakes or exactly or (not self.nameable and set(mistakes) <= set(self.ids))


def list_wrong() -> list[Entry]:
    """Return the planted mistakes, what people report, and cases at the edge, as far as a peer can be asked."""
    found = [Entry(w.name, w.check, w.make, w.ids, bool(w.ids)) for w in WRONG]
    found += [Entry(case.name, case.check, case.make, tuple(case.true)) for case in (*REPORTED, *SPECIAL) if case.wrong]
    return [entry for entry in found if entry.check in EXPRESSIBLE]


def list_right() -> list[Entry]:
    """Return the right answers, false alarms that people reported, and right ones at the edge."""
    found = [Entry(right.name, right.check, right.make) for right in RIGHT]
    found += [Entry(case.name, case.check, case.make) for case in (*REPORTED, *SPECIAL) if not case.wrong]
    return [entry for entry in found if entry.check in EXPRESSIBLE]


def ask_nnkit(entry: Any, call: Any) -> Answer:
    start = time.perf_counter()
    verdict = getattr(check, entry.check)(*call.args, **call.kwargs)
    seconds = time.perf_counter() - start
    reason = None if verdict.passed else verdict.headline
    return Answer(reason, tuple(verdict.mistakes), seconds, any("kink" in note for note in verdict.notes))


def ask_peer(peer: peers.Peer, entry: Any, call: Any) -> Answer:
    start = time.perf_counter()
    problem = peers.problem_of(entry.check, call.args, call.kwargs.get("of"))
    reason = peers.refused(peer, problem)
    return Answer(reason, (), time.perf_counter() - start)


CHECKERS: dict[str, Callable[[Any, Any], Answer]] = {
    OURS: ask_nnkit,
    **{name: partial(ask_peer, peer) for name, peer in peers.PEERS.items()},
}


def answers(entry: Any, seed: list[int]) -> dict[str, Answer]:
    """Return the answer of each checker on the entry at the same inputs, each time with a fresh implementation."""
    return {name: ask(entry, entry.make(np.random.default_rng(seed))) for name, ask in CHECKERS.items()}


def ask_all(entries: list[Any], draws: int, seed: int, label: str) -> Iterator[tuple[Any, dict[str, Answer]]]:
    for draw in range(draws):
        for position, entry in enumerate(entries):
            with contextlib.redirect_stdout(io.StringIO()):
                given = answers(entry, [seed, draw, position])
            yield entry, given
        print(f"{label}: {(draw + 1) * len(entries)} of {draws * len(entries)} asked", file=sys.stderr, flush=True)


def count_right(tallies: dict[str, Tally], entry: Any, given: dict[str, Answer]) -> None:
    for name, answer in given.items():
        tallies[name].seconds["right"] += answer.seconds
        if answer.reason is not None:
            tallies[name].rejected[answer.reason] += 1
            tallies[name].at_kinks += given[OURS].kinks
    if given[OURS].reason is not None:
        print(f"{OURS} rejects {entry.name}: {given[OURS].reason}")


def count_wrong(tallies: dict[str, Tally], entry: Any, given: dict[str, Answer]) -> None:
    for name, answer in given.items():
        tally = tallies[name]
        tally.seconds["wrong"] += answer.seconds
        tally.named += entry.nameable and sorted(answer.mistakes) == sorted(entry.ids)
        tally.false_names += not entry.allows(answer.mistakes)
        if answer.reason is None:
            tally.accepted[" + ".join(entry.ids) or "no name"] += 1
    if given[OURS].reason is None:
        print(f"{OURS} accepts {entry.name}")


def compare(right: list[Any], wrong: list[Any], draws: int, seed: int) -> dict[str, Tally]:
    answers(right[0], [seed])  # what is done once in a process is no part of the times
    tallies = {name: Tally() for name in CHECKERS}
    for entry, given in ask_all(right, draws, seed, "right"):
        count_right(tallies, entry, given)
    for entry, given in ask_all(wrong, draws, seed, "wrong"):
        count_wrong(tallies, entry, given)
    return tallies


# ---- speed ---------------------------------------------------------------------------------------------

SHAPES = {10: (2, 5), 100: (10, 10), 1_000: (25, 40), 10_000: (100, 100)}
"""Shapes of the largest array, by its number of entries."""
COURSEWORK = "batch norm", "naive convolution", "attention", "LSTM of 10 steps"
"""Layers, of the sizes of coursework, that are timed too; entries are those of all inputs."""
LIMIT = 60.0
ROUNDS, ENOUGH = 7, 1.0
"""The median of so many calls, or of as many as fill this many seconds."""


class TanhGate:
    def forward(self, x):
        a = np.tanh(x)
        return a, a

    def backward(self, upstream, a):
        return (upstream * (1 - a**2),)


class MatMulGate:
    def forward(self, x, w):
        return x @ w, (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return upstream @ w.T, x.T @ upstream


class SoftmaxLossGate:
    """A loss of scores, for the labels that it was made with."""

    def __init__(self, labels):
        self.labels = labels

    def forward(self, scores):
        rows = np.arange(len(scores))
        shifted = scores - scores.max(axis=1, keepdims=True)
        exps = np.exp(shifted)
        total = exps.sum(axis=1, keepdims=True)
        return np.mean(np.log(total[:, 0]) - shifted[rows, self.labels]), exps / total

    def backward(self, upstream, p):
        dscores = p.copy()
        dscores[np.arange(len(p)), self.labels] -= 1
        return (upstream * dscores / len(p),)


class NetworkGate:
    """Two layers and a softmax loss, of the parameters, for the batch that it was made with."""

    def __init__(self, x, labels):
        self.x = x
        self.loss = SoftmaxLossGate(labels)

    def forward(self, W1, b1, W2, b2):
        z = self.x @ W1 + b1
        h = np.maximum(0, z)
        loss, p = self.loss.forward(h @ W2 + b2)
        return loss, (z, h, W2, p)

    def backward(self, upstream, cache):
        z, h, W2, p = cache
        (dscores,) = self.loss.backward(upstream, p)
        dz = (dscores @ W2.T) * (z > 0)
        return self.x.T @ dz, dz.sum(axis=0), h.T @ dscores, dscores.sum(axis=0)


def subjects(entries: int, seed: int) -> dict[str, tuple[Any, ...]]:
    """A gate and its inputs, of which the largest has so many entries."""
    rng = np.random.default_rng([seed, entries])
    a, b = SHAPES[entries]
    few = min(a, 10)
    labels = [rng.integers(0, classes, n) for n, classes in ((a, b), (10, few))]
    network = NetworkGate(rng.normal(size=(10, a)), labels[1])
    return {
        "tanh": (TanhGate(), rng.normal(size=(a, b))),
        "matrix product": (MatMulGate(), rng.normal(size=(a, b)), rng.normal(size=(b, few))),
        "softmax loss": (SoftmaxLossGate(labels[0]), rng.normal(size=(a, b))),
        "two-layer network": (
            network,
            rng.normal(size=(a, b)) / np.sqrt(a),
            rng.normal(size=b) / 10,
            rng.normal(size=(b, few)) / np.sqrt(b),
            rng.normal(size=few) / 10,
        ),
    }


class OutOfTime(BaseException):
    pass


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Raises OutOfTime inside; what is in the middle of a long operation ends that first. No limit on Windows."""

    def ring(signum: int, frame: Any) -> None:
        raise OutOfTime

    if not hasattr(signal, "setitimer"):
        yield
        return
    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def ours(gate: Any, *inputs: Any) -> str | None:
    verdict = check.check_backward(gate, *inputs)
    return None if verdict.passed else verdict.headline


def limited(peer: peers.Peer, gate: Any, *inputs: Any) -> str | None:
    with time_limit():
        return peers.refused(peer, peers.Problem(inputs, gate.forward, gate.backward))


TIMED: dict[str, Callable[..., str | None]] = {
    OURS: ours,
    **{name: partial(limited, peers.PEERS[name]) for name in ("gradcheck", "gradcheck, fast")},
}


def timed(subject: tuple[Any, ...]) -> dict[str, float | str]:
    """Seconds of the processor for each, taken in turns; or why there are none. On a machine that others use too,
    seconds of the clock would tell about them."""
    times: dict[str, list[float]] = {name: [] for name in TIMED}
    found: dict[str, float | str] = {}
    for _ in range(ROUNDS):
        for name, ask in TIMED.items():
            if name in found or sum(times[name]) > ENOUGH:
                continue
            start = time.process_time()
            try:
                reason = ask(*subject)
            except OutOfTime:
                reason = f"more than {LIMIT:g} s"
            if reason is not None:
                found[name] = reason
            times[name].append(time.process_time() - start)
    return {name: found.get(name, float(np.median(times[name]))) for name in TIMED}


def measure_speed(seed: int) -> list[dict[str, Any]]:
    timed(subjects(10, seed)["tanh"])  # what is done once in a process is no part of the times
    rows: list[dict[str, Any]] = []
    for entries in SHAPES:
        for name, subject in subjects(entries, seed).items():
            rows.append({"entries": entries, "subject": name, "seconds": timed(subject)})
        print(f"speed: {entries} entries done", file=sys.stderr, flush=True)
    for name, make in LAYERS.items():
        if name in COURSEWORK:
            subject = make(np.random.default_rng(seed))
            rows.append({"entries": sum(map(np.size, subject[1:])), "subject": name, "seconds": timed(subject)})
    return rows


def ratio(row: dict[str, Any], peer: str) -> float | None:
    """Return the speed of nnkit.check over the peer's: more than this, if the peer was stopped at the limit."""
    mine, other = row["seconds"][OURS], row["seconds"][peer]
    if isinstance(mine, str):
        return None
    if isinstance(other, str):
        return LIMIT / mine if other.startswith("more than") else None
    return float(other / mine)


# ---- telling -------------------------------------------------------------------------------------------


def tell_corpus(tallies: dict[str, Tally], right: int, wrong: int, nameable: int) -> None:
    heads = "wrong accepted", "numbers off", "right rejected", "at kinks", "named", "false names", "seconds"
    print(f"{wrong} wrong gradients ({nameable} with a name in the catalogue), {right} right ones")
    print(f"{'':<18}" + "".join(f"{head:>16}" for head in heads))
    for name, tally in tallies.items():
        figures = [tally.accepted.total(), numbers_off(tally), tally.rejected.total(), tally.at_kinks]
        cells = [*map(str, figures), f"{tally.named / nameable:.1%}", str(tally.false_names)]
        cells.append(f"{sum(tally.seconds.values()):.1f}")
        print(f"{name:<18}" + "".join(f"{cell:>16}" for cell in cells))
    for name, tally in tallies.items():
        for told, counts in (("accepts wrong ones", tally.accepted), ("rejects right ones", tally.rejected)):
            if counts:
                print(f"{name} {told}: " + "; ".join(f"{what} {count}" for what, count in counts.most_common()))


def numbers_off(tally: Tally) -> int:
    """Wrong ones that were accepted although the numbers of one call tell."""
    return sum(count for id, count in tally.accepted.items() if id not in BEHAVIOUR)


def tell_speed(rows: list[dict[str, Any]]) -> None:
    print(f"\n{'entries':>8}  {'right answer':<20}" + "".join(f"{name:>18}" for name in TIMED) + f"{'ratios':>18}")
    for row in rows:
        cells = [f"{s:.16}" if isinstance(s, str) else f"{s * 1000:.1f} ms" for s in row["seconds"].values()]
        ratios = [ratio(row, peer) for peer in TIMED if peer != OURS]
        cells.append(", ".join("-" if r is None else f"{r:.2f}" for r in ratios))
        print(f"{row['entries']:>8}  {row['subject']:<20}" + "".join(f"{cell:>18}" for cell in cells))


def summary(tally: Tally, nameable: int) -> dict[str, Any]:
    return {
        "wrong_accepted": tally.accepted.total(),
        "wrong_accepted_numbers_off": numbers_off(tally),
        "wrong_accepted_by_mistake": dict(tally.accepted.most_common()),
        "right_rejected": tally.rejected.total(),
        "right_rejected_at_kinks": tally.at_kinks,
        "right_rejected_by_reason": dict(tally.rejected.most_common()),
        "named": round(tally.named / nameable, 4),
        "false_names": tally.false_names,
        "seconds": {kind: round(seconds, 2) for kind, seconds in tally.seconds.items()},
    }


def goals(tally: Tally, nameable: int, rows: list[dict[str, Any]]) -> dict[str, bool]:
    def faster(peer: str) -> bool:
        return all((ratio(row, peer) or 0.0) > 1 for row in rows)

    return {
        "no wrong one accepted": not tally.accepted,
        "no right one rejected": not tally.rejected,
        "98 % named": tally.named >= NAMED * nameable,
        "no false name": not tally.false_names,
        "faster than gradcheck": faster("gradcheck"),
        "faster than gradcheck's fast mode (no goal)": faster("gradcheck, fast"),
    }


def rounded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def row_of(row: dict[str, Any]) -> dict[str, Any]:
        seconds = {name: s if isinstance(s, str) else round(s, 5) for name, s in row["seconds"].items()}
        ratios = {peer: ratio(row, peer) for peer in TIMED if peer != OURS}
        return {**row, "seconds": seconds, "ratio": {peer: r and round(r, 2) for peer, r in ratios.items()}}

    return [row_of(row) for row in rows]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=3, help="random inputs for each entry of the corpus")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.perf_counter()
    logging.disable(logging.CRITICAL)  # JAX logs each exception of a callback
    warnings.simplefilter("ignore")
    right, wrong = list_right(), list_wrong()
    nameable = options.draws * sum(entry.nameable for entry in wrong)
    with np.errstate(all="ignore"):
        tallies = compare(right, wrong, options.draws, options.seed)
        tell_corpus(tallies, options.draws * len(right), options.draws * len(wrong), nameable)
        rows = measure_speed(options.seed)
    tell_speed(rows)
    reached = goals(tallies[OURS], nameable, rows)
    result = {
        "benchmark": "checks",
        "seed": options.seed,
        "draws": options.draws,
        "entries": {"right": len(right), "wrong": len(wrong)},
        "corpus": {name: summary(tally, nameable) for name, tally in tallies.items()},
        "speed": rounded(rows),
        "reached": reached,
        "seconds": round(time.perf_counter() - start, 1),
    }
    print(json.dumps(result))
    return 0 if all(met for goal, met in reached.items() if "no goal" not in goal) else 1


if __name__ == "__main__":
    sys.exit(main())
