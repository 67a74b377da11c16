"""The lectures in a learner's home folder, copied when the server starts, by the learner's own process."""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import shutil
from datetime import date
from pathlib import Path

from nnkit.atomic_files import replace_file

RECORD = ".nnkit-lectures.json"
"""File that says which version of each lecture was copied: path → SHA-256."""
NEWS = "READ ME - corrected lectures.txt"


def copy_lectures(home: Path | None = None) -> list[Path]:
    """Copy the files of NNKIT_LECTURES into `home`/notebooks, and return what was copied.

    A corrected lecture replaces the learner's copy. If that was edited, it is kept beside the lecture under a name with
    the date, and a note in the folder says so. A full disk or an odd folder does not stop a server from starting.
    """
    source, to = os.environ.get("NNKIT_LECTURES"), (home or Path.home()) / "notebooks"
    if not source:
        return []
    copied: list[Path] = []
    record = _read_record(to / RECORD)
    try:
        for path in sorted(path for path in Path(source).rglob("*") if path.is_file()):
            name = path.relative_to(source).as_posix()
            if _update_file(path, to / name, record.get(name)):
                copied.append(to / name)
            record[name] = _hash_file(path)
        replace_file(to / RECORD, json.dumps(record, indent=1, sort_keys=True))
    except OSError as fault:
        print(f"nnkit: the lectures could not be written: {fault}")
    return copied


def _update_file(path: Path, target: Path, former: str | None) -> bool:
    """Bring a learner's copy of one file up to date; return True if it was written. `former` is the version copied."""
    if target.exists():
        # Without a record, the copy may be edited, and was made before records: leave it alone.
        if former is None or former == _hash_file(path) or filecmp.cmp(path, target, shallow=False):
            return False
        if _hash_file(target) != former:
            _keep_copy(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, path.read_bytes())
    return True


def _keep_copy(target: Path) -> None:
    """Copy an edited lecture to a name that is free, and note that in its folder."""
    stem, number = f"{target.stem} (mine until {date.today()})", 1
    kept = target.with_name(f"{stem}{target.suffix}")
    while kept.exists():
        number += 1
        kept = target.with_name(f"{stem} {number}{target.suffix}")
    shutil.copy2(target, kept)
    with target.with_name(NEWS).open("a", encoding="utf-8") as news:
        news.write(f"{date.today()}: {target.name} was corrected. Your own version of it is {kept.name}.\n")


def _read_record(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(digest) for name, digest in found.items()} if isinstance(found, dict) else {}


def _hash_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
