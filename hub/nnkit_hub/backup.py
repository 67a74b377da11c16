"""Back up the folders of a hub while it runs, and restore them.

    python -m nnkit_hub.backup save FILE.tar.gz FOLDER ...
    python -m nnkit_hub.backup restore FILE.tar.gz [--into FOLDER]

SQLite databases (gradebooks, the hub's own) are copied by SQLite itself, so that a copy is of one moment though
somebody writes. All else is files that are put in place whole. A backup holds grades and names: keep it as you keep
those.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

SQLITE = b"SQLite format 3\0"
BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database that is in use; a copy needs none of it."""


def save(file: Path, folders: Iterable[Path]) -> int:
    """Write a backup of these folders; returns the number of files in it. Raises OSError or sqlite3.Error.

    The file is readable by its owner only, and appears whole or not at all.
    """
    fresh = file.with_name(f"{file.name}.new")
    number = 0
    try:
        with (
            open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw,
            tarfile.open(fileobj=raw, mode="w:gz") as archive,
        ):
            for path in (path for folder in folders for path in _below(folder.absolute())):
                number += _add(archive, path)
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)
    return number


def _below(folder: Path) -> Iterator[Path]:
    """The folder and what is in it, but what is no file, folder or link."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    yield folder
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or path.is_dir() or (path.is_file() and not _is_beside(path)):
            yield path


def _is_beside(path: Path) -> bool:
    return any(path.name.endswith(end) and _is_database(path.with_name(path.name[: -len(end)])) for end in BESIDE)


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except OSError:
        return False


def _add(archive: tarfile.TarFile, path: Path) -> bool:
    """Whether it was a file that was added; one that has gone meanwhile is none."""
    try:
        if path.is_file() and not path.is_symlink() and _is_database(path):
            _add_database(archive, path)
        else:
            archive.add(path, recursive=False)
        return path.is_file()
    except FileNotFoundError:
        return False


def _add_database(archive: tarfile.TarFile, path: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, "copy")
        source = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)
        with closing(source), closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        entry = archive.gettarinfo(path)
        entry.size = copy.stat().st_size
        with copy.open("rb") as content:
            archive.addfile(entry, content)


def restore(file: Path, into: Path = Path("/")) -> int:
    """Put a backup back, below `into`; returns the number of files. Raises ValueError if one is there already."""
    with tarfile.open(file) as archive:
        members = archive.getmembers()
        files = [member for member in members if not member.isdir()]
        there = [into / member.name for member in files if os.path.lexists(into / member.name)]
        if there:
            raise ValueError(f"{there[0]} is there: move what is to be replaced out of the way first.")
        outside = [one.name for one in members if one.name.startswith("/") or ".." in Path(one.name).parts]
        if outside:
            raise ValueError(f"{file} is no backup of a hub: it has a file named {outside[0]}.")
        # Owners and rights as they were. Pythons before 3.11.4 know no filters, and need none to be told.
        archive.extraction_filter = lambda member, path: member
        archive.extractall(into, members)
    return len(files)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m nnkit_hub.backup", description="Back up a hub's folders.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    saving = verbs.add_parser("save")
    saving.add_argument("file", type=Path)
    saving.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    restoring = verbs.add_parser("restore")
    restoring.add_argument("file", type=Path)
    restoring.add_argument("--into", type=Path, default=Path("/"), help="default: where the folders were")
    args = parser.parse_args(argv)
    try:
        number = save(args.file, args.folders) if args.verb == "save" else restore(args.file, args.into)
    except (OSError, ValueError, sqlite3.Error, tarfile.TarError) as fault:
        print(f"nnkit: {fault}", file=sys.stderr)
        return 2
    print(f"{number} files {'saved in' if args.verb == 'save' else 'restored from'} {args.file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
