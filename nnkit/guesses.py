"""Predictions in lectures and assignments: a wrong guess gets words first, and the number only after a second try."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from nnkit.check.evidence.unfilled_guess import holds_none
from nnkit.check.verdict import Verdict


@dataclass(frozen=True)
class Answer:
    """The answer to one prediction: a number, a list of numbers, a word, or several in any order."""

    value: Any
    rtol: float = 1e-6
    """The tolerance, relative to each entry: as exact as the text asks for."""
    any_order: bool = False
    is_choice: bool = False
    """The number only says which one is chosen: no guess is too high or too low."""


ANSWERS = {
    # 00 start here
    "f(1.01)": Answer(4.0501, 1e-3),
    # 01 computational graphs
    "f at x = 3": Answer(-32),
    "df/dx, df/dy, df/dz": Answer([-4, -4, 3]),
    "what add sends down": Answer([2, 2]),
    "what multiply sends down": Answer([15, 10]),
    "what max sends down": Answer([0, 9]),
    "what copy sends down": Answer(6),
    "the gradients of the circuit": Answer([-8, 6, 2, 0]),
    "df/d(1+exp)": Answer(-0.5344, 0.02),
    "paths from x to f": Answer(3),
    "W after one update": Answer(4.6),
    "the limit of step_size": Answer(1),
    "the topological order": Answer("b"),
    # 02 the sigmoid gate
    "the largest slope of σ": Answer(0.25, 0.05),
    "what the box sends down": Answer(0.1966, 0.01),
    "what σ sends down": Answer(0.18),
    "dw of the neuron": Answer([-0.1966, -0.3932, 0.1966], 0.01),
    "dx of the neuron": Answer([0.3932, -0.5898], 0.01),
    "how many are nan": Answer(2),
    "what tanh sends down": Answer(1.5),
    "examples with different signs": Answer(0),
    "dx of the ReLU": Answer([4, 0, 5, 0]),
    "what leaky ReLU sends down": Answer(0.3),
    "what ELU sends down": Answer(0.7358, 0.01),
    "what maxout sends down": Answer([0, 7, 5, 0]),
    "what gets through five sigmoids": Answer(1 / 1024, 0.03),
    "the dead ReLUs": Answer([1, 4], any_order=True),
    "never saturated": Answer(["LeakyReLU", "Maxout"], any_order=True),
    # 03 Jacobians
    "the shape of the Jacobian": Answer([3, 5]),
    "entries that are not 0": Answer(2),
    "the diagonal ones": Answer(["tanh", "double"], any_order=True),
    "megabytes": Answer(64, 0.05),
    "dx of W x": Answer([17, 14, -28]),
    "times more work": Answer(500, 0.01),
    "dq": Answer([0.44, 0.52]),
    "the line for dW": Answer("d"),
    "the line for dx": Answer("b"),
    "the first row of dx": Answer([0, 16, -9]),
    "the shape of dw": Answer([5, 3]),
    "the shape of its Jacobian": Answer([7, 3, 5, 3]),
    "the factors of dw": Answer([2, 1]),
    "db": Answer([9, 4]),
    "the shape of the difference": Answer([4, 4]),
    "the probabilities": Answer([0.1, 0.2, 0.7]),
    "the average": Answer(0.05),
    "dscores": Answer([0.1, -0.8, 0.7]),
    # 04 neural networks
    "the shapes of W1 and W2": Answer([100, 3072, 10, 100]),
    "how many matrices are needed": Answer(1),
    "the parameters of 3 → 4 → 4 → 1": Answer(41),
    "the shape of grad_h": Answer([64, 100]),
    "updates in an epoch": Answer(10),
    "the change of W": Answer(-1),
    "the first loss": Answer(2.3026, 0.02),
    "the best of the four": Answer(3, is_choice=True),
    "the gradient of the whole loss": Answer([0.5, 0.4]),
    "the parameters of 64 → 50 → 10": Answer(3760),
    # 05 JAX and the GPU
    "products of two numbers": Answer(6_400_000),
    "what is left of 0.00000001": Answer(0),
    "how often the Python lines ran": Answer(2),
    "forward passes": Answer(198),
    "the slope at 1000": Answer("nan"),
    "the slope of round": Answer(0),
    "what scan keeps": Answer([2, 10, -30]),
    "the shape of the result": Answer([1000, 300]),
    "calls until it pays": Answer(100),
    "times as fast": Answer(1.098, 0.01),
    # assignments
    "what reaches x": Answer(15),
    "what comes down": Answer(3),
    "what reaches the first score": Answer(0),
}
"""The answers by name; a test computes each."""

_wrong_guesses: dict[str, set[str]] = {}
"""The wrong guesses that were made in this session, by name."""


def check_guess(guess: Any, name: str) -> Verdict:
    """Return the verdict on a guess at the prediction of this name.

    A wrong guess hears what is wrong with it: its shape, its order, its sign, or which entries are too high or too low.
    The answer itself is shown from the second different guess on.
    """
    answer = ANSWERS[name]
    if holds_none(guess):
        return Verdict("", "not attempted", "Your guess goes in place of None.", mistakes=("not-attempted",))
    wrong = _describe_wrong(guess, answer)
    if not wrong:
        return Verdict(name, "right", "right.")
    tried = _wrong_guesses.setdefault(name, set())
    tried.add(repr(guess))
    ending = "Try once more." if len(tried) == 1 else f"The answer is {_write(answer.value)}."
    return Verdict(name, "wrong", f"{wrong}. {ending}")


def _describe_wrong(guess: Any, answer: Answer) -> str:
    """Return what is wrong with a guess, in words without the answer; "" for a right one."""
    if answer.any_order:
        return _compare_members(guess, answer.value)
    if isinstance(answer.value, str):
        return _compare_words(guess, answer.value)
    wanted = np.asarray(answer.value, dtype=float)
    try:
        given = np.array(_read_numbers(guess), dtype=float)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return f"not this kind: {_describe_kind(wanted)} is wanted"
    if given.size == wanted.size == 1:  # [6] for 6 is a matter of taste
        given = given.reshape(wanted.shape)
    if given.shape != wanted.shape:
        return f"not this shape: {_describe_kind(wanted)} is wanted"
    room = answer.rtol * np.abs(wanted) + 1e-12
    wrong = _compare_numbers(given, wanted, room)
    return "not that one" if wrong and answer.is_choice else wrong


def _read_numbers(guess: Any) -> Any:
    """Return a guess with numbers in place of texts such as "1/4" or "-4, -4, 3". Raises ValueError for others."""
    if isinstance(guess, str):
        text = guess.strip(" ()[]")
        parts = [_read_number(part) for part in _split(text, text.split())]
        return parts if len(parts) != 1 else parts[0]
    return [_read_numbers(part) for part in guess] if isinstance(guess, list | tuple) else guess


def _read_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float(Fraction(text))


def _split(text: str, otherwise: list[str]) -> list[str]:
    """Return the parts of a text with commas, semicolons or "and" between them; `otherwise` where it has none."""
    if not re.search(r"[,;]| and ", text):
        return otherwise
    return [part for part in re.split(r"\s*[,;]\s*|\s+and\s+", text) if part]


def _compare_words(guess: Any, value: str) -> str:
    """Return what is wrong with a guess at one word or letter."""
    while isinstance(guess, list | tuple | set) and len(guess) == 1:
        (guess,) = guess
    given = str(guess).strip(" ().:'\"").lower()
    if given == value:
        return ""
    return "a letter is wanted" if len(value) == 1 and not (len(given) == 1 and given.isalpha()) else "not that one"


def _compare_members(guess: Any, value: Collection[Any]) -> str:
    """Return how many members of a collection are missing and how many do not belong to it."""
    members, wanted = set(_read_members(guess)), set(_read_members(value))
    missing, extra = len(wanted - members), len(members - wanted)
    said = [f"{missing} missing"] * (missing > 0) + [f"{extra} too many"] * (extra > 0)
    return " and ".join(said)


def _read_members(guess: Any) -> list[str]:
    """Return the members of a list, a set, an array or a text, without capitals and spaces; 1, 1.0 and "1" are one."""
    if isinstance(guess, str):
        return [part.strip(" ()[]'\"").replace(" ", "").lower() for part in _split(guess, [guess])]
    if isinstance(guess, Iterable):
        return [member for part in guess for member in _read_members(part)]
    return [f"{guess:g}" if isinstance(guess, int | float | np.number) else str(guess).lower()]


def _compare_numbers(given: np.ndarray, wanted: np.ndarray, room: np.ndarray) -> str:
    """Return which numbers are too high or too low, or that only their order or sign is wrong."""
    near = np.abs(given - wanted) <= room
    if near.all():
        return ""
    if not np.isfinite(given).all():
        return "not a finite number"
    order = np.argsort(wanted, axis=None)
    if np.all(np.abs(np.sort(given, axis=None) - np.ravel(wanted)[order]) <= np.ravel(room)[order]):
        return "the right numbers, but in another order"
    if np.all(np.abs(-given - wanted) <= room):
        return "right but for the sign" + "s" * (given.size > 1)
    words = np.where(near, "right", np.where(given > wanted, "too high", "too low"))
    return ", ".join(words) if words.ndim else str(words)


def _describe_kind(wanted: np.ndarray) -> str:
    return f"a list of {wanted.size} numbers" if wanted.ndim else "one number"


def _write(value: Any) -> str:
    """Return an answer as the text writes it: 6,400,000 or [0.1, −0.8, 0.7]."""
    if isinstance(value, list):
        return f"[{', '.join(map(_write, value))}]"
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
