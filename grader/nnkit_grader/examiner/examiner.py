"""The examiner: runs an assignment's test cells in this trusted process, and the learner's cells in the sandbox.

Test cells, with their hidden tests, are the course's own and never reach the sandbox. A name that the learner had to
define is looked up there and is a remote proxy here (`proxies`). A score is computed by the test cell from the replies
and is read from nowhere else.

    learner's cell → sandbox            given cell → sandbox, and the course's version of it here too
    test cell      → here               (names of its released text also in the sandbox, where learners' cells use them)
"""

from __future__ import annotations

import builtins
import contextlib
import io
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit.check.context import checking, current_context, sharing_context
from nnkit.check.evidence.limits import alarm
from nnkit.check.notebook.missing_names import (
    MAX_ERROR_CHARACTERS,
    DefiningCell,
    DefiningCells,
    explain_missing_names,
    find_methods,
    list_missing_names,
)
from nnkit.check.points import CellValue, describe_bad_value, earn_points, read_value
from nnkit.check.verdict import collecting_verdicts, list_verdicts
from nnkit.language import current_language, say
from nnkit_grader.conversations.memorable import MemorableCell, find_memorable
from nnkit_grader.conversations.memory import ConversationMemory, TestPlace
from nnkit_grader.conversations.outcome import TestOutcome
from nnkit_grader.conversations.snapshot import is_plain
from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.course.bound_names import find_bound_names, find_used_names, list_names
from nnkit_grader.course.source_warnings import find_drawing_cells
from nnkit_grader.examiner.borrowed_names import Loan, find_borrowed
from nnkit_grader.examiner.cell_outputs import describe_error_output, describe_failure, format_outputs
from nnkit_grader.examiner.lacks import describe_lack, describe_lack_in_test
from nnkit_grader.examiner.learner_process import LearnerProcess
from nnkit_grader.examiner.run_cell import (
    CellTimeout,
    ExaminerNamespace,
    main_module,
    mix_generator,
    plain_generators,
    reseed_generators,
    restart_generator,
    restart_global_generators,
    run_cell,
    silence_warnings,
)
from nnkit_grader.examiner.weigh_doubts import weigh_doubts
from nnkit_grader.examiner.working_folder import working_folder
from nnkit_grader.intake.repair_code import tolerate_errors
from nnkit_grader.intake.submission import MAX_SEARCHED_NOTEBOOK_CHARACTERS, RefusedSubmission, Submission
from nnkit_grader.intake.submitted_cell import SubmittedCell
from nnkit_grader.record.results import CellResult, Result
from nnkit_grader.rpc.connection import ProcessLost
from nnkit_grader.rpc.framing import CannotSend
from nnkit_grader.sanitize.budget import CleaningBudget
from nnkit_grader.sanitize.outputs import bound_outputs
from nnkit_grader.sanitize.text import quote_value

if TYPE_CHECKING:
    from nnkit_grader.sandbox import Child


MAX_RECALL_SECONDS = 0.5
"""Time for a test cell's known conversation; a process that takes longer is judged by the test cell itself."""
RECALL_SHARE = 0.25
"""The same as a share of a check's time limit."""
MEAN_CELL_SECONDS = 5.0
"""Time that a submission's cells may take on average."""
MAX_LOOKED_UP_NAMES = 1000
"""Names of a cell that ended with an error that are looked for."""
MAX_CELL_OUTPUT_BYTES = 200_000
MAX_SUBMISSION_OUTPUT_BYTES = 5_000_000
"""Outputs of all of the learner's cells together."""


@dataclass(frozen=True)
class TimeLimits:
    """Limits on a submission's wall time, in seconds."""

    cell: float = 30.0
    whole: float = 300.0

    def shorten(self, seconds: float) -> TimeLimits:
        """Return these limits, none of them longer than `seconds`."""
        return TimeLimits(min(self.cell, seconds), min(self.whole, seconds))


