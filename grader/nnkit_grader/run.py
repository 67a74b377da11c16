"""One run of the grader over a class: nbgrader's configuration, journal, gradebook and workers put together."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnkit_grader.course.assignment import load_assignment
from nnkit_grader.examiner.examiner import TimeLimits
from nnkit_grader.record.journal import Journal
from nnkit_grader.sandbox.limits import Limits
from nnkit_grader.workers.executor import make_setup, open_cluster, open_local
from nnkit_grader.workers.scheduler import RunSummary, Scheduler


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


@dataclass(frozen=True)
class NbgraderContext:
    """nbgrader's side of a course: its CourseDirectory, and an object that carries its configuration."""

    coursedir: Any
    parent: Any


def open_course(course: Path, url: str = "") -> NbgraderContext:
    """Return nbgrader's side of a course folder that has a nbgrader_config.py; `url` replaces its gradebook."""
    warnings.filterwarnings("ignore", module="nbgrader")
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import LoggingConfigurable, PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(course.resolve())).load_config()
    if url:
        config.CourseDirectory.db_url = url
    parent = LoggingConfigurable(config=config)
    return NbgraderContext(CourseDirectory(parent=parent), parent)


def grade_class(
    request: GradingRequest,
    course: Path,
    open_context: Callable[[], NbgraderContext],
    notify: Callable[[str], None] = lambda sentence: None,
    show_progress: Callable[[RunSummary], None] = lambda summary: None,
) -> RunSummary:
    """Grade a class with the solutions of the course folder.

    `open_context` is called while the workers start, `notify` with sentences for the user, `show_progress` whenever
    something has changed. Raises ValueError and FileNotFoundError for a wrong request, and what `Scheduler.grade`
    raises.
    """
    assignment = load_assignment(course, request.assignment)
    setup = make_setup(assignment, request.sandbox, TimeLimits(), Limits())
    opened = open_cluster(request.scheduler, setup) if request.scheduler else open_local(request.jobs, setup)
    with opened as executor:
        context = open_context()
        from nnkit_grader.course.paths import CoursePaths
        from nnkit_grader.record.gradebook import CourseGradebook
        from nnkit_grader.record.register_assignment import register_assignment
        from nnkit_grader.record.writer import ResultWriter

        paths = CoursePaths(context.coursedir, assignment.name)
        students = paths.find_students(request.students)
        journal, penalty = Journal(paths.root, assignment.name), load_late_penalty(context.parent)
        with (
            journal.lock(),
            CourseGradebook(context.coursedir.db_url, context.coursedir.course_id, notify) as gradebook,
            ThreadPoolExecutor(1, "nnkit-registration") as thread,
        ):
            # Registration takes a second, in which the first submissions are graded.
            registration = thread.submit(register_assignment, context.coursedir, context.parent, gradebook, assignment)
            writer = ResultWriter(assignment, paths, journal, gradebook, registration, penalty)
            scheduler = Scheduler(executor, writer, journal.choose_seed(request.seed), show_progress)
            summary = scheduler.grade(students, request.regrade)
            if registration.result():
                notify(f"{assignment.name} was entered into the gradebook as it is in solutions/.")
            return summary


def load_late_penalty(parent: Any) -> Callable[[str, float, float], float | None]:
    """Return the course's function for late penalties (`c.AssignLatePenalties.plugin_class`)."""
    from nbgrader.preprocessors import AssignLatePenalties

    late = AssignLatePenalties(parent=parent)
    late.init_plugin()

    def compute_penalty(student: str, score: float, seconds: float) -> float | None:
        points: float | None = late.plugin_inst.late_submission_penalty(student, score, seconds)
        return points

    return compute_penalty
