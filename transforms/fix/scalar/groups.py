"""Repeating groups of one message, nested: the definition of where each field belongs.

FIX tag-value has no brackets: where a group ends follows from the dictionary alone (FIX
specification, tagvalue encoding, "Repeating groups"). The rules:

1. A field belongs to the innermost open group that has its tag as a member, else to the message;
   the groups inside that one end there.
2. A count field opens its group. The first member after it begins the first entry; that tag, or any
   member that the entry already has, begins the next one.
3. A field that is a member of no open group, nor of the message, goes with the next field that has
   a place, into the entry before that field; if none follows, to the message's level. Where groups
   end between the two, it has a place of its own if its tag is in an earlier entry of such a group,
   or of the same group inside an earlier entry: the last entry of the innermost such group.
4. The count is not written. If its text is not the number of entries, it is put after the array,
   under its tag number (in `fields` `Tag453`, see `dictionary.version.tag_key`).
5. A tag repeated at the message's level, or by rule 3 within an entry, becomes an array of texts. A
   group repeated at the message's level goes on with the same array.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from fixfeed.transforms.fix.defects import (
    FIELD_ORDER,
    GROUP_COUNT,
    GROUP_FIRST_FIELD,
    GROUP_FOREIGN,
    GROUP_ORDER,
    GROUP_ORPHAN,
    MISSING_FIELD,
    REPEATED_TAG,
)
from fixfeed.transforms.fix.dictionary.version import BODY, HEADER, Scope, VersionDictionary

__all__ = ["Item", "Mark", "add", "nest"]


class Item(NamedTuple):
    """An item at the message's level: a field, or a group.

    `number` is the field's, or that of the group's count; `value` its text, or the entries;
    `section` the part of the message.
    """

    number: int
    name: str
    value: Any
    section: int


class Mark(NamedTuple):
    """A defect of the structure: the number of the field that has it, and its bit.

    An entry without a required field is marked at its group's count, a message at -1; `missing` are
    the tags of such fields. `entries` is how many there are where a count is wrong.
    """

    number: int
    defect: int
    missing: frozenset[int] = frozenset()
    entries: int = 0


class _Frame:
    """An open group, or the message."""

    __slots__ = (
        "at", "begins", "count", "earlier", "entries", "entry", "number", "own", "present", "scope",
    )  # fmt: skip

    def __init__(self, scope: Scope, entries: list[dict[str, Any]], number: int):
        self.scope, self.entries, self.number = scope, entries, number
        # The tags that are not members: in the open entry, and in those before it.
        self.own: set[int] = set()
        self.earlier: set[int] = set()
        self.entry: dict[str, Any] | None = None
        self.present: set[int] = set()
        self.begins = self.count = 0
        self.at = -1


def add(content: dict[str, Any], name: str, text: str) -> None:
    """Add a field; the texts of one name become an array."""
    before = content.get(name)
    if before is None:
        content[name] = text
    elif isinstance(before, list):
        before.append(text)
    else:
        content[name] = [before, text]


def nest(
    tags: Sequence[int],
    names: Sequence[str],
    texts: Sequence[str],
    dictionary: VersionDictionary,
    msg_type: str,
) -> tuple[list[Item], list[Mark]]:
    """Return the items at the message's level, in order, and the defects of the structure.

    Fields are given by their tags (0 for text that is not a tag), names in JSON and texts.
    """
    nesting = _Nesting(tags, names, texts, dictionary, msg_type)
    root, stack, pending = nesting.root, nesting.stack, nesting.pending
    groups, sections, present = root.scope.members, root.scope.section, root.present
    for number, tag in enumerate(tags):
        # Most fields are between fields of the message and come once: `place`, made short.
        if len(stack) == 1 and not pending and tag not in present:
            section = sections.get(tag)
            if section == nesting.section and groups[tag] is None:
                present.add(tag)
                nesting.items.append(Item(number, names[number], texts[number], section))
                continue
        nesting.place(number, tag)
    return nesting.end()


class _Nesting:
    def __init__(self, tags, names, texts, dictionary: VersionDictionary, msg_type: str):
        self.tags, self.names, self.texts = tags, names, texts
        self.dictionary = dictionary
        self.homes = dictionary.homes(msg_type)
        self.root = _Frame(dictionary.scope(msg_type), [], -1)
        self.root.entry = {}
        self.stack = [self.root]
        self.pending: list[int] = []
        self.items: list[Item] = []
        self.arrays: dict[int, list[dict[str, Any]]] = {}
        # The own tags of each closed group, wherever in the message it was.
        self.own_of: dict[int, set[int]] = {}
        self.section = HEADER
        self.marks: list[Mark] = []

    def place(self, number: int, tag: int) -> None:
        stack = self.stack
        frame = stack[-1]
        if tag not in frame.scope.members:
            if not any(tag in outer.scope.members for outer in stack):
                self.pending.append(number)
                if tag in self.homes:
                    self._mark(number, GROUP_ORPHAN)
                return
            level = len(stack) - 1
            while tag not in stack[level].scope.members:
                level -= 1
            self._close_to(level)
            frame = stack[-1]
        if self.pending:
            self._place_pending(frame.scope.section.get(tag, BODY))
        inner = frame.scope.members[tag]
        name, text = self.names[number], self.texts[number]
        if frame is self.root:
            section = frame.scope.section[tag]
            if section > self.section:
                self.section = section
            elif section < self.section:
                self._mark(number, FIELD_ORDER)
            if tag in frame.present:
                self._mark(number, REPEATED_TAG)
            else:
                frame.present.add(tag)
            if inner:
                entries = self.arrays.get(tag)
                if entries is None:
                    entries = self.arrays[tag] = []
                    self.items.append(Item(number, name, entries, section))
                stack.append(self._open(inner, entries, number))
            else:
                self.items.append(Item(number, name, text, section))
            return
        entry = self._entry(frame, tag, number)
        if inner:
            entries = entry[name] = []
            stack.append(self._open(inner, entries, number))
        else:
            entry[name] = text

    def _mark(self, number: int, defect: int) -> None:
        self.marks.append(Mark(number, defect))

    def _entry(self, frame: _Frame, tag: int, number: int) -> dict[str, Any]:
        """Return the entry that a member belongs to; the member may begin it."""
        if frame.entry is None:
            frame.begins = tag
            if tag != frame.scope.first:
                self._mark(number, GROUP_FIRST_FIELD)
            begins = True
        else:
            begins = tag == frame.begins or tag in frame.present
            if begins and tag != frame.begins:
                self._mark(number, REPEATED_TAG)
        if begins:
            self._end_entry(frame)
            if frame.own:
                frame.earlier |= frame.own
                frame.own = set()
            frame.entry = {}
            frame.entries.append(frame.entry)
            frame.count += 1
            frame.present = set()
            frame.at = -1
        frame.present.add(tag)
        position = frame.scope.position[tag]
        if position < frame.at:
            self._mark(number, GROUP_ORDER)
        frame.at = position
        assert frame.entry is not None
        return frame.entry

    def _end_entry(self, frame: _Frame) -> None:
        if frame.entry is not None:
            self._look_for_missing(frame)

    def _look_for_missing(self, frame: _Frame) -> None:
        missing = frame.scope.required - frame.present
        if missing:
            self.marks.append(Mark(frame.number, MISSING_FIELD, frozenset(missing)))

    def _close_to(self, level: int) -> None:
        """End the groups above a level of the stack; their own fields stay in their last entries.

        A field is own if its tag is in an earlier entry; so are the fields before such a field.
        """
        stack, places, place = self.stack, [], level
        for number in reversed(self.pending):
            for at in range(len(stack) - 1, place, -1):
                if self.tags[number] in stack[at].earlier and stack[at].entry is not None:
                    place = at
                    break
            places.append(place)
        pending, self.pending = self.pending, []
        for number, place in zip(pending, reversed(places), strict=True):
            while len(stack) - 1 > place:
                self._close()
            if place == level:
                self.pending.append(number)
            else:
                self._add_own(stack[-1], number)
        while len(stack) - 1 > level:
            self._close()

    def _add_own(self, frame: _Frame, number: int) -> None:
        """Put a field into an entry of which it is not a member."""
        assert frame.entry is not None
        self._mark(number, GROUP_FOREIGN)
        name, tag = self.names[number], self.tags[number]
        if name in frame.entry:
            self._mark(number, REPEATED_TAG)
        add(frame.entry, name, self.texts[number])
        if tag:
            frame.own.add(tag)

    def _open(self, scope: Scope, entries: list[dict[str, Any]], number: int) -> _Frame:
        frame = _Frame(scope, entries, number)
        if self.own_of:
            frame.earlier |= self.own_of.get(id(scope), set())
        return frame

    def _close(self) -> None:
        frame = self.stack.pop()
        self._end_entry(frame)
        if frame.own or frame.earlier:
            self.own_of.setdefault(id(frame.scope), set()).update(frame.own, frame.earlier)
        text = self.texts[frame.number]
        if text == str(frame.count):
            return
        self.marks.append(Mark(frame.number, GROUP_COUNT, entries=frame.count))
        outer = self.stack[-1]
        if outer is self.root:
            section = outer.scope.section[frame.scope.count]
            self.items.append(Item(frame.number, str(frame.scope.count), text, section))
        else:
            assert outer.entry is not None
            add(outer.entry, str(frame.scope.count), text)

    def _place_pending(self, section: int) -> None:
        """Put the fields that are members of nothing where the field after them is."""
        frame = self.stack[-1]
        if frame.entry is None:
            # Between a count and its first entry: the level of the count.
            frame = self.stack[-2]
        for number in self.pending:
            name, text = self.names[number], self.texts[number]
            tag = self.tags[number]
            if frame is self.root:
                if tag and tag in frame.present:
                    self._mark(number, REPEATED_TAG)
                frame.present.add(tag)
                self.items.append(Item(number, name, text, min(section, BODY)))
            else:
                self._add_own(frame, number)
        self.pending.clear()

    def end(self) -> tuple[list[Item], list[Mark]]:
        self._close_to(0)
        self._place_pending(BODY)
        self._look_for_missing(self.root)
        return self.items, self.marks
