"""A network of any depth, built from gates; and the lecture's network of twenty lines.

    model = MLP((2, 100, 3))                              # 2 numbers in, 100 hidden units, 3 scores out
    parameters = model.init(np.random.default_rng(0))     # {"W1": (2, 100), "b1": (100,), "W2": (100, 3), "b2": (3,)}
    loss, gradients = model.gradients(parameters, x, labels)
    parameters = {name: p - 0.1 * gradients[name] for name, p in parameters.items()}

f = W₂ max(0, W₁x) for each example, written for a batch: scores = relu(x @ W1 + b1) @ W2 + b2. The model
holds settings only; its parameters are a plain dict. It calls only the gates' own `forward` and `backward`, so a
learner's gates can replace the kit's, and the same code runs on NumPy and on JAX arrays, under `jax.jit`, `vmap` and
`grad`.

Shapes: N examples, D inputs, H hidden units, C classes. Source: CS231n, lecture 4 (neural networks).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from nnkit.arrays import Array, Parameters, ShapeError, get_name, get_namespace, is_integers, to_array
from nnkit.gates import KIT_GATES, Affine, MatMul, ReLU, SoftmaxCrossEntropy
from nnkit.gates.base import Gradients, check_pair, run_backward, run_forward

_Tape = list[tuple[Any, tuple[str, ...], Any, tuple[Array, ...]]]


@dataclass(frozen=True)
class MLP:
    """A multilayer perceptron: affine gates with an activation between them, and a loss at the end.

    `sizes` gives the numbers of inputs, of units in each hidden layer, and of outputs: (3072, 100, 10) has one hidden
    layer, (2, 3) is a linear classifier. The gates are objects with `forward` and `backward`, the kit's or your own:
    `activation(x)`, `loss_gate(scores, y)`, `affine(x, w, b)`. Without bias, the affine gate is called with
    (x, w), and `MatMul` replaces the kit's `Affine`.

    Raises ValueError for sizes that make no network, TypeError for an object that is not a gate.
    """

    sizes: tuple[int, ...] = (2, 100, 3)
    activation: Any = field(default_factory=ReLU)
    loss_gate: Any = field(default_factory=SoftmaxCrossEntropy)
    affine: Any = field(default_factory=Affine)
    bias: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", _check_sizes(self.sizes))
        for name in ("activation", "loss_gate", "affine"):
            _require_gate(name, getattr(self, name))

    @property
    def depth(self) -> int:
        """Number of layers with weights: 2 for (2, 100, 3)."""
        return len(self.sizes) - 1

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each parameter: Wk is (inputs, units) and bk (units,), for layers k = 1, 2, ...

        A hidden layer of maxout has `pieces` columns for each of its units.
        """
        shapes: dict[str, tuple[int, ...]] = {}
        for k, (inputs, units) in enumerate(pairwise(self.sizes), start=1):
            columns = units * (1 if k == self.depth else getattr(self.activation, "pieces", 1))
            shapes[f"W{k}"] = (inputs, columns)
            if self.bias:
                shapes[f"b{k}"] = (columns,)
        return shapes

    def count(self) -> int:
        """Return the number of parameters: 26 for (3, 4, 2), 20 weights and 6 biases."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def init(self, rng: np.random.Generator | int, scale: float | None = None, dtype: Any = float) -> Parameters:
        """Return random weights, normal with standard deviation `scale`, and biases of zero.

        By default each layer has the scale that keeps signals about the same size from layer to layer, D being the
        layer's inputs: √(2/D) (He et al., 2015), or √(1/D) (Xavier: Glorot and Bengio, 2010) where the activation
        saturates at both ends as the sigmoid and tanh do, or where there is none. `rng` is a generator, or the seed
        of one. Equal weights would all get the same gradient: the randomness makes the units differ.
        """
        rng = np.random.default_rng(rng)
        gain = 1.0 if self.depth == 1 or _saturates(self.activation) else 2.0
        parameters: Parameters = {}
        for name, shape in self.shapes.items():
            size = float(np.sqrt(gain / shape[0])) if scale is None else scale
            values = rng.normal(size=shape) * size if name.startswith("W") else np.zeros(shape)
            parameters[name] = values.astype(dtype)
        return parameters

    def scores(self, parameters: Parameters, x: Array) -> Array:
        """Return the outputs before the loss: x (N, D) → (N, C). A single example, (D,), gives (C,)."""
        return self._run_forward(parameters, x)[0]

    def loss(self, parameters: Parameters, x: Array, y: Array) -> Array:
        """Return the loss, a scalar. `y` holds labels (N,) for softmax, targets (N, C) for squared error."""
        return self._run_loss(self.scores(parameters, x), to_array(y))[0]

    def gradients(self, parameters: Parameters, x: Array, y: Array) -> tuple[Array, Parameters]:
        """Return the loss, and its gradients with respect to the parameters, under the same names.

        Raises ShapeError, TypeError or ValueError for parameters of another network, for x that is not (N, D) or
        holds integers, for a gate whose gradients are missing or of a wrong shape.
        """
        y = to_array(y)
        scores, tape = self._run_forward(parameters, x)
        loss, cache = self._run_loss(scores, y)
        one = type(loss)(1) if isinstance(loss, np.generic) else 1.0  # the gradient of the loss with respect to itself
        upstream = _run_backward(self.loss_gate, one, cache, (scores, y))[0]
        gradients: Parameters = {}
        for gate, names, cache, inputs in reversed(tape):
            upstream, *found = _run_backward(gate, upstream, cache, inputs)
            gradients.update(zip(names, found))
        return loss, {name: gradients[name] for name in self.shapes}

    def predict(self, parameters: Parameters, x: Array) -> Array:
        """Return the class of the largest score, the first one at a tie: x (N, D) → labels (N,)."""
        if self.sizes[-1] < 2:
            raise ValueError(f"predict picks the class of the largest score, and {self.sizes} has one score only.")
        scores = self.scores(parameters, x)
        return get_namespace(scores).argmax(scores, axis=-1)

    def accuracy(self, parameters: Parameters, x: Array, labels: Array) -> Any:
        """Return the share of examples whose class is predicted correctly, from 0 to 1."""
        labels = self._check_labels(labels)
        predicted = self.predict(parameters, x)
        if np.shape(predicted) != np.shape(labels):
            raise ShapeError(f"labels are {np.shape(labels)}, the predictions {np.shape(predicted)}: give one each.")
        share = (predicted == labels).mean()
        return float(share) if isinstance(share, np.generic) else share  # a tracer stays one

    def check(self, parameters: Parameters, x: Array, y: Array) -> None:
        """Raise the errors of `gradients` for a whole data set, before any training starts."""
        if np.ndim(self._check_inputs(parameters, x)) != 2:
            raise ShapeError(f"x is {np.shape(x)}; training takes (N, {self.sizes[0]}), one example a row.")
        if len(x) != len(to_array(y)):
            raise ShapeError(f"x has {len(x)} examples and y {len(to_array(y))}; the numbers must be equal.")
        if are_labels(y):
            self._check_labels(y)

    # -- the parts --------------------------------------------------------------------------------

    def _run_forward(self, parameters: Parameters, x: Array) -> tuple[Array, _Tape]:
        """Return the scores and a tape for the backward pass: for each gate that ran, the gate, the names of its
        parameters, its cache and its inputs."""
        out = self._check_inputs(parameters, x)
        tape: _Tape = []
        for gate, names in self._chain:
            inputs = (out, *[parameters[name] for name in names])
            out, cache = gate.forward(*inputs) if type(gate) in KIT_GATES else run_forward(gate, *inputs)
            tape.append((gate, names, cache, inputs))
        return out, tape

    @cached_property
    def _chain(self) -> list[tuple[Any, tuple[str, ...]]]:
        """Gates up to the scores, in order, each with the names of its parameters."""
        affine = MatMul() if not self.bias and isinstance(self.affine, Affine) else self.affine
        layers: list[tuple[Any, tuple[str, ...]]]
        layers = [(affine, (f"W{k}", f"b{k}") if self.bias else (f"W{k}",)) for k in range(1, self.depth + 1)]
        return [link for layer in layers for link in (layer, (self.activation, ()))][:-1]

    def _run_loss(self, scores: Array, y: Array) -> tuple[Array, Any]:
        loss, cache = check_pair(self.loss_gate, self.loss_gate.forward(scores, y))
        if np.shape(loss):
            raise ShapeError(
                f"{get_name(self.loss_gate)}.forward: the loss is {np.shape(loss)}; it must be one number."
            )
        return loss, cache

    def _check_inputs(self, parameters: Parameters, x: Array) -> Array:
        """Return x as an array; raise the errors of `gradients` if it or the parameters do not fit this network."""
        if parameters.keys() != self.shapes.keys():
            raise ValueError(_describe_wrong_keys(parameters, self.shapes))
        for name, shape in self.shapes.items():
            if np.shape(parameters[name]) != shape:
                given = np.shape(parameters[name])
                raise ShapeError(f"{name} is {given}; in a network {self.sizes} it is {shape}.")
        x = to_array(x)
        if x.dtype.kind in "iub":
            raise TypeError(
                f"x holds integers ({x.dtype}): make them floats first, and scale them, as in x / 255.0 for images."
            )
        if x.ndim not in (1, 2) or x.shape[-1] != self.sizes[0]:
            raise ShapeError(f"x is {x.shape}; a network {self.sizes} takes (N, {self.sizes[0]}), one example a row.")
        return x

    def _check_labels(self, labels: Array) -> Array:
        labels = to_array(labels)
        if labels.dtype.kind not in "iu":
            raise TypeError(f"labels must be integers from 0 to {self.sizes[-1] - 1}, not {labels.dtype}.")
        if isinstance(labels, np.ndarray) and labels.size and not 0 <= labels.min() <= labels.max() < self.sizes[-1]:
            raise ValueError(
                f"labels run from {labels.min()} to {labels.max()}; for {self.sizes[-1]} classes they must lie "
                f"in 0 ... {self.sizes[-1] - 1}."
            )
        return labels


def twenty_lines(
    x: np.ndarray, y: np.ndarray, w1: np.ndarray, w2: np.ndarray, steps: int = 2000, step_size: float = 1e-4
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Train the lecture's two-layer network in twenty lines, as on the slide: forward, backward, update.

    x (N, D), y (N, C), w1 (D, H), w2 (H, C) → (w1, w2, losses); the slide draws N, D, H, C = 64, 1000, 100, 10
    from the normal distribution. h = σ(x w1), y_pred = h w2, loss = the sum of squared errors. It is
    `MLP((D, H, C), Sigmoid(), SquaredError(), bias=False)` written out, and trains in the same steps (to
    the last bit with a sigmoid gate that is written as here; the kit's, which cannot overflow, rounds differently).
    """
    w1, w2, losses = w1.copy(), w2.copy(), []
    for _ in range(steps):
        h = 1 / (1 + np.exp(-x.dot(w1)))
        y_pred = h.dot(w2)
        loss = np.square(y_pred - y).sum()
        losses.append(float(loss))

        grad_y_pred = 2.0 * (y_pred - y)
        grad_w2 = h.T.dot(grad_y_pred)
        grad_h = grad_y_pred.dot(w2.T)
        grad_w1 = x.T.dot(grad_h * h * (1 - h))

        w1 -= step_size * grad_w1
        w2 -= step_size * grad_w2
    return w1, w2, losses


