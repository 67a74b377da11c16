"""No verdict claims what its own numbers refute; and a judge that says so is judged himself.

benchmarks/verdicts.py is the whole of it: 20,000 answers made at random.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from corpus.random_answers import SOURCES, RandomAnswer, make_answer, return_gradients
from corpus.right_base import Call
from helpers.conduct import refuted_conduct
from helpers.judge import Judged, ask, find_shown, list_false, split_headline
from helpers.measured import Answer
from nnkit.check import Verdict, check_backward, check_update
from nnkit.check.context import checking

PARTS = 4
EACH = 30
MEAN = "it was averaged over the batch where it must be summed"


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_no_verdict_on_a_random_answer_is_false(part: int, corpus_seed: int) -> None:
    false = []
    for seed in range(corpus_seed + part * EACH, corpus_seed + (part + 1) * EACH):
        answer = make_answer(seed)
        with checking(seconds=5):
            judged = ask(answer.source.check, answer.make())
        if judged.false:
            false.append(f"{answer.text}\n{judged.verdict}\nFALSE: {judged.false}")
    assert not false, "\n\n".join(false)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_what_is_not_changed_is_right(source: Any) -> None:
    answer = RandomAnswer(source, "unchanged", source.backward, return_gradients(source), 1)
    judged = ask(source.check, answer.make())
    assert judged.verdict.passed
    assert judged.false == ()


# ---- the judge ----------------------------------------------------------------------------------------


def answer_of(line: str, forward: str = "out = x * y", names: str = "x, y") -> Answer:
    """A gate with this backward, after a check has asked about it."""
    code = f"class Gate:\n    def forward(self, {names}):\n        {forward}\n        return out, ({names},)\n"
    code += f"    def backward(self, upstream, cache):\n        {names}, = cache\n        return {line}\n"
    space: dict[str, Any] = {"np": np}
    exec(code, space)
    rng = np.random.default_rng(2)
    inputs = [rng.normal(size=(3, 3)) + 3 for _ in names.split(",")]
    answer = Answer("check_backward", Call((space["Gate"](), *inputs)))
    recorded = answer.recorded()
    check_backward(*recorded.args)
    return answer


def judged_as(answer: Answer, mistake: str, says: str, gradient: str = "dx", why: str = "") -> list[str]:
    """What the judge finds false if the verdict on this answer names that mistake."""
    verdict = check_backward(*answer.call.args)
    changed = replace(
        verdict, mistakes=(mistake,), explained_as=(), headline=f"{gradient} is wrong: {says}.",
        explanation=(why,) if why else (),
    )  # fmt: skip
    return list_false(answer, changed)


@pytest.mark.parametrize(
    ("mistake", "says", "true", "false"),
    [
        ("sign", "the sign is wrong", "-upstream * y", "upstream * y * 1.1"),
        ("factor", "a constant factor is too much or too little", "3 * upstream * y", "upstream * y + 1"),
        ("no-upstream", "the upstream gradient was left out", "y", "y * upstream**2"),
        ("upstream-twice", "the upstream gradient was multiplied in twice", "y * upstream**2", "3 * y * upstream"),
        ("transposed", "it is the transpose of the right gradient", "(upstream * y).T", "upstream * y.T"),
        ("swapped-inputs", "the gradients of the inputs changed places", "upstream * x", "upstream * x * 2"),
        ("own-input", "each input was multiplied by itself, not by the other one", "upstream * x", "upstream * x**2"),
        ("not-filled-in", "every entry is the same number, it was not filled in", "0 * x", "np.round(x) * 0.1"),
        ("bias-mean", MEAN, "upstream * y / len(y)", "upstream * y / 7"),
        ("low-precision", "it was computed with too few digits", "np.float32(upstream * y)", "0 * x"),
        ("relu-no-mask", "the gradient passes everywhere, the mask is missing", None, "upstream"),
        ("max-to-both", "max sends the upstream gradient to both inputs", None, "upstream"),
    ],
)
def test_a_false_name_is_refuted_and_a_true_one_is_not(mistake: str, says: str, true: str, false: str) -> None:
    if true is not None:
        assert judged_as(answer_of(f"{true}, upstream * x"), mistake, says) == []
    if false is not None:
        assert any(mistake in claim for claim in judged_as(answer_of(f"{false}, upstream * x"), mistake, says))


def test_wrong_counts_and_numbers_are_refuted() -> None:
    answer = answer_of("upstream * y + np.eye(3), upstream * x")
    verdict = check_backward(*answer.call.args)
    assert list_false(answer, verdict) == []
    counted = "dx is wrong: 4 of 9 entries are off, by up to 1 (at " + verdict.where + ")."
    assert any("counts" in claim for claim in list_false(answer, replace(verdict, headline=counted)))
    far = counted.replace("4 of", "3 of").replace("up to 1", "up to 7")
    assert any("off by 7" in claim for claim in list_false(answer, replace(verdict, headline=far)))
    both = verdict.headline.replace("dx is wrong", "dx and dy are wrong")
    assert any("dy is right" in claim for claim in list_false(answer, replace(verdict, headline=both)))
    (entry, *_) = verdict.entries
    same = replace(verdict, entries=(replace(entry, expected=entry.yours),))
    assert any("is what is expected" in claim for claim in list_false(answer, same))


def test_a_wrong_gradient_that_is_not_mentioned_is_found() -> None:
    answer = answer_of("2 * upstream * y, -upstream * x")
    verdict = check_backward(*answer.call.args)
    assert list_false(answer, verdict) == []
    part = replace(verdict, headline="dx is wrong: a constant factor is too much or too little.", mistakes=("factor",))
    assert any("dy is wrong too" in claim for claim in list_false(answer, part))


def test_an_accepted_wrong_answer_is_found() -> None:
    assert list_false(answer_of("upstream * y, 2 * upstream * x"), Verdict("Gate", "right", "right.")) != []
    assert list_false(answer_of("upstream * y, upstream * x"), Verdict("Gate", "right", "right.")) == []


def test_an_update_over_which_the_wrong_sign_is_false_is_refuted() -> None:
    """1.1 against 0.9 are not each other's negatives."""
    w, g = {"w": np.array([[1.0, 2.0]])}, {"w": np.ones((1, 2))}
    plus = Call((lambda w, g, s: {k: w[k] + s * g[k] for k in w}, w, g))
    verdict = replace(check_update(*plus.args), explanation=("Every entry has the right size and the wrong sign.",))
    assert any("wrong sign" in claim for claim in list_false(Answer("check_update", plus), verdict))


