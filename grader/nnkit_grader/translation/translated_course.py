"""`nnkit translate`: a course's catalogues, what is wrong with them, and the course folder that they make."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nnkit_grader.course.bundle import LEARNERS_README, SINGLE_FILES, WHOLE_FOLDERS, read_folder
from nnkit_grader.course.layout import CourseLayout
from nnkit_grader.course.release import copy_course, keep_changed_files, release_assignments
from nnkit_grader.translation.catalogue import Merged, get_passage, merge, read_catalogue, write_catalogue
from nnkit_grader.translation.documents import Passage, list_passages, translate_document
from nnkit_grader.translation.package_sentences import PACKAGE, compile_catalogue, get_compiled_path, list_sentences
from nnkit_grader.translation.wording import WordRule, compare_structure, find_forbidden_words

TRANSLATIONS = "translations"
LANGUAGE_FILE = "language.toml"
PUBLISHED = ("README.md", "docs/learner.md")
"""Documents whose translation is also written beside them (README.ko.md)."""

MARKDOWN_DOCUMENTS = (*PUBLISHED, LEARNERS_README)

Catalogues = dict[str, Merged]
"""Path of a document, from the course folder → its catalogue."""


@dataclass(frozen=True)
class Language:
    """The settings of a language: translations/CODE/language.toml."""

    code: str
    mark: str
    """The sentence below a passage that is in the original language."""

    rules: tuple[WordRule, ...]

    @classmethod
    def from_course(cls, course: Path, code: str) -> Language:
        """Read the settings. Raises FileNotFoundError if the course has none for the language."""
        path = course / TRANSLATIONS / code / LANGUAGE_FILE
        if not path.exists():
            raise FileNotFoundError(f"There is no {path}: docs/translating.md explains how to begin a language.")
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls(code, settings["mark"], tuple(WordRule(**rule) for rule in settings.get("forbidden", ())))


def merge_catalogues(course: Path, code: str) -> Catalogues:
    """Return the catalogue of each document, brought up to date; nothing is written."""
    found = {}
    for path in _list_documents(course):
        content = (course / path).read_text(encoding="utf-8")
        catalogue = read_catalogue(get_catalogue_path(course, code, path), code)
        found[path] = merge(catalogue, list_passages(path, content))
    if (course / PACKAGE).is_dir():
        found[PACKAGE] = merge(read_catalogue(get_catalogue_path(course, code, PACKAGE), code), list_sentences(course))
    return found


def write_catalogues(course: Path, code: str, catalogues: Catalogues) -> None:
    """Write the catalogues into translations/CODE, and the package's, compiled, into nnkit/locale."""
    for path, merged in catalogues.items():
        write_catalogue(get_catalogue_path(course, code, path), merged.catalogue)
    if PACKAGE in catalogues:
        compiled = get_compiled_path(course, code)
        compiled.parent.mkdir(exist_ok=True)
        compiled.write_bytes(compile_catalogue(catalogues[PACKAGE]))


def get_catalogue_path(course: Path, code: str, document: str) -> Path:
    """Return the path of a document's catalogue."""
    return (course / TRANSLATIONS / code / document).with_suffix(".po")


def list_drift(catalogues: Catalogues) -> Iterator[str]:
    """Yield a line for each passage that is missing, has drifted or is gone."""
    for merged in catalogues.values():
        for kind, passages in (("missing", merged.missing), ("drifted", merged.drifted), ("gone", merged.gone)):
            yield from (f"{kind:<8} {_describe(passage)}" for passage in passages)


def list_faults(catalogues: Catalogues, language: Language) -> Iterator[str]:
    """Yield a line for each translation that differs in structure from its original, or has a forbidden word."""
    for passage, translation in list_translated(catalogues):
        for fault in (
            *compare_structure(passage, translation),
            *find_forbidden_words(passage, translation, language.rules),
        ):
            yield f"fault    {_describe(passage)}: {fault}"


def list_translated(catalogues: Catalogues) -> Iterator[tuple[Passage, str]]:
    """Yield each passage that has an up-to-date translation, and the translation."""
    for merged in catalogues.values():
        for message in merged.catalogue:
            if message.id:
                passage = get_passage(message)
                translation = merged.find_translation(passage)
                if translation is not None:
                    yield passage, translation


def count_passages(catalogues: Catalogues) -> tuple[int, int]:
    """Return how many passages are translated, and how many there are."""
    return len(list(list_translated(catalogues))), sum(len(merged.catalogue) for merged in catalogues.values())


def build_course(course: Path, language: Language, catalogues: Catalogues) -> Path:
    """Write the course in a language into build/CODE, assignments included, and return that folder.

    A passage without an up-to-date translation stays in the original language; a Markdown cell or paragraph gets the
    language's mark. Edited lectures and assignments in build/CODE are kept in a dated folder beside them.
    """
    to = course / "build" / language.code
    to.mkdir(parents=True, exist_ok=True)
    files = [*SINGLE_FILES, "environment.yml", "Makefile"]
    copied = {name: (course / name).read_bytes() for name in files if (course / name).exists()}
    for folder in WHOLE_FOLDERS:
        copied |= read_folder(course, folder)
    for path in filter(PACKAGE.__ne__, catalogues):
        copied[path] = translate_course_document(course, path, language, catalogues[path]).encode()
    with tempfile.TemporaryDirectory(prefix=".nnkit-translate-", dir=to) as scratch:
        fresh = Path(scratch)
        for path, content in copied.items():
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            (fresh / path).write_bytes(content)
        keep_changed_files(to / "notebooks", fresh / "notebooks")
        for folder in (*WHOLE_FOLDERS, CourseLayout.from_course(course).source):
            shutil.rmtree(to / folder, ignore_errors=True)
        copy_course(course, to)
        shutil.copytree(fresh, to, dirs_exist_ok=True)
    release_assignments(to)
    return to


def write_published(course: Path, language: Language, catalogues: Catalogues) -> None:
    """Write the translations of published documents beside these: README.ko.md beside README.md."""
    for path in filter(catalogues.__contains__, PUBLISHED):
        text = translate_course_document(course, path, language, catalogues[path])
        (course / path).with_suffix(f".{language.code}.md").write_text(text, encoding="utf-8")


def translate_course_document(course: Path, path: str, language: Language, merged: Merged) -> str:
    """Return a document of the course in a language; a notebook's metadata say which, for `nnkit.language`."""

    def translate(passage: Passage) -> str:
        translation = merged.find_translation(passage)
        if translation is not None:
            return translation
        return passage.text if passage.context.endswith("#code") else f"{passage.text}\n\n{language.mark}"

    return translate_document(path, (course / path).read_text(encoding="utf-8"), translate, language.code)


def _list_documents(course: Path) -> list[str]:
    """Return the paths of the lectures, the assignments and the Markdown documents that there are."""
    layout = CourseLayout.from_course(course)
    paths = [*sorted((course / "notebooks").glob("*.ipynb"))]
    for name in layout.list_assignments():
        paths += layout.list_notebooks(name)
    paths += [course / name for name in MARKDOWN_DOCUMENTS if (course / name).exists()]
    root = course.resolve()
    return [path.resolve().relative_to(root).as_posix() for path in paths]


def _describe(passage: Passage) -> str:
    first = passage.text.strip().splitlines()[0]
    return f"{passage.context or PACKAGE}  {first[:60]}"
