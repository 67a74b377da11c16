"""The language of the tree: how docstrings open, words that are avoided, and names that must be unique or private.

    python tests/helpers/words.py [PATH...]

lists the findings in these files and folders (without arguments, in the whole tree), then their number for each rule.
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("nnkit", "grader/nnkit_grader", "hub/nnkit_hub")
"""Folders of package code, where docstrings and names have rules too; those that exist are read."""

PATTERNS = (
    *(f"{package}/**/*.{ending}" for package in PACKAGES for ending in ("py", "js", "css")),
    *("website/*.md", "website/*.py", "website/static/*.js", "website/static/*.css"),
    *("*.md", "docs/*.md", "grader/*.md", "hub/*.md", "notebooks/*.ipynb", "solutions/*/*.ipynb", "solutions/*.py"),
    *("Makefile", ".ci/run", "environment.yml", "pyproject.toml", "*/pyproject.toml", "nbgrader_config.py"),
    *("postBuild", "deploy/**/*", "hub/deploy/**/*", "benchmarks/**/*.py", "tests/**/*.py"),
)
"""The files with prose in them. `assignments/` is left out: it is generated from `solutions/`."""

OPENERS = re.compile(r"(?:Of|What|Whether|Who|Whom|Whose|Where|How|Meanwhile|In\s+place\s+of)\b")
"""Words that no docstring opens with: a function's opens with a verb, the others with a noun phrase."""

AVOIDED = re.compile(
    r"\b(?:somebody|nobody|anybody|whoever|told|mend(?:s|ed|ing)?|has\s+not\s+its|is\s+to\s+be|that\s+very|human\s+eyes?)\b",
    re.IGNORECASE,
)
"""Words and phrases of no idiomatic sentence in this tree."""

ALLOWED = ("the user nobody",)
"""Phrases in which an avoided word is right: Unix calls that user so."""

FREE_MODULES = {"base", "__init__", "__main__"}
"""Basenames that more than one module of a package may have."""

RULES = ("opener", "word", "class", "module", "underscore")


class Finding(NamedTuple):
    """One breach of a rule."""

    path: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


class Passage(NamedTuple):
    """A piece of prose and the line on which it begins."""

    line: int
    text: str


# -- what there is to read -----------------------------------------------------------------------------


def docstrings(tree: ast.Module) -> Iterator[Passage]:
    """Yield every string that stands as a statement: docstrings, and those that follow an assignment."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield Passage(node.lineno, node.value.value)


def sentences(tree: ast.Module) -> Iterator[Passage]:
    """Yield the other string literals with a space in them, and such constant parts of f-strings."""
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements
        if is_text and re.search(r"\s", node.value.strip("\n")):
            yield Passage(node.lineno, node.value)


def comments(text: str) -> list[Passage]:
    """Return the comments; those on consecutive lines are one passage."""
    found: list[Passage] = []
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    for token in (token for token in tokens if token.type == tokenize.COMMENT):
        line, words = token.start[0], token.string.lstrip("#! ")
        if found and found[-1].line + found[-1].text.count("\n") + 1 == line:
            found[-1] = Passage(found[-1].line, f"{found[-1].text}\n{words}")
        else:
            found.append(Passage(line, words))
    return found


def python_prose(text: str, with_sentences: bool = True) -> list[Passage]:
    """Return the docstrings and comments of Python code and, unless asked not to, its string literals."""
    tree = ast.parse(text)
    return [*docstrings(tree), *comments(text), *(sentences(tree) if with_sentences else ())]


def script_prose(text: str) -> list[Passage]:
    """Return the comments and string literals of JavaScript or CSS."""
    pattern = r"/\*.*?\*/|(?<![:\\])//[^\n]*|`(?:\\.|[^`])*`|\"(?:\\.|[^\"\n])*\"|'(?:\\.|[^'\n])*'"
    return [
        Passage(text.count("\n", 0, found.start()) + 1, re.sub(r"(?<=\n)\s*(?://|\*)", "", found[0]))
        for found in re.finditer(rf"(?:{pattern})(?:\n\s*//[^\n]*)*", text, re.DOTALL)
        if " " in found[0]
    ]


def without_magics(code: str) -> str:
    """Return a cell's code with its lines for IPython alone (`%`, `!`) replaced by `pass`."""
    return re.sub(r"^( *)[%!?].*$", r"\1pass", code, flags=re.MULTILINE)


def notebook_prose(text: str) -> list[Passage]:
    """Return the Markdown of a notebook and the prose of its code, with line numbers of the file."""
    starts = [number for number, line in enumerate(text.split("\n"), 1) if re.match(r'\s*"source": \[', line)]
    found: list[Passage] = []
    for start, cell in zip(starts, json.loads(text)["cells"], strict=True):
        source = "".join(cell["source"])
        parts = python_prose(without_magics(source)) if cell["cell_type"] == "code" else [Passage(1, source)]
        found += [Passage(start + part.line, part.text) for part in parts]
    return found


