"""`nnkit init-course`: a new course folder that can be released and graded at once."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from nnkit_grader.course.assignment import KERNEL_METADATA

ASSIGNMENT = "first"

CONFIG = '''"""nbgrader for this course: written in source/, released to release/. Stock nbgrader reads it as it is."""

from importlib import import_module

c = get_config()  # noqa: F821  (nbgrader provides it)

c.CourseDirectory.course_id = {name!r}

# `nbgrader autograde` and Formgrader's button grade in nnkit's sandbox. Without this line nbgrader grades as usual.
import_module("nnkit_grader.nbgrader_plugin.install").install(c)

c.ClearSolutions.code_stub = {{"python": "# YOUR CODE HERE\\nraise NotImplementedError"}}

# Feedback shows no hidden tests: the last of these preprocessors hides them.
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    "nnkit_grader.nbgrader_plugin.hide_hidden_tests.HideHiddenTests",
]

# For stock nbgrader: a cell that never ends costs its own points only.
c.ExecutePreprocessor.timeout = 30
c.ExecutePreprocessor.interrupt_on_timeout = True
'''

README = """# {name}

| folder | holds |
|---|---|
| `source/NAME/` | an assignment as you write it: notebooks with solutions and hidden tests, and files that they read |
| `source/NAME_answers.py` | right and wrong answers, with which `nnkit verify` tries the tests |
| `release/NAME/` | the same as learners get it; made by `nnkit release` |
| `submitted/STUDENT/NAME/` | what was handed in |

```
nnkit verify {assignment}        # try the assignment: solution, release, planted answers
nnkit release             # write release/ from source/
nnkit autograde {assignment}     # grade what lies in submitted/, in a sandbox
nnkit report {assignment}        # a web page on how the class did
```

How to write an exercise, and what a test may do: docs/author.md of nnkit.
"""

IGNORED = """autograded/
feedback/
report/
submitted/
.nnkit/
gradebook.db
.ipynb_checkpoints/
"""

TITLE = """# First assignment

Fill in each cell that says `YOUR CODE HERE`, run it, then run the cell below it: it checks your derivative.
"""
SETUP = """import numpy as np

from nnkit.check import check_backward

rng = np.random.default_rng(1)
"""
TEXT = """## 1 Square (2 points)

$f(x) = x^2$, entry by entry. Write the forward, which returns the output and a cache, and the backward, which turns the
upstream gradient into the gradient with respect to $x$.
"""
ANSWER = """class SquareGate:
    def forward(self, x):
        ### BEGIN SOLUTION
        return x**2, x
        ### END SOLUTION

    def backward(self, upstream, cache):
        ### BEGIN SOLUTION
        return upstream * 2 * cache
        ### END SOLUTION
"""
TEST = """assert check_backward(SquareGate(), 3.0, of=lambda x: x**2)
### BEGIN HIDDEN TESTS
assert check_backward(SquareGate(), rng.normal(size=(2, 3)), of=lambda x: x**2)
### END HIDDEN TESTS
"""
QUESTION = """## 2 In your own words (1 point)

Why does the backward need the cache?
"""
WORDS = """The local gradient is $2x$, and the backward is given the upstream gradient only: $x$ must be kept.
"""

PLANTED = '''"""Answers like those of a class, right and wrong: `nnkit verify` tries the tests with them."""

# %% square style=product
class SquareGate:
    def forward(self, x):
        return x * x, (x,)

    def backward(self, upstream, cache):
        (x,) = cache
        return 2 * x * upstream


# %% square mistake=factor loses=test-square
class SquareGate:
    def forward(self, x):
        return x**2, x

    def backward(self, upstream, cache):
        return upstream * cache
'''


def make_course(folder: Path) -> list[str]:
    """Write a new course into a folder, which must be new or empty; return the paths of its files in it."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is not empty: a new course needs a folder of its own.")
    name = folder.resolve().name
    if not re.fullmatch(r"[\w. -]+", name):
        raise ValueError(f"{name!r} cannot be a course's name: use letters, digits, dots, blanks and dashes.")
    files = {
        "nbgrader_config.py": CONFIG.format(name=name),
        "README.md": README.format(name=name, assignment=ASSIGNMENT),
        ".gitignore": IGNORED,
        f"source/{ASSIGNMENT}/{ASSIGNMENT}.ipynb": json.dumps(_make_notebook(), indent=1) + "\n",
        f"source/{ASSIGNMENT}_answers.py": PLANTED,
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return list(files)


def _make_notebook() -> dict[str, Any]:
    cells = [
        _make_cell("title", TITLE, "markdown"),
        _make_cell("setup", SETUP),
        _make_cell("square-text", TEXT, "markdown"),
        _make_cell("square", ANSWER, solution=True),
        _make_cell("test-square", TEST, grade=True, locked=True, points=2),
        _make_cell("question", QUESTION, "markdown"),
        _make_cell("words", WORDS, "markdown", grade=True, solution=True, points=1),
    ]
    return {"cells": cells, "metadata": KERNEL_METADATA, "nbformat": 4, "nbformat_minor": 5}


def _make_cell(id: str, source: str, cell_type: str = "code", **mark: Any) -> dict[str, Any]:
    own = {"grade": False, "grade_id": id, "locked": False, "schema_version": 3, "solution": False, "task": False}
    extra: dict[str, Any] = {"execution_count": None, "outputs": []} if cell_type == "code" else {}
    metadata = {"nbgrader": {**own, **mark}} if mark else {}
    return {"cell_type": cell_type, "id": id, "metadata": metadata, "source": source.rstrip("\n"), **extra}
