"""The structure of a version in QuickFIX's XML: groups by type of message, data fields."""

import re
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from fixfeed.pipelines.fidelity.dictionary_xml import VERSIONS

__all__ = [
    "APPL_VER_IDS",
    "Scope",
    "Structure",
    "data_lengths",
    "message_types",
    "names_of",
    "unlike",
]

APPL_VER_IDS = dict(zip("23456789", VERSIONS, strict=False))
"""The versions by the values of ApplVerID (1128) and DefaultApplVerID (1137)."""

_BEGIN_STRING = re.compile(r"FIX\.(\d)\.(\d)((?:SP\d)?)")


class Scope:
    """A level that can hold fields: a message, or the entries of a group in it.

    `members` are the allowed tags, in the dictionary's order; a tag that counts a group has that
    group's scope.
    """

    def __init__(self) -> None:
        """Make a scope without members."""
        self.members: dict[int, Scope | None] = {}

    @property
    def first(self) -> int:
        """The tag that begins an entry."""
        return next(iter(self.members))

    @cached_property
    def inside(self) -> frozenset[int]:
        """The tags of this scope's groups, at any depth; used once all members are set."""
        groups = [inner for inner in self.members.values() if inner]
        return frozenset(tag for inner in groups for tag in inner.members.keys() | inner.inside)


def unlike(one: Scope, other: Scope) -> set[int]:
    """Return the tags that two message levels nest differently, or that only one has.

    One tag of a group brings all its tags and its count: entries may begin elsewhere.
    """
    if one is other:
        return set()
    found = set()
    for tag in one.members.keys() | other.members.keys():
        inside, outside = one.members.get(tag), other.members.get(tag)
        is_in_both = tag in one.members and tag in other.members and bool(inside) == bool(outside)
        if not is_in_both or (inside and outside and unlike(inside, outside)):
            found.add(tag)
            for scope in (inside, outside):
                found |= {*scope.members, *scope.inside} if scope else set()
    return found


def names_of(begin_string: str, appl_ver_ids: Sequence[str]) -> list[str]:
    """Return the names of a message's dictionaries: that of header and trailer, that of the body.

    For FIXT.1.1 the first valid one of `appl_ver_ids` decides the version of the body, 5.0 SP2 if
    there is none. A version without a dictionary is read with the header, trailer and session
    messages of FIXT.1.1.
    """
    if begin_string in ("FIXT.1.1", ""):
        known = [APPL_VER_IDS[one] for one in appl_ver_ids if one in APPL_VER_IDS]
        return ["FIXT11", *known, "FIX50SP2"][:2]
    found = _BEGIN_STRING.fullmatch(begin_string)
    name = "FIX" + "".join(found.groups()) if found else ""
    if name not in VERSIONS:
        return ["FIXT11", "FIXT11"]
    return ["FIXT11" if name.startswith("FIX50") else name, name]


@cache
def _document(path: Path) -> tuple[Element, dict[str, int], dict[str, Element]]:
    root = ElementTree.parse(path).getroot()
    tags = {one.get("name", ""): int(one.get("number", "")) for one in _part(root, "fields")}
    return root, tags, {one.get("name", ""): one for one in root.iterfind("components/component")}


def _part(root: Element, name: str) -> Element:
    """Return a part of a dictionary, empty if the file has none."""
    part = root.find(name)
    return Element(name) if part is None else part


class Structure:
    """A message's two dictionaries, one of them for header, trailer and session messages.

    `data_fields` maps the tags of the fields that QuickFIX reads by length to the length tags that
    it assumes. `encoded_fields` are the tags of fields with text in the encoding of MessageEncoding
    (347).
    """

    def __init__(self, folder: Path, names: Sequence[str]):
        """`names` are those of files in `folder`, as `names_of` returns them."""
        self._session, self._application = (folder / f"{name}.xml" for name in names)
        self._roots: dict[str, Scope] = {}
        self.encoded_fields = _encoded_fields(folder)
        self.data_fields = {
            tag: 93 if tag == 89 else tag - 1
            for path in (self._session, self._application)
            for tag in _tags_of_types(path, "DATA")
        }

    def root(self, msg_type: str) -> Scope:
        """Return the message level of a type of message; header and trailer for an unknown type."""
        if msg_type not in self._roots:
            scope = Scope()
            session, _, _ = _document(self._session)
            _fill(scope, _part(session, "header"), self._session)
            for path in (self._session, self._application):
                for message in _document(path)[0].iterfind("messages/message"):
                    if message.get("msgtype") == msg_type:
                        _fill(scope, message, path)
            _fill(scope, _part(session, "trailer"), self._session)
            self._roots[msg_type] = scope
        return self._roots[msg_type]


def _fill(scope: Scope, parent: Element, path: Path) -> None:
    _, tags, components = _document(path)
    for one in parent:
        name = one.get("name", "")
        if one.tag == "component":
            _fill(scope, components[name], path)
        elif tags[name] not in scope.members:
            inner = Scope()
            _fill(inner, one, path)
            scope.members[tags[name]] = inner if inner.members else None


def _tags_of_types(path: Path, *types: str) -> Iterator[int]:
    for field in _part(_document(path)[0], "fields"):
        if field.get("type") in types:
            yield int(field.get("number", ""))


def message_types(folder: Path, version: str) -> list[str]:
    """Return the values of MsgType (35) that a version defines."""
    root, _, _ = _document(folder / f"{version}.xml")
    return [message.get("msgtype", "") for message in root.iterfind("messages/message")]


@cache
def data_lengths(folder: Path) -> dict[int, int]:
    """Return the tag of the length of each data field of all versions in `folder`.

    That is the field with the data field's name plus `Len` or `Length`, else the tag before it.
    """
    lengths = {}
    for version in VERSIONS:
        path = folder / f"{version}.xml"
        _, tags, _ = _document(path)
        names = {tag: name for name, tag in tags.items()}
        for tag in _tags_of_types(path, "DATA", "XMLDATA"):
            name = names[tag]
            lengths[tag] = tags.get(f"{name}Len") or tags.get(f"{name}Length") or tag - 1
    return lengths


@cache
def _encoded_fields(folder: Path) -> frozenset[int]:
    encoded = set()
    for version in VERSIONS:
        path = folder / f"{version}.xml"
        _, tags, _ = _document(path)
        names = {tag: name for name, tag in tags.items()}
        data = _tags_of_types(path, "DATA")
        encoded |= {tag for tag in data if names[tag].startswith("Encoded")}
    return frozenset(encoded)
