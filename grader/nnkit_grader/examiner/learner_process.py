"""The learner's process as the examiner sees it: always there, or lost with a reason."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nnkit_grader.examiner.cell_outputs import make_error_output
from nnkit_grader.rpc.connection import Connection, ProcessLost
from nnkit_grader.sandbox.limits import MAX_BUSY_SECONDS

if TYPE_CHECKING:
    from nnkit_grader.sandbox import Child

MAX_PROCESS_STARTS = 6
"""Times that a submission's process is started before it is given up."""


class LearnerProcess:
    """The learner's process, started again when it is lost.

    The cells so far then run again, without the one that ended the process, so that it costs no other cell its points.
    """

    def __init__(self, start: Callable[[], Child], files: Mapping[str, bytes], compute_deadline: Callable[[], float]):
        self.start, self.files, self.compute_deadline = start, files, compute_deadline
        """`compute_deadline` returns when a cell must have ended that starts now, as `clock` counts."""
        self.child: Child | None = None
        self.current: Connection | None = None
        self.ran: list[tuple[int, str, str]] = []
        self.lost_cells: set[str] = set()
        self.events: list[str] = []
        self.starts = 0
        self.deadline: float | None = None
        self.waited = 0.0
        """Seconds that earlier processes waited for a busy machine."""

    def clock(self) -> float:
        """Return time.monotonic() less the time in which the process waited for a busy machine.

        So a busy machine costs no points, for up to `MAX_BUSY_SECONDS`.
        """
        return time.monotonic() - min(
            MAX_BUSY_SECONDS, self.waited + (self.child.measure_wait() if self.child else 0.0)
        )

    def connect(self) -> Connection:
        """Return the connection to a process in which all cells so far have run. Raises ProcessLost if there is none.

        A cell that runs again has a time limit of its own, and takes none of a test's time.
        """
        while self.current is None or self.current.lost:
            self.restart()
        self.current.stream.deadline = self.deadline
        return self.current

    def restart(self) -> None:
        """Start a process and run the cells so far in it."""
        self.close()
        if self.starts == MAX_PROCESS_STARTS:
            raise ProcessLost(
                f"the process that runs this submission was lost {MAX_PROCESS_STARTS} times, and is not started again"
            )
        if self.clock() >= self.compute_deadline():
            raise ProcessLost("the time was up")
        self.starts += 1
        self.child = self.start()
        self.current = Connection(self.child.channel, self.clock)
        self.current.stream.deadline = self.compute_deadline()
        if self.files:
            self.current.request("files", list(self.files), list(self.files.values()))
        for count, source, name in self.ran:
            if name not in self.lost_cells and self._try_cell(count, source, name) is None:
                return

    def run(self, count: int, source: str, name: str) -> list[dict[str, Any]]:
        """Run a learner's cell and return its outputs."""
        try:
            self.connect()
        except ProcessLost as loss:
            return [make_error_output("NotRun", f"This cell was not run: {loss}.")]
        self.ran.append((count, source, name))
        outputs = self._try_cell(count, source, name)
        return [make_error_output("Ended", self.events[-1])] if outputs is None else outputs

    def _try_cell(self, count: int, source: str, name: str) -> list[dict[str, Any]] | None:
        """Run a cell and return its outputs; None if the process was lost."""
        assert self.current is not None
        self.current.stream.deadline = self.compute_deadline()
        try:
            return self.current.run_cell(count, source)
        except ProcessLost:
            self.lost_cells.add(name)
            self.events.append(f"The cell {name!r} was stopped: {self.current.lost}{self.describe_end()}.")
            return None

    def describe_end(self) -> str:
        """Return how the process ended, for the middle of a sentence."""
        if self.child is None or self.current is None or not self.current.closed:
            return ""
        for _ in range(50):  # its channel is closed a moment before it has ended
            if ended := self.child.check_end():
                return f" ({ended})"
            time.sleep(0.01)
        return ""

    def set_deadline(self, deadline: float) -> None:
        """Set the time by which the calls of a test must have ended."""
        self.deadline = deadline
        if self.current is not None:
            self.current.stream.deadline = deadline

    def finish_test(self) -> None:
        """Let go of the arrays that a test has sent, and note it if the process was lost during the test."""
        if self.current is not None and not self.current.lost:
            with contextlib.suppress(ProcessLost):
                self.current.forget_arrays()
        if self.current is not None and self.current.lost:
            self.events.append(f"During a test, {self.current.lost}{self.describe_end()}.")
            self.close()

    def close(self) -> None:
        """End the process."""
        if self.child is not None:
            self.waited += self.child.measure_wait()
            self.child.kill()
        self.child = self.current = None
