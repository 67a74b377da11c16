"""Sentences in the reader's language: looked up in gettext catalogues, English where there is no translation.

    say("{name} is wrong", name="dx")                                    # "dx가 …" where the language is Korean
    say_count("{number} entry is off", "{number} entries are off", 3)
    with speaking("ko"): ...                                             # whatever the reader's own language is

The first argument is the English sentence: `nnkit translate` collects them all from the code, and compiles the
translations into nnkit/locale. A sentence in a table is marked there, `to_say("...")`, and looked up where it is shown,
`say(table[key])`. What programs match (ids, JSON keys, statuses) is never translated.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

ENGLISH = "en"
VARIABLE = "NNKIT_LANG"
"""The environment variable that chooses a language."""
CATALOGUES = Path(__file__).parent / "locale"
"""The folder of compiled catalogues, CODE.mo for each language."""

_chosen: ContextVar[str] = ContextVar("nnkit.language", default="")


def say(sentence: str, /, **values: object) -> str:
    """Return a sentence in the reader's language, its named placeholders filled."""
    language = current_language()
    if language == ENGLISH or not sentence:
        return sentence.format(**values) if values else sentence
    return _fill(language, _load_catalogue(language).gettext(sentence), values)


def say_count(singular: str, plural: str, number: int, /, **values: object) -> str:
    """Return a sentence about so many things, in the form of the number; it fills {number} too."""
    language, values = current_language(), {"number": number, **values}
    if language == ENGLISH:
        return (singular if number == 1 else plural).format(**values)
    return _fill(language, _load_catalogue(language).ngettext(singular, plural, number), values)


def _fill(language: str, sentence: str, values: Mapping[str, object]) -> str:
    filled = sentence.format(**values) if values else sentence
    if values and language == "ko":
        from nnkit.korean import choose_particles

        return choose_particles(filled)
    return filled


def to_say(sentence: str) -> str:
    """Return a sentence as it is: one that is looked up later."""
    return sentence


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak a language in a block of code; one without a catalogue is English."""
    token = _chosen.set(find_code(language) or ENGLISH)
    try:
        yield
    finally:
        _chosen.reset(token)


def current_language() -> str:
    """Return the code of the reader's language: that of `speaking`, else of NNKIT_LANG, else of the open notebook, else
    the system's; "en" where it has no catalogue."""
    return _choose(_chosen.get(), os.environ.get(VARIABLE, ""))


def choose_language(metadata: Mapping[str, Any]) -> str:
    """Return the language of a notebook with these metadata: the one that is spoken, else NNKIT_LANG's, else the
    notebook's own, else the system's."""
    return _choose(_chosen.get(), os.environ.get(VARIABLE) or read_notebook_language(metadata))


def read_notebook_language(metadata: Mapping[str, Any]) -> str:
    """Return the language that `nnkit translate` wrote into a notebook's metadata; "" if there is none."""
    own = metadata.get("nnkit") if isinstance(metadata, Mapping) else None
    language = own.get("language") if isinstance(own, dict) else None
    return find_code(language) if isinstance(language, str) else ""


@cache
def _choose(chosen: str, variable: str) -> str:
    code = chosen or find_code(variable) or _find_in_notebook() or _find_in_locale()
    return code if code and (CATALOGUES / f"{code}.mo").exists() else ENGLISH


def find_code(language: str) -> str:
    """Return the code in a locale's name: "ko" for "ko_KR.UTF-8"; "" for "C" and "POSIX"."""
    found = re.match(r"[a-z]{2,3}(?![a-z])", language.strip().lower())
    return found[0] if found else ""


def _find_in_notebook() -> str:
    """Return the language of the notebook whose kernel this is. Jupyter names it in the kernel's environment."""
    try:
        content = Path(os.environ.get("JPY_SESSION_NAME", "")).read_text(encoding="utf-8")
        return read_notebook_language(json.loads(content)["metadata"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # renamed, or no notebook
        return ""


def _find_in_locale() -> str:
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return find_code(value)
    return ""


@cache
def _load_catalogue(language: str) -> Any:
    from gettext import GNUTranslations

    with (CATALOGUES / f"{language}.mo").open("rb") as file:
        return GNUTranslations(file)
