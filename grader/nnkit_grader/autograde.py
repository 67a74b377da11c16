"""Messages and exit status of `nnkit autograde`.

Exit status: 0 if every submission has a result, whatever learners did; 3 if some have none or the gradebook could not
be written, through no fault of the learners; 2 for a wrong request; 130 if interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from nnkit_grader.record.journal import FOLDER, Busy
from nnkit_grader.run import Order, grade, office
from nnkit_grader.workers.scheduler import Tally
from nnkit_grader.workers.worker_client import CannotStart

INFRASTRUCTURE = 3


def autograde(order: Order, course: Path, url: str = "") -> int:
    """Grade, with progress on stderr and a summary on stdout; return the exit status."""
    # 1.1 s of every import of nbformat is the grammar of an optional check of this module's.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    with Progress(order.assignment) as progress:
        try:
            tally = grade(order, course, lambda: office(course, url), progress.tell, progress.show)
        except KeyboardInterrupt:
            progress.tell("Interrupted. What has been graded is kept: the same command continues from there.")
            return 130
        except Exception as fault:
            if not is_infrastructure(fault):
                raise
            progress.tell(_sentence(fault))
            if progress.tally:
                progress.tell(_kept(progress.tally))
            return INFRASTRUCTURE
    print(summary(order.assignment, tally, course))
    return INFRASTRUCTURE if tally.troubles else 0


def is_infrastructure(fault: Exception) -> bool:
    """Return True for a fault of the machine, False for a wrong request."""
    if isinstance(fault, FileNotFoundError):
        return False
    # By its name, since the gradebook's exception comes with nbgrader, which may not have been imported.
    return isinstance(fault, CannotStart | Busy | OSError) or type(fault).__name__ == "BookUnavailable"


def _sentence(fault: Exception) -> str:
    if isinstance(fault, OSError) and fault.strerror:
        return f"{fault.strerror}: {fault.filename}." if fault.filename else f"{fault.strerror}."
    return str(fault)


def _kept(tally: Tally) -> str:
    return (
        f"{tally.graded + tally.standing} of {tally.total} submissions are graded and kept in {FOLDER}/: "
        "the same command continues from there."
    )


def summary(assignment: str, tally: Tally, course: Path) -> str:
    """Format the summary of a run."""
    speed = f" ({60 * tally.graded / tally.seconds:.0f} a minute)" if tally.graded else ""
    lines = [f"{assignment}: {_counted(tally.graded)} graded in {tally.seconds:.1f} s{speed}."]
    if tally.standing:
        lines.append(f"{_counted(tally.standing)} already graded by the same tests (--regrade grades them again).")
    lines += [tally.sandbox] if tally.sandbox else []
    lines += _list("not run, so 0 points by tests", tally.refused)
    lines += _list("need review", {who: " ".join(why) for who, why in tally.human.items()})
    lines += _list("NOT GRADED, through no fault of theirs", tally.troubles)
    if tally.moves:
        lines += [f"{_counted(len(tally.moves), 'score')} changed:", *(_indented(str(move)) for move in tally.moves)]
    lines.append(f"A log of each submission is in {course / FOLDER / assignment / 'logs'}.")
    return "\n".join(lines)


def _list(head: str, told: dict[str, str]) -> list[str]:
    lines = [f"  {student}: {why}" for student, why in sorted(told.items())]
    return [f"{len(told)} {head}:", *lines] if told else []


def _counted(number: int, what: str = "submission") -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


class Progress:
    """Progress bar on stderr with counts and the remaining time; nothing if stderr is not a terminal."""

    def __init__(self, assignment: str):
        self.assignment = assignment
        self.tally: Tally | None = None
        self.bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def show(self, tally: Tally) -> None:
        """Update the bar."""
        from tqdm import tqdm

        self.tally = tally
        if self.bar is None:
            self.bar = tqdm(total=tally.total, desc=self.assignment, unit="submission", disable=None)
        counts = {"refused": len(tally.refused), "need review": len(tally.human), "trouble": len(tally.troubles)}
        self.bar.set_postfix_str(", ".join(f"{n} {what}" for what, n in counts.items() if n), refresh=False)
        self.bar.initial = tally.standing  # so that they do not count for the speed
        self.bar.update(tally.done - self.bar.n)

    def tell(self, sentence: str) -> None:
        """Write a line on stderr, above the bar."""
        from tqdm import tqdm

        tqdm.write(f"nnkit: {sentence}", file=sys.stderr)
