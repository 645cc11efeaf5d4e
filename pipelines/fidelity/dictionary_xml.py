"""Makes a folder of XML files for QuickFIX, from fixfeed's dictionaries or from others."""

import re
import shutil
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import orjson

__all__ = ["VERSIONS", "copy_dictionaries", "write_dictionaries"]

VERSIONS = ("FIX40", "FIX41", "FIX42", "FIX43", "FIX44", "FIX50", "FIX50SP1", "FIX50SP2", "FIXT11")
"""The versions of FIX that have a dictionary, by the names of their files."""

_VERSION = re.compile(r"(FIXT?)(\d)(\d)(?:SP(\d))?")


def write_dictionaries(folder: Path) -> None:
    """Write fixfeed's dictionaries into `folder`, which exists: a file per version."""
    for version in VERSIONS:
        (folder / f"{version}.xml").write_bytes(ElementTree.tostring(_document(version)))
    _complete(folder)


def copy_dictionaries(source: Path, folder: Path) -> None:
    """Copy the files of all versions from one folder to another."""
    for version in VERSIONS:
        shutil.copy(source / f"{version}.xml", folder)
    _complete(folder)


def _complete(folder: Path) -> None:
    """Fill the components that FIXT11.xml leaves empty as FIX50SP2.xml does.

    Newer editions have the group of Logon (A), NoMsgTypes (384), only in FIX50SP2.xml, where
    QuickFIX does not look for it.
    """
    path = folder / "FIXT11.xml"
    transport, newest = ElementTree.parse(path), ElementTree.parse(folder / "FIX50SP2.xml")
    fields = transport.find("fields")
    assert fields is not None, "a file that QuickFIX reads has <fields>"
    known = {field.get("name") for field in fields}
    for component in transport.iterfind("components/component"):
        full = newest.find(f"components/component[@name='{component.get('name')}']")
        if len(component) or full is None:
            continue
        component.extend(full)
        for name in {one.get("name") for one in component.iter()} - known:
            fields.extend(newest.iterfind(f"fields/field[@name='{name}']"))
            known.add(name)
    transport.write(path)


@cache
def _content(version: str) -> dict[str, Any]:
    resource = files("fixfeed.transforms.fix.dictionary.data").joinpath(f"{version}.json")
    return orjson.loads(resource.read_bytes())


def _document(version: str) -> Element:
    content = _content(version)
    parts = _VERSION.fullmatch(version)
    assert parts is not None
    kind, major, minor, pack = parts.groups(default="0")
    root = Element("fix", type=kind, major=major, minor=minor, servicepack=pack)
    fields = content["fields"]
    for part in ("header", "trailer"):
        _add_members(SubElement(root, part), content[part], fields)
    messages = SubElement(root, "messages")
    for msg_type, (name, admin, members) in content["messages"].items():
        category = "admin" if admin else "app"
        message = SubElement(messages, "message", name=name, msgtype=msg_type, msgcat=category)
        _add_members(message, members, fields)
    components = SubElement(root, "components")
    for name, members in content["components"].items():
        _add_members(SubElement(components, "component", name=name), members, fields)
    definitions = SubElement(root, "fields")
    for tag, (name, field_type, values, *_) in fields.items():
        field = SubElement(definitions, "field", number=tag, name=name, type=field_type)
        for value, meaning in values.items():
            SubElement(field, "value", enum=value, description=meaning)
    return root


def _add_members(parent: Element, members: list[Any], fields: dict[str, Any]) -> None:
    """Add the members of a message, component or group in order: fields, groups and components."""
    for what, required, *inner in members:
        if isinstance(what, str):
            kind, name = "component", what
        else:
            kind, name = ("group" if inner else "field"), fields[str(what)][0]
        element = SubElement(parent, kind, name=name, required="Y" if required else "N")
        if inner:
            _add_members(element, inner[0], fields)
