"""The grader's verbs in the wrong place, or with a wrong name: a sentence that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.made import ANSWER, TEST, made
from helpers.paths import ROOT
from nnkit import cli
from nnkit_grader.autograde import format_summary
from nnkit_grader.course import release
from nnkit_grader.run import GradingRequest
from nnkit_grader.workers.run_summary import RunSummary

NAMES = release.list_assignments(ROOT)


@pytest.mark.parametrize(
    "words",
    [
        *(["release"], ["verify"], ["verify", "hw"], ["autograde", "hw"], ["report"], ["report", "hw"], ["bundle"]),
        *(["demo", "hw"], ["demo-class", "hw"]),
    ],
)
def test_each_verb_says_that_a_folder_is_no_course(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.md").write_text("A file.")
    for folder in (tmp_path, tmp_path / "README.md", tmp_path / "nowhere"):
        assert cli.main([*words, "--course", str(folder)]) == 2
        told = capsys.readouterr().err
        assert told == f"nnkit: {folder} is not a course folder: it has no nbgrader_config.py.\n"


@pytest.mark.parametrize("verb", ["verify", "autograde", "report", "demo", "demo-class"])
def test_each_verb_names_the_assignments_beside_a_misspelt_one(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "ps9", "--course", str(ROOT)]) == 2
    told = capsys.readouterr().err
    assert f"ps9: is the assignment's name right? The assignments here are: {', '.join(NAMES)}.\n" in told
    assert len(told.splitlines()) == 1


def test_what_a_course_of_ones_own_cannot_do_is_said_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made(tmp_path, ANSWER, TEST)
    for _ in ("without assignments/", "with the release in assignments/, as nnkit's own course has it"):
        assert cli.main(["bundle", "--course", str(folder)]) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"nnkit: {folder} has no notebooks: `nnkit bundle` packs nnkit's own course")
        assert "`nnkit release` writes what learners get into release/: hand that out." in told
        release.release_assignments(folder, folder / "assignments")
    monkeypatch.chdir(folder)
    assert cli.main(["report"]) == 2
    assert f"Nothing has been graded in {folder}. Run `nnkit autograde`" in capsys.readouterr().err


def test_equal_replies_are_judged_once_only_when_asked() -> None:
    parser, _ = cli.build_parser()
    assert [parser.parse_args(["autograde", "ps1", *more]).memo for more in ([], ["--memo"])] == [False, True]
    assert not GradingRequest("ps1").remembers


def test_the_summary_says_how_many_tests_did_not_run() -> None:
    known = RunSummary(total=2, graded=2, seconds=1.0, tests=28, recalled=21, remembered_bytes=1_500_000)
    sentence = "21 of 28 tests (75%) did not run: their replies had been judged before (1.5 MB of memory)."
    assert sentence in format_summary("ps1", known, Path()).splitlines()
    assert "did not run" not in format_summary("ps1", RunSummary(total=2, graded=2, seconds=1.0, tests=28), Path())
