"""Stretches of a log that stand for other bytes, and how the bytes read once they are undone."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Escape", "composed", "undone"]


class Escape(NamedTuple):
    """Bytes from `start` to `end` that stand for `text`."""

    start: int
    end: int
    text: bytes


def undone(data: bytes, at: int, end: int, found: Sequence[Escape]) -> bytes:
    """Return `data[at:end]` with the escapes in it, which are in order, undone."""
    parts = []
    for one in found:
        parts += [data[at : one.start], one.text]
        at = one.end
    return b"".join([*parts, data[at:end]])


def composed(outer: Sequence[Escape], inner: Sequence[Escape], at: int) -> list[Escape]:
    """Return, in order, the escapes of data in which `outer` is escaped, and `inner` within that.

    Places in `inner` are those in what `undone` returns for the data from `at` on.
    """
    if not outer or not inner:
        return [one._replace(start=one.start + at, end=one.end + at) for one in inner] or [*outer]
    starts = np.array([one.start for one in outer])
    wider = np.array([one.end - one.start - len(one.text) for one in outer])
    shift = np.append(0, np.cumsum(wider))
    behind = starts - at - shift[:-1]
    places = np.array([one[:2] for one in inner])
    places = (places + at + shift.take(np.searchsorted(behind, places))).tolist()
    within = [Escape(start, end, one.text) for (start, end), one in zip(places, inner, strict=True)]
    # An outer escape inside an inner one is part of it.
    past, result = at, []
    for one in sorted([*within, *outer], key=lambda one: (one.start, -one.end)):
        if one.start >= past:
            result.append(one)
            past = one.end
    return result