def choose_time_limits(assignment: Assignment) -> TimeLimits:
    """Return the limits for an assignment: one endless cell, and a few seconds for each of the others."""
    limits = TimeLimits()
    cells = sum(cell.cell_type == "code" for cell in assignment.cells)
    return TimeLimits(limits.cell, min(limits.whole, limits.cell + MEAN_CELL_SECONDS * cells))


def examine_submission(
    assignment: Assignment,
    submission: Submission,
    start: Callable[[], Child],
    seed: int,
    seconds: TimeLimits = TimeLimits(),
    budget: CleaningBudget | None = None,
    memory: ConversationMemory | None = None,
) -> Result:
    """Run a submission's cells and the course's tests; `start` starts a process in the sandbox.

    Meant for a process of its own: test cells may change it, and `seed` is mixed into all its random numbers. Outputs
    are cleaned for as long as `budget` lasts. Test cells whose conversation `memory` knows need not run.
    """
    began = time.monotonic()
    memory = memory or ConversationMemory()
    examination = Examination(assignment, submission, start, seconds, budget or CleaningBudget(), memory, seed)
    with (
        contextlib.closing(examination),
        reseed_generators(seed),
        silence_warnings(),
        working_folder(examination.files, assignment.has_modules),
        main_module(examination.names),
    ):
        cells = [examination.run(count, cell) for count, cell in enumerate(submission.cells, start=1)]
    return Result(
        assignment.name,
        submission.digest,
        assignment.digest,
        seed,
        tuple(cells),
        events=tuple(examination.events),
        repairs=(*submission.repairs, *examination.repairs),
        needs_review=submission.needs_review,
        doubts=dict(weigh_doubts(assignment, submission, examination.lacking, examination.misnamed, cells)),
        seconds=time.monotonic() - began,
        language=current_language(),
    )


