"""The catalogue as text: complete, listed in its guide, and pointing to headings that exist."""

from __future__ import annotations

import json
import re

import pytest

from helpers.paths import ROOT
from nnkit.check.diagnosis.descriptions import DESCRIPTIONS, ENTRIES
from nnkit.check.diagnosis.mistakes import BY_ID, CATALOGUE, Mistake
from nnkit.check.evidence.finding import Explanation

LECTURES = {path.name[:2]: path for path in (ROOT / "notebooks").glob("*.ipynb")}


def headings(lecture: str) -> list[str]:
    cells = json.loads(LECTURES[lecture].read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return [heading.replace("$", "") for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]


def test_ids_are_unique() -> None:
    assert len(BY_ID) == len(CATALOGUE) >= 41


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda e: e.id)
def test_every_entry_says_all_it_should(entry: Explanation) -> None:
    for text in (entry.title, entry.nudge, entry.hint, entry.lesson):
        assert text.strip() == text != ""
    assert entry.title[-1] not in ".!?"
    assert entry.hint[-1] == "."
    assert entry.why[-1:] in ((".",) if entry.named else (".", ""))  # a description's reason can be in its variants


@pytest.mark.parametrize("mistake", CATALOGUE, ids=lambda m: m.id)
def test_what_an_entry_refines_is_another_entry(mistake: Mistake) -> None:
    assert set(mistake.refines) <= set(BY_ID) - {mistake.id}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda e: e.id)
def test_the_lesson_is_a_heading_of_its_lecture(entry: Explanation) -> None:
    found = re.fullmatch(r"lecture (\d\d), (.+)", entry.lesson)
    assert found
    if found[1] in LECTURES:
        assert found[2] in headings(found[1])


def test_the_guide_lists_every_mistake_with_its_title() -> None:
    guide = (ROOT / "docs" / "mistakes.md").read_text(encoding="utf-8")
    assert _list_rows(guide, "| id | what happened |") == [f"| `{one.id}` | {one.title} |" for one in CATALOGUE]


def test_the_guide_lists_every_description_with_its_title() -> None:
    guide = (ROOT / "docs" / "mistakes.md").read_text(encoding="utf-8")
    rows = [f"| `{one.id}` | {one.title} |" for one in DESCRIPTIONS.values()]
    assert _list_rows(guide, "| id | what was seen |") == rows


def _list_rows(guide: str, head: str) -> list[str]:
    """Return the rows of the table with this head."""
    return guide.partition(f"{head}\n|---|---|\n")[2].partition("\n\n")[0].splitlines()
