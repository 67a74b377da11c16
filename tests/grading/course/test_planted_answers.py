"""The file of planted answers: a slip in it is found, with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nnkit_grader.course.planted_answers import list_stray_files, list_wrong_names, read_answers


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# %% exp\npass", "line 1: '# %% exp' must say style"),
        ("# a class\n\n# %% exp mistake=sign\npass", "line 3: '# %% exp mistake=sign' must say style"),
        ("# %% exp style=a loses=test-exp\npass", "line 1: '# %% exp style=a loses=test-exp' must say style"),
        ("# %% exp styl=a\npass", "line 1: '# %% exp styl=a' must say style"),
        ("# %% exp style=a lose=test-exp\npass", "line 1: 'lose=test-exp' is unknown"),
        ("# %% exp style=a and more\npass", "line 1: 'and' is unknown"),
        ("# %% exp style=a\npass\n#%% log style=b\npass", "line 3: a header begins with '# %% ' .* not as '#%% log"),
        (" # %% exp style=a\npass", "line 1: a header begins with"),
        ("## %% exp style=a\npass", "line 1: a header begins with"),
        ("# %%exp style=a\npass", "line 1: a header begins with"),
        ("# %% exp style=a\npass\n    #%% log loses=test-log\npass", "line 3: a header begins with"),
        ("import numpy\n# %% exp style=a\npass", "code above the first header"),
        ("class ExpGate:\n    pass", "code above the first header"),
        ("# %% exp style=a\n\n# %% log style=b\npass", "line 1: there is no answer below '# %% exp style=a'"),
        ("# %% exp mistake=a loses=test-exp=two\npass", "line 1: 'two' in loses= is no number of points"),
        ("# %% exp mistake=a loses=test-exp=-1\npass", "line 1: '-1' in loses= is no number of points"),
        ("# %% exp mistake=a loses=\npass", "line 1: loses= names no test cell"),
    ],
)
def test_a_file_of_answers_with_a_slip_is_refused_with_the_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "ps1_answers.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"^ps1_answers\.py(, line \d+)?: ") as refused:
        read_answers(path)
    assert re.search(told, str(refused.value))


def test_an_answer_may_have_a_comment_that_looks_like_an_editors_mark(tmp_path: Path) -> None:
    path = tmp_path / "ps1_answers.py"
    path.write_text("# %% exp style=a\ndef exp(x):\n    #%% a note\n    return x\n")
    (answer,) = read_answers(path)
    assert answer.source == "def exp(x):\n    #%% a note\n    return x"


def test_names_of_cells_that_do_not_exist_are_found_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "hw_answers.py"
    path.write_text(
        '"""Answers."""\n# %% sqare style=product\nx = 1\n'
        "# %% square mistake=foo loses=test-sqare,test-square=3\ny = 1\n# %% test-square style=none\nz = 1\n"
    )
    answers = read_answers(path)
    assert list(list_wrong_names(answers, ["square", "cube"], {"test-square": 2.0}, path)) == [
        "hw_answers.py, line 2: there is no answer cell 'sqare' (did you mean 'square'?)",
        "hw_answers.py, line 4: there is no test cell 'test-sqare', which loses= names (did you mean 'test-square'?)",
        "hw_answers.py, line 4: test-square cannot lose 3 points: it has 2",
        "hw_answers.py, line 6: there is no answer cell 'test-square' (did you mean 'square'?)",
    ]
    assert list(list_wrong_names(answers[1:2], ["square"], {"test-sqare": 2, "test-square": 3}, path)) == []


def test_a_file_of_answers_to_no_assignment_is_found(tmp_path: Path) -> None:
    for name in ("first", "frist", "unlike"):
        (tmp_path / f"{name}_answers.py").touch()
    assert list_stray_files(tmp_path, ["first", "second"]) == [
        "frist_answers.py: there is no assignment 'frist' (did you mean 'first'?)",
        "unlike_answers.py: there is no assignment 'unlike'",
    ]
