"""Mistakes that show in the code's behaviour rather than in the numbers alone."""

from __future__ import annotations

import numpy as np

from nnkit.check.diagnosis.mistakes.base import Mistake, Variants
from nnkit.check.diagnosis.mistakes.claims import is_nearly_right, is_rounded
from nnkit.check.evidence.comparison import Comparison


def _low_precision(comparison: Comparison) -> Variants:
    """Claim what came back if it is the right gradient rounded to a smaller type or to whole numbers."""
    pairs = [(np.asarray(w), r) for w, r in zip(comparison.returned, comparison.right)]
    if any(w.shape != r.shape or w.dtype.kind not in "iuf" for w, r in pairs):
        return {}
    noise = _noisy(*(np.concatenate([np.ravel(pair[side]) for pair in pairs]) for side in (0, 1)))
    return {"": tuple(w if _rounded(w, r, noise) else None for w, r in pairs)}


def _rounded(returned: np.ndarray, right: np.ndarray, noise: bool) -> bool:
    scale, error = float(np.max(np.abs(right), initial=0.0)), returned - right
    if np.array_equal(returned, np.trunc(returned)):  # whole numbers where fractions were due
        return bool(np.any(right != np.trunc(right))) and bool(np.all(np.abs(error) < 1))
    largest = float(np.max(np.abs(error), initial=0.0))
    if largest <= 1e-5 * scale:  # the last digits of float32, after a few operations
        return noise or np.array_equal(returned, returned.astype(np.float32))
    return largest <= 2e-2 * scale and np.array_equal(returned, returned.astype(np.float16))


def _noisy(returned: np.ndarray, right: np.ndarray) -> bool:
    """Return True if most entries are off a little, some up and some down, as by rounding."""
    relative = (returned - right) / np.where(right == 0, 1.0, right)
    up, down = float(np.mean(relative > 1e-10)), float(np.mean(relative < -1e-10))
    return up + down > 0.4 and min(up, down) > 0.1


MISTAKES = (
    Mistake(
        "wrong-order",
        "the nodes were not visited in reverse topological order",
        "A node passed its gradient on before all that use it had sent theirs.",
        "When may a node send its gradient down: when the first gate has answered, or when all have?",
        "Walk the list of nodes from the end, in an order in which each comes after all that it needs.",
        "lecture 01, Where a wire branches",
    ),
    Mistake(
        "visited-twice",
        "a node sent its gradient on more than once",
        "What it had sent the first time is in its gradient still, and is sent again.",
        "In your list of nodes, how often does one occur that two gates use?",
        "List every node once: skip those that are in the list already.",
        "lecture 01, Where a wire branches",
    ),
    Mistake(
        "not-reset",
        "gradients of an earlier call were kept and added to",
        "Each further call gives more: one, two, three times the gradient.",
        "Run it twice. What is in your variables when the second call begins?",
        "Start every backward pass from new zeros, inside the method.",
        "lecture 01, Where a wire branches",
    ),
    Mistake(
        "stale-cache",
        "it used what an earlier or later forward left behind, not its own cache",
        "Two forwards followed by two backwards give the gradient at the wrong input.",
        "Where does backward look for its inputs: in `cache`, or on `self`?",
        "Return all that backward needs as the cache, and read nothing else.",
        "lecture 01, Upstream × local",
    ),
    Mistake(
        "mutated-input",
        "an argument or the cache was changed in place",
        "Others still need the old values, and a second call gives something else.",
        "Which line writes into an array that it was given?",
        "Make a new array: `x = x - y` in place of `x -= y`, or `np.array(x)` first.",
        "lecture 01, When is W actually updated?",
    ),
    Mistake(
        "overflow",
        "large numbers overflow to NaN or infinity",
        "e^1000 is more than a float holds; at moderate inputs everything is right.",
        "Which number on the way becomes too large, and how can the same result be had without it?",
        "For a sigmoid, take np.exp of -abs(x) only; for softmax, subtract each row's largest score before np.exp.",
        "lecture 02, Safe at both ends",
    ),
    Mistake(
        "broadcast-pair",
        "(N,) met (N, 1) and made an (N, N)",
        "Every prediction was compared with every target: the loss stays the same when targets are exchanged.",
        "Print the shape of the difference. Is it N numbers?",
        "Give both one shape first, for instance `target.reshape(prediction.shape)`.",
        "lecture 03, Broadcasting and the bias",
    ),
    Mistake(
        "low-precision",
        "it was computed with too few digits",
        "The error is rounding: float32, float16 or whole numbers somewhere on the way.",
        "Which array has another type than float64? Look for astype, dtype= and integer arrays.",
        "Make arrays with np.zeros(shape) or np.zeros_like of a float array, and leave out astype and int().",
        "lecture 05, Arrays to XLA",
        _low_precision,
        reads_returned=True,
        holds=is_rounded,
        single=True,
    ),
    Mistake(
        "numerical-derivative",
        "this is a difference quotient, not the derivative",
        "It is nearly right, but its error follows the step h, and it costs a forward pass for each entry.",
        "Which formula does the slope follow, without any h?",
        "Write the local derivative down and multiply it by the upstream gradient.",
        "lecture 01, What we want: one slope for each input",
        holds=is_nearly_right,
    ),
    Mistake(
        "wrong-count",
        "there is not one gradient for each input",
        "The caller of forward gave n inputs and expects n gradients, in their order.",
        "How many inputs does forward take?",
        "Return a tuple with one gradient for each input: `return dx, dy`.",
        "lecture 01, Upstream × local",
    ),
    Mistake(
        "wrong-shape",
        "the gradient does not have its input's shape",
        "A gradient has one number for each number of its input.",
        "Print the shape of the input and that of its gradient.",
        "Sum over the axes along which the input was copied; order the factors of a product so that the shapes fit.",
        "lecture 03, Matrix products",
    ),
    Mistake(
        "not-attempted",
        "not attempted yet",
        "The placeholder is still there.",
        "Start with the forward: what does the formula say?",
        "Then one local derivative for each input, times the upstream gradient.",
        "lecture 00, Predict, then run",
    ),
)
