"""The prose: spelling, links, headings, images, and nothing that belongs to one machine.

Spelling is looked up in the English dictionary that comes with pyspellchecker; words that it does not know and that
are right stand in tests/docs/words.txt, one a line, in alphabetical order, whatever their case.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest
from spellchecker import SpellChecker

from helpers.links import anchors, broken_links, headings, markdown, targets, without_code
from helpers.paths import ROOT

WORDS = Path(__file__).with_name("words.txt")
PATTERNS = ("*.md", "docs/*.md", "notebooks/*.ipynb", "solutions/*/*.ipynb", "assignments/*/*.ipynb")
PATHS = [path for pattern in PATTERNS for path in sorted(ROOT.glob(pattern))]
SETTINGS = [ROOT / name for name in ("Makefile", "environment.yml", "pyproject.toml", "requirements.lock")]

prose_files = pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))


# -- what there is to read -----------------------------------------------------------------------------


# -- spelling ------------------------------------------------------------------------------------------

LETTERS = re.compile(r"[A-Za-z'’]+")
"""What a word is made of; σx and the like are formulas."""


@cache
def accepted() -> frozenset[str]:
    return frozenset(WORDS.read_text(encoding="utf-8").lower().split())


@cache
def dictionary() -> SpellChecker:
    return SpellChecker(language="en")


def misspelt(text: str) -> list[str]:
    """Words of the prose, each once, that are in neither the dictionary nor words.txt."""
    text = re.sub(r"https?://\S+|\]\([^)]*\)", " ", without_code(text))
    alternatives = " ".join(re.findall(r'\b(?:alt|title)="([^"]*)"', text))
    words = re.findall(r"(?<![\w.\\])[^\W\d_]+(?:['’][^\W\d_]+)*(?![\w(]|\.\w)", f"{strip_tags(text)} {alternatives}")
    return sorted({word for word in words if len(word) > 1 and LETTERS.fullmatch(word) and not known(word)})


def strip_tags(text: str) -> str:
    return unescape(re.sub(r"</?[a-zA-Z][^<>]*>", " ", text))


def known(word: str) -> bool:
    """In the dictionary or in words.txt, as it is or without its 's."""
    whole = word.lower().replace("’", "'")
    return any(form in accepted() or form in dictionary() for form in (whole, whole.removesuffix("'s")))


@prose_files
def test_spelling(path: Path) -> None:
    assert misspelt(markdown(path)) == [], "correct it, or add the word to tests/docs/words.txt"


@pytest.mark.parametrize("wrong", ["gradeint", "recieve", "Jacobain", "derivitive", "multipled", "teh", "wieght's"])
@pytest.mark.parametrize("place", ["The {} flows.", "# {}", "| a | {} |", "**{}**", "![A {}.](x.png)", "- [{}](a.md)"])
def test_a_planted_misspelling_is_found(wrong: str, place: str) -> None:
    assert misspelt(f"It is right.\n\n{place.format(wrong)}\n\nSo is $\\dq x$ and this: it costs 5 dollars.") == [wrong]


def test_in_a_page_of_ours_each_word_is_looked_at() -> None:
    """One wrong letter in any sentence: nothing above it (a formula, a fence) swallows what follows."""
    for path in PATHS:
        text = markdown(path)
        assert misspelt(f"{text}\n\nIts gradeint.\n") == [*sorted({*misspelt(text), "gradeint"})], path


@pytest.mark.parametrize("right", ["`gradeint`", "```\ngradeint\n```", "$gradeint$", "$$\ngradeint\n$$", "gradeint()"])
def test_code_and_formulas_are_not_spelt(right: str) -> None:
    assert misspelt(f"Here is {right}, and more." if "```" not in right else right) == []


def test_accepted_words_are_in_order_and_needed() -> None:
    words = WORDS.read_text(encoding="utf-8").split("\n")
    assert words == [*sorted({word.lower(): word for word in words if word}.values(), key=str.lower), ""]
    assert [word for word in words if word and word.lower() in dictionary()] == []


# -- headings ------------------------------------------------------------------------------------------


ONE_TITLE = "the first heading, and no other, must be a # heading"


def heading_faults(text: str, within: bool = False) -> list[str]:
    """One # heading, the first; no level is skipped; no heading comes twice (`within`: below the same heading)."""
    found = headings(text)
    levels = [level for level, _ in found]
    faults = [] if levels[:1] == [1] and levels.count(1) == 1 else [ONE_TITLE]
    faults += [f"{title}: from {a} to {b}" for (a, _), (b, title) in pairwise(found) if b > a + 1]
    names, above = [], ["", "", "", "", "", ""]
    for level, title in found:
        above[level - 1 :] = [title.lower()] + [""] * (6 - level)
        names.append(tuple(above) if within else title.lower())
    return faults + [f"{title} comes twice" for i, (_, title) in enumerate(found) if names[i] in names[:i]]


@prose_files
def test_headings(path: Path) -> None:
    """A changelog has an *Added* below each version."""
    assert heading_faults(markdown(path), within=path.name == "CHANGELOG.md") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("## a", ONE_TITLE),
        ("# a\n\n# b", ONE_TITLE),
        ("# a\n\n### b", "b: from 1 to 3"),
        ("# a\n\n## b\n\n## c\n\n## B", "B comes twice"),
        ("# a\n\n## b\n\n### c\n\n## d\n\n### c", "c comes twice"),
        ("# a\n\n```\n# b\n```\n\n## c", None),
    ],
)
def test_planted_faults_of_headings_are_found(text: str, told: str | None) -> None:
    assert heading_faults(text) == ([told] if told else [])