CONDUCT = {
    "stale-cache": ("upstream * self.last[1], upstream * x", "self.last = (x, y); out = x * y"),
    "mutated-input": ("upstream * np.multiply(y, 1, out=y), upstream * np.multiply(x, 2, out=x)", "out = x * y"),
    "not-reset": ("upstream * y * next(self.count), upstream * x", "out = x * y"),
}


@pytest.mark.parametrize("id", CONDUCT)
def test_conduct_is_tried(id: str) -> None:
    line, forward = CONDUCT[id]
    answer = answer_of(line, forward)
    answer.call.args[0].count = iter(range(1, 1000))
    assert refuted_conduct(answer, (id,)) == []
    assert refuted_conduct(answer_of("upstream * y, upstream * x"), (id,)) != []


def test_numbers_at_another_place_are_not_taken_for_those_shown() -> None:
    """Zeros come back at many places: those that are shown are where the verdict says."""
    answer = answer_of("0 * x, upstream * x")
    verdict = check_backward(*answer.call.args)
    assert find_shown(answer, verdict)[0] is not None
    note = "At x = [[7, 7, 7], [7, 7, 7], [7, 7, 7]], with upstream = 1."
    assert find_shown(answer, replace(verdict, notes=(note,)))[0] is None


def test_a_multiple_of_a_gradient_beside_a_shape_is_judged() -> None:
    answer = answer_of("upstream[0] * y[0], 3 * upstream * x")
    for times, false in (("3", False), ("4", True)):
        shape = "dx is (3,), but x is (3, 3): 1 axis is missing"
        line = f"{shape}; dy is wrong: it is {times} times what it should be."
        verdict = replace(check_backward(*answer.call.args), headline=line)
        assert any("times what it should" in claim for claim in list_false(answer, verdict)) == false
        assert not any("wrong-shape" in claim for claim in list_false(answer, verdict))


def test_a_first_line_is_read_by_gradients() -> None:
    line = "dx and dw are wrong: the sign is wrong; and it is late; db is wrong: 1 is off."
    parts = split_headline(line, ("dx", "dw", "db"))
    assert [(part.gradients, part.says) for part in parts] == [
        (("dx", "dw"), "the sign is wrong; and it is late"),
        (("db",), "1 is off"),
    ]
    parts = split_headline("dw is (3,), but w is (3, 4): 1 axis is missing; db is wrong too.", ("dx", "dw", "db"))
    assert [(part.gradients, part.says) for part in parts] == [(("dw",), "1 axis is missing"), (("db",), "")]


def test_a_judged_verdict_is_the_checks_own() -> None:
    judged = ask("check_backward", answer_of("-upstream * y, upstream * x").call)
    assert isinstance(judged, Judged)
    assert judged.verdict.mistakes == ("sign",)
    own = check_backward(*judged.answer.call.args)
    assert str(judged.verdict).partition(": ")[2] == str(own).partition(": ")[2]  # after the name of what is checked
