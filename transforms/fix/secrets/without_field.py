"""Passwords that are in no field: in URIs, after options of commands, in sentences."""

import re
from collections.abc import Collection, Iterator

from fixfeed.transforms.fix.secrets.reduced import Span

__all__ = ["may_be_without_field", "without_field"]

_PASSWORD = 554
_SIGNS = (b"://", b"-pass", b"-PASS", b"assword is", b"uthorization")
_PATTERN = re.compile(
    rb"://[^\s/@:]{0,99}:([^\s@]{1,199})@|--?pass(?:word|wd|phrase)?[ \t]+(\S{1,199})"
    rb"|password is (\S{1,199})|authorization: ?(?:basic|bearer)? ?(\S{1,999})",
    re.IGNORECASE,
)


def without_field(octets: bytes, tags: Collection[int]) -> Iterator[Span]:
    """Yield passwords that are in no field: those in URIs, after options, in sentences."""
    if _PASSWORD in tags and may_be_without_field(octets):
        for match in _PATTERN.finditer(octets):
            yield Span(*match.span(match.lastindex or 0), _PASSWORD)


def may_be_without_field(octets: bytes) -> bool:
    """Tell whether `without_field` may find something, at the cost of a few searches."""
    return any(sign in octets for sign in _SIGNS)
