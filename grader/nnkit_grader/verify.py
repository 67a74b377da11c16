"""`nnkit verify`: an assignment tried before learners get it, through the real sandbox and examiner.

    its solution → full marks      its release → 0 points      each planted answer → its points

A planted answer is tried on the tests that depend on its cell, and on those in which it should lose points: the others
give what they give the solution. Answers that share no test are tried in one submission.

A test for which the solution loses points is tried once more inside the learner's process, as nbgrader runs it. If that
is enough, it needs what does not leave that process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nnkit.text import format_count
from nnkit_grader.course.assignment import Assignment, load_assignments, require_assignment
from nnkit_grader.course.cell_dependencies import find_cells_to_run
from nnkit_grader.course.config import read_settings, require_course
from nnkit_grader.course.crossing import find_uncrossable
from nnkit_grader.course.demo_class import locate_answers
from nnkit_grader.course.layout import CourseLayout
from nnkit_grader.course.planted_answers import PlantedAnswer, list_stray_files, list_wrong_names, read_answers
from nnkit_grader.course.source_warnings import find_warnings
from nnkit_grader.examiner.examiner import choose_time_limits
from nnkit_grader.intake.submission import Submission, SubmittedCell
from nnkit_grader.record.results import Result
from nnkit_grader.sandbox.limits import Limits
from nnkit_grader.workers.executor import make_setup, open_local

EXIT_PROBLEMS = 1
SEED = 20


@dataclass(frozen=True)
class Trial:
    """A submission that is tried, and the points that each test should give it."""

    name: str
    answers: dict[str, str]
    """Cell → source, where it is not as in the solution."""
    expected: dict[str, float]
    cells: frozenset[str] | None = None
    """Ids of the code cells that run; None for all."""
    alone: bool = False
    """True for an answer that never ends or ends its process, which others must not wait for."""
    names: dict[str, str] = field(default_factory=dict)
    """Test → the name of the one that it tries, where several were joined."""

    def shares_cells(self, other: Trial, tests: Set[str]) -> bool:
        """Return whether both run one of these tests, or one runs a cell that the other changes."""
        mine, theirs = self.cells or frozenset(), other.cells or frozenset()
        return bool(mine & theirs & tests or self.answers.keys() & theirs or other.answers.keys() & mine)

    def join(self, other: Trial) -> Trial:
        """Return a trial of both, which share no cells that matter."""
        cells = (self.cells or frozenset()) | (other.cells or frozenset())
        expected = self.expected | {test: other.expected[test] for test in other.names}
        name, answers = f"{self.name}, {other.name}", self.answers | other.answers
        return Trial(name, answers, expected, cells, names=self.names | other.names)


def verify(course: Path, names: Sequence[str] = (), sandbox: str = "auto") -> int:
    """Try assignments (all of the course by default) and print what was found; return 1 if there is a problem.

    An ill-formed assignment is a problem, and the others are tried. Raises FileNotFoundError for a name that is none.
    """
    config = read_settings(course)
    layout = CourseLayout.from_config(config)
    known = layout.list_assignments()
    if not names and not known:
        require_course(course)
        raise FileNotFoundError(f"There is no assignment to verify: no folder in {layout.source_root} has a notebook.")
    for name in names:
        require_assignment(course, layout, name)
    found = [problem for name in names or known for problem in verify_assignment(course, name, sandbox, config)]
    if not names and (stray := list_stray_files(layout.source_root, known)):
        _print_findings(f"{layout.source}: {_conclude(stray)}.", stray)
        found += stray
    return EXIT_PROBLEMS if found else 0


def verify_assignment(course: Path, name: str, sandbox: str, config: Any) -> list[str]:
    """Try an assignment, print what was found, and return the problems."""
    try:
        notebooks = load_assignments(course, name, config)
    except (ValueError, FileNotFoundError) as fault:
        problems = [str(fault).rstrip(".")]
        _print_findings(f"{name}: not tried: {_conclude(problems)}.", problems)
        return problems
    planted, problems = _read_planted(locate_answers(CourseLayout.from_config(config), name), notebooks)
    if problems:
        _print_findings(f"{name}: planted answers: {_conclude(problems)}.", problems)
    for notebook in notebooks:
        found, did = _try_notebook(notebook, planted, sandbox)
        _print_findings(f"{notebook.label}: {did}", found, list(find_warnings(notebook)))
        problems += found
    return problems


def _print_findings(head: str, problems: Sequence[str], warnings: Sequence[str] = ()) -> None:
    print(head)
    for line in [*(f"PROBLEM: {problem}" for problem in problems), *(f"warning: {warning}" for warning in warnings)]:
        print(f"  {line}" if line.endswith("?") else f"  {line}.")


def _read_planted(path: Path, notebooks: Sequence[Assignment]) -> tuple[list[PlantedAnswer], list[str]]:
    """Return the planted answers that name cells of these notebooks, and the problems of their file."""
    cells = [cell for notebook in notebooks for cell in notebook.cells]
    points = {cell.grade_id: cell.points for cell in cells if cell.kind == "test"}
    answers = {cell.grade_id for cell in cells if cell.kind in ("answer", "written")}
    try:
        planted = read_answers(path) if path.exists() else []
    except ValueError as fault:
        return [], [str(fault).rstrip(".")]
    problems = list(list_wrong_names(planted, answers, points, path))
    return [one for one in planted if not any(list_wrong_names([one], answers, points, path))], problems


def _try_notebook(notebook: Assignment, planted: Sequence[PlantedAnswer], sandbox: str) -> tuple[list[str], str]:
    """Return the problems of a notebook, and a sentence on what was tried."""
    points = {cell.grade_id: cell.points for cell in notebook.cells if cell.kind == "test"}
    solved = any(c.source.strip() != c.released.strip() for c in notebook.cells if c.kind in ("answer", "written"))
    planted = [answer for answer in planted if answer.cell in {cell.grade_id for cell in notebook.cells}]
    trials = [Trial("the solution", {}, points), *_join_trials(notebook, planted, points)] if solved else []
    blank = {cell.id: cell.released for cell in notebook.cells if cell.kind in ("answer", "written")}
    trials.append(Trial("the release", blank, dict.fromkeys(points, 0.0)))
    answers = _grade_trials(notebook, trials, sandbox)
    problems = list(find_uncrossable(notebook))
    problems += [line for trial, answer in zip(trials, answers) for line in _list_differences(trial, answer)]
    failed = [cell for cell in _list_lost(trials[0], answers[0]) if trials[0].name == "the solution"]
    problems += _try_inside(notebook, trials[0], failed, sandbox) if failed else []
    tried = "the release" if solved else "the release (it has no solutions that could be tried)"
    if solved:
        tried = f"the solution, the release and {format_count(len(planted), 'planted answer')}"
    return problems, f"{sum(points.values()):g} points by tests; tried {tried}: {_conclude(problems)}."


def _conclude(problems: Sequence[str]) -> str:
    return format_count(len(problems), "problem") if problems else "all scores as they should be"


def _join_trials(notebook: Assignment, planted: Sequence[PlantedAnswer], points: dict[str, float]) -> list[Trial]:
    """Return trials of all planted answers, each joined to the first with which it shares nothing."""
    tests = {cell.id for cell in notebook.cells if cell.kind == "test"}
    joined: list[Trial] = []
    for trial in _list_trials(notebook, planted, points):
        open_to_it = (at for at, other in enumerate(joined) if not (other.alone or trial.shares_cells(other, tests)))
        at = None if trial.alone else next(open_to_it, None)
        if at is None:
            joined.append(trial)
        else:
            joined[at] = joined[at].join(trial)
    return joined


def _list_trials(notebook: Assignment, planted: Sequence[PlantedAnswer], points: dict[str, float]) -> Iterator[Trial]:
    """Yield a trial for each planted answer."""
    for answer in planted:
        off = {test: points.get(test, 0.0) if most is None else most for test, most in answer.loses.items()}
        expected = {test: most - off.get(test, 0.0) for test, most in points.items()}
        cell = notebook.find_cell(answer.cell)
        cells = find_cells_to_run(notebook, cell, answer.source, answer.loses)
        name, alone = f"{answer.label} in {answer.cell}", answer.kind in ("crash", "loop")
        names = {test: name for test in points if notebook.find_cell(test).id in cells}
        yield Trial(name, {cell.id: answer.source}, expected, cells, alone, names)


def _grade_trials(notebook: Assignment, trials: Sequence[Trial], sandbox: str) -> list[dict[str, Any]]:
    """Return the workers' answers to these trials."""
    setup = make_setup(notebook, sandbox, choose_time_limits(notebook), Limits())
    with open_local(None, setup) as executor:
        futures: list[Future[dict[str, Any]]] = []
        for trial in trials:
            job = {"student": "verify", "seed": SEED, "alone": False}
            futures.append(executor.submit({**job, "submission": (_make_submission(notebook, trial), {})}))
        return [future.result() for future in futures]


