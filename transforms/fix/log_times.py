"""The forms in which logs write when a line was captured, and what moment a text of a form is.

A form is told by the shape of a prefix alone, its text with every digit a zero, so that texts of
one shape are looked at once. What is not understood is no time: a date that may be read in two
ways, a zone that several regions use, a clock without a date, a year that is not written.
"""

import calendar
import datetime
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

__all__ = [
    "LAST_EPOCH",
    "LEVEL",
    "MONTH",
    "ZONE",
    "Date",
    "Layout",
    "Span",
    "find_time",
    "layout_of",
    "moment",
    "shape_of",
    "utc",
    "zone_of",
]

Span = tuple[int, int]


class Date(NamedTuple):
    """Where a date stands; the month is a number where it is written by name."""

    year: Span
    month: Span | int
    day: Span


class Layout(NamedTuple):
    """Where the parts of a time stand in texts of one shape.

    `dates` are the ways to read the date. `half` is `a` or `p` with AM or PM. An epoch stands in
    place of date and clock: whole seconds, of which `fraction` has the rest.
    """

    start: int
    end: int
    dates: tuple[Date, ...]
    clock: tuple[Span | None, ...]
    fraction: Span | None
    half: str
    zone: Span | None
    epoch: Span | None


LEVEL = (
    r"(?:TRACE|DEBUG|INFO(?:RMATION)?|NOTICE|WARN(?:ING)?|ERR(?:OR)?|FATAL|CRITICAL|SEVERE|CONFIG"
    r"|FINE(?:R|ST)?|VERBOSE|INF|DBG|DEBU|WRN|VRB|FTL|TRC|ERRO)"
)
"""The levels of loggers, in any case."""

