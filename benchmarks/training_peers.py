"""Peers for `training.py`: each trains one network on the same batches from the same start, in float32.

A peer is a function Problem → `train`, where `train()` runs all the steps from the start and returns the last loss.
Preparations (tensors of the data, an optimiser) are made before; compiling happens in the first call. Peers that are
not installed raise ImportError.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.gates import ReLU, Sigmoid, SoftmaxCrossEntropy, SquaredError
from nnkit.mlp import MLP

Train = Callable[[], float]


@dataclass(frozen=True)
class Problem:
    """A network, its data, and the order in which batches are taken."""

    name: str
    model: MLP
    x: np.ndarray
    y: np.ndarray
    batch_size: int | None
    epochs: int
    rate: float

    @property
    def start(self) -> dict[str, np.ndarray]:
        return self.model.init(0, dtype=np.float32)

    @property
    def is_lecture(self) -> bool:
        """The 20-line network: sigmoid, squared error, no bias."""
        return not self.model.bias

    def batches(self) -> list[np.ndarray | slice]:
        """Return the batches that `nnkit.train.fit` takes with rng=0."""
        if self.batch_size is None:
            return [slice(None)] * self.epochs
        rng = np.random.default_rng(0)
        orders = [rng.permutation(len(self.x)) for _ in range(self.epochs)]
        return [order[i : i + self.batch_size] for order in orders for i in range(0, len(order), self.batch_size)]


def make_classification(name: str, sizes: tuple[int, int, int], batch_size: int, batches: int, epochs: int) -> Problem:
    rng, n = np.random.default_rng(1), batch_size * batches
    x = rng.normal(size=(n, sizes[0])).astype(np.float32)
    return Problem(
        name, MLP(sizes, ReLU(), SoftmaxCrossEntropy()), x, rng.integers(0, sizes[2], n), batch_size, epochs, 0.1
    )


def make_lecture(steps: int) -> Problem:
    """Return the problem of the slide: 64 examples, 1000 → 100 → 10, normal numbers."""
    rng = np.random.default_rng(1)
    x, y = (rng.normal(size=(64, n)).astype(np.float32) for n in (1000, 10))
    return Problem("20 lines", MLP((1000, 100, 10), Sigmoid(), SquaredError(), bias=False), x, y, None, steps, 1e-4)


def make_numpy(problem: Problem) -> Train:
    x, y, batches, rate = problem.x, problem.y, problem.batches(), np.float32(problem.rate)

    def lecture_step(p: Any, x: Any, y: Any) -> Any:
        h = 1 / (1 + np.exp(-x @ p["W1"]))
        error = h @ p["W2"] - y
        upstream = 2 * error
        dh = upstream @ p["W2"].T
        return np.square(error).sum(), {"W1": x.T @ (dh * h * (1 - h)), "W2": h.T @ upstream}

    def step(p: Any, x: Any, y: Any) -> Any:
        z = x @ p["W1"] + p["b1"]
        h = np.maximum(z, 0)
        scores = h @ p["W2"] + p["b2"]
        scores -= scores.max(axis=1, keepdims=True)
        exps = np.exp(scores)
        total = exps.sum(axis=1, keepdims=True)
        rows = np.arange(len(x))
        loss = (np.log(total)[:, 0] - scores[rows, y]).mean()
        exps /= total
        exps[rows, y] -= 1
        exps /= np.float32(len(x))
        dz = (exps @ p["W2"].T) * (z > 0)
        return loss, {"W1": x.T @ dz, "b1": dz.sum(axis=0), "W2": h.T @ exps, "b2": exps.sum(axis=0)}

    def train() -> float:
        p, loss = problem.start, 0.0
        for batch in batches:
            loss, d = (lecture_step if problem.is_lecture else step)(p, x[batch], y[batch])
            for name in p:
                p[name] -= rate * d[name]
        return float(loss)

    return train


def make_torch(problem: Problem, device: str = "cpu", mode: str | None = None) -> Train:
    """Train in PyTorch, eager or with the loss compiled (`mode` "default", or "reduce-overhead": CUDA graphs)."""
    import torch
    from torch.nn import functional

    on = {"device": device}
    x, y = torch.tensor(problem.x, **on), torch.tensor(problem.y, **on)
    batches = [b if isinstance(b, slice) else torch.tensor(b, **on) for b in problem.batches()]

    def loss_of(p: Any, x: Any, y: Any) -> Any:
        if problem.is_lecture:
            return ((torch.sigmoid(x @ p["W1"]) @ p["W2"] - y) ** 2).sum()
        return functional.cross_entropy(torch.relu(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"], y)

    loss_fn = torch.compile(loss_of, mode=None if mode == "default" else mode) if mode else loss_of
    p = {name: torch.tensor(w, requires_grad=True, **on) for name, w in problem.start.items()}
    optimiser = torch.optim.SGD(p.values(), problem.rate)

    def train() -> float:
        with torch.no_grad():
            for name, w in problem.start.items():
                p[name].copy_(torch.tensor(w))
        loss = None
        for batch in batches:
            optimiser.zero_grad()
            loss = loss_fn(p, x[batch], y[batch])
            loss.backward()
            optimiser.step()
        return float(loss.detach())

    return train


def make_equinox(problem: Problem) -> Train:
    import equinox as eqx
    import jax.numpy as jnp
    import optax

    import jax

    class Network(eqx.Module):
        layers: dict[str, Any]

        def __call__(self, x: Any) -> Any:
            p = self.layers
            if problem.is_lecture:
                return jax.nn.sigmoid(x @ p["W1"]) @ p["W2"]
            return jax.nn.relu(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]

    def loss_of(network: Any, x: Any, y: Any) -> Any:
        scores = network(x)
        if problem.is_lecture:
            return ((scores - y) ** 2).sum()
        return optax.softmax_cross_entropy_with_integer_labels(scores, y).mean()

    optimiser = optax.sgd(problem.rate)

    @eqx.filter_jit(donate="all-except-first")
    def step(data: Any, batch: Any, network: Any, memory: Any) -> Any:
        x, y = data if batch is None else (data[0][batch], data[1][batch])
        loss, gradients = eqx.filter_value_and_grad(loss_of)(network, x, y)
        updates, memory = optimiser.update(gradients, memory, network)
        return eqx.apply_updates(network, updates), memory, loss

    data = jnp.asarray(problem.x), jnp.asarray(problem.y)
    batches = [None if isinstance(b, slice) else b.astype(np.int32) for b in problem.batches()]

    def train() -> float:
        network = Network({name: jnp.array(w) for name, w in problem.start.items()})
        memory, loss = optimiser.init(network), None
        for batch in batches:
            network, memory, loss = step(data, batch, network, memory)
        return float(jax.block_until_ready(loss))

    return train


def make_scikit_learn(problem: Problem) -> Train:
    """Train in scikit-learn, for classes only. Its start and shuffles are its own, so its loss differs."""
    if problem.is_lecture:
        raise NotImplementedError
    from sklearn.neural_network import MLPClassifier

    def train() -> float:
        network = MLPClassifier(
            problem.model.sizes[1:-1], solver="sgd", alpha=0.0, momentum=0.0, batch_size=problem.batch_size,
            learning_rate_init=problem.rate, max_iter=problem.epochs, tol=0.0, n_iter_no_change=10**6, random_state=0,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network.fit(problem.x, problem.y)
        return float("nan")

    return train
