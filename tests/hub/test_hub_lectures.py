"""Lectures in a learner's home: corrected ones arrive, and no edit is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnkit_hub.lectures import NEWS, copy_lectures


@pytest.fixture
def lectures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    source = tmp_path / "lectures"
    source.mkdir()
    for name in ("00.ipynb", "01.ipynb"):
        (source / name).write_text(f"{name}, first edition")
    monkeypatch.setenv("NNKIT_LECTURES", str(source))
    return source


def read_home(home: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (home / "notebooks").iterdir() if not path.name.startswith(".")}


def test_a_corrected_lecture_arrives_and_an_edited_copy_is_kept_beside_it(lectures: Path, tmp_path: Path) -> None:
    copy_lectures(tmp_path)
    mine = tmp_path / "notebooks" / "00.ipynb"
    mine.write_text("my notes")
    assert copy_lectures(tmp_path) == [], "nothing was corrected"
    for name in ("00.ipynb", "01.ipynb"):
        (lectures / name).write_text(f"{name}, second edition")
    assert [path.name for path in copy_lectures(tmp_path)] == ["00.ipynb", "01.ipynb"]
    home = read_home(tmp_path)
    news = home.pop(NEWS)
    (kept,) = home.keys() - {"00.ipynb", "01.ipynb"}
    assert home == {"00.ipynb": "00.ipynb, second edition", "01.ipynb": "01.ipynb, second edition", kept: "my notes"}
    assert news.endswith(f"00.ipynb was corrected. Your own version of it is {kept}.\n")
    mine.write_text("more notes")
    (lectures / "00.ipynb").write_text("third edition")
    copy_lectures(tmp_path)
    assert {"third edition", "more notes", "my notes"} < set(read_home(tmp_path).values())


def test_copies_from_before_there_were_records_stay(lectures: Path, tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00.ipynb").write_text("older, or edited")
    assert [path.name for path in copy_lectures(tmp_path)] == ["01.ipynb"]
    assert read_home(tmp_path)["00.ipynb"] == "older, or edited"
    (lectures / "00.ipynb").write_text("corrected")
    copy_lectures(tmp_path)
    assert {"corrected", "older, or edited"} < set(read_home(tmp_path).values())


def test_a_strange_folder_stops_nothing(lectures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notebooks").write_text("a file where the folder should be")
    assert copy_lectures(tmp_path) == []
    assert "could not be written" in capsys.readouterr().out
