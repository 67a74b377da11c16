"""The examiner: runs an assignment's test cells in this trusted process, and the learner's cells in the sandbox.

Test cells, with their hidden tests, are the course's own and never reach the sandbox. A name that the learner had to
define is looked up there and is a remote proxy here (`proxies`). A score is computed by the test cell from the replies
and is read from nowhere else.

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

from nnkit.check.context import checking, sharing_context
from nnkit.check.evidence.limits import alarm
from nnkit.check.points import CellValue, describe_bad_value, earn_points, read_value
from nnkit.check.verdict import collecting_verdicts, list_verdicts
from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.course.bound_names import find_bound_names, find_used_names
from nnkit_grader.examiner.cell_outputs import describe_failure, format_outputs
from nnkit_grader.examiner.learner_process import LearnerProcess
from nnkit_grader.examiner.run_cell import (
    CellTimeout,
    ExaminerNamespace,
    reseed_generators,
    run_cell,
    silence_warnings,
)
from nnkit_grader.intake.submission import RefusedSubmission, Submission, SubmittedCell
from nnkit_grader.record.results import CellResult, Result
from nnkit_grader.rpc.connection import ProcessLost
from nnkit_grader.sanitize.outputs import bound_outputs

if TYPE_CHECKING:
    from nnkit_grader.sandbox import Child


MAX_SEARCHED_CHARACTERS = 500_000
"""Characters of a submission's code in which names are looked for, which takes a second."""
MAX_CELL_OUTPUT_BYTES = 200_000
MAX_SUBMISSION_OUTPUT_BYTES = 5_000_000
"""Outputs of all of the learner's cells together."""


@dataclass(frozen=True)
class TimeLimits:
    """Limits on a submission's wall time, in seconds."""

    cell: float = 30.0
    whole: float = 300.0


def examine_submission(
    assignment: Assignment,
    submission: Submission,
    start: Callable[[], Child],
    seed: int,
    seconds: TimeLimits = TimeLimits(),
) -> Result:
    """Run a submission's cells and the course's tests; `start` starts a process in the sandbox.

    Meant for a process of its own: test cells may change it, and `seed` is mixed into all its random numbers.
    """
    began = time.monotonic()
    with reseed_generators(seed), silence_warnings():
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
        needs_review=submission.needs_review,
        seconds=time.monotonic() - began,
    )


def refuse_submission(assignment: Assignment, refused: RefusedSubmission, seed: int) -> Result:
    """Return the result of a file that cannot be run: the course's cells without an answer, and no points."""
    cells = tuple(_make_unanswered(cell) for cell in assignment.cells)
    return Result(assignment.name, refused.digest, assignment.digest, seed, cells, refused=refused.sentence)


