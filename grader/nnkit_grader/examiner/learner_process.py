"""The learner's process as the examiner sees it: always there, or lost with a reason."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Set
from typing import TYPE_CHECKING, Any

from nnkit.language import current_language, say
from nnkit_grader.examiner.cell_outputs import make_error_output
from nnkit_grader.rpc.connection import Connection, ProcessLost
from nnkit_grader.sandbox.limits import MAX_BUSY_SECONDS
from nnkit_grader.sandbox.usage import read_wait_seconds

if TYPE_CHECKING:
    from nnkit_grader.sandbox import Child

MAX_WAIT_AGE_SECONDS = 0.005
"""Time for which the clock believes what the system last said of a busy machine."""
MAX_PROCESS_STARTS = 6
"""Times that a submission's process is started before it is given up."""


class LearnerProcess:
    """The learner's process, started again when it is lost.

    The cells so far then run again, without the one that ended the process, so that it costs no other cell its points.
    """

    def __init__(
        self,
        start: Callable[[], Child],
        files: Mapping[str, bytes],
        compute_deadline: Callable[[], float],
        operators: Set[str] = frozenset(),
        listens: Callable[[], bool] = lambda: False,
    ):
        self.operators, self.listens = operators, listens
        self.start, self.files, self.compute_deadline = start, files, compute_deadline
        """`compute_deadline` returns when a cell must have ended that starts now, as `clock` counts."""
        self.child: Child | None = None
        self.current: Connection | None = None
        self.ran: list[tuple[int, str, str]] = []
        self.lost_cells: set[str] = set()
        self.events: list[str] = []
        self.starts = 0
        self.max_starts = MAX_PROCESS_STARTS
        """Times that the process may start; one more if the examiner itself has had it start anew."""
        self.deadline: float | None = None
        self.waited = -self._measure_own_wait()
        """Seconds that earlier processes waited for a busy machine, less those of this one until now."""
        self._wait, self._measured_at = 0.0, -MAX_WAIT_AGE_SECONDS
        """The seconds that were waited when `clock` last looked, and when that was."""

    def clock(self) -> float:
        """Return time.monotonic() less the time in which the process, or this one, waited for a busy machine.

        So a busy machine costs no points, for up to `MAX_BUSY_SECONDS`, and no callback of a test does. To ask the
        system takes longer than most calls: it is asked again after `MAX_WAIT_AGE_SECONDS`.
        """
        if time.monotonic() - self._measured_at >= MAX_WAIT_AGE_SECONDS:
            self._wait = self.waited + self._measure_own_wait() + (self.child.measure_wait() if self.child else 0.0)
            self._measured_at = time.monotonic()
        return time.monotonic() - min(MAX_BUSY_SECONDS, self._wait)

    @staticmethod
    def _measure_own_wait() -> float:
        return read_wait_seconds("self") or 0.0

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
        if self.starts == self.max_starts:
            raise ProcessLost(
                say(
                    "the process that runs this submission was lost {number} times, and is not started again",
                    number=MAX_PROCESS_STARTS,
                )
            )
        if self.clock() >= self.compute_deadline():
            raise ProcessLost(say("the time was up"))
        self.starts += 1
        self.child = self.start()
        self.current = Connection(self.child.channel, self.clock, self.operators, self.listens)
        self.current.stream.deadline = self.compute_deadline()
        self.current.request("language", current_language())
        for file, content in self.files.items():
            self.current.request("files", [file], [content])
        for count, source, name in self.ran:
            if name not in self.lost_cells and self._try_cell(count, source, name) is None:
                return

    def run(self, count: int, source: str, name: str) -> list[dict[str, Any]]:
        """Run a learner's cell and return its outputs."""
        try:
            self.connect()
        except ProcessLost as loss:
            return [make_error_output("NotRun", say("This cell was not run: {reason}.", reason=loss))]
        self.ran.append((count, source, name))
        outputs = self._try_cell(count, source, name)
        return [make_error_output("Ended", self.events[-1])] if outputs is None else outputs

    def run_test(self, count: int, source: str, name: str, points: float) -> tuple[float, list[dict[str, Any]]]:
        """Run a test cell of the course in the learner's process; return its score and its outputs."""
        try:
            current = self.connect()
            current.stream.deadline = self.compute_deadline()
            self.ran.append((count, source, name))
            return current.run_test(count, source, points)
        except ProcessLost as loss:
            self.lost_cells.add(name)
            self.events.append(
                say(
                    "The test {test!r} was stopped: {reason}{ended}.", test=name, reason=loss, ended=self.describe_end()
                )
            )
            return 0.0, [make_error_output("Ended", self.events[-1])]

    def _try_cell(self, count: int, source: str, name: str) -> list[dict[str, Any]] | None:
        """Run a cell and return its outputs; None if the process was lost."""
        assert self.current is not None
        self.current.stream.deadline = self.compute_deadline()
        try:
            return self.current.run_cell(count, source)
        except ProcessLost:
            self.lost_cells.add(name)
            self.events.append(
                say(
                    "The cell {cell!r} was stopped: {reason}{ended}.",
                    cell=name,
                    reason=self.current.lost,
                    ended=self.describe_end(),
                )
            )
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

    @property
    def functions_given(self) -> int:
        """The number of functions of test cells that the process was given."""
        return self.current.functions_given if self.current is not None else 0

    def finish_test(self) -> None:
        """Let go of the arrays that a test has sent, and note it if the process was lost during the test."""
        if self.current is not None and not self.current.lost:
            with contextlib.suppress(ProcessLost):
                self.current.forget_arrays()
        if self.current is not None and self.current.lost:
            self.events.append(
                say("During a test, {reason}{ended}.", reason=self.current.lost, ended=self.describe_end())
            )
            self.close()

    def close(self) -> None:
        """End the process."""
        if self.child is not None:
            self.waited += self.child.measure_wait()
            self.child.kill()
        self.child = self.current = None