def prose(path: str, text: str) -> list[Passage]:
    """Return the prose of a file: all of it, unless it is code.

    Tests plant wrong sentences, so their strings are left out. Planted answers are read for their comments alone: some
    do not parse, and the `# %%` lines between them hold the names of cells.
    """
    if fnmatch(path, "solutions/*.py"):
        return [passage for passage in comments(text) if not passage.text.startswith("%%")]
    if path.endswith(".py"):
        return python_prose(text, with_sentences=not path.startswith("tests/"))
    if path.endswith(".ipynb"):
        return notebook_prose(text)
    return script_prose(text) if path.endswith((".js", ".css")) else [Passage(1, text)]


# -- the rules -----------------------------------------------------------------------------------------


def opener_findings(path: str, text: str) -> list[Finding]:
    """Find docstrings that open with one of the words of `OPENERS`."""
    return [
        Finding(path, line, "opener", f'the docstring opens with "{found[0]}": {_shown(docstring)}')
        for line, docstring in docstrings(ast.parse(text))
        if (found := OPENERS.match(docstring.lstrip()))
    ]


def word_findings(path: str, text: str) -> list[Finding]:
    """Find the words and phrases of `AVOIDED` in the prose of a file."""
    found = []
    for line, passage in prose(path, text):
        for phrase in ALLOWED:
            passage = re.sub(phrase.replace(" ", r"\s+"), lambda allowed: "·" * len(allowed[0]), passage)
        for match in AVOIDED.finditer(passage):
            at = line + passage.count("\n", 0, match.start())
            words = " ".join(match[0].split())
            found.append(Finding(path, at, "word", f'"{words}": {_shown(passage, match.start())}'))
    return found


def class_findings(package: Mapping[str, str]) -> list[Finding]:
    """Find class names that a package has twice, given the text of its modules by path."""
    places = defaultdict(list)
    for path, text in package.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                places[node.name].append((path, node.lineno))
    return [
        Finding(path, line, "class", f"the class {name} has {len(where) - 1} namesake(s): {_others(where, path, line)}")
        for name, where in places.items()
        for path, line in where
        if len(where) > 1
    ]


def module_findings(package: Iterable[str]) -> list[Finding]:
    """Find basenames that more than one module of a package has."""
    places = defaultdict(list)
    for path in package:
        places[Path(path).stem].append((path, 1))
    return [
        Finding(path, line, "module", f"the module {name} has {len(where) - 1} namesake(s): {_others(where, path, 1)}")
        for name, where in places.items()
        for path, line in where
        if len(where) > 1 and name not in FREE_MODULES
    ]


def underscore_findings(path: str, text: str) -> list[Finding]:
    """Find names with a leading underscore that are imported from another module."""
    return [
        Finding(path, node.lineno, "underscore", f"{alias.name} is private to {'.' * node.level}{node.module or ''}")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]


def findings(texts: Mapping[str, str]) -> list[Finding]:
    """Apply every rule to files, given by their paths from the root; in the order of paths and lines."""
    found = [finding for path, text in texts.items() for finding in word_findings(path, text)]
    for package in PACKAGES:
        modules = {path: text for path, text in texts.items() if fnmatch(path, f"{package}/*.py")}
        for path, text in modules.items():
            found += opener_findings(path, text) + underscore_findings(path, text)
        found += class_findings(modules) + module_findings(modules)
    return sorted(found)


def _shown(passage: str, at: int = 0, width: int = 60) -> str:
    """Return the words around a position, on one line."""
    return " ".join(passage[max(0, at - width) : at + width].split())


def _others(places: list[tuple[str, int]], path: str, line: int) -> str:
    return ", ".join(f"{other}:{number}" for other, number in places if (other, number) != (path, line))


# -- the command ---------------------------------------------------------------------------------------


def read_texts(root: Path, below: Iterable[Path] = ()) -> dict[str, str]:
    """Return the files that match `PATTERNS`, by path from the root; if paths are given, only those below them."""
    paths = sorted({path for pattern in PATTERNS for path in root.glob(pattern) if path.is_file()})
    chosen = [path.resolve() for path in below] or [root]
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in paths
        if any(path.is_relative_to(folder) for folder in chosen) and "__pycache__" not in path.parts
    }


def find_root(path: Path) -> Path:
    """Return the nearest folder at or above a path that has a Makefile."""
    return next(folder for folder in (path, *path.parents) if (folder / "Makefile").exists())


def main(arguments: list[str]) -> int:
    """List the findings below the paths; the exit status is 1 if there are some."""
    below = [Path(argument).resolve() for argument in arguments]
    found = findings(read_texts(find_root(below[0] if below else Path.cwd()), below))
    counts = Counter(finding.rule for finding in found)
    print(*found, *(f"{counts[rule]:5} {rule}" for rule in RULES), sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
