"""All odd but honest submissions of an assignment."""

from __future__ import annotations

from collections.abc import Iterator

from corpus import oddities_cells, oddities_files
from corpus.oddities_base import KINDS, Notebook, Oddity, solve
from nnkit_grader.course.assignment import Assignment

SOURCES = oddities_cells, oddities_files
"""The modules whose kinds of oddities are tried."""


def make_oddities(assignment: Assignment, unfit: tuple[type[Exception], ...] = ()) -> Iterator[Oddity]:
    """Yield every oddity of every kind, but for those whose making raises one of the errors `unfit`."""
    for place, (kind, due, variants) in enumerate(KINDS):
        for number, variant in enumerate(variants):
            notebook = solve(assignment)
            try:
                made = kind(notebook, *(variant if isinstance(variant, tuple) else (variant,)))
            except unfit:
                continue
            made = notebook if made is None else made
            made = made.to_bytes() if isinstance(made, Notebook) else made
            files = made if isinstance(made, dict) else {f"{notebook.name}.ipynb": made}
            yield Oddity(f"{kind.__name__}-{place}-{number}", due, files)
