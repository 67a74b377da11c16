"""Korean particles, whose form follows the sound before them: "dx은(는)" becomes "dx는", "w.T을(를)" "w.T를"."""

from __future__ import annotations

import re

FORMS = {
    "은(는)": ("은", "는"),
    "이(가)": ("이", "가"),
    "을(를)": ("을", "를"),
    "과(와)": ("과", "와"),
    "(으)로": ("으로", "로"),
}
"""Particle as translations write it after a placeholder → its forms after a consonant and after a vowel."""
PLACE = re.compile(r"([A-Za-z]+|[0-9]|[가-힣])([\"'`)\]}]*)(" + "|".join(map(re.escape, FORMS)) + ")")
FIRST_SYLLABLE, FINALS, RIEUL = ord("가"), 28, 8
DIGITS = {"0": "ㅇ", "1": "ㄹ", "3": "ㅁ", "6": "ㄱ", "7": "ㄹ", "8": "ㄹ"}
LETTERS = {"l": "ㄹ", "m": "ㅁ", "n": "ㄴ", "r": "ㄹ"}
"""Final consonants of the names of digits and letters; those of the others end in vowels."""
WORDS = {"array": "", "dict": "", "float": "", "int": "", "list": "", "none": "ㄴ", "out": "ㅅ", "tuple": "ㄹ"}
"""Final consonants of English words as Koreans say them, where their last letters do not tell."""
VOWEL_ENDINGS = "adhiorsuvxyz"
"""Last letters of English words that end in a vowel in Korean, such as "forward" and "class"."""
MAX_SPELT_LETTERS = 2
"""Letters of a name that is read letter by letter, such as "dx"."""


def choose_particles(text: str) -> str:
    """Return a text with the right form of each particle; both stay where the sound is not known."""
    return PLACE.sub(_choose, text)


def _choose(found: re.Match[str]) -> str:
    word, closing, particle = found.groups()
    final = _find_final(word)
    if final is None:
        return found[0]
    after_consonant, after_vowel = FORMS[particle]
    is_open = final == "" or (final == "ㄹ" and particle == "(으)로")
    return word + closing + (after_vowel if is_open else after_consonant)


def _find_final(word: str) -> str | None:
    """Return the consonant that a word ends in when it is read in Korean, ㄱ for all but ㄹ of a syllable; "" for a
    vowel, None if that is not known."""
    last = word[-1]
    if not last.isascii():
        final = (ord(last) - FIRST_SYLLABLE) % FINALS
        return "ㄹ" if final == RIEUL else "ㄱ" if final else ""
    if last.isdigit():
        return DIGITS.get(last, "")
    if word.lower() in WORDS:
        return WORDS[word.lower()]
    letter = last.lower()
    if len(word) <= MAX_SPELT_LETTERS:
        return LETTERS.get(letter, "")
    if letter in "lmn":
        return LETTERS[letter]
    return "" if letter in VOWEL_ENDINGS else None
