"""Times as people and platforms write them: read as what they say, or refused by a sentence.

dateutil takes `05.04.2030` for the 4th of May, `CEST` for UTC and whatever is missing from today,
and nbgrader `+0100` for 100 seconds.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import dateutil.parser

from autograder.i18n import _
from autograder.judging.show import printable
from autograder.submissions.reasons import NO_TIME

MAX_LENGTH, MAX_SHOWN = 200, 60
TIMESTAMP = "timestamp.txt"
# Summer times and German names, which no list of zones has; of others the letters are not enough.
SHORT = {"Z": 0, "MEZ": 1, "CEST": 2, "MESZ": 2, "MEST": 2, "WEST": 1, "EEST": 3}
SHORT |= {"EDT": -4, "MDT": -6, "PDT": -7, "PST": -8}

_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(:(?P<second>\d\d)([.,](?P<part>\d{1,9}))?)?"
_CLOCK += r"(\s*(?P<half>[ap]\.?m\.?)(?!\w))?"
_CLOCK_AT = re.compile(rf"(?<![\d:]){_CLOCK}(?![\d:])", re.IGNORECASE)
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})")
_DOTS = re.compile(r"(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?(?P<year>\d{4})")
_UNCLEAR = re.compile(r"(?P<one>\d{1,2})([-/])(?P<other>\d{1,2})\2(?P<year>\d{4})")
_OFFSET = re.compile(r"(UTC|GMT)?\s*(?P<sign>[+\-−])(?P<hours>\d{1,2}):?(?P<minutes>\d\d)?")


def read_time(text: str) -> datetime:
    """A time in UTC, without a zone, as nbgrader keeps it. One that names no zone is in UTC.

    Raises
    ------
    ValueError that says what is wrong.
    """
    plain = text.replace("\ufeff", "").strip()
    if not plain or len(plain) > MAX_LENGTH:
        raise ValueError(_("this is no time: {text}").format(text=printable(plain[:MAX_LENGTH])))
    try:
        day, clock, zone = _split(plain)
        there = datetime.combine(_day(day), clock, _zone(zone))
        _see_to_name(there, zone)
        return there.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        told = _("{text} is no time that can be told ({why}); write 2030-01-31 23:59:00 +01:00")
        raise ValueError(told.format(text=printable(plain), why=error)) from None


def timestamp_of(folder: Path) -> tuple[datetime | None, list[str]]:
    """When a submission was handed in, None where nobody knows; and what there is to say of it."""
    file = folder / TIMESTAMP
    if not file.exists():
        return None, []
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_LENGTH * 4)
        text = _text(data).strip()
        return (read_time(text) if text else None), []
    except ValueError:
        return None, [NO_TIME.format(text=printable(text[:MAX_SHOWN]))]
    except OSError as error:
        return None, [NO_TIME.format(text=error.strerror)]


def _text(data: bytes) -> str:
    utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    return data.decode("utf-16" if utf16 else "utf-8", errors="replace").replace("\ufeff", "")


def _split(text: str) -> tuple[str, time, str]:
    """The day, the clock and the zone of a time."""
    compact = re.fullmatch(r"(\d{4})-?(\d\d)-?(\d\d)[T-]?(\d\d)-?(\d\d)-?(\d\d)?(Z?)", text)
    if compact:
        year, month, day, hour, minute, second, zone = compact.groups()
        clock = time(int(hour), int(minute), int(second or 0))
        return f"{year}-{month}-{day}", clock, zone
    text = re.sub(r"^(\d{4}-\d\d-\d\d)T", r"\1 ", text)
    found = _CLOCK_AT.search(text)
    if found is None:
        return text, time(), ""
    hour = int(found["hour"])
    if found["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(_("there is no such hour"))
        hour = hour % 12 + (12 if found["half"][0].lower() == "p" else 0)
    micro = int((found["part"] or "0").ljust(6, "0")[:6])
    clock = time(hour, int(found["minute"]), int(found["second"] or 0), micro)
    before, after = text[: found.start()].strip(" ,"), text[found.end() :].strip(" ,()")
    # Mar 30 23:59:00 2030, as `date` writes it.
    year = re.search(r"(?<!\S)\d{4}$", after)
    if year and not re.search(r"\d{4}", before):
        before, after = f"{before} {year[0]}", after[: year.start()].strip()
    if re.search(r"(?i)\b(at|um|a las)$", before):
        before = before.rpartition(" ")[0]
    return before.rstrip(","), clock, after


def _day(text: str) -> date:
    for pattern in (_YEAR_FIRST, _DOTS):
        found = pattern.fullmatch(text)
        if found:
            return date(int(found["year"]), int(found["month"]), int(found["day"]))
    found = _UNCLEAR.fullmatch(text)
    if found:
        one, other, year = int(found["one"]), int(found["other"]), int(found["year"])
        if one <= 12 and other <= 12 and one != other:
            raise ValueError(_("its day could be its month"))
        return date(year, min(one, other), max(one, other))
    if not (re.search(r"[^\W\d]{3}", text) and re.search(r"\d{4}", text)):
        raise ValueError(_("no day, month and year"))
    # A month by its name; what is not there would be taken from the default.
    makings = [datetime(2001, 1, 1), datetime(2002, 2, 2)]
    try:
        made = {dateutil.parser.parse(text, default=default).date() for default in makings}
    except Exception as error:  # dateutil fails in many ways
        raise ValueError(_("no day, month and year")) from error
    if len(made) != 1:
        raise ValueError(_("no day, month and year"))
    return made.pop()


def _zone(text: str) -> tzinfo:
    if not text:
        return UTC
    if text.upper() in SHORT:
        return timezone(timedelta(hours=SHORT[text.upper()]), text.upper())
    offset = _OFFSET.fullmatch(text)
    if offset:
        hours, minutes = int(offset["hours"]), int(offset["minutes"] or 0)
        if hours > 15 or minutes > 59:
            raise ValueError(_("there is no such zone: {zone}").format(zone=text))
        length = timedelta(hours=hours, minutes=minutes)
        return timezone(length if offset["sign"] == "+" else -length)
    try:
        return ZoneInfo(text)
    except Exception as error:  # it looks for a file of this name, and fails in many ways
        told = _("nobody can tell which zone {zone} is")
        raise ValueError(told.format(zone=printable(text))) from error


def _see_to_name(there: datetime, zone: str) -> None:
    """CET in July: an hour lies between what was written and what holds there."""
    if re.fullmatch(r"[A-Z]{3,4}", zone) and there.tzname() != zone and zone != "GMT":
        told = _("{zone} does not hold on that day, {other} does")
        raise ValueError(told.format(zone=zone, other=there.tzname()))
