"""Mistakes that people report in public, and cases at the edge of what can be said: no false name, no false words."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from corpus.reported import REPORTED, Reported
from corpus.special_cases import SPECIAL, Special
from helpers.judge import Judged, ask

pytestmark = pytest.mark.slow
EXPLAINED = 0.85
SEED = 3


@cache
def judged(case: Reported | Special) -> Judged:
    return ask(case.check, case.make(np.random.default_rng(SEED)))


def parametrised(cases: Any) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


@parametrised([*REPORTED, *SPECIAL])
def test_wrong_is_not_accepted_and_right_not_rejected(case: Reported | Special) -> None:
    verdict = judged(case).verdict
    assert verdict.passed != case.wrong, str(verdict)


@parametrised([case for case in (*REPORTED, *SPECIAL) if case.wrong])
def test_nothing_false_is_said_of_a_wrong_one(case: Reported | Special) -> None:
    found = judged(case)
    assert set(found.verdict.mistakes) <= case.true, str(found.verdict)
    assert found.false == (), str(found.verdict)


@parametrised([case for case in SPECIAL if case.never])
def test_false_words_are_not_used(case: Special) -> None:
    text = str(judged(case).verdict)
    assert [words for words in case.never if words in text] == [], text


def test_most_are_explained() -> None:
    wrong = [case for case in REPORTED if case.wrong]
    bare = [case.name for case in wrong if not judged(case).verdict.lesson]
    assert len(bare) <= (1 - EXPLAINED) * len(wrong), bare
