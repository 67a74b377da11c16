"""The global generators of random numbers, set for each call of the checked code and put back after the check."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from nnkit.check.forms.named_values import list_named_values


@contextmanager
def putting_back_generators() -> Iterator[None]:
    """Put the global generators back as they were, at the end."""
    own, numpys = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    torchs = torch.get_rng_state() if torch else None
    try:
        yield
    finally:
        random.setstate(own)
        np.random.set_state(numpys)
        if torch:
            torch.set_rng_state(torchs)


def seed_generators(seed: int) -> None:
    """Set the global generators, so that each call draws the same numbers."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch := sys.modules.get("torch"):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed takes 10 ms


def find_generators(function: Any) -> list[Any]:
    """Return NumPy's generators that a function knows by name: global ones, and those of the functions around it."""
    return [x for x in list_named_values(function) if isinstance(x, np.random.Generator | np.random.RandomState)]


def remember_states(*functions: Callable[..., Any]) -> Callable[[], None]:
    """Return a function that sets the generators known to these functions to where they stand now."""
    found = {id(x): x for function in functions for x in find_generators(function)}
    bits = [getattr(x, "bit_generator", None) or x._bit_generator for x in found.values()]
    states = [b.state for b in bits]

    def restore() -> None:
        for b, state in zip(bits, states):
            b.state = state

    return restore
