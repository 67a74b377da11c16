"""From a course folder to a graded class: nbgrader's configuration, and all that an engine needs, put together."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnkit_grader.course.assignment import load_assignment
from nnkit_grader.examiner.examiner import Seconds
from nnkit_grader.record.journal import Journal
from nnkit_grader.sandbox.limits import Limits
from nnkit_grader.workers import executor
from nnkit_grader.workers.scheduler import Engine, Tally


@dataclass(frozen=True)
class Order:
    """What somebody wants graded, and how."""

    assignment: str
    students: tuple[str, ...] = ("*",)
    """Ids or patterns, as in a shell."""
    jobs: int | None = None
    """Submissions at a time; one for each core where None."""
    scheduler: str = ""
    """Address of a Dask scheduler; "" for this machine."""
    sandbox: str = "auto"
    regrade: bool = False
    seed: int | None = None
    """Of the tests' random numbers; that of the last run where None."""


@dataclass(frozen=True)
class Office:
    """nbgrader's side of a course: its CourseDirectory, and an object that carries its configuration."""

    coursedir: Any
    parent: Any


def office(course: Path, url: str = "") -> Office:
    """Of a course folder with a nbgrader_config.py; `url` is another gradebook than the one that stands there."""
    warnings.filterwarnings("ignore", module="nbgrader")
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import LoggingConfigurable, PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(course.resolve())).load_config()
    if url:
        config.CourseDirectory.db_url = url
    parent = LoggingConfigurable(config=config)
    return Office(CourseDirectory(parent=parent), parent)


def grade(
    order: Order,
    course: Path,
    opened: Callable[[], Office],
    tell: Callable[[str], None] = lambda sentence: None,
    progress: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Grade as ordered, with the solutions of the course folder; `opened` is called while the workers get warm.

    Raises ValueError and FileNotFoundError for what was asked wrongly, and what `Engine.grade` raises.
    """
    assignment = load_assignment(course, order.assignment)
    setup = executor.setup(assignment, order.sandbox, Seconds(), Limits())
    with executor.cluster(order.scheduler, setup) if order.scheduler else executor.here(order.jobs, setup) as workers:
        desk = opened()
        from nnkit_grader.course.paths import CoursePaths
        from nnkit_grader.record.gradebook import Book
        from nnkit_grader.record.register_assignment import enter
        from nnkit_grader.record.writer import Keeper

        rooms = CoursePaths(desk.coursedir, assignment.name)
        students = rooms.find_students(order.students)
        journal, late = Journal(rooms.root, assignment.name), penalty(desk.parent)
        with (
            journal.held(),
            Book(desk.coursedir.db_url, desk.coursedir.course_id, tell) as book,
            ThreadPoolExecutor(1, "nnkit-entering") as aside,
        ):
            # It takes a second, in which the first submissions are graded.
            entered = aside.submit(enter, desk.coursedir, desk.parent, book, assignment)
            keeper = Keeper(assignment, rooms, journal, book, entered, late)
            tally = Engine(workers, keeper, journal.seed(order.seed), progress).grade(students, order.regrade)
            if entered.result():
                tell(f"{assignment.name} was entered into the gradebook as it stands in solutions/.")
            return tally


def penalty(parent: Any) -> Callable[[str, float, float], float | None]:
    """What the course's plug-in takes off late submissions (`c.AssignLatePenalties.plugin_class`)."""
    from nbgrader.preprocessors import AssignLatePenalties

    late = AssignLatePenalties(parent=parent)
    late.init_plugin()

    def taken_off(student: str, score: float, seconds: float) -> float | None:
        off: float | None = late.plugin_inst.late_submission_penalty(student, score, seconds)
        return off

    return taken_off
