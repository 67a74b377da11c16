"""A whole class at once, while the TA collects and grades, and the exchange and the hub are killed: nothing is lost.

The figures are printed: `pytest -s tests/hub/test_exchange_load.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from helpers import classes, exchanges
from nnkit_grader.course import release as courses
from nnkit_hub.exchange import calls, receipts
from nnkit_hub.exchange.archive import Refusal, list_files, pack_files
from nnkit_hub.exchange.learner import save_receipt
from nnkit_hub.exchange.store import Store

pytestmark = pytest.mark.hub
COURSE, HW, TA = exchanges.COURSE, classes.NAME, "tom"
LEARNERS = [f"learner{number:02}" for number in range(15)]
SUBMISSIONS = 3
"""Submissions of each learner."""
DATA_BYTES = 200_000
"""Bytes of the file that is handed in beside the notebook."""
MAX_TRY_SECONDS = 600.0
"""Seconds for which a learner keeps trying."""
DOWN = (calls.NO_ANSWER, "The hub does not answer the exchange: try again in a minute.")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[exchanges.Hub]:
    groups = exchanges.create_groups(COURSE, LEARNERS, [TA])
    with exchanges.run_hub(tmp_path_factory.mktemp("hub"), [*LEARNERS, TA], groups) as running:
        yield running


@dataclass
class Log:
    """Events of the run."""

    given: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"fetch": [], "submit": []})
    silences: int = 0
    start: threading.Barrier = field(default_factory=lambda: threading.Barrier(len(LEARNERS)))
    killed: threading.Event = field(default_factory=threading.Event)
    """Set when the hub is killed; each learner's last submission follows."""


