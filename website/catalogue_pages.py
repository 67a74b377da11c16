"""The pages of the catalogue of mistakes: each entry in words, with code that makes the mistake and the verdict on it.

The code is that of the tests' corpus of wrong answers; the verdicts are asked for when the site is built.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

import nnkit.check
from corpus.wrong import BEHAVIOUR, WRONG, Wrong
from nnkit.check.diagnosis import mistakes
from nnkit.check.diagnosis.mistakes import Mistake

CORPUS = Path(__file__).resolve().parent.parent / "tests/corpus"

THEMES = {
    "upstream": "The upstream gradient, signs and factors",
    "shapes": "Shapes, sums and batches",
    "products": "Matrix products",
    "local": "Local derivatives",
    "network": "Graphs and networks",
    "behaviour": "State, numbers and what comes back",
    "measuring": "Gradient checkers",
    "unfilled": "Answers that are not there yet",
}
"""The files of the catalogue, with their titles."""

DECORATORS = ("backward", "function", "loss", "gate", "behaves")


class Example(NamedTuple):
    """Code that makes a mistake, and what its check says."""

    code: str
    verdict: str


def write_page(name: str) -> str:
    """Return a page in Markdown: that of a theme, or "index"."""
    if name == "index":
        return _write_index()
    entries: tuple[Mistake, ...] = getattr(mistakes, name).MISTAKES
    return f"---\norphan: true\n---\n\n# {THEMES[name]}\n\n" + "\n\n".join(map(_write_entry, entries)) + "\n"


def _write_index() -> str:
    rows = [
        f"| [`{one.id}`]({name}.md#{one.id}) | {one.title} |"
        for name in THEMES
        for one in getattr(mistakes, name).MISTAKES
    ]
    count = len(mistakes.CATALOGUE)
    intro = (
        f"# The catalogue of mistakes\n\nThe checker knows {count} mistakes by name. It gives a name only where "
        "exactly one mistake, or one pair of them, reproduces the numbers. Each entry has an example: the wrong code, "
        "and the verdict on it.\n\n"
    )
    toc = "```{toctree}\n:hidden:\n\n" + "\n".join(THEMES) + "\n```\n"
    return f"{intro}| name | what happened |\n|---|---|\n" + "\n".join(rows) + f"\n\n{toc}"


def _write_entry(mistake: Mistake) -> str:
    parts = [f"({mistake.id})=\n## {mistake.id}", f"**{mistake.title[0].upper()}{mistake.title[1:]}.** {mistake.why}"]
    example = find_example(mistake.id)
    if example:
        parts += [f"```python\n{example.code}\n```"] if example.code else []
        parts += [f"```text\n{example.verdict}\n```"]
    hints = "\n\n".join(_plain(text) for text in (mistake.nudge, mistake.hint) if text)
    parts.append(f"<details>\n<summary>Hints</summary>\n\n{hints}\n\n</details>")
    parts.append(f"*In the course: {mistake.lesson}.*" if mistake.lesson else "")
    return "\n\n".join(filter(None, parts))


def _plain(text: str) -> str:
    """Return a sentence that Markdown leaves as it is."""
    for mark in "\\`*_[]<>$|#":
        text = text.replace(mark, f"\\{mark}")
    return text


def find_example(id: str) -> Example | None:
    """Return the shortest example of the corpus whose verdict names this mistake alone."""
    wrong_answers, codes = _read_corpus()
    candidates = [wrong for wrong in wrong_answers if wrong.ids == (id,)]
    candidates.sort(
        key=lambda wrong: (_name(wrong) not in codes.get(id, {}), len(codes.get(id, {}).get(_name(wrong), "")))
    )
    for wrong in candidates:
        with redirect_stdout(StringIO()):
            call = wrong.make(np.random.default_rng(0))
            verdict = getattr(nnkit.check, wrong.check)(*call.args, **call.kwargs)
        if list(verdict.mistakes) == [id]:
            return Example(codes.get(id, {}).get(_name(wrong), ""), "\n".join(_drop_hints(str(verdict))))
    return None


def _name(wrong: Wrong) -> str:
    """Return the name of an answer without its ids and the name of its gate."""
    return wrong.name.split(", ")[-1].split(": ")[-1]


def _drop_hints(verdict: str) -> Iterator[str]:
    """Yield the lines of a verdict but for those that the page has in other words."""
    for line in verdict.splitlines():
        if line.startswith(("  Hint: ", "  More: ", "  Lesson: ")):
            return
        yield line


@cache
def _read_corpus() -> tuple[list[Wrong], dict[str, dict[str, str]]]:
    """Return the wrong answers, and the code of those that are written out: by mistake, and by their names."""
    codes: dict[str, dict[str, str]] = {}
    for path in sorted(CORPUS.glob("wrong_*.py")):
        for ids, name, code in _find_answers(path.read_text(encoding="utf-8")):
            if len(ids) == 1:
                codes.setdefault(ids[0], {})[name] = code
    return [*WRONG, *BEHAVIOUR], codes


def _find_answers(text: str) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield the ids, the name in words and the code of each decorated answer of a module."""
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in DECORATORS:
                    ids = tuple(a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str))
                    code = textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno]))
                    yield ids, node.name.replace("_", " ").strip(), code