def refuse_submission(assignment: Assignment, refused: RefusedSubmission, seed: int) -> Result:
    """Return the result of a file that cannot be run: the course's cells without an answer, and no points."""
    cells = tuple(_make_unanswered(cell) for cell in assignment.cells)
    doubts = {cell.grade_id: say("The submission was not run.") for cell in assignment.cells if cell.points}
    return Result(
        assignment.name,
        refused.digest,
        assignment.digest,
        seed,
        cells,
        refused=refused.sentence,
        doubts=doubts,
        language=current_language(),
    )


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

    def __init__(
        self,
        assignment: Assignment,
        submission: Submission,
        start: Callable[[], Child],
        seconds: TimeLimits,
        budget: CleaningBudget,
        memory: ConversationMemory,
        seed: int,
    ):
        self.course = {cell.id: cell for cell in assignment.cells}
        self.submission, self.seconds = submission, seconds
        self.files = {**submission.files, **assignment.course_files}
        """Files in the working folders of the learner's process and of the tests, by path."""
        self.stdout: Any = None
        """The stream for what a test prints."""
        self.learner = LearnerProcess(
            start, self.files, self.compute_deadline, assignment.operators, lambda: sys.stdout is not self.stdout
        )
        self.ends = self.learner.clock() + seconds.whole
        self.names = ExaminerNamespace(lambda name: self.learner.connect().get(["name", name]), self.bind)
        self.names.learners |= _find_open(assignment)
        self.draws_data = bool(find_drawing_cells(assignment))
        """True if given cells draw numbers that must be the same here and there."""
        self.plain_states: list[Any] = []
        self.fresh: dict[str, np.random.Generator] = {}
        """Generators that stand for those of given cells while a test runs, if given cells draw plain numbers."""
        self.events = self.learner.events
        self.repairs: list[str] = []
        self.lacking: dict[str, str] = {}
        """Names that are missing since their cell needs what is not here, with a sentence on it."""
        self.broken: dict[str, str] = {}
        """Names that are missing since an error ended their cell, with a sentence on it."""
        self.asked = assignment.answer_names.union(
            *(_find_bound(cell.released) for cell in assignment.cells if cell.kind == "given"),
            *(find_methods(cell.source) for cell in assignment.cells if cell.kind in ("given", "answer")),
            _find_open(assignment),
        )
        """Names and methods that exercises ask for or give."""
        self.answers = {(answer.id, graded.id) for answer, graded in assignment.pair_answers()}
        self.misnamed: dict[str, str] = {}
        """Sentences on what tests missed, by nbgrader's id: a name that the notebook has, or what is not here."""
        self.errors: list[str] = []
        """Errors of the learner's cells since the last test."""
        self.borrowed = find_borrowed(assignment, submission)
        self.lent: set[str] = set()
        """Names of tests that the learner's process got."""
        self.done: list[CourseCell] = []
        """Cells of the course that have run in the learner's process."""
        self.starts = 1
        """Number of processes started for the learner when the names here were last brought up to date."""
        self.output_bytes_left, self.budget = MAX_SUBMISSION_OUTPUT_BYTES, budget
        self.memory, self.memorable = memory, find_memorable(assignment)
        self.given_names = frozenset[str]().union(
            *(_find_bound(c.source) for c in assignment.cells if c.kind == "given")
        )
        self.known = (assignment.digest, seed)
        """Part of what the outcome of each test cell depends on."""
        self.given_ends: list[tuple[str, bool]] = []
        """Given cells that have run here, and whether each ended without an error."""
        self.out_of_limits = False
        """True if a limit of time or memory has ended a piece of the test that is running."""

    def close(self) -> None:
        """End the learner's process."""
        self.learner.close()

    def bind(self, name: str, *value: Any) -> None:
        """Have a name stand for a value in the learner's process, or for none."""
        if value:
            with contextlib.suppress(CannotSend):
                self.learner.connect().bind(name, *value)
        else:
            self.learner.connect().unbind(name)

    def run(self, count: int, cell: SubmittedCell) -> CellResult:
        """Run the next cell of the submission and return its result."""
        began = time.monotonic()
        if cell.cell_type != "code":
            return self.make_result(cell, count, [], began)
        if cell.kind == "test":
            course = self.course[cell.id]
            result = (self.run_inside if course.inside else self.run_test)(count, cell, course)
            self.find_misnamed(count, result)
            if (borrowed := self.borrowed.get(cell.id)) and borrowed.whole:
                self.learner.run(count, course.released, cell.id)
            elif borrowed:
                self.lend(count, cell, borrowed.after)
            return result
        outputs = self.run_learners_cell(count, cell)
        if own := self.course.get(cell.id):
            self.apply_course_cell(own)
            self.done.append(own)
        self.names.found.clear()
        result = self.make_result(cell, count, outputs, began, min(self.output_bytes_left, MAX_CELL_OUTPUT_BYTES))
        self.output_bytes_left -= sum(len(json.dumps(output)) for output in result.outputs)
        return result

    def run_learners_cell(self, count: int, cell: SubmittedCell) -> list[dict[str, Any]]:
        """Run a learner's cell and return its outputs.

        If an error ended it before all its names were there, the course's version of a given cell runs as well, and
        then the rest of the learner's. So an import that fails here, or a line for Colab, costs no exercise its points.
        """
        source = cell.source if cell.repaired is None else cell.repaired
        outputs = self.learner.run(count, source, cell.id) if source.strip() else []
        error = next(filter(None, map(_find_error, outputs)), "")
        errors = (str(output.get("evalue")) for output in outputs if output.get("output_type") == "error")
        self.errors += (text[:MAX_ERROR_CHARACTERS] for text in errors)
        missing = self.find_missing_names(cell, source) if error else set()
        if not missing:
            return outputs
        course = self.course.get(cell.id)
        if course is not None and course.kind == "given" and course.source != source:
            outputs += self.learner.run(count, course.source, cell.id)
        outputs += self.learner.run(count, tolerate_errors(source), cell.id)
        lost = self.find_missing_names(cell, source)
        if missing - lost:
            self.repairs.append(
                say(
                    "The cell {cell!r} ended with {error}: the rest of it was run.",
                    cell=cell.id,
                    error=quote_value(error),
                )
            )
        if lack := describe_lack(error, cell.id):
            self.lacking = dict.fromkeys(lost, lack) | self.lacking
        ended = say("The cell {cell!r} ended with {error}.", cell=cell.id, error=quote_value(error))
        self.broken |= dict.fromkeys(lost, ended)
        return outputs

    def find_misnamed(self, count: int, result: CellResult) -> None:
        """Say in a test's outputs if a name that it missed stands elsewhere, or almost, or if something is not here."""
        texts = [result.trouble, *(str(verdict["text"]) for verdict in result.verdicts), *self.errors]
        self.errors = []
        if result.score is None or result.score >= result.points:
            return
        missed = list_missing_names(texts)
        lost = (self.lacking[name] for name in missed if name in self.lacking)
        answers = {
            position for position, cell in enumerate(self.submission.cells) if (cell.id, result.id) in self.answers
        }
        sentence = (
            next(lost, "")
            or explain_missing_names(texts, self.defining_cells, count - 1, answers, self.asked)
            or describe_lack_in_test([result.trouble, *(str(verdict["headline"]) for verdict in result.verdicts)])
        )
        if sentence:
            self.misnamed[result.grade_id] = sentence
        if said := sentence or next((self.broken[name] for name in missed if name in self.broken), ""):
            result.outputs.append({"output_type": "stream", "name": "stdout", "text": f"{said}\n"})

    @cached_property
    def defining_cells(self) -> DefiningCells:
        """The cells of the submission as those that may define names which a test misses."""
        is_short = sum(len(cell.source) for cell in self.submission.cells) <= MAX_SEARCHED_NOTEBOOK_CHARACTERS
        return DefiningCells([_describe_cell(cell, is_short) for cell in self.submission.cells])

    def find_missing_names(self, cell: SubmittedCell, source: str) -> Set[str]:
        """Return the names that a cell, or the course's version of it, should define and has not."""
        course = self.course.get(cell.id)
        names = _find_bound(source) | (_find_bound(course.source) if course else set())
        try:
            return self.learner.connect().find_missing(sorted(names)[:MAX_LOOKED_UP_NAMES])
        except ProcessLost:
            return set()

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
            self.given_ends.clear()
            for course in self.done:
                self.apply_course_cell(course)
        self.starts = self.learner.starts

    def run_given_cell(self, course: CourseCell) -> None:
        """Run the course's own cell for the names that test cells use.

        If it needs an answer that is missing, the tests that need it will say so.
        """
        self.given_ends.append((course.id, False))
        try:
            self.stdout = io.StringIO()
            draw = plain_generators(self.plain_states) if self.draws_data else contextlib.nullcontext()
            with self.limit_time(), draw, contextlib.redirect_stdout(self.stdout):
                run_cell(course.source, f"<given {course.id}>", self.names)
            for name in find_bound_names(course.source) if self.draws_data else ():
                if isinstance(made := dict.get(self.names, name), np.random.Generator):
                    self.fresh[name] = mix_generator(made)
            self.given_ends[-1] = course.id, True
        except KeyboardInterrupt:
            raise
        except BaseException:  # the learner's code that it calls may raise anything else
            return

    def run_test(self, count: int, cell: SubmittedCell, course: CourseCell) -> CellResult:
        """Judge a test cell, by running it or from memory, and return its score and outputs."""
        began = time.monotonic()
        self.prepare_test()
        if borrowed := self.borrowed.get(cell.id):
            self.lend(count, cell, borrowed.before)
        self.names.found.clear()
        memorable = self.memorable.get(course.id)
        outcome = self.judge_memorable(course, memorable) if memorable else self.judge(course)
        self.names.found.clear()
        self.learner.finish_test()
        outcome.number_outputs(count)
        result = self.make_result(cell, count, outcome.outputs, began)
        result.source, result.points, result.score = course.source, course.points, outcome.score
        result.verdicts, result.trouble, result.bad_value = outcome.verdicts, outcome.trouble, outcome.bad_value
        return result

    def lend(self, count: int, cell: SubmittedCell, loans: Sequence[Loan]) -> None:
        """Have the learner's process run these statements of a test, but for those whose names it has of its own."""
        names = set[str]().union(*(loan.names for loan in loans))
        try:
            free = self.learner.connect().find_missing(sorted(names)) | self.lent if names else names
        except ProcessLost:
            return
        lent = [loan for loan in loans if loan.names <= free]
        self.lent.update(*(loan.names for loan in lent))
        if lent:
            self.learner.run(count, tolerate_errors("\n".join(loan.source for loan in lent)), cell.id)

    def judge_memorable(self, course: CourseCell, memorable: MemorableCell) -> TestOutcome:
        """Return the outcome of a test cell that depends on the replies: as it is known, else by running the cell."""
        place = self.find_place(course, memorable)
        if place is None:
            return self.judge_alone(course)
        if (known := self.memory.recall(place, self.compute_recall_deadline())) is not None:
            self.learner.set_deadline(self.compute_deadline())
            return known
        before, began = self.learner.starts, self.learner.clock()
        outcome = self.judge_alone(course)
        if place.connection.stream.diverged or place.connection.stream.repeats:
            self.memory.forget()
            self.learner.close()
            self.learner.max_starts += self.learner.starts - before + 1
            self.prepare_test()
            self.ends += min(self.seconds.cell, self.learner.clock() - began)
            return self.judge_alone(course)
        if not self.out_of_limits and self.learner.current is place.connection:
            self.memory.learn(place, self.select_given(memorable), outcome)
        place.connection.stream.stop_noting()
        return outcome

    def judge_alone(self, course: CourseCell) -> TestOutcome:
        """Run a test cell whose names no other cell reads, and let go of what they hold of the learner's process.

        So the process keeps an object as long as it would if the outcome had been known.
        """
        outcome = self.judge(course)
        self.names.forget(find_bound_names(course.source))
        return outcome

    def find_place(self, course: CourseCell, memorable: MemorableCell) -> TestPlace | None:
        """Return where the memory has a test cell, or None if it must run."""
        if self.memory.tree is None:  # nothing needs a snapshot
            return None
        given = self.select_given(memorable)
        if not is_plain(given, memorable.values):
            return None
        cell = (*self.known, current_language(), course.id, self.given_ends)
        return self.memory.find_place(self.learner.current, cell, given)

    def select_given(self, memorable: MemorableCell) -> dict[str, Any]:
        """Return the values of given cells that a test cell sees."""
        given = self.names.select(memorable.given)
        return given | {f"fresh {name}": made for name, made in self.fresh.items() if name in given}

    def compute_recall_deadline(self) -> float:
        """Return the time until which a conversation may go on without the test cell, which judges the time as well."""
        check = current_context().seconds
        seconds = min(MAX_RECALL_SECONDS, RECALL_SHARE * check) if check > 0 else MAX_RECALL_SECONDS
        return min(self.compute_deadline(), self.learner.clock() + seconds)

    def restart_generators(self, course: CourseCell) -> dict[str, np.random.Generator]:
        """Return generators that stand for those of given cells while a test cell runs."""
        made = {**self.names.select(self.given_names - find_bound_names(course.source)), **self.fresh}
        generators = {name: value for name, value in made.items() if isinstance(value, np.random.Generator)}
        return {name: restart_generator(generator, course.id) for name, generator in generators.items()}

    def judge(self, course: CourseCell) -> TestOutcome:
        """Run a test cell and return its outcome.

        Its random numbers depend on the seed and the cell alone, not on how the tests before it went.
        """
        printed = self.stdout = io.StringIO()
        fault: BaseException | None = None
        ended, value = None, CellValue()
        self.out_of_limits = False
        drawn = self.restart_generators(course)
        with (
            collecting_verdicts() as verdicts,
            contextlib.redirect_stdout(printed),
            restart_global_generators(course.id),
        ):
            try:
                with self.limit_time(), self.names.replacing(drawn):
                    ended = run_cell(course.source, f"<test {course.id}>", self.names)
                value = read_value(ended)
            except ProcessLost as loss:
                fault = ProcessLost(f"{loss}{self.learner.describe_end()}")
            except BaseException as raised:
                fault = raised
        if isinstance(fault, KeyboardInterrupt):
            raise fault
        if isinstance(fault, MemoryError):  # there may be more for others
            self.out_of_limits = True
        verdicts = list_verdicts(verdicts, ended)
        score = 0.0 if fault is not None else earn_points(value, course.points)
        shown_value = str(value) if score != course.points else ""
        bad_value = "" if fault is not None else describe_bad_value(value, course.points)
        outcome = TestOutcome(
            score,
            list(format_outputs(verdicts, printed.getvalue(), fault, shown_value)),
            [{**v.to_dict(), "text": str(v)} for v in verdicts if not v.passed],
            describe_failure(fault) or bad_value,
            bad_value,
        )
        if fault is not None:
            fault.__traceback__ = None  # its frames hold what the test held of the learner's
        return outcome

    def run_inside(self, count: int, cell: SubmittedCell, course: CourseCell) -> CellResult:
        """Run a test cell in the learner's process, as nbgrader does: its score is only as safe as nbgrader's."""
        began = time.monotonic()
        score, outputs = self.learner.run_test(count, course.source, cell.id, course.points)
        self.names.hand_over(find_bound_names(course.source))
        result = self.make_result(cell, count, outputs, began)
        result.source, result.points, result.score = course.source, course.points, score
        result.trouble = describe_error_output(result.outputs)
        return result

    @contextlib.contextmanager
    def limit_time(self) -> Iterator[None]:
        """Context manager that limits the time of code that runs here, and of its calls in the learner's process."""
        deadline = self.compute_deadline()
        self.learner.set_deadline(deadline)
        ours = max(0.1, deadline - self.learner.clock()) + 5  # the call's own limit comes first
        here = checking(remote=lambda: self.learner.current, clock=self.learner.clock, on_limit=self.note_limit)
        with here, sharing_context(), alarm(ours, CellTimeout):
            yield

    def note_limit(self) -> None:
        """Note that a limit of time or memory has ended a piece of the test: its outcome depends on the machine too."""
        self.out_of_limits = True

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
            outputs=bound_outputs(outputs, max_bytes, budget=self.budget),
            seconds=time.monotonic() - began,
            execution_count=count if cell.cell_type == "code" else None,
        )


