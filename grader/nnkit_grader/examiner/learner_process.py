"""The learner's process as the examiner sees it: one that is always there, or says why not."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nnkit_grader.examiner.cell_outputs import error
from nnkit_grader.rpc.proxies import Gone, Link
from nnkit_grader.sandbox.limits import BUSY

if TYPE_CHECKING:
    from nnkit_grader.sandbox import Child

STARTS = 6
"""How often a submission's process is started before it is given up."""


class Process:
    """The learner's process, started anew where it has been lost: then the cells so far run again, without the one
    that ended it, so that it costs no other cell its points."""

    def __init__(self, start: Callable[[], Child], files: Mapping[str, bytes], allowed: Callable[[], float]):
        self.start, self.files, self.allowed = start, files, allowed
        """`allowed`: when a cell must have ended that begins now, by `clock`."""
        self.child: Child | None = None
        self.current: Link | None = None
        self.ran: list[tuple[int, str, str]] = []
        self.deadly: set[str] = set()
        self.events: list[str] = []
        self.starts = 0
        self.deadline: float | None = None
        self.waited = 0.0
        """By the processes before this one, in seconds."""

    def clock(self) -> float:
        """Seconds of time.monotonic(), without those in which the process waited for a busy machine: that costs
        nobody points, up to `BUSY` seconds of it."""
        return time.monotonic() - min(BUSY, self.waited + (self.child.waited() if self.child else 0.0))

    def link(self) -> Link:
        """A conversation with a process in which all cells so far have run. Raises Gone if there can be none.

        A cell that runs again has its own time for it, and takes none of a test's.
        """
        while self.current is None or self.current.lost:
            self.restart()
        self.current.frames.deadline = self.deadline
        return self.current

    def restart(self) -> None:
        self.close()
        if self.starts == STARTS:
            raise Gone(f"the process that runs this submission was lost {STARTS} times, and is not started again")
        if self.clock() >= self.allowed():
            raise Gone("the time was up")
        self.starts += 1
        self.child = self.start()
        self.current = Link(self.child.channel, self.clock)
        self.current.frames.deadline = self.allowed()
        if self.files:
            self.current.ask("files", list(self.files), list(self.files.values()))
        for count, source, name in self.ran:
            if name not in self.deadly and self._attempt(count, source, name) is None:
                return

    def run(self, count: int, source: str, name: str) -> list[dict[str, Any]]:
        """Run a learner's cell; its outputs."""
        try:
            self.link()
        except Gone as gone:
            return [error("NotRun", f"This cell was not run: {gone}.")]
        self.ran.append((count, source, name))
        outputs = self._attempt(count, source, name)
        return [error("Ended", self.events[-1])] if outputs is None else outputs

    def _attempt(self, count: int, source: str, name: str) -> list[dict[str, Any]] | None:
        """The outputs of a cell; None where the process was lost with it."""
        assert self.current is not None
        self.current.frames.deadline = self.allowed()
        try:
            return self.current.run_cell(count, source)
        except Gone:
            self.deadly.add(name)
            self.events.append(f"The cell {name!r} was stopped: {self.current.lost}{self.how()}.")
            return None

    def how(self) -> str:
        """How the process ended, for the middle of a sentence."""
        if self.child is None or self.current is None or not self.current.closed:
            return ""
        for _ in range(50):  # its channel is shut a moment before it is gone
            if ended := self.child.ended():
                return f" ({ended})"
            time.sleep(0.01)
        return ""

    def until(self, deadline: float) -> None:
        self.deadline = deadline
        if self.current is not None:
            self.current.frames.deadline = deadline

    def rest(self) -> None:
        """After a test cell: let go of what has crossed; tell if the process was lost in it."""
        if self.current is not None and not self.current.lost:
            with contextlib.suppress(Gone):
                self.current.forget()
        if self.current is not None and self.current.lost:
            self.events.append(f"During a test, {self.current.lost}{self.how()}.")
            self.close()

    def close(self) -> None:
        if self.child is not None:
            self.waited += self.child.waited()
            self.child.kill()
        self.child = self.current = None
