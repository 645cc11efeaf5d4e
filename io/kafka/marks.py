"""What outputs remember of `from=latest`: that a topic, or a pattern of topics, was begun so.

The end of a topic is where reading begins once. What is found by a later run and is stored nowhere
came since then: partitions that were added, topics that a pattern matches by now, a topic that was
made again. So the first run stores a mark for each name and pattern of its URI, a source without
messages, after what it has left out. And it commits a note beside the offsets of the group, for the
time until an output has anything. Other consumers of the group have no such notes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from fixfeed.io.ledger.ledger import Stretch
from fixfeed.io.ledger.source import Source
from fixfeed.transforms.batch import Block

__all__ = ["block_of_mark", "is_any", "is_of", "mark_of", "marked", "note_of", "noted"]

_BEGUN, _LONG = "latest ", 1000  # what begins a note, and characters of names in it


def mark_of(name: str, cluster: str) -> Source:
    """Return the source that marks a topic, or a pattern, of a cluster as begun.

    >>> mark_of("^fix[.].*", "C").key
    'kafka:^fix[.].*/latest/C'
    """
    key = f"kafka:{name}/latest/{cluster}"
    return Source(key, "kafka", key)


def block_of_mark(source: Source) -> Block:
    """Return the block that has a mark stored: it has one position, and no bytes."""
    return Block(source.key, 0, b"", None, origin=source, room=1)


def marked(
    names: Iterable[str], cluster: str, stored: Mapping[str, Sequence[Stretch]]
) -> list[str]:
    """Return which names have their mark stored; `stored` has the stretches by key of a source."""
    return [name for name in names if stored.get(mark_of(name, cluster).key)]


def is_of(topic: str, name: str) -> bool:
    """Return whether a topic is the one of this name, or matches the pattern.

    >>> is_of("fix.raw", "fix"), is_of("fix.raw", "^fix[.].*")
    (False, True)
    """
    return topic == name or (name.startswith("^") and bool(re.fullmatch(name, topic)))


def is_any(topic: str, names: Iterable[str]) -> bool:
    """Return whether a topic is one of these, by name or pattern."""
    return any(is_of(topic, name) for name in names)


def note_of(topic: str, names: Sequence[str]) -> str:
    """Return the note of a topic: the names and patterns of a URI, with which reading has begun.

    There is room for some 1,000 characters: those that the topic has, or matches, come first. If
    they do not fit, the topic itself is noted.

    >>> note_of("fix.raw", ["x", "^fix[.].*"]), note_of("fix.raw", ["^f" + "i" * 2000 + "|fix.*"])
    ('latest ^fix[.].*\\nx', 'latest fix.raw')
    """
    kept: list[str] = []
    room = _LONG
    for name in sorted(names, key=lambda one: not is_of(topic, one)):
        if len(name) <= room:
            kept.append(name)
            room -= len(name)
    if not is_any(topic, kept):
        kept.insert(0, topic)
    return _BEGUN + "\n".join(kept)


def noted(note: str | None) -> list[str]:
    """Return the names and patterns that were begun, given what is beside an offset of a group.

    Nothing if it is no note of ours, as it may be of any consumer.

    >>> noted("latest ^fix[.].*\\nx"), noted("latest ^("), noted("other"), noted(None)
    (['^fix[.].*', 'x'], [], [], [])
    """
    if not note or not note.startswith(_BEGUN):
        return []
    names = note.removeprefix(_BEGUN).split("\n")
    try:
        for name in names:
            re.compile(name)
    except re.error:
        return []
    return names
