"""The course in other languages: what is extracted, what drifts, what is wrong with a translation, what is built."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.paths import ROOT
from nnkit import cli
from nnkit.check.notebook.cells import parse_cell
from nnkit_grader.course.new_course import make_course
from nnkit_grader.report.exercise_titles import name_exercises
from nnkit_grader.translation import translated_course as course
from nnkit_grader.translation.documents import Passage, list_passages, translate_code, translate_document
from nnkit_grader.translation.package_sentences import (
    PACKAGE,
    compile_catalogue,
    find_sentences,
    get_compiled_path,
)
from nnkit_grader.translation.wording import WordRule, compare_structure, find_forbidden_words

LANGUAGES = sorted(path.name for path in (ROOT / "translations").iterdir())
languages = pytest.mark.parametrize("edition", LANGUAGES, indirect=True)

Edition = tuple[course.Language, course.Catalogues]


@pytest.fixture(scope="module")
def edition(request: pytest.FixtureRequest) -> Edition:
    """A language's settings and catalogues."""
    return course.Language.from_course(ROOT, request.param), course.merge_catalogues(ROOT, request.param)


# -- the editions that there are -----------------------------------------------------------------------


def test_there_is_a_korean_edition() -> None:
    assert "ko" in LANGUAGES


@pytest.mark.filterwarnings("default")
@languages
def test_no_translation_has_a_fault(edition: Edition) -> None:
    """Structure and words, of every entry. Drift is a warning here, and stops `make release LANG=...`."""
    language, catalogues = edition
    assert list(course.list_faults(catalogues, language)) == []
    if drift := list(course.list_drift(catalogues)):
        warnings.warn("\n".join([f"nnkit translate {language.code}:", *drift]), stacklevel=1)


@languages
def test_notebooks_differ_in_text_comments_and_docstrings_only(edition: Edition) -> None:
    language, catalogues = edition
    for path in (path for path in catalogues if path.endswith(".ipynb")):
        before = json.loads((ROOT / path).read_text(encoding="utf-8"))
        after = json.loads(course.translate_course_document(ROOT, path, language, catalogues[path]))
        assert after["metadata"] == {**before["metadata"], "nnkit": {"language": language.code}}
        assert len(after["cells"]) == len(before["cells"])
        for old, new in zip(before["cells"], after["cells"], strict=True):
            sources = ["".join(cell.pop("source")) for cell in (old, new)]
            assert old == new
            if old["cell_type"] == "code":
                assert len({strip_words(source) for source in sources}) == 1, old["id"]
                if old["metadata"].get("nbgrader", {}).get("grade"):
                    assert sources[0] == sources[1]


def strip_words(source: str) -> str:
    """Return what a cell does, without its comments and docstrings."""
    tree = ast.parse(re.sub(r"(?m)^[%!].*$", "", source))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)


@languages
def test_published_documents_are_up_to_date(edition: Edition) -> None:
    language, catalogues = edition
    for path in course.PUBLISHED:
        if not catalogues[path].missing + catalogues[path].drifted:
            made = course.translate_course_document(ROOT, path, language, catalogues[path])
            written = (ROOT / path).with_suffix(f".{language.code}.md").read_text(encoding="utf-8")
            assert written == made, f"run `nnkit translate {language.code}`"


@languages
def test_exercises_keep_their_numbers_and_lose_their_points(edition: Edition) -> None:
    """The report and `nnkit check` name an exercise by its heading."""
    language, catalogues = edition
    for path in (path for path in catalogues if path.startswith("solutions/")):
        before, after = (
            [exercise.title for exercise in name_exercises([*map(parse_cell, json.loads(content)["cells"])])]
            for content in (
                (ROOT / path).read_text(encoding="utf-8"),
                course.translate_course_document(ROOT, path, language, catalogues[path]),
            )
        )
        assert [title.split()[0] for title in after] == [title.split()[0] for title in before]
        assert [title for title in after if title.endswith("점)")] == []


# -- what is extracted ---------------------------------------------------------------------------------

CODE = '''%load_ext nnkit
### BEGIN SOLUTION
import numpy as np  # of two vectors
x = np.ones((2, 3))  # (2, 3)
# Return "nothing":
text = """no docstring, # no comment"""


class Gate:
    r"""A gate."""

    def forward(self, x):
        """Return x.

        And a cache.
        """
        return "# x", x  # both
'''


def test_comments_and_docstrings_of_code_are_translated() -> None:
    found: list[str] = []
    translated = translate_code(CODE, lambda text: found.append(text) or text.upper())
    assert found == [
        *("of two vectors", 'Return "nothing":', "A gate.", "Return x.\n\n        And a cache.\n        ", "both")
    ]
    for text in found:
        CODE.index(text)
    expected = CODE
    for text in sorted(found, key=len, reverse=True):
        expected = expected.replace(text, text.upper())
    assert translated == expected


