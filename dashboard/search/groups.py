"""Which types of messages may have a field in a group, by all built-in dictionaries."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from fixfeed.transforms.fix.dictionary.version import VERSIONS, Definition, definition

__all__ = ["without_groups_of"]


@cache
def without_groups_of(name: str) -> frozenset[str]:
    """Return the types of messages whose groups have no field of this name, in any version.

    >>> "D" in without_groups_of("ClOrdID"), "E" in without_groups_of("ClOrdID")
    (True, False)
    """
    known: set[str] = set()
    having: set[str] = set()
    for content in map(definition, VERSIONS):
        tags = {int(tag) for tag, field in content["fields"].items() if field[0] == name}
        for msg_type, (_, _, members) in content["messages"].items():
            known.add(msg_type)
            parts = (content["header"], members, content["trailer"])
            if any(tag in tags for part in parts for tag in _in_groups(content, part)):
                having.add(msg_type)
    return frozenset(known - having)


def _in_groups(
    content: Definition, members: Iterable[Any], *, inside: bool = False
) -> Iterator[int]:
    for what, _, *inner in members:
        if isinstance(what, str):
            component: Mapping[str, Any] = content["components"]
            yield from _in_groups(content, component[what], inside=inside)
            continue
        if inside:
            yield what
        if inner:
            yield from _in_groups(content, inner[0], inside=True)
