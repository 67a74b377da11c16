"""Needs of an answer that the sandbox does not meet: modules, files, the network, other processes.

An answer that passes on the learner's machine may lose its points for that alone, so a grader should see it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from nnkit.language import say

IMPORTS = ("ImportError", "ModuleNotFoundError")
OTHERS = (
    "BlockingIOError",
    "ConnectionError",
    "ConnectionRefusedError",
    "FileNotFoundError",
    "HTTPError",
    "NotADirectoryError",
    "OSError",
    "PermissionError",
    "URLError",
    "gaierror",
)
"""Errors at a file, the network or another process: Python's, and those of `urllib`, `socket` and `requests`."""
OTHERS_WORD = re.compile(rf"\b(?:{'|'.join(OTHERS)})\b", re.ASCII)


def describe_lack(error: str, cell: str) -> str:
    """Return a sentence on what is lacking if an error with this name ended the cell with this id; "" if nothing is."""
    if error in IMPORTS:
        return say("The cell {cell!r} imports what is not here.", cell=cell)
    if error in OTHERS:
        return say("The cell {cell!r} needs a file, the network or another process that is not here.", cell=cell)
    return ""


def describe_lack_in_test(texts: Iterable[str]) -> str:
    """Return a sentence on what is lacking if the texts on a test that failed name such an error; "" if none does."""
    found = any(map(OTHERS_WORD.search, texts))
    return say("The answer needs a file, the network or another process that is not here.") if found else ""
