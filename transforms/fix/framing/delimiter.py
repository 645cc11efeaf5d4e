"""The delimiter of a log's fields: found at the head of a file, or named by the user."""

import re
from collections import Counter
from functools import cache

from fixfeed.transforms.fix.spelt import BEGIN, is_spelt, unspelt

__all__ = [
    "CLASSIC",
    "DELIMITERS",
    "is_certain",
    "naming",
    "read_delimiter",
    "shown_within",
    "sniff_delimiter",
    "start_pattern",
]

CLASSIC = (b"\x01", b"|", b"^A", b"^", b";")
"""SOH, and what tools print most often in its place."""

DELIMITERS = (
    *CLASSIC,
    b"\t", b",", b" | ", b"\xe2\x90\x81",
    b"\\u0001", b"\\\\u0001", b"\\x01", b"\\\\x01", b"\\001", b"\\1",
    b"<SOH>", b"[SOH]", b"{SOH}", b"<0x01>", b"<01>", b"#001", b"&#1;", b"&#x1;", b"&#x01;", b"%01",
)  # fmt: skip
"""The delimiters that any message may have; those not in `CLASSIC` count only before a tag."""

_BETWEEN = rb"((?![0-9A-Za-z.])[^=\r\n\0]{1,12}?)"
_VERSION = rb"8=FIXT?\.[0-9]\.[0-9](?:SP[0-9])?"


def _either(delimiters: tuple[bytes, ...]) -> bytes:
    return b"|".join(re.escape(one) for one in sorted(delimiters, key=len, reverse=True))


_ANY = _either(DELIMITERS)
_BEGINS = (
    re.compile(rb"8=FIX[ -<>-~]{0,16}?" + _BETWEEN + rb"9=[0-9]{1,9}\1[0-9]{1,5}="),
    re.compile(_VERSION + rb"(" + _either(CLASSIC) + rb")"),
    re.compile(_VERSION + _BETWEEN + rb"(?<! )(?=[0-9]{1,5}=)"),
    re.compile(
        rb"(?<![^\r\n])(?:1128=[^=\r\n]{1,12}?(?:%b))?(?:9=[0-9]{1,9}(?:%b))?" % (_ANY, _ANY)
        + rb"35=[0-9A-Za-z]{1,3}(%b)(?=[0-9]{1,5}=)" % _ANY
    ),
)
_HEADLESS = re.compile(rb"(?<![^\r\n])(?:1128=|9=[0-9]|35=)")
_HEADLESS_BEGUN = re.compile(rb"(?<![^\r\n])(?:1(?:1(?:28?)?)?|9=?|35?)\Z")
_CANDIDATE = re.compile(
    BEGIN.pattern + rb"|8(?:%3[dD]|&[#0-9A-Za-z]{3,6};)FIX|" + _HEADLESS.pattern
)
_SPELT = re.compile(rb"[\\%&]")
_SOH = re.compile(
    _VERSION + rb"\x01|(?:1128=[^=\r\n\x01]{1,12}\x01)?(?:9=[0-9]{1,9}\x01)?"
    rb"35=[0-9A-Za-z]{1,3}\x01(?=[0-9]{1,5}=)"
)
_ENOUGH = 64  # bytes from the beginning of a message on, which show its delimiter
_ENOUGH_SPELT = 256
_WORDS = {"SOH": b"\x01", "TAB": b"\t"}
_CHARACTERS = {
    "pipe": "|", "bar": "|", "caret": "^", "semicolon": ";", "comma": ",", "space": " ",
    "blank": " ", "tilde": "~", "hash": "#", "colon": ":",
}  # fmt: skip
_LINE_ENDS = ("\\n", "\\r", "\\r\\n", "LF", "CR", "CRLF", "newline")
_OCTET = re.compile("0x([0-9a-fA-F]{2})")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u00([0-9a-fA-F]{2})|([0-7]{3})|(t))")


@cache
def start_pattern(delimiter: bytes) -> re.Pattern[bytes]:
    """Return the pattern of a message's beginning; one of its groups holds the delimiter found."""
    known = sorted({delimiter, *DELIMITERS}, key=len, reverse=True)
    either = b"|".join(
        re.escape(one) + (b"" if one in (delimiter, *CLASSIC) else rb"(?=[0-9]{1,5}=)")
        for one in known
    )
    # A message of any other version is recognised by its header.
    header = rb"(?:%b)9=[0-9]{1,9}(?:%b)35=" % (either, either)
    version = rb"(?:%b|8=FIX[ -<>-~]{0,16}?(?=%b))" % (_VERSION, header)
    own = re.escape(delimiter)
    until = rb"(?:(?!" + own + rb")[^\r\n])*" + own
    headless = rb"(?:1128=" + until + rb")?(?:9=[0-9]+" + own + rb")?35=(?!" + own + rb")" + until
    # To look at the first byte alone takes half the time.
    either_way = version + rb"(" + either + rb")|(?<![^\r\n])" + headless
    return re.compile(rb"(?=[1389])(?:" + either_way + rb")")


