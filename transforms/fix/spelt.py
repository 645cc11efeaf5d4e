"""Characters that an escaper wrote as numbers: `8\\u003dFIX`, `8%3DFIX`, `8&#61;FIX`.

Escapers that make JSON safe inside HTML (Gson's default) write `=`, `<`, `>`, `&` and `'` like
this; others write every character so.
"""

import re

__all__ = ["BEGIN", "is_escaped", "is_spelt", "spelling", "unspelt"]

# The escapes of `=`, without which there is no field. A pattern that begins with plain text is ten
# times as fast.
_ESCAPED = re.compile(rb"\\(?:u003[dD]|x3[dD]|075)")
_PERCENT = re.compile(rb"%3[dD]")
_ENTITY = re.compile(rb"&(?:#0*61|#[xX]0*3[dD]|equals);")
_CHARACTER = re.compile(
    rb"\\+(?:u00(?P<unit>[2-7][0-9a-fA-F])|x(?P<octet>[2-7][0-9a-fA-F])|(?P<octal>[01][0-7]{2}))"
    rb"|%(?P<percent>[2-7][0-9a-fA-F])"
    rb"|&(?:#0*(?P<decimal>[0-9]{2,3})|#[xX]0*(?P<hex>[2-7][0-9a-fA-F])|(?P<name>equals));"
)
_BASES = {"octal": 8, "decimal": 10}
_PRINTABLE = range(32, 127)
_QUOTES = b"\"'"


def _either_way(octet: int) -> bytes:
    spelt = rb"\\+(?:u00%02x|x%02x|%03o)" % (octet, octet, octet)
    return rb"(?:%b|(?i:%b))" % (re.escape(bytes([octet])), spelt)


BEGIN = re.compile(b"".join(map(_either_way, b"8=FIX")))
"""The beginning of a message, each character as it is or as a string's escape."""


def is_escaped(text: bytes) -> bool:
    """Tell whether `=` is escaped in `text`, mostly at the cost of a search for a backslash."""
    return b"\\" in text and _ESCAPED.search(text) is not None


def is_spelt(text: bytes) -> bool:
    """Tell whether `text` has `=` spelt, mostly at the cost of three short searches."""
    return (
        is_escaped(text)
        or (b"%3" in text and _PERCENT.search(text) is not None)
        or (b"&" in text and _ENTITY.search(text) is not None)
    )


def spelling(text: bytes) -> bytes:
    """Return how the first `=` that is spelt in `text` is written; b"" if there is none."""
    found = [one for kind in (_ESCAPED, _PERCENT, _ENTITY) if (one := kind.search(text))]
    return min(found, key=re.Match.start)[0] if found else b""


def unspelt(text: bytes, filler: bytes = b"") -> bytes:
    """Return `text` with printable characters as themselves, quotes after a backslash.

    With a `filler` of one byte after each of them, `text` stays as long as it was.
    """
    if b"\\" not in text and b"%" not in text and b"&" not in text:
        return text

    def meant(match: re.Match[bytes]) -> bytes:
        kind = match.lastgroup or ""
        octet = ord("=") if kind == "name" else int(match[kind], _BASES.get(kind, 16))
        if octet not in _PRINTABLE or octet == ord("\\"):
            return match[0]
        # A quote that is spelt does not end the string that it is in.
        character = b"\\" * (octet in _QUOTES) + bytes([octet])
        return character + filler * (len(match[0]) - len(character))

    return _CHARACTER.sub(meant, text)
