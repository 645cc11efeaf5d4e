"""The forms in which logs write the time of capture, and the moment that such a text means.

A form is recognised by the shape of a prefix alone, its text with every digit a zero, so that texts
of one shape are looked at once. What is in doubt is not taken for a time: a date that may be read
in two ways, a zone that several regions use, a clock without a date, a year that is not written.
"""

import calendar
import datetime
import re
from collections.abc import Sequence
from typing import NamedTuple

from fixfeed.transforms.fix.prefix.zones import BLANK, ZONE, offset_of, utc, zone_in_doubt

__all__ = [
    "LAST_EPOCH",
    "LEVEL",
    "MONTH",
    "Date",
    "Layout",
    "Span",
    "find_time",
    "layout_of",
    "moment",
    "shape_of",
    "zone_of",
]

Span = tuple[int, int]


class Date(NamedTuple):
    """Where a date's parts are; the month is a number if it is written by name."""

    year: Span
    month: Span | int
    day: Span


class Layout(NamedTuple):
    """Where the parts of a time are in texts of one shape.

    `dates` are the ways to read the date. `half` is `a` or `p` with AM or PM. An epoch takes the
    place of date and clock: whole seconds, with the rest in `fraction`.
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
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_CLOCK = (
    rf"(?P<hour>{_D}{{1,2}}):(?P<minute>{_D}{{2}}):(?P<second>{_D}{{2}})(?!{_D})"
    rf"(?:(?:[.,]|:(?=(?:{_D}{{3}}){{1,3}}(?!{_D})))(?P<fraction>{_D}{{1,12}})(?!{_D}))?"
    rf"(?:{BLANK}?(?P<half>[ap])\.?{BLANK}?m\b\.?)?"
)
_SEPARATOR = rf"(?:T|_|@|,?{BLANK}?at{BLANK}?|{BLANK}{{1,3}}|[|;:,-]{BLANK}?|{BLANK}[|-]{BLANK})"
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
        # Neither the offset that grep -b writes nor Log4j's milliseconds since its start, nor full
        # seconds whose fraction is a member of its own (`"nanoOfSecond":123000000`).
        rf"|(?!:|\s+\[[^\]]*\]\s+{LEVEL}\b|\s*,\s*[\"'\\]*nano))(?![0-9])",
    )
)

# A time is not understood if what follows may change it: further digits, a second offset, half of
# the day in another language, or the rest of a file's name.
_UNREAD = _form(rf"[^\W_]|[)\]}}]*[._/\\]+[A-Z]|{BLANK}?[+-]{_D}|{BLANK}?[ap]\.?{BLANK}?m(?!\w\w)")
_FOREIGN = re.compile(rf"{BLANK}*(?=[^\x00-\x7f])[^\W\d_]")
_CLOCK_FIRST = re.compile(r"\W*[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?![0-9])")
# A clock alone. Syslog's time without a year is marked: other programs put it before theirs.
_CLOCK_ALONE = _form(
    rf"(?P<syslog>\b{MONTH}\s+{_D}{{1,2}}\s+)?(?<![\w:.])"
    rf"{_D}{{1,2}}:{_D}{{2}}:{_D}{{2}}(?![\w:])"
)
# The beginning of a line, after what `grep` and syslog put there, the level or its first letter.
_BEGINNING = _form(rf"(?:\S*[./\\]\S*?:(?:{_D}+[:-])?)?(?:[^\w=]|{_D}+\b|{LEVEL}\b)*[IWEFDV]?\Z")
_IN_A_WORD = _form(r"[A-Z_]\Z|\w[)\]]?[-.+~]\Z|[/\\#?&]\Z")
_ONE_LETTER = re.compile(r"\W*[IWEFDV]\Z")
_KEY = _form(r"([\w@.-]+)(?:[\"'\\]+\s*[:=]|\s*=)\s*[\"'\\\[]*\Z")
_TIME_KEY = _form(
    r"(?:.*\.)?[@_]*(?:ts|t|at|when|(?:log|event|local|utc|syslog|record|asc|capture)?[_-]?"
    r"(?:date[_-]?time|date|time(?:stamp)?(?:[_-]?(?:utc|local|iso\w*))?)|(?:logged|captured)_?(?:at)?)"
)
# Words before a time that is not that of the line.
_OTHER_TIME = re.compile(
    r"(?<![A-Za-z])(?:until|till?|expir\w*|since|before|after|valid|due|schedule[ds]?|next|last"
    r"|start(?:s|ed|ing)?|ends?|ended|ending|from|to|created|modified|deadline|settle\w*|effective"
    r"|(?!log|event|local|utc|syslog|asc|capture)[a-z]+_?(?:date|time)|[a-z]+ (?:date|time)[:=]"
    r"|opened|opens?|closed?s?|closing|transact\w*|sendingtime|origsendingtime|good|maturity"
    r"|orig(?:inal(?:ly)?)?|replay(?:ed|ing)?|resent)"
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
    """Return where the time of capture is in texts of a shape; None if that is not clear.

    `patterns` have groups named as in the forms here; they come first. A time counts at the
    beginning of the line, after a key such as `time=`, or if it is the only one, unless it is
    marked as another (`expires 2025-...`) or is part of a word or of a file's name.
    """
    for pattern in patterns:
        match = pattern.search(shape)
        if match:
            return _understood(match)
    times = _times(shape)
    for match in times:
        before = shape[: match.start()]
        if not _may_be_of_the_line(before):
            continue
        if _has_a_clock(before) or _CLOCK_FIRST.match(before):
            return None
        if not _leads(match) and (len(times) > 1 or _has_a_clock(shape[match.end() :])):
            return None
        return _understood(match)
    return None


def _times(shape: str) -> list[re.Match[str]]:
    """Return everything that has the form of a time, each once."""
    times: list[re.Match[str]] = []
    found = (match for form in _FORMS for match in form.finditer(shape))
    for match in sorted(found, key=lambda match: match.start()):
        if not times or match.start() >= times[-1].end():
            times.append(match)
    return times


def _may_be_of_the_line(before: str) -> bool:
    """Tell, by the text before a time, whether it may be that of the line."""
    if _IN_A_WORD.search(before) and not _ONE_LETTER.match(before):
        return False
    key = _KEY.search(before)
    if key:
        return _TIME_KEY.fullmatch(key[1]) is not None
    if _OTHER_TIME.search(before):
        return False
    word = _PROSE.search(before)
    return word is None or _LEVEL_WORD.fullmatch(word[1]) is not None


def _has_a_clock(text: str) -> bool:
    return any(not clock["syslog"] for clock in _CLOCK_ALONE.finditer(text))


def _leads(match: re.Match[str]) -> bool:
    """Tell whether a time is where a line has its own."""
    before = match.string[: match.start()]
    # The match of an epoch may begin with its key.
    keyed = match.groupdict().get("epoch") is not None and match[0][0].isalpha()
    return bool(keyed or _BEGINNING.match(before) or _KEY.search(before))


def _understood(match: re.Match[str]) -> Layout | None:
    before, rest = match.string[: match.start()], match.string[match.end() :]
    layout = layout_of(match)
    digits = re.match(r"[.,:][0-9]", rest)
    if _UNREAD.match(rest) or _FOREIGN.match(rest) or (digits and not layout.fraction):
        return None
    zone = match["zone"] if layout.zone else ""
    return layout if layout.epoch or not zone_in_doubt(before, zone, rest) else None


def layout_of(match: re.Match[str]) -> Layout:
    """Return where the groups of a match are: `year`, `month` or `name`, `day`, `hour` ..."""
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
    """Return the microseconds since 1970 of the time in `text`; None if there is no such time.

    Digits beyond microseconds are cut. A time without an offset is in `time_zone`, or in UTC.
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
    if not (hour < 24 and minute < 60 and second <= 60):  # 60 is a leap second
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
        return offset_of(text[slice(*layout.zone)])
    return time_zone or 0
