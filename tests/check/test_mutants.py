"""The mutation test of the checker, in small (benchmarks/mutants.py is the whole), and tests of the mutator."""

from __future__ import annotations

import ast
import sys
from typing import Any

import numpy as np
import pytest

from helpers.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
from mutation.explain import explain
from mutation.judge import Draw, Subject, difference, judge, quiet, verdict
from mutation.mutate import Mutant, mutants, watches
from mutation.subjects import SUBJECTS

BY_NAME = {subject.name: subject for subject in SUBJECTS}
EVERY = 50


@pytest.mark.parametrize("name", BY_NAME)
def test_the_checker_passes_what_is_not_mutated(name: str) -> None:
    subject = BY_NAME[name]
    with quiet():
        assert verdict(subject, subject.target) == ""
        assert difference(subject, subject.target, 3) == 0


@pytest.mark.slow
def test_no_mutant_of_a_sample_survives(corpus_seed: int) -> None:
    made = [(subject, mutant) for subject in SUBJECTS for mutant in mutants(subject.target)]
    assert len(made) >= 1000
    sample = made[corpus_seed % EVERY :: EVERY]
    found = [(subject.name, str(mutant), judge(subject, mutant, naming=False)) for subject, mutant in sample]
    assert [line for line in found if line[2].status not in ("killed", "equivalent")] == []
    assert sum(line[2].status == "killed" for line in found) > 0.8 * len(found)


# ---- the mutator ------------------------------------------------------------------------------------


def sources(text: str) -> dict[str, str]:
    """The mutants of a one-line function body: the body's text → the kind."""
    (tree,) = ast.parse(f"def f(x, y):\n    {text}\n").body
    assert isinstance(tree, ast.FunctionDef)
    return {mutant.source.split("\n    ", 1)[1]: mutant.kind for mutant in mutants(tree)}


def test_all_mutants_of_a_difference() -> None:
    assert sources("return x - y") == {
        "pass": "statement dropped",
        "return x + y": "operator",
        "return x * y": "operator",
        "return x / y": "operator",
        "return x ** y": "operator",
        "return x @ y": "operator",
        "return x": "term dropped",
        "return -y": "term dropped",
        "return y - x": "operands swapped",
        "return -(x - y)": "minus added",
        "return y - y": "name",
        "return -x - y": "minus added",
        "return x.T - y": "transpose added",
        "return x - x": "name",
        "return x - -y": "minus added",
        "return x - y.T": "transpose added",
    }


@pytest.mark.parametrize(
    ("text", "expected", "kind"),
    [
        ("return 2 * x", "return 2.01 * x", "constant"),
        ("return 2 * x", "return 1 * x", "constant"),
        ("return 2 * x", "return x", "factor dropped"),
        ("return x.T @ y", "return x @ y", "transpose dropped"),
        ("return x @ y", "return (x @ y).T", "transpose added"),
        ("return x @ y", "return y @ x", "operands swapped"),
        ("return x.sum(axis=0)", "return x.mean(axis=0)", "function"),
        ("return x.sum(axis=0)", "return x.sum(axis=1)", "axis"),
        ("return x.sum(axis=0)", "return x.sum(axis=None)", "axis"),
        ("return x.sum(axis=0)", "return x.sum()", "keyword dropped"),
        ("return x.sum(axis=0)", "return x", "call dropped"),
        ("return x.sum(axis=0, keepdims=True)", "return x.sum(axis=0, keepdims=False)", "flag"),
        ("return np.maximum(x, y)", "return np.minimum(x, y)", "function"),
        ("return np.outer(x, y)", "return np.outer(y, x)", "arguments swapped"),
        ("return (x, y)", "return (y, x)", "elements swapped"),
        ("return (x, y)", "return (x, x)", "element duplicated"),
        ("return (x, y)", "return (x,)", "element dropped"),
        ("return {'a': x, 'b': y}", "return {'a': y, 'b': x}", "elements swapped"),
        ("return x['a'] + y['b']", "return x['b'] + y['b']", "key"),
        ("return x > 0", "return x >= 0", "comparison"),
        ("return -x", "return x", "minus dropped"),
        ("return x[1:]", "return x[:]", "slice"),
        ("return x[y]", "return x[y + 1]", "index"),
        ("return x[:, None]", "return x[None, :]", "elements swapped"),
        ("x += y", "x = y", "accumulation dropped"),
        ("x += y", "x -= y", "operator"),
        ("return x if y else -x", "return -x", "condition"),
        ("a, b = (x, y)", "b, a = (x, y)", "elements swapped"),
    ],
)
def test_mutants_of_each_kind(text: str, expected: str, kind: str) -> None:
    assert sources(text).get(expected) == kind


def test_a_mutant_differs_from_the_original_and_from_the_others() -> None:
    for subject in SUBJECTS[::10]:
        texts = [mutant.source for mutant in mutants(subject.target)]
        assert len(set(texts)) == len(texts)
        for text in texts:
            compile(text, subject.name, "exec")


# ---- the judge --------------------------------------------------------------------------------------


def double(x: Any) -> Any:
    return 2.0 * x


def lenient(passes: bool) -> Subject:
    """A subject with a checker that passes everything, or nothing."""

    class Found:
        passed = passes
        status, headline = "wrong", "no"

    def run(function: Any, case: Any) -> Any:
        return function(case)

    return Subject("double", double, lambda draw: [draw.normal(3)], lambda function, case: Found, run)


def mutant_of(function: Any, after: str) -> Mutant:
    (found,) = [mutant for mutant in mutants(function) if mutant.source.endswith(f"return {after}")]
    return found


def test_a_wrong_mutant_that_passes_has_survived() -> None:
    assert judge(lenient(True), mutant_of(double, "2.01 * x")).status == "survived"
    assert judge(lenient(False), mutant_of(double, "2.01 * x")).status == "killed"


def test_an_equivalent_mutant_is_told_with_its_reason() -> None:
    mutant = mutant_of(double, "2.0 * x.T")
    assert judge(lenient(True), mutant).status == "equivalent"
    assert judge(lenient(False), mutant).rejected
    assert explain(lenient(True), mutant) == "a number or a vector is its own transpose"


def test_a_crash_of_the_checker_is_told() -> None:
    def crash(function: Any, case: Any) -> Any:
        raise ZeroDivisionError("no verdict")

    subject = Subject("double", double, lambda draw: [1.0], crash, lambda function, case: function(case))
    outcome = judge(subject, mutant_of(double, "x"))
    assert outcome.status == "crashed"
    assert outcome.note.endswith("ZeroDivisionError: no verdict")


def test_watching_runs_the_original() -> None:
    seen = []

    def watch(old: Any, new: Any) -> Any:
        seen.append((old(), new()))
        return old()

    for text, source in watches(double, mutant_of(double, "2.0 * -x")):
        space: dict[str, Any] = {"__watch__": watch}
        exec(source, space)
        assert space["double"](3.0) == 6.0
        assert text in ("x", "2.0 * x")
    assert seen == [(3.0, -3.0), (6.0, -6.0)]


def test_checked_inputs_have_different_sizes() -> None:
    for seed in range(20):
        sizes = Draw(seed, checked=True).sizes(4)
        assert len(set(sizes)) == 4
        assert min(sizes) > 1
    assert np.array_equal(Draw(1).normal(3), Draw(1).normal(3))
