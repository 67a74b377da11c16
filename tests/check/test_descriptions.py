"""Wrong answers without a name are described in words that fit: the id, and a part of what is said."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from corpus.described import DESCRIBED, Described
from helpers.paths import ROOT
from nnkit.check.diagnosis.descriptions import ENTRIES
from nnkit.check.diagnosis.explanations import EXPLANATIONS

pytestmark = pytest.mark.slow
WORDS = {"Explanation", "Mistake", "FaultKind"}


@pytest.mark.parametrize("case", DESCRIBED, ids=[f"{case.id}: {case.says} {k}" for k, case in enumerate(DESCRIBED)])
def test_what_is_wrong_is_said(case: Described) -> None:
    verdict = case.ask()
    assert verdict.status == "wrong"
    assert {*verdict.mistakes, *verdict.explained_as} - {"wrong-shape"} == set(case.id.split(" + ")), str(verdict)
    assert case.says in " ".join((verdict.headline, *verdict.explanation)), str(verdict)
    assert verdict.lesson
    assert len(verdict.hints) == 2


def test_every_description_of_numbers_is_planted_at_least_three_times() -> None:
    planted = Counter(id for case in DESCRIBED for id in case.id.split(" + "))
    assert {entry.id for entry in EXPLANATIONS if not entry.named and planted[entry.id] < 3} == set()


def test_every_id_in_the_code_is_an_entry() -> None:
    calls = [
        node
        for path in sorted((ROOT / "nnkit" / "check" / "diagnosis").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in WORDS
    ]
    ids = {call.args[0].value for call in calls if call.args and isinstance(call.args[0], ast.Constant)}
    assert len(ids) > 60
    assert ids <= set(ENTRIES)
