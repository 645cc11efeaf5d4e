"""Reads a data dictionary in the XML format of QuickFIX, which counterparties hand out."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

from fixfeed.transforms.nearest import did_you_mean

__all__ = ["DictionaryError", "read_definition"]

_Grammar = dict[str, Any]
"""The elements allowed in an element, each with the grammar of what is allowed in it."""

_MEMBERS: _Grammar = {"field": {}, "component": {}}
_MEMBERS["group"] = _MEMBERS
_FILE: _Grammar = {
    "fix": {
        "header": _MEMBERS,
        "messages": {"message": _MEMBERS},
        "trailer": _MEMBERS,
        "components": {"component": _MEMBERS},
        "fields": {"field": {"value": {}, "values": {"value": {}}}},
    }
}
_DEEPEST = 50
_TAG = re.compile(r"0*([1-9][0-9]{0,8})")
_WHOLE = re.compile(r"[0-9]+")


class DictionaryError(ValueError):
    """A dictionary that cannot be used; the text has the place, what was found and expected."""


def read_definition(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a data dictionary.

    The sections may come in any order; all but `fields` may be absent. Attributes that have nothing
    to do with tags, names, types, values and structure are passed over.

    Returns:
      A dict of lists, dicts, texts and whole numbers, in the order of the file:

        version     `FIX.4.4`, `FIX.5.0SP2`, `FIXT.1.1`
        fields      tag as text -> [name, type in capitals, {value: meaning}]; after these, if
                    other values are allowed, the type of those (`Field.union`)
        components  name -> members
        header      members
        trailer     members
        messages    MsgType -> [name, 1 if admin else 0, members]

      Members are a list of [tag, required] for a field, [tag, required, members] for a group, which
      tag counts, and [name, required] for a component; required is 0 or 1. Every tag in it is in
      `fields` and every name in `components`; a group has a member once its components are
      resolved; no component contains itself.

    Raises:
      DictionaryError: The file cannot be opened, is not XML, or is not a dictionary as above.
    """
    return _Reader(str(path)).definition()


@dataclass
class _Element:
    tag: str
    line: int
    grammar: _Grammar
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["_Element"] = field(default_factory=list)

    def __str__(self) -> str:
        name = self.attributes.get("name")
        return f"{self.tag} {name}" if name else f"<{self.tag}>"


