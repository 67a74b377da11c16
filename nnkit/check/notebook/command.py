"""`nnkit check NOTEBOOK`: the visible tests of one assignment, from the top, without a kernel.

    file → cells → exercises → run (a child process) → results → report

The notebook is the learner's own, on their own machine, so it is trusted. Its cells run in one fresh child
process, in IPython's shell, so magics, `!` and top-level await work. A cell that fails does not stop the
others; one that cannot be stopped, or that ends the process, is skipped in a second run. Points are
those of grading (`nnkit.check.points`), for the tests that learners see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nnkit.check.notebook.cells import Exercise, NotebookCell, exercises, read
from nnkit.check.notebook.missing_names import (
    DefiningCell,
    DefiningCells,
    explain_missing_names,
    find_helpers,
    find_names_and_attributes,
)
from nnkit.check.notebook.runner import TIME_LIMIT, Outcome, describe_stop, run
from nnkit.check.points import describe_bad_value, earn_points
from nnkit.check.verdict import MARKS
from nnkit.language import say, to_say

RunCells = Callable[[Sequence[str], Path, float], list[Outcome]]
"""Runs code cells in order in a folder, each within so many seconds."""
Status = Literal["right", "wrong", "not attempted", "error", "cannot check", "when graded"]


@dataclass(frozen=True)
class ExerciseResult:
    """The result of one exercise."""

    exercise: Exercise
    status: Status
    points: float
    headline: str
    text: str = ""
    """The details: verdicts, or where an exception came from."""
    verdicts: tuple[dict[str, Any], ...] = ()
    printed: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.status == "right"


@dataclass(frozen=True)
class Report:
    """The results of all exercises of a notebook."""

    notebook: str
    results: tuple[ExerciseResult, ...]
    remarks: tuple[str, ...] = ()
    """On the notebook as a whole."""

    @property
    def visible(self) -> list[ExerciseResult]:
        return [result for result in self.results if result.status != "when graded"]

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.visible)

    def find(self, name: str) -> ExerciseResult:
        """Return the exercise with this id, its test cell's or its answer cell's. Raises ValueError that lists all."""
        for result in self.results:
            if name in result.exercise.names:
                return result
        known = ", ".join(result.exercise.id for result in self.results)
        raise ValueError(
            say(
                "There is no exercise {name!r} in {notebook}; there are: {known}.",
                name=name,
                notebook=self.notebook,
                known=known,
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that `json.dumps` takes, for programs."""
        visible = self.visible
        return {
            "notebook": self.notebook,
            "passed": self.passed,
            "exercises_passed": sum(result.passed for result in visible),
            "exercises": len(visible),
            "points": sum(result.points for result in visible),
            "points_visible": sum(result.exercise.points for result in visible),
            "points_when_graded": sum(r.exercise.points for r in self.results if r.status == "when graded"),
            "remarks": list(self.remarks),
            "results": [_result_dict(result) for result in self.results],
        }


def _result_dict(result: ExerciseResult) -> dict[str, Any]:
    return {
        "id": result.exercise.id,
        "title": result.exercise.title,
        "status": result.status,
        "points": result.points,
        "max_points": result.exercise.points,
        "headline": result.headline,
        "text": result.text,
        "mistakes": [name for verdict in result.verdicts for name in verdict.get("mistakes", ())],
        "explained_as": [name for verdict in result.verdicts for name in verdict.get("explained_as", ())],
        "verdicts": list(result.verdicts),
        "printed": result.printed,
        "seconds": round(result.seconds, 3),
        "notes": list(result.notes),
    }


def check_notebook(path: Path, limit: float = TIME_LIMIT, run_cells: RunCells = run) -> Report:
    """Run the visible tests of an assignment; see the module. FileNotFoundError or ValueError for a bad file."""
    cells = read(path)
    found = exercises(cells)
    if not found:
        raise ValueError(
            say("{path} has no graded cells: `nnkit check` is for assignments. Open it and run its cells.", path=path)
        )
    if not limit > 0:
        raise ValueError(say("the time limit must be more than 0 seconds, not {limit:g}.", limit=limit))
    outcomes = _run_code(cells, lambda sources: run_cells(sources, path.resolve().parent, limit))
    results = tuple(judge(exercise, cells, outcomes) for exercise in found)
    return Report(str(path), results, tuple(_remarks(cells, found, outcomes)))


def _run_code(cells: Sequence[NotebookCell], run_all: Callable[[list[str]], list[Outcome]]) -> list[Outcome]:
    """Return an outcome for each cell, an empty one for those that are not run."""
    code = [index for index, cell in enumerate(cells) if cell.kind == "code" and cell.source.strip()]
    outcomes = [Outcome() for _ in cells]
    for index, outcome in zip(code, run_all([cells[index].source for index in code])):
        outcome.cell = code[outcome.cell] if 0 <= outcome.cell < len(code) else -1
        outcomes[index] = outcome
    return outcomes


