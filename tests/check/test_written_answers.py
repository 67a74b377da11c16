"""Answers as students would write them: wrong ones caught and explained, right ones accepted, nothing false said."""

from __future__ import annotations

from functools import cache

import pytest

from helpers.written_answers import ANSWERS, Shown, WrittenAnswer, read_answers, run_answers

pytestmark = pytest.mark.slow
NAMES = sorted(path.stem for path in ANSWERS.glob("*.txt"))
EXPLAINED = 0.95


@cache
def shown(name: str) -> list[tuple[WrittenAnswer, Shown]]:
    return list(zip(read_answers(name), run_answers(name), strict=True))


def wrong(name: str) -> list[tuple[WrittenAnswer, Shown]]:
    return [(answer, found) for answer, found in shown(name) if answer.wrong]


@pytest.mark.parametrize("name", NAMES)
def test_every_wrong_answer_is_caught_and_every_right_one_accepted(name: str) -> None:
    assert [found.label for _, found in wrong(name) if not found.caught] == []
    assert [found for answer, found in shown(name) if not answer.wrong and found.caught] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_verdict_comes_and_not_an_exception(name: str) -> None:
    assert [(found.label, found.raised) for _, found in wrong(name) if found.raised] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_given_that_is_not_true(name: str) -> None:
    misnamed = [
        (found.label, found.mistakes, found.verdict)
        for answer, found in wrong(name)
        if answer.named is not None and not set(found.mistakes) <= set(answer.named)
    ]
    assert misnamed == []


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_said_that_is_not_true(name: str) -> None:
    assert [(found.label, found.verdict, found.false) for _, found in wrong(name) if found.false] == []
    said = [(found.label, words) for answer, found in wrong(name) for words in answer.never if words in found.verdict]
    assert said == []


def test_nearly_all_are_explained() -> None:
    every = [found for name in NAMES for _, found in wrong(name)]
    bare = [f"{found.label}: {found.verdict[:150]}" for found in every if not found.explained]
    assert len(every) >= 180
    assert len(bare) <= (1 - EXPLAINED) * len(every), "\n".join(bare)
