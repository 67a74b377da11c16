"""nbgrader's timestamp.txt: written, read, and read where a learner has written it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnkit_grader.course.submission_notes import parse_timestamp, read_timestamp, write_timestamp

TIME = "2026-11-24 15:58:23.948203 UTC"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_timestamp(tmp_path) is None
    write_timestamp(tmp_path, TIME)
    assert (tmp_path / "timestamp.txt").read_bytes() == TIME.encode()
    assert read_timestamp(tmp_path) == TIME


@pytest.mark.parametrize(
    "form", ["2026-11-24 15:58:23", "2026-11-24 15:58:23.9 UTC", "2026-11-24 15:58:23 Europe/Paris"]
)
def test_forms_that_nbgrader_reads(form: str) -> None:
    assert parse_timestamp(f"{form}\n".encode()) == form


@pytest.mark.parametrize(
    "content",
    [b"", b"yesterday", b"\xff\xfe", "２０２６-11-24 15:58:23".encode(), f"{TIME}\n{TIME}".encode(), b"9" * 200],
)
def test_other_content_is_no_time(content: bytes, tmp_path: Path) -> None:
    assert parse_timestamp(content) is None
    (tmp_path / "timestamp.txt").write_bytes(content)
    assert read_timestamp(tmp_path) is None
