"""Wrong answers without a name, each with the description that the checker should give, and a part of its words.

Adding one is adding one entry to a `described_*.py` file; `tests/check/test_descriptions.py` asks about each.
"""

from __future__ import annotations

from corpus import (
    described_arrays,
    described_cells,
    described_chains,
    described_layers,
    described_loops,
    described_paths,
    described_sizes,
    described_slips,
)
from corpus.described_base import Described

DESCRIBED: tuple[Described, ...] = (
    *described_slips.DESCRIBED,
    *described_paths.DESCRIBED,
    *described_chains.DESCRIBED,
    *described_arrays.DESCRIBED,
    *described_layers.DESCRIBED,
    *described_cells.DESCRIBED,
    *described_loops.DESCRIBED,
    *described_sizes.DESCRIBED,
)

__all__ = ["DESCRIBED", "Described"]
