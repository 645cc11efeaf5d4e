"""Which records are read together: those of one layout that end at a border, whatever follows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.protocol import Framing, Protocol

__all__ = ["Alike", "alike", "as_lines", "framing_of"]

_HEAD = 64 << 10  # bytes of a record that show its layout
_LAYOUTS = 32  # that are looked for in all records; damaged ones may each show another


class Alike(NamedTuple):
    """Records by their numbers: `together` those of each layout, in order, and all others `alone`.

    `framing` is that of the layout that most of them have.
    """

    framing: Framing
    together: dict[Any, list[int]]
    alone: list[int]


def framing_of(protocol: Protocol, value: bytes) -> Framing:
    """Return the framing of a record, whatever others are like."""
    return protocol.sniff(value[:_HEAD])


def alike(protocol: Protocol, framing: Framing, values: Sequence[bytes], longest: int) -> Alike:
    """Return which records are read together, and which alone, as those longer than `longest`.

    `framing` is likely that of most of them. A layout is looked for in all records once one is met
    that has it, as a topic may have as many as there are senders: records that are read alone cost
    a hundred times as much.

    >>> from fixfeed.transforms.fix.protocol import FIX
    >>> soh = b"8=FIX.4.4\\x019=5\\x0135=0\\x0110=161\\x01"
    >>> values = [soh, soh.replace(b"\\x01", b"|"), soh[:-5], soh.replace(b"\\x01", b"<SOH>")]
    >>> alike(FIX, FIX.sniff(b""), values, 100)[1:]
    ({b'\\x01': [0], b'|': [1], b'<SOH>': [3]}, [2])
    """
    everything = range(len(values))
    left: Sequence[int] = everything
    if max(map(len, values)) > longest:
        left = [number for number in everything if len(values[number]) <= longest]
    framings = {framing.layout: framing}
    together = {framing.layout: _whole(framing, values, left)}
    if len(together[framing.layout]) == len(values):
        return Alike(framing, together, [])
    done = set(together[framing.layout])
    for number in left:
        if number in done:
            continue
        own = framing_of(protocol, values[number])
        if own.layout not in framings:
            framings[own.layout], together[own.layout] = own, []
            if len(framings) <= _LAYOUTS:
                found = _whole(own, values, [one for one in left if one not in done])
                together[own.layout] = found
                done.update(found)
        if number not in done and _is_closed(own, values[number]):
            together[own.layout].append(number)
            done.add(number)
    most = max(together, key=lambda layout: len(together[layout]))
    return Alike(
        framings[most],
        {layout: sorted(numbers) for layout, numbers in together.items() if numbers},
        [number for number in everything if number not in done],
    )


def _whole(framing: Framing, values: Sequence[bytes], numbers: Sequence[int]) -> list[int]:
    """Return which of some records are certainly whole messages of a framing."""
    data, begins, ends = as_lines([values[number] for number in numbers])
    return np.array(numbers, np.int64)[framing.whole(data, begins, ends)].tolist()


def as_lines(values: Sequence[bytes]) -> tuple[bytes, NDArray[np.int64], NDArray[np.int64]]:
    """Return records with a line feed between them, and where each begins and ends."""
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    ends = np.cumsum(lengths) + np.arange(len(values))
    return b"\n".join(values), ends - lengths, ends


def _is_closed(framing: Framing, value: bytes) -> bool:
    """Return whether a record ends at a border, whatever comes on the lines after it."""
    return (
        framing.end_of_source(value, grows=False) == len(value)
        and framing.last_border(value + b"\n") == len(value) + 1
    )
