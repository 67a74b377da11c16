"""`nnkit check NOTEBOOK`: the visible tests of one assignment, from the top, without a kernel.

    file → cells → exercises → run (a child process) → results → report

The notebook is the learner's own, on their own machine, so it is trusted. Its cells run in one fresh child
process, in IPython's shell, so magics, `!` and top-level await work. A cell that fails does not stop the
others; one that cannot be stopped, or that ends the process, is skipped in a second run. Points are
counted as nbgrader counts them (`nbgrader.utils.determine_grade`), for the tests that learners see.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.util
import io
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from nnkit.check.verdict import MARKS, Verdict, WrongDerivative

TIME_LIMIT = 30.0
"""Seconds that a cell may run, as long as nbgrader gives it."""
STARTUP = 120.0
"""Seconds in which the child process must have begun; only a machine in trouble needs them."""
GRACE = 2.0
"""Seconds between asking a cell to stop and ending its process."""
PRINTED = 20_000
"""Characters that are kept of what a cell prints."""

Status = Literal["right", "wrong", "not attempted", "error", "when graded"]

# ---- the file ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    kind: str
    source: str
    mark: Mapping[str, Any]
    """nbgrader's metadata; empty for other cells."""

    @property
    def id(self) -> str:
        return str(self.mark.get("grade_id", ""))

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        first = next((line for line in self.source.splitlines() if line.strip()), "")
        return f"the cell {self.id!r}" if self.id else f"the cell that begins {first.strip()[:50]!r}"

    @property
    def changed(self) -> bool | None:
        """Whether it differs from what was handed out; None where nbgrader left no checksum."""
        return None if "checksum" not in self.mark else self.mark["checksum"] != _checksum(self)


def read(path: Path) -> list[Cell]:
    """The notebook's cells. Raises FileNotFoundError or ValueError with one sentence on what is amiss."""
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name the notebook in it, a file that ends in .ipynb.")
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as fault:
        raise ValueError(f"{path} is no notebook: it is not JSON (line {fault.lineno}). Was it cut off?") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no notebook: it is not text in UTF-8.") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if isinstance(notebook, dict) and "worksheets" in notebook:
        raise ValueError(f"{path} is in an old format: open it in Jupyter and save it.")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise ValueError(f"{path} is no notebook: it has no list of cells.")
    return [_cell(cell) for cell in cells]


def _cell(cell: dict[str, Any]) -> Cell:
    source = cell.get("source", "")
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    metadata = cell.get("metadata")
    mark = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return Cell(str(cell.get("cell_type", "raw")), text, mark if isinstance(mark, dict) else {})


def _checksum(cell: Cell) -> str:
    """As `nbgrader.utils.compute_checksum`."""
    grade, solution = bool(cell.mark.get("grade")), bool(cell.mark.get("solution"))
    locked = not solution and (grade or bool(cell.mark.get("locked")))
    parts = [cell.source, cell.kind, str(grade), str(solution), str(locked), cell.id]
    parts += [str(_points(cell))] if grade else []
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


def _points(cell: Cell) -> float:
    points = cell.mark.get("points", 0)
    return float(points) if isinstance(points, int | float) else 0.0


# ---- the exercises ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exercise:
    """A graded cell, and the answer cells above it."""

    id: str
    """What to call it on the command line: its one answer cell, else its test cell."""
    names: frozenset[str]
    """The ids of all its cells."""
    title: str
    cell: int
    answers: tuple[int, ...]
    points: float
    when_graded: str = ""
    """Why nothing can be checked now: "graded by hand", or "its tests run when it is graded"."""


