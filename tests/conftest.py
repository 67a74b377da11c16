"""What every test run shares: JAX in float64 on the CPU, repeatable properties, one browser, slow files first, and no
silent skips."""

from __future__ import annotations

import gc
import os
import random
import shutil
import signal
import sys
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ["NNKIT_LANG"] = "en"  # whatever the machine's own language is
os.environ.setdefault("NNKIT_CHECK_STRICT", "1")  # a verdict of a test lacks no explanation because that one failed
# Each program is compiled for a run or two: optimising it costs a third more than it saves.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
# One thread a process: several test processes that each use all cores only wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Where no bytecode is kept, as in many containers, each Python that a test starts compiles all packages again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A shell starts what runs in the background with SIGINT ignored, and all that a test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from helpers import shared

sys.dont_write_bytecode = False  # for this process, as above for others
settings.register_profile("nnkit", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("nnkit")

WAITING = ("hub", "browser")
COMPUTING = ("escape", "notebook", "slow")
"""Markers of what takes long (pyproject.toml says why), in the order in which it is begun: what waits for servers and
pages for half of its time, and what computes all the time."""
SLOW = (*WAITING, *COMPUTING)


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "random seeds that the corpora are also tried with, beside the fixed one (make test-nightly)"
    parser.addoption("--seeds", type=int, default=0, metavar="N", help=text)


def pytest_configure(config: pytest.Config) -> None:
    count = config.getoption("seeds")
    if count and "NNKIT_SEEDS" not in os.environ:  # all processes of a run have the same, and a run can be repeated
        os.environ["NNKIT_SEEDS"] = " ".join(str(random.randrange(1, 2**32)) for _ in range(count))
    # What one process has compiled, those that it starts need not. Each test process has a folder: JAX locks none.
    config.stash[COMPILED] = tempfile.mkdtemp(prefix="nnkit-compiled-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = config.stash[COMPILED]
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[COMPILED], ignore_errors=True)


COMPILED = pytest.StashKey[str]()


def pytest_report_header(config: pytest.Config) -> list[str]:
    return [f"NNKIT_SEEDS={os.environ['NNKIT_SEEDS']!r}"] if "NNKIT_SEEDS" in os.environ else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`corpus_seed` is 0, and each of the random seeds that were asked for."""
    if "corpus_seed" in metafunc.fixturenames:
        metafunc.parametrize("corpus_seed", [0, *map(int, os.environ.get("NNKIT_SEEDS", "").split())])


def pytest_collection_finish() -> None:
    """Leave the collected tests, which stay to the end, out of each later collection of garbage."""
    gc.freeze()


# ---- several processes ------------------------------------------------------------------------------


def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: two more than there are cores for this process, for a hub and a browser are mostly waited for."""
    return 2 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


TOGETHER = {
    **dict.fromkeys(("test_hub_browser", "test_hub_intruders"), "hub"),
    **dict.fromkeys(("test_notebooks", "test_worked_examples", "test_numbers_in_prose"), "notebooks"),
}
"""Test file → group of files that share something costly: a demo hub, the runs of the lectures. The files of the folder
browser/ are one group, which shares a Chromium and a JupyterLab; each other file is a group of its own."""


def find_group(nodeid: str) -> str:
    """Return the group of a test. The tests of a group run in one process, for they share what they set up."""
    path = PurePosixPath(nodeid.partition("::")[0])
    return TOGETHER.get(path.stem) or ("browser" if path.parent.name == "browser" else str(path))


class GroupScheduling(LoadScopeScheduling):
    """Whole groups of tests for each process of a run, in order; xdist's own groups have no effect with pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        return find_group(nodeid)

    def remove_node(self, node: Any) -> str | None:
        """Count the test that a process died in as done: xdist would run it again in each process that comes after."""
        groups = self.assigned_work[node].values()
        for group in groups:
            for test in (test for test, done in group.items() if not done):
                group[test] = True
                super().remove_node(node)
                return test
        return super().remove_node(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling | None:
    return GroupScheduling(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(tryfirst=True)  # before tests are selected by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what shares a browser or draws from a seed, and begin slow groups first, so that none is left when the other
    processes have nothing more to do. One that waits and one that computes take turns: together they keep a core busy.
    """
    for item in items:
        if {"browser", "lab"} & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.browser)
        if "corpus_seed" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.corpus)
    places: dict[str, int] = {}
    for item in items:
        group = find_group(item.nodeid)
        places[group] = min(places.get(group, len(SLOW)), _place(item))
    ordered = sorted(places, key=places.__getitem__)
    waiting = [group for group in ordered if places[group] < len(WAITING)]
    computing = [group for group in ordered if len(WAITING) <= places[group] < len(SLOW)]
    turns = [group for pair in zip_longest(waiting, computing) for group in pair if group]
    order = {group: number for number, group in enumerate(turns)}
    items.sort(key=lambda item: order.get(find_group(item.nodeid), len(order)))


def _place(item: pytest.Item) -> int:
    return next((place for place, name in enumerate(SLOW) if item.get_closest_marker(name)), len(SLOW))


# ---- one browser, one JupyterLab, one hub -----------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Any:
    """The Chromium of all tests; one that uses it is marked `browser`."""
    return shared.browser()


@pytest.fixture(scope="module")
def lab() -> Any:
    """The JupyterLab of all tests, a labs.Lab; one that uses it is marked `browser`."""
    return shared.lab()


@pytest.fixture(scope="session")
def demo_hub() -> Any:
    """The demo hub of all tests that need one: hubs.Hub."""
    yield shared.hub()
    shared.stop_hub()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Close browser and JupyterLab when the next file needs neither: beside Playwright no other event loop can run."""
    yield
    if nextitem is None or not (nextitem.get_closest_marker("browser") or nextitem.path == item.path):
        shared.close()


# ---- no silent skips --------------------------------------------------------------------------------


SKIPS = 6
"""The exit status of a run that skipped what it must not: none of pytest's own, so `make test` does not try again."""


def _forbidden_skips(config: pytest.Config) -> list[Any]:
    """The skipped tests of this run, if NNKIT_NO_SKIPS=1 says that there must be none."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("NNKIT_NO_SKIPS") != "1" or reporter is None:
        return []
    return list(reporter.stats.get("skipped", []))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _forbidden_skips(session.config):
        session.exitstatus = SKIPS


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    skipped = _forbidden_skips(config)
    if skipped:
        terminalreporter.write_line(
            f"NNKIT_NO_SKIPS=1: the run fails, for {len(skipped)} tests were skipped.", red=True
        )
