"""Every number in a lecture's text is computed: by a cell of that lecture, as the answer to a prediction, or here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from math import log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.lectures import run
from helpers.links import markdown
from helpers.paths import ROOT
from nnkit.data import digits
from nnkit.guesses import ANSWERS
from nnkit.mlp import MLP

pytestmark = pytest.mark.notebook

LECTURES = sorted(ROOT.glob("notebooks/*.ipynb"))
NUMBER = r"(?<![\w.])\d+(?:[,_]\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?"
SMALL = 10
"""Whole numbers up to this count what is on the page, or are worked out in the text."""


def steep_until() -> float:
    """Return the x at which the slope of the sigmoid is 0.01: σ (1 − σ) = 0.01."""
    s = (1 + sqrt(1 - 4 * 0.01)) / 2
    return log(s / (1 - s))


COMPUTED_HERE: dict[str, tuple[Callable[[], float], ...]] = {
    "00": (lambda: 1.01 - 1, lambda: 4 + 0.01 * 5),
    "02": (steep_until, lambda: 4**5, lambda: 2**12),
    "03": (lambda: 100 * 4096, lambda: 7 * 3 * 5 * 3),
    "04": (lambda: len(digits().y_train) + len(digits().y_test),),
    "05": (lambda: MLP((2, 16, 3)).count(),),
}


def written_numbers(text: str) -> Iterator[str]:
    """Yield the numbers of a text, but for small whole ones, code that is set apart, and the targets of links."""
    text = re.sub(r"^```.*?^```|\]\([^)]*\)", "", text, flags=re.MULTILINE | re.DOTALL)
    for number in re.findall(NUMBER, re.sub(r"(?<=\d)(\\,| )(?=\d{3}\b)", "", text)):
        if "." in number or "e" in number or to_number(number) > SMALL:
            yield number


def to_number(written: str) -> float:
    return float(re.sub("[,_]", "", written))


def is_among(written: str, computed: np.ndarray) -> bool:
    """Return whether a number that was computed, or as many per cent, rounds to the one that is written."""
    decimals = len(written.partition(".")[2])
    return bool(np.isclose(np.round(np.concatenate([computed, 100 * computed]), decimals), to_number(written)).any())


def shown_numbers(code: list[Any]) -> np.ndarray:
    """Return the numbers in the code cells and in what they show, pictures by their descriptions."""
    texts = [cell.source for cell in code]
    for output in (output for cell in code for output in cell.outputs):
        shown = [output.get("text", ""), *(output.get("data") or {}).values()]
        texts += [re.sub(r"base64,[\w+/=]+", "", text) for text in shown if isinstance(text, str)]
    return np.array([to_number(number) for text in texts for number in re.findall(NUMBER, text)])


def answers() -> np.ndarray:
    values = [np.ravel(answer.value) for answer in ANSWERS.values() if not isinstance(answer.value, str)]
    return np.abs(np.concatenate([value for value in values if value.dtype.kind in "if"]))


@pytest.mark.parametrize("path", LECTURES, ids=lambda path: path.name[:2])
def test_each_number_is_computed(path: Path) -> None:
    here = [compute() for compute in COMPUTED_HERE.get(path.name[:2], ())]
    computed = np.concatenate([shown_numbers(run(path).code), answers(), here])
    made_up = [number for number in written_numbers(markdown(path)) if not is_among(number, computed)]
    assert made_up == []


@pytest.mark.parametrize("planted", ["It falls 8137-fold.", "About 0.7312.", "That is 48.7 %.", "$4\\,097$ rows"])
def test_a_number_that_nothing_computes_is_found(planted: str) -> None:
    (number,) = written_numbers(planted)
    computed = np.array([8136.2, 0.7311, 0.4834, 4096.0])
    assert not is_among(number, computed)
    assert is_among(number, np.append(computed, to_number(number)))