def exercises(cells: Sequence[Cell]) -> list[Exercise]:
    """The exercises in order, each under the last heading above it."""
    found: list[Exercise] = []
    answers: list[int] = []
    heading = ""
    for index, cell in enumerate(cells):
        if cell.kind == "markdown":
            heading = _heading(cell.source) or heading
        if cell.mark.get("grade") or cell.mark.get("task"):
            names = [cells[answer].id for answer in answers]
            name = names[0] if len(names) == 1 else cell.id
            ids = frozenset([*names, cell.id])
            found.append(Exercise(name, ids, heading or name, index, tuple(answers), _points(cell), _later(cell)))
            answers = []
        elif cell.mark.get("solution") and cell.kind == "code":
            answers.append(index)
    return found


def _heading(markdown: str) -> str:
    """The text of the last heading outside of code fences, or ""."""
    prose = re.sub(r"^(```|~~~).*?^\1", "", markdown, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*#*\s*$", prose, flags=re.MULTILINE)
    return re.sub(r"[*`]", "", headings[-1]) if headings else ""


def _later(cell: Cell) -> str:
    if cell.kind != "code" or cell.mark.get("solution") or cell.mark.get("task"):
        return "graded by hand"
    with contextlib.suppress(SyntaxError, ValueError):
        if not ast.parse(cell.source).body:
            return "its tests run when it is graded"
    return ""


# ---- running the cells: the parent's side -----------------------------------------------------------


@dataclass
class Outcome:
    """What one cell did."""

    error: str = ""
    """What ended the cell, as the rest of a sentence: "stopped: Type: message"."""
    kind: str = ""
    """The exception's type; "TimeLimit" and "Died" where there was none."""
    cell: int = -1
    """Where it was raised: the innermost of the notebook's own lines."""
    line: int = 0
    code: str = ""
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    """Of the checks that failed: the verdict's JSON form, and its text under "text"."""
    shown: str | None = None
    """The text of the cell's last expression."""
    printed: str = ""
    warned: str = ""
    """What came on stderr."""
    seconds: float = 0.0


PROGRAM = "import sys; sys.path.append(sys.argv.pop()); from nnkit.check.notebook import serve; serve()"
ROOT = str(Path(__file__).parents[2])


def run(sources: Sequence[str], folder: Path, limit: float = TIME_LIMIT) -> list[Outcome]:
    """Run code cells in order in a fresh process in `folder`."""
    if importlib.util.find_spec("IPython") is None:
        raise ModuleNotFoundError("No module named 'IPython'", name="IPython")
    lost: dict[int, Outcome] = {}
    while True:
        outcomes, fatal = _attempt(["" if i in lost else text for i, text in enumerate(sources)], folder, limit)
        if fatal is None:
            return [lost.get(i, outcome) for i, outcome in enumerate(outcomes)]
        lost[len(outcomes)] = fatal


def _attempt(sources: list[str], folder: Path, limit: float) -> tuple[list[Outcome], Outcome | None]:
    """The outcomes of one process, and that of the cell with which it had to end."""
    outcomes: list[Outcome] = []
    with _child(sources, folder) as (process, inbox):
        if _receive(inbox, STARTUP) is None:
            raise RuntimeError("The cells cannot be run: a new Python does not start here. Run `nnkit doctor`.")
        for _ in sources:
            started = time.monotonic()
            outcome, late = _receive(inbox, limit), False
            if outcome is None and process.poll() is None and time.monotonic() - started >= limit:
                late = True
                process.send_signal(signal.SIGINT) if os.name == "posix" else process.kill()
                outcome = _receive(inbox, GRACE)
            sentence = f"did not end within {limit:g} seconds: is there a loop without an end?"
            if outcome is None and late:
                return outcomes, Outcome(sentence, "TimeLimit", seconds=limit)
            if outcome is None:
                return outcomes, Outcome("ended the whole Python process.", "Died")
            if late and outcome.kind == "KeyboardInterrupt":
                outcome.error, outcome.kind = sentence, "TimeLimit"
            outcomes.append(outcome)
    return outcomes, None


@contextlib.contextmanager
def _child(sources: list[str], folder: Path) -> Iterator[tuple[subprocess.Popen[str], queue.SimpleQueue[Any]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, ROOT],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "agg", "NBGRADER_EXECUTION": "validate", "NBGRADER_VALIDATING": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C is ours to handle, and what the cells start can be ended with them
    )
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    pump = threading.Thread(target=_pump, args=(process, json.dumps(sources), inbox), daemon=True)
    pump.start()
    try:
        yield process, inbox
    finally:
        _end(process)
        pump.join(GRACE)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()


def _pump(process: subprocess.Popen[str], cells: str, inbox: queue.SimpleQueue[Any]) -> None:
    """Hand the cells over, then every line that comes back to the inbox, and None at the end."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.write(cells)
        process.stdin.close()
    for line in process.stdout:
        inbox.put(Outcome(**json.loads(line)))
    inbox.put(None)


def _receive(inbox: queue.SimpleQueue[Any], seconds: float) -> Outcome | None:
    try:
        outcome: Outcome | None = inbox.get(timeout=seconds)
        return outcome
    except queue.Empty:
        return None


# ---- running the cells: the child's side ------------------------------------------------------------


class _Bounded(io.StringIO):
    """Keeps the first `PRINTED` characters and forgets the rest."""

    def write(self, text: str) -> int:
        room = PRINTED - self.tell()
        if room > 0:
            super().write(text if len(text) <= room else text[:room] + "\n… and more")
        return len(text)


def serve() -> None:
    """Cells from stdin, an `Outcome` a line to what was stdout; cells find both shut."""
    cells = json.load(sys.stdin)
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    sys.argv = [""]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with tempfile.TemporaryDirectory() as scratch:
        shell, failed = _shell(scratch), _record_partial_credit()
        _send(channel, Outcome())
        for index, source in enumerate(cells):
            shell.execution_count = index + 1  # as in a kernel; and by it a line of a traceback tells its cell
            _send(channel, _run_cell(shell, index, source, failed) if source else Outcome())


def _send(channel: IO[str], outcome: Outcome) -> None:
    channel.write(json.dumps(asdict(outcome)) + "\n")
    channel.flush()


def _shell(scratch: str) -> Any:
    """IPython's shell without its habits: no history file, no traceback, no pager, no pictures."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Hook(DisplayHook):
        shown: str | None = None

        def write_output_prompt(self) -> None:
            pass

        def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
            self.shown = format_dict.get("text/plain")

    class Shell(InteractiveShell):
        displayhook_class = Hook

        def showtraceback(self, *args: Any, **kwargs: Any) -> None:
            pass

        def showsyntaxerror(self, *args: Any, **kwargs: Any) -> None:
            pass

        def enable_matplotlib(self, gui: str | None = None) -> tuple[Any, Any]:
            return gui, "agg"

    warnings.filterwarnings("ignore", message=".*is non-interactive")  # plt.show() under Agg
    config = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"display_page": True}})
    shell: Any = Shell.instance(ipython_dir=scratch, config=config)
    shell.display_formatter.active_types = ["text/plain"]
    return shell


