"""The definitions of one version of FIX: where each field may be in each type of message."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from fixfeed.transforms.fix.dictionary.union import Field, merged

__all__ = [
    "BODY",
    "HEADER",
    "TRAILER",
    "VERSIONS",
    "Definition",
    "Scope",
    "VersionDictionary",
    "definition",
    "names_of",
    "tag_key",
    "with_tag_keys",
]

Definition = Mapping[str, Any]
"""A dictionary as `dictionary.quickfix_xml.read_definition` gives it."""

VERSIONS = {
    "FIX.4.0": "FIX40",
    "FIX.4.1": "FIX41",
    "FIX.4.2": "FIX42",
    "FIX.4.3": "FIX43",
    "FIX.4.4": "FIX44",
    "FIX.5.0": "FIX50",
    "FIX.5.0SP1": "FIX50SP1",
    "FIX.5.0SP2": "FIX50SP2",
    "FIXT.1.1": "FIXT11",
}
"""The versions that come with the project, and their files."""

_TRANSPORT = "FIXT.1.1"

_CHAR_IS_TEXT = ("FIX.4.0", "FIX.4.1")
_EXEC_INST = 18

_NUMBER_KEY = re.compile(rb'"([1-9][0-9]{0,8})":')
_TAG_KEY = re.compile(r"Tag[1-9][0-9]{0,8}")

HEADER, BODY, TRAILER = range(3)
"""The parts of a message, in their order."""


class Scope:
    """A place for fields: the level of a message, or the entries of a group in it.

    `members` are the tags allowed there, in the dictionary's order, with the scope of the group
    that a tag counts, or None. `count` is the tag that counts the entries (0: the message's level),
    `first` the first member, `position` the order of the members, `required` those that each entry
    must have. `section` has, at the message's level, the part of the message that a tag belongs to.
    """

    def __init__(self, parent: "Scope | None", count: int):
        """Make an empty scope inside `parent`; `_fill` gives it its members."""
        self.parent = parent
        self.count = count
        self.depth: int = parent.depth + 1 if parent else 0
        self.members: dict[int, Scope | None] = {}
        self.position: dict[int, int] = {}
        self.required: set[int] = set()
        self.section: dict[int, int] = {}

    @property
    def first(self) -> int:
        """The tag that begins an entry."""
        return next(iter(self.members))

    def walk(self) -> Iterator["Scope"]:
        """Yield this scope and all inside it."""
        yield self
        for inner in self.members.values():
            if inner:
                yield from inner.walk()


class VersionDictionary:
    """A version of FIX, possibly a counterparty's own, ready to read messages by.

    `fields` by tag; `message_types` from MsgType (35) to name; `is_known` is false for the
    substitute for a version without a dictionary. Scopes are made when a type of message is first
    asked for.
    """

    def __init__(
        self, content: Definition, transport: Definition | None = None, *, is_known: bool = True
    ):
        """Read `content`; header, trailer and session messages are those of `transport` (FIXT.1.1).

        A `content` made for use over a transport (FIX 5.0 and later) may have its own.
        """
        self.version: str = content["version"]
        self.is_known = is_known
        stands_on_it = content["version"].startswith("FIX.5")
        parts = [content]
        if transport:
            parts = [transport, content] if stands_on_it else [content, transport]
        self.fields: dict[int, Field] = {}
        self._components: dict[str, Any] = {}
        self._messages: dict[str, Any] = {}
        for part in parts:
            self.fields |= _fields_of(part)
            self._components |= part["components"]
            self._messages |= part["messages"]
        outer = transport or content
        if outer["version"] == _TRANSPORT:
            self._fill_components()
        inner = content if stands_on_it else outer
        self._header = inner["header"] or outer["header"]
        self._trailer = inner["trailer"] or outer["trailer"]
        self.message_types = {value: one[0] for value, one in self._messages.items()}
        self._names = names_of(content)
        self._tags = {name: tag for tag, name in self._names.items()}
        self._scopes: dict[str | None, Scope] = {}
        self._homes: dict[str | None, dict[int, Scope | None]] = {}

    def _fill_components(self) -> None:
        """Give components that the transport only names (MsgTypeGrp) the members of FIX 5.0 SP2."""
        newest = definition("FIX.5.0SP2")
        for name, members in self._components.items():
            if not members and name in newest["components"]:
                self._components[name] = newest["components"][name]
                for tag in _tags_in(self._components[name]):
                    field = Field(tag, *newest["fields"][str(tag)])
                    self.fields.setdefault(tag, field)

    def name(self, tag: int) -> str:
        """Return the name of a tag in JSON; its number if it has none."""
        name = self._names.get(tag)
        if name is None:
            known = merged().fields.get(tag)
            return known.name if known and known.name not in self._tags else str(tag)
        return name

    def is_name(self, text: str) -> bool:
        """Tell whether `text` is the name of a field in JSON, or the key of one without a name."""
        return text in self._tags or text in _newest_names() or _TAG_KEY.fullmatch(text) is not None

    def scope(self, msg_type: str | None) -> Scope:
        """Return the message level of a type of message; of header and trailer if it is unknown."""
        kind = msg_type if msg_type in self._messages else None
        if kind not in self._scopes:
            root = Scope(None, 0)
            body = self._messages[kind][2] if kind is not None else ()
            for section, members in enumerate((self._header, body, self._trailer)):
                self._fill(root, members, required=True)
                for tag in root.members:
                    root.section.setdefault(tag, section)
            self._scopes[kind] = root
        return self._scopes[kind]

    def homes(self, msg_type: str | None) -> Mapping[int, Scope | None]:
        """Return the one scope that each tag of a type of message has, None if it has two."""
        kind = msg_type if msg_type in self._messages else None
        if kind not in self._homes:
            homes: dict[int, Scope | None] = {}
            for scope in self.scope(kind).walk():
                for tag in scope.members:
                    homes[tag] = None if tag in homes else scope
            self._homes[kind] = homes
        return self._homes[kind]

    def _fill(self, scope: Scope, members: Iterable[Any], *, required: bool) -> None:
        for what, is_required, *rest in members:
            needed = required and bool(is_required)
            if isinstance(what, str):
                self._fill(scope, self._components[what], required=needed)
                continue
            if what in scope.members:
                continue
            scope.position[what] = len(scope.members)
            inner = None
            if rest:
                inner = Scope(scope, what)
                self._fill(inner, rest[0], required=True)
            scope.members[what] = inner if inner and inner.members else None
            if needed:
                scope.required.add(what)


def _fields_of(content: Definition) -> dict[int, Field]:
    """Return the fields of a dictionary.

    If a counterparty's field lists just the values that the standard lists, it may also hold what
    the standard allows besides them: few files say so. In FIX 4.0 and 4.1 a char is text of any
    length (`String` from 4.2 on), and ExecInst holds several values with spaces between them.
    """
    fields = {int(tag): Field(int(tag), *one) for tag, one in content["fields"].items()}
    version = content["version"]
    usual = definition(version)["fields"] if version in VERSIONS else {}
    for text, (_, _, values, *union) in usual.items():
        own = fields.get(int(text)) if union else None
        if own and not own.union and own.values.keys() == values.keys():
            fields[own.tag] = own._replace(union=union[0])
    if version in _CHAR_IS_TEXT:
        for tag, one in fields.items():
            if one.type == "CHAR":
                several = tag == _EXEC_INST
                fields[tag] = one._replace(type="MULTIPLEVALUESTRING" if several else "STRING")
    return fields


def _tags_in(members: Iterable[Any]) -> Iterator[int]:
    for what, _, *inner in members:
        if isinstance(what, int):
            yield what
            yield from _tags_in(inner[0] if inner else ())


def tag_key(tag: int) -> str:
    """Return the key in `fields` of a tag without a name, and of a count that is wrong.

    A number would be the place in an array to SQLite's `->>`.
    """
    return f"Tag{tag}"


def with_tag_keys(json: bytes) -> bytes:
    """Return a JSON object, or a part of one, with `tag_key` in place of keys that are tags."""
    # A quotation mark in a value is escaped, so only a key reads like this.
    return _NUMBER_KEY.sub(rb'"Tag\1":', json)


def names_of(content: Definition) -> dict[int, str]:
    """Return the names that a dictionary gives its tags, by tag.

    A tag's name in an older version (LastShares, 32) gives way to its newest one, so that one query
    finds it in all versions; a counterparty's own name stays.
    """
    usual: Definition = {"fields": {}}
    if content["version"] in VERSIONS:
        usual = definition(content["version"])
    newest = merged().fields
    names = {}
    for text, (name, *_) in content["fields"].items():
        tag = int(text)
        is_usual = usual["fields"].get(text, ("",))[0] == name
        names[tag] = newest[tag].name if tag in newest and is_usual else name
    return names


@cache
def _newest_names() -> frozenset[str]:
    return frozenset(field.name for field in merged().fields.values())


@cache
def definition(version: str) -> Definition:
    """Return the definition of one of `VERSIONS`."""
    name = f"{VERSIONS[version]}.json"
    found: Definition = orjson.loads(
        files("fixfeed.transforms.fix.dictionary.data").joinpath(name).read_bytes()
    )
    return found
