"""Cells that are run in a fork of a process that has imported what notebooks import: no start of Python for each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import matplotlib

from nnkit.check.notebook.runner import ENVIRONMENT, Outcome, run_here

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["nnkit.check", "nnkit.check.notebook.runner", "IPython", "matplotlib.pyplot", "jax"])


def run_warm(sources: Sequence[str], folder: Path, limit: float) -> list[Outcome]:
    """Run cells as `nnkit.check.notebook.runner.run` does, but for its limits: what ends the process is an error."""
    with ProcessPoolExecutor(1, CONTEXT, max_tasks_per_child=1) as forks:
        return forks.submit(_run_in, sources, folder).result(timeout=20 * limit)


def _run_in(sources: Sequence[str], folder: Path) -> list[Outcome]:
    os.environ |= ENVIRONMENT
    matplotlib.use(ENVIRONMENT["MPLBACKEND"])  # it was imported without that variable
    os.chdir(folder)
    _, *outcomes = run_here(sources)
    return outcomes
