"""The ways to read bytes that are not a message; a secret in one of them is a secret.

Each is as long as the bytes, so that places stay the same; `FILLER` stands for nothing.
"""

import re
from collections.abc import Iterator

import numpy as np

from fixfeed.transforms.fix.spelt import unspelt

__all__ = ["FILLER", "INVISIBLE", "VISIBLE", "readings", "without_escapes"]

FILLER = b"\xff"

VISIBLE = np.zeros(256, bool)
"""The bytes that are looked at. Other encodings and copies put the rest between them: NUL,
control bytes, blanks that do not break, byte order marks."""
VISIBLE[[1, 9, 10, 13, *range(32, 127)]] = True

INVISIBLE = bytes(np.flatnonzero(~VISIBLE).tolist())

_AS_SOH = bytes(octet if VISIBLE[octet] else 1 for octet in range(256))
_MARKUP = re.compile(rb"</?[A-Za-z][^<>\n]{0,99}>")


def readings(octets: bytes) -> Iterator[bytes]:
    """Yield `octets`, and its other readings where they differ.

    Characters may be escaped (`554\\u003d`), fields marked up (`<b>554</b>=<i>x</i>`), and
    invisible bytes may separate fields.
    """
    yield from without_escapes(octets)
    apart = octets.translate(_AS_SOH)
    if apart != octets:
        yield apart


def without_escapes(octets: bytes) -> Iterator[bytes]:
    """Yield the readings that may show a name or tag which none of the others shows."""
    yield octets
    for other in (unspelt(octets, FILLER), _without_markup(octets)):
        if other != octets:
            yield other


def _without_markup(octets: bytes) -> bytes:
    if b"</" not in octets:
        return octets
    return _MARKUP.sub(lambda match: FILLER * len(match[0]), octets)
