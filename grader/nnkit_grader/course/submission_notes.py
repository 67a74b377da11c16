"""The files that nbgrader puts beside a submission, and the time of submission in one of them."""

from __future__ import annotations

import codecs
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path

TIMESTAMP_FILE = "timestamp.txt"
NBGRADER_NOTES = (TIMESTAMP_FILE, "submission_secret.txt")
"""Files beside a submission, which nbgrader expects beside the graded notebook too."""
RECEIPT_FILE = "receipt.json"
"""File that an exchange puts beside a submission, and that no learner can hand in there."""
MAX_TIMESTAMP_BYTES = 200
TIMESTAMP_FORMAT = "%Y-%m-%d %H:%M:%S.%f UTC"
"""nbgrader's own form: "2026-11-24 15:58:23.948203 UTC"."""
ZONE_AT_END = re.compile(r" ((?:[A-Z]\w*/)?[A-Za-z][A-Za-z_]+(?:/[A-Z]\w*)?|Etc/GMT[+-]\d\d?)$", re.ASCII)
"""A time zone behind the time: UTC, CET, Europe/Paris. A learner may have written it: it leads to no other file."""
NAMED_OFFSET = re.compile(r"(?<![A-Za-z/_])([A-Za-z]+) ?([+-]) ?(\d[\w:.]*)", re.ASCII)
"""A name with the distance behind it: UTC+1, GMT-0500, CET+01:00; also "Nov-2026", which is none."""
HOURS_AND_MINUTES = re.compile(r"(\d\d?)(?::?([0-5]\d))?")
COMMENT = re.compile(r"(?<=[+-]\d{4}) ?\([^()]*\)$")
"""The words that JavaScript and mail programs put behind a distance from UTC: "GMT-0500 (Eastern Standard Time)"."""
MAX_OFFSET_HOURS = 14
"""The distance from UTC of the earliest time zone."""
ZONE_HOURS = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
"""The abbreviations of RFC 2822."""
DEFAULTS = (datetime(2000, 1, 1), datetime(2004, 2, 2))
"""Two dates; a text that takes anything from them is no full date."""


def parse_timestamp(content: bytes) -> str | None:
    """Return the time in the content of a timestamp.txt, in nbgrader's own form; None if it is none.

    All forms of a full date are read that nbgrader reads ("2026-11-24 15:58 Europe/Paris", ISO 8601, Canvas's "Nov 24,
    2026 at 3:58pm"); without a time zone it is UTC, and "UTC+1" is an hour east of it. Time zones that contradict one
    another are none. A learner may have written it.
    """
    try:
        time = _parse_time(_decode_line(content)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, AttributeError):  # what dateutil raises
        return None
    return time.strftime(TIMESTAMP_FORMAT)


def _decode_line(content: bytes) -> str:
    """Return the text on one line, with plain blanks. Raises ValueError."""
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    line = " ".join(content.decode("utf-16" if wide else "utf-8-sig").split())
    if not line.isascii():
        raise ValueError("not ASCII")
    return line


def _parse_time(line: str) -> datetime:
    from dateutil.parser import parse
    from dateutil.tz import gettz

    text = COMMENT.sub("", line)
    zones: list[tzinfo] = []
    if (found := ZONE_AT_END.search(text)) and (zone := gettz(found[1])):
        text, zones = text[: found.start()], [zone]
    for found in NAMED_OFFSET.finditer(text):
        if _may_name_zone(found[1]):
            zones += _read_named_offset(*found.groups())
            text = text.replace(found[0], "", 1)
    time: datetime
    time, other = (parse(text, default=default, tzinfos=_find_zone) for default in DEFAULTS)
    if time != other:
        raise ValueError("a part of the date is missing")
    zones += [time.tzinfo] if time.tzinfo else []
    times = [time.replace(tzinfo=zone) for zone in zones or [UTC]]
    offsets = {one.utcoffset() or timedelta() for one in times}
    if len(offsets) > 1 or max(map(abs, offsets)) > timedelta(hours=MAX_OFFSET_HOURS):
        raise ValueError("the time zones contradict one another, or are none")
    return times[0]


def _may_name_zone(word: str) -> bool:
    """Return whether a word in a time is none of a date's other words."""
    from dateutil.parser import parserinfo

    words = parserinfo()
    others = words.month(word), words.weekday(word), words.ampm(word)
    return all(other is None for other in others) and not words.jump(word)


def _read_named_offset(name: str, sign: str, digits: str) -> list[tzinfo]:
    """Return the zone of "UTC+1" (east is plus), or the two of "CET+0100", which must agree. Raises ValueError."""
    distance = HOURS_AND_MINUTES.fullmatch(digits)
    if not distance:
        raise ValueError(f"{sign}{digits} is no distance from UTC")
    minutes = 60 * int(distance[1]) + int(distance[2] or 0)
    own = [] if name.upper() in ("UTC", "GMT", "UT") else [_find_zone(name, None)]
    return [timezone(timedelta(minutes=-minutes if sign == "-" else minutes)), *(zone for zone in own if zone)]


def _find_zone(name: str | None, seconds: int | None) -> tzinfo | None:
    """Return the zone that dateutil found: by its distance from UTC, or its name. Raises ValueError."""
    from dateutil.tz import gettz

    if seconds is None and name in ZONE_HOURS:
        seconds = 3600 * ZONE_HOURS[name]
    if seconds is not None:
        return timezone(timedelta(seconds=seconds))
    zone: tzinfo | None = gettz(name) if name else None
    if name and zone is None:
        raise ValueError(f"{name} is no time zone")
    return zone


def read_timestamp(folder: Path) -> str | None:
    """Return the time in a trusted folder's timestamp.txt; None if it is missing or malformed."""
    try:
        return parse_timestamp((folder / TIMESTAMP_FILE).read_bytes())
    except FileNotFoundError:
        return None


def write_timestamp(folder: Path, time: str) -> None:
    """Write a folder's timestamp.txt."""
    (folder / TIMESTAMP_FILE).write_text(time, encoding="ascii")
