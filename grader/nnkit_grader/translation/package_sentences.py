"""The sentences of the packages, from their modules and scripts, and the compiled catalogue for looking them up."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages.mofile import write_mo

from nnkit.view import scripts
from nnkit_grader.translation.catalogue import Merged
from nnkit_grader.translation.documents import Passage

PACKAGE = "nnkit"
"""The learners' package: its folder in a course, and the name of the catalogue of all packages."""
FOLDERS = (PACKAGE, "grader/nnkit_grader", "hub/nnkit_hub")
"""The folders of the packages in a course."""

SAYING = {"say": 1, "to_say": 1, "say_count": 2}
"""Functions of nnkit.language that look sentences up → how many of their first arguments are sentences."""

TABLES = {
    **{"Explanation": slice(1, 6), "Mistake": slice(1, 6), "FaultKind": slice(1, 6), "FaultCase": slice(1, 2)},
    **{"explain": slice(0), "replace": slice(0), "reword": slice(1, 5)},
}
"""Classes and functions of nnkit.check whose arguments are sentences, looked up where a verdict shows them → which."""

FIELDS = {"title", "why", "nudge", "hint", "lesson", "says"}
"""The same by keyword."""


def list_sentences(course: Path) -> list[Passage]:
    """Return the sentences of the course's copies of the packages, each once, in the order of their files."""
    found: dict[Passage, None] = {}
    for folder in FOLDERS:
        for path in sorted((course / folder).rglob("*.py")):
            found |= dict.fromkeys(find_sentences(path.read_text(encoding="utf-8")))
        for path in sorted((course / folder).rglob("*.js")):
            texts = scripts.find_sentences(path.read_text(encoding="utf-8"))
            found |= dict.fromkeys(Passage("", text) for text in texts)
    return list(found)


def find_sentences(source: str) -> Iterator[Passage]:
    """Yield the sentences in a module's text."""
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if name in SAYING:
            texts = [list(_list_constants(argument)) for argument in call.args[: SAYING[name]]]
            if name == "say_count":
                yield Passage("", texts[0][0], texts[1][0])
            else:
                yield from (Passage("", text) for text in texts[0])
        elif name in TABLES:
            arguments = [*call.args[TABLES[name]], *(k.value for k in call.keywords if k.arg in FIELDS)]
            yield from (Passage("", text) for argument in arguments for text in _list_constants(argument))


def _list_constants(node: ast.expr) -> Iterator[str]:
    """Yield a text, or both of `text if condition else text`."""
    match node:
        case ast.Constant(value=str(text)) if text:
            yield text
        case ast.IfExp(body=body, orelse=other):
            yield from _list_constants(body)
            yield from _list_constants(other)


def compile_catalogue(merged: Merged) -> bytes:
    """Return the translated sentences as gettext reads them; a sentence that is missing or has drifted is left out."""
    buffer = io.BytesIO()
    write_mo(buffer, merged.catalogue)
    return buffer.getvalue()


def get_compiled_path(course: Path, code: str) -> Path:
    """Return the path of a language's compiled catalogue."""
    return course / PACKAGE / "locale" / f"{code}.mo"
