"""Messages and exit status of `nnkit autograde`.

Exit status: 0 if every submission has a result, whatever learners did; 3 if some have none or the gradebook could not
be written, through no fault of the learners; 2 for a wrong request; 130 if interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from nnkit.text import format_count, replace_unprintable
from nnkit_grader.compat import skip_rfc3987_grammar
from nnkit_grader.course.nbgrader_context import open_course
from nnkit_grader.record.journal import JOURNAL_FOLDER, AssignmentBusy
from nnkit_grader.run import GradingRequest, grade_class
from nnkit_grader.workers.run_summary import RunSummary
from nnkit_grader.workers.worker_client import CannotStart

EXIT_INFRASTRUCTURE = 3


def autograde(request: GradingRequest, course: Path, url: str = "") -> int:
    """Grade, with progress on stderr and a summary on stdout; return the exit status."""
    skip_rfc3987_grammar()
    with Progress(request.assignment) as progress:
        try:
            tally = grade_class(request, course, lambda: open_course(course, url), progress.write_line, progress.show)
        except KeyboardInterrupt:
            progress.write_line("Interrupted. What has been graded is kept: the same command continues from there.")
            return 130
        except Exception as fault:
            if not is_infrastructure(fault):
                raise
            progress.write_line(_describe_fault(fault))
            if progress.tally:
                progress.write_line(_describe_kept(progress.tally))
            return EXIT_INFRASTRUCTURE
    print(format_summary(request.assignment, tally, course))
    return EXIT_INFRASTRUCTURE if tally.ungraded else 0


def is_infrastructure(fault: Exception) -> bool:
    """Return True for a fault of the machine, False for a wrong request."""
    if isinstance(fault, FileNotFoundError):
        return False
    # By its name, since the gradebook's exception comes with nbgrader, which may not have been imported.
    return isinstance(fault, CannotStart | AssignmentBusy | OSError) or type(fault).__name__ == "GradebookUnavailable"


def _describe_fault(fault: Exception) -> str:
    if isinstance(fault, OSError) and fault.strerror:
        return f"{fault.strerror}: {fault.filename}." if fault.filename else f"{fault.strerror}."
    return str(fault)


def _describe_kept(tally: RunSummary) -> str:
    return (
        f"{tally.graded + tally.unchanged} of {tally.total} {tally.unit}s are graded and kept in {JOURNAL_FOLDER}/: "
        "the same command continues from there."
    )


def format_summary(assignment: str, tally: RunSummary, course: Path) -> str:
    """Format the summary of a run, without codes that a terminal would obey."""
    speed = f" ({60 * tally.graded / tally.seconds:.0f} a minute)" if tally.graded else ""
    lines = [f"{assignment}: {format_count(tally.graded, tally.unit)} graded in {tally.seconds:.1f} s{speed}."]
    if tally.unchanged:
        unchanged = format_count(tally.unchanged, tally.unit)
        lines.append(f"{unchanged} already graded by the same tests (--regrade grades them again).")
    if tally.recalled:
        known = f"{tally.recalled} of {tally.tests} tests ({tally.recalled / tally.tests:.0%})"
        size = f"{tally.remembered_bytes / 1e6:.1f} MB of memory"
        lines.append(f"{known} did not run: their replies had been judged before ({size}).")
    lines += [tally.sandbox] if tally.sandbox else []
    lines += _format_list("handed in, but not run: 0 points until a grader has looked", tally.refused)
    lines += _format_list("need review", {who: " ".join(why) for who, why in tally.needs_review.items()})
    lines += _format_list("of the course's tests ended with a value that gives no points", _describe_bad_values(tally))
    lines += _format_list("NOT GRADED, through no fault of theirs", tally.ungraded)
    lines += _format_list("timestamp.txt could not be read", tally.unknown_times)
    if tally.penalty_changes:
        count = format_count(len(tally.penalty_changes), "change")
        lines += [f"{count} of late penalties:", *(f"  {change}" for change in tally.penalty_changes)]
    if tally.score_changes:
        changes = (_indent(str(change)) for change in tally.score_changes)
        lines += [f"{format_count(len(tally.score_changes), 'score')} changed:", *changes]
    lines.append(f"A log of each submission is in {course / JOURNAL_FOLDER / assignment / 'logs'}.")
    return replace_unprintable("\n".join(lines))


def _describe_bad_values(tally: RunSummary) -> dict[str, str]:
    """Return a line for each test whose value was no number of points in some submissions."""
    counted = {test: (said[0], format_count(len(said), "submission")) for test, said in tally.bad_values.items()}
    return {test: f"{sentence}: no points in {number}." for test, (sentence, number) in counted.items()}


def _format_list(head: str, reasons: dict[str, str]) -> list[str]:
    lines = [f"  {name}: {why}" for name, why in sorted(reasons.items())]
    return [f"{len(reasons)} {head}:", *lines] if reasons else []


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


class Progress:
    """Progress bar on stderr with counts and the remaining time; nothing if stderr is not a terminal."""

    def __init__(self, assignment: str):
        self.assignment = assignment
        self.tally: RunSummary | None = None
        self.bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def show(self, tally: RunSummary) -> None:
        """Update the bar."""
        from tqdm import tqdm

        self.tally = tally
        if self.bar is None:
            self.bar = tqdm(total=tally.total, desc=self.assignment, unit=tally.unit, disable=None)
        counts = {"refused": len(tally.refused), "need review": len(tally.needs_review), "trouble": len(tally.ungraded)}
        self.bar.set_postfix_str(", ".join(f"{n} {what}" for what, n in counts.items() if n), refresh=False)
        self.bar.initial = tally.unchanged  # so that they do not count for the speed
        self.bar.update(tally.done - self.bar.n)

    def write_line(self, sentence: str) -> None:
        """Write a line on stderr, above the bar."""
        from tqdm import tqdm

        tqdm.write(f"nnkit: {replace_unprintable(sentence)}", file=sys.stderr)