def _record_partial_credit() -> list[Verdict]:
    """`partial_credit` gives a number and prints its verdicts; they are kept here, to tell what failed."""
    from nnkit import check

    kept: list[Verdict] = []
    original = check.partial_credit

    def partial_credit(points: float, *verdicts: Verdict) -> float:
        kept.extend(verdict for verdict in verdicts if not verdict.passed)
        return original(points, *verdicts)

    check.partial_credit = partial_credit
    return kept


def _run_cell(shell: Any, index: int, source: str, failed: list[Verdict]) -> Outcome:
    failed.clear()
    shell.displayhook.shown = None
    printed, warned, started = _Bounded(), _Bounded(), time.perf_counter()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(warned):
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            result = shell.run_cell(source, store_history=True)
            error = result.error_before_exec or result.error_in_exec
        except KeyboardInterrupt as interrupt:
            error = interrupt
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")
    if isinstance(error, WrongDerivative):
        failed.append(error.verdict)
    outcome = Outcome(shown=shell.displayhook.shown, printed=printed.getvalue(), warned=warned.getvalue())
    outcome.verdicts = [{**verdict.to_dict(), "text": str(verdict)} for verdict in failed]
    outcome.seconds = time.perf_counter() - started
    if error is not None:
        outcome.kind = type(error).__name__
        outcome.error = f"stopped: {outcome.kind}: {_message(error)}".rstrip(": ")
        outcome.cell, outcome.line, outcome.code = _place(error, index)
    return outcome


