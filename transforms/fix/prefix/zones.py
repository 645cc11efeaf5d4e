"""The zones of the times in logs: how offsets and names are written, and which of them are known.

Offsets, names of the IANA database and abbreviations that one zone alone has are read. If anything
else near a time may be its zone, the time is in doubt.
"""

import datetime
import re
import unicodedata
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

__all__ = ["BLANK", "ZONE", "in_calendar", "offset_of", "utc", "zone_in_doubt"]

_YEAR_1, _YEAR_10000 = -62_135_596_800, 253_402_300_800  # seconds since 1970

BLANK = "[ \t\u00a0\u202f]"
_D = "[0-9]"
_MINUS = "\u2212"
_SIGN = f"[+{_MINUS}-]"
_KNOWN = {
    **dict.fromkeys(("Z", "UTC", "GMT", "UT"), 0),
    **{"WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "SAST": 2},
    **{"HKT": 8, "SGT": 8, "AWST": 8, "JST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13},
}
"""Hours east of UTC, by names that only one zone of the IANA database has had since 1992."""
_REGION = (
    r"(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Brazil|Canada|Chile|Etc|Europe"
    r"|Indian|Mexico|Pacific|US)/[A-Za-z_/+-]+[0-9]{0,2}"
)
_NAMED = "|".join(sorted((name for name in _KNOWN if len(name) > 1), key=len, reverse=True))
# Four digits and a dash may be the number of a thread (`-1234-`), two after a blank a count.
ZONE = (
    rf"(?P<zone>{BLANK}?Z(?!\w)"
    rf"|{BLANK}?[(\[]?(?:UTC|GMT){_SIGN}{_D}{{1,2}}(?::?{_D}{{2}})?(?![\w:])[)\]]?"
    rf"|{BLANK}?{_SIGN}{_D}{{2}}:{_D}{{2}}(?!{_D}|:{_D})"
    rf"|{BLANK}?{_SIGN}{_D}{{4}}(?![\w-]|:{_D})"
    rf"|{_SIGN}{_D}{{2}}(?![\w-]|:{_D})"
    rf"|{BLANK}?(?:\[{_SIGN}{_D}{{2}}:?{_D}{{2}}\]|\({_SIGN}{_D}{{2}}:?{_D}{{2}}\))"
    rf"|{BLANK}?[(\[]?(?:{_NAMED})(?![\w+{_MINUS}-])[)\]]?"
    rf"|{BLANK}?\[?{_REGION}\]?)"
)
"""The zones that are read after a time; to be compiled with IGNORECASE and ASCII."""

# As words of their own, or in names of sessions, these seldom mean a zone.
_ALSO_WORDS = "ACT|AMT|ART|BOT|BRT|CAT|CLT|COT|EAT|ICT|MET|MIT|PET|PHT|PST8PDT|UT|VET|WAT|WIB|WIT"
# Where traders say that a time is of.
_OF_TRADERS = "UK|US|NYC|LDN|LON|LT|HKG"
_ABBREVIATIONS = (
    r"[ECMPA][SD]?T|[A-Z][SD]T|A[CEKW][SD]T|ACWST|HA[SD]T|H[SD]T|CHST|CHA[SD]T|IR[SD]T|PKS?T"
    r"|BRST|AMST|[BCP]YST|UYS?T|CLST|FKS?T|GFT|GYT|SRT|ECT|MS[KD]|SAMT|TRT|NPT|UZT|AZT|GST|AFT"
    r"|TJT|TMT|KGT|ALMT|HOVT|ULAT|IRKT|KRAT|NOVT|OMST|VLAT|YAKT|YEKT|MYT|PHST|WITA|KST|TLT|BNT|BTT"
    rf"|MMT|FJT|NFD?T|LH[SD]T|EGS?T|WGS?T|AZOS?T|MES[TZ]|MEZ|OE[SZ]Z|WEZ|HNE|HAE|EST5EDT"
    rf"|LOCAL|UTC|GMT|{_NAMED}"
)
# A zone's name does not go on as that of a session, a class, a thread or a path.
_NO_MORE = r"(?![\w/\\]|[-=]>|[.:-][^\W\d])"
_SEPARATORS = rf"(?:{BLANK}|[,;|:/]|-(?=\s)|[\[(\]){{}}<\"'])*"
_DASHES = f"[+{_MINUS}\u2010-\u2015\ufe63\uff0b\uff0d\u00b1-]"
_NAME_AFTER = re.compile(
    rf"{_SEPARATORS}(?:(?:{_ABBREVIATIONS}|{_ALSO_WORDS}|{_OF_TRADERS}|Z){_NO_MORE}|{_REGION})",
    re.IGNORECASE | re.ASCII,
)
_OFFSET_AFTER = re.compile(
    rf"(?:{BLANK}|[,;|:])*[(\[{{<\"']*(?:{_DASHES}{_D}|{_DASHES}{BLANK}?{_D}{{1,2}}:{_D}{{2}}(?![:0-9]))"
)
_OFFSET_BEFORE = re.compile(
    rf"(?<!\w)(?:{_DASHES}{_D}{{1,2}}:?(?:{_D}{{2}})?[)\]]?|(?i:local))[\s,;|:]*[\[(]?\Z"
)
# A minus alone means an offset only after a time: `[-1234]` before one is the tenant of WSO2.
_MINUS_AFTER = re.compile(rf"(?<![\w.-])[{_MINUS}-]{_D}{{4}}(?![\w-]|[.,:]{_D})")
_ANYWHERE = re.compile(
    # A name in capitals.
    rf"(?<![\w.:/\\>-])(?:{_ABBREVIATIONS}){_NO_MORE}"
    rf"|(?<!\w)(?:UTC|GMT)?{_DASHES}{_D}{{2}}:{_D}{{2}}(?![\w:])"
    rf"|(?<!\w)(?:UTC|GMT){_DASHES}{_D}"
    rf"|(?<![\w.+])\+{_D}{{2}}(?:{_D}{{2}})?(?![\w+]|[.,:]{_D})"
    rf"|(?i:offset)[\"']?\s*[:=]\s*[\"']?{_DASHES}{_D}"
    rf"|(?<![\w/\\]){_REGION}"
    r"|(?i:(?<![a-z])(?:tz|time_?zone|(?:utc|gmt)_?offset)[\"']?\s*[=:]"
    r"|\b(?:standard|daylight|summer|winter|universal|mean|local|europe(?:an)?|eastern|central"
    r"|mountain|pacific|atlantic|alaskan?|hawaii(?:an)?|china|india|japan|tokyo|korea|moscow"
    r"|singapore|gmt|utc|greenwich|uk|us|ny|nyc|ldn|hk|sg|exchange|market)[ _-]time\b"
    r"|\w*(?:sommer|winter|normal|standard|orts|welt)zeit\b"
    r"|ische \w*zeit\b|\bheure d|\bhora (?:de|est\u00e1ndar|local)|\bora (?:solare|legale))"
)
_WORDS = r"([^\W\d_]+(?:[ _][^\W\d_]+){0,2})"
_WORDS_AFTER = re.compile(rf"{_SEPARATORS}{_WORDS}")
_WORDS_BEFORE = re.compile(rf"(?<!\w){_WORDS}{_SEPARATORS}\Z")
_DEFINITE = re.compile(r"[0-9/]|\A[\s(\[]*z[\s)\]]*\Z", re.IGNORECASE)
_MOST_HOURS, _LEAST_HOURS = 14, -12


def zone_in_doubt(before: str, zone: str, after: str) -> bool:
    """Tell whether anything around a time may be a zone that is not read.

    `before` and `after` are the text around the time and its `zone`, which is empty if there is
    none. An offset, `Z` and a name of IANA leave no doubt; `GMT` does (`GMT Daylight Time`).
    """
    if _DEFINITE.search(zone):
        return False
    if _OFFSET_AFTER.match(after) or _NAME_AFTER.match(after) or _OFFSET_BEFORE.search(before):
        return True
    if _ANYWHERE.search(before) or _ANYWHERE.search(after) or _MINUS_AFTER.search(after):
        return True
    following, last = _WORDS_AFTER.match(after), _WORDS_BEFORE.search(before)
    return bool(
        (following and any(_is_place(following[1], 0, count) for count in (1, 2, 3)))
        or (last and any(_is_place(last[1], -count, None) for count in (1, 2, 3)))
    )


def _is_place(words: str, begin: int, end: int | None) -> bool:
    plain = unicodedata.normalize("NFKD", words.lower()).encode("ascii", "ignore").decode()
    return "_".join(re.split("[ _]", plain)[begin:end]) in _places()


@cache
def _places() -> frozenset[str]:
    """The cities and countries of the IANA database (`new_york`, `japan`)."""
    return frozenset(name.rpartition("/")[2].lower() for name in available_timezones())


@lru_cache(maxsize=1024)
def offset_of(zone: str) -> int | str | None:
    """Return the meaning of a text that `ZONE` has found: seconds east of UTC, or a name of IANA.

    None if there is no such zone. Offsets are of quarters of an hour, from -12 to +14 hours.
    """
    text = zone.strip("()[] \t\u00a0\u202f").replace(_MINUS, "-")
    match = re.fullmatch(r"(?:UTC|GMT)?([+-])([0-9]{1,2}):?([0-9]{2})?", text, re.IGNORECASE)
    if match:
        minutes = (int(match[2]) * 60 + int(match[3] or 0)) * (-1 if match[1] == "-" else 1)
        if int(match[3] or 0) > 59 or minutes % 15:
            return None
        return minutes * 60 if _LEAST_HOURS * 60 <= minutes <= _MOST_HOURS * 60 else None
    if text.upper() in _KNOWN:
        return _KNOWN[text.upper()] * 3600
    if "/" not in text:
        return None
    try:
        ZoneInfo(text)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError.
        return None
    return text


def utc(seconds: int, zone: int | str | None) -> int | None:
    """Return the seconds since 1970 of a local time, given as if it were UTC.

    None if the zone is not known, or has that time twice or not at all (daylight saving time), or
    if the year is not one from 1 to 9999.
    """
    if isinstance(zone, str) and in_calendar(seconds):
        zone = _local_offset(zone, seconds // 60)
    if not isinstance(zone, int) or not in_calendar(seconds - zone):
        return None
    return seconds - zone


def in_calendar(seconds: Any) -> Any:
    """Return whether seconds since 1970, a number or an array, are in the years 1 to 9999."""
    return (seconds >= _YEAR_1) & (seconds < _YEAR_10000)


@lru_cache(maxsize=1 << 14)
def _local_offset(zone: str, minute: int) -> int | None:
    """Return the offset that holds in a minute of local time, None if there is none or two."""
    local = datetime.datetime(1970, 1, 1) + datetime.timedelta(minutes=minute)  # noqa: DTZ001
    info = ZoneInfo(zone)
    # PEP 495: if the two differ, a local time comes twice or is left out.
    offsets = {local.replace(tzinfo=info, fold=fold).utcoffset() for fold in (0, 1)}
    offset = offsets.pop()
    return None if offsets or offset is None else int(offset.total_seconds())