def _describe_cell(cell: SubmittedCell, is_short: bool) -> DefiningCell:
    first = next((line.strip() for line in cell.source.splitlines() if line.strip()), "")
    label = (
        say("the cell {id!r}", id=cell.id)
        if cell.kind != "added"
        else say("the cell that begins {text}", text=quote_value(first[:50]))
    )
    return DefiningCell(label, cell.source if cell.cell_type == "code" and is_short else "")


def _find_open(assignment: Assignment) -> Set[str]:
    """Return the names that tests use and no cell of the course binds: a course without solutions has them."""
    sources = [cell for cell in assignment.cells if cell.cell_type == "code"]
    bound = set().union(*(_find_bound(cell.source) for cell in sources))
    used = set().union(*(_find_used(cell.source) for cell in sources if cell.kind == "test"))
    return {name for name in used - bound - set(dir(builtins)) if not name.startswith("__")} - {"display"}


def _find_error(output: Mapping[str, Any]) -> str:
    """Return the name of the error that an output shows; IPython prints that of an unknown magic only."""
    if output.get("output_type") == "error":
        return str(output.get("ename"))
    return "UsageError" if str(output.get("text", "")).startswith("UsageError: ") else ""


def _find_bound(source: str) -> Set[str]:
    return list_names(find_bound_names, source)


def _find_used(source: str) -> Set[str]:
    return list_names(find_used_names, source)