def judge(exercise: Exercise, cells: Sequence[NotebookCell], outcomes: Sequence[Outcome]) -> ExerciseResult:
    """Return the result of an exercise, given the outcomes of all cells."""
    test = outcomes[exercise.cell]
    if exercise.when_graded:
        changed = cells[exercise.cell].changed is not False and "YOUR ANSWER HERE" not in cells[exercise.cell].source
        sentence = say(exercise.when_graded)
        if not changed:
            sentence = say("{sentence}; not attempted yet", sentence=sentence)
        return ExerciseResult(exercise, "when graded", 0.0, f"{sentence}.")
    status, points, headline, text = _judge_test(exercise, cells, outcomes)
    printed = test.printed
    for verdict in test.verdicts:
        printed = printed.replace(verdict["text"], "")
    seconds = sum(outcomes[i].seconds for i in (*exercise.answers, exercise.cell))
    notes = tuple(_notes(cells[exercise.cell], test))
    if points < exercise.points and (sentence := _explain_missing_names(exercise, cells, outcomes)):
        notes = (*notes, sentence)
    return ExerciseResult(
        exercise, status, points, headline, text, tuple(test.verdicts), printed.strip(), seconds, notes
    )


def _judge_test(
    exercise: Exercise, cells: Sequence[NotebookCell], outcomes: Sequence[Outcome]
) -> tuple[Status, float, str, str]:
    """Return status, points, headline and details of a visible test."""
    test = outcomes[exercise.cell]
    text = "\n\n".join(verdict["text"] for verdict in test.verdicts)
    if test.error and test.verdicts:
        return test.verdicts[-1]["status"], 0.0, _headline(test.verdicts[-1]), text
    if test.error:
        return _judge_error(exercise, cells, outcomes)
    mistake = describe_bad_value(test.value, exercise.points)
    if mistake:
        return "error", 0.0, say("{mistake}: ask your teacher.", mistake=mistake), text
    points = earn_points(test.value, exercise.points)
    if points == exercise.points and not test.verdicts:
        return "right", points, "", ""
    sentence = _headline(test.verdicts[0]) if test.verdicts else say("some of its tests fail.")
    untouched = not points and {verdict["status"] for verdict in test.verdicts} == {"not attempted"}
    return "not attempted" if untouched else "wrong", points, sentence, text


def _headline(verdict: dict[str, Any]) -> str:
    """Return a verdict in one sentence, with its subject where that says more."""
    subject, headline = str(verdict["subject"]), str(verdict["headline"])
    alone = verdict["status"] == "not attempted" or headline.startswith(subject)
    return headline if alone else f"{subject}: {headline}"


def _judge_error(
    exercise: Exercise, cells: Sequence[NotebookCell], outcomes: Sequence[Outcome]
) -> tuple[Status, float, str, str]:
    """Describe an exception: the answer cell's own, if that stopped too, else the test's."""
    test = outcomes[exercise.cell]
    broken = [index for index in exercise.answers if outcomes[index].error]
    if test.kind == "NotImplementedError" or any(outcomes[i].kind == "NotImplementedError" for i in broken):
        return "not attempted", 0.0, say("not attempted yet."), ""
    if test.kind == "AssertionError" and test.cell == exercise.cell:
        said = test.error.removeprefix(describe_stop("AssertionError")).removeprefix(": ")
        sentence = said or say("this does not hold: {code}", code=test.code.removeprefix("assert "))
        return "wrong", 0.0, sentence, f"✗ {sentence}\n    {test.code}"
    source = broken[0] if broken else exercise.cell
    outcome = outcomes[source]
    sentence = f"{cells[source].name} {outcome.error}"
    if 0 <= outcome.cell < len(cells) and outcome.line:
        place = say("line {line} of {cell}", line=outcome.line, cell=cells[outcome.cell].name)
        return "error", 0.0, sentence, f"! {sentence}\n    {place}:  {outcome.code}"
    return "error", 0.0, sentence, f"! {sentence}"


