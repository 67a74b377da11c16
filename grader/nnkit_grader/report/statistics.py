"""Statistics of a class: the spread of scores, the difficulty of exercises, the frequency of mistakes."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nnkit.check.diagnosis.descriptions import DESCRIPTIONS, ENTRIES
from nnkit.language import say, to_say
from nnkit_grader.record.results import CellResult
from nnkit_grader.record.score_changes import describe_fault
from nnkit_grader.report.collect import STATES, ClassResults, Exercise, SubmissionResults

MAX_BARS = 12
BAR_WIDTHS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 25.0, 50.0, 100.0)
"""Possible widths of a bar, in points."""
BLANK, UNNAMED, ERROR = "not-attempted", "", "error"
"""Ids of other faults: not attempted; wrong without an explanation; an exception or a time limit."""
HEADS = {BLANK: to_say("not attempted"), UNNAMED: to_say("unexplained"), ERROR: to_say("error")}
TITLES = {
    BLANK: to_say("no answer was handed in"),
    UNNAMED: to_say("wrong, without an explanation"),
    ERROR: to_say("it ended with an error, or did not end"),
}
MAX_SHOWN_SENTENCES = 3
"""Sentences that are shown for faults without a name."""


@dataclass(frozen=True)
class HistogramBar:
    """Submissions with `low` ≤ points < `high`; in the last bar, `high` belongs to it."""

    low: float
    high: float
    count: int


def count_bars(totals: Sequence[float], most: float) -> list[HistogramBar]:
    """Return a histogram of the totals, from 0 to `most`, or further if extra credit goes beyond."""
    top = max([most, *totals])
    width = next((width for width in BAR_WIDTHS if top <= width * MAX_BARS), top / MAX_BARS)
    number = max(1, -int(-top // width))
    filled = Counter(min(int(total // width), number - 1) for total in totals)
    return [HistogramBar(width * k, width * (k + 1), filled[k]) for k in range(number)]


@dataclass(frozen=True)
class ScoreSpread:
    """Mean, extremes and quartiles of the scores."""

    mean: float
    low: float
    quarter: float
    median: float
    three_quarters: float
    high: float


def compute_spread(totals: Sequence[float]) -> ScoreSpread:
    """Compute mean, extremes and quartiles of at least one number."""
    parts = statistics.quantiles(totals, n=4, method="inclusive") if len(totals) > 1 else [totals[0]] * 3
    return ScoreSpread(statistics.fmean(totals), min(totals), parts[0], parts[1], parts[2], max(totals))


@dataclass(frozen=True)
class Difficulty:
    """Difficulty of an exercise, among the submissions that were run."""

    exercise: Exercise
    counts: dict[str, int]
    """State → number of submissions."""
    mean: float | None
    """Mean points; None if no points have been given yet."""
    discrimination: float | None
    """Correlation of its points with those of the other exercises, −1 to 1; None if either are all equal."""
    seconds: float
    """Median of the seconds that answer and tests ran."""

    @property
    def share(self) -> float | None:
        """Mean as a fraction of the exercise's points; None if it has none."""
        return None if self.mean is None or not self.exercise.points else self.mean / self.exercise.points


def rank_exercises(results: ClassResults) -> list[Difficulty]:
    """Return the exercises, the hardest first; those that wait for points, and those without points, last."""
    found = [_measure_difficulty(results, exercise) for exercise in results.exercises]
    return sorted(found, key=lambda one: (one.share is None, one.counts["waiting"] > 0, one.share or 0.0))


def find_earlier_shares(results: ClassResults, before: ClassResults) -> dict[str, float]:
    """Return exercise → share of its points in another year: that of the same id, else of the same title."""
    ranked = [one for one in rank_exercises(before) if one.share is not None]
    by_title = {one.exercise.title: one.share or 0.0 for one in ranked}
    by_id = {one.exercise.id: one.share or 0.0 for one in ranked}
    known = {each.id: by_id.get(each.id, by_title.get(each.title)) for each in results.exercises}
    return {id: share for id, share in known.items() if share is not None}


def _measure_difficulty(results: ClassResults, exercise: Exercise) -> Difficulty:
    states = Counter(results.find_state(row, exercise) for row in results.ran)
    given = [score for row in results.ran if (score := row.scores[exercise.id]) is not None]
    mean = statistics.fmean(given) if given and exercise in results.scored else None
    discrimination = None if mean is None else _correlate_with_rest(results, exercise)
    seconds = statistics.median(_measure_seconds(row, exercise) for row in results.ran) if results.ran else 0.0
    return Difficulty(exercise, {state: states[state] for state in STATES}, mean, discrimination, seconds)


