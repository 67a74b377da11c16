"""Files beside a notebook: pictures that it shows go into its cells; others are not used, and a sentence names them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from nnkit.language import say, say_count
from nnkit_grader.course.assignment import PLAIN_FILE_NAME, Assignment
from nnkit_grader.course.submission_notes import NBGRADER_NOTES, RECEIPT_FILE
from nnkit_grader.intake.safe_folder import SafeFolder, UnreadableSubmission
from nnkit_grader.sanitize.images import SVG, find_image_type, make_image
from nnkit_grader.sanitize.text import list_values, quote_value

MAX_PICTURE_BYTES = 5_000_000
MAX_ALL_PICTURES_BYTES = 15_000_000
MAX_LISTED_FILES = 30
"""Files that a sentence names before it counts the rest."""
LEFT_BY_PROGRAMS = re.compile(r"\..*|__pycache__|__MACOSX|Thumbs\.db|desktop\.ini|Icon\r?|.*~|~\$.*", re.IGNORECASE)
"""Names that editors and systems leave behind; the person who handed in knows nothing of them."""

Attachments = Mapping[str, Mapping[str, str]]
"""File name → MIME type → base64."""


@dataclass(frozen=True)
class FilesBeside:
    """The learner's files beside a notebook that the assignment does not list."""

    pictures: Attachments = field(default_factory=dict)
    """Pictures that the notebook's Markdown shows, by path."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Pictures that its code opens, by name; no SVG, which would be a page of its own in Formgrader."""
    repairs: tuple[str, ...] = ()
    """Sentences on files that are not used."""
    doubt: str = ""
    """A sentence on modules that the notebook imports, and that are not used."""
    unread: str = ""
    """The names of other files that are not used, for a sentence; "" if there are none."""

    def list_contents(self) -> dict[str, bytes]:
        """Return all of it as path → bytes, for a digest."""
        shown = {path: "".join(picture.values()).encode() for path, picture in self.pictures.items()}
        return {**shown, **self.files}

    def choose_pictures(self, text: str) -> Attachments:
        """Return the pictures that this Markdown shows."""
        return {path: picture for path, picture in self.pictures.items() if _mentions(text, path)}


def read_files_beside(
    folder: SafeFolder, assignment: Assignment, notebook: str, markdown: Sequence[str], code: Sequence[str]
) -> FilesBeside:
    """Read the pictures that a notebook shows, and describe the other files. Never raises.

    `notebook` is the name of its own file, `markdown` and `code` are the sources of the notebook's cells.
    """
    shown = "\n".join(markdown)
    pictures: dict[str, Mapping[str, str]] = {}
    files: dict[str, bytes] = {}
    unused, sentences, room = [], [], MAX_ALL_PICTURES_BYTES
    for path in _list_unlisted(folder, assignment, notebook):
        is_shown, is_opened = _mentions(shown, path), _opens(code, path)
        if not find_image_type(path) or not (is_shown or is_opened):
            unused.append(path)
            continue
        content, fault = _read_picture(folder, path, min(room, MAX_PICTURE_BYTES))
        room -= len(content)
        if fault:
            sentences.append(fault)
        if is_shown and content:
            pictures[path] = make_image(find_image_type(path), content)
        if is_opened and content:
            files[path] = content
    modules = [path for path in unused if path.endswith(".py")]
    others = [path for path in unused if path not in modules]
    sentences += (
        [_describe_unused(modules, say("What the notebook needs has to stand in its cells."))] if modules else []
    )
    sentences += [_describe_unused(others, "")] if others else []
    imported = ", ".join(quote_value(path) for path in modules if _imports(code, path))
    doubt = (
        say("The notebook imports {files}, which lay beside it and was not used.", files=imported) if imported else ""
    )
    unread = list_values(others, MAX_LISTED_FILES) if others else ""
    return FilesBeside(pictures, files, tuple(sentences), doubt, unread)


def _list_unlisted(folder: SafeFolder, assignment: Assignment, notebook: str) -> list[str]:
    """Return the paths of the learner's files that are neither the assignment's nor notebooks."""
    known = {notebook, *NBGRADER_NOTES, RECEIPT_FILE, *assignment.files, *assignment.course_files}
    paths = (path for path in folder.list_files() if not any(map(LEFT_BY_PROGRAMS.fullmatch, path.split("/"))))
    return sorted(path for path in paths if path not in known and not path.lower().endswith(".ipynb"))


def _read_picture(folder: SafeFolder, path: str, most: int) -> tuple[bytes, str]:
    """Return a picture, or a sentence on why it is not shown."""
    try:
        content = folder.read_path(path, most)
    except UnreadableSubmission as fault:
        return b"", say("A picture is not shown: {reason}", reason=fault)
    if make_image(find_image_type(path), content):
        return content, ""
    return b"", say("{path} is not shown: it is not the picture that its name says.", path=quote_value(path))


def _opens(code: Iterable[str], path: str) -> bool:
    """Return whether code has the name of a picture as a string."""
    plain = PLAIN_FILE_NAME.fullmatch(path) and find_image_type(path) != SVG
    return bool(plain) and any(f"{mark}{path}{mark}" in source for source in code for mark in "'\"")


def _mentions(text: str, path: str) -> bool:
    """Return whether Markdown has the address of a file: as it is, quoted, or with backslashes."""
    forms = {path, quote(path, errors="replace"), path.replace(" ", "%20"), path.replace("/", "\\")}
    return any(form in text for form in forms)


def _imports(code: Iterable[str], path: str) -> bool:
    name = re.escape(path.removesuffix(".py").rpartition("/")[2])
    line = re.compile(rf"^[ \t]*(?:from|import)[ \t].*?\b{name}\b|^[ \t]*%(?:run|load)[ \t].*\b{name}\b", re.MULTILINE)
    return any(line.search(source) for source in code)


def _describe_unused(paths: Sequence[str], more: str) -> str:
    sentence = say_count(
        "{listed} was not used: the assignment does not list it.",
        "{listed} were not used: the assignment does not list them.",
        len(paths),
        listed=list_values(paths, MAX_LISTED_FILES),
    )
    return f"{sentence} {more}".strip()
