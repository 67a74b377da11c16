"""nbgrader's autograder, which grades in nnkit's sandbox if a course's configuration says so (`install`)."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

from nbgrader.converters import Autograde
from nbgrader.converters.base import NbGraderException
from traitlets import Bool, Unicode

from nnkit.text import join_lines


class SandboxedAutograde(Autograde):  # type: ignore[misc]
    """nbgrader's autograder, which grades in nnkit's sandbox if `through_nnkit` is set."""

    through_nnkit: Any = Bool(False, help="Grade with nnkit, in its sandbox.").tag(config=True)
    sandbox: Any = Unicode("auto", help="auto, bwrap, kernel, container, or none (no protection at all).").tag(
        config=True
    )
    inside: Any = Bool(
        False, help="Run all test cells in the learner's process, as nbgrader does: no safer than there."
    ).tag(config=True)

    def start(self) -> None:
        """Grade the course directory's assignment and students. Raises NbGraderException with a sentence."""
        if not self.through_nnkit:
            super().start()
            return
        from nnkit_grader import autograde, run
        from nnkit_grader.course import config
        from nnkit_grader.course.nbgrader_context import NbgraderContext

        students = (self.coursedir.student_id,)
        order = run.GradingRequest(
            self.coursedir.assignment_id, students, sandbox=self.sandbox, regrade=self.force, jobs=self._jobs()
        )
        root = Path(self.coursedir.root)
        context = NbgraderContext(self.coursedir, self.parent)
        try:
            with autograde.Progress(order.assignment) as progress:
                settings = config.locate_folders(deepcopy(self.config), root)
                tally = run.grade_class(order, root, lambda: context, self.log.warning, progress.show, settings)
        except (OSError, ValueError, RuntimeError) as fault:
            self.log.error("%s", fault)
            raise NbGraderException(str(fault)) from fault
        for line in autograde.format_summary(order.assignment, tally, root).splitlines():
            self.log.info("%s", line)
        if tally.ungraded:
            reasons = (f"{student}: {why}" for student, why in sorted(tally.ungraded.items()))
            raise NbGraderException(join_lines("; ".join(reasons)))

    def _jobs(self) -> int | None:
        """Return 1 for a single student, as Formgrader's button asks for; else None, which means one for each core."""
        return None if any(letter in self.coursedir.student_id for letter in "*?[") else 1
