"""The answers of `corpus/answers/`, and the verdicts that a learner would see.

    python tests/helpers/written_answers.py ps1 [part of a label]

All answers of an assignment run in one session, after the cells before them; after each, the session goes on with the
answer of `solutions/`. `run_answers` does so in a process of its own, for IPython has one shell in a process.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ANSWERS = ROOT / "tests" / "corpus" / "answers"
UNTRIED = {"ps4": {"test-train", "test-digits"}, "ps5": {"test-measure"}}
"""Test cells that are not run when the assignment is set up: they train."""
JUDGED = ("check_backward", "check_gradient", "check_loss", "check_parameters")
UNJUDGED = {"ps5"}
"""Assignments whose gates are compiled by JAX, which makes central differences slow."""


@dataclass(frozen=True)
class WrittenAnswer:
    """A block of a file of answers."""

    exercise: str
    label: str
    source: str
    named: tuple[str, ...] | None
    """The only names that would be true; None: nothing is said about names."""
    never: tuple[str, ...]

    @property
    def wrong(self) -> bool:
        return self.label.startswith("W")


@dataclass(frozen=True)
class Shown:
    """What a learner is shown for an answer."""

    exercise: str
    label: str
    caught: bool
    by_visible_tests: bool
    raised: str
    """An exception that came in place of a verdict."""
    verdict: str
    """The first one that did not pass, as text."""
    mistakes: tuple[str, ...]
    explained: bool
    false: tuple[str, ...]
    """What the judge finds false in the verdicts."""


def read_answers(name: str) -> list[WrittenAnswer]:
    """Return the answers to the exercises of one assignment."""
    text = (ANSWERS / f"{name}.txt").read_text(encoding="utf-8")
    blocks = re.findall(r"^# %% (\S+) (.+?)\n(.*?)(?=^# %% |\Z)", text, re.DOTALL | re.MULTILINE)
    return [_read_block(*block) for block in blocks]


def _read_block(exercise: str, label: str, body: str) -> WrittenAnswer:
    named = re.search(r"^# named:(.*)$", body, re.MULTILINE)
    never = re.findall(r"^# never: (.+)$", body, re.MULTILINE)
    ids = tuple(re.findall(r"[a-z-]+", named[1])) if named else None
    source = re.sub(r"^# (?:named|never):.*\n", "", body, flags=re.MULTILINE)
    return WrittenAnswer(exercise, label, source, ids, tuple(never))


def run_answers(name: str, part: str = "") -> list[Shown]:
    """Run the answers to one assignment in a process of its own."""
    command = [sys.executable, __file__, name, *([part] if part else []), "--json"]
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    rows = json.loads(done.stdout.splitlines()[-1])
    return [Shown(**{key: tuple(v) if isinstance(v, list) else v for key, v in row.items()}) for row in rows]


# ---- in the process of the session -----------------------------------------------------------------


class Session:
    """A session of an assignment, solved up to where an answer is tried."""

    def __init__(self, name: str):
        import nbformat

        from nnkit.check.notebook.ipython_shell import make_shell

        released = nbformat.read(ROOT / f"assignments/{name}/{name}.ipynb", 4)
        solved = nbformat.read(ROOT / f"solutions/{name}/{name}.ipynb", 4)
        self.visible, self.full = ({c.id: c.source for c in book.cells} for book in (released, solved))
        self.shell, self.count = make_shell(), 0
        self.false: list[str] = []
        self.judges = name not in UNJUDGED
        for cell in released.cells:
            tried = not cell.id.startswith("test-") or cell.id not in UNTRIED.get(name, ())
            if cell.cell_type == "code" and tried:
                self._run(self.full[cell.id])
                self._judge_checks()

    def _run(self, source: str) -> Any:
        self.count += 1
        return self.shell.run(self.count, source)

    def _judge_checks(self) -> None:
        """Put a judge beside each check that the setup cell has imported."""
        names = self.shell.user_ns
        for check in JUDGED if self.judges else ():
            if check in names and not hasattr(names[check], "judged"):
                names[check] = self._judged(check)

    def _judged(self, check: str) -> Any:
        from corpus.right_base import Call
        from helpers.judge import ask

        def judged(*args: Any, **kwargs: Any) -> Any:
            found = ask(check, Call(args, kwargs))
            self.false += [f"{found.verdict.first_line()}: {claim}" for claim in found.false]
            return found.verdict

        judged.judged = True  # type: ignore[attr-defined]
        return judged

    def show(self, answer: WrittenAnswer) -> Shown:
        """Run an answer, the visible test and, if that passes, the hidden one; then the solution's answer again."""
        self.false = []
        broken = self._run(answer.source).error
        test = f"test-{answer.exercise}"
        verdicts, raised = ([], broken) if broken else self._tried(self.visible[test])
        visible = bool(verdicts or raised)
        if not visible:
            verdicts, raised = self._tried(self.full[test])
        self._run(self.full[answer.exercise])
        first = verdicts[0] if verdicts else None
        return Shown(
            exercise=answer.exercise,
            label=answer.label,
            caught=bool(verdicts or raised),
            by_visible_tests=visible,
            raised="" if verdicts or raised is None else f"{type(raised).__name__}: {raised}",
            verdict="" if first is None else str(first),
            mistakes=() if first is None else first.mistakes,
            explained=first is not None and bool(first.lesson),
            false=tuple(self.false),
        )

    def _tried(self, source: str) -> tuple[list[Any], BaseException | None]:
        """Return the verdicts of a test cell that did not pass, and what it raised besides."""
        from nnkit.check.verdict import WrongDerivative, collecting_verdicts, list_verdicts

        with collecting_verdicts() as heard:
            run = self._run(source)
        failed = [verdict for verdict in list_verdicts(heard, run.value) if not verdict.passed]
        return failed, None if isinstance(run.error, WrongDerivative) else run.error


def show_answers(name: str, part: str) -> Iterator[Shown]:
    """Yield what a learner sees for each answer whose label has this part."""
    session = Session(name)
    for answer in read_answers(name):
        if part in f"{answer.exercise} {answer.label}":
            yield session.show(answer)


def main(arguments: list[str]) -> None:
    name, part = ([a for a in arguments if not a.startswith("--")] + [""])[:2]
    found = list(show_answers(name, part))
    if "--json" in arguments:
        print(json.dumps([asdict(shown) for shown in found]))
        return
    for shown in found:
        print("=" * 100, f"[{name} {shown.exercise}] {shown.label}", sep="\n")
        print(shown.verdict or shown.raised or "accepted")
        print(*(f"FALSE: {claim}" for claim in shown.false), sep="\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    main(sys.argv[1:])