def _message(error: BaseException) -> str:
    """One line, of bearable length; an exception may fail to tell its own message."""
    try:
        text = (error.msg if isinstance(error, SyntaxError) else str(error)).strip()
    except Exception:
        return "(its message cannot be read)"
    first = text.splitlines()[0] if text else ""
    return first if len(first) <= 300 else first[:300] + " …"


def _place(error: BaseException, current: int) -> tuple[int, int, str]:
    """Cell, line and code of the innermost of the notebook's own lines that an exception passed."""
    import linecache

    if isinstance(error, SyntaxError):
        return current, error.lineno or 0, (error.text or "").strip()
    place, trace = (-1, 0, ""), error.__traceback__
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        number = re.match(r"<ipython-input-(\d+)-", filename)
        if number:
            place = int(number[1]) - 1, trace.tb_lineno, linecache.getline(filename, trace.tb_lineno).strip()
        trace = trace.tb_next
    return place


# ---- the results ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    exercise: Exercise
    status: Status
    points: float
    headline: str
    text: str = ""
    """The whole story: verdicts, or where an exception came from."""
    verdicts: tuple[dict[str, Any], ...] = ()
    printed: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.status == "right"


@dataclass(frozen=True)
class Report:
    notebook: str
    results: tuple[Result, ...]
    remarks: tuple[str, ...] = ()
    """On the notebook as a whole."""

    @property
    def visible(self) -> list[Result]:
        return [result for result in self.results if result.status != "when graded"]

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.visible)

    def find(self, name: str) -> Result:
        """The exercise with this id, its test cell's or its answer cell's. Raises ValueError with those there are."""
        for result in self.results:
            if name in result.exercise.names:
                return result
        known = ", ".join(result.exercise.id for result in self.results)
        raise ValueError(f"There is no exercise {name!r} in {self.notebook}; there are: {known}.")

    def to_dict(self) -> dict[str, Any]:
        """For programs: plain data that `json.dumps` takes."""
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


def _result_dict(result: Result) -> dict[str, Any]:
    return {
        "id": result.exercise.id,
        "title": result.exercise.title,
        "status": result.status,
        "points": result.points,
        "max_points": result.exercise.points,
        "headline": result.headline,
        "text": result.text,
        "mistakes": [name for verdict in result.verdicts for name in verdict.get("mistakes", ())],
        "verdicts": list(result.verdicts),
        "printed": result.printed,
        "seconds": round(result.seconds, 3),
        "notes": list(result.notes),
    }


def check_notebook(path: Path, limit: float = TIME_LIMIT) -> Report:
    """Run the visible tests of an assignment; see the module. FileNotFoundError or ValueError for a bad file."""
    cells = read(path)
    found = exercises(cells)
    if not found:
        raise ValueError(f"{path} has no graded cells: `nnkit check` is for assignments. Open it and run its cells.")
    if not limit > 0:
        raise ValueError(f"the time limit must be more than 0 seconds, not {limit:g}.")
    outcomes = _run_code(cells, path.resolve().parent, limit)
    results = tuple(judge(exercise, cells, outcomes) for exercise in found)
    return Report(str(path), results, tuple(_remarks(cells, found, outcomes)))


