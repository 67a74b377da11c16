"""Runs a notebook's cells in one fresh child process, in IPython's shell, without a kernel."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from nnkit.check.context import sharing_context
from nnkit.check.notebook.ipython_shell import CellRun, CellShell, make_shell
from nnkit.check.points import CellValue, read_value
from nnkit.check.verdict import collecting_verdicts, list_verdicts
from nnkit.language import VARIABLE, current_language, say
from nnkit.own_lines import find_own_line

TIME_LIMIT = 30.0
"""Seconds that a cell may run, as long as nbgrader gives it."""
STARTUP_SECONDS = 120.0
"""Seconds in which the child process must have begun; only a machine in trouble needs them."""
GRACE_SECONDS = 2.0
"""Seconds between asking a cell to stop and ending its process."""
MAX_PRINTED_CHARS = 20_000
"""Characters that are kept of what a cell prints and writes to stderr."""
ENVIRONMENT = {"MPLBACKEND": "agg", "NBGRADER_EXECUTION": "validate", "NBGRADER_VALIDATING": "1"}
"""The environment variables that the cells find."""


# ---- the parent's side ------------------------------------------------------------------------------


@dataclass
class Outcome:
    """The outcome of one cell, as it is sent from the child process."""

    error: str = ""
    """The end of the cell by an exception, as the rest of a sentence: "stopped: Type: message"."""
    kind: str = ""
    """The exception's type; "TimeLimit" and "Died" where there was none."""
    cell: int = -1
    """The cell where it was raised: the innermost of the notebook's own lines."""
    line: int = 0
    code: str = ""
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    """The verdicts that did not pass in their JSON form, with their text under "text"."""
    value: CellValue = field(default_factory=CellValue)
    """The value of the cell's last expression."""
    printed: str = ""
    warned: str = ""
    """Text on stderr."""
    seconds: float = 0.0


PROGRAM = "import sys; sys.path.append(sys.argv.pop()); from nnkit.check.notebook.runner import serve; serve()"
ROOT = str(Path(__file__).parents[3])


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
    """Return the outcomes of one process, and that of the cell with which it had to end."""
    outcomes: list[Outcome] = []
    with _child(sources, folder) as (process, inbox):
        if _receive(inbox, STARTUP_SECONDS) is None:
            raise RuntimeError(say("The cells cannot be run: a new Python does not start here. Run `nnkit doctor`."))
        for _ in sources:
            started = time.monotonic()
            outcome, late = _receive(inbox, limit), False
            if outcome is None and process.poll() is None and time.monotonic() - started >= limit:
                late = True
                process.send_signal(signal.SIGINT) if os.name == "posix" else process.kill()
                outcome = _receive(inbox, GRACE_SECONDS)
            sentence = say("did not end within {limit:g} seconds: is there a loop without an end?", limit=limit)
            if outcome is None and late:
                return outcomes, Outcome(sentence, "TimeLimit", seconds=limit)
            if outcome is None:
                return outcomes, Outcome(say("ended the whole Python process."), "Died")
            if late and outcome.kind == "KeyboardInterrupt":
                outcome.error, outcome.kind = sentence, "TimeLimit"
            outcomes.append(outcome)
    return outcomes, None


@contextlib.contextmanager
def _child(sources: list[str], folder: Path) -> Iterator[tuple[subprocess.Popen[str], queue.SimpleQueue[Any]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, ROOT],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, VARIABLE: current_language()},
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
        pump.join(GRACE_SECONDS)
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
        data = json.loads(line)
        inbox.put(Outcome(**{**data, "value": CellValue(**data["value"])}))
    inbox.put(None)


def _receive(inbox: queue.SimpleQueue[Any], seconds: float) -> Outcome | None:
    try:
        outcome: Outcome | None = inbox.get(timeout=seconds)
        return outcome
    except queue.Empty:
        return None


# ---- the child's side -------------------------------------------------------------------------------


def serve() -> None:
    """Read cells from stdin and write an `Outcome` a line to what was stdout; the cells find both closed."""
    cells = json.load(sys.stdin)
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    sys.argv = [""]
    for outcome in run_here(cells):
        _send(channel, outcome)


def run_here(sources: Sequence[str]) -> Iterator[Outcome]:
    """Run code cells in order in this process, without limits; yield an empty outcome first, when all is ready."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    shell = make_shell(("text/plain",), MAX_PRINTED_CHARS, shows_errors_and_figures=False)
    yield Outcome()
    for index, source in enumerate(sources):
        yield _run_cell(shell, index, source) if source else Outcome()


def _send(channel: IO[str], outcome: Outcome) -> None:
    channel.write(json.dumps(asdict(outcome)) + "\n")
    channel.flush()


def _run_cell(shell: CellShell, index: int, source: str) -> Outcome:
    started = time.perf_counter()
    with collecting_verdicts() as verdicts, sharing_context():
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            run = shell.run(index + 1, source)  # counted as in a kernel: by it a line of a traceback tells its cell
        except KeyboardInterrupt as interrupt:
            run = CellRun(interrupt)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    outcome = Outcome(value=read_value(run.value), printed=run.printed, warned=run.warned)
    failed = [verdict for verdict in list_verdicts(verdicts, run.value) if not verdict.passed]
    outcome.verdicts = [{**verdict.to_dict(), "text": str(verdict)} for verdict in failed]
    outcome.seconds = time.perf_counter() - started
    if run.error is not None:
        outcome.kind = type(run.error).__name__
        outcome.error = f"{describe_stop(outcome.kind)}: {_read_message(run.error)}".rstrip(": ")
        outcome.cell, outcome.line, outcome.code = _locate(run.error, index)
    return outcome


def describe_stop(kind: str) -> str:
    """Return the beginning of an error: the exception with which a cell stopped."""
    return say("stopped: {kind}", kind=kind)


def _read_message(error: BaseException) -> str:
    """Return one line, of bearable length; an exception may fail to say its own message."""
    try:
        text = (error.msg if isinstance(error, SyntaxError) else str(error)).strip()
    except Exception:
        return say("(its message cannot be read)")
    first = text.splitlines()[0] if text else ""
    return first if len(first) <= 300 else first[:300] + " …"


def _locate(error: BaseException, current: int) -> tuple[int, int, str]:
    """Return cell, line and code of the innermost of the notebook's own lines that an exception passed."""
    if isinstance(error, SyntaxError):
        return current, error.lineno or 0, (error.text or "").strip()
    own = find_own_line(error, lambda frame: frame.f_code.co_filename.startswith("<ipython-input-"))
    cell = re.match(r"<ipython-input-(\d+)-", own.filename)
    return (int(cell[1]) - 1, own.number, own.text) if cell else (-1, 0, "")
