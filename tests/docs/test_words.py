"""The language rules of `helpers/words.py`: the tree keeps them, and each rule catches a planted fault."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import words
from helpers.paths import ROOT

MODULE = "nnkit/planted.py"


def rules(text: str, path: str = MODULE) -> list[str]:
    return [finding.rule for finding in words.findings({path: text})]


def test_the_tree_keeps_the_rules() -> None:
    found = words.findings(words.read_texts(ROOT))
    assert found == [], "\n".join(["", *map(str, found)])


def test_the_whole_tree_is_read() -> None:
    texts = words.read_texts(ROOT)
    for path in (
        "README.md",
        "Makefile",
        ".ci/run",
        "docs/learner.md",
        "notebooks/00_start_here.ipynb",
        "nnkit/graph.py",
    ):
        assert path in texts
    kinds = {path.split("/")[0] for path in texts}
    assert {"solutions", "benchmarks", "tests", "environment.yml", "pyproject.toml"} <= kinds
    assert "assignments" not in kinds
    assert any(path.endswith(".js") for path in texts)
    assert any("deploy/" in path and path.endswith(".yaml") for path in texts)


# -- how docstrings open -------------------------------------------------------------------------------

OPENERS = ("Of", "What", "Whether", "Who", "Where", "How", "Meanwhile", "In place of")
PLACES = {
    "module": '"""{} x."""\n',
    "function": 'def f():\n    """{} x."""\n',
    "method": 'class A:\n    """A thing."""\n\n    def f(self):\n        """{} x."""\n',
    "nested function": 'def f():\n    def g():\n        """{} x."""\n',
    "coroutine": 'async def f():\n    """{} x."""\n',
    "class": 'class A:\n    """{} x."""\n',
    "constant": 'LIMIT = 3\n"""{} x."""\n',
    "typed constant": 'LIMIT: int = 3\n"""{} x."""\n',
    "attribute": 'class A:\n    """A thing."""\n\n    limit: int = 3\n    """{} x."""\n',
    "on the second line": 'def f():\n    """\n    {} x.\n    """\n',
}


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_planted_opener_is_found(place: str, opener: str) -> None:
    assert rules(place.format(opener)) == ["opener"]
    assert rules(place.format(opener), "grader/nnkit_grader/a/planted.py") == ["opener"]
    assert rules(place.format(opener), "hub/nnkit_hub/planted.py") == ["opener"]


@pytest.mark.parametrize("opener", ["Offer", "Whole", "However", "Whereas", "Return what", "In places", "Seconds of"])
def test_other_openers_pass(opener: str) -> None:
    assert [rules(place.format(opener)) for place in PLACES.values()] == [[]] * len(PLACES)


def test_openers_count_in_docstrings_of_packages_only() -> None:
    assert rules("x = 'What is x?'\n# What follows is right.\n") == []
    assert rules('def test_f():\n    """What a test says."""\n', "tests/test_planted.py") == []


# -- words ---------------------------------------------------------------------------------------------

WRONG = ("somebody", "Nobody", "anybody's", "whoever", "told", "mend", "mended", "mends", "has not its", "is to be")
WRONG += ("That very", "human eye", "human\neye", "is\n    to be")


def notebook(kind: str, source: str) -> str:
    cells = [{"cell_type": "markdown", "source": ["# Title\n", "\n"]}]
    cells.append({"cell_type": kind, "source": source.splitlines(keepends=True)})
    return json.dumps({"cells": cells}, indent=1)


TEXTS = {
    "docstring": (MODULE, lambda text: f'def f():\n    """Return x.\n\n    So {text}, here.\n    """\n'),
    "comment": (MODULE, lambda text: "x = 1\n# So " + text.replace("\n", "\n# ") + ", here.\n"),
    "comment at the end": (MODULE, lambda text: f"x = 1  # so {' '.join(text.split())}, here\n"),
    "message": (MODULE, lambda text: f"raise ValueError({f'So {text}, here'!r})\n"),
    "f-string": (MODULE, lambda text: f'print(f"""{{x}} so {text}, here {{y}}""")\n'),
    "parts of a string": (MODULE, lambda text: 'x = (\n    "So " "' + ' " "'.join(text.split()) + '" ", here"\n)\n'),
    "JavaScript string": ("nnkit/view/static/a.js", lambda text: f"say(`So {text}, here`);\n"),
    "JavaScript comment": ("nnkit/view/static/a.js", lambda text: f"x = 1;\n/* So {text}, here. */\n"),
    "JavaScript line": ("nnkit/view/a.js", lambda text: "x = 1;\n// So " + text.replace("\n", "\n// ") + ", here.\n"),
    "style sheet": ("nnkit/view/static/a.css", lambda text: f"/* So {text}, here. */\n.a {{ margin: 0 }}\n"),
    "Markdown": ("docs/planted.md", lambda text: f"# Title\n\nSo {text}, here.\n"),
    "table": ("README.md", lambda text: f"# Title\n\n| a | so {' '.join(text.split())}, here |\n"),
    "Makefile": ("Makefile", lambda text: f"help:  ## so {' '.join(text.split())}, here\n"),
    "YAML": ("deploy/kubernetes/a.yaml", lambda text: f"a: b  # So {' '.join(text.split())}, here.\n"),
    "notebook's text": ("notebooks/a.ipynb", lambda text: notebook("markdown", f"So {text}, here.")),
    "notebook's comment": (
        "solutions/ps1/a.ipynb",
        lambda text: notebook("code", f"%%check\n# So {' '.join(text.split())}, here.\nx = 1"),
    ),
    "notebook's docstring": (
        "notebooks/a.ipynb",
        lambda text: notebook("code", f'%matplotlib inline\ndef f():\n    """So {text}, here."""'),
    ),
    "planted answers": ("solutions/ps1_answers.py", lambda text: f"class A  # so {' '.join(text.split())}, here\n"),
    "docstring of a test": ("tests/test_planted.py", lambda text: f'def test_f():\n    """So {text}, here."""\n'),
    "benchmark": ("benchmarks/planted.py", lambda text: f'print("""So {text}, here""")\n'),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(("path", "write"), TEXTS.values(), ids=TEXTS)
def test_a_planted_word_is_found(path: str, write: Callable[[str], str], wrong: str) -> None:
    text = write(wrong)
    (finding,) = words.findings({path: text})
    assert finding.rule == "word"
    assert str(finding).startswith(f'{path}:{finding.line}: "')


@pytest.mark.parametrize(("path", "write"), TEXTS.values(), ids=TEXTS)
def test_a_finding_names_its_line(path: str, write: Callable[[str], str]) -> None:
    text = write("nobody")
    (finding,) = words.findings({path: text})
    said = text.split("\n")[finding.line - 1]
    assert "nobody" in said


@pytest.mark.parametrize(
    "right", ["amend", "a toldable", "Mendel", "each one", "it has its", "is to become", "the eye"]
)
@pytest.mark.parametrize(("path", "write"), TEXTS.values(), ids=TEXTS)
def test_other_words_pass(path: str, write: Callable[[str], str], right: str) -> None:
    assert words.findings({path: write(right)}) == []


def test_names_and_single_words_are_no_prose() -> None:
    assert rules("told = mend['told'].nobody\n") == []
    assert rules("# The process runs as the user nobody.\nuser = 'nobody'\n") == []
    assert rules("x = 'So nobody, here'\n", "tests/test_planted.py") == []
    assert rules("# %% mended mistake=sign loses=test-mended\ndef mended(x):\n", "solutions/ps4_answers.py") == []


# -- names ---------------------------------------------------------------------------------------------


def test_a_second_class_of_one_name_is_found() -> None:
    texts = {
        "nnkit/a.py": "class Cell:\n    x = 1\n",
        "nnkit/b/c.py": "\nclass Outer:\n    class Cell:\n        y = 1\n",
    }
    assert [(found.rule, found.path, found.line) for found in words.findings(texts)] == [
        ("class", "nnkit/a.py", 1),
        ("class", "nnkit/b/c.py", 3),
    ]
    assert str(words.findings(texts)[0]).endswith("nnkit/b/c.py:3")
    texts["hub/nnkit_hub/d.py"] = texts.pop("nnkit/b/c.py")
    assert words.findings(texts) == []


def test_a_second_class_in_one_module_is_found() -> None:
    assert rules("class Cell:\n    pass\n\n\ndef f():\n    class Cell:\n        pass\n") == ["class", "class"]


def test_a_second_module_of_one_name_is_found() -> None:
    texts = {"nnkit/check/limits.py": "", "nnkit/view/limits.py": "", "grader/nnkit_grader/limits.py": ""}
    assert [(found.rule, found.path) for found in words.findings(texts)] == [
        ("module", "nnkit/check/limits.py"),
        ("module", "nnkit/view/limits.py"),
    ]
    free = {f"nnkit/{room}/{name}.py": "" for room in "ab" for name in ("base", "__init__", "__main__")}
    assert words.findings(free) == []


@pytest.mark.parametrize(
    ("planted", "number"),
    [
        ("from nnkit.a import _b", 1),
        ("from .a import b, _c, _D", 2),
        ("def f():\n    from ..a import _b as b", 1),
        ("from . import _a", 1),
        ("from nnkit import __version__", 0),
        ("from __future__ import annotations", 0),
        ("from nnkit.a import b as _b", 0),
        ("from nnkit._a import b", 0),
    ],
)
def test_planted_imports_of_private_names_are_found(planted: str, number: int) -> None:
    assert rules(planted + "\n") == ["underscore"] * number
    assert rules(planted + "\n", "tests/test_planted.py") == []


# -- the command ---------------------------------------------------------------------------------------


def test_the_command_lists_findings_and_counts(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("help:\n", encoding="utf-8")
    package = tmp_path / "nnkit"
    package.mkdir()
    (package / "a.py").write_text('"""What this is."""\n\nfrom .b import _c\n', encoding="utf-8")
    (package / "b.py").write_text("_c = 1  # nobody's\n", encoding="utf-8")

    def run(*arguments: str) -> tuple[int, list[str]]:
        done = subprocess.run(
            [sys.executable, words.__file__, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()

    status, lines = run()
    assert status == 1
    assert [line.split(":")[:2] for line in lines[:3]] == [
        ["nnkit/a.py", "1"],
        ["nnkit/a.py", "3"],
        ["nnkit/b.py", "1"],
    ]
    assert [line.split() for line in lines[3:]] == [
        ["1", "opener"],
        ["1", "word"],
        *[["0", r] for r in words.RULES[2:4]],
        ["1", "underscore"],
    ]
    assert len(run("nnkit/b.py")[1]) == 1 + len(words.RULES)
    (package / "a.py").unlink()
    (package / "b.py").write_text("_c = 1\n", encoding="utf-8")
    assert run() == (0, [f"{0:5} {rule}" for rule in words.RULES])
