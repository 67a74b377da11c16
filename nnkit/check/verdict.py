"""The outcome of a check: a sentence, a table, a map, hints; as text, HTML (`rendering/html.py`) or JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from nnkit.check.context import checking, current_context
from nnkit.check.error_map import ErrorMap, aligned, two_numbers, written
from nnkit.language import say
from nnkit.renderers import render_html
from nnkit.text import join_lines, measure_width, replace_unprintable

Status = Literal["right", "wrong", "not attempted", "error", "cannot check"]
MARKS = {"right": "✓", "wrong": "✗", "not attempted": "○", "error": "!", "cannot check": "!"}


class WrongDerivative(AssertionError):
    """A verdict that did not pass, raised by `assert verdict`; its text is the verdict's."""

    def __init__(self, verdict: Verdict):
        super().__init__(str(verdict))
        self.verdict = verdict
        self._shown_for: Any = None

    def __reduce__(self) -> tuple[type[WrongDerivative], tuple[Verdict]]:
        """Rebuild it from its verdict, so that it can be pickled to another process."""
        return type(self), (self.verdict,)

    def _render_traceback_(self) -> list[str]:
        """Return what IPython prints instead of a stack trace, which would say nothing about the derivative.

        In a notebook the verdict is displayed as it displays itself, and its first line alone goes here.
        """
        try:
            if self._shown_in_notebook():
                return [self.verdict.first_line()]
        except Exception:
            pass  # a verdict that cannot be displayed is still printed
        return str(self).splitlines()

    def _shown_in_notebook(self) -> bool:
        """Display the verdict, once for each time that a cell runs: IPython asks twice, the second time for its
        history. False where nothing but text can be shown."""
        shell = _shell()
        if shell is None:
            return False
        from IPython.core.displaypub import DisplayPublisher

        if type(shell.display_pub) is DisplayPublisher:  # a terminal's
            return False
        run = _run_of(shell)
        if run is None or run != self._shown_for:
            shell.display_pub.publish({"text/html": self.verdict._repr_html_(), "text/plain": str(self)})
            self._shown_for = run
        return True


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
    """The name of what was checked: "Multiply.backward"; "" where the headline says it all."""
    status: Status
    headline: str
    """The outcome in one sentence."""
    largest_error: float = 0.0
    where: str = ""
    entries: tuple[Entry, ...] = ()
    """The first few wrong entries, in order."""
    error_map: ErrorMap | None = None
    mistakes: tuple[str, ...] = ()
    """The ids of the catalogue's mistakes: one if exactly one explains what was returned, two if two together do."""
    explained_as: tuple[str, ...] = ()
    """The ids of descriptions of what is wrong, where the catalogue has no name for it."""
    explanation: tuple[str, ...] = ()
    """Sentences on what is wrong and why."""
    hints: tuple[str, ...] = ()
    """To be opened one at a time: a nudge first, then nearly the answer."""
    lesson: str = ""
    """The section of the course that explains it."""
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.status == "right"

    @property
    def mistake(self) -> str:
        """The named mistakes as one text: "sign", "sign + factor", or "" where none is named."""
        return " + ".join(self.mistakes)

    def __bool__(self) -> bool:
        announce(self)
        if not self.passed:
            raise WrongDerivative(self)
        if _shell():  # a learner whose assertion holds sees that it did
            print(self.first_line())
        return True

    def __str__(self) -> str:
        lines = [self.first_line()]
        if self.entries:
            lines += [f"    {'  '.join(row).rstrip()}" for row in self.table()]
        if self.error_map is not None:
            lines += [f"  {line}" for line in _map(self.error_map)]
        lines += [_paragraph(sentence) for sentence in (*self.explanation, *self.notes)]
        lines += [_paragraph(f"{say('Lesson')}: {self.lesson}")] if self.lesson else []
        heads = [say("Hint"), *[say("More")] * len(self.hints)]
        lines += [_paragraph(f"{head}: {hint}") for head, hint in zip(heads, self.hints)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return render_html(self)

    def first_line(self) -> str:
        """Return the outcome in one line: "✗ Multiply.backward: dx is wrong."."""
        start = f"{join_lines(self.subject)}: " if self.subject else ""
        return f"{MARKS[self.status]} {start}{join_lines(self.headline)}"

    def table(self) -> list[tuple[str, str, str]]:
        """Return the entries with their head, each column padded to one width."""
        pairs = [two_numbers(e.yours, e.expected) for e in self.entries]
        columns = [
            _column(say("entry"), [join_lines(e.where) for e in self.entries]),
            _column(say("yours"), aligned([yours for yours, _ in pairs]), right=True),
            _column(say("expected"), aligned([expected for _, expected in pairs]), right=True),
        ]
        return list(zip(*columns))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that `json.dumps` takes, as docs/verdict.md and verdict.schema.json describe it.

        Numbers are in strings, because JSON has no NaN and no infinity.
        """
        return {
            "subject": self.subject,
            "status": self.status,
            "passed": self.passed,
            "headline": self.headline,
            "largest_error": written(self.largest_error),
            "where": self.where,
            "entries": [
                {"where": e.where, "yours": written(e.yours), "expected": written(e.expected)} for e in self.entries
            ],
            "error_map": self.error_map.to_dict() if self.error_map else None,
            "mistakes": list(self.mistakes),
            "explained_as": list(self.explained_as),
            "explanation": list(self.explanation),
            "hints": list(self.hints),
            "lesson": self.lesson,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Verdict:
        """Return the verdict that `to_dict` wrote."""
        return cls(
            subject=data["subject"],
            status=data["status"],
            headline=data["headline"],
            largest_error=float(data["largest_error"]),
            where=data["where"],
            entries=tuple(Entry(e["where"], float(e["yours"]), float(e["expected"])) for e in data["entries"]),
            error_map=ErrorMap.from_dict(data["error_map"]) if data["error_map"] else None,
            mistakes=tuple(data["mistakes"]),
            explained_as=tuple(data["explained_as"]),
            explanation=tuple(data["explanation"]),
            hints=tuple(data["hints"]),
            lesson=data["lesson"],
            notes=tuple(data["notes"]),
        )


# -- listeners -------------------------------------------------------------------------------------


@contextmanager
def collecting_verdicts() -> Iterator[list[Verdict]]:
    """Collect the verdicts that are asserted, or counted by `partial_credit`, in a list."""
    verdicts: list[Verdict] = []
    with checking(listeners=(*current_context().listeners, verdicts.append)):
        yield verdicts


def announce(verdict: Verdict) -> None:
    """Pass a verdict that decides something to the listeners."""
    for listener in current_context().listeners:
        listener(verdict)


def list_verdicts(heard: Iterable[Verdict], value: Any) -> list[Verdict]:
    """Return a test cell's verdicts: those that were heard, and its value if that is one more."""
    heard = list(heard)
    return [*heard, value] if type(value) is Verdict and all(value is not one for one in heard) else heard


# -- words -----------------------------------------------------------------------------------------


def map_sentences(error_map: ErrorMap) -> tuple[str, str]:
    """Return the sentence above a map and, where it is not simply the whole array entry by entry, the one below."""
    grid, name = error_map.grid(), join_lines(error_map.name)
    counted = say("{wrong} of {count} entries wrong", wrong=error_map.wrongs, count=error_map.entries)
    below = []
    if not error_map.whole:
        first, last = error_map.place(0, 0), error_map.place(len(error_map.wrong) - 1, len(error_map.wrong[0]) - 1)
        counted = say("{wrong} of the {count} entries shown are wrong", wrong=error_map.wrongs, count=error_map.entries)
        below.append(
            say(
                "{name} is too large to show: this is the part from {first} to {last}.",
                **{"name": name, "first": join_lines(first), "last": join_lines(last)},
            )
        )
    if grid.block != (1, 1):
        rows, columns = grid.block
        below.append(
            say(
                "Each mark stands for {rows} × {columns} entries, and is ✗ if any of them is wrong.",
                **{"rows": rows, "columns": columns},
            )
        )
    return f"{name} {error_map.shape}: {counted}", " ".join(below)


def legend(error_map: ErrorMap) -> list[tuple[str, str]]:
    """Return the marks that the map has, with their meaning."""
    marks = {cell.mark for cell in error_map.grid().cells}
    meanings = [("·", say("right")), ("✗", say("wrong")), ("!", say("NaN or infinite"))]
    return [(mark, meaning) for mark, meaning in meanings if mark in marks]


def _shell() -> Any:
    """Return the IPython in which this runs, or None."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def _run_of(shell: Any) -> Any:
    """Return the id of the message that asked for this run of a cell, if the shell knows it."""
    header = getattr(shell, "parent_header", None) or {}
    return header.get("header", {}).get("msg_id")


def _paragraph(words: str) -> str:
    return "\n".join(f"  {line}" for line in replace_unprintable(words).splitlines())


def _column(head: str, texts: list[str], right: bool = False) -> list[str]:
    width = max(map(measure_width, [head, *texts]))
    blanks = [" " * (width - measure_width(text)) for text in [head, *texts]]
    return [blank + text if right else text + blank for text, blank in zip([head, *texts], blanks)]


def _map(error_map: ErrorMap) -> Iterable[str]:
    """Yield the map in characters: nothing where the table says it all (a number, or a vector of up to four), and only
    the sentence above where every mark would be the same."""
    if error_map.entries <= (4 if len(error_map.shape) <= 1 else 1):
        return
    grid, marks = error_map.grid(), legend(error_map)
    above, below = map_sentences(error_map)
    if len(marks) == 1:
        yield f"{above}."
        return
    yield f"{above}   ({', '.join(f'{mark} {meaning}' for mark, meaning in marks)})"
    margin = max(map(len, grid.row_labels), default=0)
    width = max(map(len, grid.column_labels), default=0)
    yield f"  {'':{margin}}  {' '.join(f'{label:>{width}}' for label in grid.column_labels)}"
    for label, row in zip(grid.row_labels, grid.rows):
        yield f"  {label:>{margin}}  {' '.join(f'{cell.mark:>{width}}' for cell in row)}"
    if below:
        yield below
