"""What Logons decide for the messages after them: the version of FIX that FIXT.1.1 carries.

The Logon (A) of a FIXT.1.1 session has it in DefaultApplVerID (1137), for all messages of the
session, in both directions, up to the next Logon with another version. A message is taken for a
Logon only if BodyLength (9) or MsgType (35) comes right after BeginString (8).
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fixfeed.transforms.batch import Block, ends_within_line
from fixfeed.transforms.fix.dictionary.choose import APPL_VER_IDS
from fixfeed.transforms.fix.framing.delimiter import start_pattern
from fixfeed.transforms.fix.framing.messages import line_start, message_end, spans
from fixfeed.transforms.fix.framing.original import as_read, single_byte
from fixfeed.transforms.fix.scalar.fields import decode, split_fields
from fixfeed.transforms.fix.spelt import is_escaped

__all__ = ["Logon", "carry", "logons"]

_BEGIN_STRING = b"8=FIXT.1.1"
_TAG = b"1137="
_REACH = 64 << 10
"""DefaultApplVerID is looked for within this many bytes of the start of a Logon."""


class Logon(NamedTuple):
    """A Logon: where its record begins, its session's CompIDs as bytes, and the version it sets."""

    start: int
    sender: bytes
    target: bytes
    appl_ver_id: str

    @property
    def says(self) -> Mapping[str, str]:
        """DefaultApplVerID by session, for both directions, as `Block.context` has it."""
        sender, target = decode(self.sender), decode(self.target)
        return {f"{sender}->{target}": self.appl_ver_id, f"{target}->{sender}": self.appl_ver_id}


def logons(
    data: bytes, delimiter: bytes, logged_on: Mapping[str, str], *, within_line: bool = False
) -> list[Logon]:
    """Return, in order, the Logons in `data` that change a version in `logged_on`.

    `data` begins and ends at borders. If it is cut at borders, its parts give, one after the other,
    the same answer. An unknown version has no effect. Data without `1137=` costs one search.
    `within_line` is that of the block.
    """
    if _TAG not in data and not is_escaped(data):
        return []
    data, delimiter, original = as_read(data, delimiter, within_line=within_line)
    found = _logons(data, delimiter, logged_on, within_line)
    return [one._replace(start=original.at(one.start)) for one in found]


def _logons(
    data: bytes, delimiter: bytes, logged_on: Mapping[str, str], within_line: bool
) -> list[Logon]:
    likely = list(_likely(data, delimiter))
    # Framing takes far longer than looking at the few messages that may be Logons.
    if not any(_changes(one, logged_on) for one in likely):
        return []
    holds = dict(logged_on)
    result = []
    for logon in _framed(data, delimiter, likely, within_line):
        if _changes(logon, holds):
            result.append(logon)
            holds |= logon.says
    return result


def carry(block: Block, logged_on: Mapping[str, str]) -> list[Block]:
    """Cut a block so that the `context` of each part holds for all messages in it.

    `logged_on` is the one at the beginning of the block; that of the last part holds after it. A
    Logon whose session has no message before it in its part does not cut. A provisional block and
    one that is too long have no messages and stay whole.
    """
    unread = block.provisional or block.too_long
    delimiter, within = block.layout or b"\x01", block.within_line
    changes = [] if unread else logons(block.data, delimiter, logged_on, within_line=within)
    if not changes:
        return [dataclasses.replace(block, context=logged_on)]
    parts = []
    at, holds = 0, dict(logged_on)
    for logon in changes:
        if logon.start > at and _may_speak(logon, block.data, at):
            parts.append(_part(block, at, logon.start, holds))
            at, holds = logon.start, dict(holds)
        holds |= logon.says
    parts.append(_part(block, at, len(block.data), holds))
    return parts


def _part(block: Block, start: int, end: int, logged_on: Mapping[str, str]) -> Block:
    return dataclasses.replace(
        block,
        start=block.start + start,
        data=block.data[start:end],
        last=block.last and end == len(block.data),
        within_line=ends_within_line(block.data[:start], block.within_line),
        context=logged_on,
    )


def _may_speak(logon: Logon, data: bytes, at: int) -> bool:
    """Tell whether `data` may have a message of the Logon's session between `at` and the Logon."""
    if not (logon.sender + logon.target).isascii():
        return True  # other bytes may be the same text
    return all(
        any(data.find(tag + name, at, logon.start) >= 0 for tag in (b"49=", b"56="))
        for name in (logon.sender, logon.target)
    )


def _likely(data: bytes, delimiter: bytes) -> Iterator[Logon]:
    """Yield what looks like a Logon; inside a data field it is none."""
    seen, place = 0, data.find(_TAG)
    while place >= 0:
        begin = _last_begin(data, max(seen, place - _REACH), place, delimiter)
        logon = _read(data, begin) if begin else None
        if logon:
            yield logon
        seen, place = place, data.find(_TAG, place + 1)


def _last_begin(data: bytes, start: int, end: int, delimiter: bytes) -> re.Match[bytes] | None:
    """Return the last beginning of a FIXT.1.1 message in `data[start:end]`."""
    while (end := data.rfind(_BEGIN_STRING, start, end)) >= 0:
        begin = start_pattern(delimiter).match(data, end)
        # Elsewhere it may be text, as in `58=FIXT.1.1`.
        if begin and data.startswith((b"9=", b"35="), begin.end()):
            return begin
    return None


def _read(data: bytes, begin: re.Match[bytes]) -> Logon | None:
    start, own = begin.start(), begin[1]
    message = single_byte(data[start : message_end(data, start, own)], own)
    fields, _ = split_fields(message, own if len(own) == 1 else b"\x01")
    by_tag = {field.tag: field.value for field in reversed(fields)}
    sender, target = by_tag.get(b"49"), by_tag.get(b"56")
    version = decode(by_tag.get(b"1137", b""))
    if by_tag.get(b"35") != b"A" or not sender or not target or version not in APPL_VER_IDS:
        return None
    return Logon(start, sender, target, version)


def _framed(
    data: bytes, delimiter: bytes, likely: Sequence[Logon], within_line: bool
) -> Iterator[Logon]:
    """Yield the likely Logons that are messages, each from the start of its record.

    As for all borders, framing begins at a message at most `_REACH` before.
    """
    past = number = 0
    while number < len(likely):
        at = past = max(past, likely[number].start - _REACH)
        within = ends_within_line(data[max(0, at - 1) : at], within_line)
        for span in spans(data[at:], delimiter, within_line=within):
            start = at + span.start
            while number < len(likely) and likely[number].start < start:
                number += 1  # it is inside a data field
            if number < len(likely) and likely[number].start == start:
                yield likely[number]._replace(start=line_start(data, past, start))
                number += 1
            past = at + span.end
            if number == len(likely) or likely[number].start - past > _REACH:
                break
        else:
            return


def _changes(logon: Logon, logged_on: Mapping[str, str]) -> bool:
    return any(logged_on.get(name) != version for name, version in logon.says.items())