@pytest.mark.parametrize("source", ["%%bash\n# a comment of bash\nfi (", "def f(:\n    # a comment\n", ""])
def test_what_is_no_python_stays_as_it_is(source: str) -> None:
    assert translate_code(source, str.upper) == source


def test_untranslated_documents_come_out_as_they_went_in() -> None:
    for path in [*ROOT.glob("docs/*.md"), *ROOT.glob("*.md"), *ROOT.glob("*/0[03]_*.ipynb")]:
        content = path.read_text(encoding="utf-8")
        assert translate_document(path.name, content, lambda passage: passage.text) == content, path


def test_a_markdown_document_is_split_into_paragraphs_without_fences() -> None:
    content = "# Title\n\nTwo\nlines.\n```\ncode\n\nmore code\n```\nAfter.\n\n\n  - indented\n"
    assert [passage.text for passage in list_passages("a.md", content)] == [
        *("# Title", "Two\nlines.", "After.", "  - indented")
    ]


# -- drift ---------------------------------------------------------------------------------------------


def write_course(folder: Path, **cells: str) -> None:
    """Write a new course whose only lecture has these Markdown cells, and a code cell with a comment."""
    if not (folder / "notebooks").exists():
        make_course(folder)
        (folder / "notebooks").mkdir()
        (folder / "translations" / "xx").mkdir(parents=True)
        (folder / "translations" / "xx" / "language.toml").write_text(
            'mark = "*(later)*"\n[[forbidden]]\npattern = "gradent"\nuse = "gradient"\n'
        )
    source: list[dict[str, Any]] = [
        {"cell_type": "markdown", "id": name, "metadata": {}, "source": [text]} for name, text in cells.items()
    ]
    source.append({"cell_type": "code", "id": "code", "metadata": {}, "outputs": [], "source": ["x = 1  # a number"]})
    notebook = {"cells": source, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "notebooks" / "a.ipynb").write_text(json.dumps(notebook))


def translate_all(folder: Path) -> None:
    """Translate every passage of the lecture into capitals, and every other one by itself."""
    catalogues = course.merge_catalogues(folder, "xx")
    for path, merged in catalogues.items():
        for passage in merged.missing:
            text = passage.text.upper() if path == "notebooks/a.ipynb" else passage.text
            message = merged.catalogue.get(passage.id, passage.context or None)
            message.string = (text, text) if passage.plural else text
    course.write_catalogues(folder, "xx", catalogues)


def read_built(folder: Path) -> Iterator[str]:
    built = json.loads((folder / "build/xx/notebooks/a.ipynb").read_text(encoding="utf-8"))
    return ("".join(cell["source"]) for cell in built["cells"])


