"""The points of the playground, and the class regions of a network as bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnkit import data
from nnkit.arrays import is_integers
from nnkit.language import say
from nnkit.view.explorers.protocol import InvalidRequest

DATA_SETS = ("circles", "spiral", "moons", "paint")
MAX_CLASSES = 5
MAX_POINTS = 1000
"""The largest number of points that a network is trained on."""

GRID_SIDE = 64
"""The number of rows and columns of the grid on which class regions are drawn."""

TEST_OFFSET = 10
"""Added to the class of a point of the test set, as the page gets it."""

CONFIDENCE_LEVELS = 50
NO_NUMBER = 255
"""The byte where the network's output is not finite.

Elsewhere the byte is CONFIDENCE_LEVELS · class + confidence, the latter from 0 to CONFIDENCE_LEVELS - 1.
"""

Range = tuple[float, float]


@dataclass(frozen=True)
class Points:
    """Points x (N, 2) with labels (N,), the part of the plane that is shown, and a note for the user."""

    x: np.ndarray
    labels: np.ndarray
    x_range: Range = (-1.2, 1.2)
    y_range: Range = (-1.2, 1.2)
    note: str = ""

    @property
    def class_count(self) -> int:
        """The number of scores that a network needs for them, at least two."""
        return max(2, int(self.labels.max()) + 1) if len(self.labels) else 2

    def with_point(self, x: float, y: float, label: int) -> Points:
        """Return the points and one more. Raises InvalidRequest for an invalid point, and if there are too many."""
        if not (np.isfinite([x, y]).all() and label in range(MAX_CLASSES)):
            raise InvalidRequest(
                say(
                    "A point has two numbers and a class from 0 to {last}; got ({x}, {y}) of class {label}.",
                    last=MAX_CLASSES - 1,
                    x=x,
                    y=y,
                    label=label,
                )
            )
        if len(self.x) >= MAX_POINTS:
            raise InvalidRequest(say("There is room for {count:,} points: erase some.", count=MAX_POINTS))
        return replace(self, x=np.concatenate([self.x, [[x, y]]]), labels=np.append(self.labels, label))

    def without_near(self, x: float, y: float) -> Points:
        """Return the points without those near (x, y): nearer than a thirtieth of the width that is shown."""
        size = np.array([self.x_range[1] - self.x_range[0], self.y_range[1] - self.y_range[0]])
        far = np.hypot(*((self.x - (x, y)) / size).T) > 1 / 30
        return replace(self, x=self.x[far], labels=self.labels[far])

    def find_test(self, share: float) -> np.ndarray:
        """Return True for the points of the test set, (N,). A point stays where it is when others are added."""
        return np.random.default_rng(0).random(len(self.x)) < share

    def make_grid(self, side: int = GRID_SIDE) -> np.ndarray:
        """Return the points of a grid, (side², 2), from the upper left, row by row."""
        x_range, y_range = np.meshgrid(np.linspace(*self.x_range, side), np.linspace(*self.y_range[::-1], side))
        return np.stack([x_range.ravel(), y_range.ravel()], axis=1).astype(np.float32)

    def to_bytes(self, share: float = 0.0) -> bytes:
        """Return x, y and the class of each point as float32; for a point of the test set, class + `TEST_OFFSET`."""
        codes = self.labels + TEST_OFFSET * self.find_test(share)
        return np.column_stack([self.x, codes]).astype(np.float32).tobytes()


def make_points(name: str, noise: float = 0.0) -> Points:
    """Return one of `DATA_SETS`, each coordinate moved by normal noise; no points for "paint"."""
    if name not in DATA_SETS:
        raise ValueError(
            f"The playground has {', '.join(DATA_SETS)}, or takes points (x, labels); there is no {name!r}."
        )
    if name == "paint":
        return Points(np.zeros((0, 2)), np.zeros(0, int))
    x, labels = getattr(data, name)()
    return _with_margin(x + noise * np.random.default_rng(1).normal(size=x.shape), labels)


def check_points(x: Any, labels: Any) -> Points:
    """Return a learner's own points, those that are finite and at most `MAX_POINTS`, with a note on those left out.

    Raises TypeError or ValueError for arrays that are not points and labels.
    """
    x, labels = np.asarray(x, dtype=float), np.asarray(labels)
    if x.ndim != 2 or x.shape[1] != 2 or labels.shape != x.shape[:1]:
        raise ValueError(
            f"x must be (N, 2) and labels (N,), points of the plane; they are {x.shape} and {labels.shape}."
        )
    if not is_integers(labels) or (labels.size and not 0 <= labels.min() <= labels.max() < MAX_CLASSES):
        raise ValueError(f"labels must be whole numbers from 0 to {MAX_CLASSES - 1}.")
    finite = np.isfinite(x).all(axis=1)
    notes = []
    if not finite.all():
        notes.append(
            say("{count} of {all} points are not finite (NaN or infinity), and are left out.",
                count=np.sum(~finite), all=len(x))
        )  # fmt: skip
    x, labels = x[finite], labels[finite].astype(int)
    if len(x) > MAX_POINTS:
        notes.append(say("A random sample of {count:,} of the {all:,} points is used.", count=MAX_POINTS, all=len(x)))
        chosen = np.random.default_rng(0).choice(len(x), MAX_POINTS, replace=False)
        x, labels = x[chosen], labels[chosen]
    return replace(_with_margin(x, labels), note=" ".join(notes))


def quantise_softmax(scores: np.ndarray) -> bytes:
    """Return the softmax of scores (N, C) as a byte per row: see `NO_NUMBER`."""
    scores = np.asarray(scores, dtype=np.float32)
    class_count = scores.shape[1]
    largest = scores.max(axis=1, keepdims=True)
    confidence = (1 / np.exp(scores - largest).sum(axis=1) - 1 / class_count) / (1 - 1 / class_count)
    known = np.isfinite(confidence)
    level = np.clip(np.where(known, confidence, 0.0) * CONFIDENCE_LEVELS, 0, CONFIDENCE_LEVELS - 1).astype(np.uint8)
    codes = scores.argmax(axis=1).astype(np.uint8) * np.uint8(CONFIDENCE_LEVELS) + level
    return np.where(known, codes, np.uint8(NO_NUMBER)).astype(np.uint8).tobytes()


def _with_margin(x: np.ndarray, labels: np.ndarray) -> Points:
    if not len(x):
        return Points(x, labels)
    low, high = x.min(axis=0), x.max(axis=0)
    margin = 0.1 * np.where(high > low, high - low, 1.0)
    (left, below), (right, above) = (low - margin).tolist(), (high + margin).tolist()
    return Points(x, labels, (left, right), (below, above))
