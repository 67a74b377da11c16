"""What a check found, and how it is told: a sentence, a table, a hint; as text, HTML or JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

Status = Literal["right", "wrong", "not attempted", "error"]
MARKS = {"right": "✓", "wrong": "✗", "not attempted": "○", "error": "!"}
COLOURS = {"right": "#009E73", "wrong": "#D55E00", "not attempted": "#767676", "error": "#D55E00"}  # Okabe–Ito


class WrongDerivative(AssertionError):
    """A verdict that did not pass, raised by `assert verdict`; its text is the verdict's."""

    def __init__(self, verdict: Verdict):
        super().__init__(str(verdict))
        self.verdict = verdict

    def _render_traceback_(self) -> list[str]:
        """What IPython prints instead of a stack trace, which would say nothing about the derivative."""
        return str(self).splitlines()


@dataclass(frozen=True)
class Entry:
    """One entry that was compared: `where` is an index like "dx[0, 2]"."""

    where: str
    yours: float
    expected: float


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check.

    Its truth value is for `assert`: a verdict that did not pass raises `WrongDerivative` with the whole
    story. To look without raising, read `passed`.
    """

    subject: str
    """What was checked: "Multiply.backward"."""
    status: Status
    headline: str
    """One sentence that says the outcome."""
    largest_error: float = 0.0
    where: str = ""
    entries: tuple[Entry, ...] = ()
    """The first few wrong entries, in order."""
    mistake: str = ""
    """The id of the catalogue's mistake, if exactly one explains what was returned."""
    hint: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        return self.status == "right"

    def __bool__(self) -> bool:
        if not self.passed:
            raise WrongDerivative(self)
        return True

    def __str__(self) -> str:
        lines = [f"{MARKS[self.status]} {self.subject}: {self.headline}"]
        if self.entries:
            rows = [(e.where, _number(e.yours), _number(e.expected)) for e in self.entries]
            widths = [max(map(len, column)) for column in zip(("entry", "yours", "expected"), *rows)]
            for row in [("entry", "yours", "expected"), *rows]:
                lines.append(f"    {row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}")
        lines += [f"  {note}" for note in self.notes]
        if self.hint:
            lines.append(f"  Hint: {self.hint}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Static HTML without scripts; every value is escaped."""
        head = f"<b>{MARKS[self.status]} {escape(self.subject)}</b>: {escape(self.headline)}"
        table = notes = hint = ""
        if self.entries:
            cells = "".join(
                f"<tr><td>{escape(e.where)}</td><td>{_number(e.yours)}</td><td>{_number(e.expected)}</td></tr>"
                for e in self.entries
            )
            table = f"<table><tr><th>entry</th><th>yours</th><th>expected</th></tr>{cells}</table>"
        if self.notes:
            notes = "".join(f"<div>{escape(note)}</div>" for note in self.notes)
        if self.hint:
            hint = f"<details><summary>Hint</summary>{escape(self.hint)}</details>"
        style = f"border-left: 4px solid {COLOURS[self.status]}; padding: 0.3em 0.8em"
        return f'<div class="nnkit-verdict" style="{style}">{head}{table}{notes}{hint}</div>'

    def to_dict(self) -> dict[str, Any]:
        """For reports: plain data that `json.dumps` takes."""
        return {
            "subject": self.subject,
            "status": self.status,
            "passed": self.passed,
            "headline": self.headline,
            "largest_error": self.largest_error,
            "where": self.where,
            "entries": [{"where": e.where, "yours": repr(e.yours), "expected": repr(e.expected)} for e in self.entries],
            "mistake": self.mistake,
            "hint": self.hint,
            "notes": list(self.notes),
        }


def _number(value: float) -> str:
    return f"{value:.6g}"
