"""Feedback pages without the hidden tests, which nbgrader would show: a preprocessor for nbgrader_config.py.

    c.GenerateFeedback.preprocessors = [..., "nnkit_grader.nbgrader_plugin.hide_hidden_tests.HideHiddenTests"]

Without that line, feedback is nbgrader's own. Graders go on seeing the hidden tests (autograded/).
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any

from nbgrader import utils
from nbgrader.preprocessors import ClearHiddenTests
from traitlets import List

from nnkit.language import say, say_count

MIN_LINE_CHARACTERS = 10
"""Shorter hidden lines are not searched for in outputs: `x = 1` could occur anywhere."""


class HideHiddenTests(ClearHiddenTests):  # type: ignore[misc]
    """Preprocessor that folds each hidden region to one line with its length, and removes its lines from the output.

    Outputs of learners' cells stay as they are: a line that is replaced there would say that a guess was right.

    An exception in a test cell shrinks to its last line, since a traceback quotes the cell. A verdict stays as it
    is. The delimiters are those of `c.ClearHiddenTests`.
    """

    display_data_priority: Any = List(help="Not used; the HTML exporter sets it for all preprocessors.").tag(
        config=True
    )

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Hide the tests in a notebook; called by nbconvert."""
        tests = [cell for cell in nb.cells if utils.is_grade(cell) and cell.cell_type == "code"]
        hidden = {line for cell in tests for line, secret in self._lines(cell.source) if secret}
        secrets = [line.strip() for line in hidden if len(line.strip()) >= MIN_LINE_CHARACTERS]
        for cell in tests:
            cell.source = self.fold_hidden_regions(cell.source)
        for cell in tests:
            for output in cell.get("outputs", ()):
                _clean_output(output, secrets)
        return nb, resources

    def fold_hidden_regions(self, source: str) -> str:
        """Return the source with one line in place of each hidden region."""
        kept: list[str] = []
        inside, count, indent = False, 0, ""
        for line in [*source.split("\n"), self.end_test_delimeter]:
            if self.begin_test_delimeter in line:
                inside, count, indent = True, 0, line[: len(line) - len(line.lstrip())]
            elif self.end_test_delimeter in line:
                kept += [f"{indent}# {_describe_hidden(count)}"] if inside else []
                inside = False
            elif inside:
                count += bool(line.strip())
            else:
                kept.append(line)
        return "\n".join(kept)

    def _lines(self, source: str) -> Iterator[tuple[str, bool]]:
        """Yield each line that is not a delimiter, and True if it is hidden."""
        inside = False
        for line in source.split("\n"):
            if self.begin_test_delimeter in line or self.end_test_delimeter in line:
                inside = self.begin_test_delimeter in line
            else:
                yield line, inside


def _describe_hidden(lines: int) -> str:
    return say_count(
        "hidden tests: {number} line, run when graded", "hidden tests: {number} lines, run when graded", lines
    )


def _clean_output(output: Any, secrets: Sequence[str]) -> None:
    """Remove hidden lines from one output of a test cell."""
    if output.output_type == "error":
        output.evalue = _replace_hidden_lines(output.evalue, secrets)
        output.traceback = [_format_last_line(output)]
    elif output.output_type == "stream":
        output.text = _replace_hidden_lines(output.text, secrets)
    else:
        for kind, value in output.get("data", {}).items():
            if isinstance(value, str) and not kind.startswith("image/"):
                output.data[kind] = _replace_hidden_lines(value, secrets)


def _format_last_line(error: Any) -> str:
    message: str = error.evalue.strip().split("\n")[0]
    if error.ename == "WrongDerivative":  # the message names it: "✗ Multiply.backward: dx is wrong."
        return message
    return f"{error.ename}: {message}" if message else str(error.ename)


def _replace_hidden_lines(text: str, secrets: Sequence[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        for form in (secret, html.escape(secret)):
            text = text.replace(form, say("(a hidden test)"))
    return text
