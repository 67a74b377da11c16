"""One run of the grader over a class: nbgrader's configuration, journal, gradebook and workers put together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from nnkit_grader.course.assignment import Assignment, load_assignments
from nnkit_grader.course.course_modules import import_from
from nnkit_grader.course.nbgrader_context import NbgraderContext
from nnkit_grader.examiner.examiner import choose_time_limits
from nnkit_grader.record.journal import Journal
from nnkit_grader.sandbox.limits import Limits
from nnkit_grader.workers.executor import make_setup, open_cluster, open_local
from nnkit_grader.workers.run_summary import RunSummary, join_summaries
from nnkit_grader.workers.scheduler import Scheduler


@dataclass(frozen=True)
class GradingRequest:
    """The options of `nnkit autograde`."""

    assignment: str
    students: tuple[str, ...] = ("*",)
    """Ids or patterns, as in a shell."""
    jobs: int | None = None
    """Submissions at a time; None for one on each core."""
    scheduler: str = ""
    """Address of a Dask scheduler; "" for this machine."""
    sandbox: str = "auto"
    regrade: bool = False
    seed: int | None = None
    """Seed of the tests' random numbers; None for that of the last run."""
    remembers: bool = False
    """Judge equal replies of the class once; else every test cell runs for every submission."""


def grade_class(
    request: GradingRequest,
    course: Path,
    open_context: Callable[[], NbgraderContext],
    notify: Callable[[str], None] = lambda sentence: None,
    show_progress: Callable[[RunSummary], None] = lambda summary: None,
    settings: Any = None,
) -> RunSummary:
    """Grade a class with the notebooks of the course folder, one after the other.

    `open_context` is called while the workers start, `notify` with sentences for the user, `show_progress` whenever
    something has changed. `settings` is the course's configuration (None: that of its folder). Raises ValueError and
    FileNotFoundError for a wrong request, and what `Scheduler.grade` raises.
    """
    notebooks = load_assignments(course, request.assignment, settings)
    open_once = lru_cache(1)(open_context)
    summaries: list[RunSummary] = []
    for notebook in notebooks:
        show = partial(_show_joined, show_progress, tuple(summaries), len(notebooks))
        summaries.append(_grade_notebook(notebook, request, open_once, notify, show))
    return join_summaries(summaries)


def _show_joined(show: Callable[[RunSummary], None], before: Sequence[RunSummary], count: int, now: RunSummary) -> None:
    show(now if count == 1 else replace(join_summaries([*before, now]), total=count * now.total))


def _grade_notebook(
    assignment: Assignment,
    request: GradingRequest,
    open_context: Callable[[], NbgraderContext],
    notify: Callable[[str], None],
    show_progress: Callable[[RunSummary], None],
) -> RunSummary:
    seconds = choose_time_limits(assignment)
    setup = make_setup(assignment, request.sandbox, seconds, Limits(), remembers=request.remembers)
    opened = open_cluster(request.scheduler, setup) if request.scheduler else open_local(request.jobs, setup)
    with opened as executor:
        context = open_context()
        from nnkit_grader.course.paths import CoursePaths
        from nnkit_grader.record.gradebook import CourseGradebook
        from nnkit_grader.record.register_assignment import register_assignment
        from nnkit_grader.record.writer import ResultWriter

        paths = CoursePaths(context.coursedir, assignment.name)
        students = paths.find_students(request.students)
        journal, penalty = Journal(paths.root, assignment.label), load_late_penalty(context)
        with (
            journal.lock(),
            CourseGradebook(context.coursedir.db_url, context.coursedir.course_id, notify) as gradebook,
            ThreadPoolExecutor(1, "nnkit-registration") as thread,
        ):
            # Registration takes a second, in which the first submissions are graded.
            registration = thread.submit(register_assignment, context.coursedir, context.parent, gradebook, assignment)
            writer = ResultWriter(assignment, paths, journal, gradebook, registration, penalty)
            seed = journal.choose_seed(request.seed, paths.find_feedback_time())
            scheduler = Scheduler(executor, writer, seed, show_progress)
            summary = scheduler.grade(students, request.regrade)
            if registration.result():
                source = context.coursedir.source_directory
                notify(f"{assignment.name} was entered into the gradebook as it is in {source}/.")
            return summary


def load_late_penalty(context: NbgraderContext) -> Callable[[str, float, float], float | None]:
    """Return the course's function for late penalties (`c.AssignLatePenalties.plugin_class`).

    The plug-in may be a module of the course folder. Raises ValueError if it cannot be loaded; the function does if the
    plug-in fails.
    """
    from nbgrader.preprocessors import AssignLatePenalties

    try:
        with import_from(Path(context.coursedir.root)):
            late = AssignLatePenalties(parent=context.parent)
            late.init_plugin()
    except Exception as fault:
        raise ValueError(f"The course's plug-in for late penalties cannot be loaded: {fault}") from fault

    def compute_penalty(student: str, score: float, seconds: float) -> float | None:
        try:
            points = late.plugin_inst.late_submission_penalty(student, score, seconds)
            off = None if points is None else float(points)
        except Exception as fault:
            raise ValueError(f"The plug-in for late penalties failed for {student}: {fault!r}.") from fault
        if off is not None and math.isnan(off):
            raise ValueError(f"The plug-in for late penalties gave NaN for {student}.")
        return off

    return compute_penalty