def _correlate_with_rest(results: ClassResults, exercise: Exercise) -> float | None:
    others = [other.id for other in results.scored if other != exercise]
    given = [row for row in results.ran if row.scores[exercise.id] is not None]
    points = [row.scores[exercise.id] or 0.0 for row in given]
    rest = [sum(row.scores[id] or 0.0 for id in others) for row in given]
    return statistics.correlation(points, rest) if len(set(points)) > 1 and len(set(rest)) > 1 else None


def _measure_seconds(row: SubmissionResults, exercise: Exercise) -> float:
    cells = (row.find_cell(id) for id in {exercise.id, *exercise.answers})
    return sum(cell.seconds for cell in cells if cell)


@dataclass
class MistakeCount:
    """One mistake, or one description of a wrong answer, on one exercise, and the submissions that have it."""

    exercise: Exercise
    id: str
    """Id of the catalogue or of a description, or BLANK, UNNAMED or ERROR."""
    rows: list[SubmissionResults] = field(default_factory=list)
    sentences: Counter[str] = field(default_factory=Counter)
    """Sentences on a fault without a name, each with its count."""

    @property
    def named(self) -> bool:
        """True if the mistake is in the catalogue."""
        return self.id not in TITLES and not self.described

    @property
    def described(self) -> bool:
        """True if it has no name, but a description."""
        return self.id in DESCRIPTIONS

    @property
    def head(self) -> str:
        """Short name, for the first column."""
        return say(HEADS[self.id]) if self.id in HEADS else self.id

    @property
    def title(self) -> str:
        """Sentence on the mistake, without a full stop."""
        known = ENTRIES.get(self.id)
        return say(TITLES.get(self.id) or (known.title if known else self.id))


def count_mistakes(results: ClassResults) -> list[MistakeCount]:
    """Count the mistakes, by exercise in the notebook's order: named ones first, then descriptions, then the others; of
    each kind the most frequent first.

    A student counts once for each mistake and exercise; if two mistakes together explain an answer, for both.
    """
    found: list[MistakeCount] = []
    for exercise in results.exercises:
        here: dict[str, MistakeCount] = {}
        for row in results.ran:
            for id, said in find_faults(results, row, exercise):
                made = here.setdefault(id, MistakeCount(exercise, id))
                made.rows.append(row)
                made.sentences.update([said] if said else [])
        found += sorted(here.values(), key=_rank)
    return found


def _rank(made: MistakeCount) -> tuple[int, int]:
    kind = 0 if made.named else 1 if made.described else 3 if made.id == BLANK else 2
    return kind, -len(made.rows)


def find_most_frequent(made: Sequence[MistakeCount], number: int = 5) -> list[MistakeCount]:
    """Return the mistakes, named or described, that most students made, each on its exercise."""
    explained = [one for one in made if one.named or one.described]
    return sorted(explained, key=lambda one: -len(one.rows))[:number]


def find_faults(results: ClassResults, row: SubmissionResults, exercise: Exercise) -> Iterator[tuple[str, str]]:
    """Yield the faults of a student's exercise: each id once, with a sentence if it has no name. A description tells
    more in its verdict's sentence than in its title."""
    cell = row.find_cell(exercise.id)
    if cell is None or cell.score is None or cell.score >= cell.points:
        return
    ids = {id: verdict["headline"] for verdict in cell.verdicts for id in verdict["explained_as"]}
    ids |= {id: "" for verdict in cell.verdicts for id in verdict["mistakes"]}
    if results.is_blank(row, exercise):
        ids = {} if exercise.id in row.result.doubts else {BLANK: ""}
    elif not ids:
        ids = {ERROR if is_error(cell) else UNNAMED: describe_fault(cell)}
    yield from ids.items()


def is_error(cell: CellResult) -> bool:
    """Return True if an exception or a limit cost a test's points. A failed assertion is a result, not an error."""
    if cell.verdicts:
        return any(verdict["status"] in ("error", "cannot check") for verdict in cell.verdicts)
    return bool(cell.trouble) and not cell.trouble.startswith("AssertionError")