def _run_code(cells: Sequence[Cell], folder: Path, limit: float) -> list[Outcome]:
    """An outcome for each cell, an empty one for those that are not run."""
    code = [index for index, cell in enumerate(cells) if cell.kind == "code" and cell.source.strip()]
    outcomes = [Outcome() for _ in cells]
    for index, outcome in zip(code, run([cells[index].source for index in code], folder, limit)):
        outcome.cell = code[outcome.cell] if 0 <= outcome.cell < len(code) else -1
        outcomes[index] = outcome
    return outcomes


def judge(exercise: Exercise, cells: Sequence[Cell], outcomes: Sequence[Outcome]) -> Result:
    """What an exercise's outcomes amount to."""
    test = outcomes[exercise.cell]
    if exercise.when_graded:
        changed = cells[exercise.cell].changed is not False and "YOUR ANSWER HERE" not in cells[exercise.cell].source
        told = exercise.when_graded + ("" if changed else "; not attempted yet")
        return Result(exercise, "when graded", 0.0, f"{told}.")
    status, points, headline, text = _judge_test(exercise, cells, outcomes)
    printed = test.printed
    for verdict in test.verdicts:
        printed = printed.replace(verdict["text"], "")
    seconds = sum(outcomes[i].seconds for i in (*exercise.answers, exercise.cell))
    notes = tuple(_notes(cells[exercise.cell], test))
    return Result(exercise, status, points, headline, text, tuple(test.verdicts), printed.strip(), seconds, notes)


def _judge_test(
    exercise: Exercise, cells: Sequence[Cell], outcomes: Sequence[Outcome]
) -> tuple[Status, float, str, str]:
    """Status, points, headline and the whole story of a visible test."""
    test = outcomes[exercise.cell]
    text = "\n\n".join(verdict["text"] for verdict in test.verdicts)
    if test.error and test.verdicts:
        return test.verdicts[-1]["status"], 0.0, _headline(test.verdicts[-1]), text
    if test.error:
        return _judge_error(exercise, cells, outcomes)
    points = earned(test.shown, exercise.points)
    if points > exercise.points:
        told = f"its test gives {points:g} of {exercise.points:g} points, which grading refuses: tell your teacher."
        return "error", 0.0, told, told
    if points == exercise.points and not test.verdicts:
        return "right", points, "", ""
    told = _headline(test.verdicts[0]) if test.verdicts else "some of its tests fail."
    untouched = not points and {verdict["status"] for verdict in test.verdicts} == {"not attempted"}
    return "not attempted" if untouched else "wrong", points, told, text


def _headline(verdict: dict[str, Any]) -> str:
    """A verdict in one sentence, with its subject where that says more."""
    subject, headline = str(verdict["subject"]), str(verdict["headline"])
    told = verdict["status"] == "not attempted" or headline.startswith(subject)
    return headline if told else f"{subject}: {headline}"


def _judge_error(
    exercise: Exercise, cells: Sequence[Cell], outcomes: Sequence[Outcome]
) -> tuple[Status, float, str, str]:
    """An exception: the answer cell's own, if that stopped too, else the test's."""
    test = outcomes[exercise.cell]
    broken = [index for index in exercise.answers if outcomes[index].error]
    if test.kind == "NotImplementedError" or any(outcomes[i].kind == "NotImplementedError" for i in broken):
        return "not attempted", 0.0, "not attempted yet.", ""
    if test.kind == "AssertionError" and test.cell == exercise.cell:
        said = test.error.removeprefix("stopped: AssertionError").removeprefix(": ")
        told = said or f"this does not hold: {test.code.removeprefix('assert ')}"
        return "wrong", 0.0, told, f"✗ {told}\n    {test.code}"
    source = broken[0] if broken else exercise.cell
    outcome = outcomes[source]
    told = f"{cells[source].name} {outcome.error}"
    if 0 <= outcome.cell < len(cells) and outcome.line:
        where = f"    line {outcome.line} of {cells[outcome.cell].name}:  {outcome.code}"
        return "error", 0.0, told, f"! {told}\n{where}"
    return "error", 0.0, told, f"! {told}"


