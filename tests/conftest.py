"""What every test run shares: JAX in float64 on the CPU, repeatable properties, long files first, no silent skips."""

from __future__ import annotations

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_ENABLE_X64", "1")
# One thread a process: several test processes that each use all cores only wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("nnkit", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("nnkit")

LONGEST = (
    *("test_answers", "test_attacks", "test_notebooks", "test_hub_browser", "test_engine", "test_gates"),
    *("test_explorers_browser", "test_exchange_load", "test_mistakes", "test_examiner", "test_hub_intruders"),
    *("test_sandbox", "test_exchange", "test_jax_path_gates", "test_browser", "test_outputs", "test_grading"),
)
"""Files that take a minute or more. Where several processes share the tests, file by file, none of them is begun last,
while the other processes have nothing left to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))


def _forbidden_skips(config: pytest.Config) -> list[Any]:
    """The skipped tests of this run, if NNKIT_NO_SKIPS=1 says that there must be none."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("NNKIT_NO_SKIPS") != "1" or reporter is None:
        return []
    return list(reporter.stats.get("skipped", []))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _forbidden_skips(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    skipped = _forbidden_skips(config)
    if skipped:
        terminalreporter.write_line(
            f"NNKIT_NO_SKIPS=1: the run fails, for {len(skipped)} tests were skipped.", red=True
        )