class _Reader:
    """Reads one file: first its elements, then the fields, then all that names fields."""

    def __init__(self, path: str):
        self._path = path
        self._tags: dict[str, int] = {}
        self._components: dict[str, _Element] = {}
        self._groups: list[tuple[_Element, list[Any]]] = []

    def definition(self) -> dict[str, Any]:
        root = self._root()
        version = self._version(root)
        sections = self._once(root.children, "tag")
        parts = {tag: sections[tag].children if tag in sections else [] for tag in _FILE["fix"]}
        fields = self._fields(parts["fields"])
        if not fields:
            line = sections.get("fields", root).line
            self._fail(line, "found no field, expected <fields> with at least one <field>")
        self._components = self._once(parts["components"], "name")
        components = {
            name: self._members(element, element.children)
            for name, element in self._components.items()
        }
        result = {
            "version": version,
            "fields": fields,
            "components": components,
            "header": self._members("<header>", parts["header"]),
            "trailer": self._members("<trailer>", parts["trailer"]),
            "messages": {
                msg_type: [
                    self._attribute(element, "name"),
                    int(element.attributes.get("msgcat") == "admin"),
                    self._members(element, element.children),
                ]
                for msg_type, element in self._once(parts["messages"], "msgtype").items()
            },
        }
        self._check_groups(components)
        return result

    def _root(self) -> _Element:
        """Return the root with all elements in it, each where it is allowed."""
        try:
            content = Path(self._path).read_bytes()
        except OSError as error:
            raise DictionaryError(f"cannot read {self._path}: {error.strerror}") from error
        parser = expat.ParserCreate()
        document = _Element("", 0, _FILE)
        stack = [document]

        def start(tag: str, attributes: dict[str, str]) -> None:
            parent = stack[-1]
            if tag not in parent.grammar:
                self._fail_element(parser.CurrentLineNumber, tag, parent)
            if len(stack) > _DEEPEST:
                self._fail(
                    parser.CurrentLineNumber, f"expected at most {_DEEPEST} elements in each other"
                )
            element = _Element(tag, parser.CurrentLineNumber, parent.grammar[tag], attributes)
            parent.children.append(element)
            stack.append(element)

        def doctype(*_: Any) -> NoReturn:
            # Entities can make a small file fill the memory or name other files.
            self._fail(parser.CurrentLineNumber, "found a DOCTYPE, expected a file without one")

        parser.StartElementHandler = start
        parser.EndElementHandler = lambda _: stack.pop()
        parser.StartDoctypeDeclHandler = doctype
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            self._fail(error.lineno, f"cannot read the XML: {expat.ErrorString(error.code)}")
        except DictionaryError:
            raise
        except (LookupError, ValueError) as error:
            self._fail(parser.CurrentLineNumber, f"cannot decode the file: {error}")
        return document.children[0]

    def _version(self, root: _Element) -> str:
        kind = root.attributes.get("type", "FIX")
        if kind not in ("FIX", "FIXT"):
            self._fail(root.line, f"<fix> has type {kind!r}, expected FIX or FIXT")
        pack = root.attributes.get("servicepack") or "0"
        numbers = [self._attribute(root, "major"), self._attribute(root, "minor"), pack]
        for name, text in zip(("major", "minor", "servicepack"), numbers, strict=True):
            if not _WHOLE.fullmatch(text):
                self._fail(root.line, f"<fix> has {name} {text!r}, expected a whole number")
        major, minor, pack = (text.lstrip("0") or "0" for text in numbers)
        return f"{kind}.{major}.{minor}" + (f"SP{pack}" if pack != "0" else "")

    def _fields(self, elements: list[_Element]) -> dict[str, list[Any]]:
        by_tag: dict[str, _Element] = {}
        for element in elements:
            number = self._attribute(element, "number")
            tag = _TAG.fullmatch(number)
            if not tag:
                expected = "expected a whole number from 1 to 999999999"
                self._fail(element.line, f"{element} has number {number!r}, {expected}")
            self._add(by_tag, tag[1], element, "number")
        self._tags = {
            name: int(self._attribute(element, "number"))
            for name, element in self._once(elements, "name").items()
        }
        return {
            tag: [
                element.attributes["name"],
                self._attribute(element, "type").upper(),
                dict(self._values(element)),
                *self._union(element),
            ]
            for tag, element in by_tag.items()
        }

    def _union(self, element: _Element) -> list[str]:
        """Return the field's own type if it may hold other values than those that are listed."""
        for one in (element, *element.children):
            allowed = one.attributes.get("allowOtherValues", "N")
            if allowed.upper() not in ("Y", "N", "TRUE", "FALSE"):
                found = f"{element} has allowOtherValues {allowed!r}"
                self._fail(one.line, f"{found}, expected true or false")
            if allowed.upper() in ("Y", "TRUE"):
                return [self._attribute(element, "type").upper()]
        return []

    def _values(self, element: _Element) -> Iterable[tuple[str, str]]:
        for child in element.children:
            if child.tag == "values":
                yield from self._values(child)
            else:
                meaning = _meaning(child.attributes.get("description", ""))
                yield self._attribute(child, "enum"), meaning

    def _members(self, owner: _Element | str, elements: list[_Element]) -> list[Any]:
        members: list[Any] = []
        for element in elements:
            name = self._attribute(element, "name")
            required = element.attributes.get("required", "N")
            if required not in ("Y", "N"):
                found = f"{element} in {owner} has required {required!r}"
                self._fail(element.line, f"{found}, expected Y or N")
            is_component = element.tag == "component"
            known: Iterable[str] = self._components if is_component else self._tags
            if name not in known:
                section = "<components>" if is_component else "<fields>"
                self._fail(
                    element.line,
                    f"{owner} names {element.tag} {name!r}, which {section} does not define"
                    + did_you_mean(name, known),
                )
            member: list[Any] = [name if is_component else self._tags[name], int(required == "Y")]
            if element.tag == "group":
                inside = self._members(element, element.children)
                self._groups.append((element, inside))
                member.append(inside)
            members.append(member)
        return members

    def _check_groups(self, components: dict[str, list[Any]]) -> None:
        """Check that no component contains itself and that each group has a field to begin with."""
        names = {name: dict.fromkeys(_named(members)) for name, members in components.items()}
        empty: set[str] = set()
        try:
            # Components that name no others come first, then those that name them.
            for name in TopologicalSorter(names).static_order():
                if all(one[0] in empty for one in components[name]):
                    empty.add(name)
        except CycleError as error:
            # Reversed, each component comes after the one that contains it.
            cycle = error.args[1][::-1]
            element = self._components[cycle[0]]
            expected = "expected components that do not"
            self._fail(element.line, f"{element} contains itself: {' > '.join(cycle)}; {expected}")
        for group, members in self._groups:
            if all(one[0] in empty for one in members):
                expected = "expected at least a field, which begins each entry"
                self._fail(group.line, f"{group} has no members, {expected}")

    def _once(self, elements: list[_Element], key: str) -> dict[str, _Element]:
        """Return the elements by an attribute, or by their `tag`, that no two may share."""
        found: dict[str, _Element] = {}
        for element in elements:
            text = element.tag if key == "tag" else self._attribute(element, key)
            self._add(found, text, element, key)
        return found

    def _add(self, found: dict[str, _Element], text: str, element: _Element, key: str) -> None:
        before = found.setdefault(text, element)
        if before is not element:
            what = f"a second {element}" if key == "tag" else f"{element} with {key} {text}"
            expected = f"expected one alone; the first is {before} in line {before.line}"
            self._fail(element.line, f"found {what}, {expected}")

    def _attribute(self, element: _Element, name: str) -> str:
        text = element.attributes.get(name)
        if not text:
            self._fail(element.line, f"{element} has no {name}, expected {name}='...'")
        return text

    def _fail_element(self, line: int, tag: str, parent: _Element) -> NoReturn:
        place = f" in {parent}" if parent.tag else ""
        expected = ", ".join(f"<{name}>" for name in parent.grammar) or "nothing"
        self._fail(line, f"found <{tag}>{place}, expected {expected}")

    def _fail(self, line: int, text: str) -> NoReturn:
        raise DictionaryError(f"{self._path}, line {line}: {text}")


def _named(members: list[Any]) -> Iterable[str]:
    """Yield the components named by members and by the groups among them."""
    for what, _, *inside in members:
        if isinstance(what, str):
            yield what
        for one in inside:
            yield from _named(one)


def _meaning(description: str) -> str:
    """Return `PARTIALLY_FILLED` as `Partially filled`; what is not in capitals stays as it is."""
    if description.upper() != description:
        return description
    return description.replace("_", " ").capitalize()
