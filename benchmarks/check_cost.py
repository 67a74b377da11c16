"""What a check costs, and the smallest error that it sees.

    python benchmarks/check_cost.py [--only time|power] [--most 1e7]

time: CPU seconds, calls of the learner's code and memory of `check_backward` on right gradients, each in a process of
its own: elementwise gates of 10³ to 10⁷ entries, deep networks, and layers at coursework sizes.

power: the smallest relative error in one entry, of the powers of ten, that is seen in 10 of 10 draws, by the number of
entries and by how the gradient is measured: by the complex step, by real steps where the code takes no complex
numbers, and by real steps where the output is one number, a loss. `small` is an entry whose gradient is a thousandth of
the others'. The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nnkit import check

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from corpus.coursework_layers import LAYERS

SIZES = [10**k for k in range(2, 8)]
ERRORS = [10.0**-k for k in range(9, 0, -1)]
DRAWS = 10
SECONDS = 120.0


# ---- time and memory -----------------------------------------------------------------------------------


class Counted:
    """A gate, and how often it was called."""

    def __init__(self, gate: Any) -> None:
        self.gate, self.calls = gate, 0

    def forward(self, *inputs: Any) -> Any:
        self.calls += 1
        return self.gate.forward(*inputs)

    def backward(self, upstream: Any, cache: Any) -> Any:
        self.calls += 1
        return self.gate.backward(upstream, cache)


class Tanh:
    def forward(self, x: Any) -> Any:
        a = np.tanh(x)
        return a, a

    def backward(self, upstream: Any, a: Any) -> Any:
        return upstream * (1 - a * a)


class DeepNetwork:
    """Layers of one size without biases, as one gate of the weights."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def forward(self, *weights: Any) -> Any:
        h, layers = self.x, []
        for w in weights:
            layers.append(h)
            h = np.tanh(h @ w)
        return h, (layers, h, weights)

    def backward(self, upstream: Any, cache: Any) -> Any:
        layers, h, weights = cache
        grads, g = [], upstream
        for below, w in zip(reversed(layers), reversed(weights)):
            g = g * (1 - h * h)
            grads.append(below.T @ g)
            g, h = g @ w.T, below
        return tuple(reversed(grads))


def make_deep(depth: int, width: int) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        weights = [rng.normal(size=(width, width)) / np.sqrt(width) for _ in range(depth)]
        return DeepNetwork(rng.normal(size=(8, width))), *weights

    return make


def make_tanh(entries: int) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    return lambda rng: (Tanh(), rng.normal(size=(entries // 10, 10)))


TIMED: dict[str, Callable[[np.random.Generator], tuple[Any, ...]]] = {
    **{f"tanh of {n:,} entries": make_tanh(n) for n in SIZES[1:]},
    "50 layers of 10 units": make_deep(50, 10),
    "20 layers of 64 units": make_deep(20, 64),
    **LAYERS,
}


def measure(name: str) -> dict[str, Any]:
    """Return what one check costs, in this process."""
    import resource

    gate, *inputs = TIMED[name](np.random.default_rng(0))
    counted = Counted(gate)
    check.check_backward(Tanh(), np.ones(3))  # what is done once in a process is no part of the time
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    with check.checking(seconds=SECONDS):
        verdict = check.check_backward(counted, *inputs)
    seconds = time.process_time() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "subject": name,
        "entries": sum(np.size(x) for x in inputs if np.asarray(x).dtype.kind == "f"),
        "status": verdict.status,
        "calls": counted.calls,
        "seconds": round(seconds, 4),
        "megabytes": grown // 1024,
    }


def measure_apart(name: str) -> dict[str, Any]:
    found = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True, check=True)
    row: dict[str, Any] = json.loads(found.stdout)
    cells = f"{row['entries']:>12,} {row['calls']:>6} {row['seconds']:>9.3f} s {row['megabytes']:>6} MB"
    print(f"{name:<34}{cells}  {row['status']}", flush=True)
    return row


# ---- power ---------------------------------------------------------------------------------------------


class Cubes:
    """A gate that is wrong in one entry."""

    def __init__(self, error: float, entry: int) -> None:
        self.error, self.entry = error, entry

    def forward(self, x: Any) -> Any:
        return x**3, x

    def backward(self, upstream: Any, x: Any) -> Any:
        dx = 3 * upstream * x**2
        dx[self.entry] *= 1 + self.error
        return dx


class RealCubes(Cubes):
    """The same with an output that holds real numbers only."""

    def forward(self, x: Any) -> Any:
        out = np.zeros(x.shape)
        out[:] = x**3
        return out, x


class MeanOfCubes(RealCubes):
    def forward(self, x: Any) -> Any:
        out, cache = super().forward(x)
        return np.mean(out), cache

    def backward(self, upstream: Any, x: Any) -> Any:
        return super().backward(upstream / len(x), x)


WAYS = {"complex step": Cubes, "real steps": RealCubes, "real steps, a loss": MeanOfCubes}


def sees(make: Any, entries: int, error: float, draw: int, size: float) -> bool:
    rng = np.random.default_rng([entries, draw])
    x = rng.uniform(0.5, 2, size=entries) * rng.choice([-1.0, 1.0], size=entries)
    entry = int(rng.integers(entries))
    x[entry] = size
    with check.checking(seconds=SECONDS):
        return check.check_backward(make(error, entry), x, rng=draw).status == "wrong"


def find_power(make: Any, entries: int, size: float) -> float | None:
    """Return the smallest error that is seen in all draws; None if not even the largest is."""
    draws = DRAWS if entries <= 10**4 else 3
    for error in ERRORS:
        if all(sees(make, entries, error, draw, size) for draw in range(draws)):
            return error
    return None


def measure_power(most: int) -> list[dict[str, Any]]:
    rows = []
    print(f"\n{'smallest relative error seen':<30}" + "".join(f"{n:>12,}" for n in SIZES if n <= most))
    for name, make in WAYS.items():
        for kind, size in (("", 1.0), (", small", 1000**-0.5)):
            found = {n: find_power(make, n, size) for n in SIZES if n <= most}
            print(f"{name + kind:<30}" + "".join(f"{e or float('nan'):>12.0e}" for e in found.values()), flush=True)
            rows.append({"measured by": name, "small": bool(kind), "error": {str(n): e for n, e in found.items()}})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["time", "power"])
    parser.add_argument("--most", type=float, default=1e6, help="entries of the largest array that errors are put into")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return 0
    timed = [measure_apart(name) for name in TIMED] if options.only != "power" else []
    power = measure_power(int(options.most)) if options.only != "time" else []
    print(json.dumps({"benchmark": "check_cost", "time": timed, "power": power}))
    return 0 if all(row["status"] == "right" for row in timed) else 1


if __name__ == "__main__":
    sys.exit(main())
