"""Verdicts in Korean say the same as in English: the same ids, numbers and hints, and every sentence is translated."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable

import numpy as np
import pytest

import nnkit.check
from corpus.described import DESCRIBED
from corpus.wrong import BEHAVIOUR, WRONG, Wrong
from corpus.wrong_behaviour import ENDLESS
from nnkit.check import Verdict, check_backward
from nnkit.language import speaking
from nnkit.text import measure_width

ENGLISH = re.compile(r"(?:(?<![\w.(\[=*/+-])[a-z]{2,}'? ){2,}[a-z]{2,}")
"""Three English words one after the other."""
CODE = re.compile(r"`[^`]*`|Python의 메시지: .*|(?<=: )np\..*|division by zero|first line.*")
"""What stays as it is: code, and messages of Python."""


def ask_about(wrong: Wrong) -> Callable[[], Verdict]:
    def ask() -> Verdict:
        call = wrong.make(np.random.default_rng(0))
        verdict = getattr(nnkit.check, wrong.check)(*call.args, **call.kwargs)
        assert isinstance(verdict, Verdict)
        return verdict

    return ask


CASES = [(wrong.name, ask_about(wrong)) for wrong in [*WRONG, *BEHAVIOUR] if wrong.name not in ENDLESS]
CASES += [(f"{case.id}: {case.says}", case.ask) for case in DESCRIBED]


@pytest.mark.parametrize("ask", [ask for _, ask in CASES[::29]], ids=[name for name, _ in CASES[::29]])
def test_a_verdict_is_the_same_in_korean(ask: Callable[[], Verdict]) -> None:
    said = {}
    for language in ("en", "ko"):
        with speaking(language), contextlib.redirect_stdout(io.StringIO()):
            verdict = ask()
            said[language] = verdict, str(verdict)
    (english, _), (korean, text) = said["en"], said["ko"]
    assert (korean.status, korean.mistakes, korean.explained_as) == (
        *(english.status, english.mistakes, english.explained_as),
    )
    assert [(e.yours, e.expected) for e in korean.entries] == [(e.yours, e.expected) for e in english.entries]
    assert len(korean.hints) == len(english.hints)
    assert len(korean.explanation) == len(english.explanation)
    if korean.subject:
        text = text.replace(korean.subject, "")
    assert ENGLISH.findall(CODE.sub("", text)) == [], text
    assert re.search("[가-힣]", korean.headline)


class TransposedProduct:
    def forward(self, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        return x @ w, (x, w)

    def backward(self, upstream: np.ndarray, cache: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        x, w = cache
        return upstream @ w, x.T @ upstream


def test_a_card_names_its_language() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(2, 3)), rng.normal(size=(3, 3))
    with speaking("ko"):
        verdict = check_backward(TransposedProduct(), *inputs)
        card = verdict._repr_html_()
    assert verdict.headline == (
        "dx의 값이 틀렸습니다: 전치가 맞지 않습니다. upstream @ w.T가 있어야 하는데 upstream @ w입니다."
    )
    assert 'class="nnkit-verdict" lang="ko"' in card
    for words in ("원소", "내 값", "기대한 값", "힌트", "관련 내용", "강의 03, 행렬 곱"):
        assert words in card
    assert "lang=" not in check_backward(TransposedProduct(), *inputs)._repr_html_()


def test_columns_of_a_korean_table_are_aligned_in_a_terminal() -> None:
    rng = np.random.default_rng(0)
    with speaking("ko"):
        table = check_backward(TransposedProduct(), rng.normal(size=(2, 3)), rng.normal(size=(3, 3))).table()
    assert {tuple(map(measure_width, row)) for row in table} == {tuple(map(measure_width, table[0]))}
