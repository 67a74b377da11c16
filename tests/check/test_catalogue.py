"""The catalogue as text: complete, listed in its guide, and pointing to headings that exist."""

from __future__ import annotations

import json
import re

import pytest

from helpers.paths import ROOT
from nnkit.check.diagnosis.mistakes import BY_ID, CATALOGUE, Mistake

LECTURES = {path.name[:2]: path for path in (ROOT / "notebooks").glob("*.ipynb")}


def headings(lecture: str) -> list[str]:
    cells = json.loads(LECTURES[lecture].read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return [heading.replace("$", "") for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]


def test_ids_are_unique() -> None:
    assert len(BY_ID) == len(CATALOGUE) >= 41


@pytest.mark.parametrize("mistake", CATALOGUE, ids=lambda m: m.id)
def test_every_entry_says_all_it_should(mistake: Mistake) -> None:
    for text in (mistake.title, mistake.why, mistake.nudge, mistake.hint, mistake.lesson):
        assert text.strip() == text != ""
    assert mistake.title[-1] not in ".!?"
    assert mistake.why[-1] == mistake.hint[-1] == "."
    assert set(mistake.refines) <= set(BY_ID) - {mistake.id}


@pytest.mark.parametrize("mistake", CATALOGUE, ids=lambda m: m.id)
def test_the_lesson_is_a_heading_of_its_lecture(mistake: Mistake) -> None:
    found = re.fullmatch(r"lecture (\d\d), (.+)", mistake.lesson)
    assert found
    if found[1] in LECTURES:
        assert found[2] in headings(found[1])


def test_the_guide_lists_every_mistake_with_its_title() -> None:
    guide = (ROOT / "docs" / "mistakes.md").read_text(encoding="utf-8")
    rows = [f"| `{mistake.id}` | {mistake.title} |" for mistake in CATALOGUE]
    assert [line for line in guide.splitlines() if line.startswith("| `") and line.count("|") == 3][: len(rows)] == rows
