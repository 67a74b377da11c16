"""Training steps: `nnkit.jax_path` against NumPy, PyTorch, scikit-learn, and Equinox with optax; many networks at once.

Everything is timed in turns in one run, until the last result, after a first call that compiles (and is reported
separately); the last losses must be equal. A GPU is measured if JAX finds one. The last line of output is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import jax.numpy as jnp
import numpy as np

import jax
import training_peers as peers
from nnkit import train
from nnkit.data import spiral
from nnkit.jax_path import fit, fit_many
from nnkit.mlp import MLP
from nnkit.train import SGD
from training_peers import Problem

PEERS: dict[str, Callable[[Problem], Callable[[], float]]] = {
    "NumPy inline": peers.make_numpy,
    "PyTorch eager": peers.make_torch,
    "torch.compile": partial(peers.make_torch, mode="default"),
    "Equinox + optax, jit a step": peers.make_equinox,
    "scikit-learn": peers.make_scikit_learn,
}
PEERS_WITH_OTHER_LOSS = ("scikit-learn",)
GPU_PEERS = {
    "PyTorch eager": partial(peers.make_torch, device="cuda"),
    "torch.compile": partial(peers.make_torch, device="cuda", mode="default"),
    "torch, CUDA graph": partial(peers.make_torch, device="cuda", mode="reduce-overhead"),
}
OURS = "nnkit.jax_path.fit"


def make_problems(small: bool) -> list[Problem]:
    k = 10 if small else 1
    return [
        peers.make_classification("64-32-10, batch 64", (64, 32, 10), 64, 50, 40 // k),
        peers.make_classification("64-100-10, batch 256", (64, 100, 10), 256, 20, 30 // k),
        peers.make_classification("3072-100-10, batch 256", (3072, 100, 10), 256, 10, 10 // k),
        peers.make_lecture(500 // k),
    ]


class JaxFit:
    """`fit` without the accuracies, which no peer computes; the time of compiling, which `fit` reports, is left out."""

    def __init__(self, problem: Problem, device: str) -> None:
        self.problem, self.device = problem, device
        self.function = lambda p, x, y: problem.model.gradients(p, x, y)

    def __call__(self) -> tuple[float, float, float]:
        p = self.problem
        found = fit(
            self.function, p.start, p.x, p.y, epochs=p.epochs, batch_size=p.batch_size, optimiser=SGD(p.rate), rng=0,
            device=self.device,
        )  # fmt: skip
        return found.run_seconds, found.compile_seconds, found.history.loss[-1]


def measure_steps(problem: Problem, others: Any, device: str, rounds: int) -> dict[str, Any]:
    """Measure microseconds per step (the least of some rounds in turns), seconds of compiling, and the last losses."""
    count = len(problem.batches())
    sides: dict[str, Callable[[], float]] = {}
    for name, make in others.items():
        try:
            sides[name] = make(problem)
        except (ImportError, NotImplementedError):
            continue
    first, losses, times = {}, {}, {name: [] for name in [OURS, *sides]}
    for name, side in list(sides.items()):
        start = time.perf_counter()
        try:
            losses[name] = side()
        except Exception as fault:
            print(f"  {name}: not measured, it failed ({type(fault).__name__})")
            del sides[name], times[name]
            continue
        first[name] = time.perf_counter() - start
    ours = JaxFit(problem, device)
    _, first[OURS], losses[OURS] = ours()
    for _ in range(rounds):
        times[OURS].append(ours()[0] / count * 1e6)
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            times[name].append((time.perf_counter() - start) / count * 1e6)
    found = {name: min(values) for name, values in times.items()}
    compiling = {
        name: first[name] if name == OURS else max(0.0, first[name] - found[name] * count / 1e6) for name in found
    }
    print_table(problem, found, compiling, losses)
    return {
        "microseconds": round_numbers(found),
        "times faster": round_numbers({n: t / found[OURS] for n, t in found.items()}),
    }


def print_table(
    problem: Problem, found: dict[str, float], compiling: dict[str, float], losses: dict[str, float]
) -> None:
    print(f"{problem.name} ({len(problem.batches())} steps)")
    for name, t in sorted(found.items(), key=lambda item: item[1]):
        print(
            f"  {name:28} {t:10.1f} µs a step, {t / found[OURS]:6.2f} × ours, first call {compiling[name]:.2f} s more"
        )
    same = {name: loss for name, loss in losses.items() if name not in PEERS_WITH_OTHER_LOSS}
    np.testing.assert_allclose(list(same.values()), losses[OURS], rtol=2e-3)
    print(f"  last losses equal: {losses[OURS]:.6g}", flush=True)


def measure_ensemble(networks: int, device: str) -> dict[str, Any]:
    """Time 2-16-16-3 for 500 steps of 30 examples: all at once, and one after the other (extrapolated from a few)."""
    model, (x, labels) = MLP((2, 16, 16, 3)), spiral(100, rng=0)
    settings: Any = {"epochs": 50, "batch_size": 30}
    both = [
        fit_many(model, x, labels, seeds=range(networks), step_sizes=[0.3], device=device, **settings) for _ in range(3)
    ]
    sweep = min(both, key=lambda sweep: sweep.run_seconds)
    seconds = {"fit_many": sweep.run_seconds}
    alone = [fit(model, model.init(k), x, labels, optimiser=SGD(0.3), device=device, **settings) for k in range(6)]
    seconds["fit, one after the other"] = networks * min(a.run_seconds for a in alone[1:])
    by_numpy, each = [], []
    for k in range(5):
        start = time.perf_counter()
        p = model.init(k, dtype=np.float32)
        by_numpy.append(train.fit(model, p, x.astype(np.float32), labels, optimiser=SGD(0.3), **settings))
        each.append(time.perf_counter() - start)
    seconds["NumPy, one after the other"] = networks * min(each)
    seconds |= {f"{n}, one after the other": s * networks for n, s in measure_single_networks(model, x, labels).items()}
    for k in range(5):
        np.testing.assert_allclose(sweep.losses[k, -1], alone[k].history.train_loss[-1], rtol=0.05)
        np.testing.assert_allclose(sweep.losses[k, 4], by_numpy[k].history.train_loss[4], rtol=1e-3)
    print(f"{networks:,} networks 2-16-16-3, 500 steps (compiling fit_many: {both[0].compile_seconds:.2f} s)")
    for name, s in seconds.items():
        print(f"  {name:32} {s:8.2f} s, {s / seconds['fit_many']:6.1f} × ours", flush=True)
    return round_numbers({name: s / seconds["fit_many"] for name, s in seconds.items()})


def measure_single_networks(model: MLP, x: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the seconds for one network in PyTorch eager, and in JAX with a compiled step called from Python."""
    found = {}
    with suppress(ImportError):
        found["PyTorch eager"] = min(time_torch_network(model, x, labels) for _ in range(3))

    @jax.jit
    def step(p: Any, x: Any, y: Any) -> Any:
        loss, d = model.gradients(p, x, y)
        return {name: p[name] - 0.3 * d[name] for name in p}, loss

    order = np.random.default_rng(0).permutation(300).reshape(10, 30)
    batches = [(jnp.asarray(x[i], "float32"), jnp.asarray(labels[i])) for i in order]
    p = jax.tree.map(lambda a: jnp.asarray(a, "float32"), model.init(0))
    each = []
    for _ in range(4):  # the first compiles
        start = time.perf_counter()
        for batch in batches * 50:
            p, _ = step(p, *batch)
        jax.block_until_ready(p)
        each.append(time.perf_counter() - start)
    found["JAX, jit a step"] = min(each)
    return found


