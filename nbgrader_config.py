"""nbgrader for this course: written in solutions/, released to assignments/. Stock nbgrader reads it as it is."""

import os
from importlib import import_module
from pathlib import Path

c = get_config()  # noqa: F821  (nbgrader provides it)

c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.course_id = "nnkit"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "assignments"
if gradebook := os.environ.get("NNKIT_GRADEBOOK"):  # where its address is a secret: PostgreSQL, on a hub
    c.CourseDirectory.db_url = gradebook

# `nbgrader autograde` and Formgrader's button grade in nnkit's sandbox. Without this line nbgrader grades as usual.
import_module("nnkit_grader.nbgrader_plugin.install").install(c)

c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError"}

# Feedback shows no hidden tests: the last of these preprocessors hides them. Without this line nbgrader shows them.
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    "nnkit_grader.nbgrader_plugin.hide_hidden_tests.HideHiddenTests",
]

# A cell that never ends costs its own points only: it is interrupted, and the next cell runs. A check ends by itself
# after 10 seconds (NNKIT_CHECK_SECONDS in the environment), with a message that says so, so leave it enough time.
c.ExecutePreprocessor.timeout = 30
c.ExecutePreprocessor.interrupt_on_timeout = True
# The kernel's orderly shutdown can linger for seconds; it has nothing to save.
c.ExecutePreprocessor.shutdown_kernel = "immediate"
# The kernel's log would drown the progress bar.
c.ExecutePreprocessor.extra_arguments = ["--log-level=ERROR"]
