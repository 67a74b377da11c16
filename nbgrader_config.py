"""nbgrader for this course: written in solutions/, released to assignments/. Stock nbgrader reads it as it is."""

from pathlib import Path

c = get_config()  # noqa: F821  (nbgrader provides it)

c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.course_id = "nnkit"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "assignments"

c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError"}

# A cell that never ends costs its own points only: it is interrupted, and the next cell runs.
c.ExecutePreprocessor.timeout = 10
c.ExecutePreprocessor.interrupt_on_timeout = True
# The kernel's orderly shutdown can linger for seconds; it has nothing to save.
c.ExecutePreprocessor.shutdown_kernel = "immediate"
# The kernel's log would drown the progress bar.
c.ExecutePreprocessor.extra_arguments = ["--log-level=ERROR"]
