"""nbgrader's timestamp.txt: written, read, and read where a learner has written it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from nbgrader.utils import parse_utc

from nnkit_grader.course.submission_notes import parse_timestamp, read_timestamp, write_timestamp

TIME = "2026-11-24 15:58:23.948203 UTC"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_timestamp(tmp_path) is None
    write_timestamp(tmp_path, TIME)
    assert (tmp_path / "timestamp.txt").read_bytes() == TIME.encode()
    assert read_timestamp(tmp_path) == TIME


@pytest.mark.parametrize(
    "form",
    [
        TIME,
        "2026-11-24 15:58:23",
        "2026-11-24 15:58",
        "2026-11-24",
        "2026-11-24 15:58:23.9 UTC",
        "2026-11-24 15:58:23 Europe/Paris",
        "2026-11-24 15:58:23 America/Argentina/Buenos_Aires",
        "2026-11-24T15:58:23Z",
        "2026-11-24T15:58:23.948-08:00",
        "20261124T155823Z",
        "Tue, 24 Nov 2026 15:58:23 GMT",
        "Tue Nov 24 15:58:23 UTC 2026",
        "Oct 6, 2026 at 2:59am",
    ],
)
def test_forms_that_nbgrader_reads(form: str) -> None:
    told = parse_timestamp(f"{form}\n".encode())
    assert told
    assert told.endswith(" UTC")
    assert parse_utc(told) == parse_utc(form)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("\ufeffOct 6, 2026 at 2:59\u202fam".encode(), "2026-10-06 02:59:00.000000 UTC"),
        ("Oct 6, 2026 at 2:59am".encode("utf-16"), "2026-10-06 02:59:00.000000 UTC"),
        (b"Oct 6, 2026 at 2:59am PDT", "2026-10-06 09:59:00.000000 UTC"),
        (b"2026-11-24 15:58:23 +0100", "2026-11-24 14:58:23.000000 UTC"),  # for nbgrader, 100 seconds
        (b"11/24/2026 3:58 PM", "2026-11-24 15:58:00.000000 UTC"),  # for nbgrader, PM is the time zone
    ],
)
def test_forms_that_nbgrader_misreads(content: bytes, told: str) -> None:
    assert parse_timestamp(content) == told


NBGRADER_AGREES, NBGRADER_DIFFERS = True, False


@pytest.mark.parametrize(
    ("zone", "utc_hour", "nbgrader"),
    [
        ("UTC+1", 12, NBGRADER_AGREES),
        ("GMT+1", 12, NBGRADER_AGREES),
        ("UTC+01:00", 12, NBGRADER_AGREES),
        ("GMT+0100", 12, NBGRADER_AGREES),
        ("GMT-0500", 18, NBGRADER_AGREES),
        ("UTC+5:30", 7.5, NBGRADER_AGREES),
        ("GMT+0", 13, NBGRADER_AGREES),
        ("Etc/GMT+1", 14, NBGRADER_AGREES),  # the one name in which west is plus, in the time zone database
        ("utc+1", 12, NBGRADER_DIFFERS),
        ("UT-3", 16, NBGRADER_DIFFERS),
        ("UTC +1", 12, NBGRADER_DIFFERS),
        ("UTC + 01:00", 12, NBGRADER_DIFFERS),
        ("GMT-0500 (Eastern Standard Time)", 18, NBGRADER_DIFFERS),
        ("GMT+0100 (heure normale d'Europe centrale)", 12, NBGRADER_DIFFERS),
        ("+0100 CET", 12, NBGRADER_DIFFERS),
        ("CET+0100", 12, NBGRADER_DIFFERS),
        ("CET+1", 12, NBGRADER_DIFFERS),
        ("EST-0500", 18, NBGRADER_DIFFERS),
    ],
)
def test_a_distance_from_utc_is_plus_in_the_east(zone: str, utc_hour: float, nbgrader: bool) -> None:
    said = f"2026-11-24 13:00:00 {zone}"
    true = datetime(2026, 11, 24) + timedelta(hours=utc_hour)
    assert parse_utc(parse_timestamp(said.encode())) == true
    assert (_read_as_nbgrader(said) == true) == nbgrader


def _read_as_nbgrader(said: str) -> datetime | None:
    try:
        return parse_utc(said)
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("form", "utc_hour"),
    [
        ("Fri Nov 20 2026 08:00:00 GMT-0500", 13),
        ("Fri Nov 20 2026 08:00:00 GMT-0500 (EST)", 13),
        ("Fri Nov 20 13:00:00 GMT+01:00 2026", 12),
        ("20-Nov-2026 13:00:00 GMT+0100", 12),
        ("2026-11-20T13:00:00UTC+1", 12),
        ("Nov 20, 2026 at 1:00pm GMT-5", 18),
        ("Nov 20, 2026 at 1:00pm-0500", 18),
        ("2026-11-20 01:00:00 PM +0100", 12),
        ("Nov-20-2026 13:00", 13),
    ],
)
def test_the_distance_may_stand_elsewhere(form: str, utc_hour: int) -> None:
    assert parse_timestamp(form.encode()) == f"2026-11-20 {utc_hour}:00:00.000000 UTC"


@pytest.mark.parametrize(
    "zone",
    [
        *("EST+5", "CET-1", "EST+0500", "PST +0100", "+0100 PST", "PDT Europe/Paris", "UTC GMT+1", "Z+1"),
        *("BRST+3", "CEST+0200", "EST5EDT", "CET-1CEST", "UTC+1 DST", "America/New_York-5"),
        *("UTC+20", "+2000", "UTC+5.5", "UTC+1:75", "UTC+12345", "(CET)", "(UTC+1)"),
    ],
)
def test_a_zone_that_contradicts_itself_or_is_unknown_is_no_time(zone: str) -> None:
    assert parse_timestamp(f"2026-11-24 13:00:00 {zone}".encode()) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"yesterday",
        b"\xff\xfe",
        "２０２６-11-24 15:58:23".encode(),
        f"{TIME}\n{TIME}".encode(),
        b"9" * 200,
        b"15:58",
        b"10",
        b"Oct 6 at 2:59am",
        b"2026-13-45 10:00:00",
        b"0001-01-01 00:00:00 +1400",
        b"2026-11-24 15:58:23 Mars/Base",
        b"Nov 24 2026 3:58pm XYZT",
        b"2026-11-24 15:58:23 /dev/zero",
        b"2026-11-24 15:58:23 ../../../etc/localtime",
    ],
)
def test_other_content_is_no_time(content: bytes, tmp_path: Path) -> None:
    assert parse_timestamp(content) is None
    (tmp_path / "timestamp.txt").write_bytes(content)
    assert read_timestamp(tmp_path) is None