def sniff_delimiter(head: bytes, named: bytes | None = None) -> bytes:
    """Return the delimiter of the fields in `head`, the beginning of a file.

    It is the text, whatever it is, that is found most often between BeginString and BodyLength and
    again after BodyLength; else what follows BeginString or, where no message has one, MsgType at
    the beginning of a line; else SOH. `named` is what the user names: an escape (`\\x01`, `\\t`)
    means its text if that separates the fields of `head`, else the byte.
    """
    if named is not None:
        octet = _octet(named)
        return octet if octet and not _separates(named, head) else named
    if is_spelt(head):
        head = unspelt(head)
    for pattern in _BEGINS:
        found = Counter(pattern.findall(head))
        if found:
            return found.most_common(1)[0][0]
    return b"\x01"


def shown_within(head: bytes, *, is_all: bool) -> tuple[int | None, int]:
    """Return within how many bytes a source shows its delimiter, and up to where that is not used.

    `head` is its beginning. The first number is None if more has to come for that. With `is_all`
    nothing follows: `len(head)` if nothing in it shows a delimiter. The answer is that of the first
    message, so it stays when more comes. Messages with BeginString show their own delimiter, so
    they need not wait for that of the source: it is used from the second number on, where the first
    message without BeginString begins. That moves only while the first is None, and never back.

    >>> shown_within(b"hello\\n8=FIX.4.4\\x019=5\\x01", is_all=False)
    (16, 16)
    >>> shown_within(b"8=FIX.4.4^A9=5^A35=0^A", is_all=False)
    (None, 22)
    >>> shown_within(b"hello\\n35=0|34=1|\\n", is_all=False)
    (17, 6)
    """
    for candidate in _CANDIDATE.finditer(head):
        start = candidate.start()
        if soh := _SOH.match(head, start):
            return soh.end(), soh.end()  # no other delimiter begins with that byte
        wanted = start + (_ENOUGH_SPELT if _SPELT.search(candidate[0]) else _ENOUGH)
        line = head.find(b"\n", start, wanted)
        end = wanted if line < 0 else line + 1
        headless = _HEADLESS.search(head, start, end)
        end, is_there = min(end, len(head)), end <= len(head)
        place = headless.start() if headless else end
        if not (is_there or is_all):
            return None, min(place, _headless_begun(head))
        window = head[start:end]
        window = unspelt(window) if is_spelt(window) else window
        if any(pattern.search(window) for pattern in _BEGINS):
            return end, place
    return (len(head), len(head)) if is_all else (None, _headless_begun(head))


def _headless_begun(head: bytes) -> int:
    """Return where a message without BeginString may have begun with the last bytes of `head`."""
    begun = _HEADLESS_BEGUN.search(head, max(0, len(head) - len(b"1128")))
    return begun.start() if begun else len(head)


def is_certain(named: bytes | None) -> bool:
    """Tell whether a user's delimiter means the same whatever a source begins with."""
    return named is not None and not _octet(named)


def _octet(named: bytes) -> bytes:
    """Return the byte that an escape such as `\\x01` stands for, b"" for any other text."""
    match = _ESCAPE.fullmatch(named.decode("latin-1"))
    if not match:
        return b""
    if match[4]:
        return b"\t"
    return bytes([int(match[1] or match[2], 16) if not match[3] else int(match[3], 8) & 255])


def _separates(named: bytes, head: bytes) -> bool:
    return re.search(re.escape(named) + rb"[0-9]{1,5}=", head) is not None


def read_delimiter(text: str) -> bytes:
    """Return the delimiter that a user names.

    Raises `ValueError`, which says what is expected instead, if fields cannot be separated by it.
    """
    named = _WORDS.get(text.upper()) or text.encode()
    octet = _octet(named) or named
    if text.lower() in _CHARACTERS:
        raise ValueError(f"expected the character itself: '{_CHARACTERS[text.lower()]}'")
    if b"\n" in octet or b"\r" in octet or text.lower() in map(str.lower, _LINE_ENDS):
        raise ValueError(
            "expected the text between fields on a line: an end of line ends the message, so "
            "put the fields of each message on one line first"
        )
    if octet == b"\0":
        raise ValueError(
            "expected the text between fields, which cannot be NUL: replace it in the file "
            "first, as tr '\\000' '\\001' does"
        )
    if match := _OCTET.fullmatch(text):
        raise ValueError(f"expected '\\x{match[1]}' for that byte")
    if b"=" in octet:
        raise ValueError("expected the text between fields, e.g. '|', without '='")
    if not named or octet.isalnum():
        raise ValueError("expected the text between fields, e.g. '|', not letters or digits")
    return named


def naming(found: bytes) -> str | None:
    """Return how a user names a delimiter that was found, None if it cannot be named."""
    text = found.decode("utf-8", "backslashreplace")
    text = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)
    try:
        named = read_delimiter(text)
    except ValueError:
        return None
    return text if found in (named, _octet(named)) else None