_D = "[0-9]"
_BLANK = "[ \t\u00a0\u202f]"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_CLOCK = (
    rf"(?P<hour>{_D}{{1,2}}):(?P<minute>{_D}{{2}}):(?P<second>{_D}{{2}})(?!{_D})"
    rf"(?:(?:[.,]|:(?=(?:{_D}{{3}}){{1,3}}(?!{_D})))(?P<fraction>{_D}{{1,12}})(?!{_D}))?"
    rf"(?:{_BLANK}?(?P<half>[ap])\.?{_BLANK}?m\b\.?)?"
)
_KNOWN = {
    **dict.fromkeys(("Z", "UTC", "GMT", "UT"), 0),
    **{"WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "SAST": 2},
    **{"HKT": 8, "SGT": 8, "AWST": 8, "JST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13},
}
"""Hours east of UTC, by names that only one zone of the IANA database has had since 1992."""
_REGION = (
    r"(?:Africa|America|Asia|Atlantic|Australia|Europe|Indian|Pacific|Etc)/[A-Za-z_/+-]+[0-9]{0,2}"
)
_NAMED = "|".join(sorted((name for name in _KNOWN if len(name) > 1), key=len, reverse=True))
ZONE = (
    rf"(?P<zone>{_BLANK}?Z(?!\w)"
    rf"|{_BLANK}?[(\[]?(?:UTC|GMT)[+-]{_D}{{1,2}}(?::?{_D}{{2}})?(?![\w:])[)\]]?"
    rf"|{_BLANK}?[+-]{_D}{{2}}(?::?{_D}{{2}})?(?!{_D}|:{_D})"
    rf"|{_BLANK}?[(\[]?(?:{_NAMED})(?![\w+-])[)\]]?"
    rf"|{_BLANK}?\[?{_REGION}\]?)"
)
_SEPARATOR = (
    rf"(?:T|_|@|,?{_BLANK}?at{_BLANK}?|{_BLANK}{{1,3}}|[|;:,-]{_BLANK}?|{_BLANK}[|-]{_BLANK})"
)
_YEAR = rf"(?P<year>{_D}{{4}})"
_DAY = rf"(?P<day>{_D}{{1,2}})"
_AT = rf"(?!{_D}){_SEPARATOR}{_CLOCK}{ZONE}?"
_START = r"\A[\s\[(<\"'{]*"


def _form(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.ASCII)


_FORMS = tuple(
    _form(text)
    for text in (
        # 2025-01-02 09:30:00.123, 2025/1/2 9:30:00, 2025.01.02, and with a month's name.
        rf"(?<!{_D}){_YEAR}(?P<s>[-/])(?P<month>{_D}{{1,2}})(?P=s){_DAY}{_AT}",
        rf"(?<!{_D}){_YEAR}\.(?P<month>{_D}{{2}})\.(?P<day>{_D}{{2}}){_AT}",
        rf"(?<!{_D}){_YEAR}[-/]?{MONTH}[-/]?{_DAY}{_AT}",
        # 20250102-09:30:00.123, 20250102T093000, 20250102-093000.123
        rf"(?<!{_D}){_YEAR}(?P<month>{_D}{{2}})(?P<day>{_D}{{2}}){_AT}",
        rf"(?<!{_D}){_YEAR}(?:(?P<s>-)|)(?P<month>{_D}{{2}})(?(s)-)(?P<day>{_D}{{2}})(?:T|[-_ ]"
        rf"(?=[0-9]{{6}}[.,][0-9]))(?P<hour>{_D}{{2}})(?P<minute>{_D}{{2}})(?P<second>{_D}{{2}})"
        rf"(?:[.,](?P<fraction>{_D}{{1,12}}))?(?!{_D}){ZONE}?",
        rf"{_START}{_YEAR}(?P<month>{_D}{{2}})(?P<day>{_D}{{2}})(?P<hour>{_D}{{2}})"
        rf"(?P<minute>{_D}{{2}})(?P<second>{_D}{{2}})(?:[.,]?(?P<fraction>{_D}{{3}}(?:{_D}{{3}})?))?"
        rf"(?!{_D}){ZONE}?",
        # 2 Jan 2025 09:30:00, 02/Jan/2025:09:30:00 +0000, 02-JAN-25 09:30:00
        rf"(?<![\w:.]){_DAY}[ /-]?{MONTH}[ /,.-]{{0,2}}{_YEAR}{_AT}",
        rf"(?<![\w:.]){_DAY}(?P<s>[/-]){MONTH}(?P=s)(?P<year>{_D}{{2}}){_AT}",
        # Jan 02, 2025 9:30:00 AM
        rf"(?<![a-z]){MONTH}[ -]{{1,2}}{_DAY},?[ -]{_YEAR}{_AT}",
        # Thu Jan  2 09:30:00 UTC 2025
        rf"(?<![a-z])(?:mon|tue|wed|thu|fri|sat|sun) {MONTH} {{1,2}}{_DAY} {_CLOCK}"
        rf"(?P<zone> (?:[a-z]{{1,5}}|[+-]{_D}{{4}}))? {_YEAR}(?![0-9:-])",
        # 31/01/2025 or 01/31/2025, 31.01.2025; 25/01/31 in any order
        rf"(?<![0-9./-])(?P<one>{_D}{{1,2}})(?P<s>[-/.])(?P<two>{_D}{{1,2}})(?P=s){_YEAR}{_AT}",
        rf"(?<![0-9./-])(?P<a>{_D}{{2}})(?P<s>[-/.])(?P<b>{_D}{{2}})(?P=s)(?P<c>{_D}{{2}}){_AT}",
        # Seconds since 1970, and milliseconds, micro- and nanoseconds.
        rf"(?:{_START}(?:{LEVEL}[\s\]:|-]+[\[(]?)?|(?<![a-z_])"
        r"(?:ts|(?:date)?time|timestamp|epoch)(?:_?(?:s|sec|seconds?|ms|milli(?:s|second)?|us|ns))?"
        rf"[\"']?\s*[=:]\s*[\"']?)(?P<epoch>{_D}{{10}})"
        rf"(?:(?:[.,](?={_D}{{1,12}}(?!{_D}))|(?=(?:{_D}{{3}}){{1,3}}(?!{_D})))"
        rf"(?P<fraction>{_D}{{1,12}})"
        # Neither the offset that grep -b writes nor Log4j's milliseconds since its start.
        rf"|(?!:|\s+\[[^\]]*\]\s+{LEVEL}\b))(?![0-9])",
    )
)

# After a time that is understood there is nothing that changes it: no further digits, no offset or
# zone of another form, no half of the day in another language.
_UNREAD = _form(rf"[^\W_]|{_BLANK}?[+-]{_D}|{_BLANK}?[ap]\.?{_BLANK}?m(?!\w\w)")
_UNREAD_ZONE = _form(
    rf"{_BLANK}{{0,2}}[(\[]?(?:[A-Z][SD]T|A[CK][SD]T|ACWST|HA[SD]T|CHST|IR[SD]T|PKST|BRST|AMST"
    r"|[BCP]YST|UYST|CLST|BRT|ART|CLT|PET|COT|VET|BOT|MSK|MSD|TRT|EAT|CAT|WAT|PKT|ICT|WIB|PHT|MYT"
    r"|UZT|AZT|UTC|GMT|Z)(?!\w)"
)
_FOREIGN = re.compile(rf"{_BLANK}*(?=[^\x00-\x7f])[^\W\d_]")
_BARE__CLOCK = re.compile(r"\W*[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?![0-9])")
# What is said before a time that is another than that of the line.
_OTHER_TIME = re.compile(
    r"(?<![A-Za-z])(?:until|till?|expir\w*|since|before|after|valid|due|schedule[ds]?|next|last"
    r"|start(?:s|ed|ing)?|ends?|ended|ending|from|to|created|modified|deadline|settle\w*|effective"
    r"|opened|opens?|closed?s?|closing|transact\w*|sendingtime|origsendingtime|good|maturity)"
    r"[\W_]*(?:at|on|time|date)?[\W_]*\Z",
    re.IGNORECASE | re.ASCII,
)
_PROSE = re.compile(r"\S\s+([a-z]{2,})\s+\Z")
_LEVEL_WORD = re.compile(LEVEL, re.IGNORECASE)
_DIGITS = str.maketrans("123456789", "000000000")

_LAST_CENTURY = 69
"""From here on years of two digits are of the twentieth century, as POSIX has it (`%y`)."""
LAST_EPOCH = 2_000_000_000
"""In 2033; from here on ten digits may be a day and an hour (2025010209)."""


def shape_of(text: str) -> str:
    """Return `text` with every digit a zero."""
    return text.translate(_DIGITS)


def find_time(shape: str, patterns: Sequence[re.Pattern[str]] = ()) -> Layout | None:
    """Return where the time of capture stands in texts of a shape; None if that is not clear.

    `patterns` have groups named as the forms here do; they come first. Of several times the first
    one holds that is not said to be another (`expires 2025-...`).
    """
    for pattern in patterns:
        match = pattern.search(shape)
        if match:
            return _understood(match)
    for match in sorted(_matches(shape), key=lambda match: match.start()):
        before = shape[: match.start()]
        if _OTHER_TIME.search(before) or _is_prose(before):
            continue
        clock = _BARE__CLOCK.match(shape)
        if clock and match.start() >= clock.end():
            return None
        return _understood(match)
    return None


def _matches(shape: str) -> Iterator[re.Match[str]]:
    for form in _FORMS:
        yield from form.finditer(shape)


def _is_prose(before: str) -> bool:
    word = _PROSE.search(before)
    return word is not None and not _LEVEL_WORD.fullmatch(word[1])


def _understood(match: re.Match[str]) -> Layout | None:
    rest = match.string[match.end() :]
    layout = layout_of(match)
    digits = re.match(r"[.,:][0-9]", rest)
    if _UNREAD.match(rest) or _FOREIGN.match(rest) or (digits and not layout.fraction):
        return None
    if not layout.zone and _UNREAD_ZONE.match(rest):
        return None
    return layout


def layout_of(match: re.Match[str]) -> Layout:
    """Return where the groups of a match stand: `year`, `month` or `name`, `day`, `hour` ..."""
    found = match.groupdict()

    def span(name: str) -> Span | None:
        return match.span(name) if found.get(name) is not None else None

    dates: list[Date] = []
    for year, month, day in (("year", "month", "day"), *_ORDERS):
        at = span(year), span(month), span(day)
        if at[0] and at[1] and at[2]:
            dates.append(Date(at[0], at[1], at[2]))
    name, year_at, day_at = found.get("name"), span("year"), span("day")
    if name and year_at and day_at:
        dates.append(Date(year_at, _MONTHS.index(name[:3].lower()) + 1, day_at))
    return Layout(
        match.start(),
        match.end(),
        tuple(dates),
        (span("hour"), span("minute"), span("second")),
        span("fraction"),
        (found.get("half") or "").lower(),
        span("zone"),
        span("epoch"),
    )


_ORDERS = (
    ("year", "two", "one"),
    ("year", "one", "two"),
    ("a", "b", "c"),
    ("c", "b", "a"),
    ("c", "a", "b"),
)


def moment(text: str, layout: Layout, time_zone: str | None = None) -> int | None:
    """Return the microseconds since 1970 of the time in `text`; None if there is no such one.

    Digits beyond microseconds are cut. A time without an offset is one of `time_zone`, or of UTC.
    """

    def number(span: Span) -> int:
        return int(text[span[0] : span[1]])

    micros = 0
    if layout.fraction:
        micros = int(text[slice(*layout.fraction)][:6].ljust(6, "0"))
    if layout.epoch:
        seconds = number(layout.epoch)
        return seconds * 1_000_000 + micros if 0 < seconds < LAST_EPOCH else None
    days = set()
    for date in layout.dates:
        year = number(date.year)
        if date.year[1] - date.year[0] == 2:
            year += 1900 if year >= _LAST_CENTURY else 2000
        month = date.month if isinstance(date.month, int) else number(date.month)
        try:
            days.add(datetime.date(year, month, number(date.day)))
        except ValueError:
            continue
    if len(days) != 1:
        return None
    hour, minute, second = (number(span) if span else 0 for span in layout.clock)
    if not (hour < 24 and minute < 60 and second < 60):
        return None
    hour = _hour_of_day(hour, layout.half)
    if hour < 0:
        return None
    midnight = calendar.timegm(days.pop().timetuple())
    zone = zone_of(text, layout, time_zone)
    at = utc(midnight + hour * 3600 + minute * 60 + second, zone)
    return None if at is None else at * 1_000_000 + micros


def _hour_of_day(hour: int, half: str) -> int:
    """Return the hour from 0 on; -1 for `00 PM` and `13 AM`, while `13 PM` is 13."""
    if half == "p":
        return -1 if hour == 0 else max(hour, hour % 12 + 12)
    if half == "a":
        return -1 if hour > 12 else hour % 12
    return hour


def zone_of(text: str, layout: Layout, time_zone: str | None) -> int | str | None:
    """Return the zone of the time in `text`: seconds east of UTC, or a name; None if unknown."""
    if layout.zone:
        return _offset_of(text[slice(*layout.zone)])
    return time_zone or 0


def utc(seconds: int, zone: int | str | None) -> int | None:
    """Return the seconds since 1970 of a local time, given as if it were UTC.

    None where the zone is not known, or has that time twice or not at all (daylight saving time).
    """
    if isinstance(zone, str):
        zone = _local_offset(zone, seconds // 60)
    return None if zone is None else seconds - zone


@lru_cache(maxsize=1024)
def _offset_of(zone: str) -> int | str | None:
    text = zone.strip("()[] \t\u00a0\u202f")
    match = re.fullmatch(r"(?:UTC|GMT)?([+-])([0-9]{1,2}):?([0-9]{2})?", text, re.IGNORECASE)
    if match:
        hours, minutes = int(match[2]), int(match[3] or 0)
        if hours > 14 or minutes > 59:
            return None
        return (hours * 3600 + minutes * 60) * (-1 if match[1] == "-" else 1)
    if text.upper() in _KNOWN:
        return _KNOWN[text.upper()] * 3600
    if "/" not in text:
        return None
    try:
        ZoneInfo(text)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError.
        return None
    return text


@lru_cache(maxsize=1 << 14)
def _local_offset(zone: str, minute: int) -> int | None:
    """Return the offset that holds in a minute of local time, None if none or two do."""
    local = datetime.datetime(1970, 1, 1) + datetime.timedelta(minutes=minute)  # noqa: DTZ001
    info = ZoneInfo(zone)
    # PEP 495: where the two differ a local time comes twice, or is left out.
    offsets = {local.replace(tzinfo=info, fold=fold).utcoffset() for fold in (0, 1)}
    offset = offsets.pop()
    return None if offsets or offset is None else int(offset.total_seconds())
