"""Hostile submissions of ps1: none gains points, reaches a target, or harms other submissions.

Attacks on the sandbox run in both kinds of sandbox, each followed by an honest exercise. The others run in one of them,
in turn; honest submissions follow them all. With NNKIT_ATTACKS=every, each runs in both kinds, started by root and by
an ordinary user; NNKIT_ATTACKS=container,container-bare names others.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from every import ATTACKS, ON_THE_SANDBOX, ON_THE_TESTS
from ground import MEMORY, PATIENT, SECONDS, Arena, Fork, Graded, Ground
from hostile import HONEST, Attack, honest, written

from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.examiner.examiner import examine_submission
from nnkit_grader.intake.submission import Submission
from nnkit_grader.intake.submitted_cell import SubmittedCell

pytestmark = pytest.mark.escape
WANTED = os.environ.get("NNKIT_ATTACKS", "").replace("every", "bwrap,kernel,bwrap-ordinary,kernel-ordinary")
EVERY = bool(WANTED)
KINDS = tuple(WANTED.split(",")) if EVERY else ("bwrap", "kernel")
CASES = [(attack, KINDS) for attack in ON_THE_SANDBOX]
CASES += [(attack, KINDS if EVERY else (KINDS[number % 2],)) for number, attack in enumerate(ON_THE_TESTS)]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("ground"))
    with made.open:
        yield made


@pytest.fixture(scope="module")
def arenas(ground: Ground) -> Iterator[list[Arena]]:
    """Give one arena of each kind; an attack runs in both at the same time."""
    with contextlib.ExitStack() as opened:
        yield [opened.enter_context(contextlib.closing(Arena(kind, ground))) for kind in KINDS]


@pytest.mark.parametrize(("attack", "kinds"), CASES, ids=[attack.name for attack, _ in CASES])
def test_an_attack_gains_nothing_and_costs_nobody_anything(
    arenas: list[Arena], attack: Attack, kinds: tuple[str, ...], tmp_path: Path
) -> None:
    arenas = [arena for arena in arenas if arena.situation in kinds]
    begun = [arena.grade(handed_in(attack, arena, tmp_path / arena.situation)) for arena in arenas]
    for arena, graded in [(arena, fork.graded()) for arena, fork in zip(arenas, begun)]:
        complaints = gained(attack, graded) + arena.ground.complaints(graded.seen())
        assert complaints == [], arena.situation
        assert arena.neighbour_is_well(), arena.situation
    if attack in ON_THE_SANDBOX:
        for arena, fork in [(arena, arena.grade_an_honest_exercise()) for arena in arenas]:
            after = fork.graded()
            assert (after.score, after.events()) == (HONEST, []), arena.situation
    assert all(arena.is_alone_with_its_neighbour() for arena in arenas)


def gained(attack: Attack, graded: Graded) -> list[str]:
    """Return sentences on what an attack gained, and on what it did to the examiner."""
    if graded.result is None:
        return [graded.ended]
    told = [] if graded.score == attack.score else [f"it scores {graded.score} in place of {attack.score}"]
    told += [] if bool(graded.result["refused"]) == attack.refused else [f"refused: {graded.result['refused']!r}"]
    told += [] if graded.memory < MEMORY else [f"the examiner needed {graded.memory / 2**20:.0f} MiB"]
    told += ["a hidden test was read"] if "HIDDEN TESTS" in graded.seen() else []
    return told


def test_a_whole_class_of_honest_submissions_follows(arenas: list[Arena], tmp_path: Path) -> None:
    (tmp_path / "ps1.ipynb").write_bytes(honest())
    for fork in [arena.grade(tmp_path, PATIENT) for arena in arenas for _ in range(3)]:
        graded = fork.graded()
        assert (graded.score, graded.events()) == (38.0, [])


def handed_in(attack: Attack, arena: Arena, folder: Path) -> Path:
    folder.mkdir()
    (folder / "ps1.ipynb").write_bytes(written(attack, arena.places()))
    if attack.folder:
        attack.folder(folder, arena.places())
    return folder


@pytest.mark.parametrize("kind", ["SystemExit", "BaseException", "GeneratorExit", "KeyboardInterrupt"])
def test_what_an_answer_raises_in_a_given_cell_ends_no_examiner(arenas: list[Arena], kind: str) -> None:
    cells = [
        ("answer", "answer", "def f():\n    return 1"),
        ("given", "given", "f()"),
        ("test", "test", "assert f() == 1"),
        ("other", "answer", "a = 1"),
        ("test-other", "test", "assert a == 1"),
    ]
    course = Assignment("ps", "ps", tuple(CourseCell(id, id, kind, text, text, 1.0) for id, kind, text in cells))
    sources = {id: text for id, _, text in cells} | {"answer": f"def f():\n    raise {kind}"}
    theirs = Submission(tuple(SubmittedCell(id, kind, "code", sources[id]) for id, kind, _ in cells))
    graded = Fork(lambda: examine_submission(course, theirs, arenas[0].start, 1, SECONDS).to_json(), 30.0).graded()
    assert (graded.score, graded.events()) == (1.0, [])


def test_there_are_many_attacks_and_each_says_what_it_tries() -> None:
    assert len(ATTACKS) == len({attack.name for attack in ATTACKS}) >= 60
    assert all(attack.tries.endswith(".") for attack in ATTACKS)
