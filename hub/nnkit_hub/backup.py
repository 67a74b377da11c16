"""Back up the folders of a hub while it runs, and restore them.

    python -m nnkit_hub.backup save FILE.tar.gz FOLDER ...
    python -m nnkit_hub.backup restore FILE.tar.gz [--into FOLDER]

SQLite itself copies its databases (gradebooks, the hub's own), so each copy is consistent even if others write
meanwhile. All other files are replaced as a whole when they change. A backup holds grades and names: keep it as
safe as those.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from nnkit.atomic_files import UNFINISHED, open_replacement

SQLITE_HEADER = b"SQLite format 3\0"
SQLITE_SUFFIXES = ("-wal", "-shm", "-journal")
"""Endings of the files that SQLite keeps beside an open database. A backup needs none of them."""
UNFINISHED_BACKUP = f"{UNFINISHED}backup-"
"""Prefix of a backup's name while it is being written, and locked by the process that writes it."""


def save_folders(file: Path, folders: Iterable[Path]) -> int:
    """Write a backup of these folders and return the number of files in it. Raises OSError or sqlite3.Error.

    Only its owner can read the file, and it appears whole or not at all. The partial files of backups that were killed
    are deleted.
    """
    _remove_abandoned(file.parent)
    number = 0
    with open_replacement(file, mode=0o600, prefix=UNFINISHED_BACKUP) as raw:
        fcntl.flock(raw, fcntl.LOCK_EX)
        with tarfile.open(fileobj=raw, mode="w:gz") as archive:
            for path in (path for folder in folders for path in _list_paths(folder.absolute())):
                number += _add_path(archive, path)
    return number


def _remove_abandoned(folder: Path) -> None:
    """Delete the partial backups in a folder that no process is writing: those that it can lock."""
    for path in folder.glob(f"{UNFINISHED_BACKUP}*"):
        with contextlib.suppress(OSError), path.open("rb") as partial:
            fcntl.flock(partial, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _list_paths(folder: Path) -> Iterator[Path]:
    """Yield the folder, and the folders, files and links below it."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    yield folder
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or path.is_dir() or (path.is_file() and not _belongs_to_database(path)):
            yield path


def _belongs_to_database(path: Path) -> bool:
    return any(
        path.name.endswith(end) and _is_database(path.with_name(path.name[: -len(end)])) for end in SQLITE_SUFFIXES
    )


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE_HEADER)) == SQLITE_HEADER
    except OSError:
        return False


def _add_path(archive: tarfile.TarFile, path: Path) -> bool:
    """Add a path and return True if it is a file; a path that no longer exists is skipped."""
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


def restore_folders(file: Path, into: Path = Path("/")) -> int:
    """Restore a backup below `into` and return the number of files. Raises ValueError if any file exists already."""
    with tarfile.open(file) as archive:
        members = archive.getmembers()
        files = [member for member in members if not member.isdir()]
        existing = [into / member.name for member in files if os.path.lexists(into / member.name)]
        if existing:
            raise ValueError(f"{existing[0]} already exists: move it out of the way first.")
        outside = [one.name for one in members if one.name.startswith("/") or ".." in Path(one.name).parts]
        if outside:
            raise ValueError(f"{file} is not a backup of a hub: it contains a file named {outside[0]}.")
        # Keep owners and permissions. Python before 3.11.4 has no filters, and keeps them anyway.
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
    restoring.add_argument("--into", type=Path, default=Path("/"), help="default: the folders' original places")
    args = parser.parse_args(argv)
    try:
        number = save_folders(args.file, args.folders) if args.verb == "save" else restore_folders(args.file, args.into)
    except (OSError, ValueError, sqlite3.Error, tarfile.TarError) as fault:
        print(f"nnkit: {fault}", file=sys.stderr)
        return 2
    print(f"{number} files {'saved in' if args.verb == 'save' else 'restored from'} {args.file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
