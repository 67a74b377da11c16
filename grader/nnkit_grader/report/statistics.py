"""A class in numbers: how scores are spread, how hard exercises are, which mistakes how many made."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit_grader.record.results import CellResult
from nnkit_grader.record.score_changes import describe_fault
from nnkit_grader.report.collect import STATES, Exercise, Gathered, Row

BARS = 12
"""The most bars of a histogram."""
WIDTHS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 25.0, 50.0, 100.0)
"""Points that a bar may stand for."""
BLANK, UNNAMED, ERROR = "not-attempted", "", "error"
"""Ids of faults that are not the catalogue's: nothing handed in; wrong without a name; an exception, or no end."""
HEADS = {BLANK: "not attempted", UNNAMED: "no name", ERROR: "error"}
TITLES = {
    BLANK: "nothing was handed in here",
    UNNAMED: "wrong, and no single mistake explains it",
    ERROR: "it ended with an error, or not at all",
}
SAID = 3
"""How many of the sentences on faults without a name are told."""


@dataclass(frozen=True)
class Bar:
    """Submissions with `low` ≤ points < `high`; in the last bar, `high` belongs to it."""

    low: float
    high: float
    count: int


def histogram(totals: Sequence[float], most: float) -> list[Bar]:
    """How many submissions have how many points, from 0 to `most` (further, where extra credit goes beyond)."""
    top = max([most, *totals])
    width = next((width for width in WIDTHS if top <= width * BARS), top / BARS)
    number = max(1, -int(-top // width))
    filled = Counter(min(int(total // width), number - 1) for total in totals)
    return [Bar(width * k, width * (k + 1), filled[k]) for k in range(number)]


@dataclass(frozen=True)
class Spread:
    mean: float
    low: float
    quarter: float
    median: float
    three_quarters: float
    high: float


def spread(totals: Sequence[float]) -> Spread:
    """Mean, extremes and quartiles, of one number or more."""
    parts = statistics.quantiles(totals, n=4, method="inclusive") if len(totals) > 1 else [totals[0]] * 3
    return Spread(statistics.fmean(totals), min(totals), parts[0], parts[1], parts[2], max(totals))


@dataclass(frozen=True)
class Difficulty:
    """How an exercise went, among the submissions that were run."""

    exercise: Exercise
    counts: dict[str, int]
    """State → submissions."""
    mean: float | None
    """Points; None where nobody has any yet."""

    @property
    def share(self) -> float | None:
        """Of its points, 0 to 1; None where it has none."""
        return None if self.mean is None or not self.exercise.points else self.mean / self.exercise.points


def difficulties(gathered: Gathered) -> list[Difficulty]:
    """The hardest exercise first; those that wait for points, and those that have none, last."""
    found = [_difficulty(gathered, exercise) for exercise in gathered.exercises]
    return sorted(found, key=lambda one: (one.share is None, one.counts["waiting"] > 0, one.share or 0.0))


def _difficulty(gathered: Gathered, exercise: Exercise) -> Difficulty:
    states = Counter(gathered.state(row, exercise) for row in gathered.ran)
    given = [score for row in gathered.ran if (score := row.scores[exercise.id]) is not None]
    mean = statistics.fmean(given) if given and exercise in gathered.scored else None
    return Difficulty(exercise, {state: states[state] for state in STATES}, mean)


@dataclass
class Made:
    """One mistake on one exercise, and who made it."""

    exercise: Exercise
    id: str
    """Of the catalogue, or BLANK, UNNAMED or ERROR."""
    rows: list[Row] = field(default_factory=list)
    said: Counter[str] = field(default_factory=Counter)
    """Sentences on it, for what has no name."""

    @property
    def named(self) -> bool:
        return self.id not in TITLES

    @property
    def head(self) -> str:
        return HEADS.get(self.id, self.id)

    @property
    def title(self) -> str:
        known = BY_ID.get(self.id)
        return TITLES.get(self.id) or (known.title if known else self.id)


def mistakes(gathered: Gathered) -> list[Made]:
    """By exercise in the notebook's order, the most frequent first, what has no name last. A student counts once for
    each mistake and exercise; where two mistakes together explain an answer, for both."""
    found: list[Made] = []
    for exercise in gathered.exercises:
        here: dict[str, Made] = {}
        for row in gathered.ran:
            for id, said in faults(gathered, row, exercise):
                made = here.setdefault(id, Made(exercise, id))
                made.rows.append(row)
                made.said.update([said] if said else [])
        found += sorted(here.values(), key=lambda made: (not made.named, made.id == BLANK, -len(made.rows)))
    return found


def most_frequent(made: Sequence[Made], number: int = 5) -> list[Made]:
    """The named mistakes that most students made, each on its exercise."""
    named = [one for one in made if one.named]
    return sorted(named, key=lambda one: -len(one.rows))[:number]


def faults(gathered: Gathered, row: Row, exercise: Exercise) -> Iterator[tuple[str, str]]:
    """What went wrong with a student's exercise: ids, each once, and a sentence for what has no name."""
    cell = row.cell(exercise.id)
    if cell is None or cell.score is None or cell.score >= cell.points:
        return
    ids = {id: "" for verdict in cell.verdicts for id in verdict["mistakes"]}
    if gathered.is_blank(row, exercise):
        ids = {BLANK: ""}
    elif not ids:
        ids = {ERROR if is_error(cell) else UNNAMED: describe_fault(cell)}
    yield from ids.items()


def is_error(cell: CellResult) -> bool:
    """Whether an exception, or a limit, took a test's points, and not a wrong result. An assertion is a result."""
    if cell.verdicts:
        return any(verdict["status"] == "error" for verdict in cell.verdicts)
    return bool(cell.trouble) and not cell.trouble.startswith("AssertionError")
