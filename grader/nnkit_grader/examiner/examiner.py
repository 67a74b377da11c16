"""The examiner: runs an assignment's test cells in this trusted process, and the learner's cells in the sandbox.

Test cells are the course's own, hidden tests and all; they never reach the sandbox. A name that the learner had to
define is looked up there and is a stand-in here (`standins`). A score is what the test cell makes of the replies, and
is read from nowhere else.

    learner's cell → sandbox            given cell → sandbox, and the course's version of it here too
    test cell      → here               (its released text also in the sandbox, where later cells use its names)
"""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnkit.check.context import checking
from nnkit.check.evidence.limits import alarm
from nnkit.check.verdict import collecting_verdicts
from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.course.bound_names import find_bound_names, find_used_names
from nnkit_grader.examiner.cell_outputs import shown, trouble
from nnkit_grader.examiner.learner_process import Process
from nnkit_grader.examiner.run_cell import Names, TooLong, credit, fresh_numbers, quiet, run_cell
from nnkit_grader.intake.submission import RefusedSubmission, Submission, SubmittedCell
from nnkit_grader.record.results import CellResult, Result
from nnkit_grader.rpc.proxies import Gone
from nnkit_grader.sanitize.outputs import bound_outputs

if TYPE_CHECKING:
    from nnkit_grader.sandbox import Child


READ = 500_000
"""Characters of a submission's code, at most, in which names are looked for: that takes a second."""
OUTPUTS = 200_000
"""Bytes of what one cell shows."""
SHOWN = 5_000_000
"""Bytes of all that the learner's cells show together."""


@dataclass(frozen=True)
class Seconds:
    """Limits on a submission's wall time."""

    cell: float = 30.0
    whole: float = 300.0


def examine(
    assignment: Assignment, submission: Submission, start: Callable[[], Child], seed: int, seconds: Seconds = Seconds()
) -> Result:
    """Run a submission's cells and the course's tests; `start` gives a fresh sandbox. Meant for a process of its own:
    it draws all random numbers anew from `seed`, and changes what the test cells change."""
    began = time.monotonic()
    with fresh_numbers(seed), quiet():
        examination = Examination(assignment, submission, start, seconds)
        try:
            cells = [examination.run(count, cell) for count, cell in enumerate(submission.cells, start=1)]
        finally:
            examination.close()
    return Result(
        assignment.name,
        submission.digest,
        assignment.digest,
        seed,
        tuple(cells),
        events=tuple(examination.events),
        repairs=submission.repairs,
        human=submission.needs_review,
        seconds=time.monotonic() - began,
    )


def refuse(assignment: Assignment, refused: RefusedSubmission, seed: int) -> Result:
    """The result of a file that cannot be run: the course's cells without an answer, and no points."""
    cells = tuple(_unanswered(cell) for cell in assignment.cells)
    return Result(assignment.name, refused.digest, assignment.digest, seed, cells, refused=refused.sentence)


def _unanswered(cell: CourseCell) -> CellResult:
    graded = cell.kind == "test"
    return CellResult(
        cell.id,
        cell.grade_id,
        cell.kind,
        cell.cell_type,
        cell.source if graded else cell.released,
        cell.points if graded else 0.0,
        0.0 if graded else None,
    )


