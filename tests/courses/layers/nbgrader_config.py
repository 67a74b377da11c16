"""nbgrader for this course: written in source/, released to release/. Stock nbgrader reads it as it is."""

from importlib import import_module

c = get_config()  # noqa: F821  (nbgrader provides it)

c.CourseDirectory.course_id = "layers"

# `nbgrader autograde` and Formgrader's button grade in nnkit's sandbox. Without this line nbgrader grades as usual.
import_module("nnkit_grader.nbgrader_plugin.install").install(c)

c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError"}

# Feedback shows no hidden tests: the last of these preprocessors hides them.
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    "nnkit_grader.nbgrader_plugin.hide_hidden_tests.HideHiddenTests",
]

# For stock nbgrader: a cell that never ends costs its own points only.
c.ExecutePreprocessor.timeout = 30
c.ExecutePreprocessor.interrupt_on_timeout = True
