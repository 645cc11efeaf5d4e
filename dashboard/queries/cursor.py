"""Where a page of messages begins: after a message in the order of time, or before it.

Messages are in the order of `coalesce(sending_time, captured_at)`, then of message_id. Those with
neither time come before all others, so that the newest first come last.
"""

import base64
import binascii
import datetime
from typing import NamedTuple

import orjson

__all__ = ["CURSOR_PATTERN", "Cursor", "CursorError", "Place", "read_cursor", "text_of_cursor"]

CURSOR_PATTERN = "^[A-Za-z0-9_-]{4,200}$"


class CursorError(ValueError):
    """A text that is no cursor of these pages."""


class Place(NamedTuple):
    """A place in the order of messages; `time` is None among those without one."""

    time: datetime.datetime | None
    message_id: int


class Cursor(NamedTuple):
    """What is beyond a place: older messages, or newer ones."""

    older: bool
    place: Place


def text_of_cursor(cursor: Cursor) -> str:
    """Return a cursor as a text that needs no escape in a link."""
    time = cursor.place.time
    parts = [int(cursor.older), time and time.isoformat(), str(cursor.place.message_id)]
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """Return the cursor that a text is; raise `CursorError` if it is none.

    >>> at = datetime.datetime(2026, 3, 2, 9, 30, tzinfo=datetime.UTC)
    >>> read_cursor(text_of_cursor(Cursor(True, Place(at, 7)))).place.message_id
    7
    """
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        older, time, number = orjson.loads(data)
        at = None if time is None else datetime.datetime.fromisoformat(time)
        if older not in (0, 1) or (at and at.tzinfo is None) or not -(2**63) <= int(number) < 2**63:
            raise ValueError
        return Cursor(older == 1, Place(at and at.astimezone(datetime.UTC), int(number)))
    except (ValueError, TypeError, OverflowError, binascii.Error):
        raise CursorError(
            f"{text[:50]!r} is no cursor: take it as it came with another page, or leave it out"
        ) from None