def are_labels(y: Array) -> bool:
    """Return True if these targets hold one label (an integer) for each example: then there is an accuracy."""
    return np.ndim(y) == 1 and is_integers(y)


def _run_backward(gate: Any, upstream: Array, cache: Any, inputs: tuple[Array, ...]) -> Gradients:
    """Return `gate.backward(upstream, cache)`; a learner's gate is checked (see `check_gradients`)."""
    if type(gate) in KIT_GATES:
        return gate.backward(upstream, cache)  # type: ignore[no-any-return]
    return run_backward(gate, upstream, cache, inputs)


def _saturates(activation: Any) -> bool:
    """Return True if the activation is flat at both ends, by its values at ±20 and ±21 (any gate can be tested so)."""
    pieces = getattr(activation, "pieces", 1)
    below, low, high, above = (
        float(np.ravel(run_forward(activation, np.full((1, pieces), x))[0])[0]) for x in (-21.0, -20.0, 20.0, 21.0)
    )
    return abs(below - low) < 1e-3 and abs(above - high) < 1e-3


def _check_sizes(sizes: Any) -> tuple[int, ...]:
    numbers = tuple(sizes) if isinstance(sizes, tuple | list | np.ndarray) else ()
    if len(numbers) < 2 or not all(isinstance(n, int | np.integer) and n > 0 for n in numbers):
        raise ValueError(
            f"sizes must be two positive integers or more (inputs, hidden units, outputs: (2, 100, 3)), not {sizes}."
        )
    return tuple(int(n) for n in numbers)


def _require_gate(role: str, gate: Any) -> None:
    if isinstance(gate, type):
        raise TypeError(f"{role}: {gate.__name__} is a class; make a gate of it first: {gate.__name__}().")
    for method in ("forward", "backward"):
        if not callable(getattr(gate, method, None)):
            raise TypeError(f"{role}: {get_name(gate)} is not a gate: it has no method {method!r}.")


def _describe_wrong_keys(parameters: Parameters, shapes: dict[str, tuple[int, ...]]) -> str:
    unknown = [str(name) for name in parameters if name not in shapes]
    missing = [name for name in shapes if name not in parameters]
    wrong = [f"{', '.join(names)} {what}" for names, what in ((unknown, "unknown"), (missing, "missing")) if names]
    return f"The parameters must have the keys {', '.join(shapes)}: {'; '.join(wrong)}."
