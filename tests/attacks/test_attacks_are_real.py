"""The same attacks with the tests run among the learner's code: there they gain what they claim."""

from __future__ import annotations

import select
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stock
from every import ATTACKS
from ground import Fork, Ground
from hostile import HONEST, Attack, written

pytestmark = pytest.mark.escape
BY_GAIN = {gain: [attack for attack in ATTACKS if attack.gains == gain] for gain in ("points", "secret", "connection")}


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    with made.open:
        yield made


def unprotected(attack: Attack, ground: Ground) -> dict[str, Any]:
    raw = written(attack, {**ground.places(), "NEIGHBOUR": str(ground.folder)})
    graded = Fork(lambda: stock.graded(raw, trusting=attack.edit is not None), limit=60.0).graded()
    assert graded.result is not None, graded.ended
    return graded.result


@pytest.mark.parametrize("attack", BY_GAIN["points"], ids=lambda attack: attack.name)
def test_it_gains_points_without_an_examiner(attack: Attack, ground: Ground) -> None:
    assert unprotected(attack, ground)["score"] > HONEST


@pytest.mark.parametrize("attack", BY_GAIN["secret"], ids=lambda attack: attack.name)
def test_it_reads_a_secret_without_a_sandbox(attack: Attack, ground: Ground) -> None:
    shown = unprotected(attack, ground)["shown"]
    assert ground.secret in shown or "HIDDEN TESTS" in shown


@pytest.mark.parametrize("attack", BY_GAIN["connection"], ids=lambda attack: attack.name)
def test_it_connects_without_a_sandbox(attack: Attack, ground: Ground) -> None:
    unprotected(attack, ground)
    ready, _, _ = select.select(ground.listeners, [], [], 0)
    assert ready


def test_an_honest_exercise_has_its_points_there_too(ground: Ground) -> None:
    honest = Attack("nothing", "Tries nothing.")
    assert unprotected(honest, ground)["score"] == HONEST


def test_many_attacks_are_known_to_be_real() -> None:
    assert len(BY_GAIN["points"]) >= 14
    assert len(BY_GAIN["secret"]) >= 8