def _explain_missing_names(exercise: Exercise, cells: Sequence[NotebookCell], outcomes: Sequence[Outcome]) -> str:
    """Return a sentence on a name that the test misses and that the notebook has elsewhere, or almost; "" if none."""
    test = outcomes[exercise.cell]
    errors = (outcomes[index].error for index in exercise.answers)
    texts = [test.error, *(verdict["text"] for verdict in test.verdicts), *errors]
    sources = ("" if index == exercise.cell or c.kind != "code" else c.source for index, c in enumerate(cells))
    found = DefiningCells([DefiningCell(cell.name, source) for cell, source in zip(cells, sources)])
    fixed = [cell for cell in cells if cell.kind == "code" and cell.mark and not cell.mark.get("solution")]
    asked = set().union(*(find_names_and_attributes(cell.source) | find_helpers(cell.source) for cell in fixed))
    return explain_missing_names(texts, found, exercise.cell, set(exercise.answers), asked)


def _notes(cell: NotebookCell, outcome: Outcome) -> Iterator[str]:
    if cell.changed:
        yield say("This test cell was changed; the original is what counts when it is graded.")
    if outcome.warned.strip() and not outcome.error:
        first = outcome.warned.strip().splitlines()[0][:120]
        yield say("It wrote to stderr, which nbgrader's own autograder counts as a failure: {first}", first=first)


def _remarks(cells: Sequence[NotebookCell], found: Sequence[Exercise], outcomes: Sequence[Outcome]) -> Iterator[str]:
    counts = Counter(cell.id for cell in cells if cell.id)
    for name, count in counts.items():
        if count > 1:
            yield say(
                "{count} cells have the id {name!r}: delete the copies, or it cannot be graded.", count=count, name=name
            )
    shown = {index for exercise in found for index in (*exercise.answers, exercise.cell)}
    for index, outcome in enumerate(outcomes):
        if outcome.error and index not in shown:
            yield f"{cells[index].name} {outcome.error}"


# ---- the summary that is printed --------------------------------------------------------------------


def summary(report: Report, name: str | None = None) -> str:
    """Return the table, totals, and the details of the first exercise that fails; or those of the one named."""
    if name is not None:
        return "\n".join([*_rows([report.find(name)]), *_format_details(report.find(name))])
    lines = [*_rows(report.results), "", _totals(report)]
    lines += [f"! {remark}" for remark in report.remarks]
    failing = [result for result in report.visible if result.status in ("wrong", "error", "cannot check")]
    open_ones = [result for result in report.visible if result.status == "not attempted"]
    if failing:
        lines += [
            "",
            say("The first that fails is {title}:", title=failing[0].exercise.title),
            *_format_details(failing[0]),
        ]
    if len(failing) > 1:
        second, *others = [result.exercise.id for result in failing[1:]]
        more = f"   ({say('or: {names}', names=', '.join(others))})" if others else ""
        another = f"nnkit check {report.notebook} --exercise {second}"
        lines += ["", say("See another: {command}", command=another) + more]
    elif not failing and open_ones:
        lines += ["", say("Next: {title}", title=open_ones[0].exercise.title)]
    return "\n".join(lines)


def _rows(results: Sequence[ExerciseResult]) -> Iterator[str]:
    points = [f"{r.points:g}/{r.exercise.points:g}" if r.status != "when graded" else "–" for r in results]
    width = max(map(len, points))
    for result, count in zip(results, points):
        name = "" if result.passed or result.status == "when graded" else f"  [{result.exercise.id}]"
        yield f"{MARKS.get(result.status, '·')}  {count:>{width}}  {result.exercise.title}{name}"
        indent = " " * (width + 5)
        if result.headline:
            yield f"{indent}{result.headline}"
        for note in result.notes:
            yield f"{indent}{note}"


def _format_details(result: ExerciseResult) -> list[str]:
    lines = ["", *result.text.splitlines()] if result.text else []
    if result.printed:
        shown = result.printed.splitlines()
        lines += ["", say("Printed by its test cell:"), *(f"    {line[:200]}" for line in shown[:20])]
        lines += [f"    {say('… {count} more lines', count=len(shown) - 20)}"] if len(shown) > 20 else []
    return lines


def _totals(report: Report) -> str:
    total, later = report.to_dict(), [r for r in report.results if r.status == "when graded"]
    line = say(
        "{passed} of {exercises} exercises pass their visible tests, {points:g} of {most:g} points",
        **{"passed": total["exercises_passed"], "exercises": total["exercises"]},
        **{"points": total["points"], "most": total["points_visible"]},
    )
    reasons: tuple[tuple[str, Callable[[ExerciseResult], bool]], ...] = (
        (to_say("; {points:g} more by hand"), lambda r: r.exercise.when_graded == "graded by hand"),
        (to_say("; {points:g} more by hidden tests"), lambda r: r.exercise.when_graded != "graded by hand"),
    )
    for reason, belongs in reasons:
        points = sum(r.exercise.points for r in later if belongs(r))
        line += say(reason, points=points) if points else ""
    return line + "."