class Learner:
    """A learner who fetches once and submits several times, trying again while the exchange is down."""

    def __init__(self, hub: exchanges.Hub, name: str, folder: Path, log: Log) -> None:
        self.name, self.folder, self.log = name, folder, log
        self.client = calls.ExchangeClient(hub.address, hub.tokens[name])

    def work(self) -> None:
        self.log.start.wait()
        with self.client:
            self.retry("fetch", self.fetch)
            for attempt in range(SUBMISSIONS):
                if attempt == SUBMISSIONS - 1:
                    self.log.killed.wait(MAX_TRY_SECONDS)
                self.answer(attempt)
                self.log.given.append(self.retry("submit", self.submit))

    def fetch(self) -> dict[str, Any]:
        return self.client.download(("courses", COURSE, "released", HW), self.folder)

    def submit(self) -> dict[str, Any]:
        with pack_files(self.folder, list_files(self.folder)) as archive:
            receipt = self.client.upload("POST", ("courses", COURSE, "submissions", HW), archive)
            save_receipt(receipt, archive, self.folder)
        return receipt

    def retry(self, what: str, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        until = time.monotonic() + MAX_TRY_SECONDS
        while True:
            began = time.monotonic()
            try:
                done = act()
                self.log.seconds[what].append(time.monotonic() - began)
                return done
            except Refusal as refusal:
                if str(refusal) not in DOWN or began > until:
                    raise
                self.log.silences += 1
                time.sleep(0.5)

    def answer(self, attempt: int) -> None:
        """Write an answer that differs from the one before; the last is right."""
        path = self.folder / f"{HW}.ipynb"
        written = json.loads(path.read_text())
        for cell in written["cells"]:
            if cell["id"] in ("double", "triple"):
                right = {"double": classes.DOUBLE, "triple": classes.TRIPLE}[cell["id"]]
                cell["source"] = right if attempt == SUBMISSIONS - 1 else f"# attempt {attempt}"
        path.write_text(json.dumps(written))
        (self.folder / "data.bin").write_bytes(f"{self.name} {attempt:02} ".encode() * (DATA_BYTES // 13))


def wait_for(log: Log, number: int) -> None:
    until = time.monotonic() + MAX_TRY_SECONDS
    while len(log.given) < number:
        assert time.monotonic() < until, f"{len(log.given)} of {number}"
        time.sleep(0.005)


@dataclass
class Grading:
    """`nnkit autograde`, in a process of its own."""

    folder: Path

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "nnkit.cli", "autograde", HW, "--course", str(self.folder)]
        self.log = self.folder / "autograde.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def result(self) -> str:
        status, output = self.process.wait(timeout=600), self.log.read_text()
        assert status == 0, output
        return next(line for line in output.splitlines() if line.startswith(HW))


def test_nothing_is_lost(hub: exchanges.Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = classes.course(tmp_path / "course")
    courses.generate_assignments(folder)
    ta = exchanges.Member(hub, TA, folder, monkeypatch)
    ta.run_step("ReleaseAssignment")
    log = Log()
    with ThreadPoolExecutor(len(LEARNERS)) as pool:
        everyone = [pool.submit(Learner(hub, name, tmp_path / name, log).work) for name in LEARNERS]
        wait_for(log, 8)
        hub.kill_exchange()
        wait_for(log, 22)
        ta.run_step("Collect", update=True)
        grading = Grading(folder)
        before = list(log.given)
        back_up(hub, tmp_path)
        hub.kill()
        log.killed.set()
        hub.start()
        for each in everyone:
            each.result()
    lines = [grading.result()]

    began = time.monotonic()
    ta.run_step("Collect", update=True)
    lines.append(f"collecting {len(LEARNERS)} took {time.monotonic() - began:.1f} s")
    lines.append(Grading(folder).result())
    assert_complete(hub, folder, log)
    assert_restored(tmp_path, before)
    print_figures(log, lines)


def assert_complete(hub: exchanges.Hub, folder: Path, log: Log) -> None:
    """Assert that each receipt has its submission, complete, and that each learner's last was collected and graded."""
    assert len(log.given) == SUBMISSIONS * len(LEARNERS)
    with calls.ExchangeClient(hub.address, hub.tokens[TA]) as client:
        submissions = client.request("courses", COURSE, "submissions")["submissions"]
    kept = {(receipt["user"], receipt["time"]): receipt for receipt in submissions}
    top = hub.store / "courses" / COURSE / "submissions" / HW
    for receipt in log.given:
        assert kept[receipt["user"], receipt["time"]] == {**receipt, "feedback": {}}
    for receipt in kept.values():
        # Also submissions whose answer was lost, so that the learner submitted again.
        assert not list(receipts.find_differences(receipt, top / receipt["user"] / receipt["time"] / "files"))
    assert len(kept) <= len(log.given) + log.silences
    assert list((hub.store / "new").iterdir()) == []
    last = {receipt["user"]: receipt["time"] for receipt in sorted(log.given, key=lambda receipt: receipt["time"])}
    assert {user: (folder / "submitted" / user / HW / "timestamp.txt").read_text() for user in LEARNERS} == last
    table = courses.read_scores(folder, HW)
    assert {user: courses.sum_points(table[user]) for user in LEARNERS} == dict.fromkeys(LEARNERS, 5.0)


def back_up(hub: exchanges.Hub, to: Path) -> None:
    """Back up as docs/exchange.md says, while everyone is at work."""
    where = ["-C", str(hub.store.parent), "--exclude=exchange/new"]
    subprocess.run(["tar", *where, "-czf", str(to / "exchange.tar.gz"), "exchange"], check=True, timeout=300)


def assert_restored(folder: Path, given: list[dict[str, Any]]) -> None:
    """Assert that an exchange on the backup has the key, and all that was handed in before, complete."""
    (folder / "restored").mkdir()
    place = ["-C", str(folder / "restored")]
    subprocess.run(["tar", *place, "-xpzf", str(folder / "exchange.tar.gz")], check=True, timeout=300)
    store = Store(folder / "restored" / "exchange")
    kept = {(receipt["user"], receipt["time"]): receipt for receipt in store.list_submissions(COURSE)}
    assert given
    for receipt in given:
        assert kept[receipt["user"], receipt["time"]] == {**receipt, "feedback": {}}
        assert receipt["key"] == receipts.encode_public_key(store.key)
    for receipt in kept.values():
        files = store.get_folder(COURSE, "submissions", HW, receipt["user"]) / receipt["time"] / "files"
        assert not list(receipts.find_differences(receipt, files))
    store.close()


def print_figures(log: Log, lines: list[str]) -> None:
    for what, seconds in log.seconds.items():
        ordered = sorted(seconds)
        print(f"{len(ordered)} × {what}: median {ordered[len(ordered) // 2]:.2f} s, longest {ordered[-1]:.2f} s")
    print(f"the exchange was down {log.silences} times when a learner tried", *lines, sep="\n")
