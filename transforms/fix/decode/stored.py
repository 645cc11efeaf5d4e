"""A stored message for people to read: decoded again from its bytes, as they are in `raw`."""

from collections.abc import Mapping
from typing import Any

from fixfeed.transforms.fix.decode.meanings import Meanings
from fixfeed.transforms.fix.decode.message import DecodedMessage, decode_message
from fixfeed.transforms.fix.framing.delimiter import CLASSIC, sniff_delimiter
from fixfeed.transforms.fix.framing.messages import spans
from fixfeed.transforms.fix.framing.original import as_read
from fixfeed.transforms.fix.reading import Reading

__all__ = ["decode_stored", "delimiter_of"]

_READING = Reading(validate="dictionary")
"""Of what is found, only defects that the row has are told, so all may be looked for."""


def decode_stored(
    row: Mapping[str, Any], meanings: Meanings, reading: Reading = _READING
) -> DecodedMessage | None:
    r"""Return a row of `messages` field by field; None if its bytes are of another protocol.

    `row` has the columns `raw`, `defects` and `masked`, and those that name codes
    (`dictionary.codes.NAMED_BY`). What was masked is masked in `raw`; here it is told as it is
    there. `reading` has the dictionaries of the run, FIX's own if none are given.

    >>> from fixfeed.transforms.fix.dictionary.codes import Codes
    >>> row = {"raw": b"8=FIX.4.4^A9=21^A35=D^A54=1^A10=000", "defects": None, "masked": None,
    ...        "begin_string": "FIX.4.4"}
    >>> message = decode_stored(row, Meanings(Codes()))
    >>> [(field.name, field.meaning) for field in message.fields[2:4]]
    [('MsgType', 'NewOrderSingle'), ('Side', 'Buy')]
    """
    found = _split(bytes(row["raw"]))
    if found is None:
        return None
    data, delimiter = found
    return decode_message(data, delimiter, row, reading, meanings, {}, stored=True)


def delimiter_of(raw: bytes) -> bytes:
    """Return what separates the fields of a stored message, as it is written in its bytes."""
    return sniff_delimiter(raw)


def _split(raw: bytes) -> tuple[bytes, bytes] | None:
    """Return a message as it is read, and its delimiter of one byte."""
    best = None
    for layout in dict.fromkeys((sniff_delimiter(raw), *CLASSIC)):
        data, one, _ = as_read(raw, layout)
        span = next(spans(data, one), None)
        if span is None or span.start:
            continue
        if span.end == len(data):
            return data, span.delimiter
        best = best or (data, span.delimiter)
    return best
