"""Checks of a translation: the same structure as the original, and no word that the language's glossary forbids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from nnkit_grader.translation.documents import Passage

NUMBER = re.compile(r"(?<![A-Za-z_0-9])\d++(?:\.\d++)?+(?! million\b)")
"""A number in digits; millions are left out, since languages group large numbers in other ways."""

NUMBER_WORDS = {
    **{"zero": "0", "zeros": "0", "half": "0.5", "one": "1", "ones": "1", "once": "1", "two": "2", "twice": "2"},
    **{"three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10"},
}
"""Word of the original → the digits that a translation may have in its place."""

PLACEHOLDER = re.compile(r"\{[a-z_]+[^{}]*\}")
"""The place of a value in a sentence of the package, with its format."""

TAG = re.compile(r"</?[a-z]+")
WORDS = re.compile(r"\\text\{[^}]*\}")
"""Words in a formula, which are translated."""

COUNTED = (
    *("paragraph_open", "heading_open", "list_item_open", "tr_open", "td_open", "th_open"),
    *("strong_open", "em_open", "blockquote_open", "ordered_list_open", "bullet_list_open"),
)
"""The elements that a translation has as many of as the original."""

QUOTED = ("code_inline", "fence", "code_block", "math_inline", "math_inline_double", "math_block")
"""The elements whose content is the same in a translation."""


class WordRule(NamedTuple):
    """A pattern that no translation matches, unless its original matches another one."""

    pattern: str
    use: str
    """The right word, or what is wrong with the pattern."""

    unless: str = ""


def compare_structure(passage: Passage, translation: str) -> Iterator[str]:
    """Yield a sentence for each kind of element that a translation has more or fewer of than its original."""
    original = passage.plural or passage.text
    before, after = (_count_elements(passage.context, text) for text in (original, translation))
    words = set(re.findall("[a-z]+", original.lower()))
    spelt = {f"number {digits}" for word, digits in NUMBER_WORDS.items() if word in words}
    for element in sorted((before | after) - (before & after)):
        if element in spelt and after[element] > before[element]:
            continue
        yield f"{element}: {before[element]} in the original, {after[element]} in the translation"


def find_forbidden_words(passage: Passage, translation: str, rules: Iterable[WordRule]) -> Iterator[str]:
    """Yield a sentence for each match of a rule's pattern in the prose of a translation."""
    prose = re.sub(r"(?s)```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)", "…", translation)
    for rule in rules:
        if not (rule.unless and re.search(rule.unless, passage.text, re.IGNORECASE)):
            for match in re.finditer(rule.pattern, prose):
                yield f'"{match[0]}": {rule.use}'


def _count_elements(context: str, text: str) -> Counter[str]:
    if not context:  # a sentence of the package may name a thing more or less often than its original
        code = re.findall("`[^`]+`", text)
        return Counter(
            {f"placeholder {name}" for name in PLACEHOLDER.findall(text)} | {f"code {each}" for each in code}
        )
    if context.endswith("#code"):
        return Counter({f"number {number}": n for number, n in Counter(NUMBER.findall(text)).items()}) + Counter(
            {"line": text.count("\n"), "quotation marks": text.count('"""'), "backslash": text.count("\\")}
        )
    return Counter(_name_elements(_get_parser().parse(text)))


def _name_elements(tokens: Iterable[Any]) -> Iterator[str]:
    for token in tokens:
        if token.type in QUOTED:
            yield f"{token.type} {WORDS.sub('text', token.content)!r}"
        elif token.type in COUNTED:
            yield f"{token.tag} element"
        elif token.type in ("html_inline", "html_block"):
            yield from (f"tag {tag}" for tag in TAG.findall(token.content))
        if token.type in ("text", "html_block"):
            yield from (f"number {number}" for number in NUMBER.findall(token.content))
        for attribute in ("href", "src"):
            if attribute in token.attrs:
                yield f"{attribute} {token.attrs[attribute]}"
        yield from _name_elements(token.children or ())


@cache
def _get_parser() -> Any:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    return MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, double_inline=True)