def time_torch_network(model: MLP, x: np.ndarray, labels: np.ndarray) -> float:
    import torch

    p = {name: torch.tensor(w, dtype=torch.float32, requires_grad=True) for name, w in model.init(0).items()}
    optimiser, data, y = torch.optim.SGD(p.values(), 0.3), torch.tensor(x, dtype=torch.float32), torch.tensor(labels)
    order = torch.tensor(np.random.default_rng(0).permutation(300).reshape(10, 30))
    start = time.perf_counter()
    for batch in list(order) * 50:
        optimiser.zero_grad()
        h = torch.relu(data[batch] @ p["W1"] + p["b1"])
        h = torch.relu(h @ p["W2"] + p["b2"])
        torch.nn.functional.cross_entropy(h @ p["W3"] + p["b3"], y[batch]).backward()
        optimiser.step()
    return time.perf_counter() - start


def measure_share_of_peak(width: int, batch: int, count: int = 20) -> dict[str, Any]:
    """Measure multiplications per second of a wide MLP's training step in bfloat16, and of a plain matrix product."""
    a = jnp.ones((width, width), jnp.bfloat16)
    product = jax.jit(lambda a: jax.lax.fori_loop(0, count, lambda _, b: a @ b * (1 / width), a))
    jax.block_until_ready(product(a))
    start = time.perf_counter()
    jax.block_until_ready(product(a))
    peak = 2 * width**3 * count / (time.perf_counter() - start)
    model, rng = MLP((width, width, width, width)), np.random.default_rng(0)
    x, y = rng.normal(size=(batch, width)).astype(np.float32), rng.integers(0, width, batch)
    function = lambda p, x, y: model.gradients(p, x, y)  # noqa: E731
    start_p = model.init(0, dtype=np.float32)
    few, more = (fit(function, start_p, x, y, epochs=n, dtype="bfloat16").run_seconds for n in (count, 3 * count))
    ours = 2 * batch * width**2 * (3 + 3 + 2) * 2 * count / (more - few)  # forward, dW, dx but the first layer's
    return {"peak, TFLOP/s": peak / 1e12, "step, TFLOP/s": ours / 1e12, "share": ours / peak}


def round_numbers(numbers: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.3g}") for name, value in numbers.items()}


def list_missing() -> list[str]:
    from importlib.util import find_spec

    return [name for name in ("torch", "equinox", "flax", "sklearn") if find_spec(name) is None]


def measure_gpu(small: bool, rounds: int) -> dict[str, Any]:
    if jax.default_backend() != "gpu":
        rows = ("share of the peak", "microseconds a step", "networks at once")
        print("\n".join(f"GPU, {row}: not measured" for row in rows))
        return dict.fromkeys(rows, "not measured")
    print(f"GPU: {jax.devices()[0].device_kind}")
    found: dict[str, Any] = {"share of the peak": round_numbers(measure_share_of_peak(8192, 8192))}
    found["microseconds a step"] = {p.name: measure_steps(p, GPU_PEERS, "gpu", rounds) for p in make_problems(small)}
    return found | {"networks at once": measure_ensemble(1000, "gpu")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is timed (5)")
    parser.add_argument("--small", action="store_true", help="a tenth of the steps: a trial run")
    options = parser.parse_args()
    if list_missing():
        print(f"Not installed, and left out: {', '.join(list_missing())}.")
    print(f"CPU, {os.cpu_count()} cores; load when it began {os.getloadavg()[0]:.1f}")
    result: dict[str, Any] = {"benchmark": "training"}
    for problem in make_problems(options.small):
        result[problem.name] = measure_steps(problem, PEERS, "cpu", options.rounds)
    result["1,000 networks at once"] = measure_ensemble(1000, "cpu")
    result["gpu"] = measure_gpu(options.small, options.rounds)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