class Examination:
    """One submission under way."""

    def __init__(self, assignment: Assignment, submission: Submission, start: Callable[[], Child], seconds: Seconds):
        self.course = {cell.id: cell for cell in assignment.cells}
        self.submission, self.seconds = submission, seconds
        self.process = Process(start, submission.files, self.deadline)
        self.ends = self.process.clock() + seconds.whole
        self.names = Names(lambda name: self.process.link().get(["name", name]))
        self.events = self.process.events
        self.borrowed = _borrowed(assignment, submission)
        self.passed: list[CourseCell] = []
        self.starts = 1
        """How many processes of the learner's the names here know of."""
        self.room = SHOWN

    def close(self) -> None:
        self.process.close()

    def run(self, count: int, cell: SubmittedCell) -> CellResult:
        began = time.monotonic()
        if cell.cell_type != "code":
            return self.result(cell, count, [], began)
        if cell.kind == "test":
            result = self.examined(count, cell, self.course[cell.id])
            if cell.id in self.borrowed:
                self.process.run(count, self.course[cell.id].released, cell.id)
            return result
        outputs = self.process.run(count, cell.source, cell.id)
        if course := self.course.get(cell.id):
            self.ours(course)
            self.passed.append(course)
        self.names.found.clear()
        result = self.result(cell, count, outputs, began, min(self.room, OUTPUTS))
        self.room -= sum(len(json.dumps(output)) for output in result.outputs)
        return result

    def deadline(self) -> float:
        return min(self.ends, self.process.clock() + self.seconds.cell)

    def ours(self, course: CourseCell) -> None:
        """What a cell of the course that has run there means here."""
        if course.kind == "given":
            self.given(course)
        else:
            self.names.handed_over(find_bound_names(course.source))

    def ready(self) -> None:
        """Before a test's time begins: a process in which all cells so far have run. Where it is a new one, what given
        cells have made of the old one's objects is made again."""
        with contextlib.suppress(Gone):
            self.process.link()
        if self.process.starts != self.starts:
            for course in self.passed:
                self.ours(course)
        self.starts = self.process.starts

    def given(self, course: CourseCell) -> None:
        """The course's own cell, for the names that test cells use. Where it needs an answer that is not there, the
        tests that need it will say so."""
        try:
            with self.limited(), contextlib.redirect_stdout(io.StringIO()):
                run_cell(course.source, f"<given {course.id}>", self.names)
        except KeyboardInterrupt:
            raise
        except BaseException:  # a learner's code that it calls may raise any but that
            return

    def examined(self, count: int, cell: SubmittedCell, course: CourseCell) -> CellResult:
        """Run a test cell: its score, and what there is to see."""
        began, printed = time.monotonic(), io.StringIO()
        self.ready()
        fault: BaseException | None = None
        value = None
        with collecting_verdicts() as verdicts, contextlib.redirect_stdout(printed):
            try:
                with self.limited():
                    value = run_cell(course.source, f"<test {course.id}>", self.names)
            except BaseException as raised:
                fault = raised
        if isinstance(fault, KeyboardInterrupt):
            raise fault
        self.process.rest()
        score = 0.0 if fault is not None else credit(value, course.points)
        outputs = list(shown(verdicts, printed.getvalue(), fault, value if score != course.points else None, count))
        result = self.result(cell, count, outputs, began)
        result.source, result.points, result.score = course.source, course.points, score
        result.verdicts = [{**v.to_dict(), "text": str(v)} for v in verdicts if not v.passed]
        result.trouble = trouble(fault)
        return result

    @contextlib.contextmanager
    def limited(self) -> Iterator[None]:
        """Bounds the time of code that runs here, and that of the calls which it makes."""
        deadline = self.deadline()
        self.process.until(deadline)
        ours = max(0.1, deadline - self.process.clock()) + 5  # the call's own limit comes first
        with checking(remote=lambda: self.process.current, clock=self.process.clock), alarm(ours, TooLong):
            yield

    def result(
        self, cell: SubmittedCell, count: int, outputs: list[dict[str, Any]], began: float, room: int = OUTPUTS
    ) -> CellResult:
        course = self.course.get(cell.id)
        return CellResult(
            cell.id,
            course.grade_id if course else "",
            cell.kind,
            cell.cell_type,
            cell.source,
            outputs=bound_outputs(outputs, room),
            seconds=time.monotonic() - began,
            execution_count=count if cell.cell_type == "code" else None,
        )


def _borrowed(assignment: Assignment, submission: Submission) -> frozenset[str]:
    """The test cells of which the learner's own cells use a name that only a test cell defines."""
    theirs = [cell.source for cell in submission.cells if cell.cell_type == "code" and cell.kind != "test"]
    if sum(map(len, theirs)) > READ:
        return frozenset()
    used, bound = set().union(*map(_used, theirs)), set().union(*map(_bound, theirs))
    tests = (cell for cell in assignment.cells if cell.kind == "test")
    return frozenset(cell.id for cell in tests if (used - bound) & find_bound_names(cell.released))


def _bound(source: str) -> Set[str]:
    return _names(find_bound_names, source)


def _used(source: str) -> Set[str]:
    return _names(find_used_names, source)


def _names(of: Callable[[str], Set[str]], source: str) -> Set[str]:
    """Those of a learner's cell; none where it is not Python, or too deep to be read."""
    try:
        return of(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
