"""A backup of a course in use is consistent, and restores it as it was."""

from __future__ import annotations

import sqlite3
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


def test_what_would_lie_outside_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with tarfile.open(tmp_path / "strange.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "file", "../../escaped")
    with pytest.raises(ValueError, match="not a backup of a hub"):
        restore_folders(tmp_path / "strange.tar.gz", tmp_path / "in" / "to")
    assert not (tmp_path / "escaped").exists()
