"""Feedback pages without hidden tests, which nbgrader shows: a preprocessor that nbgrader_config.py names.

    c.GenerateFeedback.preprocessors = [..., "nnkit_grader.nbgrader_plugin.hide_hidden_tests.HideHiddenTests"]

Without that line everything works as nbgrader has it. What graders see (autograded/) keeps the hidden tests.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any

from nbconvert.filters import strip_ansi
from nbgrader import utils
from nbgrader.preprocessors import ClearHiddenTests
from traitlets import List

SHORTEST = 10
"""Characters from which on a hidden line is looked for in outputs; `x = 1` could stand anywhere."""


class HideHiddenTests(ClearHiddenTests):  # type: ignore[misc]
    """Folds each hidden region to one line that counts its lines, and takes those lines out of outputs.

    An exception in a test cell shrinks to its last line, since a traceback quotes the cell; a verdict stays as it
    is. The delimiters are those of `c.ClearHiddenTests`.
    """

    display_data_priority: Any = List(help="Not used; the HTML exporter sets it for all.").tag(config=True)

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        tests = [cell for cell in nb.cells if utils.is_grade(cell) and cell.cell_type == "code"]
        hidden = {line for cell in tests for line, secret in self._lines(cell.source) if secret}
        secrets = [line.strip() for line in hidden if len(line.strip()) >= SHORTEST]
        for cell in tests:
            cell.source = self.folded(cell.source)
        for cell in nb.cells:
            for output in cell.get("outputs", ()):
                _clean(output, secrets, cell in tests)
        return nb, resources

    def folded(self, source: str) -> str:
        """The source with one line in place of each hidden region."""
        kept: list[str] = []
        inside, count, indent = False, 0, ""
        for line in [*source.split("\n"), self.end_test_delimeter]:
            if self.begin_test_delimeter in line:
                inside, count, indent = True, 0, line[: len(line) - len(line.lstrip())]
            elif self.end_test_delimeter in line:
                kept += [f"{indent}# hidden tests: {_counted(count)}, run when graded"] if inside else []
                inside = False
            elif inside:
                count += bool(line.strip())
            else:
                kept.append(line)
        return "\n".join(kept)

    def _lines(self, source: str) -> Iterator[tuple[str, bool]]:
        """Each line that is no delimiter, and whether it is hidden."""
        inside = False
        for line in source.split("\n"):
            if self.begin_test_delimeter in line or self.end_test_delimeter in line:
                inside = self.begin_test_delimeter in line
            else:
                yield line, inside


def _counted(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def _clean(output: Any, secrets: Sequence[str], in_test: bool) -> None:
    """Take hidden lines out of one output of a cell."""
    if output.output_type == "error":
        output.evalue = _without(output.evalue, secrets)
        told = strip_ansi("\n".join(output.traceback))  # type: ignore[no-untyped-call]
        if in_test or _without(told, secrets) != told:
            output.traceback = [_last_line(output)]
    elif output.output_type == "stream":
        output.text = _without(output.text, secrets)
    else:
        for kind, value in output.get("data", {}).items():
            if isinstance(value, str) and not kind.startswith("image/"):
                output.data[kind] = _without(value, secrets)


def _last_line(error: Any) -> str:
    said: str = error.evalue.strip().split("\n")[0]
    if error.ename == "WrongDerivative":  # it names itself: "✗ Multiply.backward: dx is wrong."
        return said
    return f"{error.ename}: {said}" if said else str(error.ename)


def _without(text: str, secrets: Sequence[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        for form in (secret, html.escape(secret)):
            text = text.replace(form, "(a hidden test)")
    return text