def _make_submission(notebook: Assignment, trial: Trial) -> Submission:
    cells = (
        SubmittedCell(
            cell.id,
            cell.kind,
            cell.cell_type,
            cell.released if cell.locked else trial.answers.get(cell.id, cell.source),
        )
        for cell in notebook.cells
        if trial.cells is None or cell.cell_type != "code" or cell.id in trial.cells
    )
    return Submission(tuple(cells), files=notebook.files)


def _list_differences(trial: Trial, answer: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each test whose points are not those expected."""
    if "trouble" in answer:
        yield f"{trial.name} could not be graded: {answer['trouble']}"
        return
    result = Result.from_json(answer["result"])
    for test, score in result.scores().items():
        if abs(score - trial.expected[test]) > 1e-9:
            why = next((cell.describe_loss() for cell in result.cells if cell.grade_id == test), "")
            told = f" ({why})" if why else ""
            name, due = trial.names.get(test, trial.name), trial.expected[test]
            yield f"{name} gets {score:g} points in {test} and should get {due:g}{told}"
    if trial.name in ("the release", "the solution"):
        yield from (f"{trial.name}: {event.rstrip('.')}" for event in result.events)


def _list_lost(trial: Trial, answer: dict[str, Any]) -> list[str]:
    scores = {} if "trouble" in answer else Result.from_json(answer["result"]).scores()
    return [test for test, score in scores.items() if score < trial.expected[test]]


def _try_inside(notebook: Assignment, solution: Trial, failed: Sequence[str], sandbox: str) -> Iterator[str]:
    """Yield a line for each test in which the solution gets its points only beside the learner's code."""
    cells = (replace(cell, inside=cell.inside or cell.grade_id in failed) for cell in notebook.cells)
    (answer,) = _grade_trials(replace(notebook, cells=tuple(cells)), [solution], sandbox)
    still = _list_lost(solution, answer)
    for test in failed:
        if test not in still:
            yield (
                f"{test} gives the solution its points only in the learner's process: it needs what does not cross "
                "(docs/author.md), or it has a number typed in that follows from random ones. Change it, or mark it "
                "with the comment `# nnkit: inside`"
            )
