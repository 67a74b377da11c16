"""Changes to other people's modules and to the interpreter, each with its reason. Nothing else patches anything."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


def skip_rfc3987_grammar() -> None:
    """Keep `jsonschema` from importing `rfc3987_syntax`, which builds a grammar for 1.1 s.

    nbformat imports jsonschema, but never uses the check of IRIs that needs the grammar. jsonschema takes the missing
    module for one that is not installed.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def freeze_heap() -> None:
    """Exempt all objects from garbage collection, before a process forks.

    A collection writes to the header of each object that it visits, so without this the first one in each fork would
    copy every page that the forks share.
    """
    gc.collect()
    gc.freeze()


def replace_autograder(autograder: type) -> None:
    """Make `nbgrader autograde` and Formgrader's button use this class.

    nbgrader has no setting for it, and looks its own class up in these two modules.
    """
    from nbgrader.apps import api, autogradeapp

    for module in (api, autogradeapp):
        module.Autograde = autograder


def shorten_list_errors(describe: Callable[[BaseException | None], str]) -> None:
    """Make Assignment List show the sentence that `describe` returns for a fault; "" keeps nbgrader's traceback.

    Its server extension has no setting for it: it shows `traceback.format_exc()`, or replaces an ExchangeError by a
    sentence of its own about a missing folder. Nothing happens where the extension is not loaded.
    """
    extension: Any = sys.modules.get("nbgrader.server_extensions.assignment_list.handlers")
    if extension and not isinstance(extension.traceback, SimpleNamespace):
        format_exc = extension.traceback.format_exc
        extension.traceback = SimpleNamespace(format_exc=lambda: describe(sys.exc_info()[1]) or format_exc())
        extension.ExchangeError = ()