def test_in_a_changelog_headings_may_come_again_below_another() -> None:
    assert heading_faults("# a\n\n## 1\n\n### Added\n\n## 2\n\n### Added", within=True) == []
    assert heading_faults("# a\n\n## 1\n\n### Added\n\n### Added", within=True) == ["Added comes twice"]


# -- links ---------------------------------------------------------------------------------------------


@prose_files
def test_links(path: Path) -> None:
    found = broken_links(path, ROOT)
    unreleased = {f"../assignments/{path.parent.name}/{path.name}" for path in ROOT.glob("solutions/*/*.ipynb")}
    assert [target for target in found if target not in unreleased] == []  # test_grading.py asks for the release


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("[a](learner.md) [b](../README.md#start) [c](#for-tas) ![d](graph.svg)", []),
        ("[a](../notebooks/01_computational_graphs.ipynb) [b](https://example.org/x)", []),
        ("[a](lerner.md)", ["lerner.md"]),
        ("[a](../README.md#begin)", ["../README.md#begin"]),
        ("[a](#nowhere)", ["#nowhere"]),
        ("![a](graf.svg)", ["graf.svg"]),
        ("![a](graf.svg 'A title')", ["graf.svg"]),
        ('<img alt="a" src="graf.svg"> and <a href="lerner.md">b</a>', ["graf.svg", "lerner.md"]),
        ("[a][b]\n\n[b]: lerner.md", ["lerner.md"]),
        ("[a](/docs/learner.md)", ["/docs/learner.md"]),
        ("[a](../../elsewhere)", ["../../elsewhere"]),
        ("[a]()", [""]),
        ("[a](../notebooks/09_missing.ipynb)", ["../notebooks/09_missing.ipynb"]),
        ("[a](../notebooks/00_start_here.ipynb#Nowhere)", ["../notebooks/00_start_here.ipynb#Nowhere"]),
        ("`[a](lerner.md)`\n\n```\n[a](lerner.md)\n```", []),
    ],
)
def test_planted_broken_links_are_found(text: str, broken: list[str]) -> None:
    assert broken_links(ROOT / "docs" / "ta.md", ROOT, text) == broken


def test_a_link_to_a_heading_of_a_notebook() -> None:
    path = ROOT / "notebooks" / "00_start_here.ipynb"
    for _, title in headings(markdown(path)):
        assert title.replace(" ", "-") in anchors(path)


# -- images --------------------------------------------------------------------------------------------


def undescribed(text: str) -> list[str]:
    """Images without words for who does not see them: at least three words, and not the file's name."""
    text = without_code(text)
    images = re.findall(r"!\[([^\]]*)\][(\[]([^)\]]*)", text)
    for tag in re.findall(r"<img\b[^>]*>", text):
        alt = re.search(r"\balt=(\"[^\"]*\"|'[^']*')", tag)
        images.append((alt[1][1:-1] if alt else "", tag))
    return [where for alt, where in images if len(alt.split()) < 3]


@prose_files
def test_images_are_described(path: Path) -> None:
    assert undescribed(markdown(path)) == []


@pytest.mark.parametrize("text", ["![](a.png)", "![a.png](a.png)", '<img src="a.png">', '<img alt="" src="a.png"/>'])
def test_an_image_without_a_description_is_found(text: str) -> None:
    assert undescribed(f"Look: {text}.")
    assert undescribed("![A graph of two gates.](a.png) <img src='b.png' alt='The same, backwards.'> `![](c)`") == []


# -- nothing of one machine ----------------------------------------------------------------------------

MACHINE = (
    r"(?<![\w.~$}/-])/(?:home|Users|root|work|tmp|mnt|private|workspace)/[\w.]",
    r"\b[A-Za-z]:\\+(?:Users|home)",
    r"\bfile://",
)
REGISTRIES = (
    r"\b(?:pypi\.org|pythonhosted\.org|anaconda\.(?:org|com)|npmjs\.(?:org|com)|crates\.io|proxy\.golang\.org)\b",
    r"\b(?:artifactory|devpi|nexus)\b",
    r"--(?:extra-)?index-url|--find-links|--trusted-host",
)


def machine_bound(text: str) -> list[str]:
    """Return absolute paths of one machine and hosts of package registries; in code and outputs too."""
    return [found[0] for pattern in (*MACHINE, *REGISTRIES) for found in re.finditer(pattern, text, re.IGNORECASE)]


@pytest.mark.parametrize("path", [*PATHS, *SETTINGS], ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_belongs_to_one_machine(path: Path) -> None:
    assert machine_bound(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "open /home/ada/nnkit",
        '"/tmp/x"',
        "(/work/main/docs)",
        r"C:\\Users\\ada",
        "file:///etc/x",
        "https://pypi.org/simple",
        "pip install --index-url=http://10.0.0.1/simple x",
        "https://files.pythonhosted.org/packages",
    ],
)
def test_planted_paths_and_hosts_are_found(text: str) -> None:
    assert len(machine_bound(text)) >= 1
    assert machine_bound("docs/home/x, ~/work/x, ./tmp/x, https://example.org/home/x, PyPI and conda-forge") == []


CHECKS: list[Callable[[str], list[str]]] = [misspelt, heading_faults, targets, undescribed, machine_bound]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_an_empty_text_is_no_trouble(check: Callable[[str], list[str]]) -> None:
    assert len(check("")) == (check is heading_faults)
