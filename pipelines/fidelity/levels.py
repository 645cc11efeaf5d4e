"""A message as either reader read it: fields and groups, level by level."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["Key", "Level", "level_of_answer", "level_of_json", "prune"]

Key = int | str
"""A tag, or the text before `=` if that is no tag."""

_TAG = re.compile(r"Tag([1-9][0-9]{0,8})")


class Level(NamedTuple):
    """A message or an entry of a group: values by tag, entries by the tag of their count."""

    fields: dict[Key, list[str]]
    groups: dict[int, list["Level"]]

    def size(self) -> tuple[int, int]:
        """Return the numbers of fields and of entries, including those inside entries."""
        inner = [entry.size() for entries in self.groups.values() for entry in entries]
        fields = sum(map(len, self.fields.values())) + sum(fields for fields, _ in inner)
        return fields, len(inner) + sum(entries for _, entries in inner)


def level_of_json(content: Mapping[str, Any], tags: Mapping[str, int]) -> Level:
    """Return the level of a JSON object of fixfeed's; `tags` maps names to tags."""
    level = Level({}, {})
    for name, value in content.items():
        without_name = _TAG.fullmatch(name)
        key: Key = tags.get(name) or (int(without_name[1]) if without_name else name)
        if isinstance(value, list) and not (value and isinstance(value[0], str)):
            assert isinstance(key, int)
            level.groups[key] = [level_of_json(entry, tags) for entry in value]
        else:
            level.fields.setdefault(key, []).extend([value] if isinstance(value, str) else value)
    for key, entries in level.groups.items():
        # A count is written only if it is wrong.
        level.fields.setdefault(key, [str(len(entries))])
    return level


def level_of_answer(answer: Mapping[str, Any]) -> Level:
    """Return the level of an answer of `pipelines.fidelity.quickfix_process`."""
    level = Level({}, {})
    for tag, value in answer["fields"]:
        level.fields.setdefault(tag, []).append(value)
    for tag, entries in answer["groups"]:
        level.groups[tag] = [level_of_answer(entry) for entry in entries]
    return level


def prune(level: Level, which: Callable[[Key], bool]) -> Iterator[tuple[Key, str]]:
    """Remove the fields with such keys from `level` and the entries in it, and yield them."""
    for key in [key for key in level.fields if which(key)]:
        for value in level.fields.pop(key):
            yield key, value
    for entries in level.groups.values():
        for entry in entries:
            yield from prune(entry, which)
