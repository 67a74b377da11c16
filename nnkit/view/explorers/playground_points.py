"""The points of the playground and the ground that a network gives each class, as few bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnkit import data
from nnkit.arrays import is_integers
from nnkit.view.explorers.protocol import Refused

SETS = ("circles", "spiral", "moons", "paint")
CLASSES = 5
MOST = 1000
"""No more points than this are learned from."""

FINE = 64
"""Rows and columns of the ground."""

LEVELS = 50
NOTHING = 255
"""The byte where the network has no number; elsewhere it is LEVELS · class + how sure it is, from 0 to LEVELS - 1."""

Span = tuple[float, float]


@dataclass(frozen=True)
class Points:
    """x (N, 2) and labels (N,), the part of the plane that is shown, and what is to be said of them."""

    x: np.ndarray
    labels: np.ndarray
    across: Span = (-1.2, 1.2)
    up: Span = (-1.2, 1.2)
    note: str = ""

    @property
    def classes(self) -> int:
        """So many scores a network needs for them: two at least."""
        return max(2, int(self.labels.max()) + 1) if len(self.labels) else 2

    def with_one(self, x: float, y: float, label: int) -> Points:
        """One point more. Raises Refused for what is none, and where there are too many."""
        if not (np.isfinite([x, y]).all() and label in range(CLASSES)):
            raise Refused(
                f"A point has two numbers and a class from 0 to {CLASSES - 1}; ({x}, {y}) of {label} is none."
            )
        if len(self.x) >= MOST:
            raise Refused(f"There is room for {MOST:,} points: erase some.")
        return replace(self, x=np.concatenate([self.x, [[x, y]]]), labels=np.append(self.labels, label))

    def without_near(self, x: float, y: float) -> Points:
        """Without the points that lie near this one: nearer than a thirtieth of what is shown."""
        size = np.array([self.across[1] - self.across[0], self.up[1] - self.up[0]])
        far = np.hypot(*((self.x - (x, y)) / size).T) > 1 / 30
        return replace(self, x=self.x[far], labels=self.labels[far])

    def grid(self) -> np.ndarray:
        """The places of the ground, (FINE², 2), from the upper left one, line by line."""
        across, up = np.meshgrid(np.linspace(*self.across, FINE), np.linspace(*self.up[::-1], FINE))
        return np.stack([across.ravel(), up.ravel()], axis=1).astype(np.float32)

    def buffer(self) -> bytes:
        """x, y and the class of each point, float32."""
        return np.column_stack([self.x, self.labels]).astype(np.float32).tobytes()


def drawn(name: str) -> Points:
    """One of `SETS`; nothing yet for "paint"."""
    if name not in SETS:
        raise ValueError(f"The playground has {', '.join(SETS)}, or takes points (x, labels); there is no {name!r}.")
    if name == "paint":
        return Points(np.zeros((0, 2)), np.zeros(0, int))
    return _around(*getattr(data, name)())


def given(x: Any, labels: Any) -> Points:
    """A learner's own points; what is NaN is left out, with a note. Raises TypeError or ValueError for what is none."""
    x, labels = np.asarray(x, dtype=float), np.asarray(labels)
    if x.ndim != 2 or x.shape[1] != 2 or labels.shape != x.shape[:1]:
        raise ValueError(
            f"x must be (N, 2) and labels (N,), points of the plane; they are {x.shape} and {labels.shape}."
        )
    if not is_integers(labels) or (labels.size and not 0 <= labels.min() <= labels.max() < CLASSES):
        raise ValueError(f"labels must be whole numbers from 0 to {CLASSES - 1}.")
    good = np.isfinite(x).all(axis=1)
    notes = []
    if not good.all():
        notes.append(f"{np.sum(~good)} of {len(x)} points are not finite (NaN or infinity), and are left out.")
    x, labels = x[good], labels[good].astype(int)
    if len(x) > MOST:
        notes.append(f"Of {len(x):,} points {MOST:,} are taken, drawn at random.")
        chosen = np.random.default_rng(0).choice(len(x), MOST, replace=False)
        x, labels = x[chosen], labels[chosen]
    return replace(_around(x, labels), note=" ".join(notes))


def quantised(scores: np.ndarray) -> bytes:
    """The softmax of scores (N, C), a byte each: see `NOTHING`."""
    scores = np.asarray(scores, dtype=np.float32)
    classes = scores.shape[1]
    best = scores.max(axis=1, keepdims=True)
    sure = (1 / np.exp(scores - best).sum(axis=1) - 1 / classes) / (1 - 1 / classes)
    known = np.isfinite(sure)
    level = np.clip(np.where(known, sure, 0.0) * LEVELS, 0, LEVELS - 1).astype(np.uint8)
    codes = scores.argmax(axis=1).astype(np.uint8) * np.uint8(LEVELS) + level
    return np.where(known, codes, np.uint8(NOTHING)).astype(np.uint8).tobytes()


def _around(x: np.ndarray, labels: np.ndarray) -> Points:
    if not len(x):
        return Points(x, labels)
    low, high = x.min(axis=0), x.max(axis=0)
    room = 0.1 * np.where(high > low, high - low, 1.0)
    (left, below), (right, above) = (low - room).tolist(), (high + room).tolist()
    return Points(x, labels, (left, right), (below, above))