def earned(shown: str | None, points: float) -> float:
    """What nbgrader gives a test cell that ended without an error: its last expression if that is a number
    of at least 0, else all points."""
    try:
        grade = float(shown) if shown is not None else points
    except ValueError:
        return points
    return grade if grade >= 0 else points


def _notes(cell: Cell, outcome: Outcome) -> Iterator[str]:
    if cell.changed:
        yield "This test cell was changed; the original is what counts when it is graded."
    if outcome.warned.strip() and not outcome.error:
        first = outcome.warned.strip().splitlines()[0][:120]
        yield f"It wrote to stderr, which nbgrader's own autograder takes for a failure: {first}"


def _remarks(cells: Sequence[Cell], found: Sequence[Exercise], outcomes: Sequence[Outcome]) -> Iterator[str]:
    counts = Counter(cell.id for cell in cells if cell.id)
    for name, count in counts.items():
        if count > 1:
            yield f"{count} cells have the id {name!r}: delete the copies, or it cannot be graded."
    told = {index for exercise in found for index in (*exercise.answers, exercise.cell)}
    for index, outcome in enumerate(outcomes):
        if outcome.error and index not in told:
            yield f"{cells[index].name} {outcome.error}"


# ---- the summary that is printed --------------------------------------------------------------------


def summary(report: Report, name: str | None = None) -> str:
    """The table, totals, and the whole story of the first exercise that fails; or that of the one named."""
    if name is not None:
        return "\n".join([*_rows([report.find(name)]), *_story(report.find(name))])
    lines = [*_rows(report.results), "", _totals(report)]
    lines += [f"! {remark}" for remark in report.remarks]
    failing = [result for result in report.visible if result.status in ("wrong", "error")]
    open_ones = [result for result in report.visible if result.status == "not attempted"]
    if failing:
        lines += ["", f"The first that fails is {failing[0].exercise.title}:", *_story(failing[0])]
    if len(failing) > 1:
        ids = ", ".join(result.exercise.id for result in failing[1:])
        lines += ["", f"See another: nnkit check {report.notebook} --exercise {failing[1].exercise.id}   (or: {ids})"]
    elif not failing and open_ones:
        lines += ["", f"Next: {open_ones[0].exercise.title}"]
    return "\n".join(lines)


def _rows(results: Sequence[Result]) -> Iterator[str]:
    points = [f"{r.points:g}/{r.exercise.points:g}" if r.status != "when graded" else "–" for r in results]
    width = max(map(len, points))
    for result, told in zip(results, points):
        name = "" if result.passed or result.status == "when graded" else f"  [{result.exercise.id}]"
        yield f"{MARKS.get(result.status, '·')}  {told:>{width}}  {result.exercise.title}{name}"
        indent = " " * (width + 5)
        if result.headline:
            yield f"{indent}{result.headline}"
        for note in result.notes:
            yield f"{indent}{note}"


def _story(result: Result) -> list[str]:
    lines = ["", *result.text.splitlines()] if result.text else []
    if result.printed:
        shown = result.printed.splitlines()
        lines += ["", "Printed by its test cell:", *(f"    {line[:200]}" for line in shown[:20])]
        lines += [f"    … {len(shown) - 20} more lines"] if len(shown) > 20 else []
    return lines


def _totals(report: Report) -> str:
    total, later = report.to_dict(), [r for r in report.results if r.status == "when graded"]
    line = (
        f"{total['exercises_passed']} of {total['exercises']} exercises pass their visible tests, "
        f"{total['points']:g} of {total['points_visible']:g} points"
    )
    reasons: tuple[tuple[str, Callable[[Result], bool]], ...] = (
        ("by hand", lambda r: r.exercise.when_graded == "graded by hand"),
        ("by hidden tests", lambda r: r.exercise.when_graded != "graded by hand"),
    )
    for told, belongs in reasons:
        points = sum(r.exercise.points for r in later if belongs(r))
        line += f"; {points:g} more {told}" if points else ""
    return line + "."