def _make_unanswered(cell: CourseCell) -> CellResult:
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

    def __init__(self, assignment: Assignment, submission: Submission, start: Callable[[], Child], seconds: TimeLimits):
        self.course = {cell.id: cell for cell in assignment.cells}
        self.submission, self.seconds = submission, seconds
        self.learner = LearnerProcess(start, submission.files, self.compute_deadline)
        self.ends = self.learner.clock() + seconds.whole
        self.names = ExaminerNamespace(lambda name: self.learner.connect().get(["name", name]))
        self.events = self.learner.events
        self.borrowed = _find_borrowed(assignment, submission)
        self.done: list[CourseCell] = []
        """Cells of the course that have run in the learner's process."""
        self.starts = 1
        """Number of processes started for the learner when the names here were last brought up to date."""
        self.output_bytes_left = MAX_SUBMISSION_OUTPUT_BYTES

    def close(self) -> None:
        """End the learner's process."""
        self.learner.close()

    def run(self, count: int, cell: SubmittedCell) -> CellResult:
        """Run the next cell of the submission and return its result."""
        began = time.monotonic()
        if cell.cell_type != "code":
            return self.make_result(cell, count, [], began)
        if cell.kind == "test":
            result = self.run_test(count, cell, self.course[cell.id])
            if cell.id in self.borrowed:
                self.learner.run(count, self.course[cell.id].released, cell.id)
            return result
        outputs = self.learner.run(count, cell.source, cell.id)
        if course := self.course.get(cell.id):
            self.apply_course_cell(course)
            self.done.append(course)
        self.names.found.clear()
        result = self.make_result(cell, count, outputs, began, min(self.output_bytes_left, MAX_CELL_OUTPUT_BYTES))
        self.output_bytes_left -= sum(len(json.dumps(output)) for output in result.outputs)
        return result

    def compute_deadline(self) -> float:
        """Return the time by which a cell must have ended that starts now."""
        return min(self.ends, self.learner.clock() + self.seconds.cell)

    def apply_course_cell(self, course: CourseCell) -> None:
        """Bring the names here up to date with a cell of the course that has run in the learner's process."""
        if course.kind == "given":
            self.run_given_cell(course)
        else:
            self.names.hand_over(find_bound_names(course.source))

    def prepare_test(self) -> None:
        """Make sure, before a test's time begins, of a process in which all cells so far have run.

        If it is a new process, given cells run here again: what they made held objects of the old one.
        """
        with contextlib.suppress(ProcessLost):
            self.learner.connect()
        if self.learner.starts != self.starts:
            for course in self.done:
                self.apply_course_cell(course)
        self.starts = self.learner.starts

    def run_given_cell(self, course: CourseCell) -> None:
        """Run the course's own cell for the names that test cells use.

        If it needs an answer that is missing, the tests that need it will say so.
        """
        try:
            with self.limit_time(), contextlib.redirect_stdout(io.StringIO()):
                run_cell(course.source, f"<given {course.id}>", self.names)
        except KeyboardInterrupt:
            raise
        except BaseException:  # the learner's code that it calls may raise anything else
            return

    def run_test(self, count: int, cell: SubmittedCell, course: CourseCell) -> CellResult:
        """Run a test cell and return its score and outputs."""
        began, printed = time.monotonic(), io.StringIO()
        self.prepare_test()
        fault: BaseException | None = None
        ended, value = None, CellValue()
        with collecting_verdicts() as verdicts, contextlib.redirect_stdout(printed):
            try:
                with self.limit_time():
                    ended = run_cell(course.source, f"<test {course.id}>", self.names)
                value = read_value(ended)
            except BaseException as raised:
                fault = raised
        if isinstance(fault, KeyboardInterrupt):
            raise fault
        self.learner.finish_test()
        verdicts = list_verdicts(verdicts, ended)
        score = 0.0 if fault is not None else earn_points(value, course.points)
        shown_value = str(value) if score != course.points else ""
        outputs = list(format_outputs(verdicts, printed.getvalue(), fault, shown_value, count))
        result = self.make_result(cell, count, outputs, began)
        result.source, result.points, result.score = course.source, course.points, score
        result.verdicts = [{**v.to_dict(), "text": str(v)} for v in verdicts if not v.passed]
        result.bad_value = "" if fault is not None else describe_bad_value(value, course.points)
        result.trouble = describe_failure(fault) or result.bad_value
        return result

    @contextlib.contextmanager
    def limit_time(self) -> Iterator[None]:
        """Context manager that limits the time of code that runs here, and of its calls in the learner's process."""
        deadline = self.compute_deadline()
        self.learner.set_deadline(deadline)
        ours = max(0.1, deadline - self.learner.clock()) + 5  # the call's own limit comes first
        here = checking(remote=lambda: self.learner.current, clock=self.learner.clock)
        with here, sharing_context(), alarm(ours, CellTimeout):
            yield

    def make_result(
        self,
        cell: SubmittedCell,
        count: int,
        outputs: list[dict[str, Any]],
        began: float,
        max_bytes: int = MAX_CELL_OUTPUT_BYTES,
    ) -> CellResult:
        """Return a cell's result without a score; outputs beyond `max_bytes` are left out."""
        course = self.course.get(cell.id)
        return CellResult(
            cell.id,
            course.grade_id if course else "",
            cell.kind,
            cell.cell_type,
            cell.source,
            outputs=bound_outputs(outputs, max_bytes),
            seconds=time.monotonic() - began,
            execution_count=count if cell.cell_type == "code" else None,
        )


def _find_borrowed(assignment: Assignment, submission: Submission) -> frozenset[str]:
    """Return the ids of test cells that define a name which the learner's own cells use but do not define."""
    sources = [cell.source for cell in submission.cells if cell.cell_type == "code" and cell.kind != "test"]
    if sum(map(len, sources)) > MAX_SEARCHED_CHARACTERS:
        return frozenset()
    used, bound = set().union(*map(_find_used, sources)), set().union(*map(_find_bound, sources))
    tests = (cell for cell in assignment.cells if cell.kind == "test")
    return frozenset(cell.id for cell in tests if (used - bound) & find_bound_names(cell.released))


def _find_bound(source: str) -> Set[str]:
    return _find_names(find_bound_names, source)


def _find_used(source: str) -> Set[str]:
    return _find_names(find_used_names, source)


def _find_names(find: Callable[[str], Set[str]], source: str) -> Set[str]:
    """Return the names that `find` finds in a learner's cell; none if it is not Python, or nested too deep."""
    try:
        return find(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
