"""Layers in the styles in which people write them: right ones pass, a few of the faults planted in them fail.

`benchmarks/wild.py` asks about all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpus.wild import WILD, Case
from nnkit.check import check_backward, check_gradient

RIGHT = [case for case in WILD if case.style != "jax_rules"]  # each of those compiles
FAULTY = [next(case for case in WILD if case.style == style) for style in ("engines", "scratch", "stateful")]


@pytest.mark.parametrize("case", RIGHT, ids=str)
def test_a_right_layer_passes(case: Case, tmp_path: Path) -> None:
    assert case.ask(np.random.default_rng(0), tmp_path)()


@pytest.mark.parametrize("case", FAULTY, ids=str)
def test_a_planted_fault_fails(case: Case, tmp_path: Path) -> None:
    verdict = case.ask(np.random.default_rng(0), tmp_path, case.faults[-1])()
    assert verdict.status in ("wrong", "error")


def repeat_forward(x: Any, times: Any) -> Any:
    return x.repeat(times), times


def repeat_backward(dout: Any, times: Any) -> Any:
    return dout.reshape(-1, times).sum(axis=1)


def scale_forward(x: Any, s: Any) -> Any:
    return x * s, s


def scale_backward(dout: Any, s: Any) -> Any:
    return dout * s


def test_an_option_may_be_the_cache() -> None:
    x = np.random.default_rng(0).standard_normal(4)
    assert check_backward((repeat_forward, repeat_backward), x, 2)
    assert check_backward((repeat_forward, repeat_backward), x, times=2)
    assert check_backward((scale_forward, scale_backward), x, s=2.5)
    assert check_backward((scale_forward, scale_backward), x, x + 1, wrt="x")
    assert not check_backward((scale_forward, lambda dout, s: dout), x, s=2.5).passed


def two_outputs(x: Any, k: Any) -> Any:
    return x * k, x + k


def test_an_option_beside_two_outputs_is_no_cache() -> None:
    x = np.random.default_rng(0).standard_normal(4)
    assert check_backward((two_outputs, lambda da, db, k: da * k + db), x, 2)


P = np.array([0.2, 0.9, 0.6, 0.35])


@pytest.mark.parametrize(
    "log",
    [
        lambda p: np.log(np.clip(p, 1e-12, 1 - 1e-12)),
        lambda p: np.log(np.maximum(p, 1e-7)),
        lambda p: np.log(np.clip(p, 1e-9, None)),
    ],
)
def test_a_guarded_logarithm_is_meant_for_probabilities(log: Any) -> None:
    for seed in range(4):
        assert check_gradient(lambda p: (np.sum(log(p)), 1 / p), P, rng=seed)


@pytest.mark.parametrize(
    "function", [lambda x: np.maximum(x, 0), lambda x: np.clip(x, 0, 1), lambda x: np.where(x > 0, x, 0.1 * x)]
)
def test_a_missing_mask_is_seen_where_all_inputs_lie_on_one_side(function: Any) -> None:
    assert not check_gradient(lambda x: (np.sum(function(x) ** 2), 2 * x), P).passed


def test_a_chain_of_products_of_several_shapes_is_explained_or_left_nameless(tmp_path: Path) -> None:
    case = next(case for case in WILD if str(case) == "networks.column_examples")
    assert case.ask(np.random.default_rng(1), tmp_path, case.faults[-1])().status == "wrong"
