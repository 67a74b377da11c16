"""Sentences in other languages: which language is spoken, and what is looked up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nnkit.korean import choose_particles
from nnkit.language import current_language, read_notebook_language, say, say_count, speaking

VARIABLES = ("NNKIT_LANG", "JPY_SESSION_NAME", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


def ask_new_process(program: str, **environ: str) -> str:
    """Return what a program prints in an environment without any language but these."""
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", program], env={**clean, **environ}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_english_fills_placeholders_and_leaves_text_without_values_alone() -> None:
    assert say("{name} is {error:.3g}", name="dx", error=0.12345) == "dx is 0.123"
    assert say("a set {1, 2}") == "a set {1, 2}"
    assert say("") == ""
    forms = [say_count("{number} entry of {name}", "{number} entries of {name}", n, name="dx") for n in (1, 2)]
    assert forms == ["1 entry of dx", "2 entries of dx"]


def test_a_block_speaks_its_own_language() -> None:
    assert current_language() == "en"
    with speaking("ko_KR.UTF-8"):
        assert current_language() == "ko"
        assert say("right") == "맞음"
        assert say("") == ""
        assert say("no sentence of the catalogue: {name}", name="x") == "no sentence of the catalogue: x"
        with speaking("xx"):
            assert current_language() == "en"
        with speaking("en"):
            assert say("right") == "right"
    assert say("right") == "right"


def test_sentences_of_numbers_have_a_form_in_korean() -> None:
    with speaking("ko"):
        forms = [
            say_count(
                "{number} point sits on a kink: there, any slope between the two sides is accepted.",
                "{number} points sit on kinks: there, any slope between the two sides is accepted.",
                number,
            )
            for number in (1, 3)
        ]
    assert [form[:2] for form in forms] == ["점 ", "점 "]
    assert ["1개" in forms[0], "3개" in forms[1]] == [True, True]


@pytest.mark.parametrize(
    ("variable", "spoken"),
    [("ko", "ko"), ("KO", "ko"), ("ko_KR.UTF-8", "ko"), ("xx", "en"), ("../ko", "en"), ("en", "en"), ("korean", "en")],
)
def test_the_variable_chooses(monkeypatch: pytest.MonkeyPatch, variable: str, spoken: str) -> None:
    monkeypatch.setenv("NNKIT_LANG", variable)
    assert current_language() == spoken


def test_the_notebook_comes_before_the_system_and_the_variable_before_both(tmp_path: Path) -> None:
    program = "from nnkit.language import current_language; print(current_language())"
    notebook = tmp_path / "a.ipynb"
    notebook.write_text(json.dumps({"metadata": {"nnkit": {"language": "ko"}}}))
    assert ask_new_process(program) == "en"
    assert ask_new_process(program, LANG="ko_KR.UTF-8") == "ko"
    assert ask_new_process(program, LANG="ko_KR.UTF-8", LC_ALL="C") == "en"
    assert ask_new_process(program, JPY_SESSION_NAME=str(notebook), LANG="en_GB.UTF-8") == "ko"
    assert ask_new_process(program, JPY_SESSION_NAME=str(notebook), NNKIT_LANG="en") == "en"
    assert ask_new_process(program, JPY_SESSION_NAME=str(tmp_path / "renamed.ipynb")) == "en"


@pytest.mark.parametrize("own", [None, "ko", {}, {"language": 3}, {"language": "../ko"}, {"language": ""}])
def test_other_metadata_name_no_language(own: object) -> None:
    assert read_notebook_language({"nnkit": own}) == ""


def test_english_loads_no_catalogue() -> None:
    program = "import sys; from nnkit.language import say; say('right'); print('gettext' in sys.modules)"
    assert ask_new_process(program, LANG="C.UTF-8") == "False"
    assert ask_new_process(program, LANG="ko_KR.UTF-8") == "True"


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("dx은(는) 0, db을(를) x(으)로", "dx는 0, db를 x로"),
        ("w.T이(가) 아니라 `exp(x)`이(가)", "w.T가 아니라 `exp(x)`가"),
        ("축 1을(를) 따라, 축 3(으)로, [2, 2]과(와) 10과(와)", "축 1을 따라, 축 3으로, [2, 2]와 10과"),
        ("dl(으)로, 축 8(으)로, 손실(으)로, 값(으)로", "dl로, 축 8로, 손실로, 값으로"),
        ("기울기을(를) 평균은(는)", "기울기를 평균은"),
        ("forward은(는) upstream을(를) out이(가) None이(가)", "forward는 upstream을 out이 None이"),
        ("what은(는) …이(가)", "what은(는) …이(가)"),
    ],
)
def test_korean_particles_follow_the_sound_before_them(text: str, chosen: str) -> None:
    assert choose_particles(text) == chosen


def test_particles_of_a_filled_sentence_are_chosen_in_korean_only() -> None:
    sentence = "{name} is None: not attempted yet, or the `return` is missing."
    with speaking("ko"):
        assert say(sentence, name="dx").startswith("dx의 결과가 None입니다.")
        assert say("{name}을(를)", name="dx") == "dx를"
    assert say("{name}을(를)", name="dx") == "dx을(를)"
