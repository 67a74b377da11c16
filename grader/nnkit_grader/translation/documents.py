"""The passages of a document that are translated: Markdown cells; comments and docstrings of code cells; paragraphs.

Everything else stays as it is: the code, and test cells altogether.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

PROSE = re.compile(r"[A-Za-z]{3}")
"""A comment without it is a formula, such as a shape."""

DELIMITERS = re.compile(r"#+ *|[A-Za-z]*(?:\"\"\"|'''|\"|')")
"""The beginning of a comment or docstring."""

FENCES_AND_GAPS = re.compile(r"(?ms)(^```.*?^```$|(?:\n[ \t]*)+\n)")
"""Fenced code, and the blank lines between paragraphs."""


class Passage(NamedTuple):
    """A text to translate, and where it stands: a document and the id of a cell, or "code" for all code cells; "" for a
    sentence of the package."""

    context: str
    text: str
    plural: str = ""
    """A sentence about several things, of which `text` is the singular; "": it has one form."""

    @property
    def id(self) -> str | tuple[str, str]:
        """The text as a catalogue has it."""
        return (self.text, self.plural) if self.plural else self.text


Translate = Callable[[Passage], str]


def list_passages(path: str, content: str) -> list[Passage]:
    """Return the passages of a document in order, each once."""
    found: dict[Passage, None] = {}

    def record(passage: Passage) -> str:
        found[passage] = None
        return passage.text

    translate_document(path, content, record)
    return list(found)


def translate_document(path: str, content: str, translate: Translate, language: str = "") -> str:
    """Return a notebook (as JSON) or a Markdown document with its passages translated. A notebook's metadata name the
    language, if there is one."""
    if not path.endswith(".ipynb"):
        return "".join(_translate_blocks(path, content, translate))
    notebook = json.loads(content)
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and source.strip():
            source = translate(Passage(f"{path}#{cell['id']}", source))
        elif cell["cell_type"] == "code" and not _is_test(cell):
            source = translate_code(source, lambda text: translate(Passage(f"{path}#code", text)))
        cell["source"] = source.splitlines(keepends=True)
    if language:
        notebook["metadata"]["nnkit"] = {"language": language}
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def _is_test(cell: dict[str, Any]) -> bool:
    return bool(cell["metadata"].get("nbgrader", {}).get("grade"))


def _translate_blocks(path: str, content: str, translate: Translate) -> Iterator[str]:
    """Yield the parts of a Markdown document: paragraphs, lists and tables translated; code between fences as it is."""
    for number, part in enumerate(FENCES_AND_GAPS.split(content)):
        text = part.strip("\n")
        yield part if number % 2 or not text else part.replace(text, translate(Passage(path, text)), 1)


def translate_code(source: str, translate: Callable[[str], str]) -> str:
    """Return code with its comments and docstrings translated, but for nbgrader's marks (### BEGIN SOLUTION).

    The cell of another language, or with a syntax error, stays as it is.
    """
    code = re.sub(r"(?m)^[%!].*$", "", source)  # IPython's own lines
    try:
        docstrings = set(_find_docstrings(ast.parse(code)))
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (SyntaxError, tokenize.TokenError):
        return source
    changes = [
        (token.start, token.end, translate_literal(token.string, translate))
        for token in tokens
        if (token.type == tokenize.COMMENT and not token.string.startswith("###"))
        or (token.type == tokenize.STRING and token.start[0] in docstrings)
    ]
    lines = source.splitlines(keepends=True)
    for (line, column), (last, end), text in reversed(changes):
        lines[line - 1 : last] = [lines[line - 1][:column] + text + lines[last - 1][end:]]
    return "".join(lines)


def _find_docstrings(tree: ast.Module) -> Iterator[int]:
    """Yield the lines on which docstrings begin."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and ast.get_docstring(node):
                yield first.lineno


def translate_literal(literal: str, translate: Callable[[str], str]) -> str:
    """Return a comment or the source text of a docstring with what is between its delimiters translated."""
    opening = DELIMITERS.match(literal)
    assert opening is not None
    closing = "" if literal.startswith("#") else opening[0].lstrip("rRuUbB")
    text = literal[opening.end() : len(literal) - len(closing)]
    return opening[0] + translate(text) + closing if PROSE.search(text) else literal
