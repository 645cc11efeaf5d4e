"""What outputs remember of `from=latest`: that a topic, or a pattern of topics, was begun so.

The end of a topic is where reading begins once. What is found by a later run and is stored nowhere
came since then: partitions that were added, topics that a pattern matches by now, a topic that was
made again. So the first run stores a mark for each name and pattern of its URI, a source without
messages, after what it has left out.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from fixfeed.io.ledger.ledger import Stretch
from fixfeed.io.ledger.source import Source
from fixfeed.transforms.batch import Block

__all__ = ["block_of_mark", "is_of", "mark_of", "marked"]


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
