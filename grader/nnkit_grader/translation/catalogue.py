"""Gettext catalogues, a file of the language for each document: read, brought up to date, written."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from nnkit_grader.translation.documents import Passage

HEADER = "# The course in another language: docs/translating.md explains these files."
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
"""The date in new catalogues: a real one would only make equal catalogues differ."""


@dataclass
class Merged:
    """A catalogue that has an entry for each passage of a document, and what changed to make it so."""

    catalogue: Catalog
    missing: list[Passage] = field(default_factory=list)
    """Passages without a translation."""

    drifted: list[Passage] = field(default_factory=list)
    """Passages whose translation is of an earlier text: fuzzy."""

    gone: list[Passage] = field(default_factory=list)
    """Entries that no passage has any more, left out of the catalogue."""

    def find_translation(self, passage: Passage) -> str | None:
        """Return the translation of a passage, its forms for several numbers a line each; None if it is missing or has
        drifted."""
        message = self.catalogue.get(passage.id, passage.context or None)
        return "\n".join(_list_forms(message)) if message and _is_translated(message) and not message.fuzzy else None


def read_catalogue(path: Path, language: str) -> Catalog:
    """Return the catalogue of a file; an empty one if there is no file. Raises ValueError if it is malformed."""
    content = path.read_bytes() if path.exists() else b""
    if content:
        return read_po(io.BytesIO(content), locale=language, abort_invalid=True)
    return Catalog(
        *(language, None, HEADER, "nnkit", "1"),
        copyright_holder="the nnkit authors",
        msgid_bugs_address="",
        creation_date=CREATED,
        revision_date=CREATED,
        last_translator="",
        language_team="",
        fuzzy=False,
    )


def write_catalogue(path: Path, catalogue: Catalog) -> None:
    """Write a catalogue. Its lines break where those of the texts do."""
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())


def merge(old: Catalog, passages: Iterable[Passage]) -> Merged:
    """Return a catalogue of these passages, with the translations of the old one.

    A passage that is new gets the translation of the entry that is gone from the same context and reads most like it,
    marked as fuzzy. A cell has a context of its own, so a changed cell always keeps its translation.
    """
    wanted = list(passages)
    before = {get_passage(message): message for message in old if message.id}
    gone = {passage: message for passage, message in before.items() if passage not in set(wanted)}
    catalogue = Catalog(old.locale, header_comment=old.header_comment, fuzzy=False)
    catalogue.mime_headers = old.mime_headers
    result = Merged(catalogue)
    for passage in wanted:
        message = before.get(passage) or _take_over(gone, passage) or Message(passage.id)
        catalogue.add(
            *(passage.id, message.string),
            context=passage.context or None,
            flags=message.flags,
            auto_comments=message.auto_comments,
            user_comments=message.user_comments,
        )
        if not _is_translated(message):
            result.missing.append(passage)
        elif message.fuzzy:
            result.drifted.append(passage)
    result.gone = list(gone)
    return result


def _take_over(gone: dict[Passage, Message], passage: Passage) -> Message | None:
    """Remove the entry from `gone` that a changed passage had before, and return it, fuzzy."""
    kind = (passage.context, bool(passage.plural))
    others = [other.text for other in gone if (other.context, bool(other.plural)) == kind]
    alone = "#" in passage.context and not passage.context.endswith("#code")
    close = get_close_matches(passage.text, others, 1, 0.0 if alone else 0.6)
    if not close:
        return None
    message = gone.pop(next(other for other in gone if (other.context, other.text) == (passage.context, close[0])))
    if _is_translated(message):
        message.flags.add("fuzzy")
    return message


def get_passage(message: Message) -> Passage:
    """Return the passage that an entry is about."""
    texts = (message.id,) if isinstance(message.id, str) else message.id
    return Passage(message.context or "", *texts)


def _is_translated(message: Message) -> bool:
    return all(_list_forms(message))


def _list_forms(message: Message) -> list[str]:
    """Return the forms of a translation: one for each number that the language tells apart, or one for all."""
    string = message.string or ""
    return [string] if isinstance(string, str) else [str(form) for form in string]
