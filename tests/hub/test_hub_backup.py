"""A backup of a course in use is consistent, and restores it as it was."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from nnkit_hub.backup import main, restore_folders, save_folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A database in use, with SQLite's files beside it, and other files."""
    folder = tmp_path / "course"
    (folder / "submitted" / "ada").mkdir(parents=True)
    (folder / "submitted" / "ada" / "ps1.ipynb").write_text("{}")
    (folder / "link").symlink_to("submitted")
    (folder / "notes-wal").write_text("of no database")
    return folder


def rows(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as book:
        return [row[0] for row in book.execute("select number from pairs order by rowid")]


def test_a_backup_of_a_gradebook_in_use_is_of_one_moment(folder: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(folder / "gradebook.db", check_same_thread=False, isolation_level=None)) as book:
        book.execute("pragma journal_mode=wal")
        book.execute("create table pairs (number integer)")
        ended = threading.Event()
        writer = threading.Thread(target=_write, args=(book, ended))
        writer.start()
        try:
            while not rows(folder / "gradebook.db"):
                pass
            saved = [tmp_path / f"{number}.tar.gz" for number in range(5)]
            for file in saved:
                save_folders(file, [folder])
        finally:
            ended.set()
            writer.join()
        assert (folder / "gradebook.db-wal").exists()
    counts = []
    for number, file in enumerate(saved):
        assert file.stat().st_mode & 0o777 == 0o600
        restore_folders(file, tmp_path / f"back{number}")
        back = tmp_path / f"back{number}" / folder.relative_to("/")
        assert {path.name for path in back.iterdir()} == {"gradebook.db", "submitted", "link", "notes-wal"}
        assert (back / "submitted" / "ada" / "ps1.ipynb").read_text() == "{}"
        found = rows(back / "gradebook.db")
        assert found == [one for pair in range(len(found) // 2) for one in (pair, pair)]  # never half of a pair
        counts.append(len(found))
    assert counts == sorted(counts)
    assert counts[-1] > 0


def _write(book: sqlite3.Connection, ended: threading.Event) -> None:
    number = 0
    while not ended.is_set():
        book.execute("begin")
        book.execute("insert into pairs values (?)", (number,))
        book.execute("insert into pairs values (?)", (number,))
        book.execute("commit")
        number += 1


def test_nothing_is_overwritten_and_nothing_half_is_left(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "backup.tar.gz"
    assert main(["save", str(file), str(folder)]) == 0
    assert main(["restore", str(file)]) == 2
    assert "already exists: move it out of the way first" in capsys.readouterr().err
    assert main(["save", str(tmp_path / "no.tar.gz"), str(folder), str(tmp_path / "missing")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.glob("no*")] == []


SAVE_FOR_EVER = """
import itertools, sys
from pathlib import Path
from nnkit_hub import backup

def list_for_ever(folder):
    print("started", flush=True)
    return itertools.repeat(folder)

backup._list_paths = list_for_ever
backup.save_folders(Path(sys.argv[1]), [Path(sys.argv[2])])
"""


def test_a_backup_clears_what_killed_ones_left_and_spares_one_that_runs(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "backups"
    target.mkdir()
    partial = lambda: list(target.glob(".new-*"))  # noqa: E731
    program = [sys.executable, "-c", SAVE_FOR_EVER, str(target / "monday.tar.gz"), str(folder)]
    running = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout
        assert running.stdout.readline() == "started\n"
        assert len(partial()) == 1
        assert save_folders(target / "tuesday.tar.gz", [folder]) > 0
        assert len(partial()) == 1, "it is still being written"
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    assert len(partial()) == 1
    save_folders(target / "wednesday.tar.gz", [folder])
    assert sorted(os.listdir(target)) == ["tuesday.tar.gz", "wednesday.tar.gz"]


def test_what_would_lie_outside_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with tarfile.open(tmp_path / "strange.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "file", "../../escaped")
    with pytest.raises(ValueError, match="not a backup of a hub"):
        restore_folders(tmp_path / "strange.tar.gz", tmp_path / "in" / "to")
    assert not (tmp_path / "escaped").exists()
