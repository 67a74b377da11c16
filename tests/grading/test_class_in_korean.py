"""A class graded for learners and a TA who read Korean: the scores of the English class, and Korean sentences."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from helpers import classes
from helpers.paths import ROOT
from nnkit_grader.course import release as courses
from nnkit_grader.record.journal import Journal
from nnkit_grader.translation.package_sentences import find_sentences

pytestmark = pytest.mark.slow

TEST_TRIPLE = "from nnkit.check import check_value\n\ncheck_value(triple(2.0), 6.0)"
OWN_CHECK = "from nnkit.check import check_value\n\nprint(check_value(2.0, 3.0))\n"
ANSWERS = {
    "right": classes.RIGHT,
    "wrong": {**classes.RIGHT, "double": "def double(x):\n    return x", "triple": "def triple(x):\n    return x"},
    "own": {**classes.RIGHT, "double": f"{OWN_CHECK}{classes.DOUBLE}"},
    "english": {**classes.RIGHT, "triple": "def triple(x):\n    return x"},
}
KOREAN = re.compile("[가-힣]")


class GradedClass(NamedTuple):
    """A course folder with a graded class, and what `nnkit autograde` printed."""

    folder: Path
    said: str

    def read_page(self, student: str) -> str:
        assert courses.open_api(self.folder).generate_feedback(classes.NAME, student, force=True)["success"]
        return (self.folder / "feedback" / student / classes.NAME / f"{classes.NAME}.html").read_text(encoding="utf-8")


def nnkit(folder: Path, language: str, *words: str) -> str:
    """Run a command as a person does whose system speaks this language; return what it printed."""
    environment = {**os.environ, "NNKIT_LANG": language, "LANG": "ko_KR.UTF-8" if language == "ko" else "C.UTF-8"}
    command = [sys.executable, "-m", "nnkit.cli", *words, "--course", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> GradedClass:
    folder = classes.course(tmp_path_factory.mktemp("english") / "course")
    classes.write_solution(folder, classes.notebook(TEST_TRIPLE))
    for student, answers in ANSWERS.items():
        classes.hand_in(folder, student, answers)
    classes.hand_in_bytes(folder, "cut", b'{"cells": [')
    return GradedClass(folder, nnkit(folder, "en", "autograde", classes.NAME))


@pytest.fixture(scope="module")
def korean(english: GradedClass, tmp_path_factory: pytest.TempPathFactory) -> GradedClass:
    """The same class, of which all but one read Korean."""
    folder = shutil.copytree(english.folder, tmp_path_factory.mktemp("korean") / "course")
    lines = [f"{student},ko" for student in (*ANSWERS, "cut") if student != "english"]
    (folder / "students.csv").write_text("\n".join(["id,language", *lines]))
    return GradedClass(folder, nnkit(folder, "ko", "autograde", classes.NAME))


def test_scores_are_those_of_the_english_class(english: GradedClass, korean: GradedClass) -> None:
    scores = courses.read_scores(english.folder, classes.NAME)
    assert scores == courses.read_scores(korean.folder, classes.NAME)
    assert {courses.sum_points(points) for points in scores.values()} == {0.0, 2.0, 5.0}
    mistakes = [
        {(entry.student, cell.id): [verdict["mistakes"] for verdict in cell.verdicts]
         for entry in Journal(one.folder, classes.NAME).read_entries() for cell in entry.result.cells}
        for one in (english, korean)
    ]  # fmt: skip
    assert mistakes[0] == mistakes[1]


def test_a_changed_language_has_a_submission_graded_again_and_the_others_left(korean: GradedClass) -> None:
    assert "4 submissions graded" in korean.said
    assert "1 submission already graded" in korean.said
    languages = {entry.student: entry.result.language for entry in Journal(korean.folder, classes.NAME).read_entries()}
    assert languages == {**dict.fromkeys([*ANSWERS, "cut"], "ko"), "english": "en"}
    assert "5 submissions already graded" in nnkit(korean.folder, "ko", "autograde", classes.NAME)


def test_feedback_is_in_the_learners_language(korean: GradedClass) -> None:
    """The frame, the verdicts, what was repaired, and the line in place of hidden tests."""
    page = korean.read_page("wrong")
    assert '<html lang="ko">' in page
    assert "(점수: 0.0 / 3.0)" in page
    assert "제출한 답" in page
    assert "숨은 테스트 1줄" in page
    for word in ("Score:", "Student's answer", "(Top)", "Grade cell", "hidden test", "should be"):
        assert word not in page
    assert "제출물은 실행하지 않았으며" in korean.read_page("cut")
    other = korean.read_page("english")
    assert '<html lang="en">' in other
    assert "(Score: 0.0 / 3.0)" in other
    assert not KOREAN.search(other)


def test_the_report_is_in_the_language_of_the_ta(english: GradedClass, korean: GradedClass) -> None:
    """Its words are; the headings of CSV files, which programs match, are the same in both."""
    sources = (ROOT / "grader/nnkit_grader/report").glob("*.py")
    words = {
        one.text for path in sources for one in find_sentences(path.read_text()) if re.search(r"^\w+ [^{]+$", one.text)
    }
    shown, heads = [], []
    for one, language in ((english, "en"), (korean, "ko")):
        nnkit(one.folder, language, "report", classes.NAME)
        folder = one.folder / "report" / classes.NAME
        page = (folder / "index.html").read_text(encoding="utf-8")
        assert f'<html lang="{language}">' in page
        shown.append({word for word in words if f">{word}<" in page or f'="{word}"' in page})
        heads.append({path.name: path.read_text().splitlines()[0] for path in folder.glob("*.csv")})
    assert len(shown[0]) > 20
    assert shown[1] == set()
    assert heads[0] == heads[1]


def test_a_learners_own_check_speaks_their_language(english: GradedClass, korean: GradedClass) -> None:
    """It runs in the sandbox, which knows nothing of the grader's environment."""
    said = []
    for one in (english, korean):
        written = json.loads((one.folder / "autograded" / "own" / classes.NAME / f"{classes.NAME}.ipynb").read_text())
        (cell,) = [cell for cell in written["cells"] if cell["id"] == "double"]
        said.append("".join(output.get("text", "") for output in cell["outputs"]))
    assert "✗" in said[0]
    assert not KOREAN.search(said[0])
    assert KOREAN.search(said[1])


def test_without_a_language_of_their_own_learners_get_the_assignments(english: GradedClass, tmp_path: Path) -> None:
    """As in a translated course, here graded by a TA whose system speaks English."""
    folder = shutil.copytree(english.folder, tmp_path / "course")
    written = classes.notebook(TEST_TRIPLE)
    classes.write_solution(folder, {**written, "metadata": {**written["metadata"], "nnkit": {"language": "ko"}}})
    nnkit(folder, "en", "autograde", classes.NAME, "--student", "wrong")
    page = GradedClass(folder, "").read_page("wrong")
    assert '<html lang="ko">' in page
    assert "(점수: 0.0 / 3.0)" in page
