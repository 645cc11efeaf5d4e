"""Reads the FIX Trading Community's Orchestra: fields and messages of one version of FIX."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

__all__ = ["Orchestra", "StandardField", "read_orchestra"]

_SPACE = "{http://fixprotocol.io/2020/orchestra/repository}"
_FROM = re.compile(r"\b(?:(\d+)\+|values above (\d+))(?= )", re.IGNORECASE)
_BILATERAL = re.compile(r"bi-?lateral|private agreement", re.IGNORECASE)
_MUTUAL = re.compile(r"(?:additional|other) (?:values|types) may be used by mutual", re.IGNORECASE)


class StandardField(NamedTuple):
    """A field: its name, its listed values with meanings, and the type of other allowed values.

    `listed_by` is the tag of the field that lists the values, mostly its own; `union` is as in
    `transforms.fix.dictionary.union.Field`.
    """

    name: str
    values: dict[str, str]
    listed_by: int
    union: str


@dataclass
class Orchestra:
    """Fields by tag; messages from MsgType to members.

    Members map a tag to the members of the group that it counts, None for a field. `optional` are
    the members not required at their place, as (MsgType, tags of the groups, tag). `texts` has what
    the standard says of values, by tag and value.
    """

    fields: dict[int, StandardField]
    messages: dict[str, dict[int, dict | None]]
    optional: set[tuple[str, tuple[int, ...], int]] = field(default_factory=set)
    texts: dict[tuple[int, str], str] = field(default_factory=dict)


def read_orchestra(path: Path) -> Orchestra:
    """Read a file in the format of Orchestra (2020)."""
    return _Reader(ElementTree.parse(path).getroot()).orchestra()


class _Reader:
    def __init__(self, root: Element):
        self._root = root
        self._code_sets = {one.get("name", ""): one for one in self._all("codeSets/codeSet")}
        self._components = {one.get("id", ""): one for one in self._all("components/component")}
        self._groups = {one.get("id", ""): one for one in self._all("groups/group")}

    def _all(self, path: str) -> list[Element]:
        return self._root.findall("/".join(_SPACE + name for name in path.split("/")))

    def orchestra(self) -> Orchestra:
        result = Orchestra(
            {int(one.get("id", "")): self._field(one) for one in self._all("fields/field")}, {}
        )
        for one in self._all("fields/field"):
            for code in self._codes(one):
                result.texts[int(one.get("id", "")), code.get("value", "")] = _text(code)
        for message in self._all("messages/message"):
            msg_type = message.get("msgType", "")
            members: dict[int, dict | None] = {}
            structure = message.find(f"{_SPACE}structure")
            assert structure is not None
            for path, tag, required in self._members(structure, ()):
                inside = members
                for count in path:
                    group = inside[count]
                    assert group is not None
                    inside = group
                is_group = required is None
                inside.setdefault(tag, {} if is_group else None)
                if required is False:
                    result.optional.add((msg_type, path, tag))
            result.messages[msg_type] = members
        return result

    def _members(
        self, parent: Element, path: tuple[int, ...]
    ) -> Iterator[tuple[tuple[int, ...], int, bool | None]]:
        """Yield the groups around each member, its tag, and whether it is required.

        For a tag that counts a group, that is None.
        """
        for one in parent:
            kind, number = one.tag.removeprefix(_SPACE), one.get("id", "")
            if kind == "fieldRef":
                yield path, int(number), one.get("presence") == "required"
            elif kind == "componentRef":
                yield from self._members(self._components[number], path)
            elif kind == "groupRef":
                group = self._groups[number]
                count = group.find(f"{_SPACE}numInGroup")
                assert count is not None
                tag = int(count.get("id", ""))
                yield path, tag, None
                yield from self._members(group, (*path, tag))

    def _codes(self, one: Element) -> list[Element]:
        code_set = self._code_sets.get(one.get("type", ""))
        return [] if code_set is None else code_set.findall(f"{_SPACE}code")

    def _field(self, one: Element) -> StandardField:
        tag = int(one.get("id", ""))
        code_set = self._code_sets.get(one.get("type", ""))
        texts = [_text(one)]
        if code_set is None:
            return StandardField(one.get("name", ""), {}, tag, "")
        texts.append(_text(code_set))
        values = {
            code.get("value", ""): _meaning(code.get("name", "")) for code in self._codes(one)
        }
        union = one.get("unionDataType", "").upper() or _union(" ".join(texts))
        return StandardField(one.get("name", ""), values, int(code_set.get("id", "")), union)


def _text(one: Element) -> str:
    """Return the standard's text on a field, a set of codes without each code, or a code."""
    return " ".join(
        " ".join("".join(text.itertext()).split())
        for text in one.iterfind(f"{_SPACE}annotation/{_SPACE}documentation")
    )


def _union(text: str) -> str:
    """Return the type of the values that a description allows besides the listed ones."""
    if _MUTUAL.search(text):
        return "STRING"
    found = _FROM.search(text)
    if found and _BILATERAL.search(text):
        return f"RESERVED{found[1] or found[2]}PLUS"
    return ""


def _meaning(name: str) -> str:
    """Return `TradeThroughLimit` as `Trade through limit`; words in capitals stay so."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name).split()
    return " ".join(
        word if (word.isupper() and len(word) > 1) or not number else word.lower()
        for number, word in enumerate(words)
    )