def test_changed_deleted_and_new_cells_are_listed_and_built_in_the_original(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_course(tmp_path, kept="kept words", changed="the old words", deleted="deleted words")
    translate_all(tmp_path)
    assert cli.main(["translate", "xx", "--check", "--course", str(tmp_path)]) == 0
    capsys.readouterr()
    write_course(tmp_path, kept="kept words", changed="quite other text", new="new words")
    assert cli.main(["translate", "xx", "--check", "--course", str(tmp_path)]) == 1
    listed = capsys.readouterr().out.splitlines()
    assert listed[:3] == [
        "missing  notebooks/a.ipynb#new  new words",
        "drifted  notebooks/a.ipynb#changed  quite other text",
        "gone     notebooks/a.ipynb#deleted  deleted words",
    ]
    assert re.fullmatch(r"xx: (\d+) of (\d+) passages are translated", listed[3])
    assert not (tmp_path / "build").exists()

    assert cli.main(["translate", "xx", "--course", str(tmp_path)]) == 0
    assert list(read_built(tmp_path)) == [
        *("KEPT WORDS", "quite other text\n\n*(later)*", "new words\n\n*(later)*", "x = 1  # A NUMBER")
    ]
    catalogue = (tmp_path / "translations/xx/notebooks/a.po").read_text(encoding="utf-8")
    assert "deleted words" not in catalogue
    assert (
        '#, fuzzy\nmsgctxt "notebooks/a.ipynb#changed"\nmsgid "quite other text"\nmsgstr "THE OLD WORDS"' in catalogue
    )
    assert (tmp_path / "build/xx/release/first/first.ipynb").exists()

    # A translator corrects the drifted entry, and plants two faults.
    corrected = catalogue.replace("#, fuzzy\n", "").replace("THE OLD WORDS", "The gradent is 7")
    (tmp_path / "translations/xx/notebooks/a.po").write_text(corrected, encoding="utf-8")
    capsys.readouterr()
    assert cli.main(["translate", "xx", "--check", "--course", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[:3] == [
        "missing  notebooks/a.ipynb#new  new words",
        "fault    notebooks/a.ipynb#changed  quite other text: number 7: 0 in the original, 1 in the translation",
        'fault    notebooks/a.ipynb#changed  quite other text: "gradent": gradient',
    ]


def test_a_changed_comment_takes_over_the_translation_of_the_one_most_like_it(tmp_path: Path) -> None:
    write_course(tmp_path)
    translate_all(tmp_path)
    notebook = tmp_path / "notebooks/a.ipynb"
    notebook.write_text(notebook.read_text().replace("# a number", "# a large number"))
    merged = course.merge_catalogues(tmp_path, "xx")["notebooks/a.ipynb"]
    assert merged.drifted == [Passage("notebooks/a.ipynb#code", "a large number")]
    notebook.write_text(notebook.read_text().replace("# a large number", "# the reason why"))
    merged = course.merge_catalogues(tmp_path, "xx")["notebooks/a.ipynb"]
    assert merged.missing == [Passage("notebooks/a.ipynb#code", "the reason why")]
    assert merged.gone == [Passage("notebooks/a.ipynb#code", "a number")]


def test_a_language_without_settings_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["translate", "fr", "--course", str(tmp_path)]) == 2
    assert "docs/translating.md explains how to begin a language" in capsys.readouterr().err


# -- what is wrong with a translation ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("original", "translation", "element"),
    [
        ("See [this](a.ipynb).", "[이것](b.ipynb)을 보세요.", "href a.ipynb"),
        ("$x$ and $x$", "$x$", "math_inline 'x'"),
        ("Then\n\n$$x + 1$$", "그러면\n\n$$x + 2$$", "math_block 'x + 1'"),
        ("`x = 1`", "`x = 2`", "code_inline 'x = 1'"),
        ("```\na\n```", "```\nb\n```", "fence 'a\\n'"),
        ("| a | b |\n|---|---|\n| c | d |", "| a |\n|---|\n| c |", "td element"),
        ("about 3 points", "약 4 점", "number 3"),
        ("some points", "2점", "number 2"),
        ("two of 3 points", "점 2개", "number 3"),
        ("# Title", "## 제목", "h1 element"),
        ("the **chain rule** is", "**연쇄 법칙(chain rule)**은", "strong element"),
        ("press <kbd>Enter</kbd>", "Enter를 누르세요", "tag <kbd"),
        ("- a\n- b", "- 가", "li element"),
        ("a\n\nb", "가 나", "p element"),
    ],
)
def test_a_difference_in_structure_is_found(original: str, translation: str, element: str) -> None:
    passage = Passage("a.ipynb#cell", original)
    assert list(compare_structure(passage, original)) == []
    assert element in [fault.split(":")[0] for fault in compare_structure(passage, translation)]


@pytest.mark.parametrize(
    ("original", "translation"),
    [
        (r"$$\text{up} \times x$$", r"$$\text{상류} \times x$$"),
        ("$a$ before $b$, 16 million", "$b$보다 $a$가 먼저, 천육백만"),
        ("two halves of ones, 4 millionths", "1로 채운 2 절반, 백만분의 4"),
        ("the **chain rule** is *short*", "**연쇄 법칙**(chain rule)은 *짧습니다*"),
    ],
)
def test_what_languages_do_in_other_ways_is_no_fault(original: str, translation: str) -> None:
    assert list(compare_structure(Passage("a.ipynb#cell", original), translation)) == []


@pytest.mark.parametrize(
    ("original", "wrong"),
    [
        ("regularisation", "정규화입니다."),
        ("weight decay", "체중 감소입니다."),
        ("automatic differentiation", "자동 차별화입니다."),
        ("the Jacobian", "야코비 행렬식입니다."),
        ("the upstream gradient", "하류 그래디언트입니다."),
        ("the downstream gradient", "상류 그래디언트입니다."),
        ("the gradient", "기울기입니다."),
        ("the hidden layer", "은닉 레이어입니다."),
        ("the chain rule", "체인 규칙입니다."),
        ("It is so.", "그렇다."),
        ("It is so.", "그래요."),
    ],
)
def test_the_korean_glossary_forbids_other_words(original: str, wrong: str) -> None:
    rules = course.Language.from_course(ROOT, "ko").rules
    assert list(find_forbidden_words(Passage("a.ipynb#cell", original), wrong, rules))


@pytest.mark.parametrize(
    ("original", "right"),
    [
        ("regularisation", "규제입니다."),
        ("normalisation", "정규화입니다."),
        ("the upstream gradient", "상류 그래디언트입니다."),
        ("the slope", "기울기를 재 보세요. 얼마인가요?"),
        ("code", "`정규화`와 $기울기$입니다."),
    ],
)
def test_right_words_pass(original: str, right: str) -> None:
    rules = course.Language.from_course(ROOT, "ko").rules
    assert list(find_forbidden_words(Passage("a.ipynb#cell", original), right, rules)) == []


def test_a_rule_names_the_word_to_use() -> None:
    rule = WordRule("b.d", "good", unless="bed")
    assert list(find_forbidden_words(Passage("", "x"), "a bad word", [rule])) == ['"bad": good']
    assert list(find_forbidden_words(Passage("", "A bed."), "a bad word", [rule])) == []


# -- make ----------------------------------------------------------------------------------------------


def read_commands(*words: str) -> str:
    """Return what make would run if nothing had been made yet; the environment is that of someone who reads Korean."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environ["LANG"] = "ko_KR.UTF-8"
    return subprocess.run(
        ["make", "--always-make", "-n", *words], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    ("target", "commands"),
    [
        ("lab", ["nnkit translate ko\n", 'root_dir="{}/build/ko"', "build/ko/notebooks/00_start_here.ipynb"]),
        ("bundle", ["nnkit translate ko\n", "nnkit bundle --course build/ko/ -o build/nnkit-course-ko.zip\n"]),
        ("release", ["nnkit translate ko --check\n", "nnkit translate ko\n", "nnkit verify --course build/ko/\n"]),
    ],
)
def test_make_takes_a_language(target: str, commands: list[str]) -> None:
    made = read_commands(target, "LANG=ko")
    places = [made.index(command.format(ROOT)) for command in commands]
    assert places == sorted(places)


@pytest.mark.parametrize("target", ["lab", "bundle", "release"])
def test_the_language_of_the_environment_builds_nothing(target: str) -> None:
    assert "build/" not in read_commands(target)
    assert "translate" not in read_commands(target)


# -- sentences of the package --------------------------------------------------------------------------


@languages
def test_the_compiled_catalogue_is_that_of_the_sentences_in_the_code(edition: Edition) -> None:
    language, catalogues = edition
    compiled = get_compiled_path(ROOT, language.code).read_bytes()
    assert compiled == compile_catalogue(catalogues[PACKAGE]), f"run `nnkit translate {language.code}`"


def test_sentences_are_found_in_code() -> None:
    source = """
say("plain")
say("one" if x else "other", name=say("nested {a}", a=f(to_say("kept"))))
say_count("{number} line", "{number} lines", n)
say(variable), say(f"{no} sentence"), other("no sentence")
"""
    assert sorted(find_sentences(source)) == [
        *(Passage("", "kept"), Passage("", "nested {a}"), Passage("", "one"), Passage("", "other")),
        *(Passage("", "plain"), Passage("", "{number} line", "{number} lines")),
    ]


@pytest.mark.parametrize(
    ("original", "translation", "faults"),
    [
        (Passage("", "{a} and {b:.3g}"), "{b:.3g}, {a}", []),
        (Passage("", "{a} and {b:.3g}"), "{a}, {b}", ["placeholder {b:.3g}", "placeholder {b}"]),
        (Passage("", "write `x = 1` in {a}"), "`x = 2`", ["code `x = 1`", "code `x = 2`", "placeholder {a}"]),
        (Passage("", "one line", "{number} lines"), "{number}줄", []),
        (Passage("", "one line", "{number} lines"), "줄", ["placeholder {number}"]),
    ],
)
def test_placeholders_and_code_of_a_sentence_are_kept(original: Passage, translation: str, faults: list[str]) -> None:
    found = [fault.rsplit(": ", 1)[0] for fault in compare_structure(original, translation)]
    assert found == faults


def test_a_changed_sentence_drifts_and_its_forms_stay_together(tmp_path: Path) -> None:
    write_course(tmp_path)
    code = tmp_path / "nnkit" / "a.py"
    code.parent.mkdir()
    code.write_text('say("a rather long sentence"), say_count("{number} line is left", "{number} lines are left", n)')
    assert [passage.text for passage in course.merge_catalogues(tmp_path, "xx")[PACKAGE].missing] == [
        *("a rather long sentence", "{number} line is left")
    ]
    translate_all(tmp_path)
    code.write_text('say("a rather long one"), say_count("{number} line is left", "{number} lines stay left", n)')
    merged = course.merge_catalogues(tmp_path, "xx")[PACKAGE]
    assert [passage.text for passage in merged.drifted] == ["a rather long one", "{number} line is left"]
    assert len(compile_catalogue(merged)) < len(get_compiled_path(tmp_path, "xx").read_bytes())
