"""Planted mistakes fail with their own name, other wrong answers without one, bad behaviour with a sentence."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

import nnkit.check
from corpus.wrong import BEHAVIOUR, WRONG, Wrong
from corpus.wrong_behaviour import ENDLESS
from corpus.wrong_networks import SOURCES
from nnkit.check import Verdict
from nnkit.check.context import checking
from nnkit.check.diagnosis.mistakes import CATALOGUE

pytestmark = pytest.mark.slow
NAMED_RIGHT = 0.98
LONGEST = 400
"""Characters of a headline."""


def checked(check: str, make: Any, seed: int) -> Verdict:
    call = make(np.random.default_rng(seed))
    verdict = getattr(nnkit.check, check)(*call.args, **call.kwargs)
    assert isinstance(verdict, Verdict)
    return verdict


@cache
def asked(wrong: Wrong, seed: int) -> Verdict:
    return checked(wrong.check, wrong.make, seed)


def parametrised(entries: Any) -> Any:
    return pytest.mark.parametrize("wrong", entries, ids=[entry.name for entry in entries])


@pytest.fixture(autouse=True)
def _short_time(request: pytest.FixtureRequest) -> Iterator[None]:
    wrong = getattr(request.node, "callspec", None) and request.node.callspec.params.get("wrong")
    with checking(seconds=0.5) if wrong is not None and wrong.name in ENDLESS else contextlib.nullcontext():
        yield


# ---- planted mistakes ---------------------------------------------------------------------------------


@parametrised(WRONG)
def test_a_wrong_answer_fails_with_its_own_name(wrong: Wrong) -> None:
    verdict = asked(wrong, 0)
    assert not verdict.passed
    assert sorted(verdict.mistakes) == sorted(wrong.ids), str(verdict)


@parametrised(WRONG)
def test_a_wrong_name_is_never_given(wrong: Wrong, corpus_seed: int) -> None:
    verdict = asked(wrong, corpus_seed)
    assert not verdict.passed
    assert not verdict.mistakes or sorted(verdict.mistakes) == sorted(wrong.ids), str(verdict)


def test_nearly_all_are_named(corpus_seed: int) -> None:
    named = [wrong for wrong in WRONG if wrong.ids]
    unnamed = [wrong.name for wrong in named if sorted(asked(wrong, corpus_seed).mistakes) != sorted(wrong.ids)]
    assert len(unnamed) <= (1 - NAMED_RIGHT) * len(named), unnamed


@pytest.mark.parametrize("source", SOURCES, ids=[source.name for source in SOURCES])
def test_the_code_that_mistakes_are_planted_in_is_right(source: Any, corpus_seed: int) -> None:
    verdict = checked(source.check, source.right(), corpus_seed)
    assert verdict.passed, str(verdict)


# ---- the corpus ---------------------------------------------------------------------------------------


def test_every_mistake_of_the_catalogue_is_planted_at_least_three_times() -> None:
    planted = Counter(id for wrong in WRONG if len(wrong.ids) == 1 for id in wrong.ids)
    ids = {mistake.id for mistake in CATALOGUE}
    assert {id for id in ids if planted[id] < 3} == set()
    assert set(planted) <= ids


def test_the_corpus_has_pairs_and_wrong_answers_without_a_name() -> None:
    assert sum(len(wrong.ids) == 2 for wrong in WRONG) >= 12
    assert sum(not wrong.ids for wrong in WRONG) >= 40
    assert not [name for name, count in Counter(wrong.name for wrong in WRONG).items() if count > 1]


# ---- code that misbehaves -----------------------------------------------------------------------------


@parametrised(BEHAVIOUR)
def test_code_that_misbehaves_fails_with_one_sentence(wrong: Wrong, capsys: pytest.CaptureFixture[str]) -> None:
    verdict = checked(wrong.check, wrong.make, 0)
    assert not verdict.passed
    assert set(wrong.ids) <= set(verdict.mistakes) <= {*wrong.ids, "wrong-count"}, str(verdict)
    assert verdict.headline
    assert "\n" not in verdict.headline
    assert len(verdict.headline) <= LONGEST
    assert len(capsys.readouterr().out) < 10_000


@parametrised([wrong for wrong in BEHAVIOUR if wrong.name in ENDLESS])
def test_what_never_ends_is_said_to_take_too_long(wrong: Wrong) -> None:
    assert "second" in checked(wrong.check, wrong.make, 1).headline
